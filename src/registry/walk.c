/* walk.c - the database against the file system: finding runs to index, dropping runs that are gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "io/json.h"
#include "registry/db.h"

enum { MAX_DEPTH = 32 };

typedef struct walk {
    tempo_registry *r;
    tempo_registry_met met;
    void *user;
    size_t n;
    tempo_err *err;
} walk;

/* ---- rebuild ---- */

/* Is the manifest of this directory a run's, as far as can be told? */
static bool is_foreign(const char *manifest)
{
    json_t *o;
    const bool parsed = tempo_json_load(&o, manifest, NULL) == TEMPO_OK;
    const bool foreign = parsed && (!json_is_object(o) ||
                                    (json_object_get(o, "kind") == NULL && json_object_get(o, "id") == NULL));

    json_decref(o);
    return foreign;
}

static tempo_status index_here(walk *w, const char *dir)
{
    char *manifest = tempo_registry_join(dir, "manifest.json", w->err);
    tempo_err failure = {0};
    struct stat sb;

    if (manifest == NULL)
        return TEMPO_E_NOMEM;
    const bool run = lstat(manifest, &sb) == 0 && !is_foreign(manifest);
    free(manifest);
    if (!run)
        return TEMPO_OK;
    w->n++;
    w->r->failed = false;
    const tempo_status st = tempo_registry_index(w->r, dir, &failure);
    if (st == TEMPO_E_NOMEM || w->r->failed) {
        if (w->err != NULL && w->err->code == TEMPO_OK)
            *w->err = failure;
        return st;
    }
    if (!w->met(w->user, dir, st == TEMPO_OK ? NULL : &failure))
        return tempo_fail(w->err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped");
    return TEMPO_OK;
}

static tempo_status walk_directory(walk *w, const char *dir, unsigned depth)
{
    char **names = NULL;
    size_t n = 0;
    struct stat sb;
    tempo_status st;

    if ((st = index_here(w, dir)) != TEMPO_OK || depth == MAX_DEPTH)
        return st;
    st = tempo_registry_names(dir, "", &names, &n, depth == 0 ? w->err : NULL);
    if (st != TEMPO_OK)
        return depth == 0 ? st : TEMPO_OK; /* below: a directory that may not be read is not ours */
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        char *path = tempo_registry_join(dir, names[i], w->err);
        if (path == NULL)
            st = TEMPO_E_NOMEM;
        else if (lstat(path, &sb) == 0 && S_ISDIR(sb.st_mode))
            st = walk_directory(w, path, depth + 1);
        free(path);
    }
    tempo_registry_names_free(names, n);
    return st;
}

tempo_status tempo_registry_rebuild(tempo_registry *r, const char *dir, tempo_registry_met met, void *user,
                                    size_t *n_met, tempo_err *err)
{
    walk w = {.r = r, .met = met, .user = user, .err = err};
    struct stat sb;
    tempo_status st;

    *n_met = 0;
    if (stat(dir, &sb) != 0)
        return tempo_fail_os(err, errno, "%s: cannot be read", dir);
    if (!S_ISDIR(sb.st_mode))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: is not a directory", dir);
    st = walk_directory(&w, dir, 0);
    *n_met = w.n;
    return st;
}

/* ---- gc ---- */

/* 1 when the directory that is argument 0 has no manifest any more. */
static void sql_is_gone(sqlite3_context *c, int n, sqlite3_value **v)
{
    const char *dir = (const char *)sqlite3_value_text(v[0]);
    char *path = dir != NULL ? tempo_registry_join(dir, "manifest.json", NULL) : NULL;
    struct stat sb;

    (void)n;
    if (path == NULL) {
        sqlite3_result_error_nomem(c);
        return;
    }
    sqlite3_result_int(c, lstat(path, &sb) != 0 && (errno == ENOENT || errno == ENOTDIR));
    free(path);
}

tempo_status tempo_registry_gc(tempo_registry *r, bool dry_run, json_t **gone, tempo_err *err)
{
    tempo_status st;

    *gone = NULL;
    if (sqlite3_create_function_v2(r->db, "is_gone", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, sql_is_gone,
                                   NULL, NULL, NULL) != SQLITE_OK)
        return tempo_registry_fail(r, err, "cannot be used");
    if ((st = tempo_registry_exec(r, dry_run ? "BEGIN" : "BEGIN IMMEDIATE", err)) != TEMPO_OK)
        return st;
    /* asked once a run: what is reported is what is dropped */
    if ((st = tempo_registry_exec(r, "CREATE TEMP TABLE gone AS SELECT run FROM main.runs WHERE is_gone(dir)",
                                  err)) == TEMPO_OK &&
        (st = tempo_registry_rows(
             r,
             "SELECT id, kind, name, dir FROM main.runs WHERE run IN (SELECT run FROM temp.gone)"
             " ORDER BY created, id",
             gone, err, "")) == TEMPO_OK &&
        !dry_run &&
        (st = tempo_registry_exec(r,
                                  "DELETE FROM main.runs WHERE run IN (SELECT run FROM temp.gone);"
                                  "DROP TABLE temp.gone",
                                  err)) == TEMPO_OK)
        st = tempo_registry_exec(r, "COMMIT", err);
    tempo_registry_rollback(r);
    if (st == TEMPO_OK && !dry_run && (st = tempo_registry_exec(r, "VACUUM", err)) != TEMPO_OK)
        tempo_err_prefix(err, "the runs are dropped, but their space is not given back");
    if (st != TEMPO_OK) {
        json_decref(*gone);
        *gone = NULL;
    }
    return st;
}
