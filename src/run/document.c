/* document.c - see document.h. */
#include "run/document.h"

#include <string.h>

#include "run/decode_json.h"
#include "edit/edits_told.h"
#include "run/run.h"

static const tempo_model *model_of(const tempo_run *r)
{
    return tempo_engine_model(r->engine);
}

const char *tempo_run_stopped_by(const tempo_run *r, size_t arm)
{
    tempo_stopped s = tempo_decoder_stopped(r->arms[arm].lane.d);

    if (s == TEMPO_RUNNING && tempo_arm_follows(r, arm))
        s = tempo_decoder_stopped(tempo_run_driver(r)->lane.d);
    return s == TEMPO_RUNNING && r->interrupted ? "interrupt" : tempo_stopped_name(s);
}

/* Does it go on, whatever became of the run? */
static bool goes_on(const tempo_run *r, size_t arm)
{
    const char *reason = tempo_run_stopped_by(r, arm);

    return strcmp(reason, "running") == 0 || strcmp(reason, "interrupt") == 0;
}

json_t *tempo_json_line(const tempo_run *r, size_t arm, size_t step, json_t *id)
{
    const tempo_arm *a = &r->arms[arm];
    const bool last = step + 1 == a->n_steps;
    const tempo_set *set = a->sets != NULL ? &a->sets[step] : tempo_decoder_last_set(a->lane.d);
    json_t *line = tempo_json_set(tempo_model_tokenizer(model_of(r)), set);

    if (id != NULL)
        json_object_set(line, "id", id);
    if (r->n_arms > 1)
        json_object_set_new(line, "arm", json_string(a->name));
    json_object_set_new(line, "stopped_by",
                        last && !goes_on(r, arm) ? json_string(tempo_run_stopped_by(r, arm)) : json_null());
    return line;
}

json_t *tempo_json_edit_uses(const tempo_run *r, size_t arm)
{ /* the arm's own stand first in what its decoder has */
    return tempo_json_seq_edit_uses(tempo_decoder_seq(r->arms[arm].lane.d), r->arms[arm].own_edits);
}

void tempo_json_add_arm(json_t *object, const tempo_run *r, size_t arm)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(model_of(r));
    const tempo_arm *a = &r->arms[arm];
    json_t *steps = json_array();

    for (size_t i = 0; i < a->n_steps; i++)
        json_array_append_new(steps, tempo_json_set(t, &a->sets[i]));
    json_object_set_new(object, "steps", steps);
    tempo_json_add_texts(object, t, r->ids, r->n_ids, &a->all, &a->top);
    json_object_set_new(object, "stopped_by", json_string(tempo_run_stopped_by(r, arm)));
    if (tempo_edits_count(a->own_edits) > 0)
        json_object_set_new(object, "edits", tempo_json_edit_uses(r, arm));
}

void tempo_json_add_run(json_t *object, const tempo_run *r)
{
    json_t *arms;

    if (r->n_arms == 1) {
        tempo_json_add_arm(object, r, 0);
        return;
    }
    json_object_set_new(object, "arms", arms = json_object());
    for (size_t i = 0; i < r->n_arms; i++) {
        json_t *one = json_object();
        tempo_json_add_arm(one, r, i);
        json_object_set_new(arms, r->arms[i].name, one);
    }
    tempo_parting_tell(&r->parting, object);
}
