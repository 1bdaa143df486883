/* show.c - which taps a pass shows, and the one place through which their values go.
 *
 * forward.c and attention.c call tempo_tap_show with the buffer that the next stage reads, before it does.
 * Edits come first, then the view: what is shown is what the model goes on with.  Scores and pattern, which
 * are by slot and head, are edited where they are made (attention.c).
 *
 * An observer with view_rows gets a tap of all rows at once: a stage whose rows go one after the other then
 * does one STEP of all of them, which ends with what it shows, before the next one (stage.c).  */
#include "engine/pass.h"

uint64_t tempo_taps_wanted(const tempo_observer *obs, uint32_t layer)
{
    uint64_t mask = 0;

    for (size_t i = 0; tempo_sees(obs) && i < obs->n_taps; i++)
        if (layer == TEMPO_ALL_LAYERS || tempo_tap_has(obs->taps[i].layers, layer))
            mask |= TEMPO_TAP_BIT(obs->taps[i].tap);
    return mask;
}

void tempo_tap_show(tempo_engine *e, tempo_tap tap, uint32_t layer, size_t r, float *values, size_t n_0,
                    size_t n_1)
{
    if (e->edit_words > 0 && e->plan[r].edits != NULL)
        tempo_edits_apply(e, tap, layer, r, values, n_0, n_1);
    tempo_tap_view_row(e, tap, layer, r, values, n_0, n_1);
}

void tempo_tap_view_row(tempo_engine *e, tempo_tap tap, uint32_t layer, size_t r, float *values, size_t n_0,
                        size_t n_1)
{
    const tempo_row_plan *p = &e->plan[r];

    if (!p->shown || (e->shown & TEMPO_TAP_BIT(tap)) == 0 || e->stopped)
        return;
    const tempo_tap_view view = {.tap = tap,
                                 .layer = layer,
                                 .row = r,
                                 .seq = p->seq,
                                 .slot = p->slot,
                                 .n_dims = tempo_tap_get_info(NULL, tap).n_dims,
                                 .dims = {n_0, n_1},
                                 .values = values};
    if (e->observer->view_rows != NULL)
        e->views[e->n_views++] = view;
    else
        e->stopped = !e->observer->view(e->observer->user, &view);
}

void tempo_taps_shown(tempo_engine *e)
{
    if (e->n_views > 0 && !e->stopped)
        e->stopped = !e->observer->view_rows(e->observer->user, e->views, e->n_views);
    e->n_views = 0;
}
