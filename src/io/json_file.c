/* json_file.c - JSON through io/outfile.h. */
#include "io/json_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/outfile.h"

enum { PRECISION = 17 }; /* a double comes back as it was */

struct tempo_jsonlines {
    tempo_outfile *file;
};

json_t *tempo_json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *tempo_json_bytes(const char *s, size_t n)
{
    char *clean = malloc(3 * n + 1);
    size_t len = 0;

    if (clean == NULL)
        return NULL;
    while (n > 0) {
        const size_t valid = tempo_utf8_valid(s, n);
        memcpy(clean + len, s, valid);
        len += valid;
        s += valid;
        n -= valid;
        if (n > 0) {
            memcpy(clean + len, "\xef\xbf\xbd", 3); /* U+FFFD */
            len += 3;
            s++;
            n--;
        }
    }
    json_t *out = json_stringn(clean, len);
    free(clean);
    return out;
}

static tempo_status write_document(tempo_outfile *f, const json_t *doc, size_t flags, tempo_err *err)
{
    char *text = doc != NULL ? json_dumps(doc, flags | JSON_REAL_PRECISION(PRECISION)) : NULL;
    tempo_status st;

    if (text == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a JSON document");
    if ((st = tempo_outfile_write(f, text, strlen(text), err)) == TEMPO_OK)
        st = tempo_outfile_write(f, "\n", 1, err);
    free(text);
    return st;
}

tempo_status tempo_jsonfile_save(const char *path, const json_t *doc, bool compact, tempo_err *err)
{
    tempo_outfile *f;
    tempo_status st = tempo_outfile_create(&f, path, err);

    if (st != TEMPO_OK)
        return st;
    if ((st = write_document(f, doc, compact ? JSON_COMPACT : JSON_INDENT(2), err)) == TEMPO_OK)
        return tempo_outfile_commit(f, err);
    tempo_err_prefix(err, "%s", path);
    tempo_outfile_abort(f);
    return st;
}

tempo_status tempo_jsonlines_create(tempo_jsonlines **out, const char *path, tempo_err *err)
{
    tempo_jsonlines *l = calloc(1, sizeof(*l));
    tempo_status st;

    *out = NULL;
    if (l == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: no memory to write it", path);
    if ((st = tempo_outfile_create(&l->file, path, err)) != TEMPO_OK)
        free(l);
    else
        *out = l;
    return st;
}

tempo_status tempo_jsonlines_add(tempo_jsonlines *l, const json_t *doc, tempo_err *err)
{
    return write_document(l->file, doc, JSON_COMPACT, err);
}

tempo_status tempo_jsonlines_commit(tempo_jsonlines *l, tempo_err *err)
{
    const tempo_status st = tempo_outfile_commit(l->file, err);

    free(l);
    return st;
}

void tempo_jsonlines_abort(tempo_jsonlines *l)
{
    if (l == NULL)
        return;
    tempo_outfile_abort(l->file);
    free(l);
}
