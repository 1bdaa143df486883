/* heads.c - queries, keys and values of a row: biases, order, norms and rotation; keys and values into the
 * cache. */
#include <math.h>
#include <string.h>

#include "engine/pass.h"

enum { BIASED = 1, FINISH_Q, FINISH_K = FINISH_Q + 3, STORED = FINISH_K + 3 };

/* What heads show after each of the steps of finish_heads, and the first of those steps. */
typedef struct head_taps {
    tempo_tap projected, normed, rotated;
    unsigned step;
} head_taps;

static const head_taps taps_of_q = {TEMPO_TAP_Q, TEMPO_TAP_Q_NORMED, TEMPO_TAP_ROT_Q, FINISH_Q},
                       taps_of_k = {TEMPO_TAP_K, TEMPO_TAP_K_NORMED, TEMPO_TAP_ROT_K, FINISH_K};

/* x[d], of which the first n_rot are pairs side by side, into the internal order. */
static void order_head(float *x, size_t d)
{
    float tmp[TEMPO_MAX_HEAD_DIM];

    memcpy(tmp, x, d * sizeof(float));
    for (size_t i = 0; i < d / 2; i++) {
        x[i] = tmp[2 * i];
        x[i + d / 2] = tmp[2 * i + 1];
    }
}

/* Norms of heads x[n, head_dim], in place. */
static void norm_heads(const tempo_model *m, const tempo_layer *l, float *x, size_t n, const float *w)
{
    const size_t d = m->hp.head_dim;
    const tempo_norm whole = {.w = w};

    if (m->recipe.qk_norm_whole) {
        tempo_norm_apply(m, m->recipe.qk_norm, &whole, x, x, n * d);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const tempo_norm one = {.w = w + (l->qk_norm_each ? i * d : 0)};
        tempo_norm_apply(m, m->recipe.qk_norm, &one, x + i * d, x + i * d, d);
    }
}

/* Projected heads x[n, head_dim] of a row into the internal order, normed and rotated, in place. */
static void finish_heads(const tempo_rows *rows, float *x, size_t n, size_t r, const float *norm,
                         const head_taps *taps)
{
    tempo_engine *e = rows->e;
    const tempo_model *m = e->model;
    const size_t d = m->hp.head_dim, half = m->recipe.n_rot / 2;
    const unsigned set = rows->layer->rope;

    if (tempo_step(e, taps->step)) {
        for (size_t i = 0; i < n && m->hp.qk_pairs_adjacent; i++)
            order_head(x + i * d, 2 * half);
        tempo_show(e, taps->projected, rows->index, r, x, n, d);
    }
    if (tempo_step(e, taps->step + 1)) {
        if (norm != NULL)
            norm_heads(m, rows->layer, x, n, norm);
        tempo_show(e, taps->normed, rows->index, r, x, n, d);
    }
    if (tempo_step(e, taps->step + 2)) {
        for (size_t i = 0; i < n && set > 0; i++)
            m->kernels.rope(x + i * d, e->cos[set - 1] + r * half, e->sin[set - 1] + r * half, half);
        tempo_show(e, taps->rotated, rows->index, r, x, n, d);
    }
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

static void add_bias(const tempo_model *m, float *x, const float *bias, size_t n)
{
    const float clip = m->recipe.qkv_clip;

    if (bias != NULL)
        m->kernels.add(x, bias, n);
    for (size_t i = 0; i < n && clip > 0; i++)
        x[i] = fminf(fmaxf(x[i], -clip), clip);
}

static void heads_row(const tempo_rows *rows, size_t r, size_t begin, size_t end)
{
    tempo_engine *e = rows->e;
    const tempo_model *m = e->model;
    const tempo_hparams *hp = &m->hp;
    const size_t d = hp->head_dim, n_q = hp->n_heads * d, n_kv = hp->n_kv_heads * d;
    float *q = e->q + r * n_q, *k = e->k + r * n_kv, *v = e->v + r * n_kv;

    (void)begin;
    (void)end;
    if (tempo_step(e, BIASED)) {
        add_bias(m, q, rows->layer->bq, n_q);
        add_bias(m, k, rows->layer->bk, n_kv);
        add_bias(m, v, rows->layer->bv, n_kv);
        tempo_show(e, TEMPO_TAP_V, rows->index, r, v, hp->n_kv_heads, d);
    }
    finish_heads(rows, q, hp->n_heads, r, rows->layer->q_norm, &taps_of_q);
    finish_heads(rows, k, hp->n_kv_heads, r, rows->layer->k_norm, &taps_of_k);
    for (uint32_t i = 0; i < hp->n_kv_heads && tempo_step(e, STORED); i++) {
        store(e, &e->plan[r], rows->index, i, 0, k + i * d);
        store(e, &e->plan[r], rows->index, i, 1, v + i * d);
    }
}

void tempo_heads_run(const tempo_rows *rows)
{
    static const tempo_shows shows = {TEMPO_TAP_BIT(TEMPO_TAP_Q) | TEMPO_TAP_BIT(TEMPO_TAP_K) |
                                          TEMPO_TAP_BIT(TEMPO_TAP_V) | TEMPO_TAP_BIT(TEMPO_TAP_Q_NORMED) |
                                          TEMPO_TAP_BIT(TEMPO_TAP_K_NORMED) | TEMPO_TAP_BIT(TEMPO_TAP_ROT_Q) |
                                          TEMPO_TAP_BIT(TEMPO_TAP_ROT_K),
                                      STORED};

    tempo_each_row(rows, &shows, heads_row);
    tempo_stage_end(rows->e, TEMPO_STAGE_ROPE, 0);
}
