/* float_text.h - a double in the fewest digits that read back as it, whatever the locale is: 3.1, not 3.1000000000000001. */
#ifndef TEMPO_BASE_FLOAT_TEXT_H
#define TEMPO_BASE_FLOAT_TEXT_H
#include <stddef.h>

enum { TEMPO_FLOAT_TEXT = 32 };
/* As Python's repr writes it (3.0, 1e-05, 1e+16, nan, -inf), without a NUL; gives the length, at most TEMPO_FLOAT_TEXT - 1.
 * What is finite is JSON. */
size_t tempo_float_text(double f, char out[TEMPO_FLOAT_TEXT]);

#endif
