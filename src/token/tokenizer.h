/* tokenizer.h - a tokenizer's insides, shared by the files of this directory. */
#ifndef TEMPO_TOKEN_TOKENIZER_H
#define TEMPO_TOKEN_TOKENIZER_H
#include "token/merge.h"
#include "token/normal.h"
#include "token/pretoken.h"
#include "token/special.h"
#include "token/token.h"
#include "token/vocab.h"

/* U+2581, by which SentencePiece writes a space */
#define TEMPO_SPACE_MARK "\xe2\x96\x81"

struct tempo_tokenizer {
    tempo_vocab vocab;
    tempo_merges merges;
    tempo_normal *normal;     /* or NULL */
    tempo_pretoken *pretoken; /* or NULL */
    const char *pre;          /* static text */
    bool spm;                 /* pieces spell spaces with U+2581; bytes without a piece have tokens <0xAB> */
    bool ignore_merges, add_bos, add_eos;
    bool byte_fallback;  /* spm: characters without a piece are written as bytes */
    tempo_prefix prefix; /* which parts of a text get a space in front */
    int32_t bos, unk;    /* -1 = none */
    uint32_t n_rows;     /* ids from here on have no place in the model's matrices; 0: all have */
    tempo_err cannot;    /* code not TEMPO_OK: why no text can become ids; ids can become text all the same */
    int32_t eos[TEMPO_MAX_EOS];
    uint32_t n_eos;
    tempo_specials specials;   /* found in the text */
    tempo_specials normalised; /* found in the normalised text, as their names are when normalised */
    char *names;               /* of the latter */
    bool finished;
};

/* An empty tokenizer, for the readers of both file formats to fill. */
tempo_status tempo_tokenizer_create(tempo_tokenizer **out, tempo_err *err) TEMPO_MUST_CHECK;
/* *out, which was read with st, or NULL: then err, unless it has an error already, is `why`.  Returns st. */
tempo_status tempo_tokenizer_keep(tempo_tokenizer **out, tempo_status st, const tempo_err *why, tempo_err *err);
/* What both file formats do in the end: byte tokens, merge priorities, special tokens. */
tempo_status tempo_tokenizer_finish(tempo_tokenizer *t, tempo_err *err) TEMPO_MUST_CHECK;
/* The steps of normalisation, and the stages of cutting, of an empty tokenizer: made when the first is added.
 */
tempo_status tempo_tokenizer_normal(tempo_tokenizer *t, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_tokenizer_pretoken(tempo_tokenizer *t, tempo_err *err) TEMPO_MUST_CHECK;
/* Spaces become U+2581 by a step of normalisation, with one in front of each stretch of text between special
 * tokens where `prefix` says so. */
tempo_status tempo_tokenizer_mark_spaces(tempo_tokenizer *t, bool prefix, tempo_err *err) TEMPO_MUST_CHECK;
/* Read the "normalizer" and the "pre_tokenizer" of a tokenizer.json (from_json_parts.c), which may be NULL:
 * into t->normal, t->pretoken, t->spm and t->prefix; *byte_level: one of them maps bytes to the alphabet.
 * What is not supported becomes t->cannot.  */
tempo_status tempo_tokenizer_read_normalizer(tempo_tokenizer *t, const json_t *part,
                                             tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_tokenizer_read_pre_tokenizer(tempo_tokenizer *t, const json_t *part, bool *byte_level,
                                                tempo_err *err) TEMPO_MUST_CHECK;
/* The status of reading a part that only text to ids needs.  Its failure, without memory apart, becomes
 * t->cannot, err is as if nothing had been, and the answer is TEMPO_OK.  */
tempo_status tempo_tokenizer_without(tempo_tokenizer *t, tempo_status st, tempo_err *err) TEMPO_MUST_CHECK;
/* Set the token of an id from its spelling; the tokenizer's kind says what bytes that is. */
tempo_status tempo_tokenizer_set_token(tempo_tokenizer *t, uint32_t id, tempo_token_type type,
                                       const char *piece, size_t n, tempo_err *err) TEMPO_MUST_CHECK;

#endif
