/* Jobs that do parts instead of decoding: others' steps go between, works take turns, and what they hold is
 * given back. */
#include <stdatomic.h>
#include <time.h>

#include <jansson.h>

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

/* A work of so many parts; each runs one row, and tells its number if it is to tell. */
typedef struct counting {
    size_t parts, fails_at;
    bool tells;
    tempo_seq *seq;
    atomic_size_t done;
    atomic_int released, freed; /* in which order */
    atomic_int *order;
} counting;

static tempo_status count_part(void *user, tempo_engine *e, const tempo_observer *obs, tempo_work_part *out,
                               tempo_err *err)
{
    counting *c = user;
    tempo_row row = {.token = 5};
    tempo_status st = TEMPO_OK;

    tempo_seq_free(c->seq);
    c->seq = NULL;
    if ((st = tempo_seq_create(&c->seq, e, NULL, err)) != TEMPO_OK)
        return st;
    row.seq = c->seq;
    if ((st = tempo_engine_forward(e, &row, 1, obs, err)) != TEMPO_OK)
        return st;
    const size_t n = atomic_fetch_add(&c->done, 1);
    if (c->fails_at == n + 1)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "part %zu fails", n);
    out->told = c->tells ? json_integer((json_int_t)n) : NULL;
    out->rows = 1;
    out->more = n + 1 < c->parts;
    return TEMPO_OK;
}

static void count_release(void *user)
{
    counting *c = user;

    tempo_seq_free(c->seq);
    c->seq = NULL;
    atomic_store(&c->released, atomic_fetch_add(c->order, 1) + 1);
}

static void count_free(void *user)
{
    counting *c = user;

    atomic_store(&c->freed, atomic_fetch_add(c->order, 1) + 1);
}

static const int32_t one_token[1] = {5};

static tempo_job_options work_options(counting *c, size_t parts, bool tells, atomic_int *order)
{
    *c = (counting){.parts = parts, .tells = tells, .order = order};
    return (tempo_job_options){
        .prompt = one_token,
        .n_prompt = 1,
        .work = {.part = count_part, .release = count_release, .free = count_free, .user = c, .slots = 1}};
}

static void pause_ms(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void await_freed(counting *c)
{
    while (atomic_load(&c->freed) == 0)
        pause_ms();
    assert_true(atomic_load(&c->released) > 0 && atomic_load(&c->released) < atomic_load(&c->freed));
}

static void test_parts_are_told(void **state)
{
    atomic_int order = 0;
    counting c;
    const tempo_job_options o = work_options(&c, 100, true, &order); /* more than wait in one job */
    tempo_job *j = submit(&bench, &o);
    const tempo_worker_counts before = tempo_worker_get_counts(bench.worker);

    (void)state;
    for (json_int_t i = 0; i < 100; i++) {
        tempo_event *e = next_event(j, TEMPO_EVENT_PART);
        assert_int_equal(json_integer_value(e->told), i);
        tempo_event_free(e);
    }
    assert_true(tempo_worker_get_counts(bench.worker).rows > before.rows);
    expect_done(j);
    await_freed(&c);
}

/* Two works that never end: a job of many steps comes to its end all the same, and both works go on. */
static void test_others_go_between(void **state)
{
    atomic_int order = 0;
    counting c[2];
    tempo_job *works[2];
    int32_t prompt[8];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const tempo_job_options o = work_options(&c[i], SIZE_MAX, false, &order);
        works[i] = submit(&bench, &o);
    }
    fill_prompt(prompt, 8, 3);
    const tempo_job_options o = job_options(prompt, 8, TEMPO_VISIBLE, 20);
    tempo_job *j = submit(&bench, &o);
    for (size_t i = 0; i < 20; i++)
        tempo_event_free(next_event(j, TEMPO_EVENT_SET));
    expect_done(j);
    for (size_t i = 0; i < 2; i++) {
        const size_t done = atomic_load(&c[i].done);
        while (atomic_load(&c[i].done) <= done + 2)
            pause_ms();
        assert_null(tempo_job_next(works[i], 0));
    }
    for (size_t i = 0; i < 2; i++) {
        tempo_job_close(works[i]);
        await_freed(&c[i]);
    }
}

static void test_failure(void **state)
{
    atomic_int order = 0;
    counting c;
    const tempo_job_options o = work_options(&c, 100, true, &order);

    (void)state;
    c.fails_at = 3;
    tempo_job *j = submit(&bench, &o);
    for (size_t i = 0; i < 2; i++)
        tempo_event_free(next_event(j, TEMPO_EVENT_PART));
    tempo_event *e = next_event(j, TEMPO_EVENT_ERROR);
    assert_string_equal(e->err.msg, "part 2 fails");
    tempo_event_free(e);
    tempo_job_close(j);
    await_freed(&c);
}

/* What was refused stays its caller's. */
static void test_refused(void **state)
{
    atomic_int order = 0;
    counting c;
    tempo_job_options o = work_options(&c, 1, true, &order);
    tempo_err err = {0};
    tempo_job *j;

    (void)state;
    o.score_prompt = true;
    assert_int_equal(tempo_job_submit(&j, bench.worker, &o, &err), TEMPO_E_ARG);
    o.score_prompt = false;
    o.prompt = (const int32_t[]){-1};
    assert_int_not_equal(tempo_job_submit(&j, bench.worker, &o, &err), TEMPO_OK);
    assert_int_equal(atomic_load(&order), 0);
}

/* Slots of works count: the newest ends when all together need too many. */
static void test_slots(void **state)
{
    atomic_int order = 0;
    counting c;
    tempo_job_options o = work_options(&c, 3, true, &order);

    (void)state;
    o.work.slots = SIZE_MAX / 2;
    tempo_job *j = submit(&bench, &o);
    tempo_event *e = next_event(j, TEMPO_EVENT_ERROR);
    assert_int_equal(e->err.code, TEMPO_E_LIMIT);
    tempo_event_free(e);
    tempo_job_close(j);
    await_freed(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_are_told), cmocka_unit_test(test_others_go_between),
        cmocka_unit_test(test_failure),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_slots),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
