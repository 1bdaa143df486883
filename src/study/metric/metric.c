/* metric.c - metrics.inc as a table, and values that many of them have. */
#include "study/metric/metric.h"

#include <math.h>
#include <stdlib.h>

#include "io/json_file.h"
#include "stats/stats.h"

const tempo_metric tempo_metrics[TEMPO_METRICS] = {
#define METRIC(id, key, needs, step, name, value)                                                            \
    {key, name, TEMPO_METRIC_##needs, tempo_metric_##step, tempo_value_##value},
#include "study/metric/metrics.inc"
#undef METRIC
};

bool tempo_series_push(tempo_series *s, double x)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap == 0 ? 16 : 2 * s->cap;
        double *more = realloc(s->x, cap * sizeof(*more));
        if (more == NULL)
            return false;
        s->x = more;
        s->cap = cap;
    }
    s->x[s->n++] = x;
    return true;
}

double tempo_series_sum(const tempo_series *s)
{
    double sum = 0.0;

    for (size_t i = 0; i < s->n; i++)
        sum += s->x[i];
    return sum;
}

/* ---- all of them ---- */

static bool alloc_maps(tempo_attention_maps *a, size_t layers, size_t heads)
{
    a->js = calloc(2 * (layers + heads) + 1, sizeof(double)); /* the others behind it */
    if (a->js == NULL)
        return false;
    a->tv = a->js + layers;
    a->share = a->tv + layers;
    a->nearest = a->share + heads;
    return true;
}

bool tempo_metrics_begin(tempo_metric_steps *s, tempo_measured *m, size_t n_layers, size_t n_heads)
{
    s->n_layers = m->n_layers = n_layers;
    s->n_heads = m->n_heads = n_heads;
    return alloc_maps(&s->sums, n_layers, n_layers * n_heads) &&
           alloc_maps(&m->maps, n_layers, n_layers * n_heads);
}

void tempo_metrics_end(tempo_metric_steps *s, tempo_measured *m)
{
    for (size_t i = 0; i < TEMPO_METRICS; i++)
        free(s->series[i].x);
    free(s->sums.js);
    free(m->maps.js);
}

void tempo_metrics_look(tempo_metric_steps *s, tempo_measured *m)
{
    const size_t n = 2 * (s->n_layers + s->n_layers * s->n_heads);

    tempo_compare_lane_attention(m->lane[TEMPO_UNIT_ISOLATED], m->lane[TEMPO_UNIT_VISIBLE], m->maps.js,
                                 m->maps.tv, &m->layer0);
    m->siblings = tempo_compare_siblings(m->lane[TEMPO_UNIT_VISIBLE], m->maps.share, m->maps.nearest);
    for (size_t i = 0; i < n; i++) /* all four maps */
        s->sums.js[i] += m->maps.js[i];
    s->parallel++;
}

static bool has_need(const tempo_metric *m, const tempo_metric_steps *s, bool parallel)
{
    switch (m->needs) {
    case TEMPO_METRIC_SET:
        return parallel;
    case TEMPO_METRIC_FIRST:
        return parallel && s->parallel == 1;
    case TEMPO_METRIC_HISTORY:
        return s->parallel > 0;
    }
    return false;
}

tempo_status tempo_metrics_step(tempo_metric_steps *s, const tempo_measured *m, bool parallel, json_t *object,
                                tempo_err *err)
{
    for (size_t i = 0; i < TEMPO_METRICS; i++) {
        const tempo_metric *of = &tempo_metrics[i];
        if (!has_need(of, s, parallel))
            continue;
        const double x = of->step(m);
        if (!tempo_series_push(&s->series[i], x))
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a step's measures");
        if (of->key != NULL)
            json_object_set_new(object, of->key, tempo_json_number(x));
    }
    return TEMPO_OK;
}

json_t *tempo_metrics_values(const tempo_metric_steps *s)
{
    json_t *values = json_object();

    for (size_t i = 0; i < TEMPO_METRICS; i++)
        if (tempo_metrics[i].name != NULL)
            json_object_set_new(values, tempo_metrics[i].name,
                                tempo_json_number(tempo_metrics[i].value(s, (tempo_metric_id)i)));
    return values;
}

/* ---- common values ---- */

double tempo_metric_none(const tempo_measured *m)
{
    (void)m;
    return (double)NAN;
}

double tempo_value_none(const tempo_metric_steps *s, tempo_metric_id own)
{
    (void)s;
    (void)own;
    return (double)NAN;
}

double tempo_value_median(const tempo_metric_steps *s, tempo_metric_id own)
{
    return tempo_stats_median(s->series[own].x, s->series[own].n);
}

double tempo_value_mean(const tempo_metric_steps *s, tempo_metric_id own)
{
    return tempo_stats_mean(s->series[own].x, s->series[own].n);
}

double tempo_value_sums_mean(const tempo_metric_steps *s, tempo_metric_id own)
{
    return tempo_series_sum(&s->series[own]) / (double)s->parallel;
}

double tempo_value_first(const tempo_metric_steps *s, tempo_metric_id own)
{
    return s->series[own].n > 0 ? s->series[own].x[0] : (double)NAN;
}
