/* chat_text.c - what a template does with text. */
#include "token/chat_text.h"

#include <string.h>
#include <utf8proc.h>

uint32_t tempo_chat_decode(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;

    switch (tempo_chat_char_len(*s)) {
    case 1:
        return u[0];
    case 2:
        return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
    case 3:
        return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    default:
        return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
    }
}

size_t tempo_chat_encode(char *out, uint32_t c)
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)out);
}

bool tempo_chat_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

size_t tempo_chat_length(tempo_chat_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

size_t tempo_chat_offset(tempo_chat_str s, size_t i)
{
    size_t at = 0;

    for (; i > 0 && at < s.n; i--)
        at += tempo_chat_char_len(s.p[at]);
    return at;
}

static bool is_one_of(tempo_chat_str chars, uint32_t c)
{
    for (size_t i = 0; i < chars.n; i += tempo_chat_char_len(chars.p[i]))
        if (tempo_chat_decode(chars.p + i) == c)
            return true;
    return false;
}

static bool goes(const tempo_chat_str *chars, const char *s)
{
    const uint32_t c = tempo_chat_decode(s);

    return chars != NULL ? is_one_of(*chars, c) : tempo_chat_is_space(c);
}

tempo_chat_str tempo_chat_strip(tempo_chat_str s, const tempo_chat_str *chars, bool left, bool right)
{
    size_t begin = 0, end = s.n;

    while (left && begin < end && goes(chars, s.p + begin))
        begin += tempo_chat_char_len(s.p[begin]);
    while (right && end > begin) {
        size_t last = end - 1;
        while (last > begin && ((unsigned char)s.p[last] & 0xc0) == 0x80)
            last--;
        if (!goes(chars, s.p + last))
            break;
        end = last;
    }
    return tempo_chat_part(s, begin, end);
}

size_t tempo_chat_search(tempo_chat_str s, tempo_chat_str what, size_t from)
{
    if (what.n == 0)
        return from <= s.n ? from : SIZE_MAX;
    const char *at = from < s.n ? memmem(s.p + from, s.n - from, what.p, what.n) : NULL;
    return at != NULL ? (size_t)(at - s.p) : SIZE_MAX;
}

tempo_status tempo_chat_replace(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_str old, tempo_chat_str new_,
                                size_t most, tempo_chat_str *out)
{
    tempo_chat_buffer b = {0};
    size_t from = 0, at;
    tempo_status st;

    for (; most > 0 && (at = tempo_chat_search(s, old, from)) != SIZE_MAX; most--) {
        if ((st = tempo_chat_append(h, &b, tempo_chat_part(s, from, at))) != TEMPO_OK ||
            (st = tempo_chat_append(h, &b, new_)) != TEMPO_OK)
            return st;
        from = at + old.n;
    }
    if (from == 0) { /* nothing was found */
        *out = s;
        return TEMPO_OK;
    }
    st = tempo_chat_append(h, &b, tempo_chat_part(s, from, s.n));
    *out = tempo_chat_buffer_str(&b);
    return st;
}

/* ---- case ---- */

static bool is_letter(uint32_t c)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);

    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

/* Is the next character upper case, after this one? */
static bool begins_word(tempo_chat_case how, uint32_t c)
{
    switch (how) {
    case TEMPO_CHAT_UPPER:
        return true;
    case TEMPO_CHAT_TITLE_METHOD:
        return !is_letter(c);
    case TEMPO_CHAT_TITLE_FILTER:
        return tempo_chat_is_space(c) || (c < 0x80 && c != 0 && strchr("-({[<", (int)c) != NULL);
    default:
        return false;
    }
}

tempo_status tempo_chat_change_case(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_case how,
                                    tempo_chat_str *out)
{
    tempo_chat_buffer b = {0};
    bool upper = how != TEMPO_CHAT_LOWER;
    tempo_status st;

    for (size_t i = 0; i < s.n;) {
        const size_t n = tempo_chat_char_len(s.p[i]);
        const uint32_t c = tempo_chat_decode(s.p + i);
        unsigned char outside[4];
        char text[4];
        const utf8proc_int32_t changed =
            upper ? utf8proc_toupper((utf8proc_int32_t)c) : utf8proc_tolower((utf8proc_int32_t)c);
        const size_t len = tempo_chat_encode(text, (uint32_t)changed);
        memset(outside, s.outside != NULL ? s.outside[i] : 0, sizeof(outside));
        if ((st = tempo_chat_append(
                 h, &b, (tempo_chat_str){text, s.outside != NULL ? outside : NULL, len})) != TEMPO_OK)
            return st;
        upper = begins_word(how, c);
        i += n;
    }
    *out = tempo_chat_buffer_str(&b);
    return TEMPO_OK;
}
