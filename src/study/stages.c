/* stages.c - the noise floor and the units: batches of prompts, a file for each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "study/floor.h"
#include "files/json_out.h"
#include "study/study.h"
#include "study/unit.h"

/* One prompt of a batch; unit or floor. */
typedef struct task {
    size_t prompt;
    tempo_unit *unit;
    tempo_floor *floor;
    char path[TEMPO_STUDY_PATH];
} task;

enum { EXACT_PROMPTS = 3 };

void tempo_study_progress(const tempo_study *s, const char *stage, size_t done, size_t total)
{
    if (s->o->progress != NULL)
        s->o->progress(s->o->user, stage, done, total);
}

static size_t batch_size(const tempo_study *s)
{
    return s->o->batch > 0 ? s->o->batch : TEMPO_STUDY_BATCH;
}

/* ---- one batch ---- */

/* All tasks to their end. */
static tempo_status run_tasks(const tempo_study *s, const task *tasks, size_t n, tempo_err *err)
{
    const tempo_observer obs = {.user = s->o->user, .poll = s->o->poll};
    tempo_run **runs = calloc(n * TEMPO_FLOOR_MAX_GROUPS + 1, sizeof(tempo_run *));
    size_t count = 0;

    if (runs == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a batch of prompts");
    for (size_t i = 0; i < n; i++)
        if (tasks[i].floor != NULL)
            tempo_floor_runs(tasks[i].floor, runs, &count);
        else
            runs[count++] = tempo_unit_run(tasks[i].unit);
    const tempo_status st = tempo_runs_all(runs, count, &obs, err);
    free(runs);
    return st;
}

static tempo_status save_task(const tempo_study *s, const task *t, double threshold, tempo_err *err)
{
    const tempo_prompt *p = &s->prompts->prompts[t->prompt];
    json_t *out = t->floor != NULL ? tempo_floor_json(t->floor) : tempo_unit_json(t->unit);
    char name[192];

    (void)snprintf(name, sizeof(name), "m%zu-t%g-%s", s->model_index, threshold, p->name);
    if (out != NULL) {
        json_object_set_new(out, "unit", json_string(name));
        json_object_set_new(out, "model", json_integer((json_int_t)s->model_index));
        json_object_set_new(out, "threshold", tempo_json_number(threshold));
        json_object_set_new(out, "prompt",
                            json_pack("{s:s, s:s, s:s, s:I}", "id", p->id, "stratum", p->stratum, "text",
                                      p->text, "tokens", (json_int_t)s->n_ids[t->prompt]));
    }
    return tempo_json_save(t->path, out, true, err);
}

/* ---- stages ---- */

static tempo_unit_options unit_options(const tempo_study *s, double threshold)
{
    const tempo_hypotheses *h = s->hypotheses;
    tempo_unit_options o = {.threshold = threshold,
                            .steps = s->steps,
                            .position_offset = tempo_study_offset(h, threshold),
                            .edits = s->edits};

    for (size_t i = 0; i < h->n_bands && o.n_bands < TEMPO_UNIT_MAX_BANDS; i++)
        if (tempo_knockout_layers(&h->bands[i], tempo_model_get_info(s->model)->n_layers,
                                  &o.bands[o.n_bands].first, &o.bands[o.n_bands].last))
            o.n_bands++;
    return o;
}

static tempo_floor_options floor_options(const tempo_study *s)
{
    const tempo_hypotheses *h = s->hypotheses;
    tempo_floor_options o = {.threshold = s->thresholds[0],
                             .steps = s->steps,
                             .position_offset = tempo_study_offset(h, s->thresholds[0]),
                             .member_order = h->noise.member_order,
                             .other = s->other,
                             .edits = s->edits,
                             .other_edits = s->other_edits};

    for (size_t i = 0; i < h->noise.n_nudges && i < TEMPO_FLOOR_MAX_NUDGES; i++)
        o.nudges[o.n_nudges++] = h->noise.nudges[i];
    return o;
}

static tempo_status create_task(tempo_study *s, task *t, double threshold, bool floor, tempo_err *err)
{
    const tempo_unit_options uo = unit_options(s, threshold);
    const tempo_floor_options fo = floor_options(s);
    const int32_t *ids = s->ids[t->prompt];
    const size_t n = s->n_ids[t->prompt];
    const tempo_status st = floor ? tempo_floor_create(&t->floor, s->engine, &fo, ids, n, err)
                                  : tempo_unit_create(&t->unit, s->engine, &uo, ids, n, err);

    if (st != TEMPO_OK)
        tempo_err_prefix(err, "prompt %s", s->prompts->prompts[t->prompt].id);
    return st;
}

static void free_tasks(task *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tempo_unit_free(tasks[i].unit);
        tempo_floor_free(tasks[i].floor);
        tasks[i].unit = NULL;
        tasks[i].floor = NULL;
    }
}

/* The prompts from *next on whose file is missing, at most `most`, to the end of each; *n: how many. */
static tempo_status run_batch(tempo_study *s, task *tasks, size_t most, double threshold, bool floor,
                              size_t *next, size_t *n, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (*n = 0; *next < s->n_prompts && *n < most && st == TEMPO_OK; ++*next) {
        task *t = &tasks[*n];
        t->prompt = *next;
        st = tempo_study_unit_path(s->dir, floor ? "floor" : "units", s->model_index, floor ? 0.0 : threshold,
                                   s->prompts->prompts[*next].name, t->path, err);
        if (st == TEMPO_OK && !tempo_study_has(t->path)) {
            st = create_task(s, t, threshold, floor, err);
            ++*n;
        }
    }
    if (st == TEMPO_OK && *n > 0)
        st = run_tasks(s, tasks, *n, err);
    for (size_t i = 0; i < *n && st == TEMPO_OK; i++) {
        if (tasks[i].unit != NULL)
            tempo_study_add_uses(s, tempo_unit_run(tasks[i].unit));
        st = save_task(s, &tasks[i], threshold, err);
    }
    free_tasks(tasks, *n);
    return st;
}

/* All prompts at one threshold, a batch at a time.  What does not fit into memory goes again in halves: no
 * result depends on the batch.  */
static tempo_status run_stage(tempo_study *s, const char *stage, double threshold, bool floor, size_t done,
                              size_t total, tempo_err *err)
{
    size_t most = batch_size(s);
    task *tasks = calloc(most, sizeof(*tasks));
    tempo_status st =
        tasks != NULL ? TEMPO_OK : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a batch");

    for (size_t next = 0; next < s->n_prompts && st == TEMPO_OK;) {
        const size_t first = next;
        tempo_err why = {0};
        size_t n;
        tempo_study_progress(s, stage, done + next, total);
        st = run_batch(s, tasks, most, threshold, floor, &next, &n, &why);
        if (st == TEMPO_E_NOMEM && n > 1) {
            most = n / 2;
            next = first;
            st = TEMPO_OK;
        } else if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK) {
            *err = why;
        }
    }
    tempo_study_progress(s, stage, total, total);
    free(tasks);
    return st;
}

tempo_status tempo_study_floor(tempo_study *s, tempo_err *err)
{
    char path[TEMPO_STUDY_PATH], name[40];
    json_t *floor = NULL;
    tempo_status st = run_stage(s, "noise floor", s->thresholds[0], true, 0, s->n_prompts, err);

    (void)snprintf(name, sizeof(name), "noise_floor-m%zu.json", s->model_index);
    if (st != TEMPO_OK || (st = tempo_path_join(path, sizeof(path), s->dir, name, err)) != TEMPO_OK ||
        tempo_study_has(path))
        return st;
    if ((st = tempo_floor_summary(&floor, s->dir, s->model_index, s->hypotheses, s->prompts, s->n_prompts,
                                  err)) != TEMPO_OK)
        return st;
    json_object_set_new(floor, "instruction_set",
                        s->other != NULL ? json_string(tempo_model_get_info(s->other_model)->kernels)
                                         : json_pack("{s:s}", "not_measured", s->other_note));
    return tempo_json_save(path, floor, false, err);
}

tempo_status tempo_study_units(tempo_study *s, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < s->n_thresholds && st == TEMPO_OK; i++)
        st = run_stage(s, "prompts", s->thresholds[i], false, i * s->n_prompts,
                       s->n_thresholds * s->n_prompts, err);
    if (st == TEMPO_OK)
        tempo_study_tell_uses(s);
    return st;
}

/* ---- what must change no bit ---- */

/* The bits of one prompt, alone, with another number of threads. */
static tempo_status bits_alone(tempo_study *s, tempo_engine *e, size_t prompt, char bits[17], tempo_err *err)
{
    tempo_floor_options o = floor_options(s);
    task t = {.prompt = prompt};
    tempo_status st;

    o.n_nudges = 0;
    o.member_order = false;
    o.other = NULL;
    if ((st = tempo_floor_create(&t.floor, e, &o, s->ids[prompt], s->n_ids[prompt], err)) == TEMPO_OK &&
        (st = run_tasks(s, &t, 1, err)) == TEMPO_OK) {
        json_t *out = tempo_floor_json(t.floor);
        const char *found = json_string_value(json_object_get(out, "bits"));
        (void)snprintf(bits, 17, "%s", found != NULL ? found : "");
        json_decref(out);
    }
    free_tasks(&t, 1);
    return st;
}

static tempo_status bits_in_batch(const tempo_study *s, size_t prompt, char bits[17], tempo_err *err)
{
    char path[TEMPO_STUDY_PATH];
    const char *found;
    json_t *doc = NULL;
    tempo_status st = tempo_study_unit_path(s->dir, "floor", s->model_index, 0.0,
                                            s->prompts->prompts[prompt].name, path, err);

    if (st == TEMPO_OK && (st = tempo_json_load(&doc, path, err)) == TEMPO_OK &&
        (st = tempo_json_str(doc, "bits", &found, err)) == TEMPO_OK)
        (void)snprintf(bits, 17, "%s", found);
    json_decref(doc);
    return st;
}

tempo_status tempo_study_exact(tempo_study *s, tempo_err *err)
{
    const unsigned threads = tempo_engine_threads(s->engine);
    const tempo_engine_options eo = {.size = sizeof(eo), .threads = threads > 1 ? 1 : 2};
    const size_t n = s->n_prompts < EXACT_PROMPTS ? s->n_prompts : EXACT_PROMPTS;
    char path[TEMPO_STUDY_PATH], name[40];
    tempo_engine *e = NULL;
    tempo_status st;

    (void)snprintf(name, sizeof(name), "exact-m%zu.json", s->model_index);
    if ((st = tempo_path_join(path, sizeof(path), s->dir, name, err)) != TEMPO_OK || tempo_study_has(path))
        return st;
    st = tempo_engine_create(&e, s->model, &eo, err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        char batch[17] = "", first[17] = "", second[17] = "";
        if ((st = bits_in_batch(s, i, batch, err)) == TEMPO_OK &&
            (st = bits_alone(s, e, i, first, err)) == TEMPO_OK &&
            (st = bits_alone(s, e, i, second, err)) == TEMPO_OK &&
            (strcmp(first, second) != 0 || strcmp(first, batch) != 0))
            st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                            "prompt %s gives other bits when it is %s: nothing here can be trusted; tempo "
                            "doctor shows more",
                            s->prompts->prompts[i].id,
                            strcmp(first, second) != 0 ? "repeated"
                                                       : "run alone with another number of threads");
    }
    tempo_engine_free(e);
    return st != TEMPO_OK ? st
                          : tempo_json_save(path,
                                            json_pack("{s:I, s:i, s:i, s:i}", "prompts", (json_int_t)n,
                                                      "repeats", 0, "threads", 0, "batch_width", 0),
                                            false, err);
}
