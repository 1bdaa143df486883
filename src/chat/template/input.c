/* input.c - the names that a template begins with: what Hugging Face's transformers give to it. */
#include <string.h>

#include "chat/template/state.h"

/* Where failures point to before the first statement. */
static const tempo_chat_node nowhere = {.type = TEMPO_CHAT_TEXT};

static tempo_status put_text(tempo_chat_state *s, tempo_chat_map *map, const char *name, tempo_chat_str text)
{
    const tempo_chat_value key = tempo_chat_text(tempo_chat_literal(name)), v = tempo_chat_text(text);

    return tempo_chat_map_put(s, &nowhere, map, &key, &v);
}

static tempo_status make_message(tempo_chat_state *s, const tempo_message *m, tempo_chat_value *out)
{
    tempo_chat_str role, content;
    tempo_status st;

    if ((st = tempo_chat_make_map(s, TEMPO_VALUE_MAP, out)) != TEMPO_OK ||
        (st = tempo_chat_role(s, m->role, strlen(m->role), &role)) != TEMPO_OK ||
        (st = tempo_chat_outside(s, m->content, m->n_content, &content)) != TEMPO_OK ||
        (st = put_text(s, out->map, "role", role)) != TEMPO_OK)
        return st;
    return put_text(s, out->map, "content", content);
}

static tempo_status make_messages(tempo_chat_state *s, tempo_chat_value *out)
{
    const size_t n = s->in->n_messages;
    tempo_chat_value *list = tempo_chat_values(s, n);
    tempo_status st = TEMPO_OK;

    if (list == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = make_message(s, &s->in->messages[i], &list[i]);
    return st == TEMPO_OK ? tempo_chat_make(s, TEMPO_VALUE_LIST, list, n, out) : st;
}

static tempo_status set_json(tempo_chat_state *s, const char *name, const json_t *json)
{
    tempo_chat_value v = tempo_chat_none();
    const tempo_status st = json != NULL ? tempo_chat_from_json(s, json, false, &v) : TEMPO_OK;

    return st == TEMPO_OK ? tempo_chat_set(s, tempo_chat_literal(name), &v) : st;
}

static tempo_status set_variables(tempo_chat_state *s)
{
    tempo_chat_value v;
    tempo_status st;

    if (s->in->variables == NULL)
        return TEMPO_OK;
    st = tempo_chat_from_json(s, s->in->variables, false, &v);
    for (size_t i = 0; st == TEMPO_OK && i < v.map->n; i++)
        if ((st = tempo_chat_work(s, &nowhere, 0)) == TEMPO_OK)
            st = tempo_chat_set(s, v.map->keys[i].str, &v.map->values[i]);
    return st;
}

tempo_status tempo_chat_set_inputs(tempo_chat_state *s)
{
    const tempo_chat_input *in = s->in;
    const tempo_chat_value bos = tempo_chat_text(in->bos), eos = tempo_chat_text(in->eos),
                           prompt = tempo_chat_bool(in->add_generation_prompt),
                           think = tempo_chat_bool(in->thinking > 0);
    tempo_chat_value messages;
    tempo_status st = in->conversation != NULL
                          ? tempo_chat_from_messages(s, &nowhere, in->conversation, &messages)
                          : make_messages(s, &messages);

    if (st != TEMPO_OK || (st = tempo_chat_set(s, tempo_chat_literal("messages"), &messages)) != TEMPO_OK ||
        (st = set_json(s, "tools", in->tools)) != TEMPO_OK ||
        (st = set_json(s, "documents", in->documents)) != TEMPO_OK ||
        (st = tempo_chat_set(s, tempo_chat_literal("add_generation_prompt"), &prompt)) != TEMPO_OK)
        return st;
    if (in->bos.p != NULL && (st = tempo_chat_set(s, tempo_chat_literal("bos_token"), &bos)) != TEMPO_OK)
        return st;
    if (in->eos.p != NULL && (st = tempo_chat_set(s, tempo_chat_literal("eos_token"), &eos)) != TEMPO_OK)
        return st;
    if (in->thinking != 0 &&
        (st = tempo_chat_set(s, tempo_chat_literal("enable_thinking"), &think)) != TEMPO_OK)
        return st;
    return set_variables(s);
}
