/* function.c - functions: those of Jinja2, and those that Hugging Face adds. */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

#include "chat/builtin/call.h"

static tempo_status call_raise(tempo_chat_call *c)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_print(c->s, c->node, &c->v[0], &text);

    if (st != TEMPO_OK)
        return st;
    return tempo_fail(c->s->err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s refuses these messages: %.*s",
                      c->s->p->label, (int)(text.n < 300 ? text.n : 300), text.p);
}

/* ---- dates ---- */

static struct tm date_of(const tempo_chat_input *in)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    const bool leap = (in->year % 4 == 0 && in->year % 100 != 0) || in->year % 400 == 0;

    return (struct tm){.tm_year = in->year - 1900,
                       .tm_mon = in->month - 1,
                       .tm_mday = in->day,
                       .tm_hour = in->hour,
                       .tm_min = in->minute,
                       .tm_sec = in->second,
                       .tm_wday = in->weekday,
                       .tm_yday = before[in->month - 1] + in->day - 1 + (leap && in->month > 2),
                       .tm_isdst = -1};
}

/* The length of the conversion that stands at %: flags, a width of two digits, E or O, a letter; 0: it is
 * none. */
static size_t conversion(tempo_chat_str format, size_t at)
{
    size_t n = 1;

    while (at + n < format.n && format.p[at + n] != '\0' && strchr("-_^#", format.p[at + n]) != NULL)
        n++;
    for (size_t digits = 0;
         digits < 2 && at + n < format.n && format.p[at + n] >= '0' && format.p[at + n] <= '9'; digits++)
        n++;
    n += at + n < format.n && (format.p[at + n] == 'E' || format.p[at + n] == 'O');
    if (at + n >= format.n || format.p[at + n] == '\0' ||
        strchr("aAbBcCdDeFfgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%", format.p[at + n]) == NULL)
        return 0;
    return n + 1;
}

/* In English, whatever the locale is.  A date of no time zone has no name of one, nor fractions of a second
 * here. */
static tempo_status add_date(tempo_chat_call *c, tempo_chat_str part, const struct tm *tm, locale_t english,
                             tempo_chat_buffer *b)
{
    const char letter = part.p[part.n - 1];
    char format[24], text[256];

    if (letter == 'z' || letter == 'Z')
        return TEMPO_OK;
    if (letter == 'f')
        return tempo_chat_add(c, b, tempo_chat_literal("000000"));
    if (part.n >= sizeof(format))
        return tempo_chat_call_fail(c, TEMPO_E_UNSUPPORTED, "strftime_now: so many flags are not supported");
    memcpy(format, part.p, part.n);
    format[part.n] = '\0';
    return tempo_chat_add(c, b,
                          (tempo_chat_str){text, NULL, strftime_l(text, sizeof(text), format, tm, english)});
}

static tempo_status write_date(tempo_chat_call *c, tempo_chat_str format, locale_t english)
{
    const struct tm tm = date_of(c->s->in);
    tempo_chat_buffer b = {0};
    tempo_status st = tempo_chat_work(c->s, c->node, 64 * format.n);

    for (size_t at = 0, n = 1; at < format.n && st == TEMPO_OK; at += n) {
        n = format.p[at] == '%' ? conversion(format, at) : 1;
        if (n == 0)
            return tempo_chat_call_fail(c, TEMPO_E_UNSUPPORTED, "strftime_now: %%%.*s is not supported",
                                        at + 1 < format.n ? (int)tempo_chat_char_len(format.p[at + 1]) : 0,
                                        format.p + at + 1);
        st = format.p[at] == '%' ? add_date(c, tempo_chat_part(format, at, at + n), &tm, english, &b)
                                 : tempo_chat_add(c, &b, tempo_chat_part(format, at, at + 1));
    }
    *c->out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

static tempo_status call_strftime(tempo_chat_call *c)
{
    tempo_chat_str format = {"", NULL, 0};
    tempo_status st = tempo_chat_arg_str(c, 0, &format);

    if (st != TEMPO_OK)
        return st;
    const locale_t english = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (english == (locale_t)0)
        return tempo_chat_call_fail(c, TEMPO_E_NOMEM, "out of memory for a date");
    st = write_date(c, format, english);
    freelocale(english);
    return st;
}

/* ---- objects ---- */

static tempo_status call_range(tempo_chat_call *c)
{
    int64_t v[3] = {0, 0, 1};
    tempo_chat_range *r = tempo_chat_alloc(c->s->heap, sizeof(*r));
    tempo_status st = r != NULL ? TEMPO_OK : c->s->heap->failed;

    for (size_t i = 0; i < 3 && st == TEMPO_OK; i++)
        st = tempo_chat_arg_int(c, i, &v[i]);
    if (st != TEMPO_OK)
        return st;
    if (!c->given[1]) {
        v[1] = v[0];
        v[0] = 0;
    }
    for (size_t i = 0; i < 3; i++)
        if (v[i] > INT32_MAX || v[i] < INT32_MIN)
            return tempo_chat_call_fail(c, TEMPO_E_LIMIT, "range: a number beyond 2^31");
    if (v[2] == 0)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "range: a step of 0");
    *r = (tempo_chat_range){v[0], v[1], v[2], 0};
    if (v[2] > 0 ? v[1] > v[0] : v[1] < v[0])
        r->n = (size_t)((v[1] - v[0] + v[2] - (v[2] > 0 ? 1 : -1)) / v[2]);
    if (r->n > 100000) /* as Jinja2's sandbox has it */
        return tempo_chat_call_fail(c, TEMPO_E_LIMIT, "range: more than 100000 numbers");
    *c->out = (tempo_chat_value){.kind = TEMPO_VALUE_RANGE, .range = r};
    return TEMPO_OK;
}

/* namespace(mapping, name=value, ...), dict(...) */
static tempo_status make_map(tempo_chat_call *c, tempo_chat_kind kind)
{
    tempo_status st = tempo_chat_make_map(c->s, kind, c->out);

    for (size_t i = 0; i < c->args.n && st == TEMPO_OK; i++) {
        const tempo_chat_value name = tempo_chat_text(c->args.name[i]);
        if (name.str.p == NULL && i > 0)
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s takes no more than 1 argument by place", c->name);
        st = name.str.p != NULL ? tempo_chat_map_put(c->s, c->node, c->out->map, &name, &c->args.v[i])
                                : tempo_chat_map_update(c->s, c->node, c->out->map, &c->args.v[i]);
    }
    return st;
}

static tempo_status call_namespace(tempo_chat_call *c)
{
    return make_map(c, TEMPO_VALUE_NAMESPACE);
}

static tempo_status call_dict(tempo_chat_call *c)
{
    return make_map(c, TEMPO_VALUE_MAP);
}

static tempo_status make_reader(tempo_chat_call *c, tempo_chat_kind kind, const tempo_chat_value *v, size_t n)
{
    tempo_chat_value *copy = tempo_chat_values(c->s, n);
    tempo_status st;

    if (copy == NULL)
        return c->s->heap->failed;
    memcpy(copy, v, n * sizeof(*v));
    st = tempo_chat_make(c->s, TEMPO_VALUE_ITERATOR, copy, n, c->out);
    c->out->kind = kind;
    return st;
}

static tempo_status call_cycler(tempo_chat_call *c)
{
    if (c->args.n == 0 || c->args.name[c->args.n - 1].p != NULL)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "cycler takes values by place, at least one");
    return make_reader(c, TEMPO_VALUE_CYCLER, c->args.v, c->args.n);
}

static tempo_status call_joiner(tempo_chat_call *c)
{
    const tempo_chat_value comma = tempo_chat_text(tempo_chat_literal(", "));

    return make_reader(c, TEMPO_VALUE_JOINER, c->given[0] ? &c->v[0] : &comma, 1);
}

const tempo_chat_callable tempo_chat_functions[] = {
    {"raise_exception", "message", call_raise},
    {"strftime_now", "format", call_strftime},
    {"range", "start|stop,step", call_range},
    {"namespace", NULL, call_namespace},
    {"dict", NULL, call_dict},
    {"cycler", NULL, call_cycler},
    {"joiner", "|sep", call_joiner},
    {NULL, NULL, NULL},
};
