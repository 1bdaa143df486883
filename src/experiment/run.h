/* run.h - the experiments of files, on any model: paired runs with captures, solo runs for times, results.
 *
 * A CASE is one prompt at one threshold; most files have one.  All arms of a case go through the model in one batch, so
 * that one pass over the weights serves them; times come from runs of one arm alone, in ABBA order after a warm-up.
 * docs/experiments.md says what is written where.  */
#ifndef TEMPO_EXPERIMENT_RUN_H
#define TEMPO_EXPERIMENT_RUN_H
#include <jansson.h>

#include "experiment/file/file.h"
#include "io/json_file.h"
#include "run/run.h"

enum { TEMPO_RUN_PATH = 4096 };
#define TEMPO_EXPERIMENTS_DIR "tempo-experiments"

typedef enum tempo_layout_choice { TEMPO_LAYOUT_OF_FILE = 0, TEMPO_LAYOUT_DIRECTORIES, TEMPO_LAYOUT_FLAT } tempo_layout_choice;

typedef struct tempo_experiments_options {
    const char *const *files; /* [n_files] paths; or names of shipped ones, "exp1" */
    size_t n_files;
    const char *dir;   /* each experiment gets a directory below it; NULL: what its file says, else TEMPO_EXPERIMENTS_DIR */
    tempo_layout_choice layout;
    const char *prompts; /* a file of prompts for all of them, in the place of the files' own; or NULL */
    const char *model; /* NULL: the built-in one */
    const char *cpu;
    tempo_compute compute;
    unsigned threads;
    bool has_pairs;
    size_t pairs;       /* of solo runs, in the place of the files' */
    uint64_t max_bytes; /* of one experiment's captures; 0: 4e9 */
    int argc;           /* the command line, for manifests */
    char **argv;
    void *user;
    void (*progress)(void *user, const char *what, size_t done, size_t total); /* may be NULL */
    void (*note)(void *user, const char *of, const char *text); /* of an experiment: what a key cannot do, a verbose file's log; of the model; may be NULL */
    const tempo_yaml_tell *tell;                                               /* of the files' errors; may be NULL */
    bool (*poll)(void *user);                                                  /* false stops; may be NULL */
} tempo_experiments_options;

/* Run them all.  *summary: {"model", "experiments": [the results.json of each], .., "written": [directories]}; each of these
 * directories gets EXPERIMENT_RESULTS.md and results.json about the experiments in it.  TEMPO_E_STOPPED when poll said so: experiments that were finished
 * are kept, of the running one nothing is; an earlier run's directory stays until the new one is whole.  TEMPO_E_ARG when
 * an experiment's directory holds files that are not of one, which is looked at before the first one runs.  */
tempo_status tempo_experiments_run(json_t **summary, const tempo_experiments_options *o, tempo_err *err) TEMPO_MUST_CHECK;

/* What is wrong with the files, edits for the model included, and nothing else: as tempo_experiments_run finds it before it runs. */
tempo_status tempo_experiments_check_files(const tempo_experiments_options *o, tempo_err *err) TEMPO_MUST_CHECK;

/* The same document again, from the directory that a run has written. */
tempo_status tempo_experiments_load(json_t **summary, const char *dir, tempo_err *err) TEMPO_MUST_CHECK;

/* EXPERIMENT_RESULTS.md of a summary, for free(); NULL only without memory. */
char *tempo_experiments_text(const json_t *summary);
/* What a person sees at the end of a run: each experiment's arms and whether they agree.  For free(). */
char *tempo_experiments_brief(const json_t *summary, bool color);
/* Published figures beside measured ones, for free(). */
char *tempo_experiments_check(const json_t *summary);

/* ---- inside (experiment_*.c) ---- */

/* place.c: a directory that appears whole or not at all.  begin makes a hidden one, `partial`, beside it to be
 * filled; TEMPO_E_ARG when the final one is there and holds anything but an earlier experiment's files, which check alone
 * finds out, too.  commit puts it in its place, and removes what it replaces; after a failed one, and at will, abort removes
 * what was filled.  */
typedef struct tempo_place {
    char final[TEMPO_RUN_PATH], partial[TEMPO_RUN_PATH]; /* partial "": nothing to abort */
    int held; /* what is to go when a signal ends the process (cli/unfinished.c): a directory, open as a place; or -1 */
} tempo_place;

tempo_status tempo_place_check(const char *final, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_place_begin(tempo_place *p, const char *final, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_place_commit(tempo_place *p, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_place_abort(tempo_place *p);
/* The names in a directory, as an array of texts. */
tempo_status tempo_place_names(json_t **out, const char *dir, tempo_err *err) TEMPO_MUST_CHECK;

typedef struct tempo_case {
    const tempo_experiments_options *o;
    const tempo_experiment *e;
    tempo_engine *engine;
    size_t prompt, threshold; /* indices into the file's */
    char dir[TEMPO_RUN_PATH]; /* for its arms' directories */
    int32_t *ids;             /* [n_ids] the prompt */
    size_t n_ids;
} tempo_case;

/* o[key] = the id of the case's prompt, where it has one. */
void tempo_case_put_id(json_t *o, const char *key, const tempo_case *c);
/* case.c: the paired run.  *out: one case of results.json.  lines: results.jsonl, or NULL. */
tempo_status tempo_case_run(json_t **out, const tempo_case *c, tempo_jsonlines *lines, tempo_err *err) TEMPO_MUST_CHECK;
/* time.c: solo runs; adds "generation_time" to the arms of `result`, and "timing". */
tempo_status tempo_case_time(json_t *result, const tempo_case *c, tempo_err *err) TEMPO_MUST_CHECK;
/* analysis.c: one step of a lane: what its siblings get; and of two arms with one history: how far apart,
 * and whether they would choose different sets, each by its own options.  */
json_t *tempo_case_siblings(const tempo_lane *l, size_t step);
/* mass[n_layers] += the mean over its rows and heads of what rows give their siblings. */
void tempo_case_add_mass(const tempo_lane *l, double *mass);
tempo_status tempo_case_difference(json_t **out, const tempo_arm *a, const tempo_arm *b, const tempo_case *c, size_t step,
                                   tempo_err *err) TEMPO_MUST_CHECK;

#endif
