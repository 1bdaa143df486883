/* from_gguf.c - a tokenizer from GGUF metadata, the keys tokenizer.ggml.*.  Source: the GGUF specification;
 * what a file leaves out has llama.cpp's defaults, since that is what such files are made for. */
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

static tempo_status token_type(const tempo_gguf *g, const tempo_gguf_kv *types, uint32_t id,
                               tempo_token_type *out, tempo_err *err)
{
    const int64_t code = types == NULL ? GGUF_NORMAL : tempo_gguf_array_int(g, types, id);

    switch (code) {
    case GGUF_NORMAL:
    case GGUF_UNUSED:
        *out = TEMPO_TOKEN_NORMAL;
        return TEMPO_OK;
    case GGUF_UNKNOWN:
        *out = TEMPO_TOKEN_UNKNOWN;
        return TEMPO_OK;
    case GGUF_CONTROL:
        *out = TEMPO_TOKEN_CONTROL;
        return TEMPO_OK;
    case GGUF_USER:
        *out = TEMPO_TOKEN_USER;
        return TEMPO_OK;
    case GGUF_BYTE:
        *out = TEMPO_TOKEN_BYTE;
        return TEMPO_OK;
    default:
        *out = TEMPO_TOKEN_NONE;
        return tempo_fail(err, TEMPO_E_FORMAT, types->at + 4 * (uint64_t)id,
                          KEY("token_type") " of token %u is %lld, expected 1 to 6", id, (long long)code);
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

static tempo_status read_tokens(tempo_tokenizer *t, const tempo_gguf *g, tempo_err *err)
{
    const tempo_gguf_kv *tokens, *types = NULL;
    tempo_status st = tempo_gguf_array(g, KEY("tokens"), TEMPO_GGUF_STRING, &tokens, err);
    uint64_t cursor = 0;

    if (st == TEMPO_E_NOTFOUND)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          KEY("model") " is there but not " KEY("tokens"));
    if (st != TEMPO_OK)
        return st;
    if (tokens->count == 0 || tokens->count > TEMPO_MAX_VOCAB)
        return tempo_fail(err, tokens->count == 0 ? TEMPO_E_FORMAT : TEMPO_E_LIMIT, tokens->at,
                          KEY("tokens") " has %llu elements, expected 1 to %d",
                          (unsigned long long)tokens->count, TEMPO_MAX_VOCAB);
    if ((st = parallel_array(g, KEY("token_type"), TEMPO_GGUF_I32, tokens->count, &types, err)) != TEMPO_OK ||
        (st = tempo_vocab_init(&t->vocab, (uint32_t)tokens->count, err)) != TEMPO_OK)
        return st;
    for (uint32_t id = 0; id < t->vocab.n; id++) {
        const uint64_t offset = tokens->at + cursor;
        const tempo_str s = tempo_gguf_array_next_str(g, tokens, &cursor);
        tempo_token_type type;
        if ((st = token_type(g, types, id, &type, err)) != TEMPO_OK)
            return st;
        if ((st = tempo_tokenizer_set_token(t, id, type, s.p, s.n, err)) != TEMPO_OK)
            return at(st, err, KEY("tokens"), offset);
    }
    return TEMPO_OK;
}

static tempo_status read_merges(tempo_tokenizer *t, const tempo_gguf *g, tempo_err *err)
{
    const tempo_gguf_kv *merges;
    tempo_status st = tempo_gguf_array(g, KEY("merges"), TEMPO_GGUF_STRING, &merges, err);
    uint64_t cursor = 0;

    if (st == TEMPO_E_NOTFOUND)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "a byte-level BPE vocabulary without " KEY("merges"));
    if (st != TEMPO_OK)
        return st;
    if (merges->count > 2 * (uint64_t)TEMPO_MAX_VOCAB)
        return tempo_fail(err, TEMPO_E_LIMIT, merges->at, KEY("merges") " has %llu elements, the limit is %d",
                          (unsigned long long)merges->count, 2 * TEMPO_MAX_VOCAB);
    if ((st = tempo_merges_init(&t->merges, (uint32_t)merges->count, err)) != TEMPO_OK)
        return st;
    for (uint32_t i = 0; i < merges->count; i++) {
        const uint64_t offset = merges->at + cursor;
        const tempo_str s = tempo_gguf_array_next_str(g, merges, &cursor);
        if ((st = tempo_merges_add_text(&t->merges, &t->vocab, s.p, s.n, i, err)) != TEMPO_OK)
            return at(st, err, KEY("merges"), offset);
    }
    return TEMPO_OK;
}

static tempo_status read_scores(tempo_tokenizer *t, const tempo_gguf *g, tempo_err *err)
{
    const tempo_gguf_kv *a = NULL;
    tempo_status st = parallel_array(g, KEY("scores"), TEMPO_GGUF_F32, t->vocab.n, &a, err);
    float *scores;

    if (st != TEMPO_OK)
        return st;
    if (a == NULL)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "a SentencePiece vocabulary without " KEY("scores"));
    if ((scores = malloc(t->vocab.n * sizeof(*scores))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a vocabulary");
    for (uint32_t i = 0; i < t->vocab.n && st == TEMPO_OK; i++) {
        scores[i] = (float)tempo_gguf_array_float(g, a, i);
        if (isnan(scores[i]))
            st = tempo_fail(err, TEMPO_E_FORMAT, a->at + i * (a->bytes / a->count),
                            KEY("scores") " of token %u is NaN", i);
    }
    if (st == TEMPO_OK)
        st = tempo_merges_by_score(&t->merges, &t->vocab, scores, err);
    free(scores);
    return st;
}

/* An id, -1 where there is none; files write 2^32-1 for none too. */
static tempo_status read_id(const tempo_tokenizer *t, const tempo_gguf *g, const char *key, int32_t *out,
                            tempo_err *err)
{
    uint64_t id = UINT32_MAX;
    const tempo_status st = tempo_gguf_u64(g, key, UINT32_MAX, &id, err);

    *out = -1;
    if (st == TEMPO_E_NOTFOUND || (st == TEMPO_OK && id == UINT32_MAX))
        return TEMPO_OK;
    if (st != TEMPO_OK)
        return st;
    if (id >= t->vocab.n)
        return tempo_fail(err, TEMPO_E_FORMAT, tempo_gguf_find(g, key)->at,
                          "%s is %llu, the vocabulary has %u tokens", key, (unsigned long long)id,
                          t->vocab.n);
    *out = (int32_t)id;
    return TEMPO_OK;
}

static tempo_status read_flag(const tempo_gguf *g, const char *key, bool *flag, tempo_err *err)
{
    const tempo_status st = tempo_gguf_bool(g, key, flag, err);

    return st == TEMPO_E_NOTFOUND ? TEMPO_OK : st;
}

static tempo_status read_ids(tempo_tokenizer *t, const tempo_gguf *g, tempo_err *err)
{
    static const char *const ends[] = {KEY("eos_token_id"), KEY("eot_token_id"), KEY("eom_token_id")};
    bool prefix = t->spm;
    tempo_status st;
    int32_t id;

    if ((st = read_id(t, g, KEY("bos_token_id"), &t->bos, err)) != TEMPO_OK ||
        (st = read_id(t, g, KEY("unknown_token_id"), &t->unk, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if ((st = read_id(t, g, ends[i], &id, err)) != TEMPO_OK ||
            (id >= 0 && (st = tempo_tokenizer_add_eos(t, id, err)) != TEMPO_OK))
            return st;
    if ((st = read_flag(g, KEY("add_bos_token"), &t->add_bos, err)) != TEMPO_OK ||
        (st = read_flag(g, KEY("add_eos_token"), &t->add_eos, err)) != TEMPO_OK ||
        (st = read_flag(g, KEY("add_space_prefix"), &prefix, err)) != TEMPO_OK)
        return st;
    t->prefix = prefix ? TEMPO_PREFIX_EVERY : TEMPO_PREFIX_NEVER;
    return TEMPO_OK;
}

/* Byte-level BPE: words by the named expressions, and what goes with the name. */
static tempo_status read_pre(tempo_tokenizer *t, const tempo_gguf *g, tempo_err *err)
{
    tempo_str pre = {"default", 7};
    tempo_status st = tempo_gguf_str(g, KEY("pre"), &pre, err);

    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        return st;
    if ((st = tempo_pretoken_create(&t->pretoken, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_pretoken_add_named(t->pretoken, pre.p, pre.n, &t->pre, err)) != TEMPO_OK)
        return at(st, err, KEY("pre"), tempo_gguf_find(g, KEY("pre"))->at);
    t->ignore_merges = t->add_bos = strcmp(t->pre, "llama-bpe") == 0;
    t->nfc = strcmp(t->pre, "qwen2") == 0; /* its own tokenizer composes characters first */
    return TEMPO_OK;
}

static tempo_status read(tempo_tokenizer *t, const tempo_gguf *g, tempo_err *err)
{
    tempo_str model;
    tempo_status st = tempo_gguf_str(g, KEY("model"), &model, err);

    if (st != TEMPO_OK)
        return st;
    t->spm = tempo_str_is(model, "llama");
    if (!t->spm && !tempo_str_is(model, "gpt2"))
        return tempo_fail(
            err, TEMPO_E_UNSUPPORTED, tempo_gguf_find(g, KEY("model"))->at,
            "tokenizer model '%.*s' is not supported (gpt2, byte-level BPE, and llama, SentencePiece BPE, "
            "are)",
            (int)(model.n < 64 ? model.n : 64), model.p);
    t->add_bos = t->spm;
    if (!t->spm && (st = read_pre(t, g, err)) != TEMPO_OK)
        return st;
    if ((st = read_tokens(t, g, err)) != TEMPO_OK)
        return st;
    if ((st = t->spm ? read_scores(t, g, err) : read_merges(t, g, err)) != TEMPO_OK ||
        (st = read_ids(t, g, err)) != TEMPO_OK)
        return st;
    return tempo_tokenizer_finish(t, err);
}

tempo_status tempo_tokenizer_from_gguf(tempo_tokenizer **out, const tempo_gguf *g, tempo_err *err)
{
    tempo_status st = tempo_tokenizer_create(out, err);

    if (st == TEMPO_OK && (st = read(*out, g, err)) != TEMPO_OK) {
        tempo_tokenizer_free(*out);
        *out = NULL;
    }
    return st;
}
