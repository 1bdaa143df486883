/* report.c - a study's files -> decisions and one document. */
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "files/json_out.h"
#include "study/floor.h"
#include "study/study.h"

enum { SCHEMA = 2 };

#define LAYER0_TOLERANCE 4e-6 /* identity I7 */

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the report");
}

size_t tempo_slice_values(const tempo_slice *s, const char *object, const char *key, double *x)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        const double v = tempo_number_at(json_object_get(s->unit[i], object), key);
        if (isfinite(v))
            x[n++] = v;
    }
    return n;
}

/* ---- reading ---- */

typedef struct reading {
    char dir[TEMPO_STUDY_PATH];
    json_t *plan;
    tempo_hypotheses *hypotheses;
    tempo_prompts *prompts;
    size_t n_prompts, n_models, n_thresholds;
    bool changed;       /* the copies of hypotheses or prompts are not those that the study began with */
    json_t *departures; /* texts: what was done otherwise than registered; of such a study nothing is
                           confirmatory */
} reading;

static bool same_hash(const json_t *plan, const char *key, const char *hash)
{
    const char *stored = json_string_value(json_object_get(json_object_get(plan, key), "sha256"));

    return stored != NULL && strcmp(stored, hash) == 0;
}

/* The hypotheses say how a study is made; what was asked for on the command line may be another one. */
static json_t *list_departures(const reading *r)
{
    const tempo_hypotheses *h = r->hypotheses;
    const double threshold = json_number_value(json_array_get(json_object_get(r->plan, "thresholds"), 0));
    const json_int_t steps = json_integer_value(json_object_get(r->plan, "steps"));
    json_t *list = json_array();

    if (r->changed)
        json_array_append_new(
            list, json_string("hypotheses.yaml or prompts.yaml was changed after the study began"));
    if (threshold != h->thresholds[0])
        json_array_append_new(
            list, json_sprintf("the first threshold is %g instead of %g", threshold, h->thresholds[0]));
    if (steps != (json_int_t)h->steps)
        json_array_append_new(list, json_sprintf("%lld steps instead of %zu", (long long)steps, h->steps));
    return list;
}

static tempo_status open_study(reading *r, const char *dir, tempo_err *err)
{
    char path[TEMPO_STUDY_PATH];
    tempo_status st;

    (void)snprintf(r->dir, sizeof(r->dir), "%s", dir);
    if ((st = tempo_path_join(path, sizeof(path), dir, "study.json", err)) != TEMPO_OK)
        return st;
    if (!tempo_study_has(path))
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: no study here (no study.json)", dir);
    if ((st = tempo_json_load(&r->plan, path, err)) != TEMPO_OK ||
        (st = tempo_study_check_schema(r->plan, path, err)) != TEMPO_OK ||
        (st = tempo_path_join(path, sizeof(path), dir, "hypotheses.yaml", err)) != TEMPO_OK ||
        (st = tempo_hypotheses_load(&r->hypotheses, path, NULL, err)) != TEMPO_OK ||
        (st = tempo_prompts_path(path, sizeof(path), dir, NULL, err)) != TEMPO_OK ||
        (st = tempo_prompts_load(&r->prompts, path, NULL, err)) != TEMPO_OK)
        return st;
    r->n_models = json_array_size(json_object_get(r->plan, "models"));
    r->n_thresholds = json_array_size(json_object_get(r->plan, "thresholds"));
    r->n_prompts = (size_t)json_integer_value(json_object_get(json_object_get(r->plan, "prompts"), "n"));
    if (r->n_models == 0 || r->n_thresholds == 0 || r->n_prompts == 0 || r->n_prompts > r->prompts->n)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s/study.json: models, thresholds or prompts are missing", dir);
    r->changed = !same_hash(r->plan, "hypotheses", r->hypotheses->sha256) ||
                 !same_hash(r->plan, "prompts", r->prompts->sha256);
    r->departures = list_departures(r);
    return TEMPO_OK;
}

static void close_study(reading *r)
{
    json_decref(r->plan);
    json_decref(r->departures);
    tempo_hypotheses_free(r->hypotheses);
    tempo_prompts_free(r->prompts);
}

static void free_slice(tempo_slice *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->unit != NULL)
            json_decref(s->unit[i]);
        if (s->control != NULL)
            json_decref(s->control[i]);
        if (s->trace != NULL)
            json_decref(s->trace[i]);
    }
    free(s->unit);
    free(s->control);
    free(s->trace);
}

static tempo_status load_if_there(const reading *r, const tempo_slice *s, const char *folder, size_t i,
                                  json_t **out, tempo_err *err)
{
    char path[TEMPO_STUDY_PATH];
    tempo_status st =
        tempo_study_unit_path(r->dir, folder, s->model, s->threshold, s->prompts->prompts[i].name, path, err);

    return st == TEMPO_OK && tempo_study_has(path) ? tempo_json_load(out, path, err) : st;
}

static tempo_status load_slice(const reading *r, tempo_slice *s, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    s->unit = calloc(s->n, sizeof(json_t *));
    s->control = calloc(s->n, sizeof(json_t *));
    s->trace = calloc(s->n, sizeof(json_t *));
    if (s->unit == NULL || s->control == NULL || s->trace == NULL)
        return no_memory(err);
    for (size_t i = 0; i < s->n && st == TEMPO_OK; i++)
        if ((st = load_if_there(r, s, "units", i, &s->unit[i], err)) == TEMPO_OK &&
            (st = load_if_there(r, s, "control", i, &s->control[i], err)) == TEMPO_OK)
            st = load_if_there(r, s, "trace", i, &s->trace[i], err);
    return st;
}

/* ---- what holds or does not ---- */

/* A1 and D1: they hold or they do not. */
static json_t *deterministic(const tempo_slice *s)
{
    double worst = 0.0;
    size_t n = 0, unequal = 0;

    for (size_t i = 0; i < s->n; i++) {
        const json_t *checks = json_object_get(s->unit[i], "checks"),
                     *layer0 = json_object_get(checks, "layer0");
        if (json_integer_value(json_object_get(s->unit[i], "parallel_steps")) == 0)
            continue;
        n++;
        unequal += !json_is_true(json_object_get(checks, "one_position"));
        const double d = json_is_number(layer0) ? json_number_value(layer0) : INFINITY;
        worst = d > worst ? d : worst;
    }
    return json_pack("{s:{s:I, s:o, s:o, s:o}, s:{s:I, s:o, s:I}}", "A1", "n", (json_int_t)n, "holds",
                     n == 0 ? json_null() : json_boolean(worst <= LAYER0_TOLERANCE), "worst",
                     tempo_json_number(worst), "tolerance", tempo_json_number(LAYER0_TOLERANCE), "D1", "n",
                     (json_int_t)n, "holds", n == 0 ? json_null() : json_boolean(unequal == 0), "unequal",
                     (json_int_t)unequal);
}

/* ---- the document ---- */

static tempo_status add_slice(const reading *r, size_t model, size_t threshold, const json_t *floor,
                              json_t *list, json_t *verdicts, tempo_err *err)
{
    tempo_slice s = {.hypotheses = r->hypotheses,
                     .prompts = r->prompts,
                     .n = r->n_prompts,
                     .model = model,
                     .threshold =
                         json_number_value(json_array_get(json_object_get(r->plan, "thresholds"), threshold)),
                     .confirmatory = threshold == 0 && json_array_size(r->departures) == 0};
    json_t *out = json_object(), *explored = NULL, *traced = NULL;
    tempo_status st = out != NULL ? load_slice(r, &s, err) : no_memory(err);
    size_t there = 0;

    for (size_t i = 0; i < s.n && st == TEMPO_OK; i++)
        there += s.unit[i] != NULL;
    s.confirmatory =
        s.confirmatory && there == s.n; /* who looks at some of them first is not bound by the rest */
    json_object_set_new(out, "threshold", tempo_json_number(s.threshold));
    json_object_set_new(out, "family",
                        json_string(s.confirmatory   ? "confirmatory"
                                    : threshold == 0 ? "exploratory"
                                                     : "exploratory replication"));
    json_object_set_new(out, "prompts", json_integer((json_int_t)there));
    json_object_set_new(out, "missing", json_integer((json_int_t)(s.n - there)));
    if (st == TEMPO_OK && (st = tempo_report_decide(out, verdicts, &s, floor, err)) == TEMPO_OK)
        st = tempo_report_explore(&explored, &s, err);
    if (st == TEMPO_OK)
        st = tempo_report_traced(&traced, &s, err);
    if (st == TEMPO_OK) {
        json_object_set_new(out, "deterministic", deterministic(&s));
        if (traced != NULL)
            json_object_set_new(explored, "trace", traced);
        json_object_set_new(out, "exploratory", explored);
        json_array_append_new(list, out);
    } else {
        json_decref(out);
        json_decref(explored);
    }
    free_slice(&s);
    return st;
}

static tempo_status add_model(const reading *r, size_t model, json_t *models, json_t *verdicts,
                              json_t *timing, tempo_err *err)
{
    const json_t *plan = json_array_get(json_object_get(r->plan, "models"), model);
    json_t *slices = json_array(), *floor = NULL, *times = NULL, *exact = NULL;
    char path[TEMPO_STUDY_PATH], name[40];
    tempo_status st;

    (void)snprintf(name, sizeof(name), "exact-m%zu.json", model);
    st = tempo_path_join(path, sizeof(path), r->dir, name, err);
    if (st == TEMPO_OK && tempo_study_has(path))
        st = tempo_json_load(&exact, path, err);
    if (st == TEMPO_OK)
        st = tempo_floor_summary(&floor, r->dir, model, r->hypotheses, r->prompts, r->n_prompts, err);
    for (size_t t = 0; t < r->n_thresholds && st == TEMPO_OK; t++)
        st = add_slice(r, model, t, json_object_get(floor, "floor"), slices, verdicts, err);
    if (st == TEMPO_OK)
        st = tempo_report_timing(&times, r->dir, model, r->hypotheses, err);
    if (st != TEMPO_OK) {
        json_decref(slices);
        json_decref(floor);
        json_decref(exact);
        return st;
    }
    json_array_append_new(models,
                          json_pack("{s:O, s:o, s:o, s:o}", "model", plan, "noise_floor", floor, "exact",
                                    exact != NULL ? exact : json_null(), "thresholds", slices));
    json_array_append_new(timing, times);
    return TEMPO_OK;
}

/* Of the strata of the prompts' file, those that the study's first prompts are of. */
static size_t count_strata(const reading *r)
{
    size_t n = 0;

    for (size_t k = 0; k < r->prompts->n_strata; k++) {
        size_t i = 0;
        while (i < r->n_prompts && r->prompts->prompts[i].stratum_index != k)
            i++;
        n += i < r->n_prompts;
    }
    return n;
}

static tempo_status save(const char *dir, json_t *report, tempo_err *err)
{
    static const tempo_page_style style = {.markdown = true, .width = 100};
    char path[TEMPO_STUDY_PATH];
    char *text = tempo_study_report_text(report, &style);
    tempo_status st =
        text != NULL ? tempo_path_join(path, sizeof(path), dir, "report.md", err) : no_memory(err);

    if (st == TEMPO_OK)
        st = tempo_text_save(path, text, strlen(text), err);
    if (st == TEMPO_OK && (st = tempo_path_join(path, sizeof(path), dir, "report.json", err)) == TEMPO_OK)
        st = tempo_json_save(path, json_incref(report), false, err);
    free(text);
    return st == TEMPO_OK ? tempo_report_draw_traced(report, dir, err) : st;
}

tempo_status tempo_study_report(json_t **report, const char *dir, tempo_err *err)
{
    reading r = {0};
    json_t *models = json_array(), *verdicts = json_array(), *timing = json_array();
    tempo_status st = open_study(&r, dir, err);

    *report = NULL;
    for (size_t i = 0; i < r.n_models && st == TEMPO_OK; i++)
        st = add_model(&r, i, models, verdicts, timing, err);
    if (st == TEMPO_OK) {
        *report = json_pack(
            "{s:i, s:o, s:O, s:b, s:O, s:{s:I, s:I, s:I}, s:o, s:O, s:O, s:O}", "schema", SCHEMA, "title",
            r.hypotheses->title != NULL ? json_string(r.hypotheses->title) : json_null(), "study", r.plan,
            "files_changed", r.changed, "departures", r.departures, "of_file", "prompts",
            (json_int_t)r.prompts->n, "strata", (json_int_t)r.prompts->n_strata, "strata_here",
            (json_int_t)count_strata(&r), "alpha", tempo_json_number(r.hypotheses->alpha), "models", models,
            "verdicts", verdicts, "timing", timing);
        st = *report != NULL ? save(dir, *report, err) : no_memory(err);
    }
    if (st != TEMPO_OK) {
        json_decref(*report);
        *report = NULL;
    }
    json_decref(models);
    json_decref(verdicts);
    json_decref(timing);
    close_study(&r);
    return st;
}
