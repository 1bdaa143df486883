/* model_numbers.h - reproducible numbers for synthetic tensors of every element type; private to the
 * model writer.  */
#ifndef TEMPO_TESTS_MODEL_NUMBERS_H
#define TEMPO_TESTS_MODEL_NUMBERS_H
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"

uint64_t test_random(uint64_t *state);
/* n elements of about `scale` around `centre` (quantised types: around 0), n a multiple of the block. */
void test_fill(unsigned char *dst, tempo_dtype type, size_t n, double centre, double scale, uint64_t *state);
/* One float value written as an element of F32, F16 or BF16. */
void test_put_float(unsigned char *dst, tempo_dtype type, size_t i, float value);
float test_get_float(const unsigned char *src, tempo_dtype type, size_t i);

#endif
