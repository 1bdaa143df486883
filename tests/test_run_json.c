/* Arms and given sets out of JSON, and what comes of a run as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/arms_json.h"
#include "run/decode_json.h"
#include "run/document.h"
#include "support/models.h"
#include "support/tmpdir.h"

static const int32_t prompt[] = {1, 20, 3, 44, 5, 9};
enum { STEPS = 4 };

static tempo_model *model;
static tempo_engine *engine;

static tempo_decode_options base_options(void)
{
    tempo_decode_options o;

    tempo_decode_options_init(&o);
    o.threshold = 0.004;
    o.steps = STEPS;
    o.stop = TEMPO_STOP_NEVER;
    o.max_set = 6;
    return o;
}

static json_t *json(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

    assert_non_null(v);
    return v;
}

static tempo_arm_list *read_arms(const char *text)
{
    const tempo_decode_options base = base_options();
    tempo_err err = {0};
    tempo_arm_list *l;
    json_t *v = json(text);

    if (tempo_arms_read(&l, v, &base, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    json_decref(v);
    return l;
}

/* ---- arms ---- */

static void test_arms(void **state)
{
    tempo_arm_list *l =
        read_arms("[{\"name\": \"far\", \"positions\": \"offset:2.5\", \"max-set\": 3, \"kv\": \"f16\"},"
                  " {\"mode\": \"visible\", \"visible_layers\": \"1-2\", \"threshold\": 0.5, \"steps\": 7.0},"
                  " {\"replay\": \"published\"}, {}]");

    (void)state;
    assert_int_equal(l->n, 4);
    assert_string_equal(l->arms[0].name, "far");
    assert_true(l->arms[0].decoding->positions == TEMPO_POSITIONS_OFFSET);
    assert_true(l->arms[0].decoding->position_offset == 2.5);
    assert_int_equal(l->arms[0].decoding->max_set, 3);
    assert_int_equal(l->arms[0].decoding->steps, STEPS);
    assert_true(l->arms[0].decoding->kv == TEMPO_KV_F16);
    assert_string_equal(l->arms[1].name, "visible");
    assert_true(l->arms[1].decoding->mode == TEMPO_VISIBLE && l->arms[1].decoding->threshold == 0.5);
    assert_int_equal(l->arms[1].decoding->steps, 7);
    assert_int_equal(l->arms[1].decoding->first_visible_layer, 1);
    assert_int_equal(l->arms[1].decoding->last_visible_layer, 2);
    assert_string_equal(l->arms[2].name, "published");
    assert_string_equal(l->arms[3].name, "isolated");
    assert_int_equal(l->arms[3].decoding->max_set, 6);
    tempo_arms_free(l);
}

static void assert_arms_refused(const char *text, const char *says)
{
    const tempo_decode_options base = base_options();
    tempo_err err = {0};
    tempo_arm_list *l;
    json_t *v = json(text);

    assert_int_equal(tempo_arms_read(&l, v, &base, &err), TEMPO_E_FORMAT);
    assert_null(l);
    if (strcmp(err.msg, says) != 0)
        fail_msg("'%s' is not '%s'", err.msg, says);
    json_decref(v);
}

static void test_bad_arms(void **state)
{
    (void)state;
    assert_arms_refused("{}", "expected a list of 1 to 64 arms");
    assert_arms_refused("[]", "expected a list of 1 to 64 arms");
    assert_arms_refused("[{}, 3]", "arm 1: expected an object with a name and options");
    assert_arms_refused("[{\"name\": \"a\", \"threshold\": 1.5}]",
                        "arm 0, 'a': threshold: expected a number above 0 and at most 1");
    assert_arms_refused("[{\"name\": \"a\", \"temperature\": 0}]",
                        "arm 0, 'a': temperature: expected a finite number above 0");
    assert_arms_refused("[{\"steps\": 1.5}]", "arm 0: steps: expected a whole number from 1 to 1000000000");
    assert_arms_refused("[{\"mode\": \"all\"}]", "arm 0: mode: 'all' is not one of isolated|visible|causal");
    assert_arms_refused("[{\"kv\": 16}]", "arm 0: kv: what is no text is not one of f32|f16");
    assert_arms_refused("[{\"mode\": \"visible\", \"visible_layers\": \"3-1\"}]",
                        "arm 0: visible-layers: '3-1' is not two layers A-B with A <= B");
    assert_arms_refused("[{\"visible_layers\": \"1-3\"}]",
                        "arm 0: visible_layers: means nothing in isolated mode");
    assert_arms_refused("[{\"replay\": \"published\", \"readout\": \"top\"}]",
                        "arm 0: readout: a replay sets it itself: leave it out");
    assert_arms_refused("[{\"treshold\": 1}]", "arm 0: 'treshold' is no option of decoding");
    assert_arms_refused("[{}, {\"name\": \"isolated\"}]",
                        "arm 1, 'isolated': name: arm 0 is named 'isolated', too");
    assert_arms_refused("[{\"name\": \"../a\"}]",
                        "arm 0: name: expected letters, digits, '_', '-' and '.', at most 31, "
                        "the first a letter, a digit or '_'");
}

/* ---- given sets ---- */

static void test_given(void **state)
{
    static const char *const forms[] = {
        "[[{\"id\": 7, \"probability\": 0.5}, {\"id\": 9, \"probability\": 0.25, \"text\": \"x\"}], "
        "[{\"id\": 3, \"probability\": 1}]]",
        "{\"version\": \"1\", \"steps\": [{\"step\": 0, \"members\": [{\"id\": 7, \"probability\": 0.5}, "
        "{\"id\": 9, \"probability\": 0.25}]},"
        " [{\"id\": 3, \"probability\": 1}]]}"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        tempo_given_list *l;
        tempo_err err = {0};
        json_t *v = json(forms[i]);
        assert_int_equal(tempo_given_read(&l, v, 288, &err), TEMPO_OK);
        assert_int_equal(l->n, 2);
        assert_int_equal(l->sets[0].n, 2);
        assert_int_equal(l->sets[0].members[1].id, 9);
        assert_true(l->sets[0].members[1].probability == 0.25);
        assert_int_equal(l->sets[1].members[0].id, 3);
        tempo_given_free(l);
        json_decref(v);
    }
}

static void assert_given_refused(const char *text, const char *says)
{
    tempo_given_list *l;
    tempo_err err = {0};
    json_t *v = json(text);

    assert_int_equal(tempo_given_read(&l, v, 288, &err), TEMPO_E_FORMAT);
    assert_null(l);
    if (strcmp(err.msg, says) != 0)
        fail_msg("'%s' is not '%s'", err.msg, says);
    json_decref(v);
}

static void test_bad_given(void **state)
{
    (void)state;
    assert_given_refused("3", "expected a list of sets, or an object with steps");
    assert_given_refused("{\"arms\": {}}", "the document of several arms: expected the steps of one of them");
    assert_given_refused("[[{\"id\": 1, \"probability\": 1}], []]",
                         "set 1: expected a list of 1 to 288 members");
    assert_given_refused("[[{\"id\": 1, \"probability\": 1}, 5]]",
                         "set 0, member 1: expected an object with id and probability");
    assert_given_refused("[[{\"id\": 288, \"probability\": 1}]]",
                         "set 0, member 0: \"id\" is 288, expected 0 to 287");
    assert_given_refused("[[{\"id\": 1}]]",
                         "set 0, member 0: probability: expected a number above 0 and at most 1");
    assert_given_refused("[[{\"id\": 1, \"probability\": \"x\"}]]",
                         "set 0, member 0: \"probability\" is a string, expected a number");
}

/* ---- documents ---- */

static tempo_run *run_arms(const tempo_arm_list *l, bool lockstep, const tempo_observer *obs)
{
    const tempo_run_prompt p = {.ids = prompt, .n = 6};
    tempo_run_options o;
    tempo_err err = {0};
    tempo_run *r;

    tempo_run_options_init(&o);
    o.arms = l->arms;
    o.n_arms = l->n;
    o.keep = true;
    o.regime = lockstep ? TEMPO_REGIME_LOCKSTEP : TEMPO_REGIME_FREE;
    if (tempo_run_create(&r, engine, &o, &p, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    const tempo_status st = tempo_runs_all(&r, 1, obs, &err);
    assert_int_equal(st, obs != NULL ? TEMPO_E_STOPPED : TEMPO_OK);
    return r;
}

static void assert_text(const json_t *object, const char *key, const char *text)
{
    assert_non_null(json_object_get(object, key));
    assert_string_equal(json_string_value(json_object_get(object, key)), text);
}

static void test_documents(void **state)
{
    tempo_arm_list *l =
        read_arms("[{\"name\": \"a\"}, {\"name\": \"b\", \"mode\": \"visible\", \"steps\": 9}]");
    tempo_run *r = run_arms(l, true, NULL);
    json_t *doc = json_object(), *id = json_string("p1");

    (void)state;
    tempo_json_add_run(doc, r);
    const json_t *arms = json_object_get(doc, "arms"), *b = json_object_get(arms, "b");
    assert_int_equal(json_object_size(arms), 2);
    assert_int_equal(json_array_size(json_object_get(b, "steps")), STEPS);
    assert_text(b, "stopped_by", "steps"); /* its driver's: it could go on */
    assert_non_null(json_object_get(doc, "first_difference"));
    for (size_t i = 0; i < STEPS; i++) {
        json_t *line = tempo_json_line(r, 1, i, id),
               *step = tempo_json_set(tempo_model_tokenizer(model), tempo_run_set(r, 1, i));
        assert_text(line, "id", "p1");
        assert_text(line, "arm", "b");
        assert_true(json_equal(json_object_get(line, "members"), json_object_get(step, "members")));
        assert_true(json_is_null(json_object_get(line, "stopped_by")) == (i + 1 < STEPS));
        json_decref(line);
        json_decref(step);
    }
    json_decref(doc);
    json_decref(id);
    tempo_run_free(r);
    tempo_arms_free(l);
}

static bool poll_few(void *user)
{
    return (*(int *)user)-- > 0;
}

/* One arm has its keys at the top; an interrupt is the reason of who would go on, and no reason in a line. */
static void test_interrupted(void **state)
{
    tempo_arm_list *l = read_arms("[{}]");
    int left = (int)tempo_model_get_info(model)->n_layers * 2 + 1;
    const tempo_observer obs = {.user = &left, .poll = poll_few};
    tempo_run *r = run_arms(l, false, &obs);
    json_t *doc = json_object();

    (void)state;
    tempo_json_add_run(doc, r);
    const size_t n = json_array_size(json_object_get(doc, "steps"));
    assert_true(n > 0 && n < STEPS);
    assert_text(doc, "stopped_by", "interrupt");
    json_t *line = tempo_json_line(r, 0, n - 1, NULL);
    assert_null(json_object_get(line, "arm"));
    assert_true(json_is_null(json_object_get(line, "stopped_by")));
    json_decref(line);
    json_decref(doc);
    tempo_run_free(r);
    tempo_arms_free(l);
}

int main(void)
{
    model = test_open_synthetic("llama", TEMPO_F32);
    engine = test_engine(model, 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arms),      cmocka_unit_test(test_bad_arms),
        cmocka_unit_test(test_given),     cmocka_unit_test(test_bad_given),
        cmocka_unit_test(test_documents), cmocka_unit_test(test_interrupted),
    };
    const int failed = cmocka_run_group_tests_name("run_json", tests, NULL, NULL);
    tempo_engine_free(engine);
    tempo_model_free(model);
    return failed;
}
