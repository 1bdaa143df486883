/* Kernels against double precision, for every subset of the processor's features: sizes around every tile,
 * operands that end at an unmapped page, special values, and bits that must not depend on where an output
 * stands.
 *
 * Tolerances are those of kernels.h, written so that NaN fails.  u = 2^-24. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"
#include "kernels/kernels.h"
#include "support/guard.h"
#include "support/model_numbers.h"

static const double u = 0x1p-24;
static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257};
enum { N_SIZES = sizeof(sizes) / sizeof(*sizes) };

static uint64_t seed = 1;

/* About -2 .. 2, sometimes 0. */
static float random_float(void)
{
    const uint64_t r = test_random(&seed);

    return r % 17 == 0 ? 0.0f : ((float)(r >> 40) * 0x1p-24f - 0.5f) * 4.0f;
}

/* n floats at the end of mapped memory. */
static float *floats(test_guard *g, size_t n)
{
    *g = test_guard_create(n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        ((float *)g->p)[i] = random_float();
    return g->p;
}

static uint16_t *halves(test_guard *g, size_t n)
{
    *g = test_guard_create(n * sizeof(uint16_t));
    for (size_t i = 0; i < n; i++)
        ((uint16_t *)g->p)[i] = tempo_float_to_f16(random_float());
    return g->p;
}

static bool is_close(double got, double want, double tolerance)
{
    return fabs(got - want) <= tolerance;
}

#define CHECK_CLOSE(got, want, tolerance, ...)                                                               \
    do {                                                                                                     \
        if (!is_close((double)(got), want, tolerance)) {                                                     \
            print_error(__VA_ARGS__);                                                                        \
            fail_msg(": %.9g, expected %.9g within %.3g", (double)(got), (double)(want),                     \
                     (double)(tolerance));                                                                   \
        }                                                                                                    \
    } while (0)

/* ---- plain kernels: one test each, named after it; the table below is made from kernels.inc ---- */

static void check_rmsnorm(const tempo_kernels *k)
{
    for (size_t s = 1; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard gx, gw, gy;
        float *x = floats(&gx, n), *w = floats(&gw, n), *y = floats(&gy, n);
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)x[i] * (double)x[i];
        const double scale = 1 / sqrt(sum / (double)n + 1e-5);
        k->rmsnorm(y, x, w, n, 1e-5f);
        /* the scale is rounded, then two products */
        for (size_t i = 0; i < n; i++) {
            const double want = (double)x[i] * scale * (double)w[i];
            CHECK_CLOSE(y[i], want, 4 * u * fabs(want), "%s rmsnorm n %zu i %zu", k->name, n, i);
        }
        k->rmsnorm(x, x, w, n, 1e-5f); /* in place */
        assert_memory_equal(x, y, n * sizeof(*x));
        test_guard_free(&gx);
        test_guard_free(&gw);
        test_guard_free(&gy);
    }
}

static void check_swiglu(const tempo_kernels *k)
{
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard gg, gu;
        float *g = floats(&gg, n), *up = floats(&gu, n), before[300];
        if (n > 0)
            memcpy(before, g, n * sizeof(*g));
        k->swiglu(g, up, n);
        for (size_t i = 0; i < n; i++) {
            const double a = (double)before[i], want = a / (1 + exp(-a)) * (double)up[i];
            CHECK_CLOSE(g[i], want, 8 * u * fabs(want), "%s swiglu n %zu i %zu", k->name, n, i);
        }
        test_guard_free(&gg);
        test_guard_free(&gu);
    }
    float g[4] = {-200.0f, 200.0f, NAN, -INFINITY}, up[4] = {1, 1, 1, 1};
    k->swiglu(g, up, 3);
    CHECK_CLOSE(g[0], 0.0, 1e-37, "%s swiglu(-200)", k->name);
    CHECK_CLOSE(g[1], 200.0, 0.0, "%s swiglu(200)", k->name);
    assert_true(isnan(g[2]));
}

static void check_add(const tempo_kernels *k)
{
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard gx, gy;
        float *x = floats(&gx, n), *y = floats(&gy, n), before[300];
        if (n > 0)
            memcpy(before, y, n * sizeof(*y));
        k->add(y, x, n);
        for (size_t i = 0; i < n; i++)
            assert_true(y[i] == before[i] + x[i]);
        test_guard_free(&gx);
        test_guard_free(&gy);
    }
}

static void check_scale(const tempo_kernels *k)
{
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard gx;
        float *x = floats(&gx, n), before[300];
        if (n > 0)
            memcpy(before, x, n * sizeof(*x));
        k->scale(x, 0.7f, n);
        for (size_t i = 0; i < n; i++)
            assert_true(x[i] == before[i] * 0.7f);
        test_guard_free(&gx);
    }
}

static void check_rope(const tempo_kernels *k)
{
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t half = sizes[s];
        test_guard gx, gc, gs;
        float *x = floats(&gx, 2 * half), *c = floats(&gc, half), *sn = floats(&gs, half), before[600];
        if (half > 0)
            memcpy(before, x, 2 * half * sizeof(*x));
        k->rope(x, c, sn, half);
        for (size_t i = 0; i < half; i++) {
            const double a = (double)before[i], b = (double)before[i + half], ci = (double)c[i],
                         si = (double)sn[i];
            CHECK_CLOSE(x[i], a * ci - b * si, 3 * u * (fabs(a * ci) + fabs(b * si)), "%s rope %zu", k->name,
                        i);
            CHECK_CLOSE(x[i + half], b * ci + a * si, 3 * u * (fabs(b * ci) + fabs(a * si)), "%s rope %zu",
                        k->name, i);
        }
        test_guard_free(&gx);
        test_guard_free(&gc);
        test_guard_free(&gs);
    }
}

static void check_to_f16(const tempo_kernels *k)
{
    static const float special[] = {0.0f,     -0.0f,        65504.0f,       65519.0f,      65520.0f,
                                    1e30f,    -1e30f,       0x1p-24f,       0x1p-25f,      0x1.8p-25f,
                                    0x1p-14f, 0x1.ffcp-15f, 1.00048828125f, 1.0009765625f, INFINITY};
    enum { SPECIAL = sizeof(special) / sizeof(*special) };

    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard gx, gd = test_guard_create(n * 2);
        float *x = floats(&gx, n);
        uint16_t *dst = gd.p;
        for (size_t i = 0; i < n && i < SPECIAL; i++)
            x[i] = special[(i + s) % SPECIAL];
        k->to_f16(dst, x, n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(dst[i], tempo_float_to_f16(x[i]));
        test_guard_free(&gx);
        test_guard_free(&gd);
    }
    const float nan = NAN;
    uint16_t h;
    k->to_f16(&h, &nan, 1);
    assert_true(isnan(tempo_f16_to_float(h)));
}

/* keys as float and as half; bits of a score may not depend on which others are computed with it. */
static void check_qk(const tempo_kernels *k, bool f16)
{
    for (size_t s = 1; s < N_SIZES; s++)
        for (size_t n = 0; n < 10; n++) {
            const size_t d = sizes[s];
            test_guard gq, gk, gs = test_guard_create(n * sizeof(float));
            const float *q = floats(&gq, d);
            const void *keys = f16 ? (void *)halves(&gk, n * d) : (void *)floats(&gk, n * d);
            float *got = gs.p;
            if (f16)
                k->qk_f16(got, q, keys, d, n, 0.125f);
            else
                k->qk_f32(got, q, keys, d, n, 0.125f);
            for (size_t j = 0; j < n; j++) {
                double want = 0, size = 0;
                float alone;
                for (size_t i = 0; i < d; i++) {
                    const double key = f16 ? (double)tempo_f16_to_float(((const uint16_t *)keys)[j * d + i])
                                           : (double)((const float *)keys)[j * d + i];
                    want += (double)q[i] * key;
                    size += fabs((double)q[i] * key);
                }
                CHECK_CLOSE(got[j], 0.125 * want, 0.125 * ((double)d + 8) * u * size,
                            "%s qk f16 %d d %zu j %zu", k->name, f16, d, j);
                if (f16)
                    k->qk_f16(&alone, q, (const uint16_t *)keys + j * d, d, 1, 0.125f);
                else
                    k->qk_f32(&alone, q, (const float *)keys + j * d, d, 1, 0.125f);
                assert_memory_equal(&alone, &got[j], sizeof(alone));
            }
            test_guard_free(&gq);
            test_guard_free(&gk);
            test_guard_free(&gs);
        }
}

static void check_qk_f32(const tempo_kernels *k)
{
    check_qk(k, false);
}

static void check_qk_f16(const tempo_kernels *k)
{
    check_qk(k, true);
}

static void run_pv(const tempo_kernels *k, bool f16, float *out, const float *p, const void *values, size_t d,
                   size_t n)
{
    if (f16)
        k->pv_f16(out, p, values, d, n);
    else
        k->pv_f32(out, p, values, d, n);
}

/* A chain of additions in the order of j, continued by a second call. */
static void check_pv(const tempo_kernels *k, bool f16)
{
    for (size_t s = 1; s < N_SIZES; s++)
        for (size_t n = 0; n < 10; n++) {
            const size_t d = sizes[s], cut = n / 3, elem = f16 ? 2 : 4;
            test_guard gp, gv, go;
            const float *p = floats(&gp, n);
            const unsigned char *values = f16 ? (void *)halves(&gv, n * d) : (void *)floats(&gv, n * d);
            float *out = floats(&go, d), parts[300], before[300];
            memcpy(parts, out, d * sizeof(*out));
            memcpy(before, out, d * sizeof(*out));
            run_pv(k, f16, out, p, values, d, n);
            run_pv(k, f16, parts, p, values, d, cut);
            run_pv(k, f16, parts, p + cut, values + cut * d * elem, d, n - cut);
            assert_memory_equal(parts, out, d * sizeof(*out));
            for (size_t i = 0; i < d; i++) {
                double want = (double)before[i], size = fabs(want);
                for (size_t j = 0; j < n; j++) {
                    const double v =
                        f16 ? (double)tempo_f16_to_float(((const uint16_t *)(const void *)values)[j * d + i])
                            : (double)((const float *)(const void *)values)[j * d + i];
                    want += (double)p[j] * v;
                    size += fabs((double)p[j] * v);
                }
                CHECK_CLOSE(out[i], want, ((double)n + 1) * 2 * u * size, "%s pv f16 %d d %zu n %zu i %zu",
                            k->name, f16, d, n, i);
            }
            test_guard_free(&gp);
            test_guard_free(&gv);
            test_guard_free(&go);
        }
}

static void check_pv_f32(const tempo_kernels *k)
{
    check_pv(k, false);
}

static void check_pv_f16(const tempo_kernels *k)
{
    check_pv(k, true);
}

static void check_max(const tempo_kernels *k)
{
    assert_true(k->max(NULL, 0) == -INFINITY);
    for (size_t s = 1; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard g;
        float *x = floats(&g, n), want = x[0];
        for (size_t i = 1; i < n; i++)
            want = x[i] > want ? x[i] : want;
        assert_true(k->max(x, n) == want);
        for (size_t i = 0; i < n; i++) {
            const float kept = x[i];
            x[i] = NAN;
            assert_true(isnan(k->max(x, n)));
            x[i] = 100.0f;
            assert_true(k->max(x, n) == 100.0f);
            x[i] = kept;
        }
        for (size_t i = 0; i < n; i++)
            x[i] = -INFINITY;
        assert_true(k->max(x, n) == -INFINITY);
        test_guard_free(&g);
    }
}

/* Within 2 units in the last place of the result, the smallest of which is 2^-149. */
static void check_exp(const tempo_kernels *k, float x)
{
    float s[1] = {x};
    const double want = exp((double)x), sum = k->exp_sum(s, 1, 0.0f);
    int exponent;

    (void)frexp(want, &exponent);
    CHECK_CLOSE(s[0], want, 2 * ldexp(1, exponent - 24 > -149 ? exponent - 24 : -149), "%s exp(%.9g)",
                k->name, (double)x);
    assert_true(sum == (double)s[0]);
}

static void check_exp_sum(const tempo_kernels *k)
{
    for (float x = 0; x > -110.0f; x -= 0.00371f)
        check_exp(k, x);
    for (float x = 1; x > 1e-30f; x *= 0.5f)
        check_exp(k, -x);
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard g;
        float *x = floats(&g, n), before[300];
        double want = 0;
        if (n > 0)
            memcpy(before, x, n * sizeof(*x));
        const double sum = k->exp_sum(x, n, 2.0f);
        for (size_t i = 0; i < n; i++) {
            float alone[1] = {before[i]};
            (void)k->exp_sum(alone, 1, 2.0f);
            assert_memory_equal(alone, &x[i], sizeof(*x)); /* wherever it stands */
            want += (double)x[i];
        }
        CHECK_CLOSE(sum, want, ((double)n + 1) * 0x1p-53 * want, "%s exp_sum n %zu", k->name, n);
        test_guard_free(&g);
    }
    float special[3] = {-INFINITY, NAN, -1e30f};
    assert_true(isnan(k->exp_sum(special, 3, 0.0f)));
    assert_true(special[0] == 0.0f && isnan(special[1]) && special[2] == 0.0f);
}

/* ---- element types: an independent decoder, element by element, in double ---- */

static double f16_at(const unsigned char *p)
{
    return (double)tempo_f16_to_float((uint16_t)(p[0] | p[1] << 8));
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

/* Element i of a block. */
static double element(tempo_dtype t, const unsigned char *b, unsigned i)
{
    const unsigned nibble_at = i % 16;
    float f;

    switch (t) {
    case TEMPO_F32:
        memcpy(&f, b, 4);
        return (double)f;
    case TEMPO_F16:
        return f16_at(b);
    case TEMPO_BF16:
        return (double)tempo_bits_to_float((uint32_t)(b[0] | b[1] << 8) << 16);
    case TEMPO_Q8_0:
        return f16_at(b) * (int8_t)b[2 + i];
    case TEMPO_Q4_0:
        return f16_at(b) * ((int)(i < 16 ? b[2 + nibble_at] % 16 : b[2 + nibble_at] / 16) - 8);
    case TEMPO_Q4_1:
        return f16_at(b) * (i < 16 ? b[4 + nibble_at] % 16 : b[4 + nibble_at] / 16) + f16_at(b + 2);
    case TEMPO_Q5_0:
        return f16_at(b) * ((int)(i < 16 ? b[6 + nibble_at] % 16 : b[6 + nibble_at] / 16) +
                            (b[2 + i / 8] >> i % 8) % 2 * 16 - 16);
    case TEMPO_Q5_1:
        return f16_at(b) * ((i < 16 ? b[8 + nibble_at] % 16 : b[8 + nibble_at] / 16) +
                            (b[4 + i / 8] >> i % 8) % 2 * 16) +
               f16_at(b + 2);
    case TEMPO_Q4_K:
        return q4_k_group(b, i, false);
    case TEMPO_Q5_K:
        return q4_k_group(b, i, true);
    case TEMPO_Q6_K:
        return q6_k(b, i);
    default:
        fail_msg("element type %d has no decoder here", (int)t);
        return NAN;
    }
}

/* n elements of any bits but infinite or NaN scales, at the end of mapped memory. */
static unsigned char *weights(test_guard *g, tempo_dtype t, size_t n)
{
    const tempo_dtype_info *d = tempo_dtype_get(t);

    *g = test_guard_create(n / d->block_len * d->block_bytes);
    test_fill(g->p, t, n, 0.0, 1.0, &seed);
    return g->p;
}

static double weight_at(tempo_dtype t, const unsigned char *w, size_t i)
{
    const tempo_dtype_info *d = tempo_dtype_get(t);

    return element(t, w + i / d->block_len * d->block_bytes, (unsigned)(i % d->block_len));
}

/* Exact up to one rounding, and the same bits as the scalar body, at any alignment. */
static void check_unpack(const tempo_kernels *k, const tempo_kernels *scalar, tempo_dtype t)
{
    const size_t len = tempo_dtype_get(t)->block_len;

    for (size_t blocks = 0; blocks < 6; blocks++)
        for (size_t extra = 0; extra < (len == 1 ? 12 : 1); extra++) {
            const size_t n = blocks * len + extra;
            test_guard gw, go = test_guard_create(n * sizeof(float)),
                           gs = test_guard_create(n * sizeof(float));
            const unsigned char *w = weights(&gw, t, n);
            float *got = go.p;
            k->unpack[t](got, w, n);
            scalar->unpack[t](gs.p, w, n);
            assert_memory_equal(got, gs.p, n * sizeof(float));
            for (size_t i = 0; i < n; i++) {
                const double want = weight_at(t, w, i);
                CHECK_CLOSE(got[i], want, u * fabs(want), "%s unpack %s element %zu", k->name,
                            tempo_dtype_get(t)->name, i);
            }
            test_guard_free(&gw);
            test_guard_free(&go);
            test_guard_free(&gs);
        }
}

/* Scales that are subnormal, infinite or NaN come out as such; both bodies agree on what is a number. */
static void check_special_scales(const tempo_kernels *k, const tempo_kernels *scalar, tempo_dtype t)
{
    static const uint16_t scales[] = {0x0001, 0x83ff, 0x7c00, 0xfc00, 0x7e00, 0x8000};
    const tempo_dtype_info *d = tempo_dtype_get(t);
    const size_t at = t == TEMPO_Q6_K ? 208 : 0;

    if (d->block_len == 1)
        return;
    for (size_t s = 0; s < sizeof(scales) / sizeof(*scales); s++) {
        unsigned char block[256];
        float got[256], want[256];
        test_fill(block, t, d->block_len, 0.0, 1.0, &seed);
        block[at] = (unsigned char)scales[s];
        block[at + 1] = (unsigned char)(scales[s] >> 8);
        k->unpack[t](got, block, d->block_len);
        scalar->unpack[t](want, block, d->block_len);
        for (unsigned i = 0; i < d->block_len; i++) {
            const double exact = element(t, block, i);
            assert_int_equal(isnan(got[i]), isnan(exact));
            assert_true(isnan(exact) || (double)got[i] == exact ||
                        is_close((double)got[i], exact, u * fabs(exact)));
            assert_true(isnan(exact) || memcmp(&got[i], &want[i], sizeof(float)) == 0);
        }
    }
}

/* ---- the matrix product ---- */

typedef struct product {
    const tempo_kernels *k;
    tempo_dtype t;
    const unsigned char *w;
    const float *x;
    size_t row_bytes, n, m, kk, ldx;
    float *scratch;
} product;

static void multiply(const product *p, float *y, size_t ldy, size_t first, size_t n, size_t row, size_t m)
{
    p->k->matmul[p->t](y, ldy, p->w + first * p->row_bytes, p->row_bytes, n, p->x + row * p->ldx, p->ldx, m,
                       p->kk, p->scratch);
}

static void check_against_double(const product *p, const float *y, size_t ldy)
{
    for (size_t r = 0; r < p->m; r++)
        for (size_t o = 0; o < p->n; o++) {
            double want = 0, size = 0;
            for (size_t i = 0; i < p->kk; i++) {
                const double term =
                    weight_at(p->t, p->w + o * p->row_bytes, i) * (double)p->x[r * p->ldx + i];
                want += term;
                size += fabs(term);
            }
            /* kernels.h; one unit more for weights whose unpacking rounds */
            CHECK_CLOSE(y[r * ldy + o], want, ((double)p->kk / 16 + 261) * u * size,
                        "%s matmul %s m %zu n %zu k %zu (%zu, %zu)", p->k->name, tempo_dtype_get(p->t)->name,
                        p->m, p->n, p->kk, r, o);
        }
}

/* Every output again, alone and in other company: the same bits. */
static void check_same_bits(const product *p, const float *y, size_t ldy)
{
    for (size_t r = 0; r < p->m; r++)
        for (size_t o = 0; o < p->n; o++) {
            float alone = NAN;
            multiply(p, &alone, 1, o, 1, r, 1);
            if (memcmp(&alone, &y[r * ldy + o], sizeof(alone)) != 0)
                fail_msg("%s matmul %s: output (%zu, %zu) of %zu x %zu depends on its neighbours", p->k->name,
                         tempo_dtype_get(p->t)->name, r, o, p->m, p->n);
        }
}

static void check_product(const tempo_kernels *k, tempo_dtype t, size_t m, size_t n, size_t kk)
{
    const tempo_dtype_info *d = tempo_dtype_get(t);
    const size_t row_bytes = kk / d->block_len * d->block_bytes, ldy = n + 3;
    test_guard gw, gx, gy = test_guard_create((m > 0 ? (m - 1) * ldy + n : 0) * sizeof(float)),
                       gs = test_guard_create(TEMPO_MATMUL_TILE * kk * sizeof(float));
    const product p = {.k = k,
                       .t = t,
                       .w = weights(&gw, t, n * kk),
                       .x = floats(&gx, m * kk),
                       .row_bytes = row_bytes,
                       .n = n,
                       .m = m,
                       .kk = kk,
                       .ldx = kk,
                       .scratch = gs.p};
    float *y = gy.p;

    multiply(&p, y, ldy, 0, n, 0, m);
    check_against_double(&p, y, ldy);
    check_same_bits(&p, y, ldy);
    test_guard_free(&gw);
    test_guard_free(&gx);
    test_guard_free(&gy);
    test_guard_free(&gs);
}

static void check_matmul(const tempo_kernels *k, tempo_dtype t)
{
    static const size_t ms[] = {0, 1, 2, 3, 4, 5, 7, 17}, ns[] = {0, 1, 3, 4, 5, 8}, odd[] = {1, 7, 8, 9, 40};
    const size_t len = tempo_dtype_get(t)->block_len;

    for (size_t i = 0; i < sizeof(ms) / sizeof(*ms); i++)
        for (size_t j = 0; j < sizeof(ns) / sizeof(*ns); j++)
            for (size_t l = 0; l < (len == 1 ? 5 : 2); l++)
                check_product(k, t, ms[i], ns[j], len == 1 ? odd[l] : (l + 1) * len);
    check_product(k, t, 4, 5, len == 1 ? 4321 : 4608); /* longer than one chain of every body */
}

/* ---- all of it, for every subset of the features ---- */

static void check_everything(const tempo_kernels *k, const tempo_kernels *scalar)
{
    /* A kernel of the list without a check_NAME does not build. */
#define KERNEL(name, ret, args) check_##name(k);
#include "kernels/kernels.inc"
#undef KERNEL
    for (int t = 0; t < TEMPO_DTYPE_COUNT; t++) {
        check_unpack(k, scalar, (tempo_dtype)t);
        check_special_scales(k, scalar, (tempo_dtype)t);
        check_matmul(k, (tempo_dtype)t);
    }
}

static void test_every_subset(void **state)
{
    (void)state;
    const uint32_t have = tempo_cpu_detect();
    tempo_kernels k, scalar;

    tempo_kernels_init(&scalar, 0);
    assert_string_equal(scalar.name, "scalar");
    for (uint32_t cpu = 0; cpu <= have; cpu++) {
        if ((cpu & ~have) != 0)
            continue;
        memset(&k, 0, sizeof(k));
        tempo_kernels_init(&k, cpu);
        printf("features %#x: %s\n", cpu, k.name);
        assert_int_equal(k.cpu, cpu);
        check_everything(&k, &scalar);
    }
}

static void test_names(void **state)
{
    (void)state;
    const uint32_t have = tempo_cpu_detect();
    uint32_t cpu = 99;

    assert_true(tempo_cpu_from_name(NULL, &cpu));
    assert_int_equal(cpu, have);
    assert_true(tempo_cpu_from_name("auto", &cpu));
    assert_int_equal(cpu, have);
    assert_true(tempo_cpu_from_name("scalar", &cpu));
    assert_int_equal(cpu, 0);
    assert_int_equal(tempo_cpu_from_name("avx2", &cpu), (have & TEMPO_CPU_AVX2) != 0);
    assert_int_equal(cpu, have & TEMPO_CPU_AVX2);
    assert_false(tempo_cpu_from_name("sse9", &cpu));
    assert_int_equal(cpu, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_subset),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
