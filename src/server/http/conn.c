/* conn.c - one connection on its thread: bytes in and out, each with a deadline, and request after
 * request. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/http/inside.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif
#ifndef MSG_MORE
#define MSG_MORE 0
#endif

double tempo_http_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void tempo_http_shut(tempo_http_conn *c)
{
    c->shut = true;
    (void)shutdown(c->fd, SHUT_RDWR);
}

bool tempo_http_conn_gone(const tempo_http_conn *c, int wait_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    char byte;

    if (atomic_load(&c->h->aborting))
        return true;
    if (poll(&p, 1, wait_ms) > 0)
        return true; /* errors and hang-ups come unasked */
    return POLLRDHUP == 0 && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void tempo_http_count(tempo_http *h, unsigned status)
{
    (void)pthread_mutex_lock(&h->lock);
    if (status / 100 < sizeof(h->counts.by_class) / sizeof(*h->counts.by_class))
        h->counts.by_class[status / 100]++;
    (void)pthread_mutex_unlock(&h->lock);
}

void tempo_http_count_timeout(tempo_http *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->counts.timed_out++;
    (void)pthread_mutex_unlock(&h->lock);
}

/* ---- bytes -------------------------------------------------------------------------------------- */

/* Until the socket is ready, or the deadline: false. */
static bool await(const tempo_http_conn *c, short events, double deadline)
{
    struct pollfd p = {.fd = c->fd, .events = events};

    for (;;) {
        const double left = deadline - tempo_http_now();
        if (left <= 0)
            return false;
        if (poll(&p, 1, (int)(1000 * fmin(left, 3600)) + 1) > 0)
            return true;
    }
}

bool tempo_http_receive(tempo_http_conn *c, double deadline, bool *late)
{
    *late = false;
    for (;;) {
        const ssize_t n = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, MSG_DONTWAIT);
        if (n > 0) {
            c->n_in += (size_t)n;
            return true;
        }
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            return false;
        if (!await(c, POLLIN, deadline)) {
            *late = true;
            return false;
        }
    }
}

void tempo_http_taken(tempo_http_conn *c, size_t n)
{
    memmove(c->in, c->in + n, c->n_in - n);
    c->n_in -= n;
}

/* Until the reader takes more.  Who takes a little now and then would hold a thread for as long as it likes:
 * the waits for one answer together are bounded by what was taken of it. */
static bool await_reader(tempo_http_conn *c)
{
    const tempo_http_options *o = &c->h->o;
    const double from = tempo_http_now(), left = o->idle_s + (double)c->sent / o->least_rate - c->waited;
    const bool ready = await(c, POLLOUT, from + fmin(o->idle_s, left));

    c->waited += tempo_http_now() - from;
    if (!ready)
        tempo_http_count_timeout(c->h);
    return ready;
}

bool tempo_http_send(tempo_http_conn *c, const void *data, size_t n, bool more)
{
    const char *p = data;

    while (n > 0) {
        const ssize_t sent = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
            c->sent += (uint64_t)sent;
        } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            return false;
        } else if (!await_reader(c)) {
            return false;
        }
    }
    return true;
}

/* What a client still sends is read and dropped for a while, so that a closing socket does not take the
 * answer with it. */
static void linger(tempo_http_conn *c)
{
    enum { MOST = 8 << 20 };
    const double until = tempo_http_now() + 1;
    size_t dropped = 0;
    bool late;

    (void)shutdown(c->fd, SHUT_WR);
    do {
        dropped += c->n_in;
        c->n_in = 0;
    } while (dropped < MOST && !atomic_load(&c->h->aborting) && tempo_http_receive(c, until, &late));
}

/* ---- requests ------------------------------------------------------------------------------------- */

/* From here to end_waiting the connection may be shut down at any time; false: the server reads no more
 * requests. */
static bool begin_waiting(tempo_http_conn *c, bool first)
{
    (void)pthread_mutex_lock(&c->h->lock);
    c->waiting = !c->h->closing && !c->shut;
    if (!first && c->n_in == 0)
        c->idle_since = tempo_http_now();
    const bool open = c->waiting;
    (void)pthread_mutex_unlock(&c->h->lock);
    return open;
}

/* The first byte of a request is there. */
static void end_idle(tempo_http_conn *c)
{
    (void)pthread_mutex_lock(&c->h->lock);
    c->idle_since = 0;
    (void)pthread_mutex_unlock(&c->h->lock);
}

/* false: it was shut down in the meantime. */
static bool end_waiting(tempo_http_conn *c)
{
    (void)pthread_mutex_lock(&c->h->lock);
    c->waiting = false;
    c->idle_since = 0;
    const bool open = !c->shut;
    (void)pthread_mutex_unlock(&c->h->lock);
    return open;
}

/* What came of waiting for a head. */
typedef enum head_result { HEAD, NONE, LATE, WRONG, LONG_LINE, LONG_HEAD } head_result;

/* The next request's head: scan->end bytes of c->in.  The first one has header_s from the connection's
 * beginning, a later one may take idle_s to begin and then header_s. */
static head_result read_head(tempo_http_conn *c, bool first, tempo_http_scan *scan, const char **why)
{
    const tempo_http_options *o = &c->h->o;
    bool begun = first || c->n_in > 0, late = false;
    unsigned empty = 0;
    double deadline =
        first ? c->accepted + o->header_s : tempo_http_now() + (begun ? o->header_s : o->idle_s);

    for (;;) {
        if ((*why = tempo_http_scan_head(scan, c->in, c->n_in)) != NULL)
            return WRONG;
        /* an empty line in front of a request means nothing (RFC 9112, section 2.2): a few of them */
        if (scan->end == 2 && empty++ < 8) {
            tempo_http_taken(c, 2);
            *scan = (tempo_http_scan){0};
            continue;
        }
        if (scan->end == 2) {
            *why = "empty lines where a request was expected";
            return WRONG;
        }
        if (scan->end > 0)
            return HEAD;
        if (c->n_in == sizeof(c->in))
            return scan->has_line ? LONG_HEAD : LONG_LINE;
        if (!tempo_http_receive(c, deadline, &late)) {
            if (late)
                tempo_http_count_timeout(c->h);
            return late && begun ? LATE : NONE;
        }
        end_idle(c);
        if (!begun) {
            begun = true;
            deadline = tempo_http_now() + o->header_s;
        }
    }
}

static void refuse(tempo_http_conn *c, unsigned status, const char *message)
{
    tempo_exchange_refuse(c, status, message);
    c->close = true;
}

/* One request and its answer. */
static void run_request(tempo_http_conn *c, const tempo_http_scan *scan)
{
    char *text = malloc(scan->end + 1);
    tempo_http_head *head = malloc(sizeof(*head));
    const char *why = NULL;
    unsigned status;

    if (text == NULL || head == NULL) {
        refuse(c, 503, "out of memory");
        goto out;
    }
    memcpy(text, c->in, scan->end);
    text[scan->end] = '\0';
    tempo_http_taken(c, scan->end);
    if ((status = tempo_http_parse_head(head, text, scan->end, &why)) != 0) {
        refuse(c, status, why);
    } else {
        tempo_exchange_run(c, head, text);
        text = NULL;
    }
out:
    free(head);
    free(text);
}

static void serve(tempo_http_conn *c)
{
    for (bool first = true; !c->close && begin_waiting(c, first); first = false) {
        tempo_http_scan scan = {0};
        const char *why;
        const head_result got = read_head(c, first, &scan, &why);
        if (!end_waiting(c) || got == NONE)
            return;
        c->waited = 0;
        c->sent = 0;
        switch (got) {
        case HEAD:
            run_request(c, &scan);
            break;
        case LATE:
            refuse(c, 408, "the request's headers did not arrive in time");
            break;
        case LONG_LINE:
            refuse(c, 414, "the request's target is too long");
            break;
        case LONG_HEAD:
            refuse(c, 431, "the request's headers are too long");
            break;
        default:
            refuse(c, 400, why);
        }
    }
    linger(c);
}

void *tempo_http_conn_run(void *user)
{
    tempo_http_conn *c = user;
    tempo_http *h = c->h;

    serve(c);
    (void)pthread_mutex_lock(&h->lock);
    if (c->next != NULL)
        c->next->previous = c->previous;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        h->conns = c->next;
    (void)close(c->fd);
    c->next = h->done;
    h->done = c;
    h->counts.open_connections--;
    (void)pthread_cond_broadcast(&h->ended);
    (void)!write(h->wake[1], "", 1); /* a full pipe wakes it too */
    (void)pthread_mutex_unlock(&h->lock);
    return NULL;
}
