/* after.c - what needs the units: the control of siblings, and times. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/json.h"
#include "study/control.h"
#include "files/json_out.h"
#include "study/study.h"
#include "study/timed_run.h"

/* What a unit's file says of its sets. */
typedef struct sets {
    json_t *doc;
    const json_t *steps;
    size_t first; /* step that selected the first parallel set; == the number of steps if none is read */
    size_t m;     /* its members */
} sets;

static bool go_on(const tempo_study *s)
{
    return s->o->poll == NULL || s->o->poll(s->o->user);
}

static const json_t *members_of(const json_t *steps, size_t i)
{
    return json_object_get(json_array_get(steps, i), "members");
}

static tempo_status load_sets(const tempo_study *s, double threshold, size_t prompt, sets *out,
                              tempo_err *err)
{
    char path[TEMPO_STUDY_PATH];
    tempo_status st;

    *out = (sets){0};
    if ((st = tempo_study_unit_path(s->dir, "units", s->model_index, threshold,
                                    s->prompts->prompts[prompt].name, path, err)) != TEMPO_OK ||
        (st = tempo_json_load(&out->doc, path, err)) != TEMPO_OK)
        return st;
    out->steps = json_object_get(out->doc, "steps");
    const size_t n = json_array_size(out->steps);
    if (n == 0)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: no steps", path);
    while (out->first + 1 < n && json_array_size(members_of(out->steps, out->first)) < 2)
        out->first++;
    out->m = json_array_size(members_of(out->steps, out->first));
    if (out->first + 1 >= n) /* the last set is never read */
        out->m = 0;
    return TEMPO_OK;
}

static int32_t id_at(const json_t *members, size_t i)
{
    return (int32_t)json_integer_value(json_object_get(json_array_get(members, i), "id"));
}

/* ---- the control of C ---- */

/* splitmix64: enough for choosing one of some prompts. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The other prompt whose first parallel set stands in; SIZE_MAX when none has one of that size. */
static size_t choose_other(const tempo_study *s, const sets *all, size_t prompt, size_t threshold)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_prompts; i++)
        n += i != prompt && all[i].m == all[prompt].m;
    if (n == 0)
        return SIZE_MAX;
    size_t k = (size_t)(mix(s->hypotheses->seeds.controls ^
                            mix(prompt * TEMPO_HYPOTHESES_MAX_THRESHOLDS + threshold)) %
                        n);
    for (size_t i = 0;; i++)
        if (i != prompt && all[i].m == all[prompt].m && k-- == 0)
            return i;
}

static tempo_status control_prompt(tempo_study *s, const sets *all, size_t prompt, size_t threshold,
                                   const char *path, tempo_err *err)
{
    const sets *own = &all[prompt];
    const size_t other = own->m >= 2 ? choose_other(s, all, prompt, threshold) : SIZE_MAX;
    double share = NAN, control = NAN;
    tempo_status st = TEMPO_OK;

    if (other != SIZE_MAX) {
        int32_t *ids = calloc(own->first + 2 * own->m + 1, sizeof(*ids));
        if (ids == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the control");
        int32_t *mine = ids + own->first, *theirs = mine + own->m;
        for (size_t i = 0; i < own->first; i++)
            ids[i] = id_at(members_of(own->steps, i), 0);
        for (size_t i = 0; i < own->m; i++) {
            mine[i] = id_at(members_of(own->steps, own->first), i);
            theirs[i] = id_at(members_of(all[other].steps, all[other].first), i);
        }
        const tempo_control_sets c = {.prompt = s->ids[prompt],
                                      .n_prompt = s->n_ids[prompt],
                                      .before = ids,
                                      .n_before = own->first,
                                      .own = mine,
                                      .strangers = theirs,
                                      .m = own->m,
                                      .edits = s->edits};
        st = tempo_control_run(s->engine, &c, s->o->poll, s->o->user, &share, &control, err);
        free(ids);
    }
    if (st != TEMPO_OK)
        return st;
    return tempo_json_save(
        path,
        json_pack("{s:I, s:o, s:s, s:o, s:I, s:o, s:o}", "model", (json_int_t)s->model_index, "threshold",
                  tempo_json_number(s->thresholds[threshold]), "prompt", s->prompts->prompts[prompt].id,
                  "other", other != SIZE_MAX ? json_string(s->prompts->prompts[other].id) : json_null(),
                  "members", (json_int_t)own->m, "share", tempo_json_number(share), "control",
                  tempo_json_number(control)),
        true, err);
}

static void free_sets(sets *all, size_t n)
{
    for (size_t i = 0; all != NULL && i < n; i++)
        json_decref(all[i].doc);
    free(all);
}

tempo_status tempo_study_control(tempo_study *s, tempo_err *err)
{
    const size_t total = s->n_thresholds * s->n_prompts;
    tempo_status st = TEMPO_OK;

    for (size_t t = 0; t < s->n_thresholds && st == TEMPO_OK; t++) {
        sets *all = calloc(s->n_prompts, sizeof(*all));
        if (all == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the control");
        for (size_t i = 0; i < s->n_prompts && st == TEMPO_OK; i++)
            st = load_sets(s, s->thresholds[t], i, &all[i], err);
        for (size_t i = 0; i < s->n_prompts && st == TEMPO_OK; i++) {
            char path[TEMPO_STUDY_PATH];
            tempo_study_progress(s, "control", t * s->n_prompts + i, total);
            st = tempo_study_unit_path(s->dir, "control", s->model_index, s->thresholds[t],
                                       s->prompts->prompts[i].name, path, err);
            if (st == TEMPO_OK && !tempo_study_has(path))
                st = control_prompt(s, all, i, t, path, err);
        }
        free_sets(all, s->n_prompts);
    }
    tempo_study_progress(s, "control", total, total);
    return st;
}

/* ---- times ---- */

double tempo_study_seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One solo run over the sets that the unit recorded: both arms do the same work. */
static tempo_status time_run(tempo_study *s, size_t prompt, const sets *u, tempo_mode mode, double *took,
                             tempo_err *err)
{
    const tempo_observer obs = {.user = s->o->user, .poll = s->o->poll};
    tempo_decode_options o;

    tempo_decode_options_init(&o);
    o.mode = mode;
    o.edits = s->edits;
    o.steps = json_array_size(u->steps);
    o.threshold = s->thresholds[0];
    return tempo_timed_run(s->engine, &o, s->ids[prompt], s->n_ids[prompt], u->steps, &obs, took, err);
}

/* Pair `k` in ABBA order; added to `pairs` unless it only warms up. */
static tempo_status time_pair(tempo_study *s, size_t k, size_t prompt, const sets *u, json_t *pairs,
                              tempo_err *err)
{
    const bool visible_first = k % 2 == 1;
    double took[2];
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < 2 && st == TEMPO_OK; i++) {
        const size_t arm = visible_first ? 1 - i : i;
        st = go_on(s) ? time_run(s, prompt, u, arm == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE, &took[arm], err)
                      : tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped");
    }
    if (st == TEMPO_OK && pairs != NULL)
        json_array_append_new(
            pairs, json_pack("{s:s, s:o, s:o, s:s}", "prompt", s->prompts->prompts[prompt].id, "isolated_s",
                             tempo_json_number(took[0]), "visible_s", tempo_json_number(took[1]), "first",
                             visible_first ? "visible" : "isolated"));
    return st;
}

tempo_status tempo_study_timing(tempo_study *s, tempo_err *err)
{
    const size_t pairs = s->hypotheses->timing.pairs, warmup = s->hypotheses->timing.warmup;
    char path[TEMPO_STUDY_PATH], name[40];
    json_t *list = json_array();
    tempo_status st;
    size_t prompt = 0;

    (void)snprintf(name, sizeof(name), "timing-m%zu.json", s->model_index);
    if ((st = tempo_path_join(path, sizeof(path), s->dir, name, err)) != TEMPO_OK || tempo_study_has(path)) {
        json_decref(list);
        return st;
    }
    for (size_t k = 0; k < warmup + pairs && st == TEMPO_OK; k++) {
        sets u = {0};
        tempo_study_progress(s, "timing", k, warmup + pairs);
        for (size_t tries = 0; tries < s->n_prompts && u.m < 2 && st == TEMPO_OK; tries++) {
            json_decref(u.doc); /* prompts whose run holds a parallel set, in turn */
            st = load_sets(s, s->thresholds[0], prompt, &u, err);
            prompt = (prompt + 1) % s->n_prompts;
        }
        if (st == TEMPO_OK && u.m >= 2)
            st = time_pair(s, k, (prompt + s->n_prompts - 1) % s->n_prompts, &u, k >= warmup ? list : NULL,
                           err);
        json_decref(u.doc);
    }
    tempo_study_progress(s, "timing", warmup + pairs, warmup + pairs);
    if (st != TEMPO_OK) {
        json_decref(list);
        return st;
    }
    return tempo_json_save(path,
                           json_pack("{s:I, s:I, s:o}", "threads",
                                     (json_int_t)tempo_engine_threads(s->engine), "warmup",
                                     (json_int_t)warmup, "pairs", list),
                           false, err);
}
