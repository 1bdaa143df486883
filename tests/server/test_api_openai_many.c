/* test_api_openai_many.c - several texts of one request: lists of prompts, n, what evaluation harnesses ask.
 */
#include "api_server.h"

#include "server/api/memory.h"

static api_server server;

static int begin(void **state)
{
    (void)state;
    api_open(&server, NULL, NULL, NULL);
    return 0;
}

static int finish_all(void **state)
{
    (void)state;
    api_close(&server);
    return 0;
}

#define COMPLETIONS "/v1/completions"
#define CHAT "/v1/chat/completions"
#define PROMPT "\"prompt\": \"Once upon a time\""
#define MESSAGES "\"messages\": [{\"role\": \"user\", \"content\": \"Tell a story.\"}]"

/* The pieces of each choice put together, and how each ended. */
static void join_choices(const json_t *events, bool chat, size_t n, char (*text)[2000], const char **finish)
{
    json_t *e;
    size_t i;

    for (i = 0; i < n; i++) {
        text[i][0] = '\0';
        finish[i] = NULL;
    }
    json_array_foreach(events, i, e)
    {
        const json_t *c = json_array_get(json_object_get(json_array_get(e, 1), "choices"), 0);
        if (c == NULL)
            continue;
        const size_t at = (size_t)json_integer_value(json_object_get(c, "index"));
        assert_true(at < n && finish[at] == NULL); /* nothing after the end */
        const char *piece = text_at(chat ? json_object_get(c, "delta") : c, chat ? "content" : "text");
        if (piece != NULL)
            strcat(text[at], piece);
        finish[at] = text_at(c, "finish_reason");
    }
}

/* Prompts of every form in one request are answered as each is alone; a stream and a document say the same.
 */
static void test_several_prompts(void **state)
{
    (void)state;
    static const char *const prompts[] = {"\"Once upon a time\"", "\"The cat\"", "[4094, 64, 65]", "\"\""};
    enum { N = 4 };
    char body[600], text[N][2000];
    const char *finish[N];

    (void)snprintf(body, sizeof(body),
                   "{\"prompt\": [%s, %s, %s, %s], \"temperature\": 0, \"max_tokens\": 6, \"logprobs\": 1}",
                   prompts[0], prompts[1], prompts[2], prompts[3]);
    json_t *v = api_json(&server, "POST", COMPLETIONS, body, 200), *choices = json_object_get(v, "choices");
    json_int_t used = 0;
    assert_int_equal(json_array_size(choices), N);
    char *end = strrchr(body, '}');
    (void)snprintf(end, sizeof(body) - (size_t)(end - body), "%s",
                   ", \"stream\": true, \"stream_options\": {\"include_usage\": true}}");
    json_t *events = api_stream(&server, COMPLETIONS, body);
    join_choices(events, false, N, text, finish);
    for (size_t i = 0; i < N; i++) {
        const json_t *c = json_array_get(choices, i);
        (void)snprintf(body, sizeof(body),
                       "{\"prompt\": %s, \"temperature\": 0, \"max_tokens\": 6, \"logprobs\": 1}",
                       prompts[i]);
        json_t *alone = api_json(&server, "POST", COMPLETIONS, body, 200), *one = choice_of(alone);
        assert_int_equal(json_integer_value(json_object_get(c, "index")), i);
        assert_true(json_equal(json_object_get(c, "text"), json_object_get(one, "text")));
        assert_true(json_equal(json_object_get(c, "logprobs"), json_object_get(one, "logprobs")));
        assert_string_equal(text_at(c, "text"), text[i]);
        assert_string_equal(text_at(c, "finish_reason"), finish[i]);
        used += usage_of(alone, "prompt_tokens");
        json_decref(alone);
    }
    assert_int_equal(usage_of(v, "prompt_tokens"), used);
    const json_t *last = event_data(events, json_array_size(events) - 2);
    assert_true(json_equal(json_object_get(last, "usage"), json_object_get(v, "usage")));
    json_decref(events);
    json_decref(v);
}

/* What evaluation harnesses ask: the log probabilities of texts, in batches. */
static void test_harness(void **state)
{
    (void)state;
    static const char *const ids[] = {"[4094, 64, 65, 66]", "[5]", "[4094, 70, 71]", "[64, 64, 64, 64, 64]"};
    static const size_t n_ids[] = {4, 1, 3, 5};
    char body[600];

    for (int more = 0; more < 2; more++) {
        (void)snprintf(
            body, sizeof(body),
            "{\"model\": \"tempo\", \"prompt\": [%s, %s, %s, %s], \"temperature\": 0, \"max_tokens\": %d, "
            "\"logprobs\": 1, \"seed\": 1234, \"echo\": true}",
            ids[0], ids[1], ids[2], ids[3], more);
        json_t *v = api_json(&server, "POST", COMPLETIONS, body, 200), *c;
        size_t i;
        json_array_foreach(json_object_get(v, "choices"), i, c)
        {
            const json_t *l = json_object_get(c, "logprobs"), *scores = json_object_get(l, "token_logprobs"),
                         *tops = json_object_get(l, "top_logprobs");
            assert_int_equal(json_array_size(scores), n_ids[i] + (size_t)more);
            assert_int_equal(json_array_size(tops), n_ids[i] + (size_t)more);
            assert_int_equal(json_array_size(json_object_get(l, "tokens")), n_ids[i] + (size_t)more);
            assert_true(json_is_null(json_array_get(scores, 0)));
            for (size_t k = 1; k < json_array_size(scores); k++)
                assert_true(json_real_value(json_array_get(scores, k)) <= 0 &&
                            json_object_size(json_array_get(tops, k)) >= 1);
            (void)snprintf(
                body, sizeof(body),
                "{\"prompt\": %s, \"temperature\": 0, \"max_tokens\": %d, \"logprobs\": 1, \"echo\": true}",
                ids[i], more);
            json_t *alone = api_json(&server, "POST", COMPLETIONS, body, 200);
            assert_true(json_equal(l, json_object_get(choice_of(alone), "logprobs")));
            json_decref(alone);
        }
        assert_int_equal(i, 4);
        json_decref(v);
    }
}

/* The token that ends a text has a log probability too, and no text. */
static void test_end_is_scored(void **state)
{
    (void)state;
    json_t *v = api_json(
               &server, "POST", COMPLETIONS,
               "{\"prompt\": \"The end.\", \"n\": 48, \"seed\": 2, \"temperature\": 1.2, \"max_tokens\": 60, "
               "\"logprobs\": 1}",
               200),
           *c;
    size_t i, tokens = 0, ended = 0;

    json_array_foreach(json_object_get(v, "choices"), i, c)
    {
        const json_t *l = json_object_get(c, "logprobs");
        const size_t n = json_array_size(json_object_get(l, "tokens"));
        tokens += n;
        assert_true(n > 0 && json_array_size(json_object_get(l, "token_logprobs")) == n);
        if (strcmp(text_at(c, "finish_reason"), "stop") != 0)
            continue;
        const json_t *last = json_array_get(json_object_get(l, "tokens"), n - 1);
        assert_null(strstr(text_at(c, "text"), json_string_value(last)));
        ended++;
    }
    assert_int_equal(tokens, usage_of(v, "completion_tokens"));
    assert_true(ended > 0); /* or this says nothing */
    json_decref(v);
}

/* n texts of one prompt: the first is that of the seed alone, the others differ; greedy ones are equal. */
static void test_n(void **state)
{
    (void)state;
    enum { N = 20 }; /* more than decode at a time */
    char text[N][2000];
    const char *finish[N];
    json_t *alone = api_json(&server, "POST", CHAT, "{" MESSAGES ", \"seed\": 7, \"max_tokens\": 8}", 200),
           *v = api_json(&server, "POST", CHAT, "{" MESSAGES ", \"seed\": 7, \"max_tokens\": 8, \"n\": 20.0}",
                         200),
           *events = api_stream(
               &server, CHAT, "{" MESSAGES ", \"seed\": 7, \"max_tokens\": 8, \"n\": 20, \"stream\": true}");
    size_t same = 0;

    join_choices(events, true, N, text, finish);
    assert_int_equal(json_array_size(json_object_get(v, "choices")), N);
    for (size_t i = 0; i < N; i++) {
        const json_t *c = json_array_get(json_object_get(v, "choices"), i);
        const char *said = text_at(json_object_get(c, "message"), "content");
        assert_int_equal(json_integer_value(json_object_get(c, "index")), i);
        assert_string_equal(said, text[i]);
        same += strcmp(said, text_at(json_object_get(choice_of(alone), "message"), "content")) == 0;
        if (i == 0)
            assert_int_equal(same, 1);
    }
    assert_true(same < N / 2);
    assert_int_equal(usage_of(v, "prompt_tokens"), usage_of(alone, "prompt_tokens"));
    json_decref(events);
    json_decref(v);
    v = api_json(
        &server, "POST", COMPLETIONS,
        "{\"prompt\": [\"a\", \"b\"], \"n\": 2, \"best_of\": 2, \"temperature\": 0, \"max_tokens\": 4}", 200);
    const json_t *c = json_object_get(v, "choices");
    assert_int_equal(json_array_size(c), 4);
    for (size_t i = 0; i < 4; i += 2)
        assert_true(json_equal(json_object_get(json_array_get(c, i), "text"),
                               json_object_get(json_array_get(c, i + 1), "text")));
    assert_int_equal(usage_of(v, "completion_tokens"), 16);
    json_decref(v);
    json_decref(alone);
}

/* More choices than the worker's queue holds wait their turn; what answers hold in memory is bounded. */
static void test_many_choices(void **state)
{
    (void)state;
    tempo_worker_options w;
    api_server s;

    tempo_worker_options_init(&w);
    w.queue = 3;
    api_open(&s, NULL, &w, NULL);
    json_t *v = api_json(&s, "POST", COMPLETIONS, "{" PROMPT ", \"n\": 40, \"max_tokens\": 2}", 200);
    assert_int_equal(json_array_size(json_object_get(v, "choices")), 40);
    json_decref(v);
    assert_int_equal(tempo_api_held(s.api), 0);
    const size_t room = 512u << 20;
    assert_true(tempo_api_hold(s.api, room));
    json_decref(api_json(&s, "POST", COMPLETIONS, "{" PROMPT ", \"n\": 2, \"max_tokens\": 2}", 503));
    v = api_stream(&s, COMPLETIONS, "{" PROMPT ", \"n\": 2, \"max_tokens\": 2, \"stream\": true}");
    assert_non_null(json_object_get(event_data(v, json_array_size(v) - 1), "error"));
    json_decref(v);
    tempo_api_let_go(s.api, room);
    assert_int_equal(tempo_api_held(s.api), 0);
    api_close(&s);
}

/* A prompt that only decoding finds too long is refused in the same way wherever in the list it stands. */
static void test_later_choice_refused(void **state)
{
    enum { FIRST, WITHIN, LATER, N = 24 }; /* more than decode at a time */
    static const size_t at[] = {[FIRST] = 0, [WITHIN] = 3, [LATER] = N - 1};
    const size_t context = tempo_model_get_info(server.model)->context_length, room = 4 * (context + N) + 400;
    char *body = malloc(room);
    json_t *first = NULL;

    (void)state;
    assert_non_null(body);
    for (int stream = 0; stream < 2; stream++)
        for (size_t k = 0; k < 3; k++) {
            size_t n = (size_t)snprintf(body, room, "{\"prompt\": [");
            for (size_t i = 0; i < N; i++) {
                n += (size_t)snprintf(body + n, room - n, "%s[70", i > 0 ? ", " : "");
                for (size_t t = 1; i == at[k] && t < context; t++)
                    n += (size_t)snprintf(body + n, room - n, ",70");
                n += (size_t)snprintf(body + n, room - n, "]");
            }
            (void)snprintf(body + n, room - n,
                           "], \"max_tokens\": 1, \"tempo\": {\"replay\": \"published\"}, \"stream\": %s}",
                           stream != 0 ? "true" : "false");
            json_t *v, *events = NULL;
            if (stream != 0 && k == LATER) {
                events = api_stream(&server, COMPLETIONS, body);
                v = json_incref(event_data(events, json_array_size(events) - 1));
            } else {
                v = api_json(&server, "POST", COMPLETIONS, body, 400);
            }
            assert_non_null(strstr(text_at(json_object_get(v, "error"), "message"), "tokens long"));
            if (first == NULL)
                first = json_incref(v);
            assert_true(json_equal(v, first));
            json_decref(events);
            json_decref(v);
        }
    json_decref(first);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_prompts), cmocka_unit_test(test_harness),
        cmocka_unit_test(test_end_is_scored),   cmocka_unit_test(test_n),
        cmocka_unit_test(test_many_choices),    cmocka_unit_test(test_later_choice_refused),
    };

    return cmocka_run_group_tests(tests, begin, finish_all);
}
