/* from_gguf.c - a tokenizer from GGUF metadata, the keys tokenizer.ggml.*.  Source: the GGUF specification;
 * what a file leaves out has llama.cpp's defaults, since that is what such files are made for.  Where that is
 * a guess, a note says so. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "token/tokenizer.h"

#define KEY(name) "tokenizer.ggml." name

/* token_type numbers of the format */
enum { GGUF_NORMAL = 1, GGUF_UNKNOWN, GGUF_CONTROL, GGUF_USER, GGUF_UNUSED, GGUF_BYTE };

/* Errors of the parts that know no file get the offset of the metadata that they are about. */
static tempo_status at(tempo_status st, tempo_err *err, const char *key, uint64_t offset)
{
    if (st != TEMPO_OK && err != NULL && err->offset == TEMPO_NO_OFFSET)
        err->offset = offset;
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "%s", key);
    return st;
}

typedef struct reader {
    tempo_tokenizer *t;
    const tempo_gguf *g;
    tempo_notes *notes;
    tempo_err *err;
} reader;

/* What is a marker by its name, whatever its file says of it.  Source: llama.cpp, which overrides the type of
 * these. */
static const char *const marker_names[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<end_of_utterance>",
    ("<\xef\xbd\x9c"
     "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"),
};

static bool is_one_of(tempo_str s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tempo_str_is(s, list[i]))
            return true;
    return false;
}

static bool is_marker_name(tempo_str s)
{
    return is_one_of(s, marker_names, sizeof(marker_names) / sizeof(*marker_names));
}

/* Files without types call everything normal, bytes and markers too. */
static bool is_byte_name(tempo_str s)
{
    return s.n == 6 && memcmp(s.p, "<0x", 3) == 0 && s.p[5] == '>';
}

static tempo_token_type token_type(const reader *r, const tempo_gguf_kv *types, uint32_t id, tempo_str piece)
{
    const int64_t code = types == NULL ? GGUF_NORMAL : tempo_gguf_array_int(r->g, types, id);

    if (code != GGUF_CONTROL && is_marker_name(piece)) {
        if (types != NULL)
            tempo_note(r->notes, "token %u, '%.*s', is not marked as a control token: taken for one", id,
                       (int)piece.n, piece.p);
        return TEMPO_TOKEN_CONTROL;
    }
    if (types == NULL && r->t->spm && is_byte_name(piece))
        return TEMPO_TOKEN_BYTE;
    switch (code) {
    case GGUF_UNKNOWN:
        return TEMPO_TOKEN_UNKNOWN;
    case GGUF_CONTROL:
        return TEMPO_TOKEN_CONTROL;
    case GGUF_USER:
        return TEMPO_TOKEN_USER;
    case GGUF_BYTE:
        return TEMPO_TOKEN_BYTE;
    default: /* 0, undefined, is text like any other; so is what the format does not know */
        return TEMPO_TOKEN_NORMAL;
    }
}

/* An array that, where it is there, has an element for each of n tokens. */
static tempo_status parallel_array(const tempo_gguf *g, const char *key, tempo_gguf_type elem, uint64_t n,
                                   const tempo_gguf_kv **out, tempo_err *err)
{
    tempo_status st = tempo_gguf_array(g, key, elem, out, err);

    if (st == TEMPO_E_NOTFOUND)
        return TEMPO_OK;
    if (st == TEMPO_OK && (*out)->count != n)
        st = tempo_fail(err, TEMPO_E_FORMAT, (*out)->at,
                        "%s has %llu elements, expected one for each of %llu tokens", key,
                        (unsigned long long)(*out)->count, (unsigned long long)n);
    return st;
}

/* NULL where there are none that can be used. */
static tempo_status read_types(const reader *r, uint64_t n, const tempo_gguf_kv **types)
{
    const tempo_status st = parallel_array(r->g, KEY("token_type"), TEMPO_GGUF_I32, n, types, r->err);

    if (st != TEMPO_OK)
        *types = NULL;
    else if (*types == NULL)
        tempo_note(
            r->notes,
            KEY("token_type") " is missing: every token is taken for text that does not have the name of a "
                              "marker");
    return tempo_tokenizer_without(r->t, st, r->err);
}

/* Phi 3's tokenizer swallows white space behind its markers, which the format cannot say.  Source: its
 * tokenizer.json; llama.cpp. */
static bool swallows_spaces(const reader *r)
{
    tempo_str arch = {"", 0};

    if (tempo_gguf_str(r->g, "general.architecture", &arch, r->err) != TEMPO_OK)
        *r->err = (tempo_err){0};
    return r->t->spm && tempo_str_is(arch, "phi3");
}

static tempo_status read_tokens(const reader *r)
{
    static const char *const plain[] = {"<unk>", "<s>", "<|endoftext|>"};
    const bool swallows = swallows_spaces(r);
    tempo_tokenizer *t = r->t;
    const tempo_gguf_kv *tokens, *types = NULL;
    tempo_status st = tempo_gguf_array(r->g, KEY("tokens"), TEMPO_GGUF_STRING, &tokens, r->err);
    uint64_t cursor = 0;

    if (st == TEMPO_E_NOTFOUND)
        return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          KEY("model") " is there but not " KEY("tokens"));
    if (st != TEMPO_OK)
        return st;
    if (tokens->count == 0 || tokens->count > TEMPO_MAX_VOCAB)
        return tempo_fail(r->err, tokens->count == 0 ? TEMPO_E_FORMAT : TEMPO_E_LIMIT, tokens->at,
                          KEY("tokens") " has %llu elements, expected 1 to %d",
                          (unsigned long long)tokens->count, TEMPO_MAX_VOCAB);
    if ((st = read_types(r, tokens->count, &types)) != TEMPO_OK ||
        (st = tempo_vocab_init(&t->vocab, (uint32_t)tokens->count, r->err)) != TEMPO_OK)
        return st;
    for (uint32_t id = 0; id < t->vocab.n; id++) {
        const uint64_t offset = tokens->at + cursor;
        const tempo_str s = tempo_gguf_array_next_str(r->g, tokens, &cursor);
        if ((st = tempo_tokenizer_set_token(t, id, token_type(r, types, id, s), s.p, s.n, r->err)) !=
            TEMPO_OK)
            return at(st, r->err, KEY("tokens"), offset);
        t->vocab.tokens[id].rstrip = swallows && t->vocab.tokens[id].type == TEMPO_TOKEN_CONTROL &&
                                     !is_one_of(s, plain, sizeof(plain) / sizeof(*plain));
    }
    return TEMPO_OK;
}

static tempo_status read_merges(const reader *r)
{
    const tempo_gguf_kv *merges;
    tempo_status st = tempo_gguf_array(r->g, KEY("merges"), TEMPO_GGUF_STRING, &merges, r->err);
    uint64_t cursor = 0;

    if (st == TEMPO_E_NOTFOUND)
        return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "a byte-level BPE vocabulary without " KEY("merges"));
    if (st != TEMPO_OK)
        return st;
    if (merges->count > 2 * (uint64_t)TEMPO_MAX_VOCAB)
        return tempo_fail(r->err, TEMPO_E_LIMIT, merges->at,
                          KEY("merges") " has %llu elements, the limit is %d",
                          (unsigned long long)merges->count, 2 * TEMPO_MAX_VOCAB);
    if ((st = tempo_merges_init(&r->t->merges, (uint32_t)merges->count, true, r->err)) != TEMPO_OK)
        return st;
    for (uint32_t i = 0; i < merges->count; i++) {
        const tempo_str s = tempo_gguf_array_next_str(r->g, merges, &cursor);
        st = tempo_merges_add_text(&r->t->merges, &r->t->vocab, s.p, s.n, i, r->err);
        if (st == TEMPO_E_NOMEM)
            return st;
        *r->err =
            (tempo_err){0}; /* llama.cpp passes over what is no pair, and over pairs that cannot come up */
    }
    return TEMPO_OK;
}

static tempo_status read_scores(const reader *r)
{
    const uint32_t n = r->t->vocab.n;
    const tempo_gguf_kv *a = NULL;
    tempo_status st = parallel_array(r->g, KEY("scores"), TEMPO_GGUF_F32, n, &a, r->err);
    float *scores;

    if (st != TEMPO_OK)
        return st;
    if (a == NULL)
        tempo_note(r->notes,
                   KEY("scores") " is missing: the tokens of a text are a guess, for which all scores are 0");
    if ((scores = calloc(n, sizeof(*scores))) == NULL)
        return tempo_fail(r->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a vocabulary");
    for (uint32_t i = 0; a != NULL && i < n && st == TEMPO_OK; i++) {
        scores[i] = (float)tempo_gguf_array_float(r->g, a, i);
        if (isnan(scores[i]))
            st = tempo_fail(r->err, TEMPO_E_FORMAT, a->at + i * (a->bytes / a->count),
                            KEY("scores") " of token %u is NaN", i);
    }
    if (st == TEMPO_OK)
        st = tempo_merges_by_score(&r->t->merges, &r->t->vocab, scores, r->err);
    free(scores);
    return st;
}

/* An id, `missing` where there is none: 2^32-1, or -1, is written for none too.  A bad one is noted, and is
 * none. */
static int32_t read_id(const reader *r, const char *key, int32_t missing)
{
    const uint32_t n = r->t->vocab.n;
    const tempo_gguf_kv *kv = tempo_gguf_find(r->g, key);
    uint64_t id = UINT32_MAX;
    const tempo_status st = tempo_gguf_u64(r->g, key, UINT64_MAX, &id, r->err);
    const bool none =
        kv != NULL && kv->type == TEMPO_GGUF_I32 && memcmp(r->g->base + kv->at, "\xff\xff\xff\xff", 4) == 0;

    if (st == TEMPO_OK && id < n)
        return (int32_t)id;
    if (st == TEMPO_OK && id != UINT32_MAX)
        tempo_note(r->notes, "%s is %llu, the vocabulary has %u tokens: there is no such token", key,
                   (unsigned long long)id, n);
    else if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND && !none)
        tempo_note(r->notes, "%s: there is no such token", r->err->msg);
    *r->err = (tempo_err){0};
    return missing;
}

static void read_flag(const reader *r, const char *key, bool *flag)
{
    const tempo_status st = tempo_gguf_bool(r->g, key, flag, r->err);

    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        tempo_note(r->notes, "%s: taken as %s", r->err->msg, *flag ? "true" : "false");
    *r->err = (tempo_err){0};
}

/* SentencePiece's usual id of a token that a file does not name, or -1. */
static int32_t usual_id(const reader *r, int32_t id, const char *piece, const char *what)
{
    size_t n;

    if (!r->t->spm || (uint32_t)id >= r->t->vocab.n)
        return -1;
    const char *s = tempo_vocab_piece(&r->t->vocab, (uint32_t)id, &n);
    if (n != strlen(piece) || memcmp(s, piece, n) != 0)
        return -1;
    tempo_note(r->notes, "the file does not say which token %s: taken is %d, '%s'", what, id, piece);
    return id;
}

static tempo_status read_ids(const reader *r)
{
    static const char *const ends[] = {KEY("eos_token_id"), KEY("eot_token_id"), KEY("eom_token_id")};
    tempo_tokenizer *t = r->t;
    tempo_status st;
    int32_t id;

    t->unk = t->spm ? read_id(r, KEY("unknown_token_id"), 0) : -1; /* llama.cpp's byte-level BPE has none */
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        id = read_id(r, ends[i], -1);
        if (id >= 0 && (st = tempo_tokenizer_add_eos(t, id, r->err)) != TEMPO_OK)
            return st;
    }
    if (t->n_eos == 0 && (id = usual_id(r, 2, "</s>", "ends a text")) >= 0 &&
        (st = tempo_tokenizer_add_eos(t, id, r->err)) != TEMPO_OK)
        return st;
    if ((id = read_id(r, KEY("bos_token_id"), -1)) < 0)
        id = usual_id(r, 1, "<s>", "begins a text");
    if (id >= 0 && (st = tempo_tokenizer_set_bos(t, id, r->err)) != TEMPO_OK)
        return st;
    read_flag(r, KEY("add_bos_token"), &t->add_bos);
    read_flag(r, KEY("add_eos_token"), &t->add_eos);
    return TEMPO_OK;
}

/* Is there a space in front of each stretch of text? */
static bool read_prefix(const reader *r, bool prefix)
{
    read_flag(r, KEY("add_space_prefix"), &prefix);
    r->t->prefix = prefix ? TEMPO_PREFIX_EVERY : TEMPO_PREFIX_NEVER;
    return prefix;
}

/* Byte-level BPE: words by the named expressions, and what goes with the name. */
static tempo_status read_pre(const reader *r)
{
    tempo_tokenizer *t = r->t;
    tempo_str pre = {"default", 7};
    tempo_pretoken_name name;
    tempo_status st = tempo_gguf_str(r->g, KEY("pre"), &pre, r->err);

    if (st == TEMPO_E_NOTFOUND)
        tempo_note(r->notes, KEY("pre") " is missing: how texts are cut into words is a guess (\"default\")");
    else if (st != TEMPO_OK)
        return st;
    if ((st = tempo_tokenizer_pretoken(t, r->err)) != TEMPO_OK ||
        (read_prefix(r, false) && (st = tempo_pretoken_add_space(t->pretoken, r->err)) != TEMPO_OK))
        return st;
    if ((st = tempo_pretoken_add_named(t->pretoken, pre.p, pre.n, &name, r->err)) != TEMPO_OK)
        return at(st, r->err, KEY("pre"), tempo_gguf_find(r->g, KEY("pre"))->at);
    t->pre = name.name;
    t->ignore_merges = name.ignore_merges;
    t->add_bos = name.add_bos;
    if (name.nfc && (st = tempo_tokenizer_normal(t, r->err)) ==
                        TEMPO_OK) /* its own tokenizer composes characters first */
        st = tempo_normal_add(t->normal, TEMPO_FORM_NFC, "", 0, r->err);
    return st;
}

static tempo_status read(const reader *r)
{
    tempo_tokenizer *t = r->t;
    tempo_str model;
    tempo_status st = tempo_gguf_str(r->g, KEY("model"), &model, r->err);

    if (st != TEMPO_OK)
        return st;
    if (tempo_str_is(model, "none") || tempo_str_is(model, "no_vocab"))
        return TEMPO_E_NOTFOUND;
    t->spm = t->byte_fallback = t->merges.fuse_unknown = tempo_str_is(model, "llama");
    if (!t->spm && !tempo_str_is(model, "gpt2"))
        return tempo_fail(
            r->err, TEMPO_E_UNSUPPORTED, tempo_gguf_find(r->g, KEY("model"))->at,
            "tokenizer model '%.*s' is not supported (gpt2, byte-level BPE, and llama, SentencePiece BPE, "
            "are)",
            (int)(model.n < 64 ? model.n : 64), model.p);
    t->add_bos = t->spm;
    st = t->spm ? tempo_tokenizer_mark_spaces(t, read_prefix(r, true), r->err) : read_pre(r);
    if ((st = tempo_tokenizer_without(t, st, r->err)) != TEMPO_OK)
        return st;
    if ((st = read_tokens(r)) != TEMPO_OK ||
        (st = tempo_tokenizer_without(t, t->spm ? read_scores(r) : read_merges(r), r->err)) != TEMPO_OK ||
        (st = read_ids(r)) != TEMPO_OK)
        return st;
    return tempo_tokenizer_finish(t, r->err);
}

tempo_status tempo_tokenizer_from_gguf(tempo_tokenizer **out, const tempo_gguf *g, tempo_notes *notes,
                                       tempo_err *err)
{
    tempo_err local = {0}; /* is cleared again where there is something to go on with */
    tempo_status st = tempo_tokenizer_create(out, &local);
    const reader r = {*out, g, notes, &local};

    if (st == TEMPO_OK)
        st = read(&r);
    return tempo_tokenizer_keep(out, st, &local, err);
}
