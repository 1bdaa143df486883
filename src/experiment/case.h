/* case.h - a case while it runs: a run of its arms, and what is gathered of it.  Private to case.c (the run, and the sink that
 * gathers), case_open.c (its options) and case_json.c (what results.json says of it).  */
#ifndef TEMPO_EXPERIMENT_CASE_H
#define TEMPO_EXPERIMENT_CASE_H
#include "experiment/run.h"

/* Of arm i of the run. */
typedef struct tempo_case_arm {
    const char *name;
    size_t twin;     /* of a replay: the arm that does the same in the other mode, beyond those of the file; else SIZE_MAX */
    bool twin_same;
    size_t parallel, one_position; /* sets of several slots that were read; those whose slots share a position */
    json_t *steps, *sizes;
    json_t *siblings;   /* cross_parallel_scores, or NULL */
    double *layer_mass; /* [n_layers] sums over parallel steps of the rows' mean attention on siblings, or NULL */
    size_t mass_steps;
    size_t reads, rows[2], slots[2], fresh[2]; /* steps; least and most of their rows, slots, new slots */
} tempo_case_arm;

typedef struct tempo_running {
    const tempo_case *c;
    tempo_run *run;
    tempo_case_arm arm[TEMPO_EXPERIMENT_MAX_ARMS];
    size_t isolated, visible;     /* the arms that are compared, or SIZE_MAX */
    uint32_t layers[2], heads[2]; /* first and last that attention is recorded of */
    tempo_jsonlines *lines;
    json_t *compared;             /* how far apart their distributions are, step by step */
} tempo_running;

/* r->run, which tells `sink`; fills r but for what the sink gathers. */
tempo_status tempo_case_open(tempo_running *r, const tempo_sink *sink, tempo_err *err) TEMPO_MUST_CHECK;
json_t *tempo_case_json(const tempo_running *r); /* NULL: no memory */

#endif
