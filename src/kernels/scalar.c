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

enum { TILE = 4 };

static size_t scratch_bytes(size_t k)
{
    return (TILE * k * sizeof(float) + 63) & ~(size_t)63;
}

static void matmul(float *y, size_t ldy, const tempo_weight *w, size_t first, size_t n, const void *act,
                   size_t m, void *scratch)
{
    const size_t k = w->n_in;
    const float *x = act;
    float *tile = scratch;

    for (size_t o = first; o < first + n; o += TILE) {
        const size_t rows = first + n - o < TILE ? first + n - o : TILE;
        for (size_t t = 0; t < rows; t++)
            tempo_weight_row(tile + t * k, w, o + t);
        for (size_t r = 0; r < m; r++)
            for (size_t t = 0; t < rows; t++)
                y[r * ldy + o + t] = dot(tile + t * k, x + r * k, k);
    }
}

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
        g[i] = g[i] / (1.0f + expf(-g[i])) * (u != NULL ? u[i] : 1.0f);
}

static void layernorm(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    const float s = (float)(1.0 / sqrt(squares / (double)n + (double)eps)), middle = (float)mean;
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - middle) * s * w[i];
    for (size_t i = 0; i < n && b != NULL; i++)
        y[i] += b[i];
}

static void gelu_tanh(float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float x = g[i], t = 0.797884560802865f * (x + 0.044715f * x * x * x);
        g[i] = 0.5f * x * (1.0f + tanhf(t)) * (u != NULL ? u[i] : 1.0f);
    }
}

static void gelu_erf(float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        g[i] = 0.5f * g[i] * (1.0f + erff(g[i] * 0.707106781186548f)) * (u != NULL ? u[i] : 1.0f);
}

static void relu(float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) /* NaN stays */
        g[i] = (g[i] < 0.0f ? 0.0f : g[i]) * (u != NULL ? u[i] : 1.0f);
}

static void swiglu_clamped(float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float x = g[i] > 7.0f ? 7.0f : g[i], up = u[i] > 7.0f ? 7.0f : u[i] < -7.0f ? -7.0f : u[i];
        g[i] = x / (1.0f + expf(-1.702f * x)) * (up + 1.0f);
    }
}

static void softcap(float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = cap * tanhf(x[i] / cap);
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

enum { QK_CHAIN = 256 };

/* One element of a cache as float. */
typedef float (*element_fn)(const void *p, size_t i);

static float element_f32(const void *p, size_t i)
{
    return ((const float *)p)[i];
}

static float element_f16(const void *p, size_t i)
{
    return tempo_f16_to_float(((const uint16_t *)p)[i]);
}

static void qk(float *s, const float *q, const void *keys, size_t d, float by, element_fn element)
{
    float total[TEMPO_PAGE_SLOTS] = {0};

    for (size_t begin = 0; begin < d; begin += QK_CHAIN) {
        const size_t end = d - begin < QK_CHAIN ? d : begin + QK_CHAIN;
        float sum[TEMPO_PAGE_SLOTS] = {0};
        for (size_t i = begin; i < end; i++)
            for (size_t j = 0; j < TEMPO_PAGE_SLOTS; j++)
                sum[j] += q[i] * element(keys, i * TEMPO_PAGE_SLOTS + j);
        for (size_t j = 0; j < TEMPO_PAGE_SLOTS; j++)
            total[j] += sum[j];
    }
    for (size_t j = 0; j < TEMPO_PAGE_SLOTS; j++)
        s[j] = by * total[j];
}

static void qk_f32(float *const *s, const float *const *q, const float *keys, size_t d, size_t n, float by,
                   const void *next)
{
    (void)next;
    for (size_t r = 0; r < n; r++)
        qk(s[r], q[r], keys, d, by, element_f32);
}

static void qk_f16(float *const *s, const float *const *q, const uint16_t *keys, size_t d, size_t n, float by,
                   const void *next)
{
    (void)next;
    for (size_t r = 0; r < n; r++)
        qk(s[r], q[r], keys, d, by, element_f16);
}

static void pv(float *out, const float *p, const void *values, size_t d, size_t slots, element_fn element)
{
    for (size_t i = 0; i < d; i++) {
        float sum = 0;
        for (size_t j = 0; j < slots; j++)
            sum += p[j] * element(values, j * d + i);
        out[i] += sum;
    }
}

static void pv_f32(float *const *out, const float *const *p, const float *values, size_t d, size_t n,
                   size_t slots, const void *next)
{
    (void)next;
    for (size_t r = 0; r < n; r++)
        pv(out[r], p[r], values, d, slots, element_f32);
}

static void pv_f16(float *const *out, const float *const *p, const uint16_t *values, size_t d, size_t n,
                   size_t slots, const void *next)
{
    (void)next;
    for (size_t r = 0; r < n; r++)
        pv(out[r], p[r], values, d, slots, element_f16);
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

static bool all_finite(const float *x, size_t n)
{
    bool all = true;

    for (size_t i = 0; i < n; i++)
        all &= isfinite(x[i]) != 0;
    return all;
}

static double exp_f64(double *x, size_t n)
{
    double lane[DOUBLE_LANES] = {0};

    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] < -708.0 ? 0.0 : exp(x[i]);
        lane[i % DOUBLE_LANES] += x[i];
    }
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

static double entropy(const double *q, size_t n)
{
    double lane[DOUBLE_LANES] = {0};

    for (size_t i = 0; i < n; i++)
        if (q[i] > 0.0)
            lane[i % DOUBLE_LANES] -= q[i] * log(q[i]);
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

void tempo_kernels_init_scalar(tempo_kernels *k)
{
    *k = (tempo_kernels){
        .name = "scalar",
#define KERNEL(name, ret, args) .name = name,
#include "kernels/kernels.inc"
#undef KERNEL
#define DTYPE(name, ggml, len, bytes) .matmul[TEMPO_##name] = matmul,
#include "base/dtype.inc"
#undef DTYPE
        .scratch_bytes = scratch_bytes,
    };
}
