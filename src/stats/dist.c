/* dist.c - distribution functions through GSL, a root finder, seeding. */
#include "stats/dist.h"

#include <assert.h>
#include <gsl/gsl_cdf.h>
#include <math.h>

double tempo_dist_normal_p(double z)
{
    return gsl_cdf_ugaussian_P(z);
}

double tempo_dist_normal_quantile(double p)
{
    return gsl_cdf_ugaussian_Pinv(p);
}

/* By the incomplete beta function: gsl_cdf_tdist_P keeps only 9 digits above df = 30. */
double tempo_dist_t_p(double t, double df)
{
    double tail;

    if (isnan(t) || !(df > 0 && isfinite(df)))
        return NAN;
    if (isinf(t))
        return t > 0 ? 1 : 0;
    /* of the two forms the one whose argument is not close to 1 */
    if (t * t > df)
        tail = 0.5 * gsl_cdf_beta_P(df / (df + t * t), 0.5 * df, 0.5);
    else
        tail = 0.5 * gsl_cdf_beta_Q(t * t / (df + t * t), 0.5, 0.5 * df);
    return t > 0 ? 1 - tail : tail;
}

double tempo_root(tempo_root_fn f, const void *user, double lo, double hi)
{
    double flo = f(lo, user), fhi = f(hi, user);

    for (int i = 0; i < 200 && hi - lo > 1e-13 * (fabs(lo) + fabs(hi)) + 1e-300; i++) {
        /* false position, and every third time a bisection, so that neither end can stay for good */
        double mid = i % 3 == 2 || fhi == flo ? 0.5 * (lo + hi) : lo - flo * (hi - lo) / (fhi - flo);
        if (!(mid > lo && mid < hi))
            mid = 0.5 * (lo + hi);
        if (mid <= lo || mid >= hi)
            break;
        const double fm = f(mid, user);
        if (fm == 0)
            return mid;
        if ((fm < 0) == (flo < 0)) {
            lo = mid;
            flo = fm;
        } else {
            hi = mid;
            fhi = fm;
        }
    }
    return fabs(flo) < fabs(fhi) ? lo : hi;
}

struct quantile {
    double p, a, b;
};

static double t_excess(double t, const void *user)
{
    const struct quantile *q = user;

    return tempo_dist_t_p(t, q->a) - q->p;
}

/* In the lower tail, where P(T <= t) has no cancellation; the upper by symmetry. */
double tempo_dist_t_quantile(double p, double df)
{
    const struct quantile q = {.p = p > 0.5 ? 1 - p : p, .a = df};
    double lo = -1;

    if (!(p > 0 && p < 1 && df > 0 && isfinite(df)))
        return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
    if (p == 0.5)
        return 0;
    while (t_excess(lo, &q) > 0 && lo > -1e300)
        lo *= 2;
    const double t = tempo_root(t_excess, &q, lo, lo == -1 ? 0 : lo / 2);
    return p > 0.5 ? -t : t;
}

static double beta_excess(double x, const void *user)
{
    const struct quantile *q = user;

    return gsl_cdf_beta_P(x, q->a, q->b) - q->p;
}

double tempo_dist_beta_quantile(double p, double a, double b)
{
    if (!(p > 0 && p < 1 && a > 0 && b > 0))
        return NAN;
    return tempo_root(beta_excess, &(struct quantile){p, a, b}, 0, 1);
}

void tempo_random_seed(tempo_random *r, uint64_t seed)
{
    r->rng = (gsl_rng){.type = gsl_rng_mt19937, .state = r->state};
    assert(gsl_rng_mt19937->size <= sizeof(r->state));
    gsl_rng_set(&r->rng, (unsigned long)((seed ^ seed >> 32) & 0xffffffffu));
}

tempo_status tempo_stats_check(const double *x, size_t n, size_t least, tempo_err *err)
{
    if (n < least)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%zu values where at least %zu are needed", n,
                          least);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "value %zu is not finite", i);
    return TEMPO_OK;
}
