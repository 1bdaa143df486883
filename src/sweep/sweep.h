/* sweep.h - many prompts, decoded in many ways, as one table: private to src/sweep; what callers see is in
 * tempo.h.
 *
 * A unit is a prompt, with all its ways to decode it.  sweep.c takes units in groups through the model,
 * plan.c says what the sweep is and what it costs, records.c writes what came of a run.  */
#ifndef TEMPO_SWEEP_SWEEP_H
#define TEMPO_SWEEP_SWEEP_H
#include "shard/shard.h"
#include "tempo.h"

enum { TEMPO_SWEEP_SETS, TEMPO_SWEEP_RUNS, TEMPO_SWEEP_TABLES };

typedef struct tempo_sweep_job {
    const tempo_model *m;
    const tempo_sweep_prompt *prompts; /* [n] */
    size_t n;
    tempo_sweep_options o; /* complete: decoding and columns are there */
    json_t **ways;         /* [n_decoding] each as an object of options */
} tempo_sweep_job;

/* ---- plan.c ---- */
/* Fill a job and check it; what it holds is for tempo_sweep_drop, on failure too. */
tempo_status tempo_sweep_take(tempo_sweep_job *j, const tempo_model *m, const tempo_sweep_prompt *prompts,
                              size_t n, const tempo_sweep_options *o, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_sweep_drop(tempo_sweep_job *j);
/* Rows that the model runs for a prompt, about: what shards are balanced by. */
uint64_t tempo_sweep_cost(const tempo_sweep_job *j, size_t prompt);
/* Bytes that it takes while it is decoded, about. */
uint64_t tempo_sweep_bytes(const tempo_sweep_job *j, size_t prompt);
/* What is the same in all shards and whenever it goes on; NULL: no memory. */
json_t *tempo_sweep_what(const tempo_sweep_job *j);

/* ---- records.c ---- */
void tempo_sweep_headers(const tempo_sweep_job *j, tempo_csv headers[TEMPO_SWEEP_TABLES]);
/* Of one run, to the tables of its unit. */
void tempo_sweep_tell(const tempo_sweep_job *j, const tempo_sweep_run *r,
                      tempo_csv tables[TEMPO_SWEEP_TABLES]);

#endif
