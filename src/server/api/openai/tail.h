/* tail.h - text that grows by tokens, let go only as far as it is certain.
 *
 * A character is never split between two pieces, and nothing of a stop string goes out: what may be the beginning of either
 * waits.  Bytes that are no UTF-8 stay what they are; who writes JSON makes U+FFFD of each.  */
#ifndef TEMPO_SERVER_API_OPENAI_TAIL_H
#define TEMPO_SERVER_API_OPENAI_TAIL_H
#include <stdbool.h>
#include <stddef.h>

enum { TEMPO_TAIL_STOPS = 16, TEMPO_TAIL_STOP_BYTES = 1024 };

typedef struct tempo_tail {
    char *p; /* [n] all that came */
    size_t n, cap;
    size_t ready;   /* bytes of it that may go out */
    size_t begin;   /* stop strings are looked for from this byte on: what is before has been decided */
    bool stopped;   /* a stop string was there; the text ends at ready, in front of it */
    struct {
        char *p;
        size_t n;
    } stops[TEMPO_TAIL_STOPS];
    size_t n_stops;
} tempo_tail;

/* *t is zero at first.  One more stop string, copied; n >= 1.  false: too many, too long, or no memory. */
bool tempo_tail_stop_at(tempo_tail *t, const char *s, size_t n);
/* More text.  After a stop string it is ignored.  false: no memory. */
bool tempo_tail_add(tempo_tail *t, const char *s, size_t n);
/* There is no more: everything is ready. */
void tempo_tail_end(tempo_tail *t);
void tempo_tail_clear(tempo_tail *t);

#endif
