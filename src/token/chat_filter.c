/* chat_filter.c - filters and tests. */
#include <string.h>

#include "token/chat_bind.h"
#include "token/chat_call.h"

/* ---- tests ---- */

typedef enum test {
    DEFINED,
    UNDEFINED,
    NONE,
    STRING,
    MAPPING,
    ITERABLE,
    SEQUENCE,
    BOOLEAN,
    TRUE_,
    FALSE_,
    NUMBER,
    INTEGER,
    CALLABLE,
    ODD,
    EVEN,
    DIVISIBLEBY,
    SAMEAS,
    EQUALTO,
    DIFFERENT,
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
    IN,
} test;

static const struct {
    const char *name;
    test which;
} tests[] = {
    {"defined", DEFINED},
    {"undefined", UNDEFINED},
    {"none", NONE},
    {"string", STRING},
    {"mapping", MAPPING},
    {"iterable", ITERABLE},
    {"sequence", SEQUENCE},
    {"boolean", BOOLEAN},
    {"true", TRUE_},
    {"false", FALSE_},
    {"number", NUMBER},
    {"integer", INTEGER},
    {"callable", CALLABLE},
    {"odd", ODD},
    {"even", EVEN},
    {"divisibleby", DIVISIBLEBY},
    {"sameas", SAMEAS},
    {"equalto", EQUALTO},
    {"eq", EQUALTO},
    {"==", EQUALTO},
    {"ne", DIFFERENT},
    {"!=", DIFFERENT},
    {"lt", LESS},
    {"lessthan", LESS},
    {"<", LESS},
    {"le", LESS_EQUAL},
    {"<=", LESS_EQUAL},
    {"gt", GREATER},
    {"greaterthan", GREATER},
    {">", GREATER},
    {"ge", GREATER_EQUAL},
    {">=", GREATER_EQUAL},
    {"in", IN},
};

int tempo_chat_find_test(tempo_chat_str name)
{
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
        if (tempo_chat_is(name, tests[i].name))
            return (int)i;
    return -1;
}

static bool has_elements(const tempo_chat_value *v)
{
    return v->kind == TEMPO_VALUE_UNDEFINED || v->kind == TEMPO_VALUE_STR || v->kind == TEMPO_VALUE_LIST ||
           v->kind == TEMPO_VALUE_MAP;
}

/* Tests of the kind of a value. */
static bool is_kind(test which, const tempo_chat_value *v)
{
    switch (which) {
    case DEFINED:
        return v->kind != TEMPO_VALUE_UNDEFINED;
    case UNDEFINED:
        return v->kind == TEMPO_VALUE_UNDEFINED;
    case NONE:
        return v->kind == TEMPO_VALUE_NONE;
    case STRING:
        return v->kind == TEMPO_VALUE_STR;
    case MAPPING:
        return v->kind == TEMPO_VALUE_MAP;
    case ITERABLE:
    case SEQUENCE:
        return has_elements(v);
    case BOOLEAN:
        return v->kind == TEMPO_VALUE_BOOL;
    case TRUE_:
    case FALSE_:
        return v->kind == TEMPO_VALUE_BOOL && (v->i != 0) == (which == TRUE_);
    case NUMBER:
        return tempo_chat_is_number(v);
    case INTEGER:
        return v->kind == TEMPO_VALUE_INT;
    default:
        return v->kind == TEMPO_VALUE_FUNCTION || v->kind == TEMPO_VALUE_MACRO ||
               v->kind == TEMPO_VALUE_UNDEFINED;
    }
}

static tempo_status test_number(tempo_chat_state *s, const tempo_chat_node *node, test which,
                                const tempo_chat_value *v, int64_t by, bool *out)
{
    if (!tempo_chat_is_number(v))
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s is neither odd nor even",
                                  tempo_chat_kind_name(v));
    if (by == 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "division by zero");
    *out = (by == -1 || v->i % by == 0) != (which == ODD);
    return TEMPO_OK;
}

static tempo_status test_against(tempo_chat_state *s, const tempo_chat_node *node, test which,
                                 const tempo_chat_value *v, const tempo_chat_value *other, bool *out)
{
    static const int64_t ops[] = {[EQUALTO] = TEMPO_OP2('=', '='),
                                  [DIFFERENT] = TEMPO_OP2('!', '='),
                                  [LESS] = TEMPO_OP1('<'),
                                  [LESS_EQUAL] = TEMPO_OP2('<', '='),
                                  [GREATER] = TEMPO_OP1('>'),
                                  [GREATER_EQUAL] = TEMPO_OP2('>', '='),
                                  [IN] = TEMPO_OP_IN};

    if (which == DIVISIBLEBY)
        return tempo_chat_is_number(other)
                   ? test_number(s, node, which, v, other->i, out)
                   : tempo_chat_fail_at(s, node, TEMPO_E_ARG, "divisibleby needs a number");
    if (which != SAMEAS)
        return tempo_chat_compare(s, node, ops[which], v, other, out);
    if (v->kind != TEMPO_VALUE_BOOL && v->kind != TEMPO_VALUE_NONE && other->kind != TEMPO_VALUE_BOOL &&
        other->kind != TEMPO_VALUE_NONE)
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "sameas with %s is not supported",
                                  tempo_chat_kind_name(other));
    *out = v->kind == other->kind && (v->kind == TEMPO_VALUE_NONE || v->i == other->i);
    return TEMPO_OK;
}

tempo_status tempo_chat_call_test(tempo_chat_state *s, const tempo_chat_node *node, int which,
                                  const tempo_chat_value *subject, const tempo_chat_args *args, bool *out)
{
    const test t = tests[which].which;
    const size_t wanted = t >= DIVISIBLEBY;

    *out = false;
    if (args->n != wanted)
        return tempo_chat_fail_at(s, node, TEMPO_E_FORMAT, "the test '%s' takes %zu arguments, here are %zu",
                                  tests[which].name, wanted, args->n);
    if (wanted == 1)
        return test_against(s, node, t, subject, &args->v[0], out);
    if (t == ODD || t == EVEN)
        return test_number(s, node, t, subject, 2, out);
    *out = is_kind(t, subject);
    return TEMPO_OK;
}

/* ---- filters of one value ---- */

typedef tempo_status filter_fn(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               const tempo_chat_bound *b, tempo_chat_value *out);

static tempo_status filter_trim(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                const tempo_chat_bound *b, tempo_chat_value *out)
{
    const bool some = b->given[0] && b->v[0].kind != TEMPO_VALUE_NONE;
    tempo_chat_str text, chars = {NULL, NULL, 0};
    tempo_status st;

    if ((st = tempo_chat_print(s, node, v, &text)) != TEMPO_OK ||
        (some && (st = tempo_chat_arg_str(s, node, b, 0, &chars)) != TEMPO_OK) ||
        (st = tempo_chat_work(s, node, text.n)) != TEMPO_OK)
        return st;
    *out = tempo_chat_text(tempo_chat_strip(text, some ? &chars : NULL, true, true));
    return TEMPO_OK;
}

static tempo_status filter_length(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                  const tempo_chat_bound *b, tempo_chat_value *out)
{
    (void)b;
    if (!has_elements(v))
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s has no length", tempo_chat_kind_name(v));
    *out = tempo_chat_int((int64_t)(v->kind == TEMPO_VALUE_STR    ? tempo_chat_length(v->str)
                                    : v->kind == TEMPO_VALUE_LIST ? v->list.n
                                    : v->kind == TEMPO_VALUE_MAP  ? v->map->n
                                                                  : 0));
    return tempo_chat_work(s, node, v->kind == TEMPO_VALUE_STR ? v->str.n : 0);
}

static tempo_status filter_tojson(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                  const tempo_chat_bound *b, tempo_chat_value *out)
{
    tempo_chat_str text;
    int64_t indent = -1;
    tempo_status st = TEMPO_OK;

    if (b->given[0] && b->v[0].kind != TEMPO_VALUE_NONE)
        st = tempo_chat_arg_int(s, node, b, 0, &indent);
    if (st != TEMPO_OK)
        return st;
    if (indent > 16 || (b->given[0] && b->v[0].kind != TEMPO_VALUE_NONE && indent < 0))
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED,
                                  "tojson with an indent outside of 0 to 16 is not supported");
    st = tempo_chat_json(s, node, v, indent, &text);
    *out = tempo_chat_text(text);
    return st;
}

static tempo_status filter_default(tempo_chat_state *s, const tempo_chat_node *node,
                                   const tempo_chat_value *v, const tempo_chat_bound *b,
                                   tempo_chat_value *out)
{
    static const tempo_chat_str empty = {"", NULL, 0};
    const bool falsy = b->given[1] && tempo_chat_truth(&b->v[1]);

    (void)s;
    (void)node;
    if (v->kind == TEMPO_VALUE_UNDEFINED || (falsy && !tempo_chat_truth(v)))
        *out = b->given[0] ? b->v[0] : tempo_chat_text(empty);
    else
        *out = *v;
    return TEMPO_OK;
}

static tempo_status case_filter(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                tempo_chat_case how, tempo_chat_value *out)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_print(s, node, v, &text);

    return st == TEMPO_OK ? tempo_chat_cased(s, node, text, how, out) : st;
}

static tempo_status filter_upper(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                 const tempo_chat_bound *b, tempo_chat_value *out)
{
    (void)b;
    return case_filter(s, node, v, TEMPO_CHAT_UPPER, out);
}

static tempo_status filter_lower(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                 const tempo_chat_bound *b, tempo_chat_value *out)
{
    (void)b;
    return case_filter(s, node, v, TEMPO_CHAT_LOWER, out);
}

static tempo_status filter_title(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                 const tempo_chat_bound *b, tempo_chat_value *out)
{
    (void)b;
    return case_filter(s, node, v, TEMPO_CHAT_TITLE_FILTER, out);
}

static tempo_status filter_capitalize(tempo_chat_state *s, const tempo_chat_node *node,
                                      const tempo_chat_value *v, const tempo_chat_bound *b,
                                      tempo_chat_value *out)
{
    (void)b;
    return case_filter(s, node, v, TEMPO_CHAT_CAPITALIZE, out);
}

static tempo_status filter_replace(tempo_chat_state *s, const tempo_chat_node *node,
                                   const tempo_chat_value *v, const tempo_chat_bound *b,
                                   tempo_chat_value *out)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_print(s, node, v, &text);

    return st == TEMPO_OK ? tempo_chat_replace_args(s, node, text, b, out) : st;
}

static tempo_status filter_string(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                  const tempo_chat_bound *b, tempo_chat_value *out)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_print(s, node, v, &text);

    (void)b;
    *out = tempo_chat_text(text);
    return st;
}

/* A decimal number in text, white space around it; else the default. */
static tempo_status filter_int(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               const tempo_chat_bound *b, tempo_chat_value *out)
{
    int64_t n = 0;

    if (v->kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "an undefined value is no number");
    *out = b->given[0] ? b->v[0] : tempo_chat_int(0);
    if (tempo_chat_is_number(v))
        *out = tempo_chat_int(v->i);
    if (v->kind != TEMPO_VALUE_STR)
        return TEMPO_OK;
    const tempo_chat_str text = tempo_chat_strip(v->str, NULL, true, true);
    const bool sign = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+');
    for (size_t i = sign; i < text.n; i++)
        if (text.p[i] < '0' || text.p[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, text.p[i] - '0', &n))
            return TEMPO_OK;
    if (text.n > (size_t)sign)
        *out = tempo_chat_int(text.p[0] == '-' ? -n : n);
    return TEMPO_OK;
}

/* ---- filters of lists ---- */

static tempo_status filter_list(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                const tempo_chat_bound *b, tempo_chat_value *out)
{
    (void)b;
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST};
    return tempo_chat_elements(s, node, v, &out->list);
}

static tempo_status filter_end(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               bool last, tempo_chat_value *out)
{
    static const tempo_chat_str nothing = {"an element of nothing", NULL, 21};
    tempo_chat_list items;
    const tempo_status st = tempo_chat_elements(s, node, v, &items);

    *out = (tempo_chat_value){.kind = TEMPO_VALUE_UNDEFINED, .str = nothing};
    if (st == TEMPO_OK && items.n > 0)
        *out = items.v[last ? items.n - 1 : 0];
    return st;
}

static tempo_status filter_first(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                 const tempo_chat_bound *b, tempo_chat_value *out)
{
    (void)b;
    return filter_end(s, node, v, false, out);
}

static tempo_status filter_last(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                const tempo_chat_bound *b, tempo_chat_value *out)
{
    (void)b;
    return filter_end(s, node, v, true, out);
}

static tempo_status filter_reverse(tempo_chat_state *s, const tempo_chat_node *node,
                                   const tempo_chat_value *v, const tempo_chat_bound *b,
                                   tempo_chat_value *out)
{
    static const tempo_chat_str none = {"", NULL, 0};
    tempo_chat_list items;
    tempo_chat_value *list;
    tempo_status st = tempo_chat_elements(s, node, v, &items);

    (void)b;
    if (st != TEMPO_OK || (st = tempo_chat_work(s, node, items.n)) != TEMPO_OK)
        return st;
    if ((list = tempo_chat_values(s, items.n)) == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < items.n; i++)
        list[i] = items.v[items.n - 1 - i];
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {list, items.n}};
    return v->kind == TEMPO_VALUE_STR ? tempo_chat_join(s, node, none, out->list, out) : TEMPO_OK;
}

static tempo_status filter_items(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                 const tempo_chat_bound *b, tempo_chat_value *out)
{
    (void)b;
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST};
    if (v->kind == TEMPO_VALUE_UNDEFINED)
        return TEMPO_OK;
    if (v->kind != TEMPO_VALUE_MAP)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "items: this is %s, expected a mapping",
                                  tempo_chat_kind_name(v));
    return tempo_chat_pairs(s, v->map, out);
}

/* The attribute of an element: "a.b" is the b of the a. */
static tempo_status attribute(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                              tempo_chat_str path, tempo_chat_value *out)
{
    static const tempo_chat_str dot = {".", NULL, 1};
    tempo_status st = TEMPO_OK;

    *out = *v;
    while (st == TEMPO_OK) {
        const size_t end = tempo_chat_search(path, dot, 0), n = end == SIZE_MAX ? path.n : end;
        const tempo_chat_value from = *out;
        st = tempo_chat_member(s, node, &from, tempo_chat_part(path, 0, n), out);
        if (end == SIZE_MAX)
            break;
        path = tempo_chat_part(path, end + 1, path.n);
    }
    return st;
}

/* An attribute of each element. */
static tempo_status attributes(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str path,
                               tempo_chat_list *items)
{
    tempo_chat_value *list = tempo_chat_values(s, items->n);
    tempo_status st = TEMPO_OK;

    if (list == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < items->n && st == TEMPO_OK; i++)
        if ((st = tempo_chat_work(s, node, path.n)) == TEMPO_OK)
            st = attribute(s, node, &items->v[i], path, &list[i]);
    items->v = list;
    return st;
}

static tempo_status filter_join(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                const tempo_chat_bound *b, tempo_chat_value *out)
{
    tempo_chat_str between = {"", NULL, 0}, path;
    tempo_chat_list items;
    tempo_status st = tempo_chat_elements(s, node, v, &items);

    if (st != TEMPO_OK || (st = tempo_chat_arg_str(s, node, b, 0, &between)) != TEMPO_OK)
        return st;
    if (b->given[1] && ((st = tempo_chat_arg_str(s, node, b, 1, &path)) != TEMPO_OK ||
                        (st = attributes(s, node, path, &items)) != TEMPO_OK))
        return st;
    return tempo_chat_join(s, node, between, items, out);
}

/* ---- filters that apply others ---- */

static tempo_status named(tempo_chat_state *s, const tempo_chat_node *node, const char *what,
                          const tempo_chat_value *v, int (*find)(tempo_chat_str), int *out)
{
    const tempo_chat_str name = v->kind == TEMPO_VALUE_STR ? v->str : (tempo_chat_str){"", NULL, 0};

    if ((*out = find(name)) < 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "the %s '%.*s' is not supported", what,
                                  (int)(name.n < 40 ? name.n : 40), name.p);
    return TEMPO_OK;
}

/* args without the first n. */
static void drop_args(tempo_chat_args *args, size_t n)
{
    args->n -= n;
    memmove(args->v, args->v + n, args->n * sizeof(*args->v));
    memmove(args->name, args->name + n, args->n * sizeof(*args->name));
}

static tempo_status call_map(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_list items,
                             const tempo_chat_args *args, tempo_chat_value *out)
{
    static const char attribute_name[] = "attribute";
    tempo_chat_args rest = *args;
    tempo_status st = TEMPO_OK;
    int which = -1;

    if (args->n == 1 && args->name[0].p != NULL && tempo_chat_is(args->name[0], attribute_name) &&
        args->v[0].kind == TEMPO_VALUE_STR) {
        st = attributes(s, node, args->v[0].str, &items);
        *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = items};
        return st;
    }
    if (args->n == 0 || args->name[0].p != NULL)
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED,
                                  "map with anything but a filter or attribute= is not supported");
    if ((st = named(s, node, "filter", &args->v[0], tempo_chat_find_filter, &which)) != TEMPO_OK)
        return st;
    drop_args(&rest, 1);
    tempo_chat_value *list = tempo_chat_values(s, items.n);
    if (list == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++)
        if ((st = tempo_chat_work(s, node, 0)) == TEMPO_OK)
            st = tempo_chat_call_filter(s, node, which, &items.v[i], &rest, &list[i]);
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {list, items.n}};
    return st;
}

/* select(test, args), selectattr(attribute, test, args); reject... keeps the others. */
static tempo_status call_select(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_list items,
                                const tempo_chat_args *args, bool by_attribute, bool keep,
                                tempo_chat_value *out)
{
    tempo_chat_args rest = *args;
    tempo_chat_list subjects = items;
    size_t n = 0;
    int which = -1;
    tempo_status st = TEMPO_OK;

    if (by_attribute) {
        if (args->n == 0 || args->v[0].kind != TEMPO_VALUE_STR)
            return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED,
                                      "the name of an attribute must come first");
        if ((st = attributes(s, node, args->v[0].str, &subjects)) != TEMPO_OK)
            return st;
        drop_args(&rest, 1);
    }
    if (rest.n > 0) {
        if ((st = named(s, node, "test", &rest.v[0], tempo_chat_find_test, &which)) != TEMPO_OK)
            return st;
        drop_args(&rest, 1);
    }
    tempo_chat_value *list = tempo_chat_values(s, items.n);
    if (list == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < items.n; i++) {
        bool holds = tempo_chat_truth(&subjects.v[i]);
        if ((st = tempo_chat_work(s, node, 0)) != TEMPO_OK ||
            (which >= 0 &&
             (st = tempo_chat_call_test(s, node, which, &subjects.v[i], &rest, &holds)) != TEMPO_OK))
            return st;
        if (holds == keep)
            list[n++] = items.v[i];
    }
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {list, n}};
    return TEMPO_OK;
}

/* ---- all filters ---- */

static const struct {
    const char *name, *params;
    filter_fn *call; /* NULL: those that apply others */
} filters[] = {
    {"trim", "chars", filter_trim},
    {"length", "", filter_length},
    {"count", "", filter_length},
    {"tojson", "indent", filter_tojson},
    {"default", "default_value,boolean", filter_default},
    {"d", "default_value,boolean", filter_default},
    {"upper", "", filter_upper},
    {"lower", "", filter_lower},
    {"title", "", filter_title},
    {"capitalize", "", filter_capitalize},
    {"replace", "old,new,count", filter_replace},
    {"string", "", filter_string},
    {"safe", "", filter_string}, /* nothing is escaped here, so that all text is safe */
    {"int", "default", filter_int},
    {"list", "", filter_list},
    {"first", "", filter_first},
    {"last", "", filter_last},
    {"reverse", "", filter_reverse},
    {"items", "", filter_items},
    {"join", "d,attribute", filter_join},
    {"map", NULL, NULL},
    {"select", NULL, NULL},
    {"reject", NULL, NULL},
    {"selectattr", NULL, NULL},
    {"rejectattr", NULL, NULL},
};

int tempo_chat_find_filter(tempo_chat_str name)
{
    for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++)
        if (tempo_chat_is(name, filters[i].name))
            return (int)i;
    return -1;
}

tempo_status tempo_chat_call_filter(tempo_chat_state *s, const tempo_chat_node *node, int which,
                                    const tempo_chat_value *subject, const tempo_chat_args *args,
                                    tempo_chat_value *out)
{
    const char *name = filters[which].name;
    tempo_chat_bound b;
    tempo_chat_list items = {NULL, 0};
    tempo_status st;

    if (filters[which].call != NULL) {
        if ((st = tempo_chat_bind(s, node, filters[which].params, args, &b)) != TEMPO_OK)
            return st;
        return filters[which].call(s, node, subject, &b, out);
    }
    if ((st = tempo_chat_deepen(s, node)) == TEMPO_OK && /* map('map', 'map', ...) */
        (st = tempo_chat_truth(subject) ? tempo_chat_elements(s, node, subject, &items) : TEMPO_OK) ==
            TEMPO_OK)
        st = strcmp(name, "map") == 0 ? call_map(s, node, items, args, out)
                                      : call_select(s, node, items, args, strstr(name, "attr") != NULL,
                                                    strncmp(name, "select", 6) == 0, out);
    s->depth--;
    return st;
}
