/* gather.c - what is shown of a pass, to where the file's arrays want it.
 *
 * An array by layers has them outside.  What holds a number for each slot (scores, pattern) is [layers,
 * heads, rows, slots], as attention has always been; everything else [layers, rows, ...].  How many rows a
 * pass reads is known before it.  */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "capture/capture.h"

/* Bits below n. */
static size_t rank(const uint64_t *bits, uint32_t n)
{
    size_t k = 0;

    for (uint32_t i = 0; i < n; i++)
        k += tempo_tap_has(bits, i);
    return k;
}

bool tempo_tap_by_slot(tempo_tap tap)
{
    return tap == TEMPO_TAP_ATTN_SCORES || tap == TEMPO_TAP_PATTERN;
}

tempo_gathered tempo_gathered_shape(const tempo_model *m, const tempo_tap_selection *s)
{
    const tempo_tap_info t = tempo_tap_get_info(m, s->tap);

    return (tempo_gathered){.layers = t.by_layer ? rank(s->layers, m->hp.n_layers) : 1,
                            .heads = t.n_heads > 0 ? rank(s->heads, t.n_heads) : 1,
                            .width = t.n_dims == 2 ? t.dims[1] : t.dims[0]};
}

double tempo_gathered_floats(const tempo_model *m, const tempo_tap_selection *s, double rows, double cells)
{
    const tempo_gathered g = tempo_gathered_shape(m, s);

    return (double)g.layers * (double)g.heads * (tempo_tap_by_slot(s->tap) ? cells : rows * (double)g.width);
}

static tempo_status reserve(tempo_gather *g, size_t floats, tempo_err *err)
{
    tempo_status st;

    if (floats <= g->cap)
        return TEMPO_OK;
    if ((st = tempo_memory_check_floats(floats - g->cap, "what a step shows", err)) != TEMPO_OK)
        return st;
    free(g->buffer); /* what it held is written */
    g->buffer = malloc(floats * sizeof(*g->buffer));
    g->cap = g->buffer != NULL ? floats : 0;
    return g->buffer != NULL
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to gather %zu numbers", floats);
}

float *tempo_gather_room(tempo_gather *g, size_t floats, tempo_err *err)
{
    return reserve(g, floats, err) == TEMPO_OK ? g->buffer : NULL;
}

tempo_status tempo_gather_begin(tempo_gather *g, const tempo_model *m, const tempo_tap_selection *taps,
                                size_t n_taps, size_t rows, size_t slots, tempo_err *err)
{
    size_t floats = 0;
    tempo_status st;

    g->rows = rows;
    g->slots = slots;
    g->views = g->expected = 0;
    for (size_t i = 0; i < n_taps; i++) {
        const double more = tempo_gathered_floats(m, &taps[i], (double)rows, (double)rows * (double)slots);
        if (more + (double)floats > 1e17)
            return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s of %zu rows on %zu slots",
                              tempo_tap_get_info(m, taps[i].tap).short_name, rows, slots);
        g->at[taps[i].tap] = floats;
        g->shape[taps[i].tap] = tempo_gathered_shape(m, &taps[i]);
        floats += (size_t)more;
        g->expected += g->shape[taps[i].tap].layers * rows;
    }
    if ((st = reserve(g, floats, err)) != TEMPO_OK)
        return st;
    g->floats = floats;
    return TEMPO_OK;
}

/* A head's row of slots; those that came after the batch of the row are hidden from it. */
static void put_slots(float *to, const float *from, size_t n, size_t slots, float hidden)
{
    memcpy(to, from, n * sizeof(*to));
    for (size_t j = n; j < slots; j++)
        to[j] = hidden;
}

tempo_status tempo_gather_view(tempo_gather *g, const tempo_model *m, const tempo_tap_selection *s,
                               size_t row, const tempo_tap_view *v, tempo_err *err)
{
    const tempo_gathered shape = g->shape[s->tap];
    const size_t layer = tempo_tap_get_info(m, s->tap).by_layer ? rank(s->layers, v->layer) : 0;
    const bool slots = tempo_tap_by_slot(s->tap);
    float *to = g->buffer + g->at[s->tap];
    size_t h = 0;

    if (row >= g->rows || (slots && v->dims[1] > g->slots))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "a view of layer %u does not belong to the pass: was one left out?", v->layer);
    g->views++;
    if (tempo_tap_get_info(m, s->tap).n_heads == 0) {
        memcpy(to + (layer * g->rows + row) * shape.width, v->values, shape.width * sizeof(*to));
        return TEMPO_OK;
    }
    for (uint32_t i = 0; i < v->dims[0]; i++) {
        const float *from = v->values + i * v->dims[1];
        if (!tempo_tap_has(s->heads, i))
            continue;
        if (slots)
            put_slots(to + ((layer * shape.heads + h) * g->rows + row) * g->slots, from, v->dims[1], g->slots,
                      s->tap == TEMPO_TAP_PATTERN ? 0.0f : -INFINITY);
        else
            memcpy(to + ((layer * g->rows + row) * shape.heads + h) * shape.width, from,
                   shape.width * sizeof(*to));
        h++;
    }
    return TEMPO_OK;
}

unsigned tempo_gather_shape(const tempo_gather *g, const tempo_model *m, const tempo_tap_selection *s,
                            uint64_t shape[4])
{
    const tempo_gathered t = g->shape[s->tap];
    const tempo_tap_info info = tempo_tap_get_info(m, s->tap);
    unsigned n = 0;

    if (info.by_layer)
        shape[n++] = t.layers;
    if (tempo_tap_by_slot(s->tap)) {
        shape[n++] = t.heads;
        shape[n++] = g->rows;
        shape[n++] = g->slots;
        return n;
    }
    shape[n++] = g->rows;
    if (info.n_heads > 0)
        shape[n++] = t.heads;
    shape[n++] = t.width;
    return n;
}

void tempo_gather_free(tempo_gather *g)
{
    free(g->buffer);
    *g = (tempo_gather){0};
}
