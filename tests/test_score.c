/* Scores of texts: to the bit what decoders read, whatever else is scored and in how many windows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/models.h"

enum { VOCAB = 4096, LONG = 300 };

typedef struct fixture {
    tempo_model *m;
    tempo_engine *e;
    int32_t ids[LONG];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));

    f->m = test_open_model("models/tempo-tiny");
    f->e = test_engine(f->m, 2);
    for (size_t i = 0; i < LONG; i++)
        f->ids[i] = (int32_t)((i * i * 31 + 7 * i) % 4000);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    tempo_engine_free(f->e);
    tempo_model_free(f->m);
    free(f);
    return 0;
}

static void score(const fixture *f, const tempo_score_text *texts, size_t n, const tempo_score_options *o,
                  tempo_score **out)
{
    tempo_err err = {0};

    if (tempo_score_create(out, f->e, texts, n, o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static void assert_same(const tempo_score *a, const tempo_score *b)
{
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_memory_equal(a->logprob, b->logprob, a->n_tokens * sizeof(double));
    assert_memory_equal(a->entropy, b->entropy, a->n_tokens * sizeof(double));
    assert_memory_equal(a->rank, b->rank, a->n_tokens * sizeof(uint32_t));
    assert_memory_equal(a->top_ids, b->top_ids, a->n_tokens * a->n_top * sizeof(int32_t));
    assert_memory_equal(a->top_logprob, b->top_logprob, a->n_tokens * a->n_top * sizeof(double));
}

/* What a decoder reads after ids[0 .. n). */
static void read_step(const fixture *f, size_t n, double *q, double *entropy)
{
    tempo_decode_options o;
    tempo_err err = {0};

    tempo_decode_options_init(&o);
    tempo_decoder *d = test_decoder(f->e, &o, f->ids, n);
    if (tempo_decoders_step(&d, 1, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    memcpy(q, tempo_decoder_distribution(d), VOCAB * sizeof(*q));
    *entropy = tempo_decoder_last_set(d)->entropy;
    tempo_decoder_free(d);
}

static void test_decoders(void **state)
{
    const fixture *f = *state;
    const tempo_score_text text = {.ids = f->ids, .n = LONG};
    const tempo_score_options o = {.size = sizeof(o), .top = 4};
    static const size_t places[] = {1, 2, 128, 129, LONG - 1};
    double *q = malloc(VOCAB * sizeof(*q)), entropy, sum = 0.0;
    tempo_score *s;

    score(f, &text, 1, &o, &s);
    assert_int_equal(s->n_tokens, LONG);
    assert_int_equal(s->n_scored, LONG - 1);
    assert_true(isnan(s->logprob[0]) && isnan(s->entropy[0]));
    assert_int_equal(s->rank[0], 0);
    assert_int_equal(s->top_ids[0], -1);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        const size_t at = places[i];
        read_step(f, at, q, &entropy);
        uint32_t rank = 1;
        for (size_t v = 0; v < VOCAB; v++)
            rank += q[v] > q[f->ids[at]];
        assert_memory_equal(&s->entropy[at], &entropy, sizeof(entropy));
        assert_true(fabs(s->logprob[at] - log(q[f->ids[at]])) < 1e-12);
        assert_int_equal(s->rank[at], rank);
        assert_int_equal(s->context[at], at);
        for (size_t k = 0; k < 4; k++) {
            assert_true(fabs(s->top_logprob[at * 4 + k] - log(q[s->top_ids[at * 4 + k]])) < 1e-12);
            assert_true(k == 0 || q[s->top_ids[at * 4 + k]] <= q[s->top_ids[at * 4 + k - 1]]);
        }
    }
    for (size_t i = 1; i < LONG; i++)
        sum += s->logprob[i];
    assert_true(fabs(sum - s->logprob_sum) < 1e-9 * fabs(sum));
    assert_true(fabs(s->perplexity - exp(-sum / (LONG - 1))) < 1e-6 * s->perplexity);
    tempo_score_free(s);
    free(q);
}

/* Texts of many lengths in one call, among them one of a single token and some that end with a pass. */
static void test_together(void **state)
{
    const fixture *f = *state;
    static const size_t lengths[] = {5, 1, 129, 2, LONG, 128, 3, 130, 17};
    enum { N = sizeof(lengths) / sizeof(*lengths) };
    const tempo_score_options o = {.size = sizeof(o), .top = 2};
    tempo_score_text texts[N];
    tempo_score *all[N], *one;

    for (size_t i = 0; i < N; i++)
        texts[i] = (tempo_score_text){.ids = f->ids + i, .n = lengths[i] - (lengths[i] == LONG ? i : 0)};
    score(f, texts, N, &o, all);
    for (size_t i = 0; i < N; i++) {
        score(f, &texts[i], 1, &o, &one);
        assert_same(all[i], one);
        assert_int_equal(one->n_scored, texts[i].n - 1);
        assert_true((texts[i].n == 1) == isnan(one->perplexity));
        tempo_score_free(one);
        tempo_score_free(all[i]);
    }
}

/* Each window is a text of its own, of which the tokens that no window before it had are scored. */
static void test_windows(void **state)
{
    const fixture *f = *state;
    enum { WINDOW = 90, STRIDE = 40 };
    const tempo_score_text text = {.ids = f->ids, .n = LONG};
    const tempo_score_options o = {.size = sizeof(o), .window = WINDOW, .stride = STRIDE};
    tempo_score *s, *w;

    score(f, &text, 1, &o, &s);
    assert_int_equal(s->n_scored, LONG - 1);
    for (size_t begin = 0, first = 1; first < LONG; begin += STRIDE) {
        const size_t end = begin + WINDOW < LONG ? begin + WINDOW : LONG;
        const tempo_score_text part = {.ids = f->ids + begin, .n = end - begin};
        score(f, &part, 1, NULL, &w);
        for (size_t i = first; i < end; i++) {
            assert_memory_equal(&s->logprob[i], &w->logprob[i - begin], sizeof(double));
            assert_int_equal(s->context[i], i - begin);
        }
        first = end;
        tempo_score_free(w);
    }
    tempo_score_free(s);
}

static void test_first(void **state)
{
    const fixture *f = *state;
    static const size_t firsts[] = {0, 1, 2, 100, 260, LONG - 1, LONG, LONG + 5};
    const tempo_score_options o = {.size = sizeof(o), .window = 90, .stride = 40};
    tempo_score_text text = {.ids = f->ids, .n = LONG};
    tempo_score *all, *s;

    score(f, &text, 1, &o, &all);
    for (size_t i = 0; i < sizeof(firsts) / sizeof(*firsts); i++) {
        text.first = firsts[i];
        score(f, &text, 1, &o, &s);
        const size_t first = firsts[i] == 0 ? 1 : firsts[i];
        for (size_t k = 1; k < LONG; k++)
            if (k >= first)
                assert_memory_equal(&s->logprob[k], &all->logprob[k], sizeof(double));
            else
                assert_true(isnan(s->logprob[k]) && s->rank[k] == 0);
        assert_int_equal(s->n_scored, first < LONG ? LONG - first : 0);
        tempo_score_free(s);
    }
    tempo_score_free(all);
}

static void test_edits(void **state)
{
    const fixture *f = *state;
    tempo_score_options o = {.size = sizeof(o)};
    const tempo_score_text texts[] = {{.ids = f->ids, .n = 3}, {.ids = f->ids, .n = 20}};
    tempo_edits *l;
    tempo_score *plain[2], *edited[2];
    tempo_err err = {0};

    score(f, texts, 2, NULL, plain);
    assert_int_equal(tempo_edits_create(&l, f->m, &err), TEMPO_OK);
    if (tempo_edits_add(l, "zero z rows=prompt:1", NULL, &err) != TEMPO_OK ||
        tempo_edits_add(l, "zero mlp_out rows=token:4001", NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    o.edits = l;
    score(f, texts, 2, &o, edited);
    assert_memory_equal(&plain[1]->logprob[1], &edited[1]->logprob[1], sizeof(double));
    assert_memory_not_equal(&plain[1]->logprob[2], &edited[1]->logprob[2], sizeof(double));
    assert_int_equal(edited[1]->n_edits, 2);
    assert_true(edited[1]->edit_uses[0].changed);
    assert_false(edited[1]->edit_uses[1].came);
    for (size_t i = 0; i < 2; i++) {
        tempo_score_free(plain[i]);
        tempo_score_free(edited[i]);
    }
    tempo_edits_free(l);
}

static bool stop_second(void *user)
{
    return ++*(int *)user < 10;
}

static void test_refused(void **state)
{
    const fixture *f = *state;
    const int32_t bad[] = {1, 5000};
    const tempo_score_text text = {.ids = f->ids, .n = 30}, none = {.ids = f->ids},
                           unknown = {.ids = bad, .n = 2}, two[] = {text, none};
    const struct {
        const tempo_score_text *texts;
        size_t n;
        tempo_score_options o;
        tempo_status st;
        const char *field, *says;
    } cases[] = {
        {&none, 1, {0}, TEMPO_E_ARG, "text", "without tokens"},
        {two, 2, {0}, TEMPO_E_ARG, "text", "text 1: "},
        {&unknown, 1, {0}, TEMPO_E_ARG, "text", "token 1 has id 5000"},
        {&text, 1, {.top = 257}, TEMPO_E_ARG, "top", "257"},
        {&text, 1, {.window = 1}, TEMPO_E_ARG, "window", "2 to the model's context of 512"},
        {&text, 1, {.window = 513}, TEMPO_E_ARG, "window", "513"},
        {&text, 1, {.window = 20}, TEMPO_E_LIMIT, "stride", "30 tokens and the window is 20"},
        {&text, 1, {.window = 20, .stride = 20}, TEMPO_E_ARG, "stride", "1 to 19"},
    };
    tempo_score *s[2];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_err err = {0};
        tempo_score_options o = cases[i].o;
        o.size = sizeof(o);
        assert_int_equal(tempo_score_create(s, f->e, cases[i].texts, cases[i].n, &o, &err), cases[i].st);
        assert_null(s[0]);
        assert_string_equal(err.field, cases[i].field);
        assert_non_null(strstr(err.msg, cases[i].says));
        assert_int_equal(tempo_score_check(f->m, cases[i].texts, cases[i].n, &o, NULL), cases[i].st);
    }
    int polls = 0;
    const tempo_score_options o = {.size = sizeof(o), .poll = stop_second, .user = &polls};
    const tempo_score_text all = {.ids = f->ids, .n = LONG};
    assert_int_equal(tempo_score_create(s, f->e, &all, 1, &o, NULL), TEMPO_E_STOPPED);
    assert_null(s[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decoders), cmocka_unit_test(test_together),
                                       cmocka_unit_test(test_windows),  cmocka_unit_test(test_first),
                                       cmocka_unit_test(test_edits),    cmocka_unit_test(test_refused)};

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
