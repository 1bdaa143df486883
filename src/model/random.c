/* random.c - random elements of every type, with block scales that keep values sane. */
#include "model/random.h"

#include <assert.h>
#include <string.h>

#include "base/half.h"

uint64_t tempo_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- blocks ---- */

/* Where a block keeps its scales, and which values make its elements about 1 in size. */
typedef struct block_scale {
    size_t d_at, m_at; /* byte offsets of the scale and of the minimum; m_at = 0: no minimum */
    double d, m;
} block_scale;

/* Without a default, so that a new element type without a line here does not compile (-Wswitch). */
static block_scale scale_of(tempo_dtype type)
{
    switch (type) {
    case TEMPO_Q4_0:
        return (block_scale){0, 0, 0.22, 0.0};
    case TEMPO_Q4_1:
        return (block_scale){0, 2, 0.22, -1.65};
    case TEMPO_Q5_0:
        return (block_scale){0, 0, 0.108, 0.0};
    case TEMPO_Q5_1:
        return (block_scale){0, 2, 0.108, -1.67};
    case TEMPO_Q8_0:
        return (block_scale){0, 0, 0.0135, 0.0};
    case TEMPO_Q4_K:
        return (block_scale){0, 2, 0.00387, 0.029};
    case TEMPO_Q5_K:
        return (block_scale){0, 2, 0.0019, 0.0294};
    case TEMPO_Q6_K:
        return (block_scale){208, 0, 0.00073, 0.0};
    case TEMPO_F32:
    case TEMPO_F16:
    case TEMPO_BF16:
    case TEMPO_DTYPE_COUNT:
        break;
    }
    assert(0); /* blocks of a type that has none */
    return (block_scale){0};
}

static void put_half(unsigned char *at, double value)
{
    const uint16_t h = tempo_float_to_f16((float)value);

    memcpy(at, &h, 2);
}

/* Any bytes are valid quants; only the 16-bit scales need care. */
static void fill_blocks(unsigned char *dst, tempo_dtype type, size_t n, double scale, uint64_t *state)
{
    const tempo_dtype_info *info = tempo_dtype_get(type);
    const size_t bytes = n / info->block_len * info->block_bytes;
    const block_scale s = scale_of(type);

    for (size_t i = 0; i < bytes; i += 8) {
        const uint64_t r = tempo_random(state);
        memcpy(dst + i, &r, bytes - i < 8 ? bytes - i : 8);
    }
    for (size_t at = 0; at < bytes; at += info->block_bytes) {
        const double factor = scale * (0.75 + 0.5 * (double)(tempo_random(state) >> 40) * 0x1p-24);
        put_half(dst + at + s.d_at, s.d * factor);
        if (s.m_at != 0)
            put_half(dst + at + s.m_at, s.m * factor);
    }
}

/* ---- floats ---- */

static void put_float(unsigned char *dst, tempo_dtype type, size_t i, float value)
{
    const uint16_t half = type == TEMPO_F16 ? tempo_float_to_f16(value) : tempo_float_to_bf16(value);

    if (type == TEMPO_F32)
        memcpy(dst + 4 * i, &value, 4);
    else
        memcpy(dst + 2 * i, &half, 2);
}

void tempo_random_fill(unsigned char *dst, tempo_dtype type, size_t n, double centre, double scale,
                       uint64_t *state)
{
    const double half_width = scale * 1.7320508075688772; /* of a uniform distribution with that deviation */

    if (type != TEMPO_F32 && type != TEMPO_F16 && type != TEMPO_BF16) {
        fill_blocks(dst, type, n, scale, state);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const double u = (double)(tempo_random(state) >> 11) * 0x1p-53; /* [0, 1) */
        put_float(dst, type, i, (float)(centre + half_width * (2.0 * u - 1.0)));
    }
}
