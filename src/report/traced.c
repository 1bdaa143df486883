/* traced.c - the traces of a study's prompts: means over prompts with bootstrap intervals. */
#include <math.h>
#include <stdlib.h>

#include "files/json_out.h"
#include "io/json.h"
#include "report/report.h"
#include "stats/stats.h"
#include "trace/trace.h"

typedef struct traced {
    const tempo_slice *s;
    tempo_trace_means shape; /* without sums */
    size_t n, sets;          /* prompts that have traced sets; those */
    const json_t **means;    /* [n] borrowed */
    size_t *prompt;          /* [n] whose they are */
    double *x;               /* [n][cells] of one measure of one side */
    double *column;          /* [n] */
    double *mean, *lo, *hi;  /* [cells] */
} traced;

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the report of what was traced");
}

static tempo_status bad(const tempo_slice *s, size_t prompt, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                      "the trace of prompt %s is none, or of other layers and heads than that of another",
                      s->prompts->prompts[prompt].id);
}

static tempo_status find_prompts(traced *t, tempo_err *err)
{
    const tempo_slice *s = t->s;

    t->means = calloc(s->n + 1, sizeof(json_t *));
    t->prompt = calloc(s->n + 1, sizeof(size_t));
    if (t->means == NULL || t->prompt == NULL)
        return no_memory(err);
    for (size_t i = 0; i < s->n; i++) {
        const json_t *means = json_object_get(s->trace[i], "means");
        if (!json_is_object(means))
            continue;
        if (!tempo_trace_shape_read(&t->shape, means))
            return bad(s, i, err);
        t->prompt[t->n] = i;
        t->means[t->n++] = means;
        t->sets += (size_t)json_integer_value(json_object_get(means, "sets"));
    }
    const size_t cells = t->shape.n_cells;
    t->x = calloc(t->n * cells + 1, sizeof(double));
    t->column = calloc(t->n + 1, sizeof(double));
    t->mean = calloc(3 * cells + 1, sizeof(double));
    if (t->x == NULL || t->column == NULL || t->mean == NULL)
        return no_memory(err);
    t->lo = t->mean + cells;
    t->hi = t->lo + cells;
    return TEMPO_OK;
}

/* One cell: those prompts that have it.  An interval, where it is asked for, from so many prompts on as
 * others need. */
static tempo_status sum_up(traced *t, size_t cell, bool interval, tempo_err *err)
{
    const tempo_hypotheses *h = t->s->hypotheses;
    tempo_boot boot;
    tempo_status st = TEMPO_OK;
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        if (isfinite(t->x[i * t->shape.n_cells + cell]))
            t->column[n++] = t->x[i * t->shape.n_cells + cell];
    t->mean[cell] = tempo_stats_mean(t->column, n);
    t->lo[cell] = t->hi[cell] = NAN;
    if (interval && n >= TEMPO_MIN_PROMPTS &&
        (st = tempo_boot_mean(t->column, n, 0.95, h->resamples, h->seeds.bootstrap, &boot, err)) ==
            TEMPO_OK) {
        t->lo[cell] = boot.lo;
        t->hi[cell] = boot.hi;
    }
    return st;
}

static double number_of(const void *user, size_t cell)
{
    return ((const double *)user)[cell];
}

/* {"mean", "low", "high"} of a measure of a side: intervals of total variations, of heads only when cut. */
static tempo_status measure(traced *t, int side, int m, json_t *out, tempo_err *err)
{
    const tempo_trace_means *shape = &t->shape;
    const size_t first = shape->first[TEMPO_TRACE_HEAD], end = first + shape->n[TEMPO_TRACE_HEAD];
    tempo_status st = TEMPO_OK;
    json_t *one = json_object();

    json_object_set_new(out, tempo_trace_measures[m], one);
    for (size_t i = 0; i < t->n; i++) {
        const json_t *kinds =
            json_object_get(json_object_get(t->means[i], tempo_trace_sides[side]), tempo_trace_measures[m]);
        if (!tempo_trace_kinds_read(shape, kinds, t->x + i * shape->n_cells))
            return bad(t->s, t->prompt[i], err);
    }
    for (size_t c = 0; c < shape->n_cells && st == TEMPO_OK; c++)
        st = sum_up(t, c, m == TEMPO_TRACE_TV && (side == TEMPO_TRACE_CUT || c < first || c >= end), err);
    if (st != TEMPO_OK)
        return st;
    json_object_set_new(one, "mean", tempo_trace_kinds_json(shape, number_of, t->mean));
    if (m == TEMPO_TRACE_TV) {
        json_object_set_new(one, "low", tempo_trace_kinds_json(shape, number_of, t->lo));
        json_object_set_new(one, "high", tempo_trace_kinds_json(shape, number_of, t->hi));
    }
    return TEMPO_OK;
}

static tempo_status sides(traced *t, json_t *out, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (int side = 0; side < TEMPO_TRACE_SIDES && st == TEMPO_OK; side++) {
        json_t *one = json_object();
        json_object_set_new(out, tempo_trace_sides[side], one);
        for (int m = 0; m < TEMPO_TRACE_MEASURES && st == TEMPO_OK; m++)
            st = measure(t, side, m, one, err);
    }
    return st;
}

tempo_status tempo_report_traced(json_t **out, const tempo_slice *s, tempo_err *err)
{
    traced t = {.s = s};
    size_t exchanged = 0, exchanged_prompts = 0;
    json_t *kept = json_array();
    tempo_status st = find_prompts(&t, err);

    *out = NULL;
    for (size_t i = 0; i < t.n && st == TEMPO_OK; i++) {
        const json_int_t n = json_integer_value(json_object_get(t.means[i], "exchanged_sets"));
        exchanged += n > 0 ? (size_t)n : 0;
        exchanged_prompts += n > 0;
    }
    for (size_t i = 0; i < t.shape.n_kept; i++)
        json_array_append_new(kept, json_integer((json_int_t)t.shape.kept[i]));
    if (st == TEMPO_OK && t.n > 0) {
        *out = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "prompts", (json_int_t)t.n, "sets",
                         (json_int_t)t.sets, "exchanged_prompts", (json_int_t)exchanged_prompts,
                         "exchanged_sets", (json_int_t)exchanged, "first_layer",
                         (json_int_t)t.shape.first_layer, "n_layers", (json_int_t)t.shape.n_layers, "n_heads",
                         (json_int_t)t.shape.n_heads, "kept", kept);
        st = *out != NULL ? sides(&t, *out, err) : no_memory(err);
    }
    if (st != TEMPO_OK) {
        json_decref(*out);
        *out = NULL;
    }
    json_decref(kept);
    free(t.means);
    free(t.prompt);
    free(t.x);
    free(t.column);
    free(t.mean);
    return st;
}
