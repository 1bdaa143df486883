/* draw.h - text that shows numbers: a string that grows, and bars, sparklines and heat maps of Unicode blocks.
 *
 * Everything is UTF-8; widths are columns of a terminal, one for each character used here.  Values that are not
 * finite are shown as '?'.  Without memory a text remembers that it failed, and nobody has to check before the end.  */
#ifndef TEMPO_DRAW_H
#define TEMPO_DRAW_H
#include "base/status.h"

/* Begin with {0}. */
typedef struct tempo_text {
    char *s; /* NUL-terminated, or NULL while empty */
    size_t n, cap;
    bool failed;
} tempo_text;

void tempo_text_add(tempo_text *t, const char *fmt, ...) TEMPO_PRINTF(2, 3);
/* `count` times the same string. */
void tempo_text_repeat(tempo_text *t, const char *s, size_t count);
/* The string, which the caller frees; NULL if it failed.  t is empty afterwards. */
char *tempo_text_take(tempo_text *t);
void tempo_text_free(tempo_text *t);
/* Columns that valid UTF-8 takes, one a code point. */
size_t tempo_text_columns(const char *s);

/* A bar for value on a scale from 0 to max, in eighths of a column, filled up with spaces to `width` columns.
 * Above max it is full, below 0 empty; a positive value is never quite invisible.  */
void tempo_draw_bar(tempo_text *t, double value, double max, size_t width);
/* One block a value, in eight heights from 0 to the greatest finite one. */
void tempo_draw_sparkline(tempo_text *t, const double *v, size_t n);

typedef struct tempo_heat {
    const double *values; /* [n_rows, n_columns], >= 0 */
    size_t n_rows, n_columns;
    const char *row_name, *column_name; /* what the axes are: "layer", "head" */
    size_t first_row, first_column;     /* their numbers */
    double max;                         /* of the scale; 0 = the greatest finite value */
    size_t width;                       /* columns of the terminal; cells are merged (their greatest shown) to fit */
    bool color;                         /* the shades also as background colours of a terminal with 256 of them */
} tempo_heat;

/* A map with a line for every row, numbered axes and a legend: five shades, from nothing to max.  Above 0 the first
 * shade means up to a quarter of max, and so on; only 0 itself is blank.  */
void tempo_draw_heat(tempo_text *t, const tempo_heat *h);

#endif
