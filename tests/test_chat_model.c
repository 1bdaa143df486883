/* Chats with models: where a template is found, and that messages cannot name special tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/model_writer.h"
#include "support/tmpdir.h"
#include "tempo.h"

static char dir[256];

enum { BOS = 262, EOS }; /* of the writer's vocabulary */

static tempo_model *open_model(const char *name)
{
    tempo_model *m;
    tempo_err err = {0};
    char path[512];

    test_path(path, dir, name);
    if (tempo_model_open(&m, path, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return m;
}

static tempo_model *write_gguf(test_model *t, const char *name)
{
    char path[512];

    test_path(path, dir, name);
    test_model_write_gguf(t, 3, path);
    return open_model(name);
}

static test_model *make(void)
{
    const test_spec spec = test_spec_default("llama");

    return test_model_make(&spec);
}

static tempo_chat *open_chat(const tempo_model *m, const char *text)
{
    tempo_chat *c;
    tempo_err err = {0};

    if (tempo_chat_open(&c, m, text, text != NULL ? strlen(text) : 0, "file.jinja", &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return c;
}

static void check_text(const tempo_chat *c, const char *source, const char *want)
{
    const tempo_message hello = {"user", "Hello", 5};
    tempo_err err = {0};
    char *text;
    size_t n;

    assert_string_equal(tempo_chat_source(c), source);
    if (tempo_chat_render(c, &hello, 1, NULL, &text, &n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(text, want);
    assert_int_equal(n, strlen(want));
    tempo_free(text);
}

/* ---- where templates are found ---- */

static void check_source(tempo_model *m, const char *source, const char *want)
{
    tempo_chat *c = open_chat(m, NULL);
    size_t n;

    assert_int_equal(tempo_model_chat_template(m, &n) != NULL, strcmp(source, "model") == 0);
    check_text(c, source, want);
    tempo_chat_free(c);
    c = open_chat(m, "[{{ messages[0].content }}]");
    check_text(c, "file.jinja", "[Hello]");
    tempo_chat_free(c);
    tempo_model_free(m);
}

/* The model opens, and says that its template cannot be used; another one can. */
static void check_refused(tempo_model *m, tempo_status code, const char *says, bool offset)
{
    tempo_err err = {0};
    tempo_chat *c;

    assert_non_null(tempo_model_note(m, 0));
    assert_non_null(strstr(tempo_model_note(m, 0), says));
    assert_null(tempo_model_note(m, 1));
    assert_int_equal(tempo_chat_open(&c, m, NULL, 0, NULL, &err), code);
    assert_null(c);
    assert_non_null(strstr(err.msg, says));
    assert_true((err.offset != TEMPO_NO_OFFSET) == offset);
    tempo_chat_free(open_chat(m, "T"));
    tempo_model_free(m);
}

static void test_gguf(void **state)
{
    (void)state;
    test_model *t = make();

    check_source(write_gguf(t, "none.gguf"), "plain", "User: Hello\nAssistant:");
    test_model_set_str(t, "tokenizer.chat_template", "");
    check_source(write_gguf(t, "empty.gguf"), "plain", "User: Hello\nAssistant:");
    test_model_set_str(t, "tokenizer.chat_template",
                       "{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}\r\n");
    check_source(write_gguf(t, "some.gguf"), "model", "<s>Hello</s>");
    test_model_drop_key(t, "tokenizer.chat_template");
    test_model_set_u32(t, "tokenizer.chat_template", 7);
    check_refused(write_gguf(t, "broken.gguf"), TEMPO_E_FORMAT, "tokenizer.chat_template is of type uint32",
                  true);
    test_model_drop_key(t, "tokenizer.chat_template");
    test_model_set_str(t, "tokenizer.chat_template.rag", "R");
    test_model_set_array(t, "tokenizer.chat_templates", TEMPO_GGUF_STRING, 1, "\3\0\0\0\0\0\0\0rag", 11);
    check_refused(write_gguf(t, "named.gguf"), TEMPO_E_UNSUPPORTED, "none is called \"default\"", true);
    test_model_set_str(t, "tokenizer.chat_template.default", "D");
    check_source(write_gguf(t, "default.gguf"), "model", "D");
    test_model_free(t);
}

static tempo_model *write_hf(test_model *t, const char *name, json_t *chat)
{
    char path[512];

    if (chat != NULL)
        json_object_set_new(t->tokenizer_config, "chat_template", chat);
    test_path(path, dir, name);
    test_model_write_hf(t, 1, path);
    return open_model(name);
}

static void test_hf(void **state)
{
    (void)state;
    test_model *t = make();
    char path[512];

    check_source(write_hf(t, "hf-none", NULL), "plain", "User: Hello\nAssistant:");
    check_source(write_hf(t, "hf-null", json_null()), "plain", "User: Hello\nAssistant:");
    check_source(write_hf(t, "hf-text", json_string("{{ messages[0].content }}{{ eos_token }}")), "model",
                 "Hello</s>");
    check_source(write_hf(t, "hf-list",
                          json_pack("[{s:s, s:s}, {s:s, s:s}]", "name", "rag", "template", "R", "name",
                                    "default", "template", "D")),
                 "model", "D");
    check_source(write_hf(t, "hf-map", json_pack("{s:s, s:s}", "rag", "R", "default", "D")), "model", "D");
    check_source(write_hf(t, "hf-nothing", json_array()), "plain", "User: Hello\nAssistant:");
    check_refused(write_hf(t, "hf-other", json_pack("[{s:s, s:s}]", "name", "rag", "template", "R")),
                  TEMPO_E_UNSUPPORTED,
                  "tokenizer_config.json: chat_template: of the templates that have names none", true);
    tempo_model_free(write_hf(t, "hf-file", json_string("settings")));
    test_path(path, dir, "hf-file/chat_template.jinja");
    test_write_file(path, "file", 4);
    check_source(open_model("hf-file"), "model", "file");
    check_refused(write_hf(t, "hf-bad", json_integer(3)), TEMPO_E_FORMAT,
                  "tokenizer_config.json: chat_template: expected a text", true);
    check_refused(write_hf(t, "hf-worse", json_pack("[{s:s, s:i}]", "name", "default", "template", 3)),
                  TEMPO_E_UNSUPPORTED, "none is a text called \"default\"", true);
    test_model_free(t);
}

static void test_not_opened(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        tempo_status st;
        const char *message;
    } cases[] = {
        {"{% trans %}", 11, TEMPO_E_UNSUPPORTED, "file.jinja: line 1, column 4: the tag {% trans %}"},
        {"{{", 2, TEMPO_E_FORMAT, "file.jinja: line 1"},
        {"\xc3", 1, TEMPO_E_FORMAT, "file.jinja: is not valid UTF-8"},
    };
    test_model *t = make();
    tempo_model *m = write_gguf(t, "plain.gguf");
    tempo_chat *c;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_err err = {0};
        assert_int_equal(tempo_chat_open(&c, m, cases[i].text, cases[i].n, "file.jinja", &err), cases[i].st);
        assert_null(c);
        assert_int_equal(err.code, cases[i].st);
        assert_non_null(strstr(err.msg, cases[i].message));
        assert_int_equal(tempo_chat_open(&c, m, cases[i].text, cases[i].n, NULL, NULL), cases[i].st);
    }
    tempo_model_free(m);
    const size_t n = (256 << 10) + 1;
    char *large = malloc(n + 1);
    assert_non_null(large);
    memset(large, 'a', n);
    large[n] = '\0';
    test_model_set_str(t, "tokenizer.chat_template", large);
    m = write_gguf(t, "large.gguf"); /* which is no reason not to run it */
    assert_string_equal(tempo_model_note(m, 0), "the chat template cannot be used: it has more than 256 KiB");
    tempo_err err = {0};
    assert_int_equal(tempo_chat_open(&c, m, NULL, 0, NULL, &err), TEMPO_E_LIMIT);
    assert_non_null(strstr(err.msg, "the chat template of the model: has more than 256 KiB"));
    free(large);
    tempo_model_free(m);
    test_model_free(t);
}

static void test_arguments(void **state)
{
    (void)state;
    test_model *t = make();
    tempo_model *m = write_gguf(t, "arguments.gguf");
    tempo_chat *c =
        open_chat(m, "{{ strftime_now('%d %b %Y') }}{{ add_generation_prompt }}{{ enable_thinking }}");
    const tempo_message bad[] = {{"user", "x", 1}, {"user", "a\xff", 2}}, role = {"\xff", "x", 1};
    static const char *const dates[] = {"",         "2024",       "2024-13-01", "2023-02-29",
                                        "2024-7-6", "0000-01-01", "2024-07-26x"};
    tempo_err err = {0};
    char *text;
    size_t n;

    assert_int_equal(tempo_chat_render(c, bad, 0, NULL, &text, &n, &err), TEMPO_E_ARG);
    assert_null(text);
    err = (tempo_err){0};
    assert_int_equal(tempo_chat_render(c, bad, 2, NULL, &text, &n, &err), TEMPO_E_FORMAT);
    assert_int_equal(err.offset, 1);
    assert_string_equal(err.msg, "message 1 is not valid UTF-8");
    assert_int_equal(tempo_chat_render(c, &role, 1, NULL, &text, &n, NULL), TEMPO_E_FORMAT);
    for (size_t i = 0; i < sizeof(dates) / sizeof(*dates); i++) {
        const tempo_chat_options opt = {.size = sizeof(opt), .date = dates[i]};
        err = (tempo_err){0};
        assert_int_equal(tempo_chat_render(c, bad, 1, &opt, &text, &n, &err), TEMPO_E_ARG);
        assert_non_null(strstr(err.msg, "is not a date"));
    }
    const tempo_chat_options leap = {
        .size = sizeof(leap), .date = "2024-02-29", .no_generation_prompt = true, .thinking = -1};
    assert_int_equal(tempo_chat_render(c, bad, 1, &leap, &text, &n, NULL), TEMPO_OK);
    assert_string_equal(text, "29 Feb 2024FalseFalse");
    tempo_free(text);
    assert_int_equal(tempo_chat_render(c, bad, 1, NULL, &text, &n, NULL),
                     TEMPO_OK); /* today, whenever that is */
    assert_int_equal(strlen("26 Jul 2024True"), n);
    tempo_free(text);
    tempo_chat_free(c);
    tempo_chat_free(NULL);
    tempo_model_free(m);
    test_model_free(t);
}

/* ---- whole conversations ---- */

static tempo_conversation conversation(const char *messages, const char *tools, const char *documents,
                                       const char *variables)
{
    return (tempo_conversation){.messages = messages,
                                .tools = tools,
                                .documents = documents,
                                .variables = variables,
                                .n_messages = messages != NULL ? strlen(messages) : 0,
                                .n_tools = tools != NULL ? strlen(tools) : 0,
                                .n_documents = documents != NULL ? strlen(documents) : 0,
                                .n_variables = variables != NULL ? strlen(variables) : 0};
}

/* Everything of a conversation reaches the template, and what is none is refused by name. */
static void test_conversation(void **state)
{
    (void)state;
    test_model *t = make();
    tempo_model *m = write_gguf(t, "conversation.gguf");
    tempo_chat *c = open_chat(m, "{{ messages|tojson }}{{ tools|tojson }}{{ documents|tojson }}"
                                 "{{ enable_thinking }}{{ add_generation_prompt }}{{ x|tojson }}");
    static const struct {
        const char *messages, *tools, *documents, *variables;
        tempo_status st;
        const char *want; /* text or message */
    } cases[] = {
        {"[{\"role\":\"user\",\"content\":null,\"tool_calls\":[{\"n\":[1,2.5,true]}]}]", "[{\"f\":{}}]", NULL,
         "{\"enable_thinking\":false,\"x\":{\"\u00e9\":[]}}", TEMPO_OK,
         "[{\"role\": \"user\", \"tool_calls\": [{\"n\": [1, 2.5, true]}]}][{\"f\": "
         "{}}]null"
         "FalseTrue{\"\u00e9\": []}"},
        {"[{\"role\":\"\"}]", " null\n", "[1]", "{\"add_generation_prompt\":0,\"x\":1e16}", TEMPO_OK,
         "[{\"role\": \"\"}]null[1]True01e+16"},
        {NULL, NULL, NULL, NULL, TEMPO_E_ARG, "no messages"},
        {"[]", NULL, NULL, NULL, TEMPO_E_ARG, "no messages"},
        {"{}", NULL, NULL, NULL, TEMPO_E_FORMAT, "messages: expected an array"},
        {"[", NULL, NULL, NULL, TEMPO_E_FORMAT, "messages: JSON, line 1"},
        {"[{\"role\":\"a\"},1]", NULL, NULL, NULL, TEMPO_E_FORMAT, "messages[1]: expected an object"},
        {"[{\"content\":\"a\"}]", NULL, NULL, NULL, TEMPO_E_FORMAT, "messages[0].role: expected a string"},
        {"[{\"role\":\"a\"}]", "{}", NULL, NULL, TEMPO_E_FORMAT, "tools: expected an array"},
        {"[{\"role\":\"a\"}]", NULL, "{}", NULL, TEMPO_E_FORMAT, "documents: expected an array"},
        {"[{\"role\":\"a\"}]", NULL, NULL, "[]", TEMPO_E_FORMAT, "variables: expected an object"},
        {"[{\"role\":\"a\"}]", NULL, NULL, "{\"tools\":[]}", TEMPO_E_ARG,
         "variables.tools: the template has"},
    };
    const tempo_chat_options thinking = {.size = sizeof(thinking), .thinking = 1};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const tempo_conversation v =
            conversation(cases[i].messages, cases[i].tools, cases[i].documents, cases[i].variables);
        tempo_err err = {0};
        int32_t *ids;
        size_t n, n_ids;
        char *text, *again;
        const tempo_status st = tempo_chat_render_json(c, &v, &thinking, &text, &n, &err);
        if (st != cases[i].st || strstr(st == TEMPO_OK ? text : err.msg, cases[i].want) == NULL)
            fail_msg("case %zu: status %d, '%s', '%s'", i, (int)st, err.msg, text != NULL ? text : "");
        assert_int_equal(tempo_chat_tokenize_json(c, &v, &thinking, &ids, &n_ids, &again, &n, NULL), st);
        assert_int_equal(st == TEMPO_OK, n_ids > 0 && strcmp(text, again) == 0);
        tempo_free(ids);
        tempo_free(again);
        tempo_free(text);
    }
    tempo_chat_free(c);
    tempo_model_free(m);
    test_model_free(t);
}

/* ---- special tokens ---- */

typedef struct ids {
    int32_t *p;
    size_t n;
} ids;

static ids tokenize(const tempo_model *m, const char *template_text, const char *content)
{
    const tempo_message message = {"user", content, strlen(content)};
    tempo_chat *c = open_chat(m, template_text);
    tempo_err err = {0};
    char *text, *back;
    size_t n_text, n_back;
    ids r;

    if (tempo_chat_tokenize(c, &message, 1, NULL, &r.p, &r.n, &text, &n_text, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    /* whatever was named by whom: the ids spell the text, a BOS apart */
    assert_int_equal(tempo_detokenize(tempo_model_tokenizer(m), r.p, r.n, true, &back, &n_back, &err),
                     TEMPO_OK);
    const size_t skip = n_back > n_text ? 3 : 0;
    assert_int_equal(n_back, n_text + skip);
    assert_memory_equal(back + skip, text, n_text);
    tempo_free(text);
    tempo_free(back);
    tempo_chat_free(c);
    return r;
}

static size_t count(ids r, int32_t id)
{
    size_t n = 0;

    for (size_t i = 0; i < r.n; i++)
        n += r.p[i] == id;
    return n;
}

static void check_ids(const tempo_model *m, const char *template_text, const char *content, size_t n,
                      size_t n_bos, size_t n_eos)
{
    ids r = tokenize(m, template_text, content);

    if (r.n != n || count(r, BOS) != n_bos || count(r, EOS) != n_eos)
        fail_msg("%s with '%s': %zu ids, %zu BOS, %zu EOS", template_text, content, r.n, count(r, BOS),
                 count(r, EOS));
    tempo_free(r.p);
}

#define CONTENT "{{ messages[0].content }}"

static void test_injection(void **state)
{
    (void)state;
    test_model *t = make();
    test_model_set_bool(t, "tokenizer.ggml.add_bos_token", false);
    tempo_model *m = write_gguf(t, "injection.gguf");

    check_ids(m, "<s>" CONTENT "</s>", "a", 3, 1, 1);
    check_ids(m, "<s>" CONTENT "</s>", "</s>", 2 + 4, 1, 1);
    check_ids(m, "<s>" CONTENT "</s>", "<s></s><s>", 2 + 10, 1, 1);
    check_ids(m, "<s>" CONTENT "</s>", "the</s>the", 2 + 6, 1, 1);
    check_ids(m, CONTENT "{{ eos_token }}", "</s>", 4 + 1, 0, 1);
    check_ids(m, "</" CONTENT, "s>", 4, 0, 0); /* in halves */
    check_ids(m, CONTENT "s>", "</", 4, 0, 0);
    check_ids(m, "{{ '</' + messages[0].content + '>' }}", "s", 4, 0, 0);
    check_ids(m, "{{ '</xs>'.replace('x', messages[0].content) }}", "", 1, 0, 1);
    check_ids(m, "{{ messages[0].content.replace('x', '') }}", "</xs>", 4, 0, 0);
    check_ids(m, "{{ messages[0].content|lower }}", "</S>", 4, 0, 0);
    check_ids(m, "{{ messages[0].content[::-1] }}", ">s/<", 4, 0, 0);
    check_ids(m, "{{ messages[0].content|tojson }}", "</s>", 6, 0, 0);
    check_ids(m, "{{ messages[0].role|replace('user', '</s>') }}", "", 1, 0,
              1);                                /* the template's own doing */
    check_ids(m, "t" CONTENT "e", "h", 1, 0, 0); /* words go across borders */
    check_ids(m, "a" CONTENT, " the", 2, 0, 0);
    check_ids(m, CONTENT, "", 0, 0, 0);
    tempo_model_free(m);
    test_model_free(t);
}

static void test_bos(void **state)
{
    (void)state;
    test_model *t = make();
    test_model_set_bool(t, "tokenizer.ggml.add_bos_token", true);
    test_model_set_bool(t, "tokenizer.ggml.add_eos_token", true);
    tempo_model *m = write_gguf(t, "bos.gguf");

    check_ids(m, CONTENT, "a", 2, 1, 0);
    check_ids(m, "{{ bos_token }}" CONTENT, "a", 2, 1, 0);
    check_ids(m, "{{ bos_token }}{{ bos_token }}" CONTENT, "a", 3, 2, 0);
    check_ids(m, CONTENT, "<s>", 1 + 3, 1, 0); /* that one does not count */
    check_ids(m, CONTENT, "", 1, 1, 0);
    tempo_model_free(m);
    test_model_free(t);
}

/* Strings anywhere in a conversation name no special token, nor do keys. */
static void test_injection_json(void **state)
{
    (void)state;
    test_model *t = make();
    test_model_set_bool(t, "tokenizer.ggml.add_bos_token", false);
    tempo_model *m = write_gguf(t, "injection-json.gguf");
    tempo_chat *c =
        open_chat(m, "<s>{{ messages|tojson }}{{ tools|tojson }}{{ documents|tojson }}{{ x|tojson }}"
                     "<{{ messages[0].role }}></s>");
    const tempo_conversation v = conversation("[{\"role\":\"s\",\"</s>\":{\"<s>\":[\"<s>\"]}}]", "[\"</s>\"]",
                                              "[\"</s>\",\"</s>\"]", "{\"x\":\"<s></s>\"}");
    ids r;

    assert_int_equal(tempo_chat_tokenize_json(c, &v, NULL, &r.p, &r.n, NULL, NULL, NULL), TEMPO_OK);
    assert_int_equal(count(r, BOS), 1);
    assert_int_equal(count(r, EOS), 1);
    tempo_free(r.p);
    tempo_chat_free(c);
    tempo_model_free(m);
    test_model_free(t);
}

static void set_type(test_model *t, size_t id, int32_t type)
{
    for (size_t i = 0; i < t->n_kv; i++)
        if (strcmp(t->kv[i].key, "tokenizer.ggml.token_type") == 0)
            memcpy(t->kv[i].data + 4 * id, &type, 4);
}

/* Tokens that a file has as "user defined" are found in any text, but not those by which the template marks
 * its turns. */
static void test_reserved(void **state)
{
    (void)state;
    enum { USER = 4 };
    test_model *t = make();
    test_model_set_bool(t, "tokenizer.ggml.add_bos_token", false);
    set_type(t, BOS, USER);
    set_type(t, EOS, USER);
    tempo_model *m = write_gguf(t, "reserved.gguf");

    check_ids(m, CONTENT, "<s>", 3, 0, 0);       /* begins a text, though the template does not know it */
    check_ids(m, "<s>" CONTENT, "<s>", 4, 1, 0); /* a mark of it */
    check_ids(m, CONTENT, "</s>", 4, 0, 0);      /* ends a text, whoever writes it */
    check_ids(m, CONTENT "</s>", "</s>", 5, 0, 1);
    tempo_model_free(m);
    test_model_free(t);
}

static int set_up(void **state)
{
    (void)state;
    test_tmpdir_create(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmpdir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf),           cmocka_unit_test(test_hf),
        cmocka_unit_test(test_not_opened),     cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_injection),      cmocka_unit_test(test_bos),
        cmocka_unit_test(test_reserved),       cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_injection_json),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
