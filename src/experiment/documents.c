/* documents.c - what an experiment's JSON files say. */
#include <stdlib.h>
#include <string.h>

#include "run/decode_json.h"
#include "run/document.h"
#include "experiment/inside.h"
#include "files/json_out.h"
#include "files/manifest.h"
#include "files/run_id.h"

/* ---- parts ---- */

json_t *tempo_session_model(const tempo_session *s)
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

bool tempo_is_model(const tempo_session *s, const char *published)
{
    const tempo_model_info *m = tempo_model_get_info(s->model);
    const char *last = strrchr(published, '/');

    last = last != NULL ? last + 1 : published;
    return strstr(m->path, last) != NULL || strstr(m->name, last) != NULL;
}

static json_t *published_json(const tempo_session *s, const tempo_experiment *e)
{
    const tempo_published *p = &e->published;
    json_t *runs = json_array(), *o;

    if (p->model == NULL) {
        json_decref(runs);
        return json_null();
    }
    for (size_t i = 0; i < p->n_runs; i++)
        json_array_append_new(runs, published_run_json(&p->runs[i]));
    o = json_pack("{s:s, s:b, s:o, s:o}", "model", p->model, "same_model", tempo_is_model(s, p->model),
                  "runs", runs, "visible_faster_percent", tempo_json_number(p->visible_faster_percent));
    if (p->data_size != NULL)
        json_object_set_new(o, "data_size", json_string(p->data_size));
    if (p->outputs != NULL)
        json_object_set_new(o, "outputs", json_string(p->outputs));
    if (p->remark != NULL)
        json_object_set_new(o, "remark", json_string(p->remark));
    return o;
}

/* ---- edits ---- */

/* What an arm's edits did in any of the cases; NULL: it has none. */
static json_t *uses_of(const json_t *cases, const char *arm)
{
    json_t *all = NULL;
    const json_t *c;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)cases, i, c)
    {
        const json_t *a = json_object_get(json_object_get(c, "arms"), arm);
        tempo_edits_add_uses(&all, json_deep_copy(json_object_get(a, "edits")));
    }
    return all;
}

/* A note of the file, told and kept. */
typedef struct noting {
    const tempo_session *s;
    const tempo_experiment *e;
    const tempo_experiment_arm *arm;
    json_t *list;
} noting;

static void note_unused(void *user, const char *text)
{
    const noting *n = user;
    const tempo_yaml_node *at = n->arm->edits != NULL ? n->arm->edits : n->e->edits;

    if (n->s->o->note != NULL)
        n->s->o->note(n->s->o->user, n->e->name, text);
    json_array_append_new(n->list, json_pack("{s:s, s:I, s:s}", "key", "edits", "line",
                                             (json_int_t)at->key_line, "text", text));
}

static void add_unused(const tempo_session *s, const tempo_experiment *e, const json_t *cases, json_t *list)
{
    for (size_t i = 0; i < e->n_arms; i++) {
        noting n = {s, e, &e->arms[i], list};
        json_t *uses = uses_of(cases, e->arms[i].name);
        tempo_edits_tell_unused(uses, e->n_arms > 1 ? e->arms[i].name : NULL, note_unused, &n);
        json_decref(uses);
    }
}

/* {ARM: [{"edit", "files"}]}; NULL: no arm has any. */
static json_t *edits_json(const tempo_experiment *e)
{
    json_t *o = NULL;

    for (size_t i = 0; i < e->n_arms; i++)
        if (tempo_edits_count(e->arms[i].list) > 0) {
            o = o != NULL ? o : json_object();
            json_object_set_new(o, e->arms[i].name, tempo_json_edit_files(e->arms[i].list));
        }
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
    for (size_t i = 0; i < e->recording.n_taps; i++)
        json_array_append_new(list,
                              json_string(tempo_tap_get_info(NULL, e->recording.taps[i].tap).short_name));
    return list;
}

/* ---- an experiment ---- */

json_t *tempo_experiment_json(const tempo_session *s, const tempo_experiment *e, const tempo_layout *l,
                              json_t *cases)
{
    json_t *out = json_array_size(cases) == 1 ? json_copy(json_array_get(cases, 0))
                                              : json_pack("{s:O}", "cases", cases);

    if (out == NULL)
        return NULL;
    json_object_set_new(out, "experiment", json_string(e->name));
    json_object_set_new(out, "description",
                        e->description != NULL ? json_string(e->description) : json_null());
    json_object_set_new(out, "goal", e->goal != NULL ? json_string(e->goal) : json_null());
    json_object_set_new(out, "directory", json_string(l->dir));
    json_object_set_new(out, "layout", json_string(l->flat ? "flat" : "directories"));
    json_object_set_new(
        out, "regime",
        json_string(tempo_regime_name(e->lockstep ? TEMPO_REGIME_LOCKSTEP : TEMPO_REGIME_FREE)));
    json_object_set_new(out, "recorded", recorded_json(e));
    json_object_set_new(out, "max_steps", json_integer((json_int_t)e->arms[0].decoding.steps));
    json_object_set_new(out, "file_names",
                        json_pack("{s:s, s:s, s:s, s:s, s:s}", "attention", e->attention_file, "logits",
                                  e->logits_file, "kv", e->kv_file, "positions", e->positions_file,
                                  "cross_parallel", e->cross_parallel_file));
    json_t *notes = notes_json(e);
    add_unused(s, e, cases, notes);
    json_object_set_new(out, "notes", notes);
    json_object_set_new(out, "published", published_json(s, e));
    return out;
}

/* The keys that the original project's readers look for in an arm's results.json. */
static void add_arm(json_t *o, const tempo_case *c, const char *arm, const json_t *result)
{
    static const char *const keys[] = {"steps", "total_tokens", "generation_time"};
    json_t *a = json_object_get(json_object_get(result, "arms"), arm), *v;

    json_object_set_new(o, "experiment_name", json_string(c->e->name));
    json_object_set_new(o, "arm", json_string(arm));
    json_object_set_new(o, "prompt", json_string(c->e->prompts[c->prompt]));
    tempo_case_put_id(o, "id", c);
    json_object_set(o, "generated_text", json_object_get(a, "text"));
    json_object_set(o, "raw_generated_text", json_object_get(a, "text"));
    if ((v = json_object_get(a, "text_bytes")) != NULL)
        json_object_set(o, "raw_generated_text_bytes", v);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if ((v = json_object_get(a, keys[i])) != NULL)
            json_object_set(o, keys[i], v);
}

json_t *tempo_case_arm_json(const tempo_case *c, const char *arm, const json_t *result)
{
    json_t *o = json_object();

    add_arm(o, c, arm, result);
    return o;
}

json_t *tempo_flat_json(const tempo_experiment *e, const char *arm, const json_t *result)
{
    const tempo_case c = {.e = e};
    json_t *o = json_copy((json_t *)(uintptr_t)result),
           *one = json_object_get(json_object_get(result, "arms"), arm);

    add_arm(o, &c, arm, result);
    json_object_set_new(o, "arms", json_pack("{s:O}", arm, one));
    if (e->n_arms > 1) /* of what lies beside */
        json_object_set_new(o, "comparison", json_null());
    return o;
}

static json_t *compared_json(const json_t *c)
{
    json_t *o = json_pack("{s:O, s:O, s:O}", "prompt", json_object_get(c, "prompt"), "threshold",
                          json_object_get(c, "threshold"), "comparison", json_object_get(c, "comparison")),
           *id = json_object_get(c, "id");

    if (id != NULL)
        json_object_set(o, "id", id);
    return o;
}

tempo_status tempo_analysis_save(const json_t *result, const char *dir, tempo_err *err)
{
    const json_t *cases = json_object_get(result, "cases"), *c;
    char path[TEMPO_RUN_PATH];
    json_t *list = json_array();
    size_t i;
    const tempo_status st = tempo_path_join(path, sizeof(path), dir, "analysis.json", err);

    if (cases == NULL)
        json_array_append_new(list, compared_json(result));
    json_array_foreach(cases, i, c) json_array_append_new(list, compared_json(c));
    if (st == TEMPO_OK)
        return tempo_json_save(
            path, json_pack("{s:O, s:o}", "experiment", json_object_get(result, "experiment"), "cases", list),
            false, err);
    json_decref(list);
    return st;
}

tempo_status tempo_session_manifest(const tempo_session *s, const tempo_experiment *e, const char *name,
                                    const char *dir, tempo_err *err)
{
    const tempo_model_info *m = tempo_model_get_info(s->model);
    char id[TEMPO_RUN_ID_CHARS];
    json_t *argv = json_array(), *facts;
    tempo_status st = tempo_run_id(id, name, err);

    for (int i = 0; i < s->o->argc; i++)
        json_array_append_new(argv, tempo_json_bytes(s->o->argv[i], strlen(s->o->argv[i])));
    facts = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:{s:s, s:s}}", "kind", "experiment",
                      "id", id, "name", name, "status", "complete", "argv", argv, "model",
                      tempo_session_model(s), "kernels", m->kernels, "compute", m->compute, "threads",
                      (json_int_t)tempo_engine_threads(s->engine), "config", "file", e->path, "file_sha256",
                      e->sha256);
    json_t *edits = edits_json(e);
    if (edits != NULL)
        json_object_set_new(facts, "edits", edits);
    if (st == TEMPO_OK)
        st = tempo_manifest_write(dir, facts, err);
    json_decref(facts);
    return st;
}
