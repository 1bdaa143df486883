#include "token/alphabet.h"

#include <stdint.h>

#include "base/text.h"

static bool is_itself(unsigned b)
{
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
}

/* Numbers of the bytes that are not themselves, in rising order: 0..32, 127..160, 173. */
static unsigned code_of(unsigned b)
{
    if (is_itself(b))
        return b;
    return 256 + (b <= 32 ? b : b <= 160 ? b - 127 + 33 : 67);
}

/* The byte of a character, or -1. */
static int byte_of(unsigned code)
{
    if (code < 256)
        return is_itself(code) ? (int)code : -1;
    code -= 256;
    if (code <= 32)
        return (int)code;
    if (code <= 66)
        return (int)(code - 33 + 127);
    return code == 67 ? 173 : -1;
}

size_t tempo_alphabet_spell(char *out, const char *bytes, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += tempo_utf8_write(out + len,
                                code_of((unsigned char)bytes[i])); /* below U+0800: at most two bytes */
    return len;
}

bool tempo_alphabet_read(char *out, size_t *out_len, const char *spelling, size_t n)
{
    const unsigned char *s = (const unsigned char *)spelling;
    size_t len = 0;

    for (size_t i = 0; i < n; len++) {
        unsigned code = s[i++];
        if (code >= 0x80) {
            if (code >> 5 != 6 || i == n || s[i] >> 6 != 2)
                return false;
            code = (code & 0x1f) << 6 | (s[i++] & 0x3fu);
        }
        const int byte = byte_of(code);
        if (byte < 0)
            return false;
        out[len] = (char)byte;
    }
    *out_len = len;
    return true;
}
