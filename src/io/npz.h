/* npz.h - NumPy arrays: .npy files and .npz archives (zip with zip64).
 *
 * Writing: entries are stored (not deflated), data aligned to 64 bytes in the file, streamed, the
 * archive appears complete or not at all (outfile.h).  Reading: stored and deflated entries.
 * Source: the NPY 1.0 format in NumPy's documentation; APPNOTE.TXT for zip.  */
#ifndef TEMPO_IO_NPZ_H
#define TEMPO_IO_NPZ_H
#include "base/status.h"

enum { TEMPO_NPY_MAX_DIMS = 8, TEMPO_NPZ_MAX_NAME = 255 };

typedef enum tempo_npy_type {
    TEMPO_NPY_F32,
    TEMPO_NPY_F64,
    TEMPO_NPY_I32,
    TEMPO_NPY_I64,
    TEMPO_NPY_U8,
    TEMPO_NPY_BOOL,
    TEMPO_NPY_F16,
    TEMPO_NPY_I8,
    TEMPO_NPY_I16,
    TEMPO_NPY_U16,
    TEMPO_NPY_U32,
    TEMPO_NPY_U64,
    TEMPO_NPY_BF16,    /* NumPy has none: of safetensors alone */
    TEMPO_NPY_UNICODE, /* '<U<n>': UTF-32 little-endian */
} tempo_npy_type;

typedef struct tempo_npz_writer tempo_npz_writer;
tempo_status tempo_npz_create(tempo_npz_writer **out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
/* Add one array in C order, of any type but UNICODE and BF16.  shape[n_dims], n_dims 0 = scalar.  name
 * without ".npy". */
tempo_status tempo_npz_add(tempo_npz_writer *w, const char *name, tempo_npy_type type, const uint64_t *shape,
                           unsigned n_dims, const void *data, tempo_err *err) TEMPO_MUST_CHECK;
/* A unicode scalar from UTF-8 text. */
tempo_status tempo_npz_add_text(tempo_npz_writer *w, const char *name, const char *utf8,
                                tempo_err *err) TEMPO_MUST_CHECK;
/* Bytes written so far. */
uint64_t tempo_npz_pos(const tempo_npz_writer *w);
/* Finish; frees w on every path. */
tempo_status tempo_npz_commit(tempo_npz_writer *w, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_npz_abort(tempo_npz_writer *w); /* takes NULL */

typedef struct tempo_npy {
    tempo_npy_type type;
    uint32_t n_dims;
    uint64_t shape[TEMPO_NPY_MAX_DIMS];
    uint64_t count;      /* elements */
    uint32_t item_bytes; /* bytes of one element */
    void *data;          /* malloc'd [count * item_bytes], native order, C order */
} tempo_npy;
void tempo_npy_free(tempo_npy *a);

#define TEMPO_NPY_NAME "arr_0" /* as NumPy calls an array that nobody named */

typedef struct tempo_npz tempo_npz;
tempo_status tempo_npz_open(tempo_npz **out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_npz_parse(tempo_npz **out, const unsigned char *base, uint64_t size,
                             tempo_err *err) TEMPO_MUST_CHECK;
/* The bytes of a .npy file, as an archive with one array, TEMPO_NPY_NAME. */
tempo_status tempo_npz_parse_npy(tempo_npz **out, const unsigned char *base, uint64_t size,
                                 tempo_err *err) TEMPO_MUST_CHECK;
void tempo_npz_free(tempo_npz *z);
size_t tempo_npz_count(const tempo_npz *z);
const char *tempo_npz_name(const tempo_npz *z, size_t i); /* without ".npy" */
/* Read one array.  TEMPO_E_NOTFOUND, or TEMPO_E_FORMAT with the offset in the archive; object arrays
 * and Fortran order are TEMPO_E_UNSUPPORTED; memory is bounded by max_bytes (TEMPO_E_LIMIT).  */
tempo_status tempo_npz_read(const tempo_npz *z, const char *name, uint64_t max_bytes, tempo_npy *out,
                            tempo_err *err) TEMPO_MUST_CHECK;
/* The same without the elements: type and shape, from the array's header alone (of a deflated entry no more
 * is unpacked). out->data is NULL.  The checksum is not verified, and elements of another byte order are told
 * like any. */
tempo_status tempo_npz_shape(const tempo_npz *z, const char *name, tempo_npy *out,
                             tempo_err *err) TEMPO_MUST_CHECK;
/* The same without reading: *data are the elements where they lie in the archive (a mapped file, so that only
 * the pages that are touched come into memory), borrowed from z; out->data is NULL.  The checksum is not
 * verified. TEMPO_E_UNSUPPORTED: the entry is deflated, of the other byte order, or its elements are not
 * aligned.  */
tempo_status tempo_npz_view(const tempo_npz *z, const char *name, tempo_npy *out, const void **data,
                            tempo_err *err) TEMPO_MUST_CHECK;

#endif
