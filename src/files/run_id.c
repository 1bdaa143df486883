/* run_id.c - see run_id.h. */
#include "files/run_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static tempo_status utc(char *out, size_t cap, const char *format, tempo_err *err)
{
    struct tm t;
    const time_t now = time(NULL);

    out[0] = '\0';
    if (now == (time_t)-1 || gmtime_r(&now, &t) == NULL || strftime(out, cap, format, &t) == 0) {
        out[0] = '\0';
        return tempo_fail_os(err, errno, "the clock cannot be read");
    }
    return TEMPO_OK;
}

tempo_status tempo_utc_now(char out[TEMPO_UTC_CHARS], tempo_err *err)
{
    return utc(out, TEMPO_UTC_CHARS, "%Y-%m-%dT%H:%M:%SZ", err);
}

/* Not isalnum: an id is the same in every locale. */
static bool stays(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

tempo_status tempo_run_id(char out[TEMPO_RUN_ID_CHARS], const char *name, tempo_err *err)
{
    char when[16], clean[TEMPO_RUN_ID_NAME + 1];
    unsigned char bytes[2];
    size_t n = 0;
    tempo_status st;

    out[0] = '\0';
    if (name == NULL || name[0] == '\0')
        name = "run";
    for (; name[n] != '\0' && n < TEMPO_RUN_ID_NAME; n++)
        clean[n] = name[n];
    for (size_t i = 0; i < n; i++)
        if (!stays(clean[i]))
            clean[i] = '-';
    clean[n] = '\0';
    if ((st = utc(when, sizeof(when), "%Y%m%d-%H%M%S", err)) != TEMPO_OK)
        return st;
    if (getentropy(bytes, sizeof(bytes)) != 0)
        return tempo_fail_os(err, errno, "the system gives no random bytes");
    (void)snprintf(out, TEMPO_RUN_ID_CHARS, "%s-%s-%02x%02x", when, clean, bytes[0], bytes[1]);
    return TEMPO_OK;
}
