/* show.c - text from a model on a terminal: it must not control it, and may end within a character. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"

bool use_colors(int when)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    if (when != COLOR_AUTO)
        return when == COLOR_ALWAYS;
    return (no_color == NULL || no_color[0] == '\0') && isatty(STDOUT_FILENO) &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

/* Bytes of the valid character at s[n], 0 if there is none. */
static size_t char_at(const char *s, size_t n)
{
    for (size_t len = 1; len <= 4 && len <= n; len++)
        if (tempo_utf8_valid(s, len) == len)
            return len;
    return 0;
}

/* C0, DEL, and C1 as UTF-8 (0xc2 0x80..0x9f) */
static bool is_control(const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;

    return (len == 1 && (u[0] < 0x20 || u[0] == 0x7f)) || (len == 2 && u[0] == 0xc2 && u[1] < 0xa0);
}

static void show_escape(const char *s, size_t len)
{
    if (len == 1 && *s == '\n')
        printf("\\n");
    else if (len == 1 && *s == '\t')
        printf("\\t");
    else
        for (size_t i = 0; i < len; i++)
            printf("\\x%02x", (unsigned char)s[i]);
}

void show_token(const char *s, size_t n)
{
    while (n > 0) {
        size_t len = char_at(s, n);
        if (len == 0) {
            printf("<0x%02X>", (unsigned char)*s);
            len = 1;
        } else if (is_control(s, len)) {
            show_escape(s, len);
        } else {
            (void)fwrite(s, 1, len, stdout);
        }
        s += len;
        n -= len;
    }
}

size_t token_width(const char *s, size_t n)
{
    size_t width = 0;

    while (n > 0) {
        const size_t len = char_at(s, n);
        if (len == 0)
            width += 6; /* <0xAB> */
        else if (is_control(s, len))
            width += len == 1 && (*s == '\n' || *s == '\t') ? 2 : 4 * len;
        else
            width++;
        s += len > 0 ? len : 1;
        n -= len > 0 ? len : 1;
    }
    return width;
}

/* Could s[n] become a character when more bytes follow? */
static bool is_beginning(const char *s, size_t n)
{
    static const char *const ends[] = {"\x80", "\x80\x80", "\x80\x80\x80",
                                       "\xa0", "\xa0\x80", "\x90\x80\x80"};
    char whole[8];

    for (size_t i = 0; n < 4 && i < sizeof(ends) / sizeof(*ends); i++) {
        const size_t len = strlen(ends[i]);
        memcpy(whole, s, n);
        memcpy(whole + n, ends[i], len);
        if (tempo_utf8_valid(whole, n + len) == n + len)
            return true;
    }
    return false;
}

void show_text(held_text *held, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        held->p[held->n++] = s[i];
        const size_t len = char_at(held->p, held->n);
        if (len == 0 && is_beginning(held->p, held->n))
            continue;
        if (len == 0) {
            show_held(held);
        } else {
            if (is_control(held->p, len) && held->p[0] != '\n' && held->p[0] != '\t')
                show_escape(held->p, len);
            else
                (void)fwrite(held->p, 1, len, stdout);
            held->n = 0;
        }
    }
}

void show_held(held_text *held)
{
    for (size_t i = 0; i < held->n; i++)
        printf("<0x%02X>", (unsigned char)held->p[i]);
    held->n = 0;
}
