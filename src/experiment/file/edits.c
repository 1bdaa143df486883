/* edits.c - `edits` of the file and of its arms: read as texts with the file, made into lists once there is a
 * model. */
#include <string.h>

#include "experiment/file/read.h"
#include "run/document.h"

tempo_status tempo_experiment_read_edits(const tempo_yaml_node *map, const tempo_yaml_node **out,
                                         tempo_err *err)
{
    return tempo_yaml_list(map, "edits", TEMPO_YAML_STR, TEMPO_MAX_EDITS, out, err);
}

/* A list's edits for arm i: its messages stand at the line of their edit. */
static tempo_status add(tempo_edits *l, const tempo_yaml_node *list, const tempo_edit_inputs *in,
                        tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (const tempo_yaml_node *v = list != NULL ? list->first : NULL; v != NULL; v = v->next) {
        tempo_err why = {0};
        const tempo_status one = tempo_edits_add(l, v->text, in, &why);
        if (one == TEMPO_E_NOMEM)
            return tempo_fail(err, one, why.offset, "%s", why.msg);
        if (one != TEMPO_OK)
            st = tempo_yaml_both(st, tempo_yaml_fail(err, v, "%s", why.msg));
    }
    return st;
}

static tempo_status edit_arm(tempo_experiment *e, size_t i, const tempo_model *m, const char *dir,
                             tempo_err *err)
{
    tempo_experiment_arm *arm = &e->arms[i];
    tempo_edit_run runs[TEMPO_EXPERIMENT_MAX_ARMS];
    tempo_edit_inputs in;
    tempo_status st;

    if (e->edits == NULL && arm->edits == NULL)
        return TEMPO_OK;
    tempo_edit_inputs_init(&in);
    in.directory = dir;
    in.runs = runs;
    in.n_runs = i; /* those before it */
    for (size_t k = 0; k < i; k++)
        runs[k] = (tempo_edit_run){e->arms[k].name, NULL};
    if ((st = tempo_edits_create(&arm->list, m, err)) != TEMPO_OK ||
        (st = add(arm->list, e->edits, &in, err)) != TEMPO_OK)
        return st; /* what is wrong for one is wrong for all */
    arm->decoding.edits = arm->list;
    if ((st = add(arm->list, arm->edits, &in, err)) == TEMPO_OK && tempo_edits_need_arms(arm->list) &&
        e->pairs > 0)
        tempo_experiment_add_note(e, arm->edits != NULL ? arm->edits : e->edits,
                                  "arm '%s' patches from another and cannot run alone: no times are taken",
                                  arm->name);
    return st;
}

bool tempo_experiment_is_bound(const tempo_experiment *e)
{
    bool bound = false;

    for (size_t i = 0; i < e->n_arms; i++)
        bound = bound || tempo_edits_need_arms(e->arms[i].list);
    return bound;
}

tempo_status tempo_experiment_edit(tempo_experiment *e, const tempo_model *m, const tempo_yaml_tell *tell,
                                   tempo_err *err)
{
    const char *slash = strrchr(e->path, '/');
    char dir[4096] = "";
    tempo_err why = {0};
    tempo_status st = TEMPO_OK;

    if (slash != NULL && (size_t)(slash - e->path) < sizeof(dir))
        memcpy(dir, e->path, (size_t)(slash - e->path));
    /* a mistake in the file's own edits is told once, not of each arm */
    for (size_t i = 0; i < e->n_arms && (st == TEMPO_OK || e->arms[i - 1].decoding.edits != NULL); i++)
        st = tempo_yaml_both(st, edit_arm(e, i, m,
                                          slash == e->path ? "/"
                                          : dir[0] != '\0' ? dir
                                                           : NULL,
                                          &why));
    return tempo_yaml_settle(e->doc, st, &why, tell, err);
}
