/* case_open.c - a case's arms, twins and captures as options of a run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/case.h"
#include "files/json_out.h"
#include "run/document.h"

enum { MAX_ARMS = TEMPO_EXPERIMENT_MAX_ARMS };

void tempo_case_put_id(json_t *o, const char *key, const tempo_case *c)
{
    if (c->e->lines != NULL)
        json_object_set(o, key, c->e->lines->lines[c->prompt].id);
}

/* ---- captures ---- */

static char *config_of(void *user, const tempo_run *run, size_t arm)
{
    const tempo_running *r = user;
    const tempo_case *c = r->c;
    const tempo_decode_options *o = &run->arms[arm].o;
    const char *name = run->arms[arm].name;
    const char *about = c->e->description != NULL ? c->e->description : c->e->name;
    const size_t n_about =
        strlen(about) < 180 ? strlen(about) : tempo_utf8_valid(about, 180); /* whole characters */
    char description[256];

    (void)snprintf(description, sizeof(description), "%.*s (%s)", (int)n_about, about, name);
    json_t *config =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:s, s:b, s:b, s:b, s:s}", "experiment_name",
                  c->e->name, "arm", name, "description", description, "prompt", c->e->prompts[c->prompt],
                  "max_tokens", (json_int_t)o->steps, "steps", (json_int_t)o->steps, "selection_threshold",
                  tempo_json_number(o->threshold), "mode", tempo_mode_name(o->mode), "replay",
                  tempo_replay_name(o->replay), "allow_intraset_token_visibility", o->mode != TEMPO_ISOLATED,
                  "use_custom_rope", o->positions == TEMPO_POSITIONS_SHARED, "lockstep", c->e->lockstep,
                  "file_sha256", c->e->sha256);
    if (config != NULL)
        tempo_case_put_id(config, "prompt_id", c);
    if (config != NULL && tempo_edits_count(o->edits) > 0)
        json_object_set_new(config, "edits", tempo_json_edit_texts(o->edits));
    char *text = config != NULL ? json_dumps(config, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(config);
    return text;
}

/* Which layers and heads attention has: those that are asked for, of those that there are. */
static void keep_ranges(tempo_running *r, const tempo_capture_options *o)
{
    const tempo_model_info *m = tempo_model_get_info(tempo_engine_model(r->c->engine));

    r->layers[0] = o->first_layer;
    r->layers[1] = o->last_layer < m->n_layers ? o->last_layer : m->n_layers - 1;
    r->heads[0] = o->first_head;
    r->heads[1] = o->last_head < m->n_heads ? o->last_head : m->n_heads - 1;
}

static void capture_options(tempo_running *r, tempo_capture_options *o)
{
    const tempo_experiment *e = r->c->e;

    *o = e->recording;
    o->record |= TEMPO_RECORD_POSITIONS;
    if (r->c->o->max_bytes > 0)
        o->max_bytes = r->c->o->max_bytes;
    o->replace = true;
    o->attention_file = e->attention_file;
    o->logits_file = e->logits_file;
    o->kv_file = e->kv_file;
    o->positions_file = e->positions_file;
    keep_ranges(r, o);
}

/* ---- arms ---- */

typedef struct arms {
    tempo_decode_options decoding[2 * MAX_ARMS];
    tempo_run_arm arm[2 * MAX_ARMS];
    char twin_name[MAX_ARMS][TEMPO_EXPERIMENT_NAME_CHARS + 8];
    size_t n;
} arms;

/* A replay has one slot in a set, so both modes must give it the same bits. */
static void add_twin(arms *a, tempo_running *r, size_t of)
{
    tempo_decode_options *o = &a->decoding[a->n];

    *o = a->decoding[of];
    o->mode = o->mode == TEMPO_ISOLATED ? TEMPO_VISIBLE : TEMPO_ISOLATED;
    if (o->mode == TEMPO_ISOLATED) { /* of no layers */
        o->first_visible_layer = 0;
        o->last_visible_layer = TEMPO_ALL_LAYERS;
    }
    (void)snprintf(a->twin_name[of], sizeof(a->twin_name[of]), "%s.twin", r->arm[of].name);
    a->arm[a->n] = (tempo_run_arm){.name = a->twin_name[of], .decoding = o};
    r->arm[of].twin = a->n++;
}

static void add_arms(arms *a, tempo_running *r)
{
    const tempo_experiment *e = r->c->e;

    r->isolated = r->visible = SIZE_MAX;
    for (size_t i = 0; i < e->n_arms; i++) {
        tempo_decode_options *o = &a->decoding[a->n];
        *o = tempo_experiment_decoding(e, i, r->c->threshold);
        r->arm[i] = (tempo_case_arm){.name = e->arms[i].name, .twin = SIZE_MAX, .twin_same = true};
        a->arm[a->n++] = (tempo_run_arm){.name = e->arms[i].name, .decoding = o};
        if (o->replay == TEMPO_REPLAY_NONE && o->mode == TEMPO_ISOLATED && r->isolated == SIZE_MAX)
            r->isolated = i;
        if (o->replay == TEMPO_REPLAY_NONE && o->mode == TEMPO_VISIBLE && r->visible == SIZE_MAX)
            r->visible = i;
    }
    for (size_t i = 0; i < e->n_arms; i++)
        if (a->decoding[i].replay != TEMPO_REPLAY_NONE)
            add_twin(a, r, i);
}

static uint64_t bit(size_t arm)
{
    return arm != SIZE_MAX ? UINT64_C(1) << arm : 0;
}

tempo_status tempo_case_open(tempo_running *r, const tempo_sink *sink, tempo_err *err)
{
    const tempo_case *c = r->c;
    const tempo_run_prompt prompt = {.ids = c->ids, .n = c->n_ids};
    tempo_capture_options capture;
    tempo_run_options o;
    char dir[TEMPO_RUN_PATH];
    arms a = {.n = 0};
    tempo_status st;

    capture_options(r, &capture);
    add_arms(&a, r);
    tempo_run_options_init(&o);
    o.arms = a.arm;
    o.n_arms = a.n;
    o.regime = c->e->lockstep ? TEMPO_REGIME_LOCKSTEP : TEMPO_REGIME_FREE;
    o.driver = c->e->driver;
    o.compared = r->isolated != SIZE_MAX && r->visible != SIZE_MAX ? bit(r->isolated) | bit(r->visible) : 1;
    o.capture = &capture;
    o.capture_dir = a.n > 1 ? c->dir : dir; /* several have directories by their names */
    o.captured = bit(c->e->n_arms) - 1;
    o.config_of = config_of;
    o.config_user = r;
    o.sinks = sink;
    o.n_sinks = 1;
    if ((st = tempo_path_join(dir, sizeof(dir), c->dir, c->e->arms[0].name, err)) != TEMPO_OK ||
        (st = tempo_run_create(&r->run, c->engine, &o, &prompt, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < c->e->n_arms; i++)
        if (c->e->analyze_cross_parallel || (c->e->record & TEMPO_RECORD_ATTENTION) != 0)
            tempo_run_watch(r->run, i);
    return TEMPO_OK;
}
