/* test_report_page.c - data inside a page: what it may hold, and pages that have no place for it. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/page/report_page.h"

#define OPEN "<script id=\"tempo-report\" type=\"application/json\">"

static const char page[] = "<p>before</p>" OPEN "null</script><script>after()</script>";

/* The text between the element's tags. */
static char *data_of(const char *whole)
{
    const char *begin = strstr(whole, OPEN) + strlen(OPEN), *end = strstr(begin, "</script>");

    assert_non_null(end);
    return strndup(begin, (size_t)(end - begin));
}

static void test_hostile_texts(void **state)
{
    (void)state;
    static const char text[] =
        "</script><script>alert(1)</script> <!-- & \xe2\x80\xa8 \xe2\x80\xa9 \xe2\x80\xa6 \\ \" \xc3\xa4";
    json_t *view = json_pack("{s:s, s:f}", text, text, "x", 0.1), *back;
    char *out, *data;
    size_t n;

    assert_int_equal(tempo_report_page(&out, &n, page, strlen(page), view, NULL), TEMPO_OK);
    assert_int_equal(strlen(out), n);
    assert_memory_equal(out, page, strlen("<p>before</p>" OPEN));
    assert_string_equal(out + n - strlen("</script><script>after()</script>"),
                        "</script><script>after()</script>");
    data = data_of(out);
    assert_null(strpbrk(data, "<>&"));
    assert_null(strstr(data, "\xe2\x80\xa8"));
    assert_null(strstr(data, "\xe2\x80\xa9"));
    assert_non_null(strstr(data, "\xe2\x80\xa6")); /* its neighbours stay */
    back = json_loads(data, 0, NULL);
    assert_true(json_equal(back, view));
    json_decref(back);
    json_decref(view);
    free(data);
    free(out);
}

static void test_pages_without_a_place(void **state)
{
    (void)state;
    static const char *const pages[] = {"",
                                        "<p></p>",
                                        OPEN,
                                        OPEN "null",
                                        OPEN "null</script>" OPEN "null</script>",
                                        "<script id=\"tempo-report\">null</script>"};
    json_t *view = json_object();
    char *out;
    size_t n;

    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        tempo_err err = {0};
        assert_int_equal(tempo_report_page(&out, &n, pages[i], strlen(pages[i]), view, &err), TEMPO_E_FORMAT);
        assert_null(out);
        assert_non_null(strstr(err.msg, "report.html"));
    }
    json_decref(view);
}

/* The template that was embedded, if one was, takes a view. */
static void test_embedded(void **state)
{
    (void)state;
    tempo_err err = {0};
    char *template, *out;
    size_t n, n_out;
    json_t *view = json_pack("{s:i}", "view", 1);
    const tempo_status st = tempo_report_template(&template, &n, &err);

    if (st == TEMPO_E_UNSUPPORTED) {
        json_decref(view);
        print_message("skipped: no page was embedded\n");
        skip();
    }
    assert_int_equal(st, TEMPO_OK);
    assert_int_equal(tempo_report_page(&out, &n_out, template, n, view, &err), TEMPO_OK);
    assert_int_equal(n_out, n - strlen("null") + strlen("{\"view\":1}"));
    json_decref(view);
    free(template);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_pages_without_a_place),
        cmocka_unit_test(test_embedded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
