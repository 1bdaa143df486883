/* dtype.h - element types of tensors and how their blocks are laid out in files.
 *
 * Source: the GGUF specification and ggml's block structures; safetensors, whose 8-bit floats GGUF has not.
 * dtype.inc is the only list: DTYPE(name, ggml code, elements per block, bytes per block).  */
#ifndef TEMPO_BASE_DTYPE_H
#define TEMPO_BASE_DTYPE_H
#include <stddef.h>
#include <stdint.h>

#define TEMPO_NO_GGML UINT32_MAX /* the code of a type that no GGUF file has */

typedef enum tempo_dtype {
#define DTYPE(name, ggml, len, bytes) TEMPO_##name,
#include "base/dtype.inc"
#undef DTYPE
    TEMPO_DTYPE_COUNT
} tempo_dtype;

typedef struct tempo_dtype_info {
    const char *name;     /* "F32", "Q4_K" */
    uint32_t ggml;        /* type code in GGUF */
    uint32_t block_len;   /* elements per block */
    uint32_t block_bytes; /* bytes per block */
} tempo_dtype_info;

/* t < TEMPO_DTYPE_COUNT */
const tempo_dtype_info *tempo_dtype_get(tempo_dtype t);
/* TEMPO_DTYPE_COUNT when the code or name is not one of ours. */
tempo_dtype tempo_dtype_from_ggml(uint32_t code);
tempo_dtype tempo_dtype_from_name(const char *name, size_t n);

#endif
