/* npy_rows.c - see npy_rows.h. */
#include "io/npy_rows.h"

#include <assert.h>
#include <stdlib.h>

#include "io/npy.h"
#include "io/outfile.h"

struct tempo_npy_rows {
    tempo_outfile *file;
    uint64_t left, n_columns; /* left: rows to come */
};

tempo_status tempo_npy_rows_create(tempo_npy_rows **out, const char *path, uint64_t n_rows,
                                   uint64_t n_columns, tempo_err *err)
{
    const uint64_t shape[] = {n_rows, n_columns};
    const unsigned first = n_rows == 0;
    unsigned char header[TEMPO_NPY_HEADER_BYTES];
    uint64_t bytes;
    tempo_status st;

    *out = NULL;
    if (!tempo_npy_data_bytes(TEMPO_NPY_F32, shape + first, 2 - first, &bytes))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: the shape's product overflows", path);
    tempo_npy_rows *f = malloc(sizeof(*f));
    if (f == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path);
    *f = (tempo_npy_rows){.left = n_rows + first, .n_columns = n_columns};
    const size_t n = tempo_npy_put_header(header, TEMPO_NPY_F32, 0, shape + first, 2 - first);
    if ((st = tempo_outfile_create(&f->file, path, err)) != TEMPO_OK ||
        (st = tempo_outfile_write(f->file, header, n, err)) != TEMPO_OK) {
        tempo_npy_rows_abort(f);
        return st;
    }
    *out = f;
    return TEMPO_OK;
}

tempo_status tempo_npy_rows_add(tempo_npy_rows *f, const float *row, tempo_err *err)
{
    assert(f->left > 0);
    f->left--;
    return tempo_outfile_write(f->file, row, (size_t)f->n_columns * sizeof(*row), err);
}

bool tempo_npy_rows_full(const tempo_npy_rows *f)
{
    return f->left == 0;
}

tempo_status tempo_npy_rows_commit(tempo_npy_rows *f, tempo_err *err)
{
    assert(f->left == 0);
    tempo_outfile *file = f->file;
    free(f);
    return tempo_outfile_commit(file, err);
}

void tempo_npy_rows_abort(tempo_npy_rows *f)
{
    if (f == NULL)
        return;
    tempo_outfile_abort(f->file);
    free(f);
}
