/* forward.c - one pass of a batch of rows through the model (Llama, Qwen2, Qwen3).
 *
 * x is the residual stream [rows, d_model].  Every stage is a job over the thread pool that splits
 * outputs, never sums, so a row's numbers depend on nothing but its own sequence.  */
#include "engine/engine.h"

#include <math.h>
#include <string.h>

/* ---- products: y = W x for all rows, outputs split over the threads ---- */

enum { PRODUCT_ROWS = 2 * TEMPO_PANEL }; /* outputs of one task */

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
    const tempo_kernels *kern = &job->e->model->kernels;
    const tempo_form form = kern->form[w->type];
    const size_t o = task * PRODUCT_ROWS, n = w->n_out - o < PRODUCT_ROWS ? w->n_out - o : PRODUCT_ROWS;
    kern->matmul[w->type](p->y, w->n_out, w, o, n, form == TEMPO_FORM_FLOAT ? job->x : job->e->act[form],
                          job->rows, job->e->scratch + worker * job->e->scratch_len);
}

static void products(tempo_engine *e, const float *x, size_t rows, const product *p, size_t n,
                     tempo_stage_id stage)
{
    product_job job = {.e = e, .x = x, .rows = rows, .n = n};
    size_t tasks = 0;
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        job.p[i] = p[i];
        tasks += tasks_of(p[i].w);
        bytes += tempo_weight_bytes(p[i].w);
    }
    tempo_pool_run(e->pool, tasks, run_product, &job);
    tempo_stage_end(e, stage, bytes);
}

/* ---- what products read: x in the forms that their weights want ---- */

static void prepare(tempo_engine *e, const tempo_weight *const w[3], size_t r, const float *x, size_t begin,
                    size_t end)
{
    const tempo_kernels *kern = &e->model->kernels;
    unsigned done = 1u << TEMPO_FORM_FLOAT;

    for (size_t i = 0; i < 3 && w[i] != NULL; i++) {
        const tempo_form form = kern->form[w[i]->type];
        if ((done & 1u << form) == 0)
            kern->form_bodies[form].prepare(e->act[form], r, x, w[i]->n_in, begin, end);
        done |= 1u << form;
    }
}

/* ---- jobs on rows ---- */

typedef struct row_job {
    tempo_engine *e;
    const tempo_layer *layer;
    uint32_t index; /* of the layer */
    size_t rows;
    const float *norm;           /* [d_model] weights of the norm to apply */
    float *delta;                /* [rows, d_model] to add to x first, or NULL */
    const float *delta_bias;     /* [d_model] of the product that gave delta, or NULL */
    const tempo_weight *next[3]; /* the weights that read the result, NULL for none */
} row_job;

/* Each of x[n] becomes the next float above or below, by one bit of a hash (splitmix64) of nudge, token and
 * place. */
static void nudge_row(float *x, size_t n, uint64_t nudge, int32_t token)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t h = nudge + 0x9e3779b97f4a7c15u * ((uint64_t)(uint32_t)token << 32 | (i + 1));
        h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
        h = (h ^ h >> 27) * 0x94d049bb133111ebu;
        x[i] = nextafterf(x[i], (h ^ h >> 31) & 1 ? INFINITY : -INFINITY);
    }
}

static void embed_row(void *arg, size_t r, unsigned worker)
{
    const row_job *job = arg;
    const tempo_model *m = job->e->model;
    const tempo_row_plan *p = &job->e->plan[r];
    const size_t half = m->hp.head_dim / 2;

    (void)worker;
    tempo_unpack[m->embedding.type](
        job->e->x + r * m->hp.d_model,
        (const unsigned char *)m->embedding.data + (size_t)p->token * m->embedding.row_bytes, m->hp.d_model);
    if (p->nudge != 0)
        nudge_row(job->e->x + r * m->hp.d_model, m->hp.d_model, p->nudge, p->token);
    for (size_t i = 0; i < half; i++) { /* angles in double: positions reach 10^5 radians */
        const double angle = p->position * m->rope_freq[i];
        job->e->cos[r * half + i] = (float)cos(angle);
        job->e->sin[r * half + i] = (float)sin(angle);
    }
}

/* x += delta + bias; h = rmsnorm(x), as row `to` of what the next product reads */
static void norm_row(const row_job *job, size_t r, size_t to)
{
    const tempo_model *m = job->e->model;
    const size_t d = m->hp.d_model;
    float *x = job->e->x + r * d, *h = job->e->h + to * d;

    if (job->delta_bias != NULL)
        m->kernels.add(job->delta + r * d, job->delta_bias, d);
    if (job->delta != NULL)
        m->kernels.add(x, job->delta + r * d, d);
    m->kernels.rmsnorm(h, x, job->norm, d, m->hp.norm_eps);
    prepare(job->e, job->next, to, h, 0, d);
}

/* Rows [*begin, *end) of group `group`: their activations may share cache lines, so one thread does them. */
static void group_rows(const row_job *job, size_t group, size_t *begin, size_t *end)
{
    *begin = group * TEMPO_GROUP;
    *end = job->rows - *begin < TEMPO_GROUP ? job->rows : *begin + TEMPO_GROUP;
}

static size_t groups_of(size_t rows)
{
    return (rows + TEMPO_GROUP - 1) / TEMPO_GROUP;
}

static void norm_group(void *arg, size_t group, unsigned worker)
{
    const row_job *job = arg;
    size_t r, end;

    (void)worker;
    for (group_rows(job, group, &r, &end); r < end; r++)
        norm_row(job, r, r);
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
    const size_t d = e->model->hp.head_dim, slot = p->slot % TEMPO_PAGE_SLOTS;
    const size_t first = which == 0 ? slot : slot * d, stride = which == 0 ? TEMPO_PAGE_SLOTS : 1;
    void *tile = tempo_page_at(p->seq->pages[p->slot / TEMPO_PAGE_SLOTS], &e->model->hp, p->seq->kv, layer,
                               kv_head, which);

    if (p->seq->kv == TEMPO_KV_F16) {
        uint16_t half[TEMPO_MAX_HEAD_DIM];
        e->model->kernels.to_f16(half, x, d);
        for (size_t i = 0; i < d; i++)
            ((uint16_t *)tile)[first + i * stride] = half[i];
    } else {
        for (size_t i = 0; i < d; i++)
            ((float *)tile)[first + i * stride] = x[i];
    }
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

/* ---- jobs on parts of rows: what works on each element alone ---- */

enum { PART = 2048 }; /* elements of one task; a multiple of TEMPO_BLOCK */

typedef void (*part_fn)(const row_job *job, size_t r, size_t begin, size_t end);

typedef struct part_job {
    row_job row;
    size_t k; /* elements of a row */
    part_fn fn;
} part_job;

static void run_part(void *arg, size_t task, unsigned worker)
{
    const part_job *job = arg;
    const size_t groups = groups_of(job->row.rows), begin = task / groups * PART;
    size_t r, end;

    (void)worker;
    for (group_rows(&job->row, task % groups, &r, &end); r < end; r++)
        job->fn(&job->row, r, begin, job->k - begin < PART ? job->k : begin + PART);
}

static void parts(tempo_engine *e, const tempo_layer *layer, size_t rows, size_t k, const tempo_weight *next,
                  part_fn fn)
{
    part_job job = {.row = {.e = e, .layer = layer, .rows = rows, .next = {next}}, .k = k, .fn = fn};

    tempo_pool_run(e->pool, groups_of(rows) * ((k + PART - 1) / PART), run_part, &job);
}

/* gate = silu(gate + bias) * (up + bias) */
static void swiglu_part(const row_job *job, size_t r, size_t begin, size_t end)
{
    tempo_engine *e = job->e;
    const tempo_kernels *kern = &e->model->kernels;
    const size_t n = e->model->hp.d_ff;
    float *gate = e->gate + r * n, *up = e->up + r * n;

    if (job->layer->b_gate != NULL)
        kern->add(gate + begin, job->layer->b_gate + begin, end - begin);
    if (job->layer->b_up != NULL)
        kern->add(up + begin, job->layer->b_up + begin, end - begin);
    kern->swiglu(gate + begin, up + begin, end - begin);
    prepare(e, job->next, r, gate, begin, end);
}

static void attention_part(const row_job *job, size_t r, size_t begin, size_t end)
{
    prepare(job->e, job->next, r, job->e->att + r * job->next[0]->n_in, begin, end);
}

/* ---- the pass ---- */

/* Bytes of keys and values that one layer's attention reads: each once. */
static uint64_t cache_bytes(const tempo_engine *e, size_t rows)
{
    const tempo_hparams *hp = &e->model->hp;
    uint64_t slots = 0;

    for (size_t r = 0; e->profile.on && r < rows; r++)
        if (r + 1 == rows || e->plan[r + 1].seq != e->plan[r].seq)
            slots += e->plan[r].seq_slots * (e->plan[r].seq->kv == TEMPO_KV_F16 ? 2 : 4);
    return 2 * slots * hp->n_kv_heads * hp->head_dim;
}

/* e->h is what the layer before `index` adds to x: the bias that belongs to it, or NULL. */
static const float *bias_of_h(const tempo_engine *e, uint32_t index)
{
    return index == 0 ? NULL : e->model->layers[index - 1].b_down;
}

static void layer_pass(tempo_engine *e, uint32_t index, size_t rows)
{
    const tempo_layer *l = &e->model->layers[index];
    const tempo_hparams *hp = &e->model->hp;
    row_job job = {e,
                   l,
                   index,
                   rows,
                   l->attn_norm,
                   index == 0 ? NULL : e->h,
                   bias_of_h(e, index),
                   {&l->wq, &l->wk, &l->wv}};

    tempo_pool_run(e->pool, groups_of(rows), norm_group, &job);
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    products(e, e->h, rows, (product[]){{&l->wq, e->q}, {&l->wk, e->k}, {&l->wv, e->v}}, 3, TEMPO_STAGE_QKV);
    tempo_pool_run(e->pool, rows, qkv_row, &job);
    tempo_stage_end(e, TEMPO_STAGE_ROPE, 0);
    tempo_attention(e, index);
    tempo_stage_end(e, TEMPO_STAGE_ATTENTION, cache_bytes(e, rows));
    if (e->model->kernels.form[l->wo.type] != TEMPO_FORM_FLOAT)
        parts(e, l, rows, (size_t)hp->n_heads * hp->head_dim, &l->wo, attention_part);
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    products(e, e->att, rows, (product[]){{&l->wo, e->h}}, 1, TEMPO_STAGE_ATTN_OUTPUT);

    job = (row_job){e, l, index, rows, l->ffn_norm, e->h, l->bo, {&l->w_gate, &l->w_up}};
    /* a row's delta is read before its norm is written */
    tempo_pool_run(e->pool, groups_of(rows), norm_group, &job);
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    products(e, e->h, rows, (product[]){{&l->w_gate, e->gate}, {&l->w_up, e->up}}, 2, TEMPO_STAGE_GATE_UP);
    parts(e, l, rows, hp->d_ff, &l->w_down, swiglu_part);
    tempo_stage_end(e, TEMPO_STAGE_SWIGLU, 0);
    products(e, e->gate, rows, (product[]){{&l->w_down, e->h}}, 1, TEMPO_STAGE_DOWN);
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

/* The last norm and the output matrix, for the rows whose logits are wanted; returns how many. */
static size_t read_out(tempo_engine *e, size_t rows)
{
    const tempo_model *m = e->model;
    const row_job job = {.e = e,
                         .rows = rows,
                         .norm = m->output_norm,
                         .delta = e->h,
                         .delta_bias = bias_of_h(e, m->hp.n_layers),
                         .next = {&m->output}};
    size_t n = 0;

    for (size_t r = 0; r < rows; r++)
        if (e->plan[r].logits != SIZE_MAX)
            norm_row(&job, r, n++); /* n <= r: a row's delta is read before another's norm takes its place */
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    if (n > 0)
        products(e, e->h, n, (product[]){{&m->output, e->logits}}, 1, TEMPO_STAGE_OUTPUT);
    return n;
}

/* ---- what leaves ---- */

enum { CHECKED = 4096 }; /* logits of one task */

static size_t checks_of(const tempo_engine *e)
{
    return (e->model->hp.n_vocab + CHECKED - 1) / CHECKED;
}

static void check_part(void *arg, size_t task, unsigned worker)
{
    tempo_engine *e = arg;
    const size_t parts_of_row = checks_of(e), n_vocab = e->model->hp.n_vocab;
    const size_t row = task / parts_of_row, begin = task % parts_of_row * CHECKED;
    const size_t n = n_vocab - begin < CHECKED ? n_vocab - begin : CHECKED;

    (void)worker;
    if (!e->model->kernels.all_finite(e->logits + row * n_vocab + begin, n))
        atomic_store_explicit(&e->damaged[row], true, memory_order_relaxed); /* the pool's end orders it */
}

/* The one place where it is seen that logits are numbers: whoever reads them relies on it. */
static void check_logits(tempo_engine *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        atomic_init(&e->damaged[i], false);
    tempo_pool_run(e->pool, n * checks_of(e), check_part, e);
    tempo_stage_end(e, TEMPO_STAGE_OUTPUT, 0);
}

/* Everything but the append. */
static tempo_status run_pass(tempo_engine *e, const tempo_row *rows, size_t n, const tempo_observer *obs,
                             tempo_err *err)
{
    row_job job = {.e = e};
    tempo_status st;

    tempo_stage_begin(e);
    if ((st = tempo_model_unchanged(e->model, err)) != TEMPO_OK)
        return st;
    st = tempo_batch_plan(e, rows, n, obs != NULL && obs->attention != NULL, err);
    if (st != TEMPO_OK)
        return st;
    e->n_rows = 0;
    tempo_pool_run(e->pool, n, embed_row, &job);
    tempo_stage_end(e, TEMPO_STAGE_PLAN, 0);
    for (uint32_t l = 0; l < e->model->hp.n_layers; l++) {
        layer_pass(e, l, n);
        if (!observe(e, l, n, obs))
            return tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped in layer %u", l);
        tempo_stage_end(e, TEMPO_STAGE_OBSERVER, 0);
    }
    check_logits(e, read_out(e, n));
    e->untouched = 0;
    return TEMPO_OK;
}

tempo_status tempo_engine_pass(tempo_engine *e, const tempo_row *rows, size_t n, const tempo_observer *obs,
                               tempo_err *err)
{
    const tempo_status st = run_pass(e, rows, n, obs, err);

    if (st == TEMPO_OK)
        tempo_batch_commit(e, n);
    return st;
}

tempo_status tempo_engine_forward(tempo_engine *e, const tempo_row *rows, size_t n, const tempo_observer *obs,
                                  tempo_err *err)
{
    tempo_status st = run_pass(e, rows, n, obs, err);

    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_engine_check_logits(e, i, err);
    if (st == TEMPO_OK)
        tempo_batch_commit(e, n);
    return st;
}
