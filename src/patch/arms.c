/* arms.c - the two runs as two arms of a run that has ended: the same slots, seen in other ways. */
#include <stdlib.h>

#include "patch/patch.h"
#include "run/run.h"

static tempo_status check_arm(const tempo_run *r, size_t arm, tempo_err *err)
{
    const tempo_arm *a = arm < r->n_arms ? &r->arms[arm] : NULL;

    if (a == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "arms", "arm %zu: the run has %zu", arm, r->n_arms);
    if (a->o.replay != TEMPO_REPLAY_NONE || tempo_edits_count(a->o.edits) > 0 || a->o.temperature != 1 ||
        a->o.readout == TEMPO_READOUT_GEOMETRIC)
        return tempo_fail_field(
            err, TEMPO_E_UNSUPPORTED, "arms",
            "arm %s: arms that replay, have edits, a temperature or the geometric readout cannot be patched",
            a->name);
    if (!r->o.keep || !r->o.closing_pass || a->n_steps == 0 || !a->closed)
        return tempo_fail_field(err, TEMPO_E_ARG, "arms",
                                "arm %s: it has no last set that was kept and read once more", a->name);
    return TEMPO_OK;
}

/* The rows that were run, as the decoder made them. */
static void take_rows(const tempo_arm *a, const tempo_seq *s, tempo_row *rows)
{
    const uint32_t last = a->o.last_visible_layer;

    for (size_t i = 0; i < tempo_seq_slot_count(s); i++) {
        const tempo_slot slot = tempo_seq_slot_at(s, i);
        rows[i] = (tempo_row){.token = slot.token,
                              .set = slot.set,
                              .position = slot.position,
                              .mode = a->o.mode,
                              .nudge = a->o.nudge};
        rows[i].first_layer = a->o.first_visible_layer;
        rows[i].n_layers = last == TEMPO_ALL_LAYERS ? 0 : last - a->o.first_visible_layer + 1;
    }
}

/* Of the last set's members with slots, in slot order, as the next readout weighs them. */
static void take_weights(const tempo_arm *a, size_t n_slots, size_t n_last, double *weights)
{
    const tempo_set *set = &a->sets[a->n_steps - 1];
    size_t top = 0, low = 0;
    double sum = 0;

    for (size_t i = 0; i < n_last; i++)
        weights[i] = 0;
    for (size_t i = 0; i < set->n_members; i++)
        if (set->members[i].slot >= 0) {
            const size_t at = (size_t)set->members[i].slot - (n_slots - n_last);
            weights[at] = set->members[i].probability;
            sum += weights[at];
        }
    for (size_t i = 0; i < n_last; i++) {
        top = weights[i] > weights[top] ? i : top;
        low = weights[i] < weights[low] ? i : low;
    }
    for (size_t i = 0; i < n_last; i++)
        switch (a->o.readout) {
        case TEMPO_READOUT_TOP:
            weights[i] = i == top ? 1 : 0;
            break;
        case TEMPO_READOUT_LAST:
            weights[i] = i == low ? 1 : 0;
            break;
        case TEMPO_READOUT_UNIFORM:
            weights[i] = 1.0 / (double)n_last;
            break;
        case TEMPO_READOUT_MIXTURE:
        case TEMPO_READOUT_GEOMETRIC:
            weights[i] = weights[i] / sum;
        }
}

tempo_status tempo_patch_create_arms(tempo_patch **out, const tempo_run *r, size_t clean, size_t corrupt,
                                     const tempo_patch_options *o, tempo_err *err)
{
    const size_t arm[] = {clean, corrupt};
    tempo_patch_run run[2] = {{0}};
    tempo_row *rows[2] = {NULL};
    double *weights[2] = {NULL};
    tempo_status st = TEMPO_OK;

    *out = NULL;
    for (unsigned i = 0; i < 2 && st == TEMPO_OK; i++) {
        if ((st = check_arm(r, arm[i], err)) != TEMPO_OK)
            break;
        const tempo_seq *s = tempo_decoder_seq(tempo_run_decoder(r, arm[i]));
        const size_t n = tempo_seq_slot_count(s),
                     last = tempo_decoder_row_count(tempo_run_decoder(r, arm[i]));
        rows[i] = malloc((n + 1) * sizeof(**rows));
        weights[i] = malloc((last + 1) * sizeof(**weights));
        if (rows[i] == NULL || weights[i] == NULL) {
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the rows of an arm");
            break;
        }
        take_rows(&r->arms[arm[i]], s, rows[i]);
        take_weights(&r->arms[arm[i]], n, last, weights[i]);
        run[i] = (tempo_patch_run){.rows = rows[i], .n = n, .weights = weights[i]};
    }
    for (size_t k = 0; st == TEMPO_OK && run[0].n == run[1].n && k < run[0].n; k++)
        if (rows[0][k].token != rows[1][k].token || rows[0][k].position != rows[1][k].position)
            st = tempo_fail_field(err, TEMPO_E_ARG, "arms",
                                  "the arms have other slots from slot %zu on: they are in lockstep", k);
    if (st == TEMPO_OK)
        st = tempo_patch_create(out, r->engine, &run[0], &run[1], o, err);
    for (unsigned i = 0; i < 2; i++) {
        free(rows[i]);
        free(weights[i]);
    }
    return st;
}
