/* sides.c - the clean and the corrupt run, each once, and what is measured in a distribution. */
#include <math.h>

#include "metrics/metrics.h"
#include "patch/patch.h"

size_t tempo_patch_kept(const tempo_patch *p, tempo_tap_selection kept[TEMPO_PATCH_MAX_KEPT])
{
    const uint32_t last = p->model->hp.n_layers - 1;
    size_t n = 0;

    kept[n++] = (tempo_tap_selection){.tap = TEMPO_TAP_RESID_PRE};
    kept[n] = (tempo_tap_selection){.tap = TEMPO_TAP_RESID_POST};
    kept[n++].layers[last / 64] = UINT64_C(1) << last % 64;
    if (p->o.n_receivers > 0) {
        kept[n++] = (tempo_tap_selection){.tap = TEMPO_TAP_Z};
        kept[n++] = (tempo_tap_selection){.tap = TEMPO_TAP_MLP_OUT};
    }
    for (size_t i = 0; i < p->o.n_taps; i++) { /* whole: layers of one tap may stand in several selections */
        size_t k = 0;
        while (k < n && kept[k].tap != p->o.taps[i].tap)
            k++;
        kept[k] = (tempo_tap_selection){.tap = p->o.taps[i].tap};
        n += k == n;
    }
    return n;
}

typedef struct keeping {
    tempo_store *store;
    const tempo_observer *outer;
    tempo_err err;
} keeping;

static bool keep(void *user, const tempo_tap_view *view)
{
    keeping *k = user;

    return tempo_store_view(k->store, view, &k->err);
}

static bool poll(void *user)
{
    const keeping *k = user;

    return k->outer == NULL || k->outer->poll == NULL || k->outer->poll(k->outer->user);
}

/* q of the last batch's rows [first, first + n_last), mixed; false: not all logits are numbers. */
static tempo_status mix(tempo_patch *p, const tempo_patch_side *side, size_t first, double *q, bool *there,
                        tempo_err *err)
{
    const size_t n = p->model->hp.n_vocab;
    double entropy;
    tempo_status st;

    *there = true;
    for (size_t i = 0; i < p->n_last && *there; i++) {
        const float *logits = tempo_engine_logits(p->engine, first + i);
        if (logits == NULL) {
            *there = false;
            break;
        }
        double *one = p->n_last == 1 ? q : p->one;
        if ((st = tempo_distribution(p->engine, logits, n, one, &entropy, err)) != TEMPO_OK)
            return st;
        for (size_t k = 0; k < n && p->n_last > 1; k++)
            q[k] = (i > 0 ? q[k] : 0) + side->weights[i] * one[k];
    }
    return TEMPO_OK;
}

static double metric_of(const tempo_patch *p, const double *q)
{
    const size_t n = p->model->hp.n_vocab;
    const int32_t *a = p->o.answers;

    switch (p->o.metric) {
    case TEMPO_PATCH_LOGIT_DIFF:
        return log(q[a[0]]) - log(q[a[1]]);
    case TEMPO_PATCH_PROB:
        return q[a[0]];
    case TEMPO_PATCH_KL_CLEAN:
        return tempo_kl(p->side[TEMPO_PATCH_CLEAN].q, q, n);
    case TEMPO_PATCH_KL_CORRUPT:
        return tempo_kl(p->side[TEMPO_PATCH_CORRUPT].q, q, n);
    case TEMPO_PATCH_TV_CLEAN:
        return tempo_tv(p->side[TEMPO_PATCH_CLEAN].q, q, n);
    case TEMPO_PATCH_TV_CORRUPT:
        return tempo_tv(p->side[TEMPO_PATCH_CORRUPT].q, q, n);
    }
    return NAN;
}

/* Of one row the logits themselves: nothing rounds them. */
static bool by_logits(const tempo_patch *p)
{
    return p->o.metric == TEMPO_PATCH_LOGIT_DIFF && p->n_last == 1;
}

static double logit_diff(const tempo_patch *p, size_t row)
{
    const float *logits = tempo_engine_logits(p->engine, row);

    return logits == NULL ? NAN : (double)logits[p->o.answers[0]] - (double)logits[p->o.answers[1]];
}

tempo_status tempo_patch_measure(tempo_patch *p, const tempo_patch_side *side, size_t first, double *value,
                                 tempo_err *err)
{
    bool there = false;

    if (by_logits(p)) {
        *value = logit_diff(p, first);
        return TEMPO_OK;
    }
    const tempo_status st = mix(p, side, first, p->q, &there, err);

    *value = there ? metric_of(p, p->q) : NAN;
    return st;
}

static tempo_status run_side(tempo_patch *p, tempo_patch_side *side, const tempo_observer *obs,
                             tempo_err *err)
{
    const tempo_seq_options o = {.size = sizeof(o), .kv = p->o.kv, .max_slots = p->n_rows};
    tempo_tap_selection kept[TEMPO_PATCH_MAX_KEPT];
    const size_t n_kept = tempo_patch_kept(p, kept);
    bool there = false;
    tempo_status st;

    tempo_seq_free(side->seq);
    tempo_store_free(side->store);
    side->seq = NULL;
    side->store = NULL;
    if ((st = tempo_seq_create(&side->seq, p->engine, &o, err)) != TEMPO_OK ||
        (st = tempo_store_create(&side->store, p->model, kept, n_kept, p->bytes, err)) != TEMPO_OK)
        return st;
    keeping k = {.store = side->store, .outer = obs};
    const tempo_observer looks = {.user = &k, .poll = poll, .view = keep, .taps = kept, .n_taps = n_kept};
    for (size_t i = 0; i < p->n_rows; i++) {
        side->rows[i].seq = side->seq;
        side->rows[i].want = TEMPO_WANT_TAPS | (i + p->n_last >= p->n_rows ? TEMPO_WANT_LOGITS : 0u);
    }
    st = tempo_engine_forward(p->engine, side->rows, p->n_rows, &looks, err);
    if (k.err.code != TEMPO_OK && err != NULL)
        *err = k.err;
    if (k.err.code != TEMPO_OK)
        return k.err.code;
    if (st != TEMPO_OK)
        return st;
    side->metric = by_logits(p) ? logit_diff(p, p->n_rows - 1) : NAN;
    return mix(p, side, p->n_rows - p->n_last, side->q, &there, err);
}

tempo_status tempo_patch_run_sides(tempo_patch *p, const tempo_observer *obs, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (unsigned i = 0; i < TEMPO_PATCH_SIDES && st == TEMPO_OK; i++)
        if ((st = run_side(p, &p->side[i], obs, err)) != TEMPO_OK)
            tempo_err_prefix(err, "the %s run", i == TEMPO_PATCH_CLEAN ? "clean" : "corrupt");
    for (unsigned i = 0; i < TEMPO_PATCH_SIDES && st == TEMPO_OK && !by_logits(p); i++)
        p->side[i].metric = metric_of(p, p->side[i].q);
    p->ran = st == TEMPO_OK;
    return st;
}
