#include "cli/prompt/edits.h"

#include "cli/message.h"
#include "io/json.h"
#include "run/arms_json.h"
#include "run/document.h"
#ifdef TEMPO_STUDY
#include "cli/study/arms_yaml.h"
#endif

bool has_edits(const options *o)
{
    return o->edit.n > 0 || o->edits_file != NULL;
}

static tempo_status load_file(json_t **out, const char *path, tempo_err *err)
{
#ifdef TEMPO_STUDY
    if (is_yaml(path))
        return yaml_load(out, path, err);
#endif
    return tempo_json_load(out, path, err);
}

tempo_status edits_load(json_t **out, const options *o, tempo_err *err)
{
    json_t *list = NULL;
    tempo_status st = TEMPO_OK;

    if (o->edits_file != NULL)
        st = load_file(&list, o->edits_file, err);
    if (st == TEMPO_OK && o->edits_file != NULL && !json_is_array(list))
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: expected a list of edits", o->edits_file);
    if (st == TEMPO_OK && list == NULL)
        list = json_array();
    for (size_t i = 0; i < o->edit.n && st == TEMPO_OK; i++) {
        json_t *text = json_string(o->edit.v[i]);
        if (text == NULL)
            st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "--edit: edit %zu is not valid UTF-8",
                            i + 1);
        else
            json_array_append_new(list, text);
    }
    if (st != TEMPO_OK) {
        json_decref(list);
        list = NULL;
    }
    *out = list;
    return st;
}

tempo_status edits_make(tempo_edits **out, const options *o, const tempo_model *m, tempo_err *err)
{
    tempo_edit_inputs in;
    json_t *list;
    tempo_status st;

    *out = NULL;
    if (!has_edits(o))
        return TEMPO_OK;
    tempo_edit_inputs_init(&in);
    if ((st = edits_load(&list, o, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_edits_create(out, m, err)) == TEMPO_OK &&
        (st = tempo_edits_read(*out, list, &in, err)) != TEMPO_OK) {
        tempo_edits_free(*out);
        *out = NULL;
    }
    json_decref(list);
    return st;
}

static void say_text(void *user, const char *text)
{
    (void)user;
    say("%s", text);
}

void edits_say(const json_t *uses, const char *arm)
{
    tempo_edits_tell_unused(uses, arm, say_text, NULL);
}

void edits_say_unused(const tempo_seq *s, const tempo_edits *l)
{
    json_t *uses = tempo_json_seq_edit_uses(s, l);

    edits_say(uses, NULL);
    json_decref(uses);
}
