/* gpt2.c - GPT-2, GPT-Neo and GPT-J: LayerNorm, biases, a plain MLP. */
#include <string.h>

#include "io/json.h"
#include "model/arch/arch.h"

static void read_gpt2(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->act = tempo_read_activation(ld, "activation_function", TEMPO_ACT_GELU_TANH);
    r->plain_mlp = true;
    if (tempo_key_flag(ld, "scale_attn_by_inverse_layer_idx", NULL, false))
        tempo_key_refuse(ld, "scale_attn_by_inverse_layer_idx", NULL,
                         "attention scaled by the number of the layer is not supported");
    if (!tempo_key_flag(ld, "scale_attn_weights", NULL, true))
        r->attn_scale = 1.0f;
    ld->facts.biased = ~UINT64_C(0) & ~TEMPO_PLACE_BIT(TEMPO_AT_OUTPUT);
}

static const tempo_role gpt2_parts[] = {
    {TEMPO_AT_EMBEDDING, "token_embd", "wte", 0},
    {TEMPO_AT_POSITIONS, "position_embd", "wpe", 0},
    {TEMPO_AT_OUTPUT_NORM, "output_norm", "ln_f", 0},
    {TEMPO_AT_OUTPUT, "output", "/lm_head", 0},
    {TEMPO_AT_ATTN_NORM, "attn_norm", "ln_1", 0},
    {TEMPO_AT_QKV, "attn_qkv", "attn.c_attn", TEMPO_PART_TRANSPOSED},
    {TEMPO_AT_O, "attn_output", "attn.c_proj", TEMPO_PART_TRANSPOSED},
    {TEMPO_AT_FFN_NORM, "ffn_norm", "ln_2", 0},
    {TEMPO_AT_GATE, "ffn_up", "mlp.c_fc", TEMPO_PART_TRANSPOSED},
    {TEMPO_AT_DOWN, "ffn_down", "mlp.c_proj", TEMPO_PART_TRANSPOSED},
};

const tempo_arch tempo_arch_gpt2 = {.gguf = "gpt2",
                                    .hf = "gpt2",
                                    .class = "GPT2LMHeadModel",
                                    .top = "transformer.",
                                    .layer = "h.",
                                    .read = read_gpt2,
                                    TEMPO_PARTS(gpt2_parts),
                                    .norm = TEMPO_NORM_LAYER,
                                    .tied = true,
                                    .no_rope = true,
                                    .ff_times = 4,
                                    .eps = 1e-5};

/* ---- GPT-Neo: unscaled attention, every other layer with a window ---- */

/* attention_layers is a list of kinds; attention_types the same as [[kinds, how often], ..]. */
static const char *kind_of(const json_t *layers, const json_t *types, size_t l)
{
    const json_t *group;
    size_t i;

    if (layers != NULL)
        return json_string_value(json_array_get(layers, l));
    json_array_foreach(types, i, group)
    {
        const json_t *kinds = json_array_get(group, 0);
        const size_t n = json_array_size(kinds), times = (size_t)json_integer_value(json_array_get(group, 1));
        if (n > 0 && l / n < times)
            return json_string_value(json_array_get(kinds, l % n));
        l -= n * times;
    }
    return NULL;
}

static void read_neo_windows(tempo_loader *ld)
{
    const json_t *layers = tempo_key_list(ld, "attention_layers"),
                 *types = tempo_key_list(ld, "attention_types");
    const uint32_t width = tempo_key_count(ld, "window_size", NULL, 256);

    for (uint32_t l = 0; l < ld->facts.hp.n_layers; l++) {
        const char *kind =
            layers == NULL && types == NULL ? (l % 2 == 0 ? "global" : "local") : kind_of(layers, types, l);
        if (kind == NULL || (strcmp(kind, "local") != 0 && strcmp(kind, "global") != 0)) {
            tempo_key_refuse(
                ld, "attention_layers|attention_types", NULL,
                "layer %u has attention of the kind \"%.40s\": only global and local are supported",
                (unsigned)l, kind != NULL ? kind : "(none)");
            return;
        }
        ld->layers[l].window = strcmp(kind, "local") == 0 ? width : 0;
    }
}

static void read_gpt_neo(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->act = tempo_read_activation(ld, "activation_function", TEMPO_ACT_GELU_TANH);
    r->plain_mlp = true;
    r->attn_scale = 1.0f;
    read_neo_windows(ld);
    ld->facts.biased = TEMPO_PLACE_BIT(TEMPO_AT_O) | TEMPO_PLACE_BIT(TEMPO_AT_GATE) |
                       TEMPO_PLACE_BIT(TEMPO_AT_DOWN) | TEMPO_PLACE_BIT(TEMPO_AT_ATTN_NORM) |
                       TEMPO_PLACE_BIT(TEMPO_AT_FFN_NORM) | TEMPO_PLACE_BIT(TEMPO_AT_OUTPUT_NORM);
}

static const tempo_role gpt_neo_parts[] = {
    {TEMPO_AT_EMBEDDING, NULL, "wte", 0},
    {TEMPO_AT_POSITIONS, NULL, "wpe", 0},
    {TEMPO_AT_OUTPUT_NORM, NULL, "ln_f", 0},
    {TEMPO_AT_OUTPUT, NULL, "/lm_head", 0},
    {TEMPO_AT_ATTN_NORM, NULL, "ln_1", 0},
    {TEMPO_AT_Q, NULL, "attn.attention.q_proj", 0},
    {TEMPO_AT_K, NULL, "attn.attention.k_proj", 0},
    {TEMPO_AT_V, NULL, "attn.attention.v_proj", 0},
    {TEMPO_AT_O, NULL, "attn.attention.out_proj", 0},
    {TEMPO_AT_FFN_NORM, NULL, "ln_2", 0},
    {TEMPO_AT_GATE, NULL, "mlp.c_fc", 0},
    {TEMPO_AT_DOWN, NULL, "mlp.c_proj", 0},
};

const tempo_arch tempo_arch_gpt_neo = {.hf = "gpt_neo",
                                       .class = "GPTNeoForCausalLM",
                                       .top = "transformer.",
                                       .layer = "h.",
                                       .read = read_gpt_neo,
                                       TEMPO_PARTS(gpt_neo_parts),
                                       .norm = TEMPO_NORM_LAYER,
                                       .tied = true,
                                       .no_rope = true,
                                       .ff_times = 4,
                                       .eps = 1e-5};

/* ---- GPT-J: parallel, one norm, the first elements of a head rotate in adjacent pairs ---- */

static void read_gptj(tempo_loader *ld)
{
    tempo_recipe *r = &ld->facts.recipe;

    r->act = tempo_read_activation(ld, "activation_function", TEMPO_ACT_GELU_TANH);
    r->plain_mlp = true;
    r->parallel = true;
    ld->facts.biased = TEMPO_PLACE_BIT(TEMPO_AT_GATE) | TEMPO_PLACE_BIT(TEMPO_AT_DOWN) |
                       TEMPO_PLACE_BIT(TEMPO_AT_ATTN_NORM) | TEMPO_PLACE_BIT(TEMPO_AT_OUTPUT_NORM);
}

static const tempo_role gptj_parts[] = {
    {TEMPO_AT_EMBEDDING, NULL, "wte", 0},   {TEMPO_AT_OUTPUT_NORM, NULL, "ln_f", 0},
    {TEMPO_AT_OUTPUT, NULL, "/lm_head", 0}, {TEMPO_AT_ATTN_NORM, NULL, "ln_1", 0},
    {TEMPO_AT_Q, NULL, "attn.q_proj", 0},   {TEMPO_AT_K, NULL, "attn.k_proj", 0},
    {TEMPO_AT_V, NULL, "attn.v_proj", 0},   {TEMPO_AT_O, NULL, "attn.out_proj", 0},
    {TEMPO_AT_GATE, NULL, "mlp.fc_in", 0},  {TEMPO_AT_DOWN, NULL, "mlp.fc_out", 0},
};

const tempo_arch tempo_arch_gptj = {.hf = "gptj",
                                    .class = "GPTJForCausalLM",
                                    .top = "transformer.",
                                    .layer = "h.",
                                    .read = read_gptj,
                                    TEMPO_PARTS(gptj_parts),
                                    .norm = TEMPO_NORM_LAYER,
                                    .hf_pairs = true,
                                    .ff_times = 4,
                                    .eps = 1e-5};
