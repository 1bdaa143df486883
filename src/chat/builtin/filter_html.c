/* filter_html.c - filters about HTML and addresses.  Text that is "safe" is Markup: it escapes what is
 * joined to it. */
#include <string.h>

#include "chat/builtin/call.h"

/* ---- escaping ---- */

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\'':
        return "&#39;";
    case '"':
        return "&#34;";
    default:
        return NULL;
    }
}

static tempo_status escape_text(tempo_chat_state *s, tempo_chat_str text, tempo_chat_str *out)
{
    tempo_chat_buffer b = {0};
    size_t plain = 0;
    tempo_status st = TEMPO_OK;

    for (size_t at = 0; at < text.n && st == TEMPO_OK; at++) {
        const char *name = entity(text.p[at]);
        if (name == NULL)
            continue;
        if ((st = tempo_chat_append(s->heap, &b, tempo_chat_part(text, plain, at))) == TEMPO_OK)
            st = tempo_chat_append_like(s->heap, &b, name, strlen(name), text, at);
        plain = at + 1;
    }
    if (st == TEMPO_OK)
        st = tempo_chat_append(s->heap, &b, tempo_chat_part(text, plain, text.n));
    *out = tempo_chat_buffer_str(&b);
    return st;
}

tempo_status tempo_chat_escape(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               tempo_chat_str *out)
{
    tempo_chat_str text;
    tempo_status st;

    if ((st = tempo_chat_print(s, node, v, &text)) != TEMPO_OK ||
        (st = tempo_chat_work(s, node, text.n)) != TEMPO_OK)
        return st;
    *out = text;
    return v->kind == TEMPO_VALUE_STR && v->which != 0 ? TEMPO_OK : escape_text(s, text, out);
}

static tempo_status give_markup(tempo_chat_call *c, tempo_chat_str text)
{
    *c->out = tempo_chat_text(text);
    c->out->which = 1;
    return TEMPO_OK;
}

static tempo_status filter_safe(tempo_chat_call *c)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_self_text(c, &text);

    return st == TEMPO_OK ? give_markup(c, text) : st;
}

static tempo_status filter_escape(tempo_chat_call *c)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_escape(c->s, c->node, &c->self, &text);

    return st == TEMPO_OK ? give_markup(c, text) : st;
}

static tempo_status filter_forceescape(tempo_chat_call *c)
{
    tempo_chat_str text;
    tempo_status st;

    if ((st = tempo_chat_self_text(c, &text)) != TEMPO_OK ||
        (st = escape_text(c->s, text, &text)) != TEMPO_OK)
        return st;
    return give_markup(c, text);
}

/* ---- striptags ---- */

/* From each begin up to the end behind it, if there is one. */
static tempo_status without(tempo_chat_call *c, tempo_chat_str text, const char *begin, const char *end,
                            tempo_chat_str *out)
{
    const tempo_chat_str first = tempo_chat_literal(begin), last = tempo_chat_literal(end);
    tempo_chat_buffer b = {0};
    size_t from = 0, at, to;
    tempo_status st = TEMPO_OK;

    while (st == TEMPO_OK && (at = tempo_chat_search(text, first, from)) != SIZE_MAX &&
           (to = tempo_chat_search(text, last, at)) != SIZE_MAX) {
        st = tempo_chat_add(c, &b, tempo_chat_part(text, from, at));
        from = to + last.n;
    }
    if (st == TEMPO_OK)
        st = tempo_chat_add(c, &b, tempo_chat_part(text, from, text.n));
    *out = tempo_chat_buffer_str(&b);
    return st;
}

static bool is_ascii_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The character that "#39" or "lt" names; 0: none that is known here. */
static uint32_t named_character(tempo_chat_str name)
{
    static const struct {
        const char *name;
        uint32_t c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}, {"nbsp", 0xa0}};
    int64_t v = 0;
    bool big = false;

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (tempo_chat_is(name, known[i].name))
            return known[i].c;
    if (name.n < 2 || name.p[0] != '#')
        return 0;
    const bool hex = name.p[1] == 'x' || name.p[1] == 'X';
    if (!tempo_chat_parse_int(tempo_chat_part(name, hex ? 2 : 1, name.n), hex ? 16 : 10, &v, &big) ||
        v < 0x20 || v > 0x10ffff || (v >= 0x7f && v < 0xa0) || (v >= 0xd800 && v < 0xe000))
        return 0;
    return (uint32_t)v;
}

/* &name; becomes what it names. */
static tempo_status unescape(tempo_chat_call *c, tempo_chat_str text, tempo_chat_buffer *b)
{
    tempo_status st = TEMPO_OK;

    for (size_t at = 0, n; at < text.n && st == TEMPO_OK; at += n) {
        const char *sign = memchr(text.p + at, '&', text.n - at);
        const size_t begin = sign != NULL ? (size_t)(sign - text.p) : text.n;
        size_t end = begin + 1;
        char out[4];
        n = begin - at;
        if ((st = tempo_chat_add(c, b, tempo_chat_part(text, at, begin))) != TEMPO_OK || sign == NULL)
            break;
        while (end < text.n && (text.p[end] == '#' || is_ascii_alnum(text.p[end])))
            end++;
        const bool closed = end < text.n && text.p[end] == ';' && end > begin + 1;
        const uint32_t ch = closed ? named_character(tempo_chat_part(text, begin + 1, end)) : 0;
        if (closed && ch == 0)
            return tempo_chat_call_fail(c, TEMPO_E_UNSUPPORTED, "%s: the entity %.*s; is not supported",
                                        c->name, (int)(end - begin < 40 ? end - begin : 40), text.p + begin);
        if (ch != 0)
            st = tempo_chat_append_like(c->s->heap, b, out, tempo_utf8_write(out, ch), text, begin);
        else
            st = tempo_chat_add(c, b, tempo_chat_part(text, begin, begin + 1));
        n = ch != 0 ? end + 1 - at : begin + 1 - at;
    }
    return st;
}

static tempo_status filter_striptags(tempo_chat_call *c)
{
    tempo_chat_str text, word;
    tempo_chat_buffer joined = {0}, b = {0};
    tempo_status st;

    if ((st = tempo_chat_self_text(c, &text)) != TEMPO_OK ||
        (st = without(c, text, "<!--", "-->", &text)) != TEMPO_OK ||
        (st = without(c, text, "<", ">", &text)) != TEMPO_OK)
        return st;
    for (size_t at = 0; at < text.n && st == TEMPO_OK; at += word.n) { /* words with one space between them */
        word = tempo_chat_strip(tempo_chat_part(text, at, text.n), NULL, true, false);
        at = (size_t)(word.p - text.p);
        for (word.n = 0; at + word.n < text.n && !tempo_chat_is_space(tempo_chat_decode(word.p + word.n));)
            word.n += tempo_chat_char_len(word.p[word.n]);
        if (word.n > 0 && joined.n > 0)
            st = tempo_chat_add(c, &joined, tempo_chat_literal(" "));
        if (st == TEMPO_OK)
            st = tempo_chat_add(c, &joined, word);
    }
    if (st != TEMPO_OK || (st = unescape(c, tempo_chat_buffer_str(&joined), &b)) != TEMPO_OK)
        return st;
    *c->out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return TEMPO_OK;
}

/* ---- attributes ---- */

static tempo_status add_attribute(tempo_chat_call *c, const tempo_chat_value *key, const tempo_chat_value *v,
                                  tempo_chat_buffer *b)
{
    tempo_chat_str name, text;
    tempo_status st;

    if (key->kind != TEMPO_VALUE_STR)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "xmlattr: a name is %s, expected a string",
                                    tempo_chat_kind_name(key));
    for (size_t i = 0; i < key->str.n; i++)
        if (key->str.p[i] != '\0' && strchr(" \t\n\r\f\v/>=", key->str.p[i]) != NULL)
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "xmlattr: '%c' in a name", key->str.p[i]);
    if ((st = tempo_chat_escape(c->s, c->node, key, &name)) != TEMPO_OK ||
        (st = tempo_chat_escape(c->s, c->node, v, &text)) != TEMPO_OK ||
        (st = tempo_chat_add(c, b, name)) != TEMPO_OK ||
        (st = tempo_chat_add(c, b, tempo_chat_literal("=\""))) != TEMPO_OK ||
        (st = tempo_chat_add(c, b, text)) != TEMPO_OK)
        return st;
    return tempo_chat_add(c, b, tempo_chat_literal("\""));
}

static tempo_status filter_xmlattr(tempo_chat_call *c)
{
    const bool space = !c->given[0] || tempo_chat_truth(&c->v[0]);
    const tempo_chat_map *m = c->self.map;
    tempo_chat_buffer b = {0};
    tempo_status st = TEMPO_OK;

    if (c->self.kind != TEMPO_VALUE_MAP)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "xmlattr: this is %s, expected a mapping",
                                    tempo_chat_kind_name(&c->self));
    for (size_t i = 0; i < m->n && st == TEMPO_OK; i++) {
        if (m->values[i].kind == TEMPO_VALUE_NONE || m->values[i].kind == TEMPO_VALUE_UNDEFINED)
            continue;
        if (b.n > 0 || space)
            st = tempo_chat_add(c, &b, tempo_chat_literal(" "));
        if (st == TEMPO_OK)
            st = add_attribute(c, &m->keys[i], &m->values[i], &b);
    }
    *c->out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

/* ---- addresses ---- */

static bool stays(char c, bool query)
{
    return is_ascii_alnum(c) || (c != '\0' && strchr(query ? "_.-~" : "_.-~/", c) != NULL);
}

static tempo_status quote(tempo_chat_call *c, const tempo_chat_value *v, bool query, tempo_chat_buffer *b)
{
    static const char hex[] = "0123456789ABCDEF";
    tempo_chat_str text;
    tempo_status st = tempo_chat_print(c->s, c->node, v, &text);

    for (size_t at = 0; st == TEMPO_OK && at < text.n; at++) {
        const unsigned char byte = (unsigned char)text.p[at];
        const char escaped[] = {'%', hex[byte >> 4], hex[byte & 15]};
        if (stays(text.p[at], query))
            st = tempo_chat_add(c, b, tempo_chat_part(text, at, at + 1));
        else if (query && byte == ' ')
            st = tempo_chat_append_like(c->s->heap, b, "+", 1, text, at);
        else
            st = tempo_chat_append_like(c->s->heap, b, escaped, sizeof(escaped), text, at);
    }
    return st == TEMPO_OK ? tempo_chat_work(c->s, c->node, text.n) : st;
}

static tempo_status filter_urlencode(tempo_chat_call *c)
{
    const tempo_chat_value view = {.kind = TEMPO_VALUE_VIEW, .which = TEMPO_VIEW_ITEMS, .map = c->self.map};
    const bool one = c->self.kind == TEMPO_VALUE_STR || !tempo_chat_is_iterable(&c->self);
    tempo_chat_span items = {NULL, 0}, pair;
    tempo_chat_buffer b = {0};
    tempo_status st =
        one ? quote(c, &c->self, false, &b)
            : tempo_chat_elements(c->s, c->node, c->self.kind == TEMPO_VALUE_MAP ? &view : &c->self, &items);

    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++) {
        if ((st = tempo_chat_elements(c->s, c->node, &items.v[i], &pair)) != TEMPO_OK)
            return st;
        if (pair.n != 2)
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "urlencode: element %zu is no pair", i);
        if ((i > 0 && (st = tempo_chat_add(c, &b, tempo_chat_literal("&"))) != TEMPO_OK) ||
            (st = quote(c, &pair.v[0], true, &b)) != TEMPO_OK ||
            (st = tempo_chat_add(c, &b, tempo_chat_literal("="))) != TEMPO_OK)
            return st;
        st = quote(c, &pair.v[1], true, &b);
    }
    *c->out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

const tempo_chat_callable tempo_chat_html_filters[] = {
    {"safe", "", filter_safe},
    {"escape", "", filter_escape},
    {"e", "", filter_escape},
    {"forceescape", "", filter_forceescape},
    {"striptags", "", filter_striptags},
    {"xmlattr", "|autospace", filter_xmlattr},
    {"urlencode", "", filter_urlencode},
    {NULL, NULL, NULL},
};
