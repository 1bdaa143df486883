/* head.c - the head of a request, and where its body ends: functions of bytes alone.
 *
 * Strict where leniency has two readings: lines end with CR LF, names have no space behind them, lines are
 * not folded, what says one thing is there once, a length is digits.  Source: RFC 9112, sections 2 to 7; RFC
 * 9110, section 5.  */
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "server/http/inside.h"

enum { MAX_METHOD = 32, MAX_CHUNK_LINE = 1024, MAX_TRAILER = 8 << 10 };

/* ---- finding its end ----------------------------------------------------------------------- */

const char *tempo_http_scan_head(tempo_http_scan *s, const char *p, size_t n)
{
    for (; s->at < n && s->end == 0; s->at++) {
        const unsigned char c = (unsigned char)p[s->at];
        if (s->cr != (c == '\n'))
            return s->cr ? "a carriage return that ends no line" : "a line that does not end with CR LF";
        if (c == '\n') {
            if (s->at - s->line == 1)
                s->end = s->at + 1;
            s->line = s->at + 1;
            s->has_line = true;
        } else if (c < 0x20 && c != '\r' && c != '\t') {
            return s->at == 0 ? "this is no HTTP (TLS is not spoken here)"
                              : "a control character in the head";
        } else if (c == 0x7f) {
            return "a control character in the head";
        }
        s->cr = c == '\r';
    }
    return NULL;
}

/* ---- the first line -------------------------------------------------------------------------- */

/* Source: RFC 9110, section 5.6.2 (token). */
static bool is_token(const char *s, size_t n)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < n; i++) {
        const char c = s[i], low = (char)(c | 0x20);
        if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return n > 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1": 0, or the status of the refusal. */
static unsigned read_version(const char *s, tempo_http_head *out, const char **why)
{
    if (strncmp(s, "HTTP/", 5) != 0 || !is_digit(s[5]) || s[6] != '.' || !is_digit(s[7]) || s[8] != '\0') {
        *why = "the request's first line does not end with HTTP/1.1";
        return 400;
    }
    if (s[5] != '1') {
        *why = "only HTTP/1.1 and HTTP/1.0 are spoken here";
        return 505;
    }
    out->old = s[7] == '0';
    return 0;
}

/* "http://HOST/PATH" as "HOST" and "/PATH", in place: the scheme leaves room for what comes between them.
 * Another scheme is not ours to answer for.  Source: RFC 9112, section 3.2.2. */
static void split_absolute(char *target, tempo_http_head *out)
{
    static const char scheme[] = "http://";
    const size_t n_scheme = sizeof(scheme) - 1;

    if (strncasecmp(target, scheme, n_scheme) != 0)
        return;
    const size_t n = strcspn(target + n_scheme, "/?#");
    char *rest = target + n_scheme + n;
    memmove(target, target + n_scheme, n);
    target[n] = '\0';
    if (*rest != '/') /* no path is the shortest one */
        *--rest = '/';
    out->authority = target;
    out->target = rest;
}

static unsigned read_request_line(char *line, tempo_http_head *out, const char **why)
{
    char *target = strchr(line, ' '), *version = target == NULL ? NULL : strchr(target + 1, ' ');

    *why = "the request's first line is not METHOD TARGET HTTP/1.1";
    if (version == NULL || strchr(version + 1, ' ') != NULL)
        return 400;
    *target++ = *version++ = '\0';
    out->method = line;
    out->target = target;
    if (!is_token(line, strlen(line)) || strlen(line) > MAX_METHOD || *target == '\0')
        return 400;
    if (strchr(target, '\t') != NULL) {
        *why = "the request's target: white space";
        return 400;
    }
    split_absolute(target, out);
    return read_version(version, out, why);
}

/* ---- the other lines --------------------------------------------------------------------------- */

static unsigned read_header(char *line, tempo_http_head *out, const char **why)
{
    char *colon = strchr(line, ':'), *value, *end;

    if (out->n_headers == TEMPO_HTTP_MAX_HEADERS) {
        *why = "too many header lines";
        return 431;
    }
    *why = "a header line is not NAME: VALUE";
    if (colon == NULL || !is_token(line, (size_t)(colon - line)))
        return 400;
    *colon = '\0';
    value = colon + 1 + strspn(colon + 1, " \t");
    for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t');)
        *--end = '\0';
    out->headers[out->n_headers++] = (tempo_http_pair){line, value};
    return 0;
}

const char *tempo_http_head_find(const tempo_http_head *h, const char *name)
{
    for (size_t i = 0; i < h->n_headers; i++)
        if (strcasecmp(h->headers[i].name, name) == 0)
            return h->headers[i].value;
    return NULL;
}

/* Is the word one of the comma-separated ones? */
static bool has_word(const char *list, const char *word)
{
    const size_t n = strlen(word);

    for (const char *p = list; p != NULL && *p != '\0';) {
        p += strspn(p, " \t,");
        const size_t length = strcspn(p, " \t,;");
        if (length == n && strncasecmp(p, word, n) == 0)
            return true;
        p += strcspn(p, ",");
    }
    return false;
}

/* Headers that say one thing: two of them are two readings of one request. */
static bool is_single_twice(const tempo_http_head *h)
{
    static const char *const single[] = {
        "Host",          "Content-Length", "Content-Type", "Transfer-Encoding",
        "Authorization", "Origin",         "Range",        "Expect"};

    for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++) {
        unsigned seen = 0;
        for (size_t k = 0; k < h->n_headers; k++)
            seen += strcasecmp(h->headers[k].name, single[i]) == 0;
        if (seen > 1)
            return true;
    }
    return false;
}

/* What a target in absolute form says replaces Host, which HTTP/1.1 wants all the same. */
static unsigned replace_host(tempo_http_head *h, const char **why)
{
    size_t i = 0;

    while (i < h->n_headers && strcasecmp(h->headers[i].name, "Host") != 0)
        i++;
    if (h->authority == NULL || (i == h->n_headers && !h->old))
        return 0; /* nothing to replace; its absence is refused where Host is checked */
    if (i == TEMPO_HTTP_MAX_HEADERS) {
        *why = "too many header lines";
        return 431;
    }
    h->n_headers += i == h->n_headers;
    h->headers[i] = (tempo_http_pair){"Host", h->authority};
    return 0;
}

/* Where the body ends, and whether another request may follow. */
static unsigned read_framing(tempo_http_head *h, const char **why)
{
    const char *length = tempo_http_head_find(h, "Content-Length"),
               *coding = tempo_http_head_find(h, "Transfer-Encoding");

    h->close = h->old;
    for (size_t i = 0; i < h->n_headers; i++)
        h->close |=
            strcasecmp(h->headers[i].name, "Connection") == 0 && has_word(h->headers[i].value, "close");
    h->expects = !h->old && has_word(tempo_http_head_find(h, "Expect"), "100-continue");
    h->chunked = coding != NULL;
    if (coding != NULL) {
        *why = h->old ? "Transfer-Encoding in HTTP/1.0" : "both Content-Length and Transfer-Encoding";
        if (h->old || length != NULL)
            return 400;
        *why = "a Transfer-Encoding that is not chunked";
        return strcasecmp(coding, "chunked") == 0 ? 0 : 501;
    }
    if (length == NULL)
        return 0;
    *why = "Content-Length is not a whole number";
    if (*length == '\0')
        return 400;
    for (const char *p = length; *p != '\0'; p++) {
        if (!is_digit(*p))
            return 400;
        const uint64_t digit = (uint64_t)(*p - '0');
        h->length = h->length > (UINT64_MAX - digit) / 10 ? UINT64_MAX : h->length * 10 + digit;
    }
    return 0;
}

unsigned tempo_http_parse_head(tempo_http_head *out, char *p, size_t n, const char **why)
{
    unsigned status = 0;
    bool first = true;

    *out = (tempo_http_head){.method = ""};
    for (char *line = p, *end; line < p + n && status == 0; line = end + 2, first = false) {
        end = memchr(line, '\r', n - (size_t)(line - p)); /* the scan saw that a line feed follows each */
        if (end == NULL || end == line)
            break;
        *end = '\0';
        status = first ? read_request_line(line, out, why) : read_header(line, out, why);
    }
    if (status == 0 && is_single_twice(out)) {
        *why = "a header that says one thing is given twice";
        return 400;
    }
    if (status == 0)
        status = replace_host(out, why);
    return status != 0 ? status : read_framing(out, why);
}

/* ---- the body ---------------------------------------------------------------------------------- */

typedef enum body_state {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_LF,
    END
} body_state;

void tempo_http_body_init(tempo_http_body *b, const tempo_http_head *h)
{
    *b = (tempo_http_body){.chunked = h->chunked, .left = h->chunked ? 0 : h->length};
    b->state = h->chunked ? SIZE : b->left > 0 ? DATA : END;
}

bool tempo_http_body_over(const tempo_http_body *b)
{
    return b->state == END;
}

/* One byte of what is between the chunks' data. */
static const char *take_byte(tempo_http_body *b, char c)
{
    const int digit = tempo_hex_digit(c);

    switch ((body_state)b->state) {
    case SIZE:
        if (digit >= 0 && b->line < 15) {
            b->left = b->left << 4 | (uint64_t)digit;
            b->line++;
        } else if (b->line > 0 && digit < 0 && strchr("; \t\r", c) != NULL && c != '\0') {
            b->state = c == '\r' ? SIZE_LF : EXTENSION;
        } else {
            return "a chunk's size is not a hexadecimal number";
        }
        return NULL;
    case EXTENSION:
        if (c == '\r')
            b->state = SIZE_LF;
        return ++b->line > MAX_CHUNK_LINE || (c < 0x20 && c >= 0 && c != '\r' && c != '\t')
                   ? "a chunk's first line is too long, or has control characters"
                   : NULL;
    case SIZE_LF:
        b->state = b->left > 0 ? DATA : TRAILER;
        b->line = 0;
        return c == '\n' ? NULL : "a chunk's first line does not end with CR LF";
    case DATA_CR:
        b->state = DATA_LF;
        return c == '\r' ? NULL : "a chunk has more bytes than it says";
    case DATA_LF:
        b->state = SIZE;
        return c == '\n' ? NULL : "a chunk does not end with CR LF";
    case TRAILER: /* fields behind the body: nobody reads them */
        if (c == '\r')
            b->state = TRAILER_LF;
        else
            b->line++;
        return ++b->trailer > MAX_TRAILER || c == '\n'
                   ? "the trailer is too long, or its lines do not end with CR LF"
                   : NULL;
    default: /* TRAILER_LF */
        b->state = b->line == 0 ? END : TRAILER;
        b->line = 0;
        return c == '\n' ? NULL : "the trailer's lines do not end with CR LF";
    }
}

const char *tempo_http_body_take(tempo_http_body *b, const char *in, size_t n, size_t *used, size_t *n_data)
{
    const char *why = NULL;

    *used = *n_data = 0;
    while (*used < n && b->state != END && b->state != DATA && why == NULL)
        why = take_byte(b, in[(*used)++]);
    if (why != NULL || b->state != DATA)
        return why;
    *n_data = n - *used < b->left ? n - *used : (size_t)b->left;
    *used += *n_data;
    b->left -= *n_data;
    if (b->left == 0)
        b->state = b->chunked ? DATA_CR : END;
    return NULL;
}
