/* chat_text.h - what a template does with text: characters, white space, parts.  Private to chat*.c.
 * All text here is valid UTF-8.  Every function keeps, byte for byte, where its result is from.  */
#ifndef TEMPO_TOKEN_CHAT_TEXT_H
#define TEMPO_TOKEN_CHAT_TEXT_H
#include "token/chat_parts.h"

static inline size_t tempo_chat_char_len(char first)
{
    const unsigned char c = (unsigned char)first;

    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

uint32_t tempo_chat_decode(const char *s);
/* Bytes written to out[4]; c is a Unicode scalar value. */
size_t tempo_chat_encode(char *out, uint32_t c);
/* As Python's str.isspace. */
bool tempo_chat_is_space(uint32_t c);

/* Characters of s. */
size_t tempo_chat_length(tempo_chat_str s);
/* Byte offset of the i-th character, i <= length. */
size_t tempo_chat_offset(tempo_chat_str s, size_t i);
/* Without white space (chars NULL), or without the characters of *chars, on those sides. */
tempo_chat_str tempo_chat_strip(tempo_chat_str s, const tempo_chat_str *chars, bool left, bool right);
/* Byte offset of the first what in s from `from` on, SIZE_MAX if there is none. */
size_t tempo_chat_search(tempo_chat_str s, tempo_chat_str what, size_t from);

/* At most `most` of old, which is not empty, become new. */
tempo_status tempo_chat_replace(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_str old, tempo_chat_str new_,
                                size_t most, tempo_chat_str *out) TEMPO_MUST_CHECK;

typedef enum tempo_chat_case {
    TEMPO_CHAT_UPPER,
    TEMPO_CHAT_LOWER,
    TEMPO_CHAT_CAPITALIZE,   /* the first character upper, the others lower */
    TEMPO_CHAT_TITLE_METHOD, /* letters after what is no letter upper, others lower */
    TEMPO_CHAT_TITLE_FILTER, /* the same after white space and - ( { [ < */
} tempo_chat_case;

/* By Unicode's simple mappings, one character for one. */
tempo_status tempo_chat_change_case(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_case how,
                                    tempo_chat_str *out) TEMPO_MUST_CHECK;

#endif
