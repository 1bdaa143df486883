/* charset.h - sets of characters: built from ranges, then packed so that a test is two loads. */
#ifndef TEMPO_TEXT_CHARSET_H
#define TEMPO_TEXT_CHARSET_H
#include "base/status.h"
#include "text/unicode.h"

/* Ranges in rising order that neither meet nor touch, once tempo_chars_tidy has been called. */
typedef struct tempo_chars {
    tempo_range *p; /* [n] */
    size_t n, cap;
} tempo_chars;

/* These report failure (of memory) as false. */
bool tempo_chars_add(tempo_chars *s, uint32_t first, uint32_t last);
bool tempo_chars_add_set(tempo_chars *s, const tempo_chars *other);
void tempo_chars_tidy(tempo_chars *s);
/* Of tidy sets: */
bool tempo_chars_invert(tempo_chars *s);
bool tempo_chars_intersect(tempo_chars *s, const tempo_chars *other);
bool tempo_chars_has(const tempo_chars *s, uint32_t c);
bool tempo_chars_equal(const tempo_chars *a, const tempo_chars *b);
/* What simple case folding makes equal to a member becomes one. */
bool tempo_chars_close_case(tempo_chars *s);
void tempo_chars_free(tempo_chars *s);

/* Blocks of 256 characters, equal ones stored once. */
typedef struct tempo_charset {
    uint64_t ascii[2];
    uint16_t *index;       /* [0x1100] block of a character / 256 */
    uint64_t (*blocks)[4]; /* bits of 256 characters each */
} tempo_charset;

bool tempo_charset_pack(tempo_charset *k, const tempo_chars *s);
void tempo_charset_free(tempo_charset *k);

static inline bool tempo_charset_has(const tempo_charset *k, uint32_t c)
{
    if (c < 0x80)
        return (k->ascii[c >> 6] >> (c & 63) & 1) != 0;
    return (k->blocks[k->index[c >> 8]][c >> 6 & 3] >> (c & 63) & 1) != 0;
}

#endif
