/* verdict.c - the decision rule of verdict.h. */
#include "stats/verdict.h"

#include <math.h>
#include <stdlib.h>

static const char *const verdict_names[] = {"identical",    "equivalent",      "different",
                                            "inconclusive", "too few prompts", "no data"};

/* Values within this part of the bound have no say in a mean of the bound's size: they count as zeros. */
static const double next_to_zero = 0.01;

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
    if (!(o->alpha > 0 && o->alpha < 0.5) || !(o->power > 0 && o->power < 1) ||
        (o->resamples > 0 && o->resamples < 100))
        return tempo_fail(
            err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
            "a decision needs alpha in (0, 0.5), power in (0, 1), and no or at least 100 resamples");
    return TEMPO_OK;
}

static tempo_status check_endpoint(const tempo_endpoint *e, tempo_err *err)
{
    if (!(e->bound > 0 && isfinite(e->bound) && e->floor >= 0 && isfinite(e->floor)))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the bound or the noise floor is not valid");
    if (!(e->limit > 0))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the limit of the values is not above 0");
    for (size_t i = 0; i < e->n; i++)
        if (!isfinite(e->x[i]) || fabs(e->x[i]) > e->limit ||
            (e->kind == TEMPO_ENDPOINT_MAGNITUDE && e->x[i] < 0))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the value of prompt %zu is %s", i,
                              !isfinite(e->x[i])         ? "not finite"
                              : fabs(e->x[i]) > e->limit ? "beyond its limit"
                                                         : "negative");
    return TEMPO_OK;
}

/* ---- what the values are ---- */

static size_t count_values(const tempo_endpoint *e, double bound)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++)
        n += fabs(e->x[i]) > next_to_zero * bound;
    return n;
}

/* Mean, spread and effect: none of them decides. */
static tempo_status describe(const tempo_endpoint *e, const tempo_decide_options *o, tempo_decision *d,
                             tempo_err *err)
{
    tempo_summary s;
    tempo_status st;

    if (e->n == 0)
        return TEMPO_OK;
    if ((st = tempo_stats_describe(e->x, e->n, &s, err)) != TEMPO_OK)
        return st;
    d->mean = s.mean;
    d->sd = s.sd;
    d->median = s.median;
    d->ratio = fabs(s.mean) / d->bound;
    d->counted = count_values(e, d->bound);
    d->limited = e->n < TEMPO_MIN_PROMPTS || d->counted < TEMPO_MIN_COUNTED || s.min == s.max;
    return e->n < 2 || o->resamples == 0
               ? TEMPO_OK
               : tempo_effect_size(e->x, e->n, e->kind == TEMPO_ENDPOINT_MAGNITUDE ? d->bound : 0,
                                   1 - o->alpha, &d->effect, err);
}

/* ---- enough values: the tests of a mean ---- */

static tempo_status test_mean(const tempo_endpoint *e, tempo_decision *d, tempo_err *err)
{
    tempo_bound_test bound;
    tempo_tost within;
    tempo_status st;

    if (e->kind == TEMPO_ENDPOINT_MAGNITUDE) {
        if ((st = tempo_test_bound(e->x, e->n, d->bound, &bound, err)) != TEMPO_OK)
            return st;
        d->p_equivalent = bound.p_below;
        d->p_different = bound.p_above;
        d->method_equivalent = "Student's and Hall's t, the larger p, mean below the bound";
        d->method_different = "Student's and Hall's t, the larger p, mean above the bound";
        return TEMPO_OK;
    }
    if ((st = tempo_test_within(e->x, e->n, d->bound, &within, err)) != TEMPO_OK)
        return st;
    d->p_equivalent = within.p;
    d->method_equivalent = "Student's and Hall's t, the larger p, two one-sided, mean within the bound";
    return TEMPO_OK;
}

static tempo_status intervals_of_mean(const tempo_endpoint *e, const tempo_decide_options *o, uint64_t seed,
                                      tempo_decision *d, tempo_err *err)
{
    tempo_boot boot;
    tempo_status st;

    if ((st = tempo_interval_mean(e->x, e->n, 1 - 2 * o->alpha, &d->ci90, err)) != TEMPO_OK ||
        (st = tempo_interval_mean(e->x, e->n, 1 - o->alpha, &d->ci95, err)) != TEMPO_OK || o->resamples == 0)
        return st;
    if ((st = tempo_boot_mean(e->x, e->n, 1 - o->alpha, o->resamples, seed, &boot, err)) == TEMPO_OK)
        d->bca95 = (tempo_interval){boot.lo, boot.hi};
    return st;
}

/* mde and margin of a magnitude, and the margin of a contrast.  A contrast is moved; a magnitude, which
 * cannot be negative and is spread the wider the larger it is, is multiplied.  */
static tempo_status power_of_mean(const tempo_endpoint *e, const tempo_decide_options *o, uint64_t seed,
                                  tempo_decision *d, tempo_err *err)
{
    const double alpha = o->alpha / (double)d->family;
    tempo_bound_power power;
    tempo_status st;

    if (o->resamples == 0)
        return TEMPO_OK;
    if ((st = tempo_power_bound(e->x, e->n, 0, alpha, o->power, o->resamples, seed, &power, err)) != TEMPO_OK)
        return st;
    if (e->kind == TEMPO_ENDPOINT_SIGNED) {
        d->margin = fmax(power.minimal_below, power.minimal_above);
        return TEMPO_OK;
    }
    const double low = d->mean - power.minimal_above, high = d->mean + power.minimal_below;
    d->mde = low > 0 ? d->bound * (d->mean / low - 1) : INFINITY;
    d->margin = d->bound * (1 - d->mean / high);
    return TEMPO_OK;
}

/* Is a contrast's mean 0?  With its mde: a change of the values that are not 0 changes the mean of all by
 * their share. Untested with fewer of them than such a test needs.  */
static tempo_status test_contrast(const tempo_endpoint *e, const tempo_decide_options *o, uint64_t seed,
                                  tempo_decision *d, tempo_err *err)
{
    double *v = calloc(e->n + 1, sizeof(*v));
    tempo_bound_power power;
    tempo_zero_test zero;
    size_t k = 0;
    tempo_status st = v != NULL
                          ? tempo_test_zero(e->x, e->n, &zero, err)
                          : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu values", e->n);

    for (size_t i = 0; i < e->n && st == TEMPO_OK; i++)
        if (e->x[i] != 0)
            v[k++] = e->x[i];
    if (st == TEMPO_OK && k >= TEMPO_MIN_PROMPTS) {
        d->p_different = zero.p;
        d->method_different = "Student's and Hall's t, the larger p, two-sided, mean is not 0";
        if (o->resamples > 0 && (st = tempo_power_bound(v, k, 0, o->alpha / (double)d->family / 2, o->power,
                                                        o->resamples, seed, &power, err)) == TEMPO_OK)
            d->mde = fmax(power.minimal_above, power.minimal_below) * (double)k / (double)e->n;
    } else if (st == TEMPO_OK) {
        d->p_different = 1;
    }
    free(v);
    return st;
}

/* ---- few values: tests that assume nothing but their limits ---- */

static tempo_status test_limited(const tempo_endpoint *e, const tempo_decide_options *o, tempo_decision *d,
                                 tempo_err *err)
{
    const bool magnitude = e->kind == TEMPO_ENDPOINT_MAGNITUDE;
    const double lo = magnitude ? 0 : -e->limit, hi = e->limit;
    tempo_limited_test upper, lower, zero;
    tempo_status st;

    d->p_equivalent = d->p_different = 1;
    if (!(d->bound < e->limit) || (isinf(e->limit) && !magnitude))
        return TEMPO_OK;
    if ((st = tempo_test_limited(e->x, e->n, lo, hi, d->bound, &upper, err)) != TEMPO_OK ||
        (st = tempo_interval_limited(e->x, e->n, lo, hi, 1 - 2 * o->alpha, &d->ci90, err)) != TEMPO_OK ||
        (st = tempo_interval_limited(e->x, e->n, lo, hi, 1 - o->alpha, &d->ci95, err)) != TEMPO_OK)
        return st;
    d->method_equivalent = d->method_different = "Kaplan's product test of values with limits";
    if (magnitude) {
        d->p_equivalent = upper.p_below;
        d->p_different = upper.p_above;
        return TEMPO_OK;
    }
    if ((st = tempo_test_limited(e->x, e->n, lo, hi, -d->bound, &lower, err)) != TEMPO_OK ||
        (st = tempo_test_limited(e->x, e->n, lo, hi, 0, &zero, err)) != TEMPO_OK)
        return st;
    d->p_equivalent = fmax(upper.p_below, lower.p_above);
    d->p_different = fmin(1, 2 * fmin(zero.p_below, zero.p_above));
    return TEMPO_OK;
}

/* How many values like these make a product test's p, which falls by equal factors, reach `target`; 0: none
 * do. */
static double enough_for(double p, double target, size_t n)
{
    return p > 0 && p < 1 ? ceil((double)n * log(target) / log(p)) : 0;
}

static size_t prompts_needed(const tempo_endpoint *e, const tempo_decision *d)
{
    const double target = d->alpha / (double)d->family, n = (double)e->n;
    double least = INFINITY;

    if (d->counted > 0 && d->sd > 0)
        least = fmax(TEMPO_MIN_PROMPTS, ceil(n * TEMPO_MIN_COUNTED / (double)d->counted));
    const double ways[] = {enough_for(d->p_equivalent, target, e->n),
                           enough_for(d->p_different, target, e->n)};
    for (size_t i = 0; i < 2; i++)
        if (ways[i] > 0)
            least = fmin(least, ways[i]);
    return least < 1e15 ? (size_t)fmax(least, n + 1) : 0;
}

/* ---- the family ---- */

/* Everything of one endpoint that the rest of the family does not touch. */
static tempo_status look_at(const tempo_endpoint *e, const tempo_decide_options *o, uint64_t seed,
                            tempo_decision *d, tempo_err *err)
{
    tempo_status st;

    if ((st = check_endpoint(e, err)) != TEMPO_OK || (st = describe(e, o, d, err)) != TEMPO_OK)
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
    if (d->limited)
        return test_limited(e, o, d, err);
    if ((st = test_mean(e, d, err)) != TEMPO_OK || (st = intervals_of_mean(e, o, seed, d, err)) != TEMPO_OK ||
        (st = power_of_mean(e, o, seed + 1, d, err)) != TEMPO_OK)
        return st;
    return e->kind == TEMPO_ENDPOINT_SIGNED ? test_contrast(e, o, seed + 1, d, err) : TEMPO_OK;
}

static tempo_verdict verdict_of(const tempo_endpoint *e, const tempo_decision *d)
{
    if (e->identical)
        return TEMPO_VERDICT_IDENTICAL;
    if (e->n < 2)
        return TEMPO_VERDICT_NO_DATA;
    if (d->p_equivalent_holm < d->alpha)
        return TEMPO_VERDICT_EQUIVALENT;
    if (d->p_different_holm < d->alpha)
        return TEMPO_VERDICT_DIFFERENT;
    return d->limited ? TEMPO_VERDICT_TOO_FEW : TEMPO_VERDICT_INCONCLUSIVE;
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
        if ((st = look_at(&endpoints[i], options, options->seed + 2 * (uint64_t)i, &out[i], err)) !=
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
            if (out[i].verdict == TEMPO_VERDICT_TOO_FEW)
                out[i].needed = prompts_needed(&endpoints[i], &out[i]);
        } else {
            out[i] = nothing_known(&endpoints[i], options, n);
        }
    }
    free(p);
    return st;
}
