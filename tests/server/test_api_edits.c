/* Edits in requests: of all arms and of one, in every route that decodes or shows logits; what is refused;
 * what became of them.  */
#include "api_server.h"

static api_server server;

static int begin(void **state)
{
    (void)state;
    api_open(&server, NULL, NULL, NULL);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    api_close(&server);
    return 0;
}

#define GENERATE "/v1/tempo/generate"
#define NEXT "/v1/tempo/next"
#define COMPLETIONS "/v1/completions"
#define PROMPT "\"prompt\": \"A dog ran in the\""
#define SETS ", \"steps\": 5, \"threshold\": 0.05, \"stop\": \"never\", \"stream\": false"

static json_t *generate(const char *more)
{
    char body[2048];

    (void)snprintf(body, sizeof(body), "{" PROMPT SETS "%s}", more);
    return api_json(&server, "POST", GENERATE, body, 200);
}

/* Members of the sets of an arm. */
static json_t *members_of(const json_t *document, const char *arm)
{
    json_t *all = json_array(), *set;
    size_t i;

    json_array_foreach(json_object_get(document, "sets"), i, set)
    {
        if (strcmp(text_at(set, "arm"), arm) == 0)
            json_array_append(all, json_object_get(set, "members"));
    }
    assert_true(json_array_size(all) > 0);
    return all;
}

static bool same_members(const json_t *a, const char *arm, const json_t *b, const char *other)
{
    json_t *x = members_of(a, arm), *y = members_of(b, other);
    const bool same = json_equal(x, y);

    json_decref(x);
    json_decref(y);
    return same;
}

static bool flag_of(const json_t *edits, size_t i, const char *key)
{
    const json_t *v = json_object_get(json_array_get(edits, i), key);

    assert_true(json_is_boolean(v));
    return json_is_true(v);
}

static json_t *done_edits(const json_t *document, size_t arm)
{
    return json_object_get(json_array_get(json_object_get(json_object_get(document, "done"), "arms"), arm),
                           "edits");
}

/* Cutting siblings makes visible isolated, in an arm beside others, and what did nothing is told. */
static void test_arms(void **state)
{
    (void)state;
    json_t *v = generate(
        ", \"edits\": [\"scale 1 z\"], \"arms\": [\"isolated\", \"visible\", {\"name\": \"cut\", \"arm\": "
        "\"visible\", "
        "\"edits\": [\"cut siblings\", {\"edit\": \"add ln_final.scale rows=set:900\", \"vector\": [1]}]}, "
        "{\"name\": \"patched\", \"arm\": \"isolated\", \"edits\": [\"patch resid_pre layers=3 "
        "from=visible\"]}]");
    json_t *start = json_object_get(v, "start"), *edits = json_object_get(start, "edits");

    assert_true(same_members(v, "cut", v, "isolated"));
    assert_false(same_members(v, "visible", v, "isolated"));
    assert_string_equal(json_string_value(json_array_get(json_object_get(start, "arms"), 2)), "cut");
    assert_int_equal(json_object_size(edits), 4);
    assert_int_equal(json_array_size(json_object_get(edits, "cut")), 3);
    assert_int_equal(json_array_size(done_edits(v, 2)), 3);
    for (size_t i = 0; i < 4; i++)
        assert_true(flag_of(done_edits(v, i), 0, "came") && !flag_of(done_edits(v, i), 0, "changed"));
    assert_true(flag_of(done_edits(v, 2), 1, "changed"));
    assert_true(!flag_of(done_edits(v, 2), 2, "came") && !flag_of(done_edits(v, 2), 2, "changed"));
    assert_true(flag_of(done_edits(v, 3), 1, "changed"));
    json_decref(v);
    v = generate("");
    assert_null(json_object_get(json_object_get(v, "start"), "edits"));
    assert_null(done_edits(v, 0));
    json_decref(v);
}

static double first_probability(const json_t *next)
{
    const json_t *first = json_array_get(json_object_get(next, "tokens"), 0);

    return json_number_value(json_object_get(first, "probability"));
}

/* One edit in each route, of numbers and of base64 (1.5f), which must say the same. */
static void test_routes(void **state)
{
    static const char *const edits[] = {
        "{\"edit\": \"add ln_final.scale\", \"vector\": [1.5]}",
        "{\"edit\": \"add ln_final.scale\", \"vector\": {\"base64\": \"AADAPw==\", \"shape\": [1]}}"};
    char body[600], *plain, *lens;
    double p[2];

    (void)state;
    json_t *v = api_json(&server, "POST", NEXT, "{" PROMPT "}", 200);
    const double unedited = first_probability(v);
    assert_null(json_object_get(v, "edits"));
    json_decref(v);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(body, sizeof(body), "{" PROMPT ", \"edits\": [%s]}", edits[i]);
        v = api_json(&server, "POST", NEXT, body, 200);
        p[i] = first_probability(v);
        assert_true(p[i] < unedited && flag_of(json_object_get(v, "edits"), 0, "changed"));
        json_decref(v);
        for (size_t stream = 0; stream < 2; stream++) {
            (void)snprintf(body, sizeof(body),
                           "{" PROMPT ", \"max_tokens\": 3, \"stream\": %s, \"tempo\": {\"threshold\": 0.05, "
                           "\"stop\": \"never\", \"edits\": [%s, \"zero z rows=set:900\"]}}",
                           stream ? "true" : "false", edits[i]);
            v = stream ? api_stream(&server, COMPLETIONS, body)
                       : api_json(&server, "POST", COMPLETIONS, body, 200);
            const json_t *last = stream ? event_data(v, json_array_size(v) - 2) : v;
            const json_t *told = json_object_get(json_object_get(choice_of(last), "tempo"), "edits");
            assert_int_equal(json_array_size(told), 2);
            assert_true(flag_of(told, 0, "changed") && !flag_of(told, 1, "came"));
            assert_string_equal(text_at(choice_of(last), "finish_reason"), "length");
            json_decref(v);
        }
    }
    assert_true(p[0] == p[1]);
    /* the lens shows the residual stream, before the last norm */
    plain = api_text(&server, "POST", "/v1/tempo/lens", "{" PROMPT "}", 200);
    lens = api_text(&server, "POST", "/v1/tempo/lens",
                    "{" PROMPT ", \"edits\": [\"scale 2 resid_post layers=3\"]}", 200);
    assert_string_not_equal(lens, plain);
    free(lens);
    free(plain);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *more, *param, *says;
    } bad[] = {
        {"\"edits\": \"zero z\"", "edits", "is not an array"},
        {"\"edits\": [\"zero zz\"]", "edits[0]", "edits[0]: edit 'zero zz': 'zz' is no tap"},
        {"\"edits\": [\"zero z\", 5]", "edits[1]", "it is an integer"},
        {"\"edits\": [\"zero z layers=8-12\"]", "edits[0]", "the model has layers 0 to 7"},
        {"\"edits\": [\"zero z heads=8\"]", "edits[0]", "heads 0 to 7"},
        {"\"edits\": [\"zero z rows=prompt:50\"]", "edits", "prompt:50: the prompt has tokens"},
        {"\"edits\": [\"add z vector=/etc/passwd\"]", "edits[0]", "files are not read here"},
        {"\"edits\": [\"mean z from=/etc/passwd\"]", "edits[0]", "files are not read here"},
        {"\"edits\": [\"patch z from=/tmp\"]", "edits[0]", "there is no run '/tmp'"},
        {"\"edits\": [{\"edit\": \"add z\", \"vector\": [1, 2]}]", "edits[0]", "has shape [2]"},
        {"\"edits\": [{\"edit\": \"add ln1.scale\", \"vector\": {\"base64\": \"AADAfw==\", \"shape\": [1]}}]",
         "edits[0]", "not a finite number"},
    };
    static const struct {
        const char *arms, *param, *says;
    } arms[] = {
        {"{\"arm\": \"visible\", \"edits\": [\"zero zz\"]}", "arms[1].edits[0]", "'zz' is no tap"},
        {"{\"arm\": \"visible\", \"edits\": [\"patch z from=visible\"]}", "arms[1].edits[0]",
         "there is no run 'visible'"},
        {"{\"arm\": \"visible\", \"edits\": 5}", "arms", "[1].edits is an integer"},
        {"{\"arm\": \"seen\"}", "arms", "[1] is not one of"},
        {"{\"arm\": \"isolated\"}", "arms", "[1] is isolated again"},
        {"{\"name\": \"../x\"}", "arms", "[1].name: expected letters"},
        {"{\"nam\": \"x\"}", "arms", "[1]: there is no field nam"},
    };
    char body[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        (void)snprintf(body, sizeof(body), "{" PROMPT ", %s}", bad[i].more);
        api_refused(&server, GENERATE, body, 400, bad[i].param, bad[i].says);
        api_refused(&server, NEXT, body, 400, bad[i].param, bad[i].says);
    }
    for (size_t i = 0; i < sizeof(arms) / sizeof(*arms); i++) {
        (void)snprintf(body, sizeof(body), "{" PROMPT ", \"arms\": [\"isolated\", %s]}", arms[i].arms);
        api_refused(&server, GENERATE, body, 400, arms[i].param, arms[i].says);
    }
    /* What shows only while the model runs: numbers that the edit has made infinite are the client's, too. */
#define INFINITE "\"edits\": [\"scale 1e38 hook_resid_post\"]"
    api_refused(&server, GENERATE, "{" PROMPT ", \"stream\": false, " INFINITE "}", 400, "edits",
                "not finite");
    api_refused(&server, NEXT, "{" PROMPT ", " INFINITE "}", 400, "edits", "not finite");
    api_refused(&server, COMPLETIONS, "{" PROMPT ", \"tempo\": {" INFINITE "}}", 400, "edits", "not finite");
    api_refused(&server, COMPLETIONS, "{" PROMPT ", \"tempo\": {\"edits\": [\"zero zz\"]}}", 400,
                "tempo.edits[0]", "'zz' is no tap");
    api_refused(&server, COMPLETIONS, "{" PROMPT ", \"tempo\": {\"edits\": [\"zero z rows=prompt:50\"]}}",
                400, "tempo.edits", "prompt:50");
    api_refused(&server, COMPLETIONS, "{" PROMPT ", \"edits\": []}", 400, "edits", "no such field");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arms),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
