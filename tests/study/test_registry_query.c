/* test_registry_query.c - walking directories of runs, listing, showing and comparing what the database
 * holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "registry_place.h"

/* ---- walking ------------------------------------------------------------------------- */

static bool stop_at_once(void *user, const char *dir, const tempo_err *failure)
{
    (void)user;
    (void)dir;
    (void)failure;
    return false;
}

static void test_rebuild(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char tree[512], deep[512], path[512];
    size_t met[2] = {0}, n;
    tempo_err err = {0};

    sub(tree, at->dir, "tree");
    write_experiment(tree, "top", 8);
    sub(deep, tree, "a");
    sub(deep, tree, "a/b");
    write_study(deep, "deep", 0.5, "different");
    sub(deep, tree, "extension"); /* of a browser, say */
    write_text(deep, "manifest.json", "{\"manifest_version\": 3}");
    sub(deep, tree, "broken");
    write_text(deep, "manifest.json", "{\"kind\": \"study\"}");
    test_path(path, tree, "loop");
    assert_int_equal(symlink(".", path), 0);
    sub(deep, tree, ".hidden");
    write_experiment(deep, "hidden", 8);
    assert_int_equal(tempo_registry_rebuild(r, tree, count_met, met, &n, NULL), TEMPO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(met[0], 2);
    assert_int_equal(met[1], 1);
    assert_int_equal(ask(r, "SELECT count(*) FROM runs WHERE id IN ('top', 'deep')"), 2);
    assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 2);

    assert_int_equal(tempo_registry_rebuild(r, tree, stop_at_once, NULL, &n, &err), TEMPO_E_STOPPED);
    assert_int_equal(n, 1);
    err = (tempo_err){0};
    test_path(path, tree, "nowhere");
    assert_int_equal(tempo_registry_rebuild(r, path, count_met, met, &n, &err), TEMPO_E_IO);
    assert_non_null(strstr(err.msg, "nowhere: cannot be read"));
    err = (tempo_err){0};
    test_path(path, tree, "results.json");
    assert_int_equal(tempo_registry_rebuild(r, path, count_met, met, &n, &err), TEMPO_E_FORMAT);
    tempo_registry_free(r);
}

static void test_gc(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char a[512], b[512];
    json_t *gone;

    sub(a, at->dir, "a");
    sub(b, at->dir, "b");
    write_study(a, "s1", 0.5, "different");
    write_experiment(b, "e1", 8);
    static char large[50000], name[49000]; /* enough to fill pages */
    memset(name, 'x', sizeof(name) - 1);
    (void)snprintf(large, sizeof(large), "{\"verdicts\": [{\"id\": \"A2\", \"verdict\": \"%s\"}]}", name);
    write_text(a, "report.json", large);
    must_index(r, a);
    must_index(r, b);
    assert_int_equal(tempo_registry_gc(r, false, &gone, NULL), TEMPO_OK);
    assert_int_equal(json_array_size(gone), 0);
    json_decref(gone);
    test_tmpdir_remove(a);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tempo_registry_gc(r, true, &gone, NULL), TEMPO_OK);
        assert_int_equal(json_array_size(gone), 1);
        assert_at(gone, "0.id", "\"s1\"");
        json_decref(gone);
        assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 2);
    }
    assert_int_equal(tempo_registry_gc(r, false, &gone, NULL), TEMPO_OK);
    assert_int_equal(json_array_size(gone), 1);
    json_decref(gone);
    assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 1);
    assert_int_equal(ask(r, "SELECT (SELECT count(*) FROM units) + (SELECT count(*) FROM verdicts)"), 1);
    assert_int_equal(ask(r, "PRAGMA freelist_count"), 0);
    assert_sound(r);
    tempo_registry_free(r);
}

/* ---- asking -------------------------------------------------------------------------- */

static void test_list_and_ids(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512];
    json_t *d;
    int64_t key;
    tempo_err err = {0};

    assert_int_equal(tempo_registry_list(r, &d, NULL), TEMPO_OK);
    assert_int_equal(json_array_size(d), 0);
    json_decref(d);
    static const char *const ids[] = {"20261124-a", "20261124-ab", "20261125-%"};
    for (size_t i = 0; i < 3; i++) {
        sub(run, at->dir, ids[i]);
        write_experiment(run, ids[i], 8);
        must_index(r, run);
    }
    write_text(run, "manifest.json",
               "{\"kind\": \"study\", \"id\": \"20261125-%\", \"created\":"
               " \"2027-01-01T00:00:00Z\", \"status\": \"running\"}");
    must_index(r, run);
    assert_int_equal(tempo_registry_list(r, &d, NULL), TEMPO_OK);
    assert_at(d, "0.id", "\"20261125-%\"");
    assert_at(d, "0.name", "\"20261125-%\"");
    assert_at(d, "0.model", "null");
    assert_at(d, "0.units", "0");
    assert_at(d, "1.id", "\"20261124-ab\"");
    assert_at(d, "2.id", "\"20261124-a\"");
    assert_at(d, "2.model", "\"tiny\"");
    assert_at(d, "2.models", "1");
    assert_at(d, "2.headline", "[]");
    assert_null(at_path(d, "2.run"));
    json_decref(d);

    assert_int_equal(tempo_registry_find(r, "20261124-a", &key, &err), TEMPO_OK); /* whole: not ambiguous */
    assert_int_equal(tempo_registry_find(r, "20261125", &key, &err), TEMPO_OK);
    assert_int_equal(tempo_registry_show(r, "20261124", &d, &err), TEMPO_E_ARG);
    assert_null(d);
    assert_string_equal(err.msg, "'20261124' begins the ids of several runs: 20261124-a, 20261124-ab");
    static const char *const none[] = {"2027", "", "%", "20261125-%%", "_"};
    for (size_t i = 0; i < 5; i++) {
        err = (tempo_err){0};
        assert_int_equal(tempo_registry_show(r, none[i], &d, &err), TEMPO_E_NOTFOUND);
        assert_non_null(strstr(err.msg, "no run's id begins with"));
    }
    tempo_registry_free(r);
}

static json_t *must_compare(tempo_registry *r, const char *a, const char *b)
{
    json_t *doc;
    tempo_err err = {0};

    if (tempo_registry_compare(r, a, b, &doc, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return doc;
}

static void test_compare_experiments(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512];
    json_t *d;

    sub(run, at->dir, "a");
    write_experiment(run, "a", 8);
    must_index(r, run);
    sub(run, at->dir, "b");
    write_experiment(run, "b", 9);
    must_index(r, run);
    sub(run, at->dir, "c");
    write_experiment(run, "c", 8);
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "true");
    assert_at(d, "compared_by", "\"id\"");
    json_decref(d);
    for (int i = 0; i < 2; i++) { /* twice: nothing is left of the first */
        d = must_compare(r, "a", "b");
        assert_at(d, "same", "false");
        assert_at(d, "a.id", "\"a\"");
        assert_at(d, "b.model", "\"tiny\"");
        assert_at(d, "units.0.prompt", "\"The cat\"");
        assert_at(d, "units.0.arms",
                  "[{\"a\":\"isolated\",\"b\":\"isolated\",\"steps_a\":2,\"steps_b\":2,\"common\":2,"
                  "\"differ\":[]},{\"a\":\"visible\",\"b\":\"visible\",\"steps_a\":2,\"steps_b\":2,"
                  "\"common\":2,\"differ\":[1]}]");
        json_decref(d);
    }
    /* one arm against one of another name; fewer steps; another model: texts count, and the order does not */
    sub(run, at->dir, "one");
    write_manifest(run, "generate", "one", ", \"model\": {\"name\": \"m1\"}");
    write_text(run, "results.json",
               "{\"prompt\": \"p\", \"threshold\": 0.5, \"config\": {\"mode\": \"visible\"}, \"steps\":"
               " [{\"step\": 0, \"members\": [{\"id\": 1, \"text\": \"x\"}, {\"id\": 2, \"text\":"
               " \"y\"}]}, {\"step\": 1, \"members\": []}]}");
    must_index(r, run);
    sub(run, at->dir, "two");
    write_manifest(run, "generate", "two", ", \"model\": {\"name\": \"m2\"}");
    write_text(run, "results.json",
               "{\"prompt\": \"p\", \"threshold\": 0.5, \"config\": {\"mode\": \"causal\"}, \"steps\":"
               " [{\"step\": 0, \"members\": [{\"id\": 3, \"text\": \"y\"}, {\"id\": 4, \"text\":"
               " \"x\"}]}]}");
    must_index(r, run);
    d = must_compare(r, "one", "two");
    assert_at(d, "compared_by", "\"text\"");
    assert_at(d, "same", "false");
    assert_at(d, "units.0.arms",
              "[{\"a\":\"visible\",\"b\":\"causal\",\"steps_a\":2,\"steps_b\":1,\"common\":1,"
              "\"differ\":[]}]");
    json_decref(d);
    /* nothing in common */
    d = must_compare(r, "one", "a");
    assert_at(d, "units", "[]");
    assert_at(d, "only_a", "[{\"prompt\":\"p\",\"threshold\":0.5}]");
    assert_at(d, "only_b", "[{\"prompt\":\"The cat\",\"threshold\":0.5}]");
    assert_at(d, "same", "false");
    json_decref(d);
    /* an arm that only one has */
    sub(run, at->dir, "arms");
    write_manifest(run, "experiment", "arms", MODEL);
    write_text(run, "results.json",
               "{\"prompt\": \"The cat\", \"threshold\": 0.5, \"arms\": {\"isolated\": {\"steps\": []},"
               " \"replay\": {\"steps\": []}}}");
    must_index(r, run);
    d = must_compare(r, "a", "arms");
    assert_at(d, "units.0.arms.0.common", "0");
    assert_at(d, "units.0.arms.1", "{\"a\":\"visible\",\"b\":null}");
    assert_at(d, "units.0.arms.2", "{\"a\":null,\"b\":\"replay\"}");
    json_decref(d);
    /* the same prompt and threshold twice: by their places */
    sub(run, at->dir, "twice");
    write_manifest(run, "experiment", "twice", MODEL);
    write_text(run, "results.json",
               "{\"cases\": [{\"prompt\": \"p\", \"steps\": []}, {\"prompt\": \"p\", \"steps\": []}]}");
    must_index(r, run);
    d = must_compare(r, "twice", "twice");
    assert_int_equal(json_array_size(json_object_get(d, "units")), 2);
    assert_at(d, "same", "true");
    json_decref(d);
    assert_int_equal(tempo_registry_compare(r, "a", "nobody", &d, NULL), TEMPO_E_NOTFOUND);
    assert_null(d);
    tempo_registry_free(r);
}

static void test_compare_studies(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512];
    json_t *d;

    sub(run, at->dir, "a");
    write_study(run, "a", 0.5, "different");
    must_index(r, run);
    sub(run, at->dir, "b");
    write_study(run, "b", 0.75, "inconclusive");
    write_unit(run, "m0-t0.3-a", "pa", 0.3, 1);
    must_index(r, run);
    sub(run, at->dir, "c");
    write_study(run, "c", 0.5, "different");
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "true");
    json_decref(d);
    d = must_compare(r, "a", "b");
    assert_at(d, "same", "false");
    assert_int_equal(json_array_size(json_object_get(d, "units")), 3);
    assert_at(d, "only_a", "[]");
    assert_at(d, "only_b.0.prompt", "\"Text of pa\"");
    assert_at(d, "metrics.0",
              "{\"name\":\"A2\",\"scope\":\"unit\",\"n\":3,\"mean_a\":0.5,\"mean_b\":0.75,"
              "\"max_difference\":0.25,\"unequal\":3}");
    assert_at(d, "metrics.1.unequal", "0"); /* null and null */
    assert_at(d, "metrics.3.scope", "\"step\"");
    assert_at(d, "metrics_of_one", "0");
    assert_at(d, "verdicts.0.verdict_a", "\"different\"");
    assert_at(d, "verdicts.0.verdict_b", "\"inconclusive\"");
    assert_at(d, "verdicts.0.same", "false");
    assert_at(d, "verdicts.1.same", "true");
    json_decref(d);
    /* one thing is enough to differ */
    write_study(run, "c", 0.5, "equivalent");
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "false");
    assert_at(d, "verdicts.0.same", "false");
    assert_at(d, "metrics.0.unequal", "0");
    json_decref(d);
    write_study(run, "c", 0.5, "different");
    write_text(
        run, "units/m0-t0.2-a.json",
        "{\"model\": 0, \"threshold\": 0.2, \"prompt\": \"Text of pa\", \"steps\": [{\"step\": 0, "
        "\"members\":"
        " [{\"id\": 1}], \"metrics\": {\"tv\": 0.5, \"js\": null, \"more\": 1}}], \"values\": {\"A2\": 0.5,"
        " \"B\": null}}");
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "false");
    assert_at(d, "metrics_of_one", "1");
    json_decref(d);
    write_study(run, "c", 0.5, "different");
    /* a verdict and a metric that only one has, on either side */
    write_text(run, "report.json", "{\"verdicts\": [{\"id\": \"new\", \"verdict\": \"identical\"}]}");
    write_text(run, "units/m0-t0.1-a.json",
               "{\"model\": 0, \"threshold\": 0.1, \"prompt\": \"Text of pa\", \"steps\": [],"
               " \"values\": {\"A2\": 0.5, \"Z\": 1}}");
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "false");
    assert_at(d, "metrics_of_one", "4"); /* B, tv and js of a; Z of c */
    assert_int_equal(json_array_size(json_object_get(d, "verdicts")), 4);
    assert_at(d, "verdicts.0.verdict_b", "null");
    assert_at(d, "verdicts.3.verdict_a", "null");
    assert_at(d, "verdicts.3.id", "\"new\"");
    json_decref(d);
    tempo_registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(test_rebuild),         REGISTRY_TEST(test_gc),
        REGISTRY_TEST(test_list_and_ids),    REGISTRY_TEST(test_compare_experiments),
        REGISTRY_TEST(test_compare_studies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
