/* model_numbers.h - single float values as elements of a type; whole tensors: model/random.h. */
#ifndef TEMPO_TESTS_MODEL_NUMBERS_H
#define TEMPO_TESTS_MODEL_NUMBERS_H
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "model/random.h"

/* One float value written as an element of F32, F16 or BF16. */
void test_put_float(unsigned char *dst, tempo_dtype type, size_t i, float value);
float test_get_float(const unsigned char *src, tempo_dtype type, size_t i);

#endif
