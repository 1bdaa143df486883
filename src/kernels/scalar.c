/* scalar.c - the reference: portable C for every kernel.  Sums run over a fixed number of lanes that a
 * compiler may put into vectors of any width without changing a bit. */
#include <math.h>

#include "kernels/unpack.h"

enum {
    LANES = 16,
    CHAIN = 256 * LANES, /* elements after which lanes are folded: no chain is longer than 256 additions */
    DOUBLE_LANES = 4,
};

/* The lanes' sum as a tree, so that its order is written down. */
static float fold(float *a)
{
    for (unsigned width = LANES / 2; width > 0; width /= 2)
        for (unsigned i = 0; i < width; i++)
            a[i] += a[i + width];
    return a[0];
}

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;

    for (size_t begin = 0; begin < n; begin += CHAIN) {
        const size_t end = n - begin < CHAIN ? n : begin + CHAIN;
        float lane[LANES] = {0};
        size_t i = begin;
        for (; i + LANES <= end; i += LANES)
            for (unsigned j = 0; j < LANES; j++)
                lane[j] += a[i + j] * b[i + j];
        for (unsigned j = 0; i < end; i++, j++)
            lane[j] += a[i] * b[i];
        sum += fold(lane);
    }
    return sum;
}

/* ---- matrix products: unpack a few rows of weights, then every row of x meets them in cache ---- */

static void matmul(float *y, size_t ldy, const void *w, size_t row_bytes, size_t n, const float *x,
                   size_t ldx, size_t m, size_t k, float *scratch, tempo_unpack_fn unpack)
{
    for (size_t o = 0; o < n; o += TEMPO_MATMUL_TILE) {
        const size_t rows = n - o < TEMPO_MATMUL_TILE ? n - o : TEMPO_MATMUL_TILE;
        for (size_t t = 0; t < rows; t++)
            unpack(scratch + t * k, (const unsigned char *)w + (o + t) * row_bytes, k);
        for (size_t r = 0; r < m; r++)
            for (size_t t = 0; t < rows; t++)
                y[r * ldy + o + t] = dot(scratch + t * k, x + r * ldx, k);
    }
}

#define DTYPE(name, ggml, len, bytes)                                                                        \
    static void matmul_##name(float *y, size_t ldy, const void *w, size_t row_bytes, size_t n,               \
                              const float *x, size_t ldx, size_t m, size_t k, float *scratch)                \
    {                                                                                                        \
        matmul(y, ldy, w, row_bytes, n, x, ldx, m, k, scratch, tempo_unpack_##name);                         \
    }
#include "base/dtype.inc"
#undef DTYPE

/* ---- plain kernels ---- */

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps)
{
    double lane[DOUBLE_LANES] = {0};

    for (size_t i = 0; i < n; i++)
        lane[i % DOUBLE_LANES] += (double)x[i] * (double)x[i];
    const double sum = (lane[0] + lane[2]) + (lane[1] + lane[3]);
    const float s = (float)(1.0 / sqrt(sum / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s * w[i];
}

static void swiglu(float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        g[i] = g[i] / (1.0f + expf(-g[i])) * u[i];
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void rope(float *x, const float *cs, const float *sn, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        const float a = x[i], b = x[i + half];
        x[i] = a * cs[i] - b * sn[i];
        x[i + half] = b * cs[i] + a * sn[i];
    }
}

static void to_f16(uint16_t *dst, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = tempo_float_to_f16(x[i]);
}

static void qk_f32(float *s, const float *q, const float *keys, size_t d, size_t n, float scale)
{
    for (size_t j = 0; j < n; j++)
        s[j] = scale * dot(q, keys + j * d, d);
}

/* The lanes of dot(), the key widened on the way. */
static float dot_f16(const float *a, const uint16_t *b, size_t n)
{
    float lane[LANES] = {0};

    for (size_t i = 0; i < n; i++)
        lane[i % LANES] += a[i] * tempo_f16_to_float(b[i]);
    return fold(lane);
}

static void qk_f16(float *s, const float *q, const uint16_t *keys, size_t d, size_t n, float scale)
{
    for (size_t j = 0; j < n; j++)
        s[j] = scale * dot_f16(q, keys + j * d, d);
}

static void pv_f32(float *out, const float *p, const float *values, size_t d, size_t n)
{
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < d; i++)
            out[i] += p[j] * values[j * d + i];
}

static void pv_f16(float *out, const float *p, const uint16_t *values, size_t d, size_t n)
{
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < d; i++)
            out[i] += p[j] * tempo_f16_to_float(values[j * d + i]);
}

static float max(const float *x, size_t n)
{
    float m = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            return x[i];
        m = x[i] > m ? x[i] : m;
    }
    return m;
}

static double exp_sum(float *s, size_t n, float largest)
{
    double lane[DOUBLE_LANES] = {0};

    for (size_t i = 0; i < n; i++) {
        s[i] = expf(s[i] - largest);
        lane[i % DOUBLE_LANES] += (double)s[i];
    }
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

static void scale(float *x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= a;
}

void tempo_kernels_init_scalar(tempo_kernels *k)
{
    *k = (tempo_kernels){
        .name = "scalar",
#define KERNEL(name, ret, args) .name = name,
#include "kernels/kernels.inc"
#undef KERNEL
#define DTYPE(name, ggml, len, bytes)                                                                        \
    .unpack[TEMPO_##name] = tempo_unpack_##name, .matmul[TEMPO_##name] = matmul_##name,
#include "base/dtype.inc"
#undef DTYPE
    };
}
