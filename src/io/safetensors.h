/* safetensors.h - the safetensors container: u64 header length, JSON header, raw tensors.
 *
 * Validates: header inside the file and below TEMPO_SAFETENSORS_MAX_HEADER, dtype and shape give
 * exactly the bytes of data_offsets, offsets inside the data, no overlap, no hole, names unique.
 * Source: the safetensors format description.  */
#ifndef TEMPO_IO_SAFETENSORS_H
#define TEMPO_IO_SAFETENSORS_H
#include "base/dtype.h"
#include "io/json.h"
#include "io/map.h"

enum { TEMPO_SAFETENSORS_MAX_HEADER = 100 * 1000 * 1000, TEMPO_SAFETENSORS_MAX_DIMS = 8 };

typedef struct tempo_safetensor {
    const char *name;  /* owned by the container, NUL-terminated */
    const char *dtype; /* as written: "BF16", "F32", "I64", ... */
    tempo_dtype type;  /* TEMPO_DTYPE_COUNT when it is not one of ours */
    uint32_t n_dims;
    uint64_t dims[TEMPO_SAFETENSORS_MAX_DIMS]; /* outermost first */
    uint64_t offset;                           /* absolute, in the file */
    uint64_t bytes;
} tempo_safetensor;

typedef struct tempo_safetensors {
    const unsigned char *base; /* [size] */
    uint64_t size;
    tempo_map map; /* when opened from a file */
    size_t n_tensors;
    tempo_safetensor *tensors; /* [n_tensors] sorted by name */
    char *names;               /* owned text */
    json_t *metadata;          /* what stands under __metadata__, of any type; NULL without it */
} tempo_safetensors;

tempo_status tempo_safetensors_open(tempo_safetensors *out, const char *path,
                                    tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_safetensors_parse(tempo_safetensors *out, const unsigned char *base, uint64_t size,
                                     tempo_err *err) TEMPO_MUST_CHECK;
void tempo_safetensors_free(tempo_safetensors *s);
const tempo_safetensor *tempo_safetensors_find(const tempo_safetensors *s, const char *name); /* or NULL */

#endif
