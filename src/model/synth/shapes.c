/* shapes.c - sizes of published models.  Sources: the config.json of each.
 *
 * qwen3-30b-a3b-12l is cut to 12 of its 48 layers: 7.9 billion parameters, of which a row uses a tenth. */
#include <stdio.h>
#include <string.h>

#include "model/synth/synth.h"

#define SIZES(layers, heads, kv_heads, dim, model, ff, vocab, ctx, eps)                                      \
    .hp = {layers, heads, kv_heads, dim, model, ff, vocab, ctx, eps, false}
#define COUNT(key, n)                                                                                        \
    {                                                                                                        \
        key, TEMPO_SHAPE_COUNT, n                                                                            \
    }
#define REAL(key, x)                                                                                         \
    {                                                                                                        \
        key, TEMPO_SHAPE_REAL, x                                                                             \
    }
#define FLAG(key, x)                                                                                         \
    {                                                                                                        \
        key, TEMPO_SHAPE_FLAG, x                                                                             \
    }

static const tempo_shape shapes[] = {
    {"llama-3.2-1b", "llama", "llama-bpe", SIZES(16, 32, 8, 64, 2048, 8192, 128256, 131072, 1e-5f),
     .theta = 5e5, .rope_factor = 32, .tied = true},
    {"llama-3.2-3b", "llama", "llama-bpe", SIZES(28, 24, 8, 128, 3072, 8192, 128256, 131072, 1e-5f),
     .theta = 5e5, .rope_factor = 32, .tied = true},
    {"llama-3.1-8b", "llama", "llama-bpe", SIZES(32, 32, 8, 128, 4096, 14336, 128256, 131072, 1e-5f),
     .theta = 5e5, .rope_factor = 8},
    {"qwen3-0.6b", "qwen3", "qwen2", SIZES(28, 16, 8, 128, 1024, 3072, 151936, 40960, 1e-6f), .theta = 1e6,
     .tied = true},
    {"qwen3-30b-a3b-12l", "qwen3moe", "qwen2", SIZES(12, 32, 4, 128, 2048, 6144, 151936, 40960, 1e-6f),
     .theta = 1e6,
     .more = {COUNT("expert_count", 128), COUNT("expert_used_count", 8),
              COUNT("expert_feed_forward_length", 768)}},
    {"gemma-3-1b", "gemma3", "gpt-2", SIZES(26, 4, 1, 256, 1152, 6912, 262144, 32768, 1e-6f), .theta = 1e6,
     .tied = true, .more = {COUNT("attention.sliding_window", 512)}},
    {"gpt2", "gpt2", "gpt-2", SIZES(12, 12, 12, 64, 768, 3072, 50257, 1024, 1e-5f), .tied = true},
    {"gpt2-xl", "gpt2", "gpt-2", SIZES(48, 25, 25, 64, 1600, 6400, 50257, 1024, 1e-5f), .tied = true},
    {"pythia-160m", "gptneox", "gpt-2", SIZES(12, 12, 12, 64, 768, 3072, 50304, 2048, 1e-5f), .theta = 1e4,
     .n_rot = 16, .more = {FLAG("use_parallel_residual", 1)}},
    {"pythia-1.4b", "gptneox", "gpt-2", SIZES(24, 16, 16, 128, 2048, 8192, 50304, 2048, 1e-5f), .theta = 1e4,
     .n_rot = 32, .more = {FLAG("use_parallel_residual", 1)}},
    {"pythia-2.8b", "gptneox", "gpt-2", SIZES(32, 32, 32, 80, 2560, 10240, 50304, 2048, 1e-5f), .theta = 1e4,
     .n_rot = 20, .more = {FLAG("use_parallel_residual", 1)}},
    {"tiny", "llama", "llama-bpe", SIZES(2, 4, 2, 64, 256, 512, 1024, 4096, 1e-5f), .theta = 1e4,
     .tied = true},
};
enum { SHAPES = sizeof(shapes) / sizeof(*shapes) };

const tempo_shape *tempo_shape_find(const char *name)
{
    for (size_t i = 0; i < SHAPES; i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}

void tempo_shape_names(char *out, size_t cap)
{
    for (size_t i = 0, at = 0; i < SHAPES && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%s", i > 0 ? ", " : "", shapes[i].name);
}

/* ---- keys ---- */

enum { KEY_LEN = 96 };

static const char *full_key(char key[KEY_LEN], const tempo_shape *s, const char *what)
{
    (void)snprintf(key, KEY_LEN, "%s.%s", s->arch, what);
    return key;
}

static void put_count(tempo_gguf_writer *w, const tempo_shape *s, const char *what, uint32_t v)
{
    tempo_gguf_put_u32(w, full_key((char[KEY_LEN]){""}, s, what), v);
}

static void put_real(tempo_gguf_writer *w, const tempo_shape *s, const char *what, double v)
{
    tempo_gguf_put_f32(w, full_key((char[KEY_LEN]){""}, s, what), (float)v);
}

static void put_more(tempo_gguf_writer *w, const tempo_shape *s, const tempo_shape_key *k)
{
    if (k->kind == TEMPO_SHAPE_COUNT)
        put_count(w, s, k->what, (uint32_t)k->value);
    else if (k->kind == TEMPO_SHAPE_REAL)
        put_real(w, s, k->what, k->value);
    else
        tempo_gguf_put_bool(w, full_key((char[KEY_LEN]){""}, s, k->what), k->value != 0);
}

void tempo_shape_put(const tempo_shape *s, tempo_gguf_writer *w)
{
    const tempo_arch *arch = tempo_arch_of_gguf(s->arch);

    tempo_gguf_put_str(w, "general.architecture", s->arch);
    for (size_t i = 0; i < tempo_n_size_keys; i++) {
        const tempo_size_key *k = &tempo_size_keys[i];
        put_count(w, s, k->gguf, *(const uint32_t *)(const void *)((const char *)&s->hp + k->field));
    }
    put_count(w, s, "attention.value_length", s->hp.head_dim);
    put_real(w, s,
             arch->norm == TEMPO_NORM_RMS ? "attention.layer_norm_rms_epsilon"
                                          : "attention.layer_norm_epsilon",
             (double)s->hp.norm_eps);
    if (!arch->no_rope) {
        put_count(w, s, "rope.dimension_count", s->n_rot != 0 ? s->n_rot : s->hp.head_dim);
        put_real(w, s, "rope.freq_base", s->theta);
    }
    for (size_t i = 0; i < TEMPO_SHAPE_KEYS && s->more[i].what != NULL; i++)
        put_more(w, s, &s->more[i]);
}
