/* page.h - what texts of an analysis are put together from: for a terminal, or as Markdown. */
#ifndef TEMPO_ANALYZE_PAGE_H
#define TEMPO_ANALYZE_PAGE_H
#include <jansson.h>

#include "analyze/analyze.h"
#include "base/status.h"
#include "draw/draw.h"

enum { TEMPO_PAGE_COLUMNS = 12 /* of a table, at most */, TEMPO_PAGE_BAR = 20 /* columns of a bar */ };

typedef struct tempo_page {
    tempo_text t;
    const tempo_analyze_style *style;
} tempo_page;

/* Cells of a line of a table, of widths[i] columns; the last one is not padded. */
typedef struct tempo_table {
    tempo_page *p;
    size_t n, at;
    int widths[TEMPO_PAGE_COLUMNS];
} tempo_table;

/* fmt takes a and b. */
void tempo_page_heading(tempo_page *p, int level, const char *fmt, const char *a, const char *b);
/* Facts in words: a paragraph of its own in Markdown. */
void tempo_page_say(tempo_page *p, const char *fmt, ...) TEMPO_PRINTF(2, 3);
/* names[n] right-aligned in columns of widths[n]; then cells, row after row, and the end. */
tempo_table tempo_page_table(tempo_page *p, size_t n, const char *const *names, const int *widths);
void tempo_page_cell(tempo_table *t, const char *s);
void tempo_page_number(tempo_table *t, const char *fmt, double x) __attribute__((format(printf, 2, 0)));
void tempo_page_bar(tempo_table *t, double value, double max);
void tempo_page_end(tempo_page *p);
/* A layers x heads map of the report c, under a title. */
void tempo_page_heat(tempo_page *p, const char *title, const json_t *c, const json_t *map);

/* Numbers as documents of an analysis have them; NaN, 0 and "" where there is none. */
double tempo_number_at(const json_t *o, const char *key);
double tempo_element(const json_t *a, size_t i);
size_t tempo_size_at(const json_t *o, const char *key);
const char *tempo_text_at(const json_t *o, const char *key);
double tempo_greatest(const json_t *a); /* of an array; at least 0 */

#endif
