/* reference.h - the forward pass again: in double, without a cache, a batch or a kernel, read off docs/semantics.md and the
 * models' definitions.  Independent of src/engine; it shares the loaded weights and the RoPE frequencies (which test_rope.c
 * checks).  Slow and plain on purpose.  */
#ifndef TEMPO_TESTS_REFERENCE_H
#define TEMPO_TESTS_REFERENCE_H
#include "model/model.h"

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

/* logits[n * n_vocab] of every slot of a sequence.  tap may be NULL. */
void reference_forward(const tempo_model *m, const reference_slot *slots, size_t n, reference_tap tap, void *user,
                       double *logits);

#endif
