/* prompts.h - files of prompts, a JSON object a line (files/prompt_lines.h), for the commands that take -f. */
#ifndef TEMPO_CLI_PROMPT_PROMPTS_H
#define TEMPO_CLI_PROMPT_PROMPTS_H
#include "cli/session.h"
#include "files/prompt_lines.h"

/* Does -f name such a file? */
bool given_prompts(const options *o);

/* The prompts of a file, for tempo_prompt_lines_free; bad lines are named, each with its reason, up to a bound.  Returns an exit
 * code, whose message was printed. */
int prompts_load(tempo_prompt_lines **out, const char *path);
/* The prompt of line i to s, in place of none: text, ids, warning.  Returns an exit code, whose message was printed. */
int prompts_take(session *s, const options *o, const tempo_prompt_lines *lines, size_t i);
void prompts_drop(session *s);
/* Gives code back; after a failure it says which prompt that was. */
int prompts_blame(const tempo_prompt_lines *lines, size_t i, int code);

/* "== ID ==" on standard output, in front of what is of that prompt. */
void prompts_heading(const tempo_prompt_line *l);

#endif
