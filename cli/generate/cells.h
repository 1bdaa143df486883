/* cells.h - a screen of character cells, and the ANSI text that turns one screen into another.
 *
 * Bytes from outside become glyphs here: what controls a terminal, what is not UTF-8 and what has no shape of its own is
 * spelled out, so that a screen never holds an escape sequence.  Widths are Unicode's (utf8proc), whatever the locale.  */
#ifndef TEMPO_CLI_GENERATE_CELLS_H
#define TEMPO_CLI_GENERATE_CELLS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STYLE_LEVELS = 6, GLYPH_BYTES = 24 };

typedef enum cell_style {
    STYLE_PLAIN,
    STYLE_DIM,
    STYLE_BOLD,
    STYLE_MARK,    /* what stands out: a first difference, an end */
    STYLE_FILLED,  /* .. + STYLE_LEVELS - 1: on a ground as light as a probability is high */
} cell_style;

/* A character with its combining marks, or an escape of several characters. */
typedef struct glyph {
    char text[GLYPH_BYTES]; /* [n] UTF-8 */
    uint8_t n, width;       /* width in cells, at least 1 */
    bool spelled;           /* every byte is a cell of its own */
} glyph;

/* How spaces and line ends are shown. */
typedef enum glyph_spaces { SPACES_VISIBLE, SPACES_AS_TEXT } glyph_spaces;

/* The glyph that s[n] begins with, n > 0; returns the bytes that it took. */
size_t next_glyph(const char *s, size_t n, glyph_spaces spaces, glyph *g);
/* Cells that s[n] takes. */
size_t glyphs_width(const char *s, size_t n, glyph_spaces spaces);

typedef struct cell {
    char text[GLYPH_BYTES];
    uint8_t n, width, style; /* width 0: the right half of the cell before; n 0: empty */
} cell;

typedef struct screen {
    int width, height;
    cell *cells; /* [height, width] */
} screen;

/* Make it that size, and empty.  false: out of memory, and 0 x 0. */
bool screen_resize(screen *s, int width, int height);
void screen_clear(screen *s);
void screen_free(screen *s);

/* Put a glyph at x, y, if it fits left of `end`; returns the column behind it, or x if it did not fit. */
int screen_put(screen *s, int x, int y, int end, const glyph *g, cell_style style);
/* As much of text[n] as fits, with an ellipsis for the rest; returns the column behind it. */
int screen_text(screen *s, int x, int y, int end, const char *text, size_t n, glyph_spaces spaces, cell_style style);
/* Empty cells from x to end in that style. */
void screen_fill(screen *s, int x, int y, int end, cell_style style);

typedef struct text_buffer {
    char *p; /* [n] */
    size_t n, cap;
    bool failed; /* out of memory: what p holds is not whole */
} text_buffer;

/* Append what a terminal that shows `from` needs in order to show `to`; sizes that differ: everything. */
void screen_diff(const screen *from, const screen *to, bool colors, text_buffer *out);

#endif
