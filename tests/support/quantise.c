#include "support/quantise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "support/elements.h"

/* The number as half a float, and what that is. */
static double put_half(unsigned char *out, double x)
{
    const uint16_t half = tempo_float_to_f16((float)x);

    out[0] = (unsigned char)(half & 255);
    out[1] = (unsigned char)(half >> 8);
    return (double)tempo_f16_to_float(half);
}

static double clamp(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

static void q8_0(const double *x, unsigned char *out)
{
    double most = 0;

    for (size_t i = 0; i < 32; i++)
        most = fmax(most, fabs(x[i]));
    const double d = put_half(out, most / 127);
    for (size_t i = 0; i < 32; i++)
        out[2 + i] = (unsigned char)(int)(d > 0 ? clamp(rint(x[i] / d), -127, 127) : 0);
}

/* Scale and minimum of group g, 6 bits each. */
static void put_scales(unsigned char *s, size_t g, unsigned scale, unsigned low)
{
    if (g < 4) {
        s[g] = (unsigned char)(s[g] | scale);
        s[g + 4] = (unsigned char)(s[g + 4] | low);
        return;
    }
    s[g + 4] = (unsigned char)(scale % 16 | low % 16 << 4);
    s[g - 4] = (unsigned char)(s[g - 4] | scale / 16 << 6);
    s[g] = (unsigned char)(s[g] | low / 16 << 6);
}

static void q4_k(const double *x, unsigned char *out)
{
    double step[8], low[8], steps = 0, lows = 0;

    memset(out, 0, 144);
    for (size_t g = 0; g < 8; g++) {
        double least = 0, most = -HUGE_VAL;
        for (size_t i = 0; i < 32; i++) {
            least = fmin(least, x[32 * g + i]);
            most = fmax(most, x[32 * g + i]);
        }
        step[g] = (most - least) / 15;
        low[g] = -least;
        steps = fmax(steps, step[g]);
        lows = fmax(lows, low[g]);
    }
    const double d = put_half(out, steps / 63), d_low = put_half(out + 2, lows / 63);
    for (size_t g = 0; g < 8; g++) {
        const unsigned scale = d > 0 ? (unsigned)clamp(rint(step[g] / d), 0, 63) : 0,
                       m = d_low > 0 ? (unsigned)clamp(rint(low[g] / d_low), 0, 63) : 0;
        put_scales(out + 4, g, scale, m);
        for (size_t i = 0; i < 32 && scale > 0; i++) {
            const unsigned q = (unsigned)clamp(rint((x[32 * g + i] + d_low * m) / (d * scale)), 0, 15);
            unsigned char *byte = &out[16 + g / 2 * 32 + i];
            *byte = (unsigned char)(*byte | (g % 2 == 0 ? q : q << 4));
        }
    }
}

void test_quantise(tempo_dtype type, double *x, size_t n, unsigned char *out)
{
    const tempo_dtype_info *info = tempo_dtype_get(type);

    if (n % info->block_len != 0)
        abort();
    for (size_t at = 0; at < n; at += info->block_len, out += info->block_bytes) {
        const float f = (float)x[at];
        if (type == TEMPO_F32)
            memcpy(out, &f, 4);
        else if (type == TEMPO_Q8_0)
            q8_0(x + at, out);
        else if (type == TEMPO_Q4_K)
            q4_k(x + at, out);
        else
            abort();
        for (unsigned i = 0; i < info->block_len; i++)
            x[at + i] = test_element(type, out, i);
    }
}
