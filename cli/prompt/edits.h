/* edits.h - what --edit and --edits say is to be computed differently. */
#ifndef TEMPO_CLI_PROMPT_EDITS_H
#define TEMPO_CLI_PROMPT_EDITS_H
#include <jansson.h>

#include "cli/session.h"

bool has_edits(const options *o);
/* Those of the file, then those of the command line, as one JSON list; messages name the file. */
tempo_status edits_load(json_t **out, const options *o, tempo_err *err);
/* The same for a sequence that holds one prompt of n tokens and no arms; NULL where there are none. */
tempo_status edits_make(tempo_edits **out, const options *o, const tempo_model *m, tempo_err *err);
/* What such a list (run/document.h) says was not changed, on stderr; arm or NULL. */
void edits_say(const json_t *uses, const char *arm);
/* The same of a sequence that has run. */
void edits_say_unused(const tempo_seq *s, const tempo_edits *l);

#endif
