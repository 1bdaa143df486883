/* quantize_k.c - the K types: blocks of 256 in groups, each with a scale of few bits, some with a minimum.
 *
 * A group's scale is searched for: candidates around the one that the range suggests give codes, and for
 * given codes the best scale (and minimum) is a least-squares solution.  The group scales are then rounded to
 * their bits, and codes chosen anew for what they became.  What is made least is the sum of squared
 * differences.  */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/half.h"
#include "convert/quantize.h"

enum { BLOCK = 256, MAX_GROUPS = 16, MAX_GROUP = 32, STEPS = 18 };

static void put16(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

/* To the nearest of low .. high, as the sum with 1.5 * 2^23 rounds it: no call, no branch.  NaN, of a range
 * too small to divide by, is low.  */
static inline int nearest(float v, int low, int high)
{
    v = v > (float)low ? v : (float)low;
    v = v < (float)high ? v : (float)high;
    return (int)(tempo_float_to_bits(v + 0x1.8p23f) - 0x4b400000u);
}

/* 0 for what is too small to divide by. */
static float reciprocal(float v)
{
    const float r = v != 0.0f ? 1.0f / v : 0.0f;

    return isfinite(r) ? r : 0.0f;
}

/* ---- a group: x ~ scale q - min, q from 0 to most, scale and min not negative ---- */

typedef struct affine {
    float scale, min;
    double error;
} affine;

/* What does not change between candidates. */
typedef struct sums {
    float x, xx, low, range;
} sums;

static sums add_up(const float *x, size_t n)
{
    sums s = {0, 0, 0, 0};
    float high = x[0];

    for (size_t i = 0; i < n; i++) {
        s.low = x[i] < s.low ? x[i] : s.low;
        high = x[i] > high ? x[i] : high;
        s.x += x[i];
        s.xx += x[i] * x[i];
    }
    s.range = high - s.low;
    return s;
}

/* Codes are (x + min) * inverse; what is the best scale and minimum for them? */
static affine try_affine(const float *x, size_t n, const sums *s, float min, float inverse, int most)
{
    const double count = (double)n;
    int sq = 0, sqq = 0;
    float sxq = 0;

    for (size_t i = 0; i < n; i++) {
        const int q = nearest((x[i] + min) * inverse, 0, most);
        sq += q;
        sqq += q * q;
        sxq += x[i] * (float)q;
    }
    const double det = count * sqq - (double)sq * sq;
    double scale = 0, less = -1;
    if (det > 0) {
        scale = (count * (double)sxq - (double)s->x * sq) / det;
        less = (scale * sq - (double)s->x) / count;
    }
    if (less < 0) {
        less = 0;
        scale = sqq > 0 ? (double)sxq / sqq : 0;
    }
    if (scale < 0)
        scale = 0;
    const double error = (double)s->xx - 2 * scale * (double)sxq + 2 * less * (double)s->x +
                         scale * scale * sqq - 2 * scale * less * sq + count * less * less;
    return (affine){(float)scale, (float)less, error};
}

static affine fit_affine(const float *x, size_t n, int most)
{
    const sums s = add_up(x, n);
    affine best = {0, -s.low, INFINITY};

    if (!(s.range > 0))
        return best;
    for (int step = -STEPS / 2; step <= STEPS / 2; step++) {
        const float inverse = ((float)most + 0.1f * (float)step) * reciprocal(s.range);
        const affine a = try_affine(x, n, &s, -s.low, inverse, most);
        if (a.error < best.error)
            best = a;
    }
    for (int again = 0; again < 2; again++) { /* codes for what was found may be better ones */
        const affine a = try_affine(x, n, &s, best.min, reciprocal(best.scale), most);
        if (!(a.error < best.error))
            break;
        best = a;
    }
    return best;
}

/* ---- a group: x ~ scale q, q from -most to most - 1, the scale of either sign ---- */

typedef struct symmetric {
    float scale;
    double gain; /* how much less the error is than without any code */
} symmetric;

static symmetric try_symmetric(const float *x, size_t n, float inverse, int most)
{
    int sqq = 0;
    float sxq = 0;

    for (size_t i = 0; i < n; i++) {
        const int q = nearest(x[i] * inverse, -most, most - 1);
        sqq += q * q;
        sxq += x[i] * (float)q;
    }
    return sqq > 0 ? (symmetric){sxq / (float)sqq, (double)sxq * (double)sxq / sqq} : (symmetric){0, 0};
}

static symmetric fit_symmetric(const float *x, size_t n, int most)
{
    symmetric best = {0, 0};
    float furthest = 0.0f;

    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(furthest))
            furthest = x[i];
    for (int step = -STEPS / 2; step <= STEPS / 2; step++) {
        const float inverse = -((float)most + 0.1f * (float)step) * reciprocal(furthest);
        const symmetric s = try_symmetric(x, n, inverse, most);
        if (s.gain > best.gain)
            best = s;
    }
    for (int again = 0; again < 2; again++) { /* codes for what was found may be better ones */
        const symmetric s = try_symmetric(x, n, reciprocal(best.scale), most);
        if (!(s.gain > best.gain))
            break;
        best = s;
    }
    return best;
}

/* ---- blocks of groups with minimum: Q2_K, Q4_K, Q5_K ---- */

typedef struct affine_block {
    uint16_t d, dmin; /* 16-bit floats */
    int scale[MAX_GROUPS], min[MAX_GROUPS];
    int q[BLOCK];
} affine_block;

/* A scale for numbers of at least 0 in codes up to most, as a 16-bit float, and the codes. */
static uint16_t code_scales(int *codes, const float *v, size_t n, int most)
{
    float largest = 0.0f;

    for (size_t i = 0; i < n; i++)
        largest = v[i] > largest ? v[i] : largest;
    const uint16_t d = tempo_float_to_f16(largest / (float)most);
    const float back = tempo_f16_to_float(d);
    for (size_t i = 0; i < n; i++)
        codes[i] = back > 0 ? nearest(v[i] / back, 0, most) : 0;
    return d;
}

/* Codes of a group for a scale and a minimum; what the error is. */
static float code_group(int *q, const float *x, size_t n, float scale, float min, int most)
{
    const float inverse = reciprocal(scale);
    float error = 0;

    for (size_t i = 0; i < n; i++) {
        q[i] = nearest((x[i] + min) * inverse, 0, most);
        const float e = scale * (float)q[i] - min - x[i];
        error += e * e;
    }
    return error;
}

/* Of the rounded scales and minima around what was chosen, those of least error. */
static void settle_group(affine_block *b, size_t g, const float *x, size_t n, int most, int most_scale)
{
    const float d = tempo_f16_to_float(b->d), dmin = tempo_f16_to_float(b->dmin);
    const int scale = b->scale[g], min = b->min[g];
    float best = INFINITY;
    int q[MAX_GROUP];

    for (int s = scale - 1; s <= scale + 1; s++)
        for (int m = min - 1; m <= min + 1; m++) {
            if (s < 0 || m < 0 || s > most_scale || m > most_scale)
                continue;
            const float error = code_group(q, x, n, d * (float)s, dmin * (float)m, most);
            if (!(error < best))
                continue;
            best = error;
            b->scale[g] = s;
            b->min[g] = m;
            memcpy(b->q + g * n, q, n * sizeof(*q));
        }
}

static void make_affine(affine_block *b, const float *x, size_t group, int most, int most_scale)
{
    const size_t groups = BLOCK / group;
    float scales[MAX_GROUPS], mins[MAX_GROUPS];

    for (size_t g = 0; g < groups; g++) {
        const affine a = fit_affine(x + g * group, group, most);
        scales[g] = a.scale;
        mins[g] = a.min;
    }
    b->d = code_scales(b->scale, scales, groups, most_scale);
    b->dmin = code_scales(b->min, mins, groups, most_scale);
    for (size_t g = 0; g < groups; g++)
        settle_group(b, g, x + g * group, group, most, most_scale);
}

/* Eight scales and eight minima of 6 bits in 12 bytes. */
static void put_scale_min(unsigned char *p, const affine_block *b)
{
    memset(p, 0, 12);
    for (size_t g = 0; g < 8; g++) {
        const unsigned s = (unsigned)b->scale[g], m = (unsigned)b->min[g];
        if (g < 4) {
            p[g] |= (unsigned char)s;
            p[g + 4] |= (unsigned char)m;
        } else {
            p[g + 4] = (unsigned char)((s & 15u) | (m & 15u) << 4);
            p[g - 4] |= (unsigned char)(s >> 4 << 6);
            p[g] |= (unsigned char)(m >> 4 << 6);
        }
    }
}

/* d, dmin, scales[12], with five bits high[32], q[128] */
static unsigned char *put_four_five(unsigned char *p, const float *x, bool five)
{
    affine_block b;

    make_affine(&b, x, 32, five ? 31 : 15, 63);
    put16(p, b.d);
    put16(p + 2, b.dmin);
    put_scale_min(p + 4, &b);
    p += 16;
    for (size_t i = 0; five && i < 32; i++, p++) {
        *p = 0;
        for (size_t g = 0; g < 8; g++)
            *p |= (unsigned char)(b.q[32 * g + i] >> 4 << g);
    }
    for (size_t pair = 0; pair < 4; pair++)
        for (size_t i = 0; i < 32; i++)
            *p++ = (unsigned char)((b.q[64 * pair + i] & 15) | (b.q[64 * pair + 32 + i] & 15) << 4);
    return p;
}

void tempo_quantize_Q4_K(unsigned char *dst, const float *x, size_t n)
{
    for (size_t at = 0; at < n; at += BLOCK)
        dst = put_four_five(dst, x + at, false);
}

void tempo_quantize_Q5_K(unsigned char *dst, const float *x, size_t n)
{
    for (size_t at = 0; at < n; at += BLOCK)
        dst = put_four_five(dst, x + at, true);
}

/* Bits b and b + 1 of four elements, 32 apart, in a byte. */
static unsigned char *put_pairs(unsigned char *p, const int *q)
{
    for (size_t half = 0; half < BLOCK; half += 128)
        for (size_t i = 0; i < 32; i++) {
            const int *at = q + half + i;
            *p++ = (unsigned char)((at[0] & 3) | (at[32] & 3) << 2 | (at[64] & 3) << 4 | (at[96] & 3) << 6);
        }
    return p;
}

/* scales[16], q[64], d, dmin */
void tempo_quantize_Q2_K(unsigned char *dst, const float *x, size_t n)
{
    for (size_t at = 0; at < n; at += BLOCK, dst += 84) {
        affine_block b;
        make_affine(&b, x + at, 16, 3, 15);
        for (size_t g = 0; g < 16; g++)
            dst[g] = (unsigned char)(b.scale[g] | b.min[g] << 4);
        put_pairs(dst + 16, b.q);
        put16(dst + 80, b.d);
        put16(dst + 82, b.dmin);
    }
}

/* ---- blocks of groups without: Q3_K, Q6_K ---- */

typedef struct symmetric_block {
    uint16_t d;
    int scale[MAX_GROUPS]; /* -most_scale to most_scale - 1 */
    int q[BLOCK];          /* -most to most - 1 */
} symmetric_block;

static float code_signed(int *q, const float *x, size_t n, float scale, int most)
{
    const float inverse = reciprocal(scale);
    float error = 0;

    for (size_t i = 0; i < n; i++) {
        q[i] = nearest(x[i] * inverse, -most, most - 1);
        const float e = scale * (float)q[i] - x[i];
        error += e * e;
    }
    return error;
}

static void settle_signed(symmetric_block *b, size_t g, const float *x, size_t n, int most, int most_scale)
{
    const float d = tempo_f16_to_float(b->d);
    const int scale = b->scale[g];
    float best = INFINITY;
    int q[MAX_GROUP];

    for (int s = scale - 1; s <= scale + 1; s++) {
        if (s < -most_scale || s >= most_scale)
            continue;
        const float error = code_signed(q, x, n, d * (float)s, most);
        if (!(error < best))
            continue;
        best = error;
        b->scale[g] = s;
        memcpy(b->q + g * n, q, n * sizeof(*q));
    }
}

static void make_symmetric(symmetric_block *b, const float *x, int most, int most_scale)
{
    enum { GROUP = 16 };
    float scales[MAX_GROUPS], furthest = 0.0f;

    for (size_t g = 0; g < MAX_GROUPS; g++) {
        scales[g] = fit_symmetric(x + g * GROUP, GROUP, most).scale;
        if (fabsf(scales[g]) > fabsf(furthest))
            furthest = scales[g];
    }
    b->d = tempo_float_to_f16(furthest / -(float)most_scale);
    const float d = tempo_f16_to_float(b->d);
    for (size_t g = 0; g < MAX_GROUPS; g++) {
        b->scale[g] = d != 0 ? nearest(scales[g] / d, -most_scale, most_scale - 1) : 0;
        settle_signed(b, g, x + g * GROUP, GROUP, most, most_scale);
    }
}

/* Sixteen scales of 6 bits in 12 bytes: four bits of two, then two bits of four. */
static void put_six_bits(unsigned char *p, const int *scale)
{
    memset(p, 0, 12);
    for (size_t g = 0; g < 16; g++) {
        const unsigned v = (unsigned)(scale[g] + 32);
        p[g % 8] |= (unsigned char)((v & 15u) << (g < 8 ? 0 : 4));
        p[8 + g % 4] |= (unsigned char)(v >> 4 << 2 * (g / 4));
    }
}

/* high[32], q[64], scales[12], d */
void tempo_quantize_Q3_K(unsigned char *dst, const float *x, size_t n)
{
    for (size_t at = 0; at < n; at += BLOCK, dst += 110) {
        symmetric_block b;
        make_symmetric(&b, x + at, 4, 32);
        memset(dst, 0, 32);
        for (size_t i = 0; i < BLOCK; i++) {
            b.q[i] += 4;
            dst[i % 32] |= (unsigned char)(b.q[i] >> 2 << i / 32);
        }
        put_pairs(dst + 32, b.q);
        put_six_bits(dst + 96, b.scale);
        put16(dst + 108, b.d);
    }
}

/* low[128], high[64], scales[16], d */
void tempo_quantize_Q6_K(unsigned char *dst, const float *x, size_t n)
{
    for (size_t at = 0; at < n; at += BLOCK, dst += 210) {
        symmetric_block b;
        make_symmetric(&b, x + at, 32, 128);
        for (size_t i = 0; i < BLOCK; i++)
            b.q[i] += 32;
        for (size_t half = 0; half < 2; half++)
            for (size_t i = 0; i < 64; i++)
                dst[64 * half + i] =
                    (unsigned char)((b.q[128 * half + i] & 15) | (b.q[128 * half + 64 + i] & 15) << 4);
        for (size_t i = 0; i < BLOCK; i++)
            b.q[i] >>= 4;
        put_pairs(dst + 128, b.q);
        for (size_t g = 0; g < 16; g++)
            dst[192 + g] = (unsigned char)b.scale[g];
        put16(dst + 208, b.d);
    }
}
