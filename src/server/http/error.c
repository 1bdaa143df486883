/* error.c - statuses in words, and error bodies. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/inside.h"

typedef struct status_words {
    unsigned status;
    const char *type, *reason;
} status_words;

static const status_words words[] = {
    {200, "", "OK"},
    {206, "", "Partial Content"},
    {304, "", "Not Modified"},
    {308, "", "Permanent Redirect"},
    {400, "invalid_request_error", "Bad Request"},
    {401, "authentication_error", "Unauthorized"},
    {403, "forbidden", "Forbidden"},
    {404, "not_found", "Not Found"},
    {405, "method_not_allowed", "Method Not Allowed"},
    {408, "timeout", "Request Timeout"},
    {413, "too_large", "Content Too Large"},
    {414, "too_large", "URI Too Long"},
    {415, "invalid_request_error", "Unsupported Media Type"},
    {416, "range", "Range Not Satisfiable"},
    {431, "too_large", "Request Header Fields Too Large"},
    {501, "server_error", "Not Implemented"},
    {503, "overloaded", "Service Unavailable"},
    {505, "invalid_request_error", "HTTP Version Not Supported"},
};

static const status_words *find_words(unsigned status)
{
    static const status_words other = {500, "server_error", "Internal Server Error"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (words[i].status == status)
            return &words[i];
    return &other;
}

const char *tempo_http_reason(unsigned status)
{
    return find_words(status)->reason;
}

/* What a client sent may be quoted: bytes that are not UTF-8 must not cost the answer. */
static json_t *any_text(const char *s)
{
    const size_t n = strlen(s);
    char *copy;
    json_t *text;

    if (tempo_utf8_valid(s, n) == n)
        return json_stringn(s, n);
    if ((copy = strdup(s)) == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)copy[i] >= 0x80)
            copy[i] = '?';
    text = json_stringn(copy, n);
    free(copy);
    return text;
}

char *tempo_http_error_json(unsigned status, const char *param, const char *code, const char *message)
{
    json_t *e = json_object(), *document = json_object();
    char *text = NULL;

    if (json_object_set_new(e, "message", any_text(message)) == 0 &&
        json_object_set_new(e, "type", json_string(find_words(status)->type)) == 0 &&
        json_object_set_new(e, "param", param == NULL ? json_null() : any_text(param)) == 0 &&
        json_object_set_new(e, "code", code == NULL ? json_null() : any_text(code)) == 0 &&
        json_object_set(document, "error", e) == 0)
        text = json_dumps(document, JSON_COMPACT);
    json_decref(e);
    json_decref(document);
    return text;
}
