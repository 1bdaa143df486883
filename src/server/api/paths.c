/* paths.c - where files lie on this machine is not what answers say: the last part of a path has to do.
 */
#include <stdio.h>
#include <string.h>

#include "server/api/inside.h"
#include "registry/registry.h"

/* ---- messages ----------------------------------------------------------------------------- */

/* Take n bytes at p out of the text that they are part of. */
static void cut(char *p, size_t n)
{
    memmove(p, p + n, strlen(p + n) + 1);
}

/* The directory, wherever it stands in the message: "dir/x" is "x", "dir" alone its own last part.  Its name
 * may hold anything, so that it is not found as a word. */
static void hide_directory(char *message, const char *dir)
{
    const size_t n = dir == NULL ? 0 : strlen(dir);

    if (n < 2 || dir[0] != '/')
        return;
    for (char *p = message; (p = strstr(p, dir)) != NULL;)
        cut(p, p[n] == '/' ? n + 1 : (size_t)(strrchr(dir, '/') + 1 - dir));
}

/* The directory of a file. */
static void hide_directory_of(char *message, const char *path)
{
    char dir[4096];
    const char *slash = path == NULL ? NULL : strrchr(path, '/');

    if (slash == NULL || slash == path || (size_t)(slash - path) >= sizeof(dir))
        return;
    memcpy(dir, path, (size_t)(slash - path));
    dir[slash - path] = '\0';
    hide_directory(message, dir);
}

/* Words that begin with a slash. */
static void hide_words(char *message)
{
    for (char *p = message; *p != '\0';) {
        const size_t before = strspn(p, " \t\n\"'`(<[=,;:");
        p += before;
        const size_t n = strcspn(p, " \t\n\"'`)>],;");
        size_t last = 0;
        for (size_t i = 0; i < n && p[0] == '/'; i++)
            if (p[i] == '/' && i + 1 < n)
                last = i + 1;
        if (last > 0)
            cut(p, last);
        p += n - last;
        if (before == 0 && n == 0)
            p++; /* a closing sign */
    }
}

void tempo_api_hide_paths(const tempo_api *a, const char *dir, char *message)
{
    char db[4096];

    hide_directory(message, dir);
    hide_directory_of(message, tempo_model_get_info(a->o.model)->path);
    if (a->o.db != NULL)
        hide_directory_of(message, a->o.db);
    else if (tempo_registry_default_path(db, sizeof(db), NULL) == TEMPO_OK)
        hide_directory_of(message, db);
    hide_words(message);
}

/* ---- documents ------------------------------------------------------------------------------ */

/* A word of a command line, or a path: "/a/b", "--out=/a/b". */
static json_t *last_part(const char *s)
{
    const char *begin = s[0] == '-' ? strchr(s, '=') : NULL, *path = begin != NULL ? begin + 1 : s,
               *slash = path[0] == '/' || path[0] == '~' ? strrchr(path, '/') : NULL;
    char text[512];

    if (slash == NULL || slash[1] == '\0')
        return NULL;
    (void)snprintf(text, sizeof(text), "%.*s%s", (int)(path - s), s, slash + 1);
    return json_string(text);
}

static bool holds_paths(const char *key)
{
    return strcmp(key, "argv") == 0 || strcmp(key, "path") == 0 || strcmp(key, "config") == 0;
}

void tempo_api_hide_in_run(json_t *v, bool paths)
{
    const char *key;
    json_t *one, *other;
    size_t i;
    void *next;

    if (json_is_object(v)) {
        (void)json_object_del(v, "dir");
        json_object_foreach_safe(v, next, key, one)
        {
            if (!json_is_string(one))
                tempo_api_hide_in_run(one, paths || holds_paths(key));
            else if ((paths || holds_paths(key)) && (other = last_part(json_string_value(one))) != NULL)
                (void)json_object_set_new(v, key, other);
        }
    }
    json_array_foreach(v, i, one)
    {
        if (!json_is_string(one))
            tempo_api_hide_in_run(one, paths);
        else if (paths && (other = last_part(json_string_value(one))) != NULL)
            (void)json_array_set_new(v, i, other);
    }
}
