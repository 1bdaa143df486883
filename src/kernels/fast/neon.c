/* neon.c - fast products of packed panels on AArch64 without extensions. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_neon.inc"

#include "kernels/fast/act_bytes.inc"

#include "kernels/simd_block.inc"

#include "kernels/quad_neon.inc"

/* Two quads' products sum in 16 bits: 2 * 128 * 127 fits. */
typedef struct quad_w {
    int8x16_t part[2];
} quad_w;

INLINE quad_w quad_ready(vi a, vi b)
{
    return (quad_w){{vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)}};
}

INLINE quad_acc quad_dot(quad_acc acc, quad_w w, const unsigned char *x, const unsigned i)
{
    const int32x2_t both = vreinterpret_s32_u8(vld1_u8(x + 8 * i));
    const int8x16_t a = vreinterpretq_s8_s32(vdupq_lane_s32(both, 0)),
                    b = vreinterpretq_s8_s32(vdupq_lane_s32(both, 1));

    acc.low = vpadalq_s16(acc.low, vmlal_s8(vmull_s8(vget_low_s8(w.part[0]), vget_low_s8(a)),
                                            vget_low_s8(w.part[1]), vget_low_s8(b)));
    acc.high = vpadalq_s16(acc.high, vmlal_high_s8(vmull_high_s8(w.part[0], a), w.part[1], b));
    return acc;
}

#include "kernels/act_rows.inc"

void tempo_kernels_init_neon_fast(tempo_kernels *k)
{
    init_packed(k);
}
