/* starcoder2.c - StarCoder 2: LayerNorm, biases, a plain MLP, rotated heads. */
#include "model/arch/arch.h"

static void read_starcoder2(tempo_loader *ld)
{
    static const tempo_window_rule windows = {0};

    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_GELU_TANH);
    ld->facts.recipe.plain_mlp = true;
    (void)tempo_read_windows(ld, &windows);
    ld->facts.biased = TEMPO_PLACE_BIT(TEMPO_AT_ATTN_NORM) | TEMPO_PLACE_BIT(TEMPO_AT_FFN_NORM) |
                       TEMPO_PLACE_BIT(TEMPO_AT_OUTPUT_NORM);
    if (tempo_key_flag(ld, "use_bias", NULL, true))
        ld->facts.biased |= TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) |
                            TEMPO_PLACE_BIT(TEMPO_AT_V) | TEMPO_PLACE_BIT(TEMPO_AT_O) |
                            TEMPO_PLACE_BIT(TEMPO_AT_GATE) | TEMPO_PLACE_BIT(TEMPO_AT_DOWN);
}

static const tempo_role parts[] = {
    TEMPO_LLAMA_ENDS,
    TEMPO_LLAMA_NORMS,
    TEMPO_LLAMA_ATTENTION,
    {TEMPO_AT_GATE, "ffn_up", "mlp.c_fc", 0},
    {TEMPO_AT_DOWN, "ffn_down", "mlp.c_proj", 0},
};

const tempo_arch tempo_arch_starcoder2 = {.gguf = "starcoder2",
                                          .hf = "starcoder2",
                                          .class = "Starcoder2ForCausalLM",
                                          .top = "model.",
                                          .layer = "layers.",
                                          .read = read_starcoder2,
                                          TEMPO_PARTS(parts),
                                          .norm = TEMPO_NORM_LAYER,
                                          .tied = true,
                                          .eps = 1e-5};
