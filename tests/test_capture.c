/* test_capture.c - what a capture writes is what was computed: against an independent recomputation (the
 * golden runs, with the tolerances that test_golden.c derives), against the engine's own numbers bit for bit,
 * and nothing at all where something failed. */
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/json.h"
#include "io/safetensors.h"
#include "support/golden.h"
#include "support/models.h"
#include "support/json_file.h"
#include "support/tmpdir.h"

static const double logit_tolerance = 2e-4, attention_tolerance = 2e-5;
static const int32_t prompt[] = {11, 200, 37, 5, 90};
enum { N_PROMPT = 5, STEPS = 4, MAX_CAPTURES = 2 };

static char dir[256];
static tempo_model *model;
static tempo_engine *engine;

/* ---- running ---- */

typedef struct run {
    size_t n;
    tempo_decoder *d[MAX_CAPTURES];
    tempo_capture *c[MAX_CAPTURES];
    long polls, stop_at; /* the poll that stops the pass; -1: none */
    tempo_err err;
} run;

static bool feed(void *user, const tempo_tap_view *v)
{
    run *r = user;

    for (size_t i = 0; i < r->n; i++)
        if (r->c[i] != NULL)
            assert_true(tempo_capture_view(r->c[i], v));
    return true;
}

static bool poll_run(void *user)
{
    run *r = user;

    return r->polls++ != r->stop_at;
}

static tempo_decode_options decoding(tempo_mode mode)
{
    tempo_decode_options o;

    tempo_decode_options_init(&o);
    o.mode = mode;
    o.threshold = 0.006;
    o.max_set = 4;
    o.steps = STEPS;
    o.stop = TEMPO_STOP_NEVER;
    return o;
}

static tempo_capture_options everything(void)
{
    tempo_capture_options o;

    tempo_capture_options_init(&o);
    o.record = TEMPO_RECORD_ALL;
    o.config = "{\"prompt\": \"x\", \"threshold\": 0.1}";
    return o;
}

static const char *in_dir(const char *name)
{
    static char path[512];

    test_path(path, dir, name);
    return path;
}

static void add(run *r, const tempo_decode_options *o, const char *to, const tempo_capture_options *c)
{
    r->stop_at = r->polls == 0 ? -1 : r->stop_at;
    if (tempo_decoder_create(&r->d[r->n], engine, o, prompt, N_PROMPT, &r->err) != TEMPO_OK ||
        (c != NULL && tempo_capture_create(&r->c[r->n], to, r->d[r->n], c, &r->err) != TEMPO_OK))
        fail_msg("%s", r->err.msg);
    r->n++;
}

static tempo_status take_steps(run *r, bool closing)
{
    const tempo_observer obs = {.user = r,
                                .view = feed,
                                .poll = poll_run,
                                .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                .n_taps = 1};
    tempo_status st = TEMPO_OK;

    while (st == TEMPO_OK && tempo_decoder_stopped(r->d[0]) == TEMPO_RUNNING) {
        st = tempo_decoders_step(r->d, r->n, &obs, &r->err);
        if (st == TEMPO_E_STOPPED) { /* again, the last one's rows first */
            tempo_decoder *const back[] = {r->d[r->n - 1], r->d[0]};
            r->err = (tempo_err){0};
            st = tempo_decoders_step(back, r->n, &obs, &r->err);
        }
        for (size_t i = 0; i < r->n && st == TEMPO_OK; i++)
            if (r->c[i] != NULL)
                st = tempo_capture_step(r->c[i], &r->err);
    }
    for (size_t i = 0; i < r->n && closing && st == TEMPO_OK; i++)
        if ((st = tempo_decoder_close_pass(r->d[i], &obs, &r->err)) == TEMPO_OK && r->c[i] != NULL)
            st = tempo_capture_closing(r->c[i], &r->err);
    return st;
}

static void finish(run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->c[i] != NULL && tempo_capture_commit(r->c[i], &r->err) != TEMPO_OK)
            fail_msg("%s", r->err.msg);
        tempo_decoder_free(r->d[i]);
    }
}

static void abandon(run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        tempo_capture_abort(r->c[i]);
        tempo_decoder_free(r->d[i]);
    }
}

/* A whole run into dir/name. */
static void capture_to(const char *name, tempo_mode mode, const tempo_capture_options *c, bool closing)
{
    const tempo_decode_options o = decoding(mode);
    run r = {0};

    add(&r, &o, in_dir(name), c);
    if (take_steps(&r, closing) != TEMPO_OK)
        fail_msg("%s", r.err.msg);
    finish(&r);
}

/* ---- reading back ---- */

static tempo_npz *open_npz(const char *name)
{
    tempo_err err = {0};
    tempo_npz *z;

    if (tempo_npz_open(&z, in_dir(name), &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return z;
}

static tempo_npy array(const tempo_npz *z, size_t step, const char *what, tempo_npy_type type)
{
    char name[64];
    tempo_err err = {0};
    tempo_npy a;

    (void)snprintf(name, sizeof(name), "step_%zu_%s", step, what);
    if (tempo_npz_read(z, name, 1 << 28, &a, &err) != TEMPO_OK)
        fail_msg("%s: %s", name, err.msg);
    assert_int_equal(a.type, type);
    return a;
}

static bool exists(const char *name)
{
    struct stat info;

    return lstat(in_dir(name), &info) == 0;
}

static size_t entries(const char *name)
{
    char pattern[600];
    glob_t g;

    (void)snprintf(pattern, sizeof(pattern), "%s/*", in_dir(name));
    const size_t n = glob(pattern, 0, NULL, &g) == 0 ? g.gl_pathc : 0;
    globfree(&g);
    return n;
}

static void assert_same_file(const char *a, const char *b)
{
    size_t n, m;
    unsigned char *p = test_read_file(in_dir(a), &n), *q = test_read_file(in_dir(b), &m);

    assert_int_equal(n, m);
    assert_memory_equal(p, q, n);
    free(p);
    free(q);
}

static void assert_same_array(const tempo_npy *a, const tempo_npy *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->n_dims, b->n_dims);
    for (unsigned i = 0; i < a->n_dims; i++)
        assert_int_equal(a->shape[i], b->shape[i]);
    if (a->count > 0)
        assert_memory_equal(a->data, b->data, a->count * a->item_bytes);
}

/* ---- golden runs ---- */

static void compare(const char *what, const tempo_npy *got, const tempo_npy *want, double tolerance)
{
    const float *g = got->data, *w = want->data;

    assert_int_equal(got->count, want->count);
    assert_true(got->count > 0);
    for (size_t i = 0; i < got->count; i++)
        if (!(fabs((double)g[i] - (double)w[i]) <= tolerance)) /* NaN fails it */
            fail_msg("%s, element %zu: %.9g, expected %.9g", what, i, (double)g[i], (double)w[i]);
}

static void check_golden_step(const golden_case *c, const tempo_npz *attention, const tempo_npz *logits,
                              size_t step)
{
    tempo_npy want = golden_array(c, TEMPO_NPY_F32, "attention_%zu", step),
              got = array(attention, step, "attention", TEMPO_NPY_F32);
    const size_t rows = want.shape[2], slots = want.shape[3];
    char what[256];

    (void)snprintf(what, sizeof(what), "%s: attention of step %zu", c->name, step);
    assert_int_equal(got.n_dims, 5);
    assert_int_equal(got.shape[0], want.shape[0]);
    assert_int_equal(got.shape[1], 1);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(got.shape[i + 1], want.shape[i]);
    compare(what, &got, &want, attention_tolerance);
    tempo_npy_free(&want);
    tempo_npy_free(&got);

    want = golden_array(c, TEMPO_NPY_F32, "rows_%zu", step);
    got = array(logits, step, "logits", TEMPO_NPY_F32);
    (void)snprintf(what, sizeof(what), "%s: logits of step %zu", c->name, step);
    assert_int_equal(got.n_dims, 2);
    assert_int_equal(got.shape[0], rows);
    compare(what, &got, &want, logit_tolerance);
    tempo_npy_free(&want);
    tempo_npy_free(&got);

    const tempo_npz *const both[] = {attention, logits};
    want = golden_array(c, TEMPO_NPY_F64, "positions");
    for (size_t k = 0; k < 2; k++) {
        got = array(both[k], step, "rope", TEMPO_NPY_F64);
        assert_int_equal(got.count, slots);
        assert_memory_equal(got.data, want.data, slots * sizeof(double));
        tempo_npy_free(&got);
        got = array(both[k], step, "query_slots", TEMPO_NPY_I64);
        assert_int_equal(got.count, rows);
        for (size_t i = 0; i < rows; i++)
            assert_int_equal(((int64_t *)got.data)[i], slots - rows + i);
        tempo_npy_free(&got);
        got = array(both[k], step, "logical", TEMPO_NPY_I64);
        assert_int_equal(got.n_dims, 0);
        assert_int_equal(*(int64_t *)got.data, step);
        tempo_npy_free(&got);
    }
    tempo_npy_free(&want);
}

/* rope_positions.json and parallel_sets.json against the golden tables. */
static void check_golden_json(const golden_case *c, size_t steps)
{
    json_t *rope = test_read_json(in_dir("golden/rope_positions.json")),
           *sets = test_read_json(in_dir("golden/parallel_sets.json"));
    tempo_npy positions = golden_array(c, TEMPO_NPY_F64, "positions"),
              sizes = golden_array(c, TEMPO_NPY_I32, "set_sizes"),
              ids = golden_array(c, TEMPO_NPY_I32, "set_ids");
    const json_t *list = json_object_get(sets, "parallel_sets"), *v;
    const char *key;
    size_t at = 0, k = 0, widest = 0;

    assert_int_equal(json_object_size(rope), positions.count); /* the closing pass read the last set */
    json_object_foreach(rope, key, v)
        assert_true(json_number_value(v) == ((double *)positions.data)[strtoul(key, NULL, 10)]);
    for (size_t step = 0; step < steps; step++) {
        const size_t n = (size_t)((int32_t *)sizes.data)[step];
        const json_t *one = n > 1 ? json_array_get(list, k++) : NULL;
        if (n > 1) {
            assert_int_equal(json_integer_value(json_object_get(one, "step")), step);
            assert_int_equal(json_integer_value(json_object_get(one, "count")), n);
            assert_int_equal(json_array_size(json_object_get(one, "positions")), n);
        }
        for (size_t i = 0; i < n && n > 1; i++)
            assert_int_equal(json_integer_value(json_array_get(json_object_get(one, "tokens"), i)),
                             ((int32_t *)ids.data)[at + i]);
        at += n;
        widest = n > widest && n > 1 ? n : widest;
    }
    assert_int_equal(json_array_size(list), k);
    const json_t *summary = json_object_get(sets, "summary");
    assert_int_equal(json_integer_value(json_object_get(summary, "total_parallel_steps")), k);
    assert_int_equal(json_integer_value(json_object_get(summary, "max_parallel_width")), widest);
    json_decref(sets);
    sets = test_read_json(in_dir("golden/experiment_metadata.json"));
    assert_int_equal(json_integer_value(json_object_get(sets, "num_steps")), steps);
    assert_int_equal(json_integer_value(json_object_get(sets, "total_tokens")), at);
    json_decref(sets);
    json_decref(rope);
    tempo_npy_free(&positions);
    tempo_npy_free(&sizes);
    tempo_npy_free(&ids);
}

static void check_golden(tempo_engine *e, const golden_case *c)
{
    tempo_capture_options o;
    run r = {.n = 1, .stop_at = -1};

    tempo_capture_options_init(&o);
    if (tempo_decoder_create(&r.d[0], e, &c->options, c->prompt_ids, c->n_prompt, &r.err) != TEMPO_OK ||
        tempo_capture_create(&r.c[0], in_dir("golden"), r.d[0], &o, &r.err) != TEMPO_OK ||
        take_steps(&r, true) != TEMPO_OK)
        fail_msg("%s: %s", c->name, r.err.msg);
    finish(&r);
    tempo_npz *attention = open_npz("golden/attention_weights.npz"),
              *logits = open_npz("golden/logits_distributions.npz");
    for (size_t step = 0; step < c->options.steps; step++)
        check_golden_step(c, attention, logits, step);
    check_golden_json(c, c->options.steps);
    tempo_npz_free(attention);
    tempo_npz_free(logits);
    test_tmpdir_remove(in_dir("golden"));
}

static void test_golden(void **state)
{
    size_t cases = 0;
    glob_t files;

    (void)state;
    if (glob("../shared/golden/*.json", 0, NULL, &files) != 0 || files.gl_pathc == 0) {
        printf("skipped: no golden runs in ../shared/golden\n");
        skip();
    }
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *list = golden_list(files.gl_pathv[f]);
        tempo_model *m = NULL;
        tempo_engine *e = NULL;
        for (size_t i = 0; i < json_array_size(list); i++) {
            golden_case c;
            char path[512];
            golden_case_open(&c, "../shared/golden", list, i);
            (void)snprintf(path, sizeof(path), "../shared/models/%s", c.model);
            m = m != NULL ? m : test_open_model(path);
            e = e != NULL ? e : test_engine(m, 2);
            check_golden(e, &c);
            golden_case_close(&c);
            cases++;
        }
        tempo_engine_free(e);
        tempo_model_free(m);
        json_decref(list);
    }
    globfree(&files);
    printf("%zu runs\n", cases);
}

/* ---- against the engine's own numbers ---- */

/* Of layers 1-1 and heads 1-2: that part of the whole, bit for bit. */
static void test_narrowing(void **state)
{
    tempo_capture_options o = everything();

    (void)state;
    capture_to("all", TEMPO_VISIBLE, &o, false);
    o.record = TEMPO_RECORD_ATTENTION;
    o.first_layer = o.last_layer = o.first_head = 1;
    o.last_head = 2;
    o.attention_file = "some.npz";
    capture_to("some", TEMPO_VISIBLE, &o, false);
    assert_int_equal(entries("some"), 3);
    tempo_npz *all = open_npz("all/attention_weights.npz"), *some = open_npz("some/some.npz");
    for (size_t step = 0; step < STEPS; step++) {
        tempo_npy a = array(all, step, "attention", TEMPO_NPY_F32),
                  b = array(some, step, "attention", TEMPO_NPY_F32);
        const size_t row = a.shape[3] * a.shape[4];
        assert_int_equal(a.shape[0], 2);
        assert_int_equal(a.shape[2], 4);
        assert_int_equal(b.shape[0], 1);
        assert_int_equal(b.shape[2], 2);
        assert_memory_equal(b.data, (float *)a.data + (4 + 1) * row, 2 * row * sizeof(float));
        tempo_npy_free(&a);
        tempo_npy_free(&b);
    }
    tempo_npy metadata;
    assert_int_equal(tempo_npz_read(some, "metadata", 1 << 20, &metadata, NULL), TEMPO_OK);
    assert_int_equal(metadata.type, TEMPO_NPY_UNICODE);
    assert_int_equal(metadata.n_dims, 0);
    tempo_npy_free(&metadata);
    tempo_npz_free(all);
    tempo_npz_free(some);
}

/* K and V of all steps together are what the sequence holds. */
static void test_cache(void **state)
{
    const tempo_decode_options d = decoding(TEMPO_VISIBLE);
    const tempo_capture_options o = everything();
    run r = {0};
    size_t slot = 0;

    (void)state;
    add(&r, &d, in_dir("kv"), &o);
    assert_int_equal(take_steps(&r, true), TEMPO_OK);
    assert_int_equal(tempo_capture_commit(r.c[0], &r.err), TEMPO_OK);
    const tempo_seq *seq = tempo_decoder_seq(r.d[0]);
    tempo_npz *z = open_npz("kv/kv_cache.npz");
    for (size_t step = 0; step <= STEPS; step++) {
        tempo_npy k = array(z, step, "k", TEMPO_NPY_F32), v = array(z, step, "v", TEMPO_NPY_F32);
        assert_int_equal(k.n_dims, 4);
        assert_int_equal(k.shape[0], 2);
        assert_int_equal(k.shape[1], 2);
        assert_int_equal(k.shape[3], 8);
        if (step == 0)
            assert_int_equal(k.shape[2], N_PROMPT);
        for (uint32_t i = 0; i < 4; i++)
            for (size_t s = 0; s < k.shape[2]; s++) {
                float want_k[8], want_v[8];
                assert_int_equal(tempo_seq_read_kv(seq, i / 2, i % 2, slot + s, want_k, want_v, NULL),
                                 TEMPO_OK);
                assert_memory_equal((float *)k.data + (i * k.shape[2] + s) * 8, want_k, sizeof(want_k));
                assert_memory_equal((float *)v.data + (i * k.shape[2] + s) * 8, want_v, sizeof(want_v));
            }
        slot += k.shape[2];
        tempo_npy_free(&k);
        tempo_npy_free(&v);
    }
    assert_int_equal(slot, tempo_seq_slot_count(seq));
    assert_true(slot > N_PROMPT + STEPS); /* there were sets of several */
    tempo_npz_free(z);
    tempo_decoder_free(r.d[0]);
}

/* The step that closes reads what a longer run reads in its last step. */
static void test_closing(void **state)
{
    const char *const files[] = {"attention_weights.npz", "logits_distributions.npz"};
    const char *const numbers[] = {"attention", "logits"};
    const tempo_capture_options o = everything();
    tempo_decode_options d = decoding(TEMPO_CAUSAL);
    run r = {0};

    (void)state;
    capture_to("closed", TEMPO_CAUSAL, &o, true);
    d.steps = STEPS + 1;
    add(&r, &d, in_dir("longer"), &o);
    assert_int_equal(take_steps(&r, false), TEMPO_OK);
    finish(&r);
    for (size_t f = 0; f < 2; f++) {
        char a[64], b[64];
        (void)snprintf(a, sizeof(a), "closed/%s", files[f]);
        (void)snprintf(b, sizeof(b), "longer/%s", files[f]);
        tempo_npz *x = open_npz(a), *y = open_npz(b);
        tempo_npy p = array(x, STEPS, numbers[f], TEMPO_NPY_F32),
                  q = array(y, STEPS, numbers[f], TEMPO_NPY_F32);
        assert_same_array(&p, &q);
        tempo_npy_free(&p);
        tempo_npy_free(&q);
        p = array(x, STEPS, "positions", TEMPO_NPY_I64); /* it selects nothing */
        assert_int_equal(p.n_dims, 1);
        assert_int_equal(p.shape[0], 0);
        tempo_npy_free(&p);
        tempo_npz_free(x);
        tempo_npz_free(y);
    }
}

/* Two decoders in one batch, of one prompt, are captured as each is alone: whole files are equal. */
static void test_two_in_a_batch(void **state)
{
    const tempo_decode_options a = decoding(TEMPO_ISOLATED), b = decoding(TEMPO_VISIBLE);
    const tempo_capture_options o = everything();
    run r = {0};

    (void)state;
    capture_to("alone-isolated", TEMPO_ISOLATED, &o, true);
    capture_to("alone-visible", TEMPO_VISIBLE, &o, true);
    add(&r, &a, in_dir("both/isolated"), &o);
    add(&r, &b, in_dir("both/visible"), &o);
    assert_int_equal(take_steps(&r, true), TEMPO_OK);
    finish(&r);
    const char *const files[] = {"attention_weights.npz", "logits_distributions.npz",
                                 "kv_cache.npz",          "rope_positions.json",
                                 "parallel_sets.json",    "experiment_metadata.json"};
    for (size_t i = 0; i < 6; i++)
        for (size_t m = 0; m < 2; m++) {
            char x[96], y[96];
            (void)snprintf(x, sizeof(x), "alone-%s/%s", m == 0 ? "isolated" : "visible", files[i]);
            (void)snprintf(y, sizeof(y), "both/%s/%s", m == 0 ? "isolated" : "visible", files[i]);
            assert_same_file(x, y);
        }
}

/* A decoder that follows another's sets. */
static void test_adopted(void **state)
{
    const tempo_decode_options a = decoding(TEMPO_ISOLATED), b = decoding(TEMPO_VISIBLE);
    const tempo_capture_options o = everything();
    run r = {0};

    (void)state;
    add(&r, &a, in_dir("driver"), &o);
    add(&r, &b, in_dir("follower"), &o);
    const tempo_observer obs = {.user = &r,
                                .view = feed,
                                .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                .n_taps = 1};
    for (size_t step = 0; step < STEPS; step++) {
        assert_int_equal(tempo_decoders_read(r.d, 2, &obs, &r.err), TEMPO_OK);
        assert_int_equal(tempo_decoder_select(r.d[0], &r.err), TEMPO_OK);
        assert_int_equal(tempo_decoder_adopt(r.d[1], tempo_decoder_last_set(r.d[0]), &r.err), TEMPO_OK);
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(tempo_capture_step(r.c[i], &r.err), TEMPO_OK);
    }
    finish(&r);
    assert_same_file("driver/parallel_sets.json", "follower/parallel_sets.json");
    tempo_npz *x = open_npz("driver/attention_weights.npz"), *y = open_npz("follower/attention_weights.npz");
    tempo_npy p = array(x, 1, "attention", TEMPO_NPY_F32), q = array(y, 1, "attention", TEMPO_NPY_F32);
    assert_int_equal(p.count, q.count);
    assert_true(p.shape[3] > 1);
    assert_memory_not_equal(p.data, q.data, p.count * sizeof(float)); /* siblings see each other in one */
    tempo_npy_free(&p);
    tempo_npy_free(&q);
    tempo_npz_free(x);
    tempo_npz_free(y);
}

/* Stopped once in every layer of every pass, and repeated: the same files. */
static void test_stopped(void **state)
{
    const tempo_decode_options a = decoding(TEMPO_ISOLATED), b = decoding(TEMPO_VISIBLE);
    const tempo_capture_options o = everything();

    (void)state;
    capture_to("unstopped", TEMPO_VISIBLE, &o, false);
    for (long at = 0; at < 2 * STEPS; at++) {
        run r = {0};
        add(&r, &b, in_dir("stopped"), &o);
        add(&r, &a, NULL, NULL);
        r.stop_at = at;
        assert_int_equal(take_steps(&r, false), TEMPO_OK);
        assert_true(r.polls > at);
        finish(&r);
        assert_same_file("unstopped/attention_weights.npz", "stopped/attention_weights.npz");
        assert_same_file("unstopped/logits_distributions.npz", "stopped/logits_distributions.npz");
        assert_same_file("unstopped/kv_cache.npz", "stopped/kv_cache.npz");
        test_tmpdir_remove(in_dir("stopped"));
    }
}

static void test_safetensors(void **state)
{
    const char *const names[][2] = {{"npz/attention_weights.npz", "st/attention_weights.safetensors"},
                                    {"npz/logits_distributions.npz", "st/logits_distributions.safetensors"},
                                    {"npz/kv_cache.npz", "st/kv_cache.safetensors"}};
    tempo_capture_options o = everything();
    tempo_err err = {0};

    (void)state;
    capture_to("npz", TEMPO_VISIBLE, &o, true);
    o.format = TEMPO_CAPTURE_SAFETENSORS;
    capture_to("st", TEMPO_VISIBLE, &o, true);
    for (size_t f = 0; f < 3; f++) {
        tempo_npz *z = open_npz(names[f][0]);
        tempo_safetensors s;
        if (tempo_safetensors_open(&s, in_dir(names[f][1]), &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        assert_int_equal(s.n_tensors + 1, tempo_npz_count(z)); /* metadata is not a tensor there */
        for (size_t i = 0; i < tempo_npz_count(z); i++) {
            const tempo_safetensor *t = tempo_safetensors_find(&s, tempo_npz_name(z, i));
            tempo_npy a;
            if (strcmp(tempo_npz_name(z, i), "metadata") == 0)
                continue;
            assert_non_null(t);
            assert_int_equal(tempo_npz_read(z, tempo_npz_name(z, i), 1 << 28, &a, &err), TEMPO_OK);
            assert_string_equal(t->dtype, a.type == TEMPO_NPY_F32   ? "F32"
                                          : a.type == TEMPO_NPY_F64 ? "F64"
                                                                    : "I64");
            assert_int_equal(t->n_dims, a.n_dims);
            for (unsigned k = 0; k < a.n_dims; k++)
                assert_int_equal(t->dims[k], a.shape[k]);
            assert_int_equal(t->bytes, a.count * a.item_bytes);
            if (t->bytes > 0)
                assert_memory_equal(s.base + t->offset, a.data, t->bytes);
            tempo_npy_free(&a);
        }
        tempo_safetensors_free(&s);
        tempo_npz_free(z);
    }
}

/* A header without room for the run says so, and leaves nothing. */
static void test_no_room(void **state)
{
    tempo_capture_options o = everything();
    tempo_decode_options d = decoding(TEMPO_VISIBLE);
    run r = {0};

    (void)state;
    d.steps = 20;
    o.format = TEMPO_CAPTURE_SAFETENSORS;
    o.steps = 1;
    o.prompt = N_PROMPT;
    add(&r, &d, in_dir("room"), &o);
    assert_int_equal(take_steps(&r, false), TEMPO_E_LIMIT);
    assert_non_null(strstr(r.err.msg, "the header has room for"));
    abandon(&r);
    assert_false(exists("room"));
}

/* ---- limits and failures ---- */

static void test_estimate(void **state)
{
    tempo_capture_options o = everything();
    run r = {0};

    (void)state;
    o.prompt = N_PROMPT;
    o.steps = STEPS + 1;
    o.rows = 4;
    const uint64_t estimate = tempo_capture_estimate(&o, model);
    const tempo_decode_options d = decoding(TEMPO_VISIBLE);
    add(&r, &d, in_dir("estimate"), &o);
    assert_int_equal(take_steps(&r, true), TEMPO_OK);
    const uint64_t bytes = tempo_capture_bytes(r.c[0]);
    assert_true(bytes <= estimate && bytes > estimate / 4);
    finish(&r);
    /* figures by hand, without what is added for small arrays and headers (2 KB a step and file):
     * attention 2 layers * 4 heads * 4 bytes * (5 + 4 * 9 + 4 * 13), logits (1 + 2 * 4) * 288 * 4 */
    o.steps = 3;
    o.record = TEMPO_RECORD_ATTENTION | TEMPO_RECORD_LOGITS;
    const double by_hand = 2 * 4 * 4 * (5 + 36 + 52) + 9 * tempo_model_get_info(model)->n_vocab * 4;
    const double got = (double)tempo_capture_estimate(&o, model);
    assert_true(got > by_hand && got < by_hand + 7 * 2048 + 3000);
    o.steps = 0;
    assert_int_equal(tempo_capture_estimate(&o, model), 0);
    o.steps = SIZE_MAX; /* cut off by the context */
    o.rows = 1;
    assert_true(tempo_capture_estimate(&o, model) < UINT64_C(100000000));
    o.rows = SIZE_MAX;
    assert_true(tempo_capture_estimate(&o, model) == UINT64_MAX);
}

static void test_limit(void **state)
{
    const tempo_decode_options d = decoding(TEMPO_VISIBLE);
    tempo_capture_options o = everything();
    tempo_err err = {0};
    tempo_capture *c;
    run r = {0};

    (void)state;
    assert_int_equal(tempo_capture_check_size(UINT64_C(12345678901), UINT64_C(4000000000), &err),
                     TEMPO_E_LIMIT);
    assert_string_equal(err.msg, "the capture would take about 12.3 GB, --max-capture allows 4.0 GB");
    assert_int_equal(tempo_capture_check_size(5, 5, NULL), TEMPO_OK);
    assert_int_equal(tempo_capture_check_size(UINT64_MAX, 0, NULL), TEMPO_OK);
    /* before it begins */
    o.steps = 4;
    o.rows = 4;
    o.prompt = N_PROMPT;
    o.max_bytes = 10000;
    err = (tempo_err){0};
    add(&r, &d, NULL, NULL);
    assert_int_equal(tempo_capture_create(&c, in_dir("limit"), r.d[0], &o, &err), TEMPO_E_LIMIT);
    assert_null(c);
    assert_non_null(strstr(err.msg, "--max-capture allows 10.0 kB"));
    assert_false(exists("limit"));
    abandon(&r);
    /* while it runs, alone and together with another */
    o.steps = 0;
    uint64_t total = 0;
    for (size_t k = 0; k < 2; k++) {
        r = (run){0};
        o.max_bytes = 20000;
        o.shared_bytes = k == 0 ? NULL : &total;
        for (size_t i = 0; i <= k; i++)
            add(&r, &d, in_dir(i == 0 ? "limit/a/b/" : "limit/c"), &o);
        assert_int_equal(take_steps(&r, false), TEMPO_E_LIMIT);
        assert_non_null(strstr(r.err.msg, "--max-capture allows 20.0 kB"));
        if (k == 1)
            assert_true(total > 0 && total <= 20000);
        /* what has failed cannot be committed */
        const bool first = tempo_decoder_row_count(r.d[0]) > 0;
        assert_true(first);
        for (size_t i = r.n; i-- > 0;) {
            tempo_capture_abort(r.c[i]);
            tempo_decoder_free(r.d[i]);
        }
        assert_false(exists("limit"));
    }
}

static void test_failed_is_not_committed(void **state)
{
    const tempo_decode_options d = decoding(TEMPO_VISIBLE);
    tempo_capture_options o = everything();
    run r = {0};

    (void)state;
    o.max_bytes = 20000;
    add(&r, &d, in_dir("failed"), &o);
    assert_int_equal(take_steps(&r, false), TEMPO_E_LIMIT);
    r.err = (tempo_err){0};
    assert_int_equal(tempo_capture_commit(r.c[0], &r.err), TEMPO_E_LIMIT);
    assert_false(exists("failed"));
    tempo_decoder_free(r.d[0]);
}

static void test_left_out(void **state)
{
    const tempo_decode_options d = decoding(TEMPO_VISIBLE);
    const tempo_capture_options o = everything();
    run r = {0};

    (void)state;
    add(&r, &d, in_dir("left"), &o);
    assert_int_equal(tempo_capture_step(r.c[0], &r.err), TEMPO_E_ARG); /* before any */
    r.err = (tempo_err){0};
    assert_int_equal(tempo_decoders_step(r.d, 1, NULL, &r.err), TEMPO_OK);
    assert_int_equal(tempo_capture_step(r.c[0], &r.err), TEMPO_E_ARG);
    assert_non_null(strstr(r.err.msg, "0 views came, expected 2"));
    abandon(&r);
    /* a step twice, or one left out */
    tempo_capture_options logits = o;
    logits.record = TEMPO_RECORD_LOGITS;
    r = (run){0};
    add(&r, &d, in_dir("left"), &logits);
    assert_int_equal(tempo_decoders_step(r.d, 1, NULL, &r.err), TEMPO_OK);
    assert_int_equal(tempo_capture_step(r.c[0], &r.err), TEMPO_OK);
    assert_int_equal(tempo_capture_step(r.c[0], &r.err), TEMPO_E_ARG);
    assert_int_equal(tempo_decoders_step(r.d, 1, NULL, NULL), TEMPO_OK);
    assert_int_equal(tempo_decoders_step(r.d, 1, NULL, NULL), TEMPO_OK);
    assert_int_equal(tempo_capture_step(r.c[0], NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_capture_closing(r.c[0], NULL), TEMPO_E_ARG);
    abandon(&r);
    /* not from the beginning */
    r = (run){0};
    add(&r, &d, NULL, NULL);
    assert_int_equal(tempo_decoders_step(r.d, 1, NULL, NULL), TEMPO_OK);
    assert_int_equal(tempo_capture_create(&r.c[0], in_dir("left"), r.d[0], &o, NULL), TEMPO_E_ARG);
    abandon(&r);
    assert_false(exists("left"));
}

static void test_abort(void **state)
{
    const tempo_decode_options d = decoding(TEMPO_VISIBLE);
    const tempo_capture_options o = everything();
    run r = {0};

    (void)state;
    test_mkdir(in_dir("mine"));
    add(&r, &d, in_dir("mine//x/y"), &o);
    assert_int_equal(take_steps(&r, false), TEMPO_OK);
    assert_int_equal(entries("mine/x/y"), 4); /* under temporary names; positions come at the end */
    assert_false(exists("mine/x/y/attention_weights.npz"));
    abandon(&r);
    assert_true(exists("mine")); /* it was there before */
    assert_false(exists("mine/x"));
    tempo_capture_abort(NULL);
}

static void test_existing(void **state)
{
    const tempo_decode_options d = decoding(TEMPO_VISIBLE);
    tempo_capture_options o = everything();
    run r = {0};

    (void)state;
    capture_to("twice", TEMPO_VISIBLE, &o, false);
    const size_t n = entries("twice");
    add(&r, &d, NULL, NULL);
    assert_int_equal(tempo_capture_create(&r.c[0], in_dir("twice"), r.d[0], &o, &r.err), TEMPO_E_ARG);
    assert_non_null(strstr(r.err.msg, "is there already"));
    assert_int_equal(entries("twice"), n);
    abandon(&r);
    o.replace = true;
    capture_to("twice", TEMPO_ISOLATED, &o, false);
    assert_int_equal(entries("twice"), n);
    capture_to("once", TEMPO_ISOLATED, &o, false);
    assert_same_file("twice/attention_weights.npz", "once/attention_weights.npz");
}

/* A disk that is full, for each file; nothing is left of the others. */
static void test_full_disk(void **state)
{
    const char *const files[] = {"attention_weights.npz", "logits_distributions.npz",
                                 "kv_cache.npz",          "rope_positions.json",
                                 "parallel_sets.json",    "experiment_metadata.json"};
    const tempo_decode_options d = decoding(TEMPO_VISIBLE);
    const tempo_capture_options o = everything();

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        char path[512], name[64];
        run r = {0};
        test_mkdir(in_dir("full"));
        (void)snprintf(name, sizeof(name), "full/%s", files[i]);
        test_path(path, dir, name);
        assert_int_equal(symlink("/dev/full", path), 0);
        add(&r, &d, in_dir("full"), &o);
        tempo_status st = take_steps(&r, false);
        if (st == TEMPO_OK)
            st = tempo_capture_commit(r.c[0], &r.err);
        else
            tempo_capture_abort(r.c[0]);
        assert_int_equal(st, TEMPO_E_IO);
        assert_non_null(strstr(r.err.msg, "No space left on device"));
        assert_non_null(strstr(r.err.msg, files[i]));
        assert_int_equal(entries("full"), 1); /* the link */
        tempo_decoder_free(r.d[0]);
        test_tmpdir_remove(in_dir("full"));
    }
}

static void test_bad_options(void **state)
{
    static const struct {
        const char *what, *says;
        tempo_status code;
    } bad[] = {
        {"record", "record is 0", TEMPO_E_ARG},
        {"bits", "record is 0x10", TEMPO_E_ARG},
        {"layers", "layers 1-2 to record must be A-B with A <= B within 0-1", TEMPO_E_ARG},
        {"heads", "heads 3-2 to record", TEMPO_E_ARG},
        {"format", "format 7", TEMPO_E_ARG},
        {"name", "'../x' must be a plain file name", TEMPO_E_ARG},
        {"same", "two files to capture are named 'x'", TEMPO_E_ARG},
        {"fixed", "two files to capture are named 'parallel_sets.json'", TEMPO_E_ARG},
        {"config", "it is not a JSON object", TEMPO_E_FORMAT},
        {"json", "config of the capture", TEMPO_E_FORMAT},
        {"file", "Not a directory", TEMPO_E_IO},
        {"empty", "the name of the directory is empty", TEMPO_E_ARG},
    };
    const tempo_decode_options d = decoding(TEMPO_VISIBLE);

    (void)state;
    test_write_file(in_dir("plain"), "x", 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const char *const w = bad[i].what;
        tempo_capture_options o = everything();
        run r = {0};
        const char *to = in_dir(strcmp(w, "file") == 0 ? "plain/x" : "bad");
        o.record = strcmp(w, "record") == 0 ? 0 : strcmp(w, "bits") == 0 ? 16 : o.record;
        if (strcmp(w, "layers") == 0) {
            o.first_layer = 1;
            o.last_layer = 2;
        } else if (strcmp(w, "heads") == 0) {
            o.first_head = 3;
            o.last_head = 2;
        } else if (strcmp(w, "format") == 0)
            o.format = (tempo_capture_format)7;
        else if (strcmp(w, "name") == 0)
            o.kv_file = "../x";
        else if (strcmp(w, "same") == 0)
            o.kv_file = o.logits_file = "x";
        else if (strcmp(w, "fixed") == 0)
            o.positions_file = "parallel_sets.json";
        else if (strcmp(w, "config") == 0)
            o.config = "[1]";
        else if (strcmp(w, "json") == 0)
            o.config = "{";
        add(&r, &d, NULL, NULL);
        const tempo_status st =
            tempo_capture_create(&r.c[0], strcmp(w, "empty") == 0 ? "" : to, r.d[0], &o, &r.err);
        if (st != bad[i].code || strstr(r.err.msg, bad[i].says) == NULL || r.c[0] != NULL)
            fail_msg("%s: status %d, \"%s\"", w, (int)st, r.err.msg);
        assert_false(exists("bad"));
        abandon(&r);
    }
}

static int set_up(void **state)
{
    (void)state;
    test_tmpdir_create(dir);
    model = test_open_synthetic("llama", TEMPO_F32);
    engine = test_engine(model, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tempo_engine_free(engine);
    tempo_model_free(model);
    test_tmpdir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),         cmocka_unit_test(test_narrowing),
        cmocka_unit_test(test_cache),          cmocka_unit_test(test_closing),
        cmocka_unit_test(test_two_in_a_batch), cmocka_unit_test(test_adopted),
        cmocka_unit_test(test_stopped),        cmocka_unit_test(test_safetensors),
        cmocka_unit_test(test_no_room),        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_limit),          cmocka_unit_test(test_failed_is_not_committed),
        cmocka_unit_test(test_left_out),       cmocka_unit_test(test_abort),
        cmocka_unit_test(test_existing),       cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_bad_options),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
