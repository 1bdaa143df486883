/* method.c - methods of lists, tuples, mappings, loops, and which values have which.  Those that change
 * a list or a mapping work as in Python; Hugging Face's renderer forbids them, others that read the same
 * templates do not.  */
#include "chat/builtin/method.h"

#include <math.h>
#include <string.h>

/* ---- lists and tuples ---- */

static tempo_status list_append(tempo_chat_call *c)
{
    return tempo_chat_push(c->s, c->self.list, &c->v[0]);
}

static tempo_status list_extend(tempo_chat_call *c)
{
    tempo_chat_span items;
    tempo_status st = tempo_chat_elements(c->s, c->node, &c->v[0], &items);

    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++)
        if ((st = tempo_chat_work(c->s, c->node, 16)) == TEMPO_OK)
            st = tempo_chat_push(c->s, c->self.list, &items.v[i]);
    return st;
}

/* Where Python means by i in a list of n, with its ends for what is beyond. */
static size_t clamp(int64_t i, size_t n)
{
    if (i < 0)
        i = i < -(int64_t)n ? 0 : i + (int64_t)n;
    return i > (int64_t)n ? n : (size_t)i;
}

static tempo_status list_insert(tempo_chat_call *c)
{
    tempo_chat_list *list = c->self.list;
    const size_t n = list->n;
    int64_t i = 0;
    tempo_status st;

    if ((st = tempo_chat_arg_int(c, 0, &i)) != TEMPO_OK ||
        (st = tempo_chat_push(c->s, list, &c->v[1])) != TEMPO_OK)
        return st;
    const size_t at = clamp(i, n);
    memmove(list->v + at + 1, list->v + at, (n - at) * sizeof(*list->v));
    list->v[at] = c->v[1];
    return tempo_chat_work(c->s, c->node, 16 * n);
}

static void remove_at(tempo_chat_list *list, size_t at)
{
    list->n--;
    memmove(list->v + at, list->v + at + 1, (list->n - at) * sizeof(*list->v));
}

static tempo_status list_pop(tempo_chat_call *c)
{
    tempo_chat_list *list = c->self.list;
    int64_t i = -1;
    const tempo_status st = tempo_chat_arg_int(c, 0, &i);

    if (st != TEMPO_OK)
        return st;
    i += i < 0 ? (int64_t)list->n : 0;
    if (i < 0 || i >= (int64_t)list->n)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "pop: there is no such element");
    *c->out = list->v[i];
    remove_at(list, (size_t)i);
    return tempo_chat_work(c->s, c->node, 16 * list->n);
}

/* The place of the first element that is v[0], or n. */
static tempo_status find_element(tempo_chat_call *c, size_t *at)
{
    const tempo_chat_list *list = c->self.list;
    bool same = false;
    tempo_status st = TEMPO_OK;

    for (*at = 0; *at < list->n && st == TEMPO_OK; (*at)++)
        if ((st = tempo_chat_equal(c->s, c->node, &list->v[*at], &c->v[0], &same)) == TEMPO_OK && same)
            break;
    return st;
}

static tempo_status list_index(tempo_chat_call *c)
{
    size_t at;
    const tempo_status st = find_element(c, &at);

    if (st == TEMPO_OK && at == c->self.list->n)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: there is no such element", c->name);
    *c->out = tempo_chat_int((int64_t)at);
    return st;
}

static tempo_status list_remove(tempo_chat_call *c)
{
    const tempo_status st = list_index(c);

    if (st == TEMPO_OK)
        remove_at(c->self.list, (size_t)c->out->i);
    *c->out = tempo_chat_none();
    return st;
}

static tempo_status list_count(tempo_chat_call *c)
{
    int64_t n = 0;
    bool same;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < c->self.list->n && st == TEMPO_OK; i++) {
        st = tempo_chat_equal(c->s, c->node, &c->self.list->v[i], &c->v[0], &same);
        n += same;
    }
    *c->out = tempo_chat_int(n);
    return st;
}

static tempo_status list_clear(tempo_chat_call *c)
{
    c->self.list->n = 0;
    return TEMPO_OK;
}

static tempo_status list_copy(tempo_chat_call *c)
{
    const tempo_chat_list *list = c->self.list;
    tempo_chat_value *v = tempo_chat_values(c->s, list->n);

    if (v == NULL)
        return c->s->heap->failed;
    if (list->n > 0)
        memcpy(v, list->v, list->n * sizeof(*v));
    return tempo_chat_make(c->s, TEMPO_VALUE_LIST, v, list->n, c->out);
}

static tempo_status list_reverse(tempo_chat_call *c)
{
    tempo_chat_list *list = c->self.list;

    for (size_t i = 0; i < list->n / 2; i++) {
        const tempo_chat_value swap = list->v[i];
        list->v[i] = list->v[list->n - 1 - i];
        list->v[list->n - 1 - i] = swap;
    }
    return tempo_chat_work(c->s, c->node, 16 * list->n);
}

static tempo_status list_sort(tempo_chat_call *c)
{
    if (tempo_chat_arg_some(c, 0))
        return tempo_chat_call_fail(c, TEMPO_E_UNSUPPORTED, "sort by a function is not supported");
    return tempo_chat_sort(c->s, c->node, c->self.list->v, c->self.list->v, c->self.list->n,
                           tempo_chat_arg_true(c, 1));
}

static const tempo_chat_callable list_methods[] = {
    {"append", "object", list_append},
    {"extend", "iterable", list_extend},
    {"insert", "index,object", list_insert},
    {"pop", "|index", list_pop},
    {"index", "value", list_index},
    {"remove", "value", list_remove},
    {"count", "value", list_count},
    {"clear", "", list_clear},
    {"copy", "", list_copy},
    {"reverse", "", list_reverse},
    {"sort", "|key,reverse", list_sort},
    {NULL, NULL, NULL},
};

static const tempo_chat_callable tuple_methods[] = {
    {"index", "value", list_index}, {"count", "value", list_count}, {NULL, NULL, NULL}};

/* ---- mappings ---- */

static tempo_status map_get(tempo_chat_call *c)
{
    size_t at;
    const tempo_status st = tempo_chat_map_find(c->s, c->node, c->self.map, &c->v[0], &at);

    if (st == TEMPO_OK)
        *c->out = at < c->self.map->n ? c->self.map->values[at] : c->given[1] ? c->v[1] : tempo_chat_none();
    return st;
}

static tempo_status view(tempo_chat_call *c, uint32_t which)
{
    *c->out = (tempo_chat_value){.kind = TEMPO_VALUE_VIEW, .which = which, .map = c->self.map};
    return TEMPO_OK;
}

static tempo_status map_keys(tempo_chat_call *c)
{
    return view(c, TEMPO_VIEW_KEYS);
}

static tempo_status map_values(tempo_chat_call *c)
{
    return view(c, TEMPO_VIEW_VALUES);
}

static tempo_status map_items(tempo_chat_call *c)
{
    return view(c, TEMPO_VIEW_ITEMS);
}

static tempo_status map_pop(tempo_chat_call *c)
{
    size_t at;
    const tempo_status st = tempo_chat_map_find(c->s, c->node, c->self.map, &c->v[0], &at);

    if (st != TEMPO_OK)
        return st;
    if (at == c->self.map->n && !c->given[1])
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "pop: there is no such key");
    *c->out = at < c->self.map->n ? c->self.map->values[at] : c->v[1];
    if (at < c->self.map->n)
        tempo_chat_map_remove(c->self.map, at);
    return TEMPO_OK;
}

static tempo_status map_popitem(tempo_chat_call *c)
{
    tempo_chat_map *m = c->self.map;
    tempo_chat_value *pair = tempo_chat_values(c->s, 2);

    if (pair == NULL)
        return c->s->heap->failed;
    if (m->n == 0)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "popitem: the mapping is empty");
    pair[0] = m->keys[m->n - 1];
    pair[1] = m->values[m->n - 1];
    tempo_chat_map_remove(m, m->n - 1);
    return tempo_chat_make(c->s, TEMPO_VALUE_TUPLE, pair, 2, c->out);
}

static tempo_status map_setdefault(tempo_chat_call *c)
{
    size_t at;
    const tempo_status st = tempo_chat_map_find(c->s, c->node, c->self.map, &c->v[0], &at);

    if (st != TEMPO_OK)
        return st;
    *c->out = at < c->self.map->n ? c->self.map->values[at] : c->given[1] ? c->v[1] : tempo_chat_none();
    return at < c->self.map->n ? TEMPO_OK : tempo_chat_map_put(c->s, c->node, c->self.map, &c->v[0], c->out);
}

static tempo_status map_update(tempo_chat_call *c)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < c->args.n && st == TEMPO_OK; i++) {
        const tempo_chat_value name = tempo_chat_text(c->args.name[i]);
        if (name.str.p == NULL && i > 0)
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "update takes no more than 1 argument by place");
        st = name.str.p != NULL ? tempo_chat_map_put(c->s, c->node, c->self.map, &name, &c->args.v[i])
                                : tempo_chat_map_update(c->s, c->node, c->self.map, &c->args.v[i]);
    }
    return st;
}

static tempo_status map_clear(tempo_chat_call *c)
{
    c->self.map->n = 0;
    return TEMPO_OK;
}

static tempo_status map_copy(tempo_chat_call *c)
{
    const tempo_status st = tempo_chat_make_map(c->s, TEMPO_VALUE_MAP, c->out);

    return st == TEMPO_OK ? tempo_chat_map_update(c->s, c->node, c->out->map, &c->self) : st;
}

static const tempo_chat_callable map_methods[] = {
    {"get", "key|default", map_get},
    {"keys", "", map_keys},
    {"values", "", map_values},
    {"items", "", map_items},
    {"pop", "key|default", map_pop},
    {"popitem", "", map_popitem},
    {"setdefault", "key|default", map_setdefault},
    {"update", NULL, map_update},
    {"clear", "", map_clear},
    {"copy", "", map_copy},
    {NULL, NULL, NULL},
};

/* ---- loops, cyclers, numbers ---- */

static tempo_status loop_cycle(tempo_chat_call *c)
{
    if (c->args.n == 0 || c->args.name[c->args.n - 1].p != NULL)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "cycle takes values by place, at least one");
    *c->out = c->args.v[c->self.loop->index % c->args.n];
    return TEMPO_OK;
}

static tempo_status loop_changed(tempo_chat_call *c)
{
    tempo_chat_value *v = tempo_chat_values(c->s, c->args.n), now;
    bool same = false;
    tempo_status st;

    if (v == NULL)
        return c->s->heap->failed;
    if (c->args.n > 0)
        memcpy(v, c->args.v, c->args.n * sizeof(*v));
    if ((st = tempo_chat_make(c->s, TEMPO_VALUE_TUPLE, v, c->args.n, &now)) != TEMPO_OK ||
        (st = tempo_chat_equal(c->s, c->node, &c->self.loop->changed, &now, &same)) != TEMPO_OK)
        return st;
    c->self.loop->changed = now;
    return tempo_chat_give_bool(c, !same);
}

static tempo_status cycler_next(tempo_chat_call *c)
{
    tempo_chat_reader *r = c->self.reader;

    *c->out = r->items.v[r->at];
    r->at = (r->at + 1) % r->items.n;
    return TEMPO_OK;
}

static tempo_status cycler_reset(tempo_chat_call *c)
{
    c->self.reader->at = 0;
    return TEMPO_OK;
}

static tempo_status float_is_integer(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, isfinite(c->self.f) && floor(c->self.f) == c->self.f);
}

static const tempo_chat_callable loop_methods[] = {
    {"cycle", NULL, loop_cycle}, {"changed", NULL, loop_changed}, {NULL, NULL, NULL}};
static const tempo_chat_callable cycler_methods[] = {
    {"next", "", cycler_next}, {"reset", "", cycler_reset}, {NULL, NULL, NULL}};
static const tempo_chat_callable float_methods[] = {{"is_integer", "", float_is_integer}, {NULL, NULL, NULL}};

/* ---- which ---- */

static const struct {
    tempo_chat_kind kind;
    const tempo_chat_callable *methods;
} lists[] = {
    {TEMPO_VALUE_STR, tempo_chat_str_methods},
    {TEMPO_VALUE_STR, tempo_chat_part_methods},
    {TEMPO_VALUE_LIST, list_methods},
    {TEMPO_VALUE_TUPLE, tuple_methods},
    {TEMPO_VALUE_MAP, map_methods},
    {TEMPO_VALUE_LOOP, loop_methods},
    {TEMPO_VALUE_CYCLER, cycler_methods},
    {TEMPO_VALUE_FLOAT, float_methods},
};

enum { LIST_STEP = 1000 }; /* a method is its list times this and its place there */

int tempo_chat_find_method(tempo_chat_kind kind, tempo_chat_str name)
{
    for (int i = 0; i < (int)(sizeof(lists) / sizeof(*lists)); i++)
        for (int k = 0; lists[i].kind == kind && lists[i].methods[k].name != NULL; k++)
            if (tempo_chat_is(name, lists[i].methods[k].name))
                return LIST_STEP * i + k;
    return -1;
}

tempo_status tempo_chat_call_method(tempo_chat_state *s, const tempo_chat_node *node,
                                    const tempo_chat_value *self, int which, const tempo_chat_args *args,
                                    tempo_chat_value *out)
{
    tempo_chat_call c = {.s = s, .node = node, .self = *self, .args = *args, .out = out};

    return tempo_chat_call_fn(&c, &lists[which / LIST_STEP].methods[which % LIST_STEP]);
}
