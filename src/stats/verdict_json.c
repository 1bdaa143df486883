/* verdict_json.c - decisions and ratios as JSON. */
#include <math.h>

#include "io/json_file.h"
#include "stats/verdict.h"

/* The setters return -1 without memory; the caller adds them up. */
static int set_number(json_t *o, const char *key, double v)
{
    return json_object_set_new(o, key, tempo_json_number(v));
}

static int set_text(json_t *o, const char *key, const char *text)
{
    return json_object_set_new(o, key, text != NULL ? json_string(text) : json_null());
}

static int set_interval(json_t *o, const char *key, tempo_interval v)
{
    if (!isfinite(v.lo) || !isfinite(v.hi))
        return json_object_set_new(o, key, json_null());
    return json_object_set_new(o, key, json_pack("[oo]", tempo_json_number(v.lo), tempo_json_number(v.hi)));
}

static json_t *effect_json(const tempo_decision *d)
{
    json_t *o = json_object();
    int bad = set_text(o, "from", d->kind == TEMPO_ENDPOINT_MAGNITUDE ? "bound" : "zero");

    bad |= set_number(o, "dz", d->effect.dz);
    bad |= set_interval(o, "dz_ci", d->effect.dz_ci);
    bad |= set_number(o, "g", d->effect.g);
    bad |= set_interval(o, "g_ci", d->effect.g_ci);
    if (bad == 0)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *tests_json(const char *method, double p, double holm)
{
    json_t *o = json_object();

    if ((set_text(o, "method", method) | set_number(o, "p", p) | set_number(o, "p_holm", holm)) == 0)
        return o;
    json_decref(o);
    return NULL;
}

json_t *tempo_decision_json(const tempo_decision *d)
{
    json_t *o = json_object();
    int bad = set_text(o, "name", d->name);

    bad |= set_text(o, "kind", d->kind == TEMPO_ENDPOINT_MAGNITUDE ? "magnitude" : "signed");
    bad |= set_text(o, "verdict", tempo_verdict_name(d->verdict));
    bad |= set_number(o, "bound", d->bound);
    bad |= set_text(o, "bound_from", d->from_floor ? "noise floor" : "registered");
    bad |= json_object_set_new(o, "n", json_integer((json_int_t)d->n));
    bad |= json_object_set_new(o, "counted", json_integer((json_int_t)d->counted));
    bad |=
        json_object_set_new(o, "needed", d->needed > 0 ? json_integer((json_int_t)d->needed) : json_null());
    bad |= set_number(o, "mean", d->mean);
    bad |= set_number(o, "sd", d->sd);
    bad |= set_number(o, "median", d->median);
    bad |= set_number(o, "ratio_to_bound", d->ratio);
    bad |= json_object_set_new(o, "effect", effect_json(d));
    bad |= set_interval(o, "ci90", d->ci90);
    bad |= set_interval(o, "ci95", d->ci95);
    bad |= set_interval(o, "bca95", d->bca95);
    bad |= json_object_set_new(o, "equivalent",
                               tests_json(d->method_equivalent, d->p_equivalent, d->p_equivalent_holm));
    bad |= json_object_set_new(o, "different",
                               tests_json(d->method_different, d->p_different, d->p_different_holm));
    bad |= set_number(o, "mde", d->mde);
    bad |= set_number(o, "margin", d->margin);
    bad |= set_number(o, "different_from", d->kind == TEMPO_ENDPOINT_MAGNITUDE ? d->bound + d->mde : d->mde);
    bad |= set_number(o, "equivalent_up_to", d->margin <= d->bound ? d->bound - d->margin : (double)NAN);
    bad |= set_number(o, "alpha", d->alpha);
    bad |= set_number(o, "power", d->power);
    bad |= json_object_set_new(o, "family", json_integer((json_int_t)d->family));
    if (bad == 0)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *interval(double lo, double hi)
{
    return json_pack("[o, o]", tempo_json_number(lo), tempo_json_number(hi));
}

static double faster_percent(double ratio)
{
    return 100.0 * (1.0 - 1.0 / ratio);
}

void tempo_json_put_ratio(json_t *object, const char *key, const char *interval_key, const tempo_ratio *r)
{
    json_object_set_new(object, key, tempo_json_number(r->ratio));
    json_object_set_new(object, interval_key, interval(r->ci.lo, r->ci.hi));
    json_object_set_new(object, "visible_faster_percent", tempo_json_number(faster_percent(r->ratio)));
    json_object_set_new(object, "visible_faster_interval",
                        interval(faster_percent(r->ci.lo), faster_percent(r->ci.hi)));
}
