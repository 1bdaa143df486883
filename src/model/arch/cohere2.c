/* cohere2.c - Command R7B: parallel with one norm, LayerNorm without bias; layers that see everything have no
 * positions. */
#include "model/arch/arch.h"

static void read_cohere2(tempo_loader *ld)
{
    static const tempo_window_rule windows = {.period = 4, .width = 4096};
    tempo_recipe *r = &ld->facts.recipe;

    r->act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    r->parallel = true;
    r->logit_scale = (float)tempo_key_real(ld, "logit_scale", "logit_scale", 0.0625);
    (void)tempo_read_windows(ld, &windows);
    for (uint32_t l = 0; l < ld->facts.hp.n_layers; l++)
        ld->layers[l].rope = ld->layers[l].window != 0;
    if (tempo_key_flag(ld, "attention_bias", NULL, false))
        ld->facts.biased |= TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) |
                            TEMPO_PLACE_BIT(TEMPO_AT_V) | TEMPO_PLACE_BIT(TEMPO_AT_O);
}

static const tempo_role parts[] = {TEMPO_LLAMA_ENDS,
                                   {TEMPO_AT_ATTN_NORM, "attn_norm", "input_layernorm", 0},
                                   TEMPO_LLAMA_ATTENTION,
                                   TEMPO_LLAMA_MLP};

const tempo_arch tempo_arch_cohere2 = {.gguf = "cohere2",
                                       .hf = "cohere2",
                                       .class = "Cohere2ForCausalLM",
                                       .top = "model.",
                                       .layer = "layers.",
                                       .read = read_cohere2,
                                       TEMPO_PARTS(parts),
                                       .norm = TEMPO_NORM_LAYER,
                                       .gguf_pairs = true,
                                       .hf_pairs = true,
                                       .tied = true,
                                       .eps = 1e-5};
