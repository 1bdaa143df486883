/* merge.c - the joining of one word. */
#include "token/merge.h"

#include <stdlib.h>
#include <string.h>

#include "token/alphabet.h"

/* A stretch of the word that is one token so far (id -1: no token); length 0 once it was joined to the left.
 */
typedef struct tempo_symbol {
    uint32_t begin, len;
    int32_t id, prev, next;
    bool unknown; /* id stands for what has no token */
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

/* Markers are never made from text. */
static int32_t find_plain(const tempo_vocab *v, const tempo_merge_work *w, const char *s, size_t n)
{
    const int32_t id = tempo_vocab_find_typed(v, s, n, TEMPO_TYPES_OF_TEXT);

    return id >= 0 && (w->may == NULL || w->may(w->user, id)) ? id : -1;
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
        const int32_t id = find_plain(v, w, word + a->begin, len);
        if (id >= 0)
            heap_push(w, (tempo_candidate){m->priority[id], (uint32_t)left, len, id});
    } else if (a->id >= 0 && b->id >= 0) {
        const tempo_merge_entry *e = tempo_merges_find(m, a->id, b->id);
        if (e != NULL && (w->may == NULL || (uint32_t)e->id >= v->n || w->may(w->user, e->id)))
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
        a->unknown = false;
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

/* The token of a byte, or -1. */
static int32_t byte_token(const tempo_merges *m, const tempo_vocab *v, const tempo_merge_work *w, char byte)
{
    const int32_t id = m->byte_id[(unsigned char)byte];

    return id >= 0 && (uint32_t)id < v->n && (w->may == NULL || w->may(w->user, id)) ? id : -1;
}

/* Can s[n] be written as tokens of its bytes? */
static bool has_bytes(const tempo_merges *m, const tempo_vocab *v, const tempo_merge_work *w, const char *s,
                      size_t n)
{
    size_t i = 0;

    while (i < n && byte_token(m, v, w, s[i]) >= 0)
        i++;
    return i == n;
}

/* Byte-level words begin as tokens of bytes, or as texts that only pairs know. */
static int32_t first_id(const tempo_merges *m, const tempo_vocab *v, const tempo_merge_work *w, const char *s,
                        size_t n)
{
    if (m->chars)
        return find_plain(v, w, s, n);
    const int32_t id = m->byte_id[(unsigned char)*s];
    return id >= 0 && (uint32_t)id >= v->n ? id : byte_token(m, v, w, *s);
}

/* Cut the word into bytes or characters; returns how many.  Where merges have a list, what has neither a
 * token nor an unknown token to stand for it is not there, so that its neighbours are each other's.  */
static size_t begin_word(const tempo_merges *m, const tempo_vocab *v, int32_t unk, const tempo_merge_work *w,
                         const char *word, size_t n)
{
    size_t count = 0, len;

    for (size_t i = 0; i < n; i += len) {
        len = m->chars ? char_len((unsigned char)word[i]) : 1;
        if (len > n - i)
            len = n - i;
        const int32_t id = first_id(m, v, w, word + i, len);
        const bool unknown = id < 0 && !(m->chars && has_bytes(m, v, w, word + i, len));
        if (unknown && unk < 0 && m->priority == NULL)
            continue;
        w->symbols[count] = (tempo_symbol){.begin = (uint32_t)i,
                                           .len = (uint32_t)len,
                                           .id = unknown ? unk : id,
                                           .unknown = unknown,
                                           .prev = (int32_t)count - 1,
                                           .next = (int32_t)count + 1};
        count++;
    }
    if (count > 0)
        w->symbols[count - 1].next = -1;
    return count;
}

/* The bytes' tokens, of those that have one. */
static tempo_status push_bytes(const tempo_merges *m, const tempo_vocab *v, const tempo_merge_work *w,
                               const char *s, size_t n, tempo_id_list *out, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        const int32_t id = byte_token(m, v, w, s[i]);
        if (id >= 0)
            st = tempo_id_push(out, id, err);
    }
    return st;
}

/* A text that merges know and the vocabulary does not. */
static tempo_status push_extra(const tempo_merges *m, const tempo_vocab *v, const tempo_merge_work *w,
                               int32_t id, tempo_id_list *out, tempo_err *err)
{
    size_t n;
    const char *piece = tempo_vocab_piece(&m->extra, (uint32_t)id - v->n, &n);
    char *bytes = malloc(n + 1);
    tempo_status st;

    if (bytes == NULL)
        return out_of_memory(err);
    if (!tempo_alphabet_read(bytes, &n, piece, n))
        n = 0; /* unreachable: it was made of bytes */
    st = push_bytes(m, v, w, bytes, n, out, err);
    free(bytes);
    return st;
}

static tempo_status push_symbol(const tempo_merges *m, const tempo_vocab *v, const tempo_merge_work *w,
                                const tempo_symbol *s, const char *word, tempo_id_list *out, tempo_err *err)
{
    if (s->id < 0)
        return s->unknown ? TEMPO_OK : push_bytes(m, v, w, word + s->begin, s->len, out, err);
    if ((uint32_t)s->id < v->n)
        return tempo_id_push(out, s->id, err);
    return push_extra(m, v, w, s->id, out, err);
}

tempo_status tempo_merge_word(const tempo_merges *m, const tempo_vocab *v, int32_t unk, tempo_merge_work *w,
                              const char *word, size_t n, tempo_id_list *out, tempo_err *err)
{
    bool was_unknown = false;
    tempo_status st;

    if (n == 0)
        return TEMPO_OK;
    if (n > INT32_MAX / 4)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "a word of %zu bytes, the limit is %d", n,
                          INT32_MAX / 4);
    if ((st = reserve(w, n, err)) != TEMPO_OK)
        return st;
    const size_t count = begin_word(m, v, unk, w, word, n);
    for (size_t i = 0; i + 1 < count; i++)
        consider(m, v, w, word, (int32_t)i);
    join(m, v, w, word);
    for (int32_t i = count > 0 ? 0 : -1; i >= 0 && st == TEMPO_OK; i = w->symbols[i].next) {
        const tempo_symbol *s = &w->symbols[i];
        if (!s->unknown || !was_unknown || !m->fuse_unknown)
            st = push_symbol(m, v, w, s, word, out, err);
        was_unknown = s->unknown;
    }
    return st;
}
