/* control.h - do siblings draw attention because they are siblings?  The control of hypothesis C.
 *
 * At a prompt's first parallel set each member is read once among its siblings and once among strangers: the members of
 * equal rank of another prompt's first parallel set of equal size.  All else is the same: context, positions, mode
 * visible.  */
#ifndef TEMPO_STUDY_CONTROL_H
#define TEMPO_STUDY_CONTROL_H
#include "base/status.h"

typedef struct tempo_control_sets {
    const int32_t *prompt; /* [n_prompt] */
    size_t n_prompt;
    const int32_t *before; /* [n_before] the members of the sets of one that came before, in order */
    size_t n_before;
    const int32_t *own, *strangers; /* [m] both, by rank; m >= 2 */
    size_t m;
    const tempo_edits *edits; /* or NULL */
} tempo_control_sets;

/* *own, *control: mean over members, layers and heads of the siblings' share (the first slot excluded) among its own
 * siblings and among strangers.  poll as for lanes.  */
tempo_status tempo_control_run(tempo_engine *e, const tempo_control_sets *s, bool (*poll)(void *user), void *user,
                               double *own, double *control, tempo_err *err) TEMPO_MUST_CHECK;

#endif
