/* test_pull_text.c - what goes over the wire of a pull and is read from it: URLs, redirects, header lines;
 * the hub's list of files, cut anywhere.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pull/answer.h"
#include "pull/web.h"

/* Same scheme, host and port, in any spelling: that is who gets the token. */
static void test_redirects(void **state)
{
    static const struct {
        const char *from, *location, *to; /* NULL: refused */
        bool same;
    } rows[] = {
        {"https://hub.co/a/b", "/c", "https://hub.co/c", true},
        {"https://hub.co/a/b", "c?x=1#y", "https://hub.co/a/c?x=1", true},
        {"https://hub.co/a/b", "https://HUB.CO/c", "https://HUB.CO/c", true},
        {"https://hub.co/a/b", "https://hub.co:443/c", "https://hub.co:443/c", true},
        {"https://hub.co/a/b", "HTTPS://hub.co/c", "https://hub.co/c", true},
        {"https://hub.co/a/b", "https://hub.co:444/c", "https://hub.co:444/c", false},
        {"https://hub.co/a/b", "https://hub.co.evil/c", "https://hub.co.evil/c", false},
        {"https://hub.co/a/b", "https://sub.hub.co/c", "https://sub.hub.co/c", false},
        {"https://hub.co/a/b", "//evil/c", "https://evil/c", false},
        {"https://hub.co/a/b", "https://hub.co@evil/c", "https://evil/c", false},
        {"https://hub.co/a/b", "https://u:p@hub.co/c", "https://hub.co/c", true},
        {"http://hub.co/a", "https://hub.co/a", "https://hub.co/a", false},
        {"http://hub.co:443/a", "https://hub.co/a", "https://hub.co/a", false},
        {"http://hub.co/a", "http://hub.co:80/b", "http://hub.co:80/b", true},
        {"http://127.0.0.1:5/a", "http://localhost:5/a", "http://localhost:5/a", false},
        {"http://[::1]:5/a", "http://[::1]:5/b", "http://[::1]:5/b", true},
        {"https://hub.co/a", "http://hub.co/a", NULL, false},
        {"https://hub.co/a", "file:///etc/passwd", NULL, false},
        {"https://hub.co/a", "ftp://hub.co/a", NULL, false},
        {"https://hub.co/a", "https://hub.co:99999/", NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[256];
        bool same = true;
        tempo_err err = {0};
        const tempo_status st =
            tempo_url_redirect(rows[i].from, rows[i].location, out, sizeof(out), &same, &err);
        if (rows[i].to == NULL ? st == TEMPO_OK
                               : st != TEMPO_OK || strcmp(out, rows[i].to) != 0 || same != rows[i].same)
            fail_msg("%s -> %s: %s %s, %s", rows[i].from, rows[i].location, out, same ? "same" : "other",
                     err.msg);
        assert_true(st == TEMPO_OK || (out[0] == '\0' || !same));
    }
}

static void test_long_redirect(void **state)
{
    char location[300] = "/", out[64];
    bool same;
    tempo_err err = {0};

    (void)state;
    memset(location + 1, 'x', sizeof(location) - 2);
    assert_int_equal(tempo_url_redirect("http://hub.co/", location, out, sizeof(out), &same, &err),
                     TEMPO_E_LIMIT);
    assert_string_equal(out, "");
}

static void test_encoding(void **state)
{
    char url[32] = "a/";

    (void)state;
    assert_true(tempo_url_append(url, sizeof(url), "b c/d%?#\xc3\xa9", "/"));
    assert_string_equal(url, "a/b%20c/d%25%3F%23%C3%A9");
    assert_false(tempo_url_append(url, sizeof(url), "12345678", ""));
    url[0] = '\0';
    assert_true(tempo_url_append(url, sizeof(url), "refs/pr/1", ""));
    assert_string_equal(url, "refs%2Fpr%2F1");
}

static tempo_web_answer read_lines(bool own, const char *const *lines, char location[64])
{
    tempo_web_answer a = {.linked_size = UINT64_MAX, .length = UINT64_MAX, .retry_after_s = -1};

    location[0] = '\0';
    for (; *lines != NULL; lines++)
        tempo_web_header(&a, own, *lines, strlen(*lines), location, 64);
    return a;
}

static void test_headers(void **state)
{
    static const char *const lines[] = {
        "HTTP/1.1 302 Found\r\n",   "x-repo-commit: abc\r\n",         "X-Linked-Etag: \"the hash\"\r\n",
        "ETag: W/\"not this\"\r\n", "X-LINKED-SIZE: 12\r\n",          "Location:   /there \r\n",
        "Content-Length: 5\r\n",    "X-Error-Message: a\x1b[2Jb\r\n", NULL};
    static const char *const part[] = {"HTTP/2 206",
                                       "Content-Range: bytes 5-9/10",
                                       "content-encoding: identity",
                                       "Retry-After: 120",
                                       "ETag: W/\"weak\"",
                                       NULL};
    static const char *const odd[] = {"HTTP/1.1 200",
                                      "Content-Length: 5x",
                                      "Content-Length 7",
                                      "Content-Range: bytes */10",
                                      "Retry-After: soon",
                                      "Content-Encoding: gzip",
                                      "X-Linked-Size: 99999999999999999999",
                                      "",
                                      ":",
                                      "Location:",
                                      NULL};
    char location[64];

    (void)state;
    tempo_web_answer a = read_lines(true, lines, location);
    assert_int_equal(a.status, 302);
    assert_string_equal(a.commit, "abc");
    assert_string_equal(a.etag, "the hash");
    assert_int_equal(a.linked_size, 12);
    assert_string_equal(location, "/there");
    assert_int_equal(a.length, 5);
    assert_string_equal(a.error_text, "a?[2Jb");
    a = read_lines(false, lines, location); /* who is not the hub says nothing about its files */
    assert_string_equal(a.commit, "");
    assert_string_equal(a.etag, "");
    assert_true(a.linked_size == UINT64_MAX && a.error_text[0] == '\0');
    assert_string_equal(location, "/there");
    a = read_lines(true, part, location);
    assert_true(a.status == 206 && a.from == 5 && a.total == 10 && !a.encoded && a.retry_after_s == 120);
    assert_string_equal(a.etag, "weak");
    a = read_lines(true, odd, location);
    assert_true(a.status == 200 && a.length == UINT64_MAX && a.from == UINT64_MAX && a.total == UINT64_MAX);
    assert_true(a.encoded && a.retry_after_s == -1 && a.linked_size == UINT64_MAX && location[0] == '\0');
}

/* What a response says of itself is forgotten with the next one, what the hub said of the file is not. */
static void test_next_response(void **state)
{
    static const char *const lines[] = {"HTTP/1.1 302 Found",
                                        "Location: /x",
                                        "Content-Length: 7",
                                        "X-Repo-Commit: abc",
                                        "HTTP/1.1 100 Go on",
                                        "HTTP/1.1 200 OK",
                                        NULL};
    char location[64];

    (void)state;
    const tempo_web_answer a = read_lines(true, lines, location);
    assert_true(a.status == 200 && a.length == UINT64_MAX && location[0] == '\0');
    assert_string_equal(a.commit, "abc");
}

static void test_answer_cut_anywhere(void **state)
{
    static const char text[] =
        "{\"sha\": \"0123456789012345678901234567890123456789\", \"siblings\": [{\"rfilename\": "
        "\"b/m.gguf\", \"size\": 7, "
        "\"lfs\": {\"sha256\": \"0123456789012345678901234567890123456789012345678901234567890123\", "
        "\"size\": 9}}, "
        "{\"rfilename\": \"a.json\", \"blobId\": \"0123456789012345678901234567890123456789\", \"size\": 3}, "
        "{\"rfilename\": \"c\"}]}";
    tempo_hub_answer a;
    tempo_err err = {0};

    (void)state;
    if (tempo_hub_answer_parse(&a, text, sizeof(text) - 1, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(a.n, 3);
    assert_string_equal(a.files[0].name, "a.json");
    assert_true(a.files[0].size == 3 && strlen(a.files[0].hash) == 40);
    assert_true(a.files[1].size == 9 && strlen(a.files[1].hash) == 64);
    assert_true(a.files[2].size == UINT64_MAX && a.files[2].hash[0] == '\0');
    assert_ptr_equal(tempo_hub_answer_find(&a, "b/", "m.gguf"), &a.files[1]);
    assert_null(tempo_hub_answer_find(&a, "", "m.gguf"));
    tempo_hub_answer_free(&a);
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        tempo_err said = {0};
        assert_int_equal(tempo_hub_answer_parse(&a, text, n, &said), TEMPO_E_FORMAT);
        assert_true(a.n == 0 && a.files == NULL && said.msg[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redirects),     cmocka_unit_test(test_long_redirect),
        cmocka_unit_test(test_encoding),      cmocka_unit_test(test_headers),
        cmocka_unit_test(test_next_response), cmocka_unit_test(test_answer_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
