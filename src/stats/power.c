/* power.c - the noncentral t, and how far from a bound a study of a given size sees. */
#include <math.h>
#include <stdlib.h>

#include "stats/stats.h"
#include "stats/bound.h"
#include "stats/dist.h"

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

/* One resample as the tests see it: its own skewness is the sum, for one of the two is 0. */
static double skew_of(const tempo_moments *m)
{
    return m->skew_below + m->skew_above;
}

/* Samples of a sample are less spread and less skewed than it is: what they fall short of it, on average, is
 * made up for again, so that a new sample is met halfway.  At most threefold, and never turned round.  */
static void make_up(tempo_moments *m, size_t n, const tempo_moments *whole)
{
    double sd = 0, skew = 0, used = 0;

    for (size_t r = 0; r < n; r++)
        if (m[r].sd > 0) {
            sd += m[r].sd;
            skew += skew_of(&m[r]);
            used++;
        }
    const double wider = used > 0 ? whole->sd * used / sd : 1;
    const double ratio = used > 0 && skew != 0 ? skew_of(whole) * used / skew : 1;
    const double more = fmin(3, fmax(1, ratio));
    for (size_t r = 0; r < n; r++) {
        m[r].sd *= wider;
        m[r].skew_below *= more;
        m[r].skew_above *= more;
    }
}

/* For every resample: how far the mean must lie beyond the bound for that resample's test to reject. */
static void needed_shifts(const double *x, size_t n, double alpha, size_t resamples, uint64_t seed,
                          double *sample, tempo_moments *moments, double *above, double *below)
{
    const tempo_moments whole = tempo_moments_of(x, n);
    const double q = tempo_dist_t_quantile(1 - alpha, (double)n - 1);
    tempo_random random;

    tempo_random_seed(&random, seed);
    for (size_t r = 0; r < resamples; r++) {
        for (size_t i = 0; i < n; i++)
            sample[i] = x[tempo_random_index(&random, n)];
        moments[r] = tempo_moments_of(sample, n);
    }
    make_up(moments, resamples, &whole);
    for (size_t r = 0; r < resamples; r++) {
        const tempo_moments *m = &moments[r];
        if (m->sd == 0) { /* equal values say nothing of the spread: no study would conclude from them */
            above[r] = below[r] = INFINITY;
            continue;
        }
        above[r] = m->sd * tempo_hall_inverse(q, m->skew_above, m->n) - (m->mean - whole.mean);
        below[r] = (m->mean - whole.mean) - m->sd * tempo_hall_inverse(-q, m->skew_below, m->n);
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
    tempo_moments *moments = NULL;
    tempo_status st;

    *out = (tempo_bound_power){NAN, NAN, NAN, NAN};
    if ((st = tempo_stats_check(x, n, 2, err)) != TEMPO_OK)
        return st;
    if (!(alpha > 0 && alpha < 1 && power > 0 && power < 1) || resamples < 100 || !isfinite(effect))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "power needs a finite effect, alpha and power between 0 and 1, and 100 resamples");
    if (n > UINT32_MAX || resamples > (SIZE_MAX / sizeof(*moments) - n) / 2)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "too many values to resample");
    shifts = calloc(2 * resamples + n, sizeof(*shifts));
    moments = calloc(resamples, sizeof(*moments));
    if (shifts != NULL && moments != NULL) {
        needed_shifts(x, n, alpha, resamples, seed, shifts + 2 * resamples, moments, shifts,
                      shifts + resamples);
        above = tempo_stats_sorted(shifts, resamples);
        below = tempo_stats_sorted(shifts + resamples, resamples);
    }
    const double careful = (1 + power) / 2;
    if (above != NULL && below != NULL)
        *out = (tempo_bound_power){.above = share_within(above, resamples, effect),
                                   .below = share_within(below, resamples, effect),
                                   .minimal_above = fmax(0, tempo_stats_quantile(above, resamples, careful)),
                                   .minimal_below = fmax(0, tempo_stats_quantile(below, resamples, careful))};
    else
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu resamples", resamples);
    free(above);
    free(below);
    free(moments);
    free(shifts);
    return st;
}
