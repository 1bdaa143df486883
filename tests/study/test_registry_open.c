/* test_registry_open.c - opening the database of runs: other versions, damage, names, permissions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "registry_place.h"

/* ---- opening ------------------------------------------------------------------------- */

static void sqlite_do(const char *path, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void assert_no_open(const char *path, bool existing, tempo_status st, const char *says)
{
    tempo_registry *r = (tempo_registry *)&r;
    tempo_err err = {0};

    assert_int_equal(tempo_registry_open(&r, path, existing, &err), st);
    assert_null(r);
    if (strstr(err.msg, says) == NULL || (says[0] == '\0' && err.msg[0] != '\0'))
        fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void test_open(void **state)
{
    const place *at = *state;
    char path[512];
    size_t n, m;

    assert_no_open(at->db, true, TEMPO_E_NOTFOUND, "");
    assert_no_open("", false, TEMPO_E_ARG, "is empty");
    assert_no_open(at->dir, false, TEMPO_E_FORMAT, "is not a database but a directory");
    assert_no_open("/dev/null", false, TEMPO_E_FORMAT, "a device");
    test_path(path, at->dir, "nowhere/runs.db");
    assert_no_open(path, false, TEMPO_E_IO, "nowhere/runs.db: ");
    assert_no_open(path, true, TEMPO_E_NOTFOUND, "");

    test_path(path, at->dir, "text");
    write_text(at->dir, "text",
               "This is a text about runs, and it is no database at all; it is long enough to be one.");
    assert_no_open(path, false, TEMPO_E_FORMAT, "text: is not an SQLite database");
    unsigned char *text = test_read_file(path, &n);
    assert_int_equal(n, 85);
    free(text);

    test_path(path, at->dir, "other");
    sqlite_do(path, "CREATE TABLE t(x); PRAGMA user_version=1");
    unsigned char *before = test_read_file(path, &n);
    assert_no_open(path, false, TEMPO_E_FORMAT, "not one of runs of tempo");
    unsigned char *after = test_read_file(path, &m);
    assert_int_equal(m, n); /* not even its mode has changed */
    assert_memory_equal(after, before, n);
    free(before);
    free(after);

    sqlite_do(path, "PRAGMA user_version=7");
    assert_no_open(path, false, TEMPO_E_FORMAT, "not one of runs of tempo");

    tempo_registry_free(must_open(at->db));
    sqlite_do(at->db, "PRAGMA user_version=7");
    assert_no_open(at->db, false, TEMPO_E_UNSUPPORTED,
                   "version 7, this program knows 1: a newer tempo wrote it");
    tempo_registry_free(NULL);

    /* empty, and cut short */
    test_path(path, at->dir, "empty");
    write_text(at->dir, "empty", "");
    tempo_registry *r = must_open(path);
    assert_sound(r);
    assert_string_equal(tempo_registry_path(r), path);
    tempo_registry_free(r);
    assert_int_equal(truncate(path, 5000), 0);
    assert_no_open(path, false, TEMPO_E_FORMAT, "the database is damaged");
}

/* A name means nothing special to SQLite. */
static void test_names(void **state)
{
    static const char *const names[] = {":memory:", "file:x?mode=memory", "-x"};
    const place *at = *state;
    const char *here = getcwd((char[512]){0}, 512);

    assert_non_null(here);
    assert_int_equal(chdir(at->dir), 0);
    for (size_t i = 0; i < 3; i++) {
        tempo_registry_free(must_open(names[i]));
        assert_int_equal(access(names[i], R_OK), 0);
    }
    assert_int_equal(chdir(here), 0);
}

static void test_default_path(void **state)
{
    const place *at = *state;
    char path[512], want[600], base[512];
    struct stat sb;
    tempo_registry *r;
    tempo_err err = {0};

    assert_int_equal(setenv("XDG_DATA_HOME", "/data", 1), 0);
    assert_int_equal(setenv("HOME", at->dir, 1), 0);
    assert_int_equal(tempo_registry_default_path(path, sizeof(path), NULL), TEMPO_OK);
    assert_string_equal(path, "/data/tempo/runs.db");
    assert_int_equal(tempo_registry_default_path(path, 19, &err), TEMPO_E_LIMIT);
    assert_int_equal(tempo_registry_default_path(path, 20, NULL), TEMPO_OK);
    assert_int_equal(setenv("XDG_DATA_HOME", "relative", 1), 0); /* counts as unset */
    (void)snprintf(want, sizeof(want), "%s/.local/share/tempo/runs.db", at->dir);
    assert_int_equal(tempo_registry_default_path(path, sizeof(path), NULL), TEMPO_OK);
    assert_string_equal(path, want);
    assert_no_open(NULL, true, TEMPO_E_NOTFOUND, "");
    test_path(base, at->dir, ".local");
    assert_int_equal(stat(base, &sb), -1); /* looking makes nothing */

    const mode_t old = umask(0);
    assert_int_equal(tempo_registry_open(&r, NULL, false, NULL), TEMPO_OK);
    (void)umask(old);
    assert_string_equal(tempo_registry_path(r), want);
    tempo_registry_free(r);
    test_path(base, at->dir, ".local/share/tempo");
    assert_int_equal(stat(base, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0700);
    assert_int_equal(tempo_registry_open(&r, NULL, true, NULL), TEMPO_OK);
    tempo_registry_free(r);

    static const char *const homes[] = {"", "relative", NULL};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(homes[i] != NULL ? setenv("HOME", homes[i], 1) : unsetenv("HOME"), 0);
        assert_no_open(NULL, false, TEMPO_E_NOTFOUND, "neither XDG_DATA_HOME nor HOME says");
    }
}

/* A directory that may not be written: nothing but a message. */
static void open_as_nobody(void *arg)
{
    tempo_registry *r;
    tempo_err err = {0};

    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(77);
    if (tempo_registry_open(&r, arg, false, &err) == TEMPO_OK)
        _exit(1);
    if (err.code != TEMPO_E_IO || strncmp(err.msg, arg, strlen(arg)) != 0 ||
        strstr(err.msg, "its directory must be writable") == NULL)
        _exit(2);
    _exit(0);
}

static void test_read_only(void **state)
{
    const place *at = *state;

    assert_int_equal(chmod(at->dir, 0555), 0);
    const int without = in_child(open_as_nobody, (void *)at->db);
    assert_int_equal(chmod(at->dir, 0755), 0);
    tempo_registry_free(must_open(at->db));
    assert_int_equal(chmod(at->dir, 0555), 0);
    const int with = in_child(open_as_nobody, (void *)at->db);
    assert_int_equal(chmod(at->dir, 0755), 0);
    if (WEXITSTATUS(without) == 77)
        skip();
    assert_int_equal(without, 0);
    assert_int_equal(with, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(test_open),
        REGISTRY_TEST(test_names),
        REGISTRY_TEST(test_default_path),
        REGISTRY_TEST(test_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
