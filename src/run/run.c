/* run.c - a run's life, and what is asked of it. */
#include "run/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "capture/capture.h"
#include "decode/decode.h"
#include "run/decode_json.h"

enum {
    EXPECTED_ROWS = 8,
    DIRECTORY = 4096
}; /* sets with more members are rare, and what is written is bounded, too */

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a run");
}

/* ---- options ----------------------------------------------------------------------- */

TEMPO_OPTIONS(tempo_run_options, .sampling = {.temperature = 1.0, .top_p = 1.0})

tempo_status tempo_run_options_take(tempo_run_options *out, const tempo_run_options *given, tempo_err *err)
{
    return tempo_options_take(&tempo_run_options_kind, out, given, err);
}

tempo_decode_options tempo_run_decoding(const tempo_run_options *o, size_t arm)
{
    tempo_decode_options d;

    if (tempo_decode_options_take(&d, o->arms[arm].decoding, NULL) != TEMPO_OK)
        return d;         /* which is refused */
    if (o->sampling.on) { /* its one token is not chosen by threshold */
        d.threshold = 1.0;
        d.max_set = 1;
        d.temperature = o->sampling.temperature > 0.0 ? o->sampling.temperature : 1.0;
    }
    return d;
}

const char *tempo_run_name(const tempo_run_options *o, size_t arm)
{
    const char *mode = tempo_mode_name(tempo_run_decoding(o, arm).mode);

    if (o->arms[arm].name != NULL)
        return o->arms[arm].name;
    return mode != NULL ? mode : "?"; /* which is refused */
}

size_t tempo_run_rows(const tempo_decode_options *o)
{
    const double bound = floor(1 / o->threshold + 1e-9);
    const size_t rows = bound < EXPECTED_ROWS ? (size_t)bound : EXPECTED_ROWS;

    if (o->context != TEMPO_CONTEXT_ALL || o->replay != TEMPO_REPLAY_NONE)
        return 1;
    return o->max_set > 0 && rows > o->max_set ? o->max_set : rows;
}

static bool is_captured(const tempo_run_options *o, size_t arm)
{
    return o->capture_dir != NULL && (o->captured == 0 || (o->captured >> arm & 1) != 0);
}

/* The capture's options for one arm, with what its run is expected to be. */
static tempo_capture_options capture_of(const tempo_run_options *o, size_t arm, size_t n_prompt)
{
    const tempo_decode_options d = tempo_run_decoding(o, arm);
    const size_t rows = tempo_run_rows(&d);
    tempo_capture_options c;

    if (tempo_capture_options_take(&c, o->capture, NULL) != TEMPO_OK)
        return c; /* which is refused */
    c.prompt = n_prompt + (d.replay == TEMPO_REPLAY_PUBLISHED);
    c.steps = d.steps + o->closing_pass;
    c.rows = c.rows > 0 && c.rows < rows ? c.rows : rows;
    return c;
}

uint64_t tempo_run_estimate(const tempo_model *m, const tempo_run_options *o, size_t n_prompt)
{
    tempo_run_options all;
    uint64_t bytes = 0;

    if (tempo_run_options_take(&all, o, NULL) != TEMPO_OK)
        return 0;
    for (size_t i = 0; i < all.n_arms; i++) {
        if (!is_captured(&all, i))
            continue;
        const tempo_capture_options c = capture_of(&all, i, n_prompt);
        const uint64_t one = tempo_capture_estimate(&c, m);
        bytes = one < UINT64_MAX - bytes ? bytes + one : UINT64_MAX;
    }
    return bytes;
}

/* ---- life -------------------------------------------------------------------------- */

/* Descending probability, equal ones by lower id, as every set has its members. */
static int by_probability(const void *pa, const void *pb)
{
    const tempo_member *a = pa, *b = pb;

    if (a->probability != b->probability)
        return a->probability < b->probability ? 1 : -1;
    return (a->id > b->id) - (a->id < b->id);
}

tempo_given_set *tempo_given_copy(const tempo_given_set *given, size_t n)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++)
        total += given[i].n;
    tempo_given_set *sets = malloc((n + 1) * sizeof(*sets) + total * sizeof(tempo_member));
    if (sets == NULL)
        return NULL;
    tempo_member *members = (tempo_member *)(void *)(sets + n + 1);
    for (size_t i = 0; i < n; members += given[i++].n) {
        memcpy(members, given[i].members, given[i].n * sizeof(*members));
        qsort(members, given[i].n, sizeof(*members), by_probability);
        sets[i] = (tempo_given_set){members, given[i].n};
    }
    return sets;
}

static char *default_config(const tempo_arm *a, uint32_t n_layers)
{
    json_t *c = json_object();

    tempo_json_add_decoding(c, &a->o, n_layers);
    json_object_set_new(c, "arm", json_string(a->name));
    char *text = json_dumps(c, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(c);
    return text;
}

static tempo_status open_capture(tempo_run *r, const tempo_run_options *o, size_t i, tempo_err *err)
{
    tempo_capture_options c = capture_of(o, i, r->n_ids);
    tempo_arm *a = &r->arms[i];
    char dir[DIRECTORY], *config = NULL;

    if ((size_t)snprintf(dir, sizeof(dir), "%s%s%s", o->capture_dir, r->n_arms > 1 ? "/" : "",
                         r->n_arms > 1 ? a->name : "") >= sizeof(dir))
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.64s...: the path is too long",
                          o->capture_dir);
    if (o->config_of != NULL)
        config = o->config_of(o->config_user, r, i);
    else if (c.config == NULL)
        config = default_config(a, tempo_model_get_info(tempo_engine_model(r->engine))->n_layers);
    if (config == NULL && (o->config_of != NULL || c.config == NULL))
        return no_memory(err);
    c.config = config != NULL ? config : c.config;
    if (c.shared_bytes == NULL)
        c.shared_bytes = &r->captured;
    const tempo_status st = tempo_capture_create(&a->capture, dir, a->lane.d, &c, err);
    a->lane.capture = a->capture;
    free(config);
    return st;
}

static tempo_status open_captures(tempo_run *r, const tempo_run_options *o, tempo_err *err)
{
    tempo_capture_options c = capture_of(o, 0, r->n_ids);
    tempo_status st = tempo_capture_check_size(tempo_run_estimate(tempo_engine_model(r->engine), o, r->n_ids),
                                               c.max_bytes, err);

    for (size_t i = 0; i < r->n_arms && st == TEMPO_OK; i++)
        if (is_captured(o, i))
            st = open_capture(r, o, i, err);
    return st;
}

static tempo_status open_arm(tempo_run *r, const tempo_run_options *o, size_t i, tempo_err *err)
{
    tempo_arm *a = &r->arms[i];

    a->o = tempo_run_decoding(o, i);
    if ((a->name = strdup(tempo_run_name(o, i))) == NULL)
        return no_memory(err);
    tempo_decode_options linked = a->o;
    linked.edits = a->edits;
    const tempo_status st = tempo_decoder_create(&a->lane.d, r->engine, &linked, r->ids, r->n_ids, err);
    if (st != TEMPO_OK && r->n_arms > 1)
        tempo_err_prefix(err, "arm '%.60s'", a->name);
    return st;
}

static void copy_sinks(tempo_run *r, const tempo_run_options *o)
{
    static const tempo_tap_selection pattern = {.tap = TEMPO_TAP_PATTERN};

    for (size_t i = 0; i < o->n_sinks; i++) {
        tempo_sink *s = &r->sinks[i];
        *s = o->sinks[i];
        if (s->n_taps == 0) {
            s->taps = &pattern;
            s->n_taps = 1;
        }
        if (s->view != NULL)
            tempo_taps_add(&r->taps, s->taps, s->n_taps);
    }
}

static tempo_status fill(tempo_run *r, const tempo_run_options *o, const tempo_run_prompt *p, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    r->o.given = tempo_given_copy(o->given, o->n_given);
    r->ids = malloc(p->n * sizeof(*r->ids));
    r->sinks = calloc(o->n_sinks + 1, sizeof(*r->sinks));
    r->arms = calloc(o->n_arms, sizeof(*r->arms));
    r->scratch = o->sampling.on ? malloc(r->n_vocab * sizeof(*r->scratch)) : NULL;
    if (r->o.given == NULL || r->ids == NULL || r->sinks == NULL || r->arms == NULL ||
        (o->sampling.on && r->scratch == NULL))
        return no_memory(err);
    memcpy(r->ids, p->ids, p->n * sizeof(*r->ids));
    r->n_ids = p->n;
    copy_sinks(r, o);
    r->o.sinks = r->sinks;
    r->n_arms = o->n_arms;
    st = tempo_run_link_edits(r, o, err);
    for (size_t i = 0; i < r->n_arms && st == TEMPO_OK; i++)
        st = open_arm(r, o, i, err);
    if (st == TEMPO_OK && o->capture_dir != NULL)
        st = open_captures(r, o, err);
    r->o.arms = NULL; /* the caller's */
    r->o.capture_dir = NULL;
    r->o.capture = NULL;
    return st;
}

tempo_status tempo_run_create(tempo_run **out, tempo_engine *e, const tempo_run_options *o,
                              const tempo_run_prompt *p, tempo_err *err)
{
    tempo_run_options all;
    tempo_status st;

    *out = NULL;
    if ((st = tempo_run_options_take(&all, o, err)) != TEMPO_OK ||
        (st = tempo_run_check(tempo_engine_model(e), &all, p, err)) != TEMPO_OK)
        return st;
    tempo_run *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return no_memory(err);
    *r = (tempo_run){.engine = e,
                     .o = all,
                     .user = p->user,
                     .n_vocab = tempo_model_get_info(tempo_engine_model(e))->n_vocab,
                     .differences = {SIZE_MAX, 0.0, SIZE_MAX, SIZE_MAX}};
    st = fill(r, &all, p, err);
    for (size_t i = 0; i < all.n_sinks && st == TEMPO_OK; i++)
        if (r->sinks[i].begin != NULL)
            st = r->sinks[i].begin(r->sinks[i].user, r, err);
    if (st != TEMPO_OK) {
        tempo_run_free(r);
        return st;
    }
    *out = r;
    return TEMPO_OK;
}

static void free_arm(tempo_arm *a)
{
    tempo_lane_free(&a->lane);
    tempo_edits_free((tempo_edits *)(uintptr_t)a->edits);
    tempo_edits_free((tempo_edits *)(uintptr_t)a->own_edits);
    free(a->name);
    free(a->all.p);
    free(a->top.p);
    for (size_t i = 0; a->sets != NULL && i < a->n_steps; i++)
        free((void *)(uintptr_t)a->sets[i].members);
    free(a->sets);
}

void tempo_run_free(tempo_run *r)
{
    if (r == NULL)
        return;
    for (size_t i = r->n_arms; i-- > 0;) /* the first made the directory itself */
        tempo_capture_abort(r->arms[i].capture);
    for (size_t i = 0; i < r->n_arms; i++)
        free_arm(&r->arms[i]);
    free(r->arms);
    free((void *)(uintptr_t)r->o.given);
    free(r->sinks);
    free(r->ids);
    free(r->scratch);
    tempo_parting_free(&r->parting);
    free(r);
}

void tempo_run_watch(tempo_run *r, size_t arm)
{
    r->arms[arm].lane.watch = true;
}

void tempo_run_follow(tempo_run *r, const tempo_run *leader)
{
    r->leader = leader;
}

/* ---- what is asked ----------------------------------------------------------------- */

bool tempo_arm_runs(const tempo_arm *a)
{
    return !a->lane.done && tempo_decoder_stopped(a->lane.d) == TEMPO_RUNNING;
}

bool tempo_arm_follows(const tempo_run *r, size_t arm)
{
    return (r->leader != NULL || (r->o.regime == TEMPO_REGIME_LOCKSTEP && arm != r->o.driver)) &&
           r->arms[arm].o.replay == TEMPO_REPLAY_NONE;
}

const tempo_arm *tempo_run_driver(const tempo_run *r)
{
    return r->leader != NULL ? tempo_run_driver(r->leader) : &r->arms[r->o.driver];
}

bool tempo_run_running(const tempo_run *r)
{
    bool any = false;

    for (size_t i = 0; i < r->n_arms; i++)
        any = any || tempo_arm_runs(&r->arms[i]);
    return any;
}

size_t tempo_run_pending(const tempo_run *r, size_t arm)
{
    return tempo_lane_pending(&r->arms[arm].lane);
}

bool tempo_run_interrupted(const tempo_run *r)
{
    return r->interrupted;
}

void tempo_run_stop(tempo_run *r)
{
    for (size_t i = 0; i < r->n_arms; i++)
        r->arms[i].lane.done = true;
}

void tempo_run_end_arm(tempo_run *r, size_t arm)
{
    r->arms[arm].lane.done = true;
}

void *tempo_run_user(const tempo_run *r)
{
    return r->user;
}

const int32_t *tempo_run_ids(const tempo_run *r, size_t *n)
{
    *n = r->n_ids;
    return r->ids;
}

size_t tempo_run_arms(const tempo_run *r)
{
    return r->n_arms;
}

const char *tempo_run_arm_name(const tempo_run *r, size_t arm)
{
    return r->arms[arm].name;
}

const tempo_decoder *tempo_run_decoder(const tempo_run *r, size_t arm)
{
    return r->arms[arm].lane.d;
}

bool tempo_run_arm_read(const tempo_run *r, size_t arm)
{
    return r->arms[arm].read;
}

size_t tempo_run_steps(const tempo_run *r, size_t arm)
{
    return r->arms[arm].n_steps;
}

size_t tempo_run_members(const tempo_run *r, size_t arm)
{
    return r->arms[arm].n_members;
}

const tempo_set *tempo_run_set(const tempo_run *r, size_t arm, size_t step)
{
    const tempo_arm *a = &r->arms[arm];

    return a->sets != NULL && step < a->n_steps ? &a->sets[step] : NULL;
}

uint64_t tempo_run_captured(const tempo_run *r)
{
    uint64_t bytes = r->written;

    for (size_t i = 0; i < r->n_arms; i++)
        bytes += r->arms[i].capture != NULL ? tempo_capture_bytes(r->arms[i].capture) : 0;
    return bytes;
}

tempo_run_differences tempo_run_difference(const tempo_run *r)
{
    return r->differences;
}
