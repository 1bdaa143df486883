#include "reference/compare.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/models.h"

const arch_bars arch_bars_f32 = {2e-4, 2e-4, 2e-5};

typedef struct comparison {
    const arch_expected *x;
    double worst;
    bool looked; /* something was shown */
} comparison;

/* At least 1. */
static double largest(const double *x, size_t n)
{
    double most = 1;

    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= most))
            most = fabs(x[i]);
    return most;
}

static void compare(comparison *c, const char *what, uint32_t layer, size_t row, const float *got,
                    const double *want, size_t n, double bar)
{
    for (size_t i = 0; i < n; i++) {
        const double error = fabs((double)got[i] - want[i]);
        if (!(error <= bar))
            fail_msg("%s: %s of layer %u, row %zu, number %zu: %.9g, expected %.9g within %.2g", c->x->what,
                     what, layer, row, i, (double)got[i], want[i], bar);
        c->worst = fmax(c->worst, error / bar);
    }
}

/* Layer l of what goes into the layers; the last one is what comes out. */
static void compare_stream(comparison *c, size_t l, const tempo_tap_view *v)
{
    const arch_expected *x = c->x;
    const double *want = x->stream + l * x->n * x->d_model;

    assert_int_equal(v->dims[0], x->d_model);
    compare(c, "residual stream", (uint32_t)l, v->row, v->values, want + v->row * x->d_model, x->d_model,
            x->bars.stream * largest(want, x->n * x->d_model));
}

static void compare_attention(comparison *c, const tempo_tap_view *v)
{
    const arch_expected *x = c->x;

    assert_int_equal(v->dims[0], x->n_heads);
    assert_int_equal(v->dims[1], x->n_run);
    for (size_t h = 0; h < v->dims[0]; h++)
        compare(c, "attention", v->layer, v->row, v->values + h * v->dims[1],
                x->attention + ((v->layer * x->n_heads + h) * x->n + v->row) * x->n, x->n_run,
                x->bars.attention);
}

static bool on_view(void *user, const tempo_tap_view *v)
{
    comparison *c = user;

    c->looked = true;
    if (v->tap == TEMPO_TAP_PATTERN)
        compare_attention(c, v);
    else
        compare_stream(c, v->layer + (v->tap == TEMPO_TAP_RESID_POST), v);
    return true;
}

double arch_compare(tempo_engine *e, const arch_expected *x)
{
    const tempo_model_info *info = tempo_model_get_info(tempo_engine_model(e));
    const tempo_tap_selection taps[] = {
        {.tap = TEMPO_TAP_PATTERN}, {.tap = TEMPO_TAP_RESID_PRE}, {.tap = TEMPO_TAP_RESID_POST}};
    comparison c = {.x = x};
    const tempo_observer obs = {
        .user = &c, .view = on_view, .taps = taps, .n_taps = x->stream != NULL ? 3 : 1};
    tempo_row *rows = calloc(x->n_run, sizeof(*rows));
    tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
    tempo_err err = {0};

    assert_non_null(rows);
    assert_int_equal(info->n_vocab, x->n_vocab);
    assert_int_equal(info->n_layers, x->n_layers);
    for (size_t i = 0; i < x->n_run; i++) {
        rows[i] = x->rows[i];
        rows[i].seq = seq;
        rows[i].want = TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS;
    }
    if (tempo_engine_forward(e, rows, x->n_run, &obs, &err) != TEMPO_OK)
        fail_msg("%s: %s", x->what, err.msg);
    assert_true(c.looked);
    const double bar = x->bars.logits * largest(x->logits, x->n * x->n_vocab);
    for (size_t i = 0; i < x->n_run; i++)
        compare(&c, "logits", info->n_layers, i, tempo_engine_logits(e, i), x->logits + i * x->n_vocab,
                x->n_vocab, bar);
    tempo_seq_free(seq);
    free(rows);
    return c.worst;
}

/* ---- the reference's numbers ---- */

typedef struct keeping {
    arch_computed *to;
    const reference_model *m;
    size_t n;
} keeping;

static void keep(void *user, tempo_tap tap, uint32_t layer, size_t slot, double *v, size_t n_0, size_t n_1)
{
    const keeping *k = user;
    const size_t n = k->n, d = k->m->d_model, heads = k->m->n_heads;
    const size_t point = layer + (tap == TEMPO_TAP_RESID_POST);

    if (tap == TEMPO_TAP_RESID_PRE || tap == TEMPO_TAP_RESID_POST)
        memcpy(k->to->stream + (point * n + slot) * d, v, n_0 * n_1 * sizeof(*v));
    for (size_t i = 0; tap == TEMPO_TAP_ATTN_SCORES && i < n_0 * n_1; i++)
        if (isfinite(v[i]))
            k->to->score = fmax(k->to->score, fabs(v[i]));
    for (size_t h = 0; tap == TEMPO_TAP_PATTERN && h < heads; h++)
        memcpy(k->to->attention + ((layer * heads + h) * n + slot) * n, v + h * n, n * sizeof(*v));
}

static double *zeros(size_t n)
{
    double *p = calloc(n, sizeof(*p));

    assert_non_null(p);
    return p;
}

void arch_compute(arch_computed *c, const reference_model *m, const tempo_row *rows, size_t n)
{
    reference_slot *slots = calloc(n, sizeof(*slots));
    keeping k = {c, m, n};

    assert_non_null(slots);
    *c = (arch_computed){.logits = zeros(n * m->n_vocab),
                         .stream = zeros((m->n_layers + 1) * n * m->d_model),
                         .attention = zeros(m->n_layers * m->n_heads * n * n)};
    for (size_t i = 0; i < n; i++)
        slots[i] =
            (reference_slot){rows[i].token, rows[i].set, rows[i].position, rows[i].mode, 0, UINT32_MAX};
    c->route_gap = reference_run(m, slots, n, keep, &k, c->logits);
    free(slots);
}

void arch_computed_free(arch_computed *c)
{
    free(c->logits);
    free(c->stream);
    free(c->attention);
}
