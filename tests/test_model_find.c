/* test_model_find.c - from names to paths: existing paths, the Hugging Face cache, the built-in model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/tmpdir.h"
#include "tempo.h"

static char root[256];

static int set_up(void **state)
{
    (void)state;
    test_tmpdir_create(root);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HF_HOME");
    unsetenv("TEMPO_MODELS");
    setenv("HOME", root, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmpdir_remove(root);
    return 0;
}

/* ---- making a cache ---- */

/* root/name, its directories made on the way; dirs end in '/' */
static const char *make(char path[512], const char *name)
{
    test_path(path, root, name);
    for (char *p = path + strlen(root) + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        test_mkdir(path);
        *p = '/';
    }
    const size_t n = strlen(path);
    if (path[n - 1] == '/')
        path[n - 1] = '\0';
    else
        test_write_file(path, "{}", 2);
    return path;
}

static void make_text(const char *name, const char *text)
{
    char path[512];

    test_write_file(make(path, name), text, strlen(text));
}

static void make_snapshot(const char *hub, const char *hash)
{
    char name[256], path[512];

    (void)snprintf(name, sizeof(name), "%s/models--org--name/snapshots/%s/config.json", hub, hash);
    make(path, name);
    (void)snprintf(name, sizeof(name), "%s/models--org--name/snapshots/%s/model.safetensors", hub, hash);
    make(path, name);
}

/* ---- expectations ---- */

static void expect_found(const char *name, const char *below_root)
{
    char out[512], want[512];
    tempo_err err = {0};

    if (tempo_model_find(name, out, sizeof(out), &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    test_path(want, root, below_root);
    assert_string_equal(out, want);
}

static void expect_failure(const char *name, tempo_status code, const char *says)
{
    char out[512] = "stale";
    tempo_err err = {0};
    const tempo_status st = tempo_model_find(name, out, sizeof(out), &err);

    if (st != code || strstr(err.msg, says) == NULL)
        fail_msg("expected %s \"%s\", got %s \"%s\"", tempo_status_name(code), says, tempo_status_name(st),
                 err.msg);
    assert_string_equal(out, "");
}

/* ---- tests ---- */

static void test_paths(void **state)
{
    char path[512], dir[512], out[8];
    tempo_err err = {0};

    (void)state;
    make(path, "plain/m.gguf");
    expect_found(path, "plain/m.gguf");
    test_path(dir, root, "plain");
    expect_found(dir, "plain/m.gguf"); /* the only one there */
    make(path, "plain/n.gguf");
    expect_failure(dir, TEMPO_E_NOTFOUND, "holds 2 models");
    make(path, "plain/config.json");
    make(path, "plain/model.safetensors");
    expect_found(dir, "plain");
    make(path, "empty/");
    expect_failure(path, TEMPO_E_NOTFOUND, "neither config.json nor a .gguf file");
    expect_failure("", TEMPO_E_NOTFOUND, "empty");
    expect_failure("no-such-model", TEMPO_E_NOTFOUND, "no-such-model");
    expect_failure("./org/name/", TEMPO_E_NOTFOUND, "no such file");
    assert_int_equal(tempo_model_find(dir, out, sizeof(out), &err), TEMPO_E_LIMIT);
}

static void test_cache_with_ref(void **state)
{
    static const char hub[] = ".cache/huggingface/hub";

    (void)state;
    make_snapshot(hub, "aaaa1111");
    make_snapshot(hub, "bbbb2222");
    make_text(".cache/huggingface/hub/models--org--name/refs/main", "bbbb2222\n");
    expect_found("org/name", ".cache/huggingface/hub/models--org--name/snapshots/bbbb2222");
    make_text(".cache/huggingface/hub/models--org--name/refs/main", "cccc3333");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "hf download org/name"); /* not fetched, or removed */
    make_text(".cache/huggingface/hub/models--org--name/refs/main", "../../../etc");
    expect_failure("org/name", TEMPO_E_FORMAT, "expected a revision");
    make_text(".cache/huggingface/hub/models--org--name/refs/main", "");
    expect_failure("org/name", TEMPO_E_FORMAT, "expected a revision");
}

/* What is there and cannot be read is not the same as nothing. */
static void test_unreadable(void **state)
{
    char path[512];

    (void)state;
    make_snapshot(".cache/huggingface/hub", "aaaa1111");
    make(path, ".cache/huggingface/hub/models--org--name/refs/other");
    test_path(path, root, ".cache/huggingface/hub/models--org--name/refs/main");
    assert_int_equal(symlink("main", path), 0); /* to itself */
    expect_failure("org/name", TEMPO_E_IO, "refs/main: cannot be opened");
    make(path, "closed/");
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0) /* whom nothing is closed to */
        expect_failure(path, TEMPO_E_IO, "closed: cannot be read");
}

static void test_cache_without_ref(void **state)
{
    (void)state;
    make_snapshot(".cache/huggingface/hub", "aaaa1111");
    expect_found("org/name", ".cache/huggingface/hub/models--org--name/snapshots/aaaa1111");
    make_snapshot(".cache/huggingface/hub", "bbbb2222");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "2 snapshots");
}

static void test_cache_variables(void **state)
{
    char path[512];

    (void)state;
    make_snapshot(".cache/huggingface/hub", "aaaa");
    make_snapshot("home/hub", "bbbb");
    make_snapshot("hub", "cccc");
    expect_found("org/name", ".cache/huggingface/hub/models--org--name/snapshots/aaaa");
    test_path(path, root, "home");
    setenv("HF_HOME", path, 1);
    expect_found("org/name", "home/hub/models--org--name/snapshots/bbbb");
    test_path(path, root, "hub");
    setenv("HF_HUB_CACHE", path, 1);
    expect_found("org/name", "hub/models--org--name/snapshots/cccc");
    setenv("HF_HUB_CACHE", "", 1);
    unsetenv("HF_HOME");
    unsetenv("HOME");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "HF_HUB_CACHE");
}

static void test_cache_of_gguf(void **state)
{
    char path[512];

    (void)state;
    make(path, ".cache/huggingface/hub/models--org--name/snapshots/aaaa/q4.gguf");
    make(path, ".cache/huggingface/hub/models--org--name/snapshots/aaaa/README.md");
    make(path,
         ".cache/huggingface/hub/models--org--name/snapshots/aaaa/config.json"); /* weights are elsewhere */
    expect_found("org/name", ".cache/huggingface/hub/models--org--name/snapshots/aaaa/q4.gguf");
    make(path, ".cache/huggingface/hub/models--org--name/snapshots/aaaa/q8.gguf");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "q8.gguf");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "q4.gguf");
}

static void test_not_in_cache(void **state)
{
    (void)state;
    expect_failure("org/other", TEMPO_E_NOTFOUND, "hf download org/other");
    expect_failure("org/other", TEMPO_E_NOTFOUND, root);
    expect_failure("../org/name", TEMPO_E_NOTFOUND, "no such file");
    expect_failure("a/b/c", TEMPO_E_NOTFOUND, "no such file");
    expect_failure("org/na--me", TEMPO_E_NOTFOUND, "no such file");
    expect_failure("org/..", TEMPO_E_NOTFOUND, "no such file");
    expect_failure("org/na me", TEMPO_E_NOTFOUND, "no such file");
}

static void test_existing_path_wins(void **state)
{
    char path[512], here[512];

    (void)state;
    make_snapshot(".cache/huggingface/hub", "aaaa");
    make(path, "work/org/name/config.json");
    assert_non_null(getcwd(here, sizeof(here)));
    test_path(path, root, "work");
    assert_int_equal(chdir(path), 0);
    char out[512];
    const tempo_status st = tempo_model_find("org/name", out, sizeof(out), NULL);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(st, TEMPO_OK);
    assert_string_equal(out, "org/name");
}

static void test_built_in(void **state)
{
    char path[512], out[512];
    tempo_err err = {0};

    (void)state;
    make(path, "mine/tempo-tiny/config.json");
    test_path(path, root, "mine");
    setenv("TEMPO_MODELS", path, 1);
    expect_found(NULL, "mine/tempo-tiny");
    test_path(path, root, "nothing-here");
    setenv("TEMPO_MODELS", path, 1); /* then beside the program, where a build in the source tree finds it */
    const tempo_status st = tempo_model_find(NULL, out, sizeof(out), &err);
    if (st == TEMPO_OK)
        assert_non_null(strstr(out, "models/tempo-tiny"));
    else
        assert_non_null(strstr(err.msg, "TEMPO_MODELS"));
}

/* People name the weights' file; what is wanted is its directory. */
static void test_part_of_a_directory(void **state)
{
    (void)state;
    const char *const parts[] = {"models/tempo-tiny/config.json", "models/tempo-tiny/model.safetensors"};

    for (size_t i = 0; i < 2; i++) {
        tempo_err err = {0};
        tempo_model *m;
        assert_int_equal(tempo_model_open(&m, parts[i], NULL, &err), TEMPO_E_FORMAT);
        assert_null(m);
        assert_non_null(strstr(err.msg, "give the directory that holds it"));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_of_a_directory),
        TEST(test_paths),
        TEST(test_cache_with_ref),
        TEST(test_unreadable),
        TEST(test_cache_without_ref),
        TEST(test_cache_variables),
        TEST(test_cache_of_gguf),
        TEST(test_not_in_cache),
        TEST(test_existing_path_wins),
        TEST(test_built_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
