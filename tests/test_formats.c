/* One model in both formats gives the same bits; greedy decoding tells a known story. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "support/model_writer.h"
#include "support/models.h"
#include "support/tmpdir.h"

/* Logits of a prompt's every row, and of a visible set after it. */
static float *logits_of(const char *path, size_t *n)
{
    static const int32_t prompt[] = {1, 20, 3, 44, 5, 66, 7}, set[] = {9, 8, 11};
    tempo_model *m = test_open_model(path);
    tempo_engine *e = test_engine(m, 2);
    tempo_seq *s = test_seq(e, TEMPO_KV_F32);
    const size_t n_vocab = tempo_model_get_info(m)->n_vocab;

    *n = 10 * n_vocab;
    float *out = malloc(*n * sizeof(*out));
    assert_non_null(out);
    test_append(e, s, prompt, 7, true, TEMPO_ISOLATED, NULL, out);
    test_append(e, s, set, 3, false, TEMPO_VISIBLE, NULL, out + 7 * n_vocab);
    tempo_seq_free(s);
    tempo_engine_free(e);
    tempo_model_free(m);
    return out;
}

static void assert_same_bits(const char *path_a, const char *path_b)
{
    size_t n, n_b;
    float *a = logits_of(path_a, &n), *b = logits_of(path_b, &n_b);

    assert_int_equal(n, n_b);
    assert_memory_equal(a, b, n * sizeof(*a));
    free(a);
    free(b);
}

static void test_synthetic(void **state)
{
    (void)state;
    static const char *const archs[] = {"llama", "qwen2", "qwen3"};
    static const tempo_dtype types[] = {TEMPO_F32, TEMPO_F16, TEMPO_BF16};

    for (size_t i = 0; i < 9; i++)
        for (int rope = TEST_ROPE_PLAIN; rope <= TEST_ROPE_LLAMA3; rope++) {
            test_spec spec = test_spec_default(archs[i / 3]);
            char dir[256], gguf[512], hf[512];
            for (int t = 0; t < TEST_MATRIX_COUNT; t++)
                spec.type[t] = types[i % 3];
            spec.rope = (test_rope)rope;
            spec.rope_factor = 4;
            spec.tied = i % 2 == 0;
            spec.o_bias = spec.mlp_bias = i < 3 && rope != TEST_ROPE_PLAIN;
            spec.qkv_bias |= spec.o_bias;
            test_model *m = test_model_make(&spec);
            test_tmpdir_create(dir);
            test_path(gguf, dir, "m.gguf");
            test_path(hf, dir, "hf");
            test_model_write_gguf(m, 3, gguf);
            test_model_write_hf(m, 1 + (unsigned)i % 3, hf);
            assert_same_bits(gguf, hf);
            test_model_free(m);
            test_tmpdir_remove(dir);
        }
}

/* ---- 8-bit floats of directories ---- */

enum { SCALE_ROWS = 24, SCALE_COLUMNS = 20 }; /* of blocks: they do not divide the matrices */

typedef enum scaling { PER_TENSOR, PER_ROW, PER_BLOCK, SCALINGS } scaling;

static uint64_t blocks_of(uint64_t n, uint64_t block)
{
    return (n + block - 1) / block;
}

/* Tensor i, 8-bit floats, gets scales; the same tensor of the other model what they and the values give. */
static void add_scales(test_model *m, const test_model *wide, size_t i, scaling kind)
{
    const uint64_t rows = m->tensors[i].dims[0], columns = m->tensors[i].dims[1];
    const uint64_t block[2] = {kind == PER_BLOCK ? (uint64_t)SCALE_ROWS
                               : kind == PER_ROW ? 1
                                                 : rows,
                               kind == PER_BLOCK ? (uint64_t)SCALE_COLUMNS : columns};
    const uint64_t dims[2] = {blocks_of(rows, block[0]), blocks_of(columns, block[1])};
    char name[96], scales[128];
    float *values = (float *)(void *)wide->tensors[i].data;

    assert_string_equal(m->tensors[i].name, wide->tensors[i].name);
    test_hf_name(m->tensors[i].name, name);
    (void)snprintf(scales, sizeof(scales), "%.90s%s", name, kind == PER_BLOCK ? "_scale_inv" : "_scale");
    test_tensor *s = test_model_add_tensor(m, scales, kind == PER_TENSOR ? 1 : 2, dims, 1.0f);
    float *factor = (float *)(void *)s->data;
    for (uint64_t j = 0; j < dims[0] * dims[1]; j++)
        factor[j] = 0.5f + 0.37f * (float)((j * 7 + i) % 5);
    tempo_unpack[m->tensors[i].type](values, m->tensors[i].data, rows * columns);
    for (uint64_t j = 0; j < rows * columns; j++)
        values[j] *= factor[j / columns / block[0] * dims[1] + j % columns / block[1]];
}

static void check_eight_bits(tempo_dtype type, scaling kind)
{
    static const char *const configs[] = {
        "{\"quant_method\": \"modelopt\", \"quant_algo\": \"FP8\"}",
        "{\"quant_method\": \"compressed-tensors\", \"format\": \"float-quantized\"}",
        "{\"quant_method\": \"fp8\", \"weight_block_size\": [24, 20]}"};
    const uint64_t one = 1;
    test_spec spec = test_spec_default("llama");
    char dir[256], eight[512], plain[512];

    test_model *wide = test_model_make(&spec);
    for (int t = TEST_WQ; t <= TEST_DOWN; t++)
        spec.type[t] = type;
    test_model *m = test_model_make(&spec);
    for (size_t i = 0, n = m->n_tensors; i < n; i++)
        if (m->tensors[i].type == type)
            add_scales(m, wide, i, kind);
        else
            memcpy(wide->tensors[i].data, m->tensors[i].data, m->tensors[i].bytes);
    (void)test_model_add_tensor(m, "model.layers.0.mlp.down_proj.input_scale", 1, &one, 0.25f);
    json_object_set_new(m->config, "quantization_config", json_loads(configs[kind], 0, NULL));
    test_tmpdir_create(dir);
    test_path(eight, dir, "eight");
    test_path(plain, dir, "plain");
    test_model_write_hf(m, 2, eight);
    test_model_write_hf(wide, 1, plain);
    assert_same_bits(eight, plain);
    test_model_free(m);
    test_model_free(wide);
    test_tmpdir_remove(dir);
}

static void test_eight_bit_floats(void **state)
{
    (void)state;
    for (int kind = 0; kind < SCALINGS; kind++) {
        check_eight_bits(TEMPO_F8_E4M3, (scaling)kind);
        check_eight_bits(TEMPO_F8_E5M2, (scaling)kind);
    }
}

static bool is_there(const char *path)
{
    if (access(path, R_OK) == 0)
        return true;
    printf("skipped: no %s\n", path);
    return false;
}

static void test_built_in(void **state)
{
    (void)state;
    if (!is_there("../shared/models/tempo-tiny-f16.gguf"))
        skip();
    assert_same_bits("models/tempo-tiny", "../shared/models/tempo-tiny-f16.gguf");
}

static const char stories[] = "../shared/models/stories260K.gguf";

static void test_converted(void **state)
{
    (void)state;
    char dir[256], hf[512];

    if (!is_there(stories))
        skip();
    for (unsigned shards = 1; shards <= 3; shards += 2) {
        test_model *m = test_model_from_gguf(stories);
        test_tmpdir_create(dir);
        test_path(hf, dir, "hf");
        test_model_write_hf(m, shards, hf);
        assert_same_bits(stories, hf);
        test_model_free(m);
        test_tmpdir_remove(dir);
    }
}

static void test_story(void **state)
{
    (void)state;
    static const char begins[] =
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the park.";
    const int32_t bos = 1;
    int32_t ids[60];
    tempo_decode_options o;
    tempo_decoder *d;
    tempo_err err = {0};
    char *text;
    size_t n;

    if (!is_there(stories))
        skip();
    tempo_model *m = test_open_model(stories);
    tempo_engine *e = test_engine(m, 1);
    tempo_decode_options_init(&o);
    o.threshold = 1;
    o.steps = 60;
    assert_int_equal(tempo_decoder_create(&d, e, &o, &bos, 1, &err), TEMPO_OK);
    for (size_t i = 0; i < 60; i++) {
        assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
        assert_int_equal(tempo_decoder_last_set(d)->n_members, 1);
        ids[i] = tempo_decoder_last_set(d)->members[0].id;
    }
    assert_int_equal(tempo_detokenize(tempo_model_tokenizer(m), ids, 60, false, &text, &n, &err), TEMPO_OK);
    assert_int_equal(strncmp(text, begins, strlen(begins)), 0);
    tempo_free(text);
    tempo_decoder_free(d);
    tempo_engine_free(e);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eight_bit_floats),
        cmocka_unit_test(test_synthetic),
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_converted),
        cmocka_unit_test(test_story),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
