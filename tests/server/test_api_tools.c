/* Tools, variables and reasoning of requests reach the chat template; calls in an answer are told as such. */
#include "server/api/openai/openai.h"
#include "server/api_server.h"
#include "support/tmpdir.h"

#define CHAT "/v1/chat/completions"

static char dir[256];
static api_server server;

static const char template_text[] =
    "{% for m in messages %}{{ m.role }}={{ m.content }}"
    "{% if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}"
    "{% for c in m.tool_calls or [] %}<{{ c.function.name }}:{{ c.function.arguments.city }}>{% endfor %}"
    "{% if m.role == 'tool' %}{{ m.name }}{{ m.tool_call_id }}{% endif %};{% endfor %}"
    "{% for t in tools or [] %}[{{ t.function.name }}]{% endfor %}{{ enable_thinking }}{{ colour }}";

static int setup(void **state)
{
    static char path[512]; /* the api keeps it */

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "t.jinja");
    test_write_file(path, template_text, sizeof(template_text) - 1);
    api_open(&server, NULL, NULL, path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_close(&server);
    test_tmpdir_remove(dir);
    return 0;
}

#define CALLED                                                                                               \
    "\"messages\": [{\"role\": \"developer\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}, "         \
    "{\"type\": \"text\", \"text\": \"b\"}]}, {\"role\": \"assistant\", \"content\": null, "                 \
    "\"reasoning_content\": \"hm\", \"tool_calls\": [{\"id\": \"c1\", \"type\": \"function\", \"function\":" \
    " {\"name\": \"look\", \"arguments\": \"{\\\"city\\\": \\\"Rome\\\"}\"}}]}, {\"role\": \"tool\", "       \
    "\"name\": \"look\", \"tool_call_id\": \"c1\", \"content\": \"sunny\"}]"
#define TOOLS "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"look\"}}]"

static json_int_t prompt_tokens(const char *body)
{
    json_t *v = api_json(&server, "POST", CHAT, body, 200);
    const json_int_t n = json_integer_value(json_object_get(json_object_get(v, "usage"), "prompt_tokens"));

    json_decref(v);
    return n;
}

static void test_template(void **state)
{
    static const struct {
        const char *fields, *text;
    } cases[] = {
        {"", "system=a\nb;assistant=(hm)<look:Rome>;tool=sunnylookc1;"},
        {", " TOOLS, "system=a\nb;assistant=(hm)<look:Rome>;tool=sunnylookc1;[look]"},
        {", " TOOLS ", \"enable_thinking\": false, \"chat_template_kwargs\": {\"colour\": \"red\"}",
         "system=a\nb;assistant=(hm)<look:Rome>;tool=sunnylookc1;[look]Falsered"},
    };
    char body[2048];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        (void)snprintf(body, sizeof(body), "{" CALLED "%s, \"steps\": 1, \"stream\": false}",
                       cases[i].fields);
        json_t *v = api_json(&server, "POST", "/v1/tempo/generate", body, 200),
               *start = json_object_get(v, "start");
        assert_string_equal(json_string_value(json_object_get(start, "prompt")), cases[i].text);
        (void)snprintf(body, sizeof(body), "{" CALLED "%s, \"max_tokens\": 1}", cases[i].fields);
        assert_int_equal(prompt_tokens(body), json_array_size(json_object_get(start, "prompt_ids")));
        json_decref(v);
    }
    /* of tools that may not be called the model is not told */
    const json_int_t none = prompt_tokens("{" CALLED ", \"max_tokens\": 1}");
    assert_int_equal(none,
                     prompt_tokens("{" CALLED ", " TOOLS ", \"tool_choice\": \"none\", \"max_tokens\": 1}"));
    assert_true(none < prompt_tokens("{" CALLED ", " TOOLS ", \"max_tokens\": 1}"));
}

/* ---- answers ---- */

typedef struct told {
    char content[256], finish[16];
    json_t *calls, *whole;
} told;

/* The answer `text`, told after each of its bytes: what a stream says of it, and what a document does. */
static void tell(told *t, const char *text, bool tools)
{
    tempo_oai o = {.tools = tools};
    tempo_oai_choice c = {.o = &o};
    const size_t n = strlen(text);

    memset(t, 0, sizeof(*t));
    for (size_t i = 0; i <= n; i++) {
        if (i < n)
            assert_true(tempo_tail_add(&c.tail, text + i, 1));
        else
            tempo_tail_end(&c.tail);
        c.finish = i < n ? NULL : "stop";
        const size_t end = tempo_oai_tellable(&c);
        assert_true(end >= c.told && end <= c.tail.ready);
        if (end == c.told && i < n)
            continue;
        json_t *piece = tempo_oai_chat.piece(&c, c.tail.p != NULL ? c.tail.p + c.told : "", end - c.told, 0,
                                             0, c.finish, false),
               *delta = json_object_get(piece, "delta");
        const char *more = json_string_value(json_object_get(delta, "content"));
        const size_t at = strlen(t->content);
        (void)snprintf(t->content + at, sizeof(t->content) - at, "%s", more != NULL ? more : "");
        if (i == n) {
            t->calls = json_incref(json_object_get(delta, "tool_calls"));
            (void)snprintf(t->finish, sizeof(t->finish), "%s",
                           json_string_value(json_object_get(piece, "finish_reason")));
        }
        c.told = end;
        json_decref(piece);
    }
    t->whole = tempo_oai_chat.choice(&c, c.tail.p != NULL ? c.tail.p : "", c.tail.ready, 0, 0, "stop");
    tempo_tail_clear(&c.tail);
}

static void test_calls(void **state)
{
    static const struct {
        const char *text;
        bool tools;
        const char *content;
        size_t n_calls;
        const char *arguments; /* of the last one */
    } cases[] = {
        {"It is sunny.", true, "It is sunny.", 0, NULL},
        {"a <b> c <tool", true, "a <b> c <tool", 0, NULL},
        {"<tool_call>{\"name\": \"look\", \"arguments\": {\"city\": \"Rome\"}}</tool_call>", true, "", 1,
         "{\"city\":\"Rome\"}"},
        {"Let me see.\n<tool_call>{\"name\": \"look\", \"arguments\": {}}</tool_call><tool_call>{\"name\": "
         "\"f\", \"arguments\": {\"x\": 1}}</tool_call>",
         true, "Let me see.\n", 2, "{\"x\":1}"},
        {"{\"name\": \"look\", \"parameters\": {\"city\": \"Rome\"}}", true, "", 1, "{\"city\":\"Rome\"}"},
        {"<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": [3.1, 3.0, -0.1, 1e-7, 0.30000000000000004, "
         "7]}}"
         "</tool_call>",
         true, "", 1, "{\"x\":[3.1,3.0,-0.1,1e-07,0.30000000000000004,7]}"},
        {"{\"city\": \"Rome\"}", true, "{\"city\": \"Rome\"}", 0, NULL},
        {"<tool_call>what?</tool_call>", true, "<tool_call>what?</tool_call>", 0, NULL},
        {"<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", false,
         "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", 0, NULL},
        {"", true, "", 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        told t;
        tell(&t, cases[i].text, cases[i].tools);
        const json_t *message = json_object_get(t.whole, "message"),
                     *again = json_object_get(message, "tool_calls");
        const char *text = json_string_value(json_object_get(message, "content"));
        assert_string_equal(t.content, cases[i].content);
        assert_int_equal(json_array_size(t.calls), cases[i].n_calls);
        assert_int_equal(json_array_size(again), cases[i].n_calls);
        assert_string_equal(t.finish, cases[i].n_calls > 0 ? "tool_calls" : "stop");
        assert_string_equal(json_string_value(json_object_get(t.whole, "finish_reason")), t.finish);
        if (cases[i].n_calls > 0) {
            const json_t *last = json_array_get(t.calls, cases[i].n_calls - 1),
                         *function = json_object_get(last, "function");
            assert_string_equal(json_string_value(json_object_get(function, "arguments")),
                                cases[i].arguments);
            assert_int_equal(json_integer_value(json_object_get(last, "index")), cases[i].n_calls - 1);
            assert_true(text == NULL || strncmp(t.content, text, strlen(text)) == 0);
        } else {
            assert_string_equal(text, t.content);
        }
        json_decref(t.calls);
        json_decref(t.whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_template), cmocka_unit_test(test_calls)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
