/* csv.c - records of a table as text.  Source: RFC 4180. */
#include "table/csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tempo.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static void put(tempo_csv *c, const char *s, size_t n)
{
    if (c->cap - c->n < n && !c->failed) {
        const size_t cap = 2 * (c->n + n) + 256;
        char *p = realloc(c->p, cap);
        c->failed = p == NULL;
        c->p = p != NULL ? p : c->p;
        c->cap = p != NULL ? cap : c->cap;
    }
    if (c->failed || n == 0)
        return;
    memcpy(c->p + c->n, s, n);
    c->n += n;
}

static void begin_field(tempo_csv *c)
{
    if (c->begun)
        put(c, ",", 1);
    c->begun = true;
}

/* A field of one empty text would be an empty line; blanks at the ends are kept by few readers. */
static bool needs_marks(const char *s, size_t n)
{
    if (n == 0 || s[0] == ' ' || s[n - 1] == ' ')
        return true;
    for (size_t i = 0; i < n; i++)
        if (s[i] == ',' || s[i] == '"' || (unsigned char)s[i] < 0x20)
            return true;
    return false;
}

/* s[n] of valid UTF-8 between marks. */
static void put_valid(tempo_csv *c, const char *s, size_t n)
{
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] != '"' && s[i] != '\0')
            continue;
        put(c, s + from, i - from);
        if (s[i] == '"')
            put(c, "\"\"", 2);
        else
            put(c, replacement, sizeof(replacement) - 1);
        from = i + 1;
    }
    put(c, s + from, n - from);
}

void tempo_csv_text(tempo_csv *c, const char *s, size_t n)
{
    const bool marks = needs_marks(s, n);

    begin_field(c);
    if (marks)
        put(c, "\"", 1);
    while (n > 0) {
        const size_t good = tempo_utf8_valid(s, n);
        put_valid(c, s, good);
        if (good < n)
            put(c, replacement, sizeof(replacement) - 1);
        s += good + (good < n);
        n -= good + (good < n);
    }
    if (marks)
        put(c, "\"", 1);
}

void tempo_csv_word(tempo_csv *c, const char *s)
{
    tempo_csv_text(c, s, strlen(s));
}

void tempo_csv_real(tempo_csv *c, double x)
{
    char text[TEMPO_FLOAT_TEXT];

    begin_field(c);
    if (!isnan(x))
        put(c, text, tempo_float_text(x, text));
}

void tempo_csv_int(tempo_csv *c, int64_t x)
{
    char text[24];

    begin_field(c);
    put(c, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, x));
}

void tempo_csv_none(tempo_csv *c)
{
    begin_field(c);
}

void tempo_csv_end(tempo_csv *c)
{
    put(c, "\r\n", 2);
    c->begun = false;
}

void tempo_csv_append(tempo_csv *c, const tempo_csv *records)
{
    c->failed = c->failed || records->failed;
    put(c, records->p, records->n);
}
