/* regex_brackets.c - characters, escapes and [classes] of a pattern.  Source: Oniguruma's doc/RE, its own
 * syntax. */
#include <stdlib.h>
#include <string.h>

#include "text/regex_parser.h"

/* ---- reading ---- */

bool tempo_parser_at_end(const tempo_parser *r)
{
    return r->i >= r->n;
}

bool tempo_parser_looks_at(const tempo_parser *r, const char *s)
{
    const size_t n = strlen(s);

    return r->n - r->i >= n && memcmp(r->p + r->i, s, n) == 0;
}

bool tempo_parser_take(tempo_parser *r, const char *s)
{
    if (!tempo_parser_looks_at(r, s))
        return false;
    r->i += strlen(s);
    return true;
}

uint32_t tempo_parser_take_char(tempo_parser *r)
{
    size_t len;
    const uint32_t c = tempo_utf8_read(r->p + r->i, &len);

    r->i += len;
    return c;
}

/* Up to `most` digits of base 8 or 16; returns how many there were. */
static size_t take_number(tempo_parser *r, int base, size_t most, uint32_t *out)
{
    size_t n = 0;

    *out = 0;
    for (int d; n < most && !tempo_parser_at_end(r) && (d = tempo_hex_digit(r->p[r->i])) >= 0 && d < base;
         n++) {
        *out = *out * (uint32_t)base + (uint32_t)d;
        r->i++;
    }
    return n;
}

static tempo_status take_code(tempo_parser *r, char letter, uint32_t *c)
{
    const bool braces = letter != 'u' && tempo_parser_take(r, "{");
    const size_t n = take_number(r, 16, braces ? 8 : letter == 'u' ? 4 : 2, c);

    if ((braces && (n == 0 || !tempo_parser_take(r, "}"))) || (letter == 'u' && n != 4))
        return tempo_parser_malformed(r, "hexadecimal digits expected");
    if (*c > TEMPO_UNICODE_LAST || (*c >= 0xd800 && *c < 0xe000))
        return tempo_parser_malformed(r, "no character has this code");
    return TEMPO_OK;
}

/* A character that is written with a backslash, which has been read; *known is false (and nothing read) for
 * what is no single character.  */
tempo_status tempo_parser_take_escape(tempo_parser *r, uint32_t *c, bool *known)
{
    static const char letters[] = "tnrfvae", codes[] = "\t\n\r\f\v\a\x1b";
    const size_t begin = r->i;
    const uint32_t letter = tempo_parser_take_char(r);
    const char *at = letter < 0x80 && letter != 0 ? strchr(letters, (int)letter) : NULL;

    *known = true;
    if (at != NULL) {
        *c = (unsigned char)codes[at - letters];
        return TEMPO_OK;
    }
    if (letter == 'x' || letter == 'u')
        return take_code(r, (char)letter, c);
    if (letter == '0') {
        (void)take_number(r, 8, 2, c);
        return TEMPO_OK;
    }
    *known = letter >= 0x80 || strchr("wWsSdDhHpPRXNOAzZGbByYKkgcCM123456789", (int)letter) == NULL;
    if ((letter == 'p' || letter == 'P') && !tempo_parser_looks_at(r, "{"))
        *known = true;
    *c = letter;
    if (!*known)
        r->i = begin;
    return TEMPO_OK;
}

/* \p{Name}, \p{^Name}, \P{Name}: from the letter on. */
tempo_status tempo_parser_take_property(tempo_parser *r, tempo_chars *s)
{
    const size_t begin = r->i;
    bool negative = r->p[r->i] == 'P', known;

    r->i += 2;
    if (tempo_parser_take(r, "^"))
        negative = !negative;
    const char *name = r->p + r->i, *end = memchr(name, '}', r->n - r->i);
    if (end == NULL)
        return tempo_parser_malformed(r, "\\p{ without }");
    const size_t n = (size_t)(end - name);
    if (!tempo_regex_property(s, name, n, false, &known))
        return tempo_parser_no_memory(r);
    if (!known)
        return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "the pattern, byte %zu: the property \"%.*s\" is not supported", begin,
                          (int)(n < 64 ? n : 64), name);
    r->i += n + 1;
    return !negative || tempo_chars_invert(s) ? TEMPO_OK : tempo_parser_no_memory(r);
}

/* ---- classes ---- */

static tempo_status parse_class(tempo_parser *r, tempo_chars *out);

/* [:name:] or [:^name:] if it is one; *found. */
static tempo_status take_posix(tempo_parser *r, tempo_chars *s, bool *found)
{
    const size_t begin = r->i;
    bool known = false;

    *found = false;
    if (!tempo_parser_take(r, "[:"))
        return TEMPO_OK;
    const bool negative = tempo_parser_take(r, "^");
    size_t n = 0;
    while (r->i + n < r->n && ((r->p[r->i + n] | 0x20) >= 'a' && (r->p[r->i + n] | 0x20) <= 'z'))
        n++;
    const char *name = r->p + r->i;
    r->i += n;
    if (n > 0 && tempo_parser_take(r, ":]")) {
        if (!tempo_regex_property(s, name, n, true, &known) || (known && negative && !tempo_chars_invert(s)))
            return tempo_parser_no_memory(r);
        *found = known;
    }
    if (!*found)
        r->i = begin;
    return TEMPO_OK;
}

/* One thing of a class: a character (*single) or a set. */
static tempo_status take_member(tempo_parser *r, tempo_chars *s, uint32_t *c, bool *single)
{
    bool known;
    tempo_status st;

    *single = false;
    if (tempo_parser_looks_at(r, "[")) {
        if ((st = take_posix(r, s, &known)) != TEMPO_OK || known)
            return st;
        r->i++;
        return parse_class(r, s);
    }
    *single = true;
    if (!tempo_parser_take(r, "\\")) {
        *c = tempo_parser_take_char(r);
        return TEMPO_OK;
    }
    if (tempo_parser_at_end(r))
        return tempo_parser_malformed(r, "\\ at the end");
    if ((st = tempo_parser_take_escape(r, c, &known)) != TEMPO_OK || known)
        return st;
    *single = false;
    const char letter = r->p[r->i];
    if (letter == 'p' || letter == 'P')
        return tempo_parser_take_property(r, s);
    if (strchr("wWsSdDhH", letter) != NULL) {
        r->i++;
        return tempo_regex_shorthand(s, letter, true) ? TEMPO_OK : tempo_parser_no_memory(r);
    }
    if (letter == 'b' || (letter >= '1' && letter <= '7')) { /* in a class: backspace, an octal code */
        *single = true;
        *c = '\b';
        if (letter == 'b')
            r->i++;
        else
            (void)take_number(r, 8, 3, c);
        return TEMPO_OK;
    }
    if (strchr("cCM", letter) != NULL)
        return tempo_parser_unsupported(r, r->i, "control and meta characters (\\c, \\C-, \\M-)");
    *single = true;
    *c = tempo_parser_take_char(r);
    return TEMPO_OK;
}

/* The members up to "&&" or "]". */
static tempo_status parse_members(tempo_parser *r, tempo_chars *s, bool first)
{
    tempo_status st = TEMPO_OK;

    for (; st == TEMPO_OK && !tempo_parser_at_end(r) && !tempo_parser_looks_at(r, "&&"); first = false) {
        tempo_chars member = {0};
        uint32_t c = 0, last;
        bool single = false, ok = true;
        if (tempo_parser_looks_at(r, "]") &&
            !(first && memchr(r->p + r->i + 1, ']', r->n - r->i - 1) != NULL))
            break; /* as the first of a class it stands for itself */
        st = take_member(r, &member, &c, &single);
        last = c;
        if (st == TEMPO_OK && single && tempo_parser_looks_at(r, "-") && r->n - r->i > 1 &&
            r->p[r->i + 1] != ']') {
            const size_t dash = r->i++;
            bool end_single;
            st = take_member(r, &member, &last, &end_single);
            if (st == TEMPO_OK && !end_single) { /* [a-\d]: a dash */
                ok = tempo_chars_add(s, '-', '-');
                last = c;
            } else if (st == TEMPO_OK && last < c) {
                r->i = dash;
                st = tempo_parser_malformed(r, "a range that runs backwards");
            }
        }
        if (st == TEMPO_OK && single)
            ok = ok && tempo_chars_add(s, c, last);
        if (st == TEMPO_OK && (!ok || !tempo_chars_add_set(s, &member)))
            st = tempo_parser_no_memory(r);
        tempo_chars_free(&member);
    }
    tempo_chars_tidy(s);
    return st;
}

/* From behind the bracket to behind the closing one; negation not yet done: *negative.  Folded where case is
 * ignored, if it is the outermost.  */
tempo_status tempo_parser_class_body(tempo_parser *r, tempo_chars *out, bool *negative)
{
    tempo_status st;
    bool first = true;

    *negative = tempo_parser_take(r, "^");
    do {
        tempo_chars part = {0};
        st = parse_members(r, &part, first);
        if (first) {
            *out = part;
        } else {
            if (st == TEMPO_OK && !tempo_chars_intersect(out, &part))
                st = tempo_parser_no_memory(r);
            tempo_chars_free(&part);
        }
        first = false;
    } while (st == TEMPO_OK && tempo_parser_take(r, "&&"));
    if (st == TEMPO_OK && !tempo_parser_take(r, "]"))
        st = tempo_parser_malformed(r, "a class without ]");
    return st;
}

/* A class within a class. */
static tempo_status parse_class(tempo_parser *r, tempo_chars *out)
{
    tempo_chars s = {0};
    bool negative = false;
    tempo_status st;

    if (++r->depth > TEMPO_REGEX_MAX_DEPTH)
        return tempo_fail(r->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "the pattern is nested deeper than %d",
                          TEMPO_REGEX_MAX_DEPTH);
    st = tempo_parser_class_body(r, &s, &negative);
    if (st == TEMPO_OK && ((negative && !tempo_chars_invert(&s)) || !tempo_chars_add_set(out, &s)))
        st = tempo_parser_no_memory(r);
    tempo_chars_tidy(out);
    tempo_chars_free(&s);
    r->depth--;
    return st;
}
