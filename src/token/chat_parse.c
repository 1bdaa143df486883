/* chat_parse.c - lexemes to statements. */
#include <string.h>

#include "token/chat_tree.h"

/* ---- what both parsers use ---- */

tempo_chat_node *tempo_chat_node_new(tempo_chat_parser *ps, tempo_chat_node_type type, size_t at)
{
    tempo_chat_node *n = tempo_chat_alloc(&ps->p->heap, sizeof(*n));

    if (n != NULL) {
        n->type = type;
        n->at = (uint32_t)at;
    }
    return n;
}

bool tempo_chat_at_op(const tempo_chat_parser *ps, int64_t op)
{
    return ps->now->type == TEMPO_LEX_OPERATOR && ps->now->number == op;
}

bool tempo_chat_at_name(const tempo_chat_parser *ps, const char *name)
{
    return ps->now->type == TEMPO_LEX_NAME && tempo_chat_is(ps->now->text, name);
}

bool tempo_chat_take_op(tempo_chat_parser *ps, int64_t op)
{
    const bool there = tempo_chat_at_op(ps, op);

    ps->now += there;
    return there;
}

bool tempo_chat_take_name(tempo_chat_parser *ps, const char *name)
{
    const bool there = tempo_chat_at_name(ps, name);

    ps->now += there;
    return there;
}

tempo_status tempo_chat_expected(tempo_chat_parser *ps, const char *what)
{
    const tempo_chat_lexeme *x = ps->now;

    if (x->type == TEMPO_LEX_END)
        return tempo_chat_fail(ps->p, x->at, TEMPO_E_FORMAT, ps->err, "expected %s, the template ends", what);
    return tempo_chat_fail(ps->p, x->at, TEMPO_E_FORMAT, ps->err, "expected %s, found '%.*s'", what,
                           (int)(x->text.n < 40 ? x->text.n : 40), x->text.p);
}

tempo_status tempo_chat_expect_op(tempo_chat_parser *ps, int64_t op, const char *what)
{
    return tempo_chat_take_op(ps, op) ? TEMPO_OK : tempo_chat_expected(ps, what);
}

tempo_status tempo_chat_nest(tempo_chat_parser *ps)
{
    if (++ps->nesting > TEMPO_CHAT_MAX_NESTING)
        return tempo_chat_fail(ps->p, ps->now->at, TEMPO_E_LIMIT, ps->err,
                               "more than %d levels inside one another", TEMPO_CHAT_MAX_NESTING);
    return TEMPO_OK;
}

/* ---- statements ---- */

static tempo_status parse_body(tempo_chat_parser *ps, const char *const *ends, tempo_chat_node **out);

static tempo_status take(tempo_chat_parser *ps, tempo_chat_lexeme_type type, const char *what)
{
    if (ps->now->type != type)
        return tempo_chat_expected(ps, what);
    ps->now++;
    return TEMPO_OK;
}

static tempo_status end_tag(tempo_chat_parser *ps)
{
    return take(ps, TEMPO_LEX_BLOCK_END, "%}");
}

/* A node, or failure. */
static tempo_status new_node(tempo_chat_parser *ps, tempo_chat_node_type type, size_t at,
                             tempo_chat_node **out)
{
    *out = tempo_chat_node_new(ps, type, at);
    return *out != NULL ? TEMPO_OK : ps->p->heap.failed;
}

/* After the condition of if or elif.  elif is an if in the else part; a loop, so that many of them nest
 * nowhere. */
static tempo_status parse_if(tempo_chat_parser *ps, tempo_chat_node *node)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const end[] = {"endif", NULL};
    tempo_status st;

    for (;;) {
        if ((st = tempo_chat_parse_tuple(ps, true, &node->a)) != TEMPO_OK || (st = end_tag(ps)) != TEMPO_OK ||
            (st = parse_body(ps, ends, &node->b)) != TEMPO_OK)
            return st;
        const size_t at = ps->now->at;
        if (!tempo_chat_take_name(ps, "elif"))
            break;
        if ((st = new_node(ps, TEMPO_CHAT_IF, at, &node->c)) != TEMPO_OK)
            return st;
        node = node->c;
    }
    if (tempo_chat_take_name(ps, "else") &&
        ((st = end_tag(ps)) != TEMPO_OK || (st = parse_body(ps, end, &node->c)) != TEMPO_OK))
        return st;
    ps->now++; /* endif */
    return end_tag(ps);
}

/* x or x, y of a for */
static tempo_status parse_names(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const bool bracket = tempo_chat_take_op(ps, TEMPO_OP1('('));
    tempo_status st;

    for (;;) {
        if ((st = tempo_chat_parse_name(ps, out)) != TEMPO_OK)
            return st;
        out = &(*out)->next;
        if (!tempo_chat_take_op(ps, TEMPO_OP1(',')) || tempo_chat_at_name(ps, "in"))
            break;
    }
    return bracket ? tempo_chat_expect_op(ps, TEMPO_OP1(')'), ")") : TEMPO_OK;
}

static tempo_status parse_for(tempo_chat_parser *ps, tempo_chat_node *node)
{
    static const char *const ends[] = {"else", "endfor", NULL}, *const end[] = {"endfor", NULL};
    tempo_status st = parse_names(ps, &node->d);

    if (st != TEMPO_OK)
        return st;
    if (!tempo_chat_take_name(ps, "in"))
        return tempo_chat_expected(ps, "in");
    if ((st = tempo_chat_parse_tuple(ps, false, &node->a)) != TEMPO_OK)
        return st;
    if (tempo_chat_take_name(ps, "if") && (st = tempo_chat_parse_expr(ps, true, &node->b)) != TEMPO_OK)
        return st;
    if (tempo_chat_at_name(ps, "recursive"))
        return tempo_chat_fail(ps->p, ps->now->at, TEMPO_E_UNSUPPORTED, ps->err,
                               "a recursive for is not supported");
    ps->loops++;
    if ((st = end_tag(ps)) != TEMPO_OK || (st = parse_body(ps, ends, &node->c)) != TEMPO_OK)
        return st;
    ps->loops--;
    if (tempo_chat_take_name(ps, "else") &&
        ((st = end_tag(ps)) != TEMPO_OK || (st = parse_body(ps, end, &node->e)) != TEMPO_OK))
        return st;
    ps->now++; /* endfor */
    return end_tag(ps);
}

static tempo_status parse_set(tempo_chat_parser *ps, tempo_chat_node *node)
{
    static const char *const end[] = {"endset", NULL};
    tempo_chat_node *target;
    tempo_status st = tempo_chat_parse_name(ps, &target);

    if (st == TEMPO_OK && tempo_chat_take_op(ps, TEMPO_OP1('.'))) {
        tempo_chat_node *object = target;
        if ((st = tempo_chat_parse_name(ps, &target)) != TEMPO_OK)
            return st;
        target->type = TEMPO_CHAT_ATTRIBUTE;
        target->a = object;
    }
    if (st != TEMPO_OK)
        return st;
    node->d = target;
    if (tempo_chat_take_op(ps, TEMPO_OP1('=')))
        return (st = tempo_chat_parse_tuple(ps, true, &node->a)) == TEMPO_OK ? end_tag(ps) : st;
    if (tempo_chat_at_op(ps, TEMPO_OP1(',')) || tempo_chat_at_op(ps, TEMPO_OP1('|')))
        return tempo_chat_fail(ps->p, ps->now->at, TEMPO_E_UNSUPPORTED, ps->err,
                               "set with several names or with a filter is not supported");
    if ((st = end_tag(ps)) != TEMPO_OK || (st = parse_body(ps, end, &node->c)) != TEMPO_OK)
        return st;
    ps->now++; /* endset */
    return end_tag(ps);
}

static tempo_status parse_parameters(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_status st = tempo_chat_expect_op(ps, TEMPO_OP1('('), "(");

    while (st == TEMPO_OK && !tempo_chat_at_op(ps, TEMPO_OP1(')'))) {
        if ((st = tempo_chat_parse_name(ps, out)) != TEMPO_OK)
            return st;
        if (tempo_chat_take_op(ps, TEMPO_OP1('=')) &&
            (st = tempo_chat_parse_expr(ps, true, &(*out)->a)) != TEMPO_OK)
            return st;
        out = &(*out)->next;
        if (!tempo_chat_take_op(ps, TEMPO_OP1(',')))
            break;
    }
    return st == TEMPO_OK ? tempo_chat_expect_op(ps, TEMPO_OP1(')'), ")") : st;
}

static tempo_status parse_macro(tempo_chat_parser *ps, tempo_chat_node *node)
{
    static const char *const end[] = {"endmacro", NULL};
    const unsigned loops = ps->loops;
    tempo_chat_node *name;
    tempo_status st = tempo_chat_parse_name(ps, &name);

    if (st != TEMPO_OK || (st = parse_parameters(ps, &node->d)) != TEMPO_OK)
        return st;
    node->text = name->text;
    ps->loops = 0;
    if ((st = end_tag(ps)) != TEMPO_OK || (st = parse_body(ps, end, &node->c)) != TEMPO_OK)
        return st;
    ps->loops = loops;
    ps->now++; /* endmacro */
    return end_tag(ps);
}

/* Hugging Face's mark for what an assistant wrote: nothing to us. */
static tempo_status parse_generation(tempo_chat_parser *ps, tempo_chat_node *node)
{
    static const char *const end[] = {"endgeneration", NULL};
    tempo_status st = end_tag(ps);

    if (st != TEMPO_OK || (st = parse_body(ps, end, &node->c)) != TEMPO_OK)
        return st;
    ps->now++; /* endgeneration */
    return end_tag(ps);
}

static tempo_status parse_jump(tempo_chat_parser *ps, tempo_chat_node *node)
{
    if (ps->loops == 0)
        return tempo_chat_fail(ps->p, node->at, TEMPO_E_FORMAT, ps->err,
                               "break or continue outside of a for");
    return end_tag(ps);
}

static const struct {
    const char *name;
    tempo_chat_node_type type;
    tempo_status (*parse)(tempo_chat_parser *ps, tempo_chat_node *node);
} tags[] = {
    {"if", TEMPO_CHAT_IF, parse_if},
    {"for", TEMPO_CHAT_FOR, parse_for},
    {"set", TEMPO_CHAT_SET, parse_set},
    {"macro", TEMPO_CHAT_MACRO, parse_macro},
    {"generation", TEMPO_CHAT_GENERATION, parse_generation},
    {"break", TEMPO_CHAT_BREAK, parse_jump},
    {"continue", TEMPO_CHAT_CONTINUE, parse_jump},
};

static bool is_end(tempo_chat_str name)
{
    return tempo_chat_is(name, "elif") || tempo_chat_is(name, "else") ||
           (name.n > 3 && memcmp(name.p, "end", 3) == 0);
}

/* After {% */
static tempo_status parse_statement(tempo_chat_parser *ps, tempo_chat_node **out)
{
    const tempo_chat_lexeme *name = ps->now;
    tempo_status st = take(ps, TEMPO_LEX_NAME, "the name of a tag");

    if (st != TEMPO_OK)
        return st;
    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
        if (!tempo_chat_is(name->text, tags[i].name))
            continue;
        if ((st = new_node(ps, tags[i].type, name->at, out)) != TEMPO_OK ||
            (st = tempo_chat_nest(ps)) != TEMPO_OK)
            return st;
        st = tags[i].parse(ps, *out);
        ps->nesting--;
        return st;
    }
    const int n = (int)(name->text.n < 40 ? name->text.n : 40);
    if (is_end(name->text))
        return tempo_chat_fail(ps->p, name->at, TEMPO_E_FORMAT, ps->err,
                               "{%% %.*s %%} belongs to nothing here", n, name->text.p);
    return tempo_chat_fail(ps->p, name->at, TEMPO_E_UNSUPPORTED, ps->err,
                           "the tag {%% %.*s %%} is not supported", n, name->text.p);
}

static bool at_one_of(const tempo_chat_parser *ps, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++)
        if (tempo_chat_at_name(ps, *names))
            return true;
    return false;
}

static tempo_status parse_print(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_status st = new_node(ps, TEMPO_CHAT_PRINT, ps->now++->at, out);

    if (st == TEMPO_OK && (st = tempo_chat_parse_tuple(ps, true, &(*out)->a)) == TEMPO_OK)
        st = take(ps, TEMPO_LEX_PRINT_END, "}}");
    return st;
}

/* Statements up to a tag of that name, whose {% is taken; ends NULL: up to the end of the template. */
static tempo_status parse_body(tempo_chat_parser *ps, const char *const *ends, tempo_chat_node **out)
{
    const size_t begin = ps->now->at;
    tempo_status st = TEMPO_OK;

    *out = NULL;
    while (st == TEMPO_OK && ps->now->type != TEMPO_LEX_END) {
        if (ps->now->type == TEMPO_LEX_PRINT_BEGIN) {
            st = parse_print(ps, out);
        } else if (ps->now->type == TEMPO_LEX_BLOCK_BEGIN) {
            ps->now++;
            if (at_one_of(ps, ends))
                return TEMPO_OK;
            st = parse_statement(ps, out);
        } else if ((st = new_node(ps, TEMPO_CHAT_TEXT, ps->now->at, out)) == TEMPO_OK) {
            (*out)->text = ps->now++->text;
        }
        if (st == TEMPO_OK)
            out = &(*out)->next;
    }
    if (st == TEMPO_OK && ends != NULL)
        return tempo_chat_fail(ps->p, begin, TEMPO_E_FORMAT, ps->err,
                               "the template ends, but what begins here does not");
    return st;
}

/* ---- the whole ---- */

/* Line ends become \n, and one at the end goes. */
static size_t copy_lines(char *out, const char *text, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
            continue;
        out[len++] = text[i] == '\r' ? '\n' : text[i];
    }
    return len - (len > 0 && out[len - 1] == '\n');
}

tempo_status tempo_chat_parse(tempo_chat_program *p, const char *label, const char *text, size_t n,
                              tempo_err *err)
{
    tempo_chat_parser ps = {.p = p, .err = err};
    tempo_chat_node *body;
    tempo_status st;

    p->label = label;
    p->heap.err = err;
    if (n > TEMPO_CHAT_MAX_TEMPLATE)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: has more than %d KiB", label,
                          TEMPO_CHAT_MAX_TEMPLATE >> 10);
    if (tempo_utf8_valid(text, n) != n)
        return tempo_fail(err, TEMPO_E_FORMAT, tempo_utf8_valid(text, n), "%s: is not valid UTF-8", label);
    if ((p->text = tempo_chat_alloc(&p->heap, n + 1)) == NULL)
        return p->heap.failed;
    p->n = copy_lines(p->text, text, n);
    if ((st = tempo_chat_lex(p, &ps.now, err)) == TEMPO_OK && (st = parse_body(&ps, NULL, &body)) == TEMPO_OK)
        p->body = body;
    return st;
}
