/* YAML: what scalars are, where things stand, what is refused and in which words, and memory that runs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "experiment/file/file.h"
#include "study/hypotheses_file.h"
#include "study/prompts_file.h"
#include "yaml/yaml.h"
#include "support/nomem.h"
#include "support/tmpdir.h"

static tempo_yaml *parse(const char *text)
{
    tempo_err err = {0};
    tempo_yaml *y;

    if (tempo_yaml_parse(&y, "t.yaml", text, strlen(text), &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return y;
}

static void test_scalars(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        tempo_yaml_kind kind;
        double f64;
    } cases[] = {
        {"~", TEMPO_YAML_NULL, 0},       {"null", TEMPO_YAML_NULL, 0},
        {"true", TEMPO_YAML_BOOL, 0},    {"FALSE", TEMPO_YAML_BOOL, 0},
        {"yes", TEMPO_YAML_STR, 0},      {"on", TEMPO_YAML_STR, 0},
        {"'true'", TEMPO_YAML_STR, 0},   {"\"1\"", TEMPO_YAML_STR, 0},
        {"0", TEMPO_YAML_INT, 0},        {"-17", TEMPO_YAML_INT, -17},
        {"+5", TEMPO_YAML_INT, 5},       {"0x1F", TEMPO_YAML_INT, 31},
        {"0o17", TEMPO_YAML_INT, 15},    {"017", TEMPO_YAML_INT, 17},
        {"-0x1", TEMPO_YAML_STR, 0},     {"1.5", TEMPO_YAML_FLOAT, 1.5},
        {".5", TEMPO_YAML_FLOAT, 0.5},   {"1.", TEMPO_YAML_FLOAT, 1},
        {"1e-2", TEMPO_YAML_FLOAT, .01}, {"-1.5E+1", TEMPO_YAML_FLOAT, -15},
        {".", TEMPO_YAML_STR, 0},        {"1e", TEMPO_YAML_STR, 0},
        {"1_000", TEMPO_YAML_STR, 0},    {"-.inf", TEMPO_YAML_FLOAT, -HUGE_VAL},
        {"inf", TEMPO_YAML_STR, 0},      {"nan", TEMPO_YAML_STR, 0},
        {"0x", TEMPO_YAML_STR, 0},       {"1.2.3", TEMPO_YAML_STR, 0},
        {"12:30", TEMPO_YAML_STR, 0},    {"2026-01-01", TEMPO_YAML_STR, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tempo_yaml *y = parse(cases[i].text);
        const tempo_yaml_node *v = tempo_yaml_root(y);
        if (v->kind != cases[i].kind || !(v->f64 == cases[i].f64))
            fail_msg("%s: kind %d, %g", cases[i].text, (int)v->kind, v->f64);
        tempo_yaml_free(y);
    }
    tempo_yaml *y = parse("[.nan, 18446744073709551615, 18446744073709551616, true]");
    const tempo_yaml_node *v = tempo_yaml_root(y)->first;
    assert_true(v->kind == TEMPO_YAML_FLOAT && isnan(v->f64));
    assert_true(v->next->fits && v->next->u64 == UINT64_MAX);
    assert_true(v->next->next->kind == TEMPO_YAML_INT && !v->next->next->fits);
    assert_true(v->next->next->next->flag);
    tempo_yaml_free(y);
}

static void test_tree(void **state)
{
    (void)state;
    tempo_yaml *y = parse("# first\na: 1\nlist:\n  - x\n  - {k: \"v\\n\", é: ö, z: 3}\nempty:\n");
    const tempo_yaml_node *root = tempo_yaml_root(y), *list = tempo_yaml_get(root, "list"), *z;

    assert_int_equal(root->n, 3);
    assert_int_equal(list->n, 2);
    assert_true(list->key_line == 3 && list->key_column == 1 && list->line == 4 && list->column == 3);
    assert_string_equal(list->first->text, "x");
    assert_null(list->first->key);
    assert_string_equal(list->first->label, "list");
    assert_string_equal(tempo_yaml_get(list->first->next, "k")->text, "v\n");
    z = tempo_yaml_get(list->first->next, "z");
    assert_true(z->key_line == 5 && z->key_column == 22 && z->column == 25); /* characters, not bytes */
    assert_int_equal(tempo_yaml_get(root, "empty")->kind, TEMPO_YAML_NULL);
    assert_null(tempo_yaml_get(root, "nothing"));
    tempo_yaml_free(y);
    y = parse("");
    assert_int_equal(tempo_yaml_root(y)->kind, TEMPO_YAML_NULL);
    tempo_yaml_free(y);
}

static void assert_refused(const char *text, size_t n, tempo_status code, const char *message)
{
    tempo_err why = {0}, err = {0};
    tempo_yaml *y = (tempo_yaml *)1;
    tempo_status st = tempo_yaml_parse(&y, "t.yaml", text, n, &why);
    const bool kept = st == TEMPO_OK; /* a duplicate key, which ends nothing */

    st = tempo_yaml_settle(y, st, &why, NULL, &err);
    if (st != code || err.code != code || (y != NULL) != kept || strcmp(err.msg, message) != 0)
        fail_msg("%.60s:\n%s, expected\n%s (status %d)", text, err.msg, message, (int)st);
    tempo_yaml_free(y);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        tempo_status code;
        const char *message;
    } cases[] = {
        {"a: &x 1", TEMPO_E_UNSUPPORTED, "t.yaml:1:4: anchors (&name) are not supported"},
        {"a: 1\nb: *x", TEMPO_E_UNSUPPORTED, "t.yaml:2:4: aliases (*name) are not supported"},
        {"a: !!int 1", TEMPO_E_UNSUPPORTED, "t.yaml:1:4: tags (!name) are not supported"},
        {"a: !x [1]", TEMPO_E_UNSUPPORTED, "t.yaml:1:4: tags (!name) are not supported"},
        {"a: &m {b: 1}", TEMPO_E_UNSUPPORTED, "t.yaml:1:4: anchors (&name) are not supported"},
        {"a: 1\n---\nb: 2\n", TEMPO_E_UNSUPPORTED,
         "t.yaml:2:1: a second document begins, one file holds one document"},
        {"? [a]\n: 1", TEMPO_E_UNSUPPORTED, "t.yaml:1:3: a key is a list or a map, expected a name"},
        {"'': 1", TEMPO_E_FORMAT, "t.yaml:1:1: a key is empty or holds a NUL, expected a name"},
        {"a: 1\nb: 2\na: 3", TEMPO_E_FORMAT, "t.yaml:3:1: duplicate key 'a', it is in line 1 already"},
        {"a: {b: 1, b: 2}", TEMPO_E_FORMAT, "t.yaml:1:11: duplicate key 'b', it is in line 1 already"},
        {"a: \"x\\0y\"", TEMPO_E_FORMAT, "t.yaml:1:4: a text holds a NUL"},
        {"a: [1, 2", TEMPO_E_FORMAT,
         "t.yaml:2:1: did not find expected ',' or ']', while parsing a flow sequence that begins in line 1"},
        {"a: 1\n b: 2", TEMPO_E_FORMAT, "t.yaml:2:3: mapping values are not allowed in this context"},
        {"a: \xff", TEMPO_E_FORMAT, "t.yaml: byte 3: invalid leading UTF-8 octet"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].code, cases[i].message);
}

/* n copies of `unit` between head and tail, malloc'd. */
static char *repeat(const char *head, const char *unit, size_t n, const char *tail)
{
    const size_t len = strlen(unit);
    char *s = malloc(strlen(head) + n * len + strlen(tail) + 1), *p = s;

    assert_non_null(s);
    p += sprintf(p, "%s", head);
    for (size_t i = 0; i < n; i++, p += len)
        memcpy(p, unit, len);
    (void)sprintf(p, "%s", tail);
    return s;
}

static void check_limit(char *text, const char *message)
{
    if (message != NULL)
        assert_refused(text, strlen(text), TEMPO_E_LIMIT, message);
    else
        tempo_yaml_free(parse(text));
    free(text);
}

static void test_limits(void **state)
{
    (void)state;
    char *keys = malloc(300 * 16), *p = keys;

    check_limit(repeat("", "[", 16, "]]]]]]]]]]]]]]]]"), NULL);
    check_limit(repeat("", "[", 17, "]]]]]]]]]]]]]]]]]"), "t.yaml:1:17: nested deeper than 16");
    check_limit(repeat("[", "0,", 65535, "]"), NULL);
    check_limit(repeat("[", "0,", 65536, "]"), "t.yaml:1:131072: more than 65536 values");
    check_limit(repeat("a: '", "x", 65536, "'"), NULL);
    check_limit(repeat("a: '", "x", 65537, "'"), "t.yaml:1:4: a text of 65537 bytes, the limit is 65536");
    check_limit(repeat("", "#", (1 << 20) + 1, ""), "t.yaml: 1048577 bytes, the limit is 1048576");
    assert_non_null(keys);
    for (int i = 0; i < 257; i++)
        p += sprintf(p, "k%d: 1\n", i);
    check_limit(keys, "t.yaml:257:1: more than 256 keys in one map");
}

static void assert_message(tempo_status st, const tempo_err *err, const char *message)
{
    assert_int_equal(st, TEMPO_E_FORMAT);
    assert_string_equal(err->msg, message);
}

static void test_typed(void **state)
{
    (void)state;
    tempo_yaml *y = parse("x: 0.5\nn: 3\nt: true\ns: text\nc: two\nl: [1, 2]\nf: [0.5, 2]\nm: [{}, {}]");
    const tempo_yaml_node *root = tempo_yaml_root(y), *list;
    const tempo_yaml_range any = {.low = -HUGE_VAL, .high = HUGE_VAL};
    double f = 9, fs[2];
    size_t n = 9, ns[2], count = 0;
    uint64_t u = 9;
    bool b = false;
    const char *s = NULL;
    unsigned c = 9;
    tempo_err err = {0};

    assert_int_equal(tempo_yaml_f64(root, "none", any, &f, &err), TEMPO_OK);
    assert_true(f == 9);
    assert_int_equal(tempo_yaml_f64(root, "x", any, &f, &err), TEMPO_OK);
    assert_true(f == 0.5);
    assert_int_equal(tempo_yaml_f64(root, "n", any, &f, &err), TEMPO_OK);
    assert_true(f == 3);
    assert_int_equal(tempo_yaml_u64(root, "n", 3, 3, &u, &err), TEMPO_OK);
    assert_int_equal(u, 3);
    assert_int_equal(tempo_yaml_size(root, "n", 0, 5, &n, &err), TEMPO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(tempo_yaml_bool(root, "t", &b, &err), TEMPO_OK);
    assert_true(b);
    assert_int_equal(tempo_yaml_str(root, "s", &s, &err), TEMPO_OK);
    assert_string_equal(s, "text");
    assert_int_equal(tempo_yaml_choice(root, "c", "one|two|three", &c, &err), TEMPO_OK);
    assert_int_equal(c, 1);
    assert_int_equal(tempo_yaml_size_list(root, "l", 1, 2, ns, 2, &count, &err), TEMPO_OK);
    assert_true(count == 2 && ns[0] == 1 && ns[1] == 2);
    assert_int_equal(tempo_yaml_f64_list(root, "f", any, fs, 2, &count, &err), TEMPO_OK);
    assert_true(count == 2 && fs[0] == 0.5 && fs[1] == 2);
    assert_int_equal(tempo_yaml_list(root, "m", TEMPO_YAML_MAP, 2, &list, &err), TEMPO_OK);
    assert_int_equal(list->n, 2);
    assert_int_equal(err.code, TEMPO_OK);
    tempo_yaml_free(y);
}

static void test_ill_typed(void **state)
{
    (void)state;
    tempo_yaml *y = parse(
        "x: abc\nnan: .nan\nn: -1\nbig: 18446744073709551616\nt: yes\ns: 5\nnull:\nc: tow\n"
        "l: [1, x]\nz: 0\nlong: \"0123456789012345678901234567890123456789012345\xc3\xa9\xc3\xa9x\\ny\"\n");
    const tempo_yaml_node *root = tempo_yaml_root(y), *list = NULL;
    const tempo_yaml_range share = {.low = 0, .high = 1, .above_low = true};
    const tempo_yaml_range from = {.low = 0, .high = 1};
    const tempo_yaml_range positive = {.low = 0, .high = HUGE_VAL, .above_low = true};
    double f = 9, fs[2];
    uint64_t u = 9;
    size_t count = 9;
    bool b = true;
    const char *s = "before";
    unsigned c = 9;
    tempo_err e[16] = {0};

    assert_message(tempo_yaml_f64(root, "x", share, &f, &e[0]), &e[0],
                   "t.yaml:1:4: x: 'abc' is not a number above 0 and at most 1");
    assert_message(tempo_yaml_f64(root, "nan", from, &f, &e[1]), &e[1],
                   "t.yaml:2:6: nan: '.nan' is not a number from 0 to 1");
    assert_message(tempo_yaml_u64(root, "n", 0, 7, &u, &e[2]), &e[2],
                   "t.yaml:3:4: n: '-1' is not an integer from 0 to 7");
    assert_message(
        tempo_yaml_u64(root, "big", 0, UINT64_MAX, &u, &e[3]), &e[3],
        "t.yaml:4:6: big: '18446744073709551616' is not an integer from 0 to 18446744073709551615");
    assert_message(tempo_yaml_bool(root, "t", &b, &e[4]), &e[4], "t.yaml:5:4: t: 'yes' is not true or false");
    assert_message(tempo_yaml_str(root, "s", &s, &e[5]), &e[5],
                   "t.yaml:6:4: s: '5' is not a text; quotes would make it one");
    assert_message(tempo_yaml_str(root, "null", &s, &e[6]), &e[6],
                   "t.yaml:7:6: null: empty, expected a text");
    assert_message(tempo_yaml_choice(root, "c", "one|two", &c, &e[7]), &e[7],
                   "t.yaml:8:4: c: 'tow' is not one of one|two");
    assert_message(tempo_yaml_f64_list(root, "l", from, fs, 2, &count, &e[8]), &e[8],
                   "t.yaml:9:8: l: 'x' is not a number from 0 to 1");
    assert_message(tempo_yaml_f64_list(root, "l", from, fs, 1, &count, &e[9]), &e[9],
                   "t.yaml:9:4: l: a list of 2, expected 1 to 1 items");
    assert_message(tempo_yaml_f64_list(root, "x", from, fs, 1, &count, &e[10]), &e[10],
                   "t.yaml:1:4: x: 'abc' is not a list");
    assert_message(tempo_yaml_bool(root, "l", &b, &e[11]), &e[11],
                   "t.yaml:9:4: l: a list is not true or false");
    assert_message(tempo_yaml_f64(root, "z", positive, &f, &e[12]), &e[12],
                   "t.yaml:10:4: z: '0' is not a number above 0");
    assert_message(tempo_yaml_list(root, "l", TEMPO_YAML_MAP, 9, &list, &e[13]), &e[13],
                   "t.yaml:9:5: l: '1' is not a map of keys and values");
    /* cut between characters, without the line break */
    assert_message(tempo_yaml_bool(root, "long", &b, &e[14]), &e[14],
                   "t.yaml:11:7: long: '0123456789012345678901234567890123456789012345\xc3\xa9...' is not "
                   "true or false");
    assert_true(f == 9 && u == 9 && b && c == 9 && count == 9 && list == NULL && strcmp(s, "before") == 0);
    tempo_yaml_free(y);
}

static void test_keys(void **state)
{
    (void)state;
    static const char *const known[] = {"steps", "selection_threshold", "prompt", "prompts", "kv", NULL};
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a:\n  b: 1", "t.yaml:1:1: unknown key 'a'"},
        {"steps: 1\nselction_threshold: 2",
         "t.yaml:2:1: unknown key 'selction_threshold'; did you mean 'selection_threshold'?"},
        {"setps: 1", "t.yaml:1:1: unknown key 'setps'; did you mean 'steps'?"},
        {"vk: 1",
         "t.yaml:1:1: unknown key 'vk'; did you mean 'kv'?"}, /* near only because that counts as one */
        {"promt: 1", "t.yaml:1:1: unknown key 'promt'; did you mean 'prompt'?"},
        {"promptss: 1", "t.yaml:1:1: unknown key 'promptss'; did you mean 'prompts'?"},
        {"temperature: 1", "t.yaml:1:1: unknown key 'temperature'"},
        {"- steps", "t.yaml:1:1: a list is not a map of keys and values"},
        {"", "t.yaml:1:1: empty, expected a map of keys and values"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tempo_err err = {0};
        tempo_yaml *y = parse(cases[i].text);
        assert_message(tempo_yaml_check_keys(tempo_yaml_root(y), known, &err), &err, cases[i].message);
        tempo_yaml_free(y);
    }
}

static void test_reading(void **state)
{
    (void)state;
    char dir[256], path[512], *bytes;
    size_t n;
    tempo_err err[3] = {0};

    test_tmpdir_create(dir);
    test_path(path, dir, "a.yaml");
    assert_int_equal(tempo_yaml_read_file(path, &bytes, &n, &err[0]), TEMPO_E_NOTFOUND);
    assert_null(bytes);
    test_write_file(path, "a: 1", 4);
    assert_int_equal(tempo_yaml_read_file(path, &bytes, &n, &err[1]), TEMPO_OK);
    assert_true(n == 4 && memcmp(bytes, "a: 1", 4) == 0);
    free(bytes);
    assert_int_equal(tempo_yaml_read_file(dir, &bytes, &n, &err[1]), TEMPO_E_IO);
    assert_true(bytes == NULL && n == 0 && strncmp(err[1].msg, dir, strlen(dir)) == 0);
    char *big = repeat("", " ", (1 << 20) + 1, "");
    test_write_file(path, big, (1 << 20) + 1);
    assert_int_equal(tempo_yaml_read_file(path, &bytes, &n, &err[2]), TEMPO_E_LIMIT);
    assert_null(bytes);
    free(big);
    test_tmpdir_remove(dir);
}

/* Read each kind of file with the k-th allocation failing, for every k. */
static void test_no_memory(void **state)
{
    (void)state;
    static const char *const paths[] = {"experiments/exp1.yaml", "experiments/hypotheses.yaml",
                                        "experiments/prompts.yaml"};

    for (size_t which = 0; which < 3; which++)
        for (size_t k = 0;; k++) {
            tempo_err err = {0};
            tempo_experiment *e = NULL;
            tempo_hypotheses *h = NULL;
            tempo_prompts *p = NULL;
            test_fail_allocation(k);
            const tempo_status st = which == 0   ? tempo_experiment_load(&e, paths[which], NULL, &err)
                                    : which == 1 ? tempo_hypotheses_load(&h, paths[which], NULL, &err)
                                                 : tempo_prompts_load(&p, paths[which], NULL, &err);
            const bool failed = test_allocation_failed();
            if (failed ? st != TEMPO_E_NOMEM || e != NULL || h != NULL || p != NULL : st != TEMPO_OK)
                fail_msg("%s, allocation %zu: status %d, %s", paths[which], k, (int)st, err.msg);
            tempo_experiment_free(e);
            tempo_hypotheses_free(h);
            tempo_prompts_free(p);
            if (!failed) {
                assert_true(k >= 4);
                break;
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars), cmocka_unit_test(test_tree),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_typed),   cmocka_unit_test(test_ill_typed),
        cmocka_unit_test(test_keys),    cmocka_unit_test(test_reading), cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
