/* neon_i8mm.c - products of packed panels by SMMLA: eight elements of two outputs with the high and the low
 * bytes of eight activations, x = 256 high + low, in one instruction. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_neon.inc"

#include "kernels/simd_block.inc"

typedef struct quad_w {
    int8x16_t part[2]; /* outputs 0, 1 and 2, 3: eight elements of each */
} quad_w;
typedef struct quad_acc {
    vi part[2]; /* of outputs 0, 1 and 2, 3: both high sums, then both low ones */
} quad_acc;

#define quad_store vi_store_bytes

INLINE quad_acc quad_start(vi at) /* all lanes alike */
{
    const vi low = vextq_s32(vi_set1(0), at, 2);

    return (quad_acc){{low, low}};
}
INLINE vi quad_total(quad_acc a)
{
    const int64x2_t p = vreinterpretq_s64_s32(a.part[0]), q = vreinterpretq_s64_s32(a.part[1]);

    return vaddq_s32(vshlq_n_s32(vreinterpretq_s32_s64(vzip1q_s64(p, q)), 8),
                     vreinterpretq_s32_s64(vzip2q_s64(p, q)));
}
INLINE quad_w quad_ready(vi a, vi b)
{
    return (quad_w){{vreinterpretq_s8_s32(vzip1q_s32(a, b)), vreinterpretq_s8_s32(vzip2q_s32(a, b))}};
}

INLINE quad_acc quad_dot(quad_acc acc, quad_w w, const unsigned char *x, const unsigned i)
{
    const int8x16_t v = vreinterpretq_s8_u8(vld1q_u8(x + 16 * i));

    for (size_t j = 0; j < 2; j++)
        acc.part[j] = vmmlaq_s32(acc.part[j], v, w.part[j]);
    return acc;
}

#include "kernels/act_rows.inc"

void tempo_kernels_init_i8mm(tempo_kernels *k)
{
    k->name = "neon-i8mm";
    init_packed(k);
}
