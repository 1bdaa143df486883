/* The native routes over real sockets: generate as stream and document, next, generations, tokenize, info. */
#include <math.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api_server.h"
#include "run/decode_json.h"
#include "support/model_writer.h"
#include "support/tmpdir.h"

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
#define PROMPT "\"prompt\": \"Once upon a time\""

/* What a decoder of its own gives, as sets of JSON. */
static json_t *direct_sets(const tempo_decode_options *o, const int32_t *ids, size_t n)
{
    tempo_decoder *d;
    json_t *sets = json_array();

    assert_int_equal(tempo_decoder_create(&d, server.alone, o, ids, n, NULL), TEMPO_OK);
    while (tempo_decoder_stopped(d) == TEMPO_RUNNING) {
        assert_int_equal(tempo_decoders_step(&d, 1, NULL, NULL), TEMPO_OK);
        json_array_append_new(sets,
                              tempo_json_set(tempo_model_tokenizer(server.model), tempo_decoder_last_set(d)));
    }
    tempo_decoder_free(d);
    return sets;
}

/* event without what a decoder alone does not say */
static void assert_same_set(const json_t *event, const json_t *set)
{
    json_t *copy = json_deep_copy(event);

    json_object_del(copy, "arm");
    json_object_del(copy, "given");
    json_object_del(copy, "stopped_by");
    if (!json_equal(copy, set))
        fail_msg("%s\nis not\n%s", json_dumps(copy, 0), json_dumps(set, 0));
    json_decref(copy);
}

static void test_stream(void **state)
{
    (void)state;
    tempo_decode_options o;
    json_t *events = api_stream(&server, GENERATE,
                                "{" PROMPT ", \"steps\": 8, \"threshold\": 0.05, \"mode\": \"visible\"}");
    json_t *start = event_data(events, 0), *ids = json_object_get(start, "prompt_ids");
    const size_t n = json_array_size(events);
    int32_t prompt[64];

    assert_string_equal(event_name(events, 0), "start");
    assert_string_equal(text_at(start, "prompt"), "Once upon a time");
    assert_string_equal(json_string_value(json_array_get(json_object_get(start, "arms"), 0)), "visible");
    for (size_t i = 0; i < json_array_size(ids); i++)
        prompt[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    tempo_decode_options_init(&o);
    o.steps = 8;
    o.threshold = 0.05;
    o.mode = TEMPO_VISIBLE;
    json_t *sets = direct_sets(&o, prompt, json_array_size(ids));
    assert_int_equal(n, json_array_size(sets) + 2);
    for (size_t i = 0; i + 2 < n; i++) {
        json_t *e = event_data(events, i + 1);
        assert_string_equal(event_name(events, i + 1), "set");
        assert_same_set(e, json_array_get(sets, i));
        assert_string_equal(text_at(e, "arm"), "visible");
        assert_false(json_is_true(json_object_get(e, "given")));
        if (i + 3 < n)
            assert_true(json_is_null(json_object_get(e, "stopped_by")));
    }
    assert_string_equal(event_name(events, n - 1), "done");
    json_t *done = event_data(events, n - 1), *arm = json_array_get(json_object_get(done, "arms"), 0);
    assert_string_equal(text_at(done, "id"), text_at(start, "id"));
    assert_int_equal(json_integer_value(json_object_get(arm, "steps")), json_array_size(sets));
    assert_non_null(text_at(arm, "top_text"));
    assert_true(json_is_null(json_object_get(done, "first_difference")));
    json_decref(sets);
    json_decref(events);
}

static void test_document_equals_stream(void **state)
{
    (void)state;
#define REQUEST                                                                                              \
    PROMPT ", \"steps\": 6, \"threshold\": 0.03, \"arms\": [\"isolated\", \"visible\", \"published\"], "     \
           "\"attention\": true, \"top_keys\": 3"
    json_t *events = api_stream(&server, GENERATE, "{" REQUEST "}");
    json_t *d = api_json(&server, "POST", GENERATE, "{" REQUEST ", \"stream\": false}", 200);
    static const char *const names[] = {"set", "attention", "compare"}, *const keys[] = {"sets", "attention",
                                                                                         "compare"};

    for (size_t k = 0; k < 3; k++) {
        size_t at = 0;
        for (size_t i = 0; i < json_array_size(events); i++)
            if (strcmp(event_name(events, i), names[k]) == 0)
                assert_true(
                    json_equal(event_data(events, i), json_array_get(json_object_get(d, keys[k]), at++)));
        assert_int_equal(at, json_array_size(json_object_get(d, keys[k])));
        assert_true(at >= 6);
    }
    json_t *done = json_object_get(d, "done"), *difference = json_object_get(done, "first_difference");
    assert_int_equal(json_array_size(json_object_get(done, "arms")), 3);
    assert_true(json_is_object(difference)); /* a replay feeds the last token twice: its sets are others */
    assert_true(
        json_is_null(json_object_get(json_object_get(json_object_get(d, "start"), "config"), "mode")));
    json_t *attention = json_array_get(json_object_get(d, "attention"), 0);
    assert_int_equal(
        json_array_size(json_object_get(json_array_get(json_object_get(attention, "rows"), 0), "keys")), 3);
    json_decref(d);
    json_decref(events);
#undef REQUEST
}

/* Whether arms differ is one answer: of each comparison, of the sets themselves, and of the end. */
static void test_differences(void **state)
{
    (void)state;
    json_t *d =
        api_json(&server, "POST", GENERATE,
                 "{\"prompt\": \"I\", \"steps\": 6, \"threshold\": 0.05, \"stream\": false, \"arms\": "
                 "[\"isolated\", \"visible\"]}",
                 200);
    json_t *done = json_object_get(d, "done"), *set = json_object_get(done, "first_difference"),
           *order = json_object_get(done, "first_order_difference"),
           *q = json_object_get(done, "first_distribution_difference");
    static const char *const keys[] = {"same", "same_order", "same_distribution"};
    const json_t *c;
    json_int_t first[3] = {-1, -1, -1};
    size_t i;

    json_array_foreach(json_object_get(d, "compare"), i, c)
    {
        for (size_t k = 0; k < 3; k++)
            if (first[k] < 0 && json_is_false(json_object_get(c, keys[k])))
                first[k] = json_integer_value(json_object_get(c, "step"));
        /* nobody lacks a member where the sets are the same */
        const json_t *only = json_object_get(c, "only");
        const bool none = json_array_size(json_object_get(only, "isolated")) +
                              json_array_size(json_object_get(only, "visible")) ==
                          0;
        assert_int_equal(json_is_true(json_object_get(c, "same")), none);
    }
    /* this prompt turns two members round before it parts */
    assert_int_equal(first[0], json_integer_value(json_object_get(set, "step")));
    assert_int_equal(first[1], json_integer_value(json_object_get(order, "step")));
    assert_int_equal(first[2], json_integer_value(json_object_get(q, "step")));
    assert_true(first[2] > 0 && first[1] > first[2] && first[0] > first[1]);
    assert_true(json_real_value(json_object_get(q, "max_abs")) > 0);
    json_decref(d);
}

/* A branch: what was selected is given again, and the rest comes as before. */
static void test_given(void **state)
{
    (void)state;
    json_t *whole = api_json(&server, "POST", GENERATE,
                             "{" PROMPT ", \"steps\": 5, \"threshold\": 0.05, \"stream\": false}", 200);
    json_t *sets = json_object_get(whole, "sets"), *given = json_array(), *request, *again;
    char *body;

    for (size_t i = 0; i < 2; i++) {
        json_t *set = json_array(), *m;
        size_t k;
        json_array_foreach(json_object_get(json_array_get(sets, i), "members"), k, m)
            json_array_append_new(set, json_pack("{s:O, s:O}", "id", json_object_get(m, "id"), "probability",
                                                 json_object_get(m, "probability")));
        json_array_append_new(given, set);
    }
    request = json_pack("{s:s, s:o, s:i, s:f, s:b}", "prompt", "Once upon a time", "given", given, "steps", 3,
                        "threshold", 0.05, "stream", 0);
    body = json_dumps(request, JSON_REAL_PRECISION(17));
    again = api_json(&server, "POST", GENERATE, body, 200);
    assert_int_equal(json_array_size(json_object_get(again, "sets")), json_array_size(sets));
    for (size_t i = 0; i < json_array_size(sets); i++) {
        json_t *a = json_array_get(sets, i), *b = json_array_get(json_object_get(again, "sets"), i);
        assert_int_equal(json_is_true(json_object_get(b, "given")), i < 2);
        assert_true(json_equal(json_object_get(a, "members"), json_object_get(b, "members")));
    }
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(json_object_get(again, "start"), "config"), "steps")),
                     3);
    free(body);
    json_decref(request);
    json_decref(again);
    json_decref(whole);
}

static void test_next(void **state)
{
    (void)state;
    json_t *v = api_json(&server, "POST", "/v1/tempo/next", "{" PROMPT ", \"top\": 7}", 200),
           *tokens = json_object_get(v, "tokens");
    json_t *greedy = api_json(&server, "POST", GENERATE,
                              "{" PROMPT ", \"steps\": 1, \"threshold\": 1, \"stream\": false}", 200);
    json_t *top =
        json_array_get(json_object_get(json_array_get(json_object_get(greedy, "sets"), 0), "members"), 0);
    double last = 1;

    assert_int_equal(json_array_size(tokens), 7);
    assert_true(json_number_value(json_object_get(v, "entropy")) > 0);
    for (size_t i = 0; i < 7; i++) {
        const double q = json_number_value(json_object_get(json_array_get(tokens, i), "probability"));
        assert_true(q > 0 && q <= last);
        last = q;
    }
    assert_true(json_equal(json_object_get(json_array_get(tokens, 0), "id"), json_object_get(top, "id")));
    assert_true(json_equal(json_object_get(json_array_get(tokens, 0), "probability"),
                           json_object_get(top, "probability")));
    json_decref(v);
    /* after a given set it is what follows that set */
    char body[300];
    (void)snprintf(body, sizeof(body),
                   "{" PROMPT ", \"given\": [[{\"id\": %d, \"probability\": 1}]], \"top\": 1}",
                   (int)json_integer_value(json_object_get(top, "id")));
    v = api_json(&server, "POST", "/v1/tempo/next", body, 200);
    json_t *two = api_json(&server, "POST", GENERATE,
                           "{" PROMPT ", \"steps\": 2, \"threshold\": 1, \"stream\": false}", 200);
    json_t *second =
        json_array_get(json_object_get(json_array_get(json_object_get(two, "sets"), 1), "members"), 0);
    assert_true(json_equal(json_object_get(json_array_get(json_object_get(v, "tokens"), 0), "id"),
                           json_object_get(second, "id")));
    json_decref(two);
    json_decref(v);
    json_decref(greedy);
}

static void test_generations(void **state)
{
    (void)state;
    json_t *d = api_json(&server, "POST", GENERATE,
                         "{" PROMPT ", \"steps\": 3, \"record\": [\"attention\"], \"stream\": false}", 200);
    const char *id = text_at(json_object_get(d, "start"), "id");
    char target[128];
    json_t *list = api_json(&server, "GET", "/v1/tempo/generations", NULL, 200);
    json_t *first = json_array_get(json_object_get(list, "generations"), 0), *kept;

    assert_string_equal(text_at(first, "id"), id);
    assert_string_equal(text_at(first, "prompt"), "Once upon a time");
    assert_int_equal(json_integer_value(json_object_get(first, "steps")), 3);
    assert_true(json_integer_value(json_object_get(first, "bytes")) > 0);
    json_t *request = api_parse("{" PROMPT ", \"steps\": 3, \"record\": [\"attention\"]}"); /* to ask again */
    assert_true(json_equal(json_object_get(first, "request"), request));
    json_decref(request);
    (void)snprintf(target, sizeof(target), "/v1/tempo/generations/%s", id);
    kept = api_json(&server, "GET", target, NULL, 200);
    assert_true(json_equal(kept, d));
    json_decref(kept);
    json_decref(list);
    json_decref(d);
    kept = api_json(&server, "GET", "/v1/tempo/generations/gen-none", NULL, 404);
    json_decref(kept);
    /* of a stream, too, whose slots and document are there as soon as it has ended */
    json_t *events = api_stream(&server, GENERATE, "{" PROMPT ", \"steps\": 3, \"record\": [\"attention\"]}");
    (void)snprintf(target, sizeof(target), "/v1/tempo/generations/%s", text_at(event_data(events, 0), "id"));
    kept = api_json(&server, "GET", target, NULL, 200);
    assert_true(json_equal(json_object_get(kept, "start"), event_data(events, 0)));
    assert_true(json_equal(json_array_get(json_object_get(kept, "sets"), 2), event_data(events, 3)));
    assert_true(json_equal(json_object_get(kept, "done"), event_data(events, 4)));
    json_decref(kept);
    json_decref(events);
}

/* Every field is refused by its name when it is wrong, and every unknown one with a hint. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param, *part;
    } rows[] = {
        {"", NULL, "empty"},
        {"[]", NULL, "an array, expected a JSON object"},
        {"{", NULL, "JSON"},
        {"{\"prompt\": \"a\", \"prompt\": \"b\"}", NULL, "duplicate"},
        {"{\"prompt\": \"a\", \"threshold\": NaN}", NULL, "no numbers of JSON"},
        {"{\"prompt\": \"a\", \"threshold\": 1e999}", NULL, "above the largest"},
        {"{\"prompt\": \"a\", \"steps\": 9223372036854775808}", "steps",
         "9223372036854775808 is not a whole number from 1 to"},
        {"{\"prompt\": \"a\", \"threshold\": 9223372036854775808}", "threshold", "is not in (0, 1]"},
        {"{\"prompt\": \"a\", \"treshold\": 0.1}", "treshold", "did you mean threshold?"},
        {"{\"prompt\": \"a\", \"max-set\": 2}", "max-set", "did you mean max_set?"},
        {"{\"prompt\": \"a\", \"zzzzzzzz\": 0.1}", "zzzzzzzz", "there is no such field"},
        {"{}", "prompt", "there is no prompt"},
        {"{\"prompt\": \"\"}", "prompt", "empty"},
        {"{\"prompt\": \"a\", \"prompt_ids\": [1]}", "prompt", "only one of"},
        {"{\"prompt\": 1}", "prompt", "1 is not a string"},
        {"{\"prompt\": null}", "prompt", "null is not a string"},
        {"{\"prompt_ids\": []}", "prompt_ids", "no token id"},
        {"{\"prompt_ids\": [1, -1]}", "prompt_ids", "[1]: -1 is not a token id"},
        {"{\"prompt_ids\": [1, 999999999]}", "prompt_ids", "is not a token id from 0 to"},
        {"{\"prompt_ids\": [1.5]}", "prompt_ids", "1.5 is not"},
        {"{\"messages\": []}", "messages", "1 to 4096"},
        {"{\"messages\": [1]}", "messages", "[0] is not an object"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": 1}]}", "messages", "content is not"},
        {"{\"messages\": [{\"content\": \"a\"}]}", "messages", "has no role"},
        {"{\"messages\": [{\"role\": \"user\", \"contents\": \"a\"}]}", "messages[0].contents",
         "did you mean messages[0].content?"},
        {"{\"prompt\": \"a\", \"threshold\": 1.5}", "threshold", "threshold: 1.5 is not in (0, 1]"},
        {"{\"prompt\": \"a\", \"threshold\": 0}", "threshold", "0 is not in (0, 1]"},
        {"{\"prompt\": \"a\", \"threshold\": \"0.1\"}", "threshold", "'0.1' is not a number in (0, 1]"},
        {"{\"prompt\": \"a\", \"steps\": 0}", "steps", "0 is not a whole number from 1 to"},
        {"{\"prompt\": \"a\", \"steps\": 2.1}", "steps", "steps: 2.1 is not a whole number from 1 to"},
        {"{\"prompt\": \"a\", \"steps\": 1e300}", "steps", "steps: 1e+300 is not a whole number"},
        {"{\"prompt_ids\": [0.3]}", "prompt_ids", "[0]: 0.3 is not a token id"},
        {"{\"prompt\": \"a\", \"steps\": 201}", "steps", "limit of 200"},
        {"{\"prompt\": \"a\", \"mode\": \"both\"}", "mode", "'both' is not one of isolated, visible, causal"},
        {"{\"prompt\": \"a\", \"mode\": 1}", "mode", "1 is not one of"},
        {"{\"prompt\": \"a\", \"visible_layers\": \"3-1\", \"mode\": \"visible\"}", "visible_layers",
         "A <= B"},
        {"{\"prompt\": \"a\", \"visible_layers\": \"0-999\", \"mode\": \"visible\"}", "visible_layers",
         "not within"},
        {"{\"prompt\": \"a\", \"visible_layers\": \"0-1\"}", "visible_layers", "isolated"},
        {"{\"prompt\": \"a\", \"context\": \"some\"}", "context", "one of all, top, last"},
        {"{\"prompt\": \"a\", \"readout\": \"mean\"}", "readout", "one of mixture"},
        {"{\"prompt\": \"a\", \"positions\": \"offset:\"}", "positions", "shared, unique, offset:D"},
        {"{\"prompt\": \"a\", \"positions\": \"offset:inf\"}", "positions", "shared, unique, offset:D"},
        {"{\"prompt\": \"a\", \"stop\": \"x\"}", "stop", "one of any, top, never"},
        {"{\"prompt\": \"a\", \"min_steps\": -1}", "min_steps", "-1 is not a whole number"},
        {"{\"prompt\": \"a\", \"max_set\": 0}", "max_set", "from 1 to 256"},
        {"{\"prompt\": \"a\", \"max_set\": 257}", "max_set", "from 1 to 256"},
        {"{\"prompt\": \"a\", \"temperature\": 1e-320}", "temperature", "at least 1e-100"},
        {"{\"prompt\": \"a\", \"max_set\": true}", "max_set", "true or false is not a whole number"},
        {"{\"prompt\": \"a\", \"temperature\": 0}", "temperature", "a finite number above 0"},
        {"{\"prompt\": \"a\", \"replay\": \"published\", \"context\": \"top\"}", "context", "replay"},
        {"{\"prompt\": \"a\", \"kv\": \"f64\"}", "kv", "one of f32, f16"},
        {"{\"prompt\": \"a\", \"max_slots\": 99999999}", "max_slots", "from 0 to 16777216"},
        {"{\"prompt\": \"a\", \"no_bos\": 1}", "no_bos", "1 is not true or false"},
        {"{\"prompt\": \"a\", \"no_special\": \"x\"}", "no_special", "true or false"},
        {"{\"prompt\": \"a\", \"arms\": []}", "arms", "1 to 4 arms"},
        {"{\"prompt\": \"a\", \"arms\": [\"isolated\", \"isolated\"]}", "arms", "[1]"},
        {"{\"prompt\": \"a\", \"arms\": [\"x\"]}", "arms", "[0]"},
        {"{\"prompt\": \"a\", \"arms\": [\"isolated\"], \"mode\": \"visible\"}", "mode", "arms say it"},
        {"{\"prompt\": \"a\", \"arms\": [\"isolated\", \"published\"], \"readout\": \"top\"}", "readout",
         "replay"},
        {"{\"prompt\": \"a\", \"arms\": [\"isolated\"], \"visible_layers\": \"0-1\"}", "visible_layers",
         "no arm"},
        {"{\"prompt\": \"a\", \"given\": [[]]}", "given[0]", "expected a list of 1 to"},
        {"{\"prompt\": \"a\", \"given\": [[{\"id\": 1}]]}", "given[0][0].probability",
         "above 0 and at most 1"},
        {"{\"prompt\": \"a\", \"given\": [[{\"id\": 1, \"probability\": 2}]]}", "given[0][0].probability",
         "above 0 and at most 1"},
        {"{\"prompt\": \"a\", \"given\": [[{\"id\": -1, \"probability\": 1}]]}", "given[0][0].id",
         "expected 0 to"},
        {"{\"prompt\": \"a\", \"given\": [[{\"id\": 1, \"probability\": 1}]], \"steps\": 200}", "given",
         "limit of 200"},
        {"{\"prompt\": \"a\", \"record\": [\"logits\"]}", "record", "\"attention\""},
        {"{\"prompt\": \"a\", \"record\": [\"attention\", \"z:layers=1\"]}", "record",
         "[1]: 'z:layers=1' is not kept: a server keeps the whole \"attention\""},
        {"{\"prompt\": \"a\", \"record\": [\"attention:layers=0-1\"]}", "record", "tempo generate --capture"},
        {"{\"prompt\": \"a\", \"record\": [\"attention:square\"]}", "record", "tempo generate --capture"},
        {"{\"prompt\": \"a\", \"record\": [\"zz\"]}", "record", "'zz': expected attention, logits"},
        {"{\"prompt\": \"a\", \"record\": [1]}", "record", "an integer, expected"},
        {"{\"prompt\": \"a\", \"attention\": 1}", "attention", "true or false"},
        {"{\"prompt\": \"a\", \"top_keys\": 33}", "top_keys", "from 0 to 32"},
        {"{\"prompt\": \"a\", \"stream\": \"yes\"}", "stream", "true or false"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        api_refused(&server, GENERATE, rows[i].body, 400, rows[i].param, rows[i].part);
    api_refused(&server, "/v1/tempo/next", "{\"prompt\": \"a\", \"steps\": 3}", 400, "steps",
                "no such field");
    api_refused(&server, "/v1/tempo/next", "{\"prompt\": \"a\", \"top\": 1001}", 400, "top",
                "from 1 to 1000");
    api_refused(&server, GENERATE "?x=1", "{\"prompt\": \"a\"}", 400, "x", "there is no such parameter");
}

/* One table for the command line and for requests: the names that the server tells are those. */
static void test_info(void **state)
{
    (void)state;
    static const char *const names[] = {"steps",       "threshold", "mode", "visible_layers", "context",
                                        "readout",     "positions", "stop", "min_steps",      "max_set",
                                        "temperature", "replay",    "kv",   "max_slots"};
    json_t *v = api_json(&server, "GET", "/v1/tempo/info", NULL, 200),
           *options = json_object_get(v, "options"), *o;
    const tempo_model_info *info = tempo_model_get_info(server.model);

    assert_int_equal(json_array_size(options), sizeof(names) / sizeof(*names));
    for (size_t i = 0; i < json_array_size(options); i++)
        assert_string_equal(text_at(json_array_get(options, i), "name"), names[i]);
    o = json_array_get(options, 1);
    assert_string_equal(text_at(o, "kind"), "real");
    assert_true(json_is_true(json_object_get(o, "low_excluded")));
    assert_true(fabs(json_number_value(json_object_get(o, "default")) - 0.1) < 1e-15);
    o = json_object_get(v, "model");
    assert_string_equal(text_at(o, "name"), info->name);
    assert_null(strchr(text_at(o, "path"), '/'));
    assert_int_equal(json_integer_value(json_object_get(o, "layers")), info->n_layers);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(v, "limits"), "max_steps")), 200);
    json_decref(v);
    v = api_json(&server, "GET", "/health", NULL, 200);
    assert_string_equal(text_at(v, "status"), "ok");
    json_decref(v);
    char *metrics = api_text(&server, "GET", "/metrics", NULL, 200);
    assert_non_null(strstr(metrics, "\ntempo_jobs_total "));
    assert_non_null(strstr(metrics, "tempo_http_answers_total{class=\"2xx\"} "));
    free(metrics);
}

/* What is odd about a model is told as the command tells it. */
static void test_notes(void **state)
{
    (void)state;
    api_server s;
    size_t n = 0;
    char dir[256], path[512];
    const test_spec spec = test_spec_default("llama");
    test_model *t = test_model_make(&spec);
    test_tmpdir_create(dir);
    test_path(path, dir, "odd.gguf");
    test_model_set_u32(t, "tokenizer.chat_template", 7);
    test_model_write_gguf(t, 3, path);
    api_open(&s, test_open_model(path), NULL, NULL);
    test_model_free(t);
    test_tmpdir_remove(dir);
    json_t *v = api_json(&s, "GET", "/v1/tempo/info", NULL, 200),
           *notes = json_object_get(json_object_get(v, "model"), "notes");
    for (const char *note; (note = tempo_model_note(s.model, n)) != NULL; n++)
        assert_string_equal(json_string_value(json_array_get(notes, n)), note);
    assert_true(n > 0); /* or this says nothing */
    assert_int_equal(json_array_size(notes), n);
    json_decref(v);
    api_close(&s);
}

/* From the moment that the end begins, not from that of the last step on. */
static void test_going_down(void **state)
{
    (void)state;
    api_server s;
    api_open(&s, NULL, NULL, NULL);
    json_decref(api_json(&s, "GET", "/health", NULL, 200));
    tempo_http_begin_stop(s.http);
    json_t *v = api_json(&s, "GET", "/health", NULL, 503); /* on a new connection */
    assert_string_equal(text_at(v, "status"), "stopping");
    json_decref(v);
    json_decref(api_json(&s, "POST", "/v1/tempo/generate", "{\"prompt\": \"a\", \"steps\": 1}", 503));
    api_close(&s);
}

static void test_tokenize(void **state)
{
    (void)state;
    json_t *v = api_json(&server, "POST", "/tokenize", "{\"text\": \"Once upon a time\", \"no_bos\": true}",
                         200),
           *back;
    json_t *pieces = json_object_get(v, "pieces"), *piece;
    char text[64] = "", *body;
    size_t i;

    json_array_foreach(pieces, i, piece) strcat(text, text_at(piece, "text"));
    assert_string_equal(text, "Once upon a time");
    assert_int_equal(json_integer_value(json_object_get(v, "count")), json_array_size(pieces));
    json_t *request = json_pack("{s:O}", "tokens", json_object_get(v, "tokens"));
    body = json_dumps(request, 0);
    back = api_json(&server, "POST", "/detokenize", body, 200);
    assert_string_equal(text_at(back, "text"), "Once upon a time");
    json_decref(back);
    json_decref(request);
    json_decref(v);
    free(body);
    api_refused(&server, "/tokenize", "{}", 400, "text", "none");
    api_refused(&server, "/tokenize", "{\"text\": 1}", 400, "text", "not a string");
    api_refused(&server, "/detokenize", "{\"tokens\": [1000000]}", 400, "tokens", "not a token id");
    api_refused(&server, "/detokenize", "{\"token\": [1]}", 400, "token", "did you mean tokens?");
}

/* A stream of more bytes than any socket takes by itself: it is under way until somebody reads it. */
static int begin_long_stream(const api_server *s)
{
    static const char body[] =
        "{" PROMPT ", \"steps\": 200, \"stop\": \"never\", \"threshold\": 0.0005, \"max_set\": 64, "
        "\"attention\": true, \"top_keys\": 32, \"arms\": [\"isolated\", \"visible\", \"causal\", "
        "\"published\"]}";
    const int fd = http_connect(s->port), small = 4096;
    char request[1024], some[4096];

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    (void)snprintf(request, sizeof(request),
                   "POST " GENERATE " HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\nContent-Type: "
                   "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   s->port, sizeof(body) - 1, body);
    assert_true(http_send(fd, request, strlen(request)));
    assert_true(http_receive_some(fd, some, sizeof(some)) > 0);
    return fd;
}

/* Whoever goes away stops the work. */
static void test_client_goes(void **state)
{
    (void)state;
    const uint64_t before = tempo_worker_get_counts(server.worker).cancelled;
    const int fd = begin_long_stream(&server);

    close(fd);
    tempo_worker_counts c = tempo_worker_get_counts(server.worker);
    for (int i = 0; c.waiting + c.running + c.held > 0; i++) {
        const struct timespec nap = {.tv_nsec = 10000000};
        nanosleep(&nap, NULL);
        assert_true(i < 6000);
        c = tempo_worker_get_counts(server.worker);
    }
    assert_int_equal(c.cancelled, before + 1);
}

/* When the server goes down a stream ends with an event that says so. */
static void test_shutdown(void **state)
{
    (void)state;
    api_server s;

    api_open(&s, NULL, NULL, NULL);
    const int fd = begin_long_stream(&s);
    tempo_worker_stop(s.worker);
    http_answer a = http_receive(fd);
    const char *last = strstr(a.text, "event: error\ndata: ");
    assert_non_null(last);
    assert_non_null(strstr(last, "\"code\":\"shutdown\""));
    assert_null(strstr(last, "event: done"));
    http_answer_free(&a);
    close(fd);
    /* and new ones are refused */
    char *text = api_text(&s, "POST", GENERATE, "{" PROMPT "}", 503);
    free(text);
    api_close(&s);
}

/* A whole number is one however it is written. */
static void test_whole_numbers(void **state)
{
    (void)state;
    json_t *a = api_json(&server, "POST", "/v1/tempo/generate",
                         "{\"prompt_ids\": [4094.0, 64], \"steps\": 3.0, \"max_set\": 2e0, \"given\": "
                         "[[{\"id\": 70.0, \"probability\": "
                         "1}]], \"stream\": false}",
                         200),
           *b = api_json(&server, "POST", "/v1/tempo/generate",
                         "{\"prompt_ids\": [4094, 64], \"steps\": 3, \"max_set\": 2, \"given\": [[{\"id\": "
                         "70, \"probability\": "
                         "1}]], \"stream\": false}",
                         200);

    assert_int_equal(json_array_size(json_object_get(a, "sets")), 4);
    assert_true(json_equal(json_object_get(a, "sets"), json_object_get(b, "sets")));
    json_decref(a);
    json_decref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream),        cmocka_unit_test(test_document_equals_stream),
        cmocka_unit_test(test_differences),   cmocka_unit_test(test_given),
        cmocka_unit_test(test_next),          cmocka_unit_test(test_generations),
        cmocka_unit_test(test_whole_numbers), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_info),          cmocka_unit_test(test_tokenize),
        cmocka_unit_test(test_going_down),    cmocka_unit_test(test_client_goes),
        cmocka_unit_test(test_notes),         cmocka_unit_test(test_shutdown),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
