/* Experiments from files to results: arms against the golden runs, lockstep, what is written and what is not.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/json.h"
#include "io/npz.h"
#include "experiment/run.h"
#include "support/golden.h"
#include "support/tmpdir.h"

#define GOLDEN "../shared/golden"

static char dir[256];

static int setup(void **state)
{
    (void)state;
    test_tmpdir_create(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_tmpdir_remove(dir);
    return 0;
}

/* Write an experiment file and run it into dir/out; NULL with the status in *st when it fails. */
static json_t *run_text(const char *text, const char *model, bool (*poll)(void *), void *user,
                        tempo_status *st, tempo_err *err)
{
    char path[512], out[512];
    const char *files[] = {path};
    json_t *summary;

    test_path(path, dir, "file.yaml");
    test_path(out, dir, "out");
    test_write_file(path, text, strlen(text));
    const tempo_experiments_options o = {.files = files,
                                         .n_files = 1,
                                         .dir = out,
                                         .model = model,
                                         .threads = 2,
                                         .has_pairs = true,
                                         .pairs = 2,
                                         .poll = poll,
                                         .user = user};
    *err = (tempo_err){0};
    *st = tempo_experiments_run(&summary, &o, err);
    return summary;
}

/* The only result of a run that must succeed; the summary is the caller's. */
static const json_t *first_result(const char *text, const char *model, json_t **summary)
{
    tempo_status st;
    tempo_err err;

    *summary = run_text(text, model, NULL, NULL, &st, &err);
    if (st != TEMPO_OK)
        fail_msg("%s", err.msg);
    return json_array_get(json_object_get(*summary, "experiments"), 0);
}

static const json_t *steps_of(const json_t *result, const char *arm)
{
    const json_t *steps = json_object_get(json_object_get(json_object_get(result, "arms"), arm), "steps");

    if (!json_is_array(steps))
        fail_msg("no arm %s", arm);
    return steps;
}

static int id_of(const json_t *step, size_t i)
{
    return (int)json_integer_value(
        json_object_get(json_array_get(json_object_get(step, "members"), i), "id"));
}

static void assert_sets(const json_t *steps, const json_t *sets, const char *name)
{
    if (json_array_size(steps) != json_array_size(sets))
        fail_msg("%s: %zu sets, expected %zu", name, json_array_size(steps), json_array_size(sets));
    for (size_t t = 0; t < json_array_size(sets); t++) {
        const json_t *set = json_array_get(sets, t), *step = json_array_get(steps, t);
        if (json_array_size(json_object_get(step, "members")) != json_array_size(set))
            fail_msg("%s: step %zu has another size", name, t);
        for (size_t i = 0; i < json_array_size(set); i++)
            if (id_of(step, i) != (int)json_integer_value(json_array_get(set, i)))
                fail_msg("%s: step %zu, member %zu is %d", name, t, i, id_of(step, i));
    }
}

static const json_t *golden_find(const json_t *list, const char *model, int prompt, const char *options)
{
    char name[160];
    const json_t *c;
    size_t i;

    (void)snprintf(name, sizeof(name), "%s-%d-%s", model, prompt, options);
    json_array_foreach(list, i,
                       c) if (strcmp(json_string_value(json_object_get(c, "case")), name) == 0) return c;
    fail_msg("no golden case %s", name);
    return NULL;
}

/* True arms give the golden runs' sets, replays those of the replays, the replay without a cache those of
 * context=last; each golden case has a threshold of its own. */
static void check_golden(const char *model, int prompt)
{
    static const struct {
        const char *name, *keys, *options;
    } arms[] = {{"isolated", "mode: isolated", "mode-isolated"},
                {"visible", "mode: visible", "mode-visible"},
                {"replay", "replay: published, mode: visible", "mode-visible_replay-published"},
                {"nocache", "replay: published-nocache", "mode-isolated_context-last_readout-last"}};
    char text[2048], path[256];
    const json_t *c[4];
    json_t *list, *summary;

    (void)snprintf(path, sizeof(path), GOLDEN "/%s.json", model);
    list = golden_list(path);
    for (size_t i = 0; i < 4; i++)
        c[i] = golden_find(list, model, prompt, arms[i].options);
    char *quoted = json_dumps(json_object_get(c[0], "prompt"), JSON_ENCODE_ANY); /* a YAML scalar too */
    int n = snprintf(text, sizeof(text),
                     "experiment_name: golden\nprompt: %s\nstop: never\nrecord: [attention, logits]\n"
                     "analyze_cross_parallel: true\narms:\n",
                     quoted);
    for (size_t i = 0; i < 4; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "  - {name: %s, %s, steps: %d, threshold: %.17g}\n",
                      arms[i].name, arms[i].keys, (int)json_integer_value(json_object_get(c[i], "steps")),
                      json_number_value(json_object_get(c[i], "threshold")));
    free(quoted);
    (void)snprintf(path, sizeof(path), "../shared/models/%s.gguf", model);
    const json_t *result = first_result(text, path, &summary);
    for (size_t i = 0; i < 4; i++)
        assert_sets(steps_of(result, arms[i].name), json_object_get(c[i], "sets"), arms[i].name);
    for (size_t i = 2; i < 4; i++)
        assert_true(json_is_true(json_object_get(
            json_object_get(json_object_get(result, "arms"), arms[i].name), "modes_identical")));
    json_decref(summary);
    json_decref(list);
}

static void test_golden(void **state)
{
    (void)state;
    if (access(GOLDEN, F_OK) != 0) {
        print_message("skipped: no golden runs (" GOLDEN ")\n");
        skip();
    }
    for (int i = 0; i < 3; i++) {
        check_golden("stories260K", i);
        test_tmpdir_remove(dir);
        test_tmpdir_create(dir);
        check_golden("tempo-tiny-f16", i);
        test_tmpdir_remove(dir);
        test_tmpdir_create(dir);
    }
}

static const char lockstep[] =
    "experiment_name: together\nprompts: ['The cat sat on the', 'Once upon a time']\n"
    "steps: 5\nthreshold: 0.05\nstop: never\nregime: lockstep\narms:\n"
    "  - {name: visible, mode: visible}\n  - {name: isolated, mode: isolated}\n"
    "  - {name: shifted, mode: visible, positions: 'offset:0.5'}\n  - {name: replay, replay: published}\n"
    "driver: isolated\nrecord: [positions]\n";

static json_int_t whole(const json_t *o, const char *a, const char *b)
{
    const json_t *v = json_object_get(json_object_get(o, a), b);

    if (!json_is_integer(v))
        fail_msg("no %s.%s", a, b);
    return json_integer_value(v);
}

/* What the arms' own thresholds would have chosen, and at how many steps that is not the same. */
static void check_changes(const json_t *c)
{
    const json_t *comparison = json_object_get(c, "comparison"), *step;
    json_int_t n = 0;
    size_t i;

    json_array_foreach(json_object_get(comparison, "steps"), i, step)
    {
        const double jaccard = json_number_value(json_object_get(step, "jaccard"));
        assert_int_equal(json_is_true(json_object_get(step, "set_changes")), !(jaccard >= 1.0));
        n += !(jaccard >= 1.0);
    }
    assert_int_equal(n, json_integer_value(json_object_get(comparison, "set_changes")));
    assert_true(n > 0);
}

/* The members of shared sets have one position, those that are 0.5 apart have not. */
static void check_positions(const json_t *c)
{
    const json_t *arms = json_object_get(c, "arms"), *isolated = json_object_get(arms, "isolated"),
                 *shifted = json_object_get(arms, "shifted");
    const json_int_t parallel = whole(isolated, "positions", "parallel_sets");

    assert_true(parallel > 0);
    assert_int_equal(whole(isolated, "positions", "one_position"), parallel);
    assert_int_equal(whole(shifted, "positions", "parallel_sets"), parallel);
    assert_int_equal(whole(shifted, "positions", "one_position"), 0);
    assert_true(json_is_true(json_object_get(isolated, "shared_positions")));
    assert_true(json_is_false(json_object_get(shifted, "shared_positions")));
    assert_int_equal(whole(json_object_get(arms, "replay"), "positions", "parallel_sets"), 0);
}

/* In lockstep all arms but replays have the driver's sets, and every prompt is a case of its own. */
static void test_lockstep(void **state)
{
    json_t *summary;
    const json_t *result = first_result(lockstep, NULL, &summary), *cases = json_object_get(result, "cases"),
                 *c;
    char path[512], name[96];
    bool differs = false;
    size_t i;

    (void)state;
    assert_int_equal(json_array_size(cases), 2);
    json_array_foreach(cases, i, c)
    {
        const json_t *lead = steps_of(c, "isolated"), *comparison = json_object_get(c, "comparison");
        for (size_t t = 0; t < 5; t++) {
            const json_t *set = json_array_get(lead, t);
            const size_t n = json_array_size(json_object_get(set, "members"));
            for (size_t k = 0; k < n; k++) {
                assert_int_equal(id_of(json_array_get(steps_of(c, "visible"), t), k), id_of(set, k));
                assert_int_equal(id_of(json_array_get(steps_of(c, "shifted"), t), k), id_of(set, k));
                differs = differs || id_of(json_array_get(steps_of(c, "replay"), t), k) != id_of(set, k);
            }
        }
        assert_true(json_is_true(json_object_get(comparison, "identical_sets")));
        check_changes(c);
        check_positions(c);
        assert_int_equal(json_array_size(json_object_get(comparison, "steps")), 5);
        (void)snprintf(name, sizeof(name), "out/together/p%u-t0.05/shifted/rope_positions.json",
                       (unsigned)i + 1);
        test_path(path, dir, name);
        assert_int_equal(access(path, F_OK), 0);
    }
    assert_true(differs);
    json_decref(summary);
}

/* Members that are turned round are no other set; the answer is that of the sets which both selected. */
static void test_parting(void **state)
{
    static const char text[] = "experiment_name: parting\nprompt: I\nsteps: 6\nthreshold: 0.05\narms:\n"
                               "  - {name: isolated, mode: isolated}\n  - {name: visible, mode: visible}\n";
    json_t *summary;
    const json_t *result = first_result(text, NULL, &summary), *c = json_object_get(result, "comparison"),
                 *steps = json_object_get(c, "steps"), *last;

    (void)state;
    assert_false(json_is_true(json_object_get(c, "identical_sets")));
    assert_int_equal(json_integer_value(json_object_get(c, "first_difference")), 3);
    assert_int_equal(json_integer_value(json_object_get(c, "first_order_difference")), 2);
    assert_int_equal(json_integer_value(json_object_get(c, "first_distribution_difference")), 1);
    assert_int_equal(json_array_size(steps), 3); /* after it row i of one is not row i of the other */
    last = json_array_get(steps, 2);
    assert_true(json_is_false(json_object_get(last, "set_changes")));
    assert_true(json_is_true(json_object_get(last, "order_changes")));
    assert_true(json_real_value(json_object_get(last, "jaccard")) == 1.0);
    json_decref(summary);
}

/* Different tokens can be the same text: parts of characters have their bytes, wherever sets are written. */
static void test_bytes(void **state)
{
    static const char text[] =
        "experiment_name: bytes\nprompt: \"\u00c4\"\nsteps: 3\nthreshold: 0.005\nmax_set: 0\n"
        "stop: never\nmode: isolated\n";
    json_t *summary;
    const json_t *result = first_result(text, NULL, &summary), *steps = steps_of(result, "isolated"), *set,
                 *m;
    char path[512], line[1 << 16];
    size_t i, k, with_bytes = 0, in_lines = 0;
    FILE *f;

    (void)state;
    json_array_foreach(steps, i, set) json_array_foreach(json_object_get(set, "members"), k, m)
    {
        const bool part = strstr(json_string_value(json_object_get(m, "text")), "\xef\xbf\xbd") != NULL;
        assert_int_equal(json_is_array(json_object_get(m, "bytes")), part);
        with_bytes += part;
    }
    assert_true(with_bytes > 0);
    test_path(path, dir, "out/bytes/results.jsonl");
    assert_non_null(f = fopen(path, "r"));
    while (fgets(line, sizeof(line), f) != NULL)
        for (const char *p = line; (p = strstr(p, "\"bytes\"")) != NULL; p++)
            in_lines++;
    assert_int_equal(fclose(f), 0);
    assert_int_equal(in_lines, with_bytes);
    json_decref(summary);
}

/* The numbers of results.json, recomputed from the logits that were captured. */
static void test_numbers(void **state)
{
    static const char text[] =
        "experiment_name: numbers\nprompt: The cat sat on the\nsteps: 4\nthreshold: 0.05\nstop: "
        "never\narms:\n"
        "  - {name: isolated, mode: isolated}\n  - {name: visible, mode: visible}\nrecord: [logits]\n";
    json_t *summary;
    const json_t *result = first_result(text, NULL, &summary);
    const json_t *compared = json_object_get(json_object_get(result, "comparison"), "steps");
    char path[512];
    tempo_npz *z[2];
    tempo_err err = {0};

    (void)state;
    test_path(path, dir, "out/numbers/isolated/logits_distributions.npz");
    assert_int_equal(tempo_npz_open(&z[0], path, &err), TEMPO_OK);
    test_path(path, dir, "out/numbers/visible/logits_distributions.npz");
    assert_int_equal(tempo_npz_open(&z[1], path, &err), TEMPO_OK);
    assert_true(json_array_size(compared) > 0);
    for (size_t t = 0; t < json_array_size(compared); t++) {
        double *q[2];
        size_t n = 0;
        for (size_t k = 0; k < 2; k++) { /* the mixture, with the probabilities of the set that was read */
            char key[48];
            tempo_npy a;
            (void)snprintf(key, sizeof(key), "step_%zu_logits", t);
            assert_int_equal(tempo_npz_read(z[k], key, 1 << 28, &a, &err), TEMPO_OK);
            n = (size_t)a.shape[1];
            q[k] = calloc(n, sizeof(double));
            const json_t *read =
                t == 0 ? NULL
                       : json_object_get(
                             json_array_get(steps_of(result, k == 0 ? "isolated" : "visible"), t - 1),
                             "members");
            double total = 0.0;
            for (size_t r = 0; r < a.shape[0]; r++)
                total += read == NULL
                             ? 1.0
                             : json_number_value(json_object_get(json_array_get(read, r), "probability"));
            for (size_t r = 0; r < a.shape[0]; r++) {
                const float *row = (const float *)a.data + r * n;
                const double w =
                    (read == NULL
                         ? 1.0
                         : json_number_value(json_object_get(json_array_get(read, r), "probability"))) /
                    total;
                double sum = 0.0;
                for (size_t i = 0; i < n; i++)
                    sum += exp((double)row[i]);
                for (size_t i = 0; i < n; i++)
                    q[k][i] += w * exp((double)row[i]) / sum;
            }
            tempo_npy_free(&a);
        }
        double tv = 0.0;
        for (size_t i = 0; i < n; i++)
            tv += fabs(q[0][i] - q[1][i]) / 2;
        const double said = json_number_value(json_object_get(json_array_get(compared, t), "tv"));
        assert_true(fabs(tv - said) <= 1e-12);
        free(q[0]);
        free(q[1]);
    }
    tempo_npz_free(z[0]);
    tempo_npz_free(z[1]);
    json_decref(summary);
}

static bool count_down(void *user)
{
    int *left = user;

    return --*left > 0;
}

/* Stopped anywhere: no result, no half of a capture; then the same directory runs to its end. */
static void test_stopped(void **state)
{
    char path[512];
    tempo_status st;
    tempo_err err;
    json_t *summary = NULL;

    (void)state;
    for (int polls = 1; polls < 200; polls += 23) {
        int left = polls;
        summary = run_text(lockstep, NULL, count_down, &left, &st, &err);
        assert_null(summary);
        assert_int_equal(st, TEMPO_E_STOPPED);
        test_path(path, dir, "out/together");
        assert_int_not_equal(access(path, F_OK), 0);
        test_path(path, dir, "out/.together.partial");
        assert_int_not_equal(access(path, F_OK), 0);
    }
    (void)first_result(lockstep, NULL, &summary);
    json_decref(summary);
    (void)first_result(lockstep, NULL, &summary); /* its own files are replaced */
    json_decref(summary);
    int left = 40; /* stopped again: what was there stays, and is still of use */
    assert_null(run_text(lockstep, NULL, count_down, &left, &st, &err));
    assert_int_equal(st, TEMPO_E_STOPPED);
    test_path(path, dir, "out/together/results.json");
    assert_int_equal(access(path, F_OK), 0);
    test_path(path, dir, "out/together/p1-t0.05/notes.txt");
    test_write_file(path, "mine", 4);
    assert_null(run_text(lockstep, NULL, NULL, NULL, &st, &err));
    assert_int_equal(st, TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "p1-t0.05/notes.txt"));
    assert_int_equal(access(path, F_OK), 0);
}

static void test_refusals(void **state)
{
    char path[512];
    tempo_status st;
    tempo_err err;

    (void)state;
    test_path(path, dir, "out");
    test_mkdir(path);
    test_path(path, dir, "out/together");
    test_mkdir(path);
    test_path(path, dir, "out/together/thesis.tex");
    test_write_file(path, "x", 1);
    assert_null(run_text(lockstep, NULL, NULL, NULL, &st, &err));
    assert_int_equal(st, TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "holds files that are not of an experiment"));
    assert_null(run_text("prompt: x\nrecord: ['attention:layers=2-']\n", NULL, NULL, NULL, &st, &err));
    assert_non_null(strstr(err.msg, "layers"));
    assert_null(run_text("prompt: x\narms: [{name: a, mode: visible, visible_layers: 3-99}, {name: b}]\n",
                         NULL, NULL, NULL, &st, &err));
    assert_non_null(strstr(err.msg, "arm 'a'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lockstep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
    };

    return cmocka_run_group_tests_name("experiment_run", tests, NULL, NULL);
}
