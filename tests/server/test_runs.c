/* test_runs.c - runs of the database through the server: lists, reports, comparisons, and what must not be
 * found. */
#include "served_runs.h"

#include <math.h>

#include "report/view.h"

static served s;
static char study_id[256], one_id[256], many_id[256];

static int setup(void **state)
{
    (void)state;
    served_make_runs(&s);
    served_start(&s);
    served_id(study_id, s.dir, "study");
    served_id(one_id, s.experiments, "one");
    served_id(many_id, s.experiments, "many");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    served_stop(&s);
    return 0;
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *v = json_string_value(json_object_get(o, key));

    if (v == NULL)
        fail_msg("%s is not a text", key);
    return v;
}

static json_t *from_registry(tempo_status (*ask)(tempo_registry *r, const char *id, json_t **doc,
                                                 tempo_err *err),
                             const char *id)
{
    tempo_registry *r;
    json_t *doc;

    assert_int_equal(tempo_registry_open(&r, s.db, true, NULL), TEMPO_OK);
    assert_int_equal(ask(r, id, &doc, NULL), TEMPO_OK);
    tempo_registry_free(r);
    return doc;
}

static tempo_status list_all(tempo_registry *r, const char *id, json_t **doc, tempo_err *err)
{
    (void)id;
    return tempo_registry_list(r, doc, err);
}

static tempo_status compare_with_one(tempo_registry *r, const char *id, json_t **doc, tempo_err *err)
{
    return tempo_registry_compare(r, id, one_id, doc, err);
}

/* ---- lists ------------------------------------------------------------------------------ */

static void test_list(void **state)
{
    (void)state;
    json_t *doc = served_get(&s, 200, "/v1/tempo/runs"), *expected = from_registry(list_all, "");

    assert_int_equal(json_array_size(expected), 3);
    for (size_t i = 0; i < 3; i++) /* all but where they lie */
        assert_int_equal(json_object_del(json_array_get(expected, i), "dir"), 0);
    assert_true(json_equal(json_object_get(doc, "runs"), expected));
    json_decref(doc);
    json_decref(expected);
    served_refused(&s, 400, "limit", "/v1/tempo/runs?limit=3");
}

static void keep_last_part(json_t *o, const char *key)
{
    const char *path = json_string_value(json_object_get(o, key));

    assert_true(path[0] == '/');
    json_object_set_new(o, key, json_string(strrchr(path, '/') + 1));
}

static void test_show(void **state)
{
    (void)state;
    json_t *doc = served_get(&s, 200, "/v1/tempo/runs/%s", many_id),
           *expected = from_registry(tempo_registry_show, many_id), *captures;

    captures =
        json_pack("[{s:i, s:s}, {s:i, s:s}]", "unit", 0, "arm", "visible", "unit", 1, "arm", "visible");
    assert_true(json_equal(json_object_get(doc, "captures"), captures));
    assert_int_equal(json_object_del(doc, "captures"), 0);
    assert_int_equal(json_object_del(expected, "dir"), 0);
    keep_last_part(json_array_get(json_object_get(expected, "models"), 0), "path");
    keep_last_part(json_object_get(expected, "config"), "file");
    json_object_del(expected, "argv"); /* of which paths are cut, too */
    json_object_del(doc, "argv");
    assert_true(json_equal(doc, expected));
    json_decref(doc);
    json_decref(expected);
    json_decref(captures);

    doc = served_get(&s, 200, "/v1/tempo/runs/%s", one_id);
    assert_int_equal(json_array_size(json_object_get(doc, "captures")), 3);
    json_decref(doc);
    doc = served_get(&s, 200, "/v1/tempo/runs/%s", study_id);
    assert_int_equal(json_array_size(json_object_get(doc, "captures")), 0);
    json_decref(doc);
}

static void test_compare(void **state)
{
    (void)state;
    json_t *doc = served_get(&s, 200, "/v1/tempo/runs/%s/compare/%s", many_id, one_id),
           *expected = from_registry(compare_with_one, many_id);

    assert_true(json_equal(doc, expected));
    json_decref(doc);
    json_decref(expected);
}

/* ---- the report view --------------------------------------------------------------------- */

static void assert_run(const json_t *view, const char *kind, const char *id)
{
    assert_int_equal(json_integer_value(json_object_get(view, "view")), TEMPO_VIEW_VERSION);
    assert_string_equal(text_at(view, "kind"), kind);
    assert_string_equal(text_at(json_object_get(view, "run"), "id"), id);
    assert_string_equal(text_at(json_object_get(view, "run"), "status"), "complete");
}

/* The means of the numbers in `values` are those of the decisions. */
static void assert_values(const json_t *view)
{
    static const char *const ids[] = {"A2", "B", "C", "D2"};
    const json_t *slice = json_array_get(json_object_get(view, "values"), 0),
                 *report = json_object_get(view, "report"),
                 *thresholds =
                     json_object_get(json_array_get(json_object_get(report, "models"), 0), "thresholds"),
                 *decisions = json_object_get(json_array_get(thresholds, 0), "decisions");

    assert_int_equal(json_array_size(json_object_get(view, "values")), 1);
    assert_true(json_number_value(json_object_get(slice, "threshold")) == 0.05);
    for (size_t k = 0; k < 4; k++) {
        const json_t *x = json_object_get(json_object_get(slice, "values"), ids[k]),
                     *d = json_array_get(decisions, k);
        double sum = 0;
        size_t n = 0;
        assert_int_equal(json_array_size(x), 3);
        for (size_t i = 0; i < 3; i++)
            if (json_is_number(json_array_get(x, i))) {
                sum += json_number_value(json_array_get(x, i));
                n++;
            }
        assert_string_equal(text_at(d, "id"), ids[k]);
        assert_int_equal(json_integer_value(json_object_get(d, "n")), n);
        assert_true(fabs(sum / (double)n - json_number_value(json_object_get(d, "mean"))) < 1e-12);
    }
}

static void assert_experiment_one(const json_t *e)
{
    static const char *const kinds[] = {"isolated", "visible", "replay"};
    const json_t *cases = json_object_get(e, "cases"),
                 *arms = json_object_get(json_array_get(cases, 0), "arms"),
                 *published = json_object_get(e, "published");

    assert_string_equal(text_at(e, "name"), "one");
    assert_string_equal(text_at(e, "run"), one_id);
    assert_string_equal(text_at(e, "goal"), "To see.");
    assert_string_equal(text_at(e, "model"), "tempo-tiny");
    assert_int_equal(json_array_size(cases), 1);
    assert_int_equal(json_array_size(arms), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *arm = json_array_get(arms, i), *sets = json_object_get(arm, "sets"),
                     *sizes = json_object_get(arm, "set_sizes");
        assert_string_equal(text_at(arm, "kind"), kinds[i]);
        assert_int_equal(json_array_size(sets), 5);
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(json_array_size(json_array_get(sets, k)),
                             json_integer_value(json_array_get(sizes, k)));
        assert_int_equal(json_is_boolean(json_object_get(arm, "modes_identical")), i == 2);
    }
    assert_null(json_object_get(published, "visible_faster_percent"));
    assert_true(json_number_value(json_object_get(json_array_get(json_object_get(published, "runs"), 0),
                                                  "seconds")) == 1.5);
    assert_true(json_is_object(json_object_get(json_array_get(cases, 0), "timing")));
}

static void test_report_of_a_study(void **state)
{
    (void)state;
    json_t *view = served_get(&s, 200, "/v1/tempo/runs/%s/report", study_id), *report, *model;
    const json_t *experiments = json_object_get(view, "experiments");
    char path[600];
    json_error_t error;

    assert_run(view, "study", study_id);
    assert_values(view);
    test_path(path, s.study, "report.json");
    report = json_load_file(path, 0, &error);
    model = json_object_get(json_array_get(json_object_get(report, "models"), 0), "model");
    json_object_set_new(model, "path", json_string("tempo-tiny")); /* without where it lies here */
    model = json_array_get(json_object_get(json_object_get(report, "study"), "models"), 0);
    json_object_set_new(model, "path", json_string("tempo-tiny"));
    assert_true(json_equal(json_object_get(view, "report"), report));
    json_decref(report);

    assert_int_equal(json_array_size(json_object_get(view, "prompts")), 3);
    assert_string_equal(text_at(json_array_get(json_object_get(view, "prompts"), 1), "text"),
                        "Nobody in the <village> could");
    assert_int_equal(json_array_size(experiments), 2);
    assert_string_equal(text_at(json_array_get(experiments, 0), "name"), "many");
    assert_int_equal(json_array_size(json_object_get(json_array_get(experiments, 0), "cases")), 2);
    assert_experiment_one(json_array_get(experiments, 1));
    json_decref(view);
}

static void test_report_of_an_experiment(void **state)
{
    (void)state;
    json_t *view = served_get(&s, 200, "/v1/tempo/runs/%s/report", one_id);

    assert_run(view, "experiment", one_id);
    assert_true(json_is_null(json_object_get(view, "report")));
    assert_int_equal(json_array_size(json_object_get(view, "experiments")), 1);
    assert_experiment_one(json_array_get(json_object_get(view, "experiments"), 0));
    json_decref(view);
}

/* A run's report with other bytes in one of its files: a 500 or 404, and whole again afterwards.
 */
static void check_broken(const char *dir, const char *id, const char *name, const char *text, unsigned status)
{
    char path[1200];
    size_t n;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    unsigned char *before = test_read_file(path, &n);
    if (text != NULL)
        test_write_file(path, text, strlen(text));
    else
        assert_int_equal(remove(path), 0);
    json_decref(served_get(&s, status, "/v1/tempo/runs/%s/report", id));
    test_write_file(path, before, n);
    free(before);
    json_decref(served_get(&s, 200, "/v1/tempo/runs/%s/report", id));
}

static void test_reports_of_broken_files(void **state)
{
    (void)state;
    char one[600];

    (void)snprintf(one, sizeof(one), "%s/one", s.experiments);
    check_broken(s.study, study_id, "report.json", NULL, 404);
    check_broken(s.study, study_id, "report.json", "{\"models\": [", 500);
    check_broken(s.study, study_id, "report.json", "[]", 500);
    check_broken(s.study, study_id, "report.json",
                 "{\"models\": [], \"verdicts\": [], \"timing\": 3, \"study\": {}}", 500);
    check_broken(s.study, study_id, "report.json",
                 "{\"models\": [{\"model\": {}, \"thresholds\": [{}]}], \"verdicts\": [], \"timing\": [], "
                 "\"study\": {}}",
                 500);
    check_broken(s.study, study_id, "prompts.yaml", "prompts: [", 500);
    check_broken(s.study, study_id, "manifest.json", "{\"kind\": \"generate\"}", 404);
    check_broken(s.study, study_id, "manifest.json", "{", 500);
    check_broken(s.study, study_id, "units/m0-t0.05-a-1.json", "{", 500);
    check_broken(one, one_id, "results.json", "{\"experiment\": \"one\", \"arms\": []}", 500);
    check_broken(one, one_id, "results.json", "{\"experiment\": \"one\", \"cases\": [{\"prompt\": 3}]}", 500);
    check_broken(one, one_id, "results.json", "{\"arms\": {}}", 500);
}

/* ---- what is not there ---------------------------------------------------------------------- */

static void test_not_there(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/v1/tempo/runs/none",
        "/v1/tempo/runs/none/report",
        "/v1/tempo/runs/none/attention?step=0",
        "/v1/tempo/runs/none/attention/steps",
        "/v1/tempo/runs/none/compare/none",
        "/v1/tempo/runs/%2fetc%2fpasswd",
        "/v1/tempo/runs/..%2f..%2fetc",
        "/v1/tempo/runs/%2e%2e",
        "/v1/tempo/runs/../runs.db",
        "/v1/tempo/runs/..%5c/report",
        "/v1/tempo/runs/%00/report",
        "/v1/tempo/runs//report",
        "/v1/tempo/generations/none/attention?step=0",
    };

    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        http_answer a = http_request(s.port, "GET", targets[i], "", NULL);
        if (a.status != 404 && a.status != 400)
            fail_msg("%s: %u", targets[i], a.status);
        http_answer_free(&a);
    }
    served_refused(&s, 400, "id", "/v1/tempo/runs/2"); /* every id begins so */
}

static void test_no_database(void **state)
{
    (void)state;
    char other[600];

    (void)snprintf(other, sizeof(other), "%s.away", s.db);
    assert_int_equal(rename(s.db, other), 0);
    json_t *doc = served_get(&s, 200, "/v1/tempo/runs");
    assert_int_equal(json_array_size(json_object_get(doc, "runs")), 0);
    assert_true(json_is_array(json_object_get(doc, "runs")));
    json_decref(doc);
    json_decref(served_get(&s, 404, "/v1/tempo/runs/%s", one_id));
    json_decref(served_get(&s, 404, "/v1/tempo/runs/%s/report", one_id));
    test_write_file(s.db, "no database", 11);
    json_decref(served_get(&s, 500, "/v1/tempo/runs"));
    assert_int_equal(rename(other, s.db), 0);
    json_decref(served_get(&s, 200, "/v1/tempo/runs/%s", one_id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_report_of_a_study),
        cmocka_unit_test(test_report_of_an_experiment),
        cmocka_unit_test(test_reports_of_broken_files),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_no_database),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
