/* test_pool.c - the thread pool: every task once, sleeping and waking, threads that cannot be started; and
 * the count of processors.  pool.c is compiled in here, so that its system calls can be made to fail. */
#include <pthread.h>
#include <stdlib.h>

static struct {
    int creates_left, joins; /* pthread_create fails when none are left */
    int allocs_left;
} fake;

static int fake_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *), void *arg)
{
    if (fake.creates_left == 0)
        return 11; /* EAGAIN */
    fake.creates_left--;
    return pthread_create(thread, attr, main, arg);
}

static int fake_join(pthread_t thread, void **result)
{
    fake.joins++;
    return pthread_join(thread, result);
}

static void *fake_calloc(size_t n, size_t size)
{
    return fake.allocs_left == 0 ? NULL : (fake.allocs_left--, calloc(n, size));
}

static void *fake_aligned_alloc(size_t align, size_t size)
{
    return fake.allocs_left == 0 ? NULL : (fake.allocs_left--, aligned_alloc(align, size));
}

#define pthread_create fake_create
#define pthread_join fake_join
#define calloc fake_calloc
#define aligned_alloc fake_aligned_alloc
#include "base/pool.c"
#undef pthread_create
#undef pthread_join
#undef calloc
#undef aligned_alloc

#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/tmpdir.h"

static void fake_nothing(void)
{
    fake.creates_left = fake.allocs_left = INT_MAX;
    fake.joins = 0;
}

static tempo_pool *create(unsigned threads)
{
    tempo_pool *p;
    tempo_err err = {0};

    fake_nothing();
    assert_int_equal(tempo_pool_create(&p, threads, &err), TEMPO_OK);
    assert_int_equal(tempo_pool_size(p), threads);
    return p;
}

/* ---- tasks --------------------------------------------------------------------------- */

enum { MAX_TASKS = 1000, MAX_TEST_THREADS = 16 };

/* Plain memory: what the tasks wrote must be visible after the run without any help. */
typedef struct record {
    unsigned threads;
    int runs[MAX_TASKS];
    size_t last[MAX_TEST_THREADS]; /* 1 + the last task of each worker */
    bool rising, workers_valid;
} record;

static void record_task(void *arg, size_t task, unsigned worker)
{
    record *r = arg;

    r->runs[task]++;
    if (worker >= r->threads) {
        r->workers_valid = false;
        return;
    }
    if (task < r->last[worker])
        r->rising = false;
    r->last[worker] = task + 1;
}

static void check_run(tempo_pool *p, size_t n)
{
    record r = {.threads = tempo_pool_size(p), .rising = true, .workers_valid = true};

    tempo_pool_run(p, n, record_task, &r);
    for (size_t i = 0; i < MAX_TASKS; i++)
        assert_int_equal(r.runs[i], i < n);
    assert_true(r.rising);
    assert_true(r.workers_valid);
}

static void test_every_task_once(void **state)
{
    (void)state;
    static const unsigned threads[] = {1, 2, 3, MAX_TEST_THREADS};

    for (size_t i = 0; i < sizeof(threads) / sizeof(*threads); i++) {
        tempo_pool *p = create(threads[i]);
        for (size_t n = 0; n <= threads[i] + 1; n++)
            check_run(p, n);
        check_run(p, MAX_TASKS);
        tempo_pool_free(p);
        assert_int_equal(fake.joins, threads[i] - 1);
    }
}

static void test_one_task_stays_with_the_caller(void **state)
{
    (void)state;
    tempo_pool *p = create(3);

    for (int i = 0; i < 100; i++) {
        record r = {.threads = 1, .workers_valid = true};
        tempo_pool_run(p, 1, record_task, &r);
        assert_true(r.workers_valid);
    }
    assert_int_equal(atomic_load(&p->gate), 0); /* nobody was even asked */
    tempo_pool_free(p);
}

static void test_the_gate(void **state)
{
    (void)state;
    uint64_t last_job = 4;
    tempo_pool p = {.gate = UINT64_C(5) << JOB_SHIFT};

    assert_false(enter(&p, &last_job)); /* a job that is over */
    p.gate = UINT64_C(4) << JOB_SHIFT | OPEN;
    assert_false(enter(&p, &last_job)); /* one that this worker has left */
    p.gate = UINT64_C(5) << JOB_SHIFT | OPEN;
    assert_true(enter(&p, &last_job));
    assert_int_equal(last_job, 5);
    assert_int_equal(atomic_load(&p.gate), (UINT64_C(5) << JOB_SHIFT | OPEN) + 1);
    leave(&p);
    assert_int_equal(atomic_load(&p.gate), UINT64_C(5) << JOB_SHIFT | OPEN);
}

static void test_many_small_jobs(void **state)
{
    (void)state;
    tempo_pool *p = create(3);
    int runs[7] = {0};

    for (int i = 1; i <= 3000; i++) {
        record r = {.threads = 3, .workers_valid = true};
        tempo_pool_run(p, 7, record_task, &r);
        for (size_t k = 0; k < 7; k++)
            runs[k] += r.runs[k];
    }
    for (size_t k = 0; k < 7; k++)
        assert_int_equal(runs[k], 3000);
    tempo_pool_free(p);
}

/* Each task waits for all others: returns only if that many threads really work at once. */
typedef struct meeting {
    atomic_uint present;
    unsigned expected;
} meeting;

static void meet(void *arg, size_t task, unsigned worker)
{
    meeting *m = arg;

    (void)task;
    (void)worker;
    atomic_fetch_add(&m->present, 1);
    while (atomic_load(&m->present) < m->expected)
        (void)sched_yield();
}

static void test_sleepers_are_woken(void **state)
{
    (void)state;
    tempo_pool *p = create(4);

    for (int i = 0; i < 5; i++) {
        while (atomic_load(&p->sleepers) < 3) /* an idle pool does fall asleep */
            (void)sched_yield();
        meeting m = {.expected = 4};
        tempo_pool_run(p, 4, meet, &m);
        assert_int_equal(atomic_load(&m.present), 4);
    }
    tempo_pool_free(p);
}

/* The worker's task ends only when the caller has gone to sleep over it. */
typedef struct long_job {
    meeting m;
    tempo_pool *pool;
} long_job;

static void outlast(void *arg, size_t task, unsigned worker)
{
    long_job *job = arg;

    meet(&job->m, task, worker);
    while (worker != 0 && !atomic_load(&job->pool->caller_sleeps))
        (void)sched_yield();
}

static void test_the_caller_sleeps_too(void **state)
{
    (void)state;
    tempo_pool *p = create(2);
    long_job job = {.m = {.expected = 2}, .pool = p};

    tempo_pool_run(p, 2, outlast, &job);
    assert_false(atomic_load(&p->caller_sleeps));
    check_run(p, MAX_TASKS);
    tempo_pool_free(p);
}

typedef struct masks {
    meeting m;
    sigset_t of[2];
} masks;

static void read_mask(void *arg, size_t task, unsigned worker)
{
    masks *s = arg;

    meet(&s->m, task, worker);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &s->of[worker]);
}

static void test_workers_block_signals(void **state)
{
    (void)state;
    static const int sent[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE, SIGWINCH};
    masks s = {.m = {.expected = 2}};
    tempo_pool *p = create(2);

    tempo_pool_run(p, 2, read_mask, &s);
    for (size_t i = 0; i < sizeof(sent) / sizeof(*sent); i++) {
        assert_false(sigismember(&s.of[0], sent[i])); /* the caller's own mask is as it was */
        assert_true(sigismember(&s.of[1], sent[i]));
    }
    assert_false(sigismember(&s.of[1], SIGSEGV));
    tempo_pool_free(p);
}

/* ---- failures ------------------------------------------------------------------------ */

static void test_thread_refused(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        tempo_pool *p = (tempo_pool *)&fake;
        tempo_err err = {0};
        fake_nothing();
        fake.creates_left = k;
        assert_int_equal(tempo_pool_create(&p, 5, &err), TEMPO_E_IO);
        assert_null(p);
        assert_int_equal(fake.joins, k);
        assert_int_equal(err.os_errno, 11);
        char want[64];
        (void)snprintf(want, sizeof(want), "thread %d of 5 cannot be started: ", k + 2);
        assert_memory_equal(err.msg, want, strlen(want));
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        tempo_pool *p = (tempo_pool *)&fake;
        tempo_err err = {0};
        fake_nothing();
        fake.allocs_left = k;
        assert_int_equal(tempo_pool_create(&p, 2, &err), TEMPO_E_NOMEM);
        assert_null(p);
        assert_int_equal(err.code, TEMPO_E_NOMEM);
    }
}

static void test_limits(void **state)
{
    (void)state;
    tempo_pool *p = (tempo_pool *)&fake;
    tempo_err err = {0};

    assert_int_equal(tempo_pool_create(&p, 0, &err), TEMPO_E_ARG);
    assert_null(p);
    err = (tempo_err){0};
    assert_int_equal(tempo_pool_create(&p, TEMPO_MAX_THREADS + 1, &err), TEMPO_E_LIMIT);
    assert_null(p);
    assert_string_equal(err.msg, "1025 threads, the limit is 1024");
    assert_int_equal(tempo_pool_create(&p, UINT_MAX, NULL), TEMPO_E_LIMIT);
    tempo_pool_free(NULL);
}

/* ---- processors ---------------------------------------------------------------------- */

/* A control group's file below a fake mount; directories are made on the way. */
static void put(const char *mount, const char *name, const char *text)
{
    char path[512];

    for (const char *p = strchr(name, '/'); p != NULL; p = strchr(p + 1, '/')) {
        char dir[256];
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(p - name), name);
        test_path(path, mount, dir);
        test_mkdir(path);
    }
    test_path(path, mount, name);
    test_write_file(path, text, strlen(text));
}

typedef struct quota_case {
    const char *membership, *file[2], *text[2];
    unsigned want;
} quota_case;

static const quota_case quota_cases[] = {
    {"0::/a/b\n", {"a/b/cpu.max", "a/cpu.max"}, {"max 100000\n", "max 100000\n"}, UINT_MAX},
    {"0::/a/b\n", {"a/b/cpu.max", "a/cpu.max"}, {"250000 100000\n", "max 100000\n"}, 3},
    {"0::/a/b\n", {"a/b/cpu.max", "a/cpu.max"}, {"250000 100000\n", "200000 100000\n"}, 2},
    {"0::/a/b\n", {"a/b/cpu.max", "a/cpu.max"}, {"200000 100000\n", "200001 100000\n"}, 2},
    {"0::/a/b\n", {"a/b/cpu.max", "a/cpu.max"}, {"1 100000\n", ""}, 1},
    /* at the mount itself, which is what a container sees */
    {"0::/\n", {"cpu.max", NULL}, {"400000 100000\n", NULL}, 4},
    {"0::/not/visible/here\n", {"cpu.max", NULL}, {"400000 100000\n", NULL}, 4},
    /* of another group */
    {"0::/a\n", {"b/cpu.max", NULL}, {"100000 100000\n", NULL}, UINT_MAX},
    /* version 1: the quota and the period are two files */
    {"4:memory:/x\n3:cpu,cpuacct:/a\n0::/\n",
     {"cpu,cpuacct/a/cpu.cfs_quota_us", "cpu,cpuacct/a/cpu.cfs_period_us"},
     {"150000\n", "100000\n"},
     2},
    {"3:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us", "cpu/a/cpu.cfs_period_us"}, {"-1\n", "100000\n"}, UINT_MAX},
    {"3:cpuacct:/a\n",
     {"cpuacct/a/cpu.cfs_quota_us", "cpuacct/a/cpu.cfs_period_us"},
     {"1\n", "1\n"},
     UINT_MAX},
    {"3:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us", NULL}, {"150000\n", NULL}, UINT_MAX},
    /* nonsense limits nothing */
    {"0::/a\n", {"a/cpu.max", NULL}, {"200000\n", NULL}, UINT_MAX},
    {"0::/a\n", {"a/cpu.max", NULL}, {"200000 0\n", NULL}, UINT_MAX},
    {"0::/a\n", {"a/cpu.max", NULL}, {"999999999999999999 1\n", NULL}, UINT_MAX},
    {"nonsense\n\n::\n", {"cpu.max", NULL}, {"100000 100000\n", NULL}, 1},
    {"nonsense\n", {"cpu.max", NULL}, {"100000 100000\n", NULL}, UINT_MAX},
};

static void test_quota(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(quota_cases) / sizeof(*quota_cases); i++) {
        const quota_case *c = &quota_cases[i];
        char dir[256], membership[512];
        test_tmpdir_create(dir);
        test_path(membership, dir, "membership");
        test_write_file(membership, c->membership, strlen(c->membership));
        for (int k = 0; k < 2 && c->file[k] != NULL; k++)
            put(dir, c->file[k], c->text[k]);
        const unsigned got = tempo_cgroup_cpus(membership, dir);
        if (got != c->want)
            print_error("case %zu: %s", i, c->membership);
        assert_int_equal(got, c->want);
        test_tmpdir_remove(dir);
    }
    assert_int_equal(tempo_cgroup_cpus("/nonexistent/file", "/nonexistent"), UINT_MAX);
}

static void test_slurm(void **state)
{
    static const char *const nonsense[] = {
        "", "0", "-1", "+2", " 2", "2 ", "2x", "x", "99999999999999999999"};

    (void)state;
    assert_int_equal(tempo_slurm_cpus("1"), 1);
    assert_int_equal(tempo_slurm_cpus("48"), 48);
    assert_int_equal(tempo_slurm_cpus(NULL), UINT_MAX);
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++)
        assert_int_equal(tempo_slurm_cpus(nonsense[i]), UINT_MAX);
}

static void test_affinity(void **state)
{
    (void)state;
#if defined(__linux__)
    cpu_set_t old, one;
    assert_int_equal(unsetenv("SLURM_CPUS_PER_TASK"), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(old), &old), 0);
    const unsigned all = tempo_cpus_allowed();
    assert_in_range(all, 1, CPU_COUNT(&old));
    size_t first = 0;
    while (!CPU_ISSET(first, &old))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    const unsigned bound = tempo_cpus_allowed();
    assert_int_equal(sched_setaffinity(0, sizeof(old), &old), 0);
    assert_int_equal(bound, 1);
    assert_int_equal(tempo_cpus_allowed(), all);
    assert_int_equal(setenv("SLURM_CPUS_PER_TASK", "1", 1), 0);
    assert_int_equal(tempo_cpus_allowed(), 1);
    assert_int_equal(setenv("SLURM_CPUS_PER_TASK", "4000", 1), 0); /* no more than there are */
    assert_int_equal(tempo_cpus_allowed(), all);
    assert_int_equal(unsetenv("SLURM_CPUS_PER_TASK"), 0);
#else
    assert_in_range(tempo_cpus_allowed(), 1, TEMPO_MAX_THREADS);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_once),
        cmocka_unit_test(test_one_task_stays_with_the_caller),
        cmocka_unit_test(test_the_gate),
        cmocka_unit_test(test_many_small_jobs),
        cmocka_unit_test(test_sleepers_are_woken),
        cmocka_unit_test(test_the_caller_sleeps_too),
        cmocka_unit_test(test_workers_block_signals),
        cmocka_unit_test(test_thread_refused),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_slurm),
        cmocka_unit_test(test_affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
