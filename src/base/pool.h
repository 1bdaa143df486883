/* pool.h - a fixed team of threads that run numbered tasks.
 *
 * Workers spin briefly for the next job, then sleep; an idle pool burns no CPU.  The pool splits
 * outputs only: which worker runs a task must never show in a result.  */
#ifndef TEMPO_BASE_POOL_H
#define TEMPO_BASE_POOL_H
#include "base/status.h"

typedef struct tempo_pool tempo_pool;

/* worker is in [0, tempo_pool_size): index of per-worker scratch.  Worker 0 is the caller. */
typedef void (*tempo_task_fn)(void *arg, size_t task, unsigned worker);

enum { TEMPO_MAX_THREADS = 1024 };

/* threads >= 1, the caller included: threads - 1 are started.  TEMPO_E_LIMIT above
 * TEMPO_MAX_THREADS, TEMPO_E_IO if the system refuses a thread.  */
tempo_status tempo_pool_create(tempo_pool **out, unsigned threads, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_pool_free(tempo_pool *p); /* takes NULL */
unsigned tempo_pool_size(const tempo_pool *p);

/* Run fn(arg, task, worker) once for every task in [0, n); tasks are handed out in rising order.
 * Returns when all are done; everything the tasks wrote is then visible to the caller.  Not
 * reentrant; one caller at a time.  */
void tempo_pool_run(tempo_pool *p, size_t n, tempo_task_fn fn, void *arg);

/* CPUs that this process may use (affinity mask, cgroup quota rounded up, $SLURM_CPUS_PER_TASK), 1..TEMPO_MAX_THREADS. */
unsigned tempo_cpus_allowed(void);
/* The quota's part of it: CPUs that the control groups allow, UINT_MAX when they set no limit.
 * membership is a file like /proc/self/cgroup, mount a tree like /sys/fs/cgroup (versions 1 and 2). */
unsigned tempo_cgroup_cpus(const char *membership, const char *mount);
/* The number that is the text of SLURM_CPUS_PER_TASK; UINT_MAX when it is NULL or no number above 0. */
unsigned tempo_slurm_cpus(const char *text);

#endif
