/* chat_bind.c - arguments in their places, and what methods and filters share. */
#include "token/chat_bind.h"

#include <string.h>

#include "token/chat_call.h"

/* The place of a name in "a,b,c", or SIZE_MAX. */
static size_t find_param(const char *params, tempo_chat_str name)
{
    for (size_t i = 0; *params != '\0'; i++) {
        const size_t n = strcspn(params, ",");
        if (n == name.n && memcmp(params, name.p, n) == 0)
            return i;
        params += n + (params[n] == ',');
    }
    return SIZE_MAX;
}

static size_t count_params(const char *params)
{
    size_t n = *params != '\0';

    for (; *params != '\0'; params++)
        n += *params == ',';
    return n;
}

tempo_status tempo_chat_bind(tempo_chat_state *s, const tempo_chat_node *node, const char *params,
                             const tempo_chat_args *args, tempo_chat_bound *out)
{
    const size_t n = count_params(params);

    *out = (tempo_chat_bound){0};
    for (size_t i = 0; i < args->n; i++) {
        const tempo_chat_str name = args->name[i];
        const size_t k = name.p == NULL ? i : find_param(params, name);
        if (k >= n || out->given[k]) {
            if (name.p != NULL)
                return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED,
                                          "the argument '%.*s' is not supported here",
                                          (int)(name.n < 40 ? name.n : 40), name.p);
            return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED,
                                      "more than %zu arguments are not supported here", n);
        }
        out->given[k] = true;
        out->v[k] = args->v[i];
    }
    return TEMPO_OK;
}

tempo_status tempo_chat_arg_str(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_bound *b,
                                size_t i, tempo_chat_str *out)
{
    if (!b->given[i])
        return TEMPO_OK;
    if (b->v[i].kind != TEMPO_VALUE_STR)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "argument %zu is %s, expected a string", i + 1,
                                  tempo_chat_kind_name(&b->v[i]));
    *out = b->v[i].str;
    return TEMPO_OK;
}

tempo_status tempo_chat_arg_int(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_bound *b,
                                size_t i, int64_t *out)
{
    if (!b->given[i])
        return TEMPO_OK;
    if (!tempo_chat_is_number(&b->v[i]))
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG, "argument %zu is %s, expected a number", i + 1,
                                  tempo_chat_kind_name(&b->v[i]));
    *out = b->v[i].i;
    return TEMPO_OK;
}

tempo_status tempo_chat_arg_needed(tempo_chat_state *s, const tempo_chat_node *node,
                                   const tempo_chat_bound *b, size_t i, const char *name)
{
    return b->given[i] ? TEMPO_OK
                       : tempo_chat_fail_at(s, node, TEMPO_E_FORMAT, "the argument '%s' is missing", name);
}

/* ---- shared ---- */

tempo_status tempo_chat_join(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str between,
                             tempo_chat_list items, tempo_chat_value *out)
{
    tempo_chat_buffer b = {0};
    tempo_chat_str text;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++) {
        if (i > 0 && (st = tempo_chat_append(s->heap, &b, between)) != TEMPO_OK)
            return st;
        if ((st = tempo_chat_print(s, node, &items.v[i], &text)) == TEMPO_OK &&
            (st = tempo_chat_work(s, node, text.n)) == TEMPO_OK)
            st = tempo_chat_append(s->heap, &b, text);
    }
    *out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

tempo_status tempo_chat_replace_args(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text,
                                     const tempo_chat_bound *b, tempo_chat_value *out)
{
    tempo_chat_str old = {NULL, NULL, 0}, new_ = old, result;
    int64_t count = -1;
    tempo_status st;

    if ((st = tempo_chat_arg_needed(s, node, b, 0, "old")) != TEMPO_OK ||
        (st = tempo_chat_arg_needed(s, node, b, 1, "new")) != TEMPO_OK ||
        (st = tempo_chat_arg_str(s, node, b, 0, &old)) != TEMPO_OK ||
        (st = tempo_chat_arg_str(s, node, b, 1, &new_)) != TEMPO_OK)
        return st;
    if (b->given[2] && b->v[2].kind != TEMPO_VALUE_NONE &&
        (st = tempo_chat_arg_int(s, node, b, 2, &count)) != TEMPO_OK)
        return st;
    if (old.n == 0)
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED,
                                  "replacing the empty string is not supported");
    if ((st = tempo_chat_work(s, node, text.n)) != TEMPO_OK)
        return st;
    st = tempo_chat_replace(s->heap, text, old, new_, count < 0 ? SIZE_MAX : (size_t)count, &result);
    *out = tempo_chat_text(result);
    return st;
}

tempo_status tempo_chat_cased(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text,
                              tempo_chat_case how, tempo_chat_value *out)
{
    tempo_chat_str result;
    tempo_status st;

    if ((st = tempo_chat_work(s, node, 8 * text.n)) != TEMPO_OK)
        return st;
    st = tempo_chat_change_case(s->heap, text, how, &result);
    *out = tempo_chat_text(result);
    return st;
}

tempo_status tempo_chat_pairs(tempo_chat_state *s, const tempo_chat_map *map, tempo_chat_value *out)
{
    tempo_chat_value *list = tempo_chat_values(s, map->n),
                     *pairs = list != NULL ? tempo_chat_values(s, 2 * map->n) : NULL;

    if (pairs == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < map->n; i++) {
        pairs[2 * i] = tempo_chat_text(map->keys[i]);
        pairs[2 * i + 1] = map->values[i];
        list[i] = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {pairs + 2 * i, 2}};
    }
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {list, map->n}};
    return TEMPO_OK;
}
