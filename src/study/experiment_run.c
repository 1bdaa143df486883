/* experiment_run.c - files, one after another: directories, results, manifests, the summary. */
#include "study/experiment_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/json.h"
#include "study/find_file.h"
#include "study/json_out.h"
#include "study/manifest.h"
#include "study/run_id.h"

typedef struct session {
    const tempo_experiments_options *o;
    tempo_model *model;
    tempo_engine *engine;
    char sha256[TEMPO_HASH_CHARS];
    json_t *done; /* results of the experiments */
} session;

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the experiments");
}

/* ---- documents ---- */

static json_t *model_json(const session *s)
{
    const tempo_model_info *m = tempo_model_get_info(s->model);

    return json_pack("{s:o, s:o, s:s, s:s, s:I, s:s}", "path", tempo_json_bytes(m->path, strlen(m->path)),
                     "name", tempo_json_bytes(m->name, strlen(m->name)), "architecture", m->architecture,
                     "format", m->format, "parameters", (json_int_t)m->parameters, "sha256", s->sha256);
}

static json_t *published_run_json(const tempo_published_run *r)
{
    json_t *sizes = json_array(), *o;

    for (size_t i = 0; i < r->n_set_sizes; i++)
        json_array_append_new(sizes, json_integer((json_int_t)r->set_sizes[i]));
    o = json_pack("{s:s, s:I, s:I, s:o, s:o}", "mode", r->mode, "steps", (json_int_t)r->steps, "total_tokens",
                  (json_int_t)r->total_tokens, "set_sizes", sizes, "seconds", tempo_json_number(r->seconds));
    if (r->sets != NULL)
        json_object_set_new(o, "sets", json_string(r->sets));
    if (r->text != NULL)
        json_object_set_new(o, "text", json_string(r->text));
    if (r->data_size != NULL)
        json_object_set_new(o, "data_size", json_string(r->data_size));
    if (r->most > 0)
        json_object_set_new(o, "tokens_per_step",
                            json_pack("[I, I]", (json_int_t)r->fewest, (json_int_t)r->most));
    return o;
}

/* Is the model at hand the published one?  By the last part of its name, as files are called. */
static bool is_published_model(const session *s, const char *published)
{
    const tempo_model_info *m = tempo_model_get_info(s->model);
    const char *last = strrchr(published, '/');

    last = last != NULL ? last + 1 : published;
    return strstr(m->path, last) != NULL || strstr(m->name, last) != NULL;
}

static json_t *published_json(const session *s, const tempo_experiment *e)
{
    const tempo_published *p = &e->published;
    json_t *runs = json_array(), *o;

    if (p->model == NULL) {
        json_decref(runs);
        return json_null();
    }
    for (size_t i = 0; i < p->n_runs; i++)
        json_array_append_new(runs, published_run_json(&p->runs[i]));
    o = json_pack("{s:s, s:b, s:o, s:o}", "model", p->model, "same_model", is_published_model(s, p->model),
                  "runs", runs, "visible_faster_percent", tempo_json_number(p->visible_faster_percent));
    if (p->data_size != NULL)
        json_object_set_new(o, "data_size", json_string(p->data_size));
    if (p->outputs != NULL)
        json_object_set_new(o, "outputs", json_string(p->outputs));
    if (p->remark != NULL)
        json_object_set_new(o, "remark", json_string(p->remark));
    return o;
}

static json_t *notes_json(const tempo_experiment *e)
{
    json_t *list = json_array();

    for (size_t i = 0; i < e->n_notes; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "key", e->notes[i].key, "line",
                                              (json_int_t)e->notes[i].line, "text", e->notes[i].text));
    return list;
}

static json_t *recorded_json(const tempo_experiment *e)
{
    static const char *const names[] = {"attention", "logits", "positions", "kv"};
    json_t *list = json_array();

    for (size_t i = 0; i < 4; i++)
        if ((e->record & 1u << i) != 0)
            json_array_append_new(list, json_string(names[i]));
    return list;
}

/* ---- files ---- */

/* results.json of one arm, for readers of the original project's files too. */
static tempo_status save_arm(const tempo_case *c, const tempo_experiment_arm *arm, const json_t *result,
                             tempo_err *err)
{
    const json_t *a = json_object_get(json_object_get(result, "arms"), arm->name);
    json_t *out =
        json_pack("{s:s, s:s, s:s, s:O, s:O, s:O, s:O}", "experiment_name", c->e->name, "arm", arm->name,
                  "prompt", c->e->prompts[c->prompt], "generated_text", json_object_get(a, "text"),
                  "raw_generated_text", json_object_get(a, "text"), "steps", json_object_get(a, "steps"),
                  "total_tokens", json_object_get(a, "total_tokens"));
    const json_t *time = json_object_get(a, "generation_time");
    char dir[TEMPO_RUN_PATH], path[TEMPO_RUN_PATH];
    tempo_status st = tempo_path_join(dir, sizeof(dir), c->dir, arm->name, err);

    if (out != NULL && time != NULL)
        json_object_set(out, "generation_time", (json_t *)(uintptr_t)time);
    if (st == TEMPO_OK)
        st = tempo_path_join(path, sizeof(path), dir, "results.json", err);
    if (st == TEMPO_OK)
        return tempo_json_save(path, out, false, err);
    json_decref(out);
    return st;
}

static tempo_status run_case(session *s, tempo_case *c, tempo_jsonlines *lines, json_t **result,
                             tempo_err *err)
{
    const char *text = c->e->prompts[c->prompt];
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    tempo_status st;

    *result = NULL;
    if (t == NULL)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET, "the model has no tokenizer");
    if ((st = tempo_tokenize(t, text, strlen(text), c->e->no_bos ? TEMPO_TOKENIZE_NO_BOS : 0, &c->ids,
                             &c->n_ids, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_case_run(result, c, lines, err)) == TEMPO_OK)
        st = tempo_case_time(*result, c, err);
    for (size_t i = 0; i < c->e->n_arms && st == TEMPO_OK; i++)
        st = save_arm(c, &c->e->arms[i], *result, err);
    tempo_free(c->ids);
    c->ids = NULL;
    if (st != TEMPO_OK) {
        json_decref(*result);
        *result = NULL;
    }
    return st;
}

/* Where in the experiment's directory the arms of a case are. */
static json_t *with_folder(json_t *result, const char *folder)
{
    json_object_set_new(result, "folder", json_string(folder));
    return result;
}

/* All prompts at all thresholds; one case lies in the experiment's directory itself. */
static tempo_status run_cases(session *s, const tempo_experiment *e, const char *dir, json_t *cases,
                              tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    tempo_jsonlines *lines = NULL;
    tempo_status st = tempo_path_join(path, sizeof(path), dir, "results.jsonl", err);

    if (st == TEMPO_OK)
        st = tempo_jsonlines_create(&lines, path, err);
    for (size_t k = 0; k < e->n_prompts * e->n_thresholds && st == TEMPO_OK; k++) {
        tempo_case c = {.o = s->o,
                        .e = e,
                        .engine = s->engine,
                        .prompt = k / e->n_thresholds,
                        .threshold = k % e->n_thresholds};
        char name[64];
        json_t *result;
        if (s->o->progress != NULL)
            s->o->progress(s->o->user, e->name, k, e->n_prompts * e->n_thresholds);
        (void)snprintf(name, sizeof(name), "p%zu-t%g", c.prompt + 1, e->thresholds[c.threshold]);
        if (e->n_prompts * e->n_thresholds == 1)
            (void)snprintf(c.dir, sizeof(c.dir), "%s", dir);
        else
            st = tempo_path_join(c.dir, sizeof(c.dir), dir, name, err);
        if (st == TEMPO_OK && (st = run_case(s, &c, lines, &result, err)) == TEMPO_OK)
            json_array_append_new(cases, with_folder(result, strcmp(c.dir, dir) == 0 ? "" : name));
    }
    if (st != TEMPO_OK) {
        tempo_jsonlines_abort(lines);
        return st;
    }
    return tempo_jsonlines_commit(lines, err);
}

static json_t *experiment_json(const session *s, const tempo_experiment *e, const char *dir, json_t *cases)
{
    json_t *out = json_array_size(cases) == 1 ? json_copy(json_array_get(cases, 0))
                                              : json_pack("{s:O}", "cases", cases);

    if (out == NULL)
        return NULL;
    json_object_set_new(out, "experiment", json_string(e->name));
    json_object_set_new(out, "description",
                        e->description != NULL ? json_string(e->description) : json_null());
    json_object_set_new(out, "goal", e->goal != NULL ? json_string(e->goal) : json_null());
    json_object_set_new(out, "directory", json_string(dir));
    json_object_set_new(out, "regime", json_string(e->lockstep ? "lockstep" : "free"));
    json_object_set_new(out, "recorded", recorded_json(e));
    json_object_set_new(out, "max_steps", json_integer((json_int_t)e->arms[0].decoding.steps));
    json_object_set_new(out, "file_names",
                        json_pack("{s:s, s:s, s:s, s:s, s:s}", "attention", e->attention_file, "logits",
                                  e->logits_file, "kv", e->kv_file, "positions", e->positions_file,
                                  "cross_parallel", e->cross_parallel_file));
    json_object_set_new(out, "notes", notes_json(e));
    json_object_set_new(out, "published", published_json(s, e));
    return out;
}

static tempo_status save_manifest(const session *s, const tempo_experiment *e, const char *dir,
                                  tempo_err *err)
{
    const tempo_model_info *m = tempo_model_get_info(s->model);
    char id[TEMPO_RUN_ID_CHARS];
    json_t *argv = json_array(), *facts;
    tempo_status st = tempo_run_id(id, e->name, err);

    for (int i = 0; i < s->o->argc; i++)
        json_array_append_new(argv, tempo_json_bytes(s->o->argv[i], strlen(s->o->argv[i])));
    facts =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:{s:s, s:s}}", "kind", "experiment", "id",
                  id, "name", e->name, "status", "complete", "argv", argv, "model", model_json(s), "kernels",
                  m->kernels, "compute", m->compute, "threads", (json_int_t)tempo_engine_threads(s->engine),
                  "config", "file", e->path, "file_sha256", e->sha256);
    if (st == TEMPO_OK)
        st = tempo_manifest_write(dir, facts, err);
    json_decref(facts);
    return st;
}

/* Sizes of the files that an experiment has, by name. */
static void add_files(json_t *result, const char *dir)
{
    char path[TEMPO_RUN_PATH];
    json_t *manifest = NULL;
    tempo_err ignored = {0};

    if (tempo_path_join(path, sizeof(path), dir, "manifest.json", &ignored) == TEMPO_OK &&
        tempo_json_load(&manifest, path, &ignored) == TEMPO_OK)
        json_object_set(result, "files", json_object_get(manifest, "files"));
    json_decref(manifest);
}

static void tell_notes(const session *s, const tempo_experiment *e)
{
    for (size_t i = 0; i < e->n_notes && s->o->note != NULL; i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "%.60s: %s", e->notes[i].key, e->notes[i].text);
        s->o->note(s->o->user, e->name, text);
    }
}

/* What it compares, for readers who want nothing else. */
static tempo_status save_analysis(const json_t *result, const char *dir, tempo_err *err)
{
    const json_t *cases = json_object_get(result, "cases"), *c;
    char path[TEMPO_RUN_PATH];
    json_t *list = json_array();
    size_t i;
    const tempo_status st = tempo_path_join(path, sizeof(path), dir, "analysis.json", err);

    if (cases == NULL)
        json_array_append_new(list, json_pack("{s:O, s:O, s:O}", "prompt", json_object_get(result, "prompt"),
                                              "threshold", json_object_get(result, "threshold"), "comparison",
                                              json_object_get(result, "comparison")));
    json_array_foreach(cases, i, c) json_array_append_new(
        list, json_pack("{s:O, s:O, s:O}", "prompt", json_object_get(c, "prompt"), "threshold",
                        json_object_get(c, "threshold"), "comparison", json_object_get(c, "comparison")));
    if (st == TEMPO_OK)
        return tempo_json_save(
            path, json_pack("{s:O, s:o}", "experiment", json_object_get(result, "experiment"), "cases", list),
            false, err);
    json_decref(list);
    return st;
}

static tempo_status load_file(tempo_experiment **e, const char *file, tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    tempo_status st;

    *e = NULL;
    if (strchr(file, '/') != NULL || access(file, F_OK) == 0)
        (void)snprintf(path, sizeof(path), "%s", file);
    else if ((st = tempo_study_find_file(file, path, sizeof(path), err)) != TEMPO_OK)
        return st;
    return tempo_experiment_load(e, path, err);
}

static tempo_status run_one(session *s, const tempo_experiment *e, tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    tempo_place place;
    json_t *cases = json_array(), *result = NULL;
    tempo_status st;

    if ((st = tempo_place_begin(&place, s->o->dir, e->name, err)) != TEMPO_OK)
        goto out;
    tell_notes(s, e);
    if ((st = run_cases(s, e, place.partial, cases, err)) != TEMPO_OK)
        goto out;
    if ((result = experiment_json(s, e, place.final, cases)) == NULL) {
        st = no_memory(err);
        goto out;
    }
    if ((st = tempo_path_join(path, sizeof(path), place.partial, "results.json", err)) == TEMPO_OK &&
        (st = tempo_json_save(path, json_incref(result), false, err)) == TEMPO_OK &&
        (st = save_analysis(result, place.partial, err)) == TEMPO_OK &&
        (st = save_manifest(s, e, place.partial, err)) == TEMPO_OK) {
        add_files(result, place.partial);
        if ((st = tempo_place_commit(&place, err)) == TEMPO_OK)
            json_array_append(s->done, result);
    }
out:
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "%s", e->name);
    tempo_place_abort(&place);
    json_decref(result);
    json_decref(cases);
    return st;
}

/* Read every file, and see that there is room for each, before the first one runs. */
static tempo_status read_files(const tempo_experiments_options *o, tempo_experiment **all, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < o->n_files && st == TEMPO_OK; i++) {
        if ((st = load_file(&all[i], o->files[i], err)) != TEMPO_OK)
            break;
        for (size_t k = 0; k < i && st == TEMPO_OK; k++)
            if (strcmp(all[k]->name, all[i]->name) == 0)
                st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                                "%s and %s: both are called %.100s, which names a directory", o->files[k],
                                o->files[i], all[i]->name);
        if (st == TEMPO_OK && (st = tempo_place_check(o->dir, all[i]->name, err)) != TEMPO_OK)
            tempo_err_prefix(err, "%s", all[i]->name);
    }
    return st;
}

/* ---- all of them ---- */

static tempo_status open_session(session *s, tempo_err *err)
{
    const tempo_model_options mo = {.cpu = s->o->cpu, .compute = s->o->compute};
    const tempo_engine_options eo = {.threads = s->o->threads};
    tempo_status st = tempo_model_open(&s->model, s->o->model, &mo, err);

    const char *note;

    s->done = json_array();
    for (size_t i = 0; st == TEMPO_OK && s->o->note != NULL && (note = tempo_model_note(s->model, i)) != NULL;
         i++)
        s->o->note(s->o->user, tempo_model_get_info(s->model)->path, note);
    if (st == TEMPO_OK && (st = tempo_engine_create(&s->engine, s->model, &eo, err)) == TEMPO_OK)
        st = tempo_hash_path(tempo_model_get_info(s->model)->path, s->sha256, NULL, NULL, err);
    return st;
}

static tempo_status save_summary(const json_t *summary, const char *dir, tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    char *text = tempo_experiments_text(summary);
    tempo_status st = text != NULL ? tempo_path_join(path, sizeof(path), dir, "EXPERIMENT_RESULTS.md", err)
                                   : no_memory(err);

    if (st == TEMPO_OK)
        st = tempo_text_save(path, text, strlen(text), err);
    if (st == TEMPO_OK && (st = tempo_path_join(path, sizeof(path), dir, "results.json", err)) == TEMPO_OK)
        st = tempo_json_save(path, json_incref((json_t *)(uintptr_t)summary), false, err);
    free(text);
    return st;
}

tempo_status tempo_experiments_run(json_t **summary, const tempo_experiments_options *o, tempo_err *err)
{
    session s = {.o = o};
    char now[TEMPO_UTC_CHARS];
    tempo_experiment **all = calloc(o->n_files + 1, sizeof(*all));
    tempo_status st = all != NULL ? read_files(o, all, err) : no_memory(err);

    *summary = NULL;
    if (st == TEMPO_OK)
        st = open_session(&s, err);
    for (size_t i = 0; i < o->n_files && st == TEMPO_OK; i++)
        st = run_one(&s, all[i], err);
    if (st == TEMPO_OK && (st = tempo_utc_now(now, err)) == TEMPO_OK) {
        const tempo_model_info *m = tempo_model_get_info(s.model);
        *summary =
            json_pack("{s:i, s:s, s:s, s:o, s:s, s:s, s:I, s:O}", "schema", 1, "version", tempo_version(),
                      "date", now, "model", model_json(&s), "kernels", m->kernels, "compute", m->compute,
                      "threads", (json_int_t)tempo_engine_threads(s.engine), "experiments", s.done);
        st = *summary != NULL ? save_summary(*summary, o->dir, err) : no_memory(err);
    }
    if (st != TEMPO_OK) {
        json_decref(*summary);
        *summary = NULL;
    }
    for (size_t i = 0; i < o->n_files && all != NULL; i++)
        tempo_experiment_free(all[i]);
    free(all);
    json_decref(s.done);
    tempo_engine_free(s.engine);
    tempo_model_free(s.model);
    return st;
}

tempo_status tempo_experiments_load(json_t **summary, const char *dir, tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    tempo_status st = tempo_path_join(path, sizeof(path), dir, "results.json", err);

    *summary = NULL;
    if (st == TEMPO_OK && (st = tempo_json_load(summary, path, err)) == TEMPO_OK &&
        !json_is_array(json_object_get(*summary, "experiments"))) {
        json_decref(*summary);
        *summary = NULL;
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "%s: not what tempo experiment run writes: no \"experiments\"", path);
    }
    return st;
}
