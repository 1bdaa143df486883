/* top.c - the most probable tokens, and those that changed most. */
#include "metrics/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Whether token a stands before token b: by value, then by id; NaN last. */
static bool is_before(const double *q, int32_t a, int32_t b)
{
    const double x = q[a], y = q[b];

    if (isnan(x) || isnan(y))
        return isnan(x) && isnan(y) ? a < b : !isnan(x);
    return x > y || (x == y && a < b);
}

/* ids[0 .. n) is a heap with the last one of the order in front; what is in front sinks to its place. */
static void sink(const double *q, int32_t *ids, size_t at, size_t n)
{
    const int32_t x = ids[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && is_before(q, ids[child], ids[child + 1]))
            child++;
        if (!is_before(q, x, ids[child]))
            break;
        ids[at] = ids[child];
    }
    ids[at] = x;
}

size_t tempo_top_k(const double *q, size_t n, size_t k, int32_t *ids)
{
    k = k < n ? k : n;
    if (k == 0)
        return 0;
    for (size_t i = 0; i < k; i++)
        ids[i] = (int32_t)i;
    for (size_t i = k / 2; i-- > 0;)
        sink(q, ids, i, k);
    for (size_t i = k; i < n; i++)
        if (is_before(q, (int32_t)i, ids[0])) {
            ids[0] = (int32_t)i;
            sink(q, ids, 0, k);
        }
    for (size_t left = k - 1; left > 0; left--) { /* the last goes to the end */
        const int32_t last = ids[0];
        ids[0] = ids[left];
        ids[left] = last;
        sink(q, ids, 0, left);
    }
    return k;
}

uint32_t tempo_rank(const float *logits, size_t n, size_t token)
{
    uint32_t rank = 1;

    for (size_t v = 0; v < n; v++)
        rank += logits[v] > logits[token] || (v < token && logits[v] >= logits[token]);
    return rank;
}

size_t tempo_threshold_set(const double *q, size_t n, double tau, size_t cap, int32_t *ids)
{
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += q[i] >= tau;
    if (size == 0)
        size = n > 0;
    (void)tempo_top_k(q, n, cap < size ? cap : size, ids);
    return size;
}

static size_t count_common(const int32_t *a, size_t na, const int32_t *b, size_t nb)
{
    size_t common = 0;

    for (size_t i = 0; i < na; i++)
        for (size_t j = 0; j < nb; j++)
            if (a[i] == b[j]) {
                common++;
                break;
            }
    return common;
}

double tempo_top_k_overlap(const double *p, const double *q, size_t n, size_t k)
{
    int32_t a[TEMPO_TOP_K_MAX], b[TEMPO_TOP_K_MAX];

    k = k < n ? k : n;
    if (k == 0 || k > TEMPO_TOP_K_MAX)
        return (double)NAN;
    for (size_t i = 0; i < n; i++)
        if (isnan(p[i]) || isnan(q[i]))
            return (double)NAN;
    (void)tempo_top_k(p, n, k, a);
    (void)tempo_top_k(q, n, k, b);
    return (double)count_common(a, k, b, k) / (double)k;
}

double tempo_jaccard(const int32_t *a, size_t na, const int32_t *b, size_t nb)
{
    const size_t common = count_common(a, na, b, nb);

    return na + nb == 0 ? 1 : (double)common / (double)(na + nb - common);
}

/* ---- shifts ---- */

static int by_shift(const void *a, const void *b)
{
    const tempo_token_shift *x = a, *y = b;
    const double dx = fabs(x->p - x->q), dy = fabs(y->p - y->q);

    if (isnan(dx) != isnan(dy))
        return isnan(dx) ? -1 : 1;
    if (dx != dy && !isnan(dx))
        return dx > dy ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* As above: the least of out[0 .. n) is in front of the heap. */
static void sink_shift(tempo_token_shift *out, size_t at, size_t n)
{
    const tempo_token_shift x = out[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && by_shift(&out[child], &out[child + 1]) < 0)
            child++;
        if (by_shift(&x, &out[child]) >= 0)
            break;
        out[at] = out[child];
    }
    out[at] = x;
}

size_t tempo_most_different(const double *p, const double *q, size_t n, size_t k, tempo_token_shift *out)
{
    k = k < n ? k : n;
    if (k == 0)
        return 0;
    for (size_t i = 0; i < k; i++)
        out[i] = (tempo_token_shift){(int32_t)i, p[i], q[i]};
    for (size_t i = k / 2; i-- > 0;)
        sink_shift(out, i, k);
    for (size_t i = k; i < n; i++) {
        const tempo_token_shift x = {(int32_t)i, p[i], q[i]};
        if (by_shift(&x, &out[0]) < 0) {
            out[0] = x;
            sink_shift(out, 0, k);
        }
    }
    qsort(out, k, sizeof(*out), by_shift);
    return k;
}
