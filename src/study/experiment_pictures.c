/* experiment_pictures.c - the SVG files beside EXPERIMENT_RESULTS.md, from the summary's numbers as the
 * document is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/experiment_document.h"
#include "study/json_out.h"
#include "study/plot.h"

const tempo_picture_kind tempo_pictures[TEMPO_PICTURES] = {
    {"EXPERIMENT_RESULTS-attention.svg", "Attention by layer",
     "How much of their attention visible rows give to the other members of their set, and how far the "
     "modes' attention is "
     "apart on what both see."},
    {"EXPERIMENT_RESULTS-tv.svg", "Distributions by step",
     "How far isolated and visible mode are apart while they have the same tokens behind them: a line ends "
     "where they "
     "choose different sets."},
    {"EXPERIMENT_RESULTS-sets.svg", "Set sizes by step",
     "The members of each arm's sets, and of the published ones."},
};
enum { ATTENTION, TV, SETS, PANELS = 12 };

/* "exp1_attention", or with the case's folder where there are several. */
static void name_case(char out[TEMPO_PLOT_NAME], const json_t *result, const json_t *c)
{
    const char *folder = tempo_results_string(c, "folder");

    (void)snprintf(out, TEMPO_PLOT_NAME, "%.60s%s%.60s", tempo_results_string(result, "experiment"),
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
            json_array_foreach(steps, k, s) y[k] = tempo_json_get_number(s, "tv");
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
        y[i] = tempo_results_item(sizes, i);
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
        (void)snprintf(name, sizeof(name), "published, %.60s%s", tempo_results_string(r, "mode"),
                       tempo_other_model(published));
        add_sizes(p, name, json_object_get(r, "set_sizes"));
    }
}

static size_t make_sets(tempo_plot *plots, const json_t *summary)
{
    const json_t *result, *c, *as;
    size_t n = 0, i;

    EACH_EXPERIMENT(i, result, summary)
    {
        EACH_CASE(k, c, result)
        {
            if (n == PANELS || tempo_earlier_run(summary, result, c, &as) != NULL)
                continue;
            add_sets(&plots[n], result, c);
            n += plots[n].n_lines > 0;
        }
    }
    return n;
}

/* [PANELS] those that have anything in them; returns how many. */
static size_t make_panels(tempo_plot *plots, const json_t *summary, size_t which)
{
    size_t n = 0;

    if (which == SETS)
        return make_sets(plots, summary);
    for (int js = 0; js < 2 && which == ATTENTION; js++) {
        add_layers(&plots[n], summary, js == 1);
        n += plots[n].n_lines > 0;
    }
    if (which == TV) {
        add_tv(&plots[n], summary);
        n += plots[n].n_lines > 0;
    }
    return n;
}

void tempo_put_picture(tempo_text *t, const json_t *summary, size_t which)
{
    tempo_plot *plots = calloc(PANELS, sizeof(*plots));
    size_t n;

    if (plots == NULL) {
        t->failed = true;
        return;
    }
    n = make_panels(plots, summary, which);
    if (n > 0)
        tempo_plots_svg(t, tempo_pictures[which].title, plots, n);
    for (size_t i = 0; i < PANELS; i++)
        tempo_plot_free(&plots[i]);
    free(plots);
}

void tempo_put_picture_links(tempo_text *t, const json_t *summary)
{
    size_t n = 0;

    for (size_t i = 0; i < TEMPO_PICTURES; i++) {
        tempo_text picture = {0};
        tempo_put_picture(&picture, summary, i);
        if (picture.n > 0)
            tempo_text_add(t, "%s![%s](%s)\n\n%s\n\n", n++ == 0 ? "## Pictures\n\n" : "",
                           tempo_pictures[i].title, tempo_pictures[i].file, tempo_pictures[i].says);
        tempo_text_free(&picture);
    }
}
