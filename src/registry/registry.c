/* registry.c - finding, opening and making the database.  The tables are here; docs/registry.md explains
 * them. */
#include "registry/db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* "TEMP": so that a database of something else is not taken for ours. */
#define APPLICATION_ID 0x54454d50

static const char schema[] =
    "CREATE TABLE runs(run INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, dir TEXT NOT NULL UNIQUE,"
    " kind TEXT NOT NULL CHECK(kind IN('generate','experiment','study')), name TEXT NOT NULL,"
    " created TEXT NOT NULL, status TEXT NOT NULL CHECK(status IN('running','complete','interrupted')),"
    " version TEXT, compiler TEXT, cpu TEXT, cpu_features TEXT, threads INTEGER, compute TEXT,"
    " argv TEXT, config TEXT, times TEXT) STRICT;"
    "CREATE INDEX runs_by_date ON runs(created, id);"
    "CREATE TABLE models(run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, model INTEGER NOT NULL,"
    " name TEXT NOT NULL, path TEXT, architecture TEXT, format TEXT, parameters INTEGER, sha256 TEXT,"
    " PRIMARY KEY(run, model)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE prompts(run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, prompt INTEGER NOT NULL,"
    " id TEXT, stratum TEXT, text TEXT NOT NULL, PRIMARY KEY(run, prompt)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE units(run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, unit INTEGER NOT NULL,"
    " name TEXT, prompt INTEGER, model INTEGER, threshold REAL, tokens INTEGER, PRIMARY KEY(run, unit),"
    " FOREIGN KEY(run, prompt) REFERENCES prompts, FOREIGN KEY(run, model) REFERENCES models)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE arms(run INTEGER NOT NULL, unit INTEGER NOT NULL, arm INTEGER NOT NULL, name TEXT NOT NULL,"
    " text TEXT, top_text TEXT, stopped_by TEXT, PRIMARY KEY(run, unit, arm), UNIQUE(run, unit, name),"
    " FOREIGN KEY(run, unit) REFERENCES units ON DELETE CASCADE) STRICT, WITHOUT ROWID;"
    "CREATE TABLE steps(run INTEGER NOT NULL, unit INTEGER NOT NULL, arm INTEGER NOT NULL,"
    " step INTEGER NOT NULL, position REAL, threshold REAL, entropy REAL, reached INTEGER, capped INTEGER,"
    " eos INTEGER, PRIMARY KEY(run, unit, arm, step),"
    " FOREIGN KEY(run, unit, arm) REFERENCES arms ON DELETE CASCADE) STRICT, WITHOUT ROWID;"
    "CREATE TABLE members(run INTEGER NOT NULL, unit INTEGER NOT NULL, arm INTEGER NOT NULL,"
    " step INTEGER NOT NULL, rank INTEGER NOT NULL, id INTEGER NOT NULL, text TEXT, probability REAL,"
    " slot INTEGER, position REAL, PRIMARY KEY(run, unit, arm, step, rank),"
    " FOREIGN KEY(run, unit, arm, step) REFERENCES steps ON DELETE CASCADE) STRICT, WITHOUT ROWID;"
    "CREATE TABLE metrics(run INTEGER NOT NULL, unit INTEGER NOT NULL, step INTEGER NOT NULL,"
    " name TEXT NOT NULL, value REAL, PRIMARY KEY(run, unit, step, name),"
    " FOREIGN KEY(run, unit) REFERENCES units ON DELETE CASCADE) STRICT, WITHOUT ROWID;"
    "CREATE TABLE verdicts(run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,"
    " verdict INTEGER NOT NULL, id TEXT NOT NULL, family TEXT, kind TEXT, model INTEGER, threshold REAL,"
    " outcome TEXT NOT NULL, n INTEGER, mean REAL, bound REAL, p_adjusted REAL, low REAL, high REAL,"
    " record TEXT NOT NULL, PRIMARY KEY(run, verdict), FOREIGN KEY(run, model) REFERENCES models)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE artefacts(run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, path TEXT NOT NULL,"
    " bytes INTEGER, sha256 TEXT, PRIMARY KEY(run, path)) STRICT, WITHOUT ROWID;";

/* ---- where ---- */

/* The rest of the default path, below XDG_DATA_HOME or HOME. */
static tempo_status default_base(const char **base, const char **rest, tempo_err *err)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (data != NULL && data[0] == '/') {
        *base = data;
        *rest = "/tempo/runs.db";
        return TEMPO_OK;
    }
    if (home == NULL || home[0] != '/')
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                          "neither XDG_DATA_HOME nor HOME says where the database of runs is; give it with "
                          "--db FILE");
    *base = home;
    *rest = "/.local/share/tempo/runs.db";
    return TEMPO_OK;
}

tempo_status tempo_registry_default_path(char *out, size_t cap, tempo_err *err)
{
    const char *base = NULL, *rest = NULL;
    tempo_status st;

    if (cap > 0)
        out[0] = '\0';
    if ((st = default_base(&base, &rest, err)) != TEMPO_OK)
        return st;
    if (strlen(base) + strlen(rest) >= cap) {
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "the default path of the database is too long");
    }
    (void)snprintf(out, cap, "%s%s", base, rest);
    return TEMPO_OK;
}

/* Make the directories that path goes through. */
static tempo_status make_directories(char *path, tempo_err *err)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        struct stat sb;
        /* looked at first: what exists may lie where nothing can be made */
        const bool failed = stat(path, &sb) != 0 && mkdir(path, 0700) != 0 && errno != EEXIST;
        const int why = errno;
        if (failed)
            (void)tempo_fail_os(err, why, "%s: cannot be created", path);
        *slash = '/';
        if (failed)
            return TEMPO_E_IO;
    }
    return TEMPO_OK;
}

/* r->path: absolute or beginning with "./", so that no name means anything special to SQLite. */
static tempo_status choose_path(tempo_registry *r, const char *path, bool existing, tempo_err *err)
{
    char standard[4096];
    struct stat sb;
    tempo_status st;
    const bool is_default = path == NULL;

    if (is_default) {
        if ((st = tempo_registry_default_path(standard, sizeof(standard), err)) != TEMPO_OK)
            return st;
        path = standard;
    }
    if (path[0] == '\0')
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the path of the database is empty");
    const size_t n = strlen(path) + 3;
    if ((r->path = malloc(n)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a path");
    (void)snprintf(r->path, n, "%s%s", path[0] == '/' || path[0] == '.' ? "" : "./", path);
    if (stat(r->path, &sb) == 0)
        return S_ISREG(sb.st_mode)
                   ? TEMPO_OK
                   : tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: is not a database but %s", r->path,
                                S_ISDIR(sb.st_mode) ? "a directory" : "a device or a pipe");
    if (errno != ENOENT && errno != ENOTDIR)
        return tempo_fail_os(err, errno, "%s: cannot be opened", r->path);
    if (existing)
        return TEMPO_E_NOTFOUND;
    return is_default ? make_directories(r->path, err) : TEMPO_OK;
}

/* ---- opening ---- */

/* *fresh: there is nothing in it yet.  Reads only: a database of something else stays as it is. */
static tempo_status check_schema(tempo_registry *r, bool *fresh, tempo_err *err)
{
    int64_t version, application, tables;
    tempo_status st;

    *fresh = false;
    if ((st = tempo_registry_int(r, "PRAGMA user_version", 0, &version, err, "")) != TEMPO_OK ||
        (st = tempo_registry_int(r, "PRAGMA application_id", 0, &application, err, "")) != TEMPO_OK ||
        (st = tempo_registry_int(r, "SELECT count(*) FROM sqlite_master", 0, &tables, err, "")) != TEMPO_OK)
        return st;
    *fresh = version == 0 && application == 0 && tables == 0;
    if (*fresh || (application == APPLICATION_ID && version == TEMPO_REGISTRY_SCHEMA))
        return TEMPO_OK;
    if (application == APPLICATION_ID && version > TEMPO_REGISTRY_SCHEMA)
        return tempo_fail(
            err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
            "%s: its schema has version %lld, this program knows %d: a newer tempo wrote it; use that one, "
            "or another file with --db FILE",
            r->path, (long long)version, (int)TEMPO_REGISTRY_SCHEMA);
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                      "%s: is an SQLite database, but not one of runs of tempo", r->path);
}

/* SQLite does not wait by itself for the lock that this change of mode takes. */
static tempo_status use_wal(tempo_registry *r, tempo_err *err)
{
    const struct timespec nap = {0, 10000000};
    sqlite3_stmt *s;
    tempo_status st;
    int rc = SQLITE_BUSY;

    for (int waited = 0; (rc & 0xff) == SQLITE_BUSY && waited < TEMPO_REGISTRY_WAIT_MS; waited += 10) {
        if (waited > 0)
            (void)nanosleep(&nap, NULL);
        if ((st = tempo_registry_prepare(r, &s, "PRAGMA journal_mode=WAL", err)) != TEMPO_OK)
            return st;
        rc = sqlite3_step(s);
        const char *mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
        const bool wal = mode != NULL && strcmp(mode, "wal") == 0;
        if (rc != SQLITE_ROW && (rc & 0xff) != SQLITE_BUSY)
            st = tempo_registry_fail(r, err, "cannot be opened");
        else if (rc == SQLITE_ROW && !wal)
            st = tempo_fail(err, TEMPO_E_IO, TEMPO_NO_OFFSET,
                            "%s: this file system has no write-ahead log for it; choose another place with "
                            "--db FILE",
                            r->path);
        (void)sqlite3_finalize(s);
        if (st != TEMPO_OK || wal)
            return st;
    }
    return tempo_registry_fail(r, err, "cannot be opened");
}

static tempo_status create_schema(tempo_registry *r, tempo_err *err)
{
    char stamp[96];
    bool fresh;
    tempo_status st;

    if ((st = tempo_registry_exec(r, "BEGIN IMMEDIATE", err)) != TEMPO_OK)
        return st;
    /* somebody else may have been here first */
    if ((st = check_schema(r, &fresh, err)) != TEMPO_OK || !fresh)
        goto out;
    (void)snprintf(stamp, sizeof(stamp), "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID,
                   (int)TEMPO_REGISTRY_SCHEMA);
    if ((st = tempo_registry_exec(r, schema, err)) == TEMPO_OK &&
        (st = tempo_registry_exec(r, stamp, err)) == TEMPO_OK)
        st = tempo_registry_exec(r, "COMMIT", err);
out:
    tempo_registry_rollback(r);
    return st;
}

static tempo_status open_database(tempo_registry *r, bool existing, tempo_err *err)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                      (existing ? 0 : SQLITE_OPEN_CREATE);
    bool fresh;
    tempo_status st;

    if (sqlite3_open_v2(r->path, &r->db, flags, NULL) != SQLITE_OK)
        return r->db != NULL ? tempo_registry_fail(r, err, "cannot be opened")
                             : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", r->path);
    (void)sqlite3_busy_timeout(r->db, TEMPO_REGISTRY_WAIT_MS);
    /* NORMAL: a power failure may take the last transactions, which the files still have, and breaks nothing
     */
    if ((st = tempo_registry_exec(r,
                                  "PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=ON; "
                                  "PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY",
                                  err)) != TEMPO_OK ||
        (st = check_schema(r, &fresh, err)) != TEMPO_OK || (st = use_wal(r, err)) != TEMPO_OK)
        return st;
    return fresh ? create_schema(r, err) : TEMPO_OK;
}

tempo_status tempo_registry_open(tempo_registry **out, const char *path, bool existing, tempo_err *err)
{
    tempo_registry *r = calloc(1, sizeof(*r));
    tempo_status st;

    *out = NULL;
    if (r == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a registry");
    if ((st = choose_path(r, path, existing, err)) == TEMPO_OK &&
        (st = open_database(r, existing, err)) == TEMPO_OK) {
        *out = r;
        return TEMPO_OK;
    }
    tempo_registry_free(r);
    return st;
}

void tempo_registry_free(tempo_registry *r)
{
    if (r == NULL)
        return;
    (void)sqlite3_close(r->db);
    free(r->path);
    free(r);
}

const char *tempo_registry_path(const tempo_registry *r)
{
    return r->path;
}
