/* sampling.h - one token drawn from a distribution: min_p, top_p, and random numbers that depend on seed and step only. */
#ifndef TEMPO_RUN_SAMPLING_H
#define TEMPO_RUN_SAMPLING_H
#include "tempo.h"

/* The token of step `step`, drawn from q[n] as tempo_sampling says.  scratch: [n].  temperature > 0.  */
int32_t tempo_sample(const double *q, size_t n, const tempo_sampling *s, size_t step, double *scratch);
/* The random number of a step, in [0, 1). */
double tempo_sample_uniform(uint64_t seed, uint64_t step);

#endif
