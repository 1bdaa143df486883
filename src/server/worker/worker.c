/* worker.c - the worker's thread: which jobs run, and the passes that they share.
 *
 * It goes round: the next chunk of one prompt that is scored, then a chunk of the prompts that are too long
 * to ride with others, then one step of all that decode.  Between rounds it looks at the list: who came, who
 * went, who may go on.  */
#include <signal.h>
#include <stdlib.h>

#include "base/status.h"
#include "server/worker/parts.h"

/* Rows of new prompts in one pass beside the rows of steps: a step of others waits for no more than two such
 * passes. */
enum { PROMPT_ROWS = 128 };

/* Rows of the steps of several jobs in one pass: what a pass needs of memory grows with them. */
enum { STEP_ROWS = 512 };

void tempo_worker_options_init(tempo_worker_options *o)
{
    *o = (tempo_worker_options){
        .queue = 64, .batch = 16, .max_recorded = UINT64_C(256) << 20, .max_events = 64};
    const uint64_t share = tempo_memory_available() / 8;
    o->max_recorded = share < o->max_recorded ? share : o->max_recorded;
}

static void lock(tempo_worker *w)
{
    (void)pthread_mutex_lock(&w->lock);
}

static void unlock(tempo_worker *w)
{
    (void)pthread_mutex_unlock(&w->lock);
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

static void set_state(tempo_job *j, tempo_job_state state)
{
    lock(j->w);
    j->state = state;
    unlock(j->w);
}

static bool may_decode(const tempo_job *j)
{
    return j->state == TEMPO_JOB_DECODING && !j->failed;
}

/* ---- passes ------------------------------------------------------------------------ */

static bool pass_poll(void *user)
{
    const tempo_worker *w = user;

    bool anybody = w->n_riders == 0;

    for (size_t i = 0; i < w->n_prompts; i++)
        if (atomic_load_explicit(&w->prompts[i]->closed, memory_order_relaxed))
            return false;
    for (size_t i = 0; i < w->n_riders; i++)
        anybody = anybody || !atomic_load_explicit(&w->riders[i]->closed, memory_order_relaxed);
    return anybody && !(w->may_stop && atomic_load_explicit(&w->stopping, memory_order_relaxed));
}

static bool pass_attention(void *user, const tempo_attention_view *view)
{
    tempo_worker *w = user;

    for (size_t i = 0; i < w->n_ds; i++) {
        const size_t at = (w->last_lane + i) % w->n_ds;
        if (tempo_decoder_seq(w->ds[at]) == view->seq) {
            w->last_lane = at;
            tempo_watch_view(&w->lanes[at]->watch, view);
            break;
        }
    }
    return true;
}

/* Nothing of the pass under way: no lanes, no prompts. */
static void clear_pass(tempo_worker *w)
{
    w->n_ds = w->n_prompts = w->n_riders = w->last_lane = 0;
    w->may_stop = false;
}

static size_t prompt_left(const tempo_job *j)
{
    size_t left = 0;

    for (size_t i = 0; i < j->o.n_arms; i++)
        left += tempo_decoder_prompt_left(j->lanes[i].d);
    return left;
}

static void add_lanes(tempo_worker *w, tempo_job *j)
{
    for (size_t i = 0; i < j->o.n_arms; i++) {
        tempo_job_lane *l = &j->lanes[i];
        l->in_pass = tempo_decoder_stopped(l->d) == TEMPO_RUNNING;
        if (l->in_pass) {
            w->lanes[w->n_ds] = l;
            w->ds[w->n_ds++] = l->d;
        }
    }
}

static void fail_all(tempo_job *const *jobs, size_t n, const tempo_err *err)
{
    for (size_t i = 0; i < n; i++)
        tempo_job_fail(jobs[i], err);
}

static tempo_job *next_to_score(tempo_worker *w)
{
    w->turn++; /* they take turns */
    for (size_t i = 0; i < w->n_round; i++) {
        tempo_job *j = w->round[(w->turn + i) % w->n_round];
        if (j->state == TEMPO_JOB_SCORING && !j->failed)
            return j;
    }
    return NULL;
}

static void score_one(tempo_worker *w)
{
    const tempo_observer obs = {.user = w, .poll = pass_poll};
    tempo_job *j = next_to_score(w);
    tempo_err err = {0};

    if (j == NULL)
        return;
    clear_pass(w);
    w->prompts[w->n_prompts++] = j;
    w->may_stop = true;
    const tempo_status st = j->n_scored + 1 < j->o.n_prompt ? tempo_job_score(j, &obs, &err) : TEMPO_OK;
    if (st != TEMPO_OK && st != TEMPO_E_STOPPED)
        tempo_job_fail(j, &err);
    if (j->n_scored + 1 >= j->o.n_prompt) {
        tempo_seq_free(j->scored);
        j->scored = NULL;
        set_state(j, TEMPO_JOB_DECODING);
    }
}

/* A chunk of the prompts that are too long to ride with a step. */
static void prefill_some(tempo_worker *w)
{
    const tempo_observer obs = {.user = w, .poll = pass_poll};
    const double begin = tempo_worker_now();
    size_t room = PROMPT_ROWS, before = 0;
    tempo_err err = {0};

    clear_pass(w);
    w->may_stop = true;
    for (size_t i = 0; i < w->n_round; i++) {
        tempo_job *j = w->round[i];
        const size_t left = may_decode(j) ? prompt_left(j) : 0;
        if (left <= room) {
            room -= left;
            continue;
        }
        add_lanes(w, j);
        w->prompts[w->n_prompts++] = j;
        before += left;
    }
    if (w->n_ds == 0)
        return;
    const tempo_status st = tempo_decoders_prefill(w->ds, w->n_ds, PROMPT_ROWS, &obs, &err);
    for (size_t i = 0; i < w->n_prompts; i++)
        before -= prompt_left(w->prompts[i]);
    if (st == TEMPO_OK && before > 0)
        tempo_worker_count_pass(w, before < PROMPT_ROWS ? before : PROMPT_ROWS, before, 0,
                                tempo_worker_now() - begin);
    else if (st != TEMPO_OK && st != TEMPO_E_STOPPED)
        fail_all(w->prompts, w->n_prompts, &err);
}

/* Make ready what a job's lanes will need in the pass; false: it failed. */
static bool begin_watches(tempo_job *j, bool *attention)
{
    for (size_t i = 0; i < j->o.n_arms; i++) {
        tempo_job_lane *l = &j->lanes[i];
        if (tempo_decoder_stopped(l->d) != TEMPO_RUNNING)
            continue;
        if (tempo_watch_begin(l, j) != TEMPO_OK) {
            tempo_err err = {0};
            (void)tempo_fail(&err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the attention of a step");
            tempo_job_fail(j, &err);
            return false;
        }
        *attention = *attention || l->watch.data != NULL;
    }
    return true;
}

/* Rows that the next step reads: those of the last sets. */
static size_t step_rows(const tempo_job *j)
{
    size_t rows = 0;

    for (size_t i = 0; i < j->o.n_arms; i++)
        if (tempo_decoder_stopped(j->lanes[i].d) == TEMPO_RUNNING)
            rows += j->lanes[i].step > 0 ? j->lanes[i].n_rows : 1;
    return rows;
}

/* All lanes of the step: those past their prompts, and prompts that are short by now.  Returns the rows of
 * prompts. */
static size_t gather_step(tempo_worker *w, bool *attention)
{
    size_t room = PROMPT_ROWS, prompt = 0, rows = 0;

    clear_pass(w);
    *attention = false;
    w->may_stop = true;
    for (size_t i = 0; i < w->n_round; i++) {
        tempo_job *j = w->round[(w->turn + i) % w->n_round]; /* who found no room comes first some time */
        for (size_t k = 0; k < j->o.n_arms; k++)
            j->lanes[k].in_pass = j->lanes[k].took = false;
        const size_t left = may_decode(j) ? prompt_left(j) : 0, own = may_decode(j) ? step_rows(j) : 0;
        if (!may_decode(j) || left > room || (rows > 0 && rows + own > STEP_ROWS) ||
            !begin_watches(j, attention))
            continue;
        room -= left;
        prompt += left;
        rows += own;
        add_lanes(w, j);
        w->riders[w->n_riders++] = j;
        if (left > 0)
            w->prompts[w->n_prompts++] = j;
        else
            w->may_stop = false; /* a step under way is finished, while anybody waits for it */
    }
    if (!w->may_stop)
        w->n_prompts = 0; /* one who goes takes no step from the others */
    return prompt;
}

static void count_step(tempo_worker *w, size_t prompt, double seconds)
{
    size_t rows = 0, members = 0;

    for (size_t i = 0; i < w->n_ds; i++) {
        const tempo_set *set = tempo_decoder_last_set(w->ds[i]);
        if (!w->lanes[i]->took)
            continue;
        rows += set->step > 0 ? tempo_decoder_row_count(w->ds[i]) : 0; /* else it is one of the prompt's */
        members += set->n_members;
    }
    tempo_worker_count_pass(w, rows + prompt, prompt, members, seconds);
}

static bool all_read(const tempo_job *j)
{
    bool all = true;

    for (size_t i = 0; i < j->o.n_arms; i++)
        all = all && (!j->lanes[i].in_pass || tempo_decoder_is_read(j->lanes[i].d));
    return all;
}

static bool nobody_is_read(const tempo_worker *w)
{
    bool any = false;

    for (size_t i = 0; i < w->n_ds; i++)
        any = any || tempo_decoder_is_read(w->ds[i]);
    return !any;
}

/* Whom a pass without memory for all goes on without. */
static tempo_job *heaviest(const tempo_worker *w)
{
    tempo_job *most = NULL;
    size_t weight_of_most = 0;

    for (size_t i = 0; i < w->n_riders; i++) {
        const size_t own = step_rows(w->riders[i]) + prompt_left(w->riders[i]);
        if (own > weight_of_most) {
            most = w->riders[i];
            weight_of_most = own;
        }
    }
    return most;
}

static void step_all(tempo_worker *w)
{
    bool attention;
    const size_t prompt = gather_step(w, &attention);
    const tempo_observer obs = {.user = w, .poll = pass_poll, .attention = attention ? pass_attention : NULL};
    const double begin = tempo_worker_now();
    tempo_err err = {0};

    if (w->n_ds == 0)
        return;
    const tempo_status st = tempo_decoders_read(w->ds, w->n_ds, &obs, &err);
    if (st == TEMPO_E_STOPPED)
        return;
    tempo_job *const heavy = st == TEMPO_E_NOMEM && nobody_is_read(w) ? heaviest(w) : NULL;
    for (size_t i = 0; i < w->n_riders; i++) {
        tempo_job *j = w->riders[i];
        tempo_err own = {0};
        if (heavy != NULL ? j == heavy : !all_read(j))
            tempo_job_fail(j, &err);
        else if (heavy == NULL && tempo_job_choose(j, &own) != TEMPO_OK)
            tempo_job_fail(j, &own);
    }
    if (heavy == NULL)
        count_step(w, prompt, tempo_worker_now() - begin);
}

/* ---- rounds ------------------------------------------------------------------------ */

static void begin_job(tempo_job *j)
{
    tempo_err err = {0};

    if (tempo_job_begin(j, &err) != TEMPO_OK)
        tempo_job_fail(j, &err);
    set_state(j, j->o.score_prompt ? TEMPO_JOB_SCORING : TEMPO_JOB_DECODING);
}

/* Slots of all arms, those that the next pass adds included. */
static size_t count_slots(tempo_worker *w, tempo_job **newest)
{
    size_t n = 0;

    *newest = NULL;
    lock(w);
    for (tempo_job *j = w->jobs; j != NULL; j = j->next) {
        size_t own = 0;
        for (size_t i = 0; j->state != TEMPO_JOB_WAITING && !j->failed && i < j->o.n_arms; i++)
            own += j->lanes[i].n_slots;
        own += j->scored != NULL && !j->failed ? j->o.n_prompt : 0;
        n += own;
        if (own > 0)
            *newest = j;
    }
    unlock(w);
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

static bool all_ended(const tempo_job *j)
{
    bool ended = j->state == TEMPO_JOB_DECODING;

    for (size_t i = 0; i < j->o.n_arms; i++)
        ended = ended && j->lanes[i].ended;
    return ended;
}

static void end_round(tempo_worker *w)
{
    for (size_t i = 0; i < w->n_round; i++) {
        tempo_job *j = w->round[i];
        tempo_err err = {0};
        if (may_decode(j) && tempo_job_close_lanes(j, &err) != TEMPO_OK)
            tempo_job_fail(j, &err);
        if (j->failed || all_ended(j))
            tempo_job_finish(j);
    }
}

static void run_round(tempo_worker *w)
{
    begin_round(w);
    if (w->n_round == 0)
        return;
    score_one(w);
    prefill_some(w);
    step_all(w);
    end_round(w);
}

/* Whatever waits or runs ends with an error. */
static void end_all(tempo_worker *w)
{
    const tempo_err shutdown = {.code = TEMPO_E_STOPPED, .offset = TEMPO_NO_OFFSET, .msg = "shutdown"};

    for (;;) {
        lock(w);
        tempo_job *j = w->jobs;
        if (j != NULL && j->state == TEMPO_JOB_WAITING)
            j->state = TEMPO_JOB_STARTING; /* ours, not its client's, from here on */
        unlock(w);
        if (j == NULL)
            return;
        tempo_job_fail(j, &shutdown);
        tempo_job_finish(j);
    }
}

static void *worker_main(void *arg)
{
    tempo_worker *w = arg;

    lock(w);
    while (!atomic_load(&w->stopping)) {
        gather(w);
        if (w->n_round == 0) {
            (void)pthread_cond_wait(&w->wake, &w->lock);
            continue;
        }
        unlock(w);
        run_round(w);
        lock(w);
    }
    unlock(w);
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
    free(w->ds);
    free(w->lanes);
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
    w->ds = calloc(o->batch, sizeof(*w->ds));
    w->lanes = calloc(o->batch, sizeof(*w->lanes));
    w->scratch = calloc(w->n_vocab, sizeof(*w->scratch));
    w->ids = calloc(2 * w->n_vocab, sizeof(*w->ids));
    if (w->records == NULL || w->round == NULL || w->prompts == NULL || w->riders == NULL || w->ds == NULL ||
        w->lanes == NULL || w->scratch == NULL || w->ids == NULL || pthread_mutex_init(&w->lock, NULL) != 0) {
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
    lock(w);
    const bool join = !w->joined;
    w->joined = true;
    atomic_store(&w->stopping, true);
    (void)pthread_cond_signal(&w->wake);
    unlock(w);
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

void tempo_worker_count_pass(tempo_worker *w, size_t rows, size_t prompt, size_t tokens, double seconds)
{
    lock(w);
    w->counts.steps++;
    w->counts.rows += rows;
    w->counts.prompt_tokens += prompt;
    w->counts.tokens += tokens;
    w->counts.busy_s += seconds;
    unlock(w);
}

tempo_worker_counts tempo_worker_get_counts(tempo_worker *w)
{
    lock(w);
    tempo_worker_counts c = w->counts;
    for (const tempo_job *j = w->jobs; j != NULL; j = j->next) {
        if (j->state == TEMPO_JOB_WAITING)
            c.waiting++;
        else if (is_held(j))
            c.held++;
        else
            c.running++;
    }
    unlock(w);
    c.recorded_bytes = tempo_record_store_bytes(w->records);
    return c;
}
