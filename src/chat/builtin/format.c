/* format.c - "{} {a.b[0]:>5}".format(...).  Source: Python's "Format String Syntax", with the lookups of
 * Jinja2's SandboxedFormatter. */
#include "chat/builtin/format.h"

#include <string.h>

enum { MAX_WIDTH = 100000 };

/* ---- format(value, spec) ---- */

static bool is_align(char c)
{
    return c != '\0' && strchr("<>=^", c) != NULL;
}

/* Digits at *at; *out stays where there are none. */
static tempo_status read_size(tempo_chat_call *c, tempo_chat_str text, size_t *at, int64_t *out)
{
    int64_t n = 0;
    const size_t begin = *at;

    for (; *at < text.n && text.p[*at] >= '0' && text.p[*at] <= '9'; (*at)++)
        if ((n = 10 * n + (text.p[*at] - '0')) > MAX_WIDTH)
            return tempo_chat_call_fail(c, TEMPO_E_LIMIT, "%s: a width above %d", c->name, MAX_WIDTH);
    if (*at > begin)
        *out = n;
    return TEMPO_OK;
}

static char take_one_of(tempo_chat_str text, size_t *at, const char *chars)
{
    if (*at >= text.n || text.p[*at] == '\0' || strchr(chars, text.p[*at]) == NULL)
        return '\0';
    return text.p[(*at)++];
}

static tempo_status read_spec(tempo_chat_call *c, tempo_chat_str text, tempo_chat_spec *out)
{
    const size_t first = text.n > 0 ? tempo_chat_char_len(text.p[0]) : 0;
    size_t at = 0;
    tempo_status st;

    *out = (tempo_chat_spec){.precision = -1};
    if (first > 0 && first < text.n && is_align(text.p[first])) {
        out->fill = tempo_chat_part(text, 0, first);
        at = first;
    }
    out->align = take_one_of(text, &at, "<>=^");
    out->sign = take_one_of(text, &at, "+- ");
    out->alternate = take_one_of(text, &at, "#") != '\0';
    if (take_one_of(text, &at, "0") != '\0') {
        out->zero = true;
        if (out->fill.n == 0)
            out->fill = tempo_chat_literal("0");
        if (out->align == '\0')
            out->align = '=';
    }
    if ((st = read_size(c, text, &at, &out->width)) != TEMPO_OK)
        return st;
    out->group = take_one_of(text, &at, ",_");
    if (take_one_of(text, &at, ".") != '\0') {
        if ((st = read_size(c, text, &at, &out->precision)) != TEMPO_OK)
            return st;
        if (out->precision < 0)
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: a format lacks its precision", c->name);
    }
    out->type = take_one_of(text, &at, "bcdeEfFgGnosxX%");
    if (at != text.n)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: '%.*s' is no format", c->name,
                                    (int)(text.n < 40 ? text.n : 40), text.p);
    return TEMPO_OK;
}

static tempo_status wrong_type(tempo_chat_call *c, const tempo_chat_value *v, const tempo_chat_spec *spec)
{
    return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: the format '%c' is not for %s", c->name, spec->type,
                                tempo_chat_kind_name(v));
}

static tempo_status format_number(tempo_chat_call *c, const tempo_chat_value *v, tempo_chat_spec *spec,
                                  tempo_chat_buffer *b)
{
    const bool whole =
        v->kind != TEMPO_VALUE_FLOAT && (spec->type == '\0' || strchr("bcdoxXn", spec->type) != NULL);

    if (spec->type == 's' || (!whole && spec->type != '\0' && strchr("eEfFgGn%", spec->type) == NULL))
        return wrong_type(c, v, spec);
    if (spec->align == '\0')
        spec->align = '>';
    if (!whole)
        return tempo_chat_format_float(c, tempo_chat_as_float(v), spec, b);
    if (spec->precision >= 0)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: whole numbers have no precision", c->name);
    if (spec->type == 'c' && spec->align == '=')
        spec->align = '>';
    return tempo_chat_format_int(c, v->i, spec, b);
}

tempo_status tempo_chat_format_value(tempo_chat_call *c, const tempo_chat_value *v, tempo_chat_str text,
                                     tempo_chat_str *out)
{
    tempo_chat_buffer b = {0};
    tempo_chat_spec spec;
    tempo_chat_str plain;
    tempo_status st = read_spec(c, text, &spec);

    *out = (tempo_chat_str){"", NULL, 0};
    if (st != TEMPO_OK)
        return st;
    if (text.n == 0) {
        st = c->self.which != 0 ? tempo_chat_escape(c->s, c->node, v, out)
                                : tempo_chat_print(c->s, c->node, v, out);
        return st;
    }
    if (tempo_chat_is_number(v) && !(v->kind == TEMPO_VALUE_BOOL && spec.type == 's')) {
        st = format_number(c, v, &spec, &b);
    } else if (v->kind != TEMPO_VALUE_STR) {
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: %s takes no format", c->name,
                                    tempo_chat_kind_name(v));
    } else if ((spec.type != '\0' && spec.type != 's') || spec.sign != '\0' || spec.alternate ||
               spec.group != '\0' || (spec.align == '=' && !spec.zero)) {
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: '%.*s' is no format of a string", c->name,
                                    (int)(text.n < 40 ? text.n : 40), text.p);
    } else if ((st = tempo_chat_print(c->s, c->node, v, &plain)) == TEMPO_OK) {
        st = tempo_chat_format_text(c, plain, &spec, &b);
    }
    *out = tempo_chat_buffer_str(&b);
    return st;
}

/* ---- str.format ---- */

typedef struct formatter {
    tempo_chat_call *c;
    const tempo_chat_value *map; /* of format_map; NULL: the arguments by name */
    size_t next;                 /* place of the next field without a name */
    bool numbered;               /* fields had numbers */
    tempo_chat_buffer b;
} formatter;

static tempo_status format_text(formatter *f, tempo_chat_str text, unsigned depth, tempo_chat_buffer *b);

static bool is_number(tempo_chat_str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < '0' || name.p[i] > '9')
            return false;
    return name.n > 0;
}

/* What a field begins with: a number, a name, or nothing: the next argument. */
static tempo_status first_value(formatter *f, tempo_chat_str name, tempo_chat_value *out)
{
    tempo_chat_call *c = f->c;
    const tempo_chat_value *found = NULL;
    int64_t i = 0;
    bool big = false;

    if (name.n == 0 && f->numbered)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "format: fields with and without numbers");
    if (name.n == 0 || (is_number(name) && tempo_chat_parse_int(name, 10, &i, &big))) {
        f->numbered = name.n > 0;
        i = name.n > 0 ? i : (int64_t)f->next++;
        if (f->numbered && f->next > 0)
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "format: fields with and without numbers");
        if (f->map == NULL && (uint64_t)i < c->args.n && c->args.name[i].p == NULL) {
            *out = c->args.v[i];
            return TEMPO_OK;
        }
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "format: there is no argument %lld", (long long)i);
    }
    for (size_t k = 0; f->map == NULL && k < c->args.n && found == NULL; k++)
        if (c->args.name[k].p != NULL && tempo_chat_same(c->args.name[k], name))
            found = &c->args.v[k];
    if (f->map != NULL)
        found = tempo_chat_map_get(f->map->map, name);
    if (found == NULL)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "format: there is no argument '%.*s'",
                                    (int)(name.n < 40 ? name.n : 40), name.p);
    *out = *found;
    return TEMPO_OK;
}

/* a.b[c]: the value of a field. */
static tempo_status field_value(formatter *f, tempo_chat_str name, tempo_chat_value *out)
{
    tempo_chat_call *c = f->c;
    size_t at = 0;
    tempo_status st;

    while (at < name.n && name.p[at] != '.' && name.p[at] != '[')
        at++;
    st = first_value(f, tempo_chat_part(name, 0, at), out);
    while (at < name.n && st == TEMPO_OK) {
        const bool item = name.p[at] == '[';
        const size_t begin = ++at;
        const tempo_chat_value from = *out;
        while (at < name.n && (item ? name.p[at] != ']' : name.p[at] != '.' && name.p[at] != '['))
            at++;
        const tempo_chat_str part = tempo_chat_part(name, begin, at);
        if (part.n == 0 || (item && at == name.n) ||
            (item && at + 1 < name.n && name.p[at + 1] != '.' && name.p[at + 1] != '['))
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "format: a field is incomplete");
        at += item;
        int64_t i = 0;
        bool big = false;
        const bool number = item && is_number(part) && tempo_chat_parse_int(part, 10, &i, &big);
        const tempo_chat_value key = number ? tempo_chat_int(i) : tempo_chat_text(part);
        st = item ? tempo_chat_item(c->s, c->node, &from, &key, out)
                  : tempo_chat_attribute(c->s, c->node, &from, part, out);
    }
    return st;
}

/* !r, !s, !a */
static tempo_status convert(formatter *f, char how, tempo_chat_value *v)
{
    tempo_chat_call *c = f->c;
    tempo_chat_str text;
    tempo_status st;

    if (how != 'r' && how != 'a' && how != 's')
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "format: an unknown conversion behind !");
    st = how == 's' ? tempo_chat_print(c->s, c->node, v, &text)
                    : tempo_chat_repr(c->s, c->node, v, how == 'a' ? TEMPO_REPR_ASCII : 0, &text);
    *v = tempo_chat_text(text);
    return st;
}

/* name!conversion:spec */
static tempo_status put_field(formatter *f, tempo_chat_str field, unsigned depth, tempo_chat_buffer *b)
{
    tempo_chat_call *c = f->c;
    size_t at = 0;
    unsigned brackets = 0;
    tempo_chat_buffer spec = {0};
    tempo_chat_value v;
    tempo_chat_str text;
    tempo_status st;

    for (; at < field.n && (brackets > 0 || (field.p[at] != '!' && field.p[at] != ':')); at++)
        brackets = field.p[at] == '[' ? 1 : field.p[at] == ']' ? 0 : brackets;
    if ((st = field_value(f, tempo_chat_part(field, 0, at), &v)) != TEMPO_OK)
        return st;
    if (at < field.n && field.p[at] == '!') {
        if (at + 1 >= field.n || (at + 2 < field.n && field.p[at + 2] != ':'))
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "format: expected : behind a conversion");
        if ((st = convert(f, field.p[at + 1], &v)) != TEMPO_OK)
            return st;
        at += 2;
    }
    if (at < field.n &&
        (st = format_text(f, tempo_chat_part(field, at + 1, field.n), depth + 1, &spec)) != TEMPO_OK)
        return st;
    if ((st = tempo_chat_format_value(c, &v, tempo_chat_buffer_str(&spec), &text)) != TEMPO_OK)
        return st;
    return tempo_chat_add(c, b, text);
}

/* The end of the field whose { is in front of text[at]; SIZE_MAX: there is none. */
static size_t field_end(tempo_chat_str text, size_t at)
{
    for (size_t depth = 1; at < text.n; at++) {
        depth += text.p[at] == '{';
        depth -= text.p[at] == '}';
        if (depth == 0)
            return at;
    }
    return SIZE_MAX;
}

static tempo_status format_text(formatter *f, tempo_chat_str text, unsigned depth, tempo_chat_buffer *b)
{
    tempo_chat_call *c = f->c;
    size_t at = 0;
    tempo_status st = TEMPO_OK;

    if (depth > 2)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "format: fields inside of one another");
    while (at < text.n && st == TEMPO_OK) {
        size_t end = at;
        while (end < text.n && text.p[end] != '{' && text.p[end] != '}')
            end++;
        if ((st = tempo_chat_add(c, b, tempo_chat_part(text, at, end))) != TEMPO_OK || end == text.n)
            return st;
        at = end + 1;
        if (at < text.n && text.p[at] == text.p[end]) { /* {{ and }} */
            st = tempo_chat_add(c, b, tempo_chat_part(text, at, at + 1));
            at++;
            continue;
        }
        const size_t close = text.p[end] == '{' ? field_end(text, at) : SIZE_MAX;
        if (close == SIZE_MAX)
            return tempo_chat_call_fail(c, TEMPO_E_ARG, "format: a single %c", text.p[end]);
        if ((st = tempo_chat_work(c->s, c->node, close - at)) == TEMPO_OK)
            st = put_field(f, tempo_chat_part(text, at, close), depth, b);
        at = close + 1;
    }
    return st;
}

tempo_status tempo_chat_format(tempo_chat_call *c, tempo_chat_str text, const tempo_chat_value *map)
{
    formatter f = {.c = c, .map = map};
    const tempo_status st = format_text(&f, text, 0, &f.b);

    return st == TEMPO_OK ? tempo_chat_give_buffer(c, &f.b) : st;
}
