/* avx_vnni.c - what AVX-VNNI does better than AVX2: the products of packed panels. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_avx2.inc"

#include "kernels/simd_block.inc"

#define quad_store vi_store_bytes
#define quad_high(x, i) ((x) + 16 * (i))
#define quad_low(x, i) ((x) + 16 * (i) + 8)
#include "kernels/quad8.inc"

#include "kernels/act_rows.inc"

void tempo_kernels_init_avx_vnni(tempo_kernels *k)
{
    k->name = "avx2-vnni";
    init_packed(k);
}
