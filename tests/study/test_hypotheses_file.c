/* The hypotheses: the shipped file, what a file must have, errors with line and column, layers of a band. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "study/hypotheses_file.h"
#include "support/tmpdir.h"

static const char shipped[] = "experiments/hypotheses.yaml";

static tempo_hypotheses *load(void)
{
    tempo_err err = {0};
    tempo_hypotheses *h;

    if (tempo_hypotheses_load(&h, shipped, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return h;
}

static void test_shipped(void **state)
{
    (void)state;
    static const char *const primary[] = {"A2", "B", "C", "D2"};
    char hash[TEMPO_HASH_CHARS];
    tempo_err err = {0};
    tempo_hypotheses *h = load();
    size_t n_primary = 0;

    assert_int_equal(tempo_hash_path(shipped, hash, NULL, NULL, &err), TEMPO_OK);
    assert_string_equal(h->sha256, hash);
    assert_string_equal(h->path, shipped);
    assert_true(h->alpha == 0.05 && h->n_thresholds == 2 && h->thresholds[0] == 0.1 && h->steps == 12);
    assert_true(h->permutations == 100000 && h->resamples == 10000 && h->exact_to == 20);
    assert_true(h->timing.pairs == 30 && h->timing.warmup >= 1 && h->timing.published_percent == 18.8);
    assert_true(h->position_offset == 0.1 && h->n_bands == 6 && h->bands[1].from == 0.25 &&
                h->bands[1].to == 0.5);
    assert_true(h->noise.quantile == 0.99 && h->noise.n_nudges == 3 && h->noise.nudges[0] != 0);
    assert_true(h->noise.member_order && h->noise.instruction_set);
    assert_true(h->seeds.permutation != h->seeds.bootstrap && h->seeds.bootstrap != h->seeds.controls);
    for (size_t i = 0; i < 4; i++) {
        const tempo_hypothesis *y = tempo_hypotheses_find(h, primary[i]);
        assert_int_equal(y->kind, TEMPO_HYPOTHESIS_PRIMARY);
        assert_true(tempo_hypotheses_bound(h, primary[i]) == 0.01 && y->unit != NULL && y->test != NULL);
    }
    for (size_t i = 0; i < h->n; i++) {
        n_primary += h->list[i].kind == TEMPO_HYPOTHESIS_PRIMARY;
        assert_true(strlen(h->list[i].definition) > 80 && h->list[i].title[0] != '\0');
    }
    assert_int_equal(n_primary, 4);
    assert_int_equal(tempo_hypotheses_find(h, "A1")->kind, TEMPO_HYPOTHESIS_DETERMINISTIC);
    assert_int_equal(tempo_hypotheses_find(h, "D1")->kind, TEMPO_HYPOTHESIS_DETERMINISTIC);
    assert_int_equal(tempo_hypotheses_find(h, "timing")->kind, TEMPO_HYPOTHESIS_EXPLORATORY);
    assert_null(tempo_hypotheses_find(h, "E"));
    assert_true(isnan(tempo_hypotheses_bound(h, "A1")) && isnan(tempo_hypotheses_bound(h, "E")));
    tempo_hypotheses_free(h);
}

/* A short file that is valid; each case below replaces one of its parts. */
static const char valid[] =
    "alpha: 0.05\n"
    "thresholds: [0.1]\n"
    "steps: 12\n"
    "permutations: 2000\n"
    "exact_to: 20\n"
    "resamples: 2000\n"
    "seeds: {permutation: 1, bootstrap: 2, controls: 3}\n"
    "timing: {pairs: 30, warmup: 1}\n"
    "position_offset: 0.25\n"
    "knockout_bands: [[0, 0.5]]\n"
    "noise: {quantile: 0.99, nudges: [1], member_order: true, instruction_set: false}\n"
    "hypotheses:\n"
    "  - {id: A1, title: t, statement: s, kind: deterministic, metric: m, definition: d}\n"
    "  - {id: A2, title: t, statement: s, kind: primary, metric: m, definition: d, bound: 0.1, unit: share "
    "of "
    "attention, test: x}\n"
    "  - {id: B, title: t, statement: s, kind: primary, metric: m, definition: d, bound: 0.2, unit: "
    "probability, test: x}\n"
    "  - {id: C, title: t, statement: s, kind: primary, metric: m, definition: d, bound: 0.3, unit: share of "
    "attention, test: x}\n"
    "  - {id: D1, title: t, statement: s, kind: deterministic, metric: m, definition: d}\n"
    "  - {id: D2, title: t, statement: s, kind: primary, metric: m, definition: d, bound: 0.4, unit: "
    "probability, test: x}\n"
    "  - {id: timing, title: t, statement: s, kind: exploratory, metric: m, definition: d}\n";

/* valid with its first `old` replaced by `new` */
static void replace(char out[4096], const char *old, const char *new)
{
    const char *at = strstr(valid, old);

    assert_non_null(at);
    (void)snprintf(out, 4096, "%.*s%s%s", (int)(at - valid), valid, new, at + strlen(old));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *message;
    } cases[] = {
        {"alpha: 0.05\n", "", "1:1: 'alpha' is missing"},
        {"alpha: 0.05", "alpha: 0.6", "1:8: alpha: '0.6' is not a number above 0 and at most 0.5"},
        {"alpha", "alhpa", "1:1: unknown key 'alhpa'; did you mean 'alpha'?"},
        {"[0.1]", "[0.1, 0.1]", "2:13: thresholds: 0.1 is there twice"},
        {"[0.1]", "[2]", "2:14: thresholds: '2' is not a number above 0 and at most 1"},
        {"steps: 12", "steps: 1", "3:8: steps: '1' is not an integer from 2 to 100000"},
        {"controls: 3", "control: 3", "7:39: unknown key 'control'; did you mean 'controls'?"},
        {", controls: 3", "", "7:8: seeds: 'controls' is missing"},
        {"pairs: 30", "pairs: x", "8:17: pairs: 'x' is not an integer from 2 to 100000"},
        {"{pairs: 30, warmup: 1}", "5", "8:9: timing: '5' is not a map of keys and values"},
        {"0.25\n", "0\n", "9:18: position_offset: '0' is not a number above 0 and at most 1"},
        {"[[0, 0.5]]", "[[0.5, 0.5]]", "10:18: knockout_bands: expected [from, to] with 0 <= from < to <= 1"},
        {"[[0, 0.5]]", "[[0, x]]", "10:18: knockout_bands: expected [from, to] with 0 <= from < to <= 1"},
        {"[[0, 0.5]]", "[[x, 0.5]]", "10:18: knockout_bands: expected [from, to] with 0 <= from < to <= 1"},
        {"[[0, 0.5]]", "[[0, 0.5, 1]]",
         "10:18: knockout_bands: expected [from, to] with 0 <= from < to <= 1"},
        {"nudges: [1]", "nudges: [0]", "11:34: nudges: '0' is not an integer from 1 to 18446744073709551615"},
        {"quantile: 0.99", "quantile: 1",
         "11:19: quantile: '1' is not a number above 0.5 and at most 0.9999"},
        {"id: A1", "id: A2", "13:44: kind: 'A2' is primary (and 1 more error)"},
        {"id: C", "id: B", "16:10: id: 'B' is there already"},
        {"id: C", "id: E", "16:10: id: 'E' is none of the confirmatory endpoints: A1, A2, B, C, D1, D2"},
        {"id: C", "id: 'C D'", "16:10: id: expected letters, digits, _ and -, at most 31"},
        {"bound: 0.3, ", "", "16:5: hypotheses: 'C' is primary: it needs bound, unit and test"},
        {"bound: 0.1, unit: share of attention", "bound: 0.1, unit: nat",
         "14:97: unit: 'A2' is measured in 'share of attention', not in 'nat'"},
        {"bound: 0.3", "bound: -1", "16:85: bound: '-1' is not a number above 0"},
        {"id: timing", "id: other", "13:3: hypotheses: 'timing' is missing"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[4096];
        tempo_err err = {0};
        tempo_hypotheses *h = (tempo_hypotheses *)1;
        replace(text, cases[i].old, cases[i].new);
        const tempo_status st = tempo_hypotheses_parse(&h, "h.yaml", text, strlen(text), NULL, &err);
        if (st != TEMPO_E_FORMAT || h != NULL || strncmp(err.msg, "h.yaml:", 7) != 0 ||
            strcmp(err.msg + 7, cases[i].message) != 0)
            fail_msg("'%s' for '%s'\n%s, expected\n%s", cases[i].new, cases[i].old, err.msg,
                     cases[i].message);
    }
}

/* ---- all errors at once ---- */

typedef struct heard {
    char text[24][512];
    size_t n;
} heard;

static void hear(void *user, const char *text)
{
    heard *h = user;

    assert_true(h->n < 24);
    (void)snprintf(h->text[h->n++], sizeof(h->text[0]), "%s", text);
}

static void test_all_errors(void **state)
{
    (void)state;
    static const char text[] =
        "alpha: 2\n"
        "thresholds: [0.1, x]\n"
        "steps: 12\n"
        "permutations: few\n"
        "exact_to: 20\n"
        "resamples: 2000\n"
        "seeds: {permutation: 1, bootstrap: -2}\n"
        "timing: {pairs: 1, warmup: x}\n"
        "position_offset: 0\n"
        "knockout_bands: [[0, 2], [0, 1], 7]\n"
        "noise: {quantile: 1, nudges: [0], member_order: 5, instruction_set: no}\n"
        "hypotheses:\n"
        "  - {id: A1, title: t, statement: s, kind: primary, metric: m, definition: d}\n"
        "  - {id: A2, title: t, kind: primary, metric: m, definition: d, bound: 0, unit: x, test: x}\n"
        "  - {id: A2, title: t, statement: s, kind: best, metric: m, definition: d}\n";
    static const char *const expected[] = {
        "1:8: alpha: '2' is not a number above 0 and at most 0.5",
        "2:19: thresholds: 'x' is not a number above 0 and at most 1",
        "4:15: permutations: 'few' is not an integer from 100 to 100000000",
        "7:8: seeds: 'controls' is missing",
        "7:36: bootstrap: '-2' is not an integer from 0 to 18446744073709551615",
        "8:17: pairs: '1' is not an integer from 2 to 100000",
        "8:28: warmup: 'x' is not an integer from 0 to 100000",
        "9:18: position_offset: '0' is not a number above 0 and at most 1",
        "10:34: knockout_bands: '7' is not a list",
        "11:19: quantile: '1' is not a number above 0.5 and at most 0.9999",
        "11:31: nudges: '0' is not an integer from 1 to 18446744073709551615",
        "11:49: member_order: '5' is not true or false",
        "11:69: instruction_set: 'no' is not true or false",
        "13:44: kind: 'A1' is deterministic",
        "14:5: hypotheses: 'statement' is missing",
        "14:72: bound: '0' is not a number above 0",
        "14:81: unit: 'A2' is measured in 'share of attention', not in 'x'",
        "15:10: id: 'A2' is there already",
        "15:44: kind: 'best' is not one of deterministic|primary|exploratory",
    };
    heard *heard_of = calloc(1, sizeof(*heard_of));
    const tempo_yaml_tell tell = {.user = heard_of, .error = hear};
    tempo_err err = {0};
    tempo_hypotheses *h;

    assert_int_equal(tempo_hypotheses_parse(&h, "h.yaml", text, strlen(text), &tell, &err), TEMPO_E_FORMAT);
    assert_null(h);
    for (size_t i = 0; i < heard_of->n && i < sizeof(expected) / sizeof(*expected); i++)
        assert_string_equal(heard_of->text[i] + strlen("h.yaml:"), expected[i]);
    assert_int_equal(heard_of->n, sizeof(expected) / sizeof(*expected));
    assert_string_equal(err.msg, "h.yaml: 19 errors");
    free(heard_of);
}

static void test_valid(void **state)
{
    (void)state;
    tempo_err err = {0};
    tempo_hypotheses *h;

    if (tempo_hypotheses_parse(&h, "h.yaml", valid, strlen(valid), NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_true(tempo_hypotheses_bound(h, "A2") == 0.1 && tempo_hypotheses_bound(h, "D2") == 0.4);
    assert_true(h->n == 7 && h->n_bands == 1 && !h->noise.instruction_set &&
                isnan(h->timing.published_percent));
    assert_null(h->title);
    tempo_hypotheses_free(h);
}

static void test_bands(void **state)
{
    (void)state;
    static const struct {
        double from, to;
        uint32_t n, first, last;
        bool any;
    } cases[] = {
        {0, 0.25, 28, 0, 6, true},   {0.25, 0.5, 28, 7, 13, true}, {0.75, 1, 28, 21, 27, true},
        {0, 1, 8, 0, 7, true},       {0, 0.25, 1, 0, 0, true},     {0.25, 0.5, 1, 0, 0, false},
        {0.25, 0.5, 2, 0, 0, false}, {0.5, 0.75, 2, 1, 1, true},   {0.75, 1, 3, 0, 0, false},
        {0.5, 1, 5, 3, 4, true},     {0, 0.5, 5, 0, 2, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tempo_knockout_band band = {cases[i].from, cases[i].to};
        uint32_t first, last;
        const bool any = tempo_knockout_layers(&band, cases[i].n, &first, &last);
        assert_int_equal(any, cases[i].any);
        if (any && (first != cases[i].first || last != cases[i].last))
            fail_msg("case %zu: %u-%u", i, first, last);
    }
}

static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < strlen(valid); i++) {
        tempo_err err = {0};
        tempo_hypotheses *h;
        char *part = malloc(i + 1);
        assert_non_null(part);
        memcpy(part, valid, i);
        const tempo_status st = tempo_hypotheses_parse(&h, "h.yaml", part, i, NULL, &err);
        /* whole only when nothing but the last line break is missing */
        if (st == TEMPO_OK ? h == NULL || i + 1 != strlen(valid) : h != NULL || err.code != st)
            fail_msg("%zu bytes: %s", i, err.msg);
        free(part);
        tempo_hypotheses_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped), cmocka_unit_test(test_valid),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bands),   cmocka_unit_test(test_truncated), cmocka_unit_test(test_all_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
