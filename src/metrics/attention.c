/* attention.c - attention rows: isolated against visible, and what goes to siblings. */
#include "metrics/metrics.h"

#include <math.h>

static double sum_range(const float *row, size_t begin, size_t end)
{
    tempo_sum sum = {0};

    for (size_t i = begin; i < end; i++)
        tempo_sum_add(&sum, row[i] >= 0 ? (double)row[i] : (double)NAN);
    return tempo_sum_value(&sum);
}

/* What both an isolated and a visible row see. */
static double sum_common(const float *row, const tempo_sight *s)
{
    return sum_range(row, 0, s->n_prev) + sum_range(row, s->own, s->own + 1);
}

double tempo_attention_js(const float *isolated, const float *visible, const tempo_sight *s)
{
    const double a = sum_common(isolated, s), b = sum_common(visible, s);
    tempo_sum sum = {0};

    if (!(a > 0 && b > 0))
        return (double)NAN;
    for (size_t i = 0; i < s->n_prev; i++)
        tempo_sum_add(&sum, tempo_js_term((double)isolated[i] / a, (double)visible[i] / b));
    tempo_sum_add(&sum, tempo_js_term((double)isolated[s->own] / a, (double)visible[s->own] / b));
    return tempo_sum_value(&sum);
}

double tempo_attention_l1(const float *isolated, const float *visible, const tempo_sight *s)
{
    const double b = sum_common(visible, s);
    tempo_sum sum = {0};

    if (!(b > 0))
        return (double)NAN;
    for (size_t i = 0; i < s->n_prev; i++)
        tempo_sum_add(&sum, fabs((double)isolated[i] - (double)visible[i] / b));
    tempo_sum_add(&sum, fabs((double)isolated[s->own] - (double)visible[s->own] / b));
    return tempo_sum_value(&sum);
}

double tempo_attention_max_diff(const float *isolated, const float *visible, const tempo_sight *s)
{
    const double b = sum_common(visible, s);
    double max = fabs((double)isolated[s->own] - (double)visible[s->own] / b);

    for (size_t i = 0; i < s->n_prev && !isnan(max); i++) {
        const double d = fabs((double)isolated[i] - (double)visible[i] / b);
        max = d <= max ? max : d; /* a NaN comes in, and stays */
    }
    return b > 0 ? max : (double)NAN;
}

double tempo_sibling_mass(const float *row, const tempo_sight *s)
{
    return sum_range(row, s->set_begin, s->own) + sum_range(row, s->own + 1, s->set_end);
}

/* All mass that is not on the first slot. */
static double sum_past_sink(const float *row, const tempo_sight *s)
{
    return sum_range(row, 1, s->n_prev) + sum_range(row, s->set_begin, s->set_end);
}

/* part of whole, where both may be nothing */
static double share(double part, double whole)
{
    return whole == 0 ? 0 : part / whole;
}

double tempo_sibling_share(const float *row, const tempo_sight *s)
{
    return share(tempo_sibling_mass(row, s), sum_past_sink(row, s));
}

double tempo_nearest_share(const float *row, const tempo_sight *s)
{
    const size_t n = s->set_end - s->set_begin - 1;

    if (n > 0 && n + 1 > s->n_prev)
        return (double)NAN;
    return share(sum_range(row, s->n_prev - n, s->n_prev), sum_past_sink(row, s));
}

double tempo_uniform_share(const tempo_sight *s)
{
    const double m = (double)(s->set_end - s->set_begin);

    return (m - 1) / (m + (double)s->n_prev - (s->n_prev > 0 ? 1 : 0));
}

static double tv_term(double a, double b)
{
    return 0.5 * fabs(a - b);
}

/* The terms of two rows, each divided by its sum. */
static double sum_terms(const float *a, const float *b, size_t n, double (*term)(double a, double b))
{
    const double sum_a = sum_range(a, 0, n), sum_b = sum_range(b, 0, n);
    tempo_sum sum = {0};

    if (!(sum_a > 0 && sum_b > 0))
        return (double)NAN;
    for (size_t i = 0; i < n; i++)
        tempo_sum_add(&sum, term((double)a[i] / sum_a, (double)b[i] / sum_b));
    return tempo_sum_value(&sum);
}

double tempo_row_js(const float *a, const float *b, size_t n)
{
    return sum_terms(a, b, n, tempo_js_term);
}

double tempo_row_tv(const float *a, const float *b, size_t n)
{
    return sum_terms(a, b, n, tv_term);
}
