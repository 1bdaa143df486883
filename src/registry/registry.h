/* registry.h - an SQLite database of runs and studies: an index of the files in their directories.
 *
 * The files stay the truth.  What the database holds of a run is a function of its directory and of nothing else, so
 * it may be deleted and made again; docs/registry.md has the tables and what a directory must hold.  A run is there as
 * a whole or not at all: every change is one transaction, and a process that is killed leaves neither part of one nor
 * a lock.  Several processes may write at once; each waits for the others, at most TEMPO_REGISTRY_WAIT_MS.
 *
 * A registry belongs to one thread at a time.  Documents are jansson trees (json_decref them).  Messages begin with
 * the path of the database or of the file they are about.  */
#ifndef TEMPO_REGISTRY_H
#define TEMPO_REGISTRY_H
#include <jansson.h>

#include "base/status.h"

enum {
    TEMPO_REGISTRY_SCHEMA = 1,      /* PRAGMA user_version of what this program writes */
    TEMPO_REGISTRY_WAIT_MS = 60000, /* for another process's transaction */
};

typedef struct tempo_registry tempo_registry;

/* out[cap] = $XDG_DATA_HOME/tempo/runs.db, or $HOME/.local/share/tempo/runs.db when that is unset or not absolute.
 * TEMPO_E_NOTFOUND if HOME is unset, empty or not absolute too; TEMPO_E_LIMIT if it is longer than cap.  */
tempo_status tempo_registry_default_path(char *out, size_t cap, tempo_err *err) TEMPO_MUST_CHECK;

/* Open the database at path, or at the default path for NULL; make it, and in the second case its directories (mode
 * 0700), unless `existing`: then TEMPO_E_NOTFOUND, without a message, if there is none.
 * TEMPO_E_FORMAT: not an SQLite database, or one of something else.  TEMPO_E_UNSUPPORTED: its schema is newer than
 * TEMPO_REGISTRY_SCHEMA.  TEMPO_E_IO: no permission (reading needs a writable directory too), another process held it
 * for too long, ...  On failure *out is NULL.  */
tempo_status tempo_registry_open(tempo_registry **out, const char *path, bool existing, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_registry_free(tempo_registry *r); /* takes NULL */
/* The path that was opened; borrowed from r. */
const char *tempo_registry_path(const tempo_registry *r);

/* ---- writing ----------------------------------------------------------------------- */

/* Read the run in directory dir (its manifest.json, results.json or results.jsonl, units, report.json) and insert it,
 * or put it in the place of what was known of the same id or of the same directory.  In one transaction: after a
 * failure everything is as before.  TEMPO_E_FORMAT names the file and the key that is missing or of the wrong type;
 * TEMPO_E_NOTFOUND without a manifest.json.  Doing it again changes nothing.  */
tempo_status tempo_registry_index(tempo_registry *r, const char *dir, tempo_err *err) TEMPO_MUST_CHECK;

/* Called for each run that a rebuild meets: failure is NULL when it was indexed, else says why not.  false stops. */
typedef bool (*tempo_registry_met)(void *user, const char *dir, const tempo_err *failure);

/* Index every run in dir and below (32 levels; symbolic links below dir are not followed), in byte order of the
 * paths.  A manifest.json with neither "kind" nor "id" is another program's and passed over.  Runs that fail are
 * reported to `met` and do not end it; a failure of the database or of reading dir itself does.
 * *n_met counts the runs met.  TEMPO_E_STOPPED if met gave false.  */
tempo_status tempo_registry_rebuild(tempo_registry *r, const char *dir, tempo_registry_met met, void *user,
                                    size_t *n_met, tempo_err *err) TEMPO_MUST_CHECK;

/* Drop the runs whose manifest.json is not there any more, and give the space back.  dry_run: only say which.
 * *gone = [{"id", "kind", "name", "dir"}].  A directory that cannot be looked at for another reason keeps its run.  */
tempo_status tempo_registry_gc(tempo_registry *r, bool dry_run, json_t **gone, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- reading ----------------------------------------------------------------------- */

/* Wherever an id is asked for, a beginning that only one run has will do.  TEMPO_E_NOTFOUND: no such run;
 * TEMPO_E_ARG: several, and the message names some.  *doc is NULL on failure.  */

/* A UNIT is one prompt at one threshold with one model: a study's unit, an experiment's case, or all of a run.
 * [{"id", "kind", "name", "created", "status", "dir", "model", "models": n, "units": n, "headline": [{"id",
 * "verdicts": ["different", ...]}]}], newest first.  "model" is the first one's name.  The headline has the verdicts
 * whose "family" or "kind" is "confirmatory", or all if there are none; an id's distinct ones together.  */
tempo_status tempo_registry_list(tempo_registry *r, json_t **doc, tempo_err *err) TEMPO_MUST_CHECK;

/* Everything about one run but its sets and its metrics step by step:
 * {"id", "kind", ..., "argv", "config", "times", "models": [..], "units": [{"unit", "name", "model", "threshold",
 * "prompt": {"id", "stratum", "text", "tokens"}, "arms": [{"arm", "steps", "members", "text", "top_text",
 * "stopped_by"}], "values": {name: number|null}}], "metrics": [{"name", "n", "mean", "min", "max"}] (over steps),
 * "verdicts": [{"id", "verdict", ..., "record": as in the report}], "headline", "artefacts": [{"path", "bytes",
 * "sha256"}]}  */
tempo_status tempo_registry_show(tempo_registry *r, const char *id, json_t **doc, tempo_err *err) TEMPO_MUST_CHECK;

/* Two runs side by side.  A unit of one meets the unit of the other that has the same prompt and threshold (and model,
 * if the runs have one in common; among several, the same place); arms meet by name, or if each side has only one.
 * Sets are compared as sets of ids, or of texts if the runs have no model in common.
 * {"a": {..}, "b": {..} (id, kind, name, created, status, model), "compared_by": "id"|"text", "same": bool,
 *  "units": [{"unit_a", "unit_b", "prompt", "threshold", "arms": [{"a": name, "b": name, "steps_a", "steps_b",
 *  "common", "differ": [step, ...]} or, alone, {"a": name|null, "b": name|null}]}],
 *  "only_a": [{"prompt", "threshold"}], "only_b": [..],
 *  "metrics": [{"name", "scope": "unit"|"step", "n", "mean_a", "mean_b", "max_difference", "unequal"}],
 *  "metrics_of_one": how many values only one side has,
 *  "verdicts": [{"id", "kind", "model", "threshold", "verdict_a", "verdict_b", "n_a", "n_b", "mean_a", "mean_b",
 *  "bound_a", "bound_b", "p_adjusted_a", "p_adjusted_b", "same"}]} (null where a side has none)
 * "same": everything met and nothing differs.  */
tempo_status tempo_registry_compare(tempo_registry *r, const char *a, const char *b, json_t **doc,
                                    tempo_err *err) TEMPO_MUST_CHECK;

#endif
