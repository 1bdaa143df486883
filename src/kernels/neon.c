/* neon.c - bodies for AArch64 without extensions: all but the init function is static. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_neon.inc"

#include "kernels/simd_rows.inc"

#include "kernels/simd_act.inc"

#include "kernels/simd_float.inc"

#include "kernels/simd_block.inc"

#include "kernels/quad_neon.inc"

/* Quads for simd_panel.inc by products of 16-bit pairs: elements 0, 2 of a quad, then 1, 3. */
typedef struct quad_w {
    int16x8_t part[4];
} quad_w;

#define quad_store vi_store_quads

INLINE quad_w quad_ready(vi a, vi b)
{
    const int16x8_t p = vreinterpretq_s16_s32(a), q = vreinterpretq_s16_s32(b);

    return (quad_w){{vshrq_n_s16(vshlq_n_s16(p, 8), 8), vshrq_n_s16(p, 8), vshrq_n_s16(vshlq_n_s16(q, 8), 8),
                     vshrq_n_s16(q, 8)}};
}

INLINE quad_acc quad_dot(quad_acc acc, quad_w w, const unsigned char *x, const unsigned i)
{
    for (size_t j = 0; j < 4; j++) {
        int32_t pair;
        memcpy(&pair, x + 16 * i + 4 * j, sizeof(pair));
        const int16x8_t both = vreinterpretq_s16_s32(vdupq_n_s32(pair));
        acc.low = vmlal_s16(acc.low, vget_low_s16(w.part[j]), vget_low_s16(both));
        acc.high = vmlal_high_s16(acc.high, w.part[j], both);
    }
    return acc;
}

#include "kernels/act_rows.inc"

void tempo_kernels_init_neon(tempo_kernels *k)
{
    k->name = "neon";
    init_floats(k);
    init_packed(k);
}
