/* worker_jobs.h - what the tests of the worker share: one engine for it, one to compare with, and what jobs gave. */
#ifndef TEMPO_TESTS_SERVER_WORKER_JOBS_H
#define TEMPO_TESTS_SERVER_WORKER_JOBS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/worker/worker.h"
#include "support/models.h"

enum { WAIT_MS = 60000 }; /* for events that will come; nothing is measured by it */

typedef struct test_bench {
    tempo_model *model;
    tempo_engine *engine, *alone; /* the worker's, and one to compare with */
    tempo_worker *worker;
    size_t n_vocab;
} test_bench;

static inline void bench_open(test_bench *b, const tempo_worker_options *o)
{
    tempo_err err = {0};

    b->model = test_open_model("models/tempo-tiny");
    b->n_vocab = tempo_model_get_info(b->model)->n_vocab;
    b->engine = test_engine(b->model, 2);
    b->alone = test_engine(b->model, 1);
    if (tempo_worker_start(&b->worker, b->engine, o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static inline void bench_close(test_bench *b)
{
    tempo_worker_free(b->worker);
    tempo_engine_free(b->engine);
    tempo_engine_free(b->alone);
    tempo_model_free(b->model);
}

/* One arm, a threshold that gives sets of several members on the built-in model, no stop. */
static inline tempo_job_options job_options(const int32_t *prompt, size_t n, tempo_mode mode, size_t steps)
{
    tempo_job_options o = {.prompt = prompt, .n_prompt = n, .n_arms = 1};

    tempo_decode_options_init(&o.arms[0].decoding);
    o.arms[0].decoding.mode = mode;
    o.arms[0].decoding.threshold = 0.02;
    o.arms[0].decoding.max_set = 5;
    o.arms[0].decoding.steps = steps;
    o.arms[0].decoding.stop = TEMPO_STOP_NEVER;
    return o;
}

/* n arms, all like the first one, named by their numbers. */
static inline void repeat_arm(tempo_job_options *o, size_t n)
{
    o->n_arms = n;
    for (size_t i = 0; i < n; i++) {
        o->arms[i] = o->arms[0];
        o->arms[i].name[0] = (char)('0' + i);
    }
}

static inline tempo_job *submit(test_bench *b, const tempo_job_options *o)
{
    tempo_err err = {0};
    tempo_job *j;

    if (tempo_job_submit(&j, b->worker, o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return j;
}

/* The next event, which must be of this kind. */
static inline tempo_event *next_event(tempo_job *j, tempo_event_kind kind)
{
    tempo_event *e = tempo_job_next(j, WAIT_MS);

    assert_non_null(e);
    if (e->kind == TEMPO_EVENT_ERROR && kind != TEMPO_EVENT_ERROR)
        fail_msg("%s", e->err.msg);
    assert_int_equal(e->kind, kind);
    return e;
}

static inline void expect_done(tempo_job *j)
{
    tempo_event_free(next_event(j, TEMPO_EVENT_DONE));
    assert_null(tempo_job_next(j, 0));
    tempo_job_close(j);
}

static inline tempo_decoder *decoder_alone(test_bench *b, const tempo_job_options *o, size_t arm)
{
    tempo_err err = {0};
    tempo_decoder *d;

    if (tempo_decoder_create(&d, b->alone, &o->arms[arm].decoding, o->prompt, o->n_prompt, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return d;
}

/* Every number of the two sets, bit for bit. */
static inline void assert_same_set(const tempo_set *a, const tempo_set *b)
{
    assert_int_equal(a->step, b->step);
    assert_true(a->position == b->position && a->threshold == b->threshold && a->entropy == b->entropy);
    assert_int_equal(a->n_reached, b->n_reached);
    assert_true(a->capped == b->capped && a->eos == b->eos);
    assert_int_equal(a->n_members, b->n_members);
    for (size_t i = 0; i < a->n_members; i++) {
        assert_int_equal(a->members[i].id, b->members[i].id);
        assert_int_equal(a->members[i].slot, b->members[i].slot);
        assert_true(a->members[i].probability == b->members[i].probability);
        assert_true(a->members[i].position == b->members[i].position);
    }
}

/* What a test prompt of n tokens is; different for each seed. */
static inline void fill_prompt(int32_t *ids, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(260 + (i * 37 + seed * 101) % 900);
}

#endif
