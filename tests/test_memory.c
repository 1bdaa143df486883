/* test_memory.c - how much memory a machine and the limits of control groups leave, read from trees made
 * here. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/tmpdir.h"

#define NOTHING UINT64_MAX
#define MACHINE                                                                                              \
    "MemTotal:       16000000 kB\nMemFree:          1000 kB\nMemAvailable:    8000000 kB\nSwapFree: 3 kB\n"

enum { FILES = 6, MB = 1000000 };

/* Files below a root, and what they say. */
typedef struct memory_case {
    const char *file[FILES][2];
    uint64_t total, available;
    bool limited;
} memory_case;

#define KB(n) (UINT64_C(1024) * (n))
#define GROUPS "proc/self/cgroup"
#define V2 "sys/fs/cgroup/"
#define V1 "sys/fs/cgroup/memory/"

static const memory_case cases[] = {
    {{{"proc/meminfo", MACHINE}}, KB(16000000), KB(8000000), false},
    {{{"proc/uptime", "1\n"}}, NOTHING, NOTHING, false},
    {{{"proc/meminfo", "MemTotal: 1000 kB\n"}}, KB(1000), KB(500), false}, /* an old kernel */
    /* version 2: what is in use less what can be emptied, each group that is above as well */
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "0::/a/b\n"},
      {V2 "a/b/memory.max", "max\n"},
      {V2 "a/memory.max", "max\n"}},
     KB(16000000),
     KB(8000000),
     false},
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "0::/a/b\n"},
      {V2 "a/b/memory.max", "1000000000\n"},
      {V2 "a/b/memory.current", "700000000\n"},
      {V2 "a/b/memory.stat", "anon 300000000\nfile 400000000\ninactive_file 300000000\nactive_file 90000000\n"
                             "slab_reclaimable 10000000\nunevictable 5\n"}},
     1000 * (uint64_t)MB,
     700 * (uint64_t)MB,
     true},
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "0::/a/b\n"},
      {V2 "a/b/memory.max", "1000000000\n"},
      {V2 "a/memory.max", "900000000\n"},
      {V2 "a/memory.current", "800000000\n"}},
     900 * (uint64_t)MB,
     100 * (uint64_t)MB,
     true},
    /* the smallest limit is not where least is left */
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "0::/a/b\n"},
      {V2 "a/b/memory.max", "1000000000\n"},
      {V2 "a/memory.max", "2000000000\n"},
      {V2 "a/memory.current", "1900000000\n"}},
     1000 * (uint64_t)MB,
     100 * (uint64_t)MB,
     true},
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "0::/a\n"},
      {V2 "a/memory.max", "max\n"},
      {V2 "a/memory.high", "500000000\n"}},
     500 * (uint64_t)MB,
     500 * (uint64_t)MB,
     true},
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "0::/a\n"},
      {V2 "a/memory.max", "500000000\n"},
      {V2 "a/memory.current", "600000000\n"}}, /* beyond it already */
     500 * (uint64_t)MB,
     0,
     true},
    /* what a container sees of itself */
    {{{"proc/meminfo", MACHINE}, {GROUPS, "0::/\n"}, {V2 "memory.max", "500000000\n"}},
     500 * (uint64_t)MB,
     500 * (uint64_t)MB,
     true},
    {{{"proc/meminfo", MACHINE}, {GROUPS, "0::/not/visible/here\n"}, {V2 "memory.max", "500000000\n"}},
     500 * (uint64_t)MB,
     500 * (uint64_t)MB,
     true},
    {{{"proc/meminfo", MACHINE}, {GROUPS, "0::/a\n"}, {V2 "b/memory.max", "1\n"}},
     KB(16000000),
     KB(8000000),
     false},
    /* a limit above what the machine has */
    {{{"proc/meminfo", MACHINE}, {GROUPS, "0::/a\n"}, {V2 "a/memory.max", "99000000000\n"}},
     KB(16000000),
     KB(8000000),
     false},
    /* version 1 */
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "5:cpu:/x\n4:memory:/docker/a\n0::/\n"},
      {V1 "docker/a/memory.limit_in_bytes", "1000000000\n"},
      {V1 "docker/a/memory.usage_in_bytes", "700000000\n"},
      {V1 "docker/a/memory.stat",
       "cache 1\ninactive_file 1\ntotal_inactive_file 400000000\ntotal_active_file 100000000\n"}},
     1000 * (uint64_t)MB,
     800 * (uint64_t)MB,
     true},
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "4:memory:/docker/a\n"},
      {V1 "memory.limit_in_bytes", "500000000\n"}}, /* bound to the container's own */
     500 * (uint64_t)MB,
     500 * (uint64_t)MB,
     true},
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "4:memory:/a\n"},
      {V1 "a/memory.limit_in_bytes", "9223372036854771712\n"}},
     KB(16000000),
     KB(8000000),
     false},
    {{{"proc/meminfo", MACHINE}, {GROUPS, "4:cpu:/a\n"}, {V1 "a/memory.limit_in_bytes", "5\n"}},
     KB(16000000),
     KB(8000000),
     false},
    /* nonsense limits nothing */
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "nonsense\n\n::\n0:\n4:memory:/a\n0::/a\n"},
      {V2 "a/memory.max", "lots\n"},
      {V1 "a/memory.limit_in_bytes", "-1\n"}},
     KB(16000000),
     KB(8000000),
     false},
    {{{"proc/meminfo", MACHINE},
      {GROUPS, "0::/a\n"},
      {V2 "a/memory.max", "500000000\n"},
      {V2 "a/memory.current", "\n"},
      {V2 "a/memory.stat", "inactive_file\nactive_file x\nactive_file 7\n"}},
     500 * (uint64_t)MB,
     500 * (uint64_t)MB,
     true},
    {{{"proc/meminfo", "MemAvailable: kB\nMemTotal\n: 5\n"},
      {GROUPS, "0::/a\n"},
      {V2 "a/memory.max", "500000000\n"}},
     500 * (uint64_t)MB,
     500 * (uint64_t)MB,
     true},
};

static void put(const char *root, const char *name, const char *text)
{
    char path[512];

    for (const char *p = strchr(name, '/'); p != NULL; p = strchr(p + 1, '/')) {
        char dir[256];
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(p - name), name);
        test_path(path, root, dir);
        test_mkdir(path);
    }
    test_path(path, root, name);
    test_write_file(path, text, strlen(text));
}

static void test_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const memory_case *c = &cases[i];
        char root[256];
        test_tmpdir_create(root);
        for (size_t k = 0; k < FILES && c->file[k][0] != NULL; k++)
            put(root, c->file[k][0], c->file[k][1]);
        const tempo_memory m = tempo_memory_read(root);
        if (m.total != c->total || m.available != c->available || m.limited != c->limited)
            fail_msg("case %zu: %" PRIu64 " of %" PRIu64 ", expected %" PRIu64 " of %" PRIu64, i, m.available,
                     m.total, c->available, c->total);
        test_tmpdir_remove(root);
    }
    assert_true(tempo_memory_read("/nonexistent").total == NOTHING);
}

/* Of this system: something, and no more than there is. */
static void test_this_system(void **state)
{
    const tempo_memory m = tempo_memory_read("");
    tempo_err err = {0};

    (void)state;
    assert_true(m.available > 0 && m.available <= m.total);
    assert_int_equal(tempo_memory_check(1, "nothing", &err), TEMPO_OK);
    if (m.available == NOTHING)
        return;
    assert_int_equal(tempo_memory_check(UINT64_MAX / 2, "too much", &err), TEMPO_E_NOMEM);
    assert_memory_equal(err.msg, "too much would take ", 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_this_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
