/* avx2.c - bodies for AVX2 + FMA + F16C.  Compiled with -mavx2 -mfma -mf16c -O3; all but the init function is
 * static, so no such instruction can leak elsewhere.
 *
 * Remainders go through masked loads and stores: a lane that is past the end adds 0 * 0, so an output is the
 * same function of its operands wherever it stands. */
#include "kernels/avx2.h"

#include <math.h>
#include <string.h>

enum {
    TILE = TEMPO_MATMUL_TILE,
    LANES = 8,
    CHAIN = 256 * LANES, /* elements after which lanes are folded: no chain is longer than 256 additions */
    TILE_ROWS = 3, /* rows of x that meet a tile at once: 12 sums, 3 operands, 1 weight fill 16 registers */
};

#define INLINE static inline __attribute__((always_inline))

/* ---- matrix products ---- */

/* y[r * ldy + t] for r < R rows of x and the first n of the TILE rows w[t]; R is a constant where this is
 * inlined.  Each sum: lane i % 8 in chunks of CHAIN elements, lanes folded, chunks added in order.  */
INLINE void tile_product(float *y, size_t ldy, size_t n, const float *const w[TILE], const float *x,
                         size_t ldx, size_t k, const size_t R)
{
    float total[TILE][TILE_ROWS] = {{0}};

    for (size_t begin = 0; begin < k; begin += CHAIN) {
        const size_t end = k - begin < CHAIN ? k : begin + CHAIN;
        __m256 acc[TILE][TILE_ROWS], xs[TILE_ROWS];
        size_t i = begin;
        for (size_t t = 0; t < TILE; t++)
            for (size_t r = 0; r < R; r++)
                acc[t][r] = _mm256_setzero_ps();
        for (; i + LANES <= end; i += LANES) {
            for (size_t r = 0; r < R; r++)
                xs[r] = _mm256_loadu_ps(x + r * ldx + i);
            for (size_t t = 0; t < TILE; t++) {
                const __m256 ws = _mm256_loadu_ps(w[t] + i);
                for (size_t r = 0; r < R; r++)
                    acc[t][r] = _mm256_fmadd_ps(ws, xs[r], acc[t][r]);
            }
        }
        if (i < end) {
            const __m256i mask = tempo_avx2_mask(end - i);
            for (size_t t = 0; t < TILE; t++)
                for (size_t r = 0; r < R; r++)
                    acc[t][r] = _mm256_fmadd_ps(_mm256_maskload_ps(w[t] + i, mask),
                                                _mm256_maskload_ps(x + r * ldx + i, mask), acc[t][r]);
        }
        for (size_t t = 0; t < TILE; t++)
            for (size_t r = 0; r < R; r++)
                total[t][r] += tempo_avx2_sum(acc[t][r]);
    }
    for (size_t t = 0; t < n; t++)
        for (size_t r = 0; r < R; r++)
            y[r * ldy + t] = total[t][r];
}

/* unpack NULL: the weights are floats already.  The rows that a last tile lacks repeat its last one. */
INLINE void matmul(float *y, size_t ldy, const void *w, size_t row_bytes, size_t n, const float *x,
                   size_t ldx, size_t m, size_t k, float *scratch, tempo_unpack_fn unpack)
{
    for (size_t o = 0; o < n; o += TILE) {
        const size_t rows = n - o < TILE ? n - o : TILE;
        const float *tile[TILE];
        for (size_t t = 0; t < TILE; t++) {
            const size_t row = t < rows ? t : rows - 1;
            const unsigned char *src = (const unsigned char *)w + (o + row) * row_bytes;
            tile[t] = unpack == NULL ? (const float *)(const void *)src : scratch + row * k;
            if (unpack != NULL && t < rows)
                unpack(scratch + t * k, src, k);
        }
        size_t r = 0;
        for (; r + 3 <= m; r += 3)
            tile_product(y + r * ldy + o, ldy, rows, tile, x + r * ldx, ldx, k, 3);
        if (m - r == 2)
            tile_product(y + r * ldy + o, ldy, rows, tile, x + r * ldx, ldx, k, 2);
        else if (m - r == 1)
            tile_product(y + r * ldy + o, ldy, rows, tile, x + r * ldx, ldx, k, 1);
    }
}

#define DTYPE(name, ggml, len, bytes)                                                                        \
    static void matmul_##name(float *y, size_t ldy, const void *w, size_t row_bytes, size_t n,               \
                              const float *x, size_t ldx, size_t m, size_t k, float *scratch)                \
    {                                                                                                        \
        matmul(y, ldy, w, row_bytes, n, x, ldx, m, k, scratch,                                               \
               TEMPO_##name == TEMPO_F32 ? NULL : tempo_avx2_unpack_##name);                                 \
    }
#include "base/dtype.inc"
#undef DTYPE

/* ---- exponentials ---- */

/* exp of eight floats within 1 ulp where the result is normal, rounded once more where it is subnormal; 0
 * below -104, infinity above 89, NaN stays NaN.  x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the
 * first short enough that n times it is exact; e^r by its Taylor polynomial of degree 7, whose remainder
 * r^8 / 8! is below 6e-9 (a tenth of an ulp).  2^n is applied in two halves, since n reaches below -126.  */
static __m256 exp8(__m256 x)
{
    static const float coefficient[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24,
                                        1.0f / 6,    0.5f,       1.0f,       1.0f};

    /* min and max give their second operand when one is NaN */
    x = _mm256_max_ps(_mm256_set1_ps(-104.0f), _mm256_min_ps(_mm256_set1_ps(89.0f), x));
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(0x1.715476p+0f)),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.62e4p-1f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.7f7d1cp-20f), r);
    __m256 p = _mm256_set1_ps(coefficient[0]);
    for (size_t i = 1; i < sizeof(coefficient) / sizeof(*coefficient); i++)
        p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(coefficient[i]));
    const __m256i whole = _mm256_cvtps_epi32(n), low = _mm256_srai_epi32(whole, 1);
    const __m256i high = _mm256_sub_epi32(whole, low), bias = _mm256_set1_epi32(127);
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(low, bias), 23)));
    return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(high, bias), 23)));
}

/* Eight floats as two sums of four doubles. */
INLINE void add_doubles(__m256d sum[2], __m256 v)
{
    sum[0] = _mm256_add_pd(sum[0], _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
    sum[1] = _mm256_add_pd(sum[1], _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
}

static double fold_doubles(const __m256d sum[2])
{
    const __m256d v = _mm256_add_pd(sum[0], sum[1]);
    const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));

    return _mm_cvtsd_f64(s) + _mm_cvtsd_f64(_mm_unpackhi_pd(s, s));
}

static double exp_sum(float *s, size_t n, float largest)
{
    const __m256 shift = _mm256_set1_ps(largest);
    __m256d sum[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        const __m256 e = exp8(_mm256_sub_ps(_mm256_loadu_ps(s + i), shift));
        _mm256_storeu_ps(s + i, e);
        add_doubles(sum, e);
    }
    if (i < n) {
        const __m256i mask = tempo_avx2_mask(n - i);
        const __m256 e = exp8(_mm256_sub_ps(_mm256_maskload_ps(s + i, mask), shift));
        _mm256_maskstore_ps(s + i, mask, e);
        add_doubles(sum, _mm256_and_ps(e, _mm256_castsi256_ps(mask)));
    }
    return fold_doubles(sum);
}

INLINE __m256 swiglu8(__m256 g, __m256 u)
{
    const __m256 one = _mm256_set1_ps(1.0f), minus_g = _mm256_xor_ps(g, _mm256_set1_ps(-0.0f));

    return _mm256_mul_ps(_mm256_div_ps(g, _mm256_add_ps(one, exp8(minus_g))), u);
}

static void swiglu(float *g, const float *u, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(g + i, swiglu8(_mm256_loadu_ps(g + i), _mm256_loadu_ps(u + i)));
    if (i < n) {
        const __m256i mask = tempo_avx2_mask(n - i);
        _mm256_maskstore_ps(g + i, mask,
                            swiglu8(_mm256_maskload_ps(g + i, mask), _mm256_maskload_ps(u + i, mask)));
    }
}

/* ---- rows ---- */

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps)
{
    __m256d sum[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    size_t i = 0;

    /* A float's square is exact in double. */
    for (; i < n; i += LANES) {
        const __m256 v =
            n - i >= LANES ? _mm256_loadu_ps(x + i) : _mm256_maskload_ps(x + i, tempo_avx2_mask(n - i));
        const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(v)),
                      high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
        sum[0] = _mm256_fmadd_pd(low, low, sum[0]);
        sum[1] = _mm256_fmadd_pd(high, high, sum[1]);
    }
    const __m256 s = _mm256_set1_ps((float)(1.0 / sqrt(fold_doubles(sum) / (double)n + (double)eps)));
    for (i = 0; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(y + i,
                         _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), s), _mm256_loadu_ps(w + i)));
    if (i < n) {
        const __m256i mask = tempo_avx2_mask(n - i);
        _mm256_maskstore_ps(y + i, mask,
                            _mm256_mul_ps(_mm256_mul_ps(_mm256_maskload_ps(x + i, mask), s),
                                          _mm256_maskload_ps(w + i, mask)));
    }
}

static void rope(float *x, const float *cs, const float *sn, size_t half)
{
    for (size_t i = 0; i < half; i += LANES) {
        const __m256i mask = tempo_avx2_mask(half - i < LANES ? half - i : LANES);
        const __m256 a = _mm256_maskload_ps(x + i, mask), b = _mm256_maskload_ps(x + half + i, mask);
        const __m256 c = _mm256_maskload_ps(cs + i, mask), s = _mm256_maskload_ps(sn + i, mask);
        _mm256_maskstore_ps(x + i, mask, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        _mm256_maskstore_ps(x + half + i, mask, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
    }
}

static void to_f16(uint16_t *dst, const float *x, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        _mm_storeu_si128((__m128i *)(void *)(dst + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++)
        dst[i] = (uint16_t)_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(x[i]), _MM_FROUND_TO_NEAREST_INT));
}

static void add(float *y, const float *x, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(y + i), _mm256_loadu_ps(x + i)));
    for (; i < n; i++)
        y[i] += x[i];
}

static void scale(float *x, float a, size_t n)
{
    const __m256 by = _mm256_set1_ps(a);
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), by));
    for (; i < n; i++)
        x[i] *= a;
}

static float max(const float *x, size_t n)
{
    __m256 m = _mm256_set1_ps(-INFINITY), nan = _mm256_setzero_ps();
    float lane[LANES], best = -INFINITY;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        const __m256 v = _mm256_loadu_ps(x + i);
        nan = _mm256_or_ps(nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        m = _mm256_max_ps(m, v);
    }
    if (_mm256_movemask_ps(nan) != 0)
        return NAN;
    _mm256_storeu_ps(lane, m);
    for (size_t j = 0; j < LANES; j++)
        best = lane[j] > best ? lane[j] : best;
    for (; i < n; i++) {
        if (isnan(x[i]))
            return x[i];
        best = x[i] > best ? x[i] : best;
    }
    return best;
}

/* ---- attention: one head's query and probabilities against n keys and values of d elements ---- */

/* Eight elements of a cache, or the first `left` of them and zeros. */
INLINE __m256 load_f32(const void *p, size_t i, size_t left)
{
    const float *f = p;

    return left >= LANES ? _mm256_loadu_ps(f + i) : _mm256_maskload_ps(f + i, tempo_avx2_mask(left));
}

INLINE __m256 load_f16(const void *p, size_t i, size_t left)
{
    const uint16_t *h = (const uint16_t *)p + i;
    uint16_t part[LANES] = {0};

    if (left < LANES) { /* there is no masked load of 16-bit lanes */
        memcpy(part, h, left * sizeof(*h));
        h = part;
    }
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)h));
}

typedef __m256 (*load_fn)(const void *p, size_t i, size_t left);

/* R keys at once (a constant where inlined), for as many independent chains. */
INLINE void qk_rows(float *s, const float *q, const unsigned char *keys, size_t key_bytes, size_t d, float by,
                    load_fn load, const size_t R)
{
    __m256 acc[4];

    for (size_t r = 0; r < R; r++)
        acc[r] = _mm256_setzero_ps();
    for (size_t i = 0; i < d; i += LANES) {
        const __m256 qs = load_f32(q, i, d - i);
        for (size_t r = 0; r < R; r++)
            acc[r] = _mm256_fmadd_ps(qs, load(keys + r * key_bytes, i, d - i), acc[r]);
    }
    for (size_t r = 0; r < R; r++)
        s[r] = by * tempo_avx2_sum(acc[r]);
}

INLINE void qk(float *s, const float *q, const void *keys, size_t elem, size_t d, size_t n, float by,
               load_fn load)
{
    const unsigned char *p = keys;
    size_t j = 0;

    for (; j + 4 <= n; j += 4)
        qk_rows(s + j, q, p + j * d * elem, d * elem, d, by, load, 4);
    for (; j < n; j++)
        qk_rows(s + j, q, p + j * d * elem, d * elem, d, by, load, 1);
}

static void qk_f32(float *s, const float *q, const float *keys, size_t d, size_t n, float by)
{
    qk(s, q, keys, sizeof(*keys), d, n, by, load_f32);
}

static void qk_f16(float *s, const float *q, const uint16_t *keys, size_t d, size_t n, float by)
{
    qk(s, q, keys, sizeof(*keys), d, n, by, load_f16);
}

/* Elements [i, i + 8 R) of out over all n values; only the last vector may be partial. */
INLINE void pv_columns(float *out, const float *p, const unsigned char *values, size_t elem, size_t d,
                       size_t n, size_t i, load_fn load, const size_t R)
{
    __m256 acc[4];

    for (size_t r = 0; r < R; r++)
        acc[r] = load_f32(out, i + r * LANES, d - i - r * LANES);
    for (size_t j = 0; j < n; j++) {
        const __m256 by = _mm256_set1_ps(p[j]);
        for (size_t r = 0; r < R; r++)
            acc[r] =
                _mm256_fmadd_ps(by, load(values + j * d * elem, i + r * LANES, d - i - r * LANES), acc[r]);
    }
    for (size_t r = 0; r < R; r++) {
        const size_t left = d - i - r * LANES;
        _mm256_maskstore_ps(out + i + r * LANES, tempo_avx2_mask(left < LANES ? left : LANES), acc[r]);
    }
}

INLINE void pv(float *out, const float *p, const void *values, size_t elem, size_t d, size_t n, load_fn load)
{
    size_t i = 0;

    for (; i + 4 * LANES <= d; i += 4 * LANES)
        pv_columns(out, p, values, elem, d, n, i, load, 4);
    for (; i < d; i += LANES)
        pv_columns(out, p, values, elem, d, n, i, load, 1);
}

static void pv_f32(float *out, const float *p, const float *values, size_t d, size_t n)
{
    pv(out, p, values, sizeof(*values), d, n, load_f32);
}

static void pv_f16(float *out, const float *p, const uint16_t *values, size_t d, size_t n)
{
    pv(out, p, values, sizeof(*values), d, n, load_f16);
}

void tempo_kernels_init_avx2(tempo_kernels *k)
{
    *k = (tempo_kernels){
        .name = "avx2",
        .cpu = TEMPO_CPU_AVX2,
#define KERNEL(name, ret, args) .name = name,
#include "kernels/kernels.inc"
#undef KERNEL
#define DTYPE(name, ggml, len, bytes)                                                                        \
    .unpack[TEMPO_##name] = tempo_avx2_unpack_##name, .matmul[TEMPO_##name] = matmul_##name,
#include "base/dtype.inc"
#undef DTYPE
    };
}
