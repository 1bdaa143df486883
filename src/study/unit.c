/* unit.c - arms in lockstep, measured at every step. */
#include "run/decode_json.h"
#include "study/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/json_out.h"
#include "stats/stats.h"

enum {
    ISOLATED,
    VISIBLE,
    OFFSET_ISOLATED,
    OFFSET_VISIBLE,
    UNIQUE_ISOLATED,
    UNIQUE_VISIBLE,
    BANDS,
    SHIFTS = 3
};

/* One number a step. */
typedef struct series {
    double *x; /* [n] */
    size_t n, cap;
} series;

struct tempo_unit {
    tempo_engine *engine;
    tempo_unit_options o;
    tempo_lane lane[TEMPO_UNIT_MAX_LANES];
    size_t n_lanes, n_prompt;
    uint32_t n_layers, n_heads;
    size_t step;
    tempo_stopped stopped;   /* why the first arm that could not go on stopped */
    size_t parallel;         /* parallel sets that were read */
    bool same_q;             /* so far */
    bool one_position;       /* every set's slots have one position, as the engine recorded them */
    double layer0;           /* of the first parallel set: see tempo_compare_lane_attention; NaN before */
    double unique;           /* interaction at the first parallel set; NaN before */
    double *js, *tv_rows;    /* [n_layers] sums over parallel steps: attention, isolated against visible */
    double *share, *nearest; /* [n_layers * n_heads] sums over parallel steps */
    double *scratch;         /* [2 * n_layers + 2 * n_layers * n_heads] */
    tempo_sibling_means siblings;                         /* sums over parallel steps */
    series tv, tv_offset, kl, kl_back, js_q, set_changes; /* from the first parallel set on */
    series band_isolated[TEMPO_UNIT_MAX_BANDS], band_visible[TEMPO_UNIT_MAX_BANDS];
    json_t *steps;
};

/* ---- life ---- */

static bool push(series *s, double x)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap == 0 ? 16 : 2 * s->cap;
        double *more = realloc(s->x, cap * sizeof(*more));
        if (more == NULL)
            return false;
        s->x = more;
        s->cap = cap;
    }
    s->x[s->n++] = x;
    return true;
}

static tempo_status add_lane(tempo_unit *u, const tempo_decode_options *o, const int32_t *prompt, size_t n,
                             tempo_err *err)
{
    tempo_lane *l = &u->lane[u->n_lanes];

    l->watch = u->n_lanes <= VISIBLE;
    const tempo_status st = tempo_decoder_create(&l->d, u->engine, o, prompt, n, err);
    if (st == TEMPO_OK)
        u->n_lanes++;
    return st;
}

static tempo_status add_lanes(tempo_unit *u, const int32_t *prompt, size_t n, tempo_err *err)
{
    static const tempo_positions positions[] = {TEMPO_POSITIONS_SHARED, TEMPO_POSITIONS_OFFSET,
                                                TEMPO_POSITIONS_UNIQUE};
    tempo_decode_options o;
    tempo_status st = TEMPO_OK;

    tempo_decode_options_init(&o);
    o.threshold = u->o.threshold;
    o.steps = u->o.steps;
    for (size_t i = 0; i < BANDS && st == TEMPO_OK; i++) {
        o.positions = positions[i / 2];
        o.position_offset = o.positions == TEMPO_POSITIONS_OFFSET ? u->o.position_offset : 0.0;
        o.mode = i % 2 == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE;
        st = add_lane(u, &o, prompt, n, err);
    }
    o.positions = TEMPO_POSITIONS_SHARED;
    for (size_t i = 0; i < u->o.n_bands && st == TEMPO_OK; i++) {
        o.first_visible_layer = u->o.bands[i].first;
        o.last_visible_layer = u->o.bands[i].last;
        st = add_lane(u, &o, prompt, n, err);
    }
    return st;
}

tempo_status tempo_unit_create(tempo_unit **out, tempo_engine *e, const tempo_unit_options *o,
                               const int32_t *prompt, size_t n, tempo_err *err)
{
    const tempo_model_info *m = tempo_model_get_info(tempo_engine_model(e));
    const size_t heads = (size_t)m->n_layers * m->n_heads;
    tempo_unit *u = calloc(1, sizeof(*u));
    tempo_status st;

    *out = NULL;
    if (u == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a unit of the study");
    *u = (tempo_unit){.engine = e, .o = *o, .n_prompt = n, .n_layers = m->n_layers, .n_heads = m->n_heads};
    u->same_q = u->one_position = true;
    u->layer0 = u->unique = NAN;
    u->js = calloc(m->n_layers, sizeof(double));
    u->tv_rows = calloc(m->n_layers, sizeof(double));
    u->share = calloc(heads, sizeof(double));
    u->nearest = calloc(heads, sizeof(double));
    u->scratch = calloc(2 * (m->n_layers + heads), sizeof(double));
    u->steps = json_array();
    if (u->js == NULL || u->tv_rows == NULL || u->share == NULL || u->nearest == NULL || u->scratch == NULL ||
        u->steps == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a unit of the study");
    else
        st = add_lanes(u, prompt, n, err);
    if (st != TEMPO_OK) {
        tempo_unit_free(u);
        return st;
    }
    *out = u;
    return TEMPO_OK;
}

void tempo_unit_free(tempo_unit *u)
{
    if (u == NULL)
        return;
    for (size_t i = 0; i < u->n_lanes; i++)
        tempo_lane_free(&u->lane[i]);
    free(u->js);
    free(u->tv_rows);
    free(u->share);
    free(u->nearest);
    free(u->scratch);
    free(u->tv.x);
    free(u->tv_offset.x);
    free(u->kl.x);
    free(u->kl_back.x);
    free(u->js_q.x);
    free(u->set_changes.x);
    for (size_t i = 0; i < TEMPO_UNIT_MAX_BANDS; i++) {
        free(u->band_isolated[i].x);
        free(u->band_visible[i].x);
    }
    json_decref(u->steps);
    free(u);
}

void tempo_unit_lanes(tempo_unit *u, tempo_lane **lanes, size_t *n)
{
    for (size_t i = 0; i < u->n_lanes; i++)
        if (!u->lane[i].done && tempo_decoder_stopped(u->lane[i].d) == TEMPO_RUNNING)
            lanes[(*n)++] = &u->lane[i];
}

/* ---- one step's measures ---- */

static double at_first_parallel(const tempo_unit *u)
{
    return tempo_compare_tv(&u->lane[UNIQUE_ISOLATED], &u->lane[UNIQUE_VISIBLE]) -
           tempo_compare_tv(&u->lane[ISOLATED], &u->lane[VISIBLE]);
}

/* Did RoPE get one position for all rows of the set?  Read back from the engine. */
static bool one_position(const tempo_lane *l)
{
    const tempo_seq *seq = tempo_decoder_seq(l->d);

    for (size_t i = l->slots - l->rows + 1; i < l->slots; i++)
        if (!(tempo_seq_slot_at(seq, i).position == tempo_seq_slot_at(seq, i - 1).position))
            return false;
    return true;
}

/* Attention of a parallel set: A and C. */
static void measure_attention(tempo_unit *u, json_t *metrics)
{
    const size_t heads = (size_t)u->n_layers * u->n_heads;
    double *js = u->scratch, *tv = js + u->n_layers, *share = tv + u->n_layers, *nearest = share + heads;
    double layer0;

    tempo_compare_lane_attention(&u->lane[ISOLATED], &u->lane[VISIBLE], js, tv, &layer0);
    const tempo_sibling_means s = tempo_compare_siblings(&u->lane[VISIBLE], share, nearest);
    for (uint32_t l = 0; l < u->n_layers; l++) {
        u->js[l] += js[l];
        u->tv_rows[l] += tv[l];
    }
    for (size_t i = 0; i < heads; i++) {
        u->share[i] += share[i];
        u->nearest[i] += nearest[i];
    }
    u->siblings.share += s.share;
    u->siblings.mass += s.mass;
    u->siblings.first += s.first;
    u->siblings.uniform += s.uniform;
    if (u->parallel++ == 0) {
        u->layer0 = layer0;
        u->unique = at_first_parallel(u);
        u->lane[UNIQUE_ISOLATED].done = u->lane[UNIQUE_VISIBLE].done = true;
    }
    u->one_position = u->one_position && one_position(&u->lane[ISOLATED]) && one_position(&u->lane[VISIBLE]);
    json_object_set_new(metrics, "attention_tv",
                        tempo_json_number(tempo_compare_above_first(tv, u->n_layers)));
    json_object_set_new(metrics, "attention_js",
                        tempo_json_number(tempo_compare_above_first(js, u->n_layers)));
    json_object_set_new(metrics, "sibling_share", tempo_json_number(s.share));
    json_object_set_new(metrics, "sibling_mass", tempo_json_number(s.mass));
    json_object_set_new(metrics, "first_slot_mass", tempo_json_number(s.first));
    json_object_set_new(metrics, "nearest_share", tempo_json_number(tempo_stats_mean(nearest, heads)));
    json_object_set_new(metrics, "uniform_share", tempo_json_number(s.uniform));
}

static void put_difference(json_t *metrics, const tempo_q_difference *d)
{
    static const char *const overlap[TEMPO_COMPARE_TOPS] = {"top_1", "top_5", "top_10", "top_20"};

    json_object_set_new(metrics, "tv", tempo_json_number(d->tv));
    json_object_set_new(metrics, "kl_isolated_visible", tempo_json_number(d->kl_ab));
    json_object_set_new(metrics, "kl_visible_isolated", tempo_json_number(d->kl_ba));
    json_object_set_new(metrics, "js", tempo_json_number(d->js));
    json_object_set_new(metrics, "max_dlogp", tempo_json_number(d->max_dlogp));
    json_object_set_new(metrics, "jaccard", tempo_json_number(d->jaccard));
    json_object_set_new(metrics, "set_changes", tempo_json_number(d->set_changes ? 1.0 : 0.0));
    json_object_set_new(metrics, "row_tv", tempo_json_number(d->row_tv));
    json_object_set_new(metrics, "row_kl", tempo_json_number(d->row_kl));
    json_object_set_new(metrics, "row_cosine", tempo_json_number(d->row_cosine));
    for (size_t i = 0; i < TEMPO_COMPARE_TOPS; i++)
        json_object_set_new(metrics, overlap[i], tempo_json_number(d->overlap[i]));
}

/* Distributions, once a parallel set is in the context: B, D and the knock-outs. */
static tempo_status measure_distributions(tempo_unit *u, json_t *metrics, tempo_err *err)
{
    tempo_q_difference d;
    tempo_status st = tempo_compare_q(&u->lane[ISOLATED], &u->lane[VISIBLE], u->o.threshold, &d, err);

    if (st != TEMPO_OK)
        return st;
    const double offset = tempo_compare_tv(&u->lane[OFFSET_ISOLATED], &u->lane[OFFSET_VISIBLE]);
    bool kept = push(&u->tv, d.tv) && push(&u->tv_offset, offset) && push(&u->kl, d.kl_ab) &&
                push(&u->kl_back, d.kl_ba) && push(&u->js_q, d.js) &&
                push(&u->set_changes, d.set_changes ? 1.0 : 0.0);
    u->same_q = u->same_q && d.identical;
    put_difference(metrics, &d);
    json_object_set_new(metrics, "tv_offset", tempo_json_number(offset));
    json_object_set_new(metrics, "position_tv_isolated",
                        tempo_json_number(tempo_compare_tv(&u->lane[ISOLATED], &u->lane[OFFSET_ISOLATED])));
    json_object_set_new(metrics, "position_tv_visible",
                        tempo_json_number(tempo_compare_tv(&u->lane[VISIBLE], &u->lane[OFFSET_VISIBLE])));
    for (size_t i = 0; i < u->o.n_bands && kept; i++)
        kept = push(&u->band_isolated[i], tempo_compare_tv(&u->lane[ISOLATED], &u->lane[BANDS + i])) &&
               push(&u->band_visible[i], tempo_compare_tv(&u->lane[VISIBLE], &u->lane[BANDS + i]));
    return kept ? TEMPO_OK
                : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a step's measures");
}

static const tempo_tokenizer *tokenizer_of(const tempo_unit *u)
{
    return tempo_model_tokenizer(tempo_engine_model(u->engine));
}

/* The tokens whose probability differs most between the arms. */
static json_t *shifts(const tempo_unit *u)
{
    tempo_token_shift shift[SHIFTS];
    const size_t n = tempo_most_different(
        tempo_decoder_distribution(u->lane[ISOLATED].d), tempo_decoder_distribution(u->lane[VISIBLE].d),
        tempo_model_get_info(tempo_engine_model(u->engine))->n_vocab, SHIFTS, shift);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *o = json_pack("{s:i}", "id", (int)shift[i].id);
        tempo_json_add_token(o, tokenizer_of(u), shift[i].id);
        json_object_set_new(o, "isolated", tempo_json_number(shift[i].p));
        json_object_set_new(o, "visible", tempo_json_number(shift[i].q));
        json_array_append_new(list, o);
    }
    return list;
}

tempo_status tempo_unit_step(tempo_unit *u, tempo_err *err)
{
    json_t *metrics = json_object(),
           *step = json_pack("{s:I, s:I, s:o}", "step", (json_int_t)u->step, "rows",
                             (json_int_t)u->lane[ISOLATED].rows, "metrics", metrics);
    tempo_status st = TEMPO_OK;

    if (step == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a step's measures");
    if (u->lane[ISOLATED].rows > 1)
        measure_attention(u, metrics);
    if (u->parallel > 0) {
        st = measure_distributions(u, metrics, err);
        json_object_set_new(step, "shifts", shifts(u));
    } else {
        u->same_q = u->same_q && tempo_compare_same_q(&u->lane[ISOLATED], &u->lane[VISIBLE]);
    }
    if (st == TEMPO_OK)
        st = tempo_decoder_select(u->lane[ISOLATED].d, err);
    const tempo_set *lead = tempo_decoder_last_set(u->lane[ISOLATED].d);
    for (size_t i = 1; i < u->n_lanes && st == TEMPO_OK; i++)
        if (u->lane[i].done && u->parallel > 0 && i >= UNIQUE_ISOLATED && i < BANDS)
            continue; /* they were read for the last time, or before */
        else if (tempo_decoder_stopped(u->lane[i].d) == TEMPO_RUNNING)
            st = tempo_decoder_adopt(u->lane[i].d, lead, err);
    if (st == TEMPO_OK)
        json_object_set_new(step, "members", tempo_json_members(tokenizer_of(u), lead));
    json_array_append_new(u->steps, step);
    u->step++;
    /* an arm that cannot go on (its position lies past the context) ends the unit: arms are compared or not
     * at all */
    for (size_t i = 0; i < u->n_lanes && st == TEMPO_OK; i++)
        if (!u->lane[i].done && tempo_decoder_stopped(u->lane[i].d) != TEMPO_RUNNING) {
            u->stopped = tempo_decoder_stopped(u->lane[i].d);
            for (size_t k = 0; k < u->n_lanes; k++)
                u->lane[k].done = true;
        }
    return st;
}

/* ---- the document ---- */

static double median(const series *s)
{
    return tempo_stats_median(s->x, s->n);
}

static double mean(const series *s)
{
    return tempo_stats_mean(s->x, s->n);
}

/* Other ways to put A2 and B into numbers, and C: the report looks where a verdict depends on them. */
static void put_other_measures(json_t *v, const tempo_unit *u)
{
    const double n = (double)u->parallel;

    json_object_set_new(v, "a2_all_layers", tempo_json_number(tempo_stats_mean(u->tv_rows, u->n_layers) / n));
    json_object_set_new(v, "a2_js", tempo_json_number(tempo_compare_above_first(u->js, u->n_layers) / n));
    json_object_set_new(v, "a2_js_all_layers", tempo_json_number(tempo_stats_mean(u->js, u->n_layers) / n));
    json_object_set_new(v, "b_mean", tempo_json_number(mean(&u->tv)));
    json_object_set_new(v, "b_js", tempo_json_number(median(&u->js_q)));
    json_object_set_new(v, "b_kl_isolated_visible", tempo_json_number(median(&u->kl)));
    json_object_set_new(v, "b_kl_visible_isolated", tempo_json_number(median(&u->kl_back)));
    json_object_set_new(v, "sibling_mass", tempo_json_number(u->siblings.mass / n));
    json_object_set_new(v, "first_slot_mass", tempo_json_number(u->siblings.first / n));
}

/* Without a parallel step all are NaN, which is null. */
static json_t *values(const tempo_unit *u)
{
    const double b = median(&u->tv), offset = median(&u->tv_offset), n = (double)u->parallel;
    const double c = u->siblings.share / n;
    const size_t heads = (size_t)u->n_layers * u->n_heads;
    json_t *v = json_object();

    json_object_set_new(v, "A2", tempo_json_number(tempo_compare_above_first(u->tv_rows, u->n_layers) / n));
    json_object_set_new(v, "B", tempo_json_number(b));
    json_object_set_new(v, "C", tempo_json_number(c));
    json_object_set_new(v, "D2", tempo_json_number(offset - b));
    put_other_measures(v, u);
    json_object_set_new(v, "set_changes", tempo_json_number(mean(&u->set_changes)));
    json_object_set_new(v, "c_minus_uniform", tempo_json_number(c - u->siblings.uniform / n));
    json_object_set_new(v, "c_minus_nearest", tempo_json_number(c - tempo_stats_mean(u->nearest, heads) / n));
    json_object_set_new(v, "d_unique", tempo_json_number(u->unique));
    return v;
}

static json_t *scaled(const double *x, size_t n, double by)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, tempo_json_number(x[i] * by));
    return a;
}

/* [n_layers][n_heads] */
static json_t *map(const tempo_unit *u, const double *x, double by)
{
    json_t *a = json_array();

    for (uint32_t l = 0; l < u->n_layers; l++)
        json_array_append_new(a, scaled(x + (size_t)l * u->n_heads, u->n_heads, by));
    return a;
}

static json_t *knockout(const tempo_unit *u)
{
    json_t *list = json_array();

    for (size_t i = 0; i < u->o.n_bands; i++)
        json_array_append_new(
            list, json_pack("{s:I, s:I, s:o, s:o}", "first_layer", (json_int_t)u->o.bands[i].first,
                            "last_layer", (json_int_t)u->o.bands[i].last, "tv_to_isolated",
                            tempo_json_number(median(&u->band_isolated[i])), "tv_to_visible",
                            tempo_json_number(median(&u->band_visible[i]))));
    return list;
}

json_t *tempo_unit_json(const tempo_unit *u)
{
    const double by = u->parallel > 0 ? 1.0 / (double)u->parallel : NAN;
    json_t *checks = json_pack("{s:b, s:b, s:o}", "same_q", u->same_q, "one_position", u->one_position,
                               "layer0", tempo_json_number(u->layer0));

    return json_pack("{s:O, s:o, s:o, s:I, s:o, s:{s:o, s:o}, s:{s:o, s:o, s:o}, s:o, s:s}", "steps",
                     u->steps, "values", values(u), "checks", checks, "parallel_steps",
                     (json_int_t)u->parallel, "position_offset", tempo_json_number(u->o.position_offset),
                     "layers", "attention_tv", scaled(u->tv_rows, u->n_layers, by), "attention_js",
                     scaled(u->js, u->n_layers, by), "heads", "sibling_share", map(u, u->share, by),
                     "nearest_share", map(u, u->nearest, by), "uniform_share",
                     tempo_json_number(u->siblings.uniform * by), "knockout", knockout(u), "stopped_by",
                     tempo_stopped_name(u->stopped));
}
