/* test_report.c - a study directory written by hand: what the report makes of it, computed here in other
 * ways. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "files/json_out.h"
#include "report/report.h"
#include "study/floor.h"
#include "draw/say.h"
#include "stats/stats.h"
#include "support/tmpdir.h"

enum { PROMPTS = 21, N = 20 }; /* the last has no parallel set */

/* eight numbers, and again with a percent more each time */
static double a2[N], b[N], c[N], d2[N], changes[N];
static const double a2_base[8] = {.001, .0012, .0009, .0011, .001, .0013, .0008, .001};
static const double b_base[8] = {.30, .25, .35, .28, .31, .27, .33, .29};
static const double c_base[8] = {.002, .03, .004, .019, .001, .012, .008, .005};
static const double d2_base[8] = {.02, .03, .025, .041, .018, .022, .033, .027};
static const double changes_base[8] = {0, 0, .5, 0, .25, 1, 0, 0};
static const double uniform = .125;
static const double c_floor = .00058 * (19 + .82); /* of the floor files below, numpy's quantile */

static void fill_values(void)
{
    for (size_t i = 0; i < N; i++) {
        const double more = 1 + .01 * (double)(i / 8);
        a2[i] = a2_base[i % 8] * more;
        b[i] = b_base[i % 8] * more;
        c[i] = c_base[i % 8] * more;
        d2[i] = d2_base[i % 8] * more;
        changes[i] = changes_base[i % 8];
    }
}

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
        "\"c_minus_uniform\": %.17g, \"a2_js\": %.17g, \"b_js\": 0.002, \"b_kl_isolated_visible\": %.17g, "
        "\"sibling_mass\": %.17g, \"first_slot_mass\": 0.5}, \"checks\": {\"same_q\": false, "
        "\"one_position\": %s, \"layer0\": %.17g}, \"parallel_steps\": 2, \"layers\": {\"attention_tv\": [0, "
        "%.17g, %.17g], \"attention_js\": [0, 1]},"
        "\"heads\": {\"sibling_share\": [[%.17g, %.17g], [%.17g, %.17g]], \"uniform_share\": %.17g},"
        "\"knockout\": [{\"first_layer\": 0, \"last_layer\": 0, \"tv_to_isolated\": %.17g, "
        "\"tv_to_visible\": null}]}",
        b[i], i, .1 + b[i], a2[i], b[i], c[i], d2[i], changes[i], c[i] - .01, a2[i] / 10, 3 * b[i], c[i] / 2,
        i == 3 ? "false" : "true", 1e-7 * (double)(i + 1), a2[i] / 2, 20 * a2[i], share(i, 0), share(i, 1),
        share(i, 2), share(i, 3), uniform, b[i] / 2);
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
                   1e-6 * (double)(i + 1), .00058 * (double)(i + 1));
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
               "{\"schema\": 2, \"version\": \"x\", \"hypotheses\": {\"sha256\": \"%s\"}, \"prompts\": "
               "{\"sha256\": \"%s\", \"n\": %d}, \"models\": [{\"name\": \"hand-made\", \"parameters\": 7, "
               "\"architecture\": "
               "\"llama\"}], "
               "\"thresholds\": [0.1], \"steps\": 12}",
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
    fill_values();
    for (size_t i = 0; i < 3; i++) {
        test_path(path, dir, folders[i]);
        test_mkdir(path);
    }
    write_study();
    for (size_t i = 0; i < PROMPTS; i++) {
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
    return tempo_number_at(o, key);
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
    assert_int_equal(count(slice(), "prompts"), PROMPTS);
    assert_int_equal(count(slice(), "missing"), 0);
    assert_string_equal(json_string_value(json_object_get(slice(), "family")), "confirmatory");
    assert_int_equal(json_array_size(json_object_get(report, "departures")), 0);
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
    tempo_zero_test z;
    assert_int_equal(tempo_test_zero(d2, N, &z, NULL), TEMPO_OK);
    assert_near(num(json_object_get(decision(3), "different"), "p"), z.p, 0);
}

/* The bootstrap draws with its own seed, not with that of permutations. */
static void test_bootstrap_seed(void **state)
{
    tempo_hypotheses *h;
    tempo_boot boot;

    (void)state;
    assert_int_equal(tempo_hypotheses_load(&h, "experiments/hypotheses.yaml", NULL, NULL), TEMPO_OK);
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(
            tempo_boot_mean(k == 0 ? a2 : b, N, 0.95, h->resamples, h->seeds.bootstrap + 2 * k, &boot, NULL),
            TEMPO_OK);
        assert_near(item(json_object_get(decision(k), "bca95"), 0), boot.lo, 0);
        assert_near(item(json_object_get(decision(k), "bca95"), 1), boot.hi, 0);
    }
    tempo_hypotheses_free(h);
}

static const json_t *other(size_t k, const char *key)
{
    const json_t *list = json_object_get(decision(k), "other_measures"), *one;
    size_t i;

    json_array_foreach(list, i,
                       one) if (strcmp(json_string_value(json_object_get(one, "key")), key) == 0) return one;
    fail_msg("no %s", key);
    return NULL;
}

static bool verdict_is(const json_t *o, const char *verdict)
{
    return strcmp(json_string_value(json_object_get(o, "verdict")), verdict) == 0;
}

/* The same endpoints by other measures; where one says another thing, the decision says so. */
static void test_other_measures(void **state)
{
    (void)state;
    assert_true(verdict_is(other(0, "a2_js"), "equivalent"));
    assert_near(num(other(0, "a2_js"), "mean"), mean(a2, N) / 10, 1e-16);
    assert_true(json_is_false(json_object_get(decision(0), "depends_on_measure")));
    assert_true(verdict_is(other(1, "b_js"), "too few prompts")); /* 20 equal numbers */
    assert_true(verdict_is(other(1, "b_kl_isolated_visible"), "different"));
    assert_near(num(other(1, "b_kl_isolated_visible"), "mean"), 3 * mean(b, N), 1e-14);
    assert_true(json_is_true(json_object_get(decision(1), "depends_on_measure")));
    assert_int_equal(json_array_size(json_object_get(decision(1), "other_measures")),
                     2); /* units have no more */
    assert_near(num(other(2, "sibling_mass"), "mean"), mean(c, N) / 2, 1e-16);
    assert_near(num(other(2, "sibling_mass"), "bound"), c_floor,
                1e-15); /* the floor was measured of the same attention */
    assert_near(num(decision(2), "first_slot_mass"), .5, 0);
    assert_null(json_object_get(decision(3), "other_measures"));
    /* layer 0 is none of those that can be the largest */
    const json_t *largest = json_object_get(decision(0), "largest_layer");
    assert_int_equal(count(largest, "layer"), 2);
    assert_near(num(largest, "mean"), 20 * mean(a2, N), 1e-15);
    assert_true(verdict_is(largest, "different"));
}

/* Siblings exchanged: 19 prompts, so by products of 1 + x and 1 - x. */
static void test_control(void **state)
{
    const json_t *k = json_object_get(decision(2), "control");
    double up = 1, down = 1, own = 0;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        if (i == 1)
            continue;
        own += .2 + .01 * (double)i;
        up /= 1 + .1 + .01 * (double)i;
        down /= 1 - .1 - .01 * (double)i;
        n++;
    }
    assert_true(verdict_is(k, "too few prompts"));
    assert_int_equal(count(k, "n"), n);
    assert_int_equal(count(k, "needed"), TEMPO_MIN_PROMPTS);
    assert_int_equal(count(k, "family"), 1);
    assert_near(num(k, "share"), own / (double)n, 1e-15);
    assert_near(num(k, "control"), .1, 1e-15);
    assert_near(num(json_object_get(k, "different"), "p"), fmin(1, 2 * fmin(up, down)), 1e-7);
}

static void test_position(void **state)
{
    (void)state;
    assert_near(num(decision(3), "position_offset"), .1, 0);
    assert_string_equal(json_string_value(json_object_get(decision(3), "direction")), "sharing dampens");
    assert_null(json_object_get(decision(1), "position_offset"));
}

static void test_floors(void **state)
{
    const json_t *floor = json_object_get(model(), "noise_floor"), *groups = json_object_get(floor, "groups");

    (void)state;
    assert_int_equal(count(floor, "prompts"), N);
    /* 19 values, numpy's quantile: between the largest two, 0.99 * 18 = 17.82 */
    assert_near(num(json_object_get(groups, "nudge-1"), "B"), 1e-6 * (19 + .82), 1e-18);
    assert_near(num(json_object_get(groups, "order"), "C"), c_floor, 1e-15);
    assert_near(num(json_object_get(groups, "order"), "A2"), 2e-9, 1e-20);
    /* the larger of the groups; the larger of it and the registered bound is in force */
    assert_near(num(json_object_get(floor, "floor"), "B"), 1e-6 * (19 + .82), 1e-18);
    assert_near(num(decision(1), "bound"), .01, 0);
    assert_near(num(decision(2), "bound"), c_floor, 1e-15);
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
    assert_near(num(a1, "worst"), 2e-6, 1e-20);
    assert_true(json_is_false(json_object_get(d1, "holds")));
    assert_int_equal(count(d1, "unequal"), 1);
}

static void test_contrasts(void **state)
{
    const json_t *list = explored("contrasts"), *uniform_c = json_object_get(list, "c_minus_uniform"),
                 *exchanged = json_object_get(list, "c_minus_exchanged");
    double x[N], y[N];
    tempo_zero_test z;
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
    assert_int_equal(tempo_test_zero(x, N, &z, NULL), TEMPO_OK);
    assert_near(num(uniform_c, "p"), z.p, 0);
    assert_true(num(uniform_c, "minimal_detectable") > 0);
    assert_int_equal(count(exchanged, "n"), N - 1);
    assert_near(num(exchanged, "mean"), mean(y, n), 1e-14);
    assert_near(num(exchanged, "p_sign_flip"), sign_flip(y, n), 1e-12);
    assert_near(num(exchanged, "p_wilcoxon"), ldexp(2, -(N - 1)), 1e-12); /* all of one sign, exact */
    assert_true(num(exchanged, "p") > num(exchanged, "p_sign_flip"));     /* 19 are too few for t */
    assert_true(json_is_null(json_object_get(exchanged, "minimal_detectable")));
    assert_int_equal(count(json_object_get(list, "c_minus_nearest"), "n"), 0);
    assert_null(json_object_get(json_object_get(list, "c_minus_nearest"), "mean"));
}

/* Clopper and Pearson's by bisection of the binomial sum. */
static void test_share_of_prompts(void **state)
{
    const json_t *u = explored("unchanged_prompts"), *ci = json_object_get(u, "interval");

    (void)state;
    assert_int_equal(count(u, "n"), N);
    assert_int_equal(count(u, "unchanged"), 13);
    assert_near(item(ci, 0), solve(13, N, .025), 1e-9);
    assert_near(item(ci, 1), solve(14, N, .975), 1e-9);
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
    assert_near(item(json_object_get(layers, "attention_tv"), 0), 0, 0);
    assert_near(item(json_object_get(layers, "attention_tv"), 1), mean(a2, N) / 2, 1e-15);
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
    assert_int_equal(json_array_size(shifts), 10);
    assert_string_equal(json_string_value(json_object_get(json_array_get(shifts, 0), "prompt")), "p-18");
    assert_near(num(json_array_get(shifts, 0), "visible"), .1 + .35 * 1.02, 1e-15);
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
        const tempo_page_style style = {.markdown = markdown == 1, .width = 100};
        char *text = tempo_study_report_text(report, &style);
        assert_non_null(text);
        assert_non_null(strstr(text, "A2: equivalent"));
        assert_non_null(strstr(text, "C: inconclusive"));
        assert_non_null(strstr(text, "B: different"));
        assert_non_null(strstr(text, "The verdict depends on the measure: not all of these give it"));
        char largest[80];
        (void)snprintf(largest, sizeof(largest), "It is largest in layer 2: %.3g (different).",
                       20 * mean(a2, N));
        assert_non_null(strstr(text, largest));
        assert_non_null(strstr(text, "This is of D = 0.1: "));
        assert_non_null(strstr(text, "sharing a position dampens it."));
        assert_non_null(strstr(text, "C, siblings exchanged (exploratory): too few prompts."));
        assert_non_null(strstr(text, "unequal in 1)"));
        assert_non_null(strstr(text, "Against isolated, visible is faster by 50.00%"));
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

/* What is looked at before all prompts are finished is not confirmatory, and neither is another study than
 * the registered one.  */
static void test_departures(void **state)
{
    const tempo_page_style style = {.markdown = true, .width = 100};
    tempo_err err = {0};
    char path[512], aside[512];
    json_t *doc;

    (void)state;
    test_path(path, dir, "units/m0-t0.1-p-20.json");
    test_path(aside, dir, "units/aside");
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(tempo_study_report(&doc, dir, &err), TEMPO_OK);
    const json_t *t =
        json_array_get(json_object_get(json_array_get(json_object_get(doc, "models"), 0), "thresholds"), 0);
    assert_int_equal(count(t, "missing"), 1);
    assert_string_equal(json_string_value(json_object_get(t, "family")), "exploratory");
    char *text = tempo_study_report_text(doc, &style);
    assert_non_null(strstr(text, "1 of 21 prompts are not finished"));
    free(text);
    json_decref(doc);
    assert_int_equal(rename(aside, path), 0);

    test_path(path, dir, "study.json");
    size_t n;
    char *plan = (char *)test_read_file(path, &n), *at = strstr(plan, "\"steps\": 12");
    assert_non_null(at);
    memcpy(at, "\"steps\": 34", 11);
    test_write_file(path, plan, n);
    assert_int_equal(tempo_study_report(&doc, dir, &err), TEMPO_OK);
    text = tempo_study_report_text(doc, &style);
    assert_null(strstr(text, "Only the first"));
    assert_non_null(strstr(text, "nothing here is confirmatory"));
    assert_non_null(strstr(text, "34 steps instead of 12"));
    const json_t *v = json_array_get(json_object_get(doc, "verdicts"), 0);
    assert_string_equal(json_string_value(json_object_get(v, "family")), "exploratory");
    free(text);
    json_decref(doc);
    memcpy(at, "\"steps\": 12", 11);

    /* the first four prompts of the file are of one stratum */
    at = strstr(plan, "\"n\": 21");
    assert_non_null(at);
    memcpy(at, "\"n\":  4", 7);
    test_write_file(path, plan, n);
    assert_int_equal(tempo_study_report(&doc, dir, &err), TEMPO_OK);
    text = tempo_study_report_text(doc, &style);
    assert_non_null(strstr(text, "Only the first 4 of 21 prompts of the file: of 1 of its 2 strata."));
    free(text);
    json_decref(doc);
    memcpy(at, "\"n\": 21", 7);

    /* a study of the version before: refused as what it is, and its report stays */
    at = strstr(plan, "\"schema\": 2");
    assert_non_null(at);
    at[10] = '1';
    test_write_file(path, plan, n);
    assert_int_equal(tempo_study_report(&doc, dir, &err), TEMPO_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "earlier version"));
    at[10] = '2';
    test_write_file(path, plan, n);
    free(plan);
}

/* ---- sentences ---- */

static void says(const char *decision, const char *wanted)
{
    json_t *d = json_loads(decision, 0, NULL);
    tempo_text t = {0};

    assert_non_null(d);
    tempo_report_says(&t, d, true);
    char *text = tempo_text_take(&t);
    assert_non_null(text);
    if (strstr(text, wanted) == NULL)
        fail_msg("\"%s\"\nwithout \"%s\"", text, wanted);
    free(text);
    json_decref(d);
}

/* What could be shown is said of the side on which the mean lies, and of nothing that no test could show. */
static void test_says(void **state)
{
#define HEAD "{\"id\": \"B\", \"metric\": \"distance\", \"kind\": \"magnitude\", \"bound\": 0.01, "
#define SIGNED "{\"id\": \"D2\", \"metric\": \"interaction\", \"kind\": \"signed\", \"bound\": 0.01, "
    (void)state;
    says(HEAD "\"verdict\": \"inconclusive\", \"mean\": 0.0053, \"ci95\": [0.001, 0.012], \"mde\": 0.00178, "
              "\"margin\": 0.006, \"different_from\": 0.01178, \"equivalent_up_to\": 0.004}",
         "The mean distance is 0.0053 (95% interval 0.001 to 0.012): neither below nor above the bound of "
         "0.01 is "
         "shown.  A study like this one shows that it is within the bound of 0.01 about four times in five "
         "where "
         "the true "
         "mean is at most 0.004.");
    says(HEAD "\"verdict\": \"inconclusive\", \"mean\": 0.0053, \"mde\": 0.00178, \"margin\": 0.02, "
              "\"different_from\": 0.01178, \"equivalent_up_to\": null}",
         "shows not even of a true mean of 0 about four times in five that it is within the bound of 0.01.");
    says(HEAD "\"verdict\": \"inconclusive\", \"mean\": 0.011, \"mde\": 0.00178, \"margin\": 0.006, "
              "\"different_from\": 0.01178, \"equivalent_up_to\": 0.004}",
         "shows that it is above the bound about four times in five where the true mean is at least 0.0118.");
    says(SIGNED "\"verdict\": \"inconclusive\", \"mean\": 0.002, \"mde\": 0.03, \"margin\": 0.02, "
                "\"different_from\": 0.03, \"equivalent_up_to\": null, \"different\": {\"method\": \"t\"}}",
         "A study like this one shows that it is not 0 about four times in five where the true mean is at "
         "least "
         "0.03 from "
         "0, and not even of a true mean of 0 about four times in five that it is within +-0.01.");
    says(SIGNED "\"verdict\": \"inconclusive\", \"mean\": 0.002, \"mde\": null, \"margin\": 0.004, "
                "\"different_from\": null, \"equivalent_up_to\": 0.006, \"different\": {\"method\": null}}",
         "with fewer than 20 values that are not 0 it is not tested against 0.  A study like this one shows "
         "that it "
         "is within +-0.01 about four times in five where the true mean is at most 0.006 from 0.");
    says(HEAD "\"verdict\": \"too few prompts\", \"mean\": 0.001, \"n\": 5, \"counted\": 5, \"needed\": 20}",
         "5 prompts have a value, fewer than 20: too few for a verdict whose errors are controlled.  With "
         "values like "
         "these at least 20 prompts that have one would do.");
    says(SIGNED
         "\"verdict\": \"too few prompts\", \"mean\": 0.001, \"n\": 126, \"counted\": 6, \"needed\": 168}",
         "Only 6 of 126 values are not next to 0: too few");
    says(HEAD
         "\"verdict\": \"too few prompts\", \"mean\": 0.01, \"n\": 40, \"counted\": 40, \"needed\": null}",
         "All 40 values are equal: too few for a verdict whose errors are controlled.  No number of prompts");
    says(HEAD "\"verdict\": \"no data\"}", "Fewer than two prompts have a value.");
    says(SIGNED
         "\"verdict\": \"different\", \"mean\": -0.02, \"ci95\": [-0.03, -0.01], \"position_offset\": 0.05, "
         "\"direction\": \"sharing amplifies\"}",
         "which is not 0; that it lies within +-0.01 is not shown.  This is of D = 0.05: members 0.05 apart "
         "instead of "
         "at one position, which also brings them nearer to all that follows; another D may give another "
         "verdict.  "
         "Direction: below 0, apart siblings change each other's predictions less; sharing a position "
         "amplifies it.");
    says(HEAD
         "\"verdict\": \"different\", \"mean\": 0.02, \"other_measures\": [{\"measure\": \"JS\", \"unit\": "
         "\"nat\", "
         "\"mean\": 0.003, \"bound\": 0.01, \"verdict\": \"equivalent\"}], \"depends_on_measure\": true}",
         "Measured otherwise: JS 0.003 nat against 0.01, equivalent.  **The verdict depends on the measure: "
         "by another "
         "of these it is the opposite.**");
    says(HEAD
         "\"verdict\": \"different\", \"mean\": 0.02, \"control\": {\"verdict\": \"different\", \"kind\": "
         "\"signed\", \"mean\": -0.03, \"share\": 0.1, \"control\": 0.13, \"ci95\": [-0.04, -0.02], \"n\": "
         "30}}",
         "and strangers of equal rank in their place 0.13: siblings less strangers are -0.03 (95% interval "
         "-0.04 to "
         "-0.02), which is not 0: siblings get less than strangers would.");
}

static void test_say_faster(void **state)
{
    static const struct {
        double percent, lo, hi;
        const char *said, *interval;
    } rows[] = {{-6.46, -9.1, -3.8, "slower by 6.46%", "slower by 3.80% to 9.10%"},
                {3.2, 1.1, 5.3, "faster by 3.20%", "faster by 1.10% to 5.30%"},
                {-0.5, -4, 3, "slower by 0.50%", "slower by 4.00% to faster by 3.00%"},
                {0.001, -0.004, 0.004, "as fast", "as fast to as fast"},
                {1, 0, 2, "faster by 1.00%", "as fast to faster by 2.00%"},
                {1, NAN, 2, "faster by 1.00%", "-"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        tempo_text t = {0};
        tempo_say_faster(&t, rows[i].percent, 2);
        assert_string_equal(t.s, rows[i].said);
        tempo_text_free(&t);
        tempo_say_faster_interval(&t, rows[i].lo, rows[i].hi, 2);
        assert_string_equal(t.s, rows[i].interval);
        tempo_text_free(&t);
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
        cmocka_unit_test(test_bootstrap_seed),
        cmocka_unit_test(test_other_measures),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_position),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_says),
        cmocka_unit_test(test_say_faster),
        cmocka_unit_test(test_departures),
        cmocka_unit_test(test_no_study),
    };

    return cmocka_run_group_tests_name("study report", tests, set_up, tear_down);
}
