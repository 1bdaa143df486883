/* results.h - what the texts about a run of experiments have in common.  Private to results.c (the
 * document), brief.c (the terminal) and parts.c.  All read the summary alone.  */
#ifndef TEMPO_EXPERIMENT_DOCUMENT_RESULTS_H
#define TEMPO_EXPERIMENT_DOCUMENT_RESULTS_H
#include "draw/draw.h"
#include "experiment/run.h"
#include "io/json_at.h"

/* The i-th case of an experiment, which is the result itself when there is one; NULL beyond the last. */
const json_t *tempo_results_case(const json_t *result, size_t i);
bool tempo_results_compared(const json_t *c);  /* has an isolated and a visible arm */
bool tempo_results_lockstep(const json_t *result);
/* The largest total variation while both had the same tokens behind them; NaN when nothing was compared. */
double tempo_results_largest_tv(const json_t *c);

/* ---- text: tokens on one line, without control characters ---- */
void tempo_results_put_token(tempo_text *t, const char *s);
void tempo_results_put_sets(tempo_text *t, const json_t *arm);
void tempo_results_put_sizes(tempo_text *t, const json_t *sizes); /* "-" for none */
void tempo_results_put_bytes(tempo_text *t, double n);
/* before, how much faster or slower visible is, after; nothing when no times were taken. */
void tempo_results_put_faster(tempo_text *t, const char *before, const json_t *timing, const char *after);
/* Identical, or where they part, and how far apart the distributions are. */
void tempo_results_put_outputs(tempo_text *t, const json_t *result, const json_t *c);

#endif
