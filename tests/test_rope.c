/* test_rope.c - RoPE's frequencies and their scaling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "model/files.h"

static void test_plain(void **state)
{
    const tempo_rope r = {.theta = 10000.0};
    double freq[32];

    (void)state;
    tempo_rope_frequencies(freq, 64, &r, NULL);
    assert_true(freq[0] == 1.0);
    assert_true(fabs(freq[16] - 0.01) < 1e-17);
    assert_true(fabs(freq[31] - exp(-62.0 / 64.0 * log(10000.0))) < 1e-18);
}

static void test_linear(void **state)
{
    const tempo_rope plain = {.theta = 500000.0},
                     linear = {.theta = 500000.0, .kind = TEMPO_ROPE_LINEAR, .factor = 4.0};
    double a[32], b[32];

    (void)state;
    tempo_rope_frequencies(a, 64, &plain, NULL);
    tempo_rope_frequencies(b, 64, &linear, NULL);
    for (int i = 0; i < 32; i++)
        assert_true(b[i] == a[i] / 4.0);
}

/* Llama 3.1's own numbers. */
static void test_llama3(void **state)
{
    const tempo_rope r = {.theta = 500000.0,
                          .kind = TEMPO_ROPE_LLAMA3,
                          .factor = 8.0,
                          .low = 1.0,
                          .high = 4.0,
                          .context = 8192.0};
    float factors[64];
    double freq[64];

    (void)state;
    tempo_rope_llama3(factors, 128, &r);
    tempo_rope_frequencies(freq, 128, &r, factors);
    for (int i = 0; i < 64; i++) {
        const double base = pow(500000.0, -2.0 * i / 128.0), wavelen = 2.0 * 3.14159265358979323846 / base;
        if (wavelen < 8192.0 / 4.0) {
            assert_true(factors[i] == 1.0f);
            assert_true(freq[i] == base);
        } else if (wavelen > 8192.0) {
            assert_true(factors[i] == 8.0f);
            assert_true(freq[i] == base / 8.0);
        } else {
            const double smooth = (8192.0 / wavelen - 1.0) / 3.0;
            const double want = (1.0 - smooth) * base / 8.0 + smooth * base;
            assert_true(factors[i] > 1.0f && factors[i] < 8.0f);
            assert_true(fabs(freq[i] - want) <= 1e-7 * want); /* a float factor: 2^-24 */
        }
    }
    assert_true(factors[28] == 1.0f && factors[29] > 1.0f); /* the bounds are where they belong */
    assert_true(factors[34] < 8.0f && factors[35] == 8.0f);
}

static void test_factors_divide(void **state)
{
    const tempo_rope r = {.theta = 10000.0, .kind = TEMPO_ROPE_LINEAR, .factor = 2.0};
    const float factors[4] = {1.0f, 2.0f, 4.0f, 0.5f};
    double plain[4], freq[4];

    (void)state;
    tempo_rope_frequencies(plain, 8, &(tempo_rope){.theta = 10000.0}, NULL);
    tempo_rope_frequencies(freq, 8, &r, factors);
    for (int i = 0; i < 4; i++)
        assert_true(freq[i] == plain[i] / (double)factors[i] / 2.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_factors_divide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
