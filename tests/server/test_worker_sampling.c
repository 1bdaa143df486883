/* How single tokens are drawn: what min_p and top_p leave, frequencies against q, and the same draws whoever
 * rides along. */
#include <math.h>

#include "run/sampling.h"
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

/* ---- by hand ---- */

enum { TOKENS = 8 };
static const double q_by_hand[TOKENS] = {0.05, 0.3, 0.0, 0.2, 0.2, 0.125, 0.1, 0.025};

/* Which tokens come up in many draws. */
static unsigned drawn(const tempo_sampling *s)
{
    double scratch[TOKENS];
    unsigned seen = 0;

    for (size_t step = 0; step < 4000; step++)
        seen |= 1u << tempo_sample(q_by_hand, TOKENS, s, step, scratch);
    return seen;
}

static void test_filters(void **state)
{
    static const struct {
        double top_p, min_p;
        unsigned stay; /* bits of tokens */
    } cases[] = {
        {1.0, 0.0, 0xfb},                                       /* all but the impossible one */
        {0.3, 0.0, 0x02},                                       /* the first reaches it exactly */
        {0.31, 0.0, 0x0a},                                      /* of two equal ones the lower id */
        {0.7, 0.0, 0x1a},                                       /* 0.3 + 0.2 + 0.2 */
        {0.71, 0.0, 0x3a}, {1e-9, 0.0, 0x02}, {1.0, 0.5, 0x1a}, /* at least 0.15 */
        {1.0, 1.0, 0x02},  {0.5, 0.5, 0x0a}, /* of what min_p left, 0.7 in all: 0.3 is less than half of it,
                                                0.5 is more */
        {0.42, 0.5, 0x02},                   /* 0.3 / 0.7 is enough; of the whole it would not be */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tempo_sampling s = {
            .on = true, .temperature = 1, .top_p = cases[i].top_p, .min_p = cases[i].min_p, .seed = 5};
        if (drawn(&s) != cases[i].stay)
            fail_msg("case %zu: tokens %x came up, expected %x", i, drawn(&s), cases[i].stay);
    }
}

/* Pearson's statistic of draws with seeds 0 .. n-1 against the probabilities p[TOKENS] that must hold. */
static double chi_square(const tempo_sampling *like, const double *p, size_t n)
{
    double scratch[TOKENS], x = 0;
    size_t count[TOKENS] = {0};

    for (uint64_t seed = 0; seed < n; seed++) {
        tempo_sampling s = *like;
        s.seed = seed;
        count[tempo_sample(q_by_hand, TOKENS, &s, 17, scratch)]++;
    }
    for (size_t i = 0; i < TOKENS; i++) {
        const double expected = p[i] * (double)n, d = (double)count[i] - expected;
        if (p[i] > 0)
            x += d * d / expected;
        else
            assert_int_equal(count[i], 0);
    }
    return x;
}

/* The seeds are fixed: these numbers are.  Bounds: the 99.9th percentiles of chi-square with 6 and 2 degrees
 * of freedom. */
static void test_frequencies(void **state)
{
    const double left[TOKENS] = {0, 0.3 / 0.7, 0, 0.2 / 0.7, 0.2 / 0.7, 0, 0, 0};

    (void)state;
    assert_true(chi_square(&(tempo_sampling){.top_p = 1}, q_by_hand, 100000) < 22.46);
    assert_true(chi_square(&(tempo_sampling){.top_p = 0.7}, left, 100000) < 13.82);
    assert_true(chi_square(&(tempo_sampling){.top_p = 1, .min_p = 0.5}, left, 100000) < 13.82);
}

/* Steps of one seed and seeds of one step are as good as independent: means, and neighbours' products. */
static void test_random_numbers(void **state)
{
    enum { N = 100000 };

    (void)state;
    for (int by_seed = 0; by_seed < 2; by_seed++) {
        double mean = 0, product = 0, before = tempo_sample_uniform(7, 0);
        for (uint64_t i = 1; i <= N; i++) {
            const double u = by_seed ? tempo_sample_uniform(7 + i, 0) : tempo_sample_uniform(7, i);
            assert_true(u >= 0 && u < 1);
            mean += u / N;
            product += (u - 0.5) * (before - 0.5) / N;
            before = u;
        }
        assert_true(fabs(mean - 0.5) < 4 * sqrt(1.0 / 12 / N)); /* 4 standard deviations */
        assert_true(fabs(product) < 4 * sqrt(1.0 / 144 / N));
    }
    assert_true(tempo_sample_uniform(1, 2) != tempo_sample_uniform(2, 1));
}

/* ---- through the worker ---- */

enum { PROMPT = 12, STEPS = 16 };

static tempo_job_options sampled(const int32_t *prompt, double temperature, uint64_t seed)
{
    tempo_job_options o = job_options(prompt, PROMPT, TEMPO_VISIBLE, STEPS);

    o.sampling =
        (tempo_sampling){.on = true, .temperature = temperature, .top_p = 0.9, .min_p = 0.01, .seed = seed};
    return o;
}

static void take_ids(tempo_job *j, int32_t *ids)
{
    for (size_t t = 0; t < STEPS; t++) {
        tempo_event *e = next_event(j, TEMPO_EVENT_SET);
        assert_int_equal(e->set.n_members, 1);
        ids[t] = e->set.members[0].id;
        tempo_event_free(e);
    }
    expect_done(j);
}

/* The tokens are those that sampling from a decoder's own q gives, with that q as their probability. */
static void test_direct(void **state)
{
    int32_t prompt[PROMPT];
    double *scratch = calloc(bench.n_vocab, sizeof(*scratch));
    tempo_err err = {0};

    (void)state;
    fill_prompt(prompt, PROMPT, 2);
    const tempo_job_options o = sampled(prompt, 1.5, 99);
    tempo_job_options plain = o;
    plain.arms[0].decoding.temperature = 1.5;
    tempo_decoder *d = decoder_alone(&bench, &plain, 0);
    tempo_job *j = submit(&bench, &o);
    for (size_t t = 0; t < STEPS; t++) {
        assert_int_equal(tempo_decoders_read(&d, 1, NULL, &err), TEMPO_OK);
        const double *q = tempo_decoder_distribution(d);
        const int32_t id = tempo_sample(q, bench.n_vocab, &o.sampling, t, scratch);
        const tempo_member one = {id, q[id], -1, 0};
        assert_int_equal(tempo_decoder_adopt(d, &(tempo_set){.n_members = 1, .members = &one}, &err),
                         TEMPO_OK);
        tempo_event *e = next_event(j, TEMPO_EVENT_SET);
        assert_int_equal(e->set.members[0].id, id);
        assert_true(e->set.members[0].probability == q[id]);
        tempo_event_free(e);
    }
    expect_done(j);
    tempo_decoder_free(d);
    free(scratch);
}

static void test_reproducible(void **state)
{
    int32_t prompt[PROMPT], alone[STEPS], again[STEPS], other[STEPS], others[4][STEPS];
    tempo_job *jobs[5];

    (void)state;
    fill_prompt(prompt, PROMPT, 6);
    const tempo_job_options o = sampled(prompt, 1.2, 11);
    take_ids(submit(&bench, &o), alone);
    for (size_t i = 0; i < 4; i++) {
        const tempo_job_options p = sampled(prompt, 1.2, 1000 + i);
        jobs[i] = submit(&bench, &p);
    }
    jobs[4] = submit(&bench, &o);
    for (size_t i = 0; i < 4; i++)
        take_ids(jobs[i], others[i]);
    take_ids(jobs[4], again);
    assert_memory_equal(alone, again, sizeof(alone));
    const tempo_job_options p = sampled(prompt, 1.2, 12);
    take_ids(submit(&bench, &p), other);
    assert_memory_not_equal(alone, other, sizeof(alone));
}

/* Temperature 0 takes the most probable token, whatever the seed. */
static void test_greedy(void **state)
{
    int32_t prompt[PROMPT], ids[STEPS];
    tempo_err err = {0};

    (void)state;
    fill_prompt(prompt, PROMPT, 8);
    const tempo_job_options o = sampled(prompt, 0, 3);
    tempo_job_options greedy = job_options(prompt, PROMPT, TEMPO_VISIBLE, STEPS);
    greedy.arms[0].decoding.threshold = 1;
    take_ids(submit(&bench, &o), ids);
    tempo_decoder *d = decoder_alone(&bench, &greedy, 0);
    for (size_t t = 0; t < STEPS; t++) {
        assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
        assert_int_equal(tempo_decoder_last_set(d)->members[0].id, ids[t]);
    }
    tempo_decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),        cmocka_unit_test(test_frequencies),
        cmocka_unit_test(test_random_numbers), cmocka_unit_test(test_direct),
        cmocka_unit_test(test_reproducible),   cmocka_unit_test(test_greedy),
    };

    return cmocka_run_group_tests_name("worker_sampling", tests, setup, teardown);
}
