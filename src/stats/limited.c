/* limited.c - the mean of few values that lie between limits, by tests that hold whatever their
 * distribution.
 *
 * H. M. Kaplan (1987), "A method of one-sided nonparametric inference for the mean of a nonnegative
 * population", Am. Stat. 41, 157-158.  When values >= 0 have a mean of at most b, the product of x_i / b has
 * an expectation of at most 1, so by Markov's inequality it reaches 1/p with probability p at most.  Turned
 * round at hi it tests from below.  */
#include <math.h>

#include "stats/stats.h"
#include "stats/dist.h"

/* Sum of log(|x_i - limit|); -infinity when a value lies on the limit. */
static double log_product(const double *x, size_t n, double limit)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += log(fabs(x[i] - limit));
    return sum;
}

static tempo_status check(const double *x, size_t n, double lo, double hi, tempo_err *err)
{
    tempo_status st = tempo_stats_check(x, n, 1, err);

    if (st != TEMPO_OK)
        return st;
    if (!(isfinite(lo) && lo < hi))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the limits of the values are not in order");
    for (size_t i = 0; i < n; i++)
        if (x[i] < lo || x[i] > hi)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "value %zu is not between %g and %g", i, lo,
                              hi);
    return TEMPO_OK;
}

tempo_status tempo_test_limited(const double *x, size_t n, double lo, double hi, double bound,
                                tempo_limited_test *out, tempo_err *err)
{
    const double k = (double)n;
    tempo_status st;

    *out = (tempo_limited_test){NAN, NAN};
    if ((st = check(x, n, lo, hi, err)) != TEMPO_OK)
        return st;
    if (!(lo < bound && bound < hi))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "the bound is not within the limits of the values");
    out->p_above = fmin(1, exp(k * log(bound - lo) - log_product(x, n, lo)));
    out->p_below = isinf(hi) ? 1 : fmin(1, exp(k * log(hi - bound) - log_product(x, n, hi)));
    return TEMPO_OK;
}

tempo_status tempo_interval_limited(const double *x, size_t n, double lo, double hi, double level,
                                    tempo_interval *out, tempo_err *err)
{
    tempo_status st;

    *out = (tempo_interval){NAN, NAN};
    if ((st = check(x, n, lo, hi, err)) != TEMPO_OK)
        return st;
    if (!(level > 0 && level < 1))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a level is between 0 and 1");
    const double k = (double)n, a = log((1 - level) / 2);
    out->lo = lo + exp((log_product(x, n, lo) + a) / k);
    out->hi = isinf(hi) ? hi : hi - exp((log_product(x, n, hi) + a) / k);
    return TEMPO_OK;
}
