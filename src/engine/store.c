/* store.c - values of taps by layer and slot: a cell for each, with as many numbers as were there. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "engine/edit.h"

typedef struct cell {
    float *values; /* NULL: no room yet */
    size_t n;
    bool there; /* they were kept */
} cell;

struct tempo_store {
    const tempo_model *model;
    atomic_uint refs;
    uint64_t max_bytes, bytes;
    tempo_store *budget;                       /* held: whose bytes and max_bytes count, or NULL: its own */
    tempo_tap_selection taps[TEMPO_TAP_COUNT]; /* [n_taps], each once */
    size_t n_taps, parts;                      /* taps times their layers */
    uint32_t *part;                            /* [TEMPO_TAP_COUNT][n_layers] or UINT32_MAX: see find_part */
    cell **slots;                              /* [n_slots][parts]; NULL: none of that slot */
    size_t n_slots;
};

/* ---- what it keeps ---- */

static uint32_t layers_of(const tempo_store *s, const tempo_tap_selection *t)
{
    uint32_t n = 0;

    if (!tempo_tap_in_layers(t->tap))
        return 1;
    for (uint32_t l = 0; l < s->model->hp.n_layers; l++)
        n += tempo_tap_has(t->layers, l);
    return n;
}

static size_t floats_of(const tempo_store *s, tempo_tap tap, size_t slots)
{
    const tempo_tap_info i = tempo_tap_get_info(s->model, tap);

    return i.dims[0] * (i.n_dims == 1 ? 1 : i.dims[1] != 0 ? i.dims[1] : slots);
}

/* Which part a tap's layer is; UINT32_MAX: it is not kept. */
static uint32_t find_part(const tempo_store *s, tempo_tap tap, uint32_t layer)
{
    if ((unsigned)tap >= TEMPO_TAP_COUNT || layer >= s->model->hp.n_layers)
        return UINT32_MAX;
    return s->part[(size_t)tap * s->model->hp.n_layers + layer];
}

/* Number the parts: taps in the order in which they came, each layer by layer. */
static void number_parts(tempo_store *s)
{
    const uint32_t n_layers = s->model->hp.n_layers;

    for (size_t i = 0; i < (size_t)TEMPO_TAP_COUNT * n_layers; i++)
        s->part[i] = UINT32_MAX;
    for (size_t i = 0; i < s->n_taps; i++) {
        const tempo_tap_selection *t = &s->taps[i];
        const bool by_layer = tempo_tap_in_layers(t->tap);
        for (uint32_t l = 0; l < (by_layer ? n_layers : 1); l++)
            if (!by_layer || tempo_tap_has(t->layers, l))
                s->part[(size_t)t->tap * n_layers + l] = (uint32_t)s->parts++;
    }
}

/* One more selection: layers of a tap that is there already add up. */
static void add_tap(tempo_store *s, const tempo_tap_selection *t)
{
    static const uint64_t all[TEMPO_TAP_WORDS];

    for (size_t i = 0; i < s->n_taps; i++)
        if (s->taps[i].tap == t->tap) {
            const bool whole =
                memcmp(s->taps[i].layers, all, sizeof(all)) == 0 || memcmp(t->layers, all, sizeof(all)) == 0;
            for (size_t w = 0; w < TEMPO_TAP_WORDS; w++)
                s->taps[i].layers[w] = whole ? 0 : s->taps[i].layers[w] | t->layers[w];
            return;
        }
    s->taps[s->n_taps] = (tempo_tap_selection){.tap = t->tap};
    memcpy(s->taps[s->n_taps++].layers, t->layers, sizeof(t->layers));
}

tempo_status tempo_store_create(tempo_store **out, const tempo_model *m, const tempo_tap_selection *taps,
                                size_t n, uint64_t max_bytes, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    *out = NULL;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_tap_check(&taps[i], m, err);
    if (st != TEMPO_OK)
        return st;
    tempo_store *s = calloc(1, sizeof(*s));
    if (s != NULL)
        s->part = malloc((size_t)TEMPO_TAP_COUNT * m->hp.n_layers * sizeof(*s->part));
    if (s == NULL || s->part == NULL) {
        free(s);
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a store of values");
    }
    s->model = m;
    atomic_init(&s->refs, 1);
    s->max_bytes = max_bytes != 0 ? max_bytes : TEMPO_MAX_EDIT_BYTES;
    for (size_t i = 0; i < n; i++)
        add_tap(s, &taps[i]);
    number_parts(s);
    *out = s;
    return TEMPO_OK;
}

tempo_store *tempo_store_hold(tempo_store *s)
{
    if (s != NULL)
        (void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed); /* the caller's keeps it alive */
    return s;
}

void tempo_store_free(tempo_store *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < s->n_slots; i++) {
        for (size_t k = 0; k < s->parts && s->slots[i] != NULL; k++)
            free(s->slots[i][k].values);
        free(s->slots[i]);
    }
    tempo_store_free(s->budget);
    free(s->slots);
    free(s->part);
    free(s);
}

void tempo_store_share(tempo_store *s, tempo_store *budget)
{
    s->budget = tempo_store_hold(budget);
}

const tempo_model *tempo_store_model(const tempo_store *s)
{
    return s->model;
}

uint64_t tempo_store_bytes(const tempo_store *s)
{
    return s->bytes;
}

bool tempo_store_has(const tempo_store *s, const tempo_tap_selection *t)
{
    const bool by_layer = tempo_tap_in_layers(t->tap);
    bool all = true;

    for (uint32_t l = 0; l < (by_layer ? s->model->hp.n_layers : 1) && all; l++)
        all = (by_layer && !tempo_tap_has(t->layers, l)) || find_part(s, t->tap, l) != UINT32_MAX;
    return all;
}

/* ---- values ---- */

static tempo_status no_memory(size_t slot, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the values of slot %zu", slot);
}

/* The cells of a slot, made when there are none. */
static tempo_status find_slot(tempo_store *s, size_t slot, cell **out, tempo_err *err)
{
    if (slot >= s->n_slots) {
        const size_t n = slot + 1 + slot / 2;
        cell **more = realloc(s->slots, n * sizeof(*more));
        if (more == NULL)
            return no_memory(slot, err);
        for (size_t i = s->n_slots; i < n; i++)
            more[i] = NULL;
        s->slots = more;
        s->n_slots = n;
    }
    if (s->slots[slot] == NULL && (s->slots[slot] = calloc(s->parts + 1, sizeof(cell))) == NULL)
        return no_memory(slot, err);
    *out = s->slots[slot];
    return TEMPO_OK;
}

/* Room for n numbers. */
static tempo_status make_room(tempo_store *s, size_t slot, size_t part, size_t n, tempo_err *err)
{
    cell *c = NULL;
    tempo_status st = find_slot(s, slot, &c, err);

    if (st != TEMPO_OK || (c[part].values != NULL && c[part].n == n))
        return st;
    tempo_store *budget = s->budget != NULL ? s->budget : s;
    const uint64_t bytes = (uint64_t)n * sizeof(float), had = (uint64_t)c[part].n * sizeof(float);
    if (bytes > budget->max_bytes || budget->bytes - had > budget->max_bytes - bytes)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "the values of %zu slots would take more than %" PRIu64
                          " bytes: fewer layers or rows",
                          slot + 1, budget->max_bytes);
    float *values = realloc(c[part].values, n > 0 ? bytes : 1);
    if (values == NULL)
        return no_memory(slot, err);
    c[part] = (cell){.values = values, .n = n};
    budget->bytes += bytes - had;
    return TEMPO_OK;
}

tempo_status tempo_store_reserve(tempo_store *s, size_t slot, size_t slots, tempo_err *err)
{
    tempo_status st = TEMPO_OK;
    size_t part = 0;

    for (size_t i = 0; i < s->n_taps; i++)
        for (uint32_t l = layers_of(s, &s->taps[i]); l-- > 0 && st == TEMPO_OK; part++)
            st = make_room(s, slot, part, floats_of(s, s->taps[i].tap, slots), err);
    return st;
}

void tempo_store_put(tempo_store *s, tempo_tap tap, uint32_t layer, size_t slot, const float *values,
                     size_t n)
{
    const uint32_t part = find_part(s, tap, layer);

    if (part == UINT32_MAX)
        return;
    cell *c = &s->slots[slot][part];
    memcpy(c->values, values, n * sizeof(float));
    c->there = true;
}

void tempo_store_put_head(tempo_store *s, tempo_tap tap, const tempo_edited_head *h, size_t slot)
{
    const float hidden = tap == TEMPO_TAP_ATTN_SCORES ? -INFINITY : 0.0f;
    const uint32_t part = find_part(s, tap, h->layer);

    if (part == UINT32_MAX)
        return;
    cell *c = &s->slots[slot][part];
    const size_t width = c->n / s->model->hp.n_heads;
    for (size_t i = 0; i < width; i++)
        c->values[h->head * width + i] =
            i < h->n && (h->visible[i / 64] >> i % 64 & 1) != 0 ? h->x[i] : hidden;
    c->there = true;
}

/* Is it as large as the tap is? */
static bool has_shape(const tempo_store *s, const tempo_tap_view *v)
{
    const tempo_tap_info i = tempo_tap_get_info(s->model, v->tap);

    return v->dims[0] == i.dims[0] && (i.n_dims == 1 || i.dims[1] == 0 || v->dims[1] == i.dims[1]);
}

bool tempo_store_view(tempo_store *s, const tempo_tap_view *view, tempo_err *err)
{
    const uint32_t part = find_part(s, view->tap, view->layer);
    const size_t n = view->dims[0] * view->dims[1];

    if (part == UINT32_MAX)
        return true;
    if (!has_shape(s, view)) {
        (void)!tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a view of %zu x %zu numbers of %s",
                          view->dims[0], view->dims[1], tempo_tap_get_info(NULL, view->tap).short_name);
        return false;
    }
    if (make_room(s, view->slot, part, n, err) != TEMPO_OK)
        return false;
    tempo_store_put(s, view->tap, view->layer, view->slot, view->values, n);
    return true;
}

const float *tempo_store_values(const tempo_store *s, tempo_tap tap, uint32_t layer, size_t slot,
                                size_t dims[2])
{
    const uint32_t part = find_part(s, tap, layer);

    if (part == UINT32_MAX || slot >= s->n_slots || s->slots[slot] == NULL || !s->slots[slot][part].there)
        return NULL;
    const cell *c = &s->slots[slot][part];
    if (dims != NULL) {
        const tempo_tap_info i = tempo_tap_get_info(s->model, tap);
        dims[0] = i.dims[0];
        dims[1] = c->n / i.dims[0];
    }
    return c->values;
}
