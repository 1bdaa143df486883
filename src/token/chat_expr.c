/* chat_expr.c - lexemes to expressions.  Source: Jinja2's parser, whose precedences, from loose to tight,
 * are: if else, or, and, not, comparisons, + -, ~, * / // %, sign, then what stands behind an operand: . []
 * () | is.  */
#include "token/chat_call.h"
#include "token/chat_tree.h"

static tempo_status parse_unary(tempo_chat_parser *ps, bool filters, tempo_chat_node **out);
static tempo_status parse_or(tempo_chat_parser *ps, tempo_chat_node **out);

static tempo_status unsupported(tempo_chat_parser *ps, size_t at, const char *what)
{
    return tempo_chat_fail(ps->p, at, TEMPO_E_UNSUPPORTED, ps->err, "%s is not supported", what);
}

static tempo_status unknown(tempo_chat_parser *ps, const char *what, const tempo_chat_node *node)
{
    return tempo_chat_fail(ps->p, node->at, TEMPO_E_UNSUPPORTED, ps->err, "the %s '%.*s' is not supported",
                           what, (int)(node->text.n < 40 ? node->text.n : 40), node->text.p);
}

static tempo_status new_node(tempo_chat_parser *ps, tempo_chat_node_type type, size_t at,
                             tempo_chat_node **out)
{
    *out = tempo_chat_node_new(ps, type, at);
    return *out != NULL ? TEMPO_OK : ps->p->heap.failed;
}

/* *out becomes the first operand of a new node in its place. */
static tempo_status wrap(tempo_chat_parser *ps, tempo_chat_node_type type, size_t at, tempo_chat_node **out)
{
    tempo_chat_node *inner = *out;
    const tempo_status st = new_node(ps, type, at, out);

    if (st == TEMPO_OK)
        (*out)->a = inner;
    return st;
}

static bool is_word(tempo_chat_str s)
{
    static const char *const words[] = {"if", "else", "elif", "for", "in", "is", "and", "or", "not"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (tempo_chat_is(s, words[i]))
            return true;
    return false;
}

tempo_status tempo_chat_parse_name(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now;

    if (x->type != TEMPO_LEX_NAME || is_word(x->text))
        return tempo_chat_expected(ps, "a name");
    ps->now++;
    const tempo_status st = new_node(ps, TEMPO_CHAT_NAME, x->at, out);
    if (st == TEMPO_OK)
        (*out)->text = x->text;
    return st;
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
    tempo_status st = new_node(ps, TEMPO_CHAT_STRING, ps->now->at, out);

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

static tempo_status parse_word(tempo_chat_parser *ps, tempo_chat_node **out)
{
    static const struct {
        const char *name;
        tempo_chat_node_type type;
    } constants[] = {{"true", TEMPO_CHAT_TRUE},   {"True", TEMPO_CHAT_TRUE}, {"false", TEMPO_CHAT_FALSE},
                     {"False", TEMPO_CHAT_FALSE}, {"none", TEMPO_CHAT_NONE}, {"None", TEMPO_CHAT_NONE}};

    for (size_t i = 0; i < sizeof(constants) / sizeof(*constants); i++) {
        const size_t at = ps->now->at;
        if (tempo_chat_take_name(ps, constants[i].name))
            return new_node(ps, constants[i].type, at, out);
    }
    return tempo_chat_parse_name(ps, out);
}

static tempo_status parse_bracket(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now++;
    tempo_status st;

    switch (x->number) {
    case '(':
        if (tempo_chat_take_op(ps, TEMPO_OP1(')')))
            return new_node(ps, TEMPO_CHAT_LIST, x->at, out);
        st = tempo_chat_parse_tuple(ps, true, out);
        return st == TEMPO_OK ? tempo_chat_expect_op(ps, TEMPO_OP1(')'), ")") : st;
    case '[':
        st = new_node(ps, TEMPO_CHAT_LIST, x->at, out);
        return st == TEMPO_OK ? parse_elements(ps, TEMPO_OP1(']'), false, &(*out)->a) : st;
    case '{':
        st = new_node(ps, TEMPO_CHAT_DICT, x->at, out);
        return st == TEMPO_OK ? parse_elements(ps, TEMPO_OP1('}'), true, &(*out)->a) : st;
    default:
        ps->now--;
        return tempo_chat_expected(ps, "an expression");
    }
}

static tempo_status parse_primary(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now;
    tempo_status st;

    switch (x->type) {
    case TEMPO_LEX_STRING:
        return parse_string(ps, out);
    case TEMPO_LEX_INTEGER:
        ps->now++;
        if ((st = new_node(ps, TEMPO_CHAT_INTEGER, x->at, out)) == TEMPO_OK)
            (*out)->number = x->number;
        return st;
    case TEMPO_LEX_NAME:
        return is_word(x->text) ? tempo_chat_expected(ps, "an expression") : parse_word(ps, out);
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

static tempo_status parse_argument(tempo_chat_parser *ps, tempo_chat_node **out)
{
    if (tempo_chat_at_op(ps, TEMPO_OP1('*')) || tempo_chat_at_op(ps, TEMPO_OP2('*', '*')))
        return unsupported(ps, ps->now->at, "an argument with * or **");
    if (ps->now->type == TEMPO_LEX_NAME && ps->now[1].type == TEMPO_LEX_OPERATOR &&
        ps->now[1].number == '=') {
        const tempo_status st = new_node(ps, TEMPO_CHAT_KEYWORD, ps->now->at, out);
        if (st != TEMPO_OK)
            return st;
        (*out)->text = ps->now->text;
        ps->now += 2;
        return tempo_chat_parse_expr(ps, true, &(*out)->a);
    }
    return tempo_chat_parse_expr(ps, true, out);
}

/* After ( */
static tempo_status parse_arguments(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_status st = tempo_chat_nest(ps);

    while (st == TEMPO_OK && !tempo_chat_take_op(ps, TEMPO_OP1(')'))) {
        if ((st = parse_argument(ps, out)) != TEMPO_OK)
            break;
        out = &(*out)->next;
        if (tempo_chat_take_op(ps, TEMPO_OP1(',')))
            continue;
        st = tempo_chat_expect_op(ps, TEMPO_OP1(')'), "a comma or )");
        break;
    }
    ps->nesting--;
    return st;
}

/* An attribute that is called is a method. */
static tempo_status parse_call(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_status st;

    if ((*out)->type == TEMPO_CHAT_ATTRIBUTE) {
        (*out)->type = TEMPO_CHAT_METHOD;
        if (((*out)->number = tempo_chat_find_method((*out)->text)) < 0)
            return unknown(ps, "method", *out);
    } else if ((*out)->type != TEMPO_CHAT_NAME) {
        return unsupported(ps, ps->now->at, "a call of anything but a name or a method");
    } else if ((st = wrap(ps, TEMPO_CHAT_CALL, (*out)->at, out)) != TEMPO_OK) {
        return st;
    }
    return parse_arguments(ps, &(*out)->b);
}

static bool ends_slice(const tempo_chat_parser *ps)
{
    return tempo_chat_at_op(ps, TEMPO_OP1(':')) || tempo_chat_at_op(ps, TEMPO_OP1(']'));
}

/* After [ */
static tempo_status parse_subscript(tempo_chat_parser *ps, size_t at, tempo_chat_node **out)
{
    tempo_chat_node **const parts[3] = {&(*out)->b, &(*out)->c, &(*out)->d};
    size_t colons = 0;
    tempo_status st;

    (void)at;
    for (;;) {
        if (!ends_slice(ps) && (st = tempo_chat_parse_expr(ps, true, parts[colons])) != TEMPO_OK)
            return st;
        if (colons == 2 || !tempo_chat_take_op(ps, TEMPO_OP1(':')))
            break;
        colons++;
    }
    if (colons > 0)
        (*out)->type = TEMPO_CHAT_SLICE;
    else if ((*out)->b == NULL)
        return tempo_chat_expected(ps, "an index");
    if (tempo_chat_at_op(ps, TEMPO_OP1(',')))
        return unsupported(ps, ps->now->at, "an index of several values");
    return tempo_chat_expect_op(ps, TEMPO_OP1(']'), "]");
}

static tempo_status parse_attribute(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now;
    tempo_status st;

    if (x->type == TEMPO_LEX_INTEGER) {
        ps->now++;
        if ((st = wrap(ps, TEMPO_CHAT_ITEM, x->at, out)) == TEMPO_OK &&
            (st = new_node(ps, TEMPO_CHAT_INTEGER, x->at, &(*out)->b)) == TEMPO_OK)
            (*out)->b->number = x->number;
        return st;
    }
    if (x->type != TEMPO_LEX_NAME)
        return tempo_chat_expected(ps, "the name of an attribute");
    ps->now++;
    if ((st = wrap(ps, TEMPO_CHAT_ATTRIBUTE, x->at, out)) == TEMPO_OK)
        (*out)->text = x->text;
    return st;
}

static tempo_status parse_postfix(tempo_chat_parser *ps, tempo_chat_node **out)
{
    for (;;) {
        const size_t at = ps->now->at;
        tempo_status st = TEMPO_OK;
        if (tempo_chat_take_op(ps, TEMPO_OP1('.')))
            st = parse_attribute(ps, out);
        else if (tempo_chat_take_op(ps, TEMPO_OP1('[')))
            st = (st = wrap(ps, TEMPO_CHAT_ITEM, at, out)) == TEMPO_OK ? parse_subscript(ps, at, out) : st;
        else if (tempo_chat_take_op(ps, TEMPO_OP1('(')))
            st = parse_call(ps, out);
        else
            return TEMPO_OK;
        if (st != TEMPO_OK)
            return st;
    }
}

/* After | */
static tempo_status parse_filter(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now;
    tempo_status st;

    if (x->type != TEMPO_LEX_NAME)
        return tempo_chat_expected(ps, "the name of a filter");
    ps->now++;
    if ((st = wrap(ps, TEMPO_CHAT_FILTER, x->at, out)) != TEMPO_OK)
        return st;
    (*out)->text = x->text;
    if (((*out)->number = tempo_chat_find_filter(x->text)) < 0)
        return unknown(ps, "filter", *out);
    return tempo_chat_take_op(ps, TEMPO_OP1('(')) ? parse_arguments(ps, &(*out)->b) : TEMPO_OK;
}

/* Can the argument of a test, written without brackets, begin here? */
static bool begins_argument(const tempo_chat_parser *ps)
{
    return ps->now->type == TEMPO_LEX_STRING || ps->now->type == TEMPO_LEX_INTEGER ||
           (ps->now->type == TEMPO_LEX_NAME && !is_word(ps->now->text)) ||
           tempo_chat_at_op(ps, TEMPO_OP1('[')) || tempo_chat_at_op(ps, TEMPO_OP1('{'));
}

/* After is */
static tempo_status parse_test(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const size_t at = ps->now->at;
    const bool negated = tempo_chat_take_name(ps, "not");
    const tempo_chat_lexeme *x = ps->now;
    tempo_status st;

    if (x->type != TEMPO_LEX_NAME)
        return tempo_chat_expected(ps, "the name of a test");
    ps->now++;
    if ((st = wrap(ps, TEMPO_CHAT_TEST, x->at, out)) != TEMPO_OK)
        return st;
    (*out)->text = x->text;
    if (((*out)->number = tempo_chat_find_test(x->text)) < 0)
        return unknown(ps, "test", *out);
    if (tempo_chat_take_op(ps, TEMPO_OP1('(')))
        st = parse_arguments(ps, &(*out)->b);
    else if (begins_argument(ps) && (st = parse_primary(ps, &(*out)->b)) == TEMPO_OK)
        st = parse_postfix(ps, &(*out)->b);
    return st == TEMPO_OK && negated ? wrap(ps, TEMPO_CHAT_NOT, at, out) : st;
}

static tempo_status parse_filters(tempo_chat_parser *ps, tempo_chat_node **out)
{
    for (;;) {
        tempo_status st = TEMPO_OK;
        if (tempo_chat_take_op(ps, TEMPO_OP1('|')))
            st = parse_filter(ps, out);
        else if (tempo_chat_take_name(ps, "is"))
            st = parse_test(ps, out);
        else
            return TEMPO_OK;
        if (st != TEMPO_OK)
            return st;
    }
}

/* ---- operators ---- */

static tempo_status parse_sign(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *x = ps->now++;
    tempo_status st = tempo_chat_nest(ps);

    if (st == TEMPO_OK && (st = new_node(ps, x->number == '-' ? TEMPO_CHAT_NEGATIVE : TEMPO_CHAT_POSITIVE,
                                         x->at, out)) == TEMPO_OK)
        st = parse_unary(ps, false, &(*out)->a);
    ps->nesting--;
    return st;
}

static tempo_status parse_unary(tempo_chat_parser *ps, bool filters, tempo_chat_node **out)
{
    const bool sign = tempo_chat_at_op(ps, TEMPO_OP1('-')) || tempo_chat_at_op(ps, TEMPO_OP1('+'));
    tempo_status st = sign ? parse_sign(ps, out) : parse_primary(ps, out);

    if (st == TEMPO_OK)
        st = parse_postfix(ps, out);
    return st == TEMPO_OK && filters ? parse_filters(ps, out) : st;
}

/* The binary operators of a level. */
static const int64_t levels[3][4] = {
    {TEMPO_OP1('+'), TEMPO_OP1('-')},
    {TEMPO_OP1('~')},
    {TEMPO_OP1('*'), TEMPO_OP1('%'), TEMPO_OP2('/', '/')},
};

static tempo_status parse_binary(tempo_chat_parser *ps, size_t level, tempo_chat_node **out)
{
    tempo_status st = level == 2 ? parse_unary(ps, true, out) : parse_binary(ps, level + 1, out);

    while (st == TEMPO_OK && ps->now->type == TEMPO_LEX_OPERATOR) {
        const tempo_chat_lexeme *x = ps->now;
        bool ours = false;
        for (size_t i = 0; i < 4; i++)
            ours |= levels[level][i] != 0 && levels[level][i] == x->number;
        if (level == 2 && (x->number == '/' || x->number == TEMPO_OP2('*', '*')))
            return unsupported(ps, x->at, x->number == '/' ? "division with /" : "the operator **");
        if (!ours)
            break;
        ps->now++;
        if ((st = wrap(ps, TEMPO_CHAT_BINARY, x->at, out)) != TEMPO_OK)
            return st;
        (*out)->number = x->number;
        st = level == 2 ? parse_unary(ps, true, &(*out)->b) : parse_binary(ps, level + 1, &(*out)->b);
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
    if (tempo_chat_at_name(ps, "not") && ps->now[1].type == TEMPO_LEX_NAME &&
        tempo_chat_is(ps->now[1].text, "in")) {
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
            if ((st = wrap(ps, TEMPO_CHAT_COMPARE, at, out)) != TEMPO_OK)
                return st;
            next = &(*out)->b;
        }
        if ((st = new_node(ps, TEMPO_CHAT_COMPARE, at, next)) != TEMPO_OK)
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
    if ((st = tempo_chat_nest(ps)) == TEMPO_OK && (st = new_node(ps, TEMPO_CHAT_NOT, at, out)) == TEMPO_OK)
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
        if ((st = wrap(ps, TEMPO_CHAT_AND, at, out)) == TEMPO_OK)
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
        if ((st = wrap(ps, TEMPO_CHAT_OR, at, out)) == TEMPO_OK)
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
        if ((st = wrap(ps, TEMPO_CHAT_COND, at, out)) == TEMPO_OK &&
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
    if ((st = new_node(ps, TEMPO_CHAT_LIST, at, out)) != TEMPO_OK)
        return st;
    (*out)->a = first;
    for (tempo_chat_node **next = &first->next; st == TEMPO_OK && tempo_chat_take_op(ps, TEMPO_OP1(','));) {
        if (ps->now->type != TEMPO_LEX_NAME && ps->now->type != TEMPO_LEX_STRING &&
            ps->now->type != TEMPO_LEX_INTEGER &&
            !(ps->now->type == TEMPO_LEX_OPERATOR && ps->now->text.n == 1 &&
              (ps->now->number == '(' || ps->now->number == '[' || ps->now->number == '{' ||
               ps->now->number == '-')))
            break; /* a comma at the end */
        if ((st = tempo_chat_parse_expr(ps, conditional, next)) == TEMPO_OK)
            next = &(*next)->next;
    }
    return st;
}
