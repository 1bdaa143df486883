/* status.c - filling in a tempo_err.  Messages are cut at the buffer, never in the middle of the count. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tempo_status_name(tempo_status st)
{
    static const char *const names[] = {
        [TEMPO_OK] = "ok",         [TEMPO_E_ARG] = "argument",       [TEMPO_E_NOMEM] = "memory",
        [TEMPO_E_IO] = "io",       [TEMPO_E_FORMAT] = "format",      [TEMPO_E_UNSUPPORTED] = "unsupported",
        [TEMPO_E_LIMIT] = "limit", [TEMPO_E_NOTFOUND] = "not found", [TEMPO_E_STOPPED] = "stopped",
    };
    const size_t i = (size_t)st;

    return i < sizeof(names) / sizeof(*names) ? names[i] : "unknown";
}

const char *tempo_version(void)
{
    return TEMPO_VERSION;
}

void tempo_free(void *p)
{
    free(p);
}

/* The first failure of err is recorded by whoever gets true. */
static bool begin(tempo_err *err, tempo_status code, int os_errno, uint64_t offset)
{
    if (err == NULL || err->code != TEMPO_OK)
        return false;
    err->code = code;
    err->os_errno = os_errno;
    err->offset = offset;
    return true;
}

tempo_status tempo_fail(tempo_err *err, tempo_status code, uint64_t offset, const char *fmt, ...)
{
    va_list ap;

    if (!begin(err, code, 0, offset))
        return code;
    va_start(ap, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    return code;
}

tempo_status tempo_fail_os(tempo_err *err, int os_errno, const char *fmt, ...)
{
    char why[128] = "unknown error";
    va_list ap;

    if (!begin(err, TEMPO_E_IO, os_errno, TEMPO_NO_OFFSET))
        return TEMPO_E_IO;
    va_start(ap, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    const char *text = strerror_r(os_errno, why, sizeof(why)); /* need not use the buffer */
#else
    const char *text = strerror_r(os_errno, why, sizeof(why)) == 0 ? why : "unknown error";
#endif
    const size_t n = strlen(err->msg);
    (void)snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", text);
    return TEMPO_E_IO;
}

void tempo_err_prefix(tempo_err *err, const char *fmt, ...)
{
    char old[sizeof(err->msg)];
    va_list ap;

    if (err == NULL || err->code == TEMPO_OK)
        return;
    memcpy(old, err->msg, sizeof(old));
    va_start(ap, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    const size_t n = strlen(err->msg);
    (void)snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", old);
}
