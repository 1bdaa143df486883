/* conversation.h - conversations as JSON: read and checked before a template sees them. */
#ifndef TEMPO_CHAT_CONVERSATION_H
#define TEMPO_CHAT_CONVERSATION_H
#include "io/json.h"
#include "tempo.h"

enum { TEMPO_CHAT_MESSAGES, TEMPO_CHAT_TOOLS, TEMPO_CHAT_DOCUMENTS, TEMPO_CHAT_VARIABLES, TEMPO_CHAT_PARTS };

/* parts[]: NULL where there is none; json_decref each on every path.  Fails as tempo_chat_render_json does. */
tempo_status tempo_conversation_read(const tempo_conversation *v, json_t *parts[TEMPO_CHAT_PARTS],
                                     tempo_err *err) TEMPO_MUST_CHECK;

#endif
