/* lex.c - template text to lexemes.  Source: Jinja2's lexer, with trim_blocks (the line end after a
 * block tag goes) and lstrip_blocks (the white space before one goes, if nothing else stands before it on its
 * line).  */
#include <string.h>

#include "base/text.h"
#include "chat/template/state.h"
#include "chat/template/text.h"

enum { MAX_BRACKETS = TEMPO_CHAT_MAX_NESTING };

typedef struct lexer {
    tempo_chat_program *p;
    const char *s; /* [n] */
    size_t n, i;
    tempo_chat_lexeme *out;
    size_t n_out, cap;
    char brackets[MAX_BRACKETS]; /* closers that are due */
    size_t n_brackets;
    bool line_begins; /* what was read last ended a line */
    tempo_err *err;
} lexer;

static tempo_status push(lexer *x, tempo_chat_lexeme lexeme)
{
    if (x->n_out == x->cap) {
        const size_t cap = x->cap == 0 ? 256 : 2 * x->cap;
        tempo_chat_lexeme *p = tempo_chat_alloc(&x->p->heap, cap * sizeof(*p));
        if (p == NULL)
            return x->p->heap.failed;
        if (x->n_out > 0)
            memcpy(p, x->out, x->n_out * sizeof(*p));
        x->out = p;
        x->cap = cap;
    }
    x->out[x->n_out++] = lexeme;
    return TEMPO_OK;
}

static tempo_chat_str span(const lexer *x, size_t begin, size_t end)
{
    return (tempo_chat_str){x->s + begin, NULL, end - begin};
}

/* s[begin, i) */
static tempo_status push_span(lexer *x, tempo_chat_lexeme_type type, size_t begin, int64_t number)
{
    return push(x, (tempo_chat_lexeme){type, (uint32_t)begin, span(x, begin, x->i), {number}});
}

/* Valid, but not for us: said when it is reached. */
static tempo_status push_refused(lexer *x, size_t begin, const char *what)
{
    return push(x, (tempo_chat_lexeme){TEMPO_LEX_REFUSED, (uint32_t)begin, tempo_chat_literal(what), {0}});
}

static bool follows(const lexer *x, size_t at, const char *text)
{
    const size_t n = strlen(text);

    return n <= x->n - at && memcmp(x->s + at, text, n) == 0;
}

/* ---- strings ---- */

/* \xHH, \uHHHH, \UHHHHHHHH, \ooo: the escape's digits at *i become a character at out, whose bytes are
 * counted. */
static bool numeric_escape(const char *s, size_t end, size_t *i, char kind, char *out, size_t *n)
{
    const size_t most = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 3;
    const int base = kind == '0' ? 8 : 16;
    uint32_t c = 0;
    size_t k = 0;

    for (; k < most && *i < end; k++, (*i)++) {
        const int v = tempo_hex_digit(s[*i]);
        if (v < 0 || v >= base)
            break;
        c = c * (uint32_t)base + (uint32_t)v;
    }
    if ((kind != '0' && k < most) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return false;
    *n += tempo_utf8_write(out + *n, c);
    return true;
}

/* s[i] follows a backslash. */
static bool escape(const char *s, size_t end, size_t *i, char *out, size_t *n)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char c = s[(*i)++], *known = c != '\0' ? strchr(from, c) : NULL;

    if (known != NULL) {
        out[(*n)++] = to[known - from];
    } else if (c == 'x' || c == 'u' || c == 'U') {
        return numeric_escape(s, end, i, c, out, n);
    } else if (c >= '0' && c <= '7') {
        --*i;
        return numeric_escape(s, end, i, '0', out, n);
    } else if (c == 'N') {
        return false;
    } else if (c != '\n') { /* not an escape: both stay */
        out[(*n)++] = '\\';
        out[(*n)++] = c;
    }
    return true;
}

static tempo_status lex_string(lexer *x)
{
    const size_t begin = x->i;
    size_t end = begin + 1, n = 0;

    while (end < x->n && x->s[end] != x->s[begin])
        end += x->s[end] == '\\' && end + 1 < x->n ? 2 : 1;
    if (end >= x->n)
        return tempo_chat_fail(x->p, begin, TEMPO_E_FORMAT, x->err, "a string without an end");
    char *out = tempo_chat_alloc(&x->p->heap, end - begin);
    if (out == NULL)
        return x->p->heap.failed;
    x->i = end + 1;
    for (size_t i = begin + 1; i < end;) {
        const size_t at = i;
        if (x->s[i] != '\\')
            out[n++] = x->s[i++];
        else if (i++, !escape(x->s, end, &i, out, &n)) {
            if (x->s[at + 1] == 'N')
                return push_refused(x, at, "the escape \\N in a string");
            return tempo_chat_fail(x->p, at, TEMPO_E_FORMAT, x->err,
                                   "the escape \\%c in a string names no character", x->s[at + 1]);
        }
    }
    return push(x, (tempo_chat_lexeme){TEMPO_LEX_STRING, (uint32_t)begin, {out, NULL, n}, {0}});
}

/* ---- numbers and names ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits from i on, with single _ between them; gives where they end. */
static size_t skip_digits(const lexer *x, size_t i)
{
    while (i < x->n && (is_digit(x->s[i]) ||
                        (x->s[i] == '_' && i + 1 < x->n && is_digit(x->s[i + 1]) && is_digit(x->s[i - 1]))))
        i++;
    return i;
}

/* The end of a float that begins at i, or 0. */
static size_t float_end(const lexer *x, size_t i)
{
    const size_t whole = skip_digits(x, i);
    size_t end = whole, exponent;

    if (i > 0 && x->s[i - 1] == '.') /* x.0.1 */
        return 0;
    if (end + 1 < x->n && x->s[end] == '.' && is_digit(x->s[end + 1]))
        end = skip_digits(x, end + 1);
    exponent = end + 1;
    if (end < x->n && (x->s[end] == 'e' || x->s[end] == 'E')) {
        exponent += exponent < x->n && (x->s[exponent] == '+' || x->s[exponent] == '-');
        if (exponent < x->n && is_digit(x->s[exponent]))
            return skip_digits(x, exponent);
    }
    return end > whole ? end : 0;
}

/* 0b, 0o, 0x with digits of that base; gives the end, or 0, and then *base is as it was. */
static size_t based_end(const lexer *x, size_t i, int *base)
{
    static const char letters[] = "bBoOxX";
    const char *letter =
        i + 1 < x->n && x->s[i] == '0' && x->s[i + 1] != '\0' ? strchr(letters, x->s[i + 1]) : NULL;
    static const int bases[] = {2, 8, 16};
    size_t end = i + 2;

    if (letter == NULL)
        return 0;
    const int of = bases[(letter - letters) / 2];
    for (; end < x->n; end++) {
        const size_t digit = end + (x->s[end] == '_');
        const int v = digit < x->n ? tempo_hex_digit(x->s[digit]) : -1;
        if (v < 0 || v >= of)
            break;
        end = digit;
    }
    if (end == i + 2)
        return 0;
    *base = of;
    return end;
}

static tempo_status lex_number(lexer *x)
{
    const size_t begin = x->i, fraction = float_end(x, begin);
    int base = 10;
    int64_t v = 0;
    double f = 0;
    bool big = false;

    if (fraction > 0) {
        x->i = fraction;
        if (!tempo_chat_parse_float(span(x, begin, x->i), &f))
            return tempo_chat_fail(x->p, begin, TEMPO_E_FORMAT, x->err, "this is no number");
        return push(
            x, (tempo_chat_lexeme){
                   .type = TEMPO_LEX_FLOAT, .at = (uint32_t)begin, .text = span(x, begin, x->i), .f = f});
    }
    x->i = based_end(x, begin, &base);
    if (x->i == 0 && x->s[begin] == '0') /* further digits are another number, to Jinja2, too */
        for (x->i = begin + 1; x->i < x->n && (x->s[x->i] == '0' || follows(x, x->i, "_0"));)
            x->i += x->s[x->i] == '0' ? 1 : 2;
    else if (x->i == 0)
        x->i = skip_digits(x, begin);
    if (!tempo_chat_parse_int(span(x, begin, x->i), base, &v, &big))
        return big ? push_refused(x, begin, "a number beyond 2^63")
                   : tempo_chat_fail(x->p, begin, TEMPO_E_FORMAT, x->err, "this is no number");
    return push_span(x, TEMPO_LEX_INTEGER, begin, v);
}

static tempo_status lex_name(lexer *x)
{
    const size_t begin = x->i;

    while (x->i < x->n && tempo_chat_in_name(tempo_chat_decode(x->s + x->i)))
        x->i += tempo_chat_char_len(x->s[x->i]);
    return push_span(x, TEMPO_LEX_NAME, begin, 0);
}

/* ---- operators ---- */

static tempo_status lex_bracket(lexer *x, char c)
{
    const char closer = c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : '\0';

    if (closer != '\0' && x->n_brackets == MAX_BRACKETS)
        return tempo_chat_fail(x->p, x->i, TEMPO_E_LIMIT, x->err, "more than %d brackets inside one another",
                               MAX_BRACKETS);
    if (closer != '\0')
        x->brackets[x->n_brackets++] = closer;
    else if (x->n_brackets == 0 || x->brackets[--x->n_brackets] != c)
        return tempo_chat_fail(x->p, x->i, TEMPO_E_FORMAT, x->err, "'%c' closes nothing", c);
    x->i++;
    return push_span(x, TEMPO_LEX_OPERATOR, x->i - 1, c);
}

static tempo_status lex_operator(lexer *x)
{
    static const char pairs[][3] = {"//", "**", "==", "!=", ">=", "<="};
    const char c = x->s[x->i];

    if (strchr("()[]{}", c) != NULL)
        return lex_bracket(x, c);
    for (size_t k = 0; k < sizeof(pairs) / sizeof(*pairs); k++) {
        if (follows(x, x->i, pairs[k])) {
            x->i += 2;
            return push_span(x, TEMPO_LEX_OPERATOR, x->i - 2, TEMPO_OP2(pairs[k][0], pairs[k][1]));
        }
    }
    if (strchr("+-/*%~><=.:|,;", c) == NULL)
        return tempo_chat_fail(x->p, x->i, TEMPO_E_FORMAT, x->err, "an unexpected character in a tag");
    x->i++;
    return push_span(x, TEMPO_LEX_OPERATOR, x->i - 1, c);
}

/* ---- tags ---- */

static size_t after_space(const lexer *x, size_t i)
{
    while (i < x->n && tempo_chat_is_space(tempo_chat_decode(x->s + i)))
        i += tempo_chat_char_len(x->s[i]);
    return i;
}

static tempo_status lex_inside(lexer *x)
{
    const char c = x->s[x->i];

    if (c == '\0') /* which strchr would find everywhere */
        return tempo_chat_fail(x->p, x->i, TEMPO_E_FORMAT, x->err, "a zero byte in a tag");
    if (is_digit(c))
        return lex_number(x);
    if (c == '\'' || c == '"')
        return lex_string(x);
    return tempo_chat_begins_name(tempo_chat_decode(x->s + x->i)) ? lex_name(x) : lex_operator(x);
}

/* What may end a tag stands at i: sign and closer.  Gives their length. */
static size_t tag_end(const lexer *x, bool block)
{
    const char *closer = block ? "%}" : "}}";

    if (x->n_brackets > 0)
        return 0;
    if (follows(x, x->i, closer))
        return 2;
    if ((x->s[x->i] == '-' || (block && x->s[x->i] == '+')) && follows(x, x->i + 1, closer))
        return 3;
    return 0;
}

/* White space after a tag whose sign this is. */
static void end_tag(lexer *x, char sign, bool block)
{
    const size_t begin = x->i;

    if (sign == '-')
        x->i = after_space(x, x->i);
    else if (block && sign != '+' && x->i < x->n && x->s[x->i] == '\n')
        x->i++;
    x->line_begins = x->i > begin && x->s[x->i - 1] == '\n';
}

static tempo_status lex_tag(lexer *x, bool block)
{
    const size_t begin = x->i;
    size_t n;
    tempo_status st;

    x->i += 2;
    x->i += x->i < x->n && (x->s[x->i] == '-' || x->s[x->i] == '+');
    if ((st = push_span(x, block ? TEMPO_LEX_BLOCK_BEGIN : TEMPO_LEX_PRINT_BEGIN, begin, 0)) != TEMPO_OK)
        return st;
    for (;;) {
        x->i = after_space(x, x->i);
        if (x->i >= x->n)
            return tempo_chat_fail(x->p, begin, TEMPO_E_FORMAT, x->err, "a tag without an end");
        if ((n = tag_end(x, block)) > 0)
            break;
        if ((st = lex_inside(x)) != TEMPO_OK)
            return st;
    }
    const char sign = n == 3 ? x->s[x->i] : '\0';
    x->i += n;
    st = push_span(x, block ? TEMPO_LEX_BLOCK_END : TEMPO_LEX_PRINT_END, x->i - n, 0);
    end_tag(x, sign, block);
    return st;
}

static tempo_status skip_comment(lexer *x)
{
    const size_t begin = x->i;
    size_t i = begin + 2;

    i += i < x->n && (x->s[i] == '-' || x->s[i] == '+');
    const size_t first = i;
    while (i < x->n && !follows(x, i, "#}"))
        i++;
    if (i >= x->n)
        return tempo_chat_fail(x->p, begin, TEMPO_E_FORMAT, x->err, "a comment without an end");
    const char sign = i > first && (x->s[i - 1] == '-' || x->s[i - 1] == '+') ? x->s[i - 1] : '\0';
    x->i = i + 2;
    end_tag(x, sign, true);
    return TEMPO_OK;
}

/* ---- outside of tags ---- */

/* The text up to the tag at `tag`, without the white space that goes. */
static tempo_chat_str text_before(const lexer *x, size_t tag)
{
    const char sign = tag + 2 < x->n ? x->s[tag + 2] : '\0';
    tempo_chat_str text = span(x, x->i, tag);

    if (sign == '-')
        return tempo_chat_strip(text, NULL, false, true);
    if (sign == '+' || x->s[tag + 1] == '{')
        return text;
    size_t line = text.n;
    while (line > 0 && text.p[line - 1] != '\n')
        line--;
    if (line == 0 && !x->line_begins)
        return text;
    const tempo_chat_str rest = tempo_chat_part(text, line, text.n);
    return tempo_chat_strip(rest, NULL, true, true).n == 0 ? tempo_chat_part(text, 0, line) : text;
}

/* {% raw %} or {% endraw %} begins at `tag`: gives its end, and *sign its last sign; else 0. */
static size_t raw_tag(const lexer *x, size_t tag, const char *name, char *sign)
{
    size_t i = tag + 2;

    i += i < x->n && (x->s[i] == '-' || x->s[i] == '+');
    i = after_space(x, i);
    if (i > x->n || !follows(x, i, name))
        return 0;
    i = after_space(x, i + strlen(name));
    *sign = i < x->n && (x->s[i] == '-' || (x->s[i] == '+' && strcmp(name, "endraw") == 0)) ? x->s[i] : '\0';
    i += *sign != '\0';
    return i < x->n && follows(x, i, "%}") ? i + 2 : 0;
}

/* From {% raw %}, which ends at `end`, to {% endraw %}; what is between is text. */
static tempo_status lex_raw(lexer *x, size_t end, char sign)
{
    const size_t begin = x->i;

    x->i = end;
    if (sign == '-')
        x->i = after_space(x, x->i);
    x->line_begins = x->s[x->i - 1] == '\n';
    for (size_t tag = x->i; tag < x->n; tag++) {
        if (!follows(x, tag, "{%") || (end = raw_tag(x, tag, "endraw", &sign)) == 0)
            continue;
        const tempo_chat_str text = text_before(x, tag);
        const tempo_status st = push(x, (tempo_chat_lexeme){TEMPO_LEX_TEXT, (uint32_t)x->i, text, {0}});
        x->i = end;
        end_tag(x, sign, true);
        return st;
    }
    return tempo_chat_fail(x->p, begin, TEMPO_E_FORMAT, x->err, "{%% raw %%} without an end");
}

static tempo_status lex_any_tag(lexer *x)
{
    const char kind = x->s[x->i + 1];
    char sign;

    if (kind == '#')
        return skip_comment(x);
    const size_t raw = kind == '%' ? raw_tag(x, x->i, "raw", &sign) : 0;
    return raw > 0 ? lex_raw(x, raw, sign) : lex_tag(x, kind == '%');
}

tempo_status tempo_chat_lex(tempo_chat_program *p, const tempo_chat_lexeme **out, tempo_err *err)
{
    lexer x = {.p = p, .s = p->text, .n = p->n, .line_begins = true, .err = err};
    tempo_status st = TEMPO_OK;

    while (x.i < x.n && st == TEMPO_OK) {
        size_t tag = x.i;
        while (tag < x.n && !(x.s[tag] == '{' && tag + 1 < x.n && strchr("{%#", x.s[tag + 1]) != NULL &&
                              x.s[tag + 1] != '\0'))
            tag++;
        const tempo_chat_str text = tag < x.n ? text_before(&x, tag) : span(&x, x.i, tag);
        if (text.n > 0)
            st = push(&x, (tempo_chat_lexeme){TEMPO_LEX_TEXT, (uint32_t)x.i, text, {0}});
        x.i = tag;
        if (st == TEMPO_OK && tag < x.n)
            st = lex_any_tag(&x);
    }
    if (st == TEMPO_OK)
        st = push_span(&x, TEMPO_LEX_END, x.n, 0);
    *out = x.out;
    return st;
}
