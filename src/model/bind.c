/* bind.c - tensors of a file become the weights of a model: found by name, every shape checked, and
 * nothing left over that would have changed the computation.
 *
 * Matrices stay where they are mapped.  Vectors become float copies.  */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/half.h"
#include "model/files.h"

enum { NAME_LEN = 128 };

typedef enum dim { DIM_NONE, DIM_MODEL, DIM_FF, DIM_Q, DIM_KV, DIM_HEAD, DIM_HALF_HEAD, DIM_VOCAB } dim;

typedef enum need {
    ALWAYS,
    QKV_BIAS, /* used where they are there; some models need them */
    O_BIAS,
    MLP_BIAS,
    QK_NORM, /* belongs to one architecture */
} need;

/* The tensors of a layer: their names after "blk.N." and "model.layers.N.", their place in tempo_layer,
 * their shape [rows, columns] or [rows].  */
typedef struct role {
    const char *gguf, *hf;
    size_t at;
    dim rows, columns;
    need need;
} role;

#define IN_LAYER(field) offsetof(tempo_layer, field)
static const role layer_roles[] = {
    {"attn_norm.weight", "input_layernorm.weight", IN_LAYER(attn_norm.w), DIM_MODEL, DIM_NONE, ALWAYS},
    {"attn_q.weight", "self_attn.q_proj.weight", IN_LAYER(wq), DIM_Q, DIM_MODEL, ALWAYS},
    {"attn_k.weight", "self_attn.k_proj.weight", IN_LAYER(wk), DIM_KV, DIM_MODEL, ALWAYS},
    {"attn_v.weight", "self_attn.v_proj.weight", IN_LAYER(wv), DIM_KV, DIM_MODEL, ALWAYS},
    {"attn_q.bias", "self_attn.q_proj.bias", IN_LAYER(bq), DIM_Q, DIM_NONE, QKV_BIAS},
    {"attn_k.bias", "self_attn.k_proj.bias", IN_LAYER(bk), DIM_KV, DIM_NONE, QKV_BIAS},
    {"attn_v.bias", "self_attn.v_proj.bias", IN_LAYER(bv), DIM_KV, DIM_NONE, QKV_BIAS},
    {"attn_q_norm.weight", "self_attn.q_norm.weight", IN_LAYER(q_norm), DIM_HEAD, DIM_NONE, QK_NORM},
    {"attn_k_norm.weight", "self_attn.k_norm.weight", IN_LAYER(k_norm), DIM_HEAD, DIM_NONE, QK_NORM},
    {"attn_output.weight", "self_attn.o_proj.weight", IN_LAYER(wo), DIM_MODEL, DIM_Q, ALWAYS},
    {"attn_output.bias", "self_attn.o_proj.bias", IN_LAYER(bo), DIM_MODEL, DIM_NONE, O_BIAS},
    {"ffn_norm.weight", "post_attention_layernorm.weight", IN_LAYER(ffn_norm.w), DIM_MODEL, DIM_NONE, ALWAYS},
    {"ffn_gate.weight", "mlp.gate_proj.weight", IN_LAYER(mlp.w_gate), DIM_FF, DIM_MODEL, ALWAYS},
    {"ffn_up.weight", "mlp.up_proj.weight", IN_LAYER(mlp.w_up), DIM_FF, DIM_MODEL, ALWAYS},
    {"ffn_down.weight", "mlp.down_proj.weight", IN_LAYER(mlp.w_down), DIM_MODEL, DIM_FF, ALWAYS},
    {"ffn_gate.bias", "mlp.gate_proj.bias", IN_LAYER(mlp.b_gate), DIM_FF, DIM_NONE, MLP_BIAS},
    {"ffn_up.bias", "mlp.up_proj.bias", IN_LAYER(mlp.b_up), DIM_FF, DIM_NONE, MLP_BIAS},
    {"ffn_down.bias", "mlp.down_proj.bias", IN_LAYER(mlp.b_down), DIM_MODEL, DIM_NONE, MLP_BIAS},
};

static uint64_t dim_of(const tempo_hparams *hp, dim d)
{
    switch (d) {
    case DIM_MODEL:
        return hp->d_model;
    case DIM_FF:
        return hp->d_ff;
    case DIM_Q:
        return (uint64_t)hp->n_heads * hp->head_dim;
    case DIM_KV:
        return (uint64_t)hp->n_kv_heads * hp->head_dim;
    case DIM_HEAD:
        return hp->head_dim;
    case DIM_HALF_HEAD:
        return hp->head_dim / 2;
    case DIM_VOCAB:
        return hp->n_vocab;
    case DIM_NONE:
        break;
    }
    return 1;
}

/* ---- one tensor ---- */

static void format_shape(char *out, size_t cap, uint32_t n_dims, const uint64_t *dims)
{
    size_t at = 0;

    out[0] = '\0'; /* a scalar has none */
    for (uint32_t i = 0; i < n_dims && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, i == 0 ? "%" PRIu64 : ", %" PRIu64, dims[i]);
}

/* A GGUF file's dimensions are followed by ones, written or not (its outermost come first here); a
 * directory's are exact. */
static bool has_shape(const tempo_loader *ld, const tempo_tensor *t, uint32_t n, const uint64_t want[2])
{
    if (!ld->f->is_gguf && t->n_dims != n)
        return false;
    for (uint32_t i = 0; i < 4; i++) { /* from the innermost */
        const uint64_t has = i < t->n_dims ? t->dims[t->n_dims - 1 - i] : 1,
                       expected = i < n ? want[n - 1 - i] : 1;
        if (has != expected)
            return false;
    }
    return true;
}

static tempo_status check_shape(tempo_loader *ld, const tempo_tensor *t, dim rows, dim columns)
{
    const uint64_t want[2] = {dim_of(&ld->facts.hp, rows), dim_of(&ld->facts.hp, columns)};
    const uint32_t n = columns == DIM_NONE ? 1 : 2;
    char has[96], expected[48];

    if (has_shape(ld, t, n, want))
        return TEMPO_OK;
    format_shape(has, sizeof(has), t->n_dims, t->dims);
    format_shape(expected, sizeof(expected), n, want);
    return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_tensor_entry(t), "%s: shape [%s], expected [%s]",
                      t->name, has, expected);
}

/* The tensor, marked as used, shape and type checked.  *out is NULL when it is absent: refused if it is
 * required.  */
static tempo_status take(tempo_loader *ld, const char *name, dim rows, dim columns, bool required,
                         tempo_tensor **out)
{
    tempo_tensor *t = tempo_files_find(ld->f, name);

    *out = NULL;
    if (t == NULL)
        return required ? tempo_refuse(ld, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "tensor %s is missing", name)
                        : TEMPO_OK;
    t->used = true;
    const tempo_status st = check_shape(ld, t, rows, columns);
    if (st != TEMPO_OK)
        return st;
    if (t->type == TEMPO_DTYPE_COUNT)
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(t),
                            "%s: element type %s is not supported", name, t->type_name);
    *out = t;
    return TEMPO_OK;
}

void tempo_forget_pages(const void *p, uint64_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)p + page - 1) / page * page, end = ((uintptr_t)p + n) / page * page;

    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* Kernels read elements in place; files need not align them (a safetensors header has any length).  The
 * copy replaces the mapped pages: the model is still held once.  */
static const void *aligned_data(tempo_loader *ld, const tempo_tensor *t)
{
    const size_t align = t->type == TEMPO_F32 ? 4 : 2; /* blocks hold 16-bit scales */

    if ((uintptr_t)t->data % align == 0)
        return t->data;
    void *copy = tempo_files_alloc(ld, (size_t)t->bytes);
    if (copy != NULL) {
        memcpy(copy, t->data, (size_t)t->bytes);
        tempo_forget_pages(t->data, t->bytes);
    }
    return copy;
}

static tempo_status bind_matrix(tempo_loader *ld, const char *name, dim rows, dim columns, tempo_weight *w)
{
    tempo_tensor *t;
    const tempo_status st = take(ld, name, rows, columns, true, &t);
    const uint64_t n_out = dim_of(&ld->facts.hp, rows);

    if (st != TEMPO_OK || t == NULL)
        return st;
    *w = (tempo_weight){.data = aligned_data(ld, t),
                        .n_out = (size_t)n_out,
                        .n_in = (size_t)dim_of(&ld->facts.hp, columns),
                        .row_bytes = (size_t)(t->bytes / n_out),
                        .type = t->type};
    return w->data != NULL ? TEMPO_OK : TEMPO_E_NOMEM;
}

static float element(const tempo_tensor *t, size_t i)
{
    uint16_t half;
    float f;

    if (t->type == TEMPO_F32) {
        memcpy(&f, t->data + 4 * i, 4);
        return f;
    }
    memcpy(&half, t->data + 2 * i, 2);
    return t->type == TEMPO_F16 ? tempo_f16_to_float(half) : tempo_bf16_to_float(half);
}

/* *out: float copy, NULL when the tensor is absent. */
static tempo_status bind_vector(tempo_loader *ld, const char *name, dim n, bool required, const float **out)
{
    tempo_tensor *t;
    const tempo_status st = take(ld, name, n, DIM_NONE, required, &t);
    const uint64_t len = dim_of(&ld->facts.hp, n);

    *out = NULL;
    if (st != TEMPO_OK || t == NULL)
        return st;
    if (t->type != TEMPO_F32 && t->type != TEMPO_F16 && t->type != TEMPO_BF16)
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(t),
                            "%s: a vector of type %s is not supported", name, t->type_name);
    float *v = tempo_files_alloc(ld, (size_t)len * sizeof(*v));
    if (v == NULL)
        return TEMPO_E_NOMEM;
    for (size_t i = 0; i < len; i++) {
        v[i] = element(t, i);
        if (!isfinite(v[i]))
            return tempo_fail(ld->err, TEMPO_E_FORMAT, t->offset + i * (size_t)(t->bytes / len),
                              "%s: element %zu is %g", name, i, (double)v[i]);
    }
    *out = v;
    return TEMPO_OK;
}

/* ---- layers ---- */

static bool is_needed(const tempo_facts *f, need which)
{
    switch (which) {
    case QKV_BIAS:
        return f->needs_qkv_bias;
    case O_BIAS:
        return f->needs_o_bias;
    case MLP_BIAS:
        return f->needs_mlp_bias;
    default:
        return true;
    }
}

static tempo_status bind_role(tempo_loader *ld, const role *r, uint32_t layer, tempo_layer *to)
{
    char name[NAME_LEN];
    void *at = (unsigned char *)to + r->at;

    (void)snprintf(name, sizeof(name), ld->f->is_gguf ? "blk.%" PRIu32 ".%s" : "model.layers.%" PRIu32 ".%s",
                   layer, ld->f->is_gguf ? r->gguf : r->hf);
    if (r->need == QK_NORM && !ld->facts.arch->has_qk_norm)
        return TEMPO_OK; /* if it is there all the same, it is left over and refused */
    if (r->columns != DIM_NONE)
        return bind_matrix(ld, name, r->rows, r->columns, at);
    return bind_vector(ld, name, r->rows, is_needed(&ld->facts, r->need), at);
}

static tempo_status bind_layers(tempo_loader *ld)
{
    const uint32_t n = ld->facts.hp.n_layers;
    tempo_layer *layers = tempo_files_alloc(ld, n * sizeof(*layers));

    if (layers == NULL)
        return TEMPO_E_NOMEM;
    memset(layers, 0, n * sizeof(*layers));
    for (uint32_t l = 0; l < n; l++) {
        layers[l].rope = 1;
        layers[l].mlp.d_ff = ld->facts.hp.d_ff;
        for (size_t r = 0; r < sizeof(layer_roles) / sizeof(layer_roles[0]); r++) {
            const tempo_status st = bind_role(ld, &layer_roles[r], l, &layers[l]);
            if (st != TEMPO_OK)
                return st;
        }
    }
    ld->m->layers = layers;
    return TEMPO_OK;
}

/* ---- embedding, output ---- */

static tempo_status check_vocabulary(tempo_loader *ld, const tempo_tensor *embedding)
{
    const bool matrix = ld->f->is_gguf ? embedding->n_dims >= 2 : embedding->n_dims == 2;
    const uint64_t rows = matrix ? embedding->dims[embedding->n_dims - 2] : 0, says = ld->facts.hp.n_vocab;
    tempo_tokenizer *tok = ld->m->tokenizer;
    const uint32_t tokens = tok != NULL ? tempo_tokenizer_get_info(tok).n_tokens : 0;

    if (!matrix)
        return TEMPO_OK; /* its shape is about to be refused */
    if (rows == 0)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_tensor_entry(embedding), "%s has no rows",
                          embedding->name);
    if (rows > TEMPO_MAX_VOCAB)
        return tempo_refuse(ld, TEMPO_E_LIMIT, tempo_tensor_entry(embedding),
                            "%s has %" PRIu64 " rows, the limit is %d", embedding->name, rows,
                            TEMPO_MAX_VOCAB);
    /* of GGUF files it is nobody's business, and those of padded embeddings say less; config.json must be
     * exact */
    if (says > rows && ld->f->is_gguf)
        tempo_note(&ld->m->notes, "vocab_size is %" PRIu64 ", %s has %" PRIu64 " rows: these count", says,
                   embedding->name, rows);
    else if (says != 0 && says != rows && !ld->f->is_gguf)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_tensor_entry(embedding),
                          "vocabulary mismatch: vocab_size is %" PRIu64 ", %s has %" PRIu64 " rows", says,
                          embedding->name, rows);
    if (tokens > rows)
        tempo_note(&ld->m->notes,
                   "the tokenizer has %" PRIu32 " tokens, %s has %" PRIu64
                   " rows: texts with later tokens are refused",
                   tokens, embedding->name, rows);
    if (tok != NULL)
        tempo_tokenizer_set_rows(tok, (uint32_t)rows);
    ld->facts.hp.n_vocab = (uint32_t)rows;
    return TEMPO_OK;
}

static const char *embedding_name(const tempo_loader *ld)
{
    return ld->f->is_gguf ? "token_embd.weight" : "model.embed_tokens.weight";
}

static tempo_status bind_ends(tempo_loader *ld)
{
    const bool gguf = ld->f->is_gguf;
    const char *embedding = embedding_name(ld);
    tempo_model *m = ld->m;
    tempo_tensor *t = tempo_files_find(ld->f, embedding);
    tempo_status st;

    if (t != NULL && (st = check_vocabulary(ld, t)) != TEMPO_OK)
        return st;
    if ((st = bind_matrix(ld, embedding, DIM_VOCAB, DIM_MODEL, &m->embedding)) != TEMPO_OK ||
        (st = bind_vector(ld, gguf ? "output_norm.weight" : "model.norm.weight", DIM_MODEL, true,
                          &m->output_norm.w)) != TEMPO_OK)
        return st;
    if (!ld->facts.tied)
        return bind_matrix(ld, gguf ? "output.weight" : "lm_head.weight", DIM_VOCAB, DIM_MODEL, &m->output);
    m->output = m->embedding;
    return TEMPO_OK;
}

/* ---- rope ---- */

static tempo_status bind_rope_factors(tempo_loader *ld, const float **factors)
{
    const tempo_status st = bind_vector(ld, "rope_freqs.weight", DIM_HALF_HEAD, false, factors);

    if (st != TEMPO_OK || *factors == NULL)
        return st;
    for (uint32_t i = 0; i < ld->facts.hp.head_dim / 2; i++) {
        if ((*factors)[i] <= 0.0f)
            return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_files_find(ld->f, "rope_freqs.weight")->offset,
                              "rope_freqs.weight: element %" PRIu32 " is %g, expected a number above 0", i,
                              (double)(*factors)[i]);
    }
    if (ld->facts.rope.kind == TEMPO_ROPE_NONE)
        ld->m->info.rope_scaling = "llama3"; /* what such a file calls nothing */
    return TEMPO_OK;
}

static tempo_status bind_rope(tempo_loader *ld)
{
    const uint32_t head_dim = ld->facts.hp.head_dim;
    const float *factors = NULL;
    float from_config[TEMPO_MAX_HEAD_DIM / 2];
    const tempo_status st = ld->f->is_gguf ? bind_rope_factors(ld, &factors) : TEMPO_OK;

    if (st != TEMPO_OK)
        return st;
    if (ld->facts.rope.kind == TEMPO_ROPE_LLAMA3) {
        tempo_rope_llama3(from_config, head_dim, &ld->facts.rope);
        factors = from_config;
    }
    if ((ld->m->rope_freq[0] = tempo_files_alloc(ld, head_dim / 2 * sizeof(double))) == NULL)
        return TEMPO_E_NOMEM;
    tempo_rope_frequencies(ld->m->rope_freq[0], head_dim, &ld->facts.rope, factors);
    for (uint32_t i = 0; i < head_dim / 2; i++) {
        if (!(ld->m->rope_freq[0][i] < 1e300)) /* times a position it must stay finite */
            return tempo_fail(ld->err, TEMPO_E_FORMAT, ld->facts.rope_at, "rope frequency %" PRIu32 " is %g",
                              i, ld->m->rope_freq[0][i]);
    }
    return TEMPO_OK;
}

/* ---- what is left over ---- */

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), m = strlen(tail);

    return n >= m && strcmp(s + n - m, tail) == 0;
}

/* Tensors that old converters wrote although they follow from the metadata. */
static bool is_redundant(const tempo_loader *ld, const tempo_tensor *t)
{
    if (ld->f->is_gguf)
        return ends_with(t->name, ".attn_rot_embd.weight");
    return ends_with(t->name, ".rotary_emb.inv_freq") ||
           (ld->facts.tied && strcmp(t->name, "lm_head.weight") == 0);
}

static tempo_status check_left_over(tempo_loader *ld)
{
    for (size_t i = 0; i < ld->f->n_tensors; i++) {
        const tempo_tensor *t = &ld->f->tensors[i];
        if (!t->used && !is_redundant(ld, t))
            return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(t),
                                "tensor %.128s is not supported: it is no part of a %s model of %" PRIu32
                                " layers as this build computes it",
                                t->name, ld->facts.arch->name, ld->facts.hp.n_layers);
    }
    return TEMPO_OK;
}

static void count_parameters(tempo_loader *ld)
{
    for (size_t i = 0; i < ld->f->n_tensors; i++) {
        uint64_t *sum = &ld->m->info.parameters;
        if (!is_redundant(ld, &ld->f->tensors[i]) &&
            __builtin_add_overflow(*sum, ld->f->tensors[i].elements, sum))
            *sum = UINT64_MAX;
    }
}

/* Llama's: what others do differently is said by their files. */
static void begin_recipe(tempo_loader *ld)
{
    const tempo_hparams *hp = &ld->facts.hp;

    ld->m->recipe = (tempo_recipe){.n_rot = hp->head_dim,
                                   .rope_scale = {1.0f, 1.0f},
                                   .attn_scale = (float)(1.0 / sqrt((double)hp->head_dim)),
                                   .embed_scale = 1.0f,
                                   .residual_scale = 1.0f,
                                   .logit_scale = 1.0f};
}

tempo_status tempo_bind(tempo_loader *ld)
{
    tempo_status st;

    count_parameters(ld);
    if (ld->f->unsupported[0] != '\0')
        return TEMPO_OK; /* what shapes to expect is not known for sure */
    if (ld->f->n_tensors == 0)
        return tempo_refuse(ld, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                            "%s is missing, and every other tensor: this is at most a vocabulary",
                            embedding_name(ld));
    begin_recipe(ld);
    if ((st = bind_ends(ld)) != TEMPO_OK || (st = bind_layers(ld)) != TEMPO_OK ||
        (st = bind_rope(ld)) != TEMPO_OK || (st = check_left_over(ld)) != TEMPO_OK)
        return st;
    if (ld->f->unsupported[0] != '\0')
        ld->m->layers = NULL; /* noted on the way: it must not run */
    return TEMPO_OK;
}
