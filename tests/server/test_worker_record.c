/* Recorded attention and its summaries against the views of a decoder alone; the bound on what is kept. */
#include <math.h>

#include "metrics/recorded.h"
#include "server/worker_jobs.h"

enum { PROMPT = 140, STEPS = 5, TOP = 4 };

static test_bench bench;
static int32_t prompt[PROMPT];

static int setup(void **state)
{
    tempo_worker_options o;

    (void)state;
    tempo_worker_options_init(&o);
    bench_open(&bench, &o);
    fill_prompt(prompt, PROMPT, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_close(&bench);
    return 0;
}

/* ---- what a decoder's step reads, kept as its views come ---- */

typedef struct seen {
    float *data; /* [layers, heads, rows, slots] */
    size_t n_rows, n_slots, at;
    uint32_t n_layers, n_heads;
} seen;

static bool keep_view(void *user, const tempo_tap_view *view)
{
    seen *s = user;
    const size_t row = s->at++ % s->n_rows;

    assert_int_equal(view->dims[1], s->n_slots);
    for (size_t h = 0; h < s->n_heads; h++)
        memcpy(s->data + ((view->layer * s->n_heads + h) * s->n_rows + row) * s->n_slots,
               view->values + h * s->n_slots, s->n_slots * sizeof(float));
    return true;
}

static size_t slots_of(const tempo_set *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n_members; i++)
        n += set->members[i].slot >= 0;
    return n;
}

/* Step, or close once it has stopped. */
static seen step_alone(tempo_decoder *d, size_t n_slots)
{
    const tempo_model_info *info = tempo_model_get_info(bench.model);
    const tempo_set *last = tempo_decoder_last_set(d);
    seen s = {.n_rows = last == NULL ? 1 : slots_of(last),
              .n_slots = n_slots,
              .n_layers = info->n_layers,
              .n_heads = info->n_heads};
    const tempo_observer obs = {.user = &s,
                                .view = keep_view,
                                .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                .n_taps = 1};
    tempo_err err = {0};

    s.data = calloc(s.n_layers * s.n_heads * s.n_rows * n_slots, sizeof(float));
    assert_non_null(s.data);
    if (tempo_decoder_stopped(d) == TEMPO_RUNNING)
        assert_int_equal(tempo_decoders_step(&d, 1, &obs, &err), TEMPO_OK);
    else
        assert_int_equal(tempo_decoder_close_pass(d, &obs, &err), TEMPO_OK);
    assert_int_equal(s.at, s.n_layers * s.n_rows);
    return s;
}

/* ---- */

static void assert_summary(const tempo_attention_summary *a, const tempo_recorded_step *s)
{
    const size_t maps = (size_t)s->n_layers * s->n_heads, keys = s->n_rows * TOP;
    float sibling[64], entropy[64], sink[64];
    float *weights = calloc(keys, sizeof(*weights));
    int64_t *slots = calloc(keys, sizeof(*slots));

    assert_true(maps <= 64);
    assert_int_equal(a->n_rows, s->n_rows);
    assert_int_equal(a->n_slots, s->n_slots);
    assert_int_equal(a->n_layers, s->n_layers);
    assert_int_equal(a->n_heads, s->n_heads);
    assert_int_equal(a->n_keys, TOP);
    tempo_attention_summarise(s, TOP, sibling, entropy, sink, slots, weights);
    assert_memory_equal(a->query_slots, s->query_slots, s->n_rows * sizeof(int64_t));
    assert_memory_equal(a->sibling_mass, sibling, maps * sizeof(float));
    assert_memory_equal(a->entropy, entropy, maps * sizeof(float));
    assert_memory_equal(a->sink, sink, maps * sizeof(float));
    assert_memory_equal(a->key_slots, slots, keys * sizeof(int64_t));
    assert_memory_equal(a->key_weights, weights, keys * sizeof(float));
    free(slots);
    free(weights);
}

static void assert_recorded(const tempo_recorded_step *r, const seen *s, size_t step)
{
    assert_int_equal(r->step, step);
    assert_int_equal(r->n_rows, s->n_rows);
    assert_int_equal(r->n_slots, s->n_slots);
    assert_int_equal(r->n_layers, s->n_layers);
    assert_int_equal(r->n_heads, s->n_heads);
    for (size_t i = 0; i < s->n_rows; i++)
        assert_int_equal(r->query_slots[i], s->n_slots - s->n_rows + i);
    assert_memory_equal(r->data, s->data, s->n_layers * s->n_heads * s->n_rows * s->n_slots * sizeof(float));
}

/* Options of two arms; both give sets of several members. */
static tempo_job_options two_arms(void)
{
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_VISIBLE, STEPS);

    o.n_arms = 2;
    o.arms[1] = o.arms[0];
    o.arms[1].decoding.mode = TEMPO_ISOLATED;
    o.arms[1].decoding.context = TEMPO_CONTEXT_TOP;
    o.want_attention = true;
    o.top_keys = TOP;
    return o;
}

/* The attention events of a job, [arm][step], the closing ones last; others are dropped. */
static void take_summaries(tempo_job *j, tempo_event *got[2][STEPS + 1])
{
    memset(got, 0, sizeof(*got) * 2);
    for (;;) {
        tempo_event *e = tempo_job_next(j, WAIT_MS);
        assert_non_null(e);
        const tempo_event_kind kind = e->kind;
        if (kind == TEMPO_EVENT_ERROR)
            fail_msg("%s", e->err.msg);
        if (kind == TEMPO_EVENT_ATTENTION) {
            assert_true(e->arm < 2 && e->step <= STEPS && got[e->arm][e->step] == NULL);
            assert_int_equal(e->attention.closing, e->step == STEPS);
            got[e->arm][e->step] = e;
        } else {
            if (kind == TEMPO_EVENT_SET && got[e->arm][e->step] == NULL)
                fail_msg("the set of step %zu came before its attention", e->step);
            tempo_event_free(e);
        }
        if (kind == TEMPO_EVENT_DONE)
            return;
    }
}

static void free_summaries(tempo_event *got[2][STEPS + 1])
{
    for (size_t i = 0; i < 2 * (STEPS + 1); i++)
        tempo_event_free(got[i / (STEPS + 1)][i % (STEPS + 1)]);
}

static void test_recorded(void **state)
{
    tempo_job_options o = two_arms(), other = job_options(prompt, 20, TEMPO_VISIBLE, STEPS + 3);
    tempo_event *got[2][STEPS + 1], *plain[2][STEPS + 1];

    (void)state;
    o.record = true;
    tempo_job *beside = submit(&bench, &other), *j = submit(&bench, &o);
    take_summaries(j, got);
    o.record = false;
    tempo_job *unrecorded = submit(&bench, &o);
    take_summaries(unrecorded, plain);
    assert_null(tempo_job_recording(unrecorded));
    tempo_recording *r = tempo_job_recording(j);
    assert_false(tempo_recording_incomplete(r));
    for (size_t arm = 0; arm < 2; arm++) {
        tempo_decoder *d = decoder_alone(&bench, &o, arm);
        size_t n_slots = PROMPT, widest = 0, n_labels;
        tempo_slot *labels = tempo_job_slots(j, arm, &n_labels);
        assert_int_equal(tempo_recording_steps(r, arm), STEPS + 1);
        for (size_t t = 0; t <= STEPS; t++) {
            seen s = step_alone(d, n_slots);
            tempo_recorded_step step;
            assert_true(tempo_recording_step(r, arm, t, &step));
            assert_recorded(&step, &s, t);
            for (size_t i = 0; i < n_slots; i++)
                assert_int_equal(step.sets[i], labels[i].set);
            assert_non_null(got[arm][t]);
            assert_summary(&got[arm][t]->attention, &step);
            if (t < STEPS)
                assert_summary(&plain[arm][t]->attention, &step); /* by the other way, to the last bit */
            else
                assert_null(plain[arm][t]);
            tempo_recorded_step_free(&step);
            widest = s.n_rows > widest ? s.n_rows : widest;
            n_slots += t < STEPS ? slots_of(tempo_decoder_last_set(d)) : 0;
            free(s.data);
        }
        assert_int_equal(n_labels, n_slots);
        assert_true(arm == 0 ? widest > 1 : widest == 1);
        free(labels);
        tempo_decoder_free(d);
    }
    tempo_recorded_step none;
    assert_false(tempo_recording_step(r, 0, STEPS + 1, &none));
    assert_false(tempo_recording_step(r, 2, 0, &none));
    tempo_recorded_step_free(&none);
    tempo_recording_free(r);
    free_summaries(got);
    free_summaries(plain);
    tempo_job_close(j);
    tempo_job_close(unrecorded);
    tempo_job_close(beside);
}

/* ---- the bound ---- */

static void restart(uint64_t max_recorded)
{
    tempo_worker_options o;
    tempo_err err = {0};

    tempo_worker_free(bench.worker);
    tempo_worker_options_init(&o);
    o.max_recorded = max_recorded;
    if (tempo_worker_start(&bench.worker, bench.engine, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static tempo_recording *record_one(const tempo_job_options *o)
{
    tempo_job *j = submit(&bench, o);

    for (size_t t = 0; t < o->arms[0].decoding.steps; t++)
        tempo_event_free(next_event(j, TEMPO_EVENT_SET));
    tempo_recording *r = tempo_job_recording(j);
    expect_done(j);
    return r;
}

static uint64_t kept(void)
{
    return tempo_worker_get_counts(bench.worker).recorded_bytes;
}

/* The oldest that nobody decodes goes first, whole; who reads it keeps what it reads; a number of steps that
 * alone is too much is cut short, and the job goes on. */
static void test_bound(void **state)
{
    tempo_job_options o = job_options(prompt, 40, TEMPO_VISIBLE, STEPS);
    tempo_recorded_step step;

    (void)state;
    o.record = true;
    restart(UINT64_C(1) << 30);
    tempo_recording *r = record_one(&o);
    const uint64_t each = tempo_recording_bytes(r);
    assert_true(each > 0 && each == kept());
    tempo_recording_free(r);
    assert_int_equal(kept(), 0); /* the job was closed: nobody has it any more */

    restart(2 * each + each / 2);
    tempo_recording *a = record_one(&o), *b = record_one(&o);
    assert_int_equal(kept(), 2 * each);
    tempo_recording *c = record_one(&o);
    assert_true(tempo_recording_incomplete(a) && !tempo_recording_incomplete(b) &&
                !tempo_recording_incomplete(c));
    assert_int_equal(tempo_recording_bytes(a), 0);
    assert_int_equal(tempo_recording_steps(a, 0), 0);
    assert_false(tempo_recording_step(a, 0, 0, &step));
    assert_int_equal(kept(), 2 * each);
    assert_true(tempo_recording_step(b, 0, STEPS, &step)); /* read while it is dropped */
    float *copy = calloc(step.n_slots, sizeof(*copy));
    memcpy(copy, step.data, step.n_slots * sizeof(*copy));
    tempo_recording *e = record_one(&o);
    assert_int_equal(tempo_recording_bytes(b), 0);
    assert_false(tempo_recording_incomplete(e));
    assert_memory_equal(copy, step.data, step.n_slots * sizeof(*copy));
    assert_true(kept() > 2 * each); /* it counts while it is read */
    tempo_recorded_step_free(&step);
    assert_int_equal(kept(), 2 * each);
    free(copy);

    restart(each / 2);
    tempo_recording *cut = record_one(&o);
    assert_true(tempo_recording_incomplete(cut));
    const size_t steps = tempo_recording_steps(cut, 0);
    assert_true(steps > 0 && steps < STEPS + 1);
    assert_true(kept() <= each / 2);
    restart(UINT64_C(1) << 30); /* recordings outlive their worker */
    assert_true(tempo_recording_step(cut, 0, 0, &step));
    tempo_recorded_step_free(&step);
    tempo_recording_free(a);
    tempo_recording_free(b);
    tempo_recording_free(c);
    tempo_recording_free(e);
    tempo_recording_free(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_bound),
    };

    return cmocka_run_group_tests_name("worker_record", tests, setup, teardown);
}
