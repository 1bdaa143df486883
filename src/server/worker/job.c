/* job.c - the client's side of a job: submit, take events, close; and what is kept for it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "server/worker/parts.h"

double tempo_worker_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void lock(tempo_worker *w)
{
    (void)pthread_mutex_lock(&w->lock);
}

static void unlock(tempo_worker *w)
{
    (void)pthread_mutex_unlock(&w->lock);
}

/* ---- checks ------------------------------------------------------------------------ */

static tempo_status check_sampling(const tempo_job_options *o, tempo_err *err)
{
    const tempo_sampling *s = &o->sampling;

    if (!s->on)
        return TEMPO_OK;
    if (o->n_arms != 1)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "sampling is for one arm, not for %zu",
                          o->n_arms);
    if (!(s->temperature >= 0.0 && isfinite(s->temperature)))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "temperature is %g, expected a finite number, at least 0", s->temperature);
    if (!(s->top_p > 0.0 && s->top_p <= 1.0))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "top_p is %g, expected more than 0 and at most 1", s->top_p);
    if (!(s->min_p >= 0.0 && s->min_p <= 1.0))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "min_p is %g, expected 0 to 1", s->min_p);
    return TEMPO_OK;
}

static tempo_status check_given(const tempo_given_set *g, size_t step, size_t n_vocab, tempo_err *err)
{
    if (g->n == 0 || g->n > n_vocab)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "given set %zu has %zu members, expected 1 to %zu", step, g->n, n_vocab);
    for (size_t i = 0; i < g->n; i++) {
        const tempo_member *m = &g->members[i];
        if (m->id < 0 || (size_t)m->id >= n_vocab)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "given set %zu, member %zu has id %d, the vocabulary has ids 0 to %zu", step, i,
                              m->id, n_vocab - 1);
        if (!(m->probability > 0.0 && m->probability <= 1.0))
            return tempo_fail(
                err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                "given set %zu, member %zu has probability %g, expected more than 0 and at most 1", step, i,
                m->probability);
    }
    return TEMPO_OK;
}

static tempo_status check_numbers(const tempo_job_options *o, tempo_err *err)
{
    if (o->n_arms > TEMPO_JOB_MAX_ARMS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%zu arms, the limit is %d", o->n_arms,
                          TEMPO_JOB_MAX_ARMS);
    if (o->top_keys > TEMPO_JOB_MAX_TOP)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "top_keys is %zu, the limit is %d",
                          o->top_keys, TEMPO_JOB_MAX_TOP);
    if (o->top_scores > TEMPO_JOB_MAX_TOP)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "top_scores is %zu, the limit is %d",
                          o->top_scores, TEMPO_JOB_MAX_TOP);
    for (size_t i = 0; i < o->n_arms; i++)
        if (o->n_given > o->arms[i].decoding.steps)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%zu sets are given, but steps is %zu",
                              o->n_given, o->arms[i].decoding.steps);
    return TEMPO_OK;
}

/* What holds for a job that samples: its one token is not chosen by threshold. */
static void apply_sampling(tempo_job_options *o)
{
    if (!o->sampling.on)
        return;
    o->arms[0].decoding.threshold = 1.0;
    o->arms[0].decoding.max_set = 1;
    o->arms[0].decoding.temperature = o->sampling.temperature > 0.0 ? o->sampling.temperature : 1.0;
}

static tempo_status check_options(const tempo_job_options *o, const tempo_model *m, tempo_err *err)
{
    tempo_decode_options plain;
    tempo_status st;

    tempo_decode_options_init(&plain);
    if ((st = check_numbers(o, err)) != TEMPO_OK || (st = check_sampling(o, err)) != TEMPO_OK)
        return st;
    if ((o->n_arms == 0 || o->score_prompt) &&
        (st = tempo_decode_check(m, &plain, o->prompt, o->n_prompt, err)) != TEMPO_OK)
        return st;
    tempo_job_options seen = *o;
    apply_sampling(&seen);
    for (size_t i = 0; i < o->n_arms; i++)
        if ((st = tempo_decode_check(m, &seen.arms[i].decoding, o->prompt, o->n_prompt, err)) != TEMPO_OK)
            return st;
    for (size_t i = 0; i < o->n_given; i++)
        if ((st = check_given(&o->given[i], i, tempo_model_get_info(m)->n_vocab, err)) != TEMPO_OK)
            return st;
    return TEMPO_OK;
}

/* ---- life -------------------------------------------------------------------------- */

static bool copy_given(tempo_job_options *o, const tempo_job_options *from)
{
    size_t total = 0;

    for (size_t i = 0; i < from->n_given; i++)
        total += from->given[i].n;
    if (total == 0)
        return true;
    tempo_given_set *sets = calloc(from->n_given, sizeof(*sets));
    tempo_member *members = calloc(total, sizeof(*members));
    if (sets == NULL || members == NULL) {
        free(sets);
        free(members);
        return false;
    }
    o->given = sets;
    o->n_given = from->n_given;
    for (size_t i = 0; i < from->n_given; members += from->given[i++].n) {
        sets[i] = (tempo_given_set){members, from->given[i].n};
        for (size_t k = 0; k < sets[i].n; k++)
            members[k] =
                (tempo_member){from->given[i].members[k].id, from->given[i].members[k].probability, -1, 0.0};
    }
    return true;
}

static bool copy_options(tempo_job_options *o, const tempo_job_options *from)
{
    int32_t *prompt = malloc(from->n_prompt * sizeof(*prompt)); /* checked: within the context */

    *o = *from;
    o->prompt = prompt;
    o->given = NULL;
    o->n_given = 0;
    for (size_t i = 0; i < o->n_arms; i++)
        o->arms[i].name[sizeof(o->arms[i].name) - 1] = '\0';
    apply_sampling(o);
    if (prompt == NULL)
        return false;
    memcpy(prompt, from->prompt, from->n_prompt * sizeof(*prompt));
    return copy_given(o, from);
}

void tempo_job_free(tempo_job *j)
{
    if (j->o.given != NULL)
        free((void *)j->o.given[0].members);
    free((void *)j->o.given);
    free((void *)j->o.prompt);
    while (j->first != NULL) {
        tempo_event_box *b = j->first;
        j->first = b->next;
        free(b);
    }
    free(j->last);
    for (size_t i = 0; i < TEMPO_JOB_MAX_ARMS; i++)
        free(j->lanes[i].slots);
    tempo_recording_free(j->recording);
    free(j);
}

static tempo_job *job_create(tempo_worker *w, const tempo_job_options *o)
{
    tempo_job *j = calloc(1, sizeof(*j));
    tempo_event_arrays none;

    if (j == NULL)
        return NULL;
    j->w = w;
    j->end = &j->first;
    j->state = TEMPO_JOB_WAITING;
    atomic_init(&j->closed, false);
    j->last = tempo_event_make(TEMPO_EVENT_DONE, &(tempo_event_room){0}, &none);
    const bool recorded = !o->record || o->n_arms == 0 ||
                          (j->recording = tempo_recording_create(w->records, o->n_arms)) != NULL;
    if (!copy_options(&j->o, o) || j->last == NULL || !recorded) {
        tempo_job_free(j);
        return NULL;
    }
    return j;
}

/* Put it at the end of the list, or say why not. */
static tempo_status enqueue(tempo_worker *w, tempo_job *j, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    lock(w);
    if (atomic_load(&w->stopping))
        st = tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "the worker is stopping");
    else if (w->n_jobs >= w->o.queue)
        st = tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "queue: %zu jobs wait or run, that is the limit",
                        w->n_jobs);
    if (st == TEMPO_OK) {
        tempo_job **at = &w->jobs;
        while (*at != NULL)
            at = &(*at)->next;
        *at = j;
        w->n_jobs++;
        w->counts.jobs++;
        j->submitted = tempo_worker_now();
        (void)pthread_cond_signal(&w->wake);
    } else {
        w->counts.refused++;
    }
    unlock(w);
    return st;
}

tempo_status tempo_job_submit(tempo_job **out, tempo_worker *w, const tempo_job_options *o, tempo_err *err)
{
    tempo_status st;

    *out = NULL;
    if ((st = check_options(o, tempo_engine_model(w->engine), err)) != TEMPO_OK)
        return st;
    tempo_job *j = job_create(w, o);
    if (j == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a job");
    if ((st = enqueue(w, j, err)) != TEMPO_OK) {
        tempo_job_free(j);
        return st;
    }
    *out = j;
    return TEMPO_OK;
}

/* With the lock. */
static void unlink_job(tempo_job *j)
{
    tempo_job **at = &j->w->jobs;

    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    j->w->n_jobs--;
}

void tempo_job_close(tempo_job *j)
{
    if (j == NULL)
        return;
    tempo_worker *w = j->w;
    lock(w);
    const bool waiting = j->state == TEMPO_JOB_WAITING, running = !waiting && j->state != TEMPO_JOB_FINISHED;
    if (waiting)
        unlink_job(j);
    if (waiting || running)
        w->counts.cancelled++;
    if (running)
        atomic_store(&j->closed, true); /* the worker frees it: from here on j is gone for us */
    (void)pthread_cond_signal(&w->wake);
    unlock(w);
    if (!running)
        tempo_job_free(j);
}

void tempo_job_release(tempo_job *j)
{
    for (size_t i = 0; i < j->o.n_arms; i++) {
        tempo_watch_clear(&j->lanes[i].watch);
        tempo_decoder_free(j->lanes[i].d);
        j->lanes[i].d = NULL;
    }
    tempo_seq_free(j->scored);
    j->scored = NULL;
    if (j->recording != NULL)
        tempo_recording_finish(j->recording);
}

/* ---- events ------------------------------------------------------------------------ */

/* With the lock. */
static void append(tempo_job *j, tempo_event_box *b)
{
    *j->end = b;
    j->end = &b->next;
    j->n_events++;
    if (j->waiter != NULL)
        (void)pthread_cond_signal(j->waiter);
}

void tempo_job_push(tempo_job *j, tempo_event_box *b)
{
    lock(j->w);
    append(j, b);
    unlock(j->w);
}

void tempo_job_fail(tempo_job *j, const tempo_err *err)
{
    if (j->failed)
        return;
    j->failed = true;
    j->last->event.kind = TEMPO_EVENT_ERROR;
    j->last->event.err = *err;
}

void tempo_job_finish(tempo_job *j)
{
    tempo_worker *w = j->w;
    tempo_event *e = &j->last->event;
    const double now = tempo_worker_now();

    tempo_job_release(j);
    if (!j->failed) {
        e->queued_ms = ((j->started > 0 ? j->started : now) - j->submitted) * 1e3;
        e->first_set_ms = j->first_set > 0 ? (j->first_set - j->submitted) * 1e3 : 0.0;
        e->total_ms = (now - j->submitted) * 1e3;
    }
    lock(w);
    unlink_job(j);
    const bool closed = atomic_load(&j->closed);
    if (!closed) {
        w->counts.failed += j->failed;
        j->state = TEMPO_JOB_FINISHED;
        append(j, j->last);
        j->last = NULL;
    }
    unlock(w);
    if (closed)
        tempo_job_free(j);
}

static struct timespec deadline(unsigned wait_ms)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(wait_ms / 1000);
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_nsec -= 1000000000L;
        t.tv_sec++;
    }
    return t;
}

static bool init_cond(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    if (pthread_condattr_init(&attr) != 0)
        return false;
    const bool ok =
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 && pthread_cond_init(c, &attr) == 0;
    (void)pthread_condattr_destroy(&attr);
    return ok;
}

/* With the lock: the first of the jobs, from `first` on, that has an event, or n. */
static size_t find_event(tempo_job *const *jobs, size_t n, size_t first)
{
    for (size_t i = 0; i < n; i++)
        if (jobs[(first + i) % n]->first != NULL)
            return (first + i) % n;
    return n;
}

/* With the lock: an event may still come of one of them. */
static bool may_come(tempo_job *const *jobs, size_t n)
{
    bool one = false;

    for (size_t i = 0; i < n; i++)
        one |= jobs[i]->state != TEMPO_JOB_FINISHED;
    return one;
}

/* With the lock: until one of them has an event, or the time is over. */
static size_t await_event(tempo_worker *w, tempo_job *const *jobs, size_t n, size_t first, unsigned wait_ms)
{
    const struct timespec until = deadline(wait_ms);
    pthread_cond_t came;
    size_t at;
    int rc = 0;

    if (!init_cond(&came))
        return find_event(jobs, n, first);
    for (size_t i = 0; i < n; i++)
        jobs[i]->waiter = &came;
    while ((at = find_event(jobs, n, first)) == n && may_come(jobs, n) && rc == 0)
        rc = pthread_cond_timedwait(&came, &w->lock, &until);
    for (size_t i = 0; i < n; i++)
        jobs[i]->waiter = NULL;
    (void)pthread_cond_destroy(&came);
    return at;
}

/* With the lock: take the job's first event. */
static tempo_event *take_event(tempo_job *j)
{
    tempo_event_box *b = j->first;

    j->first = b->next;
    if (j->first == NULL)
        j->end = &j->first;
    b->next = NULL;
    if (j->n_events-- == j->w->o.max_events) /* it may go on */
        (void)pthread_cond_signal(&j->w->wake);
    return &b->event;
}

tempo_event *tempo_jobs_next(tempo_job *const *jobs, size_t n, size_t first, unsigned wait_ms, size_t *at)
{
    const struct timespec pause = {.tv_sec = wait_ms / 1000, .tv_nsec = (long)(wait_ms % 1000) * 1000000L};
    tempo_event *e = NULL;

    if (n == 0) {
        (void)nanosleep(&pause, NULL);
        return NULL;
    }
    tempo_worker *w = jobs[0]->w;
    lock(w);
    *at = wait_ms > 0 ? await_event(w, jobs, n, first, wait_ms) : find_event(jobs, n, first);
    if (*at < n)
        e = take_event(jobs[*at]);
    unlock(w);
    return e;
}

tempo_event *tempo_job_next(tempo_job *j, unsigned wait_ms)
{
    size_t at;

    return tempo_jobs_next(&j, 1, 0, wait_ms, &at);
}

/* ---- slots ------------------------------------------------------------------------- */

static tempo_status add_slots(tempo_job *j, tempo_job_lane *l, const tempo_slot *slots, size_t n,
                              tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    lock(j->w);
    if (l->n_slots + n > l->slot_cap) {
        const size_t cap = (l->n_slots + n) * 2;
        tempo_slot *more = realloc(l->slots, cap * sizeof(*more));
        if (more == NULL) {
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu slots", cap);
        } else {
            l->slots = more;
            l->slot_cap = cap;
        }
    }
    if (st == TEMPO_OK) {
        memcpy(l->slots + l->n_slots, slots, n * sizeof(*slots));
        l->n_slots += n;
    }
    unlock(j->w);
    return st;
}

tempo_status tempo_lane_prompt(tempo_job *j, tempo_job_lane *l, const tempo_decode_options *o, tempo_err *err)
{
    const size_t n = j->o.n_prompt + (o->replay == TEMPO_REPLAY_PUBLISHED); /* its last token runs twice */
    tempo_slot *slots = malloc(n * sizeof(*slots));

    if (slots == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu slots", n);
    for (size_t i = 0; i < n; i++)
        slots[i] =
            (tempo_slot){j->o.prompt[i < j->o.n_prompt ? i : j->o.n_prompt - 1], (uint32_t)i, (double)i};
    const tempo_status st = add_slots(j, l, slots, n, err);
    free(slots);
    l->n_rows = 1;
    return st;
}

tempo_status tempo_lane_set(tempo_job *j, tempo_job_lane *l, const tempo_set *set, tempo_err *err)
{
    const uint32_t number = l->slots[l->n_slots - 1].set + 1;
    tempo_slot *slots = malloc(set->n_members * sizeof(*slots));
    size_t n = 0;

    if (slots == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a set of %zu members",
                          set->n_members);
    for (size_t i = 0; i < set->n_members; i++) {
        const tempo_member *m = &set->members[i];
        if (m->slot >= 0) { /* those with slots have them one behind the other */
            slots[(size_t)m->slot - l->n_slots] = (tempo_slot){m->id, number, m->position};
            n++;
        }
    }
    const tempo_status st = add_slots(j, l, slots, n, err);
    free(slots);
    l->n_rows = n;
    return st;
}

tempo_slot *tempo_job_slots(tempo_job *j, size_t arm, size_t *n)
{
    tempo_slot *copy = NULL;

    *n = 0;
    if (arm >= j->o.n_arms)
        return NULL;
    lock(j->w);
    const tempo_job_lane *l = &j->lanes[arm];
    if (l->n_slots > 0 && (copy = malloc(l->n_slots * sizeof(*copy))) != NULL) {
        memcpy(copy, l->slots, l->n_slots * sizeof(*copy));
        *n = l->n_slots;
    }
    unlock(j->w);
    return copy;
}

tempo_recording *tempo_job_recording(tempo_job *j)
{
    return j->recording == NULL ? NULL : tempo_recording_hold(j->recording);
}
