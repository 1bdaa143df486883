/* differ.h - where arms differ: the one answer that documents, pages, texts and views give.
 *
 * At one step, two arms have
 *   the same DISTRIBUTION when every q of the vocabulary is equal to the bit;
 *   the same SET when it has the same members, in whatever order;
 *   the same ORDER when these members stand in the same order.
 * An arm that has stopped has no set: it differs from one that goes on.  Several arms are compared with the first.  */
#ifndef TEMPO_RUN_DIFFER_H
#define TEMPO_RUN_DIFFER_H
#include <jansson.h>

#include "tempo.h"

/* In rising order: of several pairs the greatest counts. */
typedef enum tempo_relation { TEMPO_SETS_EQUAL, TEMPO_SETS_REORDERED, TEMPO_SETS_DIFFERENT } tempo_relation;

/* What the arms of one step are to the first of them that took it. */
typedef struct tempo_step_relation {
    size_t n;            /* arms that took it */
    tempo_relation sets; /* of all arms */
    bool same_q;         /* of those that took it, to the bit */
    double max_abs;      /* else: the greatest difference of two q */
} tempo_step_relation;

/* NULL: the arm has stopped. */
tempo_relation tempo_relate_sets(const tempo_set *a, const tempo_set *b);

/* Is a bit of p[n] different from q's?  *largest: of |p - q|, 0 where only the signs of zeros differ. */
bool tempo_distributions_differ(const double *p, const double *q, size_t n, double *largest);

/* {NAME: [ids of its set that some other of sets[n] has not], ..}. */
json_t *tempo_json_only(const char *const *names, const tempo_set *const *sets, size_t n);

/* Where arms first differ, told step by step; begins as zeros. */
typedef struct tempo_parting {
    json_t *set, *order;  /* {"step", NAME: [ids] or null, ..}, or NULL: nowhere so far */
    json_t *distribution; /* {"step", "max_abs"} */
} tempo_parting;

/* sets[n]: what the arms selected at this step, NULL for one that had stopped.  Returns the relation. */
tempo_relation tempo_parting_sets(tempo_parting *p, size_t step, const char *const *names, const tempo_set *const *sets, size_t n);
/* The same when the relation is known; arms: {NAME: [ids] or null}, which stays the caller's. */
void tempo_parting_relation(tempo_parting *p, size_t step, tempo_relation r, const json_t *arms);
void tempo_parting_distribution(tempo_parting *p, size_t step, double largest);
/* Adds "first_difference", "first_order_difference", "first_distribution_difference", each null where there is none. */
void tempo_parting_tell(const tempo_parting *p, json_t *object);
void tempo_parting_free(tempo_parting *p); /* what it holds */

#endif
