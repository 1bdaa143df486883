/* vocab.h - the tokens of a vocabulary: how each is spelled, the bytes it stands for, and finding it. */
#ifndef TEMPO_TOKEN_VOCAB_H
#define TEMPO_TOKEN_VOCAB_H
#include "base/status.h"

typedef enum tempo_token_type {
    TEMPO_TOKEN_NONE, /* an id that has no token */
    TEMPO_TOKEN_NORMAL,
    TEMPO_TOKEN_UNKNOWN,
    TEMPO_TOKEN_CONTROL, /* found in text only as a special token; decodes to nothing by default */
    TEMPO_TOKEN_USER,    /* found in text always, before anything else */
    TEMPO_TOKEN_BYTE,    /* SentencePiece's <0xAB> */
} tempo_token_type;

#define TEMPO_TYPE_BIT(type) (1u << (type))
/* what words are made of */
#define TEMPO_TYPES_OF_TEXT (TEMPO_TYPE_BIT(TEMPO_TOKEN_NORMAL) | TEMPO_TYPE_BIT(TEMPO_TOKEN_USER))

typedef struct tempo_token {
    size_t piece, bytes; /* where they begin in text */
    uint32_t piece_len, bytes_len;
    uint8_t type;        /* tempo_token_type */
    bool lstrip, rstrip; /* white space beside it in the text belongs to it */
    bool normalized;     /* it is found in the normalised text */
    bool single_word;    /* it is not part of a word */
    bool added;          /* it is found as it stands, and words are not made of it */
} tempo_token;

typedef struct tempo_vocab {
    uint32_t n;
    tempo_token *tokens; /* [n] */
    char *text;          /* [text_len] pieces and bytes, no terminators */
    size_t text_len, text_cap;
    uint32_t *map; /* [map_mask + 1] open addressing by piece: id + 1, 0 = empty */
    uint32_t map_mask;
} tempo_vocab;

/* n ids without tokens; n <= TEMPO_MAX_VOCAB. */
tempo_status tempo_vocab_init(tempo_vocab *v, uint32_t n, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_vocab_free(tempo_vocab *v);
/* Give id < n its token.  Both texts are copied; bytes may be the same as piece, which is then stored once.
 * Of equal pieces of one type the first is found.  TEMPO_E_LIMIT above TEMPO_MAX_TOKEN_BYTES.  */
tempo_status tempo_vocab_set(tempo_vocab *v, uint32_t id, tempo_token_type type, const char *piece,
                             size_t piece_len, const char *bytes, size_t bytes_len,
                             tempo_err *err) TEMPO_MUST_CHECK;
/* The id of a piece, or -1. */
int32_t tempo_vocab_find(const tempo_vocab *v, const char *piece, size_t n);
/* The same among tokens of these types (TEMPO_TYPE_BIT of each). */
int32_t tempo_vocab_find_typed(const tempo_vocab *v, const char *piece, size_t n, unsigned types);

static inline bool tempo_token_is_text(const tempo_token *t)
{
    return (TEMPO_TYPES_OF_TEXT & TEMPO_TYPE_BIT(t->type)) != 0;
}

static inline const char *tempo_vocab_piece(const tempo_vocab *v, uint32_t id, size_t *n)
{
    *n = v->tokens[id].piece_len;
    return v->text + v->tokens[id].piece;
}

static inline const char *tempo_vocab_bytes(const tempo_vocab *v, uint32_t id, size_t *n)
{
    *n = v->tokens[id].bytes_len;
    return v->text + v->tokens[id].bytes;
}

#endif
