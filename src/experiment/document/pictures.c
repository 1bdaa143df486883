/* pictures.c - the SVG files beside EXPERIMENT_RESULTS.md, from the summary's numbers as the
 * document is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/document/document.h"
#include "files/json_out.h"
#include "draw/plot.h"

const tempo_picture_kind tempo_pictures[TEMPO_PICTURES] = {
    {"EXPERIMENT_RESULTS-attention.svg", "Attention by layer",
     "How much of their attention visible rows give to the other members of their set, and how far the "
     "modes' attention is "
     "apart on what both see.",
     "sibling_mass, comparison.steps"},
    {"EXPERIMENT_RESULTS-tv.svg", "Distributions by step",
     "How far isolated and visible mode are apart while they have the same tokens behind them: a line ends "
     "where they "
     "choose different sets.",
     "comparison.steps"},
    {"EXPERIMENT_RESULTS-sets.svg", "Set sizes by step",
     "The members of each arm's sets, and of the published ones.", "set_sizes"},
};
enum { ATTENTION, TV, SETS, PANELS = 12 };

/* "exp1_attention", or with the case's folder where there are several. */
static void name_case(char out[TEMPO_PLOT_NAME], const json_t *result, const json_t *c)
{
    const char *folder = tempo_text_at(c, "folder");

    (void)snprintf(out, TEMPO_PLOT_NAME, "%.60s%s%.60s", tempo_text_at(result, "experiment"),
                   *folder != '\0' ? "/" : "", folder);
}

/* ---- the panels ---- */

static void add_layers(tempo_plot *p, const json_t *summary, bool js)
{
    const json_t *result, *c;
    char name[TEMPO_PLOT_NAME];
    size_t i, n, steps;
    double *y;

    p->x_name = "layer";
    (void)snprintf(p->title, sizeof(p->title), "%s",
                   js ? "Between isolated and visible, on what both see (Jensen-Shannon, nat)"
                      : "On the other members of the set, in visible mode (share of the attention)");
    EACH_EXPERIMENT(i, result, summary)
    {
        EACH_CASE(k, c, result)
        {
            if (tempo_had_before(summary, result, c, js ? tempo_has_js : tempo_has_mass, "visible") ||
                !tempo_layers_of(c, js, &y, &n, &steps))
                continue;
            name_case(name, result, c);
            tempo_plot_add(p, name, y, n);
        }
    }
}

static void add_tv(tempo_plot *p, const json_t *summary)
{
    const json_t *result, *c, *as, *s;
    char name[TEMPO_PLOT_NAME];
    size_t i, k;

    p->x_name = "step";
    (void)snprintf(p->title, sizeof(p->title), "Total variation between isolated and visible");
    EACH_EXPERIMENT(i, result, summary)
    {
        EACH_CASE(m, c, result)
        {
            const json_t *steps = json_object_get(json_object_get(c, "comparison"), "steps");
            const size_t n = json_array_size(steps);
            double *y =
                n > 0 && tempo_earlier_run(summary, result, c, &as) == NULL ? malloc(n * sizeof(*y)) : NULL;
            if (y == NULL)
                continue;
            json_array_foreach(steps, k, s) y[k] = tempo_number_at(s, "tv");
            name_case(name, result, c);
            tempo_plot_add(p, name, y, n);
        }
    }
}

static void add_sizes(tempo_plot *p, const char *name, const json_t *sizes)
{
    const size_t n = json_array_size(sizes);
    double *y = n > 0 ? malloc(n * sizeof(*y)) : NULL;

    if (y == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        y[i] = tempo_element(sizes, i);
    tempo_plot_add(p, name, y, n);
}

static void add_sets(tempo_plot *p, const json_t *result, const json_t *c)
{
    const json_t *published = json_object_get(result, "published"), *arm, *r;
    const char *arm_name;
    char name[TEMPO_PLOT_NAME];
    size_t k;

    p->x_name = "step";
    p->bars = true;
    name_case(name, result, c);
    (void)snprintf(p->title, sizeof(p->title), "%.150s: members of each step's set", name);
    EACH_ARM(arm_name, arm, c) add_sizes(p, arm_name, json_object_get(arm, "set_sizes"));
    json_array_foreach(json_object_get(published, "runs"), k, r)
    {
        (void)snprintf(name, sizeof(name), "published, %.60s%s", tempo_text_at(r, "mode"),
                       tempo_other_model(published));
        add_sizes(p, name, json_object_get(r, "set_sizes"));
    }
}

/* The panels of a picture that have anything in them. */
typedef struct panels {
    tempo_plot plots[PANELS];
    size_t n, left_out; /* left_out: runs beyond the last that there is room for */
} panels;

static void make_sets(panels *p, const json_t *summary)
{
    const json_t *result, *c, *as;
    size_t i;

    EACH_EXPERIMENT(i, result, summary)
    {
        EACH_CASE(k, c, result)
        {
            tempo_plot spare = {0}, *plot = p->n < PANELS ? &p->plots[p->n] : &spare;
            if (tempo_earlier_run(summary, result, c, &as) != NULL)
                continue;
            add_sets(plot, result, c);
            p->n += plot != &spare && plot->n_lines > 0;
            p->left_out += plot == &spare && plot->n_lines > 0;
            tempo_plot_free(&spare);
        }
    }
}

/* NULL: no memory. */
static panels *make_panels(const json_t *summary, size_t which)
{
    panels *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    if (which == SETS)
        make_sets(p, summary);
    for (int js = 0; js < 2 && which == ATTENTION; js++) {
        add_layers(&p->plots[p->n], summary, js == 1);
        p->n += p->plots[p->n].n_lines > 0;
    }
    if (which == TV) {
        add_tv(&p->plots[0], summary);
        p->n = p->plots[0].n_lines > 0;
    }
    return p;
}

static void free_panels(panels *p)
{
    for (size_t i = 0; i < PANELS; i++)
        tempo_plot_free(&p->plots[i]);
    free(p);
}

/* How much of what is not shown, and where it is; "" when all is. */
static void say_left_out(char out[256], const panels *p, size_t which)
{
    size_t lines = 0;

    out[0] = '\0';
    for (size_t i = 0; i < p->n; i++) {
        const size_t all = p->plots[i].n_lines + p->plots[i].left_out;
        lines = p->plots[i].left_out > 0 && all > lines ? all : lines;
    }
    if (p->left_out > 0)
        (void)snprintf(out, 256, "The first %zu of %zu runs are shown; all are in results.json (%s).", p->n,
                       p->n + p->left_out, tempo_pictures[which].keys);
    else if (lines > 0)
        (void)snprintf(out, 256, "The first %d of %zu lines are shown; all are in results.json (%s).",
                       TEMPO_PLOT_LINES, lines, tempo_pictures[which].keys);
}

void tempo_put_picture(tempo_text *t, const json_t *summary, size_t which)
{
    panels *p = make_panels(summary, which);
    char left_out[256];

    if (p == NULL) {
        t->failed = true;
        return;
    }
    say_left_out(left_out, p, which);
    if (p->n > 0)
        tempo_plots_svg(t, tempo_pictures[which].title, left_out, p->plots, p->n);
    free_panels(p);
}

void tempo_put_picture_links(tempo_text *t, const json_t *summary)
{
    char left_out[256];
    size_t n = 0;

    for (size_t i = 0; i < TEMPO_PICTURES; i++) {
        panels *p = make_panels(summary, i);
        if (p == NULL) {
            t->failed = true;
            return;
        }
        say_left_out(left_out, p, i);
        if (p->n > 0)
            tempo_text_add(t, "%s![%s](%s)\n\n%s%s%s\n\n", n++ == 0 ? "## Pictures\n\n" : "",
                           tempo_pictures[i].title, tempo_pictures[i].file, tempo_pictures[i].says,
                           *left_out != '\0' ? " " : "", left_out);
        free_panels(p);
    }
}
