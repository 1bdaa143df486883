/* Lists of edits: what is refused and how it is said, who holds what, what came of them, one arm's values in
 * another. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/edit.h"
#include "model/model.h"
#include "support/models.h"

enum { PROMPT = 6, SET = 3 };

static tempo_edits *make(const tempo_model *m, const char *text)
{
    tempo_edits *l;
    tempo_err err = {0};

    assert_int_equal(tempo_edits_create(&l, m, &err), TEMPO_OK);
    if (tempo_edits_add(l, text, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return l;
}

/* ---- refused ---- */

typedef struct refusal {
    const char *text;
    tempo_status code;
    const char *says;
} refusal;

static const refusal refusals[] = {
    {"", TEMPO_E_FORMAT, "'' is no edit; there are zero, scale"},
    {"zap z", TEMPO_E_FORMAT, "'zap' is no edit"},
    {"zero", TEMPO_E_FORMAT, "expected zero TAP"},
    {"zero z z", TEMPO_E_FORMAT, "expected zero TAP"},
    {"zero nothing", TEMPO_E_FORMAT, "'nothing' is no tap; there are embed"},
    {"zero z layers=0-9", TEMPO_E_ARG, "z: layers 0-9: the model has layers 0 to 1"},
    {"zero blocks.7.attn.hook_z", TEMPO_E_ARG, "layers 7: the model has layers 0 to 1"},
    {"zero z heads=4", TEMPO_E_ARG, "heads 4: the model has heads 0 to 3"},
    {"zero k heads=2", TEMPO_E_ARG, "key/value heads 0 to 1"},
    {"zero resid_pre heads=0", TEMPO_E_ARG, "it has no heads"},
    {"zero result", TEMPO_E_ARG, "result is only computed to be looked at"},
    {"zero q_normed", TEMPO_E_ARG, "has no norm of queries and keys"},
    {"zero z rows=set", TEMPO_E_FORMAT, "'set' names no rows; expected all, prompt"},
    {"zero z rows=siblings", TEMPO_E_FORMAT, "'siblings' names no rows"},
    {"zero z rows=set:9-7", TEMPO_E_FORMAT, "names no rows"},
    {"zero z rows=member:3-1", TEMPO_E_FORMAT, "member:1-3"},
    {"zero z rows=prompt:-0", TEMPO_E_FORMAT, "names no rows"},
    {"zero z rows=prompt:1&prompt:2", TEMPO_E_FORMAT, "names no rows"},
    {"zero z rows=", TEMPO_E_FORMAT, "'' names no rows"},
    {"zero z rows=token:99999", TEMPO_E_ARG, "token:99999: the vocabulary has ids 0 to"},
    {"zero z rows=prompt&generated", TEMPO_E_FORMAT, "no slot is both"},
    {"zero z rows=all rows=all", TEMPO_E_FORMAT, "rows= is there twice"},
    {"zero z vector=x", TEMPO_E_FORMAT, "vector= means nothing here"},
    {"zero z rows=\"all", TEMPO_E_FORMAT, "a quote is not closed"},
    {"scale z", TEMPO_E_FORMAT, "the number 'z' is not a finite number"},
    {"scale nan z", TEMPO_E_FORMAT, "'nan' is not a finite number"},
    {"scale 1e39 z", TEMPO_E_FORMAT, "'1e39' is not a finite number"},
    {"scale", TEMPO_E_FORMAT, "expected scale A TAP"},
    {"add z", TEMPO_E_FORMAT, "expected add TAP vector=V"},
    {"add resid_pre vector=nowhere.npy", TEMPO_E_NOTFOUND, "nowhere.npy"},
    {"add resid_pre vector=short", TEMPO_E_ARG, "vector short has shape [3], resid_pre has [32]"},
    {"add z vector=short", TEMPO_E_ARG, "z has [4, 8], or that of one head"},
    {"add resid_pre vector=bad", TEMPO_E_ARG, "vector bad: element 1 is not a finite number"},
    {"add resid_pre vector=good times=inf", TEMPO_E_FORMAT, "times 'inf' is not a finite number"},
    {"patch z from=nobody", TEMPO_E_NOTFOUND, "nobody"},
    {"patch z from=mlps", TEMPO_E_ARG, "run 'mlps' was not kept at this tap"},
    {"patch mlp_out from=mlps source=set:1", TEMPO_E_FORMAT, "expected prompt:N, one slot"},
    {"cut", TEMPO_E_FORMAT, "expected cut [FROM ->] TO"},
    {"cut nobody", TEMPO_E_FORMAT, "'nobody' names no slots; expected all"},
    {"cut self -> first", TEMPO_E_FORMAT, "'self' names no rows"},
    {"cut first rows=all", TEMPO_E_FORMAT, "rows= means nothing here"},
    {"cut siblings layers=5", TEMPO_E_ARG, "layers 5: the model has layers 0 to 1"},
    {"bias -inf first", TEMPO_E_FORMAT, "the bias '-inf' is not a finite number (cut takes slots out)"},
    {"temperature 0", TEMPO_E_ARG, "a temperature is above 0"},
    {"temperature 1 first", TEMPO_E_FORMAT, "expected temperature T"},
};

static void test_refused(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    float good[32] = {0}, bad[32] = {0, NAN};
    const tempo_tap_selection mlps = {.tap = TEMPO_TAP_MLP_OUT};
    tempo_store *store;
    tempo_edits *l;
    tempo_err err = {0};

    assert_int_equal(tempo_store_create(&store, m, &mlps, 1, 0, &err), TEMPO_OK);
    const tempo_edit_array arrays[] = {
        {"good", good, 1, {32}}, {"bad", bad, 1, {32}}, {"short", good, 1, {3}}};
    const tempo_edit_run run = {"mlps", store};
    const tempo_edit_inputs in = {
        .size = sizeof(in), .arrays = arrays, .n_arrays = 3, .runs = &run, .n_runs = 1};
    assert_int_equal(tempo_edits_create(&l, m, &err), TEMPO_OK);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        const refusal *r = &refusals[i];
        err = (tempo_err){0};
        const tempo_status st = tempo_edits_add(l, r->text, &in, &err);
        if (st != r->code || err.code != st || strstr(err.msg, r->says) == NULL ||
            strncmp(err.msg, "edit '", 6) != 0 || strcmp(err.field, "edits") != 0)
            fail_msg("%s: status %d, field %s, %s", r->text, (int)st, err.field, err.msg);
        assert_int_equal(tempo_edits_count(l), 0);
    }
    tempo_store_free(store);
    tempo_edits_free(l);
    tempo_model_free(m);
}

static void test_limits(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_edits *l = make(m, "zero z");
    tempo_err err = {0};

    while (tempo_edits_count(l) < TEMPO_MAX_EDITS)
        assert_int_equal(tempo_edits_add(l, "scale 1 z", NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_edits_add(l, "scale 1 z", NULL, &err), TEMPO_E_LIMIT);
    assert_int_equal(tempo_edits_count(l), TEMPO_MAX_EDITS);
    assert_string_equal(tempo_edits_text(l, 1), "scale 1 z");
    assert_null(tempo_edits_text(l, TEMPO_MAX_EDITS));
    /* as many as there may be run, too */
    tempo_engine *e = test_engine(m, 2);
    tempo_seq *s = test_seq(e, TEMPO_KV_F32);
    const int32_t ids[PROMPT] = {1, 2, 3, 4, 5, 6};
    assert_int_equal(tempo_seq_set_edits(s, l, PROMPT, NULL), TEMPO_OK);
    test_append(e, s, ids, PROMPT, true, TEMPO_VISIBLE, NULL, NULL);
    assert_true(tempo_seq_edit_use(s, 0).changed);
    assert_false(tempo_seq_edit_use(s, TEMPO_MAX_EDITS - 1).changed);
    assert_true(tempo_seq_edit_use(s, TEMPO_MAX_EDITS - 1).came);
    tempo_seq_free(s);
    tempo_engine_free(e);
    tempo_edits_free(l);
    tempo_model_free(m);
}

/* ---- who has a list ---- */

static void test_owners(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32),
                *other = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    tempo_seq *s = test_seq(e, TEMPO_KV_F32), *fork;
    const int32_t ids[PROMPT] = {1, 2, 3, 4, 5, 6};
    tempo_edits *l = make(m, "zero z rows=prompt:-1"), *wrong = make(other, "zero z"),
                *beyond = make(m, "cut prompt:6");
    tempo_err err = {0};

    assert_int_equal(tempo_seq_set_edits(s, wrong, PROMPT, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "another model"));
    err = (tempo_err){0};
    assert_int_equal(tempo_seq_set_edits(s, beyond, PROMPT, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "prompt:6: the prompt has tokens 0 to 5"));
    assert_int_equal(tempo_seq_set_edits(s, l, PROMPT, &err), TEMPO_OK);
    err = (tempo_err){0};
    assert_int_equal(tempo_edits_add(l, "zero q", NULL, &err),
                     TEMPO_E_ARG); /* it does not change under a run */
    tempo_edits_free(l);           /* the sequence has it */
    test_append(e, s, ids, PROMPT - 1, true, TEMPO_VISIBLE, NULL, NULL);
    assert_false(tempo_seq_edit_use(s, 0).came);
    assert_int_equal(tempo_seq_fork(&fork, s, &err), TEMPO_OK);
    test_append(e, fork, ids + PROMPT - 1, 1, true, TEMPO_VISIBLE, NULL, NULL);
    assert_true(tempo_seq_edit_use(fork, 0).changed);
    assert_false(tempo_seq_edit_use(s, 0).came);
    tempo_seq_free(s);
    assert_int_equal(tempo_seq_set_edits(fork, NULL, 0, &err), TEMPO_OK);
    assert_false(tempo_seq_edit_use(fork, 0).came);
    tempo_seq_free(fork);
    tempo_edits_free(wrong);
    tempo_edits_free(beyond);
    tempo_engine_free(e);
    tempo_model_free(other);
    tempo_model_free(m);
}

/* An edited key or value is what the cache has, and later rows see. */
static void test_cache(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    const int32_t ids[PROMPT] = {1, 2, 3, 4, 5, 6};

    for (int kv = TEMPO_KV_F32; kv <= TEMPO_KV_F16; kv++) {
        tempo_engine *e = test_engine(m, 1);
        tempo_seq *s = test_seq(e, (tempo_kv_type)kv);
        tempo_edits *l = make(m, "zero k layers=1 heads=1 rows=prompt:2");
        float k[8], v[8];
        assert_int_equal(tempo_seq_set_edits(s, l, PROMPT, NULL), TEMPO_OK);
        test_append(e, s, ids, PROMPT, true, TEMPO_VISIBLE, NULL, NULL);
        for (size_t slot = 0; slot < PROMPT; slot++)
            for (uint32_t head = 0; head < 2; head++) {
                double sum = 0;
                assert_int_equal(tempo_seq_read_kv(s, 1, head, slot, k, v, NULL), TEMPO_OK);
                for (size_t i = 0; i < 8; i++)
                    sum += fabs((double)k[i]);
                assert_int_equal(sum == 0, slot == 2 && head == 1);
            }
        tempo_edits_free(l);
        tempo_seq_free(s);
        tempo_engine_free(e);
    }
    tempo_model_free(m);
}

/* ---- arms ---- */

typedef struct kept {
    tempo_store *store;
    tempo_err err;
} kept;

static bool keep(void *user, const tempo_tap_view *v)
{
    kept *k = user;

    return tempo_store_view(k->store, v, &k->err);
}

/* The arms' sets are given, so that rows have the same slots; returns the distribution of the last step, for
 * free(). */
static double *run_arm(tempo_engine *e, const tempo_run_arm *arms, size_t n, size_t which,
                       const tempo_observer *obs)
{
    static const tempo_member members[] = {{7, 0.5, 0, 0}, {8, 0.3, 0, 0}, {9, 0.2, 0, 0}};
    static const tempo_given_set given[] = {{members, SET}, {members, SET}};
    static const int32_t ids[PROMPT] = {1, 2, 3, 4, 5, 6};
    const size_t n_vocab = tempo_model_get_info(tempo_engine_model(e))->n_vocab;
    const tempo_run_prompt p = {ids, PROMPT, NULL};
    double *q = malloc(n_vocab * sizeof(*q));
    tempo_run_options o;
    tempo_run *r;
    tempo_err err = {0};

    tempo_run_options_init(&o);
    o.arms = arms;
    o.n_arms = n;
    o.given = given;
    o.n_given = 2;
    if (tempo_run_create(&r, e, &o, &p, &err) != TEMPO_OK || tempo_runs_all(&r, 1, obs, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    memcpy(q, tempo_decoder_distribution(tempo_run_decoder(r, which)), n_vocab * sizeof(*q));
    tempo_run_free(r);
    return q;
}

/* An arm that takes another's values at a tap, as from a store of a run before. */
static void compare_patched(tempo_engine *e, tempo_tap tap)
{
    const tempo_model *m = tempo_engine_model(e);
    const tempo_tap_info info = tempo_tap_get_info(m, tap);
    const tempo_tap_selection sel = {.tap = tap};
    const size_t n_vocab = m->hp.n_vocab;
    tempo_decode_options isolated, visible, patched;
    char text[96];
    kept k = {0};
    tempo_edits *live, *stored;
    tempo_err err = {0};

    tempo_decode_options_init(&isolated);
    isolated.steps = 3;
    visible = patched = isolated;
    visible.mode = TEMPO_VISIBLE;
    const tempo_observer obs = {.user = &k, .view = keep, .taps = &sel, .n_taps = 1, .prompts = true};
    const tempo_run_arm alone[] = {{"visible", &visible}};
    assert_int_equal(tempo_store_create(&k.store, m, &sel, 1, 0, &err), TEMPO_OK);
    double *first = run_arm(e, alone, 1, 0, &obs);

    (void)snprintf(text, sizeof(text), "patch %s from=visible %s rows=generated", info.name,
                   info.by_layer ? "layers=1" : "");
    const tempo_edit_run arm = {"visible", NULL}, run = {"visible", k.store};
    tempo_edit_inputs in = {.size = sizeof(in), .runs = &arm, .n_runs = 1};
    assert_int_equal(tempo_edits_create(&live, m, &err), TEMPO_OK);
    assert_int_equal(tempo_edits_add(live, text, &in, &err), TEMPO_OK);
    in.runs = &run;
    assert_int_equal(tempo_edits_create(&stored, m, &err), TEMPO_OK);
    assert_int_equal(tempo_edits_add(stored, text, &in, &err), TEMPO_OK);

    patched.edits = stored;
    const tempo_run_arm by_store[] = {{"patched", &patched}};
    double *want = run_arm(e, by_store, 1, 0, NULL);
    patched.edits = live;
    const tempo_run_arm by_arm[] = {{"visible", &visible}, {"patched", &patched}};
    double *got = run_arm(e, by_arm, 2, 1, NULL), *source = run_arm(e, by_arm, 2, 0, NULL);
    const tempo_run_arm plain[] = {{"isolated", &isolated}};
    double *without = run_arm(e, plain, 1, 0, NULL);
    if (memcmp(got, want, n_vocab * sizeof(*got)) != 0)
        fail_msg("%s: another arm's values are not those of its run", info.short_name);
    assert_memory_equal(first, source, n_vocab * sizeof(*first)); /* being taken from changes nothing */
    if (memcmp(got, without, n_vocab * sizeof(*got)) == 0)
        fail_msg("%s: nothing was patched", info.short_name);
    free(first);
    free(want);
    free(got);
    free(source);
    free(without);
    tempo_edits_free(live);
    tempo_edits_free(stored);
    tempo_store_free(k.store);
}

static void test_arms(void **state)
{
    (void)state;
    static const tempo_tap taps[] = {TEMPO_TAP_RESID_PRE, TEMPO_TAP_LN1_NORMALIZED, TEMPO_TAP_ROT_Q,
                                     TEMPO_TAP_V,         TEMPO_TAP_ATTN_SCORES,    TEMPO_TAP_PATTERN,
                                     TEMPO_TAP_Z,         TEMPO_TAP_MLP_PRE,        TEMPO_TAP_MLP_POST,
                                     TEMPO_TAP_MLP_OUT,   TEMPO_TAP_RESID_POST,     TEMPO_TAP_LOGITS};
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 2);

    for (size_t i = 0; i < sizeof(taps) / sizeof(*taps); i++)
        compare_patched(e, taps[i]);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* What the other arm does not see is hidden here, too: visible with isolated's scores is isolated. */
static void test_hidden_scores(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 2);
    const tempo_edit_run arm = {"isolated", NULL};
    const tempo_edit_inputs in = {.size = sizeof(in), .runs = &arm, .n_runs = 1};
    tempo_decode_options isolated, visible;
    tempo_edits *l;
    tempo_err err = {0};

    assert_int_equal(tempo_edits_create(&l, m, &err), TEMPO_OK);
    assert_int_equal(tempo_edits_add(l, "patch attn_scores from=isolated rows=generated", &in, &err),
                     TEMPO_OK);
    assert_int_equal(tempo_edits_add(l, "patch z from=isolated source=prompt:1", &in, &err),
                     TEMPO_E_UNSUPPORTED);
    tempo_decode_options_init(&isolated);
    isolated.steps = 3;
    visible = isolated;
    visible.mode = TEMPO_VISIBLE;
    visible.edits = l;
    const tempo_run_arm arms[] = {{"isolated", &isolated}, {"visible", &visible}};
    double *want = run_arm(e, arms, 2, 0, NULL), *got = run_arm(e, arms, 2, 1, NULL);
    assert_memory_equal(got, want, m->hp.n_vocab * sizeof(*got));
    free(want);
    free(got);
    tempo_edits_free(l);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* Positions that fall, in a model with windows, after a batch with edits: who sees what is decided slot by
 * slot, edited or not. */
static void test_falling_positions(void **state)
{
    (void)state;
    tempo_model *m;

    if (tempo_model_open(&m, "../shared/models/arch/mistral-window", NULL, NULL) != TEMPO_OK) {
        print_message("no model with windows\n");
        skip();
    }
    tempo_engine *e = test_engine(m, 2);
    tempo_edits *l = make(m, "zero z layers=1");
    float *logits = malloc(PROMPT * m->hp.n_vocab * sizeof(*logits)),
          *again = malloc(PROMPT * m->hp.n_vocab * sizeof(*again));
    tempo_row rows[PROMPT];
    for (int round = 0; round < 2; round++) {
        const int32_t ids[PROMPT] = {1, 2, 3, 4, 5, 6};
        tempo_seq *edited = test_seq(e, TEMPO_KV_F32), *s = test_seq(e, TEMPO_KV_F32);
        assert_int_equal(tempo_seq_set_edits(edited, l, PROMPT, NULL), TEMPO_OK);
        if (round == 1)
            test_append(e, edited, ids, PROMPT, true, TEMPO_VISIBLE, NULL, NULL);
        tempo_seq_free(edited);
        for (size_t i = 0; i < PROMPT; i++)
            rows[i] = (tempo_row){.seq = s,
                                  .token = ids[i],
                                  .set = (uint32_t)i,
                                  .position = 40.0 - 5.0 * (double)i,
                                  .want = TEMPO_WANT_LOGITS};
        assert_int_equal(tempo_engine_forward(e, rows, PROMPT, NULL, NULL), TEMPO_OK);
        memcpy(round == 0 ? logits : again, tempo_engine_logits(e, 0),
               PROMPT * m->hp.n_vocab * sizeof(*logits));
        tempo_seq_free(s);
    }
    assert_memory_equal(logits, again, PROMPT * m->hp.n_vocab * sizeof(*logits));
    free(logits);
    free(again);
    tempo_edits_free(l);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* From an arm that is not there, or not before. */
static void test_no_such_arm(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    const tempo_edit_run arm = {"late", NULL};
    const tempo_edit_inputs in = {.size = sizeof(in), .runs = &arm, .n_runs = 1};
    const int32_t ids[] = {1, 2};
    const tempo_run_prompt p = {ids, 2, NULL};
    tempo_decode_options first, second;
    tempo_run_options o;
    tempo_run *r;
    tempo_decoder *d;
    tempo_edits *l;
    tempo_err err = {0};

    assert_int_equal(tempo_edits_create(&l, m, &err), TEMPO_OK);
    assert_int_equal(tempo_edits_add(l, "patch z from=late", &in, &err), TEMPO_OK);
    tempo_decode_options_init(&first);
    second = first;
    first.edits = l;
    const tempo_run_arm arms[] = {{"early", &first}, {"late", &second}};
    tempo_run_options_init(&o);
    o.arms = arms;
    o.n_arms = 2;
    assert_int_equal(tempo_run_create(&r, e, &o, &p, &err), TEMPO_E_ARG);
    assert_non_null(
        strstr(err.msg, "arm 'early': edit 'patch z from=late': there is no arm 'late' before this one"));
    err = (tempo_err){0};
    assert_int_equal(tempo_decoder_create(&d, e, &first, ids, 2, &err),
                     TEMPO_E_ARG); /* a decoder has no arms */
    tempo_edits_free(l);
    tempo_engine_free(e);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_owners),        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_arms),          cmocka_unit_test(test_no_such_arm),
        cmocka_unit_test(test_hidden_scores), cmocka_unit_test(test_falling_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
