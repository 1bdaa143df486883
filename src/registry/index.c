/* index.c - a run's directory becomes rows: the manifest, and the transaction around everything. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/json.h"
#include "registry/db.h"

enum { MAX_ID = 200 };

static const char *const inserts[TEMPO_INSERTS] = {
    [TEMPO_INSERT_RUN] = "INSERT INTO runs(run, id, dir, kind, name, created, status, version, compiler, cpu,"
                         " cpu_features, threads, compute, argv, config, times)"
                         " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [TEMPO_INSERT_MODEL] = "INSERT INTO models VALUES(?,?,?,?,?,?,?,?)",
    [TEMPO_INSERT_PROMPT] = "INSERT INTO prompts VALUES(?,?,?,?,?)",
    [TEMPO_INSERT_UNIT] = "INSERT INTO units VALUES(?,?,?,?,?,?,?)",
    [TEMPO_INSERT_ARM] = "INSERT INTO arms VALUES(?,?,?,?,?,?,?)",
    [TEMPO_INSERT_STEP] = "INSERT INTO steps VALUES(?,?,?,?,?,?,?,?,?,?)",
    [TEMPO_INSERT_MEMBER] = "INSERT INTO members VALUES(?,?,?,?,?,?,?,?,?,?)",
    [TEMPO_INSERT_METRIC] = "INSERT INTO metrics VALUES(?,?,?,?,?)",
    [TEMPO_INSERT_VERDICT] = "INSERT INTO verdicts VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [TEMPO_INSERT_ARTEFACT] = "INSERT INTO artefacts VALUES(?,?,?,?)",
};

/* ---- the manifest ---- */

static tempo_status one_of(const char *key, const char *value, const char *const *choices, tempo_err *err)
{
    for (; *choices != NULL; choices++)
        if (strcmp(value, *choices) == 0)
            return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                      "\"%s\" is \"%.64s\", which is none that is known", key, value);
}

/* "2026-11-24T20:30:15Z": runs are ordered by it as text. */
static bool is_time(const char *s)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";

    for (size_t i = 0; i < sizeof(shape); i++)
        if (shape[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i])
            return false;
    return true;
}

/* A member of any type as compact JSON text (free), NULL if there is none. */
static tempo_status dump(const json_t *o, const char *key, char **out, tempo_err *err)
{
    const json_t *v = json_object_get(o, key);

    *out = NULL;
    if (v == NULL || json_is_null(v))
        return TEMPO_OK;
    *out = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    return *out != NULL ? TEMPO_OK
                        : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for \"%s\"", key);
}

/* "cpu_features" as one text: a string, or an array of strings. */
static tempo_status read_features(const json_t *o, char **out, tempo_err *err)
{
    const json_t *v = json_object_get(o, "cpu_features");
    const size_t count = json_is_array(v) ? json_array_size(v) : 1;
    size_t n = 1;

    *out = NULL;
    if (v == NULL || json_is_null(v))
        return TEMPO_OK;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(one))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "\"cpu_features\" is neither a string nor an array of strings");
        n += json_string_length(one) + 1;
    }
    if ((*out = malloc(n)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for \"cpu_features\"");
    (*out)[0] = '\0';
    for (size_t i = 0, at = 0; i < count; i++)
        at += (size_t)snprintf(*out + at, n - at, "%s%s", i > 0 ? " " : "",
                               json_string_value(json_is_array(v) ? json_array_get(v, i) : v));
    return TEMPO_OK;
}

typedef struct run_row {
    const char *id, *kind, *name, *created, *status, *version, *compiler, *cpu, *compute;
    char *features, *argv, *config, *times;
    int64_t threads;
} run_row;

static tempo_status check_run(const run_row *w, tempo_err *err)
{
    static const char *const kinds[] = {"generate", "experiment", "study", NULL};
    static const char *const states[] = {"running", "complete", "interrupted", NULL};
    const size_t n = strlen(w->id);
    tempo_status st;

    if (n == 0 || n > MAX_ID)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"id\" has %zu bytes, expected 1 to %d", n,
                          (int)MAX_ID);
    if (!is_time(w->created))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "\"created\" is \"%.64s\", expected a time such as 2026-11-24T20:30:15Z",
                          w->created);
    if ((st = one_of("kind", w->kind, kinds, err)) != TEMPO_OK)
        return st;
    return one_of("status", w->status, states, err);
}

static tempo_status read_run(const json_t *m, run_row *w, tempo_err *err)
{
    const struct {
        const char *key;
        bool needed;
        const char **out;
    } texts[] = {{"id", true, &w->id},
                 {"kind", true, &w->kind},
                 {"name", false, &w->name},
                 {"created", true, &w->created},
                 {"status", true, &w->status},
                 {"version", false, &w->version},
                 {"compiler", false, &w->compiler},
                 {"cpu", false, &w->cpu},
                 {"compute", false, &w->compute}};
    tempo_status st;

    if (!json_is_object(m))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "it is not a JSON object");
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if ((st = tempo_registry_text(m, texts[i].key, texts[i].needed, texts[i].out, err)) != TEMPO_OK)
            return st;
    if (w->name == NULL)
        w->name = w->id;
    if ((st = check_run(w, err)) != TEMPO_OK ||
        (st = tempo_registry_count(m, "threads", false, &w->threads, err)) != TEMPO_OK ||
        (st = read_features(m, &w->features, err)) != TEMPO_OK ||
        (st = dump(m, "argv", &w->argv, err)) != TEMPO_OK ||
        (st = dump(m, "config", &w->config, err)) != TEMPO_OK)
        return st;
    return dump(m, "times", &w->times, err);
}

/* The rows of the run and of whatever else was in its directory go; its key stays the same. */
static tempo_status replace_run(tempo_indexer *ix, const run_row *w)
{
    tempo_registry *r = ix->r;
    sqlite3_stmt *s;
    int64_t key;
    tempo_status st;

    if ((st = tempo_registry_int(r, "SELECT run FROM runs WHERE id = ? OR dir = ? ORDER BY id = ? DESC",
                                 TEMPO_REGISTRY_NO_INT, &key, ix->err, "sss", w->id, ix->dir, w->id)) !=
            TEMPO_OK ||
        (st = tempo_registry_prepare(r, &s, "DELETE FROM runs WHERE id = ? OR dir = ?", ix->err)) != TEMPO_OK)
        return st;
    st = tempo_registry_put(r, s, ix->err, "ss", w->id, ix->dir);
    (void)sqlite3_finalize(s);
    if (st != TEMPO_OK)
        return st;
    st = tempo_registry_put(r, ix->insert[TEMPO_INSERT_RUN], ix->err, "issssssssssissss", key, w->id, ix->dir,
                            w->kind, w->name, w->created, w->status, w->version, w->compiler, w->cpu,
                            w->features, w->threads, w->compute, w->argv, w->config, w->times);
    ix->run = sqlite3_last_insert_rowid(r->db);
    return st;
}

/* ---- models and artefacts ---- */

static tempo_status index_model(tempo_indexer *ix, const json_t *o)
{
    const char *name, *path, *architecture, *format, *sha256;
    int64_t parameters;
    tempo_status st;

    if ((st = tempo_registry_text(o, "name", false, &name, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "path", name == NULL, &path, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "architecture", false, &architecture, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "format", false, &format, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "sha256", false, &sha256, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_count(o, "parameters", false, &parameters, ix->err)) != TEMPO_OK)
        return st;
    return tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_MODEL], ix->err, "iissssis", ix->run,
                              ix->n_models++, name != NULL ? name : path, path, architecture, format,
                              parameters, sha256);
}

static tempo_status index_models(tempo_indexer *ix)
{
    const json_t *one, *several;
    tempo_status st;

    if ((st = tempo_registry_object(ix->manifest, "model", false, &one, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_array(ix->manifest, "models", false, &several, ix->err)) != TEMPO_OK)
        return st;
    if (several == NULL) {
        if (one != NULL && (st = index_model(ix, one)) != TEMPO_OK)
            tempo_err_prefix(ix->err, "\"model\"");
        return st;
    }
    for (size_t i = 0; i < json_array_size(several); i++) {
        if ((st = tempo_registry_element(several, "models", i, &one, ix->err)) != TEMPO_OK)
            return st;
        if ((st = index_model(ix, one)) != TEMPO_OK) {
            tempo_err_prefix(ix->err, "\"models\"[%zu]", i);
            return st;
        }
    }
    return TEMPO_OK;
}

static tempo_status index_artefact(tempo_indexer *ix, const json_t *o)
{
    const char *path, *sha256;
    int64_t bytes;
    tempo_status st;

    if ((st = tempo_registry_text(o, "path", true, &path, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_count(o, "bytes", false, &bytes, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "sha256", false, &sha256, ix->err)) != TEMPO_OK)
        return st;
    return tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_ARTEFACT], ix->err, "isis", ix->run, path, bytes,
                              sha256);
}

static tempo_status index_artefacts(tempo_indexer *ix)
{
    const json_t *files, *one;
    tempo_status st;

    if ((st = tempo_registry_array(ix->manifest, "files", false, &files, ix->err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < json_array_size(files); i++) {
        if ((st = tempo_registry_element(files, "files", i, &one, ix->err)) != TEMPO_OK)
            return st;
        if ((st = index_artefact(ix, one)) != TEMPO_OK) {
            tempo_err_prefix(ix->err, "\"files\"[%zu]", i);
            return st;
        }
    }
    return TEMPO_OK;
}

static tempo_status index_manifest(tempo_indexer *ix, const char *path, bool *study)
{
    run_row w = {0};
    tempo_status st;

    if ((st = read_run(ix->manifest, &w, ix->err)) == TEMPO_OK && (st = replace_run(ix, &w)) == TEMPO_OK &&
        (st = index_models(ix)) == TEMPO_OK)
        st = index_artefacts(ix);
    if (st != TEMPO_OK)
        tempo_err_prefix(ix->err, "%s", path);
    *study = st == TEMPO_OK && strcmp(w.kind, "study") == 0;
    free(w.features);
    free(w.argv);
    free(w.config);
    free(w.times);
    return st;
}

/* ---- the transaction ---- */

static tempo_status index_all(tempo_indexer *ix, const char *path)
{
    bool study;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < TEMPO_INSERTS && st == TEMPO_OK; i++)
        st = tempo_registry_prepare(ix->r, &ix->insert[i], inserts[i], ix->err);
    if (st == TEMPO_OK && (st = index_manifest(ix, path, &study)) == TEMPO_OK)
        st = study ? tempo_registry_index_study(ix) : tempo_registry_index_results(ix);
    for (size_t i = 0; i < TEMPO_INSERTS; i++)
        (void)sqlite3_finalize(ix->insert[i]);
    return st;
}

tempo_status tempo_registry_index(tempo_registry *r, const char *dir, tempo_err *err)
{
    tempo_indexer ix = {.r = r, .err = err};
    char *whole = realpath(dir, NULL), *path = NULL;
    tempo_status st;

    if (whole == NULL)
        return errno == ENOENT
                   ? tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: no such directory", dir)
                   : tempo_fail_os(err, errno, "%s: cannot be read", dir);
    ix.dir = whole;
    if ((path = tempo_registry_join(whole, "manifest.json", err)) == NULL) {
        st = TEMPO_E_NOMEM;
        goto out;
    }
    if ((st = tempo_registry_exec(r, "BEGIN IMMEDIATE", err)) != TEMPO_OK)
        goto out;
    /* read within the transaction: of two processes the later one has read the newer files */
    if ((st = tempo_json_load(&ix.manifest, path, err)) == TEMPO_OK &&
        (st = index_all(&ix, path)) == TEMPO_OK)
        st = tempo_registry_exec(r, "COMMIT", err);
    tempo_registry_rollback(r);
out:
    json_decref(ix.manifest);
    free(path);
    free(whole);
    return st;
}
