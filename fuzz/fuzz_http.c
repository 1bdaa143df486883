/* fuzz_http.c - requests as a client may send them: heads and bodies, targets, ranges, lists of tags, hosts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/inside.h"

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const tempo_route routes[] = {
    {"GET", "/", NULL, true, NULL},
    {"GET", "/a/{id}", NULL, false, NULL},
    {"GET", "/a/special", NULL, false, NULL},
    {"POST", "/a/{id}/b/{other}", NULL, false, NULL},
};

static void check_segment(const char *s)
{
    CHECK(s[0] != '\0' && strcmp(s, ".") != 0 && strcmp(s, "..") != 0);
    CHECK(strpbrk(s, "/\\") == NULL && tempo_utf8_valid(s, strlen(s)) == strlen(s));
    for (; *s != '\0'; s++)
        CHECK((unsigned char)*s >= 0x20 && *s != 0x7f);
}

static void try_target(const char *text)
{
    tempo_http h = {.o = {.routes = routes, .n_routes = sizeof(routes) / sizeof(*routes)}};
    tempo_exchange x = {.h = &h, .method = "GET", .path = strdup(text)};
    const char *reason, *name;
    char allow[64];
    bool found;

    CHECK(x.path != NULL);
    const bool good = tempo_http_parse_uri(&x, &reason);
    CHECK(good == (reason == NULL));
    if (good) {
        for (size_t i = 0; i < x.n_segments; i++)
            check_segment(x.segment[i]);
        for (size_t i = 0; (name = tempo_exchange_query_name(&x, i)) != NULL; i++)
            CHECK(tempo_exchange_query(&x, name) == x.query[i].value);
        if (tempo_http_find_route(&x, &found, allow, sizeof(allow))) {
            CHECK(found && x.route != NULL);
            if (strchr(x.route->path, '{') != NULL)
                check_segment(tempo_exchange_segment(&x, "id"));
        }
    }
    free(x.path);
}

static void try_range(const char *text, size_t n)
{
    size_t first, length;

    switch (tempo_http_parse_range(text, n, &first, &length)) {
    case TEMPO_RANGE_PART:
        CHECK(length > 0 && length <= n && first <= n - length);
        break;
    case TEMPO_RANGE_ALL:
        CHECK(first == 0 && length == n);
        break;
    default:
        break;
    }
}

/* Whole and byte by byte give the same end. */
static void try_head(const char *data, size_t n)
{
    tempo_http_scan whole = {0}, bytes = {0};
    tempo_http_head head;
    const char *why = NULL, *wrong = tempo_http_scan_head(&whole, data, n), *other = NULL;

    for (size_t i = 1; i <= n && other == NULL && bytes.end == 0; i++)
        other = tempo_http_scan_head(&bytes, data, i);
    CHECK((wrong == NULL) == (other == NULL) && whole.end == bytes.end && whole.end <= n);
    if (wrong != NULL || whole.end <= 2)
        return;
    char *text = malloc(whole.end + 1);
    CHECK(text != NULL);
    memcpy(text, data, whole.end);
    text[whole.end] = '\0';
    const unsigned status = tempo_http_parse_head(&head, text, whole.end, &why);
    CHECK(status == 0 || (status >= 400 && why != NULL));
    if (status == 0) {
        CHECK(head.n_headers <= TEMPO_HTTP_MAX_HEADERS && !(head.chunked && head.length > 0) &&
              head.target[0] != '\0');
        for (size_t i = 0; i < head.n_headers; i++)
            CHECK(head.headers[i].name[0] != '\0' && strpbrk(head.headers[i].value, "\r\n") == NULL);
    }
    free(text);
}

static void try_body(const char *data, size_t n)
{
    const tempo_http_head head = {.chunked = true};
    tempo_http_body b;
    size_t at = 0, used, n_data;

    tempo_http_body_init(&b, &head);
    while (at < n && !tempo_http_body_over(&b)) {
        if (tempo_http_body_take(&b, data + at, n - at, &used, &n_data) != NULL)
            return;
        CHECK(used > 0 && used <= n - at && n_data <= used);
        at += used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);

    CHECK(text != NULL);
    memcpy(text, data, n);
    text[n] = '\0';
    try_head(text, n);
    try_body(text, n);
    (void)tempo_http_wrong_host(text);
    (void)tempo_http_wrong_base(text);
    try_target(text);
    try_range(text, n % 97);
    (void)tempo_http_has_tag(text, "\"tag\"");
    free(text);
    return 0;
}
