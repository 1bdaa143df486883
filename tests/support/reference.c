#include "support/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *zeros(size_t n)
{
    double *p = calloc(n > 0 ? n : 1, sizeof(*p));

    if (p == NULL)
        abort();
    return p;
}

/* One row of a matrix, as doubles. */
static void weight_row(const tempo_weight *w, size_t row, double *out)
{
    float *f = malloc(w->n_in * sizeof(*f));

    if (f == NULL)
        abort();
    tempo_weight_row(f, w, row);
    for (size_t i = 0; i < w->n_in; i++)
        out[i] = (double)f[i];
    free(f);
}

/* y[n, n_out] = x[n, n_in] W^T + bias */
static void linear(const tempo_weight *w, const float *bias, const double *x, size_t n, double *y)
{
    double *row = zeros(w->n_in);

    for (size_t o = 0; o < w->n_out; o++) {
        weight_row(w, o, row);
        for (size_t r = 0; r < n; r++) {
            double sum = bias != NULL ? (double)bias[o] : 0;
            for (size_t i = 0; i < w->n_in; i++)
                sum += row[i] * x[r * w->n_in + i];
            y[r * w->n_out + o] = sum;
        }
    }
    free(row);
}

/* What is the same for a whole pass. */
typedef struct pass {
    const tempo_model *m;
    const reference_slot *slots;
    size_t n;
    reference_tap tap;
    void *user;
} pass;

static void show(const pass *p, tempo_tap tap, uint32_t layer, size_t slot, double *values, size_t n_0,
                 size_t n_1)
{
    if (p->tap != NULL)
        p->tap(p->user, tap, layer, slot, values, n_0, n_1);
}

static double root_mean_square(const double *x, size_t n, double eps)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum / (double)n + eps);
}

/* y = x, normed; the taps are of the scale and of x after it */
static void norm_slot(const pass *p, tempo_tap scale, tempo_tap normalized, uint32_t layer, size_t slot,
                      const double *x, const float *w, double *y)
{
    const size_t d = p->m->hp.d_model;
    double s = root_mean_square(x, d, (double)p->m->hp.norm_eps);

    show(p, scale, layer, slot, &s, 1, 1);
    for (size_t i = 0; i < d; i++)
        y[i] = x[i] / s;
    show(p, normalized, layer, slot, y, d, 1);
    for (size_t i = 0; i < d; i++)
        y[i] *= (double)w[i];
}

/* The heads of a slot: pairs that rotate come half a head apart, are normed (Qwen3) and rotated. */
static void finish_heads(const pass *p, const tempo_tap taps[3], uint32_t layer, size_t slot, double *heads,
                         size_t n, const float *norm)
{
    const size_t d = p->m->hp.head_dim, half = d / 2;
    double *pairs = zeros(d);

    for (size_t h = 0; h < n && p->m->hp.qk_pairs_adjacent; h++) {
        memcpy(pairs, heads + h * d, d * sizeof(*pairs));
        for (size_t i = 0; i < d; i++)
            heads[h * d + i] = pairs[i < half ? 2 * i : 2 * (i - half) + 1];
    }
    free(pairs);
    show(p, taps[0], layer, slot, heads, n, d);
    for (size_t h = 0; h < n && norm != NULL; h++) {
        const double s = root_mean_square(heads + h * d, d, (double)p->m->hp.norm_eps);
        for (size_t i = 0; i < d; i++)
            heads[h * d + i] *= (double)norm[i] / s;
    }
    if (norm != NULL)
        show(p, taps[1], layer, slot, heads, n, d);
    for (size_t h = 0; h < n; h++)
        for (size_t i = 0; i < half; i++) {
            double *a = &heads[h * d + i], *b = &heads[h * d + i + half];
            const double angle = p->slots[slot].position * p->m->rope_freq[0][i];
            const double c = cos(angle), s = sin(angle), x = *a, y = *b;
            *a = x * c - y * s;
            *b = y * c + x * s;
        }
    show(p, taps[2], layer, slot, heads, n, d);
}

static bool sees(const reference_slot *slots, size_t row, size_t j, uint32_t layer)
{
    const reference_slot *r = &slots[row];
    const bool on = layer >= r->first_layer && layer <= r->last_layer;

    if (slots[j].set != r->set)
        return slots[j].set < r->set;
    return j == row || (on && (r->mode == TEMPO_VISIBLE || (r->mode == TEMPO_CAUSAL && j < row)));
}

/* scores[heads, n] of a row, before softmax. */
static void score(const pass *p, uint32_t layer, size_t row, const double *q, const double *k, double *scores)
{
    const size_t d = p->m->hp.head_dim, heads = p->m->hp.n_heads, kv_heads = p->m->hp.n_kv_heads;

    for (size_t h = 0; h < heads; h++)
        for (size_t j = 0; j < p->n; j++) {
            const double *key = k + (j * kv_heads + h / (heads / kv_heads)) * d;
            double sum = 0;
            for (size_t i = 0; i < d; i++)
                sum += q[(row * heads + h) * d + i] * key[i];
            scores[h * p->n + j] = sees(p->slots, row, j, layer) ? sum / sqrt((double)d) : -HUGE_VAL;
        }
}

static void softmax(double *x, size_t n)
{
    double largest = -HUGE_VAL, sum = 0;

    for (size_t j = 0; j < n; j++)
        largest = fmax(largest, x[j]);
    for (size_t j = 0; j < n; j++)
        sum += x[j] = exp(x[j] - largest);
    for (size_t j = 0; j < n; j++)
        x[j] /= sum;
}

static void attend(const pass *p, uint32_t layer, const double *q, const double *k, const double *v,
                   double *out)
{
    const size_t d = p->m->hp.head_dim, heads = p->m->hp.n_heads, kv_heads = p->m->hp.n_kv_heads;
    double *w = zeros(heads * p->n);

    for (size_t row = 0; row < p->n; row++) {
        double *o = out + row * heads * d;
        score(p, layer, row, q, k, w);
        show(p, TEMPO_TAP_ATTN_SCORES, layer, row, w, heads, p->n);
        for (size_t h = 0; h < heads; h++)
            softmax(w + h * p->n, p->n);
        show(p, TEMPO_TAP_PATTERN, layer, row, w, heads, p->n);
        memset(o, 0, heads * d * sizeof(*o));
        for (size_t h = 0; h < heads; h++)
            for (size_t j = 0; j < p->n; j++)
                for (size_t i = 0; i < d; i++)
                    o[h * d + i] += w[h * p->n + j] * v[(j * kv_heads + h / (heads / kv_heads)) * d + i];
        show(p, TEMPO_TAP_Z, layer, row, o, heads, d);
    }
    free(w);
}

/* What each head of a row's z adds to the output matrix's result. */
static void show_result(const pass *p, uint32_t layer, size_t row, const double *z)
{
    const size_t d = p->m->hp.head_dim, heads = p->m->hp.n_heads, width = p->m->hp.d_model;
    double *shares = zeros(heads * width), *w = zeros(heads * d);

    for (size_t o = 0; o < width && p->tap != NULL; o++) {
        weight_row(&p->m->layers[layer].wo, o, w);
        for (size_t i = 0; i < heads * d; i++)
            shares[i / d * width + o] += w[i] * z[i];
    }
    show(p, TEMPO_TAP_RESULT, layer, row, shares, heads, width);
    free(shares);
    free(w);
}

/* x += delta, with the taps of both */
static void add_to_stream(const pass *p, tempo_tap of_delta, tempo_tap of_sum, uint32_t layer, double *delta,
                          double *x)
{
    const size_t d = p->m->hp.d_model;

    for (size_t r = 0; r < p->n; r++) {
        show(p, of_delta, layer, r, delta + r * d, d, 1);
        for (size_t i = 0; i < d; i++)
            x[r * d + i] += delta[r * d + i];
        show(p, of_sum, layer, r, x + r * d, d, 1);
    }
}

static void attention_layer(const pass *p, uint32_t layer, double *x, double *h)
{
    static const tempo_tap of_q[] = {TEMPO_TAP_Q, TEMPO_TAP_Q_NORMED, TEMPO_TAP_ROT_Q};
    static const tempo_tap of_k[] = {TEMPO_TAP_K, TEMPO_TAP_K_NORMED, TEMPO_TAP_ROT_K};
    const tempo_layer *l = &p->m->layers[layer];
    const size_t n = p->n, d = p->m->hp.d_model, hd = p->m->hp.head_dim;
    const size_t nq = p->m->hp.n_heads, nkv = p->m->hp.n_kv_heads;
    double *q = zeros(n * nq * hd), *k = zeros(n * nkv * hd), *v = zeros(n * nkv * hd);
    double *z = zeros(n * nq * hd);

    for (size_t r = 0; r < n; r++) {
        show(p, TEMPO_TAP_RESID_PRE, layer, r, x + r * d, d, 1);
        norm_slot(p, TEMPO_TAP_LN1_SCALE, TEMPO_TAP_LN1_NORMALIZED, layer, r, x + r * d, l->attn_norm.w,
                  h + r * d);
    }
    linear(&l->wq, l->bq, h, n, q);
    linear(&l->wk, l->bk, h, n, k);
    linear(&l->wv, l->bv, h, n, v);
    for (size_t r = 0; r < n; r++) {
        finish_heads(p, of_q, layer, r, q + r * nq * hd, nq, l->q_norm);
        finish_heads(p, of_k, layer, r, k + r * nkv * hd, nkv, l->k_norm);
        show(p, TEMPO_TAP_V, layer, r, v + r * nkv * hd, nkv, hd);
    }
    attend(p, layer, q, k, v, z);
    for (size_t r = 0; r < n; r++)
        show_result(p, layer, r, z + r * nq * hd);
    linear(&l->wo, l->bo, z, n, h);
    add_to_stream(p, TEMPO_TAP_ATTN_OUT, TEMPO_TAP_RESID_MID, layer, h, x);
    free(q);
    free(k);
    free(v);
    free(z);
}

static void mlp_layer(const pass *p, uint32_t layer, double *x, double *h)
{
    const tempo_layer *l = &p->m->layers[layer];
    const size_t n = p->n, d = p->m->hp.d_model, ff = p->m->hp.d_ff;
    double *gate = zeros(n * ff), *up = zeros(n * ff);

    for (size_t r = 0; r < n; r++)
        norm_slot(p, TEMPO_TAP_LN2_SCALE, TEMPO_TAP_LN2_NORMALIZED, layer, r, x + r * d, l->ffn_norm.w,
                  h + r * d);
    linear(&l->mlp.w_gate, l->mlp.b_gate, h, n, gate);
    linear(&l->mlp.w_up, l->mlp.b_up, h, n, up);
    for (size_t r = 0; r < n; r++) {
        double *g = gate + r * ff, *u = up + r * ff;
        show(p, TEMPO_TAP_MLP_PRE, layer, r, g, ff, 1);
        show(p, TEMPO_TAP_MLP_PRE_LINEAR, layer, r, u, ff, 1);
        for (size_t i = 0; i < ff; i++)
            g[i] = g[i] / (1 + exp(-g[i])) * u[i];
        show(p, TEMPO_TAP_MLP_POST, layer, r, g, ff, 1);
    }
    linear(&l->mlp.w_down, l->mlp.b_down, gate, n, h);
    add_to_stream(p, TEMPO_TAP_MLP_OUT, TEMPO_TAP_RESID_POST, layer, h, x);
    free(gate);
    free(up);
}

void reference_forward(const tempo_model *m, const reference_slot *slots, size_t n, reference_tap tap,
                       void *user, double *logits)
{
    const pass p = {m, slots, n, tap, user};
    const size_t d = m->hp.d_model;
    double *x = zeros(n * d), *h = zeros(n * d);

    for (size_t r = 0; r < n; r++) {
        weight_row(&m->embedding, (size_t)slots[r].token, x + r * d);
        show(&p, TEMPO_TAP_EMBED, 0, r, x + r * d, d, 1);
    }
    for (uint32_t layer = 0; layer < m->hp.n_layers; layer++) {
        attention_layer(&p, layer, x, h);
        mlp_layer(&p, layer, x, h);
    }
    for (size_t r = 0; r < n; r++)
        norm_slot(&p, TEMPO_TAP_LN_FINAL_SCALE, TEMPO_TAP_LN_FINAL_NORMALIZED, 0, r, x + r * d,
                  m->output_norm.w, h + r * d);
    linear(&m->output, NULL, h, n, logits);
    for (size_t r = 0; r < n; r++)
        show(&p, TEMPO_TAP_LOGITS, 0, r, logits + r * m->hp.n_vocab, m->hp.n_vocab, 1);
    free(x);
    free(h);
}
