/* json.c - text to jansson's tree.  Source: RFC 8259, and for what files may hold beyond it Python's json
 * module.
 *
 * Strings are unescaped on a stack of bytes: those of members that are being read lie there, too, so that no
 * piece of it is larger than the text.  What the tree takes is counted while it grows.  */
#include "io/json.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/map.h"

/* What jansson 2.14 takes on a 64-bit machine for one of each, malloc's rounding included. */
enum {
    COST_OBJECT = 224, /* json_object_t and its first 8 buckets */
    COST_ARRAY = 128,  /* json_array_t and its first 8 pointers */
    COST_ELEMENT = 24, /* a pointer in a table that doubles, the old table included */
    COST_STRING = 80,  /* json_string_t and its text's block, the text itself apart */
    COST_NUMBER = 32,
    COST_PAIR = 112, /* key block and buckets, the key's text apart */
    FREE_BYTES = 64 << 20,
    FREE_BYTES_STRICT = 4 << 20, /* many requests may be read at a time */
    FACTOR = 16,
};

enum { SHORT_NUMBER = 64 };

typedef struct parser {
    const char *text; /* [n] */
    uint64_t n, at, cost;
    bool strict;
    int depth;
    char *stack; /* [cap] unescaped strings, `used` bytes */
    size_t used, cap;
    locale_t c_locale; /* numbers are written with a point whatever the program's locale is */
    tempo_err *err;
} parser;

static json_t *parse_value(parser *p);

/* ---- failing: NULL and false, so that it can be returned ---- */

static void describe(parser *p, tempo_status code, uint64_t at, const char *what)
{
    uint64_t line = 1, start = 0;

    for (uint64_t i = 0; i < at; i++) {
        if (p->text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    (void)tempo_fail(p->err, code, at, "JSON, line %" PRIu64 " column %" PRIu64 ": %s", line, at - start + 1,
                     what);
}

static bool wrong(parser *p, uint64_t at, const char *what)
{
    describe(p, TEMPO_E_FORMAT, at, what);
    return false;
}

static bool no_memory(parser *p)
{
    (void)tempo_fail(p->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for JSON of %" PRIu64 " bytes",
                     p->n);
    return false;
}

static bool pay(parser *p, uint64_t cost)
{
    p->cost += cost;
    if (p->cost <= FACTOR * p->n + (p->strict ? FREE_BYTES_STRICT : FREE_BYTES))
        return true;
    (void)tempo_fail(p->err, TEMPO_E_LIMIT, p->at,
                     "JSON whose tree takes more than %d times the text's %" PRIu64 " bytes", FACTOR, p->n);
    return false;
}

/* What jansson gave, or an error. */
static json_t *made(parser *p, json_t *v)
{
    if (v == NULL)
        (void)no_memory(p);
    return v;
}

/* ---- bytes ---- */

static void skip_space(parser *p)
{
    while (p->at < p->n && (p->text[p->at] == ' ' || p->text[p->at] == '\n' || p->text[p->at] == '\r' ||
                            p->text[p->at] == '\t'))
        p->at++;
}

/* The next byte, or -1 at the end. */
static int peek(const parser *p)
{
    return p->at < p->n ? (unsigned char)p->text[p->at] : -1;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* ---- strings ---- */

static bool push(parser *p, const char *s, size_t n)
{
    if (n > p->cap - p->used) {
        const size_t cap = 2 * p->cap + n + 256;
        char *grown = realloc(p->stack, cap);
        if (grown == NULL)
            return no_memory(p);
        p->stack = grown;
        p->cap = cap;
    }
    if (n > 0)
        memcpy(p->stack + p->used, s, n);
    p->used += n;
    return true;
}

static bool push_char(parser *p, uint32_t c)
{
    char s[4];

    return push(p, s, tempo_utf8_write(s, c));
}

/* The four digits at `at`; false if they are not there. */
static bool read_hex(const parser *p, uint64_t at, uint32_t *out)
{
    *out = 0;
    if (p->n - at < 4)
        return false;
    for (uint64_t i = at; i < at + 4; i++) {
        const int digit = tempo_hex_digit(p->text[i]);
        if (digit < 0)
            return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

/* After "\u"; of a pair both halves are taken. */
static bool read_unicode(parser *p)
{
    uint32_t c, low;

    if (!read_hex(p, p->at, &c))
        return wrong(p, p->at, "expected four hexadecimal digits");
    p->at += 4;
    if (c >= 0xd800 && c < 0xdc00 && p->n - p->at >= 6 && memcmp(p->text + p->at, "\\u", 2) == 0 &&
        read_hex(p, p->at + 2, &low) && low >= 0xdc00 && low < 0xe000) {
        p->at += 6;
        return push_char(p, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
    }
    if (c >= 0xd800 && c < 0xe000) { /* half a pair */
        if (p->strict)
            return wrong(p, p->at - 4, "half a surrogate pair");
        c = 0xfffd;
    }
    return push_char(p, c);
}

/* After a backslash. */
static bool read_escape(parser *p)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const int c = peek(p);
    const char *letter = c > 0 ? strchr(letters, c) : NULL;

    if (c == 'u') {
        p->at++;
        return read_unicode(p);
    }
    if (letter == NULL)
        return wrong(p, p->at, "expected one of \"\\/bfnrtu after a backslash");
    p->at++;
    return push(p, meant + (letter - letters), 1);
}

/* A string that begins at the quote p->at: onto the stack, a NUL after it. */
static bool read_string(parser *p)
{
    const uint64_t begin = p->at++;

    for (;;) {
        const uint64_t from = p->at;
        while (p->at < p->n && p->text[p->at] != '"' && p->text[p->at] != '\\' &&
               (unsigned char)p->text[p->at] >= 0x20)
            p->at++;
        const uint64_t valid = tempo_utf8_valid(p->text + from, p->at - from);
        if (valid != p->at - from)
            return wrong(p, from + valid, "a string is not UTF-8");
        if (!push(p, p->text + from, (size_t)valid))
            return false;
        switch (peek(p)) {
        case '"':
            p->at++;
            return push(p, "", 1);
        case '\\':
            p->at++;
            if (!read_escape(p))
                return false;
            break;
        case -1:
            return wrong(p, begin, "a string has no end");
        default:
            return wrong(p, p->at, "a control character in a string");
        }
    }
}

static json_t *parse_string(parser *p)
{
    const size_t begin = p->used;

    if (!read_string(p) || !pay(p, COST_STRING + (p->used - begin)))
        return NULL;
    json_t *v = made(p, json_stringn_nocheck(p->stack + begin, p->used - begin - 1));
    p->used = begin;
    return v;
}

/* ---- numbers ---- */

/* What is not finite: a NUL in front, so that no text of a file is it but on purpose. */
static const struct {
    char text[12];
    size_t n;
    double value;
} not_finite[] = {{"\0NaN", 4, NAN}, {"\0Infinity", 9, INFINITY}, {"\0-Infinity", 10, -INFINITY}};

static json_t *make_real(parser *p, double x, bool integer, uint64_t at)
{
    const size_t which = isnan(x) ? 0 : x > 0 ? 1 : 2;

    if (isfinite(x))
        return made(p, json_real(x));
    if (!p->strict)
        return made(p, json_stringn_nocheck(not_finite[which].text, not_finite[which].n));
    if (integer) /* its field says what it may be */
        return made(p, json_real(x > 0 ? 0x1.fffffffffffffp1023 : -0x1.fffffffffffffp1023));
    (void)wrong(p, at, "a number above the largest of 64 bits");
    return NULL;
}

static json_t *parse_real(parser *p, uint64_t begin, bool integer)
{
    const size_t n = (size_t)(p->at - begin);
    char some[SHORT_NUMBER], *s = n < sizeof(some) ? some : malloc(n + 1);

    if (s == NULL) {
        (void)no_memory(p);
        return NULL;
    }
    memcpy(s, p->text + begin, n);
    s[n] = '\0';
    const double x = strtod_l(s, NULL, p->c_locale);
    if (s != some)
        free(s);
    return make_real(p, x, integer, begin);
}

static bool skip_digits(parser *p)
{
    if (!is_digit(peek(p)))
        return wrong(p, p->at, "expected a digit");
    while (is_digit(peek(p)))
        p->at++;
    return true;
}

/* An integer at [begin, p->at) -> *out; false when it has more than 64 bits. */
static bool read_integer(const parser *p, uint64_t begin, json_int_t *out)
{
    const bool minus = p->text[begin] == '-';
    json_int_t v = 0;

    for (uint64_t i = begin + minus; i < p->at; i++) {
        const json_int_t digit = p->text[i] - '0';
        if (__builtin_mul_overflow(v, (json_int_t)10, &v) ||
            __builtin_add_overflow(v, minus ? -digit : digit, &v))
            return false;
    }
    *out = v;
    return true;
}

/* A literal of Python's at p->at, -Infinity included; *v as it was when there is none. */
static bool parse_not_finite(parser *p, json_t **v)
{
    for (size_t i = 0; i < sizeof(not_finite) / sizeof(not_finite[0]); i++) {
        const size_t n = not_finite[i].n - 1;
        if (p->n - p->at < n || memcmp(p->text + p->at, not_finite[i].text + 1, n) != 0)
            continue;
        if (p->strict)
            return wrong(p, p->at, "NaN and Infinity are no numbers of JSON");
        p->at += n;
        return (*v = make_real(p, not_finite[i].value, false, p->at)) != NULL;
    }
    return true;
}

static json_t *parse_number(parser *p)
{
    const uint64_t begin = p->at;
    bool integer = true;
    json_int_t i;
    json_t *v = NULL;

    if (!pay(p, COST_NUMBER) || !parse_not_finite(p, &v) || v != NULL)
        return v;
    if (peek(p) != '-' && !is_digit(peek(p))) { /* None, Inf */
        (void)wrong(p, p->at, "expected a value");
        return NULL;
    }
    p->at += peek(p) == '-';
    if (peek(p) == '0')
        p->at++; /* what follows is no part of it */
    else if (!skip_digits(p))
        return NULL;
    if (peek(p) == '.') {
        p->at++;
        integer = false;
        if (!skip_digits(p))
            return NULL;
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        integer = false;
        p->at += peek(p) == '+' || peek(p) == '-';
        if (!skip_digits(p))
            return NULL;
    }
    if (integer && read_integer(p, begin, &i))
        return made(p, json_integer(i));
    return parse_real(p, begin, integer);
}

/* ---- arrays and objects ---- */

/* Into a container, whose bracket is p->at. */
static bool enter(parser *p, uint64_t cost)
{
    const int limit = p->strict ? TEMPO_JSON_MAX_DEPTH : TEMPO_JSON_MAX_FILE_DEPTH;

    if (p->depth++ == limit) {
        (void)tempo_fail(p->err, TEMPO_E_LIMIT, p->at, "JSON nested deeper than %d", limit);
        return false;
    }
    p->at++;
    return pay(p, cost);
}

/* After an element: true with *more when a comma follows, true without when `end` does. */
static bool next_element(parser *p, char end, bool *more)
{
    skip_space(p);
    *more = peek(p) == ',';
    if (!*more && peek(p) != end)
        return wrong(p, p->at, end == ']' ? "expected , or ]" : "expected , or }");
    p->at++;
    p->depth -= !*more;
    return true;
}

static bool parse_elements(parser *p, json_t *array)
{
    bool more = true;

    skip_space(p);
    if (peek(p) == ']')
        return next_element(p, ']', &more);
    while (more) {
        json_t *v = parse_value(p);
        if (v == NULL)
            return false;
        if (json_array_append_new(array, v) != 0)
            return no_memory(p);
        if (!pay(p, COST_ELEMENT) || !next_element(p, ']', &more))
            return false;
    }
    return true;
}

#if JANSSON_VERSION_HEX >= 0x020e00
static const json_t *get_member(const json_t *object, const char *key, size_t n)
{
    return json_object_getn(object, key, n);
}

static bool set_member(json_t *object, const char *key, size_t n, json_t *v)
{
    return json_object_setn_new_nocheck(object, key, n, v) == 0;
}
#else
static const json_t *get_member(const json_t *object, const char *key, size_t n)
{
    (void)n;
    return json_object_get(object, key);
}

static bool set_member(json_t *object, const char *key, size_t n, json_t *v)
{
    (void)n;
    return json_object_set_new_nocheck(object, key, v) == 0;
}
#endif

static bool parse_member(parser *p, json_t *object)
{
    const size_t key = p->used;

    skip_space(p);
    const uint64_t key_at = p->at;
    if (peek(p) != '"')
        return wrong(p, p->at, "expected a key in quotes");
    if (!read_string(p))
        return false;
    const size_t n = p->used - key - 1;
    if (!pay(p, COST_PAIR + n))
        return false;
    if (p->strict && memchr(p->stack + key, '\0', n) != NULL)
        return wrong(p, key_at, "a key with a NUL in it");
    if (p->strict && get_member(object, p->stack + key, n) != NULL)
        return wrong(p, key_at, "a duplicate key");
    skip_space(p);
    if (peek(p) != ':')
        return wrong(p, p->at, "expected :");
    p->at++;
    json_t *v = parse_value(p);
    if (v == NULL)
        return false;
    if (!set_member(object, p->stack + key, n, v))
        return no_memory(p);
    p->used = key;
    return true;
}

static bool parse_members(parser *p, json_t *object)
{
    bool more = true;

    skip_space(p);
    if (peek(p) == '}')
        return next_element(p, '}', &more);
    while (more) {
        if (!parse_member(p, object) || !next_element(p, '}', &more))
            return false;
    }
    return true;
}

static json_t *parse_container(parser *p, bool array)
{
    if (!enter(p, array ? COST_ARRAY : COST_OBJECT))
        return NULL;
    json_t *v = made(p, array ? json_array() : json_object());
    if (v != NULL && !(array ? parse_elements(p, v) : parse_members(p, v))) {
        json_decref(v);
        v = NULL;
    }
    return v;
}

/* ---- any value ---- */

static bool skip_word(parser *p, const char *word)
{
    const size_t n = strlen(word);

    if (p->n - p->at < n || memcmp(p->text + p->at, word, n) != 0)
        return false;
    p->at += n;
    return true;
}

static json_t *parse_value(parser *p)
{
    skip_space(p);
    switch (peek(p)) {
    case '{':
        return parse_container(p, false);
    case '[':
        return parse_container(p, true);
    case '"':
        return parse_string(p);
    case 't':
        if (skip_word(p, "true"))
            return json_true();
        break;
    case 'f':
        if (skip_word(p, "false"))
            return json_false();
        break;
    case 'n':
        if (skip_word(p, "null"))
            return json_null();
        break;
    case '-':
    case 'N':
    case 'I':
        return parse_number(p);
    default:
        if (is_digit(peek(p)))
            return parse_number(p);
        break;
    }
    (void)wrong(p, p->at, p->at == p->n ? "it ends where a value was expected" : "expected a value");
    return NULL;
}

static json_t *parse_document(parser *p)
{
    if (!p->strict && p->n >= 3 && memcmp(p->text, "\xef\xbb\xbf", 3) == 0)
        p->at = 3;
    if (p->n >= 2 && (memcmp(p->text, "\xff\xfe", 2) == 0 || memcmp(p->text, "\xfe\xff", 2) == 0)) {
        (void)wrong(p, 0, "the text is UTF-16, expected UTF-8");
        return NULL;
    }
    json_t *v = parse_value(p);
    skip_space(p);
    if (v == NULL || p->at == p->n)
        return v;
    (void)wrong(p, p->at, "expected the end of the text");
    json_decref(v);
    return NULL;
}

static tempo_status parse(json_t **out, const char *text, uint64_t n, bool strict, tempo_err *err)
{
    tempo_err local = {0};
    parser p = {.text = text, .n = n, .strict = strict, .err = &local};

    *out = NULL;
    if (n > TEMPO_JSON_MAX_BYTES)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "JSON of %" PRIu64 " bytes, the limit is %d",
                          n, TEMPO_JSON_MAX_BYTES);
    if ((p.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0)) == (locale_t)0)
        (void)no_memory(&p);
    else
        *out = parse_document(&p);
    if (p.c_locale != (locale_t)0)
        freelocale(p.c_locale);
    free(p.stack);
    if (*out != NULL)
        return TEMPO_OK;
    return tempo_fail(err, local.code, local.offset, "%s", local.msg);
}

tempo_status tempo_json_parse(json_t **out, const char *text, uint64_t n, tempo_err *err)
{
    return parse(out, text, n, false, err);
}

tempo_status tempo_json_parse_strict(json_t **out, const char *text, uint64_t n, tempo_err *err)
{
    return parse(out, text, n, true, err);
}

tempo_status tempo_json_load(json_t **out, const char *path, tempo_err *err)
{
    tempo_map map;
    tempo_status st;

    *out = NULL;
    if ((st = tempo_map_open(&map, path, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_json_parse(out, (const char *)map.p, map.n, err)) != TEMPO_OK)
        tempo_err_prefix(err, "%s", path);
    tempo_map_close(&map);
    return st;
}

bool tempo_json_not_finite(const json_t *v, double *out)
{
    for (size_t i = 0; json_is_string(v) && i < sizeof(not_finite) / sizeof(not_finite[0]); i++) {
        if (json_string_length(v) != not_finite[i].n ||
            memcmp(json_string_value(v), not_finite[i].text, not_finite[i].n) != 0)
            continue;
        if (out != NULL)
            *out = not_finite[i].value;
        return true;
    }
    return false;
}
