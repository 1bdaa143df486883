/* json.h - JSON from outside, through jansson, with the bounds that it does not have.
 *
 * Before jansson sees the text, one pass bounds nesting (TEMPO_JSON_MAX_DEPTH) and the memory
 * that the tree would take (16 bytes for a byte of text, plus 64 MiB).  Duplicate keys are errors.  */
#ifndef TEMPO_IO_JSON_H
#define TEMPO_IO_JSON_H
#include <jansson.h>

#include "base/status.h"

enum { TEMPO_JSON_MAX_DEPTH = 64, TEMPO_JSON_MAX_BYTES = 1 << 28 };

/* text[n] -> *out (json_decref it).  TEMPO_E_FORMAT or TEMPO_E_LIMIT with the byte offset. */
tempo_status tempo_json_parse(json_t **out, const char *text, uint64_t n, tempo_err *err) TEMPO_MUST_CHECK;
/* The same for a whole file; messages begin with its path. */
tempo_status tempo_json_load(json_t **out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;

/* Typed members of an object.  Missing or null: TEMPO_E_NOTFOUND without a message.  Wrong type or
 * out of range: TEMPO_E_FORMAT, naming the key and what was expected.  *out untouched on failure.
 * f64 takes integers too.  Strings are borrowed from the tree.  */
tempo_status tempo_json_u64(const json_t *obj, const char *key, uint64_t max, uint64_t *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_json_f64(const json_t *obj, const char *key, double *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_json_bool(const json_t *obj, const char *key, bool *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_json_str(const json_t *obj, const char *key, const char **out, tempo_err *err) TEMPO_MUST_CHECK;

#endif
