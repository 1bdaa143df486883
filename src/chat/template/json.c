/* json.c - JSON to values: what a conversation, its tools and variables are to a template.
 *
 * All text of it is from outside, keys included, but for the role of a message where it is one of those that
 * templates know: `<|{{ message.role }}|>` is how some of them write their special tokens.  */
#include <string.h>

#include "chat/template/state.h"

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

/* The same of a copy, for text that does not live as long. */
static tempo_status json_text(tempo_chat_state *s, const char *p, size_t n, bool copy, tempo_chat_str *out)
{
    if (copy && n > 0) {
        char *own = tempo_chat_alloc(s->heap, n);
        if (own == NULL)
            return s->heap->failed;
        p = memcpy(own, p, n);
    }
    return tempo_chat_outside(s, p, n, out);
}

static tempo_status array_value(tempo_chat_state *s, const json_t *json, bool copy, tempo_chat_value *out)
{
    const size_t n = json_array_size(json);
    tempo_chat_value *v = tempo_chat_values(s, n);
    tempo_status st = TEMPO_OK;

    if (v == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_chat_from_json(s, json_array_get(json, i), copy, &v[i]);
    return st == TEMPO_OK ? tempo_chat_make(s, TEMPO_VALUE_LIST, v, n, out) : st;
}

static tempo_status object_value(tempo_chat_state *s, const json_t *json, bool copy, tempo_chat_value *out)
{
    json_t *object = (json_t *)(uintptr_t)json; /* jansson's iterator takes no const */
    const size_t n = json_object_size(json);
    tempo_status st = tempo_chat_make_map(s, TEMPO_VALUE_MAP, out);
    tempo_chat_map *map = out->map;

    if (st != TEMPO_OK || (map->keys = tempo_chat_values(s, n)) == NULL ||
        (map->values = tempo_chat_values(s, n)) == NULL)
        return s->heap->failed;
    map->cap = n;
    for (void *k = json_object_iter(object); k != NULL && st == TEMPO_OK;
         k = json_object_iter_next(object, k)) {
        const char *key = json_object_iter_key(k);
        map->keys[map->n].kind = TEMPO_VALUE_STR;
        if ((st = json_text(s, key, strlen(key), copy, &map->keys[map->n].str)) == TEMPO_OK)
            st = tempo_chat_from_json(s, json_object_iter_value(k), copy, &map->values[map->n++]);
    }
    return st;
}

tempo_status tempo_chat_from_json(tempo_chat_state *s, const json_t *json, bool copy, tempo_chat_value *out)
{
    *out = tempo_chat_none();
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
        *out = tempo_chat_float(json_real_value(json));
        return TEMPO_OK;
    case JSON_STRING:
        out->kind = TEMPO_VALUE_STR;
        return json_text(s, json_string_value(json), json_string_length(json), copy, &out->str);
    case JSON_ARRAY:
        return array_value(s, json, copy, out);
    default:
        return object_value(s, json, copy, out);
    }
}

/* ---- messages ---- */

/* The reasoning of a message, by any of the names that are in use; NULL: it has none. */
static const json_t *reasoning_of(const json_t *message)
{
    static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
    const json_t *v = NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && (v == NULL || json_is_null(v)); i++)
        v = json_object_get(message, names[i]);
    return json_is_null(v) ? NULL : v;
}

static tempo_status put_member(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_map *m,
                               const char *name, const json_t *json)
{
    tempo_chat_value key = {.kind = TEMPO_VALUE_STR}, v;
    tempo_status st = tempo_chat_outside(s, name, strlen(name), &key.str);

    if (st != TEMPO_OK)
        return st;
    if (strcmp(name, "role") == 0) {
        v.kind = TEMPO_VALUE_STR;
        v.which = 0;
        st = tempo_chat_role(s, json_string_value(json), json_string_length(json), &v.str);
    } else {
        st = tempo_chat_from_json(s, json, false, &v);
    }
    return st == TEMPO_OK ? tempo_chat_map_put(s, node, m, &key, &v) : st;
}

/* What is null is left out, reasoning has all its names: as transformers does it, since templates ask for
 * either. */
static tempo_status message_value(tempo_chat_state *s, const tempo_chat_node *node, const json_t *json,
                                  tempo_chat_value *out)
{
    json_t *object = (json_t *)(uintptr_t)json;
    const json_t *reasoning = reasoning_of(json);
    tempo_status st = tempo_chat_make_map(s, TEMPO_VALUE_MAP, out);

    if (st == TEMPO_OK && reasoning != NULL)
        st = put_member(s, node, out->map, "thinking", reasoning);
    for (void *k = json_object_iter(object); k != NULL && st == TEMPO_OK;
         k = json_object_iter_next(object, k))
        if (!json_is_null(json_object_iter_value(k)))
            st = put_member(s, node, out->map, json_object_iter_key(k), json_object_iter_value(k));
    return st == TEMPO_OK && reasoning != NULL ? put_member(s, node, out->map, "reasoning_content", reasoning)
                                               : st;
}

tempo_status tempo_chat_from_messages(tempo_chat_state *s, const tempo_chat_node *node,
                                      const json_t *messages, tempo_chat_value *out)
{
    const size_t n = json_array_size(messages);
    tempo_chat_value *v = tempo_chat_values(s, n);
    tempo_status st = TEMPO_OK;

    if (v == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = message_value(s, node, json_array_get(messages, i), &v[i]);
    return st == TEMPO_OK ? tempo_chat_make(s, TEMPO_VALUE_LIST, v, n, out) : st;
}
