/* value.c - kinds of values and how they compare, as Python and Jinja2 have it. */
#include <string.h>

#include "chat/template/state.h"
#include "chat/template/text.h"

const char *tempo_chat_kind_name(const tempo_chat_value *v)
{
    static const char *const names[] = {[TEMPO_VALUE_UNDEFINED] = "an undefined value",
                                        [TEMPO_VALUE_NONE] = "none",
                                        [TEMPO_VALUE_BOOL] = "a boolean",
                                        [TEMPO_VALUE_INT] = "a number",
                                        [TEMPO_VALUE_FLOAT] = "a number",
                                        [TEMPO_VALUE_STR] = "a string",
                                        [TEMPO_VALUE_LIST] = "a list",
                                        [TEMPO_VALUE_TUPLE] = "a tuple",
                                        [TEMPO_VALUE_MAP] = "a mapping",
                                        [TEMPO_VALUE_VIEW] = "a view of a mapping",
                                        [TEMPO_VALUE_RANGE] = "a range",
                                        [TEMPO_VALUE_ITERATOR] = "an iterator",
                                        [TEMPO_VALUE_NAMESPACE] = "a namespace",
                                        [TEMPO_VALUE_FUNCTION] = "a function",
                                        [TEMPO_VALUE_METHOD] = "a method",
                                        [TEMPO_VALUE_MACRO] = "a macro",
                                        [TEMPO_VALUE_LOOP] = "a loop",
                                        [TEMPO_VALUE_CYCLER] = "a cycler",
                                        [TEMPO_VALUE_JOINER] = "a joiner"};

    return names[v->kind];
}

tempo_status tempo_chat_is_undefined(tempo_chat_state *s, const tempo_chat_node *node,
                                     const tempo_chat_value *v)
{
    return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "'%.*s' is undefined",
                              (int)(v->str.n < 64 ? v->str.n : 64), v->str.p != NULL ? v->str.p : "");
}

bool tempo_chat_length_of(const tempo_chat_value *v, size_t *out)
{
    *out = 0;
    switch (v->kind) {
    case TEMPO_VALUE_UNDEFINED:
        return true;
    case TEMPO_VALUE_STR:
        *out = tempo_chat_length(v->str);
        return true;
    case TEMPO_VALUE_LIST:
    case TEMPO_VALUE_TUPLE:
        *out = v->list->n;
        return true;
    case TEMPO_VALUE_MAP:
    case TEMPO_VALUE_VIEW:
        *out = v->map->n;
        return true;
    case TEMPO_VALUE_RANGE:
        *out = v->range->n;
        return true;
    case TEMPO_VALUE_LOOP:
        *out = v->loop->items.n;
        return true;
    default:
        return false;
    }
}

bool tempo_chat_truth(const tempo_chat_value *v)
{
    size_t n;

    switch (v->kind) {
    case TEMPO_VALUE_NONE:
        return false;
    case TEMPO_VALUE_BOOL:
    case TEMPO_VALUE_INT:
        return v->i != 0;
    case TEMPO_VALUE_FLOAT:
        return v->f != 0;
    case TEMPO_VALUE_STR:
        return v->str.n > 0;
    default:
        return !tempo_chat_length_of(v, &n) || n > 0;
    }
}

/* ---- equality ---- */

static tempo_status equal(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                          const tempo_chat_value *b, unsigned depth, bool *out);

static tempo_status equal_maps(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_map *a,
                               const tempo_chat_map *b, unsigned depth, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        size_t at;
        tempo_status st = tempo_chat_map_find(s, node, b, &a->keys[i], &at);
        if (st != TEMPO_OK)
            return st;
        *out = at < b->n;
        if (*out && (st = equal(s, node, &a->values[i], &b->values[at], depth, out)) != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

static tempo_status equal_lists(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_list *a,
                                const tempo_chat_list *b, unsigned depth, bool *out)
{
    tempo_status st = TEMPO_OK;

    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out && st == TEMPO_OK; i++)
        st = equal(s, node, &a->v[i], &b->v[i], depth, out);
    return st;
}

/* Those of which there is no other that is equal. */
static bool same_object(const tempo_chat_value *a, const tempo_chat_value *b)
{
    switch (a->kind) {
    case TEMPO_VALUE_UNDEFINED:
    case TEMPO_VALUE_NONE:
        return true;
    case TEMPO_VALUE_FUNCTION:
        return a->which == b->which;
    case TEMPO_VALUE_RANGE:
        return a->range->n == b->range->n &&
               (a->range->n == 0 || (a->range->begin == b->range->begin &&
                                     (a->range->n == 1 || a->range->step == b->range->step)));
    case TEMPO_VALUE_VIEW:
        return a->map == b->map && a->which == b->which;
    case TEMPO_VALUE_METHOD:
        return a->method == b->method;
    case TEMPO_VALUE_MACRO:
        return a->macro == b->macro;
    case TEMPO_VALUE_LOOP:
        return a->loop == b->loop;
    case TEMPO_VALUE_NAMESPACE:
        return a->map == b->map;
    default:
        return a->reader == b->reader;
    }
}

static tempo_status equal(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                          const tempo_chat_value *b, unsigned depth, bool *out)
{
    tempo_status st = tempo_chat_work(s, node, a->kind == TEMPO_VALUE_STR ? a->str.n : 0);

    *out = false;
    if (st != TEMPO_OK)
        return st;
    if (depth == TEMPO_CHAT_MAX_VALUES)
        return tempo_chat_too_deep(s, node);
    if (tempo_chat_is_number(a) && tempo_chat_is_number(b)) {
        *out = tempo_chat_order(a, b) == 0;
        return TEMPO_OK;
    }
    if (a->kind != b->kind)
        return TEMPO_OK;
    switch (a->kind) {
    case TEMPO_VALUE_STR:
        *out = tempo_chat_same(a->str, b->str);
        return TEMPO_OK;
    case TEMPO_VALUE_LIST:
    case TEMPO_VALUE_TUPLE:
        return equal_lists(s, node, a->list, b->list, depth + 1, out);
    case TEMPO_VALUE_MAP:
        return equal_maps(s, node, a->map, b->map, depth + 1, out);
    default:
        *out = same_object(a, b);
        return TEMPO_OK;
    }
}

tempo_status tempo_chat_equal(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                              const tempo_chat_value *b, bool *out)
{
    return equal(s, node, a, b, 0, out);
}

/* ---- order ---- */

/* Whole numbers that a range goes through; no other value is in it. */
static bool in_range(const tempo_chat_range *r, const tempo_chat_value *v)
{
    int64_t i = v->i;

    if (v->kind == TEMPO_VALUE_FLOAT && (!tempo_chat_whole(v->f, &i) || (double)i != v->f))
        return false;
    if (!tempo_chat_is_number(v) || r->n == 0)
        return false;
    const int64_t last = r->begin + (int64_t)(r->n - 1) * r->step;
    return (r->step > 0 ? i >= r->begin && i <= last : i <= r->begin && i >= last) &&
           (i - r->begin) % r->step == 0;
}

static tempo_status contains(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                             const tempo_chat_value *in, bool *out)
{
    tempo_chat_span items;
    size_t at;
    tempo_status st;

    *out = false;
    if (in->kind == TEMPO_VALUE_STR) {
        if (v->kind != TEMPO_VALUE_STR)
            return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "in: %s cannot be in a string",
                                      tempo_chat_kind_name(v));
        *out = tempo_chat_search(in->str, v->str, 0) != SIZE_MAX;
        return tempo_chat_work(s, node, in->str.n);
    }
    if (in->kind == TEMPO_VALUE_MAP || (in->kind == TEMPO_VALUE_VIEW && in->which == TEMPO_VIEW_KEYS)) {
        st = tempo_chat_map_find(s, node, in->map, v, &at);
        *out = st == TEMPO_OK && at < in->map->n;
        return st;
    }
    if (in->kind == TEMPO_VALUE_RANGE) {
        *out = in_range(in->range, v);
        return TEMPO_OK;
    }
    st = tempo_chat_elements(s, node, in, &items);
    for (size_t i = 0; i < items.n && st == TEMPO_OK && !*out; i++)
        st = tempo_chat_equal(s, node, v, &items.v[i], out);
    return st;
}

static tempo_status less(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                         const tempo_chat_value *b, unsigned depth, bool *out);

/* The first elements that differ decide, else the lengths. */
static tempo_status less_lists(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_list *a,
                               const tempo_chat_list *b, unsigned depth, bool *out)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool same;
        const tempo_status st = equal(s, node, &a->v[i], &b->v[i], depth, &same);
        if (st != TEMPO_OK)
            return st;
        if (!same)
            return less(s, node, &a->v[i], &b->v[i], depth, out);
    }
    *out = a->n < b->n;
    return TEMPO_OK;
}

static bool less_text(tempo_chat_str a, tempo_chat_str b) /* UTF-8 sorts as its characters do */
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order != 0 ? order < 0 : a.n < b.n;
}

static tempo_status less(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                         const tempo_chat_value *b, unsigned depth, bool *out)
{
    *out = false;
    if (depth == TEMPO_CHAT_MAX_VALUES)
        return tempo_chat_too_deep(s, node);
    if (tempo_chat_is_number(a) && tempo_chat_is_number(b)) {
        *out = tempo_chat_order(a, b) == -1;
    } else if (a->kind == TEMPO_VALUE_STR && b->kind == TEMPO_VALUE_STR) {
        *out = less_text(a->str, b->str);
        return tempo_chat_work(s, node, a->str.n);
    } else if (a->kind == b->kind && (a->kind == TEMPO_VALUE_LIST || a->kind == TEMPO_VALUE_TUPLE)) {
        return less_lists(s, node, a->list, b->list, depth + 1, out);
    } else if (a->kind == TEMPO_VALUE_UNDEFINED || b->kind == TEMPO_VALUE_UNDEFINED) {
        return tempo_chat_is_undefined(s, node, a->kind == TEMPO_VALUE_UNDEFINED ? a : b);
    } else {
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s and %s have no order", tempo_chat_kind_name(a),
                                  tempo_chat_kind_name(b));
    }
    return TEMPO_OK;
}

tempo_status tempo_chat_less(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                             const tempo_chat_value *b, bool *out)
{
    return less(s, node, a, b, 0, out);
}

tempo_status tempo_chat_compare(tempo_chat_state *s, const tempo_chat_node *node, int64_t op,
                                const tempo_chat_value *a, const tempo_chat_value *b, bool *out)
{
    const bool swap = op == TEMPO_OP1('>') || op == TEMPO_OP2('>', '=');
    bool same = false;
    tempo_status st;

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
    st = tempo_chat_less(s, node, swap ? b : a, swap ? a : b, out);
    if (st == TEMPO_OK && !*out && (op == TEMPO_OP2('<', '=') || op == TEMPO_OP2('>', '=')))
        st = tempo_chat_equal(s, node, a, b, &same);
    *out |= same;
    return st;
}
