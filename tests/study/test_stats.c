/* Statistics against published examples and against numpy, scipy and R: reference_stats.py made the .inc. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stats/stats.h"
#include "stats/dist.h"

#include "reference_stats.inc"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* |got - want| <= relative tolerance * |want|, false for NaN. */
#define assert_close(got, want, tol) check_close(got, want, tol, #got, __LINE__)
static void check_close(double got, double want, double tol, const char *what, int line)
{
    if (!(fabs(got - want) <= tol * fabs(want)))
        fail_msg("line %d: %s is %.17g, not %.17g", line, what, got, want);
}

#define assert_nan(v) assert_true(isnan(v))
#define ok(call) assert_int_equal(call, TEMPO_OK)

static void test_summaries(void **state)
{
    (void)state;
    const size_t n = COUNT(ref_skewed);
    tempo_summary s;
    double *sorted = tempo_stats_sorted(ref_skewed, n);

    ok(tempo_stats_describe(ref_skewed, n, &s, NULL));
    const double got[] = {s.mean, s.sd, tempo_stats_skewness(ref_skewed, n), s.min, s.q25, s.median,
                          s.q75,  s.max};
    for (size_t i = 0; i < COUNT(got); i++)
        assert_close(got[i], ref_summary[i], 1e-13);
    for (size_t i = 0; i < COUNT(ref_deciles); i++)
        assert_close(tempo_stats_quantile(sorted, n, (double)i / 10), ref_deciles[i], 1e-13);
    free(sorted);
    assert_null(tempo_stats_sorted(ref_skewed, 0));
    assert_nan(tempo_stats_quantile(ref_skewed, 0, 0.5));
    assert_nan(tempo_stats_quantile(ref_skewed, 3, NAN));
    ok(tempo_stats_describe(ref_skewed, 1, &s, NULL));
    assert_true(s.mean == ref_skewed[0] && s.max == ref_skewed[0] && isnan(s.sd));
    assert_nan(tempo_stats_mean(NULL, 0));
    assert_true(tempo_stats_skewness((double[]){0.1, 0.1, 0.1}, 3) == 0);
}

/* Every procedure refuses what is not finite, and leaves NaN behind. */
static void test_refusals(void **state)
{
    (void)state;
    const double bad[] = {1, 2, NAN, 4}, endless[] = {1, INFINITY, 2, 3}, fine[] = {1, 2, 3, 5};
    const double *const both[] = {bad, endless};
    tempo_err err = {0};
    tempo_summary s;
    tempo_bound_test b;
    tempo_interval i;
    tempo_tost t;
    tempo_boot boot;
    tempo_sign_flip f;
    tempo_zero_test z;
    tempo_limited_test l;
    tempo_interval li;
    tempo_wilcoxon w;
    tempo_effect e;
    tempo_ratio r;
    tempo_bound_power p;
    double out[4];

    for (size_t k = 0; k < 2; k++) {
        const double *x = both[k];
        assert_int_equal(tempo_stats_describe(x, 4, &s, &err), TEMPO_E_ARG);
        assert_int_equal(tempo_test_bound(x, 4, 0, &b, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_interval_mean(x, 4, 0.9, &i, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_test_within(x, 4, 1, &t, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_boot_mean(x, 4, 0.9, 100, 1, &boot, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_boot_clusters(x, (size_t[]){3, 1}, 2, 0.9, 100, 1, &boot, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_test_sign_flip(x, 4, 20, 10, 1, &f, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_test_zero(x, 4, &z, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_test_limited(x, 4, 0, 9, 1, &l, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_interval_limited(x, 4, 0, 9, 0.9, &li, NULL), TEMPO_E_ARG);
        assert_true(isnan(z.p) && isnan(l.p_below) && isnan(l.p_above) && isnan(li.lo) && isnan(li.hi));
        assert_int_equal(tempo_test_wilcoxon(x, 4, &w, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_effect_size(x, 4, 0, 0.9, &e, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_stats_ratio(x, fine, 4, 0.9, &r, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_stats_ratio(fine, x, 4, 0.9, &r, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_power_bound(x, 4, 1, 0.05, 0.8, 100, 1, &p, NULL), TEMPO_E_ARG);
        assert_int_equal(tempo_stats_head_map(x, 2, 2, out, NULL, out + 2, NULL), TEMPO_E_ARG);
        assert_true(isnan(s.mean) && isnan(b.p_below) && isnan(b.p_above) && isnan(i.lo) && isnan(t.p));
        assert_true(isnan(boot.lo) && isnan(f.p) && isnan(w.p) && isnan(e.dz) && isnan(r.p) &&
                    isnan(p.above));
        assert_true(isnan(out[0]) && isnan(out[3]));
    }
    assert_string_equal(err.msg, "value 2 is not finite");
    assert_int_equal(tempo_test_bound(fine, 1, 0, &b, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_test_bound(fine, 4, NAN, &b, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_test_within(fine, 4, 0, &t, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_interval_mean(fine, 4, 1, &i, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_boot_mean(fine, 4, 0.9, 99, 1, &boot, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_boot_clusters(fine, (size_t[]){2, 0, 2}, 3, 0.9, 100, 1, &boot, NULL),
                     TEMPO_E_ARG);
    assert_int_equal(tempo_test_sign_flip(fine, 4, 20, 0, 1, &f, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_test_sign_flip(fine, 4, 25, 10, 1, &f, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_test_limited(fine, 4, 0, 4, 1, &l, NULL), TEMPO_E_ARG); /* 5 is beyond */
    assert_int_equal(tempo_test_limited(fine, 4, 2, 9, 3, &l, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_test_limited(fine, 4, 0, 9, 9, &l, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_test_limited(fine, 4, 0, 9, 0, &l, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_test_limited(fine, 4, 9, 0, 1, &l, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_interval_limited(fine, 4, 0, 9, 1, &li, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_stats_ratio(fine, (double[]){1, 2, 0, 3}, 4, 0.9, &r, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_interval_share(3, 2, 0.9, &i, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_adjust_holm((double[]){0.1, NAN}, 2, out, NULL), TEMPO_E_ARG);
    assert_nan(out[0]);
    assert_int_equal(tempo_adjust_bh((double[]){0.1, 1.1}, 2, out, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_adjust_bh((double[]){0.1, -0.1}, 2, out, NULL), TEMPO_E_ARG);
}

static void test_bound(void **state)
{
    (void)state;
    double mirrored[COUNT(ref_skewed)];
    tempo_bound_test b;
    tempo_tost t;

    for (size_t i = 0; i < COUNT(ref_skewed); i++)
        mirrored[i] = -ref_skewed[i];
    for (size_t i = 0; i < COUNT(ref_bounds); i++) {
        ok(tempo_test_bound(ref_skewed, COUNT(ref_skewed), ref_bounds[i], &b, NULL));
        assert_close(b.p_below, ref_bound_skewed[2 * i], 1e-10);
        assert_close(b.p_above, ref_bound_skewed[2 * i + 1], 1e-10);
        ok(tempo_test_bound(mirrored, COUNT(mirrored), -ref_bounds[i], &b, NULL));
        assert_close(b.p_below, ref_bound_mirrored[2 * i], 1e-10);
        assert_close(b.p_above, ref_bound_mirrored[2 * i + 1], 1e-10);
        ok(tempo_test_bound(ref_inflated, COUNT(ref_inflated), ref_bounds[i], &b, NULL));
        assert_close(b.p_below, ref_bound_inflated[2 * i], 1e-10);
        assert_close(b.p_above, ref_bound_inflated[2 * i + 1], 1e-10);
    }
    ok(tempo_test_within(ref_signed, COUNT(ref_signed), 0.01, &t, NULL));
    assert_close(t.p_below, ref_within[0], 1e-10);
    assert_close(t.p_above, ref_within[1], 1e-10);
    assert_true(t.p == fmax(t.p_below, t.p_above));
}

/* Without skewness the test is Student's: here t is the root of 3 with 7 degrees of freedom. */
static void test_bound_is_students_t(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3, 4, 5, 6, 7, 8};
    tempo_bound_test b;

    ok(tempo_test_bound(x, 8, 3, &b, NULL));
    assert_close(b.t, 1.5 / (sqrt(6) / sqrt(8)), 1e-13);
    assert_close(b.t_below, b.t, 1e-13);
    assert_close(b.p_above, ref_student[0], 1e-12);
    assert_close(b.p_below, 1 - ref_student[0], 1e-12);
}

/* All values equal: certain, or nothing at all when they sit on the bound. */
static void test_bound_degenerate(void **state)
{
    (void)state;
    const double x[] = {0.1, 0.1, 0.1};
    const double at[] = {0.2, 0.05, 0.1}, below[] = {0, 1, 1}, above[] = {1, 0, 1};
    tempo_bound_test b;
    tempo_interval i;

    for (size_t k = 0; k < 3; k++) {
        ok(tempo_test_bound(x, 3, at[k], &b, NULL));
        assert_true(b.p_below == below[k] && b.p_above == above[k] && b.sd == 0);
    }
    ok(tempo_interval_mean(x, 3, 0.9, &i, NULL));
    assert_true(i.lo == 0.1 && i.hi == 0.1);
}

/* Interval and tests say the same: at its ends each test just rejects. */
static void test_interval(void **state)
{
    (void)state;
    tempo_interval i;
    tempo_bound_test b;

    ok(tempo_interval_mean(ref_skewed, COUNT(ref_skewed), 0.9, &i, NULL));
    assert_close(i.lo, ref_interval90[0], 1e-10);
    assert_close(i.hi, ref_interval90[1], 1e-10);
    ok(tempo_test_bound(ref_skewed, COUNT(ref_skewed), i.lo, &b, NULL));
    assert_close(b.p_above, 0.05, 1e-9);
    ok(tempo_test_bound(ref_skewed, COUNT(ref_skewed), i.hi, &b, NULL));
    assert_close(b.p_below, 0.05, 1e-9);
    ok(tempo_interval_mean(ref_signed, COUNT(ref_signed), 0.95, &i, NULL));
    assert_close(i.lo, ref_interval95_signed[0], 1e-9);
    assert_close(i.hi, ref_interval95_signed[1], 1e-9);
}

static void test_bootstrap(void **state)
{
    (void)state;
    const size_t n = COUNT(ref_skewed);
    size_t ones[COUNT(ref_skewed)];
    tempo_boot b, c;

    ok(tempo_boot_mean(ref_skewed, n, 0.95, 2000, 7, &b, NULL));
    assert_close(b.lo, ref_boot[0], 1e-12);
    assert_close(b.hi, ref_boot[1], 1e-12);
    assert_close(b.bias, ref_boot[2], 1e-10);
    assert_close(b.acceleration, ref_boot[3], 1e-10);
    assert_false(b.degenerate);
    ok(tempo_boot_mean(ref_skewed, n, 0.95, 100000, 7, &b, NULL));
    assert_close(b.lo, ref_boot_scipy[0], 0.01); /* other draws: what 1e5 resamples leave open */
    assert_close(b.hi, ref_boot_scipy[1], 0.01);
    ok(tempo_boot_clusters(ref_clustered, ref_sizes, COUNT(ref_sizes), 0.9, 2000, (5ull << 32) + 9, &b,
                           NULL));
    assert_close(b.lo, ref_boot_clusters[0], 1e-12);
    assert_close(b.hi, ref_boot_clusters[1], 1e-12);
    assert_close(b.bias, ref_boot_clusters[2], 1e-10);
    assert_close(b.acceleration, ref_boot_clusters[3], 1e-10);
    ok(tempo_boot_mean(ref_counts, COUNT(ref_counts), 0.9, 1000, 2, &b, NULL)); /* ties with the mean */
    assert_close(b.bias, ref_boot_counts[2], 1e-10);
    assert_close(b.lo, ref_boot_counts[0], 1e-12);
    assert_close(b.hi, ref_boot_counts[1], 1e-12);
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    ok(tempo_boot_mean(ref_skewed, n, 0.95, 500, 3, &b, NULL));
    ok(tempo_boot_clusters(ref_skewed, ones, n, 0.95, 500, 3, &c, NULL));
    assert_true(b.lo == c.lo && b.hi == c.hi);
}

static void test_bootstrap_degenerate(void **state)
{
    (void)state;
    const double same[] = {0.3, 0.3, 0.3, 0.3}, two[] = {1, 2};
    tempo_boot b;

    ok(tempo_boot_mean(same, 4, 0.95, 100, 1, &b, NULL));
    assert_true(b.degenerate && b.lo == b.estimate && b.hi == b.estimate);
    assert_close(b.estimate, 0.3, 1e-15);
    ok(tempo_boot_mean(two, 2, 0.95, 100, 1, &b, NULL));
    assert_true(b.degenerate && b.estimate == 1.5 && isnan(b.lo) && isnan(b.hi));
    ok(tempo_boot_clusters(same, (size_t[]){1, 2, 1}, 3, 0.95, 100, 1, &b, NULL));
    assert_true(b.degenerate && b.lo == b.estimate);
    assert_int_equal(tempo_boot_mean(two, 0, 0.95, 100, 1, &b, NULL), TEMPO_E_ARG);
}

static void test_sign_flip(void **state)
{
    (void)state;
    const double mixed[] = {0.1, -0.2, 0.3, 0,    0.7, 0.4, 0.3, -0.1, 0.6, 0.2,
                            0.2, 0.1,  0.9, -0.4, 0.3, 0.5, 0.2, 0.1,  0.3, 0.4};
    tempo_sign_flip f, g;

    /* Fisher: 863 of the 32,768 patterns give a sum of 314 or more */
    ok(tempo_test_sign_flip(ref_darwin, 15, 20, 1, 1, &f, NULL));
    assert_true(f.exact && f.flips == 32768 && f.p == 2 * 863.0 / 32768);
    assert_close(f.p, ref_flip[1], 1e-15);
    assert_close(f.mean, 314.0 / 15, 1e-15);
    ok(tempo_test_sign_flip(ref_signed, COUNT(ref_signed), 20, 5000, 3, &f, NULL));
    assert_false(f.exact);
    assert_close(f.p, ref_flip[0], 1e-14);
    /* exact up to what is asked for; a zero changes nothing but the count */
    ok(tempo_test_sign_flip(mixed, 20, 20, 1, 1, &f, NULL));
    assert_true(f.exact && f.flips == 1u << 20);
    ok(tempo_test_sign_flip(mixed + 4, 16, 20, 1, 1, &g, NULL));
    assert_true(g.exact && g.p > 0 && g.p < 0.01);
    ok(tempo_test_sign_flip(ref_signed, 21, 20, 999, 1, &g, NULL));
    assert_true(!g.exact && g.flips == 999);
    ok(tempo_test_sign_flip((double[]){0, 0, 0}, 3, 20, 1, 1, &f, NULL));
    assert_true(f.p == 1);
    ok(tempo_test_sign_flip((double[]){5}, 1, 20, 1, 1, &f, NULL));
    assert_true(f.p == 1);
    ok(tempo_test_sign_flip(ref_darwin, 15, 14, 2000, 1, &f, NULL));
    assert_true(!f.exact && f.flips == 2000);
    ok(tempo_test_sign_flip(ref_signed, 24, 24, 1, 1, &f, NULL));
    assert_true(f.exact && f.flips == 1u << 24);
}

static void test_wilcoxon(void **state)
{
    (void)state;
    double more[51];
    tempo_wilcoxon w;

    ok(tempo_test_wilcoxon(ref_darwin, 15, &w, NULL));
    assert_true(w.exact && w.w_minus == ref_wilcoxon_darwin[0] && w.w_plus == 96 && w.n == 15);
    assert_close(w.p, ref_wilcoxon_darwin[1], 1e-14);
    ok(tempo_test_wilcoxon(ref_sleep, 10, &w, NULL)); /* ties and a zero */
    assert_true(!w.exact && w.w_minus == ref_wilcoxon_sleep[0] && w.w_plus == 45 && w.n == 9);
    assert_close(w.p, ref_wilcoxon_sleep[1], 1e-12);
    ok(tempo_test_wilcoxon(ref_ranked, 50, &w, NULL));
    assert_true(w.exact);
    assert_close(w.p, ref_wilcoxon_ranked[0], 1e-12);
    assert_close(w.p, ref_wilcoxon_ranked[1], 1e-12);
    ok(tempo_test_wilcoxon(ref_signed, COUNT(ref_signed), &w, NULL));
    assert_false(w.exact);
    assert_close(w.p, ref_wilcoxon_signed[0], 1e-12);
    memcpy(more, ref_ranked, sizeof(ref_ranked));
    more[50] = 7;
    ok(tempo_test_wilcoxon(more, 51, &w, NULL));
    assert_false(w.exact);
    ok(tempo_test_wilcoxon((double[]){0, 0}, 2, &w, NULL));
    assert_true(w.p == 1 && w.n == 0);
}

static void test_adjust(void **state)
{
    (void)state;
    double out[15];

    ok(tempo_adjust_bh(ref_bh, 15, out, NULL));
    for (size_t i = 0; i < 15; i++)
        assert_close(out[i], ref_bh_bh[i], 1e-14);
    assert_true(out[3] <= 0.05 && out[4] > 0.05); /* the paper: four are rejected */
    ok(tempo_adjust_holm(ref_bh, 15, out, NULL));
    for (size_t i = 0; i < 15; i++)
        assert_close(out[i], ref_bh_holm[i], 1e-14);
    memcpy(out, ref_tied, sizeof(ref_tied)); /* in place */
    ok(tempo_adjust_bh(out, 7, out, NULL));
    for (size_t i = 0; i < 7; i++)
        assert_close(out[i], ref_tied_bh[i], 1e-14);
    ok(tempo_adjust_holm(ref_tied, 7, out, NULL));
    for (size_t i = 0; i < 7; i++)
        assert_close(out[i], ref_tied_holm[i], 1e-14);
    ok(tempo_adjust_holm(NULL, 0, out, NULL));
    ok(tempo_adjust_bh(NULL, 0, out, NULL));
}

/* Columns of a map are tested as they would be alone. */
static void test_head_map(void **state)
{
    (void)state;
    enum { PROMPTS = 20, HEADS = 3 };
    double x[PROMPTS * HEADS], mean[HEADS], p[HEADS], bh[HEADS], want[HEADS];

    for (size_t i = 0; i < PROMPTS; i++)
        for (size_t h = 0; h < HEADS; h++)
            x[i * HEADS + h] = h == 1 ? 0 : ref_ranked[i + 20 * h / 2] + (double)h;
    ok(tempo_stats_head_map(x, PROMPTS, HEADS, mean, p, bh, NULL));
    for (size_t h = 0; h < HEADS; h++) {
        double column[PROMPTS];
        tempo_zero_test z;
        for (size_t i = 0; i < PROMPTS; i++)
            column[i] = x[i * HEADS + h];
        ok(tempo_test_zero(column, PROMPTS, &z, NULL));
        assert_true(p[h] == z.p);
        assert_close(mean[h], tempo_stats_mean(column, PROMPTS), 1e-14);
    }
    assert_true(p[1] == 1 && p[2] < 0.001);
    ok(tempo_adjust_bh(p, HEADS, want, NULL));
    assert_memory_equal(bh, want, sizeof(want));
    /* too few prompts to test a mean */
    ok(tempo_stats_head_map(x, PROMPTS - 1, HEADS, mean, p, bh, NULL));
    assert_true(p[0] == 1 && p[2] == 1 && bh[2] == 1);
}

static void test_effects(void **state)
{
    (void)state;
    tempo_effect e;

    const double *const want[] = {ref_effect_signed, ref_effect_skewed};
    for (size_t k = 0; k < 2; k++) {
        if (k == 0)
            ok(tempo_effect_size(ref_signed, COUNT(ref_signed), 0, 0.95, &e, NULL));
        else
            ok(tempo_effect_size(ref_skewed, COUNT(ref_skewed), 0.01, 0.9, &e, NULL));
        const double got[] = {e.dz, e.g, e.dz_ci.lo, e.dz_ci.hi, e.g_ci.lo, e.g_ci.hi};
        for (size_t i = 0; i < 6; i++)
            assert_close(got[i], want[k][i], 1e-9);
    }
    ok(tempo_effect_size((double[]){1, 1, 1}, 3, 0, 0.95, &e, NULL));
    assert_true(isinf(e.dz) && e.dz > 0 && isnan(e.dz_ci.lo));
    ok(tempo_effect_size((double[]){1, 1, 1}, 3, 1, 0.95, &e, NULL));
    assert_true(e.dz == 0);
    /* an effect a thousand times its spread still has an interval around it */
    ok(tempo_effect_size((double[]){1000, 1001, 999, 1000.5, 1000}, 5, 0, 0.95, &e, NULL));
    assert_true(e.dz_ci.lo < e.dz && e.dz < e.dz_ci.hi && e.dz_ci.lo > 0);
}

static void test_shares(void **state)
{
    (void)state;
    static const struct {
        size_t k, n;
        double level;
    } rows[] = {{0, 20, 0.95}, {20, 20, 0.95}, {7, 120, 0.95}, {60, 120, 0.9}, {1, 1, 0.95}};
    tempo_interval i;

    for (size_t r = 0; r < COUNT(rows); r++) {
        ok(tempo_interval_share(rows[r].k, rows[r].n, rows[r].level, &i, NULL));
        assert_true(fabs(i.lo - ref_shares[2 * r]) < 1e-11);
        assert_true(fabs(i.hi - ref_shares[2 * r + 1]) < 1e-11);
    }
}

static void test_ratio(void **state)
{
    (void)state;
    tempo_ratio r;

    ok(tempo_stats_ratio(ref_seconds_a, ref_seconds_b, COUNT(ref_seconds_a), 0.95, &r, NULL));
    assert_close(r.ratio, ref_ratio[0], 1e-13);
    assert_close(r.ci.lo, ref_ratio[1], 1e-12);
    assert_close(r.ci.hi, ref_ratio[2], 1e-12);
    assert_close(r.p, ref_ratio[3], 1e-10);
    ok(tempo_stats_ratio(ref_seconds_a, ref_seconds_a, 5, 0.95, &r, NULL));
    assert_true(r.ratio == 1 && r.ci.lo == 1 && r.p == 1);
}

static void test_power(void **state)
{
    (void)state;
    tempo_bound_power p;

    ok(tempo_power_bound(ref_skewed, COUNT(ref_skewed), 0.006, 0.0125, 0.8, 300, 11, &p, NULL));
    assert_close(p.above, ref_bound_power[0], 1e-12);
    assert_close(p.below, ref_bound_power[1], 1e-12);
    assert_close(p.minimal_above, ref_bound_power[2], 1e-9);
    assert_close(p.minimal_below, ref_bound_power[3], 1e-9);
    /* of equal values no distance is found; of two values half of the samples are equal ones */
    ok(tempo_power_bound((double[]){1, 1, 1}, 3, 5, 0.05, 0.8, 100, 1, &p, NULL));
    assert_true(p.above == 0 && p.below == 0 && isinf(p.minimal_above) && isinf(p.minimal_below));
    ok(tempo_power_bound((double[]){1, 2}, 2, 1e9, 0.05, 0.8, 1000, 1, &p, NULL));
    assert_true(p.above > 0.4 && p.above < 0.6);
    assert_true(isinf(p.minimal_above));
}

/* Is the mean 0?  Zeros are left out: they say nothing of it, and would say too much of the spread. */
static void test_zero(void **state)
{
    (void)state;
    double positive[COUNT(ref_signed)], padded[COUNT(ref_signed) + 30] = {0}, turned[COUNT(ref_signed)];
    tempo_zero_test z, back;
    size_t k = 0;

    for (size_t i = 0; i < COUNT(ref_signed); i++) {
        turned[i] = -ref_signed[i];
        padded[30 + i] = ref_signed[i];
        if (ref_signed[i] > 0)
            positive[k++] = ref_signed[i];
    }
    ok(tempo_test_zero(ref_signed, COUNT(ref_signed), &z, NULL));
    assert_close(z.p, ref_zero[0], 1e-9);
    assert_true(z.n == COUNT(ref_signed));
    ok(tempo_test_zero(turned, COUNT(turned), &back, NULL));
    assert_close(back.p, z.p, 1e-12);
    ok(tempo_test_zero(positive, k, &z, NULL));
    assert_close(z.p, ref_zero[1], 1e-8);
    ok(tempo_test_zero(padded, COUNT(padded), &back, NULL));
    assert_close(back.p, ref_zero[2], 1e-9);
    assert_true(back.n == COUNT(ref_signed));
    assert_close(back.mean, tempo_stats_mean(padded, COUNT(padded)), 1e-15);
    ok(tempo_test_zero((double[]){0, 0, 3}, 3, &z, NULL));
    assert_true(z.p == 1 && z.n == 1 && z.mean == 1);
}

/* Products of few values: by numpy, by hand, and what each interval inverts. */
static void test_limited(void **state)
{
    (void)state;
    static const double bounds[] = {0.1, 0.25, 0.6};
    tempo_limited_test l;
    tempo_interval i;

    for (size_t k = 0; k < 3; k++) {
        ok(tempo_test_limited(ref_few, COUNT(ref_few), 0, 1, bounds[k], &l, NULL));
        assert_close(l.p_below, ref_limited[2 * k], 1e-12);
        assert_close(l.p_above, ref_limited[2 * k + 1], 1e-12);
    }
    ok(tempo_test_limited(ref_few, COUNT(ref_few), -1, 1, 0, &l, NULL));
    assert_close(l.p_below, ref_limited[6], 1e-12);
    assert_close(l.p_above, ref_limited[7], 1e-12);
    ok(tempo_interval_limited(ref_few, COUNT(ref_few), 0, 1, 0.9, &i, NULL));
    assert_close(i.lo, ref_limited_interval[0], 1e-9);
    assert_close(i.hi, ref_limited_interval[1], 1e-9);
    ok(tempo_test_limited(ref_few, COUNT(ref_few), 0, 1, i.lo, &l, NULL));
    assert_close(l.p_above, 0.05, 1e-12);
    ok(tempo_interval_limited(ref_few, COUNT(ref_few), -1, 1, 0.95, &i, NULL));
    assert_close(i.lo, ref_limited_interval[2], 1e-9);
    assert_close(i.hi, ref_limited_interval[3], 1e-9);
    /* n zeros: were the mean of shares b, all would be 0 with probability (1 - b)^n at most */
    const double zeros[299] = {0};
    ok(tempo_test_limited(zeros, 299, 0, 1, 0.01, &l, NULL));
    assert_close(l.p_below, pow(0.99, 299), 1e-12);
    assert_true(l.p_above == 1 && l.p_below < 0.05);
    ok(tempo_test_limited(zeros, 298, 0, 1, 0.01, &l, NULL));
    assert_true(l.p_below > 0.05);
    ok(tempo_test_limited(ref_few, COUNT(ref_few), 0, INFINITY, 0.1, &l, NULL));
    assert_close(l.p_above, ref_limited[1], 1e-12);
    assert_true(l.p_below == 1);
    ok(tempo_interval_limited(ref_few, COUNT(ref_few), 0, INFINITY, 0.9, &i, NULL));
    assert_true(isinf(i.hi) && i.lo > 0.1);
}

static void test_distributions(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ref_noncentral); i += 4) { /* R's pt has 1e-12 at best */
        const double *r = ref_noncentral + i;
        const double got = tempo_noncentral_t(r[0], r[1], r[2]);
        if (!(fabs(got - r[3]) < 2e-10))
            fail_msg("t %g, df %g, d %g: %.15g, not %.15g", r[0], r[1], r[2], got, r[3]);
    }
    for (size_t i = 0; i < COUNT(ref_noncentral_far); i += 4) {
        const double *r = ref_noncentral_far + i;
        assert_true(fabs(tempo_noncentral_t(r[0], r[1], r[2]) - r[3]) < 1e-10);
    }
    assert_nan(tempo_noncentral_t(NAN, 3, 1));
    assert_nan(tempo_dist_beta_quantile(0.5, 0, 1));
    assert_nan(tempo_dist_t_quantile(0.5, 0));
    assert_nan(tempo_noncentral_t(1, 0, 1));
    for (double p = 0.001; p < 1; p += 0.0371)
        for (double df = 1; df < 500; df *= 3)
            assert_close(tempo_dist_t_p(tempo_dist_t_quantile(p, df), df), p, 1e-12);
    assert_close(tempo_dist_t_quantile(0.975, 9), ref_student[1], 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summaries),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_bound_is_students_t),
        cmocka_unit_test(test_bound_degenerate),
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_bootstrap_degenerate),
        cmocka_unit_test(test_sign_flip),
        cmocka_unit_test(test_wilcoxon),
        cmocka_unit_test(test_adjust),
        cmocka_unit_test(test_head_map),
        cmocka_unit_test(test_effects),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_ratio),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_zero),
        cmocka_unit_test(test_limited),
        cmocka_unit_test(test_distributions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
