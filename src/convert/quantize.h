/* quantize.h - floats become blocks of an element type.
 *
 * quantize.c holds the types whose codes follow from a block's largest element (Q4_0 to Q8_0, TQ, MXFP4) and plain floats;
 * they give the bytes that the field's tools give.  quantize_k.c holds the K types, whose scales are searched for: of several
 * candidates the one of least squared error.  Source: ggml's block structures; the formulas of the PyPI package gguf.  */
#ifndef TEMPO_CONVERT_QUANTIZE_H
#define TEMPO_CONVERT_QUANTIZE_H
#include "base/dtype.h"

/* dst gets n elements, n a multiple of the type's block; x are finite. */
typedef void (*tempo_quantize_fn)(unsigned char *dst, const float *x, size_t n);
/* NULL: nothing is converted to this type. */
tempo_quantize_fn tempo_quantizer(tempo_dtype type);

/* ---- quantize_k.c ---- */
void tempo_quantize_Q2_K(unsigned char *dst, const float *x, size_t n);
void tempo_quantize_Q3_K(unsigned char *dst, const float *x, size_t n);
void tempo_quantize_Q4_K(unsigned char *dst, const float *x, size_t n);
void tempo_quantize_Q5_K(unsigned char *dst, const float *x, size_t n);
void tempo_quantize_Q6_K(unsigned char *dst, const float *x, size_t n);

#endif
