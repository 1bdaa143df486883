/* verdict.c - the decision rule of verdict.h. */
#include "study/verdict.h"

#include <math.h>
#include <stdlib.h>

static const char *const verdict_names[] = {"identical", "equivalent", "different", "inconclusive",
                                            "no data"};

const char *tempo_verdict_name(tempo_verdict v)
{
    return (size_t)v < sizeof(verdict_names) / sizeof(verdict_names[0]) ? verdict_names[v] : "unknown";
}

static const tempo_interval no_interval = {NAN, NAN};

static tempo_decision nothing_known(const tempo_endpoint *e, const tempo_decide_options *o, size_t family)
{
    return (tempo_decision){
        .name = e->name,
        .kind = e->kind,
        .verdict = TEMPO_VERDICT_NO_DATA,
        .bound = fmax(e->bound, e->floor),
        .from_floor = e->floor > e->bound,
        .n = e->n,
        .mean = NAN,
        .sd = NAN,
        .median = NAN,
        .ratio = NAN,
        .effect = {NAN, NAN, no_interval, no_interval},
        .ci90 = no_interval,
        .ci95 = no_interval,
        .bca95 = no_interval,
        .p_equivalent = NAN,
        .p_different = NAN,
        .p_equivalent_holm = NAN,
        .p_different_holm = NAN,
        .mde = NAN,
        .margin = NAN,
        .alpha = o->alpha,
        .power = o->power,
        .family = family,
    };
}

static tempo_status check_options(const tempo_decide_options *o, tempo_err *err)
{
    if (!(o->alpha > 0 && o->alpha < 0.5) || !(o->power > 0 && o->power < 1) || o->permutations == 0 ||
        (o->resamples > 0 && o->resamples < 100))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "a decision needs alpha in (0, 0.5), power in (0, 1), permutations, and no or at "
                          "least 100 resamples");
    return TEMPO_OK;
}

static tempo_status check_endpoint(const tempo_endpoint *e, tempo_err *err)
{
    if (!(e->bound > 0 && isfinite(e->bound) && e->floor >= 0 && isfinite(e->floor)))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the bound or the noise floor is not valid");
    for (size_t i = 0; i < e->n; i++)
        if (!isfinite(e->x[i]) || (e->kind == TEMPO_ENDPOINT_MAGNITUDE && e->x[i] < 0))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the value of prompt %zu is %s", i,
                              isfinite(e->x[i]) ? "negative" : "not finite");
    return TEMPO_OK;
}

/* Mean, spread, effect and intervals: none of them decides. */
static tempo_status describe(const tempo_endpoint *e, const tempo_decide_options *o, uint64_t seed,
                             tempo_decision *d, tempo_err *err)
{
    tempo_summary s;
    tempo_boot boot;
    tempo_status st;

    if (e->n == 0)
        return TEMPO_OK;
    if ((st = tempo_stats_describe(e->x, e->n, &s, err)) != TEMPO_OK)
        return st;
    d->mean = s.mean;
    d->sd = s.sd;
    d->median = s.median;
    d->ratio = fabs(s.mean) / d->bound;
    if (e->n < 2)
        return TEMPO_OK;
    if ((st = tempo_effect_size(e->x, e->n, e->kind == TEMPO_ENDPOINT_MAGNITUDE ? d->bound : 0, 1 - o->alpha,
                                &d->effect, err)) != TEMPO_OK ||
        (st = tempo_interval_mean(e->x, e->n, 1 - 2 * o->alpha, &d->ci90, err)) != TEMPO_OK ||
        (st = tempo_interval_mean(e->x, e->n, 1 - o->alpha, &d->ci95, err)) != TEMPO_OK)
        return st;
    if (o->resamples == 0)
        return TEMPO_OK;
    if ((st = tempo_boot_mean(e->x, e->n, 1 - o->alpha, o->resamples, seed + 1, &boot, err)) == TEMPO_OK)
        d->bca95 = (tempo_interval){boot.lo, boot.hi};
    return st;
}

static tempo_status describe_power(const tempo_endpoint *e, const tempo_decide_options *o, uint64_t seed,
                                   tempo_decision *d, tempo_err *err)
{
    const double alpha = o->alpha / (double)d->family;
    tempo_bound_power power;
    tempo_status st;

    if (e->kind == TEMPO_ENDPOINT_SIGNED)
        d->mde = tempo_minimal_effect(e->n, d->sd, alpha, o->power, true);
    if (o->resamples == 0)
        return TEMPO_OK;
    if ((st = tempo_power_bound(e->x, e->n, 0, alpha, o->power, o->resamples, seed + 2, &power, err)) !=
        TEMPO_OK)
        return st;
    if (e->kind == TEMPO_ENDPOINT_MAGNITUDE)
        d->mde = power.minimal_above;
    d->margin = e->kind == TEMPO_ENDPOINT_MAGNITUDE ? power.minimal_below
                                                    : fmax(power.minimal_below, power.minimal_above);
    return TEMPO_OK;
}

static tempo_status test_endpoint(const tempo_endpoint *e, const tempo_decide_options *o, uint64_t seed,
                                  tempo_decision *d, tempo_err *err)
{
    tempo_bound_test bound;
    tempo_tost within;
    tempo_sign_flip flip;
    tempo_status st;

    if (e->kind == TEMPO_ENDPOINT_MAGNITUDE) {
        if ((st = tempo_test_bound(e->x, e->n, d->bound, &bound, err)) != TEMPO_OK)
            return st;
        d->p_equivalent = bound.p_below;
        d->p_different = bound.p_above;
        d->method_equivalent = "Hall's skewness-corrected t, mean below the bound";
        d->method_different = "Hall's skewness-corrected t, mean above the bound";
        return TEMPO_OK;
    }
    if ((st = tempo_test_within(e->x, e->n, d->bound, &within, err)) != TEMPO_OK ||
        (st = tempo_test_sign_flip(e->x, e->n, o->permutations, seed, &flip, err)) != TEMPO_OK)
        return st;
    d->p_equivalent = within.p;
    d->p_different = flip.p;
    d->method_equivalent = "two one-sided Hall's skewness-corrected t, mean within the bound";
    d->method_different =
        flip.exact ? "exact sign-flip permutation, two-sided" : "random sign-flip permutation, two-sided";
    return TEMPO_OK;
}

/* Everything of one endpoint that the rest of the family does not touch. */
static tempo_status look_at(const tempo_endpoint *e, const tempo_decide_options *o, uint64_t seed,
                            tempo_decision *d, tempo_err *err)
{
    tempo_status st;

    if ((st = check_endpoint(e, err)) != TEMPO_OK || (st = describe(e, o, seed, d, err)) != TEMPO_OK)
        return st;
    if (e->identical) {
        d->p_equivalent = 0;
        d->p_different = 1;
        d->method_equivalent = "bitwise equality";
        return TEMPO_OK;
    }
    if (e->n < 2) {
        d->p_equivalent = d->p_different = 1;
        return TEMPO_OK;
    }
    if ((st = test_endpoint(e, o, seed, d, err)) != TEMPO_OK)
        return st;
    return describe_power(e, o, seed, d, err);
}

static tempo_verdict verdict_of(const tempo_endpoint *e, const tempo_decision *d)
{
    if (e->identical)
        return TEMPO_VERDICT_IDENTICAL;
    if (e->n < 2)
        return TEMPO_VERDICT_NO_DATA;
    if (d->p_equivalent_holm < d->alpha)
        return TEMPO_VERDICT_EQUIVALENT;
    return d->p_different_holm < d->alpha ? TEMPO_VERDICT_DIFFERENT : TEMPO_VERDICT_INCONCLUSIVE;
}

tempo_status tempo_decide(const tempo_endpoint *endpoints, size_t n, const tempo_decide_options *options,
                          tempo_decision *out, tempo_err *err)
{
    double *p = calloc(2 * n + 1, sizeof(*p));
    tempo_status st = check_options(options, err);

    for (size_t i = 0; i < n; i++)
        out[i] = nothing_known(&endpoints[i], options, n);
    if (p == NULL && st == TEMPO_OK)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu endpoints", n);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        if ((st = look_at(&endpoints[i], options, options->seed + 4 * (uint64_t)i, &out[i], err)) !=
            TEMPO_OK) {
            tempo_err_prefix(err, "endpoint %s", endpoints[i].name);
        } else {
            p[i] = out[i].p_equivalent;
            p[n + i] = out[i].p_different;
        }
    }
    if (st == TEMPO_OK)
        st = tempo_adjust_holm(p, n, p, err);
    if (st == TEMPO_OK)
        st = tempo_adjust_holm(p + n, n, p + n, err);
    for (size_t i = 0; i < n; i++) {
        if (st == TEMPO_OK) {
            out[i].p_equivalent_holm = p[i];
            out[i].p_different_holm = p[n + i];
            out[i].verdict = verdict_of(&endpoints[i], &out[i]);
        } else {
            out[i] = nothing_known(&endpoints[i], options, n);
        }
    }
    free(p);
    return st;
}
