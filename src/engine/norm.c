/* norm.c - what lies between two sublayers: what one gave is added to the stream, and normed for the next. */
#include <math.h>
#include <string.h>

#include "engine/pass.h"

/* ---- norms ---- */

float tempo_norm_scale(const tempo_model *m, tempo_norm_kind kind, const float *x, size_t n, float *mean)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n && kind == TEMPO_NORM_LAYER; i++)
        sum += (double)x[i];
    const double mu = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - mu) * ((double)x[i] - mu);
    *mean = (float)mu;
    return (float)sqrt(squares / (double)n + (double)m->hp.norm_eps);
}

static void center(float *h, const float *x, size_t n, float mean, float scale)
{
    for (size_t i = 0; i < n; i++)
        h[i] = (x[i] - mean) / scale;
}

static void weigh(float *h, const tempo_norm *norm, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h[i] *= norm->w[i];
    for (size_t i = 0; i < n && norm->b != NULL; i++)
        h[i] += norm->b[i];
}

void tempo_norm_apply(const tempo_model *m, tempo_norm_kind kind, const tempo_norm *norm, float *h,
                      const float *x, size_t n)
{
    if (norm->w == NULL) {
        if (h != x)
            memcpy(h, x, n * sizeof(*h));
    } else if (kind == TEMPO_NORM_RMS) {
        m->kernels.rmsnorm(h, x, norm->w, n, m->hp.norm_eps);
    } else {
        m->kernels.layernorm(h, x, norm->w, norm->b, n, m->hp.norm_eps);
    }
}

void tempo_norm_frozen(const tempo_model *m, float *h, const float *x, const float *scale)
{
    const size_t d = m->hp.d_model;
    float mean;

    if (scale == NULL) {
        tempo_norm_apply(m, m->recipe.norm, &m->output_norm, h, x, d);
        return;
    }
    (void)tempo_norm_scale(m, m->recipe.norm, x, d, &mean);
    center(h, x, d, mean, *scale);
    weigh(h, &m->output_norm, d);
}

/* The steps of a row between two sublayers: of each addition two, then these. */
enum { NEXT = 5, SCALE, NORMALIZED, PREPARED };
_Static_assert((int)PREPARED == (int)TEMPO_BETWEEN_STEPS, "the last step");

/* The same numbers, shown in their parts; an edited scale is what x is divided by.  In steps the row keeps
 * its place until the last one. */
static void norm_shown(const tempo_between *b, size_t r, size_t to, float *x)
{
    tempo_engine *e = b->rows.e;
    const tempo_model *m = e->model;
    const size_t d = m->hp.d_model;
    float mean, *scale = &e->scales[r], *h = e->h + to * d;

    if (tempo_step(e, SCALE)) {
        *scale = tempo_norm_scale(m, m->recipe.norm, x, d, &mean);
        tempo_show(e, b->scale, b->rows.index, r, scale, 1, 1);
    }
    if (tempo_step(e, NORMALIZED)) {
        const float own = tempo_norm_scale(m, m->recipe.norm, x, d, &mean);
        if (memcmp(scale, &own, sizeof(own)) == 0)
            tempo_norm_apply(m, m->recipe.norm, &(tempo_norm){.w = e->ones}, h, x, d);
        else
            center(h, x, d, mean, *scale);
        tempo_show(e, b->normalized, b->rows.index, r, h, d, 1);
    }
    if (!tempo_step(e, PREPARED))
        return;
    if (e->step != 0 && to != r)
        memcpy(h, e->h + r * d, d * sizeof(*h));
    weigh(h, &b->norm, d);
}

/* ---- between two sublayers ---- */

/* Steps `step` and the one behind it. */
static void add_to_stream(const tempo_between *b, const tempo_addition *a, size_t r, float *x, unsigned step)
{
    tempo_engine *e = b->rows.e;
    const tempo_model *m = e->model;
    const size_t d = m->hp.d_model;
    float *given = a->rows + r * d;

    if (tempo_step(e, step)) {
        if (a->bias != NULL)
            m->kernels.add(given, a->bias, d);
        if (a->post.w != NULL)
            tempo_norm_apply(m, m->recipe.norm, &a->post, given, given, d);
        if (m->recipe.residual_scale != 1.0f)
            m->kernels.scale(given, m->recipe.residual_scale, d);
        tempo_show(e, a->given, a->layer, r, given, d, 1);
    }
    if (tempo_step(e, step + 1)) {
        m->kernels.add(x, given, d);
        tempo_show(e, a->after, a->layer, r, x, d, 1);
    }
}

void tempo_between_row(const tempo_between *b, size_t r, size_t to)
{
    tempo_engine *e = b->rows.e;
    const tempo_model *m = e->model;
    const size_t d = m->hp.d_model;
    float *x = e->x + r * d, *h = e->h + to * d;

    for (size_t i = 0; i < b->n_add && r < b->old; i++)
        add_to_stream(b, &b->add[i], r, x, 1 + 2 * (unsigned)i);
    if (tempo_step(e, NEXT))
        tempo_show(e, b->next, b->rows.index, r, x, d, 1);
    if (b->norm.w != NULL && (e->taps & (TEMPO_TAP_BIT(b->scale) | TEMPO_TAP_BIT(b->normalized))) != 0)
        norm_shown(b, r, to, x);
    else if (tempo_step(e, PREPARED))
        tempo_norm_apply(m, m->recipe.norm, &b->norm, h, x, d);
    if (tempo_step(e, PREPARED))
        tempo_prepare(e, b->rows.next, to, h, 0, d);
}

static void between_row(const tempo_rows *rows, size_t r, size_t begin, size_t end)
{
    (void)begin;
    (void)end;
    tempo_between_row((const tempo_between *)(const void *)rows, r, r);
}

uint64_t tempo_between_shows(const tempo_between *b)
{
    uint64_t shows = TEMPO_TAP_BIT(b->next) | TEMPO_TAP_BIT(b->scale) | TEMPO_TAP_BIT(b->normalized);

    for (size_t i = 0; i < b->n_add; i++)
        shows |= TEMPO_TAP_BIT(b->add[i].given) | TEMPO_TAP_BIT(b->add[i].after);
    return shows;
}

void tempo_between_run(const tempo_between *b)
{
    const tempo_shows shows = {tempo_between_shows(b), TEMPO_BETWEEN_STEPS};

    tempo_each_group(&b->rows, &shows, between_row);
    tempo_stage_end(b->rows.e, TEMPO_STAGE_NORM, 0);
}
