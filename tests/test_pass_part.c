/* Passes that begin in a later layer, sequences that begin as a part of another one: bit for bit what whole
 * passes give. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "support/models.h"

enum { PROMPT = 66, SLOTS = PROMPT + 5, CELLS = 6 };

/* ---- a timeline: a prompt, a set of three, a set of two ---- */

static uint32_t set_of(size_t slot)
{
    return (uint32_t)(slot < PROMPT ? slot : slot < PROMPT + 3 ? PROMPT : PROMPT + 1);
}

static tempo_row row_at(tempo_seq *s, size_t slot, tempo_mode mode, unsigned want)
{
    const tempo_row r = {.seq = s,
                         .token = (int32_t)(3 + slot * 37 % 200),
                         .set = set_of(slot),
                         .position = set_of(slot) / 2, /* some contexts have 64 positions */
                         .mode = mode,
                         .want = want};
    return r;
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

static tempo_edits *edits_of(tempo_engine *e, const char *text)
{
    tempo_edits *l;
    tempo_err err = {0};

    assert_int_equal(tempo_edits_create(&l, tempo_engine_model(e), &err), TEMPO_OK);
    if (text != NULL && tempo_edits_add(l, text, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return l;
}

/* All slots in one pass; *last: the logits of the last one (free).  want_all: those of all rows are computed.
 */
static tempo_seq *whole(tempo_engine *e, tempo_kv_type kv, tempo_mode mode, const char *edit, bool want_all,
                        const tempo_observer *obs, float **last)
{
    const size_t n_vocab = tempo_model_get_info(tempo_engine_model(e))->n_vocab;
    tempo_seq *s = test_seq(e, kv);
    tempo_edits *l = edits_of(e, edit);
    tempo_row rows[SLOTS];
    tempo_err err = {0};

    assert_int_equal(tempo_seq_set_edits(s, l, PROMPT, &err), TEMPO_OK);
    for (size_t i = 0; i < SLOTS; i++)
        rows[i] = row_at(s, i, mode,
                         (want_all || i + 1 == SLOTS ? TEMPO_WANT_LOGITS : 0u) |
                             (obs != NULL ? TEMPO_WANT_TAPS : 0u));
    if (tempo_engine_forward(e, rows, SLOTS, obs, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    *last = malloc(n_vocab * sizeof(float));
    assert_non_null(*last);
    memcpy(*last, tempo_engine_logits(e, SLOTS - 1), n_vocab * sizeof(float));
    tempo_edits_free(l);
    return s;
}

/* A run without edits, with its residual streams. */
typedef struct base {
    tempo_seq *seq;
    tempo_store *store;
    float *logits;
} base;

static base base_of(tempo_engine *e, tempo_kv_type kv, tempo_mode mode)
{
    const tempo_tap_selection taps[] = {{.tap = TEMPO_TAP_RESID_PRE}, {.tap = TEMPO_TAP_RESID_POST}};
    keeping k = {0};
    tempo_err err = {0};
    base b;

    assert_int_equal(tempo_store_create(&k.store, tempo_engine_model(e), taps, 2, 0, &err), TEMPO_OK);
    const tempo_observer obs = {.user = &k, .view = keep, .taps = taps, .n_taps = 2};
    b.seq = whole(e, kv, mode, NULL, true, &obs, &b.logits);
    b.store = k.store;
    return b;
}

static void base_free(base *b)
{
    tempo_seq_free(b->seq);
    tempo_store_free(b->store);
    free(b->logits);
}

static tempo_start start_of(const base *b, uint32_t n_layers, uint32_t layer, size_t slot)
{
    const tempo_start s = {
        layer, layer < n_layers ? tempo_store_values(b->store, TEMPO_TAP_RESID_PRE, layer, slot, NULL)
                                : tempo_store_values(b->store, TEMPO_TAP_RESID_POST, layer - 1, slot, NULL)};
    assert_non_null(s.resid);
    return s;
}

/* ---- cells ---- */

/* Begin in `layer` with the rows from `first` on; the edit is of that layer and of those rows. */
typedef struct cell {
    uint32_t layer;
    size_t first;
    char edit[96];
    bool edits; /* it has one */
} cell;

static const char *edit_of(const cell *c)
{
    return c->edits ? c->edit : NULL;
}

static void make_cells(cell cells[CELLS], uint32_t n_layers)
{
    const uint32_t last = n_layers - 1;
    const struct {
        uint32_t layer;
        size_t first;
        const char *head, *tail; /* of the edit, around the layer */
    } all[CELLS] = {
        {0, 60, "scale 1.5 blocks.", ".hook_resid_pre rows=prompt:60"},
        {1, 3, "zero blocks.", ".attn.hook_v heads=0 rows=prompt:3-65"},
        {1, PROMPT, "cut siblings layers=", ""},
        {last, 65, "zero blocks.", ".hook_resid_pre rows=prompt:65"},
        {last, PROMPT, "zero blocks.", ".hook_mlp_out rows=set:67"},
        {n_layers, PROMPT + 3, NULL, NULL},
    };

    for (size_t i = 0; i < CELLS; i++) {
        cells[i] = (cell){.layer = all[i].layer, .first = all[i].first};
        (void)snprintf(cells[i].edit, sizeof(cells[i].edit), "%s%u%s", all[i].head != NULL ? all[i].head : "",
                       all[i].layer, all[i].head != NULL ? all[i].tail : "");
        cells[i].edits = all[i].head != NULL;
    }
}

/* All cells in one pass, as sequences seq[CELLS]; row[i] is the last of cell i. */
static void run_cells(tempo_engine *e, const base *b, tempo_mode mode, const cell cells[CELLS],
                      tempo_seq *seq[CELLS], size_t row[CELLS])
{
    const uint32_t n_layers = tempo_model_get_info(tempo_engine_model(e))->n_layers;
    tempo_row rows[CELLS * SLOTS];
    tempo_start starts[CELLS * SLOTS];
    tempo_err err = {0};
    size_t n = 0;

    for (size_t i = 0; i < CELLS; i++) {
        tempo_edits *l = edits_of(e, edit_of(&cells[i]));
        assert_int_equal(tempo_seq_begin(seq[i], b->seq, cells[i].first, cells[i].layer, &err), TEMPO_OK);
        assert_int_equal(tempo_seq_set_edits(seq[i], l, PROMPT, &err), TEMPO_OK);
        tempo_edits_free(l);
        for (size_t slot = cells[i].first; slot < SLOTS; slot++, n++) {
            rows[n] = row_at(seq[i], slot, mode, slot + 1 == SLOTS ? TEMPO_WANT_LOGITS : 0);
            starts[n] = start_of(b, n_layers, cells[i].layer, slot);
        }
        row[i] = n - 1;
    }
    if (tempo_engine_pass_part(e, rows, starts, n, n_layers, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static void check_cells(const tempo_model *m, unsigned threads, tempo_kv_type kv, tempo_mode mode)
{
    const tempo_model_info *info = tempo_model_get_info(m);
    tempo_engine *e = test_engine(m, threads);
    base b = base_of(e, kv, mode);
    cell cells[CELLS];
    tempo_seq *seq[CELLS];
    size_t row[CELLS];
    float *want[CELLS];

    make_cells(cells, info->n_layers);
    for (size_t i = 0; i < CELLS; i++) {
        seq[i] = test_seq(e, kv);
        tempo_seq_free(whole(e, kv, mode, edit_of(&cells[i]), true, NULL, &want[i]));
    }
    for (unsigned again = 0; again < 2; again++) { /* with the pages that they have, too */
        run_cells(e, &b, mode, cells, seq, row);
        for (size_t i = 0; i < CELLS; i++) {
            const float *got = tempo_engine_logits(e, row[i]);
            assert_non_null(got);
            if (memcmp(got, want[i], info->n_vocab * sizeof(float)) != 0)
                fail_msg("%s, %s, %u threads: cell %zu (%s) differs from the whole pass", info->name,
                         tempo_mode_name(mode), threads, i, cells[i].edit);
            const bool same = memcmp(want[i], b.logits, info->n_vocab * sizeof(float)) == 0;
            const bool nothing = !cells[i].edits || (i == 2 && mode == TEMPO_ISOLATED);
            if (same != nothing) /* the edits do something */
                fail_msg("%s, %s: cell %zu (%s) changes %s", info->name, tempo_mode_name(mode), i,
                         cells[i].edit, same ? "nothing" : "something");
        }
    }
    for (size_t i = 0; i < CELLS; i++) {
        tempo_seq_free(seq[i]);
        free(want[i]);
    }
    base_free(&b);
    tempo_engine_free(e);
}

static void check_model(tempo_model *m)
{
    for (unsigned threads = 1; threads <= 2; threads++)
        for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++)
            check_cells(m, threads, threads == 1 ? TEMPO_KV_F32 : TEMPO_KV_F16, (tempo_mode)mode);
    tempo_model_free(m);
}

static void test_cells(void **state)
{
    (void)state;
    check_model(test_open_model(NULL));
    check_model(test_open_synthetic("llama", TEMPO_F32));
    check_model(test_open_synthetic("qwen2", TEMPO_Q4_K));
    check_model(test_open_synthetic("qwen3", TEMPO_Q8_0));
}

/* One small model of every architecture: blocks in parallel, experts, windows, learned positions, norms
 * behind. */
static void test_architectures(void **state)
{
    (void)state;
    DIR *d = opendir("../shared/models/arch");
    const struct dirent *entry;
    size_t n = 0;

    if (d == NULL) {
        print_message("no ../shared: architectures not compared\n");
        skip();
    }
    while ((entry = readdir(d)) != NULL) {
        char path[512];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "../shared/models/arch/%s", entry->d_name);
        tempo_model *m = test_open_model(path);
        check_cells(m, 2, TEMPO_KV_F32, TEMPO_VISIBLE);
        check_cells(m, 1, TEMPO_KV_F16, TEMPO_CAUSAL);
        tempo_model_free(m);
        n++;
    }
    (void)closedir(d);
    assert_true(n > 0);
}

/* Logits that are wanted alone, of one row among many: the last layer goes on with that row. */
static void test_wanted(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("qwen3", TEMPO_Q4_0);
    for (unsigned threads = 1; threads <= 2; threads++)
        for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++) {
            tempo_engine *e = test_engine(m, threads);
            float *all, *one;
            tempo_seq_free(whole(e, TEMPO_KV_F32, (tempo_mode)mode, NULL, true, NULL, &all));
            tempo_seq_free(whole(e, TEMPO_KV_F32, (tempo_mode)mode, NULL, false, NULL, &one));
            assert_memory_equal(all, one, tempo_model_get_info(m)->n_vocab * sizeof(float));
            free(all);
            free(one);
            tempo_engine_free(e);
        }
    tempo_model_free(m);
}

/* ---- a pass that ends ---- */

typedef struct seen {
    float q[4096], k[4096];
    size_t views;
    uint32_t layer;
} seen;

static bool see(void *user, const tempo_tap_view *view)
{
    seen *s = user;

    assert_int_equal(view->layer, s->layer);
    if (view->slot == SLOTS - 1)
        memcpy(view->tap == TEMPO_TAP_Q ? s->q : s->k, view->values,
               view->dims[0] * view->dims[1] * sizeof(float));
    s->views++;
    return true;
}

static void test_end(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 2);
    const uint32_t n_layers = tempo_model_get_info(m)->n_layers;
    tempo_tap_selection taps[] = {{.tap = TEMPO_TAP_Q, .layers = {2}}, {.tap = TEMPO_TAP_K, .layers = {2}}};
    static seen part, all;
    const tempo_observer obs_all = {.user = &all, .view = see, .taps = taps, .n_taps = 2};
    const tempo_observer obs_part = {.user = &part, .view = see, .taps = taps, .n_taps = 2};
    const char *const edit = "zero blocks.0.hook_mlp_out rows=set:66";
    base b = base_of(e, TEMPO_KV_F32, TEMPO_VISIBLE);
    tempo_seq *s = test_seq(e, TEMPO_KV_F32);
    tempo_edits *l = edits_of(e, edit);
    tempo_row rows[SLOTS];
    tempo_start starts[SLOTS];
    size_t n = 0;
    float *logits;
    tempo_err err = {0};

    part.layer = all.layer = 1;
    tempo_seq_free(whole(e, TEMPO_KV_F32, TEMPO_VISIBLE, edit, true, &obs_all, &logits));
    assert_int_equal(tempo_seq_begin(s, b.seq, PROMPT, 0, &err), TEMPO_OK);
    assert_int_equal(tempo_seq_set_edits(s, l, PROMPT, &err), TEMPO_OK);
    for (size_t slot = PROMPT; slot < SLOTS; slot++, n++) {
        rows[n] = row_at(s, slot, TEMPO_VISIBLE, TEMPO_WANT_TAPS);
        starts[n] = start_of(&b, n_layers, 0, slot);
    }
    assert_int_equal(tempo_engine_pass_part(e, rows, starts, n, 2, &obs_part, &err), TEMPO_OK);
    assert_int_equal(part.views, 2 * n);
    assert_memory_equal(part.q, all.q, sizeof(part.q));
    assert_memory_equal(part.k, all.k, sizeof(part.k));
    assert_null(tempo_engine_logits(e, 0));
    free(logits);
    tempo_edits_free(l);
    tempo_seq_free(s);
    base_free(&b);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- what is refused ---- */

static void refused(tempo_status st, tempo_err *err, const char *words)
{
    assert_int_equal(st, TEMPO_E_ARG);
    if (strstr(err->msg, words) == NULL)
        fail_msg("'%s' in: %s", words, err->msg);
    *err = (tempo_err){0};
}

static void test_refused(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    base b = base_of(e, TEMPO_KV_F32, TEMPO_VISIBLE);
    tempo_seq *s = test_seq(e, TEMPO_KV_F32), *other = test_seq(e, TEMPO_KV_F16), *fork;
    float k[64];
    tempo_err err = {0};

    refused(tempo_seq_begin(s, b.seq, PROMPT + 1, 0, &err), &err, "inside of set 66");
    refused(tempo_seq_begin(s, b.seq, SLOTS + 1, 0, &err), &err, "72 slots");
    refused(tempo_seq_begin(other, b.seq, 3, 0, &err), &err, "3 slots");
    assert_int_equal(tempo_seq_begin(s, b.seq, PROMPT + 3, 1, &err), TEMPO_OK);
    tempo_row rows[2] = {row_at(s, PROMPT + 3, TEMPO_VISIBLE, 0),
                         row_at(s, PROMPT + 4, TEMPO_VISIBLE, TEMPO_WANT_LOGITS)};
    refused(tempo_engine_forward(e, rows, 2, NULL, &err), &err, "from layer 1 on");
    tempo_start starts[2] = {{1, b.logits}, {2, b.logits}};
    refused(tempo_engine_pass_part(e, rows, starts, 2, 2, NULL, &err), &err, "row 1: it begins in layer 2");
    starts[1] = (tempo_start){1, NULL};
    refused(tempo_engine_pass_part(e, rows, starts, 2, 2, NULL, &err), &err, "without a residual stream");
    starts[1] = starts[0];
    refused(tempo_engine_pass_part(e, rows, starts, 2, 1, NULL, &err), &err, "has no logits");
    refused(tempo_seq_read_kv(s, 0, 0, 0, k, NULL, &err), &err, "lacks keys and values");
    assert_int_equal(tempo_engine_pass_part(e, rows, starts, 2, 2, NULL, &err), TEMPO_OK);
    tempo_row more = row_at(s, SLOTS, TEMPO_VISIBLE, 0);
    more.set = set_of(SLOTS - 1) + 1;
    refused(tempo_engine_forward(e, &more, 1, NULL, &err), &err, "lacks keys and values");
    const tempo_start late = {1, b.logits};
    refused(tempo_engine_pass_part(e, &more, &late, 1, 2, NULL, &err), &err, "lacks keys and values");
    refused(tempo_seq_fork(&fork, s, &err), &err, "lacks keys and values");
    assert_null(fork);
    refused(tempo_seq_read_kv(s, 1, 0, SLOTS - 1, k, NULL, &err), &err, "lacks keys and values");
    assert_int_equal(tempo_seq_begin(s, b.seq, SLOTS, 0, &err), TEMPO_OK); /* and is whole again */
    assert_int_equal(tempo_seq_read_kv(s, 1, 0, SLOTS - 1, k, NULL, &err), TEMPO_OK);
    tempo_seq_free(s);
    tempo_seq_free(other);
    base_free(&b);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- sequences that begin again ---- */

/* The keys and values of two are the same. */
static void same_cache(const tempo_seq *a, const tempo_seq *b, const tempo_model_info *info)
{
    float x[2][64], y[2][64];
    tempo_err err = {0};

    assert_int_equal(tempo_seq_slot_count(a), tempo_seq_slot_count(b));
    for (size_t slot = 0; slot < tempo_seq_slot_count(a); slot++)
        for (uint32_t l = 0; l < info->n_layers; l++) {
            assert_int_equal(tempo_seq_read_kv(a, l, 0, slot, x[0], x[1], &err), TEMPO_OK);
            assert_int_equal(tempo_seq_read_kv(b, l, 0, slot, y[0], y[1], &err), TEMPO_OK);
            for (unsigned i = 0; i < 2; i++)
                assert_memory_equal(x[i], y[i], info->head_dim * sizeof(float));
        }
}

static void test_begin_again(void **state)
{
    (void)state;
    static const size_t lengths[] = {70, 3, 64, 129, 10, 0, 65};
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *e = test_engine(m, 1);
    const tempo_model_info *info = tempo_model_get_info(m);
    int32_t ids[130], more[] = {5, 6, 7};
    tempo_seq *from = test_seq(e, TEMPO_KV_F32), *s = test_seq(e, TEMPO_KV_F32);
    tempo_err err = {0};

    for (size_t i = 0; i < 130; i++)
        ids[i] = (int32_t)(i * 31 % 250);
    test_append(e, from, ids, 120, true, TEMPO_CAUSAL, NULL, NULL);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        const size_t n = lengths[i] < 120 ? lengths[i] : 120;
        tempo_seq *plain = test_seq(e, TEMPO_KV_F32);
        assert_int_equal(tempo_seq_begin(s, from, n, 0, &err), TEMPO_OK);
        if (n > 0)
            test_append(e, plain, ids, n, true, TEMPO_CAUSAL, NULL, NULL);
        test_append(e, plain, more, 3, true, TEMPO_CAUSAL, NULL, NULL);
        test_append(e, s, more, 3, true, TEMPO_CAUSAL, NULL, NULL);
        same_cache(s, plain, info);
        tempo_seq_free(plain);
    }
    tempo_seq *plain = test_seq(e, TEMPO_KV_F32); /* nobody has written to what is shared */
    test_append(e, plain, ids, 120, true, TEMPO_CAUSAL, NULL, NULL);
    same_cache(from, plain, info);
    tempo_seq_free(plain);
    tempo_seq_free(s);
    tempo_seq_free(from);
    tempo_engine_free(e);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),   cmocka_unit_test(test_architectures),
        cmocka_unit_test(test_wanted),  cmocka_unit_test(test_end),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_begin_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
