/* plan.c - grids and their cells in the order in which they run; what all of it takes of memory. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "patch/patch.h"

enum { MAX_CELLS = 1 << 24, BATCH_CELLS = 96, BATCH_ROWS = 96 };

static const uint64_t usual_bytes = 1000000000;

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the cells of a grid");
}

/* ---- grids ---- */

/* Those of n that are among bits. */
static tempo_status list(uint32_t **out, size_t *n_out, const uint64_t *bits, uint32_t n, tempo_err *err)
{
    *out = malloc((n + 1) * sizeof(**out));
    if (*out == NULL)
        return no_memory(err);
    *n_out = 0;
    for (uint32_t i = 0; i < n; i++)
        if (tempo_tap_has(bits, i))
            (*out)[(*n_out)++] = i;
    return TEMPO_OK;
}

static tempo_status list_positions(const tempo_patch *p, tempo_patch_axes *g, tempo_err *err)
{
    const size_t n = p->o.n_positions > 0 ? p->o.n_positions : p->n_sets;

    g->positions = malloc(n * sizeof(*g->positions));
    if (g->positions == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        g->positions[i] = p->o.n_positions > 0 ? p->o.positions[i] : (uint32_t)i;
    g->n_positions = n;
    return TEMPO_OK;
}

static tempo_status plan_grid(tempo_patch *p, tempo_patch_axes *g, tempo_err *err)
{
    const tempo_tap_info tap = tempo_tap_get_info(p->model, g->at.tap);
    const tempo_patch_each each = p->o.each;
    const bool by_head =
        tap.n_heads > 0 && each != TEMPO_PATCH_EACH_LAYER && each != TEMPO_PATCH_EACH_POSITION;
    const bool by_position = each == TEMPO_PATCH_EACH_POSITION || each == TEMPO_PATCH_EACH_HEAD_POSITION ||
                             (each == TEMPO_PATCH_EACH_DEFAULT && tap.n_heads == 0);
    tempo_status st;

    g->n_layers = g->n_heads = g->n_positions = 1;
    if (tap.by_layer &&
        (st = list(&g->layers, &g->n_layers, g->at.layers, p->model->hp.n_layers, err)) != TEMPO_OK)
        return st;
    if (by_head && (st = list(&g->heads, &g->n_heads, g->at.heads, tap.n_heads, err)) != TEMPO_OK)
        return st;
    if (by_position && (st = list_positions(p, g, err)) != TEMPO_OK)
        return st;
    g->first = p->n_cells;
    g->n_cells = g->n_layers * g->n_heads * g->n_positions; /* below 2^10 * 2^10 * 2^24 */
    p->n_cells += g->n_cells;
    if (p->n_cells > MAX_CELLS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "more than %d cells: fewer taps, layers or positions", (int)MAX_CELLS);
    return TEMPO_OK;
}

static tempo_status plan_grids(tempo_patch *p, tempo_err *err)
{
    static const unsigned patched[] = {TEMPO_PATCH_CORRUPT, TEMPO_PATCH_CLEAN}; /* by direction */
    tempo_status st = TEMPO_OK;

    p->grid = calloc(2 * p->o.n_taps + 1, sizeof(*p->grid));
    if (p->grid == NULL)
        return no_memory(err);
    for (unsigned way = TEMPO_PATCH_DENOISE; way <= TEMPO_PATCH_NOISE; way++)
        for (size_t i = 0; i < p->o.n_taps && st == TEMPO_OK; i++) {
            if (p->o.direction != TEMPO_PATCH_BOTH && (unsigned)p->o.direction != way)
                continue;
            tempo_patch_axes *g = &p->grid[p->n_grids++];
            g->at = p->o.taps[i];
            g->base = patched[way];
            g->source = patched[1 - way];
            st = plan_grid(p, g, err);
        }
    return st;
}

/* ---- the order of cells ---- */

static int by_begin(const void *a, const void *b)
{
    const tempo_patch_cell *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->grid != y->grid)
        return x->grid < y->grid ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

static tempo_status order_cells(tempo_patch *p, tempo_err *err)
{
    p->cell = malloc((p->n_cells + 1) * sizeof(*p->cell));
    p->value = malloc((p->n_cells + 1) * sizeof(*p->value));
    p->done = calloc(p->n_cells + 1, sizeof(*p->done));
    if (p->cell == NULL || p->value == NULL || p->done == NULL)
        return no_memory(err);
    for (size_t k = 0; k < p->n_grids; k++) {
        const tempo_patch_axes *g = &p->grid[k];
        for (size_t i = 0; i < g->n_cells; i++) {
            const uint32_t layer = g->layers != NULL ? g->layers[i / (g->n_heads * g->n_positions)] : 0;
            p->cell[g->first + i] =
                (tempo_patch_cell){(uint32_t)k, tempo_patch_begin(p->model, g->at.tap, layer), i};
            p->value[g->first + i] = NAN;
        }
    }
    qsort(p->cell, p->n_cells, sizeof(*p->cell), by_begin);
    return TEMPO_OK;
}

/* ---- memory ---- */

/* Numbers of a tap in the layers that a selection has, of one slot. */
static uint64_t floats_of(const tempo_patch *p, const tempo_tap_selection *t)
{
    const tempo_tap_info tap = tempo_tap_get_info(p->model, t->tap);
    uint64_t layers = tap.by_layer ? 0 : 1;

    for (uint32_t l = 0; l < p->model->hp.n_layers && tap.by_layer; l++)
        layers += tempo_tap_has(t->layers, l);
    return layers * tap.dims[0] * (tap.n_dims == 1 ? 1 : tap.dims[1] != 0 ? tap.dims[1] : p->n_rows);
}

/* What does not depend on how many cells run at once. */
static uint64_t fixed_bytes(const tempo_patch *p)
{
    const uint64_t pages = (p->n_rows + TEMPO_PAGE_SLOTS - 1) / TEMPO_PAGE_SLOTS;
    tempo_tap_selection kept[TEMPO_PATCH_MAX_KEPT];
    const size_t n = tempo_patch_kept(p, kept);
    uint64_t floats = 0;

    for (size_t i = 0; i < n; i++)
        floats += floats_of(p, &kept[i]) * p->n_rows;
    return TEMPO_PATCH_SIDES * (floats * sizeof(float) + pages * tempo_page_bytes(&p->model->hp, p->o.kv)) +
           4 * (uint64_t)p->model->hp.n_vocab * sizeof(double) +
           p->n_cells * (sizeof(*p->cell) + sizeof(*p->value) + sizeof(*p->done));
}

/* Does the grid patch or show scores or pattern?  Their rows have room for them. */
static bool by_slot(const tempo_patch *p)
{
    bool any = false;

    for (size_t i = 0; i < p->o.n_taps; i++)
        any = any || p->o.taps[i].tap == TEMPO_TAP_ATTN_SCORES || p->o.taps[i].tap == TEMPO_TAP_PATTERN;
    return any;
}

/* Of batches of so many cells and rows, and the scratch of the two runs. */
static uint64_t batch_bytes(const tempo_patch *p, size_t cells, size_t rows)
{
    const size_t most = rows > p->n_rows ? rows : p->n_rows;
    const uint64_t pages = (p->n_rows + TEMPO_PAGE_SLOTS - 1) / TEMPO_PAGE_SLOTS;
    uint64_t taken = 0; /* by the receivers of a path */
    const tempo_batch_size size = {.rows = most,
                                   .logits = cells * p->n_last,
                                   .weights = by_slot(p) ? most : 0,
                                   .slots = p->n_rows,
                                   .edits = 1};

    for (size_t i = 0; i < p->o.n_receivers; i++)
        taken += floats_of(p, &p->o.receivers[i]) * p->n_rows * sizeof(float);
    return tempo_engine_batch_bytes(p->engine, &size) +
           cells * (pages * tempo_page_bytes(&p->model->hp, p->o.kv) + p->n_rows * sizeof(tempo_slot) +
                    taken + 1024) +
           rows * (sizeof(tempo_row) + sizeof(tempo_start));
}

/* As many cells at once as there is memory for. */
static tempo_status fit(tempo_patch *p, tempo_err *err)
{
    const uint64_t half = tempo_memory_available() / 2;
    const uint64_t usual = half < usual_bytes ? half : usual_bytes;
    const uint64_t most = p->o.max_bytes != 0 ? p->o.max_bytes : usual, fixed = fixed_bytes(p);
    size_t cells = p->n_cells < BATCH_CELLS ? p->n_cells : BATCH_CELLS;
    const size_t most_rows = p->o.batch_rows != 0 ? p->o.batch_rows : BATCH_ROWS;
    size_t rows = p->n_rows > most_rows ? p->n_rows : most_rows;

    cells = cells > 0 ? cells : 1;
    rows = rows < cells * p->n_rows ? rows : cells * p->n_rows;
    while (cells > 1 && fixed + batch_bytes(p, cells, rows) > most) {
        cells = (cells + 1) / 2;
        rows = rows < cells * p->n_rows ? rows : cells * p->n_rows;
    }
    p->bytes = fixed + batch_bytes(p, cells, rows);
    if (p->bytes > most)
        return tempo_fail_field(err, TEMPO_E_LIMIT, "max_bytes",
                                "the grid would take %" PRIu64 " bytes with one cell at a time; %" PRIu64
                                " are allowed: a shorter prompt or fewer taps",
                                p->bytes, most);
    p->max_cells = cells;
    p->max_rows = rows;
    return TEMPO_OK;
}

tempo_status tempo_patch_plan(tempo_patch *p, tempo_err *err)
{
    tempo_status st;

    if ((st = plan_grids(p, err)) != TEMPO_OK || (st = fit(p, err)) != TEMPO_OK ||
        (st = order_cells(p, err)) != TEMPO_OK)
        return st;
    p->seq = calloc(p->max_cells, sizeof(tempo_seq *));
    p->taken = calloc(p->max_cells, sizeof(tempo_store *));
    p->rows = malloc(p->max_rows * sizeof(*p->rows));
    p->starts = malloc(p->max_rows * sizeof(*p->starts));
    p->q = malloc(p->model->hp.n_vocab * sizeof(*p->q));
    p->one = malloc(p->model->hp.n_vocab * sizeof(*p->one));
    return p->seq != NULL && p->taken != NULL && p->rows != NULL && p->starts != NULL && p->q != NULL &&
                   p->one != NULL
               ? TEMPO_OK
               : no_memory(err);
}
