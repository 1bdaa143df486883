/* values.c - the vectors of add, set and mean: of the shape that their tap has. */
#include "edit/edit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- shapes ---- */

typedef struct array {
    const float *values;
    uint32_t n_dims;
    uint64_t dims[TEMPO_NPY_MAX_DIMS];
} array;

static uint32_t count_bits(const uint64_t *bits, uint32_t of)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < of; i++)
        n += tempo_tap_has(bits, i);
    return n;
}

/* "[2, 64]" */
static const char *shape_text(const uint64_t *dims, uint32_t n, char out[96])
{
    size_t at = (size_t)snprintf(out, 96, "[");

    for (uint32_t i = 0; i < n && at < 64; i++)
        at += (size_t)snprintf(out + at, 96 - at, "%s%" PRIu64, i > 0 ? ", " : "", dims[i]);
    (void)snprintf(out + at, 96 - at, "]");
    return out;
}

/* dims[n] of one layer: [width], or [heads][width], whose heads are those chosen or all. */
static bool fits_layer(tempo_edit *edit, const tempo_tap_info *tap, const uint64_t *dims, uint32_t n)
{
    const size_t width = tap->n_heads > 0 ? tap->dims[1] : tap->dims[0]; /* 0: any number of slots */
    const bool head = n == 1 && (dims[0] == width || (width == 0 && dims[0] > 0));
    const uint32_t chosen = count_bits(edit->at.heads, tap->n_heads);

    if (head) {
        edit->heads = 1;
        edit->width = (size_t)dims[0];
        return true;
    }
    if (n != 2 || tap->n_heads == 0 || (dims[0] != chosen && dims[0] != tap->n_heads) ||
        (dims[1] != width && (width != 0 || dims[1] == 0)))
        return false;
    edit->heads = (size_t)dims[0];
    edit->width = (size_t)dims[1];
    return true;
}

static tempo_status wrong_shape(const tempo_edit *edit, const tempo_tap_info *tap, const char *name,
                                const array *a, tempo_err *err)
{
    const uint64_t whole[2] = {tap->dims[0], tap->dims[1]};
    char got[96], want[96];

    return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "vector %s has shape %s, %s has %s%s%s", name,
                      shape_text(a->dims, a->n_dims, got), tap->short_name,
                      shape_text(whole, tap->n_dims, want),
                      tap->n_heads > 0 ? ", or that of one head or of those chosen" : "",
                      tap->by_layer && count_bits(edit->at.layers, 1024) != 1
                          ? ", one for each layer chosen in front at will"
                          : "");
}

static tempo_status check_finite(const char *name, const float *x, uint64_t n, tempo_err *err)
{
    for (uint64_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "vector %s: element %" PRIu64 " is not a finite number", name, i);
    return TEMPO_OK;
}

/* The array becomes the edit's. */
static tempo_status take_array(tempo_edit *edit, const tempo_model *m, const char *name, const array *a,
                               tempo_err *err)
{
    const tempo_tap_info tap = tempo_tap_get_info(m, edit->at.tap);
    const uint32_t layers = tap.by_layer ? count_bits(edit->at.layers, m->hp.n_layers) : 0;
    uint64_t n = 1;
    tempo_status st;

    if (!fits_layer(edit, &tap, a->dims, a->n_dims)) {
        edit->by_layer = layers > 0 && a->n_dims > 1 && a->dims[0] == layers;
        if (!edit->by_layer || !fits_layer(edit, &tap, a->dims + 1, a->n_dims - 1))
            return wrong_shape(edit, &tap, name, a, err);
    }
    for (uint32_t i = 0; i < a->n_dims; i++)
        n = n > 0 && a->dims[i] > UINT64_MAX / n ? UINT64_MAX : n * a->dims[i];
    if (n > TEMPO_MAX_EDIT_BYTES / sizeof(float))
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "vector %s has %" PRIu64 " numbers", name, n);
    if ((st = check_finite(name, a->values, n, err)) != TEMPO_OK)
        return st;
    edit->values = malloc((size_t)n * sizeof(float));
    if (edit->values == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for vector %s", name);
    memcpy(edit->values, a->values, (size_t)n * sizeof(float));
    return TEMPO_OK;
}

/* ---- means: the layers that a file has ---- */

/* Those that the edit has, of [layers of the file][..]. */
static tempo_status take_mean(tempo_edit *edit, const tempo_model *m, const char *name, const array *a,
                              const tempo_recorded_tap *has, tempo_err *err)
{
    const tempo_tap_info tap = tempo_tap_get_info(m, edit->at.tap);
    uint64_t n = 1;
    size_t at = 0;
    tempo_status st;

    if (!tap.by_layer)
        return take_array(edit, m, name, a, err);
    if (a->n_dims < 2 || !fits_layer(edit, &tap, a->dims + 1, a->n_dims - 1))
        return wrong_shape(edit, &tap, name, a, err);
    for (uint32_t i = 1; i < a->n_dims; i++)
        n *= a->dims[i];
    const uint32_t chosen = count_bits(edit->at.layers, m->hp.n_layers);
    if (n > TEMPO_MAX_EDIT_BYTES / sizeof(float) / chosen)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "the means of %s have too many numbers", name);
    if ((edit->values = malloc(chosen * (size_t)n * sizeof(float))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the means of %s", name);
    edit->by_layer = true;
    for (uint32_t l = 0; l < m->hp.n_layers; l++) {
        const size_t from = has != NULL ? tempo_recorded_at(has->layers, has->n_layers, l) : l;
        if (!tempo_tap_has(edit->at.layers, l))
            continue;
        if (from >= a->dims[0])
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s has no means of layer %" PRIu32, name,
                              l);
        memcpy(edit->values + at, a->values + from * n, (size_t)n * sizeof(float));
        at += (size_t)n;
    }
    if ((st = check_finite(name, edit->values, at, err)) != TEMPO_OK)
        return st;
    return TEMPO_OK;
}

/* ---- where they come from ---- */

static tempo_status read_array(tempo_edit *edit, const tempo_model *m, const tempo_array_file *f,
                               const char *name, const char *key, bool mean, tempo_err *err)
{
    tempo_recorded_tap has;
    tempo_npy npy;
    tempo_status st = tempo_array_read(f, key, TEMPO_NPY_F32, TEMPO_MAX_EDIT_BYTES, &npy, err);

    if (st != TEMPO_OK)
        return st;
    array a = {.values = npy.data, .n_dims = npy.n_dims};
    memcpy(a.dims, npy.shape, sizeof(a.dims));
    if (!mean)
        st = take_array(edit, m, name, &a, err);
    else if ((st = tempo_recorded_read(&has, f, m, edit->at.tap, err)) == TEMPO_OK)
        st = take_mean(edit, m, name, &a, &has, err);
    tempo_npy_free(&npy);
    return st;
}

/* "FILE", which has one array, or "FILE:ARRAY". */
static tempo_status read_file(tempo_edit *edit, const tempo_model *m, const char *name, bool mean,
                              const tempo_edit_inputs *in, tempo_err *err)
{
    char *path = tempo_edit_path(in, name, strlen(name)), *colon = NULL;
    const char *key = NULL;
    tempo_array_file *f = NULL;
    tempo_status st;

    if (path == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a path");
    if (access(path, F_OK) != 0 && (colon = strrchr(path, ':')) != NULL) { /* paths may have one, too */
        *colon = '\0';
        key = colon + 1;
    }
    st = tempo_array_file_open(&f, path, err);
    if (st == TEMPO_OK && !mean && key == NULL && tempo_array_file_count(f) != 1)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s has %zu arrays: say which, as %s:NAME", path,
                        tempo_array_file_count(f), path);
    if (st == TEMPO_OK) {
        if (key == NULL)
            key = mean ? tempo_tap_get_info(m, edit->at.tap).short_name : tempo_array_file_name(f, 0);
        if ((st = read_array(edit, m, f, name, key, mean, err)) != TEMPO_OK)
            tempo_err_prefix_once(err, path, "%s", path);
    }
    tempo_array_file_free(f);
    edit->files[0] = path;
    return st;
}

tempo_status tempo_edit_read_values(tempo_edit *edit, const tempo_model *m, const char *name, bool mean,
                                    const tempo_edit_inputs *in, tempo_err *err)
{
    for (size_t i = 0; i < in->n_arrays; i++) {
        const tempo_edit_array *given = &in->arrays[i];
        array a = {.values = given->values, .n_dims = given->n_dims};
        if (strcmp(given->name, name) != 0)
            continue;
        if (given->n_dims < 1 || given->n_dims > 4)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "vector %s has %u dimensions", name,
                              given->n_dims);
        for (uint32_t d = 0; d < given->n_dims; d++)
            a.dims[d] = given->dims[d];
        return mean ? take_mean(edit, m, name, &a, NULL, err) : take_array(edit, m, name, &a, err);
    }
    if (in->no_files)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                          "no vector named '%.60s' was given, and files are not read here", name);
    return read_file(edit, m, name, mean, in, err);
}
