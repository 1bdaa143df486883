/* step.c - a run's step: everybody reads, each takes a set, the sinks hear of it; then the end. */
#include <stdlib.h>
#include <string.h>

#include "run/run.h"
#include "run/sampling.h"

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a step of a run");
}

/* ---- reading ----------------------------------------------------------------------- */

static bool view_arm(void *user, size_t arm, size_t row, const tempo_tap_view *view)
{
    tempo_run *r = user;
    bool on = true;

    for (size_t i = 0; i < r->o.n_sinks && on; i++)
        if (r->sinks[i].view != NULL && tempo_taps_include(r->sinks[i].taps, r->sinks[i].n_taps, view))
            on = r->sinks[i].view(r->sinks[i].user, r, arm, row, view);
    return on;
}

static size_t count_arms(tempo_run *const *runs, size_t n)
{
    size_t arms = 0;

    for (size_t i = 0; i < n; i++)
        arms += runs[i]->n_arms;
    return arms;
}

/* The arms of those runs that this engine runs; lanes: room for all. */
static tempo_status read_with(const tempo_engine *e, tempo_run *const *runs, size_t n, tempo_lane **lanes,
                              const tempo_observer *obs, tempo_err *err)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        tempo_run *r = runs[i];
        for (size_t k = 0; k < r->n_arms && r->engine == e; k++) {
            tempo_lane *l = &r->arms[k].lane;
            l->view = r->taps.n > 0 ? view_arm : NULL;
            l->taps = r->taps.list;
            l->n_taps = r->taps.n;
            l->user = r;
            l->number = k;
            lanes[m++] = l;
        }
    }
    const tempo_status st = tempo_lanes_read(lanes, m, obs, err);
    for (size_t i = 0; i < m; i++) {
        tempo_run *r = lanes[i]->user;
        r->arms[lanes[i]->number].read = !lanes[i]->done && tempo_decoder_is_read(lanes[i]->d);
    }
    return st;
}

tempo_status tempo_runs_read(tempo_run *const *runs, size_t n, const tempo_observer *obs, tempo_err *err)
{
    tempo_lane **lanes = calloc(count_arms(runs, n) + 1, sizeof(*lanes));
    tempo_status st = lanes != NULL ? TEMPO_OK : no_memory(err);

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < runs[i]->n_arms; k++)
            runs[i]->arms[k].read = false;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        size_t k = 0;
        while (runs[k]->engine != runs[i]->engine)
            k++;
        if (k == i) /* the first of its engine */
            st = read_with(runs[i]->engine, runs, n, lanes, obs, err);
    }
    free(lanes);
    return st;
}

tempo_status tempo_runs_prefill(tempo_run *const *runs, size_t n, size_t max_rows, const tempo_observer *obs,
                                tempo_err *err)
{
    tempo_decoder **ds = calloc(count_arms(runs, n) + 1, sizeof(tempo_decoder *));
    size_t m = 0;

    if (ds == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < runs[i]->n_arms; k++)
            if (tempo_arm_runs(&runs[i]->arms[k]))
                ds[m++] = runs[i]->arms[k].lane.d;
    const tempo_status st = tempo_decoders_prefill(ds, m, max_rows, obs, err);
    free(ds);
    return st;
}

size_t tempo_run_prompt_left(const tempo_run *r)
{
    size_t left = 0;

    for (size_t i = 0; i < r->n_arms; i++)
        left += tempo_decoder_prompt_left(r->arms[i].lane.d);
    return left;
}

bool tempo_run_is_read(const tempo_run *r)
{
    bool all = true, any = false;

    for (size_t i = 0; i < r->n_arms; i++) {
        const tempo_arm *a = &r->arms[i];
        const bool is = !a->lane.done && tempo_decoder_is_read(a->lane.d);
        any = any || is;
        all = all && (is || !tempo_arm_runs(a));
    }
    return any && all;
}

/* ---- taking ------------------------------------------------------------------------ */

static tempo_status adopt(tempo_arm *a, const tempo_member *members, size_t n, tempo_err *err)
{
    const tempo_set set = {.threshold = a->o.threshold, .n_reached = n, .n_members = n, .members = members};

    return tempo_decoder_adopt(a->lane.d, &set, err);
}

static tempo_status take_own(tempo_run *r, tempo_arm *a, tempo_err *err)
{
    const double *q = tempo_decoder_distribution(a->lane.d);

    if (!r->o.sampling.on || !(r->o.sampling.temperature > 0.0))
        return tempo_decoder_select(a->lane.d, err);
    const int32_t id = tempo_sample(q, r->n_vocab, &r->o.sampling, a->n_steps, r->scratch);
    const tempo_member one = {id, q[id], -1, 0.0};
    return adopt(a, &one, 1, err);
}

static tempo_status take_set(tempo_run *r, size_t arm, tempo_err *err)
{
    tempo_arm *a = &r->arms[arm];

    if (a->n_steps < r->o.n_given)
        return adopt(a, r->o.given[a->n_steps].members, r->o.given[a->n_steps].n, err);
    if (!tempo_arm_follows(r, arm))
        return take_own(r, a, err);
    return tempo_decoder_adopt(a->lane.d, tempo_decoder_last_set(tempo_run_driver(r)->lane.d), err);
}

/* Who follows ends with its driver. */
static void end_followers(tempo_run *r)
{
    for (size_t i = 0; i < r->n_arms; i++)
        if (tempo_arm_follows(r, i) && !tempo_arm_runs(tempo_run_driver(r)) && tempo_arm_runs(&r->arms[i]))
            r->arms[i].lane.done = true; /* one that has stopped by itself gets its closing pass */
}

static bool keep_set(tempo_arm *a, const tempo_set *set)
{
    tempo_set *sets = realloc(a->sets, (a->n_steps + 1) * sizeof(*sets));
    tempo_member *members = malloc(set->n_members * sizeof(*members));

    if (sets != NULL)
        a->sets = sets;
    if (sets == NULL || members == NULL) {
        free(members);
        return false;
    }
    memcpy(members, set->members, set->n_members * sizeof(*members));
    a->sets[a->n_steps] = *set;
    a->sets[a->n_steps].members = members;
    return true;
}

static tempo_status keep(const tempo_run *r, tempo_arm *a, tempo_err *err)
{
    const tempo_set *set = tempo_decoder_last_set(a->lane.d);

    for (size_t i = 0; i < set->n_members; i++)
        if (!tempo_ids_push(&a->all, set->members[i].id))
            return no_memory(err);
    if (!tempo_ids_push(&a->top, set->members[0].id) || (r->o.keep && !keep_set(a, set)))
        return no_memory(err);
    a->n_steps++;
    a->n_members += set->n_members;
    return a->capture != NULL ? tempo_capture_step(a->capture, err) : TEMPO_OK;
}

/* ---- comparing --------------------------------------------------------------------- */

static bool is_compared(const tempo_run *r, size_t arm)
{
    return r->o.compared == 0 || (r->o.compared >> arm & 1) != 0;
}

static void compare_distributions(tempo_run *r)
{
    tempo_step_relation *x = &r->relation;
    const tempo_arm *first = NULL;
    double one;

    for (size_t i = 0; i < r->n_arms; i++) {
        const tempo_arm *a = &r->arms[i];
        if (!a->read || !is_compared(r, i))
            continue;
        x->n++;
        if (first == NULL) {
            first = a;
        } else if (tempo_distributions_differ(tempo_decoder_distribution(first->lane.d),
                                              tempo_decoder_distribution(a->lane.d), r->n_vocab, &one)) {
            x->same_q = false;
            x->max_abs = one > x->max_abs ? one : x->max_abs;
        }
    }
    if (x->same_q || r->differences.distribution != SIZE_MAX)
        return;
    tempo_parting_distribution(&r->parting, r->step, x->max_abs);
    r->differences.distribution = r->step;
    r->differences.max_abs = x->max_abs;
}

static void compare(tempo_run *r)
{
    const tempo_set *sets[TEMPO_RUN_MAX_ARMS];
    const char *names[TEMPO_RUN_MAX_ARMS];
    size_t n = 0;

    r->relation = (tempo_step_relation){.sets = TEMPO_SETS_EQUAL, .same_q = true};
    for (size_t i = 0; i < r->n_arms; i++) {
        if (!is_compared(r, i))
            continue;
        names[n] = r->arms[i].name;
        sets[n++] = r->arms[i].read ? tempo_decoder_last_set(r->arms[i].lane.d) : NULL;
    }
    if (n < 2)
        return;
    r->relation.sets = tempo_parting_sets(&r->parting, r->step, names, sets, n);
    if (r->parting.set != NULL && r->differences.set == SIZE_MAX)
        r->differences.set = r->step;
    if (r->parting.order != NULL && r->differences.order == SIZE_MAX)
        r->differences.order = r->step;
    compare_distributions(r);
}

/* ---- a step ------------------------------------------------------------------------ */

typedef tempo_status (*telling)(void *user, tempo_run *r, tempo_err *err);

static tempo_status take_all(tempo_run *r, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (int following = 0; following < 2; following++) /* the driver first */
        for (size_t i = 0; i < r->n_arms && st == TEMPO_OK; i++)
            if (r->arms[i].read && tempo_arm_follows(r, i) == (following == 1))
                st = take_set(r, i, err);
    return st;
}

static bool anybody_read(const tempo_run *r)
{
    bool any = false;

    for (size_t i = 0; i < r->n_arms; i++)
        any = any || r->arms[i].read;
    return any;
}

tempo_status tempo_run_take(tempo_run *r, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    if (!anybody_read(r))
        return TEMPO_OK;
    for (size_t i = 0; i < r->o.n_sinks && st == TEMPO_OK; i++)
        if (r->sinks[i].read != NULL)
            st = r->sinks[i].read(r->sinks[i].user, r, err);
    if (st == TEMPO_OK)
        st = take_all(r, err);
    for (size_t i = 0; i < r->n_arms && st == TEMPO_OK; i++)
        if (r->arms[i].read)
            st = keep(r, &r->arms[i], err);
    if (st == TEMPO_OK)
        compare(r);
    for (size_t i = 0; i < r->o.n_sinks && st == TEMPO_OK; i++)
        if (r->sinks[i].step != NULL)
            st = r->sinks[i].step(r->sinks[i].user, r, err);
    r->step++;
    end_followers(r);
    if (st != TEMPO_OK) {
        r->failed = true;
        tempo_run_stop(r);
    }
    return st;
}

tempo_status tempo_runs_step(tempo_run *const *runs, size_t n, const tempo_observer *obs, tempo_err *err)
{
    tempo_status st = tempo_runs_read(runs, n, obs, err);

    if (st != TEMPO_OK)
        return st;
    for (size_t i = 0; i < n; i++) { /* who fails keeps nobody else from taking */
        tempo_err own = {0};
        const tempo_status one = tempo_run_take(runs[i], &own);
        if (one != TEMPO_OK && st == TEMPO_OK) {
            st = one;
            if (err != NULL && err->code == TEMPO_OK)
                *err = own;
        }
    }
    return st;
}

/* ---- the end ----------------------------------------------------------------------- */

static tempo_status close_arm(tempo_run *r, size_t arm, const tempo_observer *obs, tempo_err *err)
{
    tempo_arm *a = &r->arms[arm];
    bool closed;
    tempo_status st = tempo_lane_close(&a->lane, obs, &closed, err);

    if (st == TEMPO_E_STOPPED)
        return st;
    a->closed = true;
    if (st == TEMPO_OK && closed && a->capture != NULL)
        st = tempo_capture_closing(a->capture, err);
    for (size_t i = 0; i < r->o.n_sinks && st == TEMPO_OK && closed; i++)
        if (r->sinks[i].closed != NULL)
            st = r->sinks[i].closed(r->sinks[i].user, r, arm, err);
    return st;
}

tempo_status tempo_runs_close(tempo_run *const *runs, size_t n, const tempo_observer *obs, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < runs[i]->n_arms && st == TEMPO_OK; k++) {
            const tempo_arm *a = &runs[i]->arms[k];
            if (runs[i]->o.closing_pass && !a->closed && !a->lane.done &&
                tempo_decoder_stopped(a->lane.d) != TEMPO_RUNNING)
                st = close_arm(runs[i], k, obs, err);
        }
    return st;
}

static tempo_status commit_captures(tempo_run *r, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->n_arms && st == TEMPO_OK && r->step > 0; i++) {
        tempo_capture *c = r->arms[i].capture;
        r->written += c != NULL ? tempo_capture_bytes(c) : 0;
        r->arms[i].capture = r->arms[i].lane.capture = NULL;
        if (c != NULL)
            st = tempo_capture_commit(c, err);
    }
    for (size_t i = r->n_arms; i-- > 0;) { /* what is left: nothing ran, or one could not be written */
        tempo_capture_abort(r->arms[i].capture);
        r->arms[i].capture = r->arms[i].lane.capture = NULL;
    }
    return st;
}

tempo_status tempo_run_finish(tempo_run *r, bool interrupted, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    if (r->finished)
        return TEMPO_OK;
    r->finished = true;
    r->interrupted = interrupted;
    st = commit_captures(r, err);
    for (size_t i = 0; i < r->o.n_sinks && st == TEMPO_OK; i++)
        if (r->sinks[i].end != NULL)
            st = r->sinks[i].end(r->sinks[i].user, r, err);
    return st;
}

/* Has it come to its end, closing pass included? */
static bool is_whole(const tempo_run *r)
{
    bool whole = !r->failed && !tempo_run_running(r);

    for (size_t i = 0; i < r->n_arms; i++)
        whole = whole && (!r->o.closing_pass || r->arms[i].closed || r->arms[i].lane.done);
    return whole;
}

static bool any_running(tempo_run *const *runs, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++)
        any = any || tempo_run_running(runs[i]);
    return any;
}

tempo_status tempo_runs_all(tempo_run *const *runs, size_t n, const tempo_observer *obs, tempo_err *err)
{
    tempo_status st = TEMPO_OK, ended = TEMPO_OK;

    while (st == TEMPO_OK && any_running(runs, n))
        st = tempo_runs_step(runs, n, obs, err);
    if (st == TEMPO_OK)
        st = tempo_runs_close(runs, n, obs, err);
    for (size_t i = 0; i < n; i++) {
        const bool goes_on = st == TEMPO_E_STOPPED && !runs[i]->failed; /* what there is of it stays */
        tempo_err own = {0};
        if (!is_whole(runs[i]) && !goes_on)
            continue;
        const tempo_status one = tempo_run_finish(runs[i], !is_whole(runs[i]), &own);
        if (one != TEMPO_OK && ended == TEMPO_OK && (st == TEMPO_OK || st == TEMPO_E_STOPPED)) {
            ended = one;
            if (err != NULL)
                *err = own;
        }
    }
    return ended != TEMPO_OK ? ended : st;
}
