/* What surrounds a chat's rendering: the tokens that end a turn, conversations as clients write them, tool
 * calls in answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json.h"
#include "support/model_writer.h"
#include "support/tmpdir.h"
#include "tempo.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

enum { BOS = 262, EOS }; /* <s> and </s> of the writer's vocabulary */

static char dir[256];
static tempo_model *model;

static int setup(void **state)
{
    const test_spec spec = test_spec_default("llama");
    test_model *t = test_model_make(&spec);
    tempo_err err = {0};
    char path[512];

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(t, 3, path);
    test_model_free(t);
    if (tempo_model_open(&model, path, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempo_model_free(model);
    test_tmpdir_remove(dir);
    return 0;
}

static tempo_chat *open_chat(const char *text)
{
    tempo_chat *c;
    tempo_err err = {0};

    if (tempo_chat_open(&c, model, text, strlen(text), "t", &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return c;
}

/* ---- the end of a turn ---- */

#define EACH(body) "{% for m in messages %}" body "{% endfor %}"

static void test_end_ids(void **state)
{
    static const struct {
        const char *text;
        uint32_t n;
        int32_t ids[2];
    } cases[] = {
        {EACH("{{ m.role }}: {{ m.content }}</s>"), 1, {EOS}},
        {EACH("{{ m.role }}: {{ m.content }} \n<s>\n"), 1, {BOS}}, /* a token that ends turns, not texts */
        {EACH("<s>{{ m.role }}\n{{ m.content }}\n"),
         1,
         {BOS}}, /* turns without an end: the next one's beginning */
        {EACH("{{ m.content }}{% if loop.last %}</s>{% else %}<s>{% endif %}"), 2, {BOS, EOS}},
        {EACH("{{ m.role }}: {{ m.content }}\n"), 0, {0}},
        {EACH("{{ m.content | upper }}</s>"), 0, {0}}, /* the words cannot be found again */
        {EACH("{% if loop.index > 2 %}{{ raise_exception('two') }}{% endif %}{{ m.content }}</s>"), 1, {EOS}},
        {"{{ raise_exception('never') }}", 0, {0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        tempo_chat *c = open_chat(cases[i].text);
        int32_t ids[TEMPO_MAX_END_IDS] = {-7, -7, -7, -7};
        const uint32_t n = tempo_chat_end_ids(c, ids);
        if (n != cases[i].n || (n > 0 && memcmp(ids, cases[i].ids, n * sizeof(*ids)) != 0))
            fail_msg("%s: %u ids, first %d", cases[i].text, n, (int)ids[0]);
        tempo_chat_free(c);
    }
}

/* Decode greedily from one token; -> the first step's only member. */
static int32_t first_member(tempo_engine *e, const tempo_decode_options *o, tempo_stopped *stopped, bool *eos)
{
    const int32_t prompt[] = {70};
    tempo_decoder *d;

    assert_int_equal(tempo_decoder_create(&d, e, o, prompt, 1, NULL), TEMPO_OK);
    assert_int_equal(tempo_decoders_step(&d, 1, NULL, NULL), TEMPO_OK);
    const tempo_set *s = tempo_decoder_last_set(d);
    const int32_t id = s->members[0].id;
    *eos = s->eos;
    *stopped = tempo_decoder_stopped(d);
    tempo_decoder_free(d);
    return id;
}

static void test_end_ids_stop(void **state)
{
    tempo_decode_options o;
    tempo_decoder *d;
    tempo_engine *e;
    tempo_stopped stopped;
    tempo_err err = {0};
    bool eos;

    (void)state;
    assert_int_equal(tempo_engine_create(&e, model, NULL, NULL), TEMPO_OK);
    tempo_decode_options_init(&o);
    o.threshold = 1;
    const int32_t id = first_member(e, &o, &stopped, &eos);
    assert_true(stopped == TEMPO_RUNNING && !eos);
    o.end_ids[0] = id + 1;
    o.end_ids[1] = id;
    o.n_end_ids = 1;
    assert_int_equal(first_member(e, &o, &stopped, &eos), id);
    assert_true(stopped == TEMPO_RUNNING && !eos);
    o.n_end_ids = 2;
    assert_true(tempo_decode_options_ends(&o, model, id));
    assert_true(tempo_decode_options_ends(&o, model, EOS));
    assert_false(tempo_decode_options_ends(&o, model, id + 2));
    for (int stop = TEMPO_STOP_ANY; stop <= TEMPO_STOP_NEVER; stop++) {
        o.stop = (tempo_stop)stop;
        assert_int_equal(first_member(e, &o, &stopped, &eos), id);
        assert_true(eos);
        assert_int_equal(stopped, stop == TEMPO_STOP_NEVER ? TEMPO_RUNNING : TEMPO_STOPPED_EOS);
    }
    o.n_end_ids = TEMPO_MAX_END_IDS + 1;
    assert_int_equal(tempo_decoder_create(&d, e, &o, &id, 1, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "5 end_ids, at most 4"));
    tempo_engine_free(e);
}

/* ---- conversations ---- */

static const char shows[] =
    "{{ messages | length }}"
    "{% for m in messages %}{% for c in m.tool_calls %} {{ c.function.arguments.x }}{% endfor %}{% endfor %}"
    "{% for t in tools or [] %} {{ t.name }}{% endfor %} {{ colour }}";

static void test_conversations(void **state)
{
    static const struct {
        const char *messages, *tools, *variables;
        bool parse;
        tempo_status code;
        const char *text; /* or of the message */
    } cases[] = {
        {"[{\"role\":\"user\"}]", NULL, NULL, true, TEMPO_OK, "1 "},
        {"[{\"role\":\"user\"}]", " null ", "null", true, TEMPO_OK, "1 "},
        {"[{\"role\":\"user\"}]", "[{\"name\":\"f\"}]", "{\"colour\":\"red\"}", true, TEMPO_OK, "1 f red"},
        {"{\"messages\":[{\"role\":\"user\"}],\"tools\":[{\"name\":\"g\"}],\"model\":\"m\","
         "\"chat_template_kwargs\":{\"colour\":\"blue\"}}",
         NULL, NULL, true, TEMPO_OK, "1 g blue"},
        {"{\"messages\":[{\"role\":\"user\"}],\"tools\":[{\"name\":\"g\"}]}", "[{\"name\":\"f\"}]", NULL,
         true, TEMPO_OK, "1 f "},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": "
         "7}\"}}]}]",
         NULL, NULL, true, TEMPO_OK, "1 7 "},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\": "
         "8}}}]}]",
         NULL, NULL, true, TEMPO_OK, "1 8 "},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": "
         "7}\"}}]}]",
         NULL, NULL, false, TEMPO_OK, "1  "},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"no "
         "JSON\"}}]}]",
         NULL, NULL, true, TEMPO_OK, "1  "},
        {"[]", NULL, NULL, true, TEMPO_E_ARG, "no messages"},
        {"{\"tools\":[]}", NULL, NULL, true, TEMPO_E_FORMAT, "messages: expected an array"},
        {"7", NULL, NULL, true, TEMPO_E_FORMAT, "messages: expected an array"},
        {"[7]", NULL, NULL, true, TEMPO_E_FORMAT, "messages[0]: expected an object"},
        {"[{\"role\":\"user\"},{\"role\":7}]", NULL, NULL, true, TEMPO_E_FORMAT,
         "messages[1].role: expected a string"},
        {"[{\"role\":\"user\",\"role\\u0000\":5}]", NULL, NULL, true, TEMPO_E_FORMAT,
         "messages[0].role: a name with a NUL"},
        {"[{\"role\":\"user\"}]", NULL, "{\"messages\\u0000\":1}", true, TEMPO_E_FORMAT,
         "variables.messages: a name with a NUL"},
        {"[{\"role\":\"user\"}]", "{}", NULL, true, TEMPO_E_FORMAT, "tools: expected an array"},
        {"[{\"role\":\"user\"}]", NULL, "[]", true, TEMPO_E_FORMAT, "variables: expected an object"},
        {"[{\"role\":\"user\"}]", NULL, "{\"tools\":1}", true, TEMPO_E_ARG,
         "variables.tools: the template has this name"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\","
         "\"image_url\":{}}]}]",
         NULL, NULL, true, TEMPO_E_UNSUPPORTED, "messages[0].content[1]: images are not supported"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}]", NULL, NULL, true,
         TEMPO_E_UNSUPPORTED, "messages[0].content[0]: audio is not supported"},
        {"[{\"role\":\"user\"", NULL, NULL, true, TEMPO_E_FORMAT, "messages: "},
    };
    tempo_chat *c = open_chat(shows);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *tools = cases[i].tools, *variables = cases[i].variables;
        const tempo_conversation v = {.messages = cases[i].messages,
                                      .n_messages = strlen(cases[i].messages),
                                      .tools = tools,
                                      .n_tools = tools != NULL ? strlen(tools) : 0,
                                      .variables = variables,
                                      .n_variables = variables != NULL ? strlen(variables) : 0,
                                      .parse_arguments = cases[i].parse};
        tempo_err err = {0};
        char *text;
        size_t n;
        const tempo_status st = tempo_chat_render_json(c, &v, NULL, &text, &n, &err);
        if (st != cases[i].code ||
            (st == TEMPO_OK ? strcmp(text, cases[i].text) != 0 : strstr(err.msg, cases[i].text) == NULL))
            fail_msg("%s: status %d, '%s'", cases[i].messages, (int)st, st == TEMPO_OK ? text : err.msg);
        tempo_free(text);
    }
    tempo_chat_free(c);
}

/* ---- tool calls ---- */

#define CALL(name, x) "{\"name\":\"" name "\",\"arguments\":{\"x\":" x "}}"

static void test_tool_calls(void **state)
{
    static const struct {
        const char *text, *calls; /* NULL: none */
        size_t n_content;
    } cases[] = {
        {"<tool_call>\n" CALL("f", "1") "\n</tool_call>", "[" CALL("f", "1") "]", 0},
        {"Let me see. <tool_call>" CALL("f", "1") "</tool_call>\n<tool_call>" CALL("g", "2") "</tool_call>\n",
         "[" CALL("f", "1") "," CALL("g", "2") "]", 12},
        {"<tool_call>" CALL("f", "1"), "[" CALL("f", "1") "]", 0},
        {"  {\"name\": \"f\", \"parameters\": {\"x\": 1}}\n", "[" CALL("f", "1") "]", 0},
        {CALL("f", "1") "; " CALL("g", "\"}\\\"{\""), "[" CALL("f", "1") "," CALL("g", "\"}\\\"{\"") "]", 0},
        {"[" CALL("f", "1") ", " CALL("g", "2") "]", "[" CALL("f", "1") "," CALL("g", "2") "]", 0},
        {"", NULL, 0},
        {"The answer is 4.", NULL, 16},
        {"{\"name\": \"f\"}", NULL, 13},
        {"{\"name\": \"\", \"arguments\": {}}", NULL, 29},
        {"{\"name\": \"f\", \"arguments\": 3}", NULL, 29},
        {"[]", NULL, 2},
        {"[1]", NULL, 3},
        {"{\"x\": 1}", NULL, 8},
        {"{", NULL, 1},
        {CALL("f", "NaN"), NULL, sizeof(CALL("f", "NaN")) - 1},
        {CALL("f", "1") " is what I would call.", NULL, sizeof(CALL("f", "1")) - 1 + 22},
        {"<tool_call>no JSON</tool_call>", NULL, 30},
        {"<tool_call>" CALL("f", "1") "</tool_call> and more", NULL, 23 + sizeof(CALL("f", "1")) - 1 + 9},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const size_t n = strlen(cases[i].text);
        size_t n_content = 99;
        char *calls = NULL;
        assert_int_equal(tempo_chat_tool_calls(cases[i].text, n, &calls, &n_content, NULL), TEMPO_OK);
        if ((calls == NULL) != (cases[i].calls == NULL) || n_content != cases[i].n_content ||
            (calls != NULL && strcmp(calls, cases[i].calls) != 0))
            fail_msg("%s: %s, %zu bytes in front", cases[i].text, calls != NULL ? calls : "none", n_content);
        tempo_free(calls);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_ids),
        cmocka_unit_test(test_end_ids_stop),
        cmocka_unit_test(test_conversations),
        cmocka_unit_test(test_tool_calls),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
