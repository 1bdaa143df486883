/* text.h - numbers and bytes as text that anything can take. */
#ifndef TEMPO_BASE_TEXT_H
#define TEMPO_BASE_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- float_text.c ---- */
enum { TEMPO_FLOAT_TEXT = 32 };
/* A double in the fewest digits that read back as it, whatever the locale is (3.1, not 3.1000000000000001), as Python's repr writes
 * it (3.0, 1e-05, 1e+16, nan, -inf), without a NUL; gives the length, at most TEMPO_FLOAT_TEXT - 1.  What is finite is JSON. */
size_t tempo_float_text(double f, char out[TEMPO_FLOAT_TEXT]);

/* What the digit c counts in bases up to 16, or -1. */
static inline int tempo_hex_digit(char c)
{
    const char low = (char)(c | 0x20);

    return c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* ---- utf8.c ---- */
/* The character at s in valid UTF-8, and how many bytes it has. */
uint32_t tempo_utf8_read(const char *s, size_t *len);
/* UTF-8 of c into out[4]; returns how many bytes. */
size_t tempo_utf8_write(char *out, uint32_t c);
/* A name that files and tables can have: lower-case letters, digits, _ and -, the first a letter or digit; with its NUL at most `room` bytes. */
bool tempo_is_plain_name(const char *s, size_t room);
/* out[n + 1] = p[n] as UTF-8 that a terminal and JSON can take: '?' in the place of each byte that is no part of a character and of each
 * control character.  out may be p.  Linear in n.  */
void tempo_utf8_shown(char *out, const char *p, size_t n);

#endif
