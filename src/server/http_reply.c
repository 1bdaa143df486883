/* http_reply.c - answers: headers that all have, bodies in blocks so that progress shows, streams. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http_inside.h"

enum { BLOCK = 64 << 10, WAIT_MS = 50 };

/* What an answer's bytes belong to. */
typedef struct owner {
    void (*release)(void *user); /* NULL: nobody */
    void *user;
} owner;

/* A body on its way out; the library frees it with the response. */
typedef struct reply_body {
    tempo_http_conn *conn;
    const char *data; /* [n] */
    size_t n;
    owner of;
} reply_body;

/* ---- headers ------------------------------------------------------------------------------- */

static const char *find_header(const tempo_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->n_headers; i++)
        if (strcasecmp(x->header[i].name, name) == 0)
            return x->header[i].value;
    return NULL;
}

void tempo_exchange_set_header(tempo_exchange *x, const char *name, const char *value)
{
    char *n, *v;

    if (x->answered || x->n_headers == TEMPO_HTTP_MAX_SET_HEADERS)
        return;
    n = strdup(name);
    v = strdup(value);
    if (n == NULL || v == NULL) {
        free(n);
        free(v);
        return;
    }
    x->header[x->n_headers].name = n;
    x->header[x->n_headers++].value = v;
}

static void add_headers(tempo_exchange *x, struct MHD_Response *r, const char *type)
{
    for (size_t i = 0; i < tempo_http_n_security_headers; i++)
        (void)MHD_add_response_header(r, tempo_http_security_headers[i].name,
                                      tempo_http_security_headers[i].value);
    if (type != NULL)
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (find_header(x, "Cache-Control") == NULL)
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL,
                                      find_header(x, "ETag") == NULL ? "no-store" : "no-cache");
    if (x->early || atomic_load(&x->h->stopping))
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    for (size_t i = 0; i < x->n_headers; i++)
        (void)MHD_add_response_header(r, x->header[i].name, x->header[i].value);
}

/* Queue the response, and done with it. */
static void queue(tempo_exchange *x, unsigned status, const char *type, struct MHD_Response *r)
{
    x->answered = true;
    if (r != NULL)
        add_headers(x, r, type);
    x->lost = r == NULL || MHD_queue_response(x->mhd, status, r) != MHD_YES;
    if (r != NULL)
        MHD_destroy_response(r);
    (void)pthread_mutex_lock(&x->h->lock);
    tempo_http_count(x->h, x->lost ? 500 : status);
    (void)pthread_mutex_unlock(&x->h->lock);
}

/* ---- whole answers ---------------------------------------------------------------------------- */

static ssize_t read_body(void *user, uint64_t at, char *out, size_t cap)
{
    const reply_body *b = user;
    const size_t left = b->n - (size_t)at, n = left < cap ? left : cap;

    if (!tempo_http_enter(b->conn, TEMPO_HTTP_ANSWERING, b->conn->h->o.idle_s))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    memcpy(out, b->data + at, n);
    return (ssize_t)n;
}

static void release(owner of)
{
    if (of.release != NULL)
        of.release(of.user);
}

static void free_body(void *user)
{
    reply_body *b = user;

    release(b->of);
    free(b);
}

/* The owner's release is called, whatever happens. */
static void reply_bytes(tempo_exchange *x, unsigned status, const char *type, const char *data, size_t n,
                        owner of)
{
    reply_body *b = n == 0 ? NULL : malloc(sizeof(*b));
    struct MHD_Response *r;

    if (b == NULL) {
        release(of);
        r = n > 0 ? NULL : MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    } else {
        *b = (reply_body){x->conn, data, n, of};
        r = MHD_create_response_from_callback(n, n < BLOCK ? n : BLOCK, read_body, b, free_body);
        if (r == NULL)
            free_body(b);
    }
    queue(x, status, type, r);
}

/* Does the client want a part, and of what it has? */
static bool wants_range(const tempo_exchange *x)
{
    const char *accepted = find_header(x, "Accept-Ranges"), *only_if = tempo_exchange_header(x, "If-Range"),
               *tag = find_header(x, "ETag");

    return accepted != NULL && strcmp(accepted, "bytes") == 0 && strcmp(x->method, "GET") == 0 &&
           tempo_exchange_header(x, "Range") != NULL &&
           (only_if == NULL || (tag != NULL && strncmp(tag, "W/", 2) != 0 && strcmp(only_if, tag) == 0));
}

/* What conditions and ranges make of an answer. */
static void reply(tempo_exchange *x, unsigned status, const char *type, const char *data, size_t n, owner of)
{
    const char *tag = find_header(x, "ETag"), *known = tempo_exchange_header(x, "If-None-Match");
    size_t first = 0, length = n;
    char text[96];

    if (status == 200 && tag != NULL && known != NULL && tempo_http_has_tag(known, tag)) {
        reply_bytes(x, 304, NULL, NULL, 0, of);
        return;
    }
    if (status == 200 && wants_range(x)) {
        switch (tempo_http_parse_range(tempo_exchange_header(x, "Range"), n, &first, &length)) {
        case TEMPO_RANGE_OUTSIDE:
            (void)snprintf(text, sizeof(text), "bytes */%zu", n);
            tempo_exchange_set_header(x, "Content-Range", text);
            release(of);
            tempo_exchange_error(x, 416, "Range", "the range is outside of %zu bytes", n);
            return;
        case TEMPO_RANGE_PART:
            (void)snprintf(text, sizeof(text), "bytes %zu-%zu/%zu", first, first + length - 1, n);
            tempo_exchange_set_header(x, "Content-Range", text);
            status = 206;
            break;
        default:
            break;
        }
    }
    reply_bytes(x, status, type, data == NULL ? NULL : data + first, length, of);
}

void tempo_exchange_reply(tempo_exchange *x, unsigned status, const char *type, char *body, size_t n)
{
    if (x->answered)
        free(body);
    else if (body == NULL && n > 0)
        tempo_exchange_error(x, 500, NULL, "out of memory for the answer");
    else
        reply(x, status, type, body, n, (owner){free, body});
}

void tempo_exchange_reply_shared(tempo_exchange *x, unsigned status, const char *type, const void *data,
                                 size_t n, void (*let_go)(void *user), void *user)
{
    const owner of = {let_go, user};

    if (x->answered)
        release(of);
    else
        reply(x, status, type, data, n, of);
}

void tempo_exchange_reply_static(tempo_exchange *x, unsigned status, const char *type, const void *data,
                                 size_t n)
{
    if (!x->answered)
        reply(x, status, type, data, n, (owner){0});
}

void tempo_exchange_error(tempo_exchange *x, unsigned status, const char *param, const char *format, ...)
{
    char message[512];
    va_list args;

    if (x->answered)
        return;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    char *body = tempo_http_error_json(status, param, NULL, message);
    reply_bytes(x, status, "application/json", body, body == NULL ? 0 : strlen(body), (owner){free, body});
}

/* ---- streams ------------------------------------------------------------------------------------ */

static ssize_t read_stream(void *user, uint64_t at, char *out, size_t cap)
{
    tempo_exchange *x = user;
    const tempo_stream *s = &x->stream;

    (void)at;
    if (!tempo_http_enter(x->conn, TEMPO_HTTP_BUSY, INFINITY))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    for (;;) {
        const double begin = tempo_http_now();
        const ptrdiff_t n = s->next(s->user, out, cap, WAIT_MS);
        if (n != 0) {
            if (!tempo_http_enter(x->conn, TEMPO_HTTP_ANSWERING, x->h->o.idle_s))
                return MHD_CONTENT_READER_END_WITH_ERROR;
            return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
        }
        const double waited_ms = 1000 * (tempo_http_now() - begin);
        if (tempo_http_conn_gone(x->conn, waited_ms < WAIT_MS / 2 ? WAIT_MS - (int)waited_ms : 0))
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
}

void tempo_exchange_stream(tempo_exchange *x, unsigned status, const char *type, const tempo_stream *s)
{
    if (x->answered) {
        s->end(s->user, false);
        return;
    }
    x->stream = *s;
    x->has_stream = true; /* tempo_exchange_end calls its end, whatever becomes of the answer */
    if (strcmp(x->method, "HEAD") == 0) { /* the library would send the last chunk */
        reply_bytes(x, status, type, NULL, 0, (owner){0});
        return;
    }
    queue(x, status, type,
          MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 << 10, read_stream, x, NULL));
}
