/* chat_method.h - the methods of strings; private to chat_method*.c. */
#ifndef TEMPO_TOKEN_CHAT_METHOD_H
#define TEMPO_TOKEN_CHAT_METHOD_H
#include "token/chat_call.h"

/* Each up to a name NULL. */
extern const tempo_chat_callable tempo_chat_str_methods[], /* chat_method_str.c: what changes or asks */
    tempo_chat_part_methods[];                             /* chat_method_part.c: what looks for and takes parts */

#endif
