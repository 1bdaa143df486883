/* decoder.c - the step loop: read the pending rows, form q, select a set, give it slots.
 *
 * A decoder keeps the rows that are not in its sequence yet (`pending`): the prompt at first, then the
 * members of the last set that got slots.  A step runs the pending rows of all its decoders through the
 * model in one batch; of a long prompt all but the last chunk go before, and decoders with the same
 * prompt share that part through a fork.  */
#include "decode/decode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPT_CHUNK = 128 }; /* rows of a prompt in one pass; no number depends on it */

typedef struct pending_row {
    int32_t token;
    uint32_t set;
    double position;
    double probability; /* of the member; 1 for the prompt */
} pending_row;

struct tempo_decoder {
    tempo_engine *engine;
    tempo_decode_options opt; /* context and readout as the replay has them */
    tempo_seq *seq;
    size_t n_prompt;                       /* n of semantics.md: the doubled token of a replay counted */
    pending_row *pending;                  /* [pending_cap] */
    size_t pending_cap, n_pending, n_done; /* rows [n_done, n_pending) are still to run */
    uint32_t next_set;
    size_t batch_at;       /* of the running batch: where the rows that are read begin */
    size_t batch_rows;     /* and how many rows the decoder has in it */
    size_t n_read;         /* rows that the last step read */
    double *q;             /* [n_vocab] */
    double entropy;        /* of q */
    tempo_choice *choices; /* [choice_cap] */
    size_t choice_cap;
    tempo_member *members; /* [member_cap] */
    size_t member_cap;
    tempo_set set; /* of the last step; n_members = 0 before the first */
    size_t steps;  /* taken */
    bool read;     /* q is there, and no set was chosen by it yet */
    tempo_stopped stopped;
};

/* ---- life ---- */

/* n of semantics.md. */
static size_t prompt_rows(const tempo_decode_options *o, size_t n)
{
    return n + (o->replay == TEMPO_REPLAY_PUBLISHED); /* the last token is fed twice */
}

static tempo_status check_slots(size_t n, size_t max_slots, tempo_err *err)
{
    return n <= max_slots ? TEMPO_OK
                          : tempo_fail_field(err, TEMPO_E_LIMIT, "prompt",
                                             "the prompt is %zu tokens long, max-slots is %zu", n, max_slots);
}

static tempo_seq_options seq_options(const tempo_decode_options *o)
{
    return (tempo_seq_options){.size = sizeof(tempo_seq_options), .kv = o->kv, .max_slots = o->max_slots};
}

static tempo_status check(const tempo_model *m, const tempo_decode_options *o, const int32_t *prompt,
                          size_t n, tempo_err *err)
{
    const tempo_seq_options seq = seq_options(o);
    tempo_status st;

    if ((st = tempo_decode_options_check(o, m->hp.n_layers, err)) != TEMPO_OK ||
        (st = tempo_seq_options_check(&seq, err)) != TEMPO_OK)
        return st;
    if (o->positions == TEMPO_POSITIONS_OFFSET && m->positions != NULL &&
        o->position_offset != floor(o->position_offset))
        return tempo_fail_field(
            err, TEMPO_E_ARG, "position_offset",
            "positions offset is %g: the model has learned positions, a row of its table for "
            "each whole number, expected a whole number",
            o->position_offset);
    if (n == 0)
        return tempo_fail_field(err, TEMPO_E_ARG, "prompt",
                                "the prompt is empty: decoding needs at least one token");
    const size_t total = prompt_rows(o, n);
    if ((st = tempo_edits_check(o->edits, m, total, err)) != TEMPO_OK)
        return st;
    if (total > m->hp.n_ctx)
        return tempo_fail_field(err, TEMPO_E_LIMIT, "prompt",
                                "the prompt is %zu tokens long, the model's context has %u positions", total,
                                m->hp.n_ctx);
    if (o->max_slots != 0 && (st = check_slots(total, o->max_slots, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        if (prompt[i] < 0 || (uint32_t)prompt[i] >= m->hp.n_vocab)
            return tempo_fail_field(err, TEMPO_E_ARG, "prompt",
                                    "prompt token %zu has id %d, the vocabulary has ids 0 to %u", i,
                                    prompt[i], m->hp.n_vocab - 1);
    return TEMPO_OK;
}

tempo_status tempo_decode_check(const tempo_model *m, const tempo_decode_options *o, const int32_t *prompt,
                                size_t n, tempo_err *err)
{
    tempo_decode_options complete;
    const tempo_status st = tempo_decode_options_take(&complete, o, err);

    return st == TEMPO_OK ? check(m, &complete, prompt, n, err) : st;
}

static tempo_status fill_prompt(tempo_decoder *d, const int32_t *prompt, size_t n, tempo_err *err)
{
    const size_t total = d->n_prompt;
    tempo_status st;

    if ((st = check_slots(total, d->seq->max_slots, err)) != TEMPO_OK) /* those that memory allows */
        return st;
    d->pending = malloc(total * sizeof(*d->pending)); /* total <= n_ctx */
    if (d->pending == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a prompt of %zu tokens", total);
    d->pending_cap = d->n_pending = total;
    for (size_t i = 0; i < total; i++)
        d->pending[i] = (pending_row){prompt[i < n ? i : n - 1], (uint32_t)i, (double)i, 1.0};
    d->next_set = (uint32_t)total;
    return TEMPO_OK;
}

static tempo_status decoder_init(tempo_decoder *d, const int32_t *prompt, size_t n, tempo_err *err)
{
    const tempo_seq_options seq = seq_options(&d->opt);
    const size_t n_vocab = d->engine->model->hp.n_vocab;
    tempo_status st;

    if (d->opt.replay != TEMPO_REPLAY_NONE) {
        d->opt.context = TEMPO_CONTEXT_LAST;
        d->opt.readout = TEMPO_READOUT_LAST;
    }
    d->n_prompt = prompt_rows(&d->opt, n);
    if ((st = tempo_seq_create(&d->seq, d->engine, &seq, err)) != TEMPO_OK ||
        (st = tempo_seq_set_edits(d->seq, d->opt.edits, d->n_prompt, err)) != TEMPO_OK ||
        (st = fill_prompt(d, prompt, n, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_engine_take(d->engine, n_vocab * sizeof(*d->q), "a distribution", err)) != TEMPO_OK)
        return st;
    d->q = malloc(n_vocab * sizeof(*d->q));
    if (d->q == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a distribution over %zu tokens",
                          n_vocab);
    return TEMPO_OK;
}

tempo_status tempo_decoder_create(tempo_decoder **out, tempo_engine *e, const tempo_decode_options *o,
                                  const int32_t *prompt, size_t n, tempo_err *err)
{
    tempo_decode_options complete;
    tempo_status st;

    *out = NULL;
    if ((st = tempo_decode_options_take(&complete, o, err)) != TEMPO_OK ||
        (st = check(e->model, &complete, prompt, n, err)) != TEMPO_OK)
        return st;
    tempo_decoder *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a decoder");
    d->engine = e;
    d->opt = complete;
    (void)tempo_edits_hold(complete.edits);
    if ((st = decoder_init(d, prompt, n, err)) != TEMPO_OK) {
        tempo_decoder_free(d);
        return st;
    }
    *out = d;
    return TEMPO_OK;
}

void tempo_decoder_free(tempo_decoder *d)
{
    if (d == NULL)
        return;
    tempo_seq_free(d->seq);
    tempo_edits_free((tempo_edits *)(uintptr_t)d->opt.edits);
    free(d->pending);
    free(d->q);
    free(d->choices);
    free(d->members);
    free(d);
}

/* ---- running the pending rows ---- */

/* The decoder's next k pending rows as batch rows.  The last set's rows, or the prompt's last, are read. */
static void put_rows(const tempo_decoder *d, size_t k, tempo_row *rows)
{
    const bool prompt = d->steps == 0;

    for (size_t i = 0; i < k; i++) {
        const pending_row *p = &d->pending[d->n_done + i];
        const bool read = !prompt || d->n_done + i + 1 == d->n_pending;
        rows[i] = (tempo_row){.seq = d->seq,
                              .token = p->token,
                              .set = p->set,
                              .position = p->position,
                              .mode = d->opt.mode,
                              .first_layer = d->opt.first_visible_layer,
                              .n_layers = d->opt.last_visible_layer == TEMPO_ALL_LAYERS
                                              ? 0
                                              : d->opt.last_visible_layer - d->opt.first_visible_layer + 1,
                              .nudge = d->opt.nudge,
                              .want = read ? TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS : 0u};
    }
}

tempo_reading tempo_decoder_reading(const tempo_decoder *d, size_t slot)
{
    const size_t first = d->seq->n_slots, rows = d->n_pending - d->n_done;

    if (d->steps == 0)
        return (tempo_reading){true, slot + 1 == first + rows, 0, 1, first + rows};
    return (tempo_reading){false, slot >= first && slot < first + rows, slot - first, rows, first + rows};
}

/* Does the observer see all rows of prompts? */
static bool sees_prompts(const tempo_observer *obs)
{
    return obs != NULL && obs->prompts && obs->view != NULL;
}

/* What its rows want in that case: logits too, where they are seen. */
static void show_prompt(tempo_row *rows, size_t n, const tempo_observer *obs)
{
    unsigned want = TEMPO_WANT_TAPS;

    for (size_t i = 0; i < obs->n_taps; i++)
        want |= obs->taps[i].tap == TEMPO_TAP_LOGITS ? TEMPO_WANT_LOGITS : 0u;
    for (size_t i = 0; i < n; i++)
        rows[i].want |= want;
}

/* The observer of a part of a prompt that is not read. */
static tempo_observer observer_of_part(const tempo_observer *obs)
{
    if (obs == NULL || sees_prompts(obs))
        return obs != NULL ? *obs : (tempo_observer){0};
    return (tempo_observer){.user = obs->user, .poll = obs->poll};
}

static bool same_prompt(const tempo_decoder *a, const tempo_decoder *b)
{
    if (b->steps != 0 || a->n_pending != b->n_pending || a->seq->kv != b->seq->kv ||
        a->opt.nudge != b->opt.nudge || a->opt.edits != b->opt.edits)
        return false;
    for (size_t i = 0; i < a->n_pending; i++)
        if (a->pending[i].token != b->pending[i].token)
            return false;
    return true;
}

/* Take over what an earlier decoder of the batch has run of the same prompt. */
static tempo_status share_prompt(tempo_decoder *d, const tempo_decoder *from, tempo_err *err)
{
    tempo_seq *fork;
    tempo_status st = tempo_seq_fork(&fork, from->seq, err);

    if (st != TEMPO_OK)
        return st;
    fork->max_slots = d->seq->max_slots; /* both hold the whole prompt: fill_prompt checked */
    tempo_seq_free(d->seq);
    d->seq = fork;
    d->n_done = from->n_done;
    return TEMPO_OK;
}

static size_t rows_left(const tempo_decoder *d)
{
    return d->n_pending - d->n_done;
}

/* Whether an earlier decoder of the batch runs the same prompt.  This one waits for it, and takes over when
 * it has but its last row to run; *st says whether that worked. */
static bool follows(tempo_decoder *const *ds, size_t i, tempo_status *st, tempo_err *err)
{
    if (ds[i]->n_done != 0)
        return false;
    for (size_t j = 0; j < i; j++)
        if (ds[j]->steps == 0 && same_prompt(ds[j], ds[i])) {
            if (rows_left(ds[j]) == 1 && rows_left(ds[i]) > 1)
                *st = share_prompt(ds[i], ds[j], err);
            return true;
        }
    return false;
}

/* Run a prompt but for its last `rest` rows. */
static tempo_status run_chunks(tempo_decoder *d, size_t rest, const tempo_observer *obs, tempo_err *err)
{
    const tempo_observer part = observer_of_part(obs);
    tempo_row rows[PROMPT_CHUNK];
    tempo_status st = TEMPO_OK;

    while (st == TEMPO_OK && rows_left(d) > rest) {
        const size_t left = rows_left(d) - rest, n = left < PROMPT_CHUNK ? left : PROMPT_CHUNK;
        put_rows(d, n, rows);
        if (sees_prompts(obs))
            show_prompt(rows, n, obs);
        st = tempo_engine_forward(d->engine, rows, n, &part, err);
        if (st == TEMPO_OK)
            d->n_done += n;
    }
    return st;
}

/* Prompts that several decoders share run once, but for the row that each reads; of a long one all but the
 * last chunk goes before the batch. */
static tempo_status run_prompts(tempo_decoder *const *ds, size_t n, const tempo_observer *obs, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        bool shared = false;
        if (ds[i]->steps != 0 || (!sees_prompts(obs) && follows(ds, i, &st, err)))
            continue;
        for (size_t j = i + 1; j < n && !shared && !sees_prompts(obs); j++)
            shared = ds[j]->n_done == 0 && same_prompt(ds[i], ds[j]);
        st = run_chunks(ds[i], shared ? 1 : PROMPT_CHUNK, obs, err);
    }
    return st;
}

/* All that is still pending of ds[n], in one batch.  Each decoder learns where its rows lie. */
static tempo_status run_pending(tempo_decoder *const *ds, size_t n, const tempo_observer *obs, tempo_err *err)
{
    size_t total = 0;
    tempo_status st = run_prompts(ds, n, obs, err);

    if (st != TEMPO_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        total += ds[i]->n_pending - ds[i]->n_done;
    tempo_row *rows = calloc(total, sizeof(*rows)); /* total >= 1: every running decoder has rows to run */
    if (rows == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a batch of %zu rows", total);
    for (size_t i = 0, at = 0; i < n; at += ds[i++]->batch_rows) {
        tempo_decoder *d = ds[i];
        d->batch_at = at;
        d->batch_rows = d->n_pending - d->n_done;
        put_rows(d, d->batch_rows, rows + at);
        if (d->steps == 0 && sees_prompts(obs))
            show_prompt(rows + at, d->batch_rows, obs);
    }
    st = tempo_engine_pass(ds[0]->engine, rows, total, obs, err);
    free(rows);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        tempo_decoder *d = ds[i];
        d->n_read = d->steps == 0 ? 1 : d->batch_rows;
        d->batch_at += d->batch_rows - d->n_read;
        d->n_done = d->n_pending;
    }
    return st;
}

/* Are the logits that were just read numbers?  A decoder answers for its own rows only. */
static tempo_status check_read_rows(const tempo_decoder *d, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < d->n_read && st == TEMPO_OK; i++)
        st = tempo_engine_check_logits(d->engine, d->batch_at + i, err);
    return st;
}

/* ---- one step's result ---- */

/* q from the rows that were just read. */
static tempo_status form_distribution(tempo_decoder *d, tempo_err *err)
{
    const pending_row *read = d->pending + (d->n_pending - d->n_read);
    const float **rows = malloc(d->n_read * sizeof(*rows));
    double *p = malloc(d->n_read * sizeof(*p));
    tempo_status st = check_read_rows(d, err);

    if (st != TEMPO_OK)
        goto out;
    if (rows == NULL || p == NULL) {
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to read %zu rows", d->n_read);
        goto out;
    }
    for (size_t i = 0; i < d->n_read; i++) {
        rows[i] = tempo_decoder_row_logits(d, i);
        p[i] = read[i].probability;
    }
    const tempo_readout_in in = {.rows = rows,
                                 .p = p,
                                 .m = d->n_read,
                                 .n_vocab = d->engine->model->hp.n_vocab,
                                 .how = d->opt.readout,
                                 .temperature = d->opt.temperature,
                                 .kernels = &d->engine->model->kernels,
                                 .pool = d->engine->pool};
    st = tempo_readout_mix(d->q, &d->entropy, &in, err);
out:
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "step %zu", d->steps);
    free(p);
    free(rows);
    return st;
}

static tempo_status grow_members(tempo_decoder *d, size_t n, tempo_err *err)
{
    if (n > d->member_cap) {
        tempo_member *more = realloc(d->members, n * sizeof(*more));
        if (more != NULL) {
            d->members = more;
            d->member_cap = n;
        }
    }
    if (n > d->pending_cap) {
        pending_row *more = realloc(d->pending, n * sizeof(*more));
        if (more != NULL) {
            d->pending = more;
            d->pending_cap = n;
        }
    }
    return n <= d->member_cap && n <= d->pending_cap
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a set of %zu members", n);
}

static tempo_status select_members(tempo_decoder *d, tempo_err *err)
{
    const tempo_model *m = d->engine->model;
    size_t reached;
    tempo_status st;
    const size_t n = tempo_select(d->q, m->hp.n_vocab, d->opt.threshold, d->opt.max_set, &d->choices,
                                  &d->choice_cap, &reached);

    if (n == 0)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a set of %zu members", reached);
    if ((st = grow_members(d, n, err)) != TEMPO_OK)
        return st;
    d->set = (tempo_set){
        .threshold = d->opt.threshold, .n_reached = reached, .capped = reached > n, .n_members = n};
    for (size_t i = 0; i < n; i++)
        d->members[i] = (tempo_member){d->choices[i].id, d->choices[i].probability, -1, 0.0};
    return TEMPO_OK;
}

/* The set that another decoder has selected. */
static tempo_status copy_members(tempo_decoder *d, const tempo_set *set, tempo_err *err)
{
    const uint32_t n_vocab = d->engine->model->hp.n_vocab;
    tempo_status st;

    if (set->n_members == 0)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a set to adopt has no members");
    for (size_t i = 0; i < set->n_members; i++) {
        const tempo_member *m = &set->members[i];
        if (m->id < 0 || (uint32_t)m->id >= n_vocab)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "member %zu has id %d, the vocabulary has ids 0 to %u", i, m->id, n_vocab - 1);
        if (!(m->probability > 0.0 && m->probability <= TEMPO_MOST_PROBABILITY))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "member %zu has probability %g, expected more than 0 and at most 1", i,
                              m->probability);
    }
    if ((st = grow_members(d, set->n_members, err)) != TEMPO_OK)
        return st;
    d->set = (tempo_set){.threshold = set->threshold,
                         .n_reached = set->n_reached,
                         .capped = set->capped,
                         .n_members = set->n_members};
    for (size_t i = 0; i < set->n_members; i++)
        d->members[i] = (tempo_member){set->members[i].id, set->members[i].probability, -1, 0.0};
    return TEMPO_OK;
}

/* Position of the j-th slot (unique), or of the j-th member that gets one. */
static double position_of(const tempo_decoder *d, size_t j)
{
    switch (d->opt.positions) {
    case TEMPO_POSITIONS_UNIQUE: /* the next integer after the last slot's, and on from there */
        return floor(d->seq->slots[d->seq->n_slots - 1].position) + 1.0 + (double)j;
    case TEMPO_POSITIONS_OFFSET:
        return d->set.position + (double)j * d->opt.position_offset;
    case TEMPO_POSITIONS_SHARED:
    default:
        return d->set.position;
    }
}

/* Give members their slots and make them pending.  Returns why that cannot be, or TEMPO_RUNNING. */
static tempo_stopped place_members(tempo_decoder *d)
{
    const size_t n = d->set.n_members, base = d->seq->n_slots;
    const size_t first = d->opt.context == TEMPO_CONTEXT_LAST ? n - 1 : 0;
    const size_t count = d->opt.context == TEMPO_CONTEXT_ALL ? n : 1;

    d->n_pending = d->n_done = 0;
    for (size_t j = 0; j < count; j++)
        if (!(fabs(position_of(d, j)) < d->engine->model->hp.n_ctx))
            return TEMPO_STOPPED_CONTEXT;
    if (count > d->seq->max_slots - base)
        return TEMPO_STOPPED_SLOTS;
    for (size_t j = 0; j < count; j++) {
        const bool descending = d->opt.order == TEMPO_ORDER_DESCENDING;
        const size_t rank = descending ? j : count - 1 - j;
        tempo_member *m = &d->members[first + rank];
        m->slot = (int64_t)(base + j);
        m->position = position_of(d, d->opt.positions == TEMPO_POSITIONS_UNIQUE ? j : rank);
        d->pending[j] = (pending_row){m->id, d->next_set, m->position, m->probability};
    }
    d->n_pending = count;
    d->next_set++;
    return TEMPO_RUNNING;
}

static bool ends(const tempo_decoder *d, int32_t id)
{
    return tempo_decode_options_ends(&d->opt, d->engine->model, id);
}

static tempo_stopped why_stop(const tempo_decoder *d, tempo_stopped placed)
{
    const bool eos = d->opt.stop == TEMPO_STOP_ANY   ? d->set.eos
                     : d->opt.stop == TEMPO_STOP_TOP ? ends(d, d->members[0].id)
                                                     : false;

    if (eos && d->steps >= d->opt.min_steps)
        return TEMPO_STOPPED_EOS;
    if (d->steps >= d->opt.steps)
        return TEMPO_STOPPED_STEPS;
    return placed;
}

/* Give the members that d->set has just got their slots: the end of a step. */
static void finish_step(tempo_decoder *d)
{
    d->set.step = d->steps;
    d->set.position = (double)(d->n_prompt + d->steps);
    d->set.entropy = d->entropy;
    d->set.members = d->members;
    for (size_t i = 0; i < d->set.n_members; i++)
        d->set.eos |= ends(d, d->members[i].id);
    const tempo_stopped placed = place_members(d);
    d->steps++;
    d->stopped = why_stop(d, placed);
    d->read = false;
}

/* ---- public ---- */

tempo_status tempo_decoders_read(tempo_decoder *const *ds, size_t n, const tempo_observer *obs,
                                 tempo_err *err)
{
    tempo_decoder **running = malloc((n + 1) * sizeof(*running));
    tempo_status st = TEMPO_OK;
    size_t m = 0;

    if (running == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a step of %zu decoders", n);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        if (ds[i]->engine != ds[0]->engine)
            st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "decoders of one step must share an engine");
        else if (ds[i]->read)
            st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                            "decoder %zu was read before and has not selected or adopted a set since", i);
        else if (ds[i]->stopped == TEMPO_RUNNING)
            running[m++] = ds[i];
    }
    if (st == TEMPO_OK && m > 0 && (st = run_pending(running, m, obs, err)) == TEMPO_OK) {
        tempo_stage_begin(ds[0]->engine);
        for (size_t i = 0; i < m; i++) {
            const tempo_status own = form_distribution(running[i], st == TEMPO_OK ? err : NULL);
            running[i]->read = own == TEMPO_OK;
            st = st == TEMPO_OK ? own : st;
        }
        tempo_stage_end(ds[0]->engine, TEMPO_STAGE_SELECT, 0);
    }
    free(running);
    return st;
}

bool tempo_decoder_is_read(const tempo_decoder *d)
{
    return d->read;
}

static bool in_prompt(const tempo_decoder *d)
{
    return d->steps == 0 && !d->read;
}

/* Rows that prefill has still to run of ds[n], those of shared prompts counted for each. */
static size_t prefill_left(tempo_decoder *const *ds, size_t n)
{
    size_t left = 0;

    for (size_t i = 0; i < n; i++)
        left += in_prompt(ds[i]) ? rows_left(ds[i]) - 1 : 0;
    return left;
}

/* At most `max` rows of the prompts of ds[n]; returns how many. */
static size_t prefill_rows(tempo_decoder *const *ds, size_t n, size_t max, tempo_row *rows, tempo_status *st,
                           tempo_err *err)
{
    size_t total = 0;

    for (size_t i = 0; i < n && *st == TEMPO_OK; i++) {
        tempo_decoder *d = ds[i];
        d->batch_rows = 0;
        if (!in_prompt(d) || follows(ds, i, st, err))
            continue;
        d->batch_rows = rows_left(d) - 1 < max - total ? rows_left(d) - 1 : max - total;
        put_rows(d, d->batch_rows, rows + total);
        total += d->batch_rows;
    }
    return total;
}

static tempo_status prefill(tempo_decoder *const *ds, size_t n, size_t max, const tempo_observer *obs,
                            tempo_err *err)
{
    const tempo_observer poll = {.user = obs != NULL ? obs->user : NULL,
                                 .poll = obs != NULL ? obs->poll : NULL};
    tempo_row *rows = calloc(max, sizeof(*rows));
    tempo_status st = TEMPO_OK;

    if (rows == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a batch of %zu rows", max);
    const size_t total = prefill_rows(ds, n, max, rows, &st, err);
    if (st == TEMPO_OK && total > 0)
        st = tempo_engine_forward(ds[0]->engine, rows, total, &poll, err);
    free(rows);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        ds[i]->n_done += in_prompt(ds[i]) ? ds[i]->batch_rows : 0;
        if (in_prompt(ds[i]))
            (void)follows(ds, i, &st, err);
    }
    return st;
}

tempo_status tempo_decoders_prefill(tempo_decoder *const *ds, size_t n, size_t max_rows,
                                    const tempo_observer *obs, tempo_err *err)
{
    const size_t left = prefill_left(ds, n), max = max_rows < left ? max_rows : left;

    for (size_t i = 0; i < n; i++)
        if (ds[i]->engine != ds[0]->engine)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "decoders of one pass must share an engine");
    return max == 0 ? TEMPO_OK : prefill(ds, n, max, obs, err);
}

size_t tempo_decoder_prompt_left(const tempo_decoder *d)
{
    return in_prompt(d) ? rows_left(d) : 0;
}

static tempo_status check_read(const tempo_decoder *d, tempo_err *err)
{
    return d->read
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                            "a set can be chosen once after each read of the decoder, this one was not read");
}

tempo_status tempo_decoder_select(tempo_decoder *d, tempo_err *err)
{
    tempo_status st;

    tempo_stage_begin(d->engine);
    if ((st = check_read(d, err)) != TEMPO_OK || (st = select_members(d, err)) != TEMPO_OK)
        return st;
    finish_step(d);
    tempo_stage_end(d->engine, TEMPO_STAGE_SELECT, 0);
    return TEMPO_OK;
}

tempo_status tempo_decoder_adopt(tempo_decoder *d, const tempo_set *set, tempo_err *err)
{
    tempo_status st;

    if ((st = check_read(d, err)) != TEMPO_OK || (st = copy_members(d, set, err)) != TEMPO_OK)
        return st;
    finish_step(d);
    return TEMPO_OK;
}

tempo_status tempo_decoders_step(tempo_decoder *const *ds, size_t n, const tempo_observer *obs,
                                 tempo_err *err)
{
    tempo_status st = tempo_decoders_read(ds, n, obs, err);

    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        if (ds[i]->read)
            st = tempo_decoder_select(ds[i], err);
    return st;
}

tempo_status tempo_decoder_close_pass(tempo_decoder *d, const tempo_observer *obs, tempo_err *err)
{
    tempo_decoder *const ds[] = {d};

    if (d->stopped == TEMPO_RUNNING)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "the closing pass is for a decoder that has stopped");
    if (d->n_done == d->n_pending)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "the last set has no slots, or was closed before");
    const tempo_status st = run_pending(ds, 1, obs, err);
    return st == TEMPO_OK ? check_read_rows(d, err) : st;
}

const tempo_set *tempo_decoder_last_set(const tempo_decoder *d)
{
    return d->steps == 0 ? NULL : &d->set;
}
tempo_stopped tempo_decoder_stopped(const tempo_decoder *d)
{
    return d->stopped;
}
const double *tempo_decoder_distribution(const tempo_decoder *d)
{
    return d->steps == 0 && !d->read ? NULL : d->q;
}
size_t tempo_decoder_row_count(const tempo_decoder *d)
{
    return d->n_read;
}
tempo_engine *tempo_decoder_engine(const tempo_decoder *d)
{
    return d->engine;
}
const tempo_seq *tempo_decoder_seq(const tempo_decoder *d)
{
    return d->seq;
}

const float *tempo_decoder_row_logits(const tempo_decoder *d, size_t i)
{
    return i < d->n_read ? tempo_engine_logits(d->engine, d->batch_at + i) : NULL;
}
