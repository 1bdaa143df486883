/* place.c - an experiment's directory appears whole or not at all, and takes the place of an
 * earlier run's.
 *
 * OUT/NAME is filled as OUT/.NAME.partial, hidden so that nobody reads it, and renamed at the end.  What an
 * earlier run left is removed only when all of it is what that run's manifest lists.  */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/json.h"
#include "experiment/run.h"
#include "files/json_out.h"
#include "files/manifest.h"

static tempo_status failed(tempo_err *err, const char *path, const char *what)
{
    const int e = errno;
    const tempo_status st =
        tempo_fail(err, TEMPO_E_IO, TEMPO_NO_OFFSET, "%s: %s: %s", path, what, strerror(e));

    if (err != NULL)
        err->os_errno = e;
    return st;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* ---- removing ---- */

/* Everything below the directory `name` of `parent`, and itself; links are removed, not followed. */
static bool remove_at(int parent, const char *name, unsigned depth)
{
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    bool done = depth < TEMPO_MANIFEST_MAX_DEPTH;

    if (d == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    while (done && (e = readdir(d)) != NULL)
        if (!is_dots(e->d_name) && unlinkat(fd, e->d_name, 0) != 0)
            done = (errno == EISDIR || errno == EPERM) && remove_at(fd, e->d_name, depth + 1);
    (void)closedir(d);
    return done && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

static tempo_status remove_tree(const char *path, tempo_err *err)
{
    struct stat info;

    if (lstat(path, &info) != 0)
        return errno == ENOENT ? TEMPO_OK : failed(err, path, "cannot be looked at");
    return remove_at(AT_FDCWD, path, 0) ? TEMPO_OK : failed(err, path, "cannot be removed");
}

/* ---- what is there ---- */

static bool is_listed(const json_t *files, const char *path)
{
    const json_t *f;
    size_t i;

    json_array_foreach(files, i, f)
    {
        const char *p = json_string_value(json_object_get(f, "path"));
        if (p != NULL && strcmp(p, path) == 0)
            return true;
    }
    return false;
}

/* The document about a run lies beside its files where the layout is flat; it is written again. */
static bool is_summary(const char *path)
{
    static const char begin[] = "EXPERIMENT_RESULTS";

    return strncmp(path, begin, sizeof(begin) - 1) == 0;
}

/* Is all below dir/below (below "" or "arm/") in the manifest's list?  other: the first that is not. */
static bool all_listed(const char *dir, const char *below, const json_t *files, char other[TEMPO_RUN_PATH])
{
    char path[TEMPO_RUN_PATH];
    const struct dirent *e;
    bool all = true;
    DIR *d;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, below) >= sizeof(path) ||
        (d = opendir(path)) == NULL)
        return false;
    while (all && (e = readdir(d)) != NULL) {
        struct stat info;
        if (is_dots(e->d_name))
            continue;
        all = (size_t)snprintf(other, TEMPO_RUN_PATH, "%s%s", below, e->d_name) < TEMPO_RUN_PATH - 1 &&
              (size_t)snprintf(path, sizeof(path), "%s/%s", dir, other) < sizeof(path) &&
              lstat(path, &info) == 0;
        if (all && S_ISDIR(info.st_mode)) {
            char deeper[TEMPO_RUN_PATH];
            memcpy(deeper, other, strlen(other) + 1);
            strcat(deeper, "/");
            all = strlen(deeper) < TEMPO_RUN_PATH / 2 && all_listed(dir, deeper, files, other);
        } else if (all) {
            all = S_ISREG(info.st_mode) &&
                  (strcmp(other, "manifest.json") == 0 || is_summary(other) || is_listed(files, other));
        }
    }
    (void)closedir(d);
    return all;
}

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    bool empty = true;

    while (d != NULL && (e = readdir(d)) != NULL)
        empty = empty && is_dots(e->d_name);
    if (d != NULL)
        (void)closedir(d);
    return empty;
}

static tempo_status check_replaceable(const char *dir, tempo_err *err)
{
    char path[TEMPO_RUN_PATH], other[TEMPO_RUN_PATH] = "";
    struct stat info;
    json_t *manifest = NULL;
    tempo_status st = TEMPO_OK;

    if (lstat(dir, &info) != 0)
        return errno == ENOENT ? TEMPO_OK : failed(err, dir, "cannot be looked at");
    if (!S_ISDIR(info.st_mode))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: is there and no directory", dir);
    if (is_empty(dir))
        return TEMPO_OK;
    if ((st = tempo_path_join(path, sizeof(path), dir, "manifest.json", err)) != TEMPO_OK)
        return st;
    const char *kind = tempo_json_load(&manifest, path, NULL) == TEMPO_OK
                           ? json_string_value(json_object_get(manifest, "kind"))
                           : NULL;
    if (kind == NULL || strcmp(kind, "experiment") != 0)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                        "%s: holds files that are not of an experiment; give another --out", dir);
    else if (!all_listed(dir, "", json_object_get(manifest, "files"), other))
        st = tempo_fail(
            err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
            "%s: would be replaced, but %.200s in it is not of that run; move it or give another --out", dir,
            other);
    json_decref(manifest);
    return st;
}

/* ---- the three moments ---- */

static void release(tempo_place *p)
{
    if (p->held >= 0)
        (void)close(p->held);
    p->held = -1;
}

static void hold(tempo_place *p, const char *dir)
{
    release(p);
#ifdef O_PATH
    p->held = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
#else
    (void)dir;
#endif
}

/* The directory above, and the hidden name in it. */
static tempo_status split(const char *final, char above[TEMPO_RUN_PATH], char hidden[TEMPO_RUN_PATH],
                          tempo_err *err)
{
    const char *slash = strrchr(final, '/'), *name = slash != NULL ? slash + 1 : final;
    const int n = slash == NULL ? 1 : slash == final ? 1 : (int)(slash - final);

    if (*name == '\0' || is_dots(name))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%s: cannot be replaced as a whole; name a directory of its own", final);
    (void)snprintf(above, TEMPO_RUN_PATH, "%.*s", n, slash == NULL ? "." : final);
    if ((size_t)snprintf(hidden, TEMPO_RUN_PATH, ".%s.partial", name) >= 256)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.64s...: the name is too long", name);
    return TEMPO_OK;
}

tempo_status tempo_place_check(const char *final, tempo_err *err)
{
    char above[TEMPO_RUN_PATH], hidden[TEMPO_RUN_PATH];
    const tempo_status st = split(final, above, hidden, err);

    return st == TEMPO_OK ? check_replaceable(final, err) : st;
}

tempo_status tempo_place_begin(tempo_place *p, const char *final, tempo_err *err)
{
    char above[TEMPO_RUN_PATH], hidden[TEMPO_RUN_PATH];
    tempo_status st;

    *p = (tempo_place){0};
    if (strlen(final) >= sizeof(p->final))
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.64s...: the path is too long", final);
    (void)strcpy(p->final, final);
    if ((st = split(final, above, hidden, err)) != TEMPO_OK ||
        (st = check_replaceable(p->final, err)) != TEMPO_OK ||
        (st = tempo_make_directory(above, err)) != TEMPO_OK ||
        (st = tempo_path_join(p->partial, sizeof(p->partial), above, hidden, err)) != TEMPO_OK ||
        (st = remove_tree(p->partial, err)) != TEMPO_OK ||
        (st = tempo_make_directory(p->partial, err)) != TEMPO_OK) {
        p->partial[0] = '\0';
    }
    return st;
}

tempo_status tempo_place_commit(tempo_place *p, tempo_err *err)
{
    char old[TEMPO_RUN_PATH + 8];
    struct stat info;
    const bool replaces = lstat(p->final, &info) == 0;
    tempo_status st = TEMPO_OK;

    /* what is replaced goes to a hidden name first: at no moment is there a mixture of both */
    (void)snprintf(old, sizeof(old), "%s.old", p->partial);
    if ((st = check_replaceable(p->final, err)) != TEMPO_OK || (st = remove_tree(old, err)) != TEMPO_OK)
        return st;
    release(p); /* what is ended between the two renames loses neither */
    if (replaces && rename(p->final, old) != 0)
        return failed(err, p->final, "cannot be moved away");
    if (rename(p->partial, p->final) != 0) {
        st = failed(err, p->final, "cannot be put in its place");
        if (replaces)
            (void)rename(old, p->final);
        return st;
    }
    p->partial[0] = '\0';
    if (replaces)
        hold(p, old);
    st = remove_tree(old, err);
    release(p);
    return st;
}

void tempo_place_abort(tempo_place *p)
{
    if (p->partial[0] != '\0')
        (void)remove_tree(p->partial, NULL);
    p->partial[0] = '\0';
    release(p);
}

tempo_status tempo_place_names(json_t **out, const char *dir, tempo_err *err)
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    *out = NULL;
    if (d == NULL)
        return failed(err, dir, "cannot be read");
    *out = json_array();
    while ((e = readdir(d)) != NULL)
        if (!is_dots(e->d_name))
            json_array_append_new(*out, json_string(e->d_name));
    (void)closedir(d);
    return TEMPO_OK;
}
