/* brief.c - experiments on a terminal: what they gave, and what was published. */
#include <math.h>
#include <string.h>

#include "experiment/document/results.h"
#include "files/json_out.h"

static void put_arm(tempo_text *t, const char *name, const json_t *arm)
{
    const json_t *same = json_object_get(arm, "modes_identical");

    tempo_text_add(t, "  %-9s %3lld sets, %3lld tokens  ", name, tempo_whole_at(arm, "n_steps"),
                   tempo_whole_at(arm, "total_tokens"));
    tempo_results_put_sets(t, arm);
    if (same != NULL)
        tempo_text_add(t, "  %s",
                       json_is_true(same) ? "(isolated = visible, bit for bit)" : "(MODES DIFFER)");
    tempo_text_add(t, "\n");
}

static void put_case(tempo_text *t, const json_t *result, const json_t *c)
{
    const json_t *arm;
    const char *name;

    tempo_text_add(t, "  ");
    tempo_results_put_token(t, tempo_text_at(c, "prompt"));
    tempo_text_add(t, "  (threshold %g)\n", tempo_number_at(c, "threshold"));
    json_object_foreach(json_object_get(c, "arms"), name, arm) put_arm(t, name, arm);
    tempo_text_add(t, "  => ");
    tempo_results_put_outputs(t, result, c);
    tempo_text_add(t, "\n");
    tempo_results_put_faster(t, "  => ", json_object_get(c, "timing"), "\n");
}

char *tempo_experiments_brief(const json_t *summary, bool color)
{
    const json_t *result, *c;
    tempo_text t = {0};
    size_t i;

    tempo_text_add(
        &t, "[a/b] is a set: tokens of one step, at one position.  isolated: they do not see each other; "
            "visible: they do;\nreplay: what the published program computed, which never showed them to "
            "each other.\n\n");
    json_array_foreach(json_object_get(summary, "experiments"), i, result)
    {
        tempo_text_add(&t, "%s%s%s%s\n", i > 0 ? "\n" : "", color ? "\033[1m" : "",
                       tempo_text_at(result, "experiment"), color ? "\033[0m" : "");
        for (size_t k = 0; (c = tempo_results_case(result, k)) != NULL; k++)
            put_case(&t, result, c);
    }
    return tempo_text_take(&t);
}

/* ---- beside what was published ---- */

static void put_published(tempo_text *t, const json_t *published)
{
    const json_t *r;
    size_t k;

    json_array_foreach(json_object_get(published, "runs"), k, r)
    {
        const double seconds = tempo_number_at(r, "seconds");
        tempo_text_add(t, "  published %-9s %lld steps, %lld tokens, sizes ", tempo_text_at(r, "mode"),
                       tempo_whole_at(r, "steps"), tempo_whole_at(r, "total_tokens"));
        tempo_results_put_sizes(t, json_object_get(r, "set_sizes"));
        if (seconds > 0.0)
            tempo_text_add(t, ", %.3f s", seconds);
        tempo_text_add(t, "  ");
        tempo_results_put_token(t, tempo_text_at(r, "sets"));
        tempo_text_add(t, "\n");
    }
}

static void put_measured(tempo_text *t, const char *name, const json_t *arm)
{
    const double seconds = tempo_number_at(arm, "generation_time");

    tempo_text_add(t, "  measured  %-9s %lld steps, %lld tokens, sizes ", name,
                   tempo_whole_at(arm, "n_steps"), tempo_whole_at(arm, "total_tokens"));
    tempo_results_put_sizes(t, json_object_get(arm, "set_sizes"));
    if (isfinite(seconds))
        tempo_text_add(t, ", %.4f s", seconds);
    tempo_text_add(t, "  ");
    tempo_results_put_sets(t, arm);
    tempo_text_add(t, "\n");
}

char *tempo_experiments_check(const json_t *summary)
{
    const json_t *result, *arm, *c;
    const char *name;
    tempo_text t = {0};
    size_t i;

    json_array_foreach(json_object_get(summary, "experiments"), i, result)
    {
        const json_t *published = json_object_get(result, "published");
        tempo_text_add(&t, "%s%s\n", i > 0 ? "\n" : "", tempo_text_at(result, "experiment"));
        if (!json_is_object(published))
            tempo_text_add(&t, "  nothing published\n");
        else if (!json_is_true(json_object_get(published, "same_model")))
            tempo_text_add(&t, "  published figures are another model's: %s\n",
                           tempo_text_at(published, "model"));
        else
            tempo_text_add(&t, "  the published model; the replay is what the published program computed\n");
        put_published(&t, published);
        for (size_t k = 0; (c = tempo_results_case(result, k)) != NULL; k++)
            json_object_foreach(json_object_get(c, "arms"), name, arm) put_measured(&t, name, arm);
    }
    return tempo_text_take(&t);
}
