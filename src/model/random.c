/* random.c - random elements of every type, with block scales that keep values sane. */
#include "model/random.h"

#include <assert.h>
#include <math.h>
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

/* How a block keeps its scale. */
typedef enum scale_form {
    SCALE_HALF,   /* a 16-bit float, perhaps with a minimum */
    SCALE_SPREAD, /* the same, four bits on top of each of four 16-bit numbers */
    SCALE_POWER,  /* the exponent of a power of two, 128 more */
    SCALE_E4M3,   /* four floats of 8 bits without a sign */
} scale_form;

/* Where a block keeps its scales, and which values make its elements about 1 in size. */
typedef struct block_scale {
    size_t d_at, m_at; /* byte offsets of the scale and of the minimum; m_at = 0: no minimum */
    double d, m;
    scale_form form;
} block_scale;

/* Without a default, so that a new element type without a line here does not compile (-Wswitch). */
static block_scale scale_of(tempo_dtype type)
{
    switch (type) {
    case TEMPO_Q4_0:
        return (block_scale){0, 0, 0.22, 0.0, SCALE_HALF};
    case TEMPO_Q4_1:
        return (block_scale){0, 2, 0.22, -1.65, SCALE_HALF};
    case TEMPO_Q5_0:
        return (block_scale){0, 0, 0.108, 0.0, SCALE_HALF};
    case TEMPO_Q5_1:
        return (block_scale){0, 2, 0.108, -1.67, SCALE_HALF};
    case TEMPO_Q8_0:
        return (block_scale){0, 0, 0.0135, 0.0, SCALE_HALF};
    case TEMPO_Q2_K:
        return (block_scale){80, 82, 0.0722, 0.108, SCALE_HALF};
    case TEMPO_Q3_K:
        return (block_scale){108, 0, 0.023, 0.0, SCALE_HALF};
    case TEMPO_Q4_K:
        return (block_scale){0, 2, 0.00387, 0.029, SCALE_HALF};
    case TEMPO_Q5_K:
        return (block_scale){0, 2, 0.0019, 0.0294, SCALE_HALF};
    case TEMPO_Q6_K:
        return (block_scale){208, 0, 0.00073, 0.0, SCALE_HALF};
    case TEMPO_IQ1_S:
        return (block_scale){0, 0, 0.139, 0.0, SCALE_HALF};
    case TEMPO_IQ1_M:
        return (block_scale){48, 0, 0.139, 0.0, SCALE_SPREAD};
    case TEMPO_IQ2_XXS:
    case TEMPO_IQ2_XS:
    case TEMPO_IQ2_S:
        return (block_scale){0, 0, 0.018, 0.0, SCALE_HALF};
    case TEMPO_IQ3_XXS:
    case TEMPO_IQ3_S:
        return (block_scale){0, 0, 0.007, 0.0, SCALE_HALF};
    case TEMPO_IQ4_NL:
        return (block_scale){0, 0, 0.0149, 0.0, SCALE_HALF};
    case TEMPO_IQ4_XS:
        return (block_scale){0, 0, 0.0008, 0.0, SCALE_HALF};
    case TEMPO_TQ1_0:
        return (block_scale){52, 0, 1.22, 0.0, SCALE_HALF};
    case TEMPO_TQ2_0:
        return (block_scale){64, 0, 1.41, 0.0, SCALE_HALF};
    case TEMPO_MXFP4:
        return (block_scale){0, 0, 0.171, 0.0, SCALE_POWER};
    case TEMPO_NVFP4:
        return (block_scale){0, 0, 0.171, 0.0, SCALE_E4M3};
    case TEMPO_F32:
    case TEMPO_F16:
    case TEMPO_BF16:
    case TEMPO_F64:
    case TEMPO_I8:
    case TEMPO_I16:
    case TEMPO_I32:
    case TEMPO_I64:
    case TEMPO_F8_E4M3:
    case TEMPO_F8_E5M2:
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

static double random_unit(uint64_t *state)
{
    return (double)(tempo_random(state) >> 40) * 0x1p-24; /* [0, 1) */
}

static void put_spread(unsigned char *at, double value)
{
    const uint16_t h = tempo_float_to_f16((float)value);

    for (unsigned i = 0; i < 4; i++)
        at[2 * i + 1] = (unsigned char)((at[2 * i + 1] & 15u) | (h >> 4 * i & 15u) << 4);
}

/* One of the two powers around a value, so that its square is met in the mean. */
static void put_power(unsigned char *at, double value, uint64_t *state)
{
    int e;
    const double above = frexp(value, &e) * 2.0; /* value = above 2^(e - 1), 1 <= above < 2 */

    *at = (unsigned char)(128 + e - 1 + (random_unit(state) * 3.0 < above * above - 1.0));
}

/* The same of the two numbers around half of which a value lies. */
static void put_e4m3(unsigned char *at, double value, uint64_t *state)
{
    int e;

    (void)frexp(2.0 * value, &e);
    const int low = e - 1 < -6 ? -6 : e - 1; /* below 2^-6 all have the step of 2^-6 */
    const int steps = (int)(ldexp(2.0 * value, 3 - low) + random_unit(state)); /* up to 16 */
    const int code = (low + 6) * 8 + steps;
    *at = (unsigned char)(code < 0x7e ? code : 0x7e);
}

/* Any bytes are valid quants; only the scales need care. */
static void put_scales(unsigned char *block, const block_scale *s, double factor, uint64_t *state)
{
    switch (s->form) {
    case SCALE_HALF:
        put_half(block + s->d_at, s->d * factor);
        if (s->m_at != 0)
            put_half(block + s->m_at, s->m * factor);
        break;
    case SCALE_SPREAD:
        put_spread(block + s->d_at, s->d * factor);
        break;
    case SCALE_POWER:
        put_power(block + s->d_at, s->d * factor, state);
        break;
    case SCALE_E4M3:
        for (size_t i = 0; i < 4; i++)
            put_e4m3(block + s->d_at + i, s->d * factor, state);
        break;
    }
}

/* Two bits of TQ2_0 are three levels: the fourth, which no file needs, becomes the middle one. */
static void drop_fourth(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(p[i] & ~((p[i] & p[i] >> 1 & 0x55u) << 1));
}

static void fill_blocks(unsigned char *dst, tempo_dtype type, size_t n, double scale, uint64_t *state)
{
    const tempo_dtype_info *info = tempo_dtype_get(type);
    const size_t bytes = n / info->block_len * info->block_bytes;
    const block_scale s = scale_of(type);

    for (size_t i = 0; i < bytes; i += 8) {
        const uint64_t r = tempo_random(state);
        memcpy(dst + i, &r, bytes - i < 8 ? bytes - i : 8);
    }
    if (type == TEMPO_TQ2_0)
        drop_fourth(dst, bytes);
    for (size_t at = 0; at < bytes; at += info->block_bytes)
        put_scales(dst + at, &s, scale * (0.75 + 0.5 * random_unit(state)), state);
}

/* ---- floats ---- */

/* The nearest 8-bit float with `bits` bits of significand after the point; value is within its normal range
 * or below. */
static uint8_t float8(float value, int bits, int bias)
{
    int e;
    const double size = fabs((double)value);

    (void)frexp(size, &e); /* size = f 2^e, 1/2 <= f < 1 */
    const int least = 1 - bias, exponent = e - 1 > least ? e - 1 : least;
    const int steps = (int)lround(ldexp(size, bits - exponent));
    return (uint8_t)(((exponent - least) << bits) + steps + (value < 0 ? 0x80 : 0));
}

static void put_bytes(unsigned char *dst, size_t i, const void *value, size_t n)
{
    memcpy(dst + n * i, value, n);
}

static void put_float(unsigned char *dst, tempo_dtype type, size_t i, float value)
{
    const int64_t whole = lroundf(value);
    const double wide = (double)value;
    uint16_t half;

    switch (type) {
    case TEMPO_F32:
        put_bytes(dst, i, &value, 4);
        break;
    case TEMPO_F64:
        put_bytes(dst, i, &wide, 8);
        break;
    case TEMPO_F16:
        half = tempo_float_to_f16(value);
        put_bytes(dst, i, &half, 2);
        break;
    case TEMPO_BF16:
        half = tempo_float_to_bf16(value);
        put_bytes(dst, i, &half, 2);
        break;
    case TEMPO_F8_E4M3:
        dst[i] = float8(value, 3, 7);
        break;
    case TEMPO_F8_E5M2:
        dst[i] = float8(value, 2, 15);
        break;
    default: /* integers; least significant byte first, as this build's machines have it */
        put_bytes(dst, i, &whole, tempo_dtype_get(type)->block_bytes);
        break;
    }
}

void tempo_random_fill(unsigned char *dst, tempo_dtype type, size_t n, double centre, double scale,
                       uint64_t *state)
{
    const double half_width = scale * 1.7320508075688772; /* of a uniform distribution with that deviation */

    if (tempo_dtype_get(type)->block_len > 1) {
        fill_blocks(dst, type, n, scale, state);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const double u = (double)(tempo_random(state) >> 11) * 0x1p-53; /* [0, 1) */
        put_float(dst, type, i, (float)(centre + half_width * (2.0 * u - 1.0)));
    }
}
