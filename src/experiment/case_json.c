/* case_json.c - what results.json says of a case. */
#include <string.h>

#include "run/decode_json.h"
#include "experiment/case.h"
#include "files/json_out.h"
#include "run/document.h"

static const tempo_tokenizer *tokenizer_of(const tempo_case *c)
{
    return tempo_model_tokenizer(tempo_engine_model(c->engine));
}

static double entropy_mean(const json_t *steps)
{
    double sum = 0.0;

    for (size_t i = 0; i < json_array_size(steps); i++)
        sum += tempo_number_at(json_array_get(steps, i), "entropy");
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
static json_t *tensors_json(const tempo_running *r, const tempo_case_arm *a)
{
    const tempo_model_info *m = tempo_model_get_info(tempo_engine_model(r->c->engine));
    const json_int_t n = (json_int_t)a->reads;
    const unsigned record = r->c->e->record;
    json_t *o = json_object();

    if ((record & TEMPO_EXPERIMENT_ATTENTION) != 0)
        json_object_set_new(o, "attention",
                            json_pack("{s:I, s:[o, o, o, o, o]}", "count", n, "shape",
                                      fixed(r->layers[1] - r->layers[0] + 1), fixed(1),
                                      fixed(r->heads[1] - r->heads[0] + 1), dimension(a->rows[0], a->rows[1]),
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
static json_t *mass_json(const tempo_running *r, const tempo_case_arm *a)
{
    const size_t n = tempo_model_get_info(tempo_engine_model(r->c->engine))->n_layers;
    json_t *layers = json_array();

    for (size_t l = 0; l < n; l++)
        json_array_append_new(layers, tempo_json_number(a->layer_mass[l] / (double)a->mass_steps));
    return json_pack("{s:I, s:o}", "steps", (json_int_t)a->mass_steps, "layers", layers);
}

static json_t *arm_json(const tempo_running *r, size_t arm)
{
    const tempo_case_arm *a = &r->arm[arm];
    const tempo_arm *of = &r->run->arms[arm];
    json_t *o = json_pack("{s:O, s:O, s:I, s:I, s:o, s:s}", "steps", a->steps, "set_sizes", a->sizes,
                          "n_steps", (json_int_t)of->n_steps, "total_tokens", (json_int_t)of->n_members,
                          "mean_entropy", tempo_json_number(entropy_mean(a->steps)), "stopped_by",
                          tempo_stopped_name(tempo_decoder_stopped(of->lane.d)));

    put_text(o, "text", "text_bytes", r->c, &of->all);
    put_text(o, "top_text", "top_text_bytes", r->c, &of->top);
    json_object_set_new(o, "positions",
                        json_pack("{s:I, s:I}", "parallel_sets", (json_int_t)a->parallel, "one_position",
                                  (json_int_t)a->one_position));
    json_object_set_new(o, "mode", json_string(tempo_mode_name(of->o.mode)));
    json_object_set_new(o, "replay", json_string(tempo_replay_name(of->o.replay)));
    /* a replay puts one slot in a set, at a position of its own */
    json_object_set_new(
        o, "shared_positions",
        json_boolean(of->o.replay == TEMPO_REPLAY_NONE && of->o.positions == TEMPO_POSITIONS_SHARED));
    if (tempo_edits_count(of->own_edits) > 0)
        json_object_set_new(o, "edits", tempo_json_edit_uses(r->run, arm));
    if (a->twin != SIZE_MAX)
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

static json_t *step_or_null(size_t step)
{
    return step != SIZE_MAX ? json_integer((json_int_t)step) : json_null();
}

static json_t *comparison_json(const tempo_running *r)
{
    const tempo_run_differences d = tempo_run_difference(r->run);

    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:O}", "a", r->arm[r->isolated].name, "b",
                     r->arm[r->visible].name, "identical_sets", d.set == SIZE_MAX, "first_difference",
                     step_or_null(d.set), "first_order_difference", step_or_null(d.order),
                     "first_distribution_difference", step_or_null(d.distribution), "set_changes",
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
    for (size_t i = 0; i < c->e->n_arms; i++)
        json_object_set_new(arms, r->arm[i].name, arm_json(r, i));
    json_t *o = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o}", "prompt", c->e->prompts[c->prompt], "prompt_ids", prompt_ids,
        "prompt_tokens", tokens, "threshold", tempo_json_number(c->e->thresholds[c->threshold]), "arms", arms,
        "comparison", r->isolated != SIZE_MAX && r->visible != SIZE_MAX ? comparison_json(r) : json_null());
    if (o != NULL)
        tempo_case_put_id(o, "id", c);
    return o;
}
