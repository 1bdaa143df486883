/* stats_power.c - the noncentral t, and what a study of a given size can find. */
#include <math.h>
#include <stdlib.h>

#include "study/stats.h"
#include "study/stats_bound.h"
#include "study/stats_dist.h"

struct noncentral {
    double t, df, d, log_scale;
};

/* P(T <= t given w) times the density of w = sqrt(chi^2/df). */
static double integrand(const struct noncentral *q, double w)
{
    return tempo_dist_normal_p(q->t * w - q->d) *
           exp(q->log_scale + (q->df - 1) * log(w) - q->df * w * w / 2);
}

/* Gauss and Legendre's rule of 10 points (Abramowitz and Stegun, table 25.4) on 12 panels. */
static double integrate(const struct noncentral *q, double lo, double hi)
{
    static const double x[] = {0.1488743389816312, 0.4333953941292472, 0.6794095682990244, 0.8650633666889845,
                               0.9739065285171717};
    static const double weight[] = {0.2955242247147529, 0.2692667193099964, 0.2190863625159820,
                                    0.1494513491505806, 0.0666713443086881};
    enum { PANELS = 12 };
    const double half = (hi - lo) / (2 * PANELS);
    double sum = 0;

    for (int k = 0; k < PANELS && half > 0; k++)
        for (int i = 0; i < 5; i++) {
            const double mid = lo + (2 * k + 1) * half;
            sum += weight[i] * (integrand(q, mid - half * x[i]) + integrand(q, mid + half * x[i]));
        }
    return half > 0 ? half * sum : 0;
}

double tempo_noncentral_t(double t, double df, double d)
{
    int sign;

    if (!(df > 0) || !isfinite(d) || isnan(t))
        return NAN;
    if (isinf(t))
        return t > 0 ? 1 : 0;
    const struct noncentral q = {t, df, d,
                                 (1 - df / 2) * log(2) + df / 2 * log(df) - lgamma_r(df / 2, &sign)};
    const double sd = sqrt(0.5 / df), lo = fmax(0, 1 - 10 * sd), hi = 1 + 12 * sd;
    /* where the conditional probability steps from 0 to 1: a region of its own, however narrow */
    const double step = t == 0 ? lo : d / t, width = t == 0 ? 0 : 9 / fabs(t);
    const double a = fmin(fmax(step - width, lo), hi), b = fmin(fmax(step + width, lo), hi);
    const double p = integrate(&q, lo, a) + integrate(&q, a, b) + integrate(&q, b, hi);
    return fmin(1, fmax(0, p));
}

static double power_at(double d, double df, double alpha, bool two_sided)
{
    const double t = tempo_dist_t_quantile(1 - alpha / (two_sided ? 2 : 1), df);

    return 1 - tempo_noncentral_t(t, df, d) + (two_sided ? tempo_noncentral_t(-t, df, d) : 0);
}

static bool valid(size_t n, double sd, double alpha)
{
    return n >= 2 && isfinite(sd) && alpha > 0 && alpha < 1;
}

double tempo_power(size_t n, double sd, double effect, double alpha, bool two_sided)
{
    if (!valid(n, sd, alpha) || !(sd > 0) || !isfinite(effect))
        return NAN;
    return power_at((two_sided ? fabs(effect) : effect) / sd * sqrt((double)n), (double)n - 1, alpha,
                    two_sided);
}

struct wanted {
    double df, alpha, power;
    bool two_sided;
};

static double lacking(double d, const void *user)
{
    const struct wanted *w = user;

    return power_at(d, w->df, w->alpha, w->two_sided) - w->power;
}

double tempo_minimal_effect(size_t n, double sd, double alpha, double power, bool two_sided)
{
    const struct wanted w = {(double)n - 1, alpha, power, two_sided};
    double hi = 1;

    if (!valid(n, sd, alpha) || !(sd >= 0) || !(power > 0 && power < 1))
        return NAN;
    if (sd == 0 || power <= alpha)
        return 0;
    while (lacking(hi, &w) < 0 && hi < 1e6)
        hi *= 2;
    return tempo_root(lacking, &w, 0, hi) * sd / sqrt((double)n);
}

/* For every resample: how far the mean must lie beyond the bound for that resample's test to reject. */
static void needed_shifts(const double *x, size_t n, double alpha, size_t resamples, uint64_t seed,
                          double *sample, double *above, double *below)
{
    const double mean = tempo_stats_mean(x, n), q = tempo_dist_t_quantile(1 - alpha, (double)n - 1);
    tempo_random random;

    tempo_random_seed(&random, seed);
    for (size_t r = 0; r < resamples; r++) {
        for (size_t i = 0; i < n; i++)
            sample[i] = x[tempo_random_index(&random, n)];
        const tempo_moments m = tempo_moments_of(sample, n);
        above[r] = m.sd * tempo_hall_inverse(q, m.skew_above, m.n) - (m.mean - mean);
        below[r] = (m.mean - mean) - m.sd * tempo_hall_inverse(-q, m.skew_below, m.n);
    }
}

static double share_within(const double *shifts, size_t n, double effect)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++)
        k += shifts[i] < effect;
    return (double)k / (double)n;
}

tempo_status tempo_power_bound(const double *x, size_t n, double effect, double alpha, double power,
                               size_t resamples, uint64_t seed, tempo_bound_power *out, tempo_err *err)
{
    double *shifts = NULL, *above = NULL, *below = NULL;
    tempo_status st;

    *out = (tempo_bound_power){NAN, NAN, NAN, NAN};
    if ((st = tempo_stats_check(x, n, 2, err)) != TEMPO_OK)
        return st;
    if (!(alpha > 0 && alpha < 1 && power > 0 && power < 1) || resamples < 100 || !isfinite(effect))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "power needs a finite effect, alpha and power between 0 and 1, and 100 resamples");
    if (n > UINT32_MAX || resamples > (SIZE_MAX / sizeof(double) - n) / 2)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "too many values to resample");
    if ((shifts = calloc(2 * resamples + n, sizeof(*shifts))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu resamples", resamples);
    needed_shifts(x, n, alpha, resamples, seed, shifts + 2 * resamples, shifts, shifts + resamples);
    above = tempo_stats_sorted(shifts, resamples);
    below = tempo_stats_sorted(shifts + resamples, resamples);
    if (above != NULL && below != NULL)
        *out = (tempo_bound_power){.above = share_within(above, resamples, effect),
                                   .below = share_within(below, resamples, effect),
                                   .minimal_above = fmax(0, tempo_stats_quantile(above, resamples, power)),
                                   .minimal_below = fmax(0, tempo_stats_quantile(below, resamples, power))};
    else
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu resamples", resamples);
    free(above);
    free(below);
    free(shifts);
    return st;
}
