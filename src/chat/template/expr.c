/* expr.c - lexemes to expressions.  Source: Jinja2's parser, whose precedences, from loose to tight,
 * are: if else, or, and, not, comparisons, + -, ~, * / // %, **, sign, then what stands behind an operand: .
 * []
 * () | is.  Every name is an operand, words of the language included, where no rule takes them before.  */
#include "chat/builtin/call.h"

static tempo_status parse_unary(tempo_chat_parser *ps, bool filters, tempo_chat_node **out);
static tempo_status parse_or(tempo_chat_parser *ps, tempo_chat_node **out);

static tempo_status parse_sign(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now++;
    tempo_status st = tempo_chat_nest(ps);

    if (st == TEMPO_OK &&
        (st = tempo_chat_add_node(ps, x->number == '-' ? TEMPO_CHAT_NEGATIVE : TEMPO_CHAT_POSITIVE, x->at,
                                  out)) == TEMPO_OK)
        st = parse_unary(ps, false, &(*out)->a);
    ps->nesting--;
    return st;
}

static tempo_status parse_unary(tempo_chat_parser *ps, bool filters, tempo_chat_node **out)
{
    const bool sign = tempo_chat_at_op(ps, TEMPO_OP1('-')) || tempo_chat_at_op(ps, TEMPO_OP1('+'));
    const tempo_status st = sign ? parse_sign(ps, out) : tempo_chat_parse_primary(ps, out);

    return st == TEMPO_OK ? tempo_chat_parse_postfix(ps, filters, out) : st;
}

/* The binary operators of a level. */
static const int64_t levels[4][4] = {
    {TEMPO_OP1('+'), TEMPO_OP1('-')},
    {TEMPO_OP1('~')},
    {TEMPO_OP1('*'), TEMPO_OP1('/'), TEMPO_OP2('/', '/'), TEMPO_OP1('%')},
    {TEMPO_OP2('*', '*')},
};

static tempo_status parse_binary(tempo_chat_parser *ps, size_t level, tempo_chat_node **out)
{
    tempo_status st = level == 4 ? parse_unary(ps, true, out) : parse_binary(ps, level + 1, out);

    while (level < 4 && st == TEMPO_OK && ps->now->type == TEMPO_LEX_OPERATOR) {
        const tempo_chat_lexeme *x = ps->now;
        bool ours = false;
        for (size_t i = 0; i < 4; i++)
            ours |= levels[level][i] != 0 && levels[level][i] == x->number;
        if (!ours)
            break;
        ps->now++;
        if ((st = tempo_chat_wrap(ps, TEMPO_CHAT_BINARY, x->at, out)) != TEMPO_OK)
            return st;
        (*out)->number = x->number;
        st = parse_binary(ps, level + 1, &(*out)->b);
    }
    return st;
}

/* The operator of a comparison that stands here, taken; 0: none. */
static int64_t take_comparison(tempo_chat_parser *ps)
{
    static const int64_t ops[] = {TEMPO_OP2('=', '='), TEMPO_OP2('!', '='), TEMPO_OP2('<', '='),
                                  TEMPO_OP2('>', '='), TEMPO_OP1('<'),      TEMPO_OP1('>')};

    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
        if (tempo_chat_take_op(ps, ops[i]))
            return ops[i];
    if (tempo_chat_take_name(ps, "in"))
        return TEMPO_OP_IN;
    if (tempo_chat_at_name(ps, "not") && tempo_chat_then_name(ps, "in")) {
        ps->now += 2;
        return TEMPO_OP_NOT_IN;
    }
    return 0;
}

static tempo_status parse_compare(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_status st = parse_binary(ps, 0, out);
    tempo_chat_node **next = NULL;

    while (st == TEMPO_OK) {
        const size_t at = ps->now->at;
        const int64_t op = take_comparison(ps);
        if (op == 0)
            break;
        if (next == NULL) {
            if ((st = tempo_chat_wrap(ps, TEMPO_CHAT_COMPARE, at, out)) != TEMPO_OK)
                return st;
            next = &(*out)->b;
        }
        if ((st = tempo_chat_add_node(ps, TEMPO_CHAT_COMPARE, at, next)) != TEMPO_OK)
            return st;
        (*next)->number = op;
        st = parse_binary(ps, 0, &(*next)->a);
        next = &(*next)->next;
    }
    return st;
}

static tempo_status parse_not(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const size_t at = ps->now->at;
    tempo_status st;

    if (!tempo_chat_take_name(ps, "not"))
        return parse_compare(ps, out);
    if ((st = tempo_chat_nest(ps)) == TEMPO_OK &&
        (st = tempo_chat_add_node(ps, TEMPO_CHAT_NOT, at, out)) == TEMPO_OK)
        st = parse_not(ps, &(*out)->a);
    ps->nesting--;
    return st;
}

static tempo_status parse_and(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_status st = parse_not(ps, out);

    while (st == TEMPO_OK) {
        const size_t at = ps->now->at;
        if (!tempo_chat_take_name(ps, "and"))
            break;
        if ((st = tempo_chat_wrap(ps, TEMPO_CHAT_AND, at, out)) == TEMPO_OK)
            st = parse_not(ps, &(*out)->b);
    }
    return st;
}

static tempo_status parse_or(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_status st = parse_and(ps, out);

    while (st == TEMPO_OK) {
        const size_t at = ps->now->at;
        if (!tempo_chat_take_name(ps, "or"))
            break;
        if ((st = tempo_chat_wrap(ps, TEMPO_CHAT_OR, at, out)) == TEMPO_OK)
            st = parse_and(ps, &(*out)->b);
    }
    return st;
}

tempo_status tempo_chat_parse_expr(tempo_chat_parser *ps, bool conditional, tempo_chat_node **out)
{
    tempo_status st = tempo_chat_nest(ps);

    if (st == TEMPO_OK)
        st = parse_or(ps, out);
    while (st == TEMPO_OK && conditional) {
        const size_t at = ps->now->at;
        if (!tempo_chat_take_name(ps, "if"))
            break;
        if ((st = tempo_chat_wrap(ps, TEMPO_CHAT_COND, at, out)) == TEMPO_OK &&
            (st = parse_or(ps, &(*out)->b)) == TEMPO_OK && tempo_chat_take_name(ps, "else"))
            st = tempo_chat_parse_expr(ps, true, &(*out)->c);
    }
    ps->nesting--;
    return st;
}

tempo_status tempo_chat_parse_tuple(tempo_chat_parser *ps, bool conditional, tempo_chat_node **out)
{
    const size_t at = ps->now->at;
    tempo_status st = tempo_chat_parse_expr(ps, conditional, out);
    tempo_chat_node *first = *out;

    if (st != TEMPO_OK || !tempo_chat_at_op(ps, TEMPO_OP1(',')))
        return st;
    if ((st = tempo_chat_add_node(ps, TEMPO_CHAT_TUPLE, at, out)) != TEMPO_OK)
        return st;
    (*out)->a = first;
    for (tempo_chat_node **next = &first->next; st == TEMPO_OK && tempo_chat_take_op(ps, TEMPO_OP1(','));) {
        if (ps->now->type == TEMPO_LEX_PRINT_END || ps->now->type == TEMPO_LEX_BLOCK_END ||
            tempo_chat_at_op(ps, TEMPO_OP1(')')) || tempo_chat_at_name(ps, "recursive"))
            break; /* a comma at the end */
        if ((st = tempo_chat_parse_expr(ps, conditional, next)) == TEMPO_OK)
            next = &(*next)->next;
    }
    return st;
}
