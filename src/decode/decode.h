/* decode.h - TEMPO's step: rows of logits -> one distribution q -> a set -> slots.
 *
 * readout.c and select.c are pure functions of arrays, so that they can be tested against a reference
 * and used by other callers; decoder.c is the loop around them.  All probabilities are double.
 * Source: semantics.md, "One step".  */
#ifndef TEMPO_DECODE_DECODE_H
#define TEMPO_DECODE_DECODE_H
#include "engine/engine.h"

/* ---- options.c ---- */
/* TEMPO_E_ARG naming the option, what it was and what it must be.  n_layers bounds the visible ones. */
tempo_status tempo_decode_options_check(const tempo_decode_options *o, uint32_t n_layers,
                                        tempo_err *err) TEMPO_MUST_CHECK;

/* ---- readout.c ---- */
/* q[n_vocab] from rows[m] of logits [n_vocab] (slot order) and the probabilities p[m] with which the
 * members that own them were selected.  work: [n_vocab].  TEMPO_E_FORMAT if a logit that is used is
 * not finite.  Requires m >= 1, temperature > 0, every p > 0.  */
tempo_status tempo_readout_mix(double *q, const float *const *rows, const double *p, size_t m, size_t n_vocab,
                               tempo_readout how, double temperature, double *work,
                               tempo_err *err) TEMPO_MUST_CHECK;
/* -sum q log q in nats; 0 log 0 = 0. */
double tempo_entropy(const double *q, size_t n);

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
