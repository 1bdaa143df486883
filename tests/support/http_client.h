/* http_client.h - bytes to a server on 127.0.0.1 and what comes back: nothing is tidied, so that anything can be sent. */
#ifndef TEMPO_TEST_HTTP_CLIENT_H
#define TEMPO_TEST_HTTP_CLIENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct http_answer {
    unsigned status; /* 0: the connection ended without an answer */
    char *text;      /* [n] everything that came, NUL behind it; free */
    size_t n;
    const char *body; /* within text; "" without */
    size_t n_body;
} http_answer;

int http_connect(uint16_t port);
/* All of it, or as much as the other side takes: false where it took less. */
bool http_send(int fd, const char *bytes, size_t n);
/* Until the other side closes; fails the test if that takes half a minute. */
http_answer http_receive(int fd);
/* As many bytes as there are within that time, at least one unless the end came: 0. */
size_t http_receive_some(int fd, char *out, size_t cap);
void http_answer_free(http_answer *a);
/* The value of the first answer's header, in buffer; NULL: there is none. */
const char *http_header(const http_answer *a, const char *name, char *buffer, size_t cap);
/* The body with its chunks put together, in place; false if they are not well-formed or do not end. */
bool http_unchunk(http_answer *a);

/* Connect, send, receive, close.  A request says Connection: close by itself. */
http_answer http_ask(uint16_t port, const char *bytes, size_t n);
/* METHOD TARGET with Host, Connection: close and more header lines ("" or "A: b\r\n"). */
http_answer http_request(uint16_t port, const char *method, const char *target, const char *headers, const char *body);

#endif
