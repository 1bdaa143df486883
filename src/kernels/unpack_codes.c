/* unpack_codes.c - from a file's blocks to floats where a block's numbers stand for values of a table: 4-bit
 * numbers for one of sixteen values, longer ones for a codeword of four or eight levels, whose signs are kept
 * apart; and the ternary types.  Every product is exact in a float.  Source: as of unpack.c. */
#include "kernels/unpack.h"

#include "kernels/codebooks.inc"

const int8_t tempo_values_iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
const int8_t tempo_values_fp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* n bytes: low nibbles are elements 0 .. n - 1, high ones n .. 2 n - 1 */
static void put_nibbles(float *dst, const unsigned char *q, unsigned n, const int8_t values[16], float d)
{
    for (unsigned i = 0; i < n; i++) {
        dst[i] = d * (float)values[q[i] & 15u];
        dst[i + n] = d * (float)values[q[i] >> 4];
    }
}

/* d, 16 bytes */
void tempo_unpack_IQ4_NL(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 18)
        put_nibbles(dst, p + 2, 16, tempo_values_iq4, tempo_load_f16(p));
}

/* d, upper and lower bits of eight scales, 16 bytes for each */
void tempo_unpack_IQ4_XS(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 136) {
        const float d = tempo_load_f16(p);
        for (unsigned g = 0; g < 8; g++, dst += 32)
            put_nibbles(dst, p + 8 + 16 * g, 16, tempo_values_iq4, d * (float)tempo_load_scale_iq4(p, g));
    }
}

/* e, 16 bytes: half of 2^(e - 127), since the values are twice those of E2M1 */
void tempo_unpack_MXFP4(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 17) {
        const float d =
            tempo_bits_to_float(p[0] < 2 ? UINT32_C(0x00200000) << p[0] : (uint32_t)(p[0] - 1) << 23);
        put_nibbles(dst, p + 1, 16, tempo_values_fp4, d);
    }
}

/* Half of an unsigned E4M3 (bias 7); the number that would be no number counts as 0. */
static float half_of_e4m3(unsigned x)
{
    const unsigned exponent = x >> 3 & 15u, bits = x & 7u;

    if (x == 0x7f)
        return 0.0f;
    if (exponent == 0)
        return (float)bits * 0x1p-10f;
    return (float)(8 + bits) * tempo_bits_to_float((exponent + 127 - 7 - 3 - 1) << 23);
}

/* four scales, 8 bytes for each */
void tempo_unpack_NVFP4(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 64, p += 36)
        for (unsigned g = 0; g < 4; g++, dst += 16)
            put_nibbles(dst, p + 4 + 8 * g, 8, tempo_values_fp4, half_of_e4m3(p[g]));
}

/* ---- three levels ---- */

/* Number i of the five whose digits of base 3 a byte holds as a fraction of 256; less 1. */
static float third_of(unsigned byte, unsigned i)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};

    return (float)((int)((byte * power[i] & 255u) * 3 >> 8) - 1);
}

/* q[48], q[4], d: 32 bytes hold five numbers each, then 16, then 4 bytes four each; those of equal place
 * together */
void tempo_unpack_TQ1_0(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, dst += 256, p += 54) {
        const float d = tempo_load_f16(p + 52);
        for (unsigned i = 0; i < 160; i++)
            dst[i] = d * third_of(p[i % 32], i / 32);
        for (unsigned i = 0; i < 80; i++)
            dst[160 + i] = d * third_of(p[32 + i % 16], i / 16);
        for (unsigned i = 0; i < 16; i++)
            dst[240 + i] = d * third_of(p[48 + i % 4], i / 4);
    }
}

/* q[64], d: bits as in Q2_K; q - 1 */
void tempo_unpack_TQ2_0(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 66) {
        const float d = tempo_load_f16(p + 64);
        for (unsigned g = 0; g < 8; g++, dst += 32)
            for (unsigned i = 0; i < 32; i++)
                dst[i] = d * (float)((int)(p[g / 4 * 32 + i] >> g % 4 * 2 & 3u) - 1);
    }
}

/* ---- codewords ---- */

/* A codeword of eight levels; bit i of signs: element i is negative. */
static void put_eight(float *dst, uint16_t word, const int8_t levels[4], unsigned signs, float d)
{
    for (unsigned i = 0; i < 8; i++)
        dst[i] = (signs >> i & 1u ? -d : d) * (float)levels[word >> 2 * i & 3u];
}

/* Two codewords of four. */
static void put_fours(float *dst, uint16_t first, uint16_t second, const int8_t levels[8], unsigned signs,
                      float d)
{
    for (unsigned i = 0; i < 8; i++) {
        const unsigned level = (unsigned)(i < 4 ? first : second) >> i % 4 * 3 & 7u;
        dst[i] = (signs >> i & 1u ? -d : d) * (float)levels[level];
    }
}

/* Eight signs from seven: their number is even. */
static unsigned even_signs(uint32_t seven)
{
    const unsigned s = seven & 127u;

    return s | (unsigned)__builtin_parity(s) << 7;
}

static uint32_t load_u32(const unsigned char *p)
{
    return tempo_load_u16(p) | (uint32_t)tempo_load_u16(p + 2) << 16;
}

/* d; every 32 elements four codewords, then their signs, seven bits each, and four bits of scale */
void tempo_unpack_IQ2_XXS(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 66)
        for (unsigned g = 0; g < 8; g++) {
            const unsigned char *q = p + 2 + 8 * g;
            const uint32_t rest = load_u32(q + 4);
            const float d = tempo_load_f16(p) * (0.5f + (float)(rest >> 28)) * 0.25f;
            for (unsigned i = 0; i < 4; i++, dst += 8)
                put_eight(dst, words_iq2_xxs[q[i]], levels_iq2_xxs, even_signs(rest >> 7 * i), d);
        }
}

/* The scale of codeword i of 32 of eight: four bits for two of them. */
static float scale_of_two(const unsigned char *scales, unsigned i, float d)
{
    return d * (0.5f + (float)(scales[i / 4] >> i / 2 % 2 * 4 & 15u)) * 0.25f;
}

/* d, 32 numbers of 16 bits: nine of a codeword, seven of its signs; scales[8] */
void tempo_unpack_IQ2_XS(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 74)
        for (unsigned i = 0; i < 32; i++, dst += 8) {
            const unsigned q = tempo_load_u16(p + 2 + 2 * i);
            put_eight(dst, words_iq2_xs[q & 511u], levels_iq2_xs, even_signs(q >> 9),
                      scale_of_two(p + 66, i, tempo_load_f16(p)));
        }
}

/* d, q[32], signs[32], two more bits of each q, scales[8] */
void tempo_unpack_IQ2_S(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 82)
        for (unsigned i = 0; i < 32; i++, dst += 8) {
            const unsigned q = p[2 + i] | (p[66 + i / 4] >> i % 4 * 2 & 3u) << 8;
            put_eight(dst, words_iq2_s[q], levels_iq2_s, p[34 + i],
                      scale_of_two(p + 74, i, tempo_load_f16(p)));
        }
}

/* d, q[64]; every 32 elements 32 bits as in IQ2_XXS */
void tempo_unpack_IQ3_XXS(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 98)
        for (unsigned g = 0; g < 8; g++) {
            const unsigned char *q = p + 2 + 8 * g;
            const uint32_t rest = load_u32(p + 66 + 4 * g);
            const float d = tempo_load_f16(p) * (0.5f + (float)(rest >> 28)) * 0.5f;
            for (unsigned i = 0; i < 4; i++, dst += 8)
                put_fours(dst, words_iq3_xxs[q[2 * i]], words_iq3_xxs[q[2 * i + 1]], levels_iq3_xxs,
                          even_signs(rest >> 7 * i), d);
        }
}

/* d, q[64], one more bit of each, signs[32], scales[4] */
void tempo_unpack_IQ3_S(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 110)
        for (unsigned i = 0; i < 32; i++, dst += 8) {
            const unsigned high = p[66 + i / 4] >> i % 4 * 2;
            const unsigned scale = p[106 + i / 8] >> i / 4 % 2 * 4 & 15u;
            put_fours(dst, words_iq3_s[p[2 + 2 * i] | (high & 1u) << 8],
                      words_iq3_s[p[3 + 2 * i] | (high & 2u) << 7], levels_iq3_s, p[74 + i],
                      tempo_load_f16(p) * (float)(1 + 2 * scale));
        }
}

/* A codeword whose levels are moved by an eighth, up or down. */
static void put_moved(float *dst, unsigned q, bool down, float d)
{
    for (unsigned i = 0; i < 8; i++)
        dst[i] = d * ((float)levels_iq1[words_iq1[q] >> 2 * i & 3u] + (down ? -0.125f : 0.125f));
}

/* d, q[32]; every 32 elements 16 bits: three more bits of each q, three of scale, one of direction */
void tempo_unpack_IQ1_S(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 50)
        for (unsigned i = 0; i < 32; i++, dst += 8) {
            const unsigned high = tempo_load_u16(p + 34 + i / 4 * 2);
            put_moved(dst, p[2 + i] | (high >> i % 4 * 3 & 7u) << 8, high >> 15 != 0,
                      tempo_load_f16(p) * (float)(2 * (high >> 12 & 7u) + 1));
        }
}

/* q[32], four more bits of each, the last the direction; four numbers of 16 bits: four scales of three bits
 * for two codewords each, and four bits of d */
void tempo_unpack_IQ1_M(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 56) {
        unsigned half = 0;
        for (unsigned i = 0; i < 4; i++)
            half |= (unsigned)(tempo_load_u16(p + 48 + 2 * i) >> 12) << 4 * i;
        const float d = tempo_f16_to_float((uint16_t)half);
        for (unsigned i = 0; i < 32; i++, dst += 8) {
            const unsigned high = p[32 + i / 2] >> i % 2 * 4;
            const unsigned scale = tempo_load_u16(p + 48 + i / 8 * 2) >> i / 2 % 4 * 3 & 7u;
            put_moved(dst, p[i] | (high & 7u) << 8, (high & 8u) != 0, d * (float)(2 * scale + 1));
        }
    }
}
