/* avx512_vnni.c - what AVX-512 VNNI does better than AVX-512: the products of packed panels. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_avx512.inc"

#include "kernels/simd_block.inc"

#define quad_store vi_store_bytes
#define quad_high(x, i) ((x) + 16 * (i))
#define quad_low(x, i) ((x) + 16 * (i) + 8)
#include "kernels/quad8.inc"

#include "kernels/act_rows.inc"

void tempo_kernels_init_avx512_vnni(tempo_kernels *k)
{
    k->name = "avx512-vnni";
    init_packed(k);
}
