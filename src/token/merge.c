/* merge.c - the merge table and the joining of one word. */
#include "token/merge.h"

#include <stdlib.h>
#include <string.h>

#define EMPTY UINT64_MAX

/* A stretch of the word that is one token so far (id -1: no token); length 0 once it was joined to the left.
 */
typedef struct tempo_symbol {
    uint32_t begin, len;
    int32_t id, prev, next;
} tempo_symbol;

/* Joining symbol `left` with the one after it gives token `id` of `len` bytes; stale when the lengths have
 * changed. */
typedef struct tempo_candidate {
    uint32_t priority, left, len;
    int32_t id;
} tempo_candidate;

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for merging tokens");
}

/* ---- the table ---- */

tempo_status tempo_merges_init(tempo_merges *m, uint32_t n, tempo_err *err)
{
    uint32_t size = 16;

    while (size < 2 * (uint64_t)n && size < 1u << 31)
        size *= 2;
    m->table = malloc(size * sizeof(*m->table));
    if (m->table == NULL)
        return out_of_memory(err);
    m->mask = size - 1;
    for (uint32_t i = 0; i < size; i++)
        m->table[i].pair = EMPTY;
    return TEMPO_OK;
}

void tempo_merges_free(tempo_merges *m)
{
    free(m->table);
    free(m->priority);
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

tempo_status tempo_merges_add(tempo_merges *m, const tempo_vocab *v, const char *left, size_t left_len,
                              const char *right, size_t right_len, uint32_t rank, tempo_err *err)
{
    const int32_t a = tempo_vocab_find(v, left, left_len), b = tempo_vocab_find(v, right, right_len);
    char small[256], *whole = small;
    const size_t n = left_len + right_len;

    if (n > sizeof(small) && (whole = malloc(n)) == NULL)
        return out_of_memory(err);
    memcpy(whole, left, left_len);
    memcpy(whole + left_len, right, right_len);
    const int32_t id = tempo_vocab_find(v, whole, n);
    if (whole != small)
        free(whole);
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

/* ---- ids ---- */

tempo_status tempo_id_push(tempo_id_list *l, int32_t id, tempo_err *err)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 32 : 2 * l->cap;
        int32_t *p = realloc(l->p, cap * sizeof(*p));
        if (p == NULL)
            return out_of_memory(err);
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = id;
    return TEMPO_OK;
}

/* ---- one word ---- */

void tempo_merge_work_free(tempo_merge_work *w)
{
    free(w->symbols);
    free(w->heap);
    *w = (tempo_merge_work){0};
}

/* A word of n symbols has at most n - 1 candidates to begin with and two more for each of n - 1 joins. */
static tempo_status reserve(tempo_merge_work *w, size_t n, tempo_err *err)
{
    if (n > w->symbol_cap) {
        tempo_symbol *p = realloc(w->symbols, n * sizeof(*p));
        if (p == NULL)
            return out_of_memory(err);
        w->symbols = p;
        w->symbol_cap = n;
    }
    if (3 * n > w->heap_cap) {
        tempo_candidate *p = realloc(w->heap, 3 * n * sizeof(*p));
        if (p == NULL)
            return out_of_memory(err);
        w->heap = p;
        w->heap_cap = 3 * n;
    }
    w->heap_n = 0;
    return TEMPO_OK;
}

static bool before(const tempo_candidate *a, const tempo_candidate *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->left < b->left;
}

static void heap_push(tempo_merge_work *w, tempo_candidate c)
{
    size_t i = w->heap_n++;

    for (size_t up; i > 0 && before(&c, &w->heap[up = (i - 1) / 2]); i = up)
        w->heap[i] = w->heap[up];
    w->heap[i] = c;
}

static tempo_candidate heap_pop(tempo_merge_work *w)
{
    const tempo_candidate top = w->heap[0], c = w->heap[--w->heap_n];
    size_t i = 0;

    for (size_t down; (down = 2 * i + 1) < w->heap_n; i = down) {
        if (down + 1 < w->heap_n && before(&w->heap[down + 1], &w->heap[down]))
            down++;
        if (!before(&w->heap[down], &c))
            break;
        w->heap[i] = w->heap[down];
    }
    w->heap[i] = c;
    return top;
}

/* Tokens that only files may ask for are never made from text. */
static int32_t find_plain(const tempo_vocab *v, const char *s, size_t n)
{
    const int32_t id = tempo_vocab_find(v, s, n);

    return id >= 0 && (v->tokens[id].type == TEMPO_TOKEN_NORMAL || v->tokens[id].type == TEMPO_TOKEN_USER)
               ? id
               : -1;
}

/* If the symbols `left` and the next one can join, remember it. */
static void consider(const tempo_merges *m, const tempo_vocab *v, tempo_merge_work *w, const char *word,
                     int32_t left)
{
    if (left < 0 || w->symbols[left].next < 0)
        return;
    const tempo_symbol *a = &w->symbols[left], *b = &w->symbols[a->next];
    const uint32_t len = a->len + b->len;

    if (m->priority != NULL) {
        const int32_t id = find_plain(v, word + a->begin, len);
        if (id >= 0)
            heap_push(w, (tempo_candidate){m->priority[id], (uint32_t)left, len, id});
    } else if (a->id >= 0 && b->id >= 0) {
        const tempo_merge_entry *e = probe(m, pair_of(a->id, b->id));
        if (e->pair != EMPTY)
            heap_push(w, (tempo_candidate){e->rank, (uint32_t)left, len, e->id});
    }
}

static void join(const tempo_merges *m, const tempo_vocab *v, tempo_merge_work *w, const char *word)
{
    while (w->heap_n > 0) {
        const tempo_candidate c = heap_pop(w);
        tempo_symbol *a = &w->symbols[c.left];
        if (a->len == 0 || a->next < 0)
            continue;
        tempo_symbol *b = &w->symbols[a->next];
        if (a->len + b->len != c.len)
            continue;
        a->len = c.len;
        a->id = c.id;
        a->next = b->next;
        b->len = 0;
        if (a->next >= 0)
            w->symbols[a->next].prev = (int32_t)c.left;
        consider(m, v, w, word, a->prev);
        consider(m, v, w, word, (int32_t)c.left);
    }
}

/* Bytes of the character that begins with b, in valid UTF-8. */
static size_t char_len(unsigned char b)
{
    return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}

/* Cut the word into bytes or characters; returns how many. */
static size_t begin_word(const tempo_merges *m, const tempo_vocab *v, tempo_symbol *symbols, const char *word,
                         size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; count++) {
        size_t len = m->chars ? char_len((unsigned char)word[i]) : 1;
        if (len > n - i)
            len = n - i;
        symbols[count] =
            (tempo_symbol){.begin = (uint32_t)i,
                           .len = (uint32_t)len,
                           .id = m->chars ? find_plain(v, word + i, len) : m->byte_id[(unsigned char)word[i]],
                           .prev = (int32_t)count - 1,
                           .next = (int32_t)count + 1};
        i += len;
    }
    symbols[count - 1].next = -1;
    return count;
}

/* A symbol without a token: its bytes one by one, or the unknown token once. */
static tempo_status push_bytes(const tempo_merges *m, int32_t unk, const char *s, size_t n,
                               tempo_id_list *out, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        const int32_t id = m->byte_id[(unsigned char)s[i]];
        if (id < 0 && unk < 0)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "the vocabulary has no token for byte 0x%02x of the text", (unsigned char)s[i]);
        if (id < 0)
            return tempo_id_push(out, unk, err);
        st = tempo_id_push(out, id, err);
    }
    return st;
}

tempo_status tempo_merge_word(const tempo_merges *m, const tempo_vocab *v, int32_t unk, tempo_merge_work *w,
                              const char *word, size_t n, tempo_id_list *out, tempo_err *err)
{
    tempo_status st;

    if (n == 0)
        return TEMPO_OK;
    if (n > INT32_MAX / 4)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "a word of %zu bytes, the limit is %d", n,
                          INT32_MAX / 4);
    if ((st = reserve(w, n, err)) != TEMPO_OK)
        return st;
    const size_t count = begin_word(m, v, w->symbols, word, n);
    for (size_t i = 0; i + 1 < count; i++)
        consider(m, v, w, word, (int32_t)i);
    join(m, v, w, word);
    for (int32_t i = 0; i >= 0 && st == TEMPO_OK; i = w->symbols[i].next) {
        const tempo_symbol *s = &w->symbols[i];
        st = s->id >= 0 ? tempo_id_push(out, s->id, err)
                        : push_bytes(m, unk, word + s->begin, s->len, out, err);
    }
    return st;
}
