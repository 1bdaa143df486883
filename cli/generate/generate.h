/* generate.h - `tempo generate`: prompts and arms go to src/run, and sinks tell what comes of them.
 *
 *   cmd_generate.c  options that do not go together; the order of things
 *   arms.c          which arms, in which regime
 *   prompts.c       one prompt, or those of a file
 *   sinks.inc       the sinks: a row and a file sink_NAME.c each
 *   document.c      a run as a JSON document
 *
 * Who hears of a run finds its prompt with tempo_run_user.  */
#ifndef TEMPO_CLI_GENERATE_GENERATE_H
#define TEMPO_CLI_GENERATE_GENERATE_H
#include "cli/session.h"
#include "files/prompt_lines.h"
#include "run/arms_json.h"

/* One prompt. */
typedef struct prompt {
    struct generation *g;
    session s;                     /* ids, text, warning; model and engine are the generation's */
    const tempo_prompt_line *line; /* in a file of several; else NULL */
    size_t index;
    double begin_ms, first_set_ms, end_ms; /* first_set_ms 0: no set yet */
} prompt;

typedef struct generation {
    const options *o;
    session s; /* model and engine */
    tempo_prompt_lines *lines;
    bool several; /* prompts of a file, were it only one */
    prompt *prompts; /* [n_prompts] */
    size_t n_prompts;
    tempo_arm_list *arms;
    tempo_given_list *given; /* or NULL */
    tempo_run_options run;
    tempo_capture_options capture;
    uint64_t captured; /* bytes, of all prompts and arms */
    uint64_t polls, prompt_polls; /* for the progress of the prompt, of one */
    bool said; /* why it failed, by a sink */
} generation;

/* What listens, and when it does. */
typedef struct sink_kind {
    void *(*open)(generation *g); /* before the first prompt; NULL: a message was printed */
    tempo_sink hears;             /* without user, which open gives */
    bool (*poll)(void *user);     /* often, while a pass goes on; false: stop.  May be NULL */
    /* After the last prompt; code is how it went.  Takes `user` back; returns code, or that of a failure, whose message was
     * printed.  */
    int (*close)(void *user, int code);
} sink_kind;

/* Those of the table that are wanted. */
typedef struct sinks sinks;
sinks *sinks_open(generation *g); /* fills in g->run; NULL: a message was printed */
bool sinks_poll(const sinks *s);
int sinks_close(sinks *s, int code);
/* A sink that failed and has said why. */
tempo_status sink_failed(generation *g);
/* The last thing that a sink on standard output does at the end of a prompt: is all of it written? */
tempo_status sink_flush(generation *g);

static inline prompt *prompt_of(const tempo_run *r)
{
    return tempo_run_user(r);
}

/* ---- arms.c, prompts.c: exit codes, whose messages were printed ---- */
/* Do these options go together?  A message, or NULL. */
const char *arms_problem(const options *o);
/* Arms and regime, before a model is open. */
int arms_make(generation *g);
/* What needs the model: edits, given sets; and what ends a turn in the prompt's chat. */
int arms_fit(generation *g);
int prompts_open_file(generation *g);
/* All of them as tokens, and whether there is room for each. */
int prompts_read(generation *g);
int prompts_check(generation *g);
void prompts_close(generation *g);

/* ---- prompts.c ---- */
/* Is the space that the first token begins with one that tokenizing put there? */
bool first_space_is_added(const session *s, const tempo_model *m);

/* ---- document.c: NULL without memory, or a message was printed ---- */
enum { ALL_ARMS = TEMPO_RUN_MAX_ARMS };

/* How it decodes: an arm, or the run. */
json_t *json_config(const generation *g, const tempo_run *r, size_t arm);
/* What the document of several prompts begins with: version, model, config. */
json_t *json_beginning(const generation *g, const tempo_run *r);
/* What is of one prompt alone; of several. */
json_t *json_prompt(const prompt *p, const tempo_run *r);
json_t *json_document(const prompt *p, const tempo_run *r);
/* The document of one arm alone; with the keys that the original project's readers look for. */
json_t *json_results(const prompt *p, const tempo_run *r, size_t arm);

#endif
