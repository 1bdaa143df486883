/* lanes.c - one pass over many decoders, whose attention goes to the lanes that watch. */
#include "study/lanes.h"

#include <stdlib.h>
#include <string.h>

typedef struct pass {
    tempo_lane *const *lanes;
    size_t n, last; /* last: where the last view's lane was; rows come lane by lane */
    uint32_t n_layers;
    tempo_lanes_poll poll;
    void *user;
    bool no_memory;
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

/* How many rows the next read of a decoder is about. */
static size_t rows_to_read(const tempo_decoder *d)
{
    const tempo_set *set = tempo_decoder_last_set(d);
    size_t n = 0;

    if (set == NULL)
        return 1;
    for (size_t i = 0; i < set->n_members; i++)
        n += set->members[i].slot >= 0;
    return n;
}

static bool grow(tempo_lane *l, size_t need)
{
    if (need > l->cap) {
        float *more = realloc(l->attention, need * sizeof(*more));
        if (more == NULL)
            return false;
        l->attention = more;
        l->cap = need;
    }
    return true;
}

static bool keep(void *user, const tempo_attention_view *v)
{
    pass *p = user;
    tempo_lane *l = lane_of(p, v->seq);

    if (l != NULL && l->capture != NULL)
        (void)tempo_capture_view(l->capture, v);
    if (l == NULL || !l->watch)
        return true;
    if (l->seen == 0 && !grow(l, (size_t)p->n_layers * l->rows * v->n_heads * v->n_slots)) {
        p->no_memory = true;
        return false;
    }
    l->slots = v->n_slots;
    memcpy(l->attention + (v->layer * l->rows + l->seen % l->rows) * v->n_heads * v->n_slots, v->weights,
           v->n_heads * v->n_slots * sizeof(float));
    l->seen++;
    return true;
}

static bool poll_pass(void *user)
{
    const pass *p = user;

    return p->poll == NULL || p->poll(p->user);
}

tempo_status tempo_lanes_read(tempo_lane *const *lanes, size_t n, tempo_lanes_poll poll, void *user,
                              tempo_err *err)
{
    tempo_decoder **ds = calloc(n + 1, sizeof(*ds));
    pass p = {.lanes = lanes, .n = n, .poll = poll, .user = user};
    tempo_observer obs = {.user = &p, .poll = poll_pass};
    tempo_status st;
    size_t m = 0;

    if (ds == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a step of %zu decoders", n);
    for (size_t i = 0; i < n; i++) {
        if (lanes[i]->done || tempo_decoder_stopped(lanes[i]->d) != TEMPO_RUNNING)
            continue;
        lanes[i]->rows = rows_to_read(lanes[i]->d);
        lanes[i]->seen = 0;
        if (lanes[i]->watch || lanes[i]->capture != NULL)
            obs.attention = keep;
        ds[m++] = lanes[i]->d;
    }
    if (n > 0) /* layers are the model's: any view must lie within them */
        p.n_layers = info_of(lanes[0])->n_layers;
    st = tempo_decoders_read(ds, m, &obs, err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        if (!lanes[i]->done)
            lanes[i]->slots = tempo_seq_slot_count(tempo_decoder_seq(lanes[i]->d));
    if (p.no_memory) {
        if (err != NULL)
            *err = (tempo_err){0}; /* "stopped in layer 0" is our own doing */
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the attention of a step");
    }
    free(ds);
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
