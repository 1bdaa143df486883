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
};

typedef struct tempo_hparams {
    uint32_t n_layers, n_heads, n_kv_heads, head_dim;
    uint32_t d_model; /* width of the residual stream */
    uint32_t d_ff;
    uint32_t n_vocab; /* rows of embedding and output matrix */
    uint32_t n_ctx;   /* positions 0 .. n_ctx-1 */
    float norm_eps;
    bool qk_pairs_adjacent; /* Q and K rows of the file rotate (2i, 2i+1), not (i, i + head_dim/2) */
} tempo_hparams;

typedef struct tempo_layer {
    const float *attn_norm, *ffn_norm; /* [d_model] */
    tempo_weight wq;                   /* [n_heads*head_dim, d_model] */
    tempo_weight wk, wv;               /* [n_kv_heads*head_dim, d_model] */
    tempo_weight wo;                   /* [d_model, n_heads*head_dim] */
    const float *bq, *bk, *bv, *bo;    /* [rows of wq, wk, wv, wo], each NULL without a bias */
    const float *q_norm, *k_norm;      /* [head_dim], NULL without (Qwen3 has them) */
    tempo_weight w_gate, w_up, w_down; /* [d_ff, d_model] x 2, [d_model, d_ff] */
    const float *b_gate, *b_up, *b_down; /* [d_ff] x 2, [d_model], each NULL without a bias */
} tempo_layer;

struct tempo_model {
    tempo_model_info info;
    tempo_hparams hp;
    tempo_kernels kernels;
    tempo_weight embedding;   /* [n_vocab, d_model] */
    tempo_weight output;      /* [n_vocab, d_model]; the embedding when tied */
    const float *output_norm; /* [d_model] */
    tempo_layer *layers;      /* [n_layers] */
    double *rope_freq;        /* [head_dim/2] radians per position, rope scaling included */
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
