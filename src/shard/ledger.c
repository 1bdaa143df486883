/* ledger.c - a directory to which finished units append their records. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/json.h"
#include "io/json_file.h"
#include "io/outfile.h"
#include "shard/shard.h"

enum { PATH_BYTES = 4096 };

struct tempo_ledger {
    const tempo_ledger_plan *p;
    char dir[PATH_BYTES];
    int tables[TEMPO_LEDGER_TABLES];               /* [n_tables] open files, or -1 */
    int units;                                     /* locked as long as it is open */
    tempo_csv added[TEMPO_LEDGER_TABLES], records; /* since the last flush */
    size_t next, n,
        done; /* the next unit, SIZE_MAX at the end; units of this shard; those that are finished */
};

static bool is_mine(const tempo_ledger_plan *p, size_t unit)
{
    return p->of == NULL || p->of[unit] == p->shard;
}

/* The first unit of this shard from `unit` on. */
static size_t mine_from(const tempo_ledger_plan *p, size_t unit)
{
    while (unit < p->n_units && !is_mine(p, unit))
        unit++;
    return unit < p->n_units ? unit : SIZE_MAX;
}

static tempo_status path_of(const tempo_ledger *l, const char *name, char path[PATH_BYTES], tempo_err *err)
{
    return tempo_path_join(path, PATH_BYTES, l->dir, name, err);
}

/* ---- plan.json, shard.json ---- */

/* As numbers are once they have been through a file. */
static json_t *as_read(json_t *doc)
{
    char *text = json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_t *read = text != NULL ? json_loads(text, 0, NULL) : NULL;

    free(text);
    json_decref(doc);
    return read;
}

json_t *tempo_ledger_document(const tempo_ledger_plan *p)
{
    json_t *doc = json_deep_copy(p->what), *tables = json_array();

    for (size_t i = 0; i < p->n_tables; i++)
        json_array_append_new(tables, json_string(p->tables[i]));
    json_object_set_new(doc, "tables", tables);
    json_object_set_new(doc, "units", json_integer((json_int_t)p->n_units));
    return as_read(doc);
}

const char *tempo_ledger_differ(const json_t *a, const json_t *b)
{
    const char *key;
    const json_t *value;

    json_object_foreach((json_t *)(uintptr_t)a, key,
                        value) if (!json_equal(value, json_object_get(b, key))) return key;
    json_object_foreach((json_t *)(uintptr_t)b, key, value) if (json_object_get(a, key) == NULL) return key;
    return NULL;
}

static tempo_status differ(const tempo_ledger *l, const char *name, const json_t *there, const json_t *here,
                           tempo_err *err)
{
    const char *key = tempo_ledger_differ(here, there);
    char *a = json_dumps(json_object_get(there, key), JSON_COMPACT | JSON_ENCODE_ANY),
         *b = json_dumps(json_object_get(here, key), JSON_COMPACT | JSON_ENCODE_ANY);
    const tempo_status st = tempo_fail_field(
        err, TEMPO_E_ARG, "out",
        "%.200s: %s is of something else: \"%.40s\" is %.60s there and %.60s here; give another directory",
        l->dir, name, key, a != NULL ? a : "not", b != NULL ? b : "not");

    free(a);
    free(b);
    return st;
}

/* Is the file what doc says?  *there: it is.  doc is taken. */
static tempo_status compare(const tempo_ledger *l, const char *name, json_t *doc, bool *there, tempo_err *err)
{
    char path[PATH_BYTES];
    json_t *old = NULL;
    struct stat info;
    tempo_status st = path_of(l, name, path, err);

    *there = st == TEMPO_OK && stat(path, &info) == 0;
    if (st == TEMPO_OK && *there && (st = tempo_json_load(&old, path, err)) == TEMPO_OK &&
        !json_equal(old, doc))
        st = differ(l, name, old, doc, err);
    json_decref(old);
    json_decref(doc);
    return st;
}

/* Anything but what other processes may be about to bring there. */
static bool has_files(const tempo_ledger *l)
{
    DIR *d = opendir(l->dir);
    const struct dirent *e;
    char path[PATH_BYTES];
    struct stat info;
    bool any = false;

    while (d != NULL && !any && (e = readdir(d)) != NULL)
        if (strcmp(e->d_name, "units.csv") == 0) /* empty: it was locked and no more */
            any = path_of(l, e->d_name, path, NULL) != TEMPO_OK || stat(path, &info) != 0 || info.st_size > 0;
        else
            any = e->d_name[0] != '.' && strstr(e->d_name, ".tmp.") == NULL &&
                  strcmp(e->d_name, "shard.json") != 0 && strncmp(e->d_name, "shard-", 6) != 0;
    if (d != NULL)
        (void)closedir(d);
    return any;
}

static tempo_status save(const tempo_ledger *l, const char *name, json_t *doc, tempo_err *err)
{
    char path[PATH_BYTES];
    tempo_status st = path_of(l, name, path, err);

    if (st == TEMPO_OK)
        st = tempo_jsonfile_save(path, doc, false, err);
    json_decref(doc);
    return st;
}

static json_t *shard_document(const tempo_ledger *l)
{
    return json_pack("{s:I, s:I, s:I}", "shard", (json_int_t)l->p->shard, "of", (json_int_t)l->p->n_shards,
                     "units", (json_int_t)l->n);
}

/* Is the directory that of this plan and shard, or new?  With `write` its plan is there then. */
static tempo_status take_directory(const tempo_ledger *l, bool write, tempo_err *err)
{
    const tempo_ledger_plan *p = l->p;
    json_t *plan = tempo_ledger_document(p);
    bool planned, sharded;
    tempo_status st;

    if (plan == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a plan");
    st = compare(l, "plan.json", json_incref(plan), &planned, err);
    if (st == TEMPO_OK && !planned && has_files(l))
        st = tempo_fail_field(err, TEMPO_E_ARG, "out", "%s: holds other files; give a new directory", l->dir);
    if (st == TEMPO_OK)
        st = compare(l, "shard.json", shard_document(l), &sharded, err);
    if (st == TEMPO_OK && planned && sharded != (p->n_shards > 1))
        st = tempo_fail_field(err, TEMPO_E_ARG, "out", "%s: is %sa shard; give another directory", l->dir,
                              sharded ? "" : "not ");
    if (st == TEMPO_OK && write && !planned && p->n_shards > 1)
        st = save(l, "shard.json", shard_document(l), err);
    if (st == TEMPO_OK && write && !planned)
        st = save(l, "plan.json", json_incref(plan), err);
    json_decref(plan);
    return st;
}

/* ---- the tables ---- */

static tempo_status write_all(int fd, const tempo_csv *c, const char *dir, const char *name, tempo_err *err)
{
    for (size_t at = 0; at < c->n;) {
        const ssize_t n = write(fd, c->p + at, c->n - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return tempo_fail_os(err, n < 0 ? errno : ENOSPC, "%s/%s: cannot be written", dir, name);
        at += (size_t)n;
    }
    return TEMPO_OK;
}

static tempo_status open_file(const tempo_ledger *l, const char *name, int *fd, uint64_t *length,
                              tempo_err *err)
{
    char path[PATH_BYTES];
    struct stat info;
    tempo_status st = path_of(l, name, path, err);

    if (st != TEMPO_OK)
        return st;
    if ((*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0 || fstat(*fd, &info) != 0)
        return tempo_fail_os(err, errno, "%s: cannot be opened", path);
    *length = (uint64_t)info.st_size;
    return TEMPO_OK;
}

/* To the length that its units say, which it must have; a header where it is new. */
static tempo_status cut(const tempo_ledger *l, const char *name, int fd, uint64_t length, uint64_t said,
                        const tempo_csv *header, tempo_err *err)
{
    if (said == 0) {
        if (ftruncate(fd, 0) != 0)
            return tempo_fail_os(err, errno, "%s/%s: cannot be cut", l->dir, name);
        return write_all(fd, header, l->dir, name, err);
    }
    if (length < said)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s/%s: has %llu bytes, but units.csv says %llu: it was cut", l->dir, name,
                          (unsigned long long)length, (unsigned long long)said);
    if (ftruncate(fd, (off_t)said) != 0 || lseek(fd, 0, SEEK_END) < 0)
        return tempo_fail_os(err, errno, "%s/%s: cannot be cut", l->dir, name);
    return TEMPO_OK;
}

/* The units that are finished are the first ones of this shard, in their order. */
static tempo_status take_units(tempo_ledger *l, const tempo_unit_index *x, uint64_t said[TEMPO_LEDGER_TABLES],
                               tempo_err *err)
{
    for (size_t i = 0; i < l->p->n_tables; i++)
        said[i] = l->p->headers[i].n;
    for (size_t i = 0; i < x->n; i++) {
        if (x->entries[i].unit != l->next)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "%s/units.csv: line %zu: unit %llu, expected %lld", l->dir, i + 2,
                              (unsigned long long)x->entries[i].unit, (long long)l->next);
        for (size_t k = 0; k < l->p->n_tables; k++) {
            if (x->entries[i].bytes[k] > INT64_MAX - said[k]) /* no sum may say that a table is to be cut */
                return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                                  "%s/units.csv: line %zu: more bytes of %s than a file can have", l->dir,
                                  i + 2, l->p->tables[k]);
            said[k] += x->entries[i].bytes[k];
        }
        l->next = mine_from(l->p, l->next + 1);
        l->done++;
    }
    return TEMPO_OK;
}

/* One process at a time: units.csv is locked before anything is written. */
static tempo_status lock(tempo_ledger *l, uint64_t *length, tempo_err *err)
{
    tempo_status st = open_file(l, "units.csv", &l->units, length, err);
    struct stat info;

    if (st != TEMPO_OK)
        return st;
    if (flock(l->units, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? tempo_fail(err, TEMPO_E_BUSY, TEMPO_NO_OFFSET,
                                                 "%s: another process writes to it", l->dir)
                                    : tempo_fail_os(err, errno, "%s/units.csv: cannot be locked", l->dir);
    if (fstat(l->units, &info) != 0) /* who had it may have written since */
        return tempo_fail_os(err, errno, "%s/units.csv: cannot be read", l->dir);
    *length = (uint64_t)info.st_size;
    return TEMPO_OK;
}

static tempo_status open_files(tempo_ledger *l, tempo_err *err)
{
    const tempo_ledger_plan *p = l->p;
    uint64_t said[TEMPO_LEDGER_TABLES] = {0}, length;
    tempo_unit_index x = {0};
    tempo_csv header = {0};
    tempo_status st = lock(l, &length, err);

    /* again: another plan may have come since */
    if (st == TEMPO_OK)
        st = take_directory(l, true, err);
    if (st == TEMPO_OK && length > 0)
        st = tempo_unit_index_load(&x, l->dir, p->tables, p->n_tables, err);
    if (st == TEMPO_OK && x.length > 0)
        st = take_units(l, &x, said, err);
    for (size_t i = 0; i < p->n_tables && st == TEMPO_OK; i++)
        if ((st = open_file(l, p->tables[i], &l->tables[i], &length, err)) == TEMPO_OK)
            st = cut(l, p->tables[i], l->tables[i], length, said[i], &p->headers[i], err);
    tempo_unit_header(&header, p->tables, p->n_tables);
    if (st == TEMPO_OK)
        st = cut(l, "units.csv", l->units, x.length, x.length, &header, err);
    free(header.p);
    tempo_unit_index_free(&x);
    return st;
}

tempo_status tempo_ledger_open(tempo_ledger **out, const char *dir, const tempo_ledger_plan *p,
                               tempo_err *err)
{
    tempo_ledger *l = calloc(1, sizeof(*l));
    tempo_status st;

    *out = NULL;
    if (l == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a table");
    l->p = p;
    l->units = -1;
    for (size_t i = 0; i < TEMPO_LEDGER_TABLES; i++)
        l->tables[i] = -1;
    l->next = mine_from(p, 0);
    for (size_t i = 0; i < p->n_units; i++)
        l->n += is_mine(p, i);
    st = (size_t)snprintf(l->dir, sizeof(l->dir), "%s", dir) < sizeof(l->dir)
             ? tempo_make_directory(dir, err)
             : tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.64s...: the path is too long", dir);
    if (st == TEMPO_OK && (st = take_directory(l, false, err)) == TEMPO_OK)
        st = open_files(l, err);
    if (st != TEMPO_OK)
        tempo_ledger_close(l);
    else
        *out = l;
    return st;
}

/* ---- units ---- */

size_t tempo_ledger_next(const tempo_ledger *l)
{
    return l->next;
}

size_t tempo_ledger_units(const tempo_ledger *l)
{
    return l->n;
}

size_t tempo_ledger_done(const tempo_ledger *l)
{
    return l->done;
}

tempo_status tempo_ledger_add(tempo_ledger *l, const tempo_csv *records, tempo_err *err)
{
    tempo_unit_entry e = {.unit = l->next};
    bool failed = false;

    for (size_t i = 0; i < l->p->n_tables; i++) {
        e.bytes[i] = records[i].n;
        e.crc[i] = tempo_crc(0, records[i].p, records[i].n);
        tempo_csv_append(&l->added[i], &records[i]);
        failed = failed || l->added[i].failed;
    }
    tempo_unit_record(&l->records, &e, l->p->n_tables);
    if (failed || l->records.failed)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the records of a unit");
    l->next = mine_from(l->p, l->next + 1);
    l->done++;
    return TEMPO_OK;
}

tempo_status tempo_ledger_flush(tempo_ledger *l, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < l->p->n_tables && st == TEMPO_OK; i++) {
        st = write_all(l->tables[i], &l->added[i], l->dir, l->p->tables[i], err);
        if (st == TEMPO_OK && fdatasync(l->tables[i]) != 0)
            st = tempo_fail_os(err, errno, "%s/%s: cannot be written", l->dir, l->p->tables[i]);
        l->added[i].n = 0;
    }
    if (st == TEMPO_OK && (st = write_all(l->units, &l->records, l->dir, "units.csv", err)) == TEMPO_OK &&
        fdatasync(l->units) != 0)
        st = tempo_fail_os(err, errno, "%s/units.csv: cannot be written", l->dir);
    l->records.n = 0;
    return st;
}

void tempo_ledger_close(tempo_ledger *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < TEMPO_LEDGER_TABLES; i++) {
        if (l->tables[i] >= 0)
            (void)close(l->tables[i]);
        free(l->added[i].p);
    }
    if (l->units >= 0)
        (void)close(l->units);
    free(l->records.p);
    free(l);
}
