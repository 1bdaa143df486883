/* unicode.c - what characters are and become, by the tables of unicode.inc. */
#include <stdlib.h>

#include "chat/template/text.h"

/* From first to last, every step-th one: the difference to what it becomes. */
typedef struct case_run {
    uint32_t first, last, step;
    int32_t difference;
} case_run;

/* A character that becomes several. */
typedef struct case_several {
    uint32_t c, to[3];
} case_several;

#include "chat/template/unicode.inc"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The flags of c: those of the last run that begins at or before it. */
static uint32_t flags(uint32_t c)
{
    size_t low = 0, high = COUNT(flag_runs);

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if ((flag_runs[middle] & 0x1fffff) <= c)
            low = middle;
        else
            high = middle;
    }
    return flag_runs[low] >> 21;
}

bool tempo_chat_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

bool tempo_chat_is_alpha(uint32_t c)
{
    return (flags(c) & U_ALPHA) != 0;
}

bool tempo_chat_is_decimal(uint32_t c)
{
    return (flags(c) & U_DECIMAL) != 0;
}

bool tempo_chat_is_digit(uint32_t c)
{
    return (flags(c) & U_DIGIT) != 0;
}

bool tempo_chat_is_numeric(uint32_t c)
{
    return (flags(c) & U_NUMERIC) != 0;
}

bool tempo_chat_is_alnum(uint32_t c)
{
    return (flags(c) & (U_ALPHA | U_DECIMAL | U_DIGIT | U_NUMERIC)) != 0;
}

bool tempo_chat_is_printable(uint32_t c)
{
    return (flags(c) & U_PRINTABLE) != 0;
}

bool tempo_chat_is_upper(uint32_t c)
{
    return (flags(c) & U_UPPER) != 0;
}

bool tempo_chat_is_lower(uint32_t c)
{
    return (flags(c) & U_LOWER) != 0;
}

bool tempo_chat_is_title(uint32_t c)
{
    return (flags(c) & U_TITLE) != 0;
}

bool tempo_chat_is_cased(uint32_t c)
{
    return (flags(c) & (U_UPPER | U_LOWER | U_TITLE)) != 0;
}

bool tempo_chat_is_ignorable(uint32_t c)
{
    return (flags(c) & U_IGNORABLE) != 0;
}

bool tempo_chat_begins_name(uint32_t c)
{
    return (flags(c) & U_NAME_BEGIN) != 0;
}

bool tempo_chat_in_name(uint32_t c)
{
    return (flags(c) & U_NAME) != 0;
}

int tempo_chat_digit(uint32_t c)
{
    for (size_t i = 0; i < COUNT(decimal_zeros); i++)
        if (c >= decimal_zeros[i] && c < decimal_zeros[i] + 10)
            return (int)(c - decimal_zeros[i]);
    return -1;
}

/* ---- case ---- */

typedef struct case_map {
    const case_run *runs;
    size_t n_runs;
    const case_several *several;
    size_t n_several;
} case_map;

#define CASE_MAP(name)                                                                                       \
    {                                                                                                        \
        name##_runs, COUNT(name##_runs), name##_several, COUNT(name##_several)                               \
    }

static int compare_run(const void *key, const void *run)
{
    const uint32_t c = *(const uint32_t *)key;
    const case_run *r = run;

    return c < r->first ? -1 : c > r->last;
}

static int compare_several(const void *key, const void *several)
{
    const uint32_t c = *(const uint32_t *)key, other = ((const case_several *)several)->c;

    return (c > other) - (c < other);
}

size_t tempo_chat_map_case(uint32_t c, tempo_chat_case how, uint32_t out[3])
{
    static const case_map upper = CASE_MAP(upper), lower = CASE_MAP(lower), title = CASE_MAP(title),
                          fold = CASE_MAP(fold);
    const case_map *m = how == TEMPO_CHAT_UPPER        ? &upper
                        : how == TEMPO_CHAT_LOWER      ? &lower
                        : how == TEMPO_CHAT_CAPITALIZE ? &title
                                                       : &fold;
    const case_several *several = bsearch(&c, m->several, m->n_several, sizeof(*several), compare_several);
    const case_run *run;
    size_t n = 1;

    out[0] = c;
    if (several != NULL) {
        for (n = 0; n < 3 && several->to[n] != 0; n++)
            out[n] = several->to[n];
        return n;
    }
    run = bsearch(&c, m->runs, m->n_runs, sizeof(*run), compare_run);
    if (run != NULL && (c - run->first) % run->step == 0)
        out[0] = (uint32_t)((int32_t)c + run->difference);
    return n;
}
