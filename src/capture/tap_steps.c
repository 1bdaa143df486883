/* tap_steps.c - see tap_steps.h */
#include "capture/tap_steps.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "capture/capture.h"
#include "capture/steps.h"
#include "io/json.h"

/* ---- which arrays there are ---- */

static int by_key(const void *a, const void *b)
{
    const tempo_tap_key *x = a, *y = b;

    if (x->tap != y->tap)
        return x->tap < y->tap ? -1 : 1;
    if (x->prompt != y->prompt)
        return x->prompt ? -1 : 1;
    return (x->step > y->step) - (x->step < y->step);
}

/* A cache's keys and values have the names of taps, and not what every step of taps has beside it. */
static bool is_of_cache(const tempo_tap_steps *s, const tempo_tap_key *k)
{
    char key[TEMPO_CAPTURE_KEY];
    tempo_npy shape;

    return !k->prompt && (k->tap == TEMPO_TAP_K || k->tap == TEMPO_TAP_V) &&
           tempo_array_shape(s->file, tempo_capture_key(key, k->step, TEMPO_ARRAY_QUERY_SLOTS), &shape,
                             NULL) != TEMPO_OK;
}

static tempo_status list_keys(tempo_tap_steps *s, tempo_err *err)
{
    const size_t n = tempo_array_file_count(s->file);

    if ((s->keys = calloc(n + 1, sizeof(*s->keys))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu arrays", n);
    for (size_t i = 0; i < n; i++) {
        tempo_tap_key *k = &s->keys[s->n];
        k->name = tempo_array_file_name(s->file, i);
        if (tempo_capture_tap_key(k->name, &k->tap, &k->prompt, &k->step) && !is_of_cache(s, k))
            s->n++;
    }
    qsort(s->keys, s->n, sizeof(*s->keys), by_key);
    return TEMPO_OK;
}

/* taps: {"z": {"layers": [4, 5]}}; what is not understood says nothing. */
static tempo_status read_layers(tempo_tap_steps *s, tempo_tap tap, const json_t *list, tempo_err *err)
{
    const size_t n = json_array_size(list);

    if (n == 0 || n > TEMPO_STEPS_MAX_LAYERS)
        return TEMPO_OK;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT16_MAX)
            return TEMPO_OK;
    }
    if ((s->layers[tap] = calloc(n, sizeof(**s->layers))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu layers", n);
    s->n_layers[tap] = n;
    for (size_t i = 0; i < n; i++)
        s->layers[tap][i] = (uint16_t)json_integer_value(json_array_get(list, i));
    return TEMPO_OK;
}

static tempo_status read_metadata(tempo_tap_steps *s, tempo_err *err)
{
    enum { MAX_BYTES = 1 << 26 };
    tempo_err ignored = {0};
    json_t *metadata = NULL;
    char *text;
    tempo_status st = TEMPO_OK;

    if (tempo_array_file_text(s->file, TEMPO_CAPTURE_TEXT, MAX_BYTES, &text, &ignored) == TEMPO_OK &&
        tempo_json_parse(&metadata, text, strlen(text), &ignored) == TEMPO_OK)
        for (int tap = 0; tap < TEMPO_TAP_COUNT && st == TEMPO_OK; tap++) {
            const char *name = tempo_tap_get_info(NULL, (tempo_tap)tap).short_name;
            const json_t *one = json_object_get(json_object_get(metadata, "taps"), name);
            st = read_layers(s, (tempo_tap)tap, json_object_get(one, "layers"), err);
        }
    json_decref(metadata);
    free(text);
    return st;
}

tempo_status tempo_tap_steps_open(tempo_tap_steps *out, const char *path, tempo_err *err)
{
    tempo_status st;

    *out = (tempo_tap_steps){
        .max_bytes = TEMPO_STEPS_MAX_BYTES, .name = strdup(path), .shown = malloc(strlen(path) + 1)};
    if (out->name == NULL || out->shown == NULL) {
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a path");
    } else {
        tempo_utf8_shown(out->shown, path, strlen(path));
        if ((st = tempo_array_file_open(&out->file, path, err)) == TEMPO_OK &&
            ((st = list_keys(out, err)) != TEMPO_OK || (st = read_metadata(out, err)) != TEMPO_OK))
            tempo_err_prefix(err, "%s", path);
    }
    if (st != TEMPO_OK)
        tempo_tap_steps_close(out);
    return st;
}

void tempo_tap_steps_close(tempo_tap_steps *s)
{
    tempo_array_file_free(s->file);
    free(s->name);
    free(s->shown);
    free(s->keys);
    for (size_t i = 0; i < TEMPO_TAP_COUNT; i++)
        free(s->layers[i]);
    *s = (tempo_tap_steps){0};
}

const tempo_tap_key *tempo_tap_steps_find(const tempo_tap_steps *s, const tempo_tap_key *like)
{
    return s->n > 0 ? bsearch(like, s->keys, s->n, sizeof(*s->keys), by_key) : NULL;
}

size_t tempo_tap_layer(const tempo_tap_steps *s, tempo_tap tap, size_t i)
{
    return i < s->n_layers[tap] ? s->layers[tap][i] : i;
}

/* ---- one array ---- */

static tempo_status take_shape(const tempo_tap_steps *s, const tempo_tap_key *key, const tempo_npy *x,
                               tempo_tap_array *a, tempo_err *err)
{
    const bool by_slot = tempo_tap_by_slot(key->tap), by_layer = tempo_tap_get_info(NULL, key->tap).by_layer;

    if (!tempo_npy_is_float(x->type) || x->count == 0 || x->n_dims < 2u + by_layer ||
        (by_slot && x->n_dims != 4) || (by_layer && x->shape[0] > TEMPO_STEPS_MAX_LAYERS))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: %s: expected floats [%s], none of them 0", s->name, key->name,
                          by_slot    ? "layers, heads, rows, slots"
                          : by_layer ? "layers, rows, ..."
                                     : "rows, ...");
    a->n_layers = by_layer ? (size_t)x->shape[0] : 1;
    a->n_rows = (size_t)x->shape[by_slot ? 2 : by_layer];
    a->n_parts = by_slot ? (size_t)x->shape[1] : 1;
    a->part = (size_t)(x->count / a->n_layers / a->n_rows / a->n_parts);
    a->stride = a->n_rows * a->part;
    return TEMPO_OK;
}

tempo_status tempo_tap_read(const tempo_tap_steps *s, const tempo_tap_key *key, tempo_tap_array *out,
                            tempo_err *err)
{
    const void *in_file;
    tempo_npy shape;
    tempo_status st;

    *out = (tempo_tap_array){0};
    if ((st = tempo_array_shape(s->file, key->name, &shape, err)) != TEMPO_OK) {
        tempo_err_prefix(err, "%s", s->name);
        return st;
    }
    if ((st = take_shape(s, key, &shape, out, err)) != TEMPO_OK)
        return st;
    if (tempo_array_view(s->file, key->name, TEMPO_NPY_F32, &shape, &in_file, NULL) == TEMPO_OK) {
        out->values = in_file;
        return TEMPO_OK;
    }
    st = tempo_array_read(s->file, key->name, TEMPO_NPY_F32, s->max_bytes, &out->array, err);
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "%s", s->name);
    out->values = out->array.data;
    return st;
}

void tempo_tap_array_free(tempo_tap_array *a)
{
    tempo_npy_free(&a->array);
    *a = (tempo_tap_array){0};
}

const float *tempo_tap_part(const tempo_tap_array *a, size_t layer, size_t row, size_t part)
{
    return a->values + (layer * a->n_parts + part) * a->stride + row * a->part;
}
