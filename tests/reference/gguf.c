/* gguf.c - a model of the reference as the GGUF file that the common converter would have made of it: its
 * names, its order of rows, its keys. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference/random_arch.h"
#include "support/model_writer.h"
#include "support/quantise.h"

static const struct {
    const char *type, *name;
    bool pairs; /* rows of q and k side by side where the directory has them half a head apart */
} archs[] = {{"llama", "llama", true},
             {"mistral", "llama", true},
             {"mixtral", "llama", true},
             {"qwen2", "qwen2", false},
             {"qwen3", "qwen3", false},
             {"qwen2_moe", "qwen2moe", false},
             {"qwen3_moe", "qwen3moe", false},
             {"smollm3", "smollm3", true},
             {"granite", "granite", true},
             {"olmo", "olmo", true},
             {"olmo2", "olmo2", false},
             {"olmoe", "olmoe", false},
             {"gemma", "gemma", false},
             {"gemma2", "gemma2", false},
             {"gemma3_text", "gemma3", false},
             {"gpt2", "gpt2", false},
             {"gpt_neox", "gptneox", false},
             {"gpt_oss", "gpt-oss", false},
             {"bloom", "bloom", false},
             {"phi", "phi2", false},
             {"phi3", "phi3", false},
             {"stablelm", "stablelm", false},
             {"starcoder2", "starcoder2", false},
             {"cohere2", "cohere2", false},
             {"exaone4", "exaone4", false},
             {"nemotron", "nemotron", false}};

typedef struct writing {
    reference_model *m;
    const json_t *config;
    const char *arch;
    bool pairs;
    tempo_dtype type;
    test_model file;
    size_t layer; /* SIZE_MAX: outside */
} writing;

static bool is(const reference_model *m, const char *types)
{
    char padded[40];

    (void)snprintf(padded, sizeof(padded), " %s ", m->type);
    return strstr(types, padded) != NULL;
}

static bool find_arch(writing *w)
{
    for (size_t i = 0; i < sizeof(archs) / sizeof(*archs); i++)
        if (strcmp(archs[i].type, w->m->type) == 0) {
            w->arch = archs[i].name;
            w->pairs = archs[i].pairs;
            return true;
        }
    return false;
}

/* ---- what a GGUF can say ---- */

static bool any_window(const reference_model *m)
{
    bool any = false;

    for (size_t l = 0; l < m->n_layers; l++)
        any = any || m->layers[l].window > 0;
    return any;
}

static bool any_dense(const reference_model *m)
{
    bool any = false;

    for (size_t l = 0; l < m->n_layers; l++)
        any = any || !m->layers[l].sparse;
    return any;
}

/* The activation is not in the file, but follows from the architecture. */
static bool act_follows(const reference_model *m)
{
    const reference_act act = is(m, " gpt_oss ") ? REFERENCE_CLAMPED
                              : is(m, " gpt2 bloom phi starcoder2 gemma gemma2 gemma3_text ")
                                  ? REFERENCE_GELU_TANH
                              : is(m, " nemotron ") ? REFERENCE_RELU_2
                              : is(m, " gpt_neox ") ? REFERENCE_GELU_ERF
                                                    : REFERENCE_SILU;
    return m->act == act;
}

bool gguf_can(const reference_model *m, const json_t *config)
{
    writing w = {.m = (reference_model *)(uintptr_t)m};
    const json_t *scaling = json_object_get(config, "rope_scaling");

    if (!find_arch(&w) || !act_follows(m) || json_object_get(scaling, "attention_factor") != NULL ||
        json_is_false(json_object_get(scaling, "truncate")) ||
        json_is_false(json_object_get(config, "scale_attn_weights")))
        return false;
    if (is(m, " mistral mixtral starcoder2 qwen2 qwen3 qwen2_moe qwen3_moe ") && any_window(m))
        return false;
    if (is(m, " qwen2_moe qwen3_moe ") && any_dense(m))
        return false;
    if (is(m, " gemma2 gemma3_text gpt_oss cohere2 exaone4 ") &&
        (json_object_get(config, "layer_types") != NULL ||
         json_object_get(config, "sliding_window_pattern") != NULL))
        return false;
    if (is(m, " gemma2 gemma3_text ") &&
        (size_t)json_integer_value(json_object_get(config, "query_pre_attn_scalar")) != m->head_dim)
        return false;
    if (is(m, " gpt_oss starcoder2 qwen2_moe gpt_neox ") && m->layers[0].q.bias == NULL)
        return false;
    return json_object_get(config, "no_rope_layers") == NULL;
}

/* ---- tensors ---- */

static const char *name_of(const writing *w, const char *name, const char *tail, char out[96])
{
    if (w->layer == SIZE_MAX)
        (void)snprintf(out, 96, "%s%s", name, tail);
    else
        (void)snprintf(out, 96, "blk.%zu.%s%s", w->layer, name, tail);
    return out;
}

static void put_vector(writing *w, const char *name, const char *tail, const double *x, size_t n)
{
    const uint64_t dims = n;
    char full[96];

    if (x == NULL)
        return;
    test_tensor *t = test_model_add_typed(&w->file, name_of(w, name, tail, full), TEMPO_F32, 1, &dims);
    for (size_t i = 0; i < n; i++) {
        const float f = (float)x[i];
        memcpy(t->data + 4 * i, &f, 4);
    }
}

static tempo_dtype type_for(const writing *w, size_t n_in, bool small)
{
    if (small || w->type == TEMPO_F32 || n_in % 32 != 0)
        return TEMPO_F32;
    return n_in % tempo_dtype_get(w->type)->block_len == 0 ? w->type : TEMPO_Q8_0;
}

/* Row of the file -> row of the matrix. */
static size_t row_of(const writing *w, size_t row, bool heads)
{
    const size_t d = w->m->head_dim, in_head = row % d;

    return heads && w->pairs ? row - in_head + in_head / 2 + in_head % 2 * (d / 2) : row;
}

/* Matrices one below the other; slabs: as [n, rows, columns]; heads: rows of q or k. */
static void put_matrices(writing *w, const char *name, reference_matrix *const *parts, size_t n, bool slabs,
                         bool heads, bool small)
{
    const size_t n_in = parts[0]->n_in;
    const tempo_dtype type = type_for(w, n_in, small);
    const size_t row_bytes = n_in / tempo_dtype_get(type)->block_len * tempo_dtype_get(type)->block_bytes;
    uint64_t rows = 0, at = 0;
    char full[96];

    for (size_t i = 0; i < n; i++)
        rows += parts[i]->n_out;
    const uint64_t dims[3] = {n, rows / n, n_in}, flat[2] = {rows, n_in};
    test_tensor *t = test_model_add_typed(&w->file, name_of(w, name, ".weight", full), type, slabs ? 3 : 2,
                                          slabs ? dims : flat);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < parts[i]->n_out; r++, at++)
            test_quantise(type, parts[i]->w + row_of(w, r, heads) * n_in, n_in, t->data + at * row_bytes);
    double *bias = calloc(rows, sizeof(*bias));
    if (bias == NULL)
        abort();
    at = 0;
    for (size_t i = 0; i < n && parts[0]->bias != NULL; i++)
        for (size_t r = 0; r < parts[i]->n_out; r++)
            bias[at++] = parts[i]->bias[row_of(w, r, heads)];
    put_vector(w, name, ".bias", parts[0]->bias != NULL ? bias : NULL, rows);
    if (slabs && parts[0]->bias != NULL) { /* [n, rows] */
        test_tensor *b = &w->file.tensors[w->file.n_tensors - 1];
        b->n_dims = 2;
        b->dims[0] = n;
        b->dims[1] = rows / n;
    }
    free(bias);
}

static void put_matrix(writing *w, const char *name, reference_matrix *m)
{
    put_matrices(w, name, &m, 1, false, false, false);
}

static void put_norm(writing *w, const char *name, const reference_norm *n)
{
    if (!n->on || n->w == NULL)
        return;
    put_vector(w, name, ".weight", n->w, w->m->d_model);
    put_vector(w, name, ".bias", n->b, w->m->d_model);
}

static void put_attention(writing *w, reference_layer *y)
{
    const reference_model *m = w->m;
    const size_t q = m->qk_whole ? m->n_heads * m->head_dim : m->head_dim,
                 k = m->qk_whole ? m->n_kv_heads * m->head_dim : m->head_dim;

    if (is(m, " gpt2 gpt_neox bloom phi3 ")) {
        put_matrices(w, "attn_qkv", (reference_matrix *const[]){&y->q, &y->k, &y->v}, 3, false, false, false);
    } else {
        put_matrices(w, "attn_q", (reference_matrix *const[]){&y->q}, 1, false, true, false);
        put_matrices(w, "attn_k", (reference_matrix *const[]){&y->k}, 1, false, true, false);
        put_matrix(w, "attn_v", &y->v);
    }
    put_matrix(w, "attn_output", &y->o);
    put_vector(w, "attn_q_norm", ".weight", y->q_norm, q);
    put_vector(w, "attn_k_norm", ".weight", y->k_norm, k);
    put_vector(w, "attn_sinks", ".weight", y->sinks, m->n_heads);
}

static void put_experts(writing *w, reference_layer *y)
{
    static const char *const names[3] = {"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"};
    const size_t n = w->m->n_experts;
    reference_matrix **parts = calloc(n, sizeof(*parts));

    if (parts == NULL)
        abort();
    for (size_t k = 0; k < 3; k++) {
        for (size_t e = 0; e < n; e++)
            parts[e] = k == 0 ? &y->experts[e].gate : k == 1 ? &y->experts[e].up : &y->experts[e].down;
        put_matrices(w, names[k], parts, n, true, false, false);
    }
    free(parts);
    put_matrices(w, "ffn_gate_inp", (reference_matrix *const[]){&y->router}, 1, false, false, true);
    if (y->mlp.gate.w == NULL)
        return;
    put_matrix(w, "ffn_gate_shexp", &y->mlp.gate);
    put_matrix(w, "ffn_up_shexp", &y->mlp.up);
    put_matrix(w, "ffn_down_shexp", &y->mlp.down);
    put_matrices(w, "ffn_gate_inp_shexp", (reference_matrix *const[]){&y->shared_gate}, 1, false, false,
                 true);
}

static void put_layer(writing *w, reference_layer *y)
{
    put_norm(w, "attn_norm", &y->attn_norm);
    put_norm(w, "post_attention_norm", &y->attn_post);
    put_norm(w, is(w->m, " gpt_oss ") ? "post_attention_norm" : "ffn_norm", &y->ffn_norm);
    put_norm(w, "post_ffw_norm", &y->ffn_post);
    put_attention(w, y);
    if (y->sparse) {
        put_experts(w, y);
        return;
    }
    if (is(w->m, " phi3 ")) {
        put_matrices(w, "ffn_up", (reference_matrix *const[]){&y->mlp.gate, &y->mlp.up}, 2, false, false,
                     false);
    } else {
        put_matrix(w, y->mlp.up.w != NULL ? "ffn_gate" : "ffn_up", &y->mlp.gate);
        if (y->mlp.up.w != NULL)
            put_matrix(w, "ffn_up", &y->mlp.up);
    }
    put_matrix(w, "ffn_down", &y->mlp.down);
}

/* ---- keys ---- */

static const char *key_of(const writing *w, const char *name, char out[64])
{
    (void)snprintf(out, 64, "%s.%s", w->arch, name);
    return out;
}

static void put_count(writing *w, const char *name, size_t v)
{
    char key[64];

    test_model_set_u32(&w->file, key_of(w, name, key), (uint32_t)v);
}

static void put_real(writing *w, const char *name, double v)
{
    char key[64];

    test_model_set_f32(&w->file, key_of(w, name, key), (float)v);
}

static double real_at(const json_t *o, const char *key, double otherwise)
{
    const json_t *v = json_object_get(o, key);

    return json_is_number(v) ? json_number_value(v) : otherwise;
}

/* Divisors of the frequencies as a tensor. */
static void put_divisors(writing *w, const char *name, const json_t *list)
{
    const size_t n = w->m->n_rot / 2;
    double *x = calloc(n, sizeof(*x));

    if (x == NULL)
        abort();
    for (size_t i = 0; i < n; i++) {
        const double plain =
            1 / pow(real_at(w->config, "rope_theta", 1e4), (double)(2 * i) / (double)(2 * n));
        x[i] = list != NULL ? json_number_value(json_array_get(list, i)) : plain / w->m->freq[0][i];
    }
    put_vector(w, name, ".weight", x, n);
    free(x);
}

static void put_scaling(writing *w, const json_t *s)
{
    const char *type = json_string_value(json_object_get(s, "rope_type"));
    char key[64];

    if (json_object_get(s, "short_factor") != NULL) {
        put_divisors(w, "rope_factors_short", json_object_get(s, "short_factor"));
        put_divisors(w, "rope_factors_long", json_object_get(s, "long_factor"));
        put_real(w, "rope.scaling.attn_factor", w->m->rope_scale[0]);
        put_count(w, "rope.scaling.original_context_length", w->m->n_ctx);
    }
    if (type == NULL)
        return;
    if (strcmp(type, "llama3") == 0) {
        put_divisors(w, "rope_freqs", NULL);
        return;
    }
    test_model_set_str(&w->file, key_of(w, "rope.scaling.type", key), type);
    put_real(w, "rope.scaling.factor", real_at(s, "factor", 1));
    if (strcmp(type, "yarn") != 0)
        return;
    put_count(w, "rope.scaling.original_context_length",
              (size_t)real_at(s, "original_max_position_embeddings", 0));
    put_real(w, "rope.scaling.yarn_beta_fast", real_at(s, "beta_fast", 32));
    put_real(w, "rope.scaling.yarn_beta_slow", real_at(s, "beta_slow", 1));
}

static void put_rope(writing *w)
{
    const reference_model *m = w->m;

    if (m->n_rot == 0)
        return;
    put_count(w, "rope.dimension_count", m->n_rot);
    put_real(w, "rope.freq_base",
             real_at(w->config, "rope_theta", real_at(w->config, "rotary_emb_base", 1e4)));
    if (is(m, " gemma3_text "))
        put_real(w, "rope.freq_base_swa", real_at(w->config, "rope_local_base_freq", 1e4));
    put_scaling(w, json_object_get(w->config, "rope_scaling"));
}

static void put_sizes(writing *w)
{
    const reference_model *m = w->m;
    char key[64];

    test_model_set_str(&w->file, "general.architecture", w->arch);
    test_model_set_str(&w->file, "general.name", "random");
    put_count(w, "block_count", m->n_layers);
    put_count(w, "context_length", (size_t)real_at(w->config, "max_position_embeddings", (double)m->n_ctx));
    put_count(w, "embedding_length", m->d_model);
    put_count(w, "feed_forward_length", m->d_ff);
    put_count(w, "attention.head_count", m->n_heads);
    put_count(w, "attention.head_count_kv", m->n_kv_heads);
    if (m->head_dim * m->n_heads != m->d_model) {
        put_count(w, "attention.key_length", m->head_dim);
        put_count(w, "attention.value_length", m->head_dim);
    }
    put_real(w, m->layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", m->eps);
    if (m->n_experts > 0) {
        put_count(w, "expert_count", m->n_experts);
        put_count(w, "expert_used_count", m->n_used);
    }
    if (is(m, " qwen2_moe qwen3_moe gpt_oss "))
        put_count(w, "expert_feed_forward_length", m->d_expert);
    if (m->d_shared > 0)
        put_count(w, "expert_shared_feed_forward_length", m->d_shared);
    if (is(m, " olmoe qwen2_moe qwen3_moe "))
        test_model_set_bool(&w->file, key_of(w, "expert_weights_norm", key), m->route_renormed);
    if (is(m, " gpt_neox stablelm "))
        test_model_set_bool(&w->file, key_of(w, "use_parallel_residual", key), m->parallel);
}

static void put_numbers(writing *w)
{
    const reference_model *m = w->m;
    const json_t *window = json_object_get(w->config, "sliding_window");

    if (is(m, " gemma2 gemma3_text gpt_oss cohere2 phi3 exaone4 ") && json_is_integer(window))
        put_count(w, "attention.sliding_window", (size_t)json_integer_value(window));
    if (is(m, " gemma2 ")) {
        put_real(w, "attn_logit_softcapping", m->attn_cap);
        put_real(w, "final_logit_softcapping", m->logit_cap);
    }
    if (is(m, " granite ")) {
        put_real(w, "attention.scale", m->attn_scale);
        put_real(w, "embedding_scale", m->embed_scale);
        put_real(w, "residual_scale", m->residual_scale);
    }
    if (is(m, " granite cohere2 "))
        put_real(w, "logit_scale",
                 is(m, " granite ") ? real_at(w->config, "logits_scaling", 1) : m->logit_scale);
    if (m->clip > 0)
        put_real(w, "attention.clamp_kqv", m->clip);
}

void gguf_write(reference_model *m, const json_t *config, tempo_dtype type, const char *path)
{
    writing w = {.m = m, .config = config, .type = type, .layer = SIZE_MAX};

    if (!find_arch(&w))
        abort();
    put_sizes(&w);
    put_rope(&w);
    put_numbers(&w);
    put_matrix(&w, "token_embd", &m->embedding);
    if (m->positions != NULL) {
        reference_matrix table = {m->n_positions, m->d_model, m->positions, NULL};
        put_matrices(&w, "position_embd", (reference_matrix *const[]){&table}, 1, false, false, true);
    }
    put_norm(&w, "token_embd_norm", &m->embed_norm);
    put_norm(&w, "output_norm", &m->output_norm);
    if (m->output.w != m->embedding.w)
        put_matrix(&w, "output", &m->output);
    for (w.layer = 0; w.layer < m->n_layers; w.layer++)
        put_layer(&w, &m->layers[w.layer]);
    test_model_write_gguf(&w.file, 3, path);
    for (size_t i = 0; i < w.file.n_tensors; i++)
        free(w.file.tensors[i].data);
    for (size_t i = 0; i < w.file.n_kv; i++)
        free(w.file.kv[i].data);
    free(w.file.tensors);
    free(w.file.kv);
}
