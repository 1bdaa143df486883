/* golden_archs.h - golden.npz of ../shared/models/arch: passes that another implementation computed in double. */
#ifndef TEMPO_TESTS_ARCH_GOLDEN_H
#define TEMPO_TESTS_ARCH_GOLDEN_H
#include "io/array_file.h"
#include "tempo.h"

/* One pass: a plain text, or rows of sets in a mode.  Arrays that it has not have no data. */
typedef struct golden_pass {
    const char *model, *mode;       /* mode "": the plain text */
    tempo_npy ids, sets, positions; /* [n] */
    tempo_npy logits;               /* [n, n_vocab] */
    tempo_npy attention;            /* [layers, heads, n, n] */
    tempo_npy resid;                /* [layers + 1, n, d_model], of the plain text */
    size_t n;
} golden_pass;

extern const char *const golden_modes[4];
extern const char golden_archs[]; /* the folder */

/* Of DIR/golden.npz.  The test fails with the message where it cannot be read. */
void golden_pass_open(golden_pass *p, const char *dir, const char *model, const char *mode);
void golden_pass_close(golden_pass *p);
/* Row i: token, set, position; and the mode of all. */
tempo_row golden_row(const golden_pass *p, size_t i);
/* The largest |x|, at least 1: what tolerances are of. */
double golden_largest(const double *x, size_t n);
/* The names in the folder, sorted; *n of them, for the life of the program; 0: no folder. */
char **golden_names(size_t *n);

#endif
