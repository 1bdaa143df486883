/* sweep.h - tempo sweep and tempo merge: what they share.  Private to cli/sweep. */
#ifndef TEMPO_CLI_SWEEP_H
#define TEMPO_CLI_SWEEP_H
#include <jansson.h>

#include "cli/prompt/prompts.h"

enum { SWEEP_PATH = 4096 };

/* All combinations of the lists of the command line; the last list varies fastest, in the order of the table.
 */
typedef struct sweep_ways {
    tempo_decode_options *list; /* [n] */
    size_t n;
    char (*columns)[32]; /* [n_columns] threshold, mode and every other list of several */
    const char **names;  /* [n_columns] */
    size_t n_columns;
} sweep_ways;
int sweep_read_ways(sweep_ways *w, const options *o);
void sweep_free_ways(sweep_ways *w);

/* argv of the process, for manifests. */
json_t *sweep_argv(const options *o);
/* DIR/manifest.json: facts, with kind, id, created and argv. */
int sweep_write_manifest(const options *o, const char *dir, json_t *facts);

#endif
