/* steps.c - a unit, its arms, their steps and members become rows. */
#include <math.h>

#include "registry/db.h"

/* A metric of a whole unit stands at this step. */
enum { WHOLE_UNIT = -1 };

/* ---- a step ---- */

static tempo_status index_member(tempo_indexer *ix, int64_t unit, int64_t arm, int64_t step, size_t rank,
                                 const json_t *o)
{
    int64_t id, slot;
    const char *text;
    double probability, position;
    tempo_status st;

    if ((st = tempo_registry_count(o, "id", true, &id, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "text", false, &text, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_real(o, "probability", false, &probability, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_count(o, "slot", false, &slot, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_real(o, "position", false, &position, ix->err)) != TEMPO_OK)
        return st;
    return tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_MEMBER], ix->err, "iiiiiisrir", ix->run, unit,
                              arm, step, (int64_t)rank, id, text, probability, slot, position);
}

static tempo_status index_members(tempo_indexer *ix, int64_t unit, int64_t arm, int64_t step, const json_t *o)
{
    const json_t *members, *one;
    tempo_status st;

    if ((st = tempo_registry_array(o, "members", true, &members, ix->err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < json_array_size(members); i++) {
        if ((st = tempo_registry_element(members, "members", i, &one, ix->err)) != TEMPO_OK)
            return st;
        if ((st = index_member(ix, unit, arm, step, i, one)) != TEMPO_OK) {
            tempo_err_prefix(ix->err, "\"members\"[%zu]", i);
            return st;
        }
    }
    return TEMPO_OK;
}

/* {name: number or null} of a step, or of the unit. */
static tempo_status index_metrics(tempo_indexer *ix, int64_t unit, int64_t step, const json_t *o,
                                  const char *key)
{
    const json_t *metrics;
    const char *name;
    json_t *value;
    tempo_status st;

    if ((st = tempo_registry_object(o, key, false, &metrics, ix->err)) != TEMPO_OK)
        return st;
    json_object_foreach((json_t *)metrics, name, value)
    {
        if (!json_is_number(value) && !json_is_null(value)) {
            (void)tempo_fail(ix->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                             "\"%s\": \"%.64s\" is neither a number nor null", key, name);
            return TEMPO_E_FORMAT;
        }
        const double v = json_is_number(value) ? json_number_value(value) : NAN;
        st = tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_METRIC], ix->err, "iiisr", ix->run, unit, step,
                                name, v);
        if (st != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

tempo_status tempo_registry_index_step(tempo_indexer *ix, int64_t unit, int64_t arm, const json_t *o,
                                       int64_t *step)
{
    int64_t reached, capped, eos;
    double position, threshold, entropy;
    tempo_status st;

    if ((st = tempo_registry_count(o, "step", true, step, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_real(o, "position", false, &position, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_real(o, "threshold", false, &threshold, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_real(o, "entropy", false, &entropy, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_count(o, "reached", false, &reached, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_flag(o, "capped", &capped, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_flag(o, "eos", &eos, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_STEP], ix->err, "iiiirrriii", ix->run, unit,
                                 arm, *step, position, threshold, entropy, reached, capped, eos)) != TEMPO_OK)
        return st;
    return index_members(ix, unit, arm, *step, o);
}

/* with_metrics: of a study's unit, whose steps have them. */
static tempo_status index_steps(tempo_indexer *ix, int64_t unit, int64_t arm, const json_t *o,
                                bool with_metrics)
{
    const json_t *steps, *one;
    int64_t step;
    tempo_status st;

    if ((st = tempo_registry_array(o, "steps", true, &steps, ix->err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < json_array_size(steps); i++) {
        if ((st = tempo_registry_element(steps, "steps", i, &one, ix->err)) != TEMPO_OK)
            return st;
        if ((st = tempo_registry_index_step(ix, unit, arm, one, &step)) == TEMPO_OK && with_metrics)
            st = index_metrics(ix, unit, step, one, "metrics");
        if (st != TEMPO_OK) {
            tempo_err_prefix(ix->err, "\"steps\"[%zu]", i);
            return st;
        }
    }
    return TEMPO_OK;
}

/* ---- a unit: one prompt at one threshold with one model ---- */

static tempo_status index_arm(tempo_indexer *ix, int64_t unit, int64_t arm, const char *name, const json_t *o,
                              bool with_metrics)
{
    const char *text, *top_text, *stopped_by;
    tempo_status st;

    if ((st = tempo_registry_text(o, "text", false, &text, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "top_text", false, &top_text, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "stopped_by", false, &stopped_by, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_ARM], ix->err, "iiissss", ix->run, unit, arm,
                                 name, text, top_text, stopped_by)) != TEMPO_OK)
        return st;
    return index_steps(ix, unit, arm, o, with_metrics);
}

/* The number of a prompt, which is put in when it is new. */
static tempo_status find_prompt(tempo_indexer *ix, const char *id, const char *stratum, const char *text,
                                int64_t *prompt)
{
    tempo_status st;

    if ((st = tempo_registry_int(
             ix->r, "SELECT prompt FROM prompts WHERE run = ? AND id IS ? AND stratum IS ? AND text = ?",
             TEMPO_REGISTRY_NO_INT, prompt, ix->err, "isss", ix->run, id, stratum, text)) != TEMPO_OK ||
        *prompt != TEMPO_REGISTRY_NO_INT)
        return st;
    *prompt = ix->n_prompts++;
    return tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_PROMPT], ix->err, "iisss", ix->run, *prompt, id,
                              stratum, text);
}

/* The id of a prompt whose text stands by itself: of a file of prompts.  A manifest's "id" is the run's. */
static const char *id_beside(const json_t *o, char digits[32])
{
    const json_t *id = json_object_get(o, "id");

    if (json_object_get(o, "kind") != NULL || (!json_is_string(id) && !json_is_integer(id)))
        return NULL;
    if (json_is_string(id))
        return json_string_value(id);
    (void)snprintf(digits, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
    return digits;
}

/* "prompt": its text, or {"id", "stratum", "text", "tokens"}. */
static tempo_status index_prompt(tempo_indexer *ix, const json_t *o, bool needed, int64_t *prompt,
                                 int64_t *tokens)
{
    const char *id = NULL, *stratum = NULL, *text = NULL;
    const json_t *object = json_object_get(o, "prompt");
    char digits[32];
    tempo_status st;

    *prompt = *tokens = TEMPO_REGISTRY_NO_INT;
    if (!json_is_object(object)) {
        if ((st = tempo_registry_text(o, "prompt", needed, &text, ix->err)) != TEMPO_OK)
            return st;
        id = id_beside(o, digits);
    } else if ((st = tempo_registry_text(object, "id", false, &id, ix->err)) != TEMPO_OK ||
               (st = tempo_registry_text(object, "stratum", false, &stratum, ix->err)) != TEMPO_OK ||
               (st = tempo_registry_text(object, "text", true, &text, ix->err)) != TEMPO_OK ||
               (st = tempo_registry_count(object, "tokens", false, tokens, ix->err)) != TEMPO_OK) {
        tempo_err_prefix(ix->err, "\"prompt\"");
        return st;
    }
    if (*tokens == TEMPO_REGISTRY_NO_INT && json_is_array(json_object_get(o, "prompt_ids")))
        *tokens = (int64_t)json_array_size(json_object_get(o, "prompt_ids"));
    return text != NULL ? find_prompt(ix, id, stratum, text, prompt) : TEMPO_OK;
}

/* "model": the place in the manifest's list; without it the only one. */
tempo_status tempo_registry_unit_model(const tempo_indexer *ix, const json_t *o, int64_t *model)
{
    const json_t *v = json_object_get(o, "model");

    *model = ix->n_models == 1 ? 0 : TEMPO_REGISTRY_NO_INT;
    if (v == NULL || json_is_null(v) ||
        json_is_object(v)) /* an object: the run's only one, which the manifest has too */
        return TEMPO_OK;
    const tempo_status st = tempo_registry_count(o, "model", true, model, ix->err);
    if (st == TEMPO_OK && *model >= ix->n_models)
        return tempo_fail(ix->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "\"model\" is %lld, the manifest lists %lld of them", (long long)*model,
                          (long long)ix->n_models);
    return st;
}

/* The threshold of a unit: its own, or its configuration's, or the run's. */
static tempo_status read_threshold(const tempo_indexer *ix, const json_t *o, double *threshold)
{
    const json_t *places[] = {o, json_object_get(o, "config"), json_object_get(ix->manifest, "config")};
    tempo_status st = TEMPO_OK;

    *threshold = NAN;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places) && st == TEMPO_OK && isnan(*threshold); i++)
        if (i == 0 || json_is_number(json_object_get(places[i], "threshold")))
            st = tempo_registry_real(places[i], "threshold", false, threshold, ix->err);
    return st;
}

tempo_status tempo_registry_index_unit_row(tempo_indexer *ix, const json_t *o, bool needs_prompt,
                                           int64_t *unit)
{
    const char *name;
    int64_t prompt, model, tokens;
    double threshold;
    tempo_status st;

    *unit = ix->n_units++;
    if ((st = tempo_registry_text(o, "unit", false, &name, ix->err)) != TEMPO_OK ||
        (st = index_prompt(ix, o, needs_prompt, &prompt, &tokens)) != TEMPO_OK ||
        (st = tempo_registry_unit_model(ix, o, &model)) != TEMPO_OK ||
        (st = read_threshold(ix, o, &threshold)) != TEMPO_OK)
        return st;
    return tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_UNIT], ix->err, "iisiiri", ix->run, *unit, name,
                              prompt, model, threshold, tokens);
}

static tempo_status index_arms(tempo_indexer *ix, int64_t unit, const json_t *arms)
{
    const char *name;
    json_t *one;
    int64_t arm = 0;

    json_object_foreach((json_t *)arms, name, one)
    {
        const tempo_status st =
            json_is_object(one) ? index_arm(ix, unit, arm, name, one, false)
                                : tempo_fail(ix->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "it is not an object");
        if (st != TEMPO_OK) {
            tempo_err_prefix(ix->err, "\"arms\": \"%.64s\"", name);
            return st;
        }
        arm++;
    }
    return TEMPO_OK;
}

/* The name of a run's only arm: its mode. */
const char *tempo_registry_mode(const json_t *o)
{
    const char *mode = json_string_value(json_object_get(json_object_get(o, "config"), "mode"));

    return mode != NULL ? mode : "";
}

tempo_status tempo_registry_index_unit(tempo_indexer *ix, const json_t *o)
{
    const json_t *arms;
    int64_t unit;
    tempo_status st;

    if ((st = tempo_registry_index_unit_row(ix, o, true, &unit)) != TEMPO_OK ||
        (st = tempo_registry_object(o, "arms", false, &arms, ix->err)) != TEMPO_OK ||
        (st = index_metrics(ix, unit, WHOLE_UNIT, o, "values")) != TEMPO_OK)
        return st;
    return arms != NULL ? index_arms(ix, unit, arms)
                        : index_arm(ix, unit, 0, tempo_registry_mode(o), o, true);
}
