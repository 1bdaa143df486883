/* elements.c - see elements.h. */
#include "support/elements.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"
#include "kernels/codebooks.inc"

static double f16_at(const unsigned char *p)
{
    return (double)tempo_f16_to_float((uint16_t)(p[0] | p[1] << 8));
}

static unsigned u16_at(const unsigned char *p)
{
    return p[0] + 256u * p[1];
}

/* Bit i of a row of bytes. */
static unsigned bit(const unsigned char *p, unsigned i)
{
    return (unsigned)(p[i / 8] >> i % 8) % 2;
}

/* n bits from bit i on. */
static unsigned bits(const unsigned char *p, unsigned i, unsigned n)
{
    unsigned v = 0;

    for (unsigned j = 0; j < n; j++)
        v += bit(p, i + j) << j;
    return v;
}

static double q4_k_group(const unsigned char *b, unsigned i, bool five)
{
    const unsigned char *s = b + 4;
    const unsigned g = i / 32;
    const int sc = g < 4 ? s[g] % 64 : s[g + 4] % 16 + s[g - 4] / 64 * 16;
    const int mn = g < 4 ? s[g + 4] % 64 : s[g + 4] / 16 + s[g] / 64 * 16;
    const unsigned char *qs = b + (five ? 48 : 16);
    const unsigned byte = qs[g / 2 * 32 + i % 32];
    unsigned q = g % 2 ? byte / 16 : byte % 16;

    if (five && (b[16 + i % 32] >> g) % 2)
        q += 16;
    return f16_at(b) * sc * q - f16_at(b + 2) * mn;
}

static double q6_k(const unsigned char *b, unsigned i)
{
    const unsigned half = i / 128, j = i % 128, row = j / 32, l = j % 32;
    const unsigned low = b[half * 64 + (row % 2) * 32 + l], high = b[128 + half * 32 + l];
    const int q = (int)((row < 2 ? low % 16 : low / 16) + (high >> 2 * row) % 4 * 16) - 32;

    return f16_at(b + 208) * (int8_t)b[192 + half * 8 + row * 2 + l / 16] * q;
}

/* Two bits of an element where four rows of 32 share 32 bytes. */
static unsigned two_bits(const unsigned char *q, unsigned i)
{
    return bits(q + i / 128 * 32 + i % 32, i / 32 % 4 * 2, 2);
}

static double q2_k(const unsigned char *b, unsigned i)
{
    return f16_at(b + 80) * (b[i / 16] % 16) * two_bits(b + 16, i) - f16_at(b + 82) * (b[i / 16] / 16);
}

static double q3_k(const unsigned char *b, unsigned i)
{
    const unsigned s = i / 16, low = s < 8 ? b[96 + s] % 16u : b[88 + s] / 16u;
    const int scale = (int)(low + 16 * bits(b + 104 + s % 4, s / 4 * 2, 2)) - 32;

    return f16_at(b + 108) * scale * ((int)two_bits(b + 32, i) - 4 * (int)(1 - bit(b + i % 32, i / 32)));
}

static double iq4(unsigned number)
{
    static const double values[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    return values[number];
}

static double iq4_xs(const unsigned char *b, unsigned i)
{
    const unsigned g = i / 32;
    const int scale = (int)(bits(b + 4, 4 * g, 4) + 16 * bits(b + 2, 2 * g, 2)) - 32;

    return f16_at(b) * scale * iq4(bits(b + 8 + 16 * g + i % 16, i % 32 / 16 * 4, 4));
}

/* E2M1 by its definition. */
static double fp4(unsigned number)
{
    const unsigned e = number / 2 % 4, m = number % 2;
    const double size = e == 0 ? m / 2.0 : ldexp(1 + m / 2.0, (int)e - 1);

    return number >= 8 ? -size : size;
}

static double nvfp4(const unsigned char *b, unsigned i)
{
    const unsigned x = b[i / 16], e = x / 8 % 16, m = x % 8;
    const double scale = x == 0x7f ? 0 : e == 0 ? ldexp(m, -9) : ldexp(1 + m / 8.0, (int)e - 7);

    return scale * fp4(bits(b + 4 + i / 16 * 8 + i % 8, i % 16 / 8 * 4, 4));
}

static double tq1_0(const unsigned char *b, unsigned i)
{
    const unsigned at = i < 160 ? i % 32 : i < 240 ? 32 + (i - 160) % 16 : 48 + (i - 240) % 4;
    unsigned digit = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4, v = b[at];

    for (; digit > 0; digit--)
        v = 3 * v % 256;
    return f16_at(b + 52) * ((int)(3 * v / 256) - 1);
}

/* Level number i % 8 of a codeword of eight, or i % 4 of one of four. */
static double eight(const int8_t *levels, uint16_t word, unsigned i)
{
    return levels[(word >> i % 8 * 2) % 4];
}

static double four(const int8_t *levels, uint16_t word, unsigned i)
{
    return levels[(word >> i % 4 * 3) % 8];
}

/* Sign i % 8 of those that seven bits keep. */
static double even_sign(unsigned seven, unsigned i)
{
    unsigned count = 0;

    for (unsigned j = 0; j < 7; j++)
        count += seven >> j & 1;
    return (i % 8 < 7 ? seven >> i % 8 & 1 : count % 2) ? -1 : 1;
}

static double sign_bit(const unsigned char *signs, unsigned i)
{
    return bit(signs, i) ? -1 : 1;
}

static double iq2_xxs(const unsigned char *b, unsigned i)
{
    const unsigned char *g = b + 2 + i / 32 * 8;

    return f16_at(b) * (0.5 + bits(g + 4, 28, 4)) / 4 *
           eight(levels_iq2_xxs, words_iq2_xxs[g[i % 32 / 8]], i) *
           even_sign(bits(g + 4, i % 32 / 8 * 7, 7), i);
}

static double iq2_xs(const unsigned char *b, unsigned i)
{
    const unsigned q = u16_at(b + 2 + i / 8 * 2);

    return f16_at(b) * (0.5 + bits(b + 66, i / 16 * 4, 4)) / 4 *
           eight(levels_iq2_xs, words_iq2_xs[q % 512], i) * even_sign(q / 512, i);
}

static double iq2_s(const unsigned char *b, unsigned i)
{
    const unsigned q = b[2 + i / 8] + 256 * bits(b + 66, i / 8 * 2, 2);

    return f16_at(b) * (0.5 + bits(b + 74, i / 16 * 4, 4)) / 4 * eight(levels_iq2_s, words_iq2_s[q], i) *
           sign_bit(b + 34, i);
}

static double iq3_xxs(const unsigned char *b, unsigned i)
{
    const unsigned char *rest = b + 66 + i / 32 * 4;

    return f16_at(b) * (0.5 + bits(rest, 28, 4)) / 2 * four(levels_iq3_xxs, words_iq3_xxs[b[2 + i / 4]], i) *
           even_sign(bits(rest, i % 32 / 8 * 7, 7), i);
}

static double iq3_s(const unsigned char *b, unsigned i)
{
    const unsigned q = b[2 + i / 4] + 256 * bit(b + 66, i / 4);

    return f16_at(b) * (1 + 2 * bits(b + 106, i / 32 * 4, 4)) * four(levels_iq3_s, words_iq3_s[q], i) *
           sign_bit(b + 74, i);
}

static double iq1_s(const unsigned char *b, unsigned i)
{
    const unsigned char *high = b + 34 + i / 32 * 2;
    const unsigned q = b[2 + i / 8] + 256 * bits(high, i % 32 / 8 * 3, 3);

    return f16_at(b) * (1 + 2 * bits(high, 12, 3)) *
           (eight(levels_iq1, words_iq1[q], i) + (bit(high, 15) ? -1 : 1) / 8.0);
}

static double iq1_m(const unsigned char *b, unsigned i)
{
    const unsigned q = b[i / 8] + 256 * bits(b + 32, i / 8 * 4, 3);
    const unsigned char d[2] = {(unsigned char)(b[49] / 16 + b[51] / 16 * 16),
                                (unsigned char)(b[53] / 16 + b[55] / 16 * 16)};

    return f16_at(d) * (1 + 2 * bits(b + 48 + i / 64 * 2, i % 64 / 16 * 3, 3)) *
           (eight(levels_iq1, words_iq1[q], i) + (bit(b + 32, i / 8 * 4 + 3) ? -1 : 1) / 8.0);
}

/* The 4-bit number of element i where elements i and i + 16 of 32 share a byte. */
static unsigned nibble(const unsigned char *q, unsigned i)
{
    return i < 16 ? q[i] % 16u : q[i - 16] / 16u;
}

static double integer(const unsigned char *b, unsigned n)
{
    uint64_t v = (b[n - 1] & 0x80) != 0 ? UINT64_MAX : 0;

    while (n-- > 0)
        v = v << 8 | b[n];
    return (double)(int64_t)v;
}

static double float8(unsigned x, int m_bits, int bias)
{
    const int m = (int)(x % (1u << m_bits)), e = (int)(x % 128 >> m_bits);
    const double size = e == 0 ? ldexp(m, 1 - bias - m_bits) : ldexp(m + (1 << m_bits), e - bias - m_bits);

    return x > 127 ? -size : size;
}

/* Blocks of 32 and single elements. */
static double small(tempo_dtype t, const unsigned char *b, unsigned i)
{
    float f;
    double wide;

    switch (t) {
    case TEMPO_F32:
        memcpy(&f, b, 4);
        return (double)f;
    case TEMPO_F16:
        return f16_at(b);
    case TEMPO_BF16:
        return (double)tempo_bits_to_float((uint32_t)(b[0] | b[1] << 8) << 16);
    case TEMPO_F64:
        memcpy(&wide, b, 8);
        return wide;
    case TEMPO_I8:
    case TEMPO_I16:
    case TEMPO_I32:
    case TEMPO_I64:
        return integer(b, tempo_dtype_get(t)->block_bytes);
    case TEMPO_F8_E4M3:
        return *b % 128 == 127 ? NAN : float8(*b, 3, 7);
    case TEMPO_F8_E5M2:
        return *b % 128 >= 124 ? (*b % 4 != 0 ? NAN : *b > 127 ? -INFINITY : INFINITY) : float8(*b, 2, 15);
    case TEMPO_Q8_0:
        return f16_at(b) * (int8_t)b[2 + i];
    case TEMPO_Q4_0:
        return f16_at(b) * ((int)nibble(b + 2, i) - 8);
    case TEMPO_Q4_1:
        return f16_at(b) * nibble(b + 4, i) + f16_at(b + 2);
    case TEMPO_Q5_0:
        return f16_at(b) * ((int)(nibble(b + 6, i) + 16 * bit(b + 2, i)) - 16);
    case TEMPO_Q5_1:
        return f16_at(b) * (nibble(b + 8, i) + 16 * bit(b + 4, i)) + f16_at(b + 2);
    case TEMPO_IQ4_NL:
        return f16_at(b) * iq4(nibble(b + 2, i));
    case TEMPO_MXFP4:
        return ldexp(fp4(nibble(b + 1, i)), b[0] - 127);
    default:
        fail_msg("element type %d has no decoder here", (int)t);
        return NAN;
    }
}

double test_element(tempo_dtype t, const unsigned char *b, unsigned i)
{
    switch (t) {
    case TEMPO_Q2_K:
        return q2_k(b, i);
    case TEMPO_Q3_K:
        return q3_k(b, i);
    case TEMPO_Q4_K:
        return q4_k_group(b, i, false);
    case TEMPO_Q5_K:
        return q4_k_group(b, i, true);
    case TEMPO_Q6_K:
        return q6_k(b, i);
    case TEMPO_IQ1_S:
        return iq1_s(b, i);
    case TEMPO_IQ1_M:
        return iq1_m(b, i);
    case TEMPO_IQ2_XXS:
        return iq2_xxs(b, i);
    case TEMPO_IQ2_XS:
        return iq2_xs(b, i);
    case TEMPO_IQ2_S:
        return iq2_s(b, i);
    case TEMPO_IQ3_XXS:
        return iq3_xxs(b, i);
    case TEMPO_IQ3_S:
        return iq3_s(b, i);
    case TEMPO_IQ4_XS:
        return iq4_xs(b, i);
    case TEMPO_TQ1_0:
        return tq1_0(b, i);
    case TEMPO_TQ2_0:
        return f16_at(b + 64) * ((int)two_bits(b, i) - 1);
    case TEMPO_NVFP4:
        return nvfp4(b, i);
    default:
        return small(t, b, i);
    }
}
