/* bound.h - the corrected statistic of bound.c, shared with the power of its tests; internal. */
#ifndef TEMPO_STATS_BOUND_H
#define TEMPO_STATS_BOUND_H
#include <stddef.h>

/* What the tests need of a sample. */
typedef struct tempo_moments {
    double n, mean, sd;
    double skew_below, skew_above; /* used when testing "below" (>= 0) and "above" (<= 0): 0 is Student's t */
} tempo_moments;

/* n >= 2.  sd is 0 exactly when all values are equal. */
tempo_moments tempo_moments_of(const double *x, size_t n);

/* Hall's transformation of s = (mean - bound) / sd, and its inverse: the s whose transform is q. */
double tempo_hall(double s, double skew, double n);
double tempo_hall_inverse(double q, double skew, double n);

#endif
