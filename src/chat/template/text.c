/* text.c - what a template does with text. */
#include "chat/template/text.h"

#include <string.h>

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

/* ---- parts ---- */

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

tempo_status tempo_chat_reversed(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_str *out)
{
    char *p = tempo_chat_alloc(h, s.n);

    *out = (tempo_chat_str){p, NULL, s.n};
    if (p == NULL)
        return h->failed;
    for (size_t i = 0; i < s.n; i++)
        p[i] = s.p[s.n - 1 - i];
    return TEMPO_OK;
}

bool tempo_chat_begins(tempo_chat_str s, tempo_chat_str what)
{
    return what.n <= s.n && (what.n == 0 || memcmp(s.p, what.p, what.n) == 0);
}

bool tempo_chat_ends(tempo_chat_str s, tempo_chat_str what)
{
    return what.n <= s.n && (what.n == 0 || memcmp(s.p + s.n - what.n, what.p, what.n) == 0);
}

static bool is_line_end(uint32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

size_t tempo_chat_line(tempo_chat_str s, size_t from, size_t *end)
{
    size_t at = from;

    *end = 0;
    while (at < s.n && !is_line_end(tempo_chat_decode(s.p + at)))
        at += tempo_chat_char_len(s.p[at]);
    if (at < s.n)
        *end = s.p[at] == '\r' && at + 1 < s.n && s.p[at + 1] == '\n' ? 2 : tempo_chat_char_len(s.p[at]);
    return at - from;
}

/* new in front of every character and at the end, `most` times. */
static tempo_status spread(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_str new_, size_t most,
                           tempo_chat_buffer *b)
{
    tempo_status st = TEMPO_OK;
    size_t n;

    for (size_t at = 0; at < s.n && st == TEMPO_OK; at += n) {
        n = most > 0 ? tempo_chat_char_len(s.p[at]) : s.n - at;
        if (most > 0)
            st = tempo_chat_append(h, b, new_);
        most -= most > 0;
        if (st == TEMPO_OK)
            st = tempo_chat_append(h, b, tempo_chat_part(s, at, at + n));
    }
    return st == TEMPO_OK && most > 0 ? tempo_chat_append(h, b, new_) : st;
}

tempo_status tempo_chat_replace(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_str old, tempo_chat_str new_,
                                size_t most, tempo_chat_str *out)
{
    tempo_chat_buffer b = {0};
    size_t from = 0, at;
    tempo_status st;

    *out = s;
    if (old.n == 0) {
        st = spread(h, s, new_, most, &b);
        *out = tempo_chat_buffer_str(&b);
        return st;
    }
    for (; most > 0 && (at = tempo_chat_search(s, old, from)) != SIZE_MAX; most--) {
        if ((st = tempo_chat_append(h, &b, tempo_chat_part(s, from, at))) != TEMPO_OK ||
            (st = tempo_chat_append(h, &b, new_)) != TEMPO_OK)
            return st;
        from = at + old.n;
    }
    if (from == 0) /* nothing was found */
        return TEMPO_OK;
    st = tempo_chat_append(h, &b, tempo_chat_part(s, from, s.n));
    *out = tempo_chat_buffer_str(&b);
    return st;
}

/* ---- case ---- */

static bool cased_after(tempo_chat_str s, size_t at)
{
    while (at < s.n && tempo_chat_is_ignorable(tempo_chat_decode(s.p + at)))
        at += tempo_chat_char_len(s.p[at]);
    return at < s.n && tempo_chat_is_cased(tempo_chat_decode(s.p + at));
}

static bool cased_before(tempo_chat_str s, size_t begin, size_t at)
{
    while (at > begin) {
        do
            at--;
        while (((unsigned char)s.p[at] & 0xc0) == 0x80);
        const uint32_t c = tempo_chat_decode(s.p + at);
        if (!tempo_chat_is_ignorable(c))
            return tempo_chat_is_cased(c);
    }
    return false;
}

enum { SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2 };

/* The case of the character at s[at]: one that tempo_chat_map_case has. */
static tempo_chat_case case_here(tempo_chat_case how, uint32_t c, bool first)
{
    switch (how) {
    case TEMPO_CHAT_SWAP:
        return tempo_chat_is_upper(c)   ? TEMPO_CHAT_LOWER
               : tempo_chat_is_lower(c) ? TEMPO_CHAT_UPPER
                                        : TEMPO_CHAT_SWAP;
    case TEMPO_CHAT_CAPITALIZE:
    case TEMPO_CHAT_TITLE_METHOD:
        return first ? TEMPO_CHAT_CAPITALIZE : TEMPO_CHAT_LOWER;
    case TEMPO_CHAT_TITLE_FILTER:
        return first ? TEMPO_CHAT_UPPER : TEMPO_CHAT_LOWER;
    default:
        return how;
    }
}

static bool parts_words(uint32_t c)
{
    return tempo_chat_is_space(c) || (c < 0x80 && c != 0 && strchr("-({[<", (int)c) != NULL);
}

/* Does a word begin behind this character? */
static bool begins_word(tempo_chat_case how, uint32_t c)
{
    return how == TEMPO_CHAT_TITLE_METHOD   ? !tempo_chat_is_cased(c)
           : how == TEMPO_CHAT_TITLE_FILTER ? parts_words(c)
                                            : false;
}

tempo_status tempo_chat_change_case(tempo_chat_heap *h, tempo_chat_str s, tempo_chat_case how,
                                    tempo_chat_str *out)
{
    tempo_chat_buffer b = {0};
    bool first = true;
    size_t begin = 0;
    tempo_status st = TEMPO_OK;

    for (size_t at = 0; at < s.n && st == TEMPO_OK; at += tempo_chat_char_len(s.p[at])) {
        const uint32_t c = tempo_chat_decode(s.p + at);
        const tempo_chat_case here = case_here(how, c, first);
        uint32_t to[3] = {c};
        size_t n = 1;
        if (c == SIGMA && here == TEMPO_CHAT_LOWER && cased_before(s, begin, at) && !cased_after(s, at + 2))
            to[0] = FINAL_SIGMA;
        else if (here != TEMPO_CHAT_SWAP)
            n = tempo_chat_map_case(c, here, to);
        for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
            char text[4];
            const size_t len = tempo_utf8_write(text, to[i]);
            st = tempo_chat_append_like(h, &b, text, len, s, at);
        }
        if (first &&
            how == TEMPO_CHAT_TITLE_FILTER) /* which looks at each word without its first character */
            begin = at + tempo_chat_char_len(s.p[at]);
        first = begins_word(how, c);
    }
    *out = tempo_chat_buffer_str(&b);
    return st;
}
