/* test_api_nomem.c - the k-th allocation of a request fails, for every k: what is answered is a whole answer,
 * an error, or breaks off, never a part that looks whole; and the next request is answered as always.  */
#include "server/api_server.h"
#include "support/nomem.h"

#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 5000, ROOM = 1 << 18 };

static api_server server;

/* Everything that came, without an allocation of ours. */
static char answer[ROOM];

static void ask(const char *target, const char *body)
{
    char request[1024];
    size_t n = 0, got;
    const int length = snprintf(request, sizeof(request),
                                "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                target, strlen(body), body);
    const int fd = http_connect(server.port);

    (void)http_send(fd, request, (size_t)length);
    while ((got = http_receive_some(fd, answer + n, sizeof(answer) - 1 - n)) > 0)
        n += got;
    answer[n] = '\0';
    (void)close(fd);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), n_end = strlen(end);

    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

/* A connection's thread lets go of memory, and takes some, behind its answer. */
static void await_quiet(void)
{
    while (tempo_http_get_counts(server.http).open_connections > 0 ||
           tempo_worker_get_counts(server.worker).running + tempo_worker_get_counts(server.worker).waiting >
               0)
        (void)usleep(200);
}

/* last: what the last chunk of a whole answer ends with. */
static void check_streams(const char *target, const char *body, const char *last, bool named)
{
    size_t k = 0, errors = 0;
    bool failed = true;

    for (; failed; k++) {
        assert_true(k < MOST);
        await_quiet();
        test_fail_allocation(k);
        ask(target, body);
        await_quiet();
        failed = test_allocation_failed();
        const bool whole = strstr(answer, last) != NULL, error = strstr(answer, "{\"error\":{") != NULL;
        if (strncmp(answer, "HTTP/1.1 200", 12) != 0) {
            if (!failed)
                fail_msg("refused: %.600s", answer);
            continue;
        }
        if (!ends_with(answer, "\r\n0\r\n\r\n")) { /* who reads it sees that it broke off */
            assert_true(failed);
            continue;
        }
        if (whole == error)
            fail_msg("allocation %zu: the stream is %s: %s", k, whole ? "whole and an error" : "cut",
                     strlen(answer) > 600 ? answer + strlen(answer) - 600 : answer);
        assert_true(!error || (strstr(answer, "event: error\n") != NULL) == named);
        errors += error;
    }
    assert_true(k > 20 && errors > 5);
}

static void test_openai_stream(void **state)
{
    (void)state;
    check_streams("/v1/completions",
                  "{\"prompt\": [70, 71], \"n\": 2, \"max_tokens\": 4, \"logprobs\": 1, \"seed\": 3, "
                  "\"stop\": \"qqqq\", \"echo\": true, \"tempo\": {\"mode\": \"visible\"}, \"stream\": true}",
                  "data: [DONE]\n\n", false);
}

static void test_generate_stream(void **state)
{
    (void)state;
    check_streams("/v1/tempo/generate", "{\"prompt_ids\": [70, 71], \"steps\": 3, \"stream\": true}",
                  "event: done\n", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openai_stream),
        cmocka_unit_test(test_generate_stream),
    };

    api_open(&server, NULL, NULL, NULL);
    const int failed = cmocka_run_group_tests_name("api_nomem", tests, NULL, NULL);
    api_close(&server);
    return failed;
}
