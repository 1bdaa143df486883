/* Steps in two halves, sets taken over from another decoder, slots in the other order, embeddings moved by
 * one ulp, and prompts that decoders share. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/models.h"

static const int32_t prompt[] = {1, 20, 3, 44, 5};
enum { PROMPT = 5, STEPS = 4 };

static tempo_model *model;
static tempo_engine *engine;

static tempo_decode_options base_options(tempo_mode mode)
{
    tempo_decode_options o;

    tempo_decode_options_init(&o);
    o.mode = mode;
    o.threshold = 0.004; /* of 288 tokens of a model without training */
    o.steps = STEPS;
    o.stop = TEMPO_STOP_NEVER;
    o.max_set = 6;
    return o;
}

static tempo_decoder *start(const tempo_decode_options *o)
{
    return test_decoder(engine, o, prompt, PROMPT);
}

static void read_all(tempo_decoder *const *ds, size_t n)
{
    tempo_err err = {0};

    if (tempo_decoders_read(ds, n, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static size_t vocab(void)
{
    return tempo_model_get_info(model)->n_vocab;
}

static void assert_same_q(const tempo_decoder *a, const tempo_decoder *b)
{
    assert_memory_equal(tempo_decoder_distribution(a), tempo_decoder_distribution(b),
                        vocab() * sizeof(double));
}

static double total_variation(const tempo_decoder *a, const tempo_decoder *b)
{
    double sum = 0;

    for (size_t i = 0; i < vocab(); i++)
        sum += fabs(tempo_decoder_distribution(a)[i] - tempo_decoder_distribution(b)[i]) / 2;
    return sum;
}

/* Read and select is what a step does. */
static void test_halves(void **state)
{
    const tempo_decode_options o = base_options(TEMPO_VISIBLE);
    tempo_decoder *whole = start(&o), *halves = start(&o);
    tempo_err err = {0};

    (void)state;
    for (size_t t = 0; t < STEPS; t++) {
        assert_int_equal(tempo_decoders_step(&whole, 1, NULL, &err), TEMPO_OK);
        read_all(&halves, 1);
        assert_same_q(whole, halves);
        assert_int_equal(tempo_decoder_select(halves, &err), TEMPO_OK);
        const tempo_set *a = tempo_decoder_last_set(whole), *b = tempo_decoder_last_set(halves);
        assert_int_equal(a->n_members, b->n_members);
        assert_true(a->n_members > 1);
        for (size_t i = 0; i < a->n_members; i++) {
            assert_int_equal(a->members[i].id, b->members[i].id);
            assert_int_equal(a->members[i].slot, b->members[i].slot);
            assert_true(a->members[i].probability == b->members[i].probability);
        }
        assert_true(a->position == b->position && a->entropy == b->entropy);
    }
    assert_int_equal(tempo_decoder_stopped(halves), TEMPO_STOPPED_STEPS);
    tempo_decoder_free(halves);
    tempo_decoder_free(whole);
}

/* Halves out of order are refused, and nothing is lost by it. */
static void test_order_of_calls(void **state)
{
    const tempo_decode_options o = base_options(TEMPO_ISOLATED);
    tempo_decoder *d = start(&o);
    tempo_err err = {0};

    (void)state;
    assert_int_equal(tempo_decoder_select(d, &err), TEMPO_E_ARG);
    err = (tempo_err){0};
    read_all(&d, 1);
    assert_int_equal(tempo_decoders_read(&d, 1, NULL, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "decoder 0"));
    err = (tempo_err){0};
    assert_int_equal(tempo_decoder_select(d, &err), TEMPO_OK);
    assert_int_equal(tempo_decoder_select(d, &err), TEMPO_E_ARG);
    err = (tempo_err){0};
    assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_decoder_last_set(d)->step, 1);
    tempo_decoder_free(d);
}

/* A follower has the driver's members and probabilities, its own slots, q and entropy; its rows are those
 * that a plain run in its mode would have over the same tokens. */
static void test_adopt(void **state)
{
    const tempo_decode_options isolated = base_options(TEMPO_ISOLATED);
    tempo_decode_options offset = base_options(TEMPO_ISOLATED);
    tempo_decoder *ds[4];
    tempo_err err = {0};
    tempo_decode_options visible = base_options(TEMPO_VISIBLE);
    double apart = 0;

    (void)state;
    visible.threshold = 1; /* not what chooses: the driver does */
    offset.positions = TEMPO_POSITIONS_OFFSET;
    offset.position_offset = 0.25;
    ds[0] = start(&isolated);
    ds[1] = start(&visible);
    ds[2] = start(&offset);
    ds[3] = start(&isolated);
    for (size_t t = 0; t < STEPS; t++) {
        read_all(ds, 4);
        assert_same_q(ds[0], ds[3]);
        if (t == 0)
            assert_same_q(ds[0], ds[1]);
        apart += total_variation(ds[0], ds[1]);
        assert_int_equal(tempo_decoder_select(ds[0], &err), TEMPO_OK);
        const tempo_set *lead = tempo_decoder_last_set(ds[0]);
        for (size_t i = 1; i < 4; i++) {
            assert_int_equal(tempo_decoder_adopt(ds[i], lead, &err), TEMPO_OK);
            const tempo_set *own = tempo_decoder_last_set(ds[i]);
            assert_int_equal(own->n_members, lead->n_members);
            assert_int_equal(own->n_reached, lead->n_reached);
            for (size_t j = 0; j < own->n_members; j++) {
                assert_int_equal(own->members[j].id, lead->members[j].id);
                assert_true(own->members[j].probability == lead->members[j].probability);
                assert_int_equal(own->members[j].slot, lead->members[j].slot);
                assert_true(own->members[j].position ==
                            (double)(PROMPT + t) + (i == 2 ? 0.25 * (double)j : 0.0));
            }
        }
        if (t > 0)
            assert_true(tempo_decoder_last_set(ds[1])->entropy != lead->entropy);
    }
    assert_true(apart > 0); /* seeing each other does something */
    for (size_t i = 0; i < 4; i++)
        tempo_decoder_free(ds[i]);
}

static void assert_refused(const tempo_member *members, size_t n, const char *part)
{
    const tempo_decode_options o = base_options(TEMPO_ISOLATED);
    const tempo_set set = {.members = members, .n_members = n};
    tempo_decoder *d = start(&o);
    tempo_err err = {0};

    read_all(&d, 1);
    assert_int_equal(tempo_decoder_adopt(d, &set, &err), TEMPO_E_ARG);
    if (strstr(err.msg, part) == NULL)
        fail_msg("'%s' does not say '%s'", err.msg, part);
    err = (tempo_err){0};
    assert_int_equal(tempo_decoder_select(d, &err), TEMPO_OK); /* nothing was lost */
    tempo_decoder_free(d);
}

static void test_refused_sets(void **state)
{
    (void)state;
    assert_refused((tempo_member[]){{0}}, 0, "no members");
    assert_refused((tempo_member[]){{.id = -1, .probability = 0.5}}, 1, "member 0 has id -1");
    assert_refused((tempo_member[]){{.id = 3, .probability = 0.5}, {.id = 100000, .probability = 0.5}}, 2,
                   "member 1");
    assert_refused((tempo_member[]){{.id = 3, .probability = 0}}, 1, "probability 0");
    assert_refused((tempo_member[]){{.id = 3, .probability = NAN}}, 1, "probability");
    assert_refused((tempo_member[]){{.id = 3, .probability = 1.5}}, 1, "probability 1.5");
}

/* In ascending order the rows are the same, in the other order: bit for bit when they do not see each other.
 */
static void test_ascending(void **state)
{
    const tempo_decode_options o = base_options(TEMPO_ISOLATED);
    tempo_decode_options other = o;
    tempo_decoder *ds[2];
    tempo_err err = {0};

    (void)state;
    other.order = TEMPO_ORDER_ASCENDING;
    ds[0] = start(&o);
    ds[1] = start(&other);
    read_all(ds, 2);
    assert_int_equal(tempo_decoder_select(ds[0], &err), TEMPO_OK);
    assert_int_equal(tempo_decoder_adopt(ds[1], tempo_decoder_last_set(ds[0]), &err), TEMPO_OK);
    const tempo_set *a = tempo_decoder_last_set(ds[0]), *b = tempo_decoder_last_set(ds[1]);
    const size_t m = a->n_members;
    assert_true(m > 1);
    for (size_t i = 0; i < m; i++) {
        assert_int_equal(a->members[i].slot, PROMPT + i);
        assert_int_equal(b->members[i].slot, PROMPT + m - 1 - i);
    }
    read_all(ds, 2);
    for (size_t i = 0; i < m; i++)
        assert_memory_equal(tempo_decoder_row_logits(ds[0], i), tempo_decoder_row_logits(ds[1], m - 1 - i),
                            vocab() * sizeof(float));
    assert_true(total_variation(ds[0], ds[1]) < 1e-12); /* the mixture adds in another order */
    tempo_decoder_free(ds[0]);
    tempo_decoder_free(ds[1]);
}

/* One ulp of every element of the embeddings: something changes, little, always the same way; 0 changes
 * nothing. */
static void test_nudge(void **state)
{
    const tempo_decode_options o = base_options(TEMPO_VISIBLE);
    tempo_decode_options nudged = o;
    tempo_decoder *ds[4];

    (void)state;
    nudged.nudge = 7;
    ds[0] = start(&o);
    ds[1] = start(&nudged);
    ds[2] = start(&nudged);
    nudged.nudge = 8;
    ds[3] = start(&nudged);
    read_all(ds, 4);
    assert_same_q(ds[1], ds[2]);
    assert_true(total_variation(ds[0], ds[1]) > 0 && total_variation(ds[0], ds[1]) < 1e-5);
    assert_true(total_variation(ds[1], ds[3]) > 0);
    for (size_t i = 0; i < 4; i++)
        tempo_decoder_free(ds[i]);
}

/* A prompt that several decoders have runs once; each number is what it is alone. */
static void test_shared_prompt(void **state)
{
    const tempo_decode_options o = base_options(TEMPO_ISOLATED);
    tempo_decode_options v = base_options(TEMPO_VISIBLE);
    tempo_decoder *alone[2], *together[4];
    tempo_err err = {0};

    (void)state;
    v.kv = TEMPO_KV_F16; /* cannot share with the others */
    alone[0] = start(&o);
    alone[1] = start(&v);
    together[0] = start(&o);
    together[1] = start(&v);
    together[2] = start(&o);
    together[3] = start(&v);
    for (size_t t = 0; t < STEPS; t++) {
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(tempo_decoders_step(&alone[i], 1, NULL, &err), TEMPO_OK);
        assert_int_equal(tempo_decoders_step(together, 4, NULL, &err), TEMPO_OK);
        for (size_t i = 0; i < 4; i++)
            assert_same_q(alone[i % 2], together[i]);
    }
    for (size_t i = 0; i < 4; i++)
        tempo_decoder_free(together[i]);
    tempo_decoder_free(alone[0]);
    tempo_decoder_free(alone[1]);
}

int main(void)
{
    model = test_open_synthetic("llama", TEMPO_F32);
    engine = test_engine(model, 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves),        cmocka_unit_test(test_order_of_calls),
        cmocka_unit_test(test_adopt),         cmocka_unit_test(test_refused_sets),
        cmocka_unit_test(test_ascending),     cmocka_unit_test(test_nudge),
        cmocka_unit_test(test_shared_prompt),
    };
    const int failed = cmocka_run_group_tests_name("lockstep", tests, NULL, NULL);
    tempo_engine_free(engine);
    tempo_model_free(model);
    return failed;
}
