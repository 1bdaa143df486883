/* compare.c - metrics.h over lanes. */
#include "study/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const size_t tempo_compare_tops[TEMPO_COMPARE_TOPS] = {1, 5, 10, 20};

enum { SET_CAP = 256 }; /* members of a set that are compared by id */

static const tempo_model_info *info_of(const tempo_lane *l)
{
    return tempo_model_get_info(tempo_engine_model(tempo_decoder_engine(l->d)));
}

static const double *q_of(const tempo_lane *l)
{
    return tempo_decoder_distribution(l->d);
}

bool tempo_compare_same_q(const tempo_lane *a, const tempo_lane *b)
{
    return memcmp(q_of(a), q_of(b), info_of(a)->n_vocab * sizeof(double)) == 0;
}

double tempo_compare_tv(const tempo_lane *a, const tempo_lane *b)
{
    return tempo_tv(q_of(a), q_of(b), info_of(a)->n_vocab);
}

static void compare_sets(const double *p, const double *q, size_t n, double threshold,
                         tempo_q_difference *out)
{
    int32_t a[SET_CAP], b[SET_CAP];
    const size_t na = tempo_threshold_set(p, n, threshold, SET_CAP, a);
    const size_t nb = tempo_threshold_set(q, n, threshold, SET_CAP, b);

    out->jaccard = tempo_jaccard(a, na < SET_CAP ? na : SET_CAP, b, nb < SET_CAP ? nb : SET_CAP);
    out->set_changes = na != nb || !(out->jaccard >= 1.0);
}

/* *members: malloc'd, without probabilities. */
static tempo_status choose(const tempo_lane *l, const tempo_decode_options *o, tempo_member **members,
                           size_t *n, tempo_err *err)
{
    const size_t n_vocab = info_of(l)->n_vocab;
    int32_t *ids;

    *n = tempo_threshold_set(q_of(l), n_vocab, o->threshold, 0, NULL);
    *n = o->max_set != 0 && *n > o->max_set ? o->max_set : *n;
    ids = malloc(*n * sizeof(*ids));
    *members = calloc(*n, sizeof(**members));
    if (ids != NULL && *members != NULL) {
        (void)tempo_threshold_set(q_of(l), n_vocab, o->threshold, *n, ids);
        for (size_t i = 0; i < *n; i++)
            (*members)[i].id = ids[i];
        free(ids);
        return TEMPO_OK;
    }
    free(ids);
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for what an arm would select");
}

static size_t first_ids(const tempo_member *m, size_t n, int32_t ids[SET_CAP])
{
    n = n < SET_CAP ? n : SET_CAP;
    for (size_t i = 0; i < n; i++)
        ids[i] = m[i].id;
    return n;
}

tempo_status tempo_compare_choices(const tempo_lane *a, const tempo_decode_options *oa, const tempo_lane *b,
                                   const tempo_decode_options *ob, tempo_relation *out, double *jaccard,
                                   tempo_err *err)
{
    tempo_member *x = NULL, *y = NULL;
    int32_t ids[2][SET_CAP];
    size_t n = 0, m = 0;
    tempo_status st = choose(a, oa, &x, &n, err);

    if (st == TEMPO_OK && (st = choose(b, ob, &y, &m, err)) == TEMPO_OK) {
        const tempo_set p = {.members = x, .n_members = n}, q = {.members = y, .n_members = m};
        *out = tempo_relate_sets(&p, &q);
        n = first_ids(x, n, ids[0]);
        m = first_ids(y, m, ids[1]);
        *jaccard = tempo_jaccard(ids[0], n, ids[1], m);
    }
    free(x);
    free(y);
    return st;
}

static tempo_status compare_rows_of_logits(const tempo_lane *a, const tempo_lane *b, size_t n,
                                           tempo_q_difference *out, tempo_err *err)
{
    double *p = malloc(2 * n * sizeof(*p));
    const size_t rows = a->rows < b->rows ? a->rows : b->rows;

    if (p == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to compare distributions");
    for (size_t r = 0; r < rows; r++) {
        const float *x = tempo_decoder_row_logits(a->d, r), *y = tempo_decoder_row_logits(b->d, r);
        tempo_softmax_row(x, n, p);
        tempo_softmax_row(y, n, p + n);
        out->row_tv += tempo_tv(p, p + n, n) / (double)rows;
        out->row_kl += tempo_kl(p, p + n, n) / (double)rows;
        out->row_cosine += tempo_cosine_centred(x, y, n) / (double)rows;
    }
    free(p);
    return TEMPO_OK;
}

tempo_status tempo_compare_q(const tempo_lane *a, const tempo_lane *b, double threshold,
                             tempo_q_difference *out, tempo_err *err)
{
    const size_t n = info_of(a)->n_vocab;
    const double *p = q_of(a), *q = q_of(b);

    *out = (tempo_q_difference){.identical = tempo_compare_same_q(a, b)};
    out->tv = tempo_tv(p, q, n);
    out->kl_ab = tempo_kl(p, q, n);
    out->kl_ba = tempo_kl(q, p, n);
    out->js = tempo_js(p, q, n);
    out->max_dlogp = tempo_max_dlogp(p, q, n, 0.999);
    for (size_t i = 0; i < TEMPO_COMPARE_TOPS; i++)
        out->overlap[i] = tempo_top_k_overlap(p, q, n, tempo_compare_tops[i]);
    compare_sets(p, q, n, threshold, out);
    return compare_rows_of_logits(a, b, n, out, err);
}

/* ---- attention ---- */

void tempo_compare_lane_attention(const tempo_lane *isolated, const tempo_lane *visible, double *js,
                                  double *tv, double *layer0)
{
    const tempo_model_info *m = info_of(isolated);
    const double per = 1.0 / (double)(isolated->rows * m->n_heads);

    *layer0 = 0.0;
    for (uint32_t l = 0; l < m->n_layers; l++) {
        js[l] = tv[l] = 0.0;
        for (size_t r = 0; r < isolated->rows; r++)
            for (uint32_t h = 0; h < m->n_heads; h++) {
                const tempo_sight s = tempo_lane_sight(isolated, r);
                const float *a = tempo_lane_row(isolated, l, r, h), *b = tempo_lane_row(visible, l, r, h);
                js[l] += tempo_attention_js(a, b, &s) * per;
                tv[l] += 0.5 * tempo_attention_l1(a, b, &s) * per;
                if (l > 0)
                    continue;
                const double d = tempo_attention_max_diff(a, b, &s) * (1.0 - tempo_sibling_mass(b, &s));
                if (!(d <= *layer0)) /* a NaN stays */
                    *layer0 = d;
            }
    }
}

double tempo_compare_above_first(const double *by_layer, size_t n_layers)
{
    double sum = 0.0;

    for (size_t l = 1; l < n_layers; l++)
        sum += by_layer[l];
    return n_layers > 1 ? sum / (double)(n_layers - 1) : (double)NAN;
}

/* Slot of the mirrored lane that holds what slot i of the other does: sets are turned round in place. */
static size_t mirror(const tempo_seq *seq, size_t i, size_t n)
{
    const uint32_t set = tempo_seq_slot_at(seq, i).set;
    size_t begin = i, end = i + 1;

    while (begin > 0 && tempo_seq_slot_at(seq, begin - 1).set == set)
        begin--;
    while (end < n && tempo_seq_slot_at(seq, end).set == set)
        end++;
    return begin + (end - 1 - i);
}

double tempo_compare_rows(const tempo_lane *a, const tempo_lane *b, bool mirrored)
{
    const tempo_model_info *m = info_of(a);
    float *turned = malloc(a->slots * sizeof(*turned));
    size_t *at = malloc(a->slots * sizeof(*at));
    double sum = turned != NULL && at != NULL ? 0.0 : NAN;

    for (size_t i = 0; sum >= 0.0 && i < a->slots; i++)
        at[i] = mirrored ? mirror(tempo_decoder_seq(a->d), i, a->slots) : i;
    for (uint32_t l = 1; sum >= 0.0 && l < m->n_layers; l++)
        for (size_t r = 0; r < a->rows; r++)
            for (uint32_t h = 0; h < m->n_heads; h++) {
                const float *row = tempo_lane_row(b, l, mirrored ? a->rows - 1 - r : r, h);
                for (size_t i = 0; i < a->slots; i++)
                    turned[i] = row[at[i]];
                sum += tempo_row_tv(tempo_lane_row(a, l, r, h), turned, a->slots);
            }
    free(at);
    free(turned);
    return sum / ((m->n_layers - 1.0) * (double)(a->rows * m->n_heads)); /* of one layer 0/0: NaN */
}

tempo_sibling_means tempo_compare_siblings(const tempo_lane *visible, double *share, double *nearest)
{
    const tempo_model_info *m = info_of(visible);
    const double per = 1.0 / (double)visible->rows;
    const size_t heads = (size_t)m->n_layers * m->n_heads;
    const tempo_sight any = tempo_lane_sight(visible, 0);
    tempo_sibling_means out = {.uniform = tempo_uniform_share(&any)};

    for (uint32_t l = 0; l < m->n_layers; l++)
        for (uint32_t h = 0; h < m->n_heads; h++) {
            double *s = &share[l * m->n_heads + h], *near = &nearest[l * m->n_heads + h];
            *s = *near = 0.0;
            for (size_t r = 0; r < visible->rows; r++) {
                const tempo_sight sight = tempo_lane_sight(visible, r);
                const float *row = tempo_lane_row(visible, l, r, h);
                *s += tempo_sibling_share(row, &sight) * per;
                *near += tempo_nearest_share(row, &sight) * per;
                out.mass += tempo_sibling_mass(row, &sight) * per;
                out.first += (sight.n_prev > 0 ? (double)row[0] : 0.0) * per;
            }
            out.share += *s;
        }
    out.share /= (double)heads;
    out.mass /= (double)heads;
    out.first /= (double)heads;
    return out;
}
