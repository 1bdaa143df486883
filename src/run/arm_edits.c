/* arm_edits.c - the edits of a run's arms: what one takes from another is kept where that one computes it.
 *
 * `patch TAP from=ARM` takes what an arm before it has at the same slot in the same run.  That arm's list
 * gets an edit of a kind that changes nothing and keeps the tap's values in a store, from which the other's
 * takes them: rows go through a tap in the order of the arms, and a prompt that goes in parts is kept until
 * the later arm has had it.  */
#include <stdlib.h>
#include <string.h>

#include "engine/edit.h"
#include "run/run.h"

static const tempo_edit *first_from_arm(const tempo_edits *l)
{
    for (size_t i = 0; i < tempo_edits_count(l); i++)
        if (l->list[i].arm != NULL)
            return &l->list[i];
    return NULL;
}

/* The arm before `arm` that is called so; SIZE_MAX: there is none. */
static size_t find_before(const tempo_run_options *o, size_t arm, const char *name)
{
    for (size_t i = 0; i < arm; i++)
        if (strcmp(tempo_run_name(o, i), name) == 0)
            return i;
    return SIZE_MAX;
}

tempo_status tempo_run_check_edits(const tempo_run_options *o, size_t arm, tempo_err *err)
{
    const tempo_edits *l = tempo_run_decoding(o, arm).edits;

    for (size_t i = 0; i < tempo_edits_count(l); i++)
        if (l->list[i].arm != NULL && find_before(o, arm, l->list[i].arm) == SIZE_MAX)
            return tempo_fail_field(err, TEMPO_E_ARG, "edits",
                                    "edit '%.120s': there is no arm '%.40s' before this one", l->list[i].text,
                                    l->list[i].arm);
    return TEMPO_OK;
}

/* An arm's list as one that can be added to: *own, made once. */
static tempo_status own_list(tempo_edits **own, const tempo_model *m, const tempo_edits *l, tempo_err *err)
{
    if (*own != NULL)
        return TEMPO_OK;
    return l != NULL ? tempo_edits_copy(own, l, err) : tempo_edits_create(own, m, err);
}

/* Edit `of` of an arm takes from the list `from` of another. */
static tempo_status link(tempo_edit *of, tempo_edits *from, const tempo_model *m, tempo_store **budget,
                         tempo_err *err)
{
    tempo_edit keep = {.kind = TEMPO_EDIT_KEEP, .at = {.tap = of->at.tap}, .source = SIZE_MAX};
    tempo_status st;

    memcpy(keep.at.layers, of->at.layers, sizeof(keep.at.layers));
    if ((st = tempo_store_create(&keep.store, m, &keep.at, 1, 0, err)) != TEMPO_OK)
        return st;
    if (*budget == NULL)
        *budget = keep.store;
    else
        tempo_store_share(keep.store, *budget);
    of->store = tempo_store_hold(keep.store);
    free(of->arm);
    of->arm = NULL;
    keep.text = strdup(of->text);
    if (keep.text == NULL) {
        tempo_edit_clear(&keep);
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an edit");
    }
    const tempo_status st_append = tempo_edits_append(from, &keep, err);
    if (st_append != TEMPO_OK)
        tempo_err_prefix(err, "edit '%.120s': the arm that it takes from", of->text);
    return st_append;
}

/* own[n_arms]: lists in place of the arms', where one takes from another. */
static tempo_status link_all(tempo_edits **own, const tempo_run_options *o, const tempo_model *m,
                             tempo_err *err)
{
    tempo_store *budget = NULL; /* of all of the run, the first one's: its edit has it */
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < o->n_arms && st == TEMPO_OK; i++) {
        const tempo_edits *l = tempo_run_decoding(o, i).edits;
        if (first_from_arm(l) == NULL)
            continue;
        st = own_list(&own[i], m, l, err);
        for (size_t k = 0; st == TEMPO_OK && k < own[i]->n; k++) {
            const char *name = own[i]->list[k].arm;
            if (name == NULL)
                continue;
            const size_t from = find_before(o, i, name); /* check_edits: it is there */
            if ((st = own_list(&own[from], m, tempo_run_decoding(o, from).edits, err)) == TEMPO_OK)
                st = link(&own[i]->list[k], own[from], m, &budget, err);
        }
    }
    return st;
}

tempo_status tempo_run_link_edits(tempo_run *r, const tempo_run_options *o, tempo_err *err)
{
    tempo_edits *own[TEMPO_RUN_MAX_ARMS] = {NULL};
    const tempo_status st = link_all(own, o, tempo_engine_model(r->engine), err);

    for (size_t i = 0; i < o->n_arms; i++) {
        const tempo_edits *l = tempo_run_decoding(o, i).edits;
        r->arms[i].edits = own[i] != NULL ? own[i] : tempo_edits_hold(l);
        r->arms[i].own_edits = tempo_edits_hold(l);
    }
    return st;
}
