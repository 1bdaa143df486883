/* chat_bind.h - the arguments of a call in their places; private to chat*.c. */
#ifndef TEMPO_TOKEN_CHAT_BIND_H
#define TEMPO_TOKEN_CHAT_BIND_H
#include "token/chat_state.h"
#include "token/chat_text.h"

enum { TEMPO_CHAT_MAX_PARAMS = 3 };

typedef struct tempo_chat_bound {
    bool given[TEMPO_CHAT_MAX_PARAMS];
    tempo_chat_value v[TEMPO_CHAT_MAX_PARAMS];
} tempo_chat_bound;

/* params: "old,new,count".  TEMPO_E_UNSUPPORTED for an argument that has no place there. */
tempo_status tempo_chat_bind(tempo_chat_state *s, const tempo_chat_node *node, const char *params,
                             const tempo_chat_args *args, tempo_chat_bound *out) TEMPO_MUST_CHECK;
/* The i-th argument as a string, as a number; *out stays where it was not given. */
tempo_status tempo_chat_arg_str(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_bound *b, size_t i,
                                tempo_chat_str *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_arg_int(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_bound *b, size_t i,
                                int64_t *out) TEMPO_MUST_CHECK;
/* It must have been. */
tempo_status tempo_chat_arg_needed(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_bound *b, size_t i,
                                   const char *name) TEMPO_MUST_CHECK;
/* strip, upper, replace ...: what the methods and the filters of strings share. */
tempo_status tempo_chat_join(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str between,
                             tempo_chat_list items, tempo_chat_value *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_replace_args(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text,
                                     const tempo_chat_bound *b, tempo_chat_value *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_cased(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text, tempo_chat_case how,
                              tempo_chat_value *out) TEMPO_MUST_CHECK;
/* [[key, value], ...] */
tempo_status tempo_chat_pairs(tempo_chat_state *s, const tempo_chat_map *map, tempo_chat_value *out) TEMPO_MUST_CHECK;

#endif
