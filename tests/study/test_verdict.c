/* The decision rule: what each verdict needs, the family, refusals, JSON. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/verdict.h"

enum { N = 40 };

/* Ascending around `centre`, spread evenly over +-width: no randomness, no skewness. */
static void fill(double *x, double centre, double width)
{
    for (int i = 0; i < N; i++)
        x[i] = centre + width * ((i * 17 % N) / ((N - 1) / 2.0) - 1);
}

static const tempo_decide_options quick = {.alpha = 0.05, .power = 0.8, .resamples = 200, .seed = 1};

static tempo_endpoint magnitude(const double *x)
{
    return (tempo_endpoint){
        .name = "m", .kind = TEMPO_ENDPOINT_MAGNITUDE, .x = x, .n = N, .limit = 1, .bound = 0.01};
}

static tempo_endpoint contrast(const double *x)
{
    return (tempo_endpoint){
        .name = "s", .kind = TEMPO_ENDPOINT_SIGNED, .x = x, .n = N, .limit = 1, .bound = 0.01};
}

static tempo_decision decide_one(tempo_endpoint e)
{
    tempo_decision d;

    assert_int_equal(tempo_decide(&e, 1, &quick, &d, NULL), TEMPO_OK);
    return d;
}

static void test_magnitudes(void **state)
{
    (void)state;
    double x[N];
    tempo_bound_test b;

    fill(x, 0.005, 0.005);
    tempo_decision d = decide_one(magnitude(x));
    assert_int_equal(d.verdict, TEMPO_VERDICT_EQUIVALENT);
    assert_int_equal(tempo_test_bound(x, N, 0.01, &b, NULL), TEMPO_OK);
    assert_true(d.p_equivalent == b.p_below && d.p_different == b.p_above);
    assert_true(d.p_equivalent_holm == d.p_equivalent); /* a family of one */
    assert_true(d.ci90.hi < 0.01 && d.ci90.lo < d.mean && d.mean < d.ci90.hi && d.ci95.hi > d.ci90.hi);
    assert_true(d.effect.dz < 0 && fabs(d.ratio - 0.5) < 1e-12);
    fill(x, 0.02, 0.01);
    d = decide_one(magnitude(x));
    assert_int_equal(d.verdict, TEMPO_VERDICT_DIFFERENT);
    assert_true(d.ci95.lo > 0.01 && d.effect.dz > 0 && d.mde > 0 && d.margin > 0);
    assert_true(d.bca95.lo < d.mean && d.mean < d.bca95.hi);
    /* far from zero, but not from the bound: never tested against zero, and never "the same" */
    fill(x, 0.0101, 0.01);
    d = decide_one(magnitude(x));
    assert_int_equal(d.verdict, TEMPO_VERDICT_INCONCLUSIVE);
    assert_true(d.ci95.lo > 0 && d.mde > 0 && d.ci90.hi > 0.01 && !d.limited && d.needed == 0 &&
                d.counted >= N - 1);
}

static void test_contrasts(void **state)
{
    (void)state;
    double x[N];

    for (int sign = -1; sign <= 1; sign += 2) {
        fill(x, sign * 0.001, 0.005); /* differs from 0, which equivalence overrules */
        tempo_decision d = decide_one(contrast(x));
        assert_int_equal(d.verdict, TEMPO_VERDICT_EQUIVALENT);
        assert_true(d.ci90.lo > -0.01 && d.ci90.hi < 0.01);
        fill(x, sign * 0.02, 0.02);
        d = decide_one(contrast(x));
        assert_int_equal(d.verdict, TEMPO_VERDICT_DIFFERENT);
        assert_true(sign * d.effect.dz > 0 && d.mde > 0 && fabs(d.ratio - 2) < 1e-12);
        tempo_zero_test z;
        assert_int_equal(tempo_test_zero(x, N, &z, NULL), TEMPO_OK);
        assert_true(d.p_different == z.p);
        fill(x, sign * 0.001, 0.06);
        d = decide_one(contrast(x));
        assert_int_equal(d.verdict, TEMPO_VERDICT_INCONCLUSIVE);
        assert_true(d.p_different > 0.2);
    }
    /* signed values within the bound on one side only are not equivalent */
    fill(x, -0.012, 0.001);
    assert_int_equal(decide_one(contrast(x)).verdict, TEMPO_VERDICT_DIFFERENT);
}

/* The larger of bound and floor is in force. */
static void test_floor(void **state)
{
    (void)state;
    double x[N];

    fill(x, 0.02, 0.01);
    tempo_endpoint e = magnitude(x);
    e.floor = 0.009;
    tempo_decision d = decide_one(e);
    assert_true(d.bound == 0.01 && !d.from_floor && d.verdict == TEMPO_VERDICT_DIFFERENT);
    e.floor = 0.03;
    d = decide_one(e);
    assert_true(d.bound == 0.03 && d.from_floor && d.verdict == TEMPO_VERDICT_EQUIVALENT);
}

/* Identical goes first, whatever else holds; too few values say nothing. */
static void test_identical_and_no_data(void **state)
{
    (void)state;
    double zero[N] = {0};
    tempo_endpoint e = magnitude(zero);

    tempo_decision d = decide_one(e);
    assert_int_equal(d.verdict, TEMPO_VERDICT_TOO_FEW); /* all zero, but nobody says bitwise */
    e.identical = true;
    d = decide_one(e);
    assert_int_equal(d.verdict, TEMPO_VERDICT_IDENTICAL);
    assert_true(d.mean == 0 && d.p_different == 1);
    e = magnitude(zero);
    e.n = 1;
    d = decide_one(e);
    assert_int_equal(d.verdict, TEMPO_VERDICT_NO_DATA);
    assert_true(d.mean == 0 && isnan(d.sd) && d.p_equivalent == 1 && d.method_equivalent == NULL);
    e.n = 0;
    e.x = NULL;
    d = decide_one(e);
    assert_int_equal(d.verdict, TEMPO_VERDICT_NO_DATA);
    assert_true(isnan(d.mean));
    e.identical = true;
    assert_int_equal(decide_one(e).verdict, TEMPO_VERDICT_IDENTICAL);
}

/* Below 20 prompts, or with fewer than 8 values that are not next to 0, only what holds of any distribution
 * is said; else the verdict is "too few prompts", with the number that would do.  */
static void test_too_few(void **state)
{
    (void)state;
    double x[N];
    tempo_limited_test l;

    fill(x, 0.005, 0.005);
    for (size_t n = 2; n <= N; n++) {
        tempo_endpoint e = magnitude(x);
        e.n = n;
        const tempo_decision d = decide_one(e);
        if (n >= TEMPO_MIN_PROMPTS) {
            assert_int_equal(d.verdict, TEMPO_VERDICT_EQUIVALENT);
            continue;
        }
        assert_int_equal(d.verdict, TEMPO_VERDICT_TOO_FEW);
        assert_true(d.limited && d.needed == TEMPO_MIN_PROMPTS && isnan(d.mde) && isnan(d.margin) &&
                    isnan(d.bca95.lo));
        assert_int_equal(tempo_test_limited(x, n, 0, 1, 0.01, &l, NULL), TEMPO_OK);
        assert_true(d.p_equivalent == l.p_below && d.p_different == l.p_above);
        assert_true(d.ci90.lo >= 0 && d.ci90.lo < d.mean && d.ci90.hi > 0.01);
    }
    /* five prompts that differ by twenty bounds each: so much no distribution of shares does by chance */
    fill(x, 0.2, 0.01);
    tempo_endpoint e = magnitude(x);
    e.n = 5;
    tempo_decision d = decide_one(e);
    assert_int_equal(d.verdict, TEMPO_VERDICT_DIFFERENT);
    assert_true(d.limited && d.p_different < 1e-6 && isnan(d.mde));
    /* of a contrast five say nothing, whatever their signs */
    e.kind = TEMPO_ENDPOINT_SIGNED;
    d = decide_one(e);
    assert_int_equal(d.verdict, TEMPO_VERDICT_TOO_FEW);
    assert_true(d.needed == TEMPO_MIN_PROMPTS && isnan(d.mde) && isnan(d.margin));
}

/* Zeros, and what is next to 0: the bound's hundredth. */
static void test_few_that_count(void **state)
{
    (void)state;
    double x[N] = {0};
    tempo_endpoint e = magnitude(x);

    for (size_t i = 0; i < 7; i++)
        x[i] = 0.02 + 0.001 * (double)i;
    tempo_decision d = decide_one(e);
    assert_int_equal(d.verdict, TEMPO_VERDICT_TOO_FEW);
    assert_true(d.counted == 7 && d.n == N && d.needed == (N * 8 + 6) / 7); /* 46 */
    for (size_t i = 7; i < N; i++)
        x[i] = 1e-4; /* the hundredth itself */
    assert_int_equal(decide_one(e).counted, 7);
    x[7] = 1.1e-4;
    d = decide_one(e);
    assert_true(d.counted == 8 && !d.limited);
    e.floor = 0.0115; /* of the bound in force */
    assert_int_equal(decide_one(e).verdict, TEMPO_VERDICT_TOO_FEW);
    /* none counts: what 299 zeros show of a mean of 0.01 (0.99^299 < 0.05) these 40 do not */
    for (size_t i = 0; i < N; i++)
        x[i] = 0;
    e.floor = 0;
    d = decide_one(e);
    assert_true(d.verdict == TEMPO_VERDICT_TOO_FEW && d.counted == 0 && d.needed == 299);
    double zeros[299] = {0};
    e.x = zeros;
    e.n = 299;
    assert_int_equal(decide_one(e).verdict, TEMPO_VERDICT_EQUIVALENT);
    e.n = 298;
    assert_int_equal(decide_one(e).verdict, TEMPO_VERDICT_TOO_FEW);
    /* all equal: nothing is known of their spread, and beyond the limit's reach no number would do */
    for (size_t i = 0; i < N; i++)
        x[i] = 0.01;
    e = magnitude(x);
    d = decide_one(e);
    assert_true(d.verdict == TEMPO_VERDICT_TOO_FEW && d.counted == N && d.needed == 0);
    /* a contrast with enough values for its bound, and too few that are not 0 to be tested against it */
    for (size_t i = 0; i < N; i++)
        x[i] = i < 19 ? 0.02 + 0.001 * (double)(i % 5) : 0;
    e = contrast(x);
    d = decide_one(e);
    assert_true(!d.limited && d.verdict == TEMPO_VERDICT_INCONCLUSIVE && d.p_different == 1 &&
                d.method_different == NULL && isnan(d.mde) && d.margin > 0);
    x[19] = 0.021;
    d = decide_one(e);
    assert_true(d.verdict == TEMPO_VERDICT_DIFFERENT && d.method_different != NULL && d.mde > 0);
}

/* What is said of power is what the test in use finds: for a mean moved by mde or margin beyond what it is
 * found half of the time or more, by construction 0.8 over resamples; here on values without chance it just
 * holds.  */
static void test_power_is_of_the_test(void **state)
{
    (void)state;
    double x[N];
    tempo_bound_power p;

    fill(x, 0.006, 0.006);
    tempo_decision d = decide_one(magnitude(x));
    assert_int_equal(tempo_power_bound(x, N, 0, 0.05, 0.8, 200, 2, &p, NULL), TEMPO_OK);
    assert_true(fabs(0.01 + d.mde - d.mean * 0.01 / (d.mean - p.minimal_above)) < 1e-15);
    assert_true(fabs(0.01 - d.margin - d.mean * 0.01 / (d.mean + p.minimal_below)) < 1e-15);
    fill(x, 0.01 + d.mde, 0.01 + d.mde); /* as widely spread, for its mean, as before */
    assert_int_equal(decide_one(magnitude(x)).verdict, TEMPO_VERDICT_DIFFERENT);
    fill(x, 0.01 - d.margin, 0.01 - d.margin);
    assert_int_equal(decide_one(magnitude(x)).verdict, TEMPO_VERDICT_EQUIVALENT);
    /* values that hardly differ: a mean that hardly differs from the bound is found */
    fill(x, 0.006, 1e-6);
    d = decide_one(magnitude(x));
    assert_true(d.mde < 1e-5 && d.margin < 1e-5 && d.mde > 0 && d.margin > 0);
    /* a contrast: two-sided, so at half of alpha */
    fill(x, 0.001, 0.06);
    d = decide_one(contrast(x));
    assert_int_equal(tempo_power_bound(x, N, 0, 0.025, 0.8, 200, 2, &p, NULL), TEMPO_OK);
    assert_true(d.mde == fmax(p.minimal_above, p.minimal_below));
    for (size_t i = 0; i < N; i++)
        x[i] += d.mde - 0.001;
    assert_int_equal(decide_one(contrast(x)).verdict, TEMPO_VERDICT_DIFFERENT);
}

/* Holm over the family, for differences and for equivalence apart; endpoints without data count. */
static void test_family(void **state)
{
    (void)state;
    double x[4][N];
    tempo_decision d[4];
    double raw[4], holm[4];

    fill(x[0], 0.0091, 0.005);
    fill(x[1], 0.0109, 0.005);
    fill(x[2], 0.005, 0.005);
    fill(x[3], 0.002, 0.02);
    const tempo_endpoint e[] = {magnitude(x[0]), magnitude(x[1]), magnitude(x[2]), contrast(x[3])};
    assert_int_equal(tempo_decide(e, 4, &quick, d, NULL), TEMPO_OK);
    for (int i = 0; i < 4; i++)
        raw[i] = d[i].p_equivalent;
    assert_int_equal(tempo_adjust_holm(raw, 4, holm, NULL), TEMPO_OK);
    for (int i = 0; i < 4; i++)
        assert_true(d[i].p_equivalent_holm == holm[i] && d[i].family == 4);
    for (int i = 0; i < 4; i++)
        raw[i] = d[i].p_different;
    assert_int_equal(tempo_adjust_holm(raw, 4, holm, NULL), TEMPO_OK);
    for (int i = 0; i < 4; i++)
        assert_true(d[i].p_different_holm == holm[i]);
    /* what alone is different no longer is among four, three of which are not */
    assert_true(d[1].p_different < 0.05 && d[1].p_different_holm > 0.05);
    assert_int_equal(d[1].verdict, TEMPO_VERDICT_INCONCLUSIVE);
    assert_true(d[0].p_equivalent < 0.05 && d[0].p_equivalent_holm > 0.05);
    assert_int_equal(d[0].verdict, TEMPO_VERDICT_INCONCLUSIVE);
    assert_int_equal(decide_one(e[0]).verdict, TEMPO_VERDICT_EQUIVALENT);
    assert_int_equal(decide_one(e[1]).verdict, TEMPO_VERDICT_DIFFERENT);
    assert_true(decide_one(e[1]).mde < d[1].mde);
    assert_int_equal(tempo_decide(e, 0, &quick, d, NULL), TEMPO_OK);
    /* the same again, to the bit */
    tempo_decision again[4];
    assert_int_equal(tempo_decide(e, 4, &quick, again, NULL), TEMPO_OK);
    assert_int_equal(tempo_decide(e, 4, &quick, d, NULL), TEMPO_OK);
    for (int i = 0; i < 4; i++)
        assert_true(again[i].p_different == d[i].p_different && again[i].bca95.lo == d[i].bca95.lo &&
                    again[i].mde == d[i].mde && again[i].margin == d[i].margin);
}

static void test_refusals(void **state)
{
    (void)state;
    double x[N];
    tempo_decision d[2];
    tempo_err err = {0};

    fill(x, 0.005, 0.005);
    tempo_endpoint e[2] = {magnitude(x), magnitude(x)};
    x[7] = -1e-9;
    assert_int_equal(tempo_decide(e, 2, &quick, d, &err), TEMPO_E_ARG);
    assert_string_equal(err.msg, "endpoint m: the value of prompt 7 is negative");
    assert_true(d[0].verdict == TEMPO_VERDICT_NO_DATA && isnan(d[0].p_different) && isnan(d[1].mean));
    e[0].kind = e[1].kind = TEMPO_ENDPOINT_SIGNED;
    assert_int_equal(tempo_decide(e, 2, &quick, d, NULL), TEMPO_OK);
    x[7] = NAN;
    assert_int_equal(tempo_decide(e, 2, &quick, d, NULL), TEMPO_E_ARG);
    x[7] = 0;
    const double bounds[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        tempo_endpoint b = magnitude(x);
        b.bound = bounds[i];
        assert_int_equal(tempo_decide(&b, 1, &quick, d, NULL), TEMPO_E_ARG);
    }
    e[0].floor = NAN;
    assert_int_equal(tempo_decide(e, 1, &quick, d, NULL), TEMPO_E_ARG);
    e[0].floor = 0;
    const tempo_decide_options bad[] = {{.alpha = NAN, .power = 0.8},
                                        {.alpha = 0.5, .power = 0.8},
                                        {.alpha = 0.05, .power = 1},
                                        {.alpha = 0.05, .power = 0.8, .resamples = 99}};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(tempo_decide(e, 1, &bad[i], d, NULL), TEMPO_E_ARG);
    const tempo_decide_options standard = TEMPO_DECIDE_DEFAULTS;
    assert_true(standard.resamples == 10000 && standard.alpha == 0.05);
    const double limits[] = {0, -1, NAN, 0.001};
    for (size_t i = 0; i < 4; i++) {
        tempo_endpoint l = magnitude(x);
        l.limit = limits[i];
        assert_int_equal(tempo_decide(&l, 1, &quick, d, NULL), TEMPO_E_ARG);
    }
}

/* Every number is there under its name, and what does not exist is null. */
static void test_json(void **state)
{
    (void)state;
    double x[N];
    json_t *o;

    fill(x, 0.02, 0.01);
    tempo_decision d = decide_one(magnitude(x));
    assert_non_null(o = tempo_decision_json(&d));
    assert_string_equal(json_string_value(json_object_get(o, "verdict")), "different");
    assert_string_equal(json_string_value(json_object_get(o, "kind")), "magnitude");
    assert_true(json_real_value(json_object_get(o, "mean")) == d.mean);
    assert_true(json_real_value(json_array_get(json_object_get(o, "ci90"), 1)) == d.ci90.hi);
    assert_true(json_real_value(json_array_get(json_object_get(o, "bca95"), 0)) == d.bca95.lo);
    assert_true(json_real_value(json_object_get(json_object_get(o, "different"), "p_holm")) ==
                d.p_different_holm);
    assert_true(json_real_value(json_object_get(json_object_get(o, "effect"), "g")) == d.effect.g);
    assert_true(json_real_value(json_object_get(o, "mde")) == d.mde);
    assert_true(json_real_value(json_object_get(o, "different_from")) == d.bound + d.mde);
    assert_true(json_real_value(json_object_get(o, "equivalent_up_to")) == d.bound - d.margin);
    assert_int_equal(json_integer_value(json_object_get(o, "counted")), N);
    assert_true(json_is_null(json_object_get(o, "needed")));
    assert_int_equal(json_integer_value(json_object_get(o, "n")), N);
    json_decref(o);
    tempo_endpoint none = {.name = "nothing", .limit = 1, .bound = 0.01};
    tempo_endpoint few = magnitude(x);
    few.n = 4;
    few.bound = 0.02;
    d = decide_one(few);
    assert_non_null(o = tempo_decision_json(&d));
    assert_string_equal(json_string_value(json_object_get(o, "verdict")), "too few prompts");
    assert_int_equal(json_integer_value(json_object_get(o, "needed")), TEMPO_MIN_PROMPTS);
    assert_true(json_is_null(json_object_get(o, "different_from")) &&
                json_is_null(json_object_get(o, "equivalent_up_to")) &&
                json_is_null(json_object_get(o, "mde")));
    json_decref(o);
    d = decide_one(none);
    assert_non_null(o = tempo_decision_json(&d));
    assert_string_equal(json_string_value(json_object_get(o, "verdict")), "no data");
    assert_true(json_is_null(json_object_get(o, "mean")) && json_is_null(json_object_get(o, "ci95")));
    assert_true(json_is_null(json_object_get(json_object_get(o, "equivalent"), "method")));
    json_decref(o);
    for (int v = 0; v <= TEMPO_VERDICT_NO_DATA; v++)
        for (int w = 0; w < v; w++)
            assert_string_not_equal(tempo_verdict_name((tempo_verdict)v),
                                    tempo_verdict_name((tempo_verdict)w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_magnitudes),
        cmocka_unit_test(test_contrasts),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_identical_and_no_data),
        cmocka_unit_test(test_too_few),
        cmocka_unit_test(test_few_that_count),
        cmocka_unit_test(test_power_is_of_the_test),
        cmocka_unit_test(test_family),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
