/* compare.h - two arms that took the same sets, step by step: distributions and attention, as numbers.
 *
 * Both lanes have read the same tokens with the same readout weights (lockstep), so row i of one and row i of the other
 * are the same member and can be compared element by element.  Functions of two lanes that were just read.  */
#ifndef TEMPO_STUDY_COMPARE_H
#define TEMPO_STUDY_COMPARE_H
#include <jansson.h>

#include "run/differ.h"
#include "run/lanes.h"

enum { TEMPO_COMPARE_TOPS = 4 };
extern const size_t tempo_compare_tops[TEMPO_COMPARE_TOPS]; /* 1, 5, 10, 20 */

/* How far apart the distributions are.  a, b: the first and the second arm. */
typedef struct tempo_q_difference {
    bool identical; /* every q bitwise equal */
    double tv, kl_ab, kl_ba, js, max_dlogp, overlap[TEMPO_COMPARE_TOPS];
    double jaccard;        /* of the sets that each would select by itself at `threshold` */
    bool set_changes;      /* those sets differ */
    double row_tv, row_kl; /* means over rows, of softmax(row) */
    double row_cosine;     /* mean over rows of the cosine of centred logits; NaN when one is constant */
} tempo_q_difference;

/* TEMPO_E_NOMEM only. */
tempo_status tempo_compare_q(const tempo_lane *a, const tempo_lane *b, double threshold, tempo_q_difference *out,
                             tempo_err *err) TEMPO_MUST_CHECK;
/* The sets that two lanes which were just read would select, each by its own threshold and limit: what they are to each
 * other, and their Jaccard index (of the first members, where sets are very large).  TEMPO_E_NOMEM only.  */
tempo_status tempo_compare_choices(const tempo_lane *a, const tempo_decode_options *oa, const tempo_lane *b,
                                   const tempo_decode_options *ob, tempo_relation *out, double *jaccard,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* Total variation between the lanes' q alone. */
double tempo_compare_tv(const tempo_lane *a, const tempo_lane *b);
/* Are all q bitwise equal? */
bool tempo_compare_same_q(const tempo_lane *a, const tempo_lane *b);

/* Isolated against visible rows, the latter renormalised over what both see: means over rows and heads of one layer,
 * js[n_layers] (nat) and tv[n_layers].  *layer0: the largest difference in layer 0 times (1 - mass on siblings), which
 * identity I7 holds below 4e-6 in the first parallel set.  Needs more than one row.  */
void tempo_compare_lane_attention(const tempo_lane *isolated, const tempo_lane *visible, double *js, double *tv,
                             double *layer0);
/* The mean over layers of one number a layer but the first one, where both arms are equal by construction: NaN when
 * there is no other.  */
double tempo_compare_above_first(const double *by_layer, size_t n_layers);
/* The mean over all layers but the first, heads and rows of the total variation between two lanes that see the same.
 * mirrored: the second lane's sets have their slots in the other order.  */
double tempo_compare_rows(const tempo_lane *a, const tempo_lane *b, bool mirrored);

/* Means over the rows of a visible lane's last read. */
typedef struct tempo_sibling_means {
    double share; /* of all heads: the siblings' share of the attention that is not on the first slot */
    double mass;  /* of all heads: what siblings have of all attention */
    double first; /* of all heads: what the first slot has of it */
    double uniform; /* the share that equal weights would give */
} tempo_sibling_means;

/* share[n_layers * n_heads], nearest[..]: by head, the siblings' share, and that of as many slots just before the set
 * (NaN when there are fewer).  More than one row.  */
tempo_sibling_means tempo_compare_siblings(const tempo_lane *visible, double *share, double *nearest);

#endif
