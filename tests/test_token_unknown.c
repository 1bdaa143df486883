/* What has no token, what pairs of merges have none, and markers: no text makes them, by whatever way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json.h"
#include "support/bytes.h"
#include "token/token.h"

#define MARK "\xe2\x96\x81"

/* ---- tokenizers ---- */

static tempo_tokenizer *from_json(const char *text, const char *config, tempo_notes *notes)
{
    tempo_err err = {0};
    json_t *root = NULL, *settings = NULL;
    tempo_tokenizer *t;

    assert_int_equal(tempo_json_parse(&root, text, strlen(text), &err), TEMPO_OK);
    if (config != NULL)
        assert_int_equal(tempo_json_parse(&settings, config, strlen(config), &err), TEMPO_OK);
    if (tempo_tokenizer_from_json(&t, root, settings, notes, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    json_decref(root);
    json_decref(settings);
    return t;
}

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

typedef struct entry {
    const char *piece;
    int32_t type;
    float score;
} entry;

/* A vocabulary of a GGUF file; what is 0 or NULL is left out. */
typedef struct source {
    const char *model, *pre;
    const entry *tokens; /* up to the one without a piece */
    const char *const *merges;
    bool types, scores;
    int64_t bos, eos, unk;
} source;

static void put_key(test_bytes *b, uint64_t *n, const char *key, uint32_t type)
{
    test_put_str(b, key);
    test_put_uint(b, 4, type);
    ++*n;
}

static void put_array(test_bytes *b, uint64_t *n, const char *key, uint32_t elem, uint64_t count)
{
    put_key(b, n, key, TEMPO_GGUF_ARRAY);
    test_put_uint(b, 4, elem);
    test_put_uint(b, 8, count);
}

static void put_vocab(test_bytes *b, uint64_t *n, const source *s)
{
    size_t count = 0;

    while (s->tokens[count].piece != NULL)
        count++;
    put_array(b, n, "tokenizer.ggml.tokens", TEMPO_GGUF_STRING, count);
    for (size_t i = 0; i < count; i++)
        test_put_str(b, s->tokens[i].piece);
    if (s->types)
        put_array(b, n, "tokenizer.ggml.token_type", TEMPO_GGUF_I32, count);
    for (size_t i = 0; s->types && i < count; i++)
        test_put_uint(b, 4, (uint32_t)s->tokens[i].type);
    if (s->scores)
        put_array(b, n, "tokenizer.ggml.scores", TEMPO_GGUF_F32, count);
    for (size_t i = 0; s->scores && i < count; i++)
        test_put(b, &s->tokens[i].score, 4);
}

static tempo_tokenizer *from_gguf(const source *s, tempo_notes *notes)
{
    static const char *const keys[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.unknown_token_id"};
    const int64_t ids[] = {s->bos, s->eos, s->unk};
    test_bytes b = {0}, kv = {0};
    uint64_t n = 0, n_merges = 0;
    tempo_err err = {0};
    tempo_gguf g;
    tempo_tokenizer *t = NULL;

    put_key(&kv, &n, "tokenizer.ggml.model", TEMPO_GGUF_STRING);
    test_put_str(&kv, s->model);
    if (s->pre != NULL) {
        put_key(&kv, &n, "tokenizer.ggml.pre", TEMPO_GGUF_STRING);
        test_put_str(&kv, s->pre);
    }
    put_vocab(&kv, &n, s);
    while (s->merges != NULL && s->merges[n_merges] != NULL)
        n_merges++;
    if (s->merges != NULL)
        put_array(&kv, &n, "tokenizer.ggml.merges", TEMPO_GGUF_STRING, n_merges);
    for (uint64_t i = 0; i < n_merges; i++)
        test_put_str(&kv, s->merges[i]);
    for (size_t i = 0; i < 3; i++)
        if (ids[i] != 0) {
            put_key(&kv, &n, keys[i], TEMPO_GGUF_I32);
            test_put_uint(&kv, 4, (uint32_t)ids[i]);
        }
    test_put(&b, "GGUF", 4);
    test_put_uint(&b, 4, 3);
    test_put_uint(&b, 8, 0);
    test_put_uint(&b, 8, n);
    test_put(&b, kv.p, kv.n);
    if (tempo_gguf_parse(&g, b.p, b.n, &err) != TEMPO_OK ||
        tempo_tokenizer_from_gguf(&t, &g, notes, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_gguf_free(&g);
    test_bytes_free(&b);
    test_bytes_free(&kv);
    return t;
}

/* ---- what a text becomes ---- */

static char *join(const tempo_tokenizer *t, const int32_t *ids, size_t n)
{
    static char out[512];
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *p = tempo_token_piece(t, ids[i], &len);
        at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s", i > 0 ? "|" : "", (int)len, p);
    }
    return out;
}

static void expect(const tempo_tokenizer *t, const char *text, unsigned flags, const char *pieces)
{
    tempo_err err = {0};
    int32_t *ids;
    size_t n;

    if (tempo_tokenize(t, text, strlen(text), flags | TEMPO_TOKENIZE_NO_BOS, &ids, &n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    if (strcmp(join(t, ids, n), pieces) != 0)
        fail_msg("\"%s\" is %s, expected %s", text, join(t, ids, n), pieces);
    tempo_free(ids);
}

/* The whole text comes from a message to this template. */
static void expect_message(const tempo_tokenizer *t, const char *template_text, const char *text,
                           const char *pieces)
{
    const size_t n = strlen(text);
    unsigned char *bytes = malloc(n + 1),
                  *reserved = tempo_tokenizer_reserve(t, template_text, strlen(template_text));
    const tempo_outside outside = {bytes, reserved};
    tempo_err err = {0};
    int32_t *ids;
    size_t n_ids;

    assert_non_null(bytes);
    memset(bytes, 1, n);
    if (tempo_tokenize_outside(t, text, n, &outside, false, &ids, &n_ids, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    if (strcmp(join(t, ids, n_ids), pieces) != 0)
        fail_msg("message \"%s\" is %s, expected %s", text, join(t, ids, n_ids), pieces);
    tempo_free(ids);
    free(reserved);
    free(bytes);
}

static void expect_note(const tempo_notes *notes, const char *says)
{
    for (size_t i = 0; i < notes->n; i++)
        if (strstr(notes->text[i], says) != NULL)
            return;
    fail_msg("no note says \"%s\"; the first of %zu: \"%s\"", says, notes->n, notes->text[0]);
}

/* ---- bytes without a token ---- */

#define LEVEL "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
#define END "\"added_tokens\":[{\"id\":0,\"content\":\"<|end|>\",\"special\":true}],"
#define ADDED_UNK(special) "\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":" special "}],"
#define MODEL(more, vocab, merges)                                                                           \
    "\"model\":{\"type\":\"BPE\"," more "\"vocab\":{" vocab "},\"merges\":[" merges "]}"

static void test_bytes_in_json(void **state)
{
    (void)state;
    /* nothing, and its neighbours are each other's */
    tempo_tokenizer *t =
        from_json("{" END LEVEL MODEL("", "\"a\":1,\"b\":2,\"ab\":3", "\"a b\"") "}", NULL, NULL);
    expect(t, "azb", 0, "ab");
    expect(t, "z", 0, "");
    tempo_tokenizer_free(t);
    /* a marker is no text, whatever its file calls it */
    t = from_json(
        "{" END LEVEL MODEL("\"unk_token\":\"<|end|>\",", "\"a\":1,\"b\":2,\"ab\":3", "\"a b\"") "}", NULL,
        NULL);
    expect(t, "azb<|end|>", 0, "ab|<|end|>");
    expect(t, "azb<|end|>", TEMPO_TOKENIZE_NO_SPECIAL, "ab");
    tempo_tokenizer_free(t);
    /* the unknown token, one for each; one for all in a row */
    t = from_json("{" ADDED_UNK("true")
                      LEVEL MODEL("\"unk_token\":\"<unk>\",", "\"a\":1,\"b\":2,\"ab\":3", "\"a b\"") "}",
                  NULL, NULL);
    expect(t, "azb", 0, "a|<unk>|b");
    expect(t,
           "\xc3\xa9"
           "az",
           TEMPO_TOKENIZE_NO_SPECIAL, "<unk>|<unk>|a|<unk>");
    expect_message(t, "{{ bos_token }}", "az", "a|<unk>");
    expect_message(t, "", "<unk>", "<unk>|<unk>|<unk>|<unk>|<unk>"); /* of which none is its name */
    tempo_tokenizer_free(t);
    t = from_json("{" ADDED_UNK("false")
                      LEVEL MODEL("\"unk_token\":\"<unk>\",\"fuse_unk\":true,", "\"a\":1", "") "}",
                  NULL, NULL);
    expect(t, "\xc3\xa9z.az", 0, "<unk>|<unk>|a|<unk>"); /* in a word: "ez", ".", "az" */
    tempo_tokenizer_free(t);
    /* unless that token is something else, too */
    t = from_json("{" ADDED_UNK("true") LEVEL MODEL("\"unk_token\":\"<unk>\",", "\"a\":1", "") "}",
                  "{\"eos_token\":\"<unk>\"}", NULL);
    expect(t, "az", 0, "a");
    assert_true(tempo_token_is_control(t, 0));
    tempo_tokenizer_free(t);
    tempo_notes notes = {0};
    t = from_json("{" LEVEL MODEL("\"unk_token\":\"?\",", "\"a\":1", "") "}", NULL, &notes);
    expect(t, "az", 0, "a");
    expect_note(&notes, "model.unk_token \"?\" is not in the vocabulary");
    tempo_tokenizer_free(t);
}

#define SPACES                                                                                               \
    "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"},"

/* Bytes all or none; without byte_fallback none, though the vocabulary has their pieces. */
static void test_fallback(void **state)
{
    (void)state;
    static const char vocab[] = "\"<unk>\":0,\"a\":1,\"<0xC3>\":2,\"<0xA9>\":3";
    char text[1024];
    tempo_tokenizer *t;

    (void)snprintf(text, sizeof(text),
                   "{%s" MODEL("\"byte_fallback\":true,\"unk_token\":\"<unk>\",", "%s", "") "}",
                   ADDED_UNK("true") SPACES, vocab);
    t = from_json(text, NULL, NULL);
    expect(t, "a\xc3\xa9", 0, "a|<0xC3>|<0xA9>");
    expect(t, "a\xc3\xa8", 0, "a|<unk>");
    tempo_tokenizer_free(t);
    (void)snprintf(text, sizeof(text),
                   "{%s" MODEL("\"byte_fallback\":false,\"unk_token\":\"<unk>\",", "%s", "") "}",
                   ADDED_UNK("true") SPACES, vocab);
    t = from_json(text, NULL, NULL);
    expect(t, "a\xc3\xa9", 0, "a|<unk>");
    tempo_tokenizer_free(t);
    /* a marker by a byte's name */
    t = from_json("{\"added_tokens\":[{\"id\":2,\"content\":\"<0x7A>\",\"special\":true}]," SPACES MODEL(
                      "\"byte_fallback\":true,", "\"a\":1,\"b\":3,\"ab\":4", "\"a b\"") "}",
                  NULL, NULL);
    expect(t, "azb", 0, "ab");
    tempo_tokenizer_free(t);
}

static void test_bytes_in_gguf(void **state)
{
    (void)state;
    static const entry bpe[] = {
        {"<|endoftext|>", CONTROL, 0}, {"a", NORMAL, 0}, {"b", NORMAL, 0}, {"ab", NORMAL, 0}, {0}};
    static const entry spm[] = {{"<unk>", UNKNOWN, 0},
                                {"<s>", CONTROL, 0},
                                {"</s>", CONTROL, 0},
                                {"a", NORMAL, 0},
                                {"<0xC3>", BYTE, 0},
                                {"<0xA9>", BYTE, 0},
                                {0}};
    static const char *const merges[] = {"a b", NULL};
    source s = {.model = "gpt2", .pre = "gpt-2", .tokens = bpe, .merges = merges, .types = true, .eos = 0};
    tempo_tokenizer *t = from_gguf(&s, NULL); /* unknown_token_id 0 is what such files say */

    expect(t, "\x04", 0, "");
    expect(t,
           "a\x04"
           "b",
           TEMPO_TOKENIZE_NO_SPECIAL, "a|b"); /* words of their own */
    expect_message(t, "", "a\x04<|endoftext|>", "a");
    tempo_tokenizer_free(t);
    s = (source){.model = "llama", .tokens = spm, .types = true, .scores = true, .bos = 1, .eos = 2};
    t = from_gguf(&s, NULL);
    expect(t, "a\xc3\xa9", 0, "<unk>|a|<0xC3>|<0xA9>"); /* no U+2581 here */
    expect(t, "axyz\xc3\xa8", 0, "<unk>|a|<unk>");      /* one for all in a row */
    tempo_tokenizer_free(t);
    s.unk = 2; /* the end of a text is no text */
    t = from_gguf(&s, NULL);
    expect(t, "axyz\xc3\xa8", 0, "a");
    tempo_tokenizer_free(t);
}

/* ---- markers ---- */

/* By merges, by bytes, by whole words: not from a text; but on the way to another token. */
static void test_made_markers(void **state)
{
    (void)state;
    static const char added[] =
        "\"added_tokens\":[{\"id\":9,\"content\":\"ab\",\"special\":true},"
        "{\"id\":8,\"content\":\"!\",\"special\":true},{\"id\":7,\"content\":\"\\u0120\","
        "\"special\":true},{\"id\":6,\"content\":\"call\",\"special\":false}]," LEVEL;
    static const char vocab[] =
        "\"a\":0,\"b\":1,\"c\":2,\"abc\":3,\"ab\":9,\"!\":8,\"\\u0120\":7,\"call\":6,\"l\":13,"
        "\"al\":14,\"cal\":15";
    static const char merges[] = "\"a b\",\"ab c\",\"a l\",\"c al\",\"cal l\"";
    char text[2048];

    for (int ignore = 0; ignore < 2; ignore++) {
        (void)snprintf(text, sizeof(text), "{%s" MODEL("\"ignore_merges\":%s,", "%s", "%s") "}", added,
                       ignore ? "true" : "false", vocab, merges);
        tempo_tokenizer *t = from_json(text, NULL, NULL);
        expect(t, "ab", 0, "ab"); /* by its name */
        expect(t, "ab", TEMPO_TOKENIZE_NO_SPECIAL, "a|b");
        expect(t, "abc", TEMPO_TOKENIZE_NO_SPECIAL, "abc");
        expect(t, "aba", TEMPO_TOKENIZE_NO_SPECIAL, "a|b|a");
        expect(t, "a!b c", TEMPO_TOKENIZE_NO_SPECIAL, "a|b|c"); /* bytes whose only tokens are markers */
        expect_message(t, "", "ab! ab", "a|b|a|b");
        expect_message(t, "", "acall", "a|call");
        expect_message(t, "call", "acall", "a|cal|l"); /* the template's own */
        tempo_tokenizer_free(t);
    }
}

/* The same piece twice, once a marker: text is the other. */
static void test_two_of_a_name(void **state)
{
    (void)state;
    static const entry tokens[] = {{"a", CONTROL, 0},  {"b", NORMAL, 0},  {"a", NORMAL, 0},
                                   {"ab", CONTROL, 0}, {"ab", NORMAL, 0}, {0}};
    static const char *const merges[] = {"a b", NULL};
    const source s = {.model = "gpt2", .pre = "gpt-2", .tokens = tokens, .merges = merges, .types = true};
    tempo_tokenizer *t = from_gguf(&s, NULL);
    int32_t *ids;
    size_t n;

    assert_int_equal(tempo_tokenize(t, "aba", 3, TEMPO_TOKENIZE_NO_SPECIAL, &ids, &n, NULL), TEMPO_OK);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], 4);
    assert_int_equal(ids[1], 2);
    tempo_free(ids);
    tempo_tokenizer_free(t);
}

/* What begins or ends texts is a marker, however its file has it. */
static void test_forgotten_markers(void **state)
{
    (void)state;
    static const entry tokens[] = {{"<|im_end|>", NORMAL, 0},
                                   {"<stop>", USER, 0},
                                   {"<go>", NORMAL, 0},
                                   {"a", NORMAL, 0},
                                   {"<", NORMAL, 0},
                                   {"o", NORMAL, 0},
                                   {"<g", NORMAL, 0},
                                   {"g", NORMAL, 0},
                                   {">", NORMAL, 0},
                                   {"o>", NORMAL, 0},
                                   {0}};
    static const char *const merges[] = {"< g", "o >", "<g o>", NULL};
    const source s = {.model = "gpt2",
                      .pre = "gpt-2",
                      .tokens = tokens,
                      .merges = merges,
                      .types = true,
                      .bos = 2,
                      .eos = 1};
    tempo_notes notes = {0};
    tempo_tokenizer *t = from_gguf(&s, &notes);

    expect_note(&notes, "token 0, '<|im_end|>', is not marked as a control token");
    expect(t, "<|im_end|>a<stop><go>", 0, "<|im_end|>|a|<stop>|<go>");
    expect(t, "<|im_end|>a<stop>", TEMPO_TOKENIZE_NO_SPECIAL, "<|>|a|<|o|>");
    expect(t, "<go>", TEMPO_TOKENIZE_NO_SPECIAL, "<|g|o|>");
    expect_message(t, "", "<go><stop><|im_end|>", "<|g|o|>|<|o|>|<|>");
    for (int32_t id = 0; id < 3; id++)
        assert_true(tempo_token_is_control(t, id));
    tempo_tokenizer_free(t);
}

/* ---- as GGUF's own reader takes it ---- */

static void test_merges_without_tokens(void **state)
{
    (void)state;
    static const entry tokens[] = {{"a", 0, 0},   {"b", NORMAL, 0},    {"c", -7, 0},
                                   {"abc", 9, 0}, {"\xc4\x84!", 1, 0}, {0}};
    /* "ab" is none, but leads to "abc"; byte 4 is none, but begins one; the rest can never come up */
    static const char *const merges[] = {"a b", "ab c", "\xc4\x84 !", "x y", "xy",
                                         "",    " ",    "a ",         "q a", NULL};
    const source s = {.model = "gpt2", .pre = "gpt-2", .tokens = tokens, .merges = merges, .types = true};
    tempo_tokenizer *t = from_gguf(&s, NULL);

    expect(t, "abc", 0, "abc");
    expect(t, "abab", 0, "a|b|a|b"); /* what was joined and is none falls back to its bytes */
    expect(t, "xy", 0, "");
    expect(t, "qa", 0, "a");
    expect(t, "\x04!", 0, "\xc4\x84!");
    expect(t, "\x04?a", 0, "a");
    tempo_tokenizer_free(t);
}

static void test_missing_arrays(void **state)
{
    (void)state;
    static const entry spm[] = {{"<unk>", 0, 0}, {"<s>", 0, 0}, {"</s>", 0, 0}, {"<0x7A>", 0, 0}, {"a", 0, 0},
                                {"b", 0, 0},     {"ab", 0, 0},  {"ba", 0, 0},   {MARK, 0, 0},     {0}};
    static const entry bpe[] = {{"a", 0, 0}, {"b", 0, 0}, {"ab", 0, 0}, {"<|eot_id|>", 0, 0}, {0}};
    static const char *const merges[] = {"a b", NULL};
    source s = {.model = "llama", .tokens = spm};
    tempo_notes notes = {0};
    tempo_tokenizer *t = from_gguf(&s, &notes);
    tempo_tokenizer_info i = tempo_tokenizer_get_info(t);

    expect_note(&notes, "tokenizer.ggml.scores is missing");
    expect_note(&notes, "tokenizer.ggml.token_type is missing");
    expect_note(&notes, "which token begins a text: taken is 1, '<s>'");
    expect_note(&notes, "which token ends a text: taken is 2, '</s>'");
    assert_int_equal(i.bos, 1);
    assert_int_equal(i.eos[0], 2);
    assert_true(i.add_bos);
    expect(t, "abaz", 0, MARK "|ab|a|<0x7A>"); /* all equal: from the left */
    expect(t, "<s>a</s>", 0, "<s>|" MARK "|a|</s>");
    expect(t, "</s>", TEMPO_TOKENIZE_NO_SPECIAL, MARK "|<unk>");
    tempo_tokenizer_free(t);
    notes = (tempo_notes){0};
    s = (source){.model = "gpt2", .tokens = bpe, .merges = merges};
    t = from_gguf(&s, &notes);
    expect_note(&notes, "tokenizer.ggml.pre is missing");
    assert_string_equal(tempo_tokenizer_get_info(t).pre, "default");
    expect(t, "ab<|eot_id|>", 0, "ab|<|eot_id|>");
    assert_true(tempo_token_is_control(t, 3));
    tempo_tokenizer_free(t);
}

/* An added token that the vocabulary has under another id is that one; the first of two is the one. */
static void test_added_twice(void **state)
{
    (void)state;
    tempo_tokenizer *t =
        from_json("{\"added_tokens\":[{\"id\":7,\"content\":\"a\",\"special\":true},"
                  "{\"id\":8,\"content\":\"a\"}]," LEVEL MODEL("", "\"a\":0,\"b\":1", "") "}",
                  NULL, NULL);
    size_t n;
    int32_t *ids;

    assert_int_equal(tempo_tokenize(t, "ab", 2, 0, &ids, &n, NULL), TEMPO_OK);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], 0);
    assert_true(tempo_token_is_control(t, 0));
    tempo_free(ids);
    expect(t, "ab", TEMPO_TOKENIZE_NO_SPECIAL, "b");
    tempo_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_in_json),         cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_bytes_in_gguf),         cmocka_unit_test(test_made_markers),
        cmocka_unit_test(test_two_of_a_name),         cmocka_unit_test(test_forgotten_markers),
        cmocka_unit_test(test_merges_without_tokens), cmocka_unit_test(test_missing_arrays),
        cmocka_unit_test(test_added_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
