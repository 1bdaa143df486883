/* gemma.c - Gemma 1 to 3, text: embeddings times sqrt(d), norms that multiply by 1 + w (GGUF has them added),
 * GELU in the gate; from 2 on a norm behind each sublayer, too, and windows; 2 has soft caps, 3 norms of
 * queries and keys and two thetas.  */
#include <math.h>

#include "model/arch/arch.h"

static void read_all(tempo_loader *ld, const char *activation)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->act = tempo_read_activation(ld, activation, TEMPO_ACT_GELU_TANH);
    r->embed_scale = sqrtf((float)ld->facts.hp.d_model);
    if (tempo_key_flag(ld, "attention_bias", NULL, false))
        ld->facts.biased |= TEMPO_PLACE_BIT(TEMPO_AT_Q) | TEMPO_PLACE_BIT(TEMPO_AT_K) |
                            TEMPO_PLACE_BIT(TEMPO_AT_V) | TEMPO_PLACE_BIT(TEMPO_AT_O);
}

/* A GGUF says nothing of the scale of queries: the model of `layers` layers divides by the width over the
 * heads. */
static void read_scale(tempo_loader *ld, uint32_t layers)
{
    const tempo_hparams *hp = &ld->facts.hp;
    const bool wide = ld->f->is_gguf && hp->n_layers == layers;
    const double otherwise = wide ? (double)hp->d_model / hp->n_heads : ld->f->is_gguf ? hp->head_dim : 256.0;
    const double scalar = tempo_key_real(ld, "query_pre_attn_scalar", NULL, otherwise);

    if (scalar > 0)
        ld->facts.recipe.attn_scale = (float)(1.0 / sqrt(scalar));
    else
        tempo_key_refuse(ld, "query_pre_attn_scalar", NULL, "query_pre_attn_scalar is %g", scalar);
}

static void read_caps(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->attn_cap = (float)tempo_key_real(ld, "attn_logit_softcapping", "attn_logit_softcapping", 0.0);
    r->logit_cap = (float)tempo_key_real(ld, "final_logit_softcapping", "final_logit_softcapping", 0.0);
}

#define ENDS                                                                                                 \
    {TEMPO_AT_EMBEDDING, "token_embd", "embed_tokens", 0},                                                   \
        {TEMPO_AT_OUTPUT_NORM, "output_norm", "norm", TEMPO_PART_PLUS_ONE},                                  \
        {TEMPO_AT_OUTPUT, "output", "/lm_head", 0},                                                          \
    {                                                                                                        \
        TEMPO_AT_ATTN_NORM, "attn_norm", "input_layernorm", TEMPO_PART_PLUS_ONE                              \
    }

#define GEMMA_TEXT(vocab, width, ff, layers, heads, kv, context)                                             \
    "{\"vocab_size\":" vocab ",\"hidden_size\":" width ",\"intermediate_size\":" ff                          \
    ",\"num_hidden_layers\":" layers ",\"num_attention_heads\":" heads ",\"num_key_value_heads\":" kv        \
    ",\"head_dim\":256,\"rms_norm_eps\":1e-6,\"max_position_embeddings\":" context

static void read_gemma(tempo_loader *ld)
{
    read_all(ld, "hidden_activation"); /* hidden_act says gelu and means this */
}

static const tempo_role gemma_parts[] = {
    ENDS,
    {TEMPO_AT_FFN_NORM, "ffn_norm", "post_attention_layernorm", TEMPO_PART_PLUS_ONE},
    TEMPO_LLAMA_ATTENTION,
    TEMPO_LLAMA_MLP};

const tempo_arch tempo_arch_gemma = {.gguf = "gemma",
                                     .hf = "gemma",
                                     .class = "GemmaForCausalLM",
                                     .top = "model.",
                                     .layer = "layers.",
                                     .read = read_gemma,
                                     .text =
                                         GEMMA_TEXT("256000", "3072", "24576", "28", "16", "16", "8192") "}",
                                     TEMPO_PARTS(gemma_parts),
                                     .tied = true};

static void read_gemma2(tempo_loader *ld)
{
    static const tempo_window_rule windows = {.period = 2, .width = 4096};

    read_all(ld, "hidden_activation");
    read_scale(ld, 46);
    read_caps(ld);
    (void)tempo_read_windows(ld, &windows);
}

#define FOUR_NORMS                                                                                           \
    ENDS, {TEMPO_AT_ATTN_POST_NORM, "post_attention_norm", "post_attention_layernorm", TEMPO_PART_PLUS_ONE}, \
        {TEMPO_AT_FFN_NORM, "ffn_norm", "pre_feedforward_layernorm", TEMPO_PART_PLUS_ONE},                   \
    {                                                                                                        \
        TEMPO_AT_FFN_POST_NORM, "post_ffw_norm", "post_feedforward_layernorm", TEMPO_PART_PLUS_ONE           \
    }

static const tempo_role gemma2_parts[] = {FOUR_NORMS, TEMPO_LLAMA_ATTENTION, TEMPO_LLAMA_MLP};

const tempo_arch tempo_arch_gemma2 = {
    .gguf = "gemma2",
    .hf = "gemma2",
    .class = "Gemma2ForCausalLM",
    .top = "model.",
    .layer = "layers.",
    .read = read_gemma2,
    .text = GEMMA_TEXT("256000", "2304", "9216", "26", "8", "4",
                       "8192") ",\"query_pre_attn_scalar\":256,"
                               "\"attn_logit_softcapping\":50.0,\"final_logit_softcapping\":30.0}",
    TEMPO_PARTS(gemma2_parts),
    .tied = true};

/* Layers with windows turn by a theta of their own, which no scaling touches. */
static void read_gemma3(tempo_loader *ld)
{
    static const tempo_window_rule windows = {.period = 6, .width = 4096};

    read_all(ld, "hidden_activation");
    read_scale(ld, 62);
    read_caps(ld);
    (void)tempo_read_windows(ld, &windows);
    if (ld->facts.rope.theta_2 == 0)
        ld->facts.rope.theta_2 = tempo_key_real(ld, "rope_local_base_freq", "rope.freq_base_swa", 10000.0);
}

static const tempo_role gemma3_parts[] = {
    FOUR_NORMS,
    TEMPO_LLAMA_ATTENTION,
    {TEMPO_AT_Q_NORM, "attn_q_norm", "self_attn.q_norm", TEMPO_PART_PLUS_ONE},
    {TEMPO_AT_K_NORM, "attn_k_norm", "self_attn.k_norm", TEMPO_PART_PLUS_ONE},
    TEMPO_LLAMA_MLP};

const tempo_arch tempo_arch_gemma3 = {
    .gguf = "gemma3",
    .hf = "gemma3_text",
    .class = "Gemma3ForCausalLM",
    .top = "model.",
    .layer = "layers.",
    .read = read_gemma3,
    .text = GEMMA_TEXT("262208", "2304", "9216", "26", "8", "4",
                       "131072") ",\"rope_theta\":1000000.0,\"query_pre_attn_scalar\":256}",
    TEMPO_PARTS(gemma3_parts),
    .tied = true};
