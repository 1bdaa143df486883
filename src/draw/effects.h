/* effects.h - what changing edges of layers and heads does, as pictures. */
#ifndef TEMPO_DRAW_EFFECTS_H
#define TEMPO_DRAW_EFFECTS_H
#include "draw/draw.h"

enum { TEMPO_EFFECTS_CURVES = 4, TEMPO_EFFECTS_LINES = 3 };

typedef struct tempo_effects {
    const char *model;
    size_t units; /* that are averaged */
    const char *unit;
    size_t first_layer, n_layers, n_heads, n_kept;
    const double *heads; /* [layers, heads] */
    /* one layer, up to it, from it on ([layers]), and kept ([kept]); each when cut, exchanged, and cut from strangers; NULL: not measured */
    const double *curves[TEMPO_EFFECTS_CURVES][TEMPO_EFFECTS_LINES];
} tempo_effects;

/* Layers by heads; and the curves, a panel each. */
void tempo_effects_grid_svg(tempo_text *t, const tempo_effects *e);
void tempo_effects_curves_svg(tempo_text *t, const tempo_effects *e);

#endif
