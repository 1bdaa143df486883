/* neon_dotprod.c - products of packed panels by SDOT: signed bytes of weights with the high and the low bytes
 * of activations, x = 256 high + low. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_neon.inc"

#include "kernels/simd_block.inc"

typedef struct quad_w {
    int8x16_t part[2];
} quad_w;
typedef struct quad_acc {
    vi high, low;
} quad_acc;

#define quad_store vi_store_bytes

INLINE quad_acc quad_start(vi at)
{
    return (quad_acc){vi_set1(0), at};
}
INLINE vi quad_total(quad_acc a)
{
    return vaddq_s32(vshlq_n_s32(a.high, 8), a.low);
}
INLINE quad_w quad_ready(vi a, vi b)
{
    return (quad_w){{vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)}};
}

INLINE quad_acc quad_dot(quad_acc acc, quad_w w, const unsigned char *x, const unsigned i)
{
    const int8x16_t v =
        vreinterpretq_s8_u8(vld1q_u8(x + 16 * i)); /* high bytes of two quads, then low ones */

    acc.high = vdotq_laneq_s32(vdotq_laneq_s32(acc.high, w.part[0], v, 0), w.part[1], v, 1);
    acc.low = vdotq_laneq_s32(vdotq_laneq_s32(acc.low, w.part[0], v, 2), w.part[1], v, 3);
    return acc;
}

#include "kernels/act_rows.inc"

void tempo_kernels_init_dotprod(tempo_kernels *k)
{
    k->name = "neon-dotprod";
    init_packed(k);
}
