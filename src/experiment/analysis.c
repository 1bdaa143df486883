/* analysis.c - numbers of one step of an experiment. */
#include <math.h>

#include "study/compare.h"
#include "experiment/run.h"
#include "files/json_out.h"

static const tempo_model_info *info_of(const tempo_lane *l)
{
    return tempo_model_get_info(tempo_engine_model(tempo_decoder_engine(l->d)));
}

/* Single weights: of rows on siblings, and on what came before. */
typedef struct weights {
    double sum, squares, max, before;
    size_t n, n_before;
} weights;

static void add_row(weights *w, const float *row, const tempo_sight *s)
{
    for (size_t j = s->set_begin; j < s->set_end; j++) {
        const double a = row[j];
        if (j == s->own)
            continue;
        w->sum += a;
        w->squares += a * a;
        w->max = a > w->max ? a : w->max;
        w->n++;
    }
    for (size_t j = 0; j < s->n_prev; j++)
        w->before += row[j];
    w->n_before += s->n_prev;
}

static json_t *weights_json(const weights *w)
{
    const double n = (double)w->n, mean = w->sum / n, variance = w->squares / n - mean * mean;

    return json_pack("{s:o, s:o, s:o, s:o}", "mean", tempo_json_number(mean), "max",
                     tempo_json_number(w->max), "variance",
                     tempo_json_number(variance > 0.0 ? variance : 0.0), "prior_context_mean",
                     tempo_json_number(w->before / (double)w->n_before));
}

void tempo_case_add_mass(const tempo_lane *l, double *mass)
{
    const tempo_model_info *m = info_of(l);

    for (uint32_t layer = 0; layer < m->n_layers; layer++)
        for (size_t r = 0; r < l->rows; r++) {
            const tempo_sight s = tempo_lane_sight(l, r);
            for (uint32_t h = 0; h < m->n_heads; h++)
                mass[layer] +=
                    tempo_sibling_mass(tempo_lane_row(l, layer, r, h), &s) / (double)(l->rows * m->n_heads);
        }
}

json_t *tempo_case_siblings(const tempo_lane *l, size_t step)
{
    const tempo_model_info *m = info_of(l);
    json_t *layers = json_array();
    double mass = 0.0;
    weights all = {0};

    for (uint32_t layer = 0; layer < m->n_layers; layer++) {
        weights one = {0};
        double layer_mass = 0.0;
        for (size_t r = 0; r < l->rows; r++)
            for (uint32_t h = 0; h < m->n_heads; h++) {
                const tempo_sight s = tempo_lane_sight(l, r);
                const float *row = tempo_lane_row(l, layer, r, h);
                add_row(&one, row, &s);
                add_row(&all, row, &s);
                layer_mass += tempo_sibling_mass(row, &s) / (double)(l->rows * m->n_heads);
            }
        mass += layer_mass / (double)m->n_layers;
        json_t *entry = weights_json(&one);
        json_object_set_new(entry, "layer", json_integer((json_int_t)layer));
        json_object_set_new(entry, "sibling_mass", tempo_json_number(layer_mass));
        json_array_append_new(layers, entry);
    }
    json_t *out = weights_json(&all);
    json_object_set_new(out, "step", json_integer((json_int_t)step));
    json_object_set_new(out, "members", json_integer((json_int_t)l->rows));
    json_object_set_new(out, "sibling_mass", tempo_json_number(mass));
    json_object_set_new(out, "layers", layers);
    return out;
}

static json_t *overlap_json(const tempo_case *c, const double *p, const double *q, size_t n)
{
    json_t *overlap = json_object();

    for (size_t i = 0; i < c->e->n_top_k; i++) {
        char k[24];
        (void)snprintf(k, sizeof(k), "%zu", c->e->top_k[i]);
        json_object_set_new(overlap, k, tempo_json_number(tempo_top_k_overlap(p, q, n, c->e->top_k[i])));
    }
    return overlap;
}

/* How far attention differs, where both have read the same parallel set and kept it. */
static void put_attention(json_t *step, const tempo_lane *a, const tempo_lane *b)
{
    enum { MOST = 512 };
    const uint32_t layers = info_of(a)->n_layers;
    double js[MOST], l1[MOST], layer0, sum = 0.0;

    if (a->rows < 2 || a->rows != b->rows || a->slots != b->slots || a->attention == NULL ||
        b->attention == NULL || layers > MOST)
        return;
    tempo_compare_lane_attention(a, b, js, l1, &layer0);
    for (uint32_t l = 0; l < layers; l++)
        sum += js[l] / (double)layers;
    json_object_set_new(step, "attention_js", tempo_json_number(sum));
    json_object_set_new(step, "attention_js_layers", tempo_json_numbers(js, layers));
}

tempo_status tempo_case_difference(json_t **out, const tempo_arm *x, const tempo_arm *y, const tempo_case *c,
                                   size_t step, tempo_err *err)
{
    const tempo_lane *a = &x->lane, *b = &y->lane;
    tempo_q_difference d;
    tempo_relation sets;
    double jaccard;
    tempo_status st;

    *out = NULL;
    if ((st = tempo_compare_q(a, b, x->o.threshold, &d, err)) != TEMPO_OK ||
        (st = tempo_compare_choices(a, &x->o, b, &y->o, &sets, &jaccard, err)) != TEMPO_OK)
        return st;
    *out =
        json_pack("{s:I, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "step", (json_int_t)step, "identical",
                  d.identical, "set_changes", sets == TEMPO_SETS_DIFFERENT, "order_changes",
                  sets == TEMPO_SETS_REORDERED, "tv", tempo_json_number(d.tv), "js", tempo_json_number(d.js),
                  "max_dlogp", tempo_json_number(d.max_dlogp), "jaccard", tempo_json_number(jaccard), "top_k",
                  overlap_json(c, tempo_decoder_distribution(a->d), tempo_decoder_distribution(b->d),
                               info_of(a)->n_vocab));
    if (*out == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the comparison");
    if (c->e->compute_kl_divergence) {
        json_object_set_new(*out, "kl_isolated_visible", tempo_json_number(d.kl_ab));
        json_object_set_new(*out, "kl_visible_isolated", tempo_json_number(d.kl_ba));
    }
    if (c->e->compute_cosine_similarity)
        json_object_set_new(*out, "row_cosine", tempo_json_number(d.row_cosine));
    put_attention(*out, a, b);
    return TEMPO_OK;
}
