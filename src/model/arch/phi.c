/* phi.c - Phi 1 to 2: parallel, one norm, a plain MLP; Phi 3 and 4: llama's recipe, its matrices fused. */
#include "model/arch/arch.h"

static void read_phi(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_GELU_TANH);
    r->plain_mlp = true;
    r->parallel = true;
    ld->facts.biased = ~UINT64_C(0);
    if (tempo_key_flag(ld, "qk_layernorm", NULL, false))
        tempo_key_refuse(ld, "qk_layernorm", NULL, "normed queries and keys are not supported in phi");
}

static const tempo_role phi_parts[] = {
    {TEMPO_AT_EMBEDDING, "token_embd", "embed_tokens", 0},
    {TEMPO_AT_OUTPUT_NORM, "output_norm", "final_layernorm", 0},
    {TEMPO_AT_OUTPUT, "output", "/lm_head", 0},
    {TEMPO_AT_ATTN_NORM, "attn_norm", "input_layernorm", 0},
    {TEMPO_AT_QKV, "attn_qkv", NULL, 0}, /* older GGUFs */
    {TEMPO_AT_Q, "attn_q", "self_attn.q_proj", 0},
    {TEMPO_AT_K, "attn_k", "self_attn.k_proj", 0},
    {TEMPO_AT_V, "attn_v", "self_attn.v_proj", 0},
    {TEMPO_AT_O, "attn_output", "self_attn.dense", 0},
    {TEMPO_AT_GATE, "ffn_up", "mlp.fc1", 0},
    {TEMPO_AT_DOWN, "ffn_down", "mlp.fc2", 0},
};

const tempo_arch tempo_arch_phi = {.gguf = "phi2",
                                   .hf = "phi",
                                   .class = "PhiForCausalLM",
                                   .top = "model.",
                                   .layer = "layers.",
                                   .read = read_phi,
                                   TEMPO_PARTS(phi_parts),
                                   .norm = TEMPO_NORM_LAYER,
                                   .eps = 1e-5,
                                   .rotated = 0.5,
                                   .partial = true};

static void read_phi3(tempo_loader *ld)
{
    static const tempo_window_rule windows = {0};

    ld->facts.recipe.act = tempo_read_activation(ld, "hidden_act", TEMPO_ACT_SILU);
    (void)tempo_read_windows(ld, &windows);
}

static const tempo_role phi3_parts[] = {
    TEMPO_LLAMA_ENDS,
    TEMPO_LLAMA_NORMS,
    {TEMPO_AT_QKV, "attn_qkv", "self_attn.qkv_proj", 0},
    {TEMPO_AT_O, "attn_output", "self_attn.o_proj", 0},
    {TEMPO_AT_GATE_UP, "ffn_up", "mlp.gate_up_proj", 0},
    {TEMPO_AT_DOWN, "ffn_down", "mlp.down_proj", 0},
};

const tempo_arch tempo_arch_phi3 = {.gguf = "phi3",
                                    .hf = "phi3",
                                    .class = "Phi3ForCausalLM",
                                    .top = "model.",
                                    .layer = "layers.",
                                    .read = read_phi3,
                                    TEMPO_PARTS(phi3_parts),
                                    .partial = true};
