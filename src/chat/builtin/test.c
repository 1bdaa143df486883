/* test.c - tests: v is name(args).  Source: Jinja2's tests.py. */
#include <math.h>

#include "chat/builtin/call.h"

static tempo_status test_defined(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind != TEMPO_VALUE_UNDEFINED);
}

static tempo_status test_undefined(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_UNDEFINED);
}

static tempo_status test_none(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_NONE);
}

static tempo_status test_boolean(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_BOOL);
}

static tempo_status test_true(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_BOOL && c->self.i != 0);
}

static tempo_status test_false(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_BOOL && c->self.i == 0);
}

static tempo_status test_integer(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_INT);
}

static tempo_status test_float(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_FLOAT);
}

static tempo_status test_number(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, tempo_chat_is_number(&c->self));
}

static tempo_status test_string(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_STR);
}

static tempo_status test_mapping(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_MAP);
}

static tempo_status test_iterable(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, tempo_chat_is_iterable(&c->self));
}

static tempo_status test_sequence(tempo_chat_call *c)
{
    const tempo_chat_kind kind = c->self.kind;

    return tempo_chat_give_bool(c, kind == TEMPO_VALUE_UNDEFINED || kind == TEMPO_VALUE_STR ||
                                       kind == TEMPO_VALUE_LIST || kind == TEMPO_VALUE_TUPLE ||
                                       kind == TEMPO_VALUE_MAP || kind == TEMPO_VALUE_RANGE);
}

static tempo_status test_callable(tempo_chat_call *c)
{
    const tempo_chat_kind kind = c->self.kind;

    return tempo_chat_give_bool(c, kind == TEMPO_VALUE_UNDEFINED || kind == TEMPO_VALUE_FUNCTION ||
                                       kind == TEMPO_VALUE_METHOD || kind == TEMPO_VALUE_MACRO ||
                                       kind == TEMPO_VALUE_LOOP || kind == TEMPO_VALUE_JOINER);
}

/* ---- numbers ---- */

/* self % by == rest */
static tempo_status leaves(tempo_chat_call *c, const tempo_chat_value *by, int64_t rest)
{
    const tempo_chat_value wanted = tempo_chat_int(rest);
    tempo_chat_value left;
    bool same = false;
    tempo_status st = tempo_chat_binary(c->s, c->node, TEMPO_OP1('%'), &c->self, by, &left);

    if (st == TEMPO_OK)
        st = tempo_chat_equal(c->s, c->node, &left, &wanted, &same);
    *c->out = tempo_chat_bool(same);
    return st;
}

static tempo_status test_odd(tempo_chat_call *c)
{
    const tempo_chat_value two = tempo_chat_int(2);

    return leaves(c, &two, 1);
}

static tempo_status test_even(tempo_chat_call *c)
{
    const tempo_chat_value two = tempo_chat_int(2);

    return leaves(c, &two, 0);
}

static tempo_status test_divisibleby(tempo_chat_call *c)
{
    return leaves(c, &c->v[0], 0);
}

/* ---- comparing ---- */

static tempo_status compare(tempo_chat_call *c, int64_t op)
{
    bool holds;
    const tempo_status st = tempo_chat_compare(c->s, c->node, op, &c->self, &c->v[0], &holds);

    *c->out = tempo_chat_bool(holds);
    return st;
}

static tempo_status test_eq(tempo_chat_call *c)
{
    return compare(c, TEMPO_OP2('=', '='));
}

static tempo_status test_ne(tempo_chat_call *c)
{
    return compare(c, TEMPO_OP2('!', '='));
}

static tempo_status test_lt(tempo_chat_call *c)
{
    return compare(c, TEMPO_OP1('<'));
}

static tempo_status test_le(tempo_chat_call *c)
{
    return compare(c, TEMPO_OP2('<', '='));
}

static tempo_status test_gt(tempo_chat_call *c)
{
    return compare(c, TEMPO_OP1('>'));
}

static tempo_status test_ge(tempo_chat_call *c)
{
    return compare(c, TEMPO_OP2('>', '='));
}

static tempo_status test_in(tempo_chat_call *c)
{
    return compare(c, TEMPO_OP_IN);
}

/* The same object: of values without parts an equal one of the same kind. */
static tempo_status test_sameas(tempo_chat_call *c)
{
    const tempo_chat_value *a = &c->self, *b = &c->v[0];
    bool same = a->kind == b->kind && a->kind != TEMPO_VALUE_UNDEFINED;
    tempo_status st = TEMPO_OK;

    if (same && (a->kind == TEMPO_VALUE_LIST || a->kind == TEMPO_VALUE_TUPLE))
        same = a->list == b->list;
    else if (same && a->kind == TEMPO_VALUE_MAP)
        same = a->map == b->map;
    else if (same)
        st = tempo_chat_equal(c->s, c->node, a, b, &same);
    *c->out = tempo_chat_bool(same);
    return st;
}

/* ---- text ---- */

/* All letters in this case, and at least one. */
static tempo_status in_case(tempo_chat_call *c, bool (*wanted)(uint32_t), bool (*other)(uint32_t))
{
    tempo_chat_str text;
    bool some = false, all = true;
    const tempo_status st = tempo_chat_self_text(c, &text);

    for (size_t at = 0; st == TEMPO_OK && at < text.n && all; at += tempo_chat_char_len(text.p[at])) {
        const uint32_t ch = tempo_chat_decode(text.p + at);
        some |= wanted(ch);
        all = !other(ch) && !tempo_chat_is_title(ch);
    }
    return st == TEMPO_OK ? tempo_chat_give_bool(c, some && all) : st;
}

static tempo_status test_upper(tempo_chat_call *c)
{
    return in_case(c, tempo_chat_is_upper, tempo_chat_is_lower);
}

static tempo_status test_lower(tempo_chat_call *c)
{
    return in_case(c, tempo_chat_is_lower, tempo_chat_is_upper);
}

static tempo_status test_escaped(tempo_chat_call *c)
{
    return tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_STR && c->self.which != 0);
}

/* Is there one of that name?  What cannot be a key cannot be looked up. */
static tempo_status named(tempo_chat_call *c, int (*find)(tempo_chat_str))
{
    const tempo_chat_map empty = {0};
    size_t at;
    const tempo_status st = tempo_chat_map_find(c->s, c->node, &empty, &c->self, &at);

    return st == TEMPO_OK ? tempo_chat_give_bool(c, c->self.kind == TEMPO_VALUE_STR && find(c->self.str) >= 0)
                          : st;
}

static tempo_status test_filter(tempo_chat_call *c)
{
    return named(c, tempo_chat_find_filter);
}

static tempo_status test_test(tempo_chat_call *c)
{
    return named(c, tempo_chat_find_test);
}

const tempo_chat_callable tempo_chat_tests[] = {
    {"defined", "", test_defined},
    {"undefined", "", test_undefined},
    {"none", "", test_none},
    {"boolean", "", test_boolean},
    {"true", "", test_true},
    {"false", "", test_false},
    {"integer", "", test_integer},
    {"float", "", test_float},
    {"number", "", test_number},
    {"string", "", test_string},
    {"mapping", "", test_mapping},
    {"iterable", "", test_iterable},
    {"sequence", "", test_sequence},
    {"callable", "", test_callable},
    {"odd", "", test_odd},
    {"even", "", test_even},
    {"divisibleby", "num", test_divisibleby},
    {"eq", "other", test_eq},
    {"==", "other", test_eq},
    {"equalto", "other", test_eq},
    {"ne", "other", test_ne},
    {"!=", "other", test_ne},
    {"lt", "other", test_lt},
    {"<", "other", test_lt},
    {"lessthan", "other", test_lt},
    {"le", "other", test_le},
    {"<=", "other", test_le},
    {"gt", "other", test_gt},
    {">", "other", test_gt},
    {"greaterthan", "other", test_gt},
    {"ge", "other", test_ge},
    {">=", "other", test_ge},
    {"in", "seq", test_in},
    {"sameas", "other", test_sameas},
    {"upper", "", test_upper},
    {"lower", "", test_lower},
    {"escaped", "", test_escaped},
    {"filter", "", test_filter},
    {"test", "", test_test},
    {NULL, NULL, NULL},
};
