/* Grids of cells as SVG: places, colours, texts cut to their cells, names that are markup. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "draw/grid.h"

static const char *const rows[] = {"low", "high"};
static const char *const columns[] = {"a<b", "&c", "d\xff"};
static const char *const texts[] = {"one",    "two",     "three", "a text that is longer than any cell",
                                    "<five>", "\xc3\xa9"};

/* The picture, for free(). */
static char *draw(bool diverging, bool upwards, const double *values, double low, double high)
{
    const tempo_grid g = {.title = "A & B",
                          .note = "a note",
                          .row_name = "layer",
                          .column_name = "position",
                          .value_name = "effect",
                          .n_rows = 2,
                          .n_columns = 3,
                          .rows = rows,
                          .columns = columns,
                          .values = values,
                          .texts = texts,
                          .low = low,
                          .high = high,
                          .diverging = diverging,
                          .upwards = upwards};
    tempo_text t = {0};

    tempo_grid_svg(&t, &g);
    char *s = tempo_text_take(&t);
    assert_non_null(s);
    return s;
}

/* The rectangle of cell i, in the order of the text. */
static const char *cell(const char *svg, size_t i)
{
    const char *p = svg;

    for (size_t k = 0; k <= i; k++) {
        p = strstr(p, "\"><title>");
        assert_non_null(p);
        p++;
    }
    while (*p != '<' || strncmp(p, "<rect", 5) != 0)
        p--;
    return p;
}

static double attribute(const char *rect, const char *name)
{
    const char *p = strstr(rect, name);

    assert_non_null(p);
    return strtod(p + strlen(name), NULL);
}

static void expect_fill(const char *svg, size_t i, const char *fill)
{
    const char *p = strstr(cell(svg, i), "fill=\"");

    assert_non_null(p);
    if (strncmp(p + 6, fill, 7) != 0)
        fail_msg("cell %zu: fill %.7s, expected %s", i, p + 6, fill);
}

static void test_places(void **state)
{
    (void)state;
    const double values[] = {0, 0.5, 1, 2, -1, NAN};

    for (int upwards = 0; upwards < 2; upwards++) {
        char *s = draw(false, upwards, values, 0, 1);
        const double width = attribute(cell(s, 0), "width=\"");
        assert_true(attribute(cell(s, 1), " x=\"") == attribute(cell(s, 0), " x=\"") + width);
        assert_true(attribute(cell(s, 4), " x=\"") == attribute(cell(s, 1), " x=\""));
        assert_true((attribute(cell(s, 3), " y=\"") > attribute(cell(s, 0), " y=\"")) == !upwards);
        free(s);
    }
}

static void test_colours(void **state)
{
    (void)state;
    const double values[] = {0, 0.5, 1, 2, -1, NAN}, signs[] = {-2, 0, 2, 9, -9, INFINITY};
    char *s = draw(false, false, values, 0, 1);

    expect_fill(s, 0, "#ffffff");
    expect_fill(s, 1, "#80aac6");
    expect_fill(s, 2, "#00548c");
    expect_fill(s, 3, "#00548c"); /* beyond the scale: its end */
    expect_fill(s, 4, "#ffffff");
    expect_fill(s, 5, "#dddddd");
    free(s);
    s = draw(true, false, signs, -2, 2);
    expect_fill(s, 0, "#00548c");
    expect_fill(s, 1, "#ffffff");
    expect_fill(s, 2, "#be4600");
    expect_fill(s, 3, "#be4600");
    expect_fill(s, 4, "#00548c");
    expect_fill(s, 5, "#dddddd");
    free(s);
}

static void test_texts(void **state)
{
    (void)state;
    const double values[] = {0, 0.5, 1, 2, -1, NAN};
    char *s = draw(false, false, values, 0, 1);
    static const char *const there[] = {"<title>A &amp; B</title>",
                                        ">a&lt;b<",
                                        ">&amp;c<",
                                        ">d?<",
                                        ">&lt;five&gt;<",
                                        ">\xc3\xa9<",
                                        ">a text that i\xe2\x80\xa6<",
                                        ">layer<",
                                        ">position<",
                                        ">effect<",
                                        "high / a&lt;b: a text that is longer than any cell  2</title>",
                                        "high / d?: \xc3\xa9  no number</title>",
                                        ">a note<"};

    for (size_t i = 0; i < sizeof(there) / sizeof(*there); i++)
        if (strstr(s, there[i]) == NULL)
            fail_msg("no '%s' in %s", there[i], s);
    /* ink stands out from its ground: white on the darkest cell, black on white */
    assert_true(strstr(s, "fill=\"#ffffff\">three<") != NULL && strstr(s, "fill=\"#111111\">one<") != NULL);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
