/* kernels.h - inner loops with one scalar meaning and many instruction-set bodies.
 *
 * A table belongs to a model; nothing is global.  kernels.inc is the only list of the plain
 * kernels, base/dtype.inc of the element types.  Rules every body keeps:
 *   - each output is a fixed function of its own operands: never of the tile it was computed in,
 *     of m or n, of alignment or of a remainder loop (semantics.md, row independence);
 *   - activations are float; no accumulation chain is longer than 256 additions in the matrix
 *     product; the softmax sum is in double;
 *   - operands are read only inside the ranges given; no alignment beyond the element's is required.  */
#ifndef TEMPO_KERNELS_KERNELS_H
#define TEMPO_KERNELS_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"

enum tempo_cpu {
    TEMPO_CPU_AVX2 = 1u << 0, /* AVX2 + FMA + F16C */
};

/* The product of a weight matrix with m rows of activations, for one element type:
 *   y[r * ldy + o] = sum_i w[o, i] * x[r * ldx + i]   for r < m, o < n
 * w: n rows of k elements of the type, row_bytes apart, as in the file; k is a multiple of the
 * type's block length.  scratch: [TEMPO_MATMUL_TILE * k] floats of the calling thread.
 * Error of one output: |y - exact| <= (k/16 + 260) * 2^-24 * sum |w_i x_i| at most.  */
enum { TEMPO_MATMUL_TILE = 4 };
typedef void (*tempo_matmul_fn)(float *y, size_t ldy, const void *w, size_t row_bytes, size_t n,
                                const float *x, size_t ldx, size_t m, size_t k, float *scratch);

/* dst[n] = the exact float values of n elements; n a multiple of the type's block length. */
typedef void (*tempo_unpack_fn)(float *dst, const void *src, size_t n);

typedef struct tempo_kernels {
    const char *name; /* "scalar", "avx2": recorded in every output */
    uint32_t cpu;     /* the features it was built for */
#define KERNEL(name, ret, args) ret (*name) args;
#include "kernels/kernels.inc"
#undef KERNEL
    tempo_unpack_fn unpack[TEMPO_DTYPE_COUNT];
    tempo_matmul_fn matmul[TEMPO_DTYPE_COUNT];
} tempo_kernels;

/* CPU features that both the processor and the operating system enable. */
uint32_t tempo_cpu_detect(void);
/* The features that a path's name allows ("auto" or NULL: all of tempo_cpu_detect); false if the name
 * is unknown or this machine lacks it.  */
bool tempo_cpu_from_name(const char *name, uint32_t *cpu);
/* Fill every entry of *k with the best body allowed by `cpu`; 0 gives the scalar reference. */
void tempo_kernels_init(tempo_kernels *k, uint32_t cpu);

/* Each instruction-set file overrides the entries it implements and leaves the rest. */
void tempo_kernels_init_scalar(tempo_kernels *k);
void tempo_kernels_init_avx2(tempo_kernels *k);

#endif
