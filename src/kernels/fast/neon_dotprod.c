/* neon_dotprod.c - fast products of packed panels by SDOT. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_neon.inc"

#include "kernels/fast/act_bytes.inc"

#include "kernels/simd_block.inc"

typedef struct quad_w {
    int8x16_t part[2];
} quad_w;
typedef vi quad_acc;

INLINE quad_acc quad_start(vi at)
{
    return at;
}
INLINE vi quad_total(quad_acc a)
{
    return a;
}
INLINE quad_w quad_ready(vi a, vi b)
{
    return (quad_w){{vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)}};
}

INLINE quad_acc quad_dot(quad_acc acc, quad_w w, const unsigned char *x, const unsigned i)
{
    const int8x8_t v = vreinterpret_s8_u8(vld1_u8(x + 8 * i));

    return vdotq_lane_s32(vdotq_lane_s32(acc, w.part[0], v, 0), w.part[1], v, 1);
}

#include "kernels/act_rows.inc"

void tempo_kernels_init_dotprod_fast(tempo_kernels *k)
{
    init_packed(k);
}
