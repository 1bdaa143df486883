/* recorded_taps.h - what the arrays of a capture, or of means, have of a tap: their metadata say it. */
#ifndef TEMPO_CAPTURE_RECORDED_TAPS_H
#define TEMPO_CAPTURE_RECORDED_TAPS_H
#include "io/array_file.h"
#include "tempo.h"

enum { TEMPO_RECORDED_MOST = 64 * TEMPO_TAP_WORDS };

/* Which layers and heads the arrays of a tap have: index i is that of layers[i], heads[i]. */
typedef struct tempo_recorded_tap {
    size_t n_layers, n_heads; /* 1 where the tap is not in layers, or has no heads */
    uint32_t layers[TEMPO_RECORDED_MOST], heads[TEMPO_RECORDED_MOST];
} tempo_recorded_tap;

/* By the metadata of the file, {"taps": {NAME: {"layers": [..], "heads": [..]}}}; all that the model has where they do
 * not name the tap.  TEMPO_E_FORMAT for metadata, TEMPO_E_ARG for {"model": {..}} of another shape than m.  */
tempo_status tempo_recorded_read(tempo_recorded_tap *out, const tempo_array_file *f, const tempo_model *m,
                                 tempo_tap tap, tempo_err *err) TEMPO_MUST_CHECK;
/* All layers from first, all heads from first. */
void tempo_recorded_range(tempo_recorded_tap *out, uint32_t first_layer, size_t layers, uint32_t first_head,
                          size_t heads);
/* The place of one among list[n]; SIZE_MAX: it is not there. */
size_t tempo_recorded_at(const uint32_t *list, size_t n, uint32_t one);

#endif
