/* parts.c - numbers and phrases that both texts about experiments use. */
#include <math.h>
#include <string.h>

#include "experiment/document/results.h"
#include "files/json_out.h"
#include "draw/say.h"

const json_t *tempo_results_case(const json_t *result, size_t i)
{
    const json_t *cases = json_object_get(result, "cases");

    return cases != NULL ? json_array_get(cases, i) : i == 0 ? result : NULL;
}

bool tempo_results_compared(const json_t *c)
{
    return json_is_object(json_object_get(c, "comparison"));
}

bool tempo_results_lockstep(const json_t *result)
{
    return strcmp(tempo_text_at(result, "regime"), "lockstep") == 0;
}

double tempo_results_largest_tv(const json_t *c)
{
    const json_t *s;
    double worst = (double)NAN;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(c, "comparison"), "steps"), i, s)
    {
        const double tv = tempo_number_at(s, "tv");
        worst = isnan(worst) || tv > worst ? tv : worst;
    }
    return worst;
}

void tempo_results_put_token(tempo_text *t, const char *s)
{
    for (; *s != '\0'; s++)
        if (*s == '\n')
            tempo_text_add(t, "\\n");
        else if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == '`')
            tempo_text_add(t, *s == '`' ? "'" : "?"); /* a back quote would end the code that it stands in */
        else
            tempo_text_add(t, "%c", *s);
}

void tempo_results_put_sets(tempo_text *t, const json_t *arm)
{
    const json_t *step, *m;
    size_t i, k;

    json_array_foreach(json_object_get(arm, "steps"), i, step)
    {
        tempo_text_add(t, "[");
        json_array_foreach(json_object_get(step, "members"), k, m)
        {
            tempo_text_add(t, k > 0 ? "/" : "");
            tempo_results_put_token(t, tempo_text_at(m, "text"));
        }
        tempo_text_add(t, "]");
    }
}

void tempo_results_put_sizes(tempo_text *t, const json_t *sizes)
{
    if (json_array_size(sizes) == 0) {
        tempo_text_add(t, "-");
        return;
    }
    tempo_text_add(t, "[");
    for (size_t i = 0; i < json_array_size(sizes); i++)
        tempo_text_add(t, "%s%.0f", i > 0 ? ", " : "", tempo_element(sizes, i));
    tempo_text_add(t, "]");
}

void tempo_results_put_bytes(tempo_text *t, double n)
{
    if (n < 1e6)
        tempo_text_add(t, "%.0f KB", n / 1e3);
    else
        tempo_text_add(t, "%.1f MB", n / 1e6);
}

void tempo_results_put_faster(tempo_text *t, const char *before, const json_t *timing, const char *after)
{
    const double f = tempo_number_at(timing, "visible_faster_percent");
    const json_t *ci = json_object_get(timing, "visible_faster_interval");
    const double low = tempo_element(ci, 0), high = tempo_element(ci, 1);

    if (!isfinite(f))
        return;
    tempo_text_add(t, "%svisible ", before);
    tempo_say_faster(t, f, 1);
    tempo_text_add(t, " (95%% interval: ");
    tempo_say_faster_interval(t, low, high, 1);
    tempo_text_add(t, "; %lld pairs)%s%s", tempo_whole_at(timing, "pairs"),
                   low <= 0.0 && high >= 0.0 ? ", which these runs cannot tell from 0" : "", after);
}

void tempo_results_put_outputs(tempo_text *t, const json_t *result, const json_t *c)
{
    const json_t *comparison = json_object_get(c, "comparison");

    if (!tempo_results_compared(c)) {
        tempo_text_add(t, "no isolated and visible arm to compare");
        return;
    }
    if (tempo_results_lockstep(result))
        tempo_text_add(
            t,
            "all arms were given the same sets; of %zu steps, isolated and visible would have chosen "
            "different sets at %lld",
            json_array_size(json_object_get(comparison, "steps")), tempo_whole_at(comparison, "set_changes"));
    else if (json_is_true(json_object_get(comparison, "identical_sets")))
        tempo_text_add(t, "identical sets in isolated and visible mode");
    else
        tempo_text_add(t, "isolated and visible part at step %lld",
                       tempo_whole_at(comparison, "first_difference"));
    if (isfinite(tempo_results_largest_tv(c)))
        tempo_text_add(t, "; distributions %sare up to %.3g apart (total variation)",
                       json_is_null(json_object_get(comparison, "first_difference")) ? "" : "up to there ",
                       tempo_results_largest_tv(c));
}
