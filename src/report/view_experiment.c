/* view_experiment.c - an experiment's results.json -> what is drawn of it. */
#include <string.h>

#include "files/json_out.h"
#include "report/view.h"

static tempo_status wrong(tempo_err *err, const char *what)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s", what);
}

/* ---- one arm ---- */

/* "isolated", "visible", "causal" or "replay"; results of before these were written down say it by other
 * keys. */
static const char *kind_of_arm(const char *name, const json_t *arm, const json_t *comparison)
{
    tempo_mode found;
    const char *mode = json_string_value(json_object_get(arm, "mode")),
               *replay = json_string_value(json_object_get(arm, "replay"));

    if ((replay != NULL && strcmp(replay, "none") != 0) || json_object_get(arm, "modes_identical") != NULL)
        return "replay";
    if (tempo_mode_parse(mode, &found))
        return tempo_mode_name(found);
    for (size_t i = 0; i < 2; i++) {
        const char *one = json_string_value(json_object_get(comparison, i == 0 ? "a" : "b"));
        if (one != NULL && strcmp(one, name) == 0)
            return tempo_mode_name(i == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE);
    }
    return strcmp(name, "visible") == 0 ? "visible" : "isolated";
}

static json_t *sets_json(const json_t *steps)
{
    static const char *const keys[] = {"id", "text", "probability", NULL};
    json_t *sets = json_array();

    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *members = json_object_get(json_array_get(steps, i), "members");
        json_t *set = json_array();
        for (size_t k = 0; k < json_array_size(members); k++) {
            json_t *m = json_object();
            tempo_view_copy(m, json_array_get(members, k), keys);
            json_array_append_new(set, m);
        }
        json_array_append_new(sets, set);
    }
    return sets;
}

static tempo_status arm_json(json_t *list, const char *name, const json_t *arm, const json_t *comparison,
                             tempo_err *err)
{
    static const char *const keys[] = {"text",
                                       "top_text",
                                       "stopped_by",
                                       "n_steps",
                                       "total_tokens",
                                       "mean_entropy",
                                       "shared_positions",
                                       "modes_identical",
                                       "set_sizes",
                                       "generation_time",
                                       NULL};
    json_t *o;

    if (!json_is_object(arm) || !json_is_array(json_object_get(arm, "steps")))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "arm \"%.64s\" has no \"steps\"", name);
    o = json_pack("{s:s, s:s}", "arm", name, "kind", kind_of_arm(name, arm, comparison));
    tempo_view_copy(o, arm, keys);
    json_object_set_new(o, "sets", sets_json(json_object_get(arm, "steps")));
    json_array_append_new(list, o);
    return TEMPO_OK;
}

/* ---- one case ---- */

static tempo_status case_json(json_t *list, const json_t *result, tempo_err *err)
{
    static const char *const keys[] = {"prompt", "threshold", "comparison", "timing", NULL};
    const json_t *comparison = json_object_get(result, "comparison");
    json_t *arms = json_object_get(result, "arms"), *o, *arm_list, *arm;
    const char *name;
    tempo_status st = TEMPO_OK;

    if (!json_is_object(arms) || !json_is_string(json_object_get(result, "prompt")) ||
        !json_is_number(json_object_get(result, "threshold")))
        return wrong(err, "a case has no \"arms\", \"prompt\" or \"threshold\"");
    o = json_object();
    tempo_view_copy(o, result, keys);
    arm_list = json_array();
    json_object_foreach(arms, name, arm)
    {
        if (st == TEMPO_OK)
            st = arm_json(arm_list, name, arm, comparison, err);
    }
    json_object_set_new(o, "arms", arm_list);
    json_array_append_new(list, o);
    return st;
}

static tempo_status cases_json(json_t *entry, const json_t *results, tempo_err *err)
{
    const json_t *cases = json_object_get(results, "cases");
    const bool several = cases != NULL;
    const size_t n = several ? json_array_size(cases) : 1,
                 most = n < TEMPO_VIEW_MAX_CASES ? n : TEMPO_VIEW_MAX_CASES;
    json_t *list = json_array();
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < most && st == TEMPO_OK; i++)
        st = case_json(list, several ? json_array_get(cases, i) : results, err);
    json_object_set_new(entry, "cases", list);
    json_object_set_new(entry, "cases_left_out", json_integer((json_int_t)(n - most)));
    return st;
}

/* ---- the entry ---- */

/* 0 is how results.json writes what the document does not say. */
static json_t *published_json(const json_t *results)
{
    json_t *p = json_object_get(results, "published");

    if (!json_is_object(p))
        return json_null();
    p = json_copy(p);
    if (json_number_value(json_object_get(p, "visible_faster_percent")) == 0)
        (void)json_object_del(p, "visible_faster_percent");
    return p;
}

tempo_status tempo_view_experiment(json_t **out, const char *dir, const json_t *manifest, tempo_err *err)
{
    static const char *const keys[] = {"description", "goal", "regime", "notes", NULL};
    json_t *results, *entry, *name, *id = json_object_get(manifest, "id"),
                                    *model = json_object_get(json_object_get(manifest, "model"), "name");
    tempo_status st = tempo_view_load(&results, dir, "results.json", err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    entry = json_object();
    name = json_object_get(results, "experiment");
    if (!json_is_string(name))
        st = wrong(err, "\"experiment\" is not a text");
    json_object_set_new(entry, "run", json_is_string(id) ? json_incref(id) : json_null());
    json_object_set(entry, "name", name);
    tempo_view_copy(entry, results, keys);
    json_object_set_new(entry, "model", json_is_string(model) ? json_incref(model) : json_null());
    json_object_set_new(entry, "published", published_json(results));
    if (st == TEMPO_OK)
        st = cases_json(entry, results, err);
    json_decref(results);
    if (st != TEMPO_OK) {
        tempo_err_prefix(err, "%s/results.json", dir);
        json_decref(entry);
        return st;
    }
    *out = entry;
    return TEMPO_OK;
}
