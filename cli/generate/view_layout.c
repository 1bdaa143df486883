/* view_layout.c - where everything of the view stands. */
#include "cli/generate/view_layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "run/differ.h"

enum {
    GUTTER = 1,      /* in front of a member */
    BAND_ROWS = 14,  /* a further band needs as many for each arm */
    NAMES_FROM = 60, /* cells of width: two arms' names are written out, else three letters */
    BOTH_ENDS = 5,   /* rows: a set scrolled in the middle says what is above as well as what is below */
};

/* ---- members and columns ---- */

/* The bytes that stand for a member: the token's own, or its id. */
static const char *member_text(const view_vocab *v, int32_t id, char buffer[24], size_t *n)
{
    const char *s = v->bytes != NULL ? v->bytes(v->user, id, n) : NULL;

    if (s != NULL && *n > 0)
        return s;
    *n = (size_t)snprintf(buffer, 24, "#%" PRId32, id);
    return buffer;
}

/* "31%"; NaN and what is no probability as "?" */
static void share_text(double p, char out[8])
{
    if (!(p >= 0 && p <= 1))
        (void)snprintf(out, 8, "?");
    else if (p < 0.005)
        (void)snprintf(out, 8, "<1%%");
    else
        (void)snprintf(out, 8, "%.0f%%", 100 * p);
}

static unsigned level_of(double p)
{
    static const double from[STYLE_LEVELS] = {0, 0.1, 0.2, 0.35, 0.55, 0.8};
    unsigned level = 0;

    while (level + 1 < STYLE_LEVELS && p >= from[level + 1])
        level++;
    return level;
}

static const char *head_mark(const tempo_set *set)
{
    return set->eos ? " end" : set->capped ? " cut" : "";
}

int view_column_width(const view_vocab *v, const tempo_set *set)
{
    char head[40];
    int width = snprintf(head, sizeof(head), "%zu%s", set->step + 1, head_mark(set)) + 2;

    for (size_t i = 0; i < set->n_members; i++) {
        char id[24], share[8];
        size_t n;
        const char *s = member_text(v, set->members[i].id, id, &n);
        size_t text = glyphs_width(s, n, SPACES_VISIBLE);
        if (text > VIEW_TEXT_CELLS)
            text = VIEW_TEXT_CELLS;
        share_text(set->members[i].probability, share);
        const int w = GUTTER + (int)text + 1 + (int)strlen(share);
        if (w > width)
            width = w;
    }
    return width;
}

/* ---- which columns are seen ---- */

typedef struct frame {
    screen *s;
    const view_input *in;
    int margin;            /* cells left of the columns: the arms' names */
    int top, bands, panel; /* first row; bands; rows of a panel, its head included */
    int sentence_rows;     /* of each arm */
} frame;

/* The column behind the last that fits into a line from `first`: at least one. */
static size_t line_end(const frame *f, size_t first)
{
    int x = f->margin;
    size_t i = first;

    for (; i < f->in->n_columns; i++) {
        x += f->in->widths[i];
        if (x > f->s->width && i > first)
            break;
        x++;
    }
    return i;
}

static size_t bands_end(const frame *f, size_t first)
{
    for (int b = 0; b < f->bands && first < f->in->n_columns; b++)
        first = line_end(f, first);
    return first;
}

/* The smallest first column from which everything to the end is seen.  In one band columns move one by one;
 * in several they break into lines as from column 0, so that nothing moves until a line is full.  */
static size_t newest_first(const frame *f)
{
    size_t first = 0;

    while (bands_end(f, first) < f->in->n_columns)
        first = f->bands > 1 ? line_end(f, first) : first + 1;
    return first;
}

static view_place find_place(const frame *f)
{
    const size_t newest = newest_first(f);
    view_place p = {.first = newest};

    if (!f->in->follow && f->in->first < newest) {
        p.first = f->in->first;
        if (f->bands > 1) { /* the line that it is in */
            size_t line = 0;
            for (size_t next; (next = line_end(f, line)) <= f->in->first && next < f->in->n_columns;
                 line = next)
                ;
            p.first = line;
        }
    }
    p.end = bands_end(f, p.first);
    p.newest = p.end >= f->in->n_columns;
    p.later = f->bands > 1 ? line_end(f, p.first) : p.first + 1;
    if (p.later > newest)
        p.later = newest;
    if (f->bands > 1) {
        for (size_t line = 0; line < p.first; line = line_end(f, line))
            p.earlier = line;
    } else {
        p.earlier = p.first > 0 ? p.first - 1 : 0;
    }
    return p;
}

/* ---- a column ---- */

static void draw_member(const frame *f, const tempo_member *m, int x, int y, int rows, int width)
{
    static const char *const bars[STYLE_LEVELS] = {"\u2591", "\u2591", "\u2592",
                                                   "\u2592", "\u2593", "\u2588"};
    const view_vocab *v = &f->in->vocab;
    const unsigned level = level_of(m->probability);
    const bool outside = m->slot < 0;
    const cell_style style = outside || !f->in->colors ? STYLE_PLAIN : (cell_style)(STYLE_FILLED + level);
    const int end = x + width;
    const char *bar = outside ? "\u250a" : f->in->colors ? " " : bars[level];
    char id[24], share[8];
    size_t n;
    const char *s = member_text(v, m->id, id, &n);

    for (int i = 0; i < rows; i++) {
        screen_fill(f->s, x, y + i, end, style);
        screen_text(f->s, x, y + i, end, bar, strlen(bar), SPACES_AS_TEXT, style);
    }
    share_text(m->probability, share);
    const int share_x = end - (int)strlen(share);
    const bool eos = v->is_eos != NULL && v->is_eos(v->user, m->id);
    screen_text(f->s, x + GUTTER, y, share_x - 1, s, n, SPACES_VISIBLE, eos ? STYLE_MARK : style);
    screen_text(f->s, share_x, y, end, share, strlen(share), SPACES_AS_TEXT, style);
}

static void draw_more(const frame *f, size_t n, const char *what, int x, int y, int width)
{
    char text[40];
    const int len = snprintf(text, sizeof(text), " +%zu %s", n, what);

    screen_text(f->s, x, y, x + width, text, (size_t)len, SPACES_AS_TEXT, STYLE_DIM);
}

/* More members than rows: one row each, the first and the last row for what is above and below. */
static void draw_long_set(const frame *f, const tempo_set *set, int x, int y, int rows, int width)
{
    const size_t n = set->n_members, most = n - (size_t)rows;
    const size_t skip = f->in->skip < most ? f->in->skip : most;

    for (int i = 0; i < rows; i++) {
        const size_t k = skip + (size_t)i;
        if (i == 0 && skip > 0 && rows >= BOTH_ENDS)
            draw_more(f, skip + 1, "up", x, y, width);
        else if (i == rows - 1 && k + 1 < n)
            draw_more(f, n - k, "down", x, y + i, width);
        else
            draw_member(f, &set->members[k], x, y + i, 1, width);
    }
}

/* One row each, and the rows that are left by probability: what stays empty is the probability outside of the
 * set. */
static void draw_set(const frame *f, const tempo_set *set, int x, int y, int rows, int width)
{
    const int spare = rows - (int)set->n_members;
    double sum = 0;
    int given = 0;

    if (rows < 1)
        return;
    if (set->n_members > (size_t)rows) {
        draw_long_set(f, set, x, y, rows, width);
        return;
    }
    for (size_t i = 0; i < set->n_members; i++) {
        const double p = set->members[i].probability;
        sum += p >= 0 && p <= 1 ? p : 0;
        int upto = (int)((double)spare * sum + 1e-9);
        upto = upto > spare ? spare : upto;
        draw_member(f, &set->members[i], x, y, 1 + upto - given, width);
        y += 1 + upto - given;
        given = upto;
    }
    if (set->capped && given < spare && set->n_reached > set->n_members)
        draw_more(f, set->n_reached - set->n_members, "cut", x, y, width);
}

/* ---- panels ---- */

static bool differs(const view_input *in, size_t column)
{
    const view_arm *a = &in->arms[0];
    bool differ = false;

    for (size_t i = 1; i < in->n_arms && !differ; i++) {
        const view_arm *b = &in->arms[i];
        differ = column >= a->n_sets || column >= b->n_sets ||
                 tempo_relate_sets(&a->sets[column], &b->sets[column]) == TEMPO_SETS_DIFFERENT;
    }
    return differ;
}

static void draw_head(const frame *f, const tempo_set *set, size_t column, int x, int y, int width)
{
    char text[40];
    const bool differing = differs(f->in, column);
    const int n =
        snprintf(text, sizeof(text), "%zu%s%s", set->step + 1, differing ? "\u2260" : "", head_mark(set));
    const cell_style style = differing && column == f->in->first_difference ? STYLE_MARK
                             : set->eos || differing                        ? STYLE_BOLD
                                                                            : STYLE_DIM;

    screen_text(f->s, x + GUTTER, y, x + width, text, (size_t)n, SPACES_AS_TEXT, style);
}

static void draw_name(const frame *f, const view_arm *a, int y, cell_style style)
{
    const size_t n = strnlen(a->name, (size_t)f->margin - 1);

    screen_text(f->s, 0, y, f->margin - 1, a->name, n, SPACES_AS_TEXT, style);
}

static void draw_panel(const frame *f, const view_arm *a, size_t first, size_t end, int y)
{
    int x = f->margin;

    if (f->margin > 0)
        draw_name(f, a, y, STYLE_BOLD);
    for (size_t i = first; i < end; i++) {
        const int width = f->in->widths[i];
        if (i < a->n_sets) {
            draw_head(f, &a->sets[i], i, x, y, width);
            draw_set(f, &a->sets[i], x, y + 1, f->panel - 1, width);
        }
        x += width + 1;
    }
}

static size_t draw_bands(const frame *f, view_place p)
{
    const view_input *in = f->in;
    size_t first = p.first, skip = 0;

    for (int b = 0; b < f->bands && first < p.end; b++) {
        const size_t end = line_end(f, first);
        for (size_t a = 0; a < in->n_arms; a++)
            draw_panel(f, &in->arms[a], first, end, f->top + (b * (int)in->n_arms + (int)a) * f->panel);
        for (size_t a = 0; a < in->n_arms; a++)
            for (size_t i = first; i < end && i < in->arms[a].n_sets; i++) {
                const size_t n = in->arms[a].sets[i].n_members,
                             rows = f->panel > 1 ? (size_t)f->panel - 1 : 0;
                if (n > rows && n - rows > skip)
                    skip = n - rows;
            }
        first = end;
    }
    return skip;
}

/* ---- lines above and below ---- */

static void draw_title(const frame *f)
{
    const char *title = f->in->title, *status = f->in->status;
    const int width = f->s->width;
    const int wide = (int)glyphs_width(status, strlen(status), SPACES_AS_TEXT);
    const int status_x = wide + 2 < width ? width - wide - 1 : 0;

    screen_text(f->s, status_x, 0, width, status, strlen(status), SPACES_AS_TEXT, STYLE_PLAIN);
    screen_text(f->s, 1, 0, status_x - 2, title, strlen(title), SPACES_AS_TEXT, STYLE_BOLD);
}

/* Break the sentence into lines at spaces; draw those from line `from` on.  Returns how many lines there are.
 */
static int wrap_sentence(const frame *f, const view_arm *a, int x, int y, int from)
{
    const int width = f->s->width - 1;
    const char *s = a->sentence;
    int line = 0, at = x;

    for (size_t i = 0; i < a->n_sentence;) {
        size_t end = i;
        int word = 0;
        glyph g;
        do { /* a word with the spaces in front of it */
            const bool space = s[end] == ' ';
            end += next_glyph(s + end, a->n_sentence - end, SPACES_AS_TEXT, &g);
            word += g.width;
            if (!space && end < a->n_sentence && s[end] == ' ')
                break;
        } while (end < a->n_sentence);
        if (at > x && at + word > width) {
            line++;
            at = x;
            while (i < end && s[i] == ' ')
                i++;
        }
        for (size_t k; i < end; i += k) {
            k = next_glyph(s + i, a->n_sentence - i, SPACES_AS_TEXT, &g);
            if (at > x && at + g.width > width) {
                line++;
                at = x;
            }
            if (from >= 0 && line >= from)
                screen_put(f->s, at, y + line - from, width, &g, i < a->n_prompt ? STYLE_DIM : STYLE_BOLD);
            at += g.width;
        }
    }
    return line + 1;
}

static void draw_sentence(const frame *f, const view_arm *a, int y)
{
    const int x = f->margin > 0 ? f->margin : 1;
    const int lines = wrap_sentence(f, a, x, y, -1);
    const int from = lines > f->sentence_rows ? lines - f->sentence_rows : 0;

    if (f->margin > 0)
        draw_name(f, a, y, STYLE_DIM);
    (void)wrap_sentence(f, a, x, y, from);
    if (from > 0)
        screen_text(f->s, x - 1, y, x, "\u2026", 3, SPACES_AS_TEXT, STYLE_DIM);
}

static void draw_rule(const frame *f, int y)
{
    for (int x = 0; x < f->s->width; x++)
        screen_text(f->s, x, y, x + 1, "\u2500", 3, SPACES_AS_TEXT, STYLE_DIM);
}

static void draw_keys(const frame *f, int y)
{
    static const char *const colored[STYLE_LEVELS] = {"  0", " 10", " 20", " 35", " 55", " 80%"};
    static const char *const plain[STYLE_LEVELS] = {NULL,         "\u2591 0",    " \u2592 20",
                                                    " \u2593 55", " \u2588 80%", NULL};
    const char *const *texts = f->in->colors ? colored : plain;
    int width = 1;

    for (unsigned i = 0; i < STYLE_LEVELS; i++)
        width += texts[i] != NULL ? (int)glyphs_width(texts[i], strlen(texts[i]), SPACES_AS_TEXT) : 0;
    const int keys = (int)glyphs_width(f->in->keys, strlen(f->in->keys), SPACES_AS_TEXT);
    int x = f->s->width - width, end = f->s->width;
    if (keys + 3 + width <= f->s->width) {
        end = x;
        for (unsigned i = 0; i < STYLE_LEVELS; i++)
            if (texts[i] != NULL)
                x = screen_text(f->s, x, y, f->s->width, texts[i], strlen(texts[i]), SPACES_AS_TEXT,
                                f->in->colors ? (cell_style)(STYLE_FILLED + i) : STYLE_DIM);
    }
    screen_text(f->s, 1, y, end, f->in->keys, strlen(f->in->keys), SPACES_AS_TEXT, STYLE_DIM);
}

/* ---- the whole ---- */

static size_t most_members(const view_input *in)
{
    size_t most = 0;

    for (size_t a = 0; a < in->n_arms; a++)
        for (size_t i = 0; i < in->arms[a].n_sets; i++)
            if (in->arms[a].sets[i].n_members > most)
                most = in->arms[a].sets[i].n_members;
    return most;
}

static int name_margin(const view_input *in, int width)
{
    int longest = 0;

    for (size_t a = 0; a < in->n_arms && in->n_arms > 1; a++) {
        const int n = (int)strlen(in->arms[a].name);
        longest = n > longest ? n : longest;
    }
    return longest == 0 ? 0 : width >= NAMES_FROM ? longest + 2 : 4;
}

static int sentence_rows(int height, int arms)
{
    if (arms > 1)
        return height >= 30 ? 2 : 1;
    return height >= 40 ? 4 : height >= 20 ? 3 : height >= 12 ? 2 : 1;
}

view_place view_layout(screen *s, const view_input *in)
{
    const int arms = (int)in->n_arms, height = s->height;
    frame f = {.s = s, .in = in, .margin = name_margin(in, s->width), .bands = 1};
    const bool roomy = height >= 12;

    screen_clear(s);
    f.sentence_rows = sentence_rows(height, arms);
    f.top = roomy ? 2 : 1;
    const int below = (roomy ? 1 : 0) + arms * f.sentence_rows + 1;
    const int rows = height - f.top - below;
    const int bands = rows / (BAND_ROWS * arms);
    const size_t most = most_members(in);
    for (f.bands = bands > 1 ? bands : 1; f.bands > 1; f.bands--)
        if (most < (size_t)(rows / (f.bands * arms) - 1))
            break;
    f.panel = rows > 0 ? rows / (f.bands * arms) : 0;

    view_place p = find_place(&f);
    if (f.panel > 0)
        p.most_skip = draw_bands(&f, p);
    draw_title(&f);
    int y = height - below;
    if (roomy)
        draw_rule(&f, y++);
    for (int a = 0; a < arms; a++, y += f.sentence_rows)
        if (y > 0)
            draw_sentence(&f, &in->arms[a], y);
    if (height > 1)
        draw_keys(&f, height - 1);
    return p;
}
