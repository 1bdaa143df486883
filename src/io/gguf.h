/* gguf.h - GGUF v2 and v3 containers (little-endian): metadata and tensor table.
 *
 * Parsing validates everything that can be validated without knowing the architecture: magic,
 * version, counts against the bytes left, key and string lengths, value types, arrays in arrays (which
 * can only be passed over), duplicate keys, tensor names unique, 0..4 dimensions, products without
 * overflow, row length a multiple of the block, alignment a power of two, every tensor inside
 * the file, aligned, none overlapping another.  Errors carry the offset of the field.
 * Source: the GGUF specification.  */
#ifndef TEMPO_IO_GGUF_H
#define TEMPO_IO_GGUF_H
#include "base/dtype.h"
#include "io/map.h"
#include "io/reader.h"

typedef enum tempo_gguf_type {
    TEMPO_GGUF_U8, TEMPO_GGUF_I8, TEMPO_GGUF_U16, TEMPO_GGUF_I16, TEMPO_GGUF_U32, TEMPO_GGUF_I32,
    TEMPO_GGUF_F32, TEMPO_GGUF_BOOL, TEMPO_GGUF_STRING, TEMPO_GGUF_ARRAY, TEMPO_GGUF_U64,
    TEMPO_GGUF_I64, TEMPO_GGUF_F64, TEMPO_GGUF_TYPE_COUNT
} tempo_gguf_type;

typedef struct tempo_gguf_kv {
    tempo_str key;
    tempo_gguf_type type; /* of the value; for arrays TEMPO_GGUF_ARRAY */
    tempo_gguf_type elem; /* element type of an array */
    uint64_t count;       /* elements of an array, else 1 */
    uint64_t at;          /* file offset of the value (of the first element of an array) */
    uint64_t bytes;       /* of the value or of all elements */
} tempo_gguf_kv;

typedef struct tempo_gguf_tensor {
    tempo_str name;
    uint32_t n_dims;
    uint64_t dims[4];     /* as in the file: dims[0] is the row length; unused ones are 1; some may be 0 */
    uint32_t ggml_type;   /* code in the file */
    tempo_dtype type;     /* TEMPO_DTYPE_COUNT when not one of ours: bytes is then 0 */
    uint64_t offset;      /* absolute, in the file */
    uint64_t bytes;
    uint64_t info_at;     /* file offset of its entry in the table, for messages */
} tempo_gguf_tensor;

typedef struct tempo_gguf {
    const unsigned char *base; /* [size] borrowed by _parse, owned through map by _open */
    uint64_t size;
    tempo_map map;
    uint32_t version;
    uint64_t alignment, data_at; /* data_at: file offset of the tensor data */
    size_t n_kv, n_tensors;
    tempo_gguf_kv *kv;           /* [n_kv], file order */
    tempo_gguf_tensor *tensors;  /* [n_tensors], file order */
    uint32_t *kv_index, *tensor_index; /* sorted by name, for _find */
} tempo_gguf;

tempo_status tempo_gguf_open(tempo_gguf *out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
/* base[size] is borrowed and must outlive *out. */
tempo_status tempo_gguf_parse(tempo_gguf *out, const unsigned char *base, uint64_t size,
                              tempo_err *err) TEMPO_MUST_CHECK;
void tempo_gguf_free(tempo_gguf *g);

const tempo_gguf_kv *tempo_gguf_find(const tempo_gguf *g, const char *key);          /* or NULL */
const tempo_gguf_tensor *tempo_gguf_find_tensor(const tempo_gguf *g, const char *name); /* or NULL */

/* PATH-00002-of-00003.gguf, as parts of a model are called: *no (from 1), *count, and the length of PATH; else 0. */
size_t tempo_gguf_part_name(const char *path, unsigned *no, unsigned *count);

/* Typed values.  A missing key is TEMPO_E_NOTFOUND without a message (so that a caller may have a
 * default); a wrong type or a value out of range is TEMPO_E_FORMAT at its offset.  Any integer type
 * serves for u64/i64, and that, F32 and F64 for f64.  *out is untouched on failure.  */
tempo_status tempo_gguf_u64(const tempo_gguf *g, const char *key, uint64_t max, uint64_t *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_gguf_f64(const tempo_gguf *g, const char *key, double *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_gguf_bool(const tempo_gguf *g, const char *key, bool *out, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_gguf_str(const tempo_gguf *g, const char *key, tempo_str *out, tempo_err *err) TEMPO_MUST_CHECK;
/* The key as an array of `elem` (for I32 any integers, for F32 also F64): NOTFOUND or FORMAT as above. */
tempo_status tempo_gguf_array(const tempo_gguf *g, const char *key, tempo_gguf_type elem,
                              const tempo_gguf_kv **out, tempo_err *err) TEMPO_MUST_CHECK;
/* Elements of a validated array.  Numbers: index i < count.  Strings: walk with a cursor that
 * starts at { 0 }; count calls succeed.  */
int64_t tempo_gguf_array_int(const tempo_gguf *g, const tempo_gguf_kv *a, uint64_t i);
double tempo_gguf_array_float(const tempo_gguf *g, const tempo_gguf_kv *a, uint64_t i);
tempo_str tempo_gguf_array_next_str(const tempo_gguf *g, const tempo_gguf_kv *a, uint64_t *cursor);

#endif
