/* lanes.c - one pass over many decoders, and who hears of what it shows. */
#include "run/lanes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "capture/taps.h"
#include "decode/decode.h"

typedef struct pass {
    tempo_lane *const *lanes;
    size_t n, last;            /* last: where the last view's lane was; rows come lane by lane */
    const tempo_observer *obs; /* the caller's, or NULL */
    tempo_taps taps;           /* that somebody wants to see */
} pass;

static const tempo_model_info *info_of(const tempo_lane *l)
{
    return tempo_model_get_info(tempo_engine_model(tempo_decoder_engine(l->d)));
}

void tempo_lane_free(tempo_lane *l)
{
    tempo_decoder_free(l->d);
    free(l->attention);
    *l = (tempo_lane){0};
}

static tempo_lane *lane_of(pass *p, const tempo_seq *seq)
{
    for (size_t i = 0; i < p->n; i++) {
        const size_t at = (p->last + i) % p->n;
        if (tempo_decoder_seq(p->lanes[at]->d) == seq) {
            p->last = at;
            return p->lanes[at];
        }
    }
    return NULL;
}

size_t tempo_lane_pending(const tempo_lane *l)
{
    const tempo_set *set = tempo_decoder_last_set(l->d);
    size_t n = 0;

    if (set == NULL)
        return 1;
    for (size_t i = 0; i < set->n_members; i++)
        n += set->members[i].slot >= 0;
    return n;
}

static bool will_run(const tempo_lane *l)
{
    return !l->done && tempo_decoder_stopped(l->d) == TEMPO_RUNNING;
}

/* Floats of attention that the next read of a lane gives it. */
static size_t floats_to_keep(const tempo_lane *l)
{
    const size_t left = tempo_decoder_prompt_left(l->d), now = tempo_seq_slot_count(tempo_decoder_seq(l->d));

    return l->watch ? tempo_lane_floats(info_of(l), l->rows, now + (left > 0 ? left : l->rows)) : 0;
}

/* A quarter more than is needed: a step's slots grow with every step. */
static size_t grown(size_t need)
{
    return need + need / 4;
}

/* Room for what the next read of every lane gives.  It is written to at once: only so does the system count
 * it, and who asks next for memory learns of it.  */
static tempo_status make_room(tempo_lane *const *lanes, size_t n, tempo_err *err)
{
    size_t more = 0;

    for (size_t i = 0; i < n; i++)
        if (will_run(lanes[i]) && floats_to_keep(lanes[i]) > lanes[i]->cap)
            more += grown(floats_to_keep(lanes[i])) - lanes[i]->cap;
    tempo_status st = tempo_memory_check_floats(more, "the attention of a step", err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        tempo_lane *l = lanes[i];
        const size_t cap = grown(floats_to_keep(l));
        if (!will_run(l) || floats_to_keep(l) <= l->cap)
            continue;
        float *p = realloc(l->attention, cap * sizeof(*p));
        if (p == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the attention of a step");
        memset(p + l->cap, 0, (cap - l->cap) * sizeof(*p));
        l->attention = p;
        l->cap = cap;
    }
    return st;
}

static void keep(tempo_lane *l, size_t row, const tempo_tap_view *v)
{
    l->slots = v->dims[1];
    assert(tempo_lane_floats(info_of(l), l->rows, l->slots) <= l->cap); /* make_room */
    memcpy(l->attention + (v->layer * l->rows + row) * v->dims[0] * v->dims[1], v->values,
           v->dims[0] * v->dims[1] * sizeof(float));
}

/* Each gets what it asked for; a capture knows itself. */
static bool hand_out(void *user, const tempo_tap_view *v)
{
    pass *p = user;
    tempo_lane *l = lane_of(p, v->seq);
    bool on = true;

    if (l != NULL) {
        const tempo_reading r = tempo_decoder_reading(l->d, v->slot);
        const size_t row = r.row;
        if (l->capture != NULL)
            (void)tempo_capture_view(l->capture, v);
        if (!r.read) /* a row of the prompt that a capture wants */
            return true;
        if (l->watch && v->tap == TEMPO_TAP_PATTERN)
            keep(l, row, v);
        if (l->view != NULL && tempo_taps_include(l->taps, l->n_taps, v))
            on = l->view(l->user, l->number, row, v);
    }
    if (on && p->obs != NULL && p->obs->view != NULL && tempo_taps_include(p->obs->taps, p->obs->n_taps, v))
        on = p->obs->view(p->obs->user, v);
    return on;
}

static bool poll_pass(void *user)
{
    const pass *p = user;

    return p->obs == NULL || p->obs->poll == NULL || p->obs->poll(p->obs->user);
}

static void add_taps(tempo_taps *t, const tempo_lane *l)
{
    size_t n;

    if (l->watch)
        tempo_taps_add(t, &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN}, 1);
    if (l->capture != NULL) {
        const tempo_tap_selection *taps = tempo_capture_taps(l->capture, &n);
        tempo_taps_add(t, taps, n);
    }
    if (l->view != NULL)
        tempo_taps_add(t, l->taps, l->n_taps);
}

static tempo_observer observer_of(pass *p)
{
    if (p->obs != NULL && p->obs->view != NULL)
        tempo_taps_add(&p->taps, p->obs->taps, p->obs->n_taps);
    for (size_t i = 0; i < p->n; i++)
        add_taps(&p->taps, p->lanes[i]);
    bool prompts = false;

    for (size_t i = 0; i < p->n; i++)
        prompts =
            prompts || (p->lanes[i]->capture != NULL && tempo_capture_wants_prompt(p->lanes[i]->capture));
    return (tempo_observer){.user = p,
                            .prompts = prompts,
                            .poll = poll_pass,
                            .view = p->taps.n > 0 ? hand_out : NULL,
                            .taps = p->taps.list,
                            .n_taps = p->taps.n};
}

tempo_status tempo_lanes_read(tempo_lane *const *lanes, size_t n, const tempo_observer *obs, tempo_err *err)
{
    tempo_decoder **ds = calloc(n + 1, sizeof(*ds));
    pass p = {.lanes = lanes, .n = n, .obs = obs};
    const tempo_observer own = observer_of(&p);
    tempo_status st;
    size_t m = 0;

    if (ds == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a step of %zu decoders", n);
    for (size_t i = 0; i < n; i++) {
        if (!will_run(lanes[i]))
            continue;
        lanes[i]->rows = tempo_lane_pending(lanes[i]);
        ds[m++] = lanes[i]->d;
    }
    if ((st = make_room(lanes, n, err)) == TEMPO_OK)
        st = tempo_decoders_read(ds, m, &own, err);
    for (size_t i = 0; i < n; i++)
        if (!lanes[i]->done && tempo_decoder_is_read(lanes[i]->d))
            lanes[i]->slots = tempo_seq_slot_count(tempo_decoder_seq(lanes[i]->d));
    free(ds);
    return st;
}

tempo_status tempo_lane_close(tempo_lane *l, const tempo_observer *obs, bool *closed, tempo_err *err)
{
    tempo_lane *const lanes[] = {l};
    pass p = {.lanes = lanes, .n = 1, .obs = obs};
    const tempo_observer own = observer_of(&p);
    const bool watch = l->watch;

    l->rows = tempo_decoder_last_set(l->d) != NULL ? tempo_lane_pending(l) : 0;
    if (!(*closed = l->rows > 0))
        return TEMPO_OK;
    l->watch = false;
    const tempo_status st = tempo_decoder_close_pass(l->d, &own, err);
    l->watch = watch;
    return st;
}

const float *tempo_lane_row(const tempo_lane *l, uint32_t layer, size_t row, uint32_t head)
{
    const uint32_t n_heads = info_of(l)->n_heads;

    return l->attention + ((layer * l->rows + row) * n_heads + head) * l->slots;
}

tempo_sight tempo_lane_sight(const tempo_lane *l, size_t row)
{
    const size_t begin = l->slots - l->rows;

    return (tempo_sight){.n_prev = begin, .own = begin + row, .set_begin = begin, .set_end = l->slots};
}

size_t tempo_lane_floats(const tempo_model_info *m, size_t rows, size_t slots)
{
    return (size_t)m->n_layers * m->n_heads * rows * slots;
}
