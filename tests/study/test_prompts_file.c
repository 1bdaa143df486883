/* The suite of prompts: the shipped one, and what makes a suite invalid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "study/prompts_file.h"
#include "support/tmpdir.h"

static const char shipped[] = "experiments/prompts.yaml";

static size_t words(const char *s)
{
    size_t n = 0;

    while (*(s += strspn(s, " \n")) != '\0') {
        n++;
        s += strcspn(s, " \n");
    }
    return n;
}

static bool is_ascii(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

static void test_shipped(void **state)
{
    (void)state;
    tempo_err err = {0};
    tempo_prompts *p;
    size_t foreign = 0, shortest = SIZE_MAX, longest = 0;

    if (tempo_prompts_load(&p, shipped, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_true(p->n >= 126 && p->n_strata == 7);
    assert_int_equal(strlen(p->sha256), 64);
    for (size_t i = 0; i < p->n_strata; i++)
        assert_true(p->strata[i].n >= 18);
    for (size_t i = 0; i < p->n; i++) {
        const tempo_prompt *q = &p->prompts[i];
        const size_t n = words(q->text);
        foreign += !is_ascii(q->text);
        shortest = n < shortest ? n : shortest;
        longest = n > longest ? n : longest;
        assert_string_equal(p->strata[q->stratum_index].name, q->stratum);
        assert_int_equal(strncmp(q->id, q->stratum, strlen(q->stratum)), 0);
        assert_ptr_equal(tempo_prompts_find(p, q->id), q);
    }
    assert_true(shortest >= 4 && longest <= 40 && longest >= 25 && foreign >= 5 && foreign < p->n / 4);
    assert_null(tempo_prompts_find(p, "narrative-00"));
    tempo_prompts_free(p);
}

static void test_order(void **state)
{
    (void)state;
    const char text[] = "prompts:\n  - {id: b, stratum: x, text: one}\n  - {id: a, stratum: y, text: two}\n"
                        "  - {id: c-2, stratum: x, text: \"a\\n b\"}\n";
    tempo_err err = {0};
    tempo_prompts *p;

    assert_int_equal(tempo_prompts_parse(&p, "p.yaml", text, strlen(text), NULL, &err), TEMPO_OK);
    assert_true(p->n == 3 && p->n_strata == 2 && p->strata[0].n == 2 && p->strata[1].n == 1);
    assert_string_equal(p->prompts[0].id, "b");
    assert_string_equal(p->prompts[2].text, "a\n b");
    assert_true(p->prompts[2].stratum_index == 0 && p->prompts[2].line == 4);
    tempo_prompts_free(p);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "1:1: empty, expected a map of keys and values"},
        {"{}", "1:1: no prompts: expected a list 'prompts'"},
        {"prompts: []", "1:10: prompts: a list of 0, expected 1 to 8192 items"},
        {"prompts: [x]", "1:11: prompts: 'x' is not a map of keys and values"},
        {"promts: []", "1:1: unknown key 'promts'; did you mean 'prompts'?"},
        {"prompts:\n- {stratum: s, text: t}", "2:3: prompts: a prompt without id"},
        {"prompts:\n- {id: a, text: t}", "2:3: prompts: a prompt without stratum"},
        {"prompts:\n- {id: a, stratum: s}", "2:3: prompts: a prompt without text"},
        {"prompts:\n- {id: A, stratum: s, text: t}",
         "2:8: id: expected lower-case letters, digits, _ and -, at most 63"},
        {"prompts:\n- {id: a, stratum: s/t, text: t}",
         "2:20: stratum: expected lower-case letters, digits, _ and -, at most 63"},
        {"prompts:\n- {id: a, stratum: s, text: 't '}", "2:29: text: ends in white space"},
        {"prompts:\n- {id: a, stratum: s, text: \"t\\n\"}", "2:29: text: ends in white space"},
        {"prompts:\n- {id: a, stratum: s, text: 5}",
         "2:29: text: '5' is not a text; quotes would make it one"},
        {"prompts:\n- {id: a, stratum: s, txt: t}", "2:3: prompts: a prompt without text (and 1 more error)"},
        {"prompts:\n- {id: A, stratum: s, text: 't '}\n- {id: b, stratum: s, text: 't '}",
         "2:8: id: expected lower-case letters, digits, _ and -, at most 63 (and 3 more errors)"},
        {"prompts:\n- {id: b, stratum: s, text: t}\n- {id: a, stratum: s, text: u}\n- {id: b, stratum: s, "
         "text: v}",
         "4:8: id: the same as in line 2"},
        {"prompts:\n- {id: a, stratum: s, text: t}\n- {id: b, stratum: s, text: t}",
         "3:29: text: the same as in line 2"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tempo_err err = {0};
        tempo_prompts *p = (tempo_prompts *)1;
        const tempo_status st =
            tempo_prompts_parse(&p, "p.yaml", cases[i].text, strlen(cases[i].text), NULL, &err);
        if (st != TEMPO_E_FORMAT || p != NULL || strncmp(err.msg, "p.yaml:", 7) != 0 ||
            strcmp(err.msg + 7, cases[i].message) != 0)
            fail_msg("%s\n%s, expected\n%s", cases[i].text, err.msg, cases[i].message);
    }
}

static void count(void *user, const char *text)
{
    (void)text;
    ++*(size_t *)user;
}

/* Whatever is wrong with some prompts, all of them are looked at, for doubles too. */
static void test_all_errors(void **state)
{
    (void)state;
    static const char text[] = "prompts:\n"
                               "- {id: a, stratum: S, text: t}\n"
                               "- {id: a, stratum: s, text: 't '}\n"
                               "- {id: 5, stratum: s, text: t}\n"
                               "- {stratum: s, txt: u}\n";
    static const char lines[] = "{\"prompt\": \"a\"}\n{\"prompt\": \"a\"}\n";
    size_t n = 0;
    const tempo_yaml_tell tell = {.user = &n, .error = count};
    tempo_err err[2] = {0};
    tempo_prompts *p;

    /* stratum S; a again, white space; 5, t again; txt, no id, no text */
    assert_int_equal(tempo_prompts_parse(&p, "p.yaml", text, strlen(text), &tell, &err[0]), TEMPO_E_FORMAT);
    assert_int_equal(n, 8);
    assert_string_equal(err[0].msg, "p.yaml: 8 errors");
    /* of lines the first error is told */
    n = 0;
    assert_int_equal(tempo_prompts_parse(&p, "p.jsonl", lines, strlen(lines), &tell, &err[1]),
                     TEMPO_E_FORMAT);
    assert_int_equal(n, 1);
    assert_memory_equal(err[1].msg, "p.jsonl:2: the text of line 1 again", 35);
}

/* A prompt a line: any ids, texts as they are, one stratum where none is given. */
static void test_lines(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\": 7, \"prompt\": \"one \"}\n\n{\"id\": \"B c\", \"text\": \"two\", \"stratum\": \"s\"}\n";
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"prompt\": \"a\"}\n{\"prompt\": \"a\"}",
         "p.jsonl:2: the text of line 1 again, expected another: prompts are counted"},
        {"{\"prompt\": \"a\\u0000\"}", "p.jsonl:1: the text holds a NUL, expected none"},
        {"{\"prompt\": \"a\", \"stratum\": \"S\"}",
         "p.jsonl:1: \"stratum\": expected lower-case letters, digits, _ and -, at most 63"},
        {"{}",
         "p.jsonl:1: neither \"prompt\" nor \"text\" is there, expected {\"id\": .., \"prompt\": \"..\"}"},
    };
    tempo_err err = {0};
    tempo_prompts *p;

    assert_int_equal(tempo_prompts_parse(&p, "p.jsonl", text, strlen(text), NULL, &err), TEMPO_OK);
    assert_true(p->n == 2 && p->n_strata == 2 && p->prompts[1].line == 3);
    assert_string_equal(p->prompts[0].id, "7");
    assert_string_equal(p->prompts[0].text, "one ");
    assert_string_equal(p->prompts[0].stratum, "all");
    assert_string_equal(p->prompts[1].id, "B c");
    assert_memory_equal(p->prompts[1].name, "b-c-", 4);
    assert_ptr_equal(tempo_prompts_find(p, "B c"), &p->prompts[1]);
    assert_int_equal(strlen(p->sha256), 64);
    tempo_prompts_free(p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tempo_err why = {0};
        assert_int_equal(tempo_prompts_parse(&p, "p.jsonl", cases[i].text, strlen(cases[i].text), NULL, &why),
                         TEMPO_E_FORMAT);
        assert_null(p);
        assert_string_equal(why.msg, cases[i].message);
    }
}

static void test_truncated(void **state)
{
    (void)state;
    size_t n;
    unsigned char *bytes = test_read_file(shipped, &n);

    for (size_t i = 0; i < 1500 && i < n; i++) {
        tempo_err err = {0};
        tempo_prompts *p;
        unsigned char *part = malloc(i + 1);
        assert_non_null(part);
        memcpy(part, bytes, i);
        const tempo_status st = tempo_prompts_parse(&p, "p.yaml", part, i, NULL, &err);
        if (st == TEMPO_OK ? p == NULL || p->n == 0 : p != NULL || err.code != st)
            fail_msg("%zu bytes: %s", i, err.msg);
        free(part);
        tempo_prompts_free(p);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped), cmocka_unit_test(test_order),      cmocka_unit_test(test_lines),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_all_errors), cmocka_unit_test(test_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
