/* mean.c - sums of taps in double, and their file. */
#include "lens/mean.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "capture/capture.h"
#include "capture/taps.h"
#include "io/json.h"

struct tempo_means {
    const tempo_model *model;
    tempo_tap_selection taps[TEMPO_TAP_COUNT];
    size_t n, at[TEMPO_TAP_COUNT],
        width[TEMPO_TAP_COUNT]; /* of each: where its sums begin; numbers of a layer */
    size_t floats;
    double *sums;     /* [floats], each tap [layers, width] with the selected layers alone */
    uint64_t *counts; /* [n, layers] rows */
};

static uint32_t layers_of(const tempo_means *s, size_t t)
{
    return tempo_tap_get_info(s->model, s->taps[t].tap).by_layer ? s->model->hp.n_layers : 1;
}

/* Place of a layer among the selected ones; layer = layers_of: how many there are. */
static size_t place(const tempo_means *s, size_t t, uint32_t layer)
{
    size_t n = 0;

    for (uint32_t l = 0; l < layer; l++)
        n += tempo_tap_has(s->taps[t].layers, l);
    return n;
}

static tempo_status check(const tempo_tap_selection *s, const tempo_model *m, tempo_err *err)
{
    const tempo_tap_info t = tempo_tap_get_info(m, s->tap);
    tempo_status st = tempo_tap_check(s, m, err);

    if (st != TEMPO_OK)
        return st;
    if (tempo_tap_by_slot(s->tap))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%s has a number for each slot that a row sees: there is no mean of it",
                          t.short_name);
    for (uint32_t h = 0; h < t.n_heads; h++)
        if (!tempo_tap_has(s->heads, h))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "%s: a mean is of all heads; whoever uses it narrows them", t.short_name);
    return TEMPO_OK;
}

tempo_status tempo_means_create(tempo_means **out, const tempo_model *m, const tempo_tap_selection *taps,
                                size_t n, tempo_err *err)
{
    tempo_means *s = calloc(1, sizeof(*s));
    tempo_status st = TEMPO_OK;

    *out = NULL;
    if (s == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for means");
    s->model = m;
    if (n == 0 || n > TEMPO_TAP_COUNT)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "means of %zu taps: expected 1 to %d", n,
                        TEMPO_TAP_COUNT);
    for (; s->n < n && st == TEMPO_OK; s->n++) {
        const tempo_tap_info t = tempo_tap_get_info(m, taps[s->n].tap);
        st = check(&taps[s->n], m, err);
        s->taps[s->n] = taps[s->n];
        s->at[s->n] = s->floats;
        s->width[s->n] = t.dims[0] * t.dims[1];
        s->floats += st == TEMPO_OK ? place(s, s->n, layers_of(s, s->n)) * s->width[s->n] : 0;
    }
    if (st == TEMPO_OK)
        st = tempo_memory_check(s->floats * sizeof(double), "the sums of so many taps", err);
    if (st == TEMPO_OK) {
        s->sums = calloc(s->floats, sizeof(double));
        s->counts = calloc(n * m->hp.n_layers, sizeof(*s->counts));
        if (s->sums == NULL || s->counts == NULL)
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu sums", s->floats);
    }
    if (st == TEMPO_OK)
        *out = s;
    else
        tempo_means_free(s);
    return st;
}

void tempo_means_free(tempo_means *s)
{
    if (s == NULL)
        return;
    free(s->sums);
    free(s->counts);
    free(s);
}

bool tempo_means_view(tempo_means *s, const tempo_tap_view *view)
{
    for (size_t t = 0; t < s->n; t++) {
        if (s->taps[t].tap != view->tap || !tempo_tap_has(s->taps[t].layers, view->layer))
            continue;
        double *sums = s->sums + s->at[t] + place(s, t, view->layer) * s->width[t];
        for (size_t i = 0; i < s->width[t]; i++)
            sums[i] += (double)view->values[i];
        s->counts[t * s->model->hp.n_layers + view->layer]++;
    }
    return true;
}

uint64_t tempo_means_rows(const tempo_means *s)
{
    uint32_t layer = 0;

    while (!tempo_tap_has(s->taps[0].layers, layer))
        layer++;
    return s->counts[layer];
}

/* Passes show all that is selected of a row, or were stopped. */
static bool all_alike(const tempo_means *s)
{
    bool alike = true;

    for (size_t t = 0; t < s->n; t++)
        for (uint32_t l = 0; l < layers_of(s, t); l++)
            alike = alike && (!tempo_tap_has(s->taps[t].layers, l) ||
                              s->counts[t * s->model->hp.n_layers + l] == tempo_means_rows(s));
    return alike;
}

/* ---- the file ---- */

bool tempo_means_format(const char *path, tempo_capture_format *out)
{
    const size_t n = strlen(path);

    if (n > 4 && strcmp(path + n - 4, ".npz") == 0)
        *out = TEMPO_CAPTURE_NPZ;
    else if (n > 12 && strcmp(path + n - 12, ".safetensors") == 0)
        *out = TEMPO_CAPTURE_SAFETENSORS;
    else
        return false;
    return true;
}

/* What is known of the model, and its sizes, by which a reader sees whether the means are of its own. */
static json_t *model_json(const tempo_means *s, const json_t *known)
{
    json_t *doc = tempo_json_sizes(s->model);

    if (doc != NULL && known != NULL && json_object_update_missing(doc, (json_t *)known) != 0) {
        json_decref(doc);
        return NULL;
    }
    return doc;
}

/* NULL: no memory. */
static char *metadata(const tempo_means *s, const json_t *about)
{
    json_t *doc = json_pack("{s:s, s:s, s:I, s:o, s:o}", "kind", "mean", "version", tempo_version(), "rows",
                            (json_int_t)tempo_means_rows(s), "taps", tempo_taps_json(s->taps, s->n, s->model),
                            "model", model_json(s, json_object_get(about, "model")));
    char *text = NULL;

    if (doc != NULL && (about == NULL || json_object_update_missing(doc, (json_t *)about) == 0))
        text = tempo_json_print(doc);
    json_decref(doc);
    return text;
}

static tempo_status add_tap(tempo_arrays *a, const tempo_means *s, size_t t, tempo_err *err)
{
    const tempo_tap_info info = tempo_tap_get_info(s->model, s->taps[t].tap);
    const size_t layers = place(s, t, layers_of(s, t)), n = layers * s->width[t];
    const double rows = (double)tempo_means_rows(s);
    float *mean = malloc((n + 1) * sizeof(*mean));
    uint64_t shape[3];
    unsigned dims = 0;
    tempo_status st = TEMPO_OK;

    if (mean == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the means of %s",
                          info.short_name);
    if (info.by_layer)
        shape[dims++] = layers;
    for (unsigned i = 0; i < info.n_dims; i++)
        shape[dims++] = info.dims[i];
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        mean[i] = (float)(s->sums[s->at[t] + i] / rows);
        if (!isfinite(mean[i]))
            st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "the mean of %s is not finite",
                            info.short_name);
    }
    if (st == TEMPO_OK)
        st = tempo_arrays_add_floats(a, info.short_name, shape, dims, mean, err);
    free(mean);
    return st;
}

tempo_status tempo_means_save(const tempo_means *s, const char *path, const json_t *about, tempo_err *err)
{
    tempo_capture_format format = TEMPO_CAPTURE_NPZ;
    char *text = NULL;
    tempo_arrays *a;
    tempo_status st;

    if (!tempo_means_format(path, &format))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%s: expected a name that ends in .npz or .safetensors", path);
    if (tempo_means_rows(s) == 0 || !all_alike(s))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: %s", path,
                          tempo_means_rows(s) == 0 ? "there is no row to take a mean of"
                                                   : "not all taps were shown of every row");
    if ((text = metadata(s, about)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: no memory to write it", path);
    if ((st = tempo_arrays_create(&a, format, path, s->n + 1, strlen(text), err)) != TEMPO_OK)
        goto out;
    for (size_t t = 0; t < s->n && st == TEMPO_OK; t++)
        st = add_tap(a, s, t, err);
    if (st == TEMPO_OK)
        st = tempo_arrays_add_text(a, TEMPO_CAPTURE_TEXT, text, err);
    if (st == TEMPO_OK)
        st = tempo_arrays_commit(a, err);
    else
        tempo_arrays_abort(a);
out:
    free(text);
    return st;
}
