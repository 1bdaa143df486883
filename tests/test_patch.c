/* Grids of patched runs: each cell to the bit what a whole run with that edit gives. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "support/models.h"

enum { TOKENS = 9, ANSWER = 17, OTHER = 40 };
static const int32_t clean_ids[TOKENS] = {1, 20, 31, 7, 90, 61, 7, 33, 12};
static const int32_t corrupt_ids[TOKENS] = {1, 20, 31, 8, 90, 61, 8, 33, 12};
static const int32_t *const ids_of[] = {clean_ids, corrupt_ids};

/* ---- whole runs with edits as text ---- */

typedef struct keeping {
    tempo_store *store;
    tempo_err err;
} keeping;

static bool keep(void *user, const tempo_tap_view *view)
{
    keeping *k = user;

    return tempo_store_view(k->store, view, &k->err);
}

/* rows [n] (NULL: a prompt's) in one pass, with edits[n_edits] of `runs`; taps to *store unless NULL.  Logits
 * of the last row (free). */
static float *run_whole(tempo_engine *e, const int32_t *ids, const tempo_row *given, size_t n,
                        char (*edits)[160], size_t n_edits, const tempo_edit_run *runs, size_t n_runs,
                        const tempo_tap_selection *taps, size_t n_taps, tempo_store **store)
{
    const size_t n_vocab = tempo_model_get_info(tempo_engine_model(e))->n_vocab;
    const tempo_edit_inputs in = {.size = sizeof(in), .runs = runs, .n_runs = n_runs, .no_files = true};
    keeping k = {0};
    const tempo_observer obs = {.user = &k, .view = keep, .taps = taps, .n_taps = n_taps};
    tempo_seq *s = test_seq(e, TEMPO_KV_F32);
    tempo_row *rows = calloc(n, sizeof(*rows));
    float *out = malloc(n_vocab * n * sizeof(float));
    tempo_edits *l;
    tempo_err err = {0};

    assert_true(rows != NULL && out != NULL);
    assert_int_equal(tempo_edits_create(&l, tempo_engine_model(e), &err), TEMPO_OK);
    for (size_t i = 0; i < n_edits; i++)
        if (tempo_edits_add(l, edits[i], &in, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
    assert_int_equal(tempo_seq_set_edits(s, l, n, &err), TEMPO_OK);
    if (store != NULL)
        assert_int_equal(tempo_store_create(&k.store, tempo_engine_model(e), taps, n_taps, 0, &err),
                         TEMPO_OK);
    for (size_t i = 0; i < n; i++) {
        rows[i] = given != NULL ? given[i]
                                : (tempo_row){.token = ids[i], .set = (uint32_t)i, .position = (double)i};
        rows[i].seq = s;
        rows[i].want = TEMPO_WANT_LOGITS | (store != NULL ? TEMPO_WANT_TAPS : 0u);
    }
    if (tempo_engine_forward(e, rows, n, store != NULL ? &obs : NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * n_vocab, tempo_engine_logits(e, i), n_vocab * sizeof(float));
    if (store != NULL)
        *store = k.store;
    tempo_edits_free(l);
    tempo_seq_free(s);
    free(rows);
    return out;
}

static double diff_of(tempo_engine *e, const float *logits, size_t n)
{
    const float *last = logits + (n - 1) * tempo_model_get_info(tempo_engine_model(e))->n_vocab;

    return (double)last[ANSWER] - (double)last[OTHER];
}

/* ---- grids ---- */

static tempo_patch *make(tempo_engine *e, const tempo_patch_options *o)
{
    const tempo_patch_run clean = {.ids = clean_ids, .n = TOKENS},
                          corrupt = {.ids = corrupt_ids, .n = TOKENS};
    tempo_patch *p;
    tempo_err err = {0};

    if (tempo_patch_create(&p, e, &clean, &corrupt, o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return p;
}

static void run_all(tempo_patch *p)
{
    tempo_err err = {0};

    do
        if (tempo_patch_step(p, NULL, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
    while (tempo_patch_get_info(p).n_left > 0);
}

static tempo_tap_selection tap_of(const tempo_model *m, const char *text)
{
    tempo_tap_selection t;
    tempo_err err = {0};

    if (tempo_tap_parse(&t, m, text, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return t;
}

static tempo_patch_options options(void)
{
    tempo_patch_options o;

    tempo_patch_options_init(&o);
    o.answers[0] = ANSWER;
    o.answers[1] = OTHER;
    o.n_answers = 2;
    return o;
}

/* The words of cell i: " layers=2 heads=1 rows=prompt:3". */
static void words_of(char out[160], const char *tap, const char *run, const tempo_patch_grid *g, size_t i)
{
    const size_t position = i % g->n_positions, head = i / g->n_positions % g->n_heads;
    const size_t layer = i / g->n_positions / g->n_heads;
    int at = snprintf(out, 160, "patch %s from=%s", tap, run);

    if (g->layers != NULL)
        at += snprintf(out + at, 160 - (size_t)at, " layers=%u", g->layers[layer]);
    if (g->heads != NULL)
        at += snprintf(out + at, 160 - (size_t)at, " heads=%u", g->heads[head]);
    if (g->positions != NULL)
        (void)snprintf(out + at, 160 - (size_t)at, " rows=set:%u", g->positions[position]);
}

typedef struct trial {
    const char *tap;
    tempo_patch_each each;
} trial;

/* Every cell against a whole run. */
static void check_trial(tempo_engine *e, const trial *t, uint64_t max_bytes, size_t *changed)
{
    const tempo_model *m = tempo_engine_model(e);
    const tempo_tap_selection tap = tap_of(m, t->tap), all = {.tap = tap.tap};
    tempo_patch_options o = options();

    o.taps = &tap;
    o.n_taps = 1;
    o.each = t->each;
    o.direction = TEMPO_PATCH_BOTH;
    o.max_bytes = max_bytes;
    tempo_patch *p = make(e, &o);
    run_all(p);
    const tempo_patch_info info = tempo_patch_get_info(p);
    assert_int_equal(info.n_grids, 2);
    for (size_t k = 0; k < 2; k++) {
        const tempo_patch_grid g = tempo_patch_get_grid(p, k);
        const unsigned base = g.direction == TEMPO_PATCH_DENOISE ? 1 : 0;
        const double untouched = base == 0 ? info.clean : info.corrupt;
        char text[1][160], name[64];
        tempo_store *store;
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(t->tap, ":"), t->tap);
        free(run_whole(e, ids_of[1 - base], NULL, TOKENS, NULL, 0, NULL, 0, &all, 1, &store));
        const tempo_edit_run run = {"other", store};
        for (size_t i = 0; i < g.n_layers * g.n_heads * g.n_positions; i++) {
            words_of(text[0], name, "other", &g, i);
            if (strstr(t->tap, "heads=1") != NULL) /* no axis of the grid */
                strcat(text[0], " heads=1");
            float *logits = run_whole(e, ids_of[base], NULL, TOKENS, text, 1, &run, 1, NULL, 0, NULL);
            if (diff_of(e, logits, TOKENS) != g.values[i])
                fail_msg("%s: %.9g, whole run %.9g", text[0], g.values[i], diff_of(e, logits, TOKENS));
            *changed += g.values[i] != untouched;
            free(logits);
        }
        tempo_store_free(store);
    }
    tempo_patch_free(p);
}

static void check_grids(tempo_model *m, unsigned threads)
{
    static const trial trials[] = {
        {"resid_pre", TEMPO_PATCH_EACH_DEFAULT},  {"attn_out", TEMPO_PATCH_EACH_DEFAULT},
        {"mlp_out", TEMPO_PATCH_EACH_DEFAULT},    {"resid_post", TEMPO_PATCH_EACH_POSITION},
        {"z", TEMPO_PATCH_EACH_DEFAULT},          {"z", TEMPO_PATCH_EACH_HEAD_POSITION},
        {"z:heads=1", TEMPO_PATCH_EACH_POSITION}, {"v", TEMPO_PATCH_EACH_HEAD},
        {"rot_q", TEMPO_PATCH_EACH_LAYER},        {"k:layers=1", TEMPO_PATCH_EACH_HEAD_POSITION},
        {"pattern", TEMPO_PATCH_EACH_DEFAULT},    {"pattern", TEMPO_PATCH_EACH_HEAD_POSITION},
        {"attn_scores", TEMPO_PATCH_EACH_HEAD},   {"post", TEMPO_PATCH_EACH_POSITION},
        {"embed", TEMPO_PATCH_EACH_POSITION},     {"ln_final.normalized", TEMPO_PATCH_EACH_POSITION},
        {"logits", TEMPO_PATCH_EACH_LAYER},
    };
    tempo_engine *e = test_engine(m, threads);

    for (size_t i = 0; i < sizeof(trials) / sizeof(*trials); i++) {
        size_t changed = 0;
        check_trial(e, &trials[i], 0, &changed);
        if (changed == 0)
            fail_msg("%s: no cell changes anything", trials[i].tap);
    }
    tempo_engine_free(e);
    tempo_model_free(m);
}

static void test_grids(void **state)
{
    (void)state;
    check_grids(test_open_synthetic("llama", TEMPO_F32), 2);
    check_grids(test_open_synthetic("qwen3", TEMPO_Q4_K), 1);
    check_grids(test_open_synthetic("qwen2", TEMPO_F16), 1);
}

/* The built-in model; and as little memory as there can be: many batches. */
static void test_memory(void **state)
{
    (void)state;
    tempo_model *m = test_open_model(NULL);
    tempo_engine *e = test_engine(m, 2);
    const tempo_tap_selection taps[] = {tap_of(m, "resid_pre"), tap_of(m, "z")};
    tempo_patch_options o = options();
    tempo_patch *many, *few;
    tempo_err err = {0};

    o.taps = taps;
    o.n_taps = 2;
    many = make(e, &o);
    o.max_bytes = 1000;
    const tempo_patch_run clean = {.ids = clean_ids, .n = TOKENS},
                          corrupt = {.ids = corrupt_ids, .n = TOKENS};
    assert_int_equal(tempo_patch_create(&few, e, &clean, &corrupt, &o, &err), TEMPO_E_LIMIT);
    assert_string_equal(err.field, "max_bytes");
    for (o.max_bytes = 100000; tempo_patch_create(&few, e, &clean, &corrupt, &o, NULL) != TEMPO_OK;)
        o.max_bytes += o.max_bytes / 8;
    assert_true(tempo_patch_get_info(few).bytes <= o.max_bytes);
    assert_true(tempo_patch_get_info(few).bytes < tempo_patch_get_info(many).bytes);
    run_all(few);
    run_all(many);
    for (size_t k = 0; k < 2; k++) {
        const tempo_patch_grid a = tempo_patch_get_grid(few, k), b = tempo_patch_get_grid(many, k);
        assert_memory_equal(a.values, b.values, a.n_layers * a.n_heads * a.n_positions * sizeof(double));
    }
    assert_true(tempo_patch_get_info(many).n_unchanged >= 3); /* tokens 0 to 2 are the same */
    tempo_patch_free(few);
    tempo_patch_free(many);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- metrics ---- */

static void test_metrics(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    const size_t n = tempo_model_get_info(m)->n_vocab;
    double *q[2], entropy, sum = 0, tv = 0;
    tempo_err err = {0};

    for (unsigned i = 0; i < 2; i++) {
        float *logits = run_whole(e, ids_of[i], NULL, TOKENS, NULL, 0, NULL, 0, NULL, 0, NULL);
        q[i] = malloc(n * sizeof(double));
        assert_non_null(q[i]);
        assert_int_equal(tempo_distribution(e, logits + (TOKENS - 1) * n, n, q[i], &entropy, &err), TEMPO_OK);
        free(logits);
    }
    for (size_t i = 0; i < n; i++) {
        sum += q[0][i] * log(q[0][i] / q[1][i]);
        tv += fabs(q[0][i] - q[1][i]) / 2;
    }
    const struct {
        tempo_patch_metric metric;
        double clean, corrupt;
    } all[] = {{TEMPO_PATCH_LOGIT_DIFF, log(q[0][ANSWER] / q[0][OTHER]), log(q[1][ANSWER] / q[1][OTHER])},
               {TEMPO_PATCH_PROB, q[0][ANSWER], q[1][ANSWER]},
               {TEMPO_PATCH_KL_CLEAN, 0, sum},
               {TEMPO_PATCH_TV_CLEAN, 0, tv},
               {TEMPO_PATCH_TV_CORRUPT, tv, 0}};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        const tempo_tap_selection tap = tap_of(m, "resid_pre");
        tempo_patch_options o = options();
        o.metric = all[i].metric;
        o.taps = &tap;
        o.n_taps = 1;
        o.each = TEMPO_PATCH_EACH_LAYER; /* of all rows: the clean run (identity I13) */
        tempo_patch *p = make(e, &o);
        assert_true(isnan(tempo_patch_get_info(p).clean));
        run_all(p);
        const tempo_patch_info info = tempo_patch_get_info(p);
        assert_true(fabs(info.clean - all[i].clean) <= 1e-6 && fabs(info.corrupt - all[i].corrupt) <= 1e-6);
        for (size_t k = 0; k < tempo_patch_get_grid(p, 0).n_layers; k++) {
            assert_true(tempo_patch_get_grid(p, 0).values[k] == info.clean);
            assert_true(tempo_patch_normalised(p, tempo_patch_get_grid(p, 0).values[k]) == 1);
        }
        tempo_patch_free(p);
    }
    free(q[0]);
    free(q[1]);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- stopped, gone on with ---- */

static bool stop_at_third(void *user)
{
    int *n = user;

    return ++*n != 3;
}

static void test_stop(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    tempo_patch_options o = options();
    int polls = 0;
    const tempo_observer obs = {.user = &polls, .poll = stop_at_third};
    tempo_err err = {0};
    tempo_patch *whole = make(e, &o), *p = make(e, &o), *other = make(e, &o);

    run_all(whole);
    assert_int_equal(tempo_patch_step(p, &obs, &err),
                     TEMPO_E_STOPPED); /* in the corrupt run: 2 layers each */
    polls = 1;
    assert_int_equal(tempo_patch_step(p, NULL, NULL), TEMPO_OK);
    assert_int_equal(tempo_patch_step(p, &obs, NULL), TEMPO_E_STOPPED);
    for (size_t i = 0; i < 10; i++) /* cells that an earlier grid had */
        tempo_patch_put(other, 1, i, tempo_patch_get_grid(whole, 1).values[i] + (i == 9));
    assert_int_equal(tempo_patch_get_info(other).n_left, tempo_patch_get_info(whole).n_cells - 10);
    run_all(p);
    run_all(other);
    for (size_t k = 0; k < 3; k++) {
        const tempo_patch_grid a = tempo_patch_get_grid(whole, k), b = tempo_patch_get_grid(p, k);
        const tempo_patch_grid c = tempo_patch_get_grid(other, k);
        const size_t n = a.n_layers * a.n_heads * a.n_positions;
        assert_memory_equal(a.values, b.values, n * sizeof(double));
        for (size_t i = 0; i < n; i++)
            assert_true(c.values[i] == a.values[i] + (k == 1 && i == 9)); /* not computed again */
    }
    tempo_patch_free(whole);
    tempo_patch_free(p);
    tempo_patch_free(other);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- path patching ---- */

/* The three passes with edits as text, whole: sender TAP heads=h of a layer, receivers as a list. */
static double whole_path(tempo_engine *e, unsigned base, const char *tap, uint32_t layer, int head,
                         uint32_t heads_from, uint32_t mlps_from, bool free_mlps,
                         const tempo_tap_selection *receivers, size_t n, const char *const *names)
{
    const uint32_t n_layers = tempo_model_get_info(tempo_engine_model(e))->n_layers;
    const tempo_tap_selection held[] = {
        {.tap = TEMPO_TAP_Z}, {.tap = TEMPO_TAP_MLP_OUT}, tap_of(tempo_engine_model(e), tap)};
    const size_t n_held = held[2].tap == TEMPO_TAP_Z || held[2].tap == TEMPO_TAP_MLP_OUT ? 2 : 3;
    tempo_edit_run runs[3] = {{.name = "base"}, {.name = "other"}, {.name = "taken"}};
    char text[8][160];
    size_t k = 0;

    free(run_whole(e, ids_of[base], NULL, TOKENS, NULL, 0, NULL, 0, held, n_held, &runs[0].store));
    free(run_whole(e, ids_of[1 - base], NULL, TOKENS, NULL, 0, NULL, 0, held, n_held, &runs[1].store));
    if (head >= 0)
        (void)snprintf(text[k++], 160, "patch %s from=other layers=%u heads=%d", tap, layer, head);
    else
        (void)snprintf(text[k++], 160, "patch %s from=other layers=%u", tap, layer);
    for (uint32_t l = layer + heads_from; l < n_layers && k < 7; l++)
        (void)snprintf(text[k++], 160, "patch z from=base layers=%u", l);
    for (uint32_t l = layer + mlps_from; l < n_layers && k < 8 && !free_mlps; l++)
        (void)snprintf(text[k++], 160, "patch mlp_out from=base layers=%u", l);
    free(run_whole(e, ids_of[base], NULL, TOKENS, text, k, runs, 2, receivers, n, &runs[2].store));
    for (k = 0; k < n; k++)
        (void)snprintf(text[k], 160, "patch %s", names[k]);
    float *logits = run_whole(e, ids_of[base], NULL, TOKENS, text, n, runs, 3, NULL, 0, NULL);
    const double value = diff_of(e, logits, TOKENS);
    free(logits);
    for (size_t i = 0; i < 3; i++)
        tempo_store_free(runs[i].store);
    return value;
}

static void check_path(tempo_engine *e, const char *tap, uint32_t heads_from, uint32_t mlps_from,
                       bool free_mlps, const tempo_tap_selection *receivers, size_t n,
                       const char *const *names)
{
    const tempo_tap_selection sender = tap_of(tempo_engine_model(e), tap);
    tempo_patch_options o = options();
    size_t changed = 0;

    o.taps = &sender;
    o.n_taps = 1;
    o.each = TEMPO_PATCH_EACH_HEAD;
    o.direction = TEMPO_PATCH_BOTH;
    o.receivers = receivers;
    o.n_receivers = n;
    o.free_mlps = free_mlps;
    tempo_patch *p = make(e, &o);
    run_all(p);
    for (size_t k = 0; k < 2; k++) {
        const tempo_patch_grid g = tempo_patch_get_grid(p, k);
        const unsigned base = g.direction == TEMPO_PATCH_DENOISE ? 1 : 0;
        const double untouched = base == 0 ? tempo_patch_get_info(p).clean : tempo_patch_get_info(p).corrupt;
        for (size_t i = 0; i < g.n_layers * g.n_heads; i++) {
            const uint32_t layer = g.layers[i / g.n_heads];
            const bool last =
                layer + 1 == g.n_layers && strcmp(names[0], "q from=taken layers=1 heads=2") == 0;
            const double want =
                last ? untouched
                     : whole_path(e, base, tap, layer, g.heads != NULL ? (int)g.heads[i % g.n_heads] : -1,
                                  heads_from, mlps_from, free_mlps, receivers, n, names);
            if (g.values[i] != want)
                fail_msg("%s, layer %u: %.9g, whole runs %.9g", tap, layer, g.values[i], want);
            changed += want != untouched;
        }
    }
    assert_true(changed > 0);
    tempo_patch_free(p);
}

static void test_path(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32); /* of 2 layers */
    tempo_engine *e = test_engine(m, 2);
    const tempo_tap_selection heads[] = {tap_of(m, "q:layers=1:heads=2"), tap_of(m, "v:layers=1:heads=1")};
    static const char *const head_names[] = {"q from=taken layers=1 heads=2",
                                             "v from=taken layers=1 heads=1"};
    const tempo_tap_selection end[] = {tap_of(m, "resid_post:layers=1")};
    static const char *const end_names[] = {"resid_post from=taken layers=1"};
    tempo_err err = {0};

    check_path(e, "z", 1, 0, false, heads, 2, head_names);
    check_path(e, "z", 1, 0, true, heads, 2, head_names);
    check_path(e, "z", 1, 0, false, end, 1, end_names);
    check_path(e, "mlp_out", 1, 1, false, end, 1, end_names);
    check_path(e, "attn_out", 1, 0, true, end, 1, end_names);
    tempo_patch_options o = options();
    const tempo_tap_selection pattern = tap_of(m, "pattern"), q = tap_of(m, "q");
    const tempo_patch_run clean = {.ids = clean_ids, .n = TOKENS};
    tempo_patch *p;
    o.receivers = &pattern;
    o.n_receivers = 1;
    assert_int_equal(tempo_patch_create(&p, e, &clean, &clean, &o, &err), TEMPO_E_ARG);
    assert_string_equal(err.field, "receivers");
    err = (tempo_err){0};
    o.receivers = o.taps = &q;
    o.n_taps = 1;
    assert_int_equal(tempo_patch_create(&p, e, &clean, &clean, &o, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "q cannot send"));
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- arms ---- */

static void test_arms(void **state)
{
    (void)state;
    tempo_model *m = test_open_model(NULL);
    tempo_engine *e = test_engine(m, 2);
    const size_t n_vocab = tempo_model_get_info(m)->n_vocab;
    tempo_decode_options decoding[2];
    for (unsigned i = 0; i < 2; i++) {
        tempo_decode_options_init(&decoding[i]);
        decoding[i].mode = i == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE;
        decoding[i].threshold = 0.02;
        decoding[i].steps = 3;
        decoding[i].stop = TEMPO_STOP_NEVER;
    }
    const tempo_run_arm arms[] = {{"isolated", &decoding[0]}, {"visible", &decoding[1]}};
    const tempo_run_prompt prompt = {.ids = clean_ids, .n = TOKENS};
    tempo_run_options ro;
    tempo_run *r;
    tempo_err err = {0};

    tempo_run_options_init(&ro);
    ro.arms = arms;
    ro.n_arms = 2;
    ro.regime = TEMPO_REGIME_LOCKSTEP;
    ro.keep = ro.closing_pass = true;
    assert_int_equal(tempo_run_create(&r, e, &ro, &prompt, &err), TEMPO_OK);
    assert_int_equal(tempo_runs_all(&r, 1, NULL, &err), TEMPO_OK);
    const tempo_tap_selection taps[] = {tap_of(m, "z:layers=1-2"), tap_of(m, "resid_pre:layers=2")};
    tempo_patch_options o = options();
    o.taps = taps;
    o.n_taps = 2;
    o.metric = TEMPO_PATCH_TV_CLEAN;
    o.direction = TEMPO_PATCH_BOTH;
    tempo_patch *p;
    if (tempo_patch_create_arms(&p, r, 1, 0, &o, &err) != TEMPO_OK) /* visible is clean */
        fail_msg("%s", err.msg);
    run_all(p);
    const tempo_patch_info info = tempo_patch_get_info(p);
    assert_int_equal(info.n_positions, TOKENS + 3);
    assert_true(info.clean == 0 && info.corrupt > 0);

    /* the rows of both, and q as the readout has it */
    const tempo_seq *s = tempo_decoder_seq(tempo_run_decoder(r, 0));
    const size_t n = tempo_seq_slot_count(s);
    const tempo_set *last = tempo_run_set(r, 0, 2);
    tempo_row rows[2][64];
    assert_true(n <= 64 && last->n_members > 1);
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < 2; k++) {
            const tempo_slot slot = tempo_seq_slot_at(s, i);
            rows[k][i] = (tempo_row){
                .token = slot.token, .set = slot.set, .position = slot.position, .mode = decoding[k].mode};
        }
    double *q[2], *one = malloc(n_vocab * sizeof(double)), entropy;
    for (unsigned k = 0; k < 2; k++) {
        const tempo_tap_selection z[] = {{.tap = TEMPO_TAP_Z}};
        tempo_store *store = NULL;
        char text[1][160] = {"patch z from=other layers=1 heads=1"};
        if (k == 1) /* isolated, with a head of visible */
            free(run_whole(e, NULL, rows[1], n, NULL, 0, NULL, 0, z, 1, &store));
        const tempo_edit_run run = {"other", store};
        float *logits = run_whole(e, NULL, rows[1 - k], n, text, k, &run, k, NULL, 0, NULL);
        q[k] = calloc(n_vocab, sizeof(double));
        assert_true(q[k] != NULL && one != NULL);
        double sum = 0;
        for (size_t i = 0; i < last->n_members; i++)
            sum += last->members[i].probability;
        for (size_t i = 0; i < last->n_members; i++) {
            const size_t slot = (size_t)last->members[i].slot;
            assert_int_equal(tempo_distribution(e, logits + slot * n_vocab, n_vocab, one, &entropy, &err),
                             TEMPO_OK);
            for (size_t v = 0; v < n_vocab; v++)
                q[k][v] += last->members[i].probability / sum * one[v];
        }
        free(logits);
        tempo_store_free(store);
    }
    double tv = 0;
    for (size_t v = 0; v < n_vocab; v++)
        tv += fabs(q[0][v] - q[1][v]) / 2;
    const tempo_patch_grid z = tempo_patch_get_grid(p, 0), resid = tempo_patch_get_grid(p, 1);
    assert_int_equal(z.direction, TEMPO_PATCH_DENOISE);
    if (!(fabs(z.values[1] - tv) <= 1e-9) || !(tv != info.corrupt))
        fail_msg("head 1 of layer 1: %.12g, whole run %.12g, untouched %.12g", z.values[1], tv, info.corrupt);
    for (size_t i = 0; i < TOKENS; i++) /* nothing before the first set differs */
        assert_true(resid.values[i] == info.corrupt);
    assert_true(tempo_patch_get_grid(p, 3).values[TOKENS] >
                0); /* the visible arm with a set of the isolated one */
    tempo_patch_free(p);
    assert_int_equal(tempo_patch_create_arms(&p, r, 2, 0, &o, &err), TEMPO_E_ARG);
    assert_null(p);
    tempo_run_free(r);
    free(q[0]);
    free(q[1]);
    free(one);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- what is refused ---- */

static void refuse(tempo_engine *e, const tempo_patch_run *corrupt, const tempo_patch_options *o,
                   const char *field, const char *words)
{
    const tempo_patch_run clean = {.ids = clean_ids, .n = TOKENS};
    tempo_patch *p;
    tempo_err err = {0};

    assert_int_equal(tempo_patch_create(&p, e, &clean, corrupt, o, &err), TEMPO_E_ARG);
    assert_null(p);
    if (strcmp(err.field, field) != 0 || strstr(err.msg, words) == NULL)
        fail_msg("field '%s', '%s' in: %s", err.field, words, err.msg);
}

static void test_refused(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    const tempo_patch_run corrupt = {.ids = corrupt_ids, .n = TOKENS},
                          shorter = {.ids = corrupt_ids, .n = TOKENS - 1};
    const int32_t bad_ids[TOKENS] = {1, 2, 3, 100000};
    const tempo_patch_run bad = {.ids = bad_ids, .n = TOKENS};
    const tempo_tap_selection result = {.tap = TEMPO_TAP_RESULT}, far = {.tap = TEMPO_TAP_Z, .layers = {8}};
    const uint32_t positions[] = {3, TOKENS}, falling[] = {3, 3};
    tempo_row rows[TOKENS];
    for (size_t i = 0; i < TOKENS; i++)
        rows[i] = (tempo_row){.token = clean_ids[i], .set = (uint32_t)(i < 5 ? i : 5), .position = (double)i};
    const tempo_patch_run sets = {.rows = rows, .n = TOKENS};
    tempo_patch_options o = options();

    refuse(e, &shorter, &o, "corrupt", "9 slots, the corrupt one 8");
    refuse(e, &bad, &o, "", "the corrupt run: token 100000");
    refuse(e, &sets, &o, "", "slot 6 is of set 6 in the clean run and of set 5");
    o.n_answers = 1;
    refuse(e, &corrupt, &o, "answers", "takes 2 answers");
    o = options();
    o.answers[1] = 288;
    refuse(e, &corrupt, &o, "answers", "288: the vocabulary has ids 0 to 287");
    o = options();
    o.taps = &result;
    o.n_taps = 1;
    refuse(e, &corrupt, &o, "taps", "patch z");
    o.taps = &far;
    refuse(e, &corrupt, &o, "taps", "layers 0 to 1");
    o = options();
    o.positions = positions;
    o.n_positions = 2;
    refuse(e, &corrupt, &o, "positions", "position 9: there are 0 to 8");
    o.positions = falling;
    refuse(e, &corrupt, &o, "positions", "position 3 stands behind 3");
    o = options();
    o.metric = (tempo_patch_metric)99;
    refuse(e, &corrupt, &o, "metric", "unknown metric 99");
    tempo_engine_free(e);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grids),   cmocka_unit_test(test_memory), cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_stop),    cmocka_unit_test(test_path),   cmocka_unit_test(test_arms),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
