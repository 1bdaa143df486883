/* llama.c - Llama and what differs from it by an option: Mistral, SmolLM3, Granite, Qwen 2 and 3. */
#include <math.h>

#include "io/json.h"
#include "model/arch/arch.h"

static const tempo_role parts[] = {TEMPO_LLAMA_ENDS, TEMPO_LLAMA_NORMS, TEMPO_LLAMA_ATTENTION,
                                   TEMPO_LLAMA_MLP};

enum { WINDOW = 4096, FULL_LAYERS = 28 /* where the key is absent */ };

#define TEXT(vocab, ff, kv, context)                                                                         \
    "{\"vocab_size\":" vocab ",\"hidden_size\":4096,\"intermediate_size\":" ff                               \
    ",\"num_hidden_layers\":32,\"num_attention_heads\":32,\"num_key_value_heads\":" kv                       \
    ",\"rms_norm_eps\":1e-6,\"max_position_embeddings\":" context "}"

static void biases(tempo_loader *ld, bool otherwise)
{
    uint64_t *biased = &ld->facts.biased;

    if (tempo_key_flag(ld, "attention_bias", NULL, false))
        *biased |= TEMPO_PLACE_BIT(TEMPO_AT_O);
    if (otherwise || (*biased & TEMPO_PLACE_BIT(TEMPO_AT_O)) != 0)
        *biased |= TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) | TEMPO_PLACE_BIT(TEMPO_AT_V);
    if (tempo_key_flag(ld, "mlp_bias", NULL, false))
        *biased |=
            TEMPO_PLACE_BIT(TEMPO_AT_GATE) | TEMPO_PLACE_BIT(TEMPO_AT_UP) | TEMPO_PLACE_BIT(TEMPO_AT_DOWN);
}

static void read_llama(tempo_loader *ld)
{
    static const tempo_window_rule windows = {.otherwise_none = true};

    biases(ld, false);
    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    (void)tempo_read_windows(ld, &windows);
    if (ld->f->is_gguf) { /* Mixtral's files say that they are llama's */
        tempo_read_experts(ld, NULL, NULL);
        ld->facts.recipe.route_renormed = true;
    }
}

#define EXPERTS                                                                                              \
    TEMPO_EXPERTS("block_sparse_moe.gate", "block_sparse_moe.experts.*.w1", "block_sparse_moe.experts.*.w3", \
                  "block_sparse_moe.experts.*.w2")
static const tempo_role mixtral_parts[] = {TEMPO_LLAMA_ENDS, TEMPO_LLAMA_NORMS, TEMPO_LLAMA_ATTENTION,
                                           TEMPO_LLAMA_MLP, EXPERTS};

const tempo_arch tempo_arch_llama = {.gguf = "llama",
                                     .hf = "llama",
                                     .class = "LlamaForCausalLM",
                                     .top = "model.",
                                     .layer = "layers.",
                                     .read = read_llama,
                                     .text = TEXT("32000", "11008", "32", "2048"),
                                     TEMPO_PARTS(mixtral_parts),
                                     .gguf_pairs = true};

static void read_mistral(tempo_loader *ld)
{
    static const tempo_window_rule windows = {.width = WINDOW};

    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    (void)tempo_read_windows(ld, &windows);
}

const tempo_arch tempo_arch_mistral = {.gguf = "llama",
                                       .hf = "mistral",
                                       .class = "MistralForCausalLM",
                                       .top = "model.",
                                       .layer = "layers.",
                                       .read = read_mistral,
                                       .text = TEXT("32000", "14336", "8", "131072"),
                                       TEMPO_PARTS(parts),
                                       .gguf_pairs = true};

static void read_mixtral(tempo_loader *ld)
{
    static const tempo_window_rule windows = {0};

    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    (void)tempo_read_windows(ld, &windows);
    tempo_read_experts(ld, "num_local_experts|num_experts", NULL);
    ld->facts.recipe.route_renormed = true;
}

const tempo_arch tempo_arch_mixtral = {.gguf = "llama",
                                       .hf = "mixtral",
                                       .class = "MixtralForCausalLM",
                                       .top = "model.",
                                       .layer = "layers.",
                                       .read = read_mixtral,
                                       TEMPO_PARTS(mixtral_parts),
                                       .gguf_pairs = true};

/* ---- Qwen ---- */

static void read_qwen(tempo_loader *ld)
{
    const tempo_window_rule windows = {.flagged = true,
                                       .width = WINDOW,
                                       .first = tempo_key_count(ld, "max_window_layers", NULL, FULL_LAYERS)};

    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    (void)tempo_read_windows(ld, &windows);
}

static void read_qwen2(tempo_loader *ld)
{
    biases(ld, true);
    read_qwen(ld);
}

static void read_qwen3(tempo_loader *ld)
{
    biases(ld, false);
    read_qwen(ld);
}

const tempo_arch tempo_arch_qwen2 = {.gguf = "qwen2",
                                     .hf = "qwen2",
                                     .class = "Qwen2ForCausalLM",
                                     .top = "model.",
                                     .layer = "layers.",
                                     .read = read_qwen2,
                                     .text = TEXT("151936", "22016", "32", "32768"),
                                     TEMPO_PARTS(parts)};

static const tempo_role qwen3_parts[] = {TEMPO_LLAMA_ENDS, TEMPO_LLAMA_NORMS, TEMPO_LLAMA_ATTENTION,
                                         TEMPO_QK_NORMS, TEMPO_LLAMA_MLP};

const tempo_arch tempo_arch_qwen3 = {.gguf = "qwen3",
                                     .hf = "qwen3",
                                     .class = "Qwen3ForCausalLM",
                                     .top = "model.",
                                     .layer = "layers.",
                                     .read = read_qwen3,
                                     .text = TEXT("151936", "22016", "32", "32768"),
                                     TEMPO_PARTS(qwen3_parts)};

/* ---- layers without positions ---- */

static void read_smollm3(tempo_loader *ld)
{
    static const tempo_window_rule windows = {.flagged = true, .otherwise_none = true};
    const json_t *rotates = tempo_key_list(ld, "no_rope_layers"); /* 0: it does not */
    const uint32_t step = tempo_key_count(ld, "no_rope_layer_interval", NULL, 4);

    biases(ld, false);
    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    (void)tempo_read_windows(ld, &windows);
    for (uint32_t l = 0; l < ld->facts.hp.n_layers; l++)
        ld->layers[l].rope = rotates != NULL ? json_integer_value(json_array_get(rotates, l)) != 0
                                             : step == 0 || (l + 1) % step != 0;
}

const tempo_arch tempo_arch_smollm3 = {.gguf = "smollm3",
                                       .hf = "smollm3",
                                       .class = "SmolLM3ForCausalLM",
                                       .top = "model.",
                                       .layer = "layers.",
                                       .read = read_smollm3,
                                       TEMPO_PARTS(parts),
                                       .gguf_pairs = true,
                                       .tied = true};

/* ---- multipliers ---- */

static void read_granite(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    biases(ld, false);
    r->act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    r->embed_scale = (float)tempo_key_real(ld, "embedding_multiplier", "embedding_scale", 1.0);
    r->residual_scale = (float)tempo_key_real(ld, "residual_multiplier", "residual_scale", 1.0);
    r->attn_scale =
        (float)tempo_key_real(ld, "attention_multiplier", "attention.scale", (double)r->attn_scale);
    r->logit_scale = (float)(1.0 / tempo_key_real(ld, "logits_scaling", "logit_scale", 1.0));
    if (!isfinite(r->logit_scale))
        tempo_key_refuse(ld, "logits_scaling", "logit_scale", "%s is 0",
                         TEMPO_KEY_NAME(ld, "logits_scaling", "logit_scale"));
}

const tempo_arch tempo_arch_granite = {.gguf = "granite",
                                       .hf = "granite",
                                       .class = "GraniteForCausalLM",
                                       .top = "model.",
                                       .layer = "layers.",
                                       .read = read_granite,
                                       TEMPO_PARTS(parts),
                                       .gguf_pairs = true};
