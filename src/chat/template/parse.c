/* parse.c - lexemes to statements. */
#include <string.h>

#include "chat/builtin/call.h"

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

tempo_status tempo_chat_add_node(tempo_chat_parser *ps, tempo_chat_node_type type, size_t at,
                                 tempo_chat_node **out)
{
    *out = tempo_chat_node_new(ps, type, at);
    return *out != NULL ? TEMPO_OK : ps->p->heap.failed;
}

bool tempo_chat_at_op(const tempo_chat_parser *ps, int64_t op)
{
    return ps->now->type == TEMPO_LEX_OPERATOR && ps->now->number == op;
}

bool tempo_chat_at_name(const tempo_chat_parser *ps, const char *name)
{
    return ps->now->type == TEMPO_LEX_NAME && tempo_chat_is(ps->now->text, name);
}

bool tempo_chat_then_name(const tempo_chat_parser *ps, const char *name)
{
    return ps->now->type != TEMPO_LEX_END && ps->now[1].type == TEMPO_LEX_NAME &&
           tempo_chat_is(ps->now[1].text, name);
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

/* The end of a tag, then statements up to one of ends, whose {% is taken.  Python's colon may stand before
 * it. */
static tempo_status parse_statements(tempo_chat_parser *ps, const char *const *ends, tempo_chat_node **out)
{
    tempo_status st;

    (void)tempo_chat_take_op(ps, TEMPO_OP1(':'));
    return (st = end_tag(ps)) == TEMPO_OK ? parse_body(ps, ends, out) : st;
}

/* The same up to the one end, which is taken. */
static tempo_status parse_to(tempo_chat_parser *ps, const char *name, tempo_chat_node **out)
{
    const char *const ends[] = {name, NULL};
    const tempo_status st = parse_statements(ps, ends, out);

    if (st == TEMPO_OK)
        ps->now++;
    return st;
}

/* After the condition of if or elif.  elif is an if in the else part; a loop, so that many of them nest
 * nowhere. */
static tempo_status parse_if(tempo_chat_parser *ps, tempo_chat_node *node)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    tempo_status st;

    for (;;) {
        if ((st = tempo_chat_parse_tuple(ps, false, &node->a)) != TEMPO_OK ||
            (st = parse_statements(ps, ends, &node->b)) != TEMPO_OK)
            return st;
        const size_t at = ps->now->at;
        if (!tempo_chat_take_name(ps, "elif"))
            break;
        if ((st = tempo_chat_add_node(ps, TEMPO_CHAT_IF, at, &node->c)) != TEMPO_OK)
            return st;
        node = node->c;
    }
    if (tempo_chat_take_name(ps, "else"))
        return parse_to(ps, "endif", &node->c);
    ps->now++; /* endif */
    return TEMPO_OK;
}

/* All of a for up to else or endfor. */
static tempo_status parse_rounds(tempo_chat_parser *ps, tempo_chat_node *node)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    tempo_status st = tempo_chat_parse_target(ps, false, &node->d);

    if (st != TEMPO_OK)
        return st;
    if (!tempo_chat_take_name(ps, "in"))
        return tempo_chat_expected(ps, "in");
    if ((st = tempo_chat_parse_tuple(ps, false, &node->a)) != TEMPO_OK)
        return st;
    if (tempo_chat_take_name(ps, "if") && (st = tempo_chat_parse_expr(ps, true, &node->b)) != TEMPO_OK)
        return st;
    node->number = tempo_chat_take_name(ps, "recursive");
    ps->loops++;
    st = parse_statements(ps, ends, &node->c);
    ps->loops--;
    return st;
}

static tempo_status parse_for(tempo_chat_parser *ps, tempo_chat_node *node)
{
    tempo_status st;

    ps->fors++;
    st = parse_rounds(ps, node);
    if (st == TEMPO_OK && tempo_chat_take_name(ps, "else"))
        st = parse_to(ps, "endfor", &node->e);
    else
        ps->now += st == TEMPO_OK; /* endfor */
    ps->fors--;
    return st;
}

static tempo_status parse_set(tempo_chat_parser *ps, tempo_chat_node *node)
{
    tempo_status st = tempo_chat_parse_target(ps, true, &node->d);

    if (st != TEMPO_OK)
        return st;
    if (tempo_chat_take_op(ps, TEMPO_OP1('=')))
        return tempo_chat_parse_tuple(ps, true, &node->a);
    if ((st = tempo_chat_parse_filters(ps, false, &node->b)) != TEMPO_OK)
        return st;
    return parse_to(ps, "endset", &node->c);
}

static tempo_status parse_with(tempo_chat_parser *ps, tempo_chat_node *node)
{
    tempo_chat_node **next = &node->d;
    tempo_status st;

    while (ps->now->type != TEMPO_LEX_BLOCK_END && !tempo_chat_at_op(ps, TEMPO_OP1(':'))) {
        if (next != &node->d && (st = tempo_chat_expect_op(ps, TEMPO_OP1(','), "a comma or %}")) != TEMPO_OK)
            return st;
        if ((st = tempo_chat_add_node(ps, TEMPO_CHAT_SET, ps->now->at, next)) != TEMPO_OK ||
            (st = tempo_chat_parse_target(ps, false, &(*next)->d)) != TEMPO_OK ||
            (st = tempo_chat_expect_op(ps, TEMPO_OP1('='), "=")) != TEMPO_OK ||
            (st = tempo_chat_parse_expr(ps, true, &(*next)->a)) != TEMPO_OK)
            return st;
        next = &(*next)->next;
    }
    return parse_to(ps, "endwith", &node->c);
}

/* ---- macros ---- */

static tempo_status parse_parameters(tempo_chat_parser *ps, tempo_chat_node **out)
{
    tempo_chat_node **next = out;
    bool defaults = false;
    tempo_status st = tempo_chat_expect_op(ps, TEMPO_OP1('('), "(");

    while (st == TEMPO_OK && !tempo_chat_take_op(ps, TEMPO_OP1(')'))) {
        if (next != out && (st = tempo_chat_expect_op(ps, TEMPO_OP1(','), "a comma or )")) != TEMPO_OK)
            return st;
        if ((st = tempo_chat_parse_name(ps, next)) != TEMPO_OK)
            return st;
        if (tempo_chat_take_op(ps, TEMPO_OP1('='))) {
            defaults = true;
            st = tempo_chat_parse_expr(ps, true, &(*next)->a);
        } else if (defaults) {
            return tempo_chat_expected(ps, "= and a default, as the parameter before it has one");
        }
        next = &(*next)->next;
    }
    return st;
}

/* The body of a macro or of a call block; what it reads goes to node->number. */
static tempo_status parse_macro_body(tempo_chat_parser *ps, const char *end, tempo_chat_node *node)
{
    const unsigned loops = ps->loops;
    const int64_t uses = ps->uses;

    ps->loops = 0;
    ps->uses = 0;
    const tempo_status st = parse_to(ps, end, &node->c);
    node->number = ps->uses;
    ps->loops = loops;
    ps->uses |= uses;
    return st;
}

static tempo_status parse_macro(tempo_chat_parser *ps, tempo_chat_node *node)
{
    tempo_chat_node *name;
    tempo_status st = tempo_chat_parse_name(ps, &name);

    if (st != TEMPO_OK || (st = parse_parameters(ps, &node->d)) != TEMPO_OK)
        return st;
    node->text = name->text;
    return parse_macro_body(ps, "endmacro", node);
}

static tempo_status parse_call_block(tempo_chat_parser *ps, tempo_chat_node *node)
{
    tempo_status st = TEMPO_OK;

    if (tempo_chat_at_op(ps, TEMPO_OP1('(')) && (st = parse_parameters(ps, &node->d)) != TEMPO_OK)
        return st;
    node->text = tempo_chat_literal("caller");
    const size_t at = ps->now->at;
    if ((st = tempo_chat_parse_expr(ps, true, &node->a)) != TEMPO_OK)
        return st;
    if (node->a->type != TEMPO_CHAT_CALL)
        return tempo_chat_fail(ps->p, at, TEMPO_E_FORMAT, ps->err, "expected a call");
    return parse_macro_body(ps, "endcall", node);
}

/* ---- other blocks ---- */

static tempo_status parse_filter_block(tempo_chat_parser *ps, tempo_chat_node *node)
{
    const tempo_status st = tempo_chat_parse_filters(ps, true, &node->a);

    return st == TEMPO_OK ? parse_to(ps, "endfilter", &node->c) : st;
}

/* Hugging Face's mark for what an assistant wrote: a scope to us. */
static tempo_status parse_generation(tempo_chat_parser *ps, tempo_chat_node *node)
{
    return parse_to(ps, "endgeneration", &node->c);
}

static tempo_status parse_autoescape(tempo_chat_parser *ps, tempo_chat_node *node)
{
    const tempo_status st = tempo_chat_parse_expr(ps, true, &node->a);

    return st == TEMPO_OK ? parse_to(ps, "endautoescape", &node->c) : st;
}

static tempo_status parse_block(tempo_chat_parser *ps, tempo_chat_node *node)
{
    const tempo_chat_str name = ps->now->text;
    tempo_status st = take(ps, TEMPO_LEX_NAME, "the name of a block");

    if (st != TEMPO_OK)
        return st;
    node->number = tempo_chat_take_name(ps, "scoped");
    (void)tempo_chat_take_name(ps, "required");
    if ((st = parse_to(ps, "endblock", &node->c)) == TEMPO_OK && ps->now->type == TEMPO_LEX_NAME &&
        tempo_chat_same(ps->now->text, name))
        ps->now++;
    return st;
}

static tempo_status parse_jump(tempo_chat_parser *ps, tempo_chat_node *node)
{
    if (ps->loops == 0)
        return tempo_chat_fail(ps->p, node->at, TEMPO_E_FORMAT, ps->err,
                               "break or continue outside of a for");
    return TEMPO_OK;
}

static tempo_status parse_do(tempo_chat_parser *ps, tempo_chat_node *node)
{
    return tempo_chat_parse_tuple(ps, true, &node->a);
}

/* extends, include, import, from: there are no other templates.  What they say is not looked at. */
static tempo_status parse_other_template(tempo_chat_parser *ps, tempo_chat_node *node)
{
    node->text = ps->now[-1].text;
    while (ps->now->type != TEMPO_LEX_BLOCK_END && ps->now->type != TEMPO_LEX_END)
        ps->now++;
    return TEMPO_OK;
}

static const struct {
    const char *name;
    tempo_chat_node_type type;
    tempo_status (*parse)(tempo_chat_parser *ps, tempo_chat_node *node);
} tags[] = {
    {"if", TEMPO_CHAT_IF, parse_if},
    {"for", TEMPO_CHAT_FOR, parse_for},
    {"set", TEMPO_CHAT_SET, parse_set},
    {"with", TEMPO_CHAT_WITH, parse_with},
    {"macro", TEMPO_CHAT_MACRO, parse_macro},
    {"call", TEMPO_CHAT_CALL_BLOCK, parse_call_block},
    {"filter", TEMPO_CHAT_FILTER_BLOCK, parse_filter_block},
    {"generation", TEMPO_CHAT_SCOPE, parse_generation},
    {"autoescape", TEMPO_CHAT_AUTOESCAPE, parse_autoescape},
    {"block", TEMPO_CHAT_BLOCK, parse_block},
    {"break", TEMPO_CHAT_BREAK, parse_jump},
    {"continue", TEMPO_CHAT_CONTINUE, parse_jump},
    {"do", TEMPO_CHAT_DO, parse_do},
    {"extends", TEMPO_CHAT_REFUSED, parse_other_template},
    {"include", TEMPO_CHAT_REFUSED, parse_other_template},
    {"import", TEMPO_CHAT_REFUSED, parse_other_template},
    {"from", TEMPO_CHAT_REFUSED, parse_other_template},
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
        if ((st = tempo_chat_add_node(ps, tags[i].type, name->at, out)) != TEMPO_OK)
            return st;
        if ((st = tempo_chat_nest(ps)) == TEMPO_OK && (st = tags[i].parse(ps, *out)) == TEMPO_OK)
            st = end_tag(ps);
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
    tempo_status st = tempo_chat_add_node(ps, TEMPO_CHAT_PRINT, ps->now++->at, out);

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
        } else if ((st = tempo_chat_add_node(ps, TEMPO_CHAT_TEXT, ps->now->at, out)) == TEMPO_OK) {
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
