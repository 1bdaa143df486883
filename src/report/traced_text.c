/* traced_text.c - what was traced: a section of the report, and its pictures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw/effects.h"
#include "files/json_out.h"
#include "report/report.h"
#include "trace/trace.h"

enum { TOP_HEADS = 10, DIRECTORY = 4096 };

static const json_t *kinds_of(const json_t *traced, const char *side, const char *what)
{
    return json_object_get(json_object_get(json_object_get(traced, side), "tv"), what);
}

static void put(tempo_table *t, double x)
{
    tempo_page_number(t, isfinite(x) ? "%.4f" : "-", x);
}

static void put_interval(tempo_table *t, double lo, double hi)
{
    char text[48] = "-";

    if (isfinite(lo) && isfinite(hi))
        (void)snprintf(text, sizeof(text), "%.4f to %.4f", lo, hi);
    tempo_page_cell(t, text);
}

/* Element i of kind `kind`. */
static double at(const json_t *traced, const char *side, const char *what, const char *kind, size_t i)
{
    return tempo_element(json_object_get(kinds_of(traced, side, what), kind), i);
}

/* " (95% interval 0.1 to 0.2)", or nothing where there are too few prompts for one. */
static const char *interval_of(const json_t *traced, const char *side, char out[64])
{
    const double lo = tempo_number_at(kinds_of(traced, side, "low"), "all");
    const double hi = tempo_number_at(kinds_of(traced, side, "high"), "all");

    out[0] = '\0';
    if (isfinite(lo) && isfinite(hi))
        (void)snprintf(out, 64, " (95%% interval %.4f to %.4f)", lo, hi);
    return out;
}

static double mean_of(const json_t *traced, const char *side, const char *measure)
{
    const json_t *m = json_object_get(json_object_get(traced, side), measure);

    return tempo_number_at(json_object_get(m, "mean"), "all");
}

static void put_all(tempo_page *p, const json_t *traced)
{
    char cut[64], contrast[64];

    tempo_page_say(
        p,
        "Visible arms, %lld sets of %lld prompts; means over sets, then prompts.  Without the edges between "
        "siblings the next distribution moves by a total variation of %.4f%s, KL(run || cut) is %.4f nats, "
        "and "
        "another set follows in %.0f%% of the sets.",
        tempo_whole_at(traced, "sets"), tempo_whole_at(traced, "prompts"), mean_of(traced, "cut", "tv"),
        interval_of(traced, "cut", cut), mean_of(traced, "cut", "kl"),
        100 * mean_of(traced, "cut", "set_changes"));
    if (tempo_whole_at(traced, "exchanged_prompts") > 0)
        tempo_page_say(
            p,
            "With strangers in place of the siblings, tokens of other prompts' sets, it moves by %.4f; "
            "cutting the "
            "strangers' edges moves it by %.4f.  Siblings less strangers: %+.4f%s, of %lld prompts.",
            mean_of(traced, "exchanged", "tv"), mean_of(traced, "strangers", "tv"),
            mean_of(traced, "contrast", "tv"), interval_of(traced, "contrast", contrast),
            tempo_whole_at(traced, "exchanged_prompts"));
    else
        tempo_page_say(p, "No set has strangers: there were no others to take them from.");
    tempo_text_add(&p->t, "\n");
}

static void put_layers(tempo_page *p, const json_t *traced)
{
    static const char *const names[] = {
        "layer",        "cut",      "95% interval", "strangers cut", "siblings less strangers",
        "95% interval", "up to it", "it and above"};
    static const int widths[] = {6, 8, 18, 13, 23, 19, 9, 12};
    const size_t first = (size_t)tempo_whole_at(traced, "first_layer"),
                 n = (size_t)tempo_whole_at(traced, "n_layers");

    tempo_table t = tempo_page_named_table(p, 8, names, widths);
    for (size_t l = 0; l < n; l++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "%zu", first + l);
        tempo_page_cell(&t, name);
        put(&t, at(traced, "cut", "mean", "layers", l));
        put_interval(&t, at(traced, "cut", "low", "layers", l), at(traced, "cut", "high", "layers", l));
        put(&t, at(traced, "strangers", "mean", "layers", l));
        put(&t, at(traced, "contrast", "mean", "layers", l));
        put_interval(&t, at(traced, "contrast", "low", "layers", l),
                     at(traced, "contrast", "high", "layers", l));
        put(&t, at(traced, "cut", "mean", "below", l));
        put(&t, at(traced, "cut", "mean", "above", l));
    }
}

static void put_kept(tempo_page *p, const json_t *traced)
{
    static const char *const names[] = {"heads kept", "cut", "95% interval", "exchanged", "strangers cut"};
    static const int widths[] = {10, 8, 18, 9, 13};
    const json_t *kept = json_object_get(traced, "kept");

    tempo_text_add(
        &p->t,
        "\nAll edges changed but those of each set's k strongest heads, by the TV of each one's cut:\n\n");
    tempo_table t = tempo_page_named_table(p, 5, names, widths);
    for (size_t i = 0; i < json_array_size(kept); i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "%.0f", tempo_element(kept, i));
        tempo_page_cell(&t, name);
        put(&t, at(traced, "cut", "mean", "keep", i));
        put_interval(&t, at(traced, "cut", "low", "keep", i), at(traced, "cut", "high", "keep", i));
        put(&t, at(traced, "exchanged", "mean", "keep", i));
        put(&t, at(traced, "strangers", "mean", "keep", i));
    }
}

static void put_ranked(tempo_page *p, const json_t *traced, const double *mean, size_t layers, size_t heads)
{
    static const char *const names[] = {"layer.head", "cut", "95% interval", "strangers cut"};
    static const int widths[] = {12, 8, 18, 13};
    const size_t n = layers * heads, first = (size_t)tempo_whole_at(traced, "first_layer");
    bool *taken = calloc(n + 1, sizeof(*taken));

    tempo_text_add(&p->t, "\nHeads whose cut moves it most:\n\n");
    tempo_table t = tempo_page_named_table(p, 4, names, widths);
    for (size_t k = 0; taken != NULL && k < TOP_HEADS && k < n; k++) {
        size_t best = n;
        char name[48];
        for (size_t i = 0; i < n; i++)
            if (!taken[i] && (best == n || mean[i] > mean[best]))
                best = i;
        taken[best] = true;
        const size_t l = best / heads, h = best % heads;
        (void)snprintf(name, sizeof(name), "%zu.%zu", first + l, h);
        tempo_page_cell(&t, name);
        put(&t, mean[best]);
        put_interval(
            &t, tempo_element(json_array_get(json_object_get(kinds_of(traced, "cut", "low"), "heads"), l), h),
            tempo_element(json_array_get(json_object_get(kinds_of(traced, "cut", "high"), "heads"), l), h));
        put(&t, tempo_element(
                    json_array_get(json_object_get(kinds_of(traced, "strangers", "mean"), "heads"), l), h));
    }
    free(taken);
}

void tempo_report_put_traced(tempo_page *p, const json_t *traced, size_t model)
{
    tempo_heat heat = {.row_name = "layer",
                       .column_name = "head",
                       .first_row = (size_t)tempo_whole_at(traced, "first_layer")};

    if (!json_is_object(traced))
        return;
    double *v = tempo_matrix_of(json_object_get(kinds_of(traced, "cut", "mean"), "heads"), &heat.n_rows,
                                &heat.n_columns);
    tempo_page_heading(p, 3, "Edges between siblings (exploratory)");
    put_all(p, traced);
    put_layers(p, traced);
    put_kept(p, traced);
    if (v != NULL) {
        heat.values = v;
        put_ranked(p, traced, v, heat.n_rows, heat.n_columns);
        tempo_text_add(&p->t, "\n");
        tempo_page_heat(p, &heat);
    }
    free(v);
    if (p->style->markdown)
        tempo_text_add(&p->t, "\n![layers by heads](trace-m%zu.svg)\n\n![curves](trace-curves-m%zu.svg)\n",
                       model, model);
}

/* ---- pictures ---- */

static tempo_status save(const char *dir, const char *kind, size_t model, tempo_text *t, tempo_err *err)
{
    char name[40], path[DIRECTORY];
    char *text = tempo_text_take(t);
    tempo_status st = TEMPO_OK;

    (void)snprintf(name, sizeof(name), "%s-m%zu.svg", kind, model);
    if (text == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %s", name);
    else if ((st = tempo_path_join(path, sizeof(path), dir, name, err)) == TEMPO_OK)
        st = tempo_text_save(path, text, strlen(text), err);
    free(text);
    return st;
}

/* The TV of three sides, [sides][cells], into e; for free(). */
static double *fill(const json_t *traced, tempo_effects *e)
{
    static const tempo_trace_kind kinds[TEMPO_EFFECTS_CURVES] = {TEMPO_TRACE_LAYER, TEMPO_TRACE_BELOW,
                                                                 TEMPO_TRACE_ABOVE, TEMPO_TRACE_KEEP};
    tempo_trace_means shape = {0};
    double *x = NULL;

    if (!tempo_trace_shape_read(&shape, traced) ||
        (x = calloc((size_t)TEMPO_EFFECTS_LINES * shape.n_cells, sizeof(*x))) == NULL)
        return NULL;
    e->first_layer = shape.first_layer;
    e->n_layers = shape.n_layers;
    e->n_heads = shape.n_heads;
    e->n_kept = shape.n_kept;
    e->heads = x + shape.first[TEMPO_TRACE_HEAD];
    for (size_t side = 0; side < TEMPO_EFFECTS_LINES; side++) {
        double *of = x + side * shape.n_cells;
        if (!tempo_trace_kinds_read(&shape, kinds_of(traced, tempo_trace_sides[side], "mean"), of))
            break;
        for (size_t i = 0; i < TEMPO_EFFECTS_CURVES; i++)
            e->curves[i][side] = isfinite(of[0]) ? of + shape.first[kinds[i]] : NULL;
    }
    return x;
}

tempo_status tempo_report_draw_traced(const json_t *report, const char *dir, tempo_err *err)
{
    const json_t *model;
    tempo_status st = TEMPO_OK;
    size_t i;

    json_array_foreach(json_object_get(report, "models"), i, model)
    {
        const json_t *slice = json_array_get(json_object_get(model, "thresholds"), 0);
        const json_t *traced = json_object_get(json_object_get(slice, "exploratory"), "trace");
        tempo_effects e = {.model = tempo_text_at(json_object_get(model, "model"), "name"),
                           .unit = "prompts"};
        tempo_text grid = {0}, curves = {0};
        if (!json_is_object(traced) || st != TEMPO_OK)
            continue;
        double *x = fill(traced, &e);
        e.units = (size_t)tempo_whole_at(traced, "prompts");
        grid.failed = curves.failed = x == NULL;
        if (x != NULL) {
            tempo_effects_grid_svg(&grid, &e);
            tempo_effects_curves_svg(&curves, &e);
        }
        if ((st = save(dir, "trace", i, &grid, err)) == TEMPO_OK)
            st = save(dir, "trace-curves", i, &curves, err);
        tempo_text_free(&grid);
        tempo_text_free(&curves);
        free(x);
    }
    return st;
}
