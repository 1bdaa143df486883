/* parts.h - what the files of the worker share.  Not for others.
 *
 * One lock, of the worker, guards its list of jobs and, in a job, what is marked (lock).  The rest of a job that
 * runs is the worker thread's alone.  */
#ifndef TEMPO_SERVER_WORKER_PARTS_H
#define TEMPO_SERVER_WORKER_PARTS_H
#include <pthread.h>
#include <stdatomic.h>

#include "run/run.h"
#include "server/worker/worker.h"

/* ---- events (events.c) ------------------------------------------------------ */

/* The event comes first, so that freeing it frees the box. */
typedef struct tempo_event_box {
    tempo_event event;
    struct tempo_event_box *next;
} tempo_event_box;

/* How long the arrays of an event are: maps = layers * heads of an attention summary. */
typedef struct tempo_event_room {
    size_t members, scores, next, maps, rows, keys;
} tempo_event_room;

/* The arrays of one event while they are filled. */
typedef struct tempo_event_arrays {
    tempo_member *members, *next;
    tempo_token_score *scores;
    int64_t *query_slots, *key_slots;
    float *sibling_mass, *entropy, *sink, *key_weights;
} tempo_event_arrays;

/* NULL: no memory.  The event's pointers are set where there is room. */
tempo_event_box *tempo_event_make(tempo_event_kind kind, const tempo_event_room *room, tempo_event_arrays *a);

/* ---- scores (scores.c) -------------------------------------------------------- */

/* logprobs[n] = log softmax of logits[n], in double. */
void tempo_score_row(const float *logits, size_t n, double *logprobs);
/* logprobs[n] = log q[n]. */
void tempo_score_mixture(const double *q, size_t n, double *logprobs);
/* The token itself, then the k best: scores[1 + min(k, n)].  ids: [k]. */
size_t tempo_score_token(const double *logprobs, size_t n, int32_t token, size_t k, int32_t *ids, tempo_token_score *scores);

/* ---- recorded attention (record.c) ------------------------------------------ */

typedef struct tempo_record_store tempo_record_store; /* all recordings of a worker; outlives it while one is held */
typedef struct tempo_record_block tempo_record_block; /* one step; counted references */

tempo_record_store *tempo_record_store_create(uint64_t max_bytes);
void tempo_record_store_free(tempo_record_store *s); /* the worker's reference */
uint64_t tempo_record_store_bytes(tempo_record_store *s);

/* One reference for the caller; the newest of the store, decoding. */
tempo_recording *tempo_recording_create(tempo_record_store *s, size_t n_arms);
tempo_recording *tempo_recording_hold(tempo_recording *r);
void tempo_recording_finish(tempo_recording *r); /* may be dropped from now on */

/* Room for a step of the shape of *shape, whose query_slots and sets are copied; *data is what to fill.  TEMPO_E_LIMIT when it
 * does not fit even without what may be dropped (the recording is incomplete then, and stays so), TEMPO_E_NOMEM.  */
tempo_status tempo_record_block_create(tempo_record_block **out, tempo_recording *r, const tempo_recorded_step *shape,
                                       float **data) TEMPO_MUST_CHECK;
void tempo_record_block_free(tempo_record_block *b); /* one that was not added */
/* The arm's next step; takes the block over on success. */
tempo_status tempo_recording_add(tempo_recording *r, size_t arm, tempo_record_block *b) TEMPO_MUST_CHECK;

/* ---- what a step's attention is gathered in (watch.c) ----------------------- */

typedef struct tempo_watch {
    tempo_recorded_step shape;  /* of the pass that comes; data is not used */
    bool summary;
    tempo_record_block *block;  /* all layers, when the step is recorded */
    float *data;                /* its data; else own: [heads, rows, slots] of the layer under way */
    int64_t *query_slots;       /* [rows] */
    uint32_t *sets;             /* [slots] */
    double *means;              /* [rows, slots] sum over the heads of the layers so far */
    float *maps;                /* [3, layers, heads] sibling mass, entropy, sink */
} tempo_watch;

typedef struct tempo_job_arm_state tempo_job_arm_state;

/* Before a pass: make everything that the arm's views will need.  TEMPO_E_NOMEM. */
tempo_status tempo_watch_begin(tempo_job *j, size_t arm) TEMPO_MUST_CHECK;
void tempo_watch_view(tempo_watch *w, size_t row, const tempo_tap_view *view);
/* After it: keep what is recorded, and put the summary, if one is wanted, to *out.  */
tempo_status tempo_watch_end(tempo_job *j, size_t arm, bool closing, tempo_event_box **out) TEMPO_MUST_CHECK;
void tempo_watch_clear(tempo_watch *w);

/* ---- jobs (job.c) ----------------------------------------------------------- */

typedef enum tempo_job_state {
    TEMPO_JOB_WAITING,  /* in the queue; the client may take it out */
    TEMPO_JOB_STARTING, /* the worker's from here on */
    TEMPO_JOB_SCORING,
    TEMPO_JOB_WORKING, /* parts of its work */
    TEMPO_JOB_DECODING,
    TEMPO_JOB_FINISHED, /* the client's; its last event is there */
} tempo_job_state;

/* What is kept of one arm beside its run. */
struct tempo_job_arm_state {
    tempo_slot *slots; /* (lock) [n_slots] those of the last set too, which the sequence gets with the next read */
    size_t n_slots, slot_cap;
    tempo_watch watch;
};

struct tempo_job {
    tempo_worker *w;
    tempo_job *next;    /* (lock) in the worker's list */
    tempo_job_options o; /* pointers into own memory */
    tempo_job_state state; /* (lock) */
    atomic_bool closed; /* (lock) to set it; the client is gone */
    bool failed;        /* the worker's: an error is in `last` */
    pthread_cond_t *waiter; /* (lock) of who waits for an event, or NULL */
    tempo_event_box *first, **end; /* (lock) */
    size_t n_events;    /* (lock) */
    tempo_event_box *last; /* kept for DONE or ERROR */
    tempo_run *run;     /* while it decodes; NULL without arms */
    tempo_job_arm_state arms[TEMPO_JOB_MAX_ARMS];
    tempo_seq *scored;  /* the prompt as far as its scores went */
    size_t n_scored;
    tempo_recording *recording;
    double submitted, started, first_set; /* seconds of the monotonic clock; 0: not yet */
};

void tempo_job_push(tempo_job *j, tempo_event_box *b);
/* What the engine gave it; by the worker's thread. */
void tempo_job_release(tempo_job *j);
void tempo_job_free(tempo_job *j);
/* Remember why it fails; the round's end says so to the client. */
void tempo_job_fail(tempo_job *j, const tempo_err *err);
/* Its last event, and out of the list. */
void tempo_job_finish(tempo_job *j);
double tempo_worker_now(void);

/* What its run is made of; arms: what o->arms points to. */
void tempo_job_run_options(const tempo_job_options *j, tempo_run_arm arms[TEMPO_JOB_MAX_ARMS], tempo_run_options *o);

/* ---- one job on the worker's thread (prompt.c, work.c, sink.c) ----------------------- */

/* The next chunk of the prompt's scores. */
tempo_status tempo_job_score(tempo_job *j, const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;
/* The next part of its work; a failure is the job's.  (work.c) */
void tempo_job_work_on(tempo_job *j, const tempo_observer *obs);
/* Its run, whose sink makes events of it, and all else that it needs. */
tempo_status tempo_job_begin(tempo_job *j, tempo_err *err) TEMPO_MUST_CHECK;
/* Make ready what its arms will need in the next pass. */
tempo_status tempo_job_ready(tempo_job *j, tempo_err *err) TEMPO_MUST_CHECK;
/* The closing pass of the arms that have stopped, where that is wanted. */
tempo_status tempo_job_close_arms(tempo_job *j, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- passes (pass.c) ---------------------------------------------------------- */

/* Can it take part in a pass, past its scores? */
bool tempo_job_may_decode(const tempo_job *j);
/* One round: a chunk of a prompt's scores, a part of a work, a chunk of long prompts, a step of all. */
void tempo_worker_pass(tempo_worker *w);

/* ---- the worker (worker.c) --------------------------------------------------------- */

struct tempo_worker {
    tempo_engine *engine;
    size_t n_vocab;
    tempo_worker_options o;
    tempo_record_store *records;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;  /* something to do */
    tempo_job *jobs;      /* (lock) all that are not finished, first come first */
    size_t n_jobs;        /* (lock) */
    tempo_worker_counts counts; /* (lock) */
    atomic_bool stopping;
    bool joined;          /* (lock) */

    /* the thread's own */
    tempo_job **round; /* [queue + batch] the jobs that take part in the round */
    size_t n_round;
    tempo_job **prompts; /* [batch] whose prompts are in the pass under way: it ends when one of them is closed */
    tempo_job **riders; /* [batch] whose steps are in the pass under way: it ends when all of them are closed */
    tempo_run **runs;   /* [batch] of those whose pass it is */
    size_t n_prompts, n_riders, turn, work_turn;
    size_t rows, tokens; /* of the step under way, so far as it was taken */
    double began;       /* the pass under way, by tempo_worker_now */
    bool may_stop; /* the pass under way ends when the worker stops */
    double *scratch; /* [n_vocab] */
    int32_t *ids;    /* [2 * n_vocab] */
};

static inline void tempo_worker_lock(tempo_worker *w)
{
    (void)pthread_mutex_lock(&w->lock);
}

static inline void tempo_worker_unlock(tempo_worker *w)
{
    (void)pthread_mutex_unlock(&w->lock);
}

void tempo_job_set_state(tempo_job *j, tempo_job_state state);

/* Add to the counters: a pass, begun at w->began, of so many rows, prompt rows among them. */
void tempo_worker_count_pass(tempo_worker *w, size_t rows, size_t prompt, size_t tokens);

#endif
