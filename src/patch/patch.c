/* patch.c - the object: made, stepped, looked at. */
#include <math.h>
#include <stdlib.h>

#include "patch/patch.h"

static void free_side(tempo_patch_side *s)
{
    tempo_seq_free(s->seq);
    tempo_store_free(s->store);
    free(s->rows);
    free(s->weights);
    free(s->q);
}

void tempo_patch_free(tempo_patch *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->max_cells && p->seq != NULL; i++)
        tempo_seq_free(p->seq[i]);
    for (size_t i = 0; i < p->max_cells && p->taken != NULL; i++)
        tempo_store_free(p->taken[i]);
    for (unsigned i = 0; i < TEMPO_PATCH_SIDES; i++)
        free_side(&p->side[i]);
    for (size_t i = 0; i < p->n_grids; i++) {
        free(p->grid[i].layers);
        free(p->grid[i].heads);
        free(p->grid[i].positions);
    }
    void *const owned[] = {p->grid,   p->value, p->done, p->cell,      p->seq, p->taken,
                           p->starts, p->rows,  p->q,    p->set_begin, p->one};
    for (size_t i = 0; i < sizeof(owned) / sizeof(*owned); i++)
        free(owned[i]);
    free((void *)(uintptr_t)p->o.taps);
    free((void *)(uintptr_t)p->o.positions);
    free((void *)(uintptr_t)p->o.receivers);
    free(p);
}

tempo_status tempo_patch_create(tempo_patch **out, tempo_engine *e, const tempo_patch_run *clean,
                                const tempo_patch_run *corrupt, const tempo_patch_options *o, tempo_err *err)
{
    tempo_patch *p = calloc(1, sizeof(*p));
    tempo_status st;

    *out = NULL;
    if (p == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a grid");
    p->engine = e;
    p->model = tempo_engine_model(e);
    p->side[TEMPO_PATCH_CLEAN].metric = p->side[TEMPO_PATCH_CORRUPT].metric = NAN;
    if ((st = tempo_patch_take(p, clean, corrupt, o, err)) != TEMPO_OK ||
        (st = tempo_patch_plan(p, err)) != TEMPO_OK)
        tempo_patch_free(p);
    else
        *out = p;
    return st;
}

tempo_status tempo_patch_step(tempo_patch *p, const tempo_observer *obs, tempo_err *err)
{
    if (!p->ran)
        return tempo_patch_run_sides(p, obs, err);
    return p->n_done < p->n_cells ? tempo_patch_run_cells(p, obs, err) : TEMPO_OK;
}

tempo_patch_info tempo_patch_get_info(const tempo_patch *p)
{
    return (tempo_patch_info){.n_grids = p->n_grids,
                              .n_cells = p->n_cells,
                              .n_left = p->n_cells - p->n_done,
                              .n_unchanged = p->n_unchanged,
                              .n_positions = p->n_sets,
                              .bytes = p->bytes,
                              .clean = p->side[TEMPO_PATCH_CLEAN].metric,
                              .corrupt = p->side[TEMPO_PATCH_CORRUPT].metric};
}

tempo_patch_grid tempo_patch_get_grid(const tempo_patch *p, size_t i)
{
    const tempo_patch_axes *g = &p->grid[i];

    return (tempo_patch_grid){.tap = g->at.tap,
                              .direction =
                                  g->base == TEMPO_PATCH_CORRUPT ? TEMPO_PATCH_DENOISE : TEMPO_PATCH_NOISE,
                              .n_layers = g->n_layers,
                              .n_heads = g->n_heads,
                              .n_positions = g->n_positions,
                              .layers = g->layers,
                              .heads = g->heads,
                              .positions = g->positions,
                              .values = p->value + g->first};
}

void tempo_patch_put(tempo_patch *p, size_t grid, size_t i, double value)
{
    if (grid >= p->n_grids || i >= p->grid[grid].n_cells)
        return;
    const size_t at = p->grid[grid].first + i;
    p->n_done += !p->done[at];
    p->done[at] = true;
    p->value[at] = value;
}

double tempo_patch_normalised(const tempo_patch *p, double value)
{
    const double clean = p->side[TEMPO_PATCH_CLEAN].metric, corrupt = p->side[TEMPO_PATCH_CORRUPT].metric;

    return clean == corrupt ? NAN : (value - corrupt) / (clean - corrupt);
}
