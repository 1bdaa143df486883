/* Taps: every one against the double-precision reference, shown before it is read, and changing no bit.
 *
 * Tolerance of values: attention 2e-5, everything else 2e-4 of the tap's largest value in its layer, and no
 * more than theory says of float matrices (test_forward.c), here 2 u L sqrt(d) of 1 + that largest value.  */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/models.h"
#include "reference/reference.h"
#include "support/tmpdir.h"

enum { SLOTS = 20, PROMPT = 8, SET = 4, MOST_LAYERS = 2 };

/* ---- models, slots ---- */

/* llama with every bias, qwen2, qwen3. */
static tempo_model *open_model(size_t which)
{
    static const char *const archs[] = {"llama", "qwen2", "qwen3"};
    test_spec spec = test_spec_default(archs[which]);
    char dir[256], path[512];

    if (which == 0)
        spec.qkv_bias = spec.o_bias = spec.mlp_bias = true;
    test_model *t = test_model_make(&spec);
    test_tmpdir_create(dir);
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(t, 3, path);
    test_model_free(t);
    tempo_model *m = test_open_model(path);
    test_tmpdir_remove(dir);
    assert_true(m->hp.n_layers <= MOST_LAYERS);
    return m;
}

/* A prompt of eight and three sets of four, whose positions are not all integers. */
static void make_slots(reference_slot *slots, tempo_mode mode)
{
    for (size_t i = 0; i < SLOTS; i++) {
        const size_t set = i < PROMPT ? i : PROMPT + (i - PROMPT) / SET;
        slots[i] = (reference_slot){.token = (int32_t)(i * 37 % 250),
                                    .set = (uint32_t)set,
                                    .position = (double)set + (i < PROMPT ? 0 : 0.25 * (double)(i % SET)),
                                    .mode = mode,
                                    .last_layer = UINT32_MAX};
    }
}

static void make_rows(tempo_row *rows, const reference_slot *slots, tempo_seq *seq, unsigned want)
{
    for (size_t i = 0; i < SLOTS; i++)
        rows[i] = (tempo_row){.seq = seq,
                              .token = slots[i].token,
                              .set = slots[i].set,
                              .position = slots[i].position,
                              .mode = slots[i].mode,
                              .first_layer = slots[i].first_layer,
                              .want = want};
}

/* ---- what was shown ---- */

typedef struct values {
    size_t n[2];
    double *v;
} values;

typedef struct shown {
    values at[TEMPO_TAP_COUNT][MOST_LAYERS][SLOTS];
    size_t views, stop_after; /* 0: never */
    /* what is multiplied by a half when it is shown */
    tempo_tap edited; /* TEMPO_TAP_COUNT: nothing */
    uint32_t layer;
    size_t slot;
} shown;

static shown *shown_create(void)
{
    shown *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->edited = TEMPO_TAP_COUNT;
    return s;
}

static void shown_clear(shown *s)
{
    for (int t = 0; t < TEMPO_TAP_COUNT; t++)
        for (size_t l = 0; l < MOST_LAYERS; l++)
            for (size_t i = 0; i < SLOTS; i++)
                free(s->at[t][l][i].v);
    memset(s->at, 0, sizeof(s->at));
    s->views = 0;
}

static void shown_free(shown *s)
{
    shown_clear(s);
    free(s);
}

static values *put(shown *s, tempo_tap tap, uint32_t layer, size_t slot, size_t n_0, size_t n_1)
{
    values *at = &s->at[tap][layer][slot];

    assert_null(at->v); /* once */
    *at = (values){{n_0, n_1}, malloc(n_0 * n_1 * sizeof(double))};
    assert_non_null(at->v);
    return at;
}

static bool is_edited(const shown *s, tempo_tap tap, uint32_t layer, size_t slot)
{
    return tap == s->edited && layer == s->layer && slot == s->slot;
}

static bool keep_view(void *user, const tempo_tap_view *v)
{
    shown *s = user;
    values *at = put(s, v->tap, v->layer, v->slot, v->dims[0], v->dims[1]);
    /* the buffer that the next stage reads: edits will write there */
    float *buffer = (float *)(uintptr_t)v->values;

    for (size_t i = 0; i < v->dims[0] * v->dims[1]; i++) {
        if (is_edited(s, v->tap, v->layer, v->slot))
            buffer[i] *= 0.5f;
        at->v[i] = (double)v->values[i];
    }
    s->views++;
    return s->stop_after == 0 || s->views < s->stop_after;
}

static void keep_reference(void *user, tempo_tap tap, uint32_t layer, size_t slot, double *v, size_t n_0,
                           size_t n_1)
{
    shown *s = user;
    values *at = put(s, tap, layer, slot, n_0, n_1);

    for (size_t i = 0; i < n_0 * n_1; i++) {
        if (is_edited(s, tap, layer, slot))
            v[i] *= 0.5;
        at->v[i] = v[i];
    }
}

/* Every tap that the model has. */
static size_t all_taps(const tempo_model *m, tempo_tap_selection *taps)
{
    size_t n = 0;

    for (int t = 0; t < TEMPO_TAP_COUNT; t++)
        if (tempo_tap_get_info(m, (tempo_tap)t).missing == NULL)
            taps[n++] = (tempo_tap_selection){.tap = (tempo_tap)t};
    return n;
}

/* One batch of all slots; logits[SLOTS * n_vocab]. */
static tempo_status run(const tempo_model *m, const reference_slot *slots, const tempo_observer *obs,
                        float *logits)
{
    tempo_engine *e = test_engine(m, 2);
    tempo_seq *s = test_seq(e, TEMPO_KV_F32);
    tempo_row rows[SLOTS];
    tempo_err err = {0};

    make_rows(rows, slots, s, TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS);
    const tempo_status st = tempo_engine_forward(e, rows, SLOTS, obs, &err);
    if (st == TEMPO_OK)
        memcpy(logits, tempo_engine_logits(e, 0), SLOTS * m->hp.n_vocab * sizeof(*logits));
    assert_int_equal(tempo_seq_slot_count(s), st == TEMPO_OK ? SLOTS : 0);
    tempo_seq_free(s);
    tempo_engine_free(e);
    return st;
}

/* ---- values ---- */

static double bound_of(const tempo_model *m, tempo_tap tap, double largest)
{
    const double walk = 2 * 0x1p-24 * m->hp.n_layers * sqrt((double)m->hp.d_model) * (1 + largest);

    return fmin(walk, tap == TEMPO_TAP_PATTERN ? 2e-5 : 2e-4 * largest);
}

static double largest_of(const values *rows)
{
    double largest = 0;

    for (size_t r = 0; r < SLOTS; r++)
        for (size_t i = 0; i < rows[r].n[0] * rows[r].n[1]; i++)
            if (isfinite(rows[r].v[i]))
                largest = fmax(largest, fabs(rows[r].v[i]));
    return largest;
}

/* One tap in one layer; the worst error by its bound. */
static double compare_tap(const tempo_model *m, tempo_tap tap, const values *got, const values *want)
{
    const char *name = tempo_tap_get_info(NULL, tap).short_name;
    const double bound = bound_of(m, tap, largest_of(want));
    double worst = 0;

    for (size_t r = 0; r < SLOTS; r++) {
        if (got[r].v == NULL || want[r].v == NULL || got[r].n[0] != want[r].n[0] ||
            got[r].n[1] != want[r].n[1])
            fail_msg("%s of slot %zu: not shown, or of another shape", name, r);
        for (size_t i = 0; i < got[r].n[0] * got[r].n[1]; i++) {
            const double error = fabs(got[r].v[i] - want[r].v[i]);
            if (got[r].v[i] == want[r].v[i]) /* hidden scores: -inf */
                continue;
            if (!(error <= bound))
                fail_msg("%s of slot %zu, element %zu: %.9g, expected %.9g: allowed %.3g", name, r, i,
                         got[r].v[i], want[r].v[i], bound);
            worst = fmax(worst, error / bound);
        }
    }
    return worst;
}

static void test_values(void **state)
{
    (void)state;
    reference_slot slots[SLOTS];
    shown *got = shown_create(), *want = shown_create();

    for (size_t which = 0; which < 3; which++)
        for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++) {
            tempo_model *m = open_model(which);
            tempo_tap_selection taps[TEMPO_TAP_COUNT];
            const tempo_observer obs = {
                .user = got, .view = keep_view, .taps = taps, .n_taps = all_taps(m, taps)};
            float *logits = malloc(SLOTS * m->hp.n_vocab * sizeof(*logits));
            double *wanted = malloc(SLOTS * m->hp.n_vocab * sizeof(*wanted)), worst = 0;
            make_slots(slots, (tempo_mode)mode);
            assert_int_equal(obs.n_taps, which == 2 ? TEMPO_TAP_COUNT - 3 : TEMPO_TAP_COUNT - 5);
            assert_int_equal(run(m, slots, &obs, logits), TEMPO_OK);
            reference_forward(m, slots, SLOTS, keep_reference, want, wanted);
            for (size_t i = 0; i < obs.n_taps; i++) {
                const tempo_tap_info info = tempo_tap_get_info(m, taps[i].tap);
                for (uint32_t l = 0; l < (info.by_layer ? m->hp.n_layers : 1); l++)
                    worst = fmax(worst, compare_tap(m, taps[i].tap, got->at[taps[i].tap][l],
                                                    want->at[taps[i].tap][l]));
                assert_int_equal(got->at[taps[i].tap][0][0].n[0], info.dims[0]);
                assert_int_equal(got->at[taps[i].tap][0][0].n[1], info.dims[1] != 0 ? info.dims[1] : SLOTS);
            }
            printf("%s, mode %d: %zu taps within %.2f of their bounds\n", m->info.architecture, mode,
                   obs.n_taps, worst);
            shown_clear(got);
            shown_clear(want);
            free(logits);
            free(wanted);
            tempo_model_free(m);
        }
    shown_free(got);
    shown_free(want);
}

/* ---- the seam for edits: what stands in a view's buffer afterwards is what the pass goes on with ---- */

static void compare_logits(const tempo_model *m, const char *what, const float *got, const double *want)
{
    const size_t n = SLOTS * m->hp.n_vocab;
    double largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= bound_of(m, TEMPO_TAP_LOGITS, largest)))
            fail_msg("%s halved: logit %zu of slot %zu is %.9g, expected %.9g", what, i % m->hp.n_vocab,
                     i / m->hp.n_vocab, (double)got[i], want[i]);
}

/* A slot of the first set in the last layer: seen by those of the two sets behind it where it is a key. */
static void test_values_are_read_again(void **state)
{
    (void)state;
    reference_slot slots[SLOTS];
    shown *got = shown_create(), *want = shown_create();

    make_slots(slots, TEMPO_VISIBLE);
    for (size_t which = 0; which < 3; which++) {
        tempo_model *m = open_model(which);
        const size_t n = SLOTS * m->hp.n_vocab;
        float *plain = malloc(n * sizeof(*plain)), *logits = malloc(n * sizeof(*logits));
        double *wanted = malloc(n * sizeof(*wanted));
        assert_int_equal(run(m, slots, NULL, plain), TEMPO_OK);
        for (int t = 0; t < TEMPO_TAP_COUNT; t++) {
            const tempo_tap_info info = tempo_tap_get_info(m, (tempo_tap)t);
            const tempo_tap_selection tap = {.tap = (tempo_tap)t};
            const tempo_observer obs = {.user = got, .view = keep_view, .taps = &tap, .n_taps = 1};
            if (info.missing != NULL)
                continue;
            got->edited = want->edited = (tempo_tap)t;
            got->layer = want->layer = info.by_layer ? m->hp.n_layers - 1 : 0;
            got->slot = want->slot = PROMPT + 1;
            assert_int_equal(run(m, slots, &obs, logits), TEMPO_OK);
            assert_int_equal(memcmp(plain, logits, n * sizeof(*plain)) != 0, info.editable);
            reference_forward(m, slots, SLOTS, keep_reference, want, wanted);
            compare_logits(m, info.short_name, logits, wanted);
            shown_clear(got);
            shown_clear(want);
        }
        free(plain);
        free(logits);
        free(wanted);
        tempo_model_free(m);
    }
    shown_free(got);
    shown_free(want);
}

/* ---- I11: no bit ---- */

static bool ignore_view(void *user, const tempo_tap_view *v)
{
    ++*(size_t *)user;
    return v != NULL;
}

/* Logits of all rows, then the whole cache. */
static void run_to(const tempo_model *m, unsigned threads, tempo_kv_type kv, const tempo_observer *obs,
                   float *out)
{
    const tempo_hparams *hp = &m->hp;
    tempo_engine *e = test_engine(m, threads);
    tempo_seq *s = test_seq(e, kv);
    reference_slot slots[SLOTS];
    tempo_row rows[SLOTS];
    tempo_err err = {0};

    make_slots(slots, TEMPO_VISIBLE);
    make_rows(rows, slots, s, TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS);
    for (size_t i = 0; i < PROMPT; i += 3) /* some rows are not shown */
        rows[i].want = TEMPO_WANT_LOGITS;
    if (tempo_engine_forward(e, rows, SLOTS, obs, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    memcpy(out, tempo_engine_logits(e, 0), SLOTS * hp->n_vocab * sizeof(*out));
    out += SLOTS * hp->n_vocab;
    for (uint32_t l = 0; l < hp->n_layers; l++)
        for (uint32_t h = 0; h < hp->n_kv_heads; h++)
            for (size_t i = 0; i < SLOTS; i++, out += 2 * hp->head_dim)
                assert_int_equal(tempo_seq_read_kv(s, l, h, i, out, out + hp->head_dim, &err), TEMPO_OK);
    tempo_seq_free(s);
    tempo_engine_free(e);
}

static void test_same_bits(void **state)
{
    (void)state;
    for (size_t which = 0; which < 6; which++) {
        tempo_model *m = which < 3 ? open_model(which)
                                   : test_open_synthetic("llama", which == 3   ? TEMPO_BF16
                                                                  : which == 4 ? TEMPO_Q8_0
                                                                               : TEMPO_Q4_K);
        const tempo_kv_type kv = which % 2 == 0 ? TEMPO_KV_F32 : TEMPO_KV_F16;
        const size_t n =
            SLOTS * m->hp.n_vocab + (size_t)m->hp.n_layers * m->hp.n_kv_heads * SLOTS * 2 * m->hp.head_dim;
        float *off = calloc(n, sizeof(*off)), *on = calloc(n, sizeof(*on));
        tempo_tap_selection taps[TEMPO_TAP_COUNT];
        const size_t n_taps = all_taps(m, taps), rows = SLOTS - (PROMPT + 2) / 3;
        size_t views = 0, want = 0;
        run_to(m, 2, kv, NULL, off);
        for (size_t i = 0; i <= n_taps; i++) { /* all together, and each alone */
            const tempo_observer obs = {.user = &views,
                                        .view = ignore_view,
                                        .taps = i < n_taps ? &taps[i] : taps,
                                        .n_taps = i < n_taps ? 1 : n_taps};
            for (size_t k = 0; k < obs.n_taps; k++)
                want += rows * (tempo_tap_get_info(m, obs.taps[k].tap).by_layer ? m->hp.n_layers : 1);
            run_to(m, 1 + (unsigned)i % 3, kv, &obs, on);
            if (memcmp(on, off, n * sizeof(*on)) != 0)
                fail_msg("model %zu: %s changes bits", which,
                         i < n_taps ? tempo_tap_get_info(m, taps[i].tap).name : "all taps");
            assert_int_equal(views, want);
        }
        free(off);
        free(on);
        tempo_model_free(m);
    }
}

/* ---- independence of chunks ---- */

/* The last row alone, after all others: what it shows is what it shows in one batch. */
static void test_same_values_alone(void **state)
{
    (void)state;
    reference_slot slots[SLOTS];
    tempo_row rows[SLOTS];
    shown *together = shown_create(), *alone = shown_create();
    tempo_err err = {0};

    make_slots(slots, TEMPO_CAUSAL);
    slots[SLOTS - 1].set++; /* a set of its own */
    for (size_t which = 0; which < 3; which++) {
        tempo_model *m = open_model(which);
        tempo_engine *e = test_engine(m, 2);
        tempo_tap_selection taps[TEMPO_TAP_COUNT];
        tempo_observer obs = {.view = keep_view, .taps = taps, .n_taps = all_taps(m, taps)};
        for (int k = 0; k < 2; k++) {
            tempo_seq *s = test_seq(e, TEMPO_KV_F32);
            make_rows(rows, slots, s, TEMPO_WANT_LOGITS);
            rows[SLOTS - 1].want |= TEMPO_WANT_TAPS;
            obs.user = k == 0 ? together : alone;
            const size_t first = k == 0 ? SLOTS : SLOTS - 1;
            assert_int_equal(tempo_engine_forward(e, rows, first, &obs, &err), TEMPO_OK);
            if (k == 1)
                assert_int_equal(tempo_engine_forward(e, rows + first, 1, &obs, &err), TEMPO_OK);
            tempo_seq_free(s);
        }
        assert_int_equal(together->views, alone->views);
        for (size_t i = 0; i < obs.n_taps; i++)
            for (uint32_t l = 0; l < (tempo_tap_get_info(m, taps[i].tap).by_layer ? m->hp.n_layers : 1);
                 l++) {
                const values *a = &together->at[taps[i].tap][l][SLOTS - 1],
                             *b = &alone->at[taps[i].tap][l][SLOTS - 1];
                assert_int_equal(a->n[0], b->n[0]);
                assert_int_equal(a->n[1], b->n[1]);
                assert_memory_equal(a->v, b->v, a->n[0] * a->n[1] * sizeof(double));
            }
        shown_clear(together);
        shown_clear(alone);
        tempo_engine_free(e);
        tempo_model_free(m);
    }
    shown_free(together);
    shown_free(alone);
}

/* ---- I14: the residual stream is a sum ---- */

static void assert_sum(const values *sum, const values *a, const values *b)
{
    for (size_t i = 0; i < sum->n[0]; i++)
        if ((float)sum->v[i] != (float)a->v[i] + (float)b->v[i])
            fail_msg("element %zu: %.9g is not %.9g + %.9g", i, sum->v[i], a->v[i], b->v[i]);
}

static void test_residual_stream(void **state)
{
    (void)state;
    reference_slot slots[SLOTS];
    shown *s = shown_create();

    make_slots(slots, TEMPO_VISIBLE);
    for (size_t which = 0; which < 3; which++) {
        tempo_model *m = open_model(which);
        tempo_tap_selection taps[TEMPO_TAP_COUNT];
        const tempo_observer obs = {.user = s, .view = keep_view, .taps = taps, .n_taps = all_taps(m, taps)};
        float *logits = malloc(SLOTS * m->hp.n_vocab * sizeof(*logits));
        assert_int_equal(run(m, slots, &obs, logits), TEMPO_OK);
        for (uint32_t l = 0; l < m->hp.n_layers; l++)
            for (size_t r = 0; r < SLOTS; r++) {
                const values *pre = &s->at[TEMPO_TAP_RESID_PRE][l][r],
                             *out = &s->at[TEMPO_TAP_ATTN_OUT][l][r];
                const values *before =
                    l == 0 ? &s->at[TEMPO_TAP_EMBED][0][r] : &s->at[TEMPO_TAP_RESID_POST][l - 1][r];
                const size_t d = pre->n[0];
                assert_memory_equal(pre->v, before->v, d * sizeof(double));
                assert_sum(&s->at[TEMPO_TAP_RESID_MID][l][r], pre, out);
                assert_sum(&s->at[TEMPO_TAP_RESID_POST][l][r], &s->at[TEMPO_TAP_RESID_MID][l][r],
                           &s->at[TEMPO_TAP_MLP_OUT][l][r]);
                for (size_t i = 0; i < d; i++) {
                    const float *bias = m->layers[l].bo;
                    double sum = bias != NULL ? (double)bias[i] : 0;
                    for (size_t h = 0; h < m->hp.n_heads; h++)
                        sum += s->at[TEMPO_TAP_RESULT][l][r].v[h * d + i];
                    assert_true(fabs(sum - out->v[i]) <= 1e-6 * (1 + fabs(out->v[i])));
                }
            }
        shown_clear(s);
        free(logits);
        tempo_model_free(m);
    }
    shown_free(s);
}

/* ---- stopping ---- */

static void test_stopped(void **state)
{
    (void)state;
    reference_slot slots[SLOTS];
    shown *s = shown_create();
    tempo_model *m = open_model(2);
    tempo_tap_selection taps[TEMPO_TAP_COUNT];
    const tempo_observer obs = {.user = s, .view = keep_view, .taps = taps, .n_taps = all_taps(m, taps)};
    float *logits = malloc(SLOTS * m->hp.n_vocab * sizeof(*logits));
    size_t all;

    make_slots(slots, TEMPO_VISIBLE);
    assert_int_equal(run(m, slots, &obs, logits), TEMPO_OK);
    all = s->views;
    for (size_t stop = 1; stop <= all; stop += stop < all - 60 ? 53 : 1) {
        shown_clear(s);
        s->stop_after = stop;
        assert_int_equal(run(m, slots, &obs, logits), TEMPO_E_STOPPED);
        assert_int_equal(s->views, stop); /* nothing more is shown */
    }
    free(logits);
    tempo_model_free(m);
    shown_free(s);
}

/* ---- selections ---- */

static void assert_fails(const tempo_model *m, const char *text, tempo_status st, const char *says)
{
    tempo_tap_selection s;
    tempo_err err = {0};

    assert_int_equal(tempo_tap_parse(&s, m, text, &err), st);
    if (strstr(err.msg, says) == NULL)
        fail_msg("'%s': '%s' does not say '%s'", text, err.msg, says);
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        tempo_tap tap;
        uint64_t layers, heads;
    } good[] = {{"z", TEMPO_TAP_Z, 0, 0},
                {"attention", TEMPO_TAP_PATTERN, 0, 0},
                {"resid_post:layers=0-1", TEMPO_TAP_RESID_POST, 3, 0},
                {"hook_resid_post", TEMPO_TAP_RESID_POST, 0, 0},
                {"blocks.1.attn.hook_z:heads=0,2-3", TEMPO_TAP_Z, 2, 13},
                {"attn.hook_k:heads=1:layers=1", TEMPO_TAP_K, 2, 2},
                {"pattern:layers=1,heads=0,3", TEMPO_TAP_PATTERN, 2, 9},
                {"ln1.scale", TEMPO_TAP_LN1_SCALE, 0, 0},
                {"blocks.0.ln2.hook_normalized", TEMPO_TAP_LN2_NORMALIZED, 1, 0},
                {"hook_embed", TEMPO_TAP_EMBED, 0, 0},
                {"pre", TEMPO_TAP_MLP_PRE, 0, 0},
                {"logits", TEMPO_TAP_LOGITS, 0, 0}};
    tempo_model *m = open_model(0);
    tempo_tap_selection s;
    tempo_err err = {0};

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        if (tempo_tap_parse(&s, m, good[i].text, &err) != TEMPO_OK)
            fail_msg("%s: %s", good[i].text, err.msg);
        assert_int_equal(s.tap, good[i].tap);
        assert_int_equal(s.layers[0], good[i].layers);
        assert_int_equal(s.heads[0], good[i].heads);
    }
    assert_fails(m, "zz", TEMPO_E_FORMAT, "is no tap; there are embed, resid_pre, ln1.scale");
    assert_fails(m, "", TEMPO_E_FORMAT, "is no tap");
    assert_fails(m, "scale", TEMPO_E_FORMAT, "may mean ln1.scale, ln2.scale, ln_final.scale");
    assert_fails(m, "blocks.0.hook_embed", TEMPO_E_FORMAT, "is no tap");
    assert_fails(m, "z:layers=1-2", TEMPO_E_ARG, "z: layers 1-2: the model has layers 0 to 1");
    assert_fails(m, "blocks.5.attn.hook_z", TEMPO_E_ARG, "layers 5: the model has layers 0 to 1");
    assert_fails(m, "z:heads=1,4", TEMPO_E_ARG, "heads 1,4: the model has heads 0 to 3");
    assert_fails(m, "k:heads=2", TEMPO_E_ARG, "heads 2: the model has key/value heads 0 to 1");
    assert_fails(m, "resid_mid:heads=0", TEMPO_E_ARG, "it has no heads");
    assert_fails(m, "embed:layers=0", TEMPO_E_ARG, "it is not in layers");
    assert_fails(m, "pos_embed", TEMPO_E_ARG, "(llama) has no learned positions");
    assert_fails(m, "expert_weights", TEMPO_E_ARG, "has no experts");
    assert_fails(m, "q_normed", TEMPO_E_ARG, "has no norm of queries and keys");
    static const char *const bad[] = {
        "z:",          "z:layers",     "z:layers=",           "z:layers=3-1",
        "z:layers=1-", "z:layers=-1",  "z:layers=1024",       "z:layers=1:layers=2",
        "z:heads=0;1", "z:heads=0,,1", "z:heads=99999999999", "blocks.1.attn.hook_z:layers=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_fails(NULL, bad[i], TEMPO_E_FORMAT, "expected NAME[:layers=4-8][:heads=0,3]");
    assert_int_equal(tempo_tap_parse(&s, NULL, "k:heads=9:layers=1023", &err), TEMPO_OK); /* not yet known */
    assert_int_equal(tempo_tap_check(&s, m, NULL), TEMPO_E_ARG);
    assert_null(tempo_tap_get_info(m, TEMPO_TAP_COUNT).name);
    tempo_model_free(m);
}

/* An observer that asks for what there is not: the pass is refused. */
static void test_refused(void **state)
{
    (void)state;
    const tempo_tap_selection taps[] = {{.tap = TEMPO_TAP_COUNT},
                                        {.tap = (tempo_tap)-1},
                                        {.tap = TEMPO_TAP_EXPERT_INDICES},
                                        {.tap = TEMPO_TAP_Z, .layers = {[1] = 1}}};
    reference_slot slots[SLOTS];
    tempo_model *m = open_model(1);
    size_t views = 0;
    float logits[1];

    make_slots(slots, TEMPO_ISOLATED);
    for (size_t i = 0; i < sizeof(taps) / sizeof(*taps); i++) {
        const tempo_observer obs = {.user = &views, .view = ignore_view, .taps = &taps[i], .n_taps = 1};
        assert_int_equal(run(m, slots, &obs, logits), TEMPO_E_ARG);
    }
    assert_int_equal(views, 0);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),          cmocka_unit_test(test_values_are_read_again),
        cmocka_unit_test(test_same_bits),       cmocka_unit_test(test_same_values_alone),
        cmocka_unit_test(test_residual_stream), cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_parse),           cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
