/* json.h - JSON from outside: read here, kept as jansson's tree, with bounds on memory, nesting and time.
 *
 * Files are read as Python's json reads them, for its writers wrote most of them: integers beyond 64 bits are the nearest
 * double; NaN, Infinity and -Infinity are numbers, as is what overflows; of two members with one key the last counts, in
 * the place of the first; a string may hold NUL, and half a surrogate pair is U+FFFD.  A byte order mark is passed over.
 * What is not finite has no place in jansson's tree: it is a string that no other text equals (tempo_json_f64 knows it).
 *
 * Requests are read strictly: two equal keys, NaN and the like are errors; a large integer is a double here, too, so that
 * its field can say which range it has.
 *
 * Nesting is bounded, and so is the tree's memory: 16 bytes for a byte of text, plus 64 MiB (of a request: 4 MiB).  */
#ifndef TEMPO_IO_JSON_H
#define TEMPO_IO_JSON_H
#include <jansson.h>

#include "base/status.h"

enum {
    TEMPO_JSON_MAX_DEPTH = 64,       /* of requests */
    TEMPO_JSON_MAX_FILE_DEPTH = 512, /* Python's json goes to about 1000, files to 20; threads have 1 MB of stack */
    TEMPO_JSON_MAX_BYTES = 1 << 28,
};

/* text[n], from a file -> *out (json_decref it).  TEMPO_E_FORMAT or TEMPO_E_LIMIT with the byte offset. */
tempo_status tempo_json_parse(json_t **out, const char *text, uint64_t n, tempo_err *err) TEMPO_MUST_CHECK;
/* The same for a request. */
tempo_status tempo_json_parse_strict(json_t **out, const char *text, uint64_t n, tempo_err *err) TEMPO_MUST_CHECK;
/* A whole file; messages begin with its path. */
tempo_status tempo_json_load(json_t **out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;

/* Typed members of an object.  Missing or null: TEMPO_E_NOTFOUND without a message.  Wrong type or
 * out of range: TEMPO_E_FORMAT, naming the key and what was expected.  *out untouched on failure.
 * u64 takes whole numbers however they are written (3.0, 1e3).  f64 takes integers too, and gives NaN and infinities:
 * which numbers will do is for its caller to say.  Strings are borrowed from the tree.  */
tempo_status tempo_json_u64(const json_t *obj, const char *key, uint64_t max, uint64_t *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_json_f64(const json_t *obj, const char *key, double *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_json_bool(const json_t *obj, const char *key, bool *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_json_str(const json_t *obj, const char *key, const char **out, tempo_err *err) TEMPO_MUST_CHECK;
/* What v is, for messages: "an object", "a string", "an integer" ... */
const char *tempo_json_type_name(const json_t *v);

/* The tree as compact text for free(), each real in the fewest digits that read back as it: what someone wrote as 3.1 is
 * told as 3.1.  NULL: no memory, or v was NULL.  */
char *tempo_json_print(const json_t *v);

/* Is v NaN or an infinity?  *out, where it is; may be NULL. */
bool tempo_json_not_finite(const json_t *v, double *out);

#if JANSSON_VERSION_HEX < 0x020e00 /* keys end at a NUL there */
#define json_object_keylen_foreach(object, key, n, value)                                                              \
    for (key = json_object_iter_key(json_object_iter(object)), n = key != NULL ? strlen(key) : 0;                      \
         key != NULL && (value = json_object_iter_value(json_object_key_to_iter(key))) != NULL;                        \
         key = json_object_iter_key(json_object_iter_next(object, json_object_key_to_iter(key))),                      \
        n = key != NULL ? strlen(key) : 0)
#endif

#endif
