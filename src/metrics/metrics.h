/* metrics.h - how far apart two distributions or two rows of attention are: functions of arrays alone.
 *
 * Logarithms are natural (nats), 0 log 0 is 0.  Distributions are double [n] over a vocabulary, non-negative and
 * with sum 1 up to rounding; attention rows are float [slots] as captured.  Sums are Neumaier's in double.
 * A NaN (or a negative weight) in what is compared makes the result NaN, so that no bound is ever met by it; where
 * a result is not a double, the comment says what happens.  Nothing here allocates; everything is O(n), plus
 * O(k log n) where k things are selected.
 *
 * Sources: Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991) for JS;
 * Cover and Thomas, Elements of Information Theory, chapter 2 and 11 for KL, total variation and Pinsker's
 * inequality; Neumaier, ZAMM 54 (1974) for the sums.  */
#ifndef TEMPO_METRICS_H
#define TEMPO_METRICS_H
#include <stddef.h>
#include <stdint.h>

/* ---- sums (metrics.c) ---- */

/* A running sum with its lost low part.  Begin with {0}; every finite term counts to 2 u relative to the sum of
 * magnitudes, whatever n.  A term that is not finite makes the result NaN.  */
typedef struct tempo_sum {
    double high, low;
} tempo_sum;
void tempo_sum_add(tempo_sum *s, double x);
double tempo_sum_value(const tempo_sum *s);

/* ---- distributions p[n], q[n] (metrics.c) ---- */

/* p[n] = softmax(logits[n]) in double: relative error below 1e-15 (1 + max - logit).  A logit of -infinity is
 * probability 0; NaN, +infinity or nothing but -infinity make every p NaN.  */
void tempo_softmax_row(const float *logits, size_t n, double *p);

/* sum |p - q|, in [0, 2]. */
double tempo_l1(const double *p, const double *q, size_t n);
/* Total variation, half of it, in [0, 1]. */
double tempo_tv(const double *p, const double *q, size_t n);
/* Kullback-Leibler divergence of p from q, sum p log(p / q); INFINITY when p > 0 where q = 0.  Computed as
 * sum p log(p / q) - p + q, the same for distributions, whose terms are all non-negative: relative error
 * about 1e-13 however small it is, never below 0.  */
double tempo_kl(const double *p, const double *q, size_t n);
/* Jensen-Shannon divergence (not its root), in [0, ln 2]; symmetric to the bit, relative error about 1e-13
 * however small it is, never below 0.  */
double tempo_js(const double *p, const double *q, size_t n);
/* Cosine of the angle between two rows of logits, each minus its own mean (softmax does not see the mean), in
 * [-1, 1]; absolute error about 1e-15.  NAN when a row is constant.  */
double tempo_cosine_centred(const float *a, const float *b, size_t n);
/* max |log p - log q| over the smallest set of tokens, by p, of equal ones by lower id first, that holds `mass`
 * (in (0, 1], usually 0.999) of p's sum; INFINITY when q = 0 on one of them, NAN when p is 0 everywhere.
 * The mass is summed in the order of p's binary digits, so a set whose mass is within 1e-12 of `mass` may come out one token
 * smaller or larger.  */
double tempo_max_dlogp(const double *p, const double *q, size_t n, double mass);

/* ---- the most probable tokens (top.c) ---- */

enum { TEMPO_TOP_K_MAX = 256 };

/* ids[k] = the min(k, n) tokens with the greatest q, descending, of equal ones the lower id first, NaN last.
 * Returns how many.  */
size_t tempo_top_k(const double *q, size_t n, size_t k, int32_t *ids);
/* The place of a token by descending logits[n], of equal ones the lower id first: 1 is the first.  No logit is NaN. */
uint32_t tempo_rank(const float *logits, size_t n, size_t token);
/* The set {v : q(v) >= tau} as decoding selects it, with the argmax where that is empty: returns its size and
 * writes its `cap` most probable members, sorted as by tempo_top_k.  ids may be NULL when cap is 0.  */
size_t tempo_threshold_set(const double *q, size_t n, double tau, size_t cap, int32_t *ids);
/* Share of the top k of p that are among the top k of q, k = min(k, n); NAN when k is 0 or above TEMPO_TOP_K_MAX. */
double tempo_top_k_overlap(const double *p, const double *q, size_t n, size_t k);
/* |a intersect b| / |a union b| of two sets of ids without repeats, in any order; 1 for two empty ones.
 * O(na nb).  */
double tempo_jaccard(const int32_t *a, size_t na, const int32_t *b, size_t nb);

typedef struct tempo_token_shift {
    int32_t id;
    double p, q;
} tempo_token_shift;

/* out[k] = the min(k, n) tokens whose probability differs most, by |p - q| descending, equal ones by lower id;
 * a difference that is NaN comes first, because nobody should miss it.  Returns how many.  */
size_t tempo_most_different(const double *p, const double *q, size_t n, size_t k, tempo_token_shift *out);

/* ---- attention rows (attention.c) ---- */

/* What a row can see: slots [0, n_prev) are those of earlier sets; its own set has slots [set_begin, set_end),
 * among them its own, `own`; m = set_end - set_begin members.  n_prev <= set_begin <= own < set_end.  The row
 * has at least set_end slots; what lies outside of these ranges is not looked at.  */
typedef struct tempo_sight {
    size_t n_prev;
    size_t own;
    size_t set_begin, set_end;
} tempo_sight;

/* An isolated and a visible row of the same slot, compared on what both see, [0, n_prev) and own, where the visible
 * row is divided by its sum there (1 - the mass on its siblings).  NAN when that sum is 0.
 *   js        Jensen-Shannon divergence; the isolated row is divided by its sum too (1 up to float rounding)
 *   l1        sum of absolute differences
 *   max_diff  the greatest one: identity I7 of docs/semantics.md in layer 0 of the first set, where it is within
 *             4e-6 / (1 - mass)  */
double tempo_attention_js(const float *isolated, const float *visible, const tempo_sight *s);
double tempo_attention_l1(const float *isolated, const float *visible, const tempo_sight *s);
double tempo_attention_max_diff(const float *isolated, const float *visible, const tempo_sight *s);

/* Sum over the set's slots without own; 0 for a set of one. */
double tempo_sibling_mass(const float *row, const tempo_sight *s);
/* The same as a share of all that is not on the first slot, which serves as a sink for attention that goes
 * nowhere: siblings / (1 - first).  The denominator is summed over the other slots, so it does not cancel; a
 * row without any mass there has share 0.  With n_prev = 0 there is no sink and nothing is excluded.  */
double tempo_sibling_share(const float *row, const tempo_sight *s);
/* What the share would be for the m - 1 slots just before the set, the first slot not among them: the
 * comparison for tempo_sibling_share, with the same denominator.  NAN when there are fewer such slots.  */
double tempo_nearest_share(const float *row, const tempo_sight *s);
/* What it would be if all slots that a visible row sees, the first excluded, had equal weight: (m - 1) / (n_prev + m - 1);
 * with n_prev = 0: (m - 1) / m.  */
double tempo_uniform_share(const tempo_sight *s);
/* Jensen-Shannon divergence of two rows a[n], b[n] that see the same, each divided by its sum: for noise
 * floors.  NAN when a sum is 0.  */
double tempo_row_js(const float *a, const float *b, size_t n);
/* The same of their total variation, half the sum of absolute differences. */
double tempo_row_tv(const float *a, const float *b, size_t n);

/* One term of JS and KL, for sums of other shapes: non-negative, NaN for NaN or negative arguments.
 * js: (p log(p / m) + q log(q / m)) / 2 with m = (p + q) / 2;  kl: p log(p / q) - p + q.  */
double tempo_js_term(double p, double q);
double tempo_kl_term(double p, double q);

#endif
