/* page.c - see page.h */
#include "analyze/page.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/parts.h"

void tempo_page_heading(tempo_page *p, int level, const char *fmt, const char *a, const char *b)
{
    tempo_text line = {0};

    tempo_text_add(&line, fmt, a, b);
    const char *s = line.s != NULL ? line.s : "";
    if (p->style->markdown)
        tempo_text_add(&p->t, "%s%s %s\n\n", p->t.n > 0 ? "\n" : "", level == 1 ? "#" : "##", s);
    else if (p->style->color)
        tempo_text_add(&p->t, "%s\033[1m%s\033[0m\n", p->t.n > 0 ? "\n" : "", s);
    else
        tempo_text_add(&p->t, "%s%s\n", p->t.n > 0 ? "\n" : "", s);
    p->t.failed |= line.failed;
    tempo_text_free(&line);
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
    tempo_text *text = &t->p->t;

    if (t->p->style->markdown) {
        tempo_text_add(text, "| %s ", s);
    } else {
        tempo_text_add(text, "  ");
        tempo_text_repeat(text, " ", columns < width ? width - columns : 0);
        tempo_text_add(text, "%s", s);
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

tempo_table tempo_page_table(tempo_page *p, size_t n, const char *const *names, const int *widths)
{
    tempo_table t = {.p = p, .n = n};

    memcpy(t.widths, widths, n * sizeof(*widths));
    for (size_t i = 0; i < n; i++)
        tempo_page_cell(&t, names[i]);
    if (p->style->markdown) {
        tempo_text_repeat(&p->t, "| --- ", n);
        tempo_text_add(&p->t, "|\n");
    }
    return t;
}

void tempo_page_end(tempo_page *p)
{
    if (p->style->markdown)
        tempo_text_add(&p->t, "\n");
}

double tempo_number_at(const json_t *o, const char *key)
{
    return tempo_json_value(json_object_get(o, key));
}

double tempo_element(const json_t *a, size_t i)
{
    return tempo_json_value(json_array_get(a, i));
}

size_t tempo_size_at(const json_t *o, const char *key)
{
    return (size_t)json_integer_value(json_object_get(o, key));
}

const char *tempo_text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

double tempo_greatest(const json_t *a)
{
    double max = 0;

    for (size_t i = 0; i < json_array_size(a); i++)
        max = isfinite(tempo_element(a, i)) && tempo_element(a, i) > max ? tempo_element(a, i) : max;
    return max;
}

void tempo_page_heat(tempo_page *p, const char *title, const json_t *c, const json_t *map)
{
    const size_t rows = json_array_size(map), columns = json_array_size(json_array_get(map, 0));
    double *v = calloc(rows * columns + 1, sizeof(*v));

    if (v == NULL) {
        p->t.failed = true;
        return;
    }
    for (size_t i = 0; i < rows * columns; i++)
        v[i] = tempo_element(json_array_get(map, i / columns), i % columns);
    tempo_page_say(p, "%s", title);
    if (p->style->markdown)
        tempo_text_add(&p->t, "```\n");
    const tempo_heat h = {.values = v,
                          .n_rows = rows,
                          .n_columns = columns,
                          .row_name = "layer",
                          .column_name = "head",
                          .first_row = tempo_size_at(c, "first_layer"),
                          .first_column = tempo_size_at(c, "first_head"),
                          .width = p->style->width,
                          .color = p->style->color && !p->style->markdown};
    tempo_draw_heat(&p->t, &h);
    if (p->style->markdown)
        tempo_text_add(&p->t, "```\n\n");
    free(v);
}
