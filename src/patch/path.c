/* path.c - path patching: what a sender does to receivers by the direct path, and what that does to the end.
 *
 * Three passes.  The two runs, whole.  Then, for each cell, the run that is patched with the sender's values
 * of the other one, every attention head and MLP behind the sender held at what it was (heads only, with
 * free_mlps), so that nothing but the sender's own words in the residual stream reach the receivers; what
 * those compute is kept, before it is held.  Then the run that is patched with these values at the receivers,
 * all else free: that is measured. Source: Goldowsky-Dill et al., Localizing Model Behavior with Path
 * Patching (2023); Wang et al., Interpretability in the Wild (2022), who let MLPs go along.  */
#include <stdlib.h>
#include <string.h>

#include "patch/patch.h"

/* ---- senders and receivers ---- */

/* What writes into the residual stream, and from which layer on, counted from its own, heads and MLPs read
 * it. */
static const struct sender {
    tempo_tap tap;
    uint32_t heads, mlps;
} senders[] = {
    {TEMPO_TAP_EMBED, 0, 0},    {TEMPO_TAP_RESID_PRE, 0, 0},  {TEMPO_TAP_Z, 1, 0},
    {TEMPO_TAP_ATTN_OUT, 1, 0}, {TEMPO_TAP_RESID_MID, 1, 0},  {TEMPO_TAP_MLP_POST, 1, 1},
    {TEMPO_TAP_MLP_OUT, 1, 1},  {TEMPO_TAP_RESID_POST, 1, 1},
};

static const struct sender *find_sender(tempo_tap tap)
{
    for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++)
        if (senders[i].tap == tap)
            return &senders[i];
    return NULL;
}

tempo_status tempo_patch_check_path(const tempo_patch *p, tempo_err *err)
{
    for (size_t i = 0; i < p->o.n_taps; i++)
        if (find_sender(p->o.taps[i].tap) == NULL)
            return tempo_fail_field(
                err, TEMPO_E_ARG, "taps",
                "%s cannot send: a sender writes into the residual stream (embed, resid_pre, z, attn_out, "
                "resid_mid, post, mlp_out, resid_post)",
                tempo_tap_get_info(NULL, p->o.taps[i].tap).short_name);
    for (size_t i = 0; i < p->o.n_receivers; i++) {
        const tempo_tap tap = p->o.receivers[i].tap;
        if (!tempo_tap_get_info(NULL, tap).by_layer || tap == TEMPO_TAP_ATTN_SCORES ||
            tap == TEMPO_TAP_PATTERN)
            return tempo_fail_field(
                err, TEMPO_E_ARG, "receivers",
                "%s cannot receive: a receiver is a tap of layers that is not by slot (q, k, v, resid_post "
                "...)",
                tempo_tap_get_info(NULL, tap).short_name);
    }
    return TEMPO_OK;
}

/* A tap's selection, of layers [first, n) alone.  false: there are none. */
static bool from_layer(tempo_tap_selection *out, const tempo_tap_selection *t, uint32_t first, uint32_t n)
{
    bool any = false;

    *out = *t;
    memset(out->layers, 0, sizeof(out->layers));
    for (uint32_t l = first; l < n; l++)
        if (tempo_tap_has(t->layers, l)) {
            out->layers[l / 64] |= UINT64_C(1) << l % 64;
            any = true;
        }
    return any;
}

/* Receiver i where it is behind the sender: taps are numbered in the order of a layer. */
static bool behind(const tempo_patch *p, const tempo_patch_place *place, size_t i, tempo_tap_selection *out)
{
    const tempo_tap_selection *r = &p->o.receivers[i];

    return from_layer(out, r, place->layer + (r->tap <= place->at.tap ? 1 : 0), p->model->hp.n_layers);
}

static uint32_t first_layer(const tempo_tap_selection *t)
{
    uint32_t l = 0;

    while (!tempo_tap_has(t->layers, l))
        l++;
    return l;
}

/* The layer in which the second pass of a cell begins; n_layers: nothing receives. */
static uint32_t begin_of(const tempo_patch *p, const tempo_patch_place *place)
{
    uint32_t begin = p->model->hp.n_layers;
    tempo_tap_selection r;

    for (size_t i = 0; i < p->o.n_receivers; i++)
        if (behind(p, place, i, &r) && first_layer(&r) < begin)
            begin = first_layer(&r);
    return begin;
}

/* Behind which layer all receivers have been computed.  What ends a layer is done when the next one begins.
 */
static uint32_t end_of(const tempo_patch *p)
{
    const uint32_t n = p->model->hp.n_layers;
    uint32_t end = 0;

    for (size_t i = 0; i < p->o.n_receivers; i++)
        for (uint32_t l = 0; l < n; l++) {
            const tempo_tap tap = p->o.receivers[i].tap;
            const bool next =
                tap >= TEMPO_TAP_MLP_OUT || (tap == TEMPO_TAP_ATTN_OUT && p->model->recipe.parallel);
            const uint32_t after = l + (next ? 2 : 1); /* computed when the next layer begins */
            if (tempo_tap_has(p->o.receivers[i].layers, l) && after > end)
                end = after < n ? after : n;
        }
    return end;
}

/* ---- edits ---- */

static tempo_status add_keep(tempo_edits *l, const tempo_tap_selection *at, tempo_store *to, tempo_err *err)
{
    tempo_edit edit = {
        .kind = TEMPO_EDIT_KEEP, .at = *at, .store = tempo_store_hold(to), .text = strdup("keep")};

    memset(edit.at.heads, 0, sizeof(edit.at.heads));
    if (edit.text != NULL)
        return tempo_edits_append(l, &edit, err);
    tempo_edit_clear(&edit);
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the edits of a cell");
}

/* Hold a tap of all later layers at what it was in the run that is patched. */
static tempo_status add_held(const tempo_patch *p, tempo_edits *l, const tempo_patch_place *place,
                             tempo_tap tap, uint32_t after, tempo_err *err)
{
    const tempo_tap_selection all = {.tap = tap};
    tempo_tap_selection at;

    if (!from_layer(&at, &all, place->layer + after, p->model->hp.n_layers))
        return TEMPO_OK;
    return tempo_patch_add_edit(l, &at, 0, UINT32_MAX, p->side[place->grid->base].store, err);
}

/* What the sender sends, what is kept of the receivers, what is held. */
static tempo_status send_edits(tempo_patch *p, const tempo_patch_place *place, size_t i, tempo_edits *l,
                               tempo_err *err)
{
    const struct sender *s = find_sender(place->at.tap);
    tempo_tap_selection at;
    tempo_status st;

    if (p->taken[i] == NULL && (st = tempo_store_create(&p->taken[i], p->model, p->o.receivers,
                                                        p->o.n_receivers, p->bytes, err)) != TEMPO_OK)
        return st;
    st = tempo_patch_add_edit(l, &place->at, place->set_first, place->set_last,
                              p->side[place->grid->source].store, err);
    for (size_t k = 0; k < p->o.n_receivers && st == TEMPO_OK; k++)
        if (behind(p, place, k, &at))
            st = add_keep(l, &at, p->taken[i], err);
    if (st == TEMPO_OK)
        st = add_held(p, l, place, TEMPO_TAP_Z, s->heads, err);
    return st == TEMPO_OK && !p->o.free_mlps ? add_held(p, l, place, TEMPO_TAP_MLP_OUT, s->mlps, err) : st;
}

static tempo_status receive_edits(tempo_patch *p, const tempo_patch_place *place, size_t i, tempo_edits *l,
                                  tempo_err *err)
{
    tempo_tap_selection at;
    tempo_status st = TEMPO_OK;

    for (size_t k = 0; k < p->o.n_receivers && st == TEMPO_OK; k++)
        if (behind(p, place, k, &at))
            st = tempo_patch_add_edit(l, &at, 0, UINT32_MAX, p->taken[i], err);
    return st;
}

/* ---- the passes ---- */

/* One of the two passes of place[n], without those of which nothing receives; *rows of the batch. */
static tempo_status add_cells(tempo_patch *p, const tempo_patch_place *place, size_t n, bool send,
                              size_t *rows, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    *rows = 0;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        const uint32_t begin = begin_of(p, &place[i]);
        tempo_edits *l;
        if (begin == p->model->hp.n_layers)
            continue;
        if ((st = tempo_edits_create(&l, p->model, err)) != TEMPO_OK)
            return st;
        st = send ? send_edits(p, &place[i], i, l, err) : receive_edits(p, &place[i], i, l, err);
        if (st == TEMPO_OK)
            st = tempo_patch_add_rows(p, i, place[i].grid, place[i].first, send ? place[i].begin : begin, l,
                                      !send, rows, err);
        tempo_edits_free(l);
    }
    return st;
}

tempo_status tempo_patch_run_paths(tempo_patch *p, const tempo_patch_place *place, size_t n, double *value,
                                   const tempo_observer *obs, tempo_err *err)
{
    const uint32_t n_layers = p->model->hp.n_layers;
    size_t rows;
    tempo_status st = add_cells(p, place, n, true, &rows, err);

    if (st == TEMPO_OK && rows > 0)
        st = tempo_engine_pass_part(p->engine, p->rows, p->starts, rows, end_of(p), obs, err);
    if (st == TEMPO_OK)
        st = add_cells(p, place, n, false, &rows, err);
    if (st == TEMPO_OK && rows > 0)
        st = tempo_engine_pass_part(p->engine, p->rows, p->starts, rows, n_layers, obs, err);
    rows = 0;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        const tempo_patch_side *base = &p->side[place[i].grid->base];
        if (begin_of(p, &place[i]) == n_layers) {
            value[i] = base->metric;
            continue;
        }
        rows += p->n_rows - place[i].first;
        st = tempo_patch_measure(p, base, rows - p->n_last, &value[i], err);
    }
    return st;
}
