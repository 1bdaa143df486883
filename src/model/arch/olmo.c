/* olmo.c - OLMo: norms without weights; OLMo 2: norms behind the sublayers, and of all queries and keys at
 * once; OLMoE. */
#include "model/arch/arch.h"

static const char clip_hf[] = "clip_qkv", clip_gguf[] = "attention.clamp_kqv";

static void biases(tempo_loader *ld)
{
    if (tempo_key_flag(ld, "attention_bias", NULL, false))
        ld->facts.biased |= TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) |
                            TEMPO_PLACE_BIT(TEMPO_AT_V) | TEMPO_PLACE_BIT(TEMPO_AT_O);
}

static void read_olmo(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    biases(ld);
    r->act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    r->qkv_clip = (float)tempo_key_real(ld, clip_hf, clip_gguf, 0.0);
}

static const tempo_role olmo_parts[] = {{TEMPO_AT_EMBEDDING, "token_embd", "embed_tokens", 0},
                                        {TEMPO_AT_OUTPUT_NORM, NULL, NULL, 0},
                                        {TEMPO_AT_OUTPUT, "output", "/lm_head", 0},
                                        {TEMPO_AT_ATTN_NORM, NULL, NULL, 0},
                                        {TEMPO_AT_FFN_NORM, NULL, NULL, 0},
                                        TEMPO_LLAMA_ATTENTION,
                                        TEMPO_LLAMA_MLP};

const tempo_arch tempo_arch_olmo = {.gguf = "olmo",
                                    .hf = "olmo",
                                    .class = "OlmoForCausalLM",
                                    .top = "model.",
                                    .layer = "layers.",
                                    .read = read_olmo,
                                    TEMPO_PARTS(olmo_parts),
                                    .norm = TEMPO_NORM_LAYER,
                                    .gguf_pairs = true,
                                    .eps = 1e-5};

static void read_olmo2(tempo_loader *ld)
{
    biases(ld);
    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    ld->facts.recipe.qk_norm_whole = true;
}

static const tempo_role olmo2_parts[] = {
    TEMPO_LLAMA_ENDS,
    TEMPO_LLAMA_ATTENTION,
    TEMPO_QK_NORMS,
    TEMPO_LLAMA_MLP,
    {TEMPO_AT_ATTN_POST_NORM, "post_attention_norm", "post_attention_layernorm", 0},
    {TEMPO_AT_FFN_POST_NORM, "post_ffw_norm", "post_feedforward_layernorm", 0}};

const tempo_arch tempo_arch_olmo2 = {.gguf = "olmo2",
                                     .hf = "olmo2",
                                     .class = "Olmo2ForCausalLM",
                                     .top = "model.",
                                     .layer = "layers.",
                                     .read = read_olmo2,
                                     TEMPO_PARTS(olmo2_parts)};

static void read_olmoe(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    biases(ld);
    r->act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    r->qk_norm_whole = true;
    r->qkv_clip = (float)tempo_key_real(ld, clip_hf, clip_gguf, 0.0);
    if (r->qkv_clip > 0) /* its model norms first and clips then */
        tempo_key_refuse(ld, clip_hf, clip_gguf,
                         "clipped queries, keys and values are not supported in OLMoE");
    tempo_read_experts(ld, "num_experts|num_local_experts", "intermediate_size");
    r->route_renormed = tempo_key_flag(ld, "norm_topk_prob", "expert_weights_norm", false);
}

static const tempo_role olmoe_parts[] = {TEMPO_LLAMA_ENDS, TEMPO_LLAMA_NORMS, TEMPO_LLAMA_ATTENTION,
                                         TEMPO_QK_NORMS, TEMPO_MLP_EXPERTS};

const tempo_arch tempo_arch_olmoe = {.gguf = "olmoe",
                                     .hf = "olmoe",
                                     .class = "OlmoeForCausalLM",
                                     .top = "model.",
                                     .layer = "layers.",
                                     .read = read_olmoe,
                                     TEMPO_PARTS(olmoe_parts)};
