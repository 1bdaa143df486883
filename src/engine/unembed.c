/* unembed.c - from the residual stream to logits: the output matrix that ends a pass, and the same for
 * vectors that a caller has. */
#include <math.h>

#include "engine/pass.h"

typedef struct unembed_job {
    tempo_engine *e;
    const float *x;     /* [n, d_model] */
    const float *scale; /* [n], or NULL */
    size_t n;
} unembed_job;

typedef struct finish_job {
    tempo_rows rows;
    float *logits;
} finish_job;

/* Bias, scale and cap of logits. */
static void finish_part(const tempo_rows *rows, size_t r, size_t begin, size_t end)
{
    const finish_job *job = (const finish_job *)(const void *)rows;
    const tempo_model *m = rows->e->model;
    float *logits = job->logits + r * m->hp.n_vocab + begin;

    if (m->output_bias != NULL)
        m->kernels.add(logits, m->output_bias + begin, end - begin);
    if (m->recipe.logit_scale != 1.0f)
        m->kernels.scale(logits, m->recipe.logit_scale, end - begin);
    if (m->recipe.logit_cap > 0)
        m->kernels.softcap(logits, m->recipe.logit_cap, end - begin);
}

void tempo_unembed(tempo_engine *e, size_t n, float *logits)
{
    const tempo_model *m = e->model;
    const finish_job job = {.rows = {.e = e, .n = n}, .logits = logits};

    tempo_products(e, e->h, n, (tempo_product[]){{&m->output, logits}}, 1, TEMPO_STAGE_OUTPUT);
    if (m->output_bias != NULL || m->recipe.logit_scale != 1.0f || m->recipe.logit_cap > 0)
        tempo_each_part(&job.rows, m->hp.n_vocab, NULL, finish_part);
}

/* e->h = the final norm of x, a group of rows a task: the numbers of norm_row in forward.c. */
static void norm_group(void *arg, size_t group, unsigned worker)
{
    const unembed_job *job = arg;
    const tempo_model *m = job->e->model;
    const tempo_weight *const next[3] = {&m->output};
    const size_t d = m->hp.d_model, begin = group * TEMPO_GROUP;

    (void)worker;
    for (size_t r = begin; r < job->n && r < begin + TEMPO_GROUP; r++) {
        const float *x = job->x + r * d;
        float *h = job->e->h + r * d;
        tempo_norm_frozen(m, h, x, job->scale != NULL ? &job->scale[r] : NULL);
        tempo_prepare(job->e, next, r, h, 0, d);
    }
}

tempo_status tempo_engine_unembed(tempo_engine *e, const float *x, const float *scale, size_t n,
                                  float *logits, tempo_err *err)
{
    const tempo_batch_size want = {.rows = n};
    unembed_job job = {.e = e, .x = x, .scale = scale, .n = n};
    tempo_status st;

    if ((st = tempo_model_unchanged(e->model, err)) != TEMPO_OK ||
        (st = tempo_engine_reserve(e, &want, err)) != TEMPO_OK)
        return st;
    tempo_stage_begin(e);
    tempo_pool_run(e->pool, (n + TEMPO_GROUP - 1) / TEMPO_GROUP, norm_group, &job);
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    tempo_unembed(e, n, logits);
    e->untouched = 0;
    return TEMPO_OK;
}

double tempo_unembed_direction(const tempo_model *m, int32_t token, float *row, double *direction)
{
    const size_t d = m->hp.d_model;
    const tempo_norm *norm = &m->output_norm;
    const double scale = (double)m->recipe.logit_scale;
    double mean = 0, bias = m->output_bias != NULL ? (double)m->output_bias[token] : 0;

    tempo_weight_row(row, &m->output, (size_t)token);
    for (size_t i = 0; i < d; i++) {
        direction[i] = (double)row[i] * scale * (norm->w != NULL ? (double)norm->w[i] : 1);
        bias += norm->b != NULL ? (double)row[i] * (double)norm->b[i] : 0;
        mean += direction[i];
    }
    for (size_t i = 0; i < d && norm->w != NULL && m->recipe.norm == TEMPO_NORM_LAYER; i++)
        direction[i] -= mean / (double)d; /* it does not see what all of x have in common */
    return bias * scale;
}

double tempo_uncapped(const tempo_model *m, double logit)
{
    const double cap = (double)m->recipe.logit_cap;

    return cap > 0 ? cap * atanh(logit / cap) : logit;
}
