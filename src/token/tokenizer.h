/* tokenizer.h - a tokenizer's insides, shared by the files of this directory. */
#ifndef TEMPO_TOKEN_TOKENIZER_H
#define TEMPO_TOKEN_TOKENIZER_H
#include "token/merge.h"
#include "token/pretoken.h"
#include "token/token.h"
#include "token/vocab.h"

/* U+2581, by which SentencePiece writes a space */
#define TEMPO_SPACE_MARK "\xe2\x96\x81"

typedef enum tempo_prefix {
    TEMPO_PREFIX_NEVER,
    TEMPO_PREFIX_FIRST, /* a space before the text, if it does not begin with a special token */
    TEMPO_PREFIX_EVERY, /* a space before every stretch of text between special tokens */
} tempo_prefix;

/* A token that is found in text as it stands. */
typedef struct tempo_special {
    const char *s; /* [n] borrowed from the vocabulary */
    size_t n;
    int32_t id;
} tempo_special;

struct tempo_tokenizer {
    tempo_vocab vocab;
    tempo_merges merges;
    tempo_pretoken *pretoken;
    const char *pre; /* static text */
    bool spm;        /* pieces spell spaces with U+2581; bytes without a piece have tokens <0xAB> */
    bool ignore_merges, add_bos, add_eos, nfc;
    bool byte_fallback; /* spm: characters without a piece are written as bytes */
    bool prefix_if_absent; /* no space is put before one that is there */
    tempo_prefix prefix;
    int32_t bos, unk; /* -1 = none */
    uint32_t n_rows;  /* ids from here on have no place in the model's matrices; 0: all have */
    tempo_err cannot; /* code not TEMPO_OK: why no text can become ids; ids can become text all the same */
    int32_t eos[TEMPO_MAX_EOS];
    uint32_t n_eos;
    tempo_special *specials; /* [n_specials] sorted by their bytes */
    size_t n_specials;
};

/* An empty tokenizer, for the readers of both file formats to fill. */
tempo_status tempo_tokenizer_create(tempo_tokenizer **out, tempo_err *err) TEMPO_MUST_CHECK;
/* What both file formats do in the end: byte tokens, merge priorities, special tokens. */
tempo_status tempo_tokenizer_finish(tempo_tokenizer *t, tempo_err *err) TEMPO_MUST_CHECK;
/* The status of reading a part that only text to ids needs.  Its failure, without memory apart, becomes t->cannot, err is
 * as if nothing had been, and the answer is TEMPO_OK.  */
tempo_status tempo_tokenizer_without(tempo_tokenizer *t, tempo_status st, tempo_err *err) TEMPO_MUST_CHECK;
/* Set the token of an id from its spelling; the tokenizer's kind says what bytes that is. */
tempo_status tempo_tokenizer_set_token(tempo_tokenizer *t, uint32_t id, tempo_token_type type, const char *piece,
                                       size_t n, tempo_err *err) TEMPO_MUST_CHECK;

#endif
