/* bound.c - is a mean below or above a bound, or not 0, when values are skewed?  The more cautious of
 * Student's t and Hall's transformed t.
 *
 * P. Hall (1992), "On the removal of skewness by transformation", J. R. Stat. Soc. B 54, 221-228, eq. for
 * g_2: with s = (mean - bound)/sd and skewness G,  sqrt(n) [s + G s^2/3 + G^2 s^3/27 + G/(6n)]  is referred
 * to t(n-1). It is increasing in s, so that tests and intervals invert each other exactly.  */
#include "stats/bound.h"

#include <math.h>
#include <stdlib.h>

#include "stats/stats.h"
#include "stats/dist.h"

/* A sample's skewness falls short of the population's where tails are long, and errs most where it matters:
 * when a long upper tail hides from the claim that the mean is below.  The factor was chosen by simulation
 * (docs/statistics.md).  */
static const double cautious = 1.5;

/* Fisher's G1, the ratio of k-statistics. */
static double skewness_g1(const double *x, size_t n)
{
    const double k = (double)n;

    return n < 3 ? 0 : tempo_stats_skewness(x, n) * sqrt(k * (k - 1)) / (k - 2);
}

tempo_moments tempo_moments_of(const double *x, size_t n)
{
    const double g = skewness_g1(x, n);
    bool equal = true;

    for (size_t i = 1; i < n; i++)
        equal = equal && x[i] == x[0];
    return (tempo_moments){.n = (double)n,
                           .mean = equal ? x[0] : tempo_stats_mean(x, n),
                           .sd = equal ? 0 : tempo_stats_sd(x, n),
                           .skew_below = g > 0 ? cautious * g : 0,
                           .skew_above = g < 0 ? cautious * g : 0};
}

double tempo_hall(double s, double skew, double n)
{
    return sqrt(n) * (s + skew * s * s / 3 + skew * skew * s * s * s / 27 + skew / (6 * n));
}

/* (1 + skew s/3)^3 = 1 + skew h; the difference of cube roots written without cancellation, also for skew 0.
 */
double tempo_hall_inverse(double q, double skew, double n)
{
    const double h = q / sqrt(n) - skew / (6 * n), c = cbrt(1 + skew * h);

    return 3 * h / (c * c + c + 1);
}

tempo_status tempo_test_bound(const double *x, size_t n, double bound, tempo_bound_test *out, tempo_err *err)
{
    tempo_status st;

    *out = (tempo_bound_test){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    if ((st = tempo_stats_check(x, n, 2, err)) != TEMPO_OK)
        return st;
    if (!isfinite(bound))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the bound is not finite");
    const tempo_moments m = tempo_moments_of(x, n);
    out->mean = m.mean;
    out->sd = m.sd;
    out->skewness = skewness_g1(x, n);
    if (m.sd == 0) {
        out->p_below = m.mean < bound ? 0 : 1;
        out->p_above = m.mean > bound ? 0 : 1;
        return TEMPO_OK;
    }
    const double s = (m.mean - bound) / m.sd;
    out->t = s * sqrt(m.n);
    out->t_below = tempo_hall(s, m.skew_below, m.n);
    out->t_above = tempo_hall(s, m.skew_above, m.n);
    out->p_below = tempo_dist_t_p(out->t_below, m.n - 1);
    out->p_above = tempo_dist_t_p(-out->t_above, m.n - 1);
    return TEMPO_OK;
}

tempo_status tempo_interval_mean(const double *x, size_t n, double level, tempo_interval *out, tempo_err *err)
{
    tempo_status st;

    *out = (tempo_interval){NAN, NAN};
    if ((st = tempo_stats_check(x, n, 2, err)) != TEMPO_OK)
        return st;
    if (!(level > 0 && level < 1))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a level is between 0 and 1");
    const tempo_moments m = tempo_moments_of(x, n);
    const double q = m.sd == 0 ? 0 : tempo_dist_t_quantile((1 + level) / 2, m.n - 1);
    out->lo = m.mean - m.sd * tempo_hall_inverse(q, m.skew_above, m.n);
    out->hi = m.mean - m.sd * tempo_hall_inverse(-q, m.skew_below, m.n);
    return TEMPO_OK;
}

tempo_status tempo_test_within(const double *x, size_t n, double bound, tempo_tost *out, tempo_err *err)
{
    tempo_bound_test upper, lower;
    tempo_status st;

    *out = (tempo_tost){NAN, NAN, NAN};
    if (!(bound > 0 && isfinite(bound)))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the bound is not positive");
    if ((st = tempo_test_bound(x, n, bound, &upper, err)) != TEMPO_OK ||
        (st = tempo_test_bound(x, n, -bound, &lower, err)) != TEMPO_OK)
        return st;
    *out = (tempo_tost){fmax(upper.p_below, lower.p_above), upper.p_below, lower.p_above};
    return TEMPO_OK;
}

tempo_status tempo_test_zero(const double *x, size_t n, tempo_zero_test *out, tempo_err *err)
{
    double *v = NULL;
    tempo_bound_test b;
    tempo_status st;

    *out = (tempo_zero_test){.mean = NAN, .p = NAN};
    if ((st = tempo_stats_check(x, n, 1, err)) != TEMPO_OK)
        return st;
    if ((v = calloc(n, sizeof(*v))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu values", n);
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            v[out->n++] = x[i];
    out->mean = tempo_stats_mean(x, n);
    if (out->n < 2)
        out->p = 1;
    else if ((st = tempo_test_bound(v, out->n, 0, &b, err)) == TEMPO_OK)
        out->p = fmin(1, 2 * fmin(b.p_below, b.p_above));
    free(v);
    return st;
}
