/* Prompts that run in parts, ahead of the first read: no number of the steps depends on it, shared ones run
 * once, and what may be checked without an engine is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/models.h"

enum { PROMPT = 21, STEPS = 3 };

static tempo_model *model;
static tempo_engine *engine;
static int32_t prompt[PROMPT];

static tempo_decode_options base_options(tempo_mode mode)
{
    tempo_decode_options o;

    tempo_decode_options_init(&o);
    o.mode = mode;
    o.threshold = 0.004;
    o.steps = STEPS;
    o.stop = TEMPO_STOP_NEVER;
    o.max_set = 6;
    return o;
}

static tempo_decoder *start(const tempo_decode_options *o, size_t n)
{
    return test_decoder(engine, o, prompt, n);
}

static void prefill(tempo_decoder *const *ds, size_t n, size_t rows)
{
    tempo_err err = {0};

    if (tempo_decoders_prefill(ds, n, rows, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static void step_both(tempo_decoder *a, tempo_decoder *b)
{
    const size_t n_vocab = tempo_model_get_info(model)->n_vocab;
    tempo_err err = {0};

    assert_int_equal(tempo_decoders_step(&a, 1, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_decoders_step(&b, 1, NULL, &err), TEMPO_OK);
    assert_memory_equal(tempo_decoder_distribution(a), tempo_decoder_distribution(b),
                        n_vocab * sizeof(double));
    assert_int_equal(tempo_decoder_row_count(a), tempo_decoder_row_count(b));
}

/* However the prompt is cut, the steps are those of a decoder that reads it at once. */
static void test_parts(void **state)
{
    (void)state;
    for (size_t part = 1; part <= PROMPT + 1; part += 4)
        for (int replay = 0; replay < 2; replay++) {
            tempo_decode_options o = base_options(TEMPO_VISIBLE);
            o.replay = replay == 0 ? TEMPO_REPLAY_NONE : TEMPO_REPLAY_PUBLISHED;
            tempo_decoder *whole = start(&o, PROMPT), *parts = start(&o, PROMPT);
            size_t left = PROMPT + (size_t)replay;
            assert_int_equal(tempo_decoder_prompt_left(parts), left);
            while (left > 1) {
                prefill(&parts, 1, part);
                left = left - 1 > part ? left - part : 1;
                assert_int_equal(tempo_decoder_prompt_left(parts), left);
                assert_int_equal(tempo_seq_slot_count(tempo_decoder_seq(parts)),
                                 PROMPT + (size_t)replay - left);
            }
            prefill(&parts, 1, part); /* nothing to do any more */
            for (size_t t = 0; t < STEPS; t++) {
                step_both(whole, parts);
                assert_int_equal(tempo_decoder_prompt_left(parts), 0);
                prefill(&parts, 1, part); /* past its prompt: left alone */
            }
            tempo_decoder_free(whole);
            tempo_decoder_free(parts);
        }
}

static bool count_poll(void *user)
{
    ++*(size_t *)user;
    return true;
}

static bool refuse(void *user)
{
    (void)user;
    return false;
}

/* Two of the same prompt and one of a shorter one: the second takes over what the first has run. */
static void test_shared(void **state)
{
    const tempo_decode_options a = base_options(TEMPO_VISIBLE), b = base_options(TEMPO_ISOLATED);
    tempo_decoder *ds[3] = {start(&a, PROMPT), start(&b, PROMPT), start(&a, PROMPT / 2)};
    tempo_decoder *alone[3] = {start(&a, PROMPT), start(&b, PROMPT), start(&a, PROMPT / 2)};
    size_t polls = 0;
    const tempo_observer obs = {.user = &polls, .poll = count_poll}, stop = {.poll = refuse};
    tempo_err err = {0};

    (void)state;
    assert_int_equal(tempo_decoders_prefill(ds, 3, 8, &obs, &err), TEMPO_OK);
    assert_int_equal(tempo_decoder_prompt_left(ds[0]), PROMPT - 8);
    assert_int_equal(tempo_decoder_prompt_left(ds[1]), PROMPT); /* waits for the first */
    assert_int_equal(tempo_decoder_prompt_left(ds[2]), PROMPT / 2);
    assert_true(polls > 0);
    assert_int_equal(tempo_decoders_prefill(ds, 3, 8, &stop, &err), TEMPO_E_STOPPED);
    err = (tempo_err){0};
    assert_int_equal(tempo_decoder_prompt_left(ds[0]), PROMPT - 8);
    prefill(ds, 3, 15); /* the rest of the first, and some of the third */
    assert_int_equal(tempo_decoder_prompt_left(ds[0]), 1);
    assert_int_equal(tempo_decoder_prompt_left(ds[1]), 1);
    assert_int_equal(tempo_decoder_prompt_left(ds[2]), PROMPT / 2 - 3);
    for (size_t t = 0; t < STEPS; t++)
        for (size_t i = 0; i < 3; i++)
            step_both(ds[i], alone[i]);
    for (size_t i = 0; i < 3; i++) {
        tempo_decoder_free(ds[i]);
        tempo_decoder_free(alone[i]);
    }
}

/* The same refusals as tempo_decoder_create's, without an engine. */
static void test_check(void **state)
{
    const tempo_model_info *info = tempo_model_get_info(model);
    tempo_decode_options o = base_options(TEMPO_ISOLATED);
    const int32_t wrong[] = {1, (int32_t)info->n_vocab};
    int32_t *longer = calloc(info->context_length + 1, sizeof(*longer));
    tempo_err err = {0}, created = {0};
    tempo_decoder *d;

    (void)state;
    assert_non_null(longer);
    assert_int_equal(tempo_decode_check(model, &o, prompt, PROMPT, &err), TEMPO_OK);
    assert_int_equal(tempo_decode_check(model, &o, prompt, 0, &err), TEMPO_E_ARG);
    err = (tempo_err){0};
    assert_int_equal(tempo_decode_check(model, &o, wrong, 2, &err), TEMPO_E_ARG);
    assert_int_equal(tempo_decoder_create(&d, engine, &o, wrong, 2, &created), TEMPO_E_ARG);
    assert_string_equal(err.msg, created.msg);
    err = (tempo_err){0};
    assert_int_equal(tempo_decode_check(model, &o, longer, info->context_length, &err), TEMPO_OK);
    assert_int_equal(tempo_decode_check(model, &o, longer, info->context_length + 1, &err), TEMPO_E_LIMIT);
    err = (tempo_err){0};
    o.replay = TEMPO_REPLAY_PUBLISHED; /* one more */
    assert_int_equal(tempo_decode_check(model, &o, longer, info->context_length, &err), TEMPO_E_LIMIT);
    err = (tempo_err){0};
    o.replay = TEMPO_REPLAY_NONE;
    o.max_slots = PROMPT - 1;
    assert_int_equal(tempo_decode_check(model, &o, prompt, PROMPT, &err), TEMPO_E_LIMIT);
    err = (tempo_err){0};
    o.max_slots = TEMPO_MAX_SLOTS + 1;
    assert_int_equal(tempo_decode_check(model, &o, prompt, PROMPT, &err), TEMPO_E_LIMIT);
    err = (tempo_err){0};
    o.max_slots = 0;
    o.threshold = 0;
    assert_int_equal(tempo_decode_check(model, &o, prompt, PROMPT, &err), TEMPO_E_ARG);
    free(longer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_check),
    };

    model = test_open_synthetic("llama", TEMPO_F32);
    engine = test_engine(model, 2);
    for (size_t i = 0; i < PROMPT; i++)
        prompt[i] = (int32_t)(1 + i * 37 % 280);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tempo_engine_free(engine);
    tempo_model_free(model);
    return failed;
}
