/* tokenizer.c - ids to text, and what a tokenizer says of itself. */
#include "token/tokenizer.h"

#include <stdlib.h>
#include <string.h>

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a tokenizer");
}

/* ---- ids to text ---- */

/* The bytes that a token adds to a text. */
static const char *shown(const tempo_tokenizer *t, int32_t id, bool special, size_t *n)
{
    if (!special && t->vocab.tokens[id].type == TEMPO_TOKEN_CONTROL) {
        *n = 0;
        return "";
    }
    return tempo_vocab_bytes(&t->vocab, (uint32_t)id, n);
}

tempo_status tempo_detokenize(const tempo_tokenizer *t, const int32_t *ids, size_t n, bool special,
                              char **text, size_t *n_text, tempo_err *err)
{
    size_t total = 0, len, at = 0;

    *text = NULL;
    *n_text = 0;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= t->vocab.n)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "id %d (number %zu) is not in the vocabulary of %u tokens", ids[i], i,
                              t->vocab.n);
        (void)shown(t, ids[i], special, &len);
        if (__builtin_add_overflow(total, len, &total) || total == SIZE_MAX)
            return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "the text is too long");
    }
    char *out = malloc(total + 1);
    if (out == NULL)
        return out_of_memory(err);
    /* The space that tokenizing put before the text comes off again, if the text begins with one. */
    bool strip = t->spm && t->prefix != TEMPO_PREFIX_NEVER;
    for (size_t i = 0; i < n; i++) {
        const char *s = shown(t, ids[i], special, &len);
        if (strip && len > 0) {
            strip = false;
            if (s[0] == ' ' && t->vocab.tokens[ids[i]].type != TEMPO_TOKEN_BYTE) {
                s++;
                len--;
            }
        }
        memcpy(out + at, s, len);
        at += len;
    }
    out[at] = '\0';
    *text = out;
    *n_text = at;
    return TEMPO_OK;
}

/* ---- facts ---- */

static bool is_token(const tempo_tokenizer *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->vocab.n;
}

/* What a hole of the vocabulary, or an id outside of it, gives. */
static const char *nothing(size_t *n)
{
    *n = 0;
    return "";
}

static bool has_token(const tempo_tokenizer *t, int32_t id)
{
    return is_token(t, id) && t->vocab.tokens[id].type != TEMPO_TOKEN_NONE;
}

const char *tempo_token_bytes(const tempo_tokenizer *t, int32_t id, size_t *n)
{
    return has_token(t, id) ? tempo_vocab_bytes(&t->vocab, (uint32_t)id, n) : nothing(n);
}

const char *tempo_token_piece(const tempo_tokenizer *t, int32_t id, size_t *n)
{
    return has_token(t, id) ? tempo_vocab_piece(&t->vocab, (uint32_t)id, n) : nothing(n);
}

bool tempo_token_is_control(const tempo_tokenizer *t, int32_t id)
{
    return is_token(t, id) && t->vocab.tokens[id].type == TEMPO_TOKEN_CONTROL;
}

bool tempo_token_is_eos(const tempo_tokenizer *t, int32_t id)
{
    for (uint32_t i = 0; i < t->n_eos; i++)
        if (t->eos[i] == id)
            return true;
    return false;
}

tempo_tokenizer_info tempo_tokenizer_get_info(const tempo_tokenizer *t)
{
    return (tempo_tokenizer_info){
        .kind = t->spm ? "spm" : "bpe",
        .pre = t->pre,
        .n_tokens = t->vocab.n,
        .bos = t->bos,
        .eos = t->eos,
        .n_eos = t->n_eos,
        .add_bos = t->add_bos && t->bos >= 0,
        .add_eos = t->add_eos && t->n_eos > 0,
        .add_space_prefix = t->prefix != TEMPO_PREFIX_NEVER,
        .ignore_merges = t->ignore_merges,
    };
}
