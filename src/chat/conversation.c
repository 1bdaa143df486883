/* conversation.c - what a conversation as JSON must be, whatever the template makes of it.
 * Source: the fields that OpenAI's clients send, and what transformers' apply_chat_template takes. */
#include "chat/conversation.h"

#include <stdio.h>
#include <string.h>

#include "chat/parts.h"

static const struct {
    const char *name;
    bool object;
} shapes[TEMPO_CHAT_PARTS] = {[TEMPO_CHAT_MESSAGES] = {"messages", false},
                              [TEMPO_CHAT_TOOLS] = {"tools", false},
                              [TEMPO_CHAT_DOCUMENTS] = {"documents", false},
                              [TEMPO_CHAT_VARIABLES] = {"variables", true}};

/* ---- the parts ------------------------------------------------------------------------- */

static tempo_status check_shape(size_t part, const json_t *v, tempo_err *err)
{
    if (v == NULL || (shapes[part].object ? json_is_object(v) : json_is_array(v)))
        return TEMPO_OK;
    return tempo_fail_field(err, TEMPO_E_FORMAT, shapes[part].name, "%s: expected an %s", shapes[part].name,
                            shapes[part].object ? "object" : "array");
}

static tempo_status read_part(size_t part, const char *text, size_t n, json_t **out, tempo_err *err)
{
    tempo_status st;

    *out = NULL;
    if (text == NULL)
        return TEMPO_OK;
    if (n > TEMPO_CHAT_MAX_OUTPUT)
        return tempo_fail_field(err, TEMPO_E_LIMIT, shapes[part].name, "%s: more than %d MiB",
                                shapes[part].name, TEMPO_CHAT_MAX_OUTPUT >> 20);
    if ((st = tempo_json_parse(out, text, n, err)) != TEMPO_OK) {
        tempo_err_prefix(err, "%s", shapes[part].name);
        tempo_err_set_field(err, shapes[part].name);
        return st;
    }
    if (json_is_null(*out)) {
        json_decref(*out);
        *out = NULL;
    }
    return TEMPO_OK;
}

/* The whole of a conversation in place of its messages: what is also given by itself stays as that. */
static void take_apart(json_t *parts[TEMPO_CHAT_PARTS])
{
    static const char *const names[TEMPO_CHAT_PARTS] = {"messages", "tools", "documents",
                                                        "chat_template_kwargs"};
    json_t *whole = parts[TEMPO_CHAT_MESSAGES];

    parts[TEMPO_CHAT_MESSAGES] = NULL;
    for (size_t i = 0; i < TEMPO_CHAT_PARTS; i++) {
        json_t *v = json_object_get(whole, names[i]);
        if (parts[i] == NULL && v != NULL && !json_is_null(v))
            parts[i] = json_incref(v);
    }
    json_decref(whole);
}

/* ---- messages -------------------------------------------------------------------------- */

/* What a part of a content is that is no text: for the message. */
static const char *kind_of(const char *type)
{
    static const struct {
        const char *word, *kind;
    } kinds[] = {
        {"image", "images are"}, {"audio", "audio is"}, {"video", "videos are"}, {"file", "files are"}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strstr(type, kinds[i].word) != NULL)
            return kinds[i].kind;
    return NULL;
}

static tempo_status check_content(const json_t *content, size_t i, tempo_err *err)
{
    for (size_t k = 0; json_is_array(content) && k < json_array_size(content); k++) {
        const json_t *part = json_array_get(content, k);
        const char *type = json_string_value(json_object_get(part, "type"));
        const char *kind = type != NULL ? kind_of(type) : NULL;
        if (kind != NULL)
            return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                              "messages[%zu].content[%zu]: %s not supported", i, k, kind);
    }
    return TEMPO_OK;
}

/* Clients write the arguments of a call as a JSON text, templates want what it holds. */
static tempo_status parse_arguments(json_t *message, tempo_err *err)
{
    json_t *calls = json_object_get(message, "tool_calls");

    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *call = json_array_get(calls, i), *function = json_object_get(call, "function"),
               *holder = function != NULL ? function : call;
        const json_t *text = json_object_get(holder, "arguments");
        json_t *v = NULL;
        tempo_err ignored = {0};
        if (!json_is_string(text) || tempo_json_parse_strict(&v, json_string_value(text),
                                                             json_string_length(text), &ignored) != TEMPO_OK)
            continue;
        if (!json_is_object(v))
            json_decref(v);
        else if (json_object_set_new(holder, "arguments", v) != 0)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a conversation");
    }
    return TEMPO_OK;
}

/* Templates compare names as texts that end at a NUL, so that one with a NUL inside could pose as another. */
static tempo_status check_keys(json_t *object, const char *what, tempo_err *err)
{
    const char *key;
    size_t n;
    json_t *v;

    json_object_keylen_foreach(object, key, n, v)
    {
        if (strlen(key) != n)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s.%.64s: a name with a NUL in it", what,
                              key);
    }
    return TEMPO_OK;
}

static tempo_status check_message(json_t *m, size_t i, bool arguments, tempo_err *err)
{
    char what[40];
    tempo_status st;

    if (!json_is_object(m))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "messages[%zu]: expected an object", i);
    (void)snprintf(what, sizeof(what), "messages[%zu]", i);
    if ((st = check_keys(m, what, err)) != TEMPO_OK)
        return st;
    if (!json_is_string(json_object_get(m, "role")))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "messages[%zu].role: expected a string", i);
    if ((st = check_content(json_object_get(m, "content"), i, err)) != TEMPO_OK)
        return st;
    return arguments ? parse_arguments(m, err) : TEMPO_OK;
}

/* ---- the whole ------------------------------------------------------------------------- */

static tempo_status check_variables(json_t *variables, tempo_err *err)
{
    const tempo_status st = check_keys(variables, "variables", err);

    if (st != TEMPO_OK)
        return st;
    for (size_t i = 0; i < TEMPO_CHAT_VARIABLES; i++)
        if (json_object_get(variables, shapes[i].name) != NULL)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "variables.%s: the template has this name already", shapes[i].name);
    return TEMPO_OK;
}

tempo_status tempo_conversation_read(const tempo_conversation *v, json_t *parts[TEMPO_CHAT_PARTS],
                                     tempo_err *err)
{
    tempo_status st;

    if ((st = read_part(TEMPO_CHAT_MESSAGES, v->messages, v->n_messages, &parts[0], err)) != TEMPO_OK ||
        (st = read_part(TEMPO_CHAT_TOOLS, v->tools, v->n_tools, &parts[1], err)) != TEMPO_OK ||
        (st = read_part(TEMPO_CHAT_DOCUMENTS, v->documents, v->n_documents, &parts[2], err)) != TEMPO_OK ||
        (st = read_part(TEMPO_CHAT_VARIABLES, v->variables, v->n_variables, &parts[3], err)) != TEMPO_OK)
        return st;
    if (json_object_get(parts[TEMPO_CHAT_MESSAGES], "messages") != NULL)
        take_apart(parts);
    for (size_t i = 0; i < TEMPO_CHAT_PARTS; i++)
        if ((st = check_shape(i, parts[i], err)) != TEMPO_OK)
            return st;
    const json_t *messages = parts[TEMPO_CHAT_MESSAGES];
    if (json_array_size(messages) == 0)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "no messages: there must be at least one");
    for (size_t i = 0; i < json_array_size(messages); i++)
        if ((st = check_message(json_array_get(messages, i), i, v->parse_arguments, err)) != TEMPO_OK) {
            tempo_err_set_field(err, shapes[TEMPO_CHAT_MESSAGES].name);
            return st;
        }
    if ((st = check_variables(parts[TEMPO_CHAT_VARIABLES], err)) != TEMPO_OK)
        tempo_err_set_field(err, shapes[TEMPO_CHAT_VARIABLES].name);
    return st;
}
