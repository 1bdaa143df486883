/* run.c - files, one after another: directories, results, manifests, the summary. */
#include "experiment/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/json.h"
#include "experiment/document/document.h"
#include "files/find_file.h"
#include "files/json_out.h"
#include "files/run_id.h"

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the experiments");
}

/* ---- files ---- */

static tempo_status save_arm(const tempo_case *c, const tempo_experiment_arm *arm, const json_t *result,
                             tempo_err *err)
{
    char dir[TEMPO_RUN_PATH], path[TEMPO_RUN_PATH];
    tempo_status st = tempo_path_join(dir, sizeof(dir), c->dir, arm->name, err);

    if (st == TEMPO_OK)
        st = tempo_path_join(path, sizeof(path), dir, "results.json", err);
    return st == TEMPO_OK ? tempo_json_save(path, tempo_case_arm_json(c, arm->name, result), false, err) : st;
}

/* Once a prompt: every threshold has the same ids. */
static void tell_warning(const tempo_session *s, const tempo_case *c, const tempo_tokenizer *t)
{
    const char *warning = c->e->no_bos || c->threshold > 0 ? NULL : tempo_tokens_warning(t, c->ids, c->n_ids);

    if (warning != NULL && s->o->note != NULL)
        s->o->note(s->o->user, c->e->name, warning);
}

static tempo_status run_case(tempo_session *s, tempo_case *c, tempo_jsonlines *lines, json_t **result,
                             tempo_err *err)
{
    const char *text = c->e->prompts[c->prompt];
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    tempo_status st;

    *result = NULL;
    if ((st = tempo_model_check_text(s->model, err)) != TEMPO_OK ||
        (st = tempo_tokenize(t, text, strlen(text), c->e->no_bos ? TEMPO_TOKENIZE_NO_BOS : 0, &c->ids,
                             &c->n_ids, err)) != TEMPO_OK)
        return st;
    tell_warning(s, c, t);
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
static tempo_status run_cases(tempo_session *s, const tempo_experiment *e, const char *dir, json_t *cases,
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
        char name[TEMPO_PROMPT_NAME_CHARS + 16];
        json_t *result;
        if (s->o->progress != NULL)
            s->o->progress(s->o->user, e->name, k, e->n_prompts * e->n_thresholds);
        if (e->lines != NULL)
            (void)snprintf(name, sizeof(name), "%s-t%g", e->lines->lines[c.prompt].name,
                           e->thresholds[c.threshold]);
        else
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

static void tell_notes(const tempo_session *s, const tempo_experiment *e)
{
    for (size_t i = 0; i < e->n_notes && s->o->note != NULL; i++) {
        char text[320];
        (void)snprintf(text, sizeof(text), "%.60s: %s", e->notes[i].key, e->notes[i].text);
        s->o->note(s->o->user, e->name, text);
    }
    if (s->o->note == NULL)
        return;
    if (s->o->dir != NULL && e->output_dir != NULL)
        s->o->note(s->o->user, e->name, "output_dir: --out says otherwise");
    if (e->model != NULL && !tempo_is_model(s, e->model))
        s->o->note(s->o->user, e->name, "model: -m names the model; this run has another one");
}

static tempo_status load_file(tempo_experiment **e, const tempo_experiments_options *o, const char *file,
                              tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    tempo_status st;

    *e = NULL;
    if (strchr(file, '/') != NULL || access(file, F_OK) == 0)
        (void)snprintf(path, sizeof(path), "%s", file);
    else if ((st = tempo_study_find_file(file, path, sizeof(path), err)) != TEMPO_OK)
        return tempo_yaml_settle(NULL, st, err, o->tell, NULL);
    if ((st = tempo_experiment_load(e, path, o->tell, err)) != TEMPO_OK || o->prompts == NULL)
        return st;
    st = tempo_experiment_take_prompts(*e, o->prompts, err);
    return st == TEMPO_OK ? st : tempo_yaml_settle(NULL, st, err, o->tell, NULL);
}

static tempo_status run_one(tempo_session *s, const tempo_experiment *e, const tempo_layout *l, json_t *done,
                            tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    tempo_place place;
    json_t *cases = json_array(), *result = NULL;
    tempo_status st;

    if ((st = tempo_place_begin(&place, l->dir, err)) != TEMPO_OK)
        goto out;
    tell_notes(s, e);
    if ((st = run_cases(s, e, place.partial, cases, err)) != TEMPO_OK)
        goto out;
    if ((result = tempo_experiment_json(s, e, l, cases)) == NULL) {
        st = no_memory(err);
        goto out;
    }
    if ((st = tempo_path_join(path, sizeof(path), place.partial, "results.json", err)) == TEMPO_OK &&
        (st = tempo_json_save(path, json_incref(result), false, err)) == TEMPO_OK &&
        (st = tempo_analysis_save(result, place.partial, err)) == TEMPO_OK &&
        (st = tempo_layout_commit(l, s, e, &place, result, err)) == TEMPO_OK)
        json_array_append(done, result);
out:
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "%s", e->name);
    tempo_place_abort(&place);
    json_decref(result);
    json_decref(cases);
    return st;
}

/* ---- all of them ---- */

/* An experiment of the list, and where it goes. */
typedef struct planned {
    tempo_experiment *e;
    tempo_layout layout;
} planned;

/* Does an earlier experiment write to one of the places of the k-th?  And is there room? */
static tempo_status check_places(const planned *all, size_t k, tempo_err *err)
{
    char path[TEMPO_RUN_PATH], other[TEMPO_RUN_PATH];
    bool there = true, more;
    tempo_status st = TEMPO_OK;

    for (size_t a = 0; st == TEMPO_OK; a++) {
        if ((st = tempo_layout_path(&all[k].layout, all[k].e, a, path, &there, err)) != TEMPO_OK || !there)
            return st;
        for (size_t i = 0; i < k && st == TEMPO_OK; i++)
            for (size_t b = 0;
                 (st = tempo_layout_path(&all[i].layout, all[i].e, b, other, &more, err)) == TEMPO_OK && more;
                 b++)
                if (strcmp(path, other) == 0)
                    return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                                      "%s and %s: both would be written to %.300s", all[i].e->path,
                                      all[k].e->path, path);
        if (st == TEMPO_OK && (st = tempo_place_check(path, err)) != TEMPO_OK)
            tempo_err_prefix(err, "%s", all[k].e->name);
    }
    return st;
}

static tempo_status load_files(const tempo_experiments_options *o, planned *all, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < o->n_files; i++) {
        tempo_err own = {0};
        const tempo_status one = load_file(&all[i].e, o, o->files[i], &own);
        if (st == TEMPO_OK && one != TEMPO_OK)
            st = tempo_fail(err, one, own.offset, "%s", own.msg);
    }
    return st;
}

/* Read every file, and see that there is room for each, before the first one runs.  All files with errors are
 * told. */
static tempo_status read_files(const tempo_experiments_options *o, planned *all, tempo_err *err)
{
    tempo_status st = load_files(o, all, err);

    for (size_t i = 0; i < o->n_files && st == TEMPO_OK; i++)
        if ((st = tempo_layout_of(&all[i].layout, o, all[i].e, err)) == TEMPO_OK)
            st = check_places(all, i, err);
    return st;
}

static tempo_status open_session(tempo_session *s, tempo_err *err)
{
    const tempo_model_options mo = {.size = sizeof(mo), .cpu = s->o->cpu, .compute = s->o->compute};
    const tempo_engine_options eo = {.size = sizeof(eo), .threads = s->o->threads};
    const char *note;
    tempo_status st = tempo_model_open(&s->model, s->o->model, &mo, err);

    for (size_t i = 0; st == TEMPO_OK && s->o->note != NULL && (note = tempo_model_note(s->model, i)) != NULL;
         i++)
        s->o->note(s->o->user, tempo_model_get_info(s->model)->path, note);
    if (st == TEMPO_OK && (st = tempo_engine_create(&s->engine, s->model, &eo, err)) == TEMPO_OK)
        st = tempo_hash_path(tempo_model_get_info(s->model)->path, s->sha256, NULL, NULL, err);
    return st;
}

/* The edits of all files, before the first one runs. */
static tempo_status edit_all(const tempo_session *s, planned *all, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < s->o->n_files; i++) {
        tempo_err own = {0};
        const tempo_status one = tempo_experiment_edit(all[i].e, s->model, s->o->tell, &own);
        if (st == TEMPO_OK && one != TEMPO_OK)
            st = tempo_fail(err, one, own.offset, "%s", own.msg);
    }
    return st;
}

static json_t *summary_json(const tempo_session *s, const char *now, json_t *experiments)
{
    const tempo_model_info *m = tempo_model_get_info(s->model);
    json_t *o =
        json_pack("{s:i, s:s, s:s, s:o, s:s, s:s, s:I, s:O}", "schema", 1, "version", tempo_version(), "date",
                  now, "model", tempo_session_model(s), "kernels", m->kernels, "compute", m->compute,
                  "threads", (json_int_t)tempo_engine_threads(s->engine), "experiments", experiments);

    if (o != NULL)
        tempo_count_runs(o);
    return o;
}

/* The pictures beside the document; one that there is nothing for does not stay from before. */
static tempo_status save_pictures(const json_t *summary, const char *dir, tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < TEMPO_PICTURES && st == TEMPO_OK; i++) {
        tempo_text t = {0};
        tempo_put_picture(&t, summary, i);
        const bool none = t.n == 0;
        char *text = tempo_text_take(&t);
        st = text != NULL ? tempo_path_join(path, sizeof(path), dir, tempo_pictures[i].file, err)
                          : no_memory(err);
        if (st == TEMPO_OK && none)
            (void)remove(path);
        else if (st == TEMPO_OK)
            st = tempo_text_save(path, text, strlen(text), err);
        free(text);
    }
    return st;
}

/* The document and, but where a flat experiment fills the directory and its own results.json has them, its
 * figures. */
static tempo_status save_summary(const json_t *summary, const char *dir, bool figures, tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    char *text = tempo_experiments_text(summary);
    tempo_status st = text != NULL ? tempo_path_join(path, sizeof(path), dir, "EXPERIMENT_RESULTS.md", err)
                                   : no_memory(err);

    if (st == TEMPO_OK)
        st = tempo_text_save(path, text, strlen(text), err);
    if (st == TEMPO_OK)
        st = save_pictures(summary, dir, err);
    if (st == TEMPO_OK && figures &&
        (st = tempo_path_join(path, sizeof(path), dir, "results.json", err)) == TEMPO_OK)
        st = tempo_json_save(path, json_incref((json_t *)(uintptr_t)summary), false, err);
    free(text);
    return st;
}

/* The summary of those that share the k-th one's OUT, unless an earlier one has written it. */
static tempo_status summarise(const tempo_session *s, const planned *all, size_t k, const json_t *done,
                              const char *now, json_t *written, tempo_err *err)
{
    const char *out = all[k].layout.out;
    json_t *some = json_array(), *summary;
    bool figures = true;
    tempo_status st;

    for (size_t i = 0; i < json_array_size(done); i++) {
        if (strcmp(all[i].layout.out, out) != 0)
            continue;
        if (i < k) {
            json_decref(some);
            return TEMPO_OK;
        }
        figures = figures && strcmp(all[i].layout.dir, out) != 0;
        json_array_append(some, json_array_get(done, i));
    }
    summary = summary_json(s, now, some);
    json_decref(some);
    st = summary != NULL ? save_summary(summary, out, figures, err) : no_memory(err);
    json_decref(summary);
    if (st == TEMPO_OK)
        json_array_append_new(written, json_string(out));
    return st;
}

tempo_status tempo_experiments_run(json_t **summary, const tempo_experiments_options *o, tempo_err *err)
{
    tempo_session s = {.o = o};
    char now[TEMPO_UTC_CHARS];
    planned *all = calloc(o->n_files + 1, sizeof(*all));
    json_t *done = json_array(), *written = json_array();
    tempo_status st = all != NULL ? read_files(o, all, err) : no_memory(err);

    *summary = NULL;
    if (st == TEMPO_OK)
        st = open_session(&s, err);
    if (st == TEMPO_OK)
        st = edit_all(&s, all, err);
    for (size_t i = 0; i < o->n_files && st == TEMPO_OK; i++)
        st = run_one(&s, all[i].e, &all[i].layout, done, err);
    if (st == TEMPO_OK)
        st = tempo_utc_now(now, err);
    for (size_t i = 0; i < o->n_files && st == TEMPO_OK; i++)
        st = summarise(&s, all, i, done, now, written, err);
    if (st == TEMPO_OK && (*summary = summary_json(&s, now, done)) == NULL)
        st = no_memory(err);
    if (st == TEMPO_OK)
        json_object_set(*summary, "written", written);
    for (size_t i = 0; i < o->n_files && all != NULL; i++)
        tempo_experiment_free(all[i].e);
    free(all);
    json_decref(done);
    json_decref(written);
    tempo_engine_free(s.engine);
    tempo_model_free(s.model);
    return st;
}

tempo_status tempo_experiments_check_files(const tempo_experiments_options *o, tempo_err *err)
{
    tempo_session s = {.o = o};
    planned *all = calloc(o->n_files + 1, sizeof(*all));
    tempo_status st = all != NULL ? load_files(o, all, err) : no_memory(err);

    if (st == TEMPO_OK && (st = open_session(&s, err)) == TEMPO_OK)
        st = edit_all(&s, all, err);
    for (size_t i = 0; i < o->n_files && all != NULL; i++)
        tempo_experiment_free(all[i].e);
    free(all);
    tempo_engine_free(s.engine);
    tempo_model_free(s.model);
    return st;
}

tempo_status tempo_experiments_load(json_t **summary, const char *dir, tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    json_t *found = NULL;
    tempo_status st = tempo_path_join(path, sizeof(path), dir, "results.json", err);

    *summary = NULL;
    if (st != TEMPO_OK || (st = tempo_json_load(&found, path, err)) != TEMPO_OK)
        return st;
    if (json_is_array(json_object_get(found, "experiments")))
        *summary = json_incref(found);
    else if (json_is_string(json_object_get(found, "experiment"))) /* of one, or of a flat one */
        *summary = json_pack("{s:[O]}", "experiments", found);
    else
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "%s: not what tempo experiment run writes: no \"experiments\"", path);
    json_decref(found);
    return st;
}
