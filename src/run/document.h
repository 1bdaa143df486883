/* document.h - what comes of a run, as JSON: the keys that the documents of all who run have in common. */
#ifndef TEMPO_RUN_DOCUMENT_H
#define TEMPO_RUN_DOCUMENT_H
#include <jansson.h>

#include "edit/edits_told.h"
#include "tempo.h"

/* "steps" | "eos" | "context" | "slots"; "interrupt" when the run was; "running".  Who follows stops with its driver. */
const char *tempo_run_stopped_by(const tempo_run *r, size_t arm);
/* Set `step` of an arm as a line: tempo_json_set, "id" (unless it is NULL; stays the caller's), "arm" (of several), "stopped_by"
 * (null: there was a step after it).  The arm's last set, or any of a run that keeps them.  */
json_t *tempo_json_line(const tempo_run *r, size_t arm, size_t step, json_t *id);
/* Adds "steps", "text", "top_text" (with bytes where they are not UTF-8) and "stopped_by" of an arm, and of one that has edits
 * "edits" (edits_told.h).  The run keeps its sets.  */
void tempo_json_add_arm(json_t *object, const tempo_run *r, size_t arm);
/* [{"edit", "came", "changed"}] of an arm so far, as in edits_told.h. */
json_t *tempo_json_edit_uses(const tempo_run *r, size_t arm);
/* Of one arm these; of several "arms": {NAME: these}, and where they first differ. */
void tempo_json_add_run(json_t *object, const tempo_run *r);

#endif
