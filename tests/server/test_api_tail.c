/* Text that goes out piece by piece: never part of a character, never part of a stop string, however it came
 * in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/openai/tail.h"
#include "tempo.h"

/* text in pieces of k bytes, with stops[n]; what goes out must be expected, and each piece UTF-8 if all of it
 * is. */
static void check(const char *text, size_t n_text, size_t k, const char *const *stops, size_t n,
                  const char *expected, size_t n_expected, bool utf8)
{
    tempo_tail t = {0};
    size_t told = 0;

    for (size_t i = 0; i < n; i++)
        assert_true(tempo_tail_stop_at(&t, stops[i], strlen(stops[i])));
    for (size_t at = 0; at < n_text; at += k) {
        const size_t len = n_text - at < k ? n_text - at : k;
        assert_true(tempo_tail_add(&t, text + at, len));
        assert_true(t.ready >= told && t.ready <= t.n);
        if (utf8)
            assert_int_equal(tempo_utf8_valid(t.p + told, t.ready - told), t.ready - told);
        assert_true(t.ready <= n_expected);
        told = t.ready;
    }
    tempo_tail_end(&t);
    assert_int_equal(t.ready, n_expected);
    if (n_expected > 0)
        assert_memory_equal(t.p, expected, n_expected);
    tempo_tail_clear(&t);
}

static void check_all(const char *text, const char *const *stops, size_t n, const char *expected)
{
    for (size_t k = 1; k <= strlen(text); k++)
        check(text, strlen(text), k, stops, n, expected, strlen(expected), true);
}

static void test_characters(void **state)
{
    (void)state;
    check_all("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\xed\x9f\xbf\xf4\x8f\xbf\xbf", NULL, 0,
              "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\xed\x9f\xbf\xf4\x8f\xbf\xbf");
}

static void test_stops(void **state)
{
    (void)state;
    check_all("one two three", (const char *const[]){"two"}, 1, "one ");
    check_all("one two three", (const char *const[]){"x", "three", "e t"}, 3, "on");
    check_all("aaab", (const char *const[]){"aab"}, 1, "a");
    check_all("abcabd", (const char *const[]){"abd"}, 1, "abc");
    check_all("one tw", (const char *const[]){"two"}, 1, "one tw");
    check_all("abcd", (const char *const[]){"bcd", "cd"}, 2, "a"); /* both end there: the longer one counts */
    check_all("abcde", (const char *const[]){"bcde", "cd"}, 2, "ab"); /* the one that ends first counts */
    check_all("x\xe2\x82\xacy", (const char *const[]){"\xe2\x82\xac"}, 1, "x");
    check_all("stop", (const char *const[]){"stop"}, 1, "");
}

/* Bytes that are no UTF-8 go out at once, or when it shows that they are none. */
static void test_broken(void **state)
{
    (void)state;
    static const char text[] = "a\xff\xe2\x82z\xc0\x80\xed\xa0\x80\xf5\x80\xf0\x9f";

    for (size_t k = 1; k < sizeof(text); k++)
        check(text, sizeof(text) - 1, k, NULL, 0, text, sizeof(text) - 1, false);
    tempo_tail t = {0};
    assert_true(tempo_tail_add(&t, "\xe2\x82", 2));
    assert_int_equal(t.ready, 0);
    assert_true(tempo_tail_add(&t, "z", 1));
    assert_int_equal(t.ready, 3);
    assert_true(tempo_tail_add(&t, "\xc0", 1));
    assert_int_equal(t.ready, 4);
    tempo_tail_clear(&t);
}

static void test_limits(void **state)
{
    (void)state;
    tempo_tail t = {0};
    char *text = calloc(1, TEMPO_TAIL_STOP_BYTES + 1);

    assert_false(tempo_tail_stop_at(&t, "", 0));
    assert_false(tempo_tail_stop_at(&t, text, TEMPO_TAIL_STOP_BYTES + 1));
    for (int i = 0; i < TEMPO_TAIL_STOPS; i++)
        assert_true(tempo_tail_stop_at(&t, "x", 1));
    assert_false(tempo_tail_stop_at(&t, "x", 1));
    tempo_tail_clear(&t);
    free(text);
    /* what is before `begin` is no part of a stop string */
    assert_true(tempo_tail_add(&t, "ab", 2));
    t.begin = 2;
    assert_true(tempo_tail_stop_at(&t, "bc", 2));
    assert_true(tempo_tail_add(&t, "cbc", 3));
    assert_true(t.stopped);
    assert_int_equal(t.ready, 3);
    tempo_tail_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
