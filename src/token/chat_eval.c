/* chat_eval.c - expressions to values. */
#include <string.h>

#include "token/chat_call.h"
#include "token/chat_text.h"

static tempo_chat_value undefined(tempo_chat_str name)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_UNDEFINED, .str = name};
}

static tempo_status is_undefined(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v)
{
    return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "'%.*s' is undefined",
                              (int)(v->str.n < 64 ? v->str.n : 64), v->str.p != NULL ? v->str.p : "");
}

/* ---- names, attributes, items ---- */

static tempo_chat_value loop_item(const tempo_chat_loop *l, size_t i, tempo_chat_str name)
{
    return i < l->items.n ? l->items.v[i] : undefined(name);
}

static tempo_status loop_member(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_loop *l,
                                tempo_chat_str name, tempo_chat_value *out)
{
    const int64_t i = (int64_t)l->index, n = (int64_t)l->items.n;
    const struct {
        const char *name;
        tempo_chat_value v;
    } members[] = {
        {"index", tempo_chat_int(i + 1)},
        {"index0", tempo_chat_int(i)},
        {"revindex", tempo_chat_int(n - i)},
        {"revindex0", tempo_chat_int(n - i - 1)},
        {"first", tempo_chat_bool(i == 0)},
        {"last", tempo_chat_bool(i == n - 1)},
        {"length", tempo_chat_int(n)},
        {"depth", /* of recursive loops, which are not supported */
         tempo_chat_int(1)},
        {"depth0", tempo_chat_int(0)},
        {"previtem", loop_item(l, l->index - 1, name)}, /* before the first one: out of range, too */
        {"nextitem", loop_item(l, l->index + 1, name)},
    };

    for (size_t k = 0; k < sizeof(members) / sizeof(*members); k++) {
        if (tempo_chat_is(name, members[k].name)) {
            *out = members[k].v;
            return TEMPO_OK;
        }
    }
    return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "loop.%.*s is not supported",
                              (int)(name.n < 40 ? name.n : 40), name.p);
}

tempo_status tempo_chat_member(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               tempo_chat_str name, tempo_chat_value *out)
{
    const tempo_chat_value *found = NULL;

    *out = undefined(name);
    if (v->kind == TEMPO_VALUE_UNDEFINED)
        return is_undefined(s, node, v);
    if (v->kind == TEMPO_VALUE_LOOP)
        return loop_member(s, node, v->loop, name, out);
    if (v->kind != TEMPO_VALUE_MAP && v->kind != TEMPO_VALUE_NAMESPACE)
        return TEMPO_OK;
    if ((found = tempo_chat_map_find(v->map, name)) != NULL)
        *out = *found;
    return tempo_chat_work(s, node, 16 * v->map->n);
}

/* The i-th of n, from the end when negative; SIZE_MAX: there is none. */
static size_t place(int64_t i, size_t n)
{
    if (i < 0)
        i += (int64_t)n;
    return i >= 0 && (uint64_t)i < n ? (size_t)i : SIZE_MAX;
}

static tempo_status eval_item(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    static const tempo_chat_str element = {"an element", NULL, 10};
    tempo_chat_value v, key;
    tempo_status st;

    if ((st = tempo_chat_eval(s, node->a, &v)) != TEMPO_OK ||
        (st = tempo_chat_eval(s, node->b, &key)) != TEMPO_OK)
        return st;
    if (key.kind == TEMPO_VALUE_STR || v.kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_member(s, node->a, &v, key.kind == TEMPO_VALUE_STR ? key.str : element, out);
    *out = undefined(element);
    if (!tempo_chat_is_number(&key))
        return TEMPO_OK;
    if (v.kind == TEMPO_VALUE_LIST && place(key.i, v.list.n) != SIZE_MAX) {
        *out = v.list.v[place(key.i, v.list.n)];
    } else if (v.kind == TEMPO_VALUE_STR && place(key.i, tempo_chat_length(v.str)) != SIZE_MAX) {
        const size_t at = tempo_chat_offset(v.str, place(key.i, tempo_chat_length(v.str)));
        *out = tempo_chat_text(tempo_chat_part(v.str, at, at + tempo_chat_char_len(v.str.p[at])));
        return tempo_chat_work(s, node, v.str.n);
    }
    return TEMPO_OK;
}

/* ---- slices ---- */

typedef struct slice {
    int64_t begin, end, step; /* end is not reached */
} slice;

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
    if (!tempo_chat_is_number(&v))
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "a slice needs numbers, this is %s",
                                  tempo_chat_kind_name(&v));
    if (v.i < 0 && n >= 0)
        v.i = v.i < -n ? -1 : v.i + n;
    *out = v.i < low ? low : v.i > high ? high : v.i;
    return TEMPO_OK;
}

static tempo_status eval_slice_bounds(tempo_chat_state *s, const tempo_chat_node *node, size_t length,
                                      slice *out)
{
    const int64_t n = (int64_t)length;
    tempo_status st;

    out->step = 1;
    if ((st = slice_bound(s, node->d, -1, INT32_MIN, INT32_MAX, &out->step)) != TEMPO_OK)
        return st;
    if (out->step == 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "a slice with step 0");
    const int64_t low = out->step < 0 ? -1 : 0, high = out->step < 0 ? n - 1 : n;
    out->begin = out->step < 0 ? high : low;
    out->end = out->step < 0 ? low : high;
    if ((st = slice_bound(s, node->b, n, low, high, &out->begin)) != TEMPO_OK)
        return st;
    return slice_bound(s, node->c, n, low, high, &out->end);
}

static bool in_slice(const slice *w, int64_t i)
{
    return w->step > 0 ? i < w->end : i > w->end;
}

static tempo_status slice_list(tempo_chat_state *s, tempo_chat_list list, const slice *w,
                               tempo_chat_value *out)
{
    tempo_chat_value *v = NULL;
    size_t n = 0;

    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST};
    for (int64_t i = w->begin; in_slice(w, i); i += w->step)
        n++;
    if (w->step == 1) {
        out->list = (tempo_chat_list){n > 0 ? list.v + w->begin : NULL, n};
        return TEMPO_OK;
    }
    if ((v = tempo_chat_values(s, n)) == NULL)
        return s->heap->failed;
    n = 0;
    for (int64_t i = w->begin; in_slice(w, i); i += w->step)
        v[n++] = list.v[i];
    out->list = (tempo_chat_list){v, n};
    return TEMPO_OK;
}

static tempo_status slice_text(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               const slice *w, tempo_chat_value *out)
{
    tempo_chat_buffer b = {0};
    tempo_chat_list chars;
    tempo_status st;

    if (w->step == 1) {
        const size_t begin = tempo_chat_offset(v->str, (size_t)w->begin),
                     end = w->end > w->begin ? tempo_chat_offset(v->str, (size_t)w->end) : begin;
        *out = tempo_chat_text(tempo_chat_part(v->str, begin, end));
        return TEMPO_OK;
    }
    st = tempo_chat_elements(s, node, v, &chars);
    for (int64_t i = w->begin; st == TEMPO_OK && in_slice(w, i); i += w->step)
        st = tempo_chat_append(s->heap, &b, chars.v[i].str);
    *out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

static tempo_status eval_slice(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_value v;
    slice w;
    tempo_status st = tempo_chat_eval(s, node->a, &v);

    if (st != TEMPO_OK)
        return st;
    if (v.kind == TEMPO_VALUE_UNDEFINED)
        return is_undefined(s, node->a, &v);
    if (v.kind != TEMPO_VALUE_LIST && v.kind != TEMPO_VALUE_STR)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s has no slices", tempo_chat_kind_name(&v));
    const size_t n = v.kind == TEMPO_VALUE_LIST ? v.list.n : tempo_chat_length(v.str);
    if ((st = eval_slice_bounds(s, node, n, &w)) != TEMPO_OK ||
        (st = tempo_chat_work(s, node, v.kind == TEMPO_VALUE_LIST ? n : v.str.n)) != TEMPO_OK)
        return st;
    return v.kind == TEMPO_VALUE_LIST ? slice_list(s, v.list, &w, out) : slice_text(s, node, &v, &w, out);
}

/* ---- lists and mappings ---- */

static tempo_status eval_list(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    size_t n = 0;
    tempo_status st = TEMPO_OK;

    for (const tempo_chat_node *k = node->a; k != NULL; k = k->next)
        n++;
    tempo_chat_value *v = tempo_chat_values(s, n);
    if (v == NULL)
        return s->heap->failed;
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {v, n}};
    for (const tempo_chat_node *k = node->a; k != NULL && st == TEMPO_OK; k = k->next)
        st = tempo_chat_eval(s, k, v++);
    return st;
}

static tempo_status eval_dict(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_map *map = tempo_chat_alloc(s->heap, sizeof(*map));
    tempo_chat_value key, v;
    tempo_status st;

    if (map == NULL)
        return s->heap->failed;
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_MAP, .map = map};
    for (const tempo_chat_node *k = node->a; k != NULL; k = k->next->next) {
        if ((st = tempo_chat_eval(s, k, &key)) != TEMPO_OK ||
            (st = tempo_chat_eval(s, k->next, &v)) != TEMPO_OK)
            return st;
        if (key.kind != TEMPO_VALUE_STR)
            return tempo_chat_fail_at(s, k, TEMPO_E_UNSUPPORTED,
                                      "%s as the key of a mapping is not supported",
                                      tempo_chat_kind_name(&key));
        if ((st = tempo_chat_work(s, k, 16 * map->n)) != TEMPO_OK ||
            (st = tempo_chat_map_put(s, map, key.str, &v)) != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

/* ---- operators ---- */

static tempo_status join_text(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str a,
                              tempo_chat_str b, tempo_chat_value *out)
{
    tempo_chat_buffer text = {0};
    tempo_status st;

    if ((st = tempo_chat_work(s, node, a.n + b.n)) != TEMPO_OK ||
        (st = tempo_chat_append(s->heap, &text, a)) != TEMPO_OK ||
        (st = tempo_chat_append(s->heap, &text, b)) != TEMPO_OK)
        return st;
    *out = tempo_chat_text(tempo_chat_buffer_str(&text));
    return TEMPO_OK;
}

static tempo_status join_lists(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_list a,
                               tempo_chat_list b, tempo_chat_value *out)
{
    tempo_chat_value *v = tempo_chat_values(s, a.n + b.n);

    if (v == NULL)
        return s->heap->failed;
    if (a.n > 0)
        memcpy(v, a.v, a.n * sizeof(*v));
    if (b.n > 0)
        memcpy(v + a.n, b.v, b.n * sizeof(*v));
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {v, a.n + b.n}};
    return tempo_chat_work(s, node, a.n + b.n);
}

static tempo_status repeat(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text, int64_t n,
                           tempo_chat_value *out)
{
    tempo_chat_buffer b = {0};
    tempo_status st = TEMPO_OK;

    for (; n > 0 && text.n > 0 && st == TEMPO_OK; n--)
        if ((st = tempo_chat_work(s, node, text.n)) == TEMPO_OK)
            st = tempo_chat_append(s->heap, &b, text);
    *out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static tempo_status calculate(tempo_chat_state *s, const tempo_chat_node *node, int64_t a, int64_t b,
                              tempo_chat_value *out)
{
    int64_t r = 0;
    bool over = false;

    if ((node->number == TEMPO_OP1('%') || node->number == TEMPO_OP2('/', '/')) && b == 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "division by zero");
    switch (node->number) {
    case TEMPO_OP1('+'):
        over = __builtin_add_overflow(a, b, &r);
        break;
    case TEMPO_OP1('-'):
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case TEMPO_OP1('*'):
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case TEMPO_OP1('%'):
        r = b == -1 ? 0 : a - floor_div(a, b) * b;
        break;
    default:
        over = a == INT64_MIN && b == -1;
        r = over ? 0 : floor_div(a, b);
    }
    if (over)
        return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "a number beyond 2^63");
    *out = tempo_chat_int(r);
    return TEMPO_OK;
}

static tempo_status concat(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                           const tempo_chat_value *b, tempo_chat_value *out)
{
    tempo_chat_str x, y;
    tempo_status st;

    if ((st = tempo_chat_print(s, node, a, &x)) != TEMPO_OK ||
        (st = tempo_chat_print(s, node, b, &y)) != TEMPO_OK)
        return st;
    return join_text(s, node, x, y, out);
}

static tempo_status eval_binary(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    const int64_t op = node->number;
    tempo_chat_value a, b;
    tempo_status st;

    if ((st = tempo_chat_eval(s, node->a, &a)) != TEMPO_OK ||
        (st = tempo_chat_eval(s, node->b, &b)) != TEMPO_OK)
        return st;
    if (op == TEMPO_OP1('~'))
        return concat(s, node, &a, &b, out);
    if (tempo_chat_is_number(&a) && tempo_chat_is_number(&b))
        return calculate(s, node, a.i, b.i, out);
    if (op == TEMPO_OP1('+') && a.kind == TEMPO_VALUE_STR && b.kind == TEMPO_VALUE_STR)
        return join_text(s, node, a.str, b.str, out);
    if (op == TEMPO_OP1('+') && a.kind == TEMPO_VALUE_LIST && b.kind == TEMPO_VALUE_LIST)
        return join_lists(s, node, a.list, b.list, out);
    if (op == TEMPO_OP1('*') && a.kind == TEMPO_VALUE_STR && tempo_chat_is_number(&b))
        return repeat(s, node, a.str, b.i, out);
    if (op == TEMPO_OP1('*') && tempo_chat_is_number(&a) && b.kind == TEMPO_VALUE_STR)
        return repeat(s, node, b.str, a.i, out);
    if (op == TEMPO_OP1('%') && a.kind == TEMPO_VALUE_STR)
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED,
                                  "formatting a string with %% is not supported");
    if (a.kind == TEMPO_VALUE_UNDEFINED || b.kind == TEMPO_VALUE_UNDEFINED)
        return is_undefined(s, node, a.kind == TEMPO_VALUE_UNDEFINED ? &a : &b);
    return tempo_chat_fail_at(s, node, op == TEMPO_OP1('*') ? TEMPO_E_UNSUPPORTED : TEMPO_E_ARG,
                              "%s and %s do not go together here", tempo_chat_kind_name(&a),
                              tempo_chat_kind_name(&b));
}

static tempo_status eval_compare(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_value a, b;
    bool holds = true;
    tempo_status st = tempo_chat_eval(s, node->a, &a);

    for (const tempo_chat_node *k = node->b; k != NULL && holds && st == TEMPO_OK; k = k->next) {
        if ((st = tempo_chat_eval(s, k->a, &b)) == TEMPO_OK)
            st = tempo_chat_compare(s, k, k->number, &a, &b, &holds);
        a = b;
    }
    *out = tempo_chat_bool(holds);
    return st;
}

static tempo_status eval_sign(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    const tempo_status st = tempo_chat_eval(s, node->a, out);

    if (st != TEMPO_OK)
        return st;
    if (!tempo_chat_is_number(out))
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s has no sign", tempo_chat_kind_name(out));
    if (out->i == INT64_MIN)
        return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "a number beyond 2^63");
    *out = tempo_chat_int(node->type == TEMPO_CHAT_NEGATIVE ? -out->i : out->i);
    return TEMPO_OK;
}

static tempo_status eval_cond(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    static const tempo_chat_str nothing = {"the other case of an if", NULL, 23};
    tempo_chat_value v;
    const tempo_status st = tempo_chat_eval(s, node->b, &v);

    if (st != TEMPO_OK)
        return st;
    if (tempo_chat_truth(&v))
        return tempo_chat_eval(s, node->a, out);
    if (node->c != NULL)
        return tempo_chat_eval(s, node->c, out);
    *out = undefined(nothing);
    return TEMPO_OK;
}

/* ---- calls ---- */

static tempo_status eval_args(tempo_chat_state *s, const tempo_chat_node *list, tempo_chat_args *out)
{
    tempo_status st = TEMPO_OK;

    out->n = 0;
    for (; list != NULL && st == TEMPO_OK; list = list->next) {
        const bool keyword = list->type == TEMPO_CHAT_KEYWORD;
        if (out->n == TEMPO_CHAT_MAX_ARGS)
            return tempo_chat_fail_at(s, list, TEMPO_E_LIMIT, "more than %d arguments", TEMPO_CHAT_MAX_ARGS);
        if (!keyword && out->n > 0 && out->name[out->n - 1].p != NULL)
            return tempo_chat_fail_at(s, list, TEMPO_E_FORMAT, "an argument by place after one by name");
        out->name[out->n] = keyword ? list->text : (tempo_chat_str){NULL, NULL, 0};
        st = tempo_chat_eval(s, keyword ? list->a : list, &out->v[out->n++]);
    }
    return st;
}

static tempo_status eval_call(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_args args;
    tempo_chat_value f;
    tempo_status st;

    if ((st = tempo_chat_eval(s, node->a, &f)) != TEMPO_OK || (st = eval_args(s, node->b, &args)) != TEMPO_OK)
        return st;
    if (f.kind == TEMPO_VALUE_FUNCTION)
        return tempo_chat_call_function(s, node, (int)f.i, &args, out);
    if (f.kind == TEMPO_VALUE_MACRO)
        return tempo_chat_run_macro(s, node, f.macro, &args, out);
    return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "the function '%.*s' is not supported",
                              (int)(node->a->text.n < 40 ? node->a->text.n : 40), node->a->text.p);
}

/* A method, a filter or a test. */
static tempo_status eval_applied(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_args args;
    tempo_chat_value v;
    bool holds = false;
    tempo_status st;

    if ((st = tempo_chat_eval(s, node->a, &v)) != TEMPO_OK || (st = eval_args(s, node->b, &args)) != TEMPO_OK)
        return st;
    if (node->type == TEMPO_CHAT_FILTER)
        return tempo_chat_call_filter(s, node, (int)node->number, &v, &args, out);
    if (node->type == TEMPO_CHAT_METHOD)
        return v.kind == TEMPO_VALUE_UNDEFINED ? is_undefined(s, node->a, &v)
                                               : tempo_chat_call_method(s, node, &v, &args, out);
    st = tempo_chat_call_test(s, node, (int)node->number, &v, &args, &holds);
    *out = tempo_chat_bool(holds);
    return st;
}

/* ---- all of them ---- */

static tempo_status eval_name(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    const tempo_chat_value *v = tempo_chat_lookup(s, node->text);
    const int function = v == NULL ? tempo_chat_find_function(node->text) : -1;

    *out = v != NULL ? *v : undefined(node->text);
    if (function >= 0)
        *out = (tempo_chat_value){.kind = TEMPO_VALUE_FUNCTION, .i = function};
    return tempo_chat_work(s, node, 16 * s->n_vars);
}

static tempo_status eval_logic(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    const tempo_status st = tempo_chat_eval(s, node->a, out);

    if (st != TEMPO_OK)
        return st;
    if (node->type == TEMPO_CHAT_NOT) {
        *out = tempo_chat_bool(!tempo_chat_truth(out));
        return TEMPO_OK;
    }
    return tempo_chat_truth(out) == (node->type == TEMPO_CHAT_AND) ? tempo_chat_eval(s, node->b, out)
                                                                   : TEMPO_OK;
}

static tempo_status eval_attribute(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_value v;
    const tempo_status st = tempo_chat_eval(s, node->a, &v);

    return st == TEMPO_OK ? tempo_chat_member(s, node->a, &v, node->text, out) : st;
}

static tempo_status eval(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    switch (node->type) {
    case TEMPO_CHAT_STRING:
        *out = tempo_chat_text(node->text);
        return TEMPO_OK;
    case TEMPO_CHAT_INTEGER:
        *out = tempo_chat_int(node->number);
        return TEMPO_OK;
    case TEMPO_CHAT_TRUE:
    case TEMPO_CHAT_FALSE:
        *out = tempo_chat_bool(node->type == TEMPO_CHAT_TRUE);
        return TEMPO_OK;
    case TEMPO_CHAT_NONE:
        *out = (tempo_chat_value){.kind = TEMPO_VALUE_NONE};
        return TEMPO_OK;
    case TEMPO_CHAT_NAME:
        return eval_name(s, node, out);
    case TEMPO_CHAT_LIST:
        return eval_list(s, node, out);
    case TEMPO_CHAT_DICT:
        return eval_dict(s, node, out);
    case TEMPO_CHAT_ATTRIBUTE:
        return eval_attribute(s, node, out);
    case TEMPO_CHAT_ITEM:
        return eval_item(s, node, out);
    case TEMPO_CHAT_SLICE:
        return eval_slice(s, node, out);
    case TEMPO_CHAT_CALL:
        return eval_call(s, node, out);
    case TEMPO_CHAT_METHOD:
    case TEMPO_CHAT_FILTER:
    case TEMPO_CHAT_TEST:
        return eval_applied(s, node, out);
    case TEMPO_CHAT_NOT:
    case TEMPO_CHAT_AND:
    case TEMPO_CHAT_OR:
        return eval_logic(s, node, out);
    case TEMPO_CHAT_NEGATIVE:
    case TEMPO_CHAT_POSITIVE:
        return eval_sign(s, node, out);
    case TEMPO_CHAT_BINARY:
        return eval_binary(s, node, out);
    case TEMPO_CHAT_COMPARE:
        return eval_compare(s, node, out);
    default:
        return eval_cond(s, node, out);
    }
}

tempo_status tempo_chat_eval(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_status st;

    *out = (tempo_chat_value){.kind = TEMPO_VALUE_NONE};
    if ((st = tempo_chat_deepen(s, node)) == TEMPO_OK && (st = tempo_chat_work(s, node, 0)) == TEMPO_OK)
        st = eval(s, node, out);
    s->depth--;
    return st;
}
