/* trace_svg.c - a trace as pictures: layers by heads, and curves. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/trace/trace.h"
#include "draw/grid.h"
#include "draw/plot.h"
#include "files/json_out.h"

static int save(const char *path, tempo_text *t)
{
    char *text = tempo_text_take(t);
    tempo_err err = {0};
    int code = EXIT_OK;

    if (text == NULL) {
        say("%s: out of memory for the picture", path);
        return EXIT_FAILED;
    }
    if (tempo_text_save(path, text, strlen(text), &err) != TEMPO_OK)
        code = say_error(&err);
    free(text);
    return code;
}

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

int trace_svg(const trace_view *v)
{
    const tempo_trace_means *m = &v->means;
    double *values = calloc(m->n_layers * m->n_heads, sizeof(*values)), high = 0;
    numbers layers = {0}, heads = {0};
    tempo_text t = {0};
    char title[160], note[120];

    t.failed = values == NULL || !number_all(&layers, m->first_layer, m->n_layers) ||
               !number_all(&heads, 0, m->n_heads);
    for (size_t i = 0; !t.failed && i < m->n_layers * m->n_heads; i++) {
        values[i] = tempo_trace_mean(m, TEMPO_TRACE_CUT, TEMPO_TRACE_TV, m->first[TEMPO_TRACE_HEAD] + i);
        high = values[i] > high ? values[i] : high;
    }
    (void)snprintf(title, sizeof(title), "Edges between siblings, %.120s",
                   tempo_model_get_info(v->s->model)->name);
    (void)snprintf(note, sizeof(note),
                   "total variation of the next distribution when a head's edges are cut, mean over %zu sets",
                   m->sets);
    const tempo_grid g = {.title = title,
                          .note = note,
                          .row_name = "layer",
                          .column_name = "head",
                          .value_name = "total variation",
                          .n_rows = m->n_layers,
                          .n_columns = m->n_heads,
                          .rows = layers.at,
                          .columns = heads.at,
                          .values = values,
                          .high = high > 0 ? high : 1,
                          .upwards = true};
    if (!t.failed)
        tempo_grid_svg(&t, &g);
    free(values);
    free(layers.text);
    free(layers.at);
    free(heads.text);
    free(heads.at);
    return save(v->o->svg, &t);
}

/* The means of a kind's cells, behind `lead` numbers that there are none of. */
static void add_line(tempo_plot *p, const tempo_trace_means *m, const char *name, int side,
                     tempo_trace_kind kind, size_t lead)
{
    const size_t n = m->n[kind];
    double *y = calloc(lead + n + 1, sizeof(*y));

    for (size_t i = 0; y != NULL && i < lead; i++)
        y[i] = NAN;
    for (size_t i = 0; y != NULL && i < n; i++)
        y[lead + i] = tempo_trace_mean(m, side, TEMPO_TRACE_TV, m->first[kind] + i);
    if (y != NULL)
        tempo_plot_add(p, name, y, lead + n);
}

int trace_curves(const trace_view *v)
{
    static const struct {
        const char *title, *x_name;
        tempo_trace_kind kind;
    } panels[] = {{"one layer", "layer", TEMPO_TRACE_LAYER},
                  {"all layers up to it", "layer", TEMPO_TRACE_BELOW},
                  {"it and all layers above", "layer", TEMPO_TRACE_ABOVE},
                  {"all but the 2^x strongest heads of each set", "x", TEMPO_TRACE_KEEP}};
    const tempo_trace_means *m = &v->means;
    tempo_plot plots[4] = {0};
    tempo_text t = {0};
    char title[160], note[160];

    for (size_t i = 0; i < 4; i++) {
        const size_t lead = panels[i].kind == TEMPO_TRACE_KEEP ? 0 : m->first_layer;
        (void)snprintf(plots[i].title, sizeof(plots[i].title), "%s", panels[i].title);
        plots[i].x_name = panels[i].x_name;
        add_line(&plots[i], m, "cut", TEMPO_TRACE_CUT, panels[i].kind, lead);
        if (m->exchanged > 0) {
            add_line(&plots[i], m, "exchanged for strangers", TEMPO_TRACE_EXCHANGED, panels[i].kind, lead);
            add_line(&plots[i], m, "cut, of strangers", TEMPO_TRACE_STRANGERS, panels[i].kind, lead);
        }
    }
    (void)snprintf(title, sizeof(title), "Edges between siblings, %.120s",
                   tempo_model_get_info(v->s->model)->name);
    (void)snprintf(note, sizeof(note),
                   "total variation of the next distribution, mean over %zu sets (strangers: %zu)", m->sets,
                   m->exchanged);
    tempo_plots_svg(&t, title, note, plots, 4);
    for (size_t i = 0; i < 4; i++)
        tempo_plot_free(&plots[i]);
    return save(v->o->curves, &t);
}
