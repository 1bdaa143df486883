/* The rules of tokenizing, on vocabularies small enough to work out by hand; and the ways a tokenizer.json
 * can be broken or ask for what is not supported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json.h"
#include "support/pieces.h"
#include "token/alphabet.h"
#include "token/token.h"

#define MARK "\xe2\x96\x81"

static json_t *json(const char *text)
{
    tempo_err err = {0};
    json_t *root;

    if (tempo_json_parse(&root, text, strlen(text), &err) != TEMPO_OK)
        fail_msg("%s in %s", err.msg, text);
    return root;
}

static tempo_tokenizer *build(const char *tokenizer, const char *config)
{
    json_t *t = json(tokenizer), *c = config != NULL ? json(config) : NULL;
    tempo_err err = {0};
    tempo_tokenizer *out;

    if (tempo_tokenizer_from_json(&out, t, c, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    json_decref(t);
    json_decref(c);
    return out;
}

/* ---- byte-level BPE: a, b, c, space and what the merges make ---- */

#define BYTE_LEVEL "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"
#define BPE(pre, extra, vocab, merges)                                                                       \
    "{" pre ",\"model\":{\"type\":\"BPE\"," extra "\"vocab\":{" vocab "},\"merges\":[" merges "]}}"
#define ABC "\"a\":0,\"b\":1,\"c\":2,\"\\u0120\":3,\"ab\":4,\"bc\":5,\"abc\":6,\"\\u0120a\":7"

static void test_merge_order(void **state)
{
    (void)state;
    tempo_tokenizer *t = build(BPE(BYTE_LEVEL, "", ABC, "\"a b\",\"b c\""), NULL);
    test_pieces(t, "abc", 0, "ab|c");
    test_pieces(t, "bcab", 0, "bc|ab");
    test_pieces(t, "ababab", 0, "ab|ab|ab");
    tempo_tokenizer_free(t);
    t = build(BPE(BYTE_LEVEL, "", ABC, "\"b c\",\"a b\""), NULL); /* the other order, the other result */
    test_pieces(t, "abc", 0, "a|bc");
    tempo_tokenizer_free(t);
    t = build(BPE(BYTE_LEVEL, "", ABC, "[\"b\",\"c\"],[\"a\",\"bc\"]"), NULL); /* the newer spelling */
    test_pieces(t, "abc aabc", 0, "abc|\xc4\xa0|a|abc");
    tempo_tokenizer_free(t);
    t = build(BPE(BYTE_LEVEL, "", "\"a\":0,\"aa\":1", "\"a a\""), NULL); /* of equal pairs the leftmost */
    test_pieces(t, "aaaaa", 0, "aa|aa|a");
    tempo_tokenizer_free(t);
}

static void test_ignore_merges(void **state)
{
    (void)state;
    tempo_tokenizer *t = build(BPE(BYTE_LEVEL, "\"ignore_merges\":true,", ABC, "\"b c\""), NULL);
    test_pieces(t, "abc", 0, "abc");
    test_pieces(t, "abca", 0, "a|bc|a");
    assert_true(tempo_tokenizer_get_info(t).ignore_merges);
    tempo_tokenizer_free(t);
    t = build(BPE(BYTE_LEVEL, "", ABC, "\"b c\""), NULL);
    test_pieces(t, "abc", 0, "a|bc");
    tempo_tokenizer_free(t);
}

/* ---- special tokens ---- */

#define ADDED                                                                                                \
    "\"added_tokens\":[{\"id\":10,\"content\":\"<x>\",\"special\":true},"                                    \
    "{\"id\":11,\"content\":\"<x><y>\",\"special\":true},{\"id\":12,\"content\":\"bb\",\"special\":false},"  \
    "{\"id\":13,\"content\":\"<l>\",\"special\":true,\"lstrip\":true,\"rstrip\":true}]," BYTE_LEVEL
#define SYMBOLS ABC ",\"<\":14,\"x\":15,\">\":16,\"y\":17,\"l\":18"

static void test_special_tokens(void **state)
{
    (void)state;
    tempo_tokenizer *t = build(BPE(ADDED, "", SYMBOLS, "\"a b\""), NULL);
    size_t n, len;
    char *text;
    tempo_err err = {0};
    const int32_t ids[] = {0, 10, 12, 13};

    test_pieces(t, "ab<x>ab", 0, "ab|<x>|ab");
    test_pieces(t, "<x><y><x>", 0, "<x><y>|<x>"); /* the longest */
    test_pieces(t, "<x>", TEMPO_TOKENIZE_NO_SPECIAL, "<|x|>");
    test_pieces(t, "abbb", TEMPO_TOKENIZE_NO_SPECIAL,
                "a|bb|b");                    /* a token that is not special is found always */
    test_pieces(t, "a  <l> b", 0, "a|<l>|b"); /* the spaces are its own */
    assert_true(tempo_token_is_control(t, 10));
    assert_false(tempo_token_is_control(t, 12));
    assert_int_equal(tempo_detokenize(t, ids, 4, false, &text, &n, &err), TEMPO_OK);
    assert_string_equal(text, "abb");
    tempo_free(text);
    assert_int_equal(tempo_detokenize(t, ids, 4, true, &text, &n, &err), TEMPO_OK);
    assert_string_equal(text, "a<x>bb<l>");
    tempo_free(text);
    assert_string_equal(tempo_token_bytes(t, 8, &len), ""); /* an id that nothing has */
    assert_int_equal(len, 0);
    tempo_tokenizer_free(t);
}

static void test_begin_and_end(void **state)
{
    (void)state;
    static const char template[] =
        "\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
        "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<x>\"}},{\"Sequence\":{"
        "\"id\":\"A\"}}]}]}," ADDED;
    char text[2048];
    tempo_tokenizer *t;

    (void)snprintf(text, sizeof(text), BPE("%s", "", SYMBOLS, "\"a b\""), template);
    t = build(text, NULL);
    test_pieces(t, "ab", 0, "<x>|ab");
    test_pieces(t, "", 0, "<x>");
    test_pieces(t, "ab", TEMPO_TOKENIZE_NO_BOS, "ab");
    assert_int_equal(tempo_tokenizer_get_info(t).bos, 10);
    tempo_tokenizer_free(t);
    t = build(text, "{\"add_bos_token\":false,\"eos_token\":{\"content\":\"<l>\"},\"add_eos_token\":true}");
    test_pieces(t, "ab", 0, "ab|<l>");
    assert_true(tempo_token_is_eos(t, 13));
    tempo_err err = {0};
    assert_int_equal(tempo_tokenizer_add_eos(t, 12, &err), TEMPO_OK);
    assert_int_equal(tempo_tokenizer_add_eos(t, 12, &err), TEMPO_OK); /* twice is once */
    assert_int_equal(tempo_tokenizer_get_info(t).n_eos, 2);
    assert_int_equal(tempo_tokenizer_add_eos(t, 19, &err), TEMPO_E_FORMAT);
    err = (tempo_err){0};
    assert_int_equal(tempo_tokenizer_set_bos(t, -1, &err), TEMPO_E_FORMAT);
    tempo_tokenizer_free(t);
}

/* ---- SentencePiece in tokenizer.json ---- */

#define SPM(parts)                                                                                           \
    "{" parts                                                                                                \
    "\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,"     \
    "\"<0xC3>\":1,\"<0xA9>\":2,\"" MARK "\":3,\"a\":4,\"b\":5,\"" MARK "a\":6,\"" MARK MARK "\":7},"         \
    "\"merges\":[\"" MARK " a\",\"" MARK " " MARK "\"]}}"
#define PREPEND                                                                                              \
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"" MARK       \
    "\"},"                                                                                                   \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}]},"
#define METASPACE(scheme)                                                                                    \
    "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"prepend_scheme\":\"" scheme    \
    "\",\"split\":false},"

static void assert_text(const tempo_tokenizer *t, const char *text)
{
    tempo_err err = {0};
    int32_t *ids;
    size_t n, len;
    char *back;

    assert_int_equal(tempo_tokenize(t, text, strlen(text), 0, &ids, &n, &err), TEMPO_OK);
    assert_int_equal(tempo_detokenize(t, ids, n, false, &back, &len, &err), TEMPO_OK);
    assert_string_equal(back, text);
    tempo_free(back);
    tempo_free(ids);
}

static void test_space_marks(void **state)
{
    (void)state;
    tempo_tokenizer *t = build(SPM(PREPEND), NULL);
    test_pieces(t, "a b", 0, MARK "a|" MARK "|b");
    test_pieces(t, " a", 0,
                MARK
                "|" MARK
                "a"); /* the normaliser puts one in front of one; the first pair of the list goes first */
    test_pieces(t, "b\xc3\xa9", 0, MARK "|b|<0xC3>|<0xA9>");
    test_pieces(t, "z", 0, MARK "|<unk>");
    assert_text(t, "a b");
    assert_text(t, " a\xc3\xa9");
    tempo_tokenizer_free(t);
    t = build(SPM(METASPACE("always")), NULL);
    test_pieces(t, "a", 0, MARK "a");
    test_pieces(t, " a", 0, MARK "a"); /* one is there */
    tempo_tokenizer_free(t);
    t = build(SPM(METASPACE("never")), NULL);
    test_pieces(t, "a b", 0, "a|" MARK "|b");
    assert_text(t, " a");
    tempo_tokenizer_free(t);
    t = build(SPM("\"added_tokens\":[{\"id\":8,\"content\":\"<s>\",\"special\":true}]," METASPACE("first")),
              NULL);
    test_pieces(t, "a<s>a", 0, MARK "a|<s>|a"); /* only the beginning of the text */
    test_pieces(t, "<s>a", 0, "<s>|a");
    tempo_tokenizer_free(t);
}

/* ---- words ---- */

/* Byte-level BPE without merges over the whole alphabet would hide the words; with "ignore_merges" every word
 * that is a token stays whole.  So: the vocabulary is all bytes and the words that are expected.  */
static void assert_words(const char *pre, const char *text, const char *const *words)
{
    json_t *vocab = json_object(), *root;
    char spelled[256], expected[1024] = "";
    size_t at = 0;
    tempo_err err = {0};
    tempo_tokenizer *t;

    for (int b = 0; b < 256; b++) {
        const char byte = (char)b;
        spelled[tempo_alphabet_spell(spelled, &byte, 1)] = '\0';
        json_object_set_new(vocab, spelled, json_integer(b));
    }
    for (size_t i = 0; words[i] != NULL; i++) {
        spelled[tempo_alphabet_spell(spelled, words[i], strlen(words[i]))] = '\0';
        if (json_object_get(vocab, spelled) == NULL)
            json_object_set_new(vocab, spelled, json_integer((json_int_t)json_object_size(vocab)));
        at += (size_t)snprintf(expected + at, sizeof(expected) - at, "%s%s", i > 0 ? "|" : "", spelled);
    }
    root = json_pack("{s:o, s:{s:s, s:b, s:o, s:[]}}", "pre_tokenizer", json(pre), "model", "type", "BPE",
                     "ignore_merges", 1, "vocab", vocab, "merges");
    assert_non_null(root);
    if (tempo_tokenizer_from_json(&t, root, NULL, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    test_pieces(t, text, 0, expected);
    tempo_tokenizer_free(t);
    json_decref(root);
}

#define SPLIT(regex, behavior, invert)                                                                       \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":" regex                       \
    ",\"behavior\":\"" behavior "\",\"invert\":" invert                                                      \
    "},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}"
#define WORDS(...)                                                                                           \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

static void test_words(void **state)
{
    (void)state;
    /* GPT-2's own, of ByteLevel */
    assert_words("{\"type\":\"ByteLevel\",\"add_prefix_space\":false}", "I've 12345  x!!\n y",
                 WORDS("I", "'ve", " 12345", " ", " x", "!!", "\n", " y"));
    assert_words("{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", "ab", WORDS(" ab"));
    assert_words("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},"
                 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}]}",
                 "ab 123", WORDS("ab", " ", "1", "2", "3"));
    assert_words(
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":false},"
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}]}",
        "ab123", WORDS("ab", "123"));
    /* llama3's and qwen2's, as their files spell them */
    assert_words(
        SPLIT("{\"Regex\":\"(?i:'s|'t)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
              "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}",
              "Isolated", "false"),
        "IT'S (ab) 12345\n\nx  y",
        WORDS("IT", "'S", " (", "ab", ")", " ", "123", "45", "\n\n", "x", " ", " y"));
    assert_words(SPLIT("{\"String\":\"b\"}", "Isolated", "false"), "abcb", WORDS("a", "b", "c", "b"));
    assert_words(SPLIT("{\"String\":\".\"}", "Removed", "false"), "a.b..c", WORDS("a", "b", "c"));
    assert_words(SPLIT("{\"Regex\":\"[a-z]+\"}", "Removed", "true"), "ab.cd", WORDS("ab", "cd"));
}

static void test_normalisation(void **state)
{
    (void)state;
    /* e and a combining acute become one character: two bytes */
    tempo_tokenizer *t = build("{\"normalizer\":{\"type\":\"NFC\"}," BYTE_LEVEL
                               ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"\\u00c3\":0,"
                               "\"\\u00a9\":1},\"merges\":[]}}",
                               NULL);
    test_pieces(t, "e\xcc\x81", 0, "\xc3\x83|\xc2\xa9");
    tempo_tokenizer_free(t);
}

static void test_invalid_text(void **state)
{
    (void)state;
    tempo_tokenizer *t = build(BPE(BYTE_LEVEL, "", ABC, "\"a b\""), NULL);
    tempo_err err = {0};
    int32_t *ids = (int32_t *)1;
    size_t n = 9;

    assert_int_equal(tempo_tokenize(t, "ab\xc3(", 4, 0, &ids, &n, &err), TEMPO_E_FORMAT);
    assert_int_equal(err.offset, 2);
    assert_null(ids);
    assert_int_equal(n, 0);
    const int32_t bad[] = {0, 99};
    char *text = (char *)1;
    err = (tempo_err){0};
    assert_int_equal(tempo_detokenize(t, bad, 2, false, &text, &n, &err), TEMPO_E_ARG);
    assert_null(text);
    assert_non_null(strstr(err.msg, "id 99 (number 1)"));
    tempo_tokenizer_free(t);
}

/* ---- broken or not supported ---- */

#define DECODER "\"decoder\":{\"type\":\"ByteLevel\"}"
#undef SPLIT
#define SPLIT(rest) "\"pre_tokenizer\":{\"type\":\"Split\"," rest "},"

static tempo_status refuses_text(const tempo_tokenizer *t, tempo_err *err)
{
    static const int32_t id = 1; /* "b" */
    int32_t *ids;
    size_t n;
    char *text;

    assert_int_equal(tempo_detokenize(t, &id, 1, false, &text, &n, err), TEMPO_OK);
    assert_string_equal(text, "b");
    tempo_free(text);
    const tempo_status st = tempo_tokenize(t, "b", 1, 0, &ids, &n, err);
    assert_null(ids);
    assert_int_equal(tempo_tokenizer_check(t, NULL), st);
    return st;
}

static void test_refused(void **state)
{
    (void)state;
    const struct {
        const char *json;
        tempo_status code;
        const char *part;
    } rows[] = {
        {"[]", TEMPO_E_FORMAT, "a \"model\" object"},
        {"{\"model\":{\"type\":\"WordPiece\"}," BYTE_LEVEL "}", TEMPO_E_UNSUPPORTED, "model \"WordPiece\""},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", TEMPO_E_UNSUPPORTED,
         "neither byte-level"},
        {BPE("\"normalizer\":{\"type\":\"Precompiled\"}," BYTE_LEVEL, "", ABC, ""), TEMPO_E_UNSUPPORTED,
         "normalizer \"Precompiled\""},
        {BPE("\"normalizer\":{\"type\":\"Replace\",\"content\":\"\"}," BYTE_LEVEL, "", ABC, ""),
         TEMPO_E_FORMAT, "normalizer: Replace: expected a \"pattern\""},
        {BPE("\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}," DECODER, "", ABC, ""), TEMPO_E_UNSUPPORTED,
         "pre_tokenizer \"UnicodeScripts\""},
        {BPE(DECODER, "", ABC, ""), TEMPO_E_UNSUPPORTED,
         "no part of the tokenizer writes texts as its \"decoder\""},
        {BPE("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":3}," DECODER, "", ABC, ""),
         TEMPO_E_FORMAT, "pretokenizers"},
        {BPE(SPLIT("\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"") DECODER, "", ABC, ""),
         TEMPO_E_FORMAT, "pre_tokenizer: the pattern, byte 1: a group without )"},
        {BPE(SPLIT("\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Sideways\"") DECODER, "", ABC, ""),
         TEMPO_E_UNSUPPORTED, "behavior \"Sideways\""},
        {BPE(SPLIT("\"behavior\":\"Isolated\"") DECODER, "", ABC, ""), TEMPO_E_FORMAT, "\"pattern\""},
        {BPE(BYTE_LEVEL, "\"end_of_word_suffix\":\"</w>\",", ABC, ""), TEMPO_E_UNSUPPORTED,
         "end_of_word_suffix"},
        {BPE(BYTE_LEVEL, "", "", ""), TEMPO_E_FORMAT, "model.vocab: expected at least one token"},
        {BPE(BYTE_LEVEL, "", "\"a\":-1", ""), TEMPO_E_FORMAT, "the id of \"a\""},
        {BPE(BYTE_LEVEL, "", "\"a\":\"x\"", ""), TEMPO_E_FORMAT, "the id of \"a\""},
        {BPE(BYTE_LEVEL, "", "\"a\":4000000", ""), TEMPO_E_FORMAT,
         "for 1 entries"}, /* no memory for the holes */
        {BPE(BYTE_LEVEL, "", "\"a\":0,\"b\":0", ""), TEMPO_E_FORMAT, "id 0 is that of"},
        {BPE(BYTE_LEVEL, "", ABC, "\"a\""), TEMPO_E_FORMAT, "merge 0, 'a', is not two parts"},
        {BPE(BYTE_LEVEL, "", ABC, "\"a b\",\"a z\""), TEMPO_E_FORMAT,
         "merge 1, 'a' with 'z': the second is not"},
        {BPE(BYTE_LEVEL, "", ABC, "\"a c\""), TEMPO_E_FORMAT, "what they make is not"},
        {BPE(BYTE_LEVEL, "", ABC, "3"), TEMPO_E_FORMAT, "model.merges"},
        {BPE("\"added_tokens\":[{\"id\":1}]," BYTE_LEVEL, "", ABC, ""), TEMPO_E_FORMAT, "added_tokens"},
        {BPE("\"added_tokens\":[{\"id\":9,\"content\":\"q\"},{\"id\":9,\"content\":\"r\"}]," BYTE_LEVEL, "",
             ABC, ""),
         TEMPO_E_FORMAT, "id 9 is there twice"},
        {BPE("\"post_processor\":{\"type\":\"BertProcessing\"}," BYTE_LEVEL, "", ABC, ""),
         TEMPO_E_UNSUPPORTED, "post_processor \"BertProcessing\""},
        {BPE("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<q>"
             "\"}}]}," BYTE_LEVEL,
             "", ABC, ""),
         TEMPO_E_FORMAT, "token \"<q>\" is not in the vocabulary"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        json_t *root = json(rows[i].json);
        tempo_err err = {0};
        tempo_tokenizer *t = (tempo_tokenizer *)1;
        tempo_status st = tempo_tokenizer_from_json(&t, root, NULL, NULL, &err);
        if (st == TEMPO_OK) /* ids can become text all the same */
            st = refuses_text(t, &err);
        else
            assert_null(t);
        if (st != rows[i].code || strstr(err.msg, rows[i].part) == NULL)
            fail_msg("row %zu: status %d (expected %d), \"%s\" (%s)", i, (int)st, (int)rows[i].code, err.msg,
                     rows[i].part);
        tempo_tokenizer_free(t);
        json_decref(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_order),    cmocka_unit_test(test_ignore_merges),
        cmocka_unit_test(test_special_tokens), cmocka_unit_test(test_begin_and_end),
        cmocka_unit_test(test_space_marks),    cmocka_unit_test(test_words),
        cmocka_unit_test(test_normalisation),  cmocka_unit_test(test_invalid_text),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
