/* JSON: what files and requests may hold, bounds on depth and memory, typed members. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json.h"
#include "support/tmpdir.h"

static json_t *parse(const char *text)
{
    tempo_err err = {0};
    json_t *root;

    if (tempo_json_parse(&root, text, strlen(text), &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return root;
}

static void test_members(void **state)
{
    (void)state;
    json_t *o = parse("{\"n\": 7, \"neg\": -1, \"x\": 1.5, \"t\": true, \"s\": \"text\", \"nil\": null}");
    tempo_err err = {0};
    uint64_t u = 99;
    double f = 0;
    bool b = false;
    const char *s = NULL;

    assert_int_equal(tempo_json_u64(o, "n", 7, &u, &err), TEMPO_OK);
    assert_int_equal(u, 7);
    assert_int_equal(tempo_json_f64(o, "n", &f, &err), TEMPO_OK);
    assert_true(f == 7);
    assert_int_equal(tempo_json_f64(o, "x", &f, &err), TEMPO_OK);
    assert_true(f == 1.5);
    assert_int_equal(tempo_json_bool(o, "t", &b, &err), TEMPO_OK);
    assert_true(b);
    assert_int_equal(tempo_json_str(o, "s", &s, &err), TEMPO_OK);
    assert_string_equal(s, "text");
    assert_int_equal(tempo_json_u64(o, "absent", 7, &u, &err), TEMPO_E_NOTFOUND);
    assert_int_equal(tempo_json_str(o, "nil", &s, &err), TEMPO_E_NOTFOUND);
    assert_int_equal(err.code, TEMPO_OK);
    json_decref(o);
}

static void test_wrong_members(void **state)
{
    (void)state;
    json_t *o = parse("{\"n\": 7, \"neg\": -1, \"x\": 1.5, \"t\": true, \"s\": \"text\", \"a\": []}");
    uint64_t u = 99;
    double f = 2;
    bool b = true;
    const char *s = "before";
    tempo_err err[6] = {0};

    assert_int_equal(tempo_json_u64(o, "n", 6, &u, &err[0]), TEMPO_E_FORMAT);
    assert_string_equal(err[0].msg, "\"n\" is 7, expected 0 to 6");
    assert_int_equal(tempo_json_u64(o, "neg", UINT64_MAX, &u, &err[1]), TEMPO_E_FORMAT);
    assert_int_equal(tempo_json_u64(o, "x", 6, &u, &err[2]), TEMPO_E_FORMAT);
    assert_string_equal(err[2].msg, "\"x\" is a real number, expected an integer");
    assert_int_equal(tempo_json_f64(o, "s", &f, &err[3]), TEMPO_E_FORMAT);
    assert_int_equal(tempo_json_bool(o, "n", &b, &err[4]), TEMPO_E_FORMAT);
    assert_int_equal(tempo_json_str(o, "a", &s, &err[5]), TEMPO_E_FORMAT);
    assert_string_equal(err[5].msg, "\"a\" is an array, expected a string");
    assert_true(u == 99 && f == 2 && b && strcmp(s, "before") == 0);
    json_decref(o);
}

typedef tempo_status (*parse_fn)(json_t **, const char *, uint64_t, tempo_err *);

static void assert_refused_by(parse_fn parse_it, const char *text, size_t n, tempo_status code,
                              uint64_t offset, const char *part)
{
    tempo_err err = {0};
    json_t *root = (json_t *)1;
    const tempo_status st = parse_it(&root, text, n, &err);

    if (st != code || err.code != code || err.offset != offset || root != NULL ||
        strstr(err.msg, part) == NULL)
        fail_msg("%.40s: status %d (%d), offset %llu (%llu), %s", text, (int)st, (int)code,
                 (unsigned long long)err.offset, (unsigned long long)offset, err.msg);
}

/* Neither files nor requests may hold it. */
static void assert_refused(const char *text, size_t n, tempo_status code, uint64_t offset, const char *part)
{
    assert_refused_by(tempo_json_parse, text, n, code, offset, part);
    assert_refused_by(tempo_json_parse_strict, text, n, code, offset, part);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t offset;
        const char *part;
    } rows[] = {
        {"", 0, "line 1 column 1: it ends"},
        {" \n ", 3, "line 2 column 2: it ends"},
        {"{} x", 3, "expected the end"},
        {"[1, 2", 5, "expected , or ]"},
        {"[1 2]", 3, "expected , or ]"},
        {"[1,]", 3, "expected a value"},
        {"[,1]", 1, "expected a value"},
        {"{\"a\": 1,}", 8, "expected a key"},
        {"{a: 1}", 1, "expected a key"},
        {"{\"a\" 1}", 5, "expected :"},
        {"{\"a\": 1 \"b\": 2}", 8, "expected , or }"},
        {"[\"\xff\"]", 2, "not UTF-8"},
        {"[\"ab\xed\xa0\x80\"]", 4, "not UTF-8"},
        {"\"ab", 0, "no end"},
        {"\"a\nb\"", 2, "control character"},
        {"\"\\x41\"", 2, "after a backslash"},
        {"\"\\", 2, "after a backslash"},
        {"\"\\u12g4\"", 3, "four hexadecimal"},
        {"\"\\u12", 3, "four hexadecimal"},
        {"01", 1, "expected the end"},
        {"{\"a\": None}", 6, "expected a value"},
        {"[Inf]", 1, "expected a value"},
        {"-", 1, "expected a digit"},
        {"-a", 1, "expected a digit"},
        {"1.", 2, "expected a digit"},
        {".5", 0, "expected a value"},
        {"+1", 0, "expected a value"},
        {"1e", 2, "expected a digit"},
        {"1e+", 3, "expected a digit"},
        {"0x10", 1, "expected the end"},
        {"nul", 0, "expected a value"},
        {"True", 0, "expected a value"},
        {"nan", 0, "expected a value"},
        {"Inf", 0, "expected a value"},
        {"-NaN", 1, "expected a digit"},
        {"'a'", 0, "expected a value"},
        {"[1] // why", 4, "expected the end"},
        {"\xff\xfe[", 0, "UTF-16"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_refused(rows[i].text, strlen(rows[i].text), TEMPO_E_FORMAT, rows[i].offset, rows[i].part);
    assert_refused("[1\0]", 4, TEMPO_E_FORMAT, 2, "expected , or ]");
}

/* What Python's json makes of a text, as jansson reads it (but for what is not finite). */
static const struct {
    const char *text, *means, *strict; /* strict: what requests say to it, NULL: the same */
    uint64_t offset;
} python_rows[] = {
    {"1000000000000000019884624838656", "1.0000000000000000e30", NULL, 0},
    {"-1000000000000000019884624838656", "-1.0000000000000000e30", NULL, 0},
    {"9223372036854775807", "9223372036854775807", NULL, 0},
    {"-9223372036854775808", "-9223372036854775808", NULL, 0},
    {"9223372036854775808", "9.2233720368547758e18", NULL, 0},
    {"-9223372036854775809", "-9.2233720368547758e18", NULL, 0},
    {"18446744073709551615", "1.8446744073709552e19", NULL, 0},
    {"123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
     "1.2345678901234568e89", NULL, 0},
    {"-0", "0", NULL, 0},
    {"-0.0", "-0.0", NULL, 0},
    {"1E2", "100.0", NULL, 0},
    {"0.1e-2", "0.001", NULL, 0},
    {"1e-999", "0.0", NULL, 0},
    {"5e-324", "4.9406564584124654e-324", NULL, 0},
    {"1e999", "\"\\u0000Infinity\"", "above the largest", 0},
    {"[-1e999]", "[\"\\u0000-Infinity\"]", "above the largest", 1},
    {"[NaN, Infinity, -Infinity]", "[\"\\u0000NaN\", \"\\u0000Infinity\", \"\\u0000-Infinity\"]",
     "no numbers", 1},
    {"[-Infinity]", "[\"\\u0000-Infinity\"]", "no numbers", 1},
    {"{\"a\": 1, \"b\": 2, \"a\": 3}", "{\"a\": 3, \"b\": 2}", "duplicate key", 17},
    {"{\"a\": 1, \"\\u0061\": 3}", "{\"a\": 3}", "duplicate key", 9},
    {"\"\\ud83d\\ude00 \\u00e9 \\u20ac \\\" \\\\ \\/ \\b\\f\\n\\r\\t\"",
     "\"\xf0\x9f\x98\x80 \xc3\xa9 \xe2\x82\xac \\\" \\\\ / \\b\\f\\n\\r\\t\"", NULL, 0},
    {"\"a\\ud800b\"",
     "\"a\xef\xbf\xbd"
     "b\"",
     "surrogate", 4},
    {"\"\\ud800\\ud800\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"", "surrogate", 3},
    {"\"\\udc00\"", "\"\xef\xbf\xbd\"", "surrogate", 3},
    {"\"\\ud800\\u0041\"",
     "\"\xef\xbf\xbd"
     "A\"",
     "surrogate", 3},
    {"\"a\\u0000b\"", "\"a\\u0000b\"", NULL, 0},
    {"\xef\xbb\xbf{}", "{}", "expected a value", 0},
    {" \t\r\n[ ] ", "[]", NULL, 0},
    {"\"\x7f\"", "\"\x7f\"", NULL, 0},
};

static void test_python(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(python_rows) / sizeof(python_rows[0]); i++) {
        const char *text = python_rows[i].text;
        tempo_err err = {0};
        json_t *loose, *strict;

        if (tempo_json_parse(&loose, text, strlen(text), &err) != TEMPO_OK)
            fail_msg("%s: %s", text, err.msg);
        json_t *means = json_loads(python_rows[i].means, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(means);
        if (!json_equal(loose, means))
            fail_msg("%s: is not %s", text, python_rows[i].means);
        json_decref(means);
        if (python_rows[i].strict != NULL) {
            assert_refused_by(tempo_json_parse_strict, text, strlen(text), TEMPO_E_FORMAT,
                              python_rows[i].offset, python_rows[i].strict);
        } else {
            assert_int_equal(tempo_json_parse_strict(&strict, text, strlen(text), &err), TEMPO_OK);
            assert_true(json_equal(strict, loose));
            json_decref(strict);
        }
        json_decref(loose);
    }
}

/* What is not finite, or has more than 64 bits, meets the range of the member that it is read as. */
static void test_ranges(void **state)
{
    (void)state;
    json_t *o =
        parse("{\"nan\": NaN, \"inf\": Infinity, \"minus\": -Infinity, \"huge\": 1e999, \"text\": \"NaN\","
              " \"big\": 1000000000000000019884624838656, \"three\": 3.0, \"half\": 0.5, \"neg\": -1e30,"
              " \"u64\": 18446744073709549568}");
    tempo_err err[9] = {0};
    uint64_t u = 99;
    double f = 2;
    const char *s = "before";

    assert_int_equal(tempo_json_f64(o, "nan", &f, &err[0]), TEMPO_OK);
    assert_true(f != f);
    assert_int_equal(tempo_json_f64(o, "inf", &f, &err[0]), TEMPO_OK);
    assert_true(f > 1.7976931348623157e308);
    assert_int_equal(tempo_json_f64(o, "minus", &f, &err[0]), TEMPO_OK);
    assert_true(f < -1.7976931348623157e308);
    assert_int_equal(tempo_json_f64(o, "huge", &f, &err[0]), TEMPO_OK);
    assert_true(f > 1.7976931348623157e308);
    assert_int_equal(tempo_json_f64(o, "text", &f, &err[1]), TEMPO_E_FORMAT);
    assert_string_equal(err[1].msg, "\"text\" is a string, expected a number");
    assert_int_equal(tempo_json_u64(o, "big", 7, &u, &err[2]), TEMPO_E_FORMAT);
    assert_string_equal(err[2].msg, "\"big\" is 1e+30, expected 0 to 7");
    assert_int_equal(tempo_json_u64(o, "neg", 7, &u, &err[3]), TEMPO_E_FORMAT);
    assert_string_equal(err[3].msg, "\"neg\" is -1e+30, expected 0 to 7");
    assert_int_equal(tempo_json_u64(o, "inf", 7, &u, &err[4]), TEMPO_E_FORMAT);
    assert_string_equal(err[4].msg, "\"inf\" is infinite, expected an integer");
    assert_int_equal(tempo_json_u64(o, "half", 7, &u, &err[5]), TEMPO_E_FORMAT);
    assert_int_equal(tempo_json_str(o, "nan", &s, &err[6]), TEMPO_E_FORMAT);
    assert_string_equal(err[6].msg, "\"nan\" is NaN, expected a string");
    assert_true(u == 99 && strcmp(s, "before") == 0);
    assert_int_equal(tempo_json_u64(o, "three", 7, &u, &err[7]), TEMPO_OK);
    assert_int_equal(u, 3);
    assert_int_equal(tempo_json_u64(o, "u64", UINT64_MAX, &u, &err[8]), TEMPO_OK);
    assert_true(u == 18446744073709549568u);
    json_decref(o);
}

/* Integers of a request that are beyond any range are numbers all the same. */
static void test_strict_numbers(void **state)
{
    (void)state;
    char text[402];
    tempo_err err = {0};
    json_t *root;

    memset(text, '9', sizeof(text));
    text[0] = '-';
    assert_int_equal(tempo_json_parse_strict(&root, text + 1, 400, &err), TEMPO_OK);
    assert_true(json_real_value(root) == 0x1.fffffffffffffp1023);
    json_decref(root);
    assert_int_equal(tempo_json_parse_strict(&root, text, 401, &err), TEMPO_OK);
    assert_true(json_real_value(root) == -0x1.fffffffffffffp1023);
    json_decref(root);
}

/* Keys may hold NUL, where jansson can keep them. */
static void test_nul_keys(void **state)
{
    (void)state;
#if JANSSON_VERSION_HEX >= 0x020e00
    json_t *o = parse("{\"a\\u0000b\": 1, \"a\": 2}"), *v;
    const char *key;
    size_t n, sum = 0;

    assert_int_equal(json_object_size(o), 2);
    json_object_keylen_foreach(o, key, n, v) sum += n * (size_t)json_integer_value(v);
    assert_int_equal(sum, 3 * 1 + 1 * 2);
    json_decref(o);
#endif
    const char text[] = "{\"a\": 1, \"a\\u0000\": 2}"; /* requests: it would be taken for "a" */
    assert_refused_by(tempo_json_parse_strict, text, sizeof(text) - 1, TEMPO_E_FORMAT, 9, "a key with a NUL");
}

/* Numbers are read alike where a comma is the decimal point. */
static void test_locale(void **state)
{
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL)
        skip();
    json_t *o = parse("[1.5]");
    assert_true(json_real_value(json_array_get(o, 0)) == 1.5);
    json_decref(o);
    (void)setlocale(LC_NUMERIC, "C");
}

static void check_depth(parse_fn parse_it, size_t limit)
{
    char *text = malloc(2 * limit + 2);
    tempo_err err = {0};
    json_t *root;

    assert_non_null(text);
    memset(text, '[', limit);
    memset(text + limit, ']', limit);
    assert_int_equal(parse_it(&root, text, 2 * limit, &err), TEMPO_OK);
    json_decref(root);
    memset(text, '[', limit + 1);
    memset(text + limit + 1, ']', limit + 1);
    assert_refused_by(parse_it, text, 2 * limit + 2, TEMPO_E_LIMIT, limit, "nested deeper");
    free(text);
}

static void test_depth(void **state)
{
    (void)state;
    check_depth(tempo_json_parse, TEMPO_JSON_MAX_FILE_DEPTH);
    check_depth(tempo_json_parse_strict, TEMPO_JSON_MAX_DEPTH);
    json_t *o = parse("[[[], {}], [[]], {\"a\": {}}]"); /* what ends is no longer counted */
    assert_int_equal(json_array_size(o), 3);
    json_decref(o);
}

/* jansson's own allocations, counted. */
static size_t allocated, peak;

static void *counting_malloc(size_t n)
{
    size_t *p = malloc(n + 16);

    if (p == NULL)
        return NULL;
    *p = n;
    allocated += n;
    peak = allocated > peak ? allocated : peak;
    return (char *)p + 16;
}

static void counting_free(void *p)
{
    if (p == NULL)
        return;
    size_t *head = (size_t *)(void *)((char *)p - 16);
    allocated -= *head;
    free(head);
}

/* text repeated n times between brackets; returns the peak of memory, 0 if it was refused. */
static size_t peak_of(const char *open, const char *text, size_t n, const char *close)
{
    const size_t len = strlen(text), size = n * len + 3;
    char *all = malloc(size + 64), *p = all;
    tempo_err err = {0};
    json_t *root;

    assert_non_null(all);
    p += sprintf(p, "%s", open);
    for (size_t i = 0; i < n; i++) {
        memcpy(p, text, len);
        p += len;
    }
    p[-1] = close[0]; /* instead of the last comma */
    allocated = peak = 0;
    const tempo_status st = tempo_json_parse(&root, all, (uint64_t)(p - all), &err);
    assert_true(st == TEMPO_OK || st == TEMPO_E_LIMIT);
    assert_true(peak <= 16 * size + ((size_t)64 << 20));
    json_decref(root);
    assert_int_equal(allocated, 0);
    free(all);
    return st == TEMPO_OK ? peak : 0;
}

static void test_memory(void **state)
{
    (void)state;
    json_set_alloc_funcs(counting_malloc, counting_free);
    /* What would take forty times its bytes is refused before it is built ... */
    assert_int_equal(peak_of("[", "[],", 3000000, "]"), 0);
    assert_int_equal(peak_of("[", "{},", 3000000, "]"), 0);
    /* ... and what tokenizer files hold is not. */
    assert_true(peak_of("[", "\"ab cd\",", 300000, "]") > 0);
    assert_true(peak_of("[", "[\"ab\",\"cd\"],", 280000, "]") > 0);
    assert_true(peak_of("[", "1,", 1000000, "]") > 0);
    json_set_alloc_funcs(malloc, free);
}

static void test_load(void **state)
{
    (void)state;
    char dir[256], path[512];
    tempo_err err = {0};
    json_t *root;

    test_tmpdir_create(dir);
    test_path(path, dir, "a.json");
    test_write_file(path, "{\"k\": [1]}", 10);
    assert_int_equal(tempo_json_load(&root, path, &err), TEMPO_OK);
    assert_int_equal(json_object_size(root), 1);
    json_decref(root);
    test_write_file(path, "{\"k\": [1}", 9);
    assert_int_equal(tempo_json_load(&root, path, &err), TEMPO_E_FORMAT);
    assert_null(root);
    assert_int_equal(strncmp(err.msg, path, strlen(path)), 0);
    assert_int_equal(err.offset, 8);
    test_tmpdir_remove(dir);
}

/* What was read is printed as it was written, where it was written in the shortest way. */
static void test_print(void **state)
{
    static const char *const texts[] = {
        "[3.1,3.0,-0.1,0.3,0.30000000000000004,100.0,-0.0,0.004,1e-07,1e+16,123456789012345.6]",
        "[5e-324,1.5e-323,2.2250738585072014e-308,1.7976931348623157e+308,9007199254740993,-7]",
        "{\"a\":[],\"b\":{},\"c\\u0000d\":[true,false,null,\"\\\"3.1000000000000001\\u0007\"],\"e\":[[0.1]]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        json_t *v = parse(texts[i]);
        char *text = tempo_json_print(v);
        assert_string_equal(text, texts[i]);
        free(text);
        json_decref(v);
    }
    assert_null(tempo_json_print(NULL));
    uint64_t bits = 1;
    for (size_t i = 0; i < 20000; i++) { /* every double comes back */
        double x;
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(&x, &bits, sizeof(x));
        json_t *v = json_real(x); /* NULL where it is not finite */
        if (v == NULL)
            continue;
        char *text = tempo_json_print(v);
        assert_true(strtod(text, NULL) == x);
        free(text);
        json_decref(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),  cmocka_unit_test(test_wrong_members),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_python),
        cmocka_unit_test(test_ranges),   cmocka_unit_test(test_strict_numbers),
        cmocka_unit_test(test_nul_keys), cmocka_unit_test(test_locale),
        cmocka_unit_test(test_depth),    cmocka_unit_test(test_memory),
        cmocka_unit_test(test_load),     cmocka_unit_test(test_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
