/* run.h - one run of generate: its arms, and how they are reported. */
#ifndef TEMPO_CLI_RUN_H
#define TEMPO_CLI_RUN_H
#include "session.h"

typedef struct id_list {
    int32_t *p; /* [n] */
    size_t n, cap;
} id_list;

/* One decoder of the run and what it has given so far. */
typedef struct arm {
    const char *name; /* "isolated", "visible", "causal" */
    tempo_decoder *decoder;
    bool advanced;         /* by the last call */
    size_t n_steps, n_members;
    id_list all, top;      /* every member; the first of each set */
    json_t *steps;         /* with --json */
    held_text held;
} arm;

typedef struct run {
    const options *o;
    session s;
    arm arms[2];
    size_t n_arms;
    bool colors, strip;    /* strip: the first space of the text is the tokenizer's own */
    bool interrupted;
    double begin_ms, first_set_ms, end_ms;
    uint64_t polls, prompt_polls; /* for the progress of the prompt */
    json_t *difference;    /* of two arms: where their sets first differ, or NULL */
    json_t *distribution_difference;
} run;

/* steps | eos | context | slots | interrupt */
const char *stopped_by(const run *r, const arm *a);

/* ---- run_json.c ---- */
json_t *json_set(const run *r, const tempo_set *set);
json_t *json_document(const run *r);

/* ---- run_text.c ---- */
void show_prompt(const run *r);
void show_step(run *r);    /* what the arms have just given */
void show_end(run *r);     /* both texts and the difference, of two arms */
void show_figures(const run *r);

#endif
