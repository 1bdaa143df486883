/* merge.c - directories of shards as the one that a process alone would have written. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "io/json.h"
#include "io/json_at.h"
#include "io/json_file.h"
#include "io/outfile.h"
#include "shard/shard.h"

/* MOST_OPEN: of the tables of shards; processes may have few files open, and shards may be many. */
enum { PATH_BYTES = 4096, CHUNK = 1 << 16, MOST_OPEN = 128 };

TEMPO_OPTIONS(tempo_merge_options, .allow_mixed = false)

/* What shards may have of their own with allow_mixed: the rounding of products is that of the instruction
 * set. */
static const char *const machine_keys[] = {"cpu", "version"};

typedef struct part {
    const char *dir;
    json_t *plan;
    uint32_t shard, of; /* of 1: all units */
    size_t units;       /* that it is to have; of 1: not told */
    tempo_unit_index x;
    size_t at; /* the next entry */
    FILE *f;   /* the table at hand; NULL: not open */
    off_t pos; /* bytes of it that were read, where it is not open */
} part;

typedef struct merging {
    const char *out;
    tempo_merge_options o;
    part *parts; /* [n] */
    size_t n;
    json_t *plan; /* that of all */
    const char *tables[TEMPO_LEDGER_TABLES];
    size_t n_tables, n_units;
    part **owner;          /* [n_units] who has it; NULL: nobody */
    part *open[MOST_OPEN]; /* a ring: those whose tables are open, or NULL */
    size_t hand;           /* the next to give way */
} merging;

/* ---- what there is ---- */

static tempo_status load_shard(part *p, tempo_err *err)
{
    char path[PATH_BYTES];
    json_t *doc = NULL;
    tempo_status st = tempo_path_join(path, sizeof(path), p->dir, "shard.json", err);
    FILE *f = st == TEMPO_OK ? fopen(path, "rb") : NULL;

    p->shard = 0;
    p->of = 1;
    if (f == NULL)
        return st; /* all of it */
    (void)fclose(f);
    if ((st = tempo_json_load(&doc, path, err)) != TEMPO_OK)
        return st;
    const long long shard = tempo_whole_at(doc, "shard"), of = tempo_whole_at(doc, "of"),
                    units = tempo_whole_at(doc, "units");
    json_decref(doc);
    if (of < 1 || of > TEMPO_MAX_SHARDS || shard < 0 || shard >= of || units < 0)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: shard %lld of %lld is none", path, shard,
                          of);
    p->shard = (uint32_t)shard;
    p->of = (uint32_t)of;
    p->units = (size_t)units;
    return TEMPO_OK;
}

static tempo_status load_part(part *p, tempo_err *err)
{
    char path[PATH_BYTES];
    tempo_status st = tempo_path_join(path, sizeof(path), p->dir, "plan.json", err);

    if (st != TEMPO_OK || (st = tempo_json_load(&p->plan, path, err)) != TEMPO_OK)
        return st;
    if (!json_is_object(p->plan))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: is no plan", path);
    return load_shard(p, err);
}

static bool is_machine_key(const char *key)
{
    for (size_t i = 0; i < sizeof(machine_keys) / sizeof(*machine_keys); i++)
        if (strcmp(key, machine_keys[i]) == 0)
            return true;
    return false;
}

/* a without what may be mixed. */
static json_t *without_machine(const json_t *plan)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)plan);

    for (size_t i = 0; i < sizeof(machine_keys) / sizeof(*machine_keys); i++)
        json_object_del(copy, machine_keys[i]);
    return copy;
}

static tempo_status check_plan(const merging *m, const part *p, tempo_err *err)
{
    const part *first = &m->parts[0];
    json_t *a = m->o.allow_mixed ? without_machine(first->plan) : json_incref(first->plan),
           *b = m->o.allow_mixed ? without_machine(p->plan) : json_incref(p->plan);
    const char *key = tempo_ledger_differ(a, b);
    tempo_status st = TEMPO_OK;

    if (key != NULL) {
        char *x = json_dumps(json_object_get(a, key), JSON_COMPACT | JSON_ENCODE_ANY),
             *y = json_dumps(json_object_get(b, key), JSON_COMPACT | JSON_ENCODE_ANY);
        st = tempo_fail_field(
            err, TEMPO_E_ARG, key, "%.150s and %.150s do not belong together: \"%.40s\" is %.40s and %.40s%s",
            first->dir, p->dir, key, x != NULL ? x : "not there", y != NULL ? y : "not there",
            is_machine_key(key) ? " (allowed as mixed, their numbers may differ in the last bits)" : "");
        free(x);
        free(y);
    } else if (p->of != first->of) {
        st = tempo_fail_field(err, TEMPO_E_ARG, "shard",
                              "%.200s and %.200s do not belong together: shards of %u and of %u", first->dir,
                              p->dir, (unsigned)first->of, (unsigned)p->of);
    }
    json_decref(a);
    json_decref(b);
    return st;
}

static tempo_status check_shape(merging *m, tempo_err *err)
{
    const json_t *tables = json_object_get(m->parts[0].plan, "tables");
    const long long units = tempo_whole_at(m->parts[0].plan, "units");
    bool good = json_is_array(tables) && json_array_size(tables) >= 1 &&
                json_array_size(tables) <= TEMPO_LEDGER_TABLES && units >= 1 && units <= INT32_MAX;

    m->n_units = (size_t)units;
    m->n_tables = json_array_size(tables);
    for (size_t i = 0; i < m->n_tables && good; i++) {
        m->tables[i] = json_string_value(json_array_get(tables, i));
        good = m->tables[i] != NULL && *m->tables[i] != '.' && *m->tables[i] != '\0' &&
               strchr(m->tables[i], '/') == NULL && strlen(m->tables[i]) < 64;
    }
    return good ? TEMPO_OK
                : tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s/plan.json: names no tables and units",
                             m->parts[0].dir);
}

static tempo_status take_units(merging *m, part *p, tempo_err *err)
{
    tempo_status st = tempo_unit_index_load(&p->x, p->dir, m->tables, m->n_tables, err);

    for (size_t i = 0; i < p->x.n && st == TEMPO_OK; i++) {
        const uint64_t unit = p->x.entries[i].unit;
        if (unit >= m->n_units || (i > 0 && unit <= p->x.entries[i - 1].unit))
            st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                            "%s/units.csv: line %zu: unit %llu is not one of %zu, in rising order", p->dir,
                            i + 2, (unsigned long long)unit, m->n_units);
        else if (m->owner[unit] != NULL)
            st = tempo_fail_field(err, TEMPO_E_ARG, "shard",
                                  "unit %llu is there twice: in %.200s and in %.200s",
                                  (unsigned long long)unit, m->owner[unit]->dir, p->dir);
        else
            m->owner[unit] = p;
    }
    return st;
}

static tempo_status load(merging *m, const char *const *dirs, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < m->n && st == TEMPO_OK; i++) {
        m->parts[i].dir = dirs[i];
        if ((st = load_part(&m->parts[i], err)) == TEMPO_OK)
            st = check_plan(m, &m->parts[i], err);
        for (size_t k = 0; k < i && st == TEMPO_OK; k++)
            if (m->parts[k].shard == m->parts[i].shard)
                st = tempo_fail_field(
                    err, TEMPO_E_ARG, "shard", "shard %u/%u is there twice: %.200s and %.200s",
                    (unsigned)m->parts[i].shard, (unsigned)m->parts[i].of, dirs[k], dirs[i]);
    }
    if (st != TEMPO_OK || (st = check_shape(m, err)) != TEMPO_OK)
        return st;
    if ((m->owner = calloc(m->n_units, sizeof(part *))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for %zu units", m->n_units);
    for (size_t i = 0; i < m->n && st == TEMPO_OK; i++)
        st = take_units(m, &m->parts[i], err);
    return st;
}

/* ---- what is missing ---- */

/* Shards deal by cost, so which one a unit belongs to is not known here: a shard without a directory, and
 * those whose directories do not say that they are complete. */
static tempo_status check_missing(const merging *m, tempo_err *err)
{
    const uint32_t of = m->parts[0].of;
    size_t missing = 0, shards = 0, used = 0;
    char list[256] = "";

    for (size_t i = 0; i < m->n_units; i++)
        missing += m->owner[i] == NULL;
    if (missing == 0)
        return TEMPO_OK;
    for (uint32_t s = 0; s < of; s++) {
        const part *p = NULL;
        for (size_t i = 0; i < m->n && p == NULL; i++)
            p = m->parts[i].shard == s ? &m->parts[i] : NULL;
        const size_t all = p == NULL ? 0 : p->of > 1 ? p->units : m->n_units;
        if (p != NULL && p->x.n >= all)
            continue;
        shards++;
        if (m->o.missing != NULL)
            m->o.missing(m->o.user, s, of, p != NULL ? all - p->x.n : 0);
        const int n = used < sizeof(list) ? snprintf(list + used, sizeof(list) - used, "%s%u/%u",
                                                     shards > 1 ? ", " : "", (unsigned)s, (unsigned)of)
                                          : 0;
        used += n > 0 ? (size_t)n : 0;
    }
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%zu of %zu units are missing; to run again: shard%s %s%s", missing, m->n_units,
                      shards == 1 ? "" : "s", list, used >= sizeof(list) ? "..." : "");
}

/* ---- writing ---- */

/* n bytes of a part's table to `to`; *crc: theirs. */
static tempo_status copy(part *p, const char *table, uint64_t n, tempo_outfile *to, uint32_t *crc,
                         tempo_err *err)
{
    char buffer[CHUNK];
    tempo_status st = TEMPO_OK;

    *crc = 0;
    while (n > 0 && st == TEMPO_OK) {
        const size_t want = n < sizeof(buffer) ? (size_t)n : sizeof(buffer),
                     got = fread(buffer, 1, want, p->f);
        if (got < want)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "%s/%s: is shorter than its units: it was cut", p->dir, table);
        *crc = tempo_crc(*crc, buffer, got);
        if (to != NULL)
            st = tempo_outfile_write(to, buffer, got, err);
        n -= got;
    }
    return st;
}

/* The part's table is open, where it was left. */
static tempo_status reach_table(merging *m, part *p, const char *table, tempo_err *err)
{
    char path[PATH_BYTES];
    tempo_status st = TEMPO_OK;
    part *old = m->open[m->hand];

    if (p->f != NULL || (st = tempo_path_join(path, sizeof(path), p->dir, table, err)) != TEMPO_OK)
        return st;
    if (old != NULL) {
        old->pos = ftello(old->f);
        (void)fclose(old->f);
        old->f = NULL;
    }
    m->open[m->hand] = NULL;
    if ((p->f = fopen(path, "rb")) == NULL)
        return tempo_fail_os(err, errno, "%s: cannot be opened", path);
    m->open[m->hand] = p;
    m->hand = (m->hand + 1) % MOST_OPEN;
    return fseeko(p->f, p->pos, SEEK_SET) == 0 ? TEMPO_OK
                                               : tempo_fail_os(err, errno, "%s: cannot be read", path);
}

/* The part's table, at its first unit.  All have one header. */
static tempo_status open_table(merging *m, part *p, const char *table, const tempo_csv *header,
                               tempo_err *err)
{
    char line[CHUNK];
    tempo_status st;

    p->at = 0;
    p->pos = 0;
    if ((st = reach_table(m, p, table, err)) != TEMPO_OK)
        return st;
    if (fread(line, 1, header->n, p->f) != header->n || memcmp(line, header->p, header->n) != 0)
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "%s/%s: does not begin with the names of its columns, as that of %s does", p->dir,
                        table, m->parts[0].dir);
    return st;
}

/* The first record of the first part's table. */
static tempo_status read_header(const merging *m, const char *table, tempo_csv *header, tempo_err *err)
{
    char path[PATH_BYTES], line[CHUNK];
    tempo_status st = tempo_path_join(path, sizeof(path), m->parts[0].dir, table, err);
    FILE *f = st == TEMPO_OK ? fopen(path, "rb") : NULL;

    if (st == TEMPO_OK && f == NULL)
        return tempo_fail_os(err, errno, "%s: cannot be opened", path);
    if (st == TEMPO_OK && fgets(line, sizeof(line), f) == NULL) {
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "%s: is empty, expected the names of its columns", path);
    } else if (st == TEMPO_OK && (strlen(line) < 2 || strcmp(line + strlen(line) - 2, "\r\n") != 0)) {
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "%s: its first line is none, expected the names of its columns and CRLF", path);
    } else if (st == TEMPO_OK) {
        const tempo_csv one = {.p = line, .n = strlen(line)};
        tempo_csv_append(header, &one);
        st = header->failed ? tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path)
                            : TEMPO_OK;
    }
    if (f != NULL)
        (void)fclose(f);
    return st;
}

static tempo_status copy_units(merging *m, size_t table, tempo_outfile *to, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t unit = 0; unit < m->n_units && st == TEMPO_OK; unit++) {
        part *p = m->owner[unit];
        const tempo_unit_entry *e = &p->x.entries[p->at++];
        uint32_t crc;
        if ((st = reach_table(m, p, m->tables[table], err)) == TEMPO_OK &&
            (st = copy(p, m->tables[table], e->bytes[table], to, &crc, err)) == TEMPO_OK &&
            crc != e->crc[table])
            st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                            "%s/%s: the records of unit %zu are not those that were written", p->dir,
                            m->tables[table], unit);
    }
    for (size_t i = 0; i < m->n && st == TEMPO_OK; i++)
        if ((st = reach_table(m, &m->parts[i], m->tables[table], err)) == TEMPO_OK &&
            fgetc(m->parts[i].f) != EOF)
            st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                            "%s/%s: has more than the records of its units", m->parts[i].dir,
                            m->tables[table]);
    return st;
}

/* All units of a table in their order, to the directory, or to see whether all are as they were written. */
static tempo_status merge_table(merging *m, size_t table, bool write, tempo_err *err)
{
    char path[PATH_BYTES];
    tempo_csv header = {0};
    tempo_outfile *to = NULL;
    tempo_status st = read_header(m, m->tables[table], &header, err);

    for (size_t i = 0; i < m->n && st == TEMPO_OK; i++)
        st = open_table(m, &m->parts[i], m->tables[table], &header, err);
    if (st == TEMPO_OK && write &&
        (st = tempo_path_join(path, sizeof(path), m->out, m->tables[table], err)) == TEMPO_OK &&
        (st = tempo_outfile_create(&to, path, err)) == TEMPO_OK)
        st = tempo_outfile_write(to, header.p, header.n, err);
    if (st == TEMPO_OK && (st = copy_units(m, table, to, err)) == TEMPO_OK && write) {
        st = tempo_outfile_commit(to, err);
        to = NULL;
    }
    tempo_outfile_abort(to);
    for (size_t i = 0; i < m->n; i++) {
        if (m->parts[i].f != NULL)
            (void)fclose(m->parts[i].f);
        m->parts[i].f = NULL;
    }
    memset(m->open, 0, sizeof(m->open));
    free(header.p);
    return st;
}

static tempo_status merge_index(merging *m, tempo_err *err)
{
    char path[PATH_BYTES];
    tempo_csv c = {0};
    tempo_outfile *to = NULL;
    tempo_status st = tempo_path_join(path, sizeof(path), m->out, "units.csv", err);

    tempo_unit_header(&c, m->tables, m->n_tables);
    for (size_t i = 0; i < m->n; i++)
        m->parts[i].at = 0;
    for (size_t unit = 0; unit < m->n_units; unit++)
        tempo_unit_record(&c, &m->owner[unit]->x.entries[m->owner[unit]->at++], m->n_tables);
    if (st == TEMPO_OK && c.failed)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path);
    if (st == TEMPO_OK && (st = tempo_outfile_create(&to, path, err)) == TEMPO_OK) {
        if ((st = tempo_outfile_write(to, c.p, c.n, err)) == TEMPO_OK) {
            st = tempo_outfile_commit(to, err);
            to = NULL;
        }
    }
    tempo_outfile_abort(to);
    free(c.p);
    return st;
}

/* The plan of all; where machines are mixed, with what each of their keys was. */
static tempo_status merge_plan(const merging *m, tempo_err *err)
{
    char path[PATH_BYTES];
    json_t *plan = json_deep_copy(m->parts[0].plan), *mixed = json_object();
    tempo_status st = tempo_path_join(path, sizeof(path), m->out, "plan.json", err);

    for (size_t k = 0; k < sizeof(machine_keys) / sizeof(*machine_keys); k++) {
        json_t *values = json_object();
        for (size_t i = 0; i < m->n; i++)
            json_object_set_new(values, tempo_text_at(m->parts[i].plan, machine_keys[k]), json_true());
        if (json_object_size(values) > 1) {
            json_t *list = json_array();
            const char *key;
            json_t *unused;
            json_object_foreach(values, key, unused) json_array_append_new(list, json_string(key));
            json_object_set_new(mixed, machine_keys[k], list);
        }
        json_decref(values);
    }
    if (json_object_size(mixed) > 0)
        json_object_set(plan, "mixed", mixed);
    if (st == TEMPO_OK)
        st = tempo_jsonfile_save(path, plan, false, err);
    json_decref(mixed);
    json_decref(plan);
    return st;
}

static tempo_status check_out(const char *out, tempo_err *err)
{
    DIR *d;
    const struct dirent *e;
    tempo_status st = tempo_make_directory(out, err);

    if (st != TEMPO_OK)
        return st;
    if ((d = opendir(out)) == NULL)
        return tempo_fail_os(err, errno, "%s: cannot be read", out);
    while ((e = readdir(d)) != NULL && st == TEMPO_OK)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            st = tempo_fail_field(err, TEMPO_E_ARG, "out", "%s: is not empty; give a new directory", out);
    (void)closedir(d);
    return st;
}

tempo_status tempo_merge(const char *const *dirs, size_t n, const char *out, const tempo_merge_options *o,
                         tempo_err *err)
{
    merging m = {.out = out, .n = n};
    tempo_status st = tempo_options_take(&tempo_merge_options_kind, &m.o, o, err);

    if (st == TEMPO_OK && n == 0)
        st = tempo_fail_field(err, TEMPO_E_ARG, "dirs", "no shards to merge");
    if (st == TEMPO_OK && (m.parts = calloc(n, sizeof(*m.parts))) == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for %zu shards", n);
    if (st == TEMPO_OK && (st = load(&m, dirs, err)) == TEMPO_OK)
        st = check_missing(&m, err);
    for (size_t i = 0; i < m.n_tables && st == TEMPO_OK; i++)
        st = merge_table(&m, i, false, err);
    if (st == TEMPO_OK)
        st = check_out(out, err);
    for (size_t i = 0; i < m.n_tables && st == TEMPO_OK; i++)
        st = merge_table(&m, i, true, err);
    if (st == TEMPO_OK && (st = merge_index(&m, err)) == TEMPO_OK)
        st = merge_plan(&m, err); /* the last: a directory that has it is complete */
    for (size_t i = 0; m.parts != NULL && i < n; i++) {
        json_decref(m.parts[i].plan);
        tempo_unit_index_free(&m.parts[i].x);
    }
    free(m.parts);
    free(m.owner);
    return st;
}
