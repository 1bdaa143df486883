/* elements.h - a second decoder of every element type, element by element, in double: what unpacking and products
 * are compared with.  It shares the codewords of the IQ types with the kernels, and nothing else. */
#ifndef TEMPO_TESTS_ELEMENTS_H
#define TEMPO_TESTS_ELEMENTS_H
#include "base/dtype.h"

/* Element i of a block. */
double test_element(tempo_dtype t, const unsigned char *block, unsigned i);

#endif
