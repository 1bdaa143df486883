/* patch_work.c - a grid of patched runs, batch by batch on the worker's thread. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/json_file.h"
#include "server/api/lens/looking.h"

/* Rows of one pass of cells: others' steps wait for it. */
enum { BATCH_ROWS = 128, MAX_BYTES = 256 << 20, MAX_CELLS = 50000 };

struct tempo_patch_work {
    tempo_api *a;
    int32_t *clean, *corrupt;
    size_t n_clean, n_corrupt;
    tempo_patch_options o; /* arrays owned */
    json_t *start;
    tempo_patch *patch;    /* the worker's thread alone touches it */
    bool *told;            /* [cells] */
    size_t held;           /* of what answers hold together (memory.h) */
    bool refused, ran;     /* the two runs */
    tempo_patch_info info; /* after the last part */
};

static bool copy(void *out, const void *from, size_t n, size_t size)
{
    void *mine = malloc(n * size + 1);

    if (mine != NULL && n > 0)
        memcpy(mine, from, n * size);
    memcpy(out, &mine, sizeof(mine));
    return mine != NULL;
}

tempo_patch_work *tempo_patch_work_create(tempo_api *a, const tempo_patch_work_options *o)
{
    tempo_patch_work *w = calloc(1, sizeof(*w));
    const tempo_patch_options *from = o->patch;

    if (w == NULL) {
        json_decref(o->start);
        return NULL;
    }
    *w = (tempo_patch_work){
        .a = a, .n_clean = o->n_clean, .n_corrupt = o->n_corrupt, .o = *from, .start = o->start};
    w->o.taps = NULL;
    w->o.positions = NULL;
    w->o.receivers = NULL;
    if (!copy(&w->clean, o->clean, o->n_clean, sizeof(*o->clean)) ||
        !copy(&w->corrupt, o->corrupt, o->n_corrupt, sizeof(*o->corrupt)) ||
        (from->taps != NULL && !copy(&w->o.taps, from->taps, from->n_taps, sizeof(*from->taps))) ||
        !copy(&w->o.positions, from->positions, from->n_positions, sizeof(*from->positions)) ||
        !copy(&w->o.receivers, from->receivers, from->n_receivers, sizeof(*from->receivers))) {
        tempo_patch_work_free(w);
        return NULL;
    }
    return w;
}

void tempo_patch_work_free(tempo_patch_work *w)
{
    if (w == NULL)
        return;
    free(w->clean);
    free(w->corrupt);
    free((void *)(uintptr_t)w->o.taps);
    free((void *)(uintptr_t)w->o.positions);
    free((void *)(uintptr_t)w->o.receivers);
    free(w->told);
    json_decref(w->start);
    free(w);
}

static void release(void *user)
{
    tempo_patch_work *w = user;

    tempo_patch_free(w->patch);
    w->patch = NULL;
    tempo_api_let_go(w->a, w->held);
    w->held = 0;
}

static void free_work(void *user)
{
    tempo_patch_work_free(user);
}

/* ---- the beginning ---- */

static json_t *list(const uint32_t *which, size_t n)
{
    json_t *a = json_array();

    if (which == NULL) {
        json_decref(a);
        return json_null();
    }
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_integer(which[i]));
    return a;
}

static json_t *grids_json(const tempo_patch *p, const tempo_model *m)
{
    json_t *grids = json_array();

    for (size_t i = 0; i < tempo_patch_get_info(p).n_grids; i++) {
        const tempo_patch_grid g = tempo_patch_get_grid(p, i);
        json_array_append_new(grids, json_pack("{s:s, s:s, s:o, s:o, s:o}", "tap",
                                               tempo_tap_get_info(m, g.tap).short_name, "direction",
                                               tempo_patch_direction_name(g.direction), "layers",
                                               list(g.layers, g.n_layers), "heads", list(g.heads, g.n_heads),
                                               "positions", list(g.positions, g.n_positions)));
    }
    return grids;
}

static tempo_status make_room(tempo_patch_work *w, tempo_err *err)
{
    const tempo_patch_info info = tempo_patch_get_info(w->patch);

    if (info.n_cells > MAX_CELLS)
        return tempo_fail_field(
            err, TEMPO_E_LIMIT, "taps",
            "%zu cells, this server's limit is %d: fewer taps, layers, heads or positions", info.n_cells,
            MAX_CELLS);
    if (!tempo_api_hold(w->a, (size_t)info.bytes))
        return tempo_fail(err, TEMPO_E_BUSY, TEMPO_NO_OFFSET,
                          "answers hold all the memory that they may: try again later");
    w->held = (size_t)info.bytes;
    if ((w->told = calloc(info.n_cells + 1, sizeof(*w->told))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu cells", info.n_cells);
    return TEMPO_OK;
}

static tempo_status begin(tempo_patch_work *w, tempo_engine *e, tempo_work_part *out, tempo_err *err)
{
    const tempo_patch_run clean = {.ids = w->clean, .n = w->n_clean},
                          corrupt = {.ids = w->corrupt, .n = w->n_corrupt};
    const size_t share = w->a->o.max_held / 2;
    tempo_status st;

    w->o.batch_rows = BATCH_ROWS;
    w->o.max_bytes = share < MAX_BYTES ? share : MAX_BYTES;
    if ((st = tempo_patch_create(&w->patch, e, &clean, &corrupt, &w->o, err)) != TEMPO_OK ||
        (st = make_room(w, err)) != TEMPO_OK) {
        w->refused = st != TEMPO_E_NOMEM;
        return st;
    }
    w->info = tempo_patch_get_info(w->patch);
    json_object_set_new(w->start, "grids", grids_json(w->patch, w->a->o.model));
    json_object_set_new(w->start, "cells", json_integer((json_int_t)w->info.n_cells));
    json_object_set_new(w->start, "bytes", json_integer((json_int_t)w->info.bytes));
    out->told = json_pack("[s, O]", "start", w->start);
    out->more = true;
    return TEMPO_OK;
}

/* ---- the cells ---- */

/* Those that are there and were not told; all that are left, at the end, whose values are no numbers. */
static json_t *new_cells(tempo_patch_work *w)
{
    json_t *cells = json_array();
    size_t at = 0;

    for (size_t i = 0; i < w->info.n_grids; i++) {
        const tempo_patch_grid g = tempo_patch_get_grid(w->patch, i);
        const size_t n = g.n_layers * g.n_heads * g.n_positions;
        for (size_t k = 0; k < n; k++, at++) {
            if (w->told[at] || (isnan(g.values[k]) && w->info.n_left > 0))
                continue;
            w->told[at] = true;
            json_array_append_new(
                cells, json_pack("[I, I, o]", (json_int_t)i, (json_int_t)k, tempo_json_number(g.values[k])));
        }
    }
    return cells;
}

static tempo_status do_part(void *user, tempo_engine *e, const tempo_observer *obs, tempo_work_part *out,
                            tempo_err *err)
{
    tempo_patch_work *w = user;
    const bool sides = !w->ran;

    if (w->patch == NULL)
        return begin(w, e, out, err);
    const tempo_status st = tempo_patch_step(w->patch, obs, err);
    if (st != TEMPO_OK)
        return st;
    w->ran = true;
    w->info = tempo_patch_get_info(w->patch);
    out->rows = sides ? w->n_clean + w->n_corrupt : 0;
    out->more = w->info.n_left > 0;
    if (sides)
        out->told = json_pack("[s, {s:o, s:o}]", "runs", "clean", tempo_json_number(w->info.clean), "corrupt",
                              tempo_json_number(w->info.corrupt));
    else
        out->told =
            json_pack("[s, {s:o, s:I}]", "cells", "cells", new_cells(w), "left", (json_int_t)w->info.n_left);
    return TEMPO_OK;
}

tempo_job_work tempo_patch_work_job(tempo_patch_work *w)
{
    return (tempo_job_work){.part = do_part,
                            .release = release,
                            .free = free_work,
                            .user = w,
                            .slots = w->n_clean + w->n_corrupt};
}

bool tempo_patch_work_refused(const tempo_patch_work *w)
{
    return w->refused;
}

json_t *tempo_patch_work_end(const tempo_patch_work *w)
{
    return json_pack("{s:I, s:I}", "cells", (json_int_t)w->info.n_cells, "unchanged",
                     (json_int_t)w->info.n_unchanged);
}
