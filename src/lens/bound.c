/* bound.c - see bound.h. */
#include "lens/bound.h"

#include <math.h>

static const double u = 0x1p-24;

double tempo_bound_product(const tempo_model *m, tempo_dtype type, const double *w_abs, const double *x_abs,
                           size_t n)
{
    const tempo_form form = m->kernels.form[type];
    const bool fast = m->kernels.compute == TEMPO_FAST;
    double all = 0, blocks = 0, most = 0, weights = 0;

    for (size_t i = 0; i < n; i++) {
        all += x_abs[i] * w_abs[i];
        most = x_abs[i] > most ? x_abs[i] : most;
        weights += w_abs[i];
        if ((i + 1) % TEMPO_BLOCK == 0 || i + 1 == n) {
            blocks += most * weights;
            most = weights = 0;
        }
    }
    const double factor = form == TEMPO_FORM_FLOAT  ? ((double)n / 16 + 260) * u
                          : form == TEMPO_FORM_BF16 ? (fast ? 0x1p-7 : 0x1p-15)
                                                    : 0x1p-6;
    return 1.001 * (form == TEMPO_FORM_INTEGER ? 0x1p-15 * blocks
                    : form == TEMPO_FORM_BYTES ? 1.0 / 253 * blocks
                                               : factor * all);
}

/* Bias and scale are an addition and a product; a cap is c tanh(x / c), undone. */
static double bound_finish(const tempo_model *m, double logit)
{
    const double cap = (double)m->recipe.logit_cap, part = cap > 0 ? tanh(logit / cap) : 0;
    double bound = 0;

    if (m->output_bias != NULL || m->recipe.logit_scale != 1.0f || cap > 0)
        bound += 2.01 * u * fabs(logit);
    if (cap > 0)
        bound += 1.01 * u * fabs(logit) + 6.01 * u * cap * fabs(part) / (1 - part * part);
    return bound;
}

double tempo_bound_logit(const tempo_model *m, const double *w_abs, const float *x, double mean, double scale,
                         double logit, double *room)
{
    const size_t d = m->hp.d_model;
    const tempo_norm *norm = &m->output_norm;
    /* RMS norm: the scale is rounded twice, then two products; layer norm: the mean, a difference, the scale,
     * a quotient, a product */
    const double roundings = m->recipe.norm == TEMPO_NORM_LAYER ? 5.01 : 4.01;
    double bound = 0;

    for (size_t i = 0; i < d; i++) {
        const double w = norm->w != NULL ? fabs((double)norm->w[i]) / scale : 1;
        const double b = norm->b != NULL ? fabs((double)norm->b[i]) : 0;
        const double normed = fabs((double)x[i] - mean) * w;
        room[i] = normed + b;
        bound +=
            w_abs[i] * u * (roundings * normed + 1.01 * fabs(mean) * w + (norm->b != NULL ? room[i] : 0));
    }
    bound += tempo_bound_product(m, m->output.type, w_abs, room, d) + (double)d * 0x1p-52 * bound / u;
    return bound * fabs((double)m->recipe.logit_scale) + bound_finish(m, logit);
}
