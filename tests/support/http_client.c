/* http_client.c - bytes to a server and what comes back. */
#include "support/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 600000 }; /* a server that hangs, not one on a busy machine */

int http_connect(uint16_t port)
{
    const struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

bool http_send(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        const ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

size_t http_receive_some(int fd, char *out, size_t cap)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (poll(&p, 1, PATIENCE_MS) <= 0)
        fail_msg("nothing came from the server for %d ms", PATIENCE_MS);
    const ssize_t n = recv(fd, out, cap, 0);
    return n > 0 ? (size_t)n : 0;
}

http_answer http_receive(int fd)
{
    http_answer a = {0};
    size_t cap = 4096, got;

    a.text = malloc(cap);
    assert_non_null(a.text);
    while ((got = http_receive_some(fd, a.text + a.n, cap - a.n - 1)) > 0) {
        a.n += got;
        if (cap - a.n < 2) {
            char *p = realloc(a.text, cap *= 2);
            assert_non_null(p);
            a.text = p;
        }
    }
    a.text[a.n] = '\0';
    if (sscanf(a.text, "HTTP/1.%*1[01] %3u", &a.status) != 1)
        a.status = 0;
    const char *end = strstr(a.text, "\r\n\r\n");
    a.body = end == NULL ? a.text + a.n : end + 4;
    a.n_body = a.n - (size_t)(a.body - a.text);
    return a;
}

void http_answer_free(http_answer *a)
{
    free(a->text);
    *a = (http_answer){0};
}

const char *http_header(const http_answer *a, const char *name, char *buffer, size_t cap)
{
    const size_t n = strlen(name);
    const char *line = strstr(a->text, "\r\n");

    for (; line != NULL && line + 2 < a->body - 2; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':')
            continue;
        const char *value = line + 3 + n;
        value += strspn(value, " ");
        (void)snprintf(buffer, cap, "%.*s", (int)strcspn(value, "\r"), value);
        return buffer;
    }
    return NULL;
}

bool http_unchunk(http_answer *a)
{
    char *out = a->text + (a->body - a->text), *begin = out;
    const char *p = a->body, *end = a->text + a->n;

    for (;;) {
        char *rest;
        const unsigned long n = strtoul(p, &rest, 16);
        if (rest == p || end - rest < 2 || rest[0] != '\r' || rest[1] != '\n' ||
            n > (unsigned long)(end - rest) - 2)
            return false;
        memmove(out, rest + 2, n);
        out += n;
        p = rest + 2 + n;
        if (end - p < 2 || memcmp(p, "\r\n", 2) != 0)
            return false;
        p += 2;
        if (n == 0)
            break;
    }
    *out = '\0';
    a->n_body = (size_t)(out - begin);
    return p == end;
}

http_answer http_ask(uint16_t port, const char *bytes, size_t n)
{
    const int fd = http_connect(port);

    (void)http_send(fd, bytes, n);
    const http_answer a = http_receive(fd);
    (void)close(fd);
    return a;
}

http_answer http_request(uint16_t port, const char *method, const char *target, const char *headers,
                         const char *body)
{
    const size_t cap = strlen(target) + strlen(headers) + (body == NULL ? 0 : strlen(body)) + 256;
    char *text = malloc(cap);
    int n;

    assert_non_null(text);
    n = snprintf(text, cap, "%s %s HTTP/1.1\r\nHost: localhost:%u\r\nConnection: close\r\n%s", method, target,
                 port, headers);
    if (body == NULL)
        n += snprintf(text + n, cap - (size_t)n, "\r\n");
    else
        n += snprintf(text + n, cap - (size_t)n, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    const http_answer a = http_ask(port, text, (size_t)n);
    free(text);
    return a;
}
