/* test_view_layout.c - what --view draws, without a terminal: glyphs from any bytes, columns from sets, ANSI
 * from cells. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/generate/cells.h"
#include "cli/terminal.h"
#include "cli/generate/view_layout.h"
#include "support/vt.h"

/* ---- glyphs ---- */

static const char *shown(const char *s, size_t n, glyph_spaces spaces)
{
    static char text[4096];
    size_t at = 0;
    glyph g;

    for (size_t i = 0; i < n;) {
        const size_t k = next_glyph(s + i, n - i, spaces, &g);
        assert_true(k > 0 && k <= n - i);
        assert_true(g.width >= 1);
        memcpy(text + at, g.text, g.n);
        at += g.n;
        i += k;
    }
    text[at] = '\0';
    return text;
}

static void test_glyphs(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *visible, *as_text;
        size_t width; /* visible */
    } rows[] = {
        {" the", 4, "·the", " the", 4},
        {"a\n", 2, "a↵", "a↵", 2},
        {"\t", 1, "⇥", "⇥", 1},
        {"\r", 1, "\\x0d", "\\x0d", 4},
        {"\033[2J", 4, "\\x1b[2J", "\\x1b[2J", 7},
        {"\x7f", 1, "\\x7f", "\\x7f", 4},
        {"\0", 1, "\\x00", "\\x00", 4},
        {"\xc2\x9b", 2, "\\x9b", "\\x9b", 4},               /* CSI as one C1 character */
        {"\xe6\x97\xa5\xe6\x9c\xac", 6, "日本", "日本", 4}, /* wide */
        {"\xf0\x9f\x98\x80", 4, "😀", "😀", 2},
        {"\xe6\x97", 2, "<0xE6><0x97>", "<0xE6><0x97>", 12}, /* half a character */
        {"\xff", 1, "<0xFF>", "<0xFF>", 6},
        {"\xed\xa0\x80", 3, "<0xED><0xA0><0x80>", "<0xED><0xA0><0x80>", 18}, /* a surrogate */
        {"e\xcc\x81", 3, "e\u0301", "e\u0301", 1},                           /* a mark joins its letter */
        {"\xcc\x81", 2, "◌́", "◌́", 1},                   /* and alone stands on a circle */
        {"\xe2\x80\xae", 3, "<U+202E>", "<U+202E>", 8}, /* right-to-left override */
        {"\xe2\x80\x8b", 3, "<U+200B>", "<U+200B>", 8}, /* no width */
        {"\xe2\x80\xa8", 3, "<U+2028>", "<U+2028>", 8}, /* line separator */
        {"\xc2\xa0", 2, "<U+00A0>", " ", 8},            /* a space that is none of the usual */
        {"\xe2\x9d\xa4\xef\xb8\x8f", 6, "❤", "❤", 1},   /* a variation selector asks for another width */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_string_equal(shown(rows[i].bytes, rows[i].n, SPACES_VISIBLE), rows[i].visible);
        assert_string_equal(shown(rows[i].bytes, rows[i].n, SPACES_AS_TEXT), rows[i].as_text);
        assert_int_equal(glyphs_width(rows[i].bytes, rows[i].n, SPACES_VISIBLE), rows[i].width);
    }
}

/* A letter with a thousand marks takes one cell of the size that it has. */
static void test_many_marks(void **state)
{
    char s[2001];
    glyph g;

    (void)state;
    s[0] = 'a';
    for (size_t i = 1; i < sizeof(s); i += 2)
        memcpy(s + i, "\xcc\x81", 2);
    assert_int_equal(next_glyph(s, sizeof(s), SPACES_VISIBLE, &g), sizeof(s));
    assert_int_equal(g.width, 1);
    assert_int_equal(g.n, GLYPH_BYTES - 1);
}

/* ---- columns ---- */

enum { MOST_SETS = 64 };

/* Token i of the vocabulary; the last ends a text. */
static const char *const words[] = {" the", " a", " cat", "\033[2J\a", "日本", "\n", "",   " floor", " x",
                                    " y",   " z", " w",   " v",        " u",   " t", " s", "<end>"};
enum { EOS = 16, N_WORDS = 17 };

static const char *word(const void *user, int32_t id, size_t *n)
{
    (void)user;
    *n = strlen(words[id]);
    return words[id];
}

static bool is_eos(const void *user, int32_t id)
{
    (void)user;
    return id == EOS;
}

typedef struct fixture {
    tempo_member members[3][MOST_SETS][N_WORDS];
    tempo_set sets[3][MOST_SETS];
    int widths[MOST_SETS];
    view_arm arms[3];
    view_input in;
    screen s;
} fixture;

/* A set of n members from token `first` on, with these probabilities. */
static void add_set(fixture *f, size_t arm, int32_t first, const double *p, size_t n)
{
    const size_t t = f->arms[arm].n_sets++;
    tempo_set *set = &f->sets[arm][t];

    assert_true(t < MOST_SETS && n <= N_WORDS);
    *set = (tempo_set){.step = t, .n_members = n, .n_reached = n, .members = f->members[arm][t]};
    for (size_t i = 0; i < n; i++) {
        f->members[arm][t][i] =
            (tempo_member){.id = (first + (int32_t)i) % N_WORDS, .probability = p[i], .slot = 1};
        set->eos |= f->members[arm][t][i].id == EOS;
    }
    const int width = view_column_width(&f->in.vocab, set);
    if (t >= f->in.n_columns || width > f->widths[t])
        f->widths[t] = width;
    if (t >= f->in.n_columns)
        f->in.n_columns = t + 1;
}

static fixture *make_fixture(size_t n_arms)
{
    fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->arms[0] = (view_arm){.name = "isolated", .sets = f->sets[0]};
    f->arms[1] = (view_arm){.name = "visible", .sets = f->sets[1]};
    f->arms[2] = (view_arm){.name = "far", .sets = f->sets[2]};
    for (size_t a = 0; a < 3; a++) {
        f->arms[a].sentence = "Once upon a time there";
        f->arms[a].n_sentence = 22;
        f->arms[a].n_prompt = 16;
    }
    f->in = (view_input){.vocab = {.bytes = word, .is_eos = is_eos},
                         .arms = f->arms,
                         .n_arms = n_arms,
                         .widths = f->widths,
                         .title = "model",
                         .status = "step 1 of 9",
                         .keys = "q quit",
                         .first_difference = SIZE_MAX,
                         .colors = true,
                         .follow = true};
    return f;
}

static void free_fixture(fixture *f)
{
    screen_free(&f->s);
    free(f);
}

static view_place lay_out(fixture *f, int width, int height)
{
    assert_true(screen_resize(&f->s, width, height));
    return view_layout(&f->s, &f->in);
}

/* A row of the screen as text. */
static const char *row(const fixture *f, int y)
{
    static char text[8192];
    size_t n = 0;

    for (int x = 0; x < f->s.width; x++) {
        const cell *c = &f->s.cells[y * f->s.width + x];
        memcpy(text + n, c->n > 0 ? c->text : " ", c->n > 0 ? c->n : c->width);
        n += c->n > 0 ? c->n : c->width;
    }
    while (n > 0 && text[n - 1] == ' ')
        n--;
    text[n] = '\0';
    return text;
}

static unsigned style_at(const fixture *f, int x, int y)
{
    return f->s.cells[y * f->s.width + x].style;
}

static void test_columns(void **state)
{
    fixture *f = make_fixture(1);

    (void)state;
    add_set(f, 0, 0, (const double[]){0.6, 0.25}, 2); /* the, a */
    add_set(f, 0, 7, (const double[]){0.9}, 1);       /* floor */
    f->in.colors = false;
    const view_place p = lay_out(f, 40, 12);
    assert_int_equal(p.first, 0);
    assert_int_equal(p.end, 2);
    assert_true(p.newest);
    assert_string_equal(row(f, 0), " model                      step 1 of 9");
    assert_string_equal(row(f, 1), "");
    assert_string_equal(row(f, 2), " 1         2");
    /* five rows: three to spare beside two members, 0.6 of them and 0.25; four beside one, 0.9 of them */
    assert_string_equal(row(f, 3), "▓·the 60% █·floor 90%");
    assert_string_equal(row(f, 4), "▓         █");
    assert_string_equal(row(f, 5), "▒·a   25% █");
    assert_string_equal(row(f, 6), "▒         █");
    assert_string_equal(row(f, 7), "");
    assert_string_equal(row(f, 8), "────────────────────────────────────────");
    assert_string_equal(row(f, 9), " Once upon a time there");
    assert_string_equal(row(f, 10), "");
    assert_string_equal(row(f, 11), " q quit             ░ 0 ▒ 20 ▓ 55 █ 80%");
    assert_int_equal(style_at(f, 1, 9), STYLE_DIM);
    assert_int_equal(style_at(f, 18, 9), STYLE_BOLD);
    f->in.colors = true;
    (void)lay_out(f, 40, 12);
    assert_string_equal(row(f, 3), " ·the 60%  ·floor 90%");
    assert_int_equal(style_at(f, 0, 3), STYLE_FILLED + 4);
    assert_int_equal(style_at(f, 8, 4), STYLE_FILLED + 4);
    assert_int_equal(style_at(f, 9, 3), STYLE_PLAIN);
    assert_int_equal(style_at(f, 0, 5), STYLE_FILLED + 2);
    assert_int_equal(style_at(f, 12, 4), STYLE_FILLED + 5);
    free_fixture(f);
}

static void test_marks(void **state)
{
    fixture *f = make_fixture(1);

    (void)state;
    add_set(f, 0, 15, (const double[]){0.5, 0.25}, 2); /* s, <end> */
    add_set(f, 0, 0, (const double[]){0.2}, 1);
    f->sets[0][1].capped = true;
    f->sets[0][1].n_reached = 12;
    f->members[0][1][0].slot = -1;
    add_set(f, 0, 6, (const double[]){NAN}, 1); /* a token without bytes, a share that is none */
    (void)lay_out(f, 60, 16);
    assert_string_equal(row(f, 2), " 1 end      2 cut     3");
    assert_string_equal(row(f, 3), " ·s    50% ┊·the 20%  #6 ?");
    assert_int_equal(style_at(f, 11, 3), STYLE_PLAIN);
    assert_int_equal(style_at(f, 1, 7), STYLE_MARK); /* <end> */
    assert_non_null(strstr(row(f, 5), " +11 cut"));
    free_fixture(f);
}

static void test_long_set(void **state)
{
    fixture *f = make_fixture(1);
    double p[N_WORDS];

    (void)state;
    for (size_t i = 0; i < 16; i++)
        p[i] = 0.05;
    add_set(f, 0, 7, p, 9); /* floor x y z w v u t s <- in 5 rows */
    view_place place = lay_out(f, 40, 12);
    assert_int_equal(place.most_skip, 4);
    assert_string_equal(row(f, 3), " ·floor 5%");
    assert_string_equal(row(f, 6), " ·z     5%");
    assert_string_equal(row(f, 7), " +5 down");
    f->in.skip = 2;
    (void)lay_out(f, 40, 12);
    assert_string_equal(row(f, 3), " +3 up");
    assert_string_equal(row(f, 4), " ·z     5%");
    assert_string_equal(row(f, 7), " +3 down");
    f->in.skip = 99;
    (void)lay_out(f, 40, 12);
    assert_string_equal(row(f, 3), " +5 up");
    assert_string_equal(row(f, 4), " ·v     5%");
    assert_string_equal(row(f, 7), " ·s     5%");
    free_fixture(f);
}

/* One band: the newest columns are seen, and keys move one column. */
static void test_following(void **state)
{
    fixture *f = make_fixture(1);

    (void)state;
    for (int i = 0; i < 10; i++)
        add_set(f, 0, 0, (const double[]){0.5}, 1); /* 9 cells and a gap: four in 40 */
    view_place p = lay_out(f, 40, 12);
    assert_int_equal(p.first, 6);
    assert_int_equal(p.end, 10);
    assert_int_equal(p.earlier, 5);
    assert_int_equal(p.later, 6);
    assert_string_equal(row(f, 2), " 7         8         9         10");
    f->in.follow = false;
    f->in.first = 2;
    p = lay_out(f, 40, 12);
    assert_string_equal(row(f, 2), " 3         4         5         6");
    assert_false(p.newest);
    assert_int_equal(p.earlier, 1);
    assert_int_equal(p.later, 3);
    f->in.first = 99;
    p = lay_out(f, 40, 12);
    assert_int_equal(p.first, 6);
    f->in.first = 0;
    assert_int_equal(lay_out(f, 40, 12).earlier, 0);
    free_fixture(f);
}

/* A high screen: columns go on in a second band, breaking where lines are full. */
static void test_bands(void **state)
{
    fixture *f = make_fixture(1);

    (void)state;
    for (int i = 0; i < 10; i++)
        add_set(f, 0, 0, (const double[]){0.5}, 1);
    view_place p = lay_out(f, 40, 36); /* 28 rows: two bands of 14 */
    assert_int_equal(p.first, 4);
    assert_int_equal(p.end, 10);
    assert_string_equal(row(f, 2), " 5         6         7         8");
    assert_string_equal(row(f, 16), " 9         10");
    assert_int_equal(p.earlier, 0);
    f->in.follow = false;
    f->in.first = 2; /* its line */
    p = lay_out(f, 40, 36);
    assert_string_equal(row(f, 2), " 1         2         3         4");
    assert_int_equal(p.later, 4);
    free_fixture(f);
}

static void test_two_arms(void **state)
{
    fixture *f = make_fixture(2);

    (void)state;
    add_set(f, 0, 0, (const double[]){0.5}, 1);
    add_set(f, 1, 0, (const double[]){0.4}, 1);
    add_set(f, 0, 1, (const double[]){0.5}, 1);
    add_set(f, 1, 2, (const double[]){0.5}, 1);
    add_set(f, 0, 1, (const double[]){0.5}, 1); /* the other has stopped */
    f->in.first_difference = 1;
    (void)lay_out(f, 80, 24);
    assert_string_equal(row(f, 2), "isolated   1         2≠        3≠");
    assert_string_equal(row(f, 3), "           ·the 50%  ·a   50%  ·a 50%");
    assert_string_equal(row(f, 11), "visible    1         2≠");
    assert_string_equal(row(f, 12), "           ·the 40%  ·cat 50%");
    assert_int_equal(style_at(f, 11, 2), STYLE_DIM);
    assert_int_equal(style_at(f, 21, 2), STYLE_MARK);
    assert_int_equal(style_at(f, 31, 2), STYLE_BOLD);
    assert_string_equal(row(f, 21), "isolated  Once upon a time there");
    (void)lay_out(f, 40, 10);
    assert_string_equal(row(f, 1), "iso  1         2≠        3≠");
    free_fixture(f);
}

/* Each differs from the first, or does not. */
static void test_three_arms(void **state)
{
    fixture *f = make_fixture(3);

    (void)state;
    for (size_t a = 0; a < 3; a++) {
        add_set(f, a, 0, (const double[]){0.5}, 1);
        add_set(f, a, a == 2 ? 2 : 1, (const double[]){0.5}, 1);
    }
    (void)lay_out(f, 80, 30);
    assert_string_equal(row(f, 2), "isolated   1         2≠");
    assert_string_equal(row(f, 8), "visible    1         2≠");
    assert_string_equal(row(f, 14), "far        1         2≠");
    assert_string_equal(row(f, 15), "           ·the 50%  ·cat 50%");
    free_fixture(f);
}

static void test_sentence(void **state)
{
    fixture *f = make_fixture(1);

    (void)state;
    f->arms[0].sentence = "Once upon a time, there was a cat";
    f->arms[0].n_sentence = strlen(f->arms[0].sentence);
    (void)lay_out(f, 20, 14);
    assert_string_equal(row(f, 11), " Once upon a time,");
    assert_string_equal(row(f, 12), " there was a cat");
    f->arms[0].sentence = "Once upon a time, there was a cat on the table";
    f->arms[0].n_sentence = strlen(f->arms[0].sentence);
    (void)lay_out(f, 20, 14);
    assert_string_equal(row(f, 11), "…there was a cat on");
    assert_string_equal(row(f, 12), " the table");
    f->arms[0].sentence = "abcdefghijklmnopqrstuvwxyz"; /* a word that is longer than a line */
    f->arms[0].n_sentence = 26;
    (void)lay_out(f, 20, 14);
    assert_string_equal(row(f, 11), " abcdefghijklmnopqr");
    assert_string_equal(row(f, 12), " stuvwxyz");
    free_fixture(f);
}

/* ---- ANSI ---- */

static void feed_diff(vt *t, const screen *from, const screen *to, bool colors)
{
    text_buffer out = {0};

    screen_diff(from, to, colors, &out);
    assert_false(out.failed);
    vt_feed(t, out.p, out.n);
    free(out.p);
}

static void assert_shows(const vt *t, const screen *s)
{
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++) {
            const cell *c = &s->cells[y * s->width + x];
            char text[32] = "";
            if (c->width > 0)
                (void)snprintf(text, sizeof(text), "%.*s", c->n > 0 ? (int)c->n : 1,
                               c->n > 0 ? c->text : " ");
            assert_string_equal(t->cells[y][x], text);
        }
    assert_int_equal(t->unknown, 0);
    assert_int_equal(t->outside, 0);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* A run at many sizes, drawn step by step: the terminal always shows what was laid out, as if drawn anew, and
 * nothing that it gets is a control sequence of a token's.  */
static void test_drawing(void **state)
{
    static vt t;
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 60; round++) {
        fixture *f = make_fixture(1 + (size_t)round % 2);
        screen before = {0};
        const int width = 1 + (int)(next_random(&seed) % 120), height = 1 + (int)(next_random(&seed) % 40);
        vt_init(&t, width, height);
        t.alternate = true;
        f->in.title = "a\033]0;x\amodel";
        f->in.colors = round % 3 != 0;
        for (int step = 0; step < 30; step++) {
            for (size_t a = 0; a < f->in.n_arms; a++) {
                double p[N_WORDS];
                const size_t n = 1 + next_random(&seed) % N_WORDS;
                for (size_t i = 0; i < n; i++)
                    p[i] = 1.0 / (double)n;
                add_set(f, a, (int32_t)(next_random(&seed) % N_WORDS), p, n);
                if (next_random(&seed) % 4 == 0)
                    f->members[a][step][0].slot = -1;
            }
            f->in.follow = next_random(&seed) % 4 != 0;
            f->in.first = next_random(&seed) % 40;
            f->in.skip = next_random(&seed) % 10;
            const view_place p = lay_out(f, width, height);
            assert_true(p.first <= p.end && p.end <= f->in.n_columns && p.earlier <= p.first &&
                        p.later >= p.first);
            assert_true(p.end > p.first);
            feed_diff(&t, &before, &f->s, f->in.colors);
            assert_shows(&t, &f->s);
            assert_int_equal(t.colored && !f->in.colors, 0);
            const screen spare = before;
            before = f->s;
            f->s = spare;
        }
        screen_free(&before);
        free_fixture(f);
    }
}

static void test_nothing_changed(void **state)
{
    fixture *f = make_fixture(1);
    text_buffer out = {0};

    (void)state;
    add_set(f, 0, 0, (const double[]){0.5, 0.25}, 2);
    (void)lay_out(f, 40, 12);
    screen_diff(&f->s, &f->s, true, &out);
    assert_int_equal(out.n, 0);
    free(out.p);
    free_fixture(f);
}

/* ---- keys ---- */

static void test_keys(void **state)
{
    static const struct {
        const char *bytes;
        terminal_key key;
    } rows[] = {
        {"\033[D", KEY_LEFT},
        {"\033OD", KEY_LEFT},
        {"h", KEY_LEFT},
        {"\033[C", KEY_RIGHT},
        {"l", KEY_RIGHT},
        {"\033[A", KEY_UP},
        {"k", KEY_UP},
        {"\033OB", KEY_DOWN},
        {"j", KEY_DOWN},
        {"\033[H", KEY_HOME},
        {"\033[1~", KEY_HOME},
        {"\033OF", KEY_END},
        {"\033[4~", KEY_END},
        {"\033[5~", KEY_PAGE_UP},
        {"\033[6~", KEY_PAGE_DOWN},
        {" ", KEY_SPACE},
        {"q", KEY_QUIT},
        {"x", KEY_OTHER},
        {"\033[1;5D", KEY_OTHER},
        {"\033q", KEY_QUIT},
        {"\033\033[D", KEY_LEFT},
        {"\033[12345678901234567890~", KEY_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        key_parser k = {{0}, 0};
        const size_t n = strlen(rows[i].bytes);
        for (size_t j = 0; j + 1 < n; j++)
            assert_int_equal(key_from_byte(&k, (unsigned char)rows[i].bytes[j]), KEY_NONE);
        assert_int_equal(key_from_byte(&k, (unsigned char)rows[i].bytes[n - 1]), rows[i].key);
        assert_int_equal(k.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glyphs),     cmocka_unit_test(test_many_marks),
        cmocka_unit_test(test_columns),    cmocka_unit_test(test_marks),
        cmocka_unit_test(test_long_set),   cmocka_unit_test(test_following),
        cmocka_unit_test(test_bands),      cmocka_unit_test(test_two_arms),
        cmocka_unit_test(test_three_arms), cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_drawing),    cmocka_unit_test(test_nothing_changed),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
