/* yaml.h - a YAML document as a small immutable tree whose every key and value knows its line and column.
 *
 * YAML 1.2 core schema, through libyaml's events: null, true/false, integers (decimal, 0x, 0o), floats; everything
 * else and whatever is quoted is text.  Refused, by name: anchors, aliases, tags, several documents, keys that are
 * not plain scalars, duplicate keys, NUL in a text, and what exceeds the bounds below.
 *
 * Messages read NAME:LINE:COLUMN: what, counted from 1, columns in characters.
 *
 * A document keeps its errors: whoever reads one goes on after an error, so that a person sees all of them at once, and
 * asks tempo_yaml_settle in the end.  A value that is wrong leaves what it was to fill as it is.  */
#ifndef TEMPO_YAML_H
#define TEMPO_YAML_H
#include "base/status.h"

enum {
    TEMPO_YAML_MAX_BYTES = 1 << 20, /* of a file */
    TEMPO_YAML_MAX_DEPTH = 16,      /* lists and maps inside one another */
    TEMPO_YAML_MAX_NODES = 1 << 16, /* values, lists and maps of a document */
    TEMPO_YAML_MAX_KEYS = 256,      /* of one map */
    TEMPO_YAML_MAX_SCALAR = 1 << 16, /* bytes of one text */
    TEMPO_YAML_MAX_ERRORS = 64,      /* that are told; more are counted */
};

typedef enum tempo_yaml_kind {
    TEMPO_YAML_NULL = 0,
    TEMPO_YAML_BOOL,
    TEMPO_YAML_INT,
    TEMPO_YAML_FLOAT,
    TEMPO_YAML_STR,
    TEMPO_YAML_LIST,
    TEMPO_YAML_MAP,
} tempo_yaml_kind;

typedef struct tempo_yaml tempo_yaml;

/* Whom errors of a file are told to, each once, in the order in which they stand in it. */
typedef struct tempo_yaml_tell {
    void *user;
    void (*error)(void *user, const char *text);
} tempo_yaml_tell;

/* Borrowed from the document.  A list's items and a map's members are first, first->next, ... in file order. */
typedef struct tempo_yaml_node {
    tempo_yaml *doc;
    tempo_yaml_kind kind;
    uint32_t line, column;         /* of the value, from 1 */
    uint32_t key_line, key_column; /* of a member's key */
    const char *key;               /* a member's key, else NULL */
    const char *label;             /* the key in messages: of an item its list's */
    const char *text;              /* a scalar as the file spells it, after unquoting; "" for lists and maps */
    size_t n;                      /* bytes of text, items of a list, members of a map */
    double f64;                    /* INT and FLOAT; an INT beyond 2^53 is rounded */
    uint64_t u64;                  /* INT from 0 to 2^64-1, when `fits` */
    bool fits;
    bool flag; /* BOOL */
    const struct tempo_yaml_node *first, *next;
} tempo_yaml_node;

/* text[n] -> *out.  `name` stands in front of messages and is copied.  A duplicate key is an error that the document keeps, and
 * its first value holds.  TEMPO_E_FORMAT, TEMPO_E_UNSUPPORTED (anchors,
 * aliases, tags, several documents) or TEMPO_E_LIMIT, with line and column in the message, or with the byte offset
 * where the bytes are not UTF-8; TEMPO_E_NOMEM.  On failure *out is NULL.  */
tempo_status tempo_yaml_parse(tempo_yaml **out, const char *name, const void *text, size_t n,
                              tempo_err *err) TEMPO_MUST_CHECK;
/* The bytes of a file of at most TEMPO_YAML_MAX_BYTES, malloc'd: what the readers of experiments, hypotheses and
 * prompts parse and hash.  *bytes is NULL on failure.  */
tempo_status tempo_yaml_read_file(const char *path, char **bytes, size_t *n, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_yaml_free(tempo_yaml *y);

const tempo_yaml_node *tempo_yaml_root(const tempo_yaml *y); /* never NULL; an empty document is NULL's kind */
const char *tempo_yaml_name(const tempo_yaml *y);

/* The member of a map, or NULL. */
const tempo_yaml_node *tempo_yaml_get(const tempo_yaml_node *map, const char *key);

/* TEMPO_E_FORMAT, at the value, "NAME:LINE:COLUMN: KEY: " and the message; or at the key, without "KEY: ".  The document
 * keeps the error, err the first one.  */
tempo_status tempo_yaml_fail(tempo_err *err, const tempo_yaml_node *at, const char *fmt, ...) TEMPO_PRINTF(3, 4);
tempo_status tempo_yaml_fail_key(tempo_err *err, const tempo_yaml_node *at, const char *fmt, ...) TEMPO_PRINTF(3, 4);
/* The same, TEMPO_E_UNSUPPORTED, for what is right and not built: a text of any length. */
tempo_status tempo_yaml_fail_unbuilt(tempo_err *err, const tempo_yaml_node *at, const char *text);

/* Two readings of which both shall be made: the first failure. */
static inline tempo_status tempo_yaml_both(tempo_status a, tempo_status b)
{
    return a != TEMPO_OK ? a : b;
}

/* Keep an error: for yaml.c and yaml_get.c. */
void tempo_yaml_keep(tempo_yaml *y, tempo_status code, uint32_t line, uint32_t column, const char *text);

/* What came of reading: `st` and `why` of who read, and the errors that y (may be NULL) has kept.  Without any it is TEMPO_OK or
 * that failure, as it stands in why.  tell (may be NULL) is told every error; err gets the only one, "NAME: N errors" when all
 * were told, else the first and how many more there are.  */
tempo_status tempo_yaml_settle(tempo_yaml *y, tempo_status st, const tempo_err *why, const tempo_yaml_tell *tell,
                               tempo_err *err) TEMPO_MUST_CHECK;

/* `node` is a map all of whose keys are among known (NULL-terminated).  Each other one is an error that names the nearest
 * known key, by Damerau-Levenshtein distance, if one is near.  */
tempo_status tempo_yaml_check_keys(const tempo_yaml_node *node, const char *const *known, tempo_err *err) TEMPO_MUST_CHECK;

/* Typed members.  A missing key is TEMPO_OK and leaves *out as it is, so that *out begins as the default; null and
 * every other type are TEMPO_E_FORMAT: "'abc' is not a number above 0 and at most 1".  Texts are borrowed.  */
typedef struct tempo_yaml_range {
    double low, high; /* both included; infinite = no limit */
    bool above_low;   /* low itself is not included */
} tempo_yaml_range;

tempo_status tempo_yaml_f64(const tempo_yaml_node *map, const char *key, tempo_yaml_range range, double *out,
                            tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_yaml_u64(const tempo_yaml_node *map, const char *key, uint64_t low, uint64_t high, uint64_t *out,
                            tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_yaml_size(const tempo_yaml_node *map, const char *key, size_t low, size_t high, size_t *out,
                             tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_yaml_bool(const tempo_yaml_node *map, const char *key, bool *out, tempo_err *err) TEMPO_MUST_CHECK;
/* A text that is not empty.  Numbers and true/false must be quoted to be texts. */
tempo_status tempo_yaml_str(const tempo_yaml_node *map, const char *key, const char **out, tempo_err *err) TEMPO_MUST_CHECK;
/* One of the names in "isolated|visible|causal"; *out is its index. */
tempo_status tempo_yaml_choice(const tempo_yaml_node *map, const char *key, const char *names, unsigned *out,
                               tempo_err *err) TEMPO_MUST_CHECK;

/* Lists of 1 to `most` such values in the caller's array; *n stays as it is when the key is missing. */
tempo_status tempo_yaml_f64_list(const tempo_yaml_node *map, const char *key, tempo_yaml_range range, double *out,
                                 size_t most, size_t *n, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_yaml_size_list(const tempo_yaml_node *map, const char *key, size_t low, size_t high, size_t *out,
                                  size_t most, size_t *n, tempo_err *err) TEMPO_MUST_CHECK;
/* The list itself, of 1 to `most` items of one kind (TEMPO_YAML_STR: texts that are not empty), or NULL if missing. */
tempo_status tempo_yaml_list(const tempo_yaml_node *map, const char *key, tempo_yaml_kind items, size_t most,
                             const tempo_yaml_node **out, tempo_err *err) TEMPO_MUST_CHECK;

#endif
