/* shard.h - work that is cut into units: which shard has which, what the finished ones wrote, and shards made
 * one again.
 *
 *   deal.c     units to shards, by their expected cost
 *   word.c     "I/N" and "auto": which shard a process is
 *   ledger.c   a directory to which finished units append records; it goes on where it was left
 *   index.c    its file of units, written and read
 *   merge.c    directories of shards as the one that a process alone would have written
 *
 * A directory holds
 *   plan.json   what is done, the same in all shards to the bit: what may differ between them is not in it
 *   shard.json  {"shard": I, "of": N, "units": its number}; not where there is one shard
 *   TABLE       records of the finished units, in the order of the units
 *   units.csv   a record for each finished unit: its number and, of each table, its bytes and CRC-32
 *
 * Records are appended to the tables first and then to units.csv, so that whatever moment a
 * process ends at, what units.csv says is there; what is behind it belongs to no unit and is cut off.  */
#ifndef TEMPO_SHARD_SHARD_H
#define TEMPO_SHARD_SHARD_H
#include <jansson.h>

#include "base/status.h"
#include "table/csv.h"

/* ---- deal.c ---- */
/* of[n] = the shard of each unit, 0 to shards - 1: the dearest unit first, each to the shard that has least
 * so far, of equal ones the first.  Depends on the arguments alone.  */
tempo_status tempo_shard_deal(uint32_t *of, const uint64_t *cost, size_t n, uint32_t shards,
                              tempo_err *err) TEMPO_MUST_CHECK;

/* ---- word.c ---- */
enum { TEMPO_MAX_SHARDS = 1000000 };
/* "I/N", or "auto": an array job of Slurm, a rank of MPI, a task of Slurm, or ranks in an array job, as the
 * variables of the environment say.  TEMPO_E_ARG for anything else, and where auto finds none of them.  */
tempo_status tempo_shard_parse(const char *text, const char *(*variable)(const char *name), uint32_t *shard,
                               uint32_t *of, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- ledger.c ---- */
enum { TEMPO_LEDGER_TABLES = 4 };

typedef struct tempo_ledger_plan {
    const json_t *what;                      /* an object: plan.json, but for "units" and "tables" */
    const char *tables[TEMPO_LEDGER_TABLES]; /* [n_tables] names of their files */
    tempo_csv headers[TEMPO_LEDGER_TABLES];  /* the first record of each */
    size_t n_tables;
    size_t n_units;
    const uint32_t *of; /* [n_units] the shard of each; NULL: there is one */
    uint32_t shard, n_shards;
} tempo_ledger_plan;

typedef struct tempo_ledger tempo_ledger;

/* Begin the directory, or go on with it.  TEMPO_E_ARG when it is that of another plan or shard, naming what
 * differs, or holds other files; TEMPO_E_FORMAT when it is damaged; TEMPO_E_BUSY when another process writes
 * to it.  p must outlive it.  */
tempo_status tempo_ledger_open(tempo_ledger **out, const char *dir, const tempo_ledger_plan *p,
                               tempo_err *err) TEMPO_MUST_CHECK;
/* The next unit of this shard that is not finished, SIZE_MAX when there are none.  Units rise. */
size_t tempo_ledger_next(const tempo_ledger *l);
/* Units of this shard, and those of them that are finished or added. */
size_t tempo_ledger_units(const tempo_ledger *l);
size_t tempo_ledger_done(const tempo_ledger *l);
/* Records of the next unit, one of each table; they are not in the files yet. */
tempo_status tempo_ledger_add(tempo_ledger *l, const tempo_csv *records, tempo_err *err) TEMPO_MUST_CHECK;
/* Bring what was added to the disk. */
tempo_status tempo_ledger_flush(tempo_ledger *l, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_ledger_close(tempo_ledger *l); /* what was not flushed is gone.  Takes NULL */

/* ---- index.c ---- */
typedef struct tempo_unit_entry {
    uint64_t unit;
    uint64_t bytes[TEMPO_LEDGER_TABLES];
    uint32_t crc[TEMPO_LEDGER_TABLES];
} tempo_unit_entry;

typedef struct tempo_unit_index {
    tempo_unit_entry *entries; /* [n] */
    size_t n, cap;
    uint64_t length; /* bytes of the records that are complete, the header's included */
} tempo_unit_index;

/* The header, and the record of an entry. */
void tempo_unit_header(tempo_csv *c, const char *const *tables, size_t n_tables);
void tempo_unit_record(tempo_csv *c, const tempo_unit_entry *e, size_t n_tables);
/* DIR/units.csv; a record without an end is passed over.  TEMPO_E_FORMAT, with the line, for what is none. */
tempo_status tempo_unit_index_load(tempo_unit_index *out, const char *dir, const char *const *tables,
                                   size_t n_tables, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_unit_index_free(tempo_unit_index *x); /* what it holds */
/* p->what with "units" and "tables", as plan.json has it and as numbers are once they have been through a
 * file; NULL: no memory. */
json_t *tempo_ledger_document(const tempo_ledger_plan *p);
/* The first key of which two objects differ; NULL: they are equal.  Lives as long as they do. */
const char *tempo_ledger_differ(const json_t *a, const json_t *b);
/* The CRC-32 of p[n], and of more bytes after those that gave crc. */
uint32_t tempo_crc(uint32_t crc, const void *p, size_t n);

#endif
