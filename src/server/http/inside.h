/* inside.h - what the files of the HTTP server share; nobody else includes it.
 *
 *   http.c           listening, connections, stopping        conn.c      one connection: bytes, deadlines, its thread
 *   head.c      heads of requests, framing of bodies    exchange.c  a request from its head to its handler
 *   guard.c     Host, Origin, the key                   reply.c     answers, streams
 *   route.c     paths, segments, queries                range.c     Range and ETag
 *   error.c     error bodies
 *
 * Source: RFC 9110 (HTTP semantics), RFC 9112 (HTTP/1.1), RFC 3986 (URIs), RFC 6750 (bearer keys).  */
#ifndef TEMPO_SERVER_HTTP_INSIDE_H
#define TEMPO_SERVER_HTTP_INSIDE_H
#include <pthread.h>
#include <stdatomic.h>

#include "server/http/http.h"

enum {
    TEMPO_HTTP_MAX_HEAD = 32 << 10, /* bytes of a request's line and headers */
    TEMPO_HTTP_MAX_HEADERS = 100,   /* lines */
    TEMPO_HTTP_MAX_SEGMENTS = 12,   /* of a path */
    TEMPO_HTTP_MAX_QUERIES = 32,
    TEMPO_HTTP_MAX_SET_HEADERS = 24, /* of an answer */
    TEMPO_HTTP_DIGEST = 32,          /* bytes of a SHA-256 */
};

typedef struct tempo_http_conn {
    tempo_http *h;
    int fd;
    pthread_t thread;
    double accepted;                         /* when it came, of tempo_http_now */
    bool waiting;                            /* (lock) for a request: it may be shut down at any time */
    bool shut;                               /* (lock) it was */
    double idle_since;                       /* (lock) no byte of a request since then; 0: one came */
    struct tempo_http_conn *previous, *next; /* (lock) */
    /* the thread's own */
    bool close;  /* no further request is read */
    double waited; /* seconds that an answer has waited for its reader */
    uint64_t sent; /* bytes of it that were taken */
    size_t n_in; /* bytes of `in` that nobody has taken yet */
    char in[TEMPO_HTTP_MAX_HEAD];
} tempo_http_conn;

struct tempo_http {
    tempo_http_options o;
    char *host; /* the options' */
    uint16_t port;
    bool any_address; /* listening on all of them */
    unsigned char key_digest[TEMPO_HTTP_DIGEST];
    int listener, wake[2]; /* a byte wakes the thread that listens */
    pthread_t thread;
    bool has_thread, stopped;
    atomic_bool stopping, aborting;
    pthread_mutex_t lock;          /* guards what follows, and what is marked in connections */
    pthread_cond_t ended;          /* a connection has */
    tempo_http_conn *conns, *done; /* done: their threads are over, or nearly, and wait to be joined */
    tempo_http_counts counts;
    bool quit;    /* no new connections */
    bool closing; /* no new requests */
};

typedef struct tempo_http_pair {
    const char *name, *value;
} tempo_http_pair;

/* A request's line and headers: pointers into the text that was parsed. */
typedef struct tempo_http_head {
    const char *method, *target;
    const char *authority; /* of a target in absolute form, which the parser has made a path: Host is that; else NULL */
    bool old; /* HTTP/1.0 */
    size_t n_headers;
    tempo_http_pair headers[TEMPO_HTTP_MAX_HEADERS];
    bool chunked, expects; /* the body comes in chunks; it wants to hear "100 Continue" first */
    bool close;            /* this is the last request of its connection */
    uint64_t length;       /* of a body that is not chunked; UINT64_MAX: that or more */
} tempo_http_head;

struct tempo_exchange {
    tempo_http *h;
    tempo_http_conn *conn;
    tempo_http_head head;
    char *text; /* what head points into */
    char *path; /* the target, whose segments and query are decoded in place */
    const char *method;
    bool answered, complete; /* an answer was begun; and all of it was taken */
    bool early;              /* it was, before the body was read: the connection ends with it */
    const tempo_route *route;
    size_t n_segments, n_queries;
    const char *segment[TEMPO_HTTP_MAX_SEGMENTS]; /* decoded */
    tempo_http_pair query[TEMPO_HTTP_MAX_QUERIES];
    char *body; /* [n_body + 1] of body_cap */
    size_t n_body, body_cap;
    size_t n_headers;
    struct {
        char *name, *value;
    } header[TEMPO_HTTP_MAX_SET_HEADERS];
};

/* ---- heads and bodies (head.c)
 * --------------------------------------------------------------------------- */

/* How far the head in a growing buffer was looked at; zero at first. */
typedef struct tempo_http_scan {
    size_t at, line, end; /* the next byte; its line's first; where the head ends, 0: not yet */
    bool cr, has_line;    /* the byte before is a CR; a line is whole */
} tempo_http_scan;

/* Look at p[n], of which the beginning was looked at before.  What is wrong with it, or NULL. */
const char *tempo_http_scan_head(tempo_http_scan *s, const char *p, size_t n);
/* A head p[n] that the scan has found whole; p is written to.  0, or the status of a refusal and why. */
unsigned tempo_http_parse_head(tempo_http_head *out, char *p, size_t n, const char **why);
const char *tempo_http_head_find(const tempo_http_head *h, const char *name); /* NULL if absent */

/* Where in its body a request is. */
typedef struct tempo_http_body {
    bool chunked;
    int state;
    uint64_t left;        /* bytes of the body, or of the chunk */
    size_t line, trailer; /* bytes of the line between chunks; of the trailer */
} tempo_http_body;

void tempo_http_body_init(tempo_http_body *b, const tempo_http_head *h);
bool tempo_http_body_over(const tempo_http_body *b);
/* Take in[n]: *used bytes were read, of which the last *n_data belong to the body.  What is wrong, or NULL.
 */
const char *tempo_http_body_take(tempo_http_body *b, const char *in, size_t n, size_t *used, size_t *n_data);

/* ---- connections (conn.c)
 * --------------------------------------------------------------------------------- */
void *tempo_http_conn_run(void *conn); /* the thread */
/* Both directions; its thread then finds it at its end.  The lock is held. */
void tempo_http_shut(tempo_http_conn *c);
/* All of data[n]: false when the client is gone, took nothing for idle_s, or less than least_rate.  more: something
 * follows at once. */
bool tempo_http_send(tempo_http_conn *c, const void *data, size_t n, bool more);
/* More bytes into c->in, at least one: false at its end, when the deadline passed (*late), or it was shut
 * down. */
bool tempo_http_receive(tempo_http_conn *c, double deadline, bool *late);
/* The first n bytes of c->in are done with. */
void tempo_http_taken(tempo_http_conn *c, size_t n);
/* Has the other side closed?  Waits for that, at most wait_ms. */
bool tempo_http_conn_gone(const tempo_http_conn *c, int wait_ms);
void tempo_http_count(tempo_http *h, unsigned status);
void tempo_http_count_timeout(tempo_http *h);

/* ---- a request (exchange.c)
 * -------------------------------------------------------------------------------- */
/* Answer the request with that head: text (malloc'd, taken) is what head points into. */
void tempo_exchange_run(tempo_http_conn *c, const tempo_http_head *head, char *text);
/* A refusal of what is not a request: an error body, and the connection ends. */
void tempo_exchange_refuse(tempo_http_conn *c, unsigned status, const char *message);

/* ---- checks: each answers with an error and returns false where it does not hold
 * -------------------------------- */
bool tempo_http_check_host(tempo_exchange *x);   /* before the route is known */
bool tempo_http_check_origin(tempo_exchange *x); /* Origin, Sec-Fetch-Site; after */
bool tempo_http_check_key(tempo_exchange *x);
void tempo_http_digest(const char *key, unsigned char out[TEMPO_HTTP_DIGEST]);

/* Decode x->path into segments and queries: false with a reason. */
bool tempo_http_parse_uri(tempo_exchange *x, const char **reason);
/* The best route for the path, if any, in x->route, whatever its method; then that of the method. allow[cap]:
 * the methods of this path, for a 405.  false: *found says whether there is such a path. */
bool tempo_http_find_route(tempo_exchange *x, bool *found, char *allow, size_t cap);

/* ---- Range and ETag (range.c)
 * ------------------------------------------------------------------------------ */
typedef enum tempo_http_range { TEMPO_RANGE_ALL, TEMPO_RANGE_PART, TEMPO_RANGE_OUTSIDE } tempo_http_range;
/* "bytes=A-B", "bytes=A-", "bytes=-N" of n bytes; what is not one such range asks for all. */
tempo_http_range tempo_http_parse_range(const char *text, size_t n, size_t *first, size_t *length);
/* Does an If-None-Match list hold this tag?  Weak comparison. */
bool tempo_http_has_tag(const char *list, const char *tag);

/* ---- errors (error.c)
 * --------------------------------------------------------------------------------------- */
const char *tempo_http_reason(unsigned status);

#endif
