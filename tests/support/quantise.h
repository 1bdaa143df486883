/* quantise.h - plain quantisers for tests: not the best rounding, but a valid one. */
#ifndef TEMPO_TESTS_QUANTISE_H
#define TEMPO_TESTS_QUANTISE_H
#include <stddef.h>

#include "base/dtype.h"

/* x[n], n a multiple of the block, as F32, Q8_0 or Q4_K; x becomes what the bytes stand for (elements.h). */
void test_quantise(tempo_dtype type, double *x, size_t n, unsigned char *out);

#endif
