/* json_out.h - documents that studies write. */
#ifndef TEMPO_FILES_JSON_OUT_H
#define TEMPO_FILES_JSON_OUT_H
#include <jansson.h>

#include "io/json_at.h"
#include "io/json_file.h"
#include "io/outfile.h"

/* x[n] as an array of tempo_json_number. */
json_t *tempo_json_numbers(const double *x, size_t n);
/* [lo, hi], each as such. */
json_t *tempo_json_interval(double lo, double hi);

/* Write a document to path, complete or not at all; doubles come back as they were.  A NULL document is
 * TEMPO_E_NOMEM; the reference to it is taken on every path.  */
tempo_status tempo_json_save(const char *path, json_t *document, bool compact, tempo_err *err) TEMPO_MUST_CHECK;
/* The same for text[n]. */
tempo_status tempo_text_save(const char *path, const char *text, size_t n, tempo_err *err) TEMPO_MUST_CHECK;

#endif
