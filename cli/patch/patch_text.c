/* patch_text.c - grids as tables: layers by positions or heads, normalised. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/generate/cells.h"
#include "cli/message.h"
#include "cli/patch/patch.h"

enum { CELL = 7 };

/* The name of a position, in CELL columns. */
static void add_name(tempo_text *t, const char *s)
{
    size_t used = 0, n = strlen(s);
    glyph g;

    for (size_t len; n > 0; s += len, n -= len) {
        len = next_glyph(s, n, SPACES_VISIBLE, &g);
        if (used + g.width > CELL - 1)
            break;
        tempo_text_add(t, "%.*s", (int)g.n, g.text);
        used += g.width;
    }
    tempo_text_repeat(t, " ", CELL - used);
}

static void add_columns(tempo_text *t, const patching *v, const tempo_patch_grid *g)
{
    const size_t n = g->positions != NULL ? g->n_positions : g->n_heads;

    tempo_text_add(t, "%8s  ", g->positions != NULL ? v->run != NULL ? "set" : "position" : "head");
    for (size_t i = 0; i < n; i++)
        tempo_text_add(t, "%-*" PRIu32, CELL,
                       g->positions != NULL ? g->positions[i]
                       : g->heads != NULL   ? g->heads[i]
                                            : 0);
    tempo_text_add(t, "\n");
    if (g->positions == NULL)
        return;
    tempo_text_add(t, "%8s  ", "");
    for (size_t i = 0; i < n; i++)
        add_name(t, v->positions[g->positions[i]]);
    tempo_text_add(t, "\n");
}

static void add_row(tempo_text *t, const patching *v, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double x = tempo_patch_normalised(v->p, values[i]);
        if (isnan(x))
            tempo_text_add(t, "%-*s", CELL, "-");
        else
            tempo_text_add(t, "%-*.2f", CELL, fabs(x) < 0.005 ? 0.0 : x);
    }
    tempo_text_add(t, "\n");
}

/* Where the value is furthest from what was there: nearest to the other run. */
static void add_largest(tempo_text *t, const patching *v, const tempo_patch_grid *g)
{
    const double untouched = g->direction == TEMPO_PATCH_DENOISE ? 0 : 1;
    size_t best = SIZE_MAX;
    double most = 0;

    for (size_t i = 0; i < g->n_layers * g->n_heads * g->n_positions; i++) {
        const double effect = fabs(tempo_patch_normalised(v->p, g->values[i]) - untouched);
        if (effect > most) {
            most = effect;
            best = i;
        }
    }
    if (best == SIZE_MAX)
        return;
    tempo_text_add(t, "%8s  ", "largest");
    if (g->layers != NULL)
        tempo_text_add(t, "layer %" PRIu32 ", ", g->layers[best / g->n_positions / g->n_heads]);
    if (g->heads != NULL)
        tempo_text_add(t, "head %" PRIu32 ", ", g->heads[best / g->n_positions % g->n_heads]);
    if (g->positions != NULL)
        tempo_text_add(t, "%s %" PRIu32 " %s, ", v->run != NULL ? "set" : "position",
                       g->positions[best % g->n_positions],
                       v->positions[g->positions[best % g->n_positions]]);
    tempo_text_add(t, "%.4f\n", tempo_patch_normalised(v->p, g->values[best]));
}

static void add_grid(tempo_text *t, const patching *v, size_t k)
{
    const tempo_patch_grid g = tempo_patch_get_grid(v->p, k);
    const bool both = g.heads != NULL && g.positions != NULL;
    const size_t n = both ? g.n_positions : g.n_heads * g.n_positions,
                 rows = g.n_layers * (both ? g.n_heads : 1);

    tempo_text_add(t, "\n%s, %s\n", tempo_tap_get_info(NULL, g.tap).short_name,
                   tempo_patch_direction_name(g.direction));
    if (g.heads != NULL || g.positions != NULL)
        add_columns(t, v, &g);
    for (size_t i = 0; i < rows; i++) {
        char label[32] = "";
        if (g.layers != NULL && both)
            (void)snprintf(label, sizeof(label), "%" PRIu32 ".%" PRIu32, g.layers[i / g.n_heads],
                           g.heads[i % g.n_heads]);
        else if (g.layers != NULL)
            (void)snprintf(label, sizeof(label), "layer %" PRIu32, g.layers[i]);
        tempo_text_add(t, "%8s  ", label);
        add_row(t, v, g.values + i * n, n);
    }
    add_largest(t, v, &g);
}

int print_patch(const patching *v)
{
    const tempo_patch_info info = tempo_patch_get_info(v->p);
    const char *clean = v->arm[0] != NULL ? v->arm[0] : "clean",
               *corrupt = v->arm[1] != NULL ? v->arm[1] : "corrupt";
    tempo_text t = {0};

    tempo_text_add(&t, "%s: %s %.6g, %s %.6g; below, 0 is %s and 1 is %s\n",
                   tempo_patch_metric_name((tempo_patch_metric)v->o->metric), clean, info.clean, corrupt,
                   info.corrupt, corrupt, clean);
    if (info.clean == info.corrupt)
        tempo_text_add(&t, "both are the same: there is no scale to tell effects on\n");
    for (size_t k = 0; k < info.n_grids; k++)
        add_grid(&t, v, k);
    char *text = tempo_text_take(&t);
    if (text == NULL) {
        say("out of memory for the tables");
        return EXIT_FAILED;
    }
    fputs(text, stdout);
    free(text);
    return EXIT_OK;
}
