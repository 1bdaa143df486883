/* tables.c - EXPERIMENT_RESULTS.md: the statistical summary. */
#include <math.h>
#include <string.h>

#include "experiment/document/document.h"
#include "files/json_out.h"
#include "draw/say.h"

static void put_data_table(tempo_text *t, const json_t *summary, const tempo_findings *f)
{
    const json_t *result;
    size_t i;

    tempo_text_add(t, "### Data Captured\n\n| Data Type | Total Size | Files |\n|---|---|---|\n");
    for (size_t k = 0; k < TEMPO_FILE_KINDS; k++) {
        tempo_tally files = {0};
        EACH_EXPERIMENT(i, result, summary) tempo_tally_files(&files, result, &tempo_file_kinds[k], "");
        tempo_text_add(t, "| %s | ", tempo_file_kinds[k].title);
        tempo_results_put_bytes(t, files.bytes);
        tempo_text_add(t, " | %zu |\n", files.files);
    }
    tempo_text_add(t, "| **Total** | **");
    tempo_results_put_bytes(t, f->files.bytes);
    tempo_text_add(t, "** | **%zu** |\n", f->files.files);
}

/* ---- times ---- */

static void put_seconds(tempo_text *t, double s)
{
    if (isfinite(s))
        tempo_text_add(t, " %.4fs |", s);
    else
        tempo_text_add(t, " - |");
}

static void put_time_row(tempo_text *t, const json_t *result, const json_t *c)
{
    const json_t *timing = json_object_get(c, "timing"), *arms = json_object_get(c, "arms");
    const json_t *ci = json_object_get(timing, "visible_faster_interval"),
                 *published = json_object_get(result, "published");
    const double faster = tempo_number_at(timing, "visible_faster_percent"),
                 said = tempo_number_at(published, "visible_faster_percent");

    tempo_text_add(t, "| %s |", tempo_text_at(result, "experiment"));
    put_seconds(t, tempo_number_at(json_object_get(arms, "isolated"), "generation_time"));
    put_seconds(t, tempo_number_at(json_object_get(arms, "visible"), "generation_time"));
    put_seconds(t, tempo_number_at(json_object_get(arms, "replay"), "generation_time"));
    if (isfinite(faster)) {
        tempo_text_add(t, " %.3f | ", tempo_number_at(timing, "isolated_over_visible"));
        tempo_say_faster(t, faster, 1);
        tempo_text_add(t, " | ");
        tempo_say_faster_interval(t, tempo_element(ci, 0), tempo_element(ci, 1), 1);
        tempo_text_add(t, " |");
    } else {
        tempo_text_add(t, " - | - | - |");
    }
    if (isfinite(said) && said != 0.0) {
        tempo_text_add(t, " ");
        tempo_say_faster(t, said, 1);
        tempo_text_add(t, "%s |\n", tempo_other_model(published));
    } else {
        tempo_text_add(t, " - |\n");
    }
}

/* Published times of both modes that the document draws no percentage from. */
static void put_left_out(tempo_text *t, const json_t *summary)
{
    const json_t *result, *r;
    size_t i, k, n = 0;

    EACH_EXPERIMENT(i, result, summary)
    {
        const json_t *published = json_object_get(result, "published");
        double isolated = (double)NAN, visible = (double)NAN;
        if (tempo_number_at(published, "visible_faster_percent") != 0.0)
            continue;
        json_array_foreach(json_object_get(published, "runs"), k, r)
        {
            const bool is_visible = strcmp(tempo_text_at(r, "mode"), "visible") == 0;
            *(is_visible ? &visible : &isolated) = tempo_number_at(r, "seconds");
        }
        if (!(isolated > 0.0 && visible > 0.0))
            continue;
        tempo_text_add(t, "%s %s (by its times ", n++ == 0 ? "; it leaves out" : ",",
                       tempo_text_at(result, "experiment"));
        tempo_say_faster(t, 100.0 * (1.0 - visible / isolated), 1);
        tempo_text_add(t, ")");
    }
}

static void put_times(tempo_text *t, const json_t *summary, const tempo_findings *f)
{
    const double faster = tempo_pool_value(&f->faster), published = tempo_pool_value(&f->published_faster);
    const json_t *result, *c;
    size_t i;

    tempo_text_add(t,
                   "\n### Performance Metrics\n\n| Experiment | Isolated Time | Visible Time | Replay Time | "
                   "Isolated / Visible | Visible is | 95%% interval | Published "
                   "|\n|---|---|---|---|---|---|---|---|\n");
    EACH_EXPERIMENT(i, result, summary)
    {
        EACH_CASE(k, c, result) put_time_row(t, result, c);
    }
    if (!isfinite(faster) && !isfinite(published))
        return;
    tempo_text_add(t, "\n**Average Visible Speedup**: ");
    if (isfinite(faster)) {
        tempo_say_faster(t, faster, 1);
        tempo_text_add(t, ", the mean of %zu measurement%s of %zu run%s", f->faster.n,
                       f->faster.n == 1 ? "" : "s", f->runs, f->runs == 1 ? "" : "s");
    } else {
        tempo_text_add(t, "not measured");
    }
    if (isfinite(published)) {
        tempo_text_add(t, ". Published: ");
        tempo_say_faster(t, published, 1);
        tempo_text_add(t, ", the mean of the %zu number%s that the document gives", f->published_faster.n,
                       f->published_faster.n == 1 ? "" : "s");
        put_left_out(t, summary);
    }
    tempo_text_add(t, ".\n");
}

/* ---- tokens ---- */

static void put_cell(tempo_text *t, const char *s)
{
    for (; *s != '\0'; s++) { /* '|' would end the cell */
        const char one[2] = {*s, '\0'};
        tempo_results_put_token(t, *s == '|' ? "\\|" : one);
    }
}

typedef struct range {
    double least, most; /* least > most: of nothing */
} range;

static range range_of(const json_t *sizes)
{
    range r = {INFINITY, 0.0};

    for (size_t s = 0; s < json_array_size(sizes); s++) {
        r.least = fmin(r.least, tempo_element(sizes, s));
        r.most = fmax(r.most, tempo_element(sizes, s));
    }
    return r;
}

static void put_range(tempo_text *t, const json_t *sizes)
{
    const range r = range_of(sizes);

    if (r.least <= r.most)
        tempo_text_add(t, "%.0f-%.0f tokens/step", r.least, r.most);
    else
        tempo_text_add(t, "-");
}

static void put_token_row(tempo_text *t, const json_t *result, const json_t *c, const char *name,
                          const json_t *arm)
{
    tempo_text_add(t, "| %s | %s | `", tempo_text_at(result, "experiment"), name);
    put_cell(t, tempo_text_at(c, "prompt"));
    tempo_text_add(t, "` | %lld | ", tempo_whole_at(arm, "total_tokens"));
    put_range(t, json_object_get(arm, "set_sizes"));
    tempo_text_add(t, " | %.3f nat |\n", tempo_number_at(arm, "mean_entropy"));
}

/* What the document says: the range that it names, and that of the sets of the run. */
static void put_published_row(tempo_text *t, const json_t *result, const json_t *r)
{
    const json_t *said = json_object_get(r, "tokens_per_step"),
                 *published = json_object_get(result, "published");

    tempo_text_add(t, "| %s | published, %s%s | `", tempo_text_at(result, "experiment"),
                   tempo_text_at(r, "mode"), tempo_other_model(published));
    put_cell(t, tempo_text_at(tempo_results_case(result, 0), "prompt"));
    tempo_text_add(t, "` | %lld | ", tempo_whole_at(r, "total_tokens"));
    if (json_is_array(said)) {
        put_range(t, said);
        tempo_text_add(t, " as it says");
    }
    if (json_array_size(json_object_get(r, "set_sizes")) > 0) {
        tempo_text_add(t, "%s", json_is_array(said) ? ", " : "");
        put_range(t, json_object_get(r, "set_sizes"));
        tempo_text_add(t, " by its sets");
    }
    tempo_text_add(t, " | - |\n");
}

static void put_tokens(tempo_text *t, const json_t *summary)
{
    const json_t *result, *c, *arm, *r;
    const char *name;
    size_t i, k;

    tempo_text_add(
        t, "\n### Token Generation Statistics\n\n| Experiment | Arm | Prompt | Tokens Generated | Parallel "
           "Token Range | Mean Entropy |\n|---|---|---|---|---|---|\n");
    EACH_EXPERIMENT(i, result, summary)
    {
        EACH_CASE(n, c, result)
        {
            EACH_ARM(name, arm, c) put_token_row(t, result, c, name, arm);
        }
        json_array_foreach(json_object_get(json_object_get(result, "published"), "runs"), k, r)
            put_published_row(t, result, r);
    }
}

/* ---- contradictions ---- */

static bool same_figures(const json_t *a, const json_t *b)
{
    return json_equal(json_object_get(a, "tokens_per_step"), json_object_get(b, "tokens_per_step")) &&
           json_equal(json_object_get(a, "set_sizes"), json_object_get(b, "set_sizes"));
}

void tempo_put_contradictions(tempo_text *t, const json_t *published)
{
    const json_t *runs = json_object_get(published, "runs");

    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *r = json_array_get(runs, i);
        const range said = range_of(json_object_get(r, "tokens_per_step")),
                    had = range_of(json_object_get(r, "set_sizes"));
        bool done = said.least > said.most || had.least > had.most ||
                    (had.least >= said.least && had.most <= said.most);
        for (size_t k = 0; k < i; k++)
            done = done || same_figures(json_array_get(runs, k), r);
        if (done)
            continue;
        tempo_text_add(t, "The published document contradicts itself: it says %.0f-%.0f tokens a step (",
                       said.least, said.most);
        for (size_t k = i; k < json_array_size(runs); k++)
            if (same_figures(json_array_get(runs, k), r))
                tempo_text_add(t, "%s%s", k > i ? ", " : "", tempo_text_at(json_array_get(runs, k), "mode"));
        tempo_text_add(t, "), and the sets of that run have %.0f to %.0f.\n\n", had.least, had.most);
    }
}

void tempo_put_statistics(tempo_text *t, const json_t *summary, const tempo_findings *f)
{
    tempo_text_add(t, "## Statistical Summary\n\n");
    put_data_table(t, summary, f);
    put_times(t, summary, f);
    put_tokens(t, summary);
}
