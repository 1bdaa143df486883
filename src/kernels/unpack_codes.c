/* unpack_codes.c - from a file's blocks to floats where a block's numbers stand for values of a table: 4-bit
 * numbers for one of sixteen values, longer ones for a codeword of four or eight levels, whose signs are kept
 * apart; and the ternary types.  Every product is exact in a float.  The latter two are first brought to
 * numbers of entries of a small table, which panels keep.  Source: as of unpack.c. */
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
float tempo_load_half_e4m3(unsigned char x)
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
            put_nibbles(dst, p + 4 + 8 * g, 8, tempo_values_fp4, tempo_load_half_e4m3(p[g]));
}

/* ---- numbers of entries, in blocks of 32 of a super-block ---- */

static uint32_t load_u32(const unsigned char *p)
{
    return tempo_load_u16(p) | (uint32_t)tempo_load_u16(p + 2) << 16;
}

/* Bit i of eight to bit 0 of byte i; pairs of bits of sixteen; threes of bits of twelve, to four bytes. */
static uint64_t spread_ones(uint64_t x)
{
    x = (x | x << 28) & 0x0000000f0000000f;
    x = (x | x << 14) & 0x0003000300030003;
    return (x | x << 7) & 0x0101010101010101;
}

static uint64_t spread_twos(uint64_t x)
{
    x = (x | x << 24) & 0x000000ff000000ff;
    x = (x | x << 12) & 0x000f000f000f000f;
    return (x | x << 6) & 0x0303030303030303;
}

static uint64_t spread_threes(uint32_t x)
{
    x = (x | x << 10) & 0x003f003f;
    return (x | x << 5) & 0x07070707;
}

static void put_numbers(tempo_codes *c, unsigned i, uint64_t eight)
{
    c->number[2 * i] = (uint32_t)eight;
    c->number[2 * i + 1] = (uint32_t)(eight >> 32);
}

/* Codeword i of eight elements of three levels; bit j of signs: element j is negative. */
static void put_eight(tempo_codes *c, unsigned i, uint16_t word, unsigned signs)
{
    put_numbers(c, i, spread_twos(word) | spread_ones(signs) << 2);
}

/* Two codewords of four elements of eight levels. */
static void put_fours(tempo_codes *c, unsigned i, uint16_t first, uint16_t second, unsigned signs)
{
    put_numbers(c, i, spread_threes(first) | spread_threes(second) << 32 | spread_ones(signs) << 3);
}

/* Eight signs from seven: their number is even. */
static unsigned even_signs(uint32_t seven)
{
    const unsigned s = seven & 127u;

    return s | (unsigned)__builtin_parity(s) << 7;
}

/* d; every 32 elements four codewords, then their signs, seven bits each, and four bits of scale */
static void read_IQ2_XXS(tempo_codes *c, const unsigned char *p, unsigned g)
{
    const unsigned char *q = p + 2 + 8 * g;
    const uint32_t rest = load_u32(q + 4);

    c->scale[0] = c->scale[1] = (int)(2 * (rest >> 28) + 1);
    for (unsigned i = 0; i < 4; i++)
        put_eight(c, i, words_iq2_xxs[q[i]], even_signs(rest >> 7 * i));
}

/* Eight bytes of scales of four bits, one for 16 elements: those of block g. */
static void put_scales(tempo_codes *c, const unsigned char *scales, unsigned g)
{
    c->scale[0] = 2 * (scales[g] & 15) + 1;
    c->scale[1] = 2 * (scales[g] >> 4) + 1;
}

/* d, 32 numbers of 16 bits: nine of a codeword, seven of its signs; scales[8] */
static void read_IQ2_XS(tempo_codes *c, const unsigned char *p, unsigned g)
{
    put_scales(c, p + 66, g);
    for (unsigned i = 0; i < 4; i++) {
        const unsigned q = tempo_load_u16(p + 2 + 8 * g + 2 * i);
        put_eight(c, i, words_iq2_xs[q & 511u], even_signs(q >> 9));
    }
}

/* d, q[32], signs[32], two more bits of each q, scales[8] */
static void read_IQ2_S(tempo_codes *c, const unsigned char *p, unsigned g)
{
    put_scales(c, p + 74, g);
    for (unsigned i = 0; i < 4; i++)
        put_eight(c, i, words_iq2_s[p[2 + 4 * g + i] | (p[66 + g] >> 2 * i & 3u) << 8], p[34 + 4 * g + i]);
}

/* d, q[64]; every 32 elements 32 bits as in IQ2_XXS */
static void read_IQ3_XXS(tempo_codes *c, const unsigned char *p, unsigned g)
{
    const unsigned char *q = p + 2 + 8 * g;
    const uint32_t rest = load_u32(p + 66 + 4 * g);

    c->scale[0] = c->scale[1] = (int)(2 * (rest >> 28) + 1);
    for (unsigned i = 0; i < 4; i++)
        put_fours(c, i, words_iq3_xxs[q[2 * i]], words_iq3_xxs[q[2 * i + 1]], even_signs(rest >> 7 * i));
}

/* d, q[64], one more bit of each, signs[32], scales[4] */
static void read_IQ3_S(tempo_codes *c, const unsigned char *p, unsigned g)
{
    const unsigned char *q = p + 2 + 8 * g;

    c->scale[0] = c->scale[1] = 2 * (p[106 + g / 2] >> 4 * (g % 2) & 15) + 1;
    for (unsigned i = 0; i < 4; i++) {
        const unsigned high = p[66 + g] >> 2 * i;
        put_fours(c, i, words_iq3_s[q[2 * i] | (high & 1u) << 8],
                  words_iq3_s[q[2 * i + 1] | (high & 2u) << 7], p[74 + 4 * g + i]);
    }
}

/* A codeword whose levels are moved by an eighth, up or down. */
static void put_moved(tempo_codes *c, unsigned i, unsigned q, bool down)
{
    put_eight(c, i, words_iq1[q], down ? 255 : 0);
}

/* d, q[32]; every 32 elements 16 bits: three more bits of each q, three of scale, one of direction */
static void read_IQ1_S(tempo_codes *c, const unsigned char *p, unsigned g)
{
    const unsigned high = tempo_load_u16(p + 34 + 2 * g);

    c->scale[0] = c->scale[1] = (int)(2 * (high >> 12 & 7u) + 1);
    for (unsigned i = 0; i < 4; i++)
        put_moved(c, i, p[2 + 4 * g + i] | (high >> 3 * i & 7u) << 8, high >> 15 != 0);
}

/* q[32], four more bits of each, the last the direction; four numbers of 16 bits: four scales of three bits
 * for two codewords each, and four bits of d */
static void read_IQ1_M(tempo_codes *c, const unsigned char *p, unsigned g)
{
    for (unsigned i = 0; i < 4; i++) {
        const unsigned at = 4 * g + i, high = p[32 + at / 2] >> 4 * (at % 2);
        c->scale[i / 2] = (int)(2 * (tempo_load_u16(p + 48 + at / 8 * 2) >> 3 * (at / 2 % 4) & 7u) + 1);
        put_moved(c, i, p[at] | (high & 7u) << 8, (high & 8u) != 0);
    }
}

static uint16_t d_of_IQ1_M(const unsigned char *p)
{
    unsigned half = 0;

    for (unsigned i = 0; i < 4; i++)
        half |= (unsigned)(tempo_load_u16(p + 48 + 2 * i) >> 12) << 4 * i;
    return (uint16_t)half;
}

/* ---- three levels ---- */

/* Number i of the five whose digits of base 3 a byte holds as a fraction of 256. */
static unsigned third_of(unsigned byte, unsigned i)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};

    return (byte * power[i] & 255u) * 3 >> 8;
}

/* q[48], q[4], d: 32 bytes hold five numbers each, then 16, then 4 bytes four each; those of equal place
 * together */
static void read_TQ1_0(tempo_codes *c, const unsigned char *p, unsigned g)
{
    for (unsigned i = 0; i < 8; i++)
        c->number[i] = 0;
    c->scale[0] = c->scale[1] = 1;
    for (unsigned i = 0; i < 32; i++) {
        const unsigned at = 32 * g + i;
        const unsigned third = at < 160   ? third_of(p[i], g)
                               : at < 240 ? third_of(p[32 + i % 16], (at - 160) / 16)
                                          : third_of(p[48 + i % 4], (at - 240) / 4);
        c->number[i / 4] |= (uint32_t)third << 8 * (i % 4);
    }
}

/* q[64], d: bits as in Q2_K */
static void read_TQ2_0(tempo_codes *c, const unsigned char *p, unsigned g)
{
    c->scale[0] = c->scale[1] = 1;
    for (unsigned i = 0; i < 8; i++)
        c->number[i] = load_u32(p + g / 4 * 32 + 4 * i) >> 2 * (g % 4) & 0x03030303u;
}

/* ---- all of them: w = d unit scale value ---- */

const int8_t tempo_values_iq2[16] = {8, 25, 43, 0, -8, -25, -43, 0},
             tempo_values_iq3_xxs[16] = {4,  12,  20,  28,  36,  44,  52,  62,
                                         -4, -12, -20, -28, -36, -44, -52, -62},
             tempo_values_iq3_s[16] = {1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15},
             tempo_values_iq1[16] = {-7, 1, 9, 0, -9, -1, 7, 0}; /* eighths */
static const int8_t values_three[16] = {-1, 0, 1, 2};

/* CODES(type, bytes of a super-block, where d is, unit, values) */
#define TEMPO_CODES(CODES)                                                                                   \
    CODES(IQ2_XXS, 66, 0, 0.125f, tempo_values_iq2)                                                          \
    CODES(IQ2_XS, 74, 0, 0.125f, tempo_values_iq2)                                                           \
    CODES(IQ2_S, 82, 0, 0.125f, tempo_values_iq2)                                                            \
    CODES(IQ3_XXS, 98, 0, 0.25f, tempo_values_iq3_xxs)                                                       \
    CODES(IQ3_S, 110, 0, 1.0f, tempo_values_iq3_s)                                                           \
    CODES(IQ1_S, 50, 0, 0.125f, tempo_values_iq1)                                                            \
    CODES(IQ1_M, 56, SIZE_MAX, 0.125f, tempo_values_iq1)                                                     \
    CODES(TQ1_0, 54, 52, 1.0f, values_three)                                                                 \
    CODES(TQ2_0, 66, 64, 1.0f, values_three)

bool tempo_load_codes(tempo_codes *c, tempo_dtype type, const unsigned char *p, unsigned g)
{
    switch (type) {
#define CODES(name, bytes, d_at, unit, values)                                                               \
    case TEMPO_##name:                                                                                       \
        read_##name(c, p, g);                                                                                \
        return true;
        TEMPO_CODES(CODES)
#undef CODES
    default:
        return false;
    }
}

static uint16_t d_at_place(const unsigned char *p, size_t at)
{
    return at == SIZE_MAX ? d_of_IQ1_M(p) : tempo_load_u16(p + at);
}

uint16_t tempo_load_codes_d(tempo_dtype type, const unsigned char *p)
{
    switch (type) {
#define CODES(name, bytes, d_at, unit, values)                                                               \
    case TEMPO_##name:                                                                                       \
        return d_at_place(p, d_at);
        TEMPO_CODES(CODES)
#undef CODES
    default:
        return 0;
    }
}

static void put_values(float *dst, const tempo_codes *c, const int8_t values[16], float d)
{
    for (unsigned i = 0; i < TEMPO_BLOCK; i++)
        dst[i] = d * (float)c->scale[i / 16] * (float)values[c->number[i / 4] >> 8 * (i % 4) & 15u];
}

#define CODES(name, bytes, d_at, unit, values)                                                               \
    void tempo_unpack_##name(float *dst, const void *src, size_t n)                                          \
    {                                                                                                        \
        const unsigned char *p = src;                                                                        \
        for (; n > 0; n -= 256, p += (bytes)) {                                                              \
            const float d = tempo_f16_to_float(d_at_place(p, d_at)) * (unit);                                \
            for (unsigned g = 0; g < 8; g++, dst += TEMPO_BLOCK) {                                           \
                tempo_codes c;                                                                               \
                read_##name(&c, p, g);                                                                       \
                put_values(dst, &c, values, d);                                                              \
            }                                                                                                \
        }                                                                                                    \
    }
TEMPO_CODES(CODES)
#undef CODES
