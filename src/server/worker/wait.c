/* wait.c - who waits for the events of one job or of any of several. */
#include <time.h>

#include "server/worker/parts.h"

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
    tempo_worker_lock(w);
    *at = wait_ms > 0 ? await_event(w, jobs, n, first, wait_ms) : find_event(jobs, n, first);
    if (*at < n)
        e = take_event(jobs[*at]);
    tempo_worker_unlock(w);
    return e;
}

tempo_event *tempo_job_next(tempo_job *j, unsigned wait_ms)
{
    size_t at;

    return tempo_jobs_next(&j, 1, 0, wait_ms, &at);
}
