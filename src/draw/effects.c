/* effects.c - a grid of heads, and curves over layers. */
#include "draw/effects.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw/grid.h"
#include "draw/plot.h"

/* n numbers from `first` on as labels. */
typedef struct numbers {
    char (*text)[16];
    const char **at;
} numbers;

static bool number_all(numbers *l, size_t first, size_t n)
{
    l->text = calloc(n, sizeof(*l->text));
    l->at = calloc(n, sizeof(*l->at));
    for (size_t i = 0; l->text != NULL && l->at != NULL && i < n; i++) {
        (void)snprintf(l->text[i], sizeof(l->text[i]), "%zu", first + i);
        l->at[i] = l->text[i];
    }
    return l->text != NULL && l->at != NULL;
}

static void free_numbers(numbers *l)
{
    free(l->text);
    free(l->at);
}

static void put_title(const tempo_effects *e, char title[160])
{
    (void)snprintf(title, 160, "Edges between siblings, %.120s", e->model);
}

void tempo_effects_grid_svg(tempo_text *t, const tempo_effects *e)
{
    numbers layers = {0}, heads = {0};
    char title[160], note[160];
    double high = 0;

    put_title(e, title);
    (void)snprintf(note, sizeof(note),
                   "total variation of the next distribution when a head's edges are cut, mean over %zu %s",
                   e->units, e->unit);
    for (size_t i = 0; i < e->n_layers * e->n_heads; i++)
        high = e->heads[i] > high ? e->heads[i] : high;
    t->failed =
        t->failed || !number_all(&layers, e->first_layer, e->n_layers) || !number_all(&heads, 0, e->n_heads);
    const tempo_grid g = {.title = title,
                          .note = note,
                          .row_name = "layer",
                          .column_name = "head",
                          .value_name = "total variation",
                          .n_rows = e->n_layers,
                          .n_columns = e->n_heads,
                          .rows = layers.at,
                          .columns = heads.at,
                          .values = e->heads,
                          .high = high > 0 ? high : 1,
                          .upwards = true};
    if (!t->failed)
        tempo_grid_svg(t, &g);
    free_numbers(&layers);
    free_numbers(&heads);
}

/* n values behind `lead` places where there are none. */
static bool add_line(tempo_plot *p, const char *name, const double *y, size_t n, size_t lead)
{
    double *all = malloc((lead + n + 1) * sizeof(*all));

    if (all == NULL)
        return false;
    for (size_t i = 0; i < lead; i++)
        all[i] = NAN;
    memcpy(all + lead, y, n * sizeof(*all));
    tempo_plot_add(p, name, all, lead + n);
    return true;
}

void tempo_effects_curves_svg(tempo_text *t, const tempo_effects *e)
{
    static const char *const titles[TEMPO_EFFECTS_CURVES] = {"one layer", "all layers up to it",
                                                             "it and all layers above",
                                                             "all but the 2^x strongest heads of each set"};
    static const char *const names[TEMPO_EFFECTS_LINES] = {"cut", "exchanged for strangers",
                                                           "cut, of strangers"};
    tempo_plot plots[TEMPO_EFFECTS_CURVES] = {0};
    char title[160], note[160];

    put_title(e, title);
    (void)snprintf(note, sizeof(note), "total variation of the next distribution, mean over %zu %s", e->units,
                   e->unit);
    for (size_t i = 0; i < TEMPO_EFFECTS_CURVES; i++) {
        const bool kept = i + 1 == TEMPO_EFFECTS_CURVES;
        (void)snprintf(plots[i].title, sizeof(plots[i].title), "%s", titles[i]);
        plots[i].x_name = kept ? "x" : "layer";
        for (size_t k = 0; k < TEMPO_EFFECTS_LINES; k++)
            if (e->curves[i][k] != NULL)
                t->failed = !add_line(&plots[i], names[k], e->curves[i][k], kept ? e->n_kept : e->n_layers,
                                      kept ? 0 : e->first_layer) ||
                            t->failed;
    }
    tempo_plots_svg(t, title, note, plots, TEMPO_EFFECTS_CURVES);
    for (size_t i = 0; i < TEMPO_EFFECTS_CURVES; i++)
        tempo_plot_free(&plots[i]);
}
