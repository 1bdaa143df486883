/* exaone.c - EXAONE 4: norms behind the sublayers alone, of each head's queries and keys; where some layers
 * have windows, those that see everything have no positions. */
#include "model/arch/arch.h"

static void read_exaone4(tempo_loader *ld)
{
    static const tempo_window_rule windows = {.period = 4, .width = 4096};
    uint32_t width;

    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    width = tempo_read_windows(ld, &windows);
    for (uint32_t l = 0; l < ld->facts.hp.n_layers; l++)
        ld->layers[l].rope = width == 0 || ld->layers[l].window != 0;
}

static const tempo_role parts[] = {
    TEMPO_LLAMA_ENDS,
    TEMPO_LLAMA_ATTENTION,
    TEMPO_QK_NORMS,
    TEMPO_LLAMA_MLP,
    {TEMPO_AT_ATTN_POST_NORM, "post_attention_norm", "post_attention_layernorm", 0},
    {TEMPO_AT_FFN_POST_NORM, "post_ffw_norm", "post_feedforward_layernorm", 0}};

const tempo_arch tempo_arch_exaone4 = {.gguf = "exaone4",
                                       .hf = "exaone4",
                                       .class = "Exaone4ForCausalLM",
                                       .top = "model.",
                                       .layer = "layers.",
                                       .read = read_exaone4,
                                       TEMPO_PARTS(parts)};
