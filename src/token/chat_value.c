/* chat_value.c - comparing and printing values, as Python and Jinja2 do. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "token/chat_state.h"
#include "token/chat_text.h"

const char *tempo_chat_kind_name(const tempo_chat_value *v)
{
    static const char *const names[] = {"an undefined value", "none",       "a boolean", "a number",
                                        "a number",           "a string",   "a list",    "a mapping",
                                        "a namespace",        "a function", "a macro",   "a loop"};

    return names[v->kind];
}

bool tempo_chat_truth(const tempo_chat_value *v)
{
    switch (v->kind) {
    case TEMPO_VALUE_UNDEFINED:
    case TEMPO_VALUE_NONE:
        return false;
    case TEMPO_VALUE_BOOL:
    case TEMPO_VALUE_INT:
        return v->i != 0;
    case TEMPO_VALUE_FLOAT:
        return v->f != 0;
    case TEMPO_VALUE_STR:
        return v->str.n > 0;
    case TEMPO_VALUE_LIST:
        return v->list.n > 0;
    case TEMPO_VALUE_MAP:
        return v->map->n > 0;
    default:
        return true;
    }
}

bool tempo_chat_is_number(const tempo_chat_value *v)
{
    return v->kind == TEMPO_VALUE_INT || v->kind == TEMPO_VALUE_BOOL;
}

tempo_chat_value *tempo_chat_values(tempo_chat_state *s, size_t n)
{
    return tempo_chat_alloc(s->heap, n <= SIZE_MAX / sizeof(tempo_chat_value) ? n * sizeof(tempo_chat_value)
                                                                              : SIZE_MAX);
}

/* ---- maps ---- */

static bool same_text(tempo_chat_str a, tempo_chat_str b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

const tempo_chat_value *tempo_chat_map_find(const tempo_chat_map *m, tempo_chat_str key)
{
    for (size_t i = 0; i < m->n; i++)
        if (same_text(m->keys[i], key))
            return &m->values[i];
    return NULL;
}

tempo_status tempo_chat_map_put(tempo_chat_state *s, tempo_chat_map *m, tempo_chat_str key,
                                const tempo_chat_value *v)
{
    for (size_t i = 0; i < m->n; i++) {
        if (same_text(m->keys[i], key)) {
            m->values[i] = *v;
            return TEMPO_OK;
        }
    }
    if (m->n == m->cap) {
        const size_t cap = m->cap == 0 ? 4 : 2 * m->cap;
        tempo_chat_str *keys = tempo_chat_alloc(s->heap, cap * sizeof(*keys));
        tempo_chat_value *values = keys != NULL ? tempo_chat_values(s, cap) : NULL;
        if (values == NULL)
            return s->heap->failed;
        if (m->n > 0) {
            memcpy(keys, m->keys, m->n * sizeof(*keys));
            memcpy(values, m->values, m->n * sizeof(*values));
        }
        m->keys = keys;
        m->values = values;
        m->cap = cap;
    }
    m->keys[m->n] = key;
    m->values[m->n++] = *v;
    return TEMPO_OK;
}

/* ---- comparing ---- */

static tempo_status too_deep(tempo_chat_state *s, const tempo_chat_node *node)
{
    return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "more than %d lists inside one another",
                              TEMPO_CHAT_MAX_VALUES);
}

static tempo_status equal(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                          const tempo_chat_value *b, unsigned depth, bool *out);

static tempo_status equal_maps(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_map *a,
                               const tempo_chat_map *b, unsigned depth, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        const tempo_chat_value *other = tempo_chat_map_find(b, a->keys[i]);
        tempo_status st = tempo_chat_work(s, node, b->n);
        *out = other != NULL;
        if (st == TEMPO_OK && *out)
            st = equal(s, node, &a->values[i], other, depth, out);
        if (st != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

static tempo_status equal_lists(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_list a,
                                tempo_chat_list b, unsigned depth, bool *out)
{
    *out = a.n == b.n;
    for (size_t i = 0; i < a.n && *out; i++) {
        const tempo_status st = equal(s, node, &a.v[i], &b.v[i], depth, out);
        if (st != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

static tempo_status equal(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                          const tempo_chat_value *b, unsigned depth, bool *out)
{
    tempo_status st;

    *out = false;
    if (depth == TEMPO_CHAT_MAX_VALUES)
        return too_deep(s, node);
    if ((st = tempo_chat_work(s, node, 0)) != TEMPO_OK)
        return st;
    if (tempo_chat_is_number(a) && tempo_chat_is_number(b)) {
        *out = a->i == b->i;
        return TEMPO_OK;
    }
    if (a->kind != b->kind)
        return TEMPO_OK;
    switch (a->kind) {
    case TEMPO_VALUE_STR:
        *out = same_text(a->str, b->str);
        return tempo_chat_work(s, node, *out ? a->str.n : 0);
    case TEMPO_VALUE_LIST:
        return equal_lists(s, node, a->list, b->list, depth + 1, out);
    case TEMPO_VALUE_MAP:
        return equal_maps(s, node, a->map, b->map, depth + 1, out);
    case TEMPO_VALUE_UNDEFINED:
    case TEMPO_VALUE_NONE:
        *out = true;
        return TEMPO_OK;
    case TEMPO_VALUE_NAMESPACE:
        *out = a->map == b->map;
        return TEMPO_OK;
    default:
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "comparing %s is not supported",
                                  tempo_chat_kind_name(a));
    }
}

tempo_status tempo_chat_equal(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                              const tempo_chat_value *b, bool *out)
{
    return equal(s, node, a, b, 0, out);
}

static tempo_status contains(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *item,
                             const tempo_chat_value *in, bool *out)
{
    tempo_status st = TEMPO_OK;

    *out = false;
    switch (in->kind) {
    case TEMPO_VALUE_STR:
        if (item->kind != TEMPO_VALUE_STR)
            return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "in: a string cannot hold %s",
                                      tempo_chat_kind_name(item));
        *out = tempo_chat_search(in->str, item->str, 0) != SIZE_MAX;
        return tempo_chat_work(s, node, in->str.n);
    case TEMPO_VALUE_LIST:
        for (size_t i = 0; i < in->list.n && !*out && st == TEMPO_OK; i++)
            st = tempo_chat_equal(s, node, item, &in->list.v[i], out);
        return st;
    case TEMPO_VALUE_MAP:
        *out = item->kind == TEMPO_VALUE_STR && tempo_chat_map_find(in->map, item->str) != NULL;
        return tempo_chat_work(s, node, in->map->n);
    case TEMPO_VALUE_UNDEFINED:
        return TEMPO_OK;
    default:
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "in: %s has no elements", tempo_chat_kind_name(in));
    }
}

static tempo_status order(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                          const tempo_chat_value *b, int *out)
{
    *out = 0;
    if (tempo_chat_is_number(a) && tempo_chat_is_number(b)) {
        *out = (a->i > b->i) - (a->i < b->i);
    } else if (a->kind == TEMPO_VALUE_STR &&
               b->kind == TEMPO_VALUE_STR) { /* UTF-8 sorts as its characters do */
        const size_t n = a->str.n < b->str.n ? a->str.n : b->str.n;
        *out = n > 0 ? memcmp(a->str.p, b->str.p, n) : 0;
        if (*out == 0)
            *out = (a->str.n > b->str.n) - (a->str.n < b->str.n);
        return tempo_chat_work(s, node, n);
    } else {
        return tempo_chat_fail_at(s, node, a->kind == TEMPO_VALUE_LIST ? TEMPO_E_UNSUPPORTED : TEMPO_E_ARG,
                                  "%s and %s have no order here", tempo_chat_kind_name(a),
                                  tempo_chat_kind_name(b));
    }
    return TEMPO_OK;
}

tempo_status tempo_chat_compare(tempo_chat_state *s, const tempo_chat_node *node, int64_t op,
                                const tempo_chat_value *a, const tempo_chat_value *b, bool *out)
{
    tempo_status st;
    int c = 0;

    *out = false;
    if (op == TEMPO_OP2('=', '=') || op == TEMPO_OP2('!', '=')) {
        st = tempo_chat_equal(s, node, a, b, out);
        *out ^= op == TEMPO_OP2('!', '=');
        return st;
    }
    if (op == TEMPO_OP_IN || op == TEMPO_OP_NOT_IN) {
        st = contains(s, node, a, b, out);
        *out ^= op == TEMPO_OP_NOT_IN;
        return st;
    }
    st = order(s, node, a, b, &c);
    *out = op == TEMPO_OP1('<')        ? c < 0
           : op == TEMPO_OP1('>')      ? c > 0
           : op == TEMPO_OP2('<', '=') ? c <= 0
                                       : c >= 0;
    return st;
}

/* ---- elements ---- */

tempo_status tempo_chat_elements(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                 tempo_chat_list *out)
{
    tempo_chat_value *list;

    *out = (tempo_chat_list){NULL, 0};
    switch (v->kind) {
    case TEMPO_VALUE_LIST:
        *out = v->list;
        return TEMPO_OK;
    case TEMPO_VALUE_UNDEFINED:
        return TEMPO_OK;
    case TEMPO_VALUE_MAP:
        if ((list = tempo_chat_values(s, v->map->n)) == NULL)
            return s->heap->failed;
        for (size_t i = 0; i < v->map->n; i++)
            list[i] = tempo_chat_text(v->map->keys[i]);
        *out = (tempo_chat_list){list, v->map->n};
        return TEMPO_OK;
    case TEMPO_VALUE_STR:
        if ((list = tempo_chat_values(s, tempo_chat_length(v->str))) == NULL)
            return s->heap->failed;
        for (size_t at = 0, n; at < v->str.n; at += n) {
            n = tempo_chat_char_len(v->str.p[at]);
            list[out->n++] = tempo_chat_text(tempo_chat_part(v->str, at, at + n));
        }
        out->v = list;
        return TEMPO_OK;
    default:
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s has no elements", tempo_chat_kind_name(v));
    }
}

/* ---- printing ---- */

static tempo_status print_int(tempo_chat_state *s, int64_t i, tempo_chat_str *out)
{
    char *p = tempo_chat_alloc(s->heap, 24);

    if (p == NULL)
        return s->heap->failed;
    *out = (tempo_chat_str){p, NULL, (size_t)snprintf(p, 24, "%" PRId64, i)};
    return TEMPO_OK;
}

static tempo_status print_float(tempo_chat_state *s, double f, tempo_chat_str *out)
{
    char *p = tempo_chat_alloc(s->heap, TEMPO_CHAT_FLOAT_TEXT);

    if (p == NULL)
        return s->heap->failed;
    *out = (tempo_chat_str){p, NULL, tempo_chat_float_text(f, p)};
    return TEMPO_OK;
}

static tempo_chat_str literal(const char *text)
{
    return (tempo_chat_str){text, NULL, strlen(text)};
}

tempo_status tempo_chat_print(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                              tempo_chat_str *out)
{
    *out = literal("");
    switch (v->kind) {
    case TEMPO_VALUE_UNDEFINED:
        return TEMPO_OK;
    case TEMPO_VALUE_NONE:
        *out = literal("None");
        return TEMPO_OK;
    case TEMPO_VALUE_BOOL:
        *out = literal(v->i != 0 ? "True" : "False");
        return TEMPO_OK;
    case TEMPO_VALUE_INT:
        return print_int(s, v->i, out);
    case TEMPO_VALUE_FLOAT:
        return print_float(s, v->f, out);
    case TEMPO_VALUE_STR:
        *out = v->str;
        return TEMPO_OK;
    default:
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "writing %s as text is not supported",
                                  tempo_chat_kind_name(v));
    }
}

typedef struct json_writer {
    tempo_chat_state *s;
    const tempo_chat_node *node;
    int64_t indent;
    tempo_chat_buffer b;
} json_writer;

static tempo_status put_literal(json_writer *w, const char *text)
{
    return tempo_chat_append(w->s->heap, &w->b, literal(text));
}

static tempo_status put_string(json_writer *w, tempo_chat_str str)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    tempo_status st = put_literal(w, "\"");

    for (size_t i = 0, plain = 0; i <= str.n && st == TEMPO_OK; i++) {
        const bool end = i == str.n;
        if (!end && (unsigned char)str.p[i] >= 0x20 && str.p[i] != '"' && str.p[i] != '\\')
            continue;
        st = tempo_chat_append(w->s->heap, &w->b, tempo_chat_part(str, plain, i));
        plain = i + 1;
        if (end || st != TEMPO_OK)
            continue;
        const char *known = str.p[i] != '\0' ? strchr(from, str.p[i]) : NULL;
        unsigned char outside[8];
        char escape[8];
        memset(outside, str.outside != NULL ? str.outside[i] : 0, sizeof(outside));
        const int n = known != NULL ? snprintf(escape, sizeof(escape), "\\%c", to[known - from])
                                    : snprintf(escape, sizeof(escape), "\\u%04x", (unsigned char)str.p[i]);
        st = tempo_chat_append(w->s->heap, &w->b,
                               (tempo_chat_str){escape, str.outside != NULL ? outside : NULL, (size_t)n});
    }
    return st == TEMPO_OK ? put_literal(w, "\"") : st;
}

static tempo_status put_value(json_writer *w, const tempo_chat_value *v, unsigned depth);

/* Before the i-th element, or before the closer. */
static tempo_status put_separator(json_writer *w, size_t i, unsigned depth, bool closer)
{
    tempo_status st = TEMPO_OK;

    if (!closer && i > 0)
        st = put_literal(w, w->indent < 0 ? ", " : ",");
    if (w->indent < 0 || st != TEMPO_OK)
        return st;
    st = put_literal(w, "\n");
    for (int64_t k = 0; k < w->indent * depth && st == TEMPO_OK; k++)
        st = put_literal(w, " ");
    return st;
}

static tempo_status put_list(json_writer *w, const tempo_chat_value *v, unsigned depth)
{
    const bool map = v->kind == TEMPO_VALUE_MAP;
    const size_t n = map ? v->map->n : v->list.n;
    tempo_status st = put_literal(w, map ? "{" : "[");

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        if ((st = put_separator(w, i, depth + 1, false)) != TEMPO_OK)
            return st;
        if (map &&
            ((st = put_string(w, v->map->keys[i])) != TEMPO_OK || (st = put_literal(w, ": ")) != TEMPO_OK))
            return st;
        st = put_value(w, map ? &v->map->values[i] : &v->list.v[i], depth + 1);
    }
    if (st == TEMPO_OK && n > 0)
        st = put_separator(w, n, depth, true);
    return st == TEMPO_OK ? put_literal(w, map ? "}" : "]") : st;
}

static tempo_status put_value(json_writer *w, const tempo_chat_value *v, unsigned depth)
{
    tempo_chat_str text;
    tempo_status st;

    if (depth == TEMPO_CHAT_MAX_VALUES)
        return too_deep(w->s, w->node);
    if ((st = tempo_chat_work(w->s, w->node, v->kind == TEMPO_VALUE_STR ? v->str.n : 0)) != TEMPO_OK)
        return st;
    switch (v->kind) {
    case TEMPO_VALUE_NONE:
        return put_literal(w, "null");
    case TEMPO_VALUE_BOOL:
        return put_literal(w, v->i != 0 ? "true" : "false");
    case TEMPO_VALUE_FLOAT:
        return (st = print_float(w->s, v->f, &text)) == TEMPO_OK ? tempo_chat_append(w->s->heap, &w->b, text)
                                                                 : st;
    case TEMPO_VALUE_INT:
        return (st = print_int(w->s, v->i, &text)) == TEMPO_OK ? tempo_chat_append(w->s->heap, &w->b, text)
                                                               : st;
    case TEMPO_VALUE_STR:
        return put_string(w, v->str);
    case TEMPO_VALUE_LIST:
    case TEMPO_VALUE_MAP:
        return put_list(w, v, depth);
    default:
        return tempo_chat_fail_at(w->s, w->node, TEMPO_E_ARG, "%s cannot be written as JSON",
                                  tempo_chat_kind_name(v));
    }
}

tempo_status tempo_chat_json(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                             int64_t indent, tempo_chat_str *out)
{
    json_writer w = {.s = s, .node = node, .indent = indent};
    const tempo_status st = put_value(&w, v, 0);

    *out = tempo_chat_buffer_str(&w.b);
    return st;
}
