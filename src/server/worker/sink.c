/* sink.c - what the run of a job tells becomes the job's events. */
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"
#include "server/worker/parts.h"

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an event");
}

/* ---- slots ------------------------------------------------------------------------- */

static tempo_status add_slots(tempo_job *j, tempo_job_arm_state *a, const tempo_slot *slots, size_t n,
                              tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    tempo_worker_lock(j->w);
    if (a->n_slots + n > a->slot_cap) {
        const size_t cap = (a->n_slots + n) * 2;
        tempo_slot *more = realloc(a->slots, cap * sizeof(*more));
        if (more == NULL) {
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu slots", cap);
        } else {
            a->slots = more;
            a->slot_cap = cap;
        }
    }
    if (st == TEMPO_OK) {
        memcpy(a->slots + a->n_slots, slots, n * sizeof(*slots));
        a->n_slots += n;
    }
    tempo_worker_unlock(j->w);
    return st;
}

static tempo_status add_prompt(tempo_job *j, size_t arm, tempo_err *err)
{
    const bool twice = j->o.arms[arm].decoding.replay == TEMPO_REPLAY_PUBLISHED; /* its last token runs */
    const size_t n = j->o.n_prompt + twice;
    tempo_slot *slots = malloc(n * sizeof(*slots));

    if (slots == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu slots", n);
    for (size_t i = 0; i < n; i++)
        slots[i] =
            (tempo_slot){j->o.prompt[i < j->o.n_prompt ? i : j->o.n_prompt - 1], (uint32_t)i, (double)i};
    const tempo_status st = add_slots(j, &j->arms[arm], slots, n, err);
    free(slots);
    return st;
}

/* The members of a set that have slots. */
static tempo_status add_set(tempo_job *j, tempo_job_arm_state *a, const tempo_set *set, tempo_err *err)
{
    const uint32_t number = a->slots[a->n_slots - 1].set + 1;
    tempo_slot *slots = malloc(set->n_members * sizeof(*slots));
    size_t n = 0;

    if (slots == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a set of %zu members",
                          set->n_members);
    for (size_t i = 0; i < set->n_members; i++) {
        const tempo_member *m = &set->members[i];
        if (m->slot >= 0) { /* those with slots have them one behind the other */
            slots[(size_t)m->slot - a->n_slots] = (tempo_slot){m->id, number, m->position};
            n++;
        }
    }
    const tempo_status st = add_slots(j, a, slots, n, err);
    free(slots);
    return st;
}

tempo_slot *tempo_job_slots(tempo_job *j, size_t arm, size_t *n)
{
    tempo_slot *copy = NULL;

    *n = 0;
    if (arm >= j->o.n_arms)
        return NULL;
    tempo_worker_lock(j->w);
    const tempo_job_arm_state *a = &j->arms[arm];
    if (a->n_slots > 0 && (copy = malloc(a->n_slots * sizeof(*copy))) != NULL) {
        memcpy(copy, a->slots, a->n_slots * sizeof(*copy));
        *n = a->n_slots;
    }
    tempo_worker_unlock(j->w);
    return copy;
}

/* ---- attention --------------------------------------------------------------------- */

static bool hear_view(void *user, tempo_run *r, size_t arm, size_t row, const tempo_tap_view *view)
{
    tempo_job *j = user;

    (void)r;
    tempo_watch_view(&j->arms[arm].watch, row, view);
    return true;
}

static tempo_status tell_attention(tempo_job *j, size_t arm, bool closing, tempo_err *err)
{
    tempo_event_box *attention;

    if (tempo_watch_end(j, arm, closing, &attention) != TEMPO_OK)
        return no_memory(err);
    if (attention != NULL)
        tempo_job_push(j, attention);
    return TEMPO_OK;
}

tempo_status tempo_job_ready(tempo_job *j, tempo_err *err)
{
    for (size_t i = 0; i < j->o.n_arms; i++)
        if (tempo_arm_runs(&j->run->arms[i]) && tempo_watch_begin(j, i) != TEMPO_OK)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the attention of a step");
    return TEMPO_OK;
}

/* ---- sets -------------------------------------------------------------------------- */

/* Of the token that the set's first member is, by what the step read. */
static void score_set(const tempo_worker *w, const tempo_decoder *d, size_t top, tempo_token_score *scores)
{
    if (tempo_decoder_row_count(d) == 1)
        tempo_score_row(tempo_decoder_row_logits(d, 0), w->n_vocab, w->scratch);
    else
        tempo_score_mixture(tempo_decoder_distribution(d), w->n_vocab, w->scratch);
    (void)tempo_score_token(w->scratch, w->n_vocab, tempo_decoder_last_set(d)->members[0].id, top, w->ids,
                            scores);
}

static size_t at_most(size_t n, size_t limit)
{
    return n < limit ? n : limit;
}

static tempo_event_box *make_set_event(const tempo_job *j, const tempo_decoder *d, size_t arm)
{
    const tempo_worker *w = j->w;
    const tempo_set *set = tempo_decoder_last_set(d);
    const double *q = tempo_decoder_distribution(d);
    const size_t step = tempo_run_steps(j->run, arm) - 1;
    const tempo_event_room room = {.members = set->n_members,
                                   .scores = j->o.want_scores ? 1 + at_most(j->o.top_scores, w->n_vocab) : 0,
                                   .next = step == j->o.n_given ? at_most(j->o.top_next, w->n_vocab) : 0};
    tempo_event_arrays a;
    tempo_event_box *b = tempo_event_make(TEMPO_EVENT_SET, &room, &a);

    if (b == NULL)
        return NULL;
    memcpy(a.members, set->members, set->n_members * sizeof(*a.members));
    b->event.set = *set;
    b->event.set.members = a.members;
    b->event.arm = arm;
    b->event.step = step;
    b->event.given = step < j->o.n_given;
    b->event.stopped = tempo_decoder_stopped(d);
    if (room.scores > 0)
        score_set(w, d, j->o.top_scores, a.scores);
    (void)tempo_top_k(q, w->n_vocab, room.next, w->ids);
    for (size_t i = 0; i < room.next; i++)
        a.next[i] = (tempo_member){w->ids[i], q[w->ids[i]], -1, 0.0};
    return b;
}

static tempo_status tell_set(tempo_job *j, size_t arm, tempo_err *err)
{
    const tempo_decoder *d = tempo_run_decoder(j->run, arm);
    const tempo_set *set = tempo_decoder_last_set(d);
    tempo_status st = tell_attention(j, arm, false, err);

    if (st != TEMPO_OK)
        return st;
    tempo_event_box *b = make_set_event(j, d, arm);
    if (b == NULL)
        return no_memory(err);
    if ((st = add_set(j, &j->arms[arm], set, err)) != TEMPO_OK) {
        tempo_event_free(&b->event);
        return st;
    }
    j->w->rows += set->step > 0 ? tempo_decoder_row_count(d) : 0; /* else it is one of the prompt's */
    j->w->tokens += set->n_members;
    if (!(j->first_set > 0))
        j->first_set = tempo_worker_now();
    tempo_job_push(j, b); /* the slots are there before who labels them hears of it */
    return TEMPO_OK;
}

/* ---- comparisons ------------------------------------------------------------------- */

static tempo_status tell_comparison(tempo_job *j, tempo_err *err)
{
    const tempo_run *r = j->run;
    const double *p = NULL;
    const tempo_set *sets[TEMPO_JOB_MAX_ARMS];
    const char *names[TEMPO_JOB_MAX_ARMS];
    tempo_event_arrays none;
    size_t n = 0;

    if (r->relation.n < 2)
        return TEMPO_OK;
    tempo_event_box *b = tempo_event_make(TEMPO_EVENT_COMPARE, &(tempo_event_room){0}, &none);
    if (b == NULL)
        return no_memory(err);
    tempo_job_comparison *c = &b->event.compare;
    for (size_t i = 0; i < r->n_arms; i++) {
        const tempo_decoder *d = tempo_run_decoder(r, i);
        if (!tempo_run_arm_read(r, i))
            continue;
        const double *q = tempo_decoder_distribution(d);
        c->arm[n] = i;
        c->kl[n] = p == NULL ? 0.0 : tempo_kl(p, q, j->w->n_vocab);
        c->tv[n] = p == NULL ? 0.0 : tempo_tv(p, q, j->w->n_vocab);
        p = p == NULL ? q : p;
        names[n] = tempo_run_arm_name(r, i);
        sets[n++] = tempo_decoder_last_set(d);
    }
    c->of = r->relation;
    c->only = tempo_json_only(names, sets, n);
    b->event.step = r->step;
    tempo_job_push(j, b);
    return TEMPO_OK;
}

static tempo_status hear_step(void *user, tempo_run *r, tempo_err *err)
{
    tempo_job *j = user;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->n_arms && st == TEMPO_OK; i++)
        if (tempo_run_arm_read(r, i))
            st = tell_set(j, i, err);
    return st == TEMPO_OK ? tell_comparison(j, err) : st;
}

/* ---- the beginning and the end ----------------------------------------------------- */

static tempo_status hear_closed(void *user, tempo_run *r, size_t arm, tempo_err *err)
{
    tempo_job *j = user;

    tempo_worker_count_pass(j->w, tempo_run_pending(r, arm), 0, 0);
    return tell_attention(j, arm, true, err);
}

tempo_status tempo_job_close_arms(tempo_job *j, tempo_err *err)
{
    if (j->recording == NULL)
        return TEMPO_OK;
    for (size_t i = 0; i < j->run->n_arms; i++)
        if (!tempo_arm_runs(&j->run->arms[i]) && !j->run->arms[i].closed && tempo_run_steps(j->run, i) > 0 &&
            tempo_run_pending(j->run, i) > 0 && tempo_watch_begin(j, i) != TEMPO_OK)
            return no_memory(err);
    j->w->began = tempo_worker_now();
    return tempo_runs_close(&j->run, 1, NULL, err);
}

void tempo_job_run_options(const tempo_job_options *j, tempo_run_arm arms[TEMPO_JOB_MAX_ARMS],
                           tempo_run_options *o)
{
    tempo_run_options_init(o);
    for (size_t i = 0; i < j->n_arms; i++)
        arms[i] = (tempo_run_arm){j->arms[i].name[0] != '\0' ? j->arms[i].name : NULL, &j->arms[i].decoding};
    o->arms = arms;
    o->n_arms = j->n_arms;
    o->given = j->given;
    o->n_given = j->n_given;
    o->sampling = j->sampling;
    o->closing_pass = j->record;
}

tempo_status tempo_job_begin(tempo_job *j, tempo_err *err)
{
    const bool attention = j->recording != NULL || j->o.want_attention;
    const tempo_run_prompt prompt = {.ids = j->o.prompt, .n = j->o.n_prompt};
    const tempo_sink sink = {
        .user = j, .view = attention ? hear_view : NULL, .step = hear_step, .closed = hear_closed};
    tempo_run_arm arms[TEMPO_JOB_MAX_ARMS];
    tempo_run_options o;
    tempo_status st = TEMPO_OK;

    j->started = tempo_worker_now();
    if (j->o.score_prompt)
        st = tempo_seq_create(&j->scored, j->w->engine, NULL, err);
    if (st != TEMPO_OK || j->o.n_arms == 0)
        return st;
    tempo_job_run_options(&j->o, arms, &o);
    o.sinks = &sink;
    o.n_sinks = 1;
    st = tempo_run_create(&j->run, j->w->engine, &o, &prompt, err);
    for (size_t i = 0; i < j->o.n_arms && st == TEMPO_OK; i++)
        st = add_prompt(j, i, err);
    return st;
}
