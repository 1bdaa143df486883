/* experiment_results.c - EXPERIMENT_RESULTS.md: the tables and findings of the published document, in its
 * order, with what was measured here. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/draw.h"
#include "study/experiment_run.h"
#include "study/json_out.h"

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

static long long whole(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static double item(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* The i-th case: the result itself when there is one. */
static const json_t *case_of(const json_t *result, size_t i)
{
    const json_t *cases = json_object_get(result, "cases");

    return cases != NULL ? json_array_get(cases, i) : i == 0 ? result : NULL;
}

/* Token text on one line, safe in a table. */
static void put_token(tempo_text *t, const char *s)
{
    for (; *s != '\0'; s++)
        if (*s == '\n')
            tempo_text_add(t, "\\n");
        else if ((unsigned char)*s < 0x20 || *s == 0x7f)
            tempo_text_add(t, "?");
        else if (*s == '|')
            tempo_text_add(t, "\\|");
        else
            tempo_text_add(t, "%c", *s);
}

static void put_sets(tempo_text *t, const json_t *arm)
{
    const json_t *step, *m;
    size_t i, k;

    json_array_foreach(json_object_get(arm, "steps"), i, step)
    {
        tempo_text_add(t, "[");
        json_array_foreach(json_object_get(step, "members"), k, m)
        {
            tempo_text_add(t, k > 0 ? "/" : "");
            put_token(t, text_of(m, "text"));
        }
        tempo_text_add(t, "]");
    }
}

static void put_sizes(tempo_text *t, const json_t *sizes)
{
    tempo_text_add(t, "[");
    for (size_t i = 0; i < json_array_size(sizes); i++)
        tempo_text_add(t, "%s%.0f", i > 0 ? ", " : "", item(sizes, i));
    tempo_text_add(t, "]");
}

static void put_bytes(tempo_text *t, double n)
{
    if (n < 1e6)
        tempo_text_add(t, "%.0f KB", n / 1e3);
    else
        tempo_text_add(t, "%.1f MB", n / 1e6);
}

/* Files of an experiment whose path holds both parts: bytes, and how many in *n. */
static double bytes_of(const json_t *result, const char *part, const char *other, size_t *n)
{
    const json_t *f;
    double sum = 0.0;
    size_t i;

    json_array_foreach(json_object_get(result, "files"), i, f) if (strstr(text_of(f, "path"), part) != NULL &&
                                                                   strstr(text_of(f, "path"), other) != NULL)
    {
        sum += json_number_value(json_object_get(f, "bytes"));
        if (n != NULL)
            (*n)++;
    }
    return sum;
}

/* How much faster, or slower, visible is; nothing when no times were taken. */
static void put_faster(tempo_text *t, const char *before, const json_t *timing, const char *after)
{
    const double f = tempo_json_get_number(timing, "visible_faster_percent");
    const json_t *ci = json_object_get(timing, "visible_faster_interval");

    if (isfinite(f))
        tempo_text_add(t, "%svisible %.1f%% %s (95%% interval %.1f%% to %.1f%% faster; %lld pairs)%s", before,
                       fabs(f), f < 0.0 ? "slower" : "faster", item(ci, 0), item(ci, 1),
                       whole(timing, "pairs"), after);
}

static bool identical(const json_t *c)
{
    return json_is_true(json_object_get(json_object_get(c, "comparison"), "identical_sets"));
}

static bool compared(const json_t *c)
{
    return json_is_object(json_object_get(c, "comparison"));
}

static double largest_tv(const json_t *c)
{
    const json_t *s;
    double worst = 0.0;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(c, "comparison"), "steps"), i, s)
    {
        const double tv = tempo_json_get_number(s, "tv");
        worst = tv > worst ? tv : worst;
    }
    return worst;
}

static void put_outputs(tempo_text *t, const json_t *c)
{
    if (!compared(c))
        tempo_text_add(t, "one arm only");
    else if (identical(c))
        tempo_text_add(t,
                       "identical sets in isolated and visible mode; their distributions are up to %.3g "
                       "apart (total variation)",
                       largest_tv(c));
    else
        tempo_text_add(t,
                       "isolated and visible part at step %lld; distributions up to there are up to %.3g "
                       "apart (total variation)",
                       whole(json_object_get(c, "comparison"), "first_difference"), largest_tv(c));
}

/* ---- sections of the document ---- */

typedef struct totals {
    size_t cases, alike, apart, replays, replays_same;
    double faster_sum;
    size_t faster_n;
} totals;

static totals count(const json_t *summary)
{
    totals n = {0};
    const json_t *result, *c, *arm;
    const char *name;
    size_t i;

    json_array_foreach(json_object_get(summary, "experiments"), i,
                       result) for (size_t k = 0; (c = case_of(result, k)) != NULL; k++)
    {
        const double faster = tempo_json_get_number(json_object_get(c, "timing"), "visible_faster_percent");
        n.cases += compared(c);
        n.alike += compared(c) && identical(c);
        n.apart += compared(c) && !identical(c);
        if (isfinite(faster)) {
            n.faster_sum += faster;
            n.faster_n++;
        }
        json_object_foreach(json_object_get(c, "arms"), name,
                            arm) if (json_object_get(arm, "modes_identical") != NULL)
        {
            n.replays++;
            n.replays_same += json_is_true(json_object_get(arm, "modes_identical"));
        }
    }
    return n;
}

static void put_key_findings(tempo_text *t, const json_t *summary)
{
    const totals n = count(summary);

    tempo_text_add(t, "## Key Findings Summary\n\n### Are the outputs identical?\n\n");
    tempo_text_add(t,
                   "With all members in the context, isolated and visible mode select the same sets "
                   "throughout in %zu of %zu cases, and "
                   "part in %zu.\n\n",
                   n.alike, n.cases, n.apart);
    tempo_text_add(
        t,
        "Replayed as published, the two modes give the same bits in %zu of %zu runs, as they must: with a "
        "key-value cache "
        "the published code fed the model only the last, least probable member of each set, so that no row "
        "ever had a "
        "sibling to see. The published \"100%% identical\" describes one computation, run twice.\n\n",
        n.replays_same, n.replays);
    tempo_text_add(t, "### Performance difference\n\n");
    if (n.faster_n > 0)
        tempo_text_add(t,
                       "Visible mode is %.1f%% faster on average over %zu experiments (negative: slower), "
                       "each arm run alone, in ABBA order "
                       "after a warm-up. Published: 18.8%%, from runs in which isolated always came first, "
                       "in a cold process.\n\n",
                       n.faster_sum / (double)n.faster_n, n.faster_n);
    else
        tempo_text_add(t, "No times were taken.\n\n");
}

static void put_arm_row(tempo_text *t, const json_t *result, const char *name, const json_t *arm)
{
    const double seconds = tempo_json_get_number(arm, "generation_time");
    char folder[64];

    (void)snprintf(folder, sizeof(folder), "%s/", name);
    tempo_text_add(t, "| %s | %lld | %lld | ", name, whole(arm, "n_steps"), whole(arm, "total_tokens"));
    put_sizes(t, json_object_get(arm, "set_sizes"));
    if (isfinite(seconds))
        tempo_text_add(t, " | %.4fs | ", seconds);
    else
        tempo_text_add(t, " | - | ");
    put_bytes(t, bytes_of(result, folder, "", NULL));
    tempo_text_add(t, " |\n");
}

static void put_published_rows(tempo_text *t, const json_t *published)
{
    const json_t *r;
    size_t i;

    json_array_foreach(json_object_get(published, "runs"), i, r)
    {
        tempo_text_add(t, "| published, %s%s | %lld | %lld | ", text_of(r, "mode"),
                       json_is_true(json_object_get(published, "same_model")) ? "" : " (another model)",
                       whole(r, "steps"), whole(r, "total_tokens"));
        put_sizes(t, json_object_get(r, "set_sizes"));
        tempo_text_add(t, " | %.3fs | %s |\n", tempo_json_get_number(r, "seconds"), text_of(r, "data_size"));
    }
}

static void put_case(tempo_text *t, const json_t *result, const json_t *c)
{
    const json_t *timing = json_object_get(c, "timing"), *arm;
    const char *name;

    tempo_text_add(
        t, "**Config**:\n\n- Prompt: `%s`\n- Selection threshold: %g\n- Regime: %s\n\n**Results**:\n\n",
        text_of(c, "prompt"), tempo_json_get_number(c, "threshold"), text_of(result, "regime"));
    tempo_text_add(t, "| Arm | Steps | Total Tokens | Set Sizes | Generation Time | Data Size "
                      "|\n|---|---|---|---|---|---|\n");
    json_object_foreach(json_object_get(c, "arms"), name, arm) put_arm_row(t, result, name, arm);
    put_published_rows(t, json_object_get(result, "published"));
    tempo_text_add(t, "\n**Outputs**: ");
    put_outputs(t, c);
    tempo_text_add(t, ".\n\n**Generated**:\n\n");
    json_object_foreach(json_object_get(c, "arms"), name, arm)
    {
        tempo_text_add(t, "- %s: `", name);
        put_sets(t, arm);
        tempo_text_add(t, "`\n");
    }
    put_faster(t, "\n**Performance**: ", timing, ".\n");
    tempo_text_add(t, "\n");
}

/* What an arm gives to siblings, on average over its parallel steps; NaN when nothing was measured. */
static double sibling_mass(const json_t *c, const char *arm)
{
    const json_t *steps = json_object_get(json_object_get(json_object_get(c, "arms"), arm), "cross_parallel"),
                 *s;
    double sum = 0.0;
    size_t i;

    json_array_foreach(steps, i, s) sum += tempo_json_get_number(s, "sibling_mass");
    return sum / (double)json_array_size(steps);
}

static void put_captured(tempo_text *t, const json_t *result)
{
    static const char *const kinds[][2] = {{"attention tensors", "attention"},
                                           {"logits distributions", "logits"},
                                           {"keys and values", "kv_cache"},
                                           {"RoPE positions", "rope_positions"},
                                           {"cross-parallel scores", "cross_parallel"}};
    const json_t *c = case_of(result, 0);

    tempo_text_add(t, "**Data Captured**:\n\n");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        size_t n = 0;
        const double bytes = bytes_of(result, kinds[i][1], "", &n);
        if (n == 0)
            continue;
        tempo_text_add(t, "- %s: %zu files, ", kinds[i][0], n);
        put_bytes(t, bytes);
        tempo_text_add(t, "\n");
    }
    if (isfinite(sibling_mass(c, "visible")))
        tempo_text_add(t,
                       "\n**Attention on siblings** (mean over parallel steps, rows, layers, heads): visible "
                       "%.4f, isolated %.4f.\n",
                       sibling_mass(c, "visible"), sibling_mass(c, "isolated"));
    tempo_text_add(t, "\n");
}

static void put_experiments(tempo_text *t, const json_t *summary)
{
    const json_t *result, *c, *note;
    size_t i, k;

    tempo_text_add(t, "## Experiment Details\n\n");
    json_array_foreach(json_object_get(summary, "experiments"), i, result)
    {
        tempo_text_add(t, "### Experiment %zu: %s\n\n**Goal**: %s\n\n", i + 1, text_of(result, "experiment"),
                       text_of(result, "goal"));
        for (k = 0; (c = case_of(result, k)) != NULL; k++)
            put_case(t, result, c);
        put_captured(t, result);
        json_array_foreach(json_object_get(result, "notes"), k, note)
            tempo_text_add(t, "- Note, `%s`: %s\n", text_of(note, "key"), text_of(note, "text"));
        tempo_text_add(t, "\n---\n\n");
    }
}

static void put_statistics(tempo_text *t, const json_t *summary)
{
    static const char *const kinds[][2] = {{"Attention Weights", "attention"},
                                           {"Logits Distributions", "logits"},
                                           {"Keys and Values", "kv_cache"},
                                           {"RoPE Positions", "rope_positions"},
                                           {"Metadata & Results", ".json"}};
    const json_t *experiments = json_object_get(summary, "experiments"), *result, *c, *arm;
    const char *name;
    size_t i;

    tempo_text_add(
        t,
        "## Statistical Summary\n\n### Data Captured\n\n| Data Type | Total Size | Files |\n|---|---|---|\n");
    for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
        double bytes = 0.0;
        size_t n = 0;
        json_array_foreach(experiments, i, result) bytes +=
            bytes_of(result, kinds[k][1], k == 4 ? "" : ".", &n) -
            (k == 4 ? bytes_of(result, "rope_positions", ".json", NULL) : 0.0);
        tempo_text_add(t, "| %s | ", kinds[k][0]);
        put_bytes(t, bytes);
        tempo_text_add(t, " | %zu |\n", n);
    }
    tempo_text_add(t, "\n### Performance Metrics\n\n| Experiment | Isolated Time | Visible Time | Visible "
                      "faster | 95%% interval | Published |\n"
                      "|---|---|---|---|---|---|\n");
    json_array_foreach(experiments, i, result) for (size_t k = 0; (c = case_of(result, k)) != NULL; k++)
    {
        const json_t *timing = json_object_get(c, "timing"), *arms = json_object_get(c, "arms");
        const double published =
            tempo_json_get_number(json_object_get(result, "published"), "visible_faster_percent");
        tempo_text_add(t, "| %s | %.4fs | %.4fs | %.1f%% | %.1f%% to %.1f%% | ",
                       text_of(result, "experiment"),
                       tempo_json_get_number(json_object_get(arms, "isolated"), "generation_time"),
                       tempo_json_get_number(json_object_get(arms, "visible"), "generation_time"),
                       tempo_json_get_number(timing, "visible_faster_percent"),
                       item(json_object_get(timing, "visible_faster_interval"), 0),
                       item(json_object_get(timing, "visible_faster_interval"), 1));
        tempo_text_add(t, published > 0.0 ? "%.1f%% |\n" : "- |\n", published);
    }
    tempo_text_add(t, "\n### Token Generation Statistics\n\n| Experiment | Arm | Prompt | Tokens Generated | "
                      "Parallel Token Range | Mean Entropy |\n"
                      "|---|---|---|---|---|---|\n");
    json_array_foreach(experiments, i, result) for (size_t k = 0; (c = case_of(result, k)) != NULL; k++)
        json_object_foreach(json_object_get(c, "arms"), name, arm)
    {
        const json_t *sizes = json_object_get(arm, "set_sizes");
        double low = INFINITY, high = 0.0;
        for (size_t s = 0; s < json_array_size(sizes); s++) {
            low = item(sizes, s) < low ? item(sizes, s) : low;
            high = item(sizes, s) > high ? item(sizes, s) : high;
        }
        tempo_text_add(t, "| %s | %s | `%s` | %lld | %.0f-%.0f tokens/step | %.3f nat |\n",
                       text_of(result, "experiment"), name, text_of(c, "prompt"), whole(arm, "total_tokens"),
                       low, high, tempo_json_get_number(arm, "mean_entropy"));
    }
}

/* The hypotheses as far as a handful of prompts can speak to them. */
static void put_hypotheses(tempo_text *t, const json_t *summary)
{
    const json_t *result, *c, *s;
    double js = 0.0, tv = 0.0, mass = NAN;
    size_t i, k, js_n = 0;

    json_array_foreach(json_object_get(summary, "experiments"), i,
                       result) for (k = 0; (c = case_of(result, k)) != NULL; k++)
    {
        size_t n;
        tv = largest_tv(c) > tv ? largest_tv(c) : tv;
        if (isfinite(sibling_mass(c, "visible")))
            mass = sibling_mass(c, "visible");
        json_array_foreach(json_object_get(json_object_get(c, "comparison"), "steps"), n,
                           s) if (isfinite(tempo_json_get_number(s, "attention_js")))
        {
            js += tempo_json_get_number(s, "attention_js");
            js_n++;
        }
    }
    tempo_text_add(t, "\n## Hypotheses\n\nWhat these few prompts show. `tempo study` tests the hypotheses "
                      "over a suite of prompts, with bounds "
                      "registered before.\n\n");
    if (js_n > 0)
        tempo_text_add(t,
                       "- **A: attention weights are identical.** Beside the share that siblings take, the "
                       "modes' attention differs by "
                       "%.3g nat (Jensen-Shannon, mean of %zu parallel steps that both arms read).\n",
                       js / (double)js_n, js_n);
    tempo_text_add(t,
                   "- **B: logits are identical.** While both arms have the same tokens behind them, their "
                   "next-token distributions are "
                   "up to %.3g apart (total variation).\n",
                   tv);
    if (isfinite(mass))
        tempo_text_add(t,
                       "- **C: cross-parallel attention is ignored.** Visible rows give %.3g of their "
                       "attention to siblings (mean over "
                       "layers and heads; isolated rows give exactly 0).\n",
                       mass);
    tempo_text_add(t, "- **D: shared positions.** The positions in `rope_positions.json` are read back from "
                      "the engine; members of a set "
                      "share theirs. What that prevents is a question for `tempo study`.\n");
}

char *tempo_experiments_text(const json_t *summary)
{
    const json_t *model = json_object_get(summary, "model");
    const totals n = count(summary);
    tempo_text t = {0};

    tempo_text_add(&t, "# TEMPO Experiment Results\n\n## Overview\n\n");
    tempo_text_add(&t,
                   "%zu experiments on %s (%s, %.4g parameters), with all members of a set in the context at "
                   "one position, isolation that "
                   "acts, and a replay of what the published code computed beside them.\n\n**Execution "
                   "Date**: %s  \n**Kernels**: %s, %s, "
                   "%lld threads\n\n",
                   json_array_size(json_object_get(summary, "experiments")), text_of(model, "name"),
                   text_of(model, "architecture"), tempo_json_get_number(model, "parameters"),
                   text_of(summary, "date"), text_of(summary, "kernels"), text_of(summary, "compute"),
                   whole(summary, "threads"));
    put_key_findings(&t, summary);
    put_experiments(&t, summary);
    put_statistics(&t, summary);
    put_hypotheses(&t, summary);
    tempo_text_add(&t,
                   "\n## Conclusion\n\nReplayed, %zu of %zu runs are equal to the bit in both modes. Run as "
                   "meant, isolated and visible "
                   "mode select different sets in %zu of %zu cases.",
                   n.replays_same, n.replays, n.apart, n.cases);
    if (n.replays > 0 && n.replays_same == n.replays && n.apart > 0)
        tempo_text_add(&t, " So the published identity came from what was computed, not from the model: "
                           "there were no siblings to see.");
    tempo_text_add(&t, "\n");
    return tempo_text_take(&t);
}

char *tempo_experiments_brief(const json_t *summary, bool color)
{
    const json_t *result, *c, *arm;
    const char *name;
    tempo_text t = {0};
    size_t i;

    json_array_foreach(json_object_get(summary, "experiments"), i, result)
    {
        tempo_text_add(&t, "%s%s%s%s\n", i > 0 ? "\n" : "", color ? "\033[1m" : "",
                       text_of(result, "experiment"), color ? "\033[0m" : "");
        for (size_t k = 0; (c = case_of(result, k)) != NULL; k++) {
            const json_t *timing = json_object_get(c, "timing");
            tempo_text_add(&t, "  %s  (threshold %g)\n", text_of(c, "prompt"),
                           tempo_json_get_number(c, "threshold"));
            json_object_foreach(json_object_get(c, "arms"), name, arm)
            {
                tempo_text_add(&t, "  %-9s %3lld sets, %3lld tokens  ", name, whole(arm, "n_steps"),
                               whole(arm, "total_tokens"));
                put_sets(&t, arm);
                if (json_object_get(arm, "modes_identical") != NULL)
                    tempo_text_add(&t, "  %s",
                                   json_is_true(json_object_get(arm, "modes_identical"))
                                       ? "(isolated = visible, bit for bit)"
                                       : "(MODES DIFFER)");
                tempo_text_add(&t, "\n");
            }
            tempo_text_add(&t, "  => ");
            put_outputs(&t, c);
            tempo_text_add(&t, "\n");
            put_faster(&t, "  => ", timing, "\n");
        }
    }
    return tempo_text_take(&t);
}

char *tempo_experiments_check(const json_t *summary)
{
    const json_t *result, *r;
    tempo_text t = {0};
    size_t i, k;

    json_array_foreach(json_object_get(summary, "experiments"), i, result)
    {
        const json_t *published = json_object_get(result, "published"), *c = case_of(result, 0);
        const json_t *replay = json_object_get(json_object_get(c, "arms"), "replay");
        tempo_text_add(&t, "%s%s\n", i > 0 ? "\n" : "", text_of(result, "experiment"));
        if (!json_is_object(published)) {
            tempo_text_add(&t, "  nothing published\n");
            continue;
        }
        if (!json_is_true(json_object_get(published, "same_model")))
            tempo_text_add(&t, "  published figures are another model's: %s\n", text_of(published, "model"));
        json_array_foreach(json_object_get(published, "runs"), k, r)
        {
            tempo_text_add(&t, "  published %-9s %lld steps, %lld tokens, sizes ", text_of(r, "mode"),
                           whole(r, "steps"), whole(r, "total_tokens"));
            put_sizes(&t, json_object_get(r, "set_sizes"));
            tempo_text_add(&t, ", %.3f s  %s\n", tempo_json_get_number(r, "seconds"), text_of(r, "sets"));
        }
        if (replay != NULL) {
            tempo_text_add(&t, "  replayed here      %lld steps, %lld tokens, sizes ",
                           whole(replay, "n_steps"), whole(replay, "total_tokens"));
            put_sizes(&t, json_object_get(replay, "set_sizes"));
            tempo_text_add(&t, ", %.4f s  ", tempo_json_get_number(replay, "generation_time"));
            put_sets(&t, replay);
            tempo_text_add(&t, "\n");
        }
    }
    return tempo_text_take(&t);
}
