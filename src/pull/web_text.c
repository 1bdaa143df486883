/* web_text.c - URLs and header lines: what a request writes and what it reads.  Sources: RFC 3986, RFC 9110;
 * the hub's headers as huggingface_hub reads them.  */
#include <curl/curl.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "pull/web.h"

/* ---- URLs ---- */

bool tempo_url_append(char *url, size_t cap, const char *text, const char *keep)
{
    size_t used = strlen(url);

    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        const bool plain = isalnum(c) || strchr("-._~", c) != NULL || strchr(keep, c) != NULL;
        if (used + (plain ? 1 : 3) >= cap)
            return false;
        used += (size_t)snprintf(url + used, cap - used, plain ? "%c" : "%%%02X", c);
    }
    return true;
}

/* The part of a URL as text[cap]; "" when it has none, or one that is longer. */
static void url_part(CURLU *u, CURLUPart part, unsigned flags, char *text, size_t cap)
{
    char *value = NULL;

    text[0] = '\0';
    if (curl_url_get(u, part, &value, flags) == CURLUE_OK && strlen(value) < cap)
        memcpy(text, value, strlen(value) + 1);
    curl_free(value);
}

typedef struct origin {
    char scheme[16], host[256], port[16];
} origin;

static origin origin_of(CURLU *u)
{
    origin o;

    url_part(u, CURLUPART_SCHEME, 0, o.scheme, sizeof(o.scheme));
    url_part(u, CURLUPART_HOST, 0, o.host, sizeof(o.host));
    url_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, o.port, sizeof(o.port));
    return o;
}

static tempo_status follow(CURLU *u, const char *location, char *out, size_t cap, bool *same, tempo_err *err)
{
    const origin from = origin_of(u);

    if (curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE) != CURLUE_OK)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "a redirect to what is no URL");
    (void)curl_url_set(u, CURLUPART_USER, NULL, 0);
    (void)curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
    (void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    const origin to = origin_of(u);
    if (strcasecmp(to.scheme, "https") != 0 && strcasecmp(to.scheme, "http") != 0)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "a redirect to %s://, which is not followed",
                          to.scheme);
    if (strcasecmp(from.scheme, "https") == 0 && strcasecmp(to.scheme, "https") != 0)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "a redirect from https to http (%s), which is not followed", to.host);
    *same = from.host[0] != '\0' && strcasecmp(from.scheme, to.scheme) == 0 &&
            strcasecmp(from.host, to.host) == 0 && strcmp(from.port, to.port) == 0;
    url_part(u, CURLUPART_URL, 0, out, cap);
    return out[0] != '\0' ? TEMPO_OK
                          : tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                                       "a redirect to a URL of more than %zu bytes", cap - 1);
}

tempo_status tempo_url_redirect(const char *url, const char *location, char *out, size_t cap, bool *same,
                                tempo_err *err)
{
    CURLU *u = curl_url();
    tempo_status st;

    *same = false;
    out[0] = '\0';
    if (u == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a URL");
    st = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK
             ? follow(u, location, out, cap, same, err)
             : tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%.200s is no URL", url);
    curl_url_cleanup(u);
    return st;
}

/* ---- headers ---- */

/* The value of the header `name` in line[n] -> text[cap], cut; false when it is another. */
static bool is_header(const char *line, size_t n, const char *name, char *text, size_t cap)
{
    const size_t len = strlen(name);

    if (n <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
        return false;
    line += len + 1;
    n -= len + 1;
    while (n > 0 && (line[0] == ' ' || line[0] == '\t'))
        line++, n--;
    while (n > 0 && strchr(" \t\r\n", line[n - 1]) != NULL)
        n--;
    n = n < cap ? n : cap - 1;
    memcpy(text, line, n);
    text[n] = '\0';
    return true;
}

/* A whole number that fits, else `otherwise`. */
static uint64_t read_number(const char **s, uint64_t otherwise)
{
    uint64_t v = 0;
    const char *begin = *s;

    for (; **s >= '0' && **s <= '9'; (*s)++) {
        if (v > (uint64_t)INT64_MAX / 10 - 1)
            return otherwise;
        v = 10 * v + (uint64_t)(**s - '0');
    }
    return *s > begin ? v : otherwise;
}

static uint64_t whole_number(const char *s)
{
    const uint64_t v = read_number(&s, UINT64_MAX);

    return *s == '\0' ? v : UINT64_MAX;
}

/* bytes 5-9/10 */
static void read_range(tempo_web_answer *a, const char *s)
{
    if (strncasecmp(s, "bytes ", 6) != 0)
        return;
    s += 6;
    a->from = read_number(&s, UINT64_MAX);
    s += *s == '-';
    (void)read_number(&s, 0);
    a->total = *s == '/' ? whole_number(s + 1) : UINT64_MAX;
}

/* W/"abc" and "abc" are abc. */
static void read_etag(tempo_web_answer *a, const char *s, bool linked)
{
    if (a->linked && !linked)
        return;
    s += s[0] == 'W' && s[1] == '/' ? 2 : 0;
    s += *s == '"';
    const size_t n = strcspn(s, "\"");
    memcpy(a->etag, s, n);
    a->etag[n] = '\0';
    a->linked = linked;
}

/* Seconds, or a date; what is neither counts as not said. */
static void read_retry_after(tempo_web_answer *a, const char *s)
{
    const uint64_t v = whole_number(s);
    const time_t date = v == UINT64_MAX ? curl_getdate(s, NULL) : -1, now = time(NULL);

    if (v != UINT64_MAX)
        a->retry_after_s = (long long)v;
    else if (date != -1)
        a->retry_after_s = date > now ? (long long)(date - now) : 0;
}

/* "HTTP/1.1 200 OK": what the response before it said of itself counts no more. */
static void begin_response(tempo_web_answer *a, const char *line, size_t n, char *location)
{
    const char *space = memchr(line, ' ', n);

    a->status = 0;
    for (size_t i = 1; space != NULL && i <= 3 && space + i < line + n; i++)
        a->status = 10 * a->status + (space[i] - '0');
    a->length = a->from = a->total = UINT64_MAX;
    a->encoded = false;
    a->retry_after_s = -1;
    location[0] = '\0';
}

static void own_header(tempo_web_answer *a, const char *line, size_t n)
{
    char text[TEMPO_WEB_TEXT];

    if (is_header(line, n, "X-Repo-Commit", text, sizeof(text)))
        memcpy(a->commit, text, sizeof(text));
    else if (is_header(line, n, "X-Linked-Etag", text, sizeof(text)))
        read_etag(a, text, true);
    else if (is_header(line, n, "X-Linked-Size", text, sizeof(text)))
        a->linked_size = whole_number(text);
    else if (a->status / 100 == 2 && is_header(line, n, "ETag", text, sizeof(text)))
        read_etag(a, text, false);
    else if (is_header(line, n, "X-Error-Code", text, sizeof(text)))
        tempo_utf8_shown(a->error_code, text, strlen(text));
    else if (is_header(line, n, "X-Error-Message", text, sizeof(text)))
        tempo_utf8_shown(a->error_text, text, strlen(text));
}

void tempo_web_header(tempo_web_answer *a, bool own, const char *line, size_t n, char *location, size_t cap)
{
    char text[TEMPO_WEB_TEXT];

    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
        begin_response(a, line, n, location);
    else if (is_header(line, n, "Content-Length", text, sizeof(text)))
        a->length = whole_number(text);
    else if (is_header(line, n, "Content-Range", text, sizeof(text)))
        read_range(a, text);
    else if (is_header(line, n, "Content-Encoding", text, sizeof(text)))
        a->encoded = text[0] != '\0' && strcasecmp(text, "identity") != 0;
    else if (is_header(line, n, "Retry-After", text, sizeof(text)))
        read_retry_after(a, text);
    else if (!is_header(line, n, "Location", location, cap) && own)
        own_header(a, line, n);
}
