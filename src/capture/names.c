/* names.c - names.inc as tables. */
#include "capture/names.h"

#include <stdio.h>
#include <string.h>

const tempo_capture_name tempo_capture_names[TEMPO_CAPTURE_ARRAYS] = {
#define ARRAY(id, name, type, other) {name, other, TEMPO_NPY_##type},
#include "capture/names.inc"
#undef ARRAY
};

static const struct {
    const char *name, *suffix;
} files[TEMPO_FILE_COUNT] = {
#define FILES(id, name, suffix) {name, suffix},
#include "capture/names.inc"
#undef FILES
};

static const char step_prefix[] = "step_";

const char *tempo_capture_key(char out[TEMPO_CAPTURE_KEY], size_t step, tempo_capture_array a)
{
    (void)snprintf(out, TEMPO_CAPTURE_KEY, "%s%zu_%s", step_prefix, step, tempo_capture_names[a].name);
    return out;
}

const char *tempo_capture_other_key(char out[TEMPO_CAPTURE_KEY], size_t step, tempo_capture_array a)
{
    (void)snprintf(out, TEMPO_CAPTURE_KEY, "%s_%zu", tempo_capture_names[a].other, step);
    return out;
}

/* The number after `prefix`; what follows it, or NULL. */
static const char *read_number(const char *key, const char *prefix, uint32_t *out)
{
    const size_t n = strlen(prefix);
    uint64_t x = 0;

    if (strncmp(key, prefix, n) != 0 || key[n] < '0' || key[n] > '9')
        return NULL;
    if (key[n] == '0' && key[n + 1] >= '0' && key[n + 1] <= '9')
        return NULL; /* one number has one name */
    for (key += n; *key >= '0' && *key <= '9' && x < TEMPO_CAPTURE_LAST_STEP; key++)
        x = 10 * x + (uint64_t)(*key - '0');
    *out = (uint32_t)x;
    return key;
}

bool tempo_capture_key_step(const char *key, tempo_capture_array a, uint32_t *step)
{
    const tempo_capture_name *n = &tempo_capture_names[a];
    const char *rest = read_number(key, step_prefix, step);
    char prefix[TEMPO_CAPTURE_KEY];

    if (rest != NULL && *rest == '_' && strcmp(rest + 1, n->name) == 0)
        return true;
    if (n->other == NULL)
        return false;
    (void)snprintf(prefix, sizeof(prefix), "%s_", n->other);
    rest = read_number(key, prefix, step);
    return rest != NULL && *rest == '\0';
}

bool tempo_capture_tap_key(const char *key, tempo_tap *tap, bool *prompt, uint32_t *step)
{
    static const char whole[] = TEMPO_CAPTURE_PROMPT "_";
    const char *rest = read_number(key, step_prefix, step);

    *prompt = strncmp(key, whole, sizeof(whole) - 1) == 0;
    if (*prompt) {
        rest = key + sizeof(whole) - 1;
        *step = 0;
    } else if (rest == NULL || *rest++ != '_') {
        return false;
    }
    for (*tap = 0; *tap < TEMPO_TAP_COUNT; (*tap)++)
        if (strcmp(rest, tempo_tap_get_info(NULL, *tap).short_name) == 0)
            return *prompt || (*tap != TEMPO_TAP_LOGITS &&
                               *tap != TEMPO_TAP_PATTERN); /* which have files of their own */
    return false;
}

const char *tempo_capture_file_name(char out[TEMPO_CAPTURE_KEY], tempo_capture_file f,
                                    tempo_capture_format format)
{
    const char *suffix = format == TEMPO_CAPTURE_NPZ ? ".npz" : ".safetensors";

    (void)snprintf(out, TEMPO_CAPTURE_KEY, "%s%s", files[f].name,
                   files[f].suffix != NULL ? files[f].suffix : suffix);
    return out;
}
