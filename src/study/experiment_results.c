/* experiment_results.c - EXPERIMENT_RESULTS.md: the tables and findings of the published document, in its
 * order, with what was measured here.  Every sentence that claims something is chosen by a number of the
 * summary.  */
#include "study/experiment_results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/json_out.h"
#include "study/say.h"

#define EACH_EXPERIMENT(i, result, summary)                                                                  \
    json_array_foreach(json_object_get(summary, "experiments"), i, result)
#define EACH_CASE(k, c, result) for (size_t k = 0; (c = tempo_results_case(result, k)) != NULL; k++)
#define EACH_ARM(name, arm, c) json_object_foreach(json_object_get(c, "arms"), name, arm)

/* ---- files ---- */

typedef struct file_kind {
    const char *key, *title, *plural; /* key: of "file_names"; NULL for whatever is none of the others */
} file_kind;

static const file_kind kinds[] = {
    {"attention", "Attention Weights", "attention tensors"},
    {"logits", "Logits Distributions", "logits distributions"},
    {"kv", "Keys and Values", "keys and values"},
    {"positions", "RoPE Positions", "RoPE positions"},
    {"cross_parallel", "Cross-Parallel Scores", "cross-parallel scores"},
    {NULL, "Metadata & Results", "metadata and results"},
};
enum { N_KINDS = sizeof(kinds) / sizeof(*kinds) };

static bool is_kind(const json_t *result, const file_kind *kind, const char *path)
{
    const json_t *names = json_object_get(result, "file_names");
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;

    if (kind->key != NULL)
        return strcmp(base, tempo_results_string(names, kind->key)) == 0;
    for (size_t i = 0; i < N_KINDS; i++)
        if (kinds[i].key != NULL && is_kind(result, &kinds[i], path))
            return false;
    return true;
}

typedef struct tally {
    double bytes;
    size_t files;
} tally;

/* Files of a kind (NULL: any) whose path begins with `begin`. */
static void add_files(tally *t, const json_t *result, const file_kind *kind, const char *begin)
{
    const json_t *f;
    size_t i;

    json_array_foreach(json_object_get(result, "files"), i, f)
    {
        const char *path = tempo_results_string(f, "path");
        if (strncmp(path, begin, strlen(begin)) != 0 || (kind != NULL && !is_kind(result, kind, path)))
            continue;
        t->bytes += json_number_value(json_object_get(f, "bytes"));
        t->files++;
    }
}

/* ---- findings ---- */

typedef struct findings {
    size_t cases, alike, apart, lockstep, changes,
        steps; /* of isolated and visible; changes: of lockstep's steps */
    size_t replays, replays_same;
    size_t timed, published;         /* experiments with times; with a published figure */
    double faster, published_faster; /* sums of percents */
    size_t sets, one_position;       /* of arms whose members should share a position, and those that do */
    double tv, js, visible_mass, isolated_mass; /* greatest; mean; means over parallel steps */
    size_t js_n, mass_n[2];
    tally files;
} findings;

static void add_masses(findings *f, const json_t *arms, const char *arm, size_t which, double *sum)
{
    const json_t *s;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(arms, arm), "cross_parallel"), i, s)
    {
        *sum += tempo_json_get_number(s, "sibling_mass");
        f->mass_n[which]++;
    }
}

static void add_comparison(findings *f, const json_t *result, const json_t *c)
{
    const json_t *comparison = json_object_get(c, "comparison"), *s;
    const double tv = tempo_results_largest_tv(c);
    size_t i;

    if (!tempo_results_compared(c))
        return;
    if (tempo_results_lockstep(result)) {
        f->lockstep++;
        f->changes += (size_t)tempo_results_whole(comparison, "set_changes");
        f->steps += json_array_size(json_object_get(comparison, "steps"));
    } else {
        const bool alike = json_is_true(json_object_get(comparison, "identical_sets"));
        f->cases++;
        f->alike += alike;
        f->apart += !alike;
    }
    if (isfinite(tv))
        f->tv = isnan(f->tv) || tv > f->tv ? tv : f->tv;
    json_array_foreach(json_object_get(comparison, "steps"), i, s)
    {
        const double js = tempo_json_get_number(s, "attention_js");
        if (isfinite(js)) {
            f->js += js;
            f->js_n++;
        }
    }
}

static void add_arms(findings *f, const json_t *c)
{
    const json_t *arm;
    const char *name;

    EACH_ARM(name, arm, c)
    {
        const json_t *same = json_object_get(arm, "modes_identical"), *p = json_object_get(arm, "positions");
        f->replays += same != NULL;
        f->replays_same += json_is_true(same);
        if (json_is_true(json_object_get(arm, "shared_positions"))) {
            f->sets += (size_t)tempo_results_whole(p, "parallel_sets");
            f->one_position += (size_t)tempo_results_whole(p, "one_position");
        }
    }
}

static findings find(const json_t *summary)
{
    findings f = {.tv = (double)NAN};
    const json_t *result, *c;
    size_t i;

    EACH_EXPERIMENT(i, result, summary)
    {
        const double published =
            tempo_json_get_number(json_object_get(result, "published"), "visible_faster_percent");
        if (published > 0.0) {
            f.published_faster += published;
            f.published++;
        }
        add_files(&f.files, result, NULL, "");
        EACH_CASE(k, c, result)
        {
            const double faster =
                tempo_json_get_number(json_object_get(c, "timing"), "visible_faster_percent");
            if (isfinite(faster)) {
                f.faster += faster;
                f.timed++;
            }
            add_comparison(&f, result, c);
            add_arms(&f, c);
            add_masses(&f, json_object_get(c, "arms"), "visible", 0, &f.visible_mass);
            add_masses(&f, json_object_get(c, "arms"), "isolated", 1, &f.isolated_mass);
        }
    }
    return f;
}

/* ---- the beginning ---- */

static void put_overview(tempo_text *t, const json_t *summary, const findings *f)
{
    const json_t *model = json_object_get(summary, "model");
    const size_t n = json_array_size(json_object_get(summary, "experiments"));

    tempo_text_add(t, "# TEMPO Experiment Results\n\n## Overview\n\n");
    tempo_text_add(t, "%zu experiment%s on ", n, n == 1 ? "" : "s");
    tempo_results_put_token(t, tempo_results_string(model, "name"));
    tempo_text_add(
        t,
        " (%s, %.4g parameters), with all members of a set in the context at one position, isolation that "
        "acts, and a replay of what the published code computed beside them.\n\n",
        tempo_results_string(model, "architecture"), tempo_json_get_number(model, "parameters"));
    tempo_text_add(t, "**Execution Date**: %s  \n**Total Experiments**: %zu  \n**Data Captured**: ",
                   tempo_results_string(summary, "date"),
                   json_array_size(json_object_get(summary, "experiments")));
    tempo_results_put_bytes(t, f->files.bytes);
    tempo_text_add(t, "  \n**Kernels**: %s, %s, %lld threads\n\n", tempo_results_string(summary, "kernels"),
                   tempo_results_string(summary, "compute"), tempo_results_whole(summary, "threads"));
}

static void put_replay_finding(tempo_text *t, const findings *f)
{
    if (f->replays == 0)
        return;
    tempo_text_add(t,
                   "Replayed as published, isolated and visible mode give the same bits in %zu of %zu runs. ",
                   f->replays_same, f->replays);
    if (f->replays_same == f->replays)
        tempo_text_add(
            t, "They must: with a key-value cache the published code fed the model only the last, least "
               "probable member of each set, so that no row ever had a sibling to see. The published "
               "\"100%% identical\" describes one computation, run twice.\n\n");
    else
        tempo_text_add(
            t, "They should be equal, since no row has a sibling to see there: this is an error of the "
               "program, to be reported.\n\n");
}

static void put_key_findings(tempo_text *t, const findings *f)
{
    tempo_text_add(t, "## Key Findings Summary\n\n### Are the outputs identical?\n\n");
    if (f->cases > 0)
        tempo_text_add(
            t,
            "With all members in the context, isolated and visible mode select the same sets throughout in "
            "%zu of %zu cases, and part in %zu.\n\n",
            f->alike, f->cases, f->apart);
    if (f->lockstep > 0)
        tempo_text_add(
            t,
            "In lockstep (%zu cases), where both are given the same sets, they would have chosen different "
            "ones at %zu of %zu steps.\n\n",
            f->lockstep, f->changes, f->steps);
    put_replay_finding(t, f);
    tempo_text_add(t, "### Performance difference\n\n");
    if (f->timed > 0) {
        tempo_text_add(t, "Visible mode is ");
        tempo_say_faster(t, f->faster / (double)f->timed, 1);
        tempo_text_add(
            t,
            " on average over %zu cases, each arm run alone, in ABBA order after a warm-up; the intervals "
            "below say how much of that is noise.",
            f->timed);
    } else {
        tempo_text_add(t, "No times were taken.");
    }
    if (f->published > 0) {
        tempo_text_add(t, " Published: ");
        tempo_say_faster(t, f->published_faster / (double)f->published, 1);
        tempo_text_add(t, " (mean of %zu), from runs in which isolated always came first, in a cold process.",
                       f->published);
    }
    tempo_text_add(t, "\n\n");
}

/* ---- one experiment ---- */

static void put_arm_row(tempo_text *t, const json_t *result, const json_t *c, const char *name,
                        const json_t *arm)
{
    const double seconds = tempo_json_get_number(arm, "generation_time");
    const char *folder = tempo_results_string(c, "folder");
    char begin[160];
    tally files = {0};

    (void)snprintf(begin, sizeof(begin), "%s%s%s/", folder, *folder != '\0' ? "/" : "", name);
    add_files(&files, result, NULL, begin);
    tempo_text_add(t, "| %s | %lld | %lld | ", name, tempo_results_whole(arm, "n_steps"),
                   tempo_results_whole(arm, "total_tokens"));
    tempo_results_put_sizes(t, json_object_get(arm, "set_sizes"));
    if (isfinite(seconds))
        tempo_text_add(t, " | %.4fs | ", seconds);
    else
        tempo_text_add(t, " | - | ");
    tempo_results_put_bytes(t, files.bytes);
    tempo_text_add(t, " |\n");
}

static const char *other_model(const json_t *published)
{
    return json_is_true(json_object_get(published, "same_model")) ? "" : " (another model)";
}

static void put_published_rows(tempo_text *t, const json_t *published)
{
    const char *together = tempo_results_string(published, "data_size");
    const json_t *r;
    size_t i;

    json_array_foreach(json_object_get(published, "runs"), i, r)
    {
        const char *size = tempo_results_string(r, "data_size");
        tempo_text_add(t, "| published, %s%s | %lld | %lld | ", tempo_results_string(r, "mode"),
                       other_model(published), tempo_results_whole(r, "steps"),
                       tempo_results_whole(r, "total_tokens"));
        tempo_results_put_sizes(t, json_object_get(r, "set_sizes"));
        tempo_text_add(t, " | %.3fs | ", tempo_json_get_number(r, "seconds"));
        if (*size != '\0')
            tempo_text_add(t, "%s |\n", size);
        else if (*together != '\0')
            tempo_text_add(t, "%s (all runs) |\n", together);
        else
            tempo_text_add(t, "- |\n");
    }
}

static void put_published_text(tempo_text *t, const json_t *published)
{
    const json_t *r;
    size_t i;

    json_array_foreach(json_object_get(published, "runs"), i, r)
    {
        if (*tempo_results_string(r, "text") == '\0')
            continue;
        tempo_text_add(t, "- published, %s%s: `", tempo_results_string(r, "mode"), other_model(published));
        tempo_results_put_token(t, tempo_results_string(r, "text"));
        tempo_text_add(t, "`\n");
    }
}

static void put_config(tempo_text *t, const json_t *result, const json_t *c)
{
    const json_t *recorded = json_object_get(result, "recorded"), *arm;
    const char *name;
    size_t n = 0;

    tempo_text_add(t, "**Config**:\n\n- Prompt: `");
    tempo_results_put_token(t, tempo_results_string(c, "prompt"));
    tempo_text_add(t, "`\n- Max steps: %lld\n- Selection threshold: %g\n- Arms: ",
                   tempo_results_whole(result, "max_steps"), tempo_json_get_number(c, "threshold"));
    EACH_ARM(name, arm, c) tempo_text_add(t, "%s%s", n++ > 0 ? ", " : "", name);
    tempo_text_add(t,
                   " (%s)\n- Capture: ", tempo_results_lockstep(result) ? "lockstep" : "each its own sets");
    for (size_t i = 0; i < json_array_size(recorded); i++)
        tempo_text_add(t, "%s%s", i > 0 ? ", " : "", json_string_value(json_array_get(recorded, i)));
    tempo_text_add(t, "%s\n\n", json_array_size(recorded) == 0 ? "nothing" : "");
}

/* Did two arms choose the same ids, in every step? */
static bool same_steps(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "steps"), *y = json_object_get(b, "steps"), *step, *m;
    size_t i, k;

    if (json_array_size(x) != json_array_size(y))
        return false;
    json_array_foreach(x, i, step)
    {
        const json_t *p = json_object_get(step, "members"),
                     *q = json_object_get(json_array_get(y, i), "members");
        if (json_array_size(p) != json_array_size(q))
            return false;
        json_array_foreach(p, k, m) if (tempo_results_whole(m, "id") !=
                                        tempo_results_whole(json_array_get(q, k), "id")) return false;
    }
    return true;
}

/* The first experiment before this one with the same prompt and threshold, arm by arm: what is recorded must
 * not change what comes out. */
static void put_earlier(tempo_text *t, const json_t *summary, const json_t *result, const json_t *c)
{
    const json_t *earlier, *d, *arm;
    const char *name;
    size_t i;

    EACH_EXPERIMENT(i, earlier, summary)
    {
        if (earlier == result)
            return;
        EACH_CASE(k, d, earlier)
        {
            size_t n = 0;
            if (!json_equal(json_object_get(c, "prompt"), json_object_get(d, "prompt")) ||
                !json_equal(json_object_get(c, "threshold"), json_object_get(d, "threshold")))
                continue;
            EACH_ARM(name, arm, c)
            {
                const json_t *other = json_object_get(json_object_get(d, "arms"), name);
                if (other == NULL)
                    continue;
                if (n++ == 0)
                    tempo_text_add(t, " Beside %s:", tempo_results_string(earlier, "experiment"));
                tempo_text_add(t, "%s %s %s", n > 1 ? "," : "", name,
                               same_steps(arm, other) ? "identical" : "different");
            }
            tempo_text_add(t, n > 0 ? "." : "");
            return;
        }
    }
}

static void put_case(tempo_text *t, const json_t *summary, const json_t *result, const json_t *c)
{
    const json_t *published = json_object_get(result, "published"), *arm;
    const char *name;

    put_config(t, result, c);
    tempo_text_add(
        t,
        "**Results**:\n\n| Arm | Steps | Total Tokens | Parallel Tokens/Step | Generation Time | Data Size "
        "|\n|---|---|---|---|---|---|\n");
    EACH_ARM(name, arm, c) put_arm_row(t, result, c, name, arm);
    put_published_rows(t, published);
    tempo_results_put_faster(t, "\n**Performance**: ", json_object_get(c, "timing"), ".\n");
    tempo_text_add(t, "\n**Outputs**: ");
    tempo_results_put_outputs(t, result, c);
    tempo_text_add(t, ".");
    put_earlier(t, summary, result, c);
    if (*tempo_results_string(published, "outputs") != '\0')
        tempo_text_add(t, " Published%s: %s.", other_model(published),
                       tempo_results_string(published, "outputs"));
    tempo_text_add(t, "\n\n**Sets**:\n\n");
    EACH_ARM(name, arm, c)
    {
        tempo_text_add(t, "- %s: `", name);
        tempo_results_put_sets(t, arm);
        tempo_text_add(t, "`\n");
    }
    tempo_text_add(t, "\n**Generated** (every member of every set):\n\n");
    EACH_ARM(name, arm, c)
    {
        tempo_text_add(t, "- %s: `", name);
        tempo_results_put_token(t, tempo_results_string(arm, "text"));
        tempo_text_add(t, "`\n");
    }
    put_published_text(t, published);
    tempo_text_add(t, "\n");
}

static void put_captured(tempo_text *t, const json_t *result)
{
    const json_t *c, *note;
    findings f = {0};
    size_t i;

    tempo_text_add(t, "**Data Captured**:\n\n");
    for (size_t k = 0; k < N_KINDS; k++) {
        tally files = {0};
        add_files(&files, result, &kinds[k], "");
        if (files.files == 0)
            continue;
        tempo_text_add(t, "- %s: %zu files, ", kinds[k].plural, files.files);
        tempo_results_put_bytes(t, files.bytes);
        tempo_text_add(t, "\n");
    }
    EACH_CASE(k, c, result)
    {
        add_masses(&f, json_object_get(c, "arms"), "visible", 0, &f.visible_mass);
        add_masses(&f, json_object_get(c, "arms"), "isolated", 1, &f.isolated_mass);
    }
    if (f.mass_n[0] > 0)
        tempo_text_add(
            t, "\n**Attention on siblings** (mean over parallel steps, rows, layers, heads): visible %.4f",
            f.visible_mass / (double)f.mass_n[0]);
    if (f.mass_n[0] > 0 && f.mass_n[1] > 0)
        tempo_text_add(t, ", isolated %.4g", f.isolated_mass / (double)f.mass_n[1]);
    tempo_text_add(t, f.mass_n[0] > 0 ? ".\n" : "");
    json_array_foreach(json_object_get(result, "notes"), i, note)
        tempo_text_add(t, "%s- Note, `%s`: %s\n", i == 0 ? "\n" : "", tempo_results_string(note, "key"),
                       tempo_results_string(note, "text"));
    tempo_text_add(t, "\n---\n\n");
}

static void put_experiments(tempo_text *t, const json_t *summary)
{
    const json_t *result, *c;
    size_t i;

    tempo_text_add(t, "## Experiment Details\n\n");
    EACH_EXPERIMENT(i, result, summary)
    {
        tempo_text_add(t, "### Experiment %zu: %s\n\n", i + 1, tempo_results_string(result, "experiment"));
        if (*tempo_results_string(result, "goal") != '\0')
            tempo_text_add(t, "**Goal**: %s\n\n", tempo_results_string(result, "goal"));
        EACH_CASE(k, c, result) put_case(t, summary, result, c);
        put_captured(t, result);
    }
}

/* ---- the statistical summary ---- */

static void put_data_table(tempo_text *t, const json_t *summary, const findings *f)
{
    const json_t *result;
    size_t i;

    tempo_text_add(t, "### Data Captured\n\n| Data Type | Total Size | Files |\n|---|---|---|\n");
    for (size_t k = 0; k < N_KINDS; k++) {
        tally files = {0};
        EACH_EXPERIMENT(i, result, summary) add_files(&files, result, &kinds[k], "");
        tempo_text_add(t, "| %s | ", kinds[k].title);
        tempo_results_put_bytes(t, files.bytes);
        tempo_text_add(t, " | %zu |\n", files.files);
    }
    tempo_text_add(t, "| **Total** | **");
    tempo_results_put_bytes(t, f->files.bytes);
    tempo_text_add(t, "** | **%zu** |\n", f->files.files);
}

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
    const double faster = tempo_json_get_number(timing, "visible_faster_percent"),
                 said = tempo_json_get_number(published, "visible_faster_percent");

    tempo_text_add(t, "| %s |", tempo_results_string(result, "experiment"));
    put_seconds(t, tempo_json_get_number(json_object_get(arms, "isolated"), "generation_time"));
    put_seconds(t, tempo_json_get_number(json_object_get(arms, "visible"), "generation_time"));
    put_seconds(t, tempo_json_get_number(json_object_get(arms, "replay"), "generation_time"));
    if (isfinite(faster)) {
        tempo_text_add(t, " %.3f | ", tempo_json_get_number(timing, "isolated_over_visible"));
        tempo_say_faster(t, faster, 1);
        tempo_text_add(t, " | ");
        tempo_say_faster_interval(t, tempo_results_item(ci, 0), tempo_results_item(ci, 1), 1);
        tempo_text_add(t, " |");
    } else {
        tempo_text_add(t, " - | - | - |");
    }
    if (isfinite(said) && said != 0.0) {
        tempo_text_add(t, " ");
        tempo_say_faster(t, said, 1);
        tempo_text_add(t, "%s |\n", other_model(published));
    } else {
        tempo_text_add(t, " - |\n");
    }
}

static void put_token_row(tempo_text *t, const json_t *result, const json_t *c, const char *name,
                          const json_t *arm)
{
    const json_t *sizes = json_object_get(arm, "set_sizes");
    double low = INFINITY, high = 0.0;

    for (size_t s = 0; s < json_array_size(sizes); s++) {
        low = fmin(low, tempo_results_item(sizes, s));
        high = fmax(high, tempo_results_item(sizes, s));
    }
    tempo_text_add(t, "| %s | %s | `", tempo_results_string(result, "experiment"), name);
    for (const char *s = tempo_results_string(c, "prompt"); *s != '\0'; s++) { /* '|' would end the cell */
        const char one[2] = {*s, '\0'};
        tempo_results_put_token(t, *s == '|' ? "\\|" : one);
    }
    tempo_text_add(t, "` | %lld | %.0f-%.0f tokens/step | %.3f nat |\n",
                   tempo_results_whole(arm, "total_tokens"), low, high,
                   tempo_json_get_number(arm, "mean_entropy"));
}

static void put_statistics(tempo_text *t, const json_t *summary, const findings *f)
{
    const json_t *result, *c, *arm;
    const char *name;
    size_t i;

    tempo_text_add(t, "## Statistical Summary\n\n");
    put_data_table(t, summary, f);
    tempo_text_add(t,
                   "\n### Performance Metrics\n\n| Experiment | Isolated Time | Visible Time | Replay Time | "
                   "Isolated / Visible | Visible is | 95%% interval | Published "
                   "|\n|---|---|---|---|---|---|---|---|\n");
    EACH_EXPERIMENT(i, result, summary) EACH_CASE(k, c, result) put_time_row(t, result, c);
    if (f->timed > 0) {
        tempo_text_add(t, "\n**Average Visible Speedup**: ");
        tempo_say_faster(t, f->faster / (double)f->timed, 1);
    }
    if (f->timed > 0 && f->published > 0) {
        tempo_text_add(t, " (published: ");
        tempo_say_faster(t, f->published_faster / (double)f->published, 1);
        tempo_text_add(t, ")");
    }
    tempo_text_add(
        t,
        "%s\n### Token Generation Statistics\n\n| Experiment | Arm | Prompt | Tokens Generated | Parallel "
        "Token Range | Mean Entropy |\n|---|---|---|---|---|---|\n",
        f->timed > 0 ? "\n" : "");
    EACH_EXPERIMENT(i, result, summary)
    EACH_CASE(k, c, result) EACH_ARM(name, arm, c) put_token_row(t, result, c, name, arm);
}

/* ---- hypotheses, as far as a handful of prompts can speak to them; the conclusion ---- */

static void put_hypotheses(tempo_text *t, const findings *f)
{
    tempo_text_add(
        t, "\n## Hypotheses\n\nWhat these few prompts show. `tempo study` tests the hypotheses over a suite "
           "of prompts, with bounds registered before.\n\n- **A: attention weights are identical.** ");
    if (f->js_n > 0)
        tempo_text_add(
            t,
            "Beside the share that siblings take, the modes' attention differs by %.3g nat (Jensen-Shannon, "
            "mean of %zu parallel steps that both arms read).\n",
            f->js / (double)f->js_n, f->js_n);
    else
        tempo_text_add(t, "Not measured: no parallel step that both arms read had its attention recorded.\n");
    tempo_text_add(t, "- **B: logits are identical.** ");
    if (isfinite(f->tv))
        tempo_text_add(
            t,
            "While both arms have the same tokens behind them, their next-token distributions are up to "
            "%.3g apart (total variation).\n",
            f->tv);
    else
        tempo_text_add(t, "Not measured: no isolated and visible arm.\n");
    tempo_text_add(t, "- **C: cross-parallel attention is ignored.** ");
    if (f->mass_n[0] > 0)
        tempo_text_add(t,
                       "Visible rows give %.3g of their attention to siblings (mean over layers and heads)",
                       f->visible_mass / (double)f->mass_n[0]);
    else
        tempo_text_add(t, "Not measured");
    if (f->mass_n[1] > 0)
        tempo_text_add(t, "; isolated rows give %.3g", f->isolated_mass / (double)f->mass_n[1]);
    tempo_text_add(t, ".\n- **D: shared positions prevent interference.** ");
    if (f->sets > 0)
        tempo_text_add(
            t,
            "Of %zu parallel sets with `positions: shared`, %zu have one position for all members, as the "
            "engine rotated them. What that prevents is a question for `tempo study`.\n",
            f->sets, f->one_position);
    else
        tempo_text_add(t, "Not measured: no parallel set with `positions: shared` was read.\n");
}

static void put_conclusion(tempo_text *t, const findings *f)
{
    tempo_text_add(t, "\n## Conclusion\n\n");
    if (f->replays > 0)
        tempo_text_add(t, "Replayed, %zu of %zu runs are equal to the bit in both modes. ", f->replays_same,
                       f->replays);
    if (f->cases > 0)
        tempo_text_add(t,
                       "Run as meant, isolated and visible mode select different sets in %zu of %zu cases. ",
                       f->apart, f->cases);
    if (f->replays > 0 && f->replays_same == f->replays && f->apart > 0)
        tempo_text_add(
            t, "So the published identity came from what was computed, not from the model: there were no "
               "siblings to see.");
    else if (f->replays > 0 && f->replays_same == f->replays && f->cases > 0)
        tempo_text_add(
            t, "The published identity needs no model to explain it, since there were no siblings to see; "
               "here the modes agree with siblings in the context, too, as far as these prompts go.");
    tempo_text_add(t, "\n");
}

char *tempo_experiments_text(const json_t *summary)
{
    const findings f = find(summary);
    tempo_text t = {0};

    put_overview(&t, summary, &f);
    put_key_findings(&t, &f);
    put_experiments(&t, summary);
    put_statistics(&t, summary, &f);
    put_hypotheses(&t, &f);
    put_conclusion(&t, &f);
    return tempo_text_take(&t);
}
