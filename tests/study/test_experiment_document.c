/* EXPERIMENT_RESULTS.md and its pictures from summaries with known numbers: other numbers give other
 * sentences, a run that several experiments record counts once, and nothing is claimed of a replay that it
 * does not show.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "experiment/document/document.h"
#include "experiment/run.h"
#include "draw/plot.h"

/* An experiment whose modes part at step 1, after a step of two members. */
static const char experiment[] =
    "{'experiment': 'one', 'directory': '/tmp/one', 'regime': 'paired', 'recorded': ['attention'], "
    "'max_steps': 2,"
    " 'layout': 'directories', 'folder': '', 'files': [], 'notes': [],"
    " 'file_names': {'attention': 'attention_weights.npz', 'logits': 'logits_distributions.npz', 'kv': "
    "'kv_cache.npz',"
    "  'positions': 'rope_positions.json', 'cross_parallel': 'cross_parallel_scores.json'},"
    " 'prompt': 'A cat', 'threshold': 0.1,"
    " 'arms': {"
    "  'isolated': {'steps': [{'members': [{'id': 1, 'text': 'a'}, {'id': 2, 'text': 'b'}]}, {'members': "
    "[{'id': 3, 'text': 'c'}]}],"
    "   'set_sizes': [2, 1], 'n_steps': 2, 'total_tokens': 3, 'mean_entropy': 1.0, 'text': 'abc', "
    "'shared_positions': true,"
    "   'positions': {'parallel_sets': 1, 'one_position': 1}, 'tensors': {}},"
    "  'visible': {'steps': [{'members': [{'id': 1, 'text': 'a'}, {'id': 2, 'text': 'b'}]}, {'members': "
    "[{'id': 4, 'text': 'd'}]}],"
    "   'set_sizes': [2, 1], 'n_steps': 2, 'total_tokens': 3, 'mean_entropy': 1.0, 'text': 'abd', "
    "'shared_positions': true,"
    "   'positions': {'parallel_sets': 1, 'one_position': 1}, 'sibling_mass': {'steps': 1, 'layers': [0.1, "
    "0.3]},"
    "   'tensors': {'attention': {'count': 2, 'shape': [[2, 2], [1, 1], [4, 4], [1, 2], [2, 5]]}}},"
    "  'replay': {'steps': [{'members': [{'id': 5, 'text': 'e'}]}], 'set_sizes': [1], 'n_steps': 1, "
    "'total_tokens': 1,"
    "   'mean_entropy': 1.0, 'text': 'e', 'positions': {'parallel_sets': 0, 'one_position': 0}, "
    "'modes_identical': true,"
    "   'tensors': {}}},"
    " 'comparison': {'identical_sets': false, 'first_difference': 1, 'set_changes': 1, 'steps': ["
    "  {'step': 0, 'identical': true, 'tv': 0.0, 'kl_isolated_visible': 0.0, 'row_cosine': 1.0, 'top_k': "
    "{'1': 1.0, '5': 1.0}},"
    "  {'step': 1, 'identical': false, 'tv': 0.25, 'kl_isolated_visible': 0.5, 'row_cosine': 0.9, 'top_k': "
    "{'1': 1.0, '5': 0.8},"
    "   'attention_js': 0.02, 'attention_js_layers': [0.01, 0.03]}]},"
    " 'published': {'model': 'another/model', 'same_model': false, 'visible_faster_percent': 0.0, 'runs': ["
    "  {'mode': 'isolated', 'steps': 2, 'total_tokens': 6, 'set_sizes': [2, 4], 'seconds': 1.0, "
    "'tokens_per_step': [1, 3]},"
    "  {'mode': 'visible', 'steps': 2, 'total_tokens': 6, 'set_sizes': [2, 4], 'seconds': 0.9, "
    "'tokens_per_step': [1, 3]}]}}";

/* JSON that is written with ' for ". */
static json_t *read_json(const char *text)
{
    char *s = strdup(text);
    json_t *o;

    for (char *p = s; *p != '\0'; p++)
        if (*p == '\'')
            *p = '"';
    o = json_loads(s, JSON_DECODE_ANY, NULL);
    free(s);
    assert_non_null(o);
    return o;
}

/* A value by its path, "a/b/0/c". */
static json_t *at(json_t *o, const char *path)
{
    while (*path != '\0') {
        char key[64] = "";
        const size_t n = strcspn(path, "/");
        memcpy(key, path, n);
        o = json_is_array(o) ? json_array_get(o, strtoul(key, NULL, 10)) : json_object_get(o, key);
        assert_non_null(o);
        path += n + (path[n] == '/');
    }
    return o;
}

static void set(json_t *o, const char *path, const char *key, const char *value)
{
    o = at(o, path);
    if (json_is_array(o))
        json_array_set_new(o, strtoul(key, NULL, 10), read_json(value));
    else
        json_object_set_new(o, key, read_json(value));
}

/* The summary of copies of the experiment. */
static json_t *summary_of(size_t n)
{
    json_t *o =
        read_json("{'date': 'today', 'kernels': 'k', 'compute': 'c', 'threads': 1,"
                  " 'model': {'name': 'm', 'architecture': 'llama', 'parameters': 1000}, 'experiments': []}");

    for (size_t i = 0; i < n; i++) {
        const char name[] = {'\'', 'e', (char)('0' + i), '\'', '\0'};
        json_t *e = read_json(experiment);
        set(e, "", "experiment", name);
        json_array_append_new(json_object_get(o, "experiments"), e);
    }
    return o;
}

static void check_text(const json_t *summary, const char *has, const char *has_not)
{
    char *text = tempo_experiments_text(summary);

    assert_non_null(text);
    if (has != NULL && strstr(text, has) == NULL)
        fail_msg("no '%s' in\n%s", has, text);
    if (has_not != NULL && strstr(text, has_not) != NULL)
        fail_msg("'%s' in\n%s", has_not, text);
    assert_null(strstr(text, "nan"));
    free(text);
}

static void test_insights(void **state)
{
    static const struct {
        const char *recorded, *path, *key, *value, *want;
    } rows[] = {
        {"['attention']", "", "notes", "[]",
         "siblings get 20.0% of it, and what is left is shared out differently, most in layer 1."},
        {"['attention']", "comparison/steps/1/attention_js_layers", "0", "0.07",
         "differently, most in layer 0."},
        {"['attention']", "comparison/steps/1", "attention_js_layers", "[1e-9, 0.0]", "change nothing else"},
        {"['attention']", "comparison/steps/1", "attention_js_layers", "[]",
         "No set of several members was read by both"},
        {"['logits']", "", "notes", "[]",
         "differ at 1 of 2 steps, by up to 0.25, and the most probable token is the same"},
        {"['logits']", "comparison/steps/1/top_k", "1", "0.0",
         "and at 1 the most probable token is another one."},
        {"['logits']", "comparison/steps/1", "identical", "true", "to the bit at all 2 steps"},
        {"['logits']", "comparison", "steps", "[]", "There is no step"},
        {"['kv']", "", "notes", "[]", "All 2 parallel sets share one position"},
        {"['kv']", "arms/visible/positions", "one_position", "0", "Only 1 of 2 parallel sets"},
        {"['positions']", "arms/visible/positions", "one_position", "0", "Only 1 of 2 parallel sets"},
        {"['attention', 'logits']", "", "notes", "[]",
         "With sets of up to 2 members, the modes part at step 1."},
        {"['attention', 'logits']", "comparison", "first_difference", "null",
         "choose the same sets to the end."},
        {"['attention', 'logits']", "", "regime", "'lockstep'", "would have chosen others at 1 of 2 steps."},
        {"['attention', 'logits']", "", "comparison", "null", "one mode ran"},
        {"['attention']", "arms/visible", "cross_parallel", "[{'mean': 0.2, 'prior_context_mean': 0.1}]",
         "Siblings are not ignored: one of them gets 2.0 times as much attention as a slot of the text "
         "before, and most of it in layer 1."},
        {"['attention']", "arms/visible", "cross_parallel", "[{'mean': 0.1, 'prior_context_mean': 0.2}]",
         "one of them gets 50.0% as much"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        json_t *s = summary_of(1);
        json_t *e = at(s, "experiments/0");
        set(e, "", "recorded", rows[i].recorded);
        set(e, rows[i].path, rows[i].key, rows[i].value);
        check_text(s, rows[i].want, NULL);
        json_decref(s);
    }
    json_t *s = summary_of(1);
    set(s, "experiments/0/arms/visible", "cross_parallel", "[{'mean': 0.2, 'prior_context_mean': 0.1}]");
    set(s, "experiments/0/arms/visible/sibling_mass", "layers", "[0.001, 0.002]");
    check_text(s, "Siblings are all but ignored", "not ignored");
    json_decref(s);
}

static void test_runs(void **state)
{
    json_t *s = summary_of(3);

    (void)state;
    check_text(s, "3 (1 run, 1 prompt; e0, e1, e2 are one run, recorded in different ways, and count once)",
               NULL);
    check_text(s, "The same run as e0, which records something else: isolated identical, visible identical",
               NULL);
    check_text(s, "and part in 1.", "and part in 3.");
    check_text(s, "(Jensen-Shannon; mean of the 1 parallel step of 1 run)", NULL);
    set(s, "experiments/2", "threshold", "0.2");
    check_text(s, "3 (2 runs, 1 prompt; e0, e1 are one run", NULL);
    check_text(s, "mean of the 2 parallel steps of 2 runs", NULL);
    set(s, "experiments/2", "prompt", "'A dog'");
    check_text(s, "3 (2 runs, 2 prompts; e0, e1 are one run", NULL);
    set(s, "experiments/1/arms/visible/steps/1/members/0", "id",
        "9"); /* chose another token: not the same run */
    check_text(s, "3 (3 runs, 2 prompts)", "one run,");
    json_decref(s);
}

static void test_published(void **state)
{
    static const char says[] = "contradicts itself: it says 1-3 tokens a step (isolated, visible), and the "
                               "sets of that run have 2 to 4.";
    json_t *s = summary_of(1);

    (void)state;
    check_text(s, says, NULL);
    check_text(s, "1-3 tokens/step as it says, 2-4 tokens/step by its sets", NULL);
    set(s, "experiments/0/published/runs/1", "tokens_per_step", "[1, 4]");
    check_text(s, "it says 1-3 tokens a step (isolated), and", "(isolated, visible)");
    set(s, "experiments/0/published/runs/0", "tokens_per_step", "[1, 4]");
    check_text(s, NULL, "contradicts itself");
    json_decref(s);

    s = summary_of(2);
    set(s, "experiments/1/published", "visible_faster_percent", "18.5");
    check_text(s,
               "faster by 18.5%, the mean of the 1 number that the document gives; it leaves out e0 (by its "
               "times faster by 10.0%).",
               NULL);
    json_decref(s);
}

static void test_replay(void **state)
{
    json_t *s = summary_of(1);

    (void)state;
    check_text(s, "Replayed on this model, 1 of 1 runs are equal to the bit", "to be reported");
    check_text(s, "So on this model an identity like the published one comes from what is computed", NULL);
    check_text(s, "The published model (another/model) was not run here", NULL);
    set(s, "experiments/0/comparison", "identical_sets",
        "true"); /* no siblings in the one, no difference in the other */
    check_text(s, "here the modes agree with siblings in the context, too", "So on this model");
    set(s, "experiments/0/published", "same_model", "true");
    check_text(s, NULL, "was not run here");
    set(s, "experiments/0/arms/replay", "modes_identical", "false");
    check_text(s, "A replay whose modes differ is an error of the program", "So on this model");
    json_object_del(at(s, "experiments/0/arms"), "replay");
    check_text(s, NULL, "Replayed");
    set(s, "experiments/0/comparison", "identical_sets",
        "false"); /* and without a replay nothing is said of its cause */
    check_text(s, NULL, "So on this model");
    json_decref(s);
}

static void test_tensors(void **state)
{
    json_t *s = summary_of(1);

    (void)state;
    set(s, "experiments/0", "files",
        "[{'path': 'visible/attention_weights.npz', 'bytes': 12000}, {'path': "
        "'isolated/attention_weights.npz', 'bytes': 5000}]");
    check_text(
        s,
        "| visible | attention weights | 2 | [2, 1, 4, 1-2, 2-5] | layers, 1, heads, rows, slots | 12 KB |",
        NULL);
    check_text(s, "| Attention Weights | 17 KB | 2 |", NULL);
    json_decref(s);
}

/* ---- pictures ---- */

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static char *picture_of(const json_t *s, size_t which)
{
    tempo_text t = {0};

    tempo_put_picture(&t, s, which);
    return tempo_text_take(&t);
}

static void test_pictures(void **state)
{
    json_t *s = summary_of(3);
    char *text;

    (void)state;
    text = picture_of(s, 0);
    assert_int_equal(count(text, "<circle"), 4); /* two layers in each of two panels, of one run */
    assert_int_equal(count(text, ">e0<"), 2);
    assert_int_equal(count(text, ">e1<"), 0);
    free(text);
    text = picture_of(s, 1);
    assert_int_equal(count(text, "<circle"), 2);
    free(text);
    text = picture_of(s, 2);
    assert_int_equal(count(text, "<rect"),
                     1 + 5 + 2 + 2 + 1 + 4); /* background, names, and a bar for each set */
    free(text);
    check_text(s, "](EXPERIMENT_RESULTS-tv.svg)", NULL);
    for (size_t i = 0; i < 3; i++) {
        json_t *e = at(s, "experiments");
        set(json_array_get(e, i), "", "comparison", "null");
    }
    text = picture_of(s, 1);
    assert_string_equal(text, "");
    free(text);
    check_text(s, "](EXPERIMENT_RESULTS-sets.svg)", "](EXPERIMENT_RESULTS-tv.svg)");
    json_decref(s);
}

/* Nothing is left out in silence: runs beyond those that there are panels for, lines beyond a panel's. */
static void test_left_out(void **state)
{
    static const char runs[] = "The first 12 of 14 runs are shown; all are in results.json (set_sizes).",
                      lines[] =
                          "The first 8 of 14 lines are shown; all are in results.json (comparison.steps).";
    json_t *s = summary_of(14);
    char *text;

    (void)state;
    for (int i = 0; i < 14; i++) {
        char prompt[16];
        (void)snprintf(prompt, sizeof(prompt), "'p%d'", i / 2);
        set(json_array_get(at(s, "experiments"), (size_t)i), "", "prompt", prompt);
        set(json_array_get(at(s, "experiments"), (size_t)i), "", "threshold", i % 2 ? "0.5" : "0.1");
    }
    text = picture_of(s, 2);
    assert_non_null(strstr(text, runs));
    assert_int_equal(count(text, "members of each step"), 12);
    free(text);
    text = picture_of(s, 1);
    assert_non_null(strstr(text, lines));
    free(text);
    check_text(s, runs, NULL);
    check_text(s, lines, NULL);
    tempo_count_runs(s);
    assert_int_equal(json_integer_value(at(s, "counts/experiments")), 14);
    assert_int_equal(json_integer_value(at(s, "counts/runs")), 14);
    assert_int_equal(json_integer_value(at(s, "counts/prompts")), 7);
    check_text(s, "(14 runs, 7 prompts", NULL);
    json_decref(s);
    s = summary_of(3); /* one run, recorded three times: nothing is left out */
    text = picture_of(s, 2);
    assert_null(strstr(text, "are shown"));
    free(text);
    check_text(s, NULL, "are shown");
    tempo_count_runs(s);
    assert_int_equal(json_integer_value(at(s, "counts/runs")), 1);
    assert_int_equal(json_integer_value(at(s, "counts/experiments")), 3);
    json_decref(s);
}

static double *three(double a, double b, double c)
{
    double *y = malloc(3 * sizeof(*y));

    assert_non_null(y);
    y[0] = a;
    y[1] = b;
    y[2] = c;
    return y;
}

static void test_plot(void **state)
{
    tempo_plot p = {.title = "a < b & c\x01\xc3", .x_name = "x"};
    tempo_text t = {0};
    char *text;

    (void)state;
    tempo_plot_add(&p, "\xef\xbf\xbf<\xc3\xa4>", three(0.0, strtod("nan", NULL), 8.0), 3);
    for (int i = 0; i < TEMPO_PLOT_LINES; i++)
        tempo_plot_add(&p, "line", three(0.0, 0.0, 0.0), 3);
    tempo_plots_svg(&t, p.title, "<note>", &p, 1);
    text = tempo_text_take(&t);
    assert_non_null(strstr(text, "a &lt; b &amp; c?? (the first 8 of 9)</text>"));
    assert_non_null(strstr(text, ">?&lt;\xc3\xa4&gt;</text>"));
    assert_non_null(strstr(text, ">8</text>")); /* the scale's end */
    assert_non_null(strstr(text, ">&lt;note&gt;</text>"));
    assert_null(strstr(text, "nan"));
    assert_int_equal(count(text, "<text"), count(text, "</text>"));
    assert_int_equal(count(text, "<circle"), 2 + 7 * 3);
    free(text);
    tempo_plot_free(&p);
    tempo_plots_svg(&t, "nothing", "", &p, 0);
    text = tempo_text_take(&t);
    assert_non_null(strstr(text, "</svg>"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insights), cmocka_unit_test(test_runs),     cmocka_unit_test(test_published),
        cmocka_unit_test(test_replay),   cmocka_unit_test(test_tensors),  cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_plot),     cmocka_unit_test(test_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
