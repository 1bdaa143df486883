/* test_api.c - what tempo.h promises to callers of other versions and other languages: sizes of structs,
 * defaults, names, tensors' values, fields of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/options.h"
#include "support/models.h"
#include "support/tmpdir.h"

static const int32_t prompt[] = {1, 2, 3};
enum { PROMPT = 3, MOST_NAMES = 16 };

static tempo_model *model;
static tempo_engine *engine;

static int open_all(void **state)
{
    (void)state;
    model = test_open_synthetic("llama", TEMPO_F32);
    engine = test_engine(model, 1);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    tempo_engine_free(engine);
    tempo_model_free(model);
    return 0;
}

/* ---- option structs ---- */

/* What a call made of its options. */
static void assert_said(tempo_status st, const tempo_err *err, tempo_status want, const char *part)
{
    if (st != want || err->code != want || strstr(err->msg, part) == NULL || strcmp(err->field, "size") != 0)
        fail_msg("status %d, field \"%s\", \"%s\"; expected %d, \"size\" and \"%s\"", (int)st, err->field,
                 err->msg, (int)want, part);
}

static tempo_status check(const void *options)
{
    return tempo_decode_check(model, options, prompt, PROMPT, NULL);
}

/* NULL are the defaults, everywhere. */
static void test_null(void **state)
{
    (void)state;
    char dir[256], path[512], *text = NULL;
    const tempo_message hello = {"user", "Hello", 5};
    tempo_decoder *a, *b;
    tempo_decode_options o;
    tempo_engine *e;
    tempo_seq *s;
    tempo_capture *c;
    tempo_chat *chat;
    tempo_model *built_in;
    tempo_err err = {0};
    size_t n;

    tempo_decode_options_init(&o);
    assert_int_equal(o.size, sizeof(o));
    assert_int_equal(check(NULL), TEMPO_OK);
    assert_int_equal(tempo_decoder_create(&a, engine, NULL, prompt, PROMPT, &err), TEMPO_OK);
    assert_int_equal(tempo_decoder_create(&b, engine, &o, prompt, PROMPT, &err), TEMPO_OK);
    test_tmpdir_create(dir);
    test_path(path, dir, "capture");
    assert_int_equal(tempo_capture_create(&c, path, a, NULL, &err), TEMPO_OK);
    tempo_capture_abort(c);
    assert_int_equal(tempo_capture_estimate(NULL, model), 0);
    assert_int_equal(tempo_decoders_step((tempo_decoder *[]){a, b}, 2, NULL, &err), TEMPO_OK);
    const tempo_set *x = tempo_decoder_last_set(a), *y = tempo_decoder_last_set(b);
    assert_int_equal(x->n_members, y->n_members);
    for (size_t i = 0; i < x->n_members; i++) {
        assert_int_equal(x->members[i].id, y->members[i].id);
        assert_true(x->members[i].probability == y->members[i].probability);
    }
    assert_int_equal(tempo_decode_options_ends(NULL, model, 2), tempo_model_is_eos(model, 2));
    tempo_decoder_free(a);
    tempo_decoder_free(b);
    assert_int_equal(tempo_engine_create(&e, model, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_seq_create(&s, e, NULL, &err), TEMPO_OK);
    tempo_seq_free(s);
    tempo_engine_free(e);
    test_path(path, dir, "a.gguf");
    assert_int_equal(tempo_synth(path, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_model_open(&built_in, NULL, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_chat_open(&chat, built_in, NULL, 0, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_chat_render(chat, &hello, 1, NULL, &text, &n, &err), TEMPO_OK);
    tempo_free(text);
    tempo_chat_free(chat);
    tempo_model_free(built_in);
    test_tmpdir_remove(dir);
}

/* A struct that nobody has initialised is an error that says what to call. */
static void test_size_zero(void **state)
{
    (void)state;
    const tempo_message hello = {"user", "Hello", 5};
    char *text = NULL;
    tempo_err err[7] = {0};
    tempo_decoder *d, *plain;
    tempo_engine *e;
    tempo_seq *s;
    tempo_capture *c;
    tempo_model *m;
    tempo_chat *chat;
    size_t n;

    assert_said(tempo_decoder_create(&d, engine, &(tempo_decode_options){0}, prompt, PROMPT, &err[0]),
                &err[0], TEMPO_E_ARG, "tempo_decode_options.size is 0: call tempo_decode_options_init");
    assert_null(d);
    assert_said(tempo_engine_create(&e, model, &(tempo_engine_options){.threads = 2}, &err[1]), &err[1],
                TEMPO_E_ARG, "call tempo_engine_options_init");
    assert_said(tempo_seq_create(&s, engine, &(tempo_seq_options){.kv = TEMPO_KV_F16}, &err[2]), &err[2],
                TEMPO_E_ARG, "call tempo_seq_options_init");
    assert_said(tempo_model_open(&m, NULL, &(tempo_model_options){.cpu = "scalar"}, &err[3]), &err[3],
                TEMPO_E_ARG, "call tempo_model_options_init");
    assert_said(tempo_synth("/nonexistent/x", &(tempo_synth_options){.shape = "tiny"}, &err[4]), &err[4],
                TEMPO_E_ARG, "call tempo_synth_options_init");
    plain = test_decoder(engine, NULL, prompt, PROMPT);
    assert_said(
        tempo_capture_create(&c, "/nonexistent/x", plain, &(tempo_capture_options){.record = 1}, &err[5]),
        &err[5], TEMPO_E_ARG, "call tempo_capture_options_init");
    assert_int_equal(tempo_capture_estimate(&(tempo_capture_options){.record = 1, .steps = 9}, model), 0);
    tempo_decoder_free(plain);
    assert_int_equal(tempo_model_open(&m, NULL, NULL, NULL), TEMPO_OK);
    assert_int_equal(tempo_chat_open(&chat, m, NULL, 0, NULL, NULL), TEMPO_OK);
    assert_said(tempo_chat_render(chat, &hello, 1, &(tempo_chat_options){.thinking = 1}, &text, &n, &err[6]),
                &err[6], TEMPO_E_ARG, "call tempo_chat_options_init");
    assert_null(text);
    tempo_chat_free(chat);
    tempo_model_free(m);
}

/* A caller of before `replay` and what follows: nothing is read or written beyond its struct. */
static void test_older(void **state)
{
    (void)state;
    const size_t size = offsetof(tempo_decode_options, replay);
    unsigned char *small = malloc(size), *guarded = malloc(sizeof(tempo_decode_options));
    tempo_decode_options whole, taken;
    tempo_err err = {0};

    assert_non_null(small);
    assert_non_null(guarded);
    memset(guarded, 0xa5, sizeof(tempo_decode_options));
    tempo_decode_options_init_size((tempo_decode_options *)guarded, size);
    for (size_t i = size; i < sizeof(tempo_decode_options); i++)
        assert_int_equal(guarded[i], 0xa5);
    memcpy(small, guarded, size);
    memcpy(&taken, small, sizeof(taken.size));
    assert_int_equal(taken.size, size);
    const double threshold = 0.25;
    memcpy(small + offsetof(tempo_decode_options, threshold), &threshold, sizeof(threshold));
    assert_int_equal(check(small), TEMPO_OK);

    /* the same rule, looked at: what it lacks is the default, what it has is the caller's */
    tempo_decode_options_init(&whole);
    whole.steps = 7;
    whole.kv = TEMPO_KV_F16;
    const tempo_options_kind kind = {"tempo_decode_options", &whole, sizeof(whole)};
    assert_int_equal(tempo_options_take(&kind, &taken, small, &err), TEMPO_OK);
    assert_true(taken.threshold == 0.25 && taken.steps == 32 && taken.kv == TEMPO_KV_F16);
    assert_int_equal(taken.size, sizeof(taken));
    free(small);
    free(guarded);
}

/* A caller of a later version: what this one does not know must be zero. */
static void test_newer(void **state)
{
    (void)state;
    struct {
        tempo_decode_options o;
        uint64_t later[2];
    } big;
    tempo_err err[4] = {0};

    memset(&big, 0xa5, sizeof(big));
    tempo_decode_options_init_size(&big.o, sizeof(big));
    assert_int_equal(big.o.size, sizeof(big));
    assert_int_equal(big.later[1], 0);
    assert_int_equal(check(&big), TEMPO_OK);
    big.later[1] = UINT64_C(1) << 63;
    assert_said(tempo_decode_check(model, &big.o, prompt, PROMPT, &err[0]), &err[0], TEMPO_E_UNSUPPORTED,
                "does not know");
    big.o.size = sizeof(void *); /* sizeof of a pointer to it */
    assert_said(tempo_decode_check(model, &big.o, prompt, PROMPT, &err[1]), &err[1], TEMPO_E_ARG,
                "expected sizeof(tempo_decode_options)");
    big.o.size = 65537; /* not believed, nor read */
    assert_said(tempo_decode_check(model, &big.o, prompt, PROMPT, &err[2]), &err[2], TEMPO_E_ARG, "is 65537");
    big.o.size = SIZE_MAX;
    assert_said(tempo_decode_check(model, &big.o, prompt, PROMPT, &err[3]), &err[3], TEMPO_E_ARG, "expected");
    assert_false(tempo_decode_options_ends(&big.o, model, -1));
}

/* ---- structs and names ---- */

/* Every struct that tempo.h defines is told, with its size, and no other. */
static void test_structs(void **state)
{
    (void)state;
    FILE *f = fopen("include/tempo.h", "r");
    char line[256], name[64];
    const char *told;
    size_t n = 0, size;
    bool is_struct = false;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "typedef ", 8) == 0)
            is_struct = strncmp(line, "typedef struct", 14) == 0 && strchr(line, '{') != NULL;
        if (!is_struct || sscanf(line, "} %63[a-z_0-9];", name) != 1)
            continue;
        for (size_t i = 0; (told = tempo_abi_struct(i, &size)) != NULL && strcmp(told, name) != 0; i++)
            continue;
        if (told == NULL || size == 0)
            fail_msg("tempo_abi_struct does not know %s", name);
        n++;
    }
    assert_int_equal(fclose(f), 0);
    assert_true(n > 15);
    assert_non_null(tempo_abi_struct(n - 1, &size));
    assert_null(tempo_abi_struct(n, &size));
    assert_int_equal(size, 0);
    for (size_t i = 0; (told = tempo_abi_struct(i, &size)) != NULL; i++)
        if (strcmp(told, "tempo_row") == 0)
            assert_int_equal(size, sizeof(tempo_row));
    assert_int_equal(tempo_abi_version(), TEMPO_ABI);
}

/* Names go there and back, and end behind the last value. */
#define NAMES(type, last)                                                                                    \
    do {                                                                                                     \
        type v, seen = (type)MOST_NAMES;                                                                     \
        for (int i = 0; i <= (int)(last); i++) {                                                             \
            assert_non_null(type##_name((type)i));                                                           \
            assert_true(type##_parse(type##_name((type)i), &v));                                             \
            assert_int_equal(v, i);                                                                          \
        }                                                                                                    \
        assert_null(type##_name((type)((last) + 1)));                                                        \
        assert_null(type##_name((type)-1));                                                                  \
        assert_false(type##_parse("", &seen) || type##_parse(NULL, &seen) ||                                 \
                     type##_parse("VISIBLE", &seen));                                                        \
        assert_int_equal(seen, MOST_NAMES);                                                                  \
    } while (0)

static void test_names(void **state)
{
    (void)state;
    NAMES(tempo_load, TEMPO_LOAD_FACTS);
    NAMES(tempo_compute, TEMPO_FAST);
    NAMES(tempo_kv_type, TEMPO_KV_F16);
    NAMES(tempo_mode, TEMPO_CAUSAL);
    NAMES(tempo_readout, TEMPO_READOUT_LAST);
    NAMES(tempo_context, TEMPO_CONTEXT_LAST);
    NAMES(tempo_positions, TEMPO_POSITIONS_OFFSET);
    NAMES(tempo_order, TEMPO_ORDER_ASCENDING);
    NAMES(tempo_stop, TEMPO_STOP_NEVER);
    NAMES(tempo_replay, TEMPO_REPLAY_NOCACHE);
    NAMES(tempo_regime, TEMPO_REGIME_LOCKSTEP);
    NAMES(tempo_patch_metric, TEMPO_PATCH_TV_CORRUPT);
    NAMES(tempo_patch_direction, TEMPO_PATCH_BOTH);
    NAMES(tempo_patch_each, TEMPO_PATCH_EACH_LAYER);
    NAMES(tempo_capture_format, TEMPO_CAPTURE_SAFETENSORS);
    assert_string_equal(tempo_mode_name(TEMPO_VISIBLE), "visible");
    assert_string_equal(tempo_replay_name(TEMPO_REPLAY_NOCACHE), "published-nocache");
    assert_string_equal(tempo_stopped_name(TEMPO_STOPPED_SLOTS), "slots");
    assert_null(tempo_stopped_name((tempo_stopped)(TEMPO_STOPPED_SLOTS + 1)));
    assert_string_equal(tempo_status_name(TEMPO_E_BUSY), "busy");
    assert_null(tempo_status_name((tempo_status)(TEMPO_E_BUSY + 1)));
}

/* ---- rows ---- */

/* Does row 0 see its sibling, layer by layer? */
static bool watch(void *user, const tempo_tap_view *v)
{
    if (v->row == 0)
        ((bool *)user)[v->layer] = v->values[v->dims[1] - 1] > 0;
    return true;
}

/* A mode alone means all layers; ranges mean what they say. */
static void test_row(void **state)
{
    (void)state;
    static const tempo_tap_selection pattern = {.tap = TEMPO_TAP_PATTERN};
    static const struct {
        uint32_t first, n;
        bool seen[2];
    } cases[] = {{0, 0, {true, true}},
                 {0, 1, {true, false}},
                 {1, 1, {false, true}},
                 {1, 0, {false, true}},
                 {0, 2, {true, true}}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool seen[2] = {false, false};
        const tempo_observer obs = {.user = seen, .view = watch, .taps = &pattern, .n_taps = 1};
        tempo_seq *s = test_seq(engine, TEMPO_KV_F32);
        tempo_row rows[2];
        for (int32_t k = 0; k < 2; k++) {
            tempo_row_init(&rows[k]);
            rows[k].seq = s;
            rows[k].token = k + 1;
            rows[k].mode = TEMPO_VISIBLE;
            rows[k].want = TEMPO_WANT_TAPS;
            rows[k].first_layer = cases[i].first;
            rows[k].n_layers = cases[i].n;
        }
        assert_int_equal(tempo_engine_forward(engine, rows, 2, &obs, NULL), TEMPO_OK);
        if (seen[0] != cases[i].seen[0] || seen[1] != cases[i].seen[1])
            fail_msg("case %zu: siblings seen %d %d", i, seen[0], seen[1]);
        tempo_seq_free(s);
    }
}

static void test_row_refused(void **state)
{
    (void)state;
    tempo_seq *s = test_seq(engine, TEMPO_KV_F32);
    tempo_row row = {.seq = s, .mode = TEMPO_VISIBLE, .first_layer = 2};
    tempo_err err[2] = {0};

    assert_int_equal(tempo_engine_forward(engine, &row, 1, NULL, &err[0]), TEMPO_E_ARG);
    assert_non_null(strstr(err[0].msg, "first visible layer 2, limit 1"));
    row.first_layer = 1;
    row.n_layers = 2;
    assert_int_equal(tempo_engine_forward(engine, &row, 1, NULL, &err[1]), TEMPO_E_ARG);
    assert_non_null(strstr(err[1].msg, "visible layers from the first on: 2, limit 1"));
    tempo_seq_free(s);
}

/* ---- errors ---- */

/* Which option is at fault is told, whatever the words. */
#define FIELD(name, change)                                                                                  \
    do {                                                                                                     \
        tempo_decode_options o;                                                                              \
        tempo_err e = {0};                                                                                   \
        tempo_decode_options_init(&o);                                                                       \
        change;                                                                                              \
        assert_int_not_equal(tempo_decode_check(model, &o, prompt, PROMPT, &e), TEMPO_OK);                   \
        assert_string_equal(e.field, name);                                                                  \
    } while (0)

static void test_fields(void **state)
{
    (void)state;
    tempo_model *m;
    tempo_err err = {.field = "left over"};

    FIELD("threshold", (o.threshold = 2));
    FIELD("temperature", (o.temperature = 0));
    FIELD("steps", (o.steps = 0));
    FIELD("mode", (o.mode = (tempo_mode)3));
    FIELD("order", (o.order = (tempo_order)-1));
    FIELD("first_visible_layer", (o.last_visible_layer = 1));
    FIELD("replay", (o.replay = TEMPO_REPLAY_PUBLISHED, o.readout = TEMPO_READOUT_TOP));
    FIELD("kv", (o.kv = (tempo_kv_type)2));
    FIELD("max_slots", (o.max_slots = SIZE_MAX));
    FIELD("prompt", (o.max_slots = 1));
    assert_int_equal(tempo_model_open(&m, "/nonexistent", NULL, &err), TEMPO_E_NOTFOUND);
    assert_string_equal(err.field, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),  cmocka_unit_test(test_size_zero),   cmocka_unit_test(test_older),
        cmocka_unit_test(test_newer), cmocka_unit_test(test_structs),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_row),   cmocka_unit_test(test_row_refused), cmocka_unit_test(test_fields),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
