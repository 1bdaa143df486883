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
 * siblings.  What the files of this folder share is in cells.h; here is what others call.  */
#ifndef TEMPO_TRACE_TRACE_H
#define TEMPO_TRACE_TRACE_H
#include <jansson.h>

#include "base/status.h"

/* ---- cells.c ---- */
enum { TEMPO_TRACE_MAX_KEPT = 32 }; /* powers of 2 below layers * heads */

/* Where the kinds begin, and how many cells each has. */
void tempo_trace_place(size_t n_layers, size_t n_heads, size_t first[TEMPO_TRACE_KINDS], size_t n[TEMPO_TRACE_KINDS]);
/* How many cells that makes. */
size_t tempo_trace_cell_count(size_t n_layers, size_t n_heads);

/* Do the edits of a run mean the same where strangers stand in front of the set?  Those do not that name sets, siblings or `previous`, nor
 * patches by slot.  */
bool tempo_trace_can_exchange(const tempo_edits *l);

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
/* {"sets", "exchanged_sets", "first_layer", "n_layers", "n_heads", "kept": [k], "cut": {"tv": {"all", "heads": [[]], "layers": [],
 * "below", "above", "keep"}, "kl", "set_changes"}, "exchanged", "strangers", "contrast"} (docs/interventions.md). */
json_t *tempo_trace_means_json(const tempo_trace_means *s);
/* Shape and cells of such a document: false when it is none, or of another shape than *shape, which is filled in while it has no
 * cells.  x[cells] of one kind object ("cut"."tv"): NaN where it is null.  */
bool tempo_trace_shape_read(tempo_trace_means *shape, const json_t *doc);
bool tempo_trace_kinds_read(const tempo_trace_means *shape, const json_t *kinds, double *x);
/* A number for each cell, by kind: {"all": x, "heads": [layers][heads], "layers": [..], "below", "above", "keep"}. */
json_t *tempo_trace_kinds_json(const tempo_trace_means *shape, double (*of)(const void *user, size_t cell), const void *user);

#endif
