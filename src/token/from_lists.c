/* from_lists.c - a tokenizer from vocab.json and merges.txt, the lists that older directories have in place
 * of a tokenizer.json.
 *
 * What else a tokenizer.json says follows from the class that tokenizer_config.json names: the document is
 * made and read like any other.  Source: transformers, which does the same.  */
#include <stdlib.h>
#include <string.h>

#include "io/json_at.h"
#include "token/token.h"

#define BYTE_LEVEL(regex)                                                                                    \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":" regex "}"
#define QWEN2_WORDS                                                                                          \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "                        \
    "?[^\\\\s\\\\p{L}\\\\p{N}]"                                                                              \
    "+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

static const char nothing[] = "null", nfc[] = "{\"type\":\"NFC\"}", byte_level[] = BYTE_LEVEL("true"),
                  qwen2[] = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                            "{\"Regex\":\"" QWEN2_WORDS
                            "\"},\"behavior\":\"Isolated\",\"invert\":false}," BYTE_LEVEL("false") "]}";

/* The class, "Fast" left out: what its texts go through, and the token that is what no other key says. */
static const struct {
    const char *class, *normalizer, *pre_tokenizer, *usual;
} classes[] = {
    {"GPT2Tokenizer", nothing, byte_level, "<|endoftext|>"},
    {"CodeGenTokenizer", nothing, byte_level, "<|endoftext|>"},
    {"GPTNeoXTokenizer", nfc, byte_level, "<|endoftext|>"},
    {"Qwen2Tokenizer", nfc, qwen2, "<|endoftext|>"},
};
enum { N_CLASSES = sizeof(classes) / sizeof(classes[0]) };

static size_t class_of(const tempo_token_lists *l)
{
    const char *name = tempo_text_at(l->config, "tokenizer_class");
    const size_t n = strlen(name), fast = n > 4 && strcmp(name + n - 4, "Fast") == 0 ? 4 : 0;
    size_t i = 0;

    if (n == 0) /* what such lists were made for first */
        return 0;
    while (i < N_CLASSES &&
           (strlen(classes[i].class) != n - fast || strncmp(classes[i].class, name, n - fast) != 0))
        i++;
    return i;
}

/* ---- tokens that are found in texts as they stand ---- */

typedef struct adding {
    const tempo_token_lists *l;
    json_t *list, *seen; /* seen: a member for each content */
    json_int_t next;     /* the id of one that neither the vocabulary nor its list gives one */
} adding;

/* *one as "added_tokens" has it. */
static bool append(adding *a, json_t *one, const char *content, json_int_t id, bool special)
{
    const json_t *known = json_object_get(a->l->vocab, content);

    a->next += known == NULL;
    if (known != NULL)
        id = json_integer_value(known);
    else if (id < 0)
        id = a->next - 1;
    return json_object_set_new(one, "id", json_integer(id)) == 0 &&
           (!special || json_object_set_new(one, "special", json_true()) == 0) &&
           json_object_set_new(a->seen, content, json_true()) == 0 && json_array_append(a->list, one) == 0;
}

/* `token` is a name, or an object with a "content" and how it is found; id negative: what the vocabulary
 * says, or the next one.  False without memory.  */
static bool add_token(adding *a, const json_t *token, json_int_t id, bool special)
{
    const char *content = json_is_object(token) ? tempo_text_at(token, "content") : json_string_value(token);

    if (content == NULL || content[0] == '\0' || json_object_get(a->seen, content) != NULL)
        return true;
    json_t *one = json_is_object(token) ? json_copy((json_t *)(uintptr_t)token)
                                        : json_pack("{s:s, s:b}", "content", content, "normalized", !special);
    const bool ok = one != NULL && append(a, one, content, id, special);
    json_decref(one);
    return ok;
}

/* The tokens that a document names for a purpose. */
static bool add_named(adding *a, const json_t *from)
{
    static const char *const keys[] = {"bos_token", "eos_token", "unk_token", "pad_token",
                                       "sep_token", "cls_token", "mask_token"};
    const json_t *token;
    bool ok = true;
    size_t i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]) && ok; i++)
        ok = add_token(a, json_object_get(from, keys[i]), -1, true);
    json_array_foreach(json_object_get(from, "additional_special_tokens"), i, token)
    {
        ok = ok && add_token(a, token, -1, true);
    }
    return ok;
}

/* {"50257": {"content": ..}}, and the older {"<tool>": 50257} */
static bool add_listed(adding *a)
{
    const char *key;
    const json_t *value;
    bool ok = true;

    json_object_foreach((json_t *)(uintptr_t)json_object_get(a->l->config, "added_tokens_decoder"), key,
                        value)
    {
        char *end;
        const long long id = strtoll(key, &end, 10);
        if (*end == '\0' && id >= 0 && json_is_object(value))
            ok = ok && add_token(a, value, id, false);
    }
    json_object_foreach((json_t *)(uintptr_t)a->l->added, key, value)
    {
        json_t *name = json_string(key);
        ok = ok && name != NULL &&
             add_token(a, name, json_is_integer(value) ? json_integer_value(value) : -1, false);
        json_decref(name);
    }
    return ok;
}

/* NULL without memory. */
static json_t *added_tokens(const tempo_token_lists *l, const char *usual)
{
    adding a = {l, json_array(), json_object(), (json_int_t)json_object_size(l->vocab)};
    json_t *name = json_string(usual);
    bool ok = a.list != NULL && a.seen != NULL && name != NULL && add_listed(&a) &&
              add_named(&a, l->config) && add_named(&a, l->special);

    if (ok && json_object_get(l->config, "eos_token") == NULL &&
        json_object_get(l->special, "eos_token") == NULL && json_object_get(l->vocab, usual) != NULL)
        ok = add_token(&a, name, -1, true);
    json_decref(name);
    json_decref(a.seen);
    if (!ok)
        json_decref(a.list);
    return ok ? a.list : NULL;
}

/* ---- the document ---- */

/* One merge a line, behind a first line with a version. */
static json_t *merges_of(const char *s, size_t n)
{
    json_t *list = json_array();

    while (n > 0 && list != NULL) {
        const char *newline = memchr(s, '\n', n);
        const size_t whole = newline != NULL ? (size_t)(newline - s) + 1 : n;
        size_t len = whole - (newline != NULL);
        len -= len > 0 && s[len - 1] == '\r';
        const bool version = json_array_size(list) == 0 && len >= 8 && memcmp(s, "#version", 8) == 0;
        if (len > 0 && !version && json_array_append_new(list, json_stringn(s, len)) != 0) {
            json_decref(list); /* without memory, or no UTF-8 */
            return NULL;
        }
        s += whole;
        n -= whole;
    }
    return list;
}

static json_t *document(const tempo_token_lists *l, json_t *merges, size_t class)
{
    json_t *added = added_tokens(l, classes[class].usual);

    if (added == NULL)
        return NULL;
    return json_pack("{s:o, s:o, s:o, s:{s:s}, s:{s:s, s:O, s:O}}", "added_tokens", added, "normalizer",
                     json_loads(classes[class].normalizer, JSON_DECODE_ANY, NULL), "pre_tokenizer",
                     json_loads(classes[class].pre_tokenizer, 0, NULL), "decoder", "type", "ByteLevel",
                     "model", "type", "BPE", "vocab", l->vocab, "merges", merges);
}

tempo_status tempo_tokenizer_from_lists(tempo_tokenizer **out, const tempo_token_lists *l, tempo_notes *notes,
                                        tempo_err *err)
{
    const size_t class = class_of(l);
    json_t *merges, *root;
    tempo_status st;

    *out = NULL;
    if (class == N_CLASSES)
        return tempo_fail(
            err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
            "vocab.json and merges.txt of a %.60s are not supported: the tokenizer must be there as "
            "tokenizer.json",
            tempo_text_at(l->config, "tokenizer_class"));
    if (tempo_utf8_valid(l->merges, l->n_merges) != l->n_merges)
        return tempo_fail(err, TEMPO_E_FORMAT, tempo_utf8_valid(l->merges, l->n_merges),
                          "merges.txt: expected UTF-8");
    merges = merges_of(l->merges, l->n_merges);
    root = merges != NULL ? document(l, merges, class) : NULL;
    st = root != NULL ? tempo_tokenizer_from_json(out, root, l->config, notes, err)
                      : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a vocabulary");
    json_decref(merges);
    json_decref(root);
    return st;
}
