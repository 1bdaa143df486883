/* trace_json.c - a trace as a document. */
#include <string.h>

#include "cli/trace/trace.h"
#include "run/decode_json.h"

static json_t *token(const trace_view *v, int32_t id)
{
    json_t *o = json_pack("{s:i}", "id", (int)id);

    tempo_json_add_token(o, tempo_model_tokenizer(v->s->model), id);
    return o;
}

/* Of one token: its number in each cell. */
typedef struct column {
    const double *q;
    size_t n, i;
} column;

static double of_token(const void *user, size_t cell)
{
    const column *c = user;

    return c->q[cell * c->n + c->i];
}

static json_t *answers(const tempo_trace *t, const tempo_trace_means *shape)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n_tokens; i++) {
        const column cut = {t->token_cut, t->n_tokens, i}, exchanged = {t->token_exchanged, t->n_tokens, i};
        json_array_append_new(
            list,
            json_pack("{s:o, s:o, s:o}", "run", tempo_json_number(t->token_q[i]), "cut",
                      tempo_trace_kinds_json(shape, of_token, &cut), "exchanged",
                      t->exchanged ? tempo_trace_kinds_json(shape, of_token, &exchanged) : json_null()));
    }
    return list;
}

static json_t *strongest(const tempo_trace *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n_layers * t->n_heads; i++)
        json_array_append_new(list,
                              json_pack("[I, I]", (json_int_t)(t->first_layer + t->strongest[i] / t->n_heads),
                                        (json_int_t)(t->strongest[i] % t->n_heads)));
    return list;
}

static json_t *strangers(const trace_view *v, const traced_set *s)
{
    json_t *list = json_array();

    if (s->strangers == NULL) {
        json_decref(list);
        return json_null();
    }
    for (size_t i = 0; i < s->t->n_members; i++)
        json_array_append_new(list, token(v, s->strangers[i]));
    return list;
}

/* A set's effects are the means of one set. */
static json_t *set_json(const trace_view *v, const traced_set *s)
{
    tempo_trace_means one = {0};
    json_t *o = tempo_json_set(tempo_model_tokenizer(v->s->model), &s->set);

    if (tempo_trace_means_add(&one, s->t, NULL) == TEMPO_OK) {
        json_object_set_new(o, "strangers", strangers(v, s));
        json_object_set_new(o, "strongest", strongest(s->t));
        json_object_set_new(o, "answers", answers(s->t, &one));
        json_object_set_new(o, "effects", tempo_trace_means_json(&one));
    }
    tempo_trace_means_free(&one);
    return o;
}

static json_t *prompt_json(const trace_view *v, const traced_prompt *p)
{
    json_t *o = json_object(), *ids = json_array(), *sets = json_array();

    if (p->line != NULL)
        json_object_set_new(o, "id", json_text(p->line->key, strlen(p->line->key)));
    json_set_text(o, "prompt", "prompt_bytes", p->s.text != NULL ? p->s.text : "", p->s.n_text);
    for (size_t i = 0; i < p->s.n_ids; i++)
        json_array_append_new(ids, json_integer(p->s.ids[i]));
    json_object_set_new(o, "prompt_ids", ids);
    json_object_set_new(o, "warnings", json_warnings(p->s.warning));
    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(sets, set_json(v, &p->sets[i]));
    json_object_set_new(o, "sets", sets);
    json_object_set_new(o, "means", p->n > 0 ? tempo_trace_means_json(&p->means) : json_null());
    return o;
}

int trace_json(const trace_view *v)
{
    const tempo_model_info *info = tempo_model_get_info(v->s->model);
    json_t *options_used = json_object(), *tokens = json_array(), *prompts = json_array();
    json_t *doc = json_pack("{s:s, s:o, s:s, s:s, s:b, s:I, s:o, s:o, s:o}", "version", tempo_version(),
                            "model", json_model(v->s, v->o), "cpu", info->kernels, "compute", info->compute,
                            "interrupted", v->n_sets < v->parallel, "seed", (json_int_t)v->o->seed,
                            "decoding", options_used, "answers", tokens, "prompts", prompts);

    tempo_json_add_decoding(options_used, &v->decoding, info->n_layers);
    for (size_t i = 0; i < v->n_tokens; i++)
        json_array_append_new(tokens, token(v, v->tokens[i]));
    for (size_t i = 0; i < v->n_prompts; i++)
        json_array_append_new(prompts, prompt_json(v, &v->prompts[i]));
    json_object_set_new(doc, "means", tempo_trace_means_json(&v->means));
    return print_json(doc, false);
}
