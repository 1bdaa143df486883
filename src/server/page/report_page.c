/* report_page.c - data into the page that shows it. */
#include "server/page/report_page.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "server/page/page.h"

enum { MAX_TEMPLATE_BYTES = 1 << 24 };

static const char element[] = "<script id=\"tempo-report\" type=\"application/json\">";

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the page of the report");
}

/* ---- the template ------------------------------------------------------------------------ */

static tempo_status unpack(char **out, size_t *n, const tempo_page_file *f, tempo_err *err)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)f->data, .avail_in = (uInt)f->n};
    char *text = malloc(MAX_TEMPLATE_BYTES);

    if (text == NULL || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) { /* 16: gzip's header */
        free(text);
        return no_memory(err);
    }
    z.next_out = (Bytef *)text;
    z.avail_out = MAX_TEMPLATE_BYTES;
    const int rc = inflate(&z, Z_FINISH);
    *n = MAX_TEMPLATE_BYTES - z.avail_out;
    (void)inflateEnd(&z);
    if (rc != Z_STREAM_END) {
        free(text);
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "the program's report.html does not unpack");
    }
    *out = text;
    return TEMPO_OK;
}

tempo_status tempo_report_template(char **out, size_t *n, tempo_err *err)
{
    const tempo_page_file *f = NULL;

    *out = NULL;
    *n = 0;
    for (size_t i = 0; i < tempo_page_n_files && f == NULL; i++)
        if (strcmp(tempo_page_files[i].path, "/report.html") == 0)
            f = &tempo_page_files[i];
    if (f == NULL)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "this program was built without the page (web/dist), which draws the report");
    if (f->gzip)
        return unpack(out, n, f, err);
    if ((*out = malloc(f->n + 1)) == NULL)
        return no_memory(err);
    memcpy(*out, f->data, f->n);
    *n = f->n;
    return TEMPO_OK;
}

/* ---- the data ----------------------------------------------------------------------------- */

/* How a character of the JSON must be written, or NULL: as it is.  *n: its bytes. */
static const char *escape(const char *s, size_t left, size_t *n)
{
    *n = 1;
    switch (*s) {
    case '<':
        return "\\u003c";
    case '>':
        return "\\u003e";
    case '&':
        return "\\u0026";
    default:
        break;
    }
    if (left < 3 || memcmp(s, "\xe2\x80", 2) != 0 ||
        ((unsigned char)s[2] != 0xa8 && (unsigned char)s[2] != 0xa9))
        return NULL;
    *n = 3;
    return (unsigned char)s[2] == 0xa8 ? "\\u2028" : "\\u2029";
}

/* text[n] -> out, if there is one; how many bytes it takes. */
static size_t put_escaped(char *out, const char *text, size_t n)
{
    size_t used = 0, step;

    for (size_t i = 0; i < n; i += step) {
        const char *other = escape(text + i, n - i, &step);
        const char *from = other != NULL ? other : text + i;
        const size_t len = other != NULL ? 6 : 1;
        if (out != NULL)
            memcpy(out + used, from, len);
        used += len;
    }
    return used;
}

static const char *find(const char *page, size_t n, const char *what)
{
    return memmem(page, n, what, strlen(what));
}

/* [*begin, *end): what stands between the element's tags. */
static tempo_status find_place(const char *page, size_t n, size_t *begin, size_t *end, tempo_err *err)
{
    const char *at = find(page, n, element), *to;

    if (at != NULL) {
        *begin = (size_t)(at - page) + sizeof(element) - 1;
        to = find(page + *begin, n - *begin, "</script>");
        if (to != NULL && find(page + *begin, n - *begin, element) == NULL) {
            *end = (size_t)(to - page);
            return TEMPO_OK;
        }
    }
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                      "report.html does not have exactly one element %s...", element);
}

tempo_status tempo_report_page(char **out, size_t *n_out, const char *page, size_t n, const json_t *view,
                               tempo_err *err)
{
    size_t begin = 0, end = 0;
    tempo_status st = find_place(page, n, &begin, &end, err);

    *out = NULL;
    *n_out = 0;
    if (st != TEMPO_OK)
        return st;
    char *json = json_dumps(view, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (json == NULL)
        return no_memory(err);
    const size_t n_json = strlen(json), used = put_escaped(NULL, json, n_json);
    if ((*out = malloc(begin + used + (n - end) + 1)) != NULL) {
        memcpy(*out, page, begin);
        (void)put_escaped(*out + begin, json, n_json);
        memcpy(*out + begin + used, page + end, n - end);
        *n_out = begin + used + (n - end);
        (*out)[*n_out] = '\0';
    }
    free(json);
    return *out != NULL ? TEMPO_OK : no_memory(err);
}
