/* The lens and attribution: the last point is the model itself to the bit; every point, share and rest
 * against double precision. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lens/lens.h"
#include "support/models.h"
#include "reference/reference.h"
#include "support/tmpdir.h"

enum { SLOTS = 14, MANY = 100, VOCAB = 288 };

/* ---- models, rows ---- */

/* llama with every bias, qwen2, qwen3. */
static tempo_model *open_model(const char *arch, tempo_dtype type)
{
    test_spec spec = type == TEMPO_F32 ? test_spec_default(arch) : test_spec_of_type(arch, type);
    char dir[256], path[512];

    if (strcmp(arch, "llama") == 0)
        spec.qkv_bias = spec.o_bias = spec.mlp_bias = true;
    test_model *t = test_model_make(&spec);
    test_tmpdir_create(dir);
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(t, 3, path);
    test_model_free(t);
    tempo_model *m = test_open_model(path);
    test_tmpdir_remove(dir);
    assert_int_equal(m->hp.n_vocab, VOCAB);
    return m;
}

/* A prompt of six and two sets of four, visible, at positions that are not all integers; n tokens of a prompt
 * where n > SLOTS. */
static void make_slots(reference_slot *slots, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const size_t set = i < 6 || n > SLOTS ? i : 6 + (i - 6) / 4;
        slots[i] = (reference_slot){.token = (int32_t)(i * 37 % 250),
                                    .set = (uint32_t)set,
                                    .position = (double)set + (set == i ? 0 : 0.25 * (double)(i % 4)),
                                    .mode = TEMPO_VISIBLE,
                                    .last_layer = UINT32_MAX};
    }
}

/* Their residual stream, and logits[n, VOCAB] unless that is NULL. */
static tempo_residual *run(tempo_engine *e, size_t n, unsigned keep, float *logits)
{
    const tempo_model *m = tempo_engine_model(e);
    reference_slot slots[MANY];
    tempo_row rows[MANY];
    tempo_seq *s = test_seq(e, TEMPO_KV_F32);
    tempo_residual *r;
    tempo_err err = {0};

    make_slots(slots, n);
    for (size_t i = 0; i < n; i++)
        rows[i] = (tempo_row){.seq = s,
                              .token = slots[i].token,
                              .set = slots[i].set,
                              .position = slots[i].position,
                              .mode = slots[i].mode,
                              .want = TEMPO_WANT_TAPS | TEMPO_WANT_LOGITS};
    if (tempo_residual_create(&r, m, n, keep, &err) != TEMPO_OK ||
        tempo_residual_forward(r, 0, e, rows, n, NULL, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    if (logits != NULL)
        memcpy(logits, tempo_engine_logits(e, 0), n * VOCAB * sizeof(*logits));
    tempo_seq_free(s);
    return r;
}

/* A lens that tells the whole vocabulary. */
static tempo_lens *look(tempo_engine *e, const tempo_residual *r)
{
    int32_t tokens[VOCAB];
    tempo_lens_options o;
    tempo_lens *l;
    tempo_err err = {0};

    for (int32_t i = 0; i < VOCAB; i++)
        tokens[i] = i;
    tempo_lens_options_init(&o);
    o.tokens = tokens;
    o.n_tokens = VOCAB;
    if (tempo_lens_create(&l, e, r, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return l;
}

static const struct {
    const char *arch;
    tempo_dtype type;
} kinds[] = {{"llama", TEMPO_F32},  {"qwen2", TEMPO_F32},  {"qwen3", TEMPO_F32}, {"llama", TEMPO_BF16},
             {"llama", TEMPO_Q8_0}, {"qwen2", TEMPO_Q4_K}, {"llama", TEMPO_F16}};
enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

/* ---- the lens ---- */

/* What comes of one cell's numbers: sum 1, entropy, the greatest first, ranks, divergence from the row's
 * last. */
static void check_cell(const tempo_lens *l, size_t row, size_t point)
{
    const size_t at = row * l->n_points + point;
    const double *q = l->token_q + at * VOCAB, *last = l->token_q + ((row + 1) * l->n_points - 1) * VOCAB;
    const float *logits = l->token_logits + at * VOCAB;
    double sum = 0, entropy = 0, kl = 0;

    for (size_t v = 0; v < VOCAB; v++) {
        uint32_t rank = 1;
        sum += q[v];
        entropy -= q[v] * log(q[v]);
        kl += last[v] * log(last[v] / q[v]);
        for (size_t w = 0; w < VOCAB; w++)
            rank += logits[w] > logits[v] || (logits[w] >= logits[v] && w < v);
        assert_int_equal(l->token_ranks[at * VOCAB + v], rank);
        if (rank <= l->n_top) {
            assert_int_equal(l->top_ids[at * l->n_top + rank - 1], v);
            assert_memory_equal(&l->top_q[at * l->n_top + rank - 1], &q[v], sizeof(*q));
        }
    }
    assert_true(fabs(sum - 1) < 1e-12);
    assert_true(fabs(entropy - l->entropy[at]) < 1e-11);
    assert_true(fabs(kl - l->kl[at]) < 1e-11);
    assert_true(l->kl[at] >= 0 && (point + 1 < l->n_points) == (l->kl[at] > 0));
}

static void test_last_is_the_model(void **state)
{
    (void)state;
    static float logits[SLOTS * VOCAB];

    for (size_t k = 0; k < KINDS; k++)
        for (unsigned threads = 1; threads <= 2; threads++) {
            tempo_model *m = open_model(kinds[k].arch, kinds[k].type);
            tempo_engine *e = test_engine(m, threads);
            tempo_residual *r = run(e, SLOTS, 0, logits);
            tempo_lens *l = look(e, r);
            assert_int_equal(l->n_rows, SLOTS);
            assert_int_equal(l->n_points, m->hp.n_layers + 1);
            assert_true(l->layers[0] == TEMPO_LENS_INPUT && l->layers[1] == 0 &&
                        l->layers[l->n_points - 1] == m->hp.n_layers - 1);
            for (size_t row = 0; row < SLOTS; row++) {
                const size_t at = (row + 1) * l->n_points - 1;
                double q[VOCAB], entropy;
                assert_memory_equal(l->token_logits + at * VOCAB, logits + row * VOCAB,
                                    VOCAB * sizeof(float));
                assert_int_equal(tempo_distribution(e, logits + row * VOCAB, VOCAB, q, &entropy, NULL),
                                 TEMPO_OK);
                assert_memory_equal(l->token_q + at * VOCAB, q, sizeof(q));
                assert_memory_equal(&l->entropy[at], &entropy, sizeof(entropy));
                for (size_t p = 0; p < l->n_points; p++)
                    check_cell(l, row, p);
            }
            tempo_lens_free(l);
            tempo_residual_free(r);
            tempo_engine_free(e);
            tempo_model_free(m);
        }
}

/* logits[VOCAB] of x[d_model] in double. */
static void unembed(const tempo_model *m, const double *x, double *logits)
{
    const size_t d = m->hp.d_model;
    float *row = malloc(d * sizeof(*row));
    double sum = 0;

    assert_non_null(row);
    for (size_t i = 0; i < d; i++)
        sum += x[i] * x[i];
    const double scale = sqrt(sum / (double)d + (double)m->hp.norm_eps);
    for (size_t v = 0; v < VOCAB; v++) {
        tempo_unpack[m->output.type](row, (const unsigned char *)m->output.data + v * m->output.row_bytes, d);
        logits[v] = 0;
        for (size_t i = 0; i < d; i++)
            logits[v] += (double)row[i] * (double)m->output_norm.w[i] * x[i] / scale;
    }
    free(row);
}

typedef struct stream {
    const tempo_model *m;
    double *points; /* [layers + 1, SLOTS, d_model] */
} stream;

static void keep_points(void *user, tempo_tap tap, uint32_t layer, size_t slot, double *v, size_t n_0,
                        size_t n_1)
{
    const stream *s = user;
    const size_t point = tap == TEMPO_TAP_RESID_POST ? layer + 1 : 0;

    if (tap == TEMPO_TAP_RESID_POST || (tap == TEMPO_TAP_RESID_PRE && layer == 0))
        memcpy(s->points + (point * SLOTS + slot) * n_0 * n_1, v, n_0 * n_1 * sizeof(*v));
}

/* Every logit of every point against the forward pass in double precision; the tolerance is that of
 * test_forward.c. */
static void test_points(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        tempo_model *m = open_model(kinds[k].arch, kinds[k].type);
        const size_t d = m->hp.d_model, points = m->hp.n_layers + 1;
        stream s = {m, malloc(points * SLOTS * d * sizeof(double))};
        double *all = malloc(SLOTS * VOCAB * sizeof(*all)), logits[VOCAB], worst = 0, largest = 0;
        reference_slot slots[SLOTS];
        tempo_engine *e = test_engine(m, 2);
        tempo_residual *r = run(e, SLOTS, 0, NULL);
        tempo_lens *l = look(e, r);

        assert_true(s.points != NULL && all != NULL);
        make_slots(slots, SLOTS);
        reference_forward(m, slots, SLOTS, keep_points, &s, all);
        for (size_t row = 0; row < SLOTS; row++)
            for (size_t p = 0; p < points; p++) {
                unembed(m, s.points + (p * SLOTS + row) * d, logits);
                for (size_t v = 0; v < VOCAB; v++) {
                    const double got = (double)l->token_logits[(row * points + p) * VOCAB + v];
                    worst = fmax(worst, isfinite(got) ? fabs(got - logits[v]) : INFINITY);
                    largest = fmax(largest, fabs(logits[v]));
                }
            }
        const double allowed = fmin(2e-4, 8 * 0x1p-24 * m->hp.n_layers * sqrt((double)d) * (1 + largest));
        printf("%s: points within %.1e of %.1e\n", kinds[k].arch, worst, allowed);
        assert_true(worst <= allowed);
        tempo_lens_free(l);
        tempo_residual_free(r);
        tempo_engine_free(e);
        free(all);
        free(s.points);
        tempo_model_free(m);
    }
}

/* More vectors than go into one product, rows cut in two by its end: the same bits as alone. */
static void test_parts(void **state)
{
    (void)state;
    tempo_model *m = open_model("qwen2", TEMPO_Q4_K);
    tempo_engine *e = test_engine(m, 2);
    tempo_residual *all = run(e, MANY, 0, NULL), *one;
    tempo_lens *many = look(e, all), *l;
    const size_t points = m->hp.n_layers + 1, d = m->hp.d_model;
    tempo_err err = {0};

    assert_true(MANY * points > 256 && 256 % points != 0);
    for (size_t row = 80; row < 90; row++) {
        assert_int_equal(tempo_residual_create(&one, m, 1, 0, &err), TEMPO_OK);
        for (uint32_t i = 0; i < points; i++) {
            const tempo_tap tap = i == 0 ? TEMPO_TAP_RESID_PRE : TEMPO_TAP_RESID_POST;
            const uint32_t layer = i == 0 ? 0 : i - 1;
            assert_int_equal(
                tempo_residual_set(one, 0, tap, layer, tempo_residual_get(all, row, tap, layer), d, &err),
                TEMPO_OK);
        }
        l = look(e, one);
        assert_memory_equal(l->token_q, many->token_q + row * points * VOCAB,
                            points * VOCAB * sizeof(double));
        assert_memory_equal(l->kl, many->kl + row * points, points * sizeof(double));
        assert_memory_equal(l->top_ids, many->top_ids + row * points * l->n_top,
                            points * l->n_top * sizeof(int32_t));
        tempo_lens_free(l);
        tempo_residual_free(one);
    }
    tempo_lens_free(many);
    tempo_residual_free(all);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* Points that are not there are left out; not the last. */
static void test_some_points(void **state)
{
    (void)state;
    tempo_model *m = open_model("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    tempo_residual *all = run(e, SLOTS, 0, NULL), *some;
    tempo_lens *l;
    tempo_err err = {0};
    const uint32_t last = m->hp.n_layers - 1;
    const float *x = tempo_residual_get(all, 3, TEMPO_TAP_RESID_POST, last);

    assert_int_equal(tempo_residual_create(&some, m, 1, 0, &err), TEMPO_OK);
    assert_int_equal(tempo_lens_create(&l, e, some, NULL, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "row 0 has no resid_post of the last layer, 1"));
    assert_int_equal(tempo_residual_set(some, 0, TEMPO_TAP_RESID_POST, last, x, m->hp.d_model, NULL),
                     TEMPO_OK);
    l = look(e, some);
    assert_true(l->n_points == 1 && l->layers[0] == last && l->kl[0] == 0);
    tempo_lens_free(l);
    tempo_residual_free(some);
    tempo_residual_free(all);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- attribution ---- */

static const float *part(const tempo_residual *r, size_t row, tempo_tap tap, size_t layer)
{
    const float *x = tempo_residual_get(r, row, tap, (uint32_t)layer);

    assert_non_null(x);
    return x;
}

/* g[d_model] of token, less that of minus. */
static void direction(const tempo_model *m, int32_t token, int32_t minus, double *g)
{
    const size_t d = m->hp.d_model;
    float *row = malloc(2 * d * sizeof(*row));

    assert_non_null(row);
    tempo_unpack[m->output.type](
        row, (const unsigned char *)m->output.data + (size_t)token * m->output.row_bytes, d);
    if (minus >= 0)
        tempo_unpack[m->output.type](
            row + d, (const unsigned char *)m->output.data + (size_t)minus * m->output.row_bytes, d);
    for (size_t i = 0; i < d; i++)
        g[i] = ((double)row[i] - (minus >= 0 ? (double)row[d + i] : 0)) * (double)m->output_norm.w[i];
    free(row);
}

static double along(const double *g, const float *x, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++)
        sum += g[i] * (double)x[i];
    return sum;
}

/* A head's share by way of its result: each output of Wo over that head's columns alone. */
static double share_of_head(const tempo_model *m, size_t layer, size_t head, const double *g, const float *z)
{
    const tempo_weight *wo = &m->layers[layer].wo;
    const size_t d = m->hp.head_dim;
    float *row = malloc(wo->n_in * sizeof(*row));
    double share = 0;

    assert_non_null(row);
    for (size_t i = 0; i < wo->n_out; i++) {
        double result = 0;
        tempo_unpack[wo->type](row, (const unsigned char *)wo->data + i * wo->row_bytes, wo->n_in);
        for (size_t j = head * d; j < (head + 1) * d; j++)
            result += (double)row[j] * (double)z[j];
        share += g[i] * result;
    }
    free(row);
    return share;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * (1 + fabs(a) + fabs(b));
}

static void check_row(const tempo_model *m, const tempo_residual *r, const tempo_attribution *a, size_t row,
                      const double *g)
{
    const size_t d = m->hp.d_model, layers = a->n_layers;
    const double s = a->scale[row];
    double sum = a->embed[row], heads = 0, attn = 0;

    assert_true(near(a->embed[row], along(g, part(r, row, TEMPO_TAP_RESID_PRE, 0), d) / s));
    for (size_t l = 0; l < layers; l++) {
        const float *z = part(r, row, TEMPO_TAP_Z, l), *bo = m->layers[l].bo;
        assert_true(near(a->attn[row * layers + l], along(g, part(r, row, TEMPO_TAP_ATTN_OUT, l), d) / s));
        assert_true(near(a->mlp[row * layers + l], along(g, part(r, row, TEMPO_TAP_MLP_OUT, l), d) / s));
        assert_true(near(a->bias[row * layers + l], bo != NULL ? along(g, bo, d) / s : 0));
        sum += a->attn[row * layers + l] + a->mlp[row * layers + l];
        attn += a->attn[row * layers + l];
        heads += a->bias[row * layers + l];
        for (size_t h = 0; h < a->n_heads; h++) {
            const double share = a->heads[(row * layers + l) * a->n_heads + h];
            assert_true(near(share, share_of_head(m, l, h, g, z) / s));
            heads += share;
        }
    }
    assert_true(near(a->rest[row], a->logit[row] - sum));
    assert_true(near(a->heads_rest[row], attn - heads));
    assert_true(fabs(a->rest[row]) <= a->bound[row]);
    assert_true(fabs(a->heads_rest[row]) <= a->heads_bound[row]);
}

/* In all kinds of matrices; a token alone, and less another. */
static void test_attribution(void **state)
{
    (void)state;
    static float logits[SLOTS * VOCAB];

    for (size_t k = 0; k < KINDS; k++)
        for (int32_t minus = -1; minus < 12; minus += 12) {
            tempo_model *m = open_model(kinds[k].arch, kinds[k].type);
            tempo_engine *e = test_engine(m, 2);
            tempo_residual *r = run(e, SLOTS, TEMPO_RESIDUAL_HEADS, logits);
            const tempo_attribution_options o = {
                .size = sizeof(o), .token = 77, .minus = minus, .heads = true};
            double *g = malloc(m->hp.d_model * sizeof(*g)), rest = 0, bound = 0, heads_rest = 0,
                   heads_bound = 0;
            tempo_attribution *a;
            tempo_err err = {0};

            assert_non_null(g);
            direction(m, 77, minus, g);
            if (tempo_attribute(&a, e, r, &o, &err) != TEMPO_OK)
                fail_msg("%s", err.msg);
            assert_true(a->n_rows == SLOTS && a->n_layers == m->hp.n_layers && a->n_heads == m->hp.n_heads);
            for (size_t row = 0; row < SLOTS; row++) {
                const float *mine = logits + row * VOCAB;
                const double logit = minus < 0 ? (double)mine[77] : (double)mine[77] - (double)mine[minus];
                assert_memory_equal(&a->logit[row], &logit, sizeof(logit));
                check_row(m, r, a, row, g);
                rest = fmax(rest, fabs(a->rest[row]));
                bound = fmax(bound, a->bound[row]);
                heads_rest = fmax(heads_rest, fabs(a->heads_rest[row]));
                heads_bound = fmax(heads_bound, a->heads_bound[row]);
            }
            printf("%s, type %d: rest %.1e of %.1e, of heads %.1e of %.1e\n", kinds[k].arch,
                   (int)kinds[k].type, rest, bound, heads_rest, heads_bound);
            assert_true(bound < 0.05 && heads_bound < 0.05); /* it says something */
            tempo_attribution_free(a);
            free(g);
            tempo_residual_free(r);
            tempo_engine_free(e);
            tempo_model_free(m);
        }
}

/* hook_result of the last slot in layer 1: [heads, d_model]. */
static bool keep_result(void *user, const tempo_tap_view *v)
{
    if (v->layer == 1 && v->slot == SLOTS - 1)
        memcpy(user, v->values, v->dims[0] * v->dims[1] * sizeof(float));
    return true;
}

/* Each head's share along its hook_result, as the pass itself computes that. */
static void test_results(void **state)
{
    (void)state;
    static float results[64 * 64];
    const tempo_tap_selection tap = {.tap = TEMPO_TAP_RESULT};
    const tempo_observer obs = {.user = results, .view = keep_result, .taps = &tap, .n_taps = 1};
    const tempo_attribution_options o = {.size = sizeof(o), .token = 5, .minus = 9, .heads = true};
    int32_t ids[SLOTS];
    tempo_model *m = open_model("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 2);
    tempo_seq *s = test_seq(e, TEMPO_KV_F32);
    tempo_residual *r;
    double *g = malloc(m->hp.d_model * sizeof(*g));
    tempo_row rows[SLOTS];
    tempo_attribution *a;
    tempo_err err = {0};

    assert_true(g != NULL && m->hp.n_heads * m->hp.d_model <= sizeof(results) / sizeof(*results));
    for (int32_t i = 0; i < SLOTS; i++)
        ids[i] = 11 * i + 3;
    test_append(e, s, ids, SLOTS, true, TEMPO_VISIBLE, &obs, NULL);
    tempo_seq_free(s);
    s = test_seq(e, TEMPO_KV_F32);
    for (size_t i = 0; i < SLOTS; i++) /* the last row alone is kept */
        rows[i] = (tempo_row){.seq = s,
                              .token = ids[i],
                              .set = (uint32_t)i,
                              .position = (double)i,
                              .want = i + 1 == SLOTS ? TEMPO_WANT_TAPS : 0};
    assert_int_equal(tempo_residual_create(&r, m, 1, TEMPO_RESIDUAL_HEADS, &err), TEMPO_OK);
    assert_int_equal(tempo_residual_forward(r, 0, e, rows, SLOTS, NULL, NULL, &err), TEMPO_OK);
    direction(m, 5, 9, g);
    assert_int_equal(tempo_attribute(&a, e, r, &o, &err), TEMPO_OK);
    for (size_t h = 0; h < m->hp.n_heads; h++) {
        const double along_result = along(g, results + h * m->hp.d_model, m->hp.d_model) / a->scale[0];
        assert_true(fabs(a->heads[m->hp.n_heads + h] - along_result) <= 1e-6);
        assert_true(fabs(along_result) > 1e-5);
    }
    tempo_attribution_free(a);
    free(g);
    tempo_residual_free(r);
    tempo_seq_free(s);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* What other architectures do at the end of a layer, and of the model. */
static void change_model(tempo_model *m, int which)
{
    static float weights[3][VOCAB];
    tempo_recipe *c = &m->recipe;

    for (size_t i = 0; i < VOCAB; i++) {
        weights[0][i] = 1 + 0.3f * sinf((float)i);
        weights[1][i] = 0.2f * cosf(3 * (float)i);
        weights[2][i] = 0.5f * sinf(5 * (float)i + 1);
    }
    c->norm = which == 1 ? TEMPO_NORM_RMS : TEMPO_NORM_LAYER;
    if (which != 1)
        m->output_norm.b = weights[1];
    if (which == 0) {
        m->output_bias = weights[2];
        c->logit_scale = 0.7f;
        c->parallel = true;
        return;
    }
    c->residual_scale = 0.5f;
    c->logit_cap = 4;
    for (uint32_t l = 0; l < m->hp.n_layers; l++) {
        m->layers[l].attn_post_norm = (tempo_norm){weights[0] + l, which == 2 ? weights[1] : NULL};
        m->layers[l].ffn_post_norm = (tempo_norm){weights[0] + 2 * l, NULL};
    }
}

/* Layer norms with biases, norms behind sublayers, parallel ones, biased, scaled and capped logits: the last
 * point is the model, and shares add up within what rounding allows.  */
static void test_recipes(void **state)
{
    (void)state;
    static float logits[SLOTS * VOCAB];
    static const tempo_dtype types[] = {TEMPO_F32, TEMPO_Q8_0};
    const tempo_attribution_options o = {.size = sizeof(o), .token = 77, .minus = 5, .heads = true};

    for (int k = 0; k < 3 * 2; k++) {
        tempo_model *m = open_model("llama", types[k % 2]);
        tempo_engine *e = test_engine(m, 2);
        tempo_attribution *a;
        tempo_err err = {0};
        double rest = 0, bound = 0, heads_rest = 0, heads_bound = 0;

        change_model(m, k / 2);
        tempo_residual *r = run(e, SLOTS, TEMPO_RESIDUAL_HEADS, logits);
        tempo_lens *l = look(e, r);
        if (tempo_attribute(&a, e, r, &o, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        for (size_t row = 0; row < SLOTS; row++) {
            const float *last = l->token_logits + ((row + 1) * l->n_points - 1) * VOCAB;
            double sum = a->embed[row] + a->constant + a->rest[row];
            assert_memory_equal(last, logits + row * VOCAB, VOCAB * sizeof(float));
            for (size_t i = 0; i < a->n_layers; i++)
                sum += a->attn[row * a->n_layers + i] + a->mlp[row * a->n_layers + i];
            assert_true(near(sum, a->logit[row]));
            rest = fmax(rest, fabs(a->rest[row]) / a->bound[row]);
            bound = fmax(bound, a->bound[row]);
            heads_rest = fmax(heads_rest, fabs(a->heads_rest[row]) / a->heads_bound[row]);
            heads_bound = fmax(heads_bound, a->heads_bound[row]);
        }
        printf("recipe %d, type %d: rest %.1e of bounds up to %.1e, of heads %.1e of %.1e\n", k / 2,
               (int)types[k % 2], rest, bound, heads_rest, heads_bound);
        assert_true(rest <= 1 && heads_rest <= 1);
        assert_true(bound < 0.2 && heads_bound < 0.5 && (a->constant != 0) == (k / 2 != 1));
        tempo_attribution_free(a);
        tempo_lens_free(l);
        tempo_residual_free(r);
        tempo_engine_free(e);
        tempo_model_free(m);
    }
}

/* A stream that something else has changed: the rest says so. */
static void test_changed(void **state)
{
    (void)state;
    tempo_model *m = open_model("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    tempo_residual *r = run(e, SLOTS, TEMPO_RESIDUAL_PARTS, NULL);
    const uint32_t last = m->hp.n_layers - 1;
    const size_t d = m->hp.d_model;
    float *x = malloc(d * sizeof(*x));
    tempo_attribution *a;
    tempo_err err = {0};

    assert_non_null(x);
    memcpy(x, part(r, 4, TEMPO_TAP_RESID_POST, last), d * sizeof(*x));
    x[7] += 0.5f;
    assert_int_equal(tempo_residual_set(r, 4, TEMPO_TAP_RESID_POST, last, x, d, &err), TEMPO_OK);
    assert_int_equal(tempo_attribute(&a, e, r, NULL, &err), TEMPO_OK);
    assert_null(a->heads);
    assert_int_equal(a->n_heads, 0);
    for (size_t row = 0; row < SLOTS; row++)
        assert_true((fabs(a->rest[row]) > a->bound[row]) == (row == 4));
    tempo_attribution_free(a);
    free(x);
    tempo_residual_free(r);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- what is refused ---- */

static bool never(void *user)
{
    (void)user;
    return false;
}

static void refuse_lens(tempo_engine *e, const tempo_residual *r, tempo_lens_options o, tempo_status want,
                        const char *text)
{
    tempo_lens *l;
    tempo_err err = {0};

    assert_int_equal(tempo_lens_create(&l, e, r, &o, &err), want);
    assert_null(l);
    if (strstr(err.msg, text) == NULL)
        fail_msg("'%s' has no '%s'", err.msg, text);
}

static void refuse_attribution(tempo_engine *e, const tempo_residual *r, tempo_attribution_options o,
                               const char *text)
{
    tempo_attribution *a;
    tempo_err err = {0};

    o.size = sizeof(o);
    assert_int_equal(tempo_attribute(&a, e, r, &o, &err), TEMPO_E_ARG);
    assert_null(a);
    if (strstr(err.msg, text) == NULL)
        fail_msg("'%s' has no '%s'", err.msg, text);
}

static void test_refused(void **state)
{
    (void)state;
    tempo_model *m = open_model("llama", TEMPO_F32), *other = open_model("qwen2", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1), *of_other = test_engine(other, 1);
    tempo_residual *r = run(e, SLOTS, TEMPO_RESIDUAL_PARTS, NULL), *none;
    const int32_t too_large = VOCAB;
    tempo_lens_options o;
    tempo_err err = {0};
    float x[64] = {0};

    tempo_lens_options_init(&o);
    refuse_lens(of_other, r, o, TEMPO_E_ARG, "the engine is of another model");
    o.poll = never;
    refuse_lens(e, r, o, TEMPO_E_STOPPED, "stopped after 0 of 42 vectors");
    tempo_lens_options_init(&o);
    o.top = 257;
    refuse_lens(e, r, o, TEMPO_E_ARG, "top is 257, at most 256");
    o.top = 1;
    o.tokens = &too_large;
    o.n_tokens = 1;
    refuse_lens(e, r, o, TEMPO_E_ARG, "token 288: the model has tokens 0 to 287");
    refuse_attribution(of_other, r, (tempo_attribution_options){.minus = -1},
                       "the engine is of another model");
    refuse_attribution(e, r, (tempo_attribution_options){.token = -1, .minus = -1}, "token -1");
    refuse_attribution(e, r, (tempo_attribution_options){.token = VOCAB, .minus = -1}, "token 288");
    refuse_attribution(e, r, (tempo_attribution_options){.minus = VOCAB}, "token 288");
    refuse_attribution(e, r, (tempo_attribution_options){.minus = -2}, "token -2");
    refuse_attribution(e, r, (tempo_attribution_options){.minus = -1, .heads = true},
                       "row 0 has no z of layer 0");
    assert_int_equal(tempo_residual_create(&none, m, 0, 0, &err), TEMPO_E_ARG);
    assert_null(none);
    assert_int_equal(tempo_residual_set(r, SLOTS, TEMPO_TAP_RESID_PRE, 0, x, 32, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_residual_set(r, 0, TEMPO_TAP_RESID_PRE, 1, x, 32, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_residual_set(r, 0, TEMPO_TAP_RESID_POST, 2, x, 32, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_residual_set(r, 0, TEMPO_TAP_Z, 0, x, 32, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_residual_set(r, 0, TEMPO_TAP_RESID_PRE, 0, x, 31, NULL), TEMPO_E_ARG);
    x[5] = NAN;
    assert_int_equal(tempo_residual_set(r, 0, TEMPO_TAP_RESID_PRE, 0, x, 32, NULL), TEMPO_E_FORMAT);
    tempo_residual_free(r);
    tempo_engine_free(of_other);
    tempo_engine_free(e);
    tempo_model_free(other);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_is_the_model),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_some_points),
        cmocka_unit_test(test_attribution),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_recipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
