/* method.h - the methods of strings; private to chat_method*.c. */
#ifndef TEMPO_CHAT_BUILTIN_METHOD_H
#define TEMPO_CHAT_BUILTIN_METHOD_H
#include "chat/builtin/call.h"

/* Each up to a name NULL. */
extern const tempo_chat_callable tempo_chat_str_methods[], /* method_str.c: what changes or asks */
    tempo_chat_part_methods[];                             /* method_part.c: what looks for and takes parts */

#endif
