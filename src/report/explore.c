/* explore.c - what is looked at beside the confirmatory family, and labelled so. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/json_out.h"
#include "report/report.h"
#include "study/floor.h"
#include "study/metric/metric.h"
#include "stats/verdict.h"

enum { TOP_HEADS = 10, TOP_SHIFTS = 10 };

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the report");
}

/* ---- signed contrasts: one number a prompt ---- */

/* By the test of a mean, and beside it those of symmetry about 0, which reject skewed values of mean 0, too.
 */
static tempo_status contrast(json_t *list, const char *name, const double *x, size_t n,
                             const tempo_hypotheses *h, tempo_err *err)
{
    const tempo_decide_options o = {
        .alpha = h->alpha, .power = 0.8, .resamples = h->resamples, .seed = h->seeds.bootstrap};
    /* shares and distances of distributions differ by 1 at most; no bound is registered: only the mean's
     * distance from 0 is tested */
    const tempo_endpoint e = {
        .name = name, .kind = TEMPO_ENDPOINT_SIGNED, .x = x, .n = n, .limit = 1.0 + 1e-9, .bound = 0.01};
    tempo_sign_flip flip;
    tempo_wilcoxon wilcoxon;
    tempo_decision d;
    tempo_status st;

    if (n < 2) {
        json_object_set_new(list, name, json_pack("{s:I}", "n", (json_int_t)n));
        return TEMPO_OK;
    }
    if ((st = tempo_decide(&e, 1, &o, &d, err)) != TEMPO_OK ||
        (st = tempo_test_sign_flip(x, n, h->exact_to, h->permutations, h->seeds.permutation, &flip, err)) !=
            TEMPO_OK ||
        (st = tempo_test_wilcoxon(x, n, &wilcoxon, err)) != TEMPO_OK)
        return st;
    json_object_set_new(list, name,
                        json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)n, "mean",
                                  tempo_json_number(d.mean), "interval",
                                  tempo_json_interval(d.ci95.lo, d.ci95.hi), "p",
                                  tempo_json_number(d.method_different != NULL ? d.p_different : (double)NAN),
                                  "p_sign_flip", tempo_json_number(flip.p), "p_wilcoxon",
                                  tempo_json_number(wilcoxon.p), "dz", tempo_json_number(d.effect.dz),
                                  "dz_interval", tempo_json_interval(d.effect.dz_ci.lo, d.effect.dz_ci.hi),
                                  "minimal_detectable", tempo_json_number(d.mde)));
    return TEMPO_OK;
}

static tempo_status contrasts(json_t *out, const tempo_slice *s, double *x, tempo_err *err)
{
    static const char *const names[] = {"c_minus_uniform", "c_minus_nearest", "d_unique"};
    json_t *list = json_object();
    tempo_status st = TEMPO_OK;
    size_t n = 0;

    json_object_set_new(out, "contrasts", list);
    for (size_t i = 0; i < 3 && st == TEMPO_OK; i++)
        st = contrast(list, names[i], x, tempo_slice_values(s, "values", names[i], x), s->hypotheses, err);
    for (size_t i = 0; i < s->n; i++) {
        const double d = tempo_number_at(s->control[i], "share") - tempo_number_at(s->control[i], "control");
        if (isfinite(d))
            x[n++] = d;
    }
    return st == TEMPO_OK ? contrast(list, "c_minus_exchanged", x, n, s->hypotheses, err) : st;
}

/* ---- one number a step: means with a bootstrap over prompts ---- */

static tempo_status step_metric(json_t *list, const tempo_slice *s, const char *name, tempo_err *err)
{
    size_t cap = 0, n = 0, clusters = 0;
    tempo_boot boot;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < s->n; i++)
        cap += json_array_size(json_object_get(s->unit[i], "steps"));
    double *x = calloc(cap + 1, sizeof(*x));
    size_t *sizes = calloc(s->n + 1, sizeof(*sizes));
    if (x == NULL || sizes == NULL)
        st = no_memory(err);
    for (size_t i = 0; i < s->n && st == TEMPO_OK; i++) {
        const json_t *steps = json_object_get(s->unit[i], "steps");
        for (size_t t = 0; t < json_array_size(steps); t++) {
            const double v = tempo_number_at(json_object_get(json_array_get(steps, t), "metrics"), name);
            if (isfinite(v)) {
                x[n++] = v;
                sizes[clusters]++;
            }
        }
        clusters += sizes[clusters] > 0;
    }
    if (st == TEMPO_OK && clusters >= 2 &&
        (st = tempo_boot_clusters(x, sizes, clusters, 0.95, s->hypotheses->resamples,
                                  s->hypotheses->seeds.bootstrap, &boot, err)) == TEMPO_OK) {
        if (clusters < TEMPO_MIN_PROMPTS) /* it would be too narrow */
            boot.lo = boot.hi = (double)NAN;
        json_object_set_new(list, name,
                            json_pack("{s:I, s:I, s:o, s:o}", "steps", (json_int_t)n, "prompts",
                                      (json_int_t)clusters, "mean", tempo_json_number(boot.estimate),
                                      "interval", tempo_json_interval(boot.lo, boot.hi)));
    }
    free(sizes);
    free(x);
    return st;
}

static tempo_status step_metrics(json_t *out, const tempo_slice *s, tempo_err *err)
{
    json_t *list = json_object();
    tempo_status st = TEMPO_OK;

    json_object_set_new(out, "step_metrics", list);
    for (size_t i = 0; i < TEMPO_METRICS && st == TEMPO_OK; i++)
        if (tempo_metrics[i].key != NULL)
            st = step_metric(list, s, tempo_metrics[i].key, err);
    return st;
}

/* Share of prompts none of whose sets would have been another in visible mode. */
static tempo_status unchanged(json_t *out, const tempo_slice *s, double *x, tempo_err *err)
{
    const size_t n = tempo_slice_values(s, "values", "set_changes", x);
    tempo_interval ci;
    size_t k = 0;
    tempo_status st;

    if (n == 0)
        return TEMPO_OK;
    for (size_t i = 0; i < n; i++)
        k += x[i] <= 0.0;
    if ((st = tempo_interval_share(k, n, 0.95, &ci, err)) == TEMPO_OK)
        json_object_set_new(out, "unchanged_prompts",
                            json_pack("{s:I, s:I, s:o}", "n", (json_int_t)n, "unchanged", (json_int_t)k,
                                      "interval", tempo_json_interval(ci.lo, ci.hi)));
    return st;
}

/* ---- layers and heads ---- */

/* Mean over prompts of an array of numbers, object.key of the units. */
static json_t *mean_array(const tempo_slice *s, const char *object, const char *key)
{
    json_t *out = json_array();
    size_t len = 0;

    for (size_t i = 0; i < s->n; i++)
        if (s->unit[i] != NULL && len == 0)
            len = json_array_size(json_object_get(json_object_get(s->unit[i], object), key));
    for (size_t l = 0; l < len; l++) {
        double sum = 0.0;
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++) {
            const json_t *v = json_array_get(json_object_get(json_object_get(s->unit[i], object), key), l);
            if (json_is_number(v)) {
                sum += json_number_value(v);
                n++;
            }
        }
        json_array_append_new(out, tempo_json_number(sum / (double)n));
    }
    return out;
}

typedef struct head_maps {
    size_t layers, heads, prompts;
    double *share;               /* [prompts][layers * heads] siblings' share minus the uniform one */
    double uniform;              /* mean over prompts */
    double *mean, *p, *adjusted; /* [layers * heads] */
} head_maps;

static bool fill_row(const tempo_slice *s, size_t i, head_maps *m)
{
    const json_t *heads = json_object_get(s->unit[i], "heads"),
                 *rows = json_object_get(heads, "sibling_share");
    const double uniform = tempo_number_at(heads, "uniform_share");
    double *to = m->share + m->prompts * m->layers * m->heads;

    if (!isfinite(uniform) || json_array_size(rows) != m->layers)
        return false;
    for (size_t l = 0; l < m->layers; l++)
        for (size_t h = 0; h < m->heads; h++) {
            const json_t *v = json_array_get(json_array_get(rows, l), h);
            if (!json_is_number(v))
                return false;
            to[l * m->heads + h] = json_number_value(v) - uniform;
        }
    m->uniform += uniform;
    m->prompts++;
    return true;
}

static json_t *map_json(const head_maps *m, const double *x, double add)
{
    json_t *rows = json_array();

    for (size_t l = 0; l < m->layers; l++) {
        json_t *row = json_array();
        for (size_t h = 0; h < m->heads; h++)
            json_array_append_new(row, tempo_json_number(x[l * m->heads + h] + add));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* The heads with the greatest share, by selection: few of a few hundred. */
static json_t *ranked(const head_maps *m)
{
    const size_t n = m->layers * m->heads;
    json_t *list = json_array();
    bool *taken = calloc(n + 1, sizeof(*taken));

    for (size_t k = 0; taken != NULL && k < TOP_HEADS && k < n; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (!taken[i] && (best == n || m->mean[i] > m->mean[best]))
                best = i;
        taken[best] = true;
        json_array_append_new(
            list, json_pack("{s:I, s:I, s:o, s:o, s:o}", "layer", (json_int_t)(best / m->heads), "head",
                            (json_int_t)(best % m->heads), "share",
                            tempo_json_number(m->mean[best] + m->uniform), "over_uniform",
                            tempo_json_number(m->mean[best]), "p_bh", tempo_json_number(m->adjusted[best])));
    }
    free(taken);
    return list;
}

static tempo_status heads(json_t *out, const tempo_slice *s, tempo_err *err)
{
    head_maps m = {0};
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < s->n && m.layers == 0; i++) {
        const json_t *rows = json_object_get(json_object_get(s->unit[i], "heads"), "sibling_share");
        m.layers = json_array_size(rows);
        m.heads = json_array_size(json_array_get(rows, 0));
    }
    const size_t n = m.layers * m.heads;
    m.share = calloc(s->n * n + 1, sizeof(double));
    m.mean = calloc(3 * n + 1, sizeof(double));
    if (m.share == NULL || m.mean == NULL)
        st = no_memory(err);
    m.p = m.mean + n;
    m.adjusted = m.p + n;
    for (size_t i = 0; i < s->n && st == TEMPO_OK; i++)
        (void)fill_row(s, i, &m); /* a prompt without a parallel set has none */
    if (st == TEMPO_OK && n > 0 && m.prompts >= 3 &&
        (st = tempo_stats_head_map(m.share, m.prompts, n, m.mean, m.p, m.adjusted, err)) == TEMPO_OK) {
        m.uniform /= (double)m.prompts;
        json_object_set_new(out, "heads",
                            json_pack("{s:I, s:o, s:o, s:o, s:o}", "prompts", (json_int_t)m.prompts,
                                      "uniform_share", tempo_json_number(m.uniform), "sibling_share",
                                      map_json(&m, m.mean, m.uniform), "p_bh", map_json(&m, m.adjusted, 0.0),
                                      "ranked", ranked(&m)));
    }
    free(m.mean);
    free(m.share);
    return st;
}

/* ---- knock-outs, strata, tokens ---- */

static json_t *knockouts(const tempo_slice *s)
{
    json_t *list = json_array();
    const json_t *first = NULL;

    for (size_t i = 0; i < s->n && first == NULL; i++)
        first = json_object_get(s->unit[i], "knockout");
    for (size_t b = 0; b < json_array_size(first); b++) {
        static const char *const keys[] = {"tv_to_isolated", "tv_to_visible"};
        json_t *band =
            json_pack("{s:O, s:O}", "first_layer", json_object_get(json_array_get(first, b), "first_layer"),
                      "last_layer", json_object_get(json_array_get(first, b), "last_layer"));
        for (size_t k = 0; k < 2; k++) {
            double sum = 0.0;
            size_t n = 0;
            for (size_t i = 0; i < s->n; i++) {
                const double v =
                    tempo_number_at(json_array_get(json_object_get(s->unit[i], "knockout"), b), keys[k]);
                if (isfinite(v)) {
                    sum += v;
                    n++;
                }
            }
            json_object_set_new(band, keys[k], tempo_json_number(sum / (double)n));
        }
        json_array_append_new(list, band);
    }
    return list;
}

static json_t *strata(const tempo_slice *s)
{
    json_t *list = json_array();

    for (size_t k = 0; k < s->prompts->n_strata; k++) {
        json_t *one = json_pack("{s:s}", "stratum", s->prompts->strata[k].name);
        size_t n = 0;
        for (size_t e = 0; e < TEMPO_PRIMARIES; e++) {
            double sum = 0.0;
            size_t m = 0;
            for (size_t i = 0; i < s->n; i++) {
                const double v = tempo_number_at(json_object_get(s->unit[i], "values"), tempo_primaries[e]);
                if (s->prompts->prompts[i].stratum_index == k && isfinite(v)) {
                    sum += v;
                    m++;
                }
            }
            json_object_set_new(one, tempo_primaries[e], tempo_json_number(sum / (double)m));
            n = m > n ? m : n;
        }
        json_object_set_new(one, "n", json_integer((json_int_t)n));
        json_array_append_new(list, one);
    }
    return list;
}

static double shift_of(const json_t *t)
{
    return fabs(tempo_number_at(t, "visible") - tempo_number_at(t, "isolated"));
}

/* The tokens whose probability differs most, of all steps of all prompts. */
static json_t *shifts(const tempo_slice *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->n; i++) {
        const json_t *steps = json_object_get(s->unit[i], "steps");
        for (size_t t = 0; t < json_array_size(steps); t++) {
            const json_t *step = json_array_get(steps, t),
                         *top = json_array_get(json_object_get(step, "shifts"), 0);
            size_t at = json_array_size(list);
            if (top == NULL)
                continue;
            while (at > 0 && shift_of(json_array_get(list, at - 1)) < shift_of(top))
                at--;
            if (at >= TOP_SHIFTS)
                continue;
            json_t *one = json_deep_copy(top);
            json_object_set_new(one, "prompt", json_string(s->prompts->prompts[i].id));
            json_object_set(one, "step", json_object_get(step, "step"));
            json_array_insert_new(list, at, one);
            if (json_array_size(list) > TOP_SHIFTS)
                json_array_remove(list, TOP_SHIFTS);
        }
    }
    return list;
}

tempo_status tempo_report_explore(json_t **out, const tempo_slice *s, tempo_err *err)
{
    double *x = calloc(s->n + 1, sizeof(*x));
    tempo_status st = TEMPO_OK;

    *out = json_object();
    if (x == NULL || *out == NULL)
        st = no_memory(err);
    if (st == TEMPO_OK && (st = contrasts(*out, s, x, err)) == TEMPO_OK &&
        (st = step_metrics(*out, s, err)) == TEMPO_OK && (st = unchanged(*out, s, x, err)) == TEMPO_OK)
        st = heads(*out, s, err);
    free(x);
    if (st != TEMPO_OK) {
        json_decref(*out);
        *out = NULL;
        return st;
    }
    json_object_set_new(*out, "layers",
                        json_pack("{s:o, s:o}", "attention_tv", mean_array(s, "layers", "attention_tv"),
                                  "attention_js", mean_array(s, "layers", "attention_js")));
    json_object_set_new(*out, "knockout", knockouts(s));
    json_object_set_new(*out, "strata", strata(s));
    json_object_set_new(*out, "shifts", shifts(s));
    return TEMPO_OK;
}
