#include "reference/reference.h"

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

/* y[n, n_out] = x[n, n_in] W^T + bias */
static void linear(const reference_matrix *m, const double *x, size_t n, double *y)
{
    for (size_t r = 0; r < n; r++)
        for (size_t o = 0; o < m->n_out; o++) {
            const double *w = m->w + o * m->n_in, *in = x + r * m->n_in;
            double sums[4] = {m->bias != NULL ? m->bias[o]
                                              : 0}; /* four: so that one need not wait for the other */
            size_t i = 0;
            for (; i + 4 <= m->n_in; i += 4)
                for (size_t k = 0; k < 4; k++)
                    sums[k] += w[i + k] * in[i + k];
            for (; i < m->n_in; i++)
                sums[0] += w[i] * in[i];
            y[r * m->n_out + o] = sums[0] + sums[1] + sums[2] + sums[3];
        }
}

/* What is the same for a whole pass. */
typedef struct pass {
    const reference_model *m;
    const reference_slot *slots;
    size_t n;
    reference_tap tap;
    void *user;
    double *route_gap;
} pass;

static void show(const pass *p, tempo_tap tap, uint32_t layer, size_t slot, double *values, size_t n_0,
                 size_t n_1)
{
    if (p->tap != NULL && tap != TEMPO_TAP_COUNT)
        p->tap(p->user, tap, layer, slot, values, n_0, n_1);
}

/* ---- norms ---- */

static double mean_of(const double *x, size_t n, bool centred)
{
    double sum = 0;

    for (size_t i = 0; i < n && centred; i++)
        sum += x[i];
    return sum / (double)n;
}

static double scale_of(const double *x, size_t n, double mean, double eps)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (double)n + eps);
}

/* y = x, normed; y may be x.  The taps are of the scale and of x after it; TEMPO_TAP_COUNT: none. */
static void norm_slot(const pass *p, const tempo_tap taps[2], uint32_t layer, size_t slot,
                      const reference_norm *norm, const double *x, double *y)
{
    const size_t d = p->m->d_model;
    const double mean = mean_of(x, d, p->m->layer_norm);
    double s = norm->on ? scale_of(x, d, mean, p->m->eps) : 1;

    if (!norm->on) {
        memmove(y, x, d * sizeof(*y));
        return;
    }
    show(p, taps[0], layer, slot, &s, 1, 1);
    for (size_t i = 0; i < d; i++)
        y[i] = (x[i] - mean) / s;
    show(p, taps[1], layer, slot, y, d, 1);
    for (size_t i = 0; i < d; i++)
        y[i] = y[i] * (norm->w != NULL ? norm->w[i] : 1) + (norm->b != NULL ? norm->b[i] : 0);
}

static const tempo_tap untold[2] = {TEMPO_TAP_COUNT, TEMPO_TAP_COUNT};

static void norm_heads(const reference_model *m, double *heads, size_t n, const double *w)
{
    const size_t width = m->qk_whole ? n * m->head_dim : m->head_dim;

    for (size_t at = 0; at < n * m->head_dim; at += width) {
        double *x = heads + at;
        const double mean = mean_of(x, width, m->qk_layer_norm), s = scale_of(x, width, mean, m->eps);
        for (size_t i = 0; i < width; i++)
            x[i] = (x[i] - mean) / s * w[i];
    }
}

/* ---- attention ---- */

/* What rotates, at the front of each head: pairs come half of it apart. */
static void order_heads(const reference_model *m, double *heads, size_t n)
{
    const size_t d = m->head_dim, half = m->n_rot / 2;
    double *pairs = zeros(d);

    for (size_t h = 0; h < n && m->adjacent; h++) {
        memcpy(pairs, heads + h * d, d * sizeof(*pairs));
        for (size_t i = 0; i < half; i++) {
            heads[h * d + i] = pairs[2 * i];
            heads[h * d + i + half] = pairs[2 * i + 1];
        }
    }
    free(pairs);
}

static void rotate(const reference_model *m, double *head, double position, unsigned theta)
{
    const size_t half = m->n_rot / 2;

    for (size_t i = 0; i < half; i++) {
        const double angle = position * m->freq[theta - 1][i], scale = m->rope_scale[theta - 1];
        const double c = cos(angle) * scale, s = sin(angle) * scale, x = head[i], y = head[i + half];
        head[i] = x * c - y * s;
        head[i + half] = y * c + x * s;
    }
}

static void finish_heads(const pass *p, const tempo_tap taps[3], uint32_t layer, size_t slot, double *heads,
                         size_t n, const double *norm)
{
    const reference_model *m = p->m;
    const unsigned theta = m->layers[layer].theta;

    order_heads(m, heads, n);
    show(p, taps[0], layer, slot, heads, n, m->head_dim);
    if (norm != NULL) {
        norm_heads(m, heads, n, norm);
        show(p, taps[1], layer, slot, heads, n, m->head_dim);
    }
    for (size_t h = 0; h < n && theta > 0; h++)
        rotate(m, heads + h * m->head_dim, p->slots[slot].position, theta);
    if (m->n_rot > 0)
        show(p, taps[2], layer, slot, heads, n, m->head_dim);
}

static bool sees(const pass *p, size_t row, size_t j, uint32_t layer)
{
    const reference_slot *r = &p->slots[row], *other = &p->slots[j];
    const size_t window = p->m->layers[layer].window;
    const bool on = layer >= r->first_layer && layer <= r->last_layer;

    if (other->set != r->set)
        return other->set < r->set && (window == 0 || other->position > r->position - (double)window);
    return j == row || (on && (r->mode == TEMPO_VISIBLE || (r->mode == TEMPO_CAUSAL && j < row)));
}

/* 2^(-8 i / n) for i = 1 .. n; where the number of heads is no power of two, those of the next lower one
 * first and then every other one of the next higher. */
static double slope(size_t head, size_t heads)
{
    size_t power = 1;

    while (2 * power <= heads)
        power *= 2;
    return head < power ? pow(2, -8.0 * (double)(head + 1) / (double)power)
                        : pow(2, -4.0 * (double)(2 * (head - power) + 1) / (double)power);
}

/* scores[heads, n] of a row, before softmax. */
static void score(const pass *p, uint32_t layer, size_t row, const double *q, const double *k, double *scores)
{
    const reference_model *m = p->m;
    const size_t d = m->head_dim, heads = m->n_heads, kv_heads = m->n_kv_heads;

    for (size_t h = 0; h < heads; h++)
        for (size_t j = 0; j < p->n; j++) {
            const double *key = k + (j * kv_heads + h / (heads / kv_heads)) * d;
            double sum = 0;
            for (size_t i = 0; i < d; i++)
                sum += q[(row * heads + h) * d + i] * key[i];
            sum *= m->attn_scale;
            if (m->attn_cap > 0)
                sum = m->attn_cap * tanh(sum / m->attn_cap);
            if (m->alibi)
                sum += slope(h, heads) * (p->slots[j].position - p->slots[row].position);
            scores[h * p->n + j] = sees(p, row, j, layer) ? sum : -HUGE_VAL;
        }
}

/* sink: NULL or a logit that takes part and is not told */
static void softmax(double *x, size_t n, const double *sink)
{
    double largest = sink != NULL ? *sink : -HUGE_VAL, sum = 0;

    for (size_t j = 0; j < n; j++)
        largest = fmax(largest, x[j]);
    for (size_t j = 0; j < n; j++)
        sum += x[j] = exp(x[j] - largest);
    sum += sink != NULL ? exp(*sink - largest) : 0;
    for (size_t j = 0; j < n; j++)
        x[j] /= sum;
}

static void attend(const pass *p, uint32_t layer, const double *q, const double *k, const double *v,
                   double *out)
{
    const reference_layer *l = &p->m->layers[layer];
    const size_t d = p->m->head_dim, heads = p->m->n_heads, kv_heads = p->m->n_kv_heads;
    double *w = zeros(heads * p->n);

    for (size_t row = 0; row < p->n; row++) {
        double *o = out + row * heads * d;
        score(p, layer, row, q, k, w);
        show(p, TEMPO_TAP_ATTN_SCORES, layer, row, w, heads, p->n);
        for (size_t h = 0; h < heads; h++)
            softmax(w + h * p->n, p->n, l->sinks != NULL ? &l->sinks[h] : NULL);
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
    const size_t d = p->m->head_dim, heads = p->m->n_heads, width = p->m->d_model;
    double *shares = zeros(heads * width);

    for (size_t o = 0; o < width && p->tap != NULL; o++)
        for (size_t h = 0; h < heads; h++)
            for (size_t i = 0; i < d; i++)
                shares[h * width + o] += p->m->layers[layer].o.w[(o * heads + h) * d + i] * z[h * d + i];
    show(p, TEMPO_TAP_RESULT, layer, row, shares, heads, width);
    free(shares);
}

static void clip(double *x, size_t n, double most)
{
    for (size_t i = 0; i < n && most > 0; i++)
        x[i] = fmin(fmax(x[i], -most), most);
}

/* given[n, d_model] = attention of h[n, d_model] */
static void attention(const pass *p, uint32_t layer, const double *h, double *given)
{
    static const tempo_tap of_q[] = {TEMPO_TAP_Q, TEMPO_TAP_Q_NORMED, TEMPO_TAP_ROT_Q};
    static const tempo_tap of_k[] = {TEMPO_TAP_K, TEMPO_TAP_K_NORMED, TEMPO_TAP_ROT_K};
    const reference_layer *l = &p->m->layers[layer];
    const size_t n = p->n, d = p->m->head_dim, nq = p->m->n_heads, nkv = p->m->n_kv_heads;
    double *q = zeros(n * nq * d), *k = zeros(n * nkv * d), *v = zeros(n * nkv * d), *z = zeros(n * nq * d);

    linear(&l->q, h, n, q);
    linear(&l->k, h, n, k);
    linear(&l->v, h, n, v);
    clip(q, n * nq * d, p->m->clip);
    clip(k, n * nkv * d, p->m->clip);
    clip(v, n * nkv * d, p->m->clip);
    for (size_t r = 0; r < n; r++) {
        finish_heads(p, of_q, layer, r, q + r * nq * d, nq, l->q_norm);
        finish_heads(p, of_k, layer, r, k + r * nkv * d, nkv, l->k_norm);
        show(p, TEMPO_TAP_V, layer, r, v + r * nkv * d, nkv, d);
    }
    attend(p, layer, q, k, v, z);
    for (size_t r = 0; r < n; r++)
        show_result(p, layer, r, z + r * nq * d);
    linear(&l->o, z, n, given);
    free(q);
    free(k);
    free(v);
    free(z);
}

/* ---- MLPs ---- */

static double activate(reference_act act, double x)
{
    switch (act) {
    case REFERENCE_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case REFERENCE_GELU_ERF:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case REFERENCE_RELU:
        return fmax(x, 0);
    case REFERENCE_RELU_2:
        return x > 0 ? x * x : 0;
    case REFERENCE_CLAMPED:
        x = fmin(x, 7);
        return x / (1 + exp(-1.702 * x));
    case REFERENCE_SILU:
        break;
    }
    return x / (1 + exp(-x));
}

/* y[d_model] = the MLP of x[d_model]; told: with the taps of the slot's dense MLP */
static void mlp_slot(const pass *p, const reference_mlp *mlp, uint32_t layer, size_t slot, bool told,
                     const double *x, double *y)
{
    const size_t ff = mlp->gate.n_out;
    double *gate = zeros(ff), *up = zeros(ff);

    linear(&mlp->gate, x, 1, gate);
    if (mlp->up.w != NULL)
        linear(&mlp->up, x, 1, up);
    if (told)
        show(p, TEMPO_TAP_MLP_PRE, layer, slot, gate, ff, 1);
    if (told && mlp->up.w != NULL)
        show(p, TEMPO_TAP_MLP_PRE_LINEAR, layer, slot, up, ff, 1);
    for (size_t i = 0; i < ff; i++) {
        const double u = mlp->up.w == NULL                ? 1
                         : p->m->act == REFERENCE_CLAMPED ? fmin(fmax(up[i], -7), 7) + 1
                                                          : up[i];
        gate[i] = activate(p->m->act, gate[i]) * u;
    }
    if (told)
        show(p, TEMPO_TAP_MLP_POST, layer, slot, gate, ff, 1);
    linear(&mlp->down, gate, 1, y);
    free(gate);
    free(up);
}

/* weight[n_experts] of a slot, 0 of those that are not used; the taps have them largest first */
static void route(const pass *p, uint32_t layer, size_t slot, const double *x, double *weight)
{
    const reference_model *m = p->m;
    double *logits = zeros(m->n_experts), *told = zeros(2 * m->n_used), all = 0, chosen = 0;

    linear(&m->layers[layer].router, x, 1, logits);
    for (size_t e = 0; e < m->n_experts; e++)
        all += exp(logits[e]);
    for (size_t i = 0; i < m->n_used; i++) {
        size_t best = SIZE_MAX;
        for (size_t e = 0; e < m->n_experts; e++)
            if (weight[e] == 0 && (best == SIZE_MAX || logits[e] > logits[best]))
                best = e;
        chosen += weight[best] = exp(logits[best]);
        told[i] = (double)best;
    }
    for (size_t e = 0; e < m->n_experts; e++)
        if (weight[e] == 0)
            *p->route_gap = fmin(*p->route_gap, logits[(size_t)told[m->n_used - 1]] - logits[e]);
    for (size_t e = 0; e < m->n_experts; e++)
        weight[e] /= m->route_selected || m->route_renormed ? chosen : all;
    for (size_t i = 0; i < m->n_used; i++)
        told[m->n_used + i] = weight[(size_t)told[i]];
    show(p, TEMPO_TAP_EXPERT_INDICES, layer, slot, told, m->n_used, 1);
    show(p, TEMPO_TAP_EXPERT_WEIGHTS, layer, slot, told + m->n_used, m->n_used, 1);
    free(logits);
    free(told);
}

static void experts_slot(const pass *p, uint32_t layer, size_t slot, const double *x, double *y)
{
    const reference_layer *l = &p->m->layers[layer];
    const size_t d = p->m->d_model, n = p->m->n_experts;
    double *one = zeros(d), *weight = zeros(n + 1), gate = 0;

    route(p, layer, slot, x, weight);
    if (l->shared_gate.w != NULL)
        linear(&l->shared_gate, x, 1, &gate);
    weight[n] = l->mlp.gate.w == NULL ? 0 : l->shared_gate.w == NULL ? 1 : 1 / (1 + exp(-gate));
    memset(y, 0, d * sizeof(*y));
    for (size_t e = 0; e <= n; e++) {
        if (weight[e] == 0)
            continue;
        mlp_slot(p, e < n ? &l->experts[e] : &l->mlp, layer, slot, false, x, one);
        for (size_t i = 0; i < d; i++)
            y[i] += weight[e] * one[i];
    }
    free(one);
    free(weight);
}

/* ---- layers ---- */

/* x += given, with the taps of both */
static void add_to_stream(const pass *p, tempo_tap of_given, tempo_tap of_sum, uint32_t layer, size_t slot,
                          const reference_norm *post, double *given, double *x)
{
    const size_t d = p->m->d_model;

    norm_slot(p, untold, layer, slot, post, given, given);
    for (size_t i = 0; i < d; i++)
        given[i] *= p->m->residual_scale;
    show(p, of_given, layer, slot, given, d, 1);
    for (size_t i = 0; i < d; i++)
        x[i] += given[i];
    show(p, of_sum, layer, slot, x, d, 1);
}

static void run_layer(const pass *p, uint32_t layer, double *x)
{
    static const tempo_tap ln1[] = {TEMPO_TAP_LN1_SCALE, TEMPO_TAP_LN1_NORMALIZED},
                           ln2[] = {TEMPO_TAP_LN2_SCALE, TEMPO_TAP_LN2_NORMALIZED};
    const reference_layer *l = &p->m->layers[layer];
    const size_t n = p->n, d = p->m->d_model;
    const bool parallel = p->m->parallel;
    double *h = zeros(n * d), *attended = zeros(n * d), *given = zeros(d);

    for (size_t r = 0; r < n; r++) {
        show(p, TEMPO_TAP_RESID_PRE, layer, r, x + r * d, d, 1);
        norm_slot(p, ln1, layer, r, &l->attn_norm, x + r * d, h + r * d);
    }
    attention(p, layer, h, attended);
    for (size_t r = 0; r < n; r++) {
        double *own = x + r * d, *in = h + r * d;
        if (!parallel)
            add_to_stream(p, TEMPO_TAP_ATTN_OUT, TEMPO_TAP_RESID_MID, layer, r, &l->attn_post,
                          attended + r * d, own);
        if (l->ffn_norm.on || !parallel)
            norm_slot(p, ln2, layer, r, &l->ffn_norm, own, in);
        if (l->sparse)
            experts_slot(p, layer, r, in, given);
        else
            mlp_slot(p, &l->mlp, layer, r, true, in, given);
        if (parallel)
            add_to_stream(p, TEMPO_TAP_ATTN_OUT, TEMPO_TAP_COUNT, layer, r, &l->attn_post, attended + r * d,
                          own);
        add_to_stream(p, TEMPO_TAP_MLP_OUT, TEMPO_TAP_RESID_POST, layer, r, &l->ffn_post, given, own);
    }
    free(h);
    free(attended);
    free(given);
}

static void embed(const pass *p, size_t slot, double *x)
{
    const reference_model *m = p->m;
    const size_t d = m->d_model;
    double *place = zeros(d);

    for (size_t i = 0; i < d; i++)
        x[i] = m->embedding.w[(size_t)p->slots[slot].token * d + i] * m->embed_scale;
    show(p, TEMPO_TAP_EMBED, 0, slot, x, d, 1);
    if (m->positions != NULL) {
        const size_t row = (size_t)p->slots[slot].position + m->position_offset;
        memcpy(place, m->positions + row * d, d * sizeof(*place));
        show(p, TEMPO_TAP_POS_EMBED, 0, slot, place, d, 1);
    }
    for (size_t i = 0; i < d; i++)
        x[i] += place[i];
    norm_slot(p, untold, 0, slot, &m->embed_norm, x, x);
    free(place);
}

double reference_run(const reference_model *m, const reference_slot *slots, size_t n, reference_tap tap,
                     void *user, double *logits)
{
    static const tempo_tap last[] = {TEMPO_TAP_LN_FINAL_SCALE, TEMPO_TAP_LN_FINAL_NORMALIZED};
    double gap = HUGE_VAL;
    const pass p = {m, slots, n, tap, user, &gap};
    const size_t d = m->d_model;
    double *x = zeros(n * d), *h = zeros(d);

    for (size_t r = 0; r < n; r++)
        embed(&p, r, x + r * d);
    for (uint32_t layer = 0; layer < m->n_layers; layer++)
        run_layer(&p, layer, x);
    for (size_t r = 0; r < n; r++) {
        double *row = logits + r * m->n_vocab;
        norm_slot(&p, last, 0, r, &m->output_norm, x + r * d, h);
        linear(&m->output, h, 1, row);
        for (size_t v = 0; v < m->n_vocab; v++) {
            row[v] *= m->logit_scale;
            if (m->logit_cap > 0)
                row[v] = m->logit_cap * tanh(row[v] / m->logit_cap);
        }
        show(&p, TEMPO_TAP_LOGITS, 0, r, row, m->n_vocab, 1);
    }
    free(x);
    free(h);
    return gap;
}
