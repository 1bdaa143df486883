/* say.c - signs in words. */
#include "draw/say.h"

#include <math.h>

/* What `digits` decimals show of it. */
static double shown(double x, int digits)
{
    const double scale = pow(10.0, digits);

    return round(x * scale) / scale;
}

void tempo_say_faster(tempo_text *t, double percent, int digits)
{
    const double x = shown(percent, digits);

    if (x == 0.0)
        tempo_text_add(t, "as fast");
    else
        tempo_text_add(t, "%s by %.*f%%", x < 0.0 ? "slower" : "faster", digits, fabs(x));
}

void tempo_say_faster_interval(tempo_text *t, double lo, double hi, int digits)
{
    const double a = shown(lo, digits), b = shown(hi, digits);

    if (!isfinite(a) || !isfinite(b)) {
        tempo_text_add(t, "-");
    } else if ((a > 0.0) == (b > 0.0) && (a < 0.0) == (b < 0.0) && a != 0.0) {
        tempo_text_add(t, "%s by %.*f%% to %.*f%%", a < 0.0 ? "slower" : "faster", digits,
                       fmin(fabs(a), fabs(b)), digits, fmax(fabs(a), fabs(b)));
    } else {
        tempo_say_faster(t, lo, digits);
        tempo_text_add(t, " to ");
        tempo_say_faster(t, hi, digits);
    }
}
