/* memory.c - /proc/meminfo and the limits of control groups.
 *
 * Source: proc(5), /proc/meminfo; the kernel's cgroup-v2 document (memory.max, memory.high, memory.current,
 * memory.stat) and cgroup-v1/memory document.  What cannot be read limits nothing. */
#include "base/memory.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { LEAST_SPARED = 16 << 20, MOST_SPARED = 256 << 20 };

/* Without a limit version 1 says 2^63 less a page. */
static const uint64_t no_limit = UINT64_C(1) << 60;

/* The sum of those of the named figures that a file of "NAME NUMBER" or "NAME: NUMBER kB" lines has; how many
 * it has. */
static int sum_of(const char *path, const char *const *names, uint64_t *sum)
{
    FILE *f = fopen(path, "re");
    char line[256], name[64];
    unsigned long long v;
    int found = 0;

    *sum = 0;
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        for (const char *const *n = names; *n != NULL && sscanf(line, "%63[^: ]%*[: ]%18llu", name, &v) == 2;
             n++)
            if (strcmp(name, *n) == 0) {
                *sum += v;
                found++;
            }
    if (f != NULL)
        (void)fclose(f);
    return found;
}

static uint64_t kibibytes(const char *meminfo, const char *name)
{
    const char *const names[] = {name, NULL};
    uint64_t v;

    return sum_of(meminfo, names, &v) > 0 ? v * 1024 : UINT64_MAX;
}

/* ---- groups ---- */

/* Bytes of the file cache and other caches that a group has and the system can empty. */
static uint64_t reclaimable(const char *dir, bool v2)
{
    static const char *const v1_names[] = {"total_inactive_file", "total_active_file", NULL};
    static const char *const v2_names[] = {"inactive_file", "active_file", "slab_reclaimable", NULL};
    char path[PATH_MAX + 64];
    uint64_t sum;

    (void)snprintf(path, sizeof(path), "%s/memory.stat", dir);
    return sum_of(path, v2 ? v2_names : v1_names, &sum) > 0 ? sum : 0;
}

/* A file's number, UINT64_MAX for "max", nonsense, or no file. */
static uint64_t limit_in(const char *dir, const char *name)
{
    long long v;

    return tempo_cgroup_numbers(dir, name, &v, 1) == 1 && v >= 0 ? (uint64_t)v : UINT64_MAX;
}

static void add_group(void *user, const char *dir, bool v2)
{
    tempo_memory *m = user;
    uint64_t limit = limit_in(dir, v2 ? "memory.max" : "memory.limit_in_bytes");
    const uint64_t high =
        v2 ? limit_in(dir, "memory.high") : UINT64_MAX; /* beyond it a group is slowed down */
    long long used;

    limit = high < limit ? high : limit;
    if (limit >= no_limit)
        return;
    m->total = limit < m->total ? limit : m->total;
    if (tempo_cgroup_numbers(dir, v2 ? "memory.current" : "memory.usage_in_bytes", &used, 1) != 1 || used < 0)
        used = 0;
    const uint64_t cache = reclaimable(dir, v2), held = (uint64_t)used > cache ? (uint64_t)used - cache : 0;
    const uint64_t left = limit > held ? limit - held : 0;
    if (left < m->available) {
        m->available = left;
        m->limited = true;
    }
}

/* ---- public ---- */

tempo_memory tempo_memory_read(const char *root)
{
    tempo_memory m = {UINT64_MAX, UINT64_MAX, 0, false};
    char path[PATH_MAX], mount[PATH_MAX];

    if ((size_t)snprintf(path, sizeof(path), "%s/proc/meminfo", root) >= sizeof(path))
        return m;
    m.total = kibibytes(path, "MemTotal");
    m.available = kibibytes(path, "MemAvailable");
    m.swap = kibibytes(path, "SwapFree");
    m.swap = m.swap == UINT64_MAX ? 0 : m.swap;
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (m.total == UINT64_MAX && root[0] == '\0' && pages > 0 && size > 0)
        m.total = (uint64_t)pages * (uint64_t)size;
    if (m.available == UINT64_MAX && m.total != UINT64_MAX)
        m.available = m.total / 2;
    if ((size_t)snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) < sizeof(path) &&
        (size_t)snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup", root) < sizeof(mount))
        tempo_cgroups(path, mount, "memory", add_group, &m);
    return m;
}

uint64_t tempo_memory_available(void)
{
    return tempo_memory_read("").available;
}

/* What may be taken of it: a part is left alone for what is not asked for. */
static bool holds(const tempo_memory *m, uint64_t bytes)
{
    uint64_t spared = m->total / 64 < LEAST_SPARED ? LEAST_SPARED : m->total / 64;

    spared = spared < MOST_SPARED ? spared : MOST_SPARED;
    spared = spared < m->total / 4 ? spared : m->total / 4;
    const uint64_t most =
        m->limited || m->available > UINT64_MAX - m->swap ? m->available : m->available + m->swap;

    return most == UINT64_MAX || (bytes <= most && most - bytes >= spared);
}

tempo_status tempo_memory_check(uint64_t bytes, const char *what, tempo_err *err)
{
    tempo_memory m = tempo_memory_read("");

    if (holds(&m, bytes))
        return TEMPO_OK;
#ifdef __GLIBC__
    (void)malloc_trim(0); /* what was freed may still be held for the next allocations */
    m = tempo_memory_read("");
    if (holds(&m, bytes))
        return TEMPO_OK;
#endif
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET,
                      "%s would take %.1f MB of memory, %s %.1f MB of %.0f MB", what, (double)bytes / 1e6,
                      m.limited ? "the limit of a control group (container) leaves" : "the machine has",
                      (double)m.available / 1e6, (double)m.total / 1e6);
}

tempo_status tempo_memory_check_floats(size_t floats, const char *what, tempo_err *err)
{
    enum { ASKED = 1 << 20 };

    return floats < ASKED ? TEMPO_OK : tempo_memory_check(floats * sizeof(float), what, err);
}
