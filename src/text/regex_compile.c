/* regex_compile.c - a tree to its program. */
#include <stdlib.h>
#include <string.h>

#include "text/regex_parts.h"

typedef struct compiler {
    tempo_regex *r;
    const tempo_tree *t;
    size_t work; /* nodes compiled; what is repeated counts each time, though it may leave no code */
    tempo_err *err;
} compiler;

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a pattern");
}

/* ---- where matches may begin ---- */

static void allow(uint64_t *bytes, unsigned first, unsigned last)
{
    for (unsigned b = first; b <= last; b++)
        bytes[b >> 6] |= (uint64_t)1 << (b & 63);
}

static unsigned lead_byte(uint32_t c)
{
    char s[4];

    (void)tempo_utf8_write(s, c);
    return (unsigned char)s[0];
}

static void set_first(const tempo_chars *s, uint64_t *bytes)
{
    for (size_t i = 0; i < s->n; i++)
        allow(bytes, lead_byte(s->p[i].first), lead_byte(s->p[i].last));
}

/* Fill `first` and `nullable` of a node whose children have theirs. */
static void note_first(tempo_tree *t, tempo_node *node)
{
    const bool choice = node->kind == TEMPO_NODE_CHOICE;

    switch (node->kind) {
    case TEMPO_NODE_SET:
        set_first(&t->sets[node->value], node->first);
        return;
    case TEMPO_NODE_SEQUENCE:
    case TEMPO_NODE_CHOICE:
        node->nullable = !choice;
        for (uint32_t i = node->child; i != 0; i = t->nodes[i].next) {
            const tempo_node *child = &t->nodes[i];
            if (choice || node->nullable)
                for (int k = 0; k < 4; k++)
                    node->first[k] |= child->first[k];
            node->nullable = choice ? node->nullable || child->nullable : node->nullable && child->nullable;
        }
        return;
    case TEMPO_NODE_REPEAT:
    case TEMPO_NODE_ATOMIC:
        memcpy(node->first, t->nodes[node->child].first, sizeof(node->first));
        node->nullable =
            t->nodes[node->child].nullable || (node->kind == TEMPO_NODE_REPEAT && node->min == 0);
        return;
    default: /* of no length */
        node->nullable = true;
    }
}

/* A parent is always behind its children in the list of nodes. */
static void note_firsts(tempo_tree *t)
{
    for (size_t i = 1; i < t->n; i++)
        note_first(t, &t->nodes[i]);
}

/* ---- code ---- */

static tempo_status emit(compiler *c, tempo_op op, uint32_t x, uint32_t *at)
{
    tempo_regex *r = c->r;

    if (r->n == r->cap) {
        const size_t cap = r->cap == 0 ? 64 : 2 * r->cap;
        tempo_instruction *p = cap <= TEMPO_REGEX_MAX_CODE ? realloc(r->code, cap * sizeof(*p)) : NULL;
        if (p == NULL)
            return cap <= TEMPO_REGEX_MAX_CODE
                       ? out_of_memory(c->err)
                       : tempo_fail(c->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                                    "the pattern becomes a program of more than %d steps",
                                    TEMPO_REGEX_MAX_CODE);
        r->code = p;
        r->cap = cap;
    }
    if (at != NULL)
        *at = (uint32_t)r->n;
    r->code[r->n++] = (tempo_instruction){.op = (uint8_t)op, .x = x};
    return TEMPO_OK;
}

static uint32_t here(const compiler *c)
{
    return (uint32_t)c->r->n;
}

static tempo_status emit_choice(compiler *c, uint32_t *choice)
{
    tempo_regex *r = c->r;
    uint32_t at;
    tempo_status st;

    if (r->n_choices == r->choices_cap) {
        const size_t cap = r->choices_cap == 0 ? 8 : 2 * r->choices_cap;
        tempo_choice *p = cap <= TEMPO_REGEX_MAX_CHOICES ? realloc(r->choices, cap * sizeof(*p)) : NULL;
        if (p == NULL)
            return cap <= TEMPO_REGEX_MAX_CHOICES
                       ? out_of_memory(c->err)
                       : tempo_fail(c->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                                    "the pattern has more than %d choices", TEMPO_REGEX_MAX_CHOICES);
        r->choices = p;
        r->choices_cap = cap;
    }
    *choice = (uint32_t)r->n_choices++;
    r->choices[*choice] = (tempo_choice){0};
    if ((st = emit(c, TEMPO_OP_CHOICE, *choice, &at)) == TEMPO_OK)
        r->code[at].memory = (uint16_t)r->n_memory++;
    return st;
}

/* Alternative i of a choice is what follows in the code; node NULL: anything may follow. */
static void set_alternative(compiler *c, uint32_t choice, uint32_t i, const tempo_node *node)
{
    tempo_choice *k = &c->r->choices[choice];
    const uint64_t bit = (uint64_t)1 << i;
    const bool always = node == NULL || node->nullable;

    k->to[i] = here(c);
    for (unsigned b = 0; b < 256; b++)
        if (always || (node->first[b >> 6] >> (b & 63) & 1) != 0)
            k->may[b] |= bit;
    if (always)
        k->may[256] |= bit;
}

static tempo_status compile(compiler *c, uint32_t n);

/* The alternatives from n on; more than one choice can hold are a choice of their own. */
static tempo_status compile_choice(compiler *c, uint32_t n)
{
    uint32_t choice, jumps[TEMPO_REGEX_ALTERNATIVES], i = 0;
    tempo_status st = emit_choice(c, &choice);

    for (; st == TEMPO_OK && n != 0; n = c->t->nodes[n].next, i++) {
        const bool rest = i == TEMPO_REGEX_ALTERNATIVES - 1 && c->t->nodes[n].next != 0;
        set_alternative(c, choice, i, rest ? NULL : &c->t->nodes[n]);
        if ((st = rest ? compile_choice(c, n) : compile(c, n)) != TEMPO_OK ||
            (st = emit(c, TEMPO_OP_JUMP, 0, &jumps[i])) != TEMPO_OK)
            return st;
        if (rest) {
            i++;
            break;
        }
    }
    while (i > 0 && st == TEMPO_OK)
        c->r->code[jumps[--i]].x = here(c);
    return st;
}

/* {child or nothing}: the choice, whose other way is set by the caller when it knows where that is. */
static tempo_status begin_option(compiler *c, uint32_t child, bool lazy, uint32_t *choice)
{
    const tempo_status st = emit_choice(c, choice);

    if (st == TEMPO_OK)
        set_alternative(c, *choice, lazy ? 1 : 0, &c->t->nodes[child]);
    return st;
}

/* child* from here on. */
static tempo_status compile_loop(compiler *c, uint32_t child, bool lazy)
{
    const bool nullable = c->t->nodes[child].nullable;
    const uint32_t loop = here(c), slot = (uint32_t)c->r->n_slots;
    uint32_t choice, check = 0;
    tempo_status st;

    if (nullable && c->r->n_slots++ == TEMPO_REGEX_MAX_SLOTS)
        return tempo_fail(c->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "the pattern has more than %d loops that may match nothing", TEMPO_REGEX_MAX_SLOTS);
    if ((st = begin_option(c, child, lazy, &choice)) != TEMPO_OK ||
        (nullable && (st = emit(c, TEMPO_OP_MARK, slot, NULL)) != TEMPO_OK) ||
        (st = compile(c, child)) != TEMPO_OK ||
        (nullable && (st = emit(c, TEMPO_OP_CHECK, slot, &check)) != TEMPO_OK) ||
        (st = emit(c, TEMPO_OP_JUMP, loop, NULL)) != TEMPO_OK)
        return st;
    if (nullable)
        c->r->code[check].min = here(c);
    set_alternative(c, choice, lazy ? 0 : 1, NULL);
    return TEMPO_OK;
}

static tempo_status compile_repeat_of(compiler *c, const tempo_node *node, uint32_t child)
{
    const bool lazy = node->greed == TEMPO_LAZY;
    const uint32_t more = node->max == TEMPO_REGEX_FOREVER ? 0 : node->max - node->min;
    uint32_t first = (uint32_t)c->r->n_choices, last, choice;
    tempo_status st = TEMPO_OK;

    for (uint32_t i = 0; i < node->min && st == TEMPO_OK; i++)
        st = compile(c, child);
    if (st != TEMPO_OK)
        return st;
    if (node->max == TEMPO_REGEX_FOREVER)
        return compile_loop(c, child, lazy);
    uint32_t *options = calloc((size_t)more + 1, sizeof(*options));
    if (options == NULL)
        return out_of_memory(c->err);
    for (first = 0, last = 0; last < more && st == TEMPO_OK; last++) {
        if ((st = begin_option(c, child, lazy, &choice)) == TEMPO_OK) {
            options[last] = choice;
            st = compile(c, child);
        }
    }
    for (; first < more && st == TEMPO_OK; first++)
        set_alternative(c, options[first], lazy ? 0 : 1, NULL);
    free(options);
    return st;
}

static tempo_status compile_repeat(compiler *c, const tempo_node *node)
{
    const tempo_node *child = &c->t->nodes[node->child];
    uint32_t at;
    tempo_status st;

    if (child->kind == TEMPO_NODE_SET) {
        if ((st = emit(c, TEMPO_OP_RUN, child->value, &at)) == TEMPO_OK) {
            tempo_instruction *run = &c->r->code[at];
            run->min = node->min;
            run->max = node->max;
            run->flag = node->greed;
            run->memory = (uint16_t)c->r->n_memory++;
        }
        return st;
    }
    if (node->greed != TEMPO_POSSESSIVE)
        return compile_repeat_of(c, node, node->child);
    if ((st = emit(c, TEMPO_OP_ATOMIC, 0, &at)) != TEMPO_OK ||
        (st = compile_repeat_of(c, node, node->child)) != TEMPO_OK ||
        (st = emit(c, TEMPO_OP_ACCEPT, 0, NULL)) != TEMPO_OK)
        return st;
    c->r->code[at].x = here(c);
    return TEMPO_OK;
}

/* A part that runs on its own, up to an accept. */
static tempo_status compile_inner(compiler *c, const tempo_node *node)
{
    const tempo_op op = node->kind == TEMPO_NODE_ATOMIC ? TEMPO_OP_ATOMIC : TEMPO_OP_AHEAD;
    uint32_t at;
    tempo_status st = emit(c, op, 0, &at);

    if (st == TEMPO_OK && (st = compile(c, node->child)) == TEMPO_OK)
        st = emit(c, TEMPO_OP_ACCEPT, 0, NULL);
    if (st == TEMPO_OK) {
        c->r->code[at].x = here(c);
        c->r->code[at].flag = node->negative;
    }
    return st;
}

/* ---- lookbehind ---- */

/* How many characters a node always takes; false when that varies. */
static bool fixed_length(const tempo_tree *t, uint32_t n, uint32_t *len)
{
    const tempo_node *node = &t->nodes[n];
    uint32_t one;

    *len = 0;
    switch (node->kind) {
    case TEMPO_NODE_SET:
        *len = 1;
        return true;
    case TEMPO_NODE_SEQUENCE:
    case TEMPO_NODE_CHOICE:
        for (uint32_t i = node->child; i != 0; i = t->nodes[i].next) {
            if (!fixed_length(t, i, &one) ||
                (node->kind == TEMPO_NODE_CHOICE && i != node->child && one != *len))
                return false;
            *len = node->kind == TEMPO_NODE_CHOICE ? one : *len + one;
        }
        return true;
    case TEMPO_NODE_REPEAT:
        if (node->min != node->max || !fixed_length(t, node->child, &one))
            return false;
        *len = node->min * one;
        return true;
    case TEMPO_NODE_ATOMIC:
        return fixed_length(t, node->child, len);
    default:
        return true;
    }
}

/* One alternative: back by its length, then its program. */
static tempo_status compile_back(compiler *c, uint32_t n)
{
    uint32_t len;
    tempo_status st;

    if (!fixed_length(c->t, n, &len) || len > TEMPO_REGEX_MAX_REPEAT)
        return tempo_fail(c->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "the pattern: a lookbehind whose length varies is not supported");
    st = len > 0 ? emit(c, TEMPO_OP_BACK, len, NULL) : TEMPO_OK;
    return st == TEMPO_OK ? compile(c, n) : st;
}

static tempo_status compile_behind(compiler *c, const tempo_node *node)
{
    const tempo_node *body = &c->t->nodes[node->child];
    uint32_t at, choice, jumps[TEMPO_REGEX_ALTERNATIVES], i = 0, len;
    tempo_status st = emit(c, TEMPO_OP_AHEAD, 0, &at);

    if (st == TEMPO_OK && body->kind == TEMPO_NODE_CHOICE && !fixed_length(c->t, node->child, &len)) {
        st = emit_choice(c, &choice); /* alternatives of different lengths */
        for (uint32_t n = body->child; n != 0 && st == TEMPO_OK; n = c->t->nodes[n].next, i++) {
            if (i == TEMPO_REGEX_ALTERNATIVES)
                return tempo_fail(c->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                                  "the pattern: a lookbehind of more than %d alternatives",
                                  TEMPO_REGEX_ALTERNATIVES);
            set_alternative(c, choice, i, NULL);
            if ((st = compile_back(c, n)) == TEMPO_OK)
                st = emit(c, TEMPO_OP_JUMP, 0, &jumps[i]);
        }
        while (i > 0 && st == TEMPO_OK)
            c->r->code[jumps[--i]].x = here(c);
    } else if (st == TEMPO_OK) {
        st = compile_back(c, node->child);
    }
    if (st == TEMPO_OK)
        st = emit(c, TEMPO_OP_ACCEPT, 0, NULL);
    if (st == TEMPO_OK) {
        c->r->code[at].x = here(c);
        c->r->code[at].flag = node->negative;
    }
    return st;
}

static tempo_status compile(compiler *c, uint32_t n)
{
    const tempo_node *node = &c->t->nodes[n];
    tempo_status st = TEMPO_OK;

    if (c->work++ > 8 * (size_t)TEMPO_REGEX_MAX_NODES)
        return tempo_fail(c->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "the pattern repeats too much");
    switch (node->kind) {
    case TEMPO_NODE_SET:
        return emit(c, TEMPO_OP_SET, node->value, NULL);
    case TEMPO_NODE_SEQUENCE:
        for (uint32_t i = node->child; i != 0 && st == TEMPO_OK; i = c->t->nodes[i].next)
            st = compile(c, i);
        return st;
    case TEMPO_NODE_CHOICE:
        return compile_choice(c, node->child);
    case TEMPO_NODE_REPEAT:
        return compile_repeat(c, node);
    case TEMPO_NODE_AHEAD:
    case TEMPO_NODE_ATOMIC:
        return compile_inner(c, node);
    case TEMPO_NODE_BEHIND:
        return compile_behind(c, node);
    case TEMPO_NODE_ANCHOR:
        c->r->from_start = c->r->from_start || node->value == TEMPO_ANCHOR_START;
        return emit(c, TEMPO_OP_ANCHOR, node->value, NULL);
    default:
        return TEMPO_OK;
    }
}

/* ---- the whole ---- */

/* What \b asks for, where there is one. */
static bool pack_word(compiler *c)
{
    tempo_chars word = {0};
    bool asked = false, ok = true;

    for (size_t i = 0; i < c->t->n; i++)
        asked = asked ||
                (c->t->nodes[i].kind == TEMPO_NODE_ANCHOR &&
                 (c->t->nodes[i].value == TEMPO_ANCHOR_WORD || c->t->nodes[i].value == TEMPO_ANCHOR_NO_WORD));
    if (asked)
        ok = tempo_regex_shorthand(&word, 'w', false) && tempo_charset_pack(&c->r->word, &word);
    tempo_chars_free(&word);
    return ok;
}

static tempo_status pack_sets(compiler *c)
{
    bool ok = pack_word(c);

    c->r->sets = calloc(c->t->n_sets + 1, sizeof(*c->r->sets));
    for (size_t i = 0; ok && c->r->sets != NULL && i < c->t->n_sets; i++) {
        ok = tempo_charset_pack(&c->r->sets[i], &c->t->sets[i]);
        c->r->n_sets = i + 1;
    }
    return ok && c->r->sets != NULL ? TEMPO_OK : out_of_memory(c->err);
}

tempo_status tempo_regex_compile(tempo_regex **out, const char *pattern, size_t n, tempo_regex_kind kind,
                                 tempo_err *err)
{
    tempo_tree t;
    tempo_status st = tempo_regex_parse(&t, pattern, n, kind, err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    note_firsts(&t);
    compiler c = {.r = calloc(1, sizeof(*c.r)), .t = &t, .err = err};
    if (c.r == NULL)
        st = out_of_memory(err);
    if (st == TEMPO_OK && (st = pack_sets(&c)) == TEMPO_OK && (st = compile(&c, t.root)) == TEMPO_OK)
        st = emit(&c, TEMPO_OP_ACCEPT, 0, NULL);
    for (unsigned b = 0; b < 257 && st == TEMPO_OK; b++)
        c.r->starts[b] =
            t.nodes[t.root].nullable || (b < 256 && (t.nodes[t.root].first[b >> 6] >> (b & 63) & 1) != 0);
    tempo_tree_free(&t);
    if (st != TEMPO_OK) {
        tempo_regex_free(c.r);
        return st;
    }
    *out = c.r;
    return TEMPO_OK;
}

void tempo_regex_free(tempo_regex *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n_sets; i++)
        tempo_charset_free(&r->sets[i]);
    tempo_charset_free(&r->word);
    free(r->sets);
    free(r->choices);
    free(r->code);
    free(r);
}
