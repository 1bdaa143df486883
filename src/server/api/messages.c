/* messages.c - messages, tools and variables of a request through the chat template. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "server/api/inside.h"
#include "server/api/request.h"

enum { MAX_MESSAGES = 4096, MAX_WARNINGS = 64 };

/* ---- messages -------------------------------------------------------------------------- */

typedef struct message_fields {
    const json_t *role, *content, *name, *tool_calls, *tool_call_id, *reasoning_content, *reasoning;
} message_fields;

#define FIELD(n, k, f) .name = n, .kind = TEMPO_API_##k, .offset = offsetof(message_fields, f)
/* The first ones reach the template; what clients send back of answers they got says nothing as long as it is
 * empty. */
static const tempo_api_field message_table[] = {
    {FIELD("role", TEXT, role)},
    {FIELD("content", ANY, content)},
    {FIELD("name", TEXT, name)},
    {FIELD("tool_calls", ARRAY, tool_calls)},
    {FIELD("tool_call_id", TEXT, tool_call_id)},
    {FIELD("reasoning_content", TEXT, reasoning_content)},
    {FIELD("reasoning", TEXT, reasoning)},
    {.name = "type",
     .kind = TEMPO_API_NEUTRAL,
     .choices = "\"message\"|\"text\""}, /* some clients mark them so */
    {.name = "refusal", .kind = TEMPO_API_NEUTRAL},
    {.name = "annotations", .kind = TEMPO_API_NEUTRAL},
    {.name = "audio", .kind = TEMPO_API_NEUTRAL},
    {.name = "function_call", .kind = TEMPO_API_NEUTRAL},
};
#undef FIELD

/* One part of a content; NULL: p says what is wrong. */
static const json_t *part_text(const json_t *part, size_t i, size_t k, tempo_api_problem *p)
{
    static const struct {
        const char *word, *kind;
    } kinds[] = {
        {"image", "images are"}, {"audio", "audio is"}, {"video", "videos are"}, {"file", "files are"}};
    const char *type = json_string_value(json_object_get(part, "type"));
    const json_t *text = json_object_get(part, "text");
    char param[64];

    (void)snprintf(param, sizeof(param), "messages[%zu].content[%zu]", i, k);
    for (size_t n = 0; type != NULL && n < sizeof(kinds) / sizeof(*kinds); n++)
        if (strstr(type, kinds[n].word) != NULL) {
            tempo_api_refuse_code(p, 400, param, "unsupported_value", "%s not supported", kinds[n].kind);
            return NULL;
        }
    if (type == NULL ||
        (strcmp(type, "text") != 0 && strcmp(type, "input_text") != 0 && strcmp(type, "output_text") != 0) ||
        !json_is_string(text)) {
        tempo_api_refuse(p, 400, param, "expected {\"type\": \"text\", \"text\": ..}");
        return NULL;
    }
    return text;
}

/* Parts of text as one, a line each: most templates take a content that is a string. */
static json_t *join_parts(const json_t *parts, size_t i, tempo_api_problem *p)
{
    size_t n = 0, cap = 1;
    json_t *joined;

    for (size_t k = 0; k < json_array_size(parts); k++) {
        const json_t *text = part_text(json_array_get(parts, k), i, k, p);
        if (text == NULL)
            return NULL;
        cap += json_string_length(text) + 1;
    }
    char *all = malloc(cap);
    for (size_t k = 0; all != NULL && k < json_array_size(parts); k++) {
        const json_t *text = json_object_get(json_array_get(parts, k), "text");
        if (k > 0)
            all[n++] = '\n';
        memcpy(all + n, json_string_value(text), json_string_length(text));
        n += json_string_length(text);
    }
    joined = all != NULL ? json_stringn_nocheck(all, n) : NULL;
    free(all);
    if (joined == NULL)
        tempo_api_refuse(p, 500, "messages", "out of memory");
    return joined;
}

/* The content as templates take it; a new reference. */
static json_t *make_content(const message_fields *f, size_t i, tempo_api_problem *p)
{
    if (json_is_array(f->content))
        return join_parts(f->content, i, p);
    if (json_is_string(f->content))
        return json_incref((json_t *)(uintptr_t)f->content);
    if (f->content == NULL && strcmp(json_string_value(f->role), "assistant") == 0)
        return json_string("");
    tempo_api_refuse(p, 400, "messages", "[%zu]: content is not a string or an array of text parts", i);
    return NULL;
}

static bool check_calls(const json_t *calls, size_t i, tempo_api_problem *p)
{
    for (size_t k = 0; k < json_array_size(calls); k++) {
        const json_t *call = json_array_get(calls, k), *function = json_object_get(call, "function"),
                     *arguments = json_object_get(function, "arguments");
        char param[64];
        (void)snprintf(param, sizeof(param), "messages[%zu].tool_calls[%zu]", i, k);
        if (!json_is_string(json_object_get(function, "name")) ||
            (arguments != NULL && !json_is_string(arguments) && !json_is_object(arguments)))
            return tempo_api_refuse(p, 400, param,
                                    "expected {\"function\": {\"name\": .., \"arguments\": ..}}");
    }
    return true;
}

static bool warn_name(tempo_api_request *r, const char *prefix, tempo_api_problem *p)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "%sname", prefix);
    return json_array_size(r->warnings) >= MAX_WARNINGS ||
           tempo_api_warn(&r->warnings, name, "the chat template is told the names of tools alone", p);
}

/* One message as the template gets it; NULL: p says what is wrong. */
static json_t *make_message(tempo_api_request *r, const json_t *v, size_t i, tempo_api_problem *p)
{
    message_fields f = {0};
    tempo_api_table t = {message_table, sizeof(message_table) / sizeof(*message_table), &f, 0, 0};
    char prefix[32];
    json_t *m, *content;

    (void)snprintf(prefix, sizeof(prefix), "messages[%zu].", i);
    if (!json_is_object(v)) {
        tempo_api_refuse(p, 400, "messages", "[%zu] is not an object {\"role\", \"content\"}", i);
        return NULL;
    }
    if (!tempo_api_read(v, prefix, true, &t, 1, p) ||
        (t.ignored != 0 && json_array_size(r->warnings) < MAX_WARNINGS &&
         !tempo_api_warn_ignored(&r->warnings, prefix, &t, p)))
        return NULL;
    if (f.role == NULL || json_string_length(f.role) == 0) {
        tempo_api_refuse(p, 400, "messages", "[%zu] has no role", i);
        return NULL;
    }
    const char *role = json_string_value(f.role);
    const bool tool = strcmp(role, "tool") == 0 || strcmp(role, "function") == 0;
    if (!check_calls(f.tool_calls, i, p) || (f.name != NULL && !tool && !warn_name(r, prefix, p)) ||
        (content = make_content(&f, i, p)) == NULL)
        return NULL;
    m = json_pack("{s:s, s:o, s:O*, s:O*, s:O*, s:O*}", "role",
                  strcmp(role, "developer") == 0 ? "system" : role, "content", content, "name",
                  tool ? f.name : NULL, "tool_call_id", f.tool_call_id, "reasoning_content",
                  f.reasoning_content != NULL ? f.reasoning_content : f.reasoning, "tool_calls",
                  json_array_size(f.tool_calls) > 0 ? f.tool_calls : NULL);
    if (m == NULL)
        tempo_api_refuse(p, 500, "messages", "out of memory");
    return m;
}

/* ---- the conversation ------------------------------------------------------------------ */

/* Its parts as texts. */
typedef struct texts {
    char *messages, *tools, *documents, *variables; /* free */
} texts;

static bool write_messages(tempo_api_request *r, texts *t, tempo_api_problem *p)
{
    const size_t n = json_array_size(r->messages);
    json_t *list = json_array();
    bool ok = true;

    for (size_t i = 0; ok && i < n; i++) {
        json_t *m = make_message(r, json_array_get(r->messages, i), i, p);
        ok = m != NULL;
        if (ok && json_array_append_new(list, m) != 0)
            ok = tempo_api_refuse(p, 500, "messages", "out of memory");
    }
    if (ok && (t->messages = tempo_json_print(list)) == NULL)
        ok = tempo_api_refuse(p, 500, "messages", "out of memory");
    json_decref(list);
    return ok;
}

/* One of the other parts, NULL or of the right type already. */
static bool write_part(const json_t *v, const char *name, char **text, tempo_api_problem *p)
{
    if (v == NULL || (json_is_array(v) && json_array_size(v) == 0))
        return true;
    return (*text = tempo_json_print(v)) != NULL || tempo_api_refuse(p, 500, name, "out of memory");
}

static bool check_tools(const json_t *tools, tempo_api_problem *p)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i), *function = json_object_get(tool, "function");
        char param[32];
        (void)snprintf(param, sizeof(param), "tools[%zu]", i);
        if (!json_is_string(json_object_get(function != NULL ? function : tool, "name")))
            return tempo_api_refuse(p, 400, param,
                                    "expected {\"type\": \"function\", \"function\": {\"name\": .., ..}}");
    }
    return true;
}

static bool write_texts(tempo_api_request *r, texts *t, tempo_api_problem *p)
{
    if (r->enable_thinking != NULL && !json_is_boolean(r->enable_thinking))
        return tempo_api_refuse(p, 400, "enable_thinking", "expected true or false");
    return check_tools(r->tools, p) && write_messages(r, t, p) &&
           write_part(r->tools, "tools", &t->tools, p) &&
           write_part(r->documents, "documents", &t->documents, p) &&
           write_part(r->chat_template_kwargs, "chat_template_kwargs", &t->variables, p);
}

static size_t length(const char *s)
{
    return s != NULL ? strlen(s) : 0;
}

/* Whose fault a failure of the template is. */
static const char *blame(const tempo_err *err)
{
    return err->field[0] == '\0'                  ? "messages"
           : strcmp(err->field, "variables") == 0 ? "chat_template_kwargs"
                                                  : err->field;
}

static bool render(tempo_api *a, tempo_api_request *r, const texts *t, tempo_api_problem *p)
{
    const tempo_conversation v = {.messages = t->messages,
                                  .tools = t->tools,
                                  .documents = t->documents,
                                  .variables = t->variables,
                                  .n_messages = length(t->messages),
                                  .n_tools = length(t->tools),
                                  .n_documents = length(t->documents),
                                  .n_variables = length(t->variables),
                                  .parse_arguments = true};
    const tempo_chat_options o = {.size = sizeof(o),
                                  .thinking = r->enable_thinking == NULL         ? 0
                                              : json_is_true(r->enable_thinking) ? 1
                                                                                 : -1};
    tempo_err err = {0};

    if (tempo_chat_tokenize_json(a->chat, &v, &o, &r->ids, &r->n_ids, &r->text, &r->n_text, &err) != TEMPO_OK)
        return tempo_api_refuse_err(p, blame(&err), &err);
    return tempo_api_prompt_length(a, r, "messages", p);
}

static void end_turns(const tempo_api *a, tempo_decode_options *o)
{
    memcpy(o->end_ids, a->end_ids, sizeof(o->end_ids));
    o->n_end_ids = a->n_end_ids;
}

bool tempo_api_prompt_messages(tempo_api *a, tempo_api_request *r, tempo_api_problem *p)
{
    const size_t n = json_array_size(r->messages);
    texts t = {0};

    if (!json_is_array(r->messages) || n == 0 || n > MAX_MESSAGES)
        return tempo_api_refuse(p, 400, "messages", "expected an array of 1 to %d messages", MAX_MESSAGES);
    if (a->chat == NULL)
        return tempo_api_refuse(p, 400, "messages", "this model has no chat: %s", a->no_chat.msg);
    const bool ok = write_texts(r, &t, p) && render(a, r, &t, p);
    free(t.messages);
    free(t.tools);
    free(t.documents);
    free(t.variables);
    end_turns(a, &r->decoding);
    for (size_t i = 0; i < r->job.n_arms; i++)
        end_turns(a, &r->job.arms[i].decoding);
    return ok;
}
