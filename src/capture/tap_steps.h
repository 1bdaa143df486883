/* tap_steps.h - the taps that lie in a file of arrays (.npz or safetensors), read one array at a time and checked.
 *
 * Keys as in docs/capture.md: step_{i}_TAP of the rows that step i read, prompt_TAP of all rows of the prompt; floats [layers, rows, ...],
 * without layers where the tap is not in layers, and [layers, heads, rows, slots] of scores and pattern.  What is a tap says
 * engine/taps.inc; other arrays are passed over.  Which layers the first dimension means is in the metadata; without them it
 * counts from 0.  A file may come from anywhere: shapes are checked, an array takes at most max_bytes in memory, and messages begin
 * with the file and name the key.  */
#ifndef TEMPO_CAPTURE_TAP_STEPS_H
#define TEMPO_CAPTURE_TAP_STEPS_H
#include "capture/names.h"
#include "io/array_file.h"

/* One array of the file. */
typedef struct tempo_tap_key {
    tempo_tap tap;
    bool prompt;   /* prompt_TAP */
    uint32_t step; /* 0 of the prompt */
    const char *name;
} tempo_tap_key;

typedef struct tempo_tap_steps {
    char *name;  /* what messages call the file */
    char *shown; /* the path as text, as in tempo_steps */
    tempo_array_file *file;
    uint64_t max_bytes; /* of an array that cannot be looked at in the file; at will */
    size_t n;            /* 0: there are no taps in it */
    tempo_tap_key *keys; /* [n] by tap, the prompt first, then by step */
    uint16_t *layers[TEMPO_TAP_COUNT]; /* [n_layers] the layers of a tap in rising order, or NULL: all from 0 */
    size_t n_layers[TEMPO_TAP_COUNT];
} tempo_tap_steps;

tempo_status tempo_tap_steps_open(tempo_tap_steps *out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_tap_steps_close(tempo_tap_steps *s); /* takes one that is {0} */
/* The same array of another file, or NULL. */
const tempo_tap_key *tempo_tap_steps_find(const tempo_tap_steps *s, const tempo_tap_key *like);
/* The layer that index i of a tap means. */
size_t tempo_tap_layer(const tempo_tap_steps *s, tempo_tap tap, size_t i);

typedef struct tempo_tap_array {
    size_t n_layers, n_rows;    /* n_layers 1 where the tap is not in layers */
    size_t n_parts, part;       /* a row of a layer lies in so many parts of so many floats: heads of slots, or one */
    size_t stride;              /* from one part of a row to the next */
    const float *values;
    tempo_npy array; /* what values points into, unless it is the file */
} tempo_tap_array;

tempo_status tempo_tap_read(const tempo_tap_steps *s, const tempo_tap_key *key, tempo_tap_array *out, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_tap_array_free(tempo_tap_array *a);
/* A part of a row: [part] floats. */
const float *tempo_tap_part(const tempo_tap_array *a, size_t layer, size_t row, size_t part);

#endif
