/* step.c - what one job does on the worker's thread: begin, score its prompt, choose sets, compare,
 * close. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "run/sampling.h"
#include "server/worker/parts.h"
#include "metrics/metrics.h"

enum { SCORE_CHUNK = 32 }; /* prompt rows with logits in one pass: 16 MB for a vocabulary of 128 Ki */

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an event");
}

/* ---- begin ------------------------------------------------------------------------- */

tempo_status tempo_job_begin(tempo_job *j, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    j->started = tempo_worker_now();
    if (j->o.score_prompt)
        st = tempo_seq_create(&j->scored, j->w->engine, NULL, err);
    for (size_t i = 0; i < j->o.n_arms && st == TEMPO_OK; i++) {
        const tempo_decode_options *o = &j->o.arms[i].decoding;
        st = tempo_decoder_create(&j->lanes[i].d, j->w->engine, o, j->o.prompt, j->o.n_prompt, err);
        if (st == TEMPO_OK)
            st = tempo_lane_prompt(j, &j->lanes[i], o, err);
    }
    return st;
}

/* ---- scores ------------------------------------------------------------------------ */

static tempo_status push_prompt_score(tempo_job *j, size_t i, const float *logits, tempo_err *err)
{
    tempo_worker *w = j->w;
    const size_t top = j->o.want_scores ? j->o.top_scores : 0;
    const tempo_event_room room = {.scores = 1 + (top < w->n_vocab ? top : w->n_vocab)};
    tempo_event_arrays a;
    tempo_event_box *b = tempo_event_make(TEMPO_EVENT_PROMPT, &room, &a);

    if (b == NULL)
        return no_memory(err);
    tempo_score_row(logits, w->n_vocab, w->scratch);
    (void)tempo_score_token(w->scratch, w->n_vocab, j->o.prompt[i], top, w->ids, a.scores);
    b->event.step = i;
    tempo_job_push(j, b);
    return TEMPO_OK;
}

tempo_status tempo_job_score(tempo_job *j, const tempo_observer *obs, tempo_err *err)
{
    tempo_row rows[SCORE_CHUNK];
    const size_t left = j->o.n_prompt - 1 - j->n_scored, n = left < SCORE_CHUNK ? left : SCORE_CHUNK;
    const double begin = tempo_worker_now();
    tempo_status st;

    for (size_t i = 0; i < n; i++) {
        const size_t at = j->n_scored + i;
        rows[i] = (tempo_row){.seq = j->scored,
                              .token = j->o.prompt[at],
                              .set = (uint32_t)at,
                              .position = (double)at,
                              .last_layer = TEMPO_ALL_LAYERS,
                              .want = TEMPO_WANT_LOGITS};
    }
    if ((st = tempo_engine_forward(j->w->engine, rows, n, obs, err)) != TEMPO_OK)
        return st;
    tempo_worker_count_pass(j->w, n, n, 0, tempo_worker_now() - begin);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = push_prompt_score(j, j->n_scored + i + 1, tempo_engine_logits(j->w->engine, i), err);
    j->n_scored += n;
    return st;
}

/* Of the token that the set's first member is, by what the lane's step read. */
static void score_set(const tempo_worker *w, const tempo_job_lane *l, const tempo_set *set, size_t top,
                      tempo_score *scores)
{
    if (tempo_decoder_row_count(l->d) == 1)
        tempo_score_row(tempo_decoder_row_logits(l->d, 0), w->n_vocab, w->scratch);
    else
        tempo_score_mixture(tempo_decoder_distribution(l->d), w->n_vocab, w->scratch);
    (void)tempo_score_token(w->scratch, w->n_vocab, set->members[0].id, top, w->ids, scores);
}

/* ---- sets -------------------------------------------------------------------------- */

static tempo_status choose_set(tempo_job *j, tempo_job_lane *l, const tempo_decode_options *o, tempo_err *err)
{
    const double *q = tempo_decoder_distribution(l->d);

    if (l->step < j->o.n_given) {
        const tempo_given_set *g = &j->o.given[l->step];
        const tempo_set set = {
            .threshold = o->threshold, .n_reached = g->n, .n_members = g->n, .members = g->members};
        return tempo_decoder_adopt(l->d, &set, err);
    }
    if (!j->o.sampling.on || !(j->o.sampling.temperature > 0.0))
        return tempo_decoder_select(l->d, err);
    const int32_t id = tempo_sample(q, j->w->n_vocab, &j->o.sampling, l->step, j->w->scratch);
    const tempo_member one = {id, q[id], -1, 0.0};
    const tempo_set set = {.threshold = o->threshold, .n_reached = 1, .n_members = 1, .members = &one};
    return tempo_decoder_adopt(l->d, &set, err);
}

static size_t at_most(size_t n, size_t limit)
{
    return n < limit ? n : limit;
}

static tempo_event_box *make_set_event(const tempo_job *j, const tempo_job_lane *l, size_t arm)
{
    const tempo_worker *w = j->w;
    const tempo_set *set = tempo_decoder_last_set(l->d);
    const double *q = tempo_decoder_distribution(l->d);
    const bool next = l->step == j->o.n_given;
    const tempo_event_room room = {.members = set->n_members,
                                   .scores = j->o.want_scores ? 1 + at_most(j->o.top_scores, w->n_vocab) : 0,
                                   .next = next ? at_most(j->o.top_next, w->n_vocab) : 0};
    tempo_event_arrays a;
    tempo_event_box *b = tempo_event_make(TEMPO_EVENT_SET, &room, &a);

    if (b == NULL)
        return NULL;
    memcpy(a.members, set->members, set->n_members * sizeof(*a.members));
    b->event.set = *set;
    b->event.set.members = a.members;
    b->event.arm = arm;
    b->event.step = l->step;
    b->event.given = l->step < j->o.n_given;
    b->event.stopped = tempo_decoder_stopped(l->d);
    if (room.scores > 0)
        score_set(w, l, set, j->o.top_scores, a.scores);
    (void)tempo_best_tokens(q, w->n_vocab, room.next, w->ids);
    for (size_t i = 0; i < room.next; i++)
        a.next[i] = (tempo_member){w->ids[i], q[w->ids[i]], -1, 0.0};
    return b;
}

static tempo_status choose_lane(tempo_job *j, tempo_job_lane *l, size_t arm, tempo_err *err)
{
    tempo_event_box *attention;
    tempo_status st;

    if (tempo_watch_end(l, arm, j, l->step, false, &attention) != TEMPO_OK)
        return no_memory(err);
    if (attention != NULL)
        tempo_job_push(j, attention);
    if ((st = choose_set(j, l, &j->o.arms[arm].decoding, err)) != TEMPO_OK)
        return st;
    tempo_event_box *b = make_set_event(j, l, arm);
    if (b == NULL)
        return no_memory(err);
    if ((st = tempo_lane_set(j, l, tempo_decoder_last_set(l->d), err)) != TEMPO_OK) {
        free(b);
        return st;
    }
    l->took = true;
    l->step++;
    if (!(j->first_set > 0))
        j->first_set = tempo_worker_now();
    tempo_job_push(j, b); /* the slots are there before who labels them hears of it */
    return TEMPO_OK;
}

/* ---- comparisons ------------------------------------------------------------------- */

static void compare_pair(tempo_job_comparison *c, const tempo_job_lane *first, const tempo_job_lane *l,
                         size_t n_vocab)
{
    const tempo_relation sets =
        tempo_relate_sets(tempo_decoder_last_set(first->d), tempo_decoder_last_set(l->d));
    double largest;

    c->sets = sets > c->sets ? sets : c->sets;
    if (tempo_distributions_differ(tempo_decoder_distribution(first->d), tempo_decoder_distribution(l->d),
                                   n_vocab, &largest)) {
        c->same_q = false;
        c->max_abs = largest > c->max_abs ? largest : c->max_abs;
    }
}

static tempo_status compare_lanes(tempo_job *j, tempo_err *err)
{
    const size_t n_vocab = j->w->n_vocab;
    tempo_job_comparison c = {.same_q = true};
    const tempo_job_lane *first = NULL;
    tempo_event_arrays none;

    for (size_t i = 0; i < j->o.n_arms; i++) {
        const tempo_job_lane *l = &j->lanes[i];
        if (!l->took)
            continue;
        first = first == NULL ? l : first;
        const double *p = tempo_decoder_distribution(first->d), *q = tempo_decoder_distribution(l->d);
        c.arm[c.n] = i;
        c.kl[c.n] = first == l ? 0.0 : tempo_kl(p, q, n_vocab);
        c.tv[c.n] = first == l ? 0.0 : tempo_tv(p, q, n_vocab);
        compare_pair(&c, first, l, n_vocab);
        c.n++;
    }
    if (c.n < j->o.n_arms)
        c.sets = TEMPO_SETS_DIFFERENT;
    if (c.n < 2)
        return TEMPO_OK;
    tempo_event_box *b = tempo_event_make(TEMPO_EVENT_COMPARE, &(tempo_event_room){0}, &none);
    if (b == NULL)
        return no_memory(err);
    b->event.step = first->step - 1;
    b->event.compare = c;
    tempo_job_push(j, b);
    return TEMPO_OK;
}

tempo_status tempo_job_choose(tempo_job *j, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < j->o.n_arms && st == TEMPO_OK; i++) {
        j->lanes[i].took = false;
        if (j->lanes[i].in_pass)
            st = choose_lane(j, &j->lanes[i], i, err);
    }
    return st == TEMPO_OK ? compare_lanes(j, err) : st;
}

/* ---- the closing pass -------------------------------------------------------------- */

static bool see_view(void *user, const tempo_attention_view *view)
{
    tempo_watch_view(user, view);
    return true;
}

static tempo_status close_lane(tempo_job *j, tempo_job_lane *l, size_t arm, tempo_err *err)
{
    const tempo_observer obs = {.user = &l->watch, .attention = see_view};
    const double begin = tempo_worker_now();
    tempo_event_box *attention;
    tempo_status st;

    if (tempo_watch_begin(l, j) != TEMPO_OK)
        return no_memory(err);
    if ((st = tempo_decoder_close_pass(l->d, &obs, err)) != TEMPO_OK)
        return st;
    tempo_worker_count_pass(j->w, l->n_rows, 0, 0, tempo_worker_now() - begin);
    if (tempo_watch_end(l, arm, j, l->step, true, &attention) != TEMPO_OK)
        return no_memory(err);
    if (attention != NULL)
        tempo_job_push(j, attention);
    return TEMPO_OK;
}

tempo_status tempo_job_close_lanes(tempo_job *j, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < j->o.n_arms && st == TEMPO_OK; i++) {
        tempo_job_lane *l = &j->lanes[i];
        if (l->ended || tempo_decoder_stopped(l->d) == TEMPO_RUNNING)
            continue;
        l->ended = true;
        if (j->recording != NULL && l->n_rows > 0)
            st = close_lane(j, l, i, err);
    }
    return st;
}
