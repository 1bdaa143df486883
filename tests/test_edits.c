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
#include "support/json_file.h"
#include "support/models.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
