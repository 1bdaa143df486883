/* calls.c - tool calls in the text of an answer, in the two forms that most templates ask for.
 *
 *   Hermes, Qwen:  text <tool_call>{"name": "f", "arguments": {..}}</tool_call> ...
 *   Llama 3:       {"name": "f", "parameters": {..}}, several with ';' or white space between them, or an
 * array of them Anything else is text.  */
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "chat/parts.h"

static const char begin_tag[] = "<tool_call>", end_tag[] = "</tool_call>";

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void trim(const char **p, size_t *n)
{
    while (*n > 0 && is_space(**p)) {
        ++*p;
        --*n;
    }
    while (*n > 0 && is_space((*p)[*n - 1]))
        --*n;
}

/* {"name", "arguments"} of an object that is a call, or NULL. */
static json_t *make_call(const json_t *v)
{
    const json_t *name = json_object_get(v, "name");
    json_t *arguments = json_object_get(v, "arguments");

    if (arguments == NULL)
        arguments = json_object_get(v, "parameters");
    if (!json_is_string(name) || json_string_length(name) == 0 || !json_is_object(arguments))
        return NULL;
    return json_pack("{s:O, s:O}", "name", name, "arguments", arguments);
}

/* The calls of one JSON text: an object or an array of them.  False, with nothing added, if it is anything
 * else. */
static bool add_calls(json_t *calls, const char *p, size_t n)
{
    const size_t before = json_array_size(calls);
    tempo_err ignored = {0};
    json_t *v = NULL;
    bool ok;

    trim(&p, &n);
    if (n == 0 || (*p != '{' && *p != '[') || tempo_json_parse_strict(&v, p, n, &ignored) != TEMPO_OK)
        return false;
    if (json_is_array(v)) {
        ok = json_array_size(v) > 0;
        for (size_t i = 0; ok && i < json_array_size(v); i++)
            ok = json_array_append_new(calls, make_call(json_array_get(v, i))) == 0;
    } else {
        ok = json_array_append_new(calls, make_call(v)) == 0;
    }
    while (!ok && json_array_size(calls) > before)
        json_array_remove(calls, json_array_size(calls) - 1);
    json_decref(v);
    return ok;
}

/* The end of the JSON object that begins at p[0], by its braces outside of strings; 0 if it does not end. */
static size_t object_end(const char *p, size_t n)
{
    size_t depth = 0;
    bool string = false;

    for (size_t i = 0; i < n; i++) {
        if (string) {
            if (p[i] == '\\')
                i++;
            else if (p[i] == '"')
                string = false;
        } else if (p[i] == '"') {
            string = true;
        } else if (p[i] == '{') {
            depth++;
        } else if (p[i] == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* An answer that is nothing but calls. */
static bool plain_calls(json_t *calls, const char *p, size_t n)
{
    trim(&p, &n);
    if (n > 0 && *p == '[')
        return add_calls(calls, p, n);
    while (n > 0) {
        const size_t end = *p == '{' ? object_end(p, n) : 0;
        if (end == 0 || !add_calls(calls, p, end))
            return false;
        p += end;
        n -= end;
        while (n > 0 && (is_space(*p) || *p == ';')) {
            p++;
            n--;
        }
    }
    return json_array_size(calls) > 0;
}

/* Calls between tags; only white space may stand between them and after them.  An answer that was cut off may
 * lack the last closing tag. */
static bool tagged_calls(json_t *calls, const char *p, size_t n)
{
    trim(&p, &n);
    while (n > 0) {
        if (n < sizeof(begin_tag) - 1 || memcmp(p, begin_tag, sizeof(begin_tag) - 1) != 0)
            return false;
        p += sizeof(begin_tag) - 1;
        n -= sizeof(begin_tag) - 1;
        const char *end = memmem(p, n, end_tag, sizeof(end_tag) - 1);
        const size_t inside = end != NULL ? (size_t)(end - p) : n,
                     past = end != NULL ? inside + sizeof(end_tag) - 1 : n;
        if (!add_calls(calls, p, inside))
            return false;
        p += past;
        n -= past;
        trim(&p, &n);
    }
    return json_array_size(calls) > 0;
}

tempo_status tempo_chat_tool_calls(const char *text, size_t n, char **calls, size_t *n_content,
                                   tempo_err *err)
{
    const char *tag = memmem(text, n, begin_tag, sizeof(begin_tag) - 1);
    const size_t front = tag != NULL ? (size_t)(tag - text) : 0;
    json_t *found = json_array();
    tempo_status st = TEMPO_OK;

    *calls = NULL;
    *n_content = n;
    if (found == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for tool calls");
    if (n <= TEMPO_CHAT_MAX_OUTPUT &&
        (tag != NULL ? tagged_calls(found, tag, n - front) : plain_calls(found, text, n))) {
        if ((*calls = tempo_json_print(found)) == NULL)
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for tool calls");
        else
            *n_content = front;
    }
    json_decref(found);
    return st;
}
