/* gpt_oss.c - gpt-oss: experts with biases and a clamped SwiGLU, attention sinks, every other layer with a
 * window. */
#include "model/arch/arch.h"

static void read_gpt_oss(tempo_loader *ld)
{
    static const tempo_window_rule windows = {.period = 2, .width = 128};

    ld->facts.recipe.act = TEMPO_ACT_CLAMPED;
    ld->facts.recipe.route_selected = true;
    (void)tempo_read_windows(ld, &windows);
    tempo_read_experts(ld, "num_local_experts|num_experts", "intermediate_size");
    ld->facts.biased = TEMPO_PLACE_BIT(TEMPO_AT_ROUTER) | TEMPO_PLACE_BIT(TEMPO_AT_EXPERT_GATE) |
                       TEMPO_PLACE_BIT(TEMPO_AT_EXPERT_UP) | TEMPO_PLACE_BIT(TEMPO_AT_EXPERT_GATE_UP) |
                       TEMPO_PLACE_BIT(TEMPO_AT_EXPERT_DOWN);
    if (tempo_key_flag(ld, "attention_bias", NULL, true))
        ld->facts.biased |= TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) |
                            TEMPO_PLACE_BIT(TEMPO_AT_V) | TEMPO_PLACE_BIT(TEMPO_AT_O);
}

enum { STACKED = TEMPO_PART_OF_ALL | TEMPO_PART_TRANSPOSED | TEMPO_PART_BARE };

static const tempo_role parts[] = {
    TEMPO_LLAMA_ENDS,
    {TEMPO_AT_ATTN_NORM, "attn_norm", "input_layernorm", 0},
    {TEMPO_AT_FFN_NORM, "post_attention_norm", "post_attention_layernorm", 0},
    TEMPO_LLAMA_ATTENTION,
    {TEMPO_AT_SINKS, "attn_sinks", "self_attn.sinks", TEMPO_PART_BARE},
    {TEMPO_AT_ROUTER, "ffn_gate_inp", "mlp.router", 0},
    {TEMPO_AT_EXPERT_GATE_UP, NULL, "mlp.experts.gate_up_proj", STACKED | TEMPO_PART_IN_TURN},
    {TEMPO_AT_EXPERT_GATE, "ffn_gate_exps", NULL, 0},
    {TEMPO_AT_EXPERT_UP, "ffn_up_exps", NULL, 0},
    {TEMPO_AT_EXPERT_DOWN, "ffn_down_exps", "mlp.experts.down_proj", STACKED},
};

const tempo_arch tempo_arch_gpt_oss = {.gguf = "gpt-oss",
                                       .hf = "gpt_oss",
                                       .class = "GptOssForCausalLM",
                                       .top = "model.",
                                       .layer = "layers.",
                                       .read = read_gpt_oss,
                                       TEMPO_PARTS(parts)};
