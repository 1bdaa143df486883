/* test_manifest.c - the manifest of a directory, and JSON files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/json.h"
#include "io/json_file.h"
#include "files/manifest.h"
#include "support/json_file.h"
#include "support/tmpdir.h"

static char dir[256];

static const char *in_dir(const char *name)
{
    static char path[512];

    test_path(path, dir, name);
    return path;
}

static const char *text_at(const json_t *files, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(files, i), key));
}

static void test_files(void **state)
{
    static const char *const names[] = {"a.txt", "a/b", "b"};
    json_t *facts =
        json_pack("{s:s, s:s, s:s}", "kind", "study", "id", "x", "created", "2026-01-02T03:04:05Z");
    tempo_err err = {0};

    (void)state;
    test_mkdir(in_dir("a"));
    test_mkdir(in_dir("empty"));
    test_write_file(in_dir("b"), "", 0);
    test_write_file(in_dir("a.txt"), "abc", 3);
    test_write_file(in_dir("a/b"), "hello\n", 6);
    test_write_file(in_dir("b.tmp.abcdef"), "x", 1);
    test_write_file(in_dir(".hidden"), "x", 1);
    assert_int_equal(symlink("b", in_dir("link")), 0);
    for (int again = 0; again < 2; again++) { /* itself is left out */
        if (tempo_manifest_write(dir, facts, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        json_t *m = test_read_json(in_dir("manifest.json"));
        const json_t *files = json_object_get(m, "files");
        assert_int_equal(json_array_size(files), 3);
        for (size_t i = 0; i < 3; i++)
            assert_string_equal(text_at(files, i, "path"), names[i]);
        /* FIPS 180-2's "abc", and of nothing */
        assert_string_equal(text_at(files, 0, "sha256"),
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_string_equal(text_at(files, 2, "sha256"),
                            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_int_equal(json_integer_value(json_object_get(json_array_get(files, 1), "bytes")), 6);
        assert_string_equal(json_string_value(json_object_get(m, "created")), "2026-01-02T03:04:05Z");
        assert_string_equal(json_string_value(json_object_get(m, "version")), tempo_version());
        assert_true(json_string_length(json_object_get(m, "compiler")) > 3);
        assert_true(json_is_string(json_object_get(m, "cpu")));
        assert_true(json_is_array(json_object_get(m, "cpu_features")));
        json_decref(m);
    }
    assert_null(json_object_get(facts, "files")); /* they are the caller's */
    json_object_del(facts, "created");
    assert_int_equal(tempo_manifest_write(dir, facts, NULL), TEMPO_OK);
    json_t *m = test_read_json(in_dir("manifest.json"));
    assert_int_equal(json_string_length(json_object_get(m, "created")), 20);
    json_decref(m);
    json_decref(facts);
}

static void test_failures(void **state)
{
    json_t *facts = json_object();
    char name[512] = "d";
    tempo_err err = {0};

    (void)state;
    assert_int_equal(tempo_manifest_write(dir, NULL, &err), TEMPO_E_NOMEM);
    err = (tempo_err){0};
    assert_int_equal(tempo_manifest_write(in_dir("none"), facts, &err), TEMPO_E_IO);
    assert_int_equal(symlink("/dev/full", in_dir("manifest.json")), 0);
    err = (tempo_err){0};
    assert_int_equal(tempo_manifest_write(dir, facts, &err), TEMPO_E_IO);
    assert_int_equal(unlink(in_dir("manifest.json")), 0);
    for (size_t i = 0; i < TEMPO_MANIFEST_MAX_DEPTH + 1; i++) {
        test_mkdir(in_dir(name));
        (void)strcat(name, "/d");
    }
    err = (tempo_err){0};
    assert_int_equal(tempo_manifest_write(dir, facts, &err), TEMPO_E_LIMIT);
    assert_int_not_equal(access(in_dir("manifest.json"), F_OK), 0);
    json_decref(facts);
}

static void test_json(void **state)
{
    json_t *doc = json_pack("{s:f}", "x", 0.1);
    tempo_jsonlines *l;
    tempo_err err = {0};
    size_t n;

    (void)state;
    assert_int_equal(tempo_jsonfile_save(in_dir("x.json"), doc, false, &err), TEMPO_OK);
    json_t *back = test_read_json(in_dir("x.json"));
    assert_true(json_equal(doc, back));
    json_decref(back);
    assert_int_equal(tempo_jsonfile_save(in_dir("y.json"), NULL, false, &err), TEMPO_E_NOMEM);
    assert_int_not_equal(access(in_dir("y.json"), F_OK), 0);
    assert_int_equal(tempo_jsonlines_create(&l, in_dir("x.jsonl"), NULL), TEMPO_OK);
    assert_int_equal(tempo_jsonlines_add(l, doc, NULL), TEMPO_OK);
    assert_int_equal(tempo_jsonlines_add(l, doc, NULL), TEMPO_OK);
    assert_int_not_equal(access(in_dir("x.jsonl"), F_OK), 0);
    assert_int_equal(tempo_jsonlines_commit(l, NULL), TEMPO_OK);
    char *text = (char *)test_read_file(in_dir("x.jsonl"), &n);
    assert_string_equal(text, "{\"x\":0.10000000000000001}\n{\"x\":0.10000000000000001}\n");
    free(text);
    assert_int_equal(tempo_jsonlines_create(&l, in_dir("y.jsonl"), NULL), TEMPO_OK);
    assert_int_equal(tempo_jsonlines_add(l, doc, NULL), TEMPO_OK);
    tempo_jsonlines_abort(l);
    tempo_jsonlines_abort(NULL);
    assert_int_not_equal(access(in_dir("y.jsonl"), F_OK), 0);
    json_decref(doc);
}

static int set_up(void **state)
{
    (void)state;
    test_tmpdir_create(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmpdir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
