/* random.h - reproducible random elements of every type, for synthetic models. */
#ifndef TEMPO_MODEL_RANDOM_H
#define TEMPO_MODEL_RANDOM_H
#include "base/dtype.h"

/* The next number of a stream that *state alone determines (splitmix64, Steele et al. 2014). */
uint64_t tempo_random(uint64_t *state);
/* n elements of standard deviation about `scale` around `centre` (quantised types: around 0, and any bits for their
 * quants), n a multiple of the block.  Source of the blocks: ggml's quantisation formats.  */
void tempo_random_fill(unsigned char *dst, tempo_dtype type, size_t n, double centre, double scale, uint64_t *state);

#endif
