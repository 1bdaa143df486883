#include "token/special.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "text/unicode.h"

void tempo_specials_free(tempo_specials *l)
{
    free(l->p);
    *l = (tempo_specials){0};
}

tempo_status tempo_specials_add(tempo_specials *l, const char *s, size_t n, int32_t id, tempo_err *err)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        tempo_special *p = realloc(l->p, cap * sizeof(*p));
        if (p == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for special tokens");
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = (tempo_special){s, n, id};
    return TEMPO_OK;
}

static int by_bytes(const void *pa, const void *pb)
{
    const tempo_special *a = pa, *b = pb;
    const int c = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n);

    if (c != 0)
        return c;
    return a->n != b->n ? (a->n > b->n) - (a->n < b->n) : (a->id > b->id) - (a->id < b->id);
}

void tempo_specials_sort(tempo_specials *l)
{
    uint32_t i = 0;

    if (l->n > 1)
        qsort(l->p, l->n, sizeof(*l->p), by_bytes);
    for (unsigned b = 0; b < 257; b++) {
        while (i < l->n && (unsigned char)l->p[i].s[0] < b)
            i++;
        l->first[b] = i;
    }
}

/* Of [low, high), which agree up to byte k, the first whose byte k is at least `want`. */
static size_t bound(const tempo_specials *l, size_t low, size_t high, size_t k, unsigned want)
{
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if ((unsigned char)l->p[mid].s[k] < want)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const tempo_special *tempo_specials_match(const tempo_specials *l, const char *s, size_t n,
                                          tempo_special_fn may, const void *with)
{
    const tempo_special *best = NULL;

    if (n == 0 || l->n == 0)
        return NULL;
    size_t low = l->first[(unsigned char)s[0]], high = l->first[(unsigned char)s[0] + 1];
    for (size_t k = 1; low < high; k++) {
        /* all of [low, high) begin with s[0 .. k); those of length k come first */
        for (bool found = false; low < high && l->p[low].n == k; low++)
            if (!found && may(with, &l->p[low])) {
                best = &l->p[low];
                found = true;
            }
        if (k == n)
            break;
        const unsigned want = (unsigned char)s[k];
        low = bound(l, low, high, k, want);
        high = bound(l, low, high, k, want + 1);
    }
    return best;
}

size_t tempo_space_before(const char *s, size_t from, size_t n)
{
    size_t len;

    while (n > from) {
        size_t last = n - 1;
        while (last > from && ((unsigned char)s[last] & 0xc0) == 0x80)
            last--;
        if (!tempo_unicode_is_space(tempo_utf8_read(s + last, &len)))
            break;
        n = last;
    }
    return n;
}

size_t tempo_space_behind(const char *s, size_t n, size_t from)
{
    size_t len;

    while (from < n && tempo_unicode_is_space(tempo_utf8_read(s + from, &len)))
        from += len;
    return from;
}

bool tempo_is_single_word(const char *s, size_t n, size_t begin, size_t end)
{
    size_t last = begin, len;

    while (last > 0 && ((unsigned char)s[--last] & 0xc0) == 0x80)
        ;
    return (begin == 0 || !tempo_unicode_is_word(tempo_utf8_read(s + last, &len))) &&
           (end == n || !tempo_unicode_is_word(tempo_utf8_read(s + end, &len)));
}
