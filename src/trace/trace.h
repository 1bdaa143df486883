/* trace.h - what edges between siblings do: one set of a run read again with some of them cut, or with strangers in their place.
 *
 *   cells.c      which edges a cell is about, and the edits that change them
 *   estimate.c   how many variants ride in a batch
 *   siblings.c   the set, its variants through the model, what comes of them
 *   strangers.c  tokens in place of siblings, from other sets
 *   means.c      traces of many sets as means; means_json.c as a document
 *
 * A variant is a fork of what stands in front of the set, with edits of its own, so that variants are sequences of one
 * batch.  Strangers are a set in front of the set, at its positions: what a row sees of it is cut to what it would see of
 * siblings.  */
#ifndef TEMPO_TRACE_TRACE_H
#define TEMPO_TRACE_TRACE_H
#include <jansson.h>

#include "decode/decode.h"

/* ---- cells.c ---- */
enum { TEMPO_TRACE_MAX_KEPT = 32 }; /* powers of 2 below layers * heads */

typedef struct tempo_trace_owned {
    tempo_trace t;
    tempo_trace_cell *cells;
    uint32_t *strongest;
    double *token_q, *token_cut, *token_exchanged;
} tempo_trace_owned;

/* All cells of layers [first, first + n_layers), without effects; strongest is still in order.  False: no memory. */
bool tempo_trace_lay_out(tempo_trace_owned *w, uint32_t first_layer, size_t n_layers, size_t n_heads, size_t n_tokens,
                         bool exchanged);
/* How many cells that makes. */
size_t tempo_trace_cell_count(size_t n_layers, size_t n_heads);
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

/* ---- strangers.c ---- */
typedef struct tempo_stranger {
    int32_t id;
    size_t prompt, step, rank; /* rank: in its set by probability, from 0 */
} tempo_stranger;

/* The members of the sets that strangers are taken from; begins as zeros. */
typedef struct tempo_strangers {
    tempo_stranger *list; /* [n], for free() */
    size_t n, cap, prompts; /* prompts: the largest number of one, and 1 */
} tempo_strangers;

/* Those of a set that have slots, where they are at least two. */
tempo_status tempo_strangers_add(tempo_strangers *s, const tempo_set *set, size_t prompt, tempo_err *err) TEMPO_MUST_CHECK;
/* ids[members with slots], in slot order: for each one that has its rank, or the nearest to it, in a set of another prompt (where there
 * is one prompt alone: of another step), and is no member of the set; drawn among equals by hashes of seed, prompt, step and
 * rank, none twice.  False: there are not enough.  *n: members with slots.  */
bool tempo_strangers_draw(const tempo_strangers *s, const tempo_set *set, size_t prompt, uint64_t seed, int32_t *ids, size_t *n);

/* ---- means.c ---- */
enum { TEMPO_TRACE_CUT, TEMPO_TRACE_EXCHANGED, TEMPO_TRACE_STRANGERS, TEMPO_TRACE_CONTRAST, TEMPO_TRACE_SIDES };
enum { TEMPO_TRACE_TV, TEMPO_TRACE_KL, TEMPO_TRACE_CHANGES, TEMPO_TRACE_MEASURES };
/* "cut", "exchanged", "strangers", "contrast": cut less strangers, of sets that have those; "tv", "kl", "set_changes" */
extern const char *const tempo_trace_sides[TEMPO_TRACE_SIDES], *const tempo_trace_measures[TEMPO_TRACE_MEASURES];

/* Sums over traces of one shape; begins as zeros. */
typedef struct tempo_trace_means {
    size_t sets, exchanged; /* traces, and those with strangers */
    size_t n_layers, n_heads, n_cells, n_kept;
    uint32_t first_layer;
    size_t first[TEMPO_TRACE_KINDS], n[TEMPO_TRACE_KINDS], kept[TEMPO_TRACE_MAX_KEPT];
    double *sums; /* [sides, measures, cells] */
} tempo_trace_means;

tempo_status tempo_trace_means_add(tempo_trace_means *s, const tempo_trace *t, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_trace_means_free(tempo_trace_means *s); /* what it holds */
/* Of one cell; NaN where no set has it. */
double tempo_trace_mean(const tempo_trace_means *s, int side, int measure, size_t cell);

/* ---- means_json.c ---- */
/* {"sets", "exchanged", "first_layer", "layers", "heads", "kept": [k], "cut": {"tv": {"all", "heads": [[]], "layers": [], "below",
 * "above", "keep"}, "kl", "set_changes"}, "exchanged_effect"..} (docs/interventions.md); NULL: no memory. */
json_t *tempo_trace_means_json(const tempo_trace_means *s);
/* A number for each cell, by kind: {"all": x, "heads": [layers][heads], "layers": [..], "below", "above", "keep"}. */
json_t *tempo_trace_kinds_json(const tempo_trace_means *shape, double (*of)(const void *user, size_t cell), const void *user);

#endif
