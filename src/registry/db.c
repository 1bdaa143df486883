/* db.c - statements, their values and their rows, on SQLite. */
#include "registry/db.h"

#include "io/json_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"

/* ---- failures ---- */

tempo_status tempo_registry_fail(tempo_registry *r, tempo_err *err, const char *what)
{
    const int code = sqlite3_extended_errcode(r->db), os = sqlite3_system_errno(r->db);

    r->failed |= (code & 0xff) != SQLITE_CONSTRAINT;
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: %s: out of memory", r->path, what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return tempo_fail_os(err, EBUSY, "%s: %s: another process has been writing to it for too long",
                             r->path, what);
    case SQLITE_FULL:
        return tempo_fail_os(err, ENOSPC, "%s: %s", r->path, what);
    case SQLITE_NOTADB:
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: is not an SQLite database", r->path);
    case SQLITE_CORRUPT:
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: %s: the database is damaged (%s); delete it and rebuild it from the runs' "
                          "directories",
                          r->path, what, sqlite3_errmsg(r->db));
    case SQLITE_CONSTRAINT: /* only what a run's files hold is put in */
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "it is there twice (%s)",
                          sqlite3_errmsg(r->db));
    case SQLITE_TOOBIG:
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: %s: %s", r->path, what,
                          sqlite3_errmsg(r->db));
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_IOERR:
        if (os != 0)
            return tempo_fail_os(err, os, "%s: %s: %s (its directory must be writable, for reading too)",
                                 r->path, what, sqlite3_errmsg(r->db));
        return tempo_fail(err, TEMPO_E_IO, TEMPO_NO_OFFSET,
                          "%s: %s: %s (its directory must be writable, for reading too)", r->path, what,
                          sqlite3_errmsg(r->db));
    default:
        return tempo_fail(err, TEMPO_E_IO, TEMPO_NO_OFFSET, "%s: %s: %s", r->path, what,
                          sqlite3_errmsg(r->db));
    }
}

/* ---- statements ---- */

tempo_status tempo_registry_exec(tempo_registry *r, const char *sql, tempo_err *err)
{
    return sqlite3_exec(r->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? TEMPO_OK
               : tempo_registry_fail(r, err, "cannot be used");
}

void tempo_registry_rollback(tempo_registry *r)
{
    if (!sqlite3_get_autocommit(r->db)) /* some failures have rolled back already */
        (void)sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
}

tempo_status tempo_registry_prepare(tempo_registry *r, sqlite3_stmt **out, const char *sql, tempo_err *err)
{
    *out = NULL;
    return sqlite3_prepare_v2(r->db, sql, -1, out, NULL) == SQLITE_OK
               ? TEMPO_OK
               : tempo_registry_fail(r, err, "cannot be read");
}

/* Texts are borrowed until the statement is reset. */
static int bind(sqlite3_stmt *s, const char *format, va_list ap)
{
    int rc = SQLITE_OK;

    for (int i = 1; *format != '\0' && rc == SQLITE_OK; format++, i++) {
        if (*format == 'i') {
            const int64_t v = va_arg(ap, int64_t);
            rc = v == TEMPO_REGISTRY_NO_INT ? sqlite3_bind_null(s, i) : sqlite3_bind_int64(s, i, v);
        } else if (*format == 'r') {
            rc = sqlite3_bind_double(s, i, va_arg(ap, double)); /* NaN becomes NULL */
        } else {
            rc = sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        }
    }
    return rc;
}

tempo_status tempo_registry_put(tempo_registry *r, sqlite3_stmt *s, tempo_err *err, const char *format, ...)
{
    tempo_status st = TEMPO_OK;
    va_list ap;

    va_start(ap, format);
    if (bind(s, format, ap) != SQLITE_OK || sqlite3_step(s) != SQLITE_DONE)
        st = tempo_registry_fail(r, err, "cannot be written");
    va_end(ap);
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    return st;
}

tempo_status tempo_registry_int(tempo_registry *r, const char *sql, int64_t fallback, int64_t *out,
                                tempo_err *err, const char *format, ...)
{
    sqlite3_stmt *s;
    va_list ap;
    tempo_status st;

    *out = fallback;
    if ((st = tempo_registry_prepare(r, &s, sql, err)) != TEMPO_OK)
        return st;
    va_start(ap, format);
    const int rc = bind(s, format, ap) == SQLITE_OK ? sqlite3_step(s) : SQLITE_ERROR;
    va_end(ap);
    if (rc == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL)
        *out = sqlite3_column_int64(s, 0);
    else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = tempo_registry_fail(r, err, "cannot be read");
    (void)sqlite3_finalize(s);
    return st;
}

/* ---- rows as documents ---- */

static json_t *column_value(sqlite3_stmt *s, int i, bool is_json)
{
    json_t *parsed = NULL;

    switch (sqlite3_column_type(s, i)) {
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(s, i));
    case SQLITE_FLOAT:
        return tempo_json_number(sqlite3_column_double(s, i));
    case SQLITE_TEXT:
        break;
    default:
        return json_null();
    }
    const char *text = (const char *)sqlite3_column_text(s, i);
    const size_t n = (size_t)sqlite3_column_bytes(s, i);
    if (text == NULL)
        return NULL;
    if (!is_json)
        return tempo_json_bytes(text, n);
    /* written by this program as JSON; what is none came from somewhere else */
    return tempo_json_parse(&parsed, text, n, NULL) == TEMPO_OK ? parsed : json_null();
}

/* The current row, or NULL. */
static json_t *row_object(sqlite3_stmt *s)
{
    json_t *o = json_object();

    for (int i = 0; o != NULL && i < sqlite3_column_count(s); i++) {
        const char *name = sqlite3_column_name(s, i);
        const size_t n = name != NULL ? strcspn(name, ":") : 0;
        char key[32];
        if (n == 0 || n >= sizeof(key)) {
            json_decref(o);
            return NULL;
        }
        memcpy(key, name, n);
        key[n] = '\0';
        if (json_object_set_new(o, key, column_value(s, i, name[n] == ':')) != 0) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

tempo_status tempo_registry_rows(tempo_registry *r, const char *sql, json_t **doc, tempo_err *err,
                                 const char *format, ...)
{
    json_t *list = json_array();
    sqlite3_stmt *s = NULL;
    va_list ap;
    tempo_status st;
    int rc;

    *doc = NULL;
    if (list == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a list of runs");
    if ((st = tempo_registry_prepare(r, &s, sql, err)) != TEMPO_OK)
        goto out;
    va_start(ap, format);
    rc = bind(s, format, ap);
    va_end(ap);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        if (json_array_append_new(list, row_object(s)) != 0) {
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a list of runs");
            goto out;
        }
    }
    if (rc != SQLITE_DONE)
        st = tempo_registry_fail(r, err, "cannot be read");
out:
    (void)sqlite3_finalize(s);
    if (st != TEMPO_OK)
        json_decref(list);
    else
        *doc = list;
    return st;
}

tempo_status tempo_registry_set(json_t *object, const char *key, json_t *value, tempo_err *err)
{
    return json_object_set_new(object, key, value) == 0
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for \"%s\" of a run", key);
}
