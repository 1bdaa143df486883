/* model.h - what the forward pass needs of a model: hyper-parameters and weights.
 *
 * Immutable after tempo_model_open.  Matrices stay in the mapped files, or are packed once where that
 * makes their products faster (tempo_kernels.packed); vectors (norms, biases) are converted to float.  */
#ifndef TEMPO_MODEL_MODEL_H
#define TEMPO_MODEL_MODEL_H
#include "base/notes.h"
#include "kernels/kernels.h"
#include "token/token.h"

/* Limits of hyper-parameters, checked before anything is computed from them. */
enum {
    TEMPO_MAX_LAYERS = 1024,
    TEMPO_MAX_HEADS = 1024,
    TEMPO_MAX_HEAD_DIM = 1024,
    TEMPO_MAX_WIDTH = 1 << 17, /* d_model */
    TEMPO_MAX_FF = 1 << 19,    /* d_ff */
    TEMPO_MAX_CONTEXT = 1 << 26,
    TEMPO_MAX_EXPERTS = 4096,
    TEMPO_MAX_EXPERTS_USED = 64, /* by one row */
};

typedef struct tempo_hparams {
    uint32_t n_layers, n_heads, n_kv_heads, head_dim;
    uint32_t d_model; /* width of the residual stream */
    uint32_t d_ff;    /* of the widest MLP: an expert's, or the shared one's */
    uint32_t n_vocab; /* rows of embedding and output matrix */
    uint32_t n_ctx;   /* positions 0 .. n_ctx-1 */
    float norm_eps;
    bool qk_pairs_adjacent; /* Q and K rows of the file rotate (2i, 2i+1), not (i, i + n_rot/2) */
} tempo_hparams;

/* What a norm does before its weights: x / sqrt(mean(x^2) + eps), or (x - mean(x)) / sqrt(var(x) + eps). */
typedef enum tempo_norm_kind { TEMPO_NORM_RMS = 0, TEMPO_NORM_LAYER } tempo_norm_kind;

typedef enum tempo_activation {
    TEMPO_ACT_SILU = 0,
    TEMPO_ACT_GELU_TANH,
    TEMPO_ACT_GELU_ERF,
    TEMPO_ACT_RELU,
    TEMPO_ACT_RELU_2, /* its square */
    TEMPO_ACT_CLAMPED, /* of gpt-oss: min(g, 7) sigmoid(1.702 g) times (u in [-7, 7]) + 1 */
} tempo_activation;

typedef struct tempo_norm {
    const float *w, *b; /* [width]; w NULL: no norm at all; b NULL: no bias */
} tempo_norm;

/* What the forward pass does, where architectures differ: data that model/arch fills in.  All zero but the scales, which are 1, and
 * attn_scale: llama.  */
typedef struct tempo_recipe {
    tempo_norm_kind norm, qk_norm; /* of layers and the end; of queries and keys */
    bool qk_norm_whole;            /* over all heads at once, not one by one */
    tempo_activation act;
    bool plain_mlp;     /* one matrix before the activation (w_gate), no gate */
    bool parallel;      /* attention and MLP read the same stream; where ffn_norm is none the MLP reads attention's norm */
    uint32_t n_rot;     /* rotated elements of a head, the first ones; 0: none */
    float rope_scale[2]; /* what cosines and sines of each set of frequencies are times (yarn, longrope) */
    float attn_scale;   /* of q k; 1 / sqrt(head_dim) mostly */
    float attn_cap, logit_cap; /* c tanh(x / c); 0: none */
    float embed_scale, residual_scale, logit_scale;
    float qkv_clip;     /* q, k, v within +- this; 0: not */
    bool alibi;         /* scores get slope[head] times the difference of positions */
    uint32_t position_offset; /* of learned positions: the row of position 0 */
    uint32_t n_experts, n_used; /* of layers with experts; 0: none has */
    bool route_selected;  /* softmax over the selected experts' logits; else over all, before they are selected */
    bool route_renormed;  /* the selected weights are made to add up to 1 */
} tempo_recipe;

/* An MLP: dense, an expert's, a shared one's. */
typedef struct tempo_mlp {
    uint32_t d_ff;
    tempo_weight w_gate, w_up, w_down;   /* [d_ff, d_model] x 2, [d_model, d_ff]; w_up.data NULL where the MLP is plain */
    const float *b_gate, *b_up, *b_down; /* [d_ff] x 2, [d_model], each NULL without a bias */
} tempo_mlp;

typedef struct tempo_layer {
    tempo_norm attn_norm, ffn_norm;           /* before attention, before the MLP */
    tempo_norm attn_post_norm, ffn_post_norm; /* of what they give, before it is added */
    tempo_weight wq;                   /* [n_heads*head_dim, d_model] */
    tempo_weight wk, wv;               /* [n_kv_heads*head_dim, d_model] */
    tempo_weight wo;                   /* [d_model, n_heads*head_dim] */
    const float *bq, *bk, *bv, *bo;    /* [rows of wq, wk, wv, wo], each NULL without a bias */
    const float *q_norm, *k_norm; /* [head_dim], or of all heads where they are normed whole or each has its own; NULL without */
    bool qk_norm_each;            /* each head has its own [head_dim] of them */
    const float *sinks;           /* [n_heads] a logit that no slot has, or NULL */
    uint32_t window;              /* a row sees positions above its own - window; 0: all */
    unsigned rope;                /* set of frequencies + 1; 0: positions do not rotate */
    tempo_mlp mlp;                /* dense; or the shared expert, d_ff 0 without */
    tempo_weight router;          /* [n_experts, d_model]; data NULL: no experts in this layer */
    const float *b_router;        /* [n_experts] or NULL */
    tempo_weight shared_gate;     /* [1, d_model]: the shared expert times its sigmoid; data NULL: 1 */
    tempo_mlp *experts;           /* [n_experts], or NULL */
    tempo_weight no_weight;       /* empty */
} tempo_layer;

struct tempo_model {
    tempo_model_info info;
    tempo_hparams hp;
    tempo_kernels kernels;
    tempo_weight embedding;   /* [n_vocab, d_model] */
    tempo_weight output;      /* [n_vocab, d_model]; the embedding when tied */
    const float *output_bias; /* [n_vocab] or NULL */
    const float *positions;   /* [n_positions, d_model] learned, or NULL */
    uint32_t n_positions;
    tempo_norm embed_norm, output_norm;
    tempo_recipe recipe;
    tempo_layer *layers;      /* [n_layers] */
    bool windows;             /* some layer has one */
    double *rope_freq[2];     /* [n_rot/2] radians per position, rope scaling included; the second NULL where one is enough */
    const float *slopes;      /* [n_heads] of ALiBi, or NULL */
    tempo_tokenizer *tokenizer; /* NULL: no_tokenizer says why */
    tempo_err no_tokenizer;
    int32_t eos[TEMPO_MAX_EOS]; /* [n_eos] what ends a text, where there is no tokenizer to know it */
    uint32_t n_eos;
    const char *chat_template; /* [chat_template_len], cut off beyond what a template may have; NULL: none */
    size_t chat_template_len;
    tempo_err no_chat; /* code not TEMPO_OK: the files have a template that cannot be used, and why */
    tempo_notes notes; /* what is wrong with parts that the model can do without */
    struct tempo_model_files *files; /* private to src/model: maps, names, float vectors */
};

/* Before a pass: are the files that weights lie in as they were when the model was opened?  TEMPO_E_IO names the one that is
 * not, by the last part of its path: the message may leave the machine.  */
tempo_status tempo_model_unchanged(const tempo_model *m, tempo_err *err) TEMPO_MUST_CHECK;

#endif
