/* filter.c - filters of text, and those of any value.  Source: Jinja2's filters.py; tojson is that of
 * Hugging Face. */
#include <string.h>

#include "chat/builtin/call.h"

/* ---- any value ---- */

static tempo_status filter_length(tempo_chat_call *c)
{
    size_t n;

    if (!tempo_chat_length_of(&c->self, &n))
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s has no length", tempo_chat_kind_name(&c->self));
    *c->out = tempo_chat_int((int64_t)n);
    return tempo_chat_work(c->s, c->node, c->self.kind == TEMPO_VALUE_STR ? c->self.str.n : 0);
}

static tempo_status filter_default(tempo_chat_call *c)
{
    if (c->self.kind == TEMPO_VALUE_UNDEFINED || (tempo_chat_arg_true(c, 1) && !tempo_chat_truth(&c->self)))
        *c->out = c->given[0] ? c->v[0] : tempo_chat_text(tempo_chat_literal(""));
    else
        *c->out = c->self;
    return TEMPO_OK;
}

static tempo_status filter_string(tempo_chat_call *c)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_self_text(c, &text);

    return st == TEMPO_OK ? tempo_chat_give(c, text) : st;
}

/* v.name, never v["name"] */
static tempo_status filter_attr(tempo_chat_call *c)
{
    tempo_chat_str name = {"", NULL, 0};
    const tempo_status st = tempo_chat_arg_str(c, 0, &name);

    if (st != TEMPO_OK)
        return st;
    *c->out = tempo_chat_undefined(name);
    if (c->self.kind == TEMPO_VALUE_MAP && tempo_chat_find_method(TEMPO_VALUE_MAP, name) < 0)
        return TEMPO_OK;
    return tempo_chat_attribute(c->s, c->node, &c->self, name, c->out);
}

/* ---- JSON ---- */

static tempo_status read_separators(tempo_chat_call *c, const tempo_chat_value *v, tempo_chat_dumps *how)
{
    tempo_chat_span items;
    tempo_status st;

    if (v->kind != TEMPO_VALUE_LIST && v->kind != TEMPO_VALUE_TUPLE)
        return tempo_chat_wrong_arg(c, 2, "a tuple of two strings");
    if ((st = tempo_chat_elements(c->s, c->node, v, &items)) != TEMPO_OK)
        return st;
    if (items.n != 2 || items.v[0].kind != TEMPO_VALUE_STR || items.v[1].kind != TEMPO_VALUE_STR)
        return tempo_chat_wrong_arg(c, 2, "a tuple of two strings");
    how->item = items.v[0].str;
    how->key = items.v[1].str;
    return TEMPO_OK;
}

static tempo_status read_indent(tempo_chat_call *c, const tempo_chat_value *v, tempo_chat_dumps *how)
{
    tempo_chat_buffer b = {0};
    tempo_status st;

    how->lines = true;
    how->item = tempo_chat_literal(",");
    if (v->kind == TEMPO_VALUE_STR) {
        how->indent = v->str;
        return TEMPO_OK;
    }
    if (!tempo_chat_is_int(v))
        return tempo_chat_wrong_arg(c, 1, "a whole number or a string");
    st = tempo_chat_add_times(c, &b, tempo_chat_literal(" "), v->i);
    how->indent = tempo_chat_buffer_str(&b);
    return st;
}

static tempo_status filter_tojson(tempo_chat_call *c)
{
    tempo_chat_dumps how = {.ensure_ascii = tempo_chat_arg_true(c, 0),
                            .sort_keys = tempo_chat_arg_true(c, 3),
                            .item = tempo_chat_literal(", "),
                            .key = tempo_chat_literal(": ")};
    tempo_chat_str text;
    tempo_status st = TEMPO_OK;

    if (tempo_chat_arg_some(c, 1))
        st = read_indent(c, &c->v[1], &how);
    if (st == TEMPO_OK && tempo_chat_arg_some(c, 2))
        st = read_separators(c, &c->v[2], &how);
    if (st != TEMPO_OK || (st = tempo_chat_json(c->s, c->node, &c->self, &how, &text)) != TEMPO_OK)
        return st;
    *c->out = tempo_chat_text(text);
    return TEMPO_OK;
}

/* Text in brackets: JSON that may be a string or a number, too. */
static tempo_status filter_from_json(tempo_chat_call *c)
{
    tempo_chat_buffer b = {0};
    json_t *json = NULL;
    tempo_status st;

    if (c->self.kind != TEMPO_VALUE_STR)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: this is %s, expected a string", c->name,
                                    tempo_chat_kind_name(&c->self));
    if ((st = tempo_chat_work(c->s, c->node, 16 * c->self.str.n)) != TEMPO_OK ||
        (st = tempo_chat_add(c, &b, tempo_chat_literal("["))) != TEMPO_OK ||
        (st = tempo_chat_add(c, &b, c->self.str)) != TEMPO_OK ||
        (st = tempo_chat_add(c, &b, tempo_chat_literal("]"))) != TEMPO_OK)
        return st;
    tempo_err err = {0};
    st = tempo_json_parse(&json, b.p, b.n, &err);
    if (st != TEMPO_OK || json_array_size(json) != 1)
        st = tempo_chat_call_fail(c, st == TEMPO_E_NOMEM || st == TEMPO_E_LIMIT ? st : TEMPO_E_ARG,
                                  "%s: the text is no JSON", c->name);
    else
        st = tempo_chat_from_json(c->s, json_array_get(json, 0), true, c->out);
    json_decref(json);
    return st;
}

/* ---- text ---- */

static tempo_status filter_trim(tempo_chat_call *c)
{
    tempo_chat_str text, chars = {NULL, NULL, 0};
    const bool some = tempo_chat_arg_some(c, 0);
    tempo_status st;

    if ((st = tempo_chat_self_text(c, &text)) != TEMPO_OK ||
        (some && (st = tempo_chat_arg_str(c, 0, &chars)) != TEMPO_OK) ||
        (st = tempo_chat_work(c->s, c->node, chars.n)) != TEMPO_OK)
        return st;
    return tempo_chat_give(c, tempo_chat_strip(text, some ? &chars : NULL, true, true));
}

static tempo_status cased(tempo_chat_call *c, tempo_chat_case how)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_self_text(c, &text);

    return st == TEMPO_OK ? tempo_chat_cased(c, text, how) : st;
}

static tempo_status filter_upper(tempo_chat_call *c)
{
    return cased(c, TEMPO_CHAT_UPPER);
}

static tempo_status filter_lower(tempo_chat_call *c)
{
    return cased(c, TEMPO_CHAT_LOWER);
}

static tempo_status filter_title(tempo_chat_call *c)
{
    return cased(c, TEMPO_CHAT_TITLE_FILTER);
}

static tempo_status filter_capitalize(tempo_chat_call *c)
{
    return cased(c, TEMPO_CHAT_CAPITALIZE);
}

static tempo_status filter_replace(tempo_chat_call *c)
{
    tempo_chat_str text, old, new_, result;
    int64_t count = -1;
    tempo_status st;

    if ((st = tempo_chat_self_text(c, &text)) != TEMPO_OK ||
        (st = tempo_chat_print(c->s, c->node, &c->v[0], &old)) != TEMPO_OK ||
        (st = tempo_chat_print(c->s, c->node, &c->v[1], &new_)) != TEMPO_OK ||
        (tempo_chat_arg_some(c, 2) && (st = tempo_chat_arg_int(c, 2, &count)) != TEMPO_OK) ||
        (st = tempo_chat_replace(c->s->heap, text, old, new_, count < 0 ? SIZE_MAX : (size_t)count,
                                 &result)) != TEMPO_OK)
        return st;
    *c->out = tempo_chat_text(result);
    return tempo_chat_work(c->s, c->node, result.n);
}

static tempo_status filter_center(tempo_chat_call *c)
{
    tempo_chat_str text;
    int64_t width = 80;
    tempo_status st;

    if ((st = tempo_chat_self_text(c, &text)) != TEMPO_OK ||
        (st = tempo_chat_arg_int(c, 0, &width)) != TEMPO_OK)
        return st;
    return tempo_chat_center(c, text, width, tempo_chat_literal(" "));
}

static tempo_status filter_format(tempo_chat_call *c)
{
    tempo_chat_value text = c->self, values, key;
    tempo_chat_str plain;
    const bool by_name = c->args.n > 0 && c->args.name[0].p != NULL;
    tempo_status st = tempo_chat_self_text(c, &plain);

    if (st == TEMPO_OK)
        st = by_name ? tempo_chat_make_map(c->s, TEMPO_VALUE_MAP, &values)
                     : tempo_chat_make(c->s, TEMPO_VALUE_TUPLE, NULL, 0, &values);
    for (size_t i = 0; i < c->args.n && st == TEMPO_OK; i++) {
        key = tempo_chat_text(c->args.name[i]);
        if ((c->args.name[i].p != NULL) != by_name)
            return tempo_chat_call_fail(c, TEMPO_E_ARG,
                                        "format takes arguments by place or by name, not both");
        st = by_name ? tempo_chat_map_put(c->s, c->node, values.map, &key, &c->args.v[i])
                     : tempo_chat_push(c->s, values.list, &c->args.v[i]);
    }
    if (st != TEMPO_OK)
        return st;
    text = tempo_chat_text(plain);
    text.which = c->self.kind == TEMPO_VALUE_STR ? c->self.which : 0;
    return tempo_chat_percent(c->s, c->node, &text, &values, c->out);
}

static tempo_status filter_wordcount(tempo_chat_call *c)
{
    tempo_chat_str text;
    bool inside = false;
    int64_t n = 0;
    const tempo_status st = tempo_chat_self_text(c, &text);

    if (st != TEMPO_OK)
        return st;
    for (size_t at = 0; at < text.n; at += tempo_chat_char_len(text.p[at])) {
        const uint32_t ch = tempo_chat_decode(text.p + at);
        const bool word = ch == '_' || tempo_chat_is_alnum(ch);
        n += word && !inside;
        inside = word;
    }
    *c->out = tempo_chat_int(n);
    return TEMPO_OK;
}

/* ---- lines ---- */

/* For those that need a string: self, or failure. */
static tempo_status self_string(tempo_chat_call *c, tempo_chat_str *out)
{
    if (c->self.kind == TEMPO_VALUE_UNDEFINED)
        return tempo_chat_is_undefined(c->s, c->node, &c->self);
    if (c->self.kind != TEMPO_VALUE_STR)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: this is %s, expected a string", c->name,
                                    tempo_chat_kind_name(&c->self));
    *out = c->self.str;
    return tempo_chat_work(c->s, c->node, out->n);
}

static tempo_status indent_lines(tempo_chat_call *c, tempo_chat_str text, tempo_chat_str by)
{
    const bool first = tempo_chat_arg_true(c, 1), blank = tempo_chat_arg_true(c, 2);
    tempo_chat_buffer b = {0};
    tempo_status st = first ? tempo_chat_add(c, &b, by) : TEMPO_OK;

    for (size_t at = 0, n, end; st == TEMPO_OK; at += n + end) { /* as if a line end followed */
        n = tempo_chat_line(text, at, &end);
        if (at > 0 && (st = tempo_chat_add(c, &b, tempo_chat_literal("\n"))) == TEMPO_OK && (blank || n > 0))
            st = tempo_chat_add(c, &b, by);
        if (st == TEMPO_OK && (st = tempo_chat_work(c->s, c->node, by.n)) == TEMPO_OK)
            st = tempo_chat_add(c, &b, tempo_chat_part(text, at, at + n));
        if (end == 0 || (at + n + 1 == text.n && text.p[at + n] == '\r')) /* of which a line end makes one */
            break;
    }
    return st == TEMPO_OK ? tempo_chat_give_buffer(c, &b) : st;
}

static tempo_status filter_indent(tempo_chat_call *c)
{
    tempo_chat_str text;
    tempo_chat_buffer spaces = {0};
    int64_t width = 4;
    tempo_status st = self_string(c, &text);

    if (st != TEMPO_OK)
        return st;
    if (c->given[0] && c->v[0].kind == TEMPO_VALUE_STR)
        return indent_lines(c, text, c->v[0].str);
    if ((st = tempo_chat_arg_int(c, 0, &width)) != TEMPO_OK ||
        (st = tempo_chat_add_times(c, &spaces, tempo_chat_literal(" "), width)) != TEMPO_OK)
        return st;
    return indent_lines(c, text, tempo_chat_buffer_str(&spaces));
}

/* What is before the last space, or all. */
static tempo_chat_str without_last_word(tempo_chat_str text)
{
    for (size_t i = text.n; i-- > 0;)
        if (text.p[i] == ' ')
            return tempo_chat_part(text, 0, i);
    return text;
}

static tempo_status filter_truncate(tempo_chat_call *c)
{
    tempo_chat_str text, end = {"...", NULL, 3};
    int64_t length = 255, leeway = 5;
    tempo_chat_buffer b = {0};
    size_t n;
    tempo_status st;

    if ((st = tempo_chat_arg_int(c, 0, &length)) != TEMPO_OK ||
        (st = tempo_chat_arg_str(c, 2, &end)) != TEMPO_OK ||
        (tempo_chat_arg_some(c, 3) && (st = tempo_chat_arg_int(c, 3, &leeway)) != TEMPO_OK))
        return st;
    const int64_t n_end = (int64_t)tempo_chat_length(end);
    if (length < n_end || leeway < 0)
        return tempo_chat_call_fail(c, TEMPO_E_ARG,
                                    "truncate: a length below that of its end, or a leeway below 0");
    if (tempo_chat_length_of(&c->self, &n) && (length >= INT32_MAX || (int64_t)n <= length + leeway)) {
        *c->out = c->self; /* whatever it is */
        return TEMPO_OK;
    }
    if ((st = self_string(c, &text)) != TEMPO_OK)
        return st;
    tempo_chat_str kept = tempo_chat_part(text, 0, tempo_chat_offset(text, (size_t)(length - n_end)));
    if (!tempo_chat_arg_true(c, 1))
        kept = without_last_word(kept);
    if ((st = tempo_chat_add(c, &b, kept)) != TEMPO_OK || (st = tempo_chat_add(c, &b, end)) != TEMPO_OK)
        return st;
    return tempo_chat_give_buffer(c, &b);
}

/* As Python's repr, which pprint is for what fits a line. */
static tempo_status filter_pprint(tempo_chat_call *c)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_repr(c->s, c->node, &c->self, TEMPO_REPR_SORTED, &text);

    if (st == TEMPO_OK && tempo_chat_length(text) > 80)
        return tempo_chat_call_fail(c, TEMPO_E_UNSUPPORTED, "pprint of more than a line is not supported");
    *c->out = tempo_chat_text(text);
    return st;
}

const tempo_chat_callable tempo_chat_text_filters[] = {
    {"length", "", filter_length},
    {"count", "", filter_length},
    {"default", "|default_value,boolean", filter_default},
    {"d", "|default_value,boolean", filter_default},
    {"string", "", filter_string},
    {"attr", "name", filter_attr},
    {"tojson", "|ensure_ascii,indent,separators,sort_keys", filter_tojson},
    {"from_json", "", filter_from_json}, /* of other renderers of chat templates */
    {"fromjson", "", filter_from_json},
    {"trim", "|chars", filter_trim},
    {"upper", "", filter_upper},
    {"lower", "", filter_lower},
    {"title", "", filter_title},
    {"capitalize", "", filter_capitalize},
    {"replace", "old,new|count", filter_replace},
    {"center", "|width", filter_center},
    {"format", NULL, filter_format},
    {"wordcount", "", filter_wordcount},
    {"indent", "|width,first,blank", filter_indent},
    {"truncate", "|length,killwords,end,leeway", filter_truncate},
    {"wordwrap", "|width,break_long_words,wrapstring,break_on_hyphens", tempo_chat_wordwrap},
    {"pprint", "", filter_pprint},
    {NULL, NULL, NULL},
};
