/* read.c - typed members of the objects in a run's files, and the names of files. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "registry/db.h"

/* What a missing member (TEMPO_E_NOTFOUND, without a message) is. */
static tempo_status missing(tempo_status st, const char *key, bool needed, tempo_err *err)
{
    if (st != TEMPO_E_NOTFOUND)
        return st;
    return needed ? tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"%s\" is missing", key) : TEMPO_OK;
}

tempo_status tempo_registry_text(const json_t *o, const char *key, bool needed, const char **out,
                                 tempo_err *err)
{
    *out = NULL;
    return missing(tempo_json_str(o, key, out, err), key, needed, err);
}

tempo_status tempo_registry_count(const json_t *o, const char *key, bool needed, int64_t *out, tempo_err *err)
{
    uint64_t v = 0;
    const tempo_status st = tempo_json_u64(o, key, INT64_MAX, &v, err);

    *out = st == TEMPO_OK ? (int64_t)v : TEMPO_REGISTRY_NO_INT;
    return missing(st, key, needed, err);
}

tempo_status tempo_registry_real(const json_t *o, const char *key, bool needed, double *out, tempo_err *err)
{
    *out = NAN;
    const tempo_status st = tempo_json_f64(o, key, out, err);
    if (st == TEMPO_OK && !isfinite(*out))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"%s\" is %g, expected a finite number", key,
                          *out);
    return missing(st, key, needed, err);
}

tempo_status tempo_registry_flag(const json_t *o, const char *key, int64_t *out, tempo_err *err)
{
    bool v = false;
    const tempo_status st = tempo_json_bool(o, key, &v, err);

    *out = st == TEMPO_OK ? v : TEMPO_REGISTRY_NO_INT;
    return missing(st, key, false, err);
}

static tempo_status container(const json_t *o, const char *key, bool needed, bool is_array,
                              const json_t **out, tempo_err *err)
{
    const json_t *v = json_object_get(o, key);

    *out = NULL;
    if (v == NULL || json_is_null(v))
        return missing(TEMPO_E_NOTFOUND, key, needed, err);
    if (is_array ? !json_is_array(v) : !json_is_object(v))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"%s\" is not %s", key,
                          is_array ? "an array" : "an object");
    *out = v;
    return TEMPO_OK;
}

tempo_status tempo_registry_array(const json_t *o, const char *key, bool needed, const json_t **out,
                                  tempo_err *err)
{
    return container(o, key, needed, true, out, err);
}

tempo_status tempo_registry_object(const json_t *o, const char *key, bool needed, const json_t **out,
                                   tempo_err *err)
{
    return container(o, key, needed, false, out, err);
}

tempo_status tempo_registry_element(const json_t *array, const char *key, size_t i, const json_t **out,
                                    tempo_err *err)
{
    *out = json_array_get(array, i);
    return json_is_object(*out)
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"%s\"[%zu] is not an object", key, i);
}

/* ---- names ---- */

char *tempo_registry_join(const char *dir, const char *name, tempo_err *err)
{
    const size_t n = strlen(dir) + strlen(name) + 2;
    char *out = malloc(n);

    if (out == NULL)
        (void)tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a path");
    else
        (void)snprintf(out, n, "%s/%s", dir, name);
    return out;
}

void tempo_registry_names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool ends_in(const char *s, const char *ending)
{
    const size_t n = strlen(s), m = strlen(ending);

    return n >= m && strcmp(s + n - m, ending) == 0;
}

static tempo_status read_names(DIR *d, const char *dir, const char *ending, char ***names, size_t *n,
                               tempo_err *err)
{
    const struct dirent *e;
    size_t cap = 0;

    for (errno = 0; (e = readdir(d)) != NULL; errno = 0) {
        if (e->d_name[0] == '.' || !ends_in(e->d_name, ending))
            continue;
        if (*n == cap) {
            cap = cap == 0 ? 16 : 2 * cap;
            char **more = realloc(*names, cap * sizeof(*more));
            if (more == NULL)
                return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory for its names",
                                  dir);
            *names = more;
        }
        if (((*names)[*n] = strdup(e->d_name)) == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory for its names", dir);
        ++*n;
    }
    return errno == 0 ? TEMPO_OK : tempo_fail_os(err, errno, "%s: cannot be read", dir);
}

tempo_status tempo_registry_names(const char *dir, const char *ending, char ***names, size_t *n,
                                  tempo_err *err)
{
    DIR *d = opendir(dir);
    tempo_status st;

    *names = NULL;
    *n = 0;
    if (d == NULL)
        return errno == ENOENT ? TEMPO_OK : tempo_fail_os(err, errno, "%s: cannot be read", dir);
    if ((st = read_names(d, dir, ending, names, n, err)) != TEMPO_OK) {
        tempo_registry_names_free(*names, *n);
        *names = NULL;
        *n = 0;
    } else if (*n > 0) {
        qsort(*names, *n, sizeof(**names), by_bytes);
    }
    (void)closedir(d);
    return st;
}
