/* fuzz_http.c - request targets, ranges and lists of tags, as a client may send them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_inside.h"

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const tempo_route routes[] = {
    {"GET", "/", NULL, true},
    {"GET", "/a/{id}", NULL, false},
    {"GET", "/a/special", NULL, false},
    {"POST", "/a/{id}/b/{other}", NULL, false},
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);

    CHECK(text != NULL);
    memcpy(text, data, n);
    text[n] = '\0';
    try_target(text);
    try_range(text, n % 97);
    (void)tempo_http_has_tag(text, "\"tag\"");
    free(text);
    return 0;
}
