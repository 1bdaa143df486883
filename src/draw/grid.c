/* grid.c - see grid.h.  Blue, and blue to vermilion through white (Okabe and Ito's), which people tell apart
 * who do not see all colours; both also differ in how dark they are, so that a grid can be printed in grey.
 */
#include "draw/grid.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "draw/svg.h"

enum {
    HEIGHT = 22, /* of a row */
    COLUMN = 7,  /* of a character, near enough */
    LEAST = 26,  /* width of a cell */
    MOST = 104,
    LABEL = 180,  /* most that labels of rows take */
    TOP = 62,     /* title and note */
    BELOW = 58,   /* labels and name of the columns */
    LEGEND = 96,  /* right of the grid */
    STRIPES = 48, /* of the legend */
};

typedef struct layout {
    double left, right, top, bottom, cell; /* of the cells; width of one */
} layout;

/* ---- colours ---- */

typedef struct color {
    double r, g, b;
} color;

static color between(color a, color b, double part)
{
    return (color){a.r + (b.r - a.r) * part, a.g + (b.g - a.g) * part, a.b + (b.b - a.b) * part};
}

/* part: 0 at the scale's low end, 1 at its high one. */
static color color_at(const tempo_grid *g, double part)
{
    static const color white = {255, 255, 255}, blue = {0, 84, 140}, vermilion = {190, 70, 0};

    if (!g->diverging)
        return between(white, blue, part);
    return part < 0.5 ? between(white, blue, 1 - 2 * part) : between(white, vermilion, 2 * part - 1);
}

static color color_of(const tempo_grid *g, double value)
{
    static const color grey = {221, 221, 221};
    const double part = (value - g->low) / (g->high - g->low);

    if (!isfinite(value))
        return grey;
    return color_at(g, part < 0 ? 0 : part > 1 ? 1 : part);
}

/* Of text on it: whichever of black and white stands out. */
static const char *ink_on(color c)
{
    return 0.299 * c.r + 0.587 * c.g + 0.114 * c.b < 140 ? "#ffffff" : "#111111";
}

static void put_color(tempo_text *t, color c)
{
    tempo_text_add(t, "#%02x%02x%02x", (unsigned)(c.r + 0.5), (unsigned)(c.g + 0.5), (unsigned)(c.b + 0.5));
}

/* ---- text ---- */

/* As much of s as `columns` characters hold, with an ellipsis for the rest. */
static void put_cut(tempo_text *t, const char *s, size_t columns)
{
    char cut[512];
    size_t n = 0, at = 0;

    if (tempo_text_columns(s) <= columns) {
        tempo_svg_escape(t, s);
        return;
    }
    for (; s[at] != '\0' && at + 4 < sizeof(cut); at++) {
        n += ((unsigned char)s[at] & 0xc0) != 0x80;
        if (n >= columns)
            break;
        cut[at] = s[at];
    }
    cut[at] = '\0';
    tempo_svg_escape(t, cut);
    tempo_text_add(t, "\u2026");
}

static void put_text(tempo_text *t, double x, double y, const char *more, const char *s, size_t columns)
{
    tempo_text_add(t, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, more);
    put_cut(t, s, columns);
    tempo_text_add(t, "</text>\n");
}

static size_t widest(const char *const *texts, size_t n)
{
    size_t most = 0;

    for (size_t i = 0; texts != NULL && i < n; i++) {
        const size_t columns = tempo_text_columns(texts[i]);
        most = columns > most ? columns : most;
    }
    return most;
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static layout lay_out(const tempo_grid *g)
{
    const size_t label = widest(g->rows, g->n_rows), head = widest(g->columns, g->n_columns);
    const size_t text = widest(g->texts, g->n_rows * g->n_columns);
    layout l = {.left = 34 + clamp(COLUMN * (double)label, 20, LABEL), .top = TOP};

    l.cell = clamp(8 + COLUMN * (double)(text > head ? text : head), LEAST, MOST);
    l.right = l.left + l.cell * (double)g->n_columns;
    l.bottom = l.top + HEIGHT * (double)g->n_rows;
    return l;
}

/* ---- parts ---- */

static void put_cell(tempo_text *t, const tempo_grid *g, const layout *l, size_t row, size_t column)
{
    const size_t at = row * g->n_columns + column, line = g->upwards ? g->n_rows - 1 - row : row;
    const double x = l->left + l->cell * (double)column, y = l->top + HEIGHT * (double)line;
    const color c = color_of(g, g->values[at]);
    char number[48];

    tempo_text_add(t, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" stroke=\"#ffffff\" fill=\"",
                   x, y, l->cell, HEIGHT);
    put_color(t, c);
    tempo_text_add(t, "\"><title>");
    tempo_svg_escape(t, g->rows[row]);
    tempo_text_add(t, " / ");
    tempo_svg_escape(t, g->columns[column]);
    tempo_text_add(t, ": ");
    if (g->texts != NULL) {
        tempo_svg_escape(t, g->texts[at]);
        tempo_text_add(t, "  ");
    }
    (void)snprintf(number, sizeof(number), "%.6g", g->values[at]);
    tempo_svg_escape(t, isfinite(g->values[at]) ? number : "no number");
    tempo_text_add(t, "</title></rect>\n");
    if (g->texts == NULL)
        return;
    (void)snprintf(number, sizeof(number), "text-anchor=\"middle\" fill=\"%s\"", ink_on(c));
    put_text(t, x + l->cell / 2, y + HEIGHT - 7, number, g->texts[at], (size_t)((l->cell - 4) / COLUMN));
}

static void put_labels(tempo_text *t, const tempo_grid *g, const layout *l)
{
    const size_t columns = (size_t)((l->cell - 2) / COLUMN);
    const double middle = (l->top + l->bottom) / 2;
    char more[96];

    for (size_t r = 0; r < g->n_rows; r++) {
        const size_t line = g->upwards ? g->n_rows - 1 - r : r;
        put_text(t, l->left - 6, l->top + HEIGHT * (double)line + HEIGHT - 7, "text-anchor=\"end\"",
                 g->rows[r], LABEL / COLUMN);
    }
    for (size_t c = 0; c < g->n_columns; c++)
        put_text(t, l->left + l->cell * ((double)c + 0.5), l->bottom + 16, "text-anchor=\"middle\"",
                 g->columns[c], columns);
    put_text(t, (l->left + l->right) / 2, l->bottom + 38, "text-anchor=\"middle\" font-size=\"13\"",
             g->column_name, SIZE_MAX);
    (void)snprintf(more, sizeof(more),
                   "text-anchor=\"middle\" font-size=\"13\" transform=\"rotate(-90 16 %.1f)\"", middle);
    put_text(t, 16, middle, more, g->row_name, SIZE_MAX);
}

static void put_legend(tempo_text *t, const tempo_grid *g, const layout *l)
{
    const double height = clamp(l->bottom - l->top - 20, 44, 200), x = l->right + 20, top = l->top + 20;
    char number[32];

    put_text(t, x, l->top + 8, "text-anchor=\"start\"", g->value_name, SIZE_MAX);
    for (size_t i = 0; i < STRIPES; i++) {
        tempo_text_add(t, "<rect x=\"%.1f\" y=\"%.2f\" width=\"16\" height=\"%.2f\" fill=\"", x,
                       top + height * (double)i / STRIPES, height / STRIPES + 0.3);
        put_color(t, color_at(g, 1 - ((double)i + 0.5) / STRIPES));
        tempo_text_add(t, "\"/>\n");
    }
    tempo_text_add(
        t, "<rect x=\"%.1f\" y=\"%.1f\" width=\"16\" height=\"%.1f\" fill=\"none\" stroke=\"#555555\"/>\n", x,
        top, height);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(number, sizeof(number), "%.3g", g->high + (g->low - g->high) * (double)i / 2);
        put_text(t, x + 21, top + 4 + height * (double)i / 2, "text-anchor=\"start\"", number, SIZE_MAX);
    }
}

void tempo_grid_svg(tempo_text *t, const tempo_grid *g)
{
    const layout l = lay_out(g);
    const double legend = 40 + COLUMN * (double)tempo_text_columns(g->value_name);
    const double title = 40 + 8 * (double)tempo_text_columns(g->title);
    const double note = g->note != NULL ? 40 + 6.5 * (double)tempo_text_columns(g->note) : 0;
    const double width = fmax(l.right + fmax(LEGEND, legend), fmax(title, note));
    const double height = fmax(l.bottom, l.top + 70) + BELOW;

    tempo_text_add(
        t,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
        "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" role=\"img\">\n<title>",
        width, height, width, height);
    tempo_svg_escape(t, g->title);
    tempo_text_add(t, "</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n");
    put_text(t, 16, 24, "text-anchor=\"start\" font-size=\"15\" font-weight=\"bold\"", g->title, SIZE_MAX);
    if (g->note != NULL)
        put_text(t, 16, 44, "text-anchor=\"start\" fill=\"#444444\"", g->note, SIZE_MAX);
    for (size_t r = 0; r < g->n_rows; r++)
        for (size_t c = 0; c < g->n_columns; c++)
            put_cell(t, g, &l, r, c);
    put_labels(t, g, &l);
    put_legend(t, g, &l);
    tempo_text_add(t, "</svg>\n");
}
