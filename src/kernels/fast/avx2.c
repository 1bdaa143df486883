/* avx2.c - fast products of packed panels with AVX2. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_avx2.inc"

#define QUADS_SIGNED 1 /* quad_pair.inc wants them so */
#include "kernels/fast/act_bytes.inc"

#include "kernels/simd_block.inc"

#include "kernels/fast/quad_pair.inc"

#include "kernels/act_rows.inc"

void tempo_kernels_init_avx2_fast(tempo_kernels *k)
{
    init_packed(k);
}
