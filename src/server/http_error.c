/* http_error.c - error bodies, and answers past the library where it offers no way to give one. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/http_inside.h"

const tempo_http_pair tempo_http_security_headers[] = {
    {"Content-Security-Policy",
     "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; object-src 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Frame-Options", "DENY"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};
const size_t tempo_http_n_security_headers =
    sizeof(tempo_http_security_headers) / sizeof(*tempo_http_security_headers);

typedef struct status_words {
    unsigned status;
    const char *type, *reason;
} status_words;

static const status_words words[] = {
    {400, "invalid_request_error", "Bad Request"},
    {401, "authentication_error", "Unauthorized"},
    {403, "forbidden", "Forbidden"},
    {404, "not_found", "Not Found"},
    {405, "method_not_allowed", "Method Not Allowed"},
    {408, "timeout", "Request Timeout"},
    {413, "too_large", "Content Too Large"},
    {415, "invalid_request_error", "Unsupported Media Type"},
    {416, "range", "Range Not Satisfiable"},
    {431, "too_large", "Request Header Fields Too Large"},
    {501, "server_error", "Not Implemented"},
    {503, "overloaded", "Service Unavailable"},
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

void tempo_http_answer_raw(tempo_http_conn *c, unsigned status, const char *message)
{
    char head[1024];
    char *body = tempo_http_error_json(status, NULL, NULL, message);
    size_t n;

    if (body == NULL)
        return;
    n = (size_t)snprintf(head, sizeof(head),
                         "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
                         "Cache-Control: no-store\r\nContent-Length: %zu\r\n",
                         status, tempo_http_reason(status), strlen(body));
    for (size_t i = 0; i < tempo_http_n_security_headers; i++)
        n += (size_t)snprintf(head + n, sizeof(head) - n, "%s: %s\r\n", tempo_http_security_headers[i].name,
                              tempo_http_security_headers[i].value);
    n += (size_t)snprintf(head + n, sizeof(head) - n, "\r\n");
    /* A client that does not even leave room for these few bytes goes without them. */
    if (send(c->fd, head, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n)
        (void)!send(c->fd, body, strlen(body), MSG_DONTWAIT | MSG_NOSIGNAL);
    free(body);
}

void tempo_http_count(tempo_http *h, unsigned status)
{
    if (status / 100 < sizeof(h->counts.by_class) / sizeof(*h->counts.by_class))
        h->counts.by_class[status / 100]++;
}
