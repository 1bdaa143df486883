/* operand.c - lexemes to operands and what stands behind them: . [] () | is. */
#include "chat/builtin/call.h"

tempo_status tempo_chat_wrap(tempo_chat_parser *ps, tempo_chat_node_type type, size_t at,
                             tempo_chat_node **out)
{
    tempo_chat_node *inner = *out;
    const tempo_status st = tempo_chat_add_node(ps, type, at, out);

    if (st == TEMPO_OK)
        (*out)->a = inner;
    return st;
}

static tempo_status text_node(tempo_chat_parser *ps, tempo_chat_node_type type, const tempo_chat_lexeme *x,
                              tempo_chat_node **out)
{
    const tempo_status st = tempo_chat_add_node(ps, type, x->at, out);

    if (st == TEMPO_OK)
        (*out)->text = x->text;
    return st;
}

/* ---- names ---- */

static const struct {
    const char *name;
    tempo_chat_node_type type;
} constants[] = {{"true", TEMPO_CHAT_TRUE},   {"True", TEMPO_CHAT_TRUE}, {"false", TEMPO_CHAT_FALSE},
                 {"False", TEMPO_CHAT_FALSE}, {"none", TEMPO_CHAT_NONE}, {"None", TEMPO_CHAT_NONE}};

enum { N_CONSTANTS = sizeof(constants) / sizeof(*constants) };

static tempo_status parse_word(tempo_chat_parser *ps, tempo_chat_node **out)
{
    static const char *const special[] = {"caller", "kwargs", "varargs"};
    const tempo_chat_lexeme *x = ps->now++;

    for (size_t i = 0; i < N_CONSTANTS; i++)
        if (tempo_chat_is(x->text, constants[i].name))
            return tempo_chat_add_node(ps, constants[i].type, x->at, out);
    for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++)
        if (tempo_chat_is(x->text, special[i]))
            ps->uses |= (int64_t)1 << i;
    return text_node(ps, TEMPO_CHAT_NAME, x, out);
}

tempo_status tempo_chat_parse_name(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now;

    if (x->type != TEMPO_LEX_NAME)
        return tempo_chat_expected(ps, "a name");
    for (size_t i = 0; i < N_CONSTANTS; i++)
        if (tempo_chat_is(x->text, constants[i].name))
            return tempo_chat_fail(ps->p, x->at, TEMPO_E_FORMAT, ps->err, "%s cannot be assigned to",
                                   constants[i].name);
    ps->now++;
    return text_node(ps, TEMPO_CHAT_NAME, x, out);
}

static tempo_status parse_targets(tempo_chat_parser *ps, bool attributes, tempo_chat_node **out);

/* A name, an attribute of one, targets in brackets. */
static tempo_status parse_one_target(tempo_chat_parser *ps, bool attributes, tempo_chat_node **out)
{
    const size_t at = ps->now->at;
    tempo_status st;

    if (tempo_chat_take_op(ps, TEMPO_OP1('('))) {
        if ((st = tempo_chat_nest(ps)) == TEMPO_OK && (st = parse_targets(ps, false, out)) == TEMPO_OK)
            st = tempo_chat_expect_op(ps, TEMPO_OP1(')'), ")");
        ps->nesting--;
        return st;
    }
    if (attributes && ps->now->type == TEMPO_LEX_NAME && ps->now[1].type == TEMPO_LEX_OPERATOR &&
        ps->now[1].number == '.') {
        if ((st = parse_word(ps, out)) != TEMPO_OK ||
            (st = tempo_chat_wrap(ps, TEMPO_CHAT_ATTRIBUTE, at, out)) != TEMPO_OK)
            return st;
        ps->now++;
        if (ps->now->type != TEMPO_LEX_NAME)
            return tempo_chat_expected(ps, "the name of an attribute");
        (*out)->text = ps->now++->text;
        return TEMPO_OK;
    }
    if ((st = tempo_chat_parse_name(ps, out)) == TEMPO_OK && ps->fors > 0 &&
        tempo_chat_is((*out)->text, "loop"))
        return tempo_chat_fail(ps->p, at, TEMPO_E_FORMAT, ps->err, "loop cannot be assigned to in a for");
    return st;
}

static tempo_status parse_targets(tempo_chat_parser *ps, bool attributes, tempo_chat_node **out)
{
    const size_t at = ps->now->at;
    tempo_status st = parse_one_target(ps, attributes, out);
    tempo_chat_node *first = *out, **next;

    if (st != TEMPO_OK || !tempo_chat_at_op(ps, TEMPO_OP1(',')))
        return st;
    next = &first->next;
    if ((st = tempo_chat_add_node(ps, TEMPO_CHAT_TUPLE, at, out)) != TEMPO_OK)
        return st;
    (*out)->a = first;
    while (st == TEMPO_OK && tempo_chat_take_op(ps, TEMPO_OP1(','))) {
        if (tempo_chat_at_name(ps, "in") || tempo_chat_at_op(ps, TEMPO_OP1(')')) ||
            tempo_chat_at_op(ps, TEMPO_OP1('=')))
            break; /* a comma at the end */
        if ((st = parse_one_target(ps, attributes, next)) == TEMPO_OK)
            next = &(*next)->next;
    }
    return st;
}

tempo_status tempo_chat_parse_target(tempo_chat_parser *ps, bool attributes, tempo_chat_node **out)
{
    return parse_targets(ps, attributes, out);
}

/* ---- operands ---- */

/* Elements up to the closer, which is taken.  pairs: key: value. */
static tempo_status parse_elements(tempo_chat_parser *ps, int64_t closer, bool pairs, tempo_chat_node **out)
{
    tempo_status st;

    while (!tempo_chat_take_op(ps, closer)) {
        if ((st = tempo_chat_parse_expr(ps, true, out)) != TEMPO_OK)
            return st;
        out = &(*out)->next;
        if (pairs) {
            if ((st = tempo_chat_expect_op(ps, TEMPO_OP1(':'), ":")) != TEMPO_OK ||
                (st = tempo_chat_parse_expr(ps, true, out)) != TEMPO_OK)
                return st;
            out = &(*out)->next;
        }
        if (!tempo_chat_take_op(ps, TEMPO_OP1(',')))
            return tempo_chat_expect_op(ps, closer, "a comma or a closing bracket");
    }
    return TEMPO_OK;
}

static tempo_status parse_string(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_chat_buffer b = {0};
    tempo_status st = tempo_chat_add_node(ps, TEMPO_CHAT_STRING, ps->now->at, out);

    if (st != TEMPO_OK)
        return st;
    (*out)->text = ps->now++->text;
    if (ps->now->type != TEMPO_LEX_STRING)
        return TEMPO_OK;
    st = tempo_chat_append(&ps->p->heap, &b, (*out)->text);
    while (st == TEMPO_OK && ps->now->type == TEMPO_LEX_STRING) /* one after the other are one */
        st = tempo_chat_append(&ps->p->heap, &b, ps->now++->text);
    (*out)->text = tempo_chat_buffer_str(&b);
    return st;
}

static tempo_status parse_bracket(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now++;
    tempo_status st;

    switch (x->number) {
    case '(':
        if (tempo_chat_take_op(ps, TEMPO_OP1(')')))
            return tempo_chat_add_node(ps, TEMPO_CHAT_TUPLE, x->at, out);
        st = tempo_chat_parse_tuple(ps, true, out);
        return st == TEMPO_OK ? tempo_chat_expect_op(ps, TEMPO_OP1(')'), ")") : st;
    case '[':
        st = tempo_chat_add_node(ps, TEMPO_CHAT_LIST, x->at, out);
        return st == TEMPO_OK ? parse_elements(ps, TEMPO_OP1(']'), false, &(*out)->a) : st;
    case '{':
        st = tempo_chat_add_node(ps, TEMPO_CHAT_DICT, x->at, out);
        return st == TEMPO_OK ? parse_elements(ps, TEMPO_OP1('}'), true, &(*out)->a) : st;
    default:
        ps->now--;
        return tempo_chat_expected(ps, "an expression");
    }
}

tempo_status tempo_chat_parse_primary(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now;
    tempo_status st;

    switch (x->type) {
    case TEMPO_LEX_STRING:
        return parse_string(ps, out);
    case TEMPO_LEX_INTEGER:
        ps->now++;
        if ((st = tempo_chat_add_node(ps, TEMPO_CHAT_INTEGER, x->at, out)) == TEMPO_OK)
            (*out)->number = x->number;
        return st;
    case TEMPO_LEX_FLOAT:
        ps->now++;
        if ((st = tempo_chat_add_node(ps, TEMPO_CHAT_FLOAT, x->at, out)) == TEMPO_OK)
            (*out)->f = x->f;
        return st;
    case TEMPO_LEX_REFUSED:
        ps->now++;
        return text_node(ps, TEMPO_CHAT_REFUSED, x, out);
    case TEMPO_LEX_NAME:
        return parse_word(ps, out);
    case TEMPO_LEX_OPERATOR:
        if ((st = tempo_chat_nest(ps)) == TEMPO_OK)
            st = parse_bracket(ps, out);
        ps->nesting--;
        return st;
    default:
        return tempo_chat_expected(ps, "an expression");
    }
}

/* ---- what stands behind an operand ---- */

/* The kinds of arguments in the order in which they may come. */
enum { BY_PLACE, BY_NAME, STAR, STAR_STAR };

static tempo_status parse_argument(tempo_chat_parser *ps, int *kind, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now;
    const bool named = x->type == TEMPO_LEX_NAME && x[1].type == TEMPO_LEX_OPERATOR && x[1].number == '=';
    tempo_status st;

    *kind = tempo_chat_take_op(ps, TEMPO_OP1('*'))        ? STAR
            : tempo_chat_take_op(ps, TEMPO_OP2('*', '*')) ? STAR_STAR
            : named                                       ? BY_NAME
                                                          : BY_PLACE;
    if (*kind == BY_PLACE)
        return tempo_chat_parse_expr(ps, true, out);
    ps->now += named ? 2 : 0;
    st = text_node(ps,
                   *kind == STAR        ? TEMPO_CHAT_STAR
                   : *kind == STAR_STAR ? TEMPO_CHAT_STAR_STAR
                                        : TEMPO_CHAT_KEYWORD,
                   x, out);
    return st == TEMPO_OK ? tempo_chat_parse_expr(ps, true, &(*out)->a) : st;
}

/* After ( */
static tempo_status parse_arguments(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_status st = tempo_chat_nest(ps);
    int last = BY_PLACE, kind;

    while (st == TEMPO_OK && !tempo_chat_take_op(ps, TEMPO_OP1(')'))) {
        const size_t at = ps->now->at;
        if ((st = parse_argument(ps, &kind, out)) != TEMPO_OK)
            break;
        if (kind < last && !(kind == BY_NAME && last == STAR))
            st = tempo_chat_fail(ps->p, at, TEMPO_E_FORMAT, ps->err,
                                 "this argument must stand further in front");
        else if (kind == last && kind >= STAR)
            st = tempo_chat_fail(ps->p, at, TEMPO_E_FORMAT, ps->err, "a second argument with *");
        last = kind > last ? kind : last;
        out = &(*out)->next;
        if (st != TEMPO_OK || tempo_chat_take_op(ps, TEMPO_OP1(',')))
            continue;
        st = tempo_chat_expect_op(ps, TEMPO_OP1(')'), "a comma or )");
        break;
    }
    ps->nesting--;
    return st;
}

static bool ends_part(const tempo_chat_parser *ps)
{
    return tempo_chat_at_op(ps, TEMPO_OP1(':')) || tempo_chat_at_op(ps, TEMPO_OP1(']')) ||
           tempo_chat_at_op(ps, TEMPO_OP1(','));
}

/* An index, or a : b : c */
static tempo_status parse_index(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const size_t at = ps->now->at;
    tempo_status st = TEMPO_OK;
    tempo_chat_node *first = NULL;

    if (!tempo_chat_at_op(ps, TEMPO_OP1(':')) && (st = tempo_chat_parse_expr(ps, true, &first)) != TEMPO_OK)
        return st;
    *out = first;
    if (!tempo_chat_take_op(ps, TEMPO_OP1(':')))
        return TEMPO_OK;
    if ((st = tempo_chat_add_node(ps, TEMPO_CHAT_SLICE, at, out)) != TEMPO_OK)
        return st;
    (*out)->a = first;
    if (!ends_part(ps))
        st = tempo_chat_parse_expr(ps, true, &(*out)->b);
    if (st == TEMPO_OK && tempo_chat_take_op(ps, TEMPO_OP1(':')) && !ends_part(ps))
        st = tempo_chat_parse_expr(ps, true, &(*out)->c);
    return st;
}

/* After [: several indexes are a tuple. */
static tempo_status parse_subscript(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const size_t at = ps->now->at;
    tempo_chat_node *list = NULL, **next = &list;
    tempo_status st = tempo_chat_nest(ps);
    size_t n = 0;

    for (; st == TEMPO_OK && !tempo_chat_take_op(ps, TEMPO_OP1(']')); n++) {
        if (n > 0 && (st = tempo_chat_expect_op(ps, TEMPO_OP1(','), "]")) != TEMPO_OK)
            break;
        if ((st = parse_index(ps, next)) == TEMPO_OK)
            next = &(*next)->next;
    }
    ps->nesting--;
    *out = list;
    if (st == TEMPO_OK && n != 1 && (st = tempo_chat_add_node(ps, TEMPO_CHAT_TUPLE, at, out)) == TEMPO_OK)
        (*out)->a = list;
    return st;
}

static tempo_status parse_attribute(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now;
    tempo_status st;

    if (x->type == TEMPO_LEX_INTEGER) {
        ps->now++;
        if ((st = tempo_chat_wrap(ps, TEMPO_CHAT_ITEM, x->at, out)) == TEMPO_OK &&
            (st = tempo_chat_add_node(ps, TEMPO_CHAT_INTEGER, x->at, &(*out)->b)) == TEMPO_OK)
            (*out)->b->number = x->number;
        return st;
    }
    if (x->type != TEMPO_LEX_NAME)
        return tempo_chat_expected(ps, "the name of an attribute");
    ps->now++;
    if ((st = tempo_chat_wrap(ps, TEMPO_CHAT_ATTRIBUTE, x->at, out)) == TEMPO_OK)
        (*out)->text = x->text;
    return st;
}

static tempo_status parse_call(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_status st = tempo_chat_wrap(ps, TEMPO_CHAT_CALL, (*out)->at, out);

    return st == TEMPO_OK ? parse_arguments(ps, &(*out)->b) : st;
}

static tempo_status parse_postfix(tempo_chat_parser *ps, tempo_chat_node **out)
{
    for (;;) {
        const size_t at = ps->now->at;
        tempo_status st = TEMPO_OK;
        if (tempo_chat_take_op(ps, TEMPO_OP1('.')))
            st = parse_attribute(ps, out);
        else if (tempo_chat_take_op(ps, TEMPO_OP1('[')))
            st = (st = tempo_chat_wrap(ps, TEMPO_CHAT_ITEM, at, out)) == TEMPO_OK
                     ? parse_subscript(ps, &(*out)->b)
                     : st;
        else if (tempo_chat_take_op(ps, TEMPO_OP1('(')))
            st = parse_call(ps, out);
        else
            return TEMPO_OK;
        if (st != TEMPO_OK)
            return st;
    }
}

/* ---- filters and tests ---- */

/* a or a.b: no filter or test of ours has a dot. */
static tempo_status parse_dotted(tempo_chat_parser *ps, const char *what, tempo_chat_str *out)
{
    const tempo_chat_lexeme *first = ps->now, *last = first;

    do {
        last = ps->now;
        if (last->type != TEMPO_LEX_NAME)
            return tempo_chat_expected(ps, what);
        ps->now++;
    } while (tempo_chat_take_op(ps, TEMPO_OP1('.')));
    *out = (tempo_chat_str){first->text.p, NULL, (size_t)(last->text.p - first->text.p) + last->text.n};
    return TEMPO_OK;
}

static tempo_status parse_filter(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const size_t at = ps->now->at;
    tempo_chat_str name;
    tempo_status st;

    if ((st = parse_dotted(ps, "the name of a filter", &name)) != TEMPO_OK ||
        (st = tempo_chat_wrap(ps, TEMPO_CHAT_FILTER, at, out)) != TEMPO_OK)
        return st;
    (*out)->text = name;
    (*out)->number = tempo_chat_find_filter(name);
    return tempo_chat_take_op(ps, TEMPO_OP1('(')) ? parse_arguments(ps, &(*out)->b) : TEMPO_OK;
}

tempo_status tempo_chat_parse_filters(tempo_chat_parser *ps, bool first, tempo_chat_node **out)
{
    tempo_status st = first ? parse_filter(ps, out) : TEMPO_OK;

    while (st == TEMPO_OK && tempo_chat_take_op(ps, TEMPO_OP1('|')))
        st = parse_filter(ps, out);
    return st;
}

/* Can the argument of a test, written without brackets, begin here? */
static bool begins_argument(const tempo_chat_parser *ps)
{
    const tempo_chat_lexeme_type type = ps->now->type;

    if (type == TEMPO_LEX_NAME)
        return !tempo_chat_at_name(ps, "else") && !tempo_chat_at_name(ps, "or") &&
               !tempo_chat_at_name(ps, "and");
    return type == TEMPO_LEX_STRING || type == TEMPO_LEX_INTEGER || type == TEMPO_LEX_FLOAT ||
           type == TEMPO_LEX_REFUSED || tempo_chat_at_op(ps, TEMPO_OP1('[')) ||
           tempo_chat_at_op(ps, TEMPO_OP1('{'));
}

/* After is */
static tempo_status parse_test(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const bool negated = tempo_chat_take_name(ps, "not");
    const size_t at = ps->now->at;
    tempo_chat_str name;
    tempo_status st;

    if ((st = parse_dotted(ps, "the name of a test", &name)) != TEMPO_OK ||
        (st = tempo_chat_wrap(ps, TEMPO_CHAT_TEST, at, out)) != TEMPO_OK)
        return st;
    (*out)->text = name;
    (*out)->number = tempo_chat_find_test(name);
    if (tempo_chat_take_op(ps, TEMPO_OP1('('))) {
        st = parse_arguments(ps, &(*out)->b);
    } else if (begins_argument(ps)) {
        if (tempo_chat_at_name(ps, "is"))
            return tempo_chat_expected(ps, "no second test");
        if ((st = tempo_chat_parse_primary(ps, &(*out)->b)) == TEMPO_OK)
            st = parse_postfix(ps, &(*out)->b);
    }
    return st == TEMPO_OK && negated ? tempo_chat_wrap(ps, TEMPO_CHAT_NOT, at, out) : st;
}

tempo_status tempo_chat_parse_postfix(tempo_chat_parser *ps, bool filters, tempo_chat_node **out)
{
    tempo_status st = parse_postfix(ps, out);

    while (filters && st == TEMPO_OK) {
        if (tempo_chat_take_op(ps, TEMPO_OP1('|')))
            st = parse_filter(ps, out);
        else if (tempo_chat_take_name(ps, "is"))
            st = parse_test(ps, out);
        else if (tempo_chat_take_op(ps, TEMPO_OP1('(')))
            st = parse_call(ps, out);
        else
            break;
    }
    return st;
}
