/* estimate.c - options of a trace, and how many variants ride in a batch. */
#include "base/memory.h"
#include "base/options.h"
#include "trace/cells.h"

enum {
    MOST_ROWS = 512, /* of a batch: weights are read once for all of them, and more of them gain nothing */
};

TEMPO_OPTIONS(tempo_trace_options, .last_layer = TEMPO_ALL_LAYERS)

static tempo_status take_decoding(tempo_decode_options *d, const tempo_decode_options *given,
                                  uint32_t n_layers, tempo_err *err)
{
    tempo_status st = tempo_decode_options_take(d, given, err);

    if (given == NULL)
        d->mode = TEMPO_VISIBLE;
    if (st != TEMPO_OK || (st = tempo_decode_options_check(d, n_layers, err)) != TEMPO_OK)
        return st;
    if (d->mode == TEMPO_ISOLATED)
        return tempo_fail_field(
            err, TEMPO_E_ARG, "mode",
            "mode isolated has no edges between siblings to trace; expected visible or causal");
    if (d->replay != TEMPO_REPLAY_NONE)
        return tempo_fail_field(err, TEMPO_E_UNSUPPORTED, "replay", "replays have no siblings to trace");
    return TEMPO_OK;
}

static tempo_status take_layers(tempo_trace_options *o, const tempo_decode_options *d, uint32_t n_layers,
                                tempo_err *err)
{
    const uint32_t first = d->first_visible_layer;
    const uint32_t last = d->last_visible_layer < n_layers ? d->last_visible_layer : n_layers - 1;

    if (o->first_layer == 0 && o->last_layer == TEMPO_ALL_LAYERS)
        o->first_layer = first;
    if (o->last_layer == TEMPO_ALL_LAYERS)
        o->last_layer = last;
    if (o->first_layer > o->last_layer || o->first_layer < first || o->last_layer > last)
        return tempo_fail_field(err, TEMPO_E_ARG, "layers",
                                "layers %u-%u cannot be traced: rows see siblings in layers %u to %u",
                                o->first_layer, o->last_layer, first, last);
    return TEMPO_OK;
}

static tempo_status check_ids(const int32_t *ids, size_t n, const char *what, uint32_t n_vocab,
                              tempo_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab)
            return tempo_fail_field(err, TEMPO_E_ARG, what, "%s: token %d: the vocabulary has ids 0 to %u",
                                    what, (int)ids[i], n_vocab - 1);
    return TEMPO_OK;
}

tempo_status tempo_trace_options_take(tempo_trace_options *o, tempo_decode_options *d, const tempo_model *m,
                                      const tempo_trace_options *given, tempo_err *err)
{
    tempo_status st = tempo_options_take(&tempo_trace_options_kind, o, given, err);

    if (st != TEMPO_OK || (st = take_decoding(d, o->decoding, m->hp.n_layers, err)) != TEMPO_OK ||
        (st = take_layers(o, d, m->hp.n_layers, err)) != TEMPO_OK)
        return st;
    if (o->strangers != NULL && !tempo_trace_can_exchange(d->edits))
        return tempo_fail_field(
            err, TEMPO_E_UNSUPPORTED, "edits",
            "edits that name sets, siblings or `previous`, and patches by slot, would mean other slots "
            "with strangers: trace such a run without them");
    return check_ids(o->tokens, o->n_tokens, "tokens", m->hp.n_vocab, err);
}

/* Of a row in a batch, and of what it adds to the cache: about, and rather more. */
static uint64_t row_bytes(const tempo_hparams *hp)
{
    const uint64_t q = (uint64_t)hp->n_heads * hp->head_dim, kv = (uint64_t)hp->n_kv_heads * hp->head_dim;

    return sizeof(float) *
               (4 * (uint64_t)hp->d_model + 4 * q + 2 * kv + 4 * (uint64_t)hp->d_ff + hp->n_vocab) +
           1024;
}

static uint64_t fork_bytes(const tempo_hparams *hp, tempo_kv_type kv, size_t members, size_t context)
{
    const size_t pages = (context % TEMPO_PAGE_SLOTS + members + TEMPO_PAGE_SLOTS - 1) / TEMPO_PAGE_SLOTS;

    return (uint64_t)pages * tempo_page_bytes(hp, kv) + (context + members) * (sizeof(tempo_slot) + 1);
}

size_t tempo_trace_batch(const tempo_model *m, const tempo_trace_options *o, const tempo_decode_options *d,
                         size_t members, size_t context, uint64_t *bytes)
{
    const uint64_t available = o->max_bytes != 0 ? UINT64_MAX : tempo_memory_available();
    const uint64_t limit = o->max_bytes != 0 ? o->max_bytes : available / 2;
    const size_t forks = o->strangers != NULL ? 2 : 1; /* of a cell */
    const size_t rows = MOST_ROWS / (forks * members), slots = context + (forks - 1) * members;
    const uint64_t per_cell =
        forks * (fork_bytes(&m->hp, d->kv, members, slots) + members * row_bytes(&m->hp));
    const uint64_t fit = limit / per_cell;
    const size_t n = fit < rows ? (size_t)fit : rows;

    *bytes = (n > 0 ? n : 1) * per_cell;
    return n > 0 ? n : 1;
}

tempo_status tempo_trace_estimate(tempo_trace_cost *out, const tempo_model *m,
                                  const tempo_trace_options *given, size_t members, size_t context,
                                  tempo_err *err)
{
    tempo_trace_options o;
    tempo_decode_options d;
    tempo_status st = tempo_trace_options_take(&o, &d, m, given, err);

    *out = (tempo_trace_cost){0};
    if (st == TEMPO_OK && members < 2)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a set of %zu has no siblings to trace", members);
    if (st != TEMPO_OK)
        return st;
    const size_t forks = o.strangers != NULL ? 2 : 1,
                 batch = tempo_trace_batch(m, &o, &d, members, context, &out->bytes);
    out->cells = tempo_trace_cell_count(o.last_layer - o.first_layer + 1, m->hp.n_heads);
    out->batches = (out->cells + batch - 1) / batch;
    out->rows = (out->cells * forks + forks) * members;
    return TEMPO_OK;
}
