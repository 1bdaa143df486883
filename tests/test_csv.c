/* Records of tables as text: quoting, numbers, bytes that are no text. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "table/csv.h"

static void assert_record(tempo_csv *c, const char *expected, size_t n)
{
    tempo_csv_end(c);
    assert_false(c->failed);
    assert_int_equal(c->n, n);
    assert_memory_equal(c->p, expected, n);
    free(c->p);
    *c = (tempo_csv){0};
}

static void test_text(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain\r\n"},
        {"", "\"\"\r\n"},
        {"a,b", "\"a,b\"\r\n"},
        {"say \"x\"", "\"say \"\"x\"\"\"\r\n"},
        {"two\nlines", "\"two\nlines\"\r\n"},
        {"\r", "\"\r\"\r\n"},
        {" the", "\" the\"\r\n"},
        {"caf\xc3\xa9", "caf\xc3\xa9\r\n"},
        {"\xc3", "\xef\xbf\xbd\r\n"},
        {"a\xff\"", "\"a\xef\xbf\xbd\"\"\"\r\n"},
    };
    tempo_csv c = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_csv_word(&c, cases[i].in);
        assert_record(&c, cases[i].out, strlen(cases[i].out));
    }
    tempo_csv_text(&c, "a\0b", 3);
    assert_record(&c,
                  "\"a\xef\xbf\xbd"
                  "b\"\r\n",
                  9);
}

static void test_records(void **state)
{
    tempo_csv c = {0};

    (void)state;
    tempo_csv_int(&c, -12);
    tempo_csv_none(&c);
    tempo_csv_real(&c, (double)NAN);
    tempo_csv_real(&c, 0.1);
    tempo_csv_real(&c, -INFINITY);
    tempo_csv_end(&c);
    tempo_csv_none(&c);
    tempo_csv_word(&c, "x");
    static const char expected[] = "-12,,,0.1,-inf\r\n,x\r\n";
    assert_record(&c, expected, sizeof(expected) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_records)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
