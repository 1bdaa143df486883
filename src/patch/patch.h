/* patch.h - grids of patched runs (tempo.h, "patching"): two runs, and cells that are one of them with values
 * of the other.
 *
 *   check.c   what options and runs must be
 *   plan.c    grids, their cells in the order in which they run, what they take of memory
 *   sides.c   the two runs; what is measured in a distribution
 *   cells.c   a batch of cells: where each begins, its edits, the pass
 *   path.c    path patching: what a cell does to the receivers, by the direct path
 *   arms.c    the two runs as arms of a run that has ended
 *   patch.c   the object
 *
 * A cell begins at the first slot in which what it takes differs from what is there, in the layer of its tap:
 * rows before and layers below are those of the run that is patched, whose residual streams are kept
 * (tempo_engine_pass_part).  */
#ifndef TEMPO_PATCH_PATCH_H
#define TEMPO_PATCH_PATCH_H
#include "base/status.h"
#include "engine/engine.h"

enum { TEMPO_PATCH_CLEAN, TEMPO_PATCH_CORRUPT, TEMPO_PATCH_SIDES };

typedef struct tempo_patch_side {
    tempo_row *rows; /* [n_rows] */
    double *weights; /* [n_last] */
    tempo_seq *seq;
    tempo_store *store;
    double *q; /* [n_vocab] after the last set */
    double metric;
} tempo_patch_side;

typedef struct tempo_patch_axes {
    tempo_tap_selection at;
    unsigned base, source; /* sides: the run that is patched, the one that gives */
    uint32_t *layers, *heads,
        *positions; /* owned; NULL: not told apart.  Layers: NULL of taps that are in none */
    size_t n_layers, n_heads, n_positions;
    size_t n_cells, first; /* of p->value and p->done */
} tempo_patch_axes;

/* In the order in which they run: of those that begin in earlier layers first. */
typedef struct tempo_patch_cell {
    uint32_t grid, begin; /* layer */
    size_t i;             /* in its grid */
} tempo_patch_cell;

struct tempo_patch {
    tempo_engine *engine;
    const tempo_model *model;
    tempo_patch_options o; /* taps, positions, receivers: owned copies */
    size_t n_rows, n_sets, n_last;
    size_t *set_begin; /* [n_sets + 1] first slot of each set */
    tempo_patch_side side[TEMPO_PATCH_SIDES];
    bool ran; /* the two sides */
    tempo_patch_axes *grid;
    size_t n_grids, n_cells, n_done, n_unchanged;
    double *value;          /* [n_cells] grid by grid */
    bool *done;             /* [n_cells] */
    tempo_patch_cell *cell; /* [n_cells] */
    size_t next;            /* of cell[]: all before it are done */
    uint64_t bytes;
    size_t max_cells, max_rows; /* of a batch */
    tempo_seq **seq;            /* [max_cells], made when they are needed */
    tempo_store **taken;        /* [max_cells] of path patching: what receivers compute */
    tempo_row *rows;            /* [max_rows] of a batch */
    tempo_start *starts;        /* [max_rows] */
    double *q, *one;            /* [n_vocab] */
};

/* ---- check.c ---- */
/* p->o, the timelines and all that is known before anything runs. */
tempo_status tempo_patch_take(tempo_patch *p, const tempo_patch_run *clean, const tempo_patch_run *corrupt,
                              const tempo_patch_options *o, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- plan.c ---- */
tempo_status tempo_patch_plan(tempo_patch *p, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- sides.c ---- */
tempo_status tempo_patch_run_sides(tempo_patch *p, const tempo_observer *obs,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* Of the last batch's rows [first, first + n_last): NaN where logits are no numbers. */
tempo_status tempo_patch_measure(tempo_patch *p, const tempo_patch_side *side, size_t first, double *value,
                                 tempo_err *err) TEMPO_MUST_CHECK;
/* What both runs keep: tap and layers, without heads. */
enum { TEMPO_PATCH_MAX_KEPT = TEMPO_TAP_COUNT };
size_t tempo_patch_kept(const tempo_patch *p, tempo_tap_selection kept[TEMPO_PATCH_MAX_KEPT]);

/* ---- cells.c ---- */
/* What one cell takes: a tap, of one layer where it has such, from slot `first` on, sets [set_first,
 * set_last]. */
typedef struct tempo_patch_place {
    const tempo_patch_axes *grid;
    tempo_tap_selection at;
    uint32_t layer, begin;
    uint32_t set_first, set_last;
    size_t first;
} tempo_patch_place;
/* The layer in which a row with this edit begins. */
uint32_t tempo_patch_begin(const tempo_model *m, tempo_tap tap, uint32_t layer);
/* The next batch: at most max_cells and max_rows.  */
tempo_status tempo_patch_run_cells(tempo_patch *p, const tempo_observer *obs,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* Parts of it.  A patch of what a place takes from a store: one edit of a list. */
tempo_status tempo_patch_add_edit(tempo_edits *l, const tempo_tap_selection *at, uint32_t set_first,
                                  uint32_t set_last, tempo_store *from, tempo_err *err) TEMPO_MUST_CHECK;
/* Sequence i of a batch: slots from `first` on begin in layer `begin` of the base run, with these edits; rows
 * from *n on.  wanted: the logits of the last set are.  */
tempo_status tempo_patch_add_rows(tempo_patch *p, size_t i, const tempo_patch_axes *grid, size_t first,
                                  uint32_t begin, const tempo_edits *l, bool wanted, size_t *n,
                                  tempo_err *err) TEMPO_MUST_CHECK;

/* ---- path.c ---- */
/* Can this tap send, these receive? */
tempo_status tempo_patch_check_path(const tempo_patch *p, tempo_err *err) TEMPO_MUST_CHECK;
/* The two passes of cells place[n], whose values go to value[n]. */
tempo_status tempo_patch_run_paths(tempo_patch *p, const tempo_patch_place *place, size_t n, double *value,
                                   const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;

#endif
