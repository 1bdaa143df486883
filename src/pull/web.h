/* web.h - one request through libcurl.  Redirects are followed here and not by libcurl, for the token goes to the host of the
 * first URL alone: not to another host, port or scheme, and not back after a redirect that led elsewhere.  From https to http no
 * redirect is followed.  Proxies, certificates and name servers are as libcurl has them.  */
#ifndef TEMPO_PULL_WEB_H
#define TEMPO_PULL_WEB_H
#include "pull/settings.h"

enum { TEMPO_WEB_TEXT = 256, TEMPO_WEB_MAX_URL = 8192 };

/* What came back.  Texts are cut to their size; what was not said is "", -1 or UINT64_MAX. */
typedef struct tempo_web_answer {
    long status;
    /* of the hub itself, even where it redirects elsewhere */
    char commit[TEMPO_WEB_TEXT], etag[TEMPO_WEB_TEXT]; /* X-Repo-Commit; X-Linked-Etag, else ETag of a 2xx, without quotes */
    bool linked;                                         /* it is X-Linked-Etag */
    uint64_t linked_size;                                /* X-Linked-Size */
    char error_code[TEMPO_WEB_TEXT], error_text[TEMPO_WEB_TEXT]; /* X-Error-Code; X-Error-Message or the body's "error" */
    /* of the last response */
    uint64_t length;         /* Content-Length */
    uint64_t from, total;    /* Content-Range */
    bool encoded;            /* a Content-Encoding that nobody asked for */
    long long retry_after_s; /* Retry-After */
} tempo_web_answer;

typedef struct tempo_web_request {
    const char *url;
    bool head;
    uint64_t from;          /* bytes of the file that are there already: ask for those behind */
    uint64_t seconds;       /* the whole request may take; 0: as long as bytes come */
    const char *of;         /* what it is about, for messages */
    bool (*go_on)(void *user); /* NULL: always */
    void *go_on_user;
    /* The bytes p[n] of a 2xx, as they come, `at` of this answer's before them; not TEMPO_OK ends the request with that. */
    tempo_status (*take)(void *user, const tempo_web_answer *a, uint64_t at, const void *p, size_t n, tempo_err *err);
    void *take_user;
} tempo_web_request;

typedef struct tempo_web tempo_web; /* connections that are kept, and what every request sends */

/* s is borrowed. */
tempo_status tempo_web_create(tempo_web **out, const tempo_hub_settings *s, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_web_free(tempo_web *h); /* takes NULL */

/* TEMPO_OK: there is an answer, whatever its status.  TEMPO_E_BUSY: the connection failed in a way that may not last; TEMPO_E_STOPPED;
 * else what `take` said, or a failure that trying again does not mend.  */
tempo_status tempo_web_perform(tempo_web *h, const tempo_web_request *r, tempo_web_answer *a,
                                tempo_err *err) TEMPO_MUST_CHECK;

/* text[n], percent-encoded but for letters, digits, "-._~" and the characters of `keep`, behind what url[cap] holds.  False without room. */
bool tempo_url_append(char *url, size_t cap, const char *text, const char *keep);
/* Where a redirect from `url` to `location` leads -> out[cap].  TEMPO_E_FORMAT when it is none that is followed; *same: it is the
 * same scheme, host and port.  */
tempo_status tempo_url_redirect(const char *url, const char *location, char *out, size_t cap, bool *same,
                                tempo_err *err) TEMPO_MUST_CHECK;

/* A header line (with or without its end) that was read from the hub (its own) or from whom it sent us to -> *a.  location[cap]. */
void tempo_web_header(tempo_web_answer *a, bool own, const char *line, size_t n, char *location, size_t cap);

#endif
