/* time.c - each arm alone, in ABBA order: A B C, C B A, A B C ... */
#include <stdlib.h>

#include "experiment/run.h"
#include "files/json_out.h"
#include "stats/stats.h"
#include "stats/verdict.h"
#include "study/study.h"
#include "study/timed_run.h"

/* One run of one arm over the sets that it had in the paired run; the same work whatever the regime. */
static tempo_status solo(const tempo_case *c, size_t arm, const json_t *steps, double *took, tempo_err *err)
{
    const tempo_decode_options o = tempo_experiment_decoding(c->e, arm, c->threshold);
    const tempo_observer obs = {.user = c->o->user, .poll = c->o->poll};

    return tempo_timed_run(c->engine, &o, c->ids, c->n_ids, steps, &obs, took, err);
}

static json_t *arm_of(json_t *result, const tempo_case *c, size_t arm)
{
    return json_object_get(json_object_get(result, "arms"), c->e->arms[arm].name);
}

/* All arms once; backwards in every second round.  took NULL: a warm-up. */
static tempo_status round_of(json_t *result, const tempo_case *c, bool backwards, double *took, size_t pairs,
                             size_t at, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < c->e->n_arms && st == TEMPO_OK; i++) {
        const size_t arm = backwards ? c->e->n_arms - 1 - i : i;
        double t;
        st = solo(c, arm, json_object_get(arm_of(result, c, arm), "steps"), &t, err);
        if (took != NULL)
            took[arm * pairs + at] = t;
    }
    return st;
}

static void put_ratio(json_t *timing, const tempo_case *c, const double *took, size_t pairs)
{
    size_t a = c->e->n_arms, b = c->e->n_arms;
    tempo_ratio r;

    for (size_t i = 0; i < c->e->n_arms; i++) {
        const tempo_decode_options *o = &c->e->arms[i].decoding;
        if (o->replay == TEMPO_REPLAY_NONE && o->mode == TEMPO_ISOLATED && a == c->e->n_arms)
            a = i;
        if (o->replay == TEMPO_REPLAY_NONE && o->mode == TEMPO_VISIBLE && b == c->e->n_arms)
            b = i;
    }
    if (a == c->e->n_arms || b == c->e->n_arms || pairs < 2 ||
        tempo_stats_ratio(took + a * pairs, took + b * pairs, pairs, 0.95, &r, NULL) != TEMPO_OK)
        return;
    tempo_json_put_ratio(timing, "isolated_over_visible", "interval", &r);
    json_object_set_new(timing, "p", tempo_json_number(r.p));
}

tempo_status tempo_case_time(json_t *result, const tempo_case *c, tempo_err *err)
{
    const size_t pairs = tempo_experiment_is_bound(c->e) ? 0 : c->o->has_pairs ? c->o->pairs : c->e->pairs;
    double *took = calloc(c->e->n_arms * pairs + 1, sizeof(*took));
    json_t *timing = json_pack("{s:I}", "pairs", (json_int_t)pairs), *raw = json_object();
    tempo_status st = took != NULL && timing != NULL && raw != NULL
                          ? TEMPO_OK
                          : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to time runs");

    if (st == TEMPO_OK && pairs > 0)
        st = round_of(result, c, false, NULL, pairs, 0, err);
    for (size_t k = 0; k < pairs && st == TEMPO_OK; k++) {
        if (c->o->progress != NULL)
            c->o->progress(c->o->user, "timing", k, pairs);
        st = round_of(result, c, k % 2 == 1, took, pairs, k, err);
    }
    for (size_t i = 0; i < c->e->n_arms && st == TEMPO_OK && pairs > 0; i++) {
        json_object_set_new(arm_of(result, c, i), "generation_time",
                            tempo_json_number(tempo_stats_median(took + i * pairs, pairs)));
        json_object_set_new(raw, c->e->arms[i].name, tempo_json_numbers(took + i * pairs, pairs));
    }
    if (st == TEMPO_OK) {
        put_ratio(timing, c, took, pairs);
        json_object_set(timing, "seconds", raw);
        json_object_set(result, "timing", timing);
    }
    json_decref(raw);
    json_decref(timing);
    free(took);
    return st;
}
