/* edits.c - `edits` of a study's hypotheses: of all its arms, and what they were read from, which the plan
 * keeps. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "files/manifest.h"
#include "io/json_file.h"
#include "run/document.h"
#include "study/study.h"

/* Where paths in them begin: where the hypotheses were when the study began.  For free(); NULL: no memory. */
static char *directory_of(const tempo_study *s)
{
    const char *kept = json_string_value(json_object_get(json_object_get(s->plan, "edits"), "directory"));
    const char *path = s->hypotheses->path, *slash = strrchr(path, '/');

    if (kept != NULL)
        return strdup(kept);
    char *dir = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    char *whole = dir != NULL ? realpath(dir, NULL) : NULL;
    if (whole == NULL)
        return dir;
    free(dir);
    return whole;
}

static tempo_status add_all(tempo_edits *l, const tempo_yaml_node *list, const char *dir, tempo_err *err)
{
    tempo_edit_inputs in;
    tempo_status st = TEMPO_OK;

    tempo_edit_inputs_init(&in);
    in.directory = dir;
    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next) {
        tempo_err why = {0};
        const tempo_status one = tempo_edits_add(l, v->text, &in, &why);
        if (one == TEMPO_E_NOMEM)
            return tempo_fail(err, one, why.offset, "%s", why.msg);
        if (one != TEMPO_OK)
            st = tempo_yaml_both(st, tempo_yaml_fail(err, v, "%s", why.msg));
    }
    return st;
}

tempo_status tempo_study_edits(tempo_edits **out, const tempo_study *s, const tempo_model *m, tempo_err *err)
{
    tempo_err why = {0};
    char *dir;
    tempo_status st;

    *out = NULL;
    if (s->hypotheses->edits == NULL)
        return TEMPO_OK;
    if ((dir = directory_of(s)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the edits of the study");
    if ((st = tempo_edits_create(out, m, &why)) == TEMPO_OK)
        st = add_all(*out, s->hypotheses->edits, dir, &why);
    free(dir);
    st = tempo_yaml_settle(s->hypotheses->doc, st, &why, s->o->tell, err);
    if (st != TEMPO_OK) {
        tempo_edits_free(*out);
        *out = NULL;
    }
    return st;
}

tempo_status tempo_study_plan_edits(json_t **out, const tempo_study *s, const tempo_edits *l, tempo_err *err)
{
    json_t *list = tempo_json_edit_files(l);
    char *dir = list != NULL ? directory_of(s) : NULL;
    const tempo_status st = tempo_manifest_hash_edits(list, err);

    *out = NULL;
    if (st == TEMPO_OK && list != NULL && dir != NULL)
        *out = json_pack("{s:o, s:O}", "directory", tempo_json_bytes(dir, strlen(dir)), "list", list);
    free(dir);
    json_decref(list);
    return st;
}

tempo_status tempo_study_check_edits(const tempo_study *s, const tempo_edits *l, tempo_err *err)
{
    json_t *now;
    tempo_status st = tempo_study_plan_edits(&now, s, l, err);

    if (st == TEMPO_OK && now != NULL &&
        !json_equal(json_object_get(now, "list"), json_object_get(json_object_get(s->plan, "edits"), "list")))
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                        "%s: a file that its edits were read from was changed after the study began", s->dir);
    json_decref(now);
    return st;
}

void tempo_study_add_uses(tempo_study *s, const tempo_run *unit)
{
    for (size_t i = 0; i < tempo_run_arms(unit); i++)
        tempo_edits_add_uses(&s->uses, tempo_json_edit_uses(unit, i));
}

static void tell(void *user, const char *text)
{
    const tempo_study *s = user;

    if (s->o->note != NULL)
        s->o->note(s->o->user, tempo_model_get_info(s->model)->name, text);
}

void tempo_study_tell_uses(const tempo_study *s)
{
    tempo_edits_tell_unused(s->uses, NULL, tell, (tempo_study *)(uintptr_t)s);
}
