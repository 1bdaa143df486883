/* told.h - what long work tells its user: errors of the files that are read before anything runs, all of them said at once, how far it is,
 * and what should be known of a model or an experiment.  */
#ifndef TEMPO_CLI_TOLD_H
#define TEMPO_CLI_TOLD_H
#include <stddef.h>

#include "yaml/yaml.h"

/* One that says each error and counts it in *told, which begins as 0. */
tempo_yaml_tell tell_errors(size_t *told);
/* After a failure: whether errors were told, of more than one with their number. */
bool were_told(size_t told);

/* Callbacks of experiments and studies. */
void told_progress(void *user, const char *what, size_t done, size_t total);
void told_note(void *user, const char *of, const char *text);

#endif
