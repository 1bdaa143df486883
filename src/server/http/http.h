/* http.h - HTTP/1.1 as the server's routes see it: requests that were read whole, answers, streams.
 *
 * One thread a connection, so that a handler may wait.  Everything a client can do wrong before a handler runs is dealt with
 * here: what is no HTTP, methods, paths, limits, deadlines, Host and Origin, the key.  docs/server.md has the statuses.
 * Every answer carries the security headers (CSP default-src 'self', nosniff, no-referrer, DENY).  */
#ifndef TEMPO_SERVER_HTTP_H
#define TEMPO_SERVER_HTTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct tempo_http tempo_http;         /* a listening server */
typedef struct tempo_exchange tempo_exchange; /* one request and its answer; belongs to the handler's thread */

/* GET answers HEAD too.  In a path {name} stands for one segment: decoded, never empty, "." or "..", without '/', '\'
 * and control characters.  A literal segment wins over {name}.  */
typedef struct tempo_route {
    const char *method, *path;
    void (*handle)(void *user, tempo_exchange *x); /* answers exactly once, before it returns; on any connection's thread */
    bool open;                                     /* needs no key */
    const char *query;                             /* names of the parameters that it takes, "a,b": others are a 400.  NULL: any */
} tempo_route;

typedef struct tempo_http_options {
    const char *host;   /* an address or name to listen on */
    uint16_t port;      /* 0: any that is free */
    const char *key;    /* NULL: no key is asked for */
    const char *const *hosts; /* [n_hosts] NAME or NAME:PORT that Host and Origin may be too; NAME alone: with any port */
    size_t n_hosts;
    const char *base_path; /* "/a/b": the routes are there too, for who forwards such paths as they are; NULL: none */
    size_t max_body;    /* bytes */
    unsigned max_connections; /* beyond them the one that has been idle longest goes; if none is idle, the new one */
    double header_s, body_s; /* a request's headers, and then its body, must be there after so long */
    double idle_s;           /* a connection on which nothing happens, or that takes nothing of an answer, is closed */
    double least_rate;       /* bytes a second: an answer may keep its thread waiting for its reader for idle_s, and a second longer for
                                each so many bytes that were taken */
    const tempo_route *routes;
    size_t n_routes;
    void *user;         /* of every handler */
} tempo_http_options;

void tempo_http_options_init(tempo_http_options *o);
/* What is wrong with NAME[:PORT], or with a base path, or NULL. */
const char *tempo_http_wrong_host(const char *text);
const char *tempo_http_wrong_base(const char *path);
/* *out is NULL on failure: TEMPO_E_IO names host and port.  routes, key, hosts and base_path must outlive it. */
tempo_status tempo_http_start(tempo_http **out, const tempo_http_options *o, tempo_err *err) TEMPO_MUST_CHECK;
uint16_t tempo_http_port(const tempo_http *h);
/* From here on the server says that it goes down: tempo_exchange_stopping, and a 503 for requests of all but open routes.
 * It still listens, so that who asks /health hears of it, and answers under way go on.  Any thread. */
void tempo_http_begin_stop(tempo_http *h);
/* No new connections, no new requests on old ones; then wait until answers under way are over, at most grace_s. */
void tempo_http_stop(tempo_http *h, double grace_s);
void tempo_http_free(tempo_http *h);

/* ---- the request: strings live as long as the exchange ----------------------------- */
const char *tempo_exchange_path(const tempo_exchange *x);                     /* the route's pattern */
const char *tempo_exchange_segment(const tempo_exchange *x, const char *name); /* what {name} stands for; "" if no such */
const char *tempo_exchange_query(const tempo_exchange *x, const char *name);   /* decoded; NULL if absent */
/* The i-th query parameter's name, or NULL: so that a handler can refuse what it does not know. */
const char *tempo_exchange_query_name(const tempo_exchange *x, size_t i);
const char *tempo_exchange_header(const tempo_exchange *x, const char *name);  /* NULL if absent */
const char *tempo_exchange_body(const tempo_exchange *x, size_t *n);           /* NUL-terminated */
/* Has the client closed its side?  Asks the socket, does not wait. */
bool tempo_exchange_gone(const tempo_exchange *x);
/* Is the server going down? */
bool tempo_exchange_stopping(const tempo_exchange *x);

/* ---- the answer -------------------------------------------------------------------- */
/* A header of the answer; copied.  Before one of the calls below. */
void tempo_exchange_set_header(tempo_exchange *x, const char *name, const char *value);
/* body (malloc'd) is taken, NULL: empty, or out of memory if n > 0 (a 500).  ETag in set_header and a matching
 * If-None-Match make it a 304; Accept-Ranges: bytes in set_header makes Range work (206, 416).  */
void tempo_exchange_reply(tempo_exchange *x, unsigned status, const char *type, char *body, size_t n);
/* The same with data that others read too: release(user) is called exactly once, when the answer needs it no longer or was
 * given up, on any of the server's threads, before tempo_http_free returns.  */
void tempo_exchange_reply_shared(tempo_exchange *x, unsigned status, const char *type, const void *data, size_t n,
                                 void (*release)(void *user), void *user);
/* The same; data lives as long as the server. */
void tempo_exchange_reply_static(tempo_exchange *x, unsigned status, const char *type, const void *data, size_t n);
/* {"error": ...}; type by the status; param may be NULL. */
void tempo_exchange_error(tempo_exchange *x, unsigned status, const char *param, const char *format, ...) TEMPO_PRINTF(4, 5);
/* The same with a code, such as "shutdown", or NULL. */
void tempo_exchange_error_code(tempo_exchange *x, unsigned status, const char *param, const char *code, const char *format, ...)
    TEMPO_PRINTF(5, 6);
/* The text of such an error body, for free(). */
char *tempo_http_error_json(unsigned status, const char *param, const char *code, const char *message);

/* An answer of unknown length, chunk by chunk.  */
typedef struct tempo_stream {
    void *user;
    /* Up to cap bytes into buf; 0: nothing came within about wait_ms (it may wait so long); -1: that was all.  */
    ptrdiff_t (*next)(void *user, char *buf, size_t cap, unsigned wait_ms);
    /* Called once, whatever happened: complete = all was taken; false = the client went away, or took nothing for idle_s or too
     * little (least_rate). */
    void (*end)(void *user, bool complete);
} tempo_stream;

double tempo_http_now(void); /* seconds, monotonic: for a next that has more to do than wait */
/* While next gives nothing the socket is watched, so that a client that went away ends the stream within 100 ms. */
void tempo_exchange_stream(tempo_exchange *x, unsigned status, const char *type, const tempo_stream *s);

/* ---- for tests and for who counts -------------------------------------------------- */
typedef struct tempo_http_counts {
    uint64_t requests, by_class[6]; /* by_class[2]: answers with 2xx */
    uint64_t connections, refused, displaced, timed_out, gone; /* displaced: idle ones, shut for new ones */
    unsigned open_connections;
} tempo_http_counts;

tempo_http_counts tempo_http_get_counts(const tempo_http *h);

#endif
