/* from_json.c - a tokenizer from Hugging Face's tokenizer.json and tokenizer_config.json.
 *
 * Of the format's many parts those are read that Llama, Mistral, SmolLM and Qwen files use; every other one
 * is refused by its name, never passed over: then no text can become ids.  Source: the tokenizers library's
 * documentation. */
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "token/tokenizer.h"

typedef struct reader {
    tempo_tokenizer *t;
    const json_t *root, *model;
    bool byte_level; /* some part of the pre-tokeniser maps bytes to the alphabet */
    tempo_notes *notes;
    tempo_err *err;
} reader;

static tempo_status malformed(const reader *r, const char *what, const char *expected)
{
    return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: expected %s", what, expected);
}

static tempo_status unsupported(const reader *r, const char *what, const char *name)
{
    return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET, "%s \"%.64s\" is not supported", what,
                      name);
}

/* A part that only text to ids needs. */
static tempo_status without(const reader *r, tempo_status st)
{
    return tempo_tokenizer_without(r->t, st, r->err);
}

/* "type" of a part, "" for what has none. */
static const char *type_of(const json_t *part)
{
    const char *s = json_string_value(json_object_get(part, "type"));

    return s != NULL ? s : "";
}

static bool is_set(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* ---- vocabulary ---- */

/* An id that a table of so many entries may hold: files leave a few ids out, not most. */
static tempo_status check_id(const reader *r, const json_t *id, size_t entries, const char *what)
{
    const size_t limit = 2 * entries + 1024 < TEMPO_MAX_VOCAB ? 2 * entries + 1024 : TEMPO_MAX_VOCAB;

    if (!json_is_integer(id) || json_integer_value(id) < 0 || (uint64_t)json_integer_value(id) >= limit)
        return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "the id of \"%.64s\" is not an integer from 0 to %zu (for %zu entries)", what,
                          limit - 1, entries);
    return TEMPO_OK;
}

/* An added token that the vocabulary has, too, has its id there. */
static const json_t *added_id(const json_t *token, const json_t *vocab)
{
    const json_t *id = json_object_get(vocab, json_string_value(json_object_get(token, "content")));

    return id != NULL ? id : json_object_get(token, "id");
}

static tempo_status check_added(const reader *r, const json_t *token, const json_t *vocab, size_t entries)
{
    const char *content = json_string_value(json_object_get(token, "content"));

    if (content == NULL)
        return malformed(r, "added_tokens", "objects with a \"content\" string");
    return check_id(r, added_id(token, vocab), entries, content);
}

/* Check every id; *n is one more than the largest. */
static tempo_status count_ids(const reader *r, json_t *vocab, const json_t *added, uint32_t *n)
{
    const size_t entries = json_object_size(vocab) + json_array_size(added);
    json_int_t largest = -1;
    tempo_status st;
    const char *piece;
    const json_t *token;
    json_t *id;
    size_t i;

    json_object_foreach(vocab, piece, id)
    {
        if ((st = check_id(r, id, entries, piece)) != TEMPO_OK)
            return st;
        largest = json_integer_value(id) > largest ? json_integer_value(id) : largest;
    }
    json_array_foreach(added, i, token)
    {
        if ((st = check_added(r, token, vocab, entries)) != TEMPO_OK)
            return st;
        const json_int_t value = json_integer_value(added_id(token, vocab));
        largest = value > largest ? value : largest;
    }
    if (largest < 0)
        return malformed(r, "model.vocab", "at least one token");
    *n = (uint32_t)largest + 1;
    return TEMPO_OK;
}

static bool is_byte_piece(const char *s)
{
    return strlen(s) == 6 && strncmp(s, "<0x", 3) == 0 && s[5] == '>';
}

/* Added tokens, before the vocabulary: an id that is in both is what the added token says. */
static tempo_status set_added(const reader *r, const json_t *added, const json_t *vocab)
{
    const json_t *token;
    tempo_status st;
    size_t i, n;

    json_array_foreach(added, i, token)
    {
        const char *content = json_string_value(json_object_get(token, "content"));
        const uint32_t id = (uint32_t)json_integer_value(added_id(token, vocab));
        tempo_token *k = &r->t->vocab.tokens[id];
        const char *old = tempo_vocab_piece(&r->t->vocab, id, &n);
        if (k->type != TEMPO_TOKEN_NONE && n == strlen(content) && memcmp(old, content, n) == 0)
            continue; /* the first counts */
        if (k->type != TEMPO_TOKEN_NONE)
            return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "added_tokens: id %u is there twice",
                              id);
        if ((st = tempo_tokenizer_set_token(r->t, id,
                                            is_set(token, "special") ? TEMPO_TOKEN_CONTROL : TEMPO_TOKEN_USER,
                                            content, strlen(content), r->err)) != TEMPO_OK)
            return st;
        k->lstrip = is_set(token, "lstrip");
        k->rstrip = is_set(token, "rstrip");
        k->normalized = is_set(token, "normalized");
        k->single_word = is_set(token, "single_word");
        k->added = json_object_get(vocab, content) == NULL;
    }
    return TEMPO_OK;
}

static tempo_status set_vocab(const reader *r, json_t *vocab)
{
    const char *piece;
    size_t len, n;
    tempo_status st;
    json_t *value;

    json_object_keylen_foreach(vocab, piece, len, value) /* a piece may hold NUL */
    {
        const uint32_t id = (uint32_t)json_integer_value(value);
        const char *old = tempo_vocab_piece(&r->t->vocab, id, &n);
        const tempo_token_type type =
            r->t->byte_fallback && is_byte_piece(piece) ? TEMPO_TOKEN_BYTE : TEMPO_TOKEN_NORMAL;
        if (r->t->vocab.tokens[id].type == TEMPO_TOKEN_NONE)
            st = tempo_tokenizer_set_token(r->t, id, type, piece, len, r->err);
        else if (n == len && memcmp(old, piece, n) == 0)
            st = TEMPO_OK;
        else
            st = tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                            "model.vocab: id %u is that of \"%.64s\" and of \"%.*s\"", id, piece,
                            (int)(n < 64 ? n : 64), old);
        if (st != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

static tempo_status read_vocab(const reader *r)
{
    json_t *vocab = json_object_get(r->model, "vocab");
    const json_t *added = json_object_get(r->root, "added_tokens");
    tempo_status st;
    uint32_t n = 0;

    if (!json_is_object(vocab))
        return malformed(r, "model.vocab", "an object");
    if (added != NULL && !json_is_null(added) && !json_is_array(added))
        return malformed(r, "added_tokens", "an array");
    if ((st = count_ids(r, vocab, added, &n)) != TEMPO_OK ||
        (st = tempo_vocab_init(&r->t->vocab, n, r->err)) != TEMPO_OK ||
        (st = set_added(r, added, vocab)) != TEMPO_OK)
        return st;
    return set_vocab(r, vocab);
}

static tempo_status read_merges(const reader *r)
{
    const json_t *merges = json_object_get(r->model, "merges"), *pair;
    tempo_status st;
    size_t i;

    if (!json_is_array(merges) || json_array_size(merges) > 2 * (size_t)TEMPO_MAX_VOCAB)
        return malformed(r, "model.merges", "an array of at most 2^23 pairs");
    if ((st = tempo_merges_init(&r->t->merges, (uint32_t)json_array_size(merges), false, r->err)) != TEMPO_OK)
        return st;
    json_array_foreach(merges, i, pair)
    {
        const json_t *left = json_array_get(pair, 0), *right = json_array_get(pair, 1);
        if (json_is_string(pair))
            st = tempo_merges_add_text(&r->t->merges, &r->t->vocab, json_string_value(pair),
                                       json_string_length(pair), (uint32_t)i, r->err);
        else if (json_array_size(pair) == 2 && json_is_string(left) && json_is_string(right))
            st = tempo_merges_add(&r->t->merges, &r->t->vocab, json_string_value(left),
                                  json_string_length(left), json_string_value(right),
                                  json_string_length(right), (uint32_t)i, r->err);
        else
            st = malformed(r, "model.merges", "\"left right\" or [\"left\", \"right\"]");
        if (st != TEMPO_OK) {
            tempo_err_prefix(r->err, "model.merges");
            return st;
        }
    }
    return TEMPO_OK;
}

/* What would change how words are made of tokens. */
static tempo_status check_affixes(const reader *r)
{
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};

    for (size_t i = 0; i < sizeof(affixes) / sizeof(*affixes); i++) {
        const char *s = json_string_value(json_object_get(r->model, affixes[i]));
        if (s != NULL && s[0] != '\0')
            return unsupported(r, affixes[i], s);
    }
    return TEMPO_OK;
}

/* "<unk>", flagged special as markers are, is text that nobody could read, and no marker. */
static void read_unknown(const reader *r)
{
    const char *unk = json_string_value(json_object_get(r->model, "unk_token"));
    tempo_tokenizer *t = r->t;

    t->merges.fuse_unknown = is_set(r->model, "fuse_unk");
    if (unk == NULL)
        return;
    if ((t->unk = tempo_vocab_find(&t->vocab, unk, strlen(unk))) < 0)
        tempo_note(
            r->notes,
            "model.unk_token \"%.64s\" is not in the vocabulary: characters without a token are left out",
            unk);
    else if (t->vocab.tokens[t->unk].type == TEMPO_TOKEN_CONTROL && strcasestr(unk, "unk") != NULL)
        t->vocab.tokens[t->unk].type = TEMPO_TOKEN_UNKNOWN;
}

/* The BPE model itself. */
static tempo_status read_model(reader *r)
{
    tempo_status st;

    /* old files leave the type out */
    if (strcmp(type_of(r->model), "BPE") != 0 && (type_of(r->model)[0] != '\0' || !json_is_object(r->model)))
        return unsupported(r, "model", type_of(r->model));
    r->t->ignore_merges = is_set(r->model, "ignore_merges");
    if ((st = without(r, check_affixes(r))) != TEMPO_OK || (st = read_vocab(r)) != TEMPO_OK ||
        (st = without(r, read_merges(r))) != TEMPO_OK)
        return st;
    read_unknown(r);
    return TEMPO_OK;
}

/* ---- begin and end ---- */

/* Call f for the part itself, or for each part of a "Sequence" of them; all of them are only for text to ids.
 */
static tempo_status for_each(reader *r, const json_t *part, const char *list,
                             tempo_status (*f)(reader *, const json_t *))
{
    const json_t *one;
    tempo_status st;
    size_t i;

    if (part == NULL || json_is_null(part))
        return TEMPO_OK;
    if (strcmp(type_of(part), "Sequence") != 0)
        return without(r, f(r, part));
    const json_t *parts = json_object_get(part, list);
    if (!json_is_array(parts))
        return without(r, malformed(r, list, "an array"));
    json_array_foreach(parts, i, one)
    {
        if ((st = without(r, f(r, one))) != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

/* The ids that a template puts before and after the text. */
static tempo_status read_template(reader *r, const json_t *part)
{
    const json_t *pieces = json_object_get(part, "single"), *piece;
    bool text = false;
    size_t i;

    if (strcmp(type_of(part), "ByteLevel") == 0)
        return TEMPO_OK; /* about offsets only */
    if (strcmp(type_of(part), "TemplateProcessing") != 0)
        return unsupported(r, "post_processor", type_of(part));
    json_array_foreach(pieces, i, piece)
    {
        const char *name = json_string_value(json_object_get(json_object_get(piece, "SpecialToken"), "id"));
        if (name == NULL) {
            text = true;
            continue;
        }
        const int32_t id = tempo_vocab_find(&r->t->vocab, name, strlen(name));
        if (id < 0)
            return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "post_processor: token \"%.64s\" is not in the vocabulary", name);
        if (text) {
            r->t->add_eos = true;
            const tempo_status st = tempo_tokenizer_add_eos(r->t, id, r->err);
            if (st != TEMPO_OK)
                return st;
        } else {
            const tempo_status st = tempo_tokenizer_set_bos(r->t, id, r->err);
            if (st != TEMPO_OK)
                return st;
            r->t->add_bos = true;
        }
    }
    return TEMPO_OK;
}

/* A token of tokenizer_config.json, by name or as an object with "content"; -1 where there is none. */
static int32_t config_token(const reader *r, const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    const char *name = json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);

    return name != NULL ? tempo_vocab_find(&r->t->vocab, name, strlen(name)) : -1;
}

static tempo_status read_config(reader *r, const json_t *config)
{
    const int32_t bos = config_token(r, config, "bos_token"), eos = config_token(r, config, "eos_token");
    const json_t *add_bos = json_object_get(config, "add_bos_token"),
                 *add_eos = json_object_get(config, "add_eos_token");
    tempo_status st;

    if (bos >= 0 && (st = tempo_tokenizer_set_bos(r->t, bos, r->err)) != TEMPO_OK)
        return st;
    if (json_is_boolean(add_bos))
        r->t->add_bos = json_is_true(add_bos);
    if (json_is_boolean(add_eos))
        r->t->add_eos = json_is_true(add_eos);
    return eos >= 0 ? tempo_tokenizer_add_eos(r->t, eos, r->err) : TEMPO_OK;
}

/* ---- the whole ---- */

/* Whether pieces spell bytes or spaces by characters of their own: what reads texts says it, and what writes
 * them. */
static tempo_status find_kind(reader *r)
{
    const json_t *decoder = json_object_get(r->root, "decoder"), *list = json_object_get(decoder, "decoders"),
                 *one;
    bool spm = r->t->spm, byte_level = r->byte_level;
    size_t i;

    if (!spm && !byte_level) {
        byte_level = strcmp(type_of(decoder), "ByteLevel") == 0;
        spm = strcmp(type_of(decoder), "Metaspace") == 0;
        json_array_foreach(list, i, one)
        {
            byte_level |= strcmp(type_of(one), "ByteLevel") == 0;
            spm |= strcmp(type_of(one), "ByteFallback") == 0 || strcmp(type_of(one), "Metaspace") == 0;
        }
    }
    const bool guessed = spm != r->t->spm || byte_level != r->byte_level;
    r->t->spm = spm;
    if (spm != byte_level)
        return guessed
                   ? without(
                         r, tempo_fail(r->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                                       "no part of the tokenizer writes texts as its \"decoder\" reads them"))
                   : TEMPO_OK;
    return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                      spm ? "a byte-level pre_tokenizer together with SentencePiece's rules"
                          : "a tokenizer that is neither byte-level BPE nor SentencePiece BPE");
}

static tempo_status read(reader *r, const json_t *config)
{
    tempo_status st;

    if (!json_is_object(r->root) || !json_is_object(r->model))
        return malformed(r, "the file", "an object with a \"model\" object");
    r->t->spm = r->t->byte_fallback = is_set(r->model, "byte_fallback");
    if ((st = tempo_tokenizer_read_normalizer(r->t, json_object_get(r->root, "normalizer"), r->err)) !=
            TEMPO_OK ||
        (st = tempo_tokenizer_read_pre_tokenizer(r->t, json_object_get(r->root, "pre_tokenizer"),
                                                 &r->byte_level, r->err)) != TEMPO_OK ||
        (st = find_kind(r)) != TEMPO_OK)
        return st;
    if (r->t->pretoken != NULL)
        r->t->pre = "custom";
    if ((st = read_model(r)) != TEMPO_OK ||
        (st = for_each(r, json_object_get(r->root, "post_processor"), "processors", read_template)) !=
            TEMPO_OK ||
        (st = read_config(r, config)) != TEMPO_OK)
        return st;
    return tempo_tokenizer_finish(r->t, r->err);
}

tempo_status tempo_tokenizer_from_json(tempo_tokenizer **out, const json_t *tokenizer, const json_t *config,
                                       tempo_notes *notes, tempo_err *err)
{
    tempo_err local = {0}; /* is cleared again where there is something to go on with */
    reader r = {
        .root = tokenizer, .model = json_object_get(tokenizer, "model"), .notes = notes, .err = &local};
    tempo_status st = tempo_tokenizer_create(out, &local);

    r.t = *out;
    if (st == TEMPO_OK)
        st = read(&r, config);
    return tempo_tokenizer_keep(out, st, &local, err);
}
