/* recorded.c - what the arrays of a capture, or of means, have of a tap: their metadata say it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "capture/names.h"
#include "edit/edit.h"
#include "io/json.h"

enum { MAX_METADATA_BYTES = 1 << 24 };

void tempo_recorded_range(tempo_recorded_tap *out, uint32_t first_layer, size_t layers, uint32_t first_head,
                          size_t heads)
{
    out->n_layers = layers < TEMPO_RECORDED_MOST ? layers : TEMPO_RECORDED_MOST;
    out->n_heads = heads < TEMPO_RECORDED_MOST ? heads : TEMPO_RECORDED_MOST;
    for (size_t i = 0; i < out->n_layers; i++)
        out->layers[i] = first_layer + (uint32_t)i;
    for (size_t i = 0; i < out->n_heads; i++)
        out->heads[i] = first_head + (uint32_t)i;
}

size_t tempo_recorded_at(const uint32_t *list, size_t n, uint32_t one)
{
    size_t at = 0;

    while (at < n && list[at] != one)
        at++;
    return at < n ? at : SIZE_MAX;
}

/* A rising list of numbers below `of`; absent: what is there already. */
static tempo_status read_list(const json_t *given, const char *tap, const char *key, uint32_t of,
                              uint32_t *list, size_t *n, tempo_err *err)
{
    const size_t size = json_array_size(given);

    if (given == NULL)
        return TEMPO_OK;
    bool good = size > 0 && size <= of && size <= TEMPO_RECORDED_MOST;
    for (size_t i = 0; i < size && good; i++) {
        const json_t *one = json_array_get(given, i);
        const json_int_t v = json_integer_value(one);
        good =
            json_is_integer(one) && v >= 0 && v < (json_int_t)of && (i == 0 || v > (json_int_t)list[i - 1]);
        list[i] = (uint32_t)v;
    }
    *n = size;
    return good ? TEMPO_OK
                : tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                             "its metadata do not fit this model: %s of %s (of %" PRIu32 ")", key, tap, of);
}

/* What is said of the model that it was made with. */
static tempo_status check_sizes(const json_t *doc, const tempo_model *m, tempo_err *err)
{
    const tempo_model_info *i = tempo_model_get_info(m);
    const struct {
        const char *name;
        uint32_t here;
    } sizes[] = {{"n_layers", i->n_layers}, {"n_heads", i->n_heads}, {"n_kv_heads", i->n_kv_heads},
                 {"head_dim", i->head_dim}, {"d_model", i->d_model}, {"d_ff", i->d_ff},
                 {"n_vocab", i->n_vocab}};
    const char *name = json_string_value(json_object_get(json_object_get(doc, "model"), "name"));

    for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
        const json_t *there = json_object_get(json_object_get(doc, "model"), sizes[k].name);
        if (json_is_integer(there) && json_integer_value(there) != (json_int_t)sizes[k].here)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "it is of another model%s%.60s: %s %lld, this one (%s) has %" PRIu32,
                              name != NULL ? " " : "", name != NULL ? name : "", sizes[k].name,
                              (long long)json_integer_value(there), i->name, sizes[k].here);
    }
    return TEMPO_OK;
}

tempo_status tempo_recorded_read(tempo_recorded_tap *out, const tempo_array_file *f, const tempo_model *m,
                                 tempo_tap tap, tempo_err *err)
{
    const tempo_tap_info t = tempo_tap_get_info(m, tap);
    char *text = NULL;
    json_t *doc = NULL;
    tempo_err absent = {0};
    tempo_status st = tempo_array_file_text(f, TEMPO_CAPTURE_TEXT, MAX_METADATA_BYTES, &text, &absent);

    tempo_recorded_range(out, 0, t.by_layer ? m->hp.n_layers : 1, 0, t.n_heads > 0 ? t.n_heads : 1);
    if (st == TEMPO_OK) /* files of others have none, or hold anything there */
        st = tempo_json_parse(&doc, text, strlen(text), &absent);
    if (st != TEMPO_OK) {
        st = st == TEMPO_E_NOMEM ? tempo_fail(err, st, TEMPO_NO_OFFSET, "%s", absent.msg) : TEMPO_OK;
        goto out;
    }
    const json_t *one = json_object_get(json_object_get(doc, "taps"), t.short_name);
    if ((st = check_sizes(doc, m, err)) != TEMPO_OK)
        goto out;
    if (t.by_layer)
        st = read_list(json_object_get(one, "layers"), t.short_name, "layers", m->hp.n_layers, out->layers,
                       &out->n_layers, err);
    if (t.n_heads > 0 && st == TEMPO_OK)
        st = read_list(json_object_get(one, "heads"), t.short_name, "heads", t.n_heads, out->heads,
                       &out->n_heads, err);
out:
    json_decref(doc);
    free(text);
    return st;
}
