/* array_file.h - named arrays of numbers in one file, whichever format it has: .npz, safetensors, or
 * .npy, which is one array called TEMPO_NPY_NAME.
 *
 * The format is seen from the first bytes, not from the name.  Arrays come as the type that the caller wants:
 * floats of any size as float or double, integers of any size (and truth values) as int64.  Files come from
 * anywhere: npz.h, safetensors.h say what is checked; messages name the array and not the file.  */
#ifndef TEMPO_IO_ARRAY_FILE_H
#define TEMPO_IO_ARRAY_FILE_H
#include "io/npz.h"

typedef struct tempo_array_file tempo_array_file;

/* TEMPO_E_NOTFOUND, TEMPO_E_IO, TEMPO_E_FORMAT; messages begin with the path. */
tempo_status tempo_array_file_open(tempo_array_file **out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
/* base[size], which must stay for as long as the file. */
tempo_status tempo_array_file_parse(tempo_array_file **out, const unsigned char *base, uint64_t size,
                                    tempo_err *err) TEMPO_MUST_CHECK;
void tempo_array_file_free(tempo_array_file *f); /* takes NULL */

size_t tempo_array_file_count(const tempo_array_file *f);
const char *tempo_array_file_name(const tempo_array_file *f, size_t i);

/* One array as `type`: F32, F64 or I64.  Narrower floats widen exactly, F64 as F32 is rounded to nearest.
 * TEMPO_E_NOTFOUND; TEMPO_E_FORMAT for elements that are no such numbers (text, floats for I64, an integer
 * above its range); TEMPO_E_LIMIT when the elements, as they are in the file or as they become, take more
 * than max_bytes. Free *out with tempo_npy_free; it is {0} on failure.  */
tempo_status tempo_array_read(const tempo_array_file *f, const char *name, tempo_npy_type type,
                              uint64_t max_bytes, tempo_npy *out, tempo_err *err) TEMPO_MUST_CHECK;
/* Type as in the file, shape and count; out->data is NULL. */
tempo_status tempo_array_shape(const tempo_array_file *f, const char *name, tempo_npy *out,
                               tempo_err *err) TEMPO_MUST_CHECK;
/* The elements where they lie in the file, borrowed from f.  TEMPO_E_UNSUPPORTED: they do not lie there as
 * `type` does in memory (another type or byte order, packed, not aligned), so that only reading gives them.
 */
tempo_status tempo_array_view(const tempo_array_file *f, const char *name, tempo_npy_type type,
                              tempo_npy *out, const void **data, tempo_err *err) TEMPO_MUST_CHECK;

/* A text (a unicode scalar of an .npz, a value of __metadata__), UTF-8, malloc'd, of at most max_bytes.
 * TEMPO_E_NOTFOUND; TEMPO_E_UNSUPPORTED: what stands there only pickle could read.  */
tempo_status tempo_array_file_text(const tempo_array_file *f, const char *name, uint64_t max_bytes,
                                   char **out, tempo_err *err) TEMPO_MUST_CHECK;

#endif
