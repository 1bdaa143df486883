/* unpack.c - from a file's blocks to floats.  Every value is d * q or d * q + m with d, m half floats and q a
 * small integer, so the product is exact and the result is rounded at most once.  Source of the block
 * layouts: ggml's block structures (the GGUF specification names the types).  unpack_codes.c has the types
 * whose numbers stand for values of a table. */
#include "kernels/unpack.h"

#include <math.h>

void tempo_unpack_F32(float *dst, const void *src, size_t n)
{
    memcpy(dst, src, n * sizeof(float));
}

void tempo_unpack_F16(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (size_t i = 0; i < n; i++)
        dst[i] = tempo_load_f16(p + 2 * i);
}

void tempo_unpack_BF16(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (size_t i = 0; i < n; i++)
        dst[i] = tempo_bf16_to_float(tempo_load_u16(p + 2 * i));
}

/* ---- single elements that are rounded, or have 8 bits ---- */

#define UNPACK_NUMBERS(name, type)                                                                           \
    void tempo_unpack_##name(float *dst, const void *src, size_t n)                                          \
    {                                                                                                        \
        for (size_t i = 0; i < n; i++) {                                                                     \
            type v;                                                                                          \
            memcpy(&v, (const unsigned char *)src + i * sizeof(v), sizeof(v));                               \
            dst[i] = (float)v;                                                                               \
        }                                                                                                    \
    }
UNPACK_NUMBERS(F64, double)
UNPACK_NUMBERS(I8, int8_t)
UNPACK_NUMBERS(I16, int16_t)
UNPACK_NUMBERS(I32, int32_t)
UNPACK_NUMBERS(I64, int64_t)
#undef UNPACK_NUMBERS

/* All 256 of them: sign, four bits of exponent and three of fraction, 0x7f no number; five and two, as the
 * upper half of a 16-bit float. */
#define SIGN(c) ((c)&128 ? -1.0f : 1.0f)
#define E4M3(c)                                                                                              \
    ((c)&127) == 127 ? NAN                                                                                   \
                     : SIGN(c) * 0x1p-10f *                                                                  \
                           (float)(((c) >> 3 & 15) != 0 ? (8u + ((c)&7)) << ((c) >> 3 & 15) : 2u * ((c)&7))
#define E5M2(c)                                                                                              \
    ((c)&127) == 124 ? SIGN(c) * INFINITY                                                                    \
    : ((c)&127) > 124                                                                                        \
        ? NAN                                                                                                \
        : SIGN(c) * 0x1p-17f *                                                                               \
              (float)(((c) >> 2 & 31) != 0 ? (4ull + ((c)&3)) << ((c) >> 2 & 31) : 2ull * ((c)&3))
#define FOUR(f, c) f((c)), f((c) + 1), f((c) + 2), f((c) + 3)
#define SIXTEEN(f, c) FOUR(f, c), FOUR(f, (c) + 4), FOUR(f, (c) + 8), FOUR(f, (c) + 12)
#define SIXTY_FOUR(f, c) SIXTEEN(f, c), SIXTEEN(f, (c) + 16), SIXTEEN(f, (c) + 32), SIXTEEN(f, (c) + 48)
#define ALL(f) SIXTY_FOUR(f, 0), SIXTY_FOUR(f, 64), SIXTY_FOUR(f, 128), SIXTY_FOUR(f, 192)
static const float e4m3[256] = {ALL(E4M3)}, e5m2[256] = {ALL(E5M2)};

static void look_up(float *dst, const unsigned char *p, size_t n, const float values[256])
{
    for (size_t i = 0; i < n; i++)
        dst[i] = values[p[i]];
}

void tempo_unpack_F8_E4M3(float *dst, const void *src, size_t n)
{
    look_up(dst, src, n, e4m3);
}

void tempo_unpack_F8_E5M2(float *dst, const void *src, size_t n)
{
    look_up(dst, src, n, e5m2);
}

/* ---- blocks ---- */

/* d, q[32] signed */
void tempo_unpack_Q8_0(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 34) {
        const float d = tempo_load_f16(p);
        for (unsigned i = 0; i < 32; i++)
            dst[i] = d * (float)(int8_t)p[2 + i];
    }
}

/* d, 16 bytes: low nibbles are elements 0..15, high ones 16..31; q - 8 */
void tempo_unpack_Q4_0(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 18) {
        const float d = tempo_load_f16(p);
        for (unsigned i = 0; i < 16; i++) {
            dst[i] = d * (float)((int)(p[2 + i] & 15u) - 8);
            dst[i + 16] = d * (float)((int)(p[2 + i] >> 4) - 8);
        }
    }
}

/* d, m, 16 bytes as above; d q + m */
void tempo_unpack_Q4_1(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 20) {
        const float d = tempo_load_f16(p), m = tempo_load_f16(p + 2);
        for (unsigned i = 0; i < 16; i++) {
            dst[i] = d * (float)(p[4 + i] & 15u) + m;
            dst[i + 16] = d * (float)(p[4 + i] >> 4) + m;
        }
    }
}

/* Element i of 32 five-bit numbers: nibbles as above, the fifth bits in four bytes. */
static unsigned five_bits(const unsigned char *high, const unsigned char *q, unsigned i)
{
    const unsigned low = i < 16 ? q[i] & 15u : (unsigned)(q[i - 16] >> 4);

    return low | (high[i / 8] >> i % 8 & 1u) << 4;
}

/* d, fifth bits, nibbles; q - 16 */
void tempo_unpack_Q5_0(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 22) {
        const float d = tempo_load_f16(p);
        for (unsigned i = 0; i < 32; i++)
            dst[i] = d * (float)((int)five_bits(p + 2, p + 6, i) - 16);
    }
}

/* d, m, fifth bits, nibbles; d q + m */
void tempo_unpack_Q5_1(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 24) {
        const float d = tempo_load_f16(p), m = tempo_load_f16(p + 2);
        for (unsigned i = 0; i < 32; i++)
            dst[i] = d * (float)five_bits(p + 4, p + 8, i) + m;
    }
}

/* scales[16], q[64], d, dmin.  Each half of 128 elements takes 32 bytes of q: group j of 32 has bits 2 j of
 * q[i].  A scale holds sixteen elements' scale and, above it, their minimum, 4 bits each. */
void tempo_unpack_Q2_K(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 84) {
        const float d = tempo_load_f16(p + 80), dmin = tempo_load_f16(p + 82);
        for (unsigned g = 0; g < 8; g++, dst += 32) {
            const unsigned char *q = p + 16 + g / 4 * 32;
            for (unsigned i = 0; i < 32; i++) {
                const unsigned scale = p[2 * g + i / 16];
                dst[i] =
                    d * (float)(scale & 15u) * (float)(q[i] >> g % 4 * 2 & 3u) - dmin * (float)(scale >> 4);
            }
        }
    }
}

/* high[32], q[64], scales[12], d: the lower two bits as in Q2_K, bit g of high[i] the third of element i of
 * group g; q - 4.  Sixteen scales of 6 bits, less 32. */
void tempo_unpack_Q3_K(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 110) {
        const float d = tempo_load_f16(p + 108);
        for (unsigned g = 0; g < 8; g++, dst += 32) {
            const unsigned char *q = p + 32 + g / 4 * 32;
            const float scale[2] = {d * (float)tempo_load_scale_6(p + 96, 2 * g),
                                    d * (float)tempo_load_scale_6(p + 96, 2 * g + 1)};
            for (unsigned i = 0; i < 32; i++) {
                const unsigned both = (q[i] >> g % 4 * 2 & 3u) | (p[i] >> g & 1u) << 2;
                dst[i] = scale[i / 16] * (float)((int)both - 4);
            }
        }
    }
}

/* d, dmin, eight 6-bit scales and minima, nibbles: 64 elements share 32 bytes, low nibbles first */
void tempo_unpack_Q4_K(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 144) {
        const float d = tempo_load_f16(p), dmin = tempo_load_f16(p + 2);
        for (unsigned j = 0; j < 8; j++, dst += 32) {
            const unsigned char *q = p + 16 + j / 2 * 32;
            unsigned scale, min;
            tempo_load_scale_min(p + 4, j, &scale, &min);
            const float ds = d * (float)scale, dm = dmin * (float)min;
            for (unsigned i = 0; i < 32; i++)
                dst[i] = ds * (float)(q[i] >> j % 2 * 4 & 15u) - dm;
        }
    }
}

/* The same with fifth bits: bit j of byte i of high[32] belongs to element i of group j. */
void tempo_unpack_Q5_K(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 176) {
        const float d = tempo_load_f16(p), dmin = tempo_load_f16(p + 2);
        for (unsigned j = 0; j < 8; j++, dst += 32) {
            const unsigned char *high = p + 16, *q = p + 48 + j / 2 * 32;
            unsigned scale, min;
            tempo_load_scale_min(p + 4, j, &scale, &min);
            const float ds = d * (float)scale, dm = dmin * (float)min;
            for (unsigned i = 0; i < 32; i++)
                dst[i] = ds * (float)((q[i] >> j % 2 * 4 & 15u) | (high[i] >> j & 1u) << 4) - dm;
        }
    }
}

/* ql[128], qh[64], sixteen signed scales, d.  Each half of 128 elements takes 64 bytes of ql and 32 of qh:
 * group j of 32 has its low nibble in ql[i + j % 2 * 32], its upper two bits at 2 j of qh[i]; q - 32 */
void tempo_unpack_Q6_K(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 210) {
        const float d = tempo_load_f16(p + 208);
        for (unsigned g = 0; g < 8; g++, dst += 32) {
            const unsigned half = g / 4, j = g % 4;
            const unsigned char *ql = p + half * 64 + j % 2 * 32, *qh = p + 128 + half * 32;
            const unsigned char *scales = p + 192 + half * 8 + j * 2;
            for (unsigned i = 0; i < 32; i++) {
                const unsigned q = (ql[i] >> j / 2 * 4 & 15u) | (qh[i] >> 2 * j & 3u) << 4;
                dst[i] = d * (float)(int8_t)scales[i / 16] * (float)((int)q - 32);
            }
        }
    }
}

const tempo_unpack_fn tempo_unpack[TEMPO_DTYPE_COUNT] = {
#define DTYPE(name, ggml, len, bytes) [TEMPO_##name] = tempo_unpack_##name,
#include "base/dtype.inc"
#undef DTYPE
};

void tempo_weight_row(float *dst, const tempo_weight *w, size_t row)
{
    tempo_unpack[w->type](dst, (const unsigned char *)w->data + row * w->row_bytes, w->n_in);
    if (w->scales == NULL)
        return;
    const size_t columns = (w->n_in + w->scale_columns - 1) / w->scale_columns;
    const float *scale = w->scales + row / w->scale_rows * columns;
    for (size_t begin = 0; begin < w->n_in; begin += w->scale_columns, scale++)
        for (size_t i = begin; i < w->n_in && i < begin + w->scale_columns; i++)
            dst[i] *= *scale;
}
