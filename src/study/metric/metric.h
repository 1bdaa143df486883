/* metric.h - what a study measures of a unit (metrics.inc): numbers of a step, and what the steps come to.
 *
 * What several metrics look at is computed once a step (tempo_measured); the metrics themselves are functions of it.  */
#ifndef TEMPO_STUDY_METRIC_METRIC_H
#define TEMPO_STUDY_METRIC_METRIC_H
#include "study/compare.h"

/* The arms of a unit by number. */
enum {
    TEMPO_UNIT_ISOLATED,
    TEMPO_UNIT_VISIBLE,
    TEMPO_UNIT_OFFSET_ISOLATED,
    TEMPO_UNIT_OFFSET_VISIBLE,
    TEMPO_UNIT_UNIQUE_ISOLATED,
    TEMPO_UNIT_UNIQUE_VISIBLE,
    TEMPO_UNIT_BANDS /* the first of these */
};

typedef enum tempo_metric_needs { TEMPO_METRIC_SET, TEMPO_METRIC_FIRST, TEMPO_METRIC_HISTORY } tempo_metric_needs;

typedef enum tempo_metric_id {
#define METRIC(id, key, needs, step, name, value) TEMPO_METRIC_##id,
#include "study/metric/metrics.inc"
#undef METRIC
    TEMPO_METRICS
} tempo_metric_id;

/* Isolated against visible attention of a parallel set: of one step, or summed over them. */
typedef struct tempo_attention_maps {
    double *js, *tv;         /* [n_layers] */
    double *share, *nearest; /* [n_layers * n_heads] of the visible arm's rows */
} tempo_attention_maps;

/* A step: what was read, and what is known of it. */
typedef struct tempo_measured {
    const tempo_lane *lane[TEMPO_UNIT_BANDS];
    size_t n_layers, n_heads;
    tempo_q_difference q;         /* isolated against visible; HISTORY */
    tempo_attention_maps maps;    /* SET */
    tempo_sibling_means siblings; /* SET */
    double layer0;                /* SET: see tempo_compare_lane_attention */
} tempo_measured;

/* One number a step; begins as zeros. */
typedef struct tempo_series {
    double *x; /* [n], for free() */
    size_t n, cap;
} tempo_series;

bool tempo_series_push(tempo_series *s, double x); /* false: no memory */

double tempo_series_sum(const tempo_series *s); /* one after the other */

/* A unit: the steps of all metrics, and sums over its parallel sets. */
typedef struct tempo_metric_steps {
    tempo_series series[TEMPO_METRICS];
    tempo_attention_maps sums;
    size_t parallel; /* sets that were read */
    size_t n_layers, n_heads;
} tempo_metric_steps;

typedef double tempo_metric_step_of(const tempo_measured *m);
typedef double tempo_metric_value_of(const tempo_metric_steps *s, tempo_metric_id own);

typedef struct tempo_metric {
    const char *key, *name;
    tempo_metric_needs needs;
    tempo_metric_step_of *step;
    tempo_metric_value_of *value;
} tempo_metric;

extern const tempo_metric tempo_metrics[TEMPO_METRICS];

/* Both begin as zeros; false: no memory.  end frees what they hold in any case. */
bool tempo_metrics_begin(tempo_metric_steps *s, tempo_measured *m, size_t n_layers, size_t n_heads);
void tempo_metrics_end(tempo_metric_steps *s, tempo_measured *m);
/* The attention of a parallel set: what SET metrics need, and its part of the sums. */
void tempo_metrics_look(tempo_metric_steps *s, tempo_measured *m);
/* Of every metric that has what it needs at this step: its number to the series, and into the step's object.  parallel: does the
 * step read a parallel set?  s->parallel counts it already.  */
tempo_status tempo_metrics_step(tempo_metric_steps *s, const tempo_measured *m, bool parallel, json_t *object,
                                tempo_err *err) TEMPO_MUST_CHECK;
/* {name: number|null} of a unit, a new object. */
json_t *tempo_metrics_values(const tempo_metric_steps *s);

/* ---- the functions of the list; NaN where there is nothing ---- */

#define METRIC(id, key, needs, step, name, value) \
    double tempo_metric_##step(const tempo_measured *m); \
    double tempo_value_##value(const tempo_metric_steps *s, tempo_metric_id own);
#include "study/metric/metrics.inc"
#undef METRIC

#endif
