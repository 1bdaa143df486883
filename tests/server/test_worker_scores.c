/* Log probabilities of sets and of prompts, and comparisons of arms, against what the definitions say. */
#include <math.h>

#include "server/worker_jobs.h"
#include "server/worker/parts.h"

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

/* log softmax of one logit, in long double and without the worker's shortcuts. */
static double log_softmax(const float *logits, size_t n, int32_t id)
{
    long double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += expl((long double)logits[i] - (long double)logits[id]);
    return (double)-logl(sum);
}

static void assert_close(double a, double b)
{
    if (!(fabs(a - b) <= 1e-12 * (1 + fabs(b)))) /* n u |x| with n below 1e4 */
        fail_msg("%.17g, expected %.17g", a, b);
}

/* Descending, and nothing that is left out is greater than the last. */
static void assert_best(const tempo_token_score *s, size_t n, const double *logprobs)
{
    for (size_t i = 0; i < n; i++)
        assert_true(i == 0 || s[i].logprob <= s[i - 1].logprob);
    for (size_t v = 0; v < bench.n_vocab; v++) {
        bool listed = false;
        for (size_t i = 0; i < n; i++)
            listed = listed || s[i].id == (int32_t)v;
        assert_true(listed || logprobs[v] <= s[n - 1].logprob);
    }
}

/* One row a step: its logits without the temperature of the sampling; several: the mixture's q. */
static void test_sets(void **state)
{
    enum { PROMPT = 9, STEPS = 6, TOP = 4 };
    int32_t prompt[PROMPT];
    double *logprobs = calloc(bench.n_vocab, sizeof(*logprobs));
    tempo_err err = {0};

    (void)state;
    fill_prompt(prompt, PROMPT, 1);
    for (int sampled = 0; sampled < 2; sampled++) {
        size_t several = 0;
        tempo_job_options o = job_options(prompt, PROMPT, TEMPO_ISOLATED, STEPS);
        o.want_scores = true;
        o.top_scores = TOP;
        if (sampled)
            o.sampling = (tempo_sampling){.on = true, .temperature = 3, .top_p = 1, .seed = 8};
        tempo_decoder *d = decoder_alone(&bench, &o, 0);
        tempo_job *j = submit(&bench, &o);
        for (size_t t = 0; t < STEPS; t++) {
            tempo_event *e = next_event(j, TEMPO_EVENT_SET);
            assert_int_equal(tempo_decoders_read(&d, 1, NULL, &err), TEMPO_OK);
            const bool one = tempo_decoder_row_count(d) == 1;
            several += !one;
            for (size_t v = 0; v < bench.n_vocab; v++)
                logprobs[v] = one ? log_softmax(tempo_decoder_row_logits(d, 0), bench.n_vocab, (int32_t)v)
                                  : log(tempo_decoder_distribution(d)[v]);
            assert_int_equal(e->n_scores, 1 + TOP);
            assert_int_equal(e->scores[0].id, e->set.members[0].id);
            for (size_t i = 0; i <= TOP; i++)
                assert_close(e->scores[i].logprob, logprobs[e->scores[i].id]);
            assert_best(e->scores + 1, TOP, logprobs);
            assert_int_equal(tempo_decoder_adopt(d, &e->set, &err), TEMPO_OK);
            tempo_event_free(e);
        }
        expect_done(j);
        tempo_decoder_free(d);
        assert_true(sampled ? several == 0 : several > 0);
    }
    free(logprobs);
}

/* Each prompt token from the second on, whatever its length, and then the sets if there are to be any. */
static void test_prompt(void **state)
{
    enum { LONGEST = 70, TOP = 3 };
    static const size_t lengths[] = {1, 2, 33, 34, LONGEST};
    int32_t prompt[LONGEST];
    float *logits = calloc(LONGEST * bench.n_vocab, sizeof(*logits));

    (void)state;
    fill_prompt(prompt, LONGEST, 5);
    tempo_seq *seq = test_seq(bench.alone, TEMPO_KV_F32);
    test_append(bench.alone, seq, prompt, LONGEST, true, TEMPO_ISOLATED, NULL, logits);
    tempo_seq_free(seq);
    for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
        const size_t n = lengths[k];
        tempo_job_options o = job_options(prompt, n, TEMPO_ISOLATED, 1);
        o.n_arms = k % 2;
        o.score_prompt = o.want_scores = true;
        o.top_scores = TOP;
        tempo_job *j = submit(&bench, &o);
        for (size_t i = 1; i < n; i++) {
            tempo_event *e = next_event(j, TEMPO_EVENT_PROMPT);
            const float *row = logits + (i - 1) * bench.n_vocab;
            assert_int_equal(e->step, i);
            assert_int_equal(e->n_scores, 1 + TOP);
            assert_int_equal(e->scores[0].id, prompt[i]);
            for (size_t s = 0; s <= TOP; s++) {
                assert_close(e->scores[s].logprob, log_softmax(row, bench.n_vocab, e->scores[s].id));
                assert_true(s < 2 || e->scores[s].logprob <= e->scores[s - 1].logprob);
            }
            for (size_t v = 0; v < bench.n_vocab; v++)
                assert_true(row[v] <= row[e->scores[1].id]);
            tempo_event_free(e);
        }
        for (size_t i = 0; i < o.n_arms; i++)
            tempo_event_free(next_event(j, TEMPO_EVENT_SET));
        expect_done(j);
    }
    free(logits);
}

/* A long prompt under scoring does not keep others from decoding, and going away ends it. */
static void test_prompt_beside_others(void **state)
{
    enum { PROMPT = 400, STEPS = 6 };
    int32_t prompt[PROMPT];

    (void)state;
    fill_prompt(prompt, PROMPT, 7);
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_ISOLATED, 1);
    o.n_arms = 0;
    o.score_prompt = true;
    tempo_job *scored = submit(&bench, &o), *goes = submit(&bench, &o);
    tempo_event *e = next_event(scored, TEMPO_EVENT_PROMPT);
    assert_int_equal(e->n_scores, 1);
    tempo_event_free(e);
    const tempo_job_options other = job_options(prompt, 3, TEMPO_VISIBLE, STEPS);
    tempo_job *j =
        submit(&bench, &other); /* the events of `scored` are not taken: it is held, or under way */
    tempo_job_close(goes);
    for (size_t t = 0; t < STEPS; t++)
        tempo_event_free(next_event(j, TEMPO_EVENT_SET));
    expect_done(j);
    for (size_t i = 2; i < PROMPT; i++)
        tempo_event_free(next_event(scored, TEMPO_EVENT_PROMPT));
    expect_done(scored);
}

/* ---- comparisons ---- */

/* The definitions, in long double. */
static void compare_by_hand(const double *p, const double *q, size_t n, double *kl, double *tv)
{
    long double k = 0, t = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] > 0)
            k += (long double)p[i] * logl((long double)p[i] / (long double)q[i]);
        t += fabsl((long double)p[i] - (long double)q[i]) / 2;
    }
    *kl = (double)k;
    *tv = (double)t;
}

static bool same_sets(const tempo_set *a, const tempo_set *b)
{
    bool same = a->n_members == b->n_members;

    for (size_t i = 0; i < a->n_members && same; i++) {
        bool found = false;
        for (size_t k = 0; k < b->n_members; k++)
            found = found || a->members[i].id == b->members[k].id;
        same = found;
    }
    return same;
}

static void test_comparisons(void **state)
{
    enum { PROMPT = 6, STEPS = 8, ARMS = 3 };
    int32_t prompt[PROMPT];
    tempo_decoder *d[ARMS];
    size_t same = 0, different = 0;
    tempo_err err = {0};

    (void)state;
    fill_prompt(prompt, PROMPT, 3);
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_ISOLATED, STEPS);
    o.n_arms = ARMS;
    o.arms[1] = o.arms[2] = o.arms[0];
    o.arms[1].decoding.mode = TEMPO_VISIBLE;
    o.arms[2].decoding.mode = TEMPO_CAUSAL;
    o.arms[0].decoding.steps = 6; /* the last comparisons are of the second against the third */
    for (size_t i = 0; i < ARMS; i++)
        d[i] = decoder_alone(&bench, &o, i);
    tempo_job *j = submit(&bench, &o);
    for (size_t t = 0; t < STEPS; t++) {
        const size_t first = t < 6 ? 0 : 1;
        for (size_t i = first; i < ARMS; i++) {
            tempo_event_free(next_event(j, TEMPO_EVENT_SET));
            assert_int_equal(tempo_decoders_step(&d[i], 1, NULL, &err), TEMPO_OK);
        }
        tempo_event *e = next_event(j, TEMPO_EVENT_COMPARE);
        const tempo_job_comparison *c = &e->compare;
        bool all_same = true;
        assert_int_equal(e->step, t);
        assert_int_equal(c->of.n, ARMS - first);
        for (size_t i = 0; i < c->of.n; i++) {
            const tempo_decoder *a = d[first], *b = d[first + i];
            double kl, tv;
            compare_by_hand(tempo_decoder_distribution(a), tempo_decoder_distribution(b), bench.n_vocab, &kl,
                            &tv);
            assert_int_equal(c->arm[i], first + i);
            assert_true(fabs(c->kl[i] - kl) <= 1e-12); /* the sum of q is 1 to about 1e-15 */
            assert_true(fabs(c->tv[i] - tv) <= 1e-13);
            assert_true(t == 0 || i == 0 || c->tv[i] > 0);
            all_same = all_same && same_sets(tempo_decoder_last_set(a), tempo_decoder_last_set(b));
        }
        assert_int_equal(c->of.sets != TEMPO_SETS_DIFFERENT, all_same);
        same += all_same;
        different += !all_same;
        tempo_event_free(e);
    }
    assert_true(same > 0 && different > 0);
    expect_done(j);
    for (size_t i = 0; i < ARMS; i++)
        tempo_decoder_free(d[i]);
}

static void test_best_tokens(void **state)
{
    static const double values[] = {1, 5, 3, 5, -(double)INFINITY, 4};
    static const int32_t expected[] = {1, 3, 5, 2, 0, 4};
    int32_t ids[8];

    (void)state;
    for (size_t k = 0; k <= 8; k++) {
        const size_t n = k < 6 ? k : 6;
        assert_int_equal(tempo_top_k(values, 6, k, ids), n);
        assert_memory_equal(ids, expected, n * sizeof(*ids));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_prompt_beside_others),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_best_tokens),
    };

    return cmocka_run_group_tests_name("worker_scores", tests, setup, teardown);
}
