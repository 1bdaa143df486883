/* number.c - numbers: reading and calculating as Python does, with integers of 64 bits. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/template/state.h"
#include "chat/template/text.h"

/* ---- reading ---- */

/* The digit at text[*at] in that base, of any script, with one _ in front if `inner`; *at moves behind it.
 * -1: none. */
static int next_digit(tempo_chat_str text, size_t *at, int base, bool inner)
{
    size_t i = *at;

    i += inner && i < text.n && text.p[i] == '_';
    if (i >= text.n)
        return -1;
    const uint32_t c = tempo_chat_decode(text.p + i);
    const int v = c >= 'a' && c <= 'z'   ? (int)(c - 'a') + 10
                  : c >= 'A' && c <= 'Z' ? (int)(c - 'A') + 10
                                         : tempo_chat_digit(c);
    if (v < 0 || v >= base)
        return -1;
    *at = i + tempo_chat_char_len(text.p[i]);
    return v;
}

/* 0x and the like at text[at]: its base, or 0. */
static int prefix_base(tempo_chat_str text, size_t at)
{
    const char c = at + 1 < text.n && text.p[at] == '0' ? text.p[at + 1] : '\0';

    return c == 'x' || c == 'X' ? 16 : c == 'o' || c == 'O' ? 8 : c == 'b' || c == 'B' ? 2 : 0;
}

static bool take_sign(tempo_chat_str text, size_t *at)
{
    const bool sign = *at < text.n && (text.p[*at] == '-' || text.p[*at] == '+');

    *at += sign;
    return sign && text.p[*at - 1] == '-';
}

bool tempo_chat_parse_int(tempo_chat_str text, int base, int64_t *out, bool *big)
{
    size_t at = 0, n = 0;
    int64_t v = 0;
    int d;

    text = tempo_chat_strip(text, NULL, true, true);
    const bool negative = take_sign(text, &at);
    const int prefix = prefix_base(text, at);
    const bool prefixed = prefix > 0 && (base == 0 || base == prefix);

    at += prefixed ? 2 : 0;
    if (base == 0) /* as numbers in a program */
        base = prefixed ? prefix : 10;
    for (; (d = next_digit(text, &at, base, n > 0 || prefixed)) >= 0; n++)
        if (__builtin_mul_overflow(v, base, &v) ||
            __builtin_sub_overflow(v, d, &v)) /* below 0 there is more room */
            *big = true;
    if (n == 0 || at != text.n)
        *big = false;
    else if (!negative && v == INT64_MIN)
        *big = true;
    *out = *big ? 0 : negative ? v : -v;
    return n > 0 && at == text.n && !*big;
}

/* inf, nan and their like. */
static bool parse_special(tempo_chat_str text, double *out)
{
    static const struct {
        const char *name;
        double f;
    } names[] = {{"inf", INFINITY}, {"infinity", INFINITY}, {"nan", NAN}};
    size_t at = 0;
    const bool negative = take_sign(text, &at);

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (text.n - at == strlen(names[i].name) &&
            strncasecmp(text.p + at, names[i].name, text.n - at) == 0) {
            *out = negative ? -names[i].f : names[i].f;
            return true;
        }
    }
    return false;
}

enum { MAX_DIGITS = 800 }; /* more cannot change a double, but for being there */

/* Digits into text[*n], of which those behind the point count down *exponent; gives how many were read. */
static size_t read_digits(tempo_chat_str s, size_t *at, bool fraction, char text[MAX_DIGITS + 1], size_t *n,
                          long *exponent)
{
    size_t count = 0;
    int d;

    for (; (d = next_digit(s, at, 10, count > 0)) >= 0; count++) {
        const bool full = *n == MAX_DIGITS;
        if (full && d > 0)
            text[MAX_DIGITS] = '1';
        else if (!full && (*n > 0 || d > 0))
            text[(*n)++] = (char)('0' + d);
        *exponent += (full && !fraction) - (!full && fraction);
    }
    return count;
}

bool tempo_chat_parse_float(tempo_chat_str text, double *out)
{
    char digits[MAX_DIGITS + 32];
    size_t at = 0, n = 0, count;
    long exponent = 0, more = 0;
    int d;

    text = tempo_chat_strip(text, NULL, true, true);
    if (parse_special(text, out))
        return true;
    memset(digits, '0', sizeof(digits));
    const bool negative = take_sign(text, &at);
    count = read_digits(text, &at, false, digits, &n, &exponent);
    if (at < text.n && text.p[at] == '.') {
        at++;
        count += read_digits(text, &at, true, digits, &n, &exponent);
    }
    if (count > 0 && at < text.n && (text.p[at] == 'e' || text.p[at] == 'E')) {
        at++;
        const bool down = take_sign(text, &at);
        for (count = 0; (d = next_digit(text, &at, 10, count > 0)) >= 0; count++)
            more = more < 1000000 ? 10 * more + d : more;
        exponent += down ? -more : more;
    }
    if (count == 0 || at != text.n)
        return false;
    (void)snprintf(digits + n + (n == MAX_DIGITS), 24, "e%ld", exponent - (n == MAX_DIGITS));
    *out = n > 0 ? strtod(digits, NULL) : 0;
    if (negative)
        *out = -*out;
    return true;
}

bool tempo_chat_whole(double f, int64_t *out)
{
    const bool fits = f >= -9223372036854775808.0 && f < 9223372036854775808.0;

    *out = fits ? (int64_t)f : 0;
    return fits;
}

/* ---- comparing ---- */

static int order_mixed(int64_t i, double f)
{
    int64_t whole;

    if (isnan(f))
        return 2;
    if (!tempo_chat_whole(f, &whole))
        return f > 0 ? -1 : 1;
    if (i != whole)
        return i < whole ? -1 : 1;
    const double rest = f - (double)whole;
    return rest > 0 ? -1 : rest < 0;
}

int tempo_chat_order(const tempo_chat_value *a, const tempo_chat_value *b)
{
    if (a->kind != TEMPO_VALUE_FLOAT && b->kind != TEMPO_VALUE_FLOAT)
        return (a->i > b->i) - (a->i < b->i);
    if (a->kind != TEMPO_VALUE_FLOAT)
        return order_mixed(a->i, b->f);
    if (b->kind != TEMPO_VALUE_FLOAT) {
        const int order = order_mixed(b->i, a->f);
        return order == 2 ? 2 : -order;
    }
    return isnan(a->f) || isnan(b->f) ? 2 : (a->f > b->f) - (a->f < b->f);
}

/* ---- calculating ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* a ** b for b >= 0; true: too big */
static bool power(int64_t a, int64_t b, int64_t *out)
{
    int64_t r = 1;
    bool over = false;

    for (; b > 0 && !over; b >>= 1) {
        if ((b & 1) != 0)
            over = __builtin_mul_overflow(r, a, &r);
        if (b > 1 && !over && __builtin_mul_overflow(a, a, &a))
            over = true;
    }
    *out = r;
    return over;
}

static tempo_status whole_numbers(tempo_chat_state *s, const tempo_chat_node *node, int64_t op, int64_t a,
                                  int64_t b, tempo_chat_value *out)
{
    int64_t r = 0;
    bool over = false;

    switch (op) {
    case TEMPO_OP1('+'):
        over = __builtin_add_overflow(a, b, &r);
        break;
    case TEMPO_OP1('-'):
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case TEMPO_OP1('*'):
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case TEMPO_OP1('%'):
        r = b == -1 ? 0 : a - floor_div(a, b) * b;
        break;
    case TEMPO_OP2('*', '*'):
        over = power(a, b, &r);
        break;
    default:
        over = a == INT64_MIN && b == -1;
        r = over ? 0 : floor_div(a, b);
    }
    if (over)
        return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "a number beyond 2^63");
    *out = tempo_chat_int(r);
    return TEMPO_OK;
}

/* a // b and a % b as Python's float_divmod has them. */
static double divide(double a, double b, bool rest)
{
    double mod = fmod(a, b), div = (a - mod) / b;

    if (mod == 0) {
        mod = copysign(0.0, b);
    } else if ((b < 0) != (mod < 0)) {
        mod += b;
        div -= 1;
    }
    if (rest)
        return mod;
    if (div == 0)
        return copysign(0.0, a / b);
    return floor(div) + (div - floor(div) > 0.5 ? 1 : 0);
}

static tempo_status float_power(tempo_chat_state *s, const tempo_chat_node *node, double a, double b,
                                tempo_chat_value *out)
{
    if (a == 0 && b < 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "0 cannot be raised to a negative power");
    if (a < 0 && b != floor(b) && !isinf(a) && !isinf(b))
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "complex numbers are not supported");
    *out = tempo_chat_float(pow(a, b));
    if (isinf(out->f) && !isinf(a) && !isinf(b))
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "the result is too large");
    return TEMPO_OK;
}

static tempo_status floats(tempo_chat_state *s, const tempo_chat_node *node, int64_t op, double a, double b,
                           tempo_chat_value *out)
{
    switch (op) {
    case TEMPO_OP1('+'):
        *out = tempo_chat_float(a + b);
        return TEMPO_OK;
    case TEMPO_OP1('-'):
        *out = tempo_chat_float(a - b);
        return TEMPO_OK;
    case TEMPO_OP1('*'):
        *out = tempo_chat_float(a * b);
        return TEMPO_OK;
    case TEMPO_OP1('/'):
        *out = tempo_chat_float(a / b);
        return TEMPO_OK;
    case TEMPO_OP2('*', '*'):
        return float_power(s, node, a, b, out);
    default:
        *out = tempo_chat_float(divide(a, b, op == TEMPO_OP1('%')));
        return TEMPO_OK;
    }
}

tempo_status tempo_chat_arithmetic(tempo_chat_state *s, const tempo_chat_node *node, int64_t op,
                                   const tempo_chat_value *a, const tempo_chat_value *b,
                                   tempo_chat_value *out)
{
    const bool whole = a->kind != TEMPO_VALUE_FLOAT && b->kind != TEMPO_VALUE_FLOAT,
               divides = op == TEMPO_OP1('/') || op == TEMPO_OP1('%') || op == TEMPO_OP2('/', '/');

    if (divides && tempo_chat_as_float(b) == 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "division by zero");
    if (whole && op != TEMPO_OP1('/') && (op != TEMPO_OP2('*', '*') || b->i >= 0))
        return whole_numbers(s, node, op, a->i, b->i, out);
    return floats(s, node, op, tempo_chat_as_float(a), tempo_chat_as_float(b), out);
}
