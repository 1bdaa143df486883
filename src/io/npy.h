/* npy.h - the header of a NumPy array, written and read; the arrays themselves: npz.h.
 * Source: the NPY format, versions 1.0 to 3.0, in NumPy's documentation (numpy.lib.format).  */
#ifndef TEMPO_IO_NPY_H
#define TEMPO_IO_NPY_H
#include "io/npz.h"

enum {
    TEMPO_NPY_HEADER_BYTES = 384, /* room for any header that we write */
    TEMPO_NPY_PRELUDE_BYTES = 8,  /* magic and version */
    TEMPO_NPY_MAX_TEXT = 1 << 16, /* of a header that we read */
};

/* Bytes of one element; for TEMPO_NPY_UNICODE of one character. */
uint32_t tempo_npy_type_bytes(tempo_npy_type type);

/* F16, BF16, F32 or F64 */
bool tempo_npy_is_float(tempo_npy_type type);

/* Put the header of an array to out[TEMPO_NPY_HEADER_BYTES]; its length is a multiple of 64, and returned.
 * n_dims <= TEMPO_NPY_MAX_DIMS.  length: characters of an element, for TEMPO_NPY_UNICODE only.  */
size_t tempo_npy_put_header(unsigned char *out, tempo_npy_type type, uint32_t length, const uint64_t *shape,
                            unsigned n_dims);

/* Bytes of an array, header not included; false when they overflow. */
bool tempo_npy_data_bytes(tempo_npy_type type, const uint64_t *shape, unsigned n_dims, uint64_t *out);

/* Magic and version -> how many bytes the length of the text has, 2 or 4.  `at`: offset for messages. */
tempo_status tempo_npy_parse_prelude(const unsigned char *prelude, uint64_t at, unsigned *length_bytes,
                                     tempo_err *err) TEMPO_MUST_CHECK;
/* text[n], the Python literal -> type, n_dims, shape, count and item_bytes of *out; *swapped: the elements
 * are big-endian.  Offsets in messages are `at`, plus the place in the text when `exact`.
 * TEMPO_E_UNSUPPORTED for objects, other types, Fortran order, more than TEMPO_NPY_MAX_DIMS dimensions.  */
tempo_status tempo_npy_parse_text(const char *text, size_t n, uint64_t at, bool exact, tempo_npy *out,
                                  bool *swapped, tempo_err *err) TEMPO_MUST_CHECK;

#endif
