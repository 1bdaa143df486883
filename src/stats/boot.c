/* boot.c - BCa bootstrap intervals of a mean, over values or over clusters of values.
 *
 * B. Efron (1987), "Better bootstrap confidence intervals", JASA 82, 171-185; ties count half in z0, and
 * quantiles of the resampled means are type 7, both as in scipy.stats.bootstrap.  */
#include <math.h>
#include <stdlib.h>

#include "stats/stats.h"
#include "stats/dist.h"

/* Clusters: value sums and counts; a plain sample has counts of 1. */
struct groups {
    const double *sum;
    const size_t *count; /* NULL: all 1 */
    size_t n;
};

static double count_of(const struct groups *g, size_t i)
{
    return g->count == NULL ? 1 : (double)g->count[i];
}

static void resample(const struct groups *g, size_t resamples, uint64_t seed, double *means)
{
    tempo_random random;

    tempo_random_seed(&random, seed);
    for (size_t r = 0; r < resamples; r++) {
        double sum = 0, count = 0;
        for (size_t i = 0; i < g->n; i++) {
            const size_t k = tempo_random_index(&random, g->n);
            sum += g->sum[k];
            count += count_of(g, k);
        }
        means[r] = sum / count;
    }
}

/* Summed in order, as every resample is: what equals the estimate must tie with it to the bit. */
static double mean_of(const struct groups *g, double *sum, double *count)
{
    *sum = *count = 0;
    for (size_t i = 0; i < g->n; i++) {
        *sum += g->sum[i];
        *count += count_of(g, i);
    }
    return *sum / *count;
}

/* Efron's acceleration from the jackknife, and whether all groups have one mean. */
static double acceleration(const struct groups *g, double sum, double count, bool *equal)
{
    double mean = 0, d2 = 0, d3 = 0;

    *equal = true;
    for (size_t i = 0; i < g->n; i++)
        *equal = *equal && g->sum[i] / count_of(g, i) == g->sum[0] / count_of(g, 0);
    if (*equal)
        return 0;
    for (size_t i = 0; i < g->n; i++)
        mean += (sum - g->sum[i]) / (count - count_of(g, i)) / (double)g->n;
    for (size_t i = 0; i < g->n; i++) {
        const double d = mean - (sum - g->sum[i]) / (count - count_of(g, i));
        d2 += d * d;
        d3 += d * d * d;
    }
    return d2 > 0 ? d3 / (6 * d2 * sqrt(d2)) : 0;
}

/* z0: how far the estimate is from the median of the resampled means; never infinite. */
static double bias(const double *means, size_t n, double estimate)
{
    double below = 0;

    for (size_t i = 0; i < n; i++)
        below += means[i] < estimate ? 1 : means[i] == estimate ? 0.5 : 0;
    return tempo_dist_normal_quantile(fmin(fmax(below, 0.5), (double)n - 0.5) / (double)n);
}

static double adjusted_level(double p, double z0, double a)
{
    const double z = z0 + tempo_dist_normal_quantile(p), scale = 1 - a * z;

    if (!(scale > 0)) /* beyond where the transformation is monotone */
        return a > 0 ? 1 : 0;
    return tempo_dist_normal_p(z0 + z / scale);
}

static tempo_status bca(const struct groups *g, double level, size_t resamples, uint64_t seed,
                        tempo_boot *out, tempo_err *err)
{
    double *means = NULL, *sorted = NULL;
    double sum, count;
    bool equal;

    out->estimate = mean_of(g, &sum, &count);
    out->acceleration = acceleration(g, sum, count, &equal);
    out->degenerate = equal || g->n < 3;
    if (out->degenerate) {
        out->acceleration = 0;
        out->lo = out->hi = g->n < 3 ? NAN : out->estimate;
        return TEMPO_OK;
    }
    if (resamples <= SIZE_MAX / sizeof(*means))
        means = malloc(resamples * sizeof(*means));
    if (means != NULL) {
        resample(g, resamples, seed, means);
        sorted = tempo_stats_sorted(means, resamples);
    }
    if (sorted != NULL) {
        out->bias = bias(means, resamples, out->estimate);
        const double lo = adjusted_level((1 - level) / 2, out->bias, out->acceleration);
        const double hi = adjusted_level((1 + level) / 2, out->bias, out->acceleration);
        out->lo = tempo_stats_quantile(sorted, resamples, lo);
        out->hi = tempo_stats_quantile(sorted, resamples, hi);
    }
    free(means);
    free(sorted);
    return sorted != NULL
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu resamples", resamples);
}

static tempo_status check(const double *x, size_t n, size_t groups, double level, size_t resamples,
                          tempo_boot *out, tempo_err *err)
{
    *out = (tempo_boot){.estimate = NAN, .lo = NAN, .hi = NAN};
    if (!(level > 0 && level < 1) || resamples < 100)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "a bootstrap needs a level between 0 and 1 and 100 resamples");
    if (groups > UINT32_MAX)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than 2^32-1 values to resample");
    return tempo_stats_check(x, n, 1, err);
}

tempo_status tempo_boot_mean(const double *x, size_t n, double level, size_t resamples, uint64_t seed,
                             tempo_boot *out, tempo_err *err)
{
    tempo_status st = check(x, n, n, level, resamples, out, err);

    if (st != TEMPO_OK)
        return st;
    return bca(&(struct groups){x, NULL, n}, level, resamples, seed, out, err);
}

tempo_status tempo_boot_clusters(const double *x, const size_t *sizes, size_t n_clusters, double level,
                                 size_t resamples, uint64_t seed, tempo_boot *out, tempo_err *err)
{
    double *sums = NULL;
    size_t n = 0;
    tempo_status st;

    *out = (tempo_boot){.estimate = NAN, .lo = NAN, .hi = NAN};
    for (size_t k = 0; k < n_clusters; k++) {
        if (sizes[k] == 0)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "cluster %zu is empty", k);
        n += sizes[k];
    }
    if ((st = check(x, n, n_clusters, level, resamples, out, err)) != TEMPO_OK)
        return st;
    if ((sums = calloc(n_clusters, sizeof(*sums))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu clusters", n_clusters);
    for (size_t k = 0, i = 0; k < n_clusters; k++)
        for (size_t j = 0; j < sizes[k]; j++)
            sums[k] += x[i++];
    st = bca(&(struct groups){sums, sizes, n_clusters}, level, resamples, seed, out, err);
    free(sums);
    return st;
}
