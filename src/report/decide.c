/* decide.c - the endpoints of one model at one threshold: decisions, and what stands beside them: the
 * same endpoint by other measures, attention's largest layer, the control of siblings, where the position was
 * moved to.  */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/json_out.h"
#include "report/report.h"
#include "study/floor.h"
#include "study/study.h"
#include "stats/verdict.h"

enum { A2, B, C, D2 };

static const double nats = 0.69314718055994531; /* no Jensen-Shannon divergence is greater */
static const double rounding = 1e-9;            /* how far sums of roundings may pass a limit */

/* What else could have been measured for an endpoint: would the verdict be another?  Of divergences the bound
 * is that of the hypothesis named, if it has one, else the endpoint's, as a number.  */
static const struct {
    int of;
    const char *key, *what, *unit, *bound_of;
    double limit;
} others[] = {
    {A2, "a2_js", "Jensen-Shannon divergence", "nat", "A2-divergences", nats},
    {A2, "a2_all_layers", "total variation with layer 0", "share of attention", NULL, 1},
    {A2, "a2_js_all_layers", "Jensen-Shannon divergence with layer 0", "nat", "A2-divergences", nats},
    {B, "b_mean", "total variation, mean over steps", "probability", NULL, 1},
    {B, "b_js", "Jensen-Shannon divergence", "nat", "B-divergences", nats},
    {B, "b_kl_isolated_visible", "Kullback-Leibler divergence, isolated from visible", "nat", "B-divergences",
     INFINITY},
    {B, "b_kl_visible_isolated", "Kullback-Leibler divergence, visible from isolated", "nat", "B-divergences",
     INFINITY},
    {C, "sibling_mass", "share of all attention, slot 0 included", "share of attention", NULL, 1},
};

/* The endpoints of a slice, their values and what was decided. */
typedef struct family {
    const tempo_slice *s;
    tempo_decide_options o;
    tempo_endpoint e[TEMPO_PRIMARIES];
    tempo_decision d[TEMPO_PRIMARIES];
    double *x; /* [TEMPO_PRIMARIES + 1][s->n]: the last row is for what is looked at beside them */
} family;

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the report");
}

/* Are all units' distributions bitwise equal between the arms? */
static bool all_same(const tempo_slice *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (s->unit[i] == NULL)
            continue;
        if (!json_is_true(json_object_get(json_object_get(s->unit[i], "checks"), "same_q")))
            return false;
        n++;
    }
    return n > 0;
}

static tempo_status begin(family *f, const tempo_slice *s, const json_t *floor, tempo_err *err)
{
    const tempo_hypotheses *h = s->hypotheses;

    *f = (family){
        .s = s,
        .o = {.alpha = h->alpha, .power = 0.8, .resamples = h->resamples, .seed = h->seeds.bootstrap},
        .x = calloc((TEMPO_PRIMARIES + 1) * s->n, sizeof(*f->x))};
    if (f->x == NULL)
        return no_memory(err);
    for (size_t k = 0; k < TEMPO_PRIMARIES; k++) {
        const double noise = tempo_number_at(floor, tempo_primaries[k]);
        double *x = f->x + k * s->n;
        f->e[k] = (tempo_endpoint){.name = tempo_primaries[k],
                                   .kind = k == D2 ? TEMPO_ENDPOINT_SIGNED : TEMPO_ENDPOINT_MAGNITUDE,
                                   .x = x,
                                   .n = tempo_slice_values(s, "values", tempo_primaries[k], x),
                                   .limit = 1 + rounding,
                                   .bound = tempo_hypotheses_bound(h, tempo_primaries[k]),
                                   .floor = isfinite(noise) ? noise : 0.0,
                                   .identical = k == B && all_same(s)};
    }
    return tempo_decide(f->e, TEMPO_PRIMARIES, &f->o, f->d, err);
}

/* The verdict of endpoint k had `values` been measured for it, in the same family. */
static tempo_status decide_instead(const family *f, size_t k, const tempo_endpoint *values,
                                   tempo_decision *out, tempo_err *err)
{
    tempo_decide_options o = f->o;
    tempo_endpoint e[TEMPO_PRIMARIES];
    tempo_decision d[TEMPO_PRIMARIES];

    memcpy(e, f->e, sizeof(e));
    e[k] = *values;
    o.resamples = 0;
    const tempo_status st = tempo_decide(e, TEMPO_PRIMARIES, &o, d, err);
    if (st == TEMPO_OK)
        *out = d[k];
    return st;
}

/* ---- other measures ---- */

static tempo_status other_measure(const family *f, size_t i, json_t *list, bool *depends, tempo_err *err)
{
    const size_t k = (size_t)others[i].of;
    double *x = f->x + TEMPO_PRIMARIES * f->s->n;
    tempo_endpoint e = {.name = others[i].key,
                        .x = x,
                        .n = tempo_slice_values(f->s, "values", others[i].key, x),
                        .limit = others[i].limit + rounding,
                        .bound = f->e[k].bound,
                        .floor = f->e[k].floor};
    tempo_decision d;
    tempo_status st;

    if (others[i].bound_of != NULL) {
        const double bound = tempo_hypotheses_bound(f->s->hypotheses, others[i].bound_of);
        e.bound = isfinite(bound) ? bound : e.bound;
        e.floor = 0; /* the floor was measured of the endpoint itself */
    }
    if (e.n == 0 || (st = decide_instead(f, k, &e, &d, err)) != TEMPO_OK)
        return e.n == 0 ? TEMPO_OK : st;
    *depends = *depends || d.verdict != f->d[k].verdict;
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:s}", "key", others[i].key, "measure",
                                    others[i].what, "unit", others[i].unit, "n", (json_int_t)d.n, "mean",
                                    tempo_json_number(d.mean), "bound", tempo_json_number(d.bound), "verdict",
                                    tempo_verdict_name(d.verdict)));
    return TEMPO_OK;
}

/* "other_measures" and "depends_on_measure", unless there is nothing to measure otherwise. */
static tempo_status put_other_measures(json_t *decision, const family *f, size_t k, tempo_err *err)
{
    json_t *list = json_array();
    bool depends = false;
    tempo_status st = list != NULL ? TEMPO_OK : no_memory(err);

    if (f->e[k].identical || f->e[k].n < 2) {
        json_decref(list);
        return TEMPO_OK;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(*others) && st == TEMPO_OK; i++)
        if ((size_t)others[i].of == k)
            st = other_measure(f, i, list, &depends, err);
    if (json_array_size(list) > 0) {
        json_object_set(decision, "other_measures", list);
        json_object_set_new(decision, "depends_on_measure", json_boolean(depends));
    }
    json_decref(list);
    return st;
}

/* ---- A2: the layer where it is largest ---- */

/* Values of one layer, as tempo_slice_values. */
static size_t layer_values(const tempo_slice *s, size_t layer, double *x)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        const json_t *v =
            json_array_get(json_object_get(json_object_get(s->unit[i], "layers"), "attention_tv"), layer);
        if (json_is_number(v))
            x[n++] = json_number_value(v);
    }
    return n;
}

static size_t count_layers(const tempo_slice *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        const size_t k =
            json_array_size(json_object_get(json_object_get(s->unit[i], "layers"), "attention_tv"));
        n = k > n ? k : n;
    }
    return n;
}

static tempo_status put_largest_layer(json_t *decision, const family *f, tempo_err *err)
{
    const size_t layers = count_layers(f->s);
    double *x = f->x + TEMPO_PRIMARIES * f->s->n, most = -INFINITY;
    tempo_endpoint e = f->e[A2];
    size_t largest = 0;
    tempo_decision d;
    tempo_status st;

    for (size_t l = 1; l < layers; l++) {
        const size_t n = layer_values(f->s, l, x);
        const double mean = tempo_stats_mean(x, n);
        if (n > 0 && mean > most) {
            most = mean;
            largest = l;
        }
    }
    if (largest == 0)
        return TEMPO_OK;
    e.x = x;
    e.n = layer_values(f->s, largest, x);
    if ((st = decide_instead(f, A2, &e, &d, err)) == TEMPO_OK)
        json_object_set_new(decision, "largest_layer",
                            json_pack("{s:I, s:o, s:s}", "layer", (json_int_t)largest, "mean",
                                      tempo_json_number(d.mean), "verdict", tempo_verdict_name(d.verdict)));
    return st;
}

/* ---- C: the first slot, and siblings exchanged ---- */

static tempo_status put_control(json_t *decision, const family *f, tempo_err *err)
{
    const tempo_slice *s = f->s;
    double *x = f->x + TEMPO_PRIMARIES * s->n, own = 0, control = 0;
    tempo_decide_options o = f->o;
    tempo_endpoint e = {.name = "C-exchanged",
                        .kind = TEMPO_ENDPOINT_SIGNED,
                        .x = x,
                        .limit = 1 + rounding,
                        .bound = f->e[C].bound};
    tempo_decision d;
    tempo_status st;

    for (size_t i = 0; i < s->n; i++) {
        const double a = tempo_number_at(s->control[i], "share"),
                     b = tempo_number_at(s->control[i], "control");
        if (!isfinite(a - b))
            continue;
        own += a;
        control += b;
        x[e.n++] = a - b;
    }
    o.seed += 2 * TEMPO_PRIMARIES;
    if ((st = tempo_decide(&e, 1, &o, &d, err)) != TEMPO_OK)
        return st;
    json_t *out = tempo_decision_json(&d);
    if (out == NULL)
        return no_memory(err);
    json_object_set_new(out, "share", tempo_json_number(own / (double)e.n));
    json_object_set_new(out, "control", tempo_json_number(control / (double)e.n));
    json_object_set_new(decision, "control", out);
    return TEMPO_OK;
}

/* ---- D2: where members were moved to, and which way that went ---- */

static void put_position(json_t *decision, const family *f)
{
    const tempo_decision *d = &f->d[D2];
    const char *direction = NULL;

    if (d->p_different_holm < d->alpha) /* also where it is small enough to be equivalent */
        direction = d->mean > 0 ? "sharing dampens" : "sharing amplifies";
    json_object_set_new(decision, "position_offset",
                        tempo_json_number(tempo_study_offset(f->s->hypotheses, f->s->threshold)));
    json_object_set_new(decision, "direction", direction != NULL ? json_string(direction) : json_null());
}

/* ---- the documents ---- */

static tempo_status put_beside(json_t *decision, const family *f, size_t k, tempo_err *err)
{
    double *x = f->x + TEMPO_PRIMARIES * f->s->n;
    tempo_status st = put_other_measures(decision, f, k, err);

    if (st == TEMPO_OK && k == A2)
        st = put_largest_layer(decision, f, err);
    if (st == TEMPO_OK && k == C) {
        const size_t n = tempo_slice_values(f->s, "values", "first_slot_mass", x);
        json_object_set_new(decision, "first_slot_mass", tempo_json_number(tempo_stats_mean(x, n)));
        st = put_control(decision, f, err);
    }
    if (k == D2)
        put_position(decision, f);
    return st;
}

static tempo_status put_decision(json_t *list, const family *f, size_t k, tempo_err *err)
{
    const tempo_hypothesis *h = tempo_hypotheses_find(f->s->hypotheses, tempo_primaries[k]);
    json_t *out = tempo_decision_json(&f->d[k]);

    if (out == NULL)
        return no_memory(err);
    json_object_set_new(out, "id", json_string(h->id));
    json_object_set_new(out, "title", json_string(h->title));
    json_object_set_new(out, "metric", json_string(h->metric));
    json_object_set_new(out, "unit", h->unit != NULL ? json_string(h->unit) : json_null());
    json_object_set_new(out, "registered_bound", tempo_json_number(h->bound));
    json_object_set_new(out, "left_out", json_integer((json_int_t)(f->s->n - f->e[k].n)));
    json_array_append_new(list, out);
    return put_beside(out, f, k, err);
}

/* One line of "verdicts", which the registry keeps. */
static json_t *verdict_json(const tempo_slice *s, const tempo_decision *d)
{
    const bool different = d->verdict == TEMPO_VERDICT_DIFFERENT;
    const tempo_interval ci = different ? d->ci95 : d->ci90;
    const char *kind = s->confirmatory ? "confirmatory" : "exploratory";

    return json_pack("{s:s, s:I, s:o, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:[o, o]}", "id", d->name, "model",
                     (json_int_t)s->model, "threshold", tempo_json_number(s->threshold), "family", kind,
                     "kind", kind, "verdict", tempo_verdict_name(d->verdict), "n", (json_int_t)d->n, "mean",
                     tempo_json_number(d->mean), "bound", tempo_json_number(d->bound), "p_adjusted",
                     tempo_json_number(different ? d->p_different_holm : d->p_equivalent_holm), "interval",
                     tempo_json_number(ci.lo), tempo_json_number(ci.hi));
}

tempo_status tempo_report_decide(json_t *out, json_t *verdicts, const tempo_slice *s, const json_t *floor,
                                 tempo_err *err)
{
    json_t *list = json_array();
    family f;
    tempo_status st = begin(&f, s, floor, err);

    for (size_t k = 0; k < TEMPO_PRIMARIES && st == TEMPO_OK; k++) {
        st = put_decision(list, &f, k, err);
        json_array_append_new(verdicts, verdict_json(s, &f.d[k]));
    }
    json_object_set_new(out, "decisions", list);
    free(f.x);
    return st;
}
