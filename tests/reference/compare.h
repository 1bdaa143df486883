/* compare.h - a pass of the engine against numbers in double precision: logits, residual stream, attention. */
#ifndef TEMPO_TESTS_ARCH_COMPARE_H
#define TEMPO_TESTS_ARCH_COMPARE_H
#include "reference/reference.h"

typedef struct arch_bars {
    double logits, stream; /* of the largest value of the array (of the layer), at least of 1 */
    double attention;
} arch_bars;
extern const arch_bars arch_bars_f32; /* of float32 weights and an independent implementation: 2e-4, 2e-4, 2e-5 */

typedef struct arch_expected {
    const char *what;       /* for messages */
    const tempo_row *rows;  /* token, set, position, mode */
    size_t n, n_run;        /* rows, and how many of the first ones are run */
    size_t n_vocab, n_layers, n_heads, d_model;
    const double *logits;    /* [n, n_vocab] */
    const double *stream;    /* [n_layers + 1, n, d_model] or NULL */
    const double *attention; /* [n_layers, n_heads, n, n] */
    arch_bars bars;
} arch_expected;

/* Runs the rows in one batch; the test fails where one number is off.  Returns the worst by its bar. */
double arch_compare(tempo_engine *e, const arch_expected *x);

/* The same numbers from the reference: rows[n] as reference_slot. */
typedef struct arch_computed {
    double *logits, *stream, *attention; /* as above */
    double score;     /* the largest |score| that attention has */
    double route_gap; /* the smallest between the logits of an expert that is used and one that is not; HUGE_VAL without */
} arch_computed;
void arch_compute(arch_computed *c, const reference_model *m, const tempo_row *rows, size_t n);
void arch_computed_free(arch_computed *c);

#endif
