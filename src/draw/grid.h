/* grid.h - a grid of cells as SVG: a number a cell as its colour, and a short text in it.
 *
 * The text is UTF-8 and well-formed XML whatever the names are; it refers to nothing outside itself and has no script.  */
#ifndef TEMPO_DRAW_GRID_H
#define TEMPO_DRAW_GRID_H
#include "draw/draw.h"

/* Strings are borrowed.  Begin with {0}. */
typedef struct tempo_grid {
    const char *title, *note;                          /* above it; note NULL: none */
    const char *row_name, *column_name, *value_name;   /* what the axes and the colours are */
    size_t n_rows, n_columns;                          /* both at least 1 */
    const char *const *rows, *const *columns;          /* [n] their labels */
    const double *values;                              /* [rows, columns]; what is not finite is a grey cell */
    const char *const *texts;                          /* [rows, columns], or NULL: none */
    double low, high; /* values of the ends of the scale, low < high; beyond them the colour is that of the end */
    bool diverging;   /* the middle of the scale is white and both ends are coloured: for signed numbers */
    bool upwards;     /* the first row is the lowest */
} tempo_grid;

/* Each cell also has its labels, text and number as a tooltip. */
void tempo_grid_svg(tempo_text *t, const tempo_grid *g);

#endif
