/* parts.h - the parts of an analysis; analyze.h is for others. */
#ifndef TEMPO_ANALYZE_PARTS_H
#define TEMPO_ANALYZE_PARTS_H
#include "analyze/analyze.h"
#include "capture/steps.h"
#include "capture/tap_steps.h"

/* A number for JSON: not finite ones as strings. */
json_t *tempo_analyze_number(double x);
/* v[n] as an array; v[rows, columns] as an array of arrays. */
json_t *tempo_analyze_numbers(const double *v, size_t n);
json_t *tempo_json_matrix(const double *v, size_t n_rows, size_t n_columns);

/* Compare the steps that both have.  `parted`: the step whose sets differ, from which on rows of later steps
 * have different contexts and stay out of the means; UINT32_MAX for none known.  Warnings go to the array.  */
tempo_status tempo_compare_attention(json_t **out, const tempo_steps *a, const tempo_steps *b, uint32_t parted,
                                     json_t *warnings, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_compare_logits(json_t **out, const tempo_steps *a, const tempo_steps *b, uint32_t parted,
                                  tempo_err *err) TEMPO_MUST_CHECK;

/* One capture: attention on siblings, positions within sets.  `positions`: rope_positions.json, or NULL. */
tempo_status tempo_look_at_attention(json_t **out, const tempo_steps *s, const json_t *positions,
                                     tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_look_at_logits(json_t **out, const tempo_steps *s, tempo_err *err) TEMPO_MUST_CHECK;

/* Taps, as a list by tap and layer. */
tempo_status tempo_compare_taps(json_t **out, const tempo_tap_steps *a, const tempo_tap_steps *b, uint32_t parted,
                                tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_look_at_taps(json_t **out, const tempo_tap_steps *s, tempo_err *err) TEMPO_MUST_CHECK;

#endif
