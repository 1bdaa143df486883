/* regex_class.c - what \w, \p{...} and [:...:] stand for.  Source: Oniguruma's doc/RE and
 * doc/UNICODE_PROPERTIES. */
#include <string.h>

#include "text/regex_parts.h"

#define MASK(name) (1u << TEMPO_##name)
#define MARKS (MASK(MN) | MASK(MC) | MASK(ME))

static bool add_range(void *with, uint32_t first, uint32_t last)
{
    return tempo_chars_add(with, first, last);
}

static bool add_named(tempo_chars *s, const char *name)
{
    bool known;

    return tempo_unicode_each_named(name, strlen(name), &known, add_range, s);
}

static bool add_categories(tempo_chars *s, uint32_t mask)
{
    return tempo_unicode_each_category(mask, add_range, s);
}

static bool add_word(tempo_chars *s)
{
    return add_named(s, "Alphabetic") && add_categories(s, MARKS | MASK(ND) | MASK(PC));
}

/* Outside of brackets some numbers of Latin-1 are part of a word, too. */
static bool add_numbers(tempo_chars *s)
{
    return tempo_chars_add(s, 0xb2, 0xb3) && tempo_chars_add(s, 0xb9, 0xb9) && tempo_chars_add(s, 0xbc, 0xbe);
}

/* Visible: neither white space nor control nor unassigned. */
static bool add_graph(tempo_chars *s)
{
    tempo_chars space = {0};
    bool ok = add_named(&space, "White_Space") && add_categories(s, ~(MASK(CC) | MASK(CN) | MASK(CS)));

    tempo_chars_tidy(&space);
    tempo_chars_tidy(s);
    ok = ok && tempo_chars_invert(&space) && tempo_chars_intersect(s, &space);
    tempo_chars_free(&space);
    return ok;
}

static bool add_hex(tempo_chars *s)
{
    return tempo_chars_add(s, '0', '9') && tempo_chars_add(s, 'A', 'F') && tempo_chars_add(s, 'a', 'f');
}

bool tempo_regex_shorthand(tempo_chars *s, char letter, bool bracket)
{
    bool ok;

    switch (letter | 0x20) {
    case 'w':
        ok = add_word(s) && (bracket || add_numbers(s));
        break;
    case 'd':
        ok = add_categories(s, MASK(ND));
        break;
    case 's':
        ok = add_named(s, "White_Space");
        break;
    default: /* h */
        ok = add_hex(s);
    }
    tempo_chars_tidy(s);
    return ok && ((letter & 0x20) != 0 || tempo_chars_invert(s));
}

static bool is(const char *name, size_t n, const char *lower)
{
    size_t i = 0;

    while (i < n && lower[i] != '\0' && (name[i] | 0x20) == lower[i])
        i++;
    return i == n && lower[i] == '\0';
}

bool tempo_regex_property(tempo_chars *s, const char *name, size_t n, bool bracket, bool *known)
{
    const uint32_t mask = tempo_unicode_category_mask(name, n);
    bool ok;

    *known = true;
    if (mask != 0)
        ok = add_categories(s, mask);
    else if (is(name, n, "alnum"))
        ok = add_named(s, "Alphabetic") && add_categories(s, MASK(ND));
    else if (is(name, n, "ascii"))
        ok = tempo_chars_add(s, 0, 0x7f);
    else if (is(name, n, "any"))
        ok = tempo_chars_add(s, 0, TEMPO_UNICODE_LAST);
    else if (is(name, n, "assigned"))
        ok = add_categories(s, ~MASK(CN));
    else if (is(name, n, "blank"))
        ok = tempo_chars_add(s, '\t', '\t') && add_categories(s, MASK(ZS));
    else if (is(name, n, "cntrl"))
        ok = add_categories(s, MASK(CC));
    else if (is(name, n, "digit"))
        ok = add_categories(s, MASK(ND));
    else if (is(name, n, "graph"))
        ok = add_graph(s);
    else if (is(name, n, "print"))
        ok = add_graph(s) && add_categories(s, MASK(ZS));
    else if (is(name, n, "punct"))
        ok = add_categories(s, tempo_unicode_category_mask("P", 1) |
                                   (bracket ? tempo_unicode_category_mask("S", 1) : 0));
    else if (is(name, n, "word"))
        ok = add_word(s) && (bracket || add_numbers(s));
    else if (is(name, n, "xdigit"))
        ok = add_hex(s);
    else
        ok = tempo_unicode_each_named(name, n, known, add_range, s);
    tempo_chars_tidy(s);
    return ok;
}
