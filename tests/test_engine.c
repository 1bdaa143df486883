/* The engine's contract: batches, forks, refusals that change nothing, attention views, and independence of
 * everything that is not the row's own sequence (identities I3 to I9 of semantics.md on synthetic models;
 * `tempo doctor` and the golden runs check them on real ones). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/models.h"

enum { PROMPT = 9, SET = 5, MAX_VOCAB = 400 };
static const int32_t prompt[PROMPT] = {1, 20, 3, 44, 5, 66, 7, 88, 9}, members[SET] = {11, 30, 12, 50, 13};

static const struct {
    const char *arch;
    tempo_dtype type;
} kinds[] = {{"llama", TEMPO_F32},
             {"qwen2", TEMPO_F32},
             {"qwen3", TEMPO_F16},
             {"llama", TEMPO_Q4_K},
             {"llama", TEMPO_Q8_0}};
enum { N_KINDS = sizeof(kinds) / sizeof(*kinds) };

/* Logits of a set after the prompt, which came in chunks of `chunk` tokens. */
static void run_set(const tempo_model *m, unsigned threads, tempo_kv_type kv, size_t chunk,
                    const int32_t *ids, size_t n, tempo_mode mode, float *out)
{
    tempo_engine *e = test_engine(m, threads);
    tempo_seq *s = test_seq(e, kv);

    for (size_t i = 0; i < PROMPT; i += chunk)
        test_append(e, s, prompt + i, PROMPT - i < chunk ? PROMPT - i : chunk, true, TEMPO_ISOLATED, NULL,
                    NULL);
    test_append(e, s, ids, n, false, mode, NULL, out);
    tempo_seq_free(s);
    tempo_engine_free(e);
}

typedef struct results {
    size_t n_vocab;
    float a[SET * MAX_VOCAB], b[SET * MAX_VOCAB];
} results;

static results *new_results(const tempo_model *m)
{
    results *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->n_vocab = tempo_model_get_info(m)->n_vocab;
    assert_true(r->n_vocab <= MAX_VOCAB);
    return r;
}

static void assert_row_equal(const results *r, const float *a, size_t i, const float *b, size_t k)
{
    for (size_t v = 0; v < r->n_vocab; v++)
        assert_true(isfinite(a[i * r->n_vocab + v]));
    assert_memory_equal(a + i * r->n_vocab, b + k * r->n_vocab, r->n_vocab * sizeof(float));
}

/* I9: threads and the prompt's chunks. */
static void test_threads_and_chunks(void **state)
{
    (void)state;
    static const size_t chunks[] = {1, 2, 4, 8};

    for (size_t k = 0; k < N_KINDS; k++)
        for (int kv = TEMPO_KV_F32; kv <= TEMPO_KV_F16; kv++) {
            tempo_model *m = test_open_synthetic(kinds[k].arch, kinds[k].type);
            results *r = new_results(m);
            run_set(m, 1, (tempo_kv_type)kv, PROMPT, members, SET, TEMPO_VISIBLE, r->a);
            for (unsigned t = 1; t <= 4; t++) {
                run_set(m, t, (tempo_kv_type)kv, chunks[t - 1], members, SET, TEMPO_VISIBLE, r->b);
                for (size_t i = 0; i < SET; i++)
                    assert_row_equal(r, r->a, i, r->b, i);
            }
            free(r);
            tempo_model_free(m);
        }
}

/* I3, and I5 and I6 for isolated sets: a row is a function of its token alone. */
static void test_isolated_rows(void **state)
{
    (void)state;
    static const int32_t other[SET] = {13, 12, 12, 11, 50};

    for (size_t k = 0; k < N_KINDS; k++) {
        tempo_model *m = test_open_synthetic(kinds[k].arch, kinds[k].type);
        results *r = new_results(m);
        run_set(m, 2, TEMPO_KV_F32, PROMPT, members, SET, TEMPO_ISOLATED, r->a);
        for (size_t i = 0; i < SET; i++) {
            run_set(m, 1, TEMPO_KV_F32, 3, &members[i], 1, TEMPO_VISIBLE, r->b);
            assert_row_equal(r, r->a, i, r->b, 0);
        }
        run_set(m, 1, TEMPO_KV_F32, PROMPT, other, SET, TEMPO_ISOLATED, r->b);
        assert_row_equal(r, r->a, 4, r->b, 0);
        assert_row_equal(r, r->a, 2, r->b, 1);
        assert_row_equal(r, r->b, 1, r->b, 2);
        assert_row_equal(r, r->a, 0, r->b, 3);
        free(r);
        tempo_model_free(m);
    }
}

/* I8: the cache against one pass over everything, for every mode, over several pages. */
static void test_at_once(void **state)
{
    (void)state;
    enum { LONG = 100 };

    for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++) {
        tempo_model *m = test_open_synthetic("qwen2", TEMPO_F32);
        tempo_engine *e = test_engine(m, 2);
        results *r = new_results(m);
        tempo_seq *steps = test_seq(e, TEMPO_KV_F16), *once = test_seq(e, TEMPO_KV_F16);
        tempo_row rows[LONG + 2 * SET];
        tempo_err err = {0};
        for (size_t i = 0; i < LONG + 2 * SET; i++) {
            const size_t set = i < LONG ? i : LONG + (i - LONG) / SET;
            rows[i] = (tempo_row){.seq = once,
                                  .token = i < LONG ? (int32_t)(i * 7 % 90) : members[(i - LONG) % SET],
                                  .set = (uint32_t)set,
                                  .position = (double)set,
                                  .mode = (tempo_mode)mode,
                                  .want = i >= LONG + SET ? TEMPO_WANT_LOGITS : 0};
        }
        if (tempo_engine_forward(e, rows, LONG + 2 * SET, NULL, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        for (size_t i = 0; i < SET; i++)
            memcpy(r->a + i * r->n_vocab, tempo_engine_logits(e, LONG + SET + i), r->n_vocab * sizeof(float));
        assert_null(tempo_engine_logits(e, 0));
        for (size_t i = 0; i < LONG; i++)
            test_append(e, steps, &rows[i].token, 1, true, TEMPO_ISOLATED, NULL, NULL);
        test_append(e, steps, members, SET, false, (tempo_mode)mode, NULL, NULL);
        test_append(e, steps, members, SET, false, (tempo_mode)mode, NULL, r->b);
        for (size_t i = 0; i < SET; i++)
            assert_row_equal(r, r->a, i, r->b, i);
        tempo_seq_free(steps);
        tempo_seq_free(once);
        free(r);
        tempo_engine_free(e);
        tempo_model_free(m);
    }
}

/* ---- several sequences, forks ---- */

static void test_forks(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 2);
    results *r = new_results(m);
    tempo_seq *trunk = test_seq(e, TEMPO_KV_F32), *a, *b;
    tempo_err err = {0};
    int32_t long_prompt[70];

    for (int32_t i = 0; i < 70; i++)
        long_prompt[i] = i % 60;
    test_append(e, trunk, long_prompt, 70, true, TEMPO_ISOLATED, NULL, NULL); /* more than a page */
    assert_int_equal(tempo_seq_fork(&a, trunk, &err), TEMPO_OK);
    assert_int_equal(tempo_seq_fork(&b, a, &err), TEMPO_OK);
    test_append(e, a, members, 1, false, TEMPO_ISOLATED, NULL, r->a);
    test_append(e, b, members + 1, 1, false, TEMPO_ISOLATED, NULL, r->b); /* does not disturb a */
    tempo_seq_free(trunk);
    assert_int_equal(tempo_seq_slot_count(a), 71);
    assert_int_equal(tempo_seq_slot_at(a, 70).token, members[0]);
    assert_int_equal(tempo_seq_slot_at(b, 70).token, members[1]);
    /* Both go on in one batch, as each would alone. */
    tempo_row rows[2];
    for (size_t i = 0; i < 2; i++)
        rows[i] = (tempo_row){
            .seq = i == 0 ? b : a, .token = 5, .set = 71, .position = 71, .want = TEMPO_WANT_LOGITS};
    assert_int_equal(tempo_engine_forward(e, rows, 2, NULL, &err), TEMPO_OK);
    memcpy(r->a, tempo_engine_logits(e, 1), r->n_vocab * sizeof(float));
    memcpy(r->a + r->n_vocab, tempo_engine_logits(e, 0), r->n_vocab * sizeof(float));
    for (size_t i = 0; i < 2; i++) {
        tempo_seq *alone = test_seq(e, TEMPO_KV_F32);
        const int32_t end[] = {members[i], 5};
        test_append(e, alone, long_prompt, 70, true, TEMPO_ISOLATED, NULL, NULL);
        test_append(e, alone, end, 2, true, TEMPO_ISOLATED, NULL, r->b);
        assert_row_equal(r, r->a, i, r->b, 1);
        tempo_seq_free(alone);
    }
    tempo_seq_free(b);
    tempo_seq_free(a);
    free(r);
    tempo_engine_free(e);
    tempo_model_free(m);
}

static void test_read_kv(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    tempo_seq *full = test_seq(e, TEMPO_KV_F32), *half = test_seq(e, TEMPO_KV_F16);
    const tempo_model_info *i = tempo_model_get_info(m);
    float k[64], v[64], kh[64], vh[64];
    tempo_err err = {0};

    test_append(e, full, prompt, PROMPT, true, TEMPO_ISOLATED, NULL, NULL);
    test_append(e, half, prompt, PROMPT, true, TEMPO_ISOLATED, NULL, NULL);
    assert_int_equal(tempo_seq_read_kv(full, 0, i->n_kv_heads - 1, 3, k, v, &err), TEMPO_OK);
    assert_int_equal(tempo_seq_read_kv(half, 0, i->n_kv_heads - 1, 3, kh, vh, &err), TEMPO_OK);
    for (uint32_t d = 0; d < i->head_dim; d++) { /* layer 0: rounded once, half a unit of 2^-11 */
        assert_true(fabsf(k[d] - kh[d]) <= fabsf(k[d]) * 0x1p-11f + 0x1p-25f);
        assert_true(fabsf(v[d] - vh[d]) <= fabsf(v[d]) * 0x1p-11f + 0x1p-25f);
    }
    assert_int_equal(tempo_seq_read_kv(full, i->n_layers, 0, 0, k, v, &err), TEMPO_E_ARG);
    err = (tempo_err){0};
    assert_int_equal(tempo_seq_read_kv(full, 0, i->n_kv_heads, 0, k, v, &err), TEMPO_E_ARG);
    err = (tempo_err){0};
    assert_int_equal(tempo_seq_read_kv(full, 0, 0, PROMPT, k, v, &err), TEMPO_E_ARG);
    tempo_seq_free(full);
    tempo_seq_free(half);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- attention ---- */

typedef struct watch {
    size_t views, rows;
    tempo_mode mode;
    uint32_t first_layer, last_layer, stop_at;
    bool bad;
} watch;

/* I4: sums, exact zeros; views in the order of layers and rows. */
static bool look(void *user, const tempo_tap_view *v)
{
    watch *w = user;
    const bool on = v->layer >= w->first_layer && v->layer <= w->last_layer;
    const size_t own = PROMPT + v->row;

    w->bad |=
        v->layer != w->views / w->rows || v->row != w->views % w->rows || v->dims[1] != PROMPT + w->rows;
    for (uint32_t h = 0; h < v->dims[0]; h++) {
        double sum = 0;
        for (size_t j = 0; j < v->dims[1]; j++) {
            const float a = v->values[h * v->dims[1] + j];
            const bool seen = j < PROMPT || j == own ||
                              (on && (w->mode == TEMPO_VISIBLE || (w->mode == TEMPO_CAUSAL && j < own)));
            w->bad |= seen ? !(a > 0) : a != 0.0f;
            sum += (double)a;
        }
        w->bad |= !(fabs(sum - 1) <= 1e-6);
    }
    w->views++;
    return v->layer != w->stop_at;
}

static void test_attention_views(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("qwen3", TEMPO_F32);
    tempo_engine *e = test_engine(m, 2);
    results *r = new_results(m);

    for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++) {
        tempo_seq *s = test_seq(e, TEMPO_KV_F32);
        watch w = {.rows = SET, .mode = (tempo_mode)mode, .last_layer = UINT32_MAX, .stop_at = UINT32_MAX};
        const tempo_observer obs = {.user = &w,
                                    .view = look,
                                    .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                    .n_taps = 1};
        test_append(e, s, prompt, PROMPT, true, TEMPO_ISOLATED, NULL, NULL);
        test_append(e, s, members, SET, false, (tempo_mode)mode, &obs, r->a);
        assert_false(w.bad);
        assert_int_equal(w.views, SET * tempo_model_get_info(m)->n_layers);
        run_set(m, 1, TEMPO_KV_F32, PROMPT, members, SET, (tempo_mode)mode,
                r->b); /* unobserved: the same bits */
        for (size_t i = 0; i < SET; i++)
            assert_row_equal(r, r->a, i, r->b, i);
        tempo_seq_free(s);
    }
    free(r);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* A visibility that holds in some layers only. */
static void test_visible_layers(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    tempo_seq *s = test_seq(e, TEMPO_KV_F32);
    tempo_row rows[SET];
    watch w = {.rows = SET, .mode = TEMPO_VISIBLE, .first_layer = 1, .last_layer = 1, .stop_at = UINT32_MAX};
    const tempo_observer obs = {.user = &w,
                                .view = look,
                                .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                .n_taps = 1};
    tempo_err err = {0};

    test_append(e, s, prompt, PROMPT, true, TEMPO_ISOLATED, NULL, NULL);
    for (size_t i = 0; i < SET; i++)
        rows[i] = (tempo_row){.seq = s,
                              .token = members[i],
                              .set = PROMPT,
                              .position = PROMPT,
                              .mode = TEMPO_VISIBLE,
                              .first_layer = 1,
                              .n_layers = 1,
                              .want = TEMPO_WANT_TAPS};
    assert_int_equal(tempo_engine_forward(e, rows, SET, &obs, &err), TEMPO_OK);
    assert_false(w.bad);
    tempo_seq_free(s);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* A callback that stops the pass: nothing has happened, and the repeated call gives what it would have given.
 */
static void test_stopped(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 2);
    tempo_seq *s = test_seq(e, TEMPO_KV_F32);
    results *r = new_results(m);
    watch w = {.rows = SET, .mode = TEMPO_VISIBLE, .last_layer = UINT32_MAX, .stop_at = 1};
    const tempo_observer obs = {.user = &w,
                                .view = look,
                                .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                .n_taps = 1};
    tempo_row rows[SET];
    tempo_err err = {0};

    test_append(e, s, prompt, PROMPT, true, TEMPO_ISOLATED, NULL, NULL);
    for (size_t i = 0; i < SET; i++)
        rows[i] = (tempo_row){.seq = s,
                              .token = members[i],
                              .set = PROMPT,
                              .position = PROMPT,
                              .mode = TEMPO_VISIBLE,
                              .want = TEMPO_WANT_TAPS};
    assert_int_equal(tempo_engine_forward(e, rows, SET, &obs, &err), TEMPO_E_STOPPED);
    assert_int_equal(tempo_seq_slot_count(s), PROMPT);
    test_append(e, s, members, SET, false, TEMPO_VISIBLE, NULL, r->a);
    run_set(m, 1, TEMPO_KV_F32, PROMPT, members, SET, TEMPO_VISIBLE, r->b);
    for (size_t i = 0; i < SET; i++)
        assert_row_equal(r, r->a, i, r->b, i);
    free(r);
    tempo_seq_free(s);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- what is refused ---- */

static void test_refused(void **state)
{
    (void)state;
    const struct {
        tempo_row rows[3];
        size_t n;
        tempo_status code;
        const char *part;
    } cases[] = {
        {{{.token = -1, .set = PROMPT, .position = PROMPT}}, 1, TEMPO_E_ARG, "token"},
        {{{.token = 288, .set = PROMPT, .position = PROMPT}}, 1, TEMPO_E_ARG, "token"},
        {{{.set = PROMPT + 1, .position = PROMPT}}, 1, TEMPO_E_ARG, "set"},
        {{{.set = PROMPT - 1, .position = PROMPT}}, 1, TEMPO_E_ARG, "set"},
        {{{.set = PROMPT, .position = 128}}, 1, TEMPO_E_LIMIT, "context"},
        {{{.set = PROMPT, .position = -128}}, 1, TEMPO_E_LIMIT, "context"},
        {{{.set = PROMPT, .position = NAN}}, 1, TEMPO_E_ARG, "position"},
        {{{.set = PROMPT, .position = INFINITY}}, 1, TEMPO_E_ARG, "position"},
        {{{.set = PROMPT, .position = 1, .mode = (tempo_mode)7}}, 1, TEMPO_E_ARG, "mode"},
        {{{.set = PROMPT, .position = 1},
          {.set = PROMPT + 1, .position = 1},
          {.set = PROMPT + 2, .position = 1}},
         3,
         TEMPO_E_LIMIT,
         "slots"},
    };
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    const tempo_seq_options small = {.size = sizeof(small), .max_slots = PROMPT + 2};
    tempo_seq *s;
    tempo_err err = {0};

    assert_int_equal(tempo_seq_create(&s, e, &small, &err), TEMPO_OK);
    test_append(e, s, prompt, PROMPT, true, TEMPO_ISOLATED, NULL, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_row rows[3];
        memcpy(rows, cases[i].rows, sizeof(rows));
        for (size_t k = 0; k < 3; k++)
            rows[k].seq = s;
        err = (tempo_err){0};
        const tempo_status st = tempo_engine_forward(e, rows, cases[i].n, NULL, &err);
        if (st != cases[i].code || strstr(err.msg, cases[i].part) == NULL)
            fail_msg("case %zu: status %d (expected %d), \"%s\" (%s)", i, (int)st, (int)cases[i].code,
                     err.msg, cases[i].part);
        assert_int_equal(tempo_seq_slot_count(s), PROMPT);
    }
    test_append(e, s, members, 2, false, TEMPO_VISIBLE, NULL, NULL); /* and it still works */
    assert_int_equal(tempo_seq_slot_count(s), PROMPT + 2);
    tempo_seq_free(s);
    tempo_engine_free(e);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_chunks),
        cmocka_unit_test(test_isolated_rows),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_forks),
        cmocka_unit_test(test_read_kv),
        cmocka_unit_test(test_attention_views),
        cmocka_unit_test(test_visible_layers),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
