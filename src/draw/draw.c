/* draw.c - strings that grow, bars, sparklines, heat maps. */
#include "draw/draw.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---- */

static bool make_room(tempo_text *t, size_t more)
{
    if (t->failed || more > SIZE_MAX / 4 || t->n > SIZE_MAX / 4)
        return !(t->failed = true);
    if (t->n + more + 1 <= t->cap)
        return true;
    const size_t cap = 2 * (t->n + more + 1);
    char *s = realloc(t->s, cap);
    if (s == NULL)
        return !(t->failed = true);
    t->s = s;
    t->cap = cap;
    return true;
}

void tempo_text_add(tempo_text *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !make_room(t, (size_t)n)) {
        t->failed = true;
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(t->s + t->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    t->n += (size_t)n;
}

void tempo_text_repeat(tempo_text *t, const char *s, size_t count)
{
    while (count-- > 0 && !t->failed)
        tempo_text_add(t, "%s", s);
}

char *tempo_text_take(tempo_text *t)
{
    tempo_text_add(t, "%s", ""); /* an empty text is a string too */
    char *s = t->failed ? NULL : t->s;
    if (t->failed)
        free(t->s);
    *t = (tempo_text){0};
    return s;
}

void tempo_text_free(tempo_text *t)
{
    free(t->s);
    *t = (tempo_text){0};
}

size_t tempo_text_columns(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* ---- bars ---- */

static const char *const eighths[9] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
static const char *const heights[8] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

void tempo_draw_bar(tempo_text *t, double value, double max, size_t width)
{
    size_t filled = 0;

    if (width == 0)
        return;
    if (!isfinite(value) || !isfinite(max)) {
        tempo_text_add(t, "?%*s", (int)(width - 1), "");
        return;
    }
    if (value > 0 && max > 0) {
        const double part = value < max ? value / max : 1;
        filled = (size_t)(part * 8 * (double)width + 0.5);
        filled = filled == 0 ? 1 : filled;
    }
    tempo_text_repeat(t, eighths[8], filled / 8);
    tempo_text_add(t, "%s", eighths[filled % 8]);
    tempo_text_repeat(t, " ", width - filled / 8 - (filled % 8 != 0));
}

static double greatest(const double *v, size_t n)
{
    double max = 0;

    for (size_t i = 0; i < n; i++)
        max = isfinite(v[i]) && v[i] > max ? v[i] : max;
    return max;
}

void tempo_draw_sparkline(tempo_text *t, const double *v, size_t n)
{
    const double max = greatest(v, n);

    for (size_t i = 0; i < n; i++) {
        const double part = max > 0 && v[i] > 0 ? v[i] / max : 0;
        tempo_text_add(t, "%s", isfinite(v[i]) ? heights[(size_t)(part * 7 + 0.5)] : "?");
    }
}

/* ---- heat maps ---- */

enum { N_SHADES = 5, MAX_CELL = 2 };

static const char *const shades[N_SHADES] = {" ", "░", "▒", "▓", "█"};
static const int colors[N_SHADES] = {0, 17, 54, 161, 214}; /* of the 256: dark blue to orange; none for 0 */

/* 0: exactly nothing; 1 to 4: the quarters of max. */
static int shade_of(double value, double max)
{
    if (!(value > 0) || !(max > 0))
        return 0;
    const int s = (int)ceil(4 * (value < max ? value / max : 1));
    return s < 1 ? 1 : s;
}

/* The greatest of some neighbouring values; NaN if one is not finite. */
static double merged(const double *v, size_t n)
{
    double max = v[0];

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            return (double)NAN;
        max = v[i] > max ? v[i] : max;
    }
    return max;
}

static void draw_cell(tempo_text *t, const tempo_heat *h, double value, double max, size_t width)
{
    const int shade = shade_of(value, max);

    if (!isfinite(value)) {
        tempo_text_repeat(t, "?", width);
        return;
    }
    if (h->color && shade > 0)
        tempo_text_add(t, "\033[48;5;%dm\033[38;5;%dm", colors[shade], colors[shade]);
    tempo_text_repeat(t, shades[shade], width);
    if (h->color && shade > 0)
        tempo_text_add(t, "\033[0m");
}

/* Numbers of columns above the map, at every place where one has room. */
static void draw_axis(tempo_text *t, const tempo_heat *h, size_t margin, size_t group, size_t cell)
{
    size_t at = 0; /* columns written */

    tempo_text_add(t, "%*s %s\n%*s ", (int)margin, "", h->column_name, (int)margin, "");
    for (size_t i = 0; i * group < h->n_columns; i++) {
        char number[24];
        const int n = snprintf(number, sizeof(number), "%zu", h->first_column + i * group);
        if (i * cell < at + (at > 0) || (i % 4 != 0 && cell < 4))
            continue;
        tempo_text_add(t, "%*s%s", (int)(i * cell - at), "", number);
        at = i * cell + (size_t)n;
    }
    tempo_text_add(t, "\n");
}

static size_t count_digits(size_t x)
{
    size_t n = 1;

    while (x >= 10) {
        x /= 10;
        n++;
    }
    return n;
}

void tempo_draw_heat(tempo_text *t, const tempo_heat *h)
{
    const double max = h->max > 0 ? h->max : greatest(h->values, h->n_rows * h->n_columns);

    if (h->n_rows == 0 || h->n_columns == 0)
        return;
    const size_t digits = count_digits(h->first_row + h->n_rows - 1), name = tempo_text_columns(h->row_name);
    const size_t margin = name + 1 + digits;
    const size_t room = h->width > margin + 9 ? h->width - margin - 1 : 8;
    const size_t cell = h->n_columns * MAX_CELL <= room ? MAX_CELL : 1;
    const size_t group = (h->n_columns + room - 1) / room;

    draw_axis(t, h, margin, group, cell);
    for (size_t r = 0; r < h->n_rows; r++) {
        tempo_text_add(t, "%s %*zu ", r == 0 ? h->row_name : "", (int)(digits + (r == 0 ? 0 : name)),
                       h->first_row + r);
        for (size_t c = 0; c < h->n_columns; c += group) {
            const size_t left = h->n_columns - c, n = left < group ? left : group;
            draw_cell(t, h, merged(h->values + r * h->n_columns + c, n), max, cell);
        }
        tempo_text_add(t, "\n");
    }
    tempo_text_add(t, "%*s ", (int)margin, "");
    for (int s = 1; s < N_SHADES; s++) {
        draw_cell(t, h, s, N_SHADES - 1, MAX_CELL);
        tempo_text_add(t, " <= %.3g%s", max * s / 4, s + 1 < N_SHADES ? "  " : "\n");
    }
    if (group > 1)
        tempo_text_add(t, "%*s a cell is the greatest of %zu %ss\n", (int)margin, "", group, h->column_name);
}
