/* bound.h - how much a pass may have rounded: the worst that theory allows, u = 2^-24.  Private to src/lens. */
#ifndef TEMPO_LENS_BOUND_H
#define TEMPO_LENS_BOUND_H
#include "model/model.h"

/* Of an output of a product with a matrix of that type (tempo_matmul_fn): w_abs[n] are the sizes of its weights, x_abs[n] those of
 * the activations, which may themselves be known to 8 u only.  */
double tempo_bound_product(const tempo_model *m, tempo_dtype type, const double *w_abs, const double *x_abs, size_t n);
/* Of a token's logit, as it was before a soft cap: of the final norm of x[d_model], which took `mean` away and divided by `scale`,
 * of the product with the token's row, whose sizes are w_abs[d_model], and of what is done to the logit then.  room[d_model].  */
double tempo_bound_logit(const tempo_model *m, const double *w_abs, const float *x, double mean, double scale, double logit,
                         double *room);

#endif
