/* status.h - filling in a tempo_err.  The types themselves are public: tempo.h. */
#ifndef TEMPO_BASE_STATUS_H
#define TEMPO_BASE_STATUS_H
#include "tempo.h"

/* Record a failure and return `code`.  The first failure wins: later calls keep the original
 * message, so cleanup paths may call fallible functions freely.  err may be NULL.  */
tempo_status tempo_fail(tempo_err *err, tempo_status code, uint64_t offset, const char *fmt, ...)
    TEMPO_PRINTF(4, 5);

/* The same for a failed operating system call: appends ": " and the text of `os_errno`. */
tempo_status tempo_fail_os(tempo_err *err, int os_errno, const char *fmt, ...) TEMPO_PRINTF(3, 4);

/* Put "fmt: " in front of the recorded message while an error travels up; nothing when none is. */
void tempo_err_prefix(tempo_err *err, const char *fmt, ...) TEMPO_PRINTF(2, 3);

#endif
