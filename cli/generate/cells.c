/* cells.c - glyphs from bytes, cells from glyphs, ANSI from cells. */
#include "cli/generate/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- glyphs ---- */

static void set_glyph(glyph *g, const char *text, size_t width)
{
    g->n = (uint8_t)strlen(text);
    memcpy(g->text, text, g->n);
    g->width = (uint8_t)width;
    g->spelled = false;
}

static void spell(glyph *g, const char *format, unsigned value)
{
    (void)snprintf(g->text, sizeof(g->text), format, value);
    g->n = g->width = (uint8_t)strlen(g->text);
    g->spelled = true;
}

static bool is_mark(utf8proc_int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);

    return (k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME) && utf8proc_charwidth(c) == 0;
}

/* They ask for another width than the character has, and terminals differ in whether they obey. */
static bool is_variation_selector(utf8proc_int32_t c)
{
    return c >= 0xfe00 && c <= 0xfe0f;
}

static size_t decode(const char *s, size_t n, utf8proc_int32_t *c)
{
    const utf8proc_ssize_t len =
        utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)(n < 4 ? n : 4), c);

    return len > 0 ? (size_t)len : 0;
}

/* The marks that follow a character belong to its cell, as many as there is room for; the others are left
 * out. */
static size_t take_marks(const char *s, size_t n, glyph *g)
{
    size_t used = 0;
    utf8proc_int32_t c;

    for (size_t len; used < n && (len = decode(s + used, n - used, &c)) > 0 && is_mark(c); used += len) {
        if (is_variation_selector(c) || g->n + len > sizeof(g->text))
            continue;
        memcpy(g->text + g->n, s + used, len);
        g->n = (uint8_t)(g->n + len);
    }
    return used;
}

static void space_glyph(utf8proc_int32_t c, glyph_spaces spaces, glyph *g)
{
    if (c == '\n')
        set_glyph(g, "\u21b5", 1);
    else if (c == '\t')
        set_glyph(g, "\u21e5", 1);
    else if (spaces == SPACES_AS_TEXT)
        set_glyph(g, " ", 1);
    else if (c == ' ')
        set_glyph(g, "\u00b7", 1);
    else
        spell(g, "<U+%04X>", (unsigned)c);
}

size_t next_glyph(const char *s, size_t n, glyph_spaces spaces, glyph *g)
{
    utf8proc_int32_t c;
    const size_t len = decode(s, n, &c);

    if (len == 0) {
        spell(g, "<0x%02X>", (unsigned char)*s);
        return 1;
    }
    const utf8proc_category_t k = utf8proc_category(c);
    if (k == UTF8PROC_CATEGORY_ZS || c == '\n' || c == '\t') {
        space_glyph(c, spaces, g);
        return len;
    }
    if (k == UTF8PROC_CATEGORY_CC) {
        spell(g, "\\x%02x", (unsigned)c);
        return len;
    }
    const bool mark = is_mark(c);
    const int width = utf8proc_charwidth(c);
    if (k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CN || k == UTF8PROC_CATEGORY_CO ||
        is_variation_selector(c) || (width <= 0 && !mark)) {
        spell(g, "<U+%04X>", (unsigned)c);
        return len;
    }
    g->n = 0;
    g->spelled = false;
    g->width = (uint8_t)(mark ? 1 : width);
    if (mark) { /* a mark without a character stands on a dotted circle */
        memcpy(g->text, "\u25cc", 3);
        g->n = 3;
    }
    memcpy(g->text + g->n, s, len);
    g->n = (uint8_t)(g->n + len);
    return len + take_marks(s + len, n - len, g);
}

size_t glyphs_width(const char *s, size_t n, glyph_spaces spaces)
{
    size_t width = 0;
    glyph g;

    for (size_t i = 0; i < n;) {
        i += next_glyph(s + i, n - i, spaces, &g);
        width += g.width;
    }
    return width;
}

/* ---- cells ---- */

bool screen_resize(screen *s, int width, int height)
{
    if (s->cells == NULL || width != s->width || height != s->height) {
        free(s->cells);
        s->cells = malloc((size_t)width * (size_t)height * sizeof(*s->cells));
        s->width = s->cells != NULL ? width : 0;
        s->height = s->cells != NULL ? height : 0;
    }
    screen_clear(s);
    return s->cells != NULL;
}

void screen_clear(screen *s)
{
    for (int i = 0; i < s->width * s->height; i++)
        s->cells[i] = (cell){.width = 1};
}

void screen_free(screen *s)
{
    free(s->cells);
    *s = (screen){0};
}

static cell *cell_at(screen *s, int x, int y)
{
    return &s->cells[y * s->width + x];
}

static int put_cell(screen *s, int x, int y, const char *text, size_t n, int width, cell_style style)
{
    cell *c = cell_at(s, x, y);

    *c = (cell){.n = (uint8_t)n, .width = (uint8_t)width, .style = (uint8_t)style};
    memcpy(c->text, text, n);
    for (int i = 1; i < width; i++)
        *cell_at(s, x + i, y) = (cell){.style = (uint8_t)style};
    return x + width;
}

int screen_put(screen *s, int x, int y, int end, const glyph *g, cell_style style)
{
    if (end > s->width)
        end = s->width;
    if (x < 0 || y < 0 || y >= s->height || x + g->width > end)
        return x;
    if (!g->spelled)
        return put_cell(s, x, y, g->text, g->n, g->width, style);
    for (size_t i = 0; i < g->n; i++)
        x = put_cell(s, x, y, g->text + i, 1, 1, style);
    return x;
}

int screen_text(screen *s, int x, int y, int end, const char *text, size_t n, glyph_spaces spaces,
                cell_style style)
{
    glyph ellipsis, g;

    if (end > s->width)
        end = s->width;
    set_glyph(&ellipsis, "\u2026", 1);
    const bool whole = glyphs_width(text, n, spaces) <= (size_t)(end > x ? end - x : 0);
    for (size_t i = 0; i < n;) {
        i += next_glyph(text + i, n - i, spaces, &g);
        const int next = screen_put(s, x, y, whole ? end : end - 1, &g, style);
        if (next == x)
            break;
        x = next;
    }
    return whole ? x : screen_put(s, x, y, end, &ellipsis, style);
}

void screen_fill(screen *s, int x, int y, int end, cell_style style)
{
    const glyph empty = {.width = 1};

    for (int next; x < end && (next = screen_put(s, x, y, end, &empty, style)) > x; x = next)
        ;
}

/* ---- ANSI ---- */

static void append(text_buffer *b, const char *s, size_t n)
{
    if (b->failed)
        return;
    if (b->cap - b->n < n) {
        const size_t cap = 2 * b->cap + n + 4096;
        char *p = realloc(b->p, cap);
        if (p == NULL) {
            b->failed = true;
            return;
        }
        b->p = p;
        b->cap = cap;
    }
    memcpy(b->p + b->n, s, n);
    b->n += n;
}

static void append_move(text_buffer *b, int x, int y)
{
    char code[32];
    const int n = snprintf(code, sizeof(code), "\033[%d;%dH", y + 1, x + 1);

    append(b, code, (size_t)n);
}

/* Lightness rises with probability along a scale that colour-blind people tell apart too (viridis), and each
 * step has letters of its own that can be read on it, whatever the terminal's background is.  */
static const unsigned char level_color[STYLE_LEVELS] = {54, 24, 30, 35, 113, 221};
static const unsigned char level_letters[STYLE_LEVELS] = {255, 255, 16, 16, 16, 16};

static void append_style(text_buffer *b, unsigned style, bool colors)
{
    char code[48] = "\033[0m";

    if (style == STYLE_DIM)
        memcpy(code, "\033[0;2m", sizeof("\033[0;2m"));
    else if (style == STYLE_BOLD)
        memcpy(code, "\033[0;1m", sizeof("\033[0;1m"));
    else if (style == STYLE_MARK)
        memcpy(code, "\033[0;1;7m", sizeof("\033[0;1;7m"));
    else if (style >= STYLE_FILLED && colors)
        (void)snprintf(code, sizeof(code), "\033[0;38;5;%d;48;5;%dm", level_letters[style - STYLE_FILLED],
                       level_color[style - STYLE_FILLED]);
    append(b, code, strlen(code));
}

static bool same_cell(const cell *a, const cell *b)
{
    return a->n == b->n && a->width == b->width && a->style == b->style &&
           memcmp(a->text, b->text, a->n) == 0;
}

void screen_diff(const screen *from, const screen *to, bool colors, text_buffer *out)
{
    const bool all = from->cells == NULL || from->width != to->width || from->height != to->height;
    int style = -1;

    if (all)
        append(out, "\033[0m\033[2J", 8);
    for (int y = 0; y < to->height; y++) {
        int at = -1; /* where the terminal's cursor certainly is */
        for (int x = 0; x < to->width; x++) {
            const cell *c = &to->cells[y * to->width + x];
            const cell empty = {.width = 1}, *old = all ? &empty : &from->cells[y * to->width + x];
            if (c->width == 0 || same_cell(c, old))
                continue;
            if (at != x)
                append_move(out, x, y);
            if (style != c->style)
                append_style(out, c->style, colors);
            style = c->style;
            append(out, c->n > 0 ? c->text : " ", c->n > 0 ? c->n : 1);
            /* terminals differ in the widths of what is new in Unicode */
            at = c->n <= 1 ? x + 1 : -1;
        }
    }
    if (style > STYLE_PLAIN)
        append(out, "\033[0m", 4);
}
