/* index.c - units.csv: which units are finished, and which bytes of the tables are theirs. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "io/outfile.h"
#include "shard/shard.h"

enum { RECORD = 32 * (2 * TEMPO_LEDGER_TABLES + 1) };

uint32_t tempo_crc(uint32_t crc, const void *p, size_t n)
{
    return (uint32_t)crc32_z(crc, p, n);
}

void tempo_unit_header(tempo_csv *c, const char *const *tables, size_t n_tables)
{
    char name[96];

    tempo_csv_word(c, "unit");
    for (size_t i = 0; i < n_tables; i++) {
        const int n = (int)strcspn(tables[i], ".");
        (void)snprintf(name, sizeof(name), "%.*s_bytes", n, tables[i]);
        tempo_csv_word(c, name);
        (void)snprintf(name, sizeof(name), "%.*s_crc32", n, tables[i]);
        tempo_csv_word(c, name);
    }
    tempo_csv_end(c);
}

void tempo_unit_record(tempo_csv *c, const tempo_unit_entry *e, size_t n_tables)
{
    tempo_csv_int(c, (int64_t)e->unit);
    for (size_t i = 0; i < n_tables; i++) {
        tempo_csv_int(c, (int64_t)e->bytes[i]);
        tempo_csv_int(c, (int64_t)e->crc[i]);
    }
    tempo_csv_end(c);
}

/* ---- reading ---- */

static bool read_number(const char **p, uint64_t max, char end, uint64_t *out)
{
    char *after;

    if (!isdigit((unsigned char)**p))
        return false;
    errno = 0;
    *out = strtoull(*p, &after, 10);
    if (errno != 0 || *after != end || *out > max)
        return false;
    *p = after + 1;
    return true;
}

static bool read_entry(tempo_unit_entry *e, const char *p, size_t n_tables)
{
    uint64_t crc = 0;
    bool good = read_number(&p, INT64_MAX, n_tables > 0 ? ',' : '\r', &e->unit);

    for (size_t i = 0; i < n_tables && good; i++) {
        good = read_number(&p, INT64_MAX, ',', &e->bytes[i]) &&
               read_number(&p, UINT32_MAX, i + 1 < n_tables ? ',' : '\r', &crc);
        e->crc[i] = (uint32_t)crc;
    }
    return good && *p == '\n';
}

static tempo_status add_entry(tempo_unit_index *x, const tempo_unit_entry *e, tempo_err *err)
{
    if (x->n == x->cap) {
        const size_t cap = x->cap == 0 ? 256 : 2 * x->cap;
        tempo_unit_entry *more = realloc(x->entries, cap * sizeof(*more));
        if (more == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for %zu units", cap);
        x->entries = more;
        x->cap = cap;
    }
    x->entries[x->n++] = *e;
    return TEMPO_OK;
}

static tempo_status read_records(tempo_unit_index *x, FILE *f, const char *path, const tempo_csv *header,
                                 size_t n_tables, tempo_err *err)
{
    char line[RECORD];
    tempo_status st = TEMPO_OK;

    for (size_t number = 1; st == TEMPO_OK && fgets(line, sizeof(line), f) != NULL; number++) {
        const size_t n = strlen(line);
        tempo_unit_entry e = {0};
        if (n == 0 || line[n - 1] != '\n') {
            if (!feof(f))
                st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: line %zu is no record of a unit",
                                path, number);
            break;
        }
        if (number == 1 && (n != header->n || memcmp(line, header->p, n) != 0))
            st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: line 1, expected %.*s", path,
                            (int)header->n - 2, header->p);
        else if (number > 1 && !read_entry(&e, line, n_tables))
            st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: line %zu is no record of a unit", path,
                            number);
        else if (number > 1)
            st = add_entry(x, &e, err);
        x->length += n;
    }
    if (st == TEMPO_OK && ferror(f))
        st = tempo_fail_os(err, errno, "%s: cannot be read", path);
    return st;
}

tempo_status tempo_unit_index_load(tempo_unit_index *out, const char *dir, const char *const *tables,
                                   size_t n_tables, tempo_err *err)
{
    char path[4096];
    tempo_csv header = {0};
    tempo_status st;

    *out = (tempo_unit_index){0};
    if ((st = tempo_path_join(path, sizeof(path), dir, "units.csv", err)) != TEMPO_OK)
        return st;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return tempo_fail_os(err, errno, "%s: cannot be opened", path);
    tempo_unit_header(&header, tables, n_tables);
    st = header.failed ? tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path)
                       : read_records(out, f, path, &header, n_tables, err);
    free(header.p);
    (void)fclose(f);
    if (st != TEMPO_OK)
        tempo_unit_index_free(out);
    return st;
}

void tempo_unit_index_free(tempo_unit_index *x)
{
    free(x->entries);
    *x = (tempo_unit_index){0};
}
