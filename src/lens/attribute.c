/* attribute.c - a logit as the sum of what embedding, heads and MLPs wrote into the residual stream.
 *
 * logit = sum of g_i x_i / s + a constant: g is the token's row of the output matrix times the final norm's
 * weights, s what that norm divided by (tempo_unembed_direction).  x is the sum of the parts, so each part
 * has its share.  A head's part is its block of Wo times z, so its share is z . (Wo^T g) / s: one pass over
 * the rows of Wo for all heads.  Where attention's output goes through a norm of its own, that norm's weights
 * are in the g that goes back, and what it divided by, computed again, in the divisor. The bounds are in
 * bound.c.  */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/status.h"
#include "lens/bound.h"
#include "lens/lens.h"

enum { LOGIT_BYTES = 32 << 20 /* of the rows whose logits are read at once */ };

TEMPO_OPTIONS(tempo_attribution_options, .minus = -1)

typedef struct owned {
    tempo_attribution a;
    double *logit, *scale, *embed, *attn, *mlp, *heads, *bias, *rest, *bound, *heads_rest, *heads_bound;
    void *block;
} owned;

/* Of a layer and a row: what the norm of attention's output divided by (1 without), and what the rounding of
 * that output does to what was divided, along g.  */
typedef struct post {
    double scale, spread;
} post;

typedef struct work {
    tempo_engine *e;
    const tempo_model *m;
    const tempo_residual *r;
    const tempo_attribution_options *o;
    owned *w;
    double *g;               /* [d_model] */
    double *w_abs;           /* [2, d_model] |output row of token|, of minus (0 without) */
    double *each;            /* [rows, 2] their logits */
    double *back, *back_abs; /* [layers, n_q] Wo^T g, |Wo|^T |g|, of the g that goes through a layer's norm */
    double *bias, *after;    /* [layers] g . bo; along g, what that norm adds */
    post *posts;             /* [rows, layers] */
    float *row;              /* [threads, wide] */
    double *room;            /* [threads, 3, wide] */
    float *x, *mean;         /* [rows, d_model] the last points; [rows] that the final norm takes away */
    float *logits;           /* [chunk, n_vocab] of so many rows at a time */
    size_t chunk;
} work;

static const double u = 0x1p-24;

static size_t wide(const work *k)
{
    const size_t n_q = k->m->layers[0].wo.n_in, d = k->m->hp.d_model;

    return n_q > d ? n_q : d;
}

/* ---- the direction, and back through the output matrices of attention ---- */

static void find_direction(work *k)
{
    const size_t d = k->m->hp.d_model;

    k->w->a.constant = tempo_unembed_direction(k->m, k->o->token, k->row, k->g);
    for (size_t i = 0; i < d; i++)
        k->w_abs[i] = fabs((double)k->row[i]);
    memset(k->w_abs + d, 0, d * sizeof(double));
    if (k->o->minus < 0)
        return;
    k->w->a.constant -= tempo_unembed_direction(k->m, k->o->minus, k->row, k->room);
    for (size_t i = 0; i < d; i++) {
        k->g[i] -= k->room[i];
        k->w_abs[d + i] = fabs((double)k->row[i]);
    }
}

/* g[d_model] for what the layer's output matrix gives; returns what the norm behind it adds, along k->g. */
static double direct(const work *k, const tempo_layer *l, double *g)
{
    const size_t d = k->m->hp.d_model;
    const tempo_norm *norm = &l->attn_post_norm;
    double mean = 0, added = 0;

    for (size_t i = 0; i < d; i++) {
        const double scaled = k->g[i] * (double)k->m->recipe.residual_scale;
        g[i] = scaled * (norm->w != NULL ? (double)norm->w[i] : 1);
        added += norm->b != NULL ? scaled * (double)norm->b[i] : 0;
        mean += g[i];
    }
    for (size_t i = 0; i < d && norm->w != NULL && k->m->recipe.norm == TEMPO_NORM_LAYER; i++)
        g[i] -= mean / (double)d;
    return added;
}

/* Sums over the outputs of one layer's matrix, for a row. */
typedef struct outputs {
    double y, squares, along, rounding; /* of what comes out; |g y|; squares of what may be rounded */
} outputs;

static void go_back(void *arg, size_t layer, unsigned worker)
{
    const work *k = arg;
    const tempo_layer *l = &k->m->layers[layer];
    const size_t n = l->wo.n_in;
    double *back = k->back + layer * n, *back_abs = k->back_abs + layer * n;
    double *g = k->room + worker * 3 * wide(k);
    float *row = k->row + worker * wide(k);

    memset(back, 0, n * sizeof(double));
    memset(back_abs, 0, n * sizeof(double));
    k->bias[layer] = 0;
    k->after[layer] = direct(k, l, g);
    for (size_t i = 0; i < l->wo.n_out; i++) {
        tempo_weight_row(row, &l->wo, i);
        for (size_t j = 0; j < n; j++) {
            back[j] += g[i] * (double)row[j];
            back_abs[j] += fabs(g[i] * (double)row[j]);
        }
        k->bias[layer] += l->bo != NULL ? g[i] * (double)l->bo[i] : 0;
    }
}

/* What the norm of a layer's attention output divided a row by: from z again, in double. */
static void find_post(void *arg, size_t task, unsigned worker)
{
    const work *k = arg;
    const size_t layers = k->m->hp.n_layers, layer = task % layers, d = k->m->hp.d_model;
    const tempo_layer *l = &k->m->layers[layer];
    const float *z = tempo_residual_get(k->r, task / layers, TEMPO_TAP_Z, (uint32_t)layer);
    double *g = k->room + worker * 3 * wide(k), *w_abs = g + wide(k), *z_abs = w_abs + wide(k);
    float *row = k->row + worker * wide(k);
    outputs s = {0};

    k->posts[task] = (post){.scale = 1};
    if (l->attn_post_norm.w == NULL)
        return;
    (void)direct(k, l, g);
    for (size_t j = 0; j < l->wo.n_in; j++)
        z_abs[j] = fabs((double)z[j]);
    for (size_t i = 0; i < d; i++) {
        double y = l->bo != NULL ? (double)l->bo[i] : 0;
        tempo_weight_row(row, &l->wo, i);
        for (size_t j = 0; j < l->wo.n_in; j++) {
            y += (double)row[j] * (double)z[j];
            w_abs[j] = fabs((double)row[j]);
        }
        const double e = tempo_bound_product(k->m, l->wo.type, w_abs, z_abs, l->wo.n_in) + u * fabs(y);
        s.y += y;
        s.squares += y * y;
        s.along += fabs(g[i] * y);
        s.rounding += e * e;
    }
    const double mean = k->m->recipe.norm == TEMPO_NORM_LAYER ? s.y / (double)d : 0;
    const double scale = sqrt(s.squares / (double)d - mean * mean + (double)k->m->hp.norm_eps);
    /* the scale may be off by the root of the mean of the squares, relative to itself */
    k->posts[task] =
        (post){.scale = scale, .spread = 1.01 * sqrt(s.rounding / (double)d) / scale * s.along / scale};
}

/* ---- sums ---- */

static double dot(const double *g, const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += g[i] * (double)x[i];
    return sum;
}

static double dot_abs(const double *g, const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs(g[i] * (double)x[i]);
    return sum;
}

/* ---- one row ---- */

static const float *part(const work *k, size_t row, tempo_tap tap, size_t layer)
{
    return tempo_residual_get(k->r, row, tap, (uint32_t)layer);
}

/* Shares of the layers' outputs, and *sums: |g| on every sum that the stream took; *parts: |g| on every part.
 */
static void share_layers(const work *k, size_t row, double *sums, double *parts)
{
    const size_t d = k->m->hp.d_model, layers = k->m->hp.n_layers;
    const double s = k->w->scale[row];
    const float *first = part(k, row, TEMPO_TAP_RESID_PRE, 0);
    float *x = k->row; /* the stream, added up as the pass does */

    memcpy(x, first, d * sizeof(float));
    k->w->embed[row] = dot(k->g, x, d) / s;
    *parts = dot_abs(k->g, x, d) / s;
    *sums = 0;
    for (size_t l = 0; l < layers; l++) {
        const float *added[2] = {part(k, row, TEMPO_TAP_ATTN_OUT, l), part(k, row, TEMPO_TAP_MLP_OUT, l)};
        k->w->attn[row * layers + l] = dot(k->g, added[0], d) / s;
        k->w->mlp[row * layers + l] = dot(k->g, added[1], d) / s;
        for (size_t p = 0; p < 2; p++) {
            for (size_t i = 0; i < d; i++)
                x[i] += added[p][i];
            *sums += dot_abs(k->g, x, d) / s;
            *parts += dot_abs(k->g, added[p], d) / s;
        }
    }
}

/* Of one layer, into *rest and *bound. */
static void share_heads_of(const work *k, size_t row, size_t layer, double *rest, double *bound)
{
    const size_t heads = k->m->hp.n_heads, d = k->m->hp.head_dim, at = row * k->m->hp.n_layers + layer;
    const tempo_layer *l = &k->m->layers[layer];
    const size_t n = l->wo.n_in;
    const double *back = k->back + layer * n, *back_abs = k->back_abs + layer * n;
    const double s = k->w->scale[row], divisor = s * k->posts[at].scale;
    const float *z = part(k, row, TEMPO_TAP_Z, layer), *out = part(k, row, TEMPO_TAP_ATTN_OUT, layer);
    const double roundings = l->attn_post_norm.w != NULL                            ? 8
                             : l->bo != NULL || k->m->recipe.residual_scale != 1.0f ? 2
                                                                                    : 0;
    double sum = k->bias[layer] / divisor + k->after[layer] / s;

    k->w->bias[at] = sum;
    for (size_t h = 0; h < heads; h++) {
        const double share = dot(back + h * d, z + h * d, d) / divisor;
        k->w->heads[at * heads + h] = share;
        sum += share;
    }
    for (size_t j = 0; j < n; j++)
        k->room[j] = fabs((double)z[j]);
    *rest += k->w->attn[at] - sum;
    *bound += tempo_bound_product(k->m, l->wo.type, back_abs, k->room, n) / divisor +
              k->posts[at].spread / s + 1.001 * roundings * u * dot_abs(k->g, out, k->m->hp.d_model) / s +
              (double)(k->m->hp.d_model + 8) * 0x1p-52 * dot_abs(back_abs, z, n) / divisor;
}

static void share_row(const work *k, size_t row)
{
    const size_t d = k->m->hp.d_model, layers = k->m->hp.n_layers;
    double sums, parts, added;

    share_layers(k, row, &sums, &parts);
    added = k->w->embed[row] + k->w->a.constant;
    for (size_t l = 0; l < layers; l++)
        added += k->w->attn[row * layers + l] + k->w->mlp[row * layers + l];
    k->w->rest[row] = k->w->logit[row] - added;
    k->w->bound[row] = 1.001 * u * sums + (double)(d + 2 * layers + 8) * 0x1p-52 * parts;
    for (size_t which = 0; which < (k->o->minus < 0 ? 1 : 2); which++) /* each with its own rounding */
        k->w->bound[row] +=
            tempo_bound_logit(k->m, k->w_abs + which * d, k->x + row * d, (double)k->mean[row],
                              k->w->scale[row], k->each[2 * row + which], k->room);
    if (!k->o->heads)
        return;
    k->w->heads_rest[row] = k->w->heads_bound[row] = 0;
    for (size_t l = 0; l < layers; l++)
        share_heads_of(k, row, l, &k->w->heads_rest[row], &k->w->heads_bound[row]);
}

/* ---- all ---- */

static tempo_status take_logit(const work *k, size_t row, const float *logits, tempo_err *err)
{
    double *each = k->each + 2 * row;

    each[0] = tempo_uncapped(k->m, (double)logits[k->o->token]);
    each[1] = k->o->minus < 0 ? 0 : tempo_uncapped(k->m, (double)logits[k->o->minus]);
    k->w->logit[row] = k->o->minus < 0 ? each[0] : each[0] - each[1];
    return isfinite(k->w->logit[row])
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "row %zu: its logits are not finite", row);
}

static tempo_status read_logits(work *k, tempo_err *err)
{
    const size_t d = k->m->hp.d_model, rows = k->r->rows;
    const bool normed = k->m->output_norm.w != NULL;
    tempo_status st = TEMPO_OK;

    for (size_t row = 0; row < rows; row++) {
        float *x = k->x + row * d;
        memcpy(x, part(k, row, TEMPO_TAP_RESID_POST, k->m->hp.n_layers - 1), d * sizeof(float));
        k->mean[row] = 0;
        k->w->scale[row] =
            normed ? (double)tempo_norm_scale(k->m, k->m->recipe.norm, x, d, &k->mean[row]) : 1;
    }
    for (size_t row = 0; row < rows && st == TEMPO_OK; row += k->chunk) {
        const size_t n = rows - row < k->chunk ? rows - row : k->chunk;
        st = tempo_engine_unembed(k->e, k->x + row * d, NULL, n, k->logits, err);
        for (size_t i = 0; i < n && st == TEMPO_OK; i++)
            st = take_logit(k, row + i, k->logits + i * k->m->hp.n_vocab, err);
    }
    return st;
}

static tempo_status check_rows(const work *k, tempo_err *err)
{
    static const tempo_tap taps[] = {TEMPO_TAP_RESID_POST, TEMPO_TAP_ATTN_OUT, TEMPO_TAP_MLP_OUT,
                                     TEMPO_TAP_Z};
    const size_t layers = k->m->hp.n_layers;

    for (size_t row = 0; row < k->r->rows; row++) {
        if (part(k, row, TEMPO_TAP_RESID_PRE, 0) == NULL)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "row %zu has no resid_pre of layer 0", row);
        for (size_t t = 0; t < (k->o->heads ? 4 : 3); t++)
            for (size_t l = t == 0 ? layers - 1 : 0; l < layers; l++)
                if (part(k, row, taps[t], l) == NULL)
                    return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "row %zu has no %s of layer %zu",
                                      row, tempo_tap_get_info(NULL, taps[t]).short_name, l);
    }
    return TEMPO_OK;
}

static tempo_status check(const work *k, tempo_err *err)
{
    const uint32_t n = k->m->hp.n_vocab;

    if (k->e->model != k->r->model)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the engine is of another model");
    if (k->o->token < 0 || (uint32_t)k->o->token >= n)
        return tempo_fail_field(err, TEMPO_E_ARG, "token", "token %d: the model has tokens 0 to %u",
                                k->o->token, n - 1);
    if (k->o->minus < -1 || k->o->minus >= (int32_t)n)
        return tempo_fail_field(err, TEMPO_E_ARG, "minus", "token %d: the model has tokens 0 to %u",
                                k->o->minus, n - 1);
    return check_rows(k, err);
}

static void layout_told(owned *w, tempo_arena *a)
{
    const size_t rows = w->a.n_rows, cells = rows * w->a.n_layers, f = sizeof(double);
    const bool heads = w->a.n_heads > 0;

    w->logit = tempo_arena_alloc(a, rows, f);
    w->scale = tempo_arena_alloc(a, rows, f);
    w->embed = tempo_arena_alloc(a, rows, f);
    w->attn = tempo_arena_alloc(a, cells, f);
    w->mlp = tempo_arena_alloc(a, cells, f);
    w->rest = tempo_arena_alloc(a, rows, f);
    w->bound = tempo_arena_alloc(a, rows, f);
    w->heads = heads ? tempo_arena_alloc(a, cells * w->a.n_heads, f) : NULL;
    w->bias = heads ? tempo_arena_alloc(a, cells, f) : NULL;
    w->heads_rest = heads ? tempo_arena_alloc(a, rows, f) : NULL;
    w->heads_bound = heads ? tempo_arena_alloc(a, rows, f) : NULL;
}

static void layout_work(work *k, tempo_arena *a)
{
    const size_t d = k->m->hp.d_model, layers = k->m->hp.n_layers, n_q = k->m->layers[0].wo.n_in;
    const size_t threads = tempo_pool_size(k->e->pool), f = sizeof(double);

    k->g = tempo_arena_alloc(a, d, f);
    k->w_abs = tempo_arena_alloc(a, 2 * d, f);
    k->each = tempo_arena_alloc(a, 2 * k->r->rows, f);
    k->back = tempo_arena_alloc(a, layers * n_q, f);
    k->back_abs = tempo_arena_alloc(a, layers * n_q, f);
    k->bias = tempo_arena_alloc(a, layers, f);
    k->after = tempo_arena_alloc(a, layers, f);
    k->posts = tempo_arena_alloc(a, k->r->rows * layers, sizeof(*k->posts));
    k->row = tempo_arena_alloc(a, threads, wide(k) * sizeof(float));
    k->room = tempo_arena_alloc(a, threads * 3, wide(k) * f);
    k->mean = tempo_arena_alloc(a, k->r->rows, sizeof(float));
    k->x = tempo_arena_alloc(a, k->r->rows, d * sizeof(float));
    k->logits = tempo_arena_alloc(a, k->chunk, k->m->hp.n_vocab * sizeof(float));
}

static tempo_status attribute(work *k, void **block, tempo_err *err)
{
    tempo_arena told = {0}, used = {0};
    owned *w = k->w;
    tempo_status st;

    k->chunk = LOGIT_BYTES / (k->m->hp.n_vocab * sizeof(float)) + 1;
    k->chunk = k->r->rows < k->chunk ? k->r->rows : k->chunk;
    layout_told(w, &told);
    layout_work(k, &used);
    if (!told.failed && !used.failed &&
        (st = tempo_engine_take(k->e, told.used + used.used, "an attribution", err)) != TEMPO_OK)
        return st;
    if (told.failed || used.failed || (w->block = malloc(told.used)) == NULL ||
        (*block = malloc(used.used)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an attribution of %zu rows",
                          w->a.n_rows);
    told = (tempo_arena){.base = w->block, .cap = told.used};
    used = (tempo_arena){.base = *block, .cap = used.used};
    layout_told(w, &told);
    layout_work(k, &used);
    if ((st = read_logits(k, err)) != TEMPO_OK)
        return st;
    find_direction(k);
    if (k->o->heads) {
        tempo_pool_run(k->e->pool, k->m->hp.n_layers, go_back, k);
        tempo_pool_run(k->e->pool, k->m->hp.n_layers * k->r->rows, find_post, k);
    }
    for (size_t row = 0; row < k->r->rows; row++)
        share_row(k, row);
    return TEMPO_OK;
}

static void show(owned *w)
{
    tempo_attribution *a = &w->a;

    a->logit = w->logit;
    a->scale = w->scale;
    a->embed = w->embed;
    a->attn = w->attn;
    a->mlp = w->mlp;
    a->heads = w->heads;
    a->bias = w->bias;
    a->rest = w->rest;
    a->bound = w->bound;
    a->heads_rest = w->heads_rest;
    a->heads_bound = w->heads_bound;
}

tempo_status tempo_attribute(tempo_attribution **out, tempo_engine *e, const tempo_residual *r,
                             const tempo_attribution_options *o, tempo_err *err)
{
    tempo_attribution_options opt;
    void *block = NULL;
    owned *w;
    tempo_status st = tempo_options_take(&tempo_attribution_options_kind, &opt, o, err);

    *out = NULL;
    work k = {.e = e, .m = r->model, .r = r, .o = &opt};
    if (st != TEMPO_OK || (st = check(&k, err)) != TEMPO_OK)
        return st;
    if ((w = calloc(1, sizeof(*w))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an attribution");
    const tempo_hparams *hp = &r->model->hp;
    w->a = (tempo_attribution){
        .n_rows = r->rows, .n_layers = hp->n_layers, .n_heads = opt.heads ? hp->n_heads : 0};
    k.w = w;
    st = attribute(&k, &block, err);
    free(block);
    show(w);
    if (st == TEMPO_OK)
        *out = &w->a;
    else
        tempo_attribution_free(&w->a);
    return st;
}

void tempo_attribution_free(tempo_attribution *a)
{
    if (a == NULL)
        return;
    free(((owned *)(void *)a)->block); /* its first member */
    free(a);
}
