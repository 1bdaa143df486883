/* The worker: jobs that decode together give what each gives alone; queue, hold, cancel, shutdown. */
#include <math.h>
#include <time.h>

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
    repeat_arm(&o, ARMS);
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
        assert_int_equal(e->compare.of.n, t < 3 ? ARMS : ARMS - 1);
        tempo_event_free(e);
    }
    tempo_event_free(next_event(j, TEMPO_EVENT_DONE));
    for (size_t i = 0; i < ARMS; i++) {
        assert_same_slots(j, i, d[i]);
        tempo_decoder_free(d[i]);
    }
    tempo_job_close(j);
}

/* Sets that are given: the run of one who adopts them, and goes on by itself. */
static void test_given(void **state)
{
    enum { PROMPT = 20, STEPS = 5 };
    static const tempo_member first[] = {{300, 0.5, -1, 0}, {420, 0.25, -1, 0}, {333, 0.125, -1, 0}},
                              second[] = {{700, 1, -1, 0}};
    static const tempo_given_set given[] = {{first, 3}, {second, 1}};
    int32_t prompt[PROMPT];
    tempo_err err = {0};

    (void)state;
    fill_prompt(prompt, PROMPT, 4);
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_VISIBLE, STEPS);
    o.given = given;
    o.n_given = 2;
    o.top_next = 7;
    tempo_decoder *d = decoder_alone(&bench, &o, 0);
    tempo_job *j = submit(&bench, &o);
    for (size_t t = 0; t < STEPS; t++) {
        assert_int_equal(tempo_decoders_read(&d, 1, NULL, &err), TEMPO_OK);
        if (t < 2) {
            const tempo_set set = {.threshold = 0.02,
                                   .n_reached = given[t].n,
                                   .n_members = given[t].n,
                                   .members = given[t].members};
            assert_int_equal(tempo_decoder_adopt(d, &set, &err), TEMPO_OK);
        } else {
            assert_int_equal(tempo_decoder_select(d, &err), TEMPO_OK);
        }
        tempo_event *e = next_event(j, TEMPO_EVENT_SET);
        assert_same_set(&e->set, tempo_decoder_last_set(d));
        assert_int_equal(e->given, t < 2);
        assert_int_equal(e->n_next, t == 2 ? 7 : 0); /* of the first step that the model chooses */
        for (size_t i = 0; i < e->n_next; i++) {
            assert_true(e->next[i].probability == tempo_decoder_distribution(d)[e->next[i].id]);
            assert_true(i == 0 || e->next[i].probability <= e->next[i - 1].probability);
        }
        if (t == 2)
            assert_int_equal(e->next[0].id, e->set.members[0].id);
        tempo_event_free(e);
    }
    expect_done(j);
    tempo_decoder_free(d);
}

/* An EOS among what is given ends the run as one that was chosen would. */
static void test_given_eos(void **state)
{
    const tempo_tokenizer_info t = tempo_tokenizer_get_info(tempo_model_tokenizer(bench.model));
    const tempo_member eos[] = {{t.eos[0], 1, -1, 0}};
    const tempo_given_set given[] = {{eos, 1}};
    const int32_t prompt[] = {300, 301};

    (void)state;
    tempo_job_options o = job_options(prompt, 2, TEMPO_ISOLATED, 8);
    o.arms[0].decoding.stop = TEMPO_STOP_ANY;
    o.given = given;
    o.n_given = 1;
    tempo_job *j = submit(&bench, &o);
    tempo_event *e = next_event(j, TEMPO_EVENT_SET);
    assert_int_equal(e->stopped, TEMPO_STOPPED_EOS);
    assert_true(e->set.eos && e->given);
    tempo_event_free(e);
    expect_done(j);
}

/* ---- the queue ---- */

static tempo_worker_counts counts(void)
{
    return tempo_worker_get_counts(bench.worker);
}

/* Until the worker is where it was waited for: a condition that holds at some time, whenever that is. */
static void wait_until(bool (*holds)(const tempo_worker_counts *))
{
    const struct timespec moment = {0, 1000000};
    tempo_worker_counts c = counts();

    for (size_t i = 0; !holds(&c); i++) {
        assert_true(i < WAIT_MS);
        (void)nanosleep(&moment, NULL);
        c = counts();
    }
}

static bool one_held(const tempo_worker_counts *c)
{
    return c->held == 1 && c->running == 0;
}

static bool all_three_held(const tempo_worker_counts *c)
{
    return c->held == 3;
}

static bool idle(const tempo_worker_counts *c)
{
    return c->held == 0 && c->running == 0 && c->waiting == 0;
}

static void restart(size_t queue, size_t batch, size_t max_events)
{
    tempo_worker_options o;
    tempo_err err = {0};

    tempo_worker_free(bench.worker);
    tempo_worker_options_init(&o);
    o.queue = queue;
    o.batch = batch;
    o.max_events = max_events;
    if (tempo_worker_start(&bench.worker, bench.engine, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

/* A job whose events nobody takes stands still, others go on; it goes on where it was. */
static void test_held(void **state)
{
    enum { STEPS = 30, MOST = 5 };
    const int32_t prompt[] = {300, 301, 302}, other[] = {400};
    const tempo_job_options o = job_options(prompt, 3, TEMPO_VISIBLE, STEPS),
                            p = job_options(other, 1, TEMPO_VISIBLE, 4);

    (void)state;
    restart(8, 4, MOST);
    tempo_job *held = submit(&bench, &o);
    wait_until(one_held);
    assert_int_equal(counts().steps,
                     MOST); /* a step is one event, and no pass more than the events that wait */
    compare_with_alone(submit(&bench, &p), &p);
    assert_int_equal(counts().held, 1);
    assert_int_equal(counts().steps, MOST + 4);
    compare_with_alone(held, &o);
    assert_int_equal(counts().steps, STEPS + 4);
}

/* Jobs beyond the queue are refused; one that is held keeps its place in the queue, but not in the batch. */
static void test_queue(void **state)
{
    const int32_t prompt[] = {300, 301, 302};
    tempo_job_options o = job_options(prompt, 3, TEMPO_VISIBLE, 50);
    tempo_err err = {0};
    tempo_job *jobs[3], *refused;

    (void)state;
    restart(3, 4, 2);
    repeat_arm(&o, 3);
    for (size_t i = 0; i < 3; i++)
        jobs[i] = submit(&bench, &o);
    wait_until(all_three_held); /* each has had its turn, though two do not fit into the batch together */
    assert_int_equal(tempo_job_submit(&refused, bench.worker, &o, &err), TEMPO_E_BUSY);
    assert_string_equal(err.field, "queue");
    assert_null(refused);
    assert_memory_equal(err.msg, "queue", 5);
    assert_int_equal(counts().refused, 1);
    for (size_t i = 0; i < 3; i++)
        tempo_job_close(jobs[i]);
    wait_until(idle);
    assert_int_equal(counts().cancelled, 3);
    assert_int_equal(counts().jobs, 3);
}

static bool has_ended(tempo_job *j)
{
    bool ended = false;

    for (tempo_event *e; (e = tempo_job_next(j, 0)) != NULL; tempo_event_free(e))
        ended = ended || e->kind == TEMPO_EVENT_DONE;
    return ended;
}

/* Arms beyond the batch wait, first come first served; a waiting job can be closed. */
static void test_turns(void **state)
{
    const int32_t prompt[] = {300, 301, 302};
    tempo_job_options o = job_options(prompt, 3, TEMPO_VISIBLE, 100);
    const tempo_job_options small = job_options(prompt, 3, TEMPO_VISIBLE, 1);

    (void)state;
    restart(8, 4, 1000);
    repeat_arm(&o, 3);
    tempo_job *first = submit(&bench, &o), *second = submit(&bench, &o), *closed = submit(&bench, &o),
              *third = submit(&bench, &small);
    tempo_job_close(closed);
    compare_with_alone(third, &small); /* it would fit beside the first, but it was not its turn */
    tempo_event *e = tempo_job_next(second, 0);
    assert_non_null(e); /* the second's was */
    tempo_event_free(e);
    assert_true(has_ended(first)); /* before the second began */
    tempo_job_close(first);
    tempo_job_close(second);
    wait_until(idle);
}

/* What all contexts need is bounded: the newest job ends, the others do not notice. */
static void test_slots(void **state)
{
    enum { PROMPT = 100 };
    int32_t prompt[PROMPT];
    tempo_worker_options w;
    tempo_err err = {0};

    (void)state;
    fill_prompt(prompt, PROMPT, 5);
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_VISIBLE, 20);
    o.arms[0].decoding.threshold = 1; /* one slot a step */
    tempo_worker_free(bench.worker);
    tempo_worker_options_init(&w);
    w.max_slots = 2 * PROMPT + 22; /* one run, and one that is held after two steps */
    w.max_events = 2;
    if (tempo_worker_start(&bench.worker, bench.engine, &w, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_job *old = submit(&bench, &o), *young = submit(&bench, &o);
    compare_with_alone(old, &o);
    tempo_job_options longer = o;
    longer.arms[0].decoding.steps = 24;
    tempo_job *newest = submit(&bench, &longer);
    tempo_event *e = tempo_job_next(newest, WAIT_MS);
    for (; e != NULL && e->kind == TEMPO_EVENT_SET; e = tempo_job_next(newest, WAIT_MS))
        tempo_event_free(e);
    assert_non_null(e);
    assert_int_equal(e->kind, TEMPO_EVENT_ERROR);
    assert_int_equal(e->err.code, TEMPO_E_LIMIT);
    tempo_event_free(e);
    tempo_job_close(newest);
    compare_with_alone(young, &o);
}

/* One that is held when memory ends gives up what it has, though nobody takes its events. */
static void test_slots_of_held(void **state)
{
    enum { PROMPT = 100 };
    int32_t prompt[PROMPT];
    tempo_worker_options w;
    tempo_err err = {0};

    (void)state;
    fill_prompt(prompt, PROMPT, 5);
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_VISIBLE, 60);
    o.arms[0].decoding.threshold = 1;
    tempo_worker_free(bench.worker);
    tempo_worker_options_init(&w);
    w.max_slots = 2 * PROMPT + 30;
    w.max_events = 5;
    if (tempo_worker_start(&bench.worker, bench.engine, &w, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_job *old = submit(&bench, &o), *held = submit(&bench, &o);
    compare_with_alone(old, &o); /* 160 slots beside the 105 of one that is held: that one ends */
    wait_until(idle);
    assert_int_equal(counts().failed, 1);
    tempo_job_close(held);
}

/* A client that goes while its prompt is read, or between steps, stops its own work and nobody else's. */
static void test_cancel(void **state)
{
    enum { PROMPT = 400, STEPS = 20, MOST = 2 };
    int32_t prompt[PROMPT];

    (void)state;
    restart(64, 16, MOST);
    fill_prompt(prompt, PROMPT, 3);
    const tempo_job_options o = job_options(prompt, 4, TEMPO_VISIBLE, STEPS),
                            goes = job_options(prompt + 1, PROMPT - 1, TEMPO_VISIBLE, 64);
    tempo_job *stays = submit(&bench, &o);
    for (size_t i = 0; i < 20; i++) {
        tempo_job *j = submit(&bench, &goes);
        if (i % 2 == 1)
            tempo_event_free(next_event(j, TEMPO_EVENT_SET));
        tempo_job_close(j);
    }
    compare_with_alone(stays, &o);
    wait_until(idle);
    assert_int_equal(counts().cancelled, 20);
    assert_int_equal(counts().failed, 0);
    /* Until it was closed, each could take MOST + 1 steps and one under way, of 5 members at most.  */
    assert_true(counts().tokens <= STEPS * 5 + 20 * (MOST + 2) * 5);
}

/* A long prompt goes in parts, a step of who decodes between two of them. */
static void test_long_prompt(void **state)
{
    enum {
        PROMPT = 500,
        STEPS = 60,
        PARTS = 3
    }; /* of 128 rows, before the part that rides with its first step */
    int32_t prompt[PROMPT];
    size_t before = 0;

    (void)state;
    restart(64, 16, 2 * STEPS);
    fill_prompt(prompt, PROMPT, 2);
    const tempo_job_options o = job_options(prompt, 2, TEMPO_ISOLATED, STEPS),
                            p = job_options(prompt, PROMPT, TEMPO_ISOLATED, 1);
    tempo_job *decodes = submit(&bench, &o);
    tempo_event_free(next_event(decodes, TEMPO_EVENT_SET));
    tempo_job *reads = submit(&bench, &p);
    tempo_event_free(next_event(reads, TEMPO_EVENT_SET));
    for (tempo_event *e; (e = tempo_job_next(decodes, 0)) != NULL; tempo_event_free(e))
        before += e->kind == TEMPO_EVENT_SET;
    assert_true(before >= PARTS);
    expect_done(reads);
    tempo_job_close(decodes);
    restart(64, 16, 64);
    compare_with_alone(submit(&bench, &p), &p);
    assert_int_equal(counts().steps, PARTS + 1);
    assert_int_equal(counts().prompt_tokens, PROMPT);
    assert_int_equal(counts().rows, PROMPT);
}

/* Stopping ends what runs and what waits, by an event; nothing new is taken. */
static void test_shutdown(void **state)
{
    const int32_t prompt[] = {300, 301, 302};
    tempo_job_options o = job_options(prompt, 3, TEMPO_VISIBLE, 50);
    tempo_err err = {0};
    tempo_job *jobs[3], *refused;

    (void)state;
    restart(8, 4, 3);
    for (size_t i = 0; i < 3; i++) {
        jobs[i] = submit(&bench, &o);
        repeat_arm(&o, 4);
    }
    wait_until(all_three_held);
    tempo_worker_stop(bench.worker);
    assert_int_equal(tempo_job_submit(&refused, bench.worker, &o, &err), TEMPO_E_STOPPED);
    for (size_t i = 0; i < 3; i++) {
        tempo_event *e = tempo_job_next(jobs[i], WAIT_MS);
        for (; e != NULL && e->kind != TEMPO_EVENT_ERROR; e = tempo_job_next(jobs[i], WAIT_MS))
            tempo_event_free(e); /* what it had done before */
        assert_non_null(e);
        assert_int_equal(e->err.code, TEMPO_E_STOPPED);
        assert_string_equal(e->err.msg, "shutdown");
        tempo_event_free(e);
        assert_null(tempo_job_next(jobs[i], WAIT_MS)); /* at once: nothing follows */
        tempo_job_close(jobs[i]);
    }
    restart(64, 16, 64);
}

/* What cannot be decoded is refused at once, and says why. */
static void test_refused(void **state)
{
    const int32_t prompt[] = {300, 301}, wrong[] = {300, 1 << 20};
    static const tempo_member outside[] = {{1 << 20, 0.5, -1, 0}}, impossible[] = {{300, 1.5, -1, 0}};
    static const tempo_given_set sets[] = {{outside, 1}, {impossible, 1}, {NULL, 0}};
    const struct {
        const char *says;
        tempo_status st;
    } cases[] = {
        {"vocabulary", TEMPO_E_ARG}, {"prompt is empty", TEMPO_E_ARG}, {"threshold", TEMPO_E_ARG},
        {"top_keys", TEMPO_E_LIMIT}, {"top_scores", TEMPO_E_LIMIT},    {"temperature", TEMPO_E_ARG},
        {"top_p", TEMPO_E_ARG},      {"min_p", TEMPO_E_ARG},           {"one arm", TEMPO_E_ARG},
        {"given", TEMPO_E_ARG},      {"id 1048576", TEMPO_E_ARG},      {"probability 1.5", TEMPO_E_ARG},
        {"0 members", TEMPO_E_ARG},  {"arms", TEMPO_E_LIMIT}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tempo_job_options o = job_options(prompt, 2, TEMPO_VISIBLE, 3);
        tempo_err err = {0};
        tempo_job *j;
        o.sampling = (tempo_sampling){.on = i >= 5 && i <= 8, .temperature = 1, .top_p = 1};
        o.prompt = i == 0 ? wrong : prompt;
        o.n_prompt = i == 1 ? 0 : 2;
        o.arms[0].decoding.threshold = i == 2 ? -1 : 0.5;
        o.top_keys = i == 3 ? TEMPO_JOB_MAX_TOP + 1 : 0;
        o.top_scores = i == 4 ? TEMPO_JOB_MAX_TOP + 1 : 0;
        o.sampling.temperature = i == 5 ? (double)NAN : 1;
        o.sampling.top_p = i == 6 ? 0 : 1;
        o.sampling.min_p = i == 7 ? -0.5 : 0;
        o.n_arms = i == 8 ? 2 : i == 13 ? TEMPO_JOB_MAX_ARMS + 1 : 1;
        o.n_given = i == 9 ? 4 : i >= 10 && i <= 12 ? 1 : 0;
        o.given = i >= 10 && i <= 12 ? &sets[i - 10] : sets;
        assert_int_equal(tempo_job_submit(&j, bench.worker, &o, &err), cases[i].st);
        assert_null(j);
        if (strstr(err.msg, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, err.msg);
    }
    assert_int_equal(counts().waiting + counts().running, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),      cmocka_unit_test(test_arms),
        cmocka_unit_test(test_given),         cmocka_unit_test(test_given_eos),
        cmocka_unit_test(test_held),          cmocka_unit_test(test_queue),
        cmocka_unit_test(test_turns),         cmocka_unit_test(test_slots),
        cmocka_unit_test(test_slots_of_held), cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_shutdown),      cmocka_unit_test(test_long_prompt),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("worker", tests, setup, teardown);
}
