/* filter_group.c - filters of lists that sort, count and group. */
#include <string.h>

#include "chat/builtin/call.h"

/* Elements of self, copied, so that they can be sorted. */
static tempo_status own_elements(tempo_chat_call *c, tempo_chat_value **v, tempo_chat_span *items)
{
    const tempo_status st = tempo_chat_elements(c->s, c->node, &c->self, items);

    *v = st == TEMPO_OK ? tempo_chat_values(c->s, items->n) : NULL;
    if (st != TEMPO_OK || *v == NULL)
        return st != TEMPO_OK ? st : c->s->heap->failed;
    if (items->n > 0)
        memcpy(*v, items->v, items->n * sizeof(**v));
    items->v = *v;
    return TEMPO_OK;
}

static const tempo_chat_value *path_arg(const tempo_chat_call *c, size_t i)
{
    return c->given[i] ? &c->v[i] : NULL;
}

/* ---- sorting ---- */

/* What elements are sorted by is a list of their attributes: "a,b", or one, or themselves. */
static tempo_status sort_keys(tempo_chat_call *c, tempo_chat_span items, const tempo_chat_value *paths,
                              bool fold, tempo_chat_value **out)
{
    static const tempo_chat_str comma = {",", NULL, 1};
    const bool text = paths != NULL && paths->kind == TEMPO_VALUE_STR;
    tempo_chat_str rest = text ? paths->str : comma;
    tempo_chat_value *keys = *out = tempo_chat_values(c->s, items.n), *part,
                     path = paths != NULL ? *paths : tempo_chat_none();
    tempo_status st = TEMPO_OK;

    if (keys == NULL)
        return c->s->heap->failed;
    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++)
        st = tempo_chat_make(c->s, TEMPO_VALUE_LIST, NULL, 0, &keys[i]);
    while (st == TEMPO_OK) {
        const size_t end = text ? tempo_chat_search(rest, comma, 0) : SIZE_MAX;
        if (text)
            path = tempo_chat_text(tempo_chat_part(rest, 0, end == SIZE_MAX ? rest.n : end));
        const tempo_chat_getter how = {.path = &path, .fold = fold};
        st = tempo_chat_get_all(c, items, &how, &part);
        for (size_t i = 0; i < items.n && st == TEMPO_OK; i++)
            st = tempo_chat_push(c->s, keys[i].list, &part[i]);
        if (end == SIZE_MAX)
            break;
        rest = tempo_chat_part(rest, end + 1, rest.n);
    }
    return st;
}

static tempo_status filter_sort(tempo_chat_call *c)
{
    tempo_chat_value *v, *keys;
    tempo_chat_span items;
    tempo_status st = own_elements(c, &v, &items);

    if (st != TEMPO_OK ||
        (st = sort_keys(c, items, path_arg(c, 2), !tempo_chat_arg_true(c, 1), &keys)) != TEMPO_OK ||
        (st = tempo_chat_sort(c->s, c->node, keys, v, items.n, tempo_chat_arg_true(c, 0))) != TEMPO_OK)
        return st;
    return tempo_chat_make(c->s, TEMPO_VALUE_LIST, v, items.n, c->out);
}

static tempo_status filter_dictsort(tempo_chat_call *c)
{
    tempo_chat_str by = {"key", NULL, 3};
    tempo_chat_value view = {.kind = TEMPO_VALUE_VIEW, .which = TEMPO_VIEW_ITEMS, .map = c->self.map};
    tempo_chat_value *v, *keys;
    tempo_chat_span items;
    tempo_status st = tempo_chat_arg_str(c, 1, &by);

    if (st != TEMPO_OK)
        return st;
    if (c->self.kind != TEMPO_VALUE_MAP)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "dictsort: this is %s, expected a mapping",
                                    tempo_chat_kind_name(&c->self));
    const bool by_value = tempo_chat_is(by, "value");
    if (!by_value && !tempo_chat_is(by, "key"))
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "dictsort: by must be \"key\" or \"value\"");
    const tempo_chat_value index = tempo_chat_int(by_value);
    const tempo_chat_getter how = {.path = &index, .fold = !tempo_chat_arg_true(c, 0)};
    c->self = view;
    if ((st = own_elements(c, &v, &items)) != TEMPO_OK ||
        (st = tempo_chat_get_all(c, items, &how, &keys)) != TEMPO_OK ||
        (st = tempo_chat_sort(c->s, c->node, keys, v, items.n, tempo_chat_arg_true(c, 2))) != TEMPO_OK)
        return st;
    return tempo_chat_make(c->s, TEMPO_VALUE_LIST, v, items.n, c->out);
}

static tempo_status filter_unique(tempo_chat_call *c)
{
    const tempo_chat_getter how = {.path = path_arg(c, 1), .fold = !tempo_chat_arg_true(c, 0)};
    tempo_chat_value *v = NULL, key, seen;
    tempo_chat_span items = {NULL, 0};
    size_t n = 0, at;
    tempo_status st = tempo_chat_make_map(c->s, TEMPO_VALUE_MAP, &seen);

    if (st == TEMPO_OK)
        st = own_elements(c, &v, &items);
    for (size_t i = 0; st == TEMPO_OK && i < items.n; i++) {
        if ((st = tempo_chat_get(c, &items.v[i], &how, &key)) != TEMPO_OK ||
            (st = tempo_chat_map_find(c->s, c->node, seen.map, &key, &at)) != TEMPO_OK || at < seen.map->n)
            continue;
        v[n++] = items.v[i];
        st = tempo_chat_map_put(c->s, c->node, seen.map, &key, &key);
    }
    return tempo_chat_give_iterator(c, v, n, st);
}

/* ---- one value ---- */

static tempo_status extreme(tempo_chat_call *c, bool largest)
{
    const tempo_chat_getter how = {.path = path_arg(c, 1), .fold = !tempo_chat_arg_true(c, 0)};
    tempo_chat_value *v, *keys;
    tempo_chat_span items;
    size_t best = 0;
    tempo_status st = own_elements(c, &v, &items);

    *c->out = tempo_chat_undefined(tempo_chat_literal("an element of nothing"));
    if (st != TEMPO_OK || items.n == 0 || (st = tempo_chat_get_all(c, items, &how, &keys)) != TEMPO_OK)
        return st;
    for (size_t i = 1; i < items.n; i++) { /* of equal ones the first */
        bool better;
        st = tempo_chat_less(c->s, c->node, largest ? &keys[best] : &keys[i],
                             largest ? &keys[i] : &keys[best], &better);
        if (st != TEMPO_OK)
            return st;
        best = better ? i : best;
    }
    *c->out = v[best];
    return TEMPO_OK;
}

static tempo_status filter_min(tempo_chat_call *c)
{
    return extreme(c, false);
}

static tempo_status filter_max(tempo_chat_call *c)
{
    return extreme(c, true);
}

static tempo_status filter_sum(tempo_chat_call *c)
{
    const tempo_chat_getter how = {.path = path_arg(c, 0)};
    tempo_chat_value *v, sum = c->given[1] ? c->v[1] : tempo_chat_int(0), next;
    tempo_chat_span items;
    tempo_status st;

    if (sum.kind == TEMPO_VALUE_STR)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "sum of strings: join is for that");
    if ((st = tempo_chat_elements(c->s, c->node, &c->self, &items)) != TEMPO_OK)
        return st;
    st = tempo_chat_get_all(c, items, &how, &v);
    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++) {
        st = tempo_chat_binary(c->s, c->node, TEMPO_OP1('+'), &sum, &v[i], &next);
        sum = next;
    }
    *c->out = sum;
    return st;
}

/* One element of a list is no matter of chance. */
static tempo_status filter_random(tempo_chat_call *c)
{
    tempo_chat_span items;
    const tempo_status st = tempo_chat_elements(c->s, c->node, &c->self, &items);

    if (st != TEMPO_OK)
        return st;
    if (items.n > 1)
        return tempo_chat_call_fail(c, TEMPO_E_UNSUPPORTED,
                                    "random is not supported: a rendering can be repeated here");
    *c->out = items.n == 1 ? items.v[0] : tempo_chat_undefined(tempo_chat_literal("an element of nothing"));
    return TEMPO_OK;
}

/* ---- groups ---- */

/* Sorted by key, a run of equal keys is a group: (key, elements). */
static tempo_status add_groups(tempo_chat_call *c, const tempo_chat_value *keys, const tempo_chat_value *real,
                               tempo_chat_value *v, size_t n, tempo_chat_list *out)
{
    tempo_status st = TEMPO_OK;

    for (size_t begin = 0, end; begin < n && st == TEMPO_OK; begin = end) {
        bool same = true;
        for (end = begin + 1; end < n; end++)
            if ((st = tempo_chat_equal(c->s, c->node, &keys[begin], &keys[end], &same)) != TEMPO_OK || !same)
                break;
        tempo_chat_value *pair = tempo_chat_values(c->s, 2), group;
        if (pair == NULL)
            return c->s->heap->failed;
        pair[0] = real[begin];
        if (st != TEMPO_OK ||
            (st = tempo_chat_make(c->s, TEMPO_VALUE_LIST, v + begin, end - begin, &pair[1])) != TEMPO_OK ||
            (st = tempo_chat_make(c->s, TEMPO_VALUE_TUPLE, pair, 2, &group)) != TEMPO_OK)
            break;
        group.which = 1;
        st = tempo_chat_push(c->s, out, &group);
    }
    return st;
}

static tempo_status filter_groupby(tempo_chat_call *c)
{
    const tempo_chat_getter exact = {.path = &c->v[0], .fallback = c->given[1] ? &c->v[1] : NULL},
                            key = {exact.path, exact.fallback, !tempo_chat_arg_true(c, 2)};
    tempo_chat_value *v, *keys, *real;
    tempo_chat_span items;
    tempo_status st = own_elements(c, &v, &items);

    if (st != TEMPO_OK || (st = tempo_chat_get_all(c, items, &key, &keys)) != TEMPO_OK ||
        (st = tempo_chat_sort(c->s, c->node, keys, v, items.n, false)) != TEMPO_OK ||
        (st = tempo_chat_get_all(c, items, &key, &keys)) != TEMPO_OK || /* of the sorted ones */
        (st = tempo_chat_get_all(c, items, &exact, &real)) != TEMPO_OK ||
        (st = tempo_chat_make(c->s, TEMPO_VALUE_LIST, NULL, 0, c->out)) != TEMPO_OK)
        return st;
    return add_groups(c, keys, real, v, items.n, c->out->list);
}

/* A list of v[n] with `missing` more elements. */
static tempo_status add_part(tempo_chat_call *c, tempo_chat_list *out, const tempo_chat_value *v, size_t n,
                             int64_t missing, const tempo_chat_value *filler)
{
    tempo_chat_value part;
    tempo_status st = tempo_chat_make(c->s, TEMPO_VALUE_LIST, NULL, 0, &part);

    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_chat_push(c->s, part.list, &v[i]);
    for (; missing > 0 && st == TEMPO_OK; missing--)
        if ((st = tempo_chat_work(c->s, c->node, 0)) == TEMPO_OK)
            st = tempo_chat_push(c->s, part.list, filler);
    return st == TEMPO_OK ? tempo_chat_push(c->s, out, &part) : st;
}

static tempo_status filter_batch(tempo_chat_call *c)
{
    const bool some = tempo_chat_arg_some(c, 1);
    tempo_chat_value *v, lists;
    tempo_chat_span items;
    int64_t size = 1;
    tempo_status st;

    if ((st = own_elements(c, &v, &items)) != TEMPO_OK ||
        (st = tempo_chat_arg_int(c, 0, &size)) != TEMPO_OK ||
        (st = tempo_chat_make(c->s, TEMPO_VALUE_LIST, NULL, 0, &lists)) != TEMPO_OK)
        return st;
    const size_t most = size <= 0 ? items.n : (size_t)size;
    if (size == 0 && items.n > 0) /* Jinja2 begins with an empty one then */
        st = add_part(c, lists.list, NULL, 0, 0, NULL);
    for (size_t at = 0; at < items.n && st == TEMPO_OK; at += most) {
        const size_t n = items.n - at < most ? items.n - at : most;
        st = add_part(c, lists.list, v + at, n, some ? size - (int64_t)n : 0, &c->v[1]);
    }
    return tempo_chat_give_iterator(c, lists.list->v, lists.list->n, st);
}

static tempo_status filter_slice(tempo_chat_call *c)
{
    const bool some = tempo_chat_arg_some(c, 1);
    tempo_chat_value *v, lists;
    tempo_chat_span items;
    int64_t slices = 0;
    size_t at = 0;
    tempo_status st;

    if ((st = own_elements(c, &v, &items)) != TEMPO_OK ||
        (st = tempo_chat_arg_int(c, 0, &slices)) != TEMPO_OK ||
        (st = tempo_chat_make(c->s, TEMPO_VALUE_LIST, NULL, 0, &lists)) != TEMPO_OK)
        return st;
    if (slices == 0)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "division by zero");
    for (int64_t k = 0; k < slices && st == TEMPO_OK; k++) {
        const size_t extra = items.n % (size_t)slices, n = items.n / (size_t)slices + ((size_t)k < extra);
        if ((st = tempo_chat_work(c->s, c->node, 0)) == TEMPO_OK)
            st = add_part(c, lists.list, v + at, n, some && (size_t)k >= extra, &c->v[1]);
        at += n;
    }
    return tempo_chat_give_iterator(c, lists.list->v, lists.list->n, st);
}

const tempo_chat_callable tempo_chat_group_filters[] = {
    {"sort", "|reverse,case_sensitive,attribute", filter_sort},
    {"dictsort", "|case_sensitive,by,reverse", filter_dictsort},
    {"unique", "|case_sensitive,attribute", filter_unique},
    {"min", "|case_sensitive,attribute", filter_min},
    {"max", "|case_sensitive,attribute", filter_max},
    {"sum", "|attribute,start", filter_sum},
    {"random", "", filter_random},
    {"groupby", "attribute|default,case_sensitive", filter_groupby},
    {"batch", "linecount|fill_with", filter_batch},
    {"slice", "slices|fill_with", filter_slice},
    {NULL, NULL, NULL},
};
