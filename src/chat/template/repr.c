/* repr.c - values as text, as Python's str and repr write them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "chat/template/state.h"
#include "chat/template/text.h"

typedef struct writer {
    tempo_chat_state *s;
    const tempo_chat_node *node;
    unsigned how; /* TEMPO_REPR_... */
    tempo_chat_buffer b;
} writer;

static tempo_status put(writer *w, const char *text)
{
    return tempo_chat_append(w->s->heap, &w->b, tempo_chat_literal(text));
}

static tempo_status put_value(writer *w, const tempo_chat_value *v, unsigned depth);

/* ---- strings ---- */

/* The escape of a character that is not shown as it is; gives its length, 0: it is shown. */
static size_t escape(const writer *w, uint32_t c, char quote, char out[16])
{
    static const char from[] = "\\\n\r\t", to[] = "\\nrt";
    const char *known = c < 0x80 && c != 0 ? strchr(from, (int)c) : NULL;

    if (known != NULL || c == (uint32_t)quote)
        return (size_t)snprintf(out, 16, "\\%c", known != NULL ? to[known - from] : quote);
    if (c >= 0x20 && c < 0x7f)
        return 0;
    if (c < 0x100 && ((w->how & TEMPO_REPR_ASCII) != 0 || !tempo_chat_is_printable(c)))
        return (size_t)snprintf(out, 16, "\\x%02x", c);
    if ((w->how & TEMPO_REPR_ASCII) == 0 && tempo_chat_is_printable(c))
        return 0;
    return (size_t)snprintf(out, 16, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

static tempo_status put_string(writer *w, tempo_chat_str text)
{
    const bool single = memchr(text.p, '\'', text.n) != NULL, twofold = memchr(text.p, '"', text.n) != NULL;
    const char quote = single && !twofold ? '"' : '\'';
    const char mark[] = {quote, '\0'};
    tempo_status st = tempo_chat_work(w->s, w->node, text.n);
    size_t plain = 0, at = 0, n;

    if (st == TEMPO_OK)
        st = put(w, mark);
    while (at < text.n && st == TEMPO_OK) {
        char out[16];
        if ((n = escape(w, tempo_chat_decode(text.p + at), quote, out)) > 0) {
            st = tempo_chat_append(w->s->heap, &w->b, tempo_chat_part(text, plain, at));
            if (st == TEMPO_OK)
                st = tempo_chat_append_like(w->s->heap, &w->b, out, n, text, at);
            plain = at + tempo_chat_char_len(text.p[at]);
        }
        at += tempo_chat_char_len(text.p[at]);
    }
    if (st == TEMPO_OK)
        st = tempo_chat_append(w->s->heap, &w->b, tempo_chat_part(text, plain, text.n));
    return st == TEMPO_OK ? put(w, mark) : st;
}

/* ---- lists and mappings ---- */

static tempo_status put_span(writer *w, tempo_chat_span items, unsigned depth)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++)
        if (i == 0 || (st = put(w, ", ")) == TEMPO_OK)
            st = put_value(w, &items.v[i], depth);
    return st;
}

static tempo_status put_list(writer *w, const tempo_chat_value *v, unsigned depth)
{
    const bool tuple = v->kind == TEMPO_VALUE_TUPLE;
    tempo_status st = put(w, tuple ? "(" : "[");

    if (st == TEMPO_OK)
        st = put_span(w, (tempo_chat_span){v->list->v, v->list->n}, depth);
    return st != TEMPO_OK ? st : put(w, !tuple ? "]" : v->list->n == 1 ? ",)" : ")");
}

static tempo_status put_map(writer *w, const tempo_chat_map *m, unsigned depth)
{
    tempo_chat_map sorted;
    tempo_status st = put(w, "{");

    if (st == TEMPO_OK && (w->how & TEMPO_REPR_SORTED) != 0) {
        st = tempo_chat_map_sorted(w->s, w->node, m, &sorted);
        m = &sorted;
    }

    for (size_t i = 0; i < m->n && st == TEMPO_OK; i++)
        if ((i == 0 || (st = put(w, ", ")) == TEMPO_OK) &&
            (st = put_value(w, &m->keys[i], depth)) == TEMPO_OK && (st = put(w, ": ")) == TEMPO_OK)
            st = put_value(w, &m->values[i], depth);
    return st == TEMPO_OK ? put(w, "}") : st;
}

static tempo_status put_view(writer *w, const tempo_chat_value *v, unsigned depth)
{
    static const char *const names[] = {"dict_keys([", "dict_values([", "dict_items(["};
    tempo_chat_span items;
    tempo_status st = tempo_chat_elements(w->s, w->node, v, &items);

    if (st != TEMPO_OK || (st = put(w, names[v->which])) != TEMPO_OK ||
        (st = put_span(w, items, depth)) != TEMPO_OK)
        return st;
    return put(w, "])");
}

/* ---- others ---- */

static tempo_status put_range(writer *w, const tempo_chat_range *r)
{
    char text[96];

    if (r->step == 1)
        (void)snprintf(text, sizeof(text), "range(%" PRId64 ", %" PRId64 ")", r->begin, r->end);
    else
        (void)snprintf(text, sizeof(text), "range(%" PRId64 ", %" PRId64 ", %" PRId64 ")", r->begin, r->end,
                       r->step);
    return put(w, text);
}

static tempo_status put_macro(writer *w, const tempo_chat_macro *m)
{
    tempo_status st;

    if (m->node->type == TEMPO_CHAT_CALL_BLOCK)
        return put(w, "<Macro anonymous>");
    if ((st = put(w, "<Macro ")) != TEMPO_OK || (st = put_string(w, m->node->text)) != TEMPO_OK)
        return st;
    return put(w, ">");
}

static tempo_status put_other(writer *w, const tempo_chat_value *v, unsigned depth)
{
    char text[96];
    tempo_status st;

    switch (v->kind) {
    case TEMPO_VALUE_VIEW:
        return put_view(w, v, depth);
    case TEMPO_VALUE_RANGE:
        return put_range(w, v->range);
    case TEMPO_VALUE_NAMESPACE:
        if ((st = put(w, "<Namespace ")) != TEMPO_OK || (st = put_map(w, v->map, depth)) != TEMPO_OK)
            return st;
        return put(w, ">");
    case TEMPO_VALUE_MACRO:
        return put_macro(w, v->macro);
    case TEMPO_VALUE_LOOP:
        (void)snprintf(text, sizeof(text), "<LoopContext %zu/%zu>", v->loop->index + 1, v->loop->items.n);
        return put(w, text);
    default: /* Python writes an address */
        return tempo_chat_fail_at(w->s, w->node, TEMPO_E_UNSUPPORTED, "writing %s as text is not supported",
                                  tempo_chat_kind_name(v));
    }
}

static tempo_status put_value(writer *w, const tempo_chat_value *v, unsigned depth)
{
    char text[TEMPO_FLOAT_TEXT + 1];
    tempo_status st = tempo_chat_work(w->s, w->node, 0);

    if (st != TEMPO_OK)
        return st;
    if (depth == TEMPO_CHAT_MAX_VALUES)
        return tempo_chat_too_deep(w->s, w->node);
    switch (v->kind) {
    case TEMPO_VALUE_UNDEFINED:
        return put(w, "Undefined");
    case TEMPO_VALUE_NONE:
        return put(w, "None");
    case TEMPO_VALUE_BOOL:
        return put(w, v->i != 0 ? "True" : "False");
    case TEMPO_VALUE_INT:
        (void)snprintf(text, sizeof(text), "%" PRId64, v->i);
        return put(w, text);
    case TEMPO_VALUE_FLOAT:
        text[tempo_float_text(v->f, text)] = '\0';
        return put(w, text);
    case TEMPO_VALUE_STR:
        if (v->which == 0)
            return put_string(w, v->str);
        if ((st = put(w, "Markup(")) != TEMPO_OK || (st = put_string(w, v->str)) != TEMPO_OK)
            return st;
        return put(w, ")");
    case TEMPO_VALUE_LIST:
    case TEMPO_VALUE_TUPLE:
        return put_list(w, v, depth + 1);
    case TEMPO_VALUE_MAP:
        return put_map(w, v->map, depth + 1);
    default:
        return put_other(w, v, depth + 1);
    }
}

tempo_status tempo_chat_repr(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                             unsigned how, tempo_chat_str *out)
{
    writer w = {.s = s, .node = node, .how = how};
    const tempo_status st = put_value(&w, v, 0);

    *out = tempo_chat_buffer_str(&w.b);
    return st;
}

tempo_status tempo_chat_print(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                              tempo_chat_str *out)
{
    *out = v->kind == TEMPO_VALUE_STR ? v->str : tempo_chat_literal("");
    return v->kind == TEMPO_VALUE_STR || v->kind == TEMPO_VALUE_UNDEFINED
               ? TEMPO_OK
               : tempo_chat_repr(s, node, v, 0, out);
}
