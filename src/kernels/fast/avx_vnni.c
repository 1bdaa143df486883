/* avx_vnni.c - fast products of packed panels with AVX-VNNI. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_avx2.inc"

#include "kernels/fast/act_bytes.inc"

#include "kernels/simd_block.inc"

#include "kernels/fast/quad_byte.inc"

#include "kernels/act_rows.inc"

void tempo_kernels_init_avx_vnni_fast(tempo_kernels *k)
{
    init_packed(k);
}
