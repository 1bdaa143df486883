/* metrics.c - divergences between distributions over a vocabulary. */
#include "metrics/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

void tempo_sum_add(tempo_sum *s, double x)
{
    const double t = s->high + x;

    s->low += fabs(s->high) >= fabs(x) ? (s->high - t) + x : (x - t) + s->high;
    s->high = t;
}

double tempo_sum_value(const tempo_sum *s)
{
    return s->high + s->low;
}

void tempo_softmax_row(const float *logits, size_t n, double *p)
{
    double max = -HUGE_VAL;
    tempo_sum sum = {0};

    for (size_t i = 0; i < n; i++)
        max = (double)logits[i] > max ? (double)logits[i] : max; /* a NaN is met again below */
    for (size_t i = 0; i < n; i++) {
        p[i] = exp((double)logits[i] - max);
        tempo_sum_add(&sum, p[i]);
    }
    const double total = tempo_sum_value(&sum);
    for (size_t i = 0; i < n; i++)
        p[i] /= total;
}

static bool are_weights(double p, double q)
{
    return p >= 0 && q >= 0 && p < HUGE_VAL && q < HUGE_VAL;
}

double tempo_l1(const double *p, const double *q, size_t n)
{
    tempo_sum sum = {0};

    for (size_t i = 0; i < n; i++)
        tempo_sum_add(&sum, are_weights(p[i], q[i]) ? fabs(p[i] - q[i]) : (double)NAN);
    return tempo_sum_value(&sum);
}

double tempo_tv(const double *p, const double *q, size_t n)
{
    return 0.5 * tempo_l1(p, q, n);
}

/* With p = q (1 + t) it is q ((1 + t) log(1 + t) - t); near t = 0 the two parts cancel, the series does not.
 */
double tempo_kl_term(double p, double q)
{
    if (!are_weights(p, q))
        return (double)NAN;
    if (p == 0)
        return q;
    if (q == 0)
        return HUGE_VAL;
    const double t = (p - q) / q;
    if (fabs(t) < 0.02) {
        double s = 0;
        for (int k = 11; k >= 2; k--) /* sum (-t)^k / (k (k - 1)) */
            s = 1.0 / (k * (k - 1)) - t * s;
        return q * t * t * s;
    }
    return p * log(p / q) - (p - q);
}

double tempo_kl(const double *p, const double *q, size_t n)
{
    tempo_sum sum = {0};
    bool infinite = false;

    for (size_t i = 0; i < n; i++) {
        const double term = tempo_kl_term(p[i], q[i]);
        if (isinf(term))
            infinite = true; /* a NaN behind it must still be found */
        else
            tempo_sum_add(&sum, term);
    }
    const double value = tempo_sum_value(&sum);
    return infinite && !isnan(value) ? HUGE_VAL : value;
}

/* With p, q = m (1 + d), m (1 - d) it is m / 2 times (1 + d) log(1 + d) + (1 - d) log(1 - d), which is
 * sum d^2k / (k (2k - 1)).  */
double tempo_js_term(double p, double q)
{
    if (!are_weights(p, q))
        return (double)NAN;
    if (p == 0 || q == 0)
        return 0.5 * (p + q) * 0.693147180559945309417;
    const double half = 0.5 * p + 0.5 * q;
    if (half == 0) /* both round to nothing */
        return 0;
    const double d = (0.5 * p - 0.5 * q) / half, d2 = d * d;
    double s = 0;
    if (d2 < 0.0025) {
        for (int k = 6; k >= 1; k--)
            s = 1.0 / (k * (2 * k - 1)) + d2 * s;
        return 0.5 * half * d2 * s;
    }
    return 0.5 * half * ((1 + d) * log1p(d) + (1 - d) * log1p(-d));
}

double tempo_js(const double *p, const double *q, size_t n)
{
    tempo_sum sum = {0};

    for (size_t i = 0; i < n; i++)
        tempo_sum_add(&sum, tempo_js_term(p[i], q[i]));
    return tempo_sum_value(&sum);
}

static double mean(const float *a, size_t n)
{
    tempo_sum sum = {0};

    for (size_t i = 0; i < n; i++)
        tempo_sum_add(&sum, (double)a[i]);
    return tempo_sum_value(&sum) / (double)n;
}

double tempo_cosine_centred(const float *a, const float *b, size_t n)
{
    tempo_sum ab = {0}, aa = {0}, bb = {0};

    if (n == 0)
        return (double)NAN;
    const double ma = mean(a, n), mb = mean(b, n);
    bool constant_a = true, constant_b = true;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)a[i] - ma, y = (double)b[i] - mb;
        constant_a &= a[i] == a[0];
        constant_b &= b[i] == b[0];
        tempo_sum_add(&ab, x * y);
        tempo_sum_add(&aa, x * x);
        tempo_sum_add(&bb, y * y);
    }
    if (constant_a || constant_b)
        return (double)NAN;
    const double c = tempo_sum_value(&ab) / (sqrt(tempo_sum_value(&aa)) * sqrt(tempo_sum_value(&bb)));
    return c > 1 ? 1 : c < -1 ? -1 : c;
}

/* ---- the tokens that hold most of the mass ---- */

/* Non-negative doubles are in the order of their bits, so the threshold is found digit by digit, from the
 * top: 11 bits of exponent, then the mantissa in four digits of 13.  */
enum { DIGIT_BITS = 13, N_DIGITS = 5, N_BUCKETS = 1 << DIGIT_BITS };

static uint64_t bits_of(double x)
{
    uint64_t u;

    x += 0.0; /* -0 */
    memcpy(&u, &x, sizeof(u));
    return u;
}

/* The bucket, from the greatest, in which what is left of *target is reached; *target loses the buckets
 * before. Rounding may leave it unreached: then the smallest that holds anything.  */
static uint64_t find_bucket(const double *buckets, double *target)
{
    uint64_t last = 0;

    for (size_t i = N_BUCKETS; i-- > 0;) {
        if (buckets[i] == 0)
            continue;
        last = i;
        if (buckets[i] >= *target)
            return i;
        *target -= buckets[i];
    }
    *target += buckets[last];
    return last;
}

/* The least p of the set, as bits; *left: how much mass the tokens with exactly this p must still bring. */
static uint64_t find_threshold(const double *p, size_t n, double target, double *left)
{
    uint64_t prefix = 0;

    for (int digit = N_DIGITS - 1; digit >= 0; digit--) {
        double buckets[N_BUCKETS] = {0};
        const int shift = digit * DIGIT_BITS;
        for (size_t i = 0; i < n; i++) {
            const uint64_t u = bits_of(p[i]);
            if (p[i] > 0 && (digit == N_DIGITS - 1 || u >> (shift + DIGIT_BITS) == prefix))
                buckets[(u >> shift) & (N_BUCKETS - 1)] += p[i];
        }
        prefix = prefix << DIGIT_BITS | find_bucket(buckets, &target);
    }
    *left = target;
    return prefix;
}

double tempo_max_dlogp(const double *p, const double *q, size_t n, double mass)
{
    tempo_sum sum = {0};
    double left, max = 0;

    for (size_t i = 0; i < n; i++)
        tempo_sum_add(&sum, are_weights(p[i], q[i]) ? p[i] : (double)NAN);
    const double total = tempo_sum_value(&sum);
    if (!(total > 0 && mass > 0 && mass <= 1))
        return (double)NAN;
    const uint64_t threshold = find_threshold(p, n, mass * total, &left);
    for (size_t i = 0; i < n; i++) {
        const uint64_t u = bits_of(p[i]);
        if (u < threshold || (u == threshold && !(left > 0)))
            continue;
        if (u == threshold)
            left -= p[i];
        const double d = q[i] > 0 ? fabs(log(p[i]) - log(q[i])) : HUGE_VAL;
        max = d > max ? d : max;
    }
    return max;
}
