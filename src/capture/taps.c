/* taps.c - lists of taps. */
#include "capture/taps.h"

/* None: all of them, which nothing makes more. */
static void unite(uint64_t *to, const uint64_t *from)
{
    uint64_t all_to = 0, all_from = 0;

    for (size_t w = 0; w < TEMPO_TAP_WORDS; w++) {
        all_to |= to[w];
        all_from |= from[w];
    }
    for (size_t w = 0; w < TEMPO_TAP_WORDS; w++)
        to[w] = all_to == 0 || all_from == 0 ? 0 : to[w] | from[w];
}

void tempo_taps_add(tempo_taps *t, const tempo_tap_selection *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < t->n && t->list[at].tap != s[i].tap)
            at++;
        if (at < t->n) {
            unite(t->list[at].layers, s[i].layers);
            unite(t->list[at].heads, s[i].heads);
        } else if (t->n < TEMPO_TAP_COUNT) {
            t->list[t->n++] = s[i];
        }
    }
}

bool tempo_taps_include(const tempo_tap_selection *s, size_t n, const tempo_tap_view *v)
{
    bool any = false;

    for (size_t i = 0; i < n; i++)
        any = any || (s[i].tap == v->tap && tempo_tap_has(s[i].layers, v->layer));
    return any;
}
