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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_python_json),
        cmocka_unit_test(test_json_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
