/* test_study_unit.c - what a study measures of one prompt: against golden runs by plain loops, and by what
 * must hold exactly.
 *
 * Tolerances.  Golden logits are ours within e = 2e-4 and golden attention within a = 2e-5 (test_golden.c).
 * A softmax then moves by at most d = 2 e relative to itself, so that to first order TV  moves by d (half of
 * d on each distribution's sum of 1), KL  by d (sum p |log p/q| + 1),  JS  by d/2 sum (p |log p/m| + q |log
 * q/m|), whose derivative by m is 0, and shares and JS of attention by the sums that the loops below add up
 * beside the values.  What is left out is of second order: everything is allowed twice that.  */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "study/compare.h"
#include "study/control.h"
#include "study/floor.h"
#include "files/json_out.h"
#include "study/metric/metric.h"
#include "study/unit.h"
#include "support/golden.h"
#include "support/models.h"
#include "support/tmpdir.h"

static const char golden_dir[] = "../shared/golden";
static const double q_tolerance = 4e-4, attention_tolerance = 2e-5;

enum { PROMPTS = 5, PROMPT = 6 };

/* ---- running ---- */

static bool never(void *user)
{
    (void)user;
    return false;
}

static void read_lanes(tempo_lane *const *lanes, size_t n)
{
    tempo_err err = {0};

    if (tempo_lanes_read(lanes, n, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

/* Steps of runs until none goes on; how many arms of the first go on before each goes to counts[*n_counts].
 */
static void run_runs(tempo_run *const *runs, size_t n, size_t *counts, size_t *n_counts)
{
    tempo_err err = {0};

    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < n; i++)
            any = any || tempo_run_running(runs[i]);
        if (counts != NULL) {
            counts[*n_counts] = 0;
            for (size_t k = 0; k < tempo_run_arms(runs[0]); k++)
                counts[*n_counts] += tempo_arm_runs(&runs[0]->arms[k]);
            ++*n_counts;
        }
        if (any && tempo_runs_step(runs, n, NULL, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
    }
}

static void run_units(tempo_unit *const *u, size_t n, size_t *counts, size_t *n_counts)
{
    tempo_run *runs[PROMPTS];

    for (size_t i = 0; i < n; i++)
        runs[i] = tempo_unit_run(u[i]);
    run_runs(runs, n, counts, n_counts);
}

static tempo_unit *create_unit(tempo_engine *e, const tempo_unit_options *o, const int32_t *ids, size_t n)
{
    tempo_err err = {0};
    tempo_unit *u;

    if (tempo_unit_create(&u, e, o, ids, n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return u;
}

static json_t *unit_json(tempo_engine *e, const tempo_unit_options *o, const int32_t *ids, size_t n)
{
    tempo_unit *u = create_unit(e, o, ids, n);

    run_units(&u, 1, NULL, NULL);
    json_t *doc = tempo_unit_json(u);
    assert_non_null(doc);
    tempo_unit_free(u);
    return doc;
}

/* Of nested objects: "values", "B".  NaN where there is none. */
static double value(const json_t *doc, const char *object, const char *key)
{
    return tempo_number_at(json_object_get(doc, object), key);
}

static double metric(const json_t *doc, size_t step, const char *key)
{
    return value(json_array_get(json_object_get(doc, "steps"), step), "metrics", key);
}

static double at2(const json_t *rows, size_t i, size_t k)
{
    const json_t *v = json_array_get(json_array_get(rows, i), k);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

static void assert_near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: %.9g, expected %.9g within %.2g", what, got, want, tolerance);
}

/* ---- golden runs ---- */

typedef struct sums {
    double value, tolerance;
} sums;

static sums tv_of(const float *p, const float *q, size_t n)
{
    sums s = {.tolerance = 2 * q_tolerance};

    for (size_t i = 0; i < n; i++)
        s.value += fabs((double)p[i] - (double)q[i]) / 2;
    return s;
}

static sums kl_of(const float *p, const float *q, size_t n)
{
    double magnitude = 0;
    sums s = {0};

    for (size_t i = 0; i < n; i++)
        if (p[i] > 0) {
            const double term = (double)p[i] * log((double)p[i] / (double)q[i]);
            s.value += term;
            magnitude += fabs(term);
        }
    s.tolerance = 2 * q_tolerance * (magnitude + 1);
    return s;
}

static sums js_of(const float *p, const float *q, size_t n)
{
    double magnitude = 0;
    sums s = {0};

    for (size_t i = 0; i < n; i++) {
        const double a = (double)p[i], b = (double)q[i], m = (a + b) / 2;
        const double x = a > 0 ? a * log(a / m) / 2 : 0, y = b > 0 ? b * log(b / m) / 2 : 0;
        s.value += x + y;
        magnitude += fabs(x) + fabs(y);
    }
    s.tolerance = 2 * q_tolerance * magnitude;
    return s;
}

/* Golden attention of one head: [rows, slots]; the rows are the last slots. */
typedef struct plane {
    const float *w;
    size_t rows, slots;
} plane;

static plane plane_of(const tempo_npy *a, size_t layer, size_t head)
{
    const size_t rows = a->shape[2], slots = a->shape[3];

    return (plane){(const float *)a->data + (layer * a->shape[1] + head) * rows * slots, rows, slots};
}

/* Does row r of a set see slot s in isolated mode? */
static bool seen(const plane *p, size_t r, size_t s)
{
    const size_t begin = p->slots - p->rows;

    return s < begin || s == begin + r;
}

/* JS of one row's isolated and renormalised visible attention, and what `attention_tolerance` can move it by.
 */
static sums row_js(const plane *isolated, const plane *visible, size_t r)
{
    const float *p = isolated->w + r * isolated->slots, *v = visible->w + r * visible->slots;
    const double n = (double)isolated->slots;
    double sum_p = 0, sum_v = 0;
    sums out = {0};

    for (size_t s = 0; s < isolated->slots; s++)
        if (seen(isolated, r, s)) {
            sum_p += (double)p[s];
            sum_v += (double)v[s];
        }
    for (size_t s = 0; s < isolated->slots; s++) {
        const double a = (double)p[s] / sum_p, b = (double)v[s] / sum_v, m = (a + b) / 2;
        if (!seen(isolated, r, s) || !(m > 0))
            continue;
        const double da = attention_tolerance * (1 + n * a), db = attention_tolerance * (1 + n * b) / sum_v;
        out.value += ((a > 0 ? a * log(a / m) : 0) + (b > 0 ? b * log(b / m) : 0)) / 2;
        out.tolerance += da * fabs(log(fmax(a, da) / m)) + db * fabs(log(fmax(b, db) / m));
    }
    return out;
}

/* The same of their total variation. */
static sums row_tv(const plane *isolated, const plane *visible, size_t r)
{
    const float *p = isolated->w + r * isolated->slots, *v = visible->w + r * visible->slots;
    const double n = (double)isolated->slots;
    double sum_p = 0, sum_v = 0;
    sums out = {0};

    for (size_t s = 0; s < isolated->slots; s++)
        if (seen(isolated, r, s)) {
            sum_p += (double)p[s];
            sum_v += (double)v[s];
        }
    for (size_t s = 0; s < isolated->slots; s++) {
        const double a = (double)p[s] / sum_p, b = (double)v[s] / sum_v;
        if (!seen(isolated, r, s))
            continue;
        out.value += fabs(a - b) / 2;
        out.tolerance += attention_tolerance * (1 + n * a + (1 + n * b) / sum_v) / 2;
    }
    return out;
}

static sums row_share(const plane *visible, size_t r)
{
    const float *v = visible->w + r * visible->slots;
    const double n = (double)visible->slots;
    double siblings = 0, rest = 0;

    for (size_t s = 1; s < visible->slots; s++) {
        rest += (double)v[s];
        siblings += seen(visible, r, s) ? 0 : (double)v[s];
    }
    return (sums){siblings / rest,
                  2 * attention_tolerance * ((double)visible->rows + n * siblings / rest) / rest};
}

/* What siblings, and what the first slot, have of all attention. */
static void add_masses(const plane *visible, size_t r, double part, sums *siblings, sums *first)
{
    const float *v = visible->w + r * visible->slots;

    for (size_t s = 0; s < visible->slots; s++)
        siblings->value += seen(visible, r, s) ? 0 : part * (double)v[s];
    siblings->tolerance += part * attention_tolerance * (double)visible->rows;
    first->value += part * (double)v[0];
    first->tolerance += part * attention_tolerance;
}

/* Means over rows, of layers, heads and all, against what the unit says of the one step that it read. */
static void check_attention(const json_t *doc, size_t step, const tempo_npy *isolated,
                            const tempo_npy *visible)
{
    const size_t layers = isolated->shape[0], heads = isolated->shape[1], rows = isolated->shape[2];
    const json_t *by_layer = json_object_get(json_object_get(doc, "layers"), "attention_js"),
                 *tv_by_layer = json_object_get(json_object_get(doc, "layers"), "attention_tv");
    const json_t *map = json_object_get(json_object_get(doc, "heads"), "sibling_share");
    sums all_js = {0}, all_tv = {0}, all_share = {0}; /* of js and tv above layer 0 */
    sums mass = {0}, first = {0};

    assert_memory_equal(isolated->shape, visible->shape, 4 * sizeof(*isolated->shape));
    assert_int_equal(json_array_size(by_layer), layers);
    assert_int_equal(json_array_size(map), layers);
    for (size_t l = 0; l < layers; l++) {
        sums js = {0}, tv = {0};
        for (size_t h = 0; h < heads; h++) {
            const plane i = plane_of(isolated, l, h), v = plane_of(visible, l, h);
            sums share = {0};
            for (size_t r = 0; r < rows; r++) {
                const sums x = row_js(&i, &v, r), y = row_share(&v, r), z = row_tv(&i, &v, r);
                add_masses(&v, r, 1 / (double)(layers * heads * rows), &mass, &first);
                tv.value += z.value / (double)(rows * heads);
                tv.tolerance += z.tolerance / (double)(rows * heads);
                js.value += x.value / (double)(rows * heads);
                js.tolerance += x.tolerance / (double)(rows * heads);
                share.value += y.value / (double)rows;
                share.tolerance += y.tolerance / (double)rows;
            }
            assert_near("share of a head", at2(map, l, h), share.value, share.tolerance);
            all_share.value += share.value / (double)(layers * heads);
            all_share.tolerance += share.tolerance / (double)(layers * heads);
        }
        assert_near("JS of a layer", json_number_value(json_array_get(by_layer, l)), js.value, js.tolerance);
        assert_near("TV of a layer", json_number_value(json_array_get(tv_by_layer, l)), tv.value,
                    tv.tolerance);
        all_js.value += l > 0 ? js.value / (double)(layers - 1) : 0;
        all_js.tolerance += l > 0 ? js.tolerance / (double)(layers - 1) : 0;
        all_tv.value += l > 0 ? tv.value / (double)(layers - 1) : 0;
        all_tv.tolerance += l > 0 ? tv.tolerance / (double)(layers - 1) : 0;
    }
    assert_true(all_tv.value > 5 * all_tv.tolerance);
    assert_true(all_js.value > 5 * all_js.tolerance); /* else nothing would be tested here */
    assert_true(all_share.value > 5 * all_share.tolerance);
    assert_near("attention_js", metric(doc, step, "attention_js"), all_js.value, all_js.tolerance);
    assert_near("attention_tv", metric(doc, step, "attention_tv"), all_tv.value, all_tv.tolerance);
    assert_near("A2", value(doc, "values", "A2"), all_tv.value, all_tv.tolerance);
    assert_near("a2_js", value(doc, "values", "a2_js"), all_js.value, all_js.tolerance);
    const double all_layers = (double)(layers - 1) / (double)layers; /* layer 0 is 0 up to roundings */
    assert_near("a2_all_layers", value(doc, "values", "a2_all_layers"), all_tv.value * all_layers,
                all_tv.tolerance);
    assert_near("a2_js_all_layers", value(doc, "values", "a2_js_all_layers"), all_js.value * all_layers,
                all_js.tolerance);
    assert_near("C", value(doc, "values", "C"), all_share.value, all_share.tolerance);
    assert_near("sibling_mass", value(doc, "values", "sibling_mass"), mass.value, mass.tolerance);
    assert_near("sibling_mass of the step", metric(doc, step, "sibling_mass"), mass.value, mass.tolerance);
    assert_near("first_slot_mass", value(doc, "values", "first_slot_mass"), first.value, first.tolerance);
    assert_true(mass.value > 5 * mass.tolerance && first.value > 5 * first.tolerance);
}

static void check_distributions(const json_t *doc, size_t step, const float *p, const float *q, size_t n)
{
    const sums tv = tv_of(p, q, n), js = js_of(p, q, n), pq = kl_of(p, q, n), qp = kl_of(q, p, n);

    assert_true(tv.value > 5 * tv.tolerance);
    assert_near("tv", metric(doc, step, "tv"), tv.value, tv.tolerance);
    assert_near("B", value(doc, "values", "B"), tv.value, tv.tolerance);
    assert_near("js", metric(doc, step, "js"), js.value, js.tolerance);
    assert_near("b_mean", value(doc, "values", "b_mean"), tv.value, tv.tolerance);
    assert_near("b_js", value(doc, "values", "b_js"), js.value, js.tolerance);
    assert_near("b_kl", value(doc, "values", "b_kl_isolated_visible"), pq.value, pq.tolerance);
    assert_near("b_kl back", value(doc, "values", "b_kl_visible_isolated"), qp.value, qp.tolerance);
    assert_near("kl", metric(doc, step, "kl_isolated_visible"), pq.value, pq.tolerance);
    assert_near("kl back", metric(doc, step, "kl_visible_isolated"), qp.value, qp.tolerance);
}

/* The case of this prompt and these words, or the test is skipped. */
static void open_case(golden_case *c, json_t *list, size_t prompt, const char *words)
{
    char name[128];

    (void)snprintf(name, sizeof(name), "stories260K-%zu-mode-%s", prompt, words);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(list, i), "case")), name) == 0) {
            golden_case_open(c, golden_dir, list, i);
            return;
        }
    fail_msg("no golden run %s", name);
}

/* The step that reads the first parallel set. */
static size_t first_parallel(const golden_case *c)
{
    tempo_npy sizes = golden_array(c, TEMPO_NPY_I32, "set_sizes");
    size_t step = 1;

    while (step < sizes.count && ((const int32_t *)sizes.data)[step - 1] < 2)
        step++;
    assert_true(step < sizes.count);
    tempo_npy_free(&sizes);
    return step;
}

/* Up to the step that reads the first parallel set, lockstep and free runs compute the same: both arms hold
 * the same sets and their distributions before it are equal.  A unit that ends there has its values of that
 * step alone.  */
static void check_prompt(tempo_engine *e, json_t *list, size_t prompt)
{
    golden_case isolated, visible, moved, band;
    open_case(&isolated, list, prompt, "isolated");
    open_case(&visible, list, prompt, "visible");
    open_case(&moved, list, prompt, "isolated_positions-offset0.25");
    open_case(&band, list, prompt, "visible_visible_layers-1-2");
    const size_t t = first_parallel(&isolated);
    const tempo_unit_options o = {.threshold = isolated.options.threshold,
                                  .steps = t + 1,
                                  .position_offset = 0.25,
                                  .n_bands = 1,
                                  .bands = {{1, 2}}};
    tempo_npy p = golden_array(&isolated, TEMPO_NPY_F32, "next_%zu", t);
    tempo_npy q = golden_array(&visible, TEMPO_NPY_F32, "next_%zu", t);
    tempo_npy d = golden_array(&moved, TEMPO_NPY_F32, "next_%zu", t);
    tempo_npy k = golden_array(&band, TEMPO_NPY_F32, "next_%zu", t);
    tempo_npy a = golden_array(&isolated, TEMPO_NPY_F32, "attention_%zu", t);
    tempo_npy b = golden_array(&visible, TEMPO_NPY_F32, "attention_%zu", t);
    json_t *doc = unit_json(e, &o, isolated.prompt_ids, isolated.n_prompt);
    const json_t *knockout = json_array_get(json_object_get(doc, "knockout"), 0);

    check_distributions(doc, t, p.data, q.data, p.count);
    const sums position = tv_of(p.data, d.data, p.count), layers = tv_of(p.data, k.data, p.count),
               other = tv_of(q.data, k.data, p.count);
    assert_near("position_tv_isolated", metric(doc, t, "position_tv_isolated"), position.value,
                position.tolerance);
    assert_near("tv_to_isolated", tempo_number_at(knockout, "tv_to_isolated"), layers.value,
                layers.tolerance);
    assert_near("tv_to_visible", tempo_number_at(knockout, "tv_to_visible"), other.value, other.tolerance);
    check_attention(doc, t, &a, &b);
    /* identity I7: in layer 0 the arms differ by the siblings' mass alone */
    assert_true(value(doc, "checks", "layer0") <= 4e-6);
    assert_true(at2(json_object_get(doc, "layers"), 0, 0) != 0.0); /* NaN: it is no list of lists */
    assert_true(json_is_true(json_object_get(json_object_get(doc, "checks"), "one_position")));
    json_decref(doc);
    tempo_npy_free(&p);
    tempo_npy_free(&q);
    tempo_npy_free(&d);
    tempo_npy_free(&k);
    tempo_npy_free(&a);
    tempo_npy_free(&b);
    golden_case_close(&isolated);
    golden_case_close(&visible);
    golden_case_close(&moved);
    golden_case_close(&band);
}

static void test_golden(void **state)
{
    (void)state;
    if (access("../shared/golden/stories260K.json", R_OK) != 0) {
        printf("skipped: no golden runs in %s\n", golden_dir);
        skip();
    }
    json_t *list = golden_list("../shared/golden/stories260K.json");
    tempo_model *m = test_open_model("../shared/models/stories260K.gguf");
    tempo_engine *e = test_engine(m, 2);

    for (size_t prompt = 0; prompt < 3; prompt++)
        check_prompt(e, list, prompt);
    tempo_engine_free(e);
    tempo_model_free(m);
    json_decref(list);
}

/* ---- what holds exactly, on a small model ---- */

static tempo_model *model;
static tempo_engine *engine, *narrow; /* of 2 threads and of 1 */

static const int32_t prompts[PROMPTS][PROMPT] = {{1, 20, 3, 44, 5, 6},
                                                 {1, 30, 7, 9, 11, 2},
                                                 {4, 4, 100, 8, 60, 61},
                                                 {9, 87, 65, 43, 21, 3},
                                                 {2, 71, 82, 81, 82, 8}};

static tempo_unit_options small_options(void)
{
    const uint32_t last = tempo_model_get_info(model)->n_layers - 1;

    return (tempo_unit_options){.threshold = 0.05, /* sets of four or so */
                                .steps = 4,
                                .position_offset = 0.25,
                                .n_bands = 3,
                                .bands = {{0, last}, {0, 0}, {last, last}}};
}

static void test_bands(void **state)
{
    const tempo_unit_options o = small_options();
    json_t *doc = unit_json(engine, &o, prompts[0], PROMPT);
    const json_t *bands = json_object_get(doc, "knockout");

    (void)state;
    assert_int_equal(json_array_size(bands), 3);
    assert_true(json_integer_value(json_object_get(doc, "parallel_steps")) > 0);
    /* all layers is what visible is; isolated is not */
    assert_true(value(doc, "values", "B") > 0);
    assert_true(tempo_number_at(json_array_get(bands, 0), "tv_to_visible") == 0.0);
    assert_true(tempo_number_at(json_array_get(bands, 0), "tv_to_isolated") == value(doc, "values", "B"));
    for (size_t i = 1; i < 3; i++) {
        assert_true(tempo_number_at(json_array_get(bands, i), "tv_to_visible") > 0.0);
        assert_true(tempo_number_at(json_array_get(bands, i), "tv_to_isolated") > 0.0);
    }
    assert_false(json_is_true(json_object_get(json_object_get(doc, "checks"), "same_q")));
    json_decref(doc);
}

/* The two arms with unique positions are read until the first parallel set was, and no more. */
static void test_unique_ends(void **state)
{
    const tempo_unit_options o = small_options();
    size_t after = 0; /* passes after that step */

    (void)state;
    for (size_t k = 0; k < PROMPTS; k++) {
        tempo_unit *u = create_unit(engine, &o, prompts[k], PROMPT);
        size_t counts[8], n = 0;
        run_units(&u, 1, counts, &n);
        json_t *doc = tempo_unit_json(u);
        const json_t *steps = json_object_get(doc, "steps");
        bool parallel = false;
        assert_int_equal(n, json_array_size(steps) + 1);
        for (size_t i = 0; i + 1 < n; i++) {
            assert_int_equal(counts[i], (parallel ? 4 : 6) + o.n_bands);
            after += parallel;
            parallel = parallel || json_integer_value(json_object_get(json_array_get(steps, i), "rows")) > 1;
        }
        assert_int_equal(counts[n - 1], 0);
        assert_int_equal(isfinite(value(doc, "values", "d_unique")), parallel);
        json_decref(doc);
        tempo_unit_free(u);
    }
    assert_true(after > 0);
}

/* What shares the batch and how many threads there are changes no byte. */
static void test_alone_and_in_a_batch(void **state)
{
    const tempo_unit_options o = small_options();
    tempo_unit *u[PROMPTS];

    (void)state;
    for (size_t i = 0; i < PROMPTS; i++)
        u[i] = create_unit(engine, &o, prompts[i], PROMPT - i % 2);
    run_units(u, PROMPTS, NULL, NULL);
    for (size_t i = 0; i < PROMPTS; i++) {
        json_t *batch = tempo_unit_json(u[i]), *alone = unit_json(narrow, &o, prompts[i], PROMPT - i % 2);
        char *x = json_dumps(batch, JSON_REAL_PRECISION(17)), *y = json_dumps(alone, JSON_REAL_PRECISION(17));
        assert_string_equal(x, y);
        free(x);
        free(y);
        json_decref(batch);
        json_decref(alone);
        tempo_unit_free(u[i]);
    }
}

static void test_context_runs_out(void **state)
{
    const size_t context = tempo_model_get_info(model)->context_length;
    int32_t *ids = calloc(context + 1, sizeof(*ids));
    tempo_unit_options o = small_options();
    tempo_err err = {0};
    tempo_unit *u;

    (void)state;
    assert_non_null(ids);
    for (size_t i = 0; i < context + 1; i++)
        ids[i] = (int32_t)(i * 7 % 100);
    o.steps = 8;
    for (size_t room = 2; room <= 5; room += 3) {
        json_t *doc = unit_json(engine, &o, ids, context - room);
        /* of two, the arms with unique positions run out at once, and no arm goes on without them */
        assert_string_equal(json_string_value(json_object_get(doc, "stopped_by")), "context");
        assert_int_equal(json_array_size(json_object_get(doc, "steps")), room == 2 ? 1 : 6);
        json_decref(doc);
    }
    assert_int_equal(tempo_unit_create(&u, engine, &o, ids, context + 1, &err), TEMPO_E_LIMIT);
    assert_null(u);
    assert_true(err.msg[0] != '\0');
    free(ids);
}

/* A prompt without a parallel set has no values, and they are null: they are never 0. */
static void test_no_parallel_set(void **state)
{
    static const char *const keys[] = {"A2", "B", "C", "D2", "d_unique", "c_minus_uniform"};
    tempo_unit_options o = small_options();

    (void)state;
    o.threshold = 0.9;
    json_t *doc = unit_json(engine, &o, prompts[0], PROMPT);
    assert_int_equal(json_integer_value(json_object_get(doc, "parallel_steps")), 0);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        assert_true(json_is_null(json_object_get(json_object_get(doc, "values"), keys[i])));
    assert_true(json_is_null(json_object_get(json_object_get(doc, "checks"), "layer0")));
    assert_true(json_is_true(json_object_get(json_object_get(doc, "checks"), "same_q")));
    json_decref(doc);
}

/* Every number of the list is in a unit's file under its name, and in the documentation. */
static void test_metrics_list(void **state)
{
    const tempo_unit_options o = small_options();
    json_t *doc = unit_json(engine, &o, prompts[0], PROMPT);
    const json_t *steps = json_object_get(doc, "steps"), *values = json_object_get(doc, "values");
    char quoted[64];
    size_t n, names = 0;
    char *page = (char *)test_read_file("docs/studies.md", &n);

    (void)state;
    page = realloc(page, n + 1);
    page[n] = '\0';
    for (size_t i = 0; i < TEMPO_METRICS; i++) {
        const tempo_metric *m = &tempo_metrics[i];
        const char *const both[] = {m->key, m->name};
        bool found = m->key == NULL;
        for (size_t t = 0; t < json_array_size(steps) && !found; t++)
            found = json_object_get(json_object_get(json_array_get(steps, t), "metrics"), m->key) != NULL;
        assert_true(found);
        assert_true(m->name == NULL || json_is_number(json_object_get(values, m->name)));
        names += m->name != NULL;
        for (size_t k = 0; k < 2; k++) {
            (void)snprintf(quoted, sizeof(quoted), "`%s`", both[k] != NULL ? both[k] : "tv");
            if (strstr(page, quoted) == NULL)
                fail_msg("%s is not in docs/studies.md", quoted);
        }
    }
    assert_int_equal(json_object_size(values), names);
    free(page);
    json_decref(doc);
}

/* ---- lanes and their comparison ---- */

static tempo_lane lane(tempo_mode mode, tempo_order order)
{
    tempo_lane l = {.watch = true};
    tempo_decode_options o;
    tempo_err err = {0};

    tempo_decode_options_init(&o);
    o.mode = mode;
    o.order = order;
    o.threshold = 0.05;
    o.stop = TEMPO_STOP_NEVER;
    if (tempo_decoder_create(&l.d, engine, &o, prompts[0], PROMPT, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return l;
}

/* All take the sets of the first; afterwards each has read a parallel set. */
static void to_parallel(tempo_lane *const *lanes, size_t n)
{
    tempo_err err = {0};

    for (size_t step = 0; step < 8; step++) {
        read_lanes(lanes, n);
        if (lanes[0]->rows > 1)
            return;
        assert_int_equal(tempo_decoder_select(lanes[0]->d, &err), TEMPO_OK);
        for (size_t i = 1; i < n; i++)
            assert_int_equal(tempo_decoder_adopt(lanes[i]->d, tempo_decoder_last_set(lanes[0]->d), &err),
                             TEMPO_OK);
    }
    fail_msg("no parallel set");
}

/* Layer 0 is equal by construction: of a model that has no other there is nothing to say. */
static void test_above_first(void **state)
{
    (void)state;
    assert_true(tempo_compare_above_first((const double[]){9, 1, 2}, 3) == 1.5);
    assert_true(isnan(tempo_compare_above_first((const double[]){9}, 1)));
}

/* Members in the other order: turned back, nothing but roundings is left; not turned back, rows of different
 * members are compared.  */
static void test_mirrored(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        tempo_lane a = lane(mode == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE, TEMPO_ORDER_DESCENDING);
        tempo_lane b = lane(mode == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE, TEMPO_ORDER_ASCENDING);
        tempo_lane *both[] = {&a, &b};
        to_parallel(both, 2);
        /* TV of rows whose weights differ by r relative is r / 2; r is below 1e-5 by far */
        assert_true(tempo_compare_rows(&a, &b, true) <= 5e-6);
        assert_true(tempo_compare_rows(&a, &b, false) > 1e-4);
        assert_true(tempo_compare_rows(&a, &a, false) == 0.0);
        tempo_lane_free(&a);
        tempo_lane_free(&b);
    }
}

/* A pass that poll stopped has changed nothing: repeated, it gives every bit of one that was not stopped. */
static void test_stopped_and_repeated(void **state)
{
    tempo_lane a = lane(TEMPO_VISIBLE, TEMPO_ORDER_DESCENDING),
               b = lane(TEMPO_VISIBLE, TEMPO_ORDER_DESCENDING);
    tempo_lane *one[] = {&a}, *two[] = {&b};
    tempo_err err = {0};

    (void)state;
    for (size_t step = 0; step < 3; step++) {
        read_lanes(one, 1);
        assert_int_equal(tempo_lanes_read(two, 1, &(tempo_observer){.poll = never}, &err), TEMPO_E_STOPPED);
        read_lanes(two, 1);
        assert_int_equal(a.rows, b.rows);
        assert_int_equal(a.slots, b.slots);
        assert_true(tempo_compare_same_q(&a, &b));
        assert_memory_equal(a.attention, b.attention,
                            tempo_lane_floats(tempo_model_get_info(model), a.rows, a.slots) *
                                sizeof(*a.attention));
        assert_int_equal(tempo_decoder_select(a.d, &err), TEMPO_OK);
        assert_int_equal(tempo_decoder_adopt(b.d, tempo_decoder_last_set(a.d), &err), TEMPO_OK);
    }
    assert_true(a.rows > 1);
    tempo_lane_free(&a);
    tempo_lane_free(&b);
}

/* ---- noise floor ---- */

static json_t *floor_json(tempo_engine *e, const tempo_floor_options *o, size_t n, size_t which)
{
    tempo_run *runs[PROMPTS * TEMPO_FLOOR_MAX_GROUPS];
    tempo_floor *f[PROMPTS];
    tempo_err err = {0};
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        if (tempo_floor_create(&f[i], e, o, prompts[n == 1 ? which : i], PROMPT, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
    for (size_t i = 0; i < n; i++)
        tempo_floor_runs(f[i], runs, &count);
    run_runs(runs, count, NULL, NULL);
    json_t *doc = tempo_floor_json(f[n == 1 ? 0 : which]);
    for (size_t i = 0; i < n; i++)
        tempo_floor_free(f[i]);
    return doc;
}

static tempo_floor_options small_floor(void)
{
    return (tempo_floor_options){.threshold = 0.05,
                                 .steps = 4,
                                 .position_offset = 0.25,
                                 .nudges = {1, 2},
                                 .n_nudges = 2,
                                 .member_order = true};
}

static void test_floor(void **state)
{
    static const char *const groups[] = {"nudge-1", "nudge-2", "order"}, *const keys[] = {"A2", "B", "C",
                                                                                          "D2"};
    const tempo_floor_options o = small_floor();
    json_t *doc = floor_json(engine, &o, 1, 0);
    json_t *values = json_object_get(doc, "values");

    (void)state;
    assert_int_equal(json_object_size(values), 3); /* no other engine: no "instruction_set" */
    for (size_t g = 0; g < 3; g++)
        for (size_t k = 0; k < 4; k++) {
            const double v = value(values, groups[g], keys[k]);
            assert_true(v > 0.0);
            assert_true(v <= 1e-5);
        }
    json_decref(doc);
}

static void test_floor_other_engine(void **state)
{
    const tempo_model_options mo = {.size = sizeof(mo), .cpu = "scalar"};
    tempo_floor_options o = small_floor();
    tempo_err err = {0};
    tempo_model *m;

    (void)state;
    if (tempo_model_open(&m, "models/tempo-tiny", &mo, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_model *best = test_open_model("models/tempo-tiny");
    tempo_engine *e = test_engine(best, 2);
    o.other = test_engine(m, 1);
    o.n_nudges = 0;
    o.member_order = false;
    o.threshold = 0.05;
    json_t *doc = floor_json(e, &o, 2, 1);
    const double b = value(json_object_get(doc, "values"), "instruction_set", "B");
    assert_true(b >= 0.0 && b <= 1e-5);
    assert_int_equal(json_object_size(json_object_get(doc, "values")), 1);
    json_decref(doc);
    tempo_engine_free(o.other);
    tempo_engine_free(e);
    tempo_model_free(best);
    tempo_model_free(m);
}

static void test_floor_bits(void **state)
{
    const tempo_floor_options o = small_floor();

    (void)state;
    json_t *batch = floor_json(engine, &o, 3, 1), *alone = floor_json(narrow, &o, 1, 1),
           *another = floor_json(narrow, &o, 1, 2);
    const char *bits = json_string_value(json_object_get(batch, "bits"));
    assert_int_equal(strlen(bits), 16);
    assert_string_equal(bits, json_string_value(json_object_get(alone, "bits")));
    assert_string_not_equal(bits, json_string_value(json_object_get(another, "bits")));
    assert_true(json_equal(batch, alone));
    json_decref(batch);
    json_decref(alone);
    json_decref(another);
}

/* ---- control ---- */

static void test_control(void **state)
{
    static const int32_t strangers[] = {200, 17, 150, 33, 8, 90, 91, 92};
    tempo_unit_options o = small_options();
    double own, control;
    int32_t before[8], ids[64];
    size_t n_before = 0, m = 0;
    tempo_err err = {0};

    (void)state;
    json_t *full = unit_json(engine, &o, prompts[0], PROMPT);
    const json_t *steps = json_object_get(full, "steps");
    for (size_t i = 0; i < o.steps && m == 0; i++) {
        const json_t *members = json_object_get(json_array_get(steps, i), "members");
        if (json_array_size(members) < 2)
            before[n_before++] =
                (int32_t)json_integer_value(json_object_get(json_array_get(members, 0), "id"));
        else
            for (; m < json_array_size(members) && m < 64; m++)
                ids[m] = (int32_t)json_integer_value(json_object_get(json_array_get(members, m), "id"));
    }
    assert_in_range(m, 2, 16); /* so that strangers fit into one pass, whose sums have one order */
    tempo_control_sets s = {.prompt = prompts[0],
                            .n_prompt = PROMPT,
                            .before = before,
                            .n_before = n_before,
                            .own = ids,
                            .strangers = ids,
                            .m = m};
    if (tempo_control_run(engine, &s, NULL, NULL, &own, &control, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_true(own > 0 && own < 1);
    assert_true(own == control); /* strangers that are its own siblings */
    o.steps = n_before + 2;      /* the unit reads that set last */
    json_t *doc = unit_json(engine, &o, prompts[0], PROMPT);
    assert_near("share", own, value(doc, "values", "C"), 1e-12);

    int32_t theirs[64];
    for (size_t i = 0; i < m; i++)
        theirs[i] = strangers[i % 8];
    const double same = own;
    s.strangers = theirs;
    assert_int_equal(tempo_control_run(narrow, &s, NULL, NULL, &own, &control, &err), TEMPO_OK);
    assert_true(own == same);
    assert_true(control > 0 && control < 1 && control != own);
    s.m = 1;
    assert_int_equal(tempo_control_run(engine, &s, NULL, NULL, &own, &control, &err), TEMPO_E_ARG);
    assert_true(isnan(own) && isnan(control));
    s.m = m;
    assert_int_equal(tempo_control_run(engine, &s, never, NULL, &own, &control, &err), TEMPO_E_STOPPED);
    assert_true(isnan(own) && isnan(control));
    json_decref(doc);
    json_decref(full);
}

static int set_up(void **state)
{
    (void)state;
    model = test_open_synthetic("llama", TEMPO_F32);
    engine = test_engine(model, 2);
    narrow = test_engine(model, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tempo_engine_free(narrow);
    tempo_engine_free(engine);
    tempo_model_free(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_bands),
        cmocka_unit_test(test_unique_ends),
        cmocka_unit_test(test_alone_and_in_a_batch),
        cmocka_unit_test(test_context_runs_out),
        cmocka_unit_test(test_no_parallel_set),
        cmocka_unit_test(test_metrics_list),
        cmocka_unit_test(test_above_first),
        cmocka_unit_test(test_mirrored),
        cmocka_unit_test(test_stopped_and_repeated),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_floor_other_engine),
        cmocka_unit_test(test_floor_bits),
        cmocka_unit_test(test_control),
    };

    return cmocka_run_group_tests_name("study unit", tests, set_up, tear_down);
}
