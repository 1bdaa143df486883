/* text.c - an analysis as text for people, from its JSON document alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/analyze.h"
#include "io/json_at.h"

enum { N_HEADS_SHOWN = 8, N_SHIFTS_SHOWN = 5 };

/* A layers x heads map of the report c, under a title. */
static void show_map(tempo_page *p, const char *title, const json_t *c, const json_t *map)
{
    tempo_heat h = {.row_name = "layer",
                    .column_name = "head",
                    .first_row = tempo_size_at(c, "first_layer"),
                    .first_column = tempo_size_at(c, "first_head")};
    double *values = tempo_matrix_of(map, &h.n_rows, &h.n_columns);

    p->t.failed |= values == NULL;
    if (values == NULL)
        return;
    h.values = values;
    tempo_page_say(p, "%s", title);
    tempo_page_heat(p, &h);
    tempo_page_end(p);
    free(values);
}

/* ---- attention ---- */

static void show_sum_error(tempo_page *p, const char *which, double error)
{
    if (!(error <= 1e-5))
        tempo_page_say(p, "Rows of %s do not sum to 1: off by up to %.3g.", which, error);
}

static void say_parting(tempo_page *p, const json_t *c)
{
    if (json_is_integer(json_object_get(c, "sets_differ_at")))
        tempo_page_say(
            p,
            "Their sets differ from step %zu on: what was read after it has another context and is not "
            "in the "
            "means.",
            tempo_size_at(c, "sets_differ_at"));
    if (json_is_integer(json_object_get(c, "order_differs_at")))
        tempo_page_say(
            p,
            "The same members stand in another order at step %zu: rows that were read after it are of "
            "other members, and are not in the means.",
            tempo_size_at(c, "order_differs_at"));
}

/* Where two captures part, in words. */
static void show_difference(tempo_page *p, const json_t *c)
{
    const json_t *d = json_object_get(c, "first_difference");

    if (json_is_true(json_object_get(c, "identical"))) {
        tempo_page_say(p, "Identical: every bit of the %zu steps in common.",
                       tempo_size_at(c, "steps_in_common"));
        return;
    }
    if (json_object_get(d, "why") != NULL)
        tempo_page_say(p, "They part at step %zu: %s.", tempo_size_at(d, "step"), tempo_text_at(d, "why"));
    else if (json_object_get(d, "layer") != NULL)
        tempo_page_say(
            p, "First different number: step %zu, layer %zu, head %zu, row %zu, slot %zu: %.9g against %.9g.",
            tempo_size_at(d, "step"), tempo_size_at(d, "layer"), tempo_size_at(d, "head"),
            tempo_size_at(d, "row"), tempo_size_at(d, "slot"), tempo_number_at(d, "first"),
            tempo_number_at(d, "second"));
    else if (d != NULL)
        tempo_page_say(p, "First different number: step %zu, row %zu, token %zu: %.9g against %.9g.",
                       tempo_size_at(d, "step"), tempo_size_at(d, "row"), tempo_size_at(d, "id"),
                       tempo_number_at(d, "first"), tempo_number_at(d, "second"));
    say_parting(p, c);
}

static void show_a1(tempo_page *p, const json_t *c)
{
    const json_t *a1 = json_object_get(c, "a1");

    if (!json_is_object(a1))
        return;
    tempo_page_say(
        p,
        "Layer 0 of the first set (step %zu, %zu rows): isolated %s visible without its siblings; the "
        "greatest "
        "difference %.3g is %.3g of the tolerance.",
        tempo_size_at(a1, "step"), tempo_size_at(a1, "rows"),
        json_is_true(json_object_get(a1, "holds")) ? "equals" : "DIFFERS from",
        tempo_number_at(a1, "max_difference"), tempo_number_at(a1, "of_tolerance"));
}

static void show_layers(tempo_page *p, const json_t *c)
{
    static const char *const names[6] = {"layer", "JS (nat)", "L1", "max diff", "siblings", "JS by layer"};
    static const int widths[6] = {5, 10, 10, 10, 10, TEMPO_PAGE_BAR};
    const json_t *d = json_object_get(c, "difference"), *s = json_object_get(c, "siblings");
    const json_t *js = json_object_get(d, "layer_js");
    const double max = tempo_greatest(js);

    if (tempo_size_at(c, "steps_compared") == 0) {
        tempo_page_say(p, "No step of theirs can be compared.");
        return;
    }
    tempo_page_say(p, "Means over %zu rows of %zu steps, %zu of them renormalised over what both see:",
                   tempo_size_at(d, "rows"), tempo_size_at(c, "steps_compared"),
                   tempo_size_at(c, "steps_renormalised"));
    tempo_table t = tempo_page_table(p, 6, names, widths);
    for (size_t i = 0; i < json_array_size(js); i++) {
        tempo_page_number(&t, "%.0f", (double)(i + tempo_size_at(c, "first_layer")));
        tempo_page_number(&t, "%.3e", tempo_element(js, i));
        tempo_page_number(&t, "%.3e", tempo_element(json_object_get(d, "layer_l1"), i));
        tempo_page_number(&t, "%.3e", tempo_element(json_object_get(d, "layer_max"), i));
        if (json_is_object(s))
            tempo_page_number(&t, "%.4f", tempo_element(json_object_get(s, "layer_mass"), i));
        else
            tempo_page_cell(&t, "-");
        tempo_page_bar(&t, tempo_element(js, i), max);
    }
    tempo_page_cell(&t, "all");
    tempo_page_number(&t, "%.3e", tempo_number_at(d, "js"));
    tempo_page_number(&t, "%.3e", tempo_number_at(d, "l1"));
    tempo_page_number(&t, "%.3e", tempo_number_at(d, "max"));
    if (json_is_object(s))
        tempo_page_number(&t, "%.4f", tempo_number_at(s, "mass"));
    else
        tempo_page_cell(&t, "-");
    tempo_page_cell(&t, "");
    tempo_page_end(p);
}

static void show_siblings(tempo_page *p, const json_t *c)
{
    static const char *const names[5] = {"layer", "head", "share", "mass", ""};
    static const int widths[5] = {5, 5, 8, 8, TEMPO_PAGE_BAR};
    const json_t *s = json_object_get(c, "siblings"), *heads = json_object_get(s, "heads");

    if (!json_is_object(s)) {
        tempo_page_say(p,
                       "No rows with siblings whose slots are known: attention on siblings cannot be told.");
        return;
    }
    tempo_page_say(
        p,
        "Attention on siblings, %zu rows: mass %.4f; share without the first slot %.4f (evenly spread "
        "%.4f, as "
        "many nearest earlier slots %.4f).",
        tempo_size_at(s, "rows"), tempo_number_at(s, "mass"), tempo_number_at(s, "share"),
        tempo_number_at(s, "uniform_share"), tempo_number_at(s, "nearest_share"));
    if (tempo_number_at(s, "mass") == 0)
        return;
    show_map(p, "Share on siblings, first slot excluded:", c, json_object_get(s, "share_map"));
    tempo_page_say(p, "Heads that attend to siblings most:");
    tempo_table t = tempo_page_table(p, 5, names, widths);
    for (size_t i = 0; i < json_array_size(heads) && i < N_HEADS_SHOWN; i++) {
        const json_t *h = json_array_get(heads, i);
        tempo_page_number(&t, "%.0f", tempo_number_at(h, "layer"));
        tempo_page_number(&t, "%.0f", tempo_number_at(h, "head"));
        tempo_page_number(&t, "%.4f", tempo_number_at(h, "share"));
        tempo_page_number(&t, "%.4f", tempo_number_at(h, "mass"));
        tempo_page_bar(&t, tempo_number_at(h, "share"), 1);
    }
    tempo_page_end(p);
}

static void show_attention_steps(tempo_page *p, const json_t *c)
{
    static const char *const names[6] = {"step", "rows", "slots", "JS (nat)", "max diff", "compared"};
    static const int widths[6] = {5, 5, 6, 10, 10, 12};
    const json_t *steps = json_object_get(c, "steps");
    tempo_table t = tempo_page_table(p, 6, names, widths);

    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i), *d = json_object_get(s, "difference");
        tempo_page_number(&t, "%.0f", tempo_number_at(s, "step"));
        tempo_page_number(&t, "%.0f", tempo_number_at(s, "rows"));
        tempo_page_number(&t, "%.0f", tempo_number_at(s, "slots"));
        if (d == NULL) {
            tempo_page_cell(&t, "-");
            tempo_page_cell(&t, "-");
            tempo_page_cell(&t, tempo_text_at(s, "why"));
            continue;
        }
        tempo_page_number(&t, "%.3e", tempo_number_at(d, "js"));
        tempo_page_number(&t, "%.3e", tempo_number_at(d, "max"));
        tempo_page_cell(&t, json_is_true(json_object_get(s, "identical")) ? "identical"
                                                                          : tempo_text_at(s, "compared"));
    }
    tempo_page_end(p);
}

static void compare_attention(tempo_page *p, const json_t *c)
{
    tempo_page_heading(p, 2, "Attention: %s against %s", tempo_text_at(c, "first"),
                       tempo_text_at(c, "second"));
    show_sum_error(p, tempo_text_at(c, "first"), tempo_number_at(c, "first_sum_error"));
    show_sum_error(p, tempo_text_at(c, "second"), tempo_number_at(c, "second_sum_error"));
    show_difference(p, c);
    show_a1(p, c);
    show_attention_steps(p, c);
    if (json_is_true(json_object_get(c, "identical")))
        return;
    show_layers(p, c);
    show_siblings(p, c);
    if (tempo_size_at(c, "steps_compared") > 0)
        show_map(p, "Jensen-Shannon divergence (nat):", c,
                 json_object_get(json_object_get(c, "difference"), "js_map"));
}

/* ---- logits ---- */

static const char *const logits_keys[10] = {"tv",        "kl",   "kl_back", "js",    "cosine",
                                            "max_dlogp", "top1", "top5",    "top10", "top20"};

static void show_shifts(tempo_page *p, const json_t *steps)
{
    static const char *const names[4] = {"token", "first", "second", "change"};
    static const int widths[4] = {8, 10, 10, 10};
    const json_t *worst = NULL;
    double max = 0;
    size_t step = 0, row = 0;

    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i), *rows = json_object_get(s, "row");
        for (size_t r = 0; json_is_true(json_object_get(s, "same_context")) && r < json_array_size(rows);
             r++) {
            const double tv = tempo_number_at(json_array_get(rows, r), "tv");
            if (tv > max) {
                max = tv;
                worst = json_array_get(rows, r);
                step = tempo_size_at(s, "step");
                row = r;
            }
        }
    }
    if (worst == NULL)
        return;
    tempo_page_say(p, "Tokens that differ most, where the distributions do (step %zu, row %zu):", step, row);
    const json_t *shifts = json_object_get(worst, "most_different");
    tempo_table t = tempo_page_table(p, 4, names, widths);
    for (size_t i = 0; i < json_array_size(shifts) && i < N_SHIFTS_SHOWN; i++) {
        const json_t *s = json_array_get(shifts, i);
        tempo_page_number(&t, "%.0f", tempo_number_at(s, "id"));
        tempo_page_number(&t, "%.6f", tempo_number_at(s, "first"));
        tempo_page_number(&t, "%.6f", tempo_number_at(s, "second"));
        tempo_page_number(&t, "%+.6f", tempo_number_at(s, "second") - tempo_number_at(s, "first"));
    }
    tempo_page_end(p);
}

static void show_logits_row(tempo_table *t, const char *name, double rows, const json_t *v)
{
    tempo_page_cell(t, name);
    tempo_page_number(t, "%.0f", rows);
    for (size_t k = 0; k < 10; k++)
        tempo_page_number(t,
                          k < 4    ? "%.1e"
                          : k == 4 ? "%.5f"
                          : k == 5 ? "%.1e"
                                   : "%.2f",
                          tempo_number_at(v, logits_keys[k]));
}

static void compare_logits(tempo_page *p, const json_t *c)
{
    static const char *const names[12] = {"step",   "rows",    "TV",    "KL", "KL back", "JS",
                                          "cosine", "d log p", "top 1", "5",  "10",      "20"};
    static const int widths[12] = {4, 4, 7, 7, 7, 7, 8, 7, 5, 4, 4, 4};
    const json_t *steps = json_object_get(c, "steps");
    char name[24];

    tempo_page_heading(p, 2, "Logits: %s against %s", tempo_text_at(c, "first"), tempo_text_at(c, "second"));
    show_difference(p, c);
    if (tempo_size_at(c, "rows_compared") == 0) {
        tempo_page_say(p, "No step of theirs can be compared.");
        return;
    }
    tempo_page_say(
        p, "Means over the rows of a step; KL and JS in nats, d log p the greatest on 0.999 of the mass:");
    tempo_table t = tempo_page_table(p, 12, names, widths);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i);
        if (!json_is_true(json_object_get(s, "same_context")))
            continue;
        (void)snprintf(name, sizeof(name), "%zu", tempo_size_at(s, "step"));
        show_logits_row(&t, name, tempo_number_at(s, "rows"), json_object_get(s, "mean"));
    }
    show_logits_row(&t, "all", tempo_number_at(c, "rows_compared"), json_object_get(c, "mean"));
    tempo_page_end(p);
    show_shifts(p, steps);
}

/* ---- one capture ---- */

static void show_capture_attention(tempo_page *p, const json_t *c)
{
    const json_t *d1 = json_object_get(c, "d1");

    tempo_page_heading(p, 2, "Attention of %s", tempo_text_at(c, "file"));
    show_sum_error(p, "it", tempo_number_at(c, "sum_error"));
    if (json_is_object(d1))
        tempo_page_say(p, "Positions: the members of %zu of %zu sets share one position exactly%s.",
                       tempo_size_at(d1, "equal"), tempo_size_at(d1, "sets"),
                       json_is_true(json_object_get(d1, "holds")) ? "" : "; the others do NOT");
    else
        tempo_page_say(p, "Positions: no set of several members whose slots and positions are recorded.");
    if (json_is_integer(json_object_get(c, "rope_positions_differ_at")))
        tempo_page_say(
            p, "rope_positions.json DIFFERS from the positions recorded with the steps, first at slot %zu.",
            tempo_size_at(c, "rope_positions_differ_at"));
    show_siblings(p, c);
}

static void show_capture_logits(tempo_page *p, const json_t *c)
{
    static const char *const names[5] = {"step", "rows", "entropy", "top token", "probability"};
    static const int widths[5] = {5, 5, 8, 9, 11};
    const json_t *steps = json_object_get(c, "steps");

    tempo_page_heading(p, 2, "Logits of %s", tempo_text_at(c, "file"));
    tempo_page_say(p, "The first row of every step; entropy in nats:");
    tempo_table t = tempo_page_table(p, 5, names, widths);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i), *row = json_array_get(json_object_get(s, "row"), 0);
        const json_t *top = json_array_get(json_object_get(row, "top"), 0);
        tempo_page_number(&t, "%.0f", tempo_number_at(s, "step"));
        tempo_page_number(&t, "%.0f", tempo_number_at(s, "rows"));
        tempo_page_number(&t, "%.4f", tempo_number_at(row, "entropy"));
        tempo_page_number(&t, "%.0f", tempo_number_at(top, "id"));
        tempo_page_number(&t, "%.6f", tempo_number_at(top, "probability"));
    }
    tempo_page_end(p);
}

/* ---- taps ---- */

enum { N_LAYERS_SHOWN = 200 };

/* "resid_post of the steps: 7 rows, 4 steps, 256 numbers a row" */
static void say_tap(tempo_page *p, const json_t *t)
{
    const bool prompt = tempo_text_is(t, "of", "prompt");
    char width[40] = "", steps[40] = "";

    if (json_is_integer(json_object_get(t, "width")))
        (void)snprintf(width, sizeof(width), ", %zu numbers each", tempo_size_at(t, "width"));
    if (!prompt)
        (void)snprintf(steps, sizeof(steps), " in %zu steps", tempo_size_at(t, "steps"));
    tempo_page_say(p, "%s%s: %zu rows%s%s.", tempo_text_at(t, "tap"), prompt ? " of the prompt" : "",
                   tempo_size_at(t, "rows"), steps, width);
    if (tempo_size_at(t, "not_finite") > 0)
        tempo_page_say(p, "%zu numbers are not finite and are left out.", tempo_size_at(t, "not_finite"));
}

/* Lists of t, each a column, line by line of its layers; the last one as a bar, too. */
static void show_tap_layers(tempo_page *p, const json_t *t, const char *const *keys, const char *const *names,
                            size_t n, size_t bar)
{
    static const int widths[TEMPO_PAGE_COLUMNS] = {5, 11, 11, 11, 11, TEMPO_PAGE_BAR};
    const json_t *layers = json_object_get(t, "layers"), *first = json_object_get(t, keys[0]);
    const json_t *shown = json_object_get(t, keys[bar]);
    const double max = tempo_greatest(shown);
    int own[TEMPO_PAGE_COLUMNS];

    memcpy(own, widths, sizeof(own));
    own[n + 1] = TEMPO_PAGE_BAR;
    tempo_table table = tempo_page_table(p, n + 2, names, own);
    for (size_t l = 0; l < json_array_size(first) && l < N_LAYERS_SHOWN; l++) {
        if (json_array_size(layers) > 0)
            tempo_page_number(&table, "%.0f", tempo_element(layers, l));
        else
            tempo_page_cell(&table, "-");
        for (size_t k = 0; k < n; k++)
            tempo_page_number(&table, "%.4g", tempo_element(json_object_get(t, keys[k]), l));
        tempo_page_bar(&table, tempo_element(shown, l), max);
    }
    tempo_page_end(p);
}

static void show_capture_taps(tempo_page *p, const json_t *c)
{
    static const char *const keys[] = {"layer_norm", "layer_rms", "layer_mean", "layer_max"};
    static const char *const names[] = {"layer", "norm", "rms", "mean", "greatest", "norm by layer"};
    const json_t *t;
    size_t i;

    tempo_page_heading(p, 2, "Taps of %s", tempo_text_at(c, "file"));
    json_array_foreach(json_object_get(c, "taps"), i, t)
    {
        say_tap(p, t);
        show_tap_layers(p, t, keys, names, 4, 0);
    }
}

static void say_only(tempo_page *p, const json_t *c, const char *key, const char *file)
{
    const json_t *list = json_object_get(c, key), *one;
    tempo_text names = {0};
    size_t i;

    json_array_foreach(list, i, one)
        tempo_text_add(&names, "%s%s", i > 0 ? ", " : "", json_string_value(one));
    if (names.s != NULL)
        tempo_page_say(p, "Only %s has %s.", tempo_text_at(c, file), names.s);
    tempo_text_free(&names);
}

static void compare_taps(tempo_page *p, const json_t *c)
{
    static const char *const keys[] = {"layer_max", "layer_rms", "layer_relative"};
    static const char *const names[] = {"layer", "greatest", "rms", "of size", "greatest by layer"};
    const json_t *d = json_object_get(c, "first_difference"), *t;
    size_t i;

    tempo_page_heading(p, 2, "Taps: %s against %s", tempo_text_at(c, "first"), tempo_text_at(c, "second"));
    if (json_is_object(d))
        tempo_page_say(
            p, "First different number: %s%s, step %zu, layer %zu, row %zu, number %zu: %.9g against %.9g.",
            tempo_text_is(d, "of", "prompt") ? "the prompt's " : "", tempo_text_at(d, "tap"),
            tempo_size_at(d, "step"), tempo_size_at(d, "layer"), tempo_size_at(d, "row"),
            tempo_size_at(d, "index"), tempo_number_at(d, "first"), tempo_number_at(d, "second"));
    else
        tempo_page_say(p, "Identical: every bit of what was compared.");
    say_parting(p, c);
    say_only(p, c, "only_in_first", "first");
    say_only(p, c, "only_in_second", "second");
    json_array_foreach(json_object_get(c, "taps"), i, t)
    {
        say_tap(p, t);
        if (tempo_size_at(t, "left_out") > 0)
            tempo_page_say(p, "%zu of its steps have other rows or another context, and are left out.",
                           tempo_size_at(t, "left_out"));
        if (tempo_size_at(t, "rows") > 0)
            show_tap_layers(p, t, keys, names, 3, 0);
    }
}

static void show_kind(tempo_page *p, const json_t *one, void (*attention)(tempo_page *, const json_t *),
                      void (*logits)(tempo_page *, const json_t *),
                      void (*taps)(tempo_page *, const json_t *))
{
    (tempo_text_is(one, "kind", "attention") ? attention
     : tempo_text_is(one, "kind", "logits")  ? logits
                                             : taps)(p, one);
}

/* {DIR: [text]} */
static void say_edits(tempo_page *p, const json_t *edits)
{
    const char *dir;
    const json_t *list, *one;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)edits, dir, list) json_array_foreach(list, i, one)
        tempo_page_say(p, "Edited: %s: %s", dir, json_string_value(one));
}

char *tempo_analyze_text(const json_t *report, const tempo_page_style *style)
{
    tempo_page p = {.style = style};
    size_t i;
    const json_t *one;

    if (style->markdown)
        tempo_page_heading(&p, 1, "Analysis of captures");
    json_array_foreach(json_object_get(report, "warnings"), i, one)
    {
        tempo_page_say(&p, "Note: %s.", json_string_value(one));
    }
    say_edits(&p, json_object_get(report, "edits"));
    json_array_foreach(json_object_get(report, "comparisons"), i, one)
    {
        show_kind(&p, one, compare_attention, compare_logits, compare_taps);
    }
    json_array_foreach(json_object_get(report, "captures"), i, one)
    {
        show_kind(&p, one, show_capture_attention, show_capture_logits, show_capture_taps);
    }
    return tempo_text_take(&p.t);
}
