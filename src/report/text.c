/* text.c - the report for people: Markdown, or a terminal. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draw/draw.h"
#include "files/json_out.h"
#include "report/report.h"
#include "study/floor.h"
#include "draw/say.h"

typedef struct page {
    tempo_text t;
    const tempo_report_style *style;
} page;

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

static double number(const json_t *o, const char *key)
{
    return tempo_json_get_number(o, key);
}

static double item(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

static void heading(page *p, unsigned level, const char *text)
{
    if (p->style->markdown) {
        tempo_text_add(&p->t, "\n");
        tempo_text_repeat(&p->t, "#", level);
        tempo_text_add(&p->t, " %s\n\n", text);
    } else {
        tempo_text_add(&p->t, "\n%s%s%s\n", p->style->color ? "\033[1m" : "", text,
                       p->style->color ? "\033[0m" : "");
    }
}

/* Begin a table, or the column names of one on a terminal. */
static void columns(page *p, const char *const *names, const int *widths, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p->style->markdown)
            tempo_text_add(&p->t, "| %s ", names[i]);
        else
            tempo_text_add(&p->t, "%*s  ", i == 0 ? -widths[i] : widths[i], names[i]);
    tempo_text_add(&p->t, p->style->markdown ? "|\n" : "\n");
    for (size_t i = 0; i < n && p->style->markdown; i++)
        tempo_text_add(&p->t, i == 0 ? "|---" : "|---:");
    if (p->style->markdown)
        tempo_text_add(&p->t, "|\n");
}

static void cell(page *p, int width, bool first, const char *text)
{
    if (p->style->markdown)
        tempo_text_add(&p->t, "| %s ", text);
    else
        tempo_text_add(&p->t, "%*s  ", first ? -width : width, text);
}

static void end_row(page *p)
{
    tempo_text_add(&p->t, p->style->markdown ? "|\n" : "\n");
}

static void number_cell(page *p, int width, double x)
{
    char text[40];

    (void)snprintf(text, sizeof(text), isfinite(x) ? "%.4g" : "-", x);
    cell(p, width, false, text);
}

static void interval_cell(page *p, int width, const json_t *ci)
{
    char text[64];

    if (isfinite(item(ci, 0)) && isfinite(item(ci, 1)))
        (void)snprintf(text, sizeof(text), "%.3g to %.3g", item(ci, 0), item(ci, 1));
    else
        (void)snprintf(text, sizeof(text), "-");
    cell(p, width, false, text);
}

/* ---- sections ---- */

static void put_decisions(page *p, const json_t *slice)
{
    static const char *const names[] = {
        "endpoint",           "verdict",          "prompts",       "mean",
        "90% interval",       "95% interval",     "bound",         "p equivalent (Holm)",
        "p different (Holm)", "equivalent up to", "different from"};
    static const int widths[] = {8, 15, 7, 9, 20, 20, 8, 19, 18, 16, 14};
    const json_t *d;
    size_t i;

    columns(p, names, widths, 11);
    json_array_foreach(json_object_get(slice, "decisions"), i, d)
    {
        char n[32];
        cell(p, 8, true, text_of(d, "id"));
        cell(p, 15, false, text_of(d, "verdict"));
        (void)snprintf(n, sizeof(n), "%lld", (long long)json_integer_value(json_object_get(d, "n")));
        cell(p, 7, false, n);
        number_cell(p, 9, number(d, "mean"));
        interval_cell(p, 20, json_object_get(d, "ci90"));
        interval_cell(p, 20, json_object_get(d, "ci95"));
        number_cell(p, 8, number(d, "bound"));
        number_cell(p, 19, number(json_object_get(d, "equivalent"), "p_holm"));
        number_cell(p, 18, number(json_object_get(d, "different"), "p_holm"));
        number_cell(p, 16, number(d, "equivalent_up_to"));
        number_cell(p, 14, number(d, "different_from"));
        end_row(p);
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

static void put_deterministic(page *p, const json_t *slice)
{
    const json_t *d = json_object_get(slice, "deterministic"), *a1 = json_object_get(d, "A1"),
                 *d1 = json_object_get(d, "D1");

    tempo_text_add(
        &p->t,
        "\nA1 %s: in the first layer visible attention is isolated attention without the siblings' mass, "
        "to %.2g (tolerance %.2g; %lld prompts).\n",
        holds(a1), number(a1, "worst"), number(a1, "tolerance"),
        (long long)json_integer_value(json_object_get(a1, "n")));
    tempo_text_add(
        &p->t,
        "D1 %s: members of a set have one position, as RoPE used it (%lld prompts, unequal in %lld).\n",
        holds(d1), (long long)json_integer_value(json_object_get(d1, "n")),
        (long long)json_integer_value(json_object_get(d1, "unequal")));
}

static void put_map(page *p, const json_t *explored)
{
    const json_t *heads = json_object_get(explored, "heads"), *map = json_object_get(heads, "sibling_share"),
                 *one;
    const size_t rows = json_array_size(map), cols = json_array_size(json_array_get(map, 0));
    double *v = calloc(rows * cols + 1, sizeof(*v));
    size_t i;

    if (v == NULL || rows == 0) {
        free(v);
        return;
    }
    for (i = 0; i < rows * cols; i++)
        v[i] = item(json_array_get(map, i / cols), i % cols);
    heading(p, 3, "Share of attention on siblings, by layer and head (exploratory)");
    if (p->style->markdown)
        tempo_text_add(&p->t, "```\n");
    const tempo_heat heat = {.values = v,
                             .n_rows = rows,
                             .n_columns = cols,
                             .row_name = "layer",
                             .column_name = "head",
                             .width = p->style->width,
                             .color = p->style->color};
    tempo_draw_heat(&p->t, &heat);
    if (p->style->markdown)
        tempo_text_add(&p->t, "```\n");
    tempo_text_add(&p->t, "\nEqual weights would give %.3g.  Heads with the greatest share:\n\n",
                   number(heads, "uniform_share"));
    static const char *const names[] = {"layer.head", "share", "over uniform", "p (BH)"};
    static const int widths[] = {12, 8, 12, 8};
    columns(p, names, widths, 4);
    json_array_foreach(json_object_get(heads, "ranked"), i, one)
    {
        char name[40];
        (void)snprintf(name, sizeof(name), "%lld.%lld",
                       (long long)json_integer_value(json_object_get(one, "layer")),
                       (long long)json_integer_value(json_object_get(one, "head")));
        cell(p, 12, true, name);
        number_cell(p, 8, number(one, "share"));
        number_cell(p, 12, number(one, "over_uniform"));
        number_cell(p, 8, number(one, "p_bh"));
        end_row(p);
    }
    free(v);
}

static void put_layers(page *p, const json_t *explored)
{
    const json_t *tv = json_object_get(json_object_get(explored, "layers"), "attention_tv");
    double worst = 0.0;

    for (size_t l = 0; l < json_array_size(tv); l++)
        worst = item(tv, l) > worst ? item(tv, l) : worst;
    if (json_array_size(tv) == 0)
        return;
    heading(p, 3, "Total variation of attention by layer (exploratory; layer 0 is 0 by construction)");
    if (p->style->markdown)
        tempo_text_add(&p->t, "```\n");
    for (size_t l = 0; l < json_array_size(tv); l++) {
        tempo_text_add(&p->t, "%4zu ", l);
        tempo_draw_bar(&p->t, item(tv, l), worst, 40);
        tempo_text_add(&p->t, " %.3g\n", item(tv, l));
    }
    if (p->style->markdown)
        tempo_text_add(&p->t, "```\n");
}

static void put_contrasts(page *p, const json_t *explored)
{
    static const char *const names[] = {"contrast",    "prompts",    "mean", "95% interval",  "p",
                                        "p sign flip", "p Wilcoxon", "dz",   "different from"};
    static const int widths[] = {18, 7, 9, 22, 10, 11, 10, 7, 14};
    const char *key;
    json_t *c;

    heading(p, 3, "Signed contrasts (exploratory)");
    columns(p, names, widths, 9);
    json_object_foreach(json_object_get(explored, "contrasts"), key, c)
    {
        cell(p, 18, true, key);
        number_cell(p, 7, number(c, "n"));
        number_cell(p, 9, number(c, "mean"));
        interval_cell(p, 22, json_object_get(c, "interval"));
        number_cell(p, 10, number(c, "p"));
        number_cell(p, 11, number(c, "p_sign_flip"));
        number_cell(p, 10, number(c, "p_wilcoxon"));
        number_cell(p, 7, number(c, "dz"));
        number_cell(p, 14, number(c, "minimal_detectable"));
        end_row(p);
    }
    tempo_text_add(
        &p->t,
        "\np: is the mean 0?  Not adjusted.  Sign flips and Wilcoxon ask another thing, whether values are "
        "symmetric about 0.  Different from: as in the table above.\n");
}

static void put_steps(page *p, const json_t *explored)
{
    static const char *const names[] = {"per step", "steps", "mean", "95% interval (BCa over prompts)"};
    static const int widths[] = {22, 7, 10, 34};
    const json_t *unchanged = json_object_get(explored, "unchanged_prompts");
    const char *key;
    json_t *m;

    heading(p, 3, "Step by step (exploratory)");
    columns(p, names, widths, 4);
    json_object_foreach(json_object_get(explored, "step_metrics"), key, m)
    {
        cell(p, 22, true, key);
        number_cell(p, 7, number(m, "steps"));
        number_cell(p, 10, number(m, "mean"));
        interval_cell(p, 34, json_object_get(m, "interval"));
        end_row(p);
    }
    if (unchanged != NULL)
        tempo_text_add(&p->t,
                       "\nPrompts all of whose sets would be the same in visible mode: %lld of %lld (95%% "
                       "interval %.0f%% to %.0f%%).\n",
                       (long long)json_integer_value(json_object_get(unchanged, "unchanged")),
                       (long long)json_integer_value(json_object_get(unchanged, "n")),
                       100 * item(json_object_get(unchanged, "interval"), 0),
                       100 * item(json_object_get(unchanged, "interval"), 1));
}

static void put_rest(page *p, const json_t *explored)
{
    static const char *const bands[] = {"siblings visible in layers", "TV to isolated", "TV to visible"};
    static const int band_widths[] = {26, 14, 13};
    static const char *const groups[] = {"stratum", "prompts", "A2", "B", "C", "D2"};
    static const int group_widths[] = {16, 7, 10, 10, 10, 10};
    const json_t *one;
    size_t i;

    heading(p, 3, "Knock-outs (exploratory)");
    columns(p, bands, band_widths, 3);
    json_array_foreach(json_object_get(explored, "knockout"), i, one)
    {
        char name[64];
        (void)snprintf(name, sizeof(name), "%lld-%lld",
                       (long long)json_integer_value(json_object_get(one, "first_layer")),
                       (long long)json_integer_value(json_object_get(one, "last_layer")));
        cell(p, 26, true, name);
        number_cell(p, 14, number(one, "tv_to_isolated"));
        number_cell(p, 13, number(one, "tv_to_visible"));
        end_row(p);
    }
    heading(p, 3, "By stratum (exploratory)");
    columns(p, groups, group_widths, 6);
    json_array_foreach(json_object_get(explored, "strata"), i, one)
    {
        cell(p, 16, true, text_of(one, "stratum"));
        number_cell(p, 7, number(one, "n"));
        for (size_t k = 0; k < TEMPO_PRIMARIES; k++)
            number_cell(p, 10, number(one, tempo_primaries[k]));
        end_row(p);
    }
}

static void put_floor(page *p, const json_t *model)
{
    static const char *const names[] = {"what was changed", "A2", "B", "C", "D2"};
    static const int widths[] = {20, 10, 10, 10, 10};
    const json_t *floor = json_object_get(model, "noise_floor"), *exact = json_object_get(model, "exact");
    const char *key;
    json_t *g;

    heading(p, 2, "Noise floor: an arm against itself");
    columns(p, names, widths, 5);
    json_object_foreach(json_object_get(floor, "groups"), key, g)
    {
        cell(p, 20, true, key);
        for (size_t k = 0; k < TEMPO_PRIMARIES; k++)
            number_cell(p, 10, number(g, tempo_primaries[k]));
        end_row(p);
    }
    tempo_text_add(&p->t, "\nQuantile %.2g over %lld prompts.", number(floor, "quantile"),
                   (long long)json_integer_value(json_object_get(floor, "prompts")));
    if (json_is_object(exact))
        tempo_text_add(
            &p->t,
            "  Repeats, another number of threads and another batch width changed no bit (%lld prompts).",
            (long long)json_integer_value(json_object_get(exact, "prompts")));
    tempo_text_add(&p->t, "\n");
}

static void put_timing(page *p, const json_t *t)
{
    heading(p, 2, "Timing (exploratory; differs from run to run)");
    if (!json_is_object(t) || !isfinite(number(t, "ratio"))) {
        tempo_text_add(&p->t, "No pairs were timed.\n");
        return;
    }
    const json_t *ci = json_object_get(t, "visible_faster_interval");
    tempo_text_add(&p->t, "Against isolated, visible is ");
    tempo_say_faster(&p->t, number(t, "visible_faster_percent"), 2);
    tempo_text_add(&p->t, " (95%% interval: ");
    tempo_say_faster_interval(&p->t, item(ci, 0), item(ci, 1), 2);
    tempo_text_add(&p->t, "; %lld pairs in ABBA order; p = %.3g by sign flips, %.3g by Wilcoxon).",
                   (long long)json_integer_value(json_object_get(t, "pairs")), number(t, "p_sign_flip"),
                   number(t, "p_wilcoxon"));
    if (item(ci, 0) <= 0 && item(ci, 1) >= 0)
        tempo_text_add(&p->t, "  These pairs cannot tell which is faster.");
    if (isfinite(number(t, "published_percent"))) {
        tempo_text_add(&p->t, "  Published: ");
        tempo_say_faster(&p->t, number(t, "published_percent"), 1);
        tempo_text_add(&p->t, ", from runs in which isolated always came first.");
    }
    tempo_text_add(&p->t, "\n");
}

static void put_model(page *p, const json_t *model)
{
    const json_t *slice, *d;
    size_t t, i;
    char title[96];

    heading(p, 2, text_of(json_object_get(model, "model"), "name"));
    tempo_text_add(&p->t, "%s, %.4g parameters, kernels %s, compute %s.\n",
                   text_of(json_object_get(model, "model"), "architecture"),
                   number(json_object_get(model, "model"), "parameters"),
                   text_of(json_object_get(model, "model"), "cpu"),
                   text_of(json_object_get(model, "model"), "compute"));
    json_array_foreach(json_object_get(model, "thresholds"), t, slice)
    {
        const json_t *explored = json_object_get(slice, "exploratory");
        const json_int_t there = json_integer_value(json_object_get(slice, "prompts")),
                         missing = json_integer_value(json_object_get(slice, "missing"));
        (void)snprintf(title, sizeof(title), "Threshold %g: %s (%lld prompts)", number(slice, "threshold"),
                       text_of(slice, "family"), (long long)there);
        heading(p, 2, title);
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
        if (!p->style->markdown)
            continue;
        put_steps(p, explored);
        put_rest(p, explored);
    }
    put_floor(p, model);
}

/* How to read it, and what makes it something else than what was registered. */
static void put_preface(page *p, const json_t *report)
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
                       (long long)n, (long long)in_file,
                       (long long)json_integer_value(json_object_get(file, "strata_here")),
                       (long long)json_integer_value(json_object_get(file, "strata")));
    if (json_array_size(departures) > 0) {
        tempo_text_add(
            &p->t, "\nWARNING: nothing here is confirmatory, for this is not the study that was registered:");
        json_array_foreach(departures, i, one)
            tempo_text_add(&p->t, "%s %s", i > 0 ? ";" : "", json_string_value(one));
        tempo_text_add(&p->t, ".\n");
    }
}

char *tempo_study_report_text(const json_t *report, const tempo_report_style *style)
{
    page p = {.style = style};
    const json_t *model;
    size_t i;

    heading(&p, 1, text_of(report, "title"));
    put_preface(&p, report);
    json_array_foreach(json_object_get(report, "models"), i, model) put_model(&p, model);
    json_array_foreach(json_object_get(report, "timing"), i, model) put_timing(&p, model);
    return tempo_text_take(&p.t);
}
