/* test_metrics.c - the metrics against values worked out by hand, by scipy, and by their identities.
 *
 * The scipy values are of scipy 1.10.1 with numpy 1.24.2; for logits a and b of make_rows below, as float32:
 *   p, q = scipy.special.softmax(a.astype(float)), scipy.special.softmax(b.astype(float))
 *   tv = 0.5 * abs(p - q).sum(); kl = scipy.special.rel_entr(p, q).sum()
 *   js = scipy.spatial.distance.jensenshannon(p, q) ** 2; entropy = scipy.stats.entropy(p)
 *   cosine = 1 - scipy.spatial.distance.cosine(a - a.mean(), b - b.mean())
 *   the mass set: o = argsort(-p); k = searchsorted(cumsum(p[o]), mass) + 1; abs(log(p / q))[o[:k]].max()  */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/metrics.h"

enum { N = 64 };
#define LN2 0.693147180559945309417

/* Written so that a NaN fails. */
static void near(double x, double expected, double tolerance)
{
    if (!(fabs(x - expected) <= tolerance))
        fail_msg("%.17g is not within %g of %.17g", x, tolerance, expected);
}

static void make_rows(float *a, float *b)
{
    for (int i = 0; i < N; i++) {
        a[i] = (float)((i * 37) % 64) / 8 - 4;
        b[i] = a[i] + (float)((i * 11) % 16 - 8) / 16;
    }
}

static void make_distributions(double *p, double *q)
{
    float a[N], b[N];

    make_rows(a, b);
    tempo_softmax_row(a, N, p);
    tempo_softmax_row(b, N, q);
}

/* A distribution that differs from run to run of the seed, with a few zeros. */
static void make_random(double *p, size_t n, uint64_t seed)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = (seed >> 60) == 0 ? 0 : exp((double)(seed >> 33) * 0x1p-31 * 12);
        sum += p[i];
    }
    for (size_t i = 0; i < n; i++)
        p[i] /= sum;
}

static void as_scipy(void **state)
{
    float a[N], b[N];
    double p[N], q[N];
    tempo_token_shift shift[4];

    (void)state;
    make_rows(a, b);
    make_distributions(p, q);
    near(tempo_tv(p, q, N), 0.11019011281813598, 1e-15);
    near(tempo_l1(p, q, N), 2 * 0.11019011281813598, 1e-15);
    near(tempo_kl(p, q, N), 0.03306836313416746, 1e-15);
    near(tempo_kl(q, p, N), 0.03446733027411917, 1e-15);
    near(tempo_js(p, q, N), 0.008391772796517663, 1e-15);
    near(tempo_cosine_centred(a, b, N), 0.9921964175165138, 1e-14);
    near(tempo_max_dlogp(p, q, N, 0.999), 0.5498884894376674, 1e-14);
    near(tempo_max_dlogp(p, q, N, 0.5), 0.325111510562333, 1e-14);
    assert_int_equal(tempo_most_different(p, q, N, 4, shift), 4);
    static const int32_t ids[4] = {19, 38, 57, 29};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(shift[i].id, ids[i]);
    near(shift[0].p, 0.11754252854091926, 1e-15);
    near(shift[0].q, 0.08491822228036744, 1e-15);
}

static void by_hand(void **state)
{
    const double p[3] = {0.5, 0.5, 0}, q[3] = {0.5, 0, 0.5}, r[3] = {0, 0, 1};

    (void)state;
    near(tempo_tv(p, q, 3), 0.5, 0);
    near(tempo_js(p, q, 3), 0.5 * LN2, 1e-16); /* half of the mass is disjoint */
    near(tempo_js(p, r, 3), LN2, 1e-16);
    assert_true(isinf(tempo_kl(p, q, 3)) && tempo_kl(p, q, 3) > 0);
    near(tempo_kl(r, q, 3), LN2, 1e-16);
    near(tempo_kl(p, p, 3), 0, 0);
    assert_true(isinf(tempo_max_dlogp(p, q, 3, 1)));
    near(tempo_max_dlogp(p, q, 3, 0.5), 0, 0); /* of the two equal ones the lower id alone */
    near(tempo_tv(p, q, 0), 0, 0);
    const float a[3] = {1, 2, 3}, b[3] = {3, 2, 1}, c[3] = {0.1f, 0.1f, 0.1f}, d[3] = {11, 12, 13};
    near(tempo_cosine_centred(a, b, 3), -1, 1e-15);
    near(tempo_cosine_centred(a, d, 3), 1, 1e-15); /* a shift of all logits changes nothing */
    assert_true(isnan(tempo_cosine_centred(a, c, 3)));
}

/* Divergences of 1e-14 and below are themselves, not rounding: p = (1 + e) / 2, (1 - e) / 2 against halves.
 */
static void small_differences(void **state)
{
    const double half[2] = {0.5, 0.5};

    (void)state;
    for (double e = 0x1p-4; e > 1e-15; e *= 0.5) { /* 1 + e is exact */
        const double p[2] = {0.5 * (1 + e), 0.5 * (1 - e)};
        const double kl = e * e / 2 + pow(e, 4) / 12 + pow(e, 6) / 30 + pow(e, 8) / 56 + pow(e, 10) / 90;
        const double d1 = e / (2 + e), d2 = e / (2 - e); /* (p - q) / (p + q) of each */
        double js = 0;
        for (int k = 1; k < 8; k++)
            js += ((2 + e) * pow(d1, 2 * k) + (2 - e) * pow(d2, 2 * k)) / (8.0 * k * (2 * k - 1));
        near(tempo_kl(p, half, 2) / kl, 1, 1e-12);
        near(tempo_js(p, half, 2) / js, 1, 1e-12);
    }
}

static void identities(void **state)
{
    enum { MANY = 5000 };
    double *p = malloc(MANY * sizeof(*p)), *q = malloc(MANY * sizeof(*q));

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const size_t n = seed % 2 != 0 ? MANY : 7 + seed;
        make_random(p, n, seed);
        make_random(q, n, seed + 1000);
        const double js = tempo_js(p, q, n), tv = tempo_tv(p, q, n), kl = tempo_kl(p, q, n);
        assert_true(js == tempo_js(q, p, n) && tv == tempo_tv(q, p, n));
        assert_true(js > 0 && js <= LN2 + 1e-15 && tv > 0 && tv <= 1);
        assert_true(kl >= 2 * tv * tv); /* Pinsker */
        assert_true(tv * tv / 2 <= js + 1e-15 &&
                    js <= LN2 * tv + 1e-15); /* Pinsker twice; Lin 1991, theorem 3 */
        assert_true(tempo_js(p, p, n) == 0 && tempo_kl(p, p, n) == 0 && tempo_tv(p, p, n) == 0);
    }
    free(p);
    free(q);
}

static void vocabulary_size(void **state)
{
    enum { VOCABULARY = 256 * 1024 };
    float *logits = malloc(VOCABULARY * sizeof(*logits));
    double *p = malloc(VOCABULARY * sizeof(*p)), *q = malloc(VOCABULARY * sizeof(*q));

    (void)state;
    for (size_t i = 0; i < VOCABULARY; i++)
        logits[i] = 1e30f;
    tempo_softmax_row(logits, VOCABULARY, p);
    near(p[VOCABULARY - 1], 1.0 / VOCABULARY, 0);
    for (size_t i = 0; i < VOCABULARY; i++)
        q[i] = i % 2 != 0 ? p[i] * 1.5 : p[i] * 0.5;
    near(tempo_tv(p, q, VOCABULARY), 0.25, 1e-16);
    near(tempo_kl(p, q, VOCABULARY), -0.5 * log(0.75), 1e-15);
    near(tempo_max_dlogp(p, q, VOCABULARY, 0.001), LN2, 1e-15);
    free(logits);
    free(p);
    free(q);
}

static int by_value_then_id(const void *a, const void *b)
{
    const tempo_token_shift *x = a, *y = b;

    return x->p != y->p ? (x->p < y->p ? 1 : -1) : (x->id > y->id) - (x->id < y->id);
}

/* The mass set and the top k against a full sort, with ties. */
static void against_a_sort(void **state)
{
    enum { MANY = 1000 };
    double p[MANY], q[MANY];
    int32_t ids[MANY];
    static tempo_token_shift sorted[MANY];

    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        make_random(p, MANY, seed);
        make_random(q, MANY, seed + 99);
        for (size_t i = 0; i < MANY; i++) {
            p[i] =
                seed % 3 == 0 ? ldexp(floor(p[i] * 4096) + 1, -20) : p[i]; /* many equal ones, exact sums */
            q[i] += 1e-9;
            sorted[i] = (tempo_token_shift){(int32_t)i, p[i], q[i]};
        }
        qsort(sorted, MANY, sizeof(*sorted), by_value_then_id);
        for (size_t k = 0; k <= MANY; k += 37) {
            assert_int_equal(tempo_top_k(p, MANY, k, ids), k);
            for (size_t i = 0; i < k; i++)
                assert_int_equal(ids[i], sorted[i].id);
        }
        double total = 0, sum = 0, max = 0;
        for (size_t i = 0; i < MANY; i++)
            total += p[i];
        for (size_t i = 0; i < MANY && sum < 0.9 * total; i++) {
            sum += sorted[i].p;
            max = fmax(max, fabs(log(sorted[i].p) - log(sorted[i].q)));
        }
        near(tempo_max_dlogp(p, q, MANY, 0.9), max, 0);
    }
}

static void top_tokens(void **state)
{
    const double p[6] = {0.1, 0.3, 0.1, 0.3, 0.15, 0.05}, q[6] = {0.3, 0.05, 0.1, 0.3, 0.1, 0.15};
    int32_t ids[8] = {-7, -7, -7, -7, -7, -7, -7, -7};
    tempo_token_shift shift[8];

    (void)state;
    assert_int_equal(tempo_top_k(p, 6, 8, ids), 6);
    static const int32_t order[7] = {1, 3, 4, 0, 2, 5, -7};
    assert_memory_equal(ids, order, sizeof(order));
    assert_int_equal(tempo_top_k(p, 6, 0, NULL), 0);
    near(tempo_top_k_overlap(p, q, 6, 1), 0, 0); /* 1 and 0 */
    near(tempo_top_k_overlap(p, q, 6, 2), 0.5, 0);
    near(tempo_top_k_overlap(p, q, 6, 100), 1, 0);
    assert_true(isnan(tempo_top_k_overlap(p, q, 6, 0)));
    assert_int_equal(tempo_threshold_set(p, 6, 0.1, 2, ids), 5);
    assert_true(ids[0] == 1 && ids[1] == 3);
    assert_int_equal(tempo_threshold_set(p, 6, 0.9, 2, ids), 1); /* the argmax stands in */
    assert_int_equal(ids[0], 1);
    assert_int_equal(tempo_threshold_set(p, 6, 0.3, 0, NULL), 2);
    assert_int_equal(tempo_most_different(p, q, 6, 3, shift), 3);
    assert_true(shift[0].id == 1 && shift[1].id == 0 && shift[2].id == 5);
    const int32_t a[3] = {5, 1, 9}, b[2] = {9, 4};
    near(tempo_jaccard(a, 3, b, 2), 0.25, 0);
    near(tempo_jaccard(a, 3, a, 3), 1, 0);
    near(tempo_jaccard(a, 3, NULL, 0), 0, 0);
    near(tempo_jaccard(NULL, 0, NULL, 0), 1, 0);
}

/* Wherever a NaN is, and for negative weights, no bound is met. */
static void nan_never_passes(void **state)
{
    double p[N], q[N], softmax[N];
    float a[N], b[N];
    tempo_token_shift shift[2];
    int32_t ids[N];

    (void)state;
    for (size_t i = 0; i < N; i++)
        for (int kind = 0; kind < 3; kind++) {
            make_distributions(p, q);
            make_rows(a, b);
            double *which = kind == 1 ? q : p;
            which[i] = kind == 2 ? -which[i] : (double)NAN;
            assert_true(isnan(tempo_tv(p, q, N)) && isnan(tempo_l1(p, q, N)) && isnan(tempo_js(p, q, N)));
            assert_true(isnan(tempo_kl(p, q, N)));
            assert_true(isnan(tempo_max_dlogp(p, q, N, 0.999)));
            if (kind == 2)
                continue;
            q[(i + 1) % N] = 0; /* an infinite KL hides no NaN */
            assert_true(isnan(tempo_kl(p, q, N)));
            assert_true(isnan(tempo_top_k_overlap(p, q, N, 5)));
            (void)tempo_most_different(p, q, N, 2, shift);
            assert_int_equal(shift[0].id, i);
            assert_int_equal(tempo_top_k(which, N, N, ids), N);
            assert_int_equal(ids[N - 1], i);
            a[i] = kind == 0 ? NAN : INFINITY;
            assert_true(isnan(tempo_cosine_centred(a, b, N)));
            tempo_softmax_row(a, N, softmax);
            for (size_t k = 0; k < N; k++)
                assert_true(isnan(softmax[k]));
        }
    a[0] = a[1] = -INFINITY;
    tempo_softmax_row(a, 2, softmax);
    assert_true(isnan(softmax[0]));
    a[0] = 0;
    tempo_softmax_row(a, 2, softmax);
    assert_true(softmax[0] == 1 && softmax[1] == 0);
}

/* ---- attention ---- */

static const tempo_sight sight = {3, 4, 3, 6};

static void attention_rows(void **state)
{
    const float iso[6] = {.5f, .2f, .1f, 0, .2f, 0}, vis[6] = {.4f, .1f, .2f, .05f, .15f, .1f};

    (void)state;
    /* scipy as above, of [0, 1, 2, 4] of both, the visible ones divided by their sum */
    near(tempo_attention_js(iso, vis, &sight), 0.02003480938865933, 1e-15);
    near(tempo_attention_l1(iso, vis, &sight), 0.27058823770202156, 1e-15);
    near(tempo_attention_max_diff(iso, vis, &sight), 0.1352941151257205, 1e-15);
    near(tempo_sibling_mass(vis, &sight), 0.15, 1e-8);
    near(tempo_sibling_mass(iso, &sight), 0, 0);
    near(tempo_sibling_share(vis, &sight), 0.25, 1e-7);      /* .15 of .6 */
    near(tempo_nearest_share(vis, &sight), 0.3 / 0.6, 1e-7); /* slots 1 and 2 */
    near(tempo_uniform_share(&sight), 2.0 / 5, 0);
    near(tempo_row_js(iso, iso, 6), 0, 0);
    near(tempo_row_js(iso, vis, 6), tempo_row_js(vis, iso, 6), 0);
    const float one[2] = {1, 0}, other[2] = {0, 3}; /* each is divided by its own sum */
    near(tempo_row_js(one, other, 2), LN2, 1e-16);
    near(tempo_row_tv(one, other, 2), 1, 1e-16);
    near(tempo_row_tv(iso, iso, 6), 0, 0);
    near(tempo_row_tv(iso, vis, 6), 0.25,
         1e-7); /* .1, .1 and .05 of one against .1, .05 and .1 of the other */
    /* what a visible row would be if siblings took a share evenly from all: nothing but float rounding is
     * left */
    float scaled[6];
    for (size_t i = 0; i < 6; i++)
        scaled[i] = iso[i] * 0.7f;
    scaled[3] = 0.2f, scaled[5] = 0.1f;
    near(tempo_attention_max_diff(iso, scaled, &sight), 0, 1e-7);
    near(tempo_attention_js(iso, scaled, &sight), 0, 1e-14);
}

static void attention_extremes(void **state)
{
    const float sunk[6] = {1, 0, 0, 0, 0, 0}, siblings[6] = {0, 0, 0, .5f, 0, .5f};
    const tempo_sight single = {3, 3, 3, 4}, first = {0, 1, 0, 3}, early = {2, 2, 2, 4};

    (void)state;
    near(tempo_sibling_share(sunk, &sight), 0, 0); /* nothing but the sink: no share of anything */
    near(tempo_nearest_share(sunk, &sight), 0, 0);
    near(tempo_sibling_share(siblings, &sight), 1, 0);
    assert_true(isnan(tempo_attention_js(sunk, siblings, &sight))); /* the visible row sees nothing of both */
    assert_true(isnan(tempo_attention_l1(sunk, siblings, &sight)));
    assert_true(isnan(tempo_attention_max_diff(sunk, siblings, &sight)));
    near(tempo_sibling_mass(siblings, &single), 0, 0);
    near(tempo_uniform_share(&single), 0, 0);
    near(tempo_nearest_share(siblings, &single), 0, 0);
    const float whole[3] = {.5f, .25f, .25f};
    near(tempo_sibling_share(whole, &first), 0.75, 0); /* no earlier slot, no sink */
    near(tempo_uniform_share(&first), 2.0 / 3, 0);
    assert_true(isnan(tempo_nearest_share(whole, &first)));
    near(tempo_nearest_share(siblings, &early), 0, 0);
    const tempo_sight crowded = {2, 2, 2, 5};
    assert_true(isnan(tempo_nearest_share(siblings, &crowded))); /* two wanted, one there */
}

static void attention_nan(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        float iso[6] = {.5f, .2f, .1f, 0, .2f, 0}, vis[6] = {.4f, .1f, .2f, .05f, .15f, .1f};
        const int common = i < 3 || i == 4;
        vis[i] = NAN;
        assert_int_equal(isnan(tempo_attention_js(iso, vis, &sight)) != 0, common);
        assert_int_equal(isnan(tempo_attention_l1(iso, vis, &sight)) != 0, common);
        assert_int_equal(isnan(tempo_attention_max_diff(iso, vis, &sight)) != 0, common);
        assert_int_equal(isnan(tempo_sibling_mass(vis, &sight)) != 0, i == 3 || i == 5);
        assert_int_equal(isnan(tempo_sibling_share(vis, &sight)) != 0, i != 0);
        assert_true(isnan(tempo_row_js(iso, vis, 6)) && isnan(tempo_row_js(vis, iso, 6)));
        vis[i] = -0.25f; /* no weight */
        assert_int_equal(isnan(tempo_sibling_mass(vis, &sight)) != 0, i == 3 || i == 5);
        assert_int_equal(isnan(tempo_attention_js(iso, vis, &sight)) != 0, common);
        float good[6] = {.4f, .1f, .2f, .05f, .15f, .1f};
        iso[i] = NAN;
        assert_int_equal(isnan(tempo_attention_js(iso, good, &sight)) != 0, common);
        assert_int_equal(isnan(tempo_attention_l1(iso, good, &sight)) != 0, common);
        assert_int_equal(isnan(tempo_attention_max_diff(iso, good, &sight)) != 0, common);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_scipy),          cmocka_unit_test(by_hand),
        cmocka_unit_test(small_differences), cmocka_unit_test(identities),
        cmocka_unit_test(vocabulary_size),   cmocka_unit_test(against_a_sort),
        cmocka_unit_test(top_tokens),        cmocka_unit_test(nan_never_passes),
        cmocka_unit_test(attention_rows),    cmocka_unit_test(attention_extremes),
        cmocka_unit_test(attention_nan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
