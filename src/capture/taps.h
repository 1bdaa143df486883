/* taps.h - what several who look at one pass want to see of it, together. */
#ifndef TEMPO_CAPTURE_TAPS_H
#define TEMPO_CAPTURE_TAPS_H
#include <jansson.h>

#include "tempo.h"

/* Selections of different taps. */
typedef struct tempo_taps {
    size_t n;
    tempo_tap_selection list[TEMPO_TAP_COUNT];
} tempo_taps;

/* What is selected there and in s[n]: the layers of both, and the heads of both (each layer with all of them). */
void tempo_taps_add(tempo_taps *t, const tempo_tap_selection *s, size_t n);
/* Is the view of one of s[n]? */
bool tempo_taps_include(const tempo_tap_selection *s, size_t n, const tempo_tap_view *v);
/* {short name: {"name", "layers", "heads"}}: what index 0 and the others of an array are.  NULL: no memory. */
json_t *tempo_taps_json(const tempo_tap_selection *taps, size_t n, const tempo_model *m);

/* {"architecture", "n_layers", "n_heads", "n_kv_heads", "head_dim", "d_model", "d_ff", "n_vocab"}: what arrays of a model's taps fit.
 * NULL: no memory.  */
json_t *tempo_json_sizes(const tempo_model *m);

#endif
