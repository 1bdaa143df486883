/* maps.c - see maps.h */
#include "analyze/maps.h"

#include <math.h>
#include <stdlib.h>

#include "analyze/parts.h"

enum { N_RANKED = 20 };

tempo_status tempo_maps_create(tempo_maps *m, size_t n_layers, size_t n_heads, tempo_err *err)
{
    const size_t n = n_layers * n_heads; /* an array of that many rows is in memory */

    *m = (tempo_maps){.n_layers = n_layers, .n_heads = n_heads};
    if ((m->v[0] = calloc(n * TEMPO_N_MAPS, sizeof(double))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu layers of %zu heads",
                          n_layers, n_heads);
    for (size_t i = 1; i < TEMPO_N_MAPS; i++)
        m->v[i] = m->v[0] + i * n;
    return TEMPO_OK;
}

void tempo_maps_free(tempo_maps *m)
{
    free(m->v[0]);
    *m = (tempo_maps){0};
}

/* A NaN comes in and stays. */
static double greater(double max, double x)
{
    return isnan(max) || x <= max ? max : x;
}

void tempo_maps_add(tempo_maps *m, const tempo_maps *more)
{
    for (size_t k = 0; k < TEMPO_N_MAPS; k++) {
        m->n[k] += more->n[k];
        for (size_t i = 0; i < m->n_layers * m->n_heads; i++)
            m->v[k][i] = k == TEMPO_MAP_MAX ? greater(m->v[k][i], more->v[k][i]) : m->v[k][i] + more->v[k][i];
    }
    m->uniform += more->uniform;
}

void tempo_maps_finish(tempo_maps *m)
{
    for (size_t k = 0; k < TEMPO_N_MAPS; k++)
        for (size_t i = 0; i < m->n_layers * m->n_heads; i++)
            if (m->n[k] == 0)
                m->v[k][i] = (double)NAN; /* nothing was measured, which is not 0 */
            else if (k != TEMPO_MAP_MAX)
                m->v[k][i] /= (double)m->n[k];
    m->uniform = m->n[TEMPO_MAP_MASS] != 0 ? m->uniform / (double)m->n[TEMPO_MAP_MASS] : (double)NAN;
}

double tempo_maps_layer(const tempo_maps *m, enum tempo_map_name which, size_t layer)
{
    const double *v = m->v[which] + layer * m->n_heads;
    double x = which == TEMPO_MAP_MAX ? v[0] : 0;

    for (size_t h = 0; h < m->n_heads; h++)
        x = which == TEMPO_MAP_MAX ? greater(x, v[h]) : x + v[h] / (double)m->n_heads;
    return x;
}

double tempo_maps_mean(const tempo_maps *m, enum tempo_map_name which)
{
    double x = which == TEMPO_MAP_MAX ? tempo_maps_layer(m, which, 0) : 0;

    for (size_t l = 0; l < m->n_layers; l++) {
        const double layer = tempo_maps_layer(m, which, l);
        x = which == TEMPO_MAP_MAX ? greater(x, layer) : x + layer / (double)m->n_layers;
    }
    return x;
}

/* ---- measuring ---- */

bool tempo_step_sight(const tempo_step_attention *a, size_t row, tempo_sight *out)
{
    size_t begin = SIZE_MAX, last = 0, sum = 0;

    if (a->query_slots == NULL)
        return false;
    for (size_t i = 0; i < a->n_rows; i++) {
        const size_t slot = (size_t)a->query_slots[i];
        begin = slot < begin ? slot : begin;
        last = slot > last ? slot : last;
        for (size_t k = 0; k < i; k++)
            sum += a->query_slots[k] == a->query_slots[i];
    }
    if (last - begin + 1 != a->n_rows || sum != 0)
        return false;
    *out = (tempo_sight){begin, (size_t)a->query_slots[row], begin, last + 1};
    return true;
}

void tempo_maps_add_siblings(tempo_maps *m, const tempo_step_attention *a)
{
    tempo_sight s;

    if (a->n_rows < 2 || !tempo_step_sight(a, 0, &s))
        return;
    const bool nearest = a->n_rows <= s.n_prev;
    for (size_t r = 0; r < a->n_rows; r++) {
        s.own = (size_t)a->query_slots[r];
        for (size_t i = 0; i < m->n_layers * m->n_heads; i++) {
            const float *row = tempo_step_row(a, i / m->n_heads, i % m->n_heads, r);
            m->v[TEMPO_MAP_MASS][i] += tempo_sibling_mass(row, &s);
            m->v[TEMPO_MAP_SHARE][i] += tempo_sibling_share(row, &s);
            if (nearest)
                m->v[TEMPO_MAP_NEAREST][i] += tempo_nearest_share(row, &s);
        }
        m->uniform += tempo_uniform_share(&s);
    }
    m->n[TEMPO_MAP_MASS] += a->n_rows;
    m->n[TEMPO_MAP_SHARE] += a->n_rows;
    m->n[TEMPO_MAP_NEAREST] += nearest ? a->n_rows : 0;
}

static void differ_as_they_are(const float *a, const float *b, size_t n, double *l1, double *max)
{
    *l1 = *max = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        *l1 += d;
        *max = greater(*max, d);
    }
}

void tempo_maps_add_difference(tempo_maps *m, const tempo_step_attention *a, const tempo_step_attention *b,
                               bool renormalised)
{
    tempo_sight s = {0};
    const bool sees = renormalised && tempo_step_sight(a, 0, &s);

    for (size_t r = 0; r < a->n_rows; r++) {
        s.own = sees ? (size_t)a->query_slots[r] : 0;
        for (size_t i = 0; i < m->n_layers * m->n_heads; i++) {
            const float *x = tempo_step_row(a, i / m->n_heads, i % m->n_heads, r);
            const float *y = tempo_step_row(b, i / m->n_heads, i % m->n_heads, r);
            double l1, max;
            if (sees) {
                l1 = tempo_attention_l1(x, y, &s);
                max = tempo_attention_max_diff(x, y, &s);
            } else {
                differ_as_they_are(x, y, a->n_slots, &l1, &max);
            }
            m->v[TEMPO_MAP_JS][i] += sees ? tempo_attention_js(x, y, &s) : tempo_row_js(x, y, a->n_slots);
            m->v[TEMPO_MAP_L1][i] += l1;
            m->v[TEMPO_MAP_MAX][i] = greater(m->v[TEMPO_MAP_MAX][i], max);
        }
    }
    for (size_t k = TEMPO_MAP_JS; k <= TEMPO_MAP_MAX; k++)
        m->n[k] += a->n_rows;
}

double tempo_step_sum_error(const tempo_step_attention *a)
{
    double max = 0;

    for (size_t i = 0; i < a->n_layers * a->n_heads * a->n_rows; i++) {
        tempo_sum sum = {0};
        for (size_t k = 0; k < a->n_slots; k++)
            tempo_sum_add(&sum, (double)a->weights[i * a->n_slots + k]);
        max = greater(max, fabs(tempo_sum_value(&sum) - 1));
    }
    return max;
}

/* ---- reporting ---- */

static json_t *layers_of(const tempo_maps *m, enum tempo_map_name which)
{
    json_t *out = json_array();

    for (size_t l = 0; l < m->n_layers; l++)
        (void)json_array_append_new(out, tempo_analyze_number(tempo_maps_layer(m, which, l)));
    return out;
}

/* Heads in descending share of siblings. */
static json_t *ranked_heads(const tempo_maps *m)
{
    int32_t ids[N_RANKED];
    const size_t n = tempo_top_k(m->v[TEMPO_MAP_SHARE], m->n_layers * m->n_heads, N_RANKED, ids);
    json_t *out = json_array();

    for (size_t i = 0; i < n; i++) {
        const size_t at = (size_t)ids[i];
        (void)json_array_append_new(out, json_pack("{s:I, s:I, s:o, s:o}", "layer",
                                                   (json_int_t)(at / m->n_heads + m->first_layer), "head",
                                                   (json_int_t)(at % m->n_heads + m->first_head), "share",
                                                   tempo_analyze_number(m->v[TEMPO_MAP_SHARE][at]), "mass",
                                                   tempo_analyze_number(m->v[TEMPO_MAP_MASS][at])));
    }
    return out;
}

static json_t *report_siblings(const tempo_maps *m)
{
    if (m->n[TEMPO_MAP_MASS] == 0)
        return json_null();
    return json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rows", (json_int_t)m->n[TEMPO_MAP_MASS],
        "mass", tempo_analyze_number(tempo_maps_mean(m, TEMPO_MAP_MASS)), "share",
        tempo_analyze_number(tempo_maps_mean(m, TEMPO_MAP_SHARE)), "nearest_share",
        tempo_analyze_number(tempo_maps_mean(m, TEMPO_MAP_NEAREST)), "uniform_share",
        tempo_analyze_number(m->uniform), "layer_mass", layers_of(m, TEMPO_MAP_MASS), "layer_share",
        layers_of(m, TEMPO_MAP_SHARE), "mass_map",
        tempo_json_matrix(m->v[TEMPO_MAP_MASS], m->n_layers, m->n_heads), "share_map",
        tempo_json_matrix(m->v[TEMPO_MAP_SHARE], m->n_layers, m->n_heads), "heads", ranked_heads(m));
}

tempo_status tempo_maps_report(const tempo_maps *m, json_t *report, bool with_difference, tempo_err *err)
{
    int failed = json_object_set_new(report, "siblings", report_siblings(m));

    if (with_difference)
        failed |= json_object_set_new(
            report, "difference",
            json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rows", (json_int_t)m->n[TEMPO_MAP_JS],
                      "js", tempo_analyze_number(tempo_maps_mean(m, TEMPO_MAP_JS)), "l1",
                      tempo_analyze_number(tempo_maps_mean(m, TEMPO_MAP_L1)), "max",
                      tempo_analyze_number(tempo_maps_mean(m, TEMPO_MAP_MAX)), "layer_js",
                      layers_of(m, TEMPO_MAP_JS), "layer_l1", layers_of(m, TEMPO_MAP_L1), "layer_max",
                      layers_of(m, TEMPO_MAP_MAX), "js_map",
                      tempo_json_matrix(m->v[TEMPO_MAP_JS], m->n_layers, m->n_heads)));
    return failed == 0 ? TEMPO_OK : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a report");
}
