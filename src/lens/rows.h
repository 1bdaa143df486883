/* rows.h - the rows of a capture on disk, of which a lens can be had. */
#ifndef TEMPO_LENS_ROWS_H
#define TEMPO_LENS_ROWS_H
#include "tempo.h"

typedef struct tempo_rows tempo_rows;

typedef struct tempo_rows_row {
    size_t slot;
    int64_t step;  /* that read it; -1: a row of the prompt that no step read */
    int32_t token; /* -1: not known */
} tempo_rows_row;

/* The taps of the capture in dir (taps.npz or taps.safetensors, and results.json for the tokens, if there is one), made with model
 * m.  TEMPO_E_NOTFOUND, naming the arms, where dir holds those of several; TEMPO_E_FORMAT for what is no capture of this model.  */
tempo_status tempo_rows_open(tempo_rows **out, const char *dir, const tempo_model *m, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_rows_free(tempo_rows *c);
/* [n] in the order of their slots. */
const tempo_rows_row *tempo_rows_list(const tempo_rows *c, size_t *n);
/* TEMPO_E_NOTFOUND, saying what --record would have to say, unless there is all that a residual stream with that `keep` is read
 * for: the lens needs the last layer's resid_post, attribution (TEMPO_RESIDUAL_PARTS) all of it.  */
tempo_status tempo_rows_check(const tempo_rows *c, unsigned keep, tempo_err *err) TEMPO_MUST_CHECK;
/* Rows rows[n] of the list as rows 0, 1, ... of r. */
tempo_status tempo_rows_read(const tempo_rows *c, const size_t *rows, size_t n, tempo_residual *r, tempo_err *err) TEMPO_MUST_CHECK;

#endif
