/* chat_method.c - methods of strings and mappings, and functions. */
#include <stdio.h>
#include <string.h>

#include "token/chat_bind.h"
#include "token/chat_call.h"

typedef enum method {
    STRIP,
    LSTRIP,
    RSTRIP,
    SPLIT,
    RSPLIT,
    STARTSWITH,
    ENDSWITH,
    REPLACE,
    UPPER,
    LOWER,
    CAPITALIZE,
    TITLE,
    FIND,
    COUNT,
    JOIN,
    REMOVEPREFIX,
    REMOVESUFFIX,
    GET,
    ITEMS,
    KEYS,
    VALUES,
} method;

static const struct {
    const char *name, *params;
} methods[] = {
    [STRIP] = {"strip", "chars"},
    [LSTRIP] = {"lstrip", "chars"},
    [RSTRIP] = {"rstrip", "chars"},
    [SPLIT] = {"split", "sep,maxsplit"},
    [RSPLIT] = {"rsplit", "sep,maxsplit"},
    [STARTSWITH] = {"startswith", "prefix"},
    [ENDSWITH] = {"endswith", "suffix"},
    [REPLACE] = {"replace", "old,new,count"},
    [UPPER] = {"upper", ""},
    [LOWER] = {"lower", ""},
    [CAPITALIZE] = {"capitalize", ""},
    [TITLE] = {"title", ""},
    [FIND] = {"find", "sub"},
    [COUNT] = {"count", "sub"},
    [JOIN] = {"join", "iterable"},
    [REMOVEPREFIX] = {"removeprefix", "prefix"},
    [REMOVESUFFIX] = {"removesuffix", "suffix"},
    [GET] = {"get", "key,default"},
    [ITEMS] = {"items", ""},
    [KEYS] = {"keys", ""},
    [VALUES] = {"values", ""},
};

int tempo_chat_find_method(tempo_chat_str name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (tempo_chat_is(name, methods[i].name))
            return (int)i;
    return -1;
}

/* ---- splitting ---- */

typedef struct splitter {
    tempo_chat_state *s;
    tempo_chat_value *v; /* [n] */
    size_t n, cap;
} splitter;

static tempo_status add_part(splitter *x, tempo_chat_str part)
{
    if (x->n == x->cap) {
        const size_t cap = x->cap == 0 ? 8 : 2 * x->cap;
        tempo_chat_value *v = tempo_chat_values(x->s, cap);
        if (v == NULL)
            return x->s->heap->failed;
        if (x->n > 0)
            memcpy(v, x->v, x->n * sizeof(*v));
        x->v = v;
        x->cap = cap;
    }
    x->v[x->n++] = tempo_chat_text(part);
    return TEMPO_OK;
}

/* At white space; there are no empty parts. */
static tempo_status split_space(splitter *x, tempo_chat_str text, size_t most)
{
    tempo_status st = TEMPO_OK;

    for (text = tempo_chat_strip(text, NULL, true, false); text.n > 0 && st == TEMPO_OK;) {
        size_t end = 0;
        if (most-- == 0)
            return add_part(x, text); /* with the white space at its end, as Python leaves it */
        while (end < text.n && !tempo_chat_is_space(tempo_chat_decode(text.p + end)))
            end += tempo_chat_char_len(text.p[end]);
        st = add_part(x, tempo_chat_part(text, 0, end));
        text = tempo_chat_strip(tempo_chat_part(text, end, text.n), NULL, true, false);
    }
    return st;
}

static tempo_status split_at(splitter *x, tempo_chat_str text, tempo_chat_str sep, size_t most)
{
    size_t from = 0, at;
    tempo_status st = TEMPO_OK;

    for (; most > 0 && st == TEMPO_OK && (at = tempo_chat_search(text, sep, from)) != SIZE_MAX; most--) {
        st = add_part(x, tempo_chat_part(text, from, at));
        from = at + sep.n;
    }
    return st == TEMPO_OK ? add_part(x, tempo_chat_part(text, from, text.n)) : st;
}

/* The last `most` of all parts; what is before them stays whole. */
static void keep_last(splitter *x, tempo_chat_str text, size_t most)
{
    if (x->n <= most || x->n - most < 2)
        return;
    const size_t joined = x->n - most; /* parts that become one */
    const tempo_chat_str last = x->v[joined - 1].str;
    const size_t end = (size_t)(last.p - text.p) + last.n;
    x->v[joined - 1] = tempo_chat_text(tempo_chat_part(text, 0, end));
    memmove(x->v, x->v + joined - 1, (most + 1) * sizeof(*x->v));
    x->n = most + 1;
}

static tempo_status call_split(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text,
                               const tempo_chat_bound *b, bool right, tempo_chat_value *out)
{
    splitter x = {.s = s};
    tempo_chat_str sep = {NULL, NULL, 0};
    int64_t most = -1;
    const bool space = !b->given[0] || b->v[0].kind == TEMPO_VALUE_NONE;
    tempo_status st;

    if (!space && (st = tempo_chat_arg_str(s, node, b, 0, &sep)) != TEMPO_OK)
        return st;
    if ((st = tempo_chat_arg_int(s, node, b, 1, &most)) != TEMPO_OK ||
        (st = tempo_chat_work(s, node, text.n)) != TEMPO_OK)
        return st;
    if (!space && sep.n == 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "split: the separator is empty");
    if (space && right && most >= 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "rsplit at white space is not supported");
    const size_t limit = most < 0 || right ? SIZE_MAX : (size_t)most;
    st = space ? split_space(&x, text, limit) : split_at(&x, text, sep, limit);
    if (st == TEMPO_OK && right && most >= 0)
        keep_last(&x, text, (size_t)most);
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {x.v, x.n}};
    return st;
}

/* ---- methods of strings ---- */

static bool begins(tempo_chat_str text, tempo_chat_str what)
{
    return what.n <= text.n && (what.n == 0 || memcmp(text.p, what.p, what.n) == 0);
}

static bool ends(tempo_chat_str text, tempo_chat_str what)
{
    return what.n <= text.n && (what.n == 0 || memcmp(text.p + text.n - what.n, what.p, what.n) == 0);
}

static int64_t count(tempo_chat_str text, tempo_chat_str what)
{
    int64_t n = 0;

    if (what.n == 0)
        return (int64_t)tempo_chat_length(text) + 1;
    for (size_t at = tempo_chat_search(text, what, 0); at != SIZE_MAX;
         at = tempo_chat_search(text, what, at + what.n))
        n++;
    return n;
}

static tempo_status call_strip(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text,
                               const tempo_chat_bound *b, tempo_chat_value *out)
{
    tempo_chat_str chars = {NULL, NULL, 0};
    const bool some = b->given[0] && b->v[0].kind != TEMPO_VALUE_NONE;
    tempo_status st;

    if ((some && (st = tempo_chat_arg_str(s, node, b, 0, &chars)) != TEMPO_OK) ||
        (st = tempo_chat_work(s, node, text.n + chars.n)) != TEMPO_OK)
        return st;
    *out = tempo_chat_text(
        tempo_chat_strip(text, some ? &chars : NULL, node->number != RSTRIP, node->number != LSTRIP));
    return TEMPO_OK;
}

/* Those that look for one other string. */
static tempo_status call_search(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text,
                                const tempo_chat_bound *b, tempo_chat_value *out)
{
    tempo_chat_str what = {NULL, NULL, 0};
    tempo_status st;

    if ((st = tempo_chat_arg_needed(s, node, b, 0, methods[node->number].params)) != TEMPO_OK ||
        (st = tempo_chat_arg_str(s, node, b, 0, &what)) != TEMPO_OK ||
        (st = tempo_chat_work(s, node, text.n)) != TEMPO_OK)
        return st;
    const size_t at = node->number == FIND ? tempo_chat_search(text, what, 0) : 0;
    switch (node->number) {
    case STARTSWITH:
        *out = tempo_chat_bool(begins(text, what));
        break;
    case ENDSWITH:
        *out = tempo_chat_bool(ends(text, what));
        break;
    case FIND:
        *out = tempo_chat_int(at == SIZE_MAX ? -1 : (int64_t)tempo_chat_length(tempo_chat_part(text, 0, at)));
        break;
    case COUNT:
        *out = tempo_chat_int(count(text, what));
        break;
    case REMOVEPREFIX:
        *out = tempo_chat_text(begins(text, what) ? tempo_chat_part(text, what.n, text.n) : text);
        break;
    default:
        *out = tempo_chat_text(ends(text, what) ? tempo_chat_part(text, 0, text.n - what.n) : text);
    }
    return TEMPO_OK;
}

static tempo_status call_join(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text,
                              const tempo_chat_bound *b, tempo_chat_value *out)
{
    tempo_chat_list items;
    tempo_status st;

    if ((st = tempo_chat_arg_needed(s, node, b, 0, "iterable")) != TEMPO_OK ||
        (st = tempo_chat_elements(s, node, &b->v[0], &items)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < items.n; i++)
        if (items.v[i].kind != TEMPO_VALUE_STR)
            return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "join: element %zu is %s, expected a string", i,
                                      tempo_chat_kind_name(&items.v[i]));
    return tempo_chat_join(s, node, text, items, out);
}

static tempo_status call_str(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text,
                             const tempo_chat_bound *b, tempo_chat_value *out)
{
    switch (node->number) {
    case STRIP:
    case LSTRIP:
    case RSTRIP:
        return call_strip(s, node, text, b, out);
    case SPLIT:
    case RSPLIT:
        return call_split(s, node, text, b, node->number == RSPLIT, out);
    case REPLACE:
        return tempo_chat_replace_args(s, node, text, b, out);
    case UPPER:
        return tempo_chat_cased(s, node, text, TEMPO_CHAT_UPPER, out);
    case LOWER:
        return tempo_chat_cased(s, node, text, TEMPO_CHAT_LOWER, out);
    case CAPITALIZE:
        return tempo_chat_cased(s, node, text, TEMPO_CHAT_CAPITALIZE, out);
    case TITLE:
        return tempo_chat_cased(s, node, text, TEMPO_CHAT_TITLE_METHOD, out);
    case JOIN:
        return call_join(s, node, text, b, out);
    default:
        return call_search(s, node, text, b, out);
    }
}

/* ---- methods of mappings ---- */

static tempo_status call_get(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_map *map,
                             const tempo_chat_bound *b, tempo_chat_value *out)
{
    const tempo_chat_value *found = NULL;
    const tempo_status st = tempo_chat_arg_needed(s, node, b, 0, "key");

    if (st != TEMPO_OK)
        return st;
    if (b->v[0].kind == TEMPO_VALUE_STR)
        found = tempo_chat_map_find(map, b->v[0].str);
    *out = found != NULL ? *found : b->given[1] ? b->v[1] : (tempo_chat_value){.kind = TEMPO_VALUE_NONE};
    return TEMPO_OK;
}

static tempo_status call_map(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *object,
                             const tempo_chat_bound *b, tempo_chat_value *out)
{
    const tempo_chat_map *map = object->map;
    const tempo_status st = tempo_chat_work(s, node, 256 * map->n);

    if (st != TEMPO_OK)
        return st;
    switch (node->number) {
    case GET:
        return call_get(s, node, map, b, out);
    case ITEMS:
        return tempo_chat_pairs(s, map, out);
    case KEYS:
        *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST};
        return tempo_chat_elements(s, node, object, &out->list);
    default:
        *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {map->values, map->n}};
        return TEMPO_OK;
    }
}

tempo_status tempo_chat_call_method(tempo_chat_state *s, const tempo_chat_node *node,
                                    const tempo_chat_value *object, const tempo_chat_args *args,
                                    tempo_chat_value *out)
{
    const bool of_map = node->number >= GET;
    tempo_chat_bound b;
    const tempo_status st = tempo_chat_bind(s, node, methods[node->number].params, args, &b);

    if (st != TEMPO_OK)
        return st;
    if (of_map && object->kind == TEMPO_VALUE_MAP)
        return call_map(s, node, object, &b, out);
    if (!of_map && object->kind == TEMPO_VALUE_STR)
        return call_str(s, node, object->str, &b, out);
    return tempo_chat_fail_at(s, node, object->kind == TEMPO_VALUE_LIST ? TEMPO_E_UNSUPPORTED : TEMPO_E_ARG,
                              "%s has no method '%s'", tempo_chat_kind_name(object),
                              methods[node->number].name);
}

/* ---- functions ---- */

static tempo_status call_raise(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_bound *b,
                               tempo_chat_value *out)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_print(s, node, &b->v[0], &text);

    *out = (tempo_chat_value){.kind = TEMPO_VALUE_NONE};
    if (st != TEMPO_OK)
        return st;
    return tempo_fail(s->err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s refuses these messages: %.*s", s->p->label,
                      (int)(text.n < 300 ? text.n : 300), text.p);
}

/* One conversion of strftime, English whatever the locale is; 0 when it is none of ours. */
static size_t format_date(char out[16], const tempo_chat_input *in, char c)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    const struct {
        char c;
        const char *format;
        int value;
    } numbers[] = {{'d', "%02d", in->day},        {'m', "%02d", in->month}, {'Y', "%d", in->year},
                   {'y', "%02d", in->year % 100}, {'H', "%02d", in->hour},  {'M', "%02d", in->minute},
                   {'S', "%02d", in->second},     {'e', "%2d", in->day}};

    if (c == 'B' || c == 'b')
        return (size_t)snprintf(out, 16, c == 'B' ? "%s" : "%.3s", months[in->month - 1]);
    if (c == 'A' || c == 'a')
        return (size_t)snprintf(out, 16, c == 'A' ? "%s" : "%.3s", days[in->weekday]);
    if (c == '%')
        return (size_t)snprintf(out, 16, "%%");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        if (numbers[i].c != c)
            continue;
        const int v = numbers[i].value;
        return (size_t)(c == 'Y'   ? snprintf(out, 16, "%d", v)
                        : c == 'e' ? snprintf(out, 16, "%2d", v)
                                   : snprintf(out, 16, "%02d", v));
    }
    return 0;
}

static tempo_status call_strftime(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_bound *b,
                                  tempo_chat_value *out)
{
    tempo_chat_str format = {NULL, NULL, 0};
    tempo_chat_buffer text = {0};
    tempo_status st;

    if ((st = tempo_chat_arg_needed(s, node, b, 0, "format")) != TEMPO_OK ||
        (st = tempo_chat_arg_str(s, node, b, 0, &format)) != TEMPO_OK ||
        (st = tempo_chat_work(s, node, 64 * format.n)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < format.n && st == TEMPO_OK; i++) {
        char part[16];
        size_t n = 1;
        if (format.p[i] != '%') {
            st = tempo_chat_append(s->heap, &text, tempo_chat_part(format, i, i + 1));
            continue;
        }
        i++;
        if (i == format.n || (n = format_date(part, s->in, format.p[i])) == 0)
            return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "strftime_now: %%%.*s is not supported",
                                      i < format.n ? (int)tempo_chat_char_len(format.p[i]) : 0, format.p + i);
        st = tempo_chat_append(s->heap, &text, (tempo_chat_str){part, NULL, n});
    }
    *out = tempo_chat_text(tempo_chat_buffer_str(&text));
    return st;
}

static tempo_status call_range(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_bound *b,
                               tempo_chat_value *out)
{
    int64_t v[3] = {0, 0, 1};
    size_t n = 0;
    tempo_status st = tempo_chat_arg_needed(s, node, b, 0, "stop");

    for (size_t i = 0; i < 3 && st == TEMPO_OK; i++)
        st = tempo_chat_arg_int(s, node, b, i, &v[i]);
    if (st != TEMPO_OK)
        return st;
    if (!b->given[1]) {
        v[1] = v[0];
        v[0] = 0;
    }
    for (size_t i = 0; i < 3; i++)
        if (v[i] > INT32_MAX || v[i] < INT32_MIN)
            return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "range: a number beyond 2^31");
    if (v[2] == 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "range: a step of 0");
    if (v[2] > 0 ? v[1] > v[0] : v[1] < v[0])
        n = (size_t)((v[1] - v[0] + v[2] - (v[2] > 0 ? 1 : -1)) / v[2]);
    if (n > 100000) /* as Jinja2's sandbox has it */
        return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "range: more than 100000 numbers");
    tempo_chat_value *list = tempo_chat_values(s, n);
    if (list == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < n; i++)
        list[i] = tempo_chat_int(v[0] + (int64_t)i * v[2]);
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {list, n}};
    return tempo_chat_work(s, node, 256 * n);
}

/* namespace(mapping, name=value, ...), dict(...) */
static tempo_status make_map(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_args *args,
                             tempo_chat_kind kind, tempo_chat_value *out)
{
    tempo_chat_map *map = tempo_chat_alloc(s->heap, sizeof(*map));
    tempo_status st = TEMPO_OK;

    if (map == NULL)
        return s->heap->failed;
    *out = (tempo_chat_value){.kind = kind, .map = map};
    for (size_t i = 0; i < args->n && st == TEMPO_OK; i++) {
        const tempo_chat_value *v = &args->v[i];
        if (args->name[i].p != NULL) {
            st = tempo_chat_map_put(s, map, args->name[i], v);
            continue;
        }
        if (i > 0 || v->kind != TEMPO_VALUE_MAP)
            return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "a mapping made from %s is not supported",
                                      tempo_chat_kind_name(v));
        for (size_t k = 0; k < v->map->n && st == TEMPO_OK; k++)
            if ((st = tempo_chat_work(s, node, map->n)) == TEMPO_OK)
                st = tempo_chat_map_put(s, map, v->map->keys[k], &v->map->values[k]);
    }
    return st;
}

static const struct {
    const char *name, *params;
    tempo_status (*call)(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_bound *b,
                         tempo_chat_value *out);
    tempo_chat_kind makes; /* without a function: a mapping of this kind */
} functions[] = {
    {"raise_exception", "message", call_raise, TEMPO_VALUE_NONE},
    {"strftime_now", "format", call_strftime, TEMPO_VALUE_NONE},
    {"range", "start,stop,step", call_range, TEMPO_VALUE_NONE},
    {"namespace", "", NULL, TEMPO_VALUE_NAMESPACE},
    {"dict", "", NULL, TEMPO_VALUE_MAP},
};

int tempo_chat_find_function(tempo_chat_str name)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        if (tempo_chat_is(name, functions[i].name))
            return (int)i;
    return -1;
}

tempo_status tempo_chat_call_function(tempo_chat_state *s, const tempo_chat_node *node, int which,
                                      const tempo_chat_args *args, tempo_chat_value *out)
{
    tempo_chat_bound b;

    if (functions[which].call == NULL)
        return make_map(s, node, args, functions[which].makes, out);
    const tempo_status st = tempo_chat_bind(s, node, functions[which].params, args, &b);
    return st == TEMPO_OK ? functions[which].call(s, node, &b, out) : st;
}
