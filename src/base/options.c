/* options.c - option structs of any version become those of this one.  The rules are in tempo.h. */
#include "base/options.h"

#include <string.h>

#include "base/status.h"

enum { MOST_BYTES = 1 << 16 /* that a size is believed */ };

void tempo_options_init(const tempo_options_kind *kind, void *out, size_t size)
{
    if (size < sizeof(size))
        return;
    memset(out, 0, size);
    memcpy(out, kind->defaults, size < kind->size ? size : kind->size);
    memcpy(out, &size, sizeof(size));
}

static tempo_status check(const tempo_options_kind *kind, const void *given, size_t size, tempo_err *err)
{
    const unsigned char *bytes = given;

    if (size == 0)
        return tempo_fail_field(err, TEMPO_E_ARG, "size", "%s.size is 0: call %s_init before setting members",
                                kind->name, kind->name);
    if (size <= sizeof(size) || size > MOST_BYTES)
        return tempo_fail_field(err, TEMPO_E_ARG, "size", "%s.size is %zu, expected sizeof(%s), which is %zu",
                                kind->name, size, kind->name, kind->size);
    for (size_t i = kind->size; i < size; i++)
        if (bytes[i] != 0)
            return tempo_fail_field(err, TEMPO_E_UNSUPPORTED, "size",
                                    "%s has %zu bytes, and sets one that this version (" TEMPO_VERSION
                                    ") does not know: it knows %zu",
                                    kind->name, size, kind->size);
    return TEMPO_OK;
}

tempo_status tempo_options_take(const tempo_options_kind *kind, void *out, const void *given, tempo_err *err)
{
    size_t size;
    tempo_status st;

    memcpy(out, kind->defaults, kind->size);
    if (given == NULL)
        return TEMPO_OK;
    memcpy(&size, given, sizeof(size));
    if ((st = check(kind, given, size, err)) != TEMPO_OK)
        return st;
    memcpy(out, given, size < kind->size ? size : kind->size);
    memcpy(out, &kind->size, sizeof(kind->size));
    return TEMPO_OK;
}
