/* pool.c - the team of threads behind the forward pass.
 *
 * One atomic word, the gate, says which job is open and how many workers are inside it.  The caller opens
 * the gate, works too, closes it when the tasks are out, and waits only for workers that did come in: one
 * that is asleep or has lost its processor delays nobody.  Not here: how many threads to start (cpus.c). */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The gate: number of the job | open | workers inside. */
#define INSIDE UINT64_C(0x7fff)
#define OPEN UINT64_C(0x8000)
enum { JOB_SHIFT = 16 };

/* Looks at the gate before sleeping: some tens of microseconds, longer than the caller's own work between
 * two jobs of one forward pass, too short to show up as a busy processor afterwards. */
enum { SPINS = 4096 };

enum { CACHE_LINE = 64 };

typedef struct pool_thread {
    struct tempo_pool *pool;
    pthread_t thread;
    unsigned index;
} pool_thread;

struct tempo_pool {
    /* Words that threads fight over, each on a line of its own. */
    alignas(CACHE_LINE) _Atomic uint64_t gate;
    alignas(CACHE_LINE) atomic_size_t next; /* the next task to hand out */

    /* The job; written only while the gate is closed and nobody is inside. */
    alignas(CACHE_LINE) tempo_task_fn fn;
    void *arg;
    size_t n;

    unsigned threads, spins, started;
    pool_thread *workers; /* [threads - 1] */
    atomic_bool stop;
    atomic_uint sleepers;      /* workers that wait for `opened` */
    atomic_bool caller_sleeps; /* the caller waits for `emptied` */
    pthread_mutex_t lock;      /* of the two conditions only */
    pthread_cond_t opened, emptied;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- workers ------------------------------------------------------------------------- */

static bool is_open(uint64_t gate, uint64_t last_job)
{
    return (gate & OPEN) != 0 && gate >> JOB_SHIFT != last_job;
}

/* Go in through the gate, unless it is closed or this worker has already been in for that job. */
static bool enter(tempo_pool *p, uint64_t *last_job)
{
    uint64_t gate = atomic_load_explicit(&p->gate, memory_order_relaxed);

    while (is_open(gate, *last_job))
        if (atomic_compare_exchange_weak_explicit(&p->gate, &gate, gate + 1, memory_order_acquire,
                                                  memory_order_relaxed)) {
            *last_job = gate >> JOB_SHIFT;
            return true;
        }
    return false;
}

static void leave(tempo_pool *p)
{
    const uint64_t gate = atomic_fetch_sub(&p->gate, 1) - 1;

    if ((gate & (OPEN | INSIDE)) == 0 && atomic_load(&p->caller_sleeps)) {
        (void)pthread_mutex_lock(&p->lock);
        (void)pthread_cond_signal(&p->emptied);
        (void)pthread_mutex_unlock(&p->lock);
    }
}

/* Sleep until a job is open.  Announcing the sleep comes before looking at the gate, and the caller opens
 * it before looking for sleepers (all sequentially consistent): one of the two sees the other. */
static void sleep_for_job(tempo_pool *p, uint64_t last_job)
{
    (void)pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (!atomic_load(&p->stop) && !is_open(atomic_load(&p->gate), last_job))
        (void)pthread_cond_wait(&p->opened, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    (void)pthread_mutex_unlock(&p->lock);
}

/* Wait for a job and go in; false when the pool is being freed. */
static bool await_job(tempo_pool *p, uint64_t *last_job)
{
    for (;;) {
        for (unsigned i = 0; i <= p->spins; i++) {
            if (atomic_load_explicit(&p->stop, memory_order_relaxed))
                return false;
            if (enter(p, last_job))
                return true;
            relax();
        }
        sleep_for_job(p, *last_job);
    }
}

static void take_tasks(tempo_pool *p, unsigned index)
{
    size_t task;

    while ((task = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < p->n)
        p->fn(p->arg, task, index);
}

static void *worker_main(void *arg)
{
    const pool_thread *w = arg;
    uint64_t last_job = 0;

    while (await_job(w->pool, &last_job)) {
        take_tasks(w->pool, w->index);
        leave(w->pool);
    }
    return NULL;
}

/* ---- the caller ---------------------------------------------------------------------- */

static void open_gate(tempo_pool *p)
{
    const uint64_t job = (atomic_load_explicit(&p->gate, memory_order_relaxed) >> JOB_SHIFT) + 1;

    /* The exchanges here and in close_gate are stores that a load follows which must not pass them.  A
     * sequentially consistent store says so too; emulators of arm64 on x86 let the load pass it.  */
    (void)atomic_exchange(&p->gate, job << JOB_SHIFT | OPEN);
    if (atomic_load(&p->sleepers) > 0) {
        (void)pthread_mutex_lock(&p->lock);
        (void)pthread_cond_broadcast(&p->opened);
        (void)pthread_mutex_unlock(&p->lock);
    }
}

static bool is_empty(tempo_pool *p)
{
    return (atomic_load(&p->gate) & INSIDE) == 0;
}

static void close_gate(tempo_pool *p)
{
    atomic_fetch_and(&p->gate, ~OPEN);
    for (unsigned i = 0; i <= p->spins; i++) {
        if (is_empty(p))
            return;
        relax();
    }
    (void)pthread_mutex_lock(&p->lock);
    (void)atomic_exchange(&p->caller_sleeps, true);
    while (!is_empty(p))
        (void)pthread_cond_wait(&p->emptied, &p->lock);
    atomic_store(&p->caller_sleeps, false);
    (void)pthread_mutex_unlock(&p->lock);
}

void tempo_pool_run(tempo_pool *p, size_t n, tempo_task_fn fn, void *arg)
{
    if (p->threads == 1 || n <= 1) {
        for (size_t i = 0; i < n; i++)
            fn(arg, i, 0);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    open_gate(p);
    take_tasks(p, 0);
    close_gate(p);
}

/* ---- life ---------------------------------------------------------------------------- */

/* Signals are the caller's business: workers block them all, except those that a thread raises against
 * itself by a fault, where blocking would only lose the report. */
static void block_signals(sigset_t *old)
{
    sigset_t set;

    (void)sigfillset(&set);
    (void)sigdelset(&set, SIGSEGV);
    (void)sigdelset(&set, SIGBUS);
    (void)sigdelset(&set, SIGFPE);
    (void)sigdelset(&set, SIGILL);
    (void)sigdelset(&set, SIGTRAP);
    (void)pthread_sigmask(SIG_SETMASK, &set, old);
}

/* A thread inherits the mask of the one that creates it. */
static tempo_status start_workers(tempo_pool *p, tempo_err *err)
{
    sigset_t old;
    tempo_status st = TEMPO_OK;

    block_signals(&old);
    for (unsigned i = 0; i + 1 < p->threads && st == TEMPO_OK; i++) {
        pool_thread *w = &p->workers[i];
        *w = (pool_thread){.pool = p, .index = i + 1};
        const int rc = pthread_create(&w->thread, NULL, worker_main, w);
        if (rc != 0)
            st = tempo_fail_os(err, rc, "thread %u of %u cannot be started", i + 2, p->threads);
        else
            p->started++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return st;
}

static tempo_pool *pool_alloc(unsigned threads)
{
    tempo_pool *p = aligned_alloc(CACHE_LINE, sizeof(*p)); /* a multiple of its alignment */

    if (p == NULL)
        return NULL;
    *p = (tempo_pool){.threads = threads};
    p->workers = calloc(threads, sizeof(*p->workers)); /* one too many rather than none */
    if (p->workers == NULL)
        goto no_workers;
    if (pthread_mutex_init(&p->lock, NULL) != 0)
        goto no_lock;
    if (pthread_cond_init(&p->opened, NULL) != 0)
        goto no_opened;
    if (pthread_cond_init(&p->emptied, NULL) != 0)
        goto no_emptied;
    return p;

no_emptied:
    (void)pthread_cond_destroy(&p->opened);
no_opened:
    (void)pthread_mutex_destroy(&p->lock);
no_lock:
    free(p->workers);
no_workers:
    free(p);
    return NULL;
}

tempo_status tempo_pool_create(tempo_pool **out, unsigned threads, tempo_err *err)
{
    tempo_pool *p;
    tempo_status st;

    *out = NULL;
    if (threads == 0)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "0 threads, expected at least 1");
    if (threads > TEMPO_MAX_THREADS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%u threads, the limit is %d", threads,
                          TEMPO_MAX_THREADS);
    if ((p = pool_alloc(threads)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %u threads", threads);
    /* With more threads than processors, whoever spins holds up the one it waits for. */
    p->spins = threads <= tempo_cpus_allowed() ? SPINS : 0;
    if ((st = start_workers(p, err)) != TEMPO_OK) {
        tempo_pool_free(p);
        return st;
    }
    *out = p;
    return TEMPO_OK;
}

void tempo_pool_free(tempo_pool *p)
{
    if (p == NULL)
        return;
    (void)pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    (void)pthread_cond_broadcast(&p->opened);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->started; i++)
        (void)pthread_join(p->workers[i].thread, NULL);
    (void)pthread_cond_destroy(&p->emptied);
    (void)pthread_cond_destroy(&p->opened);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

unsigned tempo_pool_size(const tempo_pool *p)
{
    return p->threads;
}
