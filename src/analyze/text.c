/* text.c - an analysis as text for people, from its JSON document alone. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/parts.h"
#include "draw/draw.h"

enum { BAR = 20, N_HEADS_SHOWN = 8, N_SHIFTS_SHOWN = 5, MAX_COLUMNS = 12 };

typedef struct page {
    tempo_text t;
    const tempo_analyze_style *style;
} page;

/* ---- pieces ---- */

static void heading(page *p, int level, const char *fmt, const char *a, const char *b)
{
    tempo_text line = {0};

    tempo_text_add(&line, fmt, a, b);
    const char *s = line.s != NULL ? line.s : "";
    if (p->style->markdown)
        tempo_text_add(&p->t, "%s%s %s\n\n", p->t.n > 0 ? "\n" : "", level == 1 ? "#" : "##", s);
    else if (p->style->color)
        tempo_text_add(&p->t, "%s\033[1m%s\033[0m\n", p->t.n > 0 ? "\n" : "", s);
    else
        tempo_text_add(&p->t, "%s%s\n", p->t.n > 0 ? "\n" : "", s);
    p->t.failed |= line.failed;
    tempo_text_free(&line);
}

/* Words of a line at most style->width columns wide, two of them a margin. */
static void wrap(page *p, const char *s)
{
    const size_t width = p->style->width > 22 ? p->style->width - 2 : 20;

    while (*s != '\0') {
        size_t end = 0, columns = 0; /* up to the last space that fits, or to the first one */
        for (size_t i = 0; s[i] != '\0' && (columns <= width || end == 0); i++) {
            columns += ((unsigned char)s[i] & 0xc0) != 0x80;
            if ((s[i + 1] == ' ' || s[i + 1] == '\0') && (columns <= width || end == 0))
                end = i + 1;
        }
        tempo_text_add(&p->t, "  %.*s\n", (int)end, s);
        s += end + strspn(s + end, " ");
    }
}

/* Facts in words: a paragraph of its own in Markdown. */
static void sentence(page *p, const char *fmt, ...) TEMPO_PRINTF(2, 3);
static void sentence(page *p, const char *fmt, ...)
{
    char line[9000]; /* two paths and what is said of them */
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (p->style->markdown)
        tempo_text_add(&p->t, "%s\n\n", line);
    else
        wrap(p, line);
}

/* Cells of a line of a table, of widths[i] columns; the last one is not padded. */
typedef struct table {
    page *p;
    size_t n, at;
    int widths[MAX_COLUMNS];
} table;

static void cell(table *t, const char *s)
{
    const size_t columns = tempo_text_columns(s), width = (size_t)t->widths[t->at];
    tempo_text *text = &t->p->t;

    if (t->p->style->markdown) {
        tempo_text_add(text, "| %s ", s);
    } else {
        tempo_text_add(text, "  ");
        tempo_text_repeat(text, " ", columns < width ? width - columns : 0);
        tempo_text_add(text, "%s", s);
    }
    if (++t->at == t->n) {
        tempo_text_add(text, t->p->style->markdown ? "|\n" : "\n");
        t->at = 0;
    }
}

static void cell_number(table *t, const char *fmt, double x) __attribute__((format(printf, 2, 0)));
static void cell_number(table *t, const char *fmt, double x)
{
    char s[48];

    (void)snprintf(s, sizeof(s), fmt, x);
    cell(t, s);
}

static void cell_bar(table *t, double value, double max)
{
    tempo_text bar = {0};

    tempo_draw_bar(&bar, value, max, BAR);
    cell(t, bar.s != NULL ? bar.s : "");
    tempo_text_free(&bar);
}

/* names[n] right-aligned in columns of widths[n] */
static table begin_table(page *p, size_t n, const char *const *names, const int *widths)
{
    table t = {.p = p, .n = n};

    memcpy(t.widths, widths, n * sizeof(*widths));
    for (size_t i = 0; i < n; i++)
        cell(&t, names[i]);
    if (p->style->markdown) {
        tempo_text_repeat(&p->t, "| --- ", n);
        tempo_text_add(&p->t, "|\n");
    }
    return t;
}

static void end_table(page *p)
{
    if (p->style->markdown)
        tempo_text_add(&p->t, "\n");
}

static double number_at(const json_t *o, const char *key)
{
    return tempo_json_value(json_object_get(o, key));
}

static double element(const json_t *a, size_t i)
{
    return tempo_json_value(json_array_get(a, i));
}

static size_t integer_at(const json_t *o, const char *key)
{
    return (size_t)json_integer_value(json_object_get(o, key));
}

static const char *string_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

static double greatest(const json_t *a)
{
    double max = 0;

    for (size_t i = 0; i < json_array_size(a); i++)
        max = isfinite(element(a, i)) && element(a, i) > max ? element(a, i) : max;
    return max;
}

/* A layers x heads map of the report c, under a title. */
static void heat(page *p, const char *title, const json_t *c, const json_t *map)
{
    const size_t rows = json_array_size(map), columns = json_array_size(json_array_get(map, 0));
    double *v = calloc(rows * columns + 1, sizeof(*v));

    if (v == NULL) {
        p->t.failed = true;
        return;
    }
    for (size_t i = 0; i < rows * columns; i++)
        v[i] = element(json_array_get(map, i / columns), i % columns);
    sentence(p, "%s", title);
    if (p->style->markdown)
        tempo_text_add(&p->t, "```\n");
    const tempo_heat h = {.values = v,
                          .n_rows = rows,
                          .n_columns = columns,
                          .row_name = "layer",
                          .column_name = "head",
                          .first_row = integer_at(c, "first_layer"),
                          .first_column = integer_at(c, "first_head"),
                          .width = p->style->width,
                          .color = p->style->color && !p->style->markdown};
    tempo_draw_heat(&p->t, &h);
    if (p->style->markdown)
        tempo_text_add(&p->t, "```\n\n");
    free(v);
}

/* ---- attention ---- */

static void show_sum_error(page *p, const char *which, double error)
{
    if (!(error <= 1e-5))
        sentence(p, "Rows of %s do not sum to 1: off by up to %.3g.", which, error);
}

/* Where two captures part, in words. */
static void show_difference(page *p, const json_t *c)
{
    const json_t *d = json_object_get(c, "first_difference");

    if (json_is_true(json_object_get(c, "identical"))) {
        sentence(p, "Identical: every bit of the %zu steps in common.", integer_at(c, "steps_in_common"));
        return;
    }
    if (json_object_get(d, "why") != NULL)
        sentence(p, "They part at step %zu: %s.", integer_at(d, "step"), string_at(d, "why"));
    else if (json_object_get(d, "layer") != NULL)
        sentence(
            p, "First different number: step %zu, layer %zu, head %zu, row %zu, slot %zu: %.9g against %.9g.",
            integer_at(d, "step"), integer_at(d, "layer"), integer_at(d, "head"), integer_at(d, "row"),
            integer_at(d, "slot"), number_at(d, "first"), number_at(d, "second"));
    else if (d != NULL)
        sentence(p, "First different number: step %zu, row %zu, token %zu: %.9g against %.9g.",
                 integer_at(d, "step"), integer_at(d, "row"), integer_at(d, "id"), number_at(d, "first"),
                 number_at(d, "second"));
    if (json_is_integer(json_object_get(c, "sets_differ_at")))
        sentence(p,
                 "Their sets differ from step %zu on: what was read after it has another context and is not "
                 "in the "
                 "means.",
                 integer_at(c, "sets_differ_at"));
    if (json_is_integer(json_object_get(c, "order_differs_at")))
        sentence(p,
                 "The same members stand in another order at step %zu: rows that were read after it are of "
                 "other members, and are not in the means.",
                 integer_at(c, "order_differs_at"));
}

static void show_a1(page *p, const json_t *c)
{
    const json_t *a1 = json_object_get(c, "a1");

    if (!json_is_object(a1))
        return;
    sentence(p,
             "Layer 0 of the first set (step %zu, %zu rows): isolated %s visible without its siblings; the "
             "greatest "
             "difference %.3g is %.3g of the tolerance.",
             integer_at(a1, "step"), integer_at(a1, "rows"),
             json_is_true(json_object_get(a1, "holds")) ? "equals" : "DIFFERS from",
             number_at(a1, "max_difference"), number_at(a1, "of_tolerance"));
}

static void show_layers(page *p, const json_t *c)
{
    static const char *const names[6] = {"layer", "JS (nat)", "L1", "max diff", "siblings", "JS by layer"};
    static const int widths[6] = {5, 10, 10, 10, 10, BAR};
    const json_t *d = json_object_get(c, "difference"), *s = json_object_get(c, "siblings");
    const json_t *js = json_object_get(d, "layer_js");
    const double max = greatest(js);

    if (integer_at(c, "steps_compared") == 0) {
        sentence(p, "No step of theirs can be compared.");
        return;
    }
    sentence(p, "Means over %zu rows of %zu steps, %zu of them renormalised over what both see:",
             integer_at(d, "rows"), integer_at(c, "steps_compared"), integer_at(c, "steps_renormalised"));
    table t = begin_table(p, 6, names, widths);
    for (size_t i = 0; i < json_array_size(js); i++) {
        cell_number(&t, "%.0f", (double)(i + integer_at(c, "first_layer")));
        cell_number(&t, "%.3e", element(js, i));
        cell_number(&t, "%.3e", element(json_object_get(d, "layer_l1"), i));
        cell_number(&t, "%.3e", element(json_object_get(d, "layer_max"), i));
        if (json_is_object(s))
            cell_number(&t, "%.4f", element(json_object_get(s, "layer_mass"), i));
        else
            cell(&t, "-");
        cell_bar(&t, element(js, i), max);
    }
    cell(&t, "all");
    cell_number(&t, "%.3e", number_at(d, "js"));
    cell_number(&t, "%.3e", number_at(d, "l1"));
    cell_number(&t, "%.3e", number_at(d, "max"));
    if (json_is_object(s))
        cell_number(&t, "%.4f", number_at(s, "mass"));
    else
        cell(&t, "-");
    cell(&t, "");
    end_table(p);
}

static void show_siblings(page *p, const json_t *c)
{
    static const char *const names[5] = {"layer", "head", "share", "mass", ""};
    static const int widths[5] = {5, 5, 8, 8, BAR};
    const json_t *s = json_object_get(c, "siblings"), *heads = json_object_get(s, "heads");

    if (!json_is_object(s)) {
        sentence(p, "No rows with siblings whose slots are known: attention on siblings cannot be told.");
        return;
    }
    sentence(p,
             "Attention on siblings, %zu rows: mass %.4f; share without the first slot %.4f (evenly spread "
             "%.4f, as "
             "many nearest earlier slots %.4f).",
             integer_at(s, "rows"), number_at(s, "mass"), number_at(s, "share"),
             number_at(s, "uniform_share"), number_at(s, "nearest_share"));
    if (number_at(s, "mass") == 0)
        return;
    heat(p, "Share on siblings, first slot excluded:", c, json_object_get(s, "share_map"));
    sentence(p, "Heads that attend to siblings most:");
    table t = begin_table(p, 5, names, widths);
    for (size_t i = 0; i < json_array_size(heads) && i < N_HEADS_SHOWN; i++) {
        const json_t *h = json_array_get(heads, i);
        cell_number(&t, "%.0f", number_at(h, "layer"));
        cell_number(&t, "%.0f", number_at(h, "head"));
        cell_number(&t, "%.4f", number_at(h, "share"));
        cell_number(&t, "%.4f", number_at(h, "mass"));
        cell_bar(&t, number_at(h, "share"), 1);
    }
    end_table(p);
}

static void show_attention_steps(page *p, const json_t *c)
{
    static const char *const names[6] = {"step", "rows", "slots", "JS (nat)", "max diff", "compared"};
    static const int widths[6] = {5, 5, 6, 10, 10, 12};
    const json_t *steps = json_object_get(c, "steps");
    table t = begin_table(p, 6, names, widths);

    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i), *d = json_object_get(s, "difference");
        cell_number(&t, "%.0f", number_at(s, "step"));
        cell_number(&t, "%.0f", number_at(s, "rows"));
        cell_number(&t, "%.0f", number_at(s, "slots"));
        if (d == NULL) {
            cell(&t, "-");
            cell(&t, "-");
            cell(&t, string_at(s, "why"));
            continue;
        }
        cell_number(&t, "%.3e", number_at(d, "js"));
        cell_number(&t, "%.3e", number_at(d, "max"));
        cell(&t, json_is_true(json_object_get(s, "identical")) ? "identical" : string_at(s, "compared"));
    }
    end_table(p);
}

static void compare_attention(page *p, const json_t *c)
{
    heading(p, 2, "Attention: %s against %s", string_at(c, "first"), string_at(c, "second"));
    show_sum_error(p, string_at(c, "first"), number_at(c, "first_sum_error"));
    show_sum_error(p, string_at(c, "second"), number_at(c, "second_sum_error"));
    show_difference(p, c);
    show_a1(p, c);
    show_attention_steps(p, c);
    if (json_is_true(json_object_get(c, "identical")))
        return;
    show_layers(p, c);
    show_siblings(p, c);
    if (integer_at(c, "steps_compared") > 0)
        heat(p, "Jensen-Shannon divergence (nat):", c,
             json_object_get(json_object_get(c, "difference"), "js_map"));
}

/* ---- logits ---- */

static const char *const logits_keys[10] = {"tv",        "kl",   "kl_back", "js",    "cosine",
                                            "max_dlogp", "top1", "top5",    "top10", "top20"};

static void show_shifts(page *p, const json_t *steps)
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
            const double tv = number_at(json_array_get(rows, r), "tv");
            if (tv > max) {
                max = tv;
                worst = json_array_get(rows, r);
                step = integer_at(s, "step");
                row = r;
            }
        }
    }
    if (worst == NULL)
        return;
    sentence(p, "Tokens that differ most, where the distributions do (step %zu, row %zu):", step, row);
    const json_t *shifts = json_object_get(worst, "most_different");
    table t = begin_table(p, 4, names, widths);
    for (size_t i = 0; i < json_array_size(shifts) && i < N_SHIFTS_SHOWN; i++) {
        const json_t *s = json_array_get(shifts, i);
        cell_number(&t, "%.0f", number_at(s, "id"));
        cell_number(&t, "%.6f", number_at(s, "first"));
        cell_number(&t, "%.6f", number_at(s, "second"));
        cell_number(&t, "%+.6f", number_at(s, "second") - number_at(s, "first"));
    }
    end_table(p);
}

static void show_logits_row(table *t, const char *name, double rows, const json_t *v)
{
    cell(t, name);
    cell_number(t, "%.0f", rows);
    for (size_t k = 0; k < 10; k++)
        cell_number(t,
                    k < 4    ? "%.1e"
                    : k == 4 ? "%.5f"
                    : k == 5 ? "%.1e"
                             : "%.2f",
                    number_at(v, logits_keys[k]));
}

static void compare_logits(page *p, const json_t *c)
{
    static const char *const names[12] = {"step",   "rows",    "TV",    "KL", "KL back", "JS",
                                          "cosine", "d log p", "top 1", "5",  "10",      "20"};
    static const int widths[12] = {4, 4, 7, 7, 7, 7, 8, 7, 5, 4, 4, 4};
    const json_t *steps = json_object_get(c, "steps");
    char name[24];

    heading(p, 2, "Logits: %s against %s", string_at(c, "first"), string_at(c, "second"));
    show_difference(p, c);
    if (integer_at(c, "rows_compared") == 0) {
        sentence(p, "No step of theirs can be compared.");
        return;
    }
    sentence(p,
             "Means over the rows of a step; KL and JS in nats, d log p the greatest on 0.999 of the mass:");
    table t = begin_table(p, 12, names, widths);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i);
        if (!json_is_true(json_object_get(s, "same_context")))
            continue;
        (void)snprintf(name, sizeof(name), "%zu", integer_at(s, "step"));
        show_logits_row(&t, name, number_at(s, "rows"), json_object_get(s, "mean"));
    }
    show_logits_row(&t, "all", number_at(c, "rows_compared"), json_object_get(c, "mean"));
    end_table(p);
    show_shifts(p, steps);
}

/* ---- one capture ---- */

static void show_capture_attention(page *p, const json_t *c)
{
    const json_t *d1 = json_object_get(c, "d1");

    heading(p, 2, "Attention of %s%s", string_at(c, "file"), "");
    show_sum_error(p, "it", number_at(c, "sum_error"));
    if (json_is_object(d1))
        sentence(p, "Positions: the members of %zu of %zu sets share one position exactly%s.",
                 integer_at(d1, "equal"), integer_at(d1, "sets"),
                 json_is_true(json_object_get(d1, "holds")) ? "" : "; the others do NOT");
    else
        sentence(p, "Positions: no set of several members whose slots and positions are recorded.");
    if (json_is_integer(json_object_get(c, "rope_positions_differ_at")))
        sentence(p,
                 "rope_positions.json DIFFERS from the positions recorded with the steps, first at slot %zu.",
                 integer_at(c, "rope_positions_differ_at"));
    show_siblings(p, c);
}

static void show_capture_logits(page *p, const json_t *c)
{
    static const char *const names[5] = {"step", "rows", "entropy", "top token", "probability"};
    static const int widths[5] = {5, 5, 8, 9, 11};
    const json_t *steps = json_object_get(c, "steps");

    heading(p, 2, "Logits of %s%s", string_at(c, "file"), "");
    sentence(p, "The first row of every step; entropy in nats:");
    table t = begin_table(p, 5, names, widths);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i), *row = json_array_get(json_object_get(s, "row"), 0);
        const json_t *top = json_array_get(json_object_get(row, "top"), 0);
        cell_number(&t, "%.0f", number_at(s, "step"));
        cell_number(&t, "%.0f", number_at(s, "rows"));
        cell_number(&t, "%.4f", number_at(row, "entropy"));
        cell_number(&t, "%.0f", number_at(top, "id"));
        cell_number(&t, "%.6f", number_at(top, "probability"));
    }
    end_table(p);
}

char *tempo_analyze_text(const json_t *report, const tempo_analyze_style *style)
{
    page p = {.style = style};
    size_t i;
    const json_t *one;

    if (style->markdown)
        heading(&p, 1, "Analysis of captures%s%s", "", "");
    json_array_foreach(json_object_get(report, "warnings"), i, one)
    {
        sentence(&p, "Note: %s.", json_string_value(one));
    }
    json_array_foreach(json_object_get(report, "comparisons"), i, one)
    {
        if (strcmp(string_at(one, "kind"), "attention") == 0)
            compare_attention(&p, one);
        else
            compare_logits(&p, one);
    }
    json_array_foreach(json_object_get(report, "captures"), i, one)
    {
        if (strcmp(string_at(one, "kind"), "attention") == 0)
            show_capture_attention(&p, one);
        else
            show_capture_logits(&p, one);
    }
    return tempo_text_take(&p.t);
}
