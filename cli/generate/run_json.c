/* run_json.c - a run as a program reads it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/generate/run.h"
#include "run/decode_json.h"

static json_t *real_or_null(double v, bool there)
{
    return there ? tempo_json_number(v) : json_null();
}

json_t *json_set(const run *r, const tempo_set *set)
{
    return tempo_json_set(tempo_model_tokenizer(r->s.model), set);
}

/* Every option by its name, with the value that held. */
json_t *json_config(const run *r)
{
    const tempo_decode_options *d = &r->o->decoding;
    const tempo_model_info *info = tempo_model_get_info(r->s.model);
    json_t *c = json_object();

    tempo_json_add_decoding(c, d, info->n_layers);
    if (r->n_arms > 1)
        json_object_set_new(c, "mode", json_null()); /* the arms' names say it */
    json_object_set_new(c, "paired", json_boolean(r->o->paired));
    json_object_set_new(c, "max_slots",
                        json_integer((json_int_t)tempo_seq_max_slots(tempo_decoder_seq(r->arms[0].decoder))));
    json_object_set_new(c, "threads", json_integer((json_int_t)tempo_engine_threads(r->s.engine)));
    json_object_set_new(c, "cpu", json_string(info->kernels));
    json_object_set_new(c, "compute", json_string(info->compute));
    json_object_set_new(c, "no_bos", json_boolean(r->o->no_bos));
    json_object_set_new(c, "no_special", json_boolean(r->o->no_special));
    return c;
}

/* ---- the document ---- */

static void set_continuation(json_t *o, const run *r, const char *key, const char *key_bytes,
                             const tempo_ids *ids)
{
    tempo_json_add_continuation(o, key, key_bytes, tempo_model_tokenizer(r->s.model), r->s.ids, r->s.n_ids,
                                ids->p, ids->n);
}

static void set_arm(json_t *o, const run *r, const arm *a)
{
    json_object_set(o, "steps", a->steps);
    set_continuation(o, r, "text", "text_bytes", &a->all);
    set_continuation(o, r, "top_text", "top_text_bytes", &a->top);
    json_object_set_new(o, "stopped_by", json_string(stopped_by(r, a)));
}

static json_t *json_timing(const run *r)
{
    const arm *a =
        r->arms[0].n_steps >= r->arms[r->n_arms - 1].n_steps ? &r->arms[0] : &r->arms[r->n_arms - 1];
    const double rest = r->end_ms - r->first_set_ms;

    return json_pack("{s:o, s:o, s:o, s:o}", "load_ms", tempo_json_number(r->s.load_ms), "first_set_ms",
                     real_or_null(r->first_set_ms - r->begin_ms, a->n_steps > 0), "ms_per_step",
                     real_or_null(rest / (double)(a->n_steps - 1), a->n_steps > 1), "total_ms",
                     tempo_json_number(r->end_ms - r->begin_ms));
}

json_t *json_beginning(const run *r)
{
    return json_pack("{s:s, s:o, s:o}", "version", tempo_version(), "model", json_model(&r->s, r->o),
                     "config", json_config(r));
}

static void set_prompt(json_t *o, const run *r)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < r->s.n_ids; i++)
        json_array_append_new(ids, json_integer(r->s.ids[i]));
    if (r->prompt_id != NULL)
        json_object_set(o, "id", r->prompt_id);
    json_set_text(o, "prompt", "prompt_bytes", r->s.text != NULL ? r->s.text : "", r->s.n_text);
    json_object_set_new(o, "prompt_ids", ids);
}

/* What the documents of a run and of one arm begin with. */
static json_t *begin_document(const run *r)
{
    json_t *root = json_beginning(r);

    if (root != NULL) {
        set_prompt(root, r);
        json_object_set_new(root, "warnings", json_warnings(r->s.warning));
    }
    return root;
}

static void set_arms(json_t *root, const run *r)
{
    json_t *arms;

    if (r->n_arms == 1) {
        set_arm(root, r, &r->arms[0]);
        return;
    }
    json_object_set_new(root, "arms", arms = json_object());
    for (size_t i = 0; i < r->n_arms; i++) {
        json_t *one = json_object();
        set_arm(one, r, &r->arms[i]);
        json_object_set_new(arms, r->arms[i].name, one);
    }
    tempo_parting_tell(&r->parting, root);
}

json_t *json_document(const run *r)
{
    json_t *root = begin_document(r);

    if (root == NULL)
        return NULL;
    set_arms(root, r);
    json_object_set_new(root, "timing", json_timing(r));
    return root;
}

json_t *json_prompt(const run *r)
{
    json_t *o = json_object();

    set_prompt(o, r);
    set_arms(o, r);
    return o;
}

json_t *json_line(const run *r, const arm *a)
{
    json_t *line = json_set(r, tempo_decoder_last_set(a->decoder));
    const bool running = tempo_decoder_stopped(a->decoder) == TEMPO_RUNNING;

    if (line == NULL)
        return NULL;
    if (r->prompt_id != NULL)
        json_object_set(line, "id", r->prompt_id);
    if (r->n_arms > 1)
        json_object_set_new(line, "arm", json_string(a->name));
    json_object_set_new(line, "stopped_by", running ? json_null() : json_string(stopped_by(r, a)));
    return line;
}

/* All sets as text, those of several members as [a/b/c]. */
static json_t *bracketed(const arm *a)
{
    size_t i, j, n = 0, cap = 1;
    json_t *step, *member, *out;

    json_array_foreach(a->steps, i, step) json_array_foreach(json_object_get(step, "members"), j, member)
        cap += json_string_length(json_object_get(member, "text")) + 3;
    char *text = malloc(cap);
    if (text == NULL)
        return NULL;
    json_array_foreach(a->steps, i, step)
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

json_t *json_results(const run *r, const arm *a)
{
    json_t *root = begin_document(r);

    if (root == NULL)
        return NULL;
    json_object_set_new(json_object_get(root, "config"), "mode", json_string(a->name));
    set_arm(root, r, a);
    json_object_set_new(root, "timing", json_timing(r));
    json_object_set_new(root, "generated_text", bracketed(a));
    json_object_set(root, "raw_generated_text", json_object_get(root, "text"));
    json_object_set_new(root, "generation_time", tempo_json_number((r->end_ms - r->begin_ms) / 1000));
    return root;
}
