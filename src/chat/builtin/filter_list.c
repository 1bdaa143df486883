/* filter_list.c - filters of lists that keep their elements apart, and those that apply others.  What
 * Python makes a generator of is an iterator here: it can be read once, has no length and is true.  */
#include <string.h>

#include "chat/builtin/call.h"

/* ---- attributes ---- */

static tempo_status fold_case(tempo_chat_call *c, tempo_chat_value *v)
{
    tempo_chat_str lower;
    tempo_status st;

    if (v->kind != TEMPO_VALUE_STR)
        return TEMPO_OK;
    if ((st = tempo_chat_work(c->s, c->node, 8 * v->str.n)) != TEMPO_OK)
        return st;
    st = tempo_chat_change_case(c->s->heap, v->str, TEMPO_CHAT_LOWER, &lower);
    *v = tempo_chat_text(lower);
    return st;
}

tempo_status tempo_chat_get(tempo_chat_call *c, const tempo_chat_value *item, const tempo_chat_getter *how,
                            tempo_chat_value *out)
{
    tempo_status st = tempo_chat_work(c->s, c->node, 0);

    *out = *item;
    if (st == TEMPO_OK && how->path != NULL && how->path->kind != TEMPO_VALUE_NONE)
        st = tempo_chat_path(c->s, c->node, item, how->path, how->fallback, out);
    return st == TEMPO_OK && how->fold ? fold_case(c, out) : st;
}

tempo_status tempo_chat_get_all(tempo_chat_call *c, tempo_chat_span items, const tempo_chat_getter *how,
                                tempo_chat_value **out)
{
    tempo_chat_value *v = *out = tempo_chat_values(c->s, items.n);
    tempo_status st = TEMPO_OK;

    if (v == NULL)
        return c->s->heap->failed;
    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++)
        st = tempo_chat_get(c, &items.v[i], how, &v[i]);
    return st;
}

tempo_status tempo_chat_give_iterator(tempo_chat_call *c, tempo_chat_value *v, size_t n, tempo_status st)
{
    tempo_err *failure = NULL;

    if (st != TEMPO_OK && st != TEMPO_E_ARG && st != TEMPO_E_UNSUPPORTED)
        return st;
    if (st != TEMPO_OK) {
        if (c->s->err == NULL || (failure = tempo_chat_alloc(c->s->heap, sizeof(*failure))) == NULL)
            return st;
        *failure = *c->s->err;
        *c->s->err = (tempo_err){0};
    }
    if ((st = tempo_chat_make(c->s, TEMPO_VALUE_ITERATOR, v, n, c->out)) == TEMPO_OK)
        c->out->reader->failure = failure;
    return st;
}

static tempo_status self_elements(tempo_chat_call *c, tempo_chat_span *out)
{
    return tempo_chat_elements(c->s, c->node, &c->self, out);
}

/* ---- elements ---- */

static tempo_status filter_list(tempo_chat_call *c)
{
    tempo_chat_span items;
    tempo_chat_value *v;
    const tempo_status st = self_elements(c, &items);

    if (st != TEMPO_OK)
        return st;
    if ((v = tempo_chat_values(c->s, items.n)) == NULL)
        return c->s->heap->failed;
    if (items.n > 0)
        memcpy(v, items.v, items.n * sizeof(*v));
    return tempo_chat_make(c->s, TEMPO_VALUE_LIST, v, items.n, c->out);
}

static tempo_status filter_first(tempo_chat_call *c)
{
    tempo_chat_span items;
    bool some;
    tempo_status st;

    *c->out = tempo_chat_undefined(tempo_chat_literal("the first element of nothing"));
    if (c->self.kind == TEMPO_VALUE_ITERATOR)
        return tempo_chat_next(c->s, c->self.reader, c->out, &some);
    if ((st = self_elements(c, &items)) == TEMPO_OK && items.n > 0)
        *c->out = items.v[0];
    return st;
}

/* Elements of what can be read from its end. */
static tempo_status reversible(tempo_chat_call *c, tempo_chat_span *out)
{
    if (c->self.kind == TEMPO_VALUE_ITERATOR || c->self.kind == TEMPO_VALUE_LOOP)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: %s cannot be read from its end", c->name,
                                    tempo_chat_kind_name(&c->self));
    return self_elements(c, out);
}

static tempo_status filter_last(tempo_chat_call *c)
{
    tempo_chat_span items;
    const tempo_status st = reversible(c, &items);

    *c->out = tempo_chat_undefined(tempo_chat_literal("the last element of nothing"));
    if (st == TEMPO_OK && items.n > 0)
        *c->out = items.v[items.n - 1];
    return st;
}

static tempo_status filter_reverse(tempo_chat_call *c)
{
    tempo_chat_span items;
    tempo_chat_buffer b = {0};
    tempo_chat_value *v;
    tempo_status st = self_elements(c, &items);

    if (st != TEMPO_OK || (st = tempo_chat_work(c->s, c->node, items.n)) != TEMPO_OK)
        return st;
    if ((v = tempo_chat_values(c->s, items.n)) == NULL)
        return c->s->heap->failed;
    for (size_t i = 0; i < items.n; i++)
        v[i] = items.v[items.n - 1 - i];
    if (c->self.kind != TEMPO_VALUE_STR)
        return tempo_chat_make(c->s,
                               c->self.kind == TEMPO_VALUE_ITERATOR ? TEMPO_VALUE_LIST : TEMPO_VALUE_ITERATOR,
                               v, items.n, c->out);
    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++)
        st = tempo_chat_add(c, &b, v[i].str);
    return st == TEMPO_OK ? tempo_chat_give_buffer(c, &b) : st;
}

static tempo_status filter_items(tempo_chat_call *c)
{
    const tempo_chat_value view = {.kind = TEMPO_VALUE_VIEW, .which = TEMPO_VIEW_ITEMS, .map = c->self.map};
    tempo_chat_span items = {NULL, 0};
    tempo_status st = TEMPO_OK;

    if (c->self.kind == TEMPO_VALUE_MAP)
        st = tempo_chat_elements(c->s, c->node, &view, &items);
    else if (c->self.kind != TEMPO_VALUE_UNDEFINED)
        st = tempo_chat_call_fail(c, TEMPO_E_ARG, "items: this is %s, expected a mapping",
                                  tempo_chat_kind_name(&c->self));
    if ((st = tempo_chat_give_iterator(c, NULL, 0, st)) == TEMPO_OK)
        c->out->reader->items = items;
    return st;
}

static tempo_status filter_join(tempo_chat_call *c)
{
    const tempo_chat_getter how = {.path = c->given[1] ? &c->v[1] : NULL};
    tempo_chat_str between = {"", NULL, 0}, text;
    tempo_chat_buffer b = {0};
    tempo_chat_span items;
    tempo_chat_value *v;
    tempo_status st = self_elements(c, &items);

    if (st != TEMPO_OK ||
        (c->given[0] && (st = tempo_chat_print(c->s, c->node, &c->v[0], &between)) != TEMPO_OK) ||
        (st = tempo_chat_get_all(c, items, &how, &v)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++) {
        if (i > 0 && (st = tempo_chat_add(c, &b, between)) != TEMPO_OK)
            return st;
        if ((st = tempo_chat_print(c->s, c->node, &v[i], &text)) == TEMPO_OK &&
            (st = tempo_chat_work(c->s, c->node, text.n)) == TEMPO_OK)
            st = tempo_chat_add(c, &b, text);
    }
    *c->out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

/* ---- filters that apply others ---- */

/* args without the first n. */
static tempo_chat_args drop_args(tempo_chat_args args, size_t n)
{
    return n == 0 ? args : (tempo_chat_args){args.v + n, args.name + n, args.n - n};
}

static const tempo_chat_value *named_arg(const tempo_chat_call *c, const char *name)
{
    for (size_t i = 0; i < c->args.n; i++)
        if (c->args.name[i].p != NULL && tempo_chat_is(c->args.name[i], name))
            return &c->args.v[i];
    return NULL;
}

/* The name of a filter or a test that comes first. */
static tempo_chat_str name_arg(const tempo_chat_args *args)
{
    return args->n > 0 && args->v[0].kind == TEMPO_VALUE_STR ? args->v[0].str : tempo_chat_literal("");
}

/* What is made of each element, one after the other: v[*n]. */
typedef tempo_status each_fn(tempo_chat_call *c, const tempo_chat_value *item, tempo_chat_value *v,
                             size_t *n);

/* The iterator that Python's generator would be. */
static tempo_status give_each(tempo_chat_call *c, each_fn *each)
{
    tempo_chat_span items = {NULL, 0};
    tempo_chat_value *v;
    size_t n = 0;
    tempo_status st = tempo_chat_truth(&c->self) ? self_elements(c, &items) : TEMPO_OK;

    if ((v = tempo_chat_values(c->s, items.n)) == NULL)
        return c->s->heap->failed;
    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++)
        st = each(c, &items.v[i], v, &n);
    return tempo_chat_give_iterator(c, v, n, st);
}

static tempo_status map_one(tempo_chat_call *c, const tempo_chat_value *item, tempo_chat_value *v, size_t *n)
{
    const tempo_chat_getter how = {.path = named_arg(c, "attribute"), .fallback = named_arg(c, "default")};
    tempo_status st = tempo_chat_work(c->s, c->node, 0);

    if (st != TEMPO_OK)
        return st;
    if (c->args.n > 0 && c->args.name[0].p == NULL) {
        const tempo_chat_str name = name_arg(&c->args);
        const tempo_chat_args rest = drop_args(c->args, 1);
        st = tempo_chat_call_filter(c->s, c->node, tempo_chat_find_filter(name), name, item, &rest, &v[*n]);
    } else if (how.path == NULL || c->args.n != 1 + (size_t)(how.fallback != NULL)) {
        st = tempo_chat_call_fail(c, TEMPO_E_ARG, "map needs the name of a filter, or attribute=");
    } else {
        st = tempo_chat_get(c, item, &how, &v[*n]);
    }
    *n += st == TEMPO_OK;
    return st;
}

static tempo_status filter_map(tempo_chat_call *c)
{
    return give_each(c, map_one);
}

/* select(test, args), selectattr(attribute, test, args); reject... keeps the others. */
static tempo_status choose(tempo_chat_call *c, const tempo_chat_value *item, tempo_chat_value *v, size_t *n)
{
    const bool by_attribute = strstr(c->name, "attr") != NULL, keep = *c->name == 's';
    const tempo_chat_getter how = {.path = by_attribute && c->args.n > 0 ? &c->args.v[0] : NULL};
    tempo_chat_args rest = c->args;
    tempo_chat_value subject;
    tempo_status st;

    if (by_attribute && (rest.n == 0 || rest.name[0].p != NULL))
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s needs the name of an attribute", c->name);
    if ((st = tempo_chat_get(c, item, &how, &subject)) != TEMPO_OK)
        return st;
    rest = drop_args(rest, by_attribute);
    bool holds = tempo_chat_truth(&subject);
    if (rest.n > 0) {
        const tempo_chat_str name = name_arg(&rest);
        rest = drop_args(rest, 1);
        st = tempo_chat_call_test(c->s, c->node, tempo_chat_find_test(name), name, &subject, &rest, &holds);
    }
    if (st == TEMPO_OK && holds == keep)
        v[(*n)++] = *item;
    return st;
}

static tempo_status filter_choose(tempo_chat_call *c)
{
    return give_each(c, choose);
}

const tempo_chat_callable tempo_chat_list_filters[] = {
    {"list", "", filter_list},           {"first", "", filter_first},
    {"last", "", filter_last},           {"reverse", "", filter_reverse},
    {"items", "", filter_items},         {"join", "|d,attribute", filter_join},
    {"map", NULL, filter_map},           {"select", NULL, filter_choose},
    {"reject", NULL, filter_choose},     {"selectattr", NULL, filter_choose},
    {"rejectattr", NULL, filter_choose}, {NULL, NULL, NULL},
};
