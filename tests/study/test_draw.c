/* test_draw.c - bars, sparklines and heat maps, character by character. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "draw/draw.h"

static void expect(tempo_text *t, const char *expected)
{
    char *s = tempo_text_take(t);

    assert_non_null(s);
    assert_string_equal(s, expected);
    free(s);
}

static void texts(void **state)
{
    tempo_text t = {0};

    (void)state;
    expect(&t, "");
    for (int i = 0; i < 1000; i++)
        tempo_text_add(&t, "%d,", i % 10);
    assert_int_equal(t.n, 2000);
    tempo_text_free(&t);
    tempo_text_add(&t, "%s", "a");
    tempo_text_repeat(&t, "é", 3);
    assert_int_equal(tempo_text_columns(t.s), 4);
    expect(&t, "aééé");
    t.failed = true;
    tempo_text_add(&t, "lost");
    assert_null(tempo_text_take(&t));
}

static void bar(double value, double max, size_t width, const char *expected)
{
    tempo_text t = {0};

    tempo_draw_bar(&t, value, max, width);
    expect(&t, expected);
}

static void bars(void **state)
{
    (void)state;
    bar(0, 1, 4, "    ");
    bar(1, 1, 4, "████");
    bar(0.5, 1, 4, "██  ");
    bar(0.40625, 1, 4, "█▋  "); /* 13 eighths */
    bar(7, 1, 4, "████");
    bar(-1, 1, 4, "    ");
    bar(1e-9, 1, 4, "▏   ");
    bar(0, 0, 4, "    ");
    bar(1, 0, 2, "  ");
    bar(NAN, 1, 3, "?  ");
    bar(INFINITY, 1, 3, "?  ");
    bar(1, NAN, 3, "?  ");
    bar(1, 1, 0, "");
}

static void sparklines(void **state)
{
    const double v[6] = {0, 1, 3.5, 7, NAN, -2}, zeros[2] = {0, 0};
    tempo_text t = {0};

    (void)state;
    tempo_draw_sparkline(&t, v, 6);
    expect(&t, "▁▂▅█?▁");
    tempo_draw_sparkline(&t, zeros, 2);
    expect(&t, "▁▁");
    tempo_draw_sparkline(&t, NULL, 0);
    expect(&t, "");
}

static void heat_maps(void **state)
{
    const double v[10] = {0, 0.1, 0.25, 0.26, 1, NAN, 0.5, 0.75, 0.76, 2};
    tempo_heat h = {.values = v,
                    .n_rows = 2,
                    .n_columns = 5,
                    .row_name = "layer",
                    .column_name = "head",
                    .max = 1,
                    .width = 80};
    tempo_text t = {0};

    (void)state;
    tempo_draw_heat(&t, &h);
    expect(&t, "        head\n"
               "        0       4\n"
               "layer 0   ░░░░▒▒██\n"
               "      1 ??▒▒▓▓████\n"
               "        ░░ <= 0.25  ▒▒ <= 0.5  ▓▓ <= 0.75  ██ <= 1\n");
    h.first_row = 9;
    h.first_column = 20;
    tempo_draw_heat(&t, &h);
    assert_non_null(strstr(t.s, "\n         20      24\nlayer  9 "));
    assert_non_null(strstr(t.s, "\n      10 ??"));
    tempo_text_free(&t);
    h.color = true;
    h.n_rows = 1;
    tempo_draw_heat(&t, &h);
    assert_non_null(strstr(t.s, "\033[48;5;214m\033[38;5;214m██\033[0m\n"));
    tempo_text_free(&t);
    h.n_columns = 0;
    tempo_draw_heat(&t, &h);
    expect(&t, "");
}

/* Wider than the terminal: neighbours are merged, and a line is never wider than asked for. */
static void narrow_heat_maps(void **state)
{
    double v[3 * 100] = {0};
    tempo_heat h = {
        .values = v, .n_rows = 3, .n_columns = 100, .row_name = "layer", .column_name = "head", .width = 60};
    tempo_text t = {0};

    (void)state;
    v[101] = 4; /* row 1, the second of a pair */
    tempo_draw_heat(&t, &h);
    assert_non_null(strstr(t.s, "\n      1 █ "));
    assert_non_null(strstr(t.s, "a cell is the greatest of 2 heads\n"));
    for (const char *line = t.s; *line != '\0'; line = strchr(line, '\n') + 1) {
        char copy[512] = {0};
        memcpy(copy, line, (size_t)(strchr(line, '\n') - line));
        assert_true(tempo_text_columns(copy) <= 60);
    }
    tempo_text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(bars),
        cmocka_unit_test(sparklines),
        cmocka_unit_test(heat_maps),
        cmocka_unit_test(narrow_heat_maps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
