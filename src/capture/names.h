/* names.h - what a capture's files and the arrays in them are called (names.inc). */
#ifndef TEMPO_CAPTURE_NAMES_H
#define TEMPO_CAPTURE_NAMES_H
#include "io/npy.h"
#include "tempo.h"

/* ---- arrays ---- */

typedef enum tempo_capture_array {
#define ARRAY(id, name, type, other) TEMPO_ARRAY_##id,
#include "capture/names.inc"
#undef ARRAY
    TEMPO_CAPTURE_ARRAYS
} tempo_capture_array;

typedef struct tempo_capture_name {
    const char *name, *other;
    tempo_npy_type type;
} tempo_capture_name;

extern const tempo_capture_name tempo_capture_names[TEMPO_CAPTURE_ARRAYS];

enum { TEMPO_CAPTURE_KEY = 64, TEMPO_CAPTURE_LAST_STEP = 100000000 };

/* step_{step}_NAME; gives out. */
const char *tempo_capture_key(char out[TEMPO_CAPTURE_KEY], size_t step, tempo_capture_array a);
/* OTHER_{step} of an array that has such a name. */
const char *tempo_capture_other_key(char out[TEMPO_CAPTURE_KEY], size_t step, tempo_capture_array a);
/* Is the key one of these two, of some step up to TEMPO_CAPTURE_LAST_STEP? */
bool tempo_capture_key_step(const char *key, tempo_capture_array a, uint32_t *step);
/* In the place of step_{step} where all rows of the prompt are meant. */
#define TEMPO_CAPTURE_PROMPT "prompt"
/* Is the key step_{step}_TAP or prompt_TAP of a tap by its short name? */
bool tempo_capture_tap_key(const char *key, tempo_tap *tap, bool *prompt, uint32_t *step);
/* The text in a file of arrays. */
#define TEMPO_CAPTURE_TEXT "metadata"

/* ---- files ---- */

typedef enum tempo_capture_file { /* those of arrays come first */
#define FILES(id, name, suffix) TEMPO_FILE_##id,
#include "capture/names.inc"
#undef FILES
    TEMPO_FILE_COUNT,
    TEMPO_FILE_ARRAYS = TEMPO_FILE_ROPE
} tempo_capture_file;

/* The usual name in that format; gives out. */
const char *tempo_capture_file_name(char out[TEMPO_CAPTURE_KEY], tempo_capture_file f, tempo_capture_format format);

#endif
