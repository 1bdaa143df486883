/* http.c - listening, connections, stopping. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/http/inside.h"

void tempo_http_options_init(tempo_http_options *o)
{
    *o = (tempo_http_options){.host = "127.0.0.1",
                              .port = 8080,
                              .max_body = 1 << 20,
                              .max_connections = 256,
                              .header_s = 10,
                              .body_s = 20,
                              .idle_s = 30,
                              .least_rate = 4096};
}

/* ---- listening ------------------------------------------------------------------------- */

static int try_listen(const struct addrinfo *a, int *error)
{
    const int on = 1;
    const int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        *error = errno;
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    *error = errno;
    (void)close(fd);
    return -1;
}

static tempo_status open_listener(tempo_http *h, tempo_err *err)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *all;
    struct sockaddr_storage bound;
    socklen_t n = sizeof(bound);
    char port[8];
    int error = 0;

    (void)snprintf(port, sizeof(port), "%u", h->o.port);
    const int rc = getaddrinfo(h->host, port, &hints, &all);
    if (rc != 0)
        return tempo_fail(err, TEMPO_E_IO, TEMPO_NO_OFFSET, "cannot listen on %.200s port %s: %s", h->host,
                          port, gai_strerror(rc));
    for (int v6 = 0; v6 < 2 && h->listener < 0;
         v6++) /* what "localhost" means to most programs comes first */
        for (const struct addrinfo *a = all; a != NULL && h->listener < 0; a = a->ai_next)
            if ((a->ai_family == AF_INET6) == (v6 == 1))
                h->listener = try_listen(a, &error);
    freeaddrinfo(all);
    if (h->listener < 0)
        return tempo_fail_os(err, error, "cannot listen on %.200s port %s", h->host, port);
    if (getsockname(h->listener, (struct sockaddr *)&bound, &n) != 0)
        return tempo_fail_os(err, errno, "cannot listen on %.200s port %s", h->host, port);
    if (bound.ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&bound;
        h->port = ntohs(a->sin6_port);
        h->any_address = IN6_IS_ADDR_UNSPECIFIED(&a->sin6_addr);
    } else {
        const struct sockaddr_in *a = (const struct sockaddr_in *)&bound;
        h->port = ntohs(a->sin_port);
        h->any_address = a->sin_addr.s_addr == htonl(INADDR_ANY);
    }
    return TEMPO_OK;
}

/* ---- connections ------------------------------------------------------------------------ */

/* Threads of connections that have ended. */
static void join_done(tempo_http *h)
{
    (void)pthread_mutex_lock(&h->lock);
    tempo_http_conn *c = h->done;
    h->done = NULL;
    (void)pthread_mutex_unlock(&h->lock);
    while (c != NULL) {
        tempo_http_conn *next = c->next;
        (void)pthread_join(c->thread, NULL);
        free(c);
        c = next;
    }
}

/* Has nothing of a request come, neither to us nor to the socket?  The lock is held. */
static bool is_idle(const tempo_http_conn *c)
{
    char byte;

    return !c->shut && c->idle_since > 0 && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* Where there are as many as there may be, the one that has been idle longest is shut for a new one: it is
 * over once its thread has run, since it waits for nothing else.  false: none is idle.  The lock is held.  */
static bool make_room(tempo_http *h)
{
    while (h->counts.open_connections >= h->o.max_connections) {
        tempo_http_conn *longest = NULL;
        for (tempo_http_conn *c = h->conns; c != NULL; c = c->next)
            if ((longest == NULL || c->idle_since < longest->idle_since) && is_idle(c))
                longest = c;
        if (longest == NULL)
            return false;
        tempo_http_shut(longest);
        h->counts.displaced++;
        while (h->counts.open_connections >= h->o.max_connections)
            (void)pthread_cond_wait(&h->ended, &h->lock);
    }
    return true;
}

/* false: there are too many already, or there is no thread for it. */
static bool add_conn(tempo_http *h, int fd)
{
    tempo_http_conn *c = calloc(1, sizeof(*c));
    pthread_attr_t attr;
    bool ok = c != NULL && pthread_attr_init(&attr) == 0;

    if (!ok) {
        free(c);
        return false;
    }
    c->h = h;
    c->fd = fd;
    c->accepted = c->idle_since = tempo_http_now();
    (void)pthread_attr_setstacksize(&attr, (size_t)1 << 20);
    (void)pthread_mutex_lock(&h->lock); /* its thread waits for it before it ends */
    ok = make_room(h) && pthread_create(&c->thread, &attr, tempo_http_conn_run, c) == 0;
    if (ok) {
        c->next = h->conns;
        if (c->next != NULL)
            c->next->previous = c;
        h->conns = c;
        h->counts.connections++;
        h->counts.open_connections++;
    } else {
        h->counts.refused++;
    }
    (void)pthread_mutex_unlock(&h->lock);
    (void)pthread_attr_destroy(&attr);
    if (!ok)
        free(c);
    return ok;
}

static void accept_one(tempo_http *h)
{
    const int on = 1;
    const int fd = accept(h->listener, NULL, NULL);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            (void)poll(NULL, 0, 50); /* until some connection ends */
        return;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!add_conn(h, fd))
        (void)close(fd);
}

static bool may_go_on(tempo_http *h)
{
    (void)pthread_mutex_lock(&h->lock);
    const bool on = !h->quit;
    (void)pthread_mutex_unlock(&h->lock);
    return on;
}

static void *listen_on(void *user)
{
    tempo_http *h = user;
    char bytes[64];

    while (may_go_on(h)) {
        struct pollfd p[2] = {{.fd = h->listener, .events = POLLIN}, {.fd = h->wake[0], .events = POLLIN}};
        if (poll(p, 2, -1) <= 0)
            continue;
        if (p[1].revents != 0)
            (void)!read(h->wake[0], bytes, sizeof(bytes));
        join_done(h);
        if (p[0].revents != 0 && may_go_on(h))
            accept_one(h);
    }
    return NULL;
}

static tempo_status start_thread(tempo_http *h, tempo_err *err)
{
    const int rc = pthread_create(&h->thread, NULL, listen_on, h);

    if (rc != 0)
        return tempo_fail_os(err, rc, "cannot start a thread for the HTTP server");
    h->has_thread = true;
    return TEMPO_OK;
}

/* The lock, the condition and the pipe. */
static tempo_status make_means(tempo_http *h, tempo_err *err)
{
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&h->ended, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (pipe(h->wake) != 0) {
        h->wake[0] = h->wake[1] = -1;
        return tempo_fail_os(err, errno, "cannot make a pipe for the HTTP server");
    }
    for (int i = 0; i < 2; i++)
        (void)fcntl(h->wake[i], F_SETFD, FD_CLOEXEC), (void)fcntl(h->wake[i], F_SETFL, O_NONBLOCK);
    return TEMPO_OK;
}

tempo_status tempo_http_start(tempo_http **out, const tempo_http_options *o, tempo_err *err)
{
    tempo_http *h = calloc(1, sizeof(*h));
    tempo_status st;

    *out = NULL;
    if (h == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the HTTP server");
    h->o = *o;
    h->listener = h->wake[0] = h->wake[1] = -1;
    if (o->key != NULL)
        tempo_http_digest(o->key, h->key_digest);
    if ((st = make_means(h, err)) != TEMPO_OK)
        goto out;
    if ((h->host = strdup(o->host)) == NULL) {
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the HTTP server");
        goto out;
    }
    h->o.host = h->host;
    if ((st = open_listener(h, err)) == TEMPO_OK)
        st = start_thread(h, err);
out:
    if (st != TEMPO_OK) {
        tempo_http_free(h);
        h = NULL;
    }
    *out = h;
    return st;
}

uint16_t tempo_http_port(const tempo_http *h)
{
    return h->port;
}

tempo_http_counts tempo_http_get_counts(const tempo_http *h)
{
    tempo_http *mine = (tempo_http *)h; /* the lock is not what const is about */

    (void)pthread_mutex_lock(&mine->lock);
    const tempo_http_counts counts = h->counts;
    (void)pthread_mutex_unlock(&mine->lock);
    return counts;
}

/* ---- stopping --------------------------------------------------------------------------- */

void tempo_http_begin_stop(tempo_http *h)
{
    atomic_store(&h->stopping, true);
}

static void stop_listening(tempo_http *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->quit = true;
    (void)pthread_mutex_unlock(&h->lock);
    (void)!write(h->wake[1], "", 1);
    if (h->has_thread)
        (void)pthread_join(h->thread, NULL);
    h->has_thread = false;
    if (h->listener >= 0)
        (void)close(h->listener); /* who is in the queue learns that nobody will answer */
    h->listener = -1;
}

/* Shut down connections on which no answer is under way, or all.  The lock is held. */
static void shut_conns(tempo_http *h, bool all)
{
    for (tempo_http_conn *c = h->conns; c != NULL; c = c->next)
        if (!c->shut && (all || c->waiting))
            tempo_http_shut(c);
}

void tempo_http_stop(tempo_http *h, double grace_s)
{
    struct timespec until;

    if (h->stopped)
        return;
    h->stopped = true;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const double grace = fmin(grace_s, 1e6) + 1e-9 * (double)until.tv_nsec;
    until.tv_sec += (time_t)grace;
    until.tv_nsec = (long)(1e9 * (grace - floor(grace)));
    tempo_http_begin_stop(h);
    stop_listening(h);
    (void)pthread_mutex_lock(&h->lock);
    h->closing = true;
    shut_conns(h, false);
    while (h->conns != NULL && pthread_cond_timedwait(&h->ended, &h->lock, &until) != ETIMEDOUT)
        continue;
    atomic_store(&h->aborting, true);
    shut_conns(h, true);
    while (h->conns != NULL)
        (void)pthread_cond_wait(&h->ended, &h->lock);
    (void)pthread_mutex_unlock(&h->lock);
    join_done(h);
}

void tempo_http_free(tempo_http *h)
{
    if (h == NULL)
        return;
    tempo_http_stop(h, 0);
    for (int i = 0; i < 2; i++)
        if (h->wake[i] >= 0)
            (void)close(h->wake[i]);
    (void)pthread_cond_destroy(&h->ended);
    (void)pthread_mutex_destroy(&h->lock);
    free(h->host);
    free(h);
}
