/* test_study_trace.c - a study that traces: what its files say of the sets, that a stopped one goes on to the
 * same bytes, and that the report's means and intervals are those of the files.  */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json.h"
#include "files/json_out.h"
#include "report/report.h"
#include "stats/stats.h"
#include "study/study.h"
#include "support/tmpdir.h"
#include "trace/trace.h"

enum { PROMPTS = 2 };

static char root[256], whole[512], hypotheses[512], prompts[512];

static const char two_prompts[] = "prompts:\n"
                                  "  - {id: a-1, stratum: a, text: \"The captain looked at the chart\"}\n"
                                  "  - {id: b-1, stratum: b, text: \"The largest planet in the\"}\n";

/* The shipped file with little to do. */
static void write_hypotheses(const char *path)
{
    static const char *const changes[][2] = {
        {"steps:", "steps: 3"},
        {"thresholds:", "thresholds: [0.02]"},
        {"permutations:", "permutations: 200"},
        {"resamples:", "resamples: 100"},
        {"noise:", "noise: {quantile: 0.99, nudges: [1], member_order: false, instruction_set: false}"},
        {"timing:", "timing: {pairs: 2, warmup: 0, published_percent: 18.8}"}};
    size_t n;
    char *text = (char *)test_read_file("experiments/hypotheses.yaml", &n), *next;
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (char *line = text; line != NULL; line = next) {
        const char *out = line;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
            if (strncmp(line, changes[i][0], strlen(changes[i][0])) == 0)
                out = changes[i][1];
        assert_true(fprintf(f, "%s\n", out) > 0);
    }
    assert_int_equal(fclose(f), 0);
    free(text);
}

/* ---- runs ---- */

typedef struct stop {
    size_t polls, at; /* 0: never */
    bool tracing;     /* polls count from the stage on */
} stop;

static void hear_progress(void *user, const char *stage, size_t done, size_t total)
{
    stop *s = user;

    (void)done;
    (void)total;
    s->tracing = s->tracing || strcmp(stage, "trace") == 0;
}

static bool poll_stop(void *user)
{
    stop *s = user;

    s->polls += s->tracing;
    return s->at == 0 || s->polls < s->at;
}

static tempo_status run(const char *dir, bool resume, bool trace, stop *s)
{
    const tempo_study_options o = {.dir = dir,
                                   .resume = resume,
                                   .prompts = resume ? NULL : prompts,
                                   .hypotheses = resume ? NULL : hypotheses,
                                   .trace = trace,
                                   .batch = 2,
                                   .threads = s->at == 0 ? 1 : 2,
                                   .user = s,
                                   .progress = hear_progress,
                                   .poll = poll_stop};
    tempo_err err = {0};
    json_t *made;
    const tempo_status st = tempo_study_run(&made, &o, &err);

    if (st != TEMPO_OK && st != TEMPO_E_STOPPED)
        fail_msg("%s", err.msg);
    json_decref(made);
    return st;
}

static json_t *load(const char *dir, const char *name)
{
    char path[512];
    tempo_err err = {0};
    json_t *doc;

    test_path(path, dir, name);
    if (tempo_json_load(&doc, path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return doc;
}

static int set_up(void **state)
{
    stop never = {0};

    (void)state;
    test_tmpdir_create(root);
    test_path(hypotheses, root, "h.yaml");
    test_path(prompts, root, "p.yaml");
    test_path(whole, root, "whole");
    write_hypotheses(hypotheses);
    test_write_file(prompts, two_prompts, strlen(two_prompts));
    return run(whole, false, true, &never) == TEMPO_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmpdir_remove(root);
    return 0;
}

/* ---- tests ---- */

static const char *const files[PROMPTS] = {"trace/m0-t0.02-a-1.json", "trace/m0-t0.02-b-1.json"};
static const char *const units[PROMPTS] = {"units/m0-t0.02-a-1.json", "units/m0-t0.02-b-1.json"};

/* All that is cut at a set is, of q, what the isolated arm reads there when nothing in front of it was
 * parallel. */
static void test_sets_are_the_units(void **state)
{
    size_t compared = 0;

    (void)state;
    for (size_t i = 0; i < PROMPTS; i++) {
        json_t *doc = load(whole, files[i]), *unit = load(whole, units[i]);
        const json_t *steps = json_object_get(doc, "steps"), *read = json_object_get(unit, "steps"), *one;
        size_t k, parallel = 0;
        for (k = 0; k + 1 < json_array_size(read); k++)
            parallel += json_array_size(json_object_get(json_array_get(read, k), "members")) > 1;
        assert_int_equal(json_array_size(steps), parallel);
        json_array_foreach(steps, k, one)
        {
            const size_t step = (size_t)tempo_whole_at(one, "step");
            const json_t *strangers = json_object_get(one, "strangers");
            const json_t *members = json_object_get(json_array_get(read, step), "members");
            assert_int_equal(tempo_whole_at(one, "members"), json_array_size(members));
            assert_true(json_is_null(strangers) || json_array_size(strangers) == json_array_size(members));
            if (k > 0)
                continue;
            const double tv =
                tempo_number_at(json_object_get(json_array_get(read, step + 1), "metrics"), "tv");
            assert_true(fabs(tempo_number_at(one, "cut_tv") - tv) < 1e-12 && tv > 0);
            compared++;
        }
        json_decref(doc);
        json_decref(unit);
    }
    assert_int_equal(compared, PROMPTS);
}

static void test_stopped(void **state)
{
    stop first = {.at = 40}, never = {0};
    char dir[512], path[512];

    (void)state;
    test_path(dir, root, "stopped");
    assert_int_equal(run(dir, false, true, &first), TEMPO_E_STOPPED);
    test_path(path, dir, files[PROMPTS - 1]);
    assert_false(tempo_study_has(path));
    assert_int_equal(run(dir, true, false, &never), TEMPO_OK); /* the plan knows that it traces */
    for (size_t i = 0; i < PROMPTS + 1; i++) {
        const char *name = i < PROMPTS ? files[i] : "trace-m0.svg";
        size_t n, m;
        test_path(path, whole, name);
        unsigned char *a = test_read_file(path, &n);
        test_path(path, dir, name);
        unsigned char *b = test_read_file(path, &m);
        assert_int_equal(n, m);
        assert_memory_equal(a, b, n);
        free(a);
        free(b);
    }
}

static void test_not_asked_for(void **state)
{
    stop never = {0};
    char dir[512], path[512];

    (void)state;
    test_path(dir, root, "without");
    assert_int_equal(run(dir, false, false, &never), TEMPO_OK);
    json_t *report = load(dir, "report.json"), *plan = load(dir, "study.json");
    const json_t *slice = json_array_get(
        json_object_get(json_array_get(json_object_get(report, "models"), 0), "thresholds"), 0);
    assert_null(json_object_get(json_object_get(slice, "exploratory"), "trace"));
    assert_null(json_object_get(plan, "trace"));
    test_path(path, dir, "trace");
    assert_false(tempo_study_has(path));
    json_decref(report);
    json_decref(plan);
}

static void test_report_of_few(void **state)
{
    json_t *report = load(whole, "report.json"), *a = load(whole, files[0]), *b = load(whole, files[1]);
    const json_t *slice = json_array_get(
        json_object_get(json_array_get(json_object_get(report, "models"), 0), "thresholds"), 0);
    const json_t *traced = json_object_get(json_object_get(slice, "exploratory"), "trace"), *tv;
    const json_t *means[2] = {json_object_get(a, "means"), json_object_get(b, "means")};
    char path[512];
    size_t n;

    (void)state;
    assert_int_equal(tempo_whole_at(traced, "prompts"), 2);
    assert_int_equal(tempo_whole_at(traced, "sets"),
                     tempo_whole_at(means[0], "sets") + tempo_whole_at(means[1], "sets"));
    tv = json_object_get(json_object_get(traced, "cut"), "tv");
    double sum = 0;
    for (size_t i = 0; i < 2; i++)
        sum += tempo_element(
            json_object_get(json_object_get(json_object_get(means[i], "cut"), "tv"), "layers"), 3);
    assert_true(fabs(tempo_element(json_object_get(json_object_get(tv, "mean"), "layers"), 3) - sum / 2) <
                1e-12);
    assert_true(json_is_null(json_object_get(json_object_get(tv, "low"), "all"))); /* of two prompts: none */
    test_path(path, whole, "report.md");
    char *text = (char *)test_read_file(path, &n);
    assert_non_null(strstr(text, "Edges between siblings"));
    assert_non_null(strstr(text, "(trace-curves-m0.svg)"));
    assert_null(strstr(text, "nan"));
    free(text);
    json_decref(report);
    json_decref(a);
    json_decref(b);
}

/* From so many prompts on there are intervals, and they are those of the bootstrap. */
static void test_intervals(void **state)
{
    enum { N = TEMPO_MIN_PROMPTS };
    json_t *doc = load(whole, files[0]), *trace[N] = {0};
    tempo_hypotheses *h;
    tempo_prompts *p;
    tempo_err err = {0};
    double x[N];
    tempo_boot boot;

    (void)state;
    assert_int_equal(tempo_hypotheses_load(&h, hypotheses, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_prompts_load(&p, prompts, NULL, &err), TEMPO_OK);
    for (size_t i = 0; i < N; i++) {
        trace[i] = json_deep_copy(doc);
        x[i] = 0.01 * (double)(i * i % 17);
        json_t *tv = json_object_get(json_object_get(json_object_get(trace[i], "means"), "cut"), "tv");
        json_array_set_new(json_object_get(tv, "above"), 2, json_real(x[i]));
    }
    const tempo_slice s = {.hypotheses = h, .prompts = p, .n = N, .trace = trace};
    json_t *out;
    assert_int_equal(tempo_report_traced(&out, &s, &err), TEMPO_OK);
    assert_int_equal(tempo_boot_mean(x, N, 0.95, h->resamples, h->seeds.bootstrap, &boot, &err), TEMPO_OK);
    const json_t *tv = json_object_get(json_object_get(out, "cut"), "tv");
    assert_true(fabs(tempo_element(json_object_get(json_object_get(tv, "low"), "above"), 2) - boot.lo) <
                1e-12);
    assert_true(fabs(tempo_element(json_object_get(json_object_get(tv, "high"), "above"), 2) - boot.hi) <
                1e-12);
    assert_true(boot.lo < boot.hi);
    json_decref(out);
    /* of one fewer there are none */
    tempo_slice fewer = s;
    fewer.n = N - 1;
    assert_int_equal(tempo_report_traced(&out, &fewer, &err), TEMPO_OK);
    tv = json_object_get(json_object_get(out, "cut"), "tv");
    assert_true(json_is_null(json_array_get(json_object_get(json_object_get(tv, "low"), "above"), 2)));
    json_decref(out);
    /* a trace of another shape is an error, which names the prompt */
    json_object_set_new(json_object_get(trace[1], "means"), "n_heads", json_integer(3));
    assert_int_equal(tempo_report_traced(&out, &s, &err), TEMPO_E_FORMAT);
    assert_null(out);
    assert_non_null(strstr(err.msg, "b-1"));
    for (size_t i = 0; i < N; i++)
        json_decref(trace[i]);
    json_decref(doc);
    tempo_hypotheses_free(h);
    tempo_prompts_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets_are_the_units), cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_not_asked_for),      cmocka_unit_test(test_report_of_few),
        cmocka_unit_test(test_intervals),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
