/* job.c - a job's life: submitted, checked, its events handed over, failed, finished, closed. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "run/document.h"
#include "server/worker/parts.h"

double tempo_worker_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- checks ------------------------------------------------------------------------ */

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
    if (o->work.part != NULL && (o->n_arms > 0 || o->score_prompt))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a job with a work does nothing else");
    if (o->sampling.on && o->n_arms != 1)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "sampling is for one arm, not for %zu",
                          o->n_arms);
    return TEMPO_OK;
}

static tempo_status check_options(const tempo_job_options *o, const tempo_model *m, tempo_err *err)
{
    const tempo_run_prompt prompt = {.ids = o->prompt, .n = o->n_prompt};
    tempo_run_arm arms[TEMPO_JOB_MAX_ARMS];
    tempo_run_options run;
    tempo_decode_options plain;
    tempo_status st = check_numbers(o, err);

    if (st != TEMPO_OK)
        return st;
    if (o->n_arms == 0) {
        tempo_decode_options_init(&plain);
        return tempo_decode_check(m, &plain, o->prompt, o->n_prompt, err);
    }
    tempo_job_run_options(o, arms, &run);
    return tempo_run_check(m, &run, &prompt, err);
}

/* ---- life -------------------------------------------------------------------------- */

static bool copy_options(tempo_job_options *o, const tempo_job_options *from)
{
    int32_t *prompt = malloc(from->n_prompt * sizeof(*prompt)); /* checked: within the context */
    const size_t n_given = from->n_arms > 0 ? from->n_given : 0;
    tempo_given_set *given = tempo_given_copy(from->given, n_given);

    *o = *from;
    o->work = (tempo_job_work){0};
    o->n_given = n_given;
    o->prompt = prompt;
    o->given = given;
    for (size_t i = 0; i < o->n_arms; i++)
        o->arms[i].name[sizeof(o->arms[i].name) - 1] = '\0';
    for (size_t i = 0; i < o->n_arms; i++)
        o->arms[i].decoding.edits = tempo_edits_hold(o->arms[i].decoding.edits);
    if (prompt == NULL || given == NULL)
        return false;
    memcpy(prompt, from->prompt, from->n_prompt * sizeof(*prompt));
    return true;
}

void tempo_job_free(tempo_job *j)
{
    if (j->o.work.free != NULL)
        j->o.work.free(j->o.work.user);
    free((void *)j->o.given);
    free((void *)j->o.prompt);
    while (j->first != NULL) {
        tempo_event_box *b = j->first;
        j->first = b->next;
        tempo_event_free(&b->event);
    }
    if (j->last != NULL)
        tempo_event_free(&j->last->event);
    for (size_t i = 0; i < TEMPO_JOB_MAX_ARMS; i++)
        free(j->arms[i].slots);
    for (size_t i = 0; i < j->o.n_arms; i++)
        tempo_edits_free((tempo_edits *)(uintptr_t)j->o.arms[i].decoding.edits);
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

    tempo_worker_lock(w);
    if (atomic_load(&w->stopping))
        st = tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "the worker is stopping");
    else if (w->n_jobs >= w->o.queue)
        st = tempo_fail_field(err, TEMPO_E_BUSY, "queue", "queue: %zu jobs wait or run, that is the limit",
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
    tempo_worker_unlock(w);
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
    j->o.work = o->work;
    if ((st = enqueue(w, j, err)) != TEMPO_OK) {
        j->o.work = (tempo_job_work){0}; /* still its caller's */
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
    tempo_worker_lock(w);
    const bool waiting = j->state == TEMPO_JOB_WAITING, running = !waiting && j->state != TEMPO_JOB_FINISHED;
    if (waiting)
        unlink_job(j);
    if (waiting || running)
        w->counts.cancelled++;
    if (running)
        atomic_store(&j->closed, true); /* the worker frees it: from here on j is gone for us */
    (void)pthread_cond_signal(&w->wake);
    tempo_worker_unlock(w);
    if (!running)
        tempo_job_free(j);
}

void tempo_job_release(tempo_job *j)
{
    for (size_t i = 0; i < j->o.n_arms; i++)
        tempo_watch_clear(&j->arms[i].watch);
    tempo_run_free(j->run);
    j->run = NULL;
    tempo_seq_free(j->scored);
    j->scored = NULL;
    if (j->o.work.release != NULL)
        j->o.work.release(j->o.work.user);
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
    tempo_worker_lock(j->w);
    append(j, b);
    tempo_worker_unlock(j->w);
}

void tempo_job_fail(tempo_job *j, const tempo_err *err)
{
    if (j->failed)
        return;
    j->failed = true;
    j->last->event.kind = TEMPO_EVENT_ERROR;
    j->last->event.err = *err;
}

/* What its run came to, which it is taken from. */
static void tell_end(tempo_job *j, tempo_event *e)
{
    const double now = tempo_worker_now();
    tempo_run *r = j->run;

    e->queued_ms = ((j->started > 0 ? j->started : now) - j->submitted) * 1e3;
    e->first_set_ms = j->first_set > 0 ? (j->first_set - j->submitted) * 1e3 : 0.0;
    e->total_ms = (now - j->submitted) * 1e3;
    for (size_t i = 0; r != NULL && i < r->n_arms; i++) {
        tempo_arm *a = &r->arms[i];
        e->ends[i] = (tempo_job_arm_end){.all = a->all,
                                         .top = a->top,
                                         .steps = a->n_steps,
                                         .stopped = tempo_decoder_stopped(a->lane.d),
                                         .edits = tempo_json_edit_uses(r, i)};
        a->all = a->top = (tempo_ids){0};
    }
    if (r != NULL) {
        e->parting = r->parting;
        r->parting = (tempo_parting){0};
    }
}

void tempo_job_finish(tempo_job *j)
{
    tempo_worker *w = j->w;

    if (!j->failed)
        tell_end(j, &j->last->event);
    tempo_job_release(j);
    tempo_worker_lock(w);
    unlink_job(j);
    const bool closed = atomic_load(&j->closed);
    if (!closed) {
        w->counts.failed += j->failed;
        j->state = TEMPO_JOB_FINISHED;
        append(j, j->last);
        j->last = NULL;
    }
    tempo_worker_unlock(w);
    if (closed)
        tempo_job_free(j);
}

tempo_recording *tempo_job_recording(tempo_job *j)
{
    return j->recording == NULL ? NULL : tempo_recording_hold(j->recording);
}
