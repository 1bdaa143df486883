/* Kernels against double precision, for every subset of the processor's features: sizes around every tile,
 * operands that end at an unmapped page, special values, and bits that must not depend on where an output
 * stands.
 *
 * Tolerances are those of kernels.h, written so that NaN fails.  u = 2^-24. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"
#include "io/npz.h"
#include "kernels/kernels.h"
#include "support/elements.h"
#include "support/guard.h"
#include "support/model_numbers.h"

static const double u = 0x1p-24;
static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257};
enum { N_SIZES = sizeof(sizes) / sizeof(*sizes) };

static uint64_t seed = 1;

/* About -2 .. 2, sometimes 0. */
static float random_float(void)
{
    const uint64_t r = tempo_random(&seed);

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

/* ---- activations: f(x), or f(x) u, with a bound for each x ---- */

typedef struct bounded {
    double value, error;
} bounded;

/* The argument of exp is rounded, and what it is made of: 8 units of it at most; then a sum, a quotient.
 * Where that exp is too large for a float the result, below 2^-124, is 0.  The reference's 1 + tanh cancels:
 * 4 units of x. */
static bounded gelu_tanh_of(const tempo_kernels *k, double x)
{
    const double t = sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
    const double want = x / (1 + exp(-2 * t));

    return (bounded){want,
                     k->cpu == 0 ? 4 * u * fabs(x) : fmin(4 * fabs(x), (6 + 16 * fabs(t)) * fabs(want)) * u};
}

/* The tail: 5 units of the polynomial, the square rounded twice, exp 2, a product; for x > 0 it is taken from
 * x. */
static bounded gelu_erf_of(const tempo_kernels *k, double x)
{
    const double tail = 0.5 * erfc(fabs(x) / sqrt(2)) * fabs(x), want = x > 0 ? x - tail : -tail;

    return (bounded){want, k->cpu == 0 ? 4 * u * fabs(x)
                                       : fmin(4 * fabs(x), (10 + 1.5 * x * x) * tail + fabs(want)) * u};
}

static bounded relu_of(const tempo_kernels *k, double x)
{
    (void)k;
    return (bounded){x > 0 ? x : 0, 0};
}

static bounded silu_of(const tempo_kernels *k, double x)
{
    const double want = x / (1 + exp(-x));

    (void)k;
    return (bounded){want, 7 * u * fabs(want)};
}

typedef void (*activation_fn)(float *g, const float *up, size_t n);
typedef bounded (*bounded_fn)(const tempo_kernels *k, double x);

static void check_activation_at(const tempo_kernels *k, const char *name, activation_fn f, bounded_fn exact,
                                float x)
{
    float g[1] = {x};
    const bounded want = exact(k, (double)x);

    f(g, NULL, 1);
    CHECK_CLOSE(g[0], want.value, want.error + 0x1p-124, "%s %s(%.9g)", k->name, name, (double)x);
}

static void check_activation(const tempo_kernels *k, const char *name, activation_fn f, bounded_fn exact)
{
    float nan[1] = {NAN};

    for (float x = -20.0f; x < 20.0f; x += 0.00173f)
        check_activation_at(k, name, f, exact, x);
    for (float x = 1; x > 1e-30f; x *= 0.7f) {
        check_activation_at(k, name, f, exact, x);
        check_activation_at(k, name, f, exact, -x);
    }
    check_activation_at(k, name, f, exact, 1e4f);
    check_activation_at(k, name, f, exact, -1e4f);
    f(nan, NULL, 1);
    assert_true(isnan(nan[0]));
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard gg, gu;
        float *g = floats(&gg, n), *up = floats(&gu, n), before[300], alone[300];
        if (n > 0)
            memcpy(before, g, n * sizeof(*g));
        f(g, up, n);
        for (size_t i = 0; i < n; i++) { /* wherever it stands, times u */
            alone[i] = before[i];
            f(&alone[i], NULL, 1);
            assert_true(g[i] == alone[i] * up[i]);
        }
        test_guard_free(&gg);
        test_guard_free(&gu);
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
    check_activation_at(k, "swiglu without u", k->swiglu, silu_of, 1.7f);
    check_activation_at(k, "swiglu without u", k->swiglu, silu_of, -3.3f);
    float g[4] = {-200.0f, 200.0f, NAN, -INFINITY}, up[4] = {1, 1, 1, 1};
    k->swiglu(g, up, 3);
    CHECK_CLOSE(g[0], 0.0, 1e-37, "%s swiglu(-200)", k->name);
    CHECK_CLOSE(g[1], 200.0, 0.0, "%s swiglu(200)", k->name);
    assert_true(isnan(g[2]));
}

static void check_gelu_tanh(const tempo_kernels *k)
{
    check_activation(k, "gelu_tanh", k->gelu_tanh, gelu_tanh_of);
}

static void check_gelu_erf(const tempo_kernels *k)
{
    check_activation(k, "gelu_erf", k->gelu_erf, gelu_erf_of);
}

static void check_relu(const tempo_kernels *k)
{
    check_activation(k, "relu", k->relu, relu_of);
}

static void check_swiglu_clamped(const tempo_kernels *k)
{
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard gg, gu;
        float *g = floats(&gg, n), *up = floats(&gu, n), before[300];
        for (size_t i = 0; i < n; i++) {
            g[i] *= i % 3 == 0 ? 10.0f : 1.0f;
            up[i] *= i % 4 == 0 ? 10.0f : 1.0f;
            before[i] = g[i];
        }
        k->swiglu_clamped(g, up, n);
        for (size_t i = 0; i < n; i++) {
            const double a = fmin((double)before[i], 7), b = fmax(fmin((double)up[i], 7), -7) + 1;
            const double want = a / (1 + exp(-1.702 * a)) * b;
            /* two roundings of the argument; exp, sum, quotient, u + 1, product */
            CHECK_CLOSE(g[i], want, (8 + 4 * fabs(a)) * u * fabs(want), "%s swiglu_clamped n %zu i %zu",
                        k->name, n, i);
        }
        test_guard_free(&gg);
        test_guard_free(&gu);
    }
    float g[3] = {NAN, 1.0f, -200.0f}, up[3] = {1.0f, NAN, 1.0f};
    k->swiglu_clamped(g, up, 3);
    assert_true(isnan(g[0]) && isnan(g[1]) && fabsf(g[2]) < 1e-37f);
}

static void check_softcap(const tempo_kernels *k)
{
    static const float caps[] = {50.0f, 30.0f, 1.0f, 0.37f};

    for (size_t c = 0; c < 4; c++)
        for (float x = 1e-20f; x < 1e6f; x *= 1.013f)
            for (int sign = -1; sign < 2; sign += 2) {
                const double cap = (double)caps[c], want = cap * tanh(sign * (double)x / cap);
                float got[1] = {(float)sign * x};
                k->softcap(got, caps[c], 1);
                CHECK_CLOSE(got[0], want, 8 * u * fabs(want), "%s softcap %g of %.9g", k->name, cap,
                            sign * (double)x);
            }
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard g;
        float *x = floats(&g, n), before[300];
        if (n > 0)
            memcpy(before, x, n * sizeof(*x));
        k->softcap(x, 2.0f, n);
        for (size_t i = 0; i < n; i++) {
            k->softcap(&before[i], 2.0f, 1);
            assert_memory_equal(&before[i], &x[i], sizeof(*x)); /* wherever it stands */
        }
        test_guard_free(&g);
    }
    float special[4] = {NAN, INFINITY, -INFINITY, 0.0f};
    k->softcap(special, 50.0f, 4);
    assert_true(isnan(special[0]) && special[1] == 50.0f && special[2] == -50.0f && special[3] == 0.0f);
}

static void check_layernorm_of(const tempo_kernels *k, size_t n, float around, bool biased)
{
    test_guard gx, gw, gb, gy;
    float *x = floats(&gx, n), *w = floats(&gw, n), *b = floats(&gb, n), *y = floats(&gy, n);
    double mean = 0, var = 0;

    for (size_t i = 0; i < n; i++) {
        x[i] += around;
        mean += (double)x[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        var += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    const double scale = 1 / sqrt(var + 1e-5);
    k->layernorm(y, x, w, biased ? b : NULL, n, 1e-5f);
    for (size_t i = 0; i < n; i++) {
        const double part = ((double)x[i] - mean) * scale * (double)w[i],
                     want = part + (biased ? (double)b[i] : 0);
        /* the mean is rounded; so are the difference, the scale (twice: its sum, itself), two products, the
         * sum */
        const double error = u * (fabs(mean * scale * (double)w[i]) + 6 * fabs(part) + fabs(want));
        CHECK_CLOSE(y[i], want, error, "%s layernorm n %zu around %g i %zu", k->name, n, (double)around, i);
    }
    k->layernorm(x, x, w, biased ? b : NULL, n, 1e-5f); /* in place */
    assert_memory_equal(x, y, n * sizeof(*x));
    test_guard_free(&gx);
    test_guard_free(&gw);
    test_guard_free(&gb);
    test_guard_free(&gy);
}

static void check_layernorm(const tempo_kernels *k)
{
    for (size_t s = 1; s < N_SIZES; s++) {
        check_layernorm_of(k, sizes[s], 0.0f, true);
        check_layernorm_of(k, sizes[s], 0.3f, false);
        check_layernorm_of(k, sizes[s], -1000.0f, true);
    }
    float same[40], w[40], y[40];
    for (size_t i = 0; i < 40; i++) {
        same[i] = 0.1f;
        w[i] = 1.0f;
    }
    k->layernorm(y, same, w, NULL, 40, 1e-30f); /* no variance */
    for (size_t i = 0; i < 40; i++)
        assert_true(y[i] == 0.0f);
    same[7] = NAN;
    k->layernorm(y, same, w, NULL, 40, 1e-5f);
    assert_true(isnan(y[0]) && isnan(y[39]));
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

/* Rows of each count that a body treats on its own; cache elements as floats or halves. */
enum { MEMBERS = 13 };

static double cached(const void *p, bool f16, size_t i)
{
    return f16 ? (double)tempo_f16_to_float(((const uint16_t *)p)[i]) : (double)((const float *)p)[i];
}

static void run_qk(const tempo_kernels *k, bool f16, float *const *s, const float *const *q, const void *keys,
                   size_t d, size_t n)
{
    const void *next = n % 2 != 0 ? keys : NULL; /* a hint */

    if (f16)
        k->qk_f16(s, q, keys, d, n, 0.125f, next);
    else
        k->qk_f32(s, q, keys, d, n, 0.125f, next);
}

/* Bits of a score may not depend on which rows are computed with it. */
static void check_qk_size(const tempo_kernels *k, bool f16, size_t d, size_t n)
{
    test_guard gk, gq[MEMBERS], gs[MEMBERS];
    const void *keys =
        f16 ? (void *)halves(&gk, TEMPO_PAGE_SLOTS * d) : (void *)floats(&gk, TEMPO_PAGE_SLOTS * d);
    const float *q[MEMBERS];
    float *s[MEMBERS], alone[TEMPO_PAGE_SLOTS], *alone_at = alone;

    for (size_t r = 0; r < n; r++) {
        q[r] = floats(&gq[r], d);
        s[r] = floats(&gs[r], TEMPO_PAGE_SLOTS);
    }
    run_qk(k, f16, s, q, keys, d, n);
    for (size_t r = 0; r < n; r++) {
        run_qk(k, f16, &alone_at, &q[r], keys, d, 1);
        assert_memory_equal(alone, s[r], sizeof(alone));
        for (size_t j = 0; j < TEMPO_PAGE_SLOTS; j++) {
            double want = 0, size = 0;
            for (size_t i = 0; i < d; i++) {
                const double term = (double)q[r][i] * cached(keys, f16, i * TEMPO_PAGE_SLOTS + j);
                want += term;
                size += fabs(term);
            }
            CHECK_CLOSE(s[r][j], 0.125 * want, 0.125 * ((double)d + 8) * u * size,
                        "%s qk f16 %d d %zu row %zu of %zu, key %zu", k->name, f16, d, r, n, j);
        }
        test_guard_free(&gq[r]);
        test_guard_free(&gs[r]);
    }
    test_guard_free(&gk);
}

static void check_qk(const tempo_kernels *k, bool f16)
{
    for (size_t s = 1; s < N_SIZES; s++)
        check_qk_size(k, f16, sizes[s], s % MEMBERS);
    for (size_t n = 0; n <= MEMBERS; n++)
        check_qk_size(k, f16, 40, n);
}

static void check_qk_f32(const tempo_kernels *k)
{
    check_qk(k, false);
}

static void check_qk_f16(const tempo_kernels *k)
{
    check_qk(k, true);
}

static void run_pv(const tempo_kernels *k, bool f16, float *const *out, const float *const *p,
                   const void *values, size_t d, size_t n, size_t slots)
{
    const void *next = n % 2 != 0 ? values : NULL; /* a hint */

    if (f16)
        k->pv_f16(out, p, values, d, n, slots, next);
    else
        k->pv_f32(out, p, values, d, n, slots, next);
}

static void check_pv_size(const tempo_kernels *k, bool f16, size_t d, size_t n, size_t slots)
{
    test_guard gv, gp[MEMBERS], go[MEMBERS];
    const void *values = f16 ? (void *)halves(&gv, slots * d) : (void *)floats(&gv, slots * d);
    const float *p[MEMBERS];
    float *out[MEMBERS], before[MEMBERS][300];

    for (size_t r = 0; r < n; r++) {
        p[r] = floats(&gp[r], slots);
        out[r] = floats(&go[r], d);
        memcpy(before[r], out[r], d * sizeof(float));
    }
    run_pv(k, f16, out, p, values, d, n, slots);
    for (size_t r = 0; r < n; r++) {
        float *again = before[r];
        double start[300];
        for (size_t i = 0; i < d; i++)
            start[i] = (double)before[r][i];
        run_pv(k, f16, &again, &p[r], values, d, 1, slots);
        assert_memory_equal(again, out[r], d * sizeof(float));
        for (size_t i = 0; i < d; i++) {
            double want = start[i], size = fabs(want);
            for (size_t j = 0; j < slots; j++) {
                const double term = (double)p[r][j] * cached(values, f16, j * d + i);
                want += term;
                size += fabs(term);
            }
            CHECK_CLOSE(out[r][i], want, ((double)slots + 2) * 2 * u * size,
                        "%s pv f16 %d d %zu row %zu of %zu slots %zu i %zu", k->name, f16, d, r, n, slots, i);
        }
        test_guard_free(&gp[r]);
        test_guard_free(&go[r]);
    }
    test_guard_free(&gv);
}

static void check_pv(const tempo_kernels *k, bool f16)
{
    for (size_t s = 1; s < N_SIZES; s++)
        for (size_t slots = 0; slots < 4; slots++)
            check_pv_size(k, f16, sizes[s], s % MEMBERS, slots);
    for (size_t n = 0; n <= MEMBERS; n++)
        check_pv_size(k, f16, 40, n, TEMPO_PAGE_SLOTS);
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

static void check_all_finite(const tempo_kernels *k)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};

    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard g;
        float *x = floats(&g, n);
        if (n > 0)
            x[n - 1] = 3e38f;
        if (n > 1)
            x[0] = -3e38f;
        assert_true(k->all_finite(x, n));
        for (size_t i = 0; i < n; i++) {
            const float kept = x[i];
            x[i] = odd[i % 3];
            assert_false(k->all_finite(x, n));
            x[i] = kept;
        }
        test_guard_free(&g);
    }
}

static void check_exp_f64_at(const tempo_kernels *k, double x)
{
    double got[1] = {x};
    const double want = x < -708 ? 0 : exp(x), sum = k->exp_f64(got, 1);
    int exponent;

    (void)frexp(want, &exponent);
    CHECK_CLOSE(got[0], want, want > 0 ? ldexp(2, exponent - 53) : 0, "%s exp_f64(%.17g)", k->name, x);
    assert_true(sum == got[0]);
}

/* In [0, 1), at the end of mapped memory. */
static double *doubles(test_guard *g, size_t n)
{
    *g = test_guard_create(n * sizeof(double));
    for (size_t i = 0; i < n; i++)
        ((double *)g->p)[i] = (double)(tempo_random(&seed) >> 11) * 0x1p-53;
    return g->p;
}

static void check_exp_f64(const tempo_kernels *k)
{
    for (double x = -720; x <= 709; x += 0.0731)
        check_exp_f64_at(k, x);
    for (double x = 1; x > 1e-30; x *= 0.5) {
        check_exp_f64_at(k, -x);
        check_exp_f64_at(k, x);
    }
    check_exp_f64_at(k, -708);
    check_exp_f64_at(k, 709);
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard g;
        double *x = doubles(&g, n), before[300], want = 0;
        if (n > 0)
            memcpy(before, x, n * sizeof(*x));
        const double sum = k->exp_f64(x, n);
        for (size_t i = 0; i < n; i++) {
            double alone[1] = {before[i]};
            (void)k->exp_f64(alone, 1);
            assert_memory_equal(alone, &x[i], sizeof(*x)); /* wherever it stands */
            want += x[i];
        }
        CHECK_CLOSE(sum, want, (double)n * 0x1p-52 * want, "%s exp_f64 n %zu", k->name, n);
        test_guard_free(&g);
    }
    double special[3] = {-INFINITY, -1e300, 0};
    assert_true(k->exp_f64(special, 3) == 1);
}

static void check_entropy(const tempo_kernels *k)
{
    for (double q = 1; q > 1e-307; q *= 0.97) {
        const double want = q < 1 ? -q * log(q) : 0; /* at most 1 in size */
        CHECK_CLOSE(k->entropy(&q, 1), want, 0x1p-50 * (want > q ? want : q), "%s entropy of %.17g", k->name,
                    q);
    }
    for (size_t s = 0; s < N_SIZES; s++) {
        const size_t n = sizes[s];
        test_guard g;
        double *q = doubles(&g, n), want = 0;
        for (size_t i = 0; i < n; i++) {
            q[i] = i % 5 == 0 ? 0 : q[i];
            want -= q[i] > 0 ? q[i] * log(q[i]) : 0;
        }
        CHECK_CLOSE(k->entropy(q, n), want, ((double)n + 8) * 0x1p-51 * (double)n, "%s entropy n %zu",
                    k->name, n);
        test_guard_free(&g);
    }
}

/* ---- element types, against an independent decoder (support/elements.h) ---- */

/* n elements of any bits but infinite or NaN scales, at the end of mapped memory. */
static unsigned char *weights(test_guard *g, tempo_dtype t, size_t n)
{
    const tempo_dtype_info *d = tempo_dtype_get(t);

    *g = test_guard_create(n / d->block_len * d->block_bytes);
    tempo_random_fill(g->p, t, n, 0.0, 1.0, &seed);
    return g->p;
}

static double weight_at(tempo_dtype t, const unsigned char *w, size_t i)
{
    const tempo_dtype_info *d = tempo_dtype_get(t);

    return test_element(t, w + i / d->block_len * d->block_bytes, (unsigned)(i % d->block_len));
}

/* Exact up to one rounding, at any alignment. */
static void check_unpack(tempo_dtype t)
{
    const size_t len = tempo_dtype_get(t)->block_len;

    for (size_t blocks = 0; blocks < 6; blocks++)
        for (size_t extra = 0; extra < (len == 1 ? 12 : 1); extra++) {
            const size_t n = blocks * len + extra;
            test_guard gw, go = test_guard_create(n * sizeof(float));
            const unsigned char *w = weights(&gw, t, n);
            float *got = go.p;
            tempo_unpack[t](got, w, n);
            for (size_t i = 0; i < n; i++) {
                const double want = weight_at(t, w, i);
                CHECK_CLOSE(got[i], want, u * fabs(want), "unpack %s element %zu", tempo_dtype_get(t)->name,
                            i);
            }
            test_guard_free(&gw);
            test_guard_free(&go);
        }
}

static size_t special_scale_at(tempo_dtype t)
{
    switch (t) {
    case TEMPO_Q2_K:
        return 80;
    case TEMPO_Q3_K:
        return 108;
    case TEMPO_Q6_K:
        return 208;
    case TEMPO_TQ1_0:
        return 52;
    case TEMPO_TQ2_0:
        return 64;
    default:
        return 0;
    }
}

/* Scales that are subnormal, infinite or NaN come out as such. */
static void check_special_scales(tempo_dtype t)
{
    static const uint16_t scales[] = {0x0001, 0x83ff, 0x7c00, 0xfc00, 0x7e00, 0x8000};
    const tempo_dtype_info *d = tempo_dtype_get(t);
    const size_t at = special_scale_at(t);

    if (d->block_len == 1 || t == TEMPO_IQ1_M || t == TEMPO_MXFP4 || t == TEMPO_NVFP4)
        return; /* no 16 bits in one place */
    for (size_t s = 0; s < sizeof(scales) / sizeof(*scales); s++) {
        unsigned char block[256];
        float got[256];
        tempo_random_fill(block, t, d->block_len, 0.0, 1.0, &seed);
        block[at] = (unsigned char)scales[s];
        block[at + 1] = (unsigned char)(scales[s] >> 8);
        tempo_unpack[t](got, block, d->block_len);
        for (unsigned i = 0; i < d->block_len; i++) {
            const double exact = test_element(t, block, i);
            assert_int_equal(isnan(got[i]), isnan(exact));
            assert_true(isnan(exact) || (double)got[i] == exact ||
                        is_close((double)got[i], exact, u * fabs(exact)));
        }
    }
}

/* ---- the matrix product ---- */

/* A matrix and activations, all at the ends of mapped memory, and what the kernels make of them. */
typedef struct product {
    const tempo_kernels *k;
    tempo_weight w;
    const float *x;
    size_t m;
    double *values; /* [n_out, n_in], by the other decoder */
    test_guard gw, gx, gp;
} product;

static unsigned char *aligned(size_t n)
{
    unsigned char *p = aligned_alloc(64, (n + 127) & ~(size_t)63);

    assert_non_null(p);
    return p;
}

/* Rows [row, row + m) with outputs [first, first + n): y of them alone.  `cut` prepares in two parts. */
static void multiply(const product *p, float *y, size_t ldy, size_t first, size_t n, size_t row, size_t m,
                     bool cut)
{
    const size_t k = p->w.n_in, middle = cut ? k / 2 / TEMPO_BLOCK * TEMPO_BLOCK : 0;
    const tempo_form form = p->k->form[p->w.type];
    const tempo_form_bodies *bodies = &p->k->form_bodies[form];
    unsigned char *act = NULL, *scratch = aligned(p->k->scratch_bytes(k));

    if (form != TEMPO_FORM_FLOAT) {
        act = aligned(bodies->bytes(m, k));
        memset(act, 0x7f, bodies->bytes(m, k)); /* nothing may be taken for granted */
        for (size_t r = 0; r < m; r++) {
            bodies->prepare(act, r, p->x + (row + r) * k, k, middle, k);
            bodies->prepare(act, r, p->x + (row + r) * k, k, 0, middle);
        }
    }
    p->k->matmul[p->w.type](y, ldy, &p->w, first, n,
                            act != NULL ? (void *)act : (const void *)(p->x + row * k), m, scratch);
    free(act);
    free(scratch);
}

/* kernels.h's bounds; one unit more for weights whose unpacking rounds. */
static double tolerance(const product *p, size_t o, const float *x)
{
    const size_t k = p->w.n_in;
    const double *row = p->values + o * k;
    const tempo_form form = p->k->form[p->w.type];
    double size = 0, blocks = 0;

    for (size_t begin = 0; begin < k; begin += TEMPO_BLOCK) {
        double most = 0, sum = 0;
        for (size_t i = begin; i < k && i < begin + TEMPO_BLOCK; i++) {
            const double w = fabs(row[i]);
            most = fmax(most, fabs((double)x[i]));
            sum += w;
            size += w * fabs((double)x[i]);
        }
        blocks += most * sum;
    }
    switch (form) {
    case TEMPO_FORM_FLOAT:
        return ((double)k / 16 + 261) * u * size;
    case TEMPO_FORM_BF16:
        return (p->k->compute == TEMPO_FAST ? 0x1p-7 : 0x1p-15) * size;
    case TEMPO_FORM_BF16_ROWS:
        return 0x1p-6 * size;
    case TEMPO_FORM_INTEGER:
        return 0x1p-15 * blocks;
    case TEMPO_FORM_BYTES:
        return 1.0 / 253 * blocks;
    case TEMPO_FORM_COUNT:
        break;
    }
    return NAN;
}

/* What the form of bytes makes of x[k]. */
static void as_bytes(double *to, const float *x, size_t k)
{
    for (size_t begin = 0; begin < k; begin += TEMPO_BLOCK) {
        const size_t end = k - begin < TEMPO_BLOCK ? k : begin + TEMPO_BLOCK;
        float most = 0;
        for (size_t i = begin; i < end; i++)
            most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
        for (size_t i = begin; i < end; i++)
            to[i] = most < 0x1p-96f ? 0 : (double)rintf(x[i] * (127.0f / most)) * (double)(most / 127.0f);
    }
}

/* What rounds the activations much has rounded nothing else: bytes' products are exact, and their sums those
 * of floats. */
static void check_bytes(const product *p, const float *y, size_t ldy)
{
    const size_t k = p->w.n_in;
    double *x = malloc((k + 1) * sizeof(*x));

    assert_non_null(x);
    for (size_t r = 0; r < p->m; r++) {
        as_bytes(x, p->x + r * k, k);
        for (size_t o = 0; o < p->w.n_out; o++) {
            double want = 0, size = 0;
            for (size_t i = 0; i < k; i++) {
                want += p->values[o * k + i] * x[i];
                size += fabs(p->values[o * k + i] * x[i]);
            }
            CHECK_CLOSE(y[r * ldy + o], want, ((double)k / 16 + 261) * u * size,
                        "%s bytes %s m %zu k %zu (%zu, %zu)", p->k->name, tempo_dtype_get(p->w.type)->name,
                        p->m, k, r, o);
        }
    }
    free(x);
}

static void check_against_double(const product *p, const float *y, size_t ldy)
{
    const size_t k = p->w.n_in;

    for (size_t r = 0; r < p->m; r++)
        for (size_t o = 0; o < p->w.n_out; o++) {
            const double *row = p->values + o * k;
            double want = 0;
            for (size_t i = 0; i < k; i++)
                want += row[i] * (double)p->x[r * k + i];
            CHECK_CLOSE(y[r * ldy + o], want, tolerance(p, o, p->x + r * k),
                        "%s matmul %s m %zu n %zu k %zu (%zu, %zu)", p->k->name,
                        tempo_dtype_get(p->w.type)->name, p->m, p->w.n_out, k, r, o);
        }
    if (p->k->form[p->w.type] == TEMPO_FORM_BYTES)
        check_bytes(p, y, ldy);
}

/* Every row again, alone and prepared in parts, a panel at a time: the same bits. */
static void check_same_bits(const product *p, const float *y, size_t ldy)
{
    for (size_t r = 0; r < p->m; r++)
        for (size_t o = 0; o < p->w.n_out; o += TEMPO_PANEL) {
            const size_t n = p->w.n_out - o < TEMPO_PANEL ? p->w.n_out - o : (size_t)TEMPO_PANEL;
            float alone[1000];
            assert_true(o + n <= 1000);
            multiply(p, alone, 1000, o, n, r, 1, true);
            if (memcmp(alone + o, y + r * ldy + o, n * sizeof(*y)) != 0)
                fail_msg("%s matmul %s: outputs (%zu, %zu ..) of %zu x %zu depend on their neighbours",
                         p->k->name, tempo_dtype_get(p->w.type)->name, r, o, p->m, p->w.n_out);
        }
}

static product make_product(const tempo_kernels *k, tempo_dtype t, size_t m, size_t n, size_t kk)
{
    const tempo_dtype_info *d = tempo_dtype_get(t);
    product p = {.k = k, .m = m};

    p.w = (tempo_weight){.n_out = n, .n_in = kk, .row_bytes = kk / d->block_len * d->block_bytes, .type = t};
    p.w.data = weights(&p.gw, t, n * kk);
    p.values = malloc((n * kk + 1) * sizeof(*p.values));
    assert_non_null(p.values);
    for (size_t i = 0; i < n * kk; i++)
        p.values[i] = weight_at(t, p.w.data, i);
    p.x = floats(&p.gx, m * kk);
    if (k->packed[t]) {
        const size_t panels = (n + TEMPO_PANEL - 1) / TEMPO_PANEL;
        p.gp = test_guard_create(panels * tempo_panel_bytes(t, kk));
        tempo_pack_panels(p.gp.p, &p.w, 0, panels);
        p.w.panels = p.gp.p;
    }
    return p;
}

static void free_product(product *p)
{
    free(p->values);
    test_guard_free(&p->gw);
    test_guard_free(&p->gx);
    if (p->w.panels != NULL)
        test_guard_free(&p->gp);
}

static void check_product(const tempo_kernels *k, tempo_dtype t, size_t m, size_t n, size_t kk)
{
    const size_t ldy = n + 3;
    product p = make_product(k, t, m, n, kk);
    test_guard gy = test_guard_create((m > 0 ? (m - 1) * ldy + n : 0) * sizeof(float));
    float *y = gy.p;

    for (size_t i = 0; i < (m > 0 ? (m - 1) * ldy + n : 0); i++)
        y[i] = 12345.0f;
    multiply(&p, y, ldy, 0, n, 0, m, false);
    for (size_t r = 0; r + 1 < m; r++)
        for (size_t i = n; i < ldy; i++)
            assert_true(y[r * ldy + i] == 12345.0f);
    check_against_double(&p, y, ldy);
    check_same_bits(&p, y, ldy);
    free_product(&p);
    test_guard_free(&gy);
}

/* Outliers a thousand times the rest: integers of a row as a whole would lose the others. */
static void check_outliers(const tempo_kernels *k, tempo_dtype t)
{
    product p = make_product(k, t, 3, 33, 1024);
    float *x = p.gx.p, y[3 * 33];

    for (size_t i = 0; i < 3 * 1024; i++)
        x[i] *= i % 131 == 7 ? 4000.0f : i % 5 == 0 ? 1e-3f : 1.0f;
    multiply(&p, y, 33, 0, 33, 0, 3, false);
    check_against_double(&p, y, 33);
    free_product(&p);
}

/* One activation that is no number makes every output of its row none, and of no other row. */
static void check_not_a_number(const tempo_kernels *k, tempo_dtype t)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};

    for (size_t b = 0; b < 3; b++) {
        product p = make_product(k, t, 3, 17, 512);
        float *x = p.gx.p, y[3 * 17];
        x[512 + 77] = bad[b];
        multiply(&p, y, 17, 0, 17, 0, 3, false);
        for (size_t r = 0; r < 3; r++)
            for (size_t o = 0; o < 17; o++)
                if ((r == 1) == isfinite(y[r * 17 + o]))
                    fail_msg("%s matmul %s with %g: output (%zu, %zu) is %g", k->name,
                             tempo_dtype_get(t)->name, (double)bad[b], r, o, (double)y[r * 17 + o]);
        free_product(&p);
    }
}

/* Blocks of zeros, and of numbers around the smallest that count. */
static void check_tiny(const tempo_kernels *k, tempo_dtype t)
{
    product p = make_product(k, t, 1, 16, 512);
    float *x = p.gx.p, y[16];

    for (size_t i = 0; i < 512; i++)
        x[i] = i < 128 ? 0.0f : i < 256 ? x[i] * 0x1p-94f : x[i] * 0x1p-90f;
    multiply(&p, y, 16, 0, 16, 0, 1, false);
    check_against_double(&p, y, 16);
    free_product(&p);
}

static void check_matmul(const tempo_kernels *k, tempo_dtype t)
{
    static const size_t ms[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 33},
                        ns[] = {0, 1, 3, 4, 5, 15, 16, 17, 33, 50},
                        odd[] = {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 63, 65};
    const size_t len = tempo_dtype_get(t)->block_len;

    for (size_t i = 0; i < sizeof(ms) / sizeof(*ms); i++)
        for (size_t j = 0; j < sizeof(ns) / sizeof(*ns); j++)
            check_product(k, t, ms[i], ns[j], len == 1 ? odd[(i + j) % 13] : ((i + j) % 3 + 1) * len);
    for (size_t l = 0; l < sizeof(odd) / sizeof(*odd); l++)
        check_product(k, t, 9, 17, len == 1 ? odd[l] : (l + 1) * len);
    check_product(k, t, 4, 5, len == 1 ? 4321 : 4608); /* longer than one chain of every body */
    check_product(k, t, 9, 5, len == 1 ? 8200 : 8448);
    check_outliers(k, t);
    check_not_a_number(k, t);
    if (k->form[t] == TEMPO_FORM_INTEGER)
        check_tiny(k, t);
}

/* Only some of a matrix's panels: each as when all are packed. */
static void test_panels(void **state)
{
    (void)state;
    for (int t = 0; t < TEMPO_DTYPE_COUNT; t++) {
        const tempo_dtype_info *d = tempo_dtype_get((tempo_dtype)t);
        const size_t bytes = tempo_panel_bytes((tempo_dtype)t, 512);
        if (bytes == 0)
            continue;
        test_guard g;
        unsigned char *all = aligned(3 * bytes), *some = aligned(bytes);
        tempo_weight w = {.n_out = 40, .n_in = 512, .row_bytes = 512 / d->block_len * d->block_bytes};
        w.type = (tempo_dtype)t;
        w.data = weights(&g, w.type, 40 * 512);
        memset(all, 1, 3 * bytes);
        memset(some, 1, bytes);
        tempo_pack_panels(all, &w, 0, 3);
        tempo_pack_panels(some, &w, 2, 1);
        assert_memory_equal(some, all + 2 * bytes, bytes);
        /* codewords become numbers of levels: IQ1_S doubles */
        const double most = t >= TEMPO_IQ1_S && t <= TEMPO_NVFP4 && t != TEMPO_MXFP4 ? 34.0 : 16.7;
        assert_true(bytes >= 16 * w.row_bytes && (double)bytes <= most * (double)w.row_bytes);
        free(all);
        free(some);
        test_guard_free(&g);
    }
}

/* ---- all of it, for every subset of the features ---- */

static void check_everything(const tempo_kernels *k)
{
    /* A kernel of the list without a check_NAME does not build. */
#define KERNEL(name, ret, args) check_##name(k);
#include "kernels/kernels.inc"
#undef KERNEL
    for (int t = 0; t < TEMPO_DTYPE_COUNT; t++)
        check_matmul(k, (tempo_dtype)t);
}

static void test_unpack(void **state)
{
    (void)state;
    for (int t = 0; t < TEMPO_DTYPE_COUNT; t++) {
        check_unpack((tempo_dtype)t);
        check_special_scales((tempo_dtype)t);
    }
}

/* Blocks of any bytes, scales too: every number is what the other decoder says, and nothing else is read. */
static void test_any_bytes(void **state)
{
    (void)state;
    for (int t = 0; t < TEMPO_DTYPE_COUNT; t++) {
        const tempo_dtype_info *d = tempo_dtype_get((tempo_dtype)t);
        test_guard g = test_guard_create(d->block_bytes),
                   go = test_guard_create(d->block_len * sizeof(float));
        unsigned char *block = g.p;
        float *got = go.p;
        for (size_t round = 0; round < 300; round++) {
            for (size_t i = 0; i < d->block_bytes; i++)
                block[i] =
                    (unsigned char)(round < 256 && i == round % d->block_bytes ? round
                                                                               : tempo_random(&seed) >> 40);
            if (round >= 298)
                memset(block, round == 298 ? 0 : 0xff, d->block_bytes);
            tempo_unpack[t](got, block, d->block_len);
            for (unsigned i = 0; i < d->block_len; i++) {
                const double exact = test_element((tempo_dtype)t, block, i);
                if (isinf(got[i]) && fabs(exact) > (double)FLT_MAX)
                    continue; /* MXFP4 reaches beyond */
                if (isnan(got[i]) != isnan(exact) ||
                    !(isnan(exact) || (double)got[i] == exact ||
                      is_close((double)got[i], exact, u * fabs(exact) + 0x1p-150)))
                    fail_msg("%s: element %u is %.9g, expected %.9g", d->name, i, (double)got[i], exact);
            }
        }
        test_guard_free(&g);
        test_guard_free(&go);
    }
}

/* Blocks of another implementation and what it makes of them: the same numbers, to the last bit. */
static void test_published_blocks(void **state)
{
    static const char path[] = "../shared/types/types.npz";
    tempo_err err = {0};
    tempo_npz *z;
    size_t types = 0, with_blocks = 0;

    (void)state;
    if (tempo_npz_open(&z, path, &err) != TEMPO_OK) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    for (int t = 0; t < TEMPO_DTYPE_COUNT; t++) {
        const tempo_dtype_info *d = tempo_dtype_get((tempo_dtype)t);
        char name[64];
        with_blocks += d->block_len > 1;
        tempo_npy blocks, values;
        (void)snprintf(name, sizeof(name), "%s_bytes", d->name);
        if (tempo_npz_read(z, name, 1 << 20, &blocks, &err) != TEMPO_OK)
            continue; /* one that needs none: F32 */
        assert_true(d->block_len > 1);
        (void)snprintf(name, sizeof(name), "%s_values", d->name);
        assert_int_equal(tempo_npz_read(z, name, 1 << 20, &values, &err), TEMPO_OK);
        assert_int_equal(blocks.count, blocks.shape[0] * d->block_bytes);
        assert_int_equal(values.count, blocks.shape[0] * d->block_len);
        float *got = malloc(values.count * sizeof(*got));
        const float *want = values.data;
        assert_non_null(got);
        tempo_unpack[t](got, blocks.data, values.count);
        for (size_t i = 0; i < values.count; i++)
            if (!(got[i] == want[i] || (isnan(got[i]) && isnan(want[i]))))
                fail_msg("%s: element %zu is %.9g, expected %.9g", d->name, i, (double)got[i],
                         (double)want[i]);
        types++;
        free(got);
        tempo_npy_free(&blocks);
        tempo_npy_free(&values);
    }
    assert_int_equal(types, with_blocks);
    tempo_npz_free(z);
}

/* Features and modes select among few bodies: a table that was checked is not checked again. */
static bool same_bodies(tempo_kernels a, const tempo_kernels *b)
{
    a.name = b->name;
    a.cpu = b->cpu;
    a.compute = b->compute;
    return memcmp(&a, b, sizeof(a)) == 0;
}

static void test_every_subset(void **state)
{
    (void)state;
    static tempo_kernels seen[64];
    const uint32_t have = tempo_cpu_detect();
    size_t n = 0;

    for (uint32_t i = 0; i <= 2 * have + 1; i++) {
        const uint32_t cpu = i / 2;
        const tempo_compute mode = i % 2 != 0 ? TEMPO_FAST : TEMPO_EXACT;
        tempo_kernels k;
        size_t s = 0;
        if ((cpu & ~have) != 0)
            continue;
        memset(&k, 0, sizeof(k));
        tempo_kernels_init(&k, cpu, mode);
        assert_int_equal(k.cpu, cpu);
        while (s < n && !same_bodies(k, &seen[s]))
            s++;
        if (s < n)
            continue;
        assert_true(n < 64);
        seen[n++] = k;
        printf("features %#x: %s%s\n", cpu, k.name, mode == TEMPO_FAST ? ", fast" : "");
        check_everything(&k);
    }
}

/* Every path that this machine has can be asked for by name, and its table says that name. */
static void test_names(void **state)
{
    (void)state;
    const uint32_t have = tempo_cpu_detect();
    uint32_t cpu = 99;
    size_t n = 0;

    assert_true(tempo_cpu_from_name(NULL, &cpu));
    assert_int_equal(cpu, have);
    assert_true(tempo_cpu_from_name("auto", &cpu));
    assert_int_equal(cpu, have);
    assert_true(tempo_cpu_from_name("scalar", &cpu));
    assert_int_equal(cpu, 0);
    assert_string_equal(tempo_cpu_name(0), "scalar");
    for (; tempo_cpu_name(n) != NULL; n++) {
        tempo_kernels k;
        assert_true(tempo_cpu_from_name(tempo_cpu_name(n), &cpu));
        assert_int_equal(cpu & ~have, 0);
        tempo_kernels_init(&k, cpu, TEMPO_EXACT);
        assert_string_equal(k.name, tempo_cpu_name(n));
    }
    assert_true(have == 0 || n > 1);
    assert_false(tempo_cpu_from_name("sse9", &cpu));
    assert_int_equal(cpu, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unpack),           cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_published_blocks), cmocka_unit_test(test_panels),
        cmocka_unit_test(test_every_subset),     cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
