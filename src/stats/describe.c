/* describe.c - summaries of one sample. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/stats.h"
#include "stats/dist.h"

double tempo_stats_mean(const double *x, size_t n)
{
    double sum = 0, rest = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) /* a second pass takes back what the first rounded away */
        rest += x[i] - mean;
    return mean + rest / (double)n;
}

double tempo_stats_sd(const double *x, size_t n)
{
    const double mean = tempo_stats_mean(x, n);
    double sum = 0;

    if (n < 2)
        return NAN;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (double)(n - 1));
}

double tempo_stats_skewness(const double *x, size_t n)
{
    const double mean = tempo_stats_mean(x, n);
    double m2 = 0, m3 = 0;
    bool equal = true;

    if (n == 0)
        return NAN;
    for (size_t i = 0; i < n; i++) {
        const double d = x[i] - mean;
        m2 += d * d;
        m3 += d * d * d;
        equal = equal && x[i] == x[0];
    }
    m2 /= (double)n;
    m3 /= (double)n;
    return equal || m2 == 0 ? 0 : m3 / (m2 * sqrt(m2));
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double *tempo_stats_sorted(const double *x, size_t n)
{
    double *copy = n > 0 && n <= SIZE_MAX / sizeof(*copy) ? malloc(n * sizeof(*copy)) : NULL;

    if (copy == NULL)
        return NULL;
    memcpy(copy, x, n * sizeof(*copy));
    qsort(copy, n, sizeof(*copy), ascending);
    return copy;
}

double tempo_stats_quantile(const double *sorted, size_t n, double p)
{
    if (n == 0 || !(p >= 0 && p <= 1))
        return NAN;
    const double at = (double)(n - 1) * p;
    const size_t i = (size_t)at;
    const double part = at - (double)i;
    if (i + 1 >= n || part == 0 || sorted[i] == sorted[i + 1]) /* which may be infinite */
        return sorted[i < n ? i : n - 1];
    return sorted[i] + part * (sorted[i + 1] - sorted[i]);
}

double tempo_stats_median(const double *x, size_t n)
{
    double *sorted = tempo_stats_sorted(x, n);
    const double m = sorted != NULL ? tempo_stats_quantile(sorted, n, 0.5) : NAN;

    free(sorted);
    return m;
}

tempo_status tempo_stats_describe(const double *x, size_t n, tempo_summary *out, tempo_err *err)
{
    double *sorted = NULL;
    tempo_status st;

    *out = (tempo_summary){n, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    if ((st = tempo_stats_check(x, n, 1, err)) != TEMPO_OK)
        return st;
    if ((sorted = tempo_stats_sorted(x, n)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to sort %zu values", n);
    *out = (tempo_summary){.n = n,
                           .mean = tempo_stats_mean(x, n),
                           .sd = tempo_stats_sd(x, n),
                           .min = sorted[0],
                           .q25 = tempo_stats_quantile(sorted, n, 0.25),
                           .median = tempo_stats_quantile(sorted, n, 0.5),
                           .q75 = tempo_stats_quantile(sorted, n, 0.75),
                           .max = sorted[n - 1]};
    free(sorted);
    return TEMPO_OK;
}
