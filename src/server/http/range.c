/* range.c - parts of an answer, and whether a client has it already.  Source: RFC 9110,
 * sections 8.8.3, 13.1.2, 14. */
#include <string.h>
#include <strings.h>

#include "server/http/inside.h"

/* Decimal digits at *p; SIZE_MAX where the number is larger.  false: none. */
static bool read_number(const char **p, size_t *out)
{
    const char *begin = *p;

    for (*out = 0; **p >= '0' && **p <= '9'; (*p)++) {
        const size_t digit = (size_t)(**p - '0');
        *out = *out > (SIZE_MAX - digit) / 10 ? SIZE_MAX : *out * 10 + digit;
    }
    return *p > begin;
}

tempo_http_range tempo_http_parse_range(const char *text, size_t n, size_t *first, size_t *length)
{
    size_t last = SIZE_MAX;

    *first = 0;
    *length = n;
    if (strncasecmp(text, "bytes=", 6) != 0)
        return TEMPO_RANGE_ALL;
    text += 6;
    const bool has_first = read_number(&text, first);
    if (*text++ != '-')
        goto all;
    const bool has_last = read_number(&text, &last);
    if (*text != '\0' || (!has_first && !has_last) || (has_first && has_last && last < *first))
        goto all;
    if (!has_first) { /* the last so many bytes */
        *first = last < n ? n - last : 0;
        *length = n - *first;
        return *length > 0 ? TEMPO_RANGE_PART : TEMPO_RANGE_OUTSIDE;
    }
    if (*first >= n)
        return TEMPO_RANGE_OUTSIDE;
    if (!has_last || last >= n)
        last = n - 1;
    *length = last - *first + 1;
    return TEMPO_RANGE_PART;
all:
    *first = 0;
    return TEMPO_RANGE_ALL;
}

/* The tag without a W/ in front. */
static const char *opaque(const char *tag)
{
    return strncmp(tag, "W/", 2) == 0 ? tag + 2 : tag;
}

bool tempo_http_has_tag(const char *list, const char *tag)
{
    const char *want = opaque(tag);
    const size_t n = strlen(want);

    for (const char *p = list;;) {
        p += strspn(p, " \t,");
        if (*p == '\0')
            return false;
        if (*p == '*')
            return true;
        p = opaque(p);
        if (strncmp(p, want, n) == 0 && strchr(" \t,", p[n]) != NULL) /* the NUL too */
            return true;
        const char *quote = *p == '"' ? strchr(p + 1, '"') : NULL;
        p = quote != NULL ? quote + 1 : p + strcspn(p, ",");
    }
}
