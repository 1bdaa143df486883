/* The OpenAI-compatible routes over real sockets. */
#include <math.h>
#include <unistd.h>

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

#define COMPLETIONS "/v1/completions"
#define CHAT "/v1/chat/completions"
#define PROMPT "\"prompt\": \"Once upon a time\""
#define MESSAGES                                                                                             \
    "\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": "  \
    "[{\"type\": \"text\", \"text\": \"Tell a story.\"}]}]"

/* The text of a stream's pieces, NUL behind it, and the finish reason of the last choice. */
static json_t *joined_json(const json_t *events, bool chat, const char **finish)
{
    char *text = calloc(1, 1 << 16);
    size_t n = 0;

    *finish = NULL;
    for (size_t i = 0; i + 1 < json_array_size(events); i++) {
        const json_t *c = choice_of(event_data(events, i)),
                     *piece =
                         json_object_get(chat ? json_object_get(c, "delta") : c, chat ? "content" : "text");
        if (c == NULL)
            continue;
        assert_null(*finish); /* nothing comes after it */
        assert_true(n + json_string_length(piece) < 1 << 16);
        if (piece != NULL)
            memcpy(text + n, json_string_value(piece), json_string_length(piece));
        n += json_string_length(piece);
        *finish = text_at(c, "finish_reason");
    }
    assert_string_equal(json_string_value(event_data(events, json_array_size(events) - 1)), "[DONE]");
    json_t *all = json_stringn(text, n);
    free(text);
    return all;
}

static char *joined(const json_t *events, bool chat, const char **finish)
{
    json_t *all = joined_json(events, chat, finish);
    char *text = strdup(json_string_value(all));

    json_decref(all);
    return text;
}

static void test_greedy(void **state)
{
    (void)state;
    json_t *v = api_json(&server, "POST", COMPLETIONS,
                         "{" PROMPT ", \"temperature\": 0, \"max_tokens\": 24, \"model\": \"tempo\"}", 200);
    json_t *native = api_json(&server, "POST", "/v1/tempo/generate",
                              "{" PROMPT ", \"threshold\": 1, \"steps\": 24, \"stream\": false}", 200);
    json_t *arm = json_array_get(json_object_get(json_object_get(native, "done"), "arms"), 0);
    const size_t n_prompt = json_array_size(json_object_get(json_object_get(native, "start"), "prompt_ids"));

    assert_string_equal(text_at(choice_of(v), "text"), text_at(arm, "top_text"));
    assert_true(json_is_null(json_object_get(choice_of(v), "logprobs")));
    assert_string_equal(text_at(choice_of(v), "finish_reason"),
                        strcmp(text_at(arm, "stopped_by"), "eos") == 0 ? "stop" : "length");
    assert_int_equal(strncmp(text_at(v, "id"), "cmpl-", 5), 0);
    assert_string_equal(text_at(v, "object"), "text_completion");
    assert_string_equal(text_at(v, "model"), tempo_model_get_info(server.model)->name);
    assert_int_equal(usage_of(v, "prompt_tokens"), n_prompt);
    assert_int_equal(usage_of(v, "completion_tokens"), json_integer_value(json_object_get(arm, "steps")));
    assert_int_equal(usage_of(v, "total_tokens"),
                     usage_of(v, "prompt_tokens") + usage_of(v, "completion_tokens"));
    json_decref(native);
    json_decref(v);
    /* a prompt of ids, and one in an array; 16 tokens by default */
    v = api_json(&server, "POST", COMPLETIONS, "{\"prompt\": [\"Once upon a time\"], \"temperature\": 0}",
                 200);
    assert_int_equal(usage_of(v, "completion_tokens"), 16);
    json_decref(v);
    v = api_json(&server, "POST", COMPLETIONS,
                 "{\"prompt\": [[5, 6, 7]], \"temperature\": 0, \"max_tokens\": 2}", 200);
    assert_int_equal(usage_of(v, "prompt_tokens"), 3);
    json_decref(v);
}

static void test_stream(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        PROMPT ", \"temperature\": 0, \"max_tokens\": 30, \"logprobs\": 2",
        PROMPT ", \"seed\": 7, \"max_tokens\": 30, \"stop\": [\"q\", \" the\"], \"echo\": true"};
    char body[600];
    const char *finish;

    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(body, sizeof(body), "{%s}", bodies[i]);
        json_t *v = api_json(&server, "POST", COMPLETIONS, body, 200);
        (void)snprintf(body, sizeof(body),
                       "{%s, \"stream\": true, \"stream_options\": {\"include_usage\": true}}", bodies[i]);
        json_t *events = api_stream(&server, COMPLETIONS, body);
        char *text = joined(events, false, &finish);
        const size_t n = json_array_size(events);
        json_t *last = event_data(events, n - 2);

        assert_string_equal(text, text_at(choice_of(v), "text"));
        assert_string_equal(finish, text_at(choice_of(v), "finish_reason"));
        assert_int_equal(json_array_size(json_object_get(last, "choices")), 0);
        assert_true(json_equal(json_object_get(last, "usage"), json_object_get(v, "usage")));
        assert_true(json_is_null(json_object_get(event_data(events, 0), "usage")));
        if (i == 0) { /* the pieces' logprobs, one after the other, are the document's */
            json_t *all = json_array();
            for (size_t k = 0; k + 2 < n; k++)
                json_array_extend(
                    all, json_object_get(json_object_get(choice_of(event_data(events, k)), "logprobs"),
                                         "token_logprobs"));
            assert_true(json_equal(
                all, json_object_get(json_object_get(choice_of(v), "logprobs"), "token_logprobs")));
            assert_true(json_array_size(all) > 0);
            json_decref(all);
        }
        free(text);
        json_decref(events);
        json_decref(v);
    }
}

/* A stop string across tokens: the text ends in front of it, as a document and as a stream. */
static void test_stop(void **state)
{
    (void)state;
    json_t *v =
        api_json(&server, "POST", COMPLETIONS, "{" PROMPT ", \"temperature\": 0, \"max_tokens\": 40}", 200);
    const char *whole = text_at(choice_of(v), "text");
    char stop[8], body[400];
    const char *finish;

    assert_true(strlen(whole) > 40);
    memcpy(stop, whole + 20, 7);
    stop[7] = '\0';
    const size_t at = (size_t)(strstr(whole, stop) - whole);
    json_t *request = json_pack("{s:s, s:i, s:i, s:[s, s]}", "prompt", "Once upon a time", "temperature", 0,
                                "max_tokens", 40, "stop", "\x01\x02", stop);
    char *text = json_dumps(request, 0);
    json_t *cut = api_json(&server, "POST", COMPLETIONS, text, 200);
    assert_int_equal(strlen(text_at(choice_of(cut), "text")), at);
    assert_int_equal(strncmp(text_at(choice_of(cut), "text"), whole, at), 0);
    assert_string_equal(text_at(choice_of(cut), "finish_reason"), "stop");
    assert_true(usage_of(cut, "completion_tokens") < 40);
    json_object_set_new(request, "stream", json_true());
    free(text);
    text = json_dumps(request, 0);
    json_t *events = api_stream(&server, COMPLETIONS, text);
    char *streamed = joined(events, false, &finish);
    assert_string_equal(streamed, text_at(choice_of(cut), "text"));
    assert_string_equal(finish, "stop");
    (void)body;
    free(streamed);
    free(text);
    json_decref(events);
    json_decref(request);
    json_decref(cut);
    json_decref(v);
}

static void test_sampling(void **state)
{
    (void)state;
    static const char *const seeds[] = {"1", "1", "2", "3", "4"};
    char *texts[5], body[200];
    bool differ = false;

    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(body, sizeof(body),
                       "{" PROMPT
                       ", \"max_tokens\": 30, \"seed\": %s, \"temperature\": 1.2, \"top_p\": 0.98}",
                       seeds[i]);
        json_t *v = api_json(&server, "POST", COMPLETIONS, body, 200);
        texts[i] = strdup(text_at(choice_of(v), "text"));
        json_decref(v);
    }
    assert_string_equal(texts[0], texts[1]);
    for (size_t i = 2; i < 5; i++)
        differ |= strcmp(texts[0], texts[i]) != 0;
    assert_true(differ);
    for (size_t i = 0; i < 5; i++)
        free(texts[i]);
}

/* log softmax of logits[n] at id */
static double logprob(const float *logits, size_t n, int32_t id)
{
    double max = -HUGE_VAL, sum = 0;

    for (size_t i = 0; i < n; i++)
        max = fmax(max, (double)logits[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - max);
    return (double)logits[id] - max - log(sum);
}

static void test_echo_logprobs(void **state)
{
    (void)state;
    const tempo_tokenizer *t = tempo_model_tokenizer(server.model);
    const size_t n_vocab = tempo_model_get_info(server.model)->n_vocab;
    int32_t *ids;
    size_t n;
    char joined_text[256] = "";

    assert_int_equal(tempo_tokenize(t, "Once upon a time", 16, 0, &ids, &n, NULL), TEMPO_OK);
    float *logits = malloc(n * n_vocab * sizeof(*logits));
    tempo_seq *seq = test_seq(server.alone, TEMPO_KV_F32);
    test_append(server.alone, seq, ids, n, true, TEMPO_ISOLATED, NULL, logits);
    json_t *v = api_json(&server, "POST", COMPLETIONS,
                         "{" PROMPT ", \"max_tokens\": 0, \"echo\": true, \"logprobs\": 3}", 200);
    json_t *l = json_object_get(choice_of(v), "logprobs"), *values = json_object_get(l, "token_logprobs");

    assert_string_equal(text_at(choice_of(v), "text"), "Once upon a time");
    assert_int_equal(json_array_size(values), n);
    assert_true(json_is_null(json_array_get(values, 0)));
    assert_int_equal(usage_of(v, "completion_tokens"), 0);
    for (size_t i = 1; i < n; i++) {
        const double expected = logprob(logits + (i - 1) * n_vocab, n_vocab, ids[i]),
                     got = json_number_value(json_array_get(values, i));
        json_t *top = json_array_get(json_object_get(l, "top_logprobs"), i);
        assert_true(fabs(got - expected) <= 1e-9 * fabs(expected) + 1e-12);
        assert_true(json_object_size(top) >= 3 && json_object_size(top) <= 4);
    }
    for (size_t i = 0; i < n; i++) { /* offsets are those of the tokens in the text */
        const json_int_t at = json_integer_value(json_array_get(json_object_get(l, "text_offset"), i));
        assert_int_equal(at, strlen(joined_text));
        if (!tempo_token_is_control(t, ids[i]))
            strcat(joined_text, json_string_value(json_array_get(json_object_get(l, "tokens"), i)));
    }
    json_decref(v);
    /* and those of tokens that were decoded: the greedy one is the best of its row */
    v = api_json(&server, "POST", COMPLETIONS,
                 "{" PROMPT ", \"max_tokens\": 1, \"temperature\": 0, \"logprobs\": 1}", 200);
    l = json_object_get(choice_of(v), "logprobs");
    double best = -HUGE_VAL;
    for (size_t i = 0; i < n_vocab; i++)
        best = fmax(best, logprob(logits + (n - 1) * n_vocab, n_vocab, (int32_t)i));
    assert_true(fabs(json_number_value(json_array_get(json_object_get(l, "token_logprobs"), 0)) - best) <=
                1e-9 * fabs(best));
    json_decref(v);
    tempo_seq_free(seq);
    free(logits);
    tempo_free(ids);
}

static void test_chat(void **state)
{
    (void)state;
    json_t *v = api_json(
        &server, "POST", CHAT,
        "{" MESSAGES
        ", \"temperature\": 0, \"max_completion_tokens\": 12, \"logprobs\": true, \"top_logprobs\": 2}",
        200);
    json_t *c = choice_of(v), *content = json_object_get(json_object_get(c, "logprobs"), "content"), *token;
    char text[4096] = "";
    const char *finish;
    size_t i;

    assert_int_equal(strncmp(text_at(v, "id"), "chatcmpl-", 9), 0);
    assert_string_equal(text_at(v, "object"), "chat.completion");
    assert_string_equal(text_at(json_object_get(c, "message"), "role"), "assistant");
    json_array_foreach(content, i, token)
    {
        assert_int_equal(json_array_size(json_object_get(token, "top_logprobs")), 2);
        assert_true(json_number_value(json_object_get(token, "logprob")) <= 0);
        assert_true(json_equal(
            json_object_get(token, "logprob"),
            json_object_get(json_array_get(json_object_get(token, "top_logprobs"), 0), "logprob")));
        strcat(text, text_at(token, "token"));
    }
    assert_string_equal(text, text_at(json_object_get(c, "message"), "content"));
    json_t *events =
        api_stream(&server, CHAT, "{" MESSAGES ", \"temperature\": 0, \"max_tokens\": 12, \"stream\": true}");
    char *streamed = joined(events, true, &finish);
    assert_string_equal(streamed, text);
    assert_string_equal(finish, text_at(c, "finish_reason"));
    assert_string_equal(text_at(json_object_get(choice_of(event_data(events, 0)), "delta"), "role"),
                        "assistant");
    assert_string_equal(text_at(event_data(events, 0), "object"), "chat.completion.chunk");
    /* the native route renders the same messages */
    json_t *native = api_json(&server, "POST", "/v1/tempo/generate",
                              "{" MESSAGES ", \"threshold\": 1, \"steps\": 12, \"stream\": false}", 200);
    assert_int_equal(json_array_size(json_object_get(json_object_get(native, "start"), "prompt_ids")),
                     usage_of(v, "prompt_tokens"));
    assert_string_equal(
        text_at(json_array_get(json_object_get(json_object_get(native, "done"), "arms"), 0), "top_text"),
        text);
    json_decref(native);
    free(streamed);
    json_decref(events);
    json_decref(v);
}

static void test_tempo(void **state)
{
    (void)state;
    json_t *v = api_json(
        &server, "POST", COMPLETIONS,
        "{" PROMPT ", \"max_tokens\": 6, \"tempo\": {\"threshold\": 0.05, \"mode\": \"visible\"}}", 200);
    json_t *native = api_json(
        &server, "POST", "/v1/tempo/generate",
        "{" PROMPT ", \"steps\": 6, \"threshold\": 0.05, \"mode\": \"visible\", \"stream\": false}", 200);
    json_t *sets = json_object_get(json_object_get(choice_of(v), "tempo"), "sets"), *set,
           *m = json_object_get(native, "sets");
    size_t i, told = 0;

    assert_string_equal(
        text_at(choice_of(v), "text"),
        text_at(json_array_get(json_object_get(json_object_get(native, "done"), "arms"), 0), "top_text"));
    assert_int_equal(json_array_size(sets), 6);
    json_array_foreach(sets, i, set) assert_true(
        json_equal(json_object_get(set, "members"), json_object_get(json_array_get(m, i), "members")));
    json_t *events = api_stream(
        &server, COMPLETIONS,
        "{" PROMPT
        ", \"stream\": true, \"tempo\": {\"threshold\": 0.05, \"mode\": \"visible\", \"steps\": 6}}");
    for (i = 0; i + 1 < json_array_size(events); i++) {
        json_t *some = json_object_get(json_object_get(choice_of(event_data(events, i)), "tempo"), "sets");
        for (size_t k = 0; k < json_array_size(some); k++)
            assert_true(json_equal(json_array_get(some, k), json_array_get(sets, told++)));
    }
    assert_int_equal(told, 6);
    json_decref(events);
    json_decref(native);
    json_decref(v);
}

/* Offsets are in characters, whole or as a stream, and of a text that tokens cut inside its characters. */
static void test_offsets(void **state)
{
    (void)state;
    static const char body[] =
        "{\"prompt\": \"\\u65e5\\u672c\\u00e9\\ud83d\\ude00 on\", \"max_tokens\": 0, \"echo\": true, "
        "\"logprobs\": 1, \"stream\": %s}";
    char text[300];

    for (int stream = 0; stream < 2; stream++) {
        (void)snprintf(text, sizeof(text), body, stream ? "true" : "false");
        json_t *v = stream ? api_stream(&server, COMPLETIONS, text)
                           : api_json(&server, "POST", COMPLETIONS, text, 200);
        json_t *l = json_object_get(choice_of(stream ? event_data(v, 0) : v), "logprobs"),
               *tokens = json_object_get(l, "tokens"), *offsets = json_object_get(l, "text_offset");
        const size_t n = json_array_size(tokens);
        assert_true(n > 3 && json_array_size(offsets) == n);
        const size_t last = strlen(json_string_value(json_array_get(tokens, n - 1)));
        assert_int_equal(json_integer_value(json_array_get(offsets, n - 1)), 7 - last);
        json_decref(v);
    }
}

static void test_models(void **state)
{
    (void)state;
    json_t *v = api_json(&server, "GET", "/v1/models", NULL, 200), *one;
    const char *id = text_at(json_array_get(json_object_get(v, "data"), 0), "id");
    char target[200];

    assert_string_equal(text_at(v, "object"), "list");
    (void)snprintf(target, sizeof(target), "/v1/models/%s", id);
    one = api_json(&server, "GET", target, NULL, 200);
    assert_true(json_equal(one, json_array_get(json_object_get(v, "data"), 0)));
    json_decref(one);
    /* every name that a request may give */
    const char *path = tempo_model_get_info(server.model)->path, *slash = strrchr(path, '/');
    const char *const names[] = {"tempo", slash != NULL ? slash + 1 : path};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(target, sizeof(target), "/v1/models/%.150s", names[i]);
        one = api_json(&server, "GET", target, NULL, 200);
        assert_true(json_equal(one, json_array_get(json_object_get(v, "data"), 0)));
        json_decref(one);
    }
    json_decref(v);
    json_decref(api_json(&server, "GET", "/v1/models/gpt-4", NULL, 404));
    v = api_json(&server, "GET", "/v1/models/some/tempo", NULL, 404);
    assert_string_equal(text_at(json_object_get(v, "error"), "param"), "id"); /* the route is there */
    assert_non_null(strstr(text_at(json_object_get(v, "error"), "message"), "'some/tempo'"));
    json_decref(v);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *target, *body;
        unsigned status;
        const char *param, *part;
    } rows[] = {
        {COMPLETIONS, "{}", 400, "prompt", "there is none"},
        {COMPLETIONS, "{\"prompt\": []}", 400, "prompt", "0 prompts"},
        {COMPLETIONS, "{\"prompt\": 5}", 400, "prompt", "a string or an array of token ids"},
        {COMPLETIONS, "{\"prompt\": {}}", 400, "prompt", "a string or an array of token ids"},
        {COMPLETIONS, "{\"prompt\": [\"a\", 5]}", 400, "prompt[1]", "a string or an array of token ids"},
        {COMPLETIONS, "{\"prompt\": [[1, 2], [1, 99999]]}", 400, "prompt[1]", "[1]: 99999 is not a token id"},
        {COMPLETIONS, "{\"prompt\": [5, \"a\"]}", 400, "prompt", "[1]: 'a' is not a token id"},
        {COMPLETIONS, "{\"prompt\": [[[1]]]}", 400, "prompt[0]", "a string or an array of token ids"},
        {COMPLETIONS, "{\"prompt\": [\"a\", []]}", 400, "prompt[1]", "a string or an array of token ids"},
        {COMPLETIONS, "{\"prompt\": [2.1]}", 400, "prompt", "[0]: 2.1 is not a token id"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"model\": \"gpt-4\"}", 404, "model", "there is no 'gpt-4'"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"n\": 0}", 400, "n", "from 1 to 128"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"n\": 129}", 400, "n", "129 is not a whole number from 1 to 128"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"n\": 2.1}", 400, "n", "2.1 is not a whole number"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"best_of\": 2}", 400, "best_of", "2 of which 1 would be picked"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"suffix\": \"x\"}", 400, "suffix", "cannot do that"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"presence_penalty\": 0.5}", 400, "presence_penalty",
         "cannot do that"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"logit_bias\": {\"5\": 1}}", 400, "logit_bias", "cannot do that"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"max_token\": 3}", 400, "max_token", "did you mean max_tokens?"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"max_tokens\": 0}", 400, "max_tokens", "echo"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"max_tokens\": 500}", 400, "max_tokens", "limit of 200"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"max_tokens\": -1}", 400, "max_tokens", "-1 is not"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"temperature\": 3}", 400, "temperature", "in [0, 2]"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"top_p\": 0}", 400, "top_p", "in (0, 1]"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"min_p\": 2}", 400, "min_p", "in [0, 1]"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"seed\": 1.5}", 400, "seed", "1.5 is not a whole number"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"seed\": 9223372036854775808}", 400, "seed",
         "9223372036854775808 is not a whole number from -9223372036854775808 to 9223372036854775807"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"max_tokens\": 18446744073709551617}", 400, "max_tokens",
         "18446744073709551616 is not"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"logprobs\": -1000000000000000019884624838656}", 400, "logprobs",
         "from 0 to 20"},
        {COMPLETIONS, "{\"prompt\": [1, 99999999999999999999]}", 400, "prompt",
         "is not a token id from 0 to"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"stop\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", 400,
         "stop", "at most 16"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"stop\": \"\"}", 400, "stop", "1 to 1024"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"stop\": 5}", 400, "stop", "strings"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"logprobs\": 21}", 400, "logprobs", "from 0 to 20"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"logprobs\": true}", 400, "logprobs", "from 0 to 20"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"echo\": 1}", 400, "echo", "true or false"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"stream\": true, \"stream_options\": {\"usage\": true}}", 400,
         "stream_options.usage", "no such field"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"tempo\": {\"treshold\": 1}}", 400, "tempo.treshold",
         "did you mean tempo.threshold?"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"tempo\": {\"threshold\": 2}}", 400, "tempo.threshold",
         "in (0, 1]"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"tempo\": {}, \"temperature\": 0.5}", 400, "temperature",
         "with tempo"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"tempo\": {}, \"top_p\": 0.5}", 400, "top_p", "with tempo"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"tempo\": {\"steps\": 3}, \"max_tokens\": 4}", 400, "max_tokens",
         "tempo.steps"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"messages\": []}", 400, "messages", "no such field"},
        {CHAT, "{\"prompt\": \"a\"}", 400, "prompt", "no such field"},
        {CHAT, "{}", 400, "messages", "none"},
        {CHAT, "{" MESSAGES ", \"tool_choice\": \"required\"}", 400, "tool_choice",
         "expected \"none\" or \"auto\""},
        {CHAT, "{" MESSAGES ", \"top_logprobs\": 2}", 400, "top_logprobs", "logprobs"},
        {CHAT, "{" MESSAGES ", \"logprobs\": 2}", 400, "logprobs", "true or false"},
        {CHAT, "{" MESSAGES ", \"max_tokens\": 2, \"max_completion_tokens\": 2}", 400, "max_tokens",
         "max_completion_tokens"},
        {CHAT, "{" MESSAGES ", \"tools\": [{\"type\": \"function\"}]}", 400, "tools[0]", "expected {"},
        {CHAT, "{" MESSAGES ", \"response_format\": {\"type\": \"json_object\"}}", 400, "response_format",
         "cannot do that"},
        {CHAT,
         "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"text\": \"x\"}]}]}",
         400, "messages[0].content[0]", "images are not supported"},
        {CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": null}]}", 400, "messages", "content"},
        {CHAT, "{\"messages\": [{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{}]}]}", 400,
         "messages[0].tool_calls[0]", "expected {"},
        {CHAT, "{" MESSAGES ", \"enable_thinking\": 1}", 400, "enable_thinking", "expected true or false"},
        {CHAT, "{" MESSAGES ", \"chat_template_kwargs\": {\"tools\": 1}}", 400, "chat_template_kwargs",
         "already"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        api_refused(&server, rows[i].target, rows[i].body, rows[i].status, rows[i].param, rows[i].part);
    /* what asks for nothing is taken without a word */
    json_t *v = api_json(
        &server, "POST", CHAT,
        "{" MESSAGES ", \"max_tokens\": 1, \"n\": 1, \"presence_penalty\": 0.0, "
        "\"frequency_penalty\": 0, \"logit_bias\": {}, \"tools\": [], \"response_format\": {\"type\": "
        "\"text\"}, \"user\": \"\", \"stop\": null, \"top_k\": -1, \"repetition_penalty\": 1.0, "
        "\"seed\": null, \"store\": false, \"metadata\": {}, \"modalities\": [\"text\"]}",
        200);
    assert_null(json_object_get(v, "warnings"));
    json_decref(v);
}

/* What clients send along and does not matter is named. */
static void test_warnings(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "\"metadata\": {\"a\": \"b\"}",
        "\"user\": \"me\"",
        "\"prompt_cache_key\": \"k\"",
        "\"store\": true",
        "\"service_tier\": \"flex\"",
        "\"safety_identifier\": \"s\"",
        "\"tool_choice\": \"none\"",
        "\"parallel_tool_calls\": true",
        "\"verbosity\": \"low\"",
        "\"reasoning_effort\": \"high\"",
        "\"prediction\": {\"type\": \"content\", \"content\": \"x\"}",
        "\"stream_options\": {\"include_usage\": true}",
    };
    char body[600];

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        (void)snprintf(body, sizeof(body), "{" MESSAGES ", \"max_tokens\": 1, %s}", fields[i]);
        json_t *v = api_json(&server, "POST", CHAT, body, 200), *w = json_object_get(v, "warnings");
        assert_int_equal(json_array_size(w), 1);
        const size_t n = strcspn(fields[i] + 1, "\"");
        const char *text = json_string_value(json_array_get(w, 0));
        if (strncmp(text, fields[i] + 1, n) != 0 || strncmp(text + n, ": ignored, ", 11) != 0)
            fail_msg("%s: %s", fields[i], text);
        json_decref(v);
    }
    json_t *v = api_json(
        &server, "POST", CHAT,
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\", \"name\": \"Ann\", \"type\": \"text\"}], "
        "\"max_tokens\": 1, \"user\": \"u\"}",
        200);
    assert_int_equal(json_array_size(json_object_get(v, "warnings")), 2);
    json_decref(v);
    /* in a stream once; of the native route in its first event */
    v = api_stream(&server, COMPLETIONS,
                   "{" PROMPT ", \"max_tokens\": 3, \"stream\": true, \"user\": \"u\", "
                   "\"stream_options\": {\"include_obfuscation\": true}}");
    assert_int_equal(json_array_size(json_object_get(event_data(v, 0), "warnings")), 2);
    assert_null(json_object_get(event_data(v, 1), "warnings"));
    json_decref(v);
    v = api_json(&server, "POST", "/v1/tempo/generate",
                 "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\", \"name\": \"Ann\"}], \"steps\": "
                 "1, \"stream\": false}",
                 200);
    assert_int_equal(json_array_size(json_object_get(json_object_get(v, "start"), "warnings")), 1);
    json_decref(v);
}

/* A prompt that begins with the token that the model's rule adds is told of once, in the command's words. */
static void test_doubled(void **state)
{
    (void)state;
    static const char doubled[] = "<|begin_of_text|>Once";
    static const struct {
        const char *target, *fields;
    } asks[] = {
        {COMPLETIONS, "\"max_tokens\": 1"},
        {"/v1/tempo/generate", "\"steps\": 1, \"stream\": false"},
        {"/v1/tempo/next", "\"top\": 1"},
    };
    const tempo_tokenizer *t = tempo_model_tokenizer(server.model);
    int32_t *ids;
    size_t n;
    char body[300];

    assert_int_equal(tempo_tokenize(t, doubled, strlen(doubled), 0, &ids, &n, NULL), TEMPO_OK);
    const char *words = tempo_tokens_warning(t, ids, n);
    assert_non_null(words);
    for (size_t i = 0; i < sizeof(asks) / sizeof(*asks); i++)
        for (int twice = 0; twice < 2; twice++) {
            (void)snprintf(body, sizeof(body), "{\"prompt\": \"%s\", %s}", twice ? doubled : "Once",
                           asks[i].fields);
            json_t *v = api_json(&server, "POST", asks[i].target, body, 200),
                   *start = json_object_get(v, "start"),
                   *w = json_object_get(start != NULL ? start : v, "warnings");
            assert_int_equal(json_array_size(w), twice);
            if (twice)
                assert_string_equal(json_string_value(json_array_get(w, 0)), words);
            json_decref(v);
        }
    (void)snprintf(body, sizeof(body),
                   "{\"prompt\": [\"%s\", \"a\", \"%s\"], \"max_tokens\": 1, \"stream\": true}", doubled,
                   doubled);
    json_t *v = api_stream(&server, COMPLETIONS, body);
    assert_int_equal(json_array_size(json_object_get(event_data(v, 0), "warnings")), 1);
    json_decref(v);
    (void)snprintf(body, sizeof(body),
                   "{\"prompt\": \"%s\", \"no_bos\": true, \"steps\": 1, \"stream\": false}", doubled);
    v = api_json(&server, "POST", "/v1/tempo/generate", body, 200);
    assert_null(json_object_get(json_object_get(v, "start"), "warnings"));
    json_decref(v);
    tempo_free(ids);
}

/* Codes of OpenAI's where it has one. */
static void test_codes(void **state)
{
    (void)state;
    static const struct {
        const char *target, *body;
        unsigned status;
        const char *code;
    } rows[] = {
        {COMPLETIONS, "{\"prompt\": \"a\", \"model\": \"gpt-4\"}", 404, "model_not_found"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"max_token\": 3}", 400, "unknown_parameter"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"max_tokens\": \"3\"}", 400, "invalid_type"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"max_tokens\": -1}", 400, "invalid_value"},
        {COMPLETIONS, "{\"prompt\": \"a\", \"suffix\": \"x\"}", 400, "unsupported_value"},
        {COMPLETIONS, "{}", 400, "missing_required_parameter"},
        {CHAT, "{}", 400, "missing_required_parameter"},
        {"/v1/tempo/generate", "{}", 400, "missing_required_parameter"},
        {"/v1/none", "{}", 404, "unknown_url"},
        {"/v1/models", "{}", 405, "method_not_supported"},
    };
    const size_t n = tempo_model_get_info(server.model)->context_length + 1;
    char *body = malloc(2 * n + 100);

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        json_t *v = api_json(&server, "POST", rows[i].target, rows[i].body, rows[i].status);
        const char *code = text_at(json_object_get(v, "error"), "code");
        if (code == NULL || strcmp(code, rows[i].code) != 0)
            fail_msg("%s %s: code %s", rows[i].target, rows[i].body, code);
        json_decref(v);
    }
    json_decref(api_json(&server, "GET", "/v1/models/gpt-4", NULL, 404));
    /* what would do is listed, or is the only thing */
    api_refused(&server, CHAT, "{\"messages\": [], \"response_format\": {\"type\": \"json_object\"}}", 400,
                "response_format", "or give {\"type\":\"text\"}");
    api_refused(&server, CHAT, "{\"messages\": [], \"function_call\": \"x\"}", 400, "function_call",
                "or give one of \"none\", \"auto\"");
    /* a prompt longer than the context, whichever way it comes */
    static const char *const ways[] = {"{\"prompt\": [%s]}", "{\"prompt\": [\"a\", [%s]]}"};
    for (size_t w = 0; w < 2; w++) {
        char *ids = malloc(2 * n + 2);
        for (size_t i = 0; i < n; i++)
            memcpy(ids + 2 * i, "5,", 2);
        ids[2 * n - 1] = '\0';
        (void)sprintf(body, w == 0 ? ways[0] : ways[1], ids);
        json_t *v = api_json(&server, "POST", COMPLETIONS, body, 400);
        assert_string_equal(text_at(json_object_get(v, "error"), "code"), "context_length_exceeded");
        assert_string_equal(text_at(json_object_get(v, "error"), "param"), w == 0 ? "prompt" : "prompt[1]");
        json_decref(v);
        free(ids);
    }
    free(body);
}

/* Random bytes from a byte-level model: pieces put together are the document, so that none split a character.
 */
static void test_bytes(void **state)
{
    (void)state;
    api_server s;
    const char *finish;
    char body[200];

    api_open(&s, test_open_synthetic("llama", TEMPO_F32), NULL, NULL);
    int several = 0;
    for (int seed = 0; seed < 12; seed++) {
        (void)snprintf(
            body, sizeof(body),
            "{\"prompt\": \"a\", \"temperature\": 2, \"seed\": %d, \"max_tokens\": 60, \"stream\": false}",
            seed);
        json_t *v = api_json(&s, "POST", COMPLETIONS, body, 200);
        memcpy(strstr(body, "false"), "true }", 6);
        json_t *events = api_stream(&s, COMPLETIONS, body);
        json_t *text = joined_json(events, false, &finish);
        assert_true(json_equal(text, json_object_get(choice_of(v), "text")));
        several += strstr(json_string_value(text), "\xef\xbf\xbd") != NULL;
        json_decref(text);
        json_decref(events);
        json_decref(v);
    }
    assert_true(several > 0); /* or this says nothing */
    api_close(&s);
}

static void test_queue_full(void **state)
{
    (void)state;
    tempo_worker_options w;
    api_server s;
    char request[400], some[256];
    static const char body[] = "{" PROMPT ", \"steps\": 200, \"stop\": \"never\"}";

    tempo_worker_options_init(&w);
    w.queue = 1;
    api_open(&s, NULL, &w, NULL);
    const int fd = http_connect(s.port);
    (void)snprintf(request, sizeof(request),
                   "POST /v1/tempo/generate HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: "
                   "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   s.port, sizeof(body) - 1, body);
    assert_true(http_send(fd, request, strlen(request)));
    assert_true(http_receive_some(fd, some, 32) > 0);
    http_answer a =
        http_request(s.port, "POST", COMPLETIONS, "Content-Type: application/json\r\n", "{" PROMPT "}");
    if (a.status == 503) { /* unless the first was already done */
        assert_non_null(http_header(&a, "Retry-After", some, sizeof(some)));
        assert_non_null(strstr(a.body, "\"overloaded\""));
    } else {
        assert_int_equal(a.status, 200);
        skip();
    }
    http_answer_free(&a);
    close(fd);
    api_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stop),          cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_echo_logprobs), cmocka_unit_test(test_chat),
        cmocka_unit_test(test_tempo),         cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_models),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bytes),         cmocka_unit_test(test_queue_full),
        cmocka_unit_test(test_doubled),       cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_codes),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
