/* adjust.c - p-values of many tests: Holm, Benjamini-Hochberg, maps of heads.
 *
 * S. Holm (1979), Scand. J. Stat. 6, 65-70; Y. Benjamini and Y. Hochberg (1995), J. R. Stat. Soc. B 57,
 * 289-300. Both as R's p.adjust.  */
#include <math.h>
#include <stdlib.h>

#include "stats/stats.h"
#include "stats/dist.h"

struct ranked {
    double p;
    size_t i;
};

static int ascending(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->p != y->p ? (x->p > y->p) - (x->p < y->p) : (x->i > y->i) - (x->i < y->i);
}

static tempo_status rank(const double *p, size_t n, struct ranked **out, tempo_err *err)
{
    *out = NULL;
    for (size_t i = 0; i < n; i++)
        if (!(p[i] >= 0 && p[i] <= 1))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "p-value %zu is not in [0, 1]", i);
    if ((*out = calloc(n + 1, sizeof(**out))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu p-values", n);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = (struct ranked){p[i], i};
    qsort(*out, n, sizeof(**out), ascending);
    return TEMPO_OK;
}

static void fill_nan(double *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
}

tempo_status tempo_adjust_holm(const double *p, size_t n, double *out, tempo_err *err)
{
    struct ranked *r;
    const tempo_status st = rank(p, n, &r, err);
    double least = 0;

    if (st != TEMPO_OK) {
        fill_nan(out, n);
        return st;
    }
    for (size_t k = 0; k < n; k++) {
        least = fmax(least, fmin(1, (double)(n - k) * r[k].p));
        out[r[k].i] = least;
    }
    free(r);
    return TEMPO_OK;
}

tempo_status tempo_adjust_bh(const double *p, size_t n, double *out, tempo_err *err)
{
    struct ranked *r;
    const tempo_status st = rank(p, n, &r, err);
    double most = 1;

    if (st != TEMPO_OK) {
        fill_nan(out, n);
        return st;
    }
    for (size_t k = n; k-- > 0;) {
        most = fmin(most, (double)n / (double)(k + 1) * r[k].p);
        out[r[k].i] = most;
    }
    free(r);
    return TEMPO_OK;
}

tempo_status tempo_stats_head_map(const double *x, size_t n_prompts, size_t n_heads, double *mean, double *p,
                                  double *p_bh, tempo_err *err)
{
    double *column = calloc(n_prompts + 1, sizeof(*column));
    tempo_zero_test z;
    tempo_status st = TEMPO_OK;

    fill_nan(mean, n_heads);
    fill_nan(p_bh, n_heads);
    if (p != NULL)
        fill_nan(p, n_heads);
    if (column == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu prompts", n_prompts);
    for (size_t h = 0; st == TEMPO_OK && h < n_heads; h++) {
        for (size_t i = 0; i < n_prompts; i++)
            column[i] = x[i * n_heads + h];
        if ((st = tempo_test_zero(column, n_prompts, &z, err)) != TEMPO_OK) {
            tempo_err_prefix(err, "head %zu", h);
            break;
        }
        mean[h] = z.mean;
        p_bh[h] = z.n < TEMPO_MIN_PROMPTS ? 1 : z.p;
        if (p != NULL)
            p[h] = p_bh[h];
    }
    if (st == TEMPO_OK)
        st = tempo_adjust_bh(p_bh, n_heads, p_bh, err);
    if (st != TEMPO_OK) {
        fill_nan(mean, n_heads);
        fill_nan(p_bh, n_heads);
        if (p != NULL)
            fill_nan(p, n_heads);
    }
    free(column);
    return st;
}
