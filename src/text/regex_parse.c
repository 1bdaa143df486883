/* regex_parse.c - a pattern to its tree.  Source: Oniguruma's doc/RE, its own syntax. */
#include <stdlib.h>
#include <string.h>

#include "text/regex_parts.h"

typedef struct parser {
    const char *p; /* [n] */
    size_t n, i;
    size_t depth;
    bool ignore_case, dot_all, extended;
    tempo_tree *t;
    tempo_err *err;
} parser;

/* ---- failures ---- */

static tempo_status malformed(const parser *r, const char *what)
{
    return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "the pattern, byte %zu: %s", r->i, what);
}

static tempo_status unsupported(const parser *r, size_t at, const char *what)
{
    return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                      "the pattern, byte %zu: %s are not supported", at, what);
}

static tempo_status out_of_memory(const parser *r)
{
    return tempo_fail(r->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a pattern");
}

/* ---- the tree ---- */

static tempo_status add_node(const parser *r, tempo_node_kind kind, uint32_t child, uint32_t *out)
{
    tempo_tree *t = r->t;

    if (t->n == t->cap) {
        const size_t cap = t->cap == 0 ? 64 : 2 * t->cap;
        tempo_node *p = cap <= TEMPO_REGEX_MAX_NODES ? realloc(t->nodes, cap * sizeof(*p)) : NULL;
        if (p == NULL)
            return cap <= TEMPO_REGEX_MAX_NODES
                       ? out_of_memory(r)
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
static tempo_status add_set(const parser *r, tempo_chars *s, uint32_t *out)
{
    tempo_tree *t = r->t;
    const tempo_status st = add_node(r, TEMPO_NODE_SET, 0, out);
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
                       ? out_of_memory(r)
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

/* ---- reading ---- */

static bool at_end(const parser *r)
{
    return r->i >= r->n;
}

static bool looking_at(const parser *r, const char *s)
{
    const size_t n = strlen(s);

    return r->n - r->i >= n && memcmp(r->p + r->i, s, n) == 0;
}

static bool take(parser *r, const char *s)
{
    if (!looking_at(r, s))
        return false;
    r->i += strlen(s);
    return true;
}

static uint32_t take_char(parser *r)
{
    size_t len;
    const uint32_t c = tempo_utf8_read(r->p + r->i, &len);

    r->i += len;
    return c;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* Up to `most` digits of base 8 or 16; returns how many there were. */
static size_t take_number(parser *r, int base, size_t most, uint32_t *out)
{
    size_t n = 0;

    *out = 0;
    for (int d; n < most && !at_end(r) && (d = hex_digit(r->p[r->i])) >= 0 && d < base; n++) {
        *out = *out * (uint32_t)base + (uint32_t)d;
        r->i++;
    }
    return n;
}

static tempo_status take_code(parser *r, char letter, uint32_t *c)
{
    const bool braces = letter != 'u' && take(r, "{");
    const size_t n = take_number(r, 16, braces ? 8 : letter == 'u' ? 4 : 2, c);

    if ((braces && (n == 0 || !take(r, "}"))) || (letter == 'u' && n != 4))
        return malformed(r, "hexadecimal digits expected");
    if (*c > TEMPO_UNICODE_LAST || (*c >= 0xd800 && *c < 0xe000))
        return malformed(r, "no character has this code");
    return TEMPO_OK;
}

/* A character that is written with a backslash, which has been read; *known is false (and nothing read) for
 * what is no single character.  */
static tempo_status take_escape(parser *r, uint32_t *c, bool *known)
{
    static const char letters[] = "tnrfvae", codes[] = "\t\n\r\f\v\a\x1b";
    const size_t begin = r->i;
    const uint32_t letter = take_char(r);
    const char *at = letter < 0x80 && letter != 0 ? strchr(letters, (int)letter) : NULL;

    *known = true;
    if (at != NULL) {
        *c = (unsigned char)codes[at - letters];
        return TEMPO_OK;
    }
    if (letter == 'x' || letter == 'u')
        return take_code(r, (char)letter, c);
    if (letter == '0') {
        (void)take_number(r, 8, 2, c);
        return TEMPO_OK;
    }
    *known = letter >= 0x80 || strchr("wWsSdDhHpPRXNOAzZGbByYKkgcCM123456789", (int)letter) == NULL;
    if ((letter == 'p' || letter == 'P') && !looking_at(r, "{"))
        *known = true;
    *c = letter;
    if (!*known)
        r->i = begin;
    return TEMPO_OK;
}

/* \p{Name}, \p{^Name}, \P{Name}: from the letter on. */
static tempo_status take_property(parser *r, tempo_chars *s)
{
    const size_t begin = r->i;
    bool negative = r->p[r->i] == 'P', known;

    r->i += 2;
    if (take(r, "^"))
        negative = !negative;
    const char *name = r->p + r->i, *end = memchr(name, '}', r->n - r->i);
    if (end == NULL)
        return malformed(r, "\\p{ without }");
    const size_t n = (size_t)(end - name);
    if (!tempo_regex_property(s, name, n, false, &known))
        return out_of_memory(r);
    if (!known)
        return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "the pattern, byte %zu: the property \"%.*s\" is not supported", begin,
                          (int)(n < 64 ? n : 64), name);
    r->i += n + 1;
    return !negative || tempo_chars_invert(s) ? TEMPO_OK : out_of_memory(r);
}

/* ---- classes ---- */

static tempo_status parse_class(parser *r, tempo_chars *out);

/* [:name:] or [:^name:] if it is one; *found. */
static tempo_status take_posix(parser *r, tempo_chars *s, bool *found)
{
    const size_t begin = r->i;
    bool known = false;

    *found = false;
    if (!take(r, "[:"))
        return TEMPO_OK;
    const bool negative = take(r, "^");
    size_t n = 0;
    while (r->i + n < r->n && ((r->p[r->i + n] | 0x20) >= 'a' && (r->p[r->i + n] | 0x20) <= 'z'))
        n++;
    const char *name = r->p + r->i;
    r->i += n;
    if (n > 0 && take(r, ":]")) {
        if (!tempo_regex_property(s, name, n, true, &known) || (known && negative && !tempo_chars_invert(s)))
            return out_of_memory(r);
        *found = known;
    }
    if (!*found)
        r->i = begin;
    return TEMPO_OK;
}

/* One thing of a class: a character (*single) or a set. */
static tempo_status take_member(parser *r, tempo_chars *s, uint32_t *c, bool *single)
{
    bool known;
    tempo_status st;

    *single = false;
    if (looking_at(r, "[")) {
        if ((st = take_posix(r, s, &known)) != TEMPO_OK || known)
            return st;
        r->i++;
        return parse_class(r, s);
    }
    *single = true;
    if (!take(r, "\\")) {
        *c = take_char(r);
        return TEMPO_OK;
    }
    if (at_end(r))
        return malformed(r, "\\ at the end");
    if ((st = take_escape(r, c, &known)) != TEMPO_OK || known)
        return st;
    *single = false;
    const char letter = r->p[r->i];
    if (letter == 'p' || letter == 'P')
        return take_property(r, s);
    if (strchr("wWsSdDhH", letter) != NULL) {
        r->i++;
        return tempo_regex_shorthand(s, letter, true) ? TEMPO_OK : out_of_memory(r);
    }
    if (letter == 'b' || (letter >= '1' && letter <= '7')) { /* in a class: backspace, an octal code */
        *single = true;
        *c = '\b';
        if (letter == 'b')
            r->i++;
        else
            (void)take_number(r, 8, 3, c);
        return TEMPO_OK;
    }
    if (strchr("cCM", letter) != NULL)
        return unsupported(r, r->i, "control and meta characters (\\c, \\C-, \\M-)");
    *single = true;
    *c = take_char(r);
    return TEMPO_OK;
}

/* The members up to "&&" or "]". */
static tempo_status parse_members(parser *r, tempo_chars *s, bool first)
{
    tempo_status st = TEMPO_OK;

    for (; st == TEMPO_OK && !at_end(r) && !looking_at(r, "&&"); first = false) {
        tempo_chars member = {0};
        uint32_t c = 0, last;
        bool single = false, ok = true;
        if (looking_at(r, "]") && !(first && memchr(r->p + r->i + 1, ']', r->n - r->i - 1) != NULL))
            break; /* as the first of a class it stands for itself */
        st = take_member(r, &member, &c, &single);
        last = c;
        if (st == TEMPO_OK && single && looking_at(r, "-") && r->n - r->i > 1 && r->p[r->i + 1] != ']') {
            const size_t dash = r->i++;
            bool end_single;
            st = take_member(r, &member, &last, &end_single);
            if (st == TEMPO_OK && !end_single) { /* [a-\d]: a dash */
                ok = tempo_chars_add(s, '-', '-');
                last = c;
            } else if (st == TEMPO_OK && last < c) {
                r->i = dash;
                st = malformed(r, "a range that runs backwards");
            }
        }
        if (st == TEMPO_OK && single)
            ok = ok && tempo_chars_add(s, c, last);
        if (st == TEMPO_OK && (!ok || !tempo_chars_add_set(s, &member)))
            st = out_of_memory(r);
        tempo_chars_free(&member);
    }
    tempo_chars_tidy(s);
    return st;
}

/* From behind the bracket to behind the closing one; negation not yet done: *negative.  Folded where case is
 * ignored, if it is the outermost.  */
static tempo_status parse_class_body(parser *r, tempo_chars *out, bool *negative)
{
    tempo_status st;
    bool first = true;

    *negative = take(r, "^");
    do {
        tempo_chars part = {0};
        st = parse_members(r, &part, first);
        if (first) {
            *out = part;
        } else {
            if (st == TEMPO_OK && !tempo_chars_intersect(out, &part))
                st = out_of_memory(r);
            tempo_chars_free(&part);
        }
        first = false;
    } while (st == TEMPO_OK && take(r, "&&"));
    if (st == TEMPO_OK && !take(r, "]"))
        st = malformed(r, "a class without ]");
    return st;
}

/* A class within a class. */
static tempo_status parse_class(parser *r, tempo_chars *out)
{
    tempo_chars s = {0};
    bool negative = false;
    tempo_status st;

    if (++r->depth > TEMPO_REGEX_MAX_DEPTH)
        return tempo_fail(r->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "the pattern is nested deeper than %d",
                          TEMPO_REGEX_MAX_DEPTH);
    st = parse_class_body(r, &s, &negative);
    if (st == TEMPO_OK && ((negative && !tempo_chars_invert(&s)) || !tempo_chars_add_set(out, &s)))
        st = out_of_memory(r);
    tempo_chars_tidy(out);
    tempo_chars_free(&s);
    r->depth--;
    return st;
}

/* ---- atoms ---- */

static tempo_status finish_set(const parser *r, tempo_chars *s, bool negative, uint32_t *out)
{
    tempo_chars_tidy(s);
    if ((r->ignore_case && !tempo_chars_close_case(s)) || (negative && !tempo_chars_invert(s))) {
        tempo_chars_free(s);
        return out_of_memory(r);
    }
    return add_set(r, s, out);
}

static tempo_status add_char(const parser *r, uint32_t c, uint32_t *out)
{
    tempo_chars s = {0};

    return tempo_chars_add(&s, c, c) ? finish_set(r, &s, false, out) : out_of_memory(r);
}

static tempo_status add_anchor(const parser *r, tempo_anchor a, uint32_t *out)
{
    const tempo_status st = add_node(r, TEMPO_NODE_ANCHOR, 0, out);

    if (st == TEMPO_OK)
        r->t->nodes[*out].value = a;
    return st;
}

/* Everything, or everything but a line feed. */
static tempo_status add_any(const parser *r, bool line_feed, uint32_t *out)
{
    tempo_chars s = {0};

    if (!(line_feed || (tempo_chars_add(&s, '\n', '\n'))) || !tempo_chars_invert(&s))
        return out_of_memory(r);
    return add_set(r, &s, out);
}

/* \R: CR LF, or one character that ends a line. */
static tempo_status add_newline(const parser *r, uint32_t *out)
{
    tempo_chars s = {0};
    uint32_t cr, lf, both, one, choice;
    tempo_status st;

    if ((st = add_char(r, '\r', &cr)) != TEMPO_OK || (st = add_char(r, '\n', &lf)) != TEMPO_OK ||
        (st = add_node(r, TEMPO_NODE_SEQUENCE, cr, &both)) != TEMPO_OK)
        return st;
    r->t->nodes[cr].next = lf;
    if (!tempo_chars_add(&s, '\n', '\r') || !tempo_chars_add(&s, 0x85, 0x85) ||
        !tempo_chars_add(&s, 0x2028, 0x2029)) {
        tempo_chars_free(&s);
        return out_of_memory(r);
    }
    if ((st = add_set(r, &s, &one)) != TEMPO_OK ||
        (st = add_node(r, TEMPO_NODE_CHOICE, both, &choice)) != TEMPO_OK)
        return st;
    r->t->nodes[both].next = one;
    return add_node(r, TEMPO_NODE_ATOMIC, choice, out);
}

static tempo_status add_shorthand(const parser *r, char letter, uint32_t *out)
{
    tempo_chars s = {0};

    if (tempo_regex_shorthand(&s, letter, false))
        return add_set(r, &s, out);
    tempo_chars_free(&s);
    return out_of_memory(r);
}

/* What a backslash begins; it has been read. */
static tempo_status parse_escape(parser *r, uint32_t *out)
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

    if (at_end(r))
        return malformed(r, "\\ at the end");
    if ((st = take_escape(r, &c, &known)) != TEMPO_OK)
        return st;
    if (known)
        return add_char(r, c, out);
    const char letter = r->p[r->i];
    if (letter == 'p' || letter == 'P') {
        if ((st = take_property(r, &s)) == TEMPO_OK)
            return add_set(r, &s, out);
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
    return unsupported(r, begin,
                       letter == 'X' || (letter | 0x20) == 'y'             ? "text segments (\\X, \\y)"
                       : letter == 'K'                                     ? "patterns with \\K"
                       : letter == 'k' || (letter >= '1' && letter <= '9') ? "back references"
                       : letter == 'g'                                     ? "subexpression calls (\\g)"
                                       : "control and meta characters (\\c, \\C-, \\M-)");
}

static tempo_status parse_alternatives(parser *r, uint32_t *out);

/* A group's body, and the parenthesis that closes it. */
static tempo_status parse_body(parser *r, uint32_t *out)
{
    const tempo_status st = parse_alternatives(r, out);

    if (st == TEMPO_OK && !take(r, ")"))
        return malformed(r, "a group without )");
    return st;
}

/* (?imx-imx) or (?imx-imx:...): from the letters on.  Without a body the options hold for the rest of the
 * group. */
static tempo_status parse_options(parser *r, uint32_t *out)
{
    bool on = true;
    tempo_status st;

    for (; !at_end(r) && r->p[r->i] != ':' && r->p[r->i] != ')'; r->i++) {
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
            return unsupported(r, r->i,
                               "groups of this kind (known are (?:, (?>, (?=, (?!, (?<=, (?<!, (?imx)");
        }
    }
    if (take(r, ":"))
        return parse_body(r, out);
    if (!take(r, ")"))
        return malformed(r, "a group without )");
    st = parse_alternatives(r, out); /* what closes it is the caller's */
    return st;
}

static tempo_status parse_wrapped(parser *r, tempo_node_kind kind, bool negative, uint32_t *out)
{
    uint32_t child;
    tempo_status st = parse_body(r, &child);

    if (st == TEMPO_OK && (st = add_node(r, kind, child, out)) == TEMPO_OK)
        r->t->nodes[*out].negative = negative;
    return st;
}

/* (?<name>...): the name goes by. */
static tempo_status skip_name(parser *r, char end)
{
    const char *close = memchr(r->p + r->i, end, r->n - r->i);

    if (close == NULL)
        return malformed(r, "a group's name without an end");
    r->i = (size_t)(close - r->p) + 1;
    return TEMPO_OK;
}

/* What a parenthesis begins; it has been read. */
static tempo_status parse_group_inner(parser *r, uint32_t *out)
{
    tempo_status st;

    if (!take(r, "?"))
        return looking_at(r, "*") ? unsupported(r, r->i, "callouts") : parse_body(r, out);
    if (take(r, ":"))
        return parse_body(r, out);
    if (take(r, ">"))
        return parse_wrapped(r, TEMPO_NODE_ATOMIC, false, out);
    if (take(r, "="))
        return parse_wrapped(r, TEMPO_NODE_AHEAD, false, out);
    if (take(r, "!"))
        return parse_wrapped(r, TEMPO_NODE_AHEAD, true, out);
    if (take(r, "<="))
        return parse_wrapped(r, TEMPO_NODE_BEHIND, false, out);
    if (take(r, "<!"))
        return parse_wrapped(r, TEMPO_NODE_BEHIND, true, out);
    if (take(r, "#")) {
        st = skip_name(r, ')');
        return st == TEMPO_OK ? add_node(r, TEMPO_NODE_EMPTY, 0, out) : st;
    }
    if (take(r, "<") || take(r, "'")) {
        st = skip_name(r, r->p[r->i - 1] == '<' ? '>' : '\'');
        return st == TEMPO_OK ? parse_body(r, out) : st;
    }
    return parse_options(r, out);
}

static tempo_status parse_group(parser *r, uint32_t *out)
{
    const parser before = *r;
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

static tempo_status parse_atom(parser *r, uint32_t *out)
{
    tempo_chars s = {0};
    bool negative;
    tempo_status st;
    const uint32_t c = take_char(r);

    switch (c) {
    case '(':
        return parse_group(r, out);
    case '[':
        if ((st = parse_class_body(r, &s, &negative)) == TEMPO_OK)
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
static bool take_interval(parser *r, uint32_t *min, uint32_t *max)
{
    const size_t begin = r->i;
    size_t low = 0, high = 0;
    uint32_t n[2] = {0, 0};
    bool comma = false;

    r->i++;
    for (; !at_end(r) && r->p[r->i] >= '0' && r->p[r->i] <= '9' && low < 7; r->i++, low++)
        n[0] = n[0] * 10 + (uint32_t)(r->p[r->i] - '0');
    if (take(r, ",")) {
        comma = true;
        for (; !at_end(r) && r->p[r->i] >= '0' && r->p[r->i] <= '9' && high < 7; r->i++, high++)
            n[1] = n[1] * 10 + (uint32_t)(r->p[r->i] - '0');
    }
    if ((low == 0 && high == 0) || !take(r, "}")) {
        r->i = begin;
        return false;
    }
    *min = n[0];
    *max = !comma ? n[0] : high > 0 ? n[1] : TEMPO_REGEX_FOREVER;
    return true;
}

/* The quantifier that stands here, if one does. */
static bool take_quantifier(parser *r, uint32_t *min, uint32_t *max, tempo_greed *greed)
{
    const char c = at_end(r) ? '\0' : r->p[r->i];

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
        if (take(r, "+")) {
            *greed = TEMPO_POSSESSIVE;
            return true;
        }
    } else {
        return false;
    }
    if (take(r, "?"))
        *greed = TEMPO_LAZY;
    return true;
}

static tempo_status parse_repeats(parser *r, uint32_t *atom)
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
            return unsupported(r, r->i, "intervals that run backwards");
        if (min > TEMPO_REGEX_MAX_REPEAT || (max > TEMPO_REGEX_MAX_REPEAT && max != TEMPO_REGEX_FOREVER))
            return tempo_fail(r->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                              "the pattern, byte %zu: more than %d repetitions", r->i,
                              TEMPO_REGEX_MAX_REPEAT);
        if ((st = add_node(r, TEMPO_NODE_REPEAT, child, atom)) == TEMPO_OK) {
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
static void skip_extended(parser *r)
{
    while (r->extended && !at_end(r)) {
        const char c = r->p[r->i];
        if (c == '#')
            while (!at_end(r) && r->p[r->i] != '\n')
                r->i++;
        else if (c == ' ' || (c >= '\t' && c <= '\r'))
            r->i++;
        else
            break;
    }
}

static tempo_status parse_sequence(parser *r, uint32_t *out)
{
    uint32_t first = 0, last = 0, atom;
    tempo_status st;

    for (skip_extended(r); !at_end(r) && r->p[r->i] != '|' && r->p[r->i] != ')'; skip_extended(r)) {
        const char c = r->p[r->i];
        if (c == '*' || c == '+' || c == '?')
            return malformed(r, "nothing to repeat");
        if ((st = parse_atom(r, &atom)) != TEMPO_OK)
            return st;
        skip_extended(r);
        if ((st = parse_repeats(r, &atom)) != TEMPO_OK)
            return st;
        if (first == 0)
            first = atom;
        else
            r->t->nodes[last].next = atom;
        last = atom;
    }
    if (first == 0)
        return add_node(r, TEMPO_NODE_EMPTY, 0, out);
    if (first == last) {
        *out = first;
        return TEMPO_OK;
    }
    return add_node(r, TEMPO_NODE_SEQUENCE, first, out);
}

static tempo_status parse_alternatives(parser *r, uint32_t *out)
{
    uint32_t first, last, next;
    tempo_status st = parse_sequence(r, &first);

    last = first;
    if (st != TEMPO_OK || !looking_at(r, "|")) {
        *out = first;
        return st;
    }
    while (take(r, "|")) {
        if ((st = parse_sequence(r, &next)) != TEMPO_OK)
            return st;
        r->t->nodes[last].next = next;
        last = next;
    }
    return add_node(r, TEMPO_NODE_CHOICE, first, out);
}

/* ---- the whole ---- */

static bool add_range(void *with, uint32_t first, uint32_t last)
{
    return tempo_chars_add(with, first, last);
}

/* The kinds that are one set. */
static tempo_status parse_kind(const parser *r, tempo_regex_kind kind, uint32_t *out)
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
        return add_set(r, &s, out);
    tempo_chars_free(&s);
    return out_of_memory(r);
}

static tempo_status parse_literal(parser *r, uint32_t *out)
{
    uint32_t first = 0, last = 0, atom;
    tempo_status st;

    while (!at_end(r)) {
        if ((st = add_char(r, take_char(r), &atom)) != TEMPO_OK)
            return st;
        if (first == 0)
            first = atom;
        else
            r->t->nodes[last].next = atom;
        last = atom;
    }
    return first != 0 ? add_node(r, TEMPO_NODE_SEQUENCE, first, out) : add_node(r, TEMPO_NODE_EMPTY, 0, out);
}

tempo_status tempo_regex_parse(tempo_tree *t, const char *pattern, size_t n, tempo_regex_kind kind,
                               tempo_err *err)
{
    parser r = {.p = pattern, .n = n, .t = t, .err = err};
    tempo_status st;

    *t = (tempo_tree){0};
    if (n > TEMPO_REGEX_MAX_PATTERN)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "a pattern of %zu bytes, the limit is %d", n,
                          TEMPO_REGEX_MAX_PATTERN);
    if (kind == TEMPO_REGEX_LITERAL)
        st = parse_literal(&r, &t->root);
    else if (kind != TEMPO_REGEX)
        st = parse_kind(&r, kind, &t->root);
    else if ((st = parse_alternatives(&r, &t->root)) == TEMPO_OK && !at_end(&r))
        st = malformed(&r, ") without a group");
    if (st != TEMPO_OK)
        tempo_tree_free(t);
    return st;
}
