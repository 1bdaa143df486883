/* npy_rows.h - rows of float32 to a NumPy .npy file, one after another: as many as there are need no memory. */
#ifndef TEMPO_IO_NPY_ROWS_H
#define TEMPO_IO_NPY_ROWS_H
#include "base/status.h"

typedef struct tempo_npy_rows tempo_npy_rows;

/* An array of the shape [n_columns] (n_rows 0: one row) or [n_rows, n_columns].  The file appears with _commit, whole. */
tempo_status tempo_npy_rows_create(tempo_npy_rows **out, const char *path, uint64_t n_rows, uint64_t n_columns,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* row[n_columns]; no more than there are to be. */
tempo_status tempo_npy_rows_add(tempo_npy_rows *f, const float *row, tempo_err *err) TEMPO_MUST_CHECK;
bool tempo_npy_rows_full(const tempo_npy_rows *f); /* that was the last row */
/* After the last row.  Frees f on every path. */
tempo_status tempo_npy_rows_commit(tempo_npy_rows *f, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_npy_rows_abort(tempo_npy_rows *f); /* takes NULL */

#endif
