/* verdict.h - what a family of confirmatory endpoints says: identical, equivalent, different or inconclusive.
 *
 * The first that holds is the verdict:
 *   identical        every prompt's outputs are bitwise equal (the caller says so)
 *   equivalent       Holm-adjusted p of "the mean is within the bound" < alpha
 *   different        Holm-adjusted p of the difference < alpha
 *   too few prompts  neither, and so few values (that are not next to 0) that only tests were possible which assume
 *                    nothing about how values are distributed
 *   inconclusive     else: not significant is never "the same"
 * A magnitude (cannot be negative: a divergence, a distance, a mass) is tested against its bound, one-sided both ways,
 * never against zero.  A signed contrast is different when its mean is not 0, equivalent when it lies within +-bound
 * (two one-sided tests).  The bound in force is the larger of the registered one and the measured noise floor.
 * docs/statistics.md has the formulas, and how often each verdict is wrong.  */
#ifndef TEMPO_STATS_VERDICT_H
#define TEMPO_STATS_VERDICT_H
#include <jansson.h>

#include "stats/stats.h"

typedef enum tempo_endpoint_kind { TEMPO_ENDPOINT_MAGNITUDE = 0, TEMPO_ENDPOINT_SIGNED } tempo_endpoint_kind;

/* Borrowed for the call, the name for as long as the decision lives. */
typedef struct tempo_endpoint {
    const char *name;
    tempo_endpoint_kind kind;
    const double *x; /* [n], one finite value a prompt; those of a magnitude are >= 0 */
    size_t n;
    double limit;   /* no value can be farther from 0, by what it is: 1 of a share; INFINITY where there is none */
    double bound;   /* registered, > 0 */
    double floor;   /* measured noise floor, >= 0; 0 when none was measured */
    bool identical; /* all outputs are bitwise equal */
} tempo_endpoint;

typedef enum tempo_verdict {
    TEMPO_VERDICT_IDENTICAL = 0,
    TEMPO_VERDICT_EQUIVALENT,
    TEMPO_VERDICT_DIFFERENT,
    TEMPO_VERDICT_INCONCLUSIVE,
    TEMPO_VERDICT_TOO_FEW,
    TEMPO_VERDICT_NO_DATA, /* fewer than 2 prompts (and not identical); counts in the family with p = 1 */
} tempo_verdict;

/* "identical", "equivalent", "different", "inconclusive", "too few prompts", "no data" */
const char *tempo_verdict_name(tempo_verdict v);

typedef struct tempo_decide_options {
    double alpha;     /* in (0, 0.5): 0.05 */
    double power;     /* of mde and margin: 0.8 */
    size_t resamples; /* of bca95, mde and margin: TEMPO_RESAMPLES, or 0 to leave them out, and the effect, too */
    uint64_t seed;    /* endpoint i draws bca95 with seed + 2 i, mde and margin with seed + 2 i + 1 */
} tempo_decide_options;

#define TEMPO_DECIDE_DEFAULTS {.alpha = 0.05, .power = 0.8, .resamples = TEMPO_RESAMPLES, .seed = 1}

/* NaN where a number does not exist (too few values, no spread). */
typedef struct tempo_decision {
    const char *name; /* the endpoint's */
    tempo_endpoint_kind kind;
    tempo_verdict verdict;
    double bound; /* in force */
    bool from_floor; /* the noise floor, not the registered bound, is in force */
    size_t n;
    size_t counted; /* values farther from 0 than a hundredth of the bound in force: the others are next to 0 */
    size_t needed;  /* too few prompts: how many would do, if their values were like these; 0: no number would, or enough */
    bool limited; /* too few for tests of a mean: tests and intervals are those for values with limits */
    double mean, sd, median;
    double ratio;               /* |mean| / bound in force */
    tempo_effect effect;        /* standardised distance from the bound in force (magnitude) or from 0 (signed) */
    tempo_interval ci90, ci95;  /* of the mean, coverages 1 - 2 alpha and 1 - alpha; ci90 inverts the equivalence test */
    tempo_interval bca95;       /* of the mean, coverage 1 - alpha, by BCa bootstrap over prompts; NaN when limited */
    double p_equivalent, p_different;           /* raw */
    double p_equivalent_holm, p_different_holm; /* adjusted over the family */
    /* What a study like this one finds with the power asked for at Holm's first step, alpha / endpoints, by the tests
     * that were used:
     * mde      different: the distance of the mean above the bound in force (magnitude), or from 0, on whichever side
     *          is harder (signed); INFINITY when no mean would be called so
     * margin   equivalent: how far inside the bound in force the mean must lie; more than the bound when even a mean
     *          of 0 would not be called so (signed)
     * of values as spread as these: magnitudes relative to their mean.  NaN without resamples and when limited.  */
    double mde, margin;
    double alpha, power; /* as asked */
    size_t family;       /* endpoints of the family */
    const char *method_equivalent, *method_different; /* literals; NULL when nothing was tested */
} tempo_decision;

/* Decide all n endpoints of one family together; out[n].  On failure all of out is NO_DATA. */
tempo_status tempo_decide(const tempo_endpoint *endpoints, size_t n, const tempo_decide_options *options,
                          tempo_decision *out, tempo_err *err) TEMPO_MUST_CHECK;

/* A new object with every number of the decision (NaN and infinity as null), for json_decref; NULL without memory. */
json_t *tempo_decision_json(const tempo_decision *d);
/* A ratio of times, isolated over visible, and its interval under these keys; and by how many percent visible is faster. */
void tempo_json_put_ratio(json_t *object, const char *key, const char *interval_key, const tempo_ratio *r);

#endif
