/* status.c - filling in a tempo_err.  Messages are cut at the buffer, never in the middle of the count. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    err->field[0] = '\0';
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

tempo_status tempo_fail_field(tempo_err *err, tempo_status code, const char *field, const char *fmt, ...)
{
    va_list ap;

    if (!begin(err, code, 0, TEMPO_NO_OFFSET))
        return code;
    (void)snprintf(err->field, sizeof(err->field), "%s", field);
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

/* ---- context ---- */

static void prefix(tempo_err *err, const char *fmt, va_list ap)
{
    char old[sizeof(err->msg)];

    memcpy(old, err->msg, sizeof(old));
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    const size_t n = strlen(err->msg);
    (void)snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", old);
}

static bool failed(const tempo_err *err)
{
    return err != NULL && err->code != TEMPO_OK;
}

static bool in_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

/* The name itself, not the beginning of another word. */
static bool begins(const tempo_err *err, const char *name)
{
    const size_t n = strlen(name);

    return strncmp(err->msg, name, n) == 0 && !in_word(err->msg[n]);
}

static bool holds(const tempo_err *err, const char *name)
{
    const size_t n = strlen(name);

    for (const char *p = n > 0 ? strstr(err->msg, name) : NULL; p != NULL; p = strstr(p + 1, name))
        if (!in_word(p[n]) && (p == err->msg || !in_word(p[-1])))
            return true;
    return false;
}

void tempo_err_prefix(tempo_err *err, const char *fmt, ...)
{
    va_list ap;

    if (!failed(err))
        return;
    va_start(ap, fmt);
    prefix(err, fmt, ap);
    va_end(ap);
}

void tempo_err_prefix_first(tempo_err *err, const char *name, const char *fmt, ...)
{
    va_list ap;

    if (!failed(err) || begins(err, name))
        return;
    va_start(ap, fmt);
    prefix(err, fmt, ap);
    va_end(ap);
}

void tempo_err_prefix_once(tempo_err *err, const char *name, const char *fmt, ...)
{
    va_list ap;

    if (!failed(err) || holds(err, name))
        return;
    va_start(ap, fmt);
    prefix(err, fmt, ap);
    va_end(ap);
}

void tempo_err_set_field(tempo_err *err, const char *field)
{
    if (failed(err) && err->field[0] == '\0')
        (void)snprintf(err->field, sizeof(err->field), "%s", field);
}

bool tempo_err_strip(tempo_err *err, const char *name)
{
    const size_t n = strlen(name);

    if (strncmp(err->msg, name, n) != 0)
        return false;
    memmove(err->msg, err->msg + n, strlen(err->msg + n) + 1);
    return true;
}
