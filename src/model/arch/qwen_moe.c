/* qwen_moe.c - Qwen 2 and 3 with experts; some layers may be dense. */
#include <inttypes.h>

#include "io/json.h"
#include "model/arch/arch.h"

/* Which layers have experts: each step-th, but for those of a list. */
static void dense_layers(tempo_loader *ld)
{
    const uint32_t step = tempo_key_count(ld, "decoder_sparse_step", NULL, 1);
    const json_t *dense = tempo_key_list(ld, "mlp_only_layers"), *v;
    size_t i;

    for (uint32_t l = 0; l < ld->facts.hp.n_layers; l++)
        if (step == 0 || (l + 1) % step != 0)
            ld->layers[l].router.n_out = 0;
    json_array_foreach(dense, i, v)
    {
        const json_int_t l = json_is_integer(v) ? json_integer_value(v) : -1;
        if (l >= 0 && l < (json_int_t)ld->facts.hp.n_layers)
            ld->layers[l].router.n_out = 0;
    }
}

static void read_both(tempo_loader *ld, const tempo_window_rule *windows)
{
    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    (void)tempo_read_windows(ld, windows);
    tempo_read_experts(ld, "num_experts|num_local_experts", "moe_intermediate_size");
    dense_layers(ld);
}

static void read_qwen2moe(tempo_loader *ld)
{
    static const char hf[] = "shared_expert_intermediate_size", gguf[] = "expert_shared_feed_forward_length";
    const tempo_window_rule windows = {.flagged = true,
                                       .width = 4096,
                                       .period = 2,
                                       .before = true,
                                       .first = tempo_key_count(ld, "max_window_layers", NULL, 28)};
    tempo_facts *f = &ld->facts;

    read_both(ld, &windows);
    if (tempo_key_flag(ld, "qkv_bias", NULL, true))
        f->biased |= TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) | TEMPO_PLACE_BIT(TEMPO_AT_V);
    f->recipe.route_renormed = tempo_key_flag(ld, "norm_topk_prob", "expert_weights_norm", false);
    f->d_shared = tempo_key_count(ld, hf, gguf, f->d_dense);
    if (f->d_shared > TEMPO_MAX_FF)
        tempo_key_refuse(ld, hf, gguf, "%s is %" PRIu32 ", the limit is %d", TEMPO_KEY_NAME(ld, hf, gguf),
                         f->d_shared, TEMPO_MAX_FF);
}

static const tempo_role qwen2moe_parts[] = {
    TEMPO_LLAMA_ENDS,
    TEMPO_LLAMA_NORMS,
    TEMPO_LLAMA_ATTENTION,
    TEMPO_LLAMA_MLP,
    TEMPO_MLP_EXPERTS,
    {TEMPO_AT_SHARED_SIGMOID, "ffn_gate_inp_shexp", "mlp.shared_expert_gate", 0},
    {TEMPO_AT_SHARED_GATE, "ffn_gate_shexp", "mlp.shared_expert.gate_proj", 0},
    {TEMPO_AT_SHARED_UP, "ffn_up_shexp", "mlp.shared_expert.up_proj", 0},
    {TEMPO_AT_SHARED_DOWN, "ffn_down_shexp", "mlp.shared_expert.down_proj", 0},
};

const tempo_arch tempo_arch_qwen2moe = {.gguf = "qwen2moe",
                                        .hf = "qwen2_moe",
                                        .class = "Qwen2MoeForCausalLM",
                                        .top = "model.",
                                        .layer = "layers.",
                                        .read = read_qwen2moe,
                                        TEMPO_PARTS(qwen2moe_parts)};

static void read_qwen3moe(tempo_loader *ld)
{
    static const tempo_window_rule windows = {.flagged = true, .width = 4096};

    read_both(ld, &windows);
    if (tempo_key_flag(ld, "attention_bias", NULL, false))
        ld->facts.biased |= TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) |
                            TEMPO_PLACE_BIT(TEMPO_AT_V) | TEMPO_PLACE_BIT(TEMPO_AT_O);
    ld->facts.recipe.route_renormed =
        tempo_key_flag(ld, "norm_topk_prob", "expert_weights_norm", ld->f->is_gguf); /* its GGUFs all do */
}

static const tempo_role qwen3moe_parts[] = {TEMPO_LLAMA_ENDS, TEMPO_LLAMA_NORMS, TEMPO_LLAMA_ATTENTION,
                                            TEMPO_QK_NORMS,   TEMPO_LLAMA_MLP,   TEMPO_MLP_EXPERTS};

const tempo_arch tempo_arch_qwen3moe = {.gguf = "qwen3moe",
                                        .hf = "qwen3_moe",
                                        .class = "Qwen3MoeForCausalLM",
                                        .top = "model.",
                                        .layer = "layers.",
                                        .read = read_qwen3moe,
                                        TEMPO_PARTS(qwen3moe_parts)};
