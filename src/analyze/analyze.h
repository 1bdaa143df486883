/* analyze.h - what captures that exist already say: two of them compared, or one looked at.
 *
 * The answer is one JSON document with every number (docs/analysis.md describes it; a number that is not
 * finite is the string "NaN", "Infinity" or "-Infinity"), and a text for people drawn from that document.  */
#ifndef TEMPO_ANALYZE_H
#define TEMPO_ANALYZE_H
#include <jansson.h>

#include "base/status.h"
#include "draw/page.h"

/* Two .npz files with attention, logits or both; what only one has is not compared.  For attention the
 * isolated one comes first; where it is the second that is blind to siblings they are exchanged, with a
 * warning. parallel_sets.json beside both, where there is one, says from where on their contexts differ.
 * *out: json_decref it; NULL on failure.  TEMPO_E_FORMAT if they have nothing in common or come from models
 * of different shape.  */
tempo_status tempo_analyze_pair(json_t **out, const char *a, const char *b, tempo_err *err) TEMPO_MUST_CHECK;

/* A directory: one capture (attention_weights, logits_distributions, each .npz or .safetensors), or
 * sub-directories with one each, the arms of an experiment, of which `isolated` (else the first by name) is
 * compared with every other. TEMPO_E_NOTFOUND when there is no capture in it.  */
tempo_status tempo_analyze_dir(json_t **out, const char *dir, tempo_err *err) TEMPO_MUST_CHECK;

/* The document as a text that the caller frees; NULL without memory. */
char *tempo_analyze_text(const json_t *report, const tempo_page_style *style);
/* Write it to path, complete or not at all. */
tempo_status tempo_analyze_save(const char *path, const char *text, tempo_err *err) TEMPO_MUST_CHECK;

#endif
