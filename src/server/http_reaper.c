/* http_reaper.c - deadlines: the library's own timeout counts silence only, and not while a handler works. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/http_inside.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

double tempo_http_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool tempo_http_enter(tempo_http_conn *c, tempo_http_state state, double seconds)
{
    (void)pthread_mutex_lock(&c->h->lock);
    const bool open = c->state != TEMPO_HTTP_SHUT;
    if (open) {
        c->state = state;
        c->deadline = tempo_http_now() + seconds;
    }
    (void)pthread_mutex_unlock(&c->h->lock);
    return open;
}

void tempo_http_shut(tempo_http_conn *c)
{
    c->state = TEMPO_HTTP_SHUT;
    c->deadline = INFINITY;
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

void tempo_http_linger(tempo_http_conn *c)
{
    enum { MOST = 8 << 20 };
    const double until = tempo_http_now() + 1;
    char bytes[8192];
    size_t read = 0;

    (void)shutdown(c->fd, SHUT_WR);
    while (read < MOST && tempo_http_now() < until && !atomic_load(&c->h->aborting)) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (poll(&p, 1, 50) == 0)
            continue;
        const ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return;
        read += n > 0 ? (size_t)n : 0;
    }
}

void tempo_http_wake(tempo_http *h)
{
    (void)!write(h->wake[1], "", 1); /* a full pipe wakes it too */
}

/* The lock is held. */
static void expire(tempo_http_conn *c)
{
    tempo_http *h = c->h;

    h->counts.timed_out++;
    /* Nothing of an answer has been written in these states, and none will be: they are left under the lock.
     */
    if (c->state == TEMPO_HTTP_HEADERS || c->state == TEMPO_HTTP_BODY ||
        (c->state == TEMPO_HTTP_IDLE && c->line)) {
        tempo_http_answer_raw(c, 408,
                              c->state == TEMPO_HTTP_BODY ? "the request's body did not arrive in time"
                                                          : "the request's headers did not arrive in time");
        tempo_http_count(h, 408);
    }
    tempo_http_shut(c);
}

/* Milliseconds until the reaper should look again; -1: when it is woken. */
static int look(tempo_http *h)
{
    const double now = tempo_http_now();
    double next = INFINITY;

    for (tempo_http_conn *c = h->conns; c != NULL; c = c->next) {
        if (c->deadline <= now)
            expire(c);
        next = fmin(next, c->deadline);
    }
    if (h->conns == NULL)
        return -1;
    /* Deadlines that are set in the meantime are at least the shortest of these ahead. */
    next = fmin(next - now, fmin(h->o.header_s, fmin(h->o.body_s, h->o.idle_s)));
    return (int)(1000 * fmin(fmax(next, 0.002), 3600)) + 1;
}

void *tempo_http_reap(void *user)
{
    tempo_http *h = user;
    char bytes[64];

    (void)pthread_mutex_lock(&h->lock);
    while (!h->quit) {
        const int wait_ms = look(h);
        (void)pthread_mutex_unlock(&h->lock);
        struct pollfd p = {.fd = h->wake[0], .events = POLLIN};
        if (poll(&p, 1, wait_ms) > 0)
            (void)!read(h->wake[0], bytes, sizeof(bytes));
        (void)pthread_mutex_lock(&h->lock);
    }
    (void)pthread_mutex_unlock(&h->lock);
    return NULL;
}
