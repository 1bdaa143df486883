/* The forward pass against double precision (tests/reference/reference.c): every architecture, element type,
 * RoPE scaling and visibility, real-valued positions.
 *
 * Tolerance.  A layer's sums of d products err by about sqrt(d) u relative to what is summed (u = 2^-24;
 * rounding errors are of either sign), and a residual stream carries the errors of L layers on; with a factor
 * of 8 for the several sums of a layer and the largest of many logits: 8 u L sqrt(d) (1 + max |logit|).  A
 * cache of half floats rounds every key and value by up to 2^-11 of itself, of which attention averages many:
 * u becomes 2^-11 / 16 there.  */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/models.h"
#include "reference/reference.h"
#include "support/tmpdir.h"

enum { SLOTS = 14, LONG = 90 };

/* A prompt of six and two sets of four, at positions that are not all integers. */
static void make_slots(reference_slot *slots, tempo_mode mode, uint32_t first_layer, uint32_t last_layer)
{
    static const int32_t tokens[SLOTS] = {1, 20, 3, 44, 5, 66, 7, 88, 9, 90, 11, 12, 13, 14};

    for (size_t i = 0; i < SLOTS; i++) {
        const size_t set = i < 6 ? i : 6 + (i - 6) / 4;
        slots[i] = (reference_slot){.token = tokens[i],
                                    .set = (uint32_t)set,
                                    .position = (double)set + (i < 6 ? 0 : 0.25 * (double)(i % 4)),
                                    .mode = mode,
                                    .first_layer = first_layer,
                                    .last_layer = last_layer};
    }
}

/* Roundings of one product's operands (kernels.h), random-walked through the layers; and for models as small
 * as these, without outliers, never above 2e-4 for F32 matrices, 5e-4 for 16-bit ones, 5e-3 for quantised
 * ones.  Real ones: tests/field/.  */
static double tolerance_of(const tempo_model *m, tempo_kv_type kv, double largest)
{
    const tempo_dtype t = m->layers[0].wq.type;
    const tempo_form form = m->kernels.form[t];
    const double unit = kv == TEMPO_KV_F16           ? 0x1p-11 / 16
                        : form == TEMPO_FORM_FLOAT   ? 0x1p-24
                        : form == TEMPO_FORM_INTEGER ? 0x1p-17
                                                     : 0x1p-18;
    const double walk = 8 * unit * m->hp.n_layers * sqrt((double)m->hp.d_model) * (1 + largest);
    const double promise = t == TEMPO_F32 ? 2e-4 : t == TEMPO_F16 || t == TEMPO_BF16 ? 5e-4 : 5e-3;

    return kv == TEMPO_KV_F16 ? walk : fmin(walk, promise);
}

static void compare_n(const tempo_model *m, const reference_slot *slots, size_t n, tempo_kv_type kv,
                      const char *what)
{
    const tempo_model_info *info = tempo_model_get_info(m);
    const size_t n_vocab = info->n_vocab;
    double *want = malloc(n * n_vocab * sizeof(*want)), largest = 0, worst = 0;
    tempo_engine *e = test_engine(m, 2);
    tempo_seq *s = test_seq(e, kv);
    tempo_row rows[LONG];
    tempo_err err = {0};

    assert_non_null(want);
    reference_forward(m, slots, n, NULL, NULL, want);
    for (size_t i = 0; i < n; i++)
        rows[i] = (tempo_row){.seq = s,
                              .token = slots[i].token,
                              .set = slots[i].set,
                              .position = slots[i].position,
                              .mode = slots[i].mode,
                              .first_layer = slots[i].first_layer,
                              .n_layers = slots[i].last_layer == UINT32_MAX
                                              ? 0
                                              : slots[i].last_layer - slots[i].first_layer + 1,
                              .want = TEMPO_WANT_LOGITS};
    if (tempo_engine_forward(e, rows, n, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < n * n_vocab; i++)
        largest = fmax(largest, fabs(want[i]));
    const double tolerance = tolerance_of(m, kv, largest);
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < n_vocab; v++) {
            const double error = fabs((double)tempo_engine_logits(e, i)[v] - want[i * n_vocab + v]);
            if (!(error <= tolerance))
                fail_msg("%s: slot %zu, logit %zu: off by %.3g, allowed %.3g", what, i, v, error, tolerance);
            worst = fmax(worst, error);
        }
    printf("%s: within %.1e of %.1e (largest logit %.1f)\n", what, worst, tolerance, largest);
    free(want);
    tempo_seq_free(s);
    tempo_engine_free(e);
}

static void compare(const tempo_model *m, const reference_slot *slots, tempo_kv_type kv, const char *what)
{
    compare_n(m, slots, SLOTS, kv, what);
}

static void test_architectures(void **state)
{
    (void)state;
    static const char *const archs[] = {"llama", "qwen2", "qwen3"};
    reference_slot slots[SLOTS];

    for (size_t a = 0; a < 3; a++)
        for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++) {
            tempo_model *m = test_open_synthetic(archs[a], TEMPO_F32);
            make_slots(slots, (tempo_mode)mode, 0, UINT32_MAX);
            compare(m, slots, TEMPO_KV_F32, archs[a]);
            compare(m, slots, TEMPO_KV_F16, archs[a]);
            tempo_model_free(m);
        }
    tempo_model *m = test_open_synthetic("qwen2", TEMPO_F32);
    make_slots(slots, TEMPO_VISIBLE, 1, 1);
    compare(m, slots, TEMPO_KV_F32, "visible in layer 1");
    make_slots(slots, TEMPO_CAUSAL, 0, 0);
    compare(m, slots, TEMPO_KV_F32, "causal in layer 0");
    tempo_model_free(m);
}

/* A bias of every product, or of some of them, with weights that are packed and that are not. */
static void test_biases(void **state)
{
    (void)state;
    static const tempo_dtype types[] = {TEMPO_F32, TEMPO_BF16, TEMPO_Q8_0, TEMPO_Q4_K};
    reference_slot slots[SLOTS];

    make_slots(slots, TEMPO_VISIBLE, 0, UINT32_MAX);
    for (size_t i = 0; i < 4 * 4; i++) {
        test_spec spec = test_spec_of_type(i % 4 == 3 ? "qwen2" : "llama", types[i / 4]);
        char dir[256], path[512], what[64];
        spec.qkv_bias = i % 4 != 1;
        spec.o_bias = i % 4 != 2;
        spec.mlp_bias = i % 4 != 0;
        test_model *t = test_model_make(&spec);
        test_tmpdir_create(dir);
        test_path(path, dir, "m.gguf");
        test_model_write_gguf(t, 3, path);
        tempo_model *m = test_open_model(path);
        (void)snprintf(what, sizeof(what), "biases, %s, case %zu", tempo_dtype_get(types[i / 4])->name,
                       i % 4);
        compare(m, slots, TEMPO_KV_F32, what);
        tempo_model_free(m);
        test_model_free(t);
        test_tmpdir_remove(dir);
    }
}

/* More slots than a block of the attention sum holds, and a set that lies across the border of two. */
static void test_long_sequence(void **state)
{
    (void)state;
    reference_slot slots[LONG];

    for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++) {
        tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
        for (size_t i = 0; i < LONG; i++) {
            const size_t set = i < 60 ? i : 60 + (i - 60) / 10;
            slots[i] = (reference_slot){.token = (int32_t)(i * 7 % 250),
                                        .set = (uint32_t)set,
                                        .position = (double)set,
                                        .mode = (tempo_mode)mode,
                                        .last_layer = UINT32_MAX};
        }
        compare_n(m, slots, LONG, TEMPO_KV_F32, "90 slots");
        tempo_model_free(m);
    }
}

static void test_element_types(void **state)
{
    (void)state;
    reference_slot slots[SLOTS];

    make_slots(slots, TEMPO_VISIBLE, 0, UINT32_MAX);
    for (int t = 0; t < TEMPO_DTYPE_COUNT; t++) {
        if (tempo_dtype_get((tempo_dtype)t)->ggml == TEMPO_NO_GGML)
            continue; /* of directories: test_formats.c */
        tempo_model *m = test_open_synthetic("llama", (tempo_dtype)t);
        compare(m, slots, TEMPO_KV_F32, tempo_dtype_get((tempo_dtype)t)->name);
        tempo_model_free(m);
    }
}

/* A Hugging Face directory rotates halves, a GGUF of arch llama adjacent pairs; both with scaled frequencies.
 */
static void test_rope_scaling(void **state)
{
    (void)state;
    reference_slot slots[SLOTS];

    make_slots(slots, TEMPO_VISIBLE, 0, UINT32_MAX);
    for (int rope = TEST_ROPE_PLAIN; rope <= TEST_ROPE_LLAMA3; rope++) {
        test_spec spec = test_spec_default("llama");
        char dir[256], path[512];
        spec.rope = (test_rope)rope;
        spec.rope_factor = 4;
        test_model *t = test_model_make(&spec);
        test_tmpdir_create(dir);
        for (int hf = 0; hf < 2; hf++) {
            test_path(path, dir, hf ? "hf" : "m.gguf");
            if (hf)
                test_model_write_hf(t, 1, path);
            else
                test_model_write_gguf(t, 3, path);
            tempo_model *m = test_open_model(path);
            assert_int_equal(m->hp.qk_pairs_adjacent, !hf);
            compare(m, slots, TEMPO_KV_F32, hf ? "directory" : "GGUF");
            tempo_model_free(m);
        }
        test_model_free(t);
        test_tmpdir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_architectures), cmocka_unit_test(test_biases),
        cmocka_unit_test(test_long_sequence), cmocka_unit_test(test_element_types),
        cmocka_unit_test(test_rope_scaling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
