/* recorded.h - slices and summaries of a step's attention [layers, heads, rows, slots], wherever it was kept. */
#ifndef TEMPO_METRICS_RECORDED_H
#define TEMPO_METRICS_RECORDED_H
#include "base/status.h"

/* Attention of one step of one arm as captured: data[n_layers, n_heads, n_rows, n_slots].  */
typedef struct tempo_recorded_step {
    size_t step, n_rows, n_slots;
    uint32_t n_layers, n_heads;
    const int64_t *query_slots; /* [n_rows] */
    const uint32_t *sets;       /* [n_slots] set of each slot: siblings share one */
    const float *data;
    void *hold;                 /* keeps the arrays above; NULL when somebody else does */
} tempo_recorded_step;

/* Fill sibling_mass, entropy, sink [layers, heads] and the keys of a summary whose arrays the caller made;
 * sums in double.  Siblings: slots of the query's set, itself left out.  */
void tempo_attention_summarise(const tempo_recorded_step *s, size_t n_keys, float *sibling_mass, float *entropy,
                               float *sink, int64_t *key_slots, float *key_weights);

enum { TEMPO_AXIS_ALL = -1, TEMPO_AXIS_MEAN = -2 };

/* Which layer, head, row: a number, all, or (layer and head) their mean. */
typedef struct tempo_attention_pick {
    long layer, head, row;
} tempo_attention_pick;

/* *out [*n floats] for free(), shape[*n_axes] as docs/server.md describes it.  TEMPO_E_ARG names the axis that is out of range. */
tempo_status tempo_attention_slice(const tempo_recorded_step *s, const tempo_attention_pick *pick, float **out, size_t *n,
                                   size_t shape[4], size_t *n_axes, tempo_err *err) TEMPO_MUST_CHECK;

#endif
