/* reference.h - the forward pass again: in double, without a cache, a batch or a kernel, read off docs/semantics.md and the
 * definitions of the models.  It shares no code with src/engine or src/model.  Slow and plain on purpose.
 *
 *   reference.c    the pass
 *   config.c       a config.json -> what the pass does (jansson, nothing of ours)
 *   directory.c    the tensors of a directory -> matrices that are whole, apart and [out, in]
 *   loaded.c       of a model that the library has opened: for tests of what comes behind loading  */
#ifndef TEMPO_TESTS_REFERENCE_H
#define TEMPO_TESTS_REFERENCE_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tempo.h"

typedef struct reference_matrix {
    size_t n_out, n_in;
    double *w, *bias; /* [n_out, n_in], [n_out]; w NULL: there is no such matrix; bias NULL: without */
} reference_matrix;

typedef struct reference_norm {
    bool on;
    double *w, *b; /* NULL: 1, 0 */
} reference_norm;

typedef struct reference_mlp {
    reference_matrix gate, up, down; /* without a gate: gate is the one before the activation */
} reference_mlp;

typedef enum reference_act {
    REFERENCE_SILU,
    REFERENCE_GELU_TANH,
    REFERENCE_GELU_ERF,
    REFERENCE_RELU,
    REFERENCE_RELU_2,
    REFERENCE_CLAMPED,
} reference_act;

typedef struct reference_layer {
    reference_norm attn_norm, attn_post, ffn_norm, ffn_post;
    reference_matrix q, k, v, o;
    double *q_norm, *k_norm; /* [head_dim] or, qk_whole, of all heads; NULL: none */
    double *sinks;           /* [n_heads] or NULL */
    size_t window;           /* positions above the own one less this are seen; 0: all */
    unsigned theta;          /* number of the frequencies, 1 or 2; 0: heads do not rotate */
    reference_mlp mlp;       /* dense; of a layer with experts the shared one, or nothing */
    bool sparse;
    reference_matrix router, shared_gate;
    reference_mlp *experts; /* [n_experts] */
} reference_layer;

typedef struct reference_model {
    char type[32]; /* model_type */
    size_t n_layers, n_heads, n_kv_heads, head_dim, d_model, n_vocab, n_ctx;
    size_t d_ff, d_expert, d_shared;
    double eps;
    bool layer_norm, qk_layer_norm; /* else: root mean square */
    bool qk_whole;
    reference_act act;
    bool parallel, adjacent; /* adjacent: pairs that rotate lie side by side */
    double clip;             /* of q, k, v; 0: none */
    size_t n_rot;
    double *freq[2], rope_scale[2];
    double attn_scale, attn_cap, logit_cap, embed_scale, residual_scale, logit_scale;
    bool alibi;
    size_t position_offset, n_positions;
    size_t n_experts, n_used;
    bool route_selected, route_renormed;
    reference_matrix embedding, output; /* a tied output points to the same numbers */
    double *positions;                  /* [n_positions, d_model] or NULL */
    reference_norm embed_norm, output_norm;
    reference_layer *layers;
    void **owned;
    size_t n_owned;
} reference_model;

typedef struct reference_slot {
    int32_t token;
    uint32_t set;
    double position;
    tempo_mode mode;
    uint32_t first_layer, last_layer; /* where mode holds */
} reference_slot;

/* Given every tap of every slot, values[n_0, n_1] with n_0 heads where there are heads, in any order that has each before it is
 * read; what it writes into them is what the rest is computed from.  */
typedef void (*reference_tap)(void *user, tempo_tap tap, uint32_t layer, size_t slot, double *values, size_t n_0, size_t n_1);

/* logits[n * n_vocab] of every slot of a sequence.  tap may be NULL.  Returns the smallest difference between the router's logits of an
 * expert that a row uses and one that it does not, HUGE_VAL without experts: rounding changes no choice where it is larger.  */
double reference_run(const reference_model *m, const reference_slot *slots, size_t n, reference_tap tap, void *user,
                   double *logits);
void reference_free(reference_model *m);
/* Zeros that live as long as m. */
double *reference_numbers(reference_model *m, size_t n);

/* ---- config.c, directory.c ---- */

/* Aborts where the keys say what it does not know; it is for files that are well formed. */
reference_model *reference_configure(const json_t *config);

/* What a tensor of shape[n_dims] holds, by the name in the directory: numbers of float precision into out. */
typedef void (*reference_source)(void *user, const char *name, size_t n_dims, const size_t *shape, double *out);
/* Every tensor that a model of this configuration has, once. */
void reference_take(reference_model *m, const json_t *config, reference_source source, void *user);
/* A directory with config.json and model.safetensors of F32. */
reference_model *reference_open(const char *dir);

/* ---- loaded.c ---- */

struct tempo_model;
/* Of a model that is open: its recipe and its weights, unpacked. */
reference_model *reference_of(const tempo_model *m);
void reference_forward(const tempo_model *m, const reference_slot *slots, size_t n, reference_tap tap, void *user,
                       double *logits);

#endif
