/* random_config.c - configurations by a seed: shapes that no published model has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/random.h"
#include "reference/random_arch.h"

const char *const random_archs[] = {
    "llama",      "mistral",  "mixtral",  "qwen2",   "qwen3",    "qwen2_moe", "qwen3_moe",   "smollm3",
    "granite",    "olmo",     "olmo2",    "olmoe",   "gemma",    "gemma2",    "gemma3_text", "gpt2",
    "gpt_neo",    "gptj",     "gpt_neox", "gpt_oss", "opt",      "bloom",     "phi",         "phi3",
    "starcoder2", "stablelm", "cohere2",  "exaone4", "nemotron", NULL};

/* What a configuration is made of. */
typedef struct making {
    const char *type;
    uint64_t state;
    bool wide;
    json_t *c;
    size_t layers, heads, kv, head_dim, d;
} making;

static size_t below(making *k, size_t n)
{
    return (size_t)(tempo_random(&k->state) >> 33) % n;
}

static bool chance(making *k, size_t one_of_n)
{
    return below(k, one_of_n) == 0;
}

#define ONE(k, list) ((list)[below(k, sizeof(list) / sizeof(*(list)))])

static bool is(const making *k, const char *types)
{
    char padded[40];

    (void)snprintf(padded, sizeof(padded), " %s ", k->type);
    return strstr(types, padded) != NULL;
}

static void set_int(making *k, const char *key, size_t v)
{
    json_object_set_new(k->c, key, json_integer((json_int_t)v));
}

static void set_real(making *k, const char *key, double v)
{
    json_object_set_new(k->c, key, json_real(v));
}

static void set_flag(making *k, const char *key, bool v)
{
    json_object_set_new(k->c, key, json_boolean(v));
}

static void set_text(making *k, const char *key, const char *v)
{
    json_object_set_new(k->c, key, json_string(v));
}

/* Sizes of heads are their own where the architecture has a key for it. */
static const char own_heads[] =
    " llama mistral mixtral qwen2 qwen3 qwen3_moe gemma gemma2 gemma3_text gpt_oss granite smollm3 "
    "starcoder2 cohere2 exaone4 nemotron ";
static const char no_groups[] = " gpt2 gpt_neo gptj gpt_neox opt bloom ";

static void choose_shape(making *k)
{
    static const size_t heads[] = {1, 2, 3, 4, 6, 8}, sizes[] = {8, 10, 12, 16, 20, 24},
                        wide_heads[] = {4, 8};

    k->layers = is(k, " gemma3_text ")               ? 5 + below(k, 4)
                : is(k, " cohere2 smollm3 exaone4 ") ? 3 + below(k, 3)
                                                     : 1 + below(k, 4);
    k->heads = k->wide ? ONE(k, wide_heads) : ONE(k, heads);
    k->head_dim = k->wide ? 256 / k->heads : ONE(k, sizes);
    do
        k->kv = 1 + below(k, k->heads);
    while (k->heads % k->kv != 0);
    if (is(k, no_groups))
        k->kv = k->heads;
    k->d = k->wide ? 256 : is(k, own_heads) ? 24 + 4 * below(k, 14) : k->heads * k->head_dim;
}

static void set_sizes(making *k)
{
    static const size_t wide_ff[] = {256, 512};
    static const double epsilons[] = {1e-6, 1e-5, 3e-5, 1e-3};
    const size_t ff = k->wide ? ONE(k, wide_ff) : 20 + 2 * below(k, 40);
    const double eps = ONE(k, epsilons);

    choose_shape(k);
    const bool gpt = is(k, " gpt2 gptj "), neo = is(k, " gpt_neo "), bloom = is(k, " bloom ");
    set_int(k, gpt || bloom ? "n_layer" : neo ? "num_layers" : "num_hidden_layers", k->layers);
    set_int(k, gpt || bloom ? "n_head" : neo ? "num_heads" : "num_attention_heads", k->heads);
    set_int(k, gpt ? "n_embd" : "hidden_size", k->d);
    set_int(k, "vocab_size", 261 + below(k, 90));
    if (!bloom)
        set_int(k, gpt ? "n_positions" : "max_position_embeddings", 110 + below(k, 40));
    if (gpt && chance(k, 2) && !k->wide)
        json_object_set_new(k->c, "n_inner", json_null());
    else if (!bloom)
        set_int(k, gpt ? "n_inner" : is(k, " opt ") ? "ffn_dim" : "intermediate_size", ff);
    if (!is(k, no_groups))
        set_int(k, "num_key_value_heads", k->kv);
    if (is(k, own_heads))
        set_int(k, "head_dim", k->head_dim);
    if (is(k, " opt "))
        set_int(k, "word_embed_proj_dim", k->d);
    else if (!is(k, " olmo "))
        set_real(k,
                 is(k, " gpt2 gpt_neo gptj bloom ")         ? "layer_norm_epsilon"
                 : is(k, " gpt_neox phi stablelm cohere2 ") ? "layer_norm_eps"
                 : is(k, " starcoder2 ")                    ? "norm_epsilon"
                 : is(k, " nemotron ")                      ? "norm_eps"
                                                            : "rms_norm_eps",
                 eps);
    set_flag(k, "tie_word_embeddings", bloom || chance(k, 3));
    if (is(k, " phi gptj "))
        set_flag(k, "tie_word_embeddings", false); /* their output has a bias */
}

/* A positive even number of a head's elements. */
static size_t rotated(making *k)
{
    return 2 * (1 + below(k, k->head_dim / 2));
}

static json_t *scaling(making *k)
{
    static const double factors[] = {2, 3, 5, 8.5};
    const double factor = ONE(k, factors);
    const int context = 16 + (int)below(k, 40);
    const size_t kind = is(k, " gpt_oss ") ? 2 : below(k, 4);
    json_t *s;

    if (kind == 0)
        return json_pack("{s:s, s:f}", "rope_type", "linear", "factor", factor);
    if (kind == 1)
        return json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor", factor,
                         "low_freq_factor", 1.0, "high_freq_factor", 3.0, "original_max_position_embeddings",
                         context);
    if (kind == 3)
        return json_null();
    s = json_pack("{s:s, s:f, s:i}", "rope_type", "yarn", "factor", factor,
                  "original_max_position_embeddings", context);
    if (chance(k, 2))
        json_object_update_new(s, json_pack("{s:f, s:f}", "beta_fast", 16.0, "beta_slow", 2.0));
    if (chance(k, 3))
        json_object_set_new(s, "attention_factor", json_real(1.25));
    return s;
}

static json_t *divisors(making *k, double first)
{
    json_t *list = json_array();

    for (size_t i = 0; i < k->head_dim / 2; i++)
        json_array_append_new(list, json_real(first + 0.25 * (double)(i + below(k, 2))));
    return list;
}

static void set_rope(making *k)
{
    static const double thetas[] = {1000, 10000, 500000};
    const double theta = ONE(k, thetas);

    if (is(k, " gpt2 gpt_neo opt bloom "))
        return;
    if (is(k, " gptj ")) {
        set_int(k, "rotary_dim", rotated(k));
        return;
    }
    set_real(k, is(k, " gpt_neox ") ? "rotary_emb_base" : "rope_theta", theta);
    if (is(k, " gpt_neox phi stablelm nemotron ") ||
        (is(k, " phi3 ") && chance(k, 2))) /* exact in binary where it can be */
        set_real(k, is(k, " gpt_neox ") ? "rotary_pct" : "partial_rotary_factor",
                 ((double)rotated(k) + 0.01) / (double)k->head_dim);
    if (is(k, " gemma3_text "))
        set_real(k, "rope_local_base_freq", 777);
    if (is(k, " llama gpt_oss exaone4 "))
        json_object_set_new(k->c, "rope_scaling", scaling(k));
    if (is(k, " phi3 ") && json_object_get(k->c, "partial_rotary_factor") == NULL && chance(k, 2)) {
        set_int(k, "original_max_position_embeddings", 100);
        json_t *s = json_pack("{s:s, s:o}", "type", "longrope", "short_factor", divisors(k, 1.0));
        json_object_set_new(s, "long_factor", divisors(k, 2.0));
        json_object_set_new(k->c, "rope_scaling", s);
    }
}

static json_t *kinds(making *k, const char *yes, const char *no)
{
    json_t *list = json_array();

    for (size_t l = 0; l < k->layers; l++)
        json_array_append_new(list, json_string(chance(k, 2) ? yes : no));
    return list;
}

static void set_windows(making *k)
{
    const size_t width = 3 + 2 * below(k, 8);

    if (is(k, " gpt_neo ")) {
        set_int(k, "window_size", width);
        json_object_set_new(k->c, "attention_layers", kinds(k, "local", "global"));
    }
    if (is(k, " mistral mixtral starcoder2 phi3 qwen2 qwen3 qwen2_moe qwen3_moe exaone4 ")) {
        if (chance(k, 2))
            set_int(k, "sliding_window", width);
        else
            json_object_set_new(k->c, "sliding_window", json_null());
    }
    if (is(k, " qwen2 qwen3 qwen2_moe qwen3_moe ")) {
        set_flag(k, "use_sliding_window", json_is_integer(json_object_get(k->c, "sliding_window")));
        set_int(k, "max_window_layers", below(k, k->layers + 1));
    }
    if (is(k, " gemma2 gemma3_text cohere2 gpt_oss "))
        set_int(k, "sliding_window", width);
    if (is(k, " exaone4 ") && chance(k, 2))
        set_text(k, "sliding_window_pattern", "LLG");
    if (is(k, " gemma2 gemma3_text cohere2 gpt_oss exaone4 ") && chance(k, 3))
        json_object_set_new(k->c, "layer_types", kinds(k, "sliding_attention", "full_attention"));
    if (is(k, " smollm3 ") && chance(k, 2)) {
        json_t *list = json_array();
        for (size_t l = 0; l < k->layers; l++)
            json_array_append_new(list, json_integer(chance(k, 2)));
        json_object_set_new(k->c, "no_rope_layers", list);
    }
}

static void set_experts(making *k)
{
    const size_t n = 2 + below(k, 8), used = 1 + below(k, n < 5 ? n : 5);
    const size_t width = k->wide ? 256 : 12 + 2 * below(k, 20);

    if (!is(k, " mixtral olmoe qwen2_moe qwen3_moe gpt_oss "))
        return;
    set_int(k, is(k, " mixtral gpt_oss ") ? "num_local_experts" : "num_experts", n);
    set_int(k, "num_experts_per_tok", used);
    if (is(k, " olmoe qwen2_moe qwen3_moe "))
        set_flag(k, "norm_topk_prob", chance(k, 2));
    if (!is(k, " qwen2_moe qwen3_moe "))
        return;
    set_int(k, "moe_intermediate_size", width);
    set_int(k, "decoder_sparse_step", 1 + chance(k, 3));
    json_object_set_new(k->c, "mlp_only_layers",
                        chance(k, 3) ? json_pack("[i]", (int)below(k, k->layers)) : json_array());
    if (is(k, " qwen2_moe "))
        set_int(k, "shared_expert_intermediate_size", k->wide ? 256 : 10 + 2 * below(k, 20));
}

static void set_flags(making *k)
{
    if (is(k, " llama qwen3 qwen3_moe smollm3 granite olmo cohere2 gpt_neox gpt_oss nemotron "))
        set_flag(k, "attention_bias", chance(k, 2));
    if (is(k, " llama granite smollm3 nemotron "))
        set_flag(k, "mlp_bias", chance(k, 2));
    if (is(k, " stablelm "))
        set_flag(k, "use_qkv_bias", chance(k, 2));
    if (is(k, " starcoder2 "))
        set_flag(k, "use_bias", chance(k, 2));
    if (is(k, " qwen2_moe "))
        set_flag(k, "qkv_bias", chance(k, 2));
    if (is(k, " gpt_neox stablelm "))
        set_flag(k, "use_parallel_residual", chance(k, 2));
    if (is(k, " gpt2 ") && chance(k, 4))
        set_flag(k, "scale_attn_weights", false);
}

static void set_numbers(making *k)
{
    static const char *const acts[] = {"gelu", "gelu_new", "relu", "silu", "gelu_pytorch_tanh"};

    if (is(k, " granite ")) {
        set_real(k, "embedding_multiplier", 5.5);
        set_real(k, "residual_multiplier", 0.375);
        set_real(k, "attention_multiplier", 0.15625);
        set_real(k, "logits_scaling", 3);
    }
    if (is(k, " gemma2 ")) {
        set_real(k, "attn_logit_softcapping", 4);
        set_real(k, "final_logit_softcapping", 6);
    }
    if (is(k, " gemma2 gemma3_text "))
        set_int(k, "query_pre_attn_scalar", chance(k, 2) ? k->head_dim : k->head_dim + 5);
    if (is(k, " cohere2 "))
        set_real(k, "logit_scale", 0.4375);
    if (is(k, " olmo ") && chance(k, 2))
        set_real(k, "clip_qkv", 0.75);
    if (is(k, " gpt2 gpt_neo gptj opt ") && chance(k, 2))
        set_text(k, "activation_function", ONE(k, acts));
    if (is(k, " gpt_neox phi starcoder2 llama ") && chance(k, 2))
        set_text(k, "hidden_act", ONE(k, acts));
    if (is(k, " gemma gemma2 gemma3_text "))
        set_text(k, "hidden_activation", chance(k, 3) ? "gelu" : "gelu_pytorch_tanh");
}

json_t *random_config(const char *type, uint64_t seed, bool wide)
{
    making k = {.type = type, .state = seed * 977 + 5, .wide = wide, .c = json_object()};

    for (const char *p = type; *p != '\0'; p++) /* each type has a stream of its own */
        k.state = k.state * 31 + (uint64_t)(unsigned char)*p;
    set_text(&k, "model_type", type);
    set_sizes(&k);
    set_rope(&k);
    set_windows(&k);
    set_experts(&k);
    set_flags(&k);
    set_numbers(&k);
    return k.c;
}
