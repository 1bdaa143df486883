/* The k-th allocation of a job that uses everything fails, for every k: that job ends with an error, or is
 * refused, nothing leaks, and the next job gives what it always does.  */
#include "support/nomem.h"
#include "server/worker_jobs.h"

enum { PROMPT = 9, STEPS = 3, MOST = 5000 };

static test_bench bench;
static int32_t prompt[PROMPT];

static tempo_job_options everything(void)
{
    static const tempo_member first[] = {{30, 0.5, -1, 0}, {42, 0.25, -1, 0}};
    static const tempo_given_set given[] = {{first, 2}};
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_VISIBLE, STEPS);

    o.arms[0].decoding.threshold = 0.004;
    o.n_arms = 2;
    o.arms[1] = o.arms[0];
    o.arms[1].decoding.mode = TEMPO_ISOLATED;
    o.given = given;
    o.n_given = 1;
    o.want_attention = o.record = o.want_scores = o.score_prompt = true;
    o.top_keys = o.top_scores = o.top_next = 2;
    return o;
}

/* The status that the job ended with, of its submission or of its last event. */
static tempo_status run(const tempo_job_options *o)
{
    tempo_err err = {0};
    tempo_job *j;
    tempo_status st = tempo_job_submit(&j, bench.worker, o, &err);

    if (st != TEMPO_OK) {
        assert_null(j);
        return st;
    }
    for (bool last = false; !last;) {
        tempo_event *e = tempo_job_next(j, WAIT_MS);
        assert_non_null(e);
        last = e->kind == TEMPO_EVENT_DONE || e->kind == TEMPO_EVENT_ERROR;
        st = e->kind == TEMPO_EVENT_ERROR ? e->err.code : TEMPO_OK;
        tempo_event_free(e);
    }
    tempo_job_close(j);
    return st;
}

static void test_job(void **state)
{
    const tempo_job_options o = everything();
    size_t k = 0;
    bool failed = true;

    (void)state;
    assert_int_equal(run(&o), TEMPO_OK); /* the engine's scratch memory has its size from here on */
    for (; failed; k++) {
        assert_true(k < MOST);
        test_fail_allocation(k);
        const tempo_status st = run(&o);
        failed = test_allocation_failed();
        if (st != (failed ? TEMPO_E_NOMEM : TEMPO_OK))
            fail_msg("allocation %zu: status %s", k, tempo_status_name(st));
        assert_int_equal(run(&o), TEMPO_OK);
        assert_int_equal(tempo_worker_get_counts(bench.worker).recorded_bytes, 0);
    }
    assert_true(k > 50);
}

/* Who rides along with one that runs out of slots goes on. */
static void test_company(void **state)
{
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_VISIBLE, 40), narrow = o;
    tempo_err err = {0};
    tempo_job *ends;

    (void)state;
    o.arms[0].decoding.threshold = 0.004;
    narrow.arms[0].decoding.max_slots = PROMPT + 2;
    tempo_job *j = submit(&bench, &o);
    assert_int_equal(tempo_job_submit(&ends, bench.worker, &narrow, &err), TEMPO_OK);
    tempo_event *e = tempo_job_next(ends, WAIT_MS);
    while (e->kind == TEMPO_EVENT_SET && e->stopped == TEMPO_RUNNING) {
        tempo_event_free(e);
        e = tempo_job_next(ends, WAIT_MS);
    }
    assert_int_equal(e->kind, TEMPO_EVENT_SET);
    assert_int_equal(e->stopped, TEMPO_STOPPED_SLOTS);
    tempo_event_free(e);
    expect_done(ends);
    tempo_decoder *d = decoder_alone(&bench, &o, 0);
    for (size_t t = 0; t < 40; t++) {
        e = next_event(j, TEMPO_EVENT_SET);
        assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
        assert_same_set(&e->set, tempo_decoder_last_set(d));
        tempo_event_free(e);
    }
    expect_done(j);
    tempo_decoder_free(d);
}

/* A worker that cannot have its memory is not started, and leaves none behind. */
static void test_start(void **state)
{
    tempo_worker_options o;
    bool failed = true;

    (void)state;
    tempo_worker_options_init(&o);
    for (size_t k = 0; failed; k++) {
        tempo_err err = {0};
        tempo_worker *w;
        test_fail_allocation(k);
        const tempo_status st = tempo_worker_start(&w, bench.alone, &o, &err);
        failed = test_allocation_failed();
        assert_int_equal(st, failed ? TEMPO_E_NOMEM : TEMPO_OK);
        assert_true((w == NULL) == failed);
        tempo_worker_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job),
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_start),
    };
    tempo_worker_options o;
    tempo_err err = {0};

    tempo_worker_options_init(&o);
    bench.model = test_open_synthetic("llama", TEMPO_F32);
    bench.n_vocab = tempo_model_get_info(bench.model)->n_vocab;
    bench.engine = test_engine(bench.model, 2);
    bench.alone = test_engine(bench.model, 1);
    for (size_t i = 0; i < PROMPT; i++)
        prompt[i] = (int32_t)(1 + i * 37 % 280);
    if (tempo_worker_start(&bench.worker, bench.engine, &o, &err) != TEMPO_OK)
        return 1;
    const int failed = cmocka_run_group_tests_name("worker_nomem", tests, NULL, NULL);
    bench_close(&bench);
    return failed;
}
