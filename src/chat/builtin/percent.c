/* percent.c - "%s %(name)05d" % values.  Source: Python's "printf-style String Formatting". */
#include <string.h>

#include "chat/builtin/format.h"

enum { MAX_WIDTH = 100000 };

typedef struct percent {
    tempo_chat_call *c;
    tempo_chat_str text;
    size_t at;
    const tempo_chat_value *values; /* a tuple, or the one value */
    size_t next;                    /* of the tuple; of one: 1 it was used */
    bool by_name;
    tempo_chat_buffer b;
} percent;

static tempo_status next_value(percent *f, tempo_chat_value *out)
{
    const bool tuple = f->values->kind == TEMPO_VALUE_TUPLE;

    if (f->next >= (tuple ? f->values->list->n : 1))
        return tempo_chat_call_fail(f->c, TEMPO_E_ARG, "%%: not enough values for the format");
    *out = tuple ? f->values->list->v[f->next] : *f->values;
    f->next++;
    return TEMPO_OK;
}

/* A number or * at f->at. */
static tempo_status read_size(percent *f, int64_t *out)
{
    tempo_chat_value v;
    tempo_status st;

    if (f->at < f->text.n && f->text.p[f->at] == '*') {
        f->at++;
        if ((st = next_value(f, &v)) != TEMPO_OK)
            return st;
        if (!tempo_chat_is_int(&v))
            return tempo_chat_call_fail(f->c, TEMPO_E_ARG, "%%: * needs a whole number");
        *out = v.i;
    } else {
        for (*out = 0; f->at < f->text.n && f->text.p[f->at] >= '0' && f->text.p[f->at] <= '9'; f->at++)
            *out = *out <= MAX_WIDTH ? 10 * *out + (f->text.p[f->at] - '0') : *out;
    }
    if (*out > MAX_WIDTH || *out < -MAX_WIDTH)
        return tempo_chat_call_fail(f->c, TEMPO_E_LIMIT, "%%: a width above %d", MAX_WIDTH);
    return TEMPO_OK;
}

/* (name) at f->at */
static tempo_status read_name(percent *f, tempo_chat_value *out)
{
    const size_t begin = f->at + 1;
    size_t depth = 1, at;
    tempo_status st;

    if (f->values->kind != TEMPO_VALUE_MAP)
        return tempo_chat_call_fail(f->c, TEMPO_E_ARG, "%%: names need a mapping");
    for (f->at = begin; f->at < f->text.n && depth > 0; f->at++) {
        depth += f->text.p[f->at] == '(';
        depth -= f->text.p[f->at] == ')';
    }
    if (depth > 0)
        return tempo_chat_call_fail(f->c, TEMPO_E_ARG, "%%: a name without )");
    const tempo_chat_value key = tempo_chat_text(tempo_chat_part(f->text, begin, f->at - 1));
    if ((st = tempo_chat_map_find(f->c->s, f->c->node, f->values->map, &key, &at)) != TEMPO_OK)
        return st;
    if (at == f->values->map->n)
        return tempo_chat_call_fail(f->c, TEMPO_E_ARG, "%%: there is no '%.*s'",
                                    (int)(key.str.n < 40 ? key.str.n : 40), key.str.p);
    f->by_name = true;
    *out = f->values->map->values[at];
    return TEMPO_OK;
}

static void read_flags(percent *f, tempo_chat_spec *spec)
{
    bool left = false;

    for (; f->at < f->text.n && f->text.p[f->at] != '\0' && strchr("#0- +", f->text.p[f->at]) != NULL;
         f->at++) {
        const char flag = f->text.p[f->at];
        spec->alternate |= flag == '#';
        spec->zero |= flag == '0';
        left |= flag == '-';
        if (flag == '+' || (flag == ' ' && spec->sign != '+'))
            spec->sign = flag;
    }
    spec->align = left ? '<' : '>';
}

static tempo_status put_text(percent *f, const tempo_chat_value *v, const tempo_chat_spec *spec)
{
    tempo_chat_call *c = f->c;
    tempo_chat_str text;
    tempo_status st;

    if (spec->type != 's')
        st = tempo_chat_repr(c->s, c->node, v, spec->type == 'a' ? TEMPO_REPR_ASCII : 0, &text);
    else
        st = c->self.which != 0 ? tempo_chat_escape(c->s, c->node, v, &text)
                                : tempo_chat_print(c->s, c->node, v, &text);
    return st == TEMPO_OK ? tempo_chat_format_text(c, text, spec, &f->b) : st;
}

static tempo_status put_char(percent *f, const tempo_chat_value *v, tempo_chat_spec *spec)
{
    spec->precision = -1;
    if (v->kind == TEMPO_VALUE_STR && tempo_chat_length(v->str) == 1)
        return tempo_chat_format_text(f->c, v->str, spec, &f->b);
    if (!tempo_chat_is_int(v))
        return tempo_chat_call_fail(f->c, TEMPO_E_ARG, "%%c needs a character, this is %s",
                                    tempo_chat_kind_name(v));
    return tempo_chat_format_int(f->c, v->i, spec, &f->b);
}

static tempo_status put_number(percent *f, const tempo_chat_value *v, tempo_chat_spec *spec)
{
    const bool decimal = strchr("diu", spec->type) != NULL,
               whole = decimal || strchr("oxX", spec->type) != NULL;
    int64_t i = v->i;

    if (v->kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(f->c->s, f->c->node, v);
    if (!tempo_chat_is_number(v) || (whole && !decimal && v->kind == TEMPO_VALUE_FLOAT))
        return tempo_chat_call_fail(f->c, TEMPO_E_ARG, "%%%c needs a number, this is %s", spec->type,
                                    tempo_chat_kind_name(v));
    if (spec->zero && spec->align != '<') {
        spec->fill = tempo_chat_literal("0");
        spec->align = '=';
    }
    if (!whole)
        return tempo_chat_format_float(f->c, tempo_chat_as_float(v), spec, &f->b);
    if (v->kind == TEMPO_VALUE_FLOAT && !tempo_chat_whole(v->f, &i))
        return tempo_chat_call_fail(f->c, TEMPO_E_LIMIT, "a number beyond 2^63");
    if (spec->precision > TEMPO_CHAT_MAX_PRECISION)
        return tempo_chat_call_fail(f->c, TEMPO_E_LIMIT, "%%: a precision above %d",
                                    TEMPO_CHAT_MAX_PRECISION);
    if (decimal)
        spec->type = 'd';
    return tempo_chat_format_int(f->c, i, spec, &f->b);
}

/* After % */
static tempo_status put_value(percent *f)
{
    tempo_chat_spec spec = {.precision = -1};
    tempo_chat_value v = tempo_chat_none();
    const bool named = f->at < f->text.n && f->text.p[f->at] == '(';
    tempo_status st = named ? read_name(f, &v) : TEMPO_OK;

    if (st != TEMPO_OK)
        return st;
    read_flags(f, &spec);
    if ((st = read_size(f, &spec.width)) != TEMPO_OK)
        return st;
    if (spec.width < 0) {
        spec.width = -spec.width;
        spec.align = '<';
    }
    if (f->at < f->text.n && f->text.p[f->at] == '.') {
        f->at++;
        if ((st = read_size(f, &spec.precision)) != TEMPO_OK)
            return st;
        spec.precision = spec.precision < 0 ? 0 : spec.precision;
    }
    f->at += f->at < f->text.n && strchr("hlL", f->text.p[f->at]) != NULL && f->text.p[f->at] != '\0';
    if (f->at == f->text.n)
        return tempo_chat_call_fail(f->c, TEMPO_E_ARG, "%%: the format is incomplete");
    spec.type = f->text.p[f->at++];
    if (spec.type == '%')
        return tempo_chat_add(f->c, &f->b, tempo_chat_part(f->text, f->at - 1, f->at));
    if (!named && (st = next_value(f, &v)) != TEMPO_OK)
        return st;
    if (spec.type == 's' || spec.type == 'r' || spec.type == 'a')
        return put_text(f, &v, &spec);
    if (spec.type == 'c')
        return put_char(f, &v, &spec);
    if (spec.type == '\0' || strchr("diuoxXeEfFgG", spec.type) == NULL)
        return tempo_chat_call_fail(f->c, TEMPO_E_ARG, "%%: '%c' is no format",
                                    spec.type >= ' ' && spec.type < 0x7f ? spec.type : '?');
    return put_number(f, &v, &spec);
}

/* Values that are read in no order may stay unread: they are looked up, or could be. */
static bool has_unread(const percent *f)
{
    const tempo_chat_kind kind = f->values->kind;

    if (kind == TEMPO_VALUE_TUPLE)
        return f->next < f->values->list->n;
    return f->next == 0 && kind != TEMPO_VALUE_MAP && kind != TEMPO_VALUE_LIST && kind != TEMPO_VALUE_RANGE &&
           kind != TEMPO_VALUE_UNDEFINED;
}

tempo_status tempo_chat_percent(tempo_chat_state *s, const tempo_chat_node *node,
                                const tempo_chat_value *text, const tempo_chat_value *v,
                                tempo_chat_value *out)
{
    tempo_chat_call c = {.s = s, .node = node, .name = "%", .self = *text, .out = out};
    percent f = {.c = &c, .text = text->str, .values = v};
    tempo_status st = tempo_chat_work(s, node, text->str.n);

    while (st == TEMPO_OK && f.at < f.text.n) {
        const char *sign = memchr(f.text.p + f.at, '%', f.text.n - f.at);
        const size_t end = sign != NULL ? (size_t)(sign - f.text.p) : f.text.n;
        st = tempo_chat_add(&c, &f.b, tempo_chat_part(f.text, f.at, end));
        f.at = end + (sign != NULL);
        if (st == TEMPO_OK && sign != NULL && (st = tempo_chat_work(s, node, 0)) == TEMPO_OK)
            st = put_value(&f);
    }
    if (st == TEMPO_OK && has_unread(&f))
        return tempo_chat_call_fail(&c, TEMPO_E_ARG, "%%: more values than the format has places for");
    return st == TEMPO_OK ? tempo_chat_give_buffer(&c, &f.b) : st;
}
