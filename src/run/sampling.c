/* sampling.c - one token drawn from q: min_p, top_p, and random numbers that depend on seed and step
 * only. */
#include <math.h>
#include <stdlib.h>

#include "run/sampling.h"

/* The output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

double tempo_sample_uniform(uint64_t seed, uint64_t step)
{
    const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);

    /* The seed goes through the mixer first, so that neighbouring seeds do not share a stream shifted by
     * steps. */
    return (double)(mix(mix(seed + golden) + (step + 1) * golden) >> 11) * 0x1p-53;
}

static int descending(const void *pa, const void *pb)
{
    const double a = *(const double *)pa, b = *(const double *)pb;

    return (a < b) - (a > b);
}

typedef struct cut {
    double least; /* tokens with q above this stay */
    size_t equal; /* and of those with exactly this, the first so many ids */
} cut;

/* The fewest tokens with q >= least whose share of `mass`, their sum, reaches top_p. */
static cut cut_top(const double *q, size_t n, double least, double mass, double top_p, double *scratch)
{
    /* What is below this adds up to less than the share that may go. */
    const double small = (1.0 - top_p) * mass / (double)n, from = small > least ? small : least;
    size_t m = 0, k = 0;
    double sum = 0;
    cut c = {0};

    for (size_t i = 0; i < n; i++)
        if (q[i] >= from)
            scratch[m++] = q[i];
    qsort(scratch, m, sizeof(*scratch), descending);
    do {
        c.equal = k > 0 && scratch[k] == scratch[k - 1] ? c.equal + 1 : 1;
        sum += scratch[k++];
    } while (k < m && sum < top_p * mass);
    c.least = scratch[k - 1];
    return c;
}

static bool stays(double p, const cut *c, size_t *equal)
{
    return p > c->least || (p == c->least && (*equal)++ < c->equal);
}

static double kept_mass(const double *q, size_t n, const cut *c)
{
    double mass = 0;
    size_t equal = 0;

    for (size_t i = 0; i < n; i++)
        if (stays(q[i], c, &equal))
            mass += q[i];
    return mass;
}

int32_t tempo_sample(const double *q, size_t n, const tempo_sampling *s, size_t step, double *scratch)
{
    double greatest = 0, sum = 0;
    cut c = {.equal = n};
    size_t equal = 0, drawn = 0;

    for (size_t i = 0; i < n; i++)
        greatest = q[i] > greatest ? q[i] : greatest;
    c.least = s->min_p * greatest;
    if (s->top_p < 1.0)
        c = cut_top(q, n, c.least, kept_mass(q, n, &c), s->top_p, scratch);
    const double at = tempo_sample_uniform(s->seed, step) * kept_mass(q, n, &c);
    for (size_t i = 0; i < n; i++) {
        if (!stays(q[i], &c, &equal) || !(q[i] > 0))
            continue;
        drawn = i; /* the last one stands in when rounding leaves `at` beyond the sum */
        if ((sum += q[i]) > at)
            break;
    }
    return (int32_t)drawn;
}
