/* gpt_neox.c - GPT-NeoX, which Pythia is: attention and MLP in parallel, each with a norm, or one after the
 * other. */
#include "model/arch/arch.h"

static void read_gpt_neox(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_GELU_ERF); /* a GGUF does not say; Pythia's */
    r->plain_mlp = true;
    r->parallel = tempo_key_flag(ld, "use_parallel_residual", "use_parallel_residual", true);
    ld->facts.biased = ~UINT64_C(0) & ~TEMPO_PLACE_BIT(TEMPO_AT_OUTPUT);
    if (!tempo_key_flag(ld, "attention_bias", NULL, true))
        ld->facts.biased &= ~(TEMPO_PLACE_BIT(TEMPO_AT_QKV) | TEMPO_PLACE_BIT(TEMPO_AT_O));
}

static const tempo_role parts[] = {
    {TEMPO_AT_EMBEDDING, "token_embd", "embed_in", 0},
    {TEMPO_AT_OUTPUT_NORM, "output_norm", "final_layer_norm", 0},
    {TEMPO_AT_OUTPUT, "output", "/embed_out", 0},
    {TEMPO_AT_ATTN_NORM, "attn_norm", "input_layernorm", 0},
    {TEMPO_AT_QKV, "attn_qkv", "attention.query_key_value", TEMPO_PART_BY_HEAD},
    {TEMPO_AT_O, "attn_output", "attention.dense", 0},
    {TEMPO_AT_FFN_NORM, "ffn_norm", "post_attention_layernorm", 0},
    {TEMPO_AT_GATE, "ffn_up", "mlp.dense_h_to_4h", 0},
    {TEMPO_AT_DOWN, "ffn_down", "mlp.dense_4h_to_h", 0},
};

const tempo_arch tempo_arch_gpt_neox = {.gguf = "gptneox",
                                        .hf = "gpt_neox",
                                        .class = "GPTNeoXForCausalLM",
                                        .top = "gpt_neox.",
                                        .layer = "layers.",
                                        .read = read_gpt_neox,
                                        TEMPO_PARTS(parts),
                                        .norm = TEMPO_NORM_LAYER,
                                        .eps = 1e-5,
                                        .rotated = 0.25,
                                        .partial = true};
