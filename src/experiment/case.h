/* case.h - a case while it runs.  Private to case.c (its steps), case_open.c (its arms and
 * their captures) and case_json.c (what results.json says of it).  */
#ifndef TEMPO_EXPERIMENT_CASE_H
#define TEMPO_EXPERIMENT_CASE_H
#include "study/compare.h"
#include "experiment/run.h"
#include "run/ids.h"
#include "io/json_file.h"

typedef struct tempo_running_arm {
    const tempo_experiment_arm *spec;
    tempo_decode_options o;
    tempo_lane lane;
    tempo_lane twin; /* of a replay: the same in the other mode; else without a decoder */
    bool twin_same;
    size_t parallel, one_position; /* sets of several slots that were read; those whose slots share a position */
    tempo_capture *capture;
    json_t *steps, *sizes;
    json_t *siblings; /* cross_parallel_scores, or NULL */
    double *layer_mass; /* [n_layers] sums over parallel steps of the rows' mean attention on siblings, or NULL */
    size_t mass_steps;
    size_t reads, rows[2], slots[2], fresh[2]; /* steps; least and most of their rows, slots, new slots */
    uint32_t layers[2], heads[2];              /* first and last that attention is recorded of */
    tempo_ids all, top;                        /* tokens of all members, and of the most probable ones */
    char dir[TEMPO_RUN_PATH];
} tempo_running_arm;

typedef struct tempo_running {
    const tempo_case *c;
    tempo_running_arm arm[TEMPO_EXPERIMENT_MAX_ARMS];
    size_t n;
    tempo_jsonlines *lines;
    size_t step;
    tempo_running_arm *isolated, *visible; /* the arms that are compared, or NULL */
    bool apart;              /* their histories differ */
    tempo_parting parting;   /* where they first do */
    json_t *compared;        /* how far apart their distributions are */
    uint64_t bytes;          /* of all captures */
} tempo_running;

extern const char *const tempo_case_modes[], *const tempo_case_replays[]; /* names, by the enums */

tempo_status tempo_case_open_arm(tempo_running *r, size_t i, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_case_close(tempo_running *r);
json_t *tempo_case_json(const tempo_running *r); /* NULL: no memory */

#endif
