/* test_run_id.c - names and times of runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "files/run_id.h"

/* 'd' a digit, 'x' a hexadecimal digit, anything else itself */
static bool looks_like(const char *s, const char *shape)
{
    for (; *shape != '\0'; shape++, s++) {
        const bool digit = *s >= '0' && *s <= '9';
        if (*shape == 'd' ? !digit : *shape == 'x' ? !digit && (*s < 'a' || *s > 'f') : *s != *shape)
            return false;
    }
    return *s == '\0';
}

static void test_times(void **state)
{
    (void)state;
    char now[TEMPO_UTC_CHARS];

    assert_int_equal(tempo_utc_now(now, NULL), TEMPO_OK);
    assert_true(looks_like(now, "dddd-dd-ddTdd:dd:ddZ"));
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *shape;
    } rows[] = {
        {"E-1", "dddddddd-dddddd-E-1-xxxx"},
        {"a.b_c", "dddddddd-dddddd-a.b_c-xxxx"},
        {NULL, "dddddddd-dddddd-run-xxxx"},
        {"", "dddddddd-dddddd-run-xxxx"},
        {"../a b\n\xc3\xa9", "dddddddd-dddddd-..-a-b----xxxx"},
        {"1234567890123456789012345678901234567890",
         "dddddddd-dddddd-dddddddddddddddddddddddddddddddddddddddd-xxxx"},
        {"12345678901234567890123456789012345678901",
         "dddddddd-dddddd-dddddddddddddddddddddddddddddddddddddddd-xxxx"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char id[TEMPO_RUN_ID_CHARS];
        assert_int_equal(tempo_run_id(id, rows[i].name, NULL), TEMPO_OK);
        if (!looks_like(id, rows[i].shape))
            fail_msg("'%s' does not look like '%s'", id, rows[i].shape);
    }
}

static void test_differ(void **state)
{
    (void)state;
    char ids[8][TEMPO_RUN_ID_CHARS];
    size_t equal = 0;

    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(tempo_run_id(ids[i], "x", NULL), TEMPO_OK);
        for (size_t k = 0; k < i; k++)
            equal += strcmp(ids[i], ids[k]) == 0;
    }
    assert_true(equal <= 2); /* 28 pairs of 16 bits: three alike once in 8e10 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
