/* test_report.c - a study directory written by hand: what the report makes of it, computed here in other
 * ways. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "study/json_out.h"
#include "study/report.h"
#include "support/tmpdir.h"

enum { PROMPTS = 10, N = 8 }; /* the ninth has no parallel set, the tenth has no file */

static const double a2[N] = {.001, .0012, .0009, .0011, .001, .0013, .0008, .001};
static const double b[N] = {.30, .25, .35, .28, .31, .27, .33, .29};
static const double c[N] = {.002, .03, .004, .019, .001, .012, .008, .005};
static const double d2[N] = {.02, .03, .025, .041, .018, .022, .033, .027};
static const double changes[N] = {0, 0, .5, 0, .25, 1, 0, 0};
static const double uniform = .125;

static char dir[256];
static json_t *report;

/* ---- the directory ---- */

static void write_text(const char *name, const char *format, ...) TEMPO_PRINTF(2, 3);
static void write_text(const char *name, const char *format, ...)
{
    char path[512], text[4096];
    va_list ap;

    va_start(ap, format);
    const int n = vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    assert_true(n > 0 && n < (int)sizeof(text));
    test_path(path, dir, name);
    test_write_file(path, text, (size_t)n);
}

static double share(size_t prompt, size_t head)
{
    return uniform + .01 * (double)head + .001 * (double)((prompt * 5 + head * 3) % 7);
}

static void write_unit(size_t i)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "units/m0-t0.1-p-%zu.json", i);
    if (i == N) {
        write_text(
            name,
            "{\"steps\": [{\"step\": 0, \"metrics\": {}}], \"values\": {\"A2\": null, \"B\": null, \"C\": "
            "null, "
            "\"D2\": null, \"set_changes\": null}, \"checks\": {\"same_q\": true, \"one_position\": true, "
            "\"layer0\": null}, \"parallel_steps\": 0, \"heads\": {\"sibling_share\": [[null, null], [null, "
            "null]], \"uniform_share\": null}}");
        return;
    }
    write_text(
        name,
        "{\"steps\": [{\"step\": 1, \"metrics\": {\"tv\": %.17g}, \"shifts\": [{\"id\": %zu, \"isolated\": "
        "0.1, \"visible\": %.17g}]}, {\"step\": 2, \"metrics\": {\"tv\": null}}],"
        "\"values\": {\"A2\": %.17g, \"B\": %.17g, \"C\": %.17g, \"D2\": %.17g, \"set_changes\": %.17g, "
        "\"c_minus_uniform\": %.17g}, \"checks\": {\"same_q\": false, \"one_position\": %s, \"layer0\": "
        "%.17g}, \"parallel_steps\": 2, \"layers\": {\"attention_js\": [0, %.17g], \"attention_l1\": [0, 1]},"
        "\"heads\": {\"sibling_share\": [[%.17g, %.17g], [%.17g, %.17g]], \"uniform_share\": %.17g},"
        "\"knockout\": [{\"first_layer\": 0, \"last_layer\": 0, \"tv_to_isolated\": %.17g, "
        "\"tv_to_visible\": null}]}",
        b[i], i, .1 + b[i], a2[i], b[i], c[i], d2[i], changes[i], c[i] - .01, i == 3 ? "false" : "true",
        1e-7 * (double)(i + 1), a2[i], share(i, 0), share(i, 1), share(i, 2), share(i, 3), uniform, b[i] / 2);
}

static void write_floor(size_t i)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "floor/m0-p-%zu.json", i);
    if (i == 2)
        write_text(name,
                   "{\"values\": {\"nudge-1\": {\"A2\": null, \"B\": null, \"C\": null, \"D2\": null}}}");
    else
        write_text(name,
                   "{\"values\": {\"nudge-1\": {\"A2\": 1e-9, \"B\": %.17g, \"C\": 1e-8, \"D2\": 1e-7},"
                   "\"order\": {\"A2\": 2e-9, \"B\": 1e-6, \"C\": %.17g, \"D2\": 0}}}",
                   1e-6 * (double)(i + 1), .002 * (double)(i + 1));
}

static void write_study(void)
{
    char path[512], text[4096] = "prompts:\n";
    char h_hash[TEMPO_HASH_CHARS], p_hash[TEMPO_HASH_CHARS];
    size_t n;

    for (size_t i = 0; i < PROMPTS; i++) {
        const size_t at = strlen(text);
        (void)snprintf(text + at, sizeof(text) - at, "  - {id: p-%zu, stratum: %s, text: \"Prompt %zu\"}\n",
                       i, i < 4 ? "first" : "second", i);
    }
    write_text("prompts.yaml", "%s", text);
    unsigned char *h = test_read_file("experiments/hypotheses.yaml", &n);
    test_path(path, dir, "hypotheses.yaml");
    test_write_file(path, h, n);
    assert_int_equal(tempo_hash_bytes(h, n, h_hash, NULL), TEMPO_OK);
    assert_int_equal(tempo_hash_bytes(text, strlen(text), p_hash, NULL), TEMPO_OK);
    free(h);
    write_text("study.json",
               "{\"schema\": 1, \"version\": \"x\", \"hypotheses\": {\"sha256\": \"%s\"}, \"prompts\": "
               "{\"sha256\": \"%s\", \"n\": %d}, \"models\": [{\"name\": \"hand-made\", \"parameters\": 7, "
               "\"architecture\": "
               "\"llama\"}], "
               "\"thresholds\": [0.1], \"steps\": 3}",
               h_hash, p_hash, PROMPTS);
    write_text("timing-m0.json",
               "{\"threads\": 1, \"warmup\": 1, \"pairs\": ["
               "{\"isolated_s\": 2, \"visible_s\": 1}, {\"isolated_s\": 8, \"visible_s\": 4}, "
               "{\"isolated_s\": 1, \"visible_s\": 0.5}]}");
}

static int set_up(void **state)
{
    static const char *const folders[] = {"floor", "units", "control"};
    tempo_err err = {0};
    char path[512];

    (void)state;
    test_tmpdir_create(dir);
    for (size_t i = 0; i < 3; i++) {
        test_path(path, dir, folders[i]);
        test_mkdir(path);
    }
    write_study();
    for (size_t i = 0; i < PROMPTS - 1; i++) {
        char name[64];
        write_unit(i);
        if (i >= N)
            continue;
        write_floor(i);
        (void)snprintf(name, sizeof(name), "control/m0-t0.1-p-%zu.json", i);
        write_text(name,
                   i == 1 ? "{\"share\": 0.2, \"control\": null}" : "{\"share\": %.17g, \"control\": 0.1}",
                   .2 + .01 * (double)i);
    }
    if (tempo_study_report(&report, dir, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(report);
    test_tmpdir_remove(dir);
    return 0;
}

/* ---- looking things up ---- */

static json_t *model(void)
{
    return json_array_get(json_object_get(report, "models"), 0);
}

static json_t *slice(void)
{
    return json_array_get(json_object_get(model(), "thresholds"), 0);
}

static json_t *explored(const char *key)
{
    return json_object_get(json_object_get(slice(), "exploratory"), key);
}

static json_t *decision(size_t i)
{
    return json_array_get(json_object_get(slice(), "decisions"), i);
}

static double item(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

static double num(const json_t *o, const char *key)
{
    return tempo_json_get_number(o, key);
}

static long long count(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.17g, expected %.17g within %.2g", got, want, tolerance);
}

/* ---- computed here ---- */

static double mean(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* All 2^n signs: how many sums are as far from 0. */
static double sign_flip(const double *x, size_t n)
{
    size_t hits = 0;

    for (size_t mask = 0; mask < (size_t)1 << n; mask++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (mask >> i & 1) != 0 ? -x[i] : x[i];
        hits += fabs(sum) >= fabs(mean(x, n)) * (double)n * (1 - 1e-12);
    }
    return (double)hits / (double)((size_t)1 << n);
}

/* P(at least k of n) at p. */
static double at_least(size_t k, size_t n, double p)
{
    double sum = 0;

    for (size_t i = k; i <= n; i++)
        sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1)) *
               pow(p, (double)i) * pow(1 - p, (double)(n - i));
    return sum;
}

/* The p at which at_least(k, n, p), which grows with p, is `target`. */
static double solve(size_t k, size_t n, double target)
{
    double lo = 0, hi = 1;

    for (size_t i = 0; i < 100; i++) {
        const double mid = (lo + hi) / 2;
        if (at_least(k, n, mid) < target)
            lo = mid;
        else
            hi = mid;
    }
    return (lo + hi) / 2;
}

/* ---- tests ---- */

static void test_decisions(void **state)
{
    static const char *const verdicts[] = {"equivalent", "different", "inconclusive", "different"};
    static const double *const values[] = {a2, b, c, d2};

    (void)state;
    assert_false(json_is_true(json_object_get(report, "files_changed")));
    assert_int_equal(count(slice(), "prompts"), PROMPTS - 1);
    for (size_t k = 0; k < 4; k++) {
        assert_string_equal(json_string_value(json_object_get(decision(k), "id")), tempo_primaries[k]);
        assert_string_equal(json_string_value(json_object_get(decision(k), "verdict")), verdicts[k]);
        assert_int_equal(count(decision(k), "n"), N);
        assert_int_equal(count(decision(k), "left_out"), PROMPTS - N);
        assert_near(num(decision(k), "mean"), mean(values[k], N), 1e-14);
        const json_t *v = json_array_get(json_object_get(report, "verdicts"), k);
        assert_string_equal(json_string_value(json_object_get(v, "verdict")), verdicts[k]);
        assert_string_equal(json_string_value(json_object_get(v, "family")), "confirmatory");
    }
    /* of D2 all signs are equal: 2 of 256 patterns; Holm multiplies by its place in the family */
    assert_near(num(json_object_get(decision(3), "different"), "p"), sign_flip(d2, N), 1e-12);
    assert_near(sign_flip(d2, N), 2. / 256, 1e-12);
}

static void test_floors(void **state)
{
    const json_t *floor = json_object_get(model(), "noise_floor"), *groups = json_object_get(floor, "groups");

    (void)state;
    assert_int_equal(count(floor, "prompts"), N);
    /* 7 values, numpy's quantile: between the largest two, 0.99 * 6 = 5.94 */
    assert_near(num(json_object_get(groups, "nudge-1"), "B"), 1e-6 * (7 + .94), 1e-18);
    assert_near(num(json_object_get(groups, "order"), "C"), .002 * (7 + .94), 1e-15);
    assert_near(num(json_object_get(groups, "order"), "A2"), 2e-9, 1e-20);
    /* the larger of the groups; the larger of it and the registered bound is in force */
    assert_near(num(json_object_get(floor, "floor"), "B"), 1e-6 * (7 + .94), 1e-18);
    assert_near(num(decision(1), "bound"), .01, 0);
    assert_near(num(decision(2), "bound"), .002 * (7 + .94), 1e-15);
    assert_near(num(decision(2), "registered_bound"), .01, 0);
    assert_string_equal(json_string_value(json_object_get(decision(2), "bound_from")), "noise floor");
    assert_string_equal(json_string_value(json_object_get(decision(1), "bound_from")), "registered");
}

static void test_deterministic(void **state)
{
    const json_t *d = json_object_get(slice(), "deterministic"), *a1 = json_object_get(d, "A1"),
                 *d1 = json_object_get(d, "D1");

    (void)state;
    assert_int_equal(count(a1, "n"), N); /* not the one without a parallel set */
    assert_true(json_is_true(json_object_get(a1, "holds")));
    assert_near(num(a1, "worst"), 8e-7, 1e-20);
    assert_true(json_is_false(json_object_get(d1, "holds")));
    assert_int_equal(count(d1, "unequal"), 1);
}

static void test_contrasts(void **state)
{
    const json_t *list = explored("contrasts"), *uniform_c = json_object_get(list, "c_minus_uniform"),
                 *exchanged = json_object_get(list, "c_minus_exchanged");
    double x[N], y[N];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        x[i] = c[i] - .01;
        if (i != 1)
            y[n++] = .1 + .01 * (double)i;
    }
    assert_int_equal(count(uniform_c, "n"), N);
    assert_near(num(uniform_c, "mean"), mean(x, N), 1e-14);
    assert_near(num(uniform_c, "p_sign_flip"), sign_flip(x, N), 1e-12);
    assert_int_equal(count(exchanged, "n"), N - 1);
    assert_near(num(exchanged, "mean"), mean(y, n), 1e-14);
    assert_near(num(exchanged, "p_sign_flip"), sign_flip(y, n), 1e-12);
    assert_near(num(exchanged, "p_wilcoxon"), 2. / 128, 1e-12); /* all of one sign, exact */
    assert_int_equal(count(json_object_get(list, "c_minus_nearest"), "n"), 0);
    assert_null(json_object_get(json_object_get(list, "c_minus_nearest"), "mean"));
}

/* Clopper and Pearson's by bisection of the binomial sum. */
static void test_share_of_prompts(void **state)
{
    const json_t *u = explored("unchanged_prompts"), *ci = json_object_get(u, "interval");

    (void)state;
    assert_int_equal(count(u, "n"), N);
    assert_int_equal(count(u, "unchanged"), 5);
    assert_near(item(ci, 0), solve(5, N, .025), 1e-9);
    assert_near(item(ci, 1), solve(6, N, .975), 1e-9);
}

static void test_heads_and_layers(void **state)
{
    const json_t *heads = explored("heads"), *map = json_object_get(heads, "sibling_share"),
                 *ranked = json_object_get(heads, "ranked"), *layers = explored("layers");
    double want[4], last = INFINITY;

    (void)state;
    assert_int_equal(count(heads, "prompts"), N);
    assert_near(num(heads, "uniform_share"), uniform, 1e-15);
    for (size_t h = 0; h < 4; h++) {
        double x[N];
        for (size_t i = 0; i < N; i++)
            x[i] = share(i, h);
        want[h] = mean(x, N);
        assert_near(item(json_array_get(map, h / 2), h % 2), want[h], 1e-14);
    }
    assert_int_equal(json_array_size(ranked), 4);
    for (size_t k = 0; k < 4; k++) {
        const json_t *r = json_array_get(ranked, k);
        const size_t h = (size_t)(count(r, "layer") * 2 + count(r, "head"));
        assert_in_range(h, 0, 3);
        assert_near(num(r, "share"), want[h], 1e-14);
        assert_near(num(r, "over_uniform"), want[h] - uniform, 1e-14);
        assert_true(num(r, "share") <= last);
        last = num(r, "share");
    }
    assert_near(item(json_object_get(layers, "attention_js"), 0), 0, 0);
    assert_near(item(json_object_get(layers, "attention_js"), 1), mean(a2, N), 1e-15);
}

static void test_steps_strata_and_knockouts(void **state)
{
    const json_t *tv = json_object_get(explored("step_metrics"), "tv"), *strata = explored("strata"),
                 *band = json_array_get(explored("knockout"), 0), *shifts = explored("shifts");

    (void)state;
    assert_int_equal(count(tv, "steps"), N); /* nulls are left out */
    assert_int_equal(count(tv, "prompts"), N);
    assert_near(num(tv, "mean"), mean(b, N), 1e-14);
    assert_true(item(json_object_get(tv, "interval"), 0) < num(tv, "mean"));
    assert_true(item(json_object_get(tv, "interval"), 1) > num(tv, "mean"));
    assert_null(json_object_get(explored("step_metrics"), "js"));
    assert_int_equal(json_array_size(strata), 2);
    assert_int_equal(count(json_array_get(strata, 0), "n"), 4);
    assert_near(num(json_array_get(strata, 0), "B"), mean(b, 4), 1e-14);
    assert_near(num(json_array_get(strata, 1), "D2"), mean(d2 + 4, N - 4), 1e-14);
    assert_near(num(band, "tv_to_isolated"), mean(b, N) / 2, 1e-14);
    assert_true(json_is_null(json_object_get(band, "tv_to_visible")));
    assert_int_equal(json_array_size(shifts), N);
    assert_string_equal(json_string_value(json_object_get(json_array_get(shifts, 0), "prompt")), "p-2");
    assert_near(num(json_array_get(shifts, 0), "visible"), .1 + .35, 1e-15);
}

static void test_timing(void **state)
{
    const json_t *t = json_array_get(json_object_get(report, "timing"), 0);

    (void)state;
    assert_int_equal(count(t, "pairs"), 3);
    assert_near(num(t, "ratio"), 2, 1e-12);
    assert_near(num(t, "visible_faster_percent"), 50, 1e-9);
    assert_near(num(t, "p_sign_flip"), 2. / 8, 1e-12);
}

/* No test says that two things are the same. */
static void test_text(void **state)
{
    (void)state;
    for (int markdown = 0; markdown < 2; markdown++) {
        const tempo_report_style style = {.markdown = markdown == 1, .width = 100};
        char *text = tempo_study_report_text(report, &style);
        assert_non_null(text);
        assert_non_null(strstr(text, "A2: equivalent"));
        assert_non_null(strstr(text, "C: inconclusive"));
        assert_non_null(strstr(text, "D1 DOES NOT HOLD"));
        assert_null(strstr(text, "nan"));
        assert_null(strstr(text, "WARNING"));
        for (const char *s = strstr(strstr(text, "Prompts are the unit"), "same");
             /* the title asks */ s != NULL; s = strstr(s + 1, "same")) {
            const char *line = s;
            while (line > text && line[-1] != '\n')
                line--;
            /* what the word may stand in: that it is never said, and sets that are compared one by one */
            if (strncmp(s - strlen("never the "), "never the ", strlen("never the ")) != 0 &&
                strstr(line, "all of whose sets would be the same") != line + strlen("Prompts "))
                fail_msg("\"%.80s\"", line);
        }
        free(text);
    }
}

static void test_no_study(void **state)
{
    tempo_err err = {0};
    json_t *doc;

    (void)state;
    assert_int_equal(tempo_study_report(&doc, "models", &err), TEMPO_E_NOTFOUND);
    assert_null(doc);
    assert_non_null(strstr(err.msg, "study.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_floors),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_contrasts),
        cmocka_unit_test(test_share_of_prompts),
        cmocka_unit_test(test_heads_and_layers),
        cmocka_unit_test(test_steps_strata_and_knockouts),
        cmocka_unit_test(test_timing),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_no_study),
    };

    return cmocka_run_group_tests_name("study report", tests, set_up, tear_down);
}
