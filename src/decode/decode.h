/* decode.h - TEMPO's step: rows of logits -> one distribution q -> a set -> slots.
 *
 * readout.c and select.c are functions of arrays alone, so that they can be tested against a reference and
 * used by other callers; decoder.c is the loop around them.  All probabilities are double.
 * Source: semantics.md, "One step".  */
#ifndef TEMPO_DECODE_DECODE_H
#define TEMPO_DECODE_DECODE_H
#include "engine/engine.h"

/* A probability of several rows is a sum with rounded weights, and may come out a little above 1. */
#define TEMPO_MOST_PROBABILITY (1.0 + 1e-9)

/* ---- options.c ---- */
/* The caller's options, complete: see base/options.h. */
tempo_status tempo_decode_options_take(tempo_decode_options *out, const tempo_decode_options *given, tempo_err *err)
    TEMPO_MUST_CHECK;
/* TEMPO_E_ARG naming the option, what it was and what it must be.  n_layers bounds the visible ones. */
tempo_status tempo_decode_options_check(const tempo_decode_options *o, uint32_t n_layers,
                                        tempo_err *err) TEMPO_MUST_CHECK;

/* ---- readout.c ---- */
typedef struct tempo_readout_in {
    const float *const *rows; /* [m] of finite logits [n_vocab], in slot order; m >= 1 */
    const double *p;          /* [m] the probabilities with which their members were selected, > 0 */
    size_t m, n_vocab;
    tempo_readout how;
    double temperature; /* > 0 */
    const tempo_kernels *kernels;
    tempo_pool *pool; /* NULL: the caller's thread alone; no number depends on it */
} tempo_readout_in;

/* q[n_vocab] and its entropy, -sum q log q in nats with 0 log 0 = 0.  The logits are finite, as the
 * engine's are; TEMPO_E_FORMAT when they are not over the temperature.  What is below 1e-307 becomes 0.  */
tempo_status tempo_readout_mix(double *q, double *entropy, const tempo_readout_in *in,
                               tempo_err *err) TEMPO_MUST_CHECK;

/* ---- decoder.c ---- */
/* What a slot of the running pass is to its decoder. */
typedef struct tempo_reading {
    bool prompt;       /* a row of the prompt */
    bool read;         /* one of those that the step reads: */
    size_t row, rows;  /* which, of how many */
    size_t slots;      /* of the sequence when they have all run */
} tempo_reading;
tempo_reading tempo_decoder_reading(const tempo_decoder *d, size_t slot);

/* ---- select.c ---- */
typedef struct tempo_choice {
    int32_t id;
    double probability;
} tempo_choice;

/* S = { v : q[v] >= tau } in descending q, equal ones by lower id; { argmax q } (the lowest id of equals)
 * when that is empty; the first max_set of it (0 = all).  *choices is grown with realloc, *cap its
 * length.  *n_reached: how many reached tau.  Returns the members kept, 0 when memory ran out.  */
size_t tempo_select(const double *q, size_t n_vocab, double tau, size_t max_set, tempo_choice **choices,
                    size_t *cap, size_t *n_reached);

#endif
