/* case_open.c - the arms of a case: their decoders, and the captures of what they do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/case.h"
#include "files/json_out.h"

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the experiment");
}

const char *const tempo_case_modes[] = {"isolated", "visible", "causal"};
const char *const tempo_case_replays[] = {"none", "published", "published-nocache"};

void tempo_case_put_id(json_t *o, const char *key, const tempo_case *c)
{
    if (c->e->lines != NULL)
        json_object_set(o, key, c->e->lines->lines[c->prompt].id);
}

static json_t *config_json(const tempo_running *r, const tempo_running_arm *a)
{
    const tempo_case *c = r->c;
    char description[256];

    (void)snprintf(description, sizeof(description), "%.180s (%s)",
                   c->e->description != NULL ? c->e->description : c->e->name, a->spec->name);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:s, s:b, s:b, s:b, s:s}", "experiment_name",
                     c->e->name, "arm", a->spec->name, "description", description, "prompt",
                     c->e->prompts[c->prompt], "max_tokens", (json_int_t)a->o.steps, "steps",
                     (json_int_t)a->o.steps, "selection_threshold", tempo_json_number(a->o.threshold), "mode",
                     tempo_case_modes[a->o.mode], "replay", tempo_case_replays[a->o.replay],
                     "allow_intraset_token_visibility", a->o.mode != TEMPO_ISOLATED, "use_custom_rope",
                     a->o.positions == TEMPO_POSITIONS_SHARED, "lockstep", c->e->lockstep, "file_sha256",
                     c->e->sha256);
}

static tempo_status parse_ranges(const tempo_experiment *e, tempo_capture_options *o, tempo_err *err)
{
    for (size_t i = 0; i < e->n_record; i++) {
        unsigned long a, b;
        int used = 0;
        const char *p = e->record_text[i];
        if (strncmp(p, "attention:", 10) != 0)
            continue;
        for (p += 10; *p != '\0'; p += used + (p[used] == ',')) {
            if (sscanf(p, "layers=%9lu-%9lu%n", &a, &b, &used) == 2) {
                o->first_layer = (uint32_t)a;
                o->last_layer = (uint32_t)b;
            } else if (sscanf(p, "heads=%9lu-%9lu%n", &a, &b, &used) == 2) {
                o->first_head = (uint32_t)a;
                o->last_head = (uint32_t)b;
            } else {
                return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                                  "%s: record: '%s': expected layers=A-B or heads=A-B after the colon",
                                  e->path, e->record_text[i]);
            }
        }
    }
    return TEMPO_OK;
}

/* Which layers and heads attention has: those that are asked for, of those that there are. */
static void keep_ranges(const tempo_running *r, tempo_running_arm *a, const tempo_capture_options *o)
{
    const tempo_model_info *m = tempo_model_get_info(tempo_engine_model(r->c->engine));

    a->layers[0] = o->first_layer;
    a->layers[1] = o->last_layer < m->n_layers ? o->last_layer : m->n_layers - 1;
    a->heads[0] = o->first_head;
    a->heads[1] = o->last_head < m->n_heads ? o->last_head : m->n_heads - 1;
}

static tempo_status open_capture(tempo_running *r, tempo_running_arm *a, tempo_err *err)
{
    const tempo_experiment *e = r->c->e;
    json_t *config = config_json(r, a);
    if (config != NULL)
        tempo_case_put_id(config, "prompt_id", r->c);
    char *text = config != NULL ? json_dumps(config, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    tempo_capture_options o;
    tempo_status st;

    json_decref(config);
    if (text == NULL)
        return no_memory(err);
    tempo_capture_options_init(&o);
    o.record = ((e->record & TEMPO_EXPERIMENT_ATTENTION) != 0 ? TEMPO_RECORD_ATTENTION : 0u) |
               ((e->record & TEMPO_EXPERIMENT_LOGITS) != 0 ? TEMPO_RECORD_LOGITS : 0u) |
               TEMPO_RECORD_POSITIONS | ((e->record & TEMPO_EXPERIMENT_KV) != 0 ? TEMPO_RECORD_KV : 0u);
    if (r->c->o->max_bytes > 0)
        o.max_bytes = r->c->o->max_bytes;
    o.shared_bytes = &r->bytes;
    o.prompt = r->c->n_ids + (a->o.replay == TEMPO_REPLAY_PUBLISHED);
    o.steps = a->o.steps;
    o.rows = a->o.replay != TEMPO_REPLAY_NONE ? 1 : 8;
    o.config = text;
    o.replace = true;
    o.attention_file = e->attention_file;
    o.logits_file = e->logits_file;
    o.kv_file = e->kv_file;
    o.positions_file = e->positions_file;
    if ((st = parse_ranges(e, &o, err)) == TEMPO_OK)
        keep_ranges(r, a, &o);
    if (st == TEMPO_OK)
        st = tempo_capture_create(&a->capture, a->dir, a->lane.d, &o, err);
    a->lane.capture = a->capture;
    free(text);
    return st;
}

tempo_status tempo_case_open_arm(tempo_running *r, size_t i, tempo_err *err)
{
    const tempo_case *c = r->c;
    tempo_running_arm *a = &r->arm[i];
    tempo_status st;

    a->spec = &c->e->arms[i];
    a->o = tempo_experiment_decoding(c->e, i, c->threshold);
    a->steps = json_array();
    a->sizes = json_array();
    a->siblings = c->e->analyze_cross_parallel ? json_array() : NULL;
    a->twin_same = true;
    a->lane.watch = c->e->analyze_cross_parallel || (c->e->record & TEMPO_EXPERIMENT_ATTENTION) != 0;
    r->n++;
    if ((st = tempo_path_join(a->dir, sizeof(a->dir), c->dir, a->spec->name, err)) != TEMPO_OK ||
        (st = tempo_decoder_create(&a->lane.d, c->engine, &a->o, c->ids, c->n_ids, err)) != TEMPO_OK) {
        tempo_err_prefix(err, "arm %s", a->spec->name);
        return st;
    }
    if (a->o.replay != TEMPO_REPLAY_NONE) { /* one slot a set: both modes must give the same bits */
        tempo_decode_options other = a->o;
        other.mode = a->o.mode == TEMPO_ISOLATED ? TEMPO_VISIBLE : TEMPO_ISOLATED;
        if ((st = tempo_decoder_create(&a->twin.d, c->engine, &other, c->ids, c->n_ids, err)) != TEMPO_OK)
            return st;
    }
    if (a->o.replay == TEMPO_REPLAY_NONE && a->o.mode == TEMPO_ISOLATED && r->isolated == NULL)
        r->isolated = a;
    if (a->o.replay == TEMPO_REPLAY_NONE && a->o.mode == TEMPO_VISIBLE && r->visible == NULL)
        r->visible = a;
    return open_capture(r, a, err);
}

void tempo_case_close(tempo_running *r)
{
    for (size_t i = 0; i < r->n; i++) {
        tempo_running_arm *a = &r->arm[i];
        tempo_capture_abort(a->capture);
        tempo_lane_free(&a->lane);
        tempo_lane_free(&a->twin);
        json_decref(a->steps);
        json_decref(a->sizes);
        json_decref(a->siblings);
        free(a->layer_mass);
        free(a->all.p);
        free(a->top.p);
    }
    tempo_parting_free(&r->parting);
    json_decref(r->compared);
}
