/* test_model_lenient.c - models whose files are odd and sound: what the formats' own readers take, opens. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/model_writer.h"
#include "support/tmpdir.h"

static tempo_model *open_model(const char *path)
{
    tempo_err err = {0};
    tempo_model *m;

    if (tempo_model_open(&m, path, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return m;
}

static void expect(const char *path, tempo_status code, const char *says)
{
    tempo_err err = {0};
    tempo_model *m;

    if (tempo_model_open(&m, path, NULL, &err) != code || strstr(err.msg, says) == NULL)
        fail_msg("expected %s \"%s\", got %s \"%s\"", tempo_status_name(code), says,
                 tempo_status_name(err.code), err.msg);
    tempo_model_free(m);
}

/* ---- JSON as Python writes and reads it ---- */

/* Put `more` behind the first brace of a file, or before its last. */
static void insert(const char *dir, const char *name, const char *more, bool last)
{
    char path[512];
    size_t n;

    test_path(path, dir, name);
    char *text = (char *)test_read_file(path, &n), *out = malloc(n + strlen(more));
    size_t at = last ? n - 1 : 1;
    assert_non_null(out);
    while (last && text[at] != '}')
        at--;
    memcpy(out, text, at);
    memcpy(out + at, more, strlen(more));
    memcpy(out + at + strlen(more), text + at, n - at);
    test_write_file(path, out, n + strlen(more));
    free(text);
    free(out);
}

/* The same in the header of a safetensors file. */
static void insert_header(const char *dir, const char *name, const char *more)
{
    char path[512];
    uint64_t len;
    size_t n, add = strlen(more);

    test_path(path, dir, name);
    unsigned char *bytes = test_read_file(path, &n), *out = malloc(n + add);
    assert_non_null(out);
    memcpy(&len, bytes, 8);
    len += add;
    memcpy(out, &len, 8);
    out[8] = '{';
    memcpy(out + 9, more, add);
    memcpy(out + 9 + add, bytes + 9, n - 9);
    test_write_file(path, out, n + add);
    free(bytes);
    free(out);
}

static void test_python_json(void **state)
{
    static const char *const files[] = {"config.json", "generation_config.json", "tokenizer.json",
                                        "tokenizer_config.json", "model.safetensors.index.json"};
    static const char odd[] =
        "\"model_max_length\": 1000000000000000019884624838656, \"odd\": [NaN, Infinity, "
        "-Infinity, -1e999, \"\\ud800\", \"\\u0000\"], \"odd\": 1,";
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "hf");
    test_model_write_hf(from, 2, path);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        insert(path, files[i], odd, false);
    insert_header(path, "model-00001-of-00002.safetensors", "\"__metadata__\": {\"x\": [NaN, 1e999]},");
    insert_header(
        path, "model-00002-of-00002.safetensors",
        "\"__metadata__\": {\"x\": \"\\udead\"}, \"__metadata__\": {\"x\": 12345678901234567890123},");
    tempo_model *m = open_model(path);
    assert_int_equal(tempo_tokenizer_get_info(tempo_model_tokenizer(m)).n_tokens, TEST_BPE_TOKENS);
    tempo_model_free(m);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* What is used has its range, and the last of two members is what is used. */
static void test_json_ranges(void **state)
{
    static const struct {
        const char *file, *more, *says;
    } rows[] = {
        {"config.json", ", \"rms_norm_eps\": NaN",
         "config.json: rms_norm_eps is nan, expected a number between 0"},
        {"config.json", ", \"rope_theta\": Infinity",
         "config.json: rope_theta is inf, expected a finite number"},
        {"config.json", ", \"rope_theta\": -1e999",
         "config.json: rope_theta is -inf, expected a finite number"},
        {"config.json", ", \"num_hidden_layers\": 1000000000000000019884624838656",
         "config.json: \"num_hidden_layers\" is 1e+30, expected 0 to"},
        {"config.json", ", \"num_hidden_layers\": NaN",
         "config.json: \"num_hidden_layers\" is NaN, expected an integer"},
        {"config.json", ", \"model_type\": NaN", "config.json: \"model_type\" is NaN, expected a string"},
        {"config.json", ", \"hidden_size\": 33", "expected [288, 33]"},
        {"config.json", ", \"num_experts\": 18446744073709551616",
         "\"num_experts\" is 1.8446744073709552e+19, expected"},
    };
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "hf");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        test_model_write_hf(from, 1, path);
        insert(path, rows[i].file, rows[i].more, true);
        expect(path, TEMPO_E_FORMAT, rows[i].says);
    }
    test_model_write_hf(from, 1, path);
    insert(path, "config.json", ", \"rope_theta\": 5e5, \"head_dim\": 8.0", true);
    tempo_model *m = open_model(path);
    assert_true(tempo_model_get_info(m)->rope_theta == 5e5);
    tempo_model_free(m);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* ---- windows ---- */

#define MISTRAL "\"model_type\": \"mistral\", \"architectures\": null"
#define LAYER_TYPES "\"layer_types\": [\"full_attention\", \"sliding_attention\"]"

static const struct {
    const char *arch, *config; /* NULL: a GGUF with `window` for every layer, or per_layer */
    uint32_t window;
    bool per_layer;
    uint32_t window_is; /* the smallest that comes of it; the context: none */
} window_rows[] = {
    {"llama", NULL, 100, false, 100},
    {"llama", NULL, 127, false, 127},
    {"llama", NULL, 128, false, 128},
    {"llama", NULL, 0, false, 128},
    {"llama", NULL, UINT32_MAX, false, 128},
    {"qwen3", NULL, 33, true, 33}, /* 0 and 33 */
    {"llama", "{" MISTRAL ", \"sliding_window\": 64}", 0, false, 64},
    {"llama", "{" MISTRAL ", \"sliding_window\": 128}", 0, false, 128},
    {"llama", "{" MISTRAL ", \"sliding_window\": null, \"max_position_embeddings\": 8192}", 0, false, 8192},
    {"llama", "{" MISTRAL ", \"max_position_embeddings\": 8192}", 0, false,
     4096}, /* a file that does not say */
    {"llama", "{" MISTRAL ", \"sliding_window\": 64, \"use_sliding_window\": false}", 0, false, 128},
    {"llama", "{" MISTRAL "}", 0, false, 128},
    {"llama", "{\"sliding_window\": null}", 0, false, 128},
    {"llama", "{\"sliding_window\": 4}", 0, false, 128},
    {"llama", "{\"sliding_window\": 4, " LAYER_TYPES "}", 0, false, 4},
    {"qwen2", "{\"use_sliding_window\": true, \"sliding_window\": 64, \"max_window_layers\": 1}", 0, false,
     64},
    {"qwen2", "{\"use_sliding_window\": true, \"sliding_window\": 64, \"max_window_layers\": 2}", 0, false,
     128},
    {"qwen2", "{\"use_sliding_window\": true, \"sliding_window\": 64}", 0, false, 128}, /* from layer 28 on */
    {"qwen2", "{\"use_sliding_window\": false, \"sliding_window\": 64, \"max_window_layers\": 0}", 0, false,
     128},
    {"qwen2", "{\"sliding_window\": 64, " LAYER_TYPES "}", 0, false, 128},
    {"qwen3", "{\"use_sliding_window\": true, \"sliding_window\": 64, " LAYER_TYPES "}", 0, false, 64},
    {"qwen3",
     "{\"use_sliding_window\": true, \"sliding_window\": 64, \"max_window_layers\": 0, \"layer_types\": "
     "[\"full_attention\", \"full_attention\"]}",
     0, false, 128},
};

static void write_window(size_t i, const char *path)
{
    const test_spec s = test_spec_default(window_rows[i].arch);
    const int32_t layers[2] = {0, (int32_t)window_rows[i].window};
    test_model *from = test_model_make(&s);
    char key[64];

    if (window_rows[i].config != NULL) {
        json_t *patch = json_loads(window_rows[i].config, 0, NULL);
        assert_non_null(patch);
        assert_int_equal(json_object_update(from->config, patch), 0);
        json_decref(patch);
        test_model_write_hf(from, 1, path);
    } else {
        (void)snprintf(key, sizeof(key), "%s.attention.sliding_window", s.arch);
        if (window_rows[i].per_layer)
            test_model_set_array(from, key, TEMPO_GGUF_I32, 2, layers, sizeof(layers));
        else
            test_model_set_u32(from, key, window_rows[i].window);
        test_model_write_gguf(from, 3, path);
    }
    test_model_free(from);
}

static void test_windows(void **state)
{
    char dir[256], path[512];

    (void)state;
    for (size_t i = 0; i < sizeof(window_rows) / sizeof(window_rows[0]); i++) {
        const char *config = window_rows[i].config;
        const uint32_t full = config != NULL && strstr(config, "8192") != NULL ? 8192 : 128,
                       want = window_rows[i].window_is;
        test_tmpdir_create(dir);
        test_path(path, dir, config != NULL ? "hf" : "m.gguf");
        write_window(i, path);
        tempo_model *m = open_model(path);
        const tempo_model_info *info = tempo_model_get_info(m);
        if (info->context_length != full || info->sliding_window != (want < full ? want : 0) ||
            m->windows != (want < full))
            fail_msg("row %zu: context %u, window %u", i, info->context_length, info->sliding_window);
        assert_null(tempo_model_note(m, 0));
        tempo_model_free(m);
        test_tmpdir_remove(dir);
    }
}

/* ---- GGUF as llama.cpp and the gguf package take it ---- */

static void write_gguf(const test_model *m, const char *dir, char path[512])
{
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(m, 3, path);
}

/* A factor of 0 says that there is no scaling. */
static void test_rope_factor_zero(void **state)
{
    static const struct {
        float factor, old_name; /* rope.scaling.factor, rope.scale_linear; below 0: not there */
        const char *scaling;
        double slowest; /* what the lowest frequency is divided by */
    } rows[] = {{0, -1, "none", 1},  {0, 0, "none", 1},   {-1, 0, "none", 1},
                {0, 4, "linear", 4}, {4, 0, "linear", 4}, {2, 4, "linear", 2}};
    const test_spec s = test_spec_default("llama");
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        test_model *from = test_model_make(&s);
        if (rows[i].factor >= 0)
            test_model_set_f32(from, "llama.rope.scaling.factor", rows[i].factor);
        if (rows[i].old_name >= 0)
            test_model_set_f32(from, "llama.rope.scale_linear", rows[i].old_name);
        write_gguf(from, dir, path);
        tempo_model *m = open_model(path);
        assert_string_equal(tempo_model_get_info(m)->rope_scaling, rows[i].scaling);
        assert_true(m->rope_freq[0][0] == 1 / rows[i].slowest);
        tempo_model_free(m);
        test_model_free(from);
    }
    test_tmpdir_remove(dir);
}

/* Dimensions of 1 behind those that count (GGUF lists the innermost first, the writer the outermost). */
static void reshape(test_tensor *t, uint32_t n_dims)
{
    const uint32_t add = n_dims - t->n_dims;

    memmove(t->dims + add, t->dims, t->n_dims * sizeof(*t->dims));
    for (uint32_t i = 0; i < add; i++)
        t->dims[i] = 1;
    t->n_dims = n_dims;
}

static void test_trailing_ones(void **state)
{
    test_spec s = test_spec_default("qwen2");
    char dir[256], path[512];

    (void)state;
    s.n_kv_heads = 1;
    for (uint32_t n_dims = 3; n_dims <= 4; n_dims++) {
        test_model *from = test_model_make(&s);
        test_tmpdir_create(dir);
        write_gguf(from, dir, path);
        tempo_model *plain = open_model(path);
        for (size_t i = 0; i < from->n_tensors; i++)
            if (from->tensors[i].rope_heads == 0) /* those the writer permutes */
                reshape(&from->tensors[i], i % 2 == 0 || from->tensors[i].n_dims == 2 ? n_dims : 2);
        test_path(path, dir, "odd.gguf");
        test_model_write_gguf(from, 3, path);
        tempo_model *odd = open_model(path);
        assert_int_equal(odd->hp.n_vocab, s.n_vocab);
        assert_int_equal(odd->layers[1].mlp.w_down.n_out, s.d_model);
        assert_int_equal(odd->layers[1].mlp.w_down.n_in, s.d_ff);
        assert_int_equal(odd->layers[1].mlp.w_down.row_bytes, plain->layers[1].mlp.w_down.row_bytes);
        assert_memory_equal(odd->layers[1].mlp.w_down.data, plain->layers[1].mlp.w_down.data,
                            s.d_model * s.d_ff * 4);
        assert_memory_equal(odd->layers[1].ffn_norm.w, plain->layers[1].ffn_norm.w, s.d_model * 4);
        assert_memory_equal(odd->layers[1].bv, plain->layers[1].bv, s.head_dim * 4);
        tempo_model_free(plain);
        tempo_model_free(odd);
        test_model_free(from);
        test_tmpdir_remove(dir);
    }
    /* a matrix of one row may be a vector; ones in front, and a directory's, are another shape */
    test_model *from = test_model_make(&s);
    test_tmpdir_create(dir);
    test_tensor *t = test_model_tensor(from, "blk.0.attn_norm.weight");
    t->n_dims = 2;
    t->dims[1] = 1;
    write_gguf(from, dir, path);
    expect(path, TEMPO_E_FORMAT, "blk.0.attn_norm.weight: shape [32, 1], expected [32]");
    t->dims[1] = t->dims[0];
    t->dims[0] = 1;
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    expect(path, TEMPO_E_FORMAT, "input_layernorm.weight: shape [1, 32], expected [32]");
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* ---- a model in several GGUF files ---- */

/* DIR/m-0000I-of-0000N.gguf */
static const char *part(char path[512], const char *dir, unsigned i, unsigned n)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "m-%05u-of-%05u.gguf", i, n);
    test_path(path, dir, name);
    return path;
}

static void write_parts(const test_model *m, const char *dir, unsigned n)
{
    char stem[512];

    test_path(stem, dir, "m");
    test_model_write_gguf_parts(m, n, stem);
}

/* Whichever part is named, the model is that of one file. */
static void test_parts(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512], first[512];

    (void)state;
    test_tmpdir_create(dir);
    write_gguf(from, dir, path);
    tempo_model *whole = open_model(path);
    assert_int_equal(remove(path), 0);
    write_parts(from, dir, 3);
    for (unsigned i = 0; i <= 3; i++) {
        tempo_model *m = open_model(i > 0 ? part(path, dir, i, 3) : dir); /* the directory's only model */
        const tempo_model_info *info = tempo_model_get_info(m);
        assert_string_equal(info->path, part(first, dir, 1, 3));
        assert_string_equal(info->name, "synthetic");
        assert_int_equal(tempo_model_tensor_count(m), from->n_tensors);
        assert_true(info->parameters == tempo_model_get_info(whole)->parameters);
        assert_true(info->file_bytes > tempo_model_get_info(whole)->file_bytes);
        for (uint32_t l = 0; l < s.n_layers; l++) {
            assert_memory_equal(m->layers[l].wq.data, whole->layers[l].wq.data, s.d_model * s.d_model * 4);
            assert_memory_equal(m->layers[l].mlp.w_down.data, whole->layers[l].mlp.w_down.data,
                                s.d_model * s.d_ff * 4);
        }
        for (size_t t = 0; t < from->n_tensors; t++) {
            const tempo_tensor_info t_info = tempo_model_tensor_at(m, t);
            size_t n;
            unsigned char *bytes = test_read_file(t_info.file, &n); /* where the list says it is, it is */
            assert_true(t_info.offset + t_info.bytes <= n);
            if (strcmp(t_info.name, "blk.1.ffn_down.weight") == 0)
                assert_memory_equal(bytes + t_info.offset, whole->layers[1].mlp.w_down.data, t_info.bytes);
            free(bytes);
        }
        tempo_model_free(m);
    }
    const tempo_model_options tokenizer = {.size = sizeof(tokenizer), .load = TEMPO_LOAD_TOKENIZER};
    tempo_model *m;
    assert_int_equal(remove(part(path, dir, 3, 3)), 0); /* not needed for the tokenizer */
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(tempo_model_open(&m, part(path, dir, i, 3), &tokenizer, NULL), TEMPO_OK);
        assert_int_equal(tempo_tokenizer_get_info(tempo_model_tokenizer(m)).n_tokens, TEST_BPE_TOKENS);
        tempo_model_free(m);
    }
    tempo_model_free(whole);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

static void test_broken_parts(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512], other[512];
    size_t n;

    (void)state;
    test_tmpdir_create(dir);
    write_parts(from, dir, 3);
    assert_int_equal(remove(part(path, dir, 2, 3)), 0);
    expect(part(path, dir, 1, 3), TEMPO_E_NOTFOUND, "part 2 of 3 is missing: ");
    expect(part(path, dir, 1, 3), TEMPO_E_NOTFOUND, "m-00002-of-00003.gguf");
    expect(part(path, dir, 3, 3), TEMPO_E_NOTFOUND, "part 2 of 3 is missing: ");
    const tempo_model_options facts = {.size = sizeof(facts), .load = TEMPO_LOAD_FACTS};
    tempo_model *m;
    assert_int_equal(tempo_model_open(&m, part(path, dir, 1, 3), &facts, NULL), TEMPO_OK);
    assert_non_null(strstr(tempo_model_get_info(m)->unsupported, "part 2 of 3 is missing"));
    assert_int_equal(tempo_model_get_info(m)->n_layers, 2);
    tempo_model_free(m);

    unsigned char *bytes =
        test_read_file(part(path, dir, 3, 3), &n); /* the third in the place of the second */
    test_write_file(part(path, dir, 2, 3), bytes, n);
    free(bytes);
    expect(part(path, dir, 1, 3), TEMPO_E_FORMAT,
           "m-00002-of-00003.gguf: says that it is part 3 of 3, expected part 2 of 3");
    write_gguf(from, dir, path);
    assert_int_equal(rename(path, part(other, dir, 2, 3)), 0);
    expect(part(path, dir, 1, 3), TEMPO_E_FORMAT, "m-00002-of-00003.gguf: says nothing of being part 2 of 3");
    test_write_file(part(other, dir, 2, 3),
                    "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", 64);
    expect(part(path, dir, 1, 3), TEMPO_E_FORMAT, "m-00002-of-00003.gguf: is a Git LFS pointer");

    write_parts(from, dir, 3);
    test_path(other, dir, "renamed.gguf");
    assert_int_equal(rename(part(path, dir, 2, 3), other), 0);
    expect(other, TEMPO_E_NOTFOUND, "this is part 2 of 3, whose name should end in -00002-of-00003.gguf");

    test_model_drop_tensor(from, "blk.1.ffn_norm.weight"); /* the writer counts it all the same */
    write_parts(from, dir, 2);
    expect(part(path, dir, 1, 2), TEMPO_E_FORMAT, "split.tensors.count is ");
    test_model_free(from);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_python_json),   cmocka_unit_test(test_json_ranges),
        cmocka_unit_test(test_windows),       cmocka_unit_test(test_rope_factor_zero),
        cmocka_unit_test(test_trailing_ones), cmocka_unit_test(test_parts),
        cmocka_unit_test(test_broken_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
