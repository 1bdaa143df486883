/* Edits: against an independent implementation, and what must hold bit for bit.
 *
 * ../shared/edits (README there) has the logits of edited runs in double precision: 2e-4.  */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/array_file.h"
#include "model/model.h"
#include "support/json_file.h"
#include "support/models.h"
#include "reference/reference.h"

static const char shared[] = "../shared";

/* ---- golden runs ---- */

typedef struct golden {
    tempo_npy ids, set, positions, other, vec;
    size_t n, n_prompt;
} golden;

static tempo_npy read_array(const tempo_array_file *f, const char *name, tempo_npy_type type)
{
    tempo_npy a;
    tempo_err err = {0};

    if (tempo_array_read(f, name, type, UINT64_MAX, &a, &err) != TEMPO_OK)
        fail_msg("%s: %s", name, err.msg);
    return a;
}

static golden open_golden(const tempo_array_file *f)
{
    golden g = {.ids = read_array(f, "set_ids", TEMPO_NPY_I64),
                .set = read_array(f, "set_of_row", TEMPO_NPY_I64),
                .positions = read_array(f, "set_positions", TEMPO_NPY_I64),
                .other = read_array(f, "other_ids", TEMPO_NPY_I64),
                .vec = read_array(f, "vec", TEMPO_NPY_F32)};
    const int64_t *set = g.set.data;

    g.n = (size_t)g.ids.count;
    while (g.n_prompt + 1 < g.n && set[g.n_prompt + 1] != set[g.n_prompt])
        g.n_prompt++; /* the first set of several begins there */
    return g;
}

static void close_golden(golden *g)
{
    tempo_npy *const all[] = {&g->ids, &g->set, &g->positions, &g->other, &g->vec};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        tempo_npy_free(all[i]);
}

/* All rows in one pass, by the edits (or NULL); obs may be NULL.  Their logits, for free(). */
static float *run_rows(tempo_engine *e, const golden *g, const int64_t *ids, tempo_mode mode,
                       const tempo_edits *l, const tempo_observer *obs, tempo_edit_use *use)
{
    const size_t n_vocab = tempo_model_get_info(tempo_engine_model(e))->n_vocab;
    tempo_row *rows = calloc(g->n, sizeof(*rows));
    float *out = malloc(g->n * n_vocab * sizeof(*out));
    tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
    tempo_err err = {0};

    assert_true(rows != NULL && out != NULL);
    assert_int_equal(tempo_seq_set_edits(seq, l, g->n_prompt, &err), TEMPO_OK);
    for (size_t i = 0; i < g->n; i++)
        rows[i] = (tempo_row){.seq = seq,
                              .token = (int32_t)ids[i],
                              .set = (uint32_t)((const int64_t *)g->set.data)[i],
                              .position = (double)((const int64_t *)g->positions.data)[i],
                              .mode = mode,
                              .want = TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS};
    if (tempo_engine_forward(e, rows, g->n, obs, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < g->n; i++)
        memcpy(out + i * n_vocab, tempo_engine_logits(e, i), n_vocab * sizeof(*out));
    for (size_t i = 0; i < tempo_edits_count(l); i++)
        use[i] = tempo_seq_edit_use(seq, i);
    tempo_seq_free(seq);
    free(rows);
    return out;
}

typedef struct keeping {
    tempo_store *store;
    tempo_err err;
} keeping;

static bool keep(void *user, const tempo_tap_view *view)
{
    keeping *k = user;

    return tempo_store_view(k->store, view, &k->err);
}

/* The other run, kept where edits patch. */
static tempo_store *keep_other(tempo_engine *e, const golden *g)
{
    const tempo_tap_selection taps[] = {{.tap = TEMPO_TAP_RESID_PRE}};
    keeping k = {0};
    tempo_err err = {0};

    assert_int_equal(tempo_store_create(&k.store, tempo_engine_model(e), taps, 1, 0, &err), TEMPO_OK);
    const tempo_observer obs = {.user = &k, .view = keep, .taps = taps, .n_taps = 1};
    free(run_rows(e, g, g->other.data, TEMPO_VISIBLE, NULL, &obs, NULL));
    return k.store;
}

static void check_edit(tempo_engine *e, const golden *g, const tempo_array_file *f, const json_t *one,
                       const tempo_edit_inputs *in)
{
    const char *text = json_string_value(json_object_get(one, "edit"));
    const size_t n_vocab = tempo_model_get_info(tempo_engine_model(e))->n_vocab;
    char name[64];
    tempo_edits *l;
    tempo_edit_use use = {0};
    tempo_err err = {0};
    double worst = 0;
    tempo_mode mode;

    assert_true(tempo_mode_parse(json_string_value(json_object_get(one, "mode")), &mode));
    (void)snprintf(name, sizeof(name), "edit_%d_logits", (int)json_integer_value(json_object_get(one, "k")));
    tempo_npy want = read_array(f, name, TEMPO_NPY_F64);
    assert_int_equal(tempo_edits_create(&l, tempo_engine_model(e), &err), TEMPO_OK);
    if (tempo_edits_add(l, text, in, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    float *got = run_rows(e, g, g->ids.data, mode, l, NULL, &use);
    for (size_t i = 0; i < g->n * n_vocab; i++) {
        const double diff = fabs((double)got[i] - ((const double *)want.data)[i]);
        worst = diff > worst || diff != diff ? diff : worst;
    }
    if (!(worst <= 2e-4) || !use.came || !use.changed)
        fail_msg("%s: %g from the golden logits, came %d, changed %d", text, worst, use.came, use.changed);
    free(got);
    tempo_edits_free(l);
    tempo_npy_free(&want);
}

static void check_model(const char *model)
{
    char path[512];
    tempo_array_file *f;
    tempo_err err = {0};

    (void)snprintf(path, sizeof(path), "%s/models/arch/%s", shared, model);
    tempo_model *m;
    if (tempo_model_open(&m, path, NULL, &err) != TEMPO_OK) { /* an architecture that is not there yet */
        assert_int_equal(err.code, TEMPO_E_UNSUPPORTED);
        print_message("%s\n", err.msg);
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/edits/%s.npz", shared, model);
    assert_int_equal(tempo_array_file_open(&f, path, &err), TEMPO_OK);
    (void)snprintf(path, sizeof(path), "%s/edits/%s.json", shared, model);
    json_t *list = test_read_json(path);
    for (unsigned threads = 1; threads <= 2; threads++) {
        tempo_engine *e = test_engine(m, threads);
        golden g = open_golden(f);
        tempo_store *other = keep_other(e, &g);
        const tempo_edit_array vec = {"vec", g.vec.data, 1, {(size_t)g.vec.count}};
        const tempo_edit_run run = {"other", other};
        const tempo_edit_inputs in = {
            .size = sizeof(in), .arrays = &vec, .n_arrays = 1, .runs = &run, .n_runs = 1, .no_files = true};
        for (size_t i = 0; i < json_array_size(list); i++)
            check_edit(e, &g, f, json_array_get(list, i), &in);
        tempo_store_free(other);
        close_golden(&g);
        tempo_engine_free(e);
    }
    json_decref(list);
    tempo_array_file_free(f);
    tempo_model_free(m);
}

static void test_golden(void **state)
{
    (void)state;
    if (access(shared, F_OK) != 0) {
        print_message("no %s: golden edits not compared\n", shared);
        skip();
    }
    check_model("llama-rope-llama3");
    check_model("gpt2");
    check_model("gemma2");
}

/* ---- every tap of every architecture ---- */

static bool look(void *user, const tempo_tap_view *view)
{
    (void)user;
    return view != NULL;
}

/* Halved in one layer: it came, it changed something, and being looked at makes no difference. */
static void check_tap(tempo_engine *e, tempo_tap tap, uint32_t layer)
{
    enum { ROWS = 6 };
    const tempo_model *m = tempo_engine_model(e);
    const tempo_tap_info info = tempo_tap_get_info(m, tap);
    const tempo_tap_selection sel = {.tap = tap};
    const tempo_observer obs = {.view = look, .taps = &sel, .n_taps = 1};
    const int32_t ids[ROWS] = {3, 70, 8, 110, 9, 31};
    const size_t n = ROWS * (size_t)m->hp.n_vocab;
    float *logits[2] = {malloc(n * sizeof(float)), malloc(n * sizeof(float))};
    char text[64];
    tempo_err err = {0};

    (void)snprintf(text, sizeof(text), "scale 0.5 %s%s%u", info.name,
                   info.by_layer ? " layers=" : " rows=prompt:", layer);
    for (size_t i = 0; i < 2; i++) {
        tempo_seq *s = test_seq(e, TEMPO_KV_F32);
        tempo_edits *l;
        assert_int_equal(tempo_edits_create(&l, m, &err), TEMPO_OK);
        if (tempo_edits_add(l, text, NULL, &err) != TEMPO_OK ||
            tempo_seq_set_edits(s, l, ROWS, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        test_append(e, s, ids, ROWS, true, TEMPO_VISIBLE, i == 0 ? NULL : &obs, logits[i]);
        if (!tempo_seq_edit_use(s, 0).came || !tempo_seq_edit_use(s, 0).changed)
            fail_msg("%s (%s): came %d, changed %d", text, m->info.architecture,
                     tempo_seq_edit_use(s, 0).came, tempo_seq_edit_use(s, 0).changed);
        tempo_edits_free(l);
        tempo_seq_free(s);
    }
    if (memcmp(logits[0], logits[1], n * sizeof(float)) != 0)
        fail_msg("%s (%s): other numbers when it is looked at", text, m->info.architecture);
    free(logits[0]);
    free(logits[1]);
}

static void test_every_tap(void **state)
{
    (void)state;
    static const char *const models[] = {"pythia", "gptj",    "gpt2",  "gemma2", "cohere2",
                                         "olmo2",  "gpt-oss", "bloom", "mixtral"};
    char path[512];

    if (access(shared, F_OK) != 0) {
        print_message("no %s: taps of other architectures not tried\n", shared);
        skip();
    }
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
        (void)snprintf(path, sizeof(path), "%s/models/arch/%s", shared, models[i]);
        tempo_model *m = test_open_model(path);
        tempo_engine *e = test_engine(m, 2);
        for (int t = 0; t < TEMPO_TAP_COUNT; t++) {
            const tempo_tap_info info = tempo_tap_get_info(m, (tempo_tap)t);
            for (uint32_t l = 0;
                 l < (info.by_layer ? m->hp.n_layers : 1) && info.missing == NULL && info.editable; l++)
                check_tap(e, (tempo_tap)t, l);
        }
        tempo_engine_free(e);
        tempo_model_free(m);
    }
}

/* ---- the double-precision reference, told the same in other words ---- */

enum { PROMPT = 8, SLOTS = 20, SET = 4, ALL = -1 };

/* The first row of every set of four, the prompt's own among them. */
static size_t begin_of_set(size_t slot)
{
    return slot < PROMPT ? slot : PROMPT + (slot - PROMPT) / SET * SET;
}

static bool every(size_t row, size_t slot)
{
    (void)row;
    (void)slot;
    return true;
}
static bool generated(size_t row, size_t slot)
{
    (void)row;
    return slot >= PROMPT;
}
static bool second_members(size_t row, size_t slot)
{
    (void)row;
    return slot == begin_of_set(slot) + 1;
}
static bool sets_9_on(size_t row, size_t slot)
{
    (void)row;
    return slot >= PROMPT + SET;
}
static bool last_of_prompt(size_t row, size_t slot)
{
    (void)row;
    return slot == PROMPT - 1;
}
static bool siblings(size_t row, size_t slot)
{
    return slot != row && begin_of_set(slot) == begin_of_set(row);
}
/* of the second on, in its set */
static bool later_members(size_t row, size_t slot)
{
    (void)row;
    return slot > begin_of_set(slot);
}
static bool previous(size_t row, size_t slot)
{
    return begin_of_set(row) > 0 && slot < begin_of_set(row) &&
           begin_of_set(slot) == begin_of_set(begin_of_set(row) - 1);
}
static bool later_previous(size_t row, size_t slot)
{
    return previous(row, slot) && later_members(row, slot);
}
static bool first(size_t row, size_t slot)
{
    (void)row;
    return slot == 0;
}
static bool prompt_2_4(size_t row, size_t slot)
{
    (void)row;
    return slot >= 2 && slot <= 4;
}
static bool self(size_t row, size_t slot)
{
    return row == slot;
}

typedef struct told {
    const char *text;
    tempo_tap tap;
    int layer, head;                       /* or ALL */
    bool (*rows)(size_t row, size_t slot); /* (x, slot): is the row edited? */
    bool (*to)(size_t row, size_t slot);   /* of scores; NULL: elementwise */
    double scale, add, bias;               /* x * scale + add * vec; bias -INFINITY: a cut */
    size_t vec;                            /* numbers of vec; 0: no vec */
} told;

static const told tolds[] = {
    {"zero blocks.1.attn.hook_z heads=1", TEMPO_TAP_Z, 1, 1, every, NULL, 0, 0, 0, 0},
    {"scale 0.5 resid_mid rows=generated", TEMPO_TAP_RESID_MID, ALL, ALL, generated, NULL, 0.5, 0, 0, 0},
    {"scale -2 k layers=0 heads=0 rows=prompt:-1", TEMPO_TAP_K, 0, 0, last_of_prompt, NULL, -2, 0, 0, 0},
    {"scale 3 rot_q rows=set:9-", TEMPO_TAP_ROT_Q, ALL, ALL, sets_9_on, NULL, 3, 0, 0, 0},
    {"add blocks.0.hook_resid_post vector=vec times=2 rows=member:1&generated", TEMPO_TAP_RESID_POST, 0, ALL,
     second_members, NULL, 1, 2, 0, 32},
    {"set v vector=vec heads=1", TEMPO_TAP_V, ALL, 1, every, NULL, 0, 1, 0, 8},
    {"add mlp.hook_post vector=vec", TEMPO_TAP_MLP_POST, ALL, ALL, every, NULL, 1, 1, 0, 64},
    {"scale 1.5 ln1.scale layers=1", TEMPO_TAP_LN1_SCALE, 1, ALL, every, NULL, 1.5, 0, 0, 0},
    {"scale 0.25 ln_final.normalized", TEMPO_TAP_LN_FINAL_NORMALIZED, ALL, ALL, every, NULL, 0.25, 0, 0, 0},
    {"zero logits rows=prompt:2-4", TEMPO_TAP_LOGITS, ALL, ALL, prompt_2_4, NULL, 0, 0, 0, 0},
    {"scale 0.5 pattern layers=1 heads=2", TEMPO_TAP_PATTERN, 1, 2, every, NULL, 0.5, 0, 0, 0},
    {"temperature 2 heads=0", TEMPO_TAP_ATTN_SCORES, ALL, 0, every, NULL, 0.5, 0, 0, 0},
    {"cut siblings", TEMPO_TAP_ATTN_SCORES, ALL, ALL, every, siblings, 1, 0, -INFINITY, 0},
    {"cut generated -> previous & set:7-9 heads=1,3", TEMPO_TAP_ATTN_SCORES, ALL, -13, generated, previous, 1,
     0, -INFINITY, 0},
    {"cut generated -> member:1- & previous", TEMPO_TAP_ATTN_SCORES, ALL, ALL, generated, later_previous, 1,
     0, -INFINITY, 0},
    {"scale 2 q rows=member:1-9", TEMPO_TAP_Q, ALL, ALL, later_members, NULL, 2, 0, 0, 0},
    {"cut first heads=2", TEMPO_TAP_ATTN_SCORES, ALL, 2, every, first, 1, 0, -INFINITY, 0},
    {"cut set:9- -> prompt:2-4 layers=1", TEMPO_TAP_ATTN_SCORES, 1, ALL, sets_9_on, prompt_2_4, 1, 0,
     -INFINITY, 0},
    {"bias 1.25 generated -> first layers=0 heads=2", TEMPO_TAP_ATTN_SCORES, 0, 2, generated, first, 1, 0,
     1.25, 0},
    {"bias -0.5 self", TEMPO_TAP_ATTN_SCORES, ALL, ALL, every, self, 1, 0, -0.5, 0},
};

static double vec_at(size_t i)
{
    return 0.125 * (double)((i * 7) % 5) - 0.25;
}

static bool has_head(int heads, size_t h)
{
    return heads == ALL || (heads == -13 ? h == 1 || h == 3 : h == (size_t)heads);
}

static void tell_reference(void *user, tempo_tap tap, uint32_t layer, size_t slot, double *v, size_t n_0,
                           size_t n_1)
{
    const told *t = user;
    const bool heads = tempo_tap_get_info(NULL, tap).n_dims == 2;

    for (size_t i = 0; tap == TEMPO_TAP_PATTERN && i < n_0 * n_1; i++)
        v[i] = isnan(v[i]) ? 0 : v[i]; /* a head that is left without any slot */
    if (tap != t->tap || !t->rows(slot, slot) || (t->layer != ALL && layer != (uint32_t)t->layer))
        return;
    for (size_t i = 0; i < n_0 * n_1; i++) {
        const size_t head = heads ? i / n_1 : 0, at = heads ? i % n_1 : i;
        if (heads && !has_head(t->head, head))
            continue;
        if (t->to == NULL)
            v[i] = (t->scale != 0 ? v[i] * t->scale : 0) + (t->vec > 0 ? t->add * vec_at(at) : 0);
        else if (t->to(slot, at))
            v[i] += t->bias;
    }
}

static void compare_told(const tempo_model *m, tempo_engine *e, const told *t, tempo_mode mode)
{
    const size_t n_vocab = m->hp.n_vocab, n = SLOTS * n_vocab;
    reference_slot slots[SLOTS];
    tempo_row rows[SLOTS];
    float vec[64];
    double *want = malloc(n * sizeof(*want)), largest = 0;
    tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
    const tempo_edit_array given = {"vec", vec, 1, {t->vec}};
    const tempo_edit_inputs in = {.size = sizeof(in), .arrays = &given, .n_arrays = 1, .no_files = true};
    tempo_edits *l;
    tempo_err err = {0};

    assert_non_null(want);
    for (size_t i = 0; i < 64; i++)
        vec[i] = (float)vec_at(i);
    assert_int_equal(tempo_edits_create(&l, m, &err), TEMPO_OK);
    if (tempo_edits_add(l, t->text, &in, &err) != TEMPO_OK ||
        tempo_seq_set_edits(seq, l, PROMPT, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < SLOTS; i++) {
        const uint32_t set = (uint32_t)(i < PROMPT ? i : PROMPT + (i - PROMPT) / SET);
        slots[i] = (reference_slot){(int32_t)(i * 37 % 250), set, set, mode, 0, UINT32_MAX};
        rows[i] = (tempo_row){.seq = seq,
                              .token = slots[i].token,
                              .set = set,
                              .position = set,
                              .mode = mode,
                              .want = TEMPO_WANT_LOGITS};
    }
    /* the prompt, then the sets: an edited key is seen edited later */
    reference_forward(m, slots, SLOTS, tell_reference, (void *)(uintptr_t)t, want);
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    const double bound =
        fmin(2e-4 * largest, 2 * 0x1p-24 * m->hp.n_layers * sqrt((double)m->hp.d_model) * (1 + largest));
    for (size_t begin = 0; begin < SLOTS; begin = begin < PROMPT ? PROMPT : begin + SET) {
        const size_t rows_now = begin < PROMPT ? PROMPT : SET;
        if (tempo_engine_forward(e, rows + begin, rows_now, NULL, &err) != TEMPO_OK)
            fail_msg("%s: %s", t->text, err.msg);
        for (size_t i = 0; i < rows_now * n_vocab; i++) {
            const double got = (double)tempo_engine_logits(e, i / n_vocab)[i % n_vocab],
                         expected = want[begin * n_vocab + i];
            if (!(fabs(got - expected) <= bound))
                fail_msg("%s, mode %d: logit of slot %zu is %.9g, expected %.9g, allowed %.3g", t->text,
                         (int)mode, begin + i / n_vocab, got, expected, bound);
        }
    }
    assert_true(tempo_seq_edit_use(seq, 0).came);
    tempo_seq_free(seq);
    tempo_edits_free(l);
    free(want);
}

static void test_reference(void **state)
{
    (void)state;
    static const char *const archs[] = {"llama", "qwen3"};

    for (size_t a = 0; a < 2; a++) {
        tempo_model *m = test_open_synthetic(archs[a], TEMPO_F32);
        for (unsigned threads = 1; threads <= 2; threads++) {
            tempo_engine *e = test_engine(m, threads);
            for (size_t i = 0; i < sizeof(tolds) / sizeof(*tolds); i++)
                for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++)
                    compare_told(m, e, &tolds[i], (tempo_mode)mode);
            tempo_engine_free(e);
        }
        tempo_model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_every_tap),
        cmocka_unit_test(test_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
