/* outline.h - a directory's model as a GGUF file would have it: which rows of which tensors go where, and the keys.
 *
 * Reading a directory passes every tensor (bind.c) and every key (arch.h) with its names in both formats.  With an outline
 * in the loader, tensors are noted with their shapes checked, and not bound; keys are noted with what was read.  */
#ifndef TEMPO_MODEL_ARCH_OUTLINE_H
#define TEMPO_MODEL_ARCH_OUTLINE_H
#include "model/arch/arch.h"

/* Rows of a tensor that go into one of a GGUF's; what is fused in one of the formats has several. */
typedef struct tempo_piece {
    const char *name; /* in a GGUF, as in tempo_role; "" where it has none */
    tempo_place place;
    uint32_t layer;             /* TEMPO_NO_LAYER: outside of them */
    uint32_t expert, n_experts; /* n_experts 0: it is no expert's */
    bool bias, vector;          /* a vector has `rows` elements, columns 1 */
    const tempo_tensor *t;
    tempo_cut cut;
    uint64_t rows, columns;
    float plus;              /* added to the elements */
    const tempo_weight *scaled; /* 8-bit floats with factors beside them, or NULL */
} tempo_piece;
#define TEMPO_NO_LAYER UINT32_MAX

typedef enum tempo_said_kind { TEMPO_SAID_COUNT, TEMPO_SAID_REAL, TEMPO_SAID_FLAG } tempo_said_kind;

/* A key of a GGUF, without the architecture in front, and its value. */
typedef struct tempo_said {
    const char *key; /* static text */
    tempo_said_kind kind;
    double value;
} tempo_said;
enum { TEMPO_MAX_SAID = 64 };

struct tempo_outline {
    tempo_piece *pieces; /* [n_pieces] */
    size_t n_pieces, cap;
    tempo_said said[TEMPO_MAX_SAID]; /* [n_said] each key once: what was read first */
    size_t n_said;
    bool windows_each;       /* one number does not say which layers have a window */
    const float *long_factors; /* [n_rot / 2] of longrope, or NULL */
};

/* Open the model, as tempo_model_open with TEMPO_LOAD_FACTS; of a directory nothing is bound, and *o, which may be NULL, is
 * filled.  *ld keeps what reading found; ld->json is gone.  free(o->pieces) and tempo_model_free(ld->m) are the caller's.  */
tempo_status tempo_model_outline(tempo_loader *ld, const char *path, tempo_outline *o, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- for what reads; all do nothing without an outline ---- */
void tempo_outline_say(tempo_loader *ld, const char *gguf, tempo_said_kind kind, double value);
/* Part i of the place: `piece` but for its name and place. */
tempo_status tempo_outline_add(tempo_loader *ld, const tempo_role *part, uint32_t i, tempo_piece piece) TEMPO_MUST_CHECK;

#endif
