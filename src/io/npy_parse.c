/* npy_parse.c - headers of NumPy arrays: a Python dictionary of three keys, read strictly.
 *
 * Grammar: { 'descr': STRING, 'fortran_order': True|False, 'shape': (N, ...) } with the keys in any order,
 * spaces between tokens, a comma allowed after the last of each list, spaces and a line feed at the end. */
#include <inttypes.h>
#include <string.h>

#include "io/npy.h"
#include "io/reader.h"

typedef struct parser {
    const char *text; /* [n] */
    size_t n, pos;
    uint64_t at; /* offset of the text in the archive */
    bool exact;  /* its bytes are the archive's */
    tempo_err *err;
} parser;

static uint64_t offset(const parser *p)
{
    return p->exact ? p->at + p->pos : p->at;
}

/* What stands at the cursor, for messages. */
static tempo_status expected(const parser *p, const char *what)
{
    if (p->pos >= p->n)
        return tempo_fail(p->err, TEMPO_E_FORMAT, offset(p), "npy header ends, expected %s", what);
    return tempo_fail(p->err, TEMPO_E_FORMAT, offset(p), "byte %#04x in the npy header, expected %s",
                      (unsigned char)p->text[p->pos], what);
}

/* ---- tokens -------------------------------------------------------------------------- */

static void skip_spaces(parser *p)
{
    while (p->pos < p->n && p->text[p->pos] == ' ')
        p->pos++;
}

/* The character c, spaces in front of it skipped. */
static bool accept(parser *p, char c)
{
    skip_spaces(p);
    if (p->pos >= p->n || p->text[p->pos] != c)
        return false;
    p->pos++;
    return true;
}

/* A string without escapes, in either kind of quotes. */
static tempo_status parse_string(parser *p, const char *what, tempo_str *out)
{
    const char quote = accept(p, '\'') ? '\'' : accept(p, '"') ? '"' : '\0';
    const size_t start = p->pos;

    *out = (tempo_str){"", 0};
    if (quote == '\0')
        return expected(p, what);
    while (p->pos < p->n && p->text[p->pos] != quote) {
        if ((unsigned char)p->text[p->pos] < ' ' || p->text[p->pos] == '\\')
            return expected(p, "a plain character");
        p->pos++;
    }
    *out = (tempo_str){p->text + start, p->pos - start};
    return accept(p, quote) ? TEMPO_OK : expected(p, "a closing quote");
}

static bool accept_word(parser *p, const char *word)
{
    const size_t n = strlen(word);

    skip_spaces(p);
    if (n > p->n - p->pos || memcmp(p->text + p->pos, word, n) != 0)
        return false;
    p->pos += n;
    return true;
}

static bool is_digit(const parser *p)
{
    return p->pos < p->n && p->text[p->pos] >= '0' && p->text[p->pos] <= '9';
}

/* A decimal number without sign or leading zeros, at most max. */
static tempo_status parse_number(parser *p, const char *what, uint64_t max, uint64_t *out)
{
    const size_t start = p->pos;

    *out = 0;
    if (!is_digit(p))
        return expected(p, what);
    for (; is_digit(p); p->pos++) {
        if (p->pos > start && *out == 0)
            return expected(p, "a number without leading zeros");
        if (__builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(p->text[p->pos] - '0'), out) || *out > max)
            return tempo_fail(p->err, TEMPO_E_LIMIT, offset(p), "npy header: %s is over %" PRIu64, what, max);
    }
    return TEMPO_OK;
}

/* ---- values -------------------------------------------------------------------------- */

typedef struct descr {
    const char *code;
    tempo_npy_type type;
} descr;

static const descr descrs[] = {
    {"f4", TEMPO_NPY_F32}, {"f8", TEMPO_NPY_F64}, {"f2", TEMPO_NPY_F16}, {"i4", TEMPO_NPY_I32},
    {"i8", TEMPO_NPY_I64}, {"i2", TEMPO_NPY_I16}, {"i1", TEMPO_NPY_I8},  {"u1", TEMPO_NPY_U8},
    {"u2", TEMPO_NPY_U16}, {"u4", TEMPO_NPY_U32}, {"u8", TEMPO_NPY_U64}, {"b1", TEMPO_NPY_BOOL},
};

static tempo_status unsupported_type(const parser *p, tempo_str s)
{
    const int n = s.n < 32 ? (int)s.n : 32;

    if (s.n >= 2 && s.p[1] == 'O')
        return tempo_fail(p->err, TEMPO_E_UNSUPPORTED, offset(p), "an array of Python objects");
    return tempo_fail(p->err, TEMPO_E_UNSUPPORTED, offset(p),
                      "element type '%.*s', expected f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8, b1 or U<n>",
                      n, s.p);
}

/* '<U12': the number of characters is part of the type. */
static tempo_status parse_unicode(const parser *p, tempo_str s, tempo_npy *a)
{
    parser in = {s.p, (size_t)s.n, 2, offset(p), false, p->err};
    uint64_t length = 0;
    tempo_status st = parse_number(&in, "length of text", UINT32_MAX / 4, &length);

    if (st == TEMPO_OK && in.pos != in.n)
        st = unsupported_type(p, s);
    a->type = TEMPO_NPY_UNICODE;
    a->item_bytes = (uint32_t)length * 4;
    return st;
}

static tempo_status parse_descr(parser *p, tempo_npy *a, bool *swapped)
{
    tempo_str s;
    tempo_status st;

    skip_spaces(p);
    if (p->pos < p->n && (p->text[p->pos] == '[' || p->text[p->pos] == '('))
        return tempo_fail(p->err, TEMPO_E_UNSUPPORTED, offset(p), "an array of structures");
    if ((st = parse_string(p, "the element type", &s)) != TEMPO_OK)
        return st;
    if (s.n < 2 || (s.p[0] != '<' && s.p[0] != '>' && s.p[0] != '|'))
        return unsupported_type(p, s);
    *swapped = s.p[0] == '>';
    if (s.p[0] != '|' && s.p[1] == 'U')
        return parse_unicode(p, s, a);
    for (size_t i = 0; i < sizeof(descrs) / sizeof(*descrs); i++)
        if (tempo_str_is((tempo_str){s.p + 1, s.n - 1}, descrs[i].code)) {
            a->type = descrs[i].type;
            a->item_bytes = tempo_npy_type_bytes(a->type);
            if (s.p[0] == '|' && a->item_bytes > 1) /* "no byte order" is for single bytes */
                return unsupported_type(p, s);
            return TEMPO_OK;
        }
    return unsupported_type(p, s);
}

static tempo_status parse_order(parser *p)
{
    if (accept_word(p, "True"))
        return tempo_fail(p->err, TEMPO_E_UNSUPPORTED, offset(p), "an array in Fortran order");
    return accept_word(p, "False") ? TEMPO_OK : expected(p, "True or False");
}

/* () or (1,) or (1, 2) or (1, 2,) */
static tempo_status parse_shape(parser *p, tempo_npy *a)
{
    bool comma = true; /* whether another number may follow; the one of (1,) is needed */
    tempo_status st;

    if (!accept(p, '('))
        return expected(p, "a tuple in parentheses");
    while (!accept(p, ')')) {
        if (!comma)
            return expected(p, "a comma or a closing parenthesis");
        if (a->n_dims == TEMPO_NPY_MAX_DIMS)
            return tempo_fail(p->err, TEMPO_E_UNSUPPORTED, offset(p), "an array of more than %d dimensions",
                              TEMPO_NPY_MAX_DIMS);
        if ((st = parse_number(p, "a dimension", INT64_MAX, &a->shape[a->n_dims])) != TEMPO_OK)
            return st;
        a->n_dims++;
        comma = accept(p, ',');
    }
    if (a->n_dims == 1 && !comma) {
        p->pos--;
        return expected(p, "a comma after the only dimension");
    }
    return TEMPO_OK;
}

/* ---- the dictionary ------------------------------------------------------------------ */

enum { KEY_DESCR, KEY_ORDER, KEY_SHAPE, KEY_COUNT };

static tempo_status parse_item(parser *p, unsigned *seen, tempo_npy *a, bool *swapped)
{
    static const char *const keys[] = {
        [KEY_DESCR] = "descr", [KEY_ORDER] = "fortran_order", [KEY_SHAPE] = "shape"};
    const parser at_key = *p;
    tempo_str name;
    unsigned key = 0;
    tempo_status st;

    if ((st = parse_string(p, "a key", &name)) != TEMPO_OK)
        return st;
    while (key < KEY_COUNT && !tempo_str_is(name, keys[key]))
        key++;
    if (key == KEY_COUNT || (*seen & 1u << key) != 0)
        return expected(&at_key, "the keys descr, fortran_order and shape, each once");
    *seen |= 1u << key;
    if (!accept(p, ':'))
        return expected(p, "a colon");
    return key == KEY_DESCR   ? parse_descr(p, a, swapped)
           : key == KEY_ORDER ? parse_order(p)
                              : parse_shape(p, a);
}

static tempo_status parse_dict(parser *p, tempo_npy *a, bool *swapped)
{
    unsigned seen = 0;
    bool comma = true;
    tempo_status st;

    if (!accept(p, '{'))
        return expected(p, "an opening brace");
    while (!accept(p, '}')) {
        if (!comma)
            return expected(p, "a comma or a closing brace");
        if ((st = parse_item(p, &seen, a, swapped)) != TEMPO_OK)
            return st;
        comma = accept(p, ',');
    }
    if (seen != (1u << KEY_COUNT) - 1) {
        p->pos--;
        return expected(p, "the keys descr, fortran_order and shape, each once");
    }
    if (!accept(p, '\n'))
        return expected(p, "spaces and a line feed");
    return p->pos == p->n ? TEMPO_OK : expected(p, "the end of the header");
}

tempo_status tempo_npy_parse_text(const char *text, size_t n, uint64_t at, bool exact, tempo_npy *out,
                                  bool *swapped, tempo_err *err)
{
    parser p = {text, n, 0, at, exact, err};
    tempo_status st;

    *out = (tempo_npy){0};
    *swapped = false;
    if ((st = parse_dict(&p, out, swapped)) != TEMPO_OK)
        return st;
    /* An empty array's count is 0 however large its other dimensions are. */
    if (!tempo_npy_data_bytes(TEMPO_NPY_U8, out->shape, out->n_dims, &out->count))
        return tempo_fail(err, TEMPO_E_LIMIT, at, "npy header: the shape's product overflows");
    return TEMPO_OK;
}

tempo_status tempo_npy_parse_prelude(const unsigned char *prelude, uint64_t at, unsigned *length_bytes,
                                     tempo_err *err)
{
    const unsigned major = prelude[6], minor = prelude[7];

    *length_bytes = major == 1 ? 2 : 4;
    if (memcmp(prelude, "\x93NUMPY", 6) != 0)
        return tempo_fail(err, TEMPO_E_FORMAT, at, "not a NumPy array: does not begin with \\x93NUMPY");
    if (major < 1 || major > 3 || minor != 0)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, at + 6,
                          "version %u.%u of the npy format, expected 1.0, 2.0 or 3.0", major, minor);
    return TEMPO_OK;
}
