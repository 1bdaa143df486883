/* forward.c - one pass of a batch of rows through the model (Llama, Qwen2, Qwen3).
 *
 * x is the residual stream [rows, d_model].  Every stage is a job over the thread pool that splits
 * outputs, never sums, so a row's numbers depend on nothing but its own sequence.  */
#include "engine/engine.h"

#include <math.h>
#include <string.h>

/* ---- products: y = W x for all rows, outputs split over the threads ---- */

enum { PRODUCT_ROWS = 32 }; /* outputs of one task; a multiple of TEMPO_MATMUL_TILE */

typedef struct product {
    const tempo_weight *w;
    float *y; /* [rows, w->n_out] */
} product;

typedef struct product_job {
    tempo_engine *e;
    const float *x; /* [rows, n_in] */
    size_t rows, n;
    product p[3]; /* the products that share x run as one job */
} product_job;

static size_t tasks_of(const tempo_weight *w)
{
    return (w->n_out + PRODUCT_ROWS - 1) / PRODUCT_ROWS;
}

static void run_product(void *arg, size_t task, unsigned worker)
{
    const product_job *job = arg;
    const product *p = job->p;

    for (; task >= tasks_of(p->w); p++)
        task -= tasks_of(p->w);
    const tempo_weight *w = p->w;
    const size_t o = task * PRODUCT_ROWS, n = w->n_out - o < PRODUCT_ROWS ? w->n_out - o : PRODUCT_ROWS;
    job->e->model->kernels.matmul[w->type](
        p->y + o, w->n_out, (const unsigned char *)w->data + o * w->row_bytes, w->row_bytes, n, job->x,
        w->n_in, job->rows, w->n_in, job->e->tile + worker * job->e->tile_len);
}

static void products(tempo_engine *e, const float *x, size_t rows, const product *p, size_t n)
{
    product_job job = {.e = e, .x = x, .rows = rows, .n = n};
    size_t tasks = 0;

    for (size_t i = 0; i < n; i++) {
        job.p[i] = p[i];
        tasks += tasks_of(p[i].w);
    }
    tempo_pool_run(e->pool, tasks, run_product, &job);
}

/* ---- jobs of one task per row ---- */

typedef struct row_job {
    tempo_engine *e;
    const tempo_layer *layer;
    uint32_t index;     /* of the layer */
    const float *norm;  /* [d_model] weights of the norm to apply */
    const float *delta; /* [rows, d_model] to add to x first, or NULL */
} row_job;

static void embed_row(void *arg, size_t r, unsigned worker)
{
    const row_job *job = arg;
    const tempo_model *m = job->e->model;
    const tempo_row_plan *p = &job->e->plan[r];
    const size_t half = m->hp.head_dim / 2;

    (void)worker;
    m->kernels.unpack[m->embedding.type](
        job->e->x + r * m->hp.d_model,
        (const unsigned char *)m->embedding.data + (size_t)p->token * m->embedding.row_bytes, m->hp.d_model);
    for (size_t i = 0; i < half; i++) { /* angles in double: positions reach 10^5 radians */
        const double angle = p->position * m->rope_freq[i];
        job->e->cos[r * half + i] = (float)cos(angle);
        job->e->sin[r * half + i] = (float)sin(angle);
    }
}

/* x += delta; h = rmsnorm(x) */
static void norm_row(void *arg, size_t r, unsigned worker)
{
    const row_job *job = arg;
    const tempo_model *m = job->e->model;
    const size_t d = m->hp.d_model;

    (void)worker;
    if (job->delta != NULL)
        m->kernels.add(job->e->x + r * d, job->delta + r * d, d);
    m->kernels.rmsnorm(job->e->h + r * d, job->e->x + r * d, job->norm, d, m->hp.norm_eps);
}

/* One projected head into the internal order, normed and rotated: x[head_dim] in place. */
static void finish_head(const tempo_engine *e, float *x, size_t r, const float *norm)
{
    const tempo_model *m = e->model;
    const size_t d = m->hp.head_dim, half = d / 2;

    if (m->hp.qk_pairs_adjacent) {
        float tmp[TEMPO_MAX_HEAD_DIM];
        memcpy(tmp, x, d * sizeof(float));
        for (size_t i = 0; i < half; i++) {
            x[i] = tmp[2 * i];
            x[i + half] = tmp[2 * i + 1];
        }
    }
    if (norm != NULL)
        m->kernels.rmsnorm(x, x, norm, d, m->hp.norm_eps);
    m->kernels.rope(x, e->cos + r * half, e->sin + r * half, half);
}

/* Put one head's key or value where the row's slot is; here, once, it is rounded to the cache's type. */
static void store(const tempo_engine *e, const tempo_row_plan *p, uint32_t layer, uint32_t kv_head,
                  unsigned which, const float *x)
{
    const size_t d = e->model->hp.head_dim, at = p->slot % TEMPO_PAGE_SLOTS * d;
    void *tile = tempo_page_at(p->seq->pages[p->slot / TEMPO_PAGE_SLOTS], &e->model->hp, p->seq->kv, layer,
                               kv_head, which);

    if (p->seq->kv == TEMPO_KV_F16)
        e->model->kernels.to_f16((uint16_t *)tile + at, x, d);
    else
        memcpy((float *)tile + at, x, d * sizeof(float));
}

/* Biases, order, norms and rotation of one row's q and k; k and v into the cache. */
static void qkv_row(void *arg, size_t r, unsigned worker)
{
    const row_job *job = arg;
    tempo_engine *e = job->e;
    const tempo_hparams *hp = &e->model->hp;
    const tempo_kernels *kern = &e->model->kernels;
    const size_t d = hp->head_dim, n_q = hp->n_heads * d, n_kv = hp->n_kv_heads * d;
    float *q = e->q + r * n_q, *k = e->k + r * n_kv, *v = e->v + r * n_kv;

    (void)worker;
    if (job->layer->bq != NULL)
        kern->add(q, job->layer->bq, n_q);
    if (job->layer->bk != NULL)
        kern->add(k, job->layer->bk, n_kv);
    if (job->layer->bv != NULL)
        kern->add(v, job->layer->bv, n_kv);
    for (uint32_t i = 0; i < hp->n_heads; i++)
        finish_head(e, q + i * d, r, job->layer->q_norm);
    for (uint32_t i = 0; i < hp->n_kv_heads; i++) {
        finish_head(e, k + i * d, r, job->layer->k_norm);
        store(e, &e->plan[r], job->index, i, 0, k + i * d);
        store(e, &e->plan[r], job->index, i, 1, v + i * d);
    }
}

static void swiglu_row(void *arg, size_t r, unsigned worker)
{
    const row_job *job = arg;
    const size_t n = job->e->model->hp.d_ff;

    (void)worker;
    job->e->model->kernels.swiglu(job->e->gate + r * n, job->e->up + r * n, n);
}

/* ---- the pass ---- */

static void layer_pass(tempo_engine *e, uint32_t index, size_t rows, const float *delta)
{
    const tempo_layer *l = &e->model->layers[index];
    row_job job = {e, l, index, l->attn_norm, delta};

    tempo_pool_run(e->pool, rows, norm_row, &job);
    products(e, e->h, rows, (product[]){{&l->wq, e->q}, {&l->wk, e->k}, {&l->wv, e->v}}, 3);
    tempo_pool_run(e->pool, rows, qkv_row, &job);
    tempo_attention(e, index);
    products(e, e->att, rows, (product[]){{&l->wo, e->h}}, 1);

    job.norm = l->ffn_norm;
    job.delta = e->h; /* norm_row reads a row's delta before it writes the row's norm */
    tempo_pool_run(e->pool, rows, norm_row, &job);
    products(e, e->h, rows, (product[]){{&l->w_gate, e->gate}, {&l->w_up, e->up}}, 2);
    tempo_pool_run(e->pool, rows, swiglu_row, &job);
    products(e, e->gate, rows, (product[]){{&l->w_down, e->h}}, 1);
}

/* Show the observer one layer's attention; false to stop. */
static bool observe(const tempo_engine *e, uint32_t layer, size_t rows, const tempo_observer *obs)
{
    const size_t n_heads = e->model->hp.n_heads;

    for (size_t r = 0; obs != NULL && obs->attention != NULL && r < rows; r++) {
        const tempo_row_plan *p = &e->plan[r];
        if (p->weights == SIZE_MAX)
            continue;
        const tempo_attention_view view = {layer,        r,
                                           p->seq,       (uint32_t)n_heads,
                                           p->seq_slots, e->weights + p->weights * n_heads * e->cap.slots};
        if (!obs->attention(obs->user, &view))
            return false;
    }
    return obs == NULL || obs->poll == NULL || obs->poll(obs->user);
}

/* The last norm and the output matrix, for the rows whose logits are wanted. */
static void read_out(tempo_engine *e, size_t rows)
{
    const tempo_model *m = e->model;
    const size_t d = m->hp.d_model;
    row_job job = {.e = e, .norm = m->output_norm, .delta = e->h};
    size_t n = 0;

    for (size_t r = 0; r < rows; r++) {
        if (e->plan[r].logits == SIZE_MAX)
            continue;
        norm_row(&job, r, 0);
        memmove(e->h + n++ * d, e->h + r * d, d * sizeof(float)); /* n <= r: packed towards the front */
    }
    if (n > 0)
        products(e, e->h, n, (product[]){{&m->output, e->logits}}, 1);
}

tempo_status tempo_engine_forward(tempo_engine *e, const tempo_row *rows, size_t n, const tempo_observer *obs,
                                  tempo_err *err)
{
    row_job job = {.e = e};
    tempo_status st = tempo_batch_plan(e, rows, n, obs != NULL && obs->attention != NULL, err);

    if (st != TEMPO_OK)
        return st;
    e->n_rows = 0;
    tempo_pool_run(e->pool, n, embed_row, &job);
    for (uint32_t l = 0; l < e->model->hp.n_layers; l++) {
        layer_pass(e, l, n, l == 0 ? NULL : e->h); /* h: what the layer before adds to x */
        if (!observe(e, l, n, obs))
            return tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped in layer %u", l);
    }
    read_out(e, n);
    tempo_batch_commit(e, n);
    return TEMPO_OK;
}
