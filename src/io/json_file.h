/* json_file.h - JSON documents and lines of JSON as files that appear complete or not at all; numbers keep every bit. */
#ifndef TEMPO_IO_JSON_FILE_H
#define TEMPO_IO_JSON_FILE_H
#include <jansson.h>

#include "base/status.h"

/* A number that is no integer: every one that we write is made here (lint_json).  JSON has no infinities and no NaN: what
 * is not finite, such as a ratio to nothing or an interval of one value, is null.  NULL only without memory.  */
json_t *tempo_json_number(double x);
/* Any bytes as a string: what is not UTF-8 becomes U+FFFD.  NULL only without memory. */
json_t *tempo_json_bytes(const char *s, size_t n);

/* Write a document, indented unless compact, with a newline at its end.  TEMPO_E_NOMEM when doc is NULL: a document that could not be
 * made.  The document stays the caller's.  */
tempo_status tempo_jsonfile_save(const char *path, const json_t *doc, bool compact, tempo_err *err) TEMPO_MUST_CHECK;

/* One document a line, streamed. */
typedef struct tempo_jsonlines tempo_jsonlines;
tempo_status tempo_jsonlines_create(tempo_jsonlines **out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_jsonlines_add(tempo_jsonlines *l, const json_t *doc, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_jsonlines_commit(tempo_jsonlines *l, tempo_err *err) TEMPO_MUST_CHECK; /* frees l on every path */
void tempo_jsonlines_abort(tempo_jsonlines *l);                                           /* takes NULL */

#endif
