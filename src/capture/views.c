/* views.c - what a pass shows of a decoder, gathered until its step is written. */
#include "capture/capture.h"

/* Begin to gather what taps[n] show of so many rows, if that is the first view of a pass, or again the first
 * of one that is repeated.  */
static tempo_status begin_pass(tempo_capture *c, tempo_gather *g, size_t n_taps, const tempo_tap_view *v,
                               size_t rows, size_t slots, tempo_err *err)
{
    const bool again = v->tap == g->tap && v->layer == g->layer && v->slot == g->slot;
    tempo_status st;

    if (g->views > 0 && !again)
        return TEMPO_OK;
    if ((st = tempo_gather_begin(g, c->model, c->taps, n_taps, rows, slots, err)) != TEMPO_OK)
        return st;
    g->tap = v->tap;
    g->layer = v->layer;
    g->slot = v->slot;
    return tempo_capture_check_limit(c, (uint64_t)g->floats * sizeof(float), err);
}

size_t tempo_capture_taps_of_prompt(const tempo_capture *c)
{
    return c->opt.prompt_rows ? c->n_taps : c->opt.square;
}

static tempo_status take_view(tempo_capture *c, size_t tap, const tempo_tap_view *v, tempo_err *err)
{
    const tempo_tap_selection *s = &c->taps[tap];
    const tempo_reading r = tempo_decoder_reading(c->decoder, v->slot);
    tempo_status st = TEMPO_OK;

    const size_t of_prompt = tempo_capture_taps_of_prompt(c);
    if (tap < of_prompt && r.prompt &&
        (st = begin_pass(c, &c->prompt, of_prompt, v, r.slots, r.slots, err)) == TEMPO_OK)
        st = tempo_gather_view(&c->prompt, c->model, s, v->slot, v, err);
    if (st != TEMPO_OK || !r.read || tap >= c->n_step_taps)
        return st;
    if ((st = begin_pass(c, &c->pass, c->n_step_taps, v, r.rows, r.slots, err)) == TEMPO_OK)
        st = tempo_gather_view(&c->pass, c->model, s, r.row, v, err);
    return st;
}

const tempo_tap_selection *tempo_capture_taps(const tempo_capture *c, size_t *n)
{
    *n = c->n_taps;
    return c->taps;
}

bool tempo_capture_wants_prompt(const tempo_capture *c)
{
    return c->opt.prompt_rows || c->opt.square;
}

bool tempo_capture_view(tempo_capture *c, const tempo_tap_view *v)
{
    if (c->failed.code != TEMPO_OK || v->seq != tempo_decoder_seq(c->decoder))
        return true;
    for (size_t i = 0; i < c->n_taps && c->failed.code == TEMPO_OK; i++)
        if (tempo_taps_include(&c->taps[i], 1, v))
            (void)take_view(c, i, v, &c->failed);
    return true;
}
