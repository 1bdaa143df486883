#include "pull/web.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "io/json.h"

enum {
    MAX_HOPS = 10,
    MAX_HEADERS = 256 << 10, /* bytes of all headers of a request */
    MAX_IGNORED = 1 << 20,   /* bytes of a body that is no file: of redirects, of refusals */
    ERROR_BYTES = 4096,      /* of a refusal's body that are read */
};

struct tempo_web {
    CURL *easy;
    const tempo_hub_settings *s;
    bool reached; /* somebody has answered: what fails to connect later may be mended */
    char user_agent[64];
};

/* One request to one URL. */
typedef struct exchange {
    tempo_web *h;
    const tempo_web_request *r;
    tempo_web_answer *a;
    bool own; /* the hub itself, which gets the token */
    char location[TEMPO_WEB_MAX_URL];
    size_t header_bytes, ignored;
    uint64_t body_bytes; /* that were taken */
    bool headers_whole, stopped, quiet;
    int64_t heard_ms; /* when something came last */
    char body[ERROR_BYTES];
    size_t n_body;
    tempo_status taken;
    tempo_err *err;
} exchange;

/* ---- what libcurl calls ---- */

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t on_header(char *line, size_t size, size_t n, void *user)
{
    exchange *x = user;

    n *= size;
    x->heard_ms = now_ms();
    if ((x->header_bytes += n) > MAX_HEADERS) {
        x->taken = tempo_fail(x->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than %d KiB of headers",
                              MAX_HEADERS >> 10);
        return 0;
    }
    x->h->reached = true;
    x->headers_whole = n > 0 && (line[0] == '\r' || line[0] == '\n');
    tempo_web_header(x->a, x->own, line, n, x->location, sizeof(x->location));
    return n;
}

/* The body of what is no file: its beginning may say why. */
static size_t ignore(exchange *x, const char *p, size_t n)
{
    const size_t take = n < sizeof(x->body) - x->n_body ? n : sizeof(x->body) - x->n_body;

    memcpy(x->body + x->n_body, p, take);
    x->n_body += take;
    return (x->ignored += n) <= MAX_IGNORED ? n : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *user)
{
    exchange *x = user;

    n *= size;
    x->heard_ms = now_ms();
    if (x->a->status / 100 != 2)
        return ignore(x, p, n);
    if (x->a->encoded)
        x->taken = tempo_fail(x->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "it comes with an encoding of its contents that was not asked for");
    else
        x->taken = x->r->take(x->r->take_user, x->a, x->body_bytes, p, n, x->err);
    x->body_bytes += n;
    return x->taken == TEMPO_OK ? n : 0;
}

/* Called at least once a second. */
static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    exchange *x = user;

    (void)a, (void)b, (void)c, (void)d;
    x->stopped = x->r->go_on != NULL && !x->r->go_on(x->r->go_on_user);
    x->quiet = now_ms() - x->heard_ms > (int64_t)x->h->s->quiet_s * 1000;
    return x->stopped || x->quiet;
}

/* ---- one exchange ---- */

/* The headers that the request has beside libcurl's own; NULL: no memory. */
static struct curl_slist *request_headers(const exchange *x)
{
    char token[TEMPO_MAX_TOKEN + 32];
    struct curl_slist *list = curl_slist_append(NULL, "Accept-Encoding: identity"), *more;

    if (list == NULL || !x->own || x->h->s->token[0] == '\0')
        return list;
    (void)snprintf(token, sizeof(token), "Authorization: Bearer %s", x->h->s->token);
    if ((more = curl_slist_append(list, token)) == NULL)
        curl_slist_free_all(list);
    return more;
}

/* So that nothing but the protocols that are meant is ever spoken. */
static void allow_http_alone(CURL *e)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_options(exchange *x, const char *url, struct curl_slist *headers, char *message)
{
    const tempo_hub_settings *s = x->h->s;
    CURL *e = x->h->easy;
    char range[32];

    curl_easy_reset(e); /* keeps the connections */
    allow_http_alone(e);
    (void)curl_easy_setopt(e, CURLOPT_URL, url);
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* no token to a proxy */
    (void)curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, x->h->user_agent);
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, message);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(e, CURLOPT_XFERINFODATA, x);
    (void)curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)s->quiet_s);
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT, (long)x->r->seconds);
    (void)curl_easy_setopt(e, CURLOPT_NOBODY, x->r->head ? 1L : 0L);
    if (s->ca_file[0] != '\0')
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, s->ca_file);
    if (x->r->from > 0) {
        (void)snprintf(range, sizeof(range), "%" PRIu64 "-", x->r->from);
        (void)curl_easy_setopt(e, CURLOPT_RANGE, range); /* copied */
    }
}

/* Does it help to ask once more? */
static bool may_pass(const exchange *x, CURLcode code)
{
    curl_off_t connected = 0;

    (void)curl_easy_getinfo(x->h->easy, CURLINFO_CONNECT_TIME_T, &connected);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return x->h->reached;
    case CURLE_OPERATION_TIMEDOUT:
        return x->h->reached || connected > 0;
    case CURLE_FAILED_INIT:
    case CURLE_URL_MALFORMAT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
        return false;
    default:
        return true;
    }
}

static tempo_status judge(const exchange *x, CURLcode code, const char *message)
{
    char shown[CURL_ERROR_SIZE + 1];

    if (x->stopped)
        return tempo_fail(x->err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped");
    if (x->taken != TEMPO_OK)
        return x->taken;
    if (x->quiet)
        return tempo_fail(x->err, x->h->reached ? TEMPO_E_BUSY : TEMPO_E_IO, TEMPO_NO_OFFSET,
                          "nothing has come for %" PRIu64 " s", x->h->s->quiet_s);
    if (code == CURLE_OK && x->headers_whole)
        return TEMPO_OK;
    if (code == CURLE_WRITE_ERROR && x->ignored > MAX_IGNORED) /* it has a status nevertheless */
        return TEMPO_OK;
    if (code == CURLE_OK)
        message = "the connection was closed within the headers";
    else if (message[0] == '\0')
        message = curl_easy_strerror(code);
    tempo_utf8_shown(shown, message, strnlen(message, CURL_ERROR_SIZE));
    return tempo_fail(x->err, code == CURLE_OK || may_pass(x, code) ? TEMPO_E_BUSY : TEMPO_E_IO,
                      TEMPO_NO_OFFSET, "%s", shown);
}

static tempo_status exchange_one(exchange *x, const char *url)
{
    char message[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = request_headers(x);

    if (headers == NULL)
        return tempo_fail(x->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a request");
    set_options(x, url, headers, message);
    x->heard_ms = now_ms();
    const CURLcode code = curl_easy_perform(x->h->easy);
    const tempo_status st = judge(x, code, message);
    curl_slist_free_all(headers);
    return st;
}

/* What a refusal says in its body: {"error": "..."} */
static void read_error(const exchange *x)
{
    tempo_err ignored = {0};
    const char *text = NULL;
    json_t *root = NULL;

    if (x->a->status / 100 == 2 || x->a->error_text[0] != '\0' || !x->own)
        return;
    if (tempo_json_parse(&root, x->body, x->n_body, &ignored) == TEMPO_OK &&
        tempo_json_str(root, "error", &text, &ignored) == TEMPO_OK)
        tempo_utf8_shown(x->a->error_text, text, strnlen(text, sizeof(x->a->error_text) - 1));
    json_decref(root);
}

static bool is_redirect(const exchange *x)
{
    const long status = x->a->status;

    return x->location[0] != '\0' &&
           (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

static tempo_status follow_redirects(exchange *x, char url[TEMPO_WEB_MAX_URL])
{
    char next[TEMPO_WEB_MAX_URL];

    for (unsigned hops = 0;; hops++) {
        bool same = false;
        tempo_status st = exchange_one(x, url);
        if (st != TEMPO_OK || !is_redirect(x))
            return st;
        if (hops == MAX_HOPS)
            return tempo_fail(x->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "more than %d redirects", MAX_HOPS);
        if (strlen(x->location) + 1 == sizeof(x->location)) /* it was cut */
            return tempo_fail(x->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                              "a redirect to a URL of more than %zu bytes", sizeof(x->location) - 2);
        if ((st = tempo_url_redirect(url, x->location, next, sizeof(next), &same, x->err)) != TEMPO_OK)
            return st;
        if (x->r->head && x->a->linked && !same) /* what was asked for is known */
            return TEMPO_OK;
        x->own = x->own && same;
        x->n_body = x->ignored = 0;
        memcpy(url, next, sizeof(next));
    }
}

tempo_status tempo_web_perform(tempo_web *h, const tempo_web_request *r, tempo_web_answer *a, tempo_err *err)
{
    char url[TEMPO_WEB_MAX_URL];
    exchange *x = calloc(1, sizeof(*x));

    *a = (tempo_web_answer){.linked_size = UINT64_MAX, .length = UINT64_MAX, .retry_after_s = -1};
    if (x == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a request");
    *x = (exchange){.h = h, .r = r, .a = a, .own = true, .err = err};
    (void)snprintf(url, sizeof(url), "%s", r->url);
    const tempo_status st = follow_redirects(x, url);
    if (st == TEMPO_OK)
        read_error(x);
    free(x);
    return st;
}

/* ---- connections ---- */

tempo_status tempo_web_create(tempo_web **out, const tempo_hub_settings *s, tempo_err *err)
{
    tempo_web *h = calloc(1, sizeof(*h));

    *out = NULL;
    if (h == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(h);
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "libcurl cannot be set up");
    }
    h->s = s;
    (void)snprintf(h->user_agent, sizeof(h->user_agent), "tempo/%s", tempo_version());
    if ((h->easy = curl_easy_init()) == NULL) {
        tempo_web_free(h);
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "libcurl cannot be set up");
    }
    *out = h;
    return TEMPO_OK;
}

void tempo_web_free(tempo_web *h)
{
    if (h == NULL)
        return;
    curl_easy_cleanup(h->easy);
    curl_global_cleanup();
    free(h);
}
