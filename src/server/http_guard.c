/* http_guard.c - who may ask: Host (against names that are rebound to this machine), Origin (against other
 * sites' pages), the key.  */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "server/http_inside.h"

/* Is host[n], brackets included, the address that the client reached us at? */
static bool is_own_address(const tempo_http_conn *c, const char *host, size_t n)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof(own);
    char text[INET6_ADDRSTRLEN + 2] = "[", *address = text + 1;

    if (getsockname(c->fd, (struct sockaddr *)&own, &size) != 0)
        return false;
    if (own.ss_family == AF_INET) {
        address = text;
        if (inet_ntop(AF_INET, &((struct sockaddr_in *)&own)->sin_addr, address, INET6_ADDRSTRLEN) == NULL)
            return false;
    } else {
        if (inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&own)->sin6_addr, address, INET6_ADDRSTRLEN) == NULL)
            return false;
        if (strncmp(address, "::ffff:", 7) == 0 &&
            strchr(address, '.') != NULL) /* IPv4 through an IPv6 socket */
            memmove(text, address + 7, strlen(address + 7) + 1);
        else
            strcat(address, "]");
    }
    return strlen(text) == n && strncasecmp(text, host, n) == 0;
}

static bool is_own_name(const tempo_exchange *x, const char *host, size_t n)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *mine = x->h->host;
    const size_t n_mine = strlen(mine);

    for (size_t i = 0; i < sizeof(loopback) / sizeof(*loopback); i++)
        if (strlen(loopback[i]) == n && strncasecmp(loopback[i], host, n) == 0)
            return true;
    if (n_mine == n && strncasecmp(mine, host, n) == 0)
        return true;
    if (n_mine + 2 == n && host[0] == '[' && host[n - 1] == ']' && strncasecmp(mine, host + 1, n_mine) == 0)
        return true;
    return x->h->any_address && is_own_address(x->conn, host, n);
}

/* NAME, NAME:PORT; without a port it is `port` that is meant, 0: ours. */
static bool is_own_host(const tempo_exchange *x, const char *host, unsigned port)
{
    const size_t n = host[0] == '[' ? strcspn(host, "]") + (strchr(host, ']') != NULL) : strcspn(host, ":");
    char own[8];

    (void)snprintf(own, sizeof(own), "%u", x->h->port);
    if (host[n] == '\0' ? port != 0 && port != x->h->port : host[n] != ':' || strcmp(host + n + 1, own) != 0)
        return false;
    return is_own_name(x, host, n);
}

bool tempo_http_check_host(tempo_exchange *x)
{
    const char *host = tempo_exchange_header(x, "Host");

    if (host == NULL) {
        if (strcmp(x->version, "HTTP/1.0") == 0)
            return true; /* no browser sends that */
        tempo_exchange_error(x, 400, NULL, "the request has no Host");
        return false;
    }
    if (is_own_host(x, host, 0))
        return true;
    tempo_exchange_error(x, 403, NULL, "Host '%.100s' is not this server's: it is localhost:%u", host,
                         x->h->port);
    return false;
}

bool tempo_http_check_origin(tempo_exchange *x)
{
    const char *origin = tempo_exchange_header(x, "Origin"),
               *site = tempo_exchange_header(x, "Sec-Fetch-Site"),
               *mode = tempo_exchange_header(x, "Sec-Fetch-Mode");

    if (origin != NULL && (strncasecmp(origin, "http://", 7) != 0 || !is_own_host(x, origin + 7, 80))) {
        tempo_exchange_error(x, 403, NULL, "Origin '%.100s' is another site", origin);
        return false;
    }
    /* Another site may link to the page, no more. */
    if (site != NULL && strcasecmp(site, "cross-site") == 0 &&
        !(x->route != NULL && x->route->open && strcmp(x->route->method, "GET") == 0 && mode != NULL &&
          strcasecmp(mode, "navigate") == 0)) {
        tempo_exchange_error(x, 403, NULL, "the request comes from another site's page");
        return false;
    }
    return true;
}

void tempo_http_digest(const char *key, unsigned char out[TEMPO_HTTP_DIGEST])
{
    (void)SHA256((const unsigned char *)key, strlen(key), out);
}

bool tempo_http_check_key(tempo_exchange *x)
{
    const char *given = tempo_exchange_header(x, "Authorization");
    unsigned char digest[TEMPO_HTTP_DIGEST];

    if (x->h->o.key == NULL || x->route->open)
        return true;
    if (given != NULL && strncasecmp(given, "Bearer ", 7) == 0) {
        given += 7 + strspn(given + 7, " ");
        tempo_http_digest(given, digest); /* so that the time says nothing about length or beginning */
        if (CRYPTO_memcmp(digest, x->h->key_digest, sizeof(digest)) == 0)
            return true;
    }
    tempo_exchange_set_header(x, "WWW-Authenticate", "Bearer");
    tempo_exchange_error(x, 401, NULL,
                         given == NULL ? "this server wants a key: \"Authorization: Bearer KEY\""
                                       : "the key is not this server's");
    return false;
}
