/* npy.c - headers of NumPy arrays as we write them, and the .npy file.  Reading: npy_parse.c. */
#include "io/npy.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/outfile.h"

enum { HEADER_ALIGN = 64, LENGTH_AT = 8, TEXT_AT = 10 };

/* We write the bytes of our own numbers and call them little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays would have to be swapped on the way out");

uint32_t tempo_npy_type_bytes(tempo_npy_type type)
{
    static const uint8_t bytes[] = {
        [TEMPO_NPY_F32] = 4,  [TEMPO_NPY_F64] = 8,     [TEMPO_NPY_I32] = 4, [TEMPO_NPY_I64] = 8,
        [TEMPO_NPY_U8] = 1,   [TEMPO_NPY_BOOL] = 1,    [TEMPO_NPY_F16] = 2, [TEMPO_NPY_I8] = 1,
        [TEMPO_NPY_I16] = 2,  [TEMPO_NPY_U16] = 2,     [TEMPO_NPY_U32] = 4, [TEMPO_NPY_U64] = 8,
        [TEMPO_NPY_BF16] = 2, [TEMPO_NPY_UNICODE] = 4,
    };

    assert((size_t)type < sizeof(bytes));
    return bytes[type];
}

bool tempo_npy_is_float(tempo_npy_type type)
{
    return type == TEMPO_NPY_F16 || type == TEMPO_NPY_BF16 || type == TEMPO_NPY_F32 || type == TEMPO_NPY_F64;
}

bool tempo_npy_data_bytes(tempo_npy_type type, const uint64_t *shape, unsigned n_dims, uint64_t *out)
{
    uint64_t n = tempo_npy_type_bytes(type);

    *out = 0;
    for (unsigned i = 0; i < n_dims; i++)
        if (shape[i] == 0) /* empty, however large the others are */
            return true;
    for (unsigned i = 0; i < n_dims; i++)
        if (__builtin_mul_overflow(n, shape[i], &n))
            return false;
    *out = n;
    return true;
}

size_t tempo_npy_put_header(unsigned char *out, tempo_npy_type type, uint32_t length, const uint64_t *shape,
                            unsigned n_dims)
{
    static const char *const codes[] = {
        [TEMPO_NPY_F32] = "<f4",    [TEMPO_NPY_F64] = "<f8", [TEMPO_NPY_I32] = "<i4",
        [TEMPO_NPY_I64] = "<i8",    [TEMPO_NPY_U8] = "|u1",  [TEMPO_NPY_BOOL] = "|b1",
        [TEMPO_NPY_F16] = "<f2",    [TEMPO_NPY_I8] = "|i1",  [TEMPO_NPY_I16] = "<i2",
        [TEMPO_NPY_U16] = "<u2",    [TEMPO_NPY_U32] = "<u4", [TEMPO_NPY_U64] = "<u8",
        [TEMPO_NPY_UNICODE] = "<U",
    };
    char *text = (char *)out + TEXT_AT;
    const size_t cap = TEMPO_NPY_HEADER_BYTES - TEXT_AT;
    int n;

    assert(type != TEMPO_NPY_BF16 && n_dims <= TEMPO_NPY_MAX_DIMS); /* 8 dimensions of 20 digits fit */
    n = snprintf(text, cap, "{'descr': '%s", codes[type]);
    if (type == TEMPO_NPY_UNICODE)
        n += snprintf(text + n, cap - (size_t)n, "%" PRIu32, length);
    n += snprintf(text + n, cap - (size_t)n, "', 'fortran_order': False, 'shape': (");
    for (unsigned i = 0; i < n_dims; i++) /* (3, 4), but (3,) for one */
        n += snprintf(text + n, cap - (size_t)n, "%s%" PRIu64 "%s", i > 0 ? " " : "", shape[i],
                      i + 1 < n_dims || n_dims == 1 ? "," : "");
    n += snprintf(text + n, cap - (size_t)n, "), }");
    const size_t used = TEXT_AT + (size_t)n + 1;
    const size_t all = (used + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
    assert(all <= TEMPO_NPY_HEADER_BYTES);
    memset(text + n, ' ', all - TEXT_AT - (size_t)n);
    out[all - 1] = '\n';
    memcpy(out, "\x93NUMPY\x01\x00", LENGTH_AT);
    out[LENGTH_AT] = (unsigned char)((all - TEXT_AT) & 0xff);
    out[LENGTH_AT + 1] = (unsigned char)((all - TEXT_AT) >> 8);
    return all;
}

tempo_status tempo_npy_save(const char *path, const float *data, const uint64_t *shape, unsigned n_dims,
                            tempo_err *err)
{
    unsigned char header[TEMPO_NPY_HEADER_BYTES];
    tempo_outfile *f;
    uint64_t bytes;
    tempo_status st;

    if (n_dims > TEMPO_NPY_MAX_DIMS)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: %u dimensions, at most %d can be saved",
                          path, n_dims, TEMPO_NPY_MAX_DIMS);
    if (!tempo_npy_data_bytes(TEMPO_NPY_F32, shape, n_dims, &bytes) || bytes > SIZE_MAX)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: the shape's product overflows", path);
    if ((st = tempo_outfile_create(&f, path, err)) != TEMPO_OK)
        return st;
    const size_t n = tempo_npy_put_header(header, TEMPO_NPY_F32, 0, shape, n_dims);
    if ((st = tempo_outfile_write(f, header, n, err)) != TEMPO_OK ||
        (st = tempo_outfile_write(f, data, (size_t)bytes, err)) != TEMPO_OK) {
        tempo_outfile_abort(f);
        return st;
    }
    return tempo_outfile_commit(f, err);
}
