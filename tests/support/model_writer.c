/* model_writer.c - synthetic models in memory: their tensors, metadata and config; see model_writer.h.
 * The files are written by model_writer_gguf.c and model_writer_hf.c.  */
#include "support/model_writer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/model_numbers.h"
#include "support/model_vocab.h"

enum { TEST_HIGH_FREQ_FACTOR = 4, TEST_LOW_FREQ_FACTOR = 1 };

test_spec test_spec_default(const char *arch)
{
    test_spec s = {.arch = arch,
                   .n_layers = 2,
                   .n_heads = 4,
                   .n_kv_heads = 2,
                   .head_dim = 8,
                   .d_model = 32,
                   .d_ff = 64,
                   .n_vocab = 288,
                   .n_ctx = 128,
                   .norm_eps = 1e-5,
                   .rope_theta = 10000.0,
                   .rope_factor = 8.0,
                   .vocab = TEST_VOCAB_BPE,
                   .seed = 1};

    s.qkv_bias = strcmp(arch, "qwen2") == 0;
    s.qk_norm = strcmp(arch, "qwen3") == 0;
    return s;
}

test_spec test_spec_of_type(const char *arch, tempo_dtype type)
{
    test_spec s = test_spec_default(arch);

    s.head_dim = 64;
    s.d_model = 256;
    s.d_ff = 512;
    for (int i = 0; i < TEST_VECTORS; i++)
        s.type[i] = type;
    return s;
}

static void *checked(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "test set-up: no memory\n");
        abort();
    }
    return p;
}

/* ---- tensors ---- */

test_tensor *test_model_add_typed(test_model *m, const char *name, tempo_dtype type, uint32_t n_dims,
                                  const uint64_t *dims)
{
    const tempo_dtype_info *info = tempo_dtype_get(type);
    size_t n = 1;

    m->tensors = checked(realloc(m->tensors, (m->n_tensors + 1) * sizeof(*m->tensors)));
    test_tensor *t = &m->tensors[m->n_tensors++];
    *t = (test_tensor){.type = type, .n_dims = n_dims};
    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    for (uint32_t i = 0; i < n_dims; i++)
        n *= t->dims[i] = dims[i];
    if (dims[n_dims - 1] % info->block_len != 0) {
        fprintf(stderr, "test set-up: %s: rows of %s must be multiples of %u\n", name, info->name,
                info->block_len);
        abort();
    }
    t->bytes = n / info->block_len * info->block_bytes;
    t->data = checked(malloc(t->bytes));
    return t;
}

test_tensor *test_model_add_tensor(test_model *m, const char *name, uint32_t n_dims, const uint64_t *dims,
                                   float value)
{
    test_tensor *t = test_model_add_typed(m, name, TEMPO_F32, n_dims, dims);

    for (size_t i = 0; i < t->bytes / 4; i++)
        test_put_float(t->data, TEMPO_F32, i, value);
    return t;
}

static test_tensor *add_matrix(test_model *m, uint64_t *state, test_matrix which, uint64_t rows,
                               uint64_t columns, double gain, const char *name)
{
    const uint64_t dims[2] = {rows, columns};
    test_tensor *t = test_model_add_typed(m, name, m->spec.type[which], 2, dims);

    tempo_random_fill(t->data, t->type, rows * columns, 0.0, gain / sqrt((double)columns), state);
    return t;
}

static test_tensor *add_vector(test_model *m, uint64_t *state, uint64_t n, double centre, const char *name)
{
    test_tensor *t = test_model_add_typed(m, name, m->spec.type[TEST_VECTORS], 1, &n);

    tempo_random_fill(t->data, t->type, n, centre, 0.2, state);
    return t;
}

static const char *layer_name(char *buf, size_t cap, uint32_t layer, const char *what)
{
    (void)snprintf(buf, cap, "blk.%u.%s", layer, what);
    return buf;
}

static void add_attention(test_model *m, uint64_t *state, uint32_t l)
{
    const test_spec *s = &m->spec;
    const uint64_t q = (uint64_t)s->n_heads * s->head_dim, kv = (uint64_t)s->n_kv_heads * s->head_dim;
    char b[96];
#define NAME(what) layer_name(b, sizeof(b), l, what)
    add_vector(m, state, s->d_model, 1.0, NAME("attn_norm.weight"));
    add_matrix(m, state, TEST_WQ, q, s->d_model, 1.5, NAME("attn_q.weight"))->rope_heads = s->n_heads;
    add_matrix(m, state, TEST_WK, kv, s->d_model, 1.5, NAME("attn_k.weight"))->rope_heads = s->n_kv_heads;
    add_matrix(m, state, TEST_WV, kv, s->d_model, 1.0, NAME("attn_v.weight"));
    add_matrix(m, state, TEST_WO, s->d_model, q, 0.7, NAME("attn_output.weight"));
    if (s->qkv_bias) {
        add_vector(m, state, q, 0.0, NAME("attn_q.bias"))->rope_heads = s->n_heads;
        add_vector(m, state, kv, 0.0, NAME("attn_k.bias"))->rope_heads = s->n_kv_heads;
        add_vector(m, state, kv, 0.0, NAME("attn_v.bias"));
    }
    if (s->o_bias)
        add_vector(m, state, s->d_model, 0.0, NAME("attn_output.bias"));
    if (s->qk_norm) {
        add_vector(m, state, s->head_dim, 1.0, NAME("attn_q_norm.weight"));
        add_vector(m, state, s->head_dim, 1.0, NAME("attn_k_norm.weight"));
    }
}

static void add_mlp(test_model *m, uint64_t *state, uint32_t l)
{
    const test_spec *s = &m->spec;
    char b[96];

    add_vector(m, state, s->d_model, 1.0, NAME("ffn_norm.weight"));
    add_matrix(m, state, TEST_GATE, s->d_ff, s->d_model, 1.0, NAME("ffn_gate.weight"));
    add_matrix(m, state, TEST_UP, s->d_ff, s->d_model, 1.0, NAME("ffn_up.weight"));
    add_matrix(m, state, TEST_DOWN, s->d_model, s->d_ff, 1.0, NAME("ffn_down.weight"));
    if (s->mlp_bias) {
        add_vector(m, state, s->d_ff, 0.0, NAME("ffn_gate.bias"));
        add_vector(m, state, s->d_ff, 0.0, NAME("ffn_up.bias"));
        add_vector(m, state, s->d_model, 0.0, NAME("ffn_down.bias"));
    }
#undef NAME
}

/* What a converter writes for llama3 scaling: float32 divisors of the frequencies. */
static void add_rope_factors(test_model *m)
{
    const test_spec *s = &m->spec;
    const double orig = s->n_ctx, pi = 3.14159265358979323846;
    const uint64_t half = s->head_dim / 2;
    test_tensor *t = test_model_add_tensor(m, "rope_freqs.weight", 1, &half, 1.0f);

    for (uint64_t i = 0; i < half; i++) {
        const double base = pow(s->rope_theta, -2.0 * (double)i / s->head_dim), wavelen = 2.0 * pi / base;
        double factor = 1.0;
        if (wavelen > orig / TEST_LOW_FREQ_FACTOR) {
            factor = s->rope_factor;
        } else if (wavelen >= orig / TEST_HIGH_FREQ_FACTOR) {
            const double smooth =
                (orig / wavelen - TEST_LOW_FREQ_FACTOR) / (TEST_HIGH_FREQ_FACTOR - TEST_LOW_FREQ_FACTOR);
            factor = 1.0 / ((1.0 - smooth) / s->rope_factor + smooth);
        }
        test_put_float(t->data, TEMPO_F32, i, (float)factor);
    }
}

static void add_tensors(test_model *m)
{
    const test_spec *s = &m->spec;
    uint64_t state = s->seed;

    add_matrix(m, &state, TEST_EMBEDDING, s->n_vocab, s->d_model, sqrt((double)s->d_model),
               "token_embd.weight");
    if (!s->tied)
        add_matrix(m, &state, TEST_OUTPUT, s->n_vocab, s->d_model, 2.5, "output.weight");
    add_vector(m, &state, s->d_model, 1.0, "output_norm.weight");
    for (uint32_t l = 0; l < s->n_layers; l++) {
        add_attention(m, &state, l);
        add_mlp(m, &state, l);
    }
    if (s->rope == TEST_ROPE_LLAMA3)
        add_rope_factors(m);
}

/* ---- metadata ---- */

static void set_key(test_model *m, const char *key, test_kv kv, const void *data)
{
    test_model_drop_key(m, key);
    m->kv = checked(realloc(m->kv, (m->n_kv + 1) * sizeof(*m->kv)));
    (void)snprintf(kv.key, sizeof(kv.key), "%s", key);
    kv.data = checked(malloc(kv.bytes + 1));
    if (kv.bytes > 0)
        memcpy(kv.data, data, kv.bytes);
    m->kv[m->n_kv++] = kv;
}

void test_model_set_u32(test_model *m, const char *key, uint32_t value)
{
    set_key(m, key, (test_kv){.type = TEMPO_GGUF_U32, .count = 1, .bytes = 4}, &value);
}

void test_model_set_f32(test_model *m, const char *key, float value)
{
    set_key(m, key, (test_kv){.type = TEMPO_GGUF_F32, .count = 1, .bytes = 4}, &value);
}

void test_model_set_bool(test_model *m, const char *key, bool value)
{
    const unsigned char byte = value;

    set_key(m, key, (test_kv){.type = TEMPO_GGUF_BOOL, .count = 1, .bytes = 1}, &byte);
}

void test_model_set_str(test_model *m, const char *key, const char *value)
{
    set_key(m, key, (test_kv){.type = TEMPO_GGUF_STRING, .count = 1, .bytes = strlen(value)}, value);
}

void test_model_set_array(test_model *m, const char *key, tempo_gguf_type elem, uint64_t count,
                          const void *data, size_t bytes)
{
    set_key(m, key, (test_kv){.type = TEMPO_GGUF_ARRAY, .elem = elem, .count = count, .bytes = bytes}, data);
}

void test_model_drop_key(test_model *m, const char *key)
{
    for (size_t i = 0; i < m->n_kv; i++) {
        if (strcmp(m->kv[i].key, key) != 0)
            continue;
        free(m->kv[i].data);
        m->kv[i] = m->kv[--m->n_kv];
        return;
    }
}

static const char *arch_key(char *buf, size_t cap, const test_model *m, const char *what)
{
    (void)snprintf(buf, cap, "%s.%s", m->spec.arch, what);
    return buf;
}

static void add_metadata(test_model *m)
{
    const test_spec *s = &m->spec;
    char b[64];
#define KEY(what) arch_key(b, sizeof(b), m, what)
    test_model_set_str(m, "general.architecture", s->arch);
    test_model_set_str(m, "general.name", "synthetic");
    test_model_set_u32(m, KEY("block_count"), s->n_layers);
    test_model_set_u32(m, KEY("context_length"), s->n_ctx);
    test_model_set_u32(m, KEY("embedding_length"), s->d_model);
    test_model_set_u32(m, KEY("feed_forward_length"), s->d_ff);
    test_model_set_u32(m, KEY("attention.head_count"), s->n_heads);
    test_model_set_u32(m, KEY("attention.head_count_kv"), s->n_kv_heads);
    test_model_set_u32(m, KEY("attention.key_length"), s->head_dim);
    test_model_set_u32(m, KEY("attention.value_length"), s->head_dim);
    test_model_set_f32(m, KEY("attention.layer_norm_rms_epsilon"), (float)s->norm_eps);
    test_model_set_f32(m, KEY("rope.freq_base"), (float)s->rope_theta);
    test_model_set_u32(m, KEY("vocab_size"), s->n_vocab);
    if (s->rope == TEST_ROPE_LINEAR) {
        test_model_set_str(m, KEY("rope.scaling.type"), "linear");
        test_model_set_f32(m, KEY("rope.scaling.factor"), (float)s->rope_factor);
    }
#undef KEY
}

/* ---- config.json ---- */

static json_t *rope_config(const test_spec *s)
{
    if (s->rope == TEST_ROPE_LINEAR)
        return checked(json_pack("{s:s, s:f}", "type", "linear", "factor", s->rope_factor));
    if (s->rope == TEST_ROPE_LLAMA3)
        return checked(json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor", s->rope_factor,
                                 "low_freq_factor", (double)TEST_LOW_FREQ_FACTOR, "high_freq_factor",
                                 (double)TEST_HIGH_FREQ_FACTOR, "original_max_position_embeddings",
                                 (int)s->n_ctx));
    return json_null();
}

static void make_config(test_model *m)
{
    const test_spec *s = &m->spec;
    const char *class = strcmp(s->arch, "qwen2") == 0   ? "Qwen2ForCausalLM"
                        : strcmp(s->arch, "qwen3") == 0 ? "Qwen3ForCausalLM"
                                                        : "LlamaForCausalLM";

    m->config = checked(json_pack(
        "{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:o, s:b, s:s}", "architectures",
        class, "model_type", s->arch, "hidden_size", (int)s->d_model, "num_hidden_layers", (int)s->n_layers,
        "num_attention_heads", (int)s->n_heads, "num_key_value_heads", (int)s->n_kv_heads, "head_dim",
        (int)s->head_dim, "intermediate_size", (int)s->d_ff, "max_position_embeddings", (int)s->n_ctx,
        "vocab_size", (int)s->n_vocab, "rms_norm_eps", s->norm_eps, "rope_theta", s->rope_theta,
        "rope_scaling", rope_config(s), "tie_word_embeddings", s->tied, "hidden_act", "silu"));
    if (s->o_bias)
        json_object_set_new(m->config, "attention_bias", json_true());
    if (s->mlp_bias)
        json_object_set_new(m->config, "mlp_bias", json_true());
}

/* ---- whole models ---- */

test_model *test_model_make(const test_spec *spec)
{
    test_model *m = checked(calloc(1, sizeof(*m)));

    m->spec = *spec;
    m->permute = strcmp(spec->arch, "llama") == 0;
    add_tensors(m);
    add_metadata(m);
    make_config(m);
    if (spec->vocab != TEST_VOCAB_NONE)
        test_vocab_add(m);
    return m;
}

void test_model_free(test_model *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->n_tensors; i++)
        free(m->tensors[i].data);
    for (size_t i = 0; i < m->n_kv; i++)
        free(m->kv[i].data);
    free(m->tensors);
    free(m->kv);
    json_decref(m->config);
    json_decref(m->generation);
    json_decref(m->tokenizer);
    json_decref(m->tokenizer_config);
    free(m);
}

test_tensor *test_model_tensor(const test_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (strcmp(m->tensors[i].name, name) == 0)
            return &m->tensors[i];
    }
    fprintf(stderr, "test set-up: no tensor %s\n", name);
    abort();
}

void test_model_drop_tensor(test_model *m, const char *name)
{
    test_model_tensor(m, name)->name[0] = '\0';
}

/* ---- from a GGUF ---- */

static void spec_from_gguf(test_spec *s, const tempo_gguf *g)
{
    uint64_t v = 0;
    static const struct {
        const char *key;
        size_t at;
    } fields[] = {
        {"llama.block_count", offsetof(test_spec, n_layers)},
        {"llama.context_length", offsetof(test_spec, n_ctx)},
        {"llama.embedding_length", offsetof(test_spec, d_model)},
        {"llama.feed_forward_length", offsetof(test_spec, d_ff)},
        {"llama.attention.head_count", offsetof(test_spec, n_heads)},
        {"llama.attention.head_count_kv", offsetof(test_spec, n_kv_heads)},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (tempo_gguf_u64(g, fields[i].key, UINT32_MAX, &v, NULL) != TEMPO_OK)
            abort();
        *(uint32_t *)(void *)((char *)s + fields[i].at) = (uint32_t)v;
    }
    s->head_dim = s->d_model / s->n_heads;
    s->rope_theta = 10000.0;
    if (tempo_gguf_f64(g, "llama.attention.layer_norm_rms_epsilon", &s->norm_eps, NULL) != TEMPO_OK)
        abort();
    if (tempo_gguf_f64(g, "llama.rope.freq_base", &s->rope_theta, NULL) != TEMPO_OK)
        s->rope_theta = 10000.0;
    const tempo_gguf_tensor *embd = tempo_gguf_find_tensor(g, "token_embd.weight");
    s->n_vocab = (uint32_t)embd->dims[1];
    s->tied = tempo_gguf_find_tensor(g, "output.weight") == NULL;
}

static void copy_tensor(test_model *m, const tempo_gguf *g, const tempo_gguf_tensor *from)
{
    uint64_t dims[4];
    char name[96];

    for (uint32_t i = 0; i < from->n_dims; i++)
        dims[i] = from->dims[from->n_dims - 1 - i];
    (void)snprintf(name, sizeof(name), "%.*s", (int)from->name.n, from->name.p);
    test_tensor *t = test_model_add_typed(m, name, from->type, from->n_dims, dims);
    memcpy(t->data, g->base + from->offset, t->bytes);
    if (strstr(name, "attn_q.") != NULL)
        t->rope_heads = m->spec.n_heads;
    if (strstr(name, "attn_k.") != NULL)
        t->rope_heads = m->spec.n_kv_heads;
    if (t->rope_heads != 0)
        test_unpermute(t);
}

test_model *test_model_from_gguf(const char *path)
{
    test_model *m = checked(calloc(1, sizeof(*m)));
    tempo_err err = {0};
    tempo_gguf g;

    if (tempo_gguf_open(&g, path, &err) != TEMPO_OK) {
        fprintf(stderr, "test set-up: %s\n", err.msg);
        abort();
    }
    m->spec.arch = "llama";
    m->permute = true;
    spec_from_gguf(&m->spec, &g);
    for (size_t i = 0; i < g.n_tensors; i++)
        copy_tensor(m, &g, &g.tensors[i]);
    add_metadata(m);
    make_config(m);
    tempo_gguf_free(&g);
    return m;
}
