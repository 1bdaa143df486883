/* control.c - sets that were never selected, read from forks of one prompt. */
#include "study/control.h"

#include <math.h>
#include <stdlib.h>

#include "metrics/metrics.h"

enum { PASS_ROWS = 256 }; /* rows of one pass, about: no number depends on it */

typedef struct watch {
    const tempo_control_sets *s;
    double sum; /* of shares */
    size_t n;
    bool (*poll)(void *user);
    void *user;
} watch;

/* The set lies at the end of its sequence; rank r of it stands in row r of its m rows. */
static bool add_share(void *user, const tempo_tap_view *v)
{
    watch *w = user;
    const size_t m = w->s->m, begin = v->dims[1] - m;
    const tempo_sight sight = {
        .n_prev = begin, .own = begin + v->row % m, .set_begin = begin, .set_end = v->dims[1]};

    for (uint32_t h = 0; h < v->dims[0]; h++, w->n++)
        w->sum += tempo_sibling_share(v->values + h * v->dims[1], &sight);
    return true;
}

static bool poll_watch(void *user)
{
    const watch *w = user;

    return w->poll == NULL || w->poll(w->user);
}

/* Rows [m] of one set on a fork: member i of ids, but `own` at rank `rank`; only wanted rows are watched. */
static void put_set(const tempo_control_sets *s, tempo_seq *seq, const int32_t *ids, size_t rank, bool all,
                    tempo_row *rows)
{
    const size_t at = s->n_prompt + s->n_before;

    for (size_t i = 0; i < s->m; i++)
        rows[i] = (tempo_row){.seq = seq,
                              .token = i == rank ? s->own[i] : ids[i],
                              .set = (uint32_t)at,
                              .position = (double)at,
                              .mode = TEMPO_VISIBLE,
                              .want = all || i == rank ? TEMPO_WANT_TAPS : 0u};
}

static tempo_status run_prefix(tempo_seq *seq, const tempo_control_sets *s, tempo_engine *e, watch *w,
                               tempo_err *err)
{
    const tempo_observer obs = {.user = w, .poll = poll_watch};
    const size_t n = s->n_prompt + s->n_before;
    tempo_row rows[PASS_ROWS];
    tempo_status st = TEMPO_OK;

    for (size_t at = 0; at < n && st == TEMPO_OK;) {
        size_t k = 0;
        for (; k < PASS_ROWS && at < n; k++, at++)
            rows[k] = (tempo_row){.seq = seq,
                                  .token = at < s->n_prompt ? s->prompt[at] : s->before[at - s->n_prompt],
                                  .set = (uint32_t)at,
                                  .position = (double)at};
        st = tempo_engine_forward(e, rows, k, &obs, err);
    }
    return st;
}

/* Each member among strangers: m forks, as many to a pass as fit.  `own`: the set itself, all of whose rows
 * are watched, on one. */
static tempo_status run_sets(tempo_engine *e, const tempo_seq *prefix, const tempo_control_sets *s, watch *w,
                             bool own, tempo_err *err)
{
    const size_t n = own ? 1 : s->m, most = own || s->m >= PASS_ROWS ? 1 : PASS_ROWS / s->m;
    const tempo_observer obs = {.user = w,
                                .view = add_share,
                                .poll = poll_watch,
                                .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                .n_taps = 1};
    tempo_seq **forks = calloc(most, sizeof(*forks));
    tempo_row *rows = calloc(most * s->m, sizeof(*rows));
    tempo_status st = forks != NULL && rows != NULL
                          ? TEMPO_OK
                          : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the control");

    for (size_t rank = 0; rank < n && st == TEMPO_OK;) {
        size_t k = 0;
        for (; k < most && rank < n && st == TEMPO_OK; k++, rank++)
            if ((st = tempo_seq_fork(&forks[k], prefix, err)) == TEMPO_OK)
                put_set(s, forks[k], own ? s->own : s->strangers, rank, own, rows + k * s->m);
        if (st == TEMPO_OK)
            st = tempo_engine_forward(e, rows, k * s->m, &obs, err);
        while (k > 0) {
            tempo_seq_free(forks[--k]);
            forks[k] = NULL;
        }
    }
    free(rows);
    free(forks);
    return st;
}

tempo_status tempo_control_run(tempo_engine *e, const tempo_control_sets *s, bool (*poll)(void *user),
                               void *user, double *own, double *control, tempo_err *err)
{
    watch siblings = {.s = s, .poll = poll, .user = user}, strangers = siblings;
    tempo_seq *prefix = NULL;
    tempo_status st;

    *own = *control = NAN;
    if (s->m < 2)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a control needs a set of two or more");
    if ((st = tempo_seq_create(&prefix, e, NULL, err)) == TEMPO_OK &&
        (st = tempo_seq_set_edits(prefix, s->edits, s->n_prompt, err)) == TEMPO_OK &&
        (st = run_prefix(prefix, s, e, &siblings, err)) == TEMPO_OK &&
        (st = run_sets(e, prefix, s, &siblings, true, err)) == TEMPO_OK &&
        (st = run_sets(e, prefix, s, &strangers, false, err)) == TEMPO_OK) {
        *own = siblings.sum / (double)siblings.n;
        *control = strangers.sum / (double)strangers.n;
    }
    tempo_seq_free(prefix);
    return st;
}
