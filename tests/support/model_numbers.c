/* model_numbers.c - random elements of every type, with block scales that keep values sane. */
#include "support/model_numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"

uint64_t test_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void test_put_float(unsigned char *dst, tempo_dtype type, size_t i, float value)
{
    const uint16_t half = type == TEMPO_F16 ? tempo_float_to_f16(value) : tempo_float_to_bf16(value);

    if (type == TEMPO_F32)
        memcpy(dst + 4 * i, &value, 4);
    else
        memcpy(dst + 2 * i, &half, 2);
}

float test_get_float(const unsigned char *src, tempo_dtype type, size_t i)
{
    uint16_t half;
    float value;

    if (type == TEMPO_F32) {
        memcpy(&value, src + 4 * i, 4);
        return value;
    }
    memcpy(&half, src + 2 * i, 2);
    return type == TEMPO_F16 ? tempo_f16_to_float(half) : tempo_bf16_to_float(half);
}

/* Where a block keeps its scales, and which values make its elements about 1 in size. */
typedef struct block_scale {
    tempo_dtype type;
    size_t d_at, m_at; /* byte offsets of the scale and of the minimum; m_at = 0: no minimum */
    double d, m;
} block_scale;

static const block_scale scales[] = {
    {TEMPO_Q4_0, 0, 0, 0.22, 0.0},      {TEMPO_Q4_1, 0, 2, 0.22, -1.65},    {TEMPO_Q5_0, 0, 0, 0.108, 0.0},
    {TEMPO_Q5_1, 0, 2, 0.108, -1.67},   {TEMPO_Q8_0, 0, 0, 0.0135, 0.0},    {TEMPO_Q4_K, 0, 2, 0.006, 0.045},
    {TEMPO_Q5_K, 0, 2, 0.0029, 0.0449}, {TEMPO_Q6_K, 208, 0, 0.00073, 0.0},
};

static void put_half(unsigned char *at, double value)
{
    const uint16_t h = tempo_float_to_f16((float)value);

    memcpy(at, &h, 2);
}

/* Random bytes are valid quants; only the 16-bit scales need care. */
static void fill_blocks(unsigned char *dst, tempo_dtype type, size_t n, double scale, uint64_t *state)
{
    const tempo_dtype_info *info = tempo_dtype_get(type);
    const block_scale *s = scales;

    while (s->type != type)
        s++;
    for (size_t b = 0; b < n / info->block_len; b++, dst += info->block_bytes) {
        for (size_t i = 0; i < info->block_bytes; i++)
            dst[i] = (unsigned char)(test_random(state) >> 32);
        const double factor = scale * (0.75 + 0.5 * (double)(test_random(state) >> 40) * 0x1p-24);
        put_half(dst + s->d_at, s->d * factor);
        if (s->m_at != 0)
            put_half(dst + s->m_at, s->m * factor);
    }
}

void test_fill(unsigned char *dst, tempo_dtype type, size_t n, double centre, double scale, uint64_t *state)
{
    if (type != TEMPO_F32 && type != TEMPO_F16 && type != TEMPO_BF16) {
        fill_blocks(dst, type, n, scale, state);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const double u = (double)(test_random(state) >> 11) * 0x1p-53; /* [0, 1) */
        test_put_float(dst, type, i, (float)(centre + scale * 1.732 * (2.0 * u - 1.0)));
    }
}
