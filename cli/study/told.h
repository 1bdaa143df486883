/* told.h - errors of the files that are read before anything runs, all of them said at once. */
#ifndef TEMPO_CLI_TOLD_H
#define TEMPO_CLI_TOLD_H
#include <stddef.h>

#include "yaml/yaml.h"

/* One that says each error and counts it in *told, which begins as 0. */
tempo_yaml_tell tell_errors(size_t *told);
/* After a failure: whether errors were told, of more than one with their number. */
bool were_told(size_t told);

#endif
