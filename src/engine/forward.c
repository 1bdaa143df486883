/* forward.c - one pass of a batch of rows through the model (Llama, Qwen2, Qwen3).
 *
 * x is the residual stream [rows, d_model].  Every stage is a job over the thread pool that splits
 * outputs, never sums, so a row's numbers depend on nothing but its own sequence.  A stage that has something
 * to show (tempo_show) does its rows one after the other on the calling thread, with the same numbers; one
 * that edits (the same calls) need not.  */
#include "engine/pass.h"

#include <math.h>
#include <string.h>

/* ---- jobs on rows ---- */

/* What a norm shows on its way: what is added to x, in the layer that it comes from; x after that, before and
 * after that layer ends; what it divides by, and what comes of that. */
typedef struct norm_taps {
    tempo_tap delta, sum, next, scale, normalized;
} norm_taps;

static const norm_taps taps_of_norm[] = {
    {TEMPO_TAP_MLP_OUT, TEMPO_TAP_RESID_POST, TEMPO_TAP_RESID_PRE, TEMPO_TAP_LN1_SCALE,
     TEMPO_TAP_LN1_NORMALIZED},
    {TEMPO_TAP_ATTN_OUT, TEMPO_TAP_RESID_MID, TEMPO_TAP_COUNT, TEMPO_TAP_LN2_SCALE, TEMPO_TAP_LN2_NORMALIZED},
    {TEMPO_TAP_MLP_OUT, TEMPO_TAP_RESID_POST, TEMPO_TAP_COUNT, TEMPO_TAP_LN_FINAL_SCALE,
     TEMPO_TAP_LN_FINAL_NORMALIZED},
};

typedef struct row_job {
    tempo_engine *e;
    const tempo_layer *layer;
    uint32_t index; /* of the layer */
    size_t rows;
    const float *norm;           /* [d_model] weights of the norm to apply */
    float *delta;                /* [old, d_model] to add to x first, or NULL */
    size_t old;                  /* rows that were in the layer before; the others begin here */
    const float *delta_bias;     /* [d_model] of the product that gave delta, or NULL */
    const tempo_weight *next[3]; /* the weights that read the result, NULL for none */
    const norm_taps *taps;       /* of the norm */
    uint32_t delta_layer;        /* that delta comes from */
} row_job;

/* Tasks of a stage; those of one that shows some of these taps, one after the other. */
static void run_stage(tempo_engine *e, uint64_t shows, size_t tasks, void (*task)(void *, size_t, unsigned),
                      row_job *job)
{
    if (!tempo_in_order(e, shows)) {
        tempo_pool_run(e->pool, tasks, task, job);
        return;
    }
    for (size_t i = 0; i < tasks; i++)
        task(job, i, 0);
}

/* The stages of a layer: what they show, what they edit.  What ends a layer's numbers is done when the next
 * one begins. */
static void begin_layer(tempo_engine *e, uint32_t index)
{
    static const uint64_t ends = TEMPO_TAP_BIT(TEMPO_TAP_MLP_OUT) | TEMPO_TAP_BIT(TEMPO_TAP_RESID_POST);
    const uint64_t before = index > 0 ? tempo_taps_wanted(e->observer, index - 1) : 0;

    e->taps = e->shown = (before & ends) | (tempo_taps_wanted(e->observer, index) & ~ends);
    e->ordered = 0;
    if (e->edit_words == 0)
        return;
    const uint64_t *edited = e->edited_in, *ordered = e->ordered_in;
    e->taps |= ((index > 0 ? edited[index - 1] : 0) & ends) | (edited[index] & ~ends);
    e->ordered = ((index > 0 ? ordered[index - 1] : 0) & ends) | (ordered[index] & ~ends);
}

static uint64_t shown_by(const norm_taps *t)
{
    return TEMPO_TAP_BIT(t->delta) | TEMPO_TAP_BIT(t->sum) | TEMPO_TAP_BIT(t->next) |
           TEMPO_TAP_BIT(t->scale) | TEMPO_TAP_BIT(t->normalized);
}

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

    float *x = job->e->x + r * m->hp.d_model;

    (void)worker;
    if (p->given != NULL) {
        memcpy(x, p->given, m->hp.d_model * sizeof(*x));
    } else {
        tempo_unpack[m->embedding.type](
            x, (const unsigned char *)m->embedding.data + (size_t)p->token * m->embedding.row_bytes,
            m->hp.d_model);
        if (p->nudge != 0)
            nudge_row(x, m->hp.d_model, p->nudge, p->token);
        tempo_show(job->e, TEMPO_TAP_EMBED, 0, r, x, m->hp.d_model, 1);
    }
    for (size_t i = 0; i < half; i++) { /* angles in double: positions reach 10^5 radians */
        const double angle = p->position * m->rope_freq[i];
        job->e->cos[r * half + i] = (float)cos(angle);
        job->e->sin[r * half + i] = (float)sin(angle);
    }
}

/* h = rmsnorm(x), shown in its parts; the same numbers: (x * s) * w.  An edited scale is what x is divided
 * by. */
static void norm_shown(const row_job *job, size_t r, float *h, float *x)
{
    const tempo_model *m = job->e->model;
    const size_t d = m->hp.d_model;
    double sum = 0;

    for (size_t i = 0; i < d; i++)
        sum += (double)x[i] * (double)x[i];
    const float own = (float)sqrt(sum / (double)d + (double)m->hp.norm_eps);
    float scale = own;
    tempo_show(job->e, job->taps->scale, job->index, r, &scale, 1, 1);
    if (memcmp(&scale, &own, sizeof(own)) == 0)
        m->kernels.rmsnorm(h, x, job->e->ones, d, m->hp.norm_eps);
    else
        for (size_t i = 0; i < d; i++)
            h[i] = x[i] / scale;
    tempo_show(job->e, job->taps->normalized, job->index, r, h, d, 1);
    for (size_t i = 0; i < d; i++)
        h[i] *= job->norm[i];
}

/* x += delta + bias; h = rmsnorm(x), as row `to` of what the next product reads */
static void norm_row(const row_job *job, size_t r, size_t to)
{
    const tempo_model *m = job->e->model;
    const size_t d = m->hp.d_model;
    float *x = job->e->x + r * d, *h = job->e->h + to * d;

    const bool adds = job->delta != NULL && r < job->old;

    if (adds && job->delta_bias != NULL)
        m->kernels.add(job->delta + r * d, job->delta_bias, d);
    if (adds) {
        tempo_show(job->e, job->taps->delta, job->delta_layer, r, job->delta + r * d, d, 1);
        m->kernels.add(x, job->delta + r * d, d);
        tempo_show(job->e, job->taps->sum, job->delta_layer, r, x, d, 1);
    }
    tempo_show(job->e, job->taps->next, job->index, r, x, d, 1);
    if ((job->e->taps & (TEMPO_TAP_BIT(job->taps->scale) | TEMPO_TAP_BIT(job->taps->normalized))) != 0)
        norm_shown(job, r, h, x);
    else
        m->kernels.rmsnorm(h, x, job->norm, d, m->hp.norm_eps);
    tempo_prepare(job->e, job->next, to, h, 0, d);
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

/* What heads show after each of the steps of finish_heads. */
typedef struct head_taps {
    tempo_tap projected, normed, rotated;
} head_taps;

static const head_taps taps_of_q = {TEMPO_TAP_Q, TEMPO_TAP_Q_NORMED, TEMPO_TAP_ROT_Q},
                       taps_of_k = {TEMPO_TAP_K, TEMPO_TAP_K_NORMED, TEMPO_TAP_ROT_K};

/* x[d], whose pairs lie side by side, into the internal order. */
static void order_head(float *x, size_t d)
{
    float tmp[TEMPO_MAX_HEAD_DIM];

    memcpy(tmp, x, d * sizeof(float));
    for (size_t i = 0; i < d / 2; i++) {
        x[i] = tmp[2 * i];
        x[i + d / 2] = tmp[2 * i + 1];
    }
}

/* Projected heads x[n, head_dim] of a row into the internal order, normed and rotated, in place. */
static void finish_heads(const row_job *job, float *x, size_t n, size_t r, const float *norm,
                         const head_taps *taps)
{
    tempo_engine *e = job->e;
    const tempo_model *m = e->model;
    const size_t d = m->hp.head_dim, half = d / 2;

    for (size_t i = 0; i < n && m->hp.qk_pairs_adjacent; i++)
        order_head(x + i * d, d);
    tempo_show(e, taps->projected, job->index, r, x, n, d);
    for (size_t i = 0; i < n && norm != NULL; i++)
        m->kernels.rmsnorm(x + i * d, x + i * d, norm, d, m->hp.norm_eps);
    tempo_show(e, taps->normed, job->index, r, x, n, d);
    for (size_t i = 0; i < n; i++)
        m->kernels.rope(x + i * d, e->cos + r * half, e->sin + r * half, half);
    tempo_show(e, taps->rotated, job->index, r, x, n, d);
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
    tempo_show(e, TEMPO_TAP_V, job->index, r, v, hp->n_kv_heads, d);
    finish_heads(job, q, hp->n_heads, r, job->layer->q_norm, &taps_of_q);
    finish_heads(job, k, hp->n_kv_heads, r, job->layer->k_norm, &taps_of_k);
    for (uint32_t i = 0; i < hp->n_kv_heads; i++) {
        store(e, &e->plan[r], job->index, i, 0, k + i * d);
        store(e, &e->plan[r], job->index, i, 1, v + i * d);
    }
}

/* ---- jobs on parts of rows: what works on each element alone ---- */

enum { PART = 2048 }; /* elements of one task; a multiple of TEMPO_BLOCK */

typedef void (*part_fn)(const row_job *job, size_t r, size_t begin, size_t end);

typedef struct part_job {
    row_job row;
    size_t k, part; /* elements of a row, and of a task */
    part_fn fn;
} part_job;

static void run_part(void *arg, size_t task, unsigned worker)
{
    const part_job *job = arg;
    const size_t groups = groups_of(job->row.rows), begin = task / groups * job->part;
    size_t r, end;

    (void)worker;
    for (group_rows(&job->row, task % groups, &r, &end); r < end; r++)
        job->fn(&job->row, r, begin, job->k - begin < job->part ? job->k : begin + job->part);
}

/* shows: the taps of fn; where there are some it has a whole row at a time. */
static void parts(tempo_engine *e, uint32_t index, size_t rows, size_t k, const tempo_weight *next,
                  uint64_t shows, part_fn fn)
{
    part_job job = {
        .row = {.e = e, .layer = &e->model->layers[index], .index = index, .rows = rows, .next = {next}},
        .k = k,
        .fn = fn};

    for (size_t r = 0; r < rows && tempo_in_order(e, shows); r++)
        fn(&job.row, r, 0, k);
    if (tempo_in_order(e, shows))
        return;
    job.part = (e->taps & shows) != 0 ? k : PART;
    tempo_pool_run(e->pool, groups_of(rows) * ((k + job.part - 1) / job.part), run_part, &job);
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
    tempo_show(e, TEMPO_TAP_MLP_PRE, job->index, r, gate, n, 1);
    tempo_show(e, TEMPO_TAP_MLP_PRE_LINEAR, job->index, r, up, n, 1);
    kern->swiglu(gate + begin, up + begin, end - begin);
    tempo_show(e, TEMPO_TAP_MLP_POST, job->index, r, gate, n, 1);
    tempo_prepare(e, job->next, r, gate, begin, end);
}

static const uint64_t shown_by_mlp = TEMPO_TAP_BIT(TEMPO_TAP_MLP_PRE) |
                                     TEMPO_TAP_BIT(TEMPO_TAP_MLP_PRE_LINEAR) |
                                     TEMPO_TAP_BIT(TEMPO_TAP_MLP_POST);

static void attention_part(const row_job *job, size_t r, size_t begin, size_t end)
{
    tempo_prepare(job->e, job->next, r, job->e->att + r * job->next[0]->n_in, begin, end);
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

/* What each head adds to attn_out: the output matrix times its own z and zeros elsewhere, all heads at once.
 */
static void show_result(tempo_engine *e, uint32_t index, size_t r)
{
    const tempo_hparams *hp = &e->model->hp;
    const tempo_weight *const wo[3] = {&e->model->layers[index].wo};
    const size_t heads = hp->n_heads, d = hp->head_dim, n = heads * d;

    if (!e->plan[r].shown)
        return;
    memset(e->head_z, 0, heads * n * sizeof(float));
    for (size_t h = 0; h < heads; h++) {
        memcpy(e->head_z + h * n + h * d, e->att + r * n + h * d, d * sizeof(float));
        tempo_prepare(e, wo, h, e->head_z + h * n, 0, n);
    }
    tempo_products(e, e->head_z, heads, (tempo_product[]){{wo[0], e->head_out}}, 1, TEMPO_STAGE_OBSERVER);
    tempo_show(e, TEMPO_TAP_RESULT, index, r, e->head_out, heads, hp->d_model);
}

static void show_heads(tempo_engine *e, uint32_t index, size_t rows)
{
    const tempo_hparams *hp = &e->model->hp;

    for (size_t r = 0; r < rows && (e->taps & TEMPO_TAP_BIT(TEMPO_TAP_Z)) != 0; r++)
        tempo_show(e, TEMPO_TAP_Z, index, r, e->att + r * hp->n_heads * hp->head_dim, hp->n_heads,
                   hp->head_dim);
    for (size_t r = 0; r < rows && (e->taps & TEMPO_TAP_BIT(TEMPO_TAP_RESULT)) != 0; r++)
        show_result(e, index, r);
}

/* Of rows that have put their keys and values into the last layer's cache: those whose logits are wanted,
 * moved together.  A row's place is then its number among them.  */
static size_t keep_wanted(tempo_engine *e, size_t rows)
{
    const size_t d = e->model->hp.d_model, n_q = (size_t)e->model->hp.n_heads * e->model->hp.head_dim;
    size_t n = 0;

    for (size_t r = 0; r < rows; r++)
        if (e->plan[r].logits != SIZE_MAX) {
            memmove(e->x + n * d, e->x + r * d, d * sizeof(*e->x));
            memmove(e->att + n * n_q, e->att + r * n_q, n_q * sizeof(*e->att));
            n++;
        }
    return n;
}

/* The residual stream and attention: e->x -> e->q, e->k, e->v -> e->att -> e->h.  Rows from `old` on begin in
 * this layer.  Returns how many go on.  */
static size_t attention_pass(tempo_engine *e, uint32_t index, size_t rows, size_t old)
{
    static const uint64_t shown_by_qkv = TEMPO_TAP_BIT(TEMPO_TAP_Q) | TEMPO_TAP_BIT(TEMPO_TAP_K) |
                                         TEMPO_TAP_BIT(TEMPO_TAP_V) | TEMPO_TAP_BIT(TEMPO_TAP_Q_NORMED) |
                                         TEMPO_TAP_BIT(TEMPO_TAP_K_NORMED) | TEMPO_TAP_BIT(TEMPO_TAP_ROT_Q) |
                                         TEMPO_TAP_BIT(TEMPO_TAP_ROT_K);
    const tempo_layer *l = &e->model->layers[index];
    const tempo_hparams *hp = &e->model->hp;
    row_job job = {.e = e,
                   .layer = l,
                   .index = index,
                   .rows = rows,
                   .norm = l->attn_norm,
                   .delta = index == 0 ? NULL : e->h,
                   .old = old,
                   .delta_bias = bias_of_h(e, index),
                   .next = {&l->wq, &l->wk, &l->wv},
                   .taps = &taps_of_norm[0],
                   .delta_layer = index - 1};

    run_stage(e, shown_by(job.taps), groups_of(rows), norm_group, &job);
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    tempo_products(e, e->h, rows, (tempo_product[]){{&l->wq, e->q}, {&l->wk, e->k}, {&l->wv, e->v}}, 3,
                   TEMPO_STAGE_QKV);
    run_stage(e, shown_by_qkv, rows, qkv_row, &job);
    tempo_stage_end(e, TEMPO_STAGE_ROPE, 0);
    tempo_attention(e, index, rows);
    tempo_stage_end(e, TEMPO_STAGE_ATTENTION, cache_bytes(e, rows));
    show_heads(e, index, rows);
    if (e->wanted_only)
        rows = keep_wanted(e, rows);
    if (e->model->kernels.form[l->wo.type] != TEMPO_FORM_FLOAT)
        parts(e, index, rows, (size_t)hp->n_heads * hp->head_dim, &l->wo, 0, attention_part);
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    tempo_products(e, e->att, rows, (tempo_product[]){{&l->wo, e->h}}, 1, TEMPO_STAGE_ATTN_OUTPUT);
    return rows;
}

/* The residual stream and the MLP: e->x, e->h -> e->gate, e->up -> e->h */
static void mlp_pass(tempo_engine *e, uint32_t index, size_t rows)
{
    const tempo_layer *l = &e->model->layers[index];
    row_job job = {.e = e,
                   .layer = l,
                   .index = index,
                   .rows = rows,
                   .norm = l->ffn_norm,
                   .delta = e->h,
                   .old = rows,
                   .delta_bias = l->bo,
                   .next = {&l->w_gate, &l->w_up},
                   .taps = &taps_of_norm[1],
                   .delta_layer = index};

    /* a row's delta is read before its norm is written */
    run_stage(e, shown_by(job.taps), groups_of(rows), norm_group, &job);
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    tempo_products(e, e->h, rows, (tempo_product[]){{&l->w_gate, e->gate}, {&l->w_up, e->up}}, 2,
                   TEMPO_STAGE_GATE_UP);
    parts(e, index, rows, e->model->hp.d_ff, &l->w_down, shown_by_mlp, swiglu_part);
    tempo_stage_end(e, TEMPO_STAGE_SWIGLU, 0);
    tempo_products(e, e->gate, rows, (tempo_product[]){{&l->w_down, e->h}}, 1, TEMPO_STAGE_DOWN);
}

/* The last norm and the output matrix, for the rows whose logits are wanted; returns how many.  Rows that
 * show something, or keep it for others, go through the norm, too.  Rows from `old` on begin here. */
static size_t read_out(tempo_engine *e, size_t rows, size_t old)
{
    const tempo_model *m = e->model;
    const row_job job = {.e = e,
                         .rows = rows,
                         .norm = m->output_norm,
                         .delta = e->h,
                         .old = old,
                         .delta_bias = bias_of_h(e, m->hp.n_layers),
                         .next = {&m->output},
                         .taps = &taps_of_norm[2],
                         .delta_layer = m->hp.n_layers - 1};
    size_t n = 0;

    begin_layer(e, m->hp.n_layers);
    const bool shows = (e->shown & shown_by(job.taps)) != 0, keeps = (e->ordered & shown_by(job.taps)) != 0;
    for (size_t r = 0; r < rows;
         r++) /* n <= r: a row's delta is read before another's norm takes its place */
        if (e->wanted_only || e->plan[r].logits != SIZE_MAX)
            norm_row(&job, r, n++);
        else if ((shows && e->plan[r].shown) || (keeps && e->plan[r].edits != NULL))
            norm_row(&job, r, n);
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    if (n > 0)
        tempo_unembed(e, n, e->logits);
    for (size_t r = 0; r < rows && n > 0 && (e->taps & TEMPO_TAP_BIT(TEMPO_TAP_LOGITS)) != 0; r++)
        if (e->plan[r].logits != SIZE_MAX)
            tempo_show(e, TEMPO_TAP_LOGITS, 0, r, e->logits + e->plan[r].logits * m->hp.n_vocab,
                       m->hp.n_vocab, 1);
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

static tempo_status stopped_in(uint32_t layer, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped in layer %u", layer);
}

static bool go_on(const tempo_engine *e, const tempo_observer *obs)
{
    return !e->stopped && (obs == NULL || obs->poll == NULL || obs->poll(obs->user));
}

/* Does nothing of the last layer's second half or behind it show or change a row? */
static bool nothing_at_the_end(tempo_engine *e)
{
    const uint32_t layers = e->model->hp.n_layers;
    uint64_t taps;

    begin_layer(e, layers);
    taps = e->taps;
    begin_layer(e, layers - 1);
    return (taps | e->taps) == 0;
}

/* Is there a row whose logits nobody wants? */
static bool any_unwanted(const tempo_engine *e, size_t n)
{
    bool any = false;

    for (size_t r = 0; r < n && !any; r++)
        any = e->plan[r].logits == SIZE_MAX;
    return any;
}

/* Rows[n] through the layers, each layer with those that have begun: *rows of them leave the last one. */
static tempo_status run_layers(tempo_engine *e, size_t n, const tempo_observer *obs, size_t *rows,
                               tempo_err *err)
{
    const uint32_t layers = e->model->hp.n_layers;
    size_t begun = 0;

    *rows = 0;
    for (uint32_t l = 0; l < e->end; l++) {
        const size_t before = begun;
        while (begun < n && e->plan[begun].begin <= l)
            begun++;
        if (begun == 0)
            continue;
        e->wanted_only = l + 1 == layers && begun == n && any_unwanted(e, n) && nothing_at_the_end(e);
        begin_layer(e, l);
        *rows = attention_pass(e, l, begun, before);
        mlp_pass(e, l, *rows);
        if (!go_on(e, obs))
            return stopped_in(l, err);
        tempo_stage_end(e, TEMPO_STAGE_OBSERVER, 0);
    }
    return TEMPO_OK;
}

/* Everything but the append. */
static tempo_status run_pass(tempo_engine *e, const tempo_row *rows, const tempo_start *starts, size_t n,
                             const tempo_observer *obs, tempo_err *err)
{
    row_job job = {.e = e};
    size_t left = 0;
    tempo_status st;

    tempo_stage_begin(e);
    if ((st = tempo_model_unchanged(e->model, err)) != TEMPO_OK ||
        (st = tempo_batch_plan(e, rows, starts, n, obs, err)) != TEMPO_OK)
        return st;
    e->n_rows = 0;
    e->observer = NULL; /* where no row shows anything, nothing is held up for it */
    for (size_t r = 0; r < n && e->observer == NULL; r++)
        e->observer = e->plan[r].shown ? obs : NULL;
    e->stopped = e->wanted_only = false;
    begin_layer(e, 0);
    run_stage(e, TEMPO_TAP_BIT(TEMPO_TAP_EMBED), n, embed_row, &job);
    tempo_stage_end(e, TEMPO_STAGE_PLAN, 0);
    if ((st = run_layers(e, n, obs, &left, err)) != TEMPO_OK)
        return st;
    if (e->end == e->model->hp.n_layers) {
        const size_t logits = read_out(e, e->wanted_only ? left : n, left);
        if (e->stopped)
            return stopped_in(e->end - 1, err);
        check_logits(e, logits);
    }
    e->untouched = 0;
    return TEMPO_OK;
}

tempo_status tempo_engine_pass_part(tempo_engine *e, const tempo_row *rows, const tempo_start *starts,
                                    size_t n, uint32_t end, const tempo_observer *obs, tempo_err *err)
{
    bool wants = false;

    for (size_t i = 0; i < n; i++)
        wants = wants || (rows[i].want & TEMPO_WANT_LOGITS) != 0;
    if (end > e->model->hp.n_layers || (wants && end < e->model->hp.n_layers))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "a pass that ends in layer %u of %u has no logits", end, e->model->hp.n_layers);
    e->end = end;
    const tempo_status st = run_pass(e, rows, starts, n, obs, err);

    if (st == TEMPO_OK)
        tempo_batch_commit(e, n);
    return st;
}

tempo_status tempo_engine_pass(tempo_engine *e, const tempo_row *rows, size_t n, const tempo_observer *obs,
                               tempo_err *err)
{
    return tempo_engine_pass_part(e, rows, NULL, n, e->model->hp.n_layers, obs, err);
}

tempo_status tempo_engine_forward(tempo_engine *e, const tempo_row *rows, size_t n, const tempo_observer *obs,
                                  tempo_err *err)
{
    tempo_status st;

    e->end = e->model->hp.n_layers;
    st = run_pass(e, rows, NULL, n, obs, err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_engine_check_logits(e, i, err);
    if (st == TEMPO_OK)
        tempo_batch_commit(e, n);
    return st;
}
