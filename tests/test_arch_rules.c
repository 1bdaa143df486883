/* What sets mean where attention is not Llama's: positions that are learned, ALiBi's distances, windows by
 * position, the share of sinks. */
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

/* An architecture with a random shape; the keys of `more` in place of its own. */
static tempo_model *open_random(const char *type, uint64_t seed, json_t *more)
{
    json_t *config = random_config(type, seed, false);
    char root[256], dir[512];

    if (more != NULL)
        json_object_update_new(config, more);
    test_tmpdir_create(root);
    test_path(dir, root, "hf");
    reference_free(random_directory(config, seed, dir));
    tempo_model *m = test_open_model(dir);
    test_tmpdir_remove(root);
    json_decref(config);
    return m;
}

/* ---- what a pass shows ---- */

enum { MOST = 32 };

typedef struct shown {
    uint32_t layer;
    size_t heads, n;
    float scores[MOST][16][MOST], pattern[MOST][16][MOST]; /* [row][head][slot] of the layer */
} shown;

static bool keep(void *user, const tempo_tap_view *v)
{
    shown *s = user;

    if (v->layer != s->layer)
        return true;
    s->heads = v->dims[0];
    s->n = v->dims[1];
    assert_true(s->heads <= 16 && s->n <= MOST);
    for (size_t h = 0; h < s->heads; h++)
        memcpy(v->tap == TEMPO_TAP_PATTERN ? s->pattern[v->row][h] : s->scores[v->row][h],
               v->values + h * s->n, s->n * sizeof(float));
    return true;
}

static void show(const tempo_model *m, tempo_row *rows, size_t n, uint32_t layer, shown *s)
{
    const tempo_tap_selection taps[] = {{.tap = TEMPO_TAP_ATTN_SCORES}, {.tap = TEMPO_TAP_PATTERN}};
    const tempo_observer obs = {.user = s, .view = keep, .taps = taps, .n_taps = 2};
    tempo_engine *e = test_engine(m, 1);
    tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
    tempo_err err = {0};

    s->layer = layer;
    for (size_t i = 0; i < n; i++) {
        rows[i].seq = seq;
        rows[i].want = TEMPO_WANT_TAPS;
    }
    if (tempo_engine_forward(e, rows, n, &obs, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_seq_free(seq);
    tempo_engine_free(e);
}

/* `text` tokens, each a set; then one set of the others at one position. */
static void make_rows(tempo_row *rows, size_t n, size_t text, tempo_mode mode)
{
    for (size_t i = 0; i < n; i++) {
        tempo_row_init(&rows[i]);
        rows[i].token = (int32_t)(i * 37 % 200);
        rows[i].set = (uint32_t)(i < text ? i : text);
        rows[i].position = (double)rows[i].set;
        rows[i].mode = mode;
    }
}

/* ---- learned positions ---- */

static void test_learned_offset(void **state)
{
    static const char *const types[] = {"gpt2", "gpt_neo", "opt"};
    const int32_t prompt[] = {1, 2, 3};

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        tempo_model *m = open_random(types[i], 1, NULL);
        tempo_engine *e = test_engine(m, 1);
        tempo_decode_options o;
        tempo_decoder *d;
        tempo_err err = {0};
        tempo_decode_options_init(&o);
        o.positions = TEMPO_POSITIONS_OFFSET;
        o.position_offset = 0.5;
        assert_int_equal(tempo_decoder_create(&d, e, &o, prompt, 3, &err), TEMPO_E_ARG);
        assert_non_null(strstr(err.msg, "the model has learned positions"));
        assert_non_null(strstr(err.msg, "0.5"));
        o.position_offset = 1; /* whole: rows of the table */
        assert_int_equal(tempo_decoder_create(&d, e, &o, prompt, 3, &err), TEMPO_OK);
        tempo_decoder_free(d);
        tempo_engine_free(e);
        tempo_model_free(m);
    }
    tempo_model *m = open_random("bloom", 1, NULL); /* it has no table */
    tempo_engine *e = test_engine(m, 1);
    tempo_decode_options o;
    tempo_decoder *d;
    tempo_err err = {0};
    tempo_decode_options_init(&o);
    o.positions = TEMPO_POSITIONS_OFFSET;
    o.position_offset = 0.5;
    assert_int_equal(tempo_decoder_create(&d, e, &o, prompt, 3, &err), TEMPO_OK);
    tempo_decoder_free(d);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- ALiBi ---- */

static void test_alibi_distance(void **state)
{
    static shown at_one, apart;
    tempo_row rows[12];

    (void)state;
    tempo_model *m = open_random("bloom", 3, NULL);
    make_rows(rows, 12, 8, TEMPO_VISIBLE);
    for (size_t i = 8; i < 12; i++)
        rows[i].token = 5;
    show(m, rows, 12, 0, &at_one);
    for (size_t h = 0; h < at_one.heads; h++)
        for (size_t r = 8; r < 12;
             r++) /* siblings of one token: no distance, so the score is the own one's */
            for (size_t j = 8; j < 12; j++)
                assert_true(at_one.scores[r][h][j] == at_one.scores[r][h][r]);
    for (size_t i = 8; i < 12; i++)
        rows[i].position += 2; /* two further from the text, and by no slot */
    show(m, rows, 12, 0, &apart);
    for (size_t h = 0; h < apart.heads; h++)
        for (size_t j = 0; j < 8; j++) {
            const double moved = (double)at_one.scores[9][h][j] - (double)apart.scores[9][h][j],
                         want = 2 * (double)m->slopes[h];
            if (!(fabs(moved - want) <= 1e-5))
                fail_msg("head %zu, slot %zu: %g closer, expected %g", h, j, moved, want);
        }
    tempo_model_free(m);
}

/* ---- windows ---- */

/* A set larger than the window, behind a text: what is seen follows from positions. */
static void test_window_by_position(void **state)
{
    static shown s;
    tempo_row rows[24];

    (void)state;
    for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++) {
        tempo_model *m = open_random("mistral", 2, json_pack("{s:i}", "sliding_window", 4));
        assert_int_equal(m->layers[0].window, 4);
        make_rows(rows, 24, 12, (tempo_mode)mode);
        for (size_t i = 20; i < 24; i++) { /* a last set: positions 13, of slots 20 .. 23 */
            rows[i].set = 13;
            rows[i].position = 13;
        }
        show(m, rows, 24, 0, &s);
        for (size_t h = 0; h < s.heads; h++)
            for (size_t j = 0; j < 24; j++) {
                const bool sibling = j >= 20 && j != 21,
                           in = sibling ? mode == TEMPO_VISIBLE || (mode == TEMPO_CAUSAL && j < 21)
                                        : rows[j].position > 13 - 4;
                if ((s.pattern[21][h][j] > 0) != in)
                    fail_msg("mode %d, head %zu: slot %zu at position %g: %g", mode, h, j, rows[j].position,
                             (double)s.pattern[21][h][j]);
            }
        tempo_model_free(m);
    }
}

/* ---- sinks ---- */

static void test_sink_share(void **state)
{
    static shown s;
    tempo_row rows[16];

    (void)state;
    for (int mode = TEMPO_ISOLATED; mode <= TEMPO_CAUSAL; mode++) {
        tempo_model *m = open_random("gpt_oss", 2, NULL);
        for (uint32_t layer = 0; layer < m->hp.n_layers; layer++) {
            make_rows(rows, 16, 10, (tempo_mode)mode);
            show(m, rows, 16, layer, &s);
            for (size_t r = 0; r < 16; r++)
                for (size_t h = 0; h < s.heads; h++) {
                    const double sink = exp((double)m->layers[layer].sinks[h]);
                    double all = 0, sum = 0;
                    for (size_t j = 0; j < s.n; j++) {
                        all += exp((double)s.scores[r][h][j]);
                        sum += (double)s.pattern[r][h][j];
                    }
                    if (!(fabs(sum - (1 - sink / (all + sink))) <= 2e-6))
                        fail_msg("layer %u, row %zu, head %zu: %.9g, expected %.9g", layer, r, h, sum,
                                 1 - sink / (all + sink));
                }
        }
        tempo_model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learned_offset),
        cmocka_unit_test(test_alibi_distance),
        cmocka_unit_test(test_window_by_position),
        cmocka_unit_test(test_sink_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
