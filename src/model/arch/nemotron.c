/* nemotron.c - Nemotron and Minitron: LayerNorm that multiplies by 1 + w (GGUF has it added), a plain MLP
 * with the square of ReLU, the first half of a head rotates. */
#include "model/arch/arch.h"

static void read_nemotron(tempo_loader *ld)
{
    tempo_facts *f = &ld->facts;

    f->recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_RELU_2);
    f->recipe.plain_mlp = true;
    f->biased = TEMPO_PLACE_BIT(TEMPO_AT_ATTN_NORM) | TEMPO_PLACE_BIT(TEMPO_AT_FFN_NORM) |
                TEMPO_PLACE_BIT(TEMPO_AT_OUTPUT_NORM);
    if (tempo_key_flag(ld, "attention_bias", NULL, false))
        f->biased |= TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) | TEMPO_PLACE_BIT(TEMPO_AT_V) |
                     TEMPO_PLACE_BIT(TEMPO_AT_O);
    if (tempo_key_flag(ld, "mlp_bias", NULL, false))
        f->biased |= TEMPO_PLACE_BIT(TEMPO_AT_GATE) | TEMPO_PLACE_BIT(TEMPO_AT_DOWN);
}

static const tempo_role parts[] = {
    {TEMPO_AT_EMBEDDING, "token_embd", "embed_tokens", 0},
    {TEMPO_AT_OUTPUT_NORM, "output_norm", "norm", TEMPO_PART_PLUS_ONE},
    {TEMPO_AT_OUTPUT, "output", "/lm_head", 0},
    {TEMPO_AT_ATTN_NORM, "attn_norm", "input_layernorm", TEMPO_PART_PLUS_ONE},
    {TEMPO_AT_FFN_NORM, "ffn_norm", "post_attention_layernorm", TEMPO_PART_PLUS_ONE},
    TEMPO_LLAMA_ATTENTION,
    {TEMPO_AT_GATE, "ffn_up", "mlp.up_proj", 0},
    {TEMPO_AT_DOWN, "ffn_down", "mlp.down_proj", 0},
};

const tempo_arch tempo_arch_nemotron = {.gguf = "nemotron",
                                        .hf = "nemotron",
                                        .class = "NemotronForCausalLM",
                                        .top = "model.",
                                        .layer = "layers.",
                                        .read = read_nemotron,
                                        TEMPO_PARTS(parts),
                                        .norm = TEMPO_NORM_LAYER,
                                        .eps = 1e-5,
                                        .rotated = 0.5,
                                        .partial = true};
