/* filter_number.c - filters that make or change numbers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "chat/builtin/call.h"

static tempo_status too_big(tempo_chat_call *c)
{
    return tempo_chat_call_fail(c, TEMPO_E_LIMIT, "a number beyond 2^63");
}

/* ---- int, float ---- */

/* int(text, base), else int(float(text)), else what was there. */
static tempo_status int_from_text(tempo_chat_call *c, tempo_chat_str text)
{
    int64_t base = 10, i = 0;
    bool big = false;
    double f;
    tempo_status st;

    if ((st = tempo_chat_work(c->s, c->node, text.n)) != TEMPO_OK ||
        (st = tempo_chat_arg_int(c, 1, &base)) != TEMPO_OK)
        return st;
    if (base < 0 || base == 1 || base > 36)
        return TEMPO_OK;
    if (tempo_chat_parse_int(text, (int)base, &i, &big)) {
        *c->out = tempo_chat_int(i);
    } else if (big) {
        return too_big(c);
    } else if (tempo_chat_parse_float(text, &f) && isfinite(f)) {
        if (!tempo_chat_whole(f, &i))
            return too_big(c);
        *c->out = tempo_chat_int(i);
    }
    return TEMPO_OK;
}

static tempo_status filter_int(tempo_chat_call *c)
{
    int64_t i;

    if (c->self.kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(c->s, c->node, &c->self);
    *c->out = c->given[0] ? c->v[0] : tempo_chat_int(0);
    if (c->self.kind == TEMPO_VALUE_STR)
        return int_from_text(c, c->self.str);
    if (tempo_chat_is_int(&c->self)) {
        *c->out = tempo_chat_int(c->self.i);
    } else if (c->self.kind == TEMPO_VALUE_FLOAT && !isnan(c->self.f)) {
        if (!tempo_chat_whole(c->self.f, &i))
            return too_big(c);
        *c->out = tempo_chat_int(i);
    }
    return TEMPO_OK;
}

static tempo_status filter_float(tempo_chat_call *c)
{
    double f;

    if (c->self.kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(c->s, c->node, &c->self);
    *c->out = c->given[0] ? c->v[0] : tempo_chat_float(0);
    if (tempo_chat_is_number(&c->self))
        *c->out = tempo_chat_float(tempo_chat_as_float(&c->self));
    else if (c->self.kind == TEMPO_VALUE_STR && tempo_chat_parse_float(c->self.str, &f))
        *c->out = tempo_chat_float(f);
    return tempo_chat_work(c->s, c->node, c->self.kind == TEMPO_VALUE_STR ? c->self.str.n : 0);
}

/* ---- abs, round ---- */

static tempo_status needs_number(tempo_chat_call *c)
{
    if (c->self.kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(c->s, c->node, &c->self);
    return tempo_chat_is_number(&c->self)
               ? TEMPO_OK
               : tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: this is %s, expected a number", c->name,
                                      tempo_chat_kind_name(&c->self));
}

static tempo_status filter_abs(tempo_chat_call *c)
{
    const tempo_status st = needs_number(c);

    if (st != TEMPO_OK)
        return st;
    if (c->self.kind == TEMPO_VALUE_FLOAT)
        *c->out = tempo_chat_float(fabs(c->self.f));
    else if (c->self.i == INT64_MIN)
        return too_big(c);
    else
        *c->out = tempo_chat_int(c->self.i < 0 ? -c->self.i : c->self.i);
    return TEMPO_OK;
}

/* To the nearest, of two as near the even one; of a decimal with `places` digits behind its point. */
static double round_float(double f, int64_t places)
{
    char text[700];
    double r = f;

    if (!isfinite(f) || places > 323)
        return f;
    if (places < -308)
        return copysign(0.0, f);
    if (places <= 0) {
        const double scale = pow(10, (double)-places);
        return rint(f / scale) * scale;
    }
    (void)snprintf(text, sizeof(text), "%.*f", (int)places, f); /* exact, and rounded as Python does it */
    char *point = text + strspn(text, "-0123456789");
    *point = '.'; /* whatever the locale has; of one byte in all but very few */
    return tempo_chat_parse_float(tempo_chat_literal(text), &r) ? r : f;
}

static int64_t round_int(int64_t i, int64_t places)
{
    int64_t scale = 1;

    for (; places < 0; places++)
        if (__builtin_mul_overflow(scale, 10, &scale))
            return 0;
    const int64_t rest = i % scale, half = scale / 2, size = rest < 0 ? -rest : rest;
    const int64_t down = i - rest;
    const bool up = scale > 1 && (size > half || (size == half && (down / scale) % 2 != 0));
    return up ? down + (rest < 0 ? -scale : scale) : down;
}

static tempo_status filter_round(tempo_chat_call *c)
{
    tempo_chat_str method = {"common", NULL, 6};
    int64_t places = 0;
    tempo_status st;

    if ((st = needs_number(c)) != TEMPO_OK || (st = tempo_chat_arg_int(c, 0, &places)) != TEMPO_OK ||
        (st = tempo_chat_arg_str(c, 1, &method)) != TEMPO_OK)
        return st;
    const bool ceiling = tempo_chat_is(method, "ceil");
    if (tempo_chat_is(method, "common")) {
        *c->out = c->self.kind == TEMPO_VALUE_FLOAT
                      ? tempo_chat_float(round_float(c->self.f, places))
                      : tempo_chat_int(places >= 0 ? c->self.i : round_int(c->self.i, places));
        return TEMPO_OK;
    }
    if (!ceiling && !tempo_chat_is(method, "floor"))
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "round: the method must be common, ceil or floor");
    const double scale = pow(10, (double)places), x = tempo_chat_as_float(&c->self) * scale;
    *c->out = tempo_chat_float((ceiling ? ceil(x) : floor(x)) / scale);
    return TEMPO_OK;
}

/* ---- sizes ---- */

static tempo_status filter_filesizeformat(tempo_chat_call *c)
{
    static const char *const decimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}, *const binary[] = {
                                                                                               "KiB", "MiB",
                                                                                               "GiB", "TiB",
                                                                                               "PiB", "EiB",
                                                                                               "ZiB", "YiB"};
    const bool two = tempo_chat_arg_true(c, 0);
    const double base = two ? 1024 : 1000;
    tempo_chat_buffer b = {0};
    double bytes = 0, unit = base;
    char text[400];
    size_t i = 0;

    if (tempo_chat_is_number(&c->self))
        bytes = tempo_chat_as_float(&c->self);
    else if (c->self.kind != TEMPO_VALUE_STR || !tempo_chat_parse_float(c->self.str, &bytes))
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "filesizeformat: this is no number");
    if (bytes == 1) {
        (void)snprintf(text, sizeof(text), "1 Byte");
    } else if (bytes < base) {
        if (!isfinite(bytes))
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "filesizeformat: this is no number");
        (void)snprintf(text, sizeof(text), "%.0f Bytes", trunc(bytes) + 0.0);
    } else {
        for (unit = base * base; i < 7 && bytes >= unit; i++)
            unit *= base;
        (void)snprintf(text, sizeof(text), "%.1f %s", base * bytes / unit, (two ? binary : decimal)[i]);
        text[strspn(text, "-0123456789")] = '.';
    }
    const tempo_status st = tempo_chat_add(c, &b, tempo_chat_literal(text));
    *c->out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

const tempo_chat_callable tempo_chat_number_filters[] = {
    {"int", "|default,base", filter_int},
    {"float", "|default", filter_float},
    {"abs", "", filter_abs},
    {"round", "|precision,method", filter_round},
    {"filesizeformat", "|binary", filter_filesizeformat},
    {NULL, NULL, NULL},
};
