/* floor.h - the noise floor: how far an arm is from itself when only roundings change.
 *
 * Beside the four arms of the primary endpoints run copies of them that must mean the same: embeddings moved by one
 * ulp, members in the other order, another instruction set.  All take the first arm's sets.  What the endpoints'
 * metrics show between an arm and its copy is noise, and no effect below it can be claimed.  */
#ifndef TEMPO_STUDY_FLOOR_H
#define TEMPO_STUDY_FLOOR_H
#include "study/hypotheses_file.h"
#include "study/prompts_file.h"
#include "run/run.h"

enum { TEMPO_PRIMARIES = 4 };
extern const char *const tempo_primaries[TEMPO_PRIMARIES]; /* "A2", "B", "C", "D2" */

enum { TEMPO_FLOOR_MAX_NUDGES = 16, TEMPO_FLOOR_MAX_GROUPS = 3 + TEMPO_FLOOR_MAX_NUDGES };

typedef struct tempo_floor_options {
    double threshold;
    size_t steps;
    double position_offset;
    uint64_t nudges[TEMPO_FLOOR_MAX_NUDGES];
    size_t n_nudges;
    bool member_order;
    tempo_engine *other; /* of the same model with another instruction set, or NULL */
    const tempo_edits *edits, *other_edits; /* of all arms, for either; or NULL */
} tempo_floor_options;

typedef struct tempo_floor tempo_floor;

tempo_status tempo_floor_create(tempo_floor **out, tempo_engine *e, const tempo_floor_options *o,
                                const int32_t *prompt, size_t n, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_floor_free(tempo_floor *f);
/* Add its runs to runs[*n ..], for tempo_runs_step: they measure as they are read. */
void tempo_floor_runs(const tempo_floor *f, tempo_run **runs, size_t *n);
/* {"values": {group: {"A2", "B", "C", "D2": number|null}}, "bits": "hex"}: the groups are "nudge-K", "order",
 * "instruction_set"; bits is a hash of every bit of the first two arms' distributions.  A new object.  */
json_t *tempo_floor_json(const tempo_floor *f);

/* Of a study's files of one model: {"prompts": how many had one, "quantile", "groups": {name: {"A2": q, ..}}, "floor": {"A2", "B",
 * "C", "D2"}}, the floor being the largest of the groups' quantiles.  A new object.  */
tempo_status tempo_floor_summary(json_t **out, const char *dir, size_t model, const tempo_hypotheses *h,
                                 const tempo_prompts *p, size_t n, tempo_err *err) TEMPO_MUST_CHECK;

#endif
