/* runs_text.c - runs as people read them. */
#include "cli/study/runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"
#include "files/json_out.h"

/* ---- pieces ---- */

/* s, and spaces up to a width. */
static void show_cell(const char *s, size_t width)
{
    const size_t n = token_width(s, strlen(s));

    show_token(s, strlen(s));
    if (n < width)
        printf("%*s", (int)(width - n), "");
}

static void show_number(const json_t *v)
{
    if (json_is_integer(v))
        printf("%lld", (long long)json_integer_value(v));
    else if (json_is_number(v))
        printf("%.4g", json_number_value(v));
    else
        putchar('-');
}

/* A member by its key, when there is one. */
static void show_field(const json_t *o, const char *key, const char *label)
{
    const json_t *v = json_object_get(o, key);
    char *compact;

    if (v == NULL || json_is_null(v))
        return;
    printf("%-14s ", label);
    if (json_is_string(v)) {
        show_token(json_string_value(v), json_string_length(v));
    } else if (json_is_number(v)) {
        show_number(v);
    } else if ((compact = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6))) != NULL) {
        show_token(compact, strlen(compact));
        free(compact);
    }
    putchar('\n');
}

/* "B different/inconclusive" */
static void show_headline(const json_t *headline)
{
    for (size_t i = 0; i < json_array_size(headline); i++) {
        const json_t *one = json_array_get(headline, i), *verdicts = json_object_get(one, "verdicts");
        if (i == 6) {
            printf(", ...");
            break;
        }
        printf("%s", i > 0 ? ", " : "");
        show_cell(tempo_text_at(one, "id"), 0);
        for (size_t k = 0; k < json_array_size(verdicts); k++) {
            putchar(k == 0 ? ' ' : '/');
            show_cell(json_string_value(json_array_get(verdicts, k)), 0);
        }
    }
}

/* ---- list ---- */

enum { COLUMNS = 6 };

static const char *const columns[COLUMNS] = {"id", "kind", "name", "model", "created", "status"};

void show_runs(const json_t *list)
{
    size_t width[COLUMNS];

    for (size_t c = 0; c < COLUMNS; c++) {
        width[c] = strlen(columns[c]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *s = tempo_text_at(json_array_get(list, i), columns[c]);
            const size_t n = token_width(s, strlen(s));
            width[c] = n > width[c] ? n : width[c];
        }
    }
    for (size_t c = 0; c < COLUMNS; c++)
        printf("%-*s  ", (int)width[c], columns[c]);
    printf("verdicts\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        for (size_t c = 0; c < COLUMNS; c++) {
            show_cell(tempo_text_at(one, columns[c]), width[c]);
            printf("  ");
        }
        show_headline(json_object_get(one, "headline"));
        putchar('\n');
    }
}

/* ---- show ---- */

/* ", a, b": those that are there */
static void show_words(const json_t *o, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *s = tempo_text_at(o, keys[i]);
        printf("%s", s[0] != '\0' ? ", " : "");
        show_cell(s, 0);
    }
}

static void show_models(const json_t *models)
{
    static const char *const facts[] = {"architecture", "format"};

    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *m = json_array_get(models, i);
        printf("model %-8lld ", tempo_whole_at(m, "model"));
        show_cell(tempo_text_at(m, "name"), 0);
        show_words(m, facts, sizeof(facts) / sizeof(*facts));
        if (json_is_integer(json_object_get(m, "parameters")))
            printf(", %lld parameters", tempo_whole_at(m, "parameters"));
        putchar('\n');
        if (tempo_text_at(m, "path")[0] != '\0') {
            printf("%-14s ", "");
            show_cell(tempo_text_at(m, "path"), 0);
            putchar('\n');
        }
        if (tempo_text_at(m, "sha256")[0] != '\0') {
            printf("%-14s SHA-256 ", "");
            show_cell(tempo_text_at(m, "sha256"), 0);
            putchar('\n');
        }
    }
}

static void show_arm(const json_t *a)
{
    printf("     %s", tempo_text_at(a, "arm")[0] != '\0' ? "" : "sets");
    show_cell(tempo_text_at(a, "arm"), 0);
    printf(": %lld step%s, %lld member%s", tempo_whole_at(a, "steps"),
           tempo_whole_at(a, "steps") == 1 ? "" : "s", tempo_whole_at(a, "members"),
           tempo_whole_at(a, "members") == 1 ? "" : "s");
    if (tempo_text_at(a, "stopped_by")[0] != '\0') {
        printf(", stopped by ");
        show_cell(tempo_text_at(a, "stopped_by"), 0);
    }
    putchar('\n');
    if (tempo_text_at(a, "text")[0] != '\0') {
        printf("       ");
        show_cell(tempo_text_at(a, "text"), 0);
        putchar('\n');
    }
}

static void show_unit(const json_t *u)
{
    const json_t *prompt = json_object_get(u, "prompt"), *arms = json_object_get(u, "arms"), *value;
    const char *name;

    printf("%4lld ", tempo_whole_at(u, "unit"));
    if (tempo_text_at(u, "name")[0] != '\0') {
        show_cell(tempo_text_at(u, "name"), 0);
        printf(": ");
    }
    printf("threshold ");
    show_number(json_object_get(u, "threshold"));
    if (json_is_integer(json_object_get(u, "model")))
        printf(", model %lld", tempo_whole_at(u, "model"));
    if (tempo_text_at(prompt, "stratum")[0] != '\0') {
        printf(", ");
        show_cell(tempo_text_at(prompt, "stratum"), 0);
    }
    printf(", \"");
    show_cell(tempo_text_at(prompt, "text"), 0);
    printf("\"\n");
    for (size_t i = 0; i < json_array_size(arms); i++)
        show_arm(json_array_get(arms, i));
    if (json_object_size(json_object_get(u, "values")) == 0)
        return;
    printf("    ");
    json_object_foreach(json_object_get(u, "values"), name, value)
    {
        putchar(' ');
        show_cell(name, 0);
        putchar(' ');
        show_number(value);
    }
    putchar('\n');
}

static void show_numbers(const json_t *o, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(o, keys[i]);
        if (v == NULL || json_is_null(v))
            continue;
        printf("  %s ", keys[i]);
        show_number(v);
    }
}

static void show_verdict(const json_t *v)
{
    static const char *const keys[] = {"model", "threshold", "n", "mean", "bound", "p_adjusted"};

    printf("  ");
    show_cell(tempo_text_at(v, "id"), 8);
    putchar(' ');
    show_cell(tempo_text_at(v, "verdict"), 13);
    show_numbers(v, keys, sizeof(keys) / sizeof(*keys));
    if (json_is_number(json_object_get(v, "low")) && json_is_number(json_object_get(v, "high"))) {
        printf("  interval [");
        show_number(json_object_get(v, "low"));
        printf(", ");
        show_number(json_object_get(v, "high"));
        putchar(']');
    }
    for (size_t i = 0; i < 2; i++) {
        const char *word = tempo_text_at(v, i == 0 ? "family" : "kind");
        if (word[0] != '\0')
            printf("  ");
        show_cell(word, 0);
    }
    putchar('\n');
}

static void show_artefact(const json_t *a)
{
    printf("  %12lld ", tempo_whole_at(a, "bytes"));
    show_cell(tempo_text_at(a, "sha256"), 64);
    putchar(' ');
    show_cell(tempo_text_at(a, "path"), 0);
    putchar('\n');
}

static void show_metric(const json_t *m)
{
    static const char *const keys[] = {"n", "mean", "min", "max"};

    printf("  ");
    show_cell(tempo_text_at(m, "name"), 24);
    show_numbers(m, keys, sizeof(keys) / sizeof(*keys));
    putchar('\n');
}

static void show_section(const json_t *run, const char *key, const char *title,
                         void (*show)(const json_t *one))
{
    const json_t *list = json_object_get(run, key);

    if (json_array_size(list) > 0)
        printf("\n%s\n", title);
    for (size_t i = 0; i < json_array_size(list); i++)
        show(json_array_get(list, i));
}

void show_run(const json_t *run)
{
    static const char *const fields[][2] = {
        {"id", "id"},
        {"kind", "kind"},
        {"name", "name"},
        {"created", "created"},
        {"status", "status"},
        {"dir", "directory"},
        {"version", "version"},
        {"compiler", "compiler"},
        {"argv", "command"},
        {"cpu", "cpu"},
        {"cpu_features", "features"},
        {"threads", "threads"},
        {"compute", "compute"},
        {"config", "config"},
        {"times", "times"},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        show_field(run, fields[i][0], fields[i][1]);
    show_models(json_object_get(run, "models"));
    show_section(run, "verdicts", "verdicts", show_verdict);
    show_section(run, "units", "prompts", show_unit);
    show_section(run, "metrics", "metrics over steps", show_metric);
    show_section(run, "artefacts", "files (bytes, SHA-256)", show_artefact);
}

/* ---- compare ---- */

static void show_side(const char *label, const json_t *r)
{
    printf("%s  ", label);
    show_cell(tempo_text_at(r, "id"), 0);
    printf("  ");
    show_cell(tempo_text_at(r, "kind"), 0);
    printf("  ");
    show_cell(tempo_text_at(r, "model"), 0);
    printf("  ");
    show_cell(tempo_text_at(r, "created"), 0);
    putchar('\n');
}

static void show_arm_pair(const json_t *a)
{
    enum { SHOWN = 12 };
    const char *x = tempo_text_at(a, "a"), *y = tempo_text_at(a, "b");
    const json_t *differ = json_object_get(a, "differ");
    const size_t n = json_array_size(differ);

    printf("       ");
    if (differ == NULL) {
        show_cell(x[0] != '\0' ? x : y, 0);
        printf(": only in %s\n", json_is_string(json_object_get(a, "a")) ? "A" : "B");
        return;
    }
    show_cell(x[0] != '\0' ? x : "sets", 0);
    if (strcmp(x, y) != 0) {
        printf(" and ");
        show_cell(y[0] != '\0' ? y : "sets", 0);
    }
    printf(": steps %lld and %lld, ", tempo_whole_at(a, "steps_a"), tempo_whole_at(a, "steps_b"));
    if (n == 0)
        printf("the same sets at all %lld of both\n", tempo_whole_at(a, "common"));
    else
        printf("different sets at %zu of %lld:", n, tempo_whole_at(a, "common"));
    for (size_t i = 0; i < n && i < SHOWN; i++)
        printf(" %lld", (long long)json_integer_value(json_array_get(differ, i)));
    if (n > 0)
        printf("%s\n", n > SHOWN ? " ..." : "");
}

static void show_prompt_line(const json_t *u)
{
    printf("  threshold ");
    show_number(json_object_get(u, "threshold"));
    printf(", \"");
    show_cell(tempo_text_at(u, "prompt"), 0);
    printf("\"\n");
}

static void show_unit_pair(const json_t *u)
{
    const json_t *arms = json_object_get(u, "arms");

    show_prompt_line(u);
    for (size_t i = 0; i < json_array_size(arms); i++)
        show_arm_pair(json_array_get(arms, i));
}

static void show_metric_pair(const json_t *m)
{
    printf("  ");
    show_cell(tempo_text_at(m, "name"), 24);
    printf(" (%s)  n %lld  mean ", tempo_text_at(m, "scope"), tempo_whole_at(m, "n"));
    show_number(json_object_get(m, "mean_a"));
    printf(" and ");
    show_number(json_object_get(m, "mean_b"));
    if (tempo_whole_at(m, "unequal") == 0) {
        printf("  all equal\n");
        return;
    }
    printf("  %lld differ, by at most ", tempo_whole_at(m, "unequal"));
    show_number(json_object_get(m, "max_difference"));
    putchar('\n');
}

static void show_verdict_pair(const json_t *v)
{
    printf("  ");
    show_cell(tempo_text_at(v, "id"), 8);
    if (json_is_number(json_object_get(v, "threshold"))) {
        printf(" threshold ");
        show_number(json_object_get(v, "threshold"));
    }
    for (int side = 0; side < 2; side++) {
        const char *verdict = tempo_text_at(v, side == 0 ? "verdict_a" : "verdict_b");
        printf("  %s: ", side == 0 ? "A" : "B");
        show_cell(verdict[0] != '\0' ? verdict : "none", 0);
        printf(" (mean ");
        show_number(json_object_get(v, side == 0 ? "mean_a" : "mean_b"));
        printf(", n ");
        show_number(json_object_get(v, side == 0 ? "n_a" : "n_b"));
        putchar(')');
    }
    printf("%s\n", json_is_true(json_object_get(v, "same")) ? "  the same" : "");
}

void show_comparison(const json_t *c)
{
    show_side("A", json_object_get(c, "a"));
    show_side("B", json_object_get(c, "b"));
    if (strcmp(tempo_text_at(c, "compared_by"), "text") == 0)
        printf("The runs have no model in common: sets are compared by their texts.\n");
    show_section(c, "units", "prompts of both", show_unit_pair);
    show_section(c, "only_a", "only in A", show_prompt_line);
    show_section(c, "only_b", "only in B", show_prompt_line);
    show_section(c, "metrics", "metrics", show_metric_pair);
    if (tempo_whole_at(c, "metrics_of_one") > 0)
        printf("  %lld values are in one of the two only\n", tempo_whole_at(c, "metrics_of_one"));
    show_section(c, "verdicts", "verdicts", show_verdict_pair);
    printf("\n%s\n",
           json_is_true(json_object_get(c, "same")) ? "The two agree in everything." : "The two differ.");
}

/* ---- gc ---- */

void show_gone(const json_t *gone, bool dry_run)
{
    for (size_t i = 0; i < json_array_size(gone); i++) {
        const json_t *one = json_array_get(gone, i);
        show_cell(tempo_text_at(one, "id"), 0);
        printf("  ");
        show_cell(tempo_text_at(one, "dir"), 0);
        putchar('\n');
    }
    if (json_array_size(gone) == 0)
        printf("Every run's directory is there.\n");
    else
        printf("%zu %s.\n", json_array_size(gone), dry_run ? "would be dropped" : "dropped");
}
