/* http.c - listening, connections, stopping. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/http_inside.h"

void tempo_http_options_init(tempo_http_options *o)
{
    *o = (tempo_http_options){.host = "127.0.0.1",
                              .port = 8080,
                              .max_body = 1 << 20,
                              .max_connections = 256,
                              .header_s = 10,
                              .body_s = 20,
                              .idle_s = 30};
}

/* ---- connections, as the library's listening thread sees them ------------------------- */

static enum MHD_Result may_connect(void *user, const struct sockaddr *address, socklen_t n)
{
    tempo_http *h = user;

    (void)address, (void)n;
    (void)pthread_mutex_lock(&h->lock);
    const bool room = h->counts.open_connections < h->o.max_connections;
    if (!room)
        h->counts.refused++;
    (void)pthread_mutex_unlock(&h->lock);
    return room ? MHD_YES : MHD_NO;
}

static void add_conn(tempo_http *h, struct MHD_Connection *mhd, void **out)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    tempo_http_conn *c = calloc(1, sizeof(*c));

    if (c == NULL || info == NULL) {
        free(c);
        return; /* requests on it are refused */
    }
    *c = (tempo_http_conn){.h = h,
                           .fd = info->connect_fd,
                           .state = TEMPO_HTTP_HEADERS,
                           .deadline = tempo_http_now() + h->o.header_s};
    (void)pthread_mutex_lock(&h->lock);
    const bool first = h->conns == NULL;
    c->next = h->conns;
    if (c->next != NULL)
        c->next->previous = c;
    h->conns = c;
    h->counts.connections++;
    h->counts.open_connections++;
    (void)pthread_mutex_unlock(&h->lock);
    *out = c;
    if (first)
        tempo_http_wake(h);
}

static void remove_conn(tempo_http *h, tempo_http_conn *c)
{
    (void)pthread_mutex_lock(&h->lock);
    if (c->next != NULL)
        c->next->previous = c->previous;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        h->conns = c->next;
    h->counts.open_connections--;
    (void)pthread_mutex_unlock(&h->lock);
    free(c);
}

static void notify_conn(void *user, struct MHD_Connection *mhd, void **conn,
                        enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        add_conn(user, mhd, conn);
    } else if (*conn != NULL) {
        remove_conn(user, *conn);
        *conn = NULL;
    }
}

/* Paths and queries are decoded by http_route.c, which refuses what it should not see. */
static size_t leave_escaped(void *user, struct MHD_Connection *mhd, char *s)
{
    (void)user, (void)mhd;
    return strlen(s);
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

static tempo_status start_daemon(tempo_http *h, tempo_err *err)
{
    h->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0,
        may_connect, h, tempo_exchange_feed, h, MHD_OPTION_LISTEN_SOCKET, h->listener,
        MHD_OPTION_CONNECTION_LIMIT,
        h->o.max_connections + 16, /* may_connect is the limit: above the library's own, clients would hang */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)3 * TEMPO_HTTP_MAX_HEAD, MHD_OPTION_CONNECTION_TIMEOUT,
        0u, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_STACK_SIZE, (size_t)1 << 20,
        MHD_OPTION_NOTIFY_CONNECTION, notify_conn, h, MHD_OPTION_NOTIFY_COMPLETED, tempo_exchange_end, h,
        MHD_OPTION_URI_LOG_CALLBACK, tempo_exchange_begin, h, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped,
        NULL, MHD_OPTION_END);
    if (h->daemon == NULL)
        return tempo_fail_os(err, errno, "cannot start the HTTP library on %.200s port %u", h->host, h->port);
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
    (void)pthread_mutex_init(&h->lock, NULL);
    if (o->key != NULL)
        tempo_http_digest(o->key, h->key_digest);
    if ((h->host = strdup(o->host)) == NULL) {
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the HTTP server");
        goto out;
    }
    h->o.host = h->host;
    if (pipe(h->wake) != 0) {
        st = tempo_fail_os(err, errno, "cannot make a pipe for the HTTP server");
        goto out;
    }
    for (int i = 0; i < 2; i++)
        (void)fcntl(h->wake[i], F_SETFD, FD_CLOEXEC), (void)fcntl(h->wake[i], F_SETFL, O_NONBLOCK);
    if ((st = open_listener(h, err)) != TEMPO_OK)
        goto out;
    const int rc = pthread_create(&h->reaper, NULL, tempo_http_reap, h);
    if (rc != 0) {
        st = tempo_fail_os(err, rc, "cannot start a thread for the HTTP server");
        goto out;
    }
    h->has_reaper = true;
    st = start_daemon(h, err);
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

/* Shut down connections on which no answer is under way, or all; how many there are left. */
static unsigned shut_conns(tempo_http *h, bool all)
{
    unsigned n = 0;

    (void)pthread_mutex_lock(&h->lock);
    for (tempo_http_conn *c = h->conns; c != NULL; c = c->next, n++)
        if (c->state != TEMPO_HTTP_SHUT &&
            (all || c->state == TEMPO_HTTP_HEADERS || c->state == TEMPO_HTTP_IDLE))
            tempo_http_shut(c);
    (void)pthread_mutex_unlock(&h->lock);
    return n;
}

void tempo_http_begin_stop(tempo_http *h)
{
    atomic_store(&h->stopping, true);
}

void tempo_http_stop(tempo_http *h, double grace_s)
{
    const double until = tempo_http_now() + grace_s;

    if (h->stopped)
        return;
    h->stopped = true;
    tempo_http_begin_stop(h);
    if (h->daemon != NULL) {
        (void)MHD_quiesce_daemon(h->daemon);
        (void)shutdown(h->listener, SHUT_RD); /* who is in the queue learns that nobody will answer */
        while (shut_conns(h, false) > 0 && tempo_http_now() < until)
            (void)poll(NULL, 0, 10);
        atomic_store(&h->aborting, true);
        (void)shut_conns(h, true);
        MHD_stop_daemon(h->daemon);
        h->daemon = NULL;
    }
    if (h->has_reaper) {
        (void)pthread_mutex_lock(&h->lock);
        h->quit = true;
        (void)pthread_mutex_unlock(&h->lock);
        tempo_http_wake(h);
        (void)pthread_join(h->reaper, NULL);
    }
    if (h->listener >= 0)
        (void)close(h->listener);
    h->listener = -1;
}

void tempo_http_free(tempo_http *h)
{
    if (h == NULL)
        return;
    tempo_http_stop(h, 0);
    for (int i = 0; i < 2; i++)
        if (h->wake[i] >= 0)
            (void)close(h->wake[i]);
    (void)pthread_mutex_destroy(&h->lock);
    free(h->host);
    free(h);
}
