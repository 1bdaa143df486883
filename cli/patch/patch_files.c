/* patch_files.c - grids as a table of cells and as pictures. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/patch/patch.h"
#include "draw/grid.h"
#include "files/json_out.h"

enum { MAX_DRAWN = 1 << 18, TEXTS_FIT = 400 };

static size_t cells_of(const tempo_patch_grid *g)
{
    return g->n_layers * g->n_heads * g->n_positions;
}

static int save(const char *path, tempo_text *t)
{
    tempo_err err = {0};
    char *text = tempo_text_take(t);
    int code = EXIT_OK;

    if (text == NULL) {
        say("%s: out of memory for it", path);
        return EXIT_FAILED;
    }
    if (tempo_text_save(path, text, strlen(text), &err) != TEMPO_OK)
        code = say_error(&err);
    free(text);
    return code;
}

/* ---- CSV: RFC 4180 ---- */

static void add_quoted(tempo_text *t, const char *s)
{
    tempo_text_add(t, "\"");
    for (; *s != '\0'; s++)
        tempo_text_add(t, *s == '"' ? "\"\"" : "%c", *s);
    tempo_text_add(t, "\"");
}

/* An empty field where the grid has no such axis, or the value is missing. */
static void add_axis(tempo_text *t, const uint32_t *which, size_t i)
{
    if (which != NULL)
        tempo_text_add(t, "%" PRIu32, which[i]);
    tempo_text_add(t, ",");
}

static void add_number(tempo_text *t, double x)
{
    tempo_text_add(t, ",");
    if (!isnan(x))
        tempo_text_add(t, "%.17g", x);
}

int patch_csv(const patching *v, const char *path)
{
    tempo_text t = {0};

    tempo_text_add(&t, "tap,direction,layer,head,position,token,value,normalised\r\n");
    for (size_t k = 0; k < tempo_patch_get_info(v->p).n_grids; k++) {
        const tempo_patch_grid g = tempo_patch_get_grid(v->p, k);
        for (size_t i = 0; i < cells_of(&g); i++) {
            tempo_text_add(&t, "%s,%s,", tempo_tap_get_info(NULL, g.tap).short_name,
                           tempo_patch_direction_name(g.direction));
            add_axis(&t, g.layers, i / g.n_positions / g.n_heads);
            add_axis(&t, g.heads, i / g.n_positions % g.n_heads);
            add_axis(&t, g.positions, i % g.n_positions);
            if (g.positions != NULL)
                add_quoted(&t, v->positions[g.positions[i % g.n_positions]]);
            add_number(&t, g.values[i]);
            add_number(&t, tempo_patch_normalised(v->p, g.values[i]));
            tempo_text_add(&t, "\r\n");
        }
    }
    return save(path, &t);
}

/* ---- pictures ---- */

/* What a picture points to; strings for free(). */
typedef struct picture {
    char **rows, **columns, **texts;
    size_t n_rows, n_columns;
    double *values;
    bool failed;
} picture;

/* Layers upwards (with heads and positions: each layer's heads), by positions or heads. */
static char *row_label(const tempo_patch_grid *g, size_t i)
{
    const bool both = g->heads != NULL && g->positions != NULL;
    tempo_text t = {0};

    if (g->layers != NULL)
        tempo_text_add(&t, "%" PRIu32, g->layers[both ? i / g->n_heads : i]);
    if (both)
        tempo_text_add(&t, ".%" PRIu32, g->heads[i % g->n_heads]);
    if (g->layers == NULL)
        tempo_text_add(&t, " ");
    return tempo_text_take(&t);
}

static char *column_label(const patching *v, const tempo_patch_grid *g, size_t i)
{
    tempo_text t = {0};

    if (g->positions != NULL)
        tempo_text_add(&t, "%" PRIu32 " %s", g->positions[i], v->positions[g->positions[i]]);
    else if (g->heads != NULL)
        tempo_text_add(&t, "%" PRIu32, g->heads[i]);
    else
        tempo_text_add(&t, "all");
    return tempo_text_take(&t);
}

static char *value_text(double x)
{
    char out[32];

    (void)snprintf(out, sizeof(out), "%.2f", x);
    return strdup(isnan(x) ? "" : out);
}

static picture make_picture(const patching *v, const tempo_patch_grid *g)
{
    const bool both = g->heads != NULL && g->positions != NULL;
    picture p = {.n_rows = both ? g->n_layers * g->n_heads : g->n_layers};

    p.n_columns = cells_of(g) / p.n_rows;
    p.rows = calloc(p.n_rows, sizeof(char *));
    p.columns = calloc(p.n_columns, sizeof(char *));
    p.texts = calloc(cells_of(g), sizeof(char *));
    p.values = calloc(cells_of(g), sizeof(double));
    p.failed = p.rows == NULL || p.columns == NULL || p.texts == NULL || p.values == NULL;
    for (size_t i = 0; i < p.n_rows && !p.failed; i++)
        p.failed = (p.rows[i] = row_label(g, i)) == NULL;
    for (size_t i = 0; i < p.n_columns && !p.failed; i++)
        p.failed = (p.columns[i] = column_label(v, g, i)) == NULL;
    for (size_t i = 0; i < cells_of(g) && !p.failed; i++) {
        p.values[i] = tempo_patch_normalised(v->p, g->values[i]);
        p.failed = (p.texts[i] = value_text(p.values[i])) == NULL;
    }
    return p;
}

static void free_strings(char **s, size_t n)
{
    for (size_t i = 0; i < n && s != NULL; i++)
        free(s[i]);
    free(s);
}

static void free_picture(picture *p)
{
    free_strings(p->rows, p->n_rows);
    free_strings(p->columns, p->n_columns);
    free_strings(p->texts, p->n_rows * p->n_columns);
    free(p->values);
}

static int draw(const patching *v, size_t k, const char *path)
{
    const tempo_patch_grid g = tempo_patch_get_grid(v->p, k);
    const tempo_patch_info info = tempo_patch_get_info(v->p);
    picture p = make_picture(v, &g);
    tempo_text t = {0};
    char title[200], note[200];

    if (p.failed) {
        free_picture(&p);
        say("%s: out of memory for it", path);
        return EXIT_FAILED;
    }
    (void)snprintf(title, sizeof(title), "%s, %s, %.100s", tempo_tap_get_info(NULL, g.tap).short_name,
                   tempo_patch_direction_name(g.direction), tempo_model_get_info(v->s->model)->name);
    (void)snprintf(note, sizeof(note), "%s: 0 is the corrupt run (%.4g), 1 the clean one (%.4g)",
                   tempo_patch_metric_name((tempo_patch_metric)v->o->metric), info.corrupt, info.clean);
    const tempo_grid drawn = {.title = title,
                              .note = note,
                              .row_name = g.heads != NULL && g.positions != NULL ? "layer.head" : "layer",
                              .column_name =
                                  g.positions != NULL ? v->run != NULL ? "set" : "position" : "head",
                              .value_name = "effect",
                              .n_rows = p.n_rows,
                              .n_columns = p.n_columns,
                              .rows = (const char *const *)p.rows,
                              .columns = (const char *const *)p.columns,
                              .texts = cells_of(&g) <= TEXTS_FIT ? (const char *const *)p.texts : NULL,
                              .values = p.values,
                              .low = -1,
                              .high = 1,
                              .diverging = true,
                              .upwards = true};
    tempo_grid_svg(&t, &drawn);
    free_picture(&p);
    return save(path, &t);
}

/* One picture to path; of several grids each to a file with its name in front of the suffix. */
int patch_svg(const patching *v, const char *path)
{
    const size_t n = tempo_patch_get_info(v->p).n_grids;
    int code = EXIT_OK;

    for (size_t k = 0; k < n && code == EXIT_OK; k++) {
        const tempo_patch_grid g = tempo_patch_get_grid(v->p, k);
        const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
        const size_t stem =
            dot != NULL && (slash == NULL || dot > slash) ? (size_t)(dot - path) : strlen(path);
        char name[96];
        tempo_text t = {0};
        if (cells_of(&g) > MAX_DRAWN) {
            say("--svg: %zu cells are more than a picture can have, %d", cells_of(&g), (int)MAX_DRAWN);
            return EXIT_USAGE;
        }
        grid_name(v, k, name);
        if (n == 1)
            tempo_text_add(&t, "%s", path);
        else
            tempo_text_add(&t, "%.*s-%s%s", (int)stem, path, name, path + stem);
        char *full = tempo_text_take(&t);
        if (full == NULL)
            say("%s: out of memory for it", path);
        code = full != NULL ? draw(v, k, full) : EXIT_FAILED;
        free(full);
    }
    return code;
}
