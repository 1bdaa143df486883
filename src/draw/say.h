/* say.h - signed numbers as people say them: "slower by 6.46%", never "-6.46% faster". */
#ifndef TEMPO_DRAW_SAY_H
#define TEMPO_DRAW_SAY_H
#include "draw/draw.h"

/* "faster by 3.2%", "slower by 3.2%" or, where `digits` decimals show nothing, "as fast". */
void tempo_say_faster(tempo_text *t, double percent, int digits);
/* "faster by 1.2% to 3.4%", "slower by 1.2% to 3.4%" or "slower by 1.2% to faster by 3.4%"; "-" when an end is missing. */
void tempo_say_faster_interval(tempo_text *t, double lo, double hi, int digits);

#endif
