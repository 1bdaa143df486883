/* Runs: arms and prompts in one batch that are what their decoders would be alone; regimes, what the sinks
 * hear, where arms differ, captures, and what is refused.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/run.h"
#include "support/models.h"
#include "support/tmpdir.h"

static const int32_t prompts[3][6] = {{1, 20, 3, 44, 5, 9}, {1, 7}, {1, 100, 101, 102}};
static const size_t lengths[3] = {6, 2, 4};
enum { STEPS = 5, ARMS = 3 };

static tempo_model *model;
static tempo_engine *engine;
static tempo_decode_options isolated, visible, offset;

static void make_options(void)
{
    tempo_decode_options_init(&isolated);
    isolated.threshold = 0.004; /* of 288 tokens of a model without training */
    isolated.steps = STEPS;
    isolated.stop = TEMPO_STOP_NEVER;
    isolated.max_set = 6;
    visible = offset = isolated;
    visible.mode = TEMPO_VISIBLE;
    offset.positions = TEMPO_POSITIONS_OFFSET;
    offset.position_offset = 3;
}

static const tempo_run_arm arms[ARMS] = {{"isolated", &isolated}, {"visible", &visible}, {"offset", &offset}};

static tempo_run_options options(size_t n_arms)
{
    tempo_run_options o;

    tempo_run_options_init(&o);
    o.arms = arms;
    o.n_arms = n_arms;
    o.keep = true;
    return o;
}

static tempo_run *start(const tempo_run_options *o, size_t prompt)
{
    const tempo_run_prompt p = {.ids = prompts[prompt], .n = lengths[prompt]};
    tempo_err err = {0};
    tempo_run *r;

    if (tempo_run_create(&r, engine, o, &p, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return r;
}

static void run_all(tempo_run *const *runs, size_t n)
{
    tempo_err err = {0};

    if (tempo_runs_all(runs, n, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static void assert_same_set(const tempo_set *a, const tempo_set *b)
{
    assert_non_null(a);
    assert_int_equal(a->n_members, b->n_members);
    assert_true(a->entropy == b->entropy && a->position == b->position);
    for (size_t i = 0; i < a->n_members; i++) {
        assert_int_equal(a->members[i].id, b->members[i].id);
        assert_int_equal(a->members[i].slot, b->members[i].slot);
        assert_true(a->members[i].probability == b->members[i].probability);
    }
}

/* Three prompts of three arms in one batch: each arm has the bits of its decoder alone. */
static void test_alone(void **state)
{
    const tempo_run_options o = options(ARMS);
    tempo_run *runs[3];
    tempo_err err = {0};
    size_t several = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        runs[i] = start(&o, i);
    run_all(runs, 3);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < ARMS; k++) {
            tempo_decoder *d = test_decoder(engine, arms[k].decoding, prompts[i], lengths[i]);
            size_t members = 0;
            for (size_t t = 0; t < STEPS; t++) {
                assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
                assert_same_set(tempo_run_set(runs[i], k, t), tempo_decoder_last_set(d));
                members += tempo_decoder_last_set(d)->n_members;
            }
            several += members > STEPS;
            assert_int_equal(tempo_run_steps(runs[i], k), STEPS);
            assert_int_equal(tempo_run_members(runs[i], k), members);
            assert_null(tempo_run_set(runs[i], k, STEPS));
            tempo_decoder_free(d);
        }
    assert_true(several > 0);
    for (size_t i = 0; i < 3; i++)
        tempo_run_free(runs[i]);
}

/* Prompts that ran ahead in parts change no number, and what is left of them is told. */
static void test_prefill(void **state)
{
    const tempo_run_options o = options(ARMS);
    tempo_run *r[2] = {start(&o, 0), start(&o, 0)};
    tempo_err err = {0};
    size_t left = tempo_run_prompt_left(r[0]), parts = 0;

    (void)state;
    assert_int_equal(left, ARMS * lengths[0]);
    for (; tempo_run_prompt_left(r[0]) > ARMS; parts++) {
        assert_int_equal(tempo_runs_prefill(r, 1, 2, NULL, &err), TEMPO_OK);
        assert_true(tempo_run_prompt_left(r[0]) < left);
        left = tempo_run_prompt_left(r[0]);
    }
    assert_int_equal(parts, 3); /* 5 rows, 2 at a time: the arms share them */
    assert_int_equal(tempo_run_pending(r[0], 1), 1);
    run_all(r, 2);
    for (size_t k = 0; k < ARMS; k++)
        for (size_t t = 0; t < STEPS; t++)
            assert_same_set(tempo_run_set(r[0], k, t), tempo_run_set(r[1], k, t));
    assert_int_equal(tempo_run_prompt_left(r[0]), 0);
    assert_int_equal(tempo_run_pending(r[0], 1), tempo_run_set(r[0], 1, STEPS - 1)->n_members);
    tempo_run_free(r[0]);
    tempo_run_free(r[1]);
}

/* Everybody has the driver's sets, and ends with it. */
static void test_lockstep(void **state)
{
    tempo_decode_options shorter = visible;
    const tempo_run_arm mine[] = {{"isolated", &isolated}, {"driver", &shorter}, {NULL, NULL}};
    tempo_decode_options causal = isolated;
    tempo_run_arm all[3];
    tempo_run_options o = options(ARMS);

    (void)state;
    shorter.steps = 3;
    causal.mode = TEMPO_CAUSAL;
    memcpy(all, mine, sizeof(all));
    all[2].decoding = &causal; /* named after its mode */
    o.arms = all;
    o.regime = TEMPO_REGIME_LOCKSTEP;
    o.driver = 1;
    tempo_run *r = start(&o, 0);
    assert_string_equal(tempo_run_arm_name(r, 2), "causal");
    run_all(&r, 1);
    tempo_decoder *d = test_decoder(engine, &shorter, prompts[0], lengths[0]);
    for (size_t t = 0; t < 3; t++) {
        tempo_err err = {0};
        assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
        assert_same_set(tempo_run_set(r, 1, t), tempo_decoder_last_set(d));
        for (size_t k = 0; k < 3; k += 2) {
            const tempo_set *own = tempo_run_set(r, k, t);
            assert_int_equal(own->n_members, tempo_decoder_last_set(d)->n_members);
            for (size_t i = 0; i < own->n_members; i++)
                assert_int_equal(own->members[i].id, tempo_decoder_last_set(d)->members[i].id);
        }
    }
    for (size_t k = 0; k < 3; k++)
        assert_int_equal(tempo_run_steps(r, k), 3);
    const tempo_run_differences x = tempo_run_difference(r);
    assert_true(x.set == SIZE_MAX && x.order == SIZE_MAX); /* nobody goes on alone */
    tempo_decoder_free(d);
    tempo_run_free(r);
}

static tempo_status end_second(void *user, tempo_run *r, tempo_err *err)
{
    (void)user;
    (void)err;
    tempo_run_end_arm(r, 1);
    return TEMPO_OK;
}

/* A run whose arms follow another one's driver, on an engine of its own: both are read before one is taken.
 */
static void test_follow(void **state)
{
    tempo_engine *other = test_engine(model, 1);
    const tempo_run_prompt p = {prompts[0], lengths[0], NULL};
    const tempo_sink sink = {.step = end_second};
    tempo_run_options o = options(2);
    tempo_decode_options longer = offset;
    const tempo_run_arm mine[] = {{"a", &longer}, {"b", &longer}};
    tempo_run *r[2];
    tempo_err err = {0};

    (void)state;
    longer.steps = STEPS + 1;
    r[0] = start(&o, 0);
    o.arms = mine;
    o.sinks = &sink;
    o.n_sinks = 1;
    assert_int_equal(tempo_run_create(&r[1], other, &o, &p, &err), TEMPO_OK);
    tempo_run_follow(r[1], r[0]);
    run_all(r, 2);
    assert_int_equal(tempo_run_steps(r[1], 0), STEPS); /* it ends with its driver */
    assert_int_equal(tempo_run_steps(r[1], 1), 1);
    for (size_t t = 0; t < STEPS; t++) {
        const tempo_set *lead = tempo_run_set(r[0], 0, t), *own = tempo_run_set(r[1], 0, t);
        assert_int_equal(own->n_members, lead->n_members);
        for (size_t i = 0; i < own->n_members; i++)
            assert_int_equal(own->members[i].id, lead->members[i].id);
    }
    tempo_run_free(r[0]);
    tempo_run_free(r[1]);
    tempo_engine_free(other);
}

static void test_given(void **state)
{
    const tempo_member first[] = {{.id = 9, .probability = 0.25}, {.id = 7, .probability = 0.5 + 0.5e-10}},
                       second[] = {{.id = 3, .probability = 1}};
    const tempo_given_set given[] = {{first, 2}, {second, 1}};
    tempo_run_options o = options(2);

    (void)state;
    o.given = given;
    o.n_given = 2;
    tempo_run *r = start(&o, 1);
    run_all(&r, 1);
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(tempo_run_set(r, k, 0)->n_members, 2);
        assert_int_equal(tempo_run_set(r, k, 0)->members[1].id, 9);
        assert_int_equal(tempo_run_set(r, k, 1)->members[0].id, 3);
    }
    /* and then its own */
    tempo_decoder *d = test_decoder(engine, &isolated, prompts[1], lengths[1]);
    tempo_err err = {0};
    for (size_t t = 0; t < STEPS; t++) {
        assert_int_equal(tempo_decoders_read(&d, 1, NULL, &err), TEMPO_OK);
        const tempo_member sorted[] = {first[1], first[0]}; /* as sets have them */
        const tempo_set set = {.members = t == 0 ? sorted : second, .n_members = t == 0 ? 2 : 1};
        assert_int_equal(t < 2 ? tempo_decoder_adopt(d, &set, &err) : tempo_decoder_select(d, &err),
                         TEMPO_OK);
    }
    assert_same_set(tempo_run_set(r, 0, STEPS - 1), tempo_decoder_last_set(d));
    tempo_decoder_free(d);
    tempo_run_free(r);
}

/* By hand: two decoders side by side. */
static void test_differences(void **state)
{
    const tempo_run_options o = options(2);
    tempo_decoder *d[2] = {test_decoder(engine, &isolated, prompts[0], lengths[0]),
                           test_decoder(engine, &visible, prompts[0], lengths[0])};
    size_t distribution = SIZE_MAX, set = SIZE_MAX;
    tempo_run *r = start(&o, 0);

    (void)state;
    for (size_t t = 0; t < STEPS; t++) {
        tempo_err err = {0};
        assert_int_equal(tempo_decoders_step(d, 2, NULL, &err), TEMPO_OK);
        const tempo_set *a = tempo_decoder_last_set(d[0]), *b = tempo_decoder_last_set(d[1]);
        bool same = a->n_members == b->n_members;
        for (size_t i = 0; i < a->n_members && same; i++) {
            bool in = false;
            for (size_t k = 0; k < b->n_members; k++)
                in = in || b->members[k].id == a->members[i].id;
            same = in;
        }
        if (!same && set == SIZE_MAX)
            set = t;
        if (distribution == SIZE_MAX &&
            memcmp(tempo_decoder_distribution(d[0]), tempo_decoder_distribution(d[1]),
                   tempo_model_get_info(model)->n_vocab * sizeof(double)) != 0)
            distribution = t;
    }
    double largest = 0;
    while (tempo_run_running(r)) {
        tempo_err err = {0};
        assert_int_equal(tempo_runs_step(&r, 1, NULL, &err), TEMPO_OK);
        assert_int_equal(r->relation.n, 2);
        assert_int_equal(r->relation.same_q, r->relation.max_abs == 0);
        assert_true(r->step <= distribution ||
                    !r->relation.same_q); /* of each step, not of the first that differs */
        assert_int_equal(r->relation.sets, tempo_relate_sets(tempo_run_set(r, 0, r->step - 1),
                                                             tempo_run_set(r, 1, r->step - 1)));
        largest = r->step == distribution + 1 ? r->relation.max_abs : largest;
    }
    const tempo_run_differences x = tempo_run_difference(r);
    assert_true(x.distribution == distribution && x.set == set && x.max_abs == largest);
    assert_true(distribution > 0 && distribution < STEPS && x.max_abs > 0);
    tempo_run_free(r);

    tempo_run_options one = o;
    one.compared = 1; /* an arm does not differ from itself */
    r = start(&one, 0);
    run_all(&r, 1);
    assert_true(tempo_run_difference(r).distribution == SIZE_MAX && tempo_run_difference(r).set == SIZE_MAX);
    tempo_run_free(r);
    tempo_decoder_free(d[0]);
    tempo_decoder_free(d[1]);
}

/* ---- sinks ------------------------------------------------------------------------- */

typedef struct heard {
    char log[256]; /* b r s c e, and E for an interrupted end */
    size_t views[ARMS], rows[ARMS];
    size_t fail_at;
    bool refuse; /* the beginning */
} heard;

static void note(heard *h, char c)
{
    const size_t n = strlen(h->log);

    assert_true(n + 1 < sizeof(h->log));
    h->log[n] = c;
}

static bool hear_view(void *user, tempo_run *r, size_t arm, size_t row, const tempo_tap_view *v)
{
    heard *h = user;

    assert_ptr_equal(v->seq, tempo_decoder_seq(tempo_run_decoder(r, arm)));
    h->views[arm]++;
    h->rows[arm] = row >= h->rows[arm] ? row + 1 : h->rows[arm];
    return true;
}

static tempo_status hear_read(void *user, tempo_run *r, tempo_err *err)
{
    (void)err;
    for (size_t i = 0; i < tempo_run_arms(r); i++)
        assert_true(!tempo_run_arm_read(r, i) || tempo_decoder_is_read(tempo_run_decoder(r, i)));
    note(user, 'r');
    return TEMPO_OK;
}

static tempo_status hear_step(void *user, tempo_run *r, tempo_err *err)
{
    heard *h = user;

    note(h, 's');
    assert_false(tempo_decoder_is_read(tempo_run_decoder(r, 0)));
    if (h->fail_at != 0 && --h->fail_at == 0) {
        *err = (tempo_err){.code = TEMPO_E_IO, .msg = "the sink is full"};
        return TEMPO_E_IO;
    }
    return TEMPO_OK;
}

static tempo_status hear_closed(void *user, tempo_run *r, size_t arm, tempo_err *err)
{
    (void)err;
    assert_true(tempo_decoder_row_count(tempo_run_decoder(r, arm)) > 0);
    note(user, 'c');
    return TEMPO_OK;
}

static tempo_status hear_end(void *user, tempo_run *r, tempo_err *err)
{
    (void)err;
    note(user, tempo_run_interrupted(r) ? 'E' : 'e');
    return TEMPO_OK;
}

static tempo_status hear_begin(void *user, tempo_run *r, tempo_err *err)
{
    heard *h = user;

    (void)err;
    note(h, 'b');
    assert_true(tempo_decoder_prompt_left(tempo_run_decoder(r, 0)) > 0);
    return h->refuse ? TEMPO_E_STOPPED : TEMPO_OK;
}

static tempo_sink sink_of(heard *h)
{
    return (tempo_sink){.user = h,
                        .view = hear_view,
                        .read = hear_read,
                        .step = hear_step,
                        .closed = hear_closed,
                        .end = hear_end,
                        .begin = hear_begin};
}

static void test_sinks(void **state)
{
    heard h = {.log = ""}, plain = {.log = ""};
    const tempo_sink sinks[] = {sink_of(&h), {.user = &plain, .end = hear_end}};
    tempo_run_options o = options(2);
    size_t rows[2] = {0, 0};

    (void)state;
    o.sinks = sinks;
    o.n_sinks = 2;
    o.closing_pass = true;
    tempo_run *r = start(&o, 0);
    run_all(&r, 1);
    assert_string_equal(h.log, "brsrsrsrsrscce");
    assert_string_equal(plain.log, "e");
    for (size_t k = 0; k < 2; k++) {
        for (size_t t = 0; t < STEPS; t++) /* what was read: a token of the prompt, then each set */
            rows[k] += (t == 0) + tempo_run_set(r, k, t)->n_members;
        assert_int_equal(h.views[k], rows[k] * tempo_model_get_info(model)->n_layers);
        assert_true(h.rows[k] > 1);
    }
    tempo_run_free(r);

    const tempo_run_prompt p = {.ids = prompts[0], .n = lengths[0]};
    tempo_err err = {0};
    h = (heard){.refuse = true};
    assert_int_equal(tempo_run_create(&r, engine, &o, &p, &err), TEMPO_E_STOPPED);
    assert_null(r);
    assert_string_equal(h.log, "b");
}

/* In lockstep those who stop with their driver are read once more, too. */
static void test_closing_in_lockstep(void **state)
{
    heard h = {.fail_at = 0};
    const tempo_sink sink = sink_of(&h);
    tempo_run_options o = options(2);

    (void)state;
    o.regime = TEMPO_REGIME_LOCKSTEP;
    o.sinks = &sink;
    o.n_sinks = 1;
    o.closing_pass = true;
    tempo_run *r = start(&o, 0);
    run_all(&r, 1);
    assert_string_equal(h.log + strlen(h.log) - 3, "cce");
    tempo_run_free(r);
}

/* What fails in one run of a batch keeps the others from nothing; those that had come to their end are
 * finished. */
static void test_failure_in_batch(void **state)
{
    heard h[3] = {{.fail_at = 0}, {.fail_at = 2}, {.fail_at = 0}};
    tempo_sink sinks[3];
    tempo_run *runs[3];
    tempo_err err = {0};
    tempo_decode_options brief = isolated;
    const tempo_run_arm short_arm = {"brief", &brief};

    (void)state;
    brief.steps = 1;
    for (size_t i = 0; i < 3; i++) {
        tempo_run_options o = options(1);
        sinks[i] = sink_of(&h[i]);
        o.sinks = &sinks[i];
        o.n_sinks = 1;
        if (i == 0)
            o.arms = &short_arm;
        runs[i] = start(&o, i);
    }
    assert_int_equal(tempo_runs_step(runs, 3, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_runs_step(runs, 3, NULL, &err), TEMPO_E_IO);
    assert_string_equal(err.msg, "the sink is full");
    assert_int_equal(tempo_run_steps(runs[2], 0), 2); /* it has taken its set all the same */
    err = (tempo_err){0};
    run_all(&runs[2], 1);
    assert_int_equal(tempo_run_steps(runs[2], 0), STEPS);
    for (size_t i = 0; i < 3; i++)
        tempo_run_free(runs[i]);

    for (size_t i = 0; i < 2; i++) {
        tempo_run_options o = options(1);
        h[i] = (heard){.fail_at = i == 1 ? 2 : 0};
        o.sinks = &sinks[i];
        o.n_sinks = 1;
        if (i == 0)
            o.arms = &short_arm;
        runs[i] = start(&o, i);
    }
    assert_int_equal(tempo_runs_all(runs, 2, NULL, &err), TEMPO_E_IO);
    assert_string_equal(err.msg, "the sink is full");
    assert_int_equal(h[0].log[strlen(h[0].log) - 1], 'e'); /* whole, and told so */
    assert_null(strpbrk(h[1].log, "eE"));
    tempo_run_free(runs[0]);
    tempo_run_free(runs[1]);
}

/* A sink that fails ends its run, and no other. */
static void test_failing_sink(void **state)
{
    heard h = {.fail_at = 2};
    const tempo_sink sink = sink_of(&h);
    tempo_run_options o = options(1), other = options(1);
    tempo_err err = {0};
    tempo_run *runs[2];

    (void)state;
    o.sinks = &sink;
    o.n_sinks = 1;
    runs[0] = start(&o, 0);
    runs[1] = start(&other, 1);
    assert_int_equal(tempo_runs_step(runs, 2, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_runs_read(runs, 2, NULL, &err), TEMPO_OK);
    assert_true(tempo_run_is_read(runs[0]) && tempo_run_is_read(runs[1]));
    assert_int_equal(tempo_run_take(runs[0], &err), TEMPO_E_IO);
    assert_int_equal(tempo_run_take(runs[1], &err), TEMPO_OK);
    assert_false(tempo_run_running(runs[0]));
    run_all(&runs[1], 1);
    assert_int_equal(tempo_run_steps(runs[1], 0), STEPS);
    tempo_run_free(runs[0]);
    tempo_run_free(runs[1]);
}

static bool poll_few(void *user)
{
    return (*(int *)user)-- > 0;
}

/* Interrupted in a pass: the steps before it are there, and the end is told once. */
static void test_interrupted(void **state)
{
    heard h = {.log = ""};
    const tempo_sink sink = sink_of(&h);
    tempo_run_options o = options(2);
    int left = (int)tempo_model_get_info(model)->n_layers * 3 + 1; /* prompt, two reads, and a bit */
    const tempo_observer obs = {.user = &left, .poll = poll_few};
    tempo_err err = {0};

    (void)state;
    o.sinks = &sink;
    o.n_sinks = 1;
    tempo_run *r = start(&o, 0);
    assert_int_equal(tempo_runs_all(&r, 1, &obs, &err), TEMPO_E_STOPPED);
    assert_true(tempo_run_interrupted(r));
    assert_true(tempo_run_steps(r, 0) > 0 && tempo_run_steps(r, 0) < STEPS);
    assert_int_equal(h.log[strlen(h.log) - 1], 'E');
    assert_int_equal(tempo_run_finish(r, false, &err), TEMPO_OK);
    assert_ptr_equal(strchr(h.log, 'E'), h.log + strlen(h.log) - 1);
    tempo_run_free(r);
}

/* ---- captures ---------------------------------------------------------------------- */

static bool feed(void *user, const tempo_tap_view *v)
{
    return tempo_capture_view(user, v);
}

static void capture_by_hand(const char *dir, const tempo_decode_options *d, const char *config, bool closing)
{
    tempo_decoder *decoder = test_decoder(engine, d, prompts[0], lengths[0]);
    tempo_capture_options c;
    tempo_capture *capture;
    tempo_err err = {0};

    tempo_capture_options_init(&c);
    c.config = config;
    c.prompt = lengths[0];
    c.steps = STEPS + closing;
    c.rows = 6;
    assert_int_equal(tempo_capture_create(&capture, dir, decoder, &c, &err), TEMPO_OK);
    tempo_observer obs = {.user = capture, .view = feed};
    obs.taps = tempo_capture_taps(capture, &obs.n_taps);
    for (size_t t = 0; t < STEPS; t++) {
        assert_int_equal(tempo_decoders_step(&decoder, 1, &obs, &err), TEMPO_OK);
        assert_int_equal(tempo_capture_step(capture, &err), TEMPO_OK);
    }
    if (closing) {
        assert_int_equal(tempo_decoder_close_pass(decoder, &obs, &err), TEMPO_OK);
        assert_int_equal(tempo_capture_closing(capture, &err), TEMPO_OK);
    }
    assert_int_equal(tempo_capture_commit(capture, &err), TEMPO_OK);
    tempo_decoder_free(decoder);
}

static void assert_same_files(const char *a, const char *b)
{
    static const char *const names[] = {"attention_weights.npz", "logits_distributions.npz",
                                        "rope_positions.json", "experiment_metadata.json"};

    for (size_t i = 0; i < 4; i++) {
        char pa[512], pb[512];
        size_t na, nb;
        test_path(pa, a, names[i]);
        test_path(pb, b, names[i]);
        unsigned char *x = test_read_file(pa, &na), *y = test_read_file(pb, &nb);
        assert_int_equal(na, nb);
        assert_memory_equal(x, y, na);
        free(x);
        free(y);
    }
}

static char *config_of(void *user, const tempo_run *r, size_t arm)
{
    char text[64];

    (void)user;
    (void)snprintf(text, sizeof(text), "{\"arm\":\"%s\"}", tempo_run_arm_name(r, arm));
    return strdup(text);
}

static const char *name_of(const void *user)
{
    return user;
}

/* The files of a paired run, of one of several prompts, are those of captures made by hand. */
static void test_captures(void **state)
{
    char dir[256], out[512], arm[512], hand[512];
    const tempo_run_prompt all[] = {{prompts[1], lengths[1], "b"}, {prompts[0], lengths[0], "a"}};
    tempo_run_options o = options(2);
    tempo_err err = {0};

    (void)state;
    test_tmpdir_create(dir);
    test_path(out, dir, "out");
    o.capture_dir = out;
    o.closing_pass = true;
    o.config_of = config_of;
    assert_int_equal(tempo_runs_prompts(engine, &o, all, 2, 1, name_of, NULL, &err), TEMPO_OK);
    for (size_t k = 0; k < 2; k++) {
        char config[64];
        (void)snprintf(config, sizeof(config), "{\"arm\":\"%s\"}", arms[k].name);
        (void)snprintf(hand, sizeof(hand), "%.200s/hand%zu", dir, k);
        (void)snprintf(arm, sizeof(arm), "%.200s/out/a/%s", dir, arms[k].name);
        capture_by_hand(hand, arms[k].decoding, config, true);
        assert_same_files(arm, hand);
    }
    (void)snprintf(arm, sizeof(arm), "%.200s/out/b/visible/attention_weights.npz", dir);
    assert_int_equal(access(arm, R_OK), 0);

    const tempo_run_prompt only = {prompts[0], lengths[0], ""}; /* no directory of its own */
    test_path(out, dir, "only");
    assert_int_equal(tempo_runs_prompts(engine, &o, &only, 1, 1, name_of, NULL, &err), TEMPO_OK);
    (void)snprintf(hand, sizeof(hand), "%.200s/hand1", dir);
    (void)snprintf(arm, sizeof(arm), "%.200s/only/visible", dir);
    assert_same_files(arm, hand);
    test_tmpdir_remove(dir);
}

/* All arms count towards the limit, and an uncommitted run leaves nothing. */
static void test_capture_limits(void **state)
{
    char dir[256], out[512];
    const tempo_run_prompt p = {prompts[0], lengths[0], NULL};
    tempo_run_options o = options(1);
    tempo_capture_options c;
    tempo_err err = {0};
    tempo_run *r;

    (void)state;
    test_tmpdir_create(dir);
    test_path(out, dir, "out");
    tempo_capture_options_init(&c);
    o.capture_dir = out;
    o.capture = &c;
    const uint64_t one = tempo_run_estimate(model, &o, lengths[0]);
    c.max_bytes = one + one / 2;
    r = start(&o, 0);
    assert_int_equal(tempo_runs_step(&r, 1, NULL, &err), TEMPO_OK);
    assert_true(tempo_run_captured(r) > 0);
    tempo_run_free(r);
    assert_int_equal(access(out, F_OK), -1);
    o.n_arms = 2;
    assert_true(tempo_run_estimate(model, &o, lengths[0]) == 2 * one);

    tempo_decode_options larger = isolated; /* sets of 250 members are possible, and not expected */
    const tempo_run_arm rare = {"rare", &larger};
    o.n_arms = 1;
    o.arms = &rare;
    larger.max_set = 8;
    const uint64_t eight = tempo_run_estimate(model, &o, lengths[0]);
    larger.max_set = 0;
    assert_true(eight > one && tempo_run_estimate(model, &o, lengths[0]) == eight);
    o = options(2);
    o.capture_dir = out;
    o.capture = &c;
    assert_int_equal(tempo_run_create(&r, engine, &o, &p, &err), TEMPO_E_LIMIT);
    assert_null(r);
    err = (tempo_err){0};
    assert_int_equal(tempo_runs_prompts(engine, &o, &p, 1, 0, NULL, NULL, &err), TEMPO_E_LIMIT);
    o.n_arms = 1;
    c.rows = 2; /* who expects smaller sets is believed */
    assert_true(tempo_run_estimate(model, &o, lengths[0]) < one);
    test_tmpdir_remove(dir);
}

/* Of the arms those that are named are captured, each under its name. */
static void test_captured_arms(void **state)
{
    char dir[256], out[512], path[512];
    tempo_run_options o = options(ARMS);
    tempo_run *r;

    (void)state;
    test_tmpdir_create(dir);
    test_path(out, dir, "out");
    o.capture_dir = out;
    const uint64_t all = tempo_run_estimate(model, &o, lengths[0]);
    o.captured = 1u << 1;
    assert_true(tempo_run_estimate(model, &o, lengths[0]) == all / ARMS);
    r = start(&o, 0);
    run_all(&r, 1);
    tempo_run_free(r);
    for (size_t i = 0; i < ARMS; i++) {
        (void)snprintf(path, sizeof(path), "%.400s/%s", out, arms[i].name);
        assert_int_equal(access(path, F_OK), i == 1 ? 0 : -1);
    }
    test_tmpdir_remove(dir);
}

/* ---- sampling, and what is refused --------------------------------------------------- */

static void test_sampling(void **state)
{
    tempo_run_options o = options(2);
    tempo_run *r[3];

    (void)state;
    o.n_arms = 1;
    o.sampling.on = true;
    o.sampling.seed = 5;
    r[0] = start(&o, 0);
    r[1] = start(&o, 0);
    o.sampling.temperature = 0.0;
    r[2] = start(&o, 0);
    run_all(r, 3);
    tempo_decode_options greedy = isolated;
    greedy.threshold = 1.0;
    greedy.max_set = 1;
    tempo_decoder *d = test_decoder(engine, &greedy, prompts[0], lengths[0]);
    bool drawn = false;
    for (size_t t = 0; t < STEPS; t++) {
        tempo_err err = {0};
        assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
        assert_same_set(tempo_run_set(r[2], 0, t), tempo_decoder_last_set(d));
        assert_same_set(tempo_run_set(r[0], 0, t), tempo_run_set(r[1], 0, t));
        assert_int_equal(tempo_run_set(r[0], 0, t)->n_members, 1);
        drawn = drawn || tempo_run_set(r[0], 0, t)->members[0].id != tempo_run_set(r[2], 0, t)->members[0].id;
    }
    assert_true(drawn);
    tempo_decoder_free(d);
    for (size_t i = 0; i < 3; i++)
        tempo_run_free(r[i]);
}

static void assert_refused(const tempo_run_options *o, tempo_status st, const char *says)
{
    const tempo_run_prompt p = {.ids = prompts[0], .n = lengths[0]};
    tempo_err err = {0};
    tempo_run *r;

    assert_int_equal(tempo_run_create(&r, engine, o, &p, &err), st);
    assert_null(r);
    if (strstr(err.msg, says) == NULL)
        fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void test_refused(void **state)
{
    const tempo_member none = {.id = 3, .probability = 0}, far = {.id = 288, .probability = 1},
                       good = {.id = 3, .probability = 1};
    const tempo_given_set bad = {&none, 1}, beyond = {&far, 1}, empty = {&good, 0};
    tempo_given_set many[STEPS + 1];
    tempo_decode_options wrong = visible, replay = isolated;
    tempo_run_arm named[2] = {{"a", &isolated}, {"a", &visible}};
    tempo_run_options o = options(0);

    (void)state;
    assert_refused(&o, TEMPO_E_ARG, "0 arms, expected 1 to 64");
    o.n_arms = 65;
    assert_refused(&o, TEMPO_E_LIMIT, "65 arms");
    o = options(2);
    o.arms = named;
    assert_refused(&o, TEMPO_E_ARG, "arms 0 and 1 are both named 'a'");
    named[1].name = "../b";
    assert_refused(&o, TEMPO_E_ARG, "arm 1 is named '../b'");
    named[1] = (tempo_run_arm){"b", &wrong};
    wrong.threshold = 2;
    assert_refused(&o, TEMPO_E_ARG, "arm 'b'");
    wrong.threshold = 0.004;
    o.regime = TEMPO_REGIME_LOCKSTEP;
    o.driver = 2;
    assert_refused(&o, TEMPO_E_ARG, "the driver is arm 2");
    replay.replay = TEMPO_REPLAY_PUBLISHED;
    named[0].decoding = &replay;
    o.driver = 0;
    assert_refused(&o, TEMPO_E_ARG, "the driver, arm 'a', replays");
    o = options(1);
    o.given = &bad;
    o.n_given = 1;
    assert_refused(&o, TEMPO_E_ARG, "given set 0, member 0 has probability 0");
    o.given = &beyond;
    assert_refused(&o, TEMPO_E_ARG, "given set 0, member 0 has id 288");
    o.given = &empty;
    assert_refused(&o, TEMPO_E_ARG, "given set 0 has 0 members");
    for (size_t i = 0; i <= STEPS; i++)
        many[i] = (tempo_given_set){&good, 1};
    o.given = many;
    o.n_given = STEPS + 1;
    assert_refused(&o, TEMPO_E_ARG, "6 sets are given, but steps is 5");
    const tempo_member same[] = {
        {.id = 3, .probability = 0.5}, {.id = 4, .probability = 0.25}, {.id = 3, .probability = 0.1}};
    const tempo_given_set twice[] = {{&good, 1}, {same, 3}};
    o.given = twice;
    o.n_given = 2;
    assert_refused(&o, TEMPO_E_ARG, "given set 1, member 2: id 3 is there twice");
    o = options(1);
    o.sampling.on = true;
    o.sampling.top_p = 0;
    assert_refused(&o, TEMPO_E_ARG, "top_p is 0");
}

int main(void)
{
    model = test_open_synthetic("llama", TEMPO_F32);
    engine = test_engine(model, 2);
    make_options();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_prefill),
        cmocka_unit_test(test_lockstep),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_sinks),
        cmocka_unit_test(test_failing_sink),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_captures),
        cmocka_unit_test(test_capture_limits),
        cmocka_unit_test(test_captured_arms),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_closing_in_lockstep),
        cmocka_unit_test(test_failure_in_batch),
    };
    const int failed = cmocka_run_group_tests_name("run", tests, NULL, NULL);
    tempo_engine_free(engine);
    tempo_model_free(model);
    return failed;
}
