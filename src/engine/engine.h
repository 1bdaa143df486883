/* engine.h - sequences, batches and the forward pass.
 *
 * A sequence's keys and values live in reference-counted pages of TEMPO_PAGE_SLOTS slots, which are
 * also the blocks of the attention sum, aligned at slot 0.  Forks share whole pages; nobody writes to
 * a shared one, because only slots past the end of a sequence are ever written and a fork copies the
 * page that holds the end.
 *
 * What a row sees is data (tempo_row_plan): a prefix of slots and a range of its own set.  Rules that
 * differ by layer choose between two such ranges; slots taken out of a sequence later would turn the
 * prefix into runs, in the one loop of attention.c that walks pages.  */
#ifndef TEMPO_ENGINE_ENGINE_H
#define TEMPO_ENGINE_ENGINE_H
#include <stdatomic.h>

#include "base/arena.h"
#include "base/pool.h"
#include "engine/edit.h"
#include "model/model.h"

enum {
    TEMPO_ATTENTION_ROWS = 16, /* rows of one sequence that share a walk over keys and values */
};

/* Keys and values of TEMPO_PAGE_SLOTS slots: [layer][kv head] of keys [head_dim][slot] (slots side by side,
 * as the score kernel reads them), then values [slot][head_dim]. */
typedef struct tempo_page {
    atomic_uint refs;
    unsigned char *data;
} tempo_page;

struct tempo_seq {
    tempo_engine *engine;
    tempo_kv_type kv;
    size_t n_slots, max_slots;
    uint32_t next_set; /* number that the next set must have */
    tempo_slot *slots; /* [slot_cap], n_slots in use */
    size_t slot_cap;
    tempo_page **pages; /* [page_cap], n_pages in use, enough for n_slots */
    size_t n_pages, page_cap;
    uint64_t batch;                /* the engine's batch that last saw this sequence */
    const tempo_edits *edits;      /* held, with at least one edit, or NULL */
    tempo_edit_record *edits_used; /* [edits->n] */
    uint64_t *marks;               /* [edits->n_marks][mark_words] bits of slots: see tempo_edit.mark */
    size_t mark_words;
    bool rising;                   /* see tempo_row_plan; of its slots */
    size_t n_prompt;               /* slots that `prompt` means in them */
    uint32_t first_layer;          /* keys and values of layers below it are not all there; 0: all are */
    bool closed;                   /* nor will they be: no more rows */
};

/* One row of the running batch, checked and resolved. */
typedef struct tempo_row_plan {
    tempo_seq *seq;
    size_t slot;                      /* its own */
    size_t n_prev;                    /* slots [0, n_prev) are earlier sets: all visible */
    size_t own_begin, own_end;        /* what it sees of its own set where its mode holds */
    uint32_t first_layer, last_layer; /* elsewhere it sees itself only */
    size_t seq_slots;                 /* slots of the sequence after this batch */
    int32_t token;
    uint32_t set;
    double position;          /* RoPE rotates by this very number, and commit records it */
    uint64_t nudge;           /* of its embedding; 0 = none */
    bool rising;              /* positions of its sequence never fall from slot to slot, those of this batch included */
    bool shown;               /* to the observer */
    const tempo_edits *edits; /* of the sequence, if one of them selects this row, or NULL */
    const float *given;       /* [d_model] residual stream that it begins with, or NULL */
    uint32_t begin;           /* layer that it begins in */
    size_t logits, weights;   /* index among the rows that want logits, show scores or pattern; or SIZE_MAX */
} tempo_row_plan;

/* Rows [first, first + n) of the batch: one sequence, at most TEMPO_ATTENTION_ROWS, all with weights or all
 * without. */
typedef struct tempo_row_group {
    size_t first, n;
} tempo_row_group;

/* How much a batch needs; scratch is laid out for the largest seen. */
typedef struct tempo_batch_size {
    size_t rows, logits, weights; /* rows in all, and those that want logits, or show scores or pattern */
    size_t slots;                 /* of the longest sequence after the batch */
    size_t results;               /* heads if a row shows hook_result, else 0 */
    size_t edits;                 /* words of bits of the longest list of edits; 0: there is none */
} tempo_batch_size;

/* The stages of a pass; engine.c names them. */
typedef enum tempo_stage_id {
    TEMPO_STAGE_PLAN, /* checks, memory, embedding */
    TEMPO_STAGE_NORM, /* residual sums, norms, activations in the forms that products read */
    TEMPO_STAGE_QKV,
    TEMPO_STAGE_ROPE, /* biases, rotation, keys and values into the cache */
    TEMPO_STAGE_ATTENTION,
    TEMPO_STAGE_ATTN_OUTPUT,
    TEMPO_STAGE_GATE_UP,
    TEMPO_STAGE_SWIGLU,
    TEMPO_STAGE_DOWN,
    TEMPO_STAGE_OBSERVER,
    TEMPO_STAGE_OUTPUT,
    TEMPO_STAGE_SELECT, /* readout and selection, in the decoder */
    TEMPO_STAGE_COUNT
} tempo_stage_id;

typedef struct tempo_profile {
    bool on;
    double last; /* when the stage that runs began */
    double seconds[TEMPO_STAGE_COUNT];
    uint64_t bytes[TEMPO_STAGE_COUNT];
} tempo_profile;

struct tempo_engine {
    const tempo_model *model;
    tempo_pool *pool;
    uint64_t batch; /* counts batches, from 1 */
    size_t n_rows;  /* of the last batch: tempo_engine_logits answers for it */
    size_t n_groups;
    uint32_t end;     /* layer in which the running pass ends, before the layer; n_layers: all of it */
    bool wanted_only; /* the last layer goes on with the rows whose logits are wanted alone */
    tempo_batch_size cap;
    void *block;          /* owns everything below */
    float *x, *h, *attended; /* [rows, d_model] residual stream; normed rows, then what the MLP gives; what attention gives */
    float *q, *att;       /* [rows, n_heads * head_dim] */
    float *k, *v;         /* [rows, n_kv_heads * head_dim] */
    float *gate, *up;     /* [rows, d_ff] */
    float *cos[2], *sin[2]; /* [rows, n_rot / 2] of each set of frequencies */
    float *routing, *expert_weights; /* [rows, n_experts] logits; [rows, n_used] */
    uint32_t *experts;      /* [rows, n_used] */
    float *gathered, *expert_sum; /* [rows, d_model] of the rows that use one expert; what experts give */
    float *logits;        /* [logits, n_vocab] */
    atomic_bool *damaged; /* [logits] not all of the row's are finite */
    float *weights; /* [weights, n_heads, slots]: scores, then pattern, of rows that show them, one layer */
    float *ones;    /* [d_model] 1.0f */
    float *scales;  /* [rows] what a norm divides by, where it is shown */
    tempo_tap_view *views;       /* [rows] of the tap that is being shown, for view_rows */
    float *head_z, *head_out;    /* [results, n_heads * head_dim], [results, d_model] for hook_result */
    tempo_row_plan *plan;        /* [rows] */
    tempo_row_group *group;      /* [rows] */
    void *act[TEMPO_FORM_COUNT]; /* activations as the next product reads them; [TEMPO_FORM_FLOAT] unused */
    unsigned char *scratch;      /* [threads][scratch_len] for the matrix product */
    float *scores;               /* [threads][score_len] for attention */
    float **pointers;            /* [threads][pointer_len] for attention */
    size_t scratch_len, score_len, pointer_len;
    uint64_t *edit_bits;              /* [rows][edit_words] which edits of its list select a row */
    size_t edit_words;                /* of the running batch; 0: no sequence of it has edits */
    uint64_t *edited_in, *ordered_in; /* [n_layers + 1] a bit for each tap that some row edits; whose order of
                                         rows matters. What is not in layers is in all of them */
    uint64_t *visible;                /* [threads][visible_len] for attention that is edited */
    size_t visible_len;
    uint64_t untouched; /* bytes given out since the last pass: the system counts what has been written to */
    uint64_t unchecked; /* bytes given out since it was seen that there is memory for them */
    tempo_profile profile;
    const tempo_observer *observer; /* of the running pass, or NULL */
    uint64_t taps;                  /* a bit for each tap that is shown or edited in the stage that runs */
    uint64_t shown,
        ordered;  /* those that are shown; those whose rows go one after the other, which are among taps */
    bool stopped; /* by the observer */
    size_t n_views; /* in views */
    unsigned step;  /* that a stage does, from 1, where all rows show a tap before anything reads it; 0: all of them */
};

/* ---- seq.c ---- */
/* TEMPO_E_ARG, TEMPO_E_LIMIT as tempo_seq_create gives them. */
tempo_status tempo_seq_options_check(const tempo_seq_options *o, tempo_err *err) TEMPO_MUST_CHECK;
/* Make room for n more slots: pages and the slot table.  TEMPO_E_LIMIT beyond max_slots. */
tempo_status tempo_seq_reserve(tempo_seq *s, size_t n, tempo_err *err) TEMPO_MUST_CHECK;
/* Make s, whose slots are forgotten, the first n slots of `from`: whole pages are shared, the last one is
 * copied, of layers from first_layer on only, so that rows which begin there can follow
 * (tempo_engine_pass_part).  Pages that s has for itself are used again.  Edits stay those of s.  TEMPO_E_ARG
 * when `from` has not all of that; then s is empty.  */
tempo_status tempo_seq_begin(tempo_seq *s, const tempo_seq *from, size_t n, uint32_t first_layer,
                             tempo_err *err) TEMPO_MUST_CHECK;
/* Bytes of one page's data. */
size_t tempo_page_bytes(const tempo_hparams *hp, tempo_kv_type kv);
/* Keys (which = 0) or values (1) of a page, in elements of the cache's type. */
void *tempo_page_at(const tempo_page *p, const tempo_hparams *hp, tempo_kv_type kv, uint32_t layer,
                    uint32_t kv_head, unsigned which);

/* ---- engine.c ---- */
/* Grow scratch to hold a batch of this size.  On failure the old scratch stays. */
tempo_status tempo_engine_reserve(tempo_engine *e, const tempo_batch_size *want,
                                  tempo_err *err) TEMPO_MUST_CHECK;

/* Bytes of scratch that a batch of this size needs. */
uint64_t tempo_engine_batch_bytes(const tempo_engine *e, const tempo_batch_size *n);
/* There will be an allocation of so many bytes for `what`: TEMPO_E_NOMEM when the memory that is left would
 * not hold it. */
tempo_status tempo_engine_take(tempo_engine *e, uint64_t bytes, const char *what,
                               tempo_err *err) TEMPO_MUST_CHECK;

/* What has run since the last call was this stage, and it read so many bytes; nothing unless profiling. */
void tempo_stage_end(tempo_engine *e, tempo_stage_id id, uint64_t bytes);
/* The time since the last stage belongs to none. */
void tempo_stage_begin(tempo_engine *e);

/* ---- batch.c ---- */
/* Where a row begins: with what stands in the residual stream when that layer begins. */
typedef struct tempo_start {
    uint32_t layer;     /* n_layers: nothing but the last norm and the logits is left */
    const float *resid; /* [d_model]; NULL with layer 0: its embedding */
} tempo_start;
/* Check rows[n], where they begin (NULL: at the beginning) and what the observer (or NULL) wants to see of
 * them, make room in engine and sequences, fill e->plan and e->group.  Nothing visible has changed when it
 * fails.  */
tempo_status tempo_batch_plan(tempo_engine *e, const tempo_row *rows, const tempo_start *starts, size_t n,
                              const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;
/* After the pass: append the planned rows to their sequences. */
void tempo_batch_commit(tempo_engine *e, size_t n);

/* ---- forward.c ---- */
/* tempo_engine_forward, but rows whose logits are not finite do not make it fail: they have none
 * (tempo_engine_logits gives NULL), and tempo_engine_check_logits says why.  For batches whose rows belong to
 * several readers.  */
tempo_status tempo_engine_pass(tempo_engine *e, const tempo_row *rows, size_t n, const tempo_observer *obs,
                               tempo_err *err) TEMPO_MUST_CHECK;
/* tempo_engine_pass of rows that run through layers [starts[i].layer, end) alone.  starts [n] or NULL: all
 * from the embedding; layers do not fall from row to row, and are the same for all rows of a sequence.  end <
 * n_layers: no row wants logits.  What a row computes is to the bit what it computes in a whole pass in which
 * the same stands in its residual stream; of the layers that it leaves out it shows nothing, and no edit
 * there is applied.  A sequence with such rows lacks keys and values: it is good for what the pass itself
 * gives, and takes no rows, forks or looks at its cache any more (TEMPO_E_ARG).  TEMPO_E_ARG also for a row
 * that begins below the layers that its sequence has (tempo_seq_begin).  */
tempo_status tempo_engine_pass_part(tempo_engine *e, const tempo_row *rows, const tempo_start *starts,
                                    size_t n, uint32_t end, const tempo_observer *obs,
                                    tempo_err *err) TEMPO_MUST_CHECK;
/* TEMPO_E_FORMAT when row i of the last batch wanted logits and got some that are not finite. */
tempo_status tempo_engine_check_logits(const tempo_engine *e, size_t i, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- unembed.c ---- */
/* logits[n, n_vocab] that vectors x[n, d_model] of the residual stream give through the final norm and the
 * output matrix: with its own scale (scale NULL) to the bit what a pass gives, else divided by scale[n].  Not
 * checked for being finite.  One product: the weights are read once, and there is scratch for a batch of n
 * rows.  Logits of the last batch are gone when that has to grow.  */
tempo_status tempo_engine_unembed(tempo_engine *e, const float *x, const float *scale, size_t n,
                                  float *logits, tempo_err *err) TEMPO_MUST_CHECK;
/* direction[d_model]: the token's logit, before a soft cap, is sum of direction[i] x[i] / (what the final norm divides x by) + what
 * is returned: what the biases of that norm and of the output matrix give.  Exact.  row[d_model]: the token's row of the matrix.  */
double tempo_unembed_direction(const tempo_model *m, int32_t token, float *row, double *direction);
/* A logit as it was before the soft cap, if there is one. */
double tempo_uncapped(const tempo_model *m, double logit);

/* ---- norm.c ---- */
/* What a norm divides x[n] by, and its mean where the norm takes that away, else 0. */
float tempo_norm_scale(const tempo_model *m, tempo_norm_kind kind, const float *x, size_t n, float *mean);


/* ---- attention.c ---- */
/* Floats of one row's and head's scores when a sequence has this many slots: whole pages. */
static inline size_t tempo_score_stride(size_t slots)
{
    return (slots + TEMPO_PAGE_SLOTS - 1) / TEMPO_PAGE_SLOTS * TEMPO_PAGE_SLOTS;
}

#endif
