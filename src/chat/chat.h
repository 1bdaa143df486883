/* chat.h - chat templates without a model; with one they are public (tempo.h). */
#ifndef TEMPO_CHAT_H
#define TEMPO_CHAT_H
#include "token/token.h"

enum { TEMPO_CHAT_MAX_TEMPLATE = 256 << 10 }; /* bytes of a template */

/* As tempo_chat_open.  text NULL: the plain template, whatever the name.  t must outlive the chat. */
tempo_status tempo_chat_create(tempo_chat **out, const tempo_tokenizer *t, const char *text, size_t n, const char *name,
                               tempo_err *err) TEMPO_MUST_CHECK;

const tempo_tokenizer *tempo_chat_tokenizer(const tempo_chat *c);

#endif
