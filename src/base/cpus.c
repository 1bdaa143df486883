/* cpus.c - how many processors this process may use: its affinity mask, the quota of its control groups, and
 * what a batch system gives a task.
 *
 * Source: sched_getaffinity(2); the kernel's cgroup-v2 (cpu.max) and sched-bwc (cpu.cfs_quota_us) documents;
 * srun(1), SLURM_CPUS_PER_TASK.  What cannot be read limits nothing. */
#include "base/cgroup.h"
#include "base/pool.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

static unsigned quota_to_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) /* -1 is how version 1 says "no limit" */
        return UINT_MAX;
    const long long cpus = (quota - 1) / period + 1;
    return cpus < UINT_MAX ? (unsigned)cpus : UINT_MAX;
}

/* One group's quota; the smallest binds. */
static void add_quota(void *user, const char *dir, bool v2)
{
    unsigned *least = user;
    long long v[2];
    bool known;

    if (v2) /* "QUOTA PERIOD" or "max PERIOD" */
        known = tempo_cgroup_numbers(dir, "cpu.max", v, 2) == 2;
    else
        known = tempo_cgroup_numbers(dir, "cpu.cfs_quota_us", &v[0], 1) == 1 &&
                tempo_cgroup_numbers(dir, "cpu.cfs_period_us", &v[1], 1) == 1;
    const unsigned cpus = known ? quota_to_cpus(v[0], v[1]) : UINT_MAX;
    *least = cpus < *least ? cpus : *least;
}

unsigned tempo_cgroup_cpus(const char *membership, const char *mount)
{
    unsigned least = UINT_MAX;

    tempo_cgroups(membership, mount, "cpu", add_quota, &least);
    return least;
}

unsigned tempo_slurm_cpus(const char *text)
{
    char *end;

    if (text == NULL || text[0] < '1' || text[0] > '9')
        return UINT_MAX;
    errno = 0;
    const unsigned long n = strtoul(text, &end, 10);
    return *end == '\0' && errno == 0 && n <= UINT_MAX ? (unsigned)n : UINT_MAX;
}

#if defined(__linux__)
/* Processors in the affinity mask, 0 if it cannot be had. */
static unsigned affinity(void)
{
    unsigned n = 0;

    /* The kernel refuses a set smaller than its own, whose size it does not tell. */
    for (size_t cpus = 1024; cpus <= (size_t)1 << 20 && n == 0; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        const size_t bytes = CPU_ALLOC_SIZE(cpus);
        if (set == NULL)
            return 0;
        const int rc = sched_getaffinity(0, bytes, set);
        const int why = errno;
        if (rc == 0)
            n = (unsigned)CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
        if (rc != 0 && why != EINVAL)
            return 0;
    }
    return n;
}
#endif

static unsigned online(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > UINT_MAX ? UINT_MAX : (unsigned)n;
}

unsigned tempo_cpus_allowed(void)
{
    unsigned cpus = 0, quota = UINT_MAX;

#if defined(__linux__)
    cpus = affinity();
    quota = tempo_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
#endif
    if (cpus == 0)
        cpus = online();
    cpus = quota < cpus ? quota : cpus;
    const unsigned task = tempo_slurm_cpus(getenv("SLURM_CPUS_PER_TASK"));
    cpus = task < cpus ? task : cpus;
    return cpus < TEMPO_MAX_THREADS ? cpus : TEMPO_MAX_THREADS;
}
