/* settings.h - what the environment says about the hub, under the names that its own client knows. */
#ifndef TEMPO_PULL_SETTINGS_H
#define TEMPO_PULL_SETTINGS_H
#include <limits.h>

#include "base/status.h"

enum { TEMPO_MAX_ENDPOINT = 1024, TEMPO_MAX_TOKEN = 4096 };

typedef struct tempo_hub_settings {
    char endpoint[TEMPO_MAX_ENDPOINT]; /* without a slash at its end */
    char token[TEMPO_MAX_TOKEN];       /* "": none */
    char cache[PATH_MAX];
    char ca_file[PATH_MAX]; /* certificates to trust; "": the system's */
    uint64_t quiet_s;       /* a connection that brings nothing for so long is given up, and tried again */
    uint64_t wait_ms;       /* before the second try; each further wait is twice as long */
} tempo_hub_settings;

/* TEMPO_E_UNSUPPORTED where the environment says to stay offline; TEMPO_E_ARG for a value that is none. */
tempo_status tempo_hub_settings_read(tempo_hub_settings *s, tempo_err *err) TEMPO_MUST_CHECK;

#endif
