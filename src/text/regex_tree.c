/* regex_tree.c - the tree of a pattern while it is parsed, and why it cannot be.  */
#include <stdlib.h>
#include <string.h>

#include "text/regex_parser.h"

/* ---- failures ---- */

tempo_status tempo_parser_malformed(const tempo_parser *r, const char *what)
{
    return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "the pattern, byte %zu: %s", r->i, what);
}

tempo_status tempo_parser_unsupported(const tempo_parser *r, size_t at, const char *what)
{
    return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                      "the pattern, byte %zu: %s are not supported", at, what);
}

tempo_status tempo_parser_no_memory(const tempo_parser *r)
{
    return tempo_fail(r->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a pattern");
}

/* ---- the tree ---- */

tempo_status tempo_parser_add_node(const tempo_parser *r, tempo_node_kind kind, uint32_t child, uint32_t *out)
{
    tempo_tree *t = r->t;

    if (t->n == t->cap) {
        const size_t cap = t->cap == 0 ? 64 : 2 * t->cap;
        tempo_node *p = cap <= TEMPO_REGEX_MAX_NODES ? realloc(t->nodes, cap * sizeof(*p)) : NULL;
        if (p == NULL)
            return cap <= TEMPO_REGEX_MAX_NODES
                       ? tempo_parser_no_memory(r)
                       : tempo_fail(r->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                                    "the pattern has more than %d parts", TEMPO_REGEX_MAX_NODES);
        t->nodes = p;
        t->cap = cap;
        if (t->n == 0)
            t->nodes[t->n++] = (tempo_node){0};
    }
    t->nodes[t->n] = (tempo_node){.kind = (uint8_t)kind, .child = child};
    *out = (uint32_t)t->n++;
    return TEMPO_OK;
}

/* A node of one character of the set, which is tidy and becomes the tree's; freed on failure. */
tempo_status tempo_parser_add_set(const tempo_parser *r, tempo_chars *s, uint32_t *out)
{
    tempo_tree *t = r->t;
    const tempo_status st = tempo_parser_add_node(r, TEMPO_NODE_SET, 0, out);
    size_t i = 0;

    if (st != TEMPO_OK)
        goto fail;
    while (i < t->n_sets && !tempo_chars_equal(&t->sets[i], s))
        i++;
    t->nodes[*out].value = (uint32_t)i;
    if (i < t->n_sets) {
        tempo_chars_free(s);
        return TEMPO_OK;
    }
    if (t->n_sets == t->sets_cap) {
        const size_t cap = t->sets_cap == 0 ? 16 : 2 * t->sets_cap;
        tempo_chars *p = cap <= TEMPO_REGEX_MAX_SETS ? realloc(t->sets, cap * sizeof(*p)) : NULL;
        if (p == NULL) {
            tempo_chars_free(s);
            return cap <= TEMPO_REGEX_MAX_SETS
                       ? tempo_parser_no_memory(r)
                       : tempo_fail(r->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                                    "the pattern has more than %d character classes", TEMPO_REGEX_MAX_SETS);
        }
        t->sets = p;
        t->sets_cap = cap;
    }
    t->sets[t->n_sets++] = *s;
    *s = (tempo_chars){0};
    return TEMPO_OK;
fail:
    tempo_chars_free(s);
    return st;
}

void tempo_tree_free(tempo_tree *t)
{
    for (size_t i = 0; i < t->n_sets; i++)
        tempo_chars_free(&t->sets[i]);
    free(t->sets);
    free(t->nodes);
    *t = (tempo_tree){0};
}
