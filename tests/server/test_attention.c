/* Slices and summaries of recorded attention against sums written out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/recorded.h"

enum { LAYERS = 2, HEADS = 3, ROWS = 2, SLOTS = 300 };

static float weights[LAYERS][HEADS][ROWS][SLOTS];
static const int64_t queries[ROWS] = {298, 299};
static uint32_t sets[SLOTS];

/* Slots 297..299 are one set; 297 is no row of the step. */
static tempo_recorded_step make_step(void)
{
    for (size_t j = 0; j < SLOTS; j++)
        sets[j] = j < 297 ? (uint32_t)j : 297;
    for (size_t l = 0; l < LAYERS; l++)
        for (size_t h = 0; h < HEADS; h++)
            for (size_t r = 0; r < ROWS; r++)
                for (size_t j = 0; j < SLOTS; j++)
                    weights[l][h][r][j] = (float)((l * 7 + h * 5 + r * 3 + j * j) % 101) / 16384;
    return (tempo_recorded_step){.n_rows = ROWS,
                                 .n_slots = SLOTS,
                                 .n_layers = LAYERS,
                                 .n_heads = HEADS,
                                 .query_slots = queries,
                                 .sets = sets,
                                 .data = &weights[0][0][0][0]};
}

static void test_summary(void **state)
{
    (void)state;
    const tempo_recorded_step s = make_step();
    float siblings[LAYERS * HEADS], entropy[LAYERS * HEADS], sink[LAYERS * HEADS], key_weights[ROWS * 5];
    int64_t keys[ROWS * 5];

    tempo_attention_summarise(&s, 5, siblings, entropy, sink, keys, key_weights);
    for (size_t l = 0; l < LAYERS; l++)
        for (size_t h = 0; h < HEADS; h++) {
            float(*a)[SLOTS] = weights[l][h]; /* const: pedantic C11 forbids it here */
            double e = 0;
            for (size_t r = 0; r < ROWS; r++)
                for (size_t j = 0; j < SLOTS; j++)
                    e -= a[r][j] > 0 ? (double)a[r][j] * log((double)a[r][j]) / ROWS : 0;
            /* sums of floats below 1 in double, rounded once to float */
            assert_true(fabs((double)siblings[l * HEADS + h] -
                             ((double)a[0][297] + (double)a[0][299] + (double)a[1][297] + (double)a[1][298]) /
                                 2) < 1e-9);
            assert_true(fabs((double)sink[l * HEADS + h] - ((double)a[0][0] + (double)a[1][0]) / 2) < 1e-9);
            assert_true(fabs((double)entropy[l * HEADS + h] - e) < 1e-6);
        }
    for (size_t r = 0; r < ROWS; r++) {
        double at[SLOTS], bound = HUGE_VAL;
        for (size_t j = 0; j < SLOTS; j++) {
            at[j] = 0;
            for (size_t l = 0; l < LAYERS; l++)
                for (size_t h = 0; h < HEADS; h++)
                    at[j] += (double)weights[l][h][r][j] / (LAYERS * HEADS);
        }
        for (size_t k = 0; k < 5; k++) { /* each is the largest of what is left */
            const size_t slot = (size_t)keys[r * 5 + k];
            assert_true(fabs((double)key_weights[r * 5 + k] - at[slot]) < 1e-9);
            assert_true(at[slot] <= bound + 1e-9);
            bound = at[slot];
            at[slot] = -1;
        }
        for (size_t j = 0; j < SLOTS; j++)
            assert_true(at[j] <= bound + 1e-9);
    }
}

static void test_slices(void **state)
{
    (void)state;
    const tempo_recorded_step s = make_step();
    size_t shape[4], n_axes, n;
    float *out;
    tempo_err err = {0};

    assert_int_equal(
        tempo_attention_slice(&s, &(tempo_attention_pick){-1, -1, -1}, &out, &n, shape, &n_axes, &err),
        TEMPO_OK);
    assert_int_equal(n_axes, 4);
    assert_int_equal(n, LAYERS * HEADS * ROWS * SLOTS);
    assert_memory_equal(out, weights, sizeof(weights));
    free(out);
    assert_int_equal(
        tempo_attention_slice(&s, &(tempo_attention_pick){1, 2, 1}, &out, &n, shape, &n_axes, &err),
        TEMPO_OK);
    assert_int_equal(n_axes, 1);
    assert_int_equal(shape[0], SLOTS);
    assert_memory_equal(out, weights[1][2][1], sizeof(weights[1][2][1]));
    free(out);
    assert_int_equal(tempo_attention_slice(&s, &(tempo_attention_pick){TEMPO_AXIS_MEAN, 1, -1}, &out, &n,
                                           shape, &n_axes, &err),
                     TEMPO_OK);
    assert_int_equal(n_axes, 2);
    assert_int_equal(shape[0], ROWS);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < SLOTS; j++)
            assert_true(fabs((double)out[r * SLOTS + j] -
                             ((double)weights[0][1][r][j] + (double)weights[1][1][r][j]) / 2) < 1e-9);
    free(out);
    assert_int_equal(
        tempo_attention_slice(&s, &(tempo_attention_pick){0, HEADS, -1}, &out, &n, shape, &n_axes, &err),
        TEMPO_E_ARG);
    assert_null(out);
    assert_non_null(strstr(err.msg, "head 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_summary), cmocka_unit_test(test_slices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
