/* test_half.c - 16-bit floats: every one of them to float and back, and the rounding of floats against a
 * rule in double precision, where all the values and midpoints in question are exact. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/half.h"

/* A 16-bit format: sign, exponent, `frac` bits of fraction; the smallest exponent of a normal is e_min. */
typedef struct format {
    int frac, e_min, bias;
    uint16_t infinity, frac_mask;
    float (*widen)(uint16_t h);
    uint16_t (*narrow)(float x);
} format;

static const format f16 = {10, -14, 15, 0x7c00, 0x03ff, tempo_f16_to_float, tempo_float_to_f16};
static const format bf16 = {7, -126, 127, 0x7f80, 0x007f, tempo_bf16_to_float, tempo_float_to_bf16};

/* The value by the definition of the format; for finite h only. */
static double defined_value(const format *f, uint16_t h)
{
    const int exponent = (h & f->infinity) >> f->frac, fraction = h & f->frac_mask;
    const double m = ldexp(fraction, -f->frac) + (exponent > 0);
    const double v = ldexp(m, exponent > 0 ? exponent - f->bias : f->e_min);

    return (h & 0x8000) != 0 ? -v : v;
}

/* Round to nearest, ties to even, by the definition: to a multiple of the spacing at |x|. */
static uint16_t defined_rounding(const format *f, double x)
{
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    const double a = fabs(x);
    int e = f->e_min;

    if (a >= ldexp(1, f->e_min))
        e = ilogb(a);
    /* Over the exponents of a binade the spacing is constant; counted in it, values are consecutive. */
    const double units = nearbyint(ldexp(a, f->frac - e));
    const double code = units + ldexp(e - f->e_min, f->frac);
    return (uint16_t)(sign | (code >= f->infinity ? f->infinity : (uint16_t)code));
}

static void check_every_value(const format *f)
{
    for (uint32_t u = 0; u <= 0xffff; u++) {
        const uint16_t h = (uint16_t)u;
        const float x = f->widen(h);
        if ((h & 0x7fff) > f->infinity) {
            assert_true(isnan(x));
            assert_true((f->narrow(x) & 0x7fff) > f->infinity);
        } else if ((h & 0x7fff) == f->infinity) {
            assert_true(isinf(x));
            assert_int_equal(f->narrow(x), h);
        } else {
            assert_true((double)x == defined_value(f, h));
            assert_int_equal(f->narrow(x), h);
        }
        assert_int_equal(signbit(x) != 0, h >> 15);
    }
}

static void test_f16_every_value(void **state)
{
    (void)state;
    check_every_value(&f16);
}

static void test_bf16_every_value(void **state)
{
    (void)state;
    check_every_value(&bf16);
}

static void check_rounding_of(const format *f, float x)
{
    const uint16_t got = f->narrow(x), want = defined_rounding(f, (double)x);

    if (got != want)
        print_error("%a: %#06x, expected %#06x\n", (double)x, got, want);
    assert_int_equal(got, want);
}

/* Around every value and every midpoint between two neighbours: that is where rounding changes. */
static void check_rounding(const format *f)
{
    for (uint16_t h = 0; h < f->infinity; h++) {
        const double low = defined_value(f, h);
        const double high = h + 1 < f->infinity ? defined_value(f, (uint16_t)(h + 1))
                                                : 2 * low - defined_value(f, (uint16_t)(h - 1));
        const float at[] = {(float)low, (float)(low / 2 + high / 2)};
        for (size_t i = 0; i < 2; i++) {
            const float x[] = {at[i], nextafterf(at[i], 0), nextafterf(at[i], INFINITY)};
            for (size_t k = 0; k < 3; k++) {
                check_rounding_of(f, x[k]);
                check_rounding_of(f, -x[k]);
            }
        }
    }
}

static void test_f16_rounding(void **state)
{
    (void)state;
    check_rounding(&f16);
}

static void test_bf16_rounding(void **state)
{
    (void)state;
    check_rounding(&bf16);
}

/* Floats over all exponents: a stride that is odd, so that every low bit pattern occurs. */
static void test_rounding_everywhere(void **state)
{
    (void)state;
    for (uint64_t u = 0; u < 0x7f800000; u += 9973) {
        const float x = tempo_bits_to_float((uint32_t)u);
        check_rounding_of(&f16, x);
        check_rounding_of(&bf16, x);
    }
}

static void test_edges(void **state)
{
    (void)state;
    assert_int_equal(tempo_float_to_f16(65504.0f), 0x7bff);
    assert_int_equal(tempo_float_to_f16(65519.996f), 0x7bff);
    assert_int_equal(tempo_float_to_f16(65520.0f), 0x7c00);
    assert_int_equal(tempo_float_to_f16(-65520.0f), 0xfc00);
    assert_int_equal(tempo_float_to_f16(0x1p-24f), 0x0001);
    assert_int_equal(tempo_float_to_f16(0x1p-25f), 0x0000); /* a tie, to even */
    assert_int_equal(tempo_float_to_f16(0x1.000002p-25f), 0x0001);
    assert_int_equal(tempo_float_to_f16(0x1p-149f), 0x0000);
    assert_int_equal(tempo_float_to_f16(-0.0f), 0x8000);
    assert_int_equal(tempo_float_to_bf16(0x1.fffffep127f), 0x7f80);
    assert_int_equal(tempo_float_to_bf16(-0x1p-149f), 0x8000);
    /* the payload sits in bits that are dropped: must not turn into an infinity */
    assert_int_equal(tempo_float_to_bf16(tempo_bits_to_float(0x7f800001)), 0x7fc0);
    assert_int_equal(tempo_float_to_f16(tempo_bits_to_float(0xff800001)), 0xfe00);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f16_every_value),     cmocka_unit_test(test_bf16_every_value),
        cmocka_unit_test(test_f16_rounding),        cmocka_unit_test(test_bf16_rounding),
        cmocka_unit_test(test_rounding_everywhere), cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
