/* directory.c - the tensors of the architectures as transformers names and shapes them, brought to one
 * form: matrices that are whole, apart and [out, in].  Where the numbers come from is the caller's: a file,
 * or made.  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference/reference.h"

typedef enum fused { APART, BY_HEAD, TRANSPOSED, STACKED } fused;   /* how q, k and v are in one */
enum { ALL = 1, NORMS = 2, QKV = 4, O = 8, MLP = 16, ROUTER = 32 }; /* what has biases */

/* Names, below a prefix of the model and one of the layer; NULL: there is none. */
typedef struct layout {
    const char *types; /* each with spaces around */
    const char *top, *layers;
    const char *embedding, *positions, *embed_norm, *output_norm, *output;
    const char *attn_norm, *attn_post, *ffn_norm, *ffn_post;
    const char *q, *k, *v, *qkv, *o; /* qkv: of APART NULL */
    const char *gate, *up, *gate_up, *down;
    fused fused;
    unsigned biases;
    bool qk_norms, plus_one;
} layout;

#define LLAMA_TOP .top = "model.", .layers = "model.layers.", .embedding = "embed_tokens", .output = "lm_head"
#define LLAMA_ATTENTION .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj"
#define LLAMA_MLP .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj"
#define GPT_TOP .top = "transformer.", .layers = "transformer.h."
#define TWO_NORMS .attn_norm = "input_layernorm", .ffn_norm = "post_attention_layernorm"
#define POST_NORMS .attn_post = "post_attention_layernorm", .ffn_post = "post_feedforward_layernorm"

static const layout layouts[] = {
    {" llama mistral mixtral qwen2 qwen3 qwen2_moe qwen3_moe smollm3 granite gemma olmoe stablelm gpt_oss ",
     LLAMA_TOP, .output_norm = "norm", TWO_NORMS, LLAMA_ATTENTION, .o = "self_attn.o_proj", LLAMA_MLP},
    {" olmo ", LLAMA_TOP, .output_norm = "", .attn_norm = "", .ffn_norm = "", LLAMA_ATTENTION,
     .o = "self_attn.o_proj", LLAMA_MLP},
    {" olmo2 exaone4 ", LLAMA_TOP, .output_norm = "norm", POST_NORMS, LLAMA_ATTENTION,
     .o = "self_attn.o_proj", LLAMA_MLP},
    {" gemma2 gemma3_text ", LLAMA_TOP, .output_norm = "norm", .attn_norm = "input_layernorm", POST_NORMS,
     .ffn_norm = "pre_feedforward_layernorm", LLAMA_ATTENTION, .o = "self_attn.o_proj", LLAMA_MLP},
    {" cohere2 ", LLAMA_TOP, .output_norm = "norm", .attn_norm = "input_layernorm", LLAMA_ATTENTION,
     .o = "self_attn.o_proj", LLAMA_MLP},
    {" nemotron ", LLAMA_TOP, .output_norm = "norm", TWO_NORMS, LLAMA_ATTENTION, .o = "self_attn.o_proj",
     .gate = "mlp.up_proj", .down = "mlp.down_proj", .biases = NORMS},
    {" starcoder2 ", LLAMA_TOP, .output_norm = "norm", TWO_NORMS, LLAMA_ATTENTION, .o = "self_attn.o_proj",
     .gate = "mlp.c_fc", .down = "mlp.c_proj", .biases = NORMS},
    {" phi3 ", LLAMA_TOP, .output_norm = "norm", TWO_NORMS, .qkv = "self_attn.qkv_proj", .fused = STACKED,
     .o = "self_attn.o_proj", .gate_up = "mlp.gate_up_proj", .down = "mlp.down_proj"},
    {" phi ", LLAMA_TOP, .output_norm = "final_layernorm", .attn_norm = "input_layernorm", LLAMA_ATTENTION,
     .o = "self_attn.dense", .gate = "mlp.fc1", .down = "mlp.fc2", .biases = ALL},
    {" gpt2 ", GPT_TOP, "wte", "wpe", NULL, "ln_f", "lm_head", "ln_1", NULL, "ln_2", .qkv = "attn.c_attn",
     .fused = TRANSPOSED, .o = "attn.c_proj", .gate = "mlp.c_fc", .down = "mlp.c_proj", .biases = ALL},
    {" gpt_neo ", GPT_TOP, "wte", "wpe", NULL, "ln_f", "lm_head", "ln_1", NULL, "ln_2",
     .q = "attn.attention.q_proj", .k = "attn.attention.k_proj", .v = "attn.attention.v_proj",
     .o = "attn.attention.out_proj", .gate = "mlp.c_fc", .down = "mlp.c_proj", .biases = NORMS | O | MLP},
    {" gptj ", GPT_TOP, "wte", NULL, NULL, "ln_f", "lm_head", "ln_1", .q = "attn.q_proj", .k = "attn.k_proj",
     .v = "attn.v_proj", .o = "attn.out_proj", .gate = "mlp.fc_in", .down = "mlp.fc_out",
     .biases = NORMS | MLP},
    {" gpt_neox ", "gpt_neox.", "gpt_neox.layers.", "embed_in", NULL, NULL, "final_layer_norm", "embed_out",
     TWO_NORMS, .qkv = "attention.query_key_value", .fused = BY_HEAD, .o = "attention.dense",
     .gate = "mlp.dense_h_to_4h", .down = "mlp.dense_4h_to_h", .biases = NORMS | MLP},
    {" bloom ", GPT_TOP, "word_embeddings", NULL, "word_embeddings_layernorm", "ln_f", "lm_head", TWO_NORMS,
     .qkv = "self_attention.query_key_value", .fused = BY_HEAD, .o = "self_attention.dense",
     .gate = "mlp.dense_h_to_4h", .down = "mlp.dense_4h_to_h", .biases = ALL},
    {" opt ", "model.decoder.", "model.decoder.layers.", "embed_tokens", "embed_positions", NULL,
     "final_layer_norm", "lm_head", "self_attn_layer_norm", NULL, "final_layer_norm", LLAMA_ATTENTION,
     .o = "self_attn.out_proj", .gate = "fc1", .down = "fc2", .biases = ALL},
};

typedef struct taking {
    reference_model *m;
    const layout *names;
    reference_source source;
    void *user;
    unsigned biases;
    size_t layer; /* SIZE_MAX: outside */
} taking;

static bool one_of(const char *type, const char *types)
{
    char padded[40];

    (void)snprintf(padded, sizeof(padded), " %s ", type);
    return strstr(types, padded) != NULL;
}

static const char *full_name(const taking *t, const char *name, const char *tail, char out[192])
{
    if (t->layer != SIZE_MAX)
        (void)snprintf(out, 192, "%s%zu.%s%s", t->names->layers, t->layer, name, tail);
    else
        (void)snprintf(out, 192, "%s%s%s", t->names->output == name ? "" : t->names->top, name, tail);
    return out;
}

static double *take_3(const taking *t, const char *name, const char *tail, size_t a, size_t b, size_t c)
{
    const size_t shape[3] = {a, b, c}, skip = a > 0 ? 0 : b > 0 ? 1 : 2;
    char full[192];
    double *x = reference_numbers(t->m, (a > 0 ? a : 1) * (b > 0 ? b : 1) * c);

    t->source(t->user, full_name(t, name, tail, full), 3 - skip, shape + skip, x);
    return x;
}

static double *take_vector(const taking *t, const char *name, const char *tail, size_t n)
{
    return take_3(t, name, tail, 0, 0, n);
}

/* [n_out, n_in], of a matrix that lies transposed in the file turned over */
static reference_matrix take_matrix(const taking *t, const char *name, size_t n_out, size_t n_in, bool bias)
{
    const bool turned = t->names->fused == TRANSPOSED && t->layer != SIZE_MAX;
    reference_matrix m = {n_out, n_in, NULL, NULL};
    double *x =
        turned ? take_3(t, name, ".weight", 0, n_in, n_out) : take_3(t, name, ".weight", 0, n_out, n_in);

    m.w = x;
    if (turned)
        m.w = reference_numbers(t->m, n_out * n_in);
    for (size_t o = 0; o < n_out && turned; o++)
        for (size_t i = 0; i < n_in; i++)
            m.w[o * n_in + i] = x[i * n_out + o];
    if (bias)
        m.bias = take_vector(t, name, ".bias", n_out);
    return m;
}

static bool has(const taking *t, unsigned what)
{
    return (t->biases & (what | ALL)) != 0;
}

static reference_norm take_norm(const taking *t, const char *name)
{
    const size_t d = t->m->d_model;
    reference_norm n = {.on = name != NULL};

    if (name == NULL || *name == '\0')
        return n;
    n.w = take_vector(t, name, ".weight", d);
    for (size_t i = 0; i < d && one_of(t->m->type, " gemma gemma2 gemma3_text nemotron "); i++)
        n.w[i] += 1;
    if (has(t, NORMS))
        n.b = take_vector(t, name, ".bias", d);
    return n;
}

/* Rows [first, first + n) of every period of rows: what a fused matrix has of one part. */
static reference_matrix part_of(const taking *t, const reference_matrix *whole, size_t first, size_t n,
                                size_t period)
{
    const size_t times = whole->n_out / period;
    reference_matrix m = {n * times, whole->n_in, reference_numbers(t->m, n * times * whole->n_in), NULL};

    if (whole->bias != NULL)
        m.bias = reference_numbers(t->m, n * times);
    for (size_t row = 0; row < n * times; row++) {
        const size_t from = row / n * period + first + row % n;
        memcpy(m.w + row * m.n_in, whole->w + from * m.n_in, m.n_in * sizeof(*m.w));
        if (m.bias != NULL)
            m.bias[row] = whole->bias[from];
    }
    return m;
}

static void take_attention(const taking *t, reference_layer *y)
{
    const reference_model *m = t->m;
    const layout *names = t->names;
    const size_t d = m->head_dim, q = m->n_heads * d, kv = m->n_kv_heads * d;

    if (names->qkv == NULL) {
        y->q = take_matrix(t, names->q, q, m->d_model, has(t, QKV));
        y->k = take_matrix(t, names->k, kv, m->d_model, has(t, QKV));
        y->v = take_matrix(t, names->v, kv, m->d_model, has(t, QKV));
    } else {
        const reference_matrix all = take_matrix(t, names->qkv, q + 2 * kv, m->d_model, has(t, QKV));
        const bool by_head = names->fused == BY_HEAD;
        const size_t period = by_head ? 3 * d : all.n_out;
        y->q = part_of(t, &all, 0, by_head ? d : q, period);
        y->k = part_of(t, &all, by_head ? d : q, by_head ? d : kv, period);
        y->v = part_of(t, &all, by_head ? 2 * d : q + kv, by_head ? d : kv, period);
    }
    y->o = take_matrix(t, names->o, m->d_model, q, has(t, O));
    if (one_of(m->type, " qwen3 qwen3_moe gemma3_text olmo2 olmoe exaone4 ")) {
        y->q_norm = take_vector(t, "self_attn.q_norm", ".weight", m->qk_whole ? q : d);
        y->k_norm = take_vector(t, "self_attn.k_norm", ".weight", m->qk_whole ? kv : d);
        for (size_t i = 0; i < d && strcmp(m->type, "gemma3_text") == 0; i++) {
            y->q_norm[i] += 1;
            y->k_norm[i] += 1;
        }
    }
    if (strcmp(m->type, "gpt_oss") == 0)
        y->sinks = take_vector(t, "self_attn.sinks", "", m->n_heads);
}

static reference_mlp take_gated(const taking *t, const char *prefix, const char *const names[3], size_t ff)
{
    char name[128];
    reference_mlp mlp = {0};
    reference_matrix *const parts[3] = {&mlp.gate, &mlp.up, &mlp.down};

    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "%s%s", prefix, names[i]);
        *parts[i] = take_matrix(t, name, i < 2 ? ff : t->m->d_model, i < 2 ? t->m->d_model : ff, false);
    }
    return mlp;
}

/* gpt-oss: one tensor of all experts, [experts, in, out], rows of gate and up in turn. */
static void take_stacked(const taking *t, reference_layer *y)
{
    reference_model *m = t->m;
    const size_t n = m->n_experts, d = m->d_model, ff = m->d_expert;
    const double *gu = take_3(t, "mlp.experts.gate_up_proj", "", n, d, 2 * ff),
                 *gub = take_3(t, "mlp.experts.gate_up_proj_bias", "", 0, n, 2 * ff),
                 *down = take_3(t, "mlp.experts.down_proj", "", n, ff, d),
                 *downb = take_3(t, "mlp.experts.down_proj_bias", "", 0, n, d);

    for (size_t e = 0; e < n; e++) {
        reference_matrix *const to[2] = {&y->experts[e].gate, &y->experts[e].up};
        for (size_t k = 0; k < 2; k++) {
            *to[k] = (reference_matrix){ff, d, reference_numbers(m, ff * d), reference_numbers(m, ff)};
            for (size_t i = 0; i < ff * d; i++)
                to[k]->w[i] = gu[(e * d + i % d) * 2 * ff + 2 * (i / d) + k];
            for (size_t i = 0; i < ff; i++)
                to[k]->bias[i] = gub[e * 2 * ff + 2 * i + k];
        }
        y->experts[e].down = (reference_matrix){d, ff, reference_numbers(m, d * ff), reference_numbers(m, d)};
        for (size_t i = 0; i < d * ff; i++)
            y->experts[e].down.w[i] = down[(e * ff + i % ff) * d + i / ff];
        memcpy(y->experts[e].down.bias, downb + e * d, d * sizeof(*downb));
    }
}

static void take_experts(const taking *t, reference_layer *y)
{
    static const char *const usual[3] = {"gate_proj", "up_proj", "down_proj"}, *const mixtral[3] = {
                                                                                   "w1", "w3", "w2"};
    reference_model *m = t->m;
    const bool mix = strcmp(m->type, "mixtral") == 0, oss = strcmp(m->type, "gpt_oss") == 0;
    char prefix[64];

    if ((y->experts = calloc(m->n_experts, sizeof(*y->experts))) == NULL)
        abort();
    y->router = take_matrix(t,
                            mix   ? "block_sparse_moe.gate"
                            : oss ? "mlp.router"
                                  : "mlp.gate",
                            m->n_experts, m->d_model, has(t, ROUTER));
    if (oss)
        take_stacked(t, y);
    for (size_t e = 0; e < m->n_experts && !oss; e++) {
        (void)snprintf(prefix, sizeof(prefix), "%s.experts.%zu.", mix ? "block_sparse_moe" : "mlp", e);
        y->experts[e] = take_gated(t, prefix, mix ? mixtral : usual, m->d_expert);
    }
    if (m->d_shared > 0) {
        y->mlp = take_gated(t, "mlp.shared_expert.", usual, m->d_shared);
        y->shared_gate = take_matrix(t, "mlp.shared_expert_gate", 1, m->d_model, false);
    }
}

static void take_mlp(const taking *t, reference_layer *y)
{
    const layout *names = t->names;
    const size_t d = t->m->d_model, ff = t->m->d_ff;

    if (names->gate_up != NULL) {
        const reference_matrix both = take_matrix(t, names->gate_up, 2 * ff, d, false);
        y->mlp.gate = part_of(t, &both, 0, ff, 2 * ff);
        y->mlp.up = part_of(t, &both, ff, ff, 2 * ff);
    } else {
        y->mlp.gate = take_matrix(t, names->gate, ff, d, has(t, MLP));
        if (names->up != NULL)
            y->mlp.up = take_matrix(t, names->up, ff, d, has(t, MLP));
    }
    y->mlp.down = take_matrix(t, names->down, d, ff, has(t, MLP));
}

/* ---- which biases there are ---- */

static bool says(const json_t *c, const char *key, bool otherwise)
{
    const json_t *v = json_object_get(c, key);

    return v != NULL ? json_is_true(v) : otherwise;
}

static unsigned biases_of(const reference_model *m, const layout *names, const json_t *c)
{
    const bool always = one_of(m->type, " gpt_neox gpt_oss ");
    unsigned b = names->biases;

    if (one_of(m->type, " stablelm "))
        b |= NORMS;
    if (one_of(m->type, " opt ") && !says(c, "enable_bias", true))
        b = NORMS;
    if (one_of(m->type, " qwen2 ") || (one_of(m->type, " qwen2_moe ") && says(c, "qkv_bias", true)) ||
        says(c, "use_qkv_bias", false))
        b |= QKV;
    if (one_of(m->type, " llama qwen3 qwen3_moe smollm3 granite gemma gemma2 gemma3_text olmo olmo2 olmoe "
                        "cohere2 gpt_neox gpt_oss nemotron ") &&
        says(c, "attention_bias", always))
        b |= QKV | O;
    if (one_of(m->type, " llama granite smollm3 nemotron ") && says(c, "mlp_bias", false))
        b |= MLP;
    if (one_of(m->type, " starcoder2 ") && says(c, "use_bias", true))
        b |= QKV | O | MLP;
    return one_of(m->type, " gpt_oss ") ? b | ROUTER : b;
}

void reference_take(reference_model *m, const json_t *config, reference_source source, void *user)
{
    const layout *names = layouts;
    const bool tied =
        says(config, "tie_word_embeddings",
             one_of(m->type, " gemma gemma2 gemma3_text gpt2 gpt_neo opt bloom cohere2 starcoder2 smollm3 "));

    while (!one_of(m->type, names->types))
        if (++names == layouts + sizeof(layouts) / sizeof(*layouts))
            abort();
    taking t = {m, names, source, user, biases_of(m, names, config), SIZE_MAX};
    m->embedding = take_matrix(&t, names->embedding, m->n_vocab, m->d_model, false);
    if (names->positions != NULL)
        m->positions = take_3(&t, names->positions, ".weight", 0, m->n_positions, m->d_model);
    m->embed_norm = take_norm(&t, names->embed_norm);
    m->output_norm = take_norm(&t, names->output_norm);
    m->output = tied ? m->embedding
                     : take_matrix(&t, names->output, m->n_vocab, m->d_model, one_of(m->type, " gptj phi "));
    for (t.layer = 0; t.layer < m->n_layers; t.layer++) {
        reference_layer *y = &m->layers[t.layer];
        const bool one = m->parallel && strcmp(m->type, "stablelm") == 0;
        y->attn_norm = take_norm(&t, names->attn_norm);
        y->attn_post = take_norm(&t, names->attn_post);
        y->ffn_norm = take_norm(&t, one ? NULL : names->ffn_norm);
        y->ffn_post = take_norm(&t, names->ffn_post);
        take_attention(&t, y);
        if (y->sparse)
            take_experts(&t, y);
        else
            take_mlp(&t, y);
    }
}

/* ---- a directory ---- */

typedef struct safetensors {
    json_t *header;
    unsigned char *data;
} safetensors;

static void from_file(void *user, const char *name, size_t n_dims, const size_t *shape, double *out)
{
    const safetensors *f = user;
    const json_t *entry = json_object_get(f->header, name), *dims = json_object_get(entry, "shape");
    size_t at = (size_t)json_integer_value(json_array_get(json_object_get(entry, "data_offsets"), 0)), n = 1;
    bool same = json_array_size(dims) == n_dims;

    for (size_t i = 0; i < n_dims; i++) {
        same = same && (size_t)json_integer_value(json_array_get(dims, i)) == shape[i];
        n *= shape[i];
    }
    if (!same || strcmp(json_string_value(json_object_get(entry, "dtype")), "F32") != 0) {
        fprintf(stderr, "reference: %s is not there as expected\n", name);
        abort();
    }
    for (size_t i = 0; i < n; i++, at += 4) {
        float x;
        memcpy(&x, f->data + at, 4);
        out[i] = (double)x;
    }
}

static unsigned char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    long size;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) != 0) {
        perror(path);
        abort();
    }
    unsigned char *p = malloc((size_t)size + 1);
    if (p == NULL || fread(p, 1, (size_t)size, f) != (size_t)size)
        abort();
    (void)fclose(f);
    *n = (size_t)size;
    return p;
}

reference_model *reference_open(const char *dir)
{
    char path[600];
    size_t n, header = 0;
    safetensors f;

    (void)snprintf(path, sizeof(path), "%s/model.safetensors", dir);
    unsigned char *file = read_file(path, &n);
    for (size_t i = 8; i-- > 0;)
        header = header << 8 | file[i];
    f.header = json_loadb((const char *)file + 8, header, 0, NULL);
    f.data = file + 8 + header;
    (void)snprintf(path, sizeof(path), "%s/config.json", dir);
    json_t *config = json_load_file(path, 0, NULL);
    if (f.header == NULL || config == NULL)
        abort();
    reference_model *m = reference_configure(config);
    reference_take(m, config, from_file, &f);
    json_decref(config);
    json_decref(f.header);
    free(file);
    return m;
}
