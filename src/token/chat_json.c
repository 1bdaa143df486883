/* chat_json.c - JSON to values: what a conversation, its tools and variables are to a template.
 *
 * All text of it is from outside, keys included, but for the role of a message where it is one of those that
 * templates know: `<|{{ message.role }}|>` is how some of them write their special tokens.  */
#include <string.h>

#include "token/chat_state.h"

/* One run of 1s serves all strings. */
static unsigned char *ones(tempo_chat_state *s, size_t n)
{
    if (n > s->n_ones) {
        const size_t want = n > 4096 ? n : 4096;
        unsigned char *p = tempo_chat_alloc(s->heap, want);
        if (p == NULL)
            return NULL;
        memset(p, 1, want);
        s->ones = p;
        s->n_ones = want;
    }
    return s->ones;
}

tempo_status tempo_chat_outside(tempo_chat_state *s, const char *p, size_t n, tempo_chat_str *out)
{
    unsigned char *all = n > 0 ? ones(s, n) : NULL;

    *out = (tempo_chat_str){n > 0 ? p : "", all, n};
    return n > 0 && all == NULL ? s->heap->failed : TEMPO_OK;
}

/* A role that any template may know. */
static bool is_known_role(tempo_chat_str role)
{
    static const char *const known[] = {"system",   "user",  "assistant", "tool",        "developer",
                                        "function", "model", "ipython",   "observation", "environment"};

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (tempo_chat_is(role, known[i]))
            return true;
    return false;
}

tempo_status tempo_chat_role(tempo_chat_state *s, const char *p, size_t n, tempo_chat_str *out)
{
    *out = (tempo_chat_str){n > 0 ? p : "", NULL, n};
    return is_known_role(*out) ? TEMPO_OK : tempo_chat_outside(s, p, n, out);
}

static tempo_status array_value(tempo_chat_state *s, const json_t *json, tempo_chat_value *out)
{
    const size_t n = json_array_size(json);
    tempo_chat_value *v = tempo_chat_values(s, n);
    tempo_status st = TEMPO_OK;

    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {v, n}};
    if (v == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_chat_from_json(s, json_array_get(json, i), &v[i]);
    return st;
}

static tempo_status object_value(tempo_chat_state *s, const json_t *json, tempo_chat_value *out)
{
    tempo_chat_map *map = tempo_chat_alloc(s->heap, sizeof(*map));
    json_t *object = (json_t *)(uintptr_t)json; /* jansson's iterator takes no const */
    const size_t n = json_object_size(json);
    tempo_status st = TEMPO_OK;

    *out = (tempo_chat_value){.kind = TEMPO_VALUE_MAP, .map = map};
    if (map == NULL || (map->keys = tempo_chat_alloc(s->heap, n * sizeof(*map->keys))) == NULL ||
        (map->values = tempo_chat_values(s, n)) == NULL)
        return s->heap->failed;
    map->cap = n;
    for (void *k = json_object_iter(object); k != NULL && st == TEMPO_OK;
         k = json_object_iter_next(object, k)) {
        const char *key = json_object_iter_key(k);
        if ((st = tempo_chat_outside(s, key, strlen(key), &map->keys[map->n])) == TEMPO_OK)
            st = tempo_chat_from_json(s, json_object_iter_value(k), &map->values[map->n++]);
    }
    return st;
}

tempo_status tempo_chat_from_json(tempo_chat_state *s, const json_t *json, tempo_chat_value *out)
{
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_NONE};
    switch (json_typeof(json)) {
    case JSON_NULL:
        return TEMPO_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = tempo_chat_bool(json_is_true(json));
        return TEMPO_OK;
    case JSON_INTEGER:
        *out = tempo_chat_int(json_integer_value(json));
        return TEMPO_OK;
    case JSON_REAL:
        *out = (tempo_chat_value){.kind = TEMPO_VALUE_FLOAT, .f = json_real_value(json)};
        return TEMPO_OK;
    case JSON_STRING:
        out->kind = TEMPO_VALUE_STR;
        return tempo_chat_outside(s, json_string_value(json), json_string_length(json), &out->str);
    case JSON_ARRAY:
        return array_value(s, json, out);
    default:
        return object_value(s, json, out);
    }
}

tempo_status tempo_chat_from_messages(tempo_chat_state *s, const json_t *messages, tempo_chat_value *out)
{
    tempo_status st = tempo_chat_from_json(s, messages, out);

    for (size_t i = 0; st == TEMPO_OK && i < out->list.n; i++) {
        const tempo_chat_map *m = out->list.v[i].map;
        for (size_t k = 0; k < m->n && st == TEMPO_OK; k++)
            if (tempo_chat_is(m->keys[k], "role"))
                st = tempo_chat_role(s, m->values[k].str.p, m->values[k].str.n, &m->values[k].str);
    }
    return st;
}
