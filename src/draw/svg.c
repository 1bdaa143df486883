/* svg.c - text in SVG. */
#include "draw/svg.h"

/* Bytes of the UTF-8 character at s; 0 when none begins there, as where a name was cut. */
static size_t character(const unsigned char *s)
{
    const size_t n = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : *s >= 0xc2 ? 2 : 0;

    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

void tempo_svg_escape(tempo_text *t, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    while (*p != '\0') {
        const size_t n = character(p);
        const bool noncharacter = n == 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe;
        if (n == 0 || *p < 0x20 || *p == 0x7f || noncharacter)
            tempo_text_add(t, "?");
        else if (*p == '<' || *p == '>' || *p == '&')
            tempo_text_add(t, *p == '<' ? "&lt;" : *p == '>' ? "&gt;" : "&amp;");
        else
            tempo_text_add(t, "%.*s", (int)n, (const char *)p);
        p += n > 0 ? n : 1;
    }
}
