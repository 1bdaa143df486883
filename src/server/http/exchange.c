/* exchange.c - a request from its head to its handler, on the connection's thread. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http/inside.h"

/* Without the base path, where the target begins with it.  *bare: it is the base path itself, without a slash
 * behind it, from where the page's addresses would lead astray. */
static void drop_base(tempo_exchange *x, bool *bare)
{
    const char *base = x->h->o.base_path;
    const size_t n = base == NULL ? 0 : strlen(base);

    *bare = false;
    if (n == 0 || strncmp(x->path, base, n) != 0 || strchr("/?", x->path[n]) == NULL) /* the NUL too */
        return;
    *bare = x->path[n] != '/';
    memmove(x->path + *bare, x->path + n, strlen(x->path + n) + 1);
    x->path[0] = '/';
}

static void redirect_to_base(tempo_exchange *x)
{
    const char *name = strrchr(x->h->o.base_path, '/') + 1, *query = strchr(x->head.target, '?');
    char place[512];

    if (snprintf(place, sizeof(place), "%s/%s", name, query == NULL ? "" : query) >= (int)sizeof(place))
        (void)snprintf(place, sizeof(place), "%s/", name);
    tempo_exchange_set_header(x, "Location", place);
    tempo_exchange_reply_static(x, 308, NULL, "", 0);
}

static bool check_route(tempo_exchange *x)
{
    const char *reason;
    char allow[64];
    bool found, bare;

    drop_base(x, &bare);
    if (!tempo_http_parse_uri(x, &reason)) {
        tempo_exchange_error(x, 400, NULL, "the request's target: %s", reason);
        return false;
    }
    found = tempo_http_find_route(x, &found, allow, sizeof(allow)) || found;
    if (!tempo_http_check_origin(x))
        return false;
    if (x->route != NULL && bare)
        redirect_to_base(x);
    else if (x->route != NULL)
        return tempo_http_check_key(x);
    else if (found) {
        tempo_exchange_set_header(x, "Allow", allow);
        tempo_exchange_error_code(x, 405, NULL, "method_not_supported", "%.20s is not answered here; %s is",
                                  x->method, allow);
    } else {
        tempo_exchange_error_code(x, 404, NULL, "unknown_url", "there is no such route");
    }
    return false;
}

const char *tempo_http_wrong_base(const char *path)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    const size_t n = strlen(path);

    if (path[0] != '/' || n < 2 || path[n - 1] == '/')
        return "expected a path such as /tempo: it begins with '/', and does not end with one";
    if (strspn(path, letters) != n || strstr(path, "//") != NULL || strstr(path, "/.") != NULL)
        return "expected segments of letters, digits and -._~, none of which begins with '.'";
    return n > 200 ? "expected at most 200 bytes" : NULL;
}

/* "application/json", parameters behind it or not: no form of another site's page can send that unasked. */
static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    const size_t n = sizeof(json) - 1;

    return type != NULL && strncasecmp(type, json, n) == 0 && strchr("; \t", type[n]) != NULL;
}

static bool check_content(tempo_exchange *x)
{
    const char *type = tempo_exchange_header(x, "Content-Type"),
               *coding = tempo_exchange_header(x, "Content-Encoding");

    if (strcmp(x->method, "POST") == 0 && !is_json(type))
        tempo_exchange_error(x, 415, NULL, "Content-Type is %.60s, expected application/json",
                             type == NULL ? "missing" : type);
    else if (coding != NULL && strcasecmp(coding, "identity") != 0)
        tempo_exchange_error(x, 415, NULL, "Content-Encoding '%.40s' is not understood", coding);
    else if (!x->head.chunked && x->head.length > x->h->o.max_body)
        tempo_exchange_error(x, 413, NULL, "the body has more than %zu bytes", x->h->o.max_body);
    else
        return true;
    return false;
}

/* Only parameters that the route names.  false: answered. */
static bool check_query(tempo_exchange *x)
{
    const char *known = x->route->query, *name;

    for (size_t i = 0; known != NULL && (name = tempo_exchange_query_name(x, i)) != NULL; i++) {
        const size_t n = strlen(name);
        const char *p = known;
        while (*p != '\0' && (strcspn(p, ",") != n || strncmp(p, name, n) != 0))
            p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',');
        if (*p != '\0')
            continue;
        tempo_exchange_error(x, 400, name, "%.64s: there is no such parameter", name);
        return false;
    }
    return true;
}

/* Everything that can be said before the body: false when it has been answered. */
static bool check_request(tempo_exchange *x)
{
    if (!tempo_http_check_host(x) || !check_route(x))
        return false;
    if (atomic_load(&x->h->stopping) && !x->route->open) {
        tempo_exchange_set_header(x, "Retry-After", "5");
        tempo_exchange_error(x, 503, NULL, "the server is going down");
        return false;
    }
    return check_query(x) && check_content(x);
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

/* What came of the body is in c->in: false when it has been answered. */
static bool take_body(tempo_exchange *x, tempo_http_body *b)
{
    tempo_http_conn *c = x->conn;
    const char *why = NULL;
    size_t at = 0, used, n;

    while (at < c->n_in && !tempo_http_body_over(b)) {
        if ((why = tempo_http_body_take(b, c->in + at, c->n_in - at, &used, &n)) != NULL) {
            tempo_exchange_error(x, 400, NULL, "the body: %s", why);
            return false;
        }
        at += used;
        if (n > x->h->o.max_body - x->n_body) {
            tempo_exchange_error(x, 413, NULL, "the body has more than %zu bytes", x->h->o.max_body);
            return false;
        }
        if (n > 0 && !add_body(x, c->in + at - n, n)) {
            tempo_exchange_set_header(x, "Retry-After", "1");
            tempo_exchange_error(x, 503, NULL, "out of memory for the body");
            return false;
        }
    }
    tempo_http_taken(c, at);
    return true;
}

/* false when there is no request: it was answered, or the client went away. */
static bool read_body(tempo_exchange *x)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const double deadline = tempo_http_now() + x->h->o.body_s;
    tempo_http_body b;
    bool late;

    tempo_http_body_init(&b, &x->head);
    if (!tempo_http_body_over(&b) && x->head.expects && x->conn->n_in == 0 &&
        !tempo_http_send(x->conn, go_on, sizeof(go_on) - 1, false))
        return false;
    for (;;) {
        if (!take_body(x, &b))
            return false;
        if (tempo_http_body_over(&b))
            return true;
        if (tempo_http_receive(x->conn, deadline, &late))
            continue;
        if (late) {
            tempo_http_count_timeout(x->h);
            tempo_exchange_error(x, 408, NULL, "the request's body did not arrive in time");
        } else {
            tempo_exchange_error(x, 400, NULL, "the request's body ends before it is whole");
        }
        return false;
    }
}

/* ---- a request from beginning to end ------------------------------------------------------------ */

static void clear_exchange(tempo_exchange *x)
{
    for (size_t i = 0; i < x->n_headers; i++) {
        free(x->header[i].name);
        free(x->header[i].value);
    }
    free(x->body);
    free(x->path);
    free(x->text);
}

void tempo_exchange_run(tempo_http_conn *c, const tempo_http_head *head, char *text)
{
    tempo_exchange x = {.h = c->h,
                        .conn = c,
                        .head = *head,
                        .text = text,
                        .path = strdup(head->target),
                        .method = head->method,
                        .early = true};

    (void)pthread_mutex_lock(&c->h->lock);
    c->h->counts.requests++;
    (void)pthread_mutex_unlock(&c->h->lock);
    c->close = head->close;
    if (x.path == NULL) {
        tempo_exchange_error(&x, 503, NULL, "out of memory for the request");
    } else {
        x.early = head->chunked || head->length > 0;
        if (check_request(&x)) {
            x.early = true;
            if (read_body(&x)) {
                x.early = false;
                x.route->handle(c->h->o.user, &x);
                if (!x.answered)
                    tempo_exchange_error(&x, 500, NULL, "the route gave no answer");
            }
        }
    }
    if (x.early || !x.complete)
        c->close = true;
    if (!x.complete) {
        (void)pthread_mutex_lock(&c->h->lock);
        c->h->counts.gone++;
        (void)pthread_mutex_unlock(&c->h->lock);
    }
    clear_exchange(&x);
}

void tempo_exchange_refuse(tempo_http_conn *c, unsigned status, const char *message)
{
    tempo_exchange x = {.h = c->h, .conn = c, .method = "", .early = true};

    tempo_exchange_error(&x, status, NULL, "%s", message);
    clear_exchange(&x);
}

/* ---- what handlers ask ------------------------------------------------------------------------ */

const char *tempo_exchange_path(const tempo_exchange *x)
{
    return x->route->path;
}

const char *tempo_exchange_header(const tempo_exchange *x, const char *name)
{
    return tempo_http_head_find(&x->head, name);
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
