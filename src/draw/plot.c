/* plot.c - see plot.h.  The colours are Okabe and Ito's, which people tell apart who do not see all of them.
 */
#include "draw/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw/svg.h"

enum {
    WIDTH = 760,
    LEFT = 64,
    RIGHT = 20,
    TITLE = 34, /* height of a panel's title */
    HEIGHT = 180,
    AXIS = 44,   /* height of the x axis' numbers and name */
    ROW = 20,    /* height of a row of names */
    COLUMN = 7,  /* width of a character, near enough */
    MARKED = 60, /* up to so many points a line has marks */
};

static const char *const colors[TEMPO_PLOT_LINES] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                     "#E69F00", "#56B4E9", "#000000", "#8C8C8C"};

void tempo_plot_add(tempo_plot *p, const char *name, double *y, size_t n)
{
    tempo_plot_line *l = &p->lines[p->n_lines];

    if (p->n_lines == TEMPO_PLOT_LINES) {
        p->left_out++;
        free(y);
        return;
    }
    (void)snprintf(l->name, sizeof(l->name), "%s", name);
    l->y = y;
    l->n = n;
    p->n_lines++;
}

void tempo_plot_free(tempo_plot *p)
{
    for (size_t i = 0; i < p->n_lines; i++)
        free(p->lines[i].y);
    *p = (tempo_plot){0};
}

/* ---- text ---- */

static void put_text(tempo_text *t, double x, double y, const char *anchor, const char *s)
{
    tempo_text_add(t, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    tempo_svg_escape(t, s);
    tempo_text_add(t, "</text>\n");
}

/* ---- scales ---- */

/* The least of 1, 2, 5, 10, 20, ... (times a power of ten) with at most `most` steps up to max. */
static double nice_step(double max, double most)
{
    const double power = pow(10.0, floor(log10(max / most)));
    const double by[] = {1.0, 2.0, 5.0, 10.0};

    for (size_t i = 0; i < 4; i++)
        if (max / (by[i] * power) <= most)
            return by[i] * power;
    return 10.0 * power;
}

typedef struct scale {
    double top, y_max; /* of the panel's drawing area; the value at its upper edge */
    size_t n;          /* greatest number of points */
    double slot;       /* width of one x */
} scale;

static double x_of(const scale *s, size_t i)
{
    return LEFT + s->slot * ((double)i + 0.5);
}

static double y_of(const scale *s, double v)
{
    return s->top + HEIGHT * (1.0 - v / s->y_max);
}

static scale scale_of(const tempo_plot *p, double top)
{
    scale s = {.top = top};
    double max = 0.0, step;

    for (size_t k = 0; k < p->n_lines; k++) {
        s.n = p->lines[k].n > s.n ? p->lines[k].n : s.n;
        for (size_t i = 0; i < p->lines[k].n; i++)
            if (isfinite(p->lines[k].y[i]) && p->lines[k].y[i] > max)
                max = p->lines[k].y[i];
    }
    max = max > 0.0 ? max : 1.0;
    step = nice_step(max, 5.0);
    s.y_max = step * ceil(max / step - 1e-9);
    s.slot = (double)(WIDTH - LEFT - RIGHT) / (double)(s.n > 0 ? s.n : 1);
    return s;
}

static void put_axes(tempo_text *t, const tempo_plot *p, const scale *s)
{
    const double by = nice_step(s->y_max, 5.0), bottom = s->top + HEIGHT;
    const double every = s->n > 1 ? fmax(1.0, nice_step((double)(s->n - 1), 15.0)) : 1.0;
    char number[32];

    for (size_t i = 0; (double)i * by <= s->y_max * (1.0 + 1e-9); i++) {
        const double y = y_of(s, (double)i * by);
        tempo_text_add(t, "<path d=\"M%d %.1fH%d\" stroke=\"%s\"/>\n", LEFT, y, WIDTH - RIGHT,
                       i == 0 ? "#555555" : "#dddddd");
        (void)snprintf(number, sizeof(number), "%.3g", (double)i * by);
        put_text(t, LEFT - 6, y + 4.0, "end", number);
    }
    for (size_t i = 0; i < s->n; i += (size_t)every) {
        (void)snprintf(number, sizeof(number), "%zu", i);
        put_text(t, x_of(s, i), bottom + 16.0, "middle", number);
    }
    put_text(t, LEFT + (WIDTH - LEFT - RIGHT) / 2.0, bottom + 34.0, "middle", p->x_name);
}

/* ---- what is shown ---- */

static void put_line(tempo_text *t, const scale *s, const tempo_plot_line *l, const char *color)
{
    bool pen = false;

    tempo_text_add(t, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" d=\"", color);
    for (size_t i = 0; i < l->n; i++) {
        if (isfinite(l->y[i]))
            tempo_text_add(t, "%c%.1f %.1f", pen ? 'L' : 'M', x_of(s, i), y_of(s, l->y[i]));
        pen = isfinite(l->y[i]);
    }
    tempo_text_add(t, "\"/>\n");
    for (size_t i = 0; i < l->n && l->n <= MARKED; i++)
        if (isfinite(l->y[i]))
            tempo_text_add(t, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x_of(s, i),
                           y_of(s, l->y[i]), color);
}

static void put_bars(tempo_text *t, const tempo_plot *p, const scale *s, size_t k)
{
    const double width = s->slot * 0.8 / (double)p->n_lines;
    const tempo_plot_line *l = &p->lines[k];

    for (size_t i = 0; i < l->n; i++) {
        if (!isfinite(l->y[i]))
            continue;
        const double x = x_of(s, i) - s->slot * 0.4 + width * (double)k, y = y_of(s, l->y[i]);
        tempo_text_add(t, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y,
                       width, s->top + HEIGHT - y, colors[k]);
    }
}

/* The names of a panel's lines, in rows from y on (t NULL: none are written); returns the rows. */
static size_t put_names(tempo_text *t, const tempo_plot *p, double y)
{
    double x = LEFT;
    size_t rows = 1;

    for (size_t k = 0; k < p->n_lines; k++) {
        const double width = 24.0 + COLUMN * (double)tempo_text_columns(p->lines[k].name);
        if (x > LEFT && x + width > WIDTH - RIGHT) {
            x = LEFT;
            rows++;
        }
        if (t != NULL) {
            const double row = y + ROW * (double)(rows - 1);
            tempo_text_add(t, "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x,
                           row + 4.0, colors[k]);
            put_text(t, x + 17.0, row + 14.0, "start", p->lines[k].name);
        }
        x += width + 10.0;
    }
    return rows;
}

static double height_of(const tempo_plot *p)
{
    return TITLE + HEIGHT + AXIS + ROW * (double)put_names(NULL, p, 0.0) + 12.0;
}

static void put_panel(tempo_text *t, const tempo_plot *p, double top)
{
    const scale s = scale_of(p, top + TITLE);
    char title[TEMPO_PLOT_NAME + 64];

    (void)snprintf(title, sizeof(title), "%s", p->title);
    if (p->left_out > 0)
        (void)snprintf(title, sizeof(title), "%s (the first %zu of %zu)", p->title, p->n_lines,
                       p->n_lines + p->left_out);
    tempo_text_add(t, "<g font-weight=\"bold\">\n");
    put_text(t, LEFT, top + 20.0, "start", title);
    tempo_text_add(t, "</g>\n");
    put_axes(t, p, &s);
    for (size_t k = 0; k < p->n_lines; k++)
        if (p->bars && s.n <= MARKED)
            put_bars(t, p, &s, k);
        else
            put_line(t, &s, &p->lines[k], colors[k]);
    (void)put_names(t, p, top + TITLE + HEIGHT + AXIS);
}

void tempo_plots_svg(tempo_text *t, const char *title, const char *note, const tempo_plot *plots, size_t n)
{
    const double first = *note != '\0' ? 4.0 + ROW : 4.0;
    double height = first + 4.0, top = first;

    for (size_t i = 0; i < n; i++)
        height += height_of(&plots[i]);
    tempo_text_add(
        t,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\" "
        "font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>",
        WIDTH, height, WIDTH, height);
    tempo_svg_escape(t, title);
    tempo_text_add(t, "</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n");
    if (*note != '\0')
        put_text(t, LEFT, 18.0, "start", note);
    for (size_t i = 0; i < n; i++) {
        put_panel(t, &plots[i], top);
        top += height_of(&plots[i]);
    }
    tempo_text_add(t, "</svg>\n");
}
