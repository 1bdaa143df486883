/* svg.h - what pictures share. */
#ifndef TEMPO_DRAW_SVG_H
#define TEMPO_DRAW_SVG_H
#include "draw/draw.h"

/* s as text between tags: what is not UTF-8, and what XML does not allow, becomes '?'. */
void tempo_svg_escape(tempo_text *t, const char *s);

#endif
