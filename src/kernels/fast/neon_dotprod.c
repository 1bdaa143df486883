/* neon_dotprod.c - fast products of packed panels by SDOT. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_neon.inc"

#include "kernels/fast/act_bytes.inc"

#include "kernels/simd_block.inc"

#include "kernels/fast/quad_two.inc"

INLINE quad_acc quad_dot(quad_acc acc, quad_w w, const unsigned char *x, const unsigned i)
{
    const int8x8_t v = vreinterpret_s8_u8(vld1_u8(x + 8 * i));

    acc = vdotq_lane_s32(acc, vreinterpretq_s8_s32(w.part[0]), v, 0);
    return vdotq_lane_s32(acc, vreinterpretq_s8_s32(w.part[1]), v, 1);
}

#include "kernels/act_rows.inc"

void tempo_kernels_init_dotprod_fast(tempo_kernels *k)
{
    init_packed(k);
}
