/* dumps.c - values as JSON, as Python's json.dumps writes it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "chat/template/state.h"
#include "chat/template/text.h"

typedef struct writer {
    tempo_chat_state *s;
    const tempo_chat_node *node;
    const tempo_chat_dumps *how;
    tempo_chat_buffer b;
} writer;

static tempo_status put(writer *w, tempo_chat_str text)
{
    return tempo_chat_append(w->s->heap, &w->b, text);
}

static tempo_status put_text(writer *w, const char *text)
{
    return put(w, tempo_chat_literal(text));
}

static tempo_status put_value(writer *w, const tempo_chat_value *v, unsigned depth);

/* ---- strings ---- */

/* Gives the length, 0: it stands as it is. */
static size_t escape(const writer *w, uint32_t c, char out[16])
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *known = c < 0x80 && c != 0 ? strchr(from, (int)c) : NULL;

    if (known != NULL)
        return (size_t)snprintf(out, 16, "\\%c", to[known - from]);
    if (c >= 0x20 && (c < 0x7f || !w->how->ensure_ascii))
        return 0;
    if (c < 0x10000)
        return (size_t)snprintf(out, 16, "\\u%04x", c);
    c -= 0x10000;
    return (size_t)snprintf(out, 16, "\\u%04x\\u%04x", 0xd800 | c >> 10, 0xdc00 | (c & 0x3ff));
}

static tempo_status put_string(writer *w, tempo_chat_str text)
{
    tempo_status st = tempo_chat_work(w->s, w->node, text.n);
    size_t plain = 0, at = 0, n;

    if (st == TEMPO_OK)
        st = put_text(w, "\"");
    while (at < text.n && st == TEMPO_OK) {
        char out[16];
        if ((n = escape(w, tempo_chat_decode(text.p + at), out)) > 0) {
            st = put(w, tempo_chat_part(text, plain, at));
            if (st == TEMPO_OK)
                st = tempo_chat_append_like(w->s->heap, &w->b, out, n, text, at);
            plain = at + tempo_chat_char_len(text.p[at]);
        }
        at += tempo_chat_char_len(text.p[at]);
    }
    if (st == TEMPO_OK)
        st = put(w, tempo_chat_part(text, plain, text.n));
    return st == TEMPO_OK ? put_text(w, "\"") : st;
}

/* ---- lists and mappings ---- */

/* Before the i-th element, or before the closer. */
static tempo_status put_separator(writer *w, size_t i, unsigned depth, bool closer)
{
    tempo_status st = !closer && i > 0 ? put(w, w->how->item) : TEMPO_OK;

    if (!w->how->lines || st != TEMPO_OK)
        return st;
    st = put_text(w, "\n");
    for (unsigned k = 0; k < depth && st == TEMPO_OK; k++)
        st = put(w, w->how->indent);
    return st;
}

static tempo_status put_list(writer *w, const tempo_chat_list *list, unsigned depth)
{
    tempo_status st = put_text(w, "[");

    for (size_t i = 0; i < list->n && st == TEMPO_OK; i++)
        if ((st = put_separator(w, i, depth + 1, false)) == TEMPO_OK)
            st = put_value(w, &list->v[i], depth + 1);
    if (st == TEMPO_OK && list->n > 0)
        st = put_separator(w, list->n, depth, true);
    return st == TEMPO_OK ? put_text(w, "]") : st;
}

/* Keys that are no strings are written as such. */
static tempo_status put_key(writer *w, const tempo_chat_value *key)
{
    tempo_status st;

    if (key->kind == TEMPO_VALUE_STR)
        return put_string(w, key->str);
    if (key->kind != TEMPO_VALUE_NONE && !tempo_chat_is_number(key))
        return tempo_chat_fail_at(w->s, w->node, TEMPO_E_ARG, "%s cannot be a key in JSON",
                                  tempo_chat_kind_name(key));
    if ((st = put_text(w, "\"")) != TEMPO_OK || (st = put_value(w, key, 0)) != TEMPO_OK)
        return st;
    return put_text(w, "\"");
}

static tempo_status put_map(writer *w, const tempo_chat_map *m, unsigned depth)
{
    tempo_chat_map in_order = *m;
    tempo_status st = put_text(w, "{");

    if (st == TEMPO_OK && w->how->sort_keys)
        st = tempo_chat_map_sorted(w->s, w->node, m, &in_order);
    for (size_t i = 0; i < m->n && st == TEMPO_OK; i++)
        if ((st = put_separator(w, i, depth + 1, false)) == TEMPO_OK &&
            (st = put_key(w, &in_order.keys[i])) == TEMPO_OK && (st = put(w, w->how->key)) == TEMPO_OK)
            st = put_value(w, &in_order.values[i], depth + 1);
    if (st == TEMPO_OK && m->n > 0)
        st = put_separator(w, m->n, depth, true);
    return st == TEMPO_OK ? put_text(w, "}") : st;
}

/* ---- all ---- */

static tempo_status put_float(writer *w, double f)
{
    char text[TEMPO_FLOAT_TEXT + 1];

    text[tempo_float_text(f, text)] = '\0';
    return put_text(w, strcmp(text, "nan") == 0    ? "NaN"
                       : strcmp(text, "inf") == 0  ? "Infinity"
                       : strcmp(text, "-inf") == 0 ? "-Infinity"
                                                   : text);
}

static tempo_status put_value(writer *w, const tempo_chat_value *v, unsigned depth)
{
    char text[32];
    tempo_status st = tempo_chat_work(w->s, w->node, 0);

    if (st != TEMPO_OK)
        return st;
    if (depth == TEMPO_CHAT_MAX_VALUES)
        return tempo_chat_too_deep(w->s, w->node);
    switch (v->kind) {
    case TEMPO_VALUE_NONE:
        return put_text(w, "null");
    case TEMPO_VALUE_BOOL:
        return put_text(w, v->i != 0 ? "true" : "false");
    case TEMPO_VALUE_INT:
        (void)snprintf(text, sizeof(text), "%" PRId64, v->i);
        return put_text(w, text);
    case TEMPO_VALUE_FLOAT:
        return put_float(w, v->f);
    case TEMPO_VALUE_STR:
        return put_string(w, v->str);
    case TEMPO_VALUE_LIST:
    case TEMPO_VALUE_TUPLE:
        return put_list(w, v->list, depth);
    case TEMPO_VALUE_MAP:
        return put_map(w, v->map, depth);
    default:
        return tempo_chat_fail_at(w->s, w->node, TEMPO_E_ARG, "%s cannot be written as JSON",
                                  tempo_chat_kind_name(v));
    }
}

tempo_status tempo_chat_json(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                             const tempo_chat_dumps *how, tempo_chat_str *out)
{
    writer w = {.s = s, .node = node, .how = how};
    const tempo_status st = put_value(&w, v, 0);

    *out = tempo_chat_buffer_str(&w.b);
    return st;
}
