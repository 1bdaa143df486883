/* stablelm.c - StableLM: LayerNorm with biases, a gated MLP, the first quarter of a head rotates; some are
 * parallel with one norm. */
#include "model/arch/arch.h"

static void read_stablelm(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    r->parallel = tempo_key_flag(ld, "use_parallel_residual", "use_parallel_residual", false);
    ld->facts.biased = TEMPO_PLACE_BIT(TEMPO_AT_ATTN_NORM) | TEMPO_PLACE_BIT(TEMPO_AT_FFN_NORM) |
                       TEMPO_PLACE_BIT(TEMPO_AT_OUTPUT_NORM);
    if (r->parallel)
        ld->facts.absent |= TEMPO_PLACE_BIT(TEMPO_AT_FFN_NORM);
    if (tempo_key_flag(ld, "use_qkv_bias", NULL, false))
        ld->facts.biased |=
            TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) | TEMPO_PLACE_BIT(TEMPO_AT_V);
    if (tempo_key_flag(ld, "qk_layernorm", NULL, false))
        tempo_key_refuse(ld, "qk_layernorm", NULL, "normed queries and keys are not supported in stablelm");
}

static const tempo_role parts[] = {TEMPO_LLAMA_ENDS, TEMPO_LLAMA_NORMS, TEMPO_LLAMA_ATTENTION,
                                   TEMPO_LLAMA_MLP};

const tempo_arch tempo_arch_stablelm = {.gguf = "stablelm",
                                        .hf = "stablelm",
                                        .class = "StableLmForCausalLM",
                                        .top = "model.",
                                        .layer = "layers.",
                                        .read = read_stablelm,
                                        TEMPO_PARTS(parts),
                                        .norm = TEMPO_NORM_LAYER,
                                        .eps = 1e-5,
                                        .rotated = 0.25,
                                        .partial = true};
