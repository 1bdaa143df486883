/* api_server.h - what the tests of the API share: a server in this process on the built-in model, and JSON over its sockets. */
#ifndef TEMPO_TESTS_SERVER_API_SERVER_H
#define TEMPO_TESTS_SERVER_API_SERVER_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "server/api/api.h"
#include "support/http_client.h"
#include "support/models.h"

typedef struct api_server {
    tempo_model *model;
    tempo_engine *engine, *alone; /* the worker's, and one to compare with */
    tempo_worker *worker;
    tempo_api *api;
    tempo_route *routes;
    tempo_http *http;
    uint16_t port;
} api_server;

/* model NULL: the built-in one.  It is the server's from here on.  w NULL: the defaults. */
static inline void api_open(api_server *s, tempo_model *model, const tempo_worker_options *w, const char *chat_template)
{
    char path[4096];
    tempo_api_options o;
    tempo_http_options h;
    tempo_worker_options defaults;
    tempo_err err = {0};

    tempo_worker_options_init(&defaults);
    *s = (api_server){.model = model};
    if (model == NULL) {
        assert_int_equal(tempo_model_find(NULL, path, sizeof(path), &err), TEMPO_OK);
        s->model = test_open_model(path);
    }
    s->engine = test_engine(s->model, 1);
    s->alone = test_engine(s->model, 1);
    if (tempo_worker_start(&s->worker, s->engine, w != NULL ? w : &defaults, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_api_options_init(&o);
    o.model = s->model;
    o.worker = s->worker;
    o.max_steps = 200;
    o.chat_template = chat_template;
    if (tempo_api_create(&s->api, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_http_options_init(&h);
    h.port = 0;
    h.routes = s->routes = tempo_api_routes(&h.n_routes);
    assert_non_null(s->routes);
    h.user = s->api;
    if (tempo_http_start(&s->http, &h, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_api_set_http(s->api, s->http);
    s->port = tempo_http_port(s->http);
}

static inline void api_close(api_server *s)
{
    tempo_http_stop(s->http, 5);
    tempo_worker_stop(s->worker);
    tempo_api_set_http(s->api, NULL);
    tempo_http_free(s->http);
    tempo_api_free(s->api);
    free(s->routes);
    tempo_worker_free(s->worker);
    tempo_engine_free(s->engine);
    tempo_engine_free(s->alone);
    tempo_model_free(s->model);
}

/* METHOD TARGET with a body (or NULL): the body of the answer, which must have that status, for free(). */
static inline char *api_text(const api_server *s, const char *method, const char *target, const char *body, unsigned status)
{
    http_answer a = http_request(s->port, method, target, body != NULL ? "Content-Type: application/json\r\n" : "", body);
    char coding[64], *text;

    if (http_header(&a, "Transfer-Encoding", coding, sizeof(coding)) != NULL)
        assert_true(http_unchunk(&a));
    if (a.status != status)
        fail_msg("%s %s %.300s: %u, expected %u: %.600s", method, target, body != NULL ? body : "", a.status, status, a.body);
    text = strdup(a.body);
    http_answer_free(&a);
    return text;
}

static inline json_t *api_parse(const char *text)
{
    json_error_t e;
    json_t *v = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);

    if (v == NULL)
        fail_msg("%s at %d of %.400s", e.text, e.position, text);
    return v;
}

static inline json_t *api_json(const api_server *s, const char *method, const char *target, const char *body, unsigned status)
{
    char *text = api_text(s, method, target, body, status);
    json_t *v = api_parse(text);

    free(text);
    return v;
}

/* A POST that must be refused: the error's param (or NULL) and a part of its message. */
static inline void api_refused(const api_server *s, const char *target, const char *body, unsigned status, const char *param,
                               const char *part)
{
    json_t *v = api_json(s, "POST", target, body, status), *e = json_object_get(v, "error");
    const char *message = json_string_value(json_object_get(e, "message")),
               *got = json_string_value(json_object_get(e, "param"));

    assert_non_null(message);
    if (strstr(message, part) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", body, message, part);
    if ((param == NULL) != (got == NULL) || (param != NULL && strcmp(param, got) != 0))
        fail_msg("%s: param is %s, expected %s", body, got != NULL ? got : "null", param != NULL ? param : "null");
    json_decref(v);
}

/* Server-sent events of a body as an array of [name or null, data]; "[DONE]" stays a string. */
static inline json_t *api_events(const char *text)
{
    json_t *events = json_array();
    json_t *name = NULL;

    while (*text != '\0') {
        const size_t n = strcspn(text, "\n");
        if (strncmp(text, "event: ", 7) == 0) {
            name = json_stringn(text + 7, n - 7);
        } else if (strncmp(text, "data: ", 6) == 0) {
            char *data = strndup(text + 6, n - 6);
            json_t *value = strcmp(data, "[DONE]") == 0 ? json_string(data) : api_parse(data);
            json_array_append_new(events, json_pack("[o, o]", name != NULL ? name : json_null(), value));
            name = NULL;
            free(data);
        } else if (n != 0) {
            fail_msg("not a line of an event: %.*s", (int)n, text);
        }
        text += n;
        text += *text == '\n';
    }
    return events;
}

static inline json_t *api_stream(const api_server *s, const char *target, const char *body)
{
    char *text = api_text(s, "POST", target, body, 200);
    json_t *events = api_events(text);

    free(text);
    return events;
}

static inline const char *event_name(const json_t *events, size_t i)
{
    return json_string_value(json_array_get(json_array_get(events, i), 0));
}

static inline json_t *event_data(const json_t *events, size_t i)
{
    return json_array_get(json_array_get(events, i), 1);
}

static inline const char *text_at(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* Of OpenAI's answers: the first choice; a number of the usage. */
static inline json_t *choice_of(const json_t *answer)
{
    return json_array_get(json_object_get(answer, "choices"), 0);
}

static inline json_int_t usage_of(const json_t *answer, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(answer, "usage"), key));
}

#endif
