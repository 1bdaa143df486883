/* json_out.c - numbers, strings and files of JSON. */
#include "files/json_out.h"

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
