/* tree.h - lexemes and the tree of a template; private to src/chat. */
#ifndef TEMPO_CHAT_TEMPLATE_TREE_H
#define TEMPO_CHAT_TEMPLATE_TREE_H
#include "chat/parts.h"

/* ---- lexemes ---- */

typedef enum tempo_chat_lexeme_type {
    TEMPO_LEX_END,
    TEMPO_LEX_TEXT,        /* between tags */
    TEMPO_LEX_BLOCK_BEGIN, /* {% */
    TEMPO_LEX_BLOCK_END,
    TEMPO_LEX_PRINT_BEGIN, /* {{ */
    TEMPO_LEX_PRINT_END,
    TEMPO_LEX_NAME,
    TEMPO_LEX_STRING, /* text: escapes resolved */
    TEMPO_LEX_INTEGER,
    TEMPO_LEX_FLOAT,
    TEMPO_LEX_REFUSED, /* a number or a string that is not supported; text says which */
    TEMPO_LEX_OPERATOR,
} tempo_chat_lexeme_type;

/* An operator of one or two characters. */
#define TEMPO_OP1(a) ((int64_t)(a))
#define TEMPO_OP2(a, b) ((int64_t)(a) | (int64_t)(b) << 8)

typedef struct tempo_chat_lexeme {
    tempo_chat_lexeme_type type;
    uint32_t at;         /* byte offset in the template */
    tempo_chat_str text; /* as written, but of strings the value */
    union {
        int64_t number; /* integer; operator as TEMPO_OP1 or TEMPO_OP2 */
        double f;
    };
} tempo_chat_lexeme;

/* All lexemes of p->text, the last one TEMPO_LEX_END; on p->heap. */
tempo_status tempo_chat_lex(tempo_chat_program *p, const tempo_chat_lexeme **out, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- the tree ---- */

typedef enum tempo_chat_node_type {
    /* statements; lists of them hang together by next */
    TEMPO_CHAT_TEXT,   /* text */
    TEMPO_CHAT_PRINT,  /* a */
    TEMPO_CHAT_IF,     /* a: condition, b: then, c: else */
    TEMPO_CHAT_FOR,    /* d: target, a: iterable, b: condition or NULL, c: body, e: else; number: 1 recursive */
    TEMPO_CHAT_SET,    /* d: target; a: value, or NULL and c: body, b: filters of its text or NULL */
    TEMPO_CHAT_MACRO,  /* text: name; d: parameters, NAME with a: default or NULL; c: body; number: TEMPO_USES_... */
    TEMPO_CHAT_CALL_BLOCK,   /* a: CALL, then as MACRO: its caller */
    TEMPO_CHAT_FILTER_BLOCK, /* a: filters, c: body */
    TEMPO_CHAT_WITH,   /* d: SETs, c: body */
    TEMPO_CHAT_SCOPE,  /* c: body */
    TEMPO_CHAT_BLOCK,  /* c: body, which sees the outermost names only; number: 1 all of them */
    TEMPO_CHAT_AUTOESCAPE, /* a: condition, c: body */
    TEMPO_CHAT_BREAK,
    TEMPO_CHAT_CONTINUE,
    TEMPO_CHAT_DO,      /* a */
    TEMPO_CHAT_REFUSED, /* text: what it is; statement or expression */
    /* expressions; arguments hang together by next */
    TEMPO_CHAT_STRING,  /* text */
    TEMPO_CHAT_INTEGER, /* number */
    TEMPO_CHAT_FLOAT,   /* f */
    TEMPO_CHAT_TRUE,
    TEMPO_CHAT_FALSE,
    TEMPO_CHAT_NONE,
    TEMPO_CHAT_NAME,      /* text */
    TEMPO_CHAT_LIST,      /* a: elements */
    TEMPO_CHAT_TUPLE,     /* a: elements; as a target, too */
    TEMPO_CHAT_DICT,      /* a: key, value, key, value */
    TEMPO_CHAT_ATTRIBUTE, /* a . text; as the target of a set, too */
    TEMPO_CHAT_ITEM,      /* a [ b ] */
    TEMPO_CHAT_SLICE,     /* a : b : c, each may be NULL; only as b of ITEM */
    TEMPO_CHAT_CALL,      /* a ( b: arguments ) */
    TEMPO_CHAT_KEYWORD,   /* argument text = a */
    TEMPO_CHAT_STAR,      /* argument *a */
    TEMPO_CHAT_STAR_STAR, /* argument **a */
    TEMPO_CHAT_FILTER,    /* a | text ( b: arguments ), number: which or -1; a NULL: what a block gives */
    TEMPO_CHAT_TEST,      /* a is text ( b: arguments ), number: which or -1 */
    TEMPO_CHAT_NOT,       /* a */
    TEMPO_CHAT_NEGATIVE,  /* a */
    TEMPO_CHAT_POSITIVE,  /* a */
    TEMPO_CHAT_AND,       /* a, b */
    TEMPO_CHAT_OR,        /* a, b */
    TEMPO_CHAT_BINARY,    /* a, b; number: operator */
    TEMPO_CHAT_COMPARE,   /* a, then b: COMPARE nodes with number: operator, a: operand; by next */
    TEMPO_CHAT_COND,      /* a if b else c; c may be NULL */
} tempo_chat_node_type;

/* Operators of comparison that are words. */
#define TEMPO_OP_IN TEMPO_OP2('i', 'n')
#define TEMPO_OP_NOT_IN TEMPO_OP2('n', 'i')

/* What the body of a macro reads. */
enum { TEMPO_USES_CALLER = 1, TEMPO_USES_KWARGS = 2, TEMPO_USES_VARARGS = 4 };

struct tempo_chat_node {
    tempo_chat_node_type type;
    uint32_t at; /* byte offset in the template */
    tempo_chat_str text;
    union {
        int64_t number;
        double f;
    };
    tempo_chat_node *a, *b, *c, *d, *e, *next;
};

/* ---- parsing: parse.c, expr.c, operand.c ---- */

typedef struct tempo_chat_parser {
    tempo_chat_program *p;
    const tempo_chat_lexeme *now; /* the next lexeme */
    unsigned nesting;
    unsigned loops, fors; /* that we are inside of; loops: those that break and continue mean */
    int64_t uses;                 /* TEMPO_USES_... since a macro began */
    tempo_err *err;
} tempo_chat_parser;

tempo_chat_node *tempo_chat_node_new(tempo_chat_parser *ps, tempo_chat_node_type type, size_t at);
/* A node, or failure. */
tempo_status tempo_chat_add_node(tempo_chat_parser *ps, tempo_chat_node_type type, size_t at,
                                 tempo_chat_node **out) TEMPO_MUST_CHECK;
/* *out becomes the first operand of a new node in its place. */
tempo_status tempo_chat_wrap(tempo_chat_parser *ps, tempo_chat_node_type type, size_t at,
                             tempo_chat_node **out) TEMPO_MUST_CHECK;
/* The next lexeme is this operator, this name; the one after it is this name. */
bool tempo_chat_at_op(const tempo_chat_parser *ps, int64_t op);
bool tempo_chat_at_name(const tempo_chat_parser *ps, const char *name);
bool tempo_chat_then_name(const tempo_chat_parser *ps, const char *name);
/* It is, and was taken. */
bool tempo_chat_take_op(tempo_chat_parser *ps, int64_t op);
bool tempo_chat_take_name(tempo_chat_parser *ps, const char *name);
/* "expected what, found ..." */
tempo_status tempo_chat_expected(tempo_chat_parser *ps, const char *what);
tempo_status tempo_chat_expect_op(tempo_chat_parser *ps, int64_t op, const char *what) TEMPO_MUST_CHECK;
tempo_status tempo_chat_nest(tempo_chat_parser *ps) TEMPO_MUST_CHECK; /* one level down; --ps->nesting is up */

/* A whole expression; without `conditional` one that ends before "if". */
tempo_status tempo_chat_parse_expr(tempo_chat_parser *ps, bool conditional, tempo_chat_node **out) TEMPO_MUST_CHECK;
/* The same, or several with commas: a tuple. */
tempo_status tempo_chat_parse_tuple(tempo_chat_parser *ps, bool conditional, tempo_chat_node **out) TEMPO_MUST_CHECK;
/* A name, a constant, something in brackets; then what may stand behind it, with `filters` those and tests, too. */
tempo_status tempo_chat_parse_primary(tempo_chat_parser *ps, tempo_chat_node **out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_parse_postfix(tempo_chat_parser *ps, bool filters, tempo_chat_node **out) TEMPO_MUST_CHECK;
/* A name that can be assigned to. */
tempo_status tempo_chat_parse_name(tempo_chat_parser *ps, tempo_chat_node **out) TEMPO_MUST_CHECK;
/* A name, a tuple of such; with `attributes` also one attribute of a name. */
tempo_status tempo_chat_parse_target(tempo_chat_parser *ps, bool attributes, tempo_chat_node **out) TEMPO_MUST_CHECK;
/* a | b(c) | d: *out becomes their innermost operand; `first`: the first one has no |. */
tempo_status tempo_chat_parse_filters(tempo_chat_parser *ps, bool first, tempo_chat_node **out) TEMPO_MUST_CHECK;

#endif
