/* Memory of answers: one copy of a document however many read it, a bound for all together, nothing kept of
 * what does not fit. */
#include "api_server.h"

#include <time.h>
#include <unistd.h>

#include "server/api/decode/document.h"
#include "server/api/request.h"

#define GENERATE "/v1/tempo/generate"
#define PROMPT "\"prompt\": \"Once upon a time\""
#define RECORD "{" PROMPT ", \"steps\": 3, \"record\": [\"attention\"], \"stream\": "

static api_server server;

static int begin(void **state)
{
    (void)state;
    api_open(&server, NULL, NULL, NULL);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    api_close(&server);
    return 0;
}

/* An answer's memory goes when the library is done with the connection, which may be after its last byte. */
static void wait_held(size_t n)
{
    for (int i = 0; tempo_api_held(server.api) != n; i++) {
        const struct timespec nap = {.tv_nsec = 10000000};
        nanosleep(&nap, NULL);
        if (i == 1000)
            fail_msg("%zu bytes are held, expected %zu", tempo_api_held(server.api), n);
    }
}

static void test_bound(void **state)
{
    (void)state;
    const size_t before = tempo_api_held(server.api), room = server.api->o.max_held - before;

    assert_false(tempo_api_hold(server.api, room + 1));
    assert_false(tempo_api_hold(server.api, SIZE_MAX));
    assert_int_equal(tempo_api_held(server.api), before);
    assert_true(tempo_api_hold(server.api, room));
    assert_false(tempo_api_hold(server.api, 1));
    tempo_api_let_go(server.api, room);
    assert_int_equal(tempo_api_held(server.api), before);
}

/* However many are in the middle of reading it. */
static void test_document_is_shared(void **state)
{
    (void)state;
    const size_t before = tempo_api_held(server.api);
    json_t *d = api_json(&server, "POST", GENERATE,
                         "{" PROMPT
                         ", \"steps\": 200, \"threshold\": 0.05, \"stop\": \"never\", \"attention\": true, "
                         "\"top_keys\": 32, \"record\": [\"attention\"], \"stream\": false}",
                         200);
    char request[200];
    int fds[8];

    (void)snprintf(request, sizeof(request),
                   "GET /v1/tempo/generations/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                   text_at(json_object_get(d, "start"), "id"));
    json_decref(d);
    http_answer whole = http_ask(server.port, request, strlen(request));
    assert_int_equal(whole.status, 200);
    wait_held(before + whole.n_body); /* what is kept, and no more */
    for (size_t i = 0; i < 8; i++) {
        char some[64];
        fds[i] = http_connect(server.port);
        assert_true(http_send(fds[i], request, strlen(request)));
        assert_true(http_receive_some(fds[i], some, sizeof(some)) > 0);
    }
    assert_int_equal(tempo_api_held(server.api), before + whole.n_body);
    for (size_t i = 0; i < 8; i++)
        close(fds[i]);
    http_answer_free(&whole);
}

static void test_full(void **state)
{
    (void)state;
    json_t *d = api_json(&server, "POST", GENERATE, RECORD "false}", 200);
    char slice[160], one[160], value[16];
    const char *id = text_at(json_object_get(d, "start"), "id");

    (void)snprintf(one, sizeof(one), "/v1/tempo/generations/%s", id);
    (void)snprintf(slice, sizeof(slice), "/v1/tempo/generations/%s/attention?step=1", id);
    json_decref(d);
    const size_t most = server.api->o.max_held, room = most - tempo_api_held(server.api);
    free(api_text(&server, "GET", slice, NULL, 200));
    wait_held(most - room);
    assert_true(tempo_api_hold(server.api, room));
    http_answer a =
        http_request(server.port, "POST", GENERATE, "Content-Type: application/json\r\n", RECORD "false}");
    assert_int_equal(a.status, 503);
    assert_non_null(http_header(&a, "Retry-After", value, sizeof(value)));
    assert_non_null(strstr(a.body, "\"overloaded\""));
    http_answer_free(&a);
    free(api_text(&server, "GET", slice, NULL, 503));
    free(api_text(&server, "GET", one, NULL, 200)); /* what is kept costs nothing more */
    json_t *events = api_stream(&server, GENERATE, RECORD "true}");
    assert_string_equal(event_name(events, json_array_size(events) - 1), "done");
    (void)snprintf(one, sizeof(one), "/v1/tempo/generations/%s", text_at(event_data(events, 0), "id"));
    free(api_text(&server, "GET", one, NULL, 404));
    json_decref(events);
    wait_held(most);
    tempo_api_let_go(server.api, room);
    free(api_text(&server, "GET", slice, NULL, 200));
    wait_held(most - room);
    free(api_text(&server, "POST", GENERATE, "{" PROMPT ", \"steps\": 2, \"stream\": false}", 200));
    wait_held(most - room);
}

/* ---- documents ---- */

/* One of at most max_bytes, with n sets. */
static tempo_document *make_document(size_t max_bytes, size_t n)
{
    const tempo_member member = {30, 0.5, -1, 0};
    const char *name;
    size_t length;
    tempo_api_problem p = {0};
    tempo_api_request r;
    json_t *body = api_parse("{" PROMPT ", \"steps\": 3}");

    tempo_api_request_init(&r);
    assert_true(tempo_api_read_generate(server.api, body, &r, &p));
    tempo_document *d = tempo_document_create(server.api, &r, max_bytes);
    tempo_api_request_free(&r);
    json_decref(body);
    assert_non_null(d);
    assert_non_null(tempo_document_start(d, &length));
    for (size_t i = 0; i < n; i++) {
        const tempo_event e = {
            .kind = TEMPO_EVENT_SET, .step = i, .set = {.step = i, .n_members = 1, .members = &member}};
        assert_non_null(tempo_document_add(d, &e, &name, &length)); /* the lines of a stream go on */
    }
    return d;
}

static void test_documents(void **state)
{
    (void)state;
    const size_t before = tempo_api_held(server.api);
    tempo_document *d = make_document(1 << 20, 100);
    const size_t sections = tempo_api_held(server.api) - before;

    assert_true(sections > 10000);
    tempo_api_shared *one = tempo_document_text(d), *two = tempo_document_text(d);
    assert_ptr_equal(one, two);
    assert_int_equal(tempo_api_held(server.api),
                     before + tempo_api_shared_bytes(one)); /* the sections are gone */
    tempo_document_free(d);
    tempo_api_shared_free(one);
    assert_int_equal(tempo_api_held(server.api), before + tempo_api_shared_bytes(two));
    tempo_api_shared_free(two);
    assert_int_equal(tempo_api_held(server.api), before);

    d = make_document(20000, 400); /* nothing is left of one that is too large, while its stream goes on */
    assert_int_equal(tempo_document_get_room(d), TEMPO_DOCUMENT_LARGE);
    assert_int_equal(tempo_api_held(server.api), before);
    assert_null(tempo_document_text(d));
    tempo_document_free(d);

    const size_t room = server.api->o.max_held - before - 20000;
    assert_true(tempo_api_hold(server.api, room));
    d = make_document(1 << 20, 400);
    assert_int_equal(tempo_document_get_room(d), TEMPO_DOCUMENT_FULL);
    assert_int_equal(tempo_api_held(server.api), before + room);
    assert_null(tempo_document_text(d));
    tempo_document_free(d);
    tempo_api_let_go(server.api, room);

    d = make_document(0, 10); /* a stream's, which nobody wants */
    assert_int_equal(tempo_document_get_room(d), TEMPO_DOCUMENT_FITS);
    assert_int_equal(tempo_api_held(server.api), before);
    assert_null(tempo_document_text(d));
    tempo_document_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_document_is_shared),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_documents),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
