/* page.h - what texts for people are put together from: for a terminal, or as Markdown. */
#ifndef TEMPO_DRAW_PAGE_H
#define TEMPO_DRAW_PAGE_H
#include "base/status.h"
#include "draw/draw.h"

enum { TEMPO_PAGE_COLUMNS = 12 /* of a table, at most */, TEMPO_PAGE_BAR = 20 /* columns of a bar */ };

typedef struct tempo_page_style {
    bool markdown; /* headings, tables and fences, instead of a terminal's text */
    bool color;
    size_t width; /* columns */
} tempo_page_style;

typedef struct tempo_page {
    tempo_text t;
    const tempo_page_style *style;
} tempo_page;

/* Cells of a line of a table, of widths[i] columns; the last one is not padded. */
typedef struct tempo_table {
    tempo_page *p;
    size_t n, at;
    bool named; /* the first column has names, which stand at the left, and two spaces follow a cell instead of going before it */
    int widths[TEMPO_PAGE_COLUMNS];
} tempo_table;

/* An empty line first, unless the page begins with it. */
void tempo_page_heading(tempo_page *p, unsigned level, const char *fmt, ...) TEMPO_PRINTF(3, 4);
/* Facts in words, in lines as wide as the page: a paragraph of its own in Markdown. */
void tempo_page_say(tempo_page *p, const char *fmt, ...) TEMPO_PRINTF(2, 3);
/* names[n] at the right of columns of widths[n]; then cells, row after row, and the end. */
tempo_table tempo_page_table(tempo_page *p, size_t n, const char *const *names, const int *widths);
/* The same with names in the first column. */
tempo_table tempo_page_named_table(tempo_page *p, size_t n, const char *const *names, const int *widths);
void tempo_page_cell(tempo_table *t, const char *s);
void tempo_page_number(tempo_table *t, const char *fmt, double x) __attribute__((format(printf, 2, 0)));
void tempo_page_bar(tempo_table *t, double value, double max);
void tempo_page_end(tempo_page *p);
/* A map, and anything else of fixed columns, stands between a pair of these. */
void tempo_page_fence(tempo_page *p);
void tempo_page_heat(tempo_page *p, const tempo_heat *h); /* with its fences; width and colour are the page's */

#endif
