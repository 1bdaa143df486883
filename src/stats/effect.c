/* effect.c - effect sizes, shares and ratios, with their intervals.
 *
 * Effect sizes: J. Cohen (1988); L. V. Hedges (1981), J. Educ. Stat. 6, 107-128; intervals by inverting the
 * noncentral t (G. Cumming and S. Finch, 2001).  Shares: C. Clopper and E. Pearson (1934), Biometrika 26,
 * 404-413.  */
#include <math.h>

#include "stats/stats.h"
#include "stats/bound.h"
#include "stats/dist.h"

struct inversion {
    double t, df, p;
};

static double excess(double d, const void *user)
{
    const struct inversion *q = user;

    return tempo_noncentral_t(q->t, q->df, d) - q->p;
}

/* The noncentrality under which T <= t has probability p; decreasing in it. */
static double noncentrality(double t, double df, double p)
{
    const struct inversion q = {t, df, p};
    double lo = t - 1, hi = t + 1;

    for (double step = 1; excess(lo, &q) < 0 && step < 1e9; step *= 2)
        lo -= step;
    for (double step = 1; excess(hi, &q) > 0 && step < 1e9; step *= 2)
        hi += step;
    return tempo_root(excess, &q, lo, hi);
}

/* Hedges' J: dz is biased away from 0 by 1/J.  There is none with one degree of freedom. */
static double hedges(double df)
{
    int sign;

    return df > 1 ? exp(lgamma_r(df / 2, &sign) - lgamma_r((df - 1) / 2, &sign)) / sqrt(df / 2) : NAN;
}

tempo_status tempo_effect_size(const double *x, size_t n, double reference, double level, tempo_effect *out,
                               tempo_err *err)
{
    tempo_status st;

    *out = (tempo_effect){NAN, NAN, {NAN, NAN}, {NAN, NAN}};
    if ((st = tempo_stats_check(x, n, 2, err)) != TEMPO_OK)
        return st;
    if (!(level > 0 && level < 1) || !isfinite(reference))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "an effect needs a finite reference and a level between 0 and 1");
    const tempo_moments m = tempo_moments_of(x, n);
    const double d = m.mean - reference, root = sqrt(m.n), j = hedges(m.n - 1);
    if (m.sd == 0) {
        out->dz = out->g = d == 0 ? 0 : copysign(INFINITY, d);
        return TEMPO_OK;
    }
    out->dz = d / m.sd;
    out->dz_ci.lo = noncentrality(out->dz * root, m.n - 1, (1 + level) / 2) / root;
    out->dz_ci.hi = noncentrality(out->dz * root, m.n - 1, (1 - level) / 2) / root;
    out->g = j * out->dz;
    out->g_ci = (tempo_interval){j * out->dz_ci.lo, j * out->dz_ci.hi};
    return TEMPO_OK;
}

tempo_status tempo_interval_share(size_t k, size_t n, double level, tempo_interval *out, tempo_err *err)
{
    *out = (tempo_interval){NAN, NAN};
    if (n == 0 || k > n || !(level > 0 && level < 1))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a share needs k of n >= k, n >= 1");
    const double half = (1 - level) / 2, a = (double)k, b = (double)(n - k);
    out->lo = k == 0 ? 0 : tempo_dist_beta_quantile(half, a, b + 1);
    out->hi = k == n ? 1 : tempo_dist_beta_quantile(1 - half, a + 1, b);
    return TEMPO_OK;
}

tempo_status tempo_stats_ratio(const double *a, const double *b, size_t n, double level, tempo_ratio *out,
                               tempo_err *err)
{
    double mean = 0, sum = 0;
    tempo_status st;

    *out = (tempo_ratio){.ratio = NAN, .ci = {NAN, NAN}, .p = NAN, .n = n};
    if ((st = tempo_stats_check(a, n, 2, err)) != TEMPO_OK ||
        (st = tempo_stats_check(b, n, 2, err)) != TEMPO_OK)
        return st;
    if (!(level > 0 && level < 1))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a level is between 0 and 1");
    for (size_t i = 0; i < n; i++)
        if (!(a[i] > 0 && b[i] > 0))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "pair %zu is not positive", i);
    for (size_t i = 0; i < n; i++)
        mean += (log(a[i]) - log(b[i])) / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double d = log(a[i]) - log(b[i]) - mean;
        sum += d * d;
    }
    const double df = (double)n - 1, se = sqrt(sum / df / (double)n);
    const double q = tempo_dist_t_quantile((1 + level) / 2, df);
    out->ratio = exp(mean);
    out->ci = (tempo_interval){exp(mean - q * se), exp(mean + q * se)};
    out->p = se > 0 ? 2 * tempo_dist_t_p(-fabs(mean) / se, df) : mean == 0 ? 1 : 0;
    return TEMPO_OK;
}
