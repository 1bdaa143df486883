/* chat.c - POST /v1/chat/completions. */
#include <string.h>

#include "server/api/openai/openai.h"
#include "server/api/route.h"
#include "io/json.h"
#include "run/decode_json.h"

static json_t *tell_score(const tempo_oai *o, const tempo_token_score *s)
{
    size_t n;
    const char *text = tempo_oai_token_text(o, s->id, &n);
    json_t *bytes = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(bytes, json_integer((unsigned char)text[i]));
    return json_pack("{s:o, s:o, s:o}", "token", tempo_json_bytes(text, n), "logprob",
                     tempo_oai_logprob(s->logprob), "bytes", bytes);
}

static json_t *tell_logprobs(const tempo_oai_choice *c, size_t from, size_t to)
{
    json_t *content = json_array();

    for (size_t i = from; i < to; i++) {
        const tempo_oai_token *k = &c->tokens[i];
        json_t *top = json_array();
        if (!k->has_score) {
            json_decref(top);
            continue;
        }
        json_t *token = tell_score(c->o, &k->scores[0]);
        for (size_t j = 1; j < k->n_scores; j++)
            json_array_append_new(top, tell_score(c->o, &k->scores[j]));
        json_object_set_new(token, "top_logprobs", top);
        json_array_append_new(content, token);
    }
    return json_pack("{s:o, s:n}", "content", content, "refusal");
}

static json_t *logprobs_or_null(const tempo_oai_choice *c, size_t from, size_t to)
{
    return c->o->logprobs ? tell_logprobs(c, from, to) : json_null();
}

/* ---- tool calls ---- */

/* The calls in text[n], at the end of it, as clients take them; NULL: none.  *n: what is left of the text. */
static json_t *tell_calls(const tempo_oai_choice *c, const char *text, size_t *n, bool indexed)
{
    const size_t all = *n;
    char *found = NULL;
    json_t *list, *out = NULL;

    if (!c->o->tools || tempo_chat_tool_calls(text, *n, &found, n, NULL) != TEMPO_OK || found == NULL)
        return NULL;
    if (tempo_json_parse_strict(&list, found, strlen(found), NULL) != TEMPO_OK)
        list = NULL;
    out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *call = json_array_get(list, i);
        char *arguments = tempo_json_print(json_object_get(call, "arguments"));
        char id[32];
        tempo_api_new_id(id, sizeof(id), "call_");
        json_t *v = json_pack("{s:s, s:s, s:{s:O, s:s?}}", "id", id, "type", "function", "function", "name",
                              json_object_get(call, "name"), "arguments", arguments);
        if (v != NULL && indexed)
            json_object_set_new(v, "index", json_integer((json_int_t)i));
        json_array_append_new(out, v);
        free(arguments);
    }
    json_decref(list);
    tempo_free(found);
    if (json_array_size(out) == 0) { /* no memory: then it is text */
        json_decref(out);
        *n = all;
        return NULL;
    }
    return out;
}

/* White space between a text and the calls behind it is nobody's. */
static size_t without_space(const char *text, size_t n)
{
    while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
        n--;
    return n;
}

static const char *finish_of(const char *finish, const json_t *calls)
{
    return calls != NULL && finish != NULL && strcmp(finish, "stop") == 0 ? "tool_calls" : finish;
}

static json_t *make_choice(const tempo_oai_choice *c, const char *text, size_t n, size_t from, size_t to,
                           const char *finish)
{
    json_t *calls = finish != NULL ? tell_calls(c, text, &n, false) : NULL;
    const size_t left = calls != NULL ? without_space(text, n) : n;
    json_t *v = json_pack(
        "{s:I, s:{s:s, s:o, s:n}, s:o, s:s?}", "index", (json_int_t)c->index, "message", "role", "assistant",
        "content", calls != NULL && left == 0 ? json_null() : tempo_json_bytes(text, left), "refusal",
        "logprobs", logprobs_or_null(c, from, to), "finish_reason", finish_of(finish, calls));

    if (v != NULL && calls != NULL)
        json_object_set(json_object_get(v, "message"), "tool_calls", calls);
    json_decref(calls);
    if (v != NULL)
        tempo_oai_add_sets(c, v);
    return v;
}

static json_t *make_piece(const tempo_oai_choice *c, const char *text, size_t n, size_t from, size_t to,
                          const char *finish, bool first)
{
    json_t *delta = json_object(), *calls = NULL, *v;

    if (first)
        json_object_set_new(delta, "role", json_string("assistant"));
    if (finish != NULL) { /* what was held back is calls, or text after all */
        size_t content = c->tail.ready;
        calls = tell_calls(c, c->tail.p != NULL ? c->tail.p : "", &content, true);
        if (calls != NULL)
            n = content > c->told ? without_space(text, content - c->told) : 0;
    }
    if (first || n > 0)
        json_object_set_new(delta, "content", tempo_json_bytes(text, n));
    if (calls != NULL)
        json_object_set(delta, "tool_calls", calls);
    v = json_pack("{s:I, s:o, s:o, s:s?}", "index", (json_int_t)c->index, "delta", delta, "logprobs",
                  first || from == to ? json_null() : logprobs_or_null(c, from, to), "finish_reason",
                  finish_of(finish, calls));
    json_decref(calls);
    if (v != NULL && !first)
        tempo_oai_add_sets(c, v);
    return v;
}

#define FIELD(n, k, f) .name = n, .kind = TEMPO_API_##k, .offset = offsetof(tempo_oai_request, f)
static const tempo_api_field fields[] = {
    {FIELD("messages", ARRAY, messages)},
    {FIELD("max_tokens", SIZE, max_tokens), .low = 1, .high = 1e9},
    {FIELD("max_completion_tokens", SIZE, max_completion_tokens), .low = 1, .high = 1e9},
    {FIELD("logprobs", FLAG, logprobs)},
    {FIELD("top_logprobs", SIZE, top_logprobs), .high = 20},
    {FIELD("tools", ARRAY, tools)},
    {FIELD("tool_choice", ANY, tool_choice)},
    {FIELD("documents", ARRAY, documents)},
    {FIELD("chat_template_kwargs", OBJECT, chat_template_kwargs)},
    {FIELD("enable_thinking", ANY, enable_thinking)},
    {.name = "parallel_tool_calls",
     .kind = TEMPO_API_IGNORED,
     .help = "how many calls a model makes is its own"},
    /* what may only ask for nothing */
    {.name = "functions", .kind = TEMPO_API_NEUTRAL},
    {.name = "function_call",
     .kind = TEMPO_API_IGNORED,
     .choices = "\"none\"|\"auto\"",
     .help = "tools are given as such"},
    {.name = "response_format", .kind = TEMPO_API_NEUTRAL, .choices = "{\"type\":\"text\"}"},
    {.name = "modalities", .kind = TEMPO_API_NEUTRAL, .choices = "[\"text\"]"},
    {.name = "audio", .kind = TEMPO_API_NEUTRAL},
    {.name = "web_search_options", .kind = TEMPO_API_NEUTRAL},
    {.name = "prediction", .kind = TEMPO_API_IGNORED, .help = "it would only be faster"},
    {.name = "reasoning_effort", .kind = TEMPO_API_IGNORED, .help = "how long a model reasons is its own"},
    {.name = "verbosity", .kind = TEMPO_API_IGNORED, .help = "how much a model says is its own"},
};
#undef FIELD

const tempo_oai_shape tempo_oai_chat = {.chat = true,
                                        .prefix = "chatcmpl-",
                                        .object = "chat.completion",
                                        .chunk = "chat.completion.chunk",
                                        .fields = fields,
                                        .n_fields = sizeof(fields) / sizeof(*fields),
                                        .choice = make_choice,
                                        .piece = make_piece};

static void complete(void *user, tempo_exchange *x)
{
    tempo_oai_answer(user, x, &tempo_oai_chat);
}

static const tempo_api_body body = {"ChatRequest", fields, sizeof(fields) / sizeof(*fields),
                                    TEMPO_API_OPENAI};

static const tempo_api_route routes[] = {
    {.method = "POST",
     .path = "/v1/chat/completions",
     .handle = complete,
     .query = "",
     .body = &body,
     .summary = "OpenAI's chat completions",
     .answer = "a completion, or chunks",
     .type = "ChatCompletion",
     .media = "application/json,text/event-stream"},
};

static const tempo_api_type types[] = {
    {"ChatCompletion", "{id: string, object: 'chat.completion', created: integer, model: string, choices: "
                       "object[], usage?: object, "
                       "warnings?: string[], ...}"},
};

TEMPO_API_RESOURCE(chat, routes, types)
