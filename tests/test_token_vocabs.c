/* Real vocabularies: the ids that another implementation gives, texts back from ids, one model in two
 * formats. Skipped with a message where the files are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/tmpdir.h"
#include "tempo.h"

static tempo_model *open_tokenizer(const char *path)
{
    const tempo_model_options opt = {.size = sizeof(opt), .load = TEMPO_LOAD_TOKENIZER};
    tempo_err err = {0};
    tempo_model *m;

    if (access(path, R_OK) != 0) {
        printf("skipped: no %s\n", path);
        skip();
    }
    if (tempo_model_open(&m, path, &opt, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return m;
}

/* The ids of text[n], separated by spaces: free it. */
static char *ids_of(const tempo_tokenizer *t, const char *text, size_t n)
{
    tempo_err err = {0};
    int32_t *ids;
    size_t n_ids, len, at = 0;
    char *back;

    if (tempo_tokenize(t, text, n, TEMPO_TOKENIZE_NO_BOS | TEMPO_TOKENIZE_NO_SPECIAL, &ids, &n_ids, &err) !=
        TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(tempo_detokenize(t, ids, n_ids, false, &back, &len, &err), TEMPO_OK);
    assert_int_equal(len, n);
    assert_memory_equal(back, text, n);
    char *out = calloc(n_ids + 1, 12);
    assert_non_null(out);
    for (size_t i = 0; i < n_ids; i++)
        at += (size_t)sprintf(out + at, "%s%d", i > 0 ? " " : "", ids[i]);
    tempo_free(ids);
    tempo_free(back);
    return out;
}

/* Cases of PATH.inp between separator lines against the lines of PATH.out. */
static void check_cases(const char *path)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    tempo_model *m = open_tokenizer(path);
    char name[512];
    size_t n, cases = 0;

    (void)snprintf(name, sizeof(name), "%s.inp", path);
    char *input = (char *)test_read_file(name, &n), *text = input;
    (void)snprintf(name, sizeof(name), "%s.out", path);
    char *output = (char *)test_read_file(name, &n), *line = output;
    while (*line != '\0') {
        char *end = strstr(text, separator), *newline = strchr(line, '\n');
        const size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
        if (newline != NULL)
            *newline = '\0';
        while (*line == ' ')
            line++;
        for (size_t last = strlen(line); last > 0 && line[last - 1] == ' ';)
            line[--last] = '\0';
        char *got = ids_of(tempo_model_tokenizer(m), text, len);
        if (strcmp(got, line) != 0)
            fail_msg("%s case %zu \"%.*s\": %s, expected %s", path, cases, (int)len, text, got, line);
        free(got);
        cases++;
        text = end != NULL ? end + strlen(separator) : text + len;
        line = newline != NULL ? newline + 1 : line + strlen(line);
    }
    assert_true(cases > 40);
    free(input);
    free(output);
    tempo_model_free(m);
}

static void test_llama_bpe(void **state)
{
    (void)state;
    check_cases("../shared/vocab/ggml-vocab-llama-bpe.gguf");
}

static void test_llama_spm(void **state)
{
    (void)state;
    check_cases("../shared/vocab/ggml-vocab-llama-spm.gguf");
}

/* Every plain token's bytes, if they are a text, tokenize to something that gives them back. */
static void check_every_token(const tempo_tokenizer *t)
{
    const uint32_t n = tempo_tokenizer_get_info(t).n_tokens;

    for (uint32_t id = 0; id < n; id++) {
        size_t len;
        const char *s = tempo_token_bytes(t, (int32_t)id, &len);
        if (!tempo_token_is_control(t, (int32_t)id) && tempo_utf8_valid(s, len) == len)
            free(ids_of(t, s, len));
    }
    size_t len = 9;
    assert_string_equal(tempo_token_bytes(t, (int32_t)n, &len), "");
    assert_int_equal(len, 0);
    assert_string_equal(tempo_token_piece(t, -1, &len), "");
    assert_false(tempo_token_is_control(t, -1));
}

static void test_every_token(void **state)
{
    (void)state;
    tempo_model *m = open_tokenizer("models/tempo-tiny");

    check_every_token(tempo_model_tokenizer(m));
    tempo_model_free(m);
}

static void test_two_formats(void **state)
{
    (void)state;
    static const char *const texts[] = {"The cat sat on the mat.",
                                        "  two  spaces\n\n\n and\ttabs ",
                                        "it's WE'LL don't 'tis",
                                        "1234567 3.14 x2",
                                        "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80",
                                        "a<|end_of_text|>b",
                                        "",
                                        "\n",
                                        "...!?--"};
    tempo_model *json = open_tokenizer("models/tempo-tiny"),
                *gguf = open_tokenizer("../shared/models/tempo-tiny-f16.gguf");
    const tempo_tokenizer *a = tempo_model_tokenizer(json), *b = tempo_model_tokenizer(gguf);
    const tempo_tokenizer_info i = tempo_tokenizer_get_info(a), k = tempo_tokenizer_get_info(b);

    assert_int_equal(i.n_tokens, k.n_tokens);
    assert_int_equal(i.bos, k.bos);
    assert_int_equal(i.n_eos, k.n_eos);
    assert_int_equal(i.eos[0], k.eos[0]);
    assert_int_equal(i.add_bos, k.add_bos);
    for (size_t n = 0; n < sizeof(texts) / sizeof(*texts); n++) {
        char *x = ids_of(a, texts[n], strlen(texts[n])), *y = ids_of(b, texts[n], strlen(texts[n]));
        assert_string_equal(x, y);
        free(x);
        free(y);
    }
    for (uint32_t id = 0; id < i.n_tokens; id++) {
        size_t la, lb;
        const char *pa = tempo_token_bytes(a, (int32_t)id, &la), *pb = tempo_token_bytes(b, (int32_t)id, &lb);
        assert_int_equal(la, lb);
        assert_memory_equal(pa, pb, la);
        assert_int_equal(tempo_token_is_control(a, (int32_t)id), tempo_token_is_control(b, (int32_t)id));
    }
    tempo_model_free(json);
    tempo_model_free(gguf);
}

/* 100 KB without a space is one word: the heap keeps that from being quadratic. */
static void test_long_words(void **state)
{
    (void)state;
    static const char *const paths[] = {"models/tempo-tiny", "../shared/vocab/ggml-vocab-llama-spm.gguf"};
    enum { LENGTH = 100000 };
    char *text = malloc(LENGTH);

    assert_non_null(text);
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = (char)('a' + i * i % 7 % 26);
    for (size_t i = 0; i < 2; i++) {
        if (access(paths[i], R_OK) != 0)
            continue;
        tempo_model *m = open_tokenizer(paths[i]);
        free(ids_of(tempo_model_tokenizer(m), text, LENGTH));
        tempo_model_free(m);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama_bpe),   cmocka_unit_test(test_llama_spm),
        cmocka_unit_test(test_every_token), cmocka_unit_test(test_two_formats),
        cmocka_unit_test(test_long_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
