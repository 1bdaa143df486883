/* utf8.c - what is UTF-8 and what is not.  Source: the Unicode Standard, table 3-7 (well-formed UTF-8 byte
 * sequences): no overlong forms, no surrogates, nothing above U+10FFFF. */
#include "base/text.h"

#include <string.h>

#include "tempo.h"

/* Bytes of the well-formed sequence at s[n], n > 0; 0 if there is none. */
static size_t sequence(const unsigned char *s, size_t n)
{
    const unsigned char b = s[0];
    unsigned char low = 0x80, high = 0xbf; /* allowed for the second byte */
    size_t len;

    if (b < 0x80)
        return 1;
    if (b < 0xc2 || b > 0xf4)
        return 0;
    len = b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
    if (b == 0xe0)
        low = 0xa0;
    else if (b == 0xed)
        high = 0x9f;
    else if (b == 0xf0)
        low = 0x90;
    else if (b == 0xf4)
        high = 0x8f;
    if (n < len || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return len;
}

size_t tempo_utf8_valid(const char *s, size_t n)
{
    size_t at = 0, len;

    while (at < n && (len = sequence((const unsigned char *)s + at, n - at)) > 0)
        at += len;
    return at;
}

uint32_t tempo_utf8_read(const char *s, size_t *len)
{
    const unsigned char *u = (const unsigned char *)s;

    if (u[0] < 0x80) {
        *len = 1;
        return u[0];
    }
    if (u[0] < 0xe0) {
        *len = 2;
        return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
    }
    if (u[0] < 0xf0) {
        *len = 3;
        return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    }
    *len = 4;
    return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
}

size_t tempo_utf8_write(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

void tempo_utf8_shown(char *out, const char *p, size_t n)
{
    for (size_t i = 0, valid = 0; i < n; i++) { /* p[i .. valid) is UTF-8 */
        if (i == valid)
            valid += tempo_utf8_valid(p + i, n - i);
        if (i == valid)
            valid++, out[i] = '?';
        else
            out[i] = (unsigned char)p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i];
    }
    out[n] = '\0';
}

bool tempo_is_plain_name(const char *s, size_t room)
{
    static const char begins[] = "abcdefghijklmnopqrstuvwxyz0123456789",
                      all[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

    return strspn(s, begins) > 0 && s[strspn(s, all)] == '\0' && strlen(s) < room;
}
