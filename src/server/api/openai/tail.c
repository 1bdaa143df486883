/* tail.c - stop strings and whole characters.  Byte by byte, so that how the text came in pieces has no
 * say. */
#include "server/api/openai/tail.h"

#include <stdlib.h>
#include <string.h>

#include "tempo.h"

bool tempo_tail_stop_at(tempo_tail *t, const char *s, size_t n)
{
    if (t->n_stops == TEMPO_TAIL_STOPS || n == 0 || n > TEMPO_TAIL_STOP_BYTES)
        return false;
    char *p = malloc(n);
    if (p == NULL)
        return false;
    memcpy(p, s, n);
    t->stops[t->n_stops].p = p;
    t->stops[t->n_stops++].n = n;
    return true;
}

/* Does a stop string end where the first n bytes do?  The longest one's beginning, or n. */
static size_t stop_before(const tempo_tail *t, size_t n)
{
    size_t at = n;

    for (size_t i = 0; i < t->n_stops; i++) {
        const size_t len = t->stops[i].n;
        if (len <= n - t->begin && n - len < at && memcmp(t->p + n - len, t->stops[i].p, len) == 0)
            at = n - len;
    }
    return at;
}

/* Bytes at the end that are the beginning of a stop string. */
static size_t held_back(const tempo_tail *t)
{
    size_t most = 0;

    for (size_t i = 0; i < t->n_stops; i++) {
        const size_t most_k = t->n - t->begin;
        size_t k = t->stops[i].n - 1 < most_k ? t->stops[i].n - 1 : most_k;
        while (k > most && memcmp(t->p + t->n - k, t->stops[i].p, k) != 0)
            k--;
        most = k > most ? k : most;
    }
    return most;
}

/* n, less the bytes at its end that may become a character with others. */
static size_t whole_characters(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const unsigned char lead = (unsigned char)s[n - back];
        char whole[4] = {(char)lead, '\x80', '\x80', '\x80'};
        const size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (lead < 0x80)
            return n;
        if (lead < 0xc0)
            continue; /* inside of one */
        memcpy(whole, s + n - back, back);
        if (back == 1 && lead != 0xc0 && lead != 0xc1 && lead <= 0xf4)
            return n - back;
        return back < len && tempo_utf8_valid(whole, len) == len ? n - back : n;
    }
    return n;
}

bool tempo_tail_add(tempo_tail *t, const char *s, size_t n)
{
    if (t->stopped || n == 0)
        return true;
    if (t->cap - t->n < n) {
        size_t cap = t->cap == 0 ? 256 : t->cap;
        while (cap - t->n < n)
            cap *= 2;
        char *p = realloc(t->p, cap);
        if (p == NULL)
            return false;
        t->p = p;
        t->cap = cap;
    }
    for (size_t i = 0; i < n; i++) {
        t->p[t->n++] = s[i];
        const size_t at = stop_before(t, t->n);
        if (at < t->n) {
            t->ready = at;
            t->stopped = true;
            return true;
        }
    }
    const size_t ready = whole_characters(t->p, t->n - held_back(t));
    t->ready = ready > t->ready ? ready : t->ready; /* what was let go is gone */
    return true;
}

void tempo_tail_end(tempo_tail *t)
{
    if (!t->stopped)
        t->ready = t->n;
}

void tempo_tail_clear(tempo_tail *t)
{
    for (size_t i = 0; i < t->n_stops; i++)
        free(t->stops[i].p);
    free(t->p);
    *t = (tempo_tail){0};
}
