/* Pre-tokenisers that GGUF files name, tokens that swallow what is behind them, and lists in place of a
 * tokenizer.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json.h"
#include "support/bytes.h"
#include "support/pieces.h"
#include "token/alphabet.h"
#include "token/pretoken.h"

#define WORDS(...)                                                                                           \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

/* Named pre-tokenisers come from GGUF.  The vocabulary is all bytes, the words that are expected, and what
 * they are merged from. */
static void assert_named(const char *pre, const char *text, const char *const *words)
{
    test_bytes b = {0}, tokens = {0};
    char spelled[256], expected[1024] = "";
    size_t at = 0, n = 0;
    tempo_err err = {0};
    tempo_gguf g;
    tempo_tokenizer *t = NULL;

    for (int i = 0; i < 256; i++, n++) {
        const char byte = (char)i;
        spelled[tempo_alphabet_spell(spelled, &byte, 1)] = '\0';
        test_put_str(&tokens, spelled);
    }
    /* Words are made by merges of their first letters, left to right. */
    test_bytes merges = {0};
    size_t n_merges = 0;
    for (size_t i = 0; words[i] != NULL; i++) {
        const size_t whole = tempo_alphabet_spell(spelled, words[i], strlen(words[i]));
        spelled[whole] = '\0';
        at += (size_t)snprintf(expected + at, sizeof(expected) - at, "%s%s", i > 0 ? "|" : "", spelled);
        for (size_t len = 2; len <= strlen(words[i]); len++) {
            char left[256], right[8], both[300];
            left[tempo_alphabet_spell(left, words[i], len - 1)] = '\0';
            right[tempo_alphabet_spell(right, words[i] + len - 1, 1)] = '\0';
            (void)snprintf(both, sizeof(both), "%s%s", left, right);
            test_put_str(&tokens, both);
            (void)snprintf(both, sizeof(both), "%s %s", left, right);
            test_put_str(&merges, both);
            n_merges++;
            n++;
        }
    }
    test_put(&b, "GGUF", 4);
    test_put_uint(&b, 4, 3);
    test_put_uint(&b, 8, 0);
    test_put_uint(&b, 8, 4);
    test_put_str(&b, "tokenizer.ggml.model");
    test_put_uint(&b, 4, TEMPO_GGUF_STRING);
    test_put_str(&b, "gpt2");
    test_put_str(&b, "tokenizer.ggml.pre");
    test_put_uint(&b, 4, TEMPO_GGUF_STRING);
    test_put_str(&b, pre);
    const struct {
        const char *key;
        const test_bytes *list;
        size_t n;
    } lists[] = {{"tokenizer.ggml.tokens", &tokens, n}, {"tokenizer.ggml.merges", &merges, n_merges}};
    for (size_t i = 0; i < 2; i++) {
        test_put_str(&b, lists[i].key);
        test_put_uint(&b, 4, TEMPO_GGUF_ARRAY);
        test_put_uint(&b, 4, TEMPO_GGUF_STRING);
        test_put_uint(&b, 8, lists[i].n);
        test_put(&b, lists[i].list->p, lists[i].list->n);
    }
    if (tempo_gguf_parse(&g, b.p, b.n, &err) != TEMPO_OK ||
        tempo_tokenizer_from_gguf(&t, &g, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(tempo_tokenizer_get_info(t).pre, pre);
    test_pieces(t, text, TEMPO_TOKENIZE_NO_BOS, expected);
    tempo_tokenizer_free(t);
    tempo_gguf_free(&g);
    test_bytes_free(&b);
    test_bytes_free(&tokens);
    test_bytes_free(&merges);
}

static void test_named_words(void **state)
{
    (void)state;
    assert_named("llama-bpe", "WE'LL go 12345!\n z",
                 WORDS("WE", "'LL", " go", " ", "123", "45", "!\n", " z"));
    assert_named("qwen2", "we'll go 123", WORDS("we", "'ll", " go", " ", "1", "2", "3"));
    assert_named("gpt-2", "we'll GO'S 123", WORDS("we", "'ll", " GO", "'", "S", " 123"));
    assert_named("smollm", "x 12y", WORDS("x", " ", "1", "2", "y"));
    assert_named("deepseek-llm", "ab, cd\n12 \xe4\xb8\xad\xe6\x96\x87x",
                 WORDS("ab", ",", " cd", "\n", "12", " ", "\xe4\xb8\xad\xe6\x96\x87", "x"));
    assert_named("default", "a+b 12345", WORDS("a", "+", "b", " ", "123", "45"));
    assert_named("falcon", "a`b 12345", WORDS("a", "`", "b", " ", "123", "45"));
    assert_named("olmo", "e\xcc\x81 12", WORDS("\xc3\xa9", " 12"));
    assert_named("gpt-2", "e\xcc\x81 12", WORDS("e", "\xcc\x81", " 12"));
    assert_named("command-r", "e\xcc\x81 12", WORDS("\xc3\xa9", " ", "1", "2"));
    assert_named("bloom", "ab(c d, e\xe3\x80\x82", WORDS("ab", "(", "c", " d", ",", " e", "\xe3\x80\x82"));
    assert_named("viking", "ab 12|c", WORDS("ab", " ", "1", "2", "|", "c"));
    assert_named("tekken", "aBc'S 12", WORDS("a", "Bc", "'", "S", " ", "1", "2"));
    assert_named("gpt-4o", "aBc'S 1234/\n", WORDS("a", "Bc'S", " ", "123", "4", "/\n"));
    assert_named("qwen35", "we'll e\xcc\x81", WORDS("we", "'ll", " e\xcc\x81"));
    assert_named("jais-2", "a\t \v\f\t b", WORDS("a", "\t \v\f", "\t", " b"));
    assert_named("seed-coder", "a!\nb", WORDS("a", "!", "\n", "b"));
    assert_named("bailingmoe", "a\n\nIT'S", WORDS("a", "\n", "\n", "IT", "'S"));
    assert_named("exaone-moe", "is a 12", WORDS("is a", " ", "1", "2"));
    assert_named("minicpm5", "x1234", WORDS("x", "123", "4"));
    assert_named("tiny_aya", "1234567", WORDS("1", "234", "567"));
    assert_named("superbpe", "a 1234567 b", WORDS("a ", "1", "234", "567", " b"));
    assert_named("youtu", "\xe4\xb8\xad\xe3\x80\x81x12",
                 WORDS("\xe4\xb8\xad", "\xe3\x80\x81", "x", "1", "2"));
    assert_named("spark2_5", "a!!\n12", WORDS("a", "!!", "\n", "1", "2"));
}

/* As llama.cpp writes them: each is known, and its expressions compile. */
static void test_all_names(void **state)
{
    static const char *const names[] = {"default",
                                        "llama3",
                                        "llama-v3",
                                        "llama-bpe",
                                        "falcon3",
                                        "falcon-h1",
                                        "pixtral",
                                        "midm-2.0",
                                        "lfm2",
                                        "deepseek-llm",
                                        "deepseek-coder",
                                        "deepseek-v3",
                                        "falcon",
                                        "mpt",
                                        "starcoder",
                                        "gpt-2",
                                        "phi-2",
                                        "gigachat",
                                        "a.x-4.0",
                                        "mellum",
                                        "jais-2",
                                        "refact",
                                        "command-r",
                                        "qwen2",
                                        "deepseek-r1-qwen",
                                        "kormo",
                                        "qwen35",
                                        "stablelm2",
                                        "olmo",
                                        "dbrx",
                                        "smaug-bpe",
                                        "poro-chat",
                                        "chatglm-bpe",
                                        "glm4",
                                        "glm5",
                                        "viking",
                                        "jais",
                                        "tekken",
                                        "smollm",
                                        "codeshell",
                                        "bloom",
                                        "gpt3-finnish",
                                        "exaone",
                                        "exaone4",
                                        "exaone-moe",
                                        "minerva-7b",
                                        "megrez",
                                        "gpt-4o",
                                        "llama4",
                                        "kanana2",
                                        "tiny_aya",
                                        "superbpe",
                                        "trillion",
                                        "granite-docling",
                                        "bailingmoe",
                                        "bailingmoe2",
                                        "llada-moe",
                                        "seed-coder",
                                        "hunyuan",
                                        "hunyuan-dense",
                                        "joyai-llm",
                                        "hy_v4",
                                        "youtu",
                                        "spark2_5",
                                        "minicpm5",
                                        "grok-2",
                                        "minimax-m2",
                                        "solar-open",
                                        "mellum2",
                                        "gpt-neox"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        tempo_pretoken *p;
        tempo_pretoken_name name;
        tempo_err err = {0};
        assert_int_equal(tempo_pretoken_create(&p, &err), TEMPO_OK);
        if (tempo_pretoken_add_named(p, names[i], strlen(names[i]), &name, &err) != TEMPO_OK)
            fail_msg("%s: %s", names[i], err.msg);
        tempo_pretoken_free(p);
    }
    tempo_pretoken *p;
    tempo_pretoken_name name;
    tempo_err err = {0};
    assert_int_equal(tempo_pretoken_create(&p, &err), TEMPO_OK);
    assert_int_equal(tempo_pretoken_add_named(p, "bert-bge", 8, &name, &err), TEMPO_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "'bert-bge'"));
    tempo_pretoken_free(p);
}

/* ---- Phi 3 ---- */

static void put_array(test_bytes *b, const char *key, tempo_gguf_type type, size_t n)
{
    test_put_str(b, key);
    test_put_uint(b, 4, TEMPO_GGUF_ARRAY);
    test_put_uint(b, 4, type);
    test_put_uint(b, 8, n);
}

static void put_text(test_bytes *b, const char *key, const char *value)
{
    test_put_str(b, key);
    test_put_uint(b, 4, TEMPO_GGUF_STRING);
    test_put_str(b, value);
}

/* The pieces of "<|u|> \n b<s> b" by a file of this architecture. */
static void assert_swallows(const char *arch, const char *expected)
{
    static const struct {
        const char *piece;
        uint32_t type;
    } tokens[] = {{"<unk>", 2}, {"<s>", 3},          {"</s>", 3}, {"<0x0A>", 6},
                  {"<|u|>", 3}, {"\xe2\x96\x81", 1}, {"b", 1}};
    const size_t n = sizeof(tokens) / sizeof(tokens[0]);
    test_bytes b = {0};
    tempo_err err = {0};
    tempo_gguf g;
    tempo_tokenizer *t = NULL;

    test_put(&b, "GGUF", 4);
    test_put_uint(&b, 4, 3);
    test_put_uint(&b, 8, 0);
    test_put_uint(&b, 8, 5);
    put_text(&b, "general.architecture", arch);
    put_text(&b, "tokenizer.ggml.model", "llama");
    put_array(&b, "tokenizer.ggml.tokens", TEMPO_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        test_put_str(&b, tokens[i].piece);
    put_array(&b, "tokenizer.ggml.token_type", TEMPO_GGUF_I32, n);
    for (size_t i = 0; i < n; i++)
        test_put_uint(&b, 4, tokens[i].type);
    put_array(&b, "tokenizer.ggml.scores", TEMPO_GGUF_F32, n);
    for (size_t i = 0; i < n; i++)
        test_put_uint(&b, 4, 0);
    if (tempo_gguf_parse(&g, b.p, b.n, &err) != TEMPO_OK ||
        tempo_tokenizer_from_gguf(&t, &g, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    test_pieces(t, "<|u|> \n b<s> b", TEMPO_TOKENIZE_NO_BOS, expected);
    tempo_tokenizer_free(t);
    tempo_gguf_free(&g);
    test_bytes_free(&b);
}

static void test_swallowed(void **state)
{
    (void)state;
    assert_swallows("llama",
                    "<|u|>|\xe2\x96\x81|\xe2\x96\x81|<0x0A>|\xe2\x96\x81|b|<s>|\xe2\x96\x81|\xe2\x96\x81|b");
    assert_swallows("phi3", "<|u|>|\xe2\x96\x81|b|<s>|\xe2\x96\x81|\xe2\x96\x81|b");
}

/* ---- lists ---- */

static json_t *json(const char *text)
{
    tempo_err err = {0};
    json_t *root = NULL;

    if (text != NULL && tempo_json_parse(&root, text, strlen(text), &err) != TEMPO_OK)
        fail_msg("%s in %s", err.msg, text);
    return root;
}

static tempo_status from_lists(tempo_tokenizer **out, const char *vocab, const char *merges,
                               const char *added, const char *special, const char *config, tempo_err *err)
{
    json_t *v = json(vocab), *a = json(added), *s = json(special), *c = json(config);
    const tempo_token_lists lists = {v, merges, strlen(merges), a, s, c};
    const tempo_status st = tempo_tokenizer_from_lists(out, &lists, NULL, err);

    json_decref(v);
    json_decref(a);
    json_decref(s);
    json_decref(c);
    return st;
}

#define VOCAB                                                                                                \
    "{\"a\":0,\"b\":1,\"\\u0120\":2,\"ab\":3,\"1\":4,\"2\":5,\"12\":6,\"</"                                  \
    "s>\":7,\"\\u00c3\":8,\"\\u00a9\":9}"
#define MERGES "#version: 0.2\na b\r\n1 2\n"

static void test_lists(void **state)
{
    tempo_tokenizer *t = NULL;
    tempo_err err = {0};
    int32_t *ids;
    size_t n;

    (void)state;
    assert_int_equal(from_lists(&t, VOCAB, MERGES, "{\"<t>\":10}", "{\"pad_token\":\"<pad>\"}",
                                "{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_bos_token\":true,\"bos_token\":"
                                "{\"content\":\"</s>\",\"normalized\":true},\"eos_token\":\"</s>\"}",
                                &err),
                     TEMPO_OK);
    test_pieces(t, "ab 12</s><t><pad>", TEMPO_TOKENIZE_NO_BOS, "ab|\xc4\xa0|12|</s>|<t>|<pad>");
    test_pieces(t, "ab", 0, "</s>|ab");
    assert_int_equal(tempo_tokenize(t, "<t><pad>", 8, TEMPO_TOKENIZE_NO_BOS, &ids, &n, &err), TEMPO_OK);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], 10);
    assert_int_equal(ids[1], 11); /* has no id of its own: the next */
    tempo_free(ids);
    assert_true(tempo_token_is_control(t, 7));
    assert_true(tempo_token_is_control(t, 11));
    assert_false(tempo_token_is_control(t, 10));
    tempo_tokenizer_free(t);
    /* a class says how texts are cut */
    assert_int_equal(
        from_lists(&t, VOCAB, MERGES, NULL, NULL, "{\"tokenizer_class\":\"Qwen2TokenizerFast\"}", &err),
        TEMPO_OK);
    test_pieces(t, "ab12", 0, "ab|1|2");
    tempo_tokenizer_free(t);
    assert_int_equal(
        from_lists(&t, VOCAB, MERGES, NULL, NULL, "{\"tokenizer_class\":\"GPTNeoXTokenizerFast\"}", &err),
        TEMPO_OK);
    test_pieces(t, "e\xcc\x81", 0, "\xc3\x83|\xc2\xa9");
    tempo_tokenizer_free(t);
    assert_int_equal(from_lists(&t, VOCAB, "", NULL, NULL, NULL, &err), TEMPO_OK);
    test_pieces(t, "ab", 0, "a|b");
    tempo_tokenizer_free(t);
}

static void test_lists_broken(void **state)
{
    tempo_tokenizer *t;
    tempo_err err = {0};

    (void)state;
    assert_int_equal(
        from_lists(&t, VOCAB, MERGES, NULL, NULL, "{\"tokenizer_class\":\"WhisperTokenizer\"}", &err),
        TEMPO_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "WhisperTokenizer"));
    assert_null(t);
    err = (tempo_err){0};
    assert_int_equal(from_lists(&t, VOCAB, "a b\n\xc3(", NULL, NULL, NULL, &err), TEMPO_E_FORMAT);
    assert_int_equal(err.offset, 4);
    err = (tempo_err){0};
    assert_int_equal(from_lists(&t, "[]", MERGES, NULL, NULL, NULL, &err), TEMPO_E_FORMAT);
    err = (tempo_err){0};
    assert_int_equal(from_lists(&t, "{\"a\":\"x\"}", MERGES, NULL, NULL, NULL, &err), TEMPO_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named_words),  cmocka_unit_test(test_all_names),
        cmocka_unit_test(test_swallowed),    cmocka_unit_test(test_lists),
        cmocka_unit_test(test_lists_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
