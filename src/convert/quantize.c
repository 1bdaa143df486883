/* quantize.c - see quantize.h: plain floats, and types whose codes follow from the largest element of a
 * block. */
#include "convert/quantize.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/half.h"

enum { BLOCK = 32, TERNARY = 256 };

static void put16(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static float reciprocal(float d)
{
    return d != 0.0f ? 1.0f / d : 0.0f;
}

/* ---- floats ---- */

static void to_f32(unsigned char *dst, const float *x, size_t n)
{
    memcpy(dst, x, n * sizeof(*x));
}

static void to_f16(unsigned char *dst, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put16(dst + 2 * i, tempo_float_to_f16(x[i]));
}

static void to_bf16(unsigned char *dst, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put16(dst + 2 * i, tempo_float_to_bf16(x[i]));
}

/* ---- codes of 4 and 5 bits ---- */

/* The first element of the largest magnitude. */
static float furthest(const float *x, size_t n)
{
    float most = x[0];

    for (size_t i = 1; i < n; i++)
        if (fabsf(x[i]) > fabsf(most))
            most = x[i];
    return most;
}

/* NaN and infinity come of a scale too small to divide by. */
static unsigned code(float v, unsigned most)
{
    if (!(v > 0.0f))
        return 0;
    return v < (float)most ? (unsigned)v : most;
}

static int rounded(float v, int most)
{
    if (!(fabsf(v) <= (float)most))
        return v > 0.0f ? most : v < 0.0f ? -most : 0;
    return (int)roundf(v);
}

/* Codes of a block: around the middle of the range, or from its least element on. */
static void code_block(unsigned q[BLOCK], const float *x, float id, float from, float half, unsigned most)
{
    for (size_t i = 0; i < BLOCK; i++)
        q[i] = code((x[i] - from) * id + half, most);
}

/* Element i and i + 16 share a byte; fifth bits, where there are some, are in front. */
static unsigned char *put_codes(unsigned char *dst, const unsigned q[BLOCK], bool five)
{
    for (size_t i = 0; five && i < BLOCK; i += 8) {
        *dst = 0;
        for (size_t j = 0; j < 8; j++)
            *dst |= (unsigned char)(q[i + j] >> 4 << j);
        dst++;
    }
    for (size_t i = 0; i < BLOCK / 2; i++)
        *dst++ = (unsigned char)((q[i] & 15u) | (q[i + BLOCK / 2] & 15u) << 4);
    return dst;
}

static void centred(unsigned char *dst, const float *x, size_t n, bool five)
{
    const unsigned middle = five ? 16 : 8;
    unsigned q[BLOCK];

    for (size_t b = 0; b < n; b += BLOCK, x += BLOCK) {
        const float d = furthest(x, BLOCK) / -(float)middle;
        code_block(q, x, reciprocal(d), 0.0f, (float)middle + 0.5f, 2 * middle - 1);
        put16(dst, tempo_float_to_f16(d));
        dst = put_codes(dst + 2, q, five);
    }
}

static void from_least(unsigned char *dst, const float *x, size_t n, bool five)
{
    const unsigned most = five ? 31 : 15;
    unsigned q[BLOCK];

    for (size_t b = 0; b < n; b += BLOCK, x += BLOCK) {
        float low = x[0], high = x[0];
        for (size_t i = 1; i < BLOCK; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        const float d = (high - low) / (float)most;
        code_block(q, x, reciprocal(d), low, 0.5f, most);
        put16(dst, tempo_float_to_f16(d));
        put16(dst + 2, tempo_float_to_f16(low));
        dst = put_codes(dst + 4, q, five);
    }
}

static void to_q4_0(unsigned char *dst, const float *x, size_t n)
{
    centred(dst, x, n, false);
}

static void to_q5_0(unsigned char *dst, const float *x, size_t n)
{
    centred(dst, x, n, true);
}

static void to_q4_1(unsigned char *dst, const float *x, size_t n)
{
    from_least(dst, x, n, false);
}

static void to_q5_1(unsigned char *dst, const float *x, size_t n)
{
    from_least(dst, x, n, true);
}

static void to_q8_0(unsigned char *dst, const float *x, size_t n)
{
    for (size_t b = 0; b < n; b += BLOCK, x += BLOCK, dst += 2 + BLOCK) {
        const float d = fabsf(furthest(x, BLOCK)) / 127.0f, id = reciprocal(d);
        put16(dst, tempo_float_to_f16(d));
        for (size_t i = 0; i < BLOCK; i++)
            dst[2 + i] = (unsigned char)rounded(x[i] * id, 127);
    }
}

/* ---- minus one, zero, one ---- */

/* 0, 1 or 2 for each of a block; the scale. */
static float thirds(unsigned char q[TERNARY], const float *x)
{
    const float d = fabsf(furthest(x, TERNARY)), id = reciprocal(d);

    for (size_t i = 0; i < TERNARY; i++)
        q[i] = (unsigned char)(rounded(x[i] * id, 1) + 1);
    return d;
}

/* `count` digits of three, `stride` apart, as a fraction of 256, rounded up. */
static unsigned char digits(const unsigned char *q, size_t count, size_t stride)
{
    unsigned v = 0;

    for (size_t i = 0; i < count; i++)
        v = 3 * v + q[i * stride];
    if (count == 4)
        v *= 3;
    return (unsigned char)((v * 256 + 242) / 243);
}

static void to_tq1_0(unsigned char *dst, const float *x, size_t n)
{
    unsigned char q[TERNARY];

    for (size_t b = 0; b < n; b += TERNARY, x += TERNARY) {
        const float d = thirds(q, x);
        for (size_t i = 0; i < 32; i++)
            *dst++ = digits(q + i, 5, 32);
        for (size_t i = 0; i < 16; i++)
            *dst++ = digits(q + 160 + i, 5, 16);
        for (size_t i = 0; i < 4; i++)
            *dst++ = digits(q + 240 + i, 4, 4);
        put16(dst, tempo_float_to_f16(d));
        dst += 2;
    }
}

static void to_tq2_0(unsigned char *dst, const float *x, size_t n)
{
    unsigned char q[TERNARY];

    for (size_t b = 0; b < n; b += TERNARY, x += TERNARY) {
        const float d = thirds(q, x);
        for (size_t i = 0; i < TERNARY; i += 128)
            for (size_t j = 0; j < 32; j++)
                *dst++ =
                    (unsigned char)(q[i + j] | q[i + 32 + j] << 2 | q[i + 64 + j] << 4 | q[i + 96 + j] << 6);
        put16(dst, tempo_float_to_f16(d));
        dst += 2;
    }
}

/* ---- MXFP4 ---- */

static unsigned nearest_e2m1(float x, float d)
{
    static const float doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    unsigned best = 0;

    for (unsigned i = 1; i < 16; i++)
        if (fabsf(d * doubled[i] - x) < fabsf(d * doubled[best] - x))
            best = i;
    return best;
}

static void to_mxfp4(unsigned char *dst, const float *x, size_t n)
{
    unsigned q[BLOCK];

    for (size_t b = 0; b < n; b += BLOCK, x += BLOCK) {
        const float most = fabsf(furthest(x, BLOCK));
        const int e = most > 0.0f ? (int)floorf(log2f(most)) - 2 + 127 : 0;
        const unsigned char byte = (unsigned char)e;
        const float d = tempo_bits_to_float(byte < 2 ? 0x00200000u << byte : (uint32_t)(byte - 1) << 23);
        for (size_t i = 0; i < BLOCK; i++)
            q[i] = nearest_e2m1(x[i], d);
        *dst = byte;
        dst = put_codes(dst + 1, q, false);
    }
}

tempo_quantize_fn tempo_quantizer(tempo_dtype type)
{
    static const tempo_quantize_fn bodies[TEMPO_DTYPE_COUNT] = {
        [TEMPO_F32] = to_f32,
        [TEMPO_F16] = to_f16,
        [TEMPO_BF16] = to_bf16,
        [TEMPO_Q4_0] = to_q4_0,
        [TEMPO_Q4_1] = to_q4_1,
        [TEMPO_Q5_0] = to_q5_0,
        [TEMPO_Q5_1] = to_q5_1,
        [TEMPO_Q8_0] = to_q8_0,
        [TEMPO_Q2_K] = tempo_quantize_Q2_K,
        [TEMPO_Q3_K] = tempo_quantize_Q3_K,
        [TEMPO_Q4_K] = tempo_quantize_Q4_K,
        [TEMPO_Q5_K] = tempo_quantize_Q5_K,
        [TEMPO_Q6_K] = tempo_quantize_Q6_K,
        [TEMPO_TQ1_0] = to_tq1_0,
        [TEMPO_TQ2_0] = to_tq2_0,
        [TEMPO_MXFP4] = to_mxfp4,
    };

    return bodies[type];
}
