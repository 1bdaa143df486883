/* json_out.c - numbers, strings and files of JSON. */
#include "files/json_out.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/outfile.h"

json_t *tempo_json_numbers(const double *x, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, tempo_json_number(x[i]));
    return a;
}

json_t *tempo_json_interval(double lo, double hi)
{
    return json_pack("[o, o]", tempo_json_number(lo), tempo_json_number(hi));
}

tempo_status tempo_text_save(const char *path, const char *text, size_t n, tempo_err *err)
{
    tempo_outfile *f;
    tempo_status st = tempo_outfile_create(&f, path, err);

    if (st != TEMPO_OK)
        return st;
    if ((st = tempo_outfile_write(f, text, n, err)) != TEMPO_OK) {
        tempo_outfile_abort(f);
        return st;
    }
    return tempo_outfile_commit(f, err);
}

tempo_status tempo_json_save(const char *path, json_t *document, bool compact, tempo_err *err)
{
    const tempo_status st = tempo_jsonfile_save(path, document, compact, err);

    json_decref(document);
    return st;
}

tempo_status tempo_path_join(char *path, size_t cap, const char *dir, const char *name, tempo_err *err)
{
    const int n = snprintf(path, cap, "%s/%s", dir, name);

    return n >= 0 && (size_t)n < cap
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s/%s: the path is too long", dir, name);
}

tempo_status tempo_make_directory(const char *path, tempo_err *err)
{
    char *copy = strdup(path);
    tempo_status st = TEMPO_OK;
    struct stat info;

    if (copy == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a path");
    for (char *p = copy + 1; copy[0] != '\0' && st == TEMPO_OK; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        const char end = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && (errno != EEXIST || stat(copy, &info) != 0 || !S_ISDIR(info.st_mode)))
            st = tempo_fail_os(err, errno, "%s: cannot be made a directory", copy);
        *p = end;
        if (end == '\0')
            break;
    }
    free(copy);
    return st;
}
