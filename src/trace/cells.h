/* cells.h - what the files of this folder share: cells, their edges, their edits, batches. */
#ifndef TEMPO_TRACE_CELLS_H
#define TEMPO_TRACE_CELLS_H
#include "decode/decode.h"
#include "trace/trace.h"

/* ---- cells.c ---- */
typedef struct tempo_trace_owned {
    tempo_trace t;
    tempo_trace_cell *cells;
    uint32_t *strongest;
    double *token_q, *token_cut, *token_exchanged;
} tempo_trace_owned;

/* All cells of layers [first, first + n_layers), without effects; strongest is still in order.  False: no memory. */
bool tempo_trace_lay_out(tempo_trace_owned *w, uint32_t first_layer, size_t n_layers, size_t n_heads, size_t n_tokens,
                         bool exchanged);
/* The heads by how much cutting each alone moves q, when their cells are known.  False: no memory. */
bool tempo_trace_rank(tempo_trace_owned *w);

/* The edges of a cell in one layer: a bit for each head. */
typedef struct tempo_layer_heads {
    uint64_t bits[TEMPO_TAP_WORDS];
} tempo_layer_heads;
/* edges[n_layers], of all layers of the model. */
void tempo_trace_edges(const tempo_trace *t, const tempo_trace_cell *cell, tempo_layer_heads *edges, uint32_t n_layers);
/* The lowest layer with an edge; n_layers: there is none. */
uint32_t tempo_trace_begin(const tempo_layer_heads *edges, uint32_t n_layers);

/* What is to be changed of a set of m members that is number `set` of its sequence. */
typedef struct tempo_trace_change {
    const tempo_layer_heads *edges; /* [layers of the model] */
    bool exchange;                  /* strangers are the set before it */
    uint32_t set;
    size_t m;
    bool causal;
    const tempo_edits *base; /* that the run has; or NULL */
} tempo_trace_change;
/* A new list; TEMPO_E_LIMIT when a set is too large to be exchanged. */
tempo_status tempo_trace_edits(tempo_edits **out, const tempo_model *m, const tempo_trace_change *c, tempo_err *err)
    TEMPO_MUST_CHECK;

/* ---- estimate.c ---- */
/* The caller's options, complete: decoding in *d, layers as numbers of the model that its mode reaches. */
tempo_status tempo_trace_options_take(tempo_trace_options *o, tempo_decode_options *d, const tempo_model *m,
                                      const tempo_trace_options *given, tempo_err *err) TEMPO_MUST_CHECK;
/* Cells that ride in one batch, at least 1. */
size_t tempo_trace_batch(const tempo_model *m, const tempo_trace_options *o, const tempo_decode_options *d, size_t members,
                         size_t context, uint64_t *bytes);

#endif
