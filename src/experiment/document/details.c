/* details.c - EXPERIMENT_RESULTS.md: one experiment after another. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiment/document/document.h"
#include "files/json_out.h"

const char *tempo_other_model(const json_t *published)
{
    return json_is_true(json_object_get(published, "same_model")) ? "" : " (another model)";
}

/* ---- tables and lists of a case ---- */

/* Where the arm's files are, as the list of files has them. */
static void arm_folder(char out[200], const json_t *result, const json_t *c, const char *name)
{
    const char *folder = tempo_text_at(c, "folder");
    const bool flat = strcmp(tempo_text_at(result, "layout"), "flat") == 0 &&
                      json_object_size(json_object_get(c, "arms")) == 1;

    if (flat)
        out[0] = '\0';
    else
        (void)snprintf(out, 200, "%s%s%s/", folder, *folder != '\0' ? "/" : "", name);
}

static void put_arm_row(tempo_text *t, const json_t *result, const json_t *c, const char *name,
                        const json_t *arm)
{
    const double seconds = tempo_number_at(arm, "generation_time");
    char begin[200];
    tempo_tally files = {0};

    arm_folder(begin, result, c, name);
    tempo_tally_files(&files, result, NULL, begin);
    tempo_text_add(t, "| %s | %lld | %lld | ", name, tempo_whole_at(arm, "n_steps"),
                   tempo_whole_at(arm, "total_tokens"));
    tempo_results_put_sizes(t, json_object_get(arm, "set_sizes"));
    if (isfinite(seconds))
        tempo_text_add(t, " | %.4fs | ", seconds);
    else
        tempo_text_add(t, " | - | ");
    tempo_results_put_bytes(t, files.bytes);
    tempo_text_add(t, " |\n");
}

static void put_published_rows(tempo_text *t, const json_t *published)
{
    const char *together = tempo_text_at(published, "data_size");
    const json_t *r;
    size_t i;

    json_array_foreach(json_object_get(published, "runs"), i, r)
    {
        const char *size = tempo_text_at(r, "data_size");
        tempo_text_add(t, "| published, %s%s | %lld | %lld | ", tempo_text_at(r, "mode"),
                       tempo_other_model(published), tempo_whole_at(r, "steps"),
                       tempo_whole_at(r, "total_tokens"));
        tempo_results_put_sizes(t, json_object_get(r, "set_sizes"));
        tempo_text_add(t, " | %.3fs | ", tempo_number_at(r, "seconds"));
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
        if (*tempo_text_at(r, "text") == '\0')
            continue;
        tempo_text_add(t, "- published, %s%s: `", tempo_text_at(r, "mode"), tempo_other_model(published));
        tempo_results_put_token(t, tempo_text_at(r, "text"));
        tempo_text_add(t, "`\n");
    }
}

static void put_config(tempo_text *t, const json_t *result, const json_t *c)
{
    const json_t *recorded = json_object_get(result, "recorded"), *arm;
    const char *name;
    size_t n = 0;

    tempo_text_add(t, "**Config**:\n\n- Prompt: `");
    tempo_results_put_token(t, tempo_text_at(c, "prompt"));
    tempo_text_add(t, "`\n- Max steps: %lld\n- Selection threshold: %g\n- Arms: ",
                   tempo_whole_at(result, "max_steps"), tempo_number_at(c, "threshold"));
    EACH_ARM(name, arm, c) tempo_text_add(t, "%s%s", n++ > 0 ? ", " : "", name);
    tempo_text_add(t,
                   " (%s)\n- Capture: ", tempo_results_lockstep(result) ? "lockstep" : "each its own sets");
    for (size_t i = 0; i < json_array_size(recorded); i++)
        tempo_text_add(t, "%s%s", i > 0 ? ", " : "", json_string_value(json_array_get(recorded, i)));
    tempo_text_add(t, "%s\n\n", json_array_size(recorded) == 0 ? "nothing" : "");
}

/* ---- arrays ---- */

static void put_shape(tempo_text *t, const json_t *shape)
{
    for (size_t i = 0; i < json_array_size(shape); i++) {
        const json_t *d = json_array_get(shape, i);
        const double least = tempo_element(d, 0), most = tempo_element(d, 1);
        if (least == most)
            tempo_text_add(t, "%s%.0f", i > 0 ? ", " : "", least);
        else
            tempo_text_add(t, "%s%.0f-%.0f", i > 0 ? ", " : "", least, most);
    }
}

/* An arm's arrays: how many, which shape, how large the file. */
static void put_tensors(tempo_text *t, const json_t *result, const json_t *c, const char *name,
                        const json_t *arm)
{
    static const char *const axes[] = {"layers, 1, heads, rows, slots", "rows, vocabulary",
                                       "layers, kv heads, new slots, head size"};
    const json_t *names = json_object_get(result, "file_names");

    for (size_t k = 0; k < 3; k++) {
        const char *key = tempo_file_kinds[k].key;
        const json_t *one = json_object_get(json_object_get(arm, "tensors"), key);
        char folder[200], path[400];
        tempo_tally file = {0};
        if (one == NULL)
            continue;
        arm_folder(folder, result, c, name);
        (void)snprintf(path, sizeof(path), "%s%.190s", folder, tempo_text_at(names, key));
        tempo_tally_files(&file, result, NULL, path);
        tempo_text_add(t, "| %s | %s | %lld | [", name, tempo_file_kinds[k].plural,
                       tempo_whole_at(one, "count"));
        put_shape(t, json_object_get(one, "shape"));
        tempo_text_add(t, "] | %s | ", axes[k]);
        tempo_results_put_bytes(t, file.bytes);
        tempo_text_add(t, " |\n");
    }
}

static void put_all_tensors(tempo_text *t, const json_t *result, const json_t *c)
{
    const json_t *arm;
    const char *name;
    bool any = false;

    EACH_ARM(name, arm, c) any = any || json_object_size(json_object_get(arm, "tensors")) > 0;
    if (!any)
        return;
    tempo_text_add(
        t, "**Tensors**:\n\n| Arm | What | Count | Shape | Axes | File |\n|---|---|---|---|---|---|\n");
    EACH_ARM(name, arm, c) put_tensors(t, result, c, name, arm);
    tempo_text_add(t, "\n");
}

/* ---- a case ---- */

/* An experiment before this one that was the same run: what is recorded must not change what comes out. */
static void put_earlier(tempo_text *t, const json_t *summary, const json_t *result, const json_t *c)
{
    const json_t *as, *earlier = tempo_earlier_run(summary, result, c, &as), *arm;
    const char *name;
    size_t n = 0;

    if (earlier == NULL)
        return;
    EACH_ARM(name, arm, c)
    {
        const json_t *other = json_object_get(json_object_get(as, "arms"), name);
        if (other == NULL)
            continue;
        if (n++ == 0)
            tempo_text_add(t, " The same run as %s, which records something else:",
                           tempo_text_at(earlier, "experiment"));
        tempo_text_add(t, "%s %s %s", n > 1 ? "," : "", name,
                       tempo_same_steps(arm, other) ? "identical" : "different");
    }
    tempo_text_add(t, n > 0 ? "." : "");
}

static void put_outputs(tempo_text *t, const json_t *summary, const json_t *result, const json_t *c)
{
    const json_t *published = json_object_get(result, "published");

    tempo_text_add(t, "\n**Outputs**: ");
    tempo_results_put_outputs(t, result, c);
    tempo_text_add(t, ".");
    put_earlier(t, summary, result, c);
    if (*tempo_text_at(published, "outputs") != '\0')
        tempo_text_add(t, " Published%s: %s.", tempo_other_model(published),
                       tempo_text_at(published, "outputs"));
    tempo_text_add(t, "\n\n");
}

static void put_case(tempo_text *t, const json_t *summary, const json_t *result, const json_t *c)
{
    const json_t *published = json_object_get(result, "published"), *arm, *id = json_object_get(c, "id");
    const char *name;

    if (json_is_string(id)) {
        tempo_text_add(t, "#### ");
        tempo_results_put_token(t, json_string_value(id));
        tempo_text_add(t, "\n\n");
    } else if (json_is_integer(id)) {
        tempo_text_add(t, "#### %" JSON_INTEGER_FORMAT "\n\n", json_integer_value(id));
    }
    put_config(t, result, c);
    tempo_text_add(
        t,
        "**Results**:\n\n| Arm | Steps | Total Tokens | Parallel Tokens/Step | Generation Time | Data Size "
        "|\n|---|---|---|---|---|---|\n");
    EACH_ARM(name, arm, c) put_arm_row(t, result, c, name, arm);
    put_published_rows(t, published);
    tempo_results_put_faster(t, "\n**Performance**: ", json_object_get(c, "timing"), ".\n");
    put_outputs(t, summary, result, c);
    tempo_put_answers(t, c);
    tempo_put_insight(t, result, c);
    tempo_text_add(t, "**Sets**:\n\n");
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
        tempo_results_put_token(t, tempo_text_at(arm, "text"));
        tempo_text_add(t, "`\n");
    }
    put_published_text(t, published);
    tempo_text_add(t, "\n");
    put_all_tensors(t, result, c);
}

static void put_captured(tempo_text *t, const json_t *result)
{
    const json_t *note;
    size_t i;

    tempo_text_add(t, "**Data Captured**:\n\n");
    for (size_t k = 0; k < TEMPO_FILE_KINDS; k++) {
        tempo_tally files = {0};
        tempo_tally_files(&files, result, &tempo_file_kinds[k], "");
        if (files.files == 0)
            continue;
        tempo_text_add(t, "- %s: %zu file%s, ", tempo_file_kinds[k].plural, files.files,
                       files.files == 1 ? "" : "s");
        tempo_results_put_bytes(t, files.bytes);
        tempo_text_add(t, "\n");
    }
    json_array_foreach(json_object_get(result, "notes"), i, note)
        tempo_text_add(t, "%s- Note, `%s`: %s\n", i == 0 ? "\n" : "", tempo_text_at(note, "key"),
                       tempo_text_at(note, "text"));
    tempo_text_add(t, "\n---\n\n");
}

void tempo_put_details(tempo_text *t, const json_t *summary)
{
    const json_t *result, *c;
    size_t i;

    tempo_text_add(t, "## Experiment Details\n\n");
    EACH_EXPERIMENT(i, result, summary)
    {
        const json_t *published = json_object_get(result, "published");
        tempo_text_add(t, "### Experiment %zu: %s\n\n", i + 1, tempo_text_at(result, "experiment"));
        if (*tempo_text_at(result, "goal") != '\0')
            tempo_text_add(t, "**Goal**: %s\n\n", tempo_text_at(result, "goal"));
        EACH_CASE(k, c, result) put_case(t, summary, result, c);
        if (*tempo_text_at(published, "remark") != '\0')
            tempo_text_add(t, "**Of the published figures**: %s\n\n", tempo_text_at(published, "remark"));
        tempo_put_contradictions(t, published);
        put_captured(t, result);
    }
}
