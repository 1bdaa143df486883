/* lens.h - what the residual stream says on its way: private to src/lens; what callers see is in tempo.h.
 *
 * residual.c keeps the stream of some rows, lens.c reads its points through the output matrix, attribute.c takes a logit
 * apart, mean.c adds up taps, rows.c finds the rows of a capture.  Sources: nostalgebraist, interpreting GPT: the logit lens
 * (2020); Elhage et al., A mathematical framework for transformer circuits (2021) for attribution.  */
#ifndef TEMPO_LENS_LENS_H
#define TEMPO_LENS_LENS_H
#include "engine/engine.h"

enum { TEMPO_RESIDUAL_TAPS = 5 };

struct tempo_residual {
    const tempo_model *model;
    size_t rows, n_taps, row_floats;
    tempo_tap_selection taps[TEMPO_RESIDUAL_TAPS];
    size_t at[TEMPO_RESIDUAL_TAPS];    /* of a tap's layer 0 in a row */
    size_t width[TEMPO_RESIDUAL_TAPS]; /* numbers of a layer */
    float *values;                     /* [rows, row_floats] */
    bool *there;                       /* [rows, n_taps, layers] */
};

/* The values of a tap that r keeps, or NULL: they are not there. */
const float *tempo_residual_get(const tempo_residual *r, size_t row, tempo_tap tap, uint32_t layer);

#endif
