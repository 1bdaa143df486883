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
        {"generation_config.json", ", \"eos_token_id\": 1000000000000000019884624838656", "eos_token_id"},
        {"tokenizer.json",
         ", \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 36893488147419103232}, \"merges\": []}",
         "tokenizer.json: the id of \"a\""},
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

/* ---- windows: the context ends where one would bite ---- */

#define MISTRAL "\"model_type\": \"mistral\", \"architectures\": null"
#define LAYER_TYPES "\"layer_types\": [\"full_attention\", \"sliding_attention\"]"

static const struct {
    const char *arch, *config; /* NULL: a GGUF with `window` for every layer, or per_layer */
    uint32_t window;
    bool per_layer;
    uint32_t context; /* what comes of it */
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
                       want = window_rows[i].context;
        test_tmpdir_create(dir);
        test_path(path, dir, config != NULL ? "hf" : "m.gguf");
        write_window(i, path);
        tempo_model *m = open_model(path);
        const tempo_model_info *info = tempo_model_get_info(m);
        const char *note = tempo_model_note(m, 0);
        if (info->context_length != want || info->sliding_window != (want < full ? want : 0) ||
            (note != NULL) != (want < full) || m->hp.n_ctx != want)
            fail_msg("row %zu: context %u, window %u, %s", i, info->context_length, info->sliding_window,
                     note != NULL ? note : "no note");
        if (note != NULL)
            assert_non_null(strstr(note, "sliding_window"));
        assert_null(tempo_model_note(m, 1));
        tempo_model_free(m);
        test_tmpdir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_python_json),
        cmocka_unit_test(test_json_ranges),
        cmocka_unit_test(test_windows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
