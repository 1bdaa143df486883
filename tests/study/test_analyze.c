/* test_analyze.c - captures made here, compared: numbers worked out by hand, and files that are refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/npz.h"
#include "analyze/analyze.h"
#include "support/tmpdir.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* One layer, two heads, two members in slots 2 and 3 after two slots. */
enum { N_LAYERS = 1, N_HEADS = 2, N_ROWS = 2, N_SLOTS = 4 };
static const float isolated[N_HEADS][N_ROWS][N_SLOTS] = {{{.5f, .25f, .25f, 0}, {.5f, .25f, 0, .25f}},
                                                         {{.25f, .5f, .25f, 0}, {.25f, .25f, 0, .5f}}};
/* The first head as it would be if nothing but the siblings' quarter were new; the second one is different.
 */
static const float visible[N_HEADS][N_ROWS][N_SLOTS] = {
    {{.375f, .1875f, .1875f, .25f}, {.375f, .1875f, .25f, .1875f}},
    {{.25f, .25f, .25f, .25f}, {.25f, .25f, .25f, .25f}}};
static const float prompt_row[N_HEADS][1][2] = {{{.5f, .5f}}, {{.25f, .75f}}};

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

static void add(tempo_npz_writer *w, const char *name, tempo_npy_type type, const void *data, unsigned n_dims,
                ...)
{
    uint64_t shape[TEMPO_NPY_MAX_DIMS];
    va_list ap;

    va_start(ap, n_dims);
    for (unsigned i = 0; i < n_dims; i++)
        shape[i] = (uint64_t)va_arg(ap, int);
    va_end(ap);
    assert_int_equal(tempo_npz_add(w, name, type, shape, n_dims, data, NULL), TEMPO_OK);
}

static tempo_npz_writer *create(const char *name, char path[512])
{
    tempo_npz_writer *w;

    test_path(path, dir, name);
    assert_int_equal(tempo_npz_create(&w, path, NULL), TEMPO_OK);
    return w;
}

/* Steps 0 (the prompt) and 1 (the set), with everything that says where the rows are. */
static void write_attention(const char *name, const float *set, double second_position)
{
    const int64_t slots[N_ROWS] = {2, 3}, last = 1;
    const double rope[N_SLOTS] = {0, 1, 2, second_position};
    char path[512];
    tempo_npz_writer *w = create(name, path);

    add(w, "step_0_attention", TEMPO_NPY_F32, prompt_row, 5, N_LAYERS, 1, N_HEADS, 1, 2);
    add(w, "step_0_query_slots", TEMPO_NPY_I64, &last, 1, 1);
    add(w, "step_0_positions", TEMPO_NPY_I64, slots, 1, N_ROWS);
    add(w, "step_1_attention", TEMPO_NPY_F32, set, 5, N_LAYERS, 1, N_HEADS, N_ROWS, N_SLOTS);
    add(w, "step_1_query_slots", TEMPO_NPY_I64, slots, 1, N_ROWS);
    add(w, "step_1_rope", TEMPO_NPY_F64, rope, 1, N_SLOTS);
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
}

static json_t *compare(const char *a, const char *b)
{
    char x[512], y[512];
    json_t *report;
    tempo_err err = {0};

    test_path(x, dir, a);
    test_path(y, dir, b);
    if (tempo_analyze_pair(&report, x, y, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return report;
}

/* The value at a path such as "comparisons.0.a1.holds". */
static const json_t *at(const json_t *j, const char *path)
{
    char key[64];

    while (j != NULL && *path != '\0') {
        const size_t n = strcspn(path, ".");
        assert_true(n < sizeof(key));
        memcpy(key, path, n);
        key[n] = '\0';
        j = json_is_array(j) ? json_array_get(j, (size_t)atoi(key)) : json_object_get(j, key);
        path += n + (path[n] == '.');
    }
    if (j == NULL)
        fail_msg("there is no %s", key);
    return j;
}

static void near(const json_t *report, const char *path, double expected, double tolerance)
{
    const json_t *j = at(report, path);

    if (!json_is_number(j) || !(fabs(json_number_value(j) - expected) <= tolerance))
        fail_msg("%s: %.17g is not %.17g", path, json_number_value(j), expected);
}

static void is(const json_t *report, const char *path, bool expected)
{
    assert_int_equal(json_is_true(at(report, path)), expected);
    assert_true(json_is_boolean(at(report, path)));
}

static char *text_of(const json_t *report, bool markdown)
{
    const tempo_page_style style = {markdown, false, 80};
    char *s = tempo_analyze_text(report, &style);

    assert_non_null(s);
    return s;
}

static void check_renormalised(const json_t *r)
{
    near(r, "comparisons.0.steps_compared", 2, 0);
    near(r, "comparisons.0.steps_renormalised", 1, 0);
    is(r, "comparisons.0.identical", false);
    near(r, "comparisons.0.first_difference.step", 1, 0);
    near(r, "comparisons.0.first_difference.first", .5, 0);
    near(r, "comparisons.0.first_difference.second", .375, 0);
    /* head 0: nothing.  Head 1, row 0: (1/4 1/2 1/4) against thirds; row 1 is the same in another order */
    const double js = (.25 * log(.25 / (7. / 24)) * 2 + .5 * log(.5 / (5. / 12)) +
                       2. / 3 * log(1. / 3 / (7. / 24)) + 1. / 3 * log(1. / 3 / (5. / 12))) /
                      2;
    near(r, "comparisons.0.steps.1.difference.js_map.0.0", 0, 1e-15);
    near(r, "comparisons.0.steps.1.difference.js_map.0.1", js, 1e-15);
    near(r, "comparisons.0.steps.1.difference.l1", 1. / 6, 1e-7);
    near(r, "comparisons.0.difference.max", 1. / 6, 1e-7);
    near(r, "comparisons.0.difference.js", js / 2 * 2 / 3, 1e-15); /* two heads; three rows, two of them */
    near(r, "comparisons.0.difference.rows", 3, 0);
    near(r, "comparisons.0.siblings.mass", .25, 0);
    near(r, "comparisons.0.siblings.share", (.4 + 1. / 3) / 2, 1e-15);
    near(r, "comparisons.0.siblings.nearest_share", (.3 + 1. / 3) / 2, 1e-15);
    near(r, "comparisons.0.siblings.uniform_share", 1. / 3, 1e-15);
    near(r, "comparisons.0.siblings.heads.0.head", 0, 0);
    near(r, "comparisons.0.siblings.heads.1.share", 1. / 3, 1e-15);
    near(r, "comparisons.0.first_sum_error", 0, 0);
    is(r, "comparisons.0.a1.holds", false); /* head 1 */
    near(r, "comparisons.0.a1.of_tolerance", 1. / 6 * .75 / 4e-6, 1);
}

static void isolated_against_visible(void **state)
{
    (void)state;
    write_attention("a.npz", &isolated[0][0][0], 2);
    write_attention("b.npz", &visible[0][0][0], 2);
    json_t *r = compare("a.npz", "b.npz");
    assert_int_equal(json_array_size(at(r, "warnings")), 0);
    check_renormalised(r);
    char *s = text_of(r, false);
    assert_non_null(strstr(s, "First different number: step 1, layer 0, head 0, row 0, slot 0: 0.5"));
    assert_non_null(strstr(s, "DIFFERS"));
    assert_null(strchr(s, '\033'));
    free(s);
    s = text_of(r, true);
    assert_non_null(strstr(s, "| layer | JS (nat) | L1 |"));
    assert_non_null(strstr(s, "```\n        head\n"));
    free(s);
    json_decref(r);
    r = compare("b.npz", "a.npz"); /* the wrong way round */
    assert_int_equal(json_array_size(at(r, "warnings")), 1);
    check_renormalised(r);
    json_decref(r);
}

static void layer_0_as_it_should_be(void **state)
{
    float same[N_HEADS][N_ROWS][N_SLOTS];

    (void)state;
    memcpy(same, visible, sizeof(same));
    for (size_t r = 0; r < N_ROWS; r++)
        for (size_t k = 0; k < N_SLOTS; k++)
            same[1][r][k] = k == 3 - r ? .25f : .75f * isolated[1][r][k];
    write_attention("a.npz", &isolated[0][0][0], 2);
    write_attention("b.npz", &same[0][0][0], 2);
    json_t *r = compare("a.npz", "b.npz");
    is(r, "comparisons.0.a1.holds", true);
    near(r, "comparisons.0.difference.js", 0, 1e-15);
    json_decref(r);
    same[1][0][0] = NAN;
    write_attention("b.npz", &same[0][0][0], 2);
    r = compare("a.npz", "b.npz");
    is(r, "comparisons.0.a1.holds", false);
    assert_string_equal(json_string_value(at(r, "comparisons.0.difference.js")), "NaN");
    assert_string_equal(json_string_value(at(r, "comparisons.0.difference.max")), "NaN");
    assert_string_equal(json_string_value(at(r, "comparisons.0.a1.of_tolerance")), "NaN");
    assert_string_equal(json_string_value(at(r, "comparisons.0.second_sum_error")), "NaN");
    char *s = text_of(r, false);
    assert_non_null(strstr(s, "do not sum to 1"));
    free(s);
    json_decref(r);
}

static void identical(void **state)
{
    (void)state;
    write_attention("a.npz", &visible[0][0][0], 2);
    write_attention("b.npz", &visible[0][0][0], 2);
    json_t *r = compare("a.npz", "b.npz");
    is(r, "comparisons.0.identical", true);
    assert_true(json_is_null(at(r, "comparisons.0.first_difference")));
    near(r, "comparisons.0.difference.max", 0, 0);
    near(r, "comparisons.0.steps_renormalised", 0, 0); /* both see siblings */
    char *s = text_of(r, false);
    assert_non_null(strstr(s, "Identical: every bit of the 2 steps in common."));
    free(s);
    json_decref(r);
}

/* Beside the files: sets that differ from step 0 on take step 1 out of the means. */
static void other_contexts(void **state)
{
    char path[512], a[256], b[256];
    static const char sets[] =
        "{\"parallel_sets\": [{\"step\": 0, \"count\": 2, \"tokens\": [5, %d], \"positions\": [2, 3]}]}";

    (void)state;
    for (int i = 0; i < 2; i++) {
        char *sub = i == 0 ? a : b, text[256];
        test_path(path, dir, i == 0 ? "isolated" : "visible");
        test_mkdir(path);
        (void)snprintf(sub, 256, "%s/attention_weights.npz", i == 0 ? "isolated" : "visible");
        write_attention(sub, i == 0 ? &isolated[0][0][0] : &visible[0][0][0], i == 0 ? 2 : 2.5);
        (void)snprintf(text, sizeof(text), sets, 7 + i);
        (void)snprintf(path, sizeof(path), "%s/%s/parallel_sets.json", dir, i == 0 ? "isolated" : "visible");
        test_write_file(path, text, strlen(text));
    }
    json_t *r = compare(a, b);
    near(r, "comparisons.0.sets_differ_at", 0, 0);
    near(r, "comparisons.0.steps_compared", 1, 0);
    near(r, "comparisons.0.difference.js", 0, 0);
    is(r, "comparisons.0.steps.1.same_context", false);
    json_decref(r);
    /* and as a directory: each arm for itself, then both */
    static const char rope[] = "{\"0\": 0, \"3\": 2}";
    test_path(path, dir, "visible/rope_positions.json");
    test_write_file(path, rope, strlen(rope));
    assert_int_equal(tempo_analyze_dir(&r, dir, NULL), TEMPO_OK);
    assert_int_equal(json_array_size(at(r, "captures")), 2);
    assert_int_equal(json_array_size(at(r, "comparisons")), 1);
    is(r, "captures.0.d1.holds", true);
    near(r, "captures.0.siblings.mass", 0, 0);
    assert_true(json_is_null(at(r, "captures.0.rope_positions_differ_at")));
    is(r, "captures.1.d1.holds", false); /* 2 and 2.5 */
    near(r, "captures.1.steps.1.position_spread", .5, 0);
    near(r, "captures.1.rope_positions_differ_at", 3, 0);
    near(r, "captures.1.siblings.mass", .25, 0);
    char *s = text_of(r, false);
    assert_non_null(strstr(s, "0 of 1 sets share one position"));
    free(s);
    json_decref(r);
}

static void logits(void **state)
{
    const float p[2][3] = {{0, 0, 0}, {1, 2, 3}}, q[2][3] = {{0, 0, -INFINITY}, {4, 5, 6}};
    char path[512];

    (void)state;
    for (int i = 0; i < 2; i++) {
        tempo_npz_writer *w = create(i == 0 ? "p.npz" : "q.npz", path);
        add(w, "step_0_logits", TEMPO_NPY_F32, p, 1, 3);
        add(w, "step_1_logits", TEMPO_NPY_F32, i == 0 ? p : q, 2, 2, 3);
        add(w, "step_2_logits", TEMPO_NPY_F32, p, 2, 1 + i, 3);
        add(w, "step_3_logits", TEMPO_NPY_F32, p, 2, 1, 3);
        assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    }
    json_t *r = compare("p.npz", "q.npz");
    is(r, "comparisons.0.steps.0.identical", true);
    is(r, "comparisons.0.steps.1.identical", false);
    near(r, "comparisons.0.steps.1.row.0.tv", 1. / 3, 1e-15);
    assert_string_equal(json_string_value(at(r, "comparisons.0.steps.1.row.0.kl")), "Infinity");
    near(r, "comparisons.0.steps.1.row.0.kl_back", log(1.5), 1e-15);
    near(r, "comparisons.0.steps.1.row.0.most_different.0.id", 2, 0);
    near(r, "comparisons.0.steps.1.row.1.tv", 0, 1e-16); /* a constant changes no distribution */
    near(r, "comparisons.0.steps.1.row.1.cosine", 1, 1e-15);
    near(r, "comparisons.0.steps.1.mean.tv", 1. / 6, 1e-15);
    is(r, "comparisons.0.steps.2.compared", false);
    near(r, "comparisons.0.sets_differ_at", 1, 0);
    is(r, "comparisons.0.steps.3.same_context", false); /* although its shape is the same again */
    near(r, "comparisons.0.rows_compared", 3, 0);
    near(r, "comparisons.0.mean.tv", 1. / 9, 1e-15);
    near(r, "comparisons.0.first_difference.id", 2, 0);
    char *s = text_of(r, false);
    assert_non_null(strstr(s, "First different number: step 1, row 0, token 2: 0 against -inf."));
    free(s);
    json_decref(r);
}

/* As the original project wrote them: one row, no query slots, an object for metadata. */
static void foreign_capture(void **state)
{
    const int64_t slot = 2;
    const unsigned char pickle[4] = {0x80, 3, 'N', '.'};
    const float row[N_HEADS][3] = {{.5f, .25f, .25f}, {.125f, .125f, .75f}};
    char path[512];
    size_t n;

    (void)state;
    tempo_npz_writer *w = create("original.npz", path);
    add(w, "step_0_attention", TEMPO_NPY_F32, row, 5, N_LAYERS, 1, N_HEADS, 1, 3);
    add(w, "step_0_positions", TEMPO_NPY_I64, &slot, 1, 1);
    add(w, "step_0_logical", TEMPO_NPY_I64, &slot, 0);
    add(w, "step_1_attention", TEMPO_NPY_F32, row, 5, N_LAYERS, 1, N_HEADS, 1, 3);
    add(w, "metadata", TEMPO_NPY_U8, pickle, 1, 4);
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    unsigned char *bytes = test_read_file(path, &n), *type = memmem(bytes, n, "'|u1'", 5);
    assert_non_null(type);
    memcpy(type, "'|O' ", 5);
    test_write_file(path, bytes, n);
    free(bytes);
    json_t *r = compare("original.npz", "original.npz");
    assert_int_equal(json_array_size(at(r, "warnings")), 2);
    assert_non_null(
        strstr(json_string_value(at(r, "warnings.0")), "original.npz: metadata is a pickled object"));
    is(r, "comparisons.0.identical", true);
    near(r, "comparisons.0.steps_compared", 2, 0);
    assert_true(json_is_null(at(r, "comparisons.0.siblings")));
    json_decref(r);
}

/* Some layers and heads only: reports number them as the model does, and layer 0 is not what is called so. */
static void narrowed_capture(void **state)
{
    static const char *const metadata[3] = {
        "{\"layers\": [3, 3], \"heads\": [4, 5], \"note\": \"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"}",
        "{\"layers\": [3, 3], \"heads\": [4, 5]}", "not JSON"};
    const int64_t slots[N_ROWS] = {2, 3};
    char path[512], other[512];

    (void)state;
    for (int i = 0; i < 3; i++) {
        tempo_npz_writer *w = create(i == 0 ? "a.npz" : i == 1 ? "b.npz" : "c.npz", path);
        add(w, "step_1_attention", TEMPO_NPY_F32, i == 0 ? isolated : visible, 4, N_LAYERS, N_HEADS, N_ROWS,
            N_SLOTS);
        add(w, "step_1_query_slots", TEMPO_NPY_I64, slots, 1, N_ROWS);
        assert_int_equal(tempo_npz_add_text(w, "metadata", metadata[i], NULL), TEMPO_OK);
        assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    }
    json_t *r = compare("a.npz", "b.npz");
    near(r, "comparisons.0.first_layer", 3, 0);
    near(r, "comparisons.0.first_difference.layer", 3, 0);
    near(r, "comparisons.0.first_difference.head", 4, 0);
    near(r, "comparisons.0.siblings.heads.0.layer", 3, 0);
    near(r, "comparisons.0.siblings.heads.1.head", 5, 0);
    assert_true(json_is_null(at(r, "comparisons.0.a1")));
    char *s = text_of(r, false);
    assert_non_null(strstr(s, "\n        4\nlayer 3 "));
    free(s);
    json_decref(r);
    test_path(path, dir, "a.npz");
    test_path(other, dir, "c.npz");
    tempo_err err = {0};
    assert_int_equal(tempo_analyze_pair(&r, path, other, &err), TEMPO_E_FORMAT);
    assert_non_null(strstr(err.msg, "a.npz holds layers from 3 and heads from 4"));
}

/* ---- what is refused ---- */

static void refuse(tempo_status code, const char *text, const char *a, const char *b)
{
    char x[512], y[512];
    json_t *report = (json_t *)1;
    tempo_err err = {0};

    test_path(x, dir, a);
    test_path(y, dir, b);
    const tempo_status st = tempo_analyze_pair(&report, x, y, &err);
    assert_null(report);
    if (st != code || strstr(err.msg, text) == NULL || strstr(err.msg, dir) == NULL)
        fail_msg("status %d, expected %d; '%s' should name the file and have '%s'", (int)st, (int)code,
                 err.msg, text);
}

static void refused(void **state)
{
    static const struct {
        const char *key;
        tempo_npy_type type;
        unsigned n_dims;
        int shape[5];
        tempo_status code;
        const char *text;
    } cases[] = {
        {"nothing", TEMPO_NPY_F32, 1, {4}, TEMPO_E_FORMAT, "no steps in it"},
        {"step_01_attention", TEMPO_NPY_F32, 4, {1, 2, 2, 4}, TEMPO_E_FORMAT, "no steps in it"},
        {"step_1_attention",
         TEMPO_NPY_I32,
         4,
         {1, 2, 2, 4},
         TEMPO_E_FORMAT,
         "step_1_attention: its elements are integers, expected floats"},
        {"step_1_attention", TEMPO_NPY_F32, 3, {2, 2, 4}, TEMPO_E_FORMAT, "its shape is [2, 2, 4]"},
        {"step_1_attention",
         TEMPO_NPY_F32,
         5,
         {1, 2, 2, 2, 2},
         TEMPO_E_FORMAT,
         "its shape is [1, 2, 2, 2, 2]"},
        {"step_1_attention", TEMPO_NPY_F32, 4, {1, 2, 0, 4}, TEMPO_E_FORMAT, "none of them 0"},
        {"step_1_attention", TEMPO_NPY_F32, 4, {2, 1, 2, 4}, TEMPO_E_FORMAT, "not one model"},
        {"step_1_attention", TEMPO_NPY_F32, 4, {2000, 1, 1, 1}, TEMPO_E_LIMIT, "2000 layers"},
        {"step_1_attention", TEMPO_NPY_F32, 4, {1, 1, 20000, 1}, TEMPO_E_LIMIT, "20000 rows"},
        {"step_7_attention",
         TEMPO_NPY_F32,
         4,
         {1, 2, 2, 4},
         TEMPO_E_FORMAT,
         "no step of attention in common"},
        {"step_1_logits", TEMPO_NPY_F32, 2, {2, 4}, TEMPO_E_FORMAT, "holds logits only"},
    };
    static const float zeros[20000];
    char path[512];

    (void)state;
    write_attention("good.npz", &visible[0][0][0], 2);
    for (size_t i = 0; i < COUNT(cases); i++) {
        tempo_npz_writer *w = create("bad.npz", path);
        const int *s = cases[i].shape;
        add(w, cases[i].key, cases[i].type, zeros, cases[i].n_dims, s[0], s[1], s[2], s[3], s[4]);
        assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
        refuse(cases[i].code, cases[i].text, "good.npz", "bad.npz");
        refuse(cases[i].code, cases[i].text[0] == 'h' ? "holds attention only" : cases[i].text, "bad.npz",
               "good.npz");
    }
    refuse(TEMPO_E_NOTFOUND, "none.npz", "none.npz", "good.npz");
    test_path(path, dir, "text.npz");
    test_write_file(path, "text", 4);
    refuse(TEMPO_E_FORMAT, "text.npz", "good.npz", "text.npz");
}

static void refused_slots(void **state)
{
    static const struct {
        const char *key;
        tempo_npy_type type;
        int n;
        int64_t values[4];
        const char *text;
    } cases[] = {
        {"step_1_query_slots",
         TEMPO_NPY_I64,
         2,
         {2, 4},
         "step_1_query_slots: expected slots from 0 to 3, found 4"},
        {"step_1_query_slots", TEMPO_NPY_I64, 2, {-1, 3}, "found -1"},
        {"step_1_query_slots",
         TEMPO_NPY_I64,
         3,
         {1, 2, 3},
         "step_1_query_slots: expected integers [rows]; its shape is [3]"},
        {"step_1_query_slots",
         TEMPO_NPY_F64,
         2,
         {0, 0},
         "step_1_query_slots: its elements are floats, expected integers"},
        {"step_1_rope", TEMPO_NPY_F64, 3, {0, 0, 0}, "step_1_rope: expected floats [slots]"},
    };
    char path[512];

    (void)state;
    write_attention("good.npz", &visible[0][0][0], 2);
    for (size_t i = 0; i < COUNT(cases); i++) {
        tempo_npz_writer *w = create("bad.npz", path);
        add(w, "step_1_attention", TEMPO_NPY_F32, visible, 4, N_LAYERS, N_HEADS, N_ROWS, N_SLOTS);
        add(w, cases[i].key, cases[i].type, cases[i].values, 1, cases[i].n);
        assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
        refuse(TEMPO_E_FORMAT, cases[i].text, "good.npz", "bad.npz");
    }
    /* slots with a gap, or the same one twice, are no set: compared as they are */
    const int64_t apart[2][3] = {{0, 1, 3}, {2, 2, 4}};
    const float weights[15] = {.2f};
    for (size_t i = 0; i < 2; i++) {
        tempo_npz_writer *w = create("bad.npz", path);
        add(w, "step_1_attention", TEMPO_NPY_F32, weights, 4, 1, 1, 3, 5);
        add(w, "step_1_query_slots", TEMPO_NPY_I64, apart[i], 1, 3);
        assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
        json_t *r = compare("bad.npz", "bad.npz");
        assert_true(json_is_null(at(r, "comparisons.0.siblings")));
        json_decref(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(isolated_against_visible, set_up, tear_down),
        cmocka_unit_test_setup_teardown(layer_0_as_it_should_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(identical, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_contexts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_capture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(narrowed_capture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_slots, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
