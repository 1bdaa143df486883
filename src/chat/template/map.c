/* map.c - lists and mappings: making, filling, going through and sorting them. */
#include <string.h>

#include "chat/template/state.h"
#include "chat/template/text.h"

tempo_chat_value *tempo_chat_values(tempo_chat_state *s, size_t n)
{
    return tempo_chat_alloc(s->heap, n <= SIZE_MAX / sizeof(tempo_chat_value) ? n * sizeof(tempo_chat_value)
                                                                              : SIZE_MAX);
}

tempo_status tempo_chat_make(tempo_chat_state *s, tempo_chat_kind kind, tempo_chat_value *v, size_t n,
                             tempo_chat_value *out)
{
    *out = (tempo_chat_value){.kind = kind};
    if (kind == TEMPO_VALUE_ITERATOR) {
        if ((out->reader = tempo_chat_alloc(s->heap, sizeof(*out->reader))) != NULL)
            out->reader->items = (tempo_chat_span){v, n};
        return out->reader != NULL ? TEMPO_OK : s->heap->failed;
    }
    if ((out->list = tempo_chat_alloc(s->heap, sizeof(*out->list))) == NULL)
        return s->heap->failed;
    *out->list = (tempo_chat_list){v, n, n};
    return TEMPO_OK;
}

tempo_status tempo_chat_push(tempo_chat_state *s, tempo_chat_list *list, const tempo_chat_value *v)
{
    if (list->n >= list->cap) {
        const size_t cap = list->n < 4 ? 8 : 2 * list->n;
        tempo_chat_value *p = tempo_chat_values(s, cap);
        if (p == NULL)
            return s->heap->failed;
        if (list->n > 0)
            memcpy(p, list->v, list->n * sizeof(*p));
        list->v = p;
        list->cap = cap;
    }
    list->v[list->n++] = *v;
    return TEMPO_OK;
}

/* ---- mappings ---- */

tempo_status tempo_chat_make_map(tempo_chat_state *s, tempo_chat_kind kind, tempo_chat_value *out)
{
    *out = (tempo_chat_value){.kind = kind};
    out->map = tempo_chat_alloc(s->heap, sizeof(*out->map));
    return out->map != NULL ? TEMPO_OK : s->heap->failed;
}

const tempo_chat_value *tempo_chat_map_get(const tempo_chat_map *m, tempo_chat_str key)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->keys[i].kind == TEMPO_VALUE_STR && tempo_chat_same(m->keys[i].str, key))
            return &m->values[i];
    return NULL;
}

/* Lists and mappings are no keys, nor are tuples that have any. */
static tempo_status check_key(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                              unsigned depth)
{
    tempo_status st = TEMPO_OK;

    if (depth == TEMPO_CHAT_MAX_VALUES)
        return tempo_chat_too_deep(s, node);
    if (v->kind == TEMPO_VALUE_LIST || v->kind == TEMPO_VALUE_MAP)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s cannot be the key of a mapping",
                                  tempo_chat_kind_name(v));
    for (size_t i = 0; v->kind == TEMPO_VALUE_TUPLE && i < v->list->n && st == TEMPO_OK; i++)
        if ((st = tempo_chat_work(s, node, 0)) == TEMPO_OK)
            st = check_key(s, node, &v->list->v[i], depth + 1);
    return st;
}

tempo_status tempo_chat_map_find(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_map *m,
                                 const tempo_chat_value *key, size_t *at)
{
    tempo_status st = tempo_chat_work(s, node, 16 * m->n);
    bool same = false;

    *at = m->n;
    if (st != TEMPO_OK || (st = check_key(s, node, key, 0)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < m->n && !same && st == TEMPO_OK; i++) {
        if (key->kind == TEMPO_VALUE_STR)
            same = m->keys[i].kind == TEMPO_VALUE_STR && tempo_chat_same(m->keys[i].str, key->str);
        else if (m->keys[i].kind != TEMPO_VALUE_STR)
            st = tempo_chat_equal(s, node, &m->keys[i], key, &same);
        if (same)
            *at = i;
    }
    return st;
}

tempo_status tempo_chat_map_put(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_map *m,
                                const tempo_chat_value *key, const tempo_chat_value *v)
{
    size_t at;
    const tempo_status st = tempo_chat_map_find(s, node, m, key, &at);

    if (st != TEMPO_OK)
        return st;
    if (at < m->n) {
        m->values[at] = *v;
        return TEMPO_OK;
    }
    if (m->n == m->cap) {
        const size_t cap = m->cap == 0 ? 4 : 2 * m->cap;
        tempo_chat_value *keys = tempo_chat_values(s, cap),
                         *values = keys != NULL ? tempo_chat_values(s, cap) : NULL;
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
    m->keys[m->n] = *key;
    m->values[m->n++] = *v;
    return TEMPO_OK;
}

void tempo_chat_map_remove(tempo_chat_map *m, size_t at)
{
    m->n--;
    memmove(m->keys + at, m->keys + at + 1, (m->n - at) * sizeof(*m->keys));
    memmove(m->values + at, m->values + at + 1, (m->n - at) * sizeof(*m->values));
}

tempo_status tempo_chat_map_update(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_map *m,
                                   const tempo_chat_value *v)
{
    tempo_chat_span items, pair;
    tempo_status st;

    if (v->kind == TEMPO_VALUE_MAP) {
        const tempo_chat_map from = *v->map; /* which may be m */
        st = TEMPO_OK;
        for (size_t i = 0; i < from.n && st == TEMPO_OK; i++)
            st = tempo_chat_map_put(s, node, m, &from.keys[i], &from.values[i]);
        return st;
    }
    st = tempo_chat_elements(s, node, v, &items);
    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++) {
        if ((st = tempo_chat_elements(s, node, &items.v[i], &pair)) != TEMPO_OK)
            return st;
        if (pair.n != 2)
            return tempo_chat_fail_at(s, node, TEMPO_E_ARG,
                                      "a mapping is made of pairs, element %zu has %zu values", i, pair.n);
        st = tempo_chat_map_put(s, node, m, &pair.v[0], &pair.v[1]);
    }
    return st;
}

/* ---- elements ---- */

static tempo_status view_elements(tempo_chat_state *s, const tempo_chat_map *m, uint32_t which,
                                  tempo_chat_span *out)
{
    tempo_chat_value *v = tempo_chat_values(s, m->n), *pairs = NULL;
    tempo_status st = TEMPO_OK;

    if (v == NULL || (which == TEMPO_VIEW_ITEMS && (pairs = tempo_chat_values(s, 2 * m->n)) == NULL))
        return s->heap->failed;
    for (size_t i = 0; i < m->n && st == TEMPO_OK; i++) {
        if (which != TEMPO_VIEW_ITEMS) {
            v[i] = which == TEMPO_VIEW_KEYS ? m->keys[i] : m->values[i];
            continue;
        }
        pairs[2 * i] = m->keys[i];
        pairs[2 * i + 1] = m->values[i];
        st = tempo_chat_make(s, TEMPO_VALUE_TUPLE, pairs + 2 * i, 2, &v[i]);
    }
    *out = (tempo_chat_span){v, m->n};
    return st;
}

static tempo_status characters(tempo_chat_state *s, tempo_chat_str text, tempo_chat_span *out)
{
    tempo_chat_value *v = tempo_chat_values(s, tempo_chat_length(text));

    if (v == NULL)
        return s->heap->failed;
    for (size_t at = 0, n; at < text.n; at += n) {
        n = tempo_chat_char_len(text.p[at]);
        v[out->n++] = tempo_chat_text(tempo_chat_part(text, at, at + n));
    }
    out->v = v;
    return TEMPO_OK;
}

static tempo_status range_elements(tempo_chat_state *s, const tempo_chat_range *r, tempo_chat_span *out)
{
    tempo_chat_value *v = tempo_chat_values(s, r->n);

    if (v == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < r->n; i++)
        v[i] = tempo_chat_int(r->begin + (int64_t)i * r->step);
    *out = (tempo_chat_span){v, r->n};
    return TEMPO_OK;
}

/* What was to fail when it is read. */
static tempo_status fail_late(tempo_chat_state *s, const tempo_chat_reader *r)
{
    if (s->err != NULL && s->err->code == TEMPO_OK)
        *s->err = *r->failure;
    return r->failure->code;
}

tempo_status tempo_chat_next(tempo_chat_state *s, tempo_chat_reader *r, tempo_chat_value *out, bool *some)
{
    *some = r->at < r->items.n;
    if (*some)
        *out = r->items.v[r->at++];
    return !*some && r->failure != NULL ? fail_late(s, r) : TEMPO_OK;
}

bool tempo_chat_is_iterable(const tempo_chat_value *v)
{
    return v->kind == TEMPO_VALUE_UNDEFINED || v->kind == TEMPO_VALUE_LOOP ||
           (v->kind >= TEMPO_VALUE_STR && v->kind <= TEMPO_VALUE_ITERATOR);
}

tempo_status tempo_chat_elements(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                 tempo_chat_span *out)
{
    size_t n;
    tempo_status st = tempo_chat_length_of(v, &n) ? tempo_chat_work(s, node, 16 * n) : TEMPO_OK;

    *out = (tempo_chat_span){NULL, 0};
    if (st != TEMPO_OK)
        return st;
    switch (v->kind) {
    case TEMPO_VALUE_UNDEFINED:
        return TEMPO_OK;
    case TEMPO_VALUE_LIST:
    case TEMPO_VALUE_TUPLE:
        *out = (tempo_chat_span){v->list->v, v->list->n};
        return TEMPO_OK;
    case TEMPO_VALUE_MAP:
        return view_elements(s, v->map, TEMPO_VIEW_KEYS, out);
    case TEMPO_VALUE_VIEW:
        return view_elements(s, v->map, v->which, out);
    case TEMPO_VALUE_RANGE:
        return range_elements(s, v->range, out);
    case TEMPO_VALUE_STR:
        return characters(s, v->str, out);
    case TEMPO_VALUE_ITERATOR:
        *out = (tempo_chat_span){v->reader->items.v + v->reader->at, v->reader->items.n - v->reader->at};
        v->reader->at = v->reader->items.n;
        return v->reader->failure != NULL ? fail_late(s, v->reader) : TEMPO_OK;
    default:
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s has no elements", tempo_chat_kind_name(v));
    }
}

/* ---- sorting ---- */

typedef struct sorter {
    tempo_chat_state *s;
    const tempo_chat_node *node;
    const tempo_chat_value *keys;
    bool reverse;
} sorter;

/* Merge the sorted from[begin, middle) and from[middle, end) into to. */
static tempo_status merge(const sorter *x, const size_t *from, size_t *to, size_t begin, size_t middle,
                          size_t end)
{
    for (size_t a = begin, b = middle, i = begin; i < end; i++) {
        bool second = a == middle;
        if (a < middle && b < end) { /* the second one goes first only if it must */
            const tempo_chat_value *left = &x->keys[from[a]], *right = &x->keys[from[b]];
            const tempo_status st = x->reverse ? tempo_chat_less(x->s, x->node, left, right, &second)
                                               : tempo_chat_less(x->s, x->node, right, left, &second);
            if (st != TEMPO_OK)
                return st;
        }
        to[i] = second ? from[b++] : from[a++];
    }
    return TEMPO_OK;
}

tempo_status tempo_chat_sort(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *keys,
                             tempo_chat_value *v, size_t n, bool reverse)
{
    const sorter x = {s, node, keys, reverse};
    tempo_chat_value *copy = tempo_chat_values(s, n);
    size_t *order = tempo_chat_alloc(s->heap, n * sizeof(*order)),
           *next = tempo_chat_alloc(s->heap, n * sizeof(*next));
    tempo_status st = TEMPO_OK;

    if (copy == NULL || order == NULL || next == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t begin = 0; begin < n; begin += 2 * width) {
            const size_t middle = begin + width < n ? begin + width : n,
                         end = begin + 2 * width < n ? begin + 2 * width : n;
            if ((st = tempo_chat_work(s, node, 64 * (end - begin))) != TEMPO_OK ||
                (st = merge(&x, order, next, begin, middle, end)) != TEMPO_OK)
                return st;
        }
        size_t *swap = order;
        order = next;
        next = swap;
    }
    for (size_t i = 0; i < n; i++)
        copy[i] = v[order[i]];
    if (n > 0)
        memcpy(v, copy, n * sizeof(*v));
    return TEMPO_OK;
}

tempo_status tempo_chat_map_sorted(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_map *m,
                                   tempo_chat_map *out)
{
    tempo_chat_value *keys = tempo_chat_values(s, m->n), *values = tempo_chat_values(s, m->n);
    tempo_status st;

    *out = (tempo_chat_map){keys, values, m->n, m->n};
    if (keys == NULL || values == NULL)
        return s->heap->failed;
    if (m->n > 0) {
        memcpy(keys, m->keys, m->n * sizeof(*keys));
        memcpy(values, m->values, m->n * sizeof(*values));
    }
    if ((st = tempo_chat_sort(s, node, m->keys, values, m->n, false)) != TEMPO_OK)
        return st;
    return tempo_chat_sort(s, node, m->keys, keys, m->n, false);
}
