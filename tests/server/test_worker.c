/* The worker: jobs that decode together give what each gives alone; queue, hold, cancel, shutdown. */
#include "server/worker_jobs.h"

static test_bench bench;

static int setup(void **state)
{
    tempo_worker_options o;

    (void)state;
    tempo_worker_options_init(&o);
    bench_open(&bench, &o);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_close(&bench);
    return 0;
}

/* Step the decoder and take the job's events along until it stops. */
static void compare_with_alone(tempo_job *j, const tempo_job_options *o)
{
    tempo_decoder *d = decoder_alone(&bench, o, 0);
    tempo_err err = {0};

    while (tempo_decoder_stopped(d) == TEMPO_RUNNING) {
        tempo_event *e = next_event(j, TEMPO_EVENT_SET);
        assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
        assert_same_set(&e->set, tempo_decoder_last_set(d));
        assert_int_equal(e->stopped, tempo_decoder_stopped(d));
        assert_int_equal(e->arm, 0);
        assert_int_equal(e->step, e->set.step);
        assert_false(e->given);
        tempo_event_free(e);
    }
    expect_done(j);
    tempo_decoder_free(d);
}

/* Jobs of short and long prompts (longer than a chunk) that come while others decode. */
static void test_together(void **state)
{
    enum { JOBS = 6, LONGEST = 300 };
    static const size_t lengths[JOBS] = {3, 300, 40, 130, 1, 128};
    int32_t prompts[JOBS][LONGEST];
    tempo_job_options o[JOBS];
    tempo_job *jobs[JOBS];

    (void)state;
    for (uint32_t i = 0; i < JOBS; i++) {
        fill_prompt(prompts[i], lengths[i], i);
        o[i] = job_options(prompts[i], lengths[i], i % 2 == 0 ? TEMPO_VISIBLE : TEMPO_ISOLATED, 12 + i);
        jobs[i] = submit(&bench, &o[i]);
        tempo_event_free(i == 0 ? next_event(jobs[0], TEMPO_EVENT_SET)
                                : NULL); /* it decodes when others come */
    }
    tempo_decoder *d = decoder_alone(&bench, &o[0], 0);
    tempo_err err = {0};
    assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
    for (size_t t = 1; t < 12; t++) {
        tempo_event *e = next_event(jobs[0], TEMPO_EVENT_SET);
        assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
        assert_same_set(&e->set, tempo_decoder_last_set(d));
        tempo_event_free(e);
    }
    tempo_decoder_free(d);
    expect_done(jobs[0]);
    for (size_t i = 1; i < JOBS; i++)
        compare_with_alone(jobs[i], &o[i]);
}

/* The slots of an arm are those of its decoder's sequence, which has the last set's after the closing pass.
 */
static void assert_same_slots(tempo_job *j, size_t arm, tempo_decoder *d)
{
    tempo_err err = {0};
    size_t n;

    if (tempo_decoder_stopped(d) != TEMPO_RUNNING)
        assert_int_equal(tempo_decoder_close_pass(d, NULL, &err), TEMPO_OK);
    tempo_slot *slots = tempo_job_slots(j, arm, &n);
    const tempo_seq *seq = tempo_decoder_seq(d);
    assert_int_equal(n, tempo_seq_slot_count(seq));
    for (size_t i = 0; i < n; i++) {
        const tempo_slot s = tempo_seq_slot_at(seq, i);
        assert_int_equal(slots[i].token, s.token);
        assert_int_equal(slots[i].set, s.set);
        assert_true(slots[i].position == s.position);
    }
    free(slots);
}

/* Arms of one job, a replay and one with slots of its own among them. */
static void test_arms(void **state)
{
    enum { PROMPT = 150, ARMS = 4, STEPS = 5 };
    int32_t prompt[PROMPT];
    tempo_decoder *d[ARMS];
    tempo_err err = {0};

    (void)state;
    fill_prompt(prompt, PROMPT, 9);
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_ISOLATED, STEPS);
    o.n_arms = ARMS;
    for (size_t i = 1; i < ARMS; i++)
        o.arms[i] = o.arms[0];
    o.arms[1].decoding.mode = TEMPO_VISIBLE;
    o.arms[2].decoding.replay = TEMPO_REPLAY_PUBLISHED;
    o.arms[3].decoding.order = TEMPO_ORDER_ASCENDING;
    o.arms[3].decoding.steps = 3; /* ends before the others */
    tempo_job *j = submit(&bench, &o);
    for (size_t i = 0; i < ARMS; i++)
        d[i] = decoder_alone(&bench, &o, i);
    for (size_t t = 0; t < STEPS; t++) {
        for (size_t i = 0; i < (t < 3 ? ARMS : ARMS - 1); i++) {
            tempo_event *e = next_event(j, TEMPO_EVENT_SET);
            assert_int_equal(e->arm, i);
            assert_int_equal(tempo_decoders_step(&d[i], 1, NULL, &err), TEMPO_OK);
            assert_same_set(&e->set, tempo_decoder_last_set(d[i]));
            tempo_event_free(e);
        }
        tempo_event *e = next_event(j, TEMPO_EVENT_COMPARE);
        assert_int_equal(e->step, t);
        assert_int_equal(e->compare.n, t < 3 ? ARMS : ARMS - 1);
        tempo_event_free(e);
    }
    tempo_event_free(next_event(j, TEMPO_EVENT_DONE));
    for (size_t i = 0; i < ARMS; i++) {
        assert_same_slots(j, i, d[i]);
        tempo_decoder_free(d[i]);
    }
    tempo_job_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_arms),
    };

    return cmocka_run_group_tests_name("worker", tests, setup, teardown);
}
