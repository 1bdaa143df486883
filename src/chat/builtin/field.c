/* field.c - numbers and text in a field.  Source: Python's "Format Specification Mini-Language". */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chat/builtin/format.h"

/* ---- padding ---- */

static tempo_status put(tempo_chat_call *c, tempo_chat_buffer *b, const char *text, size_t n)
{
    return tempo_chat_add(c, b, (tempo_chat_str){text, NULL, n});
}

static tempo_status fill(tempo_chat_call *c, const tempo_chat_spec *spec, int64_t n, tempo_chat_buffer *b)
{
    return tempo_chat_add_times(c, b, spec->fill.n > 0 ? spec->fill : tempo_chat_literal(" "), n);
}

tempo_status tempo_chat_format_text(tempo_chat_call *c, tempo_chat_str text, const tempo_chat_spec *spec,
                                    tempo_chat_buffer *b)
{
    tempo_status st;

    if (spec->precision >= 0 && (uint64_t)spec->precision < text.n)
        text = tempo_chat_part(text, 0, tempo_chat_offset(text, (size_t)spec->precision));
    const int64_t room = spec->width - (int64_t)tempo_chat_length(text);
    const int64_t left = room <= 0 ? 0 : spec->align == '>' ? room : spec->align == '^' ? room / 2 : 0;
    if ((st = fill(c, spec, left, b)) != TEMPO_OK || (st = tempo_chat_add(c, b, text)) != TEMPO_OK)
        return st;
    return fill(c, spec, room - left, b);
}

/* ---- numbers: sign, prefix, digits in groups, the rest ---- */

typedef struct number {
    char sign[2], prefix[3];
    const char *digits; /* [n] */
    size_t n;
    const char *rest; /* point, fraction, exponent, % */
} number;

/* Digits with zeros in front, `width` in all with what parts them. */
static tempo_status put_digits(tempo_chat_call *c, const number *x, const tempo_chat_spec *spec,
                               int64_t width, tempo_chat_buffer *b)
{
    const size_t group = spec->group == '\0'                                        ? SIZE_MAX
                         : strchr("boxX", spec->type) != NULL && spec->type != '\0' ? 4
                                                                                    : 3;
    const size_t wanted = width > 0 ? (size_t)width : 0;
    size_t n = x->n;
    tempo_status st = TEMPO_OK;

    while (n + (n - 1) / group < wanted) /* no separator comes first */
        n++;
    for (size_t i = n; i-- > 0 && st == TEMPO_OK;) {
        st = put(c, b, i < x->n ? x->digits + (x->n - 1 - i) : "0", 1);
        if (st == TEMPO_OK && i > 0 && i % group == 0)
            st = put(c, b, &spec->group, 1);
        if (st == TEMPO_OK && i % 256 == 0)
            st = tempo_chat_work(c->s, c->node, 256);
    }
    return st;
}

static tempo_status put_number(tempo_chat_call *c, const number *x, const tempo_chat_spec *spec,
                               tempo_chat_buffer *b)
{
    const size_t group = spec->group == '\0'                                        ? SIZE_MAX
                         : strchr("boxX", spec->type) != NULL && spec->type != '\0' ? 4
                                                                                    : 3;
    const int64_t around = (int64_t)(strlen(x->sign) + strlen(x->prefix) + strlen(x->rest)),
                  digits = (int64_t)(x->n + (x->n - 1) / group);
    const bool zeros = spec->align == '=' && tempo_chat_is(spec->fill, "0");
    const int64_t room = zeros ? 0 : spec->width - around - digits;
    const int64_t left = room <= 0 || spec->align == '<' ? 0 : spec->align == '^' ? room / 2 : room;
    tempo_status st;

    if ((spec->align != '=' && (st = fill(c, spec, left, b)) != TEMPO_OK) ||
        (st = put(c, b, x->sign, strlen(x->sign))) != TEMPO_OK ||
        (st = put(c, b, x->prefix, strlen(x->prefix))) != TEMPO_OK ||
        (spec->align == '=' && (st = fill(c, spec, left, b)) != TEMPO_OK) ||
        (st = put_digits(c, x, spec, zeros ? spec->width - around : 0, b)) != TEMPO_OK ||
        (st = put(c, b, x->rest, strlen(x->rest))) != TEMPO_OK)
        return st;
    return fill(c, spec, room - left, b);
}

static void set_sign(number *x, bool negative, char sign)
{
    x->sign[0] = negative ? '-' : sign == '+' || sign == ' ' ? sign : '\0';
}

/* ---- integers ---- */

static tempo_status format_char(tempo_chat_call *c, int64_t i, const tempo_chat_spec *spec,
                                tempo_chat_buffer *b)
{
    tempo_chat_spec plain = *spec;
    char text[4];

    if (i < 0 || i > 0x10ffff || (i >= 0xd800 && i < 0xe000))
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: %" PRId64 " is no character", c->name, i);
    plain.precision = -1;
    return tempo_chat_format_text(c, (tempo_chat_str){text, NULL, tempo_utf8_write(text, (uint32_t)i)},
                                  &plain, b);
}

tempo_status tempo_chat_format_int(tempo_chat_call *c, int64_t i, const tempo_chat_spec *spec,
                                   tempo_chat_buffer *b)
{
    const unsigned base = spec->type == 'b'                        ? 2
                          : spec->type == 'o'                      ? 8
                          : spec->type == 'x' || spec->type == 'X' ? 16
                                                                   : 10;
    const char *letters = spec->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    uint64_t rest = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    char digits[TEMPO_CHAT_MAX_PRECISION + 72];
    size_t at = sizeof(digits);
    number x = {.rest = ""};

    if (spec->type == 'c')
        return format_char(c, i, spec, b);
    do
        digits[--at] = letters[rest % base];
    while ((rest /= base) > 0);
    while (spec->precision > (int64_t)(sizeof(digits) - at) && at > 0) /* of % alone: the fewest digits */
        digits[--at] = '0';
    set_sign(&x, i < 0, spec->sign);
    if (spec->alternate && base != 10)
        (void)snprintf(x.prefix, sizeof(x.prefix), "0%c", spec->type);
    x.digits = digits + at;
    x.n = sizeof(digits) - at;
    return put_number(c, &x, spec, b);
}

/* ---- floats ---- */

enum { FLOAT_ROOM = 320 + TEMPO_CHAT_MAX_PRECISION };

/* A point instead of the locale's. */
static void set_point(char *text)
{
    char *p = text + strspn(text, "0123456789");
    size_t n = 0;

    while (p[n] != '\0' && p[n] != 'e' && p[n] != 'E' && !isdigit((unsigned char)p[n]))
        n++;
    if (n > 0) {
        *p = '.';
        memmove(p + 1, p + n, strlen(p + n) + 1);
    }
}

/* What g leaves out: a point and a zero behind it, for text that stands for a float. */
static void add_zero(char *text)
{
    const size_t n = strspn(text, "0123456789");
    char *p = text + n;

    if (*p != '.' && strchr(text, 'e') == NULL && n > 0) {
        memmove(p + 2, p, strlen(p) + 1);
        p[0] = '.';
        p[1] = '0';
    }
}

/* |f| by the type. */
static void float_text(double f, const tempo_chat_spec *spec, char text[FLOAT_ROOM])
{
    const int precision = spec->precision < 0 ? 6 : (int)spec->precision;
    const char type = spec->type == '%'    ? 'f'
                      : spec->type == 'n'  ? 'g'
                      : spec->type == '\0' ? 'g'
                                           : spec->type;
    char format[8];

    if (spec->type == '\0' && spec->precision < 0) {
        text[tempo_float_text(f, text)] = '\0';
        return;
    }
    (void)snprintf(format, sizeof(format), "%%%s.*%c", spec->alternate ? "#" : "", type);
    (void)snprintf(text, FLOAT_ROOM, format, precision == 0 && type == 'g' ? 1 : precision,
                   spec->type == '%' ? 100 * f : f);
    set_point(text);
    if (spec->type == '\0' && isfinite(f))
        add_zero(text);
}

tempo_status tempo_chat_format_float(tempo_chat_call *c, double f, const tempo_chat_spec *spec,
                                     tempo_chat_buffer *b)
{
    char text[FLOAT_ROOM + 4];
    number x = {.digits = text};
    const bool negative = signbit(f) != 0 && !isnan(f);

    if (spec->precision > TEMPO_CHAT_MAX_PRECISION)
        return tempo_chat_call_fail(c, TEMPO_E_LIMIT, "%s: a precision above %d", c->name,
                                    TEMPO_CHAT_MAX_PRECISION);
    float_text(fabs(f), spec, text);
    if (spec->type == '%')
        (void)strcat(text, "%");
    set_sign(&x, negative, spec->sign);
    x.n = strspn(text, "0123456789");
    x.rest = text + x.n;
    if (x.n == 0) { /* inf, nan: nothing to part */
        x.n = strlen(text);
        x.rest = "";
    }
    return put_number(c, &x, spec, b);
}
