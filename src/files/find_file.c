/* find_file.c - the shipped experiments: in a directory that the user names, beside the program, or
 * installed. */
#include "files/find_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Is dir/sub/name, or dir/sub/name.yaml, there? */
static bool is_there(const char *dir, const char *sub, const char *name, char out[PATH_MAX])
{
    static const char *const endings[] = {"", ".yaml"};

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        const int n = snprintf(out, PATH_MAX, "%s%s/%s%s", dir, sub, name, endings[i]);
        if (n > 0 && n < PATH_MAX && access(out, F_OK) == 0)
            return true;
    }
    return false;
}

/* An installed program stands in PREFIX/bin, a built one in build/ of the source tree, or deeper. */
static bool find_near_program(const char *name, char out[PATH_MAX])
{
    static const char *const places[] = {"/../share/tempo/experiments", "/experiments", "/../experiments",
                                         "/../../experiments", "/../../../experiments"};
    char dir[PATH_MAX], path[PATH_MAX];
    char *slash;

    if (realpath("/proc/self/exe", dir) == NULL || (slash = strrchr(dir, '/')) == NULL)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (is_there(dir, places[i], name, path))
            return realpath(path, out) != NULL;
    return false;
}

tempo_status tempo_study_find_file(const char *name, char *out, size_t cap, tempo_err *err)
{
    const char *wanted = getenv("TEMPO_EXPERIMENTS");
    char path[PATH_MAX];

    if (cap > 0)
        out[0] = '\0';
    const bool plain = name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
    if (!plain || !((wanted != NULL && wanted[0] != '\0' && is_there(wanted, "", name, path)) ||
                    find_near_program(name, path)
#ifdef TEMPO_DATADIR
                    || is_there(TEMPO_DATADIR, "/experiments", name, path)
#endif
                        ))
        return tempo_fail(
            err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
            "%.100s is none of the files that come with the program, neither beside it nor in the "
            "directory that TEMPO_EXPERIMENTS names (%.200s)",
            name, wanted != NULL ? wanted : "not set");
    const size_t n = strlen(path);
    if (n >= cap)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.200s...: the path is too long", path);
    memcpy(out, path, n + 1);
    return TEMPO_OK;
}
