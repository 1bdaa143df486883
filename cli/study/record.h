/* record.h - finished runs into the database of runs. */
#ifndef TEMPO_CLI_RECORD_H
#define TEMPO_CLI_RECORD_H
#include "cli/options.h"

/* Index dirs[n], unless --no-db.  The database is an index of the files: what goes wrong with it is told, and is no
 * failure.  `what` begins the message: "the study is". */
void record_runs(const options *o, const char *what, const char *const *dirs, size_t n);

#endif
