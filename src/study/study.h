/* study.h - a study: prompts x thresholds x models in lockstep, and what its hypotheses come to.
 *
 * A study is a directory.  study.json, the copies of hypotheses.yaml and prompts.yaml are there before the first token;
 * then come floor/ (noise floor), exact.json (what must change no bit), units/ (one file for each model, threshold
 * and prompt), control/ and timing.json.  Each file is whole or absent, and none depends on what else ran, so
 * an interrupted study goes on where it stopped.  The report is a function of these files (report.h).
 * docs/studies.md describes all of them.  */
#ifndef TEMPO_STUDY_STUDY_H
#define TEMPO_STUDY_STUDY_H
#include <jansson.h>

#include "run/run.h"
#include "study/hypotheses_file.h"
#include "study/prompts_file.h"

enum { TEMPO_STUDY_MAX_MODELS = 8, TEMPO_STUDY_BATCH = 16, TEMPO_STUDY_PATH = 4096 };

typedef struct tempo_study_options {
    const char *dir;                          /* made if need be */
    bool resume;                              /* go on with what dir holds: models, thresholds, steps as they were */
    const char *prompts, *hypotheses;         /* files; NULL: the shipped ones */
    const char *models[TEMPO_STUDY_MAX_MODELS]; /* NULL: the built-in one */
    size_t n_models;                          /* 0: the built-in one */
    double thresholds[TEMPO_HYPOTHESES_MAX_THRESHOLDS];
    size_t n_thresholds;                      /* 0: those of the hypotheses file */
    size_t steps, max_prompts;                /* 0: those of the files */
    bool trace;                               /* also trace the siblings of the first threshold's sets (trace.c) */
    size_t batch;                             /* prompts that decode together, 0: TEMPO_STUDY_BATCH */
    unsigned threads;
    const char *cpu;
    tempo_compute compute;
    int argc;                                 /* the command line, for the manifest */
    char **argv;
    void *user;
    const tempo_yaml_tell *tell; /* of errors of the files that are read first; may be NULL */
    /* What is done of a stage ("noise floor", "prompts", "control", "timing"); may be NULL. */
    void (*progress)(void *user, const char *stage, size_t done, size_t total);
    void (*note)(void *user, const char *model, const char *text); /* what its user should know of a model; may be NULL */
    bool (*poll)(void *user); /* often; false stops with TEMPO_E_STOPPED; may be NULL */
} tempo_study_options;

/* ---- inside ---- */

typedef struct tempo_study {
    const tempo_study_options *o;
    char dir[TEMPO_STUDY_PATH];
    tempo_hypotheses *hypotheses;
    tempo_prompts *prompts;
    size_t n_prompts; /* of them, from the first */
    double thresholds[TEMPO_HYPOTHESES_MAX_THRESHOLDS];
    size_t n_thresholds, steps;
    bool trace;
    json_t *plan; /* what study.json holds */
    /* the model at hand */
    size_t model_index;
    tempo_model *model, *other_model;
    tempo_engine *engine, *other;
    tempo_edits *edits, *other_edits; /* of all arms, or NULL */
    json_t *uses;                     /* what became of them in the units that ran (run/document.h), or NULL */
    const char *other_note; /* why there is no other instruction set, or NULL */
    int32_t **ids;          /* [n_prompts] */
    size_t *n_ids;
} tempo_study;

/* manifest.c: manifest.json: "running", "complete" or "interrupted"; id and time of the beginning stay. */
tempo_status tempo_study_manifest(const tempo_study *s, const char *status, tempo_err *err) TEMPO_MUST_CHECK;

/* plan.c: the frozen plan, and opening models by it. */
/* The plan alone: nothing is written, and no study need be there. */
tempo_status tempo_study_plan(tempo_study *s, const tempo_study_options *o, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_study_begin(tempo_study *s, const tempo_study_options *o, tempo_err *err) TEMPO_MUST_CHECK;
size_t tempo_study_model_count(const tempo_study *s);
tempo_status tempo_study_open_model(tempo_study *s, size_t index, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_study_close_model(tempo_study *s);
void tempo_study_end(tempo_study *s);
/* path[TEMPO_STUDY_PATH] = dir/folder/m0-t0.1-ID.json, without the threshold when it is 0. */
tempo_status tempo_study_unit_path(const char *dir, const char *folder, size_t model, double threshold,
                                   const char *prompt, char *path, tempo_err *err) TEMPO_MUST_CHECK;
bool tempo_study_has(const char *path);
/* D of `offset:D` at a threshold: that of the hypotheses, but at most 1 / m, where m is the size of the largest set that
 * the threshold admits: so the last member of any set lies before the next set's position.  */
double tempo_study_offset(const tempo_hypotheses *h, double threshold);
/* TEMPO_E_UNSUPPORTED unless the plan (study.json, named `path` in messages) is one that this program makes. */
tempo_status tempo_study_check_schema(const json_t *plan, const char *path, tempo_err *err) TEMPO_MUST_CHECK;

/* edits.c: the edits of the hypotheses for a model, NULL where there are none; what the plan keeps of them, with the hash of each file; is
 * that still so?  */
tempo_status tempo_study_edits(tempo_edits **out, const tempo_study *s, const tempo_model *m, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_study_plan_edits(json_t **out, const tempo_study *s, const tempo_edits *l, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_study_check_edits(const tempo_study *s, const tempo_edits *l, tempo_err *err) TEMPO_MUST_CHECK;

/* What became of them in the arms of a unit; and, for the model at hand, a note of each that changed nothing in any. */
void tempo_study_add_uses(tempo_study *s, const tempo_run *unit);
void tempo_study_tell_uses(const tempo_study *s);

/* stages.c: each does what is missing of it, for the model at hand. */
tempo_status tempo_study_floor(tempo_study *s, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_study_exact(tempo_study *s, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_study_units(tempo_study *s, tempo_err *err) TEMPO_MUST_CHECK;
/* Tell how far a stage is. */
void tempo_study_progress(const tempo_study *s, const char *stage, size_t done, size_t total);
/* after.c: what needs the units. */
tempo_status tempo_study_control(tempo_study *s, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_study_timing(tempo_study *s, tempo_err *err) TEMPO_MUST_CHECK;
/* trace.c: where the plan asks for it. */
tempo_status tempo_study_trace(tempo_study *s, tempo_err *err) TEMPO_MUST_CHECK;
/* What that costs at most for the model at hand: sets that may be traced (fewer are parallel), and a set of two members behind the
 * longest prompt.  */
typedef struct tempo_study_trace_cost {
    size_t sets, cells, rows, batches;
    uint64_t bytes;
} tempo_study_trace_cost;
tempo_status tempo_study_trace_estimate(const tempo_study *s, tempo_study_trace_cost *out, tempo_err *err) TEMPO_MUST_CHECK;
/* Seconds since some fixed moment, for times. */
double tempo_study_seconds(void);

#endif
