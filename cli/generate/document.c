/* document.c - a run as a program reads it. */
#include <stdlib.h>
#include <string.h>

#include "cli/generate/generate.h"
#include "io/json_file.h"
#include "run/decode_json.h"
#include "run/document.h"
#include "run/run.h"

static json_t *real_or_null(double v, bool there)
{
    return there ? tempo_json_number(v) : json_null();
}

/* ---- how it decodes ---- */

static void add_sampling(json_t *c, const tempo_sampling *s)
{
    json_object_set_new(c, "sampling",
                        json_pack("{s:o, s:o, s:o, s:I}", "temperature", tempo_json_number(s->temperature),
                                  "top_p", tempo_json_number(s->top_p), "min_p", tempo_json_number(s->min_p),
                                  "seed", (json_int_t)s->seed));
}

static json_t *arms_by_name(const generation *g, uint32_t n_layers)
{
    json_t *all = json_object();

    for (size_t i = 0; i < g->arms->n; i++) {
        json_t *one = json_object();
        const tempo_decode_options d = tempo_run_decoding(&g->run, i);
        tempo_json_add_decoding(one, &d, n_layers);
        if (d.max_slots != g->o->decoding.max_slots)
            json_object_set_new(one, "max_slots", json_integer((json_int_t)d.max_slots));
        json_object_set_new(all, g->arms->names[i], one);
    }
    return all;
}

/* What only some runs have. */
static void add_plan(json_t *c, const generation *g, size_t arm, uint32_t n_layers)
{
    if (g->o->arms != NULL && arm == ALL_ARMS)
        json_object_set_new(c, "arms", arms_by_name(g, n_layers));
    else if (g->o->arms != NULL)
        json_object_set_new(c, "arm", json_string(g->arms->names[arm]));
    if (g->run.regime == TEMPO_REGIME_LOCKSTEP) {
        json_object_set_new(c, "regime", json_string("lockstep"));
        json_object_set_new(c, "driver", json_string(g->arms->names[g->run.driver]));
    }
    if (g->given != NULL)
        json_object_set_new(c, "given", json_integer((json_int_t)g->given->n));
    if (g->run.sampling.on)
        add_sampling(c, &g->run.sampling);
}

/* Every option by its name, with the value that held. */
json_t *json_config(const generation *g, const tempo_run *r, size_t arm)
{
    const tempo_model_info *info = tempo_model_get_info(g->s.model);
    const bool several = arm == ALL_ARMS && g->arms->n > 1;
    const size_t one = arm == ALL_ARMS ? 0 : arm;
    const tempo_decode_options own = tempo_run_decoding(&g->run, one);
    json_t *c = json_object();

    tempo_json_add_decoding(c, several ? &g->o->decoding : &own, info->n_layers);
    if (several)
        json_object_set_new(c, "mode", json_null()); /* it is that of each arm */
    json_object_set_new(c, "paired", json_boolean(g->o->paired));
    json_object_set_new(
        c, "max_slots",
        json_integer((json_int_t)tempo_seq_max_slots(tempo_decoder_seq(tempo_run_decoder(r, one)))));
    json_object_set_new(c, "threads", json_integer((json_int_t)tempo_engine_threads(g->s.engine)));
    json_object_set_new(c, "cpu", json_string(info->kernels));
    json_object_set_new(c, "compute", json_string(info->compute));
    json_object_set_new(c, "no_bos", json_boolean(g->o->no_bos));
    json_object_set_new(c, "no_special", json_boolean(g->o->no_special));
    add_plan(c, g, arm, info->n_layers);
    return c;
}

/* ---- the document ---- */

static json_t *json_timing(const prompt *p, const tempo_run *r)
{
    const double rest = p->end_ms - p->first_set_ms;
    size_t steps = 0;

    for (size_t i = 0; i < tempo_run_arms(r); i++)
        steps = tempo_run_steps(r, i) > steps ? tempo_run_steps(r, i) : steps;
    return json_pack("{s:o, s:o, s:o, s:o}", "load_ms", tempo_json_number(p->g->s.load_ms), "first_set_ms",
                     real_or_null(p->first_set_ms - p->begin_ms, steps > 0), "ms_per_step",
                     real_or_null(rest / (double)(steps - 1), steps > 1), "total_ms",
                     tempo_json_number(p->end_ms - p->begin_ms));
}

static json_t *begin(const generation *g, const tempo_run *r, size_t arm)
{
    return json_pack("{s:s, s:o, s:o}", "version", tempo_version(), "model", json_model(&g->s, g->o),
                     "config", json_config(g, r, arm));
}

json_t *json_beginning(const generation *g, const tempo_run *r)
{
    return begin(g, r, ALL_ARMS);
}

static void add_prompt(json_t *o, const prompt *p)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < p->s.n_ids; i++)
        json_array_append_new(ids, json_integer(p->s.ids[i]));
    if (p->line != NULL)
        json_object_set(o, "id", p->line->id);
    json_set_text(o, "prompt", "prompt_bytes", p->s.text != NULL ? p->s.text : "", p->s.n_text);
    json_object_set_new(o, "prompt_ids", ids);
}

/* What the documents of a run and of one arm begin with. */
static json_t *begin_document(const prompt *p, const tempo_run *r, size_t arm)
{
    json_t *root = begin(p->g, r, arm);

    if (root != NULL) {
        add_prompt(root, p);
        json_object_set_new(root, "warnings", json_warnings(p->s.warning));
    }
    return root;
}

json_t *json_document(const prompt *p, const tempo_run *r)
{
    json_t *root = begin_document(p, r, ALL_ARMS);

    if (root == NULL)
        return NULL;
    tempo_json_add_run(root, r);
    json_object_set_new(root, "timing", json_timing(p, r));
    return root;
}

json_t *json_prompt(const prompt *p, const tempo_run *r)
{
    json_t *o = json_object();

    add_prompt(o, p);
    tempo_json_add_run(o, r);
    return o;
}

/* All sets as text, those of several members as [a/b/c]. */
static json_t *bracketed(const json_t *steps)
{
    size_t i, j, n = 0, cap = 1;
    json_t *step, *member, *out;

    json_array_foreach(steps, i, step) json_array_foreach(json_object_get(step, "members"), j, member) cap +=
        json_string_length(json_object_get(member, "text")) + 3;
    char *text = malloc(cap);
    if (text == NULL)
        return NULL;
    json_array_foreach(steps, i, step)
    {
        const json_t *members = json_object_get(step, "members");
        const bool several = json_array_size(members) > 1;
        json_array_foreach(members, j, member)
        {
            const json_t *s = json_object_get(member, "text");
            if (several)
                text[n++] = j == 0 ? '[' : '/';
            memcpy(text + n, json_string_value(s), json_string_length(s));
            n += json_string_length(s);
        }
        if (several)
            text[n++] = ']';
    }
    out = json_stringn(text, n);
    free(text);
    return out;
}

json_t *json_results(const prompt *p, const tempo_run *r, size_t arm)
{
    json_t *root = begin_document(p, r, arm);

    if (root == NULL)
        return NULL;
    tempo_json_add_arm(root, r, arm);
    json_object_set_new(root, "timing", json_timing(p, r));
    json_object_set_new(root, "generated_text", bracketed(json_object_get(root, "steps")));
    json_object_set(root, "raw_generated_text", json_object_get(root, "text"));
    json_object_set_new(root, "generation_time", tempo_json_number((p->end_ms - p->begin_ms) / 1000));
    return root;
}
