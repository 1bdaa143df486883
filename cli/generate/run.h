/* run.h - one run of generate: its arms, and how they are reported. */
#ifndef TEMPO_CLI_GENERATE_RUN_H
#define TEMPO_CLI_GENERATE_RUN_H
#include "cli/session.h"
#include "run/differ.h"
#include "run/ids.h"
#include "io/json_file.h"
#include "files/run_id.h"

/* One decoder of the run and what it has given so far. */
typedef struct arm {
    const char *name; /* "isolated", "visible", "causal" */
    tempo_decoder *decoder;
    bool advanced;         /* by the last call */
    size_t n_steps, n_members;
    tempo_ids all, top;      /* every member; the first of each set */
    json_t *steps;         /* with --json or --capture */
    tempo_set *sets;       /* [n_sets] all of them, where the run keeps them */
    size_t n_sets;
    tempo_capture *capture; /* or NULL */
    held_text held;
} arm;

typedef struct run {
    const options *o;
    session s;
    json_t *prompt_id;     /* in a file of several; else NULL */
    const char *dir;       /* where its capture goes, or NULL */
    bool keeps_sets;       /* to be shown when it has ended */
    arm arms[2];
    size_t n_arms;
    bool colors, strip;    /* strip: the first space of the text is the tokenizer's own */
    bool interrupted;
    double begin_ms, first_set_ms, end_ms;
    uint64_t polls, prompt_polls; /* for the progress of the prompt */
    tempo_parting parting; /* of two arms: where they first differ */
    struct run_view *view;      /* with --view */
    tempo_jsonlines *lines; /* of a capture's results.jsonl, or NULL */
    uint64_t captured, *all_captured; /* bytes, of all arms; of all runs, where there are several */
    bool committed;         /* the capture's files are there */
    char id[TEMPO_RUN_ID_CHARS], created[TEMPO_UTC_CHARS];
} run;

/* ---- run.c; codes are exit codes, whose messages were printed ---- */
/* Make the arms, and the files of a capture.  o, s, dir and what follows s are the caller's. */
int run_begin(run *r);
/* Keep and report what the arms that have advanced gave. */
int run_take_step(run *r, size_t step);
void run_free(run *r); /* all but the session */
/* steps | eos | context | slots | interrupt */
const char *stopped_by(const run *r, const arm *a);

/* ---- run_prompts.c: a file of several prompts ---- */
int generate_prompts(const options *o);

/* ---- run_json.c ---- */
json_t *json_set(const run *r, const tempo_set *set);
json_t *json_line(const run *r, const arm *a); /* the arm's last set, as a line of JSON */
json_t *json_config(const run *r);
json_t *json_document(const run *r);
/* What is of this prompt alone, with its id; of several. */
json_t *json_prompt(const run *r);
/* What such a document begins with: version, model, config. */
json_t *json_beginning(const run *r);
/* The document of one arm alone; with the keys that the original project's readers look for. */
json_t *json_results(const run *r, const arm *a);

/* ---- run_files.c: what --capture writes ---- */
/* Each prints a message and returns an exit code other than EXIT_OK on failure. */
int open_files(run *r);
void feed_files(run *r, const tempo_attention_view *view);
int add_step_to_files(run *r);    /* of the arms that have advanced */
int add_closing_to_files(run *r, const tempo_observer *o);
int commit_files(run *r);
void show_captured(const run *r); /* what was committed, if anything */
void abort_files(run *r);         /* fine after commit_files, and without open_files */

/* ---- run_text.c ---- */
void show_prompt(const run *r);
void show_step(run *r);    /* what the arms have just given */
/* The same of kept sets: one of each arm, NULL for an arm that had stopped. */
void show_sets(run *r, const tempo_set *const *sets);
void show_end(run *r);     /* both texts and the difference, of two arms */
void show_figures(const run *r);

/* ---- view.c: --view ---- */
typedef struct run_view run_view;

/* NULL: a message was printed. */
run_view *view_open(run *r);
void view_free(run_view *v);          /* gives the terminal back; NULL is fine */
bool view_poll(run_view *v);          /* keys, and what they change on the screen; false: stop decoding */
bool view_step(run_view *v);          /* what the arms have just given; false: a message was printed */
void view_stay(run_view *v);          /* after the last step, until the person leaves; the terminal is back then */
void view_print(run_view *v);         /* the run as text on the ordinary screen */

#endif
