/* arch.h - what an architecture is: a row of arch.inc and a file of this folder.
 *
 * It says in data which tensors there are and what each is called in both formats (tempo_role), and in one function which keys
 * hold what the forward pass has to know (tempo_recipe, tempo_layer), again in both formats: tempo_key_real(ld, "HF key",
 * "GGUF key", default).  Keys fail once: the first failure stays in ld->failed, and everything asked after it has its default.
 * Checking shapes and types, splitting what is fused, windows and RoPE's scalings are the same for all.  */
#ifndef TEMPO_MODEL_ARCH_ARCH_H
#define TEMPO_MODEL_ARCH_ARCH_H
#include "model/files.h"

/* ---- tensors ---- */

/* Where a tensor, or what it is cut into, goes. */
typedef enum tempo_place {
    /* once */
    TEMPO_AT_EMBEDDING,
    TEMPO_AT_POSITIONS,
    TEMPO_AT_EMBED_NORM,
    TEMPO_AT_OUTPUT_NORM,
    TEMPO_AT_OUTPUT,
    /* in each layer */
    TEMPO_AT_ATTN_NORM,
    TEMPO_AT_Q,
    TEMPO_AT_K,
    TEMPO_AT_V,
    TEMPO_AT_QKV, /* the three in one */
    TEMPO_AT_Q_NORM, /* of a head; of the whole width where the recipe says so */
    TEMPO_AT_K_NORM,
    TEMPO_AT_SINKS,
    TEMPO_AT_O,
    TEMPO_AT_ATTN_POST_NORM,
    TEMPO_AT_FFN_NORM,
    TEMPO_AT_FFN_POST_NORM,
    /* in layers with a dense MLP */
    TEMPO_AT_GATE, /* of a plain MLP: the one matrix before the activation */
    TEMPO_AT_UP,
    TEMPO_AT_GATE_UP, /* the two in one */
    TEMPO_AT_DOWN,
    /* in layers with experts */
    TEMPO_AT_ROUTER,
    TEMPO_AT_EXPERT_GATE,
    TEMPO_AT_EXPERT_UP,
    TEMPO_AT_EXPERT_GATE_UP,
    TEMPO_AT_EXPERT_DOWN,
    /* the expert that every row uses */
    TEMPO_AT_SHARED_SIGMOID,
    TEMPO_AT_SHARED_GATE,
    TEMPO_AT_SHARED_UP,
    TEMPO_AT_SHARED_DOWN,
    TEMPO_PLACES
} tempo_place;
#define TEMPO_PLACE_BIT(place) (UINT64_C(1) << (place))

/* How a Hugging Face file differs from what its name makes one expect. */
typedef enum tempo_role_how {
    TEMPO_PART_TRANSPOSED = 1, /* [columns, rows] */
    TEMPO_PART_BY_HEAD = 2,    /* rows of q, k and v head by head */
    TEMPO_PART_IN_TURN = 4,    /* a row of the gate, one of up, and so on */
    TEMPO_PART_BARE = 8,       /* no ".weight"; the bias is called NAME_bias */
    TEMPO_PART_PLUS_ONE = 16,  /* a norm multiplies by 1 + w */
    TEMPO_PART_OF_ALL = 32,    /* GGUF, too: one tensor has all experts, [experts, rows, columns] */
} tempo_role_how;

/* A tensor and its bias: their names are these with ".weight" and ".bias" behind, in layers with "blk.N." or the
 * architecture's prefix in front; '*' stands for the number of an expert.  NULL: that format has no such tensor; both NULL: a norm
 * that multiplies by one.  */
typedef struct tempo_role {
    tempo_place place;
    const char *gguf, *hf;
    unsigned how;
} tempo_role;

struct tempo_arch {
    const char *gguf;       /* general.architecture; NULL: GGUF has none */
    const char *hf, *class; /* model_type and architectures of config.json; NULL: found by the GGUF name alone */
    const char *top, *layer; /* what begins names outside and in layers of a directory: "model.", "layers." */
    void (*read)(tempo_loader *ld); /* keys -> ld->facts.recipe, ld->layers */
    const char *text; /* an object: what holds where the text_config of a model of several parts says nothing; NULL: it is none's */
    const tempo_role *parts;
    size_t n_parts;
    tempo_norm_kind norm;
    bool gguf_pairs, hf_pairs; /* Q and K rows of such files rotate adjacent pairs */
    bool tied;                 /* a config.json that says nothing means so */
    bool no_rope;
    bool partial; /* config.json may say what share of a head rotates */
    uint32_t ff_times;  /* the width of the MLP where nothing says it, as a multiple of d_model; 0: it must be said */
    uint32_t n_ctx;     /* likewise of the context */
    double eps;         /* likewise of norms; 0: it must be said */
    double rotated;     /* likewise of the share of a head that rotates; 0: all */
};

#define TEMPO_PARTS(list) .parts = (list), .n_parts = sizeof(list) / sizeof((list)[0])

#define ARCH(name) extern const tempo_arch tempo_arch_##name;
#include "model/arch.inc"
#undef ARCH

/* ---- keys.c ---- */
/* hf: names of one key, newest first, "a|b"; NULL: that format does not have it.  Absent or null: `otherwise`.  Numbers that are
 * not finite, and counts beyond 32 bits, are failures.  */
double tempo_key_number(tempo_loader *ld, const char *hf, const char *gguf, double otherwise); /* finite or not */
double tempo_key_real(tempo_loader *ld, const char *hf, const char *gguf, double otherwise);
uint32_t tempo_key_count(tempo_loader *ld, const char *hf, const char *gguf, uint32_t otherwise);
bool tempo_key_flag(tempo_loader *ld, const char *hf, const char *gguf, bool otherwise);
/* Of config.json alone. */
const char *tempo_key_text(tempo_loader *ld, const char *hf, const char *otherwise);
const json_t *tempo_key_list(tempo_loader *ld, const char *hf); /* or NULL */
/* Where the key stands, for messages. */
uint64_t tempo_key_place(const tempo_loader *ld, const char *hf, const char *gguf);
/* The key as the file's format calls it, for messages; its text lives as long as the block it stands in. */
enum { TEMPO_KEY_LEN = 128 };
const char *tempo_key_name(const tempo_loader *ld, const char *hf, const char *gguf, char out[TEMPO_KEY_LEN]);
#define TEMPO_KEY_NAME(ld, hf, gguf) tempo_key_name(ld, hf, gguf, (char[TEMPO_KEY_LEN]){""})
/* Refuse, by keys; what is read goes on where that is wanted (tempo_refuse). */
void tempo_key_refuse(tempo_loader *ld, const char *hf, const char *gguf, const char *fmt, ...) TEMPO_PRINTF(4, 5);

/* ---- common.c ---- */
/* The key names a function: "silu", "gelu_new" ... */
tempo_activation tempo_read_activation(tempo_loader *ld, const char *hf, tempo_activation otherwise);
/* Experts in every layer: their number, how many a row uses, their width. */
void tempo_read_experts(tempo_loader *ld, const char *hf_count, const char *hf_width);

/* Which layers have a window where the file does not list them. */
typedef struct tempo_window_rule {
    uint32_t period;      /* the last of so many layers has none; 0: all have one */
    bool flagged;         /* only where use_sliding_window says so */
    bool otherwise_none;  /* only where layer_types names them */
    uint32_t first;       /* layers before it have none */
    bool before;          /* it is the layers before it that may have one, and the others that have none */
    uint32_t width;       /* where the key is absent, not null; 0: none */
} tempo_window_rule;
/* Returns how wide they are, whether or not a layer has one; 0: there are none, or each layer has its own. */
uint32_t tempo_read_windows(tempo_loader *ld, const tempo_window_rule *rule);

/* ---- rope_keys.c ---- */
/* theta, its scaling, the share of heads that rotates: ld->facts.rope, ld->facts.recipe.n_rot. */
tempo_status tempo_read_rope(tempo_loader *ld) TEMPO_MUST_CHECK;

/* ---- what is called as in Llama ---- */
#define TEMPO_LLAMA_ATTENTION                                                                                          \
    {TEMPO_AT_Q, "attn_q", "self_attn.q_proj", 0}, {TEMPO_AT_K, "attn_k", "self_attn.k_proj", 0},                      \
        {TEMPO_AT_V, "attn_v", "self_attn.v_proj", 0}, {TEMPO_AT_O, "attn_output", "self_attn.o_proj", 0}
#define TEMPO_LLAMA_MLP                                                                                                \
    {TEMPO_AT_GATE, "ffn_gate", "mlp.gate_proj", 0}, {TEMPO_AT_UP, "ffn_up", "mlp.up_proj", 0},                        \
        {TEMPO_AT_DOWN, "ffn_down", "mlp.down_proj", 0}
#define TEMPO_LLAMA_ENDS                                                                                               \
    {TEMPO_AT_EMBEDDING, "token_embd", "embed_tokens", 0}, {TEMPO_AT_OUTPUT_NORM, "output_norm", "norm", 0},           \
        {TEMPO_AT_OUTPUT, "output", "/lm_head", 0}
#define TEMPO_LLAMA_NORMS                                                                                              \
    {TEMPO_AT_ATTN_NORM, "attn_norm", "input_layernorm", 0},                                                           \
        {TEMPO_AT_FFN_NORM, "ffn_norm", "post_attention_layernorm", 0}
#define TEMPO_QK_NORMS                                                                                                 \
    {TEMPO_AT_Q_NORM, "attn_q_norm", "self_attn.q_norm", 0}, {TEMPO_AT_K_NORM, "attn_k_norm", "self_attn.k_norm", 0}
/* Experts one by one in a directory, together in a GGUF. */
#define TEMPO_EXPERTS(router, gate, up, down)                                                                          \
    {TEMPO_AT_ROUTER, "ffn_gate_inp", router, 0}, {TEMPO_AT_EXPERT_GATE, "ffn_gate_exps", gate, 0},                    \
        {TEMPO_AT_EXPERT_UP, "ffn_up_exps", up, 0}, {TEMPO_AT_EXPERT_DOWN, "ffn_down_exps", down, 0}
#define TEMPO_MLP_EXPERTS                                                                                              \
    TEMPO_EXPERTS("mlp.gate", "mlp.experts.*.gate_proj", "mlp.experts.*.up_proj", "mlp.experts.*.down_proj")

#endif
