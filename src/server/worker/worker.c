/* worker.c - the worker's thread: it goes round, and between rounds it looks at the list: who came, who went,
 * who may go on.  What a round does is in pass.c.  */
#include <signal.h>
#include <stdlib.h>

#include "base/status.h"
#include "server/worker/parts.h"

void tempo_worker_options_init(tempo_worker_options *o)
{
    *o = (tempo_worker_options){
        .queue = 64, .batch = 16, .max_recorded = UINT64_C(256) << 20, .max_events = 64};
    const uint64_t share = tempo_memory_available() / 8;
    o->max_recorded = share < o->max_recorded ? share : o->max_recorded;
}

/* ---- who takes part ---------------------------------------------------------------- */

static size_t weight(const tempo_job *j)
{
    return j->o.n_arms > 0 ? j->o.n_arms : 1;
}

static bool is_held(const tempo_job *j)
{
    return j->n_events >= j->w->o.max_events;
}

/* With the lock: list who can do something now, at most `batch` arms, and admit who waits, first come first
 * served.  A job that is held gives its place away until somebody takes its events.  */
static void gather(tempo_worker *w)
{
    size_t arms = 0;
    bool full = false;

    w->n_round = 0;
    for (tempo_job *j = w->jobs; j != NULL; j = j->next) {
        const bool closed = atomic_load(&j->closed);
        const bool ends = closed || j->failed; /* it needs a round, but no place in the batch */
        if (j->state == TEMPO_JOB_WAITING ? full : is_held(j) && !ends)
            continue;
        if (!ends && arms + weight(j) > w->o.batch) {
            full = true; /* nobody who waits overtakes */
            continue;
        }
        arms += ends ? 0 : weight(j);
        if (j->state == TEMPO_JOB_WAITING)
            j->state = TEMPO_JOB_STARTING;
        w->round[w->n_round++] = j;
    }
}

void tempo_job_set_state(tempo_job *j, tempo_job_state state)
{
    tempo_worker_lock(j->w);
    j->state = state;
    tempo_worker_unlock(j->w);
}

bool tempo_job_may_decode(const tempo_job *j)
{
    return j->state == TEMPO_JOB_DECODING && !j->failed;
}

/* ---- rounds ------------------------------------------------------------------------ */

static void begin_job(tempo_job *j)
{
    tempo_err err = {0};

    if (tempo_job_begin(j, &err) != TEMPO_OK)
        tempo_job_fail(j, &err);
    tempo_job_set_state(j, j->o.work.part != NULL ? TEMPO_JOB_WORKING
                           : j->o.score_prompt    ? TEMPO_JOB_SCORING
                                                  : TEMPO_JOB_DECODING);
}

/* Slots of all arms, those that the next pass adds included. */
static size_t count_slots(tempo_worker *w, tempo_job **newest)
{
    size_t n = 0;

    *newest = NULL;
    tempo_worker_lock(w);
    for (tempo_job *j = w->jobs; j != NULL; j = j->next) {
        size_t own = 0;
        for (size_t i = 0; j->state != TEMPO_JOB_WAITING && !j->failed && i < j->o.n_arms; i++)
            own += j->arms[i].n_slots;
        own += j->scored != NULL && !j->failed ? j->o.n_prompt : 0;
        own += j->state == TEMPO_JOB_WORKING && !j->failed ? j->o.work.slots : 0;
        n += own;
        if (own > 0)
            *newest = j;
    }
    tempo_worker_unlock(w);
    return n;
}

/* Each sequence is bounded by half of the memory, but there are many: all together are, too. */
static void bound_slots(tempo_worker *w)
{
    tempo_job *newest;

    for (size_t n; (n = count_slots(w, &newest)) > w->o.max_slots && newest != NULL;) {
        tempo_err err = {0};
        (void)tempo_fail(
            &err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
            "the contexts of all requests need %zu slots and memory holds %zu: this one, the newest, ended",
            n, w->o.max_slots);
        tempo_job_fail(newest, &err);
    }
}

/* Begin those who are new, end those whose clients have gone. */
static void begin_round(tempo_worker *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n_round; i++) {
        tempo_job *j = w->round[i];
        if (atomic_load(&j->closed)) {
            tempo_job_finish(j);
            continue;
        }
        if (j->state == TEMPO_JOB_STARTING)
            begin_job(j);
        w->round[n++] = j;
    }
    w->n_round = n;
    bound_slots(w);
}

static void end_round(tempo_worker *w)
{
    for (size_t i = 0; i < w->n_round; i++) {
        tempo_job *j = w->round[i];
        tempo_err err = {0};
        if (tempo_job_may_decode(j) && j->run != NULL && tempo_job_close_arms(j, &err) != TEMPO_OK)
            tempo_job_fail(j, &err);
        if (j->failed || (j->state == TEMPO_JOB_DECODING && (j->run == NULL || !tempo_run_running(j->run))))
            tempo_job_finish(j);
    }
}

static void run_round(tempo_worker *w)
{
    begin_round(w);
    if (w->n_round == 0)
        return;
    tempo_worker_pass(w);
    end_round(w);
}

/* Whatever waits or runs ends with an error. */
static void end_all(tempo_worker *w)
{
    const tempo_err shutdown = {.code = TEMPO_E_STOPPED, .offset = TEMPO_NO_OFFSET, .msg = "shutdown"};

    for (;;) {
        tempo_worker_lock(w);
        tempo_job *j = w->jobs;
        if (j != NULL && j->state == TEMPO_JOB_WAITING)
            j->state = TEMPO_JOB_STARTING; /* ours, not its client's, from here on */
        tempo_worker_unlock(w);
        if (j == NULL)
            return;
        tempo_job_fail(j, &shutdown);
        tempo_job_finish(j);
    }
}

static void *worker_main(void *arg)
{
    tempo_worker *w = arg;

    tempo_worker_lock(w);
    while (!atomic_load(&w->stopping)) {
        gather(w);
        if (w->n_round == 0) {
            (void)pthread_cond_wait(&w->wake, &w->lock);
            continue;
        }
        tempo_worker_unlock(w);
        run_round(w);
        tempo_worker_lock(w);
    }
    tempo_worker_unlock(w);
    end_all(w);
    return NULL;
}

/* ---- life -------------------------------------------------------------------------- */

static void worker_free_own(tempo_worker *w)
{
    tempo_record_store_free(w->records);
    free(w->round);
    free(w->prompts);
    free(w->riders);
    free(w->runs);
    free(w->scratch);
    free(w->ids);
    free(w);
}

static tempo_worker *worker_alloc(tempo_engine *e, const tempo_worker_options *o)
{
    tempo_worker *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    *w =
        (tempo_worker){.engine = e, .o = *o, .n_vocab = tempo_model_get_info(tempo_engine_model(e))->n_vocab};
    atomic_init(&w->stopping, false);
    w->records = tempo_record_store_create(o->max_recorded);
    w->round = calloc(o->queue + o->batch, sizeof(*w->round));
    w->prompts = calloc(o->batch, sizeof(*w->prompts));
    w->riders = calloc(o->batch, sizeof(*w->riders));
    w->runs = calloc(o->batch, sizeof(tempo_run *));
    w->scratch = calloc(w->n_vocab, sizeof(*w->scratch));
    w->ids = calloc(2 * w->n_vocab, sizeof(*w->ids));
    if (w->records == NULL || w->round == NULL || w->prompts == NULL || w->riders == NULL ||
        w->runs == NULL || w->scratch == NULL || w->ids == NULL || pthread_mutex_init(&w->lock, NULL) != 0) {
        worker_free_own(w);
        return NULL;
    }
    if (pthread_cond_init(&w->wake, NULL) != 0) {
        (void)pthread_mutex_destroy(&w->lock);
        worker_free_own(w);
        return NULL;
    }
    return w;
}

/* A thread inherits the mask of the one that creates it; signals are the main thread's business. */
static int start_thread(tempo_worker *w)
{
    sigset_t all, old;

    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGSEGV);
    (void)sigdelset(&all, SIGBUS);
    (void)sigdelset(&all, SIGFPE);
    (void)sigdelset(&all, SIGILL);
    (void)sigdelset(&all, SIGTRAP);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    const int rc = pthread_create(&w->thread, NULL, worker_main, w);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static tempo_status find_max_slots(tempo_worker *w, tempo_err *err)
{
    tempo_seq *s = NULL;

    if (w->o.max_slots > 0)
        return TEMPO_OK;
    const tempo_status st = tempo_seq_create(&s, w->engine, NULL, err);
    if (st == TEMPO_OK)
        w->o.max_slots = tempo_seq_max_slots(s);
    tempo_seq_free(s);
    return st;
}

static tempo_status check_options(const tempo_worker_options *o, tempo_err *err)
{
    if (o->queue == 0 || o->max_events == 0)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "queue is %zu and max_events %zu, expected at least 1", o->queue, o->max_events);
    if (o->batch < TEMPO_JOB_MAX_ARMS || o->batch > TEMPO_WORKER_MAX_BATCH)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "batch is %zu, expected %d to %d", o->batch,
                          TEMPO_JOB_MAX_ARMS, TEMPO_WORKER_MAX_BATCH);
    return TEMPO_OK;
}

tempo_status tempo_worker_start(tempo_worker **out, tempo_engine *e, const tempo_worker_options *o,
                                tempo_err *err)
{
    tempo_status st;

    *out = NULL;
    if ((st = check_options(o, err)) != TEMPO_OK)
        return st;
    tempo_worker *w = worker_alloc(e, o);
    if (w == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a worker");
    if ((st = find_max_slots(w, err)) != TEMPO_OK) {
        w->joined = true; /* there is nothing to join */
        tempo_worker_free(w);
        return st;
    }
    const int rc = start_thread(w);
    if (rc != 0) {
        w->joined = true;
        tempo_worker_free(w);
        return tempo_fail_os(err, rc, "the worker's thread cannot be started");
    }
    *out = w;
    return TEMPO_OK;
}

void tempo_worker_stop(tempo_worker *w)
{
    tempo_worker_lock(w);
    const bool join = !w->joined;
    w->joined = true;
    atomic_store(&w->stopping, true);
    (void)pthread_cond_signal(&w->wake);
    tempo_worker_unlock(w);
    if (join)
        (void)pthread_join(w->thread, NULL);
}

void tempo_worker_free(tempo_worker *w)
{
    if (w == NULL)
        return;
    tempo_worker_stop(w);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    worker_free_own(w);
}

/* ---- counters ---------------------------------------------------------------------- */

void tempo_worker_count_pass(tempo_worker *w, size_t rows, size_t prompt, size_t tokens)
{
    const double now = tempo_worker_now();

    tempo_worker_lock(w);
    w->counts.steps++;
    w->counts.rows += rows;
    w->counts.prompt_tokens += prompt;
    w->counts.tokens += tokens;
    w->counts.busy_s += now - w->began;
    tempo_worker_unlock(w);
    w->began = now;
}

tempo_worker_counts tempo_worker_get_counts(tempo_worker *w)
{
    tempo_worker_lock(w);
    tempo_worker_counts c = w->counts;
    for (const tempo_job *j = w->jobs; j != NULL; j = j->next) {
        if (j->state == TEMPO_JOB_WAITING)
            c.waiting++;
        else if (is_held(j))
            c.held++;
        else
            c.running++;
    }
    tempo_worker_unlock(w);
    c.recorded_bytes = tempo_record_store_bytes(w->records);
    return c;
}
