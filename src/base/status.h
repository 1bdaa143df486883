/* status.h - filling in a tempo_err.  The types themselves are public: tempo.h. */
#ifndef TEMPO_BASE_STATUS_H
#define TEMPO_BASE_STATUS_H
#include "tempo.h"

/* Record a failure and return `code`.  The first failure wins: later calls keep the original
 * message, so cleanup paths may call fallible functions freely.  err may be NULL.  */
tempo_status tempo_fail(tempo_err *err, tempo_status code, uint64_t offset, const char *fmt, ...)
    TEMPO_PRINTF(4, 5);

/* The same, and `field` (the option, key or part at fault, in words of a program) is recorded with it. */
tempo_status tempo_fail_field(tempo_err *err, tempo_status code, const char *field, const char *fmt, ...)
    TEMPO_PRINTF(4, 5);

/* The same for a failed operating system call: appends ": " and the text of `os_errno`. */
tempo_status tempo_fail_os(tempo_err *err, int os_errno, const char *fmt, ...) TEMPO_PRINTF(3, 4);

/* Put "fmt: " in front of the recorded message while an error travels up; nothing when none is. */
void tempo_err_prefix(tempo_err *err, const char *fmt, ...) TEMPO_PRINTF(2, 3);

/* The recorded error is about that field, unless a field is named already; nothing when no error is. */
void tempo_err_set_field(tempo_err *err, const char *field);

/* What else must know what a message says: whether a name is in it already.  Nobody else may look (tools/lint.sh errors).
 * tempo_err_prefix unless the message begins with `name`, unless it has `name` anywhere; and `name` taken off its front,
 * false when it does not begin so.  */
void tempo_err_prefix_first(tempo_err *err, const char *name, const char *fmt, ...) TEMPO_PRINTF(3, 4);
void tempo_err_prefix_once(tempo_err *err, const char *name, const char *fmt, ...) TEMPO_PRINTF(3, 4);
bool tempo_err_strip(tempo_err *err, const char *name);

#endif
