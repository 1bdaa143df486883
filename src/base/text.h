/* text.h - numbers and bytes as text that anything can take. */
#ifndef TEMPO_BASE_TEXT_H
#define TEMPO_BASE_TEXT_H
#include <stddef.h>

/* ---- float_text.c ---- */
enum { TEMPO_FLOAT_TEXT = 32 };
/* A double in the fewest digits that read back as it, whatever the locale is (3.1, not 3.1000000000000001), as Python's repr writes
 * it (3.0, 1e-05, 1e+16, nan, -inf), without a NUL; gives the length, at most TEMPO_FLOAT_TEXT - 1.  What is finite is JSON. */
size_t tempo_float_text(double f, char out[TEMPO_FLOAT_TEXT]);

/* ---- utf8.c ---- */
/* out[n + 1] = p[n] as UTF-8 that a terminal and JSON can take: '?' in the place of each byte that is no part of a character and of each
 * control character.  out may be p.  Linear in n.  */
void tempo_utf8_shown(char *out, const char *p, size_t n);

#endif
