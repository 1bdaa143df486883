/* config.c - a config.json as the configuration classes of transformers read it: what each key
 * means and what holds where it is absent. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference/reference.h"

double *reference_numbers(reference_model *m, size_t n)
{
    m->owned = realloc(m->owned, (m->n_owned + 1) * sizeof(*m->owned));
    if (m->owned == NULL)
        abort();
    double *p = calloc(n > 0 ? n : 1, sizeof(*p));
    if (p == NULL)
        abort();
    return m->owned[m->n_owned++] = p;
}

void reference_free(reference_model *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->n_owned; i++)
        free(m->owned[i]);
    for (size_t l = 0; l < m->n_layers; l++)
        free(m->layers[l].experts);
    free(m->owned);
    free(m->layers);
    free(m);
}

static void unknown(const char *what, const char *value)
{
    fprintf(stderr, "reference: %s %s is not known\n", what, value);
    abort();
}

/* ---- keys: "a|b", the first that is there and not null ---- */

static const json_t *find(const json_t *c, const char *names)
{
    char list[128];
    const json_t *found = NULL;

    (void)snprintf(list, sizeof(list), "%s", names);
    for (char *name = list; name != NULL && found == NULL;) {
        char *bar = strchr(name, '|');
        if (bar != NULL)
            *bar = '\0';
        found = json_object_get(c, name);
        if (json_is_null(found))
            found = NULL;
        name = bar != NULL ? bar + 1 : NULL;
    }
    return found;
}

static double number(const json_t *c, const char *names, double otherwise)
{
    const json_t *v = find(c, names);

    return v != NULL ? json_number_value(v) : otherwise;
}

static size_t count(const json_t *c, const char *names, size_t otherwise)
{
    return (size_t)number(c, names, (double)otherwise);
}

static bool flag(const json_t *c, const char *names, bool otherwise)
{
    const json_t *v = find(c, names);

    return v != NULL ? json_is_true(v) : otherwise;
}

static const char *text(const json_t *c, const char *names, const char *otherwise)
{
    const json_t *v = find(c, names);

    return v != NULL ? json_string_value(v) : otherwise;
}

static bool is(const reference_model *m, const char *type)
{
    return strcmp(m->type, type) == 0;
}

/* One of a list of types, each with spaces around. */
static bool one_of(const reference_model *m, const char *types)
{
    char padded[40];

    (void)snprintf(padded, sizeof(padded), " %s ", m->type);
    return strstr(types, padded) != NULL;
}

/* ---- RoPE ---- */

static double frequency(size_t i, size_t n, double theta)
{
    return 1 / pow(theta, (double)(2 * i) / (double)n);
}

static void llama3(double *freq, size_t n, const json_t *s)
{
    const double factor = number(s, "factor", 0), low = number(s, "low_freq_factor", 0),
                 high = number(s, "high_freq_factor", 0),
                 old = number(s, "original_max_position_embeddings", 0);

    for (size_t i = 0; i < n; i++) {
        const double length = 2 * 3.14159265358979323846 / freq[i];
        const double smooth = (old / length - low) / (high - low);
        if (length > old / low)
            freq[i] /= factor;
        else if (length >= old / high)
            freq[i] = (1 - smooth) * freq[i] / factor + smooth * freq[i];
    }
}

static double mscale(double factor, double m)
{
    return factor <= 1 ? 1 : 0.1 * m * log(factor) + 1;
}

static void yarn(reference_model *m, double *freq, const json_t *s, double theta)
{
    const double n = (double)m->n_rot, factor = number(s, "factor", 1);
    const double old = number(s, "original_max_position_embeddings", (double)m->n_ctx);
    const double turns[2] = {number(s, "beta_fast", 32), number(s, "beta_slow", 1)};
    const double m_one = number(s, "mscale", 0), m_all = number(s, "mscale_all_dim", 0);
    double range[2];

    for (size_t i = 0; i < 2; i++)
        range[i] = n * log(old / (turns[i] * 2 * 3.14159265358979323846)) / (2 * log(theta));
    if (flag(s, "truncate", true)) {
        range[0] = floor(range[0]);
        range[1] = ceil(range[1]);
    }
    range[0] = fmax(range[0], 0);
    range[1] = fmin(range[1], n - 1);
    if (range[0] == range[1])
        range[1] += 0.001;
    for (size_t i = 0; i < m->n_rot / 2; i++) {
        const double slow = fmin(fmax(((double)i - range[0]) / (range[1] - range[0]), 0), 1);
        freq[i] = freq[i] / factor * slow + freq[i] * (1 - slow);
    }
    m->rope_scale[0] =
        m_one != 0 && m_all != 0 ? mscale(factor, m_one) / mscale(factor, m_all) : mscale(factor, 1);
    m->rope_scale[0] = number(s, "attention_factor", m->rope_scale[0]);
}

/* The short factors, for a text within the original context. */
static void longrope(reference_model *m, double *freq, const json_t *c, const json_t *s)
{
    const json_t *divisors = find(s, "short_factor");
    const double old = number(c, "original_max_position_embeddings",
                              number(s, "original_max_position_embeddings", (double)m->n_ctx)),
                 factor = (double)m->n_ctx / old;

    for (size_t i = 0; i < m->n_rot / 2; i++)
        freq[i] /= json_number_value(json_array_get(divisors, i));
    m->rope_scale[0] = factor <= 1 ? 1 : sqrt(1 + log(factor) / log(old));
    m->rope_scale[0] = number(s, "attention_factor", m->rope_scale[0]);
    m->n_ctx = (size_t)old;
}

static void scale_rope(reference_model *m, const json_t *c, double theta)
{
    const json_t *s = find(c, "rope_scaling|rope_parameters");
    const char *type = text(s, "rope_type|type", "default");
    double *freq = m->freq[0];

    if (strcmp(type, "linear") == 0)
        for (size_t i = 0; i < m->n_rot / 2; i++)
            freq[i] /= number(s, "factor", 1);
    else if (strcmp(type, "llama3") == 0)
        llama3(freq, m->n_rot / 2, s);
    else if (strcmp(type, "yarn") == 0)
        yarn(m, freq, s, theta);
    else if (strcmp(type, "longrope") == 0)
        longrope(m, freq, c, s);
    else if (strcmp(type, "default") != 0)
        unknown("rope", type);
}

static void read_rope(reference_model *m, const json_t *c)
{
    const json_t *newer = find(c, "rope_parameters");
    const double share = number(newer, "partial_rotary_factor",
                                number(c, "partial_rotary_factor|rotary_pct",
                                       one_of(m, " gpt_neox stablelm ") ? 0.25
                                       : one_of(m, " phi nemotron ")    ? 0.5
                                                                        : 1));
    const double theta =
        number(newer, "rope_theta", number(c, "rope_theta|rotary_emb_base", is(m, "smollm3") ? 2e6 : 1e4));
    const double second = number(c, "rope_local_base_freq", 1e4);

    m->rope_scale[0] = m->rope_scale[1] = 1;
    if (one_of(m, " gpt2 gpt_neo opt bloom "))
        return;
    m->n_rot = is(m, "gptj") ? count(c, "rotary_dim", 64) : (size_t)((double)m->head_dim * share);
    m->adjacent = one_of(m, " gptj cohere2 ");
    for (size_t k = 0; k < 2; k++) {
        m->freq[k] = reference_numbers(m, m->n_rot / 2);
        for (size_t i = 0; i < m->n_rot / 2; i++)
            m->freq[k][i] = frequency(i, m->n_rot, k == 0 ? theta : second);
    }
    scale_rope(m, c, theta);
}

/* ---- layers ---- */

static bool listed(const json_t *list, size_t l, const char *word)
{
    const char *s = json_string_value(json_array_get(list, l));

    return s != NULL && strcmp(s, word) == 0;
}

/* Of a layer that no list tells the kind of. */
static bool slides(const reference_model *m, const json_t *c, size_t l)
{
    const size_t first = count(c, "max_window_layers", 28);

    if (one_of(m, " mistral mixtral starcoder2 phi3 qwen3_moe "))
        return true;
    if (one_of(m, " qwen2 qwen3 "))
        return l >= first;
    if (is(m, "qwen2_moe"))
        return l % 2 == 0 && l < first;
    if (one_of(m, " gemma2 gpt_oss "))
        return l % 2 == 0;
    if (json_is_string(find(c, "sliding_window_pattern")))
        return (l + 1) % strlen(text(c, "sliding_window_pattern", "")) != 0;
    if (one_of(m, " gemma3_text cohere2 exaone4 "))
        return (l + 1) %
                   count(c, "sliding_window_pattern|_sliding_window_pattern", is(m, "gemma3_text") ? 6 : 4) !=
               0;
    return false;
}

static void read_windows(reference_model *m, const json_t *c)
{
    const json_t *kinds = find(c, "layer_types"), *neo = find(c, "attention_layers");
    const bool flagged = one_of(m, " qwen2 qwen3 qwen2_moe qwen3_moe smollm3 ");
    const bool on = !flagged || flag(c, "use_sliding_window", false);
    const size_t width = json_object_get(c, "sliding_window") != NULL ? count(c, "sliding_window", 0)
                         : is(m, "gpt_oss")                           ? 128
                         : one_of(m, " mixtral starcoder2 phi3 ")     ? 0
                                                                      : 4096;

    for (size_t l = 0; l < m->n_layers; l++) {
        const bool here = kinds != NULL && !one_of(m, " mistral mixtral starcoder2 phi3 qwen3_moe ")
                              ? listed(kinds, l, "sliding_attention")
                              : slides(m, c, l);
        if (on && here)
            m->layers[l].window = width;
        if (is(m, "gpt_neo"))
            m->layers[l].window = listed(neo, l, "local") ? count(c, "window_size", 256) : 0;
    }
}

static void read_layers(reference_model *m, const json_t *c)
{
    const json_t *rotates = find(c, "no_rope_layers"), *dense = find(c, "mlp_only_layers");
    const size_t step = count(c, "no_rope_layer_interval", 4),
                 sparse_step = count(c, "decoder_sparse_step", 1);
    size_t i;
    json_t *v;

    read_windows(m, c);
    for (size_t l = 0; l < m->n_layers; l++) {
        reference_layer *y = &m->layers[l];
        y->theta = m->n_rot > 0;
        if (is(m, "gemma3_text") && y->window > 0)
            y->theta = 2;
        if (is(m, "cohere2") || (is(m, "exaone4") && find(c, "sliding_window") != NULL))
            y->theta = y->window > 0;
        if (is(m, "smollm3"))
            y->theta =
                rotates != NULL ? json_integer_value(json_array_get(rotates, l)) != 0 : (l + 1) % step != 0;
        y->sparse = m->n_experts > 0 && (l + 1) % sparse_step == 0;
        json_array_foreach(dense, i, v) y->sparse = y->sparse && (size_t)json_integer_value(v) != l;
    }
}

/* ---- everything else ---- */

static void read_sizes(reference_model *m, const json_t *c)
{
    m->n_layers = count(c, "num_hidden_layers|n_layer|num_layers", 0);
    m->n_heads = count(c, "num_attention_heads|n_head|num_heads", 0);
    m->n_kv_heads = count(c, "num_key_value_heads", is(m, "gemma3_text") ? 4 : m->n_heads);
    m->d_model = count(c, "hidden_size|n_embd", 0);
    m->head_dim = count(c, "head_dim", m->n_heads > 0 ? m->d_model / m->n_heads : 0);
    m->n_vocab = count(c, "vocab_size", 0);
    m->n_ctx = count(c, "max_position_embeddings|n_positions", 2048);
    m->d_ff = count(c, "intermediate_size|n_inner|ffn_dim", 4 * m->d_model);
    m->eps = number(c, "rms_norm_eps|layer_norm_epsilon|layer_norm_eps|norm_epsilon|norm_eps", 1e-5);
    if (one_of(m, " olmo opt "))
        m->eps = 1e-5; /* no key */
    m->n_positions = one_of(m, " gpt2 gpt_neo opt ") ? m->n_ctx : 0;
    if (is(m, "opt"))
        m->n_positions += m->position_offset = 2;
}

static void read_experts(reference_model *m, const json_t *c)
{
    m->n_experts = count(c, "num_local_experts|num_experts", 0);
    m->n_used = count(c, "num_experts_per_tok", 0);
    m->d_expert = count(c, "moe_intermediate_size", m->d_ff);
    m->d_shared = is(m, "qwen2_moe") ? count(c, "shared_expert_intermediate_size", 0) : 0;
    m->route_selected = is(m, "gpt_oss");
    m->route_renormed = is(m, "mixtral") || flag(c, "norm_topk_prob", false);
}

static reference_act act_of(const reference_model *m, const json_t *c)
{
    static const struct {
        const char *name;
        reference_act act;
    } acts[] = {{"silu", REFERENCE_SILU},          {"gelu", REFERENCE_GELU_ERF},
                {"gelu_new", REFERENCE_GELU_TANH}, {"gelu_fast", REFERENCE_GELU_TANH},
                {"relu", REFERENCE_RELU},          {"gelu_pytorch_tanh", REFERENCE_GELU_TANH},
                {"relu2", REFERENCE_RELU_2}};
    const char *name = text(
        c, one_of(m, " gemma gemma2 gemma3_text ") ? "hidden_activation" : "hidden_act|activation_function",
        one_of(m, " gemma gemma2 gemma3_text bloom ")     ? "gelu_pytorch_tanh"
        : one_of(m, " gpt2 gpt_neo gptj phi starcoder2 ") ? "gelu_new"
        : is(m, "gpt_neox")                               ? "gelu"
        : is(m, "opt")                                    ? "relu"
        : is(m, "nemotron")                               ? "relu2"
                                                          : "silu");

    for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++)
        if (strcmp(acts[i].name, name) == 0)
            return is(m, "gpt_oss") ? REFERENCE_CLAMPED : acts[i].act;
    unknown("activation", name);
    return REFERENCE_SILU;
}

static void read_scales(reference_model *m, const json_t *c)
{
    const double d = (double)m->head_dim;

    m->attn_scale = one_of(m, " gemma2 gemma3_text ") ? 1 / sqrt(number(c, "query_pre_attn_scalar", 256))
                    : is(m, "gpt_neo") || !flag(c, "scale_attn_weights", true)
                        ? 1
                        : number(c, "attention_multiplier", 1 / sqrt(d));
    m->attn_cap = number(c, "attn_logit_softcapping", 0);
    m->logit_cap = number(c, "final_logit_softcapping", 0);
    m->embed_scale = one_of(m, " gemma gemma2 gemma3_text ") ? sqrt((double)m->d_model)
                                                             : number(c, "embedding_multiplier", 1);
    m->residual_scale = number(c, "residual_multiplier", 1);
    m->logit_scale = is(m, "granite")   ? 1 / number(c, "logits_scaling", 1)
                     : is(m, "cohere2") ? number(c, "logit_scale", 0.0625)
                                        : 1;
    m->clip = number(c, "clip_qkv", 0);
}

reference_model *reference_configure(const json_t *c)
{
    static const char known[] = " llama mistral mixtral qwen2 qwen3 qwen2_moe qwen3_moe smollm3 granite olmo "
                                "olmo2 olmoe gemma gemma2 gemma3_text gpt2 gpt_neo gptj gpt_neox gpt_oss opt "
                                "bloom phi phi3 starcoder2 stablelm cohere2 exaone4 nemotron ";
    reference_model *m = calloc(1, sizeof(*m));

    if (m == NULL)
        abort();
    (void)snprintf(m->type, sizeof(m->type), "%s", text(c, "model_type", ""));
    if (!one_of(m, known))
        unknown("model_type", m->type);
    read_sizes(m, c);
    if ((m->layers = calloc(m->n_layers, sizeof(*m->layers))) == NULL)
        abort();
    m->layer_norm =
        one_of(m, " gpt2 gpt_neo gptj gpt_neox opt bloom phi starcoder2 stablelm cohere2 olmo nemotron ");
    m->qk_whole = one_of(m, " olmo2 olmoe ");
    m->parallel = one_of(m, " gptj phi cohere2 ") ||
                  (is(m, "gpt_neox") && flag(c, "use_parallel_residual", true)) ||
                  (is(m, "stablelm") && flag(c, "use_parallel_residual", false));
    m->alibi = is(m, "bloom");
    m->act = act_of(m, c);
    read_experts(m, c);
    read_scales(m, c);
    read_rope(m, c);
    read_layers(m, c);
    return m;
}
