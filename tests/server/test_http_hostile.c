/* test_http_hostile.c - what clients should not send: after each of these the server still answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/http/http.h"
#include "support/http_client.h"

enum { MAX_BODY = 4096 };

static void health(void *user, tempo_exchange *x)
{
    (void)user;
    tempo_exchange_reply_static(x, 200, "application/json", "ok", 2);
}

static void show(void *user, tempo_exchange *x)
{
    char text[512];
    size_t n;

    (void)user;
    (void)tempo_exchange_body(x, &n);
    const int length = snprintf(text, sizeof(text), "%s|%s|%s|%zu", tempo_exchange_path(x),
                                tempo_exchange_segment(x, "id"), tempo_exchange_segment(x, "other"), n);
    char *copy = strdup(text);
    tempo_exchange_reply(x, 200, "text/plain", copy, (size_t)length);
}

static const tempo_route routes[] = {
    {"GET", "/", health, true, NULL},
    {"GET", "/health", health, true, NULL},
    {"GET", "/files/{id}", show, false, NULL},
    {"GET", "/files/{id}/show", show, false, NULL},
    {"GET", "/a/{id}/compare/{other}", show, false, NULL},
    {"POST", "/post", show, false, NULL},
};

static int begin(void **state)
{
    tempo_http_options o;
    tempo_http *h;
    tempo_err err = {0};

    tempo_http_options_init(&o);
    o.port = 0;
    o.max_body = MAX_BODY;
    o.routes = routes;
    o.n_routes = sizeof(routes) / sizeof(*routes);
    if (tempo_http_start(&h, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    *state = h;
    return 0;
}

static int finish(void **state)
{
    tempo_http_free(*state);
    return 0;
}

static void still_there(const tempo_http *h)
{
    http_answer a = http_request(tempo_http_port(h), "GET", "/health", "", NULL);

    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "ok");
    http_answer_free(&a);
}

/* Whatever was asked, an error is ours: JSON, with the headers of all answers, and nothing behind it. */
static void is_ours(const http_answer *a)
{
    char v[256];

    if (a->status / 100 < 4)
        return;
    if (http_header(a, "Content-Security-Policy", v, sizeof(v)) == NULL ||
        http_header(a, "X-Content-Type-Options", v, sizeof(v)) == NULL ||
        http_header(a, "Content-Type", v, sizeof(v)) == NULL || strcmp(v, "application/json") != 0 ||
        http_header(a, "Content-Length", v, sizeof(v)) == NULL || strtoul(v, NULL, 10) != a->n_body ||
        strncmp(a->body, "{\"error\":{\"message\":\"", 21) != 0)
        fail_msg("an error that is not ours: %s", a->text);
}

/* Bytes, then the end of ours; the statuses of the first answer that are right, 0 for none. */
static void expect_raw(const tempo_http *h, const char *bytes, size_t n, unsigned status, unsigned or_status)
{
    const int fd = http_connect(tempo_http_port(h));

    (void)http_send(fd, bytes, n);
    (void)shutdown(fd, SHUT_WR);
    http_answer a = http_receive(fd);
    if (a.status != status && a.status != or_status)
        fail_msg("%.200s\nstatus %u, expected %u or %u: %s", bytes, a.status, status, or_status, a.text);
    is_ours(&a);
    http_answer_free(&a);
    (void)close(fd);
    still_there(h);
}

/* %PORT% in text becomes the server's port. */
static void expect(const tempo_http *h, const char *text, unsigned status)
{
    char bytes[2048];
    const char *at = strstr(text, "%PORT%");
    const int n = at == NULL ? snprintf(bytes, sizeof(bytes), "%s", text)
                             : snprintf(bytes, sizeof(bytes), "%.*s%u%s", (int)(at - text), text,
                                        tempo_http_port(h), at + 6);

    expect_raw(h, bytes, (size_t)n, status, status);
}

static void test_traversal(void **state)
{
    static const char *const segments[] = {
        "..",
        ".",
        "%2e%2e",
        ".%2e",
        "%2E%2E",
        "%2f",
        "..%2f..%2fetc%2fpasswd",
        "%5c",
        "a%5cb",
        "a\\b",
        "%00",
        "a%00.json",
        "%252e%252e",
        "%252f",
        "%25%32%65",
        "%c0%ae%c0%ae",
        "%c0%af",
        "%ed%a0%80",
        "%f8%80%80%80%af",
        "%ff",
        "\xff\xfe",
        "%0a",
        "%0d%0aX:1",
        "%7f",
        "%c2%85",
        "%",
        "%2",
        "%zz",
        "%u002e",
        "",
        "../..",
        "x/../y",
    };
    const tempo_http *h = *state;
    char target[256];

    for (size_t r = 0; r < sizeof(routes) / sizeof(*routes); r++) {
        const char *hole = strchr(routes[r].path, '{');
        const bool inside = hole != NULL;
        const int n_before = (int)(inside ? hole - routes[r].path : (long)strlen(routes[r].path));
        const char *after = inside ? strchr(hole, '}') + 1 : "";
        for (size_t i = 0; i < sizeof(segments) / sizeof(*segments); i++) {
            (void)snprintf(target, sizeof(target), "%.*s%s%s%s", n_before, routes[r].path,
                           inside || n_before == 1 ? "" : "/", segments[i], after);
            if (strcmp(target, "/") == 0)
                continue;
            http_answer a = http_request(tempo_http_port(h), "GET", target, "", NULL);
            if (a.status != 400 && a.status != 404)
                fail_msg("%s: status %u\n%s", target, a.status, a.text);
            is_ours(&a);
            http_answer_free(&a);
        }
    }
    still_there(h);
}

static void test_targets(void **state)
{
    static const char *const targets[] = {
        "health",
        "*",
        "https://localhost/health",
        "http:/health",
        "http://localhost#x",
        "http://localhost//health",
        "//health",
        "/health/",
        "/health#x",
        "/health?a=%zz",
        "/health?a=%00",
        "/health?a=1&a=2",
        "/health?a=%c0%af",
        "/?%ff=1",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o",
    };
    const tempo_http *h = *state;

    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        http_answer a = http_request(tempo_http_port(h), "GET", targets[i], "", NULL);
        if (a.status != 400 && a.status != 404)
            fail_msg("%s: status %u\n%s", targets[i], a.status, a.text);
        is_ours(&a);
        http_answer_free(&a);
    }
    char many[512] = "/health?a=1";
    for (size_t i = 0; i < 40; i++)
        (void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "&b%zu", i);
    http_answer a = http_request(tempo_http_port(h), "GET", many, "", NULL);
    assert_int_equal(a.status, 400);
    http_answer_free(&a);
}

/* A target in absolute form: its authority is the Host that counts, whatever the header says. */
static void test_absolute_targets(void **state)
{
    static const struct {
        const char *text;
        unsigned status;
    } rows[] = {
        {"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
        {"GET HTTP://LOCALHOST:%PORT%/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
        {"GET http://[::1]:9000/health?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
        {"GET http://127.0.0.1/health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200}, /* ignored */
        {"GET http://127.0.0.1/health HTTP/1.0\r\n\r\n", 200},
        {"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
        {"GET http://localhost?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
        {"GET http://localhost?a=%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"GET http://localhost/health HTTP/1.1\r\n\r\n", 400}, /* no Host at all */
        {"GET http://localhost/health HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n", 400},
        {"GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 403},
        {"GET http://evil.example/health HTTP/1.0\r\n\r\n", 403},
        {"GET http://localhost@evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 403},
        {"GET http://user@localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 403},
        {"GET http:///health HTTP/1.1\r\nHost: localhost\r\n\r\n", 403},
        {"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n", 403},
        {"GET http://localhost:65536/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 403},
        /* Origin is held against it too */
        {"GET http://127.0.0.1:%PORT%/health HTTP/1.1\r\nHost: evil.example\r\nOrigin: "
         "http://evil.example\r\n\r\n",
         403},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        expect(*state, rows[i].text, rows[i].status);
}

static void test_hosts(void **state)
{
    static const struct {
        const char *lines;
        unsigned status;
    } rows[] = {
        {"Host: localhost\r\n", 200},
        {"Host: LOCALHOST:%PORT%\r\n", 200},
        {"Host: 127.0.0.1:%PORT%\r\n", 200},
        {"Host: [::1]:%PORT%\r\n", 200},
        {"Host: [::1]\r\n", 200},
        {"", 400},
        {"Host: localhost\r\nHost: evil.example\r\n", 400},
        {"Host: \r\n", 403},
        {"Host: evil.example\r\n", 403},
        {"Host: evil.example:%PORT%\r\n", 403},
        {"Host: localhost:1\r\n", 200}, /* a forwarded port */
        {"Host: 127.0.0.1:65535\r\n", 200},
        {"Host: [::1]:9000\r\n", 200},
        {"Host: localhost:65536\r\n", 403},
        {"Host: localhost:-1\r\n", 403},
        {"Host: localhost:9000/\r\n", 403},
        {"Host: :9000\r\n", 403},
        {"Host: localhost:\r\n", 403},
        {"Host: localhost:%PORT%00\r\n", 403},
        {"Host: localhost:%PORT%@evil.example\r\n", 403},
        {"Host: localhost.evil.example\r\n", 403},
        {"Host: localhos\r\n", 403},
        {"Host: 127.0.0.1.nip.io\r\n", 403},
        {"Host: 127.0.0.2\r\n", 403},
        {"Host: 0.0.0.0:%PORT%\r\n", 403},
        {"Host: [::1\r\n", 403},
        {"Host: [::1]x\r\n", 403},
        {"Host: [\r\n", 403},
        {"Host: ::1\r\n", 403},
    };
    char text[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        (void)snprintf(text, sizeof(text), "GET /health HTTP/1.1\r\n%s\r\n", rows[i].lines);
        expect(*state, text, rows[i].status);
    }
    expect(*state, "GET /health HTTP/1.0\r\n\r\n", 200);
    expect(*state, "GET /health HTTP/1.0\r\nHost: evil.example\r\n\r\n", 403);
}

static void test_other_sites(void **state)
{
    static const struct {
        const char *request, *lines;
        unsigned status;
    } rows[] = {
        {"POST /post", "Content-Type: application/json\r\nOrigin: http://localhost:%PORT%\r\n", 200},
        {"POST /post", "Content-Type: application/json\r\nOrigin: http://127.0.0.1:%PORT%\r\n", 200},
        {"POST /post", "Content-Type: application/json\r\nOrigin: http://evil.example\r\n", 403},
        {"POST /post", "Content-Type: application/json\r\nOrigin: https://localhost:%PORT%\r\n", 403},
        {"POST /post", "Content-Type: application/json\r\nOrigin: http://localhost\r\n", 200}, /* as Host */
        {"POST /post", "Content-Type: application/json\r\nOrigin: http://127.0.0.1\r\n", 403},
        {"POST /post", "Content-Type: application/json\r\nOrigin: http://localhost:9000\r\n", 403},
        {"POST /post", "Content-Type: application/json\r\nOrigin: http://localhost/\r\n", 403},
        {"POST /post", "Content-Type: application/json\r\nOrigin: http://localhost:%PORT%.evil.example\r\n",
         403},
        {"POST /post", "Content-Type: application/json\r\nOrigin: null\r\n", 403},
        {"POST /post", "Content-Type: application/json\r\nOrigin: \r\n", 403},
        {"POST /post", "Content-Type: application/json\r\nSec-Fetch-Site: cross-site\r\n", 403},
        {"POST /post",
         "Content-Type: application/json\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", 403},
        {"POST /post", "Content-Type: application/json\r\nSec-Fetch-Site: same-origin\r\n", 200},
        {"POST /post", "Content-Type: text/plain\r\n", 415},
        {"POST /post", "Content-Type: application/x-www-form-urlencoded\r\n", 415},
        {"POST /post", "Content-Type: text/plain; application/json\r\n", 415},
        {"POST /post", "Content-Type: application/jsonp\r\n", 415},
        {"POST /post", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", 415},
        {"POST /post", "", 415},
        {"GET /", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", 200},
        {"GET /", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", 403},
        {"GET /", "Sec-Fetch-Site: cross-site\r\n", 403},
        {"GET /files/1", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", 403},
        {"GET /none", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", 403},
        {"GET /files/1", "Origin: http://evil.example\r\n", 403},
        {"OPTIONS /post", "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n", 403},
        {"OPTIONS /post", "", 405},
        {"TRACE /health", "", 405},
        {"CONNECT /health", "", 405},
        {"get /health", "", 405},
        {"GET\tX /health", "", 400},
        {"G@T /health", "", 400},
        {"BREW /health", "", 405},
    };
    char text[512];

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 0\r\n\r\n",
                       rows[i].request, rows[i].lines);
        expect(*state, text, rows[i].status);
    }
}

#define POST_JSON "POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

/* What is whole is refused in words; what ends before it is, too, or (status 0) ends without. */
static void test_framing(void **state)
{
    static const struct {
        const char *text;
        unsigned status;
    } requests[] = {
        {POST_JSON "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400},
        {POST_JSON "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", 400},
        {POST_JSON "Content-Length: -1\r\n\r\n", 400},
        {POST_JSON "Content-Length: abc\r\n\r\nabc", 400},
        {POST_JSON "Content-Length: 1e3\r\n\r\nabc", 400},
        {POST_JSON "Content-Length: 0x3\r\n\r\nabc", 400},
        {POST_JSON "Content-Length: +3\r\n\r\nabc", 400},
        {POST_JSON "Content-Length: 3, 3\r\n\r\nabc", 400},
        {POST_JSON "Content-Length: \r\n\r\nabc", 400},
        {POST_JSON "Content-Length : 3\r\n\r\nabc", 400},
        {POST_JSON "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        {POST_JSON "Transfer-Encoding: identity\r\n\r\nabc", 501},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdefg\r\n0\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\n\r\n\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 400},
        {POST_JSON "Transfer-Encoding: chunked\r\n\r\n0\r\nT: t\n\r\n", 400},
        {POST_JSON "Content-Length: 50\r\n\r\ntruncated", 400},
        {POST_JSON "Content-Length: 50\r\n\r\n", 400},
        {"POST /post HTTP/1.0\r\nContent-Type: application/json\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         400},
        {"GET /health HTTP/1.1", 0},
        {"GET /health HTTP/1.1\r\nHost: loc", 0},
        {"GET\r\n\r\n", 400},
        {"GET /health\r\n\r\n", 400},
        {"\r\n\r\n\r\n", 0},
        {"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 400},
        {"", 0},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
        {"GET /health HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400},
        {"GET /health HTTP/1.1\r\nHost: localhost\r\n: no name\r\n\r\n", 400},
        {"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n folded\r\n\r\n", 400},
        {"GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n", 400},
        {"GET /health HTTP/1.1\nHost: localhost\n\n", 400},
        {"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n", 400},
        {"GET /health HTTP/1.1\r\nHost: localhost\r\nX: \x01\r\n\r\n", 400},
        {"GET /hea lth HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"GET  /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"GET /health  HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"GET /health http/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"GET /health HTTP/1.\r\nHost: localhost\r\n\r\n", 400},
        {"GET /health HTTP/11.1\r\nHost: localhost\r\n\r\n", 400},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n", 505},
        {"GET /health HTTP/0.9\r\nHost: localhost\r\n\r\n", 505},
        {"GET /health HTTP/1.7\r\nHost: localhost\r\n\r\n", 200}, /* RFC 9110, section 2.5 */
        {"\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
        {"GET /health HTTP/1.1\r\nhOST:localhost \t\r\nX:\r\n\r\n", 200},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
    };

    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
        expect_raw(*state, requests[i].text, strlen(requests[i].text), requests[i].status,
                   requests[i].status);
}

/* A second block of headers is no request: the first is answered, then that is said. */
static void test_second_block(void **state)
{
    static const char text[] =
        "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nHost: localhost\r\nX: y\r\n\r\n";
    const tempo_http *h = *state;
    http_answer a = http_ask(tempo_http_port(h), text, sizeof(text) - 1);
    const char *second = strstr(a.body, "HTTP/1.1 400");

    assert_int_equal(a.status, 200);
    assert_non_null(second);
    assert_non_null(strstr(second, "Content-Security-Policy: default-src 'self'"));
    assert_non_null(strstr(second, "Connection: close"));
    assert_non_null(strstr(second, "{\"error\":{\"message\":\"the request's first line"));
    http_answer_free(&a);
}

/* HTTP/1.0: no chunks come back, and the connection ends. */
static void test_old_version(void **state)
{
    const tempo_http *h = *state;
    static const char text[] = "GET /none HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    char v[64];
    http_answer a = http_ask(tempo_http_port(h), text, sizeof(text) - 1);

    assert_int_equal(a.status, 404);
    assert_string_equal(http_header(&a, "Connection", v, sizeof(v)), "close");
    is_ours(&a);
    http_answer_free(&a);
}

/* A body in chunks, with all that may stand between them, in pieces of every size. */
static void test_chunks(void **state)
{
    static const char text[] =
        POST_JSON "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3;name=value;x=\"y\"\r\nabc\r\n00a \t\r\n0123456789\r\n0\r\nTrailer: t\r\nMore: \r\n\r\n";
    const tempo_http *h = *state;

    for (size_t piece = 1; piece < sizeof(text); piece += piece < 8 ? 1 : 29) {
        const int fd = http_connect(tempo_http_port(h));
        for (size_t at = 0; at < sizeof(text) - 1; at += piece)
            assert_true(
                http_send(fd, text + at, piece < sizeof(text) - 1 - at ? piece : sizeof(text) - 1 - at));
        http_answer a = http_receive(fd);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "/post|||13");
        http_answer_free(&a);
        (void)close(fd);
    }
}

/* A NUL is never the end of anything. */
static void test_nul(void **state)
{
    static const char header[] = "GET /health HTTP/1.1\r\nHost: localhost\0.evil.example\r\n\r\n",
                      other_header[] = "GET /health HTTP/1.1\r\nHost: evil.example\0localhost\r\n\r\n",
                      target[] = "GET /files/..\0/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
                      method[] = "GET\0 /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
                      body[] = POST_JSON "Content-Length: 3\r\n\r\na\0b";

    expect_raw(*state, header, sizeof(header) - 1, 400, 400);
    expect_raw(*state, other_header, sizeof(other_header) - 1, 400, 400);
    expect_raw(*state, target, sizeof(target) - 1, 400, 400);
    expect_raw(*state, method, sizeof(method) - 1, 400, 400);
    expect_raw(*state, body, sizeof(body) - 1, 200, 200);
}

static void test_many_headers(void **state)
{
    const tempo_http *h = *state;
    const size_t cap = 256 << 10;
    char *text = malloc(cap);

    assert_non_null(text);
    for (size_t lines = 98; lines <= 10000; lines += lines < 100 ? 1 : 9900) { /* Host is one more */
        size_t n = (size_t)snprintf(text, cap, "GET /health HTTP/1.1\r\nHost: localhost\r\n");
        for (size_t i = 0; i < lines; i++)
            n += (size_t)snprintf(text + n, cap - n, "x-%zu: %zu\r\n", i, i);
        n += (size_t)snprintf(text + n, cap - n, "\r\n");
        expect_raw(h, text, n, lines < 100 ? 200 : 431, lines < 100 ? 200 : 431);
    }
    /* one long line; a long target */
    memset(text, 'a', cap);
    static const char start[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nx: ";
    memcpy(text, start, sizeof(start) - 1);
    memcpy(text + 40000, "\r\n\r\n", 4);
    expect_raw(h, text, 40004, 431, 431);
    expect_raw(h, text, cap, 431, 431);
    memset(text, 'a', cap);
    memcpy(text, "GET /health?", 12);
    expect_raw(h, text, cap, 414, 414);
    free(text);
}

static void test_large_bodies(void **state)
{
    const tempo_http *h = *state;
    char text[3 * MAX_BODY];
    int fd, n;

    /* too long by its own word: refused before it is sent, and not asked for */
    expect(h, POST_JSON "Content-Length: 4097\r\n\r\n", 413);
    expect(h, POST_JSON "Content-Length: 99999999999999999999999999999999\r\n\r\n", 413);
    expect(h, POST_JSON "Expect: 100-continue\r\nContent-Length: 4097\r\n\r\n", 413);
    /* sent all the same: the answer still arrives */
    n = snprintf(text, sizeof(text), POST_JSON "Content-Length: 5000\r\n\r\n%05000d", 0);
    expect_raw(h, text, (size_t)n, 413, 413);
    /* in chunks, of which no word says how many */
    n = snprintf(text, sizeof(text),
                 POST_JSON "Transfer-Encoding: chunked\r\n\r\n1000\r\n%04096d\r\n1\r\n0\r\n0\r\n\r\n", 0);
    expect_raw(h, text, (size_t)n, 413, 413);
    n = snprintf(text, sizeof(text),
                 POST_JSON "Transfer-Encoding: chunked\r\n\r\n1000\r\n%04096d\r\n0\r\n\r\n", 0);
    expect_raw(h, text, (size_t)n, 200, 200);
    n = snprintf(text, sizeof(text), POST_JSON "Content-Length: 4096\r\n\r\n%04096d", 0);
    expect_raw(h, text, (size_t)n, 200, 200);
    /* what is small enough is asked for */
    fd = http_connect(tempo_http_port(h));
    assert_true(http_send(
        fd, text,
        (size_t)snprintf(text, sizeof(text),
                         POST_JSON
                         "Connection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")));
    const size_t got = http_receive_some(fd, text, sizeof(text) - 1);
    text[got] = '\0';
    assert_int_equal(strncmp(text, "HTTP/1.1 100", 12), 0);
    assert_true(http_send(fd, "abc", 3));
    http_answer a = http_receive(fd);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "|3"));
    http_answer_free(&a);
    (void)close(fd);
}

/* A client that sends all of it before it reads is not cut off in the middle. */
static void test_refused_body_is_taken(void **state)
{
    enum { LENGTH = 6 << 20 };
    const tempo_http *h = *state;
    const int fd = http_connect(tempo_http_port(h));
    char head[256], *body = calloc(1, LENGTH);

    assert_non_null(body);
    (void)snprintf(head, sizeof(head), POST_JSON "Content-Length: %d\r\n\r\n", LENGTH);
    assert_true(http_send(fd, head, strlen(head)));
    assert_true(http_send(fd, body, LENGTH));
    http_answer a = http_receive(fd);
    assert_int_equal(a.status, 413);
    http_answer_free(&a);
    (void)close(fd);
    free(body);
}

/* The body of a refused request is not read as another one. */
static void test_no_request_in_a_body(void **state)
{
    static const char *const heads[] = {"GET /none", "GET /files/..", "PUT /post", "POST /post",
                                        "DELETE /health"};
    static const char inner[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const tempo_http *h = *state;
    char text[512];

    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
                       heads[i], strlen(inner), inner);
        const int fd = http_connect(tempo_http_port(h));
        assert_true(http_send(fd, text, strlen(text)));
        http_answer a = http_receive(fd); /* the server closes it */
        assert_int_equal(a.status / 100, 4);
        assert_null(strstr(a.text + 1, "HTTP/1.1 "));
        http_answer_free(&a);
        (void)close(fd);
    }
}

/* A client that closes its side has asked, and waits: it gets its answers, in order. */
static void test_half_closed(void **state)
{
    static const char text[] =
        "GET /files/1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /files/2 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const tempo_http *h = *state;
    const int fd = http_connect(tempo_http_port(h));

    assert_true(http_send(fd, text, sizeof(text) - 1));
    (void)shutdown(fd, SHUT_WR);
    http_answer a = http_receive(fd);
    const char *one = strstr(a.text, "|1|");
    assert_non_null(one);
    assert_non_null(strstr(one, "|2|"));
    http_answer_free(&a);
    (void)close(fd);
}

/* ---- behind other servers --------------------------------------------------------------------------- */

/* A server that allows more names, and answers below a path too. */
static void test_proxied(void **state)
{
    static const char *const hosts[] = {"tempo.example", "other.example:8443", "tls.example:443",
                                        "[fd00::1]"};
    static const struct {
        const char *host, *origin;
        unsigned status;
    } rows[] = {
        {"tempo.example", NULL, 200},
        {"Tempo.Example:7777", NULL, 200},
        {"other.example:8443", NULL, 200},
        {"tls.example", NULL, 200},
        {"tls.example:443", "https://tls.example", 200},
        {"[fd00::1]:90", NULL, 200},
        {"other.example", NULL, 403},
        {"other.example:80", NULL, 403},
        {"tls.example:80", NULL, 403},
        {"x.tempo.example", NULL, 403},
        {"tempo.example.evil", NULL, 403},
        {"tempo.example", "https://tempo.example", 200},
        {"tempo.example", "http://tempo.example:99", 200},
        {"tempo.example", "https://evil.example", 403},
        {"tempo.example", "ftp://tempo.example", 403},
        {"tempo.example", "http://localhost:9000", 403},
        {"127.0.0.1:1234", "https://tempo.example", 200}, /* a proxy that rewrites Host alone */
        {"localhost:9000", "http://localhost:9000", 200},
        {"localhost:9000", "https://localhost:9000", 200},
        {"localhost:9000", "http://127.0.0.1:9000", 403},
        {"localhost:9000", "http://localhost:9001", 403},
        {"localhost:9000", "http://localhost:%PORT%", 403}, /* what is there is another machine's */
        {"localhost:80", "http://localhost", 200},
        {"localhost", "https://localhost:443", 200},
        {"localhost:%PORT%", "http://[::1]:%PORT%", 200},
    };
    tempo_http_options o;
    tempo_http *h;
    char text[512], origin[128], own[8];

    (void)state;
    tempo_http_options_init(&o);
    o.port = 0;
    o.routes = routes;
    o.n_routes = sizeof(routes) / sizeof(*routes);
    o.hosts = hosts;
    o.n_hosts = sizeof(hosts) / sizeof(*hosts);
    o.base_path = "/on/tempo";
    assert_int_equal(tempo_http_start(&h, &o, NULL), TEMPO_OK);
    const unsigned port = tempo_http_port(h);
    const size_t n_port = (size_t)snprintf(own, sizeof(own), "%u", port);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        origin[0] = '\0';
        if (rows[i].origin != NULL)
            (void)snprintf(origin, sizeof(origin), "Origin: %s\r\n", rows[i].origin);
        (void)snprintf(text, sizeof(text), "GET /health HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n",
                       rows[i].host, origin);
        for (char *at; (at = strstr(text, "%PORT%")) != NULL;) {
            memmove(at + n_port, at + 6, strlen(at + 6) + 1);
            memcpy(at, own, n_port);
        }
        http_answer a = http_ask((uint16_t)port, text, strlen(text));
        if (a.status != rows[i].status)
            fail_msg("%s: status %u, expected %u", text, a.status, rows[i].status);
        is_ours(&a);
        http_answer_free(&a);
    }
    static const struct {
        const char *target;
        unsigned status;
        const char *location;
    } paths[] = {
        {"/health", 200, NULL},
        {"/on/tempo/health", 200, NULL},
        {"/on/tempo/files/7?x=1", 200, NULL},
        {"/on/tempo/", 200, NULL},
        {"/on/tempo", 308, "tempo/"},
        {"/on/tempo?a=b", 308, "tempo/?a=b"},
        {"/on/tempo/on/tempo/health", 404, NULL},
        {"/on/tempohealth", 404, NULL},
        {"/on/", 400, NULL},
        {"/on/tempo//health", 400, NULL},
        {"/on/tempo/../health", 400, NULL},
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        http_answer a = http_request((uint16_t)port, "GET", paths[i].target, "", NULL);
        if (a.status != paths[i].status)
            fail_msg("%s: status %u, expected %u", paths[i].target, a.status, paths[i].status);
        if (paths[i].location != NULL)
            assert_string_equal(http_header(&a, "Location", text, sizeof(text)), paths[i].location);
        is_ours(&a);
        http_answer_free(&a);
    }
    tempo_http_free(h);
}

static void test_names(void **state)
{
    static const char *const good[] = {"a", "a.b-c_d:80", "[::1]", "[fd00::1]:65535", "10.0.0.1:1"},
                             *const bad[] = {"",    ":80", "a:",   "a:b",    "a:65536", "http://a",
                                             "a/b", "a b", "[::1", "[::1]x", "*"},
                             *const bases[] = {"/a", "/a/b-c._~9"}, *const no_bases[] = {"",      "/",
                                                                                         "a",     "/a/",
                                                                                         "/a//b", "/a?b",
                                                                                         "/a b",  "/../a",
                                                                                         "/%61",  "//a"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_null(tempo_http_wrong_host(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_non_null(tempo_http_wrong_host(bad[i]));
    for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++)
        assert_null(tempo_http_wrong_base(bases[i]));
    for (size_t i = 0; i < sizeof(no_bases) / sizeof(*no_bases); i++)
        assert_non_null(tempo_http_wrong_base(no_bases[i]));
}

static uint32_t next_random(uint32_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 17;
    return *s ^= *s << 5;
}

/* Requests with bytes changed, cut, doubled and moved: no answer is demanded, but none that says yes to a bad
 * host. */
static void test_mutations(void **state)
{
    static const char *const seeds[] = {
        "GET /health?a=b HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
        "GET /a/1/compare/%41 HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-None-Match: \"x\"\r\nRange: "
        "bytes=0-1\r\n\r\n",
        POST_JSON "Content-Length: 9\r\n\r\n{\"a\": 12}",
        POST_JSON "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n3;x=y\r\n12}\r\n0\r\nT: t\r\n\r\n",
        POST_JSON
        "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    };
    static const char *const pieces[] = {"\r\n",
                                         "\0",
                                         "%",
                                         ":",
                                         " ",
                                         "\n",
                                         "Host: evil.example\r\n",
                                         "0\r\n\r\n",
                                         "\r",
                                         ";",
                                         "-",
                                         "99999999999999999999"};
    const tempo_http *h = *state;
    uint32_t random = 2463534242u;
    char text[1024];

    for (int round = 0; round < 400; round++) {
        const char *seed = seeds[next_random(&random) % (sizeof(seeds) / sizeof(*seeds))];
        size_t n = strlen(seed);
        memcpy(text, seed, n);
        for (uint32_t k = 1 + next_random(&random) % 4; k > 0; k--) {
            const size_t at = next_random(&random) % n;
            const char *piece = pieces[next_random(&random) % (sizeof(pieces) / sizeof(*pieces))];
            const size_t n_piece = piece[0] == '\0' ? 1 : strlen(piece);
            switch (next_random(&random) % 4) {
            case 0:
                text[at] = (char)next_random(&random);
                break;
            case 1:
                memmove(text + at, text + at + 1, n - at - 1);
                n -= n > 1;
                break;
            case 2:
                n = n > 8 && k == 1 ? at + 1 : n;
                break;
            default:
                memmove(text + at + n_piece, text + at, n - at);
                memcpy(text + at, piece, n_piece);
                n += n_piece;
            }
        }
        const int fd = http_connect(tempo_http_port(h));
        (void)http_send(fd, text, n);
        (void)shutdown(fd, SHUT_WR);
        http_answer a = http_receive(fd);
        if (a.n > 0 && a.status == 0)
            fail_msg("round %d: no answer but %s", round, a.text);
        if (a.status == 500)
            fail_msg("round %d: %s\n%s", round, text, a.text);
        if (strstr(a.text + (a.n > 0), "HTTP/1.1 ") == NULL) /* the only one */
            is_ours(&a);
        http_answer_free(&a);
        (void)close(fd);
        still_there(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traversal),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_absolute_targets),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_other_sites),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_second_block),
        cmocka_unit_test(test_old_version),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_many_headers),
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_proxied),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_refused_body_is_taken),
        cmocka_unit_test(test_no_request_in_a_body),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
