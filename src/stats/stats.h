/* stats.h - the statistics that studies use: summaries, tests, intervals, power.  docs/statistics.md gives every
 * formula with its source and what was measured of it; verdict.h decides with them.
 *
 * Everything is double, nothing is global, and the same input and seed give the same output.  Random procedures
 * draw from MT19937 in a way that docs/statistics.md describes, so that other code can draw the same.  Values that
 * are not finite are refused with TEMPO_E_ARG; on any failure the out-struct holds NaN.  p-values are in [0, 1].
 * Levels are coverages: 0.95.  Distribution functions are GSL's, called only where they cannot fail, so that its
 * error handler, which ends the process, is never reached.  */
#ifndef TEMPO_STATS_H
#define TEMPO_STATS_H
#include "base/status.h"

enum { TEMPO_PERMUTATIONS = 100000, TEMPO_RESAMPLES = 10000 }; /* what a study uses unless told otherwise */

/* The tests of a mean keep their level from so many values on, of which so many are not next to 0. */
enum { TEMPO_MIN_PROMPTS = 20, TEMPO_MIN_COUNTED = 8 };

typedef struct tempo_interval {
    double lo, hi;
} tempo_interval;

/* ---- summaries (describe.c) ---------------------------------------------------- */

double tempo_stats_mean(const double *x, size_t n);     /* NaN when n is 0 */
double tempo_stats_sd(const double *x, size_t n);       /* divisor n-1; NaN when n < 2 */
double tempo_stats_skewness(const double *x, size_t n); /* m3 / m2^1.5, divisor n; 0 when all are equal; NaN when n is 0 */

/* An ascending copy, for free(); NULL only without memory (or n = 0).  x holds no NaN. */
double *tempo_stats_sorted(const double *x, size_t n);
/* Of ascending values, 0 <= p <= 1, interpolated as R's type 7 (numpy's default).  NaN when n is 0. */
double tempo_stats_quantile(const double *sorted, size_t n, double p);

/* The median of n values in any order; NaN when n is 0 or memory ran out. */
double tempo_stats_median(const double *x, size_t n);

typedef struct tempo_summary {
    size_t n;
    double mean, sd, min, q25, median, q75, max; /* sd is NaN when n is 1 */
} tempo_summary;

/* n >= 1 finite values. */
tempo_status tempo_stats_describe(const double *x, size_t n, tempo_summary *out, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- a mean against a bound (bound.c) ------------------------------------------ */

/* One-sided tests of the mean of n >= 2 values that may be skewed: the more cautious of Student's t and Hall's
 * skewness-corrected t.  When all values are equal the p-values are 0 and 1, or both 1 when they equal the bound.
 * Errors are controlled where docs/statistics.md says so: from TEMPO_MIN_PROMPTS values on, of which TEMPO_MIN_COUNTED
 * are not next to 0.  */
typedef struct tempo_bound_test {
    double mean, sd, skewness;  /* skewness: Fisher's G1 */
    double t, t_below, t_above; /* Student's statistic, and those that are referred to t(n-1) */
    double p_below;             /* small when the mean is BELOW the bound */
    double p_above;             /* small when the mean is ABOVE the bound */
} tempo_bound_test;

tempo_status tempo_test_bound(const double *x, size_t n, double bound, tempo_bound_test *out,
                              tempo_err *err) TEMPO_MUST_CHECK;

/* The two-sided interval that inverts both tests: the means that neither rejects at (1-level)/2. */
tempo_status tempo_interval_mean(const double *x, size_t n, double level, tempo_interval *out,
                                 tempo_err *err) TEMPO_MUST_CHECK;

/* Is a signed mean within +-bound (bound > 0)?  Two one-sided tests by tempo_test_bound: p is the larger. */
typedef struct tempo_tost {
    double p, p_below, p_above; /* p_below: mean < bound; p_above: mean > -bound */
} tempo_tost;

tempo_status tempo_test_within(const double *x, size_t n, double bound, tempo_tost *out,
                               tempo_err *err) TEMPO_MUST_CHECK;

/* Is the mean of signed values 0?  Twice the smaller p of tempo_test_bound at 0, of the values that are not 0: their
 * mean is 0 when that of all is, and zeros would hide how the others are spread.  Controlled from TEMPO_MIN_PROMPTS of
 * them on; p is 1 with fewer than 2.  */
typedef struct tempo_zero_test {
    double mean, p; /* mean: of all values; p: two-sided */
    size_t n;       /* values that are not 0 */
} tempo_zero_test;

tempo_status tempo_test_zero(const double *x, size_t n, tempo_zero_test *out, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- a mean of few values that have limits (limited.c) -------------------------- */

/* Tests that hold for every distribution on [lo, hi] and every n >= 1, and are weak: the product tests of Kaplan
 * (docs/statistics.md).  hi may be INFINITY: then p_below is 1.  TEMPO_E_ARG for a value outside, or unless
 * lo < bound < hi.  */
typedef struct tempo_limited_test {
    double p_below, p_above; /* small when the mean is below, above the bound */
} tempo_limited_test;

tempo_status tempo_test_limited(const double *x, size_t n, double lo, double hi, double bound, tempo_limited_test *out,
                                tempo_err *err) TEMPO_MUST_CHECK;
/* The two-sided interval that inverts both at (1-level)/2 each. */
tempo_status tempo_interval_limited(const double *x, size_t n, double lo, double hi, double level, tempo_interval *out,
                                    tempo_err *err) TEMPO_MUST_CHECK;

/* ---- bootstrap intervals (boot.c) ---------------------------------------------- */

typedef struct tempo_boot {
    double estimate, lo, hi;
    double bias, acceleration; /* z0 and a of BCa; 0 where not defined */
    bool degenerate;           /* all values (means of clusters) equal, or fewer than 3: lo = hi = estimate, or NaN */
} tempo_boot;

/* BCa interval of the mean of n values.  level in (0, 1), resamples >= 100. */
tempo_status tempo_boot_mean(const double *x, size_t n, double level, size_t resamples, uint64_t seed,
                             tempo_boot *out, tempo_err *err) TEMPO_MUST_CHECK;
/* The same of the mean over all values, resampling whole clusters: x holds sizes[0] values of cluster 0, then
 * sizes[1] of cluster 1 and so on; the jackknife leaves out clusters.  Sizes may differ; none is 0.  */
tempo_status tempo_boot_clusters(const double *x, const size_t *sizes, size_t n_clusters, double level,
                                 size_t resamples, uint64_t seed, tempo_boot *out, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- signed contrasts against zero (signed.c) ---------------------------------- */

typedef struct tempo_sign_flip {
    double mean, p; /* two-sided */
    uint64_t flips; /* 2^n when exact */
    bool exact;
} tempo_sign_flip;

/* Sign-flip permutation test: are the values symmetric about 0?  All 2^n patterns up to n = exact_to, else `permutations`
 * random ones with p = (1 + as extreme) / (1 + permutations).  n >= 1, exact_to <= TEMPO_EXACT_FLIPS,
 * permutations >= 1.  Values that are skewed about a mean of 0 are not symmetric.  */
enum { TEMPO_EXACT_FLIPS = 24 };
tempo_status tempo_test_sign_flip(const double *x, size_t n, size_t exact_to, uint64_t permutations, uint64_t seed,
                                  tempo_sign_flip *out, tempo_err *err) TEMPO_MUST_CHECK;

typedef struct tempo_wilcoxon {
    double w_plus, w_minus; /* rank sums */
    double p;               /* two-sided; 1 when every value is zero */
    size_t n;               /* values that are not zero */
    bool exact;             /* else the normal approximation with tie correction, without continuity correction */
} tempo_wilcoxon;

/* Wilcoxon's signed-rank test: zeros dropped (scipy's zero_method "wilcox"), midranks; exact for n <= 50 without ties
 * or zeros.  */
tempo_status tempo_test_wilcoxon(const double *x, size_t n, tempo_wilcoxon *out, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- many tests (adjust.c) ----------------------------------------------------- */

/* Adjusted p-values, out[n] in the order of p[n] (out may be p): Holm's step-down for the family-wise error, and
 * Benjamini and Hochberg's step-up for the false discovery rate.  TEMPO_E_ARG for a p outside [0, 1] or NaN.  */
tempo_status tempo_adjust_holm(const double *p, size_t n, double *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_adjust_bh(const double *p, size_t n, double *out, tempo_err *err) TEMPO_MUST_CHECK;

/* A map of heads: x[n_prompts][n_heads] signed contrasts; mean, p (tempo_test_zero over prompts; 1 where fewer than
 * TEMPO_MIN_PROMPTS of them are not 0) and p_bh (adjusted over all heads) are [n_heads] each.  p may be NULL.  */
tempo_status tempo_stats_head_map(const double *x, size_t n_prompts, size_t n_heads, double *mean, double *p,
                                  double *p_bh, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- effects, shares, ratios (effect.c) ---------------------------------------- */

typedef struct tempo_effect {
    double dz;      /* (mean - reference) / sd: of differences this is Cohen's dz; +-infinity or 0 when sd is 0 */
    double g;       /* dz times Hedges' exact correction for n-1 degrees of freedom */
    tempo_interval dz_ci, g_ci; /* from the noncentral t; exact for normal values only; NaN when sd is 0 */
} tempo_effect;

/* Standardised distance of the mean of n >= 2 values from a reference (0 for a signed contrast). */
tempo_status tempo_effect_size(const double *x, size_t n, double reference, double level, tempo_effect *out,
                               tempo_err *err) TEMPO_MUST_CHECK;

/* Clopper and Pearson's interval of a share: k of n >= 1. */
tempo_status tempo_interval_share(size_t k, size_t n, double level, tempo_interval *out,
                                  tempo_err *err) TEMPO_MUST_CHECK;

typedef struct tempo_ratio {
    double ratio; /* exp(mean of log(a/b)) */
    tempo_interval ci;
    double p; /* two-sided t test that the ratio is 1 */
    size_t n;
} tempo_ratio;

/* Geometric mean of a[i]/b[i] (positive, n >= 2 pairs, e.g. seconds) with the interval that Student's t gives for
 * the log ratios.  */
tempo_status tempo_stats_ratio(const double *a, const double *b, size_t n, double level, tempo_ratio *out,
                               tempo_err *err) TEMPO_MUST_CHECK;

/* ---- power (power.c) ----------------------------------------------------------- */

/* Power of tempo_test_bound by resampling the values at hand, which may be skewed: what a study like this one finds
 * when the mean lies `effect` above (below) the bound and the values are spread as here.  */
typedef struct tempo_bound_power {
    double above, below;                 /* power of either one-sided test of level alpha at that effect */
    double minimal_above, minimal_below; /* the smallest distance from the bound that it finds with about `power` */
} tempo_bound_power;

/* n >= 2, resamples >= 100.  A minimal distance is INFINITY when no distance is found so often. */
tempo_status tempo_power_bound(const double *x, size_t n, double effect, double alpha, double power,
                               size_t resamples, uint64_t seed, tempo_bound_power *out,
                               tempo_err *err) TEMPO_MUST_CHECK;

/* The noncentral t distribution function: P(T <= t), df > 0, noncentrality d.  Absolute error under 1e-10.  */
double tempo_noncentral_t(double t, double df, double d);

#endif
