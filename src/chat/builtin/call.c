/* call.c - calls: arguments to their places, and what those that are called share. */
#include "chat/builtin/call.h"

#include <string.h>

/* ---- arguments of a call ---- */

typedef struct collector {
    tempo_chat_state *s;
    const tempo_chat_node *node;
    tempo_chat_value *v;
    tempo_chat_str *name;
    size_t n, cap;
} collector;

static tempo_status collect(collector *x, tempo_chat_str name, const tempo_chat_value *v)
{
    if (x->n == TEMPO_CHAT_MAX_ARGS)
        return tempo_chat_fail_at(x->s, x->node, TEMPO_E_LIMIT, "more than %d arguments",
                                  TEMPO_CHAT_MAX_ARGS);
    for (size_t i = 0; name.p != NULL && i < x->n; i++)
        if (x->name[i].p != NULL && tempo_chat_same(x->name[i], name))
            return tempo_chat_fail_at(x->s, x->node, TEMPO_E_ARG, "two arguments '%.*s'",
                                      (int)(name.n < 40 ? name.n : 40), name.p);
    if (x->n == x->cap) {
        const size_t cap = x->cap == 0 ? 4 : 2 * x->cap;
        tempo_chat_value *to = tempo_chat_values(x->s, cap);
        tempo_chat_str *names = tempo_chat_alloc(x->s->heap, cap * sizeof(*names));
        if (to == NULL || names == NULL)
            return x->s->heap->failed;
        if (x->n > 0) {
            memcpy(to, x->v, x->n * sizeof(*to));
            memcpy(names, x->name, x->n * sizeof(*names));
        }
        x->v = to;
        x->name = names;
        x->cap = cap;
    }
    x->v[x->n] = *v;
    x->name[x->n++] = name;
    return TEMPO_OK;
}

/* *list: places; **mapping: names. */
static tempo_status collect_many(collector *x, const tempo_chat_node *node, const tempo_chat_value *v)
{
    const tempo_chat_str none = {NULL, NULL, 0};
    tempo_chat_span items;
    tempo_status st = TEMPO_OK;

    if (node->type == TEMPO_CHAT_STAR) {
        st = tempo_chat_elements(x->s, node, v, &items);
        for (size_t i = 0; i < items.n && st == TEMPO_OK; i++)
            st = collect(x, none, &items.v[i]);
        return st;
    }
    if (v->kind != TEMPO_VALUE_MAP)
        return tempo_chat_fail_at(x->s, node, TEMPO_E_ARG, "** needs a mapping, this is %s",
                                  tempo_chat_kind_name(v));
    for (size_t i = 0; i < v->map->n && st == TEMPO_OK; i++) {
        if (v->map->keys[i].kind != TEMPO_VALUE_STR)
            return tempo_chat_fail_at(x->s, node, TEMPO_E_ARG, "the names of arguments are strings");
        st = collect(x, v->map->keys[i].str, &v->map->values[i]);
    }
    return st;
}

tempo_status tempo_chat_eval_args(tempo_chat_state *s, const tempo_chat_node *list,
                                  const tempo_chat_value *caller, tempo_chat_args *out)
{
    const tempo_chat_str none = {NULL, NULL, 0};
    collector x = {.s = s, .node = list};
    tempo_chat_value v;
    tempo_status st = TEMPO_OK;

    for (int named = 0; named < 2; named++) { /* f(a=1, *b) is f(*b, a=1) */
        for (const tempo_chat_node *k = list; k != NULL && st == TEMPO_OK; k = k->next) {
            const bool by_name = k->type == TEMPO_CHAT_KEYWORD || k->type == TEMPO_CHAT_STAR_STAR,
                       alone = k->type != TEMPO_CHAT_STAR && k->type != TEMPO_CHAT_STAR_STAR;
            if (by_name != (named == 1))
                continue;
            x.node = k;
            if ((st = tempo_chat_eval(s, k->type == TEMPO_CHAT_KEYWORD || !alone ? k->a : k, &v)) == TEMPO_OK)
                st = alone ? collect(&x, by_name ? k->text : none, &v) : collect_many(&x, k, &v);
        }
    }
    if (st == TEMPO_OK && caller != NULL) {
        x.node = caller->macro->node;
        st = collect(&x, tempo_chat_literal("caller"), caller);
    }
    *out = (tempo_chat_args){x.v, x.name, x.n};
    return st;
}

/* ---- to their places ---- */

/* The place of a name in "a,b|c", or SIZE_MAX. */
static size_t find_param(const char *params, tempo_chat_str name)
{
    params += *params == '|';
    for (size_t i = 0; *params != '\0'; i++) {
        const size_t n = strcspn(params, ",|");
        if (n == name.n && memcmp(params, name.p, n) == 0)
            return i;
        params += n + (params[n] != '\0');
    }
    return SIZE_MAX;
}

/* How many there are; `needed`: how many up to |. */
static size_t count_params(const char *params, bool needed)
{
    size_t n = 0;

    if (!needed)
        params += *params == '|';
    for (bool begins = true; *params != '\0' && !(needed && *params == '|'); params++) {
        n += begins;
        begins = *params == ',' || *params == '|';
    }
    return n;
}

static tempo_status bind(tempo_chat_call *c, const char *params)
{
    const size_t n = count_params(params, false), needed = count_params(params, true);

    for (size_t i = 0; i < c->args.n; i++) {
        const tempo_chat_str name = c->args.name[i];
        const size_t k = name.p == NULL ? i : find_param(params, name);
        if (name.p != NULL && k == SIZE_MAX)
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s takes no argument '%.*s'", c->name,
                                        (int)(name.n < 40 ? name.n : 40), name.p);
        if (k >= n || c->given[k])
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s takes no more than %zu arguments", c->name, n);
        c->given[k] = true;
        c->v[k] = c->args.v[i];
    }
    for (size_t i = 0; i < needed; i++)
        if (!c->given[i])
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s needs %zu arguments, here are %zu", c->name,
                                        needed, c->args.n);
    return TEMPO_OK;
}

tempo_status tempo_chat_call_fn(tempo_chat_call *c, const tempo_chat_callable *f)
{
    tempo_status st;

    c->name = f->name;
    *c->out = tempo_chat_none();
    if ((st = tempo_chat_deepen(c->s, c->node)) == TEMPO_OK && /* map('map', 'map', ...) */
        (st = f->params != NULL ? bind(c, f->params) : TEMPO_OK) == TEMPO_OK)
        st = f->call(c);
    c->s->depth--;
    return st;
}

/* ---- what is called ---- */

static int find(const tempo_chat_callable *list, tempo_chat_str name)
{
    for (int i = 0; list[i].name != NULL; i++)
        if (tempo_chat_is(name, list[i].name))
            return i;
    return -1;
}

static const tempo_chat_callable *const filter_lists[] = {tempo_chat_text_filters, tempo_chat_number_filters,
                                                          tempo_chat_list_filters, tempo_chat_group_filters,
                                                          tempo_chat_html_filters};

enum { LIST_STEP = 1000 }; /* a filter is its list times this and its place there */

int tempo_chat_find_filter(tempo_chat_str name)
{
    for (int i = 0; i < (int)(sizeof(filter_lists) / sizeof(*filter_lists)); i++) {
        const int at = find(filter_lists[i], name);
        if (at >= 0)
            return LIST_STEP * i + at;
    }
    return -1;
}

int tempo_chat_find_test(tempo_chat_str name)
{
    return find(tempo_chat_tests, name);
}

int tempo_chat_find_function(tempo_chat_str name)
{
    return find(tempo_chat_functions, name);
}

static tempo_status unknown(tempo_chat_state *s, const tempo_chat_node *node, const char *what,
                            tempo_chat_str name)
{
    return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "the %s '%.*s' is not supported", what,
                              (int)(name.n < 40 ? name.n : 40), name.p);
}

tempo_status tempo_chat_call_filter(tempo_chat_state *s, const tempo_chat_node *node, int which,
                                    tempo_chat_str name, const tempo_chat_value *self,
                                    const tempo_chat_args *args, tempo_chat_value *out)
{
    tempo_chat_call c = {.s = s, .node = node, .self = *self, .args = *args, .out = out};

    return which < 0 ? unknown(s, node, "filter", name)
                     : tempo_chat_call_fn(&c, &filter_lists[which / LIST_STEP][which % LIST_STEP]);
}

tempo_status tempo_chat_call_test(tempo_chat_state *s, const tempo_chat_node *node, int which,
                                  tempo_chat_str name, const tempo_chat_value *self,
                                  const tempo_chat_args *args, bool *out)
{
    tempo_chat_value v = tempo_chat_none();
    tempo_chat_call c = {.s = s, .node = node, .self = *self, .args = *args, .out = &v};
    const tempo_status st =
        which < 0 ? unknown(s, node, "test", name) : tempo_chat_call_fn(&c, &tempo_chat_tests[which]);

    *out = tempo_chat_truth(&v);
    return st;
}

static tempo_status call_joiner(tempo_chat_reader *joiner, tempo_chat_value *out)
{
    *out = joiner->at > 0 ? *joiner->items.v : tempo_chat_text(tempo_chat_literal(""));
    joiner->at = 1;
    return TEMPO_OK;
}

/* loop(items): the body once more, for these. */
static tempo_status call_loop(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_loop *loop,
                              const tempo_chat_args *args, tempo_chat_value *out)
{
    tempo_chat_buffer *outer = s->out, b = {0};

    if (loop->node->number == 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "only the loop of a recursive for can be called");
    if (args->n != 1)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "loop needs 1 arguments, here are %zu", args->n);
    s->out = &b;
    const tempo_status st = tempo_chat_run_loop(s, loop->node, &args->v[0], loop->outer, loop->depth + 1);
    s->out = outer;
    *out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

tempo_status tempo_chat_call_value(tempo_chat_state *s, const tempo_chat_node *node,
                                   const tempo_chat_value *f, const tempo_chat_args *args,
                                   tempo_chat_value *out)
{
    tempo_chat_call c = {.s = s, .node = node, .args = *args, .out = out};

    switch (f->kind) {
    case TEMPO_VALUE_FUNCTION:
        return tempo_chat_call_fn(&c, &tempo_chat_functions[f->which]);
    case TEMPO_VALUE_METHOD:
        return tempo_chat_call_method(s, node, &f->method->self, f->method->which, args, out);
    case TEMPO_VALUE_MACRO:
        return tempo_chat_call_macro(s, node, f->macro, args, out);
    case TEMPO_VALUE_LOOP:
        return call_loop(s, node, f->loop, args, out);
    case TEMPO_VALUE_JOINER:
        return call_joiner(f->reader, out);
    case TEMPO_VALUE_UNDEFINED: /* a function that others may have */
        return unknown(s, node, "function", f->str);
    default:
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s cannot be called", tempo_chat_kind_name(f));
    }
}

/* ---- for those that are called ---- */

tempo_status tempo_chat_wrong_arg(tempo_chat_call *c, size_t i, const char *expected)
{
    return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: argument %zu is %s, expected %s", c->name, i + 1,
                                tempo_chat_kind_name(&c->v[i]), expected);
}

tempo_status tempo_chat_arg_str(tempo_chat_call *c, size_t i, tempo_chat_str *out)
{
    if (c->given[i] && c->v[i].kind != TEMPO_VALUE_STR)
        return tempo_chat_wrong_arg(c, i, "a string");
    if (c->given[i])
        *out = c->v[i].str;
    return TEMPO_OK;
}

tempo_status tempo_chat_arg_int(tempo_chat_call *c, size_t i, int64_t *out)
{
    if (c->given[i] && !tempo_chat_is_int(&c->v[i]))
        return tempo_chat_wrong_arg(c, i, "a whole number");
    if (c->given[i])
        *out = c->v[i].i;
    return TEMPO_OK;
}

tempo_status tempo_chat_self_text(tempo_chat_call *c, tempo_chat_str *out)
{
    const tempo_status st = tempo_chat_print(c->s, c->node, &c->self, out);

    return st == TEMPO_OK ? tempo_chat_work(c->s, c->node, out->n) : st;
}

tempo_status tempo_chat_add(tempo_chat_call *c, tempo_chat_buffer *b, tempo_chat_str text)
{
    return tempo_chat_append(c->s->heap, b, text);
}

tempo_status tempo_chat_add_times(tempo_chat_call *c, tempo_chat_buffer *b, tempo_chat_str text, int64_t n)
{
    tempo_status st = TEMPO_OK;

    for (; n > 0 && st == TEMPO_OK; n--)
        if ((st = tempo_chat_append(c->s->heap, b, text)) == TEMPO_OK && n % 256 == 0)
            st = tempo_chat_work(c->s, c->node, 256 * text.n);
    return st;
}

tempo_status tempo_chat_center(tempo_chat_call *c, tempo_chat_str text, int64_t width, tempo_chat_str fill)
{
    const int64_t room = width - (int64_t)tempo_chat_length(text),
                  left = room <= 0 ? 0 : room / 2 + (room & width & 1); /* as Python shares an odd one */
    tempo_chat_buffer b = {0};
    tempo_status st;

    if ((st = tempo_chat_add_times(c, &b, fill, left)) != TEMPO_OK ||
        (st = tempo_chat_add(c, &b, text)) != TEMPO_OK ||
        (st = tempo_chat_add_times(c, &b, fill, room - left)) != TEMPO_OK)
        return st;
    return tempo_chat_give_buffer(c, &b);
}

tempo_status tempo_chat_cased(tempo_chat_call *c, tempo_chat_str text, tempo_chat_case how)
{
    tempo_chat_str result;
    tempo_status st;

    if ((st = tempo_chat_work(c->s, c->node, 8 * text.n)) != TEMPO_OK ||
        (st = tempo_chat_change_case(c->s->heap, text, how, &result)) != TEMPO_OK)
        return st;
    return tempo_chat_give(c, result);
}
