/* check.c - what the options of a grid and its two runs must be; copies of both. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "patch/patch.h"

TEMPO_OPTIONS(tempo_patch_options, .taps = NULL)

/* malloc'd copy of n elements; NULL where n is 0. */
static bool copy(const void **array, size_t n, size_t size)
{
    void *mine = n > 0 ? malloc(n * size) : NULL;

    if (mine != NULL)
        memcpy(mine, *array, n * size);
    *array = mine;
    return mine != NULL || n == 0;
}

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a grid");
}

/* ---- options ---- */

static tempo_status check_names(const tempo_patch_options *o, tempo_err *err)
{
    if (tempo_patch_metric_name(o->metric) == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "metric", "unknown metric %d", (int)o->metric);
    if (tempo_patch_direction_name(o->direction) == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "direction", "unknown direction %d", (int)o->direction);
    if (tempo_patch_each_name(o->each) == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "each", "unknown kind of cells %d", (int)o->each);
    if (tempo_kv_type_name(o->kv) == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "kv", "cache type %d is not f32 or f16", (int)o->kv);
    return TEMPO_OK;
}

static tempo_status check_answers(const tempo_patch *p, tempo_err *err)
{
    const tempo_patch_options *o = &p->o;
    const uint32_t need = o->metric == TEMPO_PATCH_LOGIT_DIFF ? 2 : o->metric == TEMPO_PATCH_PROB ? 1 : 0;

    if (o->n_answers > 2 || o->n_answers < need)
        return tempo_fail_field(err, TEMPO_E_ARG, "answers",
                                "metric %s takes %" PRIu32 " answers, there are %" PRIu32,
                                tempo_patch_metric_name(o->metric), need, o->n_answers);
    for (uint32_t i = 0; i < o->n_answers; i++)
        if (o->answers[i] < 0 || (uint32_t)o->answers[i] >= p->model->hp.n_vocab)
            return tempo_fail_field(err, TEMPO_E_ARG, "answers",
                                    "answer %" PRId32 ": the vocabulary has ids 0 to %u", o->answers[i],
                                    p->model->hp.n_vocab - 1);
    return TEMPO_OK;
}

static tempo_status check_taps(const tempo_patch *p, const tempo_tap_selection *taps, size_t n,
                               const char *field, tempo_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const tempo_status st = tempo_tap_check(&taps[i], p->model, err);
        if (st != TEMPO_OK) {
            tempo_err_set_field(err, field);
            return st;
        }
        const tempo_tap_info info = tempo_tap_get_info(p->model, taps[i].tap);
        if (!info.editable)
            return tempo_fail_field(err, TEMPO_E_ARG, field,
                                    "%s is only computed to be looked at; nothing reads it%s",
                                    info.short_name, taps[i].tap == TEMPO_TAP_RESULT ? ": patch z" : "");
    }
    return TEMPO_OK;
}

static tempo_status check_positions(const tempo_patch *p, tempo_err *err)
{
    const tempo_patch_options *o = &p->o;

    for (size_t i = 0; i < o->n_positions; i++) {
        if (o->positions[i] >= p->n_sets)
            return tempo_fail_field(err, TEMPO_E_ARG, "positions", "position %" PRIu32 ": there are 0 to %zu",
                                    o->positions[i], p->n_sets - 1);
        if (i > 0 && o->positions[i] <= o->positions[i - 1])
            return tempo_fail_field(err, TEMPO_E_ARG, "positions",
                                    "position %" PRIu32 " stands behind %" PRIu32, o->positions[i],
                                    o->positions[i - 1]);
    }
    return TEMPO_OK;
}

static tempo_status take_options(tempo_patch *p, const tempo_patch_options *given, tempo_err *err)
{
    static const tempo_tap_selection usual[] = {
        {.tap = TEMPO_TAP_RESID_PRE}, {.tap = TEMPO_TAP_ATTN_OUT}, {.tap = TEMPO_TAP_MLP_OUT}};
    tempo_patch_options o;
    const tempo_status st = tempo_options_take(&tempo_patch_options_kind, &o, given, err);

    if (st != TEMPO_OK)
        return st;
    if (o.taps == NULL) {
        o.taps = usual;
        o.n_taps = sizeof(usual) / sizeof(*usual);
    }
    p->o = o; /* what cannot be copied is NULL there: it is freed with p */
    const bool taps = copy((const void **)&p->o.taps, o.n_taps, sizeof(*o.taps));
    const bool positions = copy((const void **)&p->o.positions, o.n_positions, sizeof(*o.positions));
    const bool receivers = copy((const void **)&p->o.receivers, o.n_receivers, sizeof(*o.receivers));
    return taps && positions && receivers ? check_names(&p->o, err) : no_memory(err);
}

/* ---- runs ---- */

static tempo_status take_rows(tempo_patch *p, tempo_patch_side *side, const tempo_patch_run *run,
                              tempo_err *err)
{
    side->rows = calloc(run->n, sizeof(*side->rows));
    if (side->rows == NULL)
        return no_memory(err);
    for (size_t i = 0; i < run->n; i++) {
        tempo_row *r = &side->rows[i];
        if (run->ids != NULL) {
            r->token = run->ids[i];
            r->set = (uint32_t)i;
            r->position = (double)i;
        } else {
            *r = run->rows[i];
        }
        if (r->token < 0 || (uint32_t)r->token >= p->model->hp.n_vocab)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "token %" PRId32 ": the vocabulary has ids 0 to %u", r->token,
                              p->model->hp.n_vocab - 1);
    }
    return TEMPO_OK;
}

/* Sets rise one by one from 0, the same ones in both. */
static tempo_status take_sets(tempo_patch *p, tempo_err *err)
{
    const tempo_row *a = p->side[TEMPO_PATCH_CLEAN].rows, *b = p->side[TEMPO_PATCH_CORRUPT].rows;

    p->set_begin = malloc((p->n_rows + 1) * sizeof(*p->set_begin));
    if (p->set_begin == NULL)
        return no_memory(err);
    for (size_t i = 0; i < p->n_rows; i++) {
        if (a[i].set != b[i].set)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "slot %zu is of set %" PRIu32 " in the clean run and of set %" PRIu32
                              " in the corrupt one",
                              i, a[i].set, b[i].set);
        if (i == 0 || a[i].set != a[i - 1].set)
            p->set_begin[p->n_sets++] = i;
        if (a[i].set != p->n_sets - 1)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "slot %zu is of set %" PRIu32 ", expected %zu", i, a[i].set, p->n_sets - 1);
    }
    p->set_begin[p->n_sets] = p->n_rows;
    p->n_last = p->n_rows - p->set_begin[p->n_sets - 1];
    return TEMPO_OK;
}

static tempo_status take_weights(tempo_patch *p, tempo_patch_side *side, const double *weights,
                                 tempo_err *err)
{
    side->weights = malloc(p->n_last * sizeof(*side->weights));
    side->q = malloc(p->model->hp.n_vocab * sizeof(*side->q));
    if (side->weights == NULL || side->q == NULL)
        return no_memory(err);
    for (size_t i = 0; i < p->n_last; i++)
        side->weights[i] = weights != NULL ? weights[i] : 1.0 / (double)p->n_last;
    return TEMPO_OK;
}

tempo_status tempo_patch_take(tempo_patch *p, const tempo_patch_run *clean, const tempo_patch_run *corrupt,
                              const tempo_patch_options *o, tempo_err *err)
{
    const tempo_patch_run *const run[TEMPO_PATCH_SIDES] = {clean, corrupt};
    tempo_status st = take_options(p, o, err);

    if (st != TEMPO_OK)
        return st;
    if (clean->n != corrupt->n || clean->n == 0 || clean->n > TEMPO_MAX_SLOTS)
        return tempo_fail_field(
            err, TEMPO_E_ARG, "corrupt",
            "the clean run has %zu slots, the corrupt one %zu: they are of one length, and not empty",
            clean->n, corrupt->n);
    p->n_rows = clean->n;
    for (unsigned i = 0; i < TEMPO_PATCH_SIDES && st == TEMPO_OK; i++)
        if ((st = take_rows(p, &p->side[i], run[i], err)) != TEMPO_OK)
            tempo_err_prefix(err, "the %s run", i == TEMPO_PATCH_CLEAN ? "clean" : "corrupt");
    if (st != TEMPO_OK || (st = take_sets(p, err)) != TEMPO_OK ||
        (st = take_weights(p, &p->side[TEMPO_PATCH_CLEAN], clean->weights, err)) != TEMPO_OK ||
        (st = take_weights(p, &p->side[TEMPO_PATCH_CORRUPT], corrupt->weights, err)) != TEMPO_OK ||
        (st = check_answers(p, err)) != TEMPO_OK || (st = check_positions(p, err)) != TEMPO_OK ||
        (st = check_taps(p, p->o.taps, p->o.n_taps, "taps", err)) != TEMPO_OK ||
        (st = check_taps(p, p->o.receivers, p->o.n_receivers, "receivers", err)) != TEMPO_OK)
        return st;
    return p->o.n_receivers > 0 ? tempo_patch_check_path(p, err) : TEMPO_OK;
}
