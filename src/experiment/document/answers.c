/* answers.c - what an experiment measured of the question that it asks, and the sentence that
 * follows from it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/document/document.h"
#include "files/json_out.h"

/* ---- the numbers ---- */

typedef struct numbers {
    size_t compared, identical, top1_same, parting; /* steps of both modes; parting: SIZE_MAX for never */
    double kl, kl_max, cosine, cosine_min, tv_max;
    size_t parallel_sets, one_position, widest;
    double sibling, prior; /* a single weight: on a sibling, and on a slot before, in visible mode */
} numbers;

static const json_t *steps_compared(const json_t *c)
{
    return json_object_get(json_object_get(c, "comparison"), "steps");
}

static void add_step(numbers *x, const json_t *s)
{
    const double kl = tempo_number_at(s, "kl_isolated_visible"), cosine = tempo_number_at(s, "row_cosine"),
                 tv = tempo_number_at(s, "tv");

    x->compared++;
    x->identical += json_is_true(json_object_get(s, "identical"));
    x->top1_same += tempo_number_at(json_object_get(s, "top_k"), "1") == 1.0;
    x->kl += kl;
    x->kl_max = kl > x->kl_max ? kl : x->kl_max;
    x->cosine += cosine;
    x->cosine_min = cosine < x->cosine_min ? cosine : x->cosine_min;
    x->tv_max = tv > x->tv_max ? tv : x->tv_max;
}

static void add_arm(numbers *x, const json_t *arm)
{
    const json_t *p = json_object_get(arm, "positions"), *sizes = json_object_get(arm, "set_sizes");

    if (json_is_true(json_object_get(arm, "shared_positions"))) {
        x->parallel_sets += (size_t)tempo_whole_at(p, "parallel_sets");
        x->one_position += (size_t)tempo_whole_at(p, "one_position");
    }
    for (size_t i = 0; i < json_array_size(sizes); i++) {
        const double n = tempo_element(sizes, i);
        x->widest = n > (double)x->widest ? (size_t)n : x->widest;
    }
}

/* Means over the parallel steps of visible mode. */
static void add_weights(numbers *x, const json_t *scores)
{
    const size_t n = json_array_size(scores);
    const json_t *s;
    size_t i;

    x->sibling = x->prior = n > 0 ? 0.0 : (double)NAN;
    json_array_foreach(scores, i, s)
    {
        x->sibling += tempo_number_at(s, "mean") / (double)n;
        x->prior += tempo_number_at(s, "prior_context_mean") / (double)n;
    }
}

static numbers measure(const json_t *c)
{
    const json_t *first = json_object_get(json_object_get(c, "comparison"), "first_difference"), *s, *arm;
    numbers x = {.cosine_min = INFINITY, .parting = SIZE_MAX};
    const char *name;
    size_t i;

    json_array_foreach(steps_compared(c), i, s) add_step(&x, s);
    if (x.compared > 0) {
        x.kl /= (double)x.compared;
        x.cosine /= (double)x.compared;
    }
    if (json_is_integer(first))
        x.parting = (size_t)json_integer_value(first);
    EACH_ARM(name, arm, c) add_arm(&x, arm);
    add_weights(&x,
                json_object_get(json_object_get(json_object_get(c, "arms"), "visible"), "cross_parallel"));
    return x;
}

/* ---- layers ---- */

static bool mass_layers(const json_t *c, double **layers, size_t *n, size_t *steps)
{
    const json_t *mass =
        json_object_get(json_object_get(json_object_get(c, "arms"), "visible"), "sibling_mass");
    const json_t *list = json_object_get(mass, "layers");

    *n = json_array_size(list);
    *steps = (size_t)tempo_whole_at(mass, "steps");
    if (*n == 0 || (*layers = malloc(*n * sizeof(**layers))) == NULL)
        return false;
    for (size_t l = 0; l < *n; l++)
        (*layers)[l] = tempo_element(list, l);
    return true;
}

static bool js_layers(const json_t *c, double **layers, size_t *n, size_t *steps)
{
    const json_t *s;
    size_t i;

    json_array_foreach(steps_compared(c), i, s)
    {
        const json_t *list = json_object_get(s, "attention_js_layers");
        if (json_array_size(list) == 0 || (*layers != NULL && json_array_size(list) != *n))
            continue;
        if (*layers == NULL) {
            *n = json_array_size(list);
            if ((*layers = calloc(*n, sizeof(**layers))) == NULL)
                return false;
        }
        for (size_t l = 0; l < *n; l++)
            (*layers)[l] += tempo_element(list, l);
        ++*steps;
    }
    for (size_t l = 0; l < *n; l++)
        (*layers)[l] /= (double)*steps;
    return *layers != NULL;
}

bool tempo_layers_of(const json_t *c, bool js, double **layers, size_t *n, size_t *steps)
{
    *layers = NULL;
    *n = *steps = 0;
    return js ? js_layers(c, layers, n, steps) : mass_layers(c, layers, n, steps);
}

typedef struct layer_facts {
    bool there;
    size_t steps, most, second, least;
    double mean, at_most, at_second, at_least;
} layer_facts;

static layer_facts layers_of(const json_t *c, bool js)
{
    layer_facts x = {0};
    double *v;
    size_t n;

    if (!tempo_layers_of(c, js, &v, &n, &x.steps))
        return x;
    x.there = true;
    x.second = SIZE_MAX;
    for (size_t l = 0; l < n; l++) {
        x.mean += v[l] / (double)n;
        if (v[l] > v[x.most])
            x.most = l;
        if (v[l] < v[x.least])
            x.least = l;
    }
    for (size_t l = 0; l < n; l++)
        if (l != x.most && (x.second == SIZE_MAX || v[l] > v[x.second]))
            x.second = l;
    x.at_most = v[x.most];
    x.at_least = v[x.least];
    x.at_second = x.second != SIZE_MAX ? v[x.second] : (double)NAN;
    free(v);
    return x;
}

/* ---- measured ---- */

static void put_layers(tempo_text *t, const char *before, const layer_facts *x, const char *unit)
{
    tempo_text_add(t, "- %s: %.3g%s on average over %zu parallel step%s; most in layer %zu (%.3g)", before,
                   x->mean, unit, x->steps, x->steps == 1 ? "" : "s", x->most, x->at_most);
    if (x->second != SIZE_MAX)
        tempo_text_add(t, ", then layer %zu (%.3g)", x->second, x->at_second);
    tempo_text_add(t, ", least in layer %zu (%.3g).\n", x->least, x->at_least);
}

static void put_top(tempo_text *t, const json_t *c)
{
    const json_t *first = json_object_get(json_array_get(steps_compared(c), 0), "top_k"), *s, *v;
    const char *k;
    size_t i, n = 0;

    json_object_foreach((json_t *)(uintptr_t)first, k, v)
    {
        double sum = 0.0;
        json_array_foreach(steps_compared(c), i, s) sum += tempo_number_at(json_object_get(s, "top_k"), k);
        tempo_text_add(t, "%s %.3g of the top %s", n++ > 0 ? "," : "; in common on average:",
                       sum / (double)json_array_size(steps_compared(c)), k);
    }
}

static void put_distributions(tempo_text *t, const json_t *c, const numbers *x)
{
    tempo_text_add(
        t, "- Distributions, at the %zu step%s at which both modes have the same tokens behind them: ",
        x->compared, x->compared == 1 ? "" : "s");
    tempo_text_add(t, "%zu equal to the bit; total variation up to %.3g", x->identical, x->tv_max);
    if (isfinite(x->kl))
        tempo_text_add(t, ", KL %.3g nat on average and up to %.3g", x->kl, x->kl_max);
    if (isfinite(x->cosine))
        tempo_text_add(t, ", cosine of the logits %.6f on average and at least %.6f", x->cosine,
                       x->cosine_min);
    put_top(t, c);
    tempo_text_add(t, ".\n");
}

void tempo_put_answers(tempo_text *t, const json_t *c)
{
    const numbers x = measure(c);
    const layer_facts js = layers_of(c, true), mass = layers_of(c, false);

    tempo_text_add(t, "**Measured**:\n\n");
    if (js.there)
        put_layers(t, "Attention on what both modes see, Jensen-Shannon divergence between them by layer",
                   &js, " nat");
    if (mass.there)
        put_layers(t, "Attention of visible rows on their siblings, by layer", &mass, "");
    if (isfinite(x.sibling) && isfinite(x.prior))
        tempo_text_add(
            t,
            "- A sibling gets %.3g of a visible row's attention, a slot of the text before the set "
            "%.3g (means of single weights).\n",
            x.sibling, x.prior);
    if (x.compared > 0)
        put_distributions(t, c, &x);
    if (x.parallel_sets > 0)
        tempo_text_add(t, "- Positions: %zu of %zu parallel sets have one position for all members.\n",
                       x.one_position, x.parallel_sets);
    tempo_text_add(t, "- The largest set has %zu member%s.\n\n", x.widest, x.widest == 1 ? "" : "s");
}

/* ---- the sentence ---- */

static void say_attention(tempo_text *t, const layer_facts *js, const layer_facts *mass)
{
    if (!js->there)
        tempo_text_add(
            t, "No set of several members was read by both modes, so their attention cannot be told apart.");
    else if (js->at_most < 1e-6) /* of a nat: rounding */
        tempo_text_add(
            t, "Siblings take their share of the attention and change nothing else: on what both modes "
               "see, it is the same up to rounding in every layer.");
    else
        tempo_text_add(t,
                       "Attention is not the same: siblings get %.1f%% of it, and what is left is shared out "
                       "differently, most in layer %zu.",
                       mass->there ? 100.0 * mass->mean : 0.0, js->most);
}

static void say_distributions(tempo_text *t, const numbers *x)
{
    if (x->compared == 0)
        tempo_text_add(t, "There is no step at which two modes can be compared.");
    else if (x->identical == x->compared)
        tempo_text_add(
            t, "The two modes give the same distributions to the bit at all %zu steps that can be compared.",
            x->compared);
    else if (x->top1_same == x->compared)
        tempo_text_add(
            t,
            "The distributions differ at %zu of %zu steps, by up to %.3g, and the most probable token "
            "is the same at all of them.",
            x->compared - x->identical, x->compared, x->tv_max);
    else
        tempo_text_add(
            t,
            "The distributions differ at %zu of %zu steps, by up to %.3g, and at %zu the most probable "
            "token is another one.",
            x->compared - x->identical, x->compared, x->tv_max, x->compared - x->top1_same);
}

static void say_siblings(tempo_text *t, const numbers *x, const layer_facts *mass)
{
    const bool more = x->sibling >= x->prior;

    if (!mass->there || !isfinite(x->sibling)) {
        tempo_text_add(t,
                       "No set of several members was read in visible mode, so there is nothing to measure.");
        return;
    }
    tempo_text_add(
        t,
        "Siblings are %s: one of them gets %.1f%s as much attention as a slot of the text before, and most "
        "of it in layer %zu.",
        mass->mean < 0.01 ? "all but ignored" : "not ignored",
        more ? x->sibling / x->prior : 100.0 * x->sibling / x->prior, more ? " times" : "%", mass->most);
}

static void say_positions(tempo_text *t, const numbers *x)
{
    if (x->parallel_sets == 0)
        tempo_text_add(t, "No set of several members was read, so that no position could be shared.");
    else if (x->one_position == x->parallel_sets)
        tempo_text_add(
            t, "All %zu parallel sets share one position among their members, as the rotation was given it.",
            x->parallel_sets);
    else
        tempo_text_add(t, "Only %zu of %zu parallel sets share one position among their members.",
                       x->one_position, x->parallel_sets);
}

static void say_outputs(tempo_text *t, const json_t *result, const json_t *c, const numbers *x)
{
    tempo_text_add(t, "With sets of up to %zu members, ", x->widest);
    if (!tempo_results_compared(c))
        tempo_text_add(t, "one mode ran, so that nothing can be compared.");
    else if (tempo_results_lockstep(result))
        tempo_text_add(
            t, "both modes were given the same sets and would have chosen others at %lld of %zu steps.",
            tempo_whole_at(json_object_get(c, "comparison"), "set_changes"), x->compared);
    else if (x->parting == SIZE_MAX)
        tempo_text_add(t, "both modes choose the same sets to the end.");
    else
        tempo_text_add(t, "the modes part at step %zu.", x->parting);
}

void tempo_put_insight(tempo_text *t, const json_t *result, const json_t *c)
{
    const numbers x = measure(c);
    const layer_facts js = layers_of(c, true), mass = layers_of(c, false);
    const bool attention = tempo_is_recorded(result, "attention"),
               logits = tempo_is_recorded(result, "logits");
    const json_t *visible = json_object_get(json_object_get(c, "arms"), "visible");

    /* what an experiment is about is what it records */
    tempo_text_add(t, "**Key Insight**: ");
    if (json_object_get(visible, "cross_parallel") != NULL)
        say_siblings(t, &x, &mass);
    else if (tempo_is_recorded(result, "kv") ||
             (tempo_is_recorded(result, "positions") && !attention && !logits))
        say_positions(t, &x);
    else if (logits && !attention)
        say_distributions(t, &x);
    else if (attention && !logits)
        say_attention(t, &js, &mass);
    else
        say_outputs(t, result, c, &x);
    tempo_text_add(t, "\n\n");
}
