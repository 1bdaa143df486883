/* steps.h - the steps of a capture that lie in a file of arrays, read one at a time and checked.
 *
 * The file is .npz or safetensors (io/array_file.h); what is float32 and int64 here may be any type of floats
 * and of integers there.  Keys as in docs/capture.md: step_{i}_attention float32 [layers, 1, heads, rows,
 * slots] (or without the 1), step_{i}_logits float32 [rows, vocabulary] (or [vocabulary]), and beside them,
 * all optional, step_{i}_query_slots int64 [rows], step_{i}_rope float64 [slots], step_{i}_positions int64
 * [members].  Captures of the original project have these names too, with one row a step and a pickled
 * `metadata`, which is passed over.  attention_{i}, whose rows are the last slots, and rows_{i} are read as
 * well.  A file may come from anywhere: shapes and indices are checked, an array takes at most
 * max_bytes, and messages begin with the file and name the key.  */
#ifndef TEMPO_CAPTURE_STEPS_H
#define TEMPO_CAPTURE_STEPS_H
#include "io/array_file.h"

#define TEMPO_STEPS_MAX_BYTES ((uint64_t)4 << 30)

/* Layers and heads each, rows, and slots of attention. */
enum { TEMPO_STEPS_MAX_LAYERS = 1024, TEMPO_STEPS_MAX_ROWS = 1 << 14, TEMPO_STEPS_MAX_SLOTS = 1 << 22 };

typedef enum tempo_steps_kind { TEMPO_STEPS_ATTENTION, TEMPO_STEPS_LOGITS } tempo_steps_kind;

typedef struct tempo_steps {
    char *name;  /* what messages call the file */
    char *shown; /* the path as text: valid UTF-8, with '?' for what is not and for control characters */
    tempo_array_file *file;
    uint64_t max_bytes;               /* of attention and logits of one step, in memory; at will */
    bool in_place;                    /* at will: weights are looked at in the file where they can be, checksums unread */
    bool closed;                      /* the last step selects nothing: a closing pass */
    bool pickled;                     /* it has a metadata entry that only pickle could read */
    uint32_t first_layer, first_head; /* what index 0 of attention is; 0 unless the metadata say otherwise */
    size_t n[2];                      /* steps of each tempo_steps_kind */
    uint32_t *steps[2];               /* [n] their numbers, ascending */
} tempo_steps;

/* TEMPO_E_FORMAT if there is neither attention nor logits in it.  name: what messages call it; NULL: the path.  *out is {0} on
 * failure.  */
tempo_status tempo_steps_open(tempo_steps *out, const char *path, const char *name, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_steps_close(tempo_steps *s); /* takes one that is {0} */
bool tempo_steps_has(const tempo_steps *s, tempo_steps_kind kind, uint32_t step);

typedef struct tempo_step_attention {
    size_t n_layers, n_heads, n_rows, n_slots;
    const float *weights; /* [layers, heads, rows, slots] */
    int64_t
        *query_slots; /* [rows] the slots of the rows, each below n_slots; NULL when the file does not say */
    double *rope;     /* [slots] positions as RoPE used them, or NULL */
    tempo_npy arrays[3]; /* what the pointers point into */
} tempo_step_attention;

/* One step.  Where there is no step_{i}_query_slots, the slots that step i - 1 gave to its members
 * (step_{i-1}_positions, those that are not negative) are taken if they are as many as the rows.  Free it on
 * success.  */
tempo_status tempo_steps_attention(const tempo_steps *s, uint32_t step, tempo_step_attention *out,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* The same without the weights, which are not looked at: out->weights is NULL. */
tempo_status tempo_steps_shape(const tempo_steps *s, uint32_t step, tempo_step_attention *out,
                               tempo_err *err) TEMPO_MUST_CHECK;
void tempo_step_attention_free(tempo_step_attention *a);
/* Bytes that its weights take in memory; 0 where they are looked at in the file (or refused). */
size_t tempo_steps_copy_bytes(const tempo_steps *s, uint32_t step);
/* (*sets)[n]: for each of the n slots that a step sees the number of its set, rising from 0, by the slots that the sets of the
 * steps before got; a slot of which nobody says so is a set of its own.  For free().  */
tempo_status tempo_steps_sets(const tempo_steps *s, uint32_t step, size_t n, uint32_t **sets, tempo_err *err) TEMPO_MUST_CHECK;
/* The row of one head: [slots] */
const float *tempo_step_row(const tempo_step_attention *a, size_t layer, size_t head, size_t row);

typedef struct tempo_step_logits {
    size_t n_rows, n_vocab;
    const float *rows; /* [rows, vocabulary] */
    tempo_npy array;
} tempo_step_logits;

tempo_status tempo_steps_logits(const tempo_steps *s, uint32_t step, tempo_step_logits *out,
                                tempo_err *err) TEMPO_MUST_CHECK;
void tempo_step_logits_free(tempo_step_logits *l);

#endif
