/* test_http_time.c - deadlines, clients that stop reading or go away, limits, stopping.  What is awaited is
 * an event, never that something takes less than so long.  */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/http/http.h"
#include "support/http_client.h"

typedef struct watched {
    atomic_int begun, ended, complete, released;
    atomic_bool stop_soon; /* the stream ends when the server goes down */
} watched;

/* Wait for an event, however long it takes; a hanging test is a failing one. */
static void await(atomic_int *event, int value)
{
    while (atomic_load(event) < value)
        (void)poll(NULL, 0, 2);
}

static void health(void *user, tempo_exchange *x)
{
    (void)user;
    tempo_exchange_reply_static(x, 200, "text/plain", "ok", 2);
}

static void end(void *user, bool complete)
{
    watched *w = user;

    if (complete)
        atomic_fetch_add(&w->complete, 1);
    atomic_fetch_add(&w->ended, 1);
}

static ptrdiff_t next_much(void *user, char *buf, size_t cap, unsigned wait_ms)
{
    (void)user, (void)wait_ms;
    memset(buf, 'x', cap);
    return (ptrdiff_t)cap;
}

static void much(void *user, tempo_exchange *x)
{
    atomic_fetch_add(&((watched *)user)->begun, 1);
    tempo_exchange_stream(x, 200, "text/plain", &(tempo_stream){user, next_much, end});
}

typedef struct quiet_stream {
    watched *w;
    tempo_exchange *x;
    bool said, done;
} quiet_stream;

static ptrdiff_t next_quiet(void *user, char *buf, size_t cap, unsigned wait_ms)
{
    quiet_stream *q = user;

    (void)cap;
    if (!q->said) {
        q->said = true;
        memcpy(buf, "begin.", 6);
        return 6;
    }
    if (q->done)
        return -1;
    if (atomic_load(&q->w->stop_soon) && tempo_exchange_stopping(q->x)) {
        q->done = true;
        memcpy(buf, "end.", 4);
        return 4;
    }
    (void)poll(NULL, 0, (int)wait_ms / 10); /* a next that does not wait as long as it may */
    return 0;
}

static void end_quiet(void *user, bool complete)
{
    quiet_stream *q = user;

    end(q->w, complete);
    free(q);
}

static void quiet(void *user, tempo_exchange *x)
{
    quiet_stream *q = calloc(1, sizeof(*q));

    q->w = user;
    q->x = x;
    atomic_fetch_add(&q->w->begun, 1);
    tempo_exchange_stream(x, 200, "text/event-stream", &(tempo_stream){q, next_quiet, end_quiet});
}

/* A handler that waits until its client has gone. */
static void patient(void *user, tempo_exchange *x)
{
    watched *w = user;

    atomic_fetch_add(&w->begun, 1);
    while (!tempo_exchange_gone(x))
        (void)poll(NULL, 0, 2);
    tempo_exchange_error(x, 503, NULL, "too late");
    atomic_fetch_add(&w->released, 1);
}

static char large[32 << 20];

static void huge(void *user, tempo_exchange *x)
{
    (void)user;
    tempo_exchange_reply_static(x, 200, "application/octet-stream", large, sizeof(large));
}

static void post(void *user, tempo_exchange *x)
{
    (void)user;
    tempo_exchange_reply_static(x, 200, "text/plain", "posted", 6);
}

static const tempo_route routes[] = {
    {"GET", "/health", health, true, NULL},    {"GET", "/much", much, false, NULL},
    {"GET", "/quiet", quiet, false, NULL},     {"GET", "/huge", huge, false, NULL},
    {"GET", "/patient", patient, false, NULL}, {"POST", "/post", post, false, NULL},
};

static tempo_http *start_rated(watched *w, double header_s, double body_s, double idle_s, double least_rate,
                               unsigned connections)
{
    tempo_http_options o;
    tempo_http *h;
    tempo_err err = {0};

    tempo_http_options_init(&o);
    o.port = 0;
    o.header_s = header_s;
    o.body_s = body_s;
    o.idle_s = idle_s;
    o.least_rate = least_rate;
    o.max_connections = connections;
    o.routes = routes;
    o.n_routes = sizeof(routes) / sizeof(*routes);
    o.user = w;
    if (tempo_http_start(&h, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return h;
}

static tempo_http *start(watched *w, double header_s, double body_s, double idle_s, unsigned connections)
{
    return start_rated(w, header_s, body_s, idle_s, 4096, connections);
}

static void send_text(int fd, const char *text)
{
    assert_true(http_send(fd, text, strlen(text)));
}

static void expect_health(const tempo_http *h)
{
    http_answer a = http_request(tempo_http_port(h), "GET", "/health", "", NULL);

    assert_int_equal(a.status, 200);
    http_answer_free(&a);
}

/* ---- deadlines --------------------------------------------------------------------------------- */

static const double far = 3600;

static void expect_timeout(tempo_http *h, const char *text, unsigned status)
{
    const int fd = http_connect(tempo_http_port(h));

    send_text(fd, text);
    http_answer a = http_receive(fd); /* the server ends it, not we */
    assert_int_equal(a.status, status);
    http_answer_free(&a);
    (void)close(fd);
    assert_int_equal(tempo_http_get_counts(h).timed_out, 1);
    tempo_http_free(h);
}

static void test_slow_headers(void **state)
{
    (void)state;
    expect_timeout(start(NULL, 0.1, far, far, 8), "", 408);
    expect_timeout(start(NULL, 0.1, far, far, 8), "GET /hea", 408);
    expect_timeout(start(NULL, 0.1, far, far, 8), "GET /health HTTP/1.1\r\nHost: localhost\r\n", 408);
}

static void test_slow_body(void **state)
{
    (void)state;
    expect_timeout(start(NULL, far, 0.1, far, 8),
                   "POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                   "application/json\r\nContent-Length: 9\r\n\r\n{",
                   408);
    expect_timeout(start(NULL, far, 0.1, far, 8),
                   "POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
                   408);
}

/* Bytes that keep coming do not move the deadline. */
static void test_drip(void **state)
{
    tempo_http *h = start(NULL, 0.1, far, far, 8);
    const int fd = http_connect(tempo_http_port(h));

    (void)state;
    send_text(fd, "GET /health HTTP/1.1\r\nHost: localhost\r\nx: ");
    while (tempo_http_get_counts(h).timed_out == 0) {
        (void)http_send(fd, "y", 1);
        (void)poll(NULL, 0, 5);
    }
    (void)close(fd);
    expect_health(h);
    tempo_http_free(h);
}

static void test_idle(void **state)
{
    (void)state;
    expect_timeout(start(NULL, far, far, 0.1, 8), "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200);
}

/* A second request has a deadline of its own. */
static void test_slow_second(void **state)
{
    (void)state;
    expect_timeout(start(NULL, 0.2, far, far, 8),
                   "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nHost: lo", 200);
}

/* ---- clients that stop reading, or go ------------------------------------------------------------ */

static int ask_slowly(const tempo_http *h, const char *target)
{
    const int fd = http_connect(tempo_http_port(h)), small = 4096;
    char text[128];

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
    send_text(fd, text);
    return fd;
}

static void test_never_reads_stream(void **state)
{
    watched w = {0};
    tempo_http *h = start(&w, far, far, 0.2, 8);
    const int fd = ask_slowly(h, "/much");

    (void)state;
    await(&w.ended, 1);
    assert_int_equal(w.complete, 0);
    assert_int_equal(tempo_http_get_counts(h).timed_out, 1);
    expect_health(h);
    (void)close(fd);
    tempo_http_free(h);
    assert_int_equal(w.ended, 1);
}

/* Takes something again and again, so that no single wait is long. */
static void read_slowly(int fd, const atomic_int *until)
{
    enum { BYTES = 64 << 10, MOST = 256 << 20 };
    char *some = malloc(BYTES);

    assert_non_null(some);
    for (size_t n = 0; atomic_load(until) == 0; n += BYTES) {
        if (n > MOST)
            fail_msg("%zu bytes were taken, and the answer goes on", n);
        (void)recv(fd, some, BYTES, MSG_DONTWAIT);
        (void)poll(NULL, 0, 2);
    }
    free(some);
}

static void test_reads_slowly(void **state)
{
    watched w = {0};
    tempo_http *h = start_rated(&w, far, far, 0.2, 1e12, 8);
    const int fd = http_connect(tempo_http_port(h));

    (void)state;
    send_text(fd, "GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n");
    read_slowly(fd, &w.ended);
    assert_int_equal(w.complete, 0);
    assert_int_equal(tempo_http_get_counts(h).timed_out, 1);
    expect_health(h); /* who reads is not meant */
    (void)close(fd);
    tempo_http_free(h);
}

/* The same reader is fast enough for a lower rate: here it is the one that goes. */
static void test_reads_well(void **state)
{
    watched w = {0};
    tempo_http *h = start_rated(&w, far, far, far, 1, 8);
    const int fd = http_connect(tempo_http_port(h));
    char some[4096];

    (void)state;
    send_text(fd, "GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (size_t i = 0; i < 200; i++) {
        assert_true(http_receive_some(fd, some, sizeof(some)) > 0);
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(w.ended, 0);
    assert_int_equal(tempo_http_get_counts(h).timed_out, 0);
    (void)close(fd);
    await(&w.ended, 1);
    assert_int_equal(tempo_http_get_counts(h).timed_out, 0);
    tempo_http_free(h);
}

static void test_never_reads_body(void **state)
{
    tempo_http *h = start(NULL, far, far, 0.2, 8);
    const int fd = ask_slowly(h, "/huge");

    (void)state;
    while (tempo_http_get_counts(h).gone == 0)
        (void)poll(NULL, 0, 2);
    assert_int_equal(tempo_http_get_counts(h).timed_out, 1);
    (void)close(fd);
    tempo_http_free(h);
}

/* As long as something is taken now and then, all of it comes. */
static void test_large_body(void **state)
{
    tempo_http *h = start(NULL, far, far, far, 8);
    http_answer a = http_request(tempo_http_port(h), "GET", "/huge", "", NULL);

    (void)state;
    assert_int_equal(a.status, 200);
    assert_int_equal(a.n_body, sizeof(large));
    http_answer_free(&a);
    tempo_http_free(h);
}

static void test_goes_away(void **state)
{
    watched w = {0};
    tempo_http *h = start(&w, far, far, far, 8);
    int fd = ask_slowly(h, "/quiet");
    char text[1024];

    (void)state;
    assert_true(http_receive_some(fd, text, sizeof(text)) > 0);
    (void)close(fd); /* while nothing is written */
    await(&w.ended, 1);
    assert_int_equal(w.complete, 0);
    fd = ask_slowly(h, "/much");
    assert_true(http_receive_some(fd, text, sizeof(text)) > 0);
    (void)close(fd); /* while much is written */
    await(&w.ended, 2);
    fd = ask_slowly(h, "/patient");
    await(&w.begun, 3);
    (void)close(fd); /* while a handler waits */
    await(&w.released, 1);
    assert_int_equal(w.complete, 0);
    tempo_http_free(h);
    assert_int_equal(w.ended, 2);
}

/* ---- limits ---------------------------------------------------------------------------------------- */

/* Connections on which a request is under way give no place to others. */
static void test_too_many(void **state)
{
    watched w = {0};
    tempo_http *h = start(&w, far, far, far, 3);
    int fd[3];
    char byte;

    (void)state;
    fd[0] = ask_slowly(h, "/quiet");
    fd[1] = ask_slowly(h, "/patient");
    await(&w.begun, 2);
    fd[2] = http_connect(tempo_http_port(h));
    send_text(fd[2], "G");
    while (tempo_http_get_counts(h).open_connections < 3)
        (void)poll(NULL, 0, 2);
    const int over = http_connect(tempo_http_port(h));
    assert_int_equal(http_receive_some(over, &byte, 1), 0);
    (void)close(over);
    assert_int_equal(tempo_http_get_counts(h).refused, 1);
    assert_int_equal(tempo_http_get_counts(h).displaced, 0);
    send_text(fd[2], "ET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"); /* it was left alone */
    assert_true(http_receive_some(fd[2], &byte, 1) > 0);
    (void)close(fd[2]);
    while (tempo_http_get_counts(h).open_connections > 2)
        (void)poll(NULL, 0, 2);
    expect_health(h);
    (void)close(fd[0]);
    (void)close(fd[1]);
    tempo_http_free(h);
}

/* One request more on a connection, and all of its answer. */
static void ask_again(int fd)
{
    char text[2048];
    size_t n = 0, got;

    send_text(fd, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    while (n < 6 || memcmp(text + n - 6, "\r\n\r\nok", 6) != 0) {
        got = http_receive_some(fd, text + n, sizeof(text) - n);
        assert_true(got > 0);
        n += got;
    }
}

static void await_connections(const tempo_http *h, uint64_t n)
{
    while (tempo_http_get_counts(h).connections < n)
        (void)poll(NULL, 0, 2);
}

/* Who says nothing, or no more, keeps nobody else out: the one that has been idle longest goes first. */
static void test_idle_make_room(void **state)
{
    enum { MOST = 4, MANY = 12 };
    watched w = {0};
    tempo_http *h = start(&w, far, far, far, MOST);
    const int busy = ask_slowly(h, "/quiet"), kept = http_connect(tempo_http_port(h));
    int fd[MANY];
    char byte;

    (void)state;
    await(&w.begun, 1);
    for (uint64_t i = 0; i < MANY; i++) {
        fd[i] = http_connect(tempo_http_port(h));
        await_connections(h, i + 3);
        if (i < 3) /* it is older than the others, but has been idle for a shorter time */
            ask_again(kept);
    }
    assert_int_equal(http_receive_some(kept, &byte, 1), 0);
    for (int i = 0; i < MANY - (MOST - 1); i++)
        assert_int_equal(http_receive_some(fd[i], &byte, 1), 0);
    assert_int_equal(tempo_http_get_counts(h).open_connections, MOST);
    expect_health(h);
    assert_int_equal(tempo_http_get_counts(h).displaced, MANY - (MOST - 1) + 2);
    assert_int_equal(tempo_http_get_counts(h).refused, 0);
    ask_again(fd[MANY - 1]); /* the last still has its place */
    assert_int_equal(w.ended, 0);
    (void)close(busy);
    (void)close(kept);
    for (int i = 0; i < MANY; i++)
        (void)close(fd[i]);
    await(&w.ended, 1);
    tempo_http_free(h);
}

static void test_fifty_at_once(void **state)
{
    watched w = {0};
    tempo_http *h = start(&w, far, far, far, 64);
    int fd[50];

    (void)state;
    for (int i = 0; i < 50; i++)
        fd[i] = ask_slowly(h, "/quiet");
    await(&w.begun, 50);
    expect_health(h);
    for (int i = 0; i < 50; i++)
        (void)close(fd[i]);
    await(&w.ended, 50);
    tempo_http_free(h);
}

/* ---- stopping ---------------------------------------------------------------------------------------- */

static void test_stop_lets_streams_end(void **state)
{
    watched w = {.stop_soon = true};
    tempo_http *h = start(&w, far, far, far, 8);
    const int idle = http_connect(tempo_http_port(h)), kept = ask_slowly(h, "/health"),
              fd = ask_slowly(h, "/quiet");
    char byte, text[1024];

    (void)state;
    assert_true(http_receive_some(kept, text, sizeof(text)) > 0);
    await(&w.begun, 1);
    tempo_http_stop(h, far); /* returns because the stream ends and the idle connection is closed */
    http_answer a = http_receive(fd);
    assert_true(http_unchunk(&a));
    assert_string_equal(a.body, "begin.end.");
    http_answer_free(&a);
    assert_int_equal(w.complete, 1);
    assert_int_equal(http_receive_some(idle, &byte, 1), 0);
    (void)close(fd);
    (void)close(idle);
    (void)close(kept);
    tempo_http_free(h);
    assert_int_equal(w.ended, 1);
}

static void test_stop_ends_the_rest(void **state)
{
    watched w = {0};
    tempo_http *h = start(&w, far, far, far, 8);
    const int a = ask_slowly(h, "/quiet"), b = ask_slowly(h, "/much"), c = ask_slowly(h, "/patient");

    (void)state;
    await(&w.begun, 3);
    tempo_http_stop(h, 0.05);
    assert_int_equal(w.ended, 2);
    assert_int_equal(w.complete, 0);
    assert_int_equal(w.released, 1);
    tempo_http_free(h);
    (void)close(a);
    (void)close(b);
    (void)close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_headers),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_drip),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_slow_second),
        cmocka_unit_test(test_never_reads_stream),
        cmocka_unit_test(test_reads_slowly),
        cmocka_unit_test(test_reads_well),
        cmocka_unit_test(test_never_reads_body),
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_goes_away),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_idle_make_room),
        cmocka_unit_test(test_fifty_at_once),
        cmocka_unit_test(test_stop_lets_streams_end),
        cmocka_unit_test(test_stop_ends_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
