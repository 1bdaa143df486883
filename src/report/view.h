/* view.h - what pictures of a study or an experiment are drawn from: one document, for the page and for a file.
 *
 * A function of the files in the run's directory; docs/server.md ("The report view") describes it.  */
#ifndef TEMPO_REPORT_VIEW_H
#define TEMPO_REPORT_VIEW_H
#include "registry/registry.h"

enum {
    TEMPO_VIEW_VERSION = 1,
    TEMPO_VIEW_MAX_CASES = 32,       /* of an experiment that are in it */
    TEMPO_VIEW_MAX_EXPERIMENTS = 16, /* beside a study */
};

/* The view of the run in dir (json_decref it).  r: where experiments are looked for that belong beside a study; NULL:
 * nowhere.  Nothing is written.  TEMPO_E_NOTFOUND when dir holds no manifest.json, when the run is of another kind, and
 * when a study has no report.json yet; TEMPO_E_FORMAT names the file and what in it is wrong.  */
tempo_status tempo_report_view(json_t **out, const char *dir, tempo_registry *r, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- inside (report_view_*.c) ---- */

/* view_experiment.c: an entry of "experiments". */
tempo_status tempo_view_experiment(json_t **out, const char *dir, const json_t *manifest, tempo_err *err) TEMPO_MUST_CHECK;
/* An object in the file dir/name; messages begin with the path. */
tempo_status tempo_view_load(json_t **out, const char *dir, const char *name, tempo_err *err) TEMPO_MUST_CHECK;
/* to[key] = from[key] for each of the keys (NULL ends them), null where there is none. */
void tempo_view_copy(json_t *to, const json_t *from, const char *const *keys);
/* The part of a path behind its last slash. */
const char *tempo_view_last_part(const char *path);

#endif
