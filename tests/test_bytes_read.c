/* What a pass reads: each expert once, however many rows use it, and of the cache no page that a window
 * hides.  Counted where it is read, by kernels of a model that count, and compared with what the profile
 * says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "support/models.h"

enum { ROWS = 16, SLOTS = 200 };

/* ---- kernels that count ---- */

static tempo_kernels real;
static uint64_t weights_read, pages_read;

static void count_matmul(float *y, size_t ldy, const tempo_weight *w, size_t first, size_t n, const void *act,
                         size_t m, void *scratch)
{
    weights_read += n * w->row_bytes;
    real.matmul[w->type](y, ldy, w, first, n, act, m, scratch);
}

static void count_qk(float *const *s, const float *const *q, const float *keys, size_t d, size_t n,
                     float scale, const void *next)
{
    pages_read += n > 0;
    real.qk_f32(s, q, keys, d, n, scale, next);
}

static tempo_model *open_counting(const char *path)
{
    tempo_model *m;

    if (tempo_model_open(&m, path, NULL, NULL) != TEMPO_OK) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    real = m->kernels;
    for (size_t t = 0; t < TEMPO_DTYPE_COUNT; t++)
        m->kernels.matmul[t] = count_matmul;
    m->kernels.qk_f32 = count_qk;
    return m;
}

/* ---- experts ---- */

typedef struct used {
    bool expert[64][64]; /* in a layer */
    size_t n;
} used;

static bool note_experts(void *user, const tempo_tap_view *view)
{
    used *u = user;

    for (size_t i = 0; i < view->dims[0]; i++) {
        bool *one = &u->expert[view->layer][(size_t)view->values[i]];
        u->n += !*one;
        *one = true;
    }
    return true;
}

/* Bytes of weights that one pass of n rows at the beginning of a sequence each reads; *experts: how many
 * (layer, expert) it used. */
static uint64_t bytes_of_rows(tempo_engine *e, const int32_t *tokens, size_t n, size_t *experts)
{
    tempo_tap_selection all = {0};
    used u = {.n = 0};
    const tempo_observer obs = {.user = &u, .view = note_experts, .taps = &all, .n_taps = 1};
    tempo_row rows[ROWS];
    tempo_seq *seqs[ROWS];
    tempo_err err = {0};
    uint64_t counted = 0;

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(tempo_seq_create(&seqs[i], e, NULL, &err), TEMPO_OK);
        rows[i] =
            (tempo_row){.seq = seqs[i], .token = tokens[i], .want = TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS};
    }
    assert_int_equal(tempo_tap_parse(&all, tempo_engine_model(e), "expert_indices", &err), TEMPO_OK);
    weights_read = 0;
    tempo_engine_profile(e, true);
    if (tempo_engine_forward(e, rows, n, &obs, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; tempo_engine_stage(e, i).name != NULL; i++)
        if (i != TEMPO_STAGE_ATTENTION)
            counted += tempo_engine_stage(e, i).bytes;
    assert_int_equal(counted, weights_read);
    for (size_t i = 0; i < n; i++)
        tempo_seq_free(seqs[i]);
    *experts = u.n;
    return weights_read;
}

static void test_experts(void **state)
{
    static const int32_t same[ROWS] = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7},
                         other[ROWS] = {7,   9,   12,  40,  77,  100, 130, 150,
                                        170, 190, 200, 222, 240, 260, 280, 300};
    tempo_model *m = open_counting("../shared/models/arch-gguf/qwen3-moe.gguf");
    tempo_engine *e = test_engine(m, 1);
    const tempo_mlp *x = &m->layers[0].experts[0];
    const uint64_t expert =
        tempo_weight_bytes(&x->w_gate) + tempo_weight_bytes(&x->w_up) + tempo_weight_bytes(&x->w_down);
    size_t n_one, n_same, n_other;

    (void)state;
    const uint64_t one = bytes_of_rows(e, same, 1, &n_one);
    assert_int_equal(n_one, m->hp.n_layers * m->recipe.n_used);
    assert_int_equal(bytes_of_rows(e, same, ROWS, &n_same), one); /* sixteen rows, the same experts */
    assert_int_equal(n_same, n_one);
    const uint64_t many = bytes_of_rows(e, other, ROWS, &n_other);
    assert_true(n_other > n_one && n_other < ROWS * n_one);
    assert_int_equal(many - one, (n_other - n_one) * expert);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- windows ---- */

static void feed(tempo_engine *e, tempo_seq *s, size_t first, size_t n)
{
    tempo_row rows[SLOTS];
    tempo_err err = {0};

    for (size_t i = 0; i < n; i++) {
        const size_t at = first + i;
        rows[i] = (tempo_row){.seq = s,
                              .token = (int32_t)(3 + at * 37 % 300),
                              .set = (uint32_t)at,
                              .position = (double)at,
                              .want = i + 1 == n ? TEMPO_WANT_LOGITS : 0};
    }
    if (tempo_engine_forward(e, rows, n, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

/* Rows [first, first + n): pages that are read, and the profile's bytes, are those from the first row's
 * window on. */
static void check_window(tempo_engine *e, const tempo_model *m, size_t first, size_t n)
{
    const size_t end = first + n;
    tempo_seq *s;
    tempo_err err = {0};
    uint64_t pages = 0, slots = 0;

    assert_int_equal(tempo_seq_create(&s, e, NULL, &err), TEMPO_OK);
    feed(e, s, 0, first);
    pages_read = 0;
    tempo_engine_profile(e, true);
    feed(e, s, first, n);
    for (uint32_t l = 0; l < m->hp.n_layers; l++) {
        const size_t window = m->layers[l].window,
                     low = window == 0 || window > first ? 0 : (first + 1 - window) / 64 * 64;
        pages += (end + 63) / 64 - low / 64;
        slots += end - low;
    }
    assert_int_equal(pages_read, pages * m->hp.n_kv_heads);
    assert_int_equal(tempo_engine_stage(e, TEMPO_STAGE_ATTENTION).bytes,
                     2 * slots * m->hp.n_kv_heads * m->hp.head_dim * sizeof(float));
    tempo_seq_free(s);
}

static void test_windows(void **state)
{
    tempo_model *m = open_counting("../shared/models/arch-gguf/gemma3.gguf");
    tempo_engine *e = test_engine(m, 1);

    (void)state;
    assert_int_equal(m->layers[0].window, 8);
    assert_int_equal(m->layers[5].window, 0);
    check_window(e, m, 199, 1);
    check_window(e, m, 190, 3); /* the first of them sees the page before */
    check_window(e, m, 135, 1); /* from 128 on */
    check_window(e, m, 134, 1); /* and 127 */
    check_window(e, m, 5, 1);
    tempo_engine_free(e);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_experts), cmocka_unit_test(test_windows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
