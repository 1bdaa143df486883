/* recorded.c - what recorded.h says, over plain arrays. */
#include "metrics/recorded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float *row_of(const tempo_recorded_step *s, size_t layer, size_t head, size_t row)
{
    return s->data + ((layer * s->n_heads + head) * s->n_rows + row) * s->n_slots;
}

/* ---- summaries --------------------------------------------------------------------- */

typedef struct row_sums {
    double siblings, entropy, sink;
} row_sums;

static row_sums sum_row(const tempo_recorded_step *s, const float *a, size_t row)
{
    const size_t own = (size_t)s->query_slots[row];
    row_sums r = {.sink = (double)a[0]};

    for (size_t j = 0; j < s->n_slots; j++) {
        const double w = (double)a[j];
        if (w > 0)
            r.entropy -= w * log(w);
        if (j != own && s->sets[j] == s->sets[own])
            r.siblings += w;
    }
    return r;
}

static void summarise_head(const tempo_recorded_step *s, size_t layer, size_t head, row_sums *mean)
{
    const double n = (double)s->n_rows;

    *mean = (row_sums){0};
    for (size_t row = 0; row < s->n_rows; row++) {
        const row_sums r = sum_row(s, row_of(s, layer, head, row), row);
        mean->siblings += r.siblings / n;
        mean->entropy += r.entropy / n;
        mean->sink += r.sink / n;
    }
}

/* The n largest so far, in descending order; an earlier slot stays before an equal later one. */
typedef struct best {
    size_t n, have;
    int64_t *slots;
    float *weights;
} best;

static void offer(best *b, size_t slot, float w)
{
    if (b->n == 0 || (b->have == b->n && !(w > b->weights[b->n - 1])))
        return;
    size_t at = b->have < b->n ? b->have++ : b->n - 1;
    for (; at > 0 && w > b->weights[at - 1]; at--) {
        b->weights[at] = b->weights[at - 1];
        b->slots[at] = b->slots[at - 1];
    }
    b->weights[at] = w;
    b->slots[at] = (int64_t)slot;
}

enum { SLOTS_AT_ONCE = 256 };

/* Means over layers and heads of slots begin .. begin + n - 1, whose weights lie side by side. */
static void mean_of_heads(const tempo_recorded_step *s, size_t row, size_t begin, size_t n, double *mean)
{
    const double heads = (double)s->n_layers * (double)s->n_heads;

    for (size_t j = 0; j < n; j++)
        mean[j] = 0;
    for (size_t layer = 0; layer < s->n_layers; layer++)
        for (size_t head = 0; head < s->n_heads; head++) {
            const float *a = row_of(s, layer, head, row) + begin;
            for (size_t j = 0; j < n; j++)
                mean[j] += (double)a[j];
        }
    for (size_t j = 0; j < n; j++)
        mean[j] /= heads;
}

static void best_keys(const tempo_recorded_step *s, size_t row, best *b)
{
    double mean[SLOTS_AT_ONCE];

    for (size_t begin = 0; begin < s->n_slots; begin += SLOTS_AT_ONCE) {
        const size_t left = s->n_slots - begin, n = left < SLOTS_AT_ONCE ? left : SLOTS_AT_ONCE;
        mean_of_heads(s, row, begin, n, mean);
        for (size_t j = 0; j < n; j++)
            offer(b, begin + j, (float)mean[j]);
    }
}

void tempo_attention_summarise(const tempo_recorded_step *s, size_t n_keys, float *sibling_mass,
                               float *entropy, float *sink, int64_t *key_slots, float *key_weights)
{
    for (size_t layer = 0; layer < s->n_layers; layer++)
        for (size_t head = 0; head < s->n_heads; head++) {
            const size_t at = layer * s->n_heads + head;
            row_sums mean;
            summarise_head(s, layer, head, &mean);
            sibling_mass[at] = (float)mean.siblings;
            entropy[at] = (float)mean.entropy;
            sink[at] = (float)mean.sink;
        }
    for (size_t row = 0; row < s->n_rows && n_keys > 0; row++) {
        best b = {.n = n_keys, .slots = key_slots + row * n_keys, .weights = key_weights + row * n_keys};
        best_keys(s, row, &b);
    }
}

/* ---- slices ------------------------------------------------------------------------ */

typedef struct span {
    size_t first, n;
    bool mean;
} span;

static tempo_status pick_axis(long picked, size_t n, bool may_mean, const char *axis, span *out,
                              tempo_err *err)
{
    *out = (span){.n = n, .mean = picked == TEMPO_AXIS_MEAN};
    if (picked == TEMPO_AXIS_ALL || (picked == TEMPO_AXIS_MEAN && may_mean))
        return TEMPO_OK;
    if (picked < 0 || (size_t)picked >= n)
        return tempo_fail_field(err, TEMPO_E_ARG, axis, "%s %ld: there are %zu, from 0", axis, picked, n);
    *out = (span){.first = (size_t)picked, .n = 1};
    return TEMPO_OK;
}

/* Add or copy rows of one head to where they go. */
static void put_head(const tempo_recorded_step *s, size_t layer, size_t head, const span *rows, double scale,
                     double *sums, float *out)
{
    for (size_t r = 0; r < rows->n; r++) {
        const float *a = row_of(s, layer, head, rows->first + r);
        if (sums == NULL)
            memcpy(out + r * s->n_slots, a, s->n_slots * sizeof(*out));
        else
            for (size_t j = 0; j < s->n_slots; j++)
                sums[r * s->n_slots + j] += scale * (double)a[j];
    }
}

static void put_block(const tempo_recorded_step *s, const span *layers, const span *heads, const span *rows,
                      double *sums, float *out)
{
    const size_t block = rows->n * s->n_slots, heads_out = heads->mean ? 1 : heads->n,
                 layers_out = layers->mean ? 1 : layers->n;
    const double scale =
        1.0 / ((double)(layers->mean ? layers->n : 1) * (double)(heads->mean ? heads->n : 1));

    for (size_t l = 0; l < layers->n; l++)
        for (size_t h = 0; h < heads->n; h++) {
            const size_t at = ((layers->mean ? 0 : l) * heads_out + (heads->mean ? 0 : h)) * block;
            put_head(s, layers->first + l, heads->first + h, rows, scale, sums != NULL ? sums + at : NULL,
                     out + at);
        }
    for (size_t i = 0; sums != NULL && i < layers_out * heads_out * block; i++)
        out[i] = (float)sums[i];
}

tempo_status tempo_attention_slice(const tempo_recorded_step *s, const tempo_attention_pick *pick,
                                   float **out, size_t *n, size_t shape[4], size_t *n_axes, tempo_err *err)
{
    span layers, heads, rows;
    tempo_status st;
    double *sums = NULL;

    *out = NULL;
    *n = *n_axes = 0;
    if ((st = pick_axis(pick->layer, s->n_layers, true, "layer", &layers, err)) != TEMPO_OK ||
        (st = pick_axis(pick->head, s->n_heads, true, "head", &heads, err)) != TEMPO_OK ||
        (st = pick_axis(pick->row, s->n_rows, false, "row", &rows, err)) != TEMPO_OK)
        return st;
    if (pick->layer == TEMPO_AXIS_ALL)
        shape[(*n_axes)++] = layers.n;
    if (pick->head == TEMPO_AXIS_ALL)
        shape[(*n_axes)++] = heads.n;
    if (pick->row == TEMPO_AXIS_ALL)
        shape[(*n_axes)++] = rows.n;
    shape[(*n_axes)++] = s->n_slots;
    *n = 1;
    for (size_t i = 0; i < *n_axes; i++)
        *n *= shape[i];
    *out = malloc(*n * sizeof(**out));
    if (layers.mean || heads.mean)
        sums = calloc(*n, sizeof(*sums));
    if (*out == NULL || (sums == NULL && (layers.mean || heads.mean))) {
        free(*out);
        *out = NULL;
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu attention weights", *n);
    }
    put_block(s, &layers, &heads, &rows, sums, *out);
    free(sums);
    return TEMPO_OK;
}
