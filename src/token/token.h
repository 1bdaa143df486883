/* token.h - building tokenizers; using them is public (tempo.h).
 *
 * Two kinds: byte-level BPE (GPT-2 style alphabet, merges by rank, pre-tokenised by regular expressions)
 * and SentencePiece BPE (merges by score, U+2581 for spaces, byte fallback).  */
#ifndef TEMPO_TOKEN_TOKEN_H
#define TEMPO_TOKEN_TOKEN_H
#include <jansson.h>

#include "base/notes.h"
#include "io/gguf.h"

enum {
    TEMPO_MAX_VOCAB = 1 << 22,     /* tokens of a vocabulary */
    TEMPO_MAX_TOKEN_BYTES = 65535, /* bytes of one token */
    TEMPO_MAX_EOS = 32,
};

/* From GGUF metadata (tokenizer.ggml.*).  Everything is copied: g may be freed afterwards.
 * Without a vocabulary there is no tokenizer: TEMPO_E_NOTFOUND when the file has none, TEMPO_E_UNSUPPORTED naming a model that
 * we do not have, TEMPO_E_FORMAT with the file offset for a broken one.  What else is broken makes tempo_tokenize fail, with
 * the same codes and offsets, or, where there is something to go on with, a note.  notes may be NULL.  */
tempo_status tempo_tokenizer_from_gguf(tempo_tokenizer **out, const tempo_gguf *g, tempo_notes *notes,
                                       tempo_err *err) TEMPO_MUST_CHECK;
/* The same from the parsed tokenizer.json and tokenizer_config.json (NULL when absent); nothing is kept of them. */
tempo_status tempo_tokenizer_from_json(tempo_tokenizer **out, const json_t *tokenizer, const json_t *config,
                                       tempo_notes *notes, tempo_err *err) TEMPO_MUST_CHECK;

/* What a directory without a tokenizer.json has in its place; each of the documents but vocab may be NULL. */
typedef struct tempo_token_lists {
    const json_t *vocab;   /* vocab.json: {"piece": id} */
    const char *merges;    /* [n_merges] the text of merges.txt */
    size_t n_merges;
    const json_t *added;   /* added_tokens.json */
    const json_t *special; /* special_tokens_map.json */
    const json_t *config;  /* tokenizer_config.json, whose tokenizer_class says how texts are cut; without one GPT-2's way */
} tempo_token_lists;

/* The same from such lists.  TEMPO_E_UNSUPPORTED names a class that is not read. */
tempo_status tempo_tokenizer_from_lists(tempo_tokenizer **out, const tempo_token_lists *lists, tempo_notes *notes,
                                        tempo_err *err) TEMPO_MUST_CHECK;
void tempo_tokenizer_free(tempo_tokenizer *t);

/* What text from outside may not name. */
typedef struct tempo_outside {
    const unsigned char *bytes;    /* [n] of the text: not 0, and the byte is from outside */
    const unsigned char *reserved; /* [n_tokens] of the tokenizer: not 0, and the token is a marker although it is not a
                                      control token; NULL: none is */
} tempo_outside;

/* tempo_tokenize of a text that is partly from outside: no control token, nor a reserved one, covers a byte from there or is
 * made of one.
 * Otherwise the text is one: words and merges go across the borders.  add_bos: BOS stands in front, once.  */
tempo_status tempo_tokenize_outside(const tempo_tokenizer *t, const char *text, size_t n, const tempo_outside *outside,
                                    bool add_bos, int32_t **ids, size_t *n_ids, tempo_err *err) TEMPO_MUST_CHECK;
/* reserved[n_tokens] for a template: tokens that are no control tokens, but end a text or are spelled in it, white space
 * apart.  calloc'd; NULL without memory.  */
unsigned char *tempo_tokenizer_reserve(const tempo_tokenizer *t, const char *text, size_t n);

/* For facts that live in other files (config.json, generation_config.json); ids must be in the
 * vocabulary (TEMPO_E_FORMAT) and at most TEMPO_MAX_EOS (TEMPO_E_LIMIT).  Before the tokenizer is shared.  */
tempo_status tempo_tokenizer_add_eos(tempo_tokenizer *t, int64_t id, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_tokenizer_set_bos(tempo_tokenizer *t, int64_t id, tempo_err *err) TEMPO_MUST_CHECK;
/* The model has n rows of logits: text with a token beyond them is refused. */
void tempo_tokenizer_set_rows(tempo_tokenizer *t, uint32_t n);
/* TEMPO_OK, or why tempo_tokenize fails whatever the text. */
tempo_status tempo_tokenizer_check(const tempo_tokenizer *t, tempo_err *err) TEMPO_MUST_CHECK;

#endif
