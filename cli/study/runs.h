/* runs.h - what tempo runs shows to people. */
#ifndef TEMPO_CLI_RUNS_H
#define TEMPO_CLI_RUNS_H
#include <jansson.h>
#include <stdbool.h>

/* Documents of src/registry/registry.h, on standard output.  Nothing in them can control a terminal. */
void show_runs(const json_t *list);
void show_run(const json_t *run);
void show_comparison(const json_t *comparison);
/* Of gc. */
void show_gone(const json_t *gone, bool dry_run);

#endif
