/* dist.h - distribution functions and random draws behind stats.h; internal to src/stats.
 *
 * GSL's error handler ends the process, so nothing here can reach it: only gsl_cdf functions that never call it on
 * the domains below (NaN is returned outside them), and a generator whose state is the caller's (gsl_rng_alloc would call it).  */
#ifndef TEMPO_STATS_DIST_H
#define TEMPO_STATS_DIST_H
#include <gsl/gsl_rng.h>

#include "base/status.h"

double tempo_dist_normal_p(double z);        /* P(Z <= z) */
double tempo_dist_normal_quantile(double p); /* 0 < p < 1 */
double tempo_dist_t_p(double t, double df);  /* P(T <= t), df > 0; t may be infinite */
double tempo_dist_t_quantile(double p, double df);          /* 0 < p < 1 */
double tempo_dist_beta_quantile(double p, double a, double b); /* 0 < p < 1, a, b > 0 */

/* The x in [lo, hi] where f changes sign (f(lo) and f(hi) differ in sign or are 0): bisection and false position in
 * turn, to 1e-12 of the interval's scale.  */
typedef double (*tempo_root_fn)(double x, const void *user);
double tempo_root(tempo_root_fn f, const void *user, double lo, double hi);

/* MT19937 with the initialisation of 2002; the 32-bit seed is the low half of `seed` xor its high half, 0 meaning
 * 4357 (GSL's convention).  Not to be copied or moved once seeded.  */
typedef struct tempo_random {
    gsl_rng rng;
    uint64_t state[640]; /* 624 words and a position; tempo_random_seed asserts that they fit */
} tempo_random;

void tempo_random_seed(tempo_random *r, uint64_t seed);
/* The next 32 bits. */
static inline uint32_t tempo_random_u32(tempo_random *r)
{
    return (uint32_t)gsl_rng_get(&r->rng);
}
/* (next 32 bits * n) >> 32: in [0, n), 1 <= n <= 2^32. */
static inline size_t tempo_random_index(tempo_random *r, size_t n)
{
    return (size_t)(((uint64_t)tempo_random_u32(r) * n) >> 32);
}

/* TEMPO_E_ARG unless x has at least `least` values and all are finite. */
tempo_status tempo_stats_check(const double *x, size_t n, size_t least, tempo_err *err) TEMPO_MUST_CHECK;

#endif
