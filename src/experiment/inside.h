/* inside.h - what the files share that run experiments; run.h is for others. */
#ifndef TEMPO_EXPERIMENT_INSIDE_H
#define TEMPO_EXPERIMENT_INSIDE_H
#include "experiment/run.h"

typedef struct tempo_session {
    const tempo_experiments_options *o;
    tempo_model *model;
    tempo_engine *engine;
    char sha256[TEMPO_HASH_CHARS];
} tempo_session;

/* ---- layout.c: where an experiment's files lie ---- */

/* directories: OUT/NAME, with the arms in it.  flat, as the original project's program laid its files out: one arm's files in
 * OUT itself; those of several in OUT/NAME_ARM each, and what is about all of them in OUT/NAME.  */
typedef struct tempo_layout {
    char out[TEMPO_RUN_PATH]; /* gets the summary */
    char dir[TEMPO_RUN_PATH]; /* the experiment's directory */
    bool flat;
} tempo_layout;

/* By --out, else the file's output_dir, else TEMPO_EXPERIMENTS_DIR; by --layout, else the file's.  */
tempo_status tempo_layout_of(tempo_layout *l, const tempo_experiments_options *o, const tempo_experiment *e,
                             tempo_err *err) TEMPO_MUST_CHECK;
/* Path i of those that appear when the experiment is finished, the experiment's own directory first; *there is false past the last. */
tempo_status tempo_layout_path(const tempo_layout *l, const tempo_experiment *e, size_t i, char path[TEMPO_RUN_PATH], bool *there,
                               tempo_err *err) TEMPO_MUST_CHECK;
/* What was written as `directories` into p->partial takes its place; result (results.json of the experiment) gets "files". */
tempo_status tempo_layout_commit(const tempo_layout *l, const tempo_session *s, const tempo_experiment *e, tempo_place *p,
                                 json_t *result, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- documents.c ---- */

json_t *tempo_session_model(const tempo_session *s);
/* Is the model at hand the one of that name?  By the last part of it, as files are called. */
bool tempo_is_model(const tempo_session *s, const char *name);
/* results.json of an experiment. */
json_t *tempo_experiment_json(const tempo_session *s, const tempo_experiment *e, const tempo_layout *l, json_t *cases);
/* results.json of an arm of a case, for readers of the original project's files too. */
json_t *tempo_case_arm_json(const tempo_case *c, const char *arm, const json_t *result);
/* Both in one, of one arm. */
json_t *tempo_flat_json(const tempo_experiment *e, const char *arm, const json_t *result);
/* dir/analysis.json: what it compares, for readers who want nothing else. */
tempo_status tempo_analysis_save(const json_t *result, const char *dir, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_session_manifest(const tempo_session *s, const tempo_experiment *e, const char *name, const char *dir,
                                    tempo_err *err) TEMPO_MUST_CHECK;

#endif
