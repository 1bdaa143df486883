/* The step loop: every option, every way to stop, replays, several decoders in one call (identities I1, I2,
 * I10 of semantics.md among them); readout and selection as functions of arrays. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/decode.h"
#include "support/model_writer.h"
#include "support/models.h"
#include "support/tmpdir.h"

static const int32_t prompt[] = {1, 20, 3, 44, 5};
enum { PROMPT = 5 };

static tempo_model *model;
static tempo_engine *engine;

static tempo_decode_options base_options(void)
{
    tempo_decode_options o;

    tempo_decode_options_init(&o);
    o.threshold = 0.004; /* of 288 tokens of a model without training */
    o.steps = 5;
    o.stop = TEMPO_STOP_NEVER;
    o.max_set = 6;
    return o;
}

static tempo_decoder *start(const tempo_decode_options *o)
{
    return test_decoder(engine, o, prompt, PROMPT);
}

static const tempo_set *step(tempo_decoder *d)
{
    tempo_err err = {0};

    if (tempo_decoders_step(&d, 1, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return tempo_decoder_last_set(d);
}

/* ---- readout and selection ---- */

static void softmax(const float *logits, size_t n, double temperature, double *out)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        out[i] = exp((double)logits[i] / temperature); /* small logits: no overflow */
        sum += out[i];
    }
    for (size_t i = 0; i < n; i++)
        out[i] /= sum;
}

/* The engine's threads and kernels mix rows[m] of n logits. */
static tempo_status mix(double *q, double *entropy, const float *const *rows, const double *p, size_t m,
                        size_t n, tempo_readout how, double temperature)
{
    const tempo_readout_in in = {rows,        p, m, n, how, temperature, &tempo_engine_model(engine)->kernels,
                                 engine->pool};
    tempo_err err = {0};

    return tempo_readout_mix(q, entropy, &in, &err);
}

/* What `how` must give of two rows with the weights 3/4 and 1/4, and its entropy. */
static double expected(double *want, const float *a, const float *b, size_t n, tempo_readout how,
                       double temperature)
{
    double *sa = malloc(n * sizeof(*sa)), *sb = malloc(n * sizeof(*sb)), sum = 0, entropy = 0;

    assert_true(sa != NULL && sb != NULL);
    softmax(a, n, temperature, sa);
    softmax(b, n, temperature, sb);
    for (size_t i = 0; i < n; i++) {
        want[i] = how == TEMPO_READOUT_MIXTURE   ? 0.75 * sa[i] + 0.25 * sb[i]
                  : how == TEMPO_READOUT_UNIFORM ? 0.5 * sa[i] + 0.5 * sb[i]
                  : how == TEMPO_READOUT_TOP     ? sa[i]
                  : how == TEMPO_READOUT_LAST    ? sb[i]
                                                 : exp(0.75 * log(sa[i]) + 0.25 * log(sb[i]));
        sum += want[i];
    }
    for (size_t i = 0; i < n; i++) {
        want[i] /= sum;
        entropy -= want[i] > 0 ? want[i] * log(want[i]) : 0;
    }
    free(sa);
    free(sb);
    return entropy;
}

enum { READOUT_MOST = 5000 }; /* more than one piece of readout.c, the last one not whole */

static void check_readout(const float *a, const float *b, size_t n, tempo_readout how, double temperature)
{
    static const double p[] = {0.3, 0.1};
    const float *const rows[] = {a, b};
    double *q = malloc(n * sizeof(*q)), *want = malloc(n * sizeof(*want)), entropy;

    assert_true(q != NULL && want != NULL);
    const double h = expected(want, a, b, n, how, temperature);
    assert_int_equal(mix(q, &entropy, rows, p, 2, n, how, temperature), TEMPO_OK);
    for (size_t i = 0; i < n; i++) /* an exponent of 50 is rounded by 2^-48 */
        assert_true(fabs(q[i] - want[i]) <= 1e-13 * want[i] + 1e-300);
    assert_true(fabs(entropy - h) <= 1e-12);
    free(q);
    free(want);
}

static void test_readouts(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4, 2047, 2048, 2049, READOUT_MOST};
    float a[READOUT_MOST], b[READOUT_MOST];

    for (size_t i = 0; i < READOUT_MOST; i++) {
        a[i] = (float)(i * 37 % 101) / 5 - 10;
        b[i] = (float)(i * 53 % 89) / 3 - 15;
    }
    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
        for (int how = TEMPO_READOUT_MIXTURE; how <= TEMPO_READOUT_LAST; how++) {
            check_readout(a, b, sizes[s], (tempo_readout)how, 1);
            check_readout(a, b, sizes[s], (tempo_readout)how, 0.5);
        }
}

static void test_readout_of_extremes(void **state)
{
    (void)state;
    static const double p[] = {0.3};
    double q[4], entropy;
    const float far[4] = {0, -1000, -3e38f, 3e38f}, *const row = far;
    assert_int_equal(mix(q, &entropy, &row, p, 1, 4, TEMPO_READOUT_MIXTURE, 1), TEMPO_OK);
    assert_true(q[0] == 0 && q[1] == 0 && q[2] == 0 && q[3] == 1 && entropy == 0);
    assert_int_equal(mix(q, &entropy, &row, p, 1, 4, TEMPO_READOUT_MIXTURE, 1e-300), TEMPO_E_FORMAT);
}

/* A row's distribution and entropy are those of the decoder that reads it, to the bit. */
static void test_distribution_of_a_row(void **state)
{
    (void)state;
    const size_t n = tempo_model_get_info(tempo_engine_model(engine))->n_vocab;
    const int32_t ids[] = {1, 5, 9};
    double *q = malloc(n * sizeof(*q)), entropy;
    tempo_decode_options o;
    tempo_decoder *d;
    tempo_err err = {0};

    tempo_decode_options_init(&o);
    assert_int_equal(tempo_decoder_create(&d, engine, &o, ids, 3, &err), TEMPO_OK);
    assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_distribution(engine, tempo_decoder_row_logits(d, 0), n, q, &entropy, &err),
                     TEMPO_OK);
    assert_memory_equal(q, tempo_decoder_distribution(d), n * sizeof(*q));
    assert_true(entropy == tempo_decoder_last_set(d)->entropy && entropy > 0);
    double *alone = malloc(n * sizeof(*alone)), of_one;
    assert_int_equal(tempo_distribution(NULL, tempo_decoder_row_logits(d, 0), n, alone, &of_one, &err),
                     TEMPO_OK);
    assert_memory_equal(q, alone, n * sizeof(*q));
    assert_true(of_one == entropy);
    static const float damage[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        const float bad[4] = {0, damage[i], 0, 0};
        assert_int_equal(tempo_distribution(i == 0 ? engine : NULL, bad, 4, q, &of_one, NULL),
                         TEMPO_E_FORMAT);
    }
    free(alone);
    free(q);
    tempo_decoder_free(d);
}

static void test_selection(void **state)
{
    (void)state;
    const double q[6] = {0.1, 0.3, 0.1, 0.25, 0.05, 0.2};
    const struct {
        double tau;
        size_t max_set, n_reached, n;
        int32_t ids[6];
    } rows[] = {
        {0.1, 0, 5, 5, {1, 3, 5, 0, 2}}, /* equal ones: the lower id first; at the threshold is in */
        {0.1, 4, 5, 4, {1, 3, 5, 0}},
        {0.2, 64, 3, 3, {1, 3, 5}},
        {0.31, 64, 0, 1, {1}},
        {1.0, 0, 0, 1, {1}},
        {1e-9, 0, 6, 6, {1, 3, 5, 0, 2, 4}},
    };
    tempo_choice *choices = NULL;
    size_t cap = 0, reached;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(tempo_select(q, 6, rows[i].tau, rows[i].max_set, &choices, &cap, &reached),
                         rows[i].n);
        assert_int_equal(reached, rows[i].n_reached);
        for (size_t k = 0; k < rows[i].n; k++) {
            assert_int_equal(choices[k].id, rows[i].ids[k]);
            assert_true(choices[k].probability == q[rows[i].ids[k]]);
        }
    }
    free(choices);
}

/* Every cap of many choices, equal ones among them, is the front part of the whole. */
static void test_capped_selection(void **state)
{
    (void)state;
    enum { N = 300 };
    double q[N];
    tempo_choice *all = NULL, *some = NULL;
    size_t all_cap = 0, cap = 0, reached;

    for (size_t i = 0; i < N; i++)
        q[i] = (double)(i * 7919 % 97) / 97;
    const size_t n = tempo_select(q, N, 0.1, 0, &all, &all_cap, &reached);
    assert_true(n == reached && n > 200 && n < N);
    for (size_t i = 0; i + 1 < n; i++)
        assert_true(all[i].probability > all[i + 1].probability ||
                    (all[i].probability == all[i + 1].probability && all[i].id < all[i + 1].id));
    for (size_t most = 1; most <= N; most++) {
        assert_int_equal(tempo_select(q, N, 0.1, most, &some, &cap, &reached), most < n ? most : n);
        assert_int_equal(reached, n);
        for (size_t i = 0; i < most && i < n; i++)
            assert_true(some[i].id == all[i].id && some[i].probability == all[i].probability);
    }
    free(all);
    free(some);
}

/* ---- options ---- */

static void assert_refused(const tempo_decode_options *o, const char *part)
{
    tempo_err err = {0};
    tempo_decoder *d = (tempo_decoder *)1;
    const tempo_status st = tempo_decoder_create(&d, engine, o, prompt, PROMPT, &err);

    if (st != TEMPO_E_ARG || d != NULL || strstr(err.msg, part) == NULL)
        fail_msg("status %d, \"%s\" (%s)", (int)st, err.msg, part);
}

/* The default options with a change are refused, and the message says why. */
#define REFUSED(part, change)                                                                                \
    do {                                                                                                     \
        tempo_decode_options o;                                                                              \
        tempo_decode_options_init(&o);                                                                       \
        change;                                                                                              \
        assert_refused(&o, part);                                                                            \
    } while (0)

static void test_refused_options(void **state)
{
    (void)state;
    REFUSED("threshold is 0", (o.threshold = 0));
    REFUSED("threshold is 2", (o.threshold = 2));
    REFUSED("threshold is -1", (o.threshold = -1));
    REFUSED("threshold is nan", (o.threshold = NAN));
    REFUSED("temperature is 0", (o.temperature = 0));
    REFUSED("temperature is 9.9", (o.temperature = 9.9e-101));
    REFUSED("temperature is inf", (o.temperature = INFINITY));
    REFUSED("temperature is nan", (o.temperature = NAN));
    REFUSED("steps is 0", (o.steps = 0));
    REFUSED("positions offset is nan", (o.positions = TEMPO_POSITIONS_OFFSET, o.position_offset = NAN));
    REFUSED("visible layers mean nothing", (o.last_visible_layer = 0));
    REFUSED("within 0-1", (o.mode = TEMPO_VISIBLE, o.first_visible_layer = 1, o.last_visible_layer = 2));
    REFUSED("within 0-1", (o.mode = TEMPO_CAUSAL, o.first_visible_layer = 1, o.last_visible_layer = 0));
    REFUSED("replay sets", (o.replay = TEMPO_REPLAY_PUBLISHED, o.context = TEMPO_CONTEXT_TOP));
    REFUSED("replay sets", (o.replay = TEMPO_REPLAY_NOCACHE, o.readout = TEMPO_READOUT_LAST));
    REFUSED("not one of its constants", (o.stop = (tempo_stop)9));
}

static void test_refused_prompts(void **state)
{
    (void)state;
    static const int32_t bad[] = {1, 288};
    int32_t lots[129] = {0};
    tempo_decode_options o = base_options();
    tempo_decoder *d;
    tempo_err err[4] = {0};

    assert_int_equal(tempo_decoder_create(&d, engine, &o, prompt, 0, &err[0]), TEMPO_E_ARG);
    assert_int_equal(tempo_decoder_create(&d, engine, &o, bad, 2, &err[1]), TEMPO_E_ARG);
    assert_non_null(strstr(err[1].msg, "prompt token 1 has id 288"));
    assert_int_equal(tempo_decoder_create(&d, engine, &o, lots, 129, &err[2]), TEMPO_E_LIMIT);
    assert_non_null(strstr(err[2].msg, "context has 128 positions"));
    o.max_slots = 4;
    assert_int_equal(tempo_decoder_create(&d, engine, &o, prompt, PROMPT, &err[3]), TEMPO_E_LIMIT);
    assert_non_null(strstr(err[3].msg, "max-slots is 4"));
    assert_null(d);
}

/* ---- contexts and positions ---- */

static void test_contexts(void **state)
{
    (void)state;
    for (int context = TEMPO_CONTEXT_ALL; context <= TEMPO_CONTEXT_LAST; context++) {
        tempo_decode_options o = base_options();
        o.context = (tempo_context)context;
        tempo_decoder *d = start(&o);
        int64_t next = PROMPT;
        for (size_t t = 0; t < o.steps; t++) {
            const tempo_set *s = step(d);
            assert_true(s->n_members > 1);
            for (size_t i = 0; i < s->n_members; i++) {
                const bool in = context == TEMPO_CONTEXT_ALL ||
                                (context == TEMPO_CONTEXT_TOP ? i == 0 : i + 1 == s->n_members);
                assert_int_equal(s->members[i].slot, in ? next++ : -1);
                assert_true(!in || s->members[i].position == (double)(PROMPT + t));
            }
        }
        assert_int_equal(tempo_decoder_stopped(d), TEMPO_STOPPED_STEPS);
        tempo_decoder_free(d);
    }
}

static void test_positions(void **state)
{
    (void)state;
    tempo_decode_options o = base_options();
    double expected = PROMPT - 1;

    o.positions = TEMPO_POSITIONS_UNIQUE;
    tempo_decoder *d = start(&o);
    for (size_t t = 0; t < o.steps; t++) {
        const tempo_set *s = step(d);
        assert_true(s->position == (double)(PROMPT + t));
        for (size_t i = 0; i < s->n_members; i++)
            assert_true(s->members[i].position == ++expected);
    }
    tempo_decoder_free(d);
    o.positions = TEMPO_POSITIONS_OFFSET;
    o.position_offset = -0.125;
    d = start(&o);
    for (size_t t = 0; t < o.steps; t++) {
        const tempo_set *s = step(d);
        for (size_t i = 0; i < s->n_members; i++)
            assert_true(s->members[i].position == (double)(PROMPT + t) - 0.125 * (double)i);
    }
    /* and these are what RoPE rotated by */
    const tempo_slot last =
        tempo_seq_slot_at(tempo_decoder_seq(d), tempo_seq_slot_count(tempo_decoder_seq(d)) - 1);
    assert_true(last.position != floor(last.position));
    tempo_decoder_free(d);
}

static void test_caps(void **state)
{
    (void)state;
    tempo_decode_options o = base_options();
    tempo_decoder *d;
    const tempo_set *s;

    o.max_set = 3;
    d = start(&o);
    s = step(d);
    assert_int_equal(s->n_members, 3);
    assert_true(s->capped && s->n_reached > 3);
    tempo_decoder_free(d);
    o.max_set = 0;
    o.threshold = 1e-12;
    d = start(&o);
    s = step(d);
    assert_int_equal(s->n_members, 288);
    assert_false(s->capped);
    tempo_decoder_free(d);
}

/* ---- stops ---- */

/* The end-of-sequence id of these models has no chance by itself: the prompt is looked for that gives it one.
 */
static void test_eos(void **state)
{
    (void)state;
    tempo_decode_options o = base_options();
    tempo_decoder *d;
    size_t at = 0;

    o.max_set = 0;
    o.threshold = 1e-12; /* every set holds every token, the end too */
    o.stop = TEMPO_STOP_ANY;
    d = start(&o);
    assert_true(step(d)->eos);
    assert_int_equal(tempo_decoder_stopped(d), TEMPO_STOPPED_EOS);
    tempo_err err = {0};
    assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK); /* a stopped one stays as it is */
    assert_int_equal(tempo_decoder_last_set(d)->step, 0);
    tempo_decoder_free(d);
    o.min_steps = 3;
    d = start(&o);
    while (tempo_decoder_stopped(d) == TEMPO_RUNNING)
        at = step(d)->step;
    assert_int_equal(at, 2);
    assert_int_equal(tempo_decoder_stopped(d), TEMPO_STOPPED_EOS);
    tempo_decoder_free(d);
    o.min_steps = 0;
    o.stop = TEMPO_STOP_TOP;
    d = start(&o);
    while (tempo_decoder_stopped(d) == TEMPO_RUNNING) {
        const tempo_set *s = step(d);
        const bool top = tempo_token_is_eos(tempo_model_tokenizer(model), s->members[0].id);
        assert_true(s->eos);
        assert_int_equal(tempo_decoder_stopped(d) == TEMPO_STOPPED_EOS, top);
    }
    tempo_decoder_free(d);
}

/* The set beyond a limit is part of the output, without slots. */
static void test_limits(void **state)
{
    (void)state;
    tempo_decode_options o = base_options();
    tempo_decoder *d;
    const tempo_set *s = NULL;

    o.max_slots = PROMPT + 8; /* sets of six: the second does not fit */
    d = start(&o);
    while (tempo_decoder_stopped(d) == TEMPO_RUNNING)
        s = step(d);
    assert_int_equal(tempo_decoder_stopped(d), TEMPO_STOPPED_SLOTS);
    assert_int_equal(s->step, 1);
    for (size_t i = 0; i < s->n_members; i++)
        assert_int_equal(s->members[i].slot, -1);
    tempo_decoder_free(d);
    o = base_options();
    o.threshold = 1;
    o.steps = 1000;
    d = start(&o);
    while (tempo_decoder_stopped(d) == TEMPO_RUNNING)
        s = step(d);
    assert_int_equal(tempo_decoder_stopped(d), TEMPO_STOPPED_CONTEXT);
    assert_true(s->position == 128);
    assert_int_equal(s->members[0].slot, -1);
    assert_int_equal(tempo_seq_slot_count(tempo_decoder_seq(d)), 128);
    tempo_decoder_free(d);
}

/* ---- runs that must be equal ---- */

static void assert_equal_runs(const tempo_decode_options *a, const tempo_decode_options *b,
                              const int32_t *prompt_b, size_t n_b)
{
    tempo_err err = {0};
    tempo_decoder *x = start(a), *y;

    assert_int_equal(tempo_decoder_create(&y, engine, b, prompt_b, n_b, &err), TEMPO_OK);
    while (tempo_decoder_stopped(x) == TEMPO_RUNNING) {
        const tempo_set *s = step(x);
        double q[288];
        memcpy(q, tempo_decoder_distribution(x), sizeof(q));
        const tempo_set *t = step(y);
        assert_int_equal(s->n_members, t->n_members);
        for (size_t i = 0; i < s->n_members; i++) {
            assert_int_equal(s->members[i].id, t->members[i].id);
            assert_int_equal(s->members[i].slot, t->members[i].slot);
            assert_true(s->members[i].slot < 0 || s->members[i].position == t->members[i].position);
        }
        assert_memory_equal(q, tempo_decoder_distribution(y), sizeof(q));
    }
    tempo_decoder_free(x);
    tempo_decoder_free(y);
}

static void test_equal_runs(void **state)
{
    (void)state;
    const int32_t doubled[] = {1, 20, 3, 44, 5, 5};
    tempo_decode_options a = base_options(), b;

    for (int mode = TEMPO_VISIBLE; mode <= TEMPO_CAUSAL; mode++) {
        a = base_options(); /* I1 */
        a.threshold = 1;
        b = a;
        b.mode = (tempo_mode)mode;
        assert_equal_runs(&a, &b, prompt, PROMPT);
        b.positions = TEMPO_POSITIONS_UNIQUE; /* I10 */
        assert_equal_runs(&a, &b, prompt, PROMPT);
        a = base_options(); /* I2 */
        a.context = TEMPO_CONTEXT_LAST;
        b = a;
        b.mode = (tempo_mode)mode;
        assert_equal_runs(&a, &b, prompt, PROMPT);
    }
    a = base_options(); /* the replays are what they are said to be */
    a.replay = TEMPO_REPLAY_PUBLISHED;
    b = base_options();
    b.context = TEMPO_CONTEXT_LAST;
    b.readout = TEMPO_READOUT_LAST;
    assert_equal_runs(&a, &b, doubled, PROMPT + 1);
    a.replay = TEMPO_REPLAY_NOCACHE;
    assert_equal_runs(&a, &b, prompt, PROMPT);
}

/* Several decoders in one call, of different options and lengths, give what each gives alone. */
static void test_together(void **state)
{
    (void)state;
    tempo_decode_options o[3] = {base_options(), base_options(), base_options()};
    tempo_decoder *ds[3], *alone[3];
    tempo_err err = {0};

    o[1].mode = TEMPO_VISIBLE;
    o[1].steps = 3;
    o[2].context = TEMPO_CONTEXT_TOP;
    o[2].kv = TEMPO_KV_F16;
    for (size_t i = 0; i < 3; i++) {
        ds[i] = start(&o[i]);
        alone[i] = start(&o[i]);
    }
    for (size_t t = 0; t < 5; t++) {
        assert_int_equal(tempo_decoders_step(ds, 3, NULL, &err), TEMPO_OK);
        for (size_t i = 0; i < 3; i++) {
            if (tempo_decoder_stopped(alone[i]) == TEMPO_RUNNING)
                (void)step(alone[i]);
            assert_memory_equal(tempo_decoder_distribution(ds[i]), tempo_decoder_distribution(alone[i]),
                                288 * sizeof(double));
            assert_int_equal(tempo_decoder_last_set(ds[i])->step, tempo_decoder_last_set(alone[i])->step);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        tempo_decoder_free(ds[i]);
        tempo_decoder_free(alone[i]);
    }
}

static void test_close_pass(void **state)
{
    (void)state;
    tempo_decode_options o = base_options();
    tempo_decoder *d = start(&o);
    tempo_err err = {0};

    assert_int_equal(tempo_decoder_close_pass(d, NULL, &err), TEMPO_E_ARG); /* it runs */
    err = (tempo_err){0};
    while (tempo_decoder_stopped(d) == TEMPO_RUNNING)
        (void)step(d);
    const size_t before = tempo_seq_slot_count(tempo_decoder_seq(d)),
                 members = tempo_decoder_last_set(d)->n_members;
    assert_int_equal(tempo_decoder_close_pass(d, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_seq_slot_count(tempo_decoder_seq(d)), before + members);
    assert_int_equal(tempo_decoder_row_count(d), members);
    assert_non_null(tempo_decoder_row_logits(d, members - 1));
    tempo_decoder_free(d);
}

/* A pass whose logits are no numbers fails and leaves no trace. */
static void check_damaged_pass(tempo_engine *e, int32_t damaged)
{
    tempo_err err = {0};
    tempo_seq *s;

    assert_int_equal(tempo_seq_create(&s, e, NULL, &err), TEMPO_OK);
    const tempo_row good = {.seq = s, .token = 1, .want = TEMPO_WANT_LOGITS};
    tempo_row bad = good;
    bad.token = damaged;
    assert_int_equal(tempo_engine_forward(e, &bad, 1, NULL, &err), TEMPO_E_FORMAT);
    assert_non_null(strstr(err.msg, "logits of row 0 (token 100 at position 0) are not finite"));
    assert_int_equal(tempo_seq_slot_count(s), 0);
    assert_null(tempo_engine_logits(e, 0));
    assert_int_equal(tempo_engine_forward(e, &good, 1, NULL, NULL), TEMPO_OK);
    assert_non_null(tempo_engine_logits(e, 0));
    tempo_seq_free(s);
}

/* A decoder whose logits are no numbers fails alone; the others of its batch go on. */
static void test_damage_of_one(void **state)
{
    enum { DAMAGED = 100 };
    const int32_t bad_prompt[] = {1, DAMAGED};
    const test_spec spec = test_spec_default("llama");
    test_model *made = test_model_make(&spec);
    float *row =
        (float *)(void *)test_model_tensor(made, "token_embd.weight")->data + (size_t)DAMAGED * spec.d_model;
    const tempo_decode_options o = base_options();
    tempo_model *m;
    tempo_err err = {0};
    char dir[256], path[512];

    (void)state;
    for (size_t i = 0; i < spec.d_model; i++)
        row[i] = NAN;
    test_tmpdir_create(dir);
    test_path(path, dir, "damaged.gguf");
    test_model_write_gguf(made, 3, path);
    test_model_free(made);
    assert_int_equal(tempo_model_open(&m, path, NULL, &err), TEMPO_OK);
    tempo_engine *e = test_engine(m, 2);
    tempo_decoder *ds[] = {test_decoder(e, &o, bad_prompt, 2), test_decoder(e, &o, prompt, PROMPT)},
                  *alone = test_decoder(e, &o, prompt, PROMPT);
    assert_int_equal(tempo_decoders_read(ds, 2, NULL, &err), TEMPO_E_FORMAT);
    assert_non_null(strstr(err.msg, "not finite"));
    assert_false(tempo_decoder_is_read(ds[0]));
    assert_true(tempo_decoder_is_read(ds[1]));
    assert_int_equal(tempo_decoder_select(ds[1], &err), TEMPO_OK);
    assert_false(tempo_decoder_is_read(ds[1]));
    (void)step(alone);
    assert_memory_equal(tempo_decoder_distribution(ds[1]), tempo_decoder_distribution(alone),
                        spec.n_vocab * sizeof(double));
    assert_null(tempo_decoder_row_logits(ds[0], 0));
    for (size_t i = 0; i < 2; i++)
        tempo_decoder_free(ds[i]);
    tempo_decoder_free(alone);
    check_damaged_pass(e, DAMAGED);
    tempo_engine_free(e);
    tempo_model_free(m);
    test_tmpdir_remove(dir);
}

static int set_up(void **state)
{
    (void)state;
    model = test_open_synthetic("llama", TEMPO_F32);
    engine = test_engine(model, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tempo_engine_free(engine);
    tempo_model_free(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readouts),
        cmocka_unit_test(test_readout_of_extremes),
        cmocka_unit_test(test_distribution_of_a_row),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_capped_selection),
        cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_refused_prompts),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_eos),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_equal_runs),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_close_pass),
        cmocka_unit_test(test_damage_of_one),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
