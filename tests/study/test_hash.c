/* test_hash.c - hashes of files, directories, and models in several files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "files/hash.h"
#include "support/tmpdir.h"

static const char *const names[] = {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"};

static void expect_hash(const char *path, const char *want)
{
    char hash[TEMPO_HASH_CHARS];
    tempo_err err = {0};

    if (tempo_hash_path(path, hash, NULL, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(hash, want);
}

/* Whichever part is named, the lines of sha256sum for both; of one file alone, its own. */
static void test_parts(void **state)
{
    char dir[256], path[512], lines[200], part[TEMPO_HASH_CHARS], want[TEMPO_HASH_CHARS];
    size_t n = 0;

    (void)state;
    test_tmpdir_create(dir);
    for (size_t i = 0; i < 2; i++) {
        test_path(path, dir, names[i]);
        test_write_file(path, names[i], i + 5);
        assert_int_equal(tempo_hash_bytes(names[i], i + 5, part, NULL), TEMPO_OK);
        n += (size_t)snprintf(lines + n, sizeof(lines) - n, "%s  %s\n", part, names[i]);
    }
    assert_int_equal(tempo_hash_bytes(lines, n, want, NULL), TEMPO_OK);
    for (size_t i = 0; i < 2; i++) {
        test_path(path, dir, names[i]);
        expect_hash(path, want);
    }
    expect_hash(dir, want); /* as a directory that holds nothing else */
    test_path(path, dir, "more.gguf");
    test_write_file(path, "12345", 5);
    assert_int_equal(tempo_hash_bytes("12345", 5, part, NULL), TEMPO_OK);
    expect_hash(path, part);
    test_path(path, dir, names[1]);
    expect_hash(path, want);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
