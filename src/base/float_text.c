#include "base/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fewest digits that read back as f > 0, a number below 10 with its point after the first one; *exponent
 * counts tens. Both ways avoid the decimal point, which is the locale's. */
static size_t shortest(double f, char digits[18], int *exponent)
{
    size_t n = 0;

    /* fewer than 15 digits are those 15 with zeros behind them, but where f has not that many itself */
    for (int precision = f < DBL_MIN ? 0 : 14; precision < 17; precision++) {
        char text[40], whole[48];
        (void)snprintf(text, sizeof(text), "%.*e", precision, f);
        const char *e = strchr(text, 'e');
        *exponent = (int)strtol(e + 1, NULL, 10);
        n = 0;
        for (const char *p = text; p < e; p++)
            if (*p >= '0' && *p <= '9')
                digits[n++] = *p;
        (void)snprintf(whole, sizeof(whole), "%.*se%d", (int)n, digits, *exponent - (int)n + 1);
        if (strtod(whole, NULL) == f) /* as the last of them does */
            break;
    }
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

size_t tempo_float_text(double f, char out[TEMPO_FLOAT_TEXT])
{
    char digits[18] = "0";
    int exponent = 0;
    size_t n = 1, at = 0;

    if (isnan(f) || isinf(f))
        return (size_t)snprintf(out, TEMPO_FLOAT_TEXT, "%s", isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
    if (signbit(f) != 0)
        out[at++] = '-';
    if (f != 0)
        n = shortest(fabs(f), digits, &exponent);
    if (exponent < -4 || exponent > 15) {
        at +=
            (size_t)snprintf(out + at, TEMPO_FLOAT_TEXT - at, "%c%s%.*se%c%02d", digits[0], n > 1 ? "." : "",
                             (int)n - 1, digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
        return at;
    }
    if (exponent < 0) {
        at += (size_t)snprintf(out + at, TEMPO_FLOAT_TEXT - at, "0.%.*s%.*s", -exponent - 1, "000", (int)n,
                               digits);
        return at;
    }
    for (size_t i = 0; i < n || i < (size_t)exponent + 2; i++) {
        if (i == (size_t)exponent + 1)
            out[at++] = '.';
        out[at++] = i < n ? digits[i] : '0';
    }
    return at;
}
