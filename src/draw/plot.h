/* plot.h - pictures of a few series of numbers as SVG: panels of lines or bars over 0, 1, 2, ...
 *
 * The text is UTF-8 and well-formed XML whatever the names are; it refers to nothing outside itself and has no script.  */
#ifndef TEMPO_DRAW_PLOT_H
#define TEMPO_DRAW_PLOT_H
#include "draw/draw.h"

enum { TEMPO_PLOT_LINES = 8, TEMPO_PLOT_NAME = 200 };

typedef struct tempo_plot_line {
    char name[TEMPO_PLOT_NAME];
    double *y; /* [n]; what is not finite is a gap */
    size_t n;
} tempo_plot_line;

/* Begin with {0}.  The y axis begins at 0: no value may be below. */
typedef struct tempo_plot {
    char title[TEMPO_PLOT_NAME];
    const char *x_name; /* what 0, 1, 2, ... number: "layer", "step" */
    bool bars;          /* the lines side by side at each x, so that equal ones do not hide one another */
    tempo_plot_line lines[TEMPO_PLOT_LINES];
    size_t n_lines, left_out; /* left_out: lines beyond the last that there is room for; the panel says so */
} tempo_plot;

/* Add a line and take y, which is freed with the plot. */
void tempo_plot_add(tempo_plot *p, const char *name, double *y, size_t n);
void tempo_plot_free(tempo_plot *p);
/* The panels one below another, and a line of text above them unless it is "". */
void tempo_plots_svg(tempo_text *t, const char *title, const char *note, const tempo_plot *plots, size_t n);

#endif
