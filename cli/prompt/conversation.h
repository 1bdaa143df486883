/* conversation.h - prompts that are conversations: --chat, --messages and what goes with them. */
#ifndef TEMPO_CLI_PROMPT_CONVERSATION_H
#define TEMPO_CLI_PROMPT_CONVERSATION_H
#include "cli/session.h"

/* What does not go together, or not without a conversation; NULL if all is well. */
const char *chat_problem(const options *o);
/* s->text, the user's message, or the conversation of --messages -> ids, the text that the template makes, and the tokens that
 * end a turn.  Prints a message on failure.  */
int prompt_from_chat(session *s, const options *o);

#endif
