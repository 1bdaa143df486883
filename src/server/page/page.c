/* page.c - the embedded page.  Its files have names that stay; a browser asks by ETag whether they changed.
 */
#include "server/page/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum { MAX_PLAIN = 64 << 20 };

static const char *find_type(const char *path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".json", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".wasm", "application/wasm"},
        {".txt", "text/plain; charset=utf-8"},
    };
    const char *ending = strrchr(path, '.');

    if (strcmp(path, "/") == 0)
        return types[0].type;
    for (size_t i = 0; ending != NULL && i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(types[i].ending, ending) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* Is gzip among the codings of an Accept-Encoding, with a weight that is not 0?  Source: RFC 9110,
 * section 12.5.3. */
static bool accepts_gzip(const char *accepted)
{
    for (const char *p = accepted; p != NULL && *p != '\0';) {
        p += strspn(p, " \t,");
        const size_t n = strcspn(p, ",");
        const size_t n_name = strcspn(p, ",; \t");
        if (n_name == 4 && strncasecmp(p, "gzip", 4) == 0) {
            const char *q = memchr(p, ';', n);
            if (q == NULL)
                return true;
            q += 1 + strspn(q + 1, " \t");
            return strncasecmp(q, "q=", 2) != 0 || strtod(q + 2, NULL) > 0;
        }
        p += n;
    }
    return false;
}

/* malloc'd; NULL: out of memory, or not gzip's form. */
static char *unzip(const tempo_page_file *f, size_t *n)
{
    z_stream z = {0};
    size_t cap = 4 * f->n + 1024;
    char *out = malloc(cap);
    int rc = Z_OK;

    *n = 0;
    if (out == NULL || inflateInit2(&z, 15 + 16) != Z_OK) {
        free(out);
        return NULL;
    }
    z.next_in = (Bytef *)(uintptr_t)f->data;
    z.avail_in = (uInt)f->n;
    while (rc == Z_OK) {
        if (*n == cap) {
            char *p = cap < MAX_PLAIN ? realloc(out, cap *= 2) : NULL;
            if (p == NULL)
                break;
            out = p;
        }
        z.next_out = (Bytef *)out + *n;
        z.avail_out = (uInt)(cap - *n);
        rc = inflate(&z, Z_NO_FLUSH);
        *n = cap - z.avail_out;
    }
    (void)inflateEnd(&z);
    if (rc != Z_STREAM_END) {
        free(out);
        return NULL;
    }
    return out;
}

void tempo_page_answer(tempo_exchange *x, const tempo_page_file *f)
{
    const bool zipped = f->gzip && accepts_gzip(tempo_exchange_header(x, "Accept-Encoding"));
    const char *type = find_type(f->path);
    char tag[80];
    size_t n;

    (void)snprintf(tag, sizeof(tag), "\"%.64s%s\"", f->hash, zipped ? "-gzip" : "");
    tempo_exchange_set_header(x, "ETag", tag);
    tempo_exchange_set_header(x, "Cache-Control",
                              "no-cache"); /* names stay when contents change: ask by ETag */
    if (f->gzip)
        tempo_exchange_set_header(x, "Vary", "Accept-Encoding");
    if (zipped)
        tempo_exchange_set_header(x, "Content-Encoding", "gzip");
    if (zipped || !f->gzip) {
        tempo_exchange_reply_static(x, 200, type, f->data, f->n);
        return;
    }
    char *plain = unzip(f, &n);
    if (plain == NULL)
        tempo_exchange_error(x, 500, NULL, "%.100s could not be unpacked", f->path);
    else
        tempo_exchange_reply(x, 200, type, plain, n);
}

static void get_file(void *user, tempo_exchange *x)
{
    const char *path = tempo_exchange_path(x);

    (void)user;
    for (size_t i = 0; i < tempo_page_n_files; i++)
        if (strcmp(tempo_page_files[i].path, path) == 0) {
            tempo_page_answer(x, &tempo_page_files[i]);
            return;
        }
    tempo_exchange_error(x, 404, NULL, "there is no such file");
}

static void get_nothing(void *user, tempo_exchange *x)
{
    static const char text[] =
        "This tempo was built without its page.  In the source tree run\n\n"
        "    cd web && npm ci && npm run build\n\n"
        "and build tempo again.  The routes for programs work all the same: /openapi.json\n";

    (void)user;
    tempo_exchange_reply_static(x, 200, "text/plain; charset=utf-8", text, sizeof(text) - 1);
}

tempo_route *tempo_page_routes(const tempo_page_file *files, size_t n_files, size_t *n)
{
    tempo_route *routes = malloc((n_files + 1) * sizeof(*routes));
    bool root = false;

    *n = 0;
    if (routes == NULL)
        return NULL;
    for (size_t i = 0; i < n_files; i++) {
        if (strcmp(files[i].path, "/report.html") == 0)
            continue; /* a template for files: report_page.h */
        root |= strcmp(files[i].path, "/") == 0;
        routes[(*n)++] = (tempo_route){"GET", files[i].path, get_file, true, NULL};
    }
    if (!root)
        routes[(*n)++] = (tempo_route){"GET", "/", get_nothing, true, NULL};
    return routes;
}
