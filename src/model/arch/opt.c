/* opt.c - OPT: learned positions that begin at row 2, ReLU. */
#include "model/arch/arch.h"

static void read_opt(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->act = tempo_read_activation(ld, "activation_function", TEMPO_ACT_RELU);
    r->plain_mlp = true;
    r->position_offset = 2;
    ld->facts.biased = ~UINT64_C(0) & ~TEMPO_PLACE_BIT(TEMPO_AT_OUTPUT);
    if (!tempo_key_flag(ld, "do_layer_norm_before", NULL, true))
        tempo_key_refuse(ld, "do_layer_norm_before", NULL,
                         "norms behind the sublayers are not supported in OPT");
    if (tempo_key_count(ld, "word_embed_proj_dim", NULL, ld->facts.hp.d_model) != ld->facts.hp.d_model)
        tempo_key_refuse(ld, "word_embed_proj_dim", NULL, "projected embeddings are not supported");
    if (tempo_key_flag(ld, "_remove_final_layer_norm", NULL, false))
        tempo_key_refuse(ld, "_remove_final_layer_norm", NULL,
                         "a model without its last norm is not supported");
    if (!tempo_key_flag(ld, "enable_bias", NULL, true))
        ld->facts.biased = 0;
}

static const tempo_role parts[] = {
    {TEMPO_AT_EMBEDDING, NULL, "embed_tokens", 0},
    {TEMPO_AT_POSITIONS, NULL, "embed_positions", 0},
    {TEMPO_AT_OUTPUT_NORM, NULL, "final_layer_norm", 0},
    {TEMPO_AT_OUTPUT, NULL, "/lm_head", 0},
    {TEMPO_AT_ATTN_NORM, NULL, "self_attn_layer_norm", 0},
    {TEMPO_AT_Q, NULL, "self_attn.q_proj", 0},
    {TEMPO_AT_K, NULL, "self_attn.k_proj", 0},
    {TEMPO_AT_V, NULL, "self_attn.v_proj", 0},
    {TEMPO_AT_O, NULL, "self_attn.out_proj", 0},
    {TEMPO_AT_FFN_NORM, NULL, "final_layer_norm", 0},
    {TEMPO_AT_GATE, NULL, "fc1", 0},
    {TEMPO_AT_DOWN, NULL, "fc2", 0},
};

const tempo_arch tempo_arch_opt = {.hf = "opt",
                                   .class = "OPTForCausalLM",
                                   .top = "model.decoder.",
                                   .layer = "layers.",
                                   .read = read_opt,
                                   TEMPO_PARTS(parts),
                                   .norm = TEMPO_NORM_LAYER,
                                   .tied = true,
                                   .no_rope = true,
                                   .eps = 1e-5};
