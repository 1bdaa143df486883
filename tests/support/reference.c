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
    tempo_unpack[w->type](f, (const unsigned char *)w->data + row * w->row_bytes, w->n_in);
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

static void normalise(const double *x, const float *w, size_t n, double eps, double *y)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    const double s = 1 / sqrt(sum / (double)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s * (double)w[i];
}

/* Norm (Qwen3) and rotation of one head; pairs are adjacent or half a head apart, as the file has them. */
static void finish_head(const tempo_model *m, double *head, const float *norm, double position)
{
    const size_t d = m->hp.head_dim, half = d / 2;

    if (norm != NULL)
        normalise(head, norm, d, (double)m->hp.norm_eps, head);
    for (size_t i = 0; i < half; i++) {
        double *a = &head[m->hp.qk_pairs_adjacent ? 2 * i : i],
               *b = &head[m->hp.qk_pairs_adjacent ? 2 * i + 1 : i + half];
        const double angle = position * m->rope_freq[i], c = cos(angle), s = sin(angle), x = *a, y = *b;
        *a = x * c - y * s;
        *b = y * c + x * s;
    }
}

static bool sees(const reference_slot *slots, size_t row, size_t j, uint32_t layer)
{
    const reference_slot *r = &slots[row];
    const bool on = layer >= r->first_layer && layer <= r->last_layer;

    if (slots[j].set != r->set)
        return slots[j].set < r->set;
    return j == row || (on && (r->mode == TEMPO_VISIBLE || (r->mode == TEMPO_CAUSAL && j < row)));
}

static void attend(const tempo_model *m, uint32_t layer, const reference_slot *slots, size_t n,
                   const double *q, const double *k, const double *v, double *out)
{
    const size_t d = m->hp.head_dim, heads = m->hp.n_heads, kv_heads = m->hp.n_kv_heads;
    double *p = zeros(n);

    for (size_t row = 0; row < n; row++)
        for (size_t h = 0; h < heads; h++) {
            const size_t kv = h / (heads / kv_heads);
            double *o = out + (row * heads + h) * d, sum = 0, largest = -HUGE_VAL;
            for (size_t j = 0; j < n; j++) {
                p[j] = -HUGE_VAL;
                if (!sees(slots, row, j, layer))
                    continue;
                p[j] = 0;
                for (size_t i = 0; i < d; i++)
                    p[j] += q[(row * heads + h) * d + i] * k[(j * kv_heads + kv) * d + i];
                p[j] /= sqrt((double)d);
                largest = fmax(largest, p[j]);
            }
            for (size_t j = 0; j < n; j++)
                sum += p[j] = exp(p[j] - largest);
            memset(o, 0, d * sizeof(*o));
            for (size_t j = 0; j < n; j++)
                for (size_t i = 0; i < d; i++)
                    o[i] += p[j] / sum * v[(j * kv_heads + kv) * d + i];
        }
    free(p);
}

static void run_layer(const tempo_model *m, uint32_t layer, const reference_slot *slots, size_t n, double *x)
{
    const tempo_layer *l = &m->layers[layer];
    const size_t d = m->hp.d_model, hd = m->hp.head_dim, nq = m->hp.n_heads, nkv = m->hp.n_kv_heads,
                 ff = m->hp.d_ff;
    double *h = zeros(n * d), *q = zeros(n * nq * hd), *k = zeros(n * nkv * hd), *v = zeros(n * nkv * hd);
    double *att = zeros(n * nq * hd), *gate = zeros(n * ff), *up = zeros(n * ff);

    for (size_t r = 0; r < n; r++)
        normalise(x + r * d, l->attn_norm, d, (double)m->hp.norm_eps, h + r * d);
    linear(&l->wq, l->bq, h, n, q);
    linear(&l->wk, l->bk, h, n, k);
    linear(&l->wv, l->bv, h, n, v);
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < nq; i++)
            finish_head(m, q + (r * nq + i) * hd, l->q_norm, slots[r].position);
        for (size_t i = 0; i < nkv; i++)
            finish_head(m, k + (r * nkv + i) * hd, l->k_norm, slots[r].position);
    }
    attend(m, layer, slots, n, q, k, v, att);
    linear(&l->wo, l->bo, att, n, h);
    for (size_t i = 0; i < n * d; i++)
        x[i] += h[i];
    for (size_t r = 0; r < n; r++)
        normalise(x + r * d, l->ffn_norm, d, (double)m->hp.norm_eps, h + r * d);
    linear(&l->w_gate, l->b_gate, h, n, gate);
    linear(&l->w_up, l->b_up, h, n, up);
    for (size_t i = 0; i < n * ff; i++)
        gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
    linear(&l->w_down, l->b_down, gate, n, h);
    for (size_t i = 0; i < n * d; i++)
        x[i] += h[i];
    free(h);
    free(q);
    free(k);
    free(v);
    free(att);
    free(gate);
    free(up);
}

void reference_forward(const tempo_model *m, const reference_slot *slots, size_t n, double *logits)
{
    const size_t d = m->hp.d_model;
    double *x = zeros(n * d), *h = zeros(n * d);

    for (size_t r = 0; r < n; r++)
        weight_row(&m->embedding, (size_t)slots[r].token, x + r * d);
    for (uint32_t layer = 0; layer < m->hp.n_layers; layer++)
        run_layer(m, layer, slots, n, x);
    for (size_t r = 0; r < n; r++)
        normalise(x + r * d, m->output_norm, d, (double)m->hp.norm_eps, h + r * d);
    linear(&m->output, NULL, h, n, logits);
    free(x);
    free(h);
}
