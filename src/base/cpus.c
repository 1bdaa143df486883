/* cpus.c - how many processors this process may use: its affinity mask, and the quota of its control groups.
 *
 * Source: sched_getaffinity(2); cgroups(7); the kernel's cgroup-v2 (cpu.max) and sched-bwc (cpu.cfs_quota_us)
 * documents.  What cannot be read limits nothing. */
#include "base/pool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <errno.h>
#include <sched.h>
#endif

/* Numbers at the start of a file, at most n of them, into v; how many there were. */
static int read_numbers(const char *path, long long *v, int n)
{
    FILE *f = fopen(path, "re");
    int got = 0;

    if (f == NULL)
        return 0;
    while (got < n && fscanf(f, "%18lld", &v[got]) == 1)
        got++;
    (void)fclose(f);
    return got;
}

static unsigned quota_to_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) /* -1 is how version 1 says "no limit" */
        return UINT_MAX;
    const long long cpus = (quota - 1) / period + 1;
    return cpus < UINT_MAX ? (unsigned)cpus : UINT_MAX;
}

/* The quota of one group.  Its directory is dir[len], with room for a file's name behind it. */
static unsigned quota_of_group(char *dir, size_t len, bool v2)
{
    long long v[2];
    bool known;

    if (v2) { /* "QUOTA PERIOD" or "max PERIOD" */
        memcpy(dir + len, "/cpu.max", sizeof("/cpu.max"));
        known = read_numbers(dir, v, 2) == 2;
    } else {
        memcpy(dir + len, "/cpu.cfs_quota_us", sizeof("/cpu.cfs_quota_us"));
        known = read_numbers(dir, &v[0], 1) == 1;
        memcpy(dir + len, "/cpu.cfs_period_us", sizeof("/cpu.cfs_period_us"));
        known = known && read_numbers(dir, &v[1], 1) == 1;
    }
    return known ? quota_to_cpus(v[0], v[1]) : UINT_MAX;
}

/* The smallest quota of a group and all above it: every one of them binds. */
static unsigned quota_of_line(const char *mount, const char *hierarchy, const char *group, bool v2)
{
    char dir[PATH_MAX + 32];
    unsigned least = UINT_MAX;
    const int root = snprintf(dir, PATH_MAX, "%s%s", mount, hierarchy);

    if (root < 0 || root >= PATH_MAX)
        return UINT_MAX;
    const int whole = snprintf(dir, PATH_MAX, "%s%s%s", mount, hierarchy, group);
    if (whole < root || whole >= PATH_MAX)
        return UINT_MAX;
    for (size_t len = (size_t)whole;;) {
        while (len > (size_t)root && dir[len - 1] == '/')
            len--;
        const unsigned cpus = quota_of_group(dir, len, v2);
        least = cpus < least ? cpus : least;
        if (len <= (size_t)root)
            return least;
        while (len > (size_t)root && dir[len - 1] != '/')
            len--;
    }
}

static bool has_cpu(const char *controllers)
{
    for (const char *p = controllers; *p != '\0';) {
        const size_t n = strcspn(p, ",");
        if (n == 3 && memcmp(p, "cpu", 3) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

unsigned tempo_cgroup_cpus(const char *membership, const char *mount)
{
    FILE *f = fopen(membership, "re");
    char *line = NULL, hierarchy[128];
    size_t cap = 0;
    unsigned least = UINT_MAX;

    if (f == NULL)
        return UINT_MAX;
    while (getline(&line, &cap, f) > 0) { /* ID:CONTROLLERS:GROUP, no controllers in version 2 */
        char *controllers = strchr(line, ':');
        char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL)
            continue;
        *controllers++ = '\0';
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        const bool v2 = *controllers == '\0';
        if ((!v2 && !has_cpu(controllers)) || strlen(controllers) + 2 > sizeof(hierarchy))
            continue;
        (void)snprintf(hierarchy, sizeof(hierarchy), "%s%s", v2 ? "" : "/", controllers);
        const unsigned cpus = quota_of_line(mount, hierarchy, group, v2);
        least = cpus < least ? cpus : least;
    }
    free(line);
    (void)fclose(f);
    return least;
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
    return cpus < TEMPO_MAX_THREADS ? cpus : TEMPO_MAX_THREADS;
}
