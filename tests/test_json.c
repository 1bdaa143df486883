/* JSON with bounds: depth, memory, duplicates, typed members. */
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

static void assert_refused(const char *text, size_t n, tempo_status code, uint64_t offset)
{
    tempo_err err = {0};
    json_t *root = (json_t *)1;
    const tempo_status st = tempo_json_parse(&root, text, n, &err);

    if (st != code || err.offset != offset || root != NULL || err.msg[0] == '\0')
        fail_msg("%.40s: status %d (%d), offset %llu (%llu), %s", text, (int)st, (int)code,
                 (unsigned long long)err.offset, (unsigned long long)offset, err.msg);
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused("", 0, TEMPO_E_FORMAT, 0);
    assert_refused("{\"a\": 1, \"a\": 2}", 16, TEMPO_E_FORMAT, 12);
    assert_refused("{} x", 4, TEMPO_E_FORMAT, 4);
    assert_refused("[1, 2", 5, TEMPO_E_FORMAT, 5);
    assert_refused("[\"\xff\"]", 5, TEMPO_E_FORMAT, 2);
    assert_refused("[NaN]", 5, TEMPO_E_FORMAT, 4); /* jansson counts the bytes it has taken */
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * TEMPO_JSON_MAX_DEPTH + 2];
    tempo_err err = {0};
    json_t *root;

    memset(text, '[', TEMPO_JSON_MAX_DEPTH);
    memset(text + TEMPO_JSON_MAX_DEPTH, ']', TEMPO_JSON_MAX_DEPTH);
    assert_int_equal(tempo_json_parse(&root, text, 2 * TEMPO_JSON_MAX_DEPTH, &err), TEMPO_OK);
    json_decref(root);
    memset(text, '[', TEMPO_JSON_MAX_DEPTH + 1);
    memset(text + TEMPO_JSON_MAX_DEPTH + 1, ']', TEMPO_JSON_MAX_DEPTH + 1);
    assert_refused(text, sizeof(text), TEMPO_E_LIMIT, TEMPO_JSON_MAX_DEPTH);
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
    assert_int_equal(err.offset, 9);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members), cmocka_unit_test(test_wrong_members), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_memory),        cmocka_unit_test(test_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
