/* residual.c - the residual stream of some rows, and what was added to it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "lens/lens.h"

/* A row is [resid_pre of layer 0][resid_post][attn_out][mlp_out][z], each of all layers. */
static void layout(tempo_residual *r, unsigned keep)
{
    static const tempo_tap taps[] = {TEMPO_TAP_RESID_PRE, TEMPO_TAP_RESID_POST, TEMPO_TAP_ATTN_OUT,
                                     TEMPO_TAP_MLP_OUT, TEMPO_TAP_Z};
    const unsigned heads = TEMPO_RESIDUAL_HEADS, parts = TEMPO_RESIDUAL_PARTS;

    r->n_taps = (keep & heads) != 0 ? 5 : (keep & parts) != 0 ? 4 : 2;
    for (size_t t = 0; t < r->n_taps; t++) {
        const tempo_tap_info info = tempo_tap_get_info(r->model, taps[t]);
        r->taps[t].tap = taps[t];
        r->width[t] = info.dims[0] * info.dims[1];
        r->at[t] = r->row_floats;
        r->row_floats += r->width[t] * (taps[t] == TEMPO_TAP_RESID_PRE ? 1 : r->model->hp.n_layers);
    }
    r->taps[0].layers[0] = 1;
}

tempo_status tempo_residual_create(tempo_residual **out, const tempo_model *m, size_t rows, unsigned keep,
                                   tempo_err *err)
{
    tempo_residual *r = calloc(1, sizeof(*r));
    tempo_status st;
    size_t floats, bytes;

    *out = NULL;
    if (r == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a residual stream");
    r->model = m;
    r->rows = rows;
    if (m->info.unsupported != NULL || m->layers == NULL)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "model %s was opened without its weights",
                        m->info.name);
    else if (rows == 0)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a lens needs at least one row");
    else
        st = TEMPO_OK;
    if (st != TEMPO_OK)
        goto out;
    layout(r, keep);
    if (__builtin_mul_overflow(rows, r->row_floats, &floats) ||
        __builtin_mul_overflow(floats, sizeof(float), &bytes))
        bytes = SIZE_MAX;
    if ((st = tempo_memory_check(bytes, "the residual stream of so many rows", err)) != TEMPO_OK)
        goto out;
    r->values = malloc(bytes);
    r->there = calloc(rows * r->n_taps, m->hp.n_layers * sizeof(*r->there));
    if (r->values == NULL || r->there == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET,
                        "no memory for the residual stream of %zu rows (%zu bytes)", rows, bytes);
out:
    if (st == TEMPO_OK)
        *out = r;
    else
        tempo_residual_free(r);
    return st;
}

void tempo_residual_free(tempo_residual *r)
{
    if (r == NULL)
        return;
    free(r->values);
    free(r->there);
    free(r);
}

const tempo_tap_selection *tempo_residual_taps(const tempo_residual *r, size_t *n)
{
    *n = r->n_taps;
    return r->taps;
}

/* Which of its taps; n_taps: none that it keeps, in that layer. */
static size_t find(const tempo_residual *r, tempo_tap tap, uint32_t layer)
{
    for (size_t t = 0; t < r->n_taps; t++)
        if (r->taps[t].tap == tap && layer < r->model->hp.n_layers && tempo_tap_has(r->taps[t].layers, layer))
            return t;
    return r->n_taps;
}

static bool *flag(const tempo_residual *r, size_t row, size_t t, uint32_t layer)
{
    return &r->there[(row * r->n_taps + t) * r->model->hp.n_layers + layer];
}

static void put(tempo_residual *r, size_t row, size_t t, uint32_t layer, const float *values)
{
    memcpy(r->values + row * r->row_floats + r->at[t] + layer * r->width[t], values,
           r->width[t] * sizeof(float));
    *flag(r, row, t, layer) = true;
}

const float *tempo_residual_get(const tempo_residual *r, size_t row, tempo_tap tap, uint32_t layer)
{
    const size_t t = find(r, tap, layer);

    if (t == r->n_taps || !*flag(r, row, t, layer))
        return NULL;
    return r->values + row * r->row_floats + r->at[t] + layer * r->width[t];
}

bool tempo_residual_view(tempo_residual *r, size_t row, const tempo_tap_view *view)
{
    const size_t t = find(r, view->tap, view->layer);

    if (t < r->n_taps && row < r->rows && view->dims[0] * view->dims[1] == r->width[t])
        put(r, row, t, view->layer, view->values);
    return true;
}

tempo_status tempo_residual_set(tempo_residual *r, size_t row, tempo_tap tap, uint32_t layer,
                                const float *values, size_t n, tempo_err *err)
{
    const size_t t = find(r, tap, layer);
    const char *name = tempo_tap_get_info(NULL, tap).short_name;

    if (t == r->n_taps)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s of layer %u is not kept",
                          name != NULL ? name : "no tap", layer);
    if (row >= r->rows)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "row %zu: there are rows 0 to %zu", row,
                          r->rows - 1);
    if (n != r->width[t])
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s has %zu numbers, found %zu", name,
                          r->width[t], n);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "%s of layer %u, number %zu is not finite", name, layer, i);
    put(r, row, t, layer, values);
    return TEMPO_OK;
}

/* ---- passes ---- */

typedef struct filling {
    tempo_residual *r;
    const size_t *row_of; /* [rows of the batch] */
    bool (*poll)(void *user);
    void *user;
} filling;

static bool see(void *user, const tempo_tap_view *view)
{
    const filling *f = user;

    return tempo_residual_view(f->r, f->row_of[view->row], view);
}

static bool ask(void *user)
{
    const filling *f = user;

    return f->poll == NULL || f->poll(f->user);
}

tempo_status tempo_residual_forward(tempo_residual *r, size_t first, tempo_engine *e, const tempo_row *rows,
                                    size_t n, bool (*poll)(void *user), void *user, tempo_err *err)
{
    size_t *row_of = malloc((n + 1) * sizeof(*row_of)), next = first;
    filling f = {.r = r, .row_of = row_of, .poll = poll, .user = user};
    const tempo_observer obs = {.user = &f, .poll = ask, .view = see, .taps = r->taps, .n_taps = r->n_taps};
    tempo_status st;

    for (size_t i = 0; i < n && row_of != NULL; i++)
        row_of[i] = (rows[i].want & TEMPO_WANT_TAPS) != 0 ? next++ : SIZE_MAX;
    if (row_of == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a batch of %zu rows", n);
    else if (next > r->rows || e->model != r->model)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                        e->model != r->model ? "the engine is of another model"
                                             : "more rows want taps than there is room for");
    else
        st = tempo_engine_forward(e, rows, n, &obs, err);
    free(row_of);
    return st;
}
