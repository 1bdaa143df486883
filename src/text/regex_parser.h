/* regex_parser.h - a pattern while it is parsed; private to regex_parse.c (groups, repetition, alternatives), regex_brackets.c
 * (characters, escapes, classes) and regex_tree.c (the tree, failures).  */
#ifndef TEMPO_TEXT_REGEX_PARSER_H
#define TEMPO_TEXT_REGEX_PARSER_H
#include "base/text.h"
#include "text/regex_parts.h"

typedef struct tempo_parser {
    const char *p; /* [n] */
    size_t n, i;
    size_t depth;
    bool ignore_case, dot_all, extended;
    tempo_tree *t;
    tempo_err *err;
} tempo_parser;

/* ---- regex_tree.c ---- */

/* TEMPO_E_FORMAT, "the pattern, byte N: what"; TEMPO_E_UNSUPPORTED, "what are not supported". */
tempo_status tempo_parser_malformed(const tempo_parser *r, const char *what);
tempo_status tempo_parser_unsupported(const tempo_parser *r, size_t at, const char *what);
tempo_status tempo_parser_no_memory(const tempo_parser *r);
tempo_status tempo_parser_add_node(const tempo_parser *r, tempo_node_kind kind, uint32_t child, uint32_t *out) TEMPO_MUST_CHECK;
/* A node of one character of the set, which is tidy and becomes the tree's; freed on failure. */
tempo_status tempo_parser_add_set(const tempo_parser *r, tempo_chars *s, uint32_t *out) TEMPO_MUST_CHECK;

/* ---- regex_brackets.c ---- */

bool tempo_parser_at_end(const tempo_parser *r);
bool tempo_parser_looks_at(const tempo_parser *r, const char *s);
/* Is s next?  Then go past it. */
bool tempo_parser_take(tempo_parser *r, const char *s);
uint32_t tempo_parser_take_char(tempo_parser *r);
/* A character that is written with a backslash, which has been read; *known is false (and nothing read) for
 * what is no single character.  */
tempo_status tempo_parser_take_escape(tempo_parser *r, uint32_t *c, bool *known) TEMPO_MUST_CHECK;
/* \p{Name}, \p{^Name}, \P{Name}: from the letter on. */
tempo_status tempo_parser_take_property(tempo_parser *r, tempo_chars *s) TEMPO_MUST_CHECK;
/* What stands between [ or [^, which has been read, and ]. */
tempo_status tempo_parser_class_body(tempo_parser *r, tempo_chars *out, bool *negative) TEMPO_MUST_CHECK;

#endif
