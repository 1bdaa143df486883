/* bloom.c - BLOOM: ALiBi, a norm behind the embedding. */
#include "model/arch/arch.h"

static void read_bloom(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->act = TEMPO_ACT_GELU_TANH;
    r->plain_mlp = true;
    r->alibi = true;
    ld->facts.biased = ~UINT64_C(0) & ~TEMPO_PLACE_BIT(TEMPO_AT_OUTPUT);
    if (tempo_key_flag(ld, "apply_residual_connection_post_layernorm", NULL, false))
        tempo_key_refuse(ld, "apply_residual_connection_post_layernorm", NULL,
                         "a residual stream that is normed is not supported");
}

static const tempo_role parts[] = {
    {TEMPO_AT_EMBEDDING, "token_embd", "word_embeddings", 0},
    {TEMPO_AT_EMBED_NORM, "token_embd_norm", "word_embeddings_layernorm", 0},
    {TEMPO_AT_OUTPUT_NORM, "output_norm", "ln_f", 0},
    {TEMPO_AT_OUTPUT, "output", "/lm_head", 0},
    {TEMPO_AT_ATTN_NORM, "attn_norm", "input_layernorm", 0},
    {TEMPO_AT_QKV, "attn_qkv", "self_attention.query_key_value", TEMPO_PART_BY_HEAD},
    {TEMPO_AT_O, "attn_output", "self_attention.dense", 0},
    {TEMPO_AT_FFN_NORM, "ffn_norm", "post_attention_layernorm", 0},
    {TEMPO_AT_GATE, "ffn_up", "mlp.dense_h_to_4h", 0},
    {TEMPO_AT_DOWN, "ffn_down", "mlp.dense_4h_to_h", 0},
};

const tempo_arch tempo_arch_bloom = {.gguf = "bloom",
                                     .hf = "bloom",
                                     .class = "BloomForCausalLM",
                                     .top = "transformer.",
                                     .layer = "h.",
                                     .read = read_bloom,
                                     TEMPO_PARTS(parts),
                                     .norm = TEMPO_NORM_LAYER,
                                     .tied = true,
                                     .no_rope = true,
                                     .ff_times = 4,
                                     .n_ctx = 2048,
                                     .eps = 1e-5};
