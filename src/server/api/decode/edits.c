/* edits.c - what a request wants computed differently: its edits, and those of its arms, for the model. */
#include <stdio.h>
#include <string.h>

#include "run/arms_json.h"
#include "server/api/inside.h"
#include "server/api/request.h"

/* Vectors stand in the request: a path would be one of this machine. */
static tempo_edit_inputs make_inputs(const tempo_api_request *r, size_t arm, tempo_edit_run *runs)
{
    tempo_edit_inputs in;

    tempo_edit_inputs_init(&in);
    in.no_files = true;
    in.runs = runs;
    in.n_runs = arm;
    for (size_t k = 0; k < arm; k++)
        runs[k] = (tempo_edit_run){r->job.arms[k].name, NULL};
    return in;
}

/* what: where the list stands, "edits" or "arms[1].edits". */
static bool read_list(tempo_edits *l, const json_t *list, const char *what, const tempo_edit_inputs *in,
                      tempo_api_problem *p)
{
    static const char own[] = "edits";
    tempo_err err = {0};
    char param[96];
    const tempo_status st = tempo_edits_read(l, list, in, &err);

    if (st == TEMPO_OK)
        return true;
    (void)snprintf(param, sizeof(param), "%s: ", err.field);
    (void)tempo_err_strip(&err, param); /* the message begins with param */
    (void)snprintf(param, sizeof(param), "%s%s", what,
                   strncmp(err.field, own, sizeof(own) - 1) == 0 ? err.field + sizeof(own) - 1 : "");
    err.code = st == TEMPO_E_NOTFOUND ? TEMPO_E_ARG : st; /* of what the request names, not of a resource */
    return tempo_api_refuse_err(p, param, &err);
}

static bool edit_arm(const tempo_api *a, tempo_api_request *r, size_t i, const char *prefix,
                     tempo_api_problem *p)
{
    tempo_edit_run runs[TEMPO_JOB_MAX_ARMS];
    const tempo_edit_inputs in = make_inputs(r, i, runs);
    tempo_err err = {0};
    char what[64];

    if (json_array_size(r->edits) + json_array_size(r->arm_edits[i]) == 0)
        return true;
    if (tempo_edits_create(&r->lists[i], a->o.model, &err) != TEMPO_OK)
        return tempo_api_refuse_err(p, NULL, &err);
    (void)snprintf(what, sizeof(what), "%sedits", prefix);
    if (!read_list(r->lists[i], r->edits, what, &in, p))
        return false;
    (void)snprintf(what, sizeof(what), "arms[%zu].edits", i);
    if (!read_list(r->lists[i], r->arm_edits[i], what, &in, p))
        return false;
    r->job.arms[i].decoding.edits = r->lists[i];
    return true;
}

bool tempo_api_read_edits(const tempo_api *a, tempo_api_request *r, const char *prefix, tempo_api_problem *p)
{
    const size_t n = r->job.n_arms > 0 ? r->job.n_arms : 1; /* what decodes nothing has one sequence */
    bool ok = true;

    for (size_t i = 0; i < n && ok; i++)
        ok = edit_arm(a, r, i, prefix, p);
    return ok;
}

bool tempo_api_refuse_job(tempo_api_problem *p, const char *prefix, const tempo_err *err)
{
    char param[64];

    (void)snprintf(param, sizeof(param), "%sedits", prefix);
    return tempo_api_refuse_err(p, strcmp(err->field, "edits") == 0 ? param : NULL, err);
}
