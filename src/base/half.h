/* half.h - conversions of 16-bit floats, in portable C, exact or correctly rounded. */
#ifndef TEMPO_BASE_HALF_H
#define TEMPO_BASE_HALF_H
#include <stdint.h>
#include <string.h>

static inline float tempo_bits_to_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof(f));
    return f;
}

static inline uint32_t tempo_float_to_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof(u));
    return u;
}

static inline float tempo_bf16_to_float(uint16_t h) { return tempo_bits_to_float((uint32_t)h << 16); }

/* Exact, subnormals, infinities and NaN included. */
static inline float tempo_f16_to_float(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, em = h & 0x7fffu;
    if (em >= 0x7c00u) /* infinity, NaN */
        return tempo_bits_to_float(sign | 0x7f800000u | (em & 0x3ffu) << 13);
    if (em >= 0x0400u) /* normal: rebias the exponent by 127 - 15 */
        return tempo_bits_to_float(sign | ((em << 13) + (112u << 23)));
    /* zero and subnormal: em * 2^-24 */
    const float f = (float)em * 0x1p-24f;
    return tempo_bits_to_float(sign | tempo_float_to_bits(f));
}

/* Round to nearest, ties to even; overflow gives infinity, NaN stays NaN. */
static inline uint16_t tempo_float_to_f16(float x)
{
    const uint32_t u = tempo_float_to_bits(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (a >= 0x477ff000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) { /* below 2^-14: the float adder rounds at 2^-24 for us */
        const float f = tempo_bits_to_float(a) + 0.5f;
        return (uint16_t)(sign | (tempo_float_to_bits(f) - 0x3f000000u));
    }
    return (uint16_t)(sign | (a - (112u << 23) + 0xfffu + (a >> 13 & 1u)) >> 13);
}

/* Round to nearest, ties to even. */
static inline uint16_t tempo_float_to_bf16(float x)
{
    const uint32_t u = tempo_float_to_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

#endif
