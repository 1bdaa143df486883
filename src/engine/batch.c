/* batch.c - from the caller's rows to a checked plan, and the append that ends a pass.
 *
 * Checking everything before anything is written is what makes a failed pass leave no trace.  */
#include "engine/pass.h"

#include <math.h>
#include <string.h>

void tempo_row_init(tempo_row *row)
{
    memset(row, 0, sizeof(*row));
}

static tempo_status bad_row(tempo_err *err, tempo_status code, size_t i, const char *what, double got,
                            double limit)
{
    return tempo_fail(err, code, TEMPO_NO_OFFSET, "row %zu: %s %.17g, limit %.17g", i, what, got, limit);
}

/* What can be said of a row by itself. */
static tempo_status check_row(const tempo_engine *e, const tempo_row *r, size_t i, tempo_err *err)
{
    const tempo_hparams *hp = &e->model->hp;

    if (r->seq == NULL || r->seq->engine != e)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "row %zu: its sequence is not of this engine",
                          i);
    if (r->token < 0 || (uint32_t)r->token >= hp->n_vocab)
        return bad_row(err, TEMPO_E_ARG, i, "token id out of range:", r->token, (double)hp->n_vocab - 1);
    if (!isfinite(r->position))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "row %zu: position is not a finite number", i);
    if (e->model->positions != NULL && (r->position != floor(r->position) || r->position < 0))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "row %zu: position %.10g: the model has learned positions: whole numbers from 0 on",
                          i, r->position);
    if (fabs(r->position) >= hp->n_ctx)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "row %zu: position %.10g is beyond the model's context of %u positions", i,
                          r->position, hp->n_ctx);
    if (tempo_mode_name(r->mode) == NULL)
        return bad_row(err, TEMPO_E_ARG, i, "unknown mode", (double)r->mode, TEMPO_CAUSAL);
    if (r->first_layer >= hp->n_layers)
        return bad_row(err, TEMPO_E_ARG, i, "first visible layer", r->first_layer, (double)hp->n_layers - 1);
    if (r->n_layers > hp->n_layers - r->first_layer)
        return bad_row(err, TEMPO_E_ARG, i, "visible layers from the first on:", r->n_layers,
                       (double)hp->n_layers - r->first_layer);
    return TEMPO_OK;
}

/* Rows of one sequence stand together and its set numbers rise one by one. */
static tempo_status check_order(const tempo_engine *e, const tempo_row *rows, size_t i, tempo_err *err)
{
    const tempo_row *r = &rows[i];
    const bool first = i == 0 || rows[i - 1].seq != r->seq;

    if (first && r->seq->batch == e->batch)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "row %zu: the rows of its sequence do not stand together", i);
    const uint64_t want = first ? r->seq->next_set : (uint64_t)rows[i - 1].set + 1;
    if (r->set != want && (first || r->set != rows[i - 1].set))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "row %zu: set %u, expected %llu%s", i, r->set,
                          (unsigned long long)want, first ? "" : " or its predecessor's");
    r->seq->batch = e->batch;
    return TEMPO_OK;
}

/* Where row i begins, and where its sequence has keys and values for it. */
static tempo_status check_start(const tempo_engine *e, const tempo_row *rows, const tempo_start *starts,
                                size_t i, tempo_err *err)
{
    const uint32_t n_layers = e->model->hp.n_layers, layer = starts != NULL ? starts[i].layer : 0;
    const tempo_seq *s = rows[i].seq;

    if (s->closed)
        return tempo_fail(
            err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
            "row %zu: its sequence lacks keys and values of some layers: rows have passed them by", i);
    if (layer < s->first_layer)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "row %zu: it begins in layer %u, its sequence has keys and values from layer %u on",
                          i, layer, s->first_layer);
    if (starts == NULL)
        return TEMPO_OK;
    if (layer > n_layers || (layer > 0 && starts[i].resid == NULL))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "row %zu: it begins in layer %u of %u without a residual stream", i, layer,
                          n_layers);
    if (i > 0 && (layer < starts[i - 1].layer || (s == rows[i - 1].seq && layer != starts[i - 1].layer)))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "row %zu: it begins in layer %u, the row before it in %u", i, layer,
                          starts[i - 1].layer);
    return TEMPO_OK;
}

static tempo_status check_taps(const tempo_engine *e, const tempo_observer *obs, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; tempo_sees(obs) && i < obs->n_taps && st == TEMPO_OK; i++)
        st = tempo_tap_check(&obs->taps[i], e->model, err);
    return st;
}

static size_t max2(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Does the row need room for its scores or pattern by slot: it shows them, or shares them with one that does?
 */
static bool needs_weights(const tempo_row *r, uint64_t shown)
{
    const bool arms = r->seq->edits != NULL && r->seq->edits->arms_by_slot;

    return (shown & TEMPO_TAPS_BY_SLOT) != 0 && ((r->want & TEMPO_WANT_TAPS) != 0 || arms);
}

/* shown: the taps that are, of rows that want it. */
static tempo_status check_rows(tempo_engine *e, const tempo_row *rows, const tempo_start *starts, size_t n,
                               uint64_t shown, tempo_batch_size *size, tempo_err *err)
{
    tempo_status st;

    *size = (tempo_batch_size){.rows = n};
    e->batch++;
    for (size_t i = 0, first = 0; i < n; i++) {
        if ((st = check_row(e, &rows[i], i, err)) != TEMPO_OK ||
            (st = check_order(e, rows, i, err)) != TEMPO_OK ||
            (st = check_start(e, rows, starts, i, err)) != TEMPO_OK)
            return st;
        if (rows[i].seq != rows[first].seq)
            first = i;
        size->edits = max2(size->edits, tempo_edits_words(rows[i].seq->edits));
        size->logits += (rows[i].want & TEMPO_WANT_LOGITS) != 0;
        size->weights += needs_weights(&rows[i], shown);
        if ((rows[i].want & TEMPO_WANT_TAPS) != 0 && (shown & TEMPO_TAP_BIT(TEMPO_TAP_RESULT)) != 0)
            size->results = e->model->hp.n_heads;
        if (i + 1 == n || rows[i + 1].seq != rows[i].seq) {
            if ((st = tempo_seq_reserve(rows[i].seq, i + 1 - first, err)) != TEMPO_OK)
                return st;
            size->slots = max2(size->slots, rows[i].seq->n_slots + (i + 1 - first));
        }
    }
    return TEMPO_OK;
}

/* Plan rows [begin, end): one whole set, whose first row gets slot `slot`. */
static void plan_set(tempo_engine *e, const tempo_row *rows, size_t begin, size_t end, size_t slot)
{
    const uint32_t n_layers = e->model->hp.n_layers;

    for (size_t i = begin; i < end; i++) {
        tempo_row_plan *p = &e->plan[i];
        const size_t own = slot + (i - begin);

        p->seq = rows[i].seq;
        p->token = rows[i].token;
        p->set = rows[i].set;
        p->position = rows[i].position;
        p->nudge = rows[i].nudge;
        p->slot = own;
        p->n_prev = slot;
        p->own_begin = rows[i].mode == TEMPO_ISOLATED ? own : slot;
        p->own_end = rows[i].mode == TEMPO_VISIBLE ? slot + (end - begin) : own + 1;
        p->first_layer = rows[i].first_layer;
        p->last_layer = (rows[i].n_layers != 0 ? rows[i].first_layer + rows[i].n_layers : n_layers) - 1;
    }
}

/* Plan rows [begin, end): all that one sequence has in the batch. */
static bool positions_rise(const tempo_row *rows, size_t begin, size_t end)
{
    const tempo_seq *s = rows[begin].seq;
    bool rise = s->rising && (s->n_slots == 0 || s->slots[s->n_slots - 1].position <= rows[begin].position);

    for (size_t i = begin + 1; i < end; i++)
        rise = rise && rows[i - 1].position <= rows[i].position;
    return rise;
}

static void plan_sequence(tempo_engine *e, const tempo_row *rows, size_t begin, size_t end)
{
    const size_t base = rows[begin].seq->n_slots;
    const bool rising = positions_rise(rows, begin, end);

    for (size_t i = begin, set = begin; i < end; i++) {
        e->plan[i].seq_slots = base + (end - begin);
        e->plan[i].rising = rising;
        if (i + 1 == end || rows[i + 1].set != rows[i].set) {
            plan_set(e, rows, set, i + 1, base + (set - begin));
            set = i + 1;
        }
    }
    for (size_t i = begin, next; i < end; i = next) {
        const bool weights = e->plan[i].weights != SIZE_MAX;
        for (next = i + 1; next < end && next < i + TEMPO_ATTENTION_ROWS;)
            if ((e->plan[next].weights != SIZE_MAX) != weights)
                break;
            else
                next++;
        e->group[e->n_groups++] = (tempo_row_group){i, next - i};
    }
}

/* What rows[n] want and begin with, before plan_sequence looks at it. */
static void plan_wants(tempo_engine *e, const tempo_row *rows, const tempo_start *starts, size_t n,
                       uint64_t shown)
{
    size_t logits = 0, weights = 0;

    for (size_t i = 0; i < n; i++) {
        tempo_row_plan *p = &e->plan[i];
        p->logits = (rows[i].want & TEMPO_WANT_LOGITS) != 0 ? logits++ : SIZE_MAX;
        p->shown = (rows[i].want & TEMPO_WANT_TAPS) != 0 && shown != 0;
        p->edits = NULL; /* tempo_edits_plan */
        p->weights = needs_weights(&rows[i], shown) ? weights++ : SIZE_MAX;
        p->begin = starts != NULL ? starts[i].layer : 0;
        p->given = starts != NULL ? starts[i].resid : NULL;
    }
}

tempo_status tempo_batch_plan(tempo_engine *e, const tempo_row *rows, const tempo_start *starts, size_t n,
                              const tempo_observer *obs, tempo_err *err)
{
    tempo_batch_size size;
    tempo_status st = check_taps(e, obs, err);

    if (st != TEMPO_OK)
        return st;
    const uint64_t shown = tempo_taps_wanted(obs, TEMPO_ALL_LAYERS);
    if ((st = check_rows(e, rows, starts, n, shown, &size, err)) != TEMPO_OK ||
        (st = tempo_engine_reserve(e, &size, err)) != TEMPO_OK)
        return st;
    plan_wants(e, rows, starts, n, shown);
    e->n_groups = 0;
    for (size_t i = 0, first = 0; i < n; i++) {
        if (i + 1 == n || rows[i + 1].seq != rows[i].seq) {
            plan_sequence(e, rows, first, i + 1);
            first = i + 1;
        }
    }
    e->edit_words = size.edits;
    return size.edits > 0 ? tempo_edits_plan(e, n, err) : TEMPO_OK;
}

void tempo_batch_commit(tempo_engine *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const tempo_row_plan *p = &e->plan[i];
        p->seq->slots[p->slot] = (tempo_slot){p->token, p->set, p->position};
        p->seq->n_slots = p->slot + 1;
        p->seq->next_set = p->set + 1;
        p->seq->rising = p->rising;
        p->seq->closed = p->begin > 0 || e->end < e->model->hp.n_layers;
    }
    e->n_rows = n;
}
