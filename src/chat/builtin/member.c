/* member.c - a.b, a[b] and a[b:c]. */
#include <string.h>

#include "chat/builtin/call.h"

static const tempo_chat_str element = {"an element", NULL, 10};

/* ---- attributes ---- */

typedef struct member {
    const char *name;
    tempo_chat_value v;
} member;

static bool pick(const member *members, size_t n, tempo_chat_str name, tempo_chat_value *out)
{
    for (size_t i = 0; i < n; i++) {
        if (tempo_chat_is(name, members[i].name)) {
            *out = members[i].v;
            return true;
        }
    }
    return false;
}

static tempo_chat_value loop_item(const tempo_chat_loop *l, size_t i, tempo_chat_str name)
{
    return i < l->items.n ? l->items.v[i] : tempo_chat_undefined(name);
}

static bool loop_member(const tempo_chat_loop *l, tempo_chat_str name, tempo_chat_value *out)
{
    const int64_t i = (int64_t)l->index, n = (int64_t)l->items.n, depth = (int64_t)l->depth;
    const member members[] = {
        {"index", tempo_chat_int(i + 1)},
        {"index0", tempo_chat_int(i)},
        {"revindex", tempo_chat_int(n - i)},
        {"revindex0", tempo_chat_int(n - i - 1)},
        {"first", tempo_chat_bool(i == 0)},
        {"last", tempo_chat_bool(i == n - 1)},
        {"length", tempo_chat_int(n)},
        {"depth", tempo_chat_int(depth + 1)},
        {"depth0", tempo_chat_int(depth)},
        {"previtem", loop_item(l, l->index - 1, name)}, /* before the first one: out of range, too */
        {"nextitem", loop_item(l, l->index + 1, name)},
    };

    return pick(members, sizeof(members) / sizeof(*members), name, out);
}

static tempo_status macro_member(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str name,
                                 tempo_chat_value *out)
{
    const bool anonymous = node->type == TEMPO_CHAT_CALL_BLOCK;
    const member members[] = {
        {"name", anonymous ? tempo_chat_none() : tempo_chat_text(node->text)},
        {"catch_kwargs", tempo_chat_bool((node->number & TEMPO_USES_KWARGS) != 0)},
        {"catch_varargs", tempo_chat_bool((node->number & TEMPO_USES_VARARGS) != 0)},
        {"caller", tempo_chat_bool((node->number & TEMPO_USES_CALLER) != 0)},
    };
    tempo_status st = TEMPO_OK;

    if (pick(members, sizeof(members) / sizeof(*members), name, out) || !tempo_chat_is(name, "arguments"))
        return TEMPO_OK;
    st = tempo_chat_make(s, TEMPO_VALUE_TUPLE, NULL, 0, out);
    for (const tempo_chat_node *k = node->d; k != NULL && st == TEMPO_OK; k = k->next) {
        const tempo_chat_value v = tempo_chat_text(k->text);
        st = tempo_chat_push(s, out->list, &v);
    }
    return st;
}

/* What an object has besides methods; *out stays undefined where it has no such thing. */
static tempo_status own_member(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               tempo_chat_str name, tempo_chat_value *out)
{
    const tempo_chat_value *found = NULL;

    switch (v->kind) {
    case TEMPO_VALUE_LOOP:
        (void)loop_member(v->loop, name, out);
        return TEMPO_OK;
    case TEMPO_VALUE_MACRO:
        return macro_member(s, v->macro->node, name, out);
    case TEMPO_VALUE_CYCLER:
        if (tempo_chat_is(name, "current"))
            *out = v->reader->items.v[v->reader->at];
        return TEMPO_OK;
    case TEMPO_VALUE_TUPLE:
        if (v->which != 0 && (tempo_chat_is(name, "grouper") || tempo_chat_is(name, "list")))
            *out = v->list->v[tempo_chat_is(name, "list")];
        return TEMPO_OK;
    case TEMPO_VALUE_NAMESPACE:
    case TEMPO_VALUE_MAP:
        if ((found = tempo_chat_map_get(v->map, name)) != NULL)
            *out = *found;
        return tempo_chat_work(s, node, 16 * v->map->n);
    default:
        return TEMPO_OK;
    }
}

static tempo_status method_of(tempo_chat_state *s, const tempo_chat_value *v, tempo_chat_str name,
                              tempo_chat_value *out)
{
    const int which = tempo_chat_find_method(v->kind, name);
    tempo_chat_method *m;

    if (which < 0)
        return TEMPO_OK;
    if ((m = tempo_chat_alloc(s->heap, sizeof(*m))) == NULL)
        return s->heap->failed;
    *m = (tempo_chat_method){*v, which};
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_METHOD, .method = m};
    return TEMPO_OK;
}

tempo_status tempo_chat_attribute(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                  tempo_chat_str name, tempo_chat_value *out)
{
    tempo_status st;

    *out = tempo_chat_undefined(name);
    if (v->kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(s, node, v);
    if ((st = method_of(s, v, name, out)) != TEMPO_OK || out->kind == TEMPO_VALUE_METHOD)
        return st;
    return own_member(s, node, v, name, out);
}

/* ---- items ---- */

/* The i-th of n, from the end when negative; SIZE_MAX: there is none. */
static size_t place(int64_t i, size_t n)
{
    if (i < 0)
        i += (int64_t)n;
    return i >= 0 && (uint64_t)i < n ? (size_t)i : SIZE_MAX;
}

/* v[i] of what has places; *out stays where there is none. */
static tempo_status item_at(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                            int64_t i, tempo_chat_value *out)
{
    size_t n, at;

    if (v->kind != TEMPO_VALUE_LIST && v->kind != TEMPO_VALUE_TUPLE && v->kind != TEMPO_VALUE_RANGE &&
        v->kind != TEMPO_VALUE_STR)
        return TEMPO_OK;
    (void)tempo_chat_length_of(v, &n);
    if ((at = place(i, n)) == SIZE_MAX)
        return TEMPO_OK;
    if (v->kind == TEMPO_VALUE_RANGE) {
        *out = tempo_chat_int(v->range->begin + (int64_t)at * v->range->step);
    } else if (v->kind != TEMPO_VALUE_STR) {
        *out = v->list->v[at];
    } else {
        at = tempo_chat_offset(v->str, at);
        *out = tempo_chat_text(tempo_chat_part(v->str, at, at + tempo_chat_char_len(v->str.p[at])));
        out->which = v->which;
        return tempo_chat_work(s, node, v->str.n);
    }
    return TEMPO_OK;
}

tempo_status tempo_chat_item(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                             const tempo_chat_value *key, tempo_chat_value *out)
{
    size_t at;
    tempo_status st;

    *out = tempo_chat_undefined(key->kind == TEMPO_VALUE_STR ? key->str : element);
    if (v->kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(s, node, v);
    if (v->kind == TEMPO_VALUE_MAP && key->kind != TEMPO_VALUE_LIST && key->kind != TEMPO_VALUE_MAP) {
        if ((st = tempo_chat_map_find(s, node, v->map, key, &at)) != TEMPO_OK)
            return st;
        if (at < v->map->n) {
            *out = v->map->values[at];
            return TEMPO_OK;
        }
    }
    if (key->kind == TEMPO_VALUE_STR)
        return tempo_chat_attribute(s, node, v, key->str, out);
    return tempo_chat_is_int(key) ? item_at(s, node, v, key->i, out) : TEMPO_OK;
}

/* ---- slices ---- */

typedef struct bounds {
    int64_t begin, end, step; /* end is not reached */
} bounds;

/* A bound of a slice, as Python takes it into [low, high]: negative ones count from the end n; n < 0: it has
 * none. */
static tempo_status slice_bound(tempo_chat_state *s, const tempo_chat_node *node, int64_t n, int64_t low,
                                int64_t high, int64_t *out)
{
    tempo_chat_value v;
    tempo_status st;

    if (node == NULL)
        return TEMPO_OK;
    if ((st = tempo_chat_eval(s, node, &v)) != TEMPO_OK || v.kind == TEMPO_VALUE_NONE)
        return st;
    if (!tempo_chat_is_int(&v))
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "a slice needs whole numbers, this is %s",
                                  tempo_chat_kind_name(&v));
    if (v.i < 0 && n >= 0)
        v.i = v.i < -n ? -1 : v.i + n;
    *out = v.i < low ? low : v.i > high ? high : v.i;
    return TEMPO_OK;
}

static tempo_status slice_bounds(tempo_chat_state *s, const tempo_chat_node *slice, size_t length,
                                 bounds *out)
{
    const int64_t n = (int64_t)length;
    tempo_status st;

    out->step = 1;
    if ((st = slice_bound(s, slice->c, -1, INT32_MIN, INT32_MAX, &out->step)) != TEMPO_OK)
        return st;
    if (out->step == 0)
        return tempo_chat_fail_at(s, slice, TEMPO_E_ARG, "a slice with step 0");
    const int64_t low = out->step < 0 ? -1 : 0, high = out->step < 0 ? n - 1 : n;
    out->begin = out->step < 0 ? high : low;
    out->end = out->step < 0 ? low : high;
    if ((st = slice_bound(s, slice->a, n, low, high, &out->begin)) != TEMPO_OK)
        return st;
    return slice_bound(s, slice->b, n, low, high, &out->end);
}

static bool in_slice(const bounds *w, int64_t i)
{
    return w->step > 0 ? i < w->end : i > w->end;
}

static tempo_status slice_items(tempo_chat_state *s, const tempo_chat_value *v, tempo_chat_span items,
                                const bounds *w, tempo_chat_value *out)
{
    tempo_chat_value *copy;
    size_t n = 0;

    for (int64_t i = w->begin; in_slice(w, i); i += w->step)
        n++;
    if ((copy = tempo_chat_values(s, n)) == NULL)
        return s->heap->failed;
    n = 0;
    for (int64_t i = w->begin; in_slice(w, i); i += w->step)
        copy[n++] = items.v[i];
    return tempo_chat_make(s, v->kind == TEMPO_VALUE_TUPLE ? TEMPO_VALUE_TUPLE : TEMPO_VALUE_LIST, copy, n,
                           out);
}

static tempo_status slice_text(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               const bounds *w, tempo_chat_value *out)
{
    tempo_chat_buffer b = {0};
    tempo_chat_span chars;
    tempo_status st;

    if (w->step == 1) {
        const size_t begin = tempo_chat_offset(v->str, (size_t)w->begin),
                     end = w->end > w->begin ? tempo_chat_offset(v->str, (size_t)w->end) : begin;
        *out = tempo_chat_text(tempo_chat_part(v->str, begin, end));
        out->which = v->which;
        return TEMPO_OK;
    }
    st = tempo_chat_elements(s, node, v, &chars);
    for (int64_t i = w->begin; st == TEMPO_OK && in_slice(w, i); i += w->step)
        st = tempo_chat_append(s->heap, &b, chars.v[i].str);
    *out = tempo_chat_text(tempo_chat_buffer_str(&b));
    out->which = v->which;
    return st;
}

static tempo_status slice_range(tempo_chat_state *s, const tempo_chat_range *r, const bounds *w,
                                tempo_chat_value *out)
{
    tempo_chat_range *part = tempo_chat_alloc(s->heap, sizeof(*part));

    if (part == NULL)
        return s->heap->failed;
    *part =
        (tempo_chat_range){r->begin + w->begin * r->step, r->begin + w->end * r->step, r->step * w->step, 0};
    for (int64_t i = w->begin; in_slice(w, i); i += w->step)
        part->n++;
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_RANGE, .range = part};
    return TEMPO_OK;
}

tempo_status tempo_chat_slice(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                              tempo_chat_value *out)
{
    const bool list = v->kind == TEMPO_VALUE_LIST || v->kind == TEMPO_VALUE_TUPLE;
    bounds w;
    size_t n;
    tempo_status st;

    if (v->kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(s, node, v);
    if (!list && v->kind != TEMPO_VALUE_STR && v->kind != TEMPO_VALUE_RANGE)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s has no slices", tempo_chat_kind_name(v));
    (void)tempo_chat_length_of(v, &n);
    if ((st = slice_bounds(s, node->b, n, &w)) != TEMPO_OK ||
        (st = tempo_chat_work(s, node, v->kind == TEMPO_VALUE_STR ? v->str.n : 16 * n)) != TEMPO_OK)
        return st;
    if (v->kind == TEMPO_VALUE_RANGE)
        return slice_range(s, v->range, &w, out);
    return list ? slice_items(s, v, (tempo_chat_span){v->list->v, v->list->n}, &w, out)
                : slice_text(s, node, v, &w, out);
}

/* ---- paths ---- */

/* One part of a path: digits are a number. */
static tempo_chat_value path_key(tempo_chat_str part)
{
    int64_t i = 0;
    bool big = false;

    for (size_t at = 0; at < part.n; at += tempo_chat_char_len(part.p[at]))
        if (!tempo_chat_is_digit(tempo_chat_decode(part.p + at)))
            return tempo_chat_text(part);
    return tempo_chat_parse_int(part, 10, &i, &big) ? tempo_chat_int(i) : tempo_chat_text(part);
}

tempo_status tempo_chat_path(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                             const tempo_chat_value *path, const tempo_chat_value *fallback,
                             tempo_chat_value *out)
{
    static const tempo_chat_str dot = {".", NULL, 1};
    const bool text = path->kind == TEMPO_VALUE_STR;
    tempo_chat_str rest = text ? path->str : dot;
    tempo_status st = TEMPO_OK;

    *out = *v;
    while (st == TEMPO_OK) {
        const size_t end = text ? tempo_chat_search(rest, dot, 0) : SIZE_MAX,
                     n = end == SIZE_MAX ? rest.n : end;
        const tempo_chat_value from = *out, key = text ? path_key(tempo_chat_part(rest, 0, n)) : *path;
        st = tempo_chat_item(s, node, &from, &key, out);
        if (out->kind == TEMPO_VALUE_UNDEFINED && fallback != NULL && fallback->kind != TEMPO_VALUE_NONE)
            *out = *fallback;
        if (end == SIZE_MAX)
            break;
        rest = tempo_chat_part(rest, end + 1, rest.n);
    }
    return st;
}
