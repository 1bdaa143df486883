/* patch_json.c - grids as one document. */
#include <string.h>

#include "cli/message.h"
#include "cli/patch/patch.h"
#include "io/json_file.h"

static json_t *axis(const uint32_t *which, size_t n)
{
    if (which == NULL)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(which[i]));
    return list;
}

/* Lists in lists, one for each axis that there is. */
static json_t *nested(const patching *v, const tempo_patch_grid *g, bool normalised)
{
    const uint32_t *const axes[] = {g->layers, g->heads, g->positions};
    const size_t sizes[] = {g->n_layers, g->n_heads, g->n_positions};
    json_t *lists[4] = {json_array()};

    for (size_t i = 0; i < g->n_layers * g->n_heads * g->n_positions; i++) {
        size_t below = 1, depth = 0;
        for (size_t a = 3; a-- > 0;)
            below *= sizes[a];
        for (size_t a = 0; a < 3; a++) {
            below /= sizes[a];
            if (axes[a] == NULL)
                continue;
            if (depth > 0 && i % (below * sizes[a]) == 0) { /* a new list of this axis */
                lists[depth] = json_array();
                json_array_append_new(lists[depth - 1], lists[depth]);
            }
            depth++;
        }
        const double x = g->values[i];
        json_t *number = tempo_json_number(normalised ? tempo_patch_normalised(v->p, x) : x);
        if (depth > 0) {
            json_array_append_new(lists[depth - 1], number);
            continue;
        }
        json_decref(lists[0]); /* no axis at all */
        return number;
    }
    return lists[0];
}

static json_t *grids(const patching *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tempo_patch_get_info(v->p).n_grids; i++) {
        const tempo_patch_grid g = tempo_patch_get_grid(v->p, i);
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "tap",
                                              tempo_tap_get_info(NULL, g.tap).short_name, "direction",
                                              tempo_patch_direction_name(g.direction), "layers",
                                              axis(g.layers, g.n_layers), "heads", axis(g.heads, g.n_heads),
                                              "positions", axis(g.positions, g.n_positions), "values",
                                              nested(v, &g, false), "normalised", nested(v, &g, true)));
    }
    return list;
}

int print_patch_json(const patching *v)
{
    const tempo_patch_info info = tempo_patch_get_info(v->p);
    json_t *names = json_array(), *model = json_model(v->s, v->o);

    if (model == NULL)
        return EXIT_FAILED;
    for (size_t i = 0; i < info.n_positions; i++)
        json_array_append_new(names, json_text(v->positions[i], strlen(v->positions[i])));
    json_t *doc =
        json_pack("{s:s, s:o, s:O, s:o, s:o, s:o, s:I, s:I, s:I, s:b, s:o}", "version", tempo_version(),
                  "model", model, "setup", v->setup, "position_names", names, "clean",
                  tempo_json_number(info.clean), "corrupt", tempo_json_number(info.corrupt), "cells",
                  (json_int_t)info.n_cells, "unchanged", (json_int_t)info.n_unchanged, "missing",
                  (json_int_t)info.n_left, "interrupted", (int)v->interrupted, "grids", grids(v));
    if (doc == NULL) {
        say("out of memory for the output");
        return EXIT_FAILED;
    }
    return print_json(doc, false);
}
