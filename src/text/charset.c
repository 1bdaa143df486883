#include "text/charset.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 0x1100 };

bool tempo_chars_add(tempo_chars *s, uint32_t first, uint32_t last)
{
    if (s->n > 0 && first > 0 && s->p[s->n - 1].last == first - 1) {
        s->p[s->n - 1].last = last;
        return true;
    }
    if (s->n == s->cap) {
        const size_t cap = s->cap == 0 ? 8 : 2 * s->cap;
        tempo_range *p = realloc(s->p, cap * sizeof(*p));
        if (p == NULL)
            return false;
        s->p = p;
        s->cap = cap;
    }
    s->p[s->n++] = (tempo_range){first, last};
    return true;
}

bool tempo_chars_add_set(tempo_chars *s, const tempo_chars *other)
{
    for (size_t i = 0; i < other->n; i++)
        if (!tempo_chars_add(s, other->p[i].first, other->p[i].last))
            return false;
    return true;
}

static int by_first(const void *pa, const void *pb)
{
    const tempo_range *a = pa, *b = pb;

    return a->first != b->first ? (a->first > b->first) - (a->first < b->first)
                                : (a->last > b->last) - (a->last < b->last);
}

void tempo_chars_tidy(tempo_chars *s)
{
    size_t n = 0;

    if (s->n > 1)
        qsort(s->p, s->n, sizeof(*s->p), by_first);
    for (size_t i = 0; i < s->n; i++) {
        if (n > 0 && s->p[i].first <= s->p[n - 1].last + 1) {
            if (s->p[i].last > s->p[n - 1].last)
                s->p[n - 1].last = s->p[i].last;
        } else {
            s->p[n++] = s->p[i];
        }
    }
    s->n = n;
}

bool tempo_chars_invert(tempo_chars *s)
{
    tempo_chars out = {0};
    uint32_t next = 0;
    bool ok = true;

    for (size_t i = 0; i < s->n && ok; i++) {
        if (s->p[i].first > next)
            ok = tempo_chars_add(&out, next, s->p[i].first - 1);
        next = s->p[i].last + 1;
    }
    if (ok && next <= TEMPO_UNICODE_LAST)
        ok = tempo_chars_add(&out, next, TEMPO_UNICODE_LAST);
    tempo_chars_free(s);
    *s = out;
    return ok;
}

bool tempo_chars_intersect(tempo_chars *s, const tempo_chars *other)
{
    tempo_chars out = {0};
    bool ok = true;

    for (size_t i = 0, k = 0; i < s->n && k < other->n && ok;) {
        const tempo_range a = s->p[i], b = other->p[k];
        const uint32_t first = a.first > b.first ? a.first : b.first,
                       last = a.last < b.last ? a.last : b.last;
        if (first <= last)
            ok = tempo_chars_add(&out, first, last);
        if (a.last <= b.last)
            i++;
        else
            k++;
    }
    tempo_chars_free(s);
    *s = out;
    return ok;
}

bool tempo_chars_has(const tempo_chars *s, uint32_t c)
{
    size_t low = 0, n = s->n;

    while (low < n) {
        const size_t mid = low + (n - low) / 2;
        if (c < s->p[mid].first)
            n = mid;
        else if (c > s->p[mid].last)
            low = mid + 1;
        else
            return true;
    }
    return false;
}

bool tempo_chars_equal(const tempo_chars *a, const tempo_chars *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n * sizeof(*a->p)) == 0);
}

/* ---- case ---- */

typedef struct closing {
    const tempo_chars *members;
    tempo_chars more;
    bool down; /* add what members fold to; else what folds to members */
} closing;

static bool close_one(void *with, uint32_t c, const uint32_t *to, size_t n)
{
    closing *k = with;
    const uint32_t have = k->down ? c : to[0], add = k->down ? to[0] : c;

    return n != 1 || !tempo_chars_has(k->members, have) || tempo_chars_add(&k->more, add, add);
}

bool tempo_chars_close_case(tempo_chars *s)
{
    bool ok = true;

    for (int pass = 0; pass < 2 && ok; pass++) {
        closing k = {.members = s, .down = pass == 0};
        ok = tempo_unicode_each_fold(close_one, &k) && tempo_chars_add_set(s, &k.more);
        tempo_chars_free(&k.more);
        tempo_chars_tidy(s);
    }
    return ok;
}

void tempo_chars_free(tempo_chars *s)
{
    free(s->p);
    *s = (tempo_chars){0};
}

/* ---- packed ---- */

/* The bits of block b; *from is the first range that reaches it or a later one. */
static void fill_block(uint64_t *bits, const tempo_chars *s, uint32_t b, size_t *from)
{
    const uint32_t begin = b << 8, end = begin + 255;

    memset(bits, 0, 4 * sizeof(*bits));
    while (*from < s->n && s->p[*from].last < begin)
        ++*from;
    for (size_t i = *from; i < s->n && s->p[i].first <= end; i++) {
        const uint32_t first = s->p[i].first > begin ? s->p[i].first : begin,
                       last = s->p[i].last < end ? s->p[i].last : end;
        for (uint32_t w = first >> 6 & 3; w <= (last >> 6 & 3); w++) {
            const uint64_t above = w == (first >> 6 & 3) ? ~(uint64_t)0 << (first & 63) : ~(uint64_t)0,
                           below = w == (last >> 6 & 3) ? ~(uint64_t)0 >> (63 - (last & 63)) : ~(uint64_t)0;
            bits[w] |= above & below;
        }
    }
}

bool tempo_charset_pack(tempo_charset *k, const tempo_chars *s)
{
    uint64_t bits[4];
    size_t n = 0, cap = 0, from = 0,
           uniform[2] = {0, 0}; /* the blocks, from 1, that have nobody and everybody */

    *k = (tempo_charset){.index = malloc(BLOCKS * sizeof(*k->index))};
    for (uint32_t b = 0; k->index != NULL && b < BLOCKS; b++) {
        size_t same = n;
        fill_block(bits, s, b, &from);
        const bool one = bits[0] == bits[1] && bits[1] == bits[2] && bits[2] == bits[3] && bits[0] + 1 <= 1;
        size_t *known =
            one ? &uniform[bits[0] & 1] : NULL; /* most blocks, and far behind those that differ */
        if (known != NULL && *known != 0)
            same = *known;
        while (same > 0 && memcmp(k->blocks[same - 1], bits, sizeof(bits)) != 0) /* mostly the last one */
            same--;
        if (same == 0) {
            if (n == cap) {
                cap = cap == 0 ? 8 : 2 * cap;
                void *p = realloc(k->blocks, cap * sizeof(*k->blocks));
                if (p == NULL)
                    break;
                k->blocks = p;
            }
            memcpy(k->blocks[n], bits, sizeof(bits));
            same = ++n;
        }
        if (known != NULL)
            *known = same;
        k->index[b] = (uint16_t)(same - 1);
        if (b == BLOCKS - 1) {
            memcpy(k->ascii, k->blocks[k->index[0]], sizeof(k->ascii));
            return true;
        }
    }
    tempo_charset_free(k);
    return false;
}

void tempo_charset_free(tempo_charset *k)
{
    free(k->index);
    free(k->blocks);
    *k = (tempo_charset){0};
}
