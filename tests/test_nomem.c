/* When memory runs out: the k-th allocation fails, for every k.  Each call then says TEMPO_E_NOMEM, leaks
 * nothing (the address sanitizer looks), and has changed nothing: the same call repeated gives the same bits
 * as ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/npz.h"
#include "io/safetensors.h"
#include "support/bytes.h"
#include "support/model_writer.h"
#include "support/nomem.h"
#include "support/tmpdir.h"

static char dir[256], gguf_path[512], hf_path[512], spm_path[512], npz_path[512];

/* Run f with the k-th allocation failing, k = 0, 1, ..., until one run meets no failure.  Returns the runs.
 */
static size_t until_enough(tempo_status (*f)(void *arg, tempo_err *err), void *arg)
{
    for (size_t k = 0;; k++) {
        tempo_err err = {0};
        test_fail_allocation(k);
        const tempo_status st = f(arg, &err);
        const bool failed = test_allocation_failed();
        if (!failed) {
            if (st != TEMPO_OK)
                fail_msg("without a failure: %s", err.msg);
            return k;
        }
        /* Some allocations are only for speed or a finer answer: then it works without. */
        if (st != TEMPO_OK && (st != TEMPO_E_NOMEM || err.code != TEMPO_E_NOMEM || err.msg[0] == '\0'))
            fail_msg("allocation %zu: status %d, \"%s\"", k, (int)st, err.msg);
    }
}

static tempo_status open_model(void *path, tempo_err *err)
{
    tempo_model *m;
    const tempo_status st = tempo_model_open(&m, path, NULL, err);

    assert_true((st == TEMPO_OK) == (m != NULL));
    tempo_model_free(m);
    return st;
}

static void test_models(void **state)
{
    (void)state;
    assert_true(until_enough(open_model, gguf_path) > 20);
    assert_true(until_enough(open_model, hf_path) > 20);
    assert_true(until_enough(open_model, spm_path) > 20);
}

static tempo_status synth(void *path, tempo_err *err)
{
    const tempo_synth_options o = {.size = sizeof(o), .shape = "tiny", .type = "Q4_0"};

    return tempo_synth(path, &o, err);
}

static void test_synth(void **state)
{
    (void)state;
    char path[512];

    test_path(path, dir, "synth.gguf");
    assert_true(until_enough(synth, path) > 20);
}

static tempo_status tokenize(void *model, tempo_err *err)
{
    static const char text[] = "the thing in the ring is there again and again and again and again, the end";
    const tempo_tokenizer *t = tempo_model_tokenizer(model);
    int32_t *ids;
    size_t n, len;
    char *back;
    tempo_status st = tempo_tokenize(t, text, strlen(text), 0, &ids, &n, err);

    if (st != TEMPO_OK) {
        assert_null(ids);
        return st;
    }
    st = tempo_detokenize(t, ids, n, false, &back, &len, err);
    if (st == TEMPO_OK)
        assert_string_equal(back, text);
    tempo_free(back);
    tempo_free(ids);
    return st;
}

static void test_tokenizers(void **state)
{
    (void)state;
    const char *const paths[] = {gguf_path, spm_path};

    for (size_t i = 0; i < 2; i++) {
        tempo_err err = {0};
        tempo_model *m;
        assert_int_equal(tempo_model_open(&m, paths[i], NULL, &err), TEMPO_OK);
        assert_true(until_enough(tokenize, m) > 2);
        tempo_model_free(m);
    }
}

static tempo_status chat(void *model, tempo_err *err)
{
    static const char text[] =
        "{% set ns = namespace(n=0) %}{% for m in messages if m.role != 'x' %}{% set ns.n = ns.n + 1 %}"
        "{{ bos_token + m.content.split('e')|join('-') ~ {'a': [ns.n]}|tojson }}{% endfor %}"
        "{% macro f(x) %}<{{ x|upper }}>{% endmacro %}{{ f(x='a') }}{{ messages[::-1][0].content }}";
    const tempo_message messages[] = {{"user", "the ring", 8}, {"assistant", "</s>", 4}};
    tempo_chat *c;
    int32_t *ids;
    size_t n, len;
    char *back;
    tempo_status st = tempo_chat_open(&c, model, text, sizeof(text) - 1, "test", err);

    assert_true((st == TEMPO_OK) == (c != NULL));
    if (st != TEMPO_OK)
        return st;
    st = tempo_chat_tokenize(c, messages, 2, NULL, &ids, &n, &back, &len, err);
    assert_true((st == TEMPO_OK) == (ids != NULL) && (st == TEMPO_OK) == (back != NULL));
    if (st == TEMPO_OK)
        assert_string_equal(back, "<s>th- ring{\"a\": [1]}<s></s>{\"a\": [2]}<A></s>");
    tempo_free(back);
    tempo_free(ids);
    tempo_chat_free(c);
    return st;
}

static void test_chat(void **state)
{
    (void)state;
    tempo_err err = {0};
    tempo_model *m;

    assert_int_equal(tempo_model_open(&m, gguf_path, NULL, &err), TEMPO_OK);
    assert_true(until_enough(chat, m) > 6);
    tempo_model_free(m);
}

/* ---- the engine ---- */

typedef struct forward {
    tempo_engine *engine;
    tempo_seq *seq;
    float *logits; /* of the first pass that worked */
    size_t n_vocab;
} forward;

/* A set of two members after n slots of seq. */
static void make_set(tempo_row rows[2], tempo_seq *seq, size_t n)
{
    for (size_t i = 0; i < 2; i++)
        rows[i] = (tempo_row){.seq = seq,
                              .token = (int32_t)i + 5,
                              .set = (uint32_t)n,
                              .position = (double)n,
                              .mode = TEMPO_VISIBLE,
                              .want = TEMPO_WANT_LOGITS};
}

/* The set in a fork; the original stays as it is. */
static tempo_status run_forward(void *arg, tempo_err *err)
{
    forward *f = arg;
    const size_t before = tempo_seq_slot_count(f->seq);
    tempo_seq *fork;
    tempo_status st = tempo_seq_fork(&fork, f->seq, err);

    if (st != TEMPO_OK) {
        assert_null(fork);
        return st;
    }
    tempo_row rows[2];
    make_set(rows, fork, before);
    st = tempo_engine_forward(f->engine, rows, 2, NULL, err);
    assert_int_equal(tempo_seq_slot_count(fork), st == TEMPO_OK ? before + 2 : before);
    assert_int_equal(tempo_seq_slot_count(f->seq), before);
    for (size_t i = 0; i < 2 && st == TEMPO_OK; i++)
        assert_memory_equal(tempo_engine_logits(f->engine, i), f->logits + i * f->n_vocab,
                            f->n_vocab * sizeof(float));
    tempo_seq_free(fork);
    return st;
}

static void fill_prompt(forward *f, size_t n)
{
    tempo_row rows[70];
    tempo_err err = {0};

    assert_true(n <= 70);
    for (size_t i = 0; i < n; i++)
        rows[i] =
            (tempo_row){.seq = f->seq, .token = (int32_t)(i % 50), .set = (uint32_t)i, .position = (double)i};
    assert_int_equal(tempo_engine_forward(f->engine, rows, n, NULL, &err), TEMPO_OK);
}

/* New engines, so that their scratch has to grow again each time. */
static tempo_status run_new_engine(void *arg, tempo_err *err)
{
    const tempo_engine_options opt = {.size = sizeof(opt), .threads = 2};
    forward f = {.n_vocab = 0};
    tempo_status st = tempo_engine_create(&f.engine, arg, &opt, err);

    if (st == TEMPO_OK)
        st = tempo_seq_create(&f.seq, f.engine, NULL, err);
    tempo_row row = {.seq = f.seq, .token = 1, .want = TEMPO_WANT_LOGITS};
    if (st == TEMPO_OK)
        st = tempo_engine_forward(f.engine, &row, 1, NULL, err);
    tempo_seq_free(f.seq);
    tempo_engine_free(f.engine);
    return st;
}

static void test_engine(void **state)
{
    (void)state;
    const tempo_engine_options opt = {.size = sizeof(opt), .threads = 1};
    tempo_err err = {0};
    tempo_model *m;
    forward f = {0};

    assert_int_equal(tempo_model_open(&m, gguf_path, NULL, &err), TEMPO_OK);
    f.n_vocab = tempo_model_get_info(m)->n_vocab;
    f.logits = malloc(2 * f.n_vocab * sizeof(float));
    assert_non_null(f.logits);
    assert_int_equal(tempo_engine_create(&f.engine, m, &opt, &err), TEMPO_OK);
    assert_int_equal(tempo_seq_create(&f.seq, f.engine, NULL, &err), TEMPO_OK);
    fill_prompt(&f, 63); /* the two rows then lie in two pages */
    /* The expected bits, from a pass without failures. */
    tempo_seq *fork;
    assert_int_equal(tempo_seq_fork(&fork, f.seq, &err), TEMPO_OK);
    tempo_row rows[2];
    make_set(rows, fork, 63);
    assert_int_equal(tempo_engine_forward(f.engine, rows, 2, NULL, &err), TEMPO_OK);
    for (size_t i = 0; i < 2; i++)
        memcpy(f.logits + i * f.n_vocab, tempo_engine_logits(f.engine, i), f.n_vocab * sizeof(float));
    tempo_seq_free(fork);
    assert_true(until_enough(run_forward, &f) > 3);
    assert_true(until_enough(run_new_engine, m) > 5);
    tempo_seq_free(f.seq);
    tempo_engine_free(f.engine);
    free(f.logits);
    tempo_model_free(m);
}

/* ---- the decoder ---- */

static tempo_status decode(void *engine, tempo_err *err)
{
    const int32_t prompt[] = {1, 2, 3};
    tempo_decode_options o;
    tempo_decoder *d;
    tempo_status st;

    tempo_decode_options_init(&o);
    o.threshold = 0.001;
    o.steps = 3;
    o.stop = TEMPO_STOP_NEVER;
    st = tempo_decoder_create(&d, engine, &o, prompt, 3, err);
    assert_true((st == TEMPO_OK) == (d != NULL));
    while (st == TEMPO_OK && tempo_decoder_stopped(d) == TEMPO_RUNNING)
        st = tempo_decoders_step(&d, 1, NULL, err);
    tempo_decoder_free(d);
    return st;
}

static void test_decoder(void **state)
{
    (void)state;
    const tempo_engine_options opt = {.size = sizeof(opt), .threads = 1};
    tempo_err err = {0};
    tempo_model *m;
    tempo_engine *e;

    assert_int_equal(tempo_model_open(&m, gguf_path, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_engine_create(&e, m, &opt, &err), TEMPO_OK);
    assert_true(until_enough(decode, e) > 8);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- the lens ---- */

static tempo_status look(void *engine, tempo_err *err)
{
    const tempo_attribution_options o = {.size = sizeof(o), .token = 5, .minus = 6, .heads = true};
    const tempo_model *m = tempo_engine_model(engine);
    tempo_row rows[2];
    tempo_residual *r = NULL;
    tempo_lens *l = NULL;
    tempo_attribution *a = NULL;
    tempo_seq *s;
    tempo_status st = tempo_seq_create(&s, engine, NULL, err);

    for (uint32_t i = 0; i < 2; i++)
        rows[i] = (tempo_row){
            .seq = s, .token = (int32_t)i, .set = i, .position = (double)i, .want = TEMPO_WANT_TAPS};
    if (st == TEMPO_OK && (st = tempo_residual_create(&r, m, 2, TEMPO_RESIDUAL_HEADS, err)) == TEMPO_OK &&
        (st = tempo_residual_forward(r, 0, engine, rows, 2, NULL, NULL, err)) == TEMPO_OK &&
        (st = tempo_lens_create(&l, engine, r, NULL, err)) == TEMPO_OK)
        st = tempo_attribute(&a, engine, r, &o, err);
    assert_true((st == TEMPO_OK) == (a != NULL));
    tempo_attribution_free(a);
    tempo_lens_free(l);
    tempo_residual_free(r);
    tempo_seq_free(s);
    return st;
}

static void test_lens(void **state)
{
    (void)state;
    const tempo_engine_options opt = {.size = sizeof(opt), .threads = 1};
    tempo_err err = {0};
    tempo_model *m;
    tempo_engine *e;

    assert_int_equal(tempo_model_open(&m, gguf_path, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_engine_create(&e, m, &opt, &err), TEMPO_OK);
    assert_true(until_enough(look, e) > 10);
    tempo_engine_free(e);
    tempo_model_free(m);
}

/* ---- captures ---- */

typedef struct captured {
    tempo_engine *engine;
    tempo_capture_format format;
} captured;

static bool feed(void *c, const tempo_tap_view *v)
{
    return tempo_capture_view(c, v);
}

/* Whatever fails, nothing is left behind. */
static tempo_status capture(void *arg, tempo_err *err)
{
    const captured *with = arg;
    const int32_t prompt[] = {1, 2, 3};
    char path[512];
    tempo_decode_options o;
    tempo_capture_options co;
    tempo_decoder *d;
    tempo_capture *c;
    tempo_status st;

    tempo_decode_options_init(&o);
    o.threshold = 0.004;
    o.steps = 2;
    o.stop = TEMPO_STOP_NEVER;
    tempo_capture_options_init(&co);
    co.record = TEMPO_RECORD_ALL;
    co.format = with->format;
    co.config = "{\"a\": 1}";
    test_path(path, dir, "parent/capture");
    if ((st = tempo_decoder_create(&d, with->engine, &o, prompt, 3, err)) != TEMPO_OK)
        return st;
    st = tempo_capture_create(&c, path, d, &co, err);
    assert_true((st == TEMPO_OK) == (c != NULL));
    const tempo_observer observer = {
        .user = c, .view = feed, .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN}, .n_taps = 1};
    while (st == TEMPO_OK && tempo_decoder_stopped(d) == TEMPO_RUNNING)
        if ((st = tempo_decoders_step(&d, 1, &observer, err)) == TEMPO_OK)
            st = tempo_capture_step(c, err);
    if (st == TEMPO_OK)
        st = tempo_capture_commit(c, err);
    else
        tempo_capture_abort(c);
    tempo_decoder_free(d);
    test_path(path, dir, "parent");
    if (st == TEMPO_OK)
        test_tmpdir_remove(path);
    assert_int_not_equal(access(path, F_OK), 0);
    return st;
}

static void test_capture(void **state)
{
    (void)state;
    const tempo_engine_options opt = {.size = sizeof(opt), .threads = 1};
    captured with = {0};
    tempo_err err = {0};
    tempo_model *m;

    assert_int_equal(tempo_model_open(&m, gguf_path, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_engine_create(&with.engine, m, &opt, &err), TEMPO_OK);
    assert_true(until_enough(capture, &with) > 60);
    with.format = TEMPO_CAPTURE_SAFETENSORS;
    assert_true(until_enough(capture, &with) > 60);
    tempo_engine_free(with.engine);
    tempo_model_free(m);
}

/* ---- archives ---- */

static tempo_status write_archive(void *path, tempo_err *err)
{
    const uint64_t shape[] = {2, 3};
    const float data[6] = {1, 2, 3, 4, 5, 6};
    tempo_npz_writer *w;
    tempo_status st = tempo_npz_create(&w, path, err);

    if (st != TEMPO_OK)
        return st;
    if ((st = tempo_npz_add(w, "a", TEMPO_NPY_F32, shape, 2, data, err)) != TEMPO_OK ||
        (st = tempo_npz_add_text(w, "t", "text", err)) != TEMPO_OK) {
        tempo_npz_abort(w);
        return st;
    }
    return tempo_npz_commit(w, err);
}

static tempo_status read_archive(void *path, tempo_err *err)
{
    tempo_npz *z;
    tempo_npy a = {0};
    tempo_status st = tempo_npz_open(&z, path, err);

    if (st == TEMPO_OK)
        st = tempo_npz_read(z, "a", 1 << 20, &a, err);
    if (st == TEMPO_OK)
        assert_int_equal(a.count, 6);
    tempo_npy_free(&a);
    tempo_npz_free(z);
    return st;
}

static void test_archives(void **state)
{
    (void)state;
    assert_true(until_enough(write_archive, npz_path) > 2);
    assert_true(until_enough(read_archive, npz_path) > 2);
}

static int set_up(void **state)
{
    test_spec spec = test_spec_default("llama");
    test_model *m = test_model_make(&spec);

    (void)state;
    test_tmpdir_create(dir);
    test_path(gguf_path, dir, "m.gguf");
    test_path(hf_path, dir, "hf");
    test_path(spm_path, dir, "spm.gguf");
    test_path(npz_path, dir, "a.npz");
    test_model_write_gguf(m, 3, gguf_path);
    test_model_write_hf(m, 2, hf_path);
    test_model_free(m);
    spec.vocab = TEST_VOCAB_SPM;
    m = test_model_make(&spec);
    test_model_write_gguf(m, 3, spm_path);
    test_model_free(m);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmpdir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),   cmocka_unit_test(test_synth),   cmocka_unit_test(test_tokenizers),
        cmocka_unit_test(test_engine),   cmocka_unit_test(test_decoder), cmocka_unit_test(test_capture),
        cmocka_unit_test(test_archives), cmocka_unit_test(test_chat),    cmocka_unit_test(test_lens),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
