/* db.h - what the parts of the registry share: statements, values, documents.  Not for others.
 *
 * Values are bound by a format, one letter each: 'i' int64_t (NO_INT is NULL), 'r' double (NaN is NULL), 's' text
 * (NULL is NULL).  A statement that gives rows becomes a document: an array of objects with the columns' names as
 * keys; a column named "key:json" holds the text of a JSON value.  */
#ifndef TEMPO_REGISTRY_DB_H
#define TEMPO_REGISTRY_DB_H
#include <sqlite3.h>

#include "registry/registry.h"

#define TEMPO_REGISTRY_NO_INT INT64_MIN

struct tempo_registry {
    sqlite3 *db;
    char *path;
    bool failed; /* the database itself, not what was to be put into it */
};

/* ---- db.c ---- */
/* The last failure of the database as an error: "PATH: what: why". */
tempo_status tempo_registry_fail(tempo_registry *r, tempo_err *err, const char *what);
tempo_status tempo_registry_exec(tempo_registry *r, const char *sql, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_registry_prepare(tempo_registry *r, sqlite3_stmt **out, const char *sql,
                                    tempo_err *err) TEMPO_MUST_CHECK;
/* Run a prepared statement that gives no rows, and make it ready for the next time. */
tempo_status tempo_registry_put(tempo_registry *r, sqlite3_stmt *s, tempo_err *err, const char *format, ...) TEMPO_MUST_CHECK;
/* The first column of the first row as an integer, or `fallback` if there is no row or a NULL. */
tempo_status tempo_registry_int(tempo_registry *r, const char *sql, int64_t fallback, int64_t *out, tempo_err *err,
                                const char *format, ...) TEMPO_MUST_CHECK;
/* All rows as a document.  *doc is NULL on failure. */
tempo_status tempo_registry_rows(tempo_registry *r, const char *sql, json_t **doc, tempo_err *err, const char *format,
                                 ...) TEMPO_MUST_CHECK;
/* Undo what a transaction did, whatever state it is in; err keeps what it says. */
void tempo_registry_rollback(tempo_registry *r);
/* object[key] = value, which is taken over, also on failure; value NULL: out of memory */
tempo_status tempo_registry_set(json_t *object, const char *key, json_t *value, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- query.c ---- */
/* The key of the run that `id` is a beginning of. */
tempo_status tempo_registry_find(tempo_registry *r, const char *id, int64_t *run, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- read.c: members of objects in files; every message names the key ---- */
/* A value that is missing or null is an error if it is `needed`, else NULL, TEMPO_REGISTRY_NO_INT, NaN. */
tempo_status tempo_registry_text(const json_t *o, const char *key, bool needed, const char **out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_registry_count(const json_t *o, const char *key, bool needed, int64_t *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_registry_real(const json_t *o, const char *key, bool needed, double *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_registry_flag(const json_t *o, const char *key, int64_t *out, tempo_err *err) TEMPO_MUST_CHECK;
/* An array or an object; *out NULL when it is missing or null and not needed. */
tempo_status tempo_registry_array(const json_t *o, const char *key, bool needed, const json_t **out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_registry_object(const json_t *o, const char *key, bool needed, const json_t **out, tempo_err *err) TEMPO_MUST_CHECK;
/* Element i of an array, which must be an object. */
tempo_status tempo_registry_element(const json_t *array, const char *key, size_t i, const json_t **out, tempo_err *err) TEMPO_MUST_CHECK;
/* dir "/" name as a new string; NULL: out of memory. */
char *tempo_registry_join(const char *dir, const char *name, tempo_err *err);
/* The names in directory dir that end in `ending`, but not hidden ones, in byte order: *names [*n], each to be freed,
 * and it.  A directory that is not there has none.  */
tempo_status tempo_registry_names(const char *dir, const char *ending, char ***names, size_t *n, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_registry_names_free(char **names, size_t n);

/* ---- index.c: one run on its way in ---- */
enum tempo_registry_insert {
    TEMPO_INSERT_RUN,
    TEMPO_INSERT_MODEL,
    TEMPO_INSERT_PROMPT,
    TEMPO_INSERT_UNIT,
    TEMPO_INSERT_ARM,
    TEMPO_INSERT_STEP,
    TEMPO_INSERT_MEMBER,
    TEMPO_INSERT_METRIC,
    TEMPO_INSERT_VERDICT,
    TEMPO_INSERT_ARTEFACT,
    TEMPO_INSERTS,
};

typedef struct tempo_indexer {
    tempo_registry *r;
    tempo_err *err;
    int64_t run, n_models, n_prompts, n_units;
    const char *dir;
    json_t *manifest;
    sqlite3_stmt *insert[TEMPO_INSERTS];
} tempo_indexer;

/* ---- steps.c ---- */
/* A unit with its arms, or with steps of its own, and its values. */
tempo_status tempo_registry_index_unit(tempo_indexer *ix, const json_t *o) TEMPO_MUST_CHECK;
/* Its parts: the unit alone, and a step of an arm. */
tempo_status tempo_registry_index_unit_row(tempo_indexer *ix, const json_t *o, bool needs_prompt,
                                           int64_t *unit) TEMPO_MUST_CHECK;
tempo_status tempo_registry_index_step(tempo_indexer *ix, int64_t unit, int64_t arm, const json_t *o,
                                       int64_t *step) TEMPO_MUST_CHECK;
/* "model": the place in the manifest's list; without it the only one. */
tempo_status tempo_registry_unit_model(const tempo_indexer *ix, const json_t *o, int64_t *model) TEMPO_MUST_CHECK;
/* The name of a run's only arm: its mode, or "". */
const char *tempo_registry_mode(const json_t *o);

/* ---- files.c ---- */
/* What the results of an experiment, or the units and the report of a study hold: all in the directory. */
tempo_status tempo_registry_index_results(tempo_indexer *ix) TEMPO_MUST_CHECK;
tempo_status tempo_registry_index_study(tempo_indexer *ix) TEMPO_MUST_CHECK;

#endif
