/* cells.c - a batch of cells: where each begins, its edits, the pass. */
#include <stdlib.h>
#include <string.h>

#include "patch/patch.h"

uint32_t tempo_patch_begin(const tempo_model *m, tempo_tap tap, uint32_t layer)
{
    if (tempo_tap_get_info(NULL, tap).by_layer)
        return layer;
    return tap == TEMPO_TAP_EMBED || tap == TEMPO_TAP_POS_EMBED ? 0 : m->hp.n_layers;
}

/* ---- what a cell takes ---- */

static void only(uint64_t bits[TEMPO_TAP_WORDS], uint32_t i)
{
    memset(bits, 0, TEMPO_TAP_WORDS * sizeof(*bits));
    bits[i / 64] = UINT64_C(1) << i % 64;
}

/* Do two runs have other bits at a tap, in the heads that are selected? */
static bool differs(const tempo_store *a, const tempo_store *b, const tempo_tap_selection *at, uint32_t layer,
                    size_t slot, uint32_t n_heads)
{
    size_t dims[2], others[2];
    const float *x = tempo_store_values(a, at->tap, layer, slot, dims);
    const float *y = tempo_store_values(b, at->tap, layer, slot, others);
    bool any = false;

    if (x == NULL || y == NULL)
        return x != y;
    if (dims[0] != others[0] || dims[1] != others[1])
        return true;
    if (n_heads == 0)
        return memcmp(x, y, dims[0] * dims[1] * sizeof(*x)) != 0;
    for (uint32_t h = 0; h < n_heads && !any; h++)
        any = tempo_tap_has(at->heads, h) &&
              memcmp(x + h * dims[1], y + h * dims[1], dims[1] * sizeof(*x)) != 0;
    return any;
}

/* false: nothing of it differs. */
static bool place_cell(const tempo_patch *p, const tempo_patch_cell *c, tempo_patch_place *out)
{
    const tempo_patch_axes *g = &p->grid[c->grid];
    const size_t of_layer = g->n_heads * g->n_positions, head = c->i % of_layer / g->n_positions;
    const size_t position = c->i % g->n_positions;
    const uint32_t n_heads = tempo_tap_get_info(p->model, g->at.tap).n_heads;

    *out =
        (tempo_patch_place){.grid = g, .at = g->at, .begin = c->begin, .set_last = (uint32_t)p->n_sets - 1};
    if (g->layers != NULL) {
        out->layer = g->layers[c->i / of_layer];
        only(out->at.layers, out->layer);
    }
    if (g->heads != NULL)
        only(out->at.heads, g->heads[head]);
    if (g->positions != NULL)
        out->set_first = out->set_last = g->positions[position];
    for (uint32_t set = out->set_first; set <= out->set_last; set++)
        for (size_t slot = p->set_begin[set]; slot < p->set_begin[set + 1]; slot++)
            if (differs(p->side[g->base].store, p->side[g->source].store, &out->at, out->layer, slot,
                        n_heads)) {
                out->first = p->set_begin[set];
                return true;
            }
    return false;
}

/* ---- rows ---- */

tempo_status tempo_patch_add_edit(tempo_edits *l, const tempo_tap_selection *at, uint32_t set_first,
                                  uint32_t set_last, tempo_store *from, tempo_err *err)
{
    tempo_edit edit = {.kind = TEMPO_EDIT_PATCH,
                       .at = *at,
                       .rows = {.set = true, .set_first = set_first, .set_last = set_last},
                       .store = tempo_store_hold(from),
                       .source = SIZE_MAX,
                       .text = strdup("patch")};

    if (edit.text != NULL)
        return tempo_edits_append(l, &edit, err);
    tempo_edit_clear(&edit);
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the edits of a cell");
}

/* Where a row of the base run begins in that layer; NULL: with its embedding. */
static const float *resid_of(const tempo_patch *p, const tempo_patch_side *base, uint32_t begin, size_t slot)
{
    const uint32_t n_layers = p->model->hp.n_layers;

    if (begin == 0)
        return NULL;
    return begin < n_layers ? tempo_store_values(base->store, TEMPO_TAP_RESID_PRE, begin, slot, NULL)
                            : tempo_store_values(base->store, TEMPO_TAP_RESID_POST, n_layers - 1, slot, NULL);
}

tempo_status tempo_patch_add_rows(tempo_patch *p, size_t i, const tempo_patch_axes *grid, size_t first,
                                  uint32_t begin, const tempo_edits *l, bool wanted, size_t *n,
                                  tempo_err *err)
{
    const tempo_seq_options o = {.size = sizeof(o), .kv = p->o.kv, .max_slots = p->n_rows};
    const tempo_patch_side *base = &p->side[grid->base];
    tempo_status st = TEMPO_OK;

    if (p->seq[i] == NULL && (st = tempo_seq_create(&p->seq[i], p->engine, &o, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_seq_begin(p->seq[i], base->seq, first, begin, err)) != TEMPO_OK ||
        (st = tempo_seq_set_edits(p->seq[i], l, p->n_rows, err)) != TEMPO_OK)
        return st;
    for (size_t slot = first; slot < p->n_rows; slot++, (*n)++) {
        p->rows[*n] = base->rows[slot];
        p->rows[*n].seq = p->seq[i];
        p->rows[*n].want = wanted && slot + p->n_last >= p->n_rows ? TEMPO_WANT_LOGITS : 0;
        p->starts[*n] = (tempo_start){begin, resid_of(p, base, begin, slot)};
    }
    return TEMPO_OK;
}

/* ---- a batch ---- */

static void put(tempo_patch *p, const tempo_patch_cell *c, double value)
{
    tempo_patch_put(p, c->grid, c->i, value);
}

/* Cells with a value already, and those in which nothing differs, are passed over; the others up to what a
 * batch holds.  Returns how many; *end: behind the last. */
static size_t gather(tempo_patch *p, tempo_patch_place *place, size_t *cell, size_t *end)
{
    size_t n = 0, rows = 0, i;

    for (i = p->next; i < p->n_cells && n < p->max_cells; i++) {
        const tempo_patch_cell *c = &p->cell[i];
        if (p->done[p->grid[c->grid].first + c->i])
            continue;
        if (!place_cell(p, c, &place[n])) {
            put(p, c, p->side[p->grid[c->grid].base].metric);
            p->n_unchanged++;
            continue;
        }
        const size_t more = p->n_rows - place[n].first;
        if (n > 0 && rows + more > p->max_rows)
            break;
        rows += more;
        cell[n++] = i;
    }
    *end = i;
    return n;
}

/* The pass of cells place[n], whose values go to value[n]. */
static tempo_status run_batch(tempo_patch *p, const tempo_patch_place *place, size_t n, double *value,
                              const tempo_observer *obs, tempo_err *err)
{
    size_t rows = 0;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        tempo_edits *l;
        if ((st = tempo_edits_create(&l, p->model, err)) != TEMPO_OK)
            return st;
        st = tempo_patch_add_edit(l, &place[i].at, place[i].set_first, place[i].set_last,
                                  p->side[place[i].grid->source].store, err);
        if (st == TEMPO_OK)
            st = tempo_patch_add_rows(p, i, place[i].grid, place[i].first, place[i].begin, l, true, &rows,
                                      err);
        tempo_edits_free(l);
    }
    if (st != TEMPO_OK || (st = tempo_engine_pass_part(p->engine, p->rows, p->starts, rows,
                                                       p->model->hp.n_layers, obs, err)) != TEMPO_OK)
        return st;
    rows = 0;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        rows += p->n_rows - place[i].first;
        st = tempo_patch_measure(p, &p->side[place[i].grid->base], rows - p->n_last, &value[i], err);
    }
    return st;
}

tempo_status tempo_patch_run_cells(tempo_patch *p, const tempo_observer *obs, tempo_err *err)
{
    tempo_patch_place *place = malloc(p->max_cells * sizeof(*place));
    size_t *cell = malloc(p->max_cells * sizeof(*cell)), end;
    double *value = malloc(p->max_cells * sizeof(*value));
    const tempo_observer polls = {.user = obs != NULL ? obs->user : NULL,
                                  .poll = obs != NULL ? obs->poll : NULL};
    tempo_status st = TEMPO_OK;

    if (place == NULL || cell == NULL || value == NULL) {
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a batch of cells");
        goto out;
    }
    const size_t n = gather(p, place, cell, &end);
    if (n > 0)
        st = p->o.n_receivers > 0 ? tempo_patch_run_paths(p, place, n, value, &polls, err)
                                  : run_batch(p, place, n, value, &polls, err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        put(p, &p->cell[cell[i]], value[i]);
    if (st == TEMPO_OK)
        p->next = end;
out:
    free(place);
    free(cell);
    free(value);
    return st;
}
