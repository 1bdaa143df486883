/* route.c - paths and queries, decoded once; which route they mean. */
#include <stdio.h>
#include <string.h>

#include "server/http/inside.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decode s in place.  plus: '+' is a space.  NULL, or what is wrong. */
static const char *decode(char *s, bool plus)
{
    char *out = s, *begin = s;

    for (; *s != '\0'; s++) {
        if (*s == '%') {
            const int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);
            if (low < 0)
                return "a '%' without two hexadecimal digits";
            if (high == 0 && low == 0)
                return "a NUL";
            *out++ = (char)(high * 16 + low);
            s += 2;
        } else {
            *out++ = *s == '+' && plus ? ' ' : *s;
        }
    }
    *out = '\0';
    return tempo_utf8_valid(begin, (size_t)(out - begin)) == (size_t)(out - begin)
               ? NULL
               : "bytes that are not UTF-8";
}

/* What a decoded segment must not be: a way to other directories, or encoded once more. */
static const char *check_segment(const char *s)
{
    if (s[0] == '\0')
        return "an empty segment";
    if (strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
        return "a segment '.' or '..'";
    for (const unsigned char *p = (const unsigned char *)s; *p != '\0'; p++) {
        if (*p == '/' || *p == '\\')
            return "an encoded slash or a backslash";
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
            return "a control character";
        if (*p == '%' && hex((char)p[1]) >= 0 && hex((char)p[2]) >= 0)
            return "something encoded twice";
    }
    return NULL;
}

static const char *parse_path(tempo_exchange *x, char *path)
{
    const char *wrong;

    if (*path != '/')
        return "the path does not begin with '/'";
    if (path[1] == '\0')
        return NULL; /* no segments */
    for (char *p = path + 1; p != NULL;) {
        char *slash = strchr(p, '/');
        if (slash != NULL)
            *slash++ = '\0';
        if (x->n_segments == TEMPO_HTTP_MAX_SEGMENTS)
            return "the path has too many segments";
        if ((wrong = decode(p, false)) != NULL || (wrong = check_segment(p)) != NULL)
            return wrong;
        x->segment[x->n_segments++] = p;
        p = slash;
    }
    return NULL;
}

static const char *parse_query(tempo_exchange *x, char *query)
{
    const char *wrong;

    for (char *p = query; p != NULL && *p != '\0';) {
        char *rest = strchr(p, '&');
        if (rest != NULL)
            *rest++ = '\0';
        char *value = strchr(p, '=');
        if (value != NULL)
            *value++ = '\0';
        if (*p != '\0' || value != NULL) {
            if (x->n_queries == TEMPO_HTTP_MAX_QUERIES)
                return "too many query parameters";
            if ((wrong = decode(p, true)) != NULL || (value != NULL && (wrong = decode(value, true)) != NULL))
                return wrong;
            if (tempo_exchange_query(x, p) != NULL)
                return "a query parameter is given twice";
            x->query[x->n_queries++] = (tempo_http_pair){p, value == NULL ? "" : value};
        }
        p = rest;
    }
    return NULL;
}

bool tempo_http_parse_uri(tempo_exchange *x, const char **reason)
{
    char *query = strchr(x->path, '?');

    if (query != NULL)
        *query++ = '\0';
    *reason = strchr(x->path, '#') != NULL ? "a fragment in the request's target" : parse_path(x, x->path);
    if (*reason == NULL)
        *reason = parse_query(x, query);
    return *reason == NULL;
}

/* ---- routes ----------------------------------------------------------------------------- */

/* The pattern's next segment from *p on, of *n bytes; false at its end. */
static bool next_segment(const char **p, const char **segment, size_t *n)
{
    if ((*p)[0] != '/' || (*p)[1] == '\0')
        return false;
    *segment = *p + 1;
    *n = strcspn(*segment, "/");
    *p = *segment + *n;
    return true;
}

/* 0: the pattern is not this path's; else the larger, the earlier it is literal. */
static unsigned rank(const tempo_exchange *x, const char *pattern)
{
    const char *s;
    unsigned value = 1;
    size_t i = 0, n;

    while (next_segment(&pattern, &s, &n)) {
        if (i == x->n_segments)
            return 0;
        const char *mine = x->segment[i++];
        const bool literal = s[0] != '{';
        if (literal && (strlen(mine) != n || memcmp(mine, s, n) != 0))
            return 0;
        value = value << 1 | literal;
    }
    return i == x->n_segments ? value : 0;
}

static bool answers(const tempo_route *r, const char *method)
{
    return strcmp(r->method, method) == 0 || (strcmp(r->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

bool tempo_http_find_route(tempo_exchange *x, bool *found, char *allow, size_t cap)
{
    const tempo_http_options *o = &x->h->o;
    unsigned best = 0;
    size_t n = 0;

    x->route = NULL;
    allow[0] = '\0';
    for (size_t i = 0; i < o->n_routes; i++) {
        const unsigned value = rank(x, o->routes[i].path);
        best = value > best ? value : best;
    }
    *found = best > 0;
    for (size_t i = 0; i < o->n_routes && *found; i++) {
        const tempo_route *r = &o->routes[i];
        if (rank(x, r->path) != best)
            continue;
        if (answers(r, x->method)) {
            x->route = r;
            return true;
        }
        n += (size_t)snprintf(allow + n, n < cap ? cap - n : 0, "%s%s%s", n > 0 ? ", " : "", r->method,
                              strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
        n = n < cap ? n : cap;
    }
    return false;
}

const char *tempo_exchange_segment(const tempo_exchange *x, const char *name)
{
    const char *pattern = x->route->path, *s;
    const size_t n_name = strlen(name);
    size_t n;

    for (size_t i = 0; next_segment(&pattern, &s, &n); i++)
        if (n == n_name + 2 && s[0] == '{' && memcmp(s + 1, name, n_name) == 0)
            return x->segment[i];
    return "";
}

const char *tempo_exchange_query(const tempo_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->n_queries; i++)
        if (strcmp(x->query[i].name, name) == 0)
            return x->query[i].value;
    return NULL;
}

const char *tempo_exchange_query_name(const tempo_exchange *x, size_t i)
{
    return i < x->n_queries ? x->query[i].name : NULL;
}
