/* patch_npz.c - grids as arrays, from which they can go on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/patch/patch.h"
#include "io/json.h"
#include "io/npz.h"

typedef struct file {
    tempo_npz_writer *w;
    tempo_status st;
    tempo_err err;
} file;

static void add(file *f, const char *grid, const char *what, tempo_npy_type type, const uint64_t *shape,
                unsigned n_dims, const void *data)
{
    char name[128];

    (void)snprintf(name, sizeof(name), "%s%s%s", grid, what[0] != '\0' ? "." : "", what);
    if (f->st == TEMPO_OK)
        f->st = tempo_npz_add(f->w, name, type, shape, n_dims, data, &f->err);
}

static void add_axis(file *f, const char *grid, const char *what, const uint32_t *which, size_t n)
{
    const uint64_t shape[] = {n};

    if (which != NULL)
        add(f, grid, what, TEMPO_NPY_U32, shape, 1, which);
}

/* The values, the same normalised, and what its axes are. */
static void add_grid(file *f, const patching *v, size_t i)
{
    const tempo_patch_grid g = tempo_patch_get_grid(v->p, i);
    const size_t n = g.n_layers * g.n_heads * g.n_positions;
    double *normalised = malloc((n + 1) * sizeof(*normalised));
    uint64_t shape[3];
    unsigned n_dims = 0;
    char name[96];

    if (normalised == NULL) {
        f->st = TEMPO_E_NOMEM;
        return;
    }
    grid_name(v, i, name);
    for (size_t k = 0; k < n; k++)
        normalised[k] = tempo_patch_normalised(v->p, g.values[k]);
    if (g.layers != NULL)
        shape[n_dims++] = g.n_layers;
    if (g.heads != NULL)
        shape[n_dims++] = g.n_heads;
    if (g.positions != NULL)
        shape[n_dims++] = g.n_positions;
    add(f, name, "", TEMPO_NPY_F64, shape, n_dims, g.values);
    add(f, name, "normalised", TEMPO_NPY_F64, shape, n_dims, normalised);
    add_axis(f, name, "layers", g.layers, g.n_layers);
    add_axis(f, name, "heads", g.heads, g.n_heads);
    add_axis(f, name, "positions", g.positions, g.n_positions);
    free(normalised);
}

static void add_metadata(file *f, const patching *v)
{
    const tempo_patch_info info = tempo_patch_get_info(v->p);
    const uint64_t two[] = {2};
    const double ends[] = {info.corrupt, info.clean};
    char *setup = tempo_json_print(v->setup);
    json_t *doc = json_pack("{s:s, s:s, s:o, s:O, s:I, s:I}", "kind", "patch", "version", tempo_version(),
                            "model", json_model(v->s, v->o), "setup", v->setup, "cells",
                            (json_int_t)info.n_cells, "missing", (json_int_t)info.n_left);
    char *text = doc != NULL ? tempo_json_print(doc) : NULL;

    json_decref(doc);
    if (setup == NULL || text == NULL)
        f->st = TEMPO_E_NOMEM;
    add(f, "corrupt_and_clean", "", TEMPO_NPY_F64, two, 1, ends);
    if (f->st == TEMPO_OK) {
        const uint64_t bytes[] = {strlen(setup)};
        add(f, "setup", "", TEMPO_NPY_U8, bytes, 1, setup);
        if (f->st == TEMPO_OK)
            f->st = tempo_npz_add_text(f->w, "metadata", text, &f->err);
    }
    free(setup);
    free(text);
}

int patch_npz(const patching *v, const char *path)
{
    file f = {0};

    if (tempo_npz_create(&f.w, path, &f.err) != TEMPO_OK)
        return say_error(&f.err);
    for (size_t i = 0; i < tempo_patch_get_info(v->p).n_grids; i++)
        add_grid(&f, v, i);
    add_metadata(&f, v);
    if (f.st != TEMPO_OK)
        tempo_npz_abort(f.w);
    else
        f.st = tempo_npz_commit(f.w, &f.err);
    if (f.st == TEMPO_E_NOMEM && f.err.code == TEMPO_OK) {
        say("%s: out of memory for it", path);
        return EXIT_FAILED;
    }
    return f.st == TEMPO_OK ? EXIT_OK : say_error(&f.err);
}
