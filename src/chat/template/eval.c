/* eval.c - expressions to values. */
#include <string.h>

#include "chat/builtin/call.h"

/* ---- lists and mappings ---- */

static tempo_status eval_list(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_kind kind,
                              tempo_chat_value *out)
{
    tempo_chat_value *v;
    size_t n = 0;
    tempo_status st;

    for (const tempo_chat_node *k = node->a; k != NULL; k = k->next)
        n++;
    if ((v = tempo_chat_values(s, n)) == NULL)
        return s->heap->failed;
    st = tempo_chat_make(s, kind, v, n, out);
    for (const tempo_chat_node *k = node->a; k != NULL && st == TEMPO_OK; k = k->next)
        st = tempo_chat_eval(s, k, v++);
    return st;
}

static tempo_status eval_dict(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_value key, v;
    tempo_status st = tempo_chat_make_map(s, TEMPO_VALUE_MAP, out);

    for (const tempo_chat_node *k = node->a; k != NULL && st == TEMPO_OK; k = k->next->next)
        if ((st = tempo_chat_eval(s, k, &key)) == TEMPO_OK &&
            (st = tempo_chat_eval(s, k->next, &v)) == TEMPO_OK)
            st = tempo_chat_map_put(s, k, out->map, &key, &v);
    return st;
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

/* a + b of strings; Markup escapes what is none. */
static tempo_status add_text(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                             const tempo_chat_value *b, tempo_chat_value *out)
{
    const bool markup = a->which != 0 || b->which != 0;
    tempo_chat_str x = a->str, y = b->str;
    tempo_status st;

    if (markup && ((st = tempo_chat_escape(s, node, a, &x)) != TEMPO_OK ||
                   (st = tempo_chat_escape(s, node, b, &y)) != TEMPO_OK))
        return st;
    st = join_text(s, node, x, y, out);
    out->which = markup;
    return st;
}

static tempo_status join_lists(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_kind kind,
                               const tempo_chat_list *a, const tempo_chat_list *b, tempo_chat_value *out)
{
    tempo_chat_value *v = tempo_chat_values(s, a->n + b->n);
    const tempo_status st = tempo_chat_work(s, node, 16 * (a->n + b->n));

    if (v == NULL)
        return s->heap->failed;
    if (st != TEMPO_OK)
        return st;
    if (a->n > 0)
        memcpy(v, a->v, a->n * sizeof(*v));
    if (b->n > 0)
        memcpy(v + a->n, b->v, b->n * sizeof(*v));
    return tempo_chat_make(s, kind, v, a->n + b->n, out);
}

static tempo_status repeat_text(tempo_chat_state *s, const tempo_chat_node *node,
                                const tempo_chat_value *text, int64_t n, tempo_chat_value *out)
{
    tempo_chat_buffer b = {0};
    tempo_status st = TEMPO_OK;

    for (; n > 0 && text->str.n > 0 && st == TEMPO_OK; n--)
        if ((st = tempo_chat_work(s, node, text->str.n)) == TEMPO_OK)
            st = tempo_chat_append(s->heap, &b, text->str);
    *out = tempo_chat_text(tempo_chat_buffer_str(&b));
    out->which = text->which;
    return st;
}

static tempo_status repeat_list(tempo_chat_state *s, const tempo_chat_node *node,
                                const tempo_chat_value *list, int64_t n, tempo_chat_value *out)
{
    tempo_status st = tempo_chat_make(s, list->kind, NULL, 0, out);

    for (; n > 0 && list->list->n > 0 && st == TEMPO_OK; n--)
        for (size_t i = 0; i < list->list->n && st == TEMPO_OK; i++)
            if ((st = tempo_chat_work(s, node, 16)) == TEMPO_OK)
                st = tempo_chat_push(s, out->list, &list->list->v[i]);
    return st;
}

static bool is_sequence(const tempo_chat_value *v)
{
    return v->kind == TEMPO_VALUE_STR || v->kind == TEMPO_VALUE_LIST || v->kind == TEMPO_VALUE_TUPLE;
}

/* A sequence times a number. */
static tempo_status repeat(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                           const tempo_chat_value *b, tempo_chat_value *out)
{
    const bool first = is_sequence(a);
    const tempo_chat_value *v = first ? a : b;
    const int64_t n = (first ? b : a)->i;

    return v->kind == TEMPO_VALUE_STR ? repeat_text(s, node, v, n, out) : repeat_list(s, node, v, n, out);
}

tempo_status tempo_chat_binary(tempo_chat_state *s, const tempo_chat_node *node, int64_t op,
                               const tempo_chat_value *a, const tempo_chat_value *b, tempo_chat_value *out)
{
    if (tempo_chat_is_number(a) && tempo_chat_is_number(b))
        return tempo_chat_arithmetic(s, node, op, a, b, out);
    if (op == TEMPO_OP1('%') && a->kind == TEMPO_VALUE_STR)
        return tempo_chat_percent(s, node, a, b, out);
    if (a->kind == TEMPO_VALUE_UNDEFINED || b->kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(s, node, a->kind == TEMPO_VALUE_UNDEFINED ? a : b);
    if (op == TEMPO_OP1('+') && a->kind == b->kind && a->kind == TEMPO_VALUE_STR)
        return add_text(s, node, a, b, out);
    if (op == TEMPO_OP1('+') && a->kind == b->kind && is_sequence(a))
        return join_lists(s, node, a->kind, a->list, b->list, out);
    if (op == TEMPO_OP1('*') &&
        ((is_sequence(a) && tempo_chat_is_int(b)) || (tempo_chat_is_int(a) && is_sequence(b))))
        return repeat(s, node, a, b, out);
    return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s and %s do not go together here",
                              tempo_chat_kind_name(a), tempo_chat_kind_name(b));
}

static tempo_status eval_binary(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_value a, b;
    tempo_chat_str x, y;
    tempo_status st;

    if ((st = tempo_chat_eval(s, node->a, &a)) != TEMPO_OK ||
        (st = tempo_chat_eval(s, node->b, &b)) != TEMPO_OK)
        return st;
    if (node->number != TEMPO_OP1('~'))
        return tempo_chat_binary(s, node, node->number, &a, &b, out);
    if ((st = tempo_chat_print(s, node, &a, &x)) != TEMPO_OK ||
        (st = tempo_chat_print(s, node, &b, &y)) != TEMPO_OK)
        return st;
    return join_text(s, node, x, y, out);
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
    const bool negative = node->type == TEMPO_CHAT_NEGATIVE;
    const tempo_status st = tempo_chat_eval(s, node->a, out);

    if (st != TEMPO_OK)
        return st;
    if (out->kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(s, node, out);
    if (!tempo_chat_is_number(out))
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "%s has no sign", tempo_chat_kind_name(out));
    if (out->kind == TEMPO_VALUE_FLOAT) {
        out->f = negative ? -out->f : out->f;
        return TEMPO_OK;
    }
    if (out->i == INT64_MIN && negative)
        return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "a number beyond 2^63");
    *out = tempo_chat_int(negative ? -out->i : out->i);
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
    *out = tempo_chat_undefined(nothing);
    return TEMPO_OK;
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

/* ---- names, members, calls ---- */

static tempo_status eval_name(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    const tempo_chat_value *v = tempo_chat_lookup(s, node->text);
    const int function = v == NULL ? tempo_chat_find_function(node->text) : -1;

    *out = v != NULL ? *v : tempo_chat_undefined(node->text);
    if (function >= 0)
        *out = (tempo_chat_value){.kind = TEMPO_VALUE_FUNCTION, .which = (uint32_t)function};
    return TEMPO_OK;
}

static tempo_status eval_member(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_value v, key;
    tempo_status st = tempo_chat_eval(s, node->a, &v);

    if (st != TEMPO_OK)
        return st;
    if (node->type == TEMPO_CHAT_ATTRIBUTE)
        return tempo_chat_attribute(s, node->a, &v, node->text, out);
    if (node->b->type == TEMPO_CHAT_SLICE)
        return tempo_chat_slice(s, node, &v, out);
    return (st = tempo_chat_eval(s, node->b, &key)) == TEMPO_OK ? tempo_chat_item(s, node->a, &v, &key, out)
                                                                : st;
}

/* a.text(b): the method, without a value for it; *done: there is one. */
static tempo_status eval_method(tempo_chat_state *s, const tempo_chat_node *node,
                                const tempo_chat_value *self, bool *done, tempo_chat_value *out)
{
    const int which = tempo_chat_find_method(self->kind, node->a->text);
    tempo_chat_args args;
    tempo_status st;

    *done = which >= 0;
    if (which < 0)
        return TEMPO_OK;
    if ((st = tempo_chat_eval_args(s, node->b, NULL, &args)) != TEMPO_OK)
        return st;
    return tempo_chat_call_method(s, node->a, self, which, &args, out);
}

static tempo_status eval_call(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    const bool member = node->a->type == TEMPO_CHAT_ATTRIBUTE;
    tempo_chat_args args;
    tempo_chat_value self, f;
    bool done = false;
    tempo_status st;

    if (member) {
        if ((st = tempo_chat_eval(s, node->a->a, &self)) != TEMPO_OK ||
            (st = eval_method(s, node, &self, &done, out)) != TEMPO_OK || done)
            return st;
        st = tempo_chat_attribute(s, node->a->a, &self, node->a->text, &f);
    } else {
        st = tempo_chat_eval(s, node->a, &f);
    }
    if (st != TEMPO_OK || (st = tempo_chat_eval_args(s, node->b, NULL, &args)) != TEMPO_OK)
        return st;
    if (member && f.kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_fail_at(s, node->a, TEMPO_E_UNSUPPORTED, "%s has no method '%.*s' here",
                                  tempo_chat_kind_name(&self),
                                  (int)(node->a->text.n < 40 ? node->a->text.n : 40), node->a->text.p);
    return tempo_chat_call_value(s, node->a, &f, &args, out);
}

/* A filter or a test. */
static tempo_status eval_applied(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_args args;
    tempo_chat_value v;
    bool holds = false;
    tempo_status st = TEMPO_OK;

    if (node->a != NULL)
        st = tempo_chat_eval(s, node->a, &v);
    else
        v = *s->piped;
    if (st != TEMPO_OK || (st = tempo_chat_eval_args(s, node->b, NULL, &args)) != TEMPO_OK)
        return st;
    if (node->type == TEMPO_CHAT_FILTER)
        return tempo_chat_call_filter(s, node, (int)node->number, node->text, &v, &args, out);
    st = tempo_chat_call_test(s, node, (int)node->number, node->text, &v, &args, &holds);
    *out = tempo_chat_bool(holds);
    return st;
}

/* ---- all of them ---- */

static tempo_status eval_rest(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    switch (node->type) {
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
    case TEMPO_CHAT_COND:
        return eval_cond(s, node, out);
    case TEMPO_CHAT_SLICE:
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "a slice among several indexes");
    default:
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "%.*s is not supported", (int)node->text.n,
                                  node->text.p);
    }
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
    case TEMPO_CHAT_FLOAT:
        *out = tempo_chat_float(node->f);
        return TEMPO_OK;
    case TEMPO_CHAT_TRUE:
    case TEMPO_CHAT_FALSE:
        *out = tempo_chat_bool(node->type == TEMPO_CHAT_TRUE);
        return TEMPO_OK;
    case TEMPO_CHAT_NONE:
        *out = tempo_chat_none();
        return TEMPO_OK;
    case TEMPO_CHAT_NAME:
        return eval_name(s, node, out);
    case TEMPO_CHAT_LIST:
        return eval_list(s, node, TEMPO_VALUE_LIST, out);
    case TEMPO_CHAT_TUPLE:
        return eval_list(s, node, TEMPO_VALUE_TUPLE, out);
    case TEMPO_CHAT_DICT:
        return eval_dict(s, node, out);
    case TEMPO_CHAT_ATTRIBUTE:
    case TEMPO_CHAT_ITEM:
        return eval_member(s, node, out);
    case TEMPO_CHAT_CALL:
        return eval_call(s, node, out);
    case TEMPO_CHAT_FILTER:
    case TEMPO_CHAT_TEST:
        return eval_applied(s, node, out);
    default:
        return eval_rest(s, node, out);
    }
}

tempo_status tempo_chat_eval(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_status st;

    *out = tempo_chat_none();
    if ((st = tempo_chat_deepen(s, node)) == TEMPO_OK && (st = tempo_chat_work(s, node, 0)) == TEMPO_OK)
        st = eval(s, node, out);
    s->depth--;
    return st;
}
