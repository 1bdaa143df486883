/* mean.h - what taps are on average, over the rows of many passes; docs/interventions.md describes the file. */
#ifndef TEMPO_LENS_MEAN_H
#define TEMPO_LENS_MEAN_H
#include <jansson.h>

#include "tempo.h"

typedef struct tempo_means tempo_means;

/* Of taps[n], each once.  TEMPO_E_ARG for what the model does not have, for one that has a number for each slot (rows differ in
 * how many they see) and for some heads only.  */
tempo_status tempo_means_create(tempo_means **out, const tempo_model *m, const tempo_tap_selection *taps, size_t n,
                                tempo_err *err) TEMPO_MUST_CHECK;
void tempo_means_free(tempo_means *s);
/* Of an observer of these taps: every row that it is shown counts.  In the order of the views, so that the sums do not depend on
 * batches.  Always true.  */
bool tempo_means_view(tempo_means *s, const tempo_tap_view *view);
uint64_t tempo_means_rows(const tempo_means *s);
/* Write the file, complete or not at all, in the format that the path's end names (.npz, .safetensors; else TEMPO_E_ARG).  about: an
 * object whose members stand in the metadata besides its own (borrowed).  TEMPO_E_ARG when there was no row or a pass was stopped, TEMPO_E_FORMAT when a mean is not finite.  */
tempo_status tempo_means_save(const tempo_means *s, const char *path, const json_t *about, tempo_err *err) TEMPO_MUST_CHECK;
/* The format that a path's end names; false: none. */
bool tempo_means_format(const char *path, tempo_capture_format *out);

#endif
