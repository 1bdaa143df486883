/* text.c - the report for people: Markdown, or a terminal. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draw/draw.h"
#include "files/json_out.h"
#include "report/report.h"
#include "study/floor.h"
#include "draw/say.h"

static void number_cell(tempo_table *t, double x)
{
    tempo_page_number(t, isfinite(x) ? "%.4g" : "-", x);
}

static void interval_cell(tempo_table *t, const json_t *ci)
{
    char text[64] = "-";

    if (isfinite(tempo_element(ci, 0)) && isfinite(tempo_element(ci, 1)))
        (void)snprintf(text, sizeof(text), "%.3g to %.3g", tempo_element(ci, 0), tempo_element(ci, 1));
    tempo_page_cell(t, text);
}

/* ---- sections ---- */

static void put_decisions(tempo_page *p, const json_t *slice)
{
    static const char *const names[] = {
        "endpoint",           "verdict",          "prompts",       "mean",
        "90% interval",       "95% interval",     "bound",         "p equivalent (Holm)",
        "p different (Holm)", "equivalent up to", "different from"};
    static const int widths[] = {8, 15, 7, 9, 20, 20, 8, 19, 18, 16, 14};
    const json_t *d;
    size_t i;

    tempo_table t = tempo_page_named_table(p, 11, names, widths);
    json_array_foreach(json_object_get(slice, "decisions"), i, d)
    {
        char n[32];
        tempo_page_cell(&t, tempo_text_at(d, "id"));
        tempo_page_cell(&t, tempo_text_at(d, "verdict"));
        (void)snprintf(n, sizeof(n), "%lld", tempo_whole_at(d, "n"));
        tempo_page_cell(&t, n);
        number_cell(&t, tempo_number_at(d, "mean"));
        interval_cell(&t, json_object_get(d, "ci90"));
        interval_cell(&t, json_object_get(d, "ci95"));
        number_cell(&t, tempo_number_at(d, "bound"));
        number_cell(&t, tempo_number_at(json_object_get(d, "equivalent"), "p_holm"));
        number_cell(&t, tempo_number_at(json_object_get(d, "different"), "p_holm"));
        number_cell(&t, tempo_number_at(d, "equivalent_up_to"));
        number_cell(&t, tempo_number_at(d, "different_from"));
    }
    tempo_text_add(
        &p->t,
        "\nThe last two: true means that a study like this one would find equivalent, or different, about "
        "four "
        "times in five (of D2 distances from 0); \"-\" where there is none.  Where too few prompts have a "
        "value, tests and intervals are those that hold however such values are distributed.\n");
}

static const char *holds(const json_t *check)
{
    const json_t *h = json_object_get(check, "holds");

    return json_is_true(h) ? "holds" : json_is_false(h) ? "DOES NOT HOLD" : "no data";
}

static void put_deterministic(tempo_page *p, const json_t *slice)
{
    const json_t *d = json_object_get(slice, "deterministic"), *a1 = json_object_get(d, "A1"),
                 *d1 = json_object_get(d, "D1");

    tempo_text_add(
        &p->t,
        "\nA1 %s: in the first layer visible attention is isolated attention without the siblings' mass, "
        "to %.2g (tolerance %.2g; %lld prompts).\n",
        holds(a1), tempo_number_at(a1, "worst"), tempo_number_at(a1, "tolerance"), tempo_whole_at(a1, "n"));
    tempo_text_add(
        &p->t,
        "D1 %s: members of a set have one position, as RoPE used it (%lld prompts, unequal in %lld).\n",
        holds(d1), tempo_whole_at(d1, "n"), tempo_whole_at(d1, "unequal"));
}

static void put_map(tempo_page *p, const json_t *explored)
{
    const json_t *heads = json_object_get(explored, "heads"), *map = json_object_get(heads, "sibling_share"),
                 *one;
    tempo_heat heat = {.row_name = "layer", .column_name = "head"};
    double *v = tempo_matrix_of(map, &heat.n_rows, &heat.n_columns);
    size_t i;

    if (v == NULL)
        return;
    heat.values = v;
    tempo_page_heading(p, 3, "Share of attention on siblings, by layer and head (exploratory)");
    tempo_page_heat(p, &heat);
    free(v);
    tempo_text_add(&p->t, "\nEqual weights would give %.3g.  Heads with the greatest share:\n\n",
                   tempo_number_at(heads, "uniform_share"));
    static const char *const names[] = {"layer.head", "share", "over uniform", "p (BH)"};
    static const int widths[] = {12, 8, 12, 8};
    tempo_table t = tempo_page_named_table(p, 4, names, widths);
    json_array_foreach(json_object_get(heads, "ranked"), i, one)
    {
        char name[40];
        (void)snprintf(name, sizeof(name), "%lld.%lld", tempo_whole_at(one, "layer"),
                       tempo_whole_at(one, "head"));
        tempo_page_cell(&t, name);
        number_cell(&t, tempo_number_at(one, "share"));
        number_cell(&t, tempo_number_at(one, "over_uniform"));
        number_cell(&t, tempo_number_at(one, "p_bh"));
    }
}

static void put_layers(tempo_page *p, const json_t *explored)
{
    const json_t *tv = json_object_get(json_object_get(explored, "layers"), "attention_tv");
    double worst = 0.0;

    for (size_t l = 0; l < json_array_size(tv); l++)
        worst = tempo_element(tv, l) > worst ? tempo_element(tv, l) : worst;
    if (json_array_size(tv) == 0)
        return;
    tempo_page_heading(p, 3,
                       "Total variation of attention by layer (exploratory; layer 0 is 0 by construction)");
    tempo_page_fence(p);
    for (size_t l = 0; l < json_array_size(tv); l++) {
        tempo_text_add(&p->t, "%4zu ", l);
        tempo_draw_bar(&p->t, tempo_element(tv, l), worst, 40);
        tempo_text_add(&p->t, " %.3g\n", tempo_element(tv, l));
    }
    tempo_page_fence(p);
}

static void put_contrasts(tempo_page *p, const json_t *explored)
{
    static const char *const names[] = {"contrast",    "prompts",    "mean", "95% interval",  "p",
                                        "p sign flip", "p Wilcoxon", "dz",   "different from"};
    static const int widths[] = {18, 7, 9, 22, 10, 11, 10, 7, 14};
    const char *key;
    json_t *c;

    tempo_page_heading(p, 3, "Signed contrasts (exploratory)");
    tempo_table t = tempo_page_named_table(p, 9, names, widths);
    json_object_foreach(json_object_get(explored, "contrasts"), key, c)
    {
        tempo_page_cell(&t, key);
        number_cell(&t, tempo_number_at(c, "n"));
        number_cell(&t, tempo_number_at(c, "mean"));
        interval_cell(&t, json_object_get(c, "interval"));
        number_cell(&t, tempo_number_at(c, "p"));
        number_cell(&t, tempo_number_at(c, "p_sign_flip"));
        number_cell(&t, tempo_number_at(c, "p_wilcoxon"));
        number_cell(&t, tempo_number_at(c, "dz"));
        number_cell(&t, tempo_number_at(c, "minimal_detectable"));
    }
    tempo_text_add(
        &p->t,
        "\np: is the mean 0?  Not adjusted.  Sign flips and Wilcoxon ask another thing, whether values are "
        "symmetric about 0.  Different from: as in the table above.\n");
}

static void put_steps(tempo_page *p, const json_t *explored)
{
    static const char *const names[] = {"per step", "steps", "mean", "95% interval (BCa over prompts)"};
    static const int widths[] = {22, 7, 10, 34};
    const json_t *unchanged = json_object_get(explored, "unchanged_prompts");
    const char *key;
    json_t *m;

    tempo_page_heading(p, 3, "Step by step (exploratory)");
    tempo_table t = tempo_page_named_table(p, 4, names, widths);
    json_object_foreach(json_object_get(explored, "step_metrics"), key, m)
    {
        tempo_page_cell(&t, key);
        number_cell(&t, tempo_number_at(m, "steps"));
        number_cell(&t, tempo_number_at(m, "mean"));
        interval_cell(&t, json_object_get(m, "interval"));
    }
    if (unchanged != NULL)
        tempo_text_add(&p->t,
                       "\nPrompts all of whose sets would be the same in visible mode: %lld of %lld (95%% "
                       "interval %.0f%% to %.0f%%).\n",
                       tempo_whole_at(unchanged, "unchanged"), tempo_whole_at(unchanged, "n"),
                       100 * tempo_element(json_object_get(unchanged, "interval"), 0),
                       100 * tempo_element(json_object_get(unchanged, "interval"), 1));
}

static void put_rest(tempo_page *p, const json_t *explored)
{
    static const char *const bands[] = {"siblings visible in layers", "TV to isolated", "TV to visible"};
    static const int band_widths[] = {26, 14, 13};
    static const char *const groups[] = {"stratum", "prompts", "A2", "B", "C", "D2"};
    static const int group_widths[] = {16, 7, 10, 10, 10, 10};
    const json_t *one;
    size_t i;

    tempo_page_heading(p, 3, "Knock-outs (exploratory)");
    tempo_table t = tempo_page_named_table(p, 3, bands, band_widths);
    json_array_foreach(json_object_get(explored, "knockout"), i, one)
    {
        char name[64];
        (void)snprintf(name, sizeof(name), "%lld-%lld", tempo_whole_at(one, "first_layer"),
                       tempo_whole_at(one, "last_layer"));
        tempo_page_cell(&t, name);
        number_cell(&t, tempo_number_at(one, "tv_to_isolated"));
        number_cell(&t, tempo_number_at(one, "tv_to_visible"));
    }
    tempo_page_heading(p, 3, "By stratum (exploratory)");
    t = tempo_page_named_table(p, 6, groups, group_widths);
    json_array_foreach(json_object_get(explored, "strata"), i, one)
    {
        tempo_page_cell(&t, tempo_text_at(one, "stratum"));
        number_cell(&t, tempo_number_at(one, "n"));
        for (size_t k = 0; k < TEMPO_PRIMARIES; k++)
            number_cell(&t, tempo_number_at(one, tempo_primaries[k]));
    }
}

static void put_floor(tempo_page *p, const json_t *model)
{
    static const char *const names[] = {"what was changed", "A2", "B", "C", "D2"};
    static const int widths[] = {20, 10, 10, 10, 10};
    const json_t *floor = json_object_get(model, "noise_floor"), *exact = json_object_get(model, "exact");
    const char *key;
    json_t *g;

    tempo_page_heading(p, 2, "Noise floor: an arm against itself");
    tempo_table t = tempo_page_named_table(p, 5, names, widths);
    json_object_foreach(json_object_get(floor, "groups"), key, g)
    {
        tempo_page_cell(&t, key);
        for (size_t k = 0; k < TEMPO_PRIMARIES; k++)
            number_cell(&t, tempo_number_at(g, tempo_primaries[k]));
    }
    tempo_text_add(&p->t, "\nQuantile %.2g over %lld prompts.", tempo_number_at(floor, "quantile"),
                   tempo_whole_at(floor, "prompts"));
    if (json_is_object(exact))
        tempo_text_add(
            &p->t,
            "  Repeats, another number of threads and another batch width changed no bit (%lld prompts).",
            tempo_whole_at(exact, "prompts"));
    tempo_text_add(&p->t, "\n");
}

static void put_timing(tempo_page *p, const json_t *t)
{
    tempo_page_heading(p, 2, "Timing (exploratory; differs from run to run)");
    if (!json_is_object(t) || !isfinite(tempo_number_at(t, "ratio"))) {
        tempo_text_add(&p->t, "No pairs were timed.\n");
        return;
    }
    const json_t *ci = json_object_get(t, "visible_faster_interval");
    tempo_text_add(&p->t, "Against isolated, visible is ");
    tempo_say_faster(&p->t, tempo_number_at(t, "visible_faster_percent"), 2);
    tempo_text_add(&p->t, " (95%% interval: ");
    tempo_say_faster_interval(&p->t, tempo_element(ci, 0), tempo_element(ci, 1), 2);
    tempo_text_add(&p->t, "; %lld pairs in ABBA order; p = %.3g by sign flips, %.3g by Wilcoxon).",
                   tempo_whole_at(t, "pairs"), tempo_number_at(t, "p_sign_flip"),
                   tempo_number_at(t, "p_wilcoxon"));
    if (tempo_element(ci, 0) <= 0 && tempo_element(ci, 1) >= 0)
        tempo_text_add(&p->t, "  These pairs cannot tell which is faster.");
    if (isfinite(tempo_number_at(t, "published_percent"))) {
        tempo_text_add(&p->t, "  Published: ");
        tempo_say_faster(&p->t, tempo_number_at(t, "published_percent"), 1);
        tempo_text_add(&p->t, ", from runs in which isolated always came first.");
    }
    tempo_text_add(&p->t, "\n");
}

static void put_model(tempo_page *p, const json_t *model, size_t index)
{
    const json_t *slice, *d;
    size_t t, i;

    tempo_page_heading(p, 2, "%s", tempo_text_at(json_object_get(model, "model"), "name"));
    tempo_text_add(&p->t, "%s, %.4g parameters, kernels %s, compute %s.\n",
                   tempo_text_at(json_object_get(model, "model"), "architecture"),
                   tempo_number_at(json_object_get(model, "model"), "parameters"),
                   tempo_text_at(json_object_get(model, "model"), "cpu"),
                   tempo_text_at(json_object_get(model, "model"), "compute"));
    json_array_foreach(json_object_get(model, "thresholds"), t, slice)
    {
        const json_t *explored = json_object_get(slice, "exploratory");
        const json_int_t there = json_integer_value(json_object_get(slice, "prompts")),
                         missing = json_integer_value(json_object_get(slice, "missing"));
        tempo_page_heading(p, 2, "Threshold %g: %s (%lld prompts)", tempo_number_at(slice, "threshold"),
                           tempo_text_at(slice, "family"), (long long)there);
        if (missing > 0)
            tempo_text_add(
                &p->t, "%lld of %lld prompts are not finished: nothing is confirmatory before all are.\n\n",
                (long long)missing, (long long)(there + missing));
        json_array_foreach(json_object_get(slice, "decisions"), i, d)
            tempo_report_says(&p->t, d, p->style->markdown);
        tempo_text_add(&p->t, "\n");
        put_decisions(p, slice);
        put_deterministic(p, slice);
        if (!p->style->markdown && t > 0)
            continue; /* a terminal shows what is explored once; report.md has all of it */
        put_map(p, explored);
        put_layers(p, explored);
        put_contrasts(p, explored);
        tempo_report_put_traced(p, json_object_get(explored, "trace"), index);
        if (!p->style->markdown)
            continue;
        put_steps(p, explored);
        put_rest(p, explored);
    }
    put_floor(p, model);
}

/* How to read it, and what makes it something else than what was registered. */
static void put_preface(tempo_page *p, const json_t *report)
{
    const json_t *departures = json_object_get(report, "departures"), *one;
    const json_int_t n = json_integer_value(
        json_object_get(json_object_get(json_object_get(report, "study"), "prompts"), "n"));
    const json_t *file = json_object_get(report, "of_file");
    const json_int_t in_file = json_integer_value(json_object_get(file, "prompts"));
    size_t i;

    tempo_text_add(&p->t,
                   "Prompts are the unit of every test.  The primary endpoints at the first threshold "
                   "are confirmatory, adjusted by Holm; all else is exploratory.  \"Not significant\" is "
                   "called inconclusive, never the same.\n");
    if (n < in_file)
        tempo_text_add(&p->t,
                       "\nOnly the first %lld of %lld prompts of the file: of %lld of its %lld strata.\n",
                       (long long)n, (long long)in_file, tempo_whole_at(file, "strata_here"),
                       tempo_whole_at(file, "strata"));
    if (json_array_size(departures) > 0) {
        tempo_text_add(
            &p->t, "\nWARNING: nothing here is confirmatory, for this is not the study that was registered:");
        json_array_foreach(departures, i, one)
            tempo_text_add(&p->t, "%s %s", i > 0 ? ";" : "", json_string_value(one));
        tempo_text_add(&p->t, ".\n");
    }
}

char *tempo_study_report_text(const json_t *report, const tempo_page_style *style)
{
    tempo_page p = {.style = style};
    const json_t *model;
    size_t i;

    tempo_page_heading(&p, 1, "%s", tempo_text_at(report, "title"));
    put_preface(&p, report);
    json_array_foreach(json_object_get(report, "models"), i, model) put_model(&p, model, i);
    json_array_foreach(json_object_get(report, "timing"), i, model) put_timing(&p, model);
    return tempo_text_take(&p.t);
}
