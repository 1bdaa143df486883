/* run_id.h - names and times of runs. */
#ifndef TEMPO_FILES_RUN_ID_H
#define TEMPO_FILES_RUN_ID_H
#include "base/status.h"

enum {
    TEMPO_RUN_ID_NAME = 40,                               /* characters of the name that an id keeps, at most */
    TEMPO_RUN_ID_CHARS = 15 + 1 + TEMPO_RUN_ID_NAME + 1 + 4 + 1, /* the NUL included */
    TEMPO_UTC_CHARS = 21,
};

/* Now, as "2026-11-24T20:30:15Z". */
tempo_status tempo_utc_now(char out[TEMPO_UTC_CHARS], tempo_err *err) TEMPO_MUST_CHECK;

/* A new id such as "20261124-203015-exp1-ab12": UTC, the name, and four random hexadecimal digits from the system, so
 * that runs of one second differ.  Of the name, letters, digits, '.', '_' and '-' stay and all else becomes '-';
 * NULL or "" is "run".  On failure (no random bytes, no clock) out is "".  */
tempo_status tempo_run_id(char out[TEMPO_RUN_ID_CHARS], const char *name, tempo_err *err) TEMPO_MUST_CHECK;

#endif
