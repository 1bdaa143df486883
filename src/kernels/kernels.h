/* kernels.h - inner loops with one scalar meaning and many instruction-set bodies.
 *
 * A table belongs to a model; nothing is global.  kernels.inc is the only list of the plain
 * kernels, base/dtype.inc of the element types.  Rules every body keeps:
 *   - each output is a fixed function of its own operands: never of the tile it was computed in,
 *     of m or n, of alignment or of a remainder loop (semantics.md, row independence);
 *   - no accumulation chain is longer than 256 additions in the matrix product; the softmax sum is
 *     in double;
 *   - operands are read only inside the ranges given; no alignment beyond the element's is required.  */
#ifndef TEMPO_KERNELS_KERNELS_H
#define TEMPO_KERNELS_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "tempo.h"

/* Features of processors, and the paths that combine them.  A path needs all before it on its machine. */
enum tempo_cpu {
    TEMPO_CPU_AVX2 = 1u << 0,        /* AVX2 + FMA + F16C */
    TEMPO_CPU_AVX_VNNI = 1u << 1,    /* 256-bit VNNI without AVX-512 */
    TEMPO_CPU_AVX512 = 1u << 2,      /* AVX-512 F, BW, VL, DQ */
    TEMPO_CPU_AVX512_VNNI = 1u << 3, /* AVX-512 VNNI */
    TEMPO_CPU_AMX = 1u << 4,         /* AMX tile, INT8, BF16, and AVX-512 BF16 */
    TEMPO_CPU_NEON = 1u << 5,        /* Advanced SIMD */
    TEMPO_CPU_DOTPROD = 1u << 6,     /* SDOT */
    TEMPO_CPU_I8MM = 1u << 7,        /* SMMLA */
};

enum {
    TEMPO_PANEL = 16,  /* outputs of a packed panel; ranges of outputs begin at multiples of it */
    TEMPO_BLOCK = 32,  /* elements that share a scale when activations become integers */
    TEMPO_GROUP = 8,   /* rows whose activations may share a cache line (tempo_form_bodies.prepare) */
    TEMPO_PAGE_SLOTS = 64, /* keys that qk takes at once = slots of a page = block of the attention sum */
};

/* A matrix [n_out, n_in]: y = W x. */
typedef struct tempo_weight {
    const void *data; /* n_out rows in file encoding, row_bytes apart */
    size_t n_out, n_in, row_bytes;
    tempo_dtype type;
    const void *panels; /* the same as panels (panel.h), or NULL: see tempo_kernels.packed */
    /* [ceil(n_out / scale_rows), ceil(n_in / scale_columns)] factors of blocks of elements, or NULL; only of types
     * whose products unpack (F8_E4M3, F8_E5M2) */
    const float *scales;
    size_t scale_rows, scale_columns;
} tempo_weight;

/* Bytes of a matrix as its file encodes it. */
static inline uint64_t tempo_weight_bytes(const tempo_weight *w)
{
    return (uint64_t)w->n_out * w->row_bytes;
}

/* What a product makes of its activations first, once for all the outputs. */
typedef enum tempo_form {
    TEMPO_FORM_FLOAT,   /* as they are: rows of k floats, nothing to prepare */
    TEMPO_FORM_INTEGER, /* blocks of TEMPO_BLOCK: integers of 16 bits (range +-32639) and a float scale */
    TEMPO_FORM_BYTES,   /* the same with integers of 8 bits (range +-127): fast */
    TEMPO_FORM_BF16,    /* sums of BF16 terms, as right operands */
    TEMPO_FORM_BF16_ROWS, /* one BF16 term, as left operands */
    TEMPO_FORM_COUNT
} tempo_form;

typedef struct tempo_form_bodies {
    /* Bytes for m rows of k elements, a multiple of 64. */
    size_t (*bytes)(size_t m, size_t k);
    /* Elements [begin, end) of x[k], row r.  begin is a multiple of TEMPO_BLOCK, and so is end unless it is
     * k.  Threads may prepare different ranges and rows at once, best with rows of one group of
     * TEMPO_GROUP together.  act: 64-byte aligned. */
    void (*prepare)(void *act, size_t r, const float *x, size_t k, size_t begin, size_t end);
} tempo_form_bodies;

/* The product of outputs [first, first + n) of a matrix with m rows of activations:
 *   y[r * ldy + o] = sum_i w[o, i] * x[r, i]   for r < m, first <= o < first + n
 * first: a multiple of TEMPO_PANEL, and so is n unless it reaches n_out.  act: in the type's form.
 * scratch: [scratch_bytes(k)] of the calling thread, 64-byte aligned.
 * Errors of one output, S = sum |w_i x_i|:
 *   float form    (k/16 + 260) * 2^-24 * S
 *   bf16 form     2^-15 * S, fast 2^-7 * S
 *   bf16 rows     2^-6 * S (fast only)
 *   integer form  2^-15 * sum over blocks of TEMPO_BLOCK of max |x| * sum |w|
 *   bytes         1/253 times the same sum (fast only): x is off by half a unit, max |x| / 254
 * Numbers below 2^-96, and for the integer form blocks of such numbers, may count as zeros.  */
typedef void (*tempo_matmul_fn)(float *y, size_t ldy, const tempo_weight *w, size_t first, size_t n,
                                const void *act, size_t m, void *scratch);

typedef struct tempo_kernels {
    const char *name; /* "scalar", "avx2", "avx512-vnni": recorded in every output */
    uint32_t cpu;     /* the features it was built for */
    tempo_compute compute;
#define KERNEL(name, ret, args) ret (*name) args;
#include "kernels/kernels.inc"
#undef KERNEL
    tempo_form_bodies form_bodies[TEMPO_FORM_COUNT]; /* [TEMPO_FORM_FLOAT] is empty */
    tempo_form form[TEMPO_DTYPE_COUNT];
    bool packed[TEMPO_DTYPE_COUNT]; /* the product reads tempo_weight.panels */
    tempo_matmul_fn matmul[TEMPO_DTYPE_COUNT];
    size_t (*scratch_bytes)(size_t k); /* a multiple of 64 */
} tempo_kernels;

/* dst[n] = the float values of n elements, exact but of F64, I32, I64; n a multiple of the type's block length. */
typedef void (*tempo_unpack_fn)(float *dst, const void *src, size_t n);
extern const tempo_unpack_fn tempo_unpack[TEMPO_DTYPE_COUNT];
/* dst[n_in] = a row of a matrix, its scales applied. */
void tempo_weight_row(float *dst, const tempo_weight *w, size_t row);

/* Bytes of one packed panel of rows of n_in elements; 0 for types that are never packed. */
size_t tempo_panel_bytes(tempo_dtype t, size_t n_in);
/* Pack panels [first, first + n) of w->data; dst: where panel `first` goes. */
void tempo_pack_panels(void *dst, const tempo_weight *w, size_t first, size_t n);

/* CPU features that both the processor and the operating system enable. */
uint32_t tempo_cpu_detect(void);
/* The features of a path ("auto" or NULL: all of tempo_cpu_detect); false if the name is unknown or this
 * machine lacks it.  */
bool tempo_cpu_from_name(const char *name, uint32_t *cpu);
/* The names of the paths that this machine has, "scalar" first; NULL past the last. */
const char *tempo_cpu_name(size_t i);
/* Fill every entry of *k with the best body allowed by `cpu`; 0 gives the scalar reference.  `fast` lets
 * products round more (tempo_matmul_fn); a path without such bodies computes as `exact` does.  */
void tempo_kernels_init(tempo_kernels *k, uint32_t cpu, tempo_compute compute);

/* Bits that products with matrices of a type keep of activations (tempo.h: tempo_compute). */
uint32_t tempo_activation_bits(const tempo_kernels *k, tempo_dtype type);

/* Each instruction-set file overrides the entries it implements and leaves the rest. */
void tempo_kernels_init_scalar(tempo_kernels *k);
void tempo_kernels_init_avx2(tempo_kernels *k);
void tempo_kernels_init_avx_vnni(tempo_kernels *k);
void tempo_kernels_init_avx512(tempo_kernels *k);
void tempo_kernels_init_avx512_vnni(tempo_kernels *k);
void tempo_kernels_init_avx2_fast(tempo_kernels *k);
void tempo_kernels_init_avx_vnni_fast(tempo_kernels *k);
void tempo_kernels_init_avx512_fast(tempo_kernels *k);
void tempo_kernels_init_avx512_vnni_fast(tempo_kernels *k);
void tempo_kernels_init_amx(tempo_kernels *k, tempo_compute mode);
void tempo_kernels_init_neon(tempo_kernels *k);
void tempo_kernels_init_dotprod(tempo_kernels *k);
void tempo_kernels_init_i8mm(tempo_kernels *k);
void tempo_kernels_init_neon_fast(tempo_kernels *k);
void tempo_kernels_init_dotprod_fast(tempo_kernels *k);

#endif
