/* says.c - a decision in sentences: what was shown, what was not, and what a study like this one could
 * show. */
#include <math.h>
#include <string.h>

#include "files/json_out.h"
#include "report/report.h"
#include "stats/stats.h"

/* " (95% interval a to b)", or nothing where there is none. */
static void put_interval(tempo_text *t, const json_t *d, const char *key, int level)
{
    const json_t *ci = json_object_get(d, key), *lo = json_array_get(ci, 0), *hi = json_array_get(ci, 1);

    if (json_is_number(lo) && json_is_number(hi))
        tempo_text_add(t, " (%d%% interval %.3g to %.3g)", level, json_number_value(lo),
                       json_number_value(hi));
}

static void put_mean(tempo_text *t, const json_t *d)
{
    tempo_text_add(t, "The mean %s is %.3g", tempo_text_at(d, "metric"), tempo_number_at(d, "mean"));
    if (tempo_text_is(d, "verdict", "equivalent"))
        put_interval(t, d, "ci90", 90);
    else
        put_interval(t, d, "ci95", 95);
}

/* ---- what could be shown ---- */

static void put_equivalent_from(tempo_text *t, const json_t *d, bool is_signed)
{
    const double up_to = tempo_number_at(d, "equivalent_up_to"), bound = tempo_number_at(d, "bound");

    if (isfinite(up_to))
        tempo_text_add(
            t, " that it is within %s%.3g about four times in five where the true mean is at most %.3g%s",
            is_signed ? "+-" : "the bound of ", bound, up_to, is_signed ? " from 0" : "");
    else
        tempo_text_add(t, " not even of a true mean of 0 about four times in five that it is within %s%.3g",
                       is_signed ? "+-" : "the bound of ", bound);
}

/* A magnitude, by the side of the bound on which its mean lies; a contrast, for both things it could be. */
static void put_power(tempo_text *t, const json_t *d)
{
    const double different = tempo_number_at(d, "different_from");

    if (!isfinite(tempo_number_at(d, "margin")))
        return;
    tempo_text_add(t, "  A study like this one shows");
    if (tempo_text_is(d, "kind", "signed")) {
        if (isfinite(different))
            tempo_text_add(
                t,
                " that it is not 0 about four times in five where the true mean is at least %.3g from 0, and",
                different);
        put_equivalent_from(t, d, true);
    } else if (tempo_number_at(d, "mean") > tempo_number_at(d, "bound")) {
        if (isfinite(different))
            tempo_text_add(
                t,
                " that it is above the bound about four times in five where the true mean is at least %.3g",
                different);
        else
            tempo_text_add(t, " of no true mean about four times in five that it is above the bound");
    } else {
        put_equivalent_from(t, d, false);
    }
    tempo_text_add(t, ".");
}

/* ---- verdicts ---- */

static void put_different(tempo_text *t, const json_t *d)
{
    put_mean(t, d);
    if (tempo_text_is(d, "kind", "signed"))
        tempo_text_add(t, ", which is not 0; that it lies within +-%.3g is not shown.",
                       tempo_number_at(d, "bound"));
    else
        tempo_text_add(t, ", above the bound of %.3g.", tempo_number_at(d, "bound"));
}

static void put_inconclusive(tempo_text *t, const json_t *d)
{
    const json_t *method = json_object_get(json_object_get(d, "different"), "method");

    put_mean(t, d);
    if (!tempo_text_is(d, "kind", "signed"))
        tempo_text_add(t, ": neither below nor above the bound of %.3g is shown.",
                       tempo_number_at(d, "bound"));
    else if (json_is_string(method))
        tempo_text_add(t, ": neither that it is not 0 nor that it lies within +-%.3g is shown.",
                       tempo_number_at(d, "bound"));
    else
        tempo_text_add(
            t,
            ": that it lies within +-%.3g is not shown, and with fewer than %d values that are not 0 "
            "it is not tested against 0.",
            tempo_number_at(d, "bound"), TEMPO_MIN_PROMPTS);
    put_power(t, d);
}

static void put_too_few(tempo_text *t, const json_t *d)
{
    const long long n = tempo_whole_at(d, "n"), counted = tempo_whole_at(d, "counted"),
                    needed = tempo_whole_at(d, "needed");

    put_mean(t, d);
    tempo_text_add(t, " against a bound of %s%.3g.  ", tempo_text_is(d, "kind", "signed") ? "+-" : "",
                   tempo_number_at(d, "bound"));
    if (n < TEMPO_MIN_PROMPTS)
        tempo_text_add(t, "%lld prompts have a value, fewer than %d", n, TEMPO_MIN_PROMPTS);
    else if (counted < TEMPO_MIN_COUNTED)
        tempo_text_add(t, "Only %lld of %lld values are not next to 0", counted, n);
    else
        tempo_text_add(t, "All %lld values are equal", n);
    tempo_text_add(t, ": too few for a verdict whose errors are controlled.");
    if (needed > 0)
        tempo_text_add(t, "  With values like these at least %lld prompts that have one would do.", needed);
    else
        tempo_text_add(t, "  No number of prompts with values like these would do.");
}

static void put_verdict(tempo_text *t, const json_t *d)
{
    if (tempo_text_is(d, "verdict", "identical")) {
        tempo_text_add(t, "Every distribution is equal to the bit.");
    } else if (tempo_text_is(d, "verdict", "equivalent")) {
        put_mean(t, d);
        tempo_text_add(t, ", within the bound of %s%.3g.", tempo_text_is(d, "kind", "signed") ? "+-" : "",
                       tempo_number_at(d, "bound"));
    } else if (tempo_text_is(d, "verdict", "different")) {
        put_different(t, d);
    } else if (tempo_text_is(d, "verdict", "inconclusive")) {
        put_inconclusive(t, d);
    } else if (tempo_text_is(d, "verdict", "too few prompts")) {
        put_too_few(t, d);
    } else {
        tempo_text_add(t, "Fewer than two prompts have a value.");
    }
}

/* ---- what stands beside it ---- */

/* Does one say "equivalent" where the other says "different"? */
static bool contradicts(const json_t *a, const json_t *b)
{
    return (tempo_text_is(a, "verdict", "equivalent") && tempo_text_is(b, "verdict", "different")) ||
           (tempo_text_is(a, "verdict", "different") && tempo_text_is(b, "verdict", "equivalent"));
}

static void put_other_measures(tempo_text *t, const json_t *d, bool markdown)
{
    const json_t *list = json_object_get(d, "other_measures"), *one;
    const char *strong = markdown ? "**" : "";
    bool contradicted = false;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    tempo_text_add(t, "  Measured otherwise:");
    json_array_foreach(list, i, one)
    {
        tempo_text_add(t, "%s %s %.3g%s against %.3g, %s", i > 0 ? ";" : "", tempo_text_at(one, "measure"),
                       tempo_number_at(one, "mean"), tempo_text_is(one, "unit", "nat") ? " nat" : "",
                       tempo_number_at(one, "bound"), tempo_text_at(one, "verdict"));
        contradicted = contradicted || contradicts(d, one);
    }
    if (contradicted)
        tempo_text_add(t,
                       ".  %sThe verdict depends on the measure: by another of these it is the opposite.%s",
                       strong, strong);
    else if (json_is_true(json_object_get(d, "depends_on_measure")))
        tempo_text_add(
            t, ".  The verdict depends on the measure: not all of these give it, and none the opposite.");
    else
        tempo_text_add(t, ".  The verdict does not depend on which of these is taken.");
}

static void put_largest_layer(tempo_text *t, const json_t *d)
{
    const json_t *l = json_object_get(d, "largest_layer");

    if (json_is_object(l))
        tempo_text_add(t, "  It is largest in layer %lld: %.3g (%s).", tempo_whole_at(l, "layer"),
                       tempo_number_at(l, "mean"), tempo_text_at(l, "verdict"));
}

static void put_first_slot(tempo_text *t, const json_t *d)
{
    if (isfinite(tempo_number_at(d, "first_slot_mass")))
        tempo_text_add(t, "  The first slot, which the share leaves out, takes %.3g of all attention.",
                       tempo_number_at(d, "first_slot_mass"));
}

/* "Siblings exchanged for strangers": the control of C as a line of its own. */
static void put_control(tempo_text *t, const json_t *d, bool markdown)
{
    const json_t *c = json_object_get(d, "control");
    const double mean = tempo_number_at(c, "mean");

    if (!json_is_object(c))
        return;
    tempo_text_add(t,
                   markdown ? "- **C, siblings exchanged (exploratory): %s.** "
                            : "  C, siblings exchanged (exploratory): %s. ",
                   tempo_text_at(c, "verdict"));
    if (tempo_text_is(c, "verdict", "no data")) {
        tempo_text_add(t, "Fewer than two prompts have a stranger's set of equal size.\n");
        return;
    }
    tempo_text_add(
        t,
        "In the first parallel set members give their own siblings %.3g of their attention (the first slot "
        "excluded), and strangers of equal rank in their place %.3g: siblings less strangers are %.3g",
        tempo_number_at(c, "share"), tempo_number_at(c, "control"), mean);
    put_interval(t, c, tempo_text_is(c, "verdict", "equivalent") ? "ci90" : "ci95",
                 tempo_text_is(c, "verdict", "equivalent") ? 90 : 95);
    if (tempo_text_is(c, "verdict", "equivalent"))
        tempo_text_add(t, ", within +-%.3g: being siblings makes no difference of that size.",
                       tempo_number_at(c, "bound"));
    else if (tempo_text_is(c, "verdict", "different"))
        tempo_text_add(t, ", which is not 0: siblings get %s than strangers would.",
                       mean < 0 ? "less" : "more");
    else if (tempo_text_is(c, "verdict", "inconclusive"))
        tempo_text_add(t, ": whether being siblings makes a difference is not shown.");
    else
        tempo_text_add(t, "; %lld prompts are too few to say whether that is a difference.",
                       tempo_whole_at(c, "n"));
    if (tempo_text_is(c, "verdict", "inconclusive"))
        put_power(t, c);
    tempo_text_add(t, "\n");
}

static void put_position(tempo_text *t, const json_t *d)
{
    tempo_text_add(
        t,
        "  This is of D = %g: members %g apart instead of at one position, which also brings them nearer to "
        "all that follows; another D may give another verdict.",
        tempo_number_at(d, "position_offset"), tempo_number_at(d, "position_offset"));
    if (tempo_text_is(d, "direction", "sharing dampens"))
        tempo_text_add(
            t,
            "  Direction: above 0, apart siblings change each other's predictions more; sharing a position "
            "dampens it.");
    else if (tempo_text_is(d, "direction", "sharing amplifies"))
        tempo_text_add(
            t,
            "  Direction: below 0, apart siblings change each other's predictions less; sharing a position "
            "amplifies it.");
    else
        tempo_text_add(t, "  Which way it goes is not shown.");
}

void tempo_report_says(tempo_text *t, const json_t *decision, bool markdown)
{
    tempo_text_add(t, markdown ? "- **%s: %s.** " : "  %s: %s. ", tempo_text_at(decision, "id"),
                   tempo_text_at(decision, "verdict"));
    put_verdict(t, decision);
    put_largest_layer(t, decision);
    put_first_slot(t, decision);
    if (json_object_get(decision, "position_offset") != NULL &&
        !tempo_text_is(decision, "verdict", "no data"))
        put_position(t, decision);
    put_other_measures(t, decision, markdown);
    tempo_text_add(t, "\n");
    put_control(t, decision, markdown);
}
