/* served_runs.h - what the tests of runs share: a small study and two experiments, made by the program's own functions,
 * in a database, and a server on the built-in model that knows it. */
#ifndef TEMPO_TESTS_SERVER_SERVED_RUNS_H
#define TEMPO_TESTS_SERVER_SERVED_RUNS_H
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/api.h"
#include "experiment/run.h"
#include "registry/registry.h"
#include "report/report.h"
#include "study/study.h"
#include "support/http_client.h"
#include "support/models.h"
#include "support/tmpdir.h"

typedef struct served {
    char dir[256], db[512], study[512], experiments[512];
    tempo_model *model;
    tempo_engine *engine;
    tempo_worker *worker;
    tempo_api *api;
    tempo_route *routes;
    tempo_http *http;
    uint16_t port;
} served;

/* ---- runs --------------------------------------------------------------------------- */

/* The shipped hypotheses with little to do: lines that begin with the first text become the second. */
static inline void served_write_hypotheses(const char *path)
{
    static const char *const changes[][2] = {
        {"permutations:", "permutations: 200"},
        {"resamples:", "resamples: 100"},
        {"noise:", "noise: {quantile: 0.99, nudges: [1], member_order: false, instruction_set: false}"},
        {"timing:", "timing: {pairs: 2, warmup: 1, published_percent: 18.8}"}};
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

static inline void served_make_study(served *s)
{
    static const char prompts[] = "prompts:\n"
                                  "  - {id: a-1, stratum: a, text: \"The captain looked at the chart\"}\n"
                                  "  - {id: a-2, stratum: a, text: \"Nobody in the <village> could\"}\n"
                                  "  - {id: b-1, stratum: b, text: \"The largest planet in the\"}\n";
    char hypotheses[512], file[512];
    tempo_err err = {0};
    json_t *report;

    test_path(hypotheses, s->dir, "hypotheses.yaml");
    test_path(file, s->dir, "prompts.yaml");
    test_path(s->study, s->dir, "study");
    served_write_hypotheses(hypotheses);
    test_write_file(file, prompts, sizeof(prompts) - 1);
    const tempo_study_options o = {.dir = s->study,
                                   .hypotheses = hypotheses,
                                   .prompts = file,
                                   .thresholds = {0.05},
                                   .n_thresholds = 1,
                                   .steps = 3,
                                   .threads = 2};
    if (tempo_study_run(&report, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    json_decref(report);
}

static inline void served_make_experiments(served *s)
{
    static const char one[] = "experiment_name: one\ndescription: first\ngoal: To see.\nprompt: The cat sat on the\n"
                              "steps: 5\nthreshold: 0.05\nmax_set: 6\nstop: never\nrecord: [attention]\narms:\n"
                              "  - {name: isolated, mode: isolated}\n  - {name: visible, mode: visible}\n"
                              "  - {name: replay, replay: published}\n"
                              "published:\n  model: a/b\n  runs:\n    - {mode: isolated, seconds: 1.5}\n";
    static const char many[] = "experiment_name: many\nprompt: Once upon a time\nsteps: 3\nthresholds: [0.1, 0.05]\n"
                               "record: [\"attention:layers=2-3,heads=1-4\"]\nmode: visible\npairs: 0\n";
    char path[2][512];
    const char *files[] = {path[0], path[1]};
    tempo_err err = {0};
    json_t *summary;

    test_path(path[0], s->dir, "one.yaml");
    test_path(path[1], s->dir, "many.yaml");
    test_write_file(path[0], one, sizeof(one) - 1);
    test_write_file(path[1], many, sizeof(many) - 1);
    test_path(s->experiments, s->dir, "experiments");
    const tempo_experiments_options o = {
        .files = files, .n_files = 2, .dir = s->experiments, .threads = 2, .has_pairs = true, .pairs = 2};
    if (tempo_experiments_run(&summary, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    json_decref(summary);
}

static inline void served_index(const served *s, const char *dir)
{
    tempo_registry *r;
    tempo_err err = {0};

    if (tempo_registry_open(&r, s->db, false, &err) != TEMPO_OK || tempo_registry_index(r, dir, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_registry_free(r);
}

static inline void served_make_runs(served *s)
{
    char path[600];

    test_tmpdir_create(s->dir);
    test_path(s->db, s->dir, "runs.db");
    served_make_study(s);
    served_make_experiments(s);
    served_index(s, s->study);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", s->experiments, i == 0 ? "one" : "many");
        served_index(s, path);
    }
}

/* The id that manifest.json in dir/name gives. */
static inline void served_id(char out[256], const char *dir, const char *name)
{
    char path[1200];
    json_error_t error;

    (void)snprintf(path, sizeof(path), "%s/%s/manifest.json", dir, name);
    json_t *manifest = json_load_file(path, 0, &error);
    assert_non_null(manifest);
    (void)snprintf(out, 256, "%s", json_string_value(json_object_get(manifest, "id")));
    json_decref(manifest);
}

/* ---- the server ----------------------------------------------------------------------- */

static inline void served_start(served *s)
{
    char path[4096];
    tempo_worker_options wo;
    tempo_api_options ao;
    tempo_http_options ho;
    tempo_err err = {0};

    if (tempo_model_find(NULL, path, sizeof(path), &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    s->model = test_open_model(path);
    s->engine = test_engine(s->model, 2);
    tempo_worker_options_init(&wo);
    if (tempo_worker_start(&s->worker, s->engine, &wo, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_api_options_init(&ao);
    ao.model = s->model;
    ao.worker = s->worker;
    ao.threads = 2;
    ao.db = s->db;
    if (tempo_api_create(&s->api, &ao, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_http_options_init(&ho);
    ho.port = 0;
    ho.routes = s->routes = tempo_api_routes(&ho.n_routes);
    assert_non_null(s->routes);
    ho.user = s->api;
    if (tempo_http_start(&s->http, &ho, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_api_set_http(s->api, s->http);
    s->port = tempo_http_port(s->http);
}

static inline void served_stop(served *s)
{
    tempo_worker_stop(s->worker);
    tempo_http_stop(s->http, 10);
    tempo_api_set_http(s->api, NULL);
    tempo_http_free(s->http);
    tempo_api_free(s->api);
    free(s->routes);
    tempo_worker_free(s->worker);
    tempo_engine_free(s->engine);
    tempo_model_free(s->model);
    test_tmpdir_remove(s->dir);
}

/* The JSON that GET target answers with that status. */
static inline json_t *served_get(const served *s, unsigned status, const char *format, ...) TEMPO_PRINTF(3, 4);
static inline json_t *served_get(const served *s, unsigned status, const char *format, ...)
{
    char target[1024];
    json_error_t error;
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(target, sizeof(target), format, ap);
    va_end(ap);
    http_answer a = http_request(s->port, "GET", target, "", NULL);
    if (a.status != status)
        fail_msg("%s: %u, expected %u: %.300s", target, a.status, status, a.body);
    /* where it lies, and where the model does, is nobody's business */
    const char *named = strstr(a.text, s->dir), *model = strstr(a.text, tempo_model_get_info(s->model)->path);
    if (named == NULL)
        named = model;
    if (named != NULL)
        fail_msg("%s: names the directory: %.300s", target, named);
    json_t *doc = json_loadb(a.body, a.n_body, 0, &error);
    if (doc == NULL)
        fail_msg("%s: %s: %.300s", target, error.text, a.body);
    http_answer_free(&a);
    return doc;
}

/* That GET target is refused with that status, and names that parameter (NULL: none). */
static inline void served_refused(const served *s, unsigned status, const char *param, const char *target)
{
    json_t *doc = served_get(s, status, "%s", target);
    const char *named = json_string_value(json_object_get(json_object_get(doc, "error"), "param"));

    if ((named == NULL) != (param == NULL) || (param != NULL && strcmp(named, param) != 0))
        fail_msg("%s: names %s, expected %s", target, named != NULL ? named : "none", param != NULL ? param : "none");
    json_decref(doc);
}

#endif
