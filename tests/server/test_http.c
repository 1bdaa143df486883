/* test_http.c - requests and answers as they should be: routes, segments, queries, bodies, ranges, streams,
 * keys, stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "server/http/http.h"
#include "support/http_client.h"

static void health(void *user, tempo_exchange *x)
{
    (void)user;
    tempo_exchange_reply_static(x, 200, "application/json", "{\"status\":\"ok\"}", 15);
}

static void echo(void *user, tempo_exchange *x)
{
    size_t n;
    const char *body = tempo_exchange_body(x, &n);
    char *copy = malloc(n + 1);

    (void)user;
    memcpy(copy, body, n + 1);
    tempo_exchange_reply(x, 200, "text/plain", copy, n);
}

static void item(void *user, tempo_exchange *x)
{
    char *text = NULL;
    const char *q = tempo_exchange_query(x, "q"), *first = tempo_exchange_query_name(x, 0);

    (void)user;
    const int n =
        asprintf(&text, "%s|%s|%s|%s|%s", tempo_exchange_path(x), tempo_exchange_segment(x, "id"),
                 tempo_exchange_segment(x, "other"), q == NULL ? "-" : q, first == NULL ? "-" : first);
    tempo_exchange_reply(x, 200, "text/plain", text, (size_t)n);
}

static const char digits[] = "0123456789";

static void data(void *user, tempo_exchange *x)
{
    (void)user;
    tempo_exchange_set_header(x, "ETag", "\"ten\"");
    tempo_exchange_set_header(x, "Accept-Ranges", "bytes");
    tempo_exchange_reply_static(x, 200, "application/octet-stream", digits, 10);
}

static atomic_uint shared_taken, shared_released;

static void release_shared(void *user)
{
    assert_ptr_equal(user, &shared_taken);
    (void)atomic_fetch_add(&shared_released, 1);
}

/* Answers twice, of which the second is given up. */
static void shared(void *user, tempo_exchange *x)
{
    (void)user;
    tempo_exchange_set_header(x, "ETag", "\"ten\"");
    tempo_exchange_set_header(x, "Accept-Ranges", "bytes");
    for (int i = 0; i < 2; i++) {
        (void)atomic_fetch_add(&shared_taken, 1);
        tempo_exchange_reply_shared(x, 200, "text/plain", digits, 10, release_shared, &shared_taken);
    }
}

static void silent(void *user, tempo_exchange *x)
{
    (void)user, (void)x;
}

static ptrdiff_t count_next(void *user, char *buf, size_t cap, unsigned wait_ms)
{
    unsigned *n = user;

    (void)wait_ms;
    if (*n == 0)
        return -1;
    return snprintf(buf, cap, "%u,", (*n)--);
}

static void count_end(void *user, bool complete)
{
    (void)complete;
    free(user);
}

static void count_down(void *user, tempo_exchange *x)
{
    unsigned *n = malloc(sizeof(*n));

    (void)user;
    *n = 3;
    tempo_exchange_stream(x, 200, "text/event-stream", &(tempo_stream){n, count_next, count_end});
}

static const tempo_route routes[] = {
    {"GET", "/health", health, true, NULL},     {"POST", "/echo", echo, false, NULL},
    {"GET", "/items/{id}", item, false, NULL},  {"GET", "/items/special", item, false, NULL},
    {"GET", "/data", data, false, NULL},        {"GET", "/a/{id}/b/{other}", item, false, NULL},
    {"GET", "/silent", silent, false, NULL},    {"GET", "/stream", count_down, false, NULL},
    {"POST", "/items/{id}", echo, false, NULL}, {"GET", "/", health, true, NULL},
    {"GET", "/shared", shared, false, NULL},    {"GET", "/asks", item, false, "of,q"},
    {"GET", "/asks-nothing", item, false, ""},
};

static tempo_http *start(const char *key)
{
    tempo_http_options o;
    tempo_http *h;
    tempo_err err = {0};

    tempo_http_options_init(&o);
    o.port = 0;
    o.key = key;
    o.routes = routes;
    o.n_routes = sizeof(routes) / sizeof(*routes);
    if (tempo_http_start(&h, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return h;
}

static int begin(void **state)
{
    *state = start(NULL);
    return 0;
}

static int finish(void **state)
{
    tempo_http_stop(*state, 5);
    tempo_http_free(*state);
    return 0;
}

static void expect(const tempo_http *h, const char *method, const char *target, const char *headers,
                   const char *body, unsigned status, const char *text)
{
    http_answer a = http_request(tempo_http_port(h), method, target, headers, body);

    if (a.status != status)
        fail_msg("%s %s: status %u, expected %u\n%s", method, target, a.status, status, a.text);
    if (text != NULL && strcmp(a.body, text) != 0)
        fail_msg("%s %s: '%s', expected '%s'", method, target, a.body, text);
    http_answer_free(&a);
}

static const char *const json = "Content-Type: application/json\r\n";

static void test_routes(void **state)
{
    const tempo_http *h = *state;

    expect(h, "GET", "/health", "", NULL, 200, "{\"status\":\"ok\"}");
    expect(h, "GET", "/", "", NULL, 200, NULL);
    expect(h, "GET", "/he%61lth", "", NULL, 200, NULL);
    expect(h, "GET", "/items/7", "", NULL, 200, "/items/{id}|7||-|-");
    expect(h, "GET", "/items/special", "", NULL, 200, "/items/special|||-|-");
    expect(h, "GET", "/a/1%20x/b/%C3%A9", "", NULL, 200, "/a/{id}/b/{other}|1 x|\xc3\xa9|-|-");
    expect(h, "GET", "/items/7?q=a+b%26&z", "", NULL, 200, "/items/{id}|7||a b&|q");
    expect(h, "GET", "/items/7?", "", NULL, 200, "/items/{id}|7||-|-");
    expect(h, "GET", "/items/7?q", "", NULL, 200, "/items/{id}|7|||q");
    expect(h, "GET", "/asks?q=1&of=2", "", NULL, 200, "/asks|||1|q");
    expect(h, "GET", "/asks?o=1", "", NULL, 400,
           "{\"error\":{\"message\":\"o: there is no such parameter\",\"type\":\"invalid_request_error\","
           "\"param\":\"o\",\"code\":null}}");
    expect(h, "GET", "/asks?q=1&of,q=2", "", NULL, 400, NULL);
    expect(h, "GET", "/asks-nothing", "", NULL, 200, NULL);
    expect(h, "GET", "/asks-nothing?q", "", NULL, 400, NULL);
    expect(h, "POST", "/echo", json, "{}", 200, "{}");
    expect(h, "POST", "/echo", "Content-Type: Application/JSON; charset=utf-8\r\n", "", 200, "");
    expect(h, "GET", "/nothing", "", NULL, 404, NULL);
    expect(h, "GET", "/items", "", NULL, 404, NULL);
    expect(h, "GET", "/items/7/8", "", NULL, 404, NULL);
    expect(h, "POST", "/health", json, "{}", 405, NULL);
    expect(h, "OPTIONS", "/health", "", NULL, 405, NULL);
    expect(h, "GET", "/echo", "", NULL, 405, NULL);
    expect(h, "GET", "/silent", "", NULL, 500, NULL);
}

static void test_headers_of_answers(void **state)
{
    static const char *const targets[] = {"/health", "/nothing", "/stream", "/data"};
    const tempo_http *h = *state;
    char v[256];

    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        http_answer a = http_request(tempo_http_port(h), "GET", targets[i], "", NULL);
        assert_non_null(http_header(&a, "Content-Security-Policy", v, sizeof(v)));
        assert_int_equal(strncmp(v, "default-src 'self'", 18), 0);
        assert_string_equal(http_header(&a, "X-Content-Type-Options", v, sizeof(v)), "nosniff");
        assert_string_equal(http_header(&a, "Referrer-Policy", v, sizeof(v)), "no-referrer");
        assert_string_equal(http_header(&a, "X-Frame-Options", v, sizeof(v)), "DENY");
        assert_null(http_header(&a, "Access-Control-Allow-Origin", v, sizeof(v)));
        http_answer_free(&a);
    }
    http_answer a = http_request(tempo_http_port(h), "DELETE", "/items/7", "", NULL);
    assert_int_equal(a.status, 405);
    assert_string_equal(http_header(&a, "Allow", v, sizeof(v)), "GET, HEAD, POST");
    assert_string_equal(http_header(&a, "Content-Type", v, sizeof(v)), "application/json");
    assert_non_null(strstr(a.body, "\"type\":\"method_not_allowed\""));
    http_answer_free(&a);
}

static void test_head(void **state)
{
    const tempo_http *h = *state;
    char v[64];
    http_answer a = http_request(tempo_http_port(h), "HEAD", "/data", "Range: bytes=1-2\r\n", NULL);

    assert_int_equal(a.status, 200);
    assert_string_equal(http_header(&a, "Content-Length", v, sizeof(v)), "10");
    assert_int_equal(a.n_body, 0);
    http_answer_free(&a);
    expect(h, "HEAD", "/stream", "", NULL, 200, "");
    expect(h, "HEAD", "/nothing", "", NULL, 404, "");
    expect(h, "HEAD", "/echo", "", NULL, 405, "");
}

static void test_ranges(void **state)
{
    static const struct {
        const char *headers;
        unsigned status;
        const char *body, *range;
    } rows[] = {
        {"", 200, "0123456789", NULL},
        {"Range: bytes=0-0\r\n", 206, "0", "bytes 0-0/10"},
        {"Range: bytes=2-4\r\n", 206, "234", "bytes 2-4/10"},
        {"Range: bytes=7-\r\n", 206, "789", "bytes 7-9/10"},
        {"Range: bytes=7-99999999999999999999999999\r\n", 206, "789", "bytes 7-9/10"},
        {"Range: bytes=-3\r\n", 206, "789", "bytes 7-9/10"},
        {"Range: bytes=-30\r\n", 206, "0123456789", "bytes 0-9/10"},
        {"Range: bytes=10-\r\n", 416, NULL, "bytes */10"},
        {"Range: bytes=99999999999999999999999999-\r\n", 416, NULL, "bytes */10"},
        {"Range: bytes=-0\r\n", 416, NULL, "bytes */10"},
        {"Range: bytes=4-2\r\n", 200, "0123456789", NULL},
        {"Range: bytes=-\r\n", 200, "0123456789", NULL},
        {"Range: bytes=1-2,4-5\r\n", 200, "0123456789", NULL},
        {"Range: lines=1-2\r\n", 200, "0123456789", NULL},
        {"Range: bytes=1-2\r\nIf-Range: \"ten\"\r\n", 206, "12", "bytes 1-2/10"},
        {"Range: bytes=1-2\r\nIf-Range: \"old\"\r\n", 200, "0123456789", NULL},
        {"If-None-Match: \"ten\"\r\n", 304, "", NULL},
        {"If-None-Match: \"a\", W/\"ten\"\r\n", 304, "", NULL},
        {"If-None-Match: *\r\n", 304, "", NULL},
        {"If-None-Match: \"tens\"\r\n", 200, "0123456789", NULL},
        {"If-None-Match: ten\r\n", 200, "0123456789", NULL},
        {"If-None-Match: \"ten\"\r\nRange: bytes=1-2\r\n", 304, "", NULL},
    };
    const tempo_http *h = *state;
    char v[64];

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        http_answer a = http_request(tempo_http_port(h), "GET", "/data", rows[i].headers, NULL);
        const char *range = http_header(&a, "Content-Range", v, sizeof(v));
        if (a.status != rows[i].status || (rows[i].body != NULL && strcmp(a.body, rows[i].body) != 0))
            fail_msg("%s: %s", rows[i].headers, a.text);
        if ((range == NULL) != (rows[i].range == NULL) ||
            (range != NULL && strcmp(range, rows[i].range) != 0))
            fail_msg("%s: Content-Range %s", rows[i].headers, range == NULL ? "missing" : range);
        http_answer_free(&a);
    }
}

static void test_stream(void **state)
{
    const tempo_http *h = *state;
    http_answer a = http_request(tempo_http_port(h), "GET", "/stream", "", NULL);

    assert_int_equal(a.status, 200);
    assert_true(http_unchunk(&a));
    assert_string_equal(a.body, "3,2,1,");
    http_answer_free(&a);
}

static void test_keep_alive(void **state)
{
    const tempo_http *h = *state;
    const int fd = http_connect(tempo_http_port(h));
    char text[1024];
    const int n = snprintf(text, sizeof(text),
                           "GET /items/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
                           "POST /echo HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 5\r\n\r\nhello"
                           "POST /echo HTTP/1.1\r\nHost: localhost\r\n%sTransfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
                           "GET /items/2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                           json, json);

    assert_true(http_send(fd, text, (size_t)n));
    http_answer a = http_receive(fd);
    const char *one = strstr(a.text, "{id}|1|"), *two = one == NULL ? NULL : strstr(one, "\r\n\r\nhello"),
               *three = two == NULL ? NULL : strstr(two, "\r\n\r\nabcdefg");
    assert_non_null(three);
    assert_non_null(strstr(three, "{id}|2|"));
    http_answer_free(&a);
    (void)close(fd);
}

static void test_key(void **state)
{
    tempo_http *h = start("correct horse");

    (void)state;
    expect(h, "GET", "/health", "", NULL, 200, NULL);
    expect(h, "GET", "/data", "", NULL, 401, NULL);
    expect(h, "GET", "/data", "Authorization: Bearer correct horse\r\n", NULL, 200, NULL);
    expect(h, "GET", "/data", "Authorization: bearer  correct horse\r\n", NULL, 200, NULL);
    expect(h, "GET", "/data", "Authorization: Bearer correct hors\r\n", NULL, 401, NULL);
    expect(h, "GET", "/data", "Authorization: Bearer correct horses\r\n", NULL, 401, NULL);
    expect(h, "GET", "/data", "Authorization: Bearer \r\n", NULL, 401, NULL);
    expect(h, "GET", "/data", "Authorization: Basic correct horse\r\n", NULL, 401, NULL);
    expect(h, "GET", "/nothing", "", NULL, 404, NULL);
    http_answer a = http_request(tempo_http_port(h), "POST", "/echo", json, "{}");
    char v[32];
    assert_int_equal(a.status, 401);
    assert_string_equal(http_header(&a, "WWW-Authenticate", v, sizeof(v)), "Bearer");
    http_answer_free(&a);
    tempo_http_free(h);
}

/* What is shared is let go once for every answer, whatever became of it. */
static void test_shared(void **state)
{
    tempo_http *h = start(NULL);

    (void)state;
    expect(h, "GET", "/shared", "", NULL, 200, digits);
    expect(h, "HEAD", "/shared", "", NULL, 200, "");
    expect(h, "GET", "/shared", "Range: bytes=2-4\r\n", NULL, 206, "234");
    expect(h, "GET", "/shared", "Range: bytes=20-\r\n", NULL, 416, NULL);
    expect(h, "GET", "/shared", "If-None-Match: \"ten\"\r\n", NULL, 304, "");
    tempo_http_free(h);
    assert_int_equal(atomic_load(&shared_taken), 10);
    assert_int_equal(atomic_load(&shared_released), 10);
}

static void test_counts(void **state)
{
    const tempo_http *h = *state;
    const tempo_http_counts before = tempo_http_get_counts(h);

    expect(h, "GET", "/health", "", NULL, 200, NULL);
    expect(h, "GET", "/nothing", "", NULL, 404, NULL);
    const tempo_http_counts after = tempo_http_get_counts(h);
    assert_int_equal(after.requests - before.requests, 2);
    assert_int_equal(after.by_class[2] - before.by_class[2], 1);
    assert_int_equal(after.by_class[4] - before.by_class[4], 1);
    assert_int_equal(after.connections - before.connections, 2);
}

static void test_port_in_use(void **state)
{
    const tempo_http *h = *state;
    tempo_http_options o;
    tempo_http *second;
    tempo_err err = {0};
    char expected[64];

    tempo_http_options_init(&o);
    o.port = tempo_http_port(h);
    assert_int_equal(tempo_http_start(&second, &o, &err), TEMPO_E_IO);
    assert_null(second);
    (void)snprintf(expected, sizeof(expected), "cannot listen on 127.0.0.1 port %u: ", o.port);
    assert_int_equal(strncmp(err.msg, expected, strlen(expected)), 0);
    err = (tempo_err){0};
    o.host = "no.such.name.invalid";
    assert_int_equal(tempo_http_start(&second, &o, &err), TEMPO_E_IO);
    assert_non_null(strstr(err.msg, "no.such.name.invalid"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes), cmocka_unit_test(test_headers_of_answers),
        cmocka_unit_test(test_head),   cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_stream), cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_key),    cmocka_unit_test(test_counts),
        cmocka_unit_test(test_shared), cmocka_unit_test(test_port_in_use),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
