/* http_inside.h - what the files of the HTTP server share; nobody else includes it.
 *
 *   http.c           listening, connections, stopping        http_exchange.c  a request from its first line to its answer
 *   http_reaper.c    deadlines                               http_reply.c     answers, streams
 *   http_guard.c     Host, Origin, the key                   http_route.c     paths, segments, queries
 *   http_range.c     Range and ETag                          http_error.c     error bodies, answers past the library
 *
 * Source: RFC 9110 (HTTP semantics), RFC 9112 (HTTP/1.1), RFC 3986 (URIs), RFC 6750 (bearer keys).  */
#ifndef TEMPO_SERVER_HTTP_INSIDE_H
#define TEMPO_SERVER_HTTP_INSIDE_H
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/http.h"

enum {
    TEMPO_HTTP_MAX_HEAD = 32 << 10,    /* bytes of a request's line and headers */
    TEMPO_HTTP_MAX_HEADERS = 100,      /* lines */
    TEMPO_HTTP_MAX_SEGMENTS = 12,      /* of a path */
    TEMPO_HTTP_MAX_QUERIES = 32,
    TEMPO_HTTP_MAX_SET_HEADERS = 24,   /* of an answer */
    TEMPO_HTTP_DIGEST = 32,            /* bytes of a SHA-256 */
};

typedef enum tempo_http_state {
    TEMPO_HTTP_HEADERS,   /* the first request's line and headers are awaited */
    TEMPO_HTTP_IDLE,      /* a further request may come */
    TEMPO_HTTP_BODY,      /* headers are there */
    TEMPO_HTTP_BUSY,      /* a handler or a stream's next runs: no deadline */
    TEMPO_HTTP_ANSWERING, /* the client should take something */
    TEMPO_HTTP_SHUT,      /* the socket was shut down; the library has yet to notice */
} tempo_http_state;

typedef struct tempo_http_conn {
    tempo_http *h;
    int fd; /* open for as long as the connection is registered */
    tempo_http_state state;
    bool line; /* the request's first line has come */
    double deadline; /* of tempo_http_now; INFINITY: none */
    struct tempo_http_conn *previous, *next;
} tempo_http_conn;

struct tempo_http {
    tempo_http_options o;
    char *host; /* the options' */
    uint16_t port;
    bool any_address; /* listening on all of them */
    unsigned char key_digest[TEMPO_HTTP_DIGEST];
    struct MHD_Daemon *daemon;
    int listener, wake[2]; /* a byte wakes the reaper */
    pthread_t reaper;
    bool has_reaper, stopped;
    atomic_bool stopping, aborting;
    pthread_mutex_t lock; /* guards what follows, and the connections' fields */
    tempo_http_conn *conns;
    tempo_http_counts counts;
    bool quit; /* the reaper's turn to end */
};

typedef struct tempo_http_pair {
    const char *name, *value;
} tempo_http_pair;

struct tempo_exchange {
    tempo_http *h;
    tempo_http_conn *conn;
    struct MHD_Connection *mhd;
    char *uri;  /* as it came */
    char *path; /* a copy whose segments and query are decoded in place */
    const char *method, *version;
    bool begun;    /* the headers were looked at */
    bool answered; /* an answer is queued */
    bool lost;     /* it could not be queued */
    bool early;    /* ... before the body was read: the connection ends with it */
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
    bool has_stream;
    tempo_stream stream;
};

double tempo_http_now(void); /* seconds, monotonic */

/* ---- connections (http.c, http_reaper.c): false if it was shut down in the meantime ------------------------- */
bool tempo_http_enter(tempo_http_conn *c, tempo_http_state state, double seconds);
/* Both directions; the library then finds the connection at its end.  The lock is held. */
void tempo_http_shut(tempo_http_conn *c);
/* Has the other side closed?  Waits for that, at most wait_ms. */
bool tempo_http_conn_gone(const tempo_http_conn *c, int wait_ms);
/* What a client still sends is read and dropped for a while, so that a closing socket does not take the answer with it. */
void tempo_http_linger(tempo_http_conn *c);
void *tempo_http_reap(void *h); /* the thread */
void tempo_http_wake(tempo_http *h);

/* ---- a request (http_exchange.c) ----------------------------------------------------------------------------- */
void *tempo_exchange_begin(void *h, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result tempo_exchange_feed(void *h, struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
                                    const char *data, size_t *n, void **exchange);
void tempo_exchange_end(void *h, struct MHD_Connection *mhd, void **exchange, enum MHD_RequestTerminationCode code);

/* ---- checks: each answers with an error and returns false where it does not hold ------------------------------- */
bool tempo_http_check_host(tempo_exchange *x);   /* Host, Origin, Sec-Fetch-Site; before the route is known */
bool tempo_http_check_origin(tempo_exchange *x); /* after */
bool tempo_http_check_key(tempo_exchange *x);
void tempo_http_digest(const char *key, unsigned char out[TEMPO_HTTP_DIGEST]);

/* Decode x->uri into segments and queries: false with a reason. */
bool tempo_http_parse_uri(tempo_exchange *x, const char **reason);
/* The best route for the path, if any, in x->route, whatever its method; then that of the method.  allow[cap]: the methods of
 * this path, for a 405.  false: *found says whether there is such a path. */
bool tempo_http_find_route(tempo_exchange *x, bool *found, char *allow, size_t cap);

/* ---- Range and ETag (http_range.c) ------------------------------------------------------------------------------ */
typedef enum tempo_http_range { TEMPO_RANGE_ALL, TEMPO_RANGE_PART, TEMPO_RANGE_OUTSIDE } tempo_http_range;
/* "bytes=A-B", "bytes=A-", "bytes=-N" of n bytes; what is not one such range asks for all. */
tempo_http_range tempo_http_parse_range(const char *text, size_t n, size_t *first, size_t *length);
/* Does an If-None-Match list hold this tag?  Weak comparison. */
bool tempo_http_has_tag(const char *list, const char *tag);

/* ---- errors (http_error.c) --------------------------------------------------------------------------------------- */
extern const tempo_http_pair tempo_http_security_headers[];
extern const size_t tempo_http_n_security_headers;
const char *tempo_http_reason(unsigned status);
/* A whole answer straight to the socket, where the library offers no way to give one; the caller then shuts it down. */
void tempo_http_answer_raw(tempo_http_conn *c, unsigned status, const char *message);
void tempo_http_count(tempo_http *h, unsigned status); /* the lock is held */

#endif
