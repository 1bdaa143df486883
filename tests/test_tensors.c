/* test_tensors.c - tensors' values through tempo.h: what the files hold, in whole and in part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"
#include "support/models.h"
#include "support/tmpdir.h"

static size_t find_tensor(const tempo_model *m, const char *name)
{
    for (size_t i = 0; i < tempo_model_tensor_count(m); i++)
        if (strcmp(tempo_model_tensor_at(m, i).name, name) == 0)
            return i;
    fail_msg("no tensor %s", name);
    return 0;
}

static size_t elements(const tempo_tensor_info *t)
{
    size_t n = 1;

    for (uint32_t d = 0; d < t->n_dims; d++)
        n *= (size_t)t->dims[d];
    return n;
}

/* Element i of what the file says, for the types that a few lines read. */
static float expected(const char *type, const unsigned char *bytes, size_t i)
{
    uint16_t h;
    float f;

    if (strcmp(type, "F32") == 0) {
        memcpy(&f, bytes + 4 * i, 4);
        return f;
    }
    memcpy(&h, strcmp(type, "Q8_0") == 0 ? bytes + i / 32 * 34 : bytes + 2 * i, 2);
    if (strcmp(type, "BF16") == 0)
        return tempo_bf16_to_float(h);
    return strcmp(type, "F16") == 0 ? tempo_f16_to_float(h)
                                    : tempo_f16_to_float(h) * (float)(int8_t)bytes[i / 32 * 34 + 2 + i % 32];
}

static unsigned char *read_bytes(const tempo_tensor_info *t)
{
    unsigned char *bytes = malloc((size_t)t->bytes);
    FILE *f = fopen(t->file, "rb");

    assert_non_null(bytes);
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)t->offset, SEEK_SET), 0);
    assert_int_equal(fread(bytes, 1, (size_t)t->bytes, f), t->bytes);
    assert_int_equal(fclose(f), 0);
    return bytes;
}

/* The whole is what the file holds, and any part of it the same. */
static void compare_tensor(const tempo_model *m, size_t at, bool known)
{
    const tempo_tensor_info t = tempo_model_tensor_at(m, at);
    const size_t n = elements(&t);
    float *whole = malloc(n * sizeof(*whole)), *part = malloc((n + 1) * sizeof(*part));
    unsigned char *bytes = read_bytes(&t);
    tempo_err err = {0};

    assert_non_null(whole);
    assert_non_null(part);
    assert_int_equal(tempo_model_tensor_read(m, at, 0, n, whole, &err), TEMPO_OK);
    for (size_t i = 0; known && i < n; i++)
        if (whole[i] != expected(t.type, bytes, i))
            fail_msg("%s %s: element %zu is %g, expected %g", t.name, t.type, i, (double)whole[i],
                     (double)expected(t.type, bytes, i));
    for (size_t first = 0; first < n; first = first * 3 + 1)
        for (size_t k = 0; k <= n - first; k = k * 5 + 1) {
            part[k] = 42.0f;
            assert_int_equal(tempo_model_tensor_read(m, at, first, k, part, &err), TEMPO_OK);
            assert_memory_equal(part, whole + first, k * sizeof(*part));
            assert_true(part[k] == 42.0f);
        }
    free(bytes);
    free(whole);
    free(part);
}

static void test_tensor_values(void **state)
{
    (void)state;
    static const char *const types[] = {"F32",  "F16",  "BF16",  "Q8_0",   "Q4_0", "Q5_1",
                                        "Q4_K", "Q6_K", "IQ1_S", "IQ4_NL", "MXFP4"};
    char dir[256], path[512];

    test_tmpdir_create(dir);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        const tempo_synth_options o = {.size = sizeof(o), .type = types[i], .seed = 5};
        tempo_model *m;
        tempo_err err = {0};
        test_path(path, dir, types[i]);
        assert_int_equal(tempo_synth(path, &o, &err), TEMPO_OK);
        assert_int_equal(tempo_model_open(&m, path, NULL, &err), TEMPO_OK);
        compare_tensor(m, find_tensor(m, "blk.0.attn_k.weight"), i < 4);
        compare_tensor(m, find_tensor(m, "blk.0.attn_norm.weight"), true);
        tempo_model_free(m);
    }
    test_tmpdir_remove(dir);
}

static void test_tensor_refused(void **state)
{
    (void)state;
    tempo_model *model = test_open_synthetic("llama", TEMPO_F32);
    const size_t at = find_tensor(model, "output_norm.weight");
    const tempo_tensor_info t = tempo_model_tensor_at(model, at);
    const size_t n = elements(&t);
    float out[4];
    tempo_err err[4] = {0};

    assert_int_equal(tempo_model_tensor_read(model, tempo_model_tensor_count(model), 0, 1, out, &err[0]),
                     TEMPO_E_ARG);
    assert_string_equal(err[0].field, "i");
    assert_int_equal(tempo_model_tensor_read(model, at, n - 1, 2, out, &err[1]), TEMPO_E_ARG);
    assert_string_equal(err[1].field, "n");
    assert_int_equal(tempo_model_tensor_read(model, at, UINT64_MAX, 2, out, &err[2]), TEMPO_E_ARG);
    assert_string_equal(err[2].field, "first");
    assert_int_equal(tempo_model_tensor_read(model, at, 1, SIZE_MAX, out, &err[3]), TEMPO_E_ARG);
    assert_int_equal(tempo_model_tensor_read(model, at, n, 0, out, NULL), TEMPO_OK);
    tempo_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensor_values),
        cmocka_unit_test(test_tensor_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
