/* test_analyze_taps.c - taps of captures made here, looked at and compared: numbers worked out by hand, and
 * files that are refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/analyze.h"
#include "io/npz.h"
#include "support/tmpdir.h"

enum { LAYERS = 2, ROWS = 2, WIDTH = 2, HEADS = 2, SLOTS = 3 };

static char dir[256];

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

/* resid_post of layers 3 and 5 in steps 0 and 1, of the prompt's logits one row; `moved` is added to the last
 * number of layer 5 in step 1. */
static void write_taps(const char *name, float moved, size_t rows, const char *more)
{
    const float zero[LAYERS][1][WIDTH] = {{{3, 4}}, {{0, -1}}}, logits[1][3] = {{1, 2, -2}};
    const float one[LAYERS][ROWS][WIDTH] = {{{6, 8}, {0, 5}}, {{1, 1}, {2, 2 + moved}}};
    const float scores[1][HEADS][1][SLOTS] = {{{{1, 2, -INFINITY}}, {{2, 4, -INFINITY}}}};
    const int64_t slots[ROWS] = {1, 2};
    char path[512];
    tempo_npz_writer *w;

    test_path(path, dir, name);
    assert_int_equal(tempo_npz_create(&w, path, NULL), TEMPO_OK);
#define ADD(name, type, data, n, ...)                                                                        \
    assert_int_equal(                                                                                        \
        tempo_npz_add(w, name, TEMPO_NPY_##type, (const uint64_t[]){__VA_ARGS__}, n, data, NULL), TEMPO_OK)
    ADD("step_0_resid_post", F32, zero, 3, LAYERS, 1, WIDTH);
    ADD("step_1_resid_post", F32, one, 3, LAYERS, rows, WIDTH);
    ADD("step_1_query_slots", I64, slots, 1, rows);
    ADD("prompt_logits", F32, logits, 2, 1, 3);
    ADD("step_1_attn_scores", F32, scores, 4, 1, HEADS, 1, SLOTS);
    if (more != NULL)
        ADD(more, F32, zero, 3, LAYERS, 1, WIDTH);
    assert_int_equal(
        tempo_npz_add_text(w, "metadata", "{\"taps\": {\"resid_post\": {\"layers\": [3, 5]}}}", NULL),
        TEMPO_OK);
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
}

/* The list of a tap, in steps or in the prompt. */
static const json_t *tap(const json_t *report, const char *where, const char *name, const char *of)
{
    const json_t *list = json_object_get(json_array_get(json_object_get(report, where), 0), "taps"), *one;
    size_t i;

    json_array_foreach(list, i,
                       one) if (strcmp(json_string_value(json_object_get(one, "tap")), name) == 0 &&
                                strcmp(json_string_value(json_object_get(one, "of")), of) == 0) return one;
    fail_msg("no %s of %s", name, of);
    return NULL;
}

static void near(const json_t *tap, const char *key, size_t layer, double expected)
{
    const json_t *v = json_array_get(json_object_get(tap, key), layer);

    if (!json_is_number(v) || !(fabs(json_number_value(v) - expected) <= 1e-12))
        fail_msg("%s of layer %zu: %.17g, expected %.17g", key, layer, json_number_value(v), expected);
}

static void has(const json_t *report, bool markdown, const char *text)
{
    const tempo_page_style style = {markdown, false, 120};
    char *s = tempo_analyze_text(report, &style);

    assert_non_null(s);
    if (strstr(s, text) == NULL)
        fail_msg("no '%s' in:\n%s", text, s);
    free(s);
}

static void one_capture(void **state)
{
    json_t *report;

    (void)state;
    write_taps("taps.npz", 0, ROWS, NULL);
    assert_int_equal(tempo_analyze_dir(&report, dir, NULL), TEMPO_OK);
    const json_t *resid = tap(report, "captures", "resid_post", "steps");
    assert_int_equal(json_integer_value(json_object_get(resid, "rows")), 3);
    assert_int_equal(json_integer_value(json_object_get(resid, "steps")), 2);
    assert_int_equal(json_integer_value(json_object_get(resid, "width")), WIDTH);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(resid, "layers"), 1)), 5);
    near(resid, "layer_norm", 0, (5 + 10 + 5) / 3.0);
    near(resid, "layer_norm", 1, (1 + sqrt(2) + sqrt(8)) / 3);
    near(resid, "layer_rms", 0, sqrt(150.0 / 6));
    near(resid, "layer_mean", 0, 26.0 / 6);
    near(resid, "layer_max", 0, 8);
    near(resid, "layer_max", 1, 2);
    const json_t *logits = tap(report, "captures", "logits", "prompt");
    assert_int_equal(json_array_size(json_object_get(logits, "layers")), 0);
    near(logits, "layer_norm", 0, 3);
    const json_t *scores = tap(report, "captures", "attn_scores", "steps"); /* heads of slots, some hidden */
    assert_int_equal(json_integer_value(json_object_get(scores, "not_finite")), 2);
    near(scores, "layer_norm", 0, 5);
    near(scores, "layer_max", 0, 4);
    has(report, false, "resid_post: 3 rows in 2 steps, 2 numbers each.");
    has(report, true, "| layer | norm |");
    json_decref(report);
}

static void two_captures(void **state)
{
    char a[512], b[512];
    json_t *report;

    (void)state;
    write_taps("a.npz", 0, ROWS, "step_0_z");
    write_taps("b.npz", 0.5f, ROWS, NULL);
    test_path(a, dir, "a.npz");
    test_path(b, dir, "b.npz");
    assert_int_equal(tempo_analyze_pair(&report, a, b, NULL), TEMPO_OK);
    const json_t *one = json_array_get(json_object_get(report, "comparisons"), 0),
                 *first = json_object_get(one, "first_difference"),
                 *resid = tap(report, "comparisons", "resid_post", "steps");
    assert_true(json_is_false(json_object_get(one, "identical")));
    assert_int_equal(json_integer_value(json_object_get(first, "layer")), 5);
    assert_int_equal(json_integer_value(json_object_get(first, "step")), 1);
    assert_int_equal(json_integer_value(json_object_get(first, "row")), 1);
    assert_int_equal(json_integer_value(json_object_get(first, "index")), 1);
    near(resid, "layer_max", 0, 0);
    near(resid, "layer_max", 1, 0.5);
    near(resid, "layer_rms", 1, sqrt(0.25 / 6));
    near(resid, "layer_relative", 1, 0.25);
    near(tap(report, "comparisons", "attn_scores", "steps"), "layer_max", 0,
         0); /* hidden in both: the same */
    assert_string_equal(json_string_value(json_array_get(json_object_get(one, "only_in_first"), 0)), "z");
    has(report, false,
        "First different number: resid_post, step 1, layer 5, row 1, number 1: 2 against 2.5.");
    has(report, false, "has z.");
    json_decref(report);
    assert_int_equal(tempo_analyze_pair(&report, a, a, NULL), TEMPO_OK);
    one = json_array_get(json_object_get(report, "comparisons"), 0);
    assert_true(json_is_true(json_object_get(one, "identical")));
    has(report, false, "Identical");
    json_decref(report);
}

/* Rows of another context are not compared: after the step whose sets differ, and where their number says so.
 */
static void left_out(void **state)
{
    static const char *const sets[] = {"{\"parallel_sets\": [{\"step\": 0, \"tokens\": [1, 2]}]}",
                                       "{\"parallel_sets\": [{\"step\": 0, \"tokens\": [1, 3]}]}"};
    char a[512], b[512], path[512];
    json_t *report;

    (void)state;
    write_taps("c.npz", 0, 1, NULL);
    test_path(a, dir, "a.npz");
    test_path(b, dir, "c.npz");
    assert_int_equal(tempo_analyze_pair(&report, a, b, NULL), TEMPO_OK);
    const json_t *resid = tap(report, "comparisons", "resid_post", "steps");
    assert_int_equal(json_integer_value(json_object_get(resid, "left_out")), 1);
    assert_int_equal(json_integer_value(json_object_get(resid, "rows")), 1);
    json_decref(report);
    for (int i = 0; i < 2; i++) {
        char name[40];
        (void)snprintf(name, sizeof(name), "arms-%d/taps.npz", i);
        test_path(path, dir, i == 0 ? "arms-0" : "arms-1");
        test_mkdir(path);
        write_taps(name, i == 0 ? 0 : 1, ROWS, NULL);
        (void)snprintf(name, sizeof(name), "arms-%d/parallel_sets.json", i);
        test_path(path, dir, name);
        test_write_file(path, sets[i], strlen(sets[i]));
    }
    test_path(a, dir, "arms-0/taps.npz");
    test_path(b, dir, "arms-1/taps.npz");
    assert_int_equal(tempo_analyze_pair(&report, a, b, NULL), TEMPO_OK);
    resid = tap(report, "comparisons", "resid_post", "steps");
    assert_int_equal(json_integer_value(json_object_get(resid, "rows")), 1); /* of step 0 */
    near(resid, "layer_max", 1, 0);
    json_decref(report);
}

static void refused(void **state)
{
    static const struct {
        const char *key;
        unsigned n_dims;
        const char *part;
    } cases[] = {{"step_2_resid_post", 1, "expected floats [layers, rows, ...]"},
                 {"step_2_attn_scores", 3, "expected floats [layers, heads, rows, slots]"},
                 {"step_2_z", 3, "have no tap in common"}};
    const float data[4] = {0};
    const uint64_t shape[3] = {2, 1, 2}, flat[1] = {4};
    char a[512], b[512];
    json_t *report;

    (void)state;
    test_path(a, dir, "a.npz");
    test_path(b, dir, "bad.npz");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_npz_writer *w;
        tempo_err err = {0};
        assert_int_equal(tempo_npz_create(&w, b, NULL), TEMPO_OK);
        assert_int_equal(tempo_npz_add(w, cases[i].key, TEMPO_NPY_F32, cases[i].n_dims == 1 ? flat : shape,
                                       cases[i].n_dims, data, NULL),
                         TEMPO_OK);
        assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
        const tempo_status st =
            i < 2 ? tempo_analyze_pair(&report, b, b, &err) : tempo_analyze_pair(&report, a, b, &err);
        assert_int_equal(st, TEMPO_E_FORMAT);
        if (strstr(err.msg, cases[i].part) == NULL)
            fail_msg("%s", err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_capture),
        cmocka_unit_test(two_captures),
        cmocka_unit_test(left_out),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
