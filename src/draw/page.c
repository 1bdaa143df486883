/* page.c - see page.h */
#include "draw/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tempo_page_heading(tempo_page *p, unsigned level, const char *fmt, ...)
{
    char line[9000]; /* two paths and what is said of them */
    const bool color = p->style->color && !p->style->markdown;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    tempo_text_add(&p->t, "%s", p->t.n > 0 ? "\n" : "");
    if (p->style->markdown) {
        tempo_text_repeat(&p->t, "#", level);
        tempo_text_add(&p->t, " ");
    }
    tempo_text_add(&p->t, "%s%s%s%s", color ? "\033[1m" : "", line, color ? "\033[0m" : "",
                   p->style->markdown ? "\n\n" : "\n");
}

/* Words of a line at most style->width columns wide, two of them a margin. */
static void wrap(tempo_page *p, const char *s)
{
    const size_t width = p->style->width > 22 ? p->style->width - 2 : 20;

    while (*s != '\0') {
        size_t end = 0, columns = 0; /* up to the last space that fits, or to the first one */
        for (size_t i = 0; s[i] != '\0' && (columns <= width || end == 0); i++) {
            columns += ((unsigned char)s[i] & 0xc0) != 0x80;
            if ((s[i + 1] == ' ' || s[i + 1] == '\0') && (columns <= width || end == 0))
                end = i + 1;
        }
        tempo_text_add(&p->t, "  %.*s\n", (int)end, s);
        s += end + strspn(s + end, " ");
    }
}

void tempo_page_say(tempo_page *p, const char *fmt, ...)
{
    char line[9000]; /* two paths and what is said of them */
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (p->style->markdown)
        tempo_text_add(&p->t, "%s\n\n", line);
    else
        wrap(p, line);
}

void tempo_page_cell(tempo_table *t, const char *s)
{
    const size_t columns = tempo_text_columns(s), width = (size_t)t->widths[t->at];
    const bool left = t->named && t->at == 0;
    tempo_text *text = &t->p->t;

    if (t->p->style->markdown) {
        tempo_text_add(text, "| %s ", s);
    } else {
        const size_t room = columns < width ? width - columns : 0;
        tempo_text_add(text, "%s", t->named ? "" : "  ");
        tempo_text_repeat(text, " ", left ? 0 : room);
        tempo_text_add(text, "%s", s);
        tempo_text_repeat(text, " ", left ? room : 0);
        tempo_text_add(text, "%s", t->named ? "  " : "");
    }
    if (++t->at == t->n) {
        tempo_text_add(text, t->p->style->markdown ? "|\n" : "\n");
        t->at = 0;
    }
}

void tempo_page_number(tempo_table *t, const char *fmt, double x)
{
    char s[48];

    (void)snprintf(s, sizeof(s), fmt, x);
    tempo_page_cell(t, s);
}

void tempo_page_bar(tempo_table *t, double value, double max)
{
    tempo_text bar = {0};

    tempo_draw_bar(&bar, value, max, TEMPO_PAGE_BAR);
    tempo_page_cell(t, bar.s != NULL ? bar.s : "");
    tempo_text_free(&bar);
}

static tempo_table begin_table(tempo_page *p, size_t n, const char *const *names, const int *widths,
                               bool named)
{
    tempo_table t = {.p = p, .n = n, .named = named};

    memcpy(t.widths, widths, n * sizeof(*widths));
    for (size_t i = 0; i < n; i++)
        tempo_page_cell(&t, names[i]);
    for (size_t i = 0; i < n && p->style->markdown; i++)
        tempo_text_add(&p->t, !named ? "| --- " : i == 0 ? "|---" : "|---:");
    if (p->style->markdown)
        tempo_text_add(&p->t, "|\n");
    return t;
}

tempo_table tempo_page_table(tempo_page *p, size_t n, const char *const *names, const int *widths)
{
    return begin_table(p, n, names, widths, false);
}

tempo_table tempo_page_named_table(tempo_page *p, size_t n, const char *const *names, const int *widths)
{
    return begin_table(p, n, names, widths, true);
}

void tempo_page_end(tempo_page *p)
{
    if (p->style->markdown)
        tempo_text_add(&p->t, "\n");
}

void tempo_page_fence(tempo_page *p)
{
    if (p->style->markdown)
        tempo_text_add(&p->t, "```\n");
}

void tempo_page_heat(tempo_page *p, const tempo_heat *h)
{
    tempo_heat own = *h;

    own.width = p->style->width;
    own.color = p->style->color && !p->style->markdown;
    tempo_page_fence(p);
    tempo_draw_heat(&p->t, &own);
    tempo_page_fence(p);
}
