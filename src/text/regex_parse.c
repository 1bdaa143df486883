/* regex_parse.c - a pattern to its tree.  Source: Oniguruma's doc/RE, its own syntax. */
#include <stdlib.h>
#include <string.h>

#include "text/regex_parser.h"

/* ---- atoms ---- */

static tempo_status finish_set(const tempo_parser *r, tempo_chars *s, bool negative, uint32_t *out)
{
    tempo_chars_tidy(s);
    if ((r->ignore_case && !tempo_chars_close_case(s)) || (negative && !tempo_chars_invert(s))) {
        tempo_chars_free(s);
        return tempo_parser_no_memory(r);
    }
    return tempo_parser_add_set(r, s, out);
}

static tempo_status add_char(const tempo_parser *r, uint32_t c, uint32_t *out)
{
    tempo_chars s = {0};

    return tempo_chars_add(&s, c, c) ? finish_set(r, &s, false, out) : tempo_parser_no_memory(r);
}

static tempo_status add_anchor(const tempo_parser *r, tempo_anchor a, uint32_t *out)
{
    const tempo_status st = tempo_parser_add_node(r, TEMPO_NODE_ANCHOR, 0, out);

    if (st == TEMPO_OK)
        r->t->nodes[*out].value = a;
    return st;
}

/* Everything, or everything but a line feed. */
static tempo_status add_any(const tempo_parser *r, bool line_feed, uint32_t *out)
{
    tempo_chars s = {0};

    if (!(line_feed || (tempo_chars_add(&s, '\n', '\n'))) || !tempo_chars_invert(&s))
        return tempo_parser_no_memory(r);
    return tempo_parser_add_set(r, &s, out);
}

/* \R: CR LF, or one character that ends a line. */
static tempo_status add_newline(const tempo_parser *r, uint32_t *out)
{
    tempo_chars s = {0};
    uint32_t cr, lf, both, one, choice;
    tempo_status st;

    if ((st = add_char(r, '\r', &cr)) != TEMPO_OK || (st = add_char(r, '\n', &lf)) != TEMPO_OK ||
        (st = tempo_parser_add_node(r, TEMPO_NODE_SEQUENCE, cr, &both)) != TEMPO_OK)
        return st;
    r->t->nodes[cr].next = lf;
    if (!tempo_chars_add(&s, '\n', '\r') || !tempo_chars_add(&s, 0x85, 0x85) ||
        !tempo_chars_add(&s, 0x2028, 0x2029)) {
        tempo_chars_free(&s);
        return tempo_parser_no_memory(r);
    }
    if ((st = tempo_parser_add_set(r, &s, &one)) != TEMPO_OK ||
        (st = tempo_parser_add_node(r, TEMPO_NODE_CHOICE, both, &choice)) != TEMPO_OK)
        return st;
    r->t->nodes[both].next = one;
    return tempo_parser_add_node(r, TEMPO_NODE_ATOMIC, choice, out);
}

static tempo_status add_shorthand(const tempo_parser *r, char letter, uint32_t *out)
{
    tempo_chars s = {0};

    if (tempo_regex_shorthand(&s, letter, false))
        return tempo_parser_add_set(r, &s, out);
    tempo_chars_free(&s);
    return tempo_parser_no_memory(r);
}

/* What a backslash begins; it has been read. */
static tempo_status parse_escape(tempo_parser *r, uint32_t *out)
{
    static const char anchors[] = "AzZGbB";
    static const tempo_anchor meant[] = {TEMPO_ANCHOR_TEXT_BEGIN, TEMPO_ANCHOR_TEXT_END,
                                         TEMPO_ANCHOR_LAST_LINE,  TEMPO_ANCHOR_START,
                                         TEMPO_ANCHOR_WORD,       TEMPO_ANCHOR_NO_WORD};
    const size_t begin = r->i - 1;
    tempo_chars s = {0};
    uint32_t c;
    bool known;
    tempo_status st;

    if (tempo_parser_at_end(r))
        return tempo_parser_malformed(r, "\\ at the end");
    if ((st = tempo_parser_take_escape(r, &c, &known)) != TEMPO_OK)
        return st;
    if (known)
        return add_char(r, c, out);
    const char letter = r->p[r->i];
    if (letter == 'p' || letter == 'P') {
        if ((st = tempo_parser_take_property(r, &s)) == TEMPO_OK)
            return tempo_parser_add_set(r, &s, out);
        tempo_chars_free(&s);
        return st;
    }
    r->i++;
    const char *anchor = strchr(anchors, letter);
    if (anchor != NULL)
        return add_anchor(r, meant[anchor - anchors], out);
    if (strchr("wWsSdDhH", letter) != NULL)
        return add_shorthand(r, letter, out);
    if (letter == 'N' || letter == 'O')
        return add_any(r, letter == 'O', out);
    if (letter == 'R')
        return add_newline(r, out);
    return tempo_parser_unsupported(r, begin,
                                    letter == 'X' || (letter | 0x20) == 'y' ? "text segments (\\X, \\y)"
                                    : letter == 'K'                         ? "patterns with \\K"
                                    : letter == 'k' || (letter >= '1' && letter <= '9') ? "back references"
                                    : letter == 'g' ? "subexpression calls (\\g)"
                                                    : "control and meta characters (\\c, \\C-, \\M-)");
}

static tempo_status parse_alternatives(tempo_parser *r, uint32_t *out);

/* A group's body, and the parenthesis that closes it. */
static tempo_status parse_body(tempo_parser *r, uint32_t *out)
{
    const tempo_status st = parse_alternatives(r, out);

    if (st == TEMPO_OK && !tempo_parser_take(r, ")"))
        return tempo_parser_malformed(r, "a group without )");
    return st;
}

/* (?imx-imx) or (?imx-imx:...): from the letters on.  Without a body the options hold for the rest of the
 * group. */
static tempo_status parse_options(tempo_parser *r, uint32_t *out)
{
    bool on = true;
    tempo_status st;

    for (; !tempo_parser_at_end(r) && r->p[r->i] != ':' && r->p[r->i] != ')'; r->i++) {
        switch (r->p[r->i]) {
        case '-':
            on = false;
            break;
        case 'i':
            r->ignore_case = on;
            break;
        case 'm':
            r->dot_all = on;
            break;
        case 'x':
            r->extended = on;
            break;
        default:
            return tempo_parser_unsupported(
                r, r->i, "groups of this kind (known are (?:, (?>, (?=, (?!, (?<=, (?<!, (?imx)");
        }
    }
    if (tempo_parser_take(r, ":"))
        return parse_body(r, out);
    if (!tempo_parser_take(r, ")"))
        return tempo_parser_malformed(r, "a group without )");
    st = parse_alternatives(r, out); /* what closes it is the caller's */
    return st;
}

static tempo_status parse_wrapped(tempo_parser *r, tempo_node_kind kind, bool negative, uint32_t *out)
{
    uint32_t child;
    tempo_status st = parse_body(r, &child);

    if (st == TEMPO_OK && (st = tempo_parser_add_node(r, kind, child, out)) == TEMPO_OK)
        r->t->nodes[*out].negative = negative;
    return st;
}

/* (?<name>...): the name goes by. */
static tempo_status skip_name(tempo_parser *r, char end)
{
    const char *close = memchr(r->p + r->i, end, r->n - r->i);

    if (close == NULL)
        return tempo_parser_malformed(r, "a group's name without an end");
    r->i = (size_t)(close - r->p) + 1;
    return TEMPO_OK;
}

/* What a parenthesis begins; it has been read. */
static tempo_status parse_group_inner(tempo_parser *r, uint32_t *out)
{
    tempo_status st;

    if (!tempo_parser_take(r, "?"))
        return tempo_parser_looks_at(r, "*") ? tempo_parser_unsupported(r, r->i, "callouts")
                                             : parse_body(r, out);
    if (tempo_parser_take(r, ":"))
        return parse_body(r, out);
    if (tempo_parser_take(r, ">"))
        return parse_wrapped(r, TEMPO_NODE_ATOMIC, false, out);
    if (tempo_parser_take(r, "="))
        return parse_wrapped(r, TEMPO_NODE_AHEAD, false, out);
    if (tempo_parser_take(r, "!"))
        return parse_wrapped(r, TEMPO_NODE_AHEAD, true, out);
    if (tempo_parser_take(r, "<="))
        return parse_wrapped(r, TEMPO_NODE_BEHIND, false, out);
    if (tempo_parser_take(r, "<!"))
        return parse_wrapped(r, TEMPO_NODE_BEHIND, true, out);
    if (tempo_parser_take(r, "#")) {
        st = skip_name(r, ')');
        return st == TEMPO_OK ? tempo_parser_add_node(r, TEMPO_NODE_EMPTY, 0, out) : st;
    }
    if (tempo_parser_take(r, "<") || tempo_parser_take(r, "'")) {
        st = skip_name(r, r->p[r->i - 1] == '<' ? '>' : '\'');
        return st == TEMPO_OK ? parse_body(r, out) : st;
    }
    return parse_options(r, out);
}

static tempo_status parse_group(tempo_parser *r, uint32_t *out)
{
    const tempo_parser before = *r;
    tempo_status st;

    if (++r->depth > TEMPO_REGEX_MAX_DEPTH)
        return tempo_fail(r->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "the pattern is nested deeper than %d",
                          TEMPO_REGEX_MAX_DEPTH);
    st = parse_group_inner(r, out);
    r->depth--;
    r->ignore_case = before.ignore_case;
    r->dot_all = before.dot_all;
    r->extended = before.extended;
    return st;
}

static tempo_status parse_atom(tempo_parser *r, uint32_t *out)
{
    tempo_chars s = {0};
    bool negative;
    tempo_status st;
    const uint32_t c = tempo_parser_take_char(r);

    switch (c) {
    case '(':
        return parse_group(r, out);
    case '[':
        if ((st = tempo_parser_class_body(r, &s, &negative)) == TEMPO_OK)
            return finish_set(r, &s, negative, out);
        tempo_chars_free(&s);
        return st;
    case '\\':
        return parse_escape(r, out);
    case '.':
        return add_any(r, r->dot_all, out);
    case '^':
        return add_anchor(r, TEMPO_ANCHOR_LINE_BEGIN, out);
    case '$':
        return add_anchor(r, TEMPO_ANCHOR_LINE_END, out);
    default:
        return add_char(r, c, out);
    }
}

/* ---- repetition ---- */

/* {n}, {n,}, {n,m}, {,m}; anything else in braces is text. */
static bool take_interval(tempo_parser *r, uint32_t *min, uint32_t *max)
{
    const size_t begin = r->i;
    size_t low = 0, high = 0;
    uint32_t n[2] = {0, 0};
    bool comma = false;

    r->i++;
    for (; !tempo_parser_at_end(r) && r->p[r->i] >= '0' && r->p[r->i] <= '9' && low < 7; r->i++, low++)
        n[0] = n[0] * 10 + (uint32_t)(r->p[r->i] - '0');
    if (tempo_parser_take(r, ",")) {
        comma = true;
        for (; !tempo_parser_at_end(r) && r->p[r->i] >= '0' && r->p[r->i] <= '9' && high < 7; r->i++, high++)
            n[1] = n[1] * 10 + (uint32_t)(r->p[r->i] - '0');
    }
    if ((low == 0 && high == 0) || !tempo_parser_take(r, "}")) {
        r->i = begin;
        return false;
    }
    *min = n[0];
    *max = !comma ? n[0] : high > 0 ? n[1] : TEMPO_REGEX_FOREVER;
    return true;
}

/* The quantifier that stands here, if one does. */
static bool take_quantifier(tempo_parser *r, uint32_t *min, uint32_t *max, tempo_greed *greed)
{
    const char c = tempo_parser_at_end(r) ? '\0' : r->p[r->i];

    *greed = TEMPO_GREEDY;
    if (c == '{') {
        if (!take_interval(r, min, max))
            return false;
        if (*min == *max) /* {n}? is an optional {n}, not a lazy one */
            return true;
    } else if (c == '*' || c == '+' || c == '?') {
        *min = c == '+';
        *max = c == '?' ? 1 : TEMPO_REGEX_FOREVER;
        r->i++;
        if (tempo_parser_take(r, "+")) {
            *greed = TEMPO_POSSESSIVE;
            return true;
        }
    } else {
        return false;
    }
    if (tempo_parser_take(r, "?"))
        *greed = TEMPO_LAZY;
    return true;
}

static tempo_status parse_repeats(tempo_parser *r, uint32_t *atom)
{
    uint32_t min, max;
    tempo_greed greed;
    size_t nested = 0;
    tempo_status st = TEMPO_OK;

    while (st == TEMPO_OK && take_quantifier(r, &min, &max, &greed)) {
        const uint32_t child = *atom;
        if (++nested > 8)
            return tempo_fail(r->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                              "the pattern, byte %zu: more than 8 quantifiers of one thing", r->i);
        if (min > max)
            return tempo_parser_unsupported(r, r->i, "intervals that run backwards");
        if (min > TEMPO_REGEX_MAX_REPEAT || (max > TEMPO_REGEX_MAX_REPEAT && max != TEMPO_REGEX_FOREVER))
            return tempo_fail(r->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                              "the pattern, byte %zu: more than %d repetitions", r->i,
                              TEMPO_REGEX_MAX_REPEAT);
        if ((st = tempo_parser_add_node(r, TEMPO_NODE_REPEAT, child, atom)) == TEMPO_OK) {
            tempo_node *node = &r->t->nodes[*atom];
            node->min = min;
            node->max = max;
            node->greed = (uint8_t)greed;
        }
    }
    return st;
}

/* ---- sequences and alternatives ---- */

/* White space and comments of (?x). */
static void skip_extended(tempo_parser *r)
{
    while (r->extended && !tempo_parser_at_end(r)) {
        const char c = r->p[r->i];
        if (c == '#')
            while (!tempo_parser_at_end(r) && r->p[r->i] != '\n')
                r->i++;
        else if (c == ' ' || (c >= '\t' && c <= '\r'))
            r->i++;
        else
            break;
    }
}

static void append(tempo_parser *r, uint32_t *first, uint32_t *last, uint32_t atom)
{
    if (*first == 0)
        *first = atom;
    else
        r->t->nodes[*last].next = atom;
    *last = atom;
}

/* The atoms from first to last, which are none where first is 0. */
static tempo_status sequence_of(tempo_parser *r, uint32_t first, uint32_t last, uint32_t *out)
{
    if (first == 0)
        return tempo_parser_add_node(r, TEMPO_NODE_EMPTY, 0, out);
    *out = first;
    return first == last ? TEMPO_OK : tempo_parser_add_node(r, TEMPO_NODE_SEQUENCE, first, out);
}

static tempo_status parse_sequence(tempo_parser *r, uint32_t *out)
{
    uint32_t first = 0, last = 0, atom;
    tempo_status st;

    for (skip_extended(r); !tempo_parser_at_end(r) && r->p[r->i] != '|' && r->p[r->i] != ')';
         skip_extended(r)) {
        const char c = r->p[r->i];
        if (c == '*' || c == '+' || c == '?')
            return tempo_parser_malformed(r, "nothing to repeat");
        if ((st = parse_atom(r, &atom)) != TEMPO_OK)
            return st;
        skip_extended(r);
        if ((st = parse_repeats(r, &atom)) != TEMPO_OK)
            return st;
        append(r, &first, &last, atom);
    }
    return sequence_of(r, first, last, out);
}

static tempo_status parse_alternatives(tempo_parser *r, uint32_t *out)
{
    uint32_t first, last, next;
    tempo_status st = parse_sequence(r, &first);

    last = first;
    if (st != TEMPO_OK || !tempo_parser_looks_at(r, "|")) {
        *out = first;
        return st;
    }
    while (tempo_parser_take(r, "|")) {
        if ((st = parse_sequence(r, &next)) != TEMPO_OK)
            return st;
        r->t->nodes[last].next = next;
        last = next;
    }
    return tempo_parser_add_node(r, TEMPO_NODE_CHOICE, first, out);
}

/* ---- the whole ---- */

static bool add_range(void *with, uint32_t first, uint32_t last)
{
    return tempo_chars_add(with, first, last);
}

/* The kinds that are one set. */
static tempo_status parse_kind(const tempo_parser *r, tempo_regex_kind kind, uint32_t *out)
{
    static const tempo_range ascii[] = {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}};
    tempo_chars s = {0};
    bool ok;

    if (kind == TEMPO_REGEX_NUMERIC) {
        ok = tempo_unicode_each_numeric(add_range, &s);
    } else {
        ok = tempo_unicode_each_punctuation(add_range, &s);
        for (size_t i = 0; i < sizeof(ascii) / sizeof(*ascii); i++)
            ok = ok && tempo_chars_add(&s, ascii[i].first, ascii[i].last);
    }
    tempo_chars_tidy(&s);
    if (ok)
        return tempo_parser_add_set(r, &s, out);
    tempo_chars_free(&s);
    return tempo_parser_no_memory(r);
}

static tempo_status parse_literal(tempo_parser *r, uint32_t *out)
{
    uint32_t first = 0, last = 0, atom;
    tempo_status st;

    while (!tempo_parser_at_end(r)) {
        if ((st = add_char(r, tempo_parser_take_char(r), &atom)) != TEMPO_OK)
            return st;
        append(r, &first, &last, atom);
    }
    return sequence_of(r, first, last, out);
}

tempo_status tempo_regex_parse(tempo_tree *t, const char *pattern, size_t n, tempo_regex_kind kind,
                               tempo_err *err)
{
    tempo_parser r = {.p = pattern, .n = n, .t = t, .err = err};
    tempo_status st;

    *t = (tempo_tree){0};
    if (n > TEMPO_REGEX_MAX_PATTERN)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "a pattern of %zu bytes, the limit is %d", n,
                          TEMPO_REGEX_MAX_PATTERN);
    if (kind == TEMPO_REGEX_LITERAL)
        st = parse_literal(&r, &t->root);
    else if (kind != TEMPO_REGEX)
        st = parse_kind(&r, kind, &t->root);
    else if ((st = parse_alternatives(&r, &t->root)) == TEMPO_OK && !tempo_parser_at_end(&r))
        st = tempo_parser_malformed(&r, ") without a group");
    if (st != TEMPO_OK)
        tempo_tree_free(t);
    return st;
}
