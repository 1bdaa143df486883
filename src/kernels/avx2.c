/* avx2.c - bodies for AVX2 + FMA + F16C, and no other instruction: all but the init function is static. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_avx2.inc"

#include "kernels/simd_rows.inc"

#include "kernels/simd_act.inc"

#include "kernels/simd_float.inc"

#include "kernels/simd_block.inc"

#include "kernels/quad16.inc"

#include "kernels/act_rows.inc"

void tempo_kernels_init_avx2(tempo_kernels *k)
{
    k->name = "avx2";
    init_floats(k);
    init_packed(k);
}
