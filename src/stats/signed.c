/* signed.c - signed contrasts against zero: sign-flip permutation and Wilcoxon's signed-rank test. */
#include <math.h>
#include <stdlib.h>

#include "stats/stats.h"
#include "stats/dist.h"

enum { EXACT_RANKS = 50 };

/* Sums that differ by rounding alone count as equal. */
static const double rounding = 1e-12;

/* All 2^n patterns, each sum afresh from two halves of the values so that rounding does not build up. */
static uint64_t count_all(const double *x, size_t n, double least)
{
    const size_t half = n / 2;
    double low[1 << (TEMPO_EXACT_FLIPS / 2)];
    uint64_t as_extreme = 0;

    for (size_t bits = 0; bits < (size_t)1 << half; bits++) {
        low[bits] = 0;
        for (size_t i = 0; i < half; i++)
            low[bits] += bits >> i & 1 ? -x[i] : x[i];
    }
    for (size_t bits = 0; bits < (size_t)1 << (n - half); bits++) {
        double high = 0;
        for (size_t i = half; i < n; i++)
            high += bits >> (i - half) & 1 ? -x[i] : x[i];
        for (size_t k = 0; k < (size_t)1 << half; k++)
            as_extreme += fabs(low[k] + high) >= least;
    }
    return as_extreme;
}

/* Bit i % 32 of word i / 32 of a pattern, set, flips value i. */
static uint64_t count_random(const double *x, size_t n, uint64_t permutations, uint64_t seed, double least)
{
    tempo_random random;
    uint64_t as_extreme = 0;

    tempo_random_seed(&random, seed);
    for (uint64_t p = 0; p < permutations; p++) {
        double sum = 0;
        for (size_t i = 0; i < n; i += 32) {
            const uint32_t bits = tempo_random_u32(&random);
            const size_t stop = n - i < 32 ? n - i : 32;
            for (size_t j = 0; j < stop; j++)
                sum += (1 - 2 * (double)(bits >> j & 1)) * x[i + j];
        }
        as_extreme += fabs(sum) >= least;
    }
    return as_extreme;
}

tempo_status tempo_test_sign_flip(const double *x, size_t n, size_t exact_to, uint64_t permutations,
                                  uint64_t seed, tempo_sign_flip *out, tempo_err *err)
{
    double sum = 0, size = 0;
    tempo_status st;

    *out = (tempo_sign_flip){.mean = NAN, .p = NAN};
    if ((st = tempo_stats_check(x, n, 1, err)) != TEMPO_OK)
        return st;
    if (permutations == 0 || exact_to > TEMPO_EXACT_FLIPS)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "sign flips need permutations, and all patterns of at most %d values",
                          TEMPO_EXACT_FLIPS);
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        size += fabs(x[i]);
    }
    const double least = fabs(sum) - rounding * size;
    out->mean = tempo_stats_mean(x, n);
    out->exact = n <= exact_to;
    if (out->exact) {
        out->flips = (uint64_t)1 << n;
        out->p = (double)count_all(x, n, least) / (double)out->flips;
    } else {
        out->flips = permutations;
        out->p = (1 + (double)count_random(x, n, permutations, seed, least)) / (1 + (double)out->flips);
    }
    return TEMPO_OK;
}

/* P(W <= w) of the rank sum of n untied values: the patterns with sum s are counted up to 2^50, exact in a
 * double. */
static double signed_rank_p(double w, size_t n)
{
    double patterns[EXACT_RANKS * (EXACT_RANKS + 1) / 2 + 1] = {1};
    double sum = 0;
    size_t top = 0;

    for (size_t rank = 1; rank <= n; rank++) {
        top += rank;
        for (size_t s = top; s >= rank; s--)
            patterns[s] += patterns[s - rank];
    }
    for (size_t s = 0; s <= top && (double)s <= w; s++)
        sum += patterns[s];
    return ldexp(sum, -(int)n);
}

static int by_size(const void *a, const void *b)
{
    const double x = fabs(*(const double *)a), y = fabs(*(const double *)b);

    return (x > y) - (x < y);
}

/* Midranks of v[n], ascending by absolute value; returns the sum of t^3 - t over groups of t tied ones. */
static double rank_sums(const double *v, size_t n, tempo_wilcoxon *out)
{
    double ties = 0;

    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && fabs(v[end]) == fabs(v[i]); end++)
            ;
        const double t = (double)(end - i), midrank = 0.5 * (double)(i + 1 + end);
        ties += t * t * t - t;
        for (size_t k = i; k < end; k++)
            *(v[k] > 0 ? &out->w_plus : &out->w_minus) += midrank;
    }
    return ties;
}

tempo_status tempo_test_wilcoxon(const double *x, size_t n, tempo_wilcoxon *out, tempo_err *err)
{
    double *v = NULL;
    size_t k = 0;
    tempo_status st;

    *out = (tempo_wilcoxon){.w_plus = NAN, .w_minus = NAN, .p = NAN};
    if ((st = tempo_stats_check(x, n, 1, err)) != TEMPO_OK)
        return st;
    if ((v = calloc(n, sizeof(*v))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to rank %zu values", n);
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            v[k++] = x[i];
    qsort(v, k, sizeof(*v), by_size);
    *out = (tempo_wilcoxon){.n = k};
    const double ties = rank_sums(v, k, out), w = fmin(out->w_plus, out->w_minus), m = (double)k;
    out->exact = k == n && ties == 0 && k <= EXACT_RANKS;
    if (k == 0) {
        out->p = 1;
    } else if (out->exact) {
        out->p = fmin(1, 2 * signed_rank_p(w, k));
    } else {
        const double sd = sqrt(m * (m + 1) * (2 * m + 1) / 24 - ties / 48);
        out->p = fmin(1, 2 * tempo_dist_normal_p((w - m * (m + 1) / 4) / sd));
    }
    free(v);
    return TEMPO_OK;
}
