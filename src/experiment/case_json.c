/* case_json.c - what results.json says of a case. */
#include <string.h>

#include "run/decode_json.h"
#include "experiment/case.h"
#include "files/json_out.h"

static const tempo_tokenizer *tokenizer_of(const tempo_case *c)
{
    return tempo_model_tokenizer(tempo_engine_model(c->engine));
}

static double entropy_mean(const json_t *steps)
{
    double sum = 0.0;

    for (size_t i = 0; i < json_array_size(steps); i++)
        sum += tempo_json_get_number(json_array_get(steps, i), "entropy");
    return sum / (double)json_array_size(steps);
}

static void put_text(json_t *o, const char *key, const char *key_bytes, const tempo_case *c,
                     const tempo_ids *add)
{
    tempo_json_add_continuation(o, key, key_bytes, tokenizer_of(c), c->ids, c->n_ids, add->p, add->n);
}

static json_t *dimension(size_t least, size_t most)
{
    return json_pack("[I, I]", (json_int_t)least, (json_int_t)most);
}

static json_t *fixed(size_t n)
{
    return dimension(n, n);
}

/* Of each file of arrays: how many, and the least and the most of each dimension. */
static json_t *tensors_json(const tempo_running *r, const tempo_running_arm *a)
{
    const tempo_model_info *m = tempo_model_get_info(tempo_engine_model(r->c->engine));
    const json_int_t n = (json_int_t)a->reads;
    const unsigned record = r->c->e->record;
    json_t *o = json_object();

    if ((record & TEMPO_EXPERIMENT_ATTENTION) != 0)
        json_object_set_new(o, "attention",
                            json_pack("{s:I, s:[o, o, o, o, o]}", "count", n, "shape",
                                      fixed(a->layers[1] - a->layers[0] + 1), fixed(1),
                                      fixed(a->heads[1] - a->heads[0] + 1), dimension(a->rows[0], a->rows[1]),
                                      dimension(a->slots[0], a->slots[1])));
    if ((record & TEMPO_EXPERIMENT_LOGITS) != 0)
        json_object_set_new(o, "logits",
                            json_pack("{s:I, s:[o, o]}", "count", n, "shape",
                                      dimension(a->rows[0], a->rows[1]), fixed(m->n_vocab)));
    if ((record & TEMPO_EXPERIMENT_KV) != 0)
        json_object_set_new(o, "kv",
                            json_pack("{s:I, s:[o, o, o, o]}", "count", 2 * n, "shape", fixed(m->n_layers),
                                      fixed(m->n_kv_heads), dimension(a->fresh[0], a->fresh[1]),
                                      fixed(m->head_dim)));
    return o;
}

/* Means over the parallel steps, their rows and the heads, layer by layer. */
static json_t *mass_json(const tempo_running *r, const tempo_running_arm *a)
{
    const size_t n = tempo_model_get_info(tempo_engine_model(r->c->engine))->n_layers;
    json_t *layers = json_array();

    for (size_t l = 0; l < n; l++)
        json_array_append_new(layers, tempo_json_number(a->layer_mass[l] / (double)a->mass_steps));
    return json_pack("{s:I, s:o}", "steps", (json_int_t)a->mass_steps, "layers", layers);
}

static json_t *arm_json(const tempo_running *r, const tempo_running_arm *a)
{
    json_t *o = json_pack("{s:O, s:O, s:I, s:I, s:o, s:s}", "steps", a->steps, "set_sizes", a->sizes,
                          "n_steps", (json_int_t)json_array_size(a->steps), "total_tokens",
                          (json_int_t)a->all.n, "mean_entropy", tempo_json_number(entropy_mean(a->steps)),
                          "stopped_by", tempo_stopped_name(tempo_decoder_stopped(a->lane.d)));

    put_text(o, "text", "text_bytes", r->c, &a->all);
    put_text(o, "top_text", "top_text_bytes", r->c, &a->top);
    json_object_set_new(o, "positions",
                        json_pack("{s:I, s:I}", "parallel_sets", (json_int_t)a->parallel, "one_position",
                                  (json_int_t)a->one_position));
    json_object_set_new(o, "mode", json_string(tempo_case_modes[a->o.mode]));
    json_object_set_new(o, "replay", json_string(tempo_case_replays[a->o.replay]));
    /* a replay puts one slot in a set, at a position of its own */
    json_object_set_new(
        o, "shared_positions",
        json_boolean(a->o.replay == TEMPO_REPLAY_NONE && a->o.positions == TEMPO_POSITIONS_SHARED));
    if (a->twin.d != NULL)
        json_object_set_new(o, "modes_identical", json_boolean(a->twin_same));
    if (a->siblings != NULL)
        json_object_set(o, "cross_parallel", a->siblings);
    json_object_set_new(o, "tensors", tensors_json(r, a));
    if (a->layer_mass != NULL)
        json_object_set_new(o, "sibling_mass", mass_json(r, a));
    return o;
}

/* At how many of the compared steps the two would have chosen different sets, each by itself. */
static json_t *count_changes(const tempo_running *r)
{
    const json_t *step;
    json_int_t n = 0;
    size_t i;

    json_array_foreach(r->compared, i, step) n += json_is_true(json_object_get(step, "set_changes"));
    return json_integer(n);
}

static json_t *step_or_null(const json_t *difference)
{
    return difference != NULL ? json_incref(json_object_get(difference, "step")) : json_null();
}

static json_t *comparison_json(const tempo_running *r)
{
    const tempo_parting *p = &r->parting;

    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:O}", "a", r->isolated->spec->name, "b",
                     r->visible->spec->name, "identical_sets", p->set == NULL, "first_difference",
                     step_or_null(p->set), "first_order_difference", step_or_null(p->order),
                     "first_distribution_difference", step_or_null(p->distribution), "set_changes",
                     count_changes(r), "steps", r->compared);
}

json_t *tempo_case_json(const tempo_running *r)
{
    const tempo_case *c = r->c;
    json_t *prompt_ids = json_array(), *tokens = json_array(), *arms = json_object();

    for (size_t i = 0; i < c->n_ids; i++) {
        json_t *token = json_pack("{s:i}", "id", (int)c->ids[i]);
        tempo_json_add_token(token, tokenizer_of(c), c->ids[i]);
        json_array_append_new(tokens, token);
        json_array_append_new(prompt_ids, json_integer(c->ids[i]));
    }
    for (size_t i = 0; i < r->n; i++)
        json_object_set_new(arms, r->arm[i].spec->name, arm_json(r, &r->arm[i]));
    json_t *o = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "prompt", c->e->prompts[c->prompt], "prompt_ids",
                          prompt_ids, "prompt_tokens", tokens, "threshold",
                          tempo_json_number(c->e->thresholds[c->threshold]), "arms", arms, "comparison",
                          r->isolated != NULL && r->visible != NULL ? comparison_json(r) : json_null());
    if (o != NULL)
        tempo_case_put_id(o, "id", c);
    return o;
}
