/* chat_call.h - the methods, filters, tests and functions that templates may use; private to chat*.c. */
#ifndef TEMPO_TOKEN_CHAT_CALL_H
#define TEMPO_TOKEN_CHAT_CALL_H
#include "token/chat_state.h"

/* Which, or -1. */
int tempo_chat_find_method(tempo_chat_str name);
int tempo_chat_find_filter(tempo_chat_str name);
int tempo_chat_find_test(tempo_chat_str name);
int tempo_chat_find_function(tempo_chat_str name);

/* a.text(args), a | text(args): node says which and where. */
tempo_status tempo_chat_call_method(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *object,
                                    const tempo_chat_args *args, tempo_chat_value *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_call_filter(tempo_chat_state *s, const tempo_chat_node *node, int which,
                                    const tempo_chat_value *subject, const tempo_chat_args *args,
                                    tempo_chat_value *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_call_test(tempo_chat_state *s, const tempo_chat_node *node, int which,
                                  const tempo_chat_value *subject, const tempo_chat_args *args,
                                  bool *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_call_function(tempo_chat_state *s, const tempo_chat_node *node, int which,
                                      const tempo_chat_args *args, tempo_chat_value *out) TEMPO_MUST_CHECK;

#endif
