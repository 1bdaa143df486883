/* text.h - what a template does with text: characters, white space, parts.  Private to src/chat.
 * All text here is valid UTF-8.  Every function keeps, byte for byte, where its result is from.  */
#ifndef TEMPO_CHAT_TEMPLATE_TEXT_H
#define TEMPO_CHAT_TEMPLATE_TEXT_H
#include "base/text.h"
#include "chat/parts.h"

static inline size_t tempo_chat_char_len(char first)
{
    const unsigned char c = (unsigned char)first;

    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static inline uint32_t tempo_chat_decode(const char *s)
{
    size_t len;

    return tempo_utf8_read(s, &len);
}

/* Characters of s. */
size_t tempo_chat_length(tempo_chat_str s);
/* Byte offset of the i-th character, i <= length. */
size_t tempo_chat_offset(tempo_chat_str s, size_t i);
/* Without white space (chars NULL), or without the characters of *chars, on those sides. */
tempo_chat_str tempo_chat_strip(tempo_chat_str s, const tempo_chat_str *chars, bool left, bool right);
/* Byte offset of the first what in s from `from` on; SIZE_MAX if there is none. */
size_t tempo_chat_search(tempo_chat_str s, tempo_chat_str what, size_t from);
/* The bytes of s from its end, to search from there in linear time; no text any more. */
tempo_status tempo_chat_reversed(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_str *out) TEMPO_MUST_CHECK;
bool tempo_chat_begins(tempo_chat_str s, tempo_chat_str what);
bool tempo_chat_ends(tempo_chat_str s, tempo_chat_str what);
/* The length of a line of s that begins at `from`, as splitlines has it; *end: bytes of its line end. */
size_t tempo_chat_line(tempo_chat_str s, size_t from, size_t *end);

/* At most `most` of old become new; the empty string is between all characters. */
tempo_status tempo_chat_replace(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_str old, tempo_chat_str new_,
                                size_t most, tempo_chat_str *out) TEMPO_MUST_CHECK;

typedef enum tempo_chat_case {
    TEMPO_CHAT_UPPER,
    TEMPO_CHAT_LOWER,
    TEMPO_CHAT_FOLD,
    TEMPO_CHAT_SWAP,
    TEMPO_CHAT_CAPITALIZE,   /* the first character in title case, the others lower */
    TEMPO_CHAT_TITLE_METHOD, /* the same of every word; letters after what has no case */
    TEMPO_CHAT_TITLE_FILTER, /* words are apart by white space and - ( { [ <, and begin upper */
} tempo_chat_case;

/* By Unicode's full mappings, as Python's str does it. */
tempo_status tempo_chat_change_case(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_case how,
                                    tempo_chat_str *out) TEMPO_MUST_CHECK;

/* ---- characters, as Python's str has them: unicode.c ---- */

bool tempo_chat_is_space(uint32_t c);
bool tempo_chat_is_alpha(uint32_t c);
bool tempo_chat_is_decimal(uint32_t c);
bool tempo_chat_is_digit(uint32_t c);
bool tempo_chat_is_numeric(uint32_t c);
bool tempo_chat_is_alnum(uint32_t c);
bool tempo_chat_is_printable(uint32_t c);
bool tempo_chat_is_upper(uint32_t c);
bool tempo_chat_is_lower(uint32_t c);
bool tempo_chat_is_title(uint32_t c);
bool tempo_chat_is_cased(uint32_t c);
bool tempo_chat_is_ignorable(uint32_t c); /* has no case and parts no word */
bool tempo_chat_begins_name(uint32_t c);
bool tempo_chat_in_name(uint32_t c);
/* The value of a decimal digit of any script, -1: it is none. */
int tempo_chat_digit(uint32_t c);
/* c in that case, up to 3 characters; how: UPPER, LOWER, FOLD, CAPITALIZE (title case).  Gives how many. */
size_t tempo_chat_map_case(uint32_t c, tempo_chat_case how, uint32_t out[3]);

#endif
