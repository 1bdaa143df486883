/* synth.c - models with the shape of a published one, random weights and a made-up vocabulary, so that anyone
 * can measure without a download.
 *
 * Weights have the deviation 1/sqrt(columns), which keeps every stage's numbers near 1, the embedding (often
 * the output matrix too) 4/sqrt(columns), which makes logits about as wide as a trained model's.  Numbers
 * depend on shape, type and seed only. Sources: the config.json of each shape; llama.cpp's quantisation mix
 * of the name Q4_K_M. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/pool.h"
#include "io/gguf_write.h"
#include "model/files.h"
#include "model/random.h"
#include "token/alphabet.h"

TEMPO_OPTIONS(tempo_synth_options, .shape = "tiny", .type = "F32")

typedef struct shape {
    const char *name, *arch, *pre; /* pre: how text is split before merging */
    uint32_t n_layers, n_heads, n_kv_heads, head_dim, d_model, d_ff, n_vocab, n_ctx;
    double theta, eps;
    double rope_factor; /* of llama3 scaling from 8192 positions; 1 = none */
    bool tied, qk_norm;
} shape;

static const shape shapes[] = {
    {"llama-3.2-1b", "llama", "llama-bpe", 16, 32, 8, 64, 2048, 8192, 128256, 131072, 5e5, 1e-5, 32, true,
     false},
    {"llama-3.2-3b", "llama", "llama-bpe", 28, 24, 8, 128, 3072, 8192, 128256, 131072, 5e5, 1e-5, 32, true,
     false},
    {"llama-3.1-8b", "llama", "llama-bpe", 32, 32, 8, 128, 4096, 14336, 128256, 131072, 5e5, 1e-5, 8, false,
     false},
    {"qwen3-0.6b", "qwen3", "qwen2", 28, 16, 8, 128, 1024, 3072, 151936, 40960, 1e6, 1e-6, 1, true, true},
    {"tiny", "llama", "llama-bpe", 2, 4, 2, 64, 256, 512, 1024, 4096, 1e4, 1e-5, 1, true, false},
};
enum { SHAPES = sizeof(shapes) / sizeof(*shapes) };

typedef struct tensor {
    char name[40];
    tempo_dtype type;
    uint64_t rows, columns; /* rows = 0: a vector */
    double centre, scale;
    const float *values; /* instead of random ones; F32 */
} tensor;

typedef struct synth {
    const tempo_synth_options *opt;
    const shape *s;
    tempo_dtype type; /* of matrices */
    bool mix;         /* Q4_K_M */
    tensor *tensors;  /* [n] */
    size_t n;
    float *factors; /* [head_dim / 2] of RoPE */
    uint64_t done, total;
    tempo_gguf_writer w;
    tempo_outfile *f;
    tempo_pool *pool;
    unsigned char *buffer;
    tempo_err *err;
} synth;

/* ---- what the options mean ---- */

static tempo_status choose(synth *y)
{
    const char *shape_name = y->opt->shape != NULL ? y->opt->shape : tempo_synth_options_defaults.shape,
               *type = y->opt->type != NULL ? y->opt->type : tempo_synth_options_defaults.type;
    char names[128] = "";

    for (size_t i = 0, at = 0; i < SHAPES; i++) {
        if (strcmp(shapes[i].name, shape_name) == 0)
            y->s = &shapes[i];
        at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i > 0 ? ", " : "", shapes[i].name);
    }
    if (y->s == NULL)
        return tempo_fail_field(y->err, TEMPO_E_ARG, "shape", "no shape \"%.32s\", expected one of %s",
                                shape_name, names);
    y->mix = strcmp(type, "Q4_K_M") == 0;
    y->type = y->mix ? TEMPO_Q4_K : tempo_dtype_from_name(type, strlen(type));
    if (y->type == TEMPO_DTYPE_COUNT || (tempo_dtype_get(y->type)->block_len == 1 && y->type > TEMPO_BF16))
        return tempo_fail_field(y->err, TEMPO_E_ARG, "type",
                                "no type \"%.32s\", expected an element type such as BF16 or Q8_0, or Q4_K_M",
                                type);
    return TEMPO_OK;
}

/* ---- tensors ---- */

static tensor *add(synth *y, const char *name, uint32_t layer, tempo_dtype type, uint64_t rows,
                   uint64_t columns)
{
    tensor *t = &y->tensors[y->n++];

    if (layer == UINT32_MAX)
        (void)snprintf(t->name, sizeof(t->name), "%s.weight", name);
    else
        (void)snprintf(t->name, sizeof(t->name), "blk.%u.%s.weight", layer, name);
    t->type = type;
    t->rows = rows;
    t->columns = columns;
    t->scale = 1.0 / sqrt((double)columns);
    return t;
}

static void add_norm(synth *y, const char *name, uint32_t layer, uint64_t n)
{
    tensor *t = add(y, name, layer, TEMPO_F32, 0, n);

    t->centre = 1.0;
    t->scale = 0.1;
}

/* Layers that the mix gives more bits to: the first and last eighth, and every third between. */
static bool more_bits(uint32_t layer, uint32_t n)
{
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

static void add_layer(synth *y, uint32_t l)
{
    const shape *s = y->s;
    const tempo_dtype t = y->type, wide = y->mix && more_bits(l, s->n_layers) ? TEMPO_Q6_K : t;
    const uint64_t d = s->d_model, n_q = (uint64_t)s->n_heads * s->head_dim,
                   n_kv = (uint64_t)s->n_kv_heads * s->head_dim;

    add_norm(y, "attn_norm", l, d);
    add(y, "attn_q", l, t, n_q, d);
    add(y, "attn_k", l, t, n_kv, d);
    add(y, "attn_v", l, wide, n_kv, d);
    add(y, "attn_output", l, t, d, n_q);
    if (s->qk_norm) {
        add_norm(y, "attn_q_norm", l, s->head_dim);
        add_norm(y, "attn_k_norm", l, s->head_dim);
    }
    add_norm(y, "ffn_norm", l, d);
    add(y, "ffn_gate", l, t, s->d_ff, d);
    add(y, "ffn_up", l, t, s->d_ff, d);
    add(y, "ffn_down", l, wide, d, s->d_ff);
}

static void add_output(synth *y, const char *name, tempo_dtype type)
{
    tensor *t = add(y, name, UINT32_MAX, type, y->s->n_vocab, y->s->d_model);

    t->scale *= 4.0;
}

static void add_factors(synth *y)
{
    const tempo_rope rope = {.theta = y->s->theta,
                             .kind = TEMPO_ROPE_LLAMA3,
                             .factor = y->s->rope_factor,
                             .low = 1.0,
                             .high = 4.0,
                             .context = 8192.0};

    tempo_rope_llama3(y->factors, y->s->head_dim, &rope);
    add(y, "rope_freqs", UINT32_MAX, TEMPO_F32, 0, y->s->head_dim / 2)->values = y->factors;
}

static tempo_status add_tensors(synth *y)
{
    y->tensors = calloc(11 * (size_t)y->s->n_layers + 4, sizeof(*y->tensors));
    y->factors = malloc(y->s->head_dim / 2 * sizeof(float));
    if (y->tensors == NULL || y->factors == NULL)
        return tempo_fail(y->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a model's tensors");
    add_output(y, "token_embd", y->mix && y->s->tied ? TEMPO_Q6_K : y->type);
    if (y->s->rope_factor != 1.0)
        add_factors(y);
    for (uint32_t l = 0; l < y->s->n_layers; l++)
        add_layer(y, l);
    add_norm(y, "output_norm", UINT32_MAX, y->s->d_model);
    if (!y->s->tied)
        add_output(y, "output", y->mix ? TEMPO_Q6_K : y->type);
    for (size_t i = 0; i < y->n; i++) {
        const tensor *t = &y->tensors[i];
        y->total += tempo_gguf_put_tensor(&y->w, t->name, t->type, t->rows != 0 ? 2 : 1,
                                          (uint64_t[]){t->columns, t->rows});
    }
    return TEMPO_OK;
}

/* ---- metadata ---- */

enum { KEY_LEN = 64 };

static const char *full_key(char key[KEY_LEN], const synth *y, const char *what)
{
    (void)snprintf(key, KEY_LEN, "%s.%s", y->s->arch, what);
    return key;
}

static void put_count(synth *y, const char *what, uint32_t v)
{
    char key[KEY_LEN];

    tempo_gguf_put_u32(&y->w, full_key(key, y, what), v);
}

static void put_real(synth *y, const char *what, double v)
{
    char key[KEY_LEN];

    tempo_gguf_put_f32(&y->w, full_key(key, y, what), (float)v);
}

static void put_facts(synth *y)
{
    const shape *s = y->s;
    char name[64];

    (void)snprintf(name, sizeof(name), "synthetic %s %s", s->name, y->opt->type);
    tempo_gguf_put_str(&y->w, "general.architecture", s->arch);
    tempo_gguf_put_str(&y->w, "general.name", name);
    tempo_gguf_put_u32(&y->w, "general.quantization_version", 2);
    put_count(y, "block_count", s->n_layers);
    put_count(y, "context_length", s->n_ctx);
    put_count(y, "embedding_length", s->d_model);
    put_count(y, "feed_forward_length", s->d_ff);
    put_count(y, "vocab_size", s->n_vocab);
    put_count(y, "attention.head_count", s->n_heads);
    put_count(y, "attention.head_count_kv", s->n_kv_heads);
    put_count(y, "attention.key_length", s->head_dim);
    put_count(y, "attention.value_length", s->head_dim);
    put_count(y, "rope.dimension_count", s->head_dim);
    put_real(y, "attention.layer_norm_rms_epsilon", s->eps);
    put_real(y, "rope.freq_base", s->theta);
}

/* The vocabulary: the 256 bytes, the words of two letters, words of four as pairs of those until it is full,
 * then two control tokens that begin and end a text. */
enum { BYTES = 256, LETTERS = 26, PAIRS = LETTERS * LETTERS, WORD_CAP = 8 };
enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3 };

/* Word i of the words, at most four letters: two, or two words of two. */
static size_t word(char *out, uint32_t i)
{
    if (i < PAIRS) {
        out[0] = (char)('a' + i / LETTERS);
        out[1] = (char)('a' + i % LETTERS);
        return 2;
    }
    (void)word(out, (i - PAIRS) / PAIRS);
    (void)word(out + 2, (i - PAIRS) % PAIRS);
    return 4;
}

static void put_tokens(synth *y, uint32_t n_words)
{
    char piece[WORD_CAP];

    tempo_gguf_put_array(&y->w, "tokenizer.ggml.tokens", TEMPO_GGUF_STRING, y->s->n_vocab);
    for (uint32_t i = 0; i < BYTES; i++) {
        const char byte = (char)i;
        const size_t n = tempo_alphabet_spell(piece, &byte, 1);
        tempo_gguf_put_element(&y->w, piece, n);
    }
    for (uint32_t i = 0; i < n_words; i++) {
        const size_t n = word(piece, i);
        tempo_gguf_put_element(&y->w, piece, n);
    }
    tempo_gguf_put_element(&y->w, "<|begin|>", 9);
    tempo_gguf_put_element(&y->w, "<|end|>", 7);
}

static void put_vocabulary(synth *y)
{
    const uint32_t n = y->s->n_vocab, n_words = n - BYTES - 2;
    char piece[WORD_CAP + 1];

    tempo_gguf_put_str(&y->w, "tokenizer.ggml.model", "gpt2");
    tempo_gguf_put_str(&y->w, "tokenizer.ggml.pre", y->s->pre);
    put_tokens(y, n_words);
    tempo_gguf_put_array(&y->w, "tokenizer.ggml.token_type", TEMPO_GGUF_I32, n);
    for (uint32_t i = 0; i < n; i++)
        tempo_gguf_put_int(&y->w, i < n - 2 ? TYPE_NORMAL : TYPE_CONTROL);
    tempo_gguf_put_array(&y->w, "tokenizer.ggml.merges", TEMPO_GGUF_STRING, n_words);
    for (uint32_t i = 0; i < n_words; i++) {
        const size_t len = word(piece, i);
        memmove(piece + len / 2 + 1, piece + len / 2, len / 2);
        piece[len / 2] = ' ';
        tempo_gguf_put_element(&y->w, piece, len + 1);
    }
    tempo_gguf_put_u32(&y->w, "tokenizer.ggml.bos_token_id", n - 2);
    tempo_gguf_put_u32(&y->w, "tokenizer.ggml.eos_token_id", n - 1);
    tempo_gguf_put_bool(&y->w, "tokenizer.ggml.add_bos_token", true);
}

/* ---- data ---- */

enum {
    TASK_ELEMENTS = 1 << 16, /* a multiple of every block */
    CHUNK_TASKS = 64,
    MAX_ELEMENT_BYTES = 4,
};

typedef struct fill_job {
    const tensor *t;
    unsigned char *to;
    uint64_t elements; /* of the chunk */
    uint64_t stream;   /* of its first task */
} fill_job;

static void fill(void *arg, size_t task, unsigned worker)
{
    const fill_job *job = arg;
    const tempo_dtype_info *info = tempo_dtype_get(job->t->type);
    const uint64_t first = (uint64_t)task * TASK_ELEMENTS, left = job->elements - first;
    uint64_t state = job->stream + task;

    (void)worker;
    state = tempo_random(&state); /* streams begin far apart */
    tempo_random_fill(job->to + first / info->block_len * info->block_bytes, job->t->type,
                      (size_t)(left < TASK_ELEMENTS ? left : TASK_ELEMENTS), job->t->centre, job->t->scale,
                      &state);
}

static tempo_status write_some(synth *y, const void *p, size_t n)
{
    const tempo_status st = tempo_gguf_data(&y->w, y->f, p, n, y->err);

    y->done += n;
    if (st == TEMPO_OK && y->opt->progress != NULL && !y->opt->progress(y->opt->user, y->done, y->total))
        return tempo_fail(y->err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped");
    return st;
}

static tempo_status write_tensor(synth *y, const tensor *t, size_t index)
{
    const tempo_dtype_info *info = tempo_dtype_get(t->type);
    const uint64_t total = t->columns * (t->rows != 0 ? t->rows : 1);
    tempo_status st = TEMPO_OK;

    if (t->values != NULL)
        return write_some(y, t->values, (size_t)total * sizeof(float));
    for (uint64_t at = 0; at < total && st == TEMPO_OK;) {
        const uint64_t most = (uint64_t)TASK_ELEMENTS * CHUNK_TASKS,
                       n = total - at < most ? total - at : most;
        fill_job job = {t, y->buffer, n, y->opt->seed + ((uint64_t)index << 40) + at / TASK_ELEMENTS};
        tempo_pool_run(y->pool, (size_t)((n + TASK_ELEMENTS - 1) / TASK_ELEMENTS), fill, &job);
        st = write_some(y, y->buffer, (size_t)(n / info->block_len * info->block_bytes));
        at += n;
    }
    return st;
}

static tempo_status write_file(synth *y, const char *path)
{
    tempo_status st = tempo_outfile_create(&y->f, path, y->err);

    if (st != TEMPO_OK)
        return st;
    st = tempo_gguf_begin(&y->w, y->f, y->err);
    for (size_t i = 0; i < y->n && st == TEMPO_OK; i++)
        st = write_tensor(y, &y->tensors[i], i);
    if (st == TEMPO_OK)
        return tempo_outfile_commit(y->f, y->err);
    tempo_outfile_abort(y->f);
    return st;
}

static tempo_status make(synth *y, const char *path)
{
    tempo_status st = choose(y);

    if (st != TEMPO_OK || (st = add_tensors(y)) != TEMPO_OK)
        return st;
    put_facts(y);
    put_vocabulary(y);
    if ((y->buffer = malloc((size_t)TASK_ELEMENTS * CHUNK_TASKS * MAX_ELEMENT_BYTES)) == NULL)
        return tempo_fail(y->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for random weights");
    if ((st = tempo_pool_create(&y->pool, tempo_cpus_allowed(), y->err)) != TEMPO_OK)
        return st;
    return write_file(y, path);
}

tempo_status tempo_synth(const char *path, const tempo_synth_options *o, tempo_err *err)
{
    tempo_synth_options complete;
    synth y = {.opt = &complete, .err = err};
    tempo_status st = tempo_options_take(&tempo_synth_options_kind, &complete, o, err);

    if (st == TEMPO_OK)
        st = make(&y, path);
    tempo_pool_free(y.pool);
    tempo_gguf_writer_free(&y.w);
    free(y.buffer);
    free(y.factors);
    free(y.tensors);
    return st;
}
