/* avx512_vnni.c - what AVX-512 VNNI does better than AVX-512: the products of packed panels. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_avx512.inc"

#include "kernels/simd_block.inc"

#include "kernels/quad8.inc"

#include "kernels/simd_panel.inc"

void tempo_kernels_init_avx512_vnni(tempo_kernels *k)
{
    k->name = "avx512-vnni";
    init_packed(k);
}
