/* test_registry_faults.c - neither a kill, nor a full disk, nor another process leaves half of anything in
 * the database of runs. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "registry_place.h"

/* ---- other processes, full disks, kills ---------------------------------------------- */

static void test_busy(void **state)
{
    const place *at = *state;
    tempo_registry *holder = must_open(at->db), *r = must_open(at->db);
    char run[512];
    json_t *d;
    tempo_err err = {0};

    sub(run, at->dir, "run");
    write_experiment(run, "e1", 8);
    must_index(r, run);
    assert_int_equal(tempo_registry_exec(holder, "BEGIN IMMEDIATE; DELETE FROM runs", NULL), TEMPO_OK);
    assert_int_equal(sqlite3_busy_timeout(r->db, 1), SQLITE_OK);
    assert_int_equal(tempo_registry_index(r, run, &err), TEMPO_E_IO);
    assert_int_equal(err.os_errno, EBUSY);
    assert_non_null(strstr(err.msg, "another process"));
    /* who reads does not wait, and sees what was */
    assert_int_equal(tempo_registry_list(r, &d, NULL), TEMPO_OK);
    assert_int_equal(json_array_size(d), 1);
    json_decref(d);
    tempo_registry_free(holder);
    must_index(r, run);
    tempo_registry_free(r);
}

typedef struct job {
    const place *at;
    int which;
} job;

enum { JOB_RUNS = 12 };

/* A child's work: its own runs, and one that both write. */
static void index_many(void *arg)
{
    const job *j = arg;
    tempo_registry *r;
    char run[512], name[32];

    if (tempo_registry_open(&r, j->at->db, false, NULL) != TEMPO_OK)
        _exit(1);
    for (int i = 0; i < JOB_RUNS; i++) {
        (void)snprintf(name, sizeof(name), "%d-%d", j->which, i);
        test_path(run, j->at->dir, name);
        if (tempo_registry_index(r, run, NULL) != TEMPO_OK)
            _exit(2);
        test_path(run, j->at->dir, "both");
        if (tempo_registry_index(r, run, NULL) != TEMPO_OK)
            _exit(3);
    }
    tempo_registry_free(r);
    _exit(0);
}

static void test_two_writers(void **state)
{
    const place *at = *state;
    job jobs[2] = {{at, 0}, {at, 1}};
    char run[512], name[32], other[512];
    pid_t pid[2];
    size_t met[2] = {0}, n;

    for (int i = 0; i < 2 * JOB_RUNS; i++) {
        (void)snprintf(name, sizeof(name), "%d-%d", i % 2, i / 2);
        sub(run, at->dir, name);
        write_study(run, name, i, "different");
    }
    sub(run, at->dir, "both");
    write_experiment(run, "both", 8);
    for (int i = 0; i < 2; i++) { /* the database is not there yet */
        assert_true((pid[i] = fork()) >= 0);
        if (pid[i] == 0)
            index_many(&jobs[i]);
    }
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    tempo_registry *r = must_open(at->db);
    assert_sound(r);
    char *got = dump(r);
    tempo_registry_free(r);
    test_path(other, at->dir, "other.db");
    r = must_open(other);
    assert_int_equal(tempo_registry_rebuild(r, at->dir, count_met, met, &n, NULL), TEMPO_OK);
    assert_int_equal(met[0], 2 * JOB_RUNS + 1);
    char *want = dump(r);
    tempo_registry_free(r);
    assert_string_equal(got, want);
    free(got);
    free(want);
}

/* What SQLite writes with, so that a write can fail, or be the last thing a process does. */
static struct {
    long writes, limit; /* the write with this number, -1: none */
    bool kill;
} fault = {0, -1, false};

static bool at_fault(void)
{
    const bool hit = fault.limit >= 0 && fault.writes >= fault.limit;

    fault.writes++;
    if (hit && fault.kill)
        (void)kill(getpid(), SIGKILL);
    if (hit)
        errno = ENOSPC;
    return hit;
}

static ssize_t faulty_pwrite(int fd, const void *p, size_t n, off_t offset)
{
    return at_fault() ? -1 : pwrite(fd, p, n, offset);
}

static ssize_t faulty_write(int fd, const void *p, size_t n)
{
    return at_fault() ? -1 : write(fd, p, n);
}

static int faulty_ftruncate(int fd, off_t n)
{
    if (fault.kill)
        (void)at_fault();
    return ftruncate(fd, n);
}

static int faulty_unlink(const char *path)
{
    if (fault.kill)
        (void)at_fault();
    return unlink(path);
}

static int set_faults(void **state)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)faulty_pwrite), SQLITE_OK);
    (void)vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)faulty_pwrite); /* where it is used */
    assert_int_equal(vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)faulty_write), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "ftruncate", (sqlite3_syscall_ptr)faulty_ftruncate), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "unlink", (sqlite3_syscall_ptr)faulty_unlink), SQLITE_OK);
    fault.writes = 0;
    fault.limit = -1;
    fault.kill = false;
    return registry_setup(state);
}

static int clear_faults(void **state)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    (void)vfs->xSetSystemCall(vfs, NULL, NULL);
    return registry_teardown(state);
}

typedef struct versions {
    char run[512], *old, *new; /* what the database holds before and after */
} versions;

/* A run in two versions; the database holds the old one, the directory the new one. */
static void make_versions(const place *at, versions *v)
{
    tempo_registry *r = must_open(at->db);

    sub(v->run, at->dir, "run");
    write_study(v->run, "s1", 0.75, "inconclusive");
    must_index(r, v->run);
    v->new = dump(r);
    write_study(v->run, "s1", 0.5, "different");
    must_index(r, v->run);
    v->old = dump(r);
    assert_string_not_equal(v->old, v->new);
    tempo_registry_free(r);
}

static void remove_database(const place *at)
{
    static const char *const endings[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < 3; i++) {
        char path[600];
        (void)snprintf(path, sizeof(path), "%s%s", at->db, endings[i]);
        (void)unlink(path);
    }
}

/* The database as it is found: sound, and one version or the other; true: the new one.  fresh: or nothing. */
static bool is_new(const place *at, const versions *v, bool fresh)
{
    tempo_registry *r = must_open(at->db);

    assert_sound(r);
    char *got = dump(r);
    const bool new = strcmp(got, v->new) == 0;
    if (!new &&fresh)
        assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 0);
    else if (!new)
        assert_string_equal(got, v->old);
    free(got);
    tempo_registry_free(r);
    return new;
}

/* Back to the old version, or to nothing; the directory has the new one. */
static void rewind_database(const place *at, const versions *v, bool fresh)
{
    if (fresh) {
        remove_database(at);
    } else {
        tempo_registry *r = must_open(at->db);
        write_study(v->run, "s1", 0.5, "different");
        must_index(r, v->run);
        tempo_registry_free(r);
    }
    write_study(v->run, "s1", 0.75, "inconclusive");
}

static void test_full_disk(void **state)
{
    const place *at = *state;
    versions v;

    make_versions(at, &v);
    for (int fresh = 0; fresh < 2; fresh++) {
        long failures = 0, refused = 0;
        for (long k = 0;; k++) {
            tempo_registry *r;
            tempo_err err = {0};
            rewind_database(at, &v, fresh);
            fault.writes = 0;
            fault.limit = k;
            tempo_status st = tempo_registry_open(&r, at->db, false, &err);
            if (st == TEMPO_OK)
                st = tempo_registry_index(r, v.run, &err);
            tempo_registry_free(r);
            const bool hit = fault.writes > k;
            fault.limit = -1;
            assert_true(is_new(at, &v, fresh) == (st == TEMPO_OK));
            failures += hit;
            refused += st != TEMPO_OK;
            if (st != TEMPO_OK &&
                (err.os_errno != ENOSPC || strstr(err.msg, "No space left on device") == NULL))
                fail_msg("write %ld: '%s'", k, err.msg);
            if (!hit)
                break;
        }
        assert_true(failures > 8 && refused > 4); /* it was there to be hit */
    }
    free(v.old);
    free(v.new);
}

typedef struct victim {
    const place *at;
    const char *run;
} victim;

static void index_and_die(void *arg)
{
    const victim *v = arg;
    tempo_registry *r;

    if (tempo_registry_open(&r, v->at->db, false, NULL) != TEMPO_OK ||
        tempo_registry_index(r, v->run, NULL) != TEMPO_OK)
        _exit(1);
    tempo_registry_free(r);
    _exit(0);
}

/* Kill -9 before the k-th write, for every k. */
static void test_killed(void **state)
{
    const place *at = *state;
    versions v;

    make_versions(at, &v);
    for (int fresh = 0; fresh < 2; fresh++) {
        long killed = 0, old = 0;
        for (long k = 0;; k++) {
            const victim who = {at, v.run};
            rewind_database(at, &v, fresh);
            fault.writes = 0;
            fault.limit = k;
            fault.kill = true;
            const int status = in_child(index_and_die, (void *)&who);
            fault.limit = -1;
            fault.kill = false;
            const bool died = WIFSIGNALED(status);
            assert_true(died ? WTERMSIG(status) == SIGKILL : status == 0);
            const bool new = is_new(at, &v, fresh);
            killed += died;
            old += !new;
            if (!died) {
                assert_true(new);
                break;
            }
        }
        assert_true(killed > 8 && old > 4 && old < killed);
    }
    free(v.old);
    free(v.new);
}

#define FAULT_TEST(f) cmocka_unit_test_setup_teardown(f, set_faults, clear_faults)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(test_busy),
        REGISTRY_TEST(test_two_writers),
        FAULT_TEST(test_full_disk),
        FAULT_TEST(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
