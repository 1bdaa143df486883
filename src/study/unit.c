/* unit.c - arms in lockstep; a sink of their run measures at every step. */
#include "study/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json_out.h"
#include "run/decode_json.h"
#include "stats/stats.h"
#include "study/metric/metric.h"

enum { SHIFTS = 3 };

struct tempo_unit {
    tempo_run *run;
    tempo_unit_options o;
    tempo_metric_steps metrics;
    tempo_measured step;   /* the one under way */
    tempo_stopped stopped; /* why the first arm that could not go on stopped */
    bool same_q;           /* so far */
    bool one_position;     /* every set's slots have one position, as the engine recorded them */
    double layer0;         /* of the first parallel set; NaN before */
    tempo_series band_isolated[TEMPO_UNIT_MAX_BANDS], band_visible[TEMPO_UNIT_MAX_BANDS];
    json_t *steps;
};

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a unit of the study");
}

static const tempo_lane *lane(const tempo_unit *u, size_t arm)
{
    return &u->run->arms[arm].lane;
}

static const tempo_tokenizer *tokenizer_of(const tempo_unit *u)
{
    return tempo_model_tokenizer(tempo_engine_model(u->run->engine));
}

/* ---- one step's measures ---- */

/* Did RoPE get one position for all rows of the set?  Read back from the engine. */
static bool one_position(const tempo_lane *l)
{
    const tempo_seq *seq = tempo_decoder_seq(l->d);

    for (size_t i = l->slots - l->rows + 1; i < l->slots; i++)
        if (!(tempo_seq_slot_at(seq, i).position == tempo_seq_slot_at(seq, i - 1).position))
            return false;
    return true;
}

/* Attention of a parallel set. */
static void look_at_set(tempo_unit *u)
{
    tempo_metrics_look(&u->metrics, &u->step);
    if (u->metrics.parallel == 1)
        u->layer0 = u->step.layer0;
    u->one_position = u->one_position && one_position(lane(u, TEMPO_UNIT_ISOLATED)) &&
                      one_position(lane(u, TEMPO_UNIT_VISIBLE));
}

/* The knock-outs, once a parallel set is in the context. */
static tempo_status measure_bands(tempo_unit *u, tempo_err *err)
{
    bool kept = true;

    for (size_t i = 0; i < u->o.n_bands && kept; i++) {
        const tempo_lane *band = lane(u, TEMPO_UNIT_BANDS + i);
        kept =
            tempo_series_push(&u->band_isolated[i], tempo_compare_tv(lane(u, TEMPO_UNIT_ISOLATED), band)) &&
            tempo_series_push(&u->band_visible[i], tempo_compare_tv(lane(u, TEMPO_UNIT_VISIBLE), band));
    }
    return kept ? TEMPO_OK : no_memory(err);
}

/* The tokens whose probability differs most between the arms. */
static json_t *shifts(const tempo_unit *u)
{
    tempo_token_shift shift[SHIFTS];
    const size_t n = tempo_most_different(tempo_decoder_distribution(lane(u, TEMPO_UNIT_ISOLATED)->d),
                                          tempo_decoder_distribution(lane(u, TEMPO_UNIT_VISIBLE)->d),
                                          u->run->n_vocab, SHIFTS, shift);
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

static tempo_status hear_read(void *user, tempo_run *run, tempo_err *err)
{
    tempo_unit *u = user;
    const size_t rows = lane(u, TEMPO_UNIT_ISOLATED)->rows;
    json_t *metrics = json_object(), *step = json_pack("{s:I, s:I, s:o}", "step", (json_int_t)run->step,
                                                       "rows", (json_int_t)rows, "metrics", metrics);
    tempo_status st = step != NULL && json_array_append_new(u->steps, step) == 0 ? TEMPO_OK : no_memory(err);

    if (st != TEMPO_OK)
        return st;
    if (rows > 1)
        look_at_set(u);
    if (u->metrics.parallel == 0) {
        u->same_q =
            u->same_q && tempo_compare_same_q(lane(u, TEMPO_UNIT_ISOLATED), lane(u, TEMPO_UNIT_VISIBLE));
        return TEMPO_OK;
    }
    if ((st = tempo_compare_q(lane(u, TEMPO_UNIT_ISOLATED), lane(u, TEMPO_UNIT_VISIBLE), u->o.threshold,
                              &u->step.q, err)) != TEMPO_OK ||
        (st = tempo_metrics_step(&u->metrics, &u->step, rows > 1, metrics, err)) != TEMPO_OK ||
        (st = measure_bands(u, err)) != TEMPO_OK)
        return st;
    u->same_q = u->same_q && u->step.q.identical;
    json_object_set_new(step, "shifts", shifts(u));
    return TEMPO_OK;
}

/* An arm that cannot go on (its position lies past the context) ends the unit: arms are compared or not at
 * all. Those with unique positions have done what they are for when the first parallel set was read.  */
static tempo_status hear_step(void *user, tempo_run *run, tempo_err *err)
{
    tempo_unit *u = user;
    const tempo_set *lead = tempo_decoder_last_set(lane(u, TEMPO_UNIT_ISOLATED)->d);
    json_t *step = json_array_get(u->steps, json_array_size(u->steps) - 1);

    (void)err;
    json_object_set_new(step, "members", tempo_json_members(tokenizer_of(u), lead));
    for (size_t i = TEMPO_UNIT_UNIQUE_ISOLATED; i < TEMPO_UNIT_BANDS && u->metrics.parallel > 0; i++)
        tempo_run_end_arm(run, i);
    for (size_t i = 0; i < run->n_arms && u->stopped == TEMPO_RUNNING; i++)
        if (!run->arms[i].lane.done)
            u->stopped = tempo_decoder_stopped(run->arms[i].lane.d);
    if (u->stopped != TEMPO_RUNNING)
        tempo_run_stop(run);
    return TEMPO_OK;
}

/* ---- life ---- */

static size_t add_arms(tempo_decode_options decoding[TEMPO_UNIT_MAX_ARMS], const tempo_unit_options *o)
{
    static const tempo_positions positions[] = {TEMPO_POSITIONS_SHARED, TEMPO_POSITIONS_OFFSET,
                                                TEMPO_POSITIONS_UNIQUE};
    tempo_decode_options d;

    tempo_decode_options_init(&d);
    d.threshold = o->threshold;
    d.steps = o->steps;
    d.edits = o->edits;
    for (size_t i = 0; i < TEMPO_UNIT_BANDS; i++) {
        d.positions = positions[i / 2];
        d.position_offset = d.positions == TEMPO_POSITIONS_OFFSET ? o->position_offset : 0.0;
        d.mode = i % 2 == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE;
        decoding[i] = d;
    }
    d.positions = TEMPO_POSITIONS_SHARED;
    for (size_t i = 0; i < o->n_bands; i++) {
        d.first_visible_layer = o->bands[i].first;
        d.last_visible_layer = o->bands[i].last;
        decoding[TEMPO_UNIT_BANDS + i] = d;
    }
    return TEMPO_UNIT_BANDS + o->n_bands;
}

static tempo_status open_run(tempo_unit *u, tempo_engine *e, const int32_t *prompt, size_t n, tempo_err *err)
{
    const tempo_run_prompt p = {.ids = prompt, .n = n};
    const tempo_sink sink = {.user = u, .read = hear_read, .step = hear_step};
    tempo_decode_options decoding[TEMPO_UNIT_MAX_ARMS];
    tempo_run_arm arms[TEMPO_UNIT_MAX_ARMS];
    char names[TEMPO_UNIT_MAX_ARMS][8];
    tempo_run_options o;

    tempo_run_options_init(&o);
    o.arms = arms;
    o.n_arms = add_arms(decoding, &u->o);
    o.regime = TEMPO_REGIME_LOCKSTEP;
    o.driver = TEMPO_UNIT_ISOLATED;
    o.compared = 1; /* they have the same sets */
    o.sinks = &sink;
    o.n_sinks = 1;
    for (size_t i = 0; i < o.n_arms; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%zu", i);
        arms[i] = (tempo_run_arm){.name = names[i], .decoding = &decoding[i]};
    }
    const tempo_status st = tempo_run_create(&u->run, e, &o, &p, err);
    for (size_t i = 0; i < TEMPO_UNIT_BANDS && st == TEMPO_OK; i++) {
        u->step.lane[i] = lane(u, i);
        if (i <= TEMPO_UNIT_VISIBLE)
            tempo_run_watch(u->run, i);
    }
    return st;
}

tempo_status tempo_unit_create(tempo_unit **out, tempo_engine *e, const tempo_unit_options *o,
                               const int32_t *prompt, size_t n, tempo_err *err)
{
    const tempo_model_info *m = tempo_model_get_info(tempo_engine_model(e));
    tempo_unit *u = calloc(1, sizeof(*u));
    tempo_status st;

    *out = NULL;
    if (u == NULL)
        return no_memory(err);
    u->o = *o;
    u->same_q = u->one_position = true;
    u->layer0 = NAN;
    u->steps = json_array();
    st = tempo_metrics_begin(&u->metrics, &u->step, m->n_layers, m->n_heads) && u->steps != NULL
             ? open_run(u, e, prompt, n, err)
             : no_memory(err);
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
    tempo_run_free(u->run);
    tempo_metrics_end(&u->metrics, &u->step);
    for (size_t i = 0; i < TEMPO_UNIT_MAX_BANDS; i++) {
        free(u->band_isolated[i].x);
        free(u->band_visible[i].x);
    }
    json_decref(u->steps);
    free(u);
}

tempo_run *tempo_unit_run(const tempo_unit *u)
{
    return u->run;
}

/* ---- the document ---- */

static json_t *median(const tempo_series *s)
{
    return tempo_json_number(tempo_stats_median(s->x, s->n));
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

    for (size_t l = 0; l < u->metrics.n_layers; l++)
        json_array_append_new(a, scaled(x + l * u->metrics.n_heads, u->metrics.n_heads, by));
    return a;
}

static json_t *knockout(const tempo_unit *u)
{
    json_t *list = json_array();

    for (size_t i = 0; i < u->o.n_bands; i++)
        json_array_append_new(
            list, json_pack("{s:I, s:I, s:o, s:o}", "first_layer", (json_int_t)u->o.bands[i].first,
                            "last_layer", (json_int_t)u->o.bands[i].last, "tv_to_isolated",
                            median(&u->band_isolated[i]), "tv_to_visible", median(&u->band_visible[i])));
    return list;
}

json_t *tempo_unit_json(const tempo_unit *u)
{
    const tempo_metric_steps *s = &u->metrics;
    const double by = s->parallel > 0 ? 1.0 / (double)s->parallel : NAN;
    json_t *uniform = tempo_json_number(tempo_series_sum(&s->series[TEMPO_METRIC_UNIFORM_SHARE]) * by);

    return json_pack(
        "{s:O, s:o, s:{s:b, s:b, s:o}, s:I, s:o, s:{s:o, s:o}, s:{s:o, s:o, s:o}, s:o, s:s}", "steps",
        u->steps, "values", tempo_metrics_values(s), "checks", "same_q", u->same_q, "one_position",
        u->one_position, "layer0", tempo_json_number(u->layer0), "parallel_steps", (json_int_t)s->parallel,
        "position_offset", tempo_json_number(u->o.position_offset), "layers", "attention_tv",
        scaled(s->sums.tv, s->n_layers, by), "attention_js", scaled(s->sums.js, s->n_layers, by), "heads",
        "sibling_share", map(u, s->sums.share, by), "nearest_share", map(u, s->sums.nearest, by),
        "uniform_share", uniform, "knockout", knockout(u), "stopped_by", tempo_stopped_name(u->stopped));
}
