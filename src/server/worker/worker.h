/* worker.h - the one thread that owns the model: jobs in, events out, all that decode riding in one batch.
 *
 * Any thread submits a job and takes its events; the worker's thread alone touches the engine.  A job that comes while
 * others decode joins them at their next step; its prompt goes through the model in chunks, between their steps.  Row
 * independence (docs/semantics.md) makes a job's numbers independent of who rides with it.
 *
 * Events wait in the job, bounded: a job whose events nobody takes is left out of the batch until somebody does.  */
#ifndef TEMPO_SERVER_WORKER_H
#define TEMPO_SERVER_WORKER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "metrics/recorded.h"
#include "run/differ.h"
#include "run/ids.h"
#include "tempo.h"

typedef struct tempo_worker tempo_worker;
typedef struct tempo_job tempo_job;

enum { TEMPO_JOB_MAX_ARMS = 4, TEMPO_JOB_MAX_TOP = 32, TEMPO_WORKER_MAX_BATCH = 1024 };

typedef struct tempo_worker_options {
    size_t queue;           /* jobs that may wait or run; more are refused with TEMPO_E_BUSY */
    size_t batch;           /* arms that decode at once, TEMPO_JOB_MAX_ARMS to TEMPO_WORKER_MAX_BATCH; other jobs wait their turn,
                             * first come first served; a held job gives its place away */
    uint64_t max_recorded;  /* bytes of attention kept, of all jobs; 256 MB, at most an eighth of the memory that is there */
    size_t max_events;      /* waiting in one job before it is held */
    size_t max_slots;       /* of all arms together; 0: as many f32 ones as half of the memory holds that is there at the start.
                             * Beyond it the newest job ends with TEMPO_E_LIMIT.  */
} tempo_worker_options;

void tempo_worker_options_init(tempo_worker_options *o);
/* The engine must outlive the worker and belongs to it until tempo_worker_free. */
tempo_status tempo_worker_start(tempo_worker **out, tempo_engine *e, const tempo_worker_options *o, tempo_err *err) TEMPO_MUST_CHECK;
/* Finish the steps under way, end every job with TEMPO_EVENT_ERROR "shutdown", refuse new ones; returns when that is done. */
void tempo_worker_stop(tempo_worker *w);
/* All jobs must have been closed. */
void tempo_worker_free(tempo_worker *w);

typedef struct tempo_worker_counts {
    uint64_t jobs, refused, cancelled, failed, steps, rows, tokens, prompt_tokens; /* since the start; steps: passes */
    size_t waiting, running, held;
    uint64_t recorded_bytes;
    double busy_s;
} tempo_worker_counts;

tempo_worker_counts tempo_worker_get_counts(tempo_worker *w);

/* ---- jobs -------------------------------------------------------------------------- */

typedef struct tempo_job_arm {
    char name[24];                 /* another one for each arm; "": the mode's */
    tempo_decode_options decoding; /* steps counts the given sets too; its edits are held */
} tempo_job_arm;

/* What one part of a work came to. */
typedef struct tempo_work_part {
    json_t *told; /* what its client hears, as a TEMPO_EVENT_PART; NULL: nothing */
    size_t rows;  /* that went through the model, for the counts */
    bool more;    /* it was not the last one */
} tempo_work_part;

/* What a job does instead of decoding: parts, each on the worker's thread, between the steps of others, and none longer than about
 * a chunk of a prompt takes.  */
typedef struct tempo_job_work {
    /* *out is zero.  A failure ends the job; TEMPO_E_STOPPED, where obs->poll said so, is none: its client is gone, or all ends. */
    tempo_status (*part)(void *user, tempo_engine *e, const tempo_observer *obs, tempo_work_part *out, tempo_err *err);
    void (*release)(void *user); /* what the engine gave it; on the worker's thread, once, if that had it at all */
    void (*free)(void *user);    /* the rest, afterwards; on any thread */
    void *user;
    size_t slots; /* of all its sequences together, at most */
} tempo_job_work;

typedef struct tempo_job_options {
    const int32_t *prompt; /* [n_prompt], copied, like everything here */
    size_t n_prompt;
    tempo_job_arm arms[TEMPO_JOB_MAX_ARMS];
    size_t n_arms;         /* 0: nothing is decoded (scores of the prompt only) */
    const tempo_given_set *given;
    size_t n_given;
    tempo_sampling sampling; /* one arm; its threshold and max_set have no say then */
    bool want_attention;     /* events carry a summary */
    size_t top_keys;         /* of each row in it, <= TEMPO_JOB_MAX_TOP */
    bool record;             /* keep the attention of all rows; a closing pass follows the last set */
    bool want_scores;        /* events carry the log probability of the top member and of the top_scores best tokens */
    size_t top_scores;       /* <= TEMPO_JOB_MAX_TOP */
    bool score_prompt;       /* first an event for each prompt token from the second on */
    tempo_job_work work;     /* part not NULL: this, and no arms; the job frees it, from a submit that succeeded on */
    size_t top_next;         /* the event of the first step that is not given carries the so many most probable tokens and their q */
} tempo_job_options;

typedef enum tempo_event_kind {
    TEMPO_EVENT_PROMPT, /* scores of prompt token `step` given those before it */
    TEMPO_EVENT_SET,    /* an arm selected a set */
    TEMPO_EVENT_ATTENTION, /* what the step read, before its TEMPO_EVENT_SET; step = n sets with closing */
    TEMPO_EVENT_COMPARE, /* two arms or more took the step, after their sets */
    TEMPO_EVENT_PART,   /* of a work */
    TEMPO_EVENT_DONE,   /* the last one */
    TEMPO_EVENT_ERROR,  /* the last one */
} tempo_event_kind;

typedef struct tempo_token_score {
    int32_t id;
    double logprob; /* a step that read one row: log softmax of its logits, without temperature; several: log q.  -INFINITY for q = 0 */
} tempo_token_score;

/* Means over the step's rows unless said otherwise. */
typedef struct tempo_attention_summary {
    size_t n_rows, n_slots;
    uint32_t n_layers, n_heads;
    bool closing;
    const int64_t *query_slots;  /* [n_rows] */
    const float *sibling_mass, *entropy, *sink; /* [n_layers, n_heads] each; nats; mass on slot 0 */
    size_t n_keys;               /* a row: min(top_keys, n_slots) */
    const int64_t *key_slots;    /* [n_rows, n_keys] in descending weight */
    const float *key_weights;    /* [n_rows, n_keys] mean over layers and heads */
} tempo_attention_summary;

typedef struct tempo_job_comparison {
    tempo_step_relation of; /* n arms took the step; of all arms of the job */
    size_t arm[TEMPO_JOB_MAX_ARMS];
    double kl[TEMPO_JOB_MAX_ARMS], tv[TEMPO_JOB_MAX_ARMS]; /* of arm[0] against arm[i], over the vocabulary, nats */
    json_t *only;           /* tempo_json_only, of those that took the step */
} tempo_job_comparison;

/* What an arm did. */
typedef struct tempo_job_arm_end {
    tempo_ids all, top; /* members of all sets; the first one of each */
    size_t steps;
    tempo_stopped stopped;
    json_t *edits;      /* what became of its edits (edit/edits_told.h); NULL: it has none */
} tempo_job_arm_end;

/* Free with tempo_event_free. */
typedef struct tempo_event {
    tempo_event_kind kind;
    size_t arm, step;
    tempo_set set;              /* SET: members included */
    bool given;
    tempo_stopped stopped;      /* SET: the arm's state after it */
    const tempo_token_score *scores;  /* [n_scores]: of the token itself, then the best in descending order */
    size_t n_scores;
    const tempo_member *next;   /* [n_next] of top_next */
    size_t n_next;
    tempo_attention_summary attention;
    tempo_job_comparison compare;
    json_t *told; /* PART */
    tempo_job_arm_end ends[TEMPO_JOB_MAX_ARMS]; /* DONE */
    tempo_parting parting;      /* DONE: where the arms differ */
    double queued_ms, first_set_ms, total_ms; /* DONE; from submit to the first pass, the first SET (0: none), the end */
    tempo_err err;              /* ERROR; code TEMPO_E_STOPPED = shutdown */
} tempo_event;

void tempo_event_free(tempo_event *e);

/* Check everything and queue it.  TEMPO_E_ARG, TEMPO_E_LIMIT as tempo_run_create; TEMPO_E_BUSY when it is full,
 * TEMPO_E_STOPPED when the worker is stopping.  */
tempo_status tempo_job_submit(tempo_job **out, tempo_worker *w, const tempo_job_options *o, tempo_err *err) TEMPO_MUST_CHECK;
/* The next event, waiting for it at most wait_ms; NULL: none came.  After DONE or ERROR there are no more. */
tempo_event *tempo_job_next(tempo_job *j, unsigned wait_ms);
/* The same of any of jobs[n], of which none has had its last event: *at says which.  They are looked at from jobs[first % n] on.
 * n may be 0: it waits.  All are one worker's.  */
tempo_event *tempo_jobs_next(tempo_job *const *jobs, size_t n, size_t first, unsigned wait_ms, size_t *at);
/* Done with it: what still runs ends within a layer's time (a prompt) or a step. */
void tempo_job_close(tempo_job *j);
/* The sequence of slots of an arm so far, for labels: token, set and position of each; *n of them, for free().  */
tempo_slot *tempo_job_slots(tempo_job *j, size_t arm, size_t *n);

/* ---- recorded attention ------------------------------------------------------------ */

/* What one job recorded.  Counted references, any thread.  A reference keeps the recording's name, not its data: those go,
 * whole recordings at a time and the oldest first, when a job that decodes needs the room (options.max_recorded).  */
typedef struct tempo_recording tempo_recording;

tempo_recording *tempo_job_recording(tempo_job *j); /* NULL without record; tempo_recording_free gives it back */
void tempo_recording_free(tempo_recording *r);
uint64_t tempo_recording_bytes(const tempo_recording *r); /* 0 when it was dropped */
/* Steps of an arm whose attention is there, the closing pass included: 0 .. steps-1.  */
size_t tempo_recording_steps(const tempo_recording *r, size_t arm);
/* Whether steps are missing: it was dropped, or alone it needed more than max_recorded and went on unrecorded. */
bool tempo_recording_incomplete(const tempo_recording *r);
/* i < steps; *out is for tempo_recorded_step_free, and valid until then whatever happens to r.  False when there is no such
 * step or it was dropped to make room.  */
bool tempo_recording_step(tempo_recording *r, size_t arm, size_t i, tempo_recorded_step *out);
void tempo_recorded_step_free(tempo_recorded_step *s); /* takes one that holds nothing */

#endif
