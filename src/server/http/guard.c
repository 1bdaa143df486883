/* guard.c - who may ask: Host (against names that are rebound to this machine), Origin (against other
 * sites' pages), the key.  */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "server/http/inside.h"

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

/* NAME or NAME:PORT, as in Host. */
typedef struct authority {
    const char *name; /* [n] an address of six in its brackets */
    size_t n;
    long port; /* -1: none */
} authority;

static bool parse_authority(const char *text, authority *out)
{
    const char *p;
    const bool six = text[0] == '[';

    if (six && strchr(text, ']') == NULL)
        return false;
    out->name = text;
    out->n = six ? strcspn(text, "]") + 1 : strcspn(text, ":");
    out->port = -1;
    p = text + out->n;
    if (out->n == 0 || *p == '\0')
        return out->n > 0;
    if (*p++ != ':' || *p == '\0' || strspn(p, "0123456789") != strlen(p) || strlen(p) > 5)
        return false;
    out->port = strtol(p, NULL, 10);
    return out->port <= UINT16_MAX;
}

static bool is_name(const authority *a, const char *name)
{
    return strlen(name) == a->n && strncasecmp(name, a->name, a->n) == 0;
}

static bool is_loopback(const authority *a)
{
    return is_name(a, "localhost") || is_name(a, "127.0.0.1") || is_name(a, "[::1]");
}

/* The name or address that we listen on. */
static bool is_own_name(const tempo_exchange *x, const authority *a)
{
    const char *mine = x->h->host;
    const size_t n = strlen(mine);

    if (is_name(a, mine))
        return true;
    if (n + 2 == a->n && a->name[0] == '[' && a->name[a->n - 1] == ']' &&
        strncasecmp(mine, a->name + 1, n) == 0)
        return true;
    return x->h->any_address && is_own_address(x->conn, a->name, a->n);
}

/* One of those that the options allow; standard ports need not be said. */
static bool is_allowed(const tempo_exchange *x, const authority *a)
{
    const tempo_http_options *o = &x->h->o;
    authority b;

    for (size_t i = 0; i < o->n_hosts; i++) {
        if (!parse_authority(o->hosts[i], &b) || a->n != b.n || strncasecmp(a->name, b.name, a->n) != 0)
            continue;
        if (b.port < 0 || b.port == a->port || (a->port < 0 && (b.port == 80 || b.port == 443)))
            return true;
    }
    return false;
}

const char *tempo_http_wrong_host(const char *text)
{
    authority a;

    if (!parse_authority(text, &a))
        return "expected NAME, NAME:PORT or [ADDRESS]:PORT";
    for (size_t i = 0; i < a.n; i++)
        if (!isalnum((unsigned char)a.name[i]) && strchr("-._:[]", a.name[i]) == NULL)
            return "a name has letters, digits, '-', '.' and '_' (no scheme, no path)";
    return NULL;
}

/* A loopback name means this machine whatever the port is: it may be forwarded. */
bool tempo_http_check_host(tempo_exchange *x)
{
    const char *host = tempo_exchange_header(x, "Host");
    authority a;

    if (host == NULL) {
        if (x->head.old)
            return true; /* no browser sends that */
        tempo_exchange_error(x, 400, NULL, "the request has no Host");
        return false;
    }
    if (parse_authority(host, &a) && (is_loopback(&a) || is_allowed(x, &a) ||
                                      (is_own_name(x, &a) && (a.port < 0 || a.port == x->h->port))))
        return true;
    tempo_exchange_error(
        x, 403, NULL,
        "Host '%.100s' is not this server's: it is localhost:%u; tempo serve --allow-host NAME allows more",
        host, x->h->port);
    return false;
}

static bool same_site(const authority *a, const authority *b, long standard_port)
{
    return a->n == b->n && strncasecmp(a->name, b->name, a->n) == 0 &&
           (a->port < 0 ? standard_port : a->port) == (b->port < 0 ? standard_port : b->port);
}

/* Is it where the request says it goes to, this server by its own port, or an allowed site? */
static bool is_own_origin(const tempo_exchange *x, const char *origin)
{
    const bool tls = strncasecmp(origin, "https://", 8) == 0;
    const long standard = tls ? 443 : 80, mine = x->h->port;
    const char *text = tempo_exchange_header(x, "Host");
    authority from, host = {.n = 0, .port = -1};

    if ((!tls && strncasecmp(origin, "http://", 7) != 0) || !parse_authority(origin + (tls ? 8 : 7), &from))
        return false;
    if (is_allowed(x, &from))
        return true;
    if (text != NULL && !parse_authority(text, &host))
        return false;
    if (text != NULL && same_site(&from, &host, standard))
        return true;
    /* another of our names, at our own port; behind a forwarded one it would be another server's */
    return !tls && (from.port < 0 ? standard : from.port) == mine && (host.port < 0 || host.port == mine) &&
           (is_loopback(&from) || is_own_name(x, &from));
}

bool tempo_http_check_origin(tempo_exchange *x)
{
    const char *origin = tempo_exchange_header(x, "Origin"),
               *site = tempo_exchange_header(x, "Sec-Fetch-Site"),
               *mode = tempo_exchange_header(x, "Sec-Fetch-Mode");

    if (origin != NULL && !is_own_origin(x, origin)) {
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
    tempo_exchange_error_code(x, 401, NULL, "invalid_api_key",
                              given == NULL ? "this server wants a key: \"Authorization: Bearer KEY\""
                                            : "the key is not this server's");
    return false;
}
