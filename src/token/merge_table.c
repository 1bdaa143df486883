/* merge_table.c - which neighbours may join, and what goes first. */
#include <stdlib.h>
#include <string.h>

#include "token/merge.h"
#include "token/token.h"

#define EMPTY UINT64_MAX

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for merging tokens");
}

tempo_status tempo_merges_init(tempo_merges *m, uint32_t n, bool unknown_parts, tempo_err *err)
{
    uint32_t size = 16;

    while (size < 2 * (uint64_t)n && size < 1u << 31)
        size *= 2;
    m->table = malloc(size * sizeof(*m->table));
    if (m->table == NULL)
        return out_of_memory(err);
    m->mask = size - 1;
    if (unknown_parts)
        m->extra_room = 3 * (uint64_t)n < TEMPO_MAX_VOCAB ? 3 * n : TEMPO_MAX_VOCAB;
    for (uint32_t i = 0; i < size; i++)
        m->table[i].pair = EMPTY;
    return TEMPO_OK;
}

void tempo_merges_free(tempo_merges *m)
{
    free(m->table);
    free(m->priority);
    tempo_vocab_free(&m->extra);
    m->table = NULL;
    m->priority = NULL;
}

static tempo_merge_entry *probe(const tempo_merges *m, uint64_t pair)
{
    uint64_t h = pair * 0x9e3779b97f4a7c15u;

    for (uint32_t i = (uint32_t)(h >> 32) & m->mask;; i = (i + 1) & m->mask)
        if (m->table[i].pair == EMPTY || m->table[i].pair == pair)
            return &m->table[i];
}

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

const tempo_merge_entry *tempo_merges_find(const tempo_merges *m, int32_t left, int32_t right)
{
    const tempo_merge_entry *e = probe(m, pair_of(left, right));

    return e->pair != EMPTY ? e : NULL;
}

int32_t tempo_merges_id(const tempo_merges *m, const tempo_vocab *v, const char *s, size_t n)
{
    int32_t id = tempo_vocab_find_typed(v, s, n, TEMPO_TYPES_OF_TEXT);

    if (id < 0)
        id = tempo_vocab_find(v, s, n);
    if (id < 0 && m->n_extra > 0 && (id = tempo_vocab_find(&m->extra, s, n)) >= 0)
        id += (int32_t)v->n;
    return id;
}

/* The id of a text that may be new.  -1 where it may not be, or there is no room. */
static tempo_status find_or_add(tempo_merges *m, const tempo_vocab *v, const char *s, size_t n, int32_t *id,
                                tempo_err *err)
{
    tempo_status st;

    *id = tempo_merges_id(m, v, s, n);
    if (*id >= 0 || m->n_extra == m->extra_room)
        return TEMPO_OK;
    if (m->extra.n == 0 && (st = tempo_vocab_init(&m->extra, m->extra_room, err)) != TEMPO_OK)
        return st;
    *id = (int32_t)(v->n + m->n_extra);
    return tempo_vocab_set(&m->extra, m->n_extra++, TEMPO_TOKEN_NORMAL, s, n, s, n, err);
}

tempo_status tempo_merges_add(tempo_merges *m, const tempo_vocab *v, const char *left, size_t left_len,
                              const char *right, size_t right_len, uint32_t rank, tempo_err *err)
{
    char small[256], *whole = small;
    const size_t n = left_len + right_len;
    int32_t a = -1, b = -1, id = -1;
    tempo_status st;

    if (n > sizeof(small) && (whole = malloc(n)) == NULL)
        return out_of_memory(err);
    memcpy(whole, left, left_len);
    memcpy(whole + left_len, right, right_len);
    if ((st = find_or_add(m, v, left, left_len, &a, err)) == TEMPO_OK &&
        (st = find_or_add(m, v, right, right_len, &b, err)) == TEMPO_OK)
        st = find_or_add(m, v, whole, n, &id, err);
    if (whole != small)
        free(whole);
    if (st != TEMPO_OK)
        return st;
    if (a < 0 || b < 0 || id < 0)
        return tempo_fail(
            err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "merge %u, '%.*s' with '%.*s': %s not in the vocabulary",
            rank, (int)(left_len < 64 ? left_len : 64), left, (int)(right_len < 64 ? right_len : 64), right,
            a < 0   ? "the first is"
            : b < 0 ? "the second is"
                    : "what they make is");
    tempo_merge_entry *e = probe(m, pair_of(a, b));
    if (e->pair == EMPTY) /* of two equal pairs the first counts */
        *e = (tempo_merge_entry){pair_of(a, b), rank, id};
    return TEMPO_OK;
}

tempo_status tempo_merges_add_text(tempo_merges *m, const tempo_vocab *v, const char *pair, size_t n,
                                   uint32_t rank, tempo_err *err)
{
    const char *space = n > 1 ? memchr(pair + 1, ' ', n - 1) : NULL;

    if (space == NULL || space + 1 == pair + n)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "merge %u, '%.*s', is not two parts and a space", rank, (int)(n < 64 ? n : 64),
                          pair);
    const size_t left = (size_t)(space - pair);
    return tempo_merges_add(m, v, pair, left, space + 1, n - left - 1, rank, err);
}

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int by_score(const void *pa, const void *pb)
{
    const scored *a = pa, *b = pb;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

tempo_status tempo_merges_by_score(tempo_merges *m, const tempo_vocab *v, const float *scores, tempo_err *err)
{
    scored *order = malloc(((size_t)v->n + 1) * sizeof(*order));

    m->priority = malloc(((size_t)v->n + 1) * sizeof(*m->priority));
    if (order == NULL || m->priority == NULL) {
        free(order);
        return out_of_memory(err);
    }
    for (uint32_t i = 0; i < v->n; i++)
        order[i] = (scored){scores[i], i};
    qsort(order, v->n, sizeof(*order), by_score);
    for (uint32_t i = 0, rank = 0; i < v->n; i++) {
        if (i > 0 && order[i].score != order[i - 1].score)
            rank = i; /* equal scores: the leftmost pair goes first */
        m->priority[order[i].id] = rank;
    }
    free(order);
    return TEMPO_OK;
}
