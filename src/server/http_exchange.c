/* http_exchange.c - a request from its first line to its handler; called by the library on the connection's
 * thread. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http_inside.h"

static tempo_http_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info == NULL ? NULL : info->socket_context;
}

/* The first line has come. */
void *tempo_exchange_begin(void *user, const char *uri, struct MHD_Connection *mhd)
{
    tempo_http *h = user;
    tempo_http_conn *c = conn_of(mhd);
    tempo_exchange *x = c == NULL ? NULL : calloc(1, sizeof(*x));

    if (x == NULL)
        return NULL;
    x->h = h;
    x->conn = c;
    x->mhd = mhd;
    x->uri = strdup(uri);
    x->path = strdup(uri);
    (void)pthread_mutex_lock(&h->lock);
    c->line = true;
    if (c->state == TEMPO_HTTP_IDLE)
        c->deadline = tempo_http_now() + h->o.header_s;
    (void)pthread_mutex_unlock(&h->lock);
    return x;
}

void tempo_exchange_end(void *user, struct MHD_Connection *mhd, void **exchange,
                        enum MHD_RequestTerminationCode code)
{
    tempo_exchange *x = *exchange;
    tempo_http *h = user;

    (void)mhd;
    if (x == NULL)
        return;
    *exchange = NULL;
    if (x->has_stream)
        x->stream.end(x->stream.user, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    if (x->early)
        tempo_http_linger(x->conn);
    (void)pthread_mutex_lock(&h->lock);
    x->conn->line = false;
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK && code != MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN)
        h->counts.gone++;
    if (x->conn->state != TEMPO_HTTP_SHUT) {
        x->conn->state = TEMPO_HTTP_IDLE;
        x->conn->deadline = tempo_http_now() + h->o.idle_s;
        if (atomic_load(&h->stopping))
            tempo_http_shut(x->conn);
    }
    (void)pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < x->n_headers; i++) {
        free(x->header[i].name);
        free(x->header[i].value);
    }
    free(x->body);
    free(x->path);
    free(x->uri);
    free(x);
}

/* ---- headers ------------------------------------------------------------------------------ */

/* Headers that say one thing: two of them are two readings of one request. */
static const char *const single[] = {"Host",          "Content-Length", "Content-Type", "Transfer-Encoding",
                                     "Authorization", "Origin",         "Range",        "Expect"};

typedef struct header_counts {
    unsigned seen[sizeof(single) / sizeof(*single)];
    bool twice, strange;
} header_counts;

static enum MHD_Result count_header(void *user, enum MHD_ValueKind kind, const char *name, size_t n_name,
                                    const char *value, size_t n_value)
{
    header_counts *counts = user;

    (void)kind;
    for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
        if (strcasecmp(name, single[i]) == 0)
            counts->twice |= ++counts->seen[i] > 1;
    counts->strange |= n_name == 0 || strlen(name) != n_name || (value != NULL && strlen(value) != n_value);
    return MHD_YES;
}

/* Has the request a body?  *length: its bytes, SIZE_MAX where they are not told. */
static bool has_body(const tempo_exchange *x, size_t *length)
{
    const char *text = tempo_exchange_header(x, "Content-Length");

    *length = 0;
    if (tempo_exchange_header(x, "Transfer-Encoding") != NULL) {
        *length = SIZE_MAX;
        return true;
    }
    if (text == NULL)
        return false;
    for (const char *p = text; *p != '\0'; p++) {
        const size_t digit = (size_t)(unsigned char)*p - '0';
        *length = digit > 9 || *length > (SIZE_MAX - 1 - digit) / 10 ? SIZE_MAX - 1 : *length * 10 + digit;
        if (*length == SIZE_MAX - 1)
            break;
    }
    return *length > 0;
}

static bool check_form(tempo_exchange *x)
{
    header_counts counts = {{0}, false, false};
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *encoding = tempo_exchange_header(x, "Transfer-Encoding");
    const int n = MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, count_header, &counts);

    if (n > TEMPO_HTTP_MAX_HEADERS || (size != NULL && size->header_size > TEMPO_HTTP_MAX_HEAD))
        tempo_exchange_error(x, 431, NULL, "more than %d header lines, or %d bytes of them",
                             TEMPO_HTTP_MAX_HEADERS, TEMPO_HTTP_MAX_HEAD);
    else if (counts.twice)
        tempo_exchange_error(x, 400, NULL, "a header that says one thing is given twice");
    else if (counts.strange)
        tempo_exchange_error(x, 400, NULL, "a header without a name, or a NUL in one");
    else if (encoding != NULL && tempo_exchange_header(x, "Content-Length") != NULL)
        tempo_exchange_error(x, 400, NULL, "both Content-Length and Transfer-Encoding");
    else if (encoding != NULL && strcasecmp(encoding, "chunked") != 0)
        tempo_exchange_error(x, 501, NULL, "Transfer-Encoding '%.40s' is not chunked", encoding);
    else
        return true;
    return false;
}

static bool check_route(tempo_exchange *x)
{
    const char *reason;
    char allow[64];
    bool found;

    if (!tempo_http_parse_uri(x, &reason)) {
        tempo_exchange_error(x, 400, NULL, "the request's target: %s", reason);
        return false;
    }
    if (tempo_http_find_route(x, &found, allow, sizeof(allow)))
        return tempo_http_check_origin(x) && tempo_http_check_key(x);
    if (!tempo_http_check_origin(x))
        return false;
    if (found) {
        tempo_exchange_set_header(x, "Allow", allow);
        tempo_exchange_error(x, 405, NULL, "%.20s is not answered here; %s is", x->method, allow);
    } else {
        tempo_exchange_error(x, 404, NULL, "there is no such route");
    }
    return false;
}

/* "application/json", parameters behind it or not: no form of another site's page can send that unasked. */
static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    const size_t n = sizeof(json) - 1;

    return type != NULL && strncasecmp(type, json, n) == 0 && strchr("; \t", type[n]) != NULL;
}

static bool check_content(tempo_exchange *x, size_t length)
{
    const char *type = tempo_exchange_header(x, "Content-Type"),
               *coding = tempo_exchange_header(x, "Content-Encoding");

    if (strcmp(x->method, "POST") == 0 && !is_json(type))
        tempo_exchange_error(x, 415, NULL, "Content-Type is %.60s, expected application/json",
                             type == NULL ? "missing" : type);
    else if (coding != NULL && strcasecmp(coding, "identity") != 0)
        tempo_exchange_error(x, 415, NULL, "Content-Encoding '%.40s' is not understood", coding);
    else if (length != SIZE_MAX && length > x->h->o.max_body)
        tempo_exchange_error(x, 413, NULL, "the body has more than %zu bytes", x->h->o.max_body);
    else
        return true;
    return false;
}

/* Everything that can be said before the body: false when it has been answered. */
static bool check_request(tempo_exchange *x)
{
    size_t length;

    x->early = has_body(x, &length);
    if (!check_form(x) || !tempo_http_check_host(x) || !check_route(x))
        return false;
    if (atomic_load(&x->h->stopping) && !x->route->open) {
        tempo_exchange_set_header(x, "Retry-After", "5");
        tempo_exchange_error(x, 503, NULL, "the server is going down");
        return false;
    }
    if (!check_content(x, length))
        return false;
    x->early = false;
    return true;
}

/* ---- the body -------------------------------------------------------------------------------- */

static bool add_body(tempo_exchange *x, const char *data, size_t n)
{
    if (x->body_cap - x->n_body <= n) { /* a NUL behind it */
        size_t cap = 2 * (x->n_body + n) + 256;
        if (cap > x->h->o.max_body + 1)
            cap = x->h->o.max_body + 1;
        char *p = realloc(x->body, cap);
        if (p == NULL)
            return false;
        x->body = p;
        x->body_cap = cap;
    }
    memcpy(x->body + x->n_body, data, n);
    x->n_body += n;
    x->body[x->n_body] = '\0';
    return true;
}

/* The library takes no answer in the middle of a body, so it goes past it. */
static enum MHD_Result end_in_body(tempo_exchange *x, unsigned status, const char *message)
{
    (void)pthread_mutex_lock(&x->h->lock);
    const bool open = x->conn->state != TEMPO_HTTP_SHUT;
    if (open) {
        x->conn->state = TEMPO_HTTP_BUSY;
        x->conn->deadline = INFINITY;
        tempo_http_count(x->h, status);
    }
    (void)pthread_mutex_unlock(&x->h->lock);
    if (open) {
        tempo_http_answer_raw(x->conn, status, message);
        tempo_http_linger(x->conn);
    }
    return MHD_NO;
}

enum MHD_Result tempo_exchange_feed(void *user, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version, const char *data, size_t *n,
                                    void **exchange)
{
    tempo_exchange *x = *exchange;
    tempo_http *h = user;

    (void)mhd, (void)url;
    if (x == NULL || x->uri == NULL || x->path == NULL)
        return MHD_NO;
    if (!x->begun) {
        x->begun = true;
        x->method = method;
        x->version = version;
        if (!tempo_http_enter(x->conn, TEMPO_HTTP_BODY, h->o.body_s))
            return MHD_NO;
        (void)pthread_mutex_lock(&h->lock);
        h->counts.requests++;
        (void)pthread_mutex_unlock(&h->lock);
        if (check_request(x))
            return MHD_YES;
        return !x->lost && tempo_http_enter(x->conn, TEMPO_HTTP_ANSWERING, h->o.idle_s) ? MHD_YES : MHD_NO;
    }
    if (x->answered) { /* what still comes of a refused request */
        *n = 0;
        return MHD_YES;
    }
    if (*n > 0) {
        if (*n > h->o.max_body - x->n_body)
            return end_in_body(x, 413, "the body is too large");
        if (!add_body(x, data, *n))
            return end_in_body(x, 503, "out of memory for the body");
        *n = 0;
        return MHD_YES;
    }
    if (!tempo_http_enter(x->conn, TEMPO_HTTP_BUSY, INFINITY))
        return MHD_NO;
    x->route->handle(h->o.user, x);
    if (!x->answered)
        tempo_exchange_error(x, 500, NULL, "the route gave no answer");
    return !x->lost && tempo_http_enter(x->conn, TEMPO_HTTP_ANSWERING, h->o.idle_s) ? MHD_YES : MHD_NO;
}

/* ---- what handlers ask ------------------------------------------------------------------------ */

const char *tempo_exchange_method(const tempo_exchange *x)
{
    return x->method;
}

const char *tempo_exchange_path(const tempo_exchange *x)
{
    return x->route->path;
}

const char *tempo_exchange_header(const tempo_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, name);
}

const char *tempo_exchange_body(const tempo_exchange *x, size_t *n)
{
    *n = x->n_body;
    return x->body == NULL ? "" : x->body;
}

bool tempo_exchange_gone(const tempo_exchange *x)
{
    return tempo_http_conn_gone(x->conn, 0);
}

bool tempo_exchange_stopping(const tempo_exchange *x)
{
    return atomic_load(&x->h->stopping);
}
