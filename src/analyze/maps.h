/* maps.h - sums over rows of attention for every layer and head. */
#ifndef TEMPO_ANALYZE_MAPS_H
#define TEMPO_ANALYZE_MAPS_H
#include <jansson.h>

#include "metrics/metrics.h"
#include "capture/steps.h"

enum tempo_map_name {
    TEMPO_MAP_JS,
    TEMPO_MAP_L1,
    TEMPO_MAP_MAX,     /* a maximum, the others are sums */
    TEMPO_MAP_MASS,    /* of rows that have siblings, as what follows */
    TEMPO_MAP_SHARE,
    TEMPO_MAP_NEAREST, /* of those with enough earlier slots */
    TEMPO_N_MAPS
};

typedef struct tempo_maps {
    size_t n_layers, n_heads;
    size_t first_layer, first_head; /* what reports call the first ones */
    double *v[TEMPO_N_MAPS]; /* [layers, heads] each, in one block */
    size_t n[TEMPO_N_MAPS];  /* rows in each */
    double uniform;          /* sum of tempo_uniform_share over the rows of MASS */
} tempo_maps;

/* Zeros. */
tempo_status tempo_maps_create(tempo_maps *m, size_t n_layers, size_t n_heads, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_maps_free(tempo_maps *m);
/* m += more */
void tempo_maps_add(tempo_maps *m, const tempo_maps *more);
/* Sums to means. */
void tempo_maps_finish(tempo_maps *m);

/* The rows of a step as a set: false when their slots are unknown or are not next to each other. */
bool tempo_step_sight(const tempo_step_attention *a, size_t row, tempo_sight *out);
/* Add attention on siblings of every row of a step that has some. */
void tempo_maps_add_siblings(tempo_maps *m, const tempo_step_attention *a);
/* Add js, l1 and max of two steps of equal shape; renormalised over what both see, or as they are. */
void tempo_maps_add_difference(tempo_maps *m, const tempo_step_attention *a, const tempo_step_attention *b,
                               bool renormalised);
/* The greatest |sum - 1| of a step's rows; NAN if a row has one. */
double tempo_step_sum_error(const tempo_step_attention *a);

/* Put what was measured to a report: {js, l1, max_difference: [layers] each, js_map: ..} and
 * siblings: {mass, share, nearest, uniform, map.., ranked: [..]}; finished maps only.  */
tempo_status tempo_maps_report(const tempo_maps *m, json_t *report, bool with_difference, tempo_err *err) TEMPO_MUST_CHECK;
/* Mean over the heads of one layer. */
double tempo_maps_layer(const tempo_maps *m, enum tempo_map_name which, size_t layer);
/* The same of all layers. */
double tempo_maps_mean(const tempo_maps *m, enum tempo_map_name which);

#endif
