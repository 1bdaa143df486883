/* mix.c - which element type each tensor gets.
 *
 * A name is that of a type, or of a mix: a type for most matrices and more bits for those whose errors cost
 * most.  Vectors, norms, routers and positions keep floats.  Where a row is not whole blocks of the type, one
 * of smaller blocks takes its place. Source: the mixes are those of llama.cpp's quantiser without an
 * importance matrix.  */
#include <stdio.h>
#include <string.h>

#include "convert/convert.h"

typedef enum mix_size { MIX_PURE, MIX_S, MIX_M, MIX_L } mix_size;

struct tempo_mix {
    const char *name;
    tempo_dtype type;
    mix_size size;
    uint32_t file_type;
};

static const struct tempo_mix mixes[] = {
    {"F32", TEMPO_F32, MIX_PURE, 0},      {"F16", TEMPO_F16, MIX_PURE, 1},
    {"BF16", TEMPO_BF16, MIX_PURE, 32},   {"Q8_0", TEMPO_Q8_0, MIX_PURE, 7},
    {"Q4_0", TEMPO_Q4_0, MIX_PURE, 2},    {"Q4_1", TEMPO_Q4_1, MIX_PURE, 3},
    {"Q5_0", TEMPO_Q5_0, MIX_PURE, 8},    {"Q5_1", TEMPO_Q5_1, MIX_PURE, 9},
    {"Q2_K", TEMPO_Q2_K, MIX_M, 10},      {"Q3_K_S", TEMPO_Q3_K, MIX_S, 11},
    {"Q3_K_M", TEMPO_Q3_K, MIX_M, 12},    {"Q3_K_L", TEMPO_Q3_K, MIX_L, 13},
    {"Q4_K_S", TEMPO_Q4_K, MIX_S, 14},    {"Q4_K_M", TEMPO_Q4_K, MIX_M, 15},
    {"Q5_K_S", TEMPO_Q5_K, MIX_S, 16},    {"Q5_K_M", TEMPO_Q5_K, MIX_M, 17},
    {"Q6_K", TEMPO_Q6_K, MIX_M, 18},      {"Q3_K", TEMPO_Q3_K, MIX_M, 12},
    {"Q4_K", TEMPO_Q4_K, MIX_M, 15},      {"Q5_K", TEMPO_Q5_K, MIX_M, 17},
    {"TQ1_0", TEMPO_TQ1_0, MIX_PURE, 36}, {"TQ2_0", TEMPO_TQ2_0, MIX_PURE, 37},
    {"MXFP4", TEMPO_MXFP4, MIX_PURE, 38},
};
enum { MIXES = sizeof(mixes) / sizeof(mixes[0]) };

tempo_status tempo_mix_find(const char *type, const struct tempo_mix **out, tempo_err *err)
{
    char names[256] = "";

    for (size_t i = 0, at = 0; i < MIXES; i++) {
        if (strcmp(mixes[i].name, type) == 0) {
            *out = &mixes[i];
            return TEMPO_OK;
        }
        at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i > 0 ? ", " : "", mixes[i].name);
    }
    return tempo_fail_field(err, TEMPO_E_ARG, "type", "no type \"%.32s\" to convert to, expected one of %s",
                            type, names);
}

uint32_t tempo_mix_file_type(const struct tempo_mix *mix)
{
    return mix->file_type;
}

/* ---- what is asked for ---- */

static bool is_base(const tempo_target *t, const char *name)
{
    const size_t n = strlen(name);

    return strncmp(t->base, name, n) == 0 && (t->base[n] == '\0' || t->base[n] == '.');
}

/* Matrices that products read; the rest is small, and stays as it is. */
static bool is_matrix(const tempo_target *t)
{
    return t->weight && t->n_dims >= 2 && strstr(t->name, "_norm.") == NULL && !is_base(t, "ffn_gate_inp") &&
           !is_base(t, "position_embd") && !is_base(t, "token_types") &&
           strstr(t->name, "ssm_conv1d") == NULL;
}

/* Layers that get more bits: the first and last eighth, and every third between. */
static bool more_bits(uint32_t layer, uint32_t n)
{
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

static tempo_dtype for_values(const struct tempo_mix *m, uint32_t layer, uint32_t n, uint32_t sharing)
{
    switch (m->type) {
    case TEMPO_Q2_K:
        return sharing >= 4 ? TEMPO_Q4_K : TEMPO_Q3_K;
    case TEMPO_Q3_K:
        return m->size == MIX_L   ? TEMPO_Q5_K
               : m->size == MIX_S ? TEMPO_Q3_K
               : layer < 2        ? TEMPO_Q5_K
                                  : TEMPO_Q4_K;
    case TEMPO_Q4_K:
        if (m->size == MIX_S)
            return layer < 4 ? TEMPO_Q5_K : TEMPO_Q4_K;
        return more_bits(layer, n) ? TEMPO_Q6_K : TEMPO_Q4_K;
    case TEMPO_Q5_K:
        return m->size == MIX_M && more_bits(layer, n) ? TEMPO_Q6_K : TEMPO_Q5_K;
    default:
        return m->type;
    }
}

static tempo_dtype for_down(const struct tempo_mix *m, uint32_t layer, uint32_t n)
{
    switch (m->type) {
    case TEMPO_Q2_K:
        return TEMPO_Q3_K;
    case TEMPO_Q3_K:
        return m->size == MIX_L   ? TEMPO_Q5_K
               : m->size == MIX_S ? TEMPO_Q3_K
               : layer < n / 16   ? TEMPO_Q5_K
                                  : TEMPO_Q4_K;
    case TEMPO_Q4_K:
        if (m->size == MIX_S)
            return layer < n / 8 ? TEMPO_Q5_K : TEMPO_Q4_K;
        return more_bits(layer, n) ? TEMPO_Q6_K : TEMPO_Q4_K;
    case TEMPO_Q5_K:
        return m->size == MIX_M && more_bits(layer, n) ? TEMPO_Q6_K : TEMPO_Q5_K;
    default:
        return m->type;
    }
}

static tempo_dtype for_attention_output(const struct tempo_mix *m, bool eight_experts)
{
    if (eight_experts)
        return m->type == TEMPO_Q2_K || m->type == TEMPO_Q3_K || (m->type == TEMPO_Q4_K) ? TEMPO_Q5_K
                                                                                         : m->type;
    if (m->type == TEMPO_Q2_K)
        return TEMPO_Q3_K;
    if (m->type == TEMPO_Q3_K && m->size != MIX_S)
        return m->size == MIX_L ? TEMPO_Q5_K : TEMPO_Q4_K;
    return m->type;
}

static tempo_dtype for_fused(const struct tempo_mix *m)
{
    if (m->type == TEMPO_Q3_K && m->size != MIX_S)
        return TEMPO_Q4_K;
    if (m->size != MIX_M)
        return m->type;
    return m->type == TEMPO_Q4_K ? TEMPO_Q5_K : m->type == TEMPO_Q5_K ? TEMPO_Q6_K : m->type;
}

/* The output matrix, or the embedding where it serves as one. */
static tempo_dtype for_output(const struct tempo_mix *m, const tempo_target *t)
{
    if (m->type == TEMPO_MXFP4 || t->columns % tempo_dtype_get(m->type)->block_len != 0)
        return TEMPO_Q8_0;
    return m->type == TEMPO_Q8_0 ? TEMPO_Q8_0 : TEMPO_Q6_K;
}

static tempo_dtype chosen(const tempo_conversion *c, const tempo_target *t, bool tied)
{
    const struct tempo_mix *m = c->mix;
    const tempo_facts *f = &c->ld.facts;
    const uint32_t n = f->hp.n_layers, layer = t->layer != TEMPO_NO_LAYER ? t->layer : 0;
    const uint32_t sharing = f->hp.n_kv_heads > 0 ? f->hp.n_heads / f->hp.n_kv_heads : 1;
    const bool eight = f->recipe.n_experts == 8, embedding = is_base(t, "token_embd");

    if (tempo_dtype_get(m->type)->block_len == 1)
        return m->type;
    if (is_base(t, "output") || (embedding && tied))
        return for_output(m, t);
    if (m->type == TEMPO_MXFP4)
        return t->n_dims == 3 ? TEMPO_MXFP4 : TEMPO_Q8_0;
    if (embedding && (m->type == TEMPO_TQ1_0 || m->type == TEMPO_TQ2_0))
        return TEMPO_Q4_K;
    if (is_base(t, "attn_v"))
        return eight ? TEMPO_Q8_0 : for_values(m, layer, n, sharing);
    if (is_base(t, "attn_k"))
        return eight ? TEMPO_Q8_0 : m->type;
    if (strncmp(t->base, "ffn_down", 8) == 0)
        return for_down(m, layer, n);
    if (is_base(t, "attn_output"))
        return for_attention_output(m, eight);
    return is_base(t, "attn_qkv") ? for_fused(m) : m->type;
}

/* ---- what the shape allows ---- */

static tempo_dtype allowed(tempo_dtype type, uint64_t columns)
{
    if (columns % tempo_dtype_get(type)->block_len == 0)
        return type;
    switch (type) {
    case TEMPO_Q2_K:
    case TEMPO_Q3_K:
    case TEMPO_TQ1_0:
    case TEMPO_TQ2_0:
        type = TEMPO_Q4_0;
        break;
    case TEMPO_Q4_K:
        type = TEMPO_Q5_0;
        break;
    case TEMPO_Q5_K:
        type = TEMPO_Q5_1;
        break;
    case TEMPO_Q6_K:
        type = TEMPO_Q8_0;
        break;
    default:
        return TEMPO_F16;
    }
    return columns % 32 == 0 ? type : TEMPO_F16;
}

static bool is_float(tempo_dtype type)
{
    return type == TEMPO_F32 || type == TEMPO_F16 || type == TEMPO_BF16 || type == TEMPO_F64 ||
           type == TEMPO_F8_E4M3 || type == TEMPO_F8_E5M2;
}

static bool is_blocks(tempo_dtype type)
{
    return tempo_dtype_get(type)->block_len > 1;
}

/* A GGUF's small tensors keep their type; a directory's are floats in the end. */
static tempo_dtype kept(const tempo_conversion *c, const tempo_target *t)
{
    const bool gguf = c->ld.f->is_gguf;

    if (gguf && !is_float(t->from) && !is_blocks(t->from))
        return t->from; /* integers */
    return gguf && c->mix->type != TEMPO_F32 ? t->from : TEMPO_F32;
}

static tempo_status check_requantising(const tempo_conversion *c, const tempo_target *t)
{
    if (!is_blocks(t->from) || t->type == t->from || !is_blocks(t->type) || c->opt->allow_requantize)
        return TEMPO_OK;
    return tempo_fail(c->err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                      "%s is %s already: quantising it again to %s adds a second error to the first "
                      "(--allow-requantize does it all the same)",
                      t->name, tempo_dtype_get(t->from)->name, tempo_dtype_get(t->type)->name);
}

tempo_status tempo_mix_apply(tempo_conversion *c)
{
    bool tied = true;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < c->n; i++)
        tied = tied && strcmp(c->targets[i].name, "output.weight") != 0;
    for (size_t i = 0; i < c->n && st == TEMPO_OK; i++) {
        tempo_target *t = &c->targets[i];
        const bool numbers = is_float(t->from) || is_blocks(t->from);
        t->wanted = is_matrix(t) && numbers ? chosen(c, t, tied) : kept(c, t);
        t->type = allowed(t->wanted, t->columns);
        st = check_requantising(c, t);
    }
    return st;
}
