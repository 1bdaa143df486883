/* reply.c - answers: headers that all have, bodies in blocks so that progress shows, streams. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "server/http/inside.h"

enum { MAX_HEAD = 32 << 10, STREAM_BLOCK = 16 << 10, WAIT_MS = 50 };

/* What an answer's bytes belong to. */
typedef struct owner {
    void (*release)(void *user); /* NULL: nobody */
    void *user;
} owner;

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
    for (const char *p = value; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) /* a line's end would begin another header */
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

/* Text that is cut where it does not fit, which is noticed by n == cap. */
typedef struct head_text {
    char p[MAX_HEAD];
    size_t n;
} head_text;

static TEMPO_PRINTF(2, 3) void put(head_text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(t->p + t->n, sizeof(t->p) - t->n, format, args);
    va_end(args);
    t->n = n < 0 || (size_t)n >= sizeof(t->p) - t->n ? sizeof(t->p) : t->n + (size_t)n;
}

/* Source: RFC 9110, section 5.6.7; names of days and months are not the locale's. */
static void put_date(head_text *t)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const time_t now = time(NULL);
    struct tm d;

    if (gmtime_r(&now, &d) != NULL)
        put(t, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + 3 * d.tm_wday, d.tm_mday,
            months + 3 * d.tm_mon, 1900 + d.tm_year, d.tm_hour, d.tm_min, d.tm_sec);
}

static void put_headers(const tempo_exchange *x, head_text *t, const char *type)
{
    static const tempo_http_pair security[] = {
        {"Content-Security-Policy", "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
                                    "form-action 'self'; object-src 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Frame-Options", "DENY"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };

    for (size_t i = 0; i < sizeof(security) / sizeof(*security); i++)
        put(t, "%s: %s\r\n", security[i].name, security[i].value);
    if (type != NULL)
        put(t, "Content-Type: %s\r\n", type);
    if (find_header(x, "Cache-Control") == NULL)
        put(t, "Cache-Control: %s\r\n", find_header(x, "ETag") == NULL ? "no-store" : "no-cache");
    if (x->conn->close)
        put(t, "Connection: close\r\n");
    for (size_t i = 0; i < x->n_headers; i++)
        put(t, "%s: %s\r\n", x->header[i].name, x->header[i].value);
}

static bool is_head(const tempo_exchange *x)
{
    return strcmp(x->method, "HEAD") == 0;
}

/* The line and the headers.  n: bytes of the body, SIZE_MAX where that is not known.  more: the body follows.
 */
static bool send_head(tempo_exchange *x, unsigned status, const char *type, size_t n, bool more)
{
    head_text t = {.n = 0};

    x->answered = true;
    x->conn->close |= x->early || atomic_load(&x->h->stopping) || (n == SIZE_MAX && x->head.old);
    tempo_http_count(x->h, status);
    put(&t, "HTTP/1.1 %u %s\r\n", status, tempo_http_reason(status));
    put_date(&t);
    put_headers(x, &t, type);
    if (n != SIZE_MAX && status != 304)
        put(&t, "Content-Length: %zu\r\n", n);
    else if (n == SIZE_MAX && !x->head.old)
        put(&t, "Transfer-Encoding: chunked\r\n");
    put(&t, "\r\n");
    return t.n < sizeof(t.p) && tempo_http_send(x->conn, t.p, t.n, more);
}

/* ---- whole answers ---------------------------------------------------------------------------- */

static void release(owner of)
{
    if (of.release != NULL)
        of.release(of.user);
}

/* The owner's release is called, whatever happens. */
static void reply_bytes(tempo_exchange *x, unsigned status, const char *type, const char *data, size_t n,
                        owner of)
{
    const bool body = n > 0 && !is_head(x) && status != 304;

    x->complete = send_head(x, status, type, n, body) && (!body || tempo_http_send(x->conn, data, n, false));
    release(of);
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

static TEMPO_PRINTF(5, 0) void reply_error(tempo_exchange *x, unsigned status, const char *param,
                                           const char *code, const char *format, va_list args)
{
    char message[512];

    if (x->answered)
        return;
    (void)vsnprintf(message, sizeof(message), format, args);
    char *body = tempo_http_error_json(status, param, code, message);
    reply_bytes(x, status, "application/json", body, body == NULL ? 0 : strlen(body), (owner){free, body});
}

void tempo_exchange_error(tempo_exchange *x, unsigned status, const char *param, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    reply_error(x, status, param, NULL, format, args);
    va_end(args);
}

void tempo_exchange_error_code(tempo_exchange *x, unsigned status, const char *param, const char *code,
                               const char *format, ...)
{
    va_list args;

    va_start(args, format);
    reply_error(x, status, param, code, format, args);
    va_end(args);
}

/* ---- streams ------------------------------------------------------------------------------------ */

/* More bytes of the stream, as next has it; while it gives nothing the socket is watched. */
static ptrdiff_t next_bytes(tempo_exchange *x, const tempo_stream *s, char *out, size_t cap)
{
    for (;;) {
        const double begin = tempo_http_now();
        const ptrdiff_t n = s->next(s->user, out, cap, WAIT_MS);
        if (n != 0)
            return n;
        const double waited_ms = 1000 * (tempo_http_now() - begin);
        if (tempo_http_conn_gone(x->conn, waited_ms < WAIT_MS / 2 ? WAIT_MS - (int)waited_ms : 0))
            return 0;
    }
}

/* Bytes as a chunk: `room` is what there is in front of them for its size, and 2 behind. */
static bool send_chunk(tempo_exchange *x, char *bytes, size_t n, size_t room)
{
    char size[24];
    const size_t n_size = (size_t)snprintf(size, sizeof(size), "%zx\r\n", n);

    if (x->head.old)
        return tempo_http_send(x->conn, bytes, n, false);
    assert(n_size <= room);
    memcpy(bytes - n_size, size, n_size);
    memcpy(bytes + n, "\r\n", 2);
    return tempo_http_send(x->conn, bytes - n_size, n_size + n + 2, false);
}

/* false: the client is gone. */
static bool send_stream(tempo_exchange *x, const tempo_stream *s)
{
    enum { ROOM = 24 };
    char *block = malloc(ROOM + STREAM_BLOCK + 2);
    bool open = block != NULL;
    ptrdiff_t n = 0;

    while (open && (n = next_bytes(x, s, block + ROOM, STREAM_BLOCK)) > 0)
        open = send_chunk(x, block + ROOM, (size_t)n, ROOM);
    free(block);
    return open && n < 0 && (x->head.old || tempo_http_send(x->conn, "0\r\n\r\n", 5, false));
}

void tempo_exchange_stream(tempo_exchange *x, unsigned status, const char *type, const tempo_stream *s)
{
    bool complete = false;

    if (!x->answered)
        complete = x->complete =
            send_head(x, status, type, SIZE_MAX, false) && (is_head(x) || send_stream(x, s));
    s->end(s->user, complete);
}
