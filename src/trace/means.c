/* means.c - traces of many sets as means. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trace/trace.h"

const char *const tempo_trace_sides[TEMPO_TRACE_SIDES] = {"cut", "exchanged", "strangers", "contrast"};
const char *const tempo_trace_measures[TEMPO_TRACE_MEASURES] = {"tv", "kl", "set_changes"};

static tempo_status begin(tempo_trace_means *s, const tempo_trace *t, tempo_err *err)
{
    s->n_layers = t->n_layers;
    s->n_heads = t->n_heads;
    s->n_cells = t->n_cells;
    s->first_layer = t->first_layer;
    memcpy(s->first, t->first, sizeof(s->first));
    memcpy(s->n, t->n, sizeof(s->n));
    s->n_kept = t->n[TEMPO_TRACE_KEEP];
    for (size_t i = 0; i < s->n_kept; i++)
        s->kept[i] = t->cells[t->first[TEMPO_TRACE_KEEP] + i].kept;
    s->sums = calloc((size_t)TEMPO_TRACE_SIDES * TEMPO_TRACE_MEASURES * t->n_cells, sizeof(*s->sums));
    return s->sums != NULL
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the means of traces");
}

static double *sum_of(const tempo_trace_means *s, int side, int measure, size_t cell)
{
    return s->sums + ((size_t)side * TEMPO_TRACE_MEASURES + (size_t)measure) * s->n_cells + cell;
}

static void add_effect(tempo_trace_means *s, int side, size_t cell, const tempo_trace_effect *e, double times)
{
    *sum_of(s, side, TEMPO_TRACE_TV, cell) += times * e->tv;
    *sum_of(s, side, TEMPO_TRACE_KL, cell) += times * e->kl;
    *sum_of(s, side, TEMPO_TRACE_CHANGES, cell) += times * (e->set_changes ? 1 : 0);
}

tempo_status tempo_trace_means_add(tempo_trace_means *s, const tempo_trace *t, tempo_err *err)
{
    const tempo_status st = s->sums == NULL ? begin(s, t, err) : TEMPO_OK;

    if (st != TEMPO_OK)
        return st;
    if (t->n_cells != s->n_cells || t->first_layer != s->first_layer)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "traces of other layers or heads have no common mean");
    s->sets++;
    s->exchanged += t->exchanged;
    for (size_t i = 0; i < t->n_cells; i++) {
        const tempo_trace_cell *c = &t->cells[i];
        add_effect(s, TEMPO_TRACE_CUT, i, &c->cut, 1);
        if (!t->exchanged)
            continue;
        add_effect(s, TEMPO_TRACE_EXCHANGED, i, &c->exchanged, 1);
        add_effect(s, TEMPO_TRACE_STRANGERS, i, &c->strangers, 1);
        add_effect(s, TEMPO_TRACE_CONTRAST, i, &c->cut, 1);
        add_effect(s, TEMPO_TRACE_CONTRAST, i, &c->strangers, -1);
    }
    return TEMPO_OK;
}

void tempo_trace_means_free(tempo_trace_means *s)
{
    free(s->sums);
    *s = (tempo_trace_means){0};
}

double tempo_trace_mean(const tempo_trace_means *s, int side, int measure, size_t cell)
{
    const size_t n = side == TEMPO_TRACE_CUT ? s->sets : s->exchanged;

    return n > 0 ? *sum_of(s, side, measure, cell) / (double)n : NAN;
}
