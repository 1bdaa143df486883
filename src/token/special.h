/* special.h - tokens that are found in text as they stand, in lists that are searched at each place of a
 * text. */
#ifndef TEMPO_TOKEN_SPECIAL_H
#define TEMPO_TOKEN_SPECIAL_H
#include "base/status.h"

typedef struct tempo_special {
    const char *s; /* [n] borrowed, or within the list's text */
    size_t n;
    int32_t id;
} tempo_special;

typedef struct tempo_specials {
    tempo_special *p; /* [n] sorted by their bytes */
    size_t n, cap;
    uint32_t first[257]; /* where those begin that begin with a byte */
} tempo_specials;

void tempo_specials_free(tempo_specials *l);
/* One more; n > 0.  Before tempo_specials_sort. */
tempo_status tempo_specials_add(tempo_specials *l, const char *s, size_t n, int32_t id,
                                tempo_err *err) TEMPO_MUST_CHECK;
void tempo_specials_sort(tempo_specials *l);

/* May the token of the list stand where it was found? */
typedef bool (*tempo_special_fn)(const void *with, const tempo_special *s);
/* The longest one at the beginning of s[n] that may stand there, or NULL.  Time is that of the longest token.
 */
const tempo_special *tempo_specials_match(const tempo_specials *l, const char *s, size_t n,
                                          tempo_special_fn may, const void *with);

/* White space at the end of s[0 .. n), down to `from`, and from `n` on: where it begins, where it ends. */
size_t tempo_space_before(const char *s, size_t from, size_t n);
size_t tempo_space_behind(const char *s, size_t n, size_t from);
/* Is there no letter, mark, digit or '_' before s[begin] and from s[end] on? */
bool tempo_is_single_word(const char *s, size_t n, size_t begin, size_t end);

#endif
