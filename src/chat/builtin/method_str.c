/* method_str.c - methods of strings that change them or ask what they are. */
#include <string.h>

#include "chat/builtin/method.h"

static tempo_status needs_work(tempo_chat_call *c)
{
    return tempo_chat_work(c->s, c->node, c->self.str.n);
}

/* ---- case ---- */

static tempo_status str_upper(tempo_chat_call *c)
{
    return tempo_chat_cased(c, c->self.str, TEMPO_CHAT_UPPER);
}

static tempo_status str_lower(tempo_chat_call *c)
{
    return tempo_chat_cased(c, c->self.str, TEMPO_CHAT_LOWER);
}

static tempo_status str_title(tempo_chat_call *c)
{
    return tempo_chat_cased(c, c->self.str, TEMPO_CHAT_TITLE_METHOD);
}

static tempo_status str_capitalize(tempo_chat_call *c)
{
    return tempo_chat_cased(c, c->self.str, TEMPO_CHAT_CAPITALIZE);
}

static tempo_status str_swapcase(tempo_chat_call *c)
{
    return tempo_chat_cased(c, c->self.str, TEMPO_CHAT_SWAP);
}

static tempo_status str_casefold(tempo_chat_call *c)
{
    return tempo_chat_cased(c, c->self.str, TEMPO_CHAT_FOLD);
}

/* ---- width ---- */

/* fillchar, one character */
static tempo_status read_fill(tempo_chat_call *c, int64_t *width, tempo_chat_str *fill)
{
    tempo_status st;

    *fill = tempo_chat_literal(" ");
    if ((st = needs_work(c)) != TEMPO_OK || (st = tempo_chat_arg_int(c, 0, width)) != TEMPO_OK ||
        (st = tempo_chat_arg_str(c, 1, fill)) != TEMPO_OK)
        return st;
    return tempo_chat_length(*fill) == 1 ? TEMPO_OK : tempo_chat_wrong_arg(c, 1, "one character");
}

static tempo_status str_center(tempo_chat_call *c)
{
    tempo_chat_str fill;
    int64_t width = 0;
    const tempo_status st = read_fill(c, &width, &fill);

    return st == TEMPO_OK ? tempo_chat_center(c, c->self.str, width, fill) : st;
}

static tempo_status just(tempo_chat_call *c, bool right)
{
    tempo_chat_buffer b = {0};
    tempo_chat_str fill;
    int64_t width = 0;
    tempo_status st = read_fill(c, &width, &fill);
    const int64_t room = width - (int64_t)tempo_chat_length(c->self.str);

    if (st != TEMPO_OK || (right && (st = tempo_chat_add_times(c, &b, fill, room)) != TEMPO_OK) ||
        (st = tempo_chat_add(c, &b, c->self.str)) != TEMPO_OK ||
        (!right && (st = tempo_chat_add_times(c, &b, fill, room)) != TEMPO_OK))
        return st;
    return tempo_chat_give_buffer(c, &b);
}

static tempo_status str_ljust(tempo_chat_call *c)
{
    return just(c, false);
}

static tempo_status str_rjust(tempo_chat_call *c)
{
    return just(c, true);
}

static tempo_status str_zfill(tempo_chat_call *c)
{
    const tempo_chat_str text = c->self.str;
    const size_t sign = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+');
    tempo_chat_buffer b = {0};
    int64_t width = 0;
    tempo_status st;

    if ((st = needs_work(c)) != TEMPO_OK || (st = tempo_chat_arg_int(c, 0, &width)) != TEMPO_OK ||
        (st = tempo_chat_add(c, &b, tempo_chat_part(text, 0, sign))) != TEMPO_OK ||
        (st = tempo_chat_add_times(c, &b, tempo_chat_literal("0"),
                                   width - (int64_t)tempo_chat_length(text))) != TEMPO_OK ||
        (st = tempo_chat_add(c, &b, tempo_chat_part(text, sign, text.n))) != TEMPO_OK)
        return st;
    return tempo_chat_give_buffer(c, &b);
}

static tempo_status str_expandtabs(tempo_chat_call *c)
{
    const tempo_chat_str text = c->self.str;
    tempo_chat_buffer b = {0};
    int64_t size = 8, column = 0;
    tempo_status st;

    if ((st = needs_work(c)) != TEMPO_OK || (st = tempo_chat_arg_int(c, 0, &size)) != TEMPO_OK)
        return st;
    for (size_t at = 0, n; at < text.n && st == TEMPO_OK; at += n) {
        n = tempo_chat_char_len(text.p[at]);
        if (text.p[at] == '\t') {
            const int64_t spaces = size > 0 ? size - column % size : 0;
            st = tempo_chat_add_times(c, &b, tempo_chat_literal(" "), spaces);
            column += spaces;
            continue;
        }
        st = tempo_chat_add(c, &b, tempo_chat_part(text, at, at + n));
        column = text.p[at] == '\n' || text.p[at] == '\r' ? 0 : column + 1;
    }
    return st == TEMPO_OK ? tempo_chat_give_buffer(c, &b) : st;
}

/* ---- other text of it ---- */

static tempo_status strip(tempo_chat_call *c, bool left, bool right)
{
    tempo_chat_str chars = {NULL, NULL, 0};
    const bool some = tempo_chat_arg_some(c, 0);
    tempo_status st;

    if ((st = needs_work(c)) != TEMPO_OK || (some && (st = tempo_chat_arg_str(c, 0, &chars)) != TEMPO_OK) ||
        (st = tempo_chat_work(c->s, c->node, chars.n)) != TEMPO_OK)
        return st;
    return tempo_chat_give(c, tempo_chat_strip(c->self.str, some ? &chars : NULL, left, right));
}

static tempo_status str_strip(tempo_chat_call *c)
{
    return strip(c, true, true);
}

static tempo_status str_lstrip(tempo_chat_call *c)
{
    return strip(c, true, false);
}

static tempo_status str_rstrip(tempo_chat_call *c)
{
    return strip(c, false, true);
}

static tempo_status str_replace(tempo_chat_call *c)
{
    tempo_chat_str old = {"", NULL, 0}, new_ = old, result;
    int64_t count = -1;
    tempo_status st;

    if ((st = needs_work(c)) != TEMPO_OK || (st = tempo_chat_arg_str(c, 0, &old)) != TEMPO_OK ||
        (st = tempo_chat_arg_str(c, 1, &new_)) != TEMPO_OK ||
        (st = tempo_chat_arg_int(c, 2, &count)) != TEMPO_OK ||
        (st = tempo_chat_replace(c->s->heap, c->self.str, old, new_, count < 0 ? SIZE_MAX : (size_t)count,
                                 &result)) != TEMPO_OK ||
        (st = tempo_chat_work(c->s, c->node, result.n)) != TEMPO_OK)
        return st;
    return tempo_chat_give(c, result);
}

static tempo_status str_join(tempo_chat_call *c)
{
    const bool markup = c->self.which != 0;
    tempo_chat_buffer b = {0};
    tempo_chat_span items;
    tempo_chat_str text;
    tempo_status st = tempo_chat_elements(c->s, c->node, &c->v[0], &items);

    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++) {
        if (items.v[i].kind != TEMPO_VALUE_STR && !markup)
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "join: element %zu is %s, expected a string", i,
                                        tempo_chat_kind_name(&items.v[i]));
        if (i > 0 && (st = tempo_chat_add(c, &b, c->self.str)) != TEMPO_OK)
            return st;
        text = items.v[i].str;
        if ((st = markup ? tempo_chat_escape(c->s, c->node, &items.v[i], &text) : TEMPO_OK) == TEMPO_OK &&
            (st = tempo_chat_work(c->s, c->node, text.n)) == TEMPO_OK)
            st = tempo_chat_add(c, &b, text);
    }
    return st == TEMPO_OK ? tempo_chat_give_buffer(c, &b) : st;
}

static tempo_status str_format(tempo_chat_call *c)
{
    const tempo_status st = needs_work(c);

    return st == TEMPO_OK ? tempo_chat_format(c, c->self.str, NULL) : st;
}

static tempo_status str_format_map(tempo_chat_call *c)
{
    const tempo_status st = needs_work(c);

    if (c->v[0].kind != TEMPO_VALUE_MAP)
        return tempo_chat_wrong_arg(c, 0, "a mapping");
    return st == TEMPO_OK ? tempo_chat_format(c, c->self.str, &c->v[0]) : st;
}

/* What a table has for a character: none, text, or a character by its number. */
static tempo_status translated(tempo_chat_call *c, const tempo_chat_value *to, size_t at,
                               tempo_chat_buffer *b)
{
    char text[4];

    if (to->kind == TEMPO_VALUE_NONE)
        return TEMPO_OK;
    if (to->kind == TEMPO_VALUE_STR)
        return tempo_chat_add(c, b, to->str);
    if (!tempo_chat_is_int(to) || to->i < 0 || to->i > 0x10ffff || (to->i >= 0xd800 && to->i < 0xe000))
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "translate: %s is no character",
                                    tempo_chat_kind_name(to));
    return tempo_chat_append_like(c->s->heap, b, text, tempo_utf8_write(text, (uint32_t)to->i), c->self.str,
                                  at);
}

static tempo_status str_translate(tempo_chat_call *c)
{
    const tempo_chat_str text = c->self.str;
    tempo_chat_buffer b = {0};
    size_t found;
    tempo_status st = needs_work(c);

    if (c->v[0].kind != TEMPO_VALUE_MAP)
        return tempo_chat_wrong_arg(c, 0, "a mapping");
    const tempo_chat_map *m = c->v[0].map;
    for (size_t at = 0, n; at < text.n && st == TEMPO_OK; at += n) {
        const tempo_chat_value key = tempo_chat_int(tempo_chat_decode(text.p + at));
        n = tempo_chat_char_len(text.p[at]);
        if ((st = tempo_chat_map_find(c->s, c->node, m, &key, &found)) == TEMPO_OK)
            st = found < m->n ? translated(c, &m->values[found], at, &b)
                              : tempo_chat_add(c, &b, tempo_chat_part(text, at, at + n));
    }
    return st == TEMPO_OK ? tempo_chat_give_buffer(c, &b) : st;
}

/* ---- what it is ---- */

/* All characters are such; empty: what an empty string is. */
static tempo_status all(tempo_chat_call *c, bool (*is)(uint32_t), bool empty)
{
    const tempo_chat_str text = c->self.str;
    const tempo_status st = needs_work(c);
    bool yes = text.n > 0 || empty;

    for (size_t at = 0; at < text.n && yes; at += tempo_chat_char_len(text.p[at]))
        yes = is(tempo_chat_decode(text.p + at));
    return st == TEMPO_OK ? tempo_chat_give_bool(c, yes) : st;
}

static bool is_ascii(uint32_t c)
{
    return c < 0x80;
}

static tempo_status str_isalnum(tempo_chat_call *c)
{
    return all(c, tempo_chat_is_alnum, false);
}

static tempo_status str_isalpha(tempo_chat_call *c)
{
    return all(c, tempo_chat_is_alpha, false);
}

static tempo_status str_isascii(tempo_chat_call *c)
{
    return all(c, is_ascii, true);
}

static tempo_status str_isdecimal(tempo_chat_call *c)
{
    return all(c, tempo_chat_is_decimal, false);
}

static tempo_status str_isdigit(tempo_chat_call *c)
{
    return all(c, tempo_chat_is_digit, false);
}

static tempo_status str_isnumeric(tempo_chat_call *c)
{
    return all(c, tempo_chat_is_numeric, false);
}

static tempo_status str_isprintable(tempo_chat_call *c)
{
    return all(c, tempo_chat_is_printable, true);
}

static tempo_status str_isspace(tempo_chat_call *c)
{
    return all(c, tempo_chat_is_space, false);
}

static tempo_status str_isidentifier(tempo_chat_call *c)
{
    const tempo_chat_str text = c->self.str;

    if (text.n == 0 || !tempo_chat_begins_name(tempo_chat_decode(text.p)))
        return tempo_chat_give_bool(c, false);
    return all(c, tempo_chat_in_name, false);
}

/* Every word begins upper case and goes on lower. */
static tempo_status str_istitle(tempo_chat_call *c)
{
    const tempo_chat_str text = c->self.str;
    const tempo_status st = needs_work(c);
    bool inside = false, some = false, yes = true;

    for (size_t at = 0; at < text.n && yes; at += tempo_chat_char_len(text.p[at])) {
        const uint32_t ch = tempo_chat_decode(text.p + at);
        const bool begins = tempo_chat_is_upper(ch) || tempo_chat_is_title(ch),
                   cased = tempo_chat_is_cased(ch);
        yes = !cased || begins == !inside;
        some |= cased;
        inside = cased;
    }
    return st == TEMPO_OK ? tempo_chat_give_bool(c, yes && some) : st;
}

/* upper and lower are tests, too. */
static tempo_status same_as_test(tempo_chat_call *c, const char *name)
{
    const tempo_chat_args none = {NULL, NULL, 0};
    const tempo_chat_str test = tempo_chat_literal(name);
    bool holds;
    const tempo_status st =
        tempo_chat_call_test(c->s, c->node, tempo_chat_find_test(test), test, &c->self, &none, &holds);

    return st == TEMPO_OK ? tempo_chat_give_bool(c, holds) : st;
}

static tempo_status str_isupper(tempo_chat_call *c)
{
    return same_as_test(c, "upper");
}

static tempo_status str_islower(tempo_chat_call *c)
{
    return same_as_test(c, "lower");
}

const tempo_chat_callable tempo_chat_str_methods[] = {
    {"strip", "|chars", str_strip},
    {"lstrip", "|chars", str_lstrip},
    {"rstrip", "|chars", str_rstrip},
    {"replace", "old,new|count", str_replace},
    {"join", "iterable", str_join},
    {"upper", "", str_upper},
    {"lower", "", str_lower},
    {"title", "", str_title},
    {"capitalize", "", str_capitalize},
    {"swapcase", "", str_swapcase},
    {"casefold", "", str_casefold},
    {"center", "width|fillchar", str_center},
    {"ljust", "width|fillchar", str_ljust},
    {"rjust", "width|fillchar", str_rjust},
    {"zfill", "width", str_zfill},
    {"expandtabs", "|tabsize", str_expandtabs},
    {"format", NULL, str_format},
    {"format_map", "mapping", str_format_map},
    {"translate", "table", str_translate},
    {"isalnum", "", str_isalnum},
    {"isalpha", "", str_isalpha},
    {"isascii", "", str_isascii},
    {"isdecimal", "", str_isdecimal},
    {"isdigit", "", str_isdigit},
    {"isnumeric", "", str_isnumeric},
    {"isprintable", "", str_isprintable},
    {"isspace", "", str_isspace},
    {"isidentifier", "", str_isidentifier},
    {"istitle", "", str_istitle},
    {"isupper", "", str_isupper},
    {"islower", "", str_islower},
    {NULL, NULL, NULL},
};
