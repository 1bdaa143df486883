/* merge.h - byte pair encoding: join the best neighbours until none can be joined.
 *
 * The best pair is the one of lowest priority number, of equal ones the leftmost.  Priorities come from a list
 * of pairs (its order), or from the vocabulary (the order of scores) where any two neighbours that spell a token
 * may join.  O(n log n) for a word of n symbols, by a heap.  */
#ifndef TEMPO_TOKEN_MERGE_H
#define TEMPO_TOKEN_MERGE_H
#include "token/vocab.h"

typedef struct tempo_merge_entry {
    uint64_t pair; /* left id << 32 | right id; EMPTY where there is none */
    uint32_t rank;
    int32_t id;    /* of the joined token */
} tempo_merge_entry;

typedef struct tempo_merges {
    tempo_merge_entry *table; /* [mask + 1] open addressing; NULL: by score */
    uint32_t mask;
    uint32_t *priority; /* [vocab.n] by score; NULL: by the list of pairs */
    tempo_vocab extra;  /* texts that pairs name and the vocabulary has not; their ids follow those of the vocabulary */
    uint32_t n_extra, extra_room;
    int32_t byte_id[256]; /* the token, or extra text, of a single byte, or -1 */
    bool chars;           /* words start as characters, not as bytes */
    bool fuse_unknown;    /* several unknown characters in a row are one unknown token */
} tempo_merges;

/* Room for n pairs.  unknown_parts: pairs may have parts that are no tokens, and make what is none. */
tempo_status tempo_merges_init(tempo_merges *m, uint32_t n, bool unknown_parts, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_merges_free(tempo_merges *m);
/* By which id pairs know a piece: a token, better one of text; an extra text; or -1. */
int32_t tempo_merges_id(const tempo_merges *m, const tempo_vocab *v, const char *piece, size_t n);
/* What left and right make, or NULL. */
const tempo_merge_entry *tempo_merges_find(const tempo_merges *m, int32_t left, int32_t right);
/* The pair "left right" of the list, with rank as its place.  TEMPO_E_FORMAT if a part or the whole is not in the
 * vocabulary and need be.  */
tempo_status tempo_merges_add(tempo_merges *m, const tempo_vocab *v, const char *left, size_t left_len,
                              const char *right, size_t right_len, uint32_t rank, tempo_err *err) TEMPO_MUST_CHECK;
/* The same for the pair as one text, parts separated by a space that is not the first character. */
tempo_status tempo_merges_add_text(tempo_merges *m, const tempo_vocab *v, const char *pair, size_t n, uint32_t rank,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* Priorities by scores[vocab.n]: the higher, the earlier. */
tempo_status tempo_merges_by_score(tempo_merges *m, const tempo_vocab *v, const float *scores,
                                   tempo_err *err) TEMPO_MUST_CHECK;

/* A growing list of ids. */
typedef struct tempo_id_list {
    int32_t *p; /* [n] */
    size_t n, cap;
} tempo_id_list;

tempo_status tempo_id_push(tempo_id_list *l, int32_t id, tempo_err *err) TEMPO_MUST_CHECK;

/* Scratch of one thread; { 0 } to begin with. */
typedef struct tempo_merge_work {
    struct tempo_symbol *symbols;
    struct tempo_candidate *heap;
    size_t symbol_cap, heap_cap, heap_n;
    bool (*may)(const void *user, int32_t id); /* the token may be made from the word; NULL: every one may */
    const void *user;
} tempo_merge_work;

void tempo_merge_work_free(tempo_merge_work *w);
/* Append the tokens of word[n] to out.  A character that has no token becomes its bytes' tokens, else unk, and nothing where
 * unk is -1.  */
tempo_status tempo_merge_word(const tempo_merges *m, const tempo_vocab *v, int32_t unk, tempo_merge_work *w,
                              const char *word, size_t n, tempo_id_list *out, tempo_err *err) TEMPO_MUST_CHECK;

#endif
