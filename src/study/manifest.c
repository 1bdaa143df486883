/* manifest.c - what made a study's files. */
#include <string.h>

#include "io/json.h"
#include "files/json_out.h"
#include "files/manifest.h"
#include "files/run_id.h"
#include "study/study.h"

/* The id and the beginning that an earlier manifest of the directory has. */
static void keep_identity(const char *path, json_t *facts)
{
    json_t *old = NULL;
    tempo_err ignored = {0};

    if (tempo_study_has(path) && tempo_json_load(&old, path, &ignored) == TEMPO_OK) {
        json_object_set(facts, "id", json_object_get(old, "id"));
        json_object_set(facts, "created", json_object_get(old, "created"));
    }
    json_decref(old);
}

tempo_status tempo_study_manifest(const tempo_study *s, const char *status, tempo_err *err)
{
    const tempo_study_options *o = s->o;
    char path[TEMPO_STUDY_PATH], id[TEMPO_RUN_ID_CHARS];
    json_t *argv = json_array(), *facts;
    tempo_status st;

    if ((st = tempo_path_join(path, sizeof(path), s->dir, "manifest.json", err)) != TEMPO_OK ||
        (st = tempo_run_id(id, "study", err)) != TEMPO_OK) {
        json_decref(argv);
        return st;
    }
    for (int i = 0; i < o->argc; i++)
        json_array_append_new(argv, tempo_json_bytes(o->argv[i], strlen(o->argv[i])));
    facts = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:O, s:{s:O, s:O, s:O, s:O}}", "kind", "study", "id", id, "name", "study",
        "status", status, "argv", argv, "models", json_object_get(s->plan, "models"), "config", "thresholds",
        json_object_get(s->plan, "thresholds"), "steps", json_object_get(s->plan, "steps"), "prompts",
        json_object_get(s->plan, "prompts"), "hypotheses", json_object_get(s->plan, "hypotheses"));
    json_t *edits = json_object_get(json_object_get(s->plan, "edits"), "list");
    if (facts != NULL && edits != NULL)
        json_object_set_new(facts, "edits", json_pack("{s:O}", "all", edits));
    if (facts != NULL)
        keep_identity(path, facts);
    st = tempo_manifest_write(s->dir, facts, err);
    json_decref(facts);
    return st;
}
