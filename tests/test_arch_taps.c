/* Taps of every architecture, with a random shape, against double precision: each that the model has, in
 * every layer, for a text and sets in the three modes; and what is written into one is what the pass goes on
 * with.
 *
 * Tolerances: 2e-4 of the largest value of the tap in its layer, at least of 1; attention 2e-5, which grows
 * with its scores (test_arch_shapes.c). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "reference/random_arch.h"
#include "support/models.h"
#include "support/tmpdir.h"

enum { MOST_LAYERS = 10 };

typedef struct values {
    size_t n;
    double *v;
} values;

typedef struct shown {
    values at[TEMPO_TAP_COUNT][MOST_LAYERS][RANDOM_ROWS];
    tempo_tap halved; /* TEMPO_TAP_COUNT: none */
    uint32_t layer;
    size_t slot;
} shown;

static shown got, want;

static void forget(shown *s)
{
    for (int t = 0; t < TEMPO_TAP_COUNT; t++)
        for (size_t l = 0; l < MOST_LAYERS; l++)
            for (size_t r = 0; r < RANDOM_ROWS; r++)
                free(s->at[t][l][r].v);
    memset(s->at, 0, sizeof(s->at));
}

static double *room(shown *s, tempo_tap tap, uint32_t layer, size_t slot, size_t n)
{
    values *at = &s->at[tap][layer][slot];

    assert_true(layer < MOST_LAYERS && slot < RANDOM_ROWS && at->v == NULL); /* once */
    *at = (values){n, calloc(n, sizeof(double))};
    assert_non_null(at->v);
    return at->v;
}

static double share(const shown *s, tempo_tap tap, uint32_t layer, size_t slot)
{
    return tap == s->halved && layer == s->layer && slot == s->slot ? 0.5 : 1;
}

static bool keep_view(void *user, const tempo_tap_view *v)
{
    shown *s = user;
    const size_t n = v->dims[0] * v->dims[1];
    double *to = room(s, v->tap, v->layer, v->slot, n);
    float *buffer = (float *)(uintptr_t)v->values;

    for (size_t i = 0; i < n; i++)
        to[i] = (double)(buffer[i] *= (float)share(s, v->tap, v->layer, v->slot));
    return true;
}

static void keep_reference(void *user, tempo_tap tap, uint32_t layer, size_t slot, double *v, size_t n_0,
                           size_t n_1)
{
    shown *s = user;
    double *to = room(s, tap, layer, slot, n_0 * n_1);

    for (size_t i = 0; i < n_0 * n_1; i++)
        to[i] = v[i] *= share(s, tap, layer, slot);
}

/* ---- comparing ---- */

static double largest_of(const values *rows, size_t n)
{
    double most = 0;

    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < rows[r].n; i++)
            most = isfinite(rows[r].v[i]) ? fmax(most, fabs(rows[r].v[i])) : most;
    return most;
}

static void compare_layer(const char *what, tempo_tap tap, uint32_t layer, size_t n)
{
    const char *name = tempo_tap_get_info(NULL, tap).short_name;
    const double score = largest_of(want.at[TEMPO_TAP_ATTN_SCORES][layer], n);
    const double bar = tap == TEMPO_TAP_PATTERN ? 2e-5 * fmax(1, score / 4)
                                                : 2e-4 * fmax(1, largest_of(want.at[tap][layer], n));

    for (size_t r = 0; r < n; r++) {
        const values *a = &got.at[tap][layer][r], *b = &want.at[tap][layer][r];
        if (a->n != b->n)
            fail_msg("%s: %s of layer %u, slot %zu: %zu numbers, expected %zu", what, name, layer, r, a->n,
                     b->n);
        for (size_t i = 0; i < a->n; i++)
            if (a->v[i] != b->v[i] && !(fabs(a->v[i] - b->v[i]) <= bar)) /* hidden scores are -inf */
                fail_msg("%s: %s of layer %u, slot %zu, number %zu: %.9g, expected %.9g within %.2g", what,
                         name, layer, r, i, a->v[i], b->v[i], bar);
    }
}

/* ---- running ---- */

/* The engine's taps into got, or (logits NULL) not; false: the reference says that an expert is chosen by a
 * hair. */
static bool run_both(const tempo_model *m, const reference_model *r, tempo_row *rows, size_t n,
                     const tempo_tap_selection *taps, size_t n_taps, double *logits)
{
    const tempo_observer obs = {.user = &got, .view = keep_view, .taps = taps, .n_taps = n_taps};
    reference_slot slots[RANDOM_ROWS];
    tempo_engine *e = test_engine(m, 2);
    tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
    tempo_err err = {0};

    forget(&got);
    forget(&want);
    for (size_t i = 0; i < n; i++) {
        slots[i] =
            (reference_slot){rows[i].token, rows[i].set, rows[i].position, rows[i].mode, 0, UINT32_MAX};
        rows[i].seq = seq;
        rows[i].want = TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS;
    }
    const bool clear = reference_run(r, slots, n, keep_reference, &want, logits) > 1e-3;
    if (tempo_engine_forward(e, rows, n, &obs, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    const double bar = 4e-4 * fmax(1, largest_of(want.at[TEMPO_TAP_LOGITS][0], n));
    for (size_t i = 0; i < n * m->hp.n_vocab && clear; i++) {
        const double x = (double)tempo_engine_logits(e, i / m->hp.n_vocab)[i % m->hp.n_vocab];
        if (!(fabs(x - logits[i]) <= bar))
            fail_msg("%s, %s of layer %u halved: logit %zu is %.9g, expected %.9g", m->info.architecture,
                     got.halved < TEMPO_TAP_COUNT ? tempo_tap_get_info(NULL, got.halved).short_name
                                                  : "nothing",
                     got.layer, i, x, logits[i]);
    }
    tempo_seq_free(seq);
    tempo_engine_free(e);
    return clear;
}

static void check_mode(const tempo_model *m, const reference_model *r, size_t mode, double *logits)
{
    tempo_tap_selection taps[TEMPO_TAP_COUNT];
    tempo_row rows[RANDOM_ROWS];
    size_t n, n_taps = 0, tries = 0;
    char what[80];

    for (int t = 0; t < TEMPO_TAP_COUNT; t++)
        if (tempo_tap_get_info(m, (tempo_tap)t).missing == NULL)
            taps[n_taps++] = (tempo_tap_selection){.tap = (tempo_tap)t};
    got.halved = want.halved = TEMPO_TAP_COUNT;
    do {
        n = random_rows(r, 11 + mode + 10 * tries, mode > 0,
                        mode > 0 ? (tempo_mode)(mode - 1) : TEMPO_ISOLATED, rows);
        n = n < 24 ? n : 24;
        assert_true(++tries < 50);
    } while (!run_both(m, r, rows, n, taps, n_taps, logits));
    (void)snprintf(what, sizeof(what), "%s, mode %zu", r->type, mode);
    for (int t = 0; t < TEMPO_TAP_COUNT; t++)
        for (uint32_t l = 0; l < MOST_LAYERS; l++)
            compare_layer(what, (tempo_tap)t, l, n);
    for (size_t t = 0; t < n_taps && mode == 2; t++) { /* each alone, halved where a later slot sees it */
        const tempo_tap_info info = tempo_tap_get_info(m, taps[t].tap);
        if (!info.editable)
            continue;
        got.halved = want.halved = taps[t].tap;
        got.layer = want.layer = info.by_layer ? m->hp.n_layers - 1 : 0;
        got.slot = want.slot = n / 2;
        (void)run_both(m, r, rows, n, &taps[t], 1, logits);
    }
}

static void test_type(void **state)
{
    json_t *config = random_config(*state, 1, false);
    char root[256], dir[512];

    test_tmpdir_create(root);
    test_path(dir, root, "hf");
    reference_model *r = random_directory(config, 1, dir);
    tempo_model *m = test_open_model(dir);
    test_tmpdir_remove(root);
    double *logits = calloc(RANDOM_ROWS * r->n_vocab, sizeof(*logits));
    assert_non_null(logits);
    for (size_t mode = 0; mode < 4; mode++)
        check_mode(m, r, mode, logits);
    forget(&got);
    forget(&want);
    free(logits);
    tempo_model_free(m);
    reference_free(r);
    json_decref(config);
}

int main(void)
{
    static struct CMUnitTest tests[64];
    size_t n = 0;

    for (; random_archs[n] != NULL; n++)
        tests[n] = (struct CMUnitTest){.name = random_archs[n],
                                       .test_func = test_type,
                                       .initial_state = (void *)(uintptr_t)random_archs[n]};
    return _cmocka_run_group_tests("taps", tests, n, NULL, NULL);
}
