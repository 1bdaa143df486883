/* Text before it becomes tokens: tables of Unicode, normalisation forms, patterns, how texts are cut; bounds
 * on work.  The whole tables are compared with the reference in tests/field/test_text.py.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "token/pretoken.h"
#include "text/unicode.h"

#define MARKED "\u2581"

/* ---- tables ---- */

static void test_categories(void **state)
{
    static const struct {
        uint32_t c;
        tempo_category category;
    } rows[] = {
        {'a', TEMPO_LL},     {'A', TEMPO_LU},     {'5', TEMPO_ND},      {' ', TEMPO_ZS},
        {0x1c5, TEMPO_LT},   {0x301, TEMPO_MN},   {0x93f, TEMPO_MC},    {0x20dd, TEMPO_ME},
        {0x2160, TEMPO_NL},  {0xb2, TEMPO_NO},    {'_', TEMPO_PC},      {'-', TEMPO_PD},
        {'$', TEMPO_SC},     {0x2028, TEMPO_ZL},  {0x180e, TEMPO_CF},   {0xe000, TEMPO_CO},
        {0x4e2d, TEMPO_LO},  {0x378, TEMPO_CN},   {0x10ffff, TEMPO_CN}, {0x1c89, TEMPO_LU},
        {0x897, TEMPO_MN}, /* new in 16.0 */
        {0x10d6f, TEMPO_LM}, {0x16d43, TEMPO_LO}, {0x1ccf0, TEMPO_ND},  {0x113b8, TEMPO_MC},
        {0x2ebf0, TEMPO_LO}, /* 15.1 */
        {0xa7ce, TEMPO_CN},  /* 17.0 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (tempo_unicode_category(rows[i].c) != rows[i].category)
            fail_msg("U+%04X: %d", (unsigned)rows[i].c, (int)tempo_unicode_category(rows[i].c));
}

static void test_properties(void **state)
{
    uint32_t to[3];

    (void)state;
    size_t spaces = 0;
    for (uint32_t c = 0; c <= TEMPO_UNICODE_LAST; c++)
        spaces += tempo_unicode_is_space(c);
    assert_int_equal(spaces, 25);
    assert_true(tempo_unicode_is_space(0x3000));
    assert_false(tempo_unicode_is_space(0x180e));
    assert_false(tempo_unicode_is_space(0x200b));
    assert_true(tempo_unicode_is_word(0x301));
    assert_true(tempo_unicode_is_word(0x200d));
    assert_false(tempo_unicode_is_word(0xb2));
    assert_int_equal(tempo_unicode_lower('Q', to), 1);
    assert_int_equal(to[0], 'q');
    assert_int_equal(tempo_unicode_lower(0x130, to), 2);
    assert_int_equal(to[1], 0x307);
    assert_int_equal(tempo_unicode_combining(0x323), 220);
    assert_int_equal(tempo_unicode_combining(0x897), 0); /* the forms are older than this mark */
    assert_int_equal(tempo_unicode_compose('e', 0x301), 0xe9);
    assert_int_equal(tempo_unicode_compose(0x1100, 0x1161), 0xac00);
    assert_int_equal(tempo_unicode_compose(0x915, 0x93c), 0); /* excluded */
}

/* ---- normalisation ---- */

static void apply(tempo_form form, const char *text, const char *expected)
{
    tempo_passage t = {0}, spare = {0};
    tempo_regex_work w = {0};
    tempo_normal *z;
    tempo_err err = {0};

    assert_int_equal(tempo_normal_create(&z, &err), TEMPO_OK);
    assert_int_equal(tempo_normal_add(z, form, MARKED, 3, &err), TEMPO_OK);
    assert_true(tempo_passage_append(&t, text, strlen(text), false));
    assert_int_equal(tempo_normal_apply(z, &w, &t, &spare, &err), TEMPO_OK);
    if (t.n != strlen(expected) || (t.n > 0 && memcmp(t.p, expected, t.n) != 0))
        fail_msg("form %d of \"%s\" is \"%.*s\", not \"%s\"", (int)form, text, (int)t.n, t.p, expected);
    tempo_passage_free(&t);
    tempo_passage_free(&spare);
    tempo_regex_work_free(&w);
    tempo_normal_free(z);
}

static void test_forms(void **state)
{
    (void)state;
    apply(TEMPO_FORM_NFC, "e\u0301x", "\u00e9x");
    apply(TEMPO_FORM_NFC, "e\u0301\u0323", "\u1eb9\u0301"); /* the mark below goes first */
    apply(TEMPO_FORM_NFD, "\u1eb9\u0301", "e\u0323\u0301");
    apply(TEMPO_FORM_NFC, "\u1100\u1161\u11a8", "\uac01");
    apply(TEMPO_FORM_NFD, "\uac01", "\u1100\u1161\u11a8");
    apply(TEMPO_FORM_NFC, "\u212b\ufb01\u0958", "\u00c5\ufb01\u0915\u093c");
    apply(TEMPO_FORM_NFKC, "\ufb01\uff21\u2460", "fiA1");
    apply(TEMPO_FORM_NFKD, "\u1e9b\u0323", "s\u0323\u0307");
    apply(TEMPO_FORM_NFC, "\u0301a", "\u0301a"); /* a mark that nothing is in front of */
    apply(TEMPO_FORM_NFC, "a\u0897\u0323",
          "a\u0897\u0323"); /* of a later version: it parts what it stands between */
    apply(TEMPO_FORM_LOWER, "\u0130AB\u00c9", "i\u0307ab\u00e9");
    apply(TEMPO_FORM_BARE, "e\u0301a\u0323", "ea");
    apply(TEMPO_FORM_NMT,
          "a\tb\u200bc\x01"
          "d",
          "a b cd");
    apply(TEMPO_FORM_STRIP, "\u3000 a b\n", "a b");
    apply(TEMPO_FORM_LSTRIP, "\u3000 a ", "a ");
    apply(TEMPO_FORM_RSTRIP, " a\u00a0\u2028", " a");
    apply(TEMPO_FORM_PREPEND, "a", MARKED "a");
    apply(TEMPO_FORM_PREPEND, "", "");
}

/* What is from outside stays so, through marks that compose and change places. */
static void test_outside(void **state)
{
    static const char text[] = "ae\u0301\u0323b";
    tempo_passage t = {.marked = true}, spare = {0};
    tempo_regex_work w = {0};
    tempo_normal *z;
    tempo_err err = {0};

    (void)state;
    assert_int_equal(tempo_normal_create(&z, &err), TEMPO_OK);
    assert_int_equal(tempo_normal_add(z, TEMPO_FORM_NFC, "", 0, &err), TEMPO_OK);
    assert_true(tempo_passage_append(&t, text, sizeof(text) - 1, false));
    t.outside[4] = 1; /* of the mark below, U+0323 */
    assert_int_equal(tempo_normal_apply(z, &w, &t, &spare, &err), TEMPO_OK);
    assert_int_equal(t.n, 1 + 3 + 2 + 1); /* a, e with it, U+0301, b */
    static const unsigned char expected[] = {0, 1, 1, 1, 0, 0, 0};
    assert_memory_equal(t.outside, expected, sizeof(expected));
    tempo_passage_free(&t);
    tempo_passage_free(&spare);
    tempo_regex_work_free(&w);
    tempo_normal_free(z);
}

/* Marks in the wrong order, many: sorted by counting, not by moving each past the others.  This took minutes
 * when it was quadratic; the test's time limit is its only measure.  */
static void test_many_marks(void **state)
{
    enum { PAIRS = 1 << 19 };
    tempo_passage t = {0}, spare = {0};
    tempo_regex_work w = {0};
    tempo_normal *z;
    tempo_err err = {0};

    (void)state;
    assert_int_equal(tempo_normal_create(&z, &err), TEMPO_OK);
    assert_int_equal(tempo_normal_add(z, TEMPO_FORM_NFC, "", 0, &err), TEMPO_OK);
    assert_true(tempo_passage_append(&t, "q", 1, false));
    for (int i = 0; i < PAIRS; i++)
        assert_true(tempo_passage_append(&t, "\u0301\u0323", 4, false));
    assert_int_equal(tempo_normal_apply(z, &w, &t, &spare, &err), TEMPO_OK);
    assert_int_equal(t.n, 1 + 4 * (size_t)PAIRS);
    assert_memory_equal(t.p + 1, "\u0323\u0323", 4);
    assert_memory_equal(t.p + t.n - 4, "\u0301\u0301", 4);
    tempo_passage_free(&t);
    tempo_passage_free(&spare);
    tempo_regex_work_free(&w);
    tempo_normal_free(z);
}

/* A step may not make a text grow without bound. */
static void test_growth(void **state)
{
    tempo_passage t = {0}, spare = {0};
    tempo_regex_work w = {0};
    tempo_normal *z;
    tempo_err err = {0};
    char content[4096];

    (void)state;
    memset(content, 'a', sizeof(content));
    assert_int_equal(tempo_normal_create(&z, &err), TEMPO_OK);
    for (int i = 0; i < 3; i++) {
        tempo_regex *a;
        assert_int_equal(tempo_regex_compile(&a, "a", 1, TEMPO_REGEX_LITERAL, &err), TEMPO_OK);
        assert_int_equal(tempo_normal_add_replace(z, a, content, sizeof(content), &err), TEMPO_OK);
    }
    assert_true(tempo_passage_append(&t, "aaaa", 4, false));
    assert_int_equal(tempo_normal_apply(z, &w, &t, &spare, &err), TEMPO_E_LIMIT);
    assert_non_null(strstr(err.msg, "too long"));
    tempo_passage_free(&t);
    tempo_passage_free(&spare);
    tempo_regex_work_free(&w);
    tempo_normal_free(z);
}

/* ---- cutting ---- */

/* The parts of a text, with '|' between them. */
static void assert_cut(const char *pattern, tempo_regex_kind kind, tempo_behavior behavior, bool invert,
                       const char *text, const char *expected)
{
    char got[512] = "";
    tempo_passage t = {0}, spare = {0};
    tempo_pretoken_work w = {0};
    tempo_pretoken *p;
    tempo_err err = {0};
    size_t at = 0;

    assert_int_equal(tempo_pretoken_create(&p, &err), TEMPO_OK);
    if (tempo_pretoken_add(p, pattern, strlen(pattern), kind, behavior, invert, &err) != TEMPO_OK)
        fail_msg("%s: %s", pattern, err.msg);
    assert_true(tempo_passage_append(&t, text, strlen(text), false));
    assert_int_equal(tempo_pretoken_split(p, &w, &t, &spare, true, &err), TEMPO_OK);
    for (size_t i = 0; i < w.now.n; i++)
        at += (size_t)snprintf(got + at, sizeof(got) - at, "%s%.*s", i > 0 ? "|" : "",
                               (int)(w.now.p[i].end - w.now.p[i].begin), t.p + w.now.p[i].begin);
    if (strcmp(got, expected) != 0)
        fail_msg("%s cuts \"%s\" into \"%s\", not \"%s\"", pattern, text, got, expected);
    tempo_passage_free(&t);
    tempo_passage_free(&spare);
    tempo_pretoken_work_free(&w);
    tempo_pretoken_free(p);
}

static void assert_words(const char *pattern, const char *text, const char *expected)
{
    assert_cut(pattern, TEMPO_REGEX, TEMPO_SPLIT_ISOLATED, false, text, expected);
}

static void test_behaviors(void **state)
{
    static const struct {
        tempo_behavior behavior;
        bool invert;
        const char *expected;
    } rows[] = {
        {TEMPO_SPLIT_ISOLATED, false, "the|-|final|-|-|countdown"},
        {TEMPO_SPLIT_REMOVED, false, "the|final|countdown"},
        {TEMPO_SPLIT_REMOVED, true, "-|-|-"},
        {TEMPO_SPLIT_PREVIOUS, false, "the-|final-|-|countdown"},
        {TEMPO_SPLIT_NEXT, false, "the|-final|-|-countdown"},
        {TEMPO_SPLIT_CONTIGUOUS, false, "the|-|final|--|countdown"},
        {TEMPO_SPLIT_PREVIOUS, true, "the|-final|-|-countdown"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_cut("-", TEMPO_REGEX_LITERAL, rows[i].behavior, rows[i].invert, "the-final--countdown",
                   rows[i].expected);
    assert_cut("", TEMPO_REGEX_NUMERIC, TEMPO_SPLIT_CONTIGUOUS, false, "ab12\u00bd3c", "ab|12\u00bd3|c");
    assert_cut("", TEMPO_REGEX_PUNCTUATION, TEMPO_SPLIT_ISOLATED, false, "a,b$\u2026c", "a|,|b|$|\u2026|c");
    assert_cut("x*", TEMPO_REGEX, TEMPO_SPLIT_ISOLATED, false, "axxb", "a|xx|b"); /* nothing cuts, too */
}

static void test_patterns(void **state)
{
    (void)state;
    assert_words("ab|a|b", "abba", "ab|b|a"); /* the first alternative */
    assert_words("(?:a|ab)(?:c|bcd)", "abcd", "abcd");
    assert_words("a+?b|a", "aab", "aab");
    assert_words("a{2}", "aaaaa", "aa|aa|a");
    assert_words("\\p{N}{1,3}+", "12345x", "12345|x"); /* of an interval, not a possessive one */
    assert_words("a++b|a", "aaab", "aaab");
    assert_words("(?>a|ab)c|.", "abc", "a|b|c");
    assert_words("\\s+(?!\\S)|\\s+|x", "  x", " | |x");
    assert_words("(?<=[ab]|cd)x", "axxcdx", "a|x|xcd|x");
    assert_words("(?<!\\S)x", "xx x", "x|x |x");
    assert_words("\\b", "ab cd", "ab| |cd");
    assert_words("^a|b$", "ab\nab", "a|b|\n|a|b");
    assert_words("[a-c&&[^b]]+", "abcab", "a|b|ca|b");
    assert_words("[^(a|[b,])]+", "xa|b(y", "x|a|b(|y");
    assert_words("[]a]+", "]a[", "]a|[");
    assert_words("[[:alpha:]]+", "a\u00e91", "a\u00e9|1");
    assert_words("(?i:'s|'t)", "'S'\u017f't", "'S|'\u017f|'t"); /* the long s folds to s */
    assert_words("a(?i)b|c", "aBcaC", "aB|c|aC");
    assert_words("(?i:\u03c3)", "\u03a3\u03c3\u03c2x", "\u03a3|\u03c3|\u03c2|x");
    assert_words("\\w+", "a\u00b2b [", "a\u00b2b| ["); /* numbers of Latin-1, outside of brackets */
    assert_words("[\\w]+", "a\u00b2b", "a|\u00b2|b");
    assert_words("\\s", "a\u180e\u3000b", "a\u180e|\u3000|b");
    assert_words("\\p{Han}+|\\p{^Han}", "a\u4e2d\u6587", "a|\u4e2d\u6587");
    assert_words("\\p{L}+", "\u1c89\ua7cb\ua7ce", "\u1c89\ua7cb|\ua7ce"); /* letters of 16.0, not of 17.0 */
    assert_words("\\x{4e2d}|\\x41|\\u00e9", "A\u4e2d\u00e9", "A|\u4e2d|\u00e9");
    assert_words("a{x", "a{x}", "a{x|}");
    assert_words("(?x) a b # both\n", "ab", "ab");
    assert_words("(?:a*)*b|.", "aab", "aab");
    assert_words("(?:|a)*b|.", "ab", "ab");
}

static void test_named_refused(void **state)
{
    static const struct {
        const char *pattern;
        tempo_status code;
        const char *part;
    } rows[] = {
        {"(", TEMPO_E_FORMAT, "byte 1: a group without )"},
        {"a)", TEMPO_E_FORMAT, "byte 1: ) without a group"},
        {"[a", TEMPO_E_FORMAT, "a class without ]"},
        {"*a", TEMPO_E_FORMAT, "byte 0: nothing to repeat"},
        {"\\", TEMPO_E_FORMAT, "\\ at the end"},
        {"[b-a]", TEMPO_E_FORMAT, "a range that runs backwards"},
        {"\\x{110000}", TEMPO_E_FORMAT, "no character has this code"},
        {"\\p{L", TEMPO_E_FORMAT, "\\p{ without }"},
        {"\\p{Klingon}", TEMPO_E_UNSUPPORTED, "the property \"Klingon\""},
        {"(a)\\1", TEMPO_E_UNSUPPORTED, "byte 3: back references"},
        {"\\X", TEMPO_E_UNSUPPORTED, "text segments"},
        {"a\\Kb", TEMPO_E_UNSUPPORTED, "\\K"},
        {"(?<=a+)b", TEMPO_E_UNSUPPORTED, "lookbehind whose length varies"},
        {"(?~a)", TEMPO_E_UNSUPPORTED, "groups of this kind"},
        {"a{1001}", TEMPO_E_LIMIT, "more than 1000 repetitions"},
        {"(?:(?:(?:a|b){1000}){1000}){1000}", TEMPO_E_LIMIT, "the pattern"},
        {"(?:(?:(?:){1000}){1000}){1000}", TEMPO_E_LIMIT, "repeats too much"},
        {"a?????????????????????", TEMPO_E_LIMIT, "more than 8 quantifiers"},
    };
    char deep[1000];
    tempo_regex *r;
    tempo_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        err = (tempo_err){0};
        r = (tempo_regex *)1;
        const tempo_status st =
            tempo_regex_compile(&r, rows[i].pattern, strlen(rows[i].pattern), TEMPO_REGEX, &err);
        if (st != rows[i].code || r != NULL || strstr(err.msg, rows[i].part) == NULL)
            fail_msg("%s: %s", rows[i].pattern, err.msg);
    }
    for (int kind = 0; kind < 2; kind++) {
        memset(deep, kind == 0 ? '(' : '[', sizeof(deep));
        err = (tempo_err){0};
        assert_int_equal(tempo_regex_compile(&r, deep, sizeof(deep), TEMPO_REGEX, &err), TEMPO_E_LIMIT);
        assert_non_null(strstr(err.msg, "nested deeper"));
    }
}

/* ---- bounds ---- */

/* How many steps a pattern takes to cut a text of n times `unit`, to the end. */
static tempo_status count_steps(const char *pattern, const char *unit, size_t n, uint64_t *steps)
{
    tempo_passage t = {0};
    tempo_regex_work w = {0};
    tempo_regex *r;
    tempo_err err = {0};
    tempo_span m = {0};
    bool found = true;
    tempo_status st;

    assert_int_equal(tempo_regex_compile(&r, pattern, strlen(pattern), TEMPO_REGEX, &err), TEMPO_OK);
    for (size_t i = 0; i < n; i++)
        assert_true(tempo_passage_append(&t, unit, strlen(unit), false));
    assert_true(tempo_passage_append(&t, "!", 1, false));
    tempo_regex_begin(&w, t.p, t.n);
    for (size_t from = 0;
         (st = tempo_regex_find(r, &w, from, &found, &m, &err)) == TEMPO_OK && found && from < t.n;)
        from = m.end > from ? m.end : from + 1;
    *steps = w.steps;
    tempo_regex_free(r);
    tempo_regex_work_free(&w);
    tempo_passage_free(&t);
    return st;
}

/* What fails at a place in one search may match there in a search that begins at it. */
static void test_search_begin(void **state)
{
    enum { N = 1000 };
    static const char pattern[] = "a*(?:\\Gb|c)|a";
    tempo_passage t = {0};
    tempo_regex_work w = {0};
    tempo_regex *r;
    tempo_err err = {0};
    tempo_span m = {0};
    bool found = true;
    size_t from = 0;

    (void)state;
    assert_int_equal(tempo_regex_compile(&r, pattern, sizeof(pattern) - 1, TEMPO_REGEX, &err), TEMPO_OK);
    for (size_t i = 0; i < N; i++)
        assert_true(tempo_passage_append(&t, "a", 1, false));
    assert_true(tempo_passage_append(&t, "b", 1, false));
    tempo_regex_begin(&w, t.p, t.n);
    for (; from < N; from = m.end) {
        assert_int_equal(tempo_regex_find(r, &w, from, &found, &m, &err), TEMPO_OK);
        assert_true(found && m.begin == from && m.end == from + 1);
    }
    assert_int_equal(tempo_regex_find(r, &w, from, &found, &m, &err), TEMPO_OK);
    assert_true(found && m.begin == N && m.end == N + 1); /* the b */
    tempo_regex_free(r);
    tempo_regex_work_free(&w);
    tempo_passage_free(&t);
}

/* Patterns that backtracking without memory takes quadratic or exponential time for. */
static void test_work(void **state)
{
    static const struct {
        const char *pattern, *unit;
    } rows[] = {
        {"\\s+$", " "},
        {"(?:a|a)*b", "a"},
        {"(?:a+)+b", "a"},
        {"(?:\\p{N}{1,3})+x", "1"},
        {"a.*b|a", "a"},
        {"(?:a?){20}a{20}b", "a"},
        {"a*?b", "a"},
        {"(?:a+?)+b", "a"},
        {"(?:(?:a*b)*c)*d", "ab"},
        {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
         "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
         " "},
        {"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{M}]*[\\p{Ll}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{M}]+[\\p{"
         "Ll}\\p{M}]*",
         "\u0301"},
    };
    enum { N = 1000 };
    uint64_t few, many;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (count_steps(rows[i].pattern, rows[i].unit, N, &few) != TEMPO_OK ||
            count_steps(rows[i].pattern, rows[i].unit, 4 * N, &many) != TEMPO_OK)
            fail_msg("%s: too much", rows[i].pattern);
        if (many > 5 * few) /* linear: four times as many */
            fail_msg("%s: %llu steps, of four times the text %llu", rows[i].pattern, (unsigned long long)few,
                     (unsigned long long)many);
    }
    /* a loop over nothing remembers nothing: refused instead of tried for ever */
    assert_int_equal(count_steps("(?:(?:a*)*)*b", "a", N, &few), TEMPO_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_categories),    cmocka_unit_test(test_properties),
        cmocka_unit_test(test_forms),         cmocka_unit_test(test_outside),
        cmocka_unit_test(test_many_marks),    cmocka_unit_test(test_growth),
        cmocka_unit_test(test_behaviors),     cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_named_refused), cmocka_unit_test(test_search_begin),
        cmocka_unit_test(test_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
