/* loaded.c - the reference of a model that the library has opened: for tests of what comes behind
 * loading. */
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "reference/reference.h"

static double *vector(reference_model *r, const float *x, size_t n)
{
    if (x == NULL)
        return NULL;
    double *out = reference_numbers(r, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (double)x[i];
    return out;
}

static reference_matrix matrix(reference_model *r, const tempo_weight *w, const float *bias)
{
    reference_matrix out = {w->n_out, w->n_in, NULL, NULL};

    if (w->data == NULL)
        return out;
    float *row = malloc(w->n_in * sizeof(*row));
    if (row == NULL)
        abort();
    out.w = reference_numbers(r, w->n_out * w->n_in);
    for (size_t o = 0; o < w->n_out; o++) {
        tempo_weight_row(row, w, o);
        for (size_t i = 0; i < w->n_in; i++)
            out.w[o * w->n_in + i] = (double)row[i];
    }
    free(row);
    out.bias = vector(r, bias, w->n_out);
    return out;
}

static reference_norm norm(reference_model *r, const tempo_norm *n)
{
    return (reference_norm){n->w != NULL, vector(r, n->w, r->d_model), vector(r, n->b, r->d_model)};
}

static reference_mlp mlp(reference_model *r, const tempo_mlp *m)
{
    return (reference_mlp){matrix(r, &m->w_gate, m->b_gate), matrix(r, &m->w_up, m->b_up),
                           matrix(r, &m->w_down, m->b_down)};
}

static void layer(reference_model *r, const tempo_layer *l, reference_layer *y)
{
    const size_t q = r->n_heads * r->head_dim, kv = r->n_kv_heads * r->head_dim;

    if (l->qk_norm_each)
        abort();
    y->attn_norm = norm(r, &l->attn_norm);
    y->attn_post = norm(r, &l->attn_post_norm);
    y->ffn_norm = norm(r, &l->ffn_norm);
    y->ffn_post = norm(r, &l->ffn_post_norm);
    y->q = matrix(r, &l->wq, l->bq);
    y->k = matrix(r, &l->wk, l->bk);
    y->v = matrix(r, &l->wv, l->bv);
    y->o = matrix(r, &l->wo, l->bo);
    y->q_norm = vector(r, l->q_norm, r->qk_whole ? q : r->head_dim);
    y->k_norm = vector(r, l->k_norm, r->qk_whole ? kv : r->head_dim);
    y->sinks = vector(r, l->sinks, r->n_heads);
    y->window = l->window;
    y->theta = l->rope;
    y->sparse = l->router.data != NULL;
    if (!y->sparse || l->mlp.d_ff > 0)
        y->mlp = mlp(r, &l->mlp);
    if (!y->sparse)
        return;
    y->router = matrix(r, &l->router, l->b_router);
    y->shared_gate = matrix(r, &l->shared_gate, NULL);
    if ((y->experts = calloc(r->n_experts, sizeof(*y->experts))) == NULL)
        abort();
    for (size_t e = 0; e < r->n_experts; e++)
        y->experts[e] = mlp(r, &l->experts[e]);
}

static reference_act act_of(tempo_activation act)
{
    switch (act) {
    case TEMPO_ACT_SILU:
        return REFERENCE_SILU;
    case TEMPO_ACT_GELU_TANH:
        return REFERENCE_GELU_TANH;
    case TEMPO_ACT_GELU_ERF:
        return REFERENCE_GELU_ERF;
    case TEMPO_ACT_RELU:
        return REFERENCE_RELU;
    case TEMPO_ACT_RELU_2:
        return REFERENCE_RELU_2;
    case TEMPO_ACT_CLAMPED:
        return REFERENCE_CLAMPED;
    }
    abort();
}

/* What the loader has read, number by number. */
static void recipe(reference_model *r, const tempo_model *m)
{
    const tempo_recipe *from = &m->recipe;

    r->eps = (double)m->hp.norm_eps;
    r->layer_norm = from->norm == TEMPO_NORM_LAYER;
    r->qk_layer_norm = from->qk_norm == TEMPO_NORM_LAYER;
    r->qk_whole = from->qk_norm_whole;
    r->act = act_of(from->act);
    r->parallel = from->parallel;
    r->adjacent = m->hp.qk_pairs_adjacent;
    r->clip = (double)from->qkv_clip;
    r->n_rot = from->n_rot;
    for (size_t k = 0; k < 2 && m->rope_freq[k] != NULL; k++) {
        r->rope_scale[k] = (double)from->rope_scale[k];
        r->freq[k] = reference_numbers(r, r->n_rot / 2);
        memcpy(r->freq[k], m->rope_freq[k], r->n_rot / 2 * sizeof(double));
    }
    r->attn_scale = (double)from->attn_scale;
    r->attn_cap = (double)from->attn_cap;
    r->logit_cap = (double)from->logit_cap;
    r->embed_scale = (double)from->embed_scale;
    r->residual_scale = (double)from->residual_scale;
    r->logit_scale = (double)from->logit_scale;
    r->alibi = from->alibi;
    r->position_offset = from->position_offset;
    r->n_experts = from->n_experts;
    r->n_used = from->n_used;
    r->route_selected = from->route_selected;
    r->route_renormed = from->route_renormed;
}

reference_model *reference_of(const tempo_model *m)
{
    reference_model *r = calloc(1, sizeof(*r));

    if (r == NULL)
        abort();
    r->n_layers = m->hp.n_layers;
    r->n_heads = m->hp.n_heads;
    r->n_kv_heads = m->hp.n_kv_heads;
    r->head_dim = m->hp.head_dim;
    r->d_model = m->hp.d_model;
    r->n_vocab = m->hp.n_vocab;
    r->n_ctx = m->hp.n_ctx;
    recipe(r, m);
    r->embedding = matrix(r, &m->embedding, NULL);
    r->output = matrix(r, &m->output, m->output_bias);
    r->positions = vector(r, m->positions, (size_t)m->n_positions * r->d_model);
    r->n_positions = m->n_positions;
    r->embed_norm = norm(r, &m->embed_norm);
    r->output_norm = norm(r, &m->output_norm);
    if ((r->layers = calloc(r->n_layers, sizeof(*r->layers))) == NULL)
        abort();
    for (size_t l = 0; l < r->n_layers; l++)
        layer(r, &m->layers[l], &r->layers[l]);
    return r;
}

void reference_forward(const tempo_model *m, const reference_slot *slots, size_t n, reference_tap tap,
                       void *user, double *logits)
{
    reference_model *r = reference_of(m);

    (void)reference_run(r, slots, n, tap, user, logits);
    reference_free(r);
}
