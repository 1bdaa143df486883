/* test_page.c - the embedded page: every file as it was, in gzip's form for those who take it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "server/page/page.h"
#include "support/http_client.h"

static const char text[] = "body { color: black; } body { color: white; } body { color: black; }";

static unsigned char zipped[256];

static tempo_page_file files[] = {
    {"/", "aa00", (const unsigned char *)text, sizeof(text) - 1, false},
    {"/assets/zipped-1234.css", "bb11", zipped, 0, true},
    {"/broken.js", "cc22", (const unsigned char *)text, sizeof(text) - 1, true},
    {"/assets/cut-99.css", "dd33", zipped, 0, true},
};

static void answer(void *user, tempo_exchange *x)
{
    (void)user;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (strcmp(files[i].path, tempo_exchange_path(x)) == 0)
            tempo_page_answer(x, &files[i]);
}

static void make_zipped(void)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text,
                  .avail_in = sizeof(text) - 1,
                  .next_out = zipped,
                  .avail_out = sizeof(zipped)};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    files[1].n = sizeof(zipped) - z.avail_out;
    files[3].n = files[1].n - 9;
    (void)deflateEnd(&z);
}

static tempo_http *start(const tempo_route *routes, size_t n)
{
    tempo_http_options o;
    tempo_http *h;
    tempo_err err = {0};

    tempo_http_options_init(&o);
    o.port = 0;
    o.routes = routes;
    o.n_routes = n;
    o.key = "the page needs none";
    if (tempo_http_start(&h, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return h;
}

static void test_answers(void **state)
{
    static const struct {
        const char *target, *headers;
        unsigned status;
        const char *coding, *tag, *type, *cache;
    } rows[] = {
        {"/", "", 200, NULL, "\"aa00\"", "text/html; charset=utf-8", "no-cache"},
        {"/", "Accept-Encoding: gzip\r\n", 200, NULL, "\"aa00\"", "text/html; charset=utf-8", "no-cache"},
        {"/", "If-None-Match: \"aa00\"\r\n", 304, NULL, "\"aa00\"", NULL, "no-cache"},
        {"/assets/zipped-1234.css", "", 200, NULL, "\"bb11\"", "text/css; charset=utf-8", "no-cache"},
        {"/assets/zipped-1234.css", "Accept-Encoding: br, gzip;q=0.5\r\n", 200, "gzip", "\"bb11-gzip\"",
         "text/css; charset=utf-8", "no-cache"},
        {"/assets/zipped-1234.css", "Accept-Encoding: gzip; q=0\r\n", 200, NULL, "\"bb11\"",
         "text/css; charset=utf-8", "no-cache"},
        {"/assets/zipped-1234.css", "Accept-Encoding: xgzip, gzipx\r\n", 200, NULL, "\"bb11\"",
         "text/css; charset=utf-8", "no-cache"},
        {"/assets/zipped-1234.css", "Accept-Encoding: gzip\r\nIf-None-Match: \"bb11\"\r\n", 200, "gzip",
         "\"bb11-gzip\"", "text/css; charset=utf-8", "no-cache"},
        {"/assets/zipped-1234.css", "Accept-Encoding: gzip\r\nIf-None-Match: \"bb11-gzip\"\r\n", 304, "gzip",
         "\"bb11-gzip\"", NULL, "no-cache"},
    };
    size_t n;
    char v[128];
    tempo_route *routes = tempo_page_routes(files, sizeof(files) / sizeof(*files), &n);

    (void)state;
    make_zipped();
    assert_non_null(routes);
    assert_int_equal(n, sizeof(files) / sizeof(*files));
    for (size_t i = 0; i < n; i++)
        routes[i].handle = answer;
    tempo_http *h = start(routes, n);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        http_answer a = http_request(tempo_http_port(h), "GET", rows[i].target, rows[i].headers, NULL);
        if (a.status != rows[i].status)
            fail_msg("%s %s: %s", rows[i].target, rows[i].headers, a.text);
        const char *coding = http_header(&a, "Content-Encoding", v, sizeof(v));
        assert_int_equal(coding != NULL, rows[i].coding != NULL);
        assert_string_equal(http_header(&a, "ETag", v, sizeof(v)), rows[i].tag);
        assert_string_equal(http_header(&a, "Cache-Control", v, sizeof(v)), rows[i].cache);
        if (a.status == 200) {
            assert_string_equal(http_header(&a, "Content-Type", v, sizeof(v)), rows[i].type);
            assert_int_equal(a.n_body, coding != NULL ? files[1].n : sizeof(text) - 1);
            assert_memory_equal(a.body, coding != NULL ? (const char *)zipped : text, a.n_body);
        }
        http_answer_free(&a);
    }
    for (size_t i = 2; i < 4; i++) {
        http_answer a = http_request(tempo_http_port(h), "GET", files[i].path, "", NULL);
        assert_int_equal(a.status, 500);
        http_answer_free(&a);
    }
    tempo_http_free(h);
    free(routes);
}

static void test_nothing_embedded(void **state)
{
    size_t n;
    tempo_route *routes = tempo_page_routes(NULL, 0, &n);

    (void)state;
    assert_int_equal(n, 1);
    tempo_http *h = start(routes, n);
    http_answer a = http_request(tempo_http_port(h), "GET", "/", "", NULL);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "built without its page"));
    http_answer_free(&a);
    tempo_http_free(h);
    free(routes);
}

/* Every file that was embedded is what it is in the source tree. */
static void test_embedded(void **state)
{
    size_t n;
    tempo_route *routes = tempo_page_routes(tempo_page_files, tempo_page_n_files, &n);
    char path[512], type[64];

    (void)state;
    assert_non_null(routes);
    if (tempo_page_n_files == 0) {
        print_message("skipped: web/dist is empty\n");
        free(routes);
        skip();
        return;
    }
    tempo_http *h = start(routes, n);
    for (size_t i = 0; i < tempo_page_n_files; i++) {
        const char *at = tempo_page_files[i].path;
        if (strcmp(at, "/report.html") == 0) /* embedded for the report's own command */
            continue;
        (void)snprintf(path, sizeof(path), "web/dist%s", strcmp(at, "/") == 0 ? "/index.html" : at);
        FILE *f = fopen(path, "rb");
        if (f == NULL)
            fail_msg("%s is not there", path);
        char *bytes = malloc(16 << 20);
        const size_t size = fread(bytes, 1, 16 << 20, f);
        (void)fclose(f);
        http_answer a = http_request(tempo_http_port(h), "GET", at, "", NULL);
        if (a.status != 200)
            fail_msg("%s: %s", at, a.text);
        if (strcmp(http_header(&a, "Content-Type", type, sizeof(type)), "application/octet-stream") == 0)
            fail_msg("%s: no content type is known for it", at);
        assert_int_equal(a.n_body, size);
        assert_memory_equal(a.body, bytes, size);
        http_answer_free(&a);
        free(bytes);
    }
    tempo_http_free(h);
    free(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_nothing_embedded),
        cmocka_unit_test(test_embedded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
