/* unit.h - one prompt at one threshold, decoded in lockstep by all arms of the study: the unit that statistics count.
 *
 * The isolated arm chooses the sets; every arm gets its tokens and its readout weights.  The arms, in this order:
 *   isolated, visible                 positions shared
 *   isolated, visible at offset:D     the position ablation
 *   isolated, visible, unique         until the first parallel set was read
 *   visible in one band of layers     one for each band: what these layers' edges between siblings do
 * A unit's numbers depend on the model, the prompt and the options alone, not on what shares its batch.  */
#ifndef TEMPO_STUDY_UNIT_H
#define TEMPO_STUDY_UNIT_H
#include <jansson.h>

#include "run/run.h"

enum { TEMPO_UNIT_MAX_BANDS = 16, TEMPO_UNIT_MAX_ARMS = 6 + TEMPO_UNIT_MAX_BANDS };

typedef struct tempo_unit_options {
    double threshold;
    size_t steps;
    double position_offset; /* D */
    const tempo_edits *edits; /* of all arms, or NULL */
    size_t n_bands;
    struct {
        uint32_t first, last; /* layers, both included */
    } bands[TEMPO_UNIT_MAX_BANDS];
} tempo_unit_options;

typedef struct tempo_unit tempo_unit;

/* prompt[n] is copied.  TEMPO_E_LIMIT when it is too long for the model. */
tempo_status tempo_unit_create(tempo_unit **out, tempo_engine *e, const tempo_unit_options *o, const int32_t *prompt,
                               size_t n, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_unit_free(tempo_unit *u);

/* The run of its arms, for tempo_runs_step: it measures as they are read. */
tempo_run *tempo_unit_run(const tempo_unit *u);

/* What it measured, a new object: {"steps": [{"step", "members": [{"id", "text", "probability"}], "metrics": {..},
 * "shifts": [..]}], "values": {"A2", "B", "C", "D2", ..: number|null}, "checks": {..}, "layers": {..}, "heads": {..},
 * "knockout": [..], "stopped_by"}.  docs/studies.md says what each is.  */
json_t *tempo_unit_json(const tempo_unit *u);

#endif
