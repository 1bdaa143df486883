/* Taps in captures: what is written is what an observer was shown, of steps and of all rows of the prompt;
 * what to record, as it is spelled.  */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/npz.h"
#include "support/models.h"
#include "support/tmpdir.h"

enum { N_PROMPT = 150, STEPS = 3, MOST_VIEWS = 4096 }; /* a prompt of more than one pass */

/* ---- what an observer sees ---- */

typedef struct seen {
    size_t n;
    struct {
        tempo_tap tap;
        uint32_t layer;
        size_t slot, n;
        float *v;
    } views[MOST_VIEWS];
} seen;

static bool keep(void *user, const tempo_tap_view *v)
{
    seen *s = user;
    const size_t n = v->dims[0] * v->dims[1];
    float *copy = malloc(n * sizeof(*copy));

    assert_non_null(copy);
    assert_true(s->n < MOST_VIEWS);
    memcpy(copy, v->values, n * sizeof(*copy));
    s->views[s->n].tap = v->tap;
    s->views[s->n].layer = v->layer;
    s->views[s->n].slot = v->slot;
    s->views[s->n].n = n;
    s->views[s->n++].v = copy;
    return true;
}

static const float *find(const seen *s, tempo_tap tap, uint32_t layer, size_t slot, size_t *n)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->views[i].tap == tap && s->views[i].layer == layer && s->views[i].slot == slot) {
            *n = s->views[i].n;
            return s->views[i].v;
        }
    fail_msg("tap %d of slot %zu was not seen", (int)tap, slot);
    return NULL;
}

static bool feed(void *user, const tempo_tap_view *v)
{
    return tempo_capture_view(user, v);
}

/* ---- one run ---- */

static void make_prompt(int32_t *ids)
{
    for (size_t i = 0; i < N_PROMPT; i++)
        ids[i] = (int32_t)(i * 31 % 250);
}

static tempo_decoder *make_decoder(tempo_engine *e)
{
    int32_t prompt[N_PROMPT];
    tempo_decode_options o;

    make_prompt(prompt);
    tempo_decode_options_init(&o);
    o.mode = TEMPO_VISIBLE;
    o.threshold = 0.004;
    o.max_set = 3;
    o.steps = STEPS;
    o.stop = TEMPO_STOP_NEVER;
    return test_decoder(e, &o, prompt, N_PROMPT);
}

static tempo_model *open_long_model(void)
{
    test_spec spec = test_spec_default("llama");
    char dir[256], path[512];

    spec.n_ctx = 256;
    test_model *t = test_model_make(&spec);
    test_tmpdir_create(dir);
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(t, 3, path);
    test_model_free(t);
    tempo_model *m = test_open_model(path);
    test_tmpdir_remove(dir);
    return m;
}

/* Array `name` of a file, [shape...] as given. */
static tempo_npy array(const tempo_npz *z, const char *name, unsigned n_dims, const uint64_t *shape)
{
    tempo_err err = {0};
    tempo_npy a;

    if (tempo_npz_read(z, name, 1 << 28, &a, &err) != TEMPO_OK)
        fail_msg("%s: %s", name, err.msg);
    assert_int_equal(a.n_dims, n_dims);
    for (unsigned i = 0; i < n_dims; i++)
        assert_int_equal(a.shape[i], shape[i]);
    return a;
}

static void test_written_is_shown(void **state)
{
    (void)state;
    tempo_model *m = open_long_model();
    tempo_engine *e = test_engine(m, 2);
    tempo_decoder *with = make_decoder(e), *without = make_decoder(e);
    const tempo_tap_selection all[] = {{.tap = TEMPO_TAP_RESID_POST},
                                       {.tap = TEMPO_TAP_Z},
                                       {.tap = TEMPO_TAP_PATTERN},
                                       {.tap = TEMPO_TAP_LOGITS}};
    seen *s = calloc(1, sizeof(*s));
    tempo_capture_options o;
    tempo_capture *c;
    tempo_err err = {0};
    char dir[256], path[512];
    size_t n;

    test_tmpdir_create(dir);
    test_path(path, dir, "c");
    tempo_capture_options_init(&o);
    o.prompt = N_PROMPT;
    o.steps = STEPS;
    o.rows = 3;
    o.prompt_rows = true;
    assert_int_equal(tempo_record_parse(&o, "z:layers=1:heads=0,2,resid_post", &err), TEMPO_OK);
    const uint64_t estimate = tempo_capture_estimate(&o, m);
    assert_int_equal(tempo_capture_create(&c, path, with, &o, &err), TEMPO_OK);
    tempo_observer obs = {.user = c, .view = feed, .prompts = tempo_capture_wants_prompt(c)};
    obs.taps = tempo_capture_taps(c, &obs.n_taps);
    const tempo_observer look = {.user = s, .view = keep, .taps = all, .n_taps = 4, .prompts = true};
    for (size_t t = 0; t < STEPS; t++) {
        assert_int_equal(tempo_decoders_step(&with, 1, &obs, &err), TEMPO_OK);
        if (tempo_capture_step(c, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        if (t < 2)
            assert_int_equal(tempo_decoders_step(&without, 1, &look, &err), TEMPO_OK);
    }
    assert_true(tempo_capture_bytes(c) <= estimate);
    assert_true(tempo_capture_bytes(c) * 10 > estimate * 9); /* and no idle figure */
    assert_int_equal(tempo_capture_commit(c, &err), TEMPO_OK);

    tempo_npz *z;
    test_path(path, dir, "c/taps.npz");
    assert_int_equal(tempo_npz_open(&z, path, &err), TEMPO_OK);
    tempo_npy x = array(z, "prompt_resid_post", 3, (uint64_t[]){2, N_PROMPT, 32});
    for (uint32_t l = 0; l < 2; l++)
        for (size_t r = 0; r < N_PROMPT; r++)
            assert_memory_equal((float *)x.data + (l * N_PROMPT + r) * 32,
                                find(s, TEMPO_TAP_RESID_POST, l, r, &n), 32 * sizeof(float));
    tempo_npy_free(&x);
    x = array(z, "step_1_resid_post", 3, (uint64_t[]){2, 3, 32});
    for (size_t r = 0; r < 3; r++)
        assert_memory_equal((float *)x.data + (3 + r) * 32,
                            find(s, TEMPO_TAP_RESID_POST, 1, N_PROMPT + r, &n), 32 * sizeof(float));
    tempo_npy_free(&x);
    x = array(z, "prompt_z", 4, (uint64_t[]){1, N_PROMPT, 2, 8});
    for (size_t r = 0; r < N_PROMPT; r++)
        for (size_t h = 0; h < 2; h++)
            assert_memory_equal((float *)x.data + (r * 2 + h) * 8, find(s, TEMPO_TAP_Z, 1, r, &n) + 2 * h * 8,
                                8 * sizeof(float));
    tempo_npy_free(&x);
    x = array(z, "prompt_pattern", 4, (uint64_t[]){2, 4, N_PROMPT, N_PROMPT});
    for (size_t r = 0; r < N_PROMPT; r++) {
        const float *want = find(s, TEMPO_TAP_PATTERN, 1, r, &n),
                    *got = (float *)x.data + ((4 + 3) * N_PROMPT + r) * N_PROMPT;
        const size_t slots = n / 4;
        assert_memory_equal(got, want + 3 * slots, slots * sizeof(float));
        for (size_t j = r + 1; j < N_PROMPT; j++)
            assert_true(got[j] == 0.0f);
    }
    tempo_npy_free(&x);
    x = array(z, "prompt_logits", 2, (uint64_t[]){N_PROMPT, 288});
    for (size_t r = 0; r < N_PROMPT; r++)
        assert_memory_equal((float *)x.data + r * 288, find(s, TEMPO_TAP_LOGITS, 0, r, &n),
                            288 * sizeof(float));
    tempo_npy_free(&x);
    tempo_npz_free(z);
    for (size_t i = 0; i < s->n; i++)
        free(s->views[i].v);
    free(s);
    tempo_decoder_free(with);
    tempo_decoder_free(without);
    tempo_engine_free(e);
    tempo_model_free(m);
    test_tmpdir_remove(dir);
}

/* ---- attention of all slots so far ---- */

/* Row `slot` of head 3 in layer 1, of step t's matrix: what was seen when it was read, and nothing of later
 * slots. */
static void check_square(const tempo_npz *z, const seen *s, size_t t, size_t slots)
{
    char name[48];
    size_t n;

    (void)snprintf(name, sizeof(name), "step_%zu_attention", t);
    tempo_npy x = array(z, name, 5, (uint64_t[]){2, 1, 4, slots, slots});
    for (size_t r = 0; r < slots; r++) {
        const float *want = find(s, TEMPO_TAP_PATTERN, 1, r, &n),
                    *got = (float *)x.data + ((4 + 3) * slots + r) * slots;
        assert_memory_equal(got, want + 3 * (n / 4), n / 4 * sizeof(float));
        for (size_t j = n / 4; j < slots; j++)
            assert_true(got[j] == 0.0f);
    }
    tempo_npy_free(&x);
    (void)snprintf(name, sizeof(name), "step_%zu_query_slots", t);
    x = array(z, name, 1, (uint64_t[]){slots});
    assert_int_equal(((int64_t *)x.data)[slots - 1], slots - 1);
    tempo_npy_free(&x);
}

static void test_square(void **state)
{
    (void)state;
    tempo_model *m = open_long_model();
    tempo_engine *e = test_engine(m, 2);
    tempo_decoder *with = make_decoder(e), *without = make_decoder(e);
    const tempo_tap_selection pattern = {.tap = TEMPO_TAP_PATTERN};
    seen *s = calloc(1, sizeof(*s));
    size_t slots[STEPS], rows = 0;
    tempo_capture_options o;
    tempo_capture *c;
    tempo_err err = {0};
    char dir[256], path[512];

    test_tmpdir_create(dir);
    test_path(path, dir, "c");
    tempo_capture_options_init(&o);
    o.prompt = N_PROMPT;
    o.steps = STEPS;
    o.rows = 3;
    o.record = 0;
    assert_int_equal(tempo_record_parse(&o, "attention:square", &err), TEMPO_OK);
    assert_true(o.square);
    const uint64_t estimate = tempo_capture_estimate(&o, m);
    assert_int_equal(tempo_capture_create(&c, path, with, &o, &err), TEMPO_OK);
    tempo_observer obs = {.user = c, .view = feed, .prompts = tempo_capture_wants_prompt(c)};
    obs.taps = tempo_capture_taps(c, &obs.n_taps);
    const tempo_observer look = {.user = s, .view = keep, .taps = &pattern, .n_taps = 1, .prompts = true};
    for (size_t t = 0; t < STEPS; t++) {
        assert_int_equal(tempo_decoders_step(&with, 1, &obs, &err), TEMPO_OK);
        slots[t] = tempo_seq_slot_count(tempo_decoder_seq(with));
        rows += slots[t] > N_PROMPT;
        if (tempo_capture_step(c, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        assert_int_equal(tempo_decoders_step(&without, 1, &look, &err), TEMPO_OK);
    }
    assert_true(rows > 0);
    assert_true(tempo_capture_bytes(c) <= estimate);
    assert_true(tempo_capture_bytes(c) * 10 > estimate * 9);
    assert_int_equal(tempo_capture_commit(c, &err), TEMPO_OK);
    tempo_npz *z;
    test_path(path, dir, "c/attention_weights.npz");
    assert_int_equal(tempo_npz_open(&z, path, &err), TEMPO_OK);
    for (size_t t = 0; t < STEPS; t++)
        check_square(z, s, t, slots[t]);
    tempo_npz_free(z);
    for (size_t i = 0; i < s->n; i++)
        free(s->views[i].v);
    free(s);
    tempo_decoder_free(with);
    tempo_decoder_free(without);
    tempo_engine_free(e);
    tempo_model_free(m);
    test_tmpdir_remove(dir);
}

/* ---- what cannot be captured ---- */

static void test_refused(void **state)
{
    (void)state;
    tempo_model *m = open_long_model();
    tempo_engine *e = test_engine(m, 1);
    tempo_decoder *d = make_decoder(e);
    tempo_capture_options o;
    tempo_capture *c;
    char dir[256], path[512];
    static const struct {
        tempo_tap taps[2];
        size_t n;
        const char *says;
    } bad[] = {{{TEMPO_TAP_Z, TEMPO_TAP_Z}, 2, "taps[0] and taps[1] are both z"},
               {{TEMPO_TAP_Z, TEMPO_TAP_PATTERN}, 2, "taps[1] is attention, which record asks for"},
               {{TEMPO_TAP_LOGITS, 0}, 1, "taps[0] is logits"}};

    test_tmpdir_create(dir);
    test_path(path, dir, "c");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        tempo_err err = {0};
        tempo_capture_options_init(&o);
        for (size_t k = 0; k < bad[i].n; k++)
            o.taps[k].tap = bad[i].taps[k];
        o.n_taps = bad[i].n;
        assert_int_equal(tempo_capture_create(&c, path, d, &o, &err), TEMPO_E_ARG);
        assert_string_equal(err.field, "taps");
        if (strstr(err.msg, bad[i].says) == NULL)
            fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
    }
    /* rows of the prompt that nobody feeds are missed, whatever they are of */
    tempo_err err = {0};
    tempo_capture_options_init(&o);
    o.record = TEMPO_RECORD_LOGITS;
    o.prompt_rows = true;
    assert_int_equal(tempo_capture_create(&c, path, d, &o, &err), TEMPO_OK);
    assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_capture_step(c, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "0 views of the prompt came, expected 150"));
    tempo_capture_abort(c);
    tempo_decoder_free(d);
    tempo_engine_free(e);
    tempo_model_free(m);
    test_tmpdir_remove(dir);
}

/* ---- what to record ---- */

static void test_record(void **state)
{
    (void)state;
    static const struct {
        const char *list, *says;
    } bad[] = {{"", "expected attention, logits, positions, kv or a tap"},
               {"z,", "a name is missing"},
               {"attn", "'attn' is no tap; there are embed"},
               {"logits,logits", "'logits' is there twice"},
               {"attention,pattern:layers=1", "'attention' is there twice"},
               {"attention:layers=0,2", "one range"},
               {"z:heads=1,z:heads=2", "'z' is there twice, with other heads"},
               {"logits:layers=1", "logits have no layers"},
               {"kv:heads=1", "is no tap"},
               {"z:square", "only attention can be square"},
               {"logits:square", "only attention can be square"}};
    tempo_capture_options o;
    tempo_err err = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        tempo_capture_options_init(&o);
        o.record = 0;
        err = (tempo_err){0};
        assert_int_equal(tempo_record_parse(&o, bad[i].list, &err), TEMPO_E_FORMAT);
        if (strstr(err.msg, bad[i].says) == NULL)
            fail_msg("%s: '%s' does not say '%s'", bad[i].list, err.msg, bad[i].says);
    }
    tempo_capture_options_init(&o);
    o.record = 0;
    err = (tempo_err){0};
    assert_int_equal(tempo_record_parse(&o, "attention:layers=1-2,heads=0,kv,resid_post:layers=0,2-3", &err),
                     TEMPO_OK);
    assert_int_equal(tempo_record_parse(&o, "blocks.5.hook_resid_post,z", &err), TEMPO_OK);
    assert_int_equal(o.record, TEMPO_RECORD_ATTENTION | TEMPO_RECORD_KV);
    assert_true(o.first_layer == 1 && o.last_layer == 2 && o.first_head == 0 && o.last_head == 0);
    assert_int_equal(o.n_taps, 2);
    assert_int_equal(o.taps[0].layers[0], 0x2d);
    assert_int_equal(o.taps[1].tap, TEMPO_TAP_Z);
    assert_false(o.square);
    tempo_capture_options_init(&o);
    o.record = 0;
    assert_int_equal(tempo_record_parse(&o, "attention:layers=1:square:heads=0-1", &err), TEMPO_OK);
    assert_true(o.square && o.first_layer == 1 && o.last_head == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_written_is_shown), cmocka_unit_test(test_square),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_record)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
