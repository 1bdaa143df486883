/* readout.c - m rows of logits become one distribution.  Sums run in index order, in double. */
#include "decode/decode.h"

#include <math.h>

/* z[v] = row[v] / temperature - log sum exp(row / temperature): log softmax.  False if not finite. */
static bool log_softmax(double *z, const float *row, size_t n, double temperature)
{
    double max = -INFINITY, sum = 0.0;

    for (size_t v = 0; v < n; v++) {
        if (!isfinite(row[v]))
            return false;
        z[v] = (double)row[v] / temperature;
        if (z[v] > max)
            max = z[v];
    }
    for (size_t v = 0; v < n; v++)
        sum += exp(z[v] - max);
    const double shift = max + log(sum); /* the quotient overflows to infinity only below T = 1e-270 */
    for (size_t v = 0; v < n; v++)
        z[v] -= shift;
    return isfinite(shift);
}

static tempo_status bad_logits(tempo_err *err, size_t row)
{
    return tempo_fail(
        err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
        "the model gave logits that are not finite numbers (row %zu): its weights are damaged or overflow",
        row);
}

/* softmax of one row into q */
static tempo_status single(double *q, const float *row, size_t index, size_t n, double temperature,
                           tempo_err *err)
{
    if (!log_softmax(q, row, n, temperature))
        return bad_logits(err, index);
    for (size_t v = 0; v < n; v++)
        q[v] = exp(q[v]);
    return TEMPO_OK;
}

/* q = the normalised exponential of the log-probabilities that q holds. */
static void renormalise_logs(double *q, size_t n)
{
    double max = -INFINITY, sum = 0.0;

    for (size_t v = 0; v < n; v++)
        max = q[v] > max ? q[v] : max;
    for (size_t v = 0; v < n; v++)
        sum += q[v] = exp(q[v] - max);
    for (size_t v = 0; v < n; v++)
        q[v] /= sum;
}

static double sum_of(const double *p, size_t m)
{
    double s = 0.0;

    for (size_t i = 0; i < m; i++)
        s += p[i];
    return s;
}

tempo_status tempo_readout_mix(double *q, const float *const *rows, const double *p, size_t m, size_t n_vocab,
                               tempo_readout how, double temperature, double *work, tempo_err *err)
{
    size_t best = 0, least = 0;

    for (size_t i = 1; i < m;
         i++) { /* members stand in descending order: of equals the first is the top one */
        best = p[i] > p[best] ? i : best;
        least = p[i] <= p[least] ? i : least;
    }
    if (m == 1 || how == TEMPO_READOUT_TOP || how == TEMPO_READOUT_LAST) {
        const size_t i = how == TEMPO_READOUT_LAST ? least : best;
        return single(q, rows[i], i, n_vocab, temperature, err);
    }
    const double total = sum_of(p, m);
    for (size_t v = 0; v < n_vocab; v++)
        q[v] = 0.0;
    for (size_t i = 0; i < m; i++) {
        const double w = how == TEMPO_READOUT_UNIFORM ? 1.0 / (double)m : p[i] / total;
        if (!log_softmax(work, rows[i], n_vocab, temperature))
            return bad_logits(err, i);
        for (size_t v = 0; v < n_vocab; v++)
            q[v] += w * (how == TEMPO_READOUT_GEOMETRIC ? work[v] : exp(work[v]));
    }
    if (how == TEMPO_READOUT_GEOMETRIC)
        renormalise_logs(q, n_vocab);
    return TEMPO_OK;
}

double tempo_entropy(const double *q, size_t n)
{
    double h = 0.0;

    for (size_t v = 0; v < n; v++)
        if (q[v] > 0.0)
            h -= q[v] * log(q[v]);
    return h > 0.0 ? h : 0.0; /* not -0.0 or a rounding below it */
}
