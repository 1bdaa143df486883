/* names.c - enums of tempo.h as text, both ways; the names themselves are in names.h. */
#include "base/names.h"

#include <string.h>

#include "tempo.h"

#define COMMA ,
#define COUNT(names) (sizeof(names) / sizeof(*(names)))

/* A value that is none of the enum's wraps beyond n. */
static const char *name_at(const char *const *names, size_t n, int value)
{
    return (size_t)value < n ? names[value] : NULL;
}

static int find(const char *const *names, size_t n, const char *text)
{
    for (size_t i = 0; text != NULL && i < n; i++)
        if (strcmp(names[i], text) == 0)
            return (int)i;
    return -1;
}

#define NAMED(type, names)                                                                                   \
    static const char *const type##_names[] = {names(COMMA)};                                                \
    const char *type##_name(type v)                                                                          \
    {                                                                                                        \
        return name_at(type##_names, COUNT(type##_names), (int)v);                                           \
    }

#define READ(type, names)                                                                                    \
    NAMED(type, names)                                                                                       \
    bool type##_parse(const char *text, type *out)                                                           \
    {                                                                                                        \
        const int i = find(type##_names, COUNT(type##_names), text);                                         \
        if (i >= 0)                                                                                          \
            *out = (type)i;                                                                                  \
        return i >= 0;                                                                                       \
    }

READ(tempo_load, TEMPO_LOADS)
READ(tempo_compute, TEMPO_COMPUTES)
READ(tempo_kv_type, TEMPO_KV_TYPES)
READ(tempo_mode, TEMPO_MODES)
READ(tempo_readout, TEMPO_READOUTS)
READ(tempo_context, TEMPO_CONTEXTS)
READ(tempo_positions, TEMPO_POSITIONINGS)
READ(tempo_order, TEMPO_ORDERS)
READ(tempo_stop, TEMPO_STOPS)
READ(tempo_replay, TEMPO_REPLAYS)
READ(tempo_capture_format, TEMPO_CAPTURE_FORMATS)
READ(tempo_regime, TEMPO_REGIMES)
READ(tempo_patch_metric, TEMPO_PATCH_METRICS)
READ(tempo_patch_direction, TEMPO_PATCH_DIRECTIONS)
READ(tempo_patch_each, TEMPO_PATCH_EACHES)
NAMED(tempo_stopped, TEMPO_STOPPED_BY)
NAMED(tempo_status, TEMPO_STATUSES)
NAMED(tempo_trace_kind, TEMPO_TRACE_KIND_NAMES)
