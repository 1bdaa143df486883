/* Prompts a line: what ids and texts may be, names for files, and which line is bad in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "files/prompt_lines.h"
#include "support/nomem.h"
#include "support/tmpdir.h"

static tempo_prompt_lines *parse(const char *text)
{
    tempo_err err = {0};
    tempo_prompt_lines *p;

    if (tempo_prompt_lines_parse(&p, "p.jsonl", text, strlen(text), &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return p;
}

static void test_lines(void **state)
{
    static const char text[] =
        "\xef\xbb\xbf{\"id\": \"q-1\", \"prompt\": \"The cat\"}\r\n"
        "\n"
        "{\"text\": \"a\\u0000b \", \"id\": -7, \"score\": 1e999, \"big\": 123456789012345678901}\n"
        "  \t\n"
        "{\"prompt\": \"no id\", \"stratum\": \"s\"}\n"
        "{\"id\": \"Ü/../x y\", \"prompt\": \"\xc3\xa4\"}\n"
        "{\"id\": \"first\", \"id\": \"q_2\", \"prompt\": \"last\"}";
    tempo_prompt_lines *p = parse(text);

    (void)state;
    assert_int_equal(p->n, 5);
    assert_string_equal(p->path, "p.jsonl");
    assert_int_equal(strlen(p->sha256), 64);
    assert_string_equal(json_string_value(p->lines[0].id), "q-1");
    assert_string_equal(p->lines[0].name, "q-1");
    assert_true(p->lines[0].line == 1 && p->lines[0].n == 7 && p->lines[0].stratum == NULL);
    assert_int_equal(json_integer_value(p->lines[1].id), -7);
    assert_string_equal(p->lines[1].key, "-7");
    assert_true(p->lines[1].line == 3 && p->lines[1].n == 4 && memcmp(p->lines[1].text, "a\0b ", 5) == 0);
    assert_int_equal(json_integer_value(p->lines[2].id), 5);
    assert_string_equal(p->lines[2].name, "5");
    assert_string_equal(p->lines[2].stratum, "s");
    assert_string_equal(json_string_value(p->lines[3].id), "Ü/../x y");
    assert_memory_equal(p->lines[3].name, "x-y-", 4); /* and a hash: no such name leads out of a directory */
    assert_int_equal(strlen(p->lines[3].name), 4 + 12);
    assert_string_equal(p->lines[4].key, "q_2"); /* as Python reads it */
    tempo_prompt_lines_free(p);
    assert_true(tempo_is_prompt_lines("a/b.jsonl") && !tempo_is_prompt_lines(".jsonl") &&
                !tempo_is_prompt_lines("a.json"));
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "p.jsonl: no prompts, expected one a line"},
        {"\n \n", "p.jsonl: no prompts, expected one a line"},
        {"{\"prompt\": 7}", "p.jsonl:1: \"prompt\" is an integer, expected a text"},
        {"{\"prompt\": NaN}", "p.jsonl:1: \"prompt\" is NaN, expected a text"},
        {"{\"text\": \"\"}", "p.jsonl:1: \"text\" is empty, expected a text"},
        {"{\"prompt\": \"a\"}\n{\"id\": 1.5, \"prompt\": \"b\"}",
         "p.jsonl:2: \"id\" is a real number, expected a text or an integer"},
        {"{\"id\": null, \"prompt\": \"b\"}", "p.jsonl:1: \"id\" is null, expected a text or an integer"},
        {"{\"id\": \"\", \"prompt\": \"b\"}",
         "p.jsonl:1: \"id\" is empty or holds a NUL, expected a text or an integer"},
        {"{\"id\": 1}",
         "p.jsonl:1: neither \"prompt\" nor \"text\" is there, expected {\"id\": .., \"prompt\": \"..\"}"},
        {"{\"text\": \"a\", \"prompt\": \"b\"}",
         "p.jsonl:1: \"prompt\" and \"text\" are both there, expected one of them"},
        {"\"a\"", "p.jsonl:1: a string, expected an object {\"id\": .., \"prompt\": \"..\"}"},
        {"{\"prompt\": \"a\", \"stratum\": 1}", "p.jsonl:1: \"stratum\" is an integer, expected a text"},
        {"{\"id\": 7, \"prompt\": \"a\"}\n{\"id\": \"7\", \"prompt\": \"b\"}",
         "p.jsonl:2: the id \"7\" is that of line 1, expected another"},
        {"{\"id\": 3, \"prompt\": \"a\"}\n\n{\"prompt\": \"b\"}",
         "p.jsonl:3: the id \"3\" is that of line 1, expected another"},
        {"[1]\n{\"prompt\": \"fine\"}\n{}\n7",
         "p.jsonl:1: an array, expected an object {\"id\": .., \"prompt\": \"..\"} (and 2 more bad lines)"},
    };
    tempo_prompt_lines *p;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_err err = {0};
        assert_int_equal(tempo_prompt_lines_parse(&p, "p.jsonl", cases[i].text, strlen(cases[i].text), &err),
                         TEMPO_E_FORMAT);
        assert_null(p);
        assert_string_equal(err.msg, cases[i].message);
    }
    tempo_err err = {0};
    static const char broken[] = "{\"prompt\": \"a\"}\n{\"prompt\": \"a\"";
    assert_int_equal(tempo_prompt_lines_parse(&p, "p.jsonl", broken, strlen(broken), &err), TEMPO_E_FORMAT);
    assert_memory_equal(err.msg, "p.jsonl:2: ", 11);
    assert_non_null(strstr(err.msg, ", expected a JSON object in a line"));
}

static void test_files(void **state)
{
    static const char text[] = "{\"id\": 1, \"prompt\": \"x\"}\n";
    char dir[256], path[512];
    tempo_prompt_lines *p;
    tempo_err err[2] = {0};

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "p.jsonl");
    assert_int_equal(tempo_prompt_lines_load(&p, path, &err[0]), TEMPO_E_IO);
    assert_null(p);
    char *many = malloc(10000 * 40);
    size_t n = 0;
    assert_non_null(many);
    for (int i = 0; i < 10000; i++)
        n += (size_t)sprintf(many + n, "{\"id\": %d, \"prompt\": \"x\"}\n", i);
    test_write_file(path, many, n);
    assert_int_equal(tempo_prompt_lines_load(&p, path, &err[1]), TEMPO_OK);
    assert_true(p->n == 10000 && p->lines[9999].line == 10000);
    tempo_prompt_lines_free(p);
    for (size_t k = 0;; k++) { /* the k-th allocation fails */
        tempo_err why = {0};
        test_fail_allocation(k);
        const tempo_status st = tempo_prompt_lines_parse(&p, "p.jsonl", text, strlen(text), &why);
        if (!test_allocation_failed()) {
            assert_int_equal(st, TEMPO_OK);
            tempo_prompt_lines_free(p);
            break;
        }
        assert_int_equal(st, TEMPO_E_NOMEM);
        assert_null(p);
    }
    free(many);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
