/* view.c - a run's files -> the report view; of experiments: view_experiment.c. */
#include "report/view.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/json.h"
#include "files/json_out.h"
#include "study/prompts_file.h"
#include "study/study.h"

enum { MANIFESTS_MAX = 256 }; /* of experiments that are looked at beside a study */

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the report view");
}

static tempo_status bad(tempo_err *err, const char *dir, const char *what)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s/report.json: %s", dir, what);
}

/* ---- what the parts share ---- */

tempo_status tempo_view_load(json_t **out, const char *dir, const char *name, tempo_err *err)
{
    char path[TEMPO_STUDY_PATH];
    tempo_status st = tempo_path_join(path, sizeof(path), dir, name, err);

    *out = NULL;
    if (st != TEMPO_OK || (st = tempo_json_load(out, path, err)) != TEMPO_OK)
        return st;
    if (json_is_object(*out))
        return TEMPO_OK;
    json_decref(*out);
    *out = NULL;
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: it is not a JSON object", path);
}

void tempo_view_copy(json_t *to, const json_t *from, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        json_t *v = json_object_get(from, *keys);
        json_object_set_new(to, *keys, v != NULL ? json_incref(v) : json_null());
    }
}

const char *tempo_view_last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* ---- a study: its report ---- */

/* Where the model lies on this machine is nobody else's business. */
static void shorten_path(json_t *model)
{
    const char *path = json_string_value(json_object_get(model, "path"));
    char last[512];

    if (path != NULL) {
        (void)snprintf(last, sizeof(last), "%s", tempo_view_last_part(path));
        json_object_set_new(model, "path", json_string(last));
    }
}

static tempo_status load_report(json_t **out, const char *dir, tempo_err *err)
{
    const json_t *models, *thresholds;
    json_t *one;
    size_t i;
    tempo_status st = tempo_view_load(out, dir, "report.json", err);

    if (st == TEMPO_E_NOTFOUND) {
        if (err != NULL)
            *err = (tempo_err){0};
        return tempo_fail(err, st, TEMPO_NO_OFFSET,
                          "this study has no report yet: tempo study report writes it");
    }
    if (st != TEMPO_OK)
        return st;
    models = json_object_get(*out, "models");
    if (!json_is_array(models) || !json_is_array(json_object_get(*out, "verdicts")) ||
        !json_is_array(json_object_get(*out, "timing")) || !json_is_object(json_object_get(*out, "study")))
        return bad(err, dir, "it has no models, verdicts, timing or study");
    json_array_foreach(models, i, one)
    {
        thresholds = json_object_get(one, "thresholds");
        if (!json_is_object(json_object_get(one, "model")) || !json_is_array(thresholds))
            return bad(err, dir, "a model has no \"model\" or no \"thresholds\"");
        for (size_t t = 0; t < json_array_size(thresholds); t++)
            if (!json_is_number(json_object_get(json_array_get(thresholds, t), "threshold")) ||
                !json_is_array(json_object_get(json_array_get(thresholds, t), "decisions")))
                return bad(err, dir, "a threshold has no \"threshold\" or no \"decisions\"");
        shorten_path(json_object_get(one, "model"));
    }
    json_array_foreach(json_object_get(json_object_get(*out, "study"), "models"), i, one) shorten_path(one);
    return TEMPO_OK;
}

/* ---- a study: one number a prompt ---- */

/* Put a unit's values at place i of the columns, of n numbers each; a column that is new begins with nulls.
 */
static void put_values(json_t *columns, const json_t *values, size_t i, size_t n)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)values, key, value)
    {
        json_t *column = json_object_get(columns, key);
        if (!json_is_number(value))
            continue;
        if (column == NULL) {
            column = json_array();
            for (size_t k = 0; k < n; k++)
                json_array_append_new(column, json_null());
            json_object_set_new(columns, key, column);
        }
        json_array_set(column, i, value);
    }
}

static tempo_status collect_slice(json_t *list, const char *dir, size_t model, double threshold,
                                  const tempo_prompts *prompts, size_t n, tempo_err *err)
{
    json_t *columns = json_object(), *unit;
    char path[TEMPO_STUDY_PATH];
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        if ((st = tempo_study_unit_path(dir, "units", model, threshold, prompts->prompts[i].name, path,
                                        err)) != TEMPO_OK ||
            !tempo_study_has(path))
            continue;
        if ((st = tempo_json_load(&unit, path, err)) == TEMPO_OK)
            put_values(columns, json_object_get(unit, "values"), i, n);
        json_decref(unit);
    }
    json_array_append_new(list, json_pack("{s:I, s:o, s:o}", "model", (json_int_t)model, "threshold",
                                          tempo_json_number(threshold), "values", columns));
    return st;
}

static tempo_status collect_values(json_t *list, const char *dir, const json_t *report,
                                   const tempo_prompts *prompts, size_t n, tempo_err *err)
{
    const json_t *models = json_object_get(report, "models");
    tempo_status st = TEMPO_OK;

    for (size_t m = 0; m < json_array_size(models); m++) {
        const json_t *thresholds = json_object_get(json_array_get(models, m), "thresholds");
        for (size_t t = 0; t < json_array_size(thresholds) && st == TEMPO_OK; t++)
            st = collect_slice(list, dir, m, tempo_number_at(json_array_get(thresholds, t), "threshold"),
                               prompts, n, err);
    }
    return st;
}

static json_t *prompts_json(const tempo_prompts *p, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o}", "id", p->prompts[i].id, "stratum", p->prompts[i].stratum,
                            "text", tempo_json_bytes(p->prompts[i].text, strlen(p->prompts[i].text))));
    return list;
}

static tempo_status add_prompts(json_t *view, const char *dir, const json_t *report, tempo_err *err)
{
    const json_t *plan = json_object_get(json_object_get(report, "study"), "prompts");
    const json_int_t wanted = json_integer_value(json_object_get(plan, "n"));
    tempo_prompts *prompts = NULL;
    char path[TEMPO_STUDY_PATH];
    tempo_status st = tempo_prompts_path(path, sizeof(path), dir, NULL, err);

    if (st != TEMPO_OK || (st = tempo_prompts_load(&prompts, path, NULL, err)) != TEMPO_OK)
        return st;
    const size_t n = wanted > 0 && (size_t)wanted < prompts->n ? (size_t)wanted : prompts->n;
    json_object_set_new(view, "prompts", prompts_json(prompts, n));
    st = collect_values(json_object_get(view, "values"), dir, report, prompts, n, err);
    tempo_prompts_free(prompts);
    return st;
}

/* ---- a study: the experiments beside it ---- */

static bool has_model(const json_t *report, const json_t *manifest)
{
    const char *hash = json_string_value(json_object_get(json_object_get(manifest, "model"), "sha256")), *one;
    const json_t *models = json_object_get(json_object_get(report, "study"), "models");

    for (size_t i = 0; i < json_array_size(models) && hash != NULL; i++) {
        one = json_string_value(json_object_get(json_array_get(models, i), "sha256"));
        if (one != NULL && strcmp(one, hash) == 0)
            return true;
    }
    return false;
}

static bool has_name(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_object_get(json_array_get(list, i), "name"));
        if (one != NULL && strcmp(one, name) == 0)
            return true;
    }
    return false;
}

static int by_name(const json_t *a, const json_t *b)
{
    return strcmp(json_string_value(json_object_get(a, "name")),
                  json_string_value(json_object_get(b, "name")));
}

/* Keep them in the order of their names: those that ship are numbered. */
static void insert_by_name(json_t *list, json_t *entry)
{
    size_t i = json_array_size(list);

    while (i > 0 && by_name(entry, json_array_get(list, i - 1)) < 0)
        i--;
    json_array_insert_new(list, i, entry);
}

/* An experiment of the database, unless there is a newer one of its name; what cannot be read is none. */
static void try_experiment(json_t *list, const json_t *run, const json_t *report)
{
    const char *dir = json_string_value(json_object_get(run, "dir"));
    json_t *manifest = NULL, *entry = NULL;

    if (tempo_view_load(&manifest, dir, "manifest.json", NULL) == TEMPO_OK && has_model(report, manifest) &&
        tempo_view_experiment(&entry, dir, manifest, NULL) == TEMPO_OK)
        insert_by_name(list, entry);
    json_decref(manifest);
}

static bool is_text(const json_t *object, const char *key, const char *value)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s != NULL && strcmp(s, value) == 0;
}

static tempo_status add_experiments(json_t *list, const json_t *report, tempo_registry *r, tempo_err *err)
{
    json_t *runs = NULL, *run;
    size_t i, tries = 0;
    tempo_status st = r != NULL ? tempo_registry_list(r, &runs, err) : TEMPO_OK;

    json_array_foreach(runs, i, run)
    {
        const char *name = json_string_value(json_object_get(run, "name"));
        if (name == NULL || !is_text(run, "kind", "experiment") || !is_text(run, "status", "complete") ||
            has_name(list, name) || json_array_size(list) == TEMPO_VIEW_MAX_EXPERIMENTS ||
            tries++ == MANIFESTS_MAX)
            continue;
        try_experiment(list, run, report);
    }
    json_decref(runs);
    return st;
}

/* ---- the document ---- */

static tempo_status fill_study(json_t *view, const char *dir, tempo_registry *r, tempo_err *err)
{
    json_t *report = NULL;
    tempo_status st = load_report(&report, dir, err);

    if (st == TEMPO_OK && (st = add_prompts(view, dir, report, err)) == TEMPO_OK)
        st = add_experiments(json_object_get(view, "experiments"), report, r, err);
    if (st == TEMPO_OK)
        json_object_set(view, "report", report);
    json_decref(report);
    return st;
}

static tempo_status fill_experiment(json_t *view, const char *dir, const json_t *manifest, tempo_err *err)
{
    json_t *entry = NULL;
    const tempo_status st = tempo_view_experiment(&entry, dir, manifest, err);

    if (st == TEMPO_OK)
        json_array_append_new(json_object_get(view, "experiments"), entry);
    return st;
}

static json_t *begin_view(const char *kind, const json_t *manifest)
{
    static const char *const keys[] = {"id",  "name",    "created", "status",  "version", "compiler",
                                       "cpu", "kernels", "compute", "threads", NULL};
    json_t *run = json_object();

    tempo_view_copy(run, manifest, keys);
    return json_pack("{s:i, s:s, s:o, s:n, s:[], s:[], s:[]}", "view", TEMPO_VIEW_VERSION, "kind", kind,
                     "run", run, "report", "prompts", "values", "experiments");
}

tempo_status tempo_report_view(json_t **out, const char *dir, tempo_registry *r, tempo_err *err)
{
    json_t *manifest = NULL, *view = NULL;
    tempo_status st = tempo_view_load(&manifest, dir, "manifest.json", err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    const bool study = is_text(manifest, "kind", "study");
    if (!study && !is_text(manifest, "kind", "experiment"))
        st = tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                        "only studies and experiments have a report; this run is neither");
    if (st == TEMPO_OK && (view = begin_view(study ? "study" : "experiment", manifest)) == NULL)
        st = no_memory(err);
    if (st == TEMPO_OK)
        st = study ? fill_study(view, dir, r, err) : fill_experiment(view, dir, manifest, err);
    json_decref(manifest);
    if (st != TEMPO_OK) {
        json_decref(view);
        return st;
    }
    *out = view;
    return TEMPO_OK;
}
